"""What a user does in the options of an account."""

from collections.abc import Mapping
from typing import Any

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType

from custom_components.ev_streams.coordinator import EvStreamsConfigEntry

from .helpers import wait_live


async def choose(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, *inputs: str | Mapping[str, Any]
) -> ConfigFlowResult:
    """Open the options and answer one step after the other; a text is a choice in a menu."""
    step = await hass.config_entries.options.async_init(entry.entry_id)
    for each in inputs:
        answer = {"next_step_id": each} if isinstance(each, str) else dict(each)
        step = await hass.config_entries.options.async_configure(
            step["flow_id"], answer
        )
    if step["type"] is FlowResultType.CREATE_ENTRY:
        await hass.async_block_till_done()
        await wait_live(hass, entry)
    return step
