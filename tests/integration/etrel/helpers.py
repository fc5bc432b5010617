"""What a user of an Etrel API access does and sees, in a few words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from homeassistant.config_entries import SOURCE_USER, ConfigEntryState, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from simulator.etrel import (
    ApiAccess,
    ChargingSession,
    EtrelOcean,
    Notification,
    Station,
)

from ..helpers import wait_live, wait_until

STATION = Station()
LOCATION = "location_77"
POINT = "SI-LJ-0077-A"
OTHER_POINT = "SI-LJ-0077-B"
CONNECTOR = f"{POINT}_connector_1"
OTHER_CONNECTOR = f"{POINT}_connector_2"
NOW = datetime.now(UTC).replace(microsecond=0)


def form(ocean: EtrelOcean, access: ApiAccess, **changes: Any) -> dict[str, Any]:
    """Return the filled form of an access: its types of messages are picked."""
    broker = ocean.administrator.broker
    advanced = {"tls": False, "time_zone": "Europe/Ljubljana"}
    return {
        "host": broker.host,
        "port": broker.port,
        "virtual_host": "/",
        "username": access.username,
        "password": access.api_key,
        "queues": list(access.queues),
        "advanced": advanced | changes.pop("advanced", {}),
    } | changes


async def open_form(hass: HomeAssistant) -> ConfigFlowResult:
    """Choose Etrel in the menu of a new config flow."""
    menu = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    return await hass.config_entries.flow.async_configure(
        menu["flow_id"], {"next_step_id": "etrel"}
    )


async def add_access(
    hass: HomeAssistant, ocean: EtrelOcean, access: ApiAccess, **changes: Any
) -> EvStreamsConfigEntry:
    """Add the access through the config flow and wait until its stream is live."""
    opened = await open_form(hass)
    result = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(ocean, access, **changes)
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY, result
    entry: EvStreamsConfigEntry = result["result"]
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    await wait_live(hass, entry)
    return entry


def session(number: int = 5001, **changes: Any) -> ChargingSession:
    """Return a session of 45 minutes at 8 kW that is just over."""
    usual = ChargingSession(
        session_id=number,
        charge_point=POINT,
        connector=1,
        connected=NOW - timedelta(minutes=50),
        started=NOW - timedelta(minutes=46),
        stopped=NOW - timedelta(minutes=1),
        power=8.0,
        meter_start=100.0,
    )
    return replace(usual, **changes)


async def received(entry: EvStreamsConfigEntry, count: int) -> None:
    """Wait until so many messages have come since the entry was loaded."""
    vitals = entry.runtime_data.vitals
    await wait_until(lambda: vitals.messages >= count, f"message {count}")


async def tell(
    entry: EvStreamsConfigEntry, ocean: EtrelOcean, *notifications: Notification
) -> None:
    """Let one message after the other be told, and come.

    Each type has a queue of its own: nothing else keeps them in order.
    """
    for notification in notifications:
        count = entry.runtime_data.vitals.messages + 1
        await ocean.publish(notification)
        await received(entry, count)


def registered(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, device_id: str
) -> dr.DeviceEntry:
    """Return the device of the fixed identifier."""
    found = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, device_id), entry.entry_id
    )
    assert isinstance(found, dr.DeviceEntry), device_id
    return found
