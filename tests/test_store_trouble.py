"""Full disks, damaged files, power cuts: what was committed stays, nothing is kept by half."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
import os
from pathlib import Path
import resource
import sqlite3
import subprocess
import sys
import threading

import pytest

from custom_components.ev_streams import store as store_module
from custom_components.ev_streams.store import Store, StoreError, StoreUnavailableError

from .store_helpers import (
    CHARGER,
    NOW,
    numbered,
    opened,
    points_of,
    small_disk,
    whole_numbers,
)

ROOT = Path(__file__).parent.parent
REQUIRE_ALL = os.environ.get("EV_STREAMS_REQUIRE_ALL") == "1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "account.sqlite3"


CHILD = """
import asyncio
from itertools import count
from pathlib import Path
import sys

from custom_components.ev_streams.store import Store
from tests.store_helpers import numbered

async def main():
    store = Store(Path(sys.argv[1]))
    await store.open()
    for number in count(int(sys.argv[2])):
        await store.commit(numbered(number))
        print(number, flush=True)

asyncio.run(main())
"""


def test_what_was_reported_outlives_a_kill(path: Path) -> None:
    """Killed amid its commits and started again on the same file, several times."""
    reported = 0
    for commits in (1, 23, 60):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path), str(reported + 1)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        with child:
            assert child.stdout is not None
            for line in child.stdout:
                reported = int(line)
                if reported >= commits:
                    break
            child.kill()
            reported = max([reported, *map(int, child.stdout)])
        found = asyncio.run(whole_numbers(path))
        # The last commit may be there without having been reported.
        assert found in {reported, reported + 1}
        reported = found
    assert reported >= 60


async def test_a_commit_waits_for_the_disk(path: Path) -> None:
    """A kill cannot show this, and a power cut cannot be had: so ask SQLite."""
    async with opened(path) as (store, _):
        found = await store._run(
            lambda: [
                store._connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous")
            ]
        )
    full = 2
    assert found == ["wal", full]


async def test_a_batch_that_cannot_be_written_leaves_no_trace(path: Path) -> None:
    bad = numbered(1)
    # A time of no zone, behind everything else.
    bad.points[CHARGER, "total_power", NOW.replace(tzinfo=None)] = 1.0
    async with opened(path) as (store, _):
        with pytest.raises(TypeError):
            await store.commit(bad)
    assert await whole_numbers(path) == 0
    async with opened(path) as (store, _):
        with pytest.raises(TypeError):
            await store.commit(bad)
        await store.commit(numbered(1))
    assert await whole_numbers(path) == 1


async def test_a_full_disk_keeps_what_was_committed_and_recovers(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk") as folder:
        path, filler = folder / "account.sqlite3", folder / "filler"
        filler.write_bytes(bytes(600 * 1024))
        async with opened(path) as (store, _):
            committed = 0
            with suppress(StoreUnavailableError):
                while True:
                    await store.commit(numbered(committed + 1, 50))
                    committed += 1
            assert committed > 1
            # It stays full, and what needs no room can be done.
            with pytest.raises(StoreUnavailableError):
                await store.commit(numbered(committed + 1, 50))
            found = (await points_of(store))["total_power"]
            assert len(found) == committed * 50
            filler.unlink()
            for number in range(committed + 1, committed + 11):
                await store.commit(numbered(number, 50))
        assert await whole_numbers(path, 50) == committed + 10


async def test_on_a_full_disk_a_store_can_be_opened_later(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as folder:
        filler = folder / "filler"
        with suppress(OSError):
            filler.write_bytes(bytes(2 * 1024 * 1024))
        store = Store(folder / "ev_streams" / "account.sqlite3")
        with pytest.raises(StoreUnavailableError):
            await store.open()
        with pytest.raises(StoreUnavailableError):
            await store.commit(numbered(1))
        filler.unlink()
        await store.open()
        await store.commit(numbered(1))
        await store.close()
        assert await whole_numbers(folder / "ev_streams" / "account.sqlite3") == 1


async def test_a_disk_that_may_not_be_written_is_no_damage(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as folder:
        path = folder / "account.sqlite3"
        async with opened(path) as (store, _):
            await store.commit(numbered(1))
        remount = ["mount", "-o", "remount,ro", str(folder)]
        subprocess.run(remount, check=True)
        with pytest.raises(StoreUnavailableError):
            async with opened(path):
                pass
        with pytest.raises(StoreUnavailableError):
            async with opened(folder / "new" / "account.sqlite3"):
                pass


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let this process make no file larger than that."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_failed_write_is_no_damage(path: Path) -> None:
    async with opened(path) as (store, _):
        await store.commit(numbered(1))
        written = path.with_name(path.name + "-wal").stat().st_size
        with (
            largest_file(written + 1000),
            pytest.raises(StoreUnavailableError, match="SQLITE_IOERR_WRITE"),
        ):
            await store.commit(numbered(2))
        for number in (2, 3):
            await store.commit(numbered(number))
    assert await whole_numbers(path) == 3


# SQLite lets the limit be lowered only, and it holds for a whole process.
SHORT_OF_MEMORY = """
import asyncio
from pathlib import Path
import sys

