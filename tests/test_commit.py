"""Written down in time, acknowledged after that, and kept through whatever goes wrong."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path
import sqlite3

import pytest

from custom_components.ev_streams import (
    commit as commit_module,
    store as store_module,
    tables,
)
from custom_components.ev_streams.batch import Batch
from custom_components.ev_streams.commit import Committer
from custom_components.ev_streams.derivation import Derivation
from custom_components.ev_streams.intake import Intake
from custom_components.ev_streams.ledger import Ledger
from custom_components.ev_streams.model import Reading, SessionChange
from custom_components.ev_streams.providers.easee import EASEE
from custom_components.ev_streams.store import (
    Store,
    StoreDamagedError,
    StoreError,
    StoreUnavailableError,
)
from custom_components.ev_streams.stream.delivery import PREFETCH
from custom_components.ev_streams.tables import Row

from .store_helpers import (
    CHARGER,
    HOUR,
    NOW,
    OTHER,
    STARTED,
    STOPPED,
    batch_of,
    document,
    opened,
    point,
    reading,
    session,
)

NEVER = 3600.0


class Desk:
    """A committer over a real file, and what somebody next to it can see."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = Store(path)
        self.is_live = True
        self.held = Batch()
        self.asked_for_everything = 0
        self.troubles: list[StoreError | None] = []
        self.acknowledged: list[int] = []
        self.in_file_when_acknowledged: list[int] = []
        self.committer = Committer(
            self.store,
            is_live=lambda: self.is_live,
            everything=self._everything,
            on_trouble=self.troubles.append,
        )

    def _everything(self) -> Batch:
        self.asked_for_everything += 1
        whole = Batch()
        whole.merge(self.held)
        return whole

    def take(self, number: int) -> None:
        """A delivery that tells one reading."""
        told = batch_of(reading(number, key=str(number)))
        self.held.merge(told)
        self.committer.batch.merge(told)
        self.committer.settle(lambda: self._acknowledge(number))

    def _acknowledge(self, number: int) -> None:
        self.acknowledged.append(number)
        self.in_file_when_acknowledged.append(len(self.in_file()))

    def in_file(self) -> list[int]:
        """What another process reads in the file."""
        with closing(sqlite3.connect(self.path)) as file:
            rows = file.execute("SELECT key FROM readings").fetchall()
        return sorted(int(key) for (key,) in rows)

    def spoil(self) -> None:
        with closing(sqlite3.connect(self.path, autocommit=True)) as other:
            other.execute("DROP TABLE points")

    def set_aside(self) -> list[Path]:
        return list(self.path.parent.glob("*.damaged-*"))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.committer.run())
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.001)

    async def some_turns(self) -> None:
        """Give the committer every chance to do what it should not."""
        for _ in range(20):
            await self.store.documents(CHARGER, None, None)


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(store_module, "BUSY_TIMEOUT", 0.05)
    monkeypatch.setattr(commit_module, "RETRY_AFTER", 0.0)
    monkeypatch.setattr(commit_module, "LIVE_PERIOD", NEVER)
    monkeypatch.setattr(commit_module, "REPLAY_PERIOD", NEVER)
    desk = Desk(tmp_path / "account.sqlite3")
    await desk.store.open()
    try:
        yield desk
    finally:
        await desk.store.close()


