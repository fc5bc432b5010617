"""How a tenant sends a notification: written, signed, posted, and tried again."""

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
import hashlib
import hmac
import json
from typing import Any

import aiohttp

ACCEPTED = 202


def encoded(notification: Mapping[str, Any]) -> bytes:
    """JSON as PHP writes it by default: slashes escaped, and whatever is not ASCII."""
    text = json.dumps(notification, separators=(",", ":"))
    return text.replace("/", "\\/").encode()


def signature(body: bytes, token: str, *, is_base64: bool = False) -> str:
    """The header X-Signature; which of both writings the vendor uses is not published."""
    digest = hmac.new(token.encode(), body, hashlib.sha256).digest()
    return base64.b64encode(digest).decode() if is_base64 else digest.hex()


@dataclass(slots=True, kw_only=True)
class Sender:
    """Posts notifications for a tenant.

    How often the vendor tries and how long it waits is not published: these are few and
    short. `keeps_timestamp` is whether a retry has the X-Timestamp of the first try,
    which is not known either.
    """

    session: aiohttp.ClientSession
    tenant_id: str = "tenant-1"
    attempts: int = 3
    pause: float = 0.05
    timeout: float = 15.0
    is_base64: bool = False
    keeps_timestamp: bool = True

    async def send(
        self, url: str, token: str, body: bytes, sent_at: datetime | None = None
    ) -> bool:
        """Whether it was accepted, be it at the last try."""
        first = sent_at or datetime.now(UTC)
        for attempt in range(self.attempts):
            if attempt:
                await asyncio.sleep(self.pause)
            at = first if self.keeps_timestamp or not attempt else datetime.now(UTC)
            if await self.post(url, token, body, at) == ACCEPTED:
                return True
        return False

    async def post(
        self, url: str, token: str, body: bytes, sent_at: datetime
    ) -> int | None:
        """Post it once; the status of the answer, None where there is no answer."""
        headers = {
            "Content-Type": "application/json",
            "X-Signature": signature(body, token, is_base64=self.is_base64),
            "X-Timestamp": f"{sent_at:%Y-%m-%dT%H:%M:%S.%f}Z",
            "X-Tenant": self.tenant_id,
        }
        limit = aiohttp.ClientTimeout(total=self.timeout)
        try:
            async with self.session.post(
                url, data=body, headers=headers, timeout=limit
            ) as response:
                return response.status
        except aiohttp.ClientError, TimeoutError:
            return None
