"""Newest wins, and duplicates fall out."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st
import pytest

from custom_components.ev_streams.ledger import Ledger, Verdict
from custom_components.ev_streams.model import Reading, Value

CHARGER = "EH123456"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=1)


def reading(
    value: Value,
    measured_at: datetime = EARLIER,
    arrived_at: datetime | None = None,
    *,
    device_id: str = CHARGER,
    key: str = "total_power",
) -> Reading:
    return Reading(
        device_id=device_id,
        key=key,
        value=value,
        measured_at=measured_at,
        arrived_at=arrived_at,
    )


def test_nothing_is_known_at_first() -> None:
    ledger = Ledger()
    assert ledger.reading(CHARGER, "total_power") is None
    assert ledger.readings(CHARGER) == {}
    assert ledger.session(CHARGER, "1") is None
    assert ledger.last_session(CHARGER) is None
    assert ledger.last_stopped_session(CHARGER) is None


def test_a_newer_reading_wins_and_an_older_one_does_not() -> None:
    ledger = Ledger()
    first = reading(1.0, EARLIER)
    newer = reading(2.0, EARLIER + timedelta(seconds=1))
    older = reading(3.0, EARLIER - timedelta(seconds=1))
    assert ledger.apply(first, NOW) is Verdict.NEW
    assert ledger.apply(newer, NOW) is Verdict.NEW
    assert ledger.apply(older, NOW) is Verdict.STALE
    assert ledger.apply(first, NOW) is Verdict.STALE
    assert ledger.reading(CHARGER, "total_power") == newer


def test_a_fresh_reading_of_the_same_value_is_new() -> None:
    ledger = Ledger()
    ledger.apply(reading(1.0), NOW)
    again = reading(1.0, NOW)
    assert ledger.apply(again, NOW) is Verdict.NEW
    assert ledger.reading(CHARGER, "total_power") == again


def test_devices_and_keys_do_not_mix() -> None:
    ledger = Ledger()
    power = reading(1.0, NOW)
    energy = reading(2.0, EARLIER, key="session_energy")
    other = reading(3.0, EARLIER, device_id="EH654321")
    for each in (power, energy, other):
        assert ledger.apply(each, NOW) is Verdict.NEW
    assert ledger.readings(CHARGER) == {"total_power": power, "session_energy": energy}
    assert ledger.readings("EH654321") == {"total_power": other}


def test_equal_time_and_value_is_a_duplicate_and_counted() -> None:
    ledger = Ledger()
    held = reading(1.0, EARLIER, EARLIER)
    ledger.apply(held, NOW)
    redelivered = reading(1.0, EARLIER, NOW)
    assert ledger.apply(redelivered, NOW) is Verdict.DUPLICATE
    assert ledger.apply(held, NOW) is Verdict.DUPLICATE
    assert ledger.verdicts == {Verdict.NEW: 1, Verdict.DUPLICATE: 2}


def test_every_verdict_is_counted() -> None:
    ledger = Ledger()
    ledger.apply(reading(1.0, EARLIER), NOW)
    ledger.apply(reading(2.0, NOW), NOW)
    ledger.apply(reading(2.0, NOW), NOW)
    ledger.apply(reading(1.0, EARLIER), NOW)
    ledger.apply(reading(3.0, EARLIER), NOW)
    assert ledger.verdicts == {
        Verdict.NEW: 2,
        Verdict.DUPLICATE: 1,
        Verdict.STALE: 2,
    }


@pytest.mark.parametrize("swap", [False, True], ids=["in order", "out of order"])
def test_of_equal_times_the_later_arrival_wins(swap: bool) -> None:
    ledger = Ledger()
    first = reading(1.0, EARLIER, EARLIER + timedelta(seconds=2))
    second = reading(2.0, EARLIER, EARLIER + timedelta(seconds=3))
    for each in (second, first) if swap else (first, second):
        ledger.apply(each, NOW)
    assert ledger.reading(CHARGER, "total_power") == second


@pytest.mark.parametrize("arrivals", [(None, None), (NOW, None), (None, NOW)])
def test_of_equal_times_without_arrivals_the_last_told_wins(
    arrivals: tuple[datetime | None, datetime | None],
) -> None:
    ledger = Ledger()
    for value, arrived_at in enumerate(arrivals):
        assert ledger.apply(reading(value, EARLIER, arrived_at), NOW) is Verdict.NEW
    held = ledger.reading(CHARGER, "total_power")
    assert held is not None
    assert held.value == 1


@pytest.mark.parametrize(
    ("ahead", "is_believed"),
    [
        (timedelta(0), True),
        (timedelta(minutes=4, seconds=59), True),
        (timedelta(minutes=5), True),
        (timedelta(minutes=5, microseconds=1), False),
        (timedelta(days=3650), False),
    ],
)
def test_a_time_far_in_the_future_gives_way_to_the_arrival(
    ahead: timedelta, is_believed: bool
) -> None:
    ledger = Ledger()
    arrived_at = NOW - timedelta(seconds=1)
    ledger.apply(reading(1.0, NOW + ahead, arrived_at), NOW)
    held = ledger.reading(CHARGER, "total_power")
    assert held is not None
    assert held.measured_at == (NOW + ahead if is_believed else arrived_at)


@pytest.mark.parametrize("arrived_at", [None, NOW + timedelta(days=1)])
def test_a_time_in_the_future_without_a_plausible_arrival_becomes_now(
    arrived_at: datetime | None,
) -> None:
    ledger = Ledger()
    ledger.apply(reading(1.0, NOW + timedelta(days=2), arrived_at), NOW)
    held = ledger.reading(CHARGER, "total_power")
    assert held is not None
    assert held.measured_at == NOW


def test_a_wrong_clock_does_not_win_for_ever() -> None:
    """After a device's clock was put right its readings count again at once."""
    ledger = Ledger()
    ledger.apply(reading(1.0, NOW + timedelta(days=365), NOW), NOW)
    right = reading(2.0, NOW + timedelta(seconds=10))
    assert ledger.apply(right, NOW + timedelta(seconds=11)) is Verdict.NEW
    assert ledger.reading(CHARGER, "total_power") == right


@st.composite
def shuffled_readings(draw: st.DrawFn) -> list[Reading]:
    """Readings of a few keys with distinct times, some twice or more, in any order."""
    offsets = draw(st.lists(st.integers(0, 10_000), min_size=1, unique=True))
    readings = [
        reading(
            draw(st.integers(0, 3)),
            NOW - timedelta(seconds=offset),
            key=draw(st.sampled_from(["total_power", "session_energy"])),
        )
        for offset in offsets
    ]
    repeats = draw(st.lists(st.sampled_from(readings), max_size=10))
    return draw(st.permutations([*readings, *repeats]))


@given(shuffled_readings())
def test_order_and_duplication_make_no_difference(readings: Sequence[Reading]) -> None:
    ledger = Ledger()
    for each in readings:
        ledger.apply(each, NOW)
    newest: dict[str, Reading] = {}
    for each in sorted(readings, key=lambda each: each.measured_at):
        newest[each.key] = each
    assert ledger.readings(CHARGER) == newest
    assert ledger.verdicts.total() == len(readings)


def test_a_duplicate_that_arrived_later_decides_between_equal_times() -> None:
    ledger = Ledger()
    for value, seconds in ((1.0, 1), (1.0, 5), (2.0, 3)):
        ledger.apply(reading(value, EARLIER, EARLIER + timedelta(seconds=seconds)), NOW)
    held = ledger.reading(CHARGER, "total_power")
    assert held is not None
    assert held.value == 1.0
