"""What no table knows of a body is mapped once, for every device that tells it."""

from datetime import timedelta
from itertools import count
import json
from typing import Any

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from simulator.etrel import ApiAccess, EtrelOcean, Notification

from ..helpers import state, wait_for_number
from ..options import choose
from ..stellantis.test_mapping import field_form
from .helpers import CONNECTOR, NOW, OTHER_CONNECTOR, POINT, STATION, add_access, tell

# A status of the same time is the same once more.
TICKS = count(1)
CURRENT = {
    "path": "Electrical.PhaseCurrent",
    "name": "Phase current",
    "device_class": "current",
    "unit": "A",
    "state_class": "measurement",
}


def status(connector: int, current: float) -> Notification:
    """Return a connector's status with a member that is in no document."""
    at = NOW + next(TICKS) * timedelta(milliseconds=1)
    told = STATION.status(POINT, connector, "Charging", at)
    told.body["Electrical"] = {"PhaseCurrent": current}
    return told


async def map_current(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, **changes: Any
) -> ConfigFlowResult:
    """Map the field of the tests."""
    return await choose(
        hass,
        entry,
        "add_field",
        {"path": CURRENT["path"]},
        field_form(**CURRENT | changes),
        "save_field",
    )


@pytest.fixture
async def entry(
    hass: HomeAssistant, ocean: EtrelOcean, access: ApiAccess
) -> EvStreamsConfigEntry:
    """Add an access of which one connector has told something."""
    entry = await add_access(hass, ocean, access)
    await tell(entry, ocean, status(1, 16))
    return entry


def registered_as(hass: HomeAssistant, device_id: str) -> str | None:
    """Return the entity of the mapped field, if there is one."""
    unique_id = f"{device_id}_phase_current"
    return er.async_get(hass).async_get_entity_id("sensor", DOMAIN, unique_id)


async def test_a_field_is_there_on_every_device_that_tells_it(
    hass: HomeAssistant, ocean: EtrelOcean, entry: EvStreamsConfigEntry
) -> None:
    """Of what was kept, and of what comes; nowhere else."""
    done = await map_current(hass, entry)
    assert done["type"] is FlowResultType.CREATE_ENTRY
    shown = state(hass, CONNECTOR, "phase_current")
    assert float(shown.state) == 16
    assert shown.attributes["unit_of_measurement"] == "A"
    assert shown.attributes["device_class"] == "current"
    assert registered_as(hass, OTHER_CONNECTOR) is None
    await tell(entry, ocean, status(2, 9.5), status(1, 17))
    await hass.async_block_till_done()
    await wait_for_number(hass, OTHER_CONNECTOR, "phase_current", 9.5)
    await wait_for_number(hass, CONNECTOR, "phase_current", 17)
    assert registered_as(hass, POINT) is None
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert float(state(hass, OTHER_CONNECTOR, "phase_current").state) == 9.5


async def test_the_paths_that_were_told_are_offered_without_people(
    hass: HomeAssistant, ocean: EtrelOcean, entry: EvStreamsConfigEntry
) -> None:
    told = status(1, 17)
    told.body["User"] = {"FirstName": "Kim", "PhoneNumber": "+386 1 555 0100"}
    await tell(entry, ocean, told)
    form = await choose(hass, entry, "add_field")
    assert form["data_schema"] is not None
    (selector,) = form["data_schema"].schema.values()
    labels = [each["label"] for each in selector.config["options"]]
    assert "Electrical.PhaseCurrent = 17" in labels
    assert "message_type = connector.statusChanged" in labels
    assert [each for each in labels if "Kim" in each or "+386" in each] == []


async def test_removed_it_takes_its_entities_along(
    hass: HomeAssistant, ocean: EtrelOcean, entry: EvStreamsConfigEntry
) -> None:
    await map_current(hass, entry)
    await tell(entry, ocean, status(2, 9.5))
    await hass.async_block_till_done()
    assert registered_as(hass, OTHER_CONNECTOR) is not None
    await choose(hass, entry, "remove_fields", {"fields": ["phase_current"]})
    await tell(entry, ocean, status(1, 18), status(2, 18))
    await hass.async_block_till_done()
    for device_id in (CONNECTOR, OTHER_CONNECTOR):
        assert registered_as(hass, device_id) is None
    # What the table tells is as it was.
    assert state(hass, CONNECTOR, "connector_status").state == "charging"


