"""The file over the years: it does not grow for ever, moves on with the code, is backed up."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import closing, suppress
from datetime import datetime, timedelta
from pathlib import Path
import sqlite3
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.ev_streams import tables
from custom_components.ev_streams.batch import Batch
from custom_components.ev_streams.model import Point
from custom_components.ev_streams.store import (
    Store,
    StoreDamagedError,
    StoreTooNewError,
)

from .store_helpers import (
    CHARGER,
    HOUR,
    NOW,
    OTHER,
    batch_of,
    opened,
    point,
    points_of,
    reading,
    session,
)

POINTS_A_COMMIT = 200


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "account.sqlite3"


def hourly(key: str = "total_power", device_id: str = CHARGER) -> list[Point]:
    """One at the start of each of ten hours."""
    return [
        point(NOW + number * HOUR, number, key=key, device_id=device_id)
        for number in range(10)
    ]


async def test_old_points_go_but_the_last_of_each_key(path: Path) -> None:
    silent = [point(NOW - HOUR, 1, key="silent"), point(NOW, 2, key="silent")]
    async with opened(path) as (store, _):
        await store.commit(batch_of(*hourly(), *silent))
        assert await store.prune(NOW + 5 * HOUR) == {CHARGER: NOW + 5 * HOUR}
        assert await points_of(store) == {
            "total_power": hourly()[4:],
            "silent": silent[1:],
        }


async def test_what_a_late_hour_needs_is_kept(path: Path) -> None:
    """From two hours before the earliest one on, and what was last before that."""
    batch = batch_of(*hourly(), *hourly("energy"), *hourly(device_id=OTHER))
    batch.late_hours = {(CHARGER, NOW + 6 * HOUR), (CHARGER, NOW + 5 * HOUR)}
    async with opened(path) as (store, _):
        await store.commit(batch)
        assert await store.prune(NOW + 9 * HOUR) == {
            CHARGER: NOW + 3 * HOUR,
            OTHER: NOW + 9 * HOUR,
        }
        assert await points_of(store) == {
            "total_power": hourly()[2:],
            "energy": hourly("energy")[2:],
        }
        others = await points_of(store, OTHER)
        assert others == {"total_power": hourly(device_id=OTHER)[8:]}
        await store.forget_hours(batch.late_hours)
        await store.prune(NOW + 9 * HOUR)
        assert (await points_of(store))["total_power"] == hourly()[8:]


async def test_a_late_hour_after_the_limit_keeps_nothing_more(path: Path) -> None:
    batch = batch_of(*hourly())
    batch.late_hours = {(CHARGER, NOW + 8 * HOUR)}
    async with opened(path) as (store, _):
        await store.commit(batch)
        assert await store.prune(NOW + 3 * HOUR) == {CHARGER: NOW + 3 * HOUR}
        assert await points_of(store) == {"total_power": hourly()[2:]}


async def test_from_when_on_points_are_kept_is_known_after_a_restart(
    path: Path,
) -> None:
    """And never moves back, for what is gone does not come back."""
    async with opened(path) as (store, _):
        await store.commit(batch_of(*hourly()))
        await store.prune(NOW + 5 * HOUR)
        assert await store.prune(NOW + 2 * HOUR) == {CHARGER: NOW + 5 * HOUR}
    async with opened(path) as (store, contents):
        assert contents.kept_since == {CHARGER: NOW + 5 * HOUR}
        await store.forget_device(CHARGER)
        assert await store.prune(NOW) == {}


def what_history_needs(
    points: set[tuple[str, str, datetime]],
    late_hours: set[tuple[str, datetime]],
    before: datetime,
) -> set[tuple[str, str, datetime]]:
    """The rule, once more and one by one."""
    needed = set()
    for device_id, key, measured_at in points:
        late = [hour for owner, hour in late_hours if owner == device_id]
        limit = min([before, *[hour - timedelta(hours=2) for hour in late]])
        is_last_before = not any(
            owner == device_id and other == key and measured_at < time < limit
            for owner, other, time in points
        )
        if measured_at >= limit or is_last_before:
            needed.add((device_id, key, measured_at))
    return needed


MINUTES = st.integers(0, 600).map(lambda minutes: NOW + timedelta(minutes=minutes))
DEVICES = st.sampled_from([CHARGER, OTHER])


async def _left_after_prune(
    path: Path, batch: Batch, before: datetime
) -> set[tuple[str, str, datetime]]:
    async with opened(path) as (store, _):
        await store.commit(batch)
        await store.prune(before)
        return {
            (each.device_id, each.key, each.measured_at)
            for device_id in (CHARGER, OTHER)
            for found in (await points_of(store, device_id)).values()
            for each in found
        }


@settings(max_examples=40, deadline=None)
@given(
    points=st.sets(st.tuples(DEVICES, st.sampled_from("ab"), MINUTES), max_size=30),
    late_hours=st.sets(
        st.tuples(DEVICES, st.integers(0, 9).map(lambda hour: NOW + hour * HOUR)),
        max_size=3,
    ),
    before=MINUTES,
)
def test_exactly_what_history_needs_is_kept(
    points: set[tuple[str, str, datetime]],
    late_hours: set[tuple[str, datetime]],
    before: datetime,
) -> None:
    batch = Batch(points=dict.fromkeys(points, 1.0), late_hours=late_hours)
    with TemporaryDirectory() as folder:
        left = asyncio.run(_left_after_prune(Path(folder) / "file", batch, before))
    assert left == what_history_needs(points, late_hours, before)


async def test_a_file_of_an_older_version_is_migrated(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(path) as (store, _):
        await store.commit(batch_of(reading(7.4), session("1", NOW), point(NOW, 7.4)))
    newer = (
        "ALTER TABLE sessions ADD COLUMN cost REAL NOT NULL DEFAULT 0",
        "CREATE TABLE prices (device_id TEXT PRIMARY KEY, price REAL) STRICT",
    )
    monkeypatch.setattr(tables, "MIGRATIONS", (*tables.MIGRATIONS, newer))
    # The second time there is nothing left to migrate.
    for _ in range(2):
        async with opened(path) as (store, contents):
            assert contents.readings == [reading(7.4)]
            assert contents.sessions == [session("1", NOW)]
            assert await points_of(store) == {"total_power": [point(NOW, 7.4)]}
            await store.commit(batch_of(session("1", NOW)))
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT cost FROM sessions").fetchall() == [(0.0,)]
        assert file.execute("SELECT price FROM prices").fetchall() == []


async def test_a_failed_migration_leaves_the_file_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(path) as (store, _):
        await store.commit(batch_of(reading(7.4)))
    broken = ("DELETE FROM readings", "INSERT INTO no_such_table VALUES (1)")
    with monkeypatch.context() as patched:
        patched.setattr(tables, "MIGRATIONS", (*tables.MIGRATIONS, broken))
        with pytest.raises(StoreDamagedError):
            async with opened(path):
                pass
    async with opened(path) as (_, contents):
        assert contents.readings == [reading(7.4)]


async def test_a_file_of_a_newer_version_is_left_alone(path: Path) -> None:
    """Also what its owner had no time to bring into the main file."""
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA journal_mode = WAL")
    newer.execute("CREATE TABLE something (else_than_today)")
    newer.execute("PRAGMA user_version = 999")
    newer.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)
    newer.close()
    wal = path.with_name(path.name + "-wal")
    before = path.read_bytes(), wal.read_bytes()
    assert before[1]
    with pytest.raises(StoreTooNewError):
        async with opened(path):
            pass
    assert (path.read_bytes(), wal.read_bytes()) == before


async def commit_for_ever(store: Store, done: list[int]) -> None:
    """Each writes its number into one reading and many points, all over the file."""
    while True:
        number = len(done) + 1
        points = [
            point(NOW - index * HOUR + number * timedelta(microseconds=1), number)
            for index in range(POINTS_A_COMMIT)
        ]
        await store.commit(batch_of(reading(number), *points))
        done.append(number)


async def copy_piecemeal(
    source: Path, target: Path, between: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Copy as slowly as a backup of a large installation may."""
    size = source.stat().st_size
    with source.open("rb") as reader, target.open("wb") as writer:
        for _ in range(4):
            writer.write(reader.read(size // 4 + 1))
            await between()


@pytest.mark.parametrize("is_wal_first", [False, True])
async def test_a_backup_is_a_whole_file_though_commits_go_on(
    path: Path, tmp_path: Path, is_wal_first: bool
) -> None:
    copy = tmp_path / "copy.sqlite3"
    pairs = [(path.with_name(path.name + end), copy.name + end) for end in ("", "-wal")]
    done: list[int] = []

    async def more_commits() -> None:
        enough = len(done) + 20
        while len(done) < enough:
            await asyncio.sleep(0.001)

    async with opened(path) as (store, _):
        writing = asyncio.create_task(commit_for_ever(store, done))
        await more_commits()
        await store.begin_backup()
        at_begin, main_file = len(done), path.read_bytes()
        await more_commits()
        for source, name in reversed(pairs) if is_wal_first else pairs:
            await copy_piecemeal(source, tmp_path / name, more_commits)
        # More than SQLite would let pile up by itself.
        assert pairs[1][0].stat().st_size > 1000 * 4096
        assert path.read_bytes() == main_file
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
    async with opened(copy) as (store, contents):
        (newest,) = contents.readings
        assert isinstance(newest.value, int)
        assert at_begin <= newest.value <= len(done)
        found = (await points_of(store))["total_power"]
        assert sorted(each.value for each in found) == [
            number
            for number in range(1, newest.value + 1)
            for _ in range(POINTS_A_COMMIT)
        ]


async def test_after_a_backup_everything_is_in_the_main_file(path: Path) -> None:
    wal = path.with_name(path.name + "-wal")
    async with opened(path) as (store, _):
        await store.begin_backup()
        await store.commit(batch_of(reading(7.4)))
        assert wal.stat().st_size > 0
        await store.end_backup()
        assert wal.stat().st_size == 0
        await store.commit(batch_of(reading(3.7, NOW + HOUR)))
    # Closing clears up again, too.
    assert not wal.exists()
    async with opened(path) as (_, contents):
        assert contents.readings == [reading(3.7, NOW + HOUR)]


async def test_closing_during_a_backup_leaves_the_main_file_alone(path: Path) -> None:
    async with opened(path) as (store, _):
        await store.begin_backup()
        before = path.read_bytes()
        await store.commit(batch_of(reading(7.4)))
    assert path.read_bytes() == before
    async with opened(path) as (_, contents):
        assert contents.readings == [reading(7.4)]


async def test_prune_keeps_the_last_hours_in_which_a_device_was_heard(
    path: Path,
) -> None:
    """However long it is silent then: what it uploads later goes on from there."""
    times = [NOW + number * HOUR / 2 for number in range(12)]
    batch = Batch(points={(CHARGER, "total_power", time): 1.0 for time in times})
    async with opened(path) as (store, _):
        await store.commit(batch)
        kept_since = await store.prune(NOW + 100 * HOUR, active_hours=4)
        hour = times[-1].replace(minute=0, second=0, microsecond=0) - 3 * HOUR
        assert kept_since == {CHARGER: hour}
        left = await store.points(CHARGER, NOW - HOUR)
    inside = [time for time in times if time >= hour]
    assert [point.measured_at for point in left["total_power"]] == [
        max(time for time in times if time < hour),
        *inside,
    ]


async def test_a_device_of_few_hours_has_nothing_to_prune_yet(path: Path) -> None:
    """From when on it is whole is for its first streamed reading to say."""
    batch = Batch(points={(CHARGER, "total_power", NOW): 1.0})
    async with opened(path) as (store, _):
        await store.commit(batch)
        assert await store.prune(NOW + 100 * HOUR, active_hours=4) == {}
        assert (await store.points(CHARGER, NOW))["total_power"]


async def test_what_is_missing_is_remembered(path: Path) -> None:
    """A new file in place of a damaged one says from when on it has everything."""
    async with opened(path) as (store, _):
        await store.commit(Batch(kept_since={CHARGER: NOW}))
        await store.commit(Batch(kept_since={CHARGER: NOW - HOUR}))
    async with opened(path) as (_, contents):
        assert contents.kept_since == {CHARGER: NOW}