@pytest.fixture
def locked(desk: Desk) -> Iterator[sqlite3.Connection]:
    """Somebody else who writes and does not come to an end."""
    with closing(sqlite3.connect(desk.path, autocommit=True)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


async def test_half_the_prefetch_is_enough_to_commit(desk: Desk) -> None:
    half = PREFETCH // 2
    async with desk.running():
        for number in range(half - 1):
            desk.take(number)
        await desk.some_turns()
        assert desk.acknowledged == desk.in_file() == []
        desk.take(half - 1)
        await desk.until(lambda: len(desk.acknowledged) == half)
    assert desk.acknowledged == desk.in_file() == list(range(half))
    assert desk.committer.commits == 1


async def test_what_somebody_waits_for_is_committed_at_once(desk: Desk) -> None:
    async with desk.running():
        desk.take(1)
        await desk.some_turns()
        assert desk.in_file() == []
        desk.committer.changed(at_once=True)
        await desk.until(lambda: desk.acknowledged == [1])
    assert desk.in_file() == [1]


@pytest.mark.parametrize("is_live", [True, False])
@pytest.mark.parametrize("short", ["LIVE_PERIOD", "REPLAY_PERIOD"])
async def test_live_and_replaying_have_a_period_each(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, short: str, is_live: bool
) -> None:
    monkeypatch.setattr(commit_module, short, 0.0)
    desk.is_live = is_live
    async with desk.running():
        desk.take(1)
        if is_live == (short == "LIVE_PERIOD"):
            await desk.until(lambda: desk.acknowledged == [1])
        await desk.some_turns()
    assert desk.in_file() == ([1] if is_live == (short == "LIVE_PERIOD") else [])


async def test_acknowledged_in_order_and_after_the_commit(desk: Desk) -> None:
    for number in range(5):
        desk.take(number)
    assert desk.acknowledged == []
    assert await desk.committer.flush()
    assert desk.acknowledged == list(range(5))
    assert desk.in_file_when_acknowledged == [5] * 5
    assert desk.troubles == [None]


async def test_one_that_cannot_be_acknowledged_holds_nobody_up(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """As when whoever waited for it has gone: the next are committed and let go."""

    def gone() -> None:
        raise asyncio.InvalidStateError

    async with desk.running():
        for number in range(3):
            desk.committer.settle(gone)
            desk.take(number)
            desk.committer.changed(at_once=True)
            await desk.until(partial(desk.acknowledged.__contains__, number))
    assert caplog.text.count("could not be acknowledged") == 1


async def test_a_delivery_that_tells_nothing_is_acknowledged_too(desk: Desk) -> None:
    desk.committer.settle(lambda: desk.acknowledged.append(1))
    assert await desk.committer.flush()
    assert desk.acknowledged == [1]
    assert desk.committer.commits == 0


async def test_what_cannot_be_written_is_kept_and_not_acknowledged(
    desk: Desk, locked: sqlite3.Connection
) -> None:
    desk.take(1)
    desk.take(2)
    flushing = asyncio.create_task(desk.committer.flush())
    await asyncio.sleep(0)
    # While the others are being tried.
    desk.take(3)
    assert not await flushing
    assert not await desk.committer.flush()
    assert desk.acknowledged == desk.in_file() == []
    assert [type(each) for each in desk.troubles] == [StoreUnavailableError] * 2
    locked.execute("ROLLBACK")
    assert await desk.committer.flush()
    assert desk.acknowledged == desk.in_file() == [1, 2, 3]
    assert desk.in_file_when_acknowledged == [3, 3, 3]
    assert desk.troubles[2:] == [None]


async def test_it_is_tried_again_by_itself(
    desk: Desk, locked: sqlite3.Connection
) -> None:
    async with desk.running():
        desk.take(1)
        desk.committer.changed(at_once=True)
        await desk.until(lambda: len(desk.troubles) == 1)
        locked.execute("ROLLBACK")
        desk.committer.changed(at_once=True)
        await desk.until(lambda: desk.acknowledged == [1])
    assert desk.in_file() == [1]


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception, times: int) -> None:
    """Let the making of rows fail that often, in the midst of a transaction."""
    left = [error] * times

    def row(told: Reading) -> Row:
        if left:
            raise left.pop()
        return original(told)

    original = tables.row_of_reading
    monkeypatch.setattr(tables, "row_of_reading", row)


@pytest.mark.parametrize(
    ("error", "logged"),
    [
        (MemoryError(), 0),
        (OverflowError("too large"), 1),
        (sqlite3.ProgrammingError("a mistake"), 1),
        (ValueError("a mistake"), 1),
    ],
)
async def test_no_error_ends_the_committing(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    logged: int,
) -> None:
    """Told as trouble each time, in the log once; it goes on as soon as it can."""
    monkeypatch.setattr(commit_module, "LIVE_PERIOD", 0.0)
    failing(monkeypatch, error, 3)
    async with desk.running():
        desk.take(1)
        await desk.until(lambda: desk.acknowledged == [1])
        desk.take(2)
        await desk.until(lambda: desk.acknowledged == [1, 2])
    assert desk.in_file() == [1, 2]
    kinds = [type(each) for each in desk.troubles]
    assert kinds == [StoreUnavailableError] * 3 + [type(None)] * 2
    assert desk.set_aside() == []
    errors = [each for each in caplog.records if each.levelname == "ERROR"]
    assert len(errors) == logged


@pytest.mark.parametrize("turns", [1, 2, 3, 10])
async def test_a_cancelled_commit_is_made_up_for(desk: Desk, turns: int) -> None:
    desk.take(1)
    flushing = asyncio.create_task(desk.committer.flush())
    for _ in range(turns):
        await asyncio.sleep(0)
    flushing.cancel()
    with suppress(asyncio.CancelledError):
        await flushing
    desk.take(2)
    assert await desk.committer.flush()
    assert desk.acknowledged == desk.in_file() == [1, 2]


async def test_a_damaged_file_gives_way_to_one_with_everything(desk: Desk) -> None:
    desk.take(1)
    assert await desk.committer.flush()
    desk.spoil()
    desk.take(2)
    desk.committer.batch.merge(batch_of(document("signed"), point(NOW, 7.4)))
    assert await desk.committer.flush()
    assert desk.acknowledged == desk.in_file() == [1, 2]
    kinds = [type(each) for each in desk.troubles]
    assert kinds == [type(None), StoreDamagedError, type(None)]
    assert desk.set_aside()
    # What nobody else holds was pending.
    assert await desk.store.documents(CHARGER, None, None) == [document("signed")]
    desk.take(3)
    assert await desk.committer.flush()
    assert desk.in_file() == [1, 2, 3]
    assert desk.asked_for_everything == 1


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("step", ["_set_aside", "_open", "_commit"])
async def test_whichever_step_fails_after_damage_is_tried_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, step: str, times: int
) -> None:
    """As on a disk that is full for a moment."""
    desk.take(1)
    assert await desk.committer.flush()
    original = getattr(desk.store, step)
    left = [StoreUnavailableError("SQLITE_FULL")] * times

    def sometimes(*arguments: object) -> object:
        # The commit that finds the damage is no step of the repair.
        if left and (step != "_commit" or not desk.store.is_damaged):
            raise left.pop()
        return original(*arguments)

    desk.spoil()
    with pytest.raises(StoreDamagedError):
        await desk.store.points(CHARGER, NOW)
    monkeypatch.setattr(desk.store, step, sometimes)
    for number in range(times):
        desk.take(number + 2)
        assert not await desk.committer.flush()
        assert isinstance(desk.troubles[-1], StoreUnavailableError)
    assert desk.acknowledged == [1]
    assert await desk.committer.flush()
    told = list(range(1, times + 2))
    assert desk.acknowledged == desk.in_file() == told
    assert desk.troubles[-1] is None
    # The damaged file, and no good one.
    assert len({each.name.partition("Z")[0] for each in desk.set_aside()}) == 1
    desk.take(9)
    assert await desk.committer.flush()
    assert desk.in_file() == [*told, 9]