async def test_removed_while_the_account_is_not_loaded_it_takes_them_along_too(
    hass: HomeAssistant, entry: EvStreamsConfigEntry
) -> None:
    await map_current(hass, entry)
    assert registered_as(hass, CONNECTOR) is not None
    await hass.config_entries.async_unload(entry.entry_id)
    step = await hass.config_entries.options.async_init(entry.entry_id)
    for answer in ({"next_step_id": "remove_fields"}, {"fields": ["phase_current"]}):
        step = await hass.config_entries.options.async_configure(
            step["flow_id"], answer
        )
    assert step["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert registered_as(hass, CONNECTOR) is None
    assert state(hass, CONNECTOR, "connector_status").state == "charging"


async def test_diagnostics_count_the_fields_and_tell_nothing_of_them(
    hass: HomeAssistant,
    entry: EvStreamsConfigEntry,
    hass_client: ClientSessionGenerator,
) -> None:
    """A name, a condition or a word that is replaced may be about somebody."""
    await map_current(
        hass,
        entry,
        name="Kim's current",
        condition_path="User.PhoneNumber",
        condition_value="+386 1 555 0100",
    )
    told = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert told["options"] == {"mappings": 1}
    for personal in ("Kim", "555"):
        assert personal not in json.dumps(told)


async def test_mappings_go_from_one_account_to_another(
    hass: HomeAssistant, ocean: EtrelOcean, entry: EvStreamsConfigEntry
) -> None:
    await map_current(hass, entry, scale=0.1)
    form = await choose(hass, entry, "export")
    assert form["data_schema"] is not None
    (marker,) = form["data_schema"].schema
    text = marker.description["suggested_value"]
    await choose(hass, entry, "remove_fields", {"fields": ["phase_current"]})
    assert registered_as(hass, CONNECTOR) is None
    done = await choose(hass, entry, "import", {"text": text, "replace": False})
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert float(state(hass, CONNECTOR, "phase_current").state) == 1.6


@pytest.mark.parametrize(
    "key", ["connector_status", "energy", "message_count", "charging_session_start"]
)
async def test_a_key_that_is_taken_is_refused(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, key: str
) -> None:
    """In a text; a name that would make it gets another key."""
    await map_current(hass, entry)
    form = await choose(hass, entry, "export")
    assert form["data_schema"] is not None
    (marker,) = form["data_schema"].schema
    text = marker.description["suggested_value"].replace("phase_current", key)
    again = await choose(hass, entry, "import", {"text": text, "replace": True})
    assert again["type"] is FlowResultType.FORM
    assert again["errors"] == {"text": "bad_mappings"}
    name = key.replace("_", " ").capitalize()
    await map_current(hass, entry, name=name, path="Electrical.PhaseCurrent")
    assert float(state(hass, CONNECTOR, f"{key}_2").state) == 16


async def test_settings_are_kept_apart_from_mappings(
    hass: HomeAssistant, ocean: EtrelOcean, entry: EvStreamsConfigEntry
) -> None:
    await map_current(hass, entry)
    form = await choose(hass, entry, "settings")
    assert form["data_schema"] is not None
    assert [str(each) for each in form["data_schema"].schema] == [
        *("grace_time", "history_import", "session_tokens")
    ]
    await choose(
        hass,
        entry,
        "settings",
        {"grace_time": 5, "history_import": True, "session_tokens": True},
    )
    assert float(state(hass, CONNECTOR, "phase_current").state) == 16
    assert entry.options["session_tokens"] is True
    await tell(entry, ocean, status(1, 17))
    await wait_for_number(hass, CONNECTOR, "phase_current", 17)
