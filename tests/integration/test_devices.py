"""Chargers in the device registry: named, followed, appearing, disappearing."""

from datetime import UTC, datetime

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.ev_streams import coordinator, inventory
from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from simulator.easee import EaseeAccount, EaseeCloud
from simulator.rabbitmq import Administrator

from .helpers import (
    SERIAL,
    add_account,
    entity_id,
    issue,
    measured,
    phases,
    queue_is_empty,
    record_session_events,
    session_start,
    state,
    stored_sessions,
    stored_values,
    wait_for_issue,
    wait_for_number,
    wait_until,
)


def device(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, device_id: str
) -> dr.DeviceEntry | None:
    """Find a device by its fixed identifier."""
    found = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, device_id), entry.entry_id
    )
    assert found is None or isinstance(found, dr.DeviceEntry)
    return found


async def test_charger_is_a_device_of_the_account(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """A charger has its name, model, serial number and firmware, and hangs on the account."""
    entry = await add_account(hass, cloud, account)
    await account.publish(SERIAL, 80, 331)
    charger = device(hass, entry, SERIAL)
    parent = device(hass, entry, str(entry.unique_id))
    assert charger is not None
    assert parent is not None
    assert charger.name == "Garage"
    assert charger.manufacturer == "Easee"
    assert charger.model == "Easee Home"
    assert charger.serial_number == SERIAL
    assert charger.via_device_id == parent.id
    assert parent.name == entry.title
    assert (parent.manufacturer, parent.model) == ("Easee", "Account")

    def shows_firmware() -> bool:
        current = device(hass, entry, SERIAL)
        return current is not None and current.sw_version == "331"

    await wait_until(shows_firmware, "the firmware")


async def test_new_charger_appears_without_reload(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """A charger that joins the account shows up with its first message, which is not lost."""
    entry = await add_account(hass, cloud, account)
    coordinator = entry.runtime_data
    account.add_charger("EH000002", name="Street")
    await account.publish("EH000002", 120, 3.75, remember=False)
    await wait_until(lambda: device(hass, entry, "EH000002") is not None, "the device")
    await hass.async_block_till_done()
    await wait_for_number(hass, "EH000002", "total_power", 3.75)
    assert entry.runtime_data is coordinator
    assert coordinator.vitals.not_followed == 0


async def test_charger_that_is_gone_can_be_removed(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    hass_ws_client: WebSocketGenerator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the account still lists stays; what it lost is unavailable and may go."""
    account.add_charger("EH000002", name="Street")
    entry = await add_account(hass, cloud, account)
    assert await async_setup_component(hass, "config", {})
    client = await hass_ws_client(hass)
    gone = device(hass, entry, "EH000002")
    assert gone is not None
    assert not (await client.remove_device(gone.id))["success"]

    account.remove_charger("EH000002")
    # A stranger on the queue makes the account's list be asked for.
    await account.publish("EH000003", 120, 1.0, remember=False)
    await wait_until(
        lambda: state(hass, "EH000002", "total_power").state == "unavailable",
        "the end of the charger",
    )
    assert state(hass, SERIAL, "total_power").state != "unavailable"
    assert (await client.remove_device(gone.id))["success"]
    assert device(hass, entry, "EH000002") is None

    account.add_charger("EH000002", name="Street again")
    monkeypatch.setattr(inventory, "ASK_AT_MOST_EVERY", 0.0)
    await account.publish("EH000002", 120, 5.25, remember=False)
    await wait_until(lambda: device(hass, entry, "EH000002") is not None, "the return")
    await hass.async_block_till_done()
    await wait_for_number(hass, "EH000002", "total_power", 5.25)
    for kept in (SERIAL, str(entry.unique_id)):
        still = device(hass, entry, kept)
        assert still is not None
        assert not (await client.remove_device(still.id))["success"]


async def test_ten_chargers_are_followed_without_asking(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """Ten are no fleet: all of them have their entities at once."""
    for number in range(2, 11):
        account.add_charger(f"EH{number:06}", name=f"Bay {number}")
    entry = await add_account(hass, cloud, account)
    for number in range(1, 11):
        assert entity_id(hass, f"EH{number:06}", "total_power")
    assert len(entry.runtime_data.inventory.followed) == 10
    assert not [i for i in ir.async_get(hass).issues if i[0] == DOMAIN]


async def test_fleet_that_outgrows_ten_is_asked_about(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """An eleventh charger does not push out one of the ten; a repair issue offers the choice."""
    for number in range(2, 11):
        account.add_charger(f"EH{number:06}", name=f"Bay {number}")
    entry = await add_account(hass, cloud, account)
    account.add_charger("EH000000", name="First in the list")
    await account.publish("EH000000", 120, 1.0)
    await wait_for_issue(hass, entry, "choose_devices")
    assert set(entry.runtime_data.inventory.followed) == {
        f"EH{number:06}" for number in range(1, 11)
    }

    options = await hass.config_entries.options.async_init(entry.entry_id)
    everything = sorted(entry.runtime_data.inventory.listed)
    await hass.config_entries.options.async_configure(
        options["flow_id"], {"grace_time": 60, "devices": everything}
    )
    await hass.async_block_till_done()
    assert len(entry.runtime_data.inventory.followed) == 11
    assert issue(hass, entry, "choose_devices") is None


async def test_stranger_is_asked_about_once(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Somebody else's charger must not make us ask the vendor over and over."""
    monkeypatch.setattr(inventory, "ASK_AT_MOST_EVERY", 0.0)
    entry = await add_account(hass, cloud, account)
    await hass.async_block_till_done()
    asked = len([r for r in cloud.requests if r.path == "/api/chargers"])
    for number in range(50):
        await account.publish("EH999999", 120, float(number), remember=False)
    await wait_until(
        lambda: entry.runtime_data.vitals.not_followed == 50, "the strangers"
    )
    again = len([r for r in cloud.requests if r.path == "/api/chargers"])
    assert again == asked + 1


async def test_charger_missing_from_the_list_is_not_lost(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """A list that leaves a charger out for once costs none of its messages and events."""
    account.add_charger("EH000002", name="Street")
    entry = await add_account(hass, cloud, account)
    await hass.async_block_till_done()
    cloud.fail_next(
        "/api/chargers", status=200, body=[{"id": SERIAL, "name": "Garage"}]
    )
    await account.publish("EH999999", 120, 1.0, remember=False)
    await wait_until(
        lambda: state(hass, "EH000002", "total_power").state == "unavailable",
        "the short list",
    )
    events = record_session_events(hass, "EH000002")
    start = datetime.now(UTC).replace(microsecond=0)
    await account.publish_many(
        "EH000002",
        [session_start(7, start), measured(start, 120, 6.125)],
        remember=False,
    )
    await queue_is_empty(administrator, account)
    assert phases(events) == [("started", "7")]
    held = entry.runtime_data.ledger.reading("EH000002", "total_power")
    assert held is not None
    assert held.value == 6.125
    asked = [r for r in cloud.requests if r.path.startswith("/state/EH000002")]
    async_fire_time_changed(hass, dt_util.utcnow() + coordinator.REFRESH_INTERVAL)
    await hass.async_block_till_done()
    again = [r for r in cloud.requests if r.path.startswith("/state/EH000002")]
    assert len(again) == len(asked)


async def test_deselected_charger_leaves_the_registry(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """A charger that the user chooses not to follow takes its entities along, and its sessions."""
    account.add_charger("EH000002", name="Street")
    entry = await add_account(hass, cloud, account)
    await entry.runtime_data.committer.flush()
    assert await stored_sessions(hass, entry, "EH000002") != {}
    hass.config_entries.async_update_entry(entry, options={"devices": [SERIAL]})
    await hass.config_entries.async_reload(entry.entry_id)
    assert device(hass, entry, "EH000002") is None
    assert await stored_sessions(hass, entry, "EH000002") == {}
    assert await stored_values(hass, entry, "EH000002") == {}
    assert await stored_sessions(hass, entry) != {}
    assert device(hass, entry, SERIAL) is not None
    assert device(hass, entry, str(entry.unique_id)) is not None


async def test_charger_of_two_accounts_is_shown_once(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The account set up first shows the charger; the second adds only what is its own."""
    await add_account(hass, cloud, account)
    partner = await cloud.add_account("partner@example.com", "p", operator_id=88)
    partner.add_charger(SERIAL, name="Garage")
    partner.add_charger("EH000002", name="Street")
    entry = await add_account(hass, cloud, partner)
    assert set(entry.runtime_data.inventory.followed) == {"EH000002"}
    assert "unique IDs" not in caplog.text
