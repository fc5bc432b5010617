"""What the README says to copy works."""

from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import async_mock_service

from ..helpers import entity_id, wait_until
from ..test_readme import example
from .helpers import VIN, Partner, add_partner, add_vehicle


async def test_the_car_asks_for_the_garage(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(hass, partner)
    await add_vehicle(hass, entry)
    assert entity_id(hass, VIN, "message") == "event.family_car_message"
    told = async_mock_service(hass, "persistent_notification", "create")
    automation = example("- alias: The car asks for the garage")
    assert await async_setup_component(hass, "automation", automation)
    await partner.say({"type": "action", "action": "somethingElse"})
    await partner.say({"type": "action", "action": "openGarage"})
    await wait_until(lambda: len(told) == 1, "the notification")
    assert told[0].data["message"] == "The car is at the gate."
    await hass.services.async_call(
        "automation", "turn_off", {"entity_id": "all"}, blocking=True
    )


async def test_a_message_of_the_example_is_acknowledged(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(hass, partner)
    await add_vehicle(hass, entry)
    partner.platform.install_app(
        partner.account.uid, VIN, lambda content: {"id": content["id"]}
    )
    step = example("action: ev_streams.send_message\ndata:")
    sequence = [
        step | {"response_variable": "told"},
        {"stop": "done", "response_variable": "told"},
    ]
    assert await async_setup_component(
        hass, "script", {"script": {"refresh": {"sequence": sequence}}}
    )
    told = await hass.services.async_call(
        "script", "refresh", blocking=True, return_response=True
    )
    assert told is not None
    assert told["acknowledged"] is True