from custom_components.ev_streams.store import Store, StoreUnavailableError
from tests.store_helpers import numbered

async def main():
    store = Store(Path(sys.argv[1]))
    await store.open()
    await store.commit(numbered(1))
    await store._run(
        lambda: store._connection.execute("PRAGMA hard_heap_limit = 600000").fetchone()
    )
    try:
        await store.commit(numbered(2, 20_000))
    except StoreUnavailableError:
        print(store.is_damaged)
    await store.commit(numbered(2, 10))
    await store.close()

asyncio.run(main())
"""


def test_too_little_memory_is_no_damage(path: Path) -> None:
    """Nothing is written by half, and a smaller transaction still can be."""
    child = subprocess.run(
        [sys.executable, "-c", SHORT_OF_MEMORY, str(path)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout == "False\n"
    with closing(sqlite3.connect(path)) as file:
        (count,) = file.execute(
            "SELECT COUNT(*) FROM points WHERE value = 2"
        ).fetchone()
    assert count == 10


async def test_a_file_that_somebody_else_locks_is_no_damage(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "BUSY_TIMEOUT", 0.05)
    async with opened(path) as (store, _):
        with closing(sqlite3.connect(path, autocommit=True)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailableError, match="SQLITE_BUSY"):
                await store.commit(numbered(1))
        await store.commit(numbered(1))
    assert await whole_numbers(path) == 1


async def test_a_folder_that_is_none_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "ev_streams").touch()
    with pytest.raises(StoreUnavailableError):
        async with opened(tmp_path / "ev_streams" / "account.sqlite3"):
            pass


def worker_threads() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("ev_streams store")]


async def test_closing_waits_for_a_commit_and_ends_the_thread(path: Path) -> None:
    store = Store(path)
    await store.open()
    commit = asyncio.create_task(store.commit(numbered(1, 20_000)))
    await asyncio.sleep(0)
    await asyncio.gather(store.close(), store.close())
    assert worker_threads() == []
    await commit
    await store.close()
    assert await whole_numbers(path, 20_000) == 1


async def test_a_closed_store_refuses(path: Path) -> None:
    store = Store(path)
    await store.close()
    for call in (store.open, lambda: store.commit(numbered(1)), store.set_aside):
        with pytest.raises(StoreError):
            await call()
    assert not path.exists()


async def test_a_cancelled_close_closes_nevertheless(path: Path) -> None:
    store = Store(path)
    await store.open()
    commit = asyncio.create_task(store.commit(numbered(1, 20_000)))
    closing_ = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    closing_.cancel()
    with suppress(asyncio.CancelledError):
        await closing_
    await commit
    await store.close()
    assert worker_threads() == []
    assert not path.with_name(path.name + "-wal").exists()


@pytest.mark.parametrize("turns", [1, 2, 5, 50, 500])
async def test_a_cancelled_commit_is_there_whole_or_not_at_all(
    path: Path, turns: int
) -> None:
    batch = numbered(1, 5000)
    async with opened(path) as (store, _):
        commits = [asyncio.create_task(store.commit(batch)) for _ in range(3)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for commit in commits:
            commit.cancel()
        # What the caller does with its batch from now on is not part of it.
        batch.readings.clear()
        batch.points.clear()
        await asyncio.gather(*commits, return_exceptions=True)
    assert await whole_numbers(path, 5000) in {0, 1}
    async with opened(path) as (store, _):
        await store.commit(numbered(1, 5000))
    assert await whole_numbers(path, 5000) == 1
