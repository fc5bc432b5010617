"""System health: how many streams there are, and how they fare."""

from typing import Any

from homeassistant.components.system_health import SystemHealthRegistration
from homeassistant.core import HomeAssistant, callback

from .const import DOMAIN
from .coordinator import EvStreamsConfigEntry


@callback
def async_register(hass: HomeAssistant, register: SystemHealthRegistration) -> None:
    """Register what the system information page shows."""
    register.async_register_info(system_health_info)


async def system_health_info(hass: HomeAssistant) -> dict[str, Any]:
    """Return the number of streams, connected ones, messages and refusals."""
    entries: list[EvStreamsConfigEntry] = hass.config_entries.async_loaded_entries(
        DOMAIN
    )
    coordinators = [entry.runtime_data for entry in entries]
    return {
        "streams": len(coordinators),
        "connected": sum(each.connection.is_connected for each in coordinators),
        "messages": sum(each.vitals.messages for each in coordinators),
        "refused": sum(each.refusals.counts.total() for each in coordinators),
    }
