"""What is new? Newest wins, duplicates fall out, a session starts once and stops once.

In memory and per account; what of it survives a restart is in the store. All times are timezone-aware UTC.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from .model import Reading, Session, SessionChange, SessionPhase

FUTURE_TOLERANCE = timedelta(minutes=5)
SESSIONS_PER_DEVICE = 500
# Longer than a session is kept, so that a redelivered one is not taken for new.
ANNOUNCED_PER_DEVICE = 2000
# A redelivery comes soon; a backlog of some days is a few thousand messages.
IDENTITIES_REMEMBERED = 10_000
# Told later than this, a thing belongs to the past: see `replayed` and the history.
LATE_AFTER = timedelta(minutes=5)
SAME_SESSION_WITHIN = timedelta(minutes=5)
EARLIEST = datetime.min.replace(tzinfo=UTC)


class Verdict(StrEnum):
    """What became of a reading."""

    NEW = "new"
    STALE = "stale"
    DUPLICATE = "duplicate"


class Ledger:
    """The newest reading of every (device, key), and the sessions of every device."""

    def __init__(self) -> None:
        """Start empty."""
        self.verdicts: Counter[Verdict] = Counter()
        self._readings: dict[str, dict[str, Reading]] = defaultdict(dict)
        self._sessions: dict[str, dict[str, Session]] = defaultdict(dict)
        self._announced: dict[str, dict[str, set[SessionPhase]]] = defaultdict(dict)
        self._identities: dict[str, None] = {}

    def restore(
        self,
        readings: Iterable[Reading],
        sessions: Iterable[Session],
        announced: Iterable[tuple[str, str, SessionPhase]],
        identities: Iterable[str] = (),
    ) -> None:
        """Begin with what was kept; `announced` are (device, session, phase), oldest first.

        So are the `identities` of messages that had their effect.
        """
        self._identities |= dict.fromkeys(identities)
        for reading in readings:
            self._readings[reading.device_id][reading.key] = reading
        for session in sessions:
            self._sessions[session.device_id][session.session_id] = session
        for device_id, session_id, phase in announced:
            self._announced[device_id].setdefault(session_id, set()).add(phase)

    def apply(self, reading: Reading, now: datetime) -> Verdict:
        """Take a reading if it is the newest of its key; `now` bounds a device's wrong clock."""
        reading = with_plausible_time(reading, now)
        readings = self._readings[reading.device_id]
        verdict = _compare(readings.get(reading.key), reading)
        if verdict is Verdict.NEW or (
            verdict is Verdict.DUPLICATE
            and _arrived_later(reading, readings[reading.key])
        ):
            readings[reading.key] = reading
        self.verdicts[verdict] += 1
        return verdict

    def is_repeated(self, identity: str | None) -> bool:
        """Whether a message of that identity had its effect before."""
        return identity in self._identities

    def remember(self, identity: str) -> None:
        """Take note that a message has had its effect."""
        self._identities[identity] = None
        if len(self._identities) > IDENTITIES_REMEMBERED:
            del self._identities[next(iter(self._identities))]

    def identities(self) -> list[str]:
        """Return the identities that are remembered, the oldest first."""
        return list(self._identities)

    def reading(self, device_id: str, key: str) -> Reading | None:
        """Return the newest reading of the key, if there is one."""
        return self._readings[device_id].get(key)

    def devices(self) -> list[str]:
        """Return every device of which a reading or a session is held."""
        return list(self._readings.keys() | self._sessions.keys())

    def readings(self, device_id: str) -> dict[str, Reading]:
        """Return the newest readings of a device by key."""
        return dict(self._readings[device_id])

    def record_session(
        self, change: SessionChange, *, replayed: bool = False
    ) -> Session:
        """Add what the change tells to what is known of its session, announcing nothing."""
        sessions = self._sessions[change.device_id]
        held = sessions.get(change.session_id) or Session(
            device_id=change.device_id, session_id=change.session_id
        )
        session = sessions[change.session_id] = _merged(held, change, replayed)
        self._forget_oldest_session(change.device_id)
        return session

    def is_outdated(self, change: SessionChange) -> bool:
        """Whether a later session is known by the same id, which the change must not touch."""
        held = self.session(change.device_id, change.session_id)
        return held is not None and _ended_before(change, held)

    def announce_session(self, change: SessionChange) -> bool:
        """Return True exactly once for each session and phase."""
        remembered = self._announced[change.device_id]
        announced = remembered.setdefault(change.session_id, set())
        if len(remembered) > ANNOUNCED_PER_DEVICE:
            del remembered[next(iter(remembered))]
        is_first = change.phase not in announced
        announced.add(change.phase)
        return is_first

    def is_announced(self, change: SessionChange) -> bool:
        """Whether the change's session and phase were announced before."""
        announced = self._announced[change.device_id].get(change.session_id, ())
        return change.phase in announced

    def announced(self) -> list[tuple[str, str, SessionPhase]]:
        """Return (device, session, phase) of everything that was announced, oldest first."""
        return [
            (device_id, session_id, phase)
            for device_id, remembered in self._announced.items()
            for session_id, phases in remembered.items()
            for phase in sorted(phases)
        ]

    def drop_reading(self, device_id: str, key: str) -> None:
        """Forget a reading whose key means nothing any more."""
        self._readings[device_id].pop(key, None)

    def drop_session(self, device_id: str, session_id: str) -> None:
        """Forget a session that turned out to be none."""
        self._sessions[device_id].pop(session_id, None)

    def forget(self, device_id: str) -> None:
        """Forget a device that was removed."""
        for held in (self._readings, self._sessions, self._announced):
            held.pop(device_id, None)

    def forget_tokens(self) -> list[Session]:
        """Drop every session's token; returns the sessions that had one."""
        changed: list[Session] = []
        for sessions in self._sessions.values():
            for session_id, session in sessions.items():
                if session.token is not None:
                    sessions[session_id] = replace(session, token=None)
                    changed.append(sessions[session_id])
        return changed

    def sessions(self, device_id: str) -> list[Session]:
        """Return the sessions of a device that are kept, in order of time."""
        return sorted(self._sessions[device_id].values(), key=_session_time)

    def session(self, device_id: str, session_id: str) -> Session | None:
        """Return one session of a device, if it is known."""
        return self._sessions[device_id].get(session_id)

    def last_session(self, device_id: str) -> Session | None:
        """Return the session of the device that started (or else stopped) last."""
        return max(self._sessions[device_id].values(), key=_session_time, default=None)

    def last_stopped_session(self, device_id: str) -> Session | None:
        """Return the session of the device that stopped last; a running one is none."""
        stopped = (
            s for s in self._sessions[device_id].values() if s.stopped_at is not None
        )
        return max(
            stopped, key=lambda session: session.stopped_at or EARLIEST, default=None
        )

    def _forget_oldest_session(self, device_id: str) -> None:
        sessions = self._sessions[device_id]
        if len(sessions) > SESSIONS_PER_DEVICE:
            oldest = min(sessions.values(), key=_session_time).session_id
            del sessions[oldest]


