"""From what JSON can say to the values of entities; times are aware UTC."""

from datetime import UTC, datetime
import math
import re
from typing import Final

# Larger numbers are milliseconds since 1970, smaller ones seconds.
MILLISECONDS_FROM: Final = 100_000_000_000
# A time before is none: a clock that was never set, .NET's year 1.
EARLIEST: Final = datetime(1970, 1, 2, tzinfo=UTC)
ON: Final = frozenset({"on", "true", "yes", "1"})
OFF: Final = frozenset({"off", "false", "no", "0"})
# As vendors write them: no years and months, whose length nobody knows.
ISO_DURATION: Final = re.compile(
    r"([+-])?P(?:(\d+(?:\.\d+)?)W)?(?:(\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)
PARTS: Final = (604_800, 86_400, 3_600, 60, 1)
SECONDS_OF: Final = {"ms": 0.001, "s": 1, "min": 60, "h": 3_600, "d": 86_400}


class ConversionError(ValueError):
    """A value that cannot be what it should; `reason` is a stable snake case word."""

    def __init__(self, reason: str) -> None:
        """Keep the reason apart from the text, for counting."""
        super().__init__(reason)
        self.reason = reason


def number(given: object) -> int | float:
    """Return a finite number, also from a text that is one; true and false are none."""
    found: int | float
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise ConversionError("not_a_number")
    try:
        found = _number_of(given) if isinstance(given, str) else given
        is_finite = math.isfinite(found)
    except (ValueError, OverflowError) as err:
        raise ConversionError("not_a_number") from err
    if not is_finite:
        raise ConversionError("not_a_number")
    return found


def boolean(given: object) -> bool:
    """Return whether the value is on: true, any number but zero, and the usual words."""
    if isinstance(given, bool):
        return given
    if isinstance(given, str):
        word = given.strip().lower()
        if word in ON | OFF:
            return word in ON
    try:
        return number(given) != 0
    except ConversionError as err:
        raise ConversionError("not_a_boolean") from err


def moment(given: object) -> datetime:
    """Return a time from ISO 8601 (UTC where no zone is named) or from seconds since 1970."""
    try:
        found = _moment_of(given)
    except (ValueError, OverflowError, OSError) as err:
        raise ConversionError("not_a_time") from err
    if found < EARLIEST:
        raise ConversionError("not_a_time")
    return found


def duration(given: str, unit: str | None) -> int | float:
    """Return a duration in the unit (seconds without one), from ISO 8601 or a number as text."""
    match = ISO_DURATION.fullmatch(given.strip())
    if match is None or not any(match.groups()[1:]):
        return number(given)
    seconds = sum(
        float(part) * length
        for part, length in zip(match.groups()[1:], PARTS, strict=True)
        if part
    )
    in_unit = seconds / SECONDS_OF.get(unit or "s", 1)
    return number(round(-in_unit if match[1] == "-" else in_unit, 3))


def _number_of(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _moment_of(given: object) -> datetime:
    if isinstance(given, datetime):
        found = given
    elif isinstance(given, str) and not given.strip().lstrip("-").isdigit():
        found = datetime.fromisoformat(given.strip())
    else:
        seconds = number(given)
        if abs(seconds) >= MILLISECONDS_FROM:
            seconds /= 1000
        return datetime.fromtimestamp(seconds, UTC)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
