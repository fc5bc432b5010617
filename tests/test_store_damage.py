"""A damaged file is known as one, whatever befell it, and gives way to a new one."""

from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
import random
import sqlite3

import pytest

from custom_components.ev_streams.store import (
    Store,
    StoreDamagedError,
    StoreUnavailableError,
    remove_files,
)

from .store_helpers import (
    CHARGER,
    HOUR,
    NOW,
    batch_of,
    document,
    numbered,
    opened,
    points_of,
    session,
    whole_numbers,
)

PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "account.sqlite3"


async def sound_file(path: Path) -> bytes:
    """A file with all kinds of pages, also such as continue others."""
    async with opened(path) as (store, _):
        await store.commit(numbered(1, 1500))
        await store.commit(batch_of(document("signed " * 3000)))
    return path.read_bytes()


async def is_damaged(path: Path) -> bool:
    try:
        async with opened(path):
            return False
    except StoreDamagedError:
        return True


def noise(size: int) -> bytes:
    return random.Random(4).randbytes(size)


@pytest.mark.parametrize("content", [noise(20_000), noise(30), b"{}" * 500])
async def test_a_file_that_is_no_database_is_damaged(
    path: Path, content: bytes
) -> None:
    path.write_bytes(content)
    assert await is_damaged(path)


async def test_a_truncated_file_is_damaged(path: Path) -> None:
    sound = await sound_file(path)
    for size in (50, 100, 1000, PAGE, 3 * PAGE, len(sound) // 2, len(sound) - PAGE):
        path.write_bytes(sound[:size])
        assert await is_damaged(path), size


async def test_a_file_with_a_page_overwritten_is_damaged(path: Path) -> None:
    sound = await sound_file(path)
    assert len(sound) > 20 * PAGE
    for start in range(0, len(sound), PAGE):
        path.write_bytes(sound[:start] + noise(PAGE) + sound[start + PAGE :])
        assert await is_damaged(path), start // PAGE


TABLES = (
    "readings",
    "sessions",
    "announced",
    "documents",
    "points",
    "late_hours",
    "kept_since",
)


@pytest.mark.parametrize(
    "statement",
    [
        *[f"DROP TABLE {table}" for table in TABLES],
        "ALTER TABLE documents DROP COLUMN text",
        "ALTER TABLE sessions RENAME COLUMN token TO other",
        "UPDATE readings SET value = 'no JSON'",
        "UPDATE readings SET value = '[]'",
        "UPDATE readings SET value = CAST(x'22FF22' AS TEXT)",
        "UPDATE sessions SET started_at = 9223372036854775807",
        "UPDATE announced SET phase = 'paused'",
        "PRAGMA user_version = -1",
        "PRAGMA user_version = 0",
    ],
)
async def test_a_file_that_lacks_what_it_should_hold_is_damaged(
    path: Path, statement: str
) -> None:
    await sound_file(path)
    with closing(sqlite3.connect(path, autocommit=True)) as other:
        other.execute(statement)
    assert await is_damaged(path)


async def test_damage_may_be_found_as_late_as_by_a_commit(path: Path) -> None:
    async with opened(path) as (store, _):
        await store.commit(numbered(1))
        with closing(sqlite3.connect(path, autocommit=True)) as other:
            other.execute("DROP TABLE points")
        with pytest.raises(StoreDamagedError):
            await store.commit(numbered(2))
        with pytest.raises(StoreDamagedError):
            await points_of(store)


async def test_pages_overwritten_under_an_open_store_are_damage(path: Path) -> None:
    """More of them than fit into SQLite's memory, so that some have to be read."""
    async with opened(path) as (store, _):
        await store.commit(numbered(1, 100_000))
        await store.begin_backup()
        size = path.stat().st_size
        assert size > 3_000_000
        with path.open("r+b") as file:
            file.seek(PAGE)
            file.write(noise(size - PAGE))
        with pytest.raises(StoreDamagedError):
            await points_of(store)
        with pytest.raises(StoreDamagedError):
            await store.prune(NOW + 100 * HOUR)


async def test_what_is_unreadable_is_not_quoted(path: Path) -> None:
    async with opened(path) as (store, _):
        await store.commit(batch_of(document("token 04A1B2")))
        with closing(sqlite3.connect(path, autocommit=True)) as other:
            other.execute("UPDATE documents SET text = CAST(text || x'FF' AS TEXT)")
        with pytest.raises(StoreDamagedError) as caught:
            await store.documents(CHARGER, None, None)
    assert "04A1B2" not in f"{caught.value} {caught.value.__cause__}"


FINDERS: dict[str, Callable[[Store], Awaitable[object]]] = {
    "documents": lambda store: store.documents(CHARGER, None, None),
    "points": lambda store: store.points(CHARGER, NOW),
    "prune": lambda store: store.prune(NOW),
    "forget_hours": lambda store: store.forget_hours([(CHARGER, NOW)]),
}


@pytest.mark.parametrize("finder", FINDERS)
async def test_damage_is_remembered_whoever_found_it(path: Path, finder: str) -> None:
    """What would still be written to the file would be lost with it."""
    async with opened(path) as (store, _):
        await store.commit(numbered(1))
        with closing(sqlite3.connect(path, autocommit=True)) as other:
            for table in ("documents", "points", "late_hours"):
                other.execute(f"DROP TABLE {table}")
        # No table that this needs is missing, so it would succeed.
        await store.commit(batch_of(session("1")))
        with pytest.raises(StoreDamagedError):
            await FINDERS[finder](store)
        assert store.is_damaged
        with pytest.raises(StoreDamagedError):
            await store.commit(batch_of(session("1")))
        await store.set_aside()
        await store.open()
        await store.commit(numbered(1))
    assert await whole_numbers(path) == 1


async def test_setting_aside_no_file_drops_none(path: Path) -> None:
    """As for a caller who was cancelled and tries again."""
    async with opened(path) as (store, _):
        await store.set_aside()
        await store.open()
        await store.set_aside()
        kept = damaged_files(path)
        await store.set_aside()
        assert damaged_files(path) == kept


def damaged_files(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.damaged-*"))


async def test_a_damaged_file_is_set_aside_and_a_new_one_begun(path: Path) -> None:
    contents = [noise(size) for size in (20_000, 30_000, 40_000, 50_000)]
    for number, content in enumerate(contents):
        path.write_bytes(content)
        store = Store(path)
        with pytest.raises(StoreDamagedError):
            await store.open()
        await store.set_aside()
        assert (await store.open()).readings == []
        await store.commit(numbered(1))
        await store.close()
        assert await whole_numbers(path) == 1
        # The first and the newest are kept, as they were.
        kept = [file.read_bytes() for file in damaged_files(path)]
        assert kept == [contents[0], content][: number + 1]
    remove_files(path)
    assert list(path.parent.iterdir()) == []


async def test_a_file_in_use_is_set_aside_with_what_belongs_to_it(path: Path) -> None:
    async with opened(path) as (store, _):
        await store.commit(numbered(1))
        await store.set_aside()
        with pytest.raises(StoreUnavailableError):
            await store.commit(numbered(2))
        assert not path.exists()
        main, *others = damaged_files(path)
        assert {each.name.removeprefix(main.name) for each in others} >= {"-wal"}
        assert (await store.open()).readings == []
    assert await whole_numbers(main) == 1
