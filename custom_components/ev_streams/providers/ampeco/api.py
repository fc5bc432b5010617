"""A small client of a tenant's HTTP API: subscriptions of notifications, and charge points.

From the vendor's API description. Every failure is a StreamError; none carries the
token, nor the callback address, which is as good as a password.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import aiohttp
import orjson
from yarl import URL

from ...model import DeviceRecord
from ...stream.errors import AccountRefusedError, ConnectionFailedError, StreamError
from ...stream.http import InsecureAddressError, api_errors, is_secure, retry_after
from .devices import charge_point_records
from .fields import identifier, members, objects
from .notifications import DEFAULT_NOTIFICATIONS, for_an_old_tenant

SUBSCRIPTIONS: Final = "/public-api/notifications/v2.0"
RESEND: Final = "/public-api/actions/notifications/v1.0/{}/resend"
CHARGE_POINTS: Final = "/public-api/resources/charge-points/v2.0"

REQUEST_TIMEOUT: Final = 30
LONGEST_CALLBACK: Final = 500
PER_PAGE: Final = 100
# A list that never ends must not be followed for ever.
PAGES_AT_MOST: Final = 50
WEBHOOK: Final = "webhook"


class TokenRefusedError(AccountRefusedError):
    """The tenant does not know the API token, or its owner may not do this."""


class NotAllowedError(TokenRefusedError):
    """The tenant knows the API token, but its owner may not do this."""


class SubscriptionGoneError(StreamError):
    """The tenant has no such subscription any more."""


class SubscriptionIdleError(StreamError):
    """The tenant does not send again, as where the subscription was disabled there."""


class SubscriptionRefusedError(StreamError):
    """The tenant does not take the subscription as it is."""

    form_error = "subscription_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One that a tenant has; the callback address is secret."""

    subscription_id: str
    callback_url: str | None = field(default=None, repr=False)


def tenant_address(typed: str) -> str:
    """Return the address of a tenant's API; http only where it was typed."""
    typed = typed.strip()
    try:
        url = URL(typed if "://" in typed else f"https://{typed}").origin()
    except ValueError as err:
        raise ConnectionFailedError("this is no address of a tenant") from err
    if url.scheme not in {"http", "https"} or len(typed.split()) != 1:
        raise ConnectionFailedError("this is no address of a tenant")
    return str(url)


