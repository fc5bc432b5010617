"""What the store is given to write, and what it held when it was opened."""

from dataclasses import dataclass, field
from datetime import datetime

from .model import Reading, RecentMessage, Session, SessionDocument, SessionPhase


@dataclass(slots=True)
class Batch:
    """What one transaction is to write.

    `readings` are the newest by (device, key), `sessions` by (device, session id),
    `documents` by (device, measured_at), `points` values by (device, key,
    measured_at). `announced` names the phases
    whose event has fired, in that order, `late_hours` the tops of the hours that
    wait for import.
    `kept_since` tells by device before when points are missing, which never moves
    back. `recent` are all messages of a device that are to be kept, oldest first.
    `identities` are those of messages that had their effect, in that order.
    What is both forgotten and written is written.
    """

    readings: dict[tuple[str, str], Reading] = field(default_factory=dict)
    sessions: dict[tuple[str, str], Session] = field(default_factory=dict)
    announced: dict[tuple[str, str, SessionPhase], None] = field(default_factory=dict)
    documents: dict[tuple[str, datetime], SessionDocument] = field(default_factory=dict)
    points: dict[tuple[str, str, datetime], float] = field(default_factory=dict)
    late_hours: set[tuple[str, datetime]] = field(default_factory=set)
    kept_since: dict[str, datetime] = field(default_factory=dict)
    recent: dict[str, tuple[RecentMessage, ...]] = field(default_factory=dict)
    identities: dict[str, None] = field(default_factory=dict)
    forgotten_sessions: set[tuple[str, str]] = field(default_factory=set)
    forgotten_readings: set[tuple[str, str]] = field(default_factory=set)

    def __bool__(self) -> bool:
        return not self.is_empty()

    def is_empty(self) -> bool:
        """Return whether there is nothing to write."""
        return not (
            self.readings
            or self.sessions
            or self.announced
            or self.documents
            or self.points
            or self.late_hours
            or self.kept_since
            or self.recent
            or self.identities
            or self.forgotten_sessions
            or self.forgotten_readings
        )

    def merge(self, newer: Batch) -> None:
        """Add what was gathered later; it wins where both tell something."""
        for forgotten in newer.forgotten_sessions:
            self.sessions.pop(forgotten, None)
        for forgotten in newer.forgotten_readings:
            self.readings.pop(forgotten, None)
        self.readings |= newer.readings
        self.sessions |= newer.sessions
        self.announced |= newer.announced
        self.documents |= newer.documents
        self.points |= newer.points
        self.late_hours |= newer.late_hours
        for device_id, time in newer.kept_since.items():
            self.kept_since[device_id] = max(time, self.kept_since.get(device_id, time))
        self.recent |= newer.recent
        self.identities |= newer.identities
        self.forgotten_sessions |= newer.forgotten_sessions
        self.forgotten_sessions -= newer.sessions.keys()
        self.forgotten_readings |= newer.forgotten_readings
        self.forgotten_readings -= newer.readings.keys()

    def forget(self, device_id: str) -> None:
        """Drop all that concerns a device."""
        self.readings = _without(device_id, self.readings)
        self.sessions = _without(device_id, self.sessions)
        self.announced = _without(device_id, self.announced)
        self.documents = _without(device_id, self.documents)
        self.points = _without(device_id, self.points)
        self.late_hours = _others(device_id, self.late_hours)
        self.kept_since.pop(device_id, None)
        self.recent.pop(device_id, None)
        self.forgotten_sessions = _others(device_id, self.forgotten_sessions)
        self.forgotten_readings = _others(device_id, self.forgotten_readings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What the file held when it was opened; `announced` and `identities` begin with the oldest.

    `kept_since` tells by device from when on none of its points has been pruned.
    """

    readings: list[Reading]
    sessions: list[Session]
    announced: list[tuple[str, str, SessionPhase]]
    late_hours: set[tuple[str, datetime]]
    kept_since: dict[str, datetime]
    recent: dict[str, tuple[RecentMessage, ...]] = field(default_factory=dict)
    identities: list[str] = field(default_factory=list)


def _without[K: tuple[object, ...], V](
    device_id: str, things: dict[K, V]
) -> dict[K, V]:
    return {slot: each for slot, each in things.items() if slot[0] != device_id}


def _others[K: tuple[object, ...]](device_id: str, slots: set[K]) -> set[K]:
    return {slot for slot in slots if slot[0] != device_id}
