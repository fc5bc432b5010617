"""Which entry shows a charge point, and what becomes of one that was removed."""

from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
import pytest
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.ev_streams.coordinator import EvStreamsConfigEntry

from ..helpers import (
    device_of,
    issue,
    phases,
    record_event_entities,
    state,
    stored_values,
    wait_for_issue,
    wait_for_number,
    wait_live,
)
from .helpers import (
    EVSE_DEVICE,
    OTHER_EVSE,
    OTHER_EVSE_DEVICE,
    POINT,
    Caller,
    added,
    form,
)
from .told import BEGIN, END, NOW, boot, meter, network, start

pytestmark = pytest.mark.usefixtures("every_entity_enabled")


@pytest.fixture
async def two(
    hass: HomeAssistant, caller: Caller
) -> tuple[EvStreamsConfigEntry, EvStreamsConfigEntry]:
    """Add two entries; the first one shows the charge point."""
    first = await added(hass, form(name="First"))
    second = await added(hass, form(name="Second"))
    assert await caller.call(first, network("available", BEGIN)) == 202
    return first, second


async def reload(hass: HomeAssistant, entry: EvStreamsConfigEntry) -> None:
    """Load the entry anew, as a restart does."""
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    await wait_live(hass, entry)


async def test_a_session_that_two_entries_hear_of_is_told_once(
    hass: HomeAssistant,
    caller: Caller,
    two: tuple[EvStreamsConfigEntry, EvStreamsConfigEntry],
) -> None:
    """As while a user goes over from the webhook to Kafka.

    The outlet is the charge point's, whoever hears of it first.
    """
    first, second = two
    fired = record_event_entities(hass, "charging_session")
    for each in (second, first):
        assert await caller.call(each, start(OTHER_EVSE)) == 202
        assert await caller.call(each, meter(1001.0, evse=OTHER_EVSE)) == 202
    await hass.async_block_till_done()
    assert phases(fired) == [("started", "70001")]
    assert fired[0]["device"] == POINT
    assert fired[0]["evse"] == OTHER_EVSE
    await wait_for_number(hass, OTHER_EVSE_DEVICE, "lifetime_energy", 1001.0)
    for each in two:
        assert each.runtime_data.refusals.counts == {}
    followed = first.runtime_data.inventory.followed.keys()
    assert followed == {POINT, OTHER_EVSE_DEVICE}
    assert second.runtime_data.inventory.followed == {}
    assert second.runtime_data.vitals.not_followed == 2


async def test_who_shows_the_devices_of_an_entry_is_told_until_it_is_gone(
    hass: HomeAssistant,
    caller: Caller,
    two: tuple[EvStreamsConfigEntry, EvStreamsConfigEntry],
) -> None:
    """Two tenants may have charge points of one number, and one of them is left out."""
    first, second = two
    assert issue(hass, second, "devices_elsewhere") is None
    assert await caller.call(second, network("available", END)) == 202
    raised = await wait_for_issue(hass, second, "devices_elsewhere")
    assert raised.translation_placeholders == {
        "account": "Second",
        "count": "1",
        "others": "First",
    }
    assert issue(hass, first, "devices_elsewhere") is None
    await hass.config_entries.async_remove(first.entry_id)
    await hass.async_block_till_done()
    assert await caller.call(second, boot(NOW, "2.0")) == 202
    await hass.async_block_till_done()
    assert issue(hass, second, "devices_elsewhere") is None
    assert state(hass, POINT, "firmware").state == "2.0"


@pytest.mark.parametrize("is_picked", [False, True], ids=["all", "picked"])
async def test_a_charge_point_that_was_removed_comes_back_as_the_whole_of_its_outlets(
    hass: HomeAssistant,
    caller: Caller,
    hass_ws_client: WebSocketGenerator,
    is_picked: bool,
) -> None:
    """Else they were not of what the user picked, and gone after the next restart."""
    entry = await added(hass, form())
    if is_picked:
        hass.config_entries.async_update_entry(entry, options={"devices": [POINT]})
        await reload(hass, entry)
    assert await caller.call(entry, meter(1001.0, BEGIN)) == 202
    await hass.async_block_till_done()
    point = device_of(hass, POINT)
    assert point is not None
    client = await hass_ws_client(hass)
    answer: dict[str, Any] = await client.remove_device(point.id)
    assert answer["success"]
    await hass.async_block_till_done()
    assert device_of(hass, POINT) is None
    assert await caller.call(entry, meter(1002.0, END)) == 202
    await hass.async_block_till_done()
    for _ in range(2):
        point, outlet = device_of(hass, POINT), device_of(hass, EVSE_DEVICE)
        assert point is not None
        assert isinstance(outlet, dr.DeviceEntry)
        assert outlet.via_device_id == point.id
        await wait_for_number(hass, EVSE_DEVICE, "lifetime_energy", 1002.0)
        in_file = await stored_values(hass, entry, EVSE_DEVICE)
        assert in_file["lifetime_energy"] == 1002.0
        await reload(hass, entry)
