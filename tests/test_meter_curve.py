"""Energy at full resolution, whatever of a session's readings is told or lost."""

from random import Random

from hypothesis import given, settings
import pytest

from custom_components.ev_streams.meter import Meter, energy_curve

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
    value_at,
    wrong_hours,
)


@given(charger=chargers(), random=seeds)
@settings(max_examples=30, deadline=None)
def test_every_full_hour_is_right_where_starts_and_stops_are_told(
    charger: Charger, random: Random
) -> None:
    curve = energy_curve(charger.points(random))
    assert is_monotone(curve)
    assert wrong_hours(charger, curve) == {}


@given(charger=chargers(), random=seeds)
@settings(max_examples=30, deadline=None)
def test_a_lost_start_costs_no_hour_its_energy(
    charger: Charger, random: Random
) -> None:
    """The first counters tell when the session began, the stop before it from what on."""
    lost = {(random.randrange(len(charger.charges)), START)}
    curve = energy_curve(charger.points(random, without=lost))
    assert is_monotone(curve)
    assert wrong_hours(charger, curve) == {}


@given(charger=chargers(), random=seeds)
@settings(max_examples=30, deadline=None)
def test_a_lost_stop_costs_no_hour_its_energy(charger: Charger, random: Random) -> None:
    """The counter tells its last value once more after the stop."""
    number = random.randrange(len(charger.charges))
    curve = energy_curve(charger.points(random, without={(number, STOP)}))
    assert is_monotone(curve)
    stop = charger.charges[number].stop
    # Up to 60 s of charging and 20 s of none lie between the two counters about the stop.
    wrong = wrong_hours(charger, curve)
    assert all(-60 <= hour * 3600 - stop <= 20 for hour in wrong)
    assert all(abs(error) < 22 * 60 / 3600 for error in wrong.values())


@pytest.mark.parametrize("seed", range(5))
def test_a_day_with_lost_starts_and_stops_is_right(seed: int) -> None:
    """One of the lost starts is 20 s before 18:00, before the counter told anything."""
    lost = {(0, STOP), (1, START), (3, START)}
    curve = energy_curve(DAY.points(Random(seed), without=lost))
    assert is_monotone(curve)
    assert wrong_hours(DAY, curve) == {}


def test_the_hours_between_two_registers_are_told_by_the_counter() -> None:
    """The register alone would put the energy evenly between 06:30 and 11:30."""
    charge = Charge(corners=((28800, 9.0), (36000, 9.0), (36600, 0.0), (40000, 0.0)))
    charger = Charger(charges=(charge,))
    points = [charger.register(23400), charger.register(41400)]
    points += [
        point(moment, COUNTER, charge.energy(moment))
        for moment in range(28830, 40000, 30)
    ]
    points += [charger.register(28800, START)]
    curve = energy_curve(points)
    for hour in (7, 8, 9, 10, 11):
        truth = charger.energy(hour * 3600)
        assert value_at(curve, hour * 3600) == pytest.approx(truth, abs=ROUNDING)


