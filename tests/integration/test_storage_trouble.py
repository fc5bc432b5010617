"""A full disk, a damaged file, a file of tomorrow: what a user gets of it, and gets back."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
import os
from pathlib import Path
import random
import sqlite3

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers.storage import STORAGE_DIR
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.ev_streams import commit
from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from custom_components.ev_streams.storage import store_path
from custom_components.ev_streams.stream.delivery import PREFETCH
from simulator.easee import EaseeAccount, EaseeCloud
from simulator.rabbitmq import Administrator, QueueState
from tests.store_helpers import small_disk

from .helpers import (
    SERIAL,
    add_account,
    form,
    issue,
    measured,
    open_form,
    phases,
    queue_is_empty,
    record_session_events,
    session_start,
    session_stop,
    state,
    stored_sessions,
    stored_values,
    wait_for_issue,
    wait_for_number,
    wait_live,
    wait_until,
)

REQUIRE_ALL = os.environ.get("EV_STREAMS_REQUIRE_ALL") == "1"
MINUTE = timedelta(minutes=1)
PAGE = 4096
OTHER = "EH000002"


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commit and try again within moments: the pace is no matter here."""
    monkeypatch.setattr(commit, "LIVE_PERIOD", 0.1)
    monkeypatch.setattr(commit, "RETRY_AFTER", 0.1)


