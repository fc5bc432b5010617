"""Kafka transport: reads one topic as a member of a consumer group.

Passive only: no topic is created, and what is committed is the group's own. The library
is blocking and not thread safe, so each stream has a thread that alone touches it; all
that the event loop shares with that thread is here.
"""

import asyncio
from collections.abc import Callable
import concurrent.futures
import contextlib
from functools import partial
import logging
import threading
import time
from typing import Any, Final

from .delivery import Delivery, Receiver
from .errors import ConnectionFailedError
from .kafka_endpoint import KafkaEndpoint, SaslMechanism, SecurityProtocol
from .kafka_window import Window
from .own_network import stay_near
from .supervisor import SourceState, StreamObserver

__all__ = ["KafkaEndpoint", "KafkaStream", "SaslMechanism", "SecurityProtocol", "probe"]

# For a thread that is told to end: it settles, commits and leaves within that.
PATIENCE: Final = 10.0
# For one that has nothing to settle yet; it ends by itself as soon as its attempt does.
ABANDON_AFTER: Final = 1.0
PROBE_TIMEOUT: Final = 60.0
# No call of the library should take that long. If one does, nothing can be done about
# it but to go on without that thread.
STUCK_AFTER: Final = 60.0
LOOK_INTERVAL: Final = 5.0

# The library logs every failed attempt, and there are many. The supervisor reports each
# loss once and calmly; whoever wants the details sets a level of their own.
if (_library := logging.getLogger("kafka")).level == logging.NOTSET:
    _library.setLevel(logging.CRITICAL)


class KafkaStream:
    """One membership in the endpoint's group."""

    def __init__(self, endpoint: KafkaEndpoint, receiver: Receiver) -> None:
        """Prepare; nothing is connected before `run`."""
        self._endpoint = endpoint
        self._receiver = receiver

    async def run(self, observer: StreamObserver) -> None:
        """Consume until the connection is lost; raises StreamError."""
        await _stay_near(self._endpoint)
        link = _Link(self._receiver, observer)
        ended = _in_thread(partial(_read, self._endpoint, link))
        try:
            while not ended.done():
                await asyncio.wait({ended}, timeout=LOOK_INTERVAL)
                link.see_that_it_is_alive()
            ended.result()
        except asyncio.CancelledError:
            link.end()
            patience = PATIENCE if link.is_connected else ABANDON_AFTER
            await asyncio.wait({ended}, timeout=patience)
            raise
        finally:
            link.close()


async def probe(endpoint: KafkaEndpoint) -> None:
    """Log in and look at topic and group, taking part in nothing; raises StreamError."""
    await _stay_near(endpoint)
    ended = _in_thread(partial(_probe, endpoint))
    await asyncio.wait({ended}, timeout=PROBE_TIMEOUT)
    if not ended.done():
        raise ConnectionFailedError("no answer in time")
    ended.result()


async def _stay_near(endpoint: KafkaEndpoint) -> None:
    """See that a password that can be read on the line does not go far; raises StreamError."""
    is_readable = (
        endpoint.security_protocol is SecurityProtocol.SASL_PLAINTEXT
        and endpoint.sasl_mechanism is SaslMechanism.PLAIN
    )
    for broker in endpoint.brokers if is_readable else ():
        host, _, port = broker.rpartition(":")
        try:
            await stay_near(host.strip("[]"), int(port))
        except OSError as err:
            raise ConnectionFailedError("a broker's name is not known") from err


class _Link:
    """What the thread of a stream may call, and what the event loop tells it."""

    def __init__(self, receiver: Receiver, observer: StreamObserver) -> None:
        self._receiver = receiver
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._seen = time.monotonic()
        self._is_closed = False
        self.is_connected = False
        self.is_ending = False
        self.window: Window[Any] = Window()

    def alive(self) -> None:
        self._seen = time.monotonic()

    def connected(self, backlog: int | None) -> None:
        self._call(self._connected, backlog)

    def watched(self, state: SourceState) -> None:
        self._call(self._watched, state)

    def deliver(self, deliveries: list[Delivery]) -> None:
        self._call(self._deliver, deliveries)

    def settle(self) -> concurrent.futures.Future[None]:
        return asyncio.run_coroutine_threadsafe(self._settle(), self._loop)

    def see_that_it_is_alive(self) -> None:
        if time.monotonic() - self._seen > STUCK_AFTER:
            raise ConnectionFailedError("the client is stuck")

    def end(self) -> None:
        """Let the thread come to its end, in good order."""
        self.is_ending = True
        self.window.news.set()

    def close(self) -> None:
        """Hear no more of the thread, whatever it does."""
        self._is_closed = True
        self.end()

    def _connected(self, backlog: int | None) -> None:
        if not self._is_closed:
            self.is_connected = True
            self._observer.connected(backlog)

    def _watched(self, state: SourceState) -> None:
        if not self._is_closed:
            self._observer.watched(state)

    def _deliver(self, deliveries: list[Delivery]) -> None:
        if not self._is_closed:
            for delivery in deliveries:
                self._receiver.handle(delivery)

    async def _settle(self) -> None:
        if not self._is_closed:
            await self._receiver.settle()

    def _call[**P](
        self, function: Callable[P, None], *args: P.args, **_kwargs: P.kwargs
    ) -> None:
        # A loop that is closed has nobody left to be told.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *args)


def _in_thread(work: Callable[[], None]) -> asyncio.Future[None]:
    """Do blocking work in a thread that keeps nobody from anything, not even from exiting."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    # Nobody asks any more where the thread was given up.
    ended.add_done_callback(_forget)

    def body() -> None:
        error: Exception | None = None
        try:
            work()
        except Exception as err:  # noqa: BLE001 -- raised again where it is waited for
            error = err
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_end, ended, error)

    threading.Thread(target=body, name="ev_streams Kafka", daemon=True).start()
    return ended


def _read(endpoint: KafkaEndpoint, link: _Link) -> None:
    from .kafka_reader import read

    read(endpoint, link, link.window)


def _probe(endpoint: KafkaEndpoint) -> None:
    from .kafka_reader import probe as probe_in_thread

    probe_in_thread(endpoint)


def _end(ended: asyncio.Future[None], error: Exception | None) -> None:
    if ended.done():
        return
    if error is None:
        ended.set_result(None)
    else:
        ended.set_exception(error)


def _forget(future: asyncio.Future[None]) -> None:
    """Take note of a result that matters to nobody, so that nobody complains of it."""
    if not future.cancelled():
        future.exception()
