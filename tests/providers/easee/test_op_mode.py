"""Sessions of chargers whose messages never name one: concluded from the op mode."""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
import json

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.ev_streams.model import SessionChange

from .charger import (
    AWAITING_START,
    CHARGING,
    COMPLETED,
    DISCONNECTED,
    ENERGY,
    ERROR,
    OFFLINE,
    OP_MODE,
    POWER,
    Charger,
    at,
    started,
    stopped,
)
from .messages import SESSION_START, SESSION_STOP, SIGNED_SESSION

UNKNOWN_MODE = 77


def test_a_session_is_told_two_minutes_after_its_start_and_its_stop() -> None:
    charger = Charger()
    charger.observe(OP_MODE, AWAITING_START, 0)
    charger.observe(OP_MODE, CHARGING, 60)
    charger.observe(POWER, 7.2, 179)
    assert charger.told == []
    charger.observe(POWER, 7.3, 180)
    assert charger.told == [started(60)]
    charger.observe(ENERGY, 3.25, 3000)
    charger.observe(OP_MODE, COMPLETED, 3600)
    charger.observe(OP_MODE, DISCONNECTED, 4000)
    charger.observe(POWER, 0, 4119)
    assert charger.told == [started(60)]
    charger.observe(POWER, 0.1, 4120)
    assert charger.told == [started(60), stopped(60, 4000, 3.25)]
    charger.observe(POWER, 0, 9000)
    assert len(charger.told) == 2


def test_a_session_is_named_by_its_start_to_the_fraction_of_a_second() -> None:
    charger = Charger()
    charger.observe(OP_MODE, CHARGING, 61)
    charger.observe(OP_MODE, DISCONNECTED, 500)
    charger.observe(OP_MODE, CHARGING, 1000.25)
    charger.observe(OP_MODE, DISCONNECTED, 2000)
    assert [told.session_id for told in charger.told] == [
        "derived-20261120T050101Z",
        "derived-20261120T050101Z",
        "derived-20261120T051640.250000Z",
    ]


def test_a_charger_already_charging_when_it_is_first_seen_has_a_session() -> None:
    charger = Charger()
    charger.observe(OP_MODE, CHARGING, 0)
    charger.observe(POWER, 7.2, 7200)
    assert charger.told == [started(0)]


def test_a_car_that_is_gone_when_the_charger_is_first_seen_ends_nothing() -> None:
    charger = Charger()
    charger.observe(OP_MODE, DISCONNECTED, 0)
    charger.observe(POWER, 0, 7200)
    assert charger.told == []


@pytest.mark.parametrize(
    "between", [OFFLINE, AWAITING_START, COMPLETED, ERROR, 6, 7, 102, UNKNOWN_MODE]
)
def test_only_a_car_that_leaves_ends_a_session(between: int) -> None:
    charger = Charger()
    charger.observe(OP_MODE, CHARGING, 0)
    charger.observe(OP_MODE, between, 1000)
    charger.observe(OP_MODE, CHARGING, 2000)
    charger.observe(POWER, 7.2, 2500)
    assert charger.told == [started(0)]
    charger.observe(OP_MODE, DISCONNECTED, 3000)
    charger.observe(POWER, 0, 3120)
    assert charger.told == [started(0), stopped(0, 3000)]


def test_an_op_mode_that_is_repeated_changes_nothing() -> None:
    charger = Charger()
    for seconds in (0, 100, 200, 300):
        charger.observe(OP_MODE, CHARGING, seconds)
    for seconds in (1000, 1010, 1020, 1500):
        charger.observe(OP_MODE, DISCONNECTED, seconds)
    assert charger.told == [started(0), stopped(0, 1000)]


def test_a_short_session_gives_both_at_once() -> None:
    charger = Charger()
    charger.observe(OP_MODE, CHARGING, 0)
    charger.observe(OP_MODE, DISCONNECTED, 40)
    charger.observe(POWER, 0, 159)
    assert charger.told == [started(0)]
    charger.observe(POWER, 0.1, 160)
    assert charger.told == [started(0), stopped(0, 40)]


