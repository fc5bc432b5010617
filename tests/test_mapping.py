"""A mapping makes of a message what the user wants, and refuses what cannot be."""

from collections.abc import Mapping
from datetime import UTC, datetime
import json
import math
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.ev_streams.mapping import (
    FieldMapping,
    MappedPlatform,
    Outcome,
    OutcomeKind,
    Preset,
    evaluate,
    is_kept_out,
    matching,
    unique_key,
)
from custom_components.ev_streams.model import Value

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
BINARY = MappedPlatform.BINARY_SENSOR


def mapping(path: str = "value", **changes: Any) -> FieldMapping:
    return FieldMapping(**{"key": "x", "name": "X", "path": path, **changes})


def outcome(
    mapped: FieldMapping, content: object, held: Value | None = None
) -> Outcome:
    return evaluate(mapped, content, held=held, arrived_at=NOW)


def value(mapped: FieldMapping, given_: object) -> object:
    """Return the value that a field gets, which has to be one."""
    result = outcome(mapped, {"value": given_})
    assert result.kind is OutcomeKind.VALUE, result
    return result.value


def refusal(mapped: FieldMapping, given_: object, held: Value | None = None) -> object:
    """Return why a field gets no value."""
    result = outcome(mapped, {"value": given_}, held)
    assert result.kind is OutcomeKind.REFUSED, result
    assert result.value is None
    return result.reason


NUMBERS = st.integers(-1000, 1000)


@given(
    given_=NUMBERS,
    scale=st.sampled_from([0.001, 0.5, 1.0, 1000.0]),
    offset=NUMBERS,
    sentinels=st.lists(NUMBERS.map(str), max_size=3).map(tuple),
    low=NUMBERS,
    value_map=st.dictionaries(NUMBERS.map(str), NUMBERS.map(str), max_size=3),
    has_template=st.booleans(),
)
def test_no_guard_keeps_a_value_out_that_it_let_pass(
    given_: int,
    scale: float,
    offset: int,
    sentinels: tuple[str, ...],
    low: int,
    value_map: dict[str, str],
    has_template: bool,
) -> None:
    """It is looked at after each restart as well."""
    mapped = mapping(
        unit="km",
        scale=scale,
        offset=offset,
        sentinels=sentinels,
        minimum=low,
        value_map=value_map,
        template="other" if has_template else None,
    )
    found = evaluate(
        mapped,
        {"value": given_},
        held=None,
        arrived_at=NOW,
        render=lambda _text, variables: -float(str(variables["value"])),
    )
    if found.kind is OutcomeKind.VALUE:
        assert found.value is not None
        assert not is_kept_out(mapped, found.value)


@pytest.mark.parametrize(
    ("changes", "held", "expected"),
    [
        ({"unit": "km", "maximum": 100}, 101.0, True),
        ({"unit": "km", "minimum": 0}, -1.0, True),
        ({"unit": "km", "scale": 2.0, "sentinels": ("510",)}, 1020.0, True),
        ({"sentinels": ("n/a",)}, "n/a", True),
        ({"unit": "km", "sentinels": ("510",)}, 509.0, False),
        # Nobody knows what it was before.
        ({"sentinels": ("0",), "value_map": {"5": "0"}}, "0", False),
        ({"platform": BINARY, "sentinels": ("0",)}, False, False),
    ],
)
def test_a_new_guard_keeps_out_what_it_would_not_have_let_pass(
    changes: dict[str, Any], held: Value, expected: bool
) -> None:
    assert is_kept_out(mapping(**changes), held) is expected


def test_a_field_that_is_not_there_says_nothing_and_null_says_unknown() -> None:
    assert outcome(mapping("a"), {"b": 1}).kind is OutcomeKind.MISSING
    assert outcome(mapping("a"), {"a": None}).kind is OutcomeKind.UNKNOWN


@pytest.mark.parametrize(
    ("changes", "given_", "expected"),
    [
        ({}, "a text", "a text"),
        ({}, 42, "42"),
        ({}, 4.0, "4"),
        ({}, True, "true"),
        ({"unit": "km"}, 42, 42),
        ({"unit": "km"}, "42.5", 42.5),
        ({"state_class": "measurement"}, " 7 ", 7),
        ({"device_class": "battery"}, 55, 55),
        ({"unit": "kWh", "scale": 0.001}, 12_345, 12.345),
        ({"unit": "°C", "scale": 0.1, "offset": -40}, 655, 25.5),
        ({"unit": "km", "scale": 0.1}, 3, 0.3),
    ],
)
def test_a_sensor_gets_a_text_or_a_number(
    changes: dict[str, Any], given_: object, expected: object
) -> None:
    found = value(mapping(**changes), given_)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "given_", [True, "fast", "", "nan", "inf", [1], {"a": 1}, math.inf, math.nan]
)
def test_what_is_no_number_is_refused_where_one_is_needed(given_: object) -> None:
    assert refusal(mapping(unit="km"), given_) == "not_a_number"


