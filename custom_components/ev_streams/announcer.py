"""Tells of charging sessions: each start and each stop once, and in their true order."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
import logging
from operator import attrgetter
from typing import Final

from .ledger import EARLIEST
from .model import SessionChange, SessionPhase

_LOGGER = logging.getLogger(__name__)

# While a backlog is replayed, messages of some seconds come jumbled within this time.
HOLD: Final = 0.5

type SessionListener = Callable[[SessionChange, bool], None]
type Done = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    change: SessionChange
    replayed: bool
    done: Done
    release_at: float

    @property
    def order(self) -> tuple[datetime, bool]:
        """By time; of the two ends of a session that took no time the start is first."""
        is_stop = self.change.phase is SessionPhase.STOPPED
        return (self.change.happened_at or EARLIEST, is_stop)


class Announcer:
    """Passes session changes on to who listens to their device.

    A change that must wait for others before it keeps its delivery waiting, so
    that none is acknowledged before it was told.
    """

    def __init__(self, is_first: Callable[[SessionChange], bool]) -> None:
        """Hold nothing; `is_first` answers True once for each session and phase."""
        self._is_first = is_first
        self._listeners: dict[str, list[SessionListener]] = defaultdict(list)
        self._held: list[_Held] = []
        self._timer: asyncio.TimerHandle | None = None

    def listen(self, device_id: str, listener: SessionListener) -> Callable[[], None]:
        """Call the listener with each session change and whether it is replayed."""
        listeners = self._listeners[device_id]
        listeners.append(listener)
        return lambda: listeners.remove(listener)

    def tell(self, change: SessionChange, replayed: bool) -> None:
        """Tell now; a listener that fails costs neither the others nor the caller."""
        if not self._is_first(change):
            return
        for listener in tuple(self._listeners[change.device_id]):
            try:
                listener(change, replayed)
            except Exception:
                _LOGGER.exception("A charging session could not be told")

    def hold(self, change: SessionChange, replayed: bool, done: Done) -> None:
        """Tell soon, after what happened earlier and comes in the meantime; then call `done`."""
        loop = asyncio.get_running_loop()
        self._held.append(
            _Held(
                change=change,
                replayed=replayed,
                done=done,
                release_at=loop.time() + HOLD,
            )
        )
        if self._timer is None:
            self._timer = loop.call_later(HOLD, self._release_due)

    def release(self) -> None:
        """Tell everything that is held, now."""
        self._tell_first(len(self._held))

    def _release_due(self) -> None:
        """Tell what has been held long enough, and whatever happened before that."""
        self._timer = None
        loop = asyncio.get_running_loop()
        self._held.sort(key=attrgetter("order"))
        due = [
            at for at, held in enumerate(self._held) if held.release_at <= loop.time()
        ]
        self._tell_first(due[-1] + 1 if due else 0)
        if self._held and self._timer is None:
            earliest = min(held.release_at for held in self._held)
            self._timer = loop.call_at(earliest, self._release_due)

    def _tell_first(self, count: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._held.sort(key=attrgetter("order"))
        told, self._held = self._held[:count], self._held[count:]
        for held in told:
            self.tell(held.change, held.replayed)
            held.done()
