"""A car that comes, charges along a believable curve and goes: the physics, no network.

Power is taken as linear between two reported samples, and every energy is the integral
of just that: whoever integrates the reported power finds the reported energy.
"""

import cmath
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
import itertools
import math
import random

from .observations import (
    LedMode,
    Measurement,
    ObservationId as Id,
    ObservationValue,
    OpMode,
    OutputPhase,
    ReasonForNoCurrent,
)
from .sessions import ChargingSession, kilowatt_hours

_NOMINAL_VOLTAGE = 230.0
_VOLTAGE_DRIFT = 1.5
_SUPPLY_RESISTANCE = 0.1
_CABLE_RATING = 32

# A battery takes less and less towards its end: below this share of the energy it came
# for, power falls with what is missing, down to a last trickle.
_TAPER_SHARE = 0.25
_TRICKLE = 0.12

_AMBIENT_TEMPERATURE = 22.0
_WARMING_PER_KILOWATT = 1.6
_WARMING_TIME = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Car:
    """A car on its way to a charger."""

    energy: float
    """What its battery will take, in kWh."""
    current: float = 16.0
    """The most it draws, in A for each phase."""
    phases: int = 3
    """One or three."""
    token: str = ""
    """The RFID token its driver holds to the charger, hexadecimal; empty for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One stay of one car; delays in seconds, each counted from the step before."""

    car: Car
    arrives_after: float
    starts_after: float = 5.0
    leaves_after: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerPlan:
    """What happens at one charger."""

    serial: str
    name: str
    visits: tuple[Visit, ...]
    product_code: int = 1
    max_current: float = 32.0
    lifetime_energy: float = 1278.28391
    last_session_id: int = 434
    repeat: bool = True
    """Begin again with the first visit after the last."""
    tick: float = 5.0
    """Seconds between two samples while a car charges."""
    ramp: float = 15.0
    """Seconds from nothing to full power."""
    heartbeat: float = 900.0
    """Seconds between two reports of signal strengths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Electrical values at one moment, rounded as they are reported."""

    voltages: tuple[float, float, float]
    currents: tuple[float, float, float]

    @property
    def power(self) -> float:
        """In kW."""
        return round(math.sumprod(self.voltages, self.currents) / 1000, 3)

    @property
    def neutral_current(self) -> float:
        """In A: the geometric sum of three phases a third of a turn apart."""
        phasors = (
            cmath.rect(current, phase * math.tau / 3)
            for phase, current in enumerate(self.currents)
        )
        return round(abs(sum(phasors)), 2)


