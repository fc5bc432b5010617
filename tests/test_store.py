"""What was committed is there after a restart, as it was, and no more than is wanted."""

import asyncio
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
import sqlite3
import stat
from tempfile import TemporaryDirectory

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.ev_streams.batch import Batch, Contents
from custom_components.ev_streams.ledger import Ledger
from custom_components.ev_streams.model import (
    Point,
    Session,
    SessionChange,
    SessionPhase,
    Value,
)
from custom_components.ev_streams.store import remove_files

from .store_helpers import (
    CHARGER,
    HOUR,
    NOW,
    OTHER,
    STARTED,
    STOPPED,
    batch_of,
    document,
    message,
    opened,
    point,
    points_of,
    reading,
    session,
)

NOTHING = Contents(
    readings=[], sessions=[], announced=[], late_hours=set(), kept_since={}
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ev_streams" / "account.sqlite3"


async def contents_after(path: Path, batches: Iterable[Batch]) -> Contents:
    """What a restart finds after these commits."""
    async with opened(path) as (store, _):
        for batch in batches:
            await store.commit(batch)
    async with opened(path) as (_, contents):
        return contents


async def test_nothing_is_known_at_first(path: Path) -> None:
    async with opened(path) as (store, contents):
        assert contents == NOTHING
        assert await points_of(store) == {}
        assert await store.documents(CHARGER, None, None) == []
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_everything_is_there_after_a_restart(path: Path) -> None:
    readings = [
        reading(7.4, NOW, NOW + timedelta(microseconds=1)),
        reading(True, key="is_online", device_id=OTHER),
    ]
    sessions = [
        Session(
            device_id=CHARGER,
            session_id="42",
            started_at=NOW - HOUR,
            stopped_at=NOW,
            energy=11.25,
            meter_start=100.5,
            meter_stop=111.75,
            token="04A1B2",
            is_derived=True,
            replayed=True,
        ),
        session("43"),
    ]
    documents = [
        replace(document('OCMF|{"a": "ü\0"}|' + "x" * 9000), session_id="42"),
        document("second", NOW + HOUR),
    ]
    points = [point(NOW, 7.4), point(NOW + HOUR, 3.7), point(NOW, 21.0, key="energy")]
    batch = batch_of(*readings, *sessions, *documents, *points)
    batch.announced = {(CHARGER, "42", STARTED): None}
    batch.late_hours = {(CHARGER, NOW - HOUR), (OTHER, NOW - HOUR)}
    contents = await contents_after(
        path, [batch, Batch(announced={(CHARGER, "42", STOPPED): None})]
    )
    assert contents == Contents(
        readings=readings,
        sessions=sessions,
        announced=[(CHARGER, "42", STARTED), (CHARGER, "42", STOPPED)],
        late_hours=batch.late_hours,
        kept_since={},
    )
    async with opened(path) as (store, _):
        assert await store.documents(CHARGER, None, None) == documents
        assert await points_of(store) == {
            "total_power": points[:2],
            "energy": points[2:],
        }


# Folds mean nothing in UTC.
TIMES = st.datetimes(timezones=st.just(UTC)).map(lambda time: time.replace(fold=0))
VALUES = (
    st.booleans() | st.integers() | st.floats() | st.text() | TIMES
) | st.sampled_from(["\ud800", 2**64, -0.0, ""])


@settings(max_examples=50, deadline=None)
@given(
    told=st.dictionaries(
        st.text(), st.tuples(VALUES, TIMES, st.none() | TIMES), max_size=30
    )
)
def test_a_value_keeps_its_type_and_a_time_its_microseconds(
    told: dict[str, tuple[Value, datetime, datetime | None]],
) -> None:
    readings = [reading(*columns, key=key) for key, columns in told.items()]
    with TemporaryDirectory() as folder:
        contents = asyncio.run(
            contents_after(Path(folder) / "file", [batch_of(*readings)])
        )
    # repr tells 1, 1.0 and True apart, 0.0 from -0.0, and finds NaN equal to itself.
    assert {each.key: repr(each) for each in contents.readings} == {
        each.key: repr(each) for each in readings
    }


async def _points_after(path: Path, points: list[Point]) -> dict[str, list[Point]]:
    async with opened(path) as (store, _):
        await store.commit(batch_of(*points))
        return await points_of(store)


# Here SQLite knows one zero only.
NUMBERS = st.floats().map(lambda number: number + 0.0)


@settings(max_examples=50, deadline=None)
@given(told=st.dictionaries(TIMES, NUMBERS, max_size=30))
def test_a_point_is_exact(told: dict[datetime, float]) -> None:
    points = [point(*each) for each in told.items()]
    with TemporaryDirectory() as folder:
        found = asyncio.run(_points_after(Path(folder) / "file", points))
    in_order = sorted(points, key=lambda each: each.measured_at)
    assert repr(found.get("total_power", [])) == repr(in_order)


async def test_a_time_of_another_zone_comes_back_as_utc(path: Path) -> None:
    oslo = timezone(timedelta(hours=1))
    told = reading(NOW.astimezone(oslo), NOW.astimezone(oslo))
    contents = await contents_after(path, [batch_of(told)])
    (found,) = contents.readings
    assert found == reading(NOW, NOW)
    assert isinstance(found.value, datetime)
    assert found.measured_at.tzinfo is found.value.tzinfo is UTC


async def test_what_is_told_again_replaces_what_was_told(path: Path) -> None:
    """Also where less is told: it is all that is known."""
    whole = replace(session("1", NOW, NOW + HOUR), energy=3.0, token="04A1B2")
    first = batch_of(reading(1.0), whole, document("first"), point(NOW, 1.0))
    second = batch_of(
        reading(2, NOW + HOUR), session("1", NOW), document("second"), point(NOW, 2.0)
    )
    contents = await contents_after(path, [first, second])
    assert contents.readings == [reading(2, NOW + HOUR)]
    assert contents.sessions == [session("1", NOW)]
    async with opened(path) as (store, _):
        assert await store.documents(CHARGER, None, None) == [document("second")]
        assert await points_of(store) == {"total_power": [point(NOW, 2.0)]}


async def test_a_forgotten_session_is_gone_and_stays_announced(path: Path) -> None:
    first = batch_of(session("1"), session("2"), session("1", device_id=OTHER))
    first.announced = {(CHARGER, "1", STARTED): None}
    second = Batch(forgotten_sessions={(CHARGER, "1"), (CHARGER, "never known")})
    contents = await contents_after(path, [first, second])
    assert contents.sessions == [session("2"), session("1", device_id=OTHER)]
    assert contents.announced == [(CHARGER, "1", STARTED)]


async def test_a_forgotten_reading_is_gone(path: Path) -> None:
    first = batch_of(reading(1, key="a"), reading(2, key="b"))
    second = Batch(forgotten_readings={(CHARGER, "a"), (CHARGER, "never known")})
    contents = await contents_after(path, [first, second])
    assert contents.readings == [reading(2, key="b")]


DEVICES = st.sampled_from([CHARGER, OTHER])
IDS = st.sampled_from(["1", "2", "3"])
HOURS = st.integers(0, 3).map(lambda hours: NOW + hours * HOUR)
BATCHES = st.builds(
    lambda things, announced, late, forgotten, no_readings: replace(
        batch_of(*things),
        announced=dict.fromkeys(announced),
        late_hours=late,
        forgotten_sessions=forgotten,
        forgotten_readings=no_readings,
    ),
    st.lists(
        st.builds(reading, st.integers(0, 3), key=IDS, device_id=DEVICES)
        | st.builds(session, IDS, st.none() | HOURS, device_id=DEVICES)
        | st.builds(document, IDS, HOURS, device_id=DEVICES)
        | st.builds(point, HOURS, st.floats(0, 1), device_id=DEVICES),
        max_size=6,
    ),
    st.lists(st.tuples(DEVICES, IDS, st.sampled_from(SessionPhase)), max_size=2),
    st.sets(st.tuples(DEVICES, HOURS), max_size=2),
    st.sets(st.tuples(DEVICES, IDS), max_size=3),
    st.sets(st.tuples(DEVICES, IDS), max_size=3),
)


async def _all_after(path: Path, batches: list[Batch]) -> list[object]:
    contents = await contents_after(path, batches)
    async with opened(path) as (store, _):
        return [
            contents.readings,
            contents.sessions,
            contents.announced,
            contents.late_hours,
            *[await store.documents(each, None, None) for each in (CHARGER, OTHER)],
            *[await points_of(store, each) for each in (CHARGER, OTHER)],
        ]


@settings(max_examples=30, deadline=None)
@given(batches=st.lists(BATCHES, min_size=2, max_size=4))
def test_merged_batches_do_what_they_would_have_done_one_by_one(
    batches: list[Batch],
) -> None:
    with TemporaryDirectory() as folder:
        one_by_one = asyncio.run(_all_after(Path(folder) / "1", batches))
        merged = Batch()
        for each in batches:
            merged.merge(each)
        at_once = asyncio.run(_all_after(Path(folder) / "2", [merged]))
    assert at_once == one_by_one


def test_what_is_written_after_it_was_forgotten_is_forgotten_no_more() -> None:
    batch = Batch(forgotten_sessions={(CHARGER, "1"), (CHARGER, "2")})
    batch.merge(batch_of(session("1")))
    assert batch.forgotten_sessions == {(CHARGER, "2")}
    batch.merge(Batch(forgotten_sessions={(CHARGER, "1")}))
    assert batch.sessions == {}
    assert batch.forgotten_sessions == {(CHARGER, "1"), (CHARGER, "2")}
    batch = Batch(forgotten_readings={(CHARGER, "a")})
    batch.merge(batch_of(reading(1, key="a")))
    assert batch.forgotten_readings == set()


def test_a_batch_tells_whether_it_holds_anything() -> None:
    assert not Batch()
    assert Batch().is_empty()
    for batch in (
        batch_of(reading(1.0)),
        batch_of(session("1")),
        batch_of(document("text")),
        batch_of(point(NOW)),
        Batch(announced={(CHARGER, "1", STARTED): None}),
        Batch(late_hours={(CHARGER, NOW)}),
        Batch(forgotten_sessions={(CHARGER, "1")}),
        Batch(forgotten_readings={(CHARGER, "a")}),
    ):
        assert batch
        assert not batch.is_empty()


async def test_the_newest_500_sessions_of_a_device_are_kept(path: Path) -> None:
    many = [session(str(number), NOW + number * HOUR) for number in range(499)]
    # Of these only the stop was told, or nothing at all.
    late = session("late", None, NOW + 1000 * HOUR)
    unknown = session("unknown")
    others = [session("1", NOW - HOUR, device_id=OTHER)]
    contents = await contents_after(
        path, [batch_of(unknown, *others), batch_of(*reversed(many)), batch_of(late)]
    )
    kept = {each.session_id for each in contents.sessions if each.device_id == CHARGER}
    assert kept == {str(number) for number in range(499)} | {"late"}
    assert [each for each in contents.sessions if each.device_id == OTHER] == others
    contents = await contents_after(path, [batch_of(session("new", NOW + 999 * HOUR))])
    assert "0" not in {each.session_id for each in contents.sessions}
    assert len(contents.sessions) == 501


def announcing(*told: tuple[str, str, SessionPhase]) -> Batch:
    return Batch(announced=dict.fromkeys(told))


async def test_announcements_of_the_newest_2000_sessions_of_a_device_are_kept(
    path: Path,
) -> None:
    """As many as are remembered until a restart, whole, and in the order they were told."""
    other = (OTHER, "1", STARTED)
    many = [
        (CHARGER, str(number), phase)
        for number in range(2001)
        for phase in (STARTED, STOPPED)
    ]
    # Told again, or told of its end: that makes a session no newer.
    contents = await contents_after(
        path,
        [
            announcing(other, (CHARGER, "first", STARTED)),
            announcing(*many[:2000]),
            announcing((CHARGER, "first", STARTED), (CHARGER, "first", STOPPED)),
            announcing(*many[2000:]),
        ],
    )
    assert contents.announced == [other, *many[2:]]
    ledger = Ledger()
    ledger.restore([], [], contents.announced)
    for device_id, session_id, phase in [other, *many]:
        change = SessionChange(device_id=device_id, session_id=session_id, phase=phase)
        assert ledger.is_announced(change) is (session_id != "0")


async def test_the_newest_500_documents_of_a_device_are_kept(path: Path) -> None:
    documents = [document(str(number), NOW + number * HOUR) for number in range(502)]
    other = document("other", NOW - HOUR, device_id=OTHER)
    async with opened(path) as (store, _):
        await store.commit(batch_of(other))
        await store.commit(batch_of(*reversed(documents)))
        assert await store.documents(CHARGER, None, None) == documents[2:]
        assert await store.documents(OTHER, None, None) == [other]


async def test_documents_are_found_by_their_time(path: Path) -> None:
    documents = [document(str(number), NOW + number * HOUR) for number in range(4)]
    async with opened(path) as (store, _):
        await store.commit(batch_of(*documents))
        assert await store.documents(CHARGER, NOW + HOUR, None) == documents[1:]
        assert await store.documents(CHARGER, None, NOW + HOUR) == documents[:1]
        found = await store.documents(CHARGER, NOW + HOUR, NOW + 3 * HOUR)
        assert found == documents[1:3]
        assert await store.documents(OTHER, None, None) == []


async def test_points_come_with_the_last_one_before(path: Path) -> None:
    power = [point(NOW + number * HOUR, number) for number in range(4)]
    ended = [point(NOW + number * HOUR, number, key="ended") for number in range(2)]
    begun = [point(NOW + 3 * HOUR, 3, key="begun")]
    other = [point(NOW + 2 * HOUR, 5, device_id=OTHER)]
    async with opened(path) as (store, _):
        await store.commit(batch_of(*reversed(power), *ended, *begun, *other))
        assert await store.points(CHARGER, NOW + 2 * HOUR) == {
            "total_power": power[1:],
            "ended": ended[1:],
            "begun": begun,
        }
        between = NOW + 2 * HOUR + timedelta(microseconds=1)
        found = await store.points(CHARGER, between)
        assert found["total_power"] == power[2:]


async def test_imported_hours_wait_no_more(path: Path) -> None:
    hours = {(CHARGER, NOW), (CHARGER, NOW + HOUR), (OTHER, NOW)}
    async with opened(path) as (store, _):
        await store.commit(Batch(late_hours=hours))
        await store.forget_hours(each for each in [(CHARGER, NOW), (OTHER, NOW + HOUR)])
    async with opened(path) as (_, contents):
        assert contents.late_hours == {(CHARGER, NOW + HOUR), (OTHER, NOW)}


async def test_of_recent_messages_there_are_those_of_the_last_commit(
    path: Path,
) -> None:
    """They come in their order, also those of one moment."""
    first, second = (message("first"), message("second")), (message("third"),)
    async with opened(path) as (store, contents):
        assert contents.recent == {}
        await store.commit(Batch(recent={CHARGER: first, OTHER: first}))
        await store.commit(Batch(recent={OTHER: second}))
    async with opened(path) as (_, contents):
        assert contents.recent == {CHARGER: first, OTHER: second}


async def test_of_a_forgotten_device_nothing_is_left(path: Path) -> None:
    batch = Batch()
    for device_id in (CHARGER, OTHER):
        batch.merge(
            batch_of(
                reading(1.0, device_id=device_id),
                session("1", NOW, device_id=device_id),
                document("text", device_id=device_id),
                point(NOW, device_id=device_id),
            )
        )
        batch.announced[device_id, "1", STARTED] = None
        batch.late_hours.add((device_id, NOW))
        batch.recent[device_id] = (message("hello"),)
    async with opened(path) as (store, _):
        await store.commit(batch)
        await store.prune(NOW)
        await store.forget_device(CHARGER)
    with closing(sqlite3.connect(path)) as file:
        tables = [
            name
            for (name,) in file.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table'"
            )
            # Messages are remembered, not whose they are.
            if name != "identities"
        ]
        held = {
            name: [row["device_id"] for row in _rows(file, name)] for name in tables
        }
    assert held == {name: [OTHER] for name in tables}
    assert len(tables) == 8


