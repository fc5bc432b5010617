"""What the tests of the store put into it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
import subprocess

import pytest

from custom_components.ev_streams.batch import Batch, Contents
from custom_components.ev_streams.model import (
    Content,
    Point,
    Reading,
    RecentMessage,
    Session,
    SessionDocument,
    SessionPhase,
    Value,
)
from custom_components.ev_streams.store import Store

from .conftest import REQUIRE_ALL

CHARGER = "EH123456"
OTHER = "EH654321"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
STARTED, STOPPED = SessionPhase.STARTED, SessionPhase.STOPPED
POINTS_A_COMMIT = 500


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[tuple[Store, Contents]]:
    """A store, and what it held when it was opened."""
    store = Store(path)
    try:
        yield store, await store.open()
    finally:
        await store.close()


def reading(
    value: Value,
    measured_at: datetime = NOW,
    arrived_at: datetime | None = None,
    *,
    key: str = "total_power",
    device_id: str = CHARGER,
) -> Reading:
    return Reading(
        device_id=device_id,
        key=key,
        value=value,
        measured_at=measured_at,
        arrived_at=arrived_at,
    )


def session(
    session_id: str,
    started_at: datetime | None = None,
    stopped_at: datetime | None = None,
    *,
    device_id: str = CHARGER,
) -> Session:
    return Session(
        device_id=device_id,
        session_id=session_id,
        started_at=started_at,
        stopped_at=stopped_at,
    )


def document(
    text: str, measured_at: datetime = NOW, *, device_id: str = CHARGER
) -> SessionDocument:
    return SessionDocument(device_id=device_id, text=text, measured_at=measured_at)


def batch_of(*things: Reading | Session | SessionDocument | Point) -> Batch:
    batch = Batch()
    for each in things:
        match each:
            case Reading():
                batch.readings[each.device_id, each.key] = each
            case Session():
                batch.sessions[each.device_id, each.session_id] = each
            case SessionDocument():
                batch.documents[each.device_id, each.measured_at] = each
            case Point():
                slot = (each.device_id, each.key, each.measured_at)
                batch.points[slot] = each.value
    return batch


def message(text: str, received_at: datetime = NOW) -> RecentMessage:
    return RecentMessage(
        received_at=received_at,
        content=Content(body={"text": text, "parts": [1, None]}, subtopic="a/b"),
    )


def point(
    measured_at: datetime,
    value: float = 0.0,
    *,
    key: str = "total_power",
    device_id: str = CHARGER,
) -> Point:
    return Point(device_id=device_id, key=key, measured_at=measured_at, value=value)


async def points_of(store: Store, device_id: str = CHARGER) -> dict[str, list[Point]]:
    return await store.points(device_id, datetime.min.replace(tzinfo=UTC))


def numbered(number: int, count: int = POINTS_A_COMMIT) -> Batch:
    """A batch of which one can tell afterwards whether all of it is there."""
    points = [
        point(NOW + number * HOUR + index * timedelta(milliseconds=1), number)
        for index in range(count)
    ]
    batch = batch_of(
        reading(number), session(str(number), NOW + number * HOUR), *points
    )
    batch.announced[CHARGER, str(number), STARTED] = None
    return batch


async def whole_numbers(path: Path, count: int = POINTS_A_COMMIT) -> int:
    """How many numbered batches a file holds, all whole and none by half."""
    async with opened(path) as (store, contents):
        found = (await points_of(store)).get("total_power", [])
    last = max((each.value for each in contents.readings), default=0)
    assert isinstance(last, int)
    numbers = range(1, last + 1)
    assert [each.value for each in found] == [n for n in numbers for _ in range(count)]
    assert {each.session_id for each in contents.sessions} == set(map(str, numbers))
    assert len(contents.announced) == last
    return last


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a real file system of 1 MiB on a new folder; skip where none may be."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as err:
        if REQUIRE_ALL:
            raise
        pytest.skip(f"no file system can be mounted: {err}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
