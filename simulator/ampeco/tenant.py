"""A tenant of AMPECO, played after the public API description: its HTTP API and its sender."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
import itertools
import json
import math
from typing import Any, override

import aiohttp
from aiohttp import web

from ..http_api import HttpApi, Request
from .charging import ChargePoint
from .notifications import NAMES, OLD_NAMES, charge_point_document
from .sender import Sender, encoded
from .subscriptions import KAFKA, WEBHOOK, Failed, Subscription, faults_of

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
type Produce = Callable[[str, bytes], Awaitable[None]]

_SUBSCRIPTIONS = "/public-api/notifications/v2.0"
_ONE = _SUBSCRIPTIONS + "/{id}"
_RESEND = "/public-api/actions/notifications/v1.0/{id}/resend"
_CHARGE_POINTS = "/public-api/resources/charge-points/v2.0"
_MINUTE = timedelta(minutes=1)


class AmpecoTenant(HttpApi):
    """The API of one tenant, and what sends its notifications.

    `is_old` makes it one of years ago, that knows the older names only. `produce` takes
    what goes to Kafka: topic and value. One that is stopped and started again keeps its
    address and its subscriptions.
    """

    def __init__(self, *, is_old: bool = False, produce: Produce | None = None) -> None:
        super().__init__()
        self.known = OLD_NAMES if is_old else NAMES
        self.tokens: dict[str, bool] = {"tenant-token": True}
        """Each API token, and whether its owner has the rights for all this."""
        self.charge_points: list[ChargePoint] = []
        self.subscriptions: dict[int, Subscription] = {}
        self.calls_a_minute = 600
        self.resend_pause = timedelta(minutes=15)
        self._produce = produce
        self._ids = itertools.count(301)
        self._calls: deque[datetime] = deque()
        self._resending: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._sender: Sender | None = None

    @property
    def sender(self) -> Sender:
        """Who posts its notifications, once started."""
        if self._sender is None:
            raise RuntimeError("the tenant was never started")
        return self._sender

    @override
    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._record, self._admit])
        application.add_routes(
            [
                web.get(_SUBSCRIPTIONS, self._list),
                web.post(_SUBSCRIPTIONS, self._create),
                web.get(_ONE, self._show),
                web.put(_ONE, self._change),
                web.delete(_ONE, self._delete),
                web.post(_RESEND, self._resend),
                web.get(_CHARGE_POINTS, self._charge_points),
            ]
        )
        return application

    @override
    async def start(self, port: int = 0) -> None:
        """Answer, and be able to send."""
        await super().start(port)
        self._session = aiohttp.ClientSession()
        self._sender = Sender(session=self._session)

    @override
    async def stop(self) -> None:
        """Answer and send no more."""
        for task in self._resending:
            task.cancel()
        await asyncio.gather(*self._resending, return_exceptions=True)
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        await super().stop()

    def subscribe_by_hand(
        self,
        notifications: tuple[str, ...],
        *,
        callback_url: str = "",
        topic: str = "",
        token: str = "tenant-token",
    ) -> Subscription:
        """Subscribe as somebody does in the back office; a topic makes it one for Kafka."""
        subscription = Subscription(
            subscription_id=next(self._ids),
            via=KAFKA if topic else WEBHOOK,
            notifications=notifications,
            token=token,
            callback_url=callback_url,
            topic=topic,
        )
        self.subscriptions[subscription.subscription_id] = subscription
        return subscription

    async def notify(self, notification: Mapping[str, Any]) -> None:
        """Send it to all who subscribed its name; what nobody takes is kept as failed."""
        name, body = str(notification["notification"]), encoded(notification)
        for subscription in list(self.subscriptions.values()):
            if name in subscription.notifications and not subscription.is_disabled:
                await self._deliver(subscription, name, body)

    async def settle(self) -> None:
        """Wait until what is being sent again was sent."""
        await asyncio.gather(*self._resending)

    async def _deliver(
        self, subscription: Subscription, name: str, body: bytes
    ) -> None:
        if subscription.via == KAFKA:
            if self._produce is not None:
                await self._produce(subscription.topic, body)
            return
        url, token = subscription.callback_url, subscription.token
        if not await self.sender.send(url, token, body):
            failed = Failed(name=name, body=body, at=datetime.now(UTC))
            subscription.failed.append(failed)

    @web.middleware
    async def _record(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        call = Request(
            method=request.method, path=request.path, query=request.query_string
        )
        self.requests.append(call)
        try:
            response = await self.strike(request.path) or await handler(request)
        except web.HTTPException as error:
            response = _refusal(error.status, error.reason)
        call.status = response.status
        return response

    @web.middleware
    async def _admit(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.tokens:
            return _refusal(401, "Unauthenticated.")
        if not self.tokens[token]:
            return _refusal(403, "This action is unauthorized.")
        now = datetime.now(UTC)
        while self._calls and self._calls[0] <= now - _MINUTE:
            self._calls.popleft()
        left = self.calls_a_minute - len(self._calls)
        limits = {
            "X-RateLimit-Limit": str(self.calls_a_minute),
            "X-RateLimit-Remaining": str(max(0, left - 1)),
        }
        if left <= 0:
            wait = math.ceil((self._calls[0] + _MINUTE - now).total_seconds())
            return _refusal(429, "Too Many Attempts.", limits | _wait(wait))
        self._calls.append(now)
        response = await handler(request)
        response.headers.update(limits)
        return response

    async def _list(self, request: web.Request) -> web.Response:
        documents = [each.document() for each in self.subscriptions.values()]
        return self._page(request, documents)

    async def _create(self, request: web.Request) -> web.Response:
        body = await _document(request)
        if faults := faults_of(body, self.known):
            return _invalid(faults)
        subscription = Subscription(
            subscription_id=next(self._ids),
            via=body["via"],
            notifications=tuple(body["notifications"]),
            token=_token(request),
            callback_url=body.get(WEBHOOK, {}).get("callbackUrl", ""),
            topic=body.get(KAFKA, {}).get("topic", ""),
        )
        self.subscriptions[subscription.subscription_id] = subscription
        return web.json_response({"data": subscription.document()}, status=201)

    async def _show(self, request: web.Request) -> web.Response:
        return web.json_response({"data": self._named(request).document()})

    async def _change(self, request: web.Request) -> web.Response:
        subscription = self._named(request)
        body = await _document(request)
        if faults := faults_of(body, self.known):
            return _invalid(faults)
        subscription.notifications = tuple(body["notifications"])
        subscription.callback_url = body.get(WEBHOOK, {}).get("callbackUrl", "")
        return web.json_response({"data": subscription.document()})

    async def _delete(self, request: web.Request) -> web.Response:
        del self.subscriptions[self._named(request).subscription_id]
        return web.Response(status=204)

    async def _resend(self, request: web.Request) -> web.Response:
        """Inferred: which status tells that it is too soon, and which that it is disabled."""
        subscription = self._named(request)
        body = await _document(request)
        if subscription.is_disabled:
            return _refusal(409, "The subscription is disabled.")
        now = datetime.now(UTC)
        if subscription.resent_at is not None:
            wait = (subscription.resent_at + self.resend_pause - now).total_seconds()
            if wait > 0:
                return _refusal(429, "Too Many Attempts.", _wait(math.ceil(wait)))
        subscription.resent_at = now
        chosen = [each for each in subscription.failed if _is_meant(each, body)]
        task = asyncio.create_task(self._send_again(subscription, chosen))
        self._resending.add(task)
        task.add_done_callback(self._resending.discard)
        return web.Response(status=202)

    async def _send_again(
        self, subscription: Subscription, chosen: list[Failed]
    ) -> None:
        """Send each once; those that fail again go back to the list."""
        subscription.failed = [e for e in subscription.failed if e not in chosen]
        url, token = subscription.callback_url, subscription.token
        for each in chosen:
            status = await self.sender.post(url, token, each.body, datetime.now(UTC))
            if status != 202:
                subscription.failed.append(each)

    async def _charge_points(self, request: web.Request) -> web.Response:
        documents = [
            charge_point_document(
                point.point_id,
                point.name,
                [(each.evse_id, each.physical_reference) for each in point.evses],
                firmware=point.firmware,
            )
            for point in self.charge_points
        ]
        return self._page(request, documents)

    def _named(self, request: web.Request) -> Subscription:
        subscription = self.subscriptions.get(int(request.match_info["id"]))
        if subscription is None:
            raise web.HTTPNotFound
        return subscription

    def _page(
        self, request: web.Request, documents: list[dict[str, Any]]
    ) -> web.Response:
        """A page of a list. Inferred: what the cursor looks like, which is nobody's business."""
        size = int(request.query.get("per_page", "100"))
        if not 1 <= size <= 100:
            return _invalid({"per_page": ["The per page must be between 1 and 100."]})
        begin = int(request.query.get("cursor", "0"))
        end = begin + size
        link = None
        if end < len(documents):
            link = f"{self.url}{request.path}?per_page={size}&cursor={end}"
        return web.json_response(
            {
                "data": documents[begin:end],
                "links": {"first": None, "last": None, "prev": None, "next": link},
                "meta": {"path": request.path, "per_page": size},
            }
        )


def _refusal(
    status: int, message: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    return web.json_response({"message": message}, status=status, headers=headers)


def _invalid(faults: Mapping[str, list[str]]) -> web.Response:
    return web.json_response(
        {"message": "The given data was invalid.", "errors": faults}, status=422
    )


def _wait(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)}


def _token(request: web.Request) -> str:
    return request.headers["Authorization"].partition(" ")[2]


async def _document(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except json.JSONDecodeError as err:
        raise web.HTTPBadRequest from err
    if not isinstance(body, dict):
        raise web.HTTPBadRequest
    return body


def _is_meant(failed: Failed, body: Mapping[str, Any]) -> bool:
    begin, end = body.get("startTime"), body.get("endTime")
    return (
        failed.name in body.get("notifications", ())
        and (begin is None or datetime.fromisoformat(begin) <= failed.at)
        and (end is None or failed.at <= datetime.fromisoformat(end))
    )
