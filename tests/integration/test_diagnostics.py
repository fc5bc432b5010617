"""Diagnostics help, and give nobody away."""

import json

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
    get_diagnostics_for_device,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.ev_streams.const import DOMAIN
from simulator.easee import EaseeAccount, EaseeCloud

from .helpers import SERIAL, add_account, wait_for_number

TOKEN = "A1B2C3D4"


async def test_diagnostics_give_nobody_away(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    hass_client: ClientSessionGenerator,
) -> None:
    """What one would send to a stranger holds the facts, and no name, token or secret."""
    entry = await add_account(hass, cloud, account)
    await account.publish(SERIAL, 128, TOKEN)
    await account.publish_raw(f"{SERIAL}.O.120", f"broken {TOKEN} 4711".encode())
    await account.publish(SERIAL, 4242, 1)
    await account.publish(SERIAL, 120, 7.25)
    await wait_for_number(hass, SERIAL, "total_power", 7.25)

    whole = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    device = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, SERIAL), entry.entry_id
    )
    assert device is not None
    one = await get_diagnostics_for_device(hass, hass_client, entry, device)
    for told in (json.dumps(whole), json.dumps(one)):
        for secret in (
            TOKEN,
            "4711",
            SERIAL,
            account.username,
            account.password,
            account.amqp_username,
            account.amqp_password,
            account.queue,
        ):
            assert secret not in told

    assert whole["connection"]["status"] == "live"
    messages = whole["messages"]
    assert messages["received"] == 4
    assert messages["refused"] == {"not_json": 1}
    assert messages["unknown"] == {"observation 4242": 1}
    (refused,) = messages["last_refused"]
    assert refused["size"] == len(f"broken {TOKEN} 4711")
    assert refused["shape"] == "xxxxxx x0x0x0x0 0000"
    (charger,) = whole["devices"]["followed"]
    assert charger["readings"]["total_power"]["value"] == 7.25
    assert charger["readings"]["user_id_token"]["value"] == "**REDACTED**"
    assert one == charger

    parent = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, str(entry.unique_id)), entry.entry_id
    )
    assert parent is not None
    assert await get_diagnostics_for_device(hass, hass_client, entry, parent) == {}
