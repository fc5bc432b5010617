"""What lies in the store's file: its tables, and how each thing becomes a row.

Times are microseconds since 1970 in the file, timezone-aware UTC outside of it.
The functions that read a row raise ValueError or OverflowError where it is none
of ours.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
import json
import math
import sqlite3
from typing import Final

from .model import (
    Content,
    Point,
    Reading,
    RecentMessage,
    Session,
    SessionDocument,
    SessionPhase,
    Value,
)

type Row = tuple[str | int | float | None, ...]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)

# Each leads from one version of the file to the next. What has been released is
# never changed: files of that version exist.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE readings (
            device_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
            measured_at INTEGER NOT NULL, arrived_at INTEGER,
            PRIMARY KEY (device_id, key)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE sessions (
            device_id TEXT NOT NULL, session_id TEXT NOT NULL,
            started_at INTEGER, stopped_at INTEGER,
            energy REAL, meter_start REAL, meter_stop REAL, token TEXT,
            is_derived INTEGER NOT NULL, replayed INTEGER NOT NULL,
            PRIMARY KEY (device_id, session_id)
        ) STRICT, WITHOUT ROWID""",
        # The number tells which was announced first.
        """CREATE TABLE announced (
            number INTEGER PRIMARY KEY,
            device_id TEXT NOT NULL, session_id TEXT NOT NULL, phase TEXT NOT NULL,
            UNIQUE (device_id, session_id, phase)
        ) STRICT""",
        "CREATE INDEX announced_by_device ON announced (device_id)",
        """CREATE TABLE documents (
            device_id TEXT NOT NULL, measured_at INTEGER NOT NULL,
            session_id TEXT, text TEXT NOT NULL,
            PRIMARY KEY (device_id, measured_at)
        ) STRICT, WITHOUT ROWID""",
        # SQLite has NULL for NaN.
        """CREATE TABLE points (
            device_id TEXT NOT NULL, key TEXT NOT NULL,
            measured_at INTEGER NOT NULL, value REAL,
            PRIMARY KEY (device_id, key, measured_at)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE late_hours (
            device_id TEXT NOT NULL, hour INTEGER NOT NULL,
            PRIMARY KEY (device_id, hour)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE kept_since (
            device_id TEXT NOT NULL PRIMARY KEY, time INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID""",
    ),
    (
        # Messages of one moment are possible: the number keeps their order.
        """CREATE TABLE recent (
            number INTEGER PRIMARY KEY,
            device_id TEXT NOT NULL, received_at INTEGER NOT NULL,
            subtopic TEXT NOT NULL, is_retained INTEGER NOT NULL, body TEXT NOT NULL
        ) STRICT""",
        "CREATE INDEX recent_by_device ON recent (device_id)",
    ),
    (
        "ALTER TABLE sessions ADD COLUMN evse TEXT",
        "ALTER TABLE recent ADD COLUMN occurred_at INTEGER",
        # Of messages that had their effect. The number tells which came first.
        """CREATE TABLE identities (
            number INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE
        ) STRICT""",
    ),
)
# What is kept by device: all of these have a column `device_id`.
TABLES: Final = (
    "readings",
    "sessions",
    "announced",
    "documents",
    "points",
    "late_hours",
    "kept_since",
    "recent",
)

READ_READINGS: Final = """
    SELECT device_id, key, value, measured_at, arrived_at FROM readings"""
WRITE_READING: Final = """
    INSERT OR REPLACE INTO readings (device_id, key, value, measured_at, arrived_at)
    VALUES (?, ?, ?, ?, ?)"""
FORGET_READING: Final = "DELETE FROM readings WHERE device_id = ? AND key = ?"

READ_SESSIONS: Final = """
    SELECT device_id, session_id, started_at, stopped_at,
        energy, meter_start, meter_stop, token, evse, is_derived, replayed
    FROM sessions"""
