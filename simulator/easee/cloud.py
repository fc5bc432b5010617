"""Easee's HTTP API, played after the public reference, beside a real AMQP broker."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
import itertools
import json
import secrets
from typing import override

from aiohttp import web

from ..administrator import Administrator
from ..http_api import HttpApi, Request
from . import observations
from .account import EaseeAccount
from .api import ApiError, RateLimit, Tokens
from .charger import PRODUCTS, EaseeCharger
from .observations import ObservationValue, data_type, timestamp

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_ACCOUNT = web.RequestKey("account", EaseeAccount)
# Inferred: clients that ask month by month say that the API makes them.
_USAGE_AT_MOST = timedelta(days=31)
_PUBLIC = {"/api/accounts/login", "/api/accounts/refresh_token"}


class EaseeCloud(HttpApi):
    """Easee's HTTP API and AMQP publisher.

    One that is stopped and started again keeps its address, accounts and tokens.
    """

    def __init__(
        self,
        administrator: Administrator,
        *,
        tls: bool = False,
        amqp_host: str | None = None,
        amqp_port: int | None = None,
        port: int = 0,
    ) -> None:
        super().__init__(port)
        broker = administrator.broker
        self.administrator = administrator
        self.tls = tls
        self.amqp_host = amqp_host or broker.host
        self.amqp_port = amqp_port or (broker.tls_port if tls else broker.port)
        self.accounts: dict[str, EaseeAccount] = {}
        self.tokens = Tokens()
        self.observations_limit = RateLimit()
        # What an ordinary account gets from the AMQP endpoint is documented nowhere.
        self.amqp_refusal_status = 403
        self._user_ids = itertools.count(700001)

    @override
    def _application(self) -> web.Application:
        application = web.Application(
            middlewares=[self._record, self._inject, self._authorize]
        )
        application.add_routes(self._routes())
        return application

    async def add_account(
        self, username: str, password: str, *, operator_id: int | None
    ) -> EaseeAccount:
        """Open an account; an operator's gets a new queue on the broker."""
        account = EaseeAccount(
            administrator=self.administrator,
            username=username,
            password=password,
            user_id=next(self._user_ids),
            operator_id=operator_id,
            amqp_password=secrets.token_hex(12),
        )
        if operator_id is not None:
            await self.administrator.create_account(
                account.amqp_username,
                account.amqp_password,
                account.queue,
                account.exchange,
            )
        self.accounts[username] = account
        return account

    def expire_tokens(self) -> None:
        """Make every access token invalid; refresh tokens stay good."""
        self.tokens.expire()

    def expire_refresh_tokens(self) -> None:
        """Make every refresh token invalid."""
        self.tokens.expire_refresh()

    def _routes(self) -> list[web.RouteDef]:
        charger = "/api/chargers/{serial}"
        return [
            web.post("/api/accounts/login", self._login),
            web.post("/api/accounts/refresh_token", self._refresh_token),
            web.get("/api/accounts/profile", self._profile),
            web.get("/api/streams/amqp/v2", self._amqp),
            web.get("/api/chargers", self._chargers),
            web.get(charger, self._charger),
            web.get(f"{charger}/details", self._details),
            web.get(f"{charger}/usage/hourly/{{start}}/{{end}}", self._hourly_usage),
            web.get("/state/{serial}/observations", self._observations),
            web.get("/state/{serial}/observation/{id}", self._observation),
        ]

    @web.middleware
    async def _record(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        call = Request(
            method=request.method, path=request.path, query=request.query_string
        )
        self.requests.append(call)
        try:
            response = await handler(request)
        except ApiError as error:
            response = error.response()
        except web.HTTPException as error:
            response = ApiError(error.status, error.reason).response()
        call.status = response.status
        return response

    @web.middleware
    async def _inject(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        return await self.strike(request.path) or await handler(request)

    @web.middleware
    async def _authorize(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        if request.path not in _PUBLIC:
            account = self.tokens.account(request.headers.get("Authorization", ""))
            if account is None:
                raise ApiError(401, "Unauthorized")
            request[_ACCOUNT] = account
        return await handler(request)

    async def _login(self, request: web.Request) -> web.Response:
        credentials = await _members(request, "userName", "password")
        account = self.accounts.get(credentials["userName"])
        if account is None or account.password != credentials["password"]:
            raise ApiError(
                400,
                "Username or password is invalid",
                code=100,
                name="InvalidUserPassword",
            )
        return web.json_response(self.tokens.issue(account))

    async def _refresh_token(self, request: web.Request) -> web.Response:
        old = await _members(request, "accessToken", "refreshToken")
        new = self.tokens.refresh(old["accessToken"], old["refreshToken"])
        if new is None:
            raise ApiError(401, "Refresh token is invalid")
        return web.json_response(new)

    async def _profile(self, request: web.Request) -> web.Response:
        account = request[_ACCOUNT]
        return web.json_response(
            {
                "userId": account.user_id,
                "eMail": account.username,
                "phoneNo": None,
                "firstName": "Kim",
                "lastName": "Example",
                "country": None,
                "language": "en",
                "company": None,
                "isActive": True,
            }
        )

    async def _amqp(self, request: web.Request) -> web.Response:
        account = request[_ACCOUNT]
        if account.operator_id is None:
            raise ApiError(self.amqp_refusal_status, "Not an integration account")
        return web.json_response(
            {
                "server": self.amqp_host,
                "port": self.amqp_port,
                "useSsl": self.tls,
                "virtualHost": "/",
                "queueName": account.queue,
                "exchangeName": account.exchange,
                "username": account.amqp_username,
                "password": account.amqp_password,
            }
        )

    async def _chargers(self, request: web.Request) -> web.Response:
        chargers = request[_ACCOUNT].chargers.values()
        return web.json_response([_summary(charger) for charger in chargers])

    async def _charger(self, request: web.Request) -> web.Response:
        return web.json_response(_summary(self._own_charger(request)))

    async def _details(self, request: web.Request) -> web.Response:
        charger = self._own_charger(request)
        return web.json_response(
            {
                "serialNumber": charger.serial,
                "product": PRODUCTS.get(charger.product_code),
                "unitType": "Charger",
                "levelOfAccess": 1,
                "partner": {"id": 1, "name": "Example Charging"},
            }
        )

    async def _hourly_usage(self, request: web.Request) -> web.Response:
        charger = self._own_charger(request)
        start = _parsed_time(request.match_info["start"])
        end = _parsed_time(request.match_info["end"])
        if end - start > _USAGE_AT_MOST:
            raise ApiError(400, "The period is too long")
        return web.json_response(
            [
                {
                    "from": timestamp(hour),
                    "to": timestamp(hour + timedelta(hours=1)),
                    "totalEnergy": energy,
                }
                for hour, energy in sorted(charger.hourly_usage.items())
                if start <= hour < end
            ]
        )

    async def _observations(self, request: web.Request) -> web.Response:
        self.observations_limit.check()
        held = self._own_charger(request).observations
        asked = request.query.get("ids")
        try:
            ids = list(held) if asked is None else [int(i) for i in asked.split(",")]
        except ValueError:
            raise ApiError(400, "The ids are not numbers") from None
        return web.json_response(
            {"observations": [_stated(i, *held[i]) for i in ids if i in held]}
        )

    async def _observation(self, request: web.Request) -> web.Response:
        self.observations_limit.check()
        held = self._own_charger(request).observations
        asked = request.match_info["id"]
        if not asked.isdecimal() or int(asked) not in held:
            raise ApiError(404, "No such observation")
        return web.json_response(
            {"observation": _stated(int(asked), *held[int(asked)])}
        )

    def _own_charger(self, request: web.Request) -> EaseeCharger:
        serial = request.match_info["serial"]
        charger = request[_ACCOUNT].chargers.get(serial)
        if charger is None:
            raise ApiError(403, "The charger does not belong to the account")
        return charger


def _summary(charger: EaseeCharger) -> dict[str, object]:
    plate = f"{charger.serial}-PLATE"
    created = observations.timestamp(charger.created)
    return {
        "id": charger.serial,
        "name": charger.name,
        "color": 1,
        "createdOn": created,
        "updatedOn": created,
        "backPlate": {"id": plate, "masterBackPlateId": plate},
        "levelOfAccess": 1,
        "productCode": charger.product_code,
    }


def _stated(
    observation_id: int, time: datetime, value: ObservationValue
) -> dict[str, object]:
    return {
        "id": observation_id,
        "timestamp": timestamp(time),
        "dataType": int(data_type(value)),
        "value": value,
    }


async def _members(request: web.Request, *names: str) -> dict[str, str]:
    try:
        document = await request.json()
        return {name: str(document[name]) for name in names}
    except json.JSONDecodeError, KeyError, TypeError:
        raise ApiError(400, "The body is not what was expected") from None


def _parsed_time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ApiError(400, f"Not a time: {text}") from None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
