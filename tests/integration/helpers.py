"""What a user does and sees, in a few words."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing
from datetime import datetime
import json
import sqlite3
from typing import Any

from homeassistant.config_entries import (
    SOURCE_REAUTH,
    SOURCE_USER,
    ConfigEntryState,
    ConfigFlowResult,
)
from homeassistant.core import (
    Event,
    EventStateChangedData,
    HomeAssistant,
    State,
    callback,
)
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
)

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from custom_components.ev_streams.storage import store_path
from simulator.easee import EaseeAccount, EaseeCloud, Measurement
from simulator.easee.observations import ObservationValue
from simulator.rabbitmq import Administrator

PATIENCE = 60.0
SERIAL = "EH000001"


def form(cloud: EaseeCloud, account: EaseeAccount, **changes: Any) -> dict[str, Any]:
    """Return the filled form of an Easee account."""
    return {
        "username": account.username,
        "password": account.password,
        "advanced": {"api_url": cloud.url},
    } | changes


async def open_form(hass: HomeAssistant) -> ConfigFlowResult:
    """Choose Easee in the menu of a new config flow."""
    menu = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    assert menu["type"] is FlowResultType.MENU
    return await hass.config_entries.flow.async_configure(
        menu["flow_id"], {"next_step_id": "easee"}
    )


async def add_account(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    *,
    has_snapshots: bool = True,
) -> EvStreamsConfigEntry:
    """Add the account through the config flow and wait until its stream is live.

    Also until every charger's first values are there, so that none of them turns up
    in the middle of what a test looks at.
    """
    opened = await open_form(hass)
    result = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(cloud, account)
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY, result
    entry: EvStreamsConfigEntry = result["result"]
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    await wait_live(hass, entry)
    if has_snapshots:
        await wait_for_snapshots(entry, account)
    return entry


async def wait_for_snapshots(
    entry: EvStreamsConfigEntry, account: EaseeAccount
) -> None:
    """Wait until the newest values were asked for of every charger that has any."""
    coordinator = entry.runtime_data
    asked = [
        serial
        for serial, charger in account.chargers.items()
        if charger.observations and coordinator.inventory.is_followed(serial)
    ]
    await wait_until(
        lambda: all(coordinator.ledger.readings(serial) for serial in asked),
        "the first values",
    )


async def wait_live(hass: HomeAssistant, entry: EvStreamsConfigEntry) -> None:
    """Wait until the stream says that it is live."""
    await wait_for_state(hass, str(entry.unique_id), "stream_status", "live")


async def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that the broker or the network takes its time for."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"in vain waited for: {what}") from None


async def wait_for_issue(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, kind: str
) -> ir.IssueEntry:
    """Wait until the entry has a repair issue of the kind."""
    await wait_until(lambda: issue(hass, entry, kind) is not None, f"issue {kind}")
    raised = issue(hass, entry, kind)
    assert raised is not None
    return raised


def issue(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, kind: str
) -> ir.IssueEntry | None:
    """Return the entry's repair issue of the kind, if there is one."""
    return ir.async_get(hass).async_get_issue(DOMAIN, f"{kind}_{entry.entry_id}")


async def wait_for_question(hass: HomeAssistant) -> ConfigFlowResult:
    """Wait until the user is asked for credentials, and for nothing else."""
    await wait_until(
        lambda: bool(hass.config_entries.flow.async_progress()), "the question"
    )
    (asked,) = hass.config_entries.flow.async_progress()
    assert asked["context"]["source"] == SOURCE_REAUTH
    return asked


async def queue_is_empty(administrator: Administrator, account: EaseeAccount) -> None:
    """Wait until the broker holds nothing, neither waiting nor unacknowledged."""
    seen = await administrator.queue_state(account.queue)
    try:
        async with asyncio.timeout(PATIENCE):
            while seen.ready or seen.unacknowledged:
                await asyncio.sleep(0.02)
                seen = await administrator.queue_state(account.queue)
    except TimeoutError:
        raise AssertionError(f"the queue is not empty: {seen}") from None