def test_a_silent_charger_tells_a_short_session_when_it_is_heard_again() -> None:
    charger = Charger()
    charger.observe(OP_MODE, CHARGING, 0)
    charger.observe(OP_MODE, DISCONNECTED, 40)
    charger.observe(POWER, 0, 5000)
    assert charger.told == [started(0), stopped(0, 40)]


def test_a_session_is_told_in_full_before_a_later_one_begins() -> None:
    charger = Charger()
    charger.observe(OP_MODE, CHARGING, 0)
    charger.observe(OP_MODE, DISCONNECTED, 40)
    charger.observe(OP_MODE, CHARGING, 70)
    assert charger.told == [started(0), stopped(0, 40)]
    charger.observe(OP_MODE, DISCONNECTED, 300)
    charger.observe(OP_MODE, CHARGING, 310)
    assert charger.told[2:] == [started(70), stopped(70, 300)]


@pytest.mark.parametrize("observation_id", [SESSION_START, SESSION_STOP])
def test_nothing_is_concluded_where_a_message_names_the_session(
    observation_id: int,
) -> None:
    charger = Charger()
    charger.observe(OP_MODE, CHARGING, 0)
    charger.name_session(observation_id, 0, 119)
    charger.observe(POWER, 7.2, 500)
    charger.observe(OP_MODE, DISCONNECTED, 1000)
    charger.observe(OP_MODE, CHARGING, 2000)
    charger.observe(POWER, 7.2, 9000)
    assert charger.told == []
    assert charger.take_dropped() is None


@pytest.mark.parametrize("observation_id", [SESSION_STOP, SIGNED_SESSION])
def test_a_message_that_names_the_session_is_no_sign_that_none_will(
    observation_id: int,
) -> None:
    """Its own readings are the first that were measured two minutes later."""
    charger = Charger()
    charger.observe(OP_MODE, CHARGING, 0)
    charger.name_session(observation_id, 0, 3600)
    charger.observe(POWER, 0, 9000)
    assert charger.told == []


@pytest.mark.parametrize("is_stopped", [False, True])
def test_a_session_that_was_told_is_dropped_when_a_message_names_one(
    is_stopped: bool,
) -> None:
    charger = Charger()
    charger.observe(OP_MODE, CHARGING, 0)
    charger.observe(POWER, 7.2, 500)
    assert charger.take_dropped() is None
    if is_stopped:
        charger.observe(OP_MODE, DISCONNECTED, 1000)
    charger.name_session(SESSION_STOP, 0, 1000)
    assert charger.take_dropped() == "derived-20261120T050000Z"
    assert charger.take_dropped() is None
    charger.observe(POWER, 0, 9000)
    assert charger.told == [started(0)]


def test_a_stop_that_tells_of_the_meter_at_the_stop_only_is_believed_too() -> None:
    charger = Charger()
    charger.observe(OP_MODE, CHARGING, 0)
    session = {"Id": 435, "Stop": at(3600).isoformat(), "MeterValueStop": 11.5}
    charger.observe(SESSION_STOP, json.dumps(session), 3600)
    assert charger.told == []


def test_a_session_that_was_told_in_full_stays() -> None:
    charger = Charger()
    charger.observe(OP_MODE, CHARGING, 0)
    charger.observe(OP_MODE, DISCONNECTED, 1000)
    charger.observe(POWER, 0, 1200)
    charger.name_session(SESSION_STOP, 2000, 3000)
    assert charger.take_dropped() is None
    assert charger.told == [started(0), stopped(0, 1000)]


def test_a_charger_that_has_ever_named_a_session_is_believed() -> None:
    charger = Charger(has_own_sessions=True)
    charger.observe(OP_MODE, CHARGING, 0)
    charger.observe(OP_MODE, DISCONNECTED, 1000)
    charger.observe(POWER, 0, 9000)
    assert charger.told == []