class AmpecoClient:
    """One tenant's API, with the rights of whoever owns the token."""

    def __init__(
        self, session: aiohttp.ClientSession, tenant_url: str, token: str
    ) -> None:
        """Prepare; nothing is asked before the first call. Raises StreamError for no address."""
        self._session = session
        self._url = tenant_address(tenant_url)
        self._token = token

    async def subscriptions(self) -> list[Subscription]:
        """Return what the tenant sends to whom, as far as it can be read."""
        found = [_subscription(entry) async for entry in self._all(SUBSCRIPTIONS)]
        return [each for each in found if each is not None]

    async def subscribe(
        self,
        callback_url: str,
        notifications: Iterable[str] = DEFAULT_NOTIFICATIONS,
    ) -> str:
        """Let the tenant call that address; returns the id of the subscription.

        Raises SubscriptionRefusedError where no wording of it is taken.
        """
        status, answer = await self._save(
            "POST", SUBSCRIPTIONS, callback_url, notifications
        )
        _check(status)
        subscription_id = identifier(members(members(answer).get("data")).get("id"))
        if subscription_id is None:
            raise ConnectionFailedError("the answer to a subscription names none")
        return subscription_id

    async def update(
        self,
        subscription_id: str,
        callback_url: str,
        notifications: Iterable[str] = DEFAULT_NOTIFICATIONS,
    ) -> bool:
        """Change a subscription; False where there is none of that id."""
        path = f"{SUBSCRIPTIONS}/{subscription_id}"
        status, _ = await self._save("PUT", path, callback_url, notifications)
        if status == HTTPStatus.NOT_FOUND:
            return False
        _check(status)
        return True

    async def unsubscribe(self, subscription_id: str) -> None:
        """End a subscription; that it is gone already is fine."""
        status, _ = await self._send("DELETE", f"{SUBSCRIPTIONS}/{subscription_id}")
        if status != HTTPStatus.NOT_FOUND:
            _check(status)

    async def resend(self, subscription_id: str, notifications: Iterable[str]) -> bool:
        """Ask for what could not be delivered; False where it is too soon to ask again.

        Whenever that was: a range of time would leave out what nobody knows to be
        missing. The tenant does so once in 15 minutes. Raises SubscriptionGoneError
        where there is none of that id, and SubscriptionIdleError for one of which
        nothing is sent again.
        """
        status, _ = await self._send(
            "POST",
            RESEND.format(subscription_id),
            body={"notifications": list(notifications)},
            is_limit_told=True,
        )
        if status == HTTPStatus.CONFLICT:
            raise SubscriptionIdleError("the tenant sends nothing again")
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return False
        if status == HTTPStatus.NOT_FOUND:
            raise SubscriptionGoneError("the subscription is gone")
        _check(status)
        return True

    async def charge_points(self) -> list[DeviceRecord]:
        """Return the charge points with their names, each followed by its EVSEs if told."""
        return [
            record
            async for entry in self._all(CHARGE_POINTS)
            for record in charge_point_records(entry)
        ]

    async def _save(
        self, method: str, path: str, callback_url: str, notifications: Iterable[str]
    ) -> tuple[int, object]:
        """Send a subscription, worded for an old tenant where it is not understood.

        Which name a tenant does not know is not told in a documented way, so that none is
        looked for: the second wording has only names that tenants have known for years.
        """
        if len(callback_url) > LONGEST_CALLBACK:
            raise SubscriptionRefusedError("the callback address is too long")
        names = tuple(notifications)
        for wording in dict.fromkeys((names, for_an_old_tenant(names))):
            if not wording:
                break
            status, answer = await self._send(
                method,
                path,
                body={
                    "via": WEBHOOK,
                    "notifications": list(wording),
                    WEBHOOK: {"callbackUrl": callback_url},
                },
            )
            if status != HTTPStatus.UNPROCESSABLE_ENTITY:
                return status, answer
        raise SubscriptionRefusedError("the tenant does not take the subscription")

    async def _all(self, path: str) -> AsyncIterator[Mapping[str, object]]:
        """Yield every object of a list that comes in pages."""
        cursor: str | None = None
        for _ in range(PAGES_AT_MOST):
            query = {"per_page": str(PER_PAGE)}
            if cursor is not None:
                query["cursor"] = cursor
            status, answer = await self._send("GET", path, query=query)
            _check(status)
            page = members(answer)
            if not isinstance(page.get("data"), list):
                raise ConnectionFailedError("the API gave a list of another shape")
            for entry in objects(page["data"]):
                yield entry
            cursor = _next_cursor(page)
            if cursor is None:
                return

    async def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        is_limit_told: bool = False,
    ) -> tuple[int, object]:
        """Make one call; returns the status and the decoded body of a success."""
        if not is_secure(self._url):
            raise InsecureAddressError("the address of the tenant is not https")
        with api_errors():
            async with self._session.request(
                method,
                f"{self._url}{path}",
                params=query,
                json=body,
                headers={
                    "Accept": "application/json",
                    "Authorization": f"Bearer {self._token}",
                },
                # A redirect could lead the token anywhere.
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT),
            ) as response:
                raw = await response.read()
                wait = retry_after(response.headers.get("Retry-After"))
        status = response.status
        if status == HTTPStatus.UNAUTHORIZED:
            raise TokenRefusedError("the tenant refused the API token")
        if status == HTTPStatus.FORBIDDEN:
            raise NotAllowedError("the owner of the API token may not do this")
        if status == HTTPStatus.TOO_MANY_REQUESTS and not is_limit_told:
            raise ConnectionFailedError("the API asks to wait", retry_after=wait)
        return status, _decoded(raw) if response.ok else None


def _decoded(raw: bytes) -> object:
    """Return what a body holds; some answers, such as to a deletion, have none."""
    if not raw.strip():
        return None
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as err:
        raise ConnectionFailedError("the API gave an answer that is no JSON") from err


def _check(status: int) -> None:
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise ConnectionFailedError(f"the API answered {status}")


def _next_cursor(page: Mapping[str, object]) -> str | None:
    """Return where the next page begins; of the link only that, for the host must stay ours."""
    link = members(page.get("links")).get("next")
    if not isinstance(link, str):
        return None
    try:
        return URL(link).query.get("cursor")
    except ValueError:
        return None


def _subscription(entry: Mapping[str, object]) -> Subscription | None:
    subscription_id = identifier(entry.get("id"))
    if subscription_id is None:
        return None
    return Subscription(
        subscription_id=subscription_id,
        callback_url=_text(members(entry.get(WEBHOOK)).get("callbackUrl")),
    )


def _text(raw: object) -> str | None:
    return raw if isinstance(raw, str) else None
