"""The physics: what a charger reports fits together, and with an independent sum."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile
import json
from typing import Any

import pytest

from simulator.easee.car import Car, ChargerPlan, ChargerSimulation, Visit
from simulator.easee.observations import Measurement, ObservationId as Id
from simulator.easee.plans import CHECK, DEMO, PLANS

NOON = datetime(2026, 11, 20, 12, 0, 3, 250000, tzinfo=UTC)
THREE_PHASES = ChargerPlan(
    serial="EH1",
    name="three phases",
    visits=(Visit(car=Car(energy=0.62), arrives_after=4),),
    repeat=False,
)
ONE_PHASE = ChargerPlan(
    serial="EH2",
    name="one phase",
    visits=(Visit(car=Car(energy=0.4, current=32, phases=1), arrives_after=4),),
    repeat=False,
)
VARIANTS = pytest.mark.parametrize(
    "plan", [THREE_PHASES, ONE_PHASE], ids=lambda p: p.name
)


def run(plan: ChargerPlan, start: datetime = NOON) -> list[Measurement]:
    return list(ChargerSimulation(plan, start).measurements())


def values(measurements: Iterable[Measurement], observation_id: int) -> list[Any]:
    return [m.value for m in measurements if m.observation_id == observation_id]


def document(measurements: Iterable[Measurement], observation_id: int) -> Any:
    (text,) = values(measurements, observation_id)
    return json.loads(text)


def energy_bounds(measurements: list[Measurement]) -> tuple[float, float]:
    """The least and the most that can have flowed, in kWh, given the reported power."""
    samples = [
        (m.time, float(m.value))
        for m in measurements
        if m.observation_id == Id.TOTAL_POWER
    ]
    least = most = 0.0
    for (begin, before), (end, after) in pairwise(samples):
        hours = (end - begin) / timedelta(hours=1)
        least += min(before, after) * hours
        most += max(before, after) * hours
    return least, most


def interpolated_energy(measurements: list[Measurement]) -> float:
    """The energy of the reported power, read off every tenth of a second, in kWh."""
    samples = [
        (m.time.timestamp(), float(m.value))
        for m in measurements
        if m.observation_id == Id.TOTAL_POWER
    ]
    total, step = 0.0, 0.1
    for (begin, before), (end, after) in pairwise(samples):
        steps = max(1, round((end - begin) / step))
        width = (end - begin) / steps
        for index in range(steps):
            share = (index + 0.5) / steps
            total += (before + (after - before) * share) * width / 3600
    return total


@VARIANTS
def test_the_energy_of_a_session_is_the_integral_of_its_power(
    plan: ChargerPlan,
) -> None:
    measurements = run(plan)
    energy = document(measurements, Id.CHARGING_SESSION)["EnergyKwh"]
    least, most = energy_bounds(measurements)
    assert least < energy < most
    assert energy == pytest.approx(interpolated_energy(measurements), abs=0.0005)
    assert energy >= plan.visits[0].car.energy


@VARIANTS
def test_energy_grows_with_power_all_along(plan: ChargerPlan) -> None:
    measurements = run(plan)
    seen = [
        (index, float(m.value))
        for index, m in enumerate(measurements)
        if m.observation_id == Id.SESSION_ENERGY
    ]
    assert len(seen) > 20
    for index, energy in seen:
        so_far = interpolated_energy(measurements[: index + 1])
        assert energy == pytest.approx(so_far, abs=0.0005)


@VARIANTS
def test_power_is_the_sum_of_voltage_times_current(plan: ChargerPlan) -> None:
    latest: dict[int, float] = {}
    checked = 0
    for measurement in run(plan):
        if isinstance(measurement.value, float):
            latest[measurement.observation_id] = measurement.value
        if measurement.observation_id == Id.TOTAL_POWER:
            watts = sum(latest[194 + phase] * latest[183 + phase] for phase in range(3))
            assert latest[Id.TOTAL_POWER] * 1000 == pytest.approx(watts, abs=0.51)
            checked += 1
    assert checked > 20


def test_three_phases_reach_eleven_kilowatts_and_taper() -> None:
    powers = values(run(THREE_PHASES), Id.TOTAL_POWER)
    assert 10.6 < max(powers) < 11.05
    peak = powers.index(max(powers))
    ramp = [power for power in powers[:peak] if 0 < power < 10]
    assert ramp == sorted(ramp)
    full = [index for index, power in enumerate(powers) if power > 10]
    taper = powers[full[-1] :]
    assert len(taper) > 20
    # Noise is a percent and a half; but for it, the battery takes less and less.
    assert all(
        after < before * 1.016 or after == 0 for before, after in pairwise(taper)
    )
    assert 0 < min(power for power in taper if power) < 2
    assert powers[-1] == 0.0


def test_one_phase_draws_on_one_phase_and_through_neutral() -> None:
    measurements = run(ONE_PHASE)
    assert 7.0 < max(values(measurements, Id.TOTAL_POWER)) < 7.4
    assert max(values(measurements, Id.IN_CURRENT_T4)) == 0.0
    assert max(values(measurements, Id.IN_CURRENT_T5)) == 0.0
    assert values(measurements, Id.IN_CURRENT_T2) == values(
        measurements, Id.IN_CURRENT_T3
    )


def test_three_phases_leave_little_for_neutral() -> None:
    measurements = run(THREE_PHASES)
    assert max(values(measurements, Id.IN_CURRENT_T2)) < 0.3


def test_the_charger_cannot_give_more_than_it_is_allowed() -> None:
    plan = ChargerPlan(
        serial="EH3",
        name="limited",
        max_current=10,
        visits=THREE_PHASES.visits,
        repeat=False,
    )
    assert 0 < max(values(run(plan), Id.IN_CURRENT_T3)) <= 10


@VARIANTS
def test_a_visit_takes_the_usual_steps(plan: ChargerPlan) -> None:
    measurements = run(plan)
    assert values(measurements, Id.CHARGER_OP_MODE) == [2, 3, 4, 1]
    assert values(measurements, Id.CABLE_LOCKED) == [True, False]
    assert values(measurements, Id.CABLE_RATING) == [32]
    assert values(measurements, Id.REASON_FOR_NO_CURRENT) == [79, 0, 79, 50]
    order = [
        m.observation_id
        for m in measurements
        if m.observation_id
        in {Id.CHARGER_OP_MODE, Id.CHARGING_SESSION_START, Id.CHARGING_SESSION}
    ]
    assert order == [109, 223, 109, 109, 109, 129]


@VARIANTS
def test_times_never_run_backwards(plan: ChargerPlan) -> None:
    times = [m.time for m in run(plan)]
    assert times == sorted(times)
    assert times[0] == NOON


@VARIANTS
def test_start_and_end_of_a_session_agree(plan: ChargerPlan) -> None:
    measurements = run(plan)
    started = document(measurements, Id.CHARGING_SESSION_START)
    ended = document(measurements, Id.CHARGING_SESSION)
    signed = document(measurements, Id.CHARGING_SESSION_SIGNED)
    assert started.keys() == {"Id", "Start", "MeterValue", "Auth", "AuthReason"}
    assert ended.keys() == {
        *("Id", "Start", "Stop", "EnergyKwh", "MeterValueStart", "MeterValueStop"),
        *("Auth", "AuthReason"),
    }
    assert started["Id"] == ended["Id"] == 435
    assert started["Start"] == ended["Start"] == "2026-11-20T12:00:12.25Z"
    assert started["MeterValue"] == ended["MeterValueStart"] == 1278.28391
    difference = ended["MeterValueStop"] - ended["MeterValueStart"]
    assert ended["EnergyKwh"] == pytest.approx(difference, abs=1e-6)
    assert values(measurements, Id.LIFETIME_ENERGY)[-1] == ended["MeterValueStop"]
    last = values(measurements, Id.SESSION_ENERGY)[-1]
    assert last == pytest.approx(ended["EnergyKwh"], abs=0.0001)
    assert len(signed.pop("Signature")) == 128
    assert signed == ended


def test_the_meter_is_told_at_full_hours_only_and_at_the_end() -> None:
    plan = ChargerPlan(
        serial="EH4",
        name="over two hours",
        visits=(Visit(car=Car(energy=14), arrives_after=600, leaves_after=3600),),
        repeat=False,
    )
    measurements = run(plan)
    hours = [m for m in measurements if m.observation_id == Id.ENERGY_PER_HOUR]
    meters = [m for m in measurements if m.observation_id == Id.LIFETIME_ENERGY]
    assert len(hours) == 3
    assert [m.time for m in hours] == [
        datetime(2026, 11, 20, hour, tzinfo=UTC) for hour in (13, 14, 15)
    ]
    assert [m.time for m in meters[:-1]] == [m.time for m in hours]
    for hour, meter in zip(hours, meters, strict=False):
        part = [m for m in measurements if m.time <= hour.time]
        expected = 1278.28391 + interpolated_energy(part)
        assert meter.value == pytest.approx(expected, abs=0.001)
    total = document(measurements, Id.CHARGING_SESSION)["EnergyKwh"]
    assert sum(float(m.value) for m in hours) == pytest.approx(total, abs=0.00001)


def test_a_token_is_reported_both_ways_round() -> None:
    car = Car(energy=0.05, token="04A1B2C3")
    plan = ChargerPlan(
        serial="EH5",
        name="token",
        visits=(Visit(car=car, arrives_after=1),),
        repeat=False,
    )
    measurements = run(plan)
    assert values(measurements, Id.USER_ID_TOKEN) == ["04A1B2C3"]
    assert values(measurements, Id.USER_ID_TOKEN_REVERSED) == ["C3B2A104"]
    assert values(measurements, Id.CHARGER_OP_MODE) == [7, 2, 3, 4, 1]
    assert document(measurements, Id.CHARGING_SESSION)["Auth"] == "04A1B2C3"


def test_voltage_and_temperature_stay_in_a_house() -> None:
    measurements = run(THREE_PHASES)
    for observation_id in (194, 195, 196):
        seen = values(measurements, observation_id)
        assert 225 < min(seen) < max(seen) < 233
    temperatures = values(measurements, Id.TEMP_MAX)
    assert temperatures[0] == 22
    assert 22 < max(temperatures) < 45


def test_the_same_plan_takes_the_same_course() -> None:
    assert run(THREE_PHASES) == run(THREE_PHASES)


@pytest.mark.parametrize("plan", CHECK.chargers, ids=lambda plan: plan.name)
def test_check_has_whole_sessions_within_a_minute(plan: ChargerPlan) -> None:
    end = NOON + timedelta(seconds=60)
    simulation = ChargerSimulation(plan, NOON)
    first_minute = list(takewhile(lambda m: m.time <= end, simulation.measurements()))
    assert values(first_minute, Id.CHARGING_SESSION_START)
    sessions = [json.loads(text) for text in values(first_minute, Id.CHARGING_SESSION)]
    assert sessions
    assert sessions[0]["EnergyKwh"] > 0.03


@pytest.mark.parametrize("plan", DEMO.chargers, ids=lambda plan: plan.name)
def test_demo_goes_on_for_hours(plan: ChargerPlan) -> None:
    end = NOON + timedelta(hours=3)
    simulation = ChargerSimulation(plan, NOON)
    three_hours = list(takewhile(lambda m: m.time <= end, simulation.measurements()))
    first = next(m for m in three_hours if m.observation_id == Id.CHARGER_OP_MODE)
    assert first.time - NOON < timedelta(seconds=30)
    sessions = [json.loads(text) for text in values(three_hours, Id.CHARGING_SESSION)]
    assert len(sessions) > 10
    numbers = [session["Id"] for session in sessions]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    charging = sum(power > 0 for power in values(three_hours, Id.TOTAL_POWER))
    assert charging > 500


def test_plans_have_two_different_chargers() -> None:
    for plan in PLANS.values():
        assert len({charger.serial for charger in plan.chargers}) == 2
