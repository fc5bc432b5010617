"""What a car says becomes states and events, whatever shape it comes in."""

from homeassistant.core import HomeAssistant

from ..helpers import state, wait_for_state
from .helpers import VIN, Partner, add_partner, add_vehicle


async def test_messages_of_a_vehicle_are_counted(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(hass, partner)
    await add_vehicle(hass, entry)
    await partner.say({"type": "action", "action": "arrived"})
    await wait_for_state(hass, VIN, "message_count", "1")
    event = state(hass, VIN, "message")
    assert event.attributes["event_type"] == "received"
    assert event.attributes["type"] == "action"
    assert event.attributes["action"] == "arrived"
