"""Webhook transport: the vendor calls, and hears that it is kept only when it is.

Nothing of HTTP is in here: whoever serves it hands over headers and body, and answers
with the status. A status is always told, whatever goes wrong: a web server that
catches an exception may answer 200, and then the vendor never tries again.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from http import HTTPStatus
import logging
from typing import Final

import orjson

from .delivery import Delivery, Receiver
from .supervisor import StreamObserver

_LOGGER = logging.getLogger(__name__)

ADDRESS: Final = "webhook"
# The largest notification known is of some ten KiB. More is hashed and parsed on the
# event loop, at the order of whoever knows the address.
LARGEST: Final = 256 * 1024
# Committing takes a moment; a caller that hears nothing for long gives up and comes again.
ACK_TIMEOUT: Final = 10.0
# Callers that may wait at once. Each holds a connection and a message.
AT_ONCE: Final = 100
LOG_AGAIN_AFTER: Final = 3600.0

TOO_LARGE: Final = "too_large"
NOT_SIGNED: Final = "not_signed"
NOT_JSON: Final = "not_json"
NOT_AN_OBJECT: Final = "not_an_object"

type Verify = Callable[[Mapping[str, str], bytes], bool]


class WebhookStream:
    """Takes calls while it runs; `refused` counts by reason those that are no use.

    `verify` is asked with the headers, their names in lower case, and the raw body.
    """

    def __init__(self, receiver: Receiver, verify: Verify) -> None:
        """Prepare; every call is turned away before `run`."""
        self.refused: Counter[str] = Counter()
        self._receiver = receiver
        self._verify = verify
        self._is_running = False
        self._waiting: set[asyncio.Future[bool]] = set()
        self._logged_at: dict[str, float] = {}

    async def run(self, observer: StreamObserver) -> None:
        """Take calls until cancelled; what came by then is kept and answered."""
        self._is_running = True
        try:
            observer.connected(None)
            await asyncio.Event().wait()
        finally:
            self._is_running = False
            await self._finish()

    async def receive(self, headers: Mapping[str, str], body: bytes) -> int:
        """Take one call and return the status to answer it with.

        202 means that it would survive a power cut; after 503 the vendor is to try again.
        """
        try:
            return await self._receive(
                {name.lower(): value for name, value in headers.items()}, body
            )
        except Exception:
            _LOGGER.exception("A call could not be handled")
            return HTTPStatus.INTERNAL_SERVER_ERROR

    async def _receive(self, headers: Mapping[str, str], body: bytes) -> int:
        if len(body) > LARGEST:
            return self._refuse(TOO_LARGE, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        if not self._verify(headers, body):
            return self._refuse(NOT_SIGNED, HTTPStatus.UNAUTHORIZED)
        if (reason := _fault_of(body)) is not None:
            return self._refuse(reason, HTTPStatus.BAD_REQUEST)
        if not self._is_running or len(self._waiting) >= AT_ONCE:
            return HTTPStatus.SERVICE_UNAVAILABLE
        is_kept = await self._hand_over(headers, body)
        return HTTPStatus.ACCEPTED if is_kept else HTTPStatus.SERVICE_UNAVAILABLE

    async def _hand_over(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Deliver the body and wait; a late acknowledgement finds nobody, and does no harm."""
        kept: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def ack() -> None:
            if not kept.done():
                kept.set_result(True)

        self._waiting.add(kept)
        try:
            self._receiver.handle(
                Delivery(
                    address=ADDRESS,
                    body=body,
                    headers=headers,
                    ack=ack,
                    is_awaited=True,
                )
            )
            async with asyncio.timeout(ACK_TIMEOUT):
                return await kept
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(kept)

    async def _finish(self) -> None:
        """Let what came be kept; whoever still waits then is told to come again."""
        try:
            async with asyncio.timeout(ACK_TIMEOUT):
                await self._receiver.settle()
        except TimeoutError:
            _LOGGER.warning("What was received could not be kept in time")
        finally:
            for kept in self._waiting:
                if not kept.done():
                    kept.set_result(False)

    def _refuse(self, reason: str, status: HTTPStatus) -> int:
        """Count it, and tell the log now and then: anybody may call."""
        self.refused[reason] += 1
        now = asyncio.get_running_loop().time()
        logged_at = self._logged_at.get(reason)
        if logged_at is None or now - logged_at >= LOG_AGAIN_AFTER:
            self._logged_at[reason] = now
            _LOGGER.warning("A call of the webhook was refused: %s", reason)
        return status


def _fault_of(body: bytes) -> str | None:
    """Return why the sender is to hear that this is nothing to be received."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return NOT_JSON
    return None if isinstance(content, dict) else NOT_AN_OBJECT