def test_the_meter_of_a_named_session_tells_that_there_was_one_after_a_restart() -> (
    None
):
    charger = Charger()
    charger.name_session(SESSION_START, 0, 10)
    charger.restart()
    charger.observe(OP_MODE, CHARGING, 1000)
    charger.observe(POWER, 7.2, 9000)
    assert charger.told == []


def test_the_energy_is_the_last_above_zero_within_the_session() -> None:
    charger = Charger()
    charger.observe(ENERGY, 44.0, -10)
    charger.observe(OP_MODE, CHARGING, 0)
    charger.observe(ENERGY, 1.0, 500)
    charger.observe(ENERGY, 2.0, 900)
    charger.observe(ENERGY, 0, 950)
    charger.observe(OP_MODE, DISCONNECTED, 1000)
    charger.observe(ENERGY, 55.0, 1050)
    charger.observe(POWER, 0, 1200)
    assert charger.told == [started(0), stopped(0, 1000, 2.0)]


def test_an_energy_that_overtakes_the_op_mode_is_not_of_the_session() -> None:
    charger = Charger()
    charger.observe(OP_MODE, CHARGING, 0)
    charger.observe(ENERGY, 2.0, 900)
    charger.observe(ENERGY, 55.0, 1010)
    charger.observe(OP_MODE, DISCONNECTED, 1000)
    charger.observe(POWER, 0, 1200)
    assert charger.told[-1] == stopped(0, 1000, 2.0)


@pytest.mark.parametrize("energies", [[], [0], [0, 0]])
def test_an_energy_that_nothing_tells_is_unknown(energies: list[float]) -> None:
    charger = Charger()
    charger.observe(ENERGY, 44.0, -10)
    charger.observe(OP_MODE, CHARGING, 0)
    for seconds, energy in enumerate(energies, 500):
        charger.observe(ENERGY, energy, seconds)
    charger.observe(OP_MODE, DISCONNECTED, 1000)
    charger.observe(POWER, 0, 1200)
    assert charger.told == [started(0), stopped(0, 1000)]


def test_an_op_mode_that_comes_late_is_left_out() -> None:
    charger = Charger(passes_all=True)
    charger.observe(OP_MODE, DISCONNECTED, 500)
    charger.observe(OP_MODE, CHARGING, 400)
    charger.observe(OP_MODE, CHARGING, 1000)
    charger.observe(OP_MODE, DISCONNECTED, 900)
    charger.observe(OP_MODE, DISCONNECTED, 2000)
    charger.observe(OP_MODE, CHARGING, 1900)
    charger.observe(POWER, 0, 9000)
    assert charger.told == [started(1000), stopped(1000, 2000)]


def test_an_op_mode_that_comes_late_is_left_out_after_a_restart_too() -> None:
    charger = Charger(passes_all=True)
    charger.observe(OP_MODE, CHARGING, 1000)
    charger.restart()
    charger.observe(OP_MODE, DISCONNECTED, 900)
    charger.observe(OP_MODE, DISCONNECTED, 2000)
    charger.restart()
    charger.observe(OP_MODE, CHARGING, 1900)
    assert charger.told == [started(1000)]
    charger.observe(POWER, 0, 9000)
    assert charger.told == [started(1000), stopped(1000, 2000)]


def test_a_charger_with_a_wild_clock_does_no_harm() -> None:
    charger, moment = Charger(), datetime.max.replace(tzinfo=UTC)
    charger.deliver(OP_MODE, CHARGING, moment)
    charger.deliver(OP_MODE, DISCONNECTED, moment)
    charger.observe(POWER, 7.2, 0)
    assert charger.told == []


def test_nothing_is_stored_for_an_energy_between_sessions() -> None:
    charger = Charger()
    charger.observe(OP_MODE, CHARGING, 0)
    charger.observe(ENERGY, 2.0, 900)
    charger.observe(OP_MODE, DISCONNECTED, 1000)
    charger.observe(POWER, 0, 1200)
    charger.observe(ENERGY, 0, 1300)
    assert "op_mode_session_energy" not in charger.held


@dataclass(frozen=True)
class Step:
    """An observation, so many seconds after the one before."""

    observation_id: int
    value: float
    pause: int
    restarts: bool = False


