"""Readings of a meter are fitted to the rows that the recorder has of it."""

from datetime import UTC, datetime, timedelta
from math import inf

from homeassistant.components.recorder.statistics import StatisticsRow

from custom_components.ev_streams.series import HOUR, Counted
from custom_components.ev_streams.sums import (
    counted_at,
    first_sum,
    placed,
    raised,
    stale,
    with_rows,
)

NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)
SLACK = 0.001


def at(minutes: float) -> datetime:
    """Return a time so many minutes after nine."""
    return NINE + timedelta(minutes=minutes)


def row(hour: datetime, total: float, state: float | None) -> StatisticsRow:
    """Return an hourly row."""
    start = hour.timestamp()
    return StatisticsRow(start=start, end=start + 3600, sum=total, state=state)


def test_sums_go_on_from_the_row_before() -> None:
    before = row(NINE - HOUR, 40.0, 100.0)
    meter, base = placed([(at(0), 100.0), (at(60), 106.0)], NINE, before, SLACK)
    reached = meter.at(at(60))
    assert reached is not None
    assert base + reached[1] == 46.0


def test_a_row_long_before_the_readings_is_where_they_begin() -> None:
    """What flowed since then is spread between it and the first reading."""
    before = row(NINE - 4 * HOUR, 40.0, 100.0)
    meter, base = placed([(at(0), 103.0), (at(60), 106.0)], NINE, before, SLACK)
    halfway = meter.at(NINE - 1.5 * HOUR)
    assert halfway is not None
    assert base + halfway[1] == 41.5


def test_a_meter_that_was_exchanged_goes_on_counting() -> None:
    before = row(NINE - 2 * HOUR, 40.0, 100.0)
    meter, base = placed([(at(0), 1.0), (at(60), 4.0)], NINE, before, SLACK)
    reached = meter.at(at(60))
    assert reached is not None
    assert base + reached[1] == 44.0


def test_the_first_row_that_is_there_bounds_a_guess() -> None:
    """Be it at 0, or after hours without any: a guess above it would flow back."""
    present = {
        hour: row(hour, total, total) for hour, total in ((NINE, 7.0), (at(180), 0.0))
    }
    assert first_sum(present, NINE) == 7.0
    assert first_sum(present, at(60)) == 0.0
    assert first_sum(present, at(240)) == inf


def test_without_a_row_before_the_sums_begin_at_0() -> None:
    meter, base = placed([(at(-30), 99.0), (at(30), 101.0)], NINE, None, SLACK)
    begin, later = meter.at(NINE), meter.at(at(30))
    assert begin is not None
    assert later is not None
    assert base + begin[1] == 0.0
    assert base + later[1] == 1.0


def test_a_row_that_shows_no_state_still_has_a_sum() -> None:
    before = row(NINE - HOUR, 40.0, None)
    meter, base = placed([(at(0), 100.0), (at(60), 106.0)], NINE, before, SLACK)
    reached = meter.at(at(60))
    assert reached is not None
    assert base + reached[1] == 46.0


def test_what_a_row_without_numbers_counted_is_not_known() -> None:
    meter, _ = placed([(at(0), 100.0)], NINE, None, SLACK)
    assert counted_at(meter, row(NINE, 1.0, None), at(60), SLACK) is None


def test_a_row_that_grew_counts_where_no_reading_tells_of_its_hour() -> None:
    pairs = [(at(30), 100.0), (at(270), 106.0)]
    present = {
        NINE: row(NINE, 40.0, 100.0),
        NINE + HOUR: row(NINE + HOUR, 46.0, 106.0),
        NINE + 2 * HOUR: row(NINE + 2 * HOUR, 46.0, 106.0),
    }
    assert with_rows(pairs, present, SLACK) == [
        (at(30), 100.0),
        (at(60), 100.0),
        (at(120), 106.0),
        (at(270), 106.0),
    ]


def test_a_flat_row_tells_nothing() -> None:
    pairs = [(at(30), 100.0), (at(270), 106.0)]
    present = {NINE + n * HOUR: row(NINE + n * HOUR, 40.0, 100.0) for n in range(4)}
    assert with_rows(pairs, present, SLACK) == pairs


def test_a_flat_row_amid_a_long_silence_counts() -> None:
    """All that the meter tells after it flowed after it."""
    day = 24 * 60
    pairs = [(at(-day), 100.0), (at(30), 100.0), (at(30 + 2 * day), 106.0)]
    last = NINE + 48 * HOUR
    present = {last - HOUR: row(last - HOUR, 40.0, 100.0)}
    assert with_rows(pairs, present, SLACK) == [
        *pairs[:2],
        (last, 100.0),
        pairs[2],
    ]