def test_numbers_too_large_for_anything_do_no_harm() -> None:
    assert refusal(mapping(unit="km"), 10**400) == "not_a_number"
    assert refusal(mapping(unit="km", scale=1e300), 1e300) == "not_a_number"


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (True, True),
        (False, False),
        (1, True),
        (0, False),
        (-2.5, True),
        ("on", True),
        ("OFF", False),
        ("Yes", True),
        ("no", False),
        ("0", False),
    ],
)
def test_a_binary_sensor_understands_the_usual_words(
    given_: object, expected: bool
) -> None:
    assert value(mapping(platform=BINARY), given_) is expected


def test_other_words_are_mapped_and_unknown_ones_refused() -> None:
    charging = mapping(
        platform=BINARY, value_map={"InProgress": "on", "Finished": "off"}
    )
    assert value(charging, "InProgress") is True
    assert value(charging, "Finished") is False
    assert refusal(charging, "Levitating") == "not_a_boolean"


def test_numbers_and_booleans_can_be_mapped_to_words() -> None:
    status = mapping(value_map={"3": "done", "true": "yes"})
    assert value(status, 3) == "done"
    assert value(status, 3.0) == "done"
    assert value(status, True) == "yes"
    assert value(status, 4) == "4"


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("2026-11-27T10:00:00Z", datetime(2026, 11, 27, 10, tzinfo=UTC)),
        ("2026-11-27T10:00:00+02:00", datetime(2026, 11, 27, 8, tzinfo=UTC)),
        ("2026-11-27T10:00:00", datetime(2026, 11, 27, 10, tzinfo=UTC)),
        (1_764_237_600, datetime(2025, 11, 27, 10, tzinfo=UTC)),
        (1_764_237_600_000, datetime(2025, 11, 27, 10, tzinfo=UTC)),
        ("1764237600", datetime(2025, 11, 27, 10, tzinfo=UTC)),
    ],
)
def test_times_are_understood(given_: object, expected: datetime) -> None:
    assert value(mapping(device_class="timestamp"), given_) == expected


@pytest.mark.parametrize(
    "given_", ["soon", True, 0, -5, "0001-01-01T00:00:00", 1e300, [1], ""]
)
def test_what_is_no_time_is_refused(given_: object) -> None:
    assert refusal(mapping(device_class="timestamp"), given_) == "not_a_time"


@pytest.mark.parametrize(
    ("given_", "unit", "expected"),
    [
        ("PT2H30M", "min", 150),
        ("PT45M", "h", 0.75),
        ("P1DT1H", "h", 25),
        ("PT90S", "s", 90),
        ("PT0S", "min", 0),
        ("90", "min", 90),
        (90, "min", 90),
    ],
)
def test_durations_are_understood(given_: object, unit: str, expected: float) -> None:
    assert value(mapping(device_class="duration", unit=unit), given_) == expected


@pytest.mark.parametrize("given_", ["P", "PT", "P1Y", "later"])
def test_what_is_no_duration_is_refused(given_: str) -> None:
    field = mapping(device_class="duration", unit="min")
    assert refusal(field, given_) == "not_a_number"


def test_values_outside_their_limits_are_refused() -> None:
    level = mapping(unit="%", minimum=0, maximum=100)
    assert value(level, 0) == 0
    assert value(level, 100) == 100
    assert refusal(level, -1) == "below_minimum"
    assert refusal(level, 101) == "above_maximum"


def test_limits_hold_for_the_scaled_value() -> None:
    assert refusal(mapping(unit="%", scale=100, maximum=100), 1.5) == "above_maximum"


def test_what_never_decreases_may_stay_and_rise() -> None:
    odometer = mapping(unit="km", never_decreasing=True)
    assert outcome(odometer, {"value": 100}, held=100).value == 100
    assert outcome(odometer, {"value": 101}, held=100).value == 101
    assert refusal(odometer, 99.9, held=100) == "decreasing"
    # What was known before may be of another kind, after the mapping was changed.
    assert outcome(odometer, {"value": 1}, held="none").value == 1


