"""A session starts once and stops once, however many notifications tell of it."""

import itertools

from homeassistant.core import HomeAssistant
import pytest

from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from simulator.ampeco import AmpecoTenant, notifications

from ..helpers import phases, record_event_entities, state, wait_for_number
from .helpers import EVSE, EVSE_DEVICE, OTHER_EVSE, OTHER_EVSE_DEVICE, POINT, Caller
from .told import BEGIN, END, MINUTE, meter, start, stop, update


async def test_a_number_and_a_text_are_the_same_id(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, caller: Caller
) -> None:
    """One session and one device, however the notification writes their ids."""
    sessions = record_event_entities(hass, "charging_session")
    as_text = {"chargePointId": POINT, "evseId": EVSE, "sessionId": "70001"}
    assert await caller.call(entry, start()) == 202
    assert await caller.call(entry, start() | as_text) == 202
    assert await caller.call(entry, update("active", END)) == 202
    assert await caller.call(entry, meter(1001.0) | as_text) == 202
    assert await caller.call(entry, stop() | as_text) == 202
    await hass.async_block_till_done()
    assert phases(sessions) == [("started", "70001"), ("stopped", "70001")]
    assert entry.runtime_data.inventory.listed.keys() == {POINT, EVSE_DEVICE}


async def test_old_and_new_notifications_are_of_one_session(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, tenant: AmpecoTenant
) -> None:
    sessions = record_event_entities(hass, "charging_session")
    for each in (
        *(start(is_old=True), start(), update("active", BEGIN)),
        *(stop(is_old=True), stop(), update("finished", END, energy=5200)),
    ):
        await tenant.notify(each)
    await hass.async_block_till_done()
    assert phases(sessions) == [("started", "70001"), ("stopped", "70001")]
    assert sessions[1]["device"] == POINT
    assert sessions[1]["evse"] == EVSE
    assert sessions[1]["started_at"] == BEGIN.isoformat()
    assert sessions[1]["stopped_at"] == END.isoformat()
    assert sessions[1]["energy"] == 5.2
    assert sessions[1]["duration"] == 180
    assert state(hass, POINT, "charging_session_energy").state == "5.2"


STORY = (
    ("start", start()),
    ("active", update("active", BEGIN + MINUTE, energy=1700)),
    ("stop", stop()),
    ("finished", update("finished", END, energy=5200)),
)


@pytest.mark.parametrize(
    "order",
    list(itertools.permutations(range(4))),
    ids=lambda order: "-".join(STORY[at][0] for at in order),
)
async def test_a_session_is_told_once_in_whatever_order_it_comes(
    hass: HomeAssistant,
    entry: EvStreamsConfigEntry,
    caller: Caller,
    order: tuple[int, ...],
) -> None:
    sessions = record_event_entities(hass, "charging_session")
    # An outlet that has told its power once comes to rest after each session.
    idle = notifications.session_meter_values(
        charge_point_id=int(POINT),
        evse_id=int(EVSE),
        session_id=70000,
        moment=BEGIN - MINUTE,
        values=[("Power Active Import", 0.0, "W")],
    )
    assert await caller.call(entry, idle) == 202
    for at in order:
        assert await caller.call(entry, STORY[at][1]) == 202
    await hass.async_block_till_done()
    entry.runtime_data.announcer.release()
    assert sorted(phases(sessions)) == [("started", "70001"), ("stopped", "70001")]
    stopped = next(each for each in sessions if each["event_type"] == "stopped")
    assert stopped["started_at"] == BEGIN.isoformat()
    assert stopped["stopped_at"] == END.isoformat()
    assert stopped["energy"] == 5.2
    await wait_for_number(hass, EVSE_DEVICE, "session_energy", 5.2)
    await wait_for_number(hass, EVSE_DEVICE, "power", 0)


async def test_two_outlets_have_sessions_at_once(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, tenant: AmpecoTenant
) -> None:
    sessions = record_event_entities(hass, "charging_session")
    later = BEGIN + MINUTE
    for each in (
        start(EVSE, 1),
        start(OTHER_EVSE, 2, later),
        update("active", later, energy=500, evse=EVSE, session=1),
        update("active", later, energy=700, evse=OTHER_EVSE, session=2),
        stop(EVSE, 1, END - MINUTE, energy=3000),
        stop(OTHER_EVSE, 2, END, energy=2000),
    ):
        await tenant.notify(each)
    await hass.async_block_till_done()
    assert [
        (each["event_type"], each["session_id"], each["evse"], each["energy"])
        for each in sessions
    ] == [
        ("started", "1", EVSE, None),
        ("started", "2", OTHER_EVSE, None),
        ("stopped", "1", EVSE, 3.0),
        ("stopped", "2", OTHER_EVSE, 2.0),
    ]
    assert {each["device"] for each in sessions} == {POINT}
    await wait_for_number(hass, EVSE_DEVICE, "session_energy", 3)
    await wait_for_number(hass, OTHER_EVSE_DEVICE, "session_energy", 2)
