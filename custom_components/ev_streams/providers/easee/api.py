"""A small client of Easee's HTTP API: login, inventory, stream details, snapshot, usage.

From the vendor's API documentation and what public clients report of it.
Every failure is a StreamError; none carries a secret.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from time import monotonic
from typing import Any, Final

import aiohttp
import orjson

from ...model import BadInputError
from ...stream.errors import AccountRefusedError, ConnectionFailedError
from ...stream.http import InsecureAddressError, api_errors, is_secure, retry_after
from .observations import text

DEFAULT_API_URL: Final = "https://api.easee.com"
REQUEST_TIMEOUT: Final = 30
# The vendor allows 100 calls in 5 minutes and counts by public address.
OBSERVATION_CALLS: Final = 90
OBSERVATION_PERIOD: Final = 300.0
ATTEMPTS: Final = 3
# A token is renewed this long before it ends, or at half its life if that is shorter.
RENEW_BEFORE: Final = 600.0

REFUSALS: Final = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
}


class NotAnIntegrationAccountError(AccountRefusedError):
    """The account works, but the vendor opens the stream to integration accounts only."""

    form_error = "not_an_integration_account"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamDetails:
    """Where the account's queue is, and the key to it."""

    server: str
    port: int
    use_ssl: bool
    virtual_host: str
    queue_name: str
    username: str
    password: str

    def __repr__(self) -> str:
        """Keep the credentials out of logs and tracebacks."""
        return f"StreamDetails({self.server}:{self.port}, {self.queue_name})"


@dataclass(slots=True)
class _Tokens:
    access: str
    refresh: str
    renew_at: float