async def test_a_cancelled_repair_is_made_up_for(desk: Desk) -> None:
    desk.take(1)
    assert await desk.committer.flush()
    desk.spoil()
    desk.take(2)
    desk.committer.batch.merge(batch_of(point(NOW)))
    for turns in range(1, 30):
        flushing = asyncio.create_task(desk.committer.flush())
        for _ in range(turns):
            await asyncio.sleep(0.0005)
        flushing.cancel()
        with suppress(asyncio.CancelledError):
            await flushing
    assert await desk.committer.flush()
    assert desk.acknowledged == desk.in_file() == [1, 2]


async def test_hours_of_a_damaged_file_wait_no_more(desk: Desk) -> None:
    """Nor do those pending: most of their readings are gone. Later ones do."""
    desk.held.kept_since = {CHARGER: NOW}
    desk.committer.batch.late_hours = {(CHARGER, NOW - HOUR)}
    desk.committer.batch.kept_since = {CHARGER: NOW - 5 * HOUR}
    desk.spoil()
    desk.committer.batch.merge(batch_of(point(NOW - HOUR)))
    assert await desk.committer.flush()
    desk.committer.batch.late_hours = {(CHARGER, NOW + HOUR)}
    assert await desk.committer.flush()
    await desk.store.close()
    async with opened(desk.path) as (_, contents):
        assert contents.late_hours == {(CHARGER, NOW + HOUR)}
        assert contents.kept_since == {CHARGER: NOW}


