"""Who charged is nobody's business unless the user says so."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from homeassistant.core import HomeAssistant

from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from custom_components.ev_streams.storage import store_path
from simulator.easee import EaseeAccount, EaseeCloud
from simulator.easee.sessions import ChargingSession
from simulator.rabbitmq import Administrator

from .helpers import (
    SERIAL,
    add_account,
    measured,
    queue_is_empty,
    wait_for_state,
    wait_live,
)

TOKEN = "04A1B2C3D4E5F6"


async def choose(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, *, tokens: bool
) -> None:
    """Choose in the options whether tokens of sessions are kept."""
    opened = await hass.config_entries.options.async_init(entry.entry_id)
    await hass.config_entries.options.async_configure(
        opened["flow_id"], {"grace_time": 60, "session_tokens": tokens}
    )
    await hass.async_block_till_done()
    await wait_live(hass, entry)


async def is_in_the_file(hass: HomeAssistant, entry: EvStreamsConfigEntry) -> bool:
    """Whether the token stands anywhere in what the entry has on the disk."""
    path = store_path(hass, entry.entry_id)

    def look() -> bool:
        files = [Path(f"{path}{suffix}") for suffix in ("", "-wal")]
        return any(
            TOKEN.encode() in file.read_bytes() for file in files if file.exists()
        )

    await entry.runtime_data.committer.flush()
    return await hass.async_add_executor_job(look)


async def publish_session(account: EaseeAccount) -> None:
    """Publish a session that a token started."""
    stop = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    start = stop - timedelta(hours=1)
    session = ChargingSession(session_id=7, start=start, meter_start=1.0, token=TOKEN)
    told = [
        measured(start, 223, session.started()),
        measured(stop, 129, session.ended(stop, 5.0)),
    ]
    await account.publish_many(SERIAL, told, remember=False)


async def test_token_reaches_the_disk_only_if_wanted(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """Neither that of a session nor the one that the charger tells by itself."""
    entry = await add_account(hass, cloud, account)
    await publish_session(account)
    await account.publish(SERIAL, 128, TOKEN)
    await queue_is_empty(administrator, account)
    assert not await is_in_the_file(hass, entry)


async def test_token_shown_is_not_written(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    every_entity_enabled: None,
) -> None:
    """Somebody who enables the sensor sees the token; the file holds it no more than before."""
    entry = await add_account(hass, cloud, account)
    await account.publish(SERIAL, 128, TOKEN)
    await wait_for_state(hass, SERIAL, "user_id_token", TOKEN)
    assert not await is_in_the_file(hass, entry)


async def test_tokens_go_with_the_wish_to_keep_them(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """Turned off again, what was kept is forgotten; the sessions stay."""
    entry = await add_account(hass, cloud, account)
    await choose(hass, entry, tokens=True)
    await publish_session(account)
    await queue_is_empty(administrator, account)
    assert await is_in_the_file(hass, entry)
    await choose(hass, entry, tokens=False)
    (session,) = [
        each
        for each in entry.runtime_data.ledger.sessions(SERIAL)
        if each.session_id == "7"
    ]
    assert session.token is None
    await entry.runtime_data.committer.flush()
    await hass.config_entries.async_reload(entry.entry_id)
    assert not await is_in_the_file(hass, entry)
    kept = entry.runtime_data.ledger.session(SERIAL, "7")
    assert kept is not None
    assert kept.token is None
