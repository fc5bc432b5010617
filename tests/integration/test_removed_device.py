"""A charger that the user removes: nothing of it is left, or all of it."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
import sqlite3

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.ev_streams import commit, store
from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.storage import store_path
from simulator.easee import EaseeAccount, EaseeCloud

from .helpers import (
    add_account,
    measured,
    session_start,
    state,
    stored_sessions,
    wait_until,
)

GONE = "EH000002"


async def test_removed_charger_leaves_nothing_behind(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    hass_ws_client: WebSocketGenerator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not even what was still to be written; with a file in use by others it stays whole."""
    monkeypatch.setattr(commit, "LIVE_PERIOD", 3600.0)
    monkeypatch.setattr(store, "BUSY_TIMEOUT", 0.05)
    account.add_charger(GONE, name="Street")
    entry = await add_account(hass, cloud, account)
    assert await async_setup_component(hass, "config", {})
    client = await hass_ws_client(hass)
    now = datetime.now(UTC).replace(microsecond=0)
    await account.publish_many(GONE, [session_start(435, now - timedelta(minutes=1))])
    account.remove_charger(GONE)
    # A stranger on the queue makes the account's list be asked for.
    await account.publish("EH000003", 120, 1.0, remember=False)
    await wait_until(
        lambda: state(hass, GONE, "total_power").state == "unavailable",
        "the end of the charger",
    )
    await account.publish_many(GONE, [measured(now, 120, 2.5)], remember=False)
    ledger = entry.runtime_data.ledger

    def is_known() -> bool:
        held = ledger.reading(GONE, "total_power")
        return held is not None and held.value == 2.5

    await wait_until(is_known, "the last value")
    device = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, GONE), entry.entry_id
    )
    assert device is not None
    with closing(
        sqlite3.connect(store_path(hass, entry.entry_id), autocommit=True)
    ) as other:
        other.execute("BEGIN IMMEDIATE")
        refused = await client.remove_device(device.id)
        assert not refused["success"]
        assert refused["error"]["translation_key"] == "store_unavailable"
        assert is_known()
        assert [each.session_id for each in ledger.sessions(GONE)][-1:] == ["435"]
        other.execute("ROLLBACK")

    assert (await client.remove_device(device.id))["success"]
    assert ledger.sessions(GONE) == []
    assert await entry.runtime_data.committer.flush()
    assert await stored_sessions(hass, entry, GONE) == {}
    with closing(sqlite3.connect(store_path(hass, entry.entry_id))) as file:
        for table in ("readings", "sessions", "announced", "points"):
            devices = file.execute(f"SELECT DISTINCT device_id FROM {table}")
            assert GONE not in {each for (each,) in devices}
