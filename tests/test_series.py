"""What a run of readings says of each hour, by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from custom_components.ev_streams.series import HOUR, Counted, Held, HourlyMean, hour_of

NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)


def at(minutes: float) -> datetime:
    """Return a time so many minutes after nine."""
    return NINE + timedelta(minutes=minutes)


def test_a_meter_grows_evenly_between_two_readings() -> None:
    meter = Counted([(at(0), 10.0), (at(60), 16.0)])
    assert meter.at(at(20)) == (12.0, 12.0)


def test_a_meter_stands_still_after_its_last_reading() -> None:
    assert Counted([(at(0), 10.0)]).at(at(500)) == (10.0, 10.0)


def test_nothing_is_known_before_the_first_reading() -> None:
    assert Counted([(at(0), 10.0)]).at(at(-1)) is None
    assert Counted([]).at(at(0)) is None


def test_a_meter_that_begins_anew_goes_on_counting() -> None:
    """As the recorder counts it: what it shows after the reset comes on top."""
    meter = Counted([(at(0), 8.0), (at(30), 10.0), (at(60), 1.0), (at(90), 3.0)])
    assert meter.has_resets
    assert meter.at(at(90)) == (3.0, 13.0)
    # Nothing tells when it did: it still shows 10, and what it shows then comes then.
    assert meter.at(at(45)) == (10.0, 10.0)


def test_what_readings_have_told_is_no_guess() -> None:
    meter = Counted([(at(0), 8.0), (at(30), 10.0), (at(60), 1.0)])
    assert [meter.told(at(each)) for each in (-1, 0, 29, 30, 60, 90)] == [
        None,
        8.0,
        8.0,
        10.0,
        11.0,
        11.0,
    ]


def test_a_small_dip_is_no_reset() -> None:
    """It counts as negative, as it does for the recorder."""
    meter = Counted([(at(0), 10.0), (at(30), 9.5), (at(60), 11.0)])
    assert not meter.has_resets
    assert meter.at(at(60)) == (11.0, 11.0)


@pytest.mark.parametrize(
    ("shown", "minutes", "offset"),
    [(2.0, 100, 10.0), (2.0, 20, 0.0), (10.0, 100, 0.0), (70.0, 100, None)],
)
def test_on_which_side_of_a_reset_a_value_was_shown(
    shown: float, minutes: float, offset: float | None
) -> None:
    meter = Counted([(at(0), 2.0), (at(30), 10.0), (at(60), 2.0)])
    assert meter.offset_of(shown, at(minutes), 0.001) == offset


def test_what_the_readings_say_of_the_time_is_none_of_an_older_session() -> None:
    """Though that happened to come as close to the value as is let pass."""
    meter = Counted([(at(0), 4.0004), (at(10), 9.0), (at(20), 0.0), (at(60), 8.0)])
    assert meter.offset_of(4.0, at(40), 0.001) == 9.0


def test_a_reading_that_is_just_the_value_is_meant_before_one_that_is_near() -> None:
    meter = Counted([(at(0), 4.0), (at(10), 9.0), (at(20), 4.0004), (at(60), 8.0)])
    assert meter.offset_of(4.0, at(60), 0.001) == 0.0
    assert meter.offset_of(4.0007, at(60), 0.001) == 9.0


def test_without_resets_every_value_is_what_it_counts() -> None:
    assert Counted([(at(0), 2.0)]).offset_of(77.0, at(5), 0.001) == 0.0


def test_a_value_holds_until_the_next_one() -> None:
    held = Held([(at(-30), 4.0), (at(15), 8.0), (at(45), 0.0)])
    # A quarter of an hour 4, half an hour 8, a quarter 0.
    assert held.mean(NINE) == HourlyMean(mean=5.0, low=0.0, high=8.0)
    assert held.is_known_at(NINE)


def test_what_began_within_the_hour_is_the_mean_of_the_rest() -> None:
    held = Held([(at(30), 6.0)])
    assert held.mean(NINE) == HourlyMean(mean=6.0, low=6.0, high=6.0)
    assert not held.is_known_at(NINE)


def test_a_value_at_the_full_hour_belongs_to_the_new_one() -> None:
    held = Held([(at(-60), 2.0), (at(0), 3.0), (at(60), 9.0)])
    assert held.mean(NINE) == HourlyMean(mean=3.0, low=3.0, high=3.0)


def test_an_hour_before_every_reading_has_no_mean() -> None:
    assert Held([(at(60), 9.0)]).mean(NINE) is None
    assert Held([]).mean(NINE) is None


def test_the_hour_of_a_time() -> None:
    assert hour_of(at(59.999)) == NINE
    assert hour_of(NINE + HOUR) == NINE + HOUR
