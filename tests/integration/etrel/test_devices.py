"""Locations, charge points and connectors: which are followed, and which part of which."""

from datetime import timedelta

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from simulator.etrel import ApiAccess, EtrelOcean, Station

from ..helpers import device_of, wait_for_state, wait_live
from ..options import choose
from .helpers import (
    CONNECTOR,
    LOCATION,
    NOW,
    POINT,
    STATION,
    add_access,
    registered,
    tell,
)

OTHER_STATION = Station(location_id=88)


def tree(hass: HomeAssistant, entry: EvStreamsConfigEntry) -> dict[str, str | None]:
    """Return of what each device of the station is a part, by its fixed identifier."""
    names = {
        registered(hass, entry, device_id).id: device_id
        for device_id in (LOCATION, POINT, CONNECTOR, str(entry.unique_id))
    }
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return {
        names[each.id]: names.get(each.via_device_id or "")
        for each in devices
        if each.id in names
    }


@pytest.mark.parametrize("removed", [LOCATION, POINT, CONNECTOR])
async def test_what_was_removed_takes_its_place_again(
    hass: HomeAssistant,
    ocean: EtrelOcean,
    access: ApiAccess,
    hass_ws_client: WebSocketGenerator,
    removed: str,
) -> None:
    """With the next message that names it, and over a restart."""
    assert await async_setup_component(hass, "config", {})
    entry = await add_access(hass, ocean, access)
    await tell(entry, ocean, STATION.status(POINT, 1, "Available", NOW))
    whole = tree(hass, entry)
    assert whole == {
        str(entry.unique_id): None,
        LOCATION: entry.unique_id,
        POINT: LOCATION,
        CONNECTOR: POINT,
    }
    client = await hass_ws_client(hass)
    device_id = registered(hass, entry, removed).id
    assert (await client.remove_device(device_id))["success"]
    await hass.async_block_till_done()
    later = NOW + timedelta(seconds=1)
    await tell(entry, ocean, STATION.status(POINT, 1, "Faulted", later))
    await hass.async_block_till_done()
    assert tree(hass, entry) == whole
    await wait_for_state(hass, CONNECTOR, "connector_status", "faulted")
    await hass.config_entries.async_reload(entry.entry_id)
    await wait_live(hass, entry)
    assert tree(hass, entry) == whole


async def test_locations_are_chosen_with_all_that_is_in_them(
    hass: HomeAssistant, ocean: EtrelOcean, access: ApiAccess
) -> None:
    entry = await add_access(hass, ocean, access)
    hass.config_entries.async_update_entry(
        entry, options={"devices": [LOCATION, "location_88"]}
    )
    await hass.config_entries.async_reload(entry.entry_id)
    await wait_live(hass, entry)
    other = OTHER_STATION.status("SI-X", 1, "Available", NOW)
    await tell(entry, ocean, STATION.status(POINT, 1, "Available", NOW), other)
    await hass.async_block_till_done()
    form = await choose(hass, entry, "settings")
    assert form["data_schema"] is not None
    fields = {str(each): each for each in form["data_schema"].schema}
    offered = form["data_schema"].schema[fields["devices"]].config["options"]
    assert {each["value"] for each in offered} == {LOCATION, "location_88"}
    await choose(
        hass,
        entry,
        "settings",
        {
            "grace_time": 60,
            "history_import": True,
            "session_tokens": False,
            "devices": [LOCATION],
        },
    )
    faulted = OTHER_STATION.status("SI-X", 1, "Faulted", NOW)
    await tell(entry, ocean, STATION.status(POINT, 1, "Faulted", NOW), faulted)
    await hass.async_block_till_done()
    await wait_for_state(hass, CONNECTOR, "connector_status", "faulted")
    for gone in ("location_88", "SI-X", "SI-X_connector_1"):
        assert device_of(hass, gone) is None
    assert entry.runtime_data.vitals.not_followed == 1
