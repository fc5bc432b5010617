"""What a user of an INVERS fleet does and sees, in a few words."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from homeassistant.config_entries import SOURCE_USER, ConfigEntryState, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from simulator.invers import EventConsumer

from ..helpers import wait_live

CAR = "AB12C"
OTHER_CAR = "XY98Z"


def form(consumer: EventConsumer, **changes: Any) -> dict[str, Any]:
    """Return the filled form of an event consumer."""
    return {
        "host": consumer.host,
        "port": consumer.port,
        "virtual_host": consumer.virtual_host,
        "username": consumer.username,
        "password": consumer.password,
        "queues": list(consumer.queues.values()),
        "advanced": {"tls": False},
    } | changes


async def open_form(hass: HomeAssistant) -> ConfigFlowResult:
    """Choose INVERS in the menu of a new config flow."""
    menu = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    return await hass.config_entries.flow.async_configure(
        menu["flow_id"], {"next_step_id": "invers"}
    )


async def add_fleet(
    hass: HomeAssistant, consumer: EventConsumer
) -> EvStreamsConfigEntry:
    """Add the fleet through the config flow and wait until its stream is live."""
    opened = await open_form(hass)
    result = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(consumer)
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY, result
    entry: EvStreamsConfigEntry = result["result"]
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    await wait_live(hass, entry)
    return entry


def recorded(
    properties: Mapping[str, Any], at: datetime | None = None, car: str = CAR
) -> dict[str, Any]:
    """Return the data of a recorded state whose properties were all measured at once."""
    when = (at or datetime.now(UTC)).isoformat()
    state = {
        name: {"timestamp": when, "value": value} for name, value in properties.items()
    }
    return {"vehicle_id": car, "state": state}
