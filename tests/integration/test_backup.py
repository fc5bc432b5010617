"""A backup of Home Assistant holds a sound copy of the account's file."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
import shutil

from homeassistant.core import HomeAssistant
import pytest

from custom_components.ev_streams.backup import async_post_backup, async_pre_backup
from custom_components.ev_streams.batch import Contents
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from custom_components.ev_streams.storage import store_path
from custom_components.ev_streams.store import Store
from simulator.easee import EaseeAccount, EaseeCloud
from simulator.rabbitmq import Administrator

from .helpers import SERIAL, add_account, queue_is_empty, wait_for_number, wait_until

OTHER = "EH000002"


def copied(path: Path, target: Path) -> Path:
    """Copy the file and what lies beside it one after the other, as a backup does."""
    target.mkdir()
    for file in sorted(path.parent.iterdir()):
        if file.name.startswith(path.name):
            shutil.copy(file, target / file.name)
    return target / path.name


async def contents(path: Path) -> Contents:
    store = Store(path)
    try:
        return await store.open()
    finally:
        await store.close()


def powers(held: Contents) -> list[object]:
    return [
        reading.value
        for reading in held.readings
        if (reading.device_id, reading.key) == (SERIAL, "total_power")
    ]


async def wait_for_message(entry: EvStreamsConfigEntry, number: int) -> None:
    await wait_until(
        lambda: entry.runtime_data.vitals.messages >= number, f"message {number}"
    )


async def test_copy_is_whole_while_messages_flow(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    tmp_path: Path,
) -> None:
    """What came before is in it, the stream never waits, and nothing that came later is lost."""
    entry = await add_account(hass, cloud, account)
    path = store_path(hass, entry.entry_id)
    await account.publish(SERIAL, 120, 7.25)
    await wait_for_number(hass, SERIAL, "total_power", 7.25)

    async def flow() -> None:
        for step in range(200):
            await account.publish(SERIAL, 120, 1 + step / 100)

    await async_pre_backup(hass)
    standing = path.read_bytes()
    flowing = asyncio.create_task(flow())
    copies = []
    for number in range(5):
        await wait_for_message(entry, 1 + 40 * number)
        await entry.runtime_data.committer.flush()
        copies.append(
            await hass.async_add_executor_job(copied, path, tmp_path / str(number))
        )
    await flowing
    await wait_for_number(hass, SERIAL, "total_power", 2.99)
    await entry.runtime_data.committer.flush()
    assert path.read_bytes() == standing
    await async_post_backup(hass)
    await queue_is_empty(administrator, account)
    assert path.read_bytes() != standing

    for copy in copies:
        (power,) = powers(await contents(copy))
        assert power == 7.25 or power in [1 + step / 100 for step in range(200)]
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert powers(await contents(path)) == [2.99]


async def test_main_file_alone_has_what_came_before(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount, tmp_path: Path
) -> None:
    """Nothing that has taken effect waits for the next commit when a backup begins."""
    entry = await add_account(hass, cloud, account)
    measured_at = datetime.now(UTC)
    await account.publish(SERIAL, 120, 7.25, timestamp=measured_at)
    await wait_for_number(hass, SERIAL, "total_power", 7.25)
    await async_pre_backup(hass)
    alone = tmp_path / "alone.sqlite3"
    shutil.copy(store_path(hass, entry.entry_id), alone)
    await async_post_backup(hass)
    assert powers(await contents(alone)) == [7.25]


async def test_trouble_of_one_account_is_its_own(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The backup of everything else goes on, and the log says what is missing."""
    troubled = await add_account(hass, cloud, account)
    second = await cloud.add_account("second@example.com", "right", operator_id=5001)
    second.add_charger(OTHER, name="Carport")
    sound = await add_account(hass, cloud, second)
    await troubled.runtime_data.store.close()
    caplog.clear()
    await async_pre_backup(hass)
    copy = await hass.async_add_executor_job(
        copied, store_path(hass, sound.entry_id), tmp_path / "copy"
    )
    await async_post_backup(hass)
    assert {reading.device_id for reading in (await contents(copy)).readings} == {OTHER}
    warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert len(warnings) == 2
    assert all(troubled.title in each for each in warnings)