def changes_of(session: Session) -> list[SessionChange]:
    """Return what would tell the session: its start, and its stop once it has one."""
    phases = [SessionPhase.STARTED]
    if session.stopped_at is not None:
        phases.append(SessionPhase.STOPPED)
    return [
        SessionChange(
            device_id=session.device_id,
            session_id=session.session_id,
            phase=phase,
            started_at=session.started_at,
            stopped_at=session.stopped_at if phase is SessionPhase.STOPPED else None,
            energy=session.energy if phase is SessionPhase.STOPPED else None,
            evse=session.evse,
            is_derived=session.is_derived,
        )
        for phase in phases
    ]


def is_late(happened_at: datetime | None, now: datetime) -> bool:
    """Whether something is told so late that it is no news of the moment."""
    return happened_at is not None and now - happened_at > LATE_AFTER


def with_plausible_time(reading: Reading, now: datetime) -> Reading:
    """Replace a measured time from the future by the arrival: it would win for ever."""
    latest = now + FUTURE_TOLERANCE
    if reading.measured_at <= latest:
        return reading
    arrived = reading.arrived_at
    return replace(
        reading, measured_at=arrived if arrived and arrived <= latest else now
    )


def with_plausible_times(change: SessionChange, now: datetime) -> SessionChange:
    """Do the same for a session, which would stay the last one for ever."""
    latest = now + FUTURE_TOLERANCE
    arrived = change.arrived_at
    instead = arrived if arrived and arrived <= latest else now

    def plausible(moment: datetime | None) -> datetime | None:
        return instead if moment is not None and moment > latest else moment

    return replace(
        change,
        started_at=plausible(change.started_at),
        stopped_at=plausible(change.stopped_at),
    )


def _compare(held: Reading | None, new: Reading) -> Verdict:
    if held is None or new.measured_at > held.measured_at:
        return Verdict.NEW
    if new.measured_at < held.measured_at:
        return Verdict.STALE
    if new.value == held.value:
        return Verdict.DUPLICATE
    if held.arrived_at and new.arrived_at and new.arrived_at < held.arrived_at:
        return Verdict.STALE
    return Verdict.NEW


def _merged(session: Session, change: SessionChange, replayed: bool) -> Session:
    """What a message leaves out never erases what an earlier one told."""
    started_at = _either(change.started_at, session.started_at)
    if change.is_start_estimated:
        started_at = _either(session.started_at, change.started_at)
    return replace(
        session,
        started_at=started_at,
        stopped_at=_either(change.stopped_at, session.stopped_at),
        energy=_either(change.energy, session.energy),
        meter_start=_either(change.meter_start, session.meter_start),
        meter_stop=_either(change.meter_stop, session.meter_stop),
        token=_either(change.token, session.token),
        evse=_either(change.evse, session.evse),
        is_derived=change.is_derived,
        replayed=session.replayed or replayed,
    )


def _ended_before(change: SessionChange, session: Session) -> bool:
    """Whether a change is of an earlier session than the one known by the same id.

    As where a charger counts anew. A start is corrected by minutes at most.
    """
    told = [each for each in (change.started_at, change.stopped_at) if each is not None]
    start = session.started_at
    return start is not None and bool(told) and max(told) < start - SAME_SESSION_WITHIN


def _arrived_later(new: Reading, held: Reading) -> bool:
    """Whether a duplicate moves the arrival on, which decides between equal times."""
    return new.arrived_at is not None and (
        held.arrived_at is None or new.arrived_at > held.arrived_at
    )


def _either[T](told: T | None, known: T | None) -> T | None:
    return known if told is None else told


def _session_time(session: Session) -> datetime:
    return session.started_at or session.stopped_at or EARLIEST
