"""What a field probably is, by its name and a value that was seen.

Names of device classes, units and state classes are Home Assistant's.
"""

from dataclasses import dataclass, replace
from datetime import datetime
import re
from typing import Final

from .conversion import ISO_DURATION, ConversionError, moment
from .mapping import MappedPlatform

BINARY: Final = MappedPlatform.BINARY_SENSOR
# Some wrap each value into an object with its time: what it is stands before.
WRAPPED: Final = frozenset({"value", "timestamp"})
WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """What the form for a new field begins with."""

    name: str
    platform: MappedPlatform = MappedPlatform.SENSOR
    device_class: str | None = None
    unit: str | None = None
    state_class: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    never_decreasing: bool = False
    sentinels: tuple[str, ...] = ()
    value_map: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What numbers are whose name has one of the words."""

    words: frozenset[str]
    device_class: str
    unit: str
    state_class: str | None = "measurement"
    is_percentage: bool = False


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The first that fits is taken.
NUMBERS: Final = (
    _Kind(
        words=_words("odometer mileage"),
        device_class="distance",
        unit="km",
        state_class="total_increasing",
    ),
    _Kind(
        words=_words("soc battery level charge"),
        device_class="battery",
        unit="%",
        is_percentage=True,
    ),
    _Kind(words=_words("range autonomy distance"), device_class="distance", unit="km"),
    _Kind(
        words=_words("kwh energy"),
        device_class="energy",
        unit="kWh",
        state_class="total",
    ),
    _Kind(words=_words("wh"), device_class="energy", unit="Wh", state_class="total"),
    _Kind(words=_words("kw power"), device_class="power", unit="kW"),
    _Kind(words=_words("watt watts w"), device_class="power", unit="W"),
    _Kind(words=_words("voltage volt volts v"), device_class="voltage", unit="V"),
    _Kind(words=_words("current ampere amps a"), device_class="current", unit="A"),
    _Kind(words=_words("temperature temp"), device_class="temperature", unit="°C"),
    _Kind(words=_words("speed"), device_class="speed", unit="km/h"),
    _Kind(
        words=_words("minutes remaining duration"), device_class="duration", unit="min"
    ),
    _Kind(words=_words("seconds"), device_class="duration", unit="s"),
)
FLAGS: Final = {
    "plugged": "plug",
    "plug": "plug",
    "cable": "plug",
    "charging": "battery_charging",
    "door": "door",
    "window": "window",
    "connected": "connectivity",
    "online": "connectivity",
    "moving": "moving",
    "running": "running",
    "problem": "problem",
    "alert": "problem",
}


def suggest(path: str, value: object) -> Suggestion:
    """Suggest what to make of the value at a path."""
    words = [word.lower() for word in WORD.findall(_last(path))]
    all_words = [word.lower() for word in WORD.findall(path)]
    suggestion = Suggestion(name=" ".join(words).capitalize() or "Value")
    if isinstance(value, bool):
        if "locked" in words:
            # Home Assistant's lock is on while it is open.
            return replace(
                suggestion,
                platform=BINARY,
                device_class="lock",
                value_map=(("true", "off"), ("false", "on")),
            )
        known = (FLAGS[word] for word in words if word in FLAGS)
        return replace(suggestion, platform=BINARY, device_class=next(known, None))
    if isinstance(value, int | float):
        return _number(suggestion, words, all_words, value)
    if isinstance(value, str) and _is_time(value):
        return replace(suggestion, device_class="timestamp")
    if isinstance(value, str) and ISO_DURATION.fullmatch(value) and len(value) > 2:
        return replace(suggestion, device_class="duration", unit="min")
    return suggestion


def _number(
    suggestion: Suggestion, words: list[str], all_words: list[str], value: float
) -> Suggestion:
    """Suggest for a number: by its own name, or else by what it stands in."""
    # The last word of a name is what it is, the others say of what.
    for word in (*reversed(words), *reversed(all_words)):
        for kind in NUMBERS:
            if kind.is_percentage and not 0 <= value <= 100:
                continue
            if word not in kind.words:
                continue
            is_counter = kind.state_class == "total_increasing"
            return replace(
                suggestion,
                device_class=kind.device_class,
                unit=kind.unit,
                state_class=kind.state_class,
                minimum=0.0 if kind.is_percentage else None,
                maximum=100.0 if kind.is_percentage else None,
                never_decreasing=is_counter,
                sentinels=("0",) if is_counter else (),
            )
    return replace(suggestion, state_class="measurement")


def _last(path: str) -> str:
    """Return the name that stands last and says what it is, without places in lists."""
    first_way = path.partition("|")[0]
    names = re.findall(r"""(?:^|\.|\[")([^.\[\]"=|]+)""", first_way)
    if len(names) > 1 and names[-1].lower() in WRAPPED:
        names.pop()
    return names[-1] if names else ""


def _is_time(text: str) -> bool:
    """Whether it is a date with a time of day."""
    try:
        moment(text)
        datetime.fromisoformat(text)
    except ConversionError, ValueError:
        return False
    return len(text) >= len("2026-11-27T10:00")
