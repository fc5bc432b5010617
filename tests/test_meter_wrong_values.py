"""What a meter tells wrongly is not believed; what is only unusual is."""

from dataclasses import replace
from itertools import pairwise
from random import Random

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.ev_streams.meter import Meter, MeterInput, energy_curve

from .played_meter import (
    COUNTER,
    DAY,
    REGISTER,
    ROUNDING,
    START,
    STOP,
    Charge,
    Charger,
    about,
    at,
    chargers,
    is_monotone,
    point,
    seeds,
    told,
    wrong_hours,
)


def test_a_new_charger_begins_at_nothing() -> None:
    points = [
        point(0, REGISTER, 0.0),
        point(60, START, 0.0),
        point(120, COUNTER, 0.2),
        point(180, STOP, 0.4),
    ]
    assert [energy for _, energy in energy_curve(points)] == [0.0, 0.2, 0.4]
    assert [energy for _, energy in told(Meter(), points)] == [0.0, 0.2, 0.4]


@pytest.mark.parametrize("value", [0.0, -3.0, float("nan"), float("inf"), 1e9])
@pytest.mark.parametrize("kind", [REGISTER, COUNTER])
def test_one_impossible_value_changes_nothing(kind: MeterInput, value: float) -> None:
    points = DAY.points(Random(1))
    curve = energy_curve(points)
    live = told(Meter(), points)
    for moment in (31000, 45000, 57000):
        wrong = point(moment, kind, value)
        assert energy_curve([*points, wrong]) == curve
        spoilt = sorted([*points, wrong], key=lambda each: each.measured_at)
        assert told(Meter(), spoilt) == live


def test_impossible_counters_after_a_start_are_not_believed_for_growing() -> None:
    points = [
        point(0, START, 100.0),
        point(30, COUNTER, 900.0),
        point(60, COUNTER, 900.3),
        point(90, COUNTER, 0.3),
        point(120, COUNTER, 0.4),
    ]
    assert energy_curve(points)[-1] == about(120, 100.4)
    assert told(Meter(), points)[-1] == about(120, 100.4)


def test_registers_that_agree_are_kept_when_others_outvote_them() -> None:
    """A meter that was replaced: the curve waits, its past stays."""
    values = [100.0, 101.0, 102.0, 5.0, 6.0]
    curve = energy_curve(
        [point(3600 * hour, REGISTER, value) for hour, value in enumerate(values)]
    )
    assert [energy for _, energy in curve] == [100.0, 101.0, 102.0]


def test_two_wrong_registers_do_not_outweigh_all_that_follow() -> None:
    """They agree with each other, but a meter never falls, and twenty say otherwise."""
    wrong = [point(0, START, 1309.5), point(600, STOP, 1316.7)]
    right = [point(3600 * hour, REGISTER, 1278.0 + hour) for hour in range(1, 21)]
    assert energy_curve([*wrong, *right]) == energy_curve(right)
    late = [point(3600 * 21, START, 900.0), point(3600 * 22, STOP, 907.0)]
    assert energy_curve([*right, *late]) == energy_curve(right)


@given(charger=chargers(), random=seeds, excess=st.floats(1, 400))
@settings(max_examples=30, deadline=None)
def test_a_spike_that_could_be_true_is_known_by_what_follows(
    charger: Charger, random: Random, excess: float
) -> None:
    points = charger.points(random)
    counters = [
        each
        for each, after in pairwise(points)
        if each.input is after.input is COUNTER and 0 < each.value <= after.value
    ]
    spike = random.choice(counters)
    points[points.index(spike)] = replace(spike, value=spike.value + excess)
    curve = energy_curve(points)
    assert is_monotone(curve)
    assert wrong_hours(charger, curve) == {}


def test_a_high_register_that_could_be_true_is_known_by_the_next() -> None:
    """After an hour 300 kWh more is not impossible, but the hour after they are gone."""
    registers = [DAY.register(hour * 3600) for hour in range(25)]
    registers[9] = replace(registers[9], value=registers[9].value + 300)
    curve = energy_curve(registers)
    right = [each for each in registers if each != registers[9]]
    assert curve == [(each.measured_at, each.value) for each in right]


@pytest.mark.parametrize("wrong", [1.0, 90000.0])
def test_a_wrong_first_register_is_outvoted_by_two(wrong: float) -> None:
    later = [each for each in DAY.points(Random(2)) if each.measured_at > at(0)]
    points = [point(0, REGISTER, wrong), *later]
    curve = energy_curve(points)
    assert curve[0][1] > DAY.before - ROUNDING
    assert curve[0][0] > at(0)
    assert curve[-1] == about(86400, DAY.energy(86400), ROUNDING)


@pytest.mark.parametrize("gap", [60.0, 3600.0])
def test_a_live_meter_follows_two_registers_against_the_first(gap: float) -> None:
    """However many counters came between the two, so that the first is long folded away."""
    charge = Charge(corners=((0.0, 10.0), (20000.0, 10.0)))
    charger = Charger(charges=(charge,))
    meter = Meter()
    assert meter.take(point(1, REGISTER, 7.0)) == (at(1), 7.0)
    points = [charger.register(gap), charger.register(2 * gap)]
    points += [
        point(moment, COUNTER, charge.energy(moment)) for moment in range(10, 8000, 10)
    ]
    points.sort(key=lambda each: each.measured_at)
    live = told(meter, points)
    assert live[-1] == about(7990, charger.energy(7990), ROUNDING)


def test_real_growth_passes_after_a_long_silence() -> None:
    points = [point(0, REGISTER, 100.0), point(7 * 86400, REGISTER, 900.0)]
    assert energy_curve(points) == [(at(0), 100.0), (at(7 * 86400), 900.0)]
    assert told(Meter(), points) == [(at(0), 100.0), (at(7 * 86400), 900.0)]


def test_a_fast_charger_is_believed() -> None:
    """350 kW from the first minute on, told every half minute, start told or not."""
    charge = Charge(corners=((600.0, 350.0), (1500.0, 350.0)))
    charger = Charger(charges=(charge,))
    counters = [
        point(moment, COUNTER, charge.energy(moment)) for moment in range(630, 1500, 30)
    ]
    before = [charger.register(0), point(0, COUNTER, 200.0)]
    for points in (
        [*before, charger.register(600, START), *counters],
        before + counters,
    ):
        curve = energy_curve(points)
        assert curve[-1][1] == pytest.approx(charger.energy(1470), abs=ROUNDING)
        assert told(Meter(), points)[-1] == curve[-1]
