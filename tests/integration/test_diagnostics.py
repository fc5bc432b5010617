"""Diagnostics help, and give nobody away."""

from datetime import UTC, datetime, timedelta
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

from .helpers import SERIAL, add_account, session_json, wait_for_number, wait_live

TOKEN = "A1B2C3D4"
SIGNATURE = "3045022100E0B5"


async def test_diagnostics_give_nobody_away(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    hass_client: ClientSessionGenerator,
) -> None:
    """What one would send to a stranger holds the facts, and no name, token or secret."""
    entry = await add_account(hass, cloud, account)
    hass.config_entries.async_update_entry(entry, options={"session_tokens": True})
    assert await hass.config_entries.async_reload(entry.entry_id)
    await wait_live(hass, entry)
    long_ago = datetime.now(UTC) - timedelta(hours=5)
    session = json.loads(session_json(long_ago, long_ago + timedelta(hours=1), 7.5))
    session = json.dumps(session | {"Auth": TOKEN, "Signature": SIGNATURE})
    await account.publish(SERIAL, 129, session)
    await account.publish(SERIAL, 60, session)
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
            SIGNATURE,
            "4711",
            SERIAL,
            account.username,
            account.password,
            account.amqp_username,
            account.amqp_password,
            account.queue,
        ):
            assert secret not in told

    assert whole["data"] == {
        "provider": "easee",
        "username": "**REDACTED**",
        "password": "**REDACTED**",
        "api_url": cloud.url,
    }
    assert whole["connection"]["status"] == "live"
    messages = whole["messages"]
    assert messages["received"] == 6
    assert messages["refused"] == {"not_json": 1}
    assert messages["unknown"] == {"observation 4242": 1}
    (refused,) = messages["last_refused"]
    assert refused["size"] == len(f"broken {TOKEN} 4711")
    assert refused["shape"] == "xxxxxx x0x0x0x0 0000"
    (charger,) = whole["devices"]["followed"]
    assert charger["readings"]["total_power"]["value"] == 7.25
    assert charger["readings"]["user_id_token"]["value"] == "**REDACTED**"
    # The one of yesterday that the cloud told, and the one that the stream told.
    assert charger["sessions"] == 2
    assert charger["last_session"]["energy"] == 7.5
    assert one == charger
    assert whole["options"] == {"session_tokens": True}
    assert whole["store"]["commits"] >= 1
    assert whole["store"]["last_error"] is None
    assert whole["history"] == {"hours_waiting": 0, "rows_written": 0, "import": None}

    parent = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, str(entry.unique_id)), entry.entry_id
    )
    assert parent is not None
    assert await get_diagnostics_for_device(hass, hass_client, entry, parent) == {}
