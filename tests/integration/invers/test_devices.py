"""Which vehicles of a fleet are followed, and what becomes of the others."""

from contextlib import closing
from dataclasses import replace
import sqlite3
from typing import Any, cast

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from custom_components.ev_streams.providers import PROVIDERS
from custom_components.ev_streams.providers.base import Provider
from custom_components.ev_streams.storage import store_path
from simulator.invers import EventConsumer, InversFleet
from simulator.invers.events import Topic

from ..helpers import (
    device_of,
    issue,
    state,
    stored,
    wait_for_issue,
    wait_for_state,
    wait_live,
    wait_until,
)
from ..options import choose
from .helpers import CAR, OTHER_CAR, add_fleet, recorded

THIRD_CAR = "QQ77A"


@pytest.fixture
def follow_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two vehicles be as many as are followed without a choice."""
    small = replace(PROVIDERS["invers"], follow_at_most=2)
    monkeypatch.setitem(cast(dict[str, Provider], PROVIDERS), "invers", small)


async def drive(
    hass: HomeAssistant,
    fleet: InversFleet,
    entry: EvStreamsConfigEntry,
    *cars: str,
    mileage: int = 100,
) -> None:
    """Let vehicles tell of themselves, one after the other."""
    for car in cars:
        count = entry.runtime_data.vitals.messages + 1
        told = recorded({"mileage_in_kilometers": mileage}, car=car)
        await fleet.publish("VehicleStateRecorded", told)
        await received(entry, count)
    await hass.async_block_till_done()


async def received(entry: EvStreamsConfigEntry, count: int) -> None:
    """Wait until so many messages have come since the entry was loaded."""
    vitals = entry.runtime_data.vitals
    await wait_until(lambda: vitals.messages >= count, f"message {count}")


async def pick(hass: HomeAssistant, entry: EvStreamsConfigEntry, *cars: str) -> None:
    """Choose vehicles in the options."""
    done = await choose(
        hass,
        entry,
        "settings",
        {"grace_time": 60, "history_import": True, "devices": list(cars)},
    )
    assert done["type"] is FlowResultType.CREATE_ENTRY, done


def shown(hass: HomeAssistant) -> set[str]:
    """Return which vehicles have a device."""
    return {car for car in (CAR, OTHER_CAR, THIRD_CAR) if device_of(hass, car)}


async def is_all_acknowledged(
    hass: HomeAssistant,
    fleet: InversFleet,
    consumer: EventConsumer,
    entry: EvStreamsConfigEntry,
) -> bool:
    """Disconnect, and look whether the broker has got anything back."""
    await hass.config_entries.async_unload(entry.entry_id)
    left = await fleet.queue_state(consumer, Topic.VEHICLE_STATE)
    return (left.ready, left.unacknowledged) == (0, 0)


async def test_of_too_many_the_user_chooses(
    hass: HomeAssistant,
    fleet: InversFleet,
    consumer: EventConsumer,
    follow_two: None,
) -> None:
    """Those that came first are followed until then; others cost nothing."""
    entry = await add_fleet(hass, consumer)
    await drive(hass, fleet, entry, CAR, OTHER_CAR)
    assert issue(hass, entry, "choose_devices") is None
    await drive(hass, fleet, entry, THIRD_CAR)
    raised = await wait_for_issue(hass, entry, "choose_devices")
    assert raised.translation_placeholders == {
        "account": "INVERS",
        "listed": "3",
        "limit": "2",
    }
    assert shown(hass) == {CAR, OTHER_CAR}
    assert entry.runtime_data.vitals.not_followed == 1

    form = await choose(hass, entry, "settings")
    assert form["data_schema"] is not None
    fields = {str(each): each for each in form["data_schema"].schema}
    offered = form["data_schema"].schema[fields["devices"]].config["options"]
    assert [each["value"] for each in offered] == [CAR, OTHER_CAR, THIRD_CAR]
    assert fields["devices"].default() == [CAR, OTHER_CAR]
    hass.config_entries.options.async_abort(form["flow_id"])

    await pick(hass, entry, OTHER_CAR, THIRD_CAR)
    assert issue(hass, entry, "choose_devices") is None
    await drive(hass, fleet, entry, CAR, OTHER_CAR, THIRD_CAR, mileage=200)
    assert shown(hass) == {OTHER_CAR, THIRD_CAR}
    for car in (OTHER_CAR, THIRD_CAR):
        assert state(hass, car, "mileage_in_kilometers").state == "200"
    assert entry.runtime_data.vitals.not_followed == 1
    assert await is_all_acknowledged(hass, fleet, consumer, entry)


async def test_what_was_chosen_holds_after_a_restart(
    hass: HomeAssistant,
    fleet: InversFleet,
    consumer: EventConsumer,
    follow_two: None,
) -> None:
    """A vehicle that was left out is left out, and can still be chosen."""
    entry = await add_fleet(hass, consumer)
    await drive(hass, fleet, entry, CAR, OTHER_CAR, THIRD_CAR)
    await pick(hass, entry, THIRD_CAR)
    await hass.config_entries.async_reload(entry.entry_id)
    await wait_live(hass, entry)
    await drive(hass, fleet, entry, CAR, OTHER_CAR, THIRD_CAR, mileage=200)
    assert shown(hass) == {THIRD_CAR}
    await pick(hass, entry, CAR, THIRD_CAR)
    await drive(hass, fleet, entry, CAR, THIRD_CAR, mileage=300)
    assert shown(hass) == {CAR, THIRD_CAR}
    assert state(hass, CAR, "mileage_in_kilometers").state == "300"


async def test_what_is_stored_of_a_vehicle_goes_with_it(
    hass: HomeAssistant,
    fleet: InversFleet,
    consumer: EventConsumer,
    follow_two: None,
) -> None:
    entry = await add_fleet(hass, consumer)
    await drive(hass, fleet, entry, CAR, OTHER_CAR, THIRD_CAR)
    await entry.runtime_data.committer.flush()
    kept = "SELECT DISTINCT device_id FROM readings ORDER BY device_id"
    account = str(entry.unique_id)
    assert await stored(hass, entry, kept) == [(CAR,), (OTHER_CAR,), (account,)]
    await pick(hass, entry, OTHER_CAR)
    for table in ("readings", "points", "recent"):
        query = f"SELECT COUNT(*) FROM {table} WHERE device_id = '{CAR}'"
        assert await stored(hass, entry, query) == [(0,)], table
    assert state(hass, OTHER_CAR, "mileage_in_kilometers").state == "100"


async def test_a_vehicle_that_was_removed_comes_back_with_its_next_message(
    hass: HomeAssistant,
    fleet: InversFleet,
    consumer: EventConsumer,
    hass_ws_client: WebSocketGenerator,
) -> None:
    """As new: with what it tells then, and nothing of what it told before."""
    assert await async_setup_component(hass, "config", {})
    entry = await add_fleet(hass, consumer)
    await drive(hass, fleet, entry, CAR, OTHER_CAR)
    device = device_of(hass, CAR)
    assert device is not None
    client = await hass_ws_client(hass)
    answer: dict[str, Any] = await client.remove_device(device.id)
    assert answer["success"]
    await hass.async_block_till_done()
    assert shown(hass) == {OTHER_CAR}
    await fleet.publish(
        "VehicleStateRecorded", recorded({"driving_enabled": True}, car=CAR)
    )
    await wait_until(lambda: device_of(hass, CAR) is not None, "it again")
    await hass.async_block_till_done()
    await wait_for_state(hass, CAR, "driving_enabled", "on")
    with pytest.raises(AssertionError, match="no entity"):
        state(hass, CAR, "mileage_in_kilometers")
    assert state(hass, CAR, "message_count").state == "1"
    (kept,) = entry.runtime_data.traffic.recent(CAR)
    assert "mileage_in_kilometers" not in str(kept.content.body)


async def test_two_accounts_may_hear_of_the_same_vehicle(
    hass: HomeAssistant,
    fleet: InversFleet,
    consumer: EventConsumer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is the first one's; once that is gone, the other one's."""
    entry = await add_fleet(hass, consumer)
    other_consumer = await fleet.add_consumer("second")
    other = await add_fleet(hass, other_consumer)
    await drive(hass, fleet, entry, CAR)
    vitals = other.runtime_data.vitals
    await wait_until(lambda: vitals.messages == 1, "the other one's copy")
    await hass.async_block_till_done()
    first, second = (entry, other) if vitals.not_followed else (other, entry)
    assert first.runtime_data.inventory.is_followed(CAR)
    assert not second.runtime_data.inventory.is_followed(CAR)
    assert state(hass, CAR, "mileage_in_kilometers").state == "100"
    for each in (first, second):
        await hass.config_entries.async_reload(each.entry_id)
        await hass.async_block_till_done()
        await wait_live(hass, each)
    await drive(hass, fleet, entry, CAR, mileage=200)
    await wait_for_state(hass, CAR, "mileage_in_kilometers", "200")
    assert first.runtime_data.inventory.is_followed(CAR)

    await hass.config_entries.async_remove(first.entry_id)
    await hass.async_block_till_done()
    await drive(hass, fleet, second, CAR, mileage=300)
    await wait_for_state(hass, CAR, "mileage_in_kilometers", "300")
    device = device_of(hass, CAR)
    assert device is not None
    assert "does not generate unique IDs" not in caplog.text


async def test_a_session_that_was_not_told_before_a_power_cut_keeps_no_account_from_starting(
    hass: HomeAssistant,
    fleet: InversFleet,
    consumer: EventConsumer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Though only the file knows its vehicle, which is shown again."""
    entry = await add_fleet(hass, consumer)
    await drive(hass, fleet, entry, OTHER_CAR)
    await hass.config_entries.async_unload(entry.entry_id)
    path = store_path(hass, entry.entry_id)

    def leave_session() -> None:
        with closing(sqlite3.connect(path)) as file, file:
            file.execute(
                "INSERT INTO sessions (device_id, session_id, started_at, is_derived,"
                f" replayed) VALUES ('{CAR}', 'derived', 1, 1, 0)"
            )

    await hass.async_add_executor_job(leave_session)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    await drive(hass, fleet, entry, OTHER_CAR, mileage=200)
    assert state(hass, OTHER_CAR, "mileage_in_kilometers").state == "200"
    assert shown(hass) == {CAR, OTHER_CAR}
    assert "could not be added" not in caplog.text