class EaseeClient:
    """One account's access to the API.

    `patience` bounds in seconds how long a call waits when the API asks for
    patience (429); beyond it the call fails with `retry_after`.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        username: str,
        password: str,
        api_url: str = DEFAULT_API_URL,
        *,
        patience: float = 300,
    ) -> None:
        """Prepare; nothing is asked before the first call."""
        self._session = session
        self._username = username
        self._password = password
        self._url = api_url.rstrip("/")
        self._is_secure = is_secure(api_url)
        self._patience = patience
        self._tokens: _Tokens | None = None
        self._login_lock = asyncio.Lock()
        self._blocked_until = 0.0
        self._observation_calls: deque[float] = deque()

    async def login(self) -> None:
        """Log in; raises AccountRefusedError where the credentials are wrong."""
        await self._access_token(stale=None)

    async def stream_details(self) -> StreamDetails:
        """Ask where the stream is; raises NotAnIntegrationAccountError for other accounts.

        How the refusal looks is not documented, so that any of the statuses
        that mean "not you" is taken for it.
        """
        status, answer = await self._call("GET", "/api/streams/amqp/v2")
        if status in REFUSALS:
            raise NotAnIntegrationAccountError(
                "the account may not read the event stream"
            )
        details = _mapping(_ok(status, answer))
        try:
            return StreamDetails(
                server=text(details["server"]),
                port=int(details["port"]),
                use_ssl=bool(details["useSsl"]),
                virtual_host=text(details["virtualHost"]),
                queue_name=text(details["queueName"]),
                username=text(details["username"]),
                password=text(details["password"]),
            )
        except (KeyError, TypeError, ValueError, BadInputError) as err:
            raise ConnectionFailedError("the stream details are incomplete") from err

    async def chargers(self) -> list[Mapping[str, Any]]:
        """Return the account's chargers: objects with at least an `id`, the serial number."""
        answer = _ok(*await self._call("GET", "/api/chargers"))
        if not isinstance(answer, list):
            raise ConnectionFailedError("the list of chargers is no list")
        return [
            charger
            for charger in answer
            if isinstance(charger, dict) and isinstance(charger.get("id"), str)
        ]

    async def observations(
        self, serial: str, ids: list[int]
    ) -> list[Mapping[str, Any]]:
        """Return the charger's newest observations: objects of `id`, `timestamp`, `value`.

        Waits where the vendor's rate limit asks for it.
        """
        await self._await_observation_slot()
        query = ",".join(map(str, ids))
        answer = _ok(
            *await self._call("GET", f"/state/{serial}/observations?ids={query}")
        )
        observations = _mapping(answer).get("observations")
        if not isinstance(observations, list):
            raise ConnectionFailedError("the snapshot holds no observations")
        return [item for item in observations if isinstance(item, dict)]

    async def hourly_usage(
        self, serial: str, start: datetime, end: datetime
    ) -> list[Mapping[str, Any]]:
        """Return the charger's energy by the hour, in the vendor's own form.

        One call serves about a month; times are aware.
        """
        period = "/".join(
            f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for moment in (start, end)
        )
        answer = _ok(
            *await self._call("GET", f"/api/chargers/{serial}/usage/hourly/{period}")
        )
        if not isinstance(answer, list) or not all(
            isinstance(entry, dict) for entry in answer
        ):
            raise ConnectionFailedError("the hourly usage is no list of objects")
        return answer

    async def _await_observation_slot(self) -> None:
        while True:
            now = monotonic()
            calls = self._observation_calls
            while calls and calls[0] <= now - OBSERVATION_PERIOD:
                calls.popleft()
            if len(calls) < OBSERVATION_CALLS:
                calls.append(now)
                return
            await asyncio.sleep(calls[0] + OBSERVATION_PERIOD - now)

    async def _call(self, method: str, path: str) -> tuple[int, Any]:
        """Call with a token; one that is refused is renewed and the call made once more."""
        token = await self._access_token(stale=None)
        status, answer = await self._send(method, path, token=token)
        if status == HTTPStatus.UNAUTHORIZED:
            token = await self._access_token(stale=token)
            status, answer = await self._send(method, path, token=token)
        return status, answer

    async def _access_token(self, stale: str | None) -> str:
        """Return a token that is neither `stale` nor about to end."""
        async with self._login_lock:
            tokens = self._tokens
            if tokens is None:
                tokens = await self._log_in()
            elif tokens.access == stale or monotonic() >= tokens.renew_at:
                tokens = await self._refresh(tokens) or await self._log_in()
            self._tokens = tokens
            return tokens.access

    async def _log_in(self) -> _Tokens:
        credentials = {"userName": self._username, "password": self._password}
        status, answer = await self._send(
            "POST", "/api/accounts/login", json=credentials
        )
        # A wrong password comes as 400 with errorCode 100 as well as 401.
        if status in REFUSALS - {HTTPStatus.NOT_FOUND}:
            raise AccountRefusedError("the login was refused")
        return _tokens(_ok(status, answer))

    async def _refresh(self, tokens: _Tokens) -> _Tokens | None:
        """Return renewed tokens, or None where only a new login helps."""
        pair = {"accessToken": tokens.access, "refreshToken": tokens.refresh}
        status, answer = await self._send(
            "POST", "/api/accounts/refresh_token", json=pair
        )
        return None if status in REFUSALS else _tokens(_ok(status, answer))

    async def _send(
        self, method: str, path: str, *, token: str | None = None, json: object = None
    ) -> tuple[int, Any]:
        """Make one call, waiting as a 429 asks; returns the status and the decoded body."""
        if not self._is_secure:
            raise InsecureAddressError("the API address is not https")
        deadline = monotonic() + self._patience
        for _ in range(ATTEMPTS):
            await self._wait_while_blocked(deadline)
            status, answer, wait = await self._send_once(method, path, token, json)
            if status != HTTPStatus.TOO_MANY_REQUESTS:
                return status, answer
            self._blocked_until = monotonic() + wait
        raise ConnectionFailedError("the API asks to wait", retry_after=wait)

    async def _wait_while_blocked(self, deadline: float) -> None:
        if self._blocked_until > deadline:
            raise ConnectionFailedError(
                "the API asks to wait", retry_after=self._blocked_until - monotonic()
            )
        await asyncio.sleep(max(0.0, self._blocked_until - monotonic()))

    async def _send_once(
        self, method: str, path: str, token: str | None, json: object
    ) -> tuple[int, Any, float]:
        headers = {"Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        with api_errors():
            async with self._session.request(
                method,
                f"{self._url}{path}",
                json=json,
                headers=headers,
                # A redirect could lead the token anywhere.
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT),
            ) as response:
                answer = (
                    # The standard library would let half characters through to the store.
                    await response.json(content_type=None, loads=orjson.loads)
                    if response.ok
                    else None
                )
                return (
                    response.status,
                    answer,
                    retry_after(response.headers.get("Retry-After")),
                )


def _ok(status: int, answer: object) -> object:
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise ConnectionFailedError(f"the API answered {status}")
    return answer


def _mapping(answer: object) -> Mapping[str, Any]:
    if not isinstance(answer, dict):
        raise ConnectionFailedError("the API gave an answer of another shape")
    return answer


def _tokens(answer: object) -> _Tokens:
    members = _mapping(answer)
    try:
        lifetime = float(members["expiresIn"])
        access, refresh = text(members["accessToken"]), text(members["refreshToken"])
    except (KeyError, TypeError, ValueError, BadInputError) as err:
        raise ConnectionFailedError("the login answer is incomplete") from err
    return _Tokens(
        access, refresh, monotonic() + lifetime - min(RENEW_BEFORE, lifetime / 2)
    )
