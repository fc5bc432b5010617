"""Mappings outlive being stored and exported; what strangers wrote is read with care."""

from dataclasses import replace
import json
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.ev_streams.mapping import FieldMapping, MappedPlatform
from custom_components.ev_streams.mapping_files import (
    export_mappings,
    import_mappings,
    read_mapping,
)
from custom_components.ev_streams.paths import MappingError

PLAIN = FieldMapping(key="text", name="Text", path="a.b")
FULL = FieldMapping(
    key="charging_2",
    name="Charging",
    path="a|b[type=x]",
    platform=MappedPlatform.BINARY_SENSOR,
    device_class="battery_charging",
    scale=2.5,
    offset=-1,
    value_map={"InProgress": "on"},
    template="{{ value }}",
    minimum=0,
    maximum=5,
    never_decreasing=True,
    sentinels=("510",),
    timestamp_path="date",
    condition_path="type",
    condition_value="status",
    makes_sessions=True,
)


@pytest.mark.parametrize("mapping", [PLAIN, FULL])
def test_a_stored_mapping_is_the_same_when_it_is_read(mapping: FieldMapping) -> None:
    stored = json.loads(json.dumps(mapping.as_dict()))
    assert read_mapping(mapping.key, stored) == mapping


def test_what_is_as_usual_is_not_stored() -> None:
    assert PLAIN.as_dict() == {"name": "Text", "path": "a.b"}


def test_exported_mappings_can_be_imported() -> None:
    assert import_mappings(export_mappings([PLAIN, FULL])) == (PLAIN, FULL)


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"name": " "}, "name", "bad_name"),
        ({"name": 5}, "name", "wrong_type"),
        ({"path": "a..b"}, "path", "bad_path"),
        ({"timestamp_path": "["}, "timestamp_path", "bad_path"),
        ({"condition_path": "a"}, "condition_path", "incomplete"),
        ({"condition_value": "a"}, "condition_path", "incomplete"),
        ({"scale": 0}, "scale", "zero"),
        ({"scale": True}, "scale", "wrong_type"),
        ({"scale": "2"}, "scale", "wrong_type"),
        ({"minimum": 2, "maximum": 1}, "minimum", "above_maximum"),
        ({"maximum": float("nan")}, "maximum", "wrong_type"),
        ({"maximum": 10**400}, "maximum", "wrong_type"),
        ({"platform": "switch"}, "platform", "wrong_type"),
        ({"platform": None}, "platform", "wrong_type"),
        ({"platform": []}, "platform", "wrong_type"),
        ({"device_class": "date"}, "device_class", "not_supported"),
        ({"makes_sessions": True}, "makes_sessions", "needs_binary_sensor"),
        ({"makes_sessions": 1}, "makes_sessions", "wrong_type"),
        ({"sentinels": "510"}, "sentinels", "wrong_type"),
        ({"sentinels": [510]}, "sentinels", "wrong_type"),
        ({"value_map": ["a"]}, "value_map", "wrong_type"),
        ({"value_map": {"a": 1}}, "value_map", "wrong_type"),
        ({"unit": "x" * 300}, "unit", "too_long"),
        ({"template": "x" * 5000}, "template", "too_long"),
        ({"color": "red"}, "color", "not_known"),
        # Half of a sign, with which no file can be written.
        ({"unit": "\ud800"}, "unit", "wrong_type"),
        ({"value_map": {"\udfff": "a"}}, "value_map", "wrong_type"),
    ],
)
def test_what_makes_no_sense_is_refused_and_named(
    changes: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(MappingError) as caught:
        read_mapping("key", {"name": "Name", "path": "a", **changes})
    assert (caught.value.field, caught.value.reason) == (field, reason)


@pytest.mark.parametrize("missing", ["name", "path"])
def test_name_and_path_are_needed(missing: str) -> None:
    stored = {"name": "Name", "path": "a"}
    del stored[missing]
    with pytest.raises(MappingError) as caught:
        read_mapping("key", stored)
    assert (caught.value.field, caught.value.reason) == (missing, "missing")


@pytest.mark.parametrize("key", ["", "Key", "a__b", "a-b", "_a", "x" * 101])
def test_keys_are_ones_that_an_entity_can_have(key: str) -> None:
    with pytest.raises(MappingError) as caught:
        read_mapping(key, {"name": "Name", "path": "a"})
    assert caught.value.reason == "bad_key"


DOCUMENT: dict[str, Any] = json.loads(export_mappings([PLAIN]))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not_json"),
        ("[" * 100_000, "not_json"),
        ("[]", "other_format"),
        ("{}", "other_format"),
        (json.dumps(DOCUMENT | {"version": 2}), "other_version"),
        (json.dumps(DOCUMENT | {"fields": {}}), "no_fields"),
        (json.dumps(DOCUMENT | {"fields": []}), "no_fields"),
        (json.dumps(DOCUMENT | {"fields": {"a": 1}}), "wrong_type"),
        (" " * 300_000, "too_long"),
        (
            json.dumps(
                DOCUMENT | {"fields": {f"k{n}": PLAIN.as_dict() for n in range(101)}}
            ),
            "no_fields",
        ),
    ],
)
def test_a_text_that_is_no_export_is_refused(text: str, reason: str) -> None:
    with pytest.raises(MappingError) as caught:
        import_mappings(text)
    assert caught.value.reason == reason


@given(
    st.dictionaries(
        st.sampled_from([*FULL.as_dict(), "other"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.lists(st.text())
        | st.dictionaries(st.text(), st.text()),
    )
)
def test_whatever_a_stranger_wrote_is_refused_or_makes_sense(
    stored: dict[str, Any],
) -> None:
    try:
        mapping = read_mapping("key", {"name": "Name", "path": "a"} | stored)
    except MappingError:
        return
    again = read_mapping("key", json.loads(json.dumps(mapping.as_dict())))
    assert replace(again) == mapping
