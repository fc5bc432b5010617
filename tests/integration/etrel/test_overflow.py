"""A queue that was full when the account came back: what it held before may be gone."""

from http import HTTPStatus

from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.ev_streams.const import DOMAIN
from simulator.etrel import ApiAccess, EtrelOcean

from ..helpers import issue, wait_live
from .helpers import NOW, POINT, STATION, add_access, received

TAIL = "connector.statusChanged"


async def test_an_overflow_is_told_and_confirmed(
    hass: HomeAssistant,
    ocean: EtrelOcean,
    access: ApiAccess,
    hass_client: ClientSessionGenerator,
) -> None:
    """It stays when all that was left has come, until somebody has read it."""
    assert await async_setup_component(hass, "repairs", {})
    entry = await add_access(hass, ocean, access)
    await hass.config_entries.async_unload(entry.entry_id)
    status = STATION.status(POINT, 1, "Available", NOW)
    await ocean.publish(*[status] * 1003)
    assert (await ocean.queue_state(access, TAIL)).ready == 1000
    await hass.config_entries.async_setup(entry.entry_id)
    await wait_live(hass, entry)
    await received(entry, 1000)
    raised = issue(hass, entry, "overflow")
    assert raised is not None
    assert raised.is_fixable
    await hass.config_entries.async_reload(entry.entry_id)
    await wait_live(hass, entry)
    assert issue(hass, entry, "overflow") is not None

    client = await hass_client()
    opened = await client.post(
        "/api/repairs/issues/fix",
        json={"handler": DOMAIN, "issue_id": raised.issue_id},
    )
    assert opened.status == HTTPStatus.OK
    form = await opened.json()
    assert form["step_id"] == "confirm"
    assert form["description_placeholders"] == {
        "account": "Etrel",
        "waiting": "1000",
        "limit": "1000",
    }
    await client.post(f"/api/repairs/issues/fix/{form['flow_id']}", json={})
    assert issue(hass, entry, "overflow") is None


async def test_full_is_a_queue_and_not_all_of_them_together(
    hass: HomeAssistant, ocean: EtrelOcean, access: ApiAccess
) -> None:
    entry = await add_access(hass, ocean, access)
    await hass.config_entries.async_unload(entry.entry_id)
    await ocean.publish(
        *[STATION.status(POINT, 1, "Available", NOW)] * 999,
        *[STATION.system_event(number, "X", NOW) for number in range(10)],
    )
    await hass.config_entries.async_setup(entry.entry_id)
    await wait_live(hass, entry)
    await received(entry, 1009)
    assert issue(hass, entry, "overflow") is None
