"""Keeps one stream running: connect, subscribe, run, and on loss try again."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
import logging
import random
from typing import Protocol

from .errors import (
    AccountRefusedError,
    ConnectionFailedError,
    CredentialsRefusedError,
    SourceGoneError,
    StreamError,
)

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """What the broker tells of the queues: messages not yet delivered, consumers besides us.

    `is_exhausted` once all is delivered that waited when the stream connected, where that
    cannot be told by counting. `fullest` is how many of the messages wait in the queue that has the most. `missing`
    names those that are not there, while others are.
    """

    messages: int
    other_consumers: int
    fullest: int = 0
    is_exhausted: bool = False
    missing: tuple[str, ...] = ()


class StreamObserver(Protocol):
    """Who is told how the stream fares; every call is made on the event loop."""

    def connecting(self) -> None:
        """An attempt begins."""

    def connected(self, backlog: int | None) -> None:
        """Subscribed; `backlog` messages waited at that moment, None where nobody can tell."""

    def watched(self, state: SourceState) -> None:
        """The running stream was looked at."""

    def lost(self, error: StreamError, retry_in: float) -> None:
        """The connection broke or could not be made; the next attempt is in `retry_in` seconds."""

    def refused(self, error: StreamError) -> None:
        """The account was refused: nothing is tried again before the user has helped."""


class Stream(Protocol):
    """One connection's worth of a transport."""

    async def run(self, observer: StreamObserver) -> None:
        """Connect, tell the observer, deliver until the connection is lost; raises StreamError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits in seconds between attempts: full jitter under a doubling bound."""

    initial: float = 1
    maximum: float = 300
    stable_after: float = 60

    def delay(self, attempt: int) -> float:
        """Return the wait before the next attempt, the first one being number 0."""
        bound = min(self.maximum, self.initial * 2 ** min(attempt, 30))
        return random.uniform(0, bound)

    def slow_delay(self) -> float:
        """Return a wait for what only somebody else can mend, such as a missing queue."""
        return random.uniform(self.maximum / 2, self.maximum)


type OpenStream = Callable[[bool], Awaitable[Stream]]


class Supervisor:
    """Runs streams one after the other until it is cancelled or the account is refused.

    `open_stream(renew)` makes the next stream; `renew` asks for credentials
    fetched afresh, because the ones in hand may have been rotated.
    """

    def __init__(
        self,
        open_stream: OpenStream,
        observer: StreamObserver,
        backoff: Backoff | None = None,
    ) -> None:
        """Prepare; nothing is connected before `run`."""
        self._open_stream = open_stream
        self._observer = observer
        self._backoff = backoff or Backoff()
        self._attempt = 0
        self._renew = False
        self._connected_at: float | None = None

    async def run(self) -> None:
        """Keep the stream running; returns only when the account was refused."""
        while True:
            self._connected_at = None
            self._observer.connecting()
            try:
                await self._run_once()
            except AccountRefusedError as err:
                self._observer.refused(err)
                return
            except CredentialsRefusedError as err:
                if self._renew and not self._was_stable():
                    self._observer.refused(err)
                    return
                self._renew = True
            except SourceGoneError as err:
                self._renew = True
                await self._wait(err, self._backoff.slow_delay())
            except StreamError as err:
                self._renew = False
                await self._wait(err, self._next_delay(err))

    async def _run_once(self) -> None:
        try:
            await self._run_to_its_end()
        except Exception as err:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # A library may put an error of its own in the place of our
                # cancellation. Taken for a loss, that would connect once more,
                # and whoever waits for the end would wait for ever.
                raise asyncio.CancelledError from err
            if isinstance(err, StreamError):
                raise
            _LOGGER.exception("The stream failed in a way that nobody foresaw")
            raise ConnectionFailedError(type(err).__name__) from err

    async def _run_to_its_end(self) -> None:
        stream = await self._open_stream(self._renew)
        await stream.run(_Relay(self._observer, self._note_connected))
        raise ConnectionFailedError("the stream ended")

    def _note_connected(self) -> None:
        self._connected_at = asyncio.get_running_loop().time()

    def _next_delay(self, error: StreamError) -> float:
        if self._was_stable():
            self._attempt = 0
        delay = self._backoff.delay(self._attempt)
        self._attempt += 1
        if isinstance(error, ConnectionFailedError) and error.retry_after:
            delay = max(delay, error.retry_after)
        return delay

    def _was_stable(self) -> bool:
        if self._connected_at is None:
            return False
        ran_for = asyncio.get_running_loop().time() - self._connected_at
        return ran_for >= self._backoff.stable_after

    async def _wait(self, error: StreamError, delay: float) -> None:
        self._observer.lost(error, delay)
        await asyncio.sleep(delay)


class _Relay:
    """Lets the supervisor see the moment of connection on its way to the observer."""

    def __init__(
        self, observer: StreamObserver, on_connected: Callable[[], None]
    ) -> None:
        self.connecting = observer.connecting
        self.watched = observer.watched
        self.lost = observer.lost
        self.refused = observer.refused
        self._observer = observer
        self._on_connected = on_connected

    def connected(self, backlog: int | None) -> None:
        self._on_connected()
        self._observer.connected(backlog)
