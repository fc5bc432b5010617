"""Sessions of what tells no more than whether it charges, be it jumbled."""

from datetime import UTC, datetime, timedelta

from custom_components.ev_streams.charging import KEY_CHARGING, ChargingSessions
from custom_components.ev_streams.model import Reading, SessionChange, Update

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)


def told(value: bool, minutes: float) -> Reading:
    """Return what a vehicle said so many minutes after ten."""
    at = TEN + timedelta(minutes=minutes)
    return Reading(device_id="car", key=KEY_CHARGING, value=value, measured_at=at)


def concluded(
    sessions: ChargingSessions, *readings: Reading
) -> list[tuple[str, datetime | None]]:
    """Return the phases that follow, with their times."""
    updates: list[Update] = [
        update for reading in readings for update in sessions.take(reading)
    ]
    changes = [each for each in updates if isinstance(each, SessionChange)]
    return [(each.phase, each.happened_at) for each in changes]


def test_an_old_word_that_nothing_charges_ends_nothing() -> None:
    """As in a backlog whose messages overtake each other."""
    assert concluded(
        ChargingSessions("car"),
        told(False, -60),
        told(True, 0),
        told(False, -10),
        told(True, 0),
        told(False, 30),
        told(True, 20),
    ) == [("started", TEN), ("stopped", TEN + timedelta(minutes=30))]


def test_what_was_told_before_a_restart_counts() -> None:
    sessions = ChargingSessions("car", [told(False, 30)])
    assert concluded(sessions, told(True, 20), told(True, 40)) == [
        ("started", TEN + timedelta(minutes=40))
    ]


def test_two_at_once_are_two() -> None:
    """A clock that counts seconds may say so."""
    readings = [told(True, 0), told(False, 0)] * 2
    found = concluded(ChargingSessions("car"), *readings)
    assert [phase for phase, _ in found] == ["started", "stopped"] * 2
