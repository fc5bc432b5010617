"""The meter values of a running session: what each measurand means, and in which unit.

The vendor's list of units has none for power, and says that hardware may send
measurands of its own: neither is a closed set.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Final

from ...model import Reading
from .fields import identifier, label, number, objects
from .told import Notification, Told, charge_point_id, evse_id, readings, records

type Convert = Callable[[float], float]

UNKNOWN_LENGTH: Final = 40


def _same(value: float) -> float:
    return value


def _thousandth(value: float) -> float:
    return value / 1000


def _thousandfold(value: float) -> float:
    return value * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurand:
    """Under which key it is kept, and how each unit becomes ours.

    `otherwise` is for a unit that is not told or not known.
    """

    key: str
    units: Mapping[str, Convert]
    otherwise: Convert | None = None


ENERGY: Final[Mapping[str, Convert]] = {"wh": _thousandth, "kwh": _same}
POWER: Final[Mapping[str, Convert]] = {"w": _same, "kw": _thousandfold}
CURRENT: Final[Mapping[str, Convert]] = {"a": _same}

# Inferred: power without a known unit is in W, which is what OCPP has by default.
MEASURANDS: Final[Mapping[str, Measurand]] = {
    "energy consumed": Measurand(key="session_energy", units=ENERGY),
    "energy active import register": Measurand(key="lifetime_energy", units=ENERGY),
    "state of charge": Measurand(
        key="state_of_charge", units={"percent": _same, "%": _same}
    ),
    "current import": Measurand(key="current", units=CURRENT),
    "current offered": Measurand(key="current_offered", units=CURRENT),
    "voltage": Measurand(key="voltage", units={"v": _same}),
    "power active import": Measurand(key="power", units=POWER, otherwise=_same),
    "power offered": Measurand(key="power_offered", units=POWER, otherwise=_same),
    "temperature": Measurand(
        key="temperature", units={"celsius": _same, "°c": _same, "c": _same}
    ),
}


def session_meter_values(told: Notification) -> Told:
    """Read SessionMeterValuesNotification: all its values are of one EVSE."""
    point, evse = charge_point_id(told.body), evse_id(told.body)
    found: dict[tuple[str, datetime], Reading] = {}
    unknown: str | None = None
    for entry in objects(told.body.get("meterValues")):
        key, value, odd = _value(entry)
        unknown = unknown or odd
        measured_at = told.time(entry.get("timestamp"))
        for reading in readings(evse or point, measured_at, {key: value}):
            _keep(found, reading)
    return Told(
        device_id=point or evse,
        updates=tuple(sorted(found.values(), key=attrgetter("measured_at"))),
        devices=records(point, evse),
        unknown=unknown,
    )


def _keep(found: dict[tuple[str, datetime], Reading], reading: Reading) -> None:
    """Keep the largest of several values of one moment.

    There is no field for the phase: where three and their total come alike, it is the
    total, and whatever comes first or last, it is always the same one.
    """
    slot = (reading.key, reading.measured_at)
    held = found.get(slot)
    if held is None or _size(reading) > _size(held):
        found[slot] = reading


def _size(reading: Reading) -> float:
    return number(reading.value) or 0.0


def _value(entry: Mapping[str, object]) -> tuple[str, float | None, str | None]:
    """Return the key and value of an entry, and what of it no table knows."""
    name = label(entry.get("measurand")) or ""
    measurand = MEASURANDS.get(name.lower())
    if measurand is None:
        return "", None, f"measurand:{name[:UNKNOWN_LENGTH]}"
    unit = label(entry.get("unit")) or identifier(entry.get("unit")) or ""
    convert = measurand.units.get(unit.lower(), measurand.otherwise)
    if convert is None:
        return measurand.key, None, f"unit:{unit[:UNKNOWN_LENGTH]}"
    value = number(entry.get("value"))
    return measurand.key, None if value is None else convert(value), None
