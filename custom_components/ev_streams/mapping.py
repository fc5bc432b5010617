"""Fields that no table knows: from the content of a message to a value, as the user maps it.

Nothing here belongs to one provider. Names of device classes, units and state classes
are Home Assistant's; times are aware UTC.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
import json
import math
import re
from typing import Any, Final
import unicodedata

from .conversion import ConversionError, boolean, duration, moment, number
from .model import Value
from .numbering import numbered
from .paths import MISSING, json_text, lookup, parse_path

LONGEST_TEXT: Final = 255
# As many digits as anything has that a car measures; more is noise of the arithmetic.
DIGITS: Final = 6

TIMESTAMP: Final = "timestamp"
DURATION: Final = "duration"
ENUM: Final = "enum"

# What may change while a value goes on meaning the same; guards are looked at apart.
WITHOUT_MEANING: Final = frozenset(
    {
        "name",
        "minimum",
        "maximum",
        "never_decreasing",
        "sentinels",
        "timestamp_path",
        "makes_sessions",
    }
)
# Why a value is left out of which the user said that it means nothing.
SENTINEL: Final = "sentinel"
# No key of a table has it.
OF_MAPPING: Final = "~"

type Render = Callable[[str, Mapping[str, object]], object]


class MappedPlatform(StrEnum):
    """What a field becomes."""

    SENSOR = "sensor"
    BINARY_SENSOR = "binary_sensor"


class OutcomeKind(StrEnum):
    """What became of a field of one message."""

    MISSING = "missing"
    UNKNOWN = "unknown"
    VALUE = "value"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A value with the time at which it was measured, or the reason why there is none."""

    kind: OutcomeKind
    measured_at: datetime
    value: Value | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMapping:
    """What the user wants of one field.

    The value at `path` counts where that at `condition_path` says `condition_value`.
    `sentinels` are values that mean nothing, `value_map` gives other names to some,
    `template` makes another value of it, and `scale` and `offset` another number. What
    lies outside `minimum` and `maximum` is refused, and what is lower than before if
    the field is `never_decreasing`. `timestamp_path` says when it was measured;
    `makes_sessions` that the device charges while it is on.
    """

    key: str
    name: str
    path: str
    platform: MappedPlatform = MappedPlatform.SENSOR
    device_class: str | None = None
    unit: str | None = None
    state_class: str | None = None
    scale: float = 1.0
    offset: float = 0.0
    value_map: Mapping[str, str] = field(default_factory=dict)
    template: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    never_decreasing: bool = False
    sentinels: tuple[str, ...] = ()
    timestamp_path: str | None = None
    condition_path: str | None = None
    condition_value: str | None = None
    makes_sessions: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return what is to be stored under the key; what is as usual is left out."""
        usual = FieldMapping(key=self.key, name="", path="")
        stored: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name in {"name", "path"} or (
                each.name != "key" and value != getattr(usual, each.name)
            ):
                stored[each.name] = _plain(value)
        return stored


def evaluate(
    mapping: FieldMapping,
    content: object,
    *,
    held: Value | None,
    arrived_at: datetime,
    render: Render | None = None,
    variables: Mapping[str, object] | None = None,
) -> Outcome:
    """Return what a message says of a field; `held` is the value that is known so far.

    A field that is not there says nothing, null says that the value is not known, and
    so does a template that gives none. Of a field that never decreases they say nothing:
    what it was is needed to know what it cannot be.
    """
    measured_at = arrived_at
    try:
        if not _applies(mapping, content):
            return Outcome(kind=OutcomeKind.MISSING, measured_at=arrived_at)
        raw = lookup(content, parse_path(mapping.path))
        if raw is MISSING:
            return Outcome(kind=OutcomeKind.MISSING, measured_at=arrived_at)
        measured_at = _measured_at(mapping, content, arrived_at)
        if raw is None:
            return _unknown(mapping, measured_at)
        _refuse_sentinel(mapping, raw)
        given = _transformed(mapping, raw, content, render, variables or {})
        if given is None:
            return _unknown(mapping, measured_at)
        value = _guarded(mapping, _converted(mapping, given), held)
    except ConversionError as err:
        return Outcome(
            kind=OutcomeKind.REFUSED, measured_at=measured_at, reason=err.reason
        )
    return Outcome(kind=OutcomeKind.VALUE, measured_at=measured_at, value=value)


def _unknown(mapping: FieldMapping, measured_at: datetime) -> Outcome:
    kind = OutcomeKind.MISSING if mapping.never_decreasing else OutcomeKind.UNKNOWN
    return Outcome(kind=kind, measured_at=measured_at)


def reading_key(mapping: FieldMapping) -> str:
    """Return under which key the readings of a field are held.

    It changes with all that decides what a value means, so that none is ever taken for
    one of the field that it was before.
    """
    members = {
        name: value
        for name, value in mapping.as_dict().items()
        if name not in WITHOUT_MEANING
    }
    if mapping.platform is MappedPlatform.BINARY_SENSOR:
        # On is on, whatever it is shown as.
        members.pop("device_class", None)
    digest = sha256(json.dumps(members, sort_keys=True).encode()).hexdigest()
    return f"{mapping.key}{OF_MAPPING}{digest[:8]}"


def is_kept_out(mapping: FieldMapping, value: Value) -> bool:
    """Whether the guards would not let a value pass that was taken before they were set."""
    try:
        _guarded(mapping, value, None)
    except ConversionError:
        return True
    if isinstance(value, bool) or mapping.value_map or mapping.template:
        # Another value may have become the same: it cannot be told any more.
        return False
    for sentinel in mapping.sentinels:
        with suppress(ConversionError):
            if _converted(mapping, sentinel) == value:
                return True
    return False


def unique_key(name: str, taken: Collection[str]) -> str:
    """Make a key of a name, other than those that are taken."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")[:50].strip("_")
    return numbered(words or "field", taken, "_")