def test_rows_made_before_the_sensor_heard_are_written_as_well() -> None:
    meter = Counted([(at(0), 100.0), (at(55), 106.0), (at(230), 107.0)])
    present = {
        NINE: row(NINE, 40.0, 100.0),
        NINE + HOUR: row(NINE + HOUR, 40.0, 100.0),
        # What it shows between two readings is no more than the first of them.
        NINE + 2 * HOUR: row(NINE + 2 * HOUR, 46.0, 106.0),
    }
    assert stale(meter, -60.0, NINE, present, SLACK) == [NINE + HOUR]
    assert stale(meter, -60.0, NINE + HOUR, present, SLACK) == []


def test_rows_made_before_the_sensor_heard_may_follow_hours_without_any() -> None:
    meter = Counted([(at(0), 100.0), (at(55), 106.0)])
    present = {
        NINE: row(NINE, 46.0, 106.0),
        NINE + 3 * HOUR: row(NINE + 3 * HOUR, 40.0, 100.0),
        NINE + 5 * HOUR: row(NINE + 5 * HOUR, 40.0, 100.0),
        NINE + 6 * HOUR: row(NINE + 6 * HOUR, 46.0, 106.0),
    }
    late = [NINE + 3 * HOUR, NINE + 5 * HOUR]
    assert stale(meter, -60.0, NINE, present, SLACK) == late


def test_a_row_made_before_the_sensor_heard_may_follow_one_that_was_put_right() -> None:
    """The replay went on while the full hour passed."""
    meter = Counted([(at(0), 100.0), (at(55), 106.0)])
    present = {
        NINE: row(NINE, 46.0, 106.0),
        NINE + HOUR: row(NINE + HOUR, 46.0, 106.0),
        NINE + 2 * HOUR: row(NINE + 2 * HOUR, 43.0, 103.0),
    }
    assert stale(meter, -60.0, NINE, present, SLACK) == [NINE + 2 * HOUR]


def test_what_was_shown_is_not_taken_back() -> None:
    before = row(NINE, 40.0, 100.5)
    pairs = [(at(30), 52.0), (at(90), 99.0), (at(120), 101.0)]
    assert raised(pairs, before, 101.0, SLACK) == [
        (at(60), 100.5),
        (at(90), 100.5),
        (at(120), 101.0),
    ]


def test_readings_that_lead_up_to_what_was_shown_stay() -> None:
    """Else a straight line from there would move energy into the hour before."""
    pairs = [(at(55), 100.0), (at(110), 106.0)]
    assert raised(pairs, row(NINE, 40.0, 100.5), 106.0, SLACK) == pairs
    assert raised(pairs, row(NINE, 40.0, None), 106.0, SLACK) == pairs


def test_sensor_that_was_forgotten_may_show_less() -> None:
    pairs = [(at(90), 52.0), (at(110), 53.0)]
    assert raised(pairs, row(NINE, 40.0, 300.0), 53.0, SLACK) == pairs


def test_a_row_that_readings_contradict_is_left_out() -> None:
    """It begins with less than the meter had shown before."""
    pairs = [(at(30), 103.0), (at(270), 106.0)]
    present = {
        NINE: row(NINE, 40.0, 100.0),
        NINE + HOUR: row(NINE + HOUR, 46.0, 106.0),
    }
    assert with_rows(pairs, present, SLACK) == [
        (at(30), 103.0),
        (at(120), 106.0),
        (at(270), 106.0),
    ]


def test_rows_of_a_meter_with_resets_are_not_believed() -> None:
    pairs = [(at(30), 9.0), (at(270), 1.0)]
    present = {
        NINE: row(NINE, 40.0, 9.0),
        NINE + HOUR: row(NINE + HOUR, 46.0, 15.0),
    }
    assert with_rows(pairs, present, SLACK) == pairs


def test_a_row_that_lacks_what_was_measured_within_its_hour_is_written_as_well() -> (
    None
):
    """What came late told where the meter stood; the row shows what grew since then only."""
    meter = Counted(
        [(at(0), 100.0), (at(50), 108.0), (at(80), 110.0), (at(110), 115.0)]
    )
    present = {
        NINE: row(NINE, 48.0, 108.0),
        # No less than what was told by ten.
        NINE + HOUR: row(NINE + HOUR, 49.0, 109.0),
        NINE + 2 * HOUR: row(NINE + 2 * HOUR, 55.0, 115.0),
    }
    assert stale(meter, -60.0, NINE, present, SLACK) == [NINE + HOUR]


def test_what_is_told_in_the_last_minutes_of_an_hour_may_show_in_the_next() -> None:
    meter = Counted([(at(0), 100.0), (at(50), 106.0), (at(117), 107.0)])
    present = {
        NINE: row(NINE, 46.0, 106.0),
        NINE + HOUR: row(NINE + HOUR, 46.0, 106.0),
    }
    assert stale(meter, -60.0, NINE, present, SLACK) == []
