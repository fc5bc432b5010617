"""The small print of Easee's HTTP API: errors, tokens and limits."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
import math
import secrets

from aiohttp import web

from .account import EaseeAccount


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
