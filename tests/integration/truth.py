"""What a history must say, computed from what the chargers measured and nothing else.

It shares no line with the integration, and it asks the played meter nothing: power is
integrated, other values are weighed by the time for which they hold, and sessions are
read from their texts. Times are aware UTC, energies kWh, power kW, currents A and
temperatures °C.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
import json

from simulator.easee import Measurement

POWER = 120
MEANS = (POWER, 183, 184, 185, 150)
"""Observations of which the recorder keeps mean, minimum and maximum."""

SESSION_START, SESSION_STOP = 223, 129

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class HourlyValues:
    """What the recorder makes of one hour of a measurement."""

    mean: float
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueSession:
    """A session as its texts tell it; None for what only an end can tell."""

    session_id: int
    start: datetime
    meter_start: float
    token: str
    stop: datetime | None = None
    energy: float | None = None
    meter_stop: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """All that must be known of one charger; hours are named by their beginning.

    Only hours that lie wholly between the first and the last report of power are in it.
    """

    energy: Mapping[datetime, float]
    """What flowed in each hour."""
    register: Mapping[datetime, float]
    """The meter at each full hour, the end of the last included."""
    hourly: Mapping[int, Mapping[datetime, HourlyValues]]
    """By observation id; no hour that began before the first value."""
    newest: Mapping[int, Measurement]
    """The last value of each observation by id."""
    sessions: Sequence[TrueSession]
    """In the order of their starts."""


def truth_of(measurements: Sequence[Measurement], register: float) -> Truth:
    """Compute the truth of one charger from all its measurements, in their order.

    `register` is its meter at the first of them.
    """
    power = series(measurements, POWER)
    edges = full_hours(power[0][0], power[-1][0])
    return Truth(
        energy={
            hour: integral(power, hour, following)
            for hour, following in pairwise(edges)
        },
        register={
            edge: register + integral(power, power[0][0], edge) for edge in edges
        },
        hourly={
            observation_id: hourly_values(series(measurements, observation_id), edges)
            for observation_id in MEANS
        },
        newest={
            m.observation_id: m for m in sorted(measurements, key=lambda m: m.time)
        },
        sessions=sessions(measurements),
    )


def series(
    measurements: Sequence[Measurement], observation_id: int
) -> list[tuple[datetime, float]]:
    """The times and values of one observation, in the order of time."""
    found = [
        (m.time, float(m.value))
        for m in measurements
        if m.observation_id == observation_id
    ]
    return sorted(found, key=lambda sample: sample[0])


def full_hours(first: datetime, last: datetime) -> list[datetime]:
    """The full hours between two times, both included where they are full."""
    edge = first.replace(minute=0, second=0, microsecond=0)
    edges = []
    while edge <= last:
        if edge >= first:
            edges.append(edge)
        edge += HOUR
    return edges


def integral(
    samples: Sequence[tuple[datetime, float]], begin: datetime, end: datetime
) -> float:
    """The energy between two times, with power linear from one sample to the next."""
    total = 0.0
    for (left, before), (right, after) in pairwise(samples):
        lower, upper = max(left, begin), min(right, end)
        if lower >= upper:
            continue
        slope = (after - before) / ((right - left) / HOUR)
        # A trapezoid is as large as its middle height makes it.
        middle = (lower - left + (upper - left)) / 2 / HOUR
        total += (before + slope * middle) * ((upper - lower) / HOUR)
    return total


def hourly_values(
    samples: Sequence[tuple[datetime, float]], edges: Sequence[datetime]
) -> dict[datetime, HourlyValues]:
    """Mean, minimum and maximum of each hour, where a value holds until the next."""
    found = {}
    for hour, following in pairwise(edges):
        if not samples or samples[0][0] > hour:
            continue
        held = [
            (value, (min(until, following) - max(since, hour)) / HOUR)
            for (since, value), (until, _) in pairwise([*samples, (following, 0.0)])
            if min(until, following) > max(since, hour)
        ]
        found[hour] = HourlyValues(
            mean=sum(value * share for value, share in held),
            minimum=min(value for value, _ in held),
            maximum=max(value for value, _ in held),
        )
    return found


def sessions(measurements: Sequence[Measurement]) -> list[TrueSession]:
    """The sessions that the texts of their starts and ends tell of."""
    found: dict[int, TrueSession] = {}
    for measurement in measurements:
        if measurement.observation_id == SESSION_START:
            told = json.loads(str(measurement.value))
            found[told["Id"]] = TrueSession(
                session_id=told["Id"],
                start=moment(told["Start"]),
                meter_start=told["MeterValue"],
                token=told["Auth"],
            )
        elif measurement.observation_id == SESSION_STOP:
            told = json.loads(str(measurement.value))
            found[told["Id"]] = TrueSession(
                session_id=told["Id"],
                start=moment(told["Start"]),
                meter_start=told["MeterValueStart"],
                token=told["Auth"],
                stop=moment(told["Stop"]),
                energy=told["EnergyKwh"],
                meter_stop=told["MeterValueStop"],
            )
    return sorted(found.values(), key=lambda session: session.start)


def moment(text: str) -> datetime:
    """The time that a text names, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)
