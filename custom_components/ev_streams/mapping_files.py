"""Mappings as they are stored, exported and imported: what strangers wrote is believed in nothing."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
import json
import math
import re
from typing import Any, Final

from .mapping import FieldMapping, MappedPlatform
from .paths import MappingError, parse_path

FORMAT: Final = "ev_streams mappings"
VERSION: Final = 1
LARGEST_FILE: Final = 256 * 1024
MOST_MAPPINGS: Final = 100

LONGEST_TEXT: Final = 255
LONGEST_NAME: Final = 100
LONGEST_TEMPLATE: Final = 4000
MOST_ENTRIES: Final = 200
SURROGATE: Final = re.compile("[\ud800-\udfff]")
KEY: Final = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
# Home Assistant wants a date for it, which no value of ours is.
UNSUPPORTED_CLASSES: Final = frozenset({"date"})


def read_mapping(key: str, stored: Mapping[str, Any]) -> FieldMapping:
    """Read what `as_dict` returned, or a stranger wrote; raises MappingError."""
    if not KEY.fullmatch(key) or len(key) > LONGEST_NAME:
        raise MappingError("bad_key", "key")
    known = {each.name for each in fields(FieldMapping)} - {"key"}
    for name in stored:
        if name not in known:
            raise MappingError("not_known", str(name)[:LONGEST_NAME])
    members: dict[str, Any] = {
        name: _read(name, value) for name, value in stored.items()
    }
    for name in ("name", "path"):
        if name not in members:
            raise MappingError("missing", name)
    mapping = FieldMapping(key=key, **members)
    _check(mapping)
    return mapping


def export_mappings(mappings: Iterable[FieldMapping]) -> str:
    """Return the mappings as JSON, for others who use the same application."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "fields": {mapping.key: mapping.as_dict() for mapping in mappings},
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def import_mappings(text: str) -> tuple[FieldMapping, ...]:
    """Read what `export_mappings` returned; raises MappingError, also with a field's key."""
    if len(text) > LARGEST_FILE:
        raise MappingError("too_long")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as err:
        raise MappingError("not_json") from err
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise MappingError("other_format")
    if document.get("version") != VERSION:
        raise MappingError("other_version")
    found = document.get("fields")
    if not isinstance(found, dict) or not 0 < len(found) <= MOST_MAPPINGS:
        raise MappingError("no_fields")
    mappings = []
    for key, stored in found.items():
        with naming(key):
            if not isinstance(stored, dict):
                raise MappingError("wrong_type")
            mappings.append(read_mapping(key, stored))
    return tuple(mappings)


@contextmanager
def naming(key: str) -> Iterator[None]:
    """Tell of an error whose field it is: there are many in a file."""
    try:
        yield
    except MappingError as err:
        name = key[:LONGEST_NAME]
        field = name if err.field is None else f"{name}, {err.field}"
        raise MappingError(err.reason, field) from err


def _read(name: str, value: object) -> object:
    """Return one member as the mapping has it; raises MappingError."""
    read = READERS.get(name, _text)
    return read(name, value)


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise MappingError("wrong_type", name)
    return value


def _texts(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MOST_ENTRIES:
        raise MappingError("wrong_type", name)
    return tuple(_text(name, each) for each in value)


def _names(name: str, value: object) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > MOST_ENTRIES:
        raise MappingError("wrong_type", name)
    return {_text(name, old): _text(name, new) for old, new in value.items()}


def _platform(name: str, value: object) -> MappedPlatform:
    if not isinstance(value, str) or value not in set(MappedPlatform):
        raise MappingError("wrong_type", name)
    return MappedPlatform(value)


def _template(name: str, value: object) -> str:
    return _text(name, value, LONGEST_TEMPLATE)


def _finite(name: str, value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            finite = float(value)
        except OverflowError:
            finite = math.inf
        if math.isfinite(finite):
            return finite
    raise MappingError("wrong_type", name)


def _text(name: str, value: object, longest: int = LONGEST_TEXT) -> str:
    if not isinstance(value, str):
        raise MappingError("wrong_type", name)
    if len(value) > longest:
        raise MappingError("too_long", name)
    if SURROGATE.search(value):
        # Half of a sign: Home Assistant could not write its file any more.
        raise MappingError("wrong_type", name)
    return value


def _check(mapping: FieldMapping) -> None:
    """See that the members go together; raises MappingError."""
    if not mapping.name.strip() or len(mapping.name) > LONGEST_NAME:
        raise MappingError("bad_name", "name")
    for name in ("path", "timestamp_path", "condition_path"):
        path: str | None = getattr(mapping, name)
        if path is not None:
            _check_path(name, path)
    if mapping.scale == 0:
        raise MappingError("zero", "scale")
    low, high = mapping.minimum, mapping.maximum
    if low is not None and high is not None and low > high:
        raise MappingError("above_maximum", "minimum")
    if mapping.device_class in UNSUPPORTED_CLASSES:
        raise MappingError("not_supported", "device_class")
    is_binary = mapping.platform is MappedPlatform.BINARY_SENSOR
    if mapping.makes_sessions and not is_binary:
        raise MappingError("needs_binary_sensor", "makes_sessions")
    if (mapping.condition_path is None) is not (mapping.condition_value is None):
        raise MappingError("incomplete", "condition_path")


def _check_path(name: str, path: str) -> None:
    try:
        parse_path(path)
    except MappingError as err:
        raise MappingError(err.reason, name) from err


READERS: Final[Mapping[str, Callable[[str, object], object]]] = {
    "scale": _finite,
    "offset": _finite,
    "minimum": _finite,
    "maximum": _finite,
    "never_decreasing": _flag,
    "makes_sessions": _flag,
    "sentinels": _texts,
    "value_map": _names,
    "platform": _platform,
    "template": _template,
}
