"""The form of one mapped field: from a mapping to its form and back, and what it would give."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
import json
import re
from typing import Any, Final

from homeassistant.components.binary_sensor import BinarySensorDeviceClass
from homeassistant.components.sensor import (
    DEVICE_CLASS_STATE_CLASSES,
    DEVICE_CLASS_UNITS,
    SensorDeviceClass,
    SensorStateClass,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TemplateSelector,
)
import probatio

from .form_fields import TEXT, TEXTS
from .mapping import FieldMapping, MappedPlatform, Outcome, OutcomeKind
from .mapping_files import UNSUPPORTED_CLASSES, naming, read_mapping
from .model import RecentMessage
from .paths import MISSING, MappingError, json_text, lookup, parse_path
from .subentries import is_valid_template
from .suggestions import Suggestion

SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "transformation": ("scale", "offset", "value_map", "template"),
    "guards": ("minimum", "maximum", "never_decreasing", "sentinels"),
    "meaning": (
        "timestamp_path",
        "condition_path",
        "condition_value",
        "makes_sessions",
    ),
}
# A value is shown as long as one can still take it in.
SHOWN: Final = 60
SEPARATOR: Final = "="
VALUE_LINE: Final = re.compile(
    r"""\s* (?: (?P<quoted>"(?:[^"\\]|\\.)*") | (?P<plain>[^\s="](?:[^=]*[^\s=])?) )
    \s* = \s* (?P<new>\S(?:.*\S)?) \s*""",
    re.VERBOSE | re.DOTALL,
)


FLAG: Final = BooleanSelector()
NUMBER: Final = NumberSelector(
    NumberSelectorConfig(mode=NumberSelectorMode.BOX, step="any")
)
PLATFORM: Final = SelectSelector(
    SelectSelectorConfig(options=[*MappedPlatform], translation_key="platform")
)
DEVICE_CLASSES: Final[Mapping[MappedPlatform, frozenset[str]]] = {
    MappedPlatform.SENSOR: frozenset(SensorDeviceClass) - UNSUPPORTED_CLASSES,
    MappedPlatform.BINARY_SENSOR: frozenset(BinarySensorDeviceClass),
}
UNITS: Final = {
    str(unit) for units in DEVICE_CLASS_UNITS.values() for unit in units if unit
}
SELECTORS: Final[Mapping[str, Any]] = {
    "name": TEXT,
    "path": TEXT,
    "platform": PLATFORM,
    "device_class": SelectSelector(
        SelectSelectorConfig(
            options=[
                SelectOptionDict(value=each, label=each.replace("_", " ").capitalize())
                for each in sorted(frozenset().union(*DEVICE_CLASSES.values()))
            ],
            mode=SelectSelectorMode.DROPDOWN,
        )
    ),
    "unit": SelectSelector(
        SelectSelectorConfig(
            options=sorted(UNITS), custom_value=True, mode=SelectSelectorMode.DROPDOWN
        )
    ),
    "state_class": SelectSelector(
        SelectSelectorConfig(
            options=[
                SensorStateClass.MEASUREMENT,
                SensorStateClass.TOTAL,
                SensorStateClass.TOTAL_INCREASING,
            ],
            translation_key="state_class",
            # One of a list of buttons could never be taken back.
            mode=SelectSelectorMode.DROPDOWN,
        )
    ),
    "scale": NUMBER,
    "offset": NUMBER,
    "value_map": TEXTS,
    "template": TemplateSelector(),
    "minimum": NUMBER,
    "maximum": NUMBER,
    "never_decreasing": FLAG,
    "sentinels": TEXTS,
    "timestamp_path": TEXT,
    "condition_path": TEXT,
    "condition_value": TEXT,
    "makes_sessions": FLAG,
}
REQUIRED: Final = ("name", "path", "platform")


def schema(shown: Mapping[str, Any]) -> probatio.Schema:
    """Return the form, filled with the members of a mapping (see `shown_of`)."""
    in_sections = {name for names in SECTIONS.values() for name in names}
    form: dict[probatio.Marker, Any] = {
        _marker(name, shown): selector
        for name, selector in SELECTORS.items()
        if name not in in_sections
    }
    for title, names in SECTIONS.items():
        members = {_marker(name, shown): SELECTORS[name] for name in names}
        is_empty = not any(name in shown for name in names)
        form[probatio.Required(title)] = section(
            probatio.Schema(members), {"collapsed": is_empty}
        )
    return probatio.Schema(form)


def shown_of(mapping: FieldMapping) -> dict[str, Any]:
    """Return the members of a mapping as the form shows them."""
    shown = {"platform": mapping.platform, **mapping.as_dict()}
    if "value_map" in shown:
        shown["value_map"] = value_lines(shown["value_map"])
    return shown


def section_of(error: MappingError) -> tuple[str, str]:
    """Return where the form can show an error, and the key of its text.

    Of what is in a section nothing is shown but at the section itself, so that the text
    has to name it. Errors of no field stand above all.
    """
    for title, names in SECTIONS.items():
        if error.field in names:
            is_path = error.reason == "bad_path"
            return title, f"bad_{error.field}" if is_path else error.reason
    return error.field or "base", error.reason


def value_lines(value_map: Mapping[str, str]) -> list[str]:
    """Return other words for values as the form shows them."""
    return [f"{_quoted(old)}{SEPARATOR}{new}" for old, new in value_map.items()]


def mapping_of(hass: HomeAssistant, key: str, typed: Mapping[str, Any]) -> FieldMapping:
    """Return the mapping of the (flat) fields of the form; raises MappingError."""
    members = {
        each.name: typed[each.name]
        for each in fields(FieldMapping)
        if typed.get(each.name) not in (None, "", [])
    }
    members["value_map"] = _value_map(members.get("value_map", []))
    mapping = read_mapping(key, members)
    _check_classes(mapping)
    if mapping.template and not is_valid_template(hass, mapping.template):
        raise MappingError("bad_template", "template")
    return mapping


def shown_of_suggestion(path: str, suggestion: Suggestion) -> dict[str, Any]:
    """Return what is suggested for a path as the form shows it."""
    shown = {
        "name": suggestion.name,
        "path": path,
        "platform": suggestion.platform,
        "device_class": suggestion.device_class,
        "unit": suggestion.unit,
        "state_class": suggestion.state_class,
        "minimum": suggestion.minimum,
        "maximum": suggestion.maximum,
        "never_decreasing": suggestion.never_decreasing or None,
        "sentinels": list(suggestion.sentinels) or None,
        "value_map": value_lines(dict(suggestion.value_map)) or None,
    }
    return {name: value for name, value in shown.items() if value is not None}


def checked(
    hass: HomeAssistant, mappings: Sequence[FieldMapping], reserved: Collection[str]
) -> list[FieldMapping]:
    """See that Home Assistant takes what a stranger wrote; raises MappingError."""
    for mapping in mappings:
        with naming(mapping.key):
            if mapping.key in reserved:
                raise MappingError("bad_key")
            mapping_of(hass, mapping.key, shown_of(mapping))
    return list(mappings)


def check_sessions(mappings: Iterable[FieldMapping]) -> None:
    """See that one field at most makes sessions; raises MappingError."""
    if sum(mapping.makes_sessions for mapping in mappings) > 1:
        raise MappingError("only_one", "makes_sessions")


def preview_rows(
    mapping: FieldMapping, previews: Iterable[tuple[RecentMessage, Outcome]]
) -> str:
    """Return, as rows of Markdown, what a mapping makes of messages."""
    path = parse_path(mapping.path)
    rows = [
        f"| {_code(lookup(message.content.body, path))} | {_told(outcome, mapping)} |"
        for message, outcome in previews
    ]
    return "\n".join(rows) or "| — | — |"


def _marker(name: str, shown: Mapping[str, Any]) -> probatio.Marker:
    """Suggest what is known: a field that is emptied is left out."""
    kind = probatio.Required if name in REQUIRED else probatio.Optional
    return kind(name, description={"suggested_value": shown.get(name)})


def _value_map(lines: Iterable[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for line in lines:
        match = VALUE_LINE.fullmatch(line)
        if match is None:
            raise MappingError("bad_value_map", "value_map")
        try:
            old = json.loads(match["quoted"]) if match["quoted"] else match["plain"]
        except ValueError as err:
            raise MappingError("bad_value_map", "value_map") from err
        names[old] = match["new"]
    return names


def _quoted(old: str) -> str:
    """Return a value as it stands before the separator; in quotes where that is not plain."""
    match = VALUE_LINE.fullmatch(f"{old}{SEPARATOR}x")
    if match is not None and match["plain"] == old:
        return old
    return json.dumps(old, ensure_ascii=False)


def _check_classes(mapping: FieldMapping) -> None:
    """See that Home Assistant takes the classes and the unit together; raises MappingError."""
    device_class = mapping.device_class
    if device_class and device_class not in DEVICE_CLASSES[mapping.platform]:
        raise MappingError("not_of_platform", "device_class")
    if mapping.platform is MappedPlatform.BINARY_SENSOR:
        for name in ("unit", "state_class"):
            if getattr(mapping, name):
                raise MappingError("not_of_platform", name)
        return
    if device_class:
        _check_sensor_class(mapping, SensorDeviceClass(device_class))


def _check_sensor_class(mapping: FieldMapping, sensor_class: SensorDeviceClass) -> None:
    units = {
        None if unit is None else str(unit)
        for unit in DEVICE_CLASS_UNITS.get(sensor_class, {None})
    }
    # A currency may be any, the others without units have none.
    is_any = sensor_class is SensorDeviceClass.MONETARY
    if (mapping.unit or None) not in units and not is_any:
        raise MappingError("not_of_device_class", "unit")
    states = DEVICE_CLASS_STATE_CLASSES.get(sensor_class)
    if mapping.state_class and states is not None and mapping.state_class not in states:
        raise MappingError("not_of_device_class", "state_class")


def _told(outcome: Outcome, mapping: FieldMapping) -> str:
    match outcome.kind:
        case OutcomeKind.VALUE if isinstance(outcome.value, bool):
            return f"**{'on' if outcome.value else 'off'}**"
        case OutcomeKind.VALUE:
            unit = f" {mapping.unit}" if mapping.unit else ""
            return f"**{_text(outcome.value)}{unit}**"
        case OutcomeKind.REFUSED:
            return f"✗ {str(outcome.reason).replace('_', ' ')}"
        case OutcomeKind.UNKNOWN:
            return "?"
        case _:
            return "—"


def _code(value: object) -> str:
    return "—" if value is MISSING else f"`{_text(value)}`"


def _text(value: object) -> str:
    """Return a value in a line of a table, whatever a stranger put into it."""
    text = json_text(value) if not isinstance(value, bool) else str(value).lower()
    for sign in "|`\n\r<>*_[]":
        text = text.replace(sign, " ")
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
