"""What one would send to a stranger, or read in the log, gives nobody away."""

import json
import logging

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
import pytest
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
    get_diagnostics_for_device,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.ev_streams.const import DOMAIN

from ..helpers import state, wait_for_state, wait_until
from .helpers import OTHER_VIN, VIN, Partner, add_partner, add_vehicle, change_vehicle
from .test_mapping import field_form

OWNER = "Ada Lovelace"
PLACE = 47.3744


async def test_diagnostics_and_log_give_nobody_away(
    hass: HomeAssistant,
    partner: Partner,
    hass_client: ClientSessionGenerator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """They tell what messages are built like, and none of their values."""
    caplog.set_level(logging.DEBUG, "custom_components.ev_streams")
    entry = await add_partner(hass, partner)
    await add_vehicle(hass, entry)
    await partner.say({"driver": OWNER, "at": {"lat": PLACE}, VIN: [1, "x"]})
    await partner.say("hello", vin=OTHER_VIN)
    await wait_for_state(hass, VIN, "message_count", "1")
    await change_vehicle(
        hass,
        entry,
        "add_field",
        {"path": "driver"},
        field_form(path="driver", name="Driver"),
        "save_field",
    )
    assert state(hass, VIN, "driver").state == OWNER
    await partner.say({"driver": OWNER})
    topic = f"psa/OVIPPartners-Dev/to/uid/{partner.account.uid}/opa/{VIN}"
    await partner.platform.publish(topic, b"\xff" + OWNER.encode())
    refusals = entry.runtime_data.refusals
    await wait_until(lambda: refusals.counts.total() == 1, "the one that is refused")

    device = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, VIN), entry.entry_id
    )
    assert device is not None
    whole = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    of_vehicle = await get_diagnostics_for_device(hass, hass_client, entry, device)
    secrets = (
        VIN,
        OTHER_VIN,
        OWNER,
        str(PLACE),
        partner.account.uid,
        partner.account.password,
        "PRIVATE KEY",
    )
    own = [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("custom_components.ev_streams")
    ]
    for told in (json.dumps(whole), json.dumps(of_vehicle), "\n".join(own)):
        assert [secret for secret in secrets if secret in told] == []
    shapes = [each["shape"] for each in of_vehicle["recent_messages"]]
    assert shapes == [
        {"driver": "str"},
        {"driver": "str", "at": {"lat": "float"}, "**REDACTED**": ["int", "str"]},
    ]
    assert of_vehicle["readings"]["message_count"]["value"] == 2
    assert of_vehicle["readings"]["driver"]["value"] == "**REDACTED**"
    (refused,) = whole["messages"]["last_refused"]
    assert refused["reason"] == "not_a_text"
