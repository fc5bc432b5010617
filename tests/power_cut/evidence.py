"""What was seen of a replay, and what should have been; times are aware UTC."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
import math
from typing import Any

from simulator.administrator import QueueState
from simulator.easee import OUTAGE, Backlog
from tests.integration.truth import HOUR, POWER, Truth, integral, series, truth_of

from .database import Row

# Which sensors' rows are looked at: meters, and those of an observation.
METERS = ("energy", "lifetime_energy")
MEANS: Mapping[str, int] = {"total_power": 120, "in_current_t3": 183, "temp_max": 150}

# What the meters had counted before the plan began, in kWh.
COUNTED = 250.0

# Half of what an hour may be off by, as it lies between two sums.
SUM_TOLERANCE = 0.005
MEAN_TOLERANCE = 0.01

type HourlyRows = Mapping[datetime, Mapping[str, float]]
"""Values by the name of their column, by the beginning of the hour."""
type RowsBySensor = Mapping[tuple[str, str], HourlyRows]
"""By serial and key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A moment at which the power went."""

    left: int
    """Messages that the broker had not been relieved of."""
    right_hours: int
    """Hours of the meters whose rows were right already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """A session event as somebody heard it."""

    serial: str
    session_id: int
    phase: str
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that is left when Home Assistant has stopped for good."""

    backlog: Backlog
    cuts: list[Cut]
    states: Mapping[tuple[str, str], str]
    """By serial and key."""
    sessions: Mapping[str, list[dict[str, Any]]]
    """By serial, as the action answers them."""
    fired: list[Fired]
    rows: RowsBySensor
    newest_sums: Mapping[tuple[str, str], tuple[float, float]]
    """What meters showed and had counted at last, by serial and key."""
    unrelated_before: Mapping[datetime, list[Row]]
    """The rows that an unrelated sensor had when the outage was over."""
    unrelated_after: Mapping[datetime, list[Row]]
    queue: QueueState
    log: str


def truths_of(backlog: Backlog) -> dict[str, Truth]:
    """Compute what is true of each charger, by serial."""
    return {
        plan.serial: truth_of(backlog.course[plan.serial], plan.lifetime_energy)
        for plan in OUTAGE.chargers
    }


def last_register(backlog: Backlog, serial: str) -> float:
    """The meter of a charger when it reported last, in kWh."""
    (begin,) = (p.lifetime_energy for p in OUTAGE.chargers if p.serial == serial)
    power = series(backlog.course[serial], POWER)
    return begin + integral(power, power[0][0], power[-1][0])


def true_rows(truths: Mapping[str, Truth]) -> RowsBySensor:
    """What the hourly rows must say of all hours that are over."""
    rows: dict[tuple[str, str], HourlyRows] = {}
    for plan in OUTAGE.chargers:
        truth = truths[plan.serial]
        for key in METERS:
            # A row is named by its beginning and holds the sum of its end. The charger
            # reports its register at every full hour: interpolation plays no part.
            rows[plan.serial, key] = {
                edge - HOUR: {"sum": COUNTED + register - plan.lifetime_energy}
                for edge, register in truth.register.items()
            }
        for key, observation_id in MEANS.items():
            rows[plan.serial, key] = {
                hour: {"mean": held.mean, "min": held.minimum, "max": held.maximum}
                for hour, held in truth.hourly[observation_id].items()
            }
    return rows


def wrong_rows(expected: RowsBySensor, seen: RowsBySensor) -> list[str]:
    """Name every value that is missing or not true."""
    return [
        f"{serial} {key} {hour:%d. %H:%M} {column}: {value:.4f}, not {true:.4f}"
        for (serial, key), hours in expected.items()
        for hour, columns in hours.items()
        for column, true in columns.items()
        if not _agrees(
            column,
            value := seen[serial, key].get(hour, {}).get(column, math.nan),
            true,
        )
    ]


def _agrees(column: str, value: float, true: float) -> bool:
    if column == "sum":
        return abs(value - true) <= SUM_TOLERANCE
    return math.isclose(value, true, rel_tol=MEAN_TOLERANCE, abs_tol=0.001)
