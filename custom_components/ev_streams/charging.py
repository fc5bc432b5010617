"""Charging sessions of a device of which a mapped field tells no more than whether it charges.

That a session begins and ends with the charging is inferred: nobody names it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from .model import Reading, Session, SessionChange, SessionPhase, Update

# The reading of a mapped field that makes sessions: true while the device charges.
KEY_CHARGING: Final = "is_charging"
EARLIEST: Final = datetime.min.replace(tzinfo=UTC)


class ChargingSessions:
    """The sessions of one device, which tells of its charging about in order of time.

    What comes too late is left out: an old word that nothing charges ends nothing.
    """

    def __init__(
        self,
        device_id: str,
        restored: Iterable[Reading] = (),
        open_session: Session | None = None,
        *,
        has_own_sessions: bool = False,
    ) -> None:
        """Go on from the concluded session that has not stopped; nothing else is needed."""
        self._device_id = device_id
        self._started_at = None if open_session is None else open_session.started_at
        self._last_start = EARLIEST
        self._newest = max(
            (each.measured_at for each in restored if each.key == KEY_CHARGING),
            default=EARLIEST,
        )

    def take(self, update: Update) -> list[Update]:
        """Return the start or the stop that follows from a reading that is news."""
        if not isinstance(update, Reading) or update.key != KEY_CHARGING:
            return []
        moment = update.measured_at
        if moment < self._newest:
            return []
        self._newest = moment
        if update.value is True and self._started_at is None:
            # Two may begin at once, says a clock that counts seconds: they are two.
            moment = max(moment, self._last_start + timedelta(microseconds=1))
            self._started_at = self._last_start = moment
            return [self._change(SessionPhase.STARTED, moment)]
        if update.value is False and self._started_at is not None:
            # It may have begun a moment after the time that was told, see above.
            stop = max(moment, self._started_at)
            changes: list[Update] = [
                self._change(SessionPhase.STOPPED, self._started_at, stop)
            ]
            self._started_at = None
            return changes
        return []

    def take_dropped(self) -> str | None:
        """Nothing names a session, so that none turns out to have been another."""
        return None

    def _change(
        self, phase: SessionPhase, start: datetime, stop: datetime | None = None
    ) -> SessionChange:
        return SessionChange(
            device_id=self._device_id,
            session_id=derived_session_id(start),
            phase=phase,
            started_at=start,
            stopped_at=stop,
            is_derived=True,
        )


def derived_session_id(start: datetime) -> str:
    """Name a session by its start: the same after a restart, or told again."""
    moment = start.astimezone(UTC).replace(tzinfo=None).isoformat()
    return f"derived-{moment.replace('-', '').replace(':', '')}Z"