async def test_messages_that_had_their_effect_are_remembered(path: Path) -> None:
    batch = Batch()
    batch.identities |= dict.fromkeys(("b", "a", "c"))
    later = Batch()
    later.identities |= dict.fromkeys(("a", "d"))
    async with opened(path) as (store, _):
        await store.commit(batch)
        await store.commit(later)
    async with opened(path) as (_, contents):
        assert contents.identities == ["b", "a", "c", "d"]


async def test_of_very_many_messages_the_newest_are_remembered(path: Path) -> None:
    many = Batch()
    many.identities |= dict.fromkeys(f"{number}" for number in range(10_050))
    async with opened(path) as (store, _):
        await store.commit(many)
    async with opened(path) as (_, contents):
        assert contents.identities == [f"{number}" for number in range(50, 10_050)]


def _rows(file: sqlite3.Connection, table: str) -> list[sqlite3.Row]:
    file.row_factory = sqlite3.Row
    return file.execute(f"SELECT * FROM {table}").fetchall()


def test_nothing_of_a_removed_file_is_left(tmp_path: Path) -> None:
    path = tmp_path / "account.sqlite3"
    other = tmp_path / "account.sqlite3.of-somebody-else"
    for name in ("", "-wal", "-shm", ".damaged-20261120T120000.000000Z"):
        path.with_name(path.name + name).touch()
    other.touch()
    remove_files(path)
    assert list(tmp_path.iterdir()) == [other]
    remove_files(path)
    remove_files(tmp_path / "no such folder" / "account.sqlite3")