@given(charger=chargers(), random=seeds)
@settings(max_examples=30, deadline=None)
def test_the_order_in_which_points_come_does_not_matter(
    charger: Charger, random: Random
) -> None:
    points = charger.points(random)
    curve = energy_curve(points)
    shuffled = points + random.sample(points, len(points) // 10)
    random.shuffle(shuffled)
    assert energy_curve(shuffled) == curve


def test_a_register_between_two_counters_neither_doubles_nor_loses() -> None:
    """At 18 kW 0.1 kWh flow in 20 s; the register comes a quarter of the way."""
    curve = energy_curve(
        [
            point(0, START, 100.0),
            point(600, COUNTER, 3.0),
            point(605, REGISTER, 103.025),
            point(620, COUNTER, 3.1),
            point(640, COUNTER, 3.2),
        ]
    )
    assert [energy for _, energy in curve] == pytest.approx(
        [100.0, 103.0, 103.025, 103.1, 103.2]
    )


def test_the_last_counter_after_a_stop_adds_nothing() -> None:
    """The stop's register has what flowed since the counter before it."""
    curve = energy_curve(
        [
            point(0, START, 100.0),
            point(600, COUNTER, 3.0),
            point(620, STOP, 103.1),
            point(621, COUNTER, 3.1),
            point(5000, COUNTER, 3.1),
            point(9000, START, 103.1),
            point(9060, COUNTER, 0.3),
        ]
    )
    assert curve[-1][1] == pytest.approx(103.4)
    assert value_at(curve, 8000) == pytest.approx(103.1)


def test_a_stop_tells_what_the_counter_ends_with_though_none_was_told() -> None:
    curve = energy_curve(
        [
            point(0, START, 100.0),
            point(3600, STOP, 103.1),
            point(3601, COUNTER, 3.1),
            point(5000, COUNTER, 3.1),
            point(9000, COUNTER, 0.2),
            point(9060, COUNTER, 0.4),
        ]
    )
    assert curve[-1] == about(9060, 103.5)


def test_a_stop_whose_start_is_not_known_is_not_exceeded_by_its_last_counter() -> None:
    """Nor are counters reckoned back from it: what flowed after them nobody knows."""
    curve = energy_curve(
        [
            point(0, COUNTER, 1.0),
            point(60, COUNTER, 1.2),
            point(80, STOP, 50.0),
            point(81, COUNTER, 1.3),
            point(900, COUNTER, 1.3),
            point(9000, COUNTER, 0.3),
            point(9060, COUNTER, 0.5),
        ]
    )
    assert curve[0] == (at(80), 50.0)
    assert value_at(curve, 900) == pytest.approx(50.0)
    assert curve[-1] == about(9060, 50.5)


def test_the_counters_of_the_next_session_bear_no_witness() -> None:
    """Two lower counters would make a spike of the one before, were they of its session."""
    curve = energy_curve(
        [
            point(0, START, 100.0),
            point(60, COUNTER, 0.5),
            point(120, COUNTER, 0.9),
            point(180, START, 101.2),
            point(240, COUNTER, 0.6),
            point(300, COUNTER, 0.7),
        ]
    )
    assert value_at(curve, 120) == pytest.approx(100.9)
    assert curve[-1] == about(300, 101.9)


def test_counters_before_the_first_register_are_reckoned_backwards() -> None:
    curve = energy_curve(
        [
            point(0, COUNTER, 1.0),
            point(60, COUNTER, 1.2),
            point(90, REGISTER, 50.0),
            point(120, COUNTER, 1.4),
        ]
    )
    assert curve == [
        about(0, 49.7),
        about(60, 49.9),
        (at(90), 50.0),
        about(120, 50.1),
    ]


def test_the_session_before_the_first_register_is_not_reckoned_backwards() -> None:
    """How much flowed after its last counter nobody knows."""
    curve = energy_curve(
        [
            point(0, COUNTER, 1.0),
            point(60, COUNTER, 1.2),
            point(9000, COUNTER, 0.1),
            point(9060, COUNTER, 0.3),
            point(9060, REGISTER, 50.0),
            point(9120, COUNTER, 0.5),
        ]
    )
    assert curve[0] == about(9000, 49.8)
    assert curve[-1] == about(9120, 50.2)


def test_without_a_register_there_is_no_energy() -> None:
    points = [point(0, COUNTER, 1.0), point(60, COUNTER, 1.2)]
    assert energy_curve(points) == []
    assert told(Meter(), points) == []
    assert energy_curve([]) == []


def test_a_lower_counter_is_a_new_session_that_began_at_nothing() -> None:
    points = [
        point(0, REGISTER, 100.0),
        point(0, COUNTER, 5.0),
        point(60, COUNTER, 5.2),
        point(1200, COUNTER, 0.15),
        point(1260, COUNTER, 0.35),
    ]
    curve = energy_curve(points)
    assert curve[-1] == about(1260, 100.55)
    assert told(Meter(), points)[-1] == curve[-1]
    # At 12 kW it took 45 s to get to the 0.15: nothing flowed until then.
    assert value_at(curve, 1155) == pytest.approx(100.2)


def test_a_register_soon_after_an_untold_start_moves_no_energy_before_it() -> None:
    """At 12 kW from 3600 s on; the register alone would begin an hour before that."""
    curve = energy_curve(
        [
            point(0, REGISTER, 100.0),
            point(0, COUNTER, 5.0),
            point(3630, REGISTER, 100.1),
            point(3660, COUNTER, 0.2),
            point(3720, COUNTER, 0.4),
        ]
    )
    assert is_monotone(curve)
    assert value_at(curve, 3600) == pytest.approx(100.0)
    assert curve[-1] == about(3720, 100.4)


def test_an_old_value_told_once_more_is_no_new_session() -> None:
    points = [
        point(0, START, 100.0),
        point(600, COUNTER, 2.0),
        point(620, COUNTER, 2.1),
        point(640, COUNTER, 2.05),
        point(660, COUNTER, 2.3),
        point(661, REGISTER, 102.3),
        point(680, COUNTER, 2.2),
        point(700, COUNTER, 2.4),
    ]
    curve = energy_curve(points)
    assert curve[-1] == about(700, 102.4, 0.01)
    assert told(Meter(), points)[-1][1] == pytest.approx(curve[-1][1])


def test_at_one_moment_the_old_session_ends_before_the_new_one_starts() -> None:
    curve = energy_curve(
        [
            point(0, START, 100.0),
            point(600, COUNTER, 3.0),
            point(620, START, 103.1),
            point(620, STOP, 103.1),
            point(620, COUNTER, 3.1),
            point(680, COUNTER, 0.2),
        ]
    )
    assert [energy for _, energy in curve] == pytest.approx(
        [100.0, 103.0, 103.1, 103.3]
    )
    assert is_monotone(curve)


def test_a_register_below_the_counter_is_right_and_what_follows_builds_on_it() -> None:
    """The counter went 0.3 too far; the register holds, and growth goes on from there."""
    points = [
        point(0, START, 100.0),
        point(600, COUNTER, 2.3),
        point(600, REGISTER, 102.0),
        point(660, COUNTER, 2.5),
        point(720, COUNTER, 2.7),
        point(721, STOP, 102.4),
    ]
    curve = energy_curve(points)
    assert is_monotone(curve)
    assert [energy for _, energy in curve] == pytest.approx(
        [100.0, 102.0, 102.2, 102.4, 102.4]
    )
    live = told(Meter(), points)
    assert live[1] == about(600, 102.3)
    assert live[-1][1] == pytest.approx(102.4)
    assert is_monotone(sorted(set(live)))


def test_a_register_holds_against_what_the_counter_told_before_it() -> None:
    curve = energy_curve(
        [
            point(0, START, 100.0),
            point(600, COUNTER, 2.3),
            point(630, REGISTER, 102.0),
        ]
    )
    assert [energy for _, energy in curve] == [100.0, 102.0, 102.0]


def test_the_curve_does_not_fall_with_the_register() -> None:
    curve = energy_curve([point(0, REGISTER, 100.0), point(600, REGISTER, 99.9)])
    assert [energy for _, energy in curve] == [100.0, 100.0]
