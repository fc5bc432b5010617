"""The energy as it is told live, in any order of arrival and across restarts."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from random import Random

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.ev_streams.meter import Meter, MeterPoint

from .played_meter import (
    COUNTER,
    MIDNIGHT,
    PROMISE,
    REGISTER,
    ROUNDING,
    START,
    Charge,
    Charger,
    about,
    at,
    chargers,
    point,
    seeds,
    told,
)


def overtaking(random: Random, points: Iterable[MeterPoint]) -> list[MeterPoint]:
    """The points as they arrive: each up to 30 s late, one in twenty once more."""
    arrivals = [
        (each.measured_at + timedelta(seconds=random.uniform(0, 30)), each)
        for each in points
    ]
    arrivals += [
        (arrived + timedelta(seconds=random.uniform(0, 30)), each)
        for arrived, each in random.sample(arrivals, len(arrivals) // 20)
    ]
    return [each for _, each in sorted(arrivals, key=lambda arrival: arrival[0])]


@given(charger=chargers(), random=seeds)
@settings(max_examples=30, deadline=None)
def test_a_live_meter_is_right_in_whatever_order_messages_overtake_each_other(
    charger: Charger, random: Random
) -> None:
    live = told(Meter(), overtaking(random, charger.points(random)))
    assert all(t0 <= t1 and e0 <= e1 for (t0, e0), (t1, e1) in pairwise(live))
    assert live[-1] == about(86400, charger.energy(86400), PROMISE)


@given(charger=chargers(), random=seeds)
@settings(max_examples=30, deadline=None)
def test_a_live_meter_is_right_at_all_times(charger: Charger, random: Random) -> None:
    """In order, what it tells at each moment is what has flowed by then."""
    live = told(Meter(), charger.points(random))
    for when, energy in live:
        truth = charger.energy((when - MIDNIGHT).total_seconds())
        assert energy == pytest.approx(truth, abs=PROMISE)


def test_a_live_meter_that_believed_a_spike_waits_until_the_truth_exceeds_it() -> None:
    charge = Charge(corners=((0.0, 11.0), (7200.0, 11.0)))
    charger = Charger(charges=(charge,))
    points = [charger.register(0, START)]
    points += [
        point(moment, COUNTER, charge.energy(moment)) for moment in range(20, 7200, 20)
    ]
    points[30] = replace(points[30], value=points[30].value + 2)
    spike = charger.energy(600) + 2
    for when, energy in told(Meter(), points):
        moment = (when - MIDNIGHT).total_seconds()
        lowest = spike if moment >= 600 else 0.0
        assert energy == pytest.approx(max(charger.energy(moment), lowest))


def test_a_live_meter_tells_only_what_is_new() -> None:
    meter = Meter()
    first = point(0, START, 100.0)
    assert meter.take(first) == (at(0), 100.0)
    assert meter.take(first) is None
    assert meter.take(point(20, COUNTER, 0.0)) is None
    assert meter.take(point(30, COUNTER, 0.1)) == about(30, 100.1)
    assert meter.take(point(40, COUNTER, 0.0)) is None
    assert meter.take(point(10, COUNTER, 0.03)) is None
    assert meter.take(point(50, COUNTER, 0.1)) == about(50, 100.1)


def test_a_point_that_comes_again_and_again_pushes_no_other_out() -> None:
    meter = Meter()
    meter.take(point(0, START, 100.0))
    for _ in range(200):
        meter.take(point(20, COUNTER, 0.2))
    assert meter.take(point(10, REGISTER, 100.3)) == about(20, 100.4)


def test_a_point_older_than_all_that_is_kept_is_ignored() -> None:
    charge = Charge(corners=((0.0, 10.0), (20000.0, 10.0)))
    charger = Charger(charges=(charge,))
    meter = Meter()
    points = [charger.register(0, START)]
    points += [
        point(moment, COUNTER, charge.energy(moment)) for moment in range(10, 9000, 10)
    ]
    assert told(meter, points)[-1] == about(8990, charger.energy(8990))
    assert meter.take(charger.register(15, START)) is None
    assert meter.take(points[3]) is None
    assert meter.take(point(9000, COUNTER, charge.energy(9000))) == about(
        9000, charger.energy(9000)
    )


def newest_of_each(points: Sequence[MeterPoint]) -> list[MeterPoint]:
    """What a store of newest readings gives back: zeros left out, in order of time."""
    newest = {each.input: each for each in points if each.value > 0}
    return sorted(newest.values(), key=lambda each: each.measured_at)


@given(charger=chargers(), random=seeds, moment=st.floats(1000, 80000))
@settings(max_examples=30, deadline=None)
def test_a_restart_loses_and_doubles_nothing(
    charger: Charger, random: Random, moment: float
) -> None:
    points = charger.points(random)
    seen = [each for each in points if each.measured_at <= at(moment)]
    rest = points[len(seen) :]
    last = told(Meter(), seen)[-1]
    meter = Meter(last)
    again = told(meter, newest_of_each(seen))
    assert all(each[1] == pytest.approx(last[1], abs=PROMISE) for each in again)
    for when, energy in told(meter, rest):
        truth = charger.energy((when - MIDNIGHT).total_seconds())
        assert energy == pytest.approx(truth, abs=PROMISE)
        assert energy >= last[1]


def test_after_a_restart_without_stored_readings_a_counter_tells_growth() -> None:
    """What flowed between the energy known and the first counter comes with the register."""
    charge = Charge(corners=((0.0, 11.0), (20000.0, 11.0)))
    charger = Charger(charges=(charge,))
    meter = Meter((at(6000), charger.energy(6000)))
    assert meter.take(point(6300, COUNTER, charge.energy(6300))) is None
    missed = charge.energy(6300) - charge.energy(6000)
    counter = point(6330, COUNTER, charge.energy(6330))
    assert meter.take(counter) == about(6330, charger.energy(6330) - missed)
    assert meter.take(charger.register(6400)) == about(
        6400, charger.energy(6400), ROUNDING
    )
    assert meter.take(point(6430, COUNTER, charge.energy(6430))) == about(
        6430, charger.energy(6430), ROUNDING
    )


def test_hours_away_within_one_session_are_caught_up_by_its_counter() -> None:
    charge = Charge(corners=((0.0, 11.0), (20000.0, 11.0)))
    charger = Charger(charges=(charge,))
    seen = [
        charger.register(0, START),
        charger.register(3600),
        point(5000, COUNTER, charge.energy(5000)),
    ]
    meter = Meter((at(5000), charger.energy(5000)))
    assert told(meter, seen) == []
    assert meter.take(point(16000, COUNTER, charge.energy(16000))) == about(
        16000, charger.energy(16000), ROUNDING
    )


def test_after_a_restart_no_value_falls_below_what_was_told() -> None:
    meter = Meter((at(600), 100.5))
    assert meter.take(point(700, REGISTER, 100.2)) == (at(700), 100.5)
    assert meter.take(point(710, START, 100.2)) == (at(710), 100.5)
    assert meter.take(point(770, COUNTER, 0.2)) == (at(770), 100.5)
    assert meter.take(point(890, COUNTER, 0.5)) == about(890, 100.7)