def entity_id(hass: HomeAssistant, device_id: str, key: str) -> str:
    """Find an entity as anything that relies on the fixed names would."""
    registry = er.async_get(hass)
    for domain in ("sensor", "binary_sensor", "event"):
        found = registry.async_get_entity_id(domain, DOMAIN, f"{device_id}_{key}")
        if found is not None:
            return found
    raise AssertionError(f"no entity {device_id}_{key}")


def device_of(hass: HomeAssistant, device_id: str) -> dr.AnyDeviceEntry | None:
    """Return the device of the fixed identifier, if there is one."""
    for entry in hass.config_entries.async_entries(DOMAIN):
        found = dr.async_get(hass).async_get_device_by_identifier(
            (DOMAIN, device_id), entry.entry_id
        )
        if found is not None:
            return found
    return None


def state(hass: HomeAssistant, device_id: str, key: str) -> State:
    """Return the state of a device's key."""
    found = hass.states.get(entity_id(hass, device_id, key))
    assert found is not None
    return found


async def wait_for_state(
    hass: HomeAssistant, device_id: str, key: str, expected: str
) -> State:
    """Wait until the key's state is as expected."""

    def reached() -> bool:
        return state(hass, device_id, key).state == expected

    try:
        await wait_until(reached, f"{key} = {expected}")
    except AssertionError as err:
        seen = state(hass, device_id, key).state
        raise AssertionError(f"{err}; it is {seen}") from None
    return state(hass, device_id, key)


async def wait_for_number(
    hass: HomeAssistant, device_id: str, key: str, expected: float
) -> State:
    """Wait until the key's state is the number expected, in its native unit."""

    def reached() -> bool:
        try:
            return abs(float(state(hass, device_id, key).state) - expected) < 1e-9
        except ValueError:
            return False

    await wait_until(reached, f"{key} = {expected}")
    return state(hass, device_id, key)


def session_json(
    start: datetime, stop: datetime | None = None, energy: float | None = None
) -> str:
    """Compose the vendor's session JSON, session 435."""
    members: dict[str, object] = {
        "Id": 435,
        "Start": start.isoformat(),
        "Auth": "",
        "AuthReason": 0,
    }
    if stop is None or energy is None:
        return json.dumps(members | {"MeterValue": 1000.0})
    return json.dumps(
        members
        | {
            "Stop": stop.isoformat(),
            "EnergyKwh": energy,
            "MeterValueStart": 1000.0,
            "MeterValueStop": 1000.0 + energy,
        }
    )


def marker(
    hass: HomeAssistant, account: EaseeAccount
) -> Callable[[int], Awaitable[None]]:
    """Return a way to wait until everything published so far has been handled.

    A mark is a temperature that was not published before.
    """

    async def mark(temperature: int) -> None:
        await account.publish(SERIAL, 150, temperature)
        await wait_for_number(hass, SERIAL, "temp_max", temperature)

    return mark


def record_states(hass: HomeAssistant, watched: str) -> list[str]:
    """Return a list that grows with every state written for the entity."""
    seen: list[str] = []

    @callback
    def note(event: Event[EventStateChangedData]) -> None:
        new = event.data["new_state"]
        if event.data["entity_id"] == watched and new is not None:
            seen.append(new.state)

    hass.bus.async_listen("state_changed", note)
    return seen


def record_events(hass: HomeAssistant) -> list[dict[str, object]]:
    """Return a list that grows with every charging session event.

    An event's state is the time at which it fired; the same one again is a
    state restored, no event.
    """
    watched = entity_id(hass, SERIAL, "charging_session")
    fired: set[str] = set()
    seen: list[dict[str, object]] = []

    @callback
    def note(event: Event[EventStateChangedData]) -> None:
        new = event.data["new_state"]
        if event.data["entity_id"] != watched or new is None:
            return
        if new.state not in {"unavailable", "unknown", *fired}:
            fired.add(new.state)
            seen.append(dict(new.attributes))

    hass.bus.async_listen("state_changed", note)
    return seen


