"""A damaged file: what the user reads of it, and that reading it is all there is to do."""

from http import HTTPStatus

from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.storage import store_path
from simulator.easee import EaseeAccount, EaseeCloud

from .helpers import SERIAL, add_account, issue, wait_for_number, wait_live


async def test_damaged_file_is_told_and_confirmed(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    hass_client: ClientSessionGenerator,
) -> None:
    """The account works on with a new file, and the notice goes when it was read."""
    assert await async_setup_component(hass, "repairs", {})
    entry = await add_account(hass, cloud, account)
    assert issue(hass, entry, "store_damaged") is None
    assert await hass.config_entries.async_unload(entry.entry_id)
    path = store_path(hass, entry.entry_id)
    path.write_bytes(b"no database at all" * 1000)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await wait_live(hass, entry)
    await account.publish(SERIAL, 120, 7.25)
    await wait_for_number(hass, SERIAL, "total_power", 7.25)

    raised = issue(hass, entry, "store_damaged")
    assert raised is not None
    assert raised.is_fixable
    client = await hass_client()
    opened = await client.post(
        "/api/repairs/issues/fix",
        json={"handler": DOMAIN, "issue_id": raised.issue_id},
    )
    assert opened.status == HTTPStatus.OK
    form = await opened.json()
    assert form["step_id"] == "confirm"
    assert form["description_placeholders"] == {"account": entry.title}
    done = await client.post(f"/api/repairs/issues/fix/{form['flow_id']}", json={})
    assert (await done.json())["type"] == "create_entry"
    assert issue(hass, entry, "store_damaged") is None
    (aside,) = path.parent.glob(f"{path.name}.damaged-*")
    assert aside.read_bytes().startswith(b"no database at all")
