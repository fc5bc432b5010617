"""Repairs: what the user has to take note of, nothing else remains to be done."""

from homeassistant.components.repairs import ConfirmRepairFlow, RepairsFlow
from homeassistant.core import HomeAssistant


async def async_create_fix_flow(
    hass: HomeAssistant,
    issue_id: str,
    data: dict[str, str | int | float | None] | None,
) -> RepairsFlow:
    """Tell what became of a damaged file; confirming it makes the issue go."""
    return ConfirmRepairFlow()