def measured(
    time: datetime, observation_id: int, value: ObservationValue
) -> Measurement:
    """Return one measurement of a charger."""
    return Measurement(time=time, observation_id=observation_id, value=value)


def session_start(number: int, start: datetime, meter: float = 1000.0) -> Measurement:
    """Return what a charger reports of a session's start."""
    told = {"Id": number, "Start": start.isoformat(), "MeterValue": meter, "Auth": ""}
    return measured(start, 223, json.dumps(told))


def session_stop(
    number: int, start: datetime, stop: datetime, energy: float, meter: float = 1000.0
) -> Measurement:
    """Return what a charger reports of a session's stop; `meter` is that of its start."""
    told = {
        "Id": number,
        "Start": start.isoformat(),
        "Stop": stop.isoformat(),
        "EnergyKwh": energy,
        "MeterValueStart": meter,
        "MeterValueStop": meter + energy,
        "Auth": "",
    }
    return measured(stop, 129, json.dumps(told))


def record_session_events(
    hass: HomeAssistant, serial: str = SERIAL
) -> list[dict[str, Any]]:
    """Return a list that grows with the attributes of every session event of a charger.

    An event that is shown again after a reload has the time and the session of
    the one before it. Of two in one millisecond only the session differs.
    """
    watched = entity_id(hass, serial, "charging_session")
    known: set[tuple[object, ...]] = set()
    seen: list[dict[str, Any]] = []

    @callback
    def note(event: Event[EventStateChangedData]) -> None:
        new = event.data["new_state"]
        if event.data["entity_id"] != watched or new is None:
            return
        shown = (new.state, *phases([new.attributes]))
        if new.state not in {"unavailable", "unknown"} and shown not in known:
            known.add(shown)
            seen.append(dict(new.attributes))

    hass.bus.async_listen("state_changed", note)
    return seen


def record_event_entities(hass: HomeAssistant, key: str) -> list[dict[str, Any]]:
    """Return a list that grows with what each event entity of the key fires.

    With its attributes comes the `device` that it belongs to. The same time of the same
    entity again is a state restored, or its device has another name: no event.
    """
    known: set[tuple[str, str, str]] = set()
    seen: list[dict[str, Any]] = []
    registry = er.async_get(hass)

    @callback
    def note(event: Event[EventStateChangedData]) -> None:
        new = event.data["new_state"]
        entry = registry.async_get(event.data["entity_id"])
        if new is None or entry is None or not entry.unique_id.endswith(f"_{key}"):
            return
        if entry.domain != "event" or new.state in {"unavailable", "unknown"}:
            return
        told = {**new.attributes, "friendly_name": None}
        shown = (entry.unique_id, new.state, str(told))
        if shown not in known:
            known.add(shown)
            device = entry.unique_id.removesuffix(f"_{key}")
            seen.append({"device": device, **new.attributes})

    hass.bus.async_listen("state_changed", note)
    return seen


def phases(events: Iterable[Any]) -> list[tuple[str | None, str | None]]:
    """Return (event type, session id) of session events."""
    return [(each.get("event_type"), each.get("session_id")) for each in events]


async def stored(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, query: str
) -> list[Any]:
    """Ask the entry's file for rows, by a connection of its own: what it sees is committed."""

    def ask() -> list[Any]:
        with closing(sqlite3.connect(store_path(hass, entry.entry_id))) as connection:
            return connection.execute(query).fetchall()

    return await hass.async_add_executor_job(ask)


async def stored_values(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, serial: str = SERIAL
) -> dict[str, Any]:
    """Return the newest values of a charger that are in the entry's file, by key."""
    # What is kept of the device itself is no value.
    query = (
        "SELECT key, value FROM readings "
        f"WHERE device_id = '{serial}' AND key NOT LIKE '.%'"
    )
    return {key: json.loads(value) for key, value in await stored(hass, entry, query)}


async def stored_sessions(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, serial: str = SERIAL
) -> dict[str, float | None]:
    """Return the energies of a charger's sessions that are in the entry's file, by id."""
    query = f"SELECT session_id, energy FROM sessions WHERE device_id = '{serial}'"
    return dict(await stored(hass, entry, query))