class ChargerSimulation:
    """One charger through its plan; the same plan takes the same course every time."""

    def __init__(self, plan: ChargerPlan, start: datetime) -> None:
        self._plan = plan
        self._now = start.replace(microsecond=start.microsecond // 1000 * 1000)
        self._random = random.Random(plan.serial)
        self._voltages = [_NOMINAL_VOLTAGE] * 3
        self._sample = self._measure(0.0, 1)
        self._meter = self._meter_at_hour = plan.lifetime_energy
        self._temperature = _AMBIENT_TEMPERATURE
        self._session_ids = itertools.count(plan.last_session_id + 1)
        self._session: ChargingSession | None = None
        self._next_heartbeat = self._now

    def measurements(self) -> Iterator[Measurement]:
        """All that the charger reports, in the order of time; endless if it repeats."""
        yield from self._report({Id.CONNECTED_TO_CLOUD: True})
        visits = self._plan.visits
        for visit in itertools.cycle(visits) if self._plan.repeat else visits:
            yield from self._pass(visit.arrives_after)
            yield from self._arrive(visit.car)
            yield from self._pass(visit.starts_after)
            yield from self._start(visit.car)
            yield from self._charge(visit.car)
            yield from self._pass(visit.leaves_after)
            yield from self._leave()

    def _arrive(self, car: Car) -> Iterator[Measurement]:
        mode, reason, led = (
            (
                OpMode.AWAITING_AUTHENTICATION,
                ReasonForNoCurrent.PENDING_AUTHORIZATION,
                LedMode.WAITING_FOR_AUTHORIZATION,
            )
            if car.token
            else (
                OpMode.AWAITING_START,
                ReasonForNoCurrent.CAR_NOT_CHARGING,
                LedMode.NOT_CHARGING,
            )
        )
        yield from self._report(
            {
                Id.CABLE_LOCKED: True,
                Id.CABLE_RATING: _CABLE_RATING,
                Id.CHARGER_OP_MODE: mode,
                Id.REASON_FOR_NO_CURRENT: reason,
                Id.LED_MODE: led,
            }
        )

    def _start(self, car: Car) -> Iterator[Measurement]:
        if car.token:
            reversed_token = bytes.fromhex(car.token)[::-1].hex().upper()
            yield from self._report(
                {
                    Id.USER_ID_TOKEN: car.token,
                    Id.USER_ID_TOKEN_REVERSED: reversed_token,
                    Id.CHARGER_OP_MODE: OpMode.AWAITING_START,
                }
            )
        self._session = ChargingSession(
            session_id=next(self._session_ids),
            start=self._now,
            meter_start=self._meter,
            token=car.token,
        )
        phases = OutputPhase.THREE_PHASES if car.phases == 3 else OutputPhase.ONE_PHASE
        yield from self._report(
            {
                Id.CHARGING_SESSION_START: self._session.started(),
                Id.SESSION_ENERGY: 0.0,
                Id.CHARGER_OP_MODE: OpMode.CHARGING,
                Id.REASON_FOR_NO_CURRENT: ReasonForNoCurrent.OK,
                Id.OUTPUT_PHASE: phases,
                Id.LED_MODE: LedMode.CHARGING,
            }
        )

    def _charge(self, car: Car) -> Iterator[Measurement]:
        full_current = min(car.current, self._plan.max_current, _CABLE_RATING)
        start, full_at = self._now, self._meter + car.energy
        while (missing := full_at - self._meter) > 0:
            end = self._now + timedelta(seconds=self._plan.tick)
            elapsed = (end - start).total_seconds()
            ramp = min(1.0, elapsed / self._plan.ramp)
            taper = min(1.0, max(_TRICKLE, missing / (_TAPER_SHARE * car.energy)))
            yield from self._advance(end, full_current * min(ramp, taper), car.phases)
        end = self._now + timedelta(seconds=self._plan.tick)
        yield from self._advance(end, 0.0, car.phases)
        yield from self._report(
            {
                Id.CHARGER_OP_MODE: OpMode.COMPLETED,
                Id.REASON_FOR_NO_CURRENT: ReasonForNoCurrent.CAR_NOT_CHARGING,
                Id.LED_MODE: LedMode.NOT_CHARGING,
            }
        )

    def _leave(self) -> Iterator[Measurement]:
        session, self._session = self._session, None
        if session is None:
            return
        yield from self._report(
            {
                Id.CABLE_LOCKED: False,
                Id.CHARGER_OP_MODE: OpMode.DISCONNECTED,
                Id.REASON_FOR_NO_CURRENT: ReasonForNoCurrent.NO_CAR,
                Id.OUTPUT_PHASE: OutputPhase.UNASSIGNED,
                Id.LED_MODE: LedMode.STANDBY,
                Id.CHARGING_SESSION: session.ended(self._now, self._meter),
                Id.CHARGING_SESSION_SIGNED: session.signed(self._now, self._meter),
                Id.LIFETIME_ENERGY: kilowatt_hours(self._meter),
            }
        )

    def _pass(self, seconds: float) -> Iterator[Measurement]:
        """Let time pass without charging."""
        end = self._now + timedelta(seconds=seconds)
        while self._now < end:
            if self._now >= self._next_heartbeat:
                yield from self._beat()
            yield from self._advance(min(end, self._next_heartbeat), 0.0, 1)

    def _beat(self) -> Iterator[Measurement]:
        self._next_heartbeat = self._now + timedelta(seconds=self._plan.heartbeat)
        earth = round(self._random.uniform(1.5, 2.5), 1)
        to_earth = [round(voltage + 0.2, 1) for voltage in self._sample.voltages]
        yield from self._report(
            {
                Id.CELL_RSSI: self._random.randint(-74, -68),
                Id.WIFI_RSSI: self._random.randint(-62, -55),
                Id.IN_VOLT_T1_T2: earth,
                Id.IN_VOLT_T1_T3: to_earth[0],
                Id.IN_VOLT_T1_T4: to_earth[1],
                Id.IN_VOLT_T1_T5: to_earth[2],
                Id.TEMP_MAX: round(self._temperature),
            }
        )

    def _advance(
        self, end: datetime, current: float, phases: int
    ) -> Iterator[Measurement]:
        """Move on to `end`, with a stop at every full hour on the way."""
        while self._now < end:
            hour = self._now.replace(minute=0, second=0, microsecond=0)
            hour += timedelta(hours=1)
            yield from self._step(min(end, hour), self._measure(current, phases))
            if self._now == hour:
                yield from self._report_hour()

    def _step(self, end: datetime, sample: Sample) -> Iterator[Measurement]:
        seconds = (end - self._now).total_seconds()
        power = (self._sample.power + sample.power) / 2
        self._meter += power * seconds / 3600
        settled = _AMBIENT_TEMPERATURE + _WARMING_PER_KILOWATT * power
        share = 1 - math.exp(-seconds / _WARMING_TIME)
        before = round(self._temperature)
        self._temperature += (settled - self._temperature) * share
        self._now, self._sample = end, sample
        yield from self._report_sample()
        if round(self._temperature) != before:
            yield from self._report({Id.TEMP_MAX: round(self._temperature)})

    def _measure(self, current: float, phases: int) -> Sample:
        voltages, currents = [], []
        for phase in range(3):
            drawn = current if phase < phases else 0.0
            drawn = round(drawn * self._random.uniform(0.985, 1.0), 2)
            drifted = self._voltages[phase] + self._random.uniform(-0.2, 0.2)
            deviation = drifted - _NOMINAL_VOLTAGE
            deviation = max(-_VOLTAGE_DRIFT, min(_VOLTAGE_DRIFT, deviation))
            self._voltages[phase] = _NOMINAL_VOLTAGE + deviation
            sagged = self._voltages[phase] - _SUPPLY_RESISTANCE * drawn
            voltages.append(round(sagged, 1))
            currents.append(drawn)
        return Sample(
            voltages=(voltages[0], voltages[1], voltages[2]),
            currents=(currents[0], currents[1], currents[2]),
        )

    def _report_sample(self) -> Iterator[Measurement]:
        sample = self._sample
        yield from self._report(
            {
                Id.IN_VOLT_T2_T3: sample.voltages[0],
                Id.IN_VOLT_T2_T4: sample.voltages[1],
                Id.IN_VOLT_T2_T5: sample.voltages[2],
                Id.IN_CURRENT_T2: sample.neutral_current,
                Id.IN_CURRENT_T3: sample.currents[0],
                Id.IN_CURRENT_T4: sample.currents[1],
                Id.IN_CURRENT_T5: sample.currents[2],
                Id.TOTAL_POWER: sample.power,
            }
        )
        if self._session is not None:
            energy = round(self._meter - self._session.meter_start, 4)
            yield from self._report({Id.SESSION_ENERGY: energy})

    def _report_hour(self) -> Iterator[Measurement]:
        energy = kilowatt_hours(self._meter - self._meter_at_hour)
        self._meter_at_hour = self._meter
        yield from self._report(
            {
                Id.ENERGY_PER_HOUR: energy,
                Id.LIFETIME_ENERGY: kilowatt_hours(self._meter),
            }
        )

    def _report(self, values: dict[Id, ObservationValue]) -> Iterator[Measurement]:
        for observation_id, value in values.items():
            yield Measurement(
                time=self._now, observation_id=int(observation_id), value=value
            )
