"""The day before the demo begins: what the chargers did, and what must be known of it.

Whatever is expected is computed from the chargers' own measurements; energies are kWh.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
import json

from simulator.administrator import RoutedMessage
from simulator.easee import Backlog, FleetPlan, Measurement, ObservationId, make_backlog
from simulator.easee.car import Car, ChargerPlan, Visit

AWAY = timedelta(hours=18)
HOUR = timedelta(hours=1)
JUMBLED_WITHIN = timedelta(seconds=30)
SPURIOUS_ZEROS = 0.02

# How long before it is told the day must end, for the last report to have arrived.
ARRIVED_AFTER = JUMBLED_WITHIN + timedelta(seconds=5)

# No car comes any more: the chargers are idle until the demo goes on with them.
TOMORROW = 86400.0

# One car is charging in the garage when the outage begins, and done long before it ends.
PAST = FleetPlan(
    lead=timedelta(hours=2),
    chargers=(
        ChargerPlan(
            serial="EH482913",
            name="Garage",
            tick=40,
            visits=(
                Visit(
                    car=Car(energy=14.2),
                    arrives_after=2400,
                    starts_after=15,
                    leaves_after=14000,
                ),
                Visit(
                    car=Car(energy=23.6),
                    arrives_after=22400,
                    starts_after=21,
                    leaves_after=5100,
                ),
                Visit(car=Car(energy=1.0), arrives_after=TOMORROW),
            ),
        ),
        ChargerPlan(
            serial="EC507126",
            name="Driveway",
            product_code=102,
            lifetime_energy=312.46205,
            last_session_id=87,
            tick=40,
            visits=(
                Visit(
                    car=Car(energy=17.8, current=32, phases=1),
                    arrives_after=11700,
                    starts_after=12,
                    leaves_after=15900,
                ),
                Visit(
                    car=Car(energy=9.4, current=32, phases=1),
                    arrives_after=9100,
                    starts_after=30,
                    leaves_after=1700,
                ),
                Visit(
                    car=Car(energy=5.3, current=32, phases=1),
                    arrives_after=3200,
                    starts_after=18,
                    leaves_after=1300,
                ),
                Visit(car=Car(energy=1.0), arrives_after=TOMORROW),
            ),
        ),
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A session as its charger published it at its end; meters and energy in kWh."""

    session_id: str
    energy: float
    meter_start: float
    meter_stop: float


def until(end: datetime) -> Backlog:
    """Let the day end at this time; reports are jumbled and doubled, none is malformed."""
    return make_backlog(
        PAST,
        end - AWAY,
        end,
        shuffled_within=JUMBLED_WITHIN,
        malformed=0,
        spurious_zeros=SPURIOUS_ZEROS,
    )


def queue_of(whole: Backlog) -> list[RoutedMessage]:
    """Return what waits when the outage is over; the cloud tells each session once more."""
    told = (ObservationId.CHARGING_SESSION_START, ObservationId.CHARGING_SESSION)
    again = [
        message.routed
        for message in whole.queue
        if message.measurement and message.measurement.observation_id in told
    ]
    return [*whole.messages, *again]


def session_of(text: str) -> Session:
    """Read the text in which a charger tells of a session at its end."""
    told = json.loads(text)
    return Session(
        session_id=str(told["Id"]),
        energy=told["EnergyKwh"],
        meter_start=told["MeterValueStart"],
        meter_stop=told["MeterValueStop"],
    )


def sessions(measurements: Sequence[Measurement]) -> list[Session]:
    """Return the sessions that ended, in order of time."""
    return [
        session_of(str(measurement.value))
        for measurement in measurements
        if measurement.observation_id == ObservationId.CHARGING_SESSION
    ]


def changes(measurements: Sequence[Measurement]) -> list[str]:
    """Return what must be told of sessions, in order of time: `started 7`, `stopped 7`."""
    phases = {
        ObservationId.CHARGING_SESSION_START: "started",
        ObservationId.CHARGING_SESSION: "stopped",
    }
    return [
        f"{phases[known]} {json.loads(str(measurement.value))['Id']}"
        for measurement in measurements
        if (known := ObservationId(measurement.observation_id)) in phases
    ]


def hourly_energy(measurements: Sequence[Measurement]) -> dict[datetime, float]:
    """Return what flowed in each hour, by its beginning in UTC, from the power alone.

    Power is linear between two reports. One is made at every full hour, so that what
    flows between two reports belongs to one hour.
    """
    power = sorted(
        (measurement.time.astimezone(UTC), float(measurement.value))
        for measurement in measurements
        if measurement.observation_id == ObservationId.TOTAL_POWER
    )
    flowed: dict[datetime, float] = defaultdict(float)
    for (begin, before), (end, after) in pairwise(power):
        hour = begin.replace(minute=0, second=0, microsecond=0)
        flowed[hour] += (before + after) / 2 * ((end - begin) / HOUR)
    return flowed