def run(steps: list[Step], redelivered: int, *, passes_all: bool) -> Charger:
    """Deliver the steps; after each restart the last ones come once more."""
    charger, seconds = Charger(passes_all=passes_all), 0
    delivered: list[tuple[int, float, int]] = []
    for step in steps:
        seconds += step.pause
        delivered.append((step.observation_id, step.value, seconds))
        charger.observe(*delivered[-1])
        if step.restarts:
            charger.restart()
            for again in delivered[-redelivered:] if redelivered else []:
                charger.observe(*again)
    charger.observe(POWER, -1, seconds + 100_000)
    return charger


def truth(steps: list[Step]) -> list[SessionChange]:
    """What was to be told, found by looking at the whole of the story."""
    times = [sum(step.pause for step in steps[: i + 1]) for i in range(len(steps))]
    story = list(zip(steps, times, strict=True))
    marks = [
        (step.value, seconds)
        for step, seconds in story
        if step.observation_id == OP_MODE and step.value in (CHARGING, DISCONNECTED)
    ]
    turns = marks[:1] + [new for old, new in pairwise(marks) if old[0] != new[0]]
    if turns and turns[0][0] == DISCONNECTED:
        turns = turns[1:]
    told: list[SessionChange] = []
    for i in range(0, len(turns), 2):
        start = turns[i][1]
        told.append(started(start))
        if i + 1 < len(turns):
            stop = turns[i + 1][1]
            energies = [
                float(step.value)
                for step, seconds in story
                if step.observation_id == ENERGY
                and step.value > 0
                and start <= seconds <= stop
            ]
            told.append(stopped(start, stop, energies[-1] if energies else None))
    return told


STEPS = st.lists(
    st.builds(
        Step,
        observation_id=st.just(OP_MODE),
        value=st.sampled_from([*range(7), CHARGING, DISCONNECTED]),
        pause=st.integers(1, 300),
        restarts=st.booleans(),
    )
    | st.builds(
        Step,
        observation_id=st.just(ENERGY),
        value=st.sampled_from([0, 0.5, 1.25, 7]),
        pause=st.integers(1, 300),
        restarts=st.booleans(),
    ),
    max_size=30,
)


@given(steps=STEPS, redelivered=st.integers(0, 5), passes_all=st.booleans())
@settings(max_examples=1000, deadline=None)
def test_sessions_come_out_right_over_restarts_and_redelivery(
    steps: list[Step], redelivered: int, passes_all: bool
) -> None:
    charger = run(steps, redelivered, passes_all=passes_all)
    assert charger.told == truth(steps)


@pytest.mark.parametrize("is_told", [False, True])
def test_a_session_goes_on_after_a_restart(is_told: bool) -> None:
    charger = Charger()
    charger.observe(OP_MODE, CHARGING, 0)
    if is_told:
        charger.observe(POWER, 7.2, 120)
    charger.restart()
    charger.observe(OP_MODE, DISCONNECTED, 5000)
    charger.restart()
    charger.observe(POWER, 0, 5120)
    charger.restart()
    charger.observe(POWER, 0, 9000)
    assert charger.told == [started(0), stopped(0, 5000)]


def test_a_session_that_was_told_goes_on_even_where_its_readings_are_lost() -> None:
    charger = Charger()
    charger.observe(OP_MODE, CHARGING, 0)
    charger.observe(POWER, 7.2, 500)
    charger.held.clear()
    charger.restart()
    charger.observe(OP_MODE, DISCONNECTED, 5000)
    charger.observe(POWER, 0, 9000)
    assert charger.told == [started(0), stopped(0, 5000)]


def test_what_is_stored_between_restarts_is_dated_by_the_op_mode() -> None:
    charger = Charger()
    charger.observe(OP_MODE, CHARGING, 0)
    assert charger.held["op_mode_session_start"].value == at(0)
    assert charger.held["op_mode_session_start"].measured_at == at(0)
    charger.observe(OP_MODE, DISCONNECTED, 900)
    assert charger.held["op_mode_session_stop"].value == at(900)
