"""The properties of a vehicle's state become readings, each with a time of its own.

A property is an object with `value` and mostly `timestamp`. One that is absent is
unsupported or unchanged: nothing follows from that.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
import math
import re
from typing import Final

from ...charging import KEY_CHARGING
from ...model import Reading, Value
from . import names
from .names import Kind, key_of, kind_of
from .personal import is_personal, tells

type Members = Mapping[str, object]

VALUE: Final = "value"
TIMESTAMP: Final = "timestamp"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Home Assistant takes no longer states.
STATE_LENGTH: Final = 255
# A whole number beyond is not exact in JSON, and the largest do not fit a database.
EXACT: Final = 2**53
# Text that says there is nothing to know.
NOTHING: Final = ""

NUMBER: Final = re.compile(r"[-+]?[0-9]{1,18}(\.[0-9]{1,18})?")
ENUM: Final = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
YES_OR_NO: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("on", "true", "yes", "1"), True),
    **dict.fromkeys(("off", "false", "no", "0"), False),
}
REACH: Final[Mapping[str, float]] = {names.LATITUDE: 90.0, names.LONGITUDE: 180.0}
# Either may be in either spelling; the short one is documented.
COORDINATES: Final[Mapping[str, tuple[str, ...]]] = {
    names.LATITUDE: ("lat", "latitude"),
    names.LONGITUDE: ("lon", "lng", "longitude"),
}
LIFE: Final[Mapping[Value, bool]] = {"online": True, "offline": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One property as it came; `told_at` is None where nothing dates it."""

    name: str
    raw: object
    told_at: datetime | None


def moment(raw: object) -> datetime | None:
    """Read ISO 8601 as aware UTC; the vendor's times are UTC where they name no zone."""
    if not isinstance(raw, str):
        return None
    try:
        told = datetime.fromisoformat(raw.strip())
        told = told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)
    except ValueError, OverflowError:
        return None
    return told if told >= EPOCH else None


def properties_in(
    containers: tuple[object, ...], occurred_at: datetime | None
) -> list[Property]:
    """Find what has the shape of a property; the first container that names it wins."""
    found: dict[str, Property] = {}
    for container in containers:
        if isinstance(container, dict):
            for name, member in container.items():
                if isinstance(member, dict) and VALUE in member:
                    told_at = moment(member.get(TIMESTAMP)) or occurred_at
                    each = Property(name=name, raw=member[VALUE], told_at=told_at)
                    found.setdefault(name, each)
    return list(found.values())


def readings_of(
    device_id: str, properties: list[Property], known: frozenset[str]
) -> tuple[tuple[Reading, ...], str | None]:
    """Return the readings, and why some property is left out, if one is.

    `known` are the identifiers that no reading may show.
    """
    readings: dict[str, Reading] = {}
    left_out: str | None = None
    for each in properties:
        if is_personal(each.name) and each.name.lower() not in (names.POSITION, *REACH):
            continue
        if key_of(each.name) is None:
            left_out = "property_name"
        elif each.told_at is None:
            left_out = "property_without_time"
        else:
            for key, value in _values(each, known):
                readings[key] = _reading(device_id, key, value, each.told_at)
    charging = _charging(device_id, properties)
    if charging is not None:
        readings[KEY_CHARGING] = charging
    return tuple(readings.values()), left_out


def value_of(key: str, raw: object) -> Value | None:
    """Read a value by what its name says it is; None for what no state can show.

    What a name does not expect, such as SENSOR_FAILURE of an indicator or of a level,
    says that there is nothing to know.
    """
    if raw is None:
        return NOTHING
    if isinstance(raw, dict | list):
        return None
    match kind_of(key):
        case Kind.NUMBER:
            return _number(key, raw)
        case Kind.YES_OR_NO:
            return YES_OR_NO.get(str(raw).strip().lower(), NOTHING)
        case Kind.TEXT:
            return text_of(str(raw))
        case _:
            return text_of(raw) if isinstance(raw, str) else _plain(raw)


def text_of(raw: str) -> str:
    """Write the vendor's codes as Home Assistant writes states: LOCKED is locked."""
    text = raw.strip()
    return (text.lower() if ENUM.fullmatch(text) else text)[:STATE_LENGTH]


def _values(each: Property, known: frozenset[str]) -> Iterator[tuple[str, Value]]:
    """Yield what a property says by key: mostly one value, of a position two."""
    key = each.name.lower()
    if key == names.POSITION:
        yield from _position(each.raw)
        return
    if key == KEY_CHARGING and each.raw is not None:
        # Its words are those of all names that may tell it, see there.
        return
    value = value_of(key, each.raw)
    if value is None or (isinstance(value, str) and tells(value, known)):
        return
    yield key, value
    if key == names.LIFE_STATUS:
        yield names.ONLINE, LIFE.get(value, NOTHING)


def _position(raw: object) -> Iterator[tuple[str, Value]]:
    if raw is None:
        yield from dict.fromkeys(COORDINATES, NOTHING).items()
        return
    if not isinstance(raw, dict):
        return
    found = {
        key: _number(key, next((raw[name] for name in spelled if name in raw), None))
        for key, spelled in COORDINATES.items()
    }
    # Half a position is none.
    if NOTHING not in found.values():
        yield from found.items()


def _number(key: str, raw: object) -> Value:
    if isinstance(raw, str) and NUMBER.fullmatch(raw.strip()):
        raw = float(raw)
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return NOTHING
    reach = REACH.get(key)
    if reach is None:
        return _plain(raw)
    return float(raw) if -reach <= raw <= reach else NOTHING


def _plain(raw: object) -> Value:
    """Return a number or a truth as it is, a whole number only where it is exact."""
    if isinstance(raw, float):
        return raw if math.isfinite(raw) else NOTHING
    if isinstance(raw, int):
        return float(raw) if abs(raw) > EXACT else raw
    return NOTHING


def _charging(device_id: str, properties: list[Property]) -> Reading | None:
    """Tell whether the vehicle charges, from all the names at once that may say so.

    Two of them may be about two sockets: it charges where either says so. One that a
    message does not repeat is not remembered here.
    """
    told: list[tuple[bool, datetime]] = []
    for each in properties:
        if each.raw is None or each.told_at is None:
            continue
        if each.name.lower() in names.CHARGING_NAMES:
            word = str(each.raw).strip().lower()
            is_charging = names.CHARGING_WORDS.get(word.replace(" ", "_"))
            if is_charging is not None:
                told.append((is_charging, each.told_at))
    if not told:
        return None
    is_charging, told_at = max(told)
    return _reading(device_id, KEY_CHARGING, is_charging, told_at)


def _reading(device_id: str, key: str, value: Value, told_at: datetime) -> Reading:
    return Reading(device_id=device_id, key=key, value=value, measured_at=told_at)