@pytest.mark.parametrize("given_", [510, 510.0, "510"])
def test_values_that_mean_nothing_are_refused(given_: object) -> None:
    assert refusal(mapping(unit="km", sentinels=("510",)), given_) == "sentinel"


def test_texts_can_mean_nothing_as_well() -> None:
    field = mapping(sentinels=("34:07",))
    assert refusal(field, "34:07") == "sentinel"
    assert value(field, "34:08") == "34:08"


def test_a_time_in_the_content_is_that_of_the_measurement() -> None:
    field = mapping(timestamp_path="at|since")
    content = {"value": "x", "since": "2026-11-27T09:00:00+01:00"}
    assert outcome(field, content).measured_at == datetime(2026, 11, 27, 8, tzinfo=UTC)
    assert outcome(field, {"value": "x"}).measured_at == NOW
    assert outcome(field, {"value": "x", "at": None}).measured_at == NOW
    refused = outcome(field, {"value": "x", "at": "later"})
    assert (refused.kind, refused.reason) == (OutcomeKind.REFUSED, "bad_timestamp")


def test_only_messages_that_meet_the_condition_count() -> None:
    field = mapping(condition_path="type", condition_value="status")
    assert outcome(field, {"type": "status", "value": 1}).kind is OutcomeKind.VALUE
    assert outcome(field, {"type": "other", "value": 1}).kind is OutcomeKind.MISSING
    assert outcome(field, {"value": 1}).kind is OutcomeKind.MISSING


def test_a_template_is_given_value_content_and_more() -> None:
    seen: dict[str, object] = {}

    def render(template: str, variables: Mapping[str, object]) -> object:
        seen.update(variables, template=template)
        return "21"

    found = evaluate(
        mapping(unit="km", template="whatever", scale=2),
        {"value": 5},
        held=None,
        arrived_at=NOW,
        render=render,
        variables={"subtopic": "a/b"},
    )
    assert found.value == 42
    assert seen == {
        "template": "whatever",
        "value": 5,
        "content": {"value": 5},
        "subtopic": "a/b",
    }


def test_a_template_that_fails_costs_its_own_value_only() -> None:
    def render(template: str, variables: Mapping[str, object]) -> object:
        raise ZeroDivisionError

    found = evaluate(
        mapping(template="x"), {"value": 5}, held=None, arrived_at=NOW, render=render
    )
    assert (found.kind, found.reason) == (OutcomeKind.REFUSED, "template_failed")


def test_texts_are_as_long_as_a_state_may_be() -> None:
    assert value(mapping(), "x" * 255) == "x" * 255
    assert refusal(mapping(), "x" * 256) == "text_too_long"


@pytest.mark.parametrize("given_", [[1, 2], {"a": 1}])
def test_a_part_with_parts_of_its_own_is_no_value(given_: object) -> None:
    assert refusal(mapping(), given_) == "not_a_value"


def test_keys_are_made_of_names_and_differ() -> None:
    assert unique_key("Battery level", ()) == "battery_level"
    assert unique_key("Réserve (km)", ()) == "reserve_km"
    assert unique_key("Battery level", {"battery_level"}) == "battery_level_2"
    assert unique_key("電池", {"field"}) == "field_2"


def test_presets_fit_where_what_they_need_is_there() -> None:
    first = Preset(key="first", needs="a.b", mappings=(mapping("a.b"),))
    second = Preset(key="second", needs="c", mappings=(mapping("c"),))
    assert matching([first, second], [{"x": 1}, {"c": None}]) == [second]
    assert matching([first, second], []) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    JSON,
    st.sampled_from(
        [
            mapping(),
            mapping("$", unit="km", scale=1e9, never_decreasing=True),
            mapping("$", platform=BINARY),
            mapping("$", device_class="timestamp"),
            mapping("$", device_class="duration", unit="min", sentinels=("0", "x")),
            mapping("$", timestamp_path="$", value_map={"a": "b"}),
        ],
    ),
)
def test_no_content_makes_it_fail(content: object, field: FieldMapping) -> None:
    for each in (content, {"value": content}):
        found = evaluate(field, each, held=1, arrived_at=NOW)
        assert (found.kind is OutcomeKind.VALUE) is (found.value is not None)
        if isinstance(found.value, float):
            assert math.isfinite(found.value)
        json.dumps(found.value, default=str)
