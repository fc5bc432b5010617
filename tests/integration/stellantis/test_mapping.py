"""What a car says becomes sensors as the user maps it, field by field or by a preset."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
import json
from typing import Any

from homeassistant.config_entries import SubentryFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
import pytest

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry

from ..helpers import (
    phases,
    record_session_events,
    state,
    wait_for_number,
    wait_for_state,
    wait_until,
)
from .helpers import VIN, Partner, add_partner, add_vehicle, change_vehicle, reloaded

CONTENT = {
    "type": "action",
    "params": {"arg1": 42, "arg2": "a string", "batteryTemp": 18.5, "plugged": True},
}


async def add_sensor(
    hass: HomeAssistant,
    entry: EvStreamsConfigEntry,
    path: str,
    **members: Any,
) -> SubentryFlowResult:
    """Pick a path, fill in the form, look at the preview and save."""
    return await change_vehicle(
        hass,
        entry,
        "add_field",
        {"path": path},
        field_form(path=path, **members),
        "save_field",
    )


async def change_sensor(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, key: str, **members: Any
) -> None:
    """Fill in the form of a field anew, and save."""
    await change_vehicle(
        hass,
        entry,
        "edit_field",
        {"field": key},
        field_form(**members),
        "save_field",
    )


def field_form(**members: Any) -> dict[str, Any]:
    """Return the form of a field, its members in their sections."""
    sections = {
        "transformation": ("scale", "offset", "value_map", "template"),
        "guards": ("minimum", "maximum", "never_decreasing", "sentinels"),
        "meaning": (
            "timestamp_path",
            "condition_path",
            "condition_value",
            "makes_sessions",
        ),
    }
    inner = {name for names in sections.values() for name in names}
    form: dict[str, Any] = {"name": "Field", "platform": "sensor"}
    form |= {name: value for name, value in members.items() if name not in inner}
    for section, names in sections.items():
        form[section] = {name: members[name] for name in names if name in members}
    return form


@pytest.fixture
async def entry(hass: HomeAssistant, partner: Partner) -> EvStreamsConfigEntry:
    """Add an account with a vehicle that has said something."""
    entry = await add_partner(hass, partner)
    await add_vehicle(hass, entry)
    await partner.say(CONTENT)
    await wait_for_state(hass, VIN, "message_count", "1")
    return entry


def suggested(form: SubentryFlowResult) -> dict[str, Any]:
    """Return what a form suggests, by field, sections included."""
    found: dict[str, Any] = {}
    assert form["data_schema"] is not None
    for marker, selector in form["data_schema"].schema.items():
        if hasattr(selector, "schema") and hasattr(selector, "options"):
            members: Mapping[Any, Any] = selector.schema.schema
        else:
            members = {marker: selector}
        for member in members:
            description = member.description or {}
            if description.get("suggested_value") is not None:
                found[str(member)] = description["suggested_value"]
    return found


async def test_paths_of_the_newest_messages_are_offered_with_their_values(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    await partner.say({"params": {"arg1": 43}, "new": None})
    await wait_until(lambda: len(entry.runtime_data.traffic.recent(VIN)) == 2, "both")
    form = await change_vehicle(hass, entry, "add_field")
    assert form["description_placeholders"] == {"messages": "2"}
    assert form["data_schema"] is not None
    (selector,) = form["data_schema"].schema.values()
    assert [each["label"] for each in selector.config["options"]] == [
        "params.arg1 = 43",
        "new = null",
        "type = action",
        "params.arg2 = a string",
        "params.batteryTemp = 18.5",
        "params.plugged = true",
    ]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "params.batteryTemp",
            {
                "name": "Battery temp",
                "path": "params.batteryTemp",
                "platform": "sensor",
                "device_class": "temperature",
                "unit": "°C",
                "state_class": "measurement",
            },
        ),
        (
            "params.plugged",
            {
                "name": "Plugged",
                "path": "params.plugged",
                "platform": "binary_sensor",
                "device_class": "plug",
            },
        ),
        (
            "params.typed",
            {"name": "Typed", "path": "params.typed", "platform": "sensor"},
        ),
    ],
)
async def test_a_field_is_suggested_as_what_it_probably_is(
    hass: HomeAssistant,
    entry: EvStreamsConfigEntry,
    path: str,
    expected: dict[str, Any],
) -> None:
    form = await change_vehicle(hass, entry, "add_field", {"path": path})
    assert form["step_id"] == "field"
    assert suggested(form) == expected


async def test_a_mapped_field_becomes_a_sensor(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    result = await add_sensor(
        hass,
        entry,
        "params.arg1",
        name="Cabin temperature",
        device_class="temperature",
        unit="°C",
        state_class="measurement",
        scale=0.5,
        offset=1,
    )
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reconfigure_successful"
    shown = state(hass, VIN, "cabin_temperature")
    assert shown.name == "Family car Cabin temperature"
    # The kept message told it already.
    assert float(shown.state) == 22
    assert shown.attributes["unit_of_measurement"] == "°C"
    # A message without it changes nothing, null says that it is not known.
    await partner.say({"other": 1})
    await partner.say({"params": {"arg1": 44}})
    await wait_for_number(hass, VIN, "cabin_temperature", 23)
    await partner.say({"params": {"arg1": None}})
    await wait_for_state(hass, VIN, "cabin_temperature", "unknown")


async def test_a_mapped_yes_or_no_becomes_a_binary_sensor(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    await add_sensor(
        hass,
        entry,
        "params.arg2",
        name="Asleep",
        platform="binary_sensor",
        value_map=["a string=on", "another=off"],
    )
    await partner.say(CONTENT)
    await wait_for_state(hass, VIN, "asleep", "on")
    await partner.say({"params": {"arg2": "another"}})
    await wait_for_state(hass, VIN, "asleep", "off")
    await partner.say({"params": {"arg2": None}})
    await wait_for_state(hass, VIN, "asleep", "unknown")


async def test_a_field_of_words_shows_whatever_comes(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    """Home Assistant refuses words that it was not told of before."""
    await add_sensor(hass, entry, "mode", name="Mode", device_class="enum")
    for mode, shown in (("eco", "eco"), ("sport", "sport"), (None, "unknown")):
        await partner.say({"mode": mode})
        await wait_for_state(hass, VIN, "mode", shown)
    assert state(hass, VIN, "mode").attributes["options"] == ["eco", "sport"]


async def test_a_template_may_do_what_nothing_else_can(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    await add_sensor(
        hass,
        entry,
        "params.arg1",
        name="Sum",
        state_class="measurement",
        template="{{ value + content.params.batteryTemp + (subtopic | length) }}",
    )
    await partner.say(CONTENT, subtopic="abc")
    await wait_for_number(hass, VIN, "sum", 63.5)


async def test_the_preview_shows_what_the_kept_messages_would_have_given(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    for value in (50, 40, 510, "x|y"):
        await partner.say({"params": {"arg1": value}})
    traffic = entry.runtime_data.traffic
    await wait_until(lambda: len(traffic.recent(VIN)) == 5, "all")
    preview = await change_vehicle(
        hass,
        entry,
        "add_field",
        {"path": "params.arg1"},
        field_form(
            path="params.arg1",
            name="Level",
            unit="km",
            never_decreasing=True,
            sentinels=["510"],
        ),
    )
    assert preview["type"] is FlowResultType.MENU
    assert preview["step_id"] == "preview"
    placeholders = preview["description_placeholders"]
    assert placeholders is not None
    assert placeholders["name"] == "Level"
    assert placeholders["rows"].splitlines() == [
        "| `42` | **42 km** |",
        "| `50` | **50 km** |",
        "| `40` | ✗ decreasing |",
        "| `510` | ✗ sentinel |",
        "| `x y` | ✗ not a number |",
    ]
    # Nothing is saved before it is saved.
    (subentry,) = entry.subentries.values()
    assert subentry.data["mappings"] == {}


async def test_guards_keep_nonsense_out_and_say_so_once(
    hass: HomeAssistant,
    entry: EvStreamsConfigEntry,
    partner: Partner,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await add_sensor(
        hass,
        entry,
        "level",
        name="Level",
        unit="%",
        device_class="battery",
        minimum=0,
        maximum=100,
    )
    for level in (50, 12_345, -1, 12_346, 51):
        await partner.say({"level": level})
    await wait_for_number(hass, VIN, "level", 51)
    assert entry.runtime_data.traffic.refused == {
        ("level", "above_maximum"): 2,
        ("level", "below_minimum"): 1,
    }
    told = [each for each in caplog.messages if "is left out" in each]
    assert len(told) == 2
    assert "12345" not in caplog.text


async def test_the_newest_measurement_wins_and_outlasts_a_restart(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    await add_sensor(hass, entry, "level", name="Level", unit="%", timestamp_path="at")
    now = datetime.now(UTC)
    for level, age in ((60, 10), (55, 20), (61, 5), (58, 7)):
        at = (now - timedelta(minutes=age)).isoformat()
        await partner.say({"level": level, "at": at})
    await wait_until(
        lambda: len(entry.runtime_data.traffic.recent(VIN)) == 5, "all messages"
    )
    await wait_for_state(hass, VIN, "level", "61")
    await hass.config_entries.async_reload(entry.entry_id)
    await reloaded(hass, entry)
    assert state(hass, VIN, "level").state == "61"
    # And what was said is still there to map more of it.
    assert len(entry.runtime_data.traffic.recent(VIN)) == 5


async def test_only_messages_that_meet_a_condition_count(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    await add_sensor(
        hass,
        entry,
        "n",
        name="Number",
        state_class="measurement",
        condition_path="type",
        condition_value="count",
    )
    await partner.say({"type": "count", "n": 1})
    await partner.say({"type": "other", "n": 2})
    await partner.say({"type": "count", "n": 3})
    await wait_for_number(hass, VIN, "number", 3)


@pytest.mark.parametrize(
    ("members", "errors"),
    [
        ({"path": "a..b"}, {"path": "bad_path"}),
        ({"name": "x" * 200}, {"name": "bad_name"}),
        ({"device_class": "plug"}, {"device_class": "not_of_platform"}),
        (
            {"platform": "binary_sensor", "unit": "km"},
            {"unit": "not_of_platform"},
        ),
        (
            {"device_class": "battery", "unit": "km"},
            {"unit": "not_of_device_class"},
        ),
        ({"device_class": "battery"}, {"unit": "not_of_device_class"}),
        (
            {"device_class": "timestamp", "unit": "s"},
            {"unit": "not_of_device_class"},
        ),
        (
            {"device_class": "temperature", "unit": "°C", "state_class": "total"},
            {"state_class": "not_of_device_class"},
        ),
        # Of what lies in a section the frontend shows nothing but at the section.
        ({"value_map": ["nonsense"]}, {"transformation": "bad_value_map"}),
        ({"value_map": ['"broken\\q"=x']}, {"transformation": "bad_value_map"}),
        ({"scale": 0}, {"transformation": "zero"}),
        ({"minimum": 2, "maximum": 1}, {"guards": "above_maximum"}),
        ({"makes_sessions": True}, {"meaning": "needs_binary_sensor"}),
        ({"condition_path": "a"}, {"meaning": "incomplete"}),
        (
            {"condition_path": "a..b", "condition_value": "c"},
            {"meaning": "bad_condition_path"},
        ),
        ({"timestamp_path": "a..b"}, {"meaning": "bad_timestamp_path"}),
    ],
)
async def test_what_makes_no_sense_is_told_where_it_is_seen(
    hass: HomeAssistant,
    entry: EvStreamsConfigEntry,
    members: dict[str, Any],
    errors: dict[str, str],
) -> None:
    form = await change_vehicle(
        hass,
        entry,
        "add_field",
        {"path": "level"},
        field_form(**({"path": "level"} | members)),
    )
    assert form["step_id"] == "field"
    assert form["errors"] == errors
    assert form["data_schema"] is not None
    for place in {"transformation", "guards", "meaning"} & errors.keys():
        assert form["data_schema"].schema[place].options == {"collapsed": False}
    # What was typed is still there.
    typed = suggested(form)
    assert {name: typed[name] for name in members} == members
    flow = hass.config_entries.subentries
    result = await flow.async_configure(form["flow_id"], field_form(path="level"))
    assert result["step_id"] == "preview"


async def test_a_typed_path_is_looked_at_before_the_form(
    hass: HomeAssistant, entry: EvStreamsConfigEntry
) -> None:
    form = await change_vehicle(hass, entry, "add_field", {"path": "a..b"})
    assert form["step_id"] == "add_field"
    assert form["errors"] == {"path": "bad_path"}
    assert suggested(form) == {"path": "a..b"}


async def test_removing_nothing_leads_back_to_the_menu(
    hass: HomeAssistant, entry: EvStreamsConfigEntry
) -> None:
    await add_sensor(hass, entry, "a", name="First")
    menu = await change_vehicle(hass, entry, "remove_fields", {"fields": []})
    assert menu["step_id"] == "reconfigure"


async def test_a_preview_of_yes_or_no_says_on_or_off(
    hass: HomeAssistant, entry: EvStreamsConfigEntry
) -> None:
    preview = await change_vehicle(
        hass,
        entry,
        "add_field",
        {"path": "params.plugged"},
        field_form(path="params.plugged", name="Plugged", platform="binary_sensor"),
    )
    placeholders = preview["description_placeholders"]
    assert placeholders is not None
    assert placeholders["rows"] == "| `true` | **on** |"


async def test_a_sensor_can_be_changed_and_keeps_its_identity(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    await add_sensor(hass, entry, "level", name="Level", unit="%")
    await partner.say({"level": 50})
    await wait_for_number(hass, VIN, "level", 50)
    form = await change_vehicle(hass, entry, "edit_field", {"field": "level"})
    assert suggested(form) == {
        "name": "Level",
        "path": "level",
        "platform": "sensor",
        "unit": "%",
    }
    await change_sensor(hass, entry, "level", name="Charge", path="soc", unit="%")
    # What was another field's value is not shown as one of this.
    assert state(hass, VIN, "level").state == "unknown"
    assert state(hass, VIN, "level").name == "Family car Charge"
    await partner.say({"soc": 51})
    await wait_for_number(hass, VIN, "level", 51)


async def test_a_removed_sensor_is_gone_with_its_entity(
    hass: HomeAssistant, entry: EvStreamsConfigEntry
) -> None:
    await add_sensor(hass, entry, "a", name="First")
    await add_sensor(hass, entry, "b", name="Second")
    await change_vehicle(hass, entry, "remove_fields", {"fields": ["first"]})
    registry = er.async_get(hass)
    assert registry.async_get_entity_id("sensor", DOMAIN, f"{VIN}_first") is None
    assert state(hass, VIN, "second") is not None


async def test_a_sensor_that_becomes_a_binary_one_is_not_left_behind(
    hass: HomeAssistant, entry: EvStreamsConfigEntry
) -> None:
    await add_sensor(hass, entry, "a", name="Flag")
    await change_sensor(
        hass, entry, "flag", name="Flag", path="a", platform="binary_sensor"
    )
    registry = er.async_get(hass)
    assert registry.async_get_entity_id("sensor", DOMAIN, f"{VIN}_flag") is None
    assert state(hass, VIN, "flag").entity_id.startswith("binary_sensor.")


async def test_names_that_are_taken_lead_to_other_keys(
    hass: HomeAssistant, entry: EvStreamsConfigEntry
) -> None:
    for path in ("a", "b"):
        await add_sensor(hass, entry, path, name="Last message")
    (subentry,) = entry.subentries.values()
    assert list(subentry.data["mappings"]) == ["last_message_2", "last_message_3"]


async def test_mappings_can_be_exported_and_imported_elsewhere(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    await add_sensor(hass, entry, "level", name="Level", unit="%", maximum=100)
    form = await change_vehicle(hass, entry, "export")
    text = suggested(form)["text"]
    assert VIN not in text
    assert json.loads(text)["fields"] == {
        "level": {"name": "Level", "path": "level", "unit": "%", "maximum": 100}
    }
    menu = await hass.config_entries.subentries.async_configure(
        form["flow_id"], {"text": text}
    )
    assert menu["step_id"] == "reconfigure"

    await add_vehicle(hass, entry, "VR3UHZKXZPT000002", "Second car")
    await change_vehicle(
        hass,
        entry,
        "import",
        {"text": text, "replace": False},
        vin="VR3UHZKXZPT000002",
    )
    await partner.say({"level": 77}, vin="VR3UHZKXZPT000002")
    await wait_for_number(hass, "VR3UHZKXZPT000002", "level", 77)


@pytest.mark.parametrize("replace", [True, False])
async def test_an_import_adds_or_replaces(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, replace: bool
) -> None:
    await add_sensor(hass, entry, "a", name="First")
    text = json.dumps(
        {
            "format": "ev_streams mappings",
            "version": 1,
            "fields": {"second": {"name": "Second", "path": "b"}},
        }
    )
    await change_vehicle(hass, entry, "import", {"text": text, "replace": replace})
    registry = er.async_get(hass)
    found = registry.async_get_entity_id("sensor", DOMAIN, f"{VIN}_first")
    assert (found is None) is replace
    assert state(hass, VIN, "second") is not None


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"a": {"name": "A", "path": "x..y"}}, "a, path: bad path"),
        ({"charging_session": {"name": "A", "path": "x"}}, "charging session: bad key"),
        (
            {"a": {"name": "A", "path": "x", "device_class": "battery", "unit": "km"}},
            "a, unit: not of device class",
        ),
        (
            {"a": {"name": "A", "path": "x", "template": "{{ value"}},
            "a, template: bad template",
        ),
        (
            {
                key: {
                    "name": "A",
                    "path": "x",
                    "platform": "binary_sensor",
                    "makes_sessions": True,
                }
                for key in ("a", "b")
            },
            "makes sessions: only one",
        ),
    ],
)
async def test_an_import_of_nonsense_is_told_and_changes_nothing(
    hass: HomeAssistant,
    entry: EvStreamsConfigEntry,
    fields: dict[str, Any],
    detail: str,
) -> None:
    text = json.dumps({"format": "ev_streams mappings", "version": 1, "fields": fields})
    form = await change_vehicle(hass, entry, "import", {"text": text, "replace": False})
    assert form["errors"] == {"text": "bad_mappings"}
    assert detail in (form["description_placeholders"] or {})["detail"]
    (subentry,) = entry.subentries.values()
    assert subentry.data["mappings"] == {}


async def test_the_vehicle_can_be_renamed(
    hass: HomeAssistant, entry: EvStreamsConfigEntry
) -> None:
    await change_vehicle(hass, entry, "rename", {"name": "Old lady"})
    assert state(hass, VIN, "message_count").name == "Old lady Messages"


def status(level: float, charging: str, at: datetime) -> dict[str, Any]:
    return {
        "energies": [
            {
                "type": "Electric",
                "level": level,
                "autonomy": 200,
                "createdAt": at.isoformat(),
                "extension": {
                    "electric": {"charging": {"plugged": True, "status": charging}}
                },
            }
        ],
        "odometer": {"mileage": 1000.5},
    }


async def test_a_preset_makes_everything_in_one_click_sessions_too(
    hass: HomeAssistant, partner: Partner
) -> None:
    """A vehicle that has sent a known status is offered the preset when it is added."""
    entry = await add_partner(hass, partner)
    now = datetime.now(UTC)
    await partner.say(status(50, "Stopped", now - timedelta(seconds=30)))
    traffic = entry.runtime_data.traffic
    await wait_until(lambda: traffic.strangers() == [VIN], "a stranger")
    await add_vehicle(hass, entry, presets=["v4_status"])
    # What it said as a stranger is not lost.
    assert state(hass, VIN, "battery_level").state == "50"
    assert state(hass, VIN, "message_count").state == "1"
    assert state(hass, VIN, "last_message").state != "unknown"
    events = record_session_events(hass, VIN)
    start, stop = now - timedelta(seconds=20), now - timedelta(seconds=5)
    for content in (
        status(50, "InProgress", start),
        status(51, "InProgress", now - timedelta(seconds=10)),
        status(52, "Finished", stop),
    ):
        await partner.say(content)
    await wait_for_number(hass, VIN, "battery_level", 52)
    assert state(hass, VIN, "charging_status").state == "Finished"
    assert state(hass, VIN, "charging").state == "off"
    assert state(hass, VIN, "plugged").state == "on"
    await wait_for_number(hass, VIN, "odometer", 1000.5)
    await wait_until(lambda: len(events) == 2, "start and stop")
    (_, session_id), (_, same) = phases(events)
    assert session_id == same
    assert [each["event_type"] for each in events] == ["started", "stopped"]
    assert datetime.fromisoformat(events[1]["started_at"]) == start
    assert datetime.fromisoformat(events[1]["stopped_at"]) == stop
    assert events[1]["duration"] == 15
    assert events[1]["energy"] is None
    assert not events[1]["replayed"]


async def test_a_running_session_outlasts_a_restart(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(hass, partner)
    now = datetime.now(UTC)
    await partner.say(status(50, "Stopped", now - timedelta(seconds=30)))
    traffic = entry.runtime_data.traffic
    await wait_until(lambda: traffic.strangers() == [VIN], "a stranger")
    await add_vehicle(hass, entry, presets=["v4_status"])
    events = record_session_events(hass, VIN)
    await partner.say(status(50, "InProgress", now - timedelta(seconds=20)))
    await wait_until(lambda: len(events) == 1, "the start")
    await hass.config_entries.async_reload(entry.entry_id)
    await reloaded(hass, entry)
    await partner.say(status(51, "InProgress", now - timedelta(seconds=15)))
    await partner.say(status(52, "Finished", now - timedelta(seconds=5)))
    await wait_until(lambda: len(events) == 2, "the stop")
    assert [each["event_type"] for each in events] == ["started", "stopped"]
    assert len({each["session_id"] for each in events}) == 1


async def test_presets_can_be_used_later_and_do_not_double_anything(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(hass, partner)
    await add_vehicle(hass, entry)
    await partner.say(status(50, "Stopped", datetime.now(UTC)))
    await wait_for_state(hass, VIN, "message_count", "1")
    await change_vehicle(hass, entry, "presets", {"presets": ["v4_status"]})
    (subentry,) = entry.subentries.values()
    assert len(subentry.data["mappings"]) == 8
    menu = await change_vehicle(hass, entry)
    assert "presets" not in menu["menu_options"]


async def test_a_vehicle_without_charging_has_no_sessions(
    hass: HomeAssistant, entry: EvStreamsConfigEntry
) -> None:
    for key in ("charging_session", "charging_session_energy", "upload_latency"):
        with pytest.raises(AssertionError, match="no entity"):
            state(hass, VIN, key)


async def test_a_device_belongs_to_the_subentry_that_brought_it(
    hass: HomeAssistant, entry: EvStreamsConfigEntry
) -> None:
    await add_sensor(hass, entry, "a", name="First")
    (subentry,) = entry.subentries.values()
    registry = er.async_get(hass)
    of_vehicle = [
        each
        for each in er.async_entries_for_config_entry(registry, entry.entry_id)
        if each.unique_id.startswith(VIN)
    ]
    assert {each.unique_id.removeprefix(f"{VIN}_") for each in of_vehicle} == {
        "last_message",
        "message_count",
        "message",
        "first",
    }
    assert {each.config_subentry_id for each in of_vehicle} == {subentry.subentry_id}


async def test_a_template_that_fails_costs_its_own_value_only(
    hass: HomeAssistant,
    entry: EvStreamsConfigEntry,
    partner: Partner,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await add_sensor(
        hass, entry, "a", name="Broken", template="{{ 1 / value }}", unit="km"
    )
    await add_sensor(hass, entry, "a", name="Sound", unit="km")
    await partner.say({"a": 0})
    await wait_for_number(hass, VIN, "sound", 0)
    assert state(hass, VIN, "broken").state == "unknown"
    await partner.say({"a": 4})
    await wait_for_number(hass, VIN, "broken", 0.25)
    assert entry.runtime_data.traffic.refused == {("broken", "template_failed"): 1}


async def test_a_mapping_that_cannot_be_read_costs_itself_only(
    hass: HomeAssistant,
    entry: EvStreamsConfigEntry,
    partner: Partner,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As one that a newer version wrote."""
    await add_sensor(hass, entry, "a", name="Sound", unit="km")
    (subentry,) = entry.subentries.values()
    stored = {
        **subentry.data["mappings"],
        "broken": {"name": "Broken", "path": "b", "colour": "red"},
    }
    hass.config_entries.async_update_subentry(
        entry, subentry, data={"mappings": stored}
    )
    await reloaded(hass, entry)
    await partner.say({"a": 1, "b": 2})
    await wait_for_number(hass, VIN, "sound", 1)
    assert "The mapped field broken cannot be used: colour: not_known" in caplog.text