@pytest.fixture
def now() -> datetime:
    """Return the time as a charger writes it in its sessions."""
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def disk(hass: HomeAssistant) -> Iterator[Path]:
    """Mount a small disk where the files lie."""
    with small_disk(Path(hass.config.path(STORAGE_DIR, DOMAIN))) as folder:
        yield folder


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Leave no room on the disk, for as long as that."""
    filler = folder / "filler"
    with suppress(OSError):
        filler.write_bytes(bytes(2 * 1024 * 1024))
    assert os.statvfs(folder).f_bavail == 0
    yield
    filler.unlink()


async def test_full_disk_holds_up_the_acknowledgements_alone(
    hass: HomeAssistant,
    disk: Path,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    now: datetime,
) -> None:
    """Values go on as long as the broker hands out any; with room again all is let go."""
    entry = await add_account(hass, cloud, account)
    await hass.async_block_till_done()
    await entry.runtime_data.committer.flush()
    coordinator = entry.runtime_data
    with filled(disk):
        await account.publish_many(
            SERIAL,
            [
                measured(now + number * MINUTE / 1000, 120, number / 8)
                for number in range(1, PREFETCH + 21)
            ],
            remember=False,
        )
        await wait_for_number(hass, SERIAL, "total_power", PREFETCH / 8)
        await wait_for_issue(hass, entry, "store_unavailable")
        kept = QueueState(ready=20, unacknowledged=PREFETCH, consumers=1)
        assert await administrator.queue_state(account.queue) == kept
        assert (await stored_values(hass, entry))["total_power"] == 0
    await queue_is_empty(administrator, account)
    await wait_for_number(hass, SERIAL, "total_power", (PREFETCH + 20) / 8)
    assert (await stored_values(hass, entry))["total_power"] == (PREFETCH + 20) / 8
    assert issue(hass, entry, "store_unavailable") is None
    assert entry.runtime_data is coordinator
    assert (coordinator.vitals.redelivered, coordinator.vitals.messages) == (
        0,
        PREFETCH + 20,
    )


async def test_full_disk_at_setup_delays_the_entry(
    hass: HomeAssistant, disk: Path, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """The user reads why, and the entry comes up by itself once there is room."""
    with filled(disk):
        opened = await open_form(hass)
        result = await hass.config_entries.flow.async_configure(
            opened["flow_id"], form(cloud, account)
        )
        entry: EvStreamsConfigEntry = result["result"]
        await hass.async_block_till_done()
        assert entry.state is ConfigEntryState.SETUP_RETRY
        assert entry.error_reason_translation_key == "store_unavailable"
        assert issue(hass, entry, "store_unavailable") is not None
    async_fire_time_changed(hass, dt_util.utcnow() + MINUTE)
    await wait_until(lambda: entry.state is ConfigEntryState.LOADED, "the setup")
    await wait_live(hass, entry)
    await account.publish(SERIAL, 120, 7.25)
    await wait_for_number(hass, SERIAL, "total_power", 7.25)
    await wait_until(
        lambda: issue(hass, entry, "store_unavailable") is None, "the end of the issue"
    )


def set_aside(hass: HomeAssistant, entry: EvStreamsConfigEntry) -> list[Path]:
    """Return the damaged file of the entry, and what belonged to it."""
    path = store_path(hass, entry.entry_id)
    return sorted(path.parent.glob(f"{path.name}.damaged-*"))


def overwrite(path: Path) -> None:
    """Write noise over all but the first page of a file in use.

    Somebody else's change makes the one who has it open read it again.
    """
    with closing(sqlite3.connect(path, autocommit=True)) as other:
        other.execute("CREATE TABLE somebody (elses)")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with path.open("r+b") as file:
            size = path.stat().st_size
            file.seek(PAGE)
            file.write(random.Random(4).randbytes(size - PAGE))


async def test_file_damaged_while_in_use(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    now: datetime,
) -> None:
    """A new one takes its place with all that is known; nobody has to do a thing."""
    entry = await add_account(hass, cloud, account)
    events = record_session_events(hass)
    start, stop = now - 3 * MINUTE, now - 2 * MINUTE
    session = [session_start(435, start), session_stop(435, start, stop, 1.5)]
    await account.publish_many(
        SERIAL, [*session, measured(now, 120, 2.5)], remember=False
    )
    await wait_for_number(hass, SERIAL, "total_power", 2.5)
    await queue_is_empty(administrator, account)
    path = store_path(hass, entry.entry_id)
    await hass.async_add_executor_job(overwrite, path)

    await account.publish_many(
        SERIAL, [session_start(436, now), measured(now, 150, 38)], remember=False
    )
    await wait_for_number(hass, SERIAL, "temp_max", 38)
    await wait_for_issue(hass, entry, "store_damaged")
    await queue_is_empty(administrator, account)
    assert set_aside(hass, entry)[0].stat().st_size > PAGE
    values = await stored_values(hass, entry)
    assert (values["total_power"], values["temp_max"]) == (2.5, 38)
    held = await stored_sessions(hass, entry)
    assert {"434", "435", "436"} == held.keys()
    assert held["435"] == 1.5

    account.chargers[SERIAL].observations.clear()
    await hass.config_entries.async_reload(entry.entry_id)
    assert entry.state is ConfigEntryState.LOADED
    assert float(state(hass, SERIAL, "total_power").state) == 2.5
    await account.publish_many(SERIAL, session, remember=False)
    await account.publish(SERIAL, 150, 39)
    await wait_for_number(hass, SERIAL, "temp_max", 39)
    await queue_is_empty(administrator, account)
    told = [("started", "435"), ("stopped", "435"), ("started", "436")]
    assert phases(events) == told


async def test_file_damaged_while_nobody_used_it(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    now: datetime,
) -> None:
    """The entry comes up with a new file, and what is told from then on is kept in it."""
    entry = await add_account(hass, cloud, account)
    await account.publish_many(SERIAL, [session_start(435, now)])
    await queue_is_empty(administrator, account)
    await hass.config_entries.async_unload(entry.entry_id)
    path = store_path(hass, entry.entry_id)
    await hass.async_add_executor_job(overwrite, path)
    damaged = path.read_bytes()

    assert await hass.config_entries.async_setup(entry.entry_id)
    assert issue(hass, entry, "store_damaged") is not None
    (aside, *_) = set_aside(hass, entry)
    assert aside.read_bytes() == damaged
    await wait_live(hass, entry)
    await account.publish_many(SERIAL, [session_stop(435, now, now + MINUTE, 1.5)])
    await queue_is_empty(administrator, account)
    assert (await stored_sessions(hass, entry))["435"] == 1.5
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert len(set_aside(hass, entry)) >= 1
    assert float(state(hass, SERIAL, "charging_session_energy").state) == 1.5


async def test_file_of_a_newer_version_is_left_as_it_is(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """The user reads what to do, and after doing it everything is there."""
    entry = await add_account(hass, cloud, account)
    await account.publish(SERIAL, 120, 7.25, remember=False)
    await wait_for_number(hass, SERIAL, "total_power", 7.25)
    await hass.config_entries.async_unload(entry.entry_id)
    path = store_path(hass, entry.entry_id)
    with closing(sqlite3.connect(path, autocommit=True)) as other:
        (version,) = other.execute("PRAGMA user_version").fetchone()
        other.execute("PRAGMA user_version = 99")
    newer = path.read_bytes()

    for _ in range(2):
        assert not await hass.config_entries.async_setup(entry.entry_id)
        assert entry.state is ConfigEntryState.SETUP_ERROR
        assert entry.error_reason_translation_key == "store_too_new"
        assert "newer version" in str(entry.reason)
        await hass.config_entries.async_unload(entry.entry_id)
    assert path.read_bytes() == newer
    assert set_aside(hass, entry) == []
    assert issue(hass, entry, "store_damaged") is None

    with closing(sqlite3.connect(path, autocommit=True)) as other:
        other.execute(f"PRAGMA user_version = {version}")
    account.chargers[SERIAL].observations.clear()
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert float(state(hass, SERIAL, "total_power").state) == 7.25


async def test_removed_entry_takes_its_files_along_and_no_others(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """The damaged one that was set aside goes as well; the other account never notices."""
    second = await cloud.add_account("second@example.com", "right", operator_id=5002)
    second.add_charger(OTHER, name="Carport")
    entries = [await add_account(hass, cloud, each) for each in (account, second)]
    for entry in entries:
        await hass.config_entries.async_unload(entry.entry_id)
        store_path(hass, entry.entry_id).write_bytes(b"no database" * 1000)
        await hass.config_entries.async_setup(entry.entry_id)
        await wait_live(hass, entry)
    removed, kept = entries
    folder = store_path(hass, kept.entry_id).parent
    before = {file.name for file in folder.iterdir()}
    assert {name.split(".")[0] for name in before} == {e.entry_id for e in entries}

    await hass.config_entries.async_remove(removed.entry_id)
    left = {file.name for file in folder.iterdir()}
    assert left == {name for name in before if name.startswith(kept.entry_id)}
    assert len(set_aside(hass, kept)) >= 1
    assert issue(hass, removed, "store_damaged") is None
    assert issue(hass, kept, "store_damaged") is not None
    await second.publish(OTHER, 120, 7.25)
    await wait_for_number(hass, OTHER, "total_power", 7.25)
    await queue_is_empty(administrator, second)
    assert (await stored_values(hass, kept, OTHER))["total_power"] == 7.25
    assert {file.name for file in folder.iterdir()} == left
