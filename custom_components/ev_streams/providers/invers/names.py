"""What the name of a property tells of its values.

A name is the vendor's capability in lower case. Confirmed are mileage, fuel level, state
of charge, range, position, `driving_enabled`, `rental_status`, `life_status` and the
first capabilities of the list (A to C). The rest is inferred: from the units in the
names, and from the older names that a public client of the same platform uses.
"""

from collections.abc import Mapping
from enum import Enum, auto
import re
from typing import Final

from ...charging import KEY_CHARGING
from ...const import RESERVED_KEYS

CENTRAL_LOCK: Final = "central_lock"
RENTAL_STATUS: Final = "rental_status"
LIFE_STATUS: Final = "life_status"
ONLINE: Final = "online"
POSITION: Final = "position"
LATITUDE: Final = "latitude"
LONGITUDE: Final = "longitude"

# The names that may tell whether the vehicle charges: the vendor's own is not known.
CHARGING_NAMES: Final = frozenset(
    {
        *("charging", KEY_CHARGING, "charging_state", "charging_status"),
        *("charge", "quick_charge"),
    }
)
CHARGING_WORDS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(
        (
            *("true", "yes", "on", "active", "started", "in_progress", "charging"),
            *("quick_charge", "quick_charging", "fast_charge", "fast_charging"),
            *("slow_charging", "ac_charging", "dc_charging"),
        ),
        True,
    ),
    **dict.fromkeys(
        (
            *("false", "no", "off", "inactive", "idle", "stopped", "ended", "none"),
            *("complete", "completed", "finished", "full", "not_charging"),
            *("disconnected", "unplugged", "not_connected", "not_plugged_in"),
        ),
        False,
    ),
}

# What a name ends with whose values are numbers of that unit.
NUMERIC_SUFFIXES: Final = (
    *("_in_percent", "_in_kilometers", "_in_meters", "_in_kilometers_per_hour"),
    *("_in_volts", "_in_millivolts", "_in_amperes", "_in_watts", "_in_kilowatts"),
    *("_in_kilowatt_hours", "_in_celsius", "_in_degrees_celsius", "_in_degrees"),
    *("_in_liters", "_in_bar", "_in_kilopascals", "_in_revolutions_per_minute"),
    *("_in_seconds", "_in_minutes", "_in_hours", "_in_days"),
)
NUMERIC_NAMES: Final = frozenset(
    {"speed", "board_voltage", "cellular_signal_quality", LATITUDE, LONGITUDE}
)
INDICATOR: Final = "_indicator"
YES_OR_NO_SUFFIXES: Final = (INDICATOR, "_enabled")
YES_OR_NO_NAMES: Final = frozenset({KEY_CHARGING, ONLINE})
TEXT_NAMES: Final = frozenset({CENTRAL_LOCK, RENTAL_STATUS, LIFE_STATUS})

KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


class Kind(Enum):
    """What all values of a name are, whatever one message says."""

    NUMBER = auto()
    YES_OR_NO = auto()
    TEXT = auto()
    AS_IT_COMES = auto()


def kind_of(key: str) -> Kind:
    """Tell the kind by the name alone, so that it never changes between two messages."""
    if key in NUMERIC_NAMES or key.endswith(NUMERIC_SUFFIXES):
        return Kind.NUMBER
    if key in YES_OR_NO_NAMES or key.endswith(YES_OR_NO_SUFFIXES):
        return Kind.YES_OR_NO
    return Kind.TEXT if key in TEXT_NAMES else Kind.AS_IT_COMES


def key_of(name: str) -> str | None:
    """Return the key of a property; None for what cannot be one, or is another's."""
    key = name.lower()
    is_taken = key in RESERVED_KEYS and key != KEY_CHARGING
    return None if is_taken or not KEY.fullmatch(key) else key
