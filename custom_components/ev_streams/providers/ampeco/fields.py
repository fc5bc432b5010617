"""Single fields of a notification, read tolerantly: what cannot be read is None, never an error.

A notification tells many things at once, and which of its fields a tenant really sends
depends on the tenant's release. One odd field must not cost the others.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
import math
import re

# Home Assistant takes no longer states.
STATE_LENGTH = 255
ID_LENGTH = 64
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Later than this is a placeholder for never, with which nothing can be computed.
NEVER = datetime(9000, 1, 1, tzinfo=UTC)
# Python itself would also take 1_0 and the digits of other scripts.
NUMBER = re.compile(r"[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?|[-+]?[0-9]+\.")
WORD_BEGINS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
BETWEEN_WORDS = re.compile(r"[\W_]+")


def identifier(raw: object) -> str | None:
    """Return an id as text: 77, 77.0 and "77" name the same thing."""
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    if isinstance(raw, bool) or not isinstance(raw, int | str):
        return None
    text = str(raw).strip()
    return text if 0 < len(text) <= ID_LENGTH else None


def number(raw: object) -> float | None:
    """Return a finite number, typed or as text."""
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        return None
    if isinstance(raw, str) and not NUMBER.fullmatch(raw.strip()):
        return None
    value = float(raw)
    return value if math.isfinite(value) else None


def kilo(raw: object) -> float | None:
    """Return what is told in Wh as kWh."""
    value = number(raw)
    return None if value is None else value / 1000


def moment(raw: object) -> datetime | None:
    """Return ISO 8601 as aware UTC, which it is without a zone; None before 1970 and for never."""
    if not isinstance(raw, str):
        return None
    try:
        told = datetime.fromisoformat(raw.strip())
        told = told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)
    except ValueError, OverflowError:
        return None
    return told if EPOCH <= told < NEVER else None


def label(raw: object) -> str | None:
    """Return a text that can be a state; None where it is empty or too long."""
    if not isinstance(raw, str):
        return None
    text = raw.strip()
    return text if 0 < len(text) <= STATE_LENGTH else None


def snake(raw: object) -> str | None:
    """Return a word of the vendor's in snake case: suspendedEV is suspended_ev."""
    text = label(raw)
    if text is None:
        return None
    spaced = WORD_BEGINS.sub("_", text)
    return label(BETWEEN_WORDS.sub("_", spaced).strip("_").lower())


def members(raw: object) -> Mapping[str, object]:
    """Return the members of an object, none for what is no object."""
    return raw if isinstance(raw, dict) else {}


def objects(raw: object) -> list[Mapping[str, object]]:
    """Return the objects in a list, none for what is no list."""
    if not isinstance(raw, list):
        return []
    return [each for each in raw if isinstance(each, dict)]