WRITE_SESSION: Final = """
    INSERT OR REPLACE INTO sessions (device_id, session_id, started_at, stopped_at,
        energy, meter_start, meter_stop, token, evse, is_derived, replayed)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
FORGET_SESSION: Final = "DELETE FROM sessions WHERE device_id = ? AND session_id = ?"
LIMIT_SESSIONS: Final = """
    DELETE FROM sessions WHERE device_id = :device AND session_id IN (
        SELECT session_id FROM sessions WHERE device_id = :device
        ORDER BY COALESCE(started_at, stopped_at) DESC LIMIT -1 OFFSET :kept)"""

READ_ANNOUNCED: Final = """
    SELECT device_id, session_id, phase FROM announced ORDER BY number"""
WRITE_ANNOUNCED: Final = """
    INSERT OR IGNORE INTO announced (device_id, session_id, phase) VALUES (?, ?, ?)"""
LIMIT_ANNOUNCED: Final = """
    DELETE FROM announced WHERE device_id = :device AND session_id IN (
        SELECT session_id FROM announced WHERE device_id = :device
        GROUP BY session_id ORDER BY MIN(number) DESC LIMIT -1 OFFSET :kept)"""

READ_DOCUMENTS: Final = """
    SELECT device_id, measured_at, session_id, text FROM documents
    WHERE device_id = :device AND (:since IS NULL OR measured_at >= :since)
        AND (:until IS NULL OR measured_at < :until)
    ORDER BY measured_at"""
WRITE_DOCUMENT: Final = """
    INSERT OR REPLACE INTO documents (device_id, measured_at, session_id, text)
    VALUES (?, ?, ?, ?)"""
LIMIT_DOCUMENTS: Final = """
    DELETE FROM documents WHERE device_id = :device AND measured_at IN (
        SELECT measured_at FROM documents WHERE device_id = :device
        ORDER BY measured_at DESC LIMIT -1 OFFSET :kept)"""

# From a time on, after the last one before it: interpolation needs that one.
READ_POINTS: Final = """
    WITH starts AS (
        SELECT key, MAX(measured_at) FILTER (WHERE measured_at < :since) AS before
        FROM points WHERE device_id = :device GROUP BY key)
    SELECT points.device_id, points.key, points.measured_at, points.value
    FROM starts JOIN points ON points.device_id = :device AND points.key = starts.key
        AND points.measured_at >= COALESCE(starts.before, :since)
    ORDER BY points.key, points.measured_at"""
WRITE_POINT: Final = """
    INSERT OR REPLACE INTO points (device_id, key, measured_at, value)
    VALUES (?, ?, ?, ?)"""
READ_KEPT_SINCE: Final = "SELECT device_id, time FROM kept_since"
MOVE_KEPT_SINCE: Final = """
    INSERT INTO kept_since (device_id, time)
    SELECT device_id, time FROM (SELECT device_id, MIN(
        :before,
        COALESCE((
            SELECT MIN(hour) - :margin FROM late_hours
            WHERE late_hours.device_id = devices.device_id), :before),
        CASE WHEN :active_hours = 0 THEN :before ELSE COALESCE((
            SELECT DISTINCT measured_at / :hour * :hour AS active FROM points
            WHERE points.device_id = devices.device_id
            ORDER BY active DESC LIMIT 1 OFFSET :active_hours - 1), 0) END) AS time
    FROM (SELECT DISTINCT device_id FROM points) AS devices) WHERE time > 0
    ON CONFLICT (device_id) DO UPDATE SET time = MAX(time, excluded.time)"""
WRITE_KEPT_SINCE: Final = """
    INSERT INTO kept_since (device_id, time) VALUES (?, ?)
    ON CONFLICT (device_id) DO UPDATE SET time = MAX(time, excluded.time)"""
# One look for each key, where a condition on each point would be many times slower.
READ_LAST_BEFORE_KEPT: Final = """
    SELECT device_id, key, (
        SELECT MAX(measured_at) FROM points
        WHERE points.device_id = series.device_id AND points.key = series.key
        AND measured_at < (
            SELECT time FROM kept_since
            WHERE kept_since.device_id = series.device_id))
    FROM (SELECT DISTINCT device_id, key FROM points) AS series"""
PRUNE_POINTS: Final = """
    DELETE FROM points WHERE device_id = ? AND key = ? AND measured_at < ?"""

READ_LATE_HOURS: Final = "SELECT device_id, hour FROM late_hours"
WRITE_LATE_HOUR: Final = """
    INSERT OR IGNORE INTO late_hours (device_id, hour) VALUES (?, ?)"""
FORGET_LATE_HOUR: Final = "DELETE FROM late_hours WHERE device_id = ? AND hour = ?"

READ_RECENT: Final = """
    SELECT device_id, received_at, subtopic, is_retained, occurred_at, body FROM recent
    ORDER BY number"""
FORGET_RECENT: Final = "DELETE FROM recent WHERE device_id = ?"
WRITE_RECENT: Final = """
    INSERT INTO recent
        (device_id, received_at, subtopic, is_retained, occurred_at, body)
    VALUES (?, ?, ?, ?, ?, ?)"""

READ_IDENTITIES: Final = "SELECT identity FROM identities ORDER BY number"
WRITE_IDENTITY: Final = "INSERT OR IGNORE INTO identities (identity) VALUES (?)"
# Counted once a commit: the newest number says how many there may be.
LIMIT_IDENTITIES: Final = """
    DELETE FROM identities WHERE number <= (SELECT MAX(number) FROM identities) - :kept"""


def stamp_of(time: datetime) -> int:
    """Return microseconds since 1970: exact, unlike a float."""
    return (time - EPOCH) // MICROSECOND


def optional_stamp_of(time: datetime | None) -> int | None:
    """As `stamp_of`; None stays None."""
    return None if time is None else stamp_of(time)


def time_of(stamp: int) -> datetime:
    """The reverse of `stamp_of`, always UTC."""
    return EPOCH + timedelta(microseconds=stamp)


def optional_time_of(stamp: int | None) -> datetime | None:
    """As `time_of`; None stays None."""
    return None if stamp is None else time_of(stamp)


def row_of_reading(reading: Reading) -> Row:
    """Fit for WRITE_READING."""
    return (
        reading.device_id,
        reading.key,
        _text_of(reading.value),
        stamp_of(reading.measured_at),
        optional_stamp_of(reading.arrived_at),
    )


def reading_of(
    device_id: str, key: str, value: str, measured_at: int, arrived_at: int | None
) -> Reading:
    """One row of READ_READINGS."""
    return Reading(
        device_id=device_id,
        key=key,
        value=_value_of(value),
        measured_at=time_of(measured_at),
        arrived_at=optional_time_of(arrived_at),
    )


def row_of_session(session: Session) -> Row:
    """Fit for WRITE_SESSION."""
    return (
        session.device_id,
        session.session_id,
        optional_stamp_of(session.started_at),
        optional_stamp_of(session.stopped_at),
        session.energy,
        session.meter_start,
        session.meter_stop,
        session.token,
        session.evse,
        session.is_derived,
        session.replayed,
    )


def session_of(
    device_id: str,
    session_id: str,
    started_at: int | None,
    stopped_at: int | None,
    *others: *tuple[
        float | None, float | None, float | None, str | None, str | None, int, int
    ],
) -> Session:
    """One row of READ_SESSIONS."""
    energy, meter_start, meter_stop, token, evse, is_derived, replayed = others
    return Session(
        device_id=device_id,
        session_id=session_id,
        started_at=optional_time_of(started_at),
        stopped_at=optional_time_of(stopped_at),
        energy=energy,
        meter_start=meter_start,
        meter_stop=meter_stop,
        token=token,
        evse=evse,
        is_derived=bool(is_derived),
        replayed=bool(replayed),
    )


def announced_of(
    device_id: str, session_id: str, phase: str
) -> tuple[str, str, SessionPhase]:
    """One row of READ_ANNOUNCED."""
    return device_id, session_id, SessionPhase(phase)


def row_of_document(document: SessionDocument) -> Row:
    """Fit for WRITE_DOCUMENT."""
    return (
        document.device_id,
        stamp_of(document.measured_at),
        document.session_id,
        document.text,
    )


def identity_of(identity: str) -> str:
    """One row of READ_IDENTITIES."""
    return identity


def document_of(
    device_id: str, measured_at: int, session_id: str | None, text: str
) -> SessionDocument:
    """One row of READ_DOCUMENTS."""
    return SessionDocument(
        device_id=device_id,
        text=text,
        measured_at=time_of(measured_at),
        session_id=session_id,
    )


def point_of(device_id: str, key: str, measured_at: int, value: float | None) -> Point:
    """One row of READ_POINTS."""
    return Point(
        device_id=device_id,
        key=key,
        measured_at=time_of(measured_at),
        value=math.nan if value is None else value,
    )


def rows_of_hours(hours: Iterable[tuple[str, datetime]]) -> list[Row]:
    """Fit for WRITE_LATE_HOUR, FORGET_LATE_HOUR and WRITE_KEPT_SINCE."""
    return [(device_id, stamp_of(hour)) for device_id, hour in hours]


def device_time_of(device_id: str, time: int) -> tuple[str, datetime]:
    """One row of READ_LATE_HOURS or of READ_KEPT_SINCE."""
    return device_id, time_of(time)


def row_of_recent(device_id: str, message: RecentMessage) -> Row:
    """Fit for WRITE_RECENT."""
    content = message.content
    return (
        device_id,
        stamp_of(message.received_at),
        content.subtopic,
        content.is_retained,
        optional_stamp_of(content.occurred_at),
        json.dumps(content.body),
    )


def recent_of(
    device_id: str, received_at: int, *others: *tuple[str, int, int | None, str]
) -> tuple[str, RecentMessage]:
    """One row of READ_RECENT."""
    subtopic, is_retained, occurred_at, body = others
    content = Content(
        body=json.loads(body),
        subtopic=subtopic,
        is_retained=bool(is_retained),
        occurred_at=optional_time_of(occurred_at),
    )
    return device_id, RecentMessage(received_at=time_of(received_at), content=content)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Commit at the end; an error of any kind takes everything back and goes on."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        # After some errors SQLite has ended it already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Lead a file of that version to the newest; each step happens whole or not at all."""
    for reached, statements in enumerate(MIGRATIONS[version:], version + 1):
        with transaction(connection):
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {reached}")


def is_complete(connection: sqlite3.Connection) -> bool:
    """Whether a migrated file has every column that a new one has."""
    with closing(sqlite3.connect(":memory:", autocommit=True)) as new:
        migrate(new, 0)
        return _columns(new) <= _columns(connection)


def _columns(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    return set(
        connection.execute(
            """SELECT tables.name, columns.name
            FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
            WHERE tables.type = 'table'"""
        )
    )


def _text_of(value: Value) -> str:
    """JSON: SQLite knows no booleans, has NULL for NaN, and 64 bits for an integer."""
    if isinstance(value, datetime):
        return json.dumps({"time": stamp_of(value)})
    return json.dumps(value)


def _value_of(text: str) -> Value:
    match json.loads(text):
        case {"time": int(stamp)}:
            return time_of(stamp)
        case bool() | int() | float() | str() as value:
            return value
        case _:
            raise ValueError("not a value")
