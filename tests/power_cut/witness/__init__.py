"""An integration that writes down every state of an event entity as it comes.

The recorder may lose what came within its last second before a power cut; what
was heard was heard nevertheless.
"""

import json
import os

from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers.typing import ConfigType


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Listen from the start, before any configuration entry is set up."""
    # No buffer: what is written is the system's, and outlives us.
    notes = await hass.async_add_executor_job(
        os.open,
        hass.config.path("witness.jsonl"),
        os.O_WRONLY | os.O_CREAT | os.O_APPEND,
    )

    @callback
    def note(event: Event[EventStateChangedData]) -> None:
        entity_id, new = event.data["entity_id"], event.data["new_state"]
        if new is not None and entity_id.startswith("event."):
            said = {"entity_id": entity_id, "state": new.state, **new.attributes}
            os.write(notes, f"{json.dumps(said, default=str)}\n".encode())

    hass.bus.async_listen("state_changed", note)
    return True
