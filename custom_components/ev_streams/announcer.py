"""Tells of charging sessions: each start and each stop once, and in their true order."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Final

from .ledger import EARLIEST, Ledger, is_late
from .listeners import Listeners
from .model import SessionChange, SessionPhase

# While a backlog is replayed, messages of some seconds come jumbled within this time.
HOLD: Final = 0.5

type SessionListener = Callable[[SessionChange, bool], None]
type Done = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    change: SessionChange
    done: Done
    release_at: float

    @property
    def order(self) -> tuple[datetime, bool]:
        """By time; of the two ends of a session that took no time the start is first."""
        is_stop = self.change.phase is SessionPhase.STOPPED
        return (self.change.happened_at or EARLIEST, is_stop)


class Announcer:
    """Passes session changes on to who listens to their device.

    `is_first` answers True once for each session and phase, `beforehand` is called
    with the device of a change: whoever hears the event may look at the sensors.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        is_first: Callable[[SessionChange], bool],
        beforehand: Callable[[str], None],
    ) -> None:
        """Hold nothing."""
        self._ledger = ledger
        self._is_first = is_first
        self._beforehand = beforehand
        self._listeners = Listeners[SessionChange, bool]()
        self._held: list[_Held] = []
        self._timer: asyncio.TimerHandle | None = None

    def listen(self, device_id: str, listener: SessionListener) -> Callable[[], None]:
        """Call the listener with each session change and whether it is replayed."""
        return self._listeners.listen(device_id, listener)

    def announce(
        self,
        changes: Collection[SessionChange],
        now: datetime,
        *,
        is_replaying: bool,
        done: Done,
    ) -> None:
        """Tell the changes of one delivery, then call `done`: it may be acknowledged.

        What is news of the moment is told at once; what is replayed waits for what
        happened earlier and may still come.
        """
        waiting = 1

        def told() -> None:
            nonlocal waiting
            waiting -= 1
            if not waiting:
                done()

        for change in changes:
            waiting += 1
            if is_replaying or self._is_history(change, now):
                self._hold(change, told)
            else:
                # What is still held of the device happened before.
                self._release_device(change.device_id)
                self._tell(change, replayed=False)
                told()
        told()

    def release(self) -> None:
        """Tell everything that is held, now."""
        self._tell_first(len(self._held))

    def _release_device(self, device_id: str) -> None:
        self._held.sort(key=attrgetter("order"))
        told = [held for held in self._held if held.change.device_id == device_id]
        self._held = [each for each in self._held if each not in told]
        self._tell_all(told)

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
        self._tell_all(told)

    def _tell_all(self, told: list[_Held]) -> None:
        for held in told:
            self._tell(held.change, replayed=True)
            held.done()

    def _hold(self, change: SessionChange, done: Done) -> None:
        loop = asyncio.get_running_loop()
        release_at = loop.time() + HOLD
        self._held.append(_Held(change=change, done=done, release_at=release_at))
        if self._timer is None:
            self._timer = loop.call_at(release_at, self._release_due)

    def _tell(self, change: SessionChange, *, replayed: bool) -> None:
        """Tell once."""
        if not self._is_first(change):
            return
        self._beforehand(change.device_id)
        self._listeners.tell(change.device_id, change, replayed)

    def _is_history(self, change: SessionChange, now: datetime) -> bool:
        """Whether the change is told late; a start after its own stop is, however fresh."""
        session = self._ledger.session(change.device_id, change.session_id)
        is_late_start = (
            change.phase is SessionPhase.STARTED
            and session is not None
            and session.stopped_at is not None
        )
        return is_late_start or is_late(change.happened_at, now)
