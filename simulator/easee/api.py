"""The small print of an HTTP API: errors, tokens, limits and faults on order."""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
import json
import math
import secrets

from aiohttp import web

from .account import EaseeAccount


@dataclass(slots=True, kw_only=True)
class Request:
    """A call that arrived; `status` stays None while there is no answer."""

    method: str
    path: str
    query: str
    status: int | None = None


class ApiError(Exception):
    """An answer that is a refusal.

    Inferred: the members are documented, of the codes only 100; the names are ours.
    """

    def __init__(
        self,
        status: int,
        title: str,
        *,
        code: int = 0,
        name: str = "Unspecified",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(title)
        self.status = status
        self._document = {
            "errorCode": code,
            "errorCodeName": name,
            "title": title,
            "status": status,
            "detail": None,
        }
        self._headers = headers

    def response(self) -> web.Response:
        """The answer as the client sees it."""
        return web.json_response(
            self._document, status=self.status, headers=self._headers
        )


@dataclass(slots=True)
class Tokens:
    """Opaque bearer tokens, each of one account.

    Inferred: a refresh token serves once, and its access token dies with it.
    """

    lifetime: timedelta = timedelta(hours=1)
    _access: dict[str, tuple[EaseeAccount, datetime]] = field(default_factory=dict)
    _refresh: dict[str, EaseeAccount] = field(default_factory=dict)

    def issue(self, account: EaseeAccount) -> dict[str, object]:
        """The answer to a login or a refresh."""
        access, refresh = secrets.token_urlsafe(48), secrets.token_urlsafe(32)
        self._access[access] = (account, datetime.now(UTC) + self.lifetime)
        self._refresh[refresh] = account
        claims = ["User"] if account.operator_id is None else ["User", "Partner"]
        return {
            "accessToken": access,
            "expiresIn": int(self.lifetime.total_seconds()),
            "accessClaims": claims,
            "tokenType": "Bearer",
            "refreshToken": refresh,
        }

    def refresh(self, access: str, refresh: str) -> dict[str, object] | None:
        """New tokens for old ones; None when the refresh token is not valid."""
        account = self._refresh.pop(refresh, None)
        if account is None:
            return None
        self._access.pop(access, None)
        return self.issue(account)

    def account(self, authorization: str) -> EaseeAccount | None:
        """Whose `Authorization` header it is, if it is valid."""
        scheme, _, token = authorization.partition(" ")
        account, expires = self._access.get(token, (None, None))
        if scheme != "Bearer" or expires is None or expires <= datetime.now(UTC):
            return None
        return account

    def expire(self) -> None:
        """Make every access token invalid; refresh tokens stay good."""
        self._access.clear()

    def expire_refresh(self) -> None:
        """Make every refresh token invalid."""
        self._refresh.clear()


@dataclass(slots=True)
class RateLimit:
    """So many calls within a sliding window."""

    calls: int = 100
    window: timedelta = timedelta(minutes=5)
    _times: deque[datetime] = field(default_factory=deque)

    def check(self) -> None:
        """Count a call; an ApiError with `retry-after` when it is one too many."""
        now = datetime.now(UTC)
        while self._times and self._times[0] <= now - self.window:
            self._times.popleft()
        if len(self._times) >= self.calls:
            wait = (self._times[0] + self.window - now).total_seconds()
            raise ApiError(
                429, "Too many requests", headers={"retry-after": f"{math.ceil(wait)}"}
            )
        self._times.append(now)


@dataclass(slots=True, kw_only=True)
class _Fault:
    prefix: str
    times: int
    response: tuple[int, object, Mapping[str, str] | None] | None


class Faults:
    """Failures to come, each for the paths that begin alike."""

    def __init__(self) -> None:
        self._faults: list[_Fault] = []

    def fail_next(
        self,
        path_prefix: str,
        *,
        status: int,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        times: int = 1,
    ) -> None:
        """Answer the next calls so; a `body` that is no text is written as JSON."""
        self._faults.append(
            _Fault(prefix=path_prefix, times=times, response=(status, body, headers))
        )

    def hang_next(self, path_prefix: str, *, times: int = 1) -> None:
        """Never answer the next calls."""
        self._faults.append(_Fault(prefix=path_prefix, times=times, response=None))

    async def strike(self, path: str) -> web.Response | None:
        """The failure that is due for a path, if one is."""
        for fault in self._faults:
            if path.startswith(fault.prefix):
                break
        else:
            return None
        fault.times -= 1
        if fault.times <= 0:
            self._faults.remove(fault)
        if fault.response is None:
            await asyncio.Event().wait()
            return None
        status, content, headers = fault.response
        text = content if isinstance(content, str) else json.dumps(content)
        return web.Response(
            status=status,
            text="" if content is None else text,
            content_type="text/html"
            if isinstance(content, str)
            else "application/json",
            headers=headers,
        )