def _plain(value: object) -> object:
    """Return what JSON can say."""
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value


def _applies(mapping: FieldMapping, content: object) -> bool:
    if mapping.condition_path is None:
        return True
    found = lookup(content, parse_path(mapping.condition_path))
    return found is not MISSING and json_text(found) == mapping.condition_value


def _measured_at(
    mapping: FieldMapping, content: object, arrived_at: datetime
) -> datetime:
    if mapping.timestamp_path is None:
        return arrived_at
    found = lookup(content, parse_path(mapping.timestamp_path))
    if found is MISSING or found is None:
        return arrived_at
    try:
        return moment(found)
    except ConversionError as err:
        raise ConversionError("bad_timestamp") from err


def _refuse_sentinel(mapping: FieldMapping, raw: object) -> None:
    """Raise for a value that means nothing, however its number is written."""
    for sentinel in mapping.sentinels:
        if json_text(raw) == sentinel:
            raise ConversionError(SENTINEL)
        try:
            is_same = number(raw) == number(sentinel)
        except ConversionError:
            continue
        if is_same:
            raise ConversionError(SENTINEL)


def _transformed(
    mapping: FieldMapping,
    raw: object,
    content: object,
    render: Render | None,
    variables: Mapping[str, object],
) -> object:
    """Return the value under its new name, and what the template makes of it."""
    if mapping.value_map:
        raw = mapping.value_map.get(json_text(raw), raw)
    if not mapping.template:
        return raw
    if render is None:
        raise ConversionError("template_failed")
    try:
        return render(mapping.template, {**variables, "value": raw, "content": content})
    except Exception as err:
        # A template may do anything at all, and fail in any way.
        raise ConversionError("template_failed") from err


def _converted(mapping: FieldMapping, given: object) -> Value:
    """Return the value as the entity needs it; raises ConversionError."""
    if mapping.platform is MappedPlatform.BINARY_SENSOR:
        return boolean(given)
    if mapping.device_class == TIMESTAMP:
        return moment(given)
    if mapping.device_class == DURATION and isinstance(given, str):
        return _scaled(mapping, duration(given, mapping.unit))
    is_numeric = mapping.device_class not in {None, ENUM}
    if is_numeric or mapping.unit or mapping.state_class:
        return _scaled(mapping, number(given))
    if isinstance(given, dict | list):
        raise ConversionError("not_a_value")
    text = json_text(given)
    if len(text) > LONGEST_TEXT:
        raise ConversionError("text_too_long")
    return text


def _scaled(mapping: FieldMapping, value: float) -> float:
    if mapping.scale == 1 and mapping.offset == 0:
        return value
    scaled = round(value * mapping.scale + mapping.offset, DIGITS)
    if not math.isfinite(scaled):
        raise ConversionError("not_a_number")
    return scaled


def _guarded(mapping: FieldMapping, value: Value, held: Value | None) -> Value:
    """Return a number that may be; raises ConversionError for one that may not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if mapping.minimum is not None and value < mapping.minimum:
        raise ConversionError("below_minimum")
    if mapping.maximum is not None and value > mapping.maximum:
        raise ConversionError("above_maximum")
    if (
        mapping.never_decreasing
        and isinstance(held, int | float)
        and not isinstance(held, bool)
        and value < held
    ):
        raise ConversionError("decreasing")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Mappings that go together; they fit a message in which something lies at `needs`."""

    key: str
    needs: str
    mappings: tuple[FieldMapping, ...]


def matching(presets: Iterable[Preset], contents: Iterable[object]) -> list[Preset]:
    """Return the presets that fit one of the contents."""
    seen = list(contents)
    return [
        preset
        for preset in presets
        if any(lookup(each, parse_path(preset.needs)) is not MISSING for each in seen)
    ]


def with_preset(
    mappings: Iterable[FieldMapping], preset: Preset, reserved: Collection[str]
) -> list[FieldMapping]:
    """Add what a preset has of its own; one field makes sessions, not two."""
    both = list(mappings)
    for mapping in preset.mappings:
        if any(
            each.path == mapping.path and each.platform is mapping.platform
            for each in both
        ):
            continue
        taken = {*reserved, *(each.key for each in both)}
        has_sessions = any(each.makes_sessions for each in both)
        both.append(
            replace(
                mapping,
                key=unique_key(mapping.key, taken),
                makes_sessions=mapping.makes_sessions and not has_sessions,
            )
        )
    return both