async def test_damage_that_a_reader_found_is_mended_with_nothing_pending(
    desk: Desk,
) -> None:
    desk.take(1)
    assert await desk.committer.flush()
    desk.spoil()
    with pytest.raises(StoreDamagedError):
        await desk.store.points(CHARGER, NOW)
    assert await desk.committer.flush()
    assert await desk.store.points(CHARGER, NOW) == {}
    assert desk.in_file() == [1]
    assert [type(each) for each in desk.troubles[1:]] == [
        StoreDamagedError,
        type(None),
    ]


def all_kinds(device_id: str) -> Batch:
    batch = batch_of(
        reading(1, device_id=device_id),
        session("1", NOW, device_id=device_id),
        document("text", device_id=device_id),
        point(NOW, device_id=device_id),
    )
    batch.announced = {(device_id, "1", STARTED): None, (device_id, "1", STOPPED): None}
    batch.late_hours = {(device_id, NOW)}
    batch.kept_since = {device_id: NOW}
    batch.forgotten_sessions = {(device_id, "2")}
    batch.forgotten_readings = {(device_id, "a")}
    return batch


def test_a_batch_without_a_device_is_as_if_it_had_told_nothing() -> None:
    batch = all_kinds(CHARGER)
    batch.merge(all_kinds(OTHER))
    batch.forget(CHARGER)
    assert batch == all_kinds(OTHER)


def devices_in(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as file:
        return {
            device_id
            for table in tables.TABLES
            for (device_id,) in file.execute(f"SELECT device_id FROM {table}")
        }


async def test_a_forgotten_device_does_not_come_back_with_what_is_pending(
    desk: Desk,
) -> None:
    for device_id in (CHARGER, OTHER):
        desk.committer.batch.merge(all_kinds(device_id))
    assert await desk.committer.flush()
    for device_id in (CHARGER, OTHER):
        desk.committer.batch.merge(all_kinds(device_id))
    flushing = asyncio.create_task(desk.committer.flush())
    await asyncio.sleep(0)
    desk.committer.batch.merge(all_kinds(CHARGER))
    await desk.committer.forget_device(CHARGER)
    await flushing
    assert await desk.committer.flush()
    assert devices_in(desk.path) == {OTHER}


async def test_a_device_that_cannot_be_forgotten_is_kept_whole(
    desk: Desk, locked: sqlite3.Connection
) -> None:
    desk.committer.batch.merge(all_kinds(CHARGER))
    with pytest.raises(StoreUnavailableError):
        await desk.committer.forget_device(CHARGER)
    assert desk.committer.batch == all_kinds(CHARGER)
    locked.execute("ROLLBACK")
    assert await desk.committer.flush()
    assert devices_in(desk.path) == {CHARGER}


async def test_a_device_forgotten_amid_a_repair_is_not_written_anew(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for device_id in (CHARGER, OTHER):
        desk.held.merge(all_kinds(device_id))
    desk.spoil()
    with pytest.raises(StoreDamagedError):
        await desk.store.points(CHARGER, NOW)
    desk.committer.batch.merge(all_kinds(CHARGER))
    failing(monkeypatch, MemoryError(), 1)
    assert not await desk.committer.flush()
    await desk.committer.forget_device(CHARGER)
    assert await desk.committer.flush()
    assert devices_in(desk.path) == {OTHER}


def test_everything_is_what_a_restart_would_bring_back(desk: Desk) -> None:
    """In the order in which sessions were told, and without what is not for the disk."""
    ledger = Ledger()
    intake = Intake(
        ledger,
        desk.committer,
        Derivation(EASEE),
        history_keys=(),
        meter_keys=(),
        register_keys=(),
        personal_keys={"token"},
        keeps_history=False,
        keeps_tokens=False,
    )
    told = [(CHARGER, str(number), STARTED) for number in range(50, 0, -1)]
    for device_id, session_id, phase in told:
        intake.announce(
            SessionChange(device_id=device_id, session_id=session_id, phase=phase)
        )
    intake.take(reading(7.4), NOW)
    intake.take(reading("04A1B2", key="token"), NOW)
    whole = intake.everything()
    assert list(whole.announced) == list(desk.committer.batch.announced) == told
    assert whole.readings == {(CHARGER, "total_power"): reading(7.4)}
