"""The life of an entry: set up, unloaded, reloaded, removed, stopped with Home Assistant."""

import asyncio
from datetime import UTC, datetime, timedelta
import json

from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components import ev_streams
from custom_components.ev_streams.const import DOMAIN
from simulator.easee import EaseeAccount, EaseeCloud
from simulator.rabbitmq import Administrator

from .helpers import (
    SERIAL,
    add_account,
    entity_id,
    issue,
    queue_is_empty,
    wait_for_issue,
    wait_for_number,
    wait_live,
    wait_until,
)


async def test_setup_waits_for_the_api(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """An API that is down at start-up delays the entry instead of failing it."""
    entry = await add_account(hass, cloud, account)
    await hass.config_entries.async_unload(entry.entry_id)
    cloud.fail_next("/api/accounts/login", status=503)
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(minutes=1))
    await wait_until(lambda: entry.state is ConfigEntryState.LOADED, "the setup")
    await wait_live(hass, entry)


async def test_setup_keeps_nobody_waiting_for_an_api_that_asks_for_patience(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Home Assistant comes back to it by itself."""
    entry = await add_account(hass, cloud, account)
    await hass.config_entries.async_unload(entry.entry_id)
    monkeypatch.setattr(ev_streams, "SETUP_PATIENCE", 0.5)
    cloud.fail_next(
        "/api/accounts/login", status=429, headers={"Retry-After": "30"}, times=9
    )
    async with asyncio.timeout(20):
        await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.reason is not None
    assert "no answer in time" in entry.reason


async def test_setup_asks_for_a_password_that_is_refused(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """A login refused at start-up is the user's business at once."""
    entry = await add_account(hass, cloud, account)
    await hass.config_entries.async_unload(entry.entry_id)
    account.set_password("changed")
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    (asked,) = hass.config_entries.flow.async_progress()
    assert asked["context"]["source"] == SOURCE_REAUTH


async def test_unload_leaves_no_consumer(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """Unloaded is unloaded: nobody eats from the queue, and what comes then waits there."""
    entry = await add_account(hass, cloud, account)
    assert (await administrator.queue_state(account.queue)).consumers == 1
    await hass.config_entries.async_unload(entry.entry_id)
    seen = await administrator.queue_state(account.queue)
    assert seen.consumers == 0
    await account.publish(SERIAL, 120, 6.25)
    assert (await administrator.queue_state(account.queue)).ready == 1

    await hass.config_entries.async_setup(entry.entry_id)
    await wait_for_number(hass, SERIAL, "total_power", 6.25)
    await wait_until(
        lambda: entry.runtime_data.vitals.messages == 1, "the message that waited"
    )
    assert (await administrator.queue_state(account.queue)).consumers == 1


async def test_reload_loses_nothing(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """Reloads in the middle of a busy stream: every session fires, none is forgotten."""
    entry = await add_account(hass, cloud, account)
    fired: set[str] = set()
    watched = entity_id(hass, SERIAL, "charging_session")

    @callback
    def note(event: Event[EventStateChangedData]) -> None:
        new = event.data["new_state"]
        if event.data["entity_id"] == watched and new:
            fired.add(new.attributes.get("session_id", ""))

    hass.bus.async_listen("state_changed", note)
    start = datetime.now(UTC).isoformat()
    reloads: list[asyncio.Task[bool]] = []
    for number in range(120):
        session = json.dumps({"Id": number, "Start": start})
        await account.publish(SERIAL, 223, session, remember=False)
        if number % 40 == 20:
            reloads.append(
                hass.async_create_task(hass.config_entries.async_reload(entry.entry_id))
            )
    await asyncio.gather(*reloads)
    await wait_live(hass, entry)
    await queue_is_empty(administrator, account)
    await hass.async_block_till_done()
    assert fired - {""} == {str(number) for number in range(120)}
    assert (await administrator.queue_state(account.queue)).consumers == 1


async def test_unload_that_fails_leaves_the_stream_running(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An entry that cannot be unloaded goes on as before."""
    entry = await add_account(hass, cloud, account)
    unload = hass.config_entries.async_unload_platforms

    async def refuse(*_: object) -> bool:
        return False

    monkeypatch.setattr(hass.config_entries, "async_unload_platforms", refuse)
    assert not await hass.config_entries.async_unload(entry.entry_id)
    monkeypatch.setattr(hass.config_entries, "async_unload_platforms", unload)
    await account.publish(SERIAL, 120, 4.75)
    await wait_for_number(hass, SERIAL, "total_power", 4.75)
    await entry.runtime_data.stop()


async def test_removed_entry_takes_its_repairs_along(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """Nobody is told to mend the queue of an account that is not there any more."""
    entry = await add_account(hass, cloud, account)
    await administrator.delete_queue(account.queue)
    await wait_for_issue(hass, entry, "source_gone")
    await hass.config_entries.async_remove(entry.entry_id)
    assert issue(hass, entry, "source_gone") is None


async def test_removed_entry_leaves_nothing(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """Removing the entry closes the connection and takes its entities and issues along."""
    entry = await add_account(hass, cloud, account)
    await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()
    assert (await administrator.queue_state(account.queue)).consumers == 0
    assert not [s for s in hass.states.async_all() if "ev_streams" in s.entity_id]
    assert not [i for i in ir.async_get(hass).issues if i[0] == DOMAIN]


async def test_stopping_home_assistant_closes_the_stream(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """On the way down the connection is closed properly, not left to a heartbeat."""
    await add_account(hass, cloud, account)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await hass.async_block_till_done()
    assert (await administrator.queue_state(account.queue)).consumers == 0


async def test_stopping_in_the_middle_of_an_unload_acknowledges_what_is_kept(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """Home Assistant ends the stream once more, while that is settling."""
    entry = await add_account(hass, cloud, account)
    await queue_is_empty(administrator, account)
    for power in range(20):
        await account.publish(SERIAL, 120, float(power))
    await wait_for_number(hass, SERIAL, "total_power", 19.0)
    unloading = hass.async_create_task(hass.config_entries.async_unload(entry.entry_id))
    await asyncio.sleep(0.001)
    await hass.async_stop(force=True)
    await asyncio.wait({unloading})
    told = await administrator.queue_state(account.queue)
    assert (told.ready, told.unacknowledged, told.consumers) == (0, 0, 0)
