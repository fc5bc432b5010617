"""What survives? The durable half of the ledger, one SQLite file an account.

A commit returns when it is on the disk, so what is acknowledged after it
outlives a power cut. All of SQLite happens on a thread of its own.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
import sqlite3
from typing import Any, Final

from . import tables
from .batch import Batch, Contents
from .ledger import ANNOUNCED_PER_DEVICE, IDENTITIES_REMEMBERED, SESSIONS_PER_DEVICE
from .model import Point, RecentMessage, SessionDocument
from .tables import Row, optional_stamp_of, stamp_of, transaction

DOCUMENTS_PER_DEVICE: Final = 500
# An hour that waits for its import is interpolated from readings before it.
LATE_HOUR_MARGIN: Final = timedelta(hours=2)
# Nobody else should use the file; somebody who looks into it is waited for.
BUSY_TIMEOUT = 5.0
CHECKPOINT_PAGES: Final = 1000
SET_ASIDE: Final = ".damaged-"

WORTH_ANOTHER_TRY: Final = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOLFS,
        sqlite3.SQLITE_AUTH,
    }
)

type Parameters = Mapping[str, str | int | None]


class StoreError(Exception):
    """Anything that keeps the store from being used; the message holds no content."""


class StoreDamagedError(StoreError):
    """The file is no database, is malformed, or lacks what it should hold."""


class StoreUnavailableError(StoreError):
    """The file cannot be used now, as on a full disk: worth another try."""


class StoreTooNewError(StoreError):
    """A newer version of this code wrote the file; it is left as it is."""


class Store:
    """One file. Every method but `close` raises StoreDamagedError or StoreUnavailableError.

    A mistake of the caller, as a value that is of no use to SQLite, stays what it
    is in Python and leaves no trace in the file. Once damage was found, be it by
    reading, everything raises StoreDamagedError until the file is set aside.
    Cancelling a caller leaves nothing half done: what has begun is finished, what
    still waits for its turn is dropped.
    """

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is touched before `open`."""
        self._path = path
        self._held: sqlite3.Connection | None = None
        self._damage: str | None = None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="ev_streams store")
        self._closing: Future[None] | None = None

    @property
    def is_damaged(self) -> bool:
        """Whether damage was found in the file that is in use."""
        return self._damage is not None

    async def open(self) -> Contents:
        """Open the file, or make it, and read it; raises StoreTooNewError as well."""
        return await self._run(self._open)

    async def set_aside(self) -> None:
        """Rename the file, so that `open` starts afresh.

        Two remain of those set aside: the first, of which the others are copies
        that lack what only the file held, and the newest.
        """
        await self._run(self._set_aside)

    async def commit(self, batch: Batch) -> None:
        """Bring the whole batch to the disk, or raise and keep nothing of it."""
        # A cancelled caller may go on with its batch while this is being written.
        taken = Batch()
        taken.merge(batch)
        await self._run(self._commit, taken)

    async def points(self, device_id: str, since: datetime) -> dict[str, list[Point]]:
        """Return points by key, in order: from `since` on, and the last one before it."""
        return await self._run(self._points, device_id, since)

    async def documents(
        self, device_id: str, since: datetime | None, until: datetime | None
    ) -> list[SessionDocument]:
        """Return what was measured from `since` on and before `until`, in order."""
        return await self._run(self._documents, device_id, since, until)

    async def forget_hours(self, hours: Iterable[tuple[str, datetime]]) -> None:
        """Forget (device, top of the hour): these have been imported."""
        await self._run(self._forget_hours, tables.rows_of_hours(hours))

    async def prune(
        self, before: datetime, active_hours: int = 0
    ) -> dict[str, datetime]:
        """Delete points measured before `before`, except what history still needs.

        That is the last one of each key, those of the newest hours of the device
        that have any, as many as `active_hours`, and for a device with late hours
        all from two hours before the earliest of them on. Returns by device from
        when on everything is still there.
        """
        return await self._run(self._prune, before, active_hours)

    async def forget_device(self, device_id: str) -> None:
        """Delete all that is kept of a device."""
        await self._run(self._forget_device, device_id)

    async def begin_backup(self) -> None:
        """Leave the main file as it is from now on; commits go into the WAL."""
        await self._run(self._begin_backup)

    async def end_backup(self) -> None:
        """Bring into the main file what was committed in the meantime."""
        await self._run(self._end_backup)

    async def close(self) -> None:
        """Finish what is under way and end the thread; may be called again."""
        if self._closing is None:
            self._closing = self._worker.submit(self._disconnect)
            self._worker.shutdown(wait=False)
        await asyncio.shield(asyncio.wrap_future(self._closing))
        # Returns at once, for the thread has nothing left to do.
        self._worker.shutdown()

    async def _run[*Ts, T](self, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        if self._closing is not None:
            raise StoreUnavailableError("the store is closed")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, self._attempt, work, *arguments)

    # From here on everything runs on the worker's thread.

    def _attempt[*Ts, T](self, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Remember damage here: whoever asked may have been cancelled meanwhile."""
        try:
            with _own_errors():
                return work(*arguments)
        except StoreDamagedError as err:
            self._damage = str(err)
            raise

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._damage is not None:
            raise StoreDamagedError(self._damage)
        if self._held is None:
            raise StoreUnavailableError("the store is not open")
        return self._held

    def _open(self) -> Contents:
        self._disconnect()
        # Sessions may name RFID tokens: these concern nobody else.
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT, autocommit=True)
        # SQLite's own error would quote a text that cannot be decoded.
        connection.text_factory = bytes.decode
        try:
            _prepare(connection)
            contents = _contents(connection)
        except BaseException:
            _close_untouched(connection)
            raise
        self._held = connection
        self._damage = None
        return contents

    def _disconnect(self) -> None:
        connection, self._held = self._held, None
        if connection is not None:
            connection.close()

    def _set_aside(self) -> None:
        connection, self._held = self._held, None
        if connection is not None:
            _close_untouched(connection)
        older = _set_aside_files(self._path)
        first = min(map(_set_aside_at, older), default="")
        name = f"{self._path.name}{SET_ASIDE}{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
        files = _own_files(self._path)
        for file in files:
            file.rename(file.with_name(file.name.replace(self._path.name, name, 1)))
        self._damage = None
        for file in older:
            if files and _set_aside_at(file) != first:
                file.unlink()

    def _commit(self, batch: Batch) -> None:
        with transaction(self._connection) as connection:
            for statement, rows in _writes(batch):
                connection.executemany(statement, rows)
            for statement, kept, devices in _limits(batch):
                for device in devices:
                    connection.execute(statement, {"device": device, "kept": kept})
            if batch.identities:
                connection.execute(
                    tables.LIMIT_IDENTITIES, {"kept": IDENTITIES_REMEMBERED}
                )

    def _points(self, device_id: str, since: datetime) -> dict[str, list[Point]]:
        parameters: Parameters = {"device": device_id, "since": stamp_of(since)}
        found: dict[str, list[Point]] = {}
        for point in _read(
            self._connection, tables.point_of, tables.READ_POINTS, parameters
        ):
            found.setdefault(point.key, []).append(point)
        return found

    def _documents(
        self, device_id: str, since: datetime | None, until: datetime | None
    ) -> list[SessionDocument]:
        parameters: Parameters = {
            "device": device_id,
            "since": optional_stamp_of(since),
            "until": optional_stamp_of(until),
        }
        return _read(
            self._connection, tables.document_of, tables.READ_DOCUMENTS, parameters
        )

    def _forget_hours(self, rows: list[Row]) -> None:
        with transaction(self._connection) as connection:
            connection.executemany(tables.FORGET_LATE_HOUR, rows)

    def _prune(self, before: datetime, active_hours: int) -> dict[str, datetime]:
        parameters = {
            "before": stamp_of(before),
            "margin": LATE_HOUR_MARGIN // tables.MICROSECOND,
            "active_hours": active_hours,
            "hour": timedelta(hours=1) // tables.MICROSECOND,
        }
        with transaction(self._connection) as connection:
            connection.execute(tables.MOVE_KEPT_SINCE, parameters)
            last = connection.execute(tables.READ_LAST_BEFORE_KEPT).fetchall()
            connection.executemany(tables.PRUNE_POINTS, last)
        return _kept_since(connection)

    def _forget_device(self, device_id: str) -> None:
        with transaction(self._connection) as connection:
            for table in tables.TABLES:
                connection.execute(
                    f"DELETE FROM {table} WHERE device_id = ?", (device_id,)
                )

    def _begin_backup(self) -> None:
        connection = self._connection
        _pragma(connection, "wal_checkpoint(TRUNCATE)")
        _pragma(connection, "wal_autocheckpoint = 0")
        # The store may be closed while the backup still copies.
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)

    def _end_backup(self) -> None:
        connection = self._connection
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, False)
        _pragma(connection, f"wal_autocheckpoint = {CHECKPOINT_PAGES}")
        _pragma(connection, "wal_checkpoint(TRUNCATE)")


def remove_files(path: Path) -> None:
    """Delete the file, what belongs to it and what was set aside; blocks, OSError."""
    for file in _own_files(path) + _set_aside_files(path):
        # A store that is closed at this moment takes its WAL away itself.
        file.unlink(missing_ok=True)


def _own_files(path: Path) -> list[Path]:
    files = [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")]
    return [file for file in files if file.exists()]


def _set_aside_files(path: Path) -> list[Path]:
    if not path.parent.exists():
        return []
    start = f"{path.name}{SET_ASIDE}"
    return [file for file in path.parent.iterdir() if file.name.startswith(start)]


def _set_aside_at(file: Path) -> str:
    """Tell the time in the name, which a file shares with what belongs to it."""
    return file.name.partition(SET_ASIDE)[2].partition("-")[0]


def _close_untouched(connection: sqlite3.Connection) -> None:
    """Close without the checkpoint that closing would be, to change no byte of the file."""
    connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)
    connection.close()


def _prepare(connection: sqlite3.Connection) -> None:
    """Make a file fit for use, after it was found undamaged and not too new."""
    version = _pragma(connection, "user_version")
    known = len(tables.MIGRATIONS)
    if version > known:
        raise StoreTooNewError(f"version {version}, known is {known}")
    if version < 0 or _pragma(connection, "quick_check(1)") != "ok":
        raise StoreDamagedError("the file is malformed")
    _pragma(connection, "journal_mode = WAL")
    _pragma(connection, "synchronous = FULL")
    # What a user wants forgotten does not linger in free pages.
    _pragma(connection, "secure_delete = ON")
    tables.migrate(connection, version)
    if not tables.is_complete(connection):
        raise StoreDamagedError("a table is missing")


def _contents(connection: sqlite3.Connection) -> Contents:
    return Contents(
        readings=_read(connection, tables.reading_of, tables.READ_READINGS),
        sessions=_read(connection, tables.session_of, tables.READ_SESSIONS),
        announced=_read(connection, tables.announced_of, tables.READ_ANNOUNCED),
        late_hours=set(
            _read(connection, tables.device_time_of, tables.READ_LATE_HOURS)
        ),
        kept_since=_kept_since(connection),
        recent=_recent(connection),
        identities=_read(connection, tables.identity_of, tables.READ_IDENTITIES),
    )


def _kept_since(connection: sqlite3.Connection) -> dict[str, datetime]:
    return dict(_read(connection, tables.device_time_of, tables.READ_KEPT_SINCE))


def _recent(connection: sqlite3.Connection) -> dict[str, tuple[RecentMessage, ...]]:
    found: dict[str, list[RecentMessage]] = {}
    for device_id, message in _read(connection, tables.recent_of, tables.READ_RECENT):
        found.setdefault(device_id, []).append(message)
    return {device_id: tuple(messages) for device_id, messages in found.items()}


def _writes(batch: Batch) -> Iterator[tuple[str, Iterable[Row]]]:
    """Pair each statement with its rows, in the order in which they are to run."""
    yield tables.FORGET_READING, batch.forgotten_readings
    yield tables.WRITE_READING, map(tables.row_of_reading, batch.readings.values())
    yield tables.FORGET_SESSION, batch.forgotten_sessions
    yield tables.WRITE_SESSION, map(tables.row_of_session, batch.sessions.values())
    yield tables.WRITE_ANNOUNCED, batch.announced
    yield tables.WRITE_DOCUMENT, map(tables.row_of_document, batch.documents.values())
    yield tables.WRITE_LATE_HOUR, tables.rows_of_hours(batch.late_hours)
    yield tables.WRITE_KEPT_SINCE, tables.rows_of_hours(batch.kept_since.items())
    yield (
        tables.WRITE_POINT,
        (
            (device_id, key, stamp_of(measured_at), value)
            for (device_id, key, measured_at), value in batch.points.items()
        ),
    )
    yield tables.WRITE_IDENTITY, ((identity,) for identity in batch.identities)
    yield tables.FORGET_RECENT, ((device_id,) for device_id in batch.recent)
    yield (
        tables.WRITE_RECENT,
        (
            tables.row_of_recent(device_id, message)
            for device_id, messages in batch.recent.items()
            for message in messages
        ),
    )


def _limits(batch: Batch) -> Iterator[tuple[str, int, set[str]]]:
    """Name each statement that drops what is too old, and the devices that need it."""
    devices = {device_id for device_id, _ in batch.sessions}
    yield tables.LIMIT_SESSIONS, SESSIONS_PER_DEVICE, devices
    devices = {device_id for device_id, _, _ in batch.announced}
    yield tables.LIMIT_ANNOUNCED, ANNOUNCED_PER_DEVICE, devices
    devices = {device_id for device_id, _ in batch.documents}
    yield tables.LIMIT_DOCUMENTS, DOCUMENTS_PER_DEVICE, devices


def _pragma(connection: sqlite3.Connection, words: str) -> Any:
    """Run a PRAGMA to its end; returns the first value of its answer, if it has one."""
    row = connection.execute(f"PRAGMA {words}").fetchone()
    return row and row[0]


def _read[T](
    connection: sqlite3.Connection,
    make: Callable[..., T],
    statement: str,
    parameters: Parameters | None = None,
) -> list[T]:
    """Make something of every row; one that is not as it was written is damage."""
    rows = connection.execute(statement, parameters or {})
    try:
        return [make(*row) for row in rows]
    except (ValueError, OverflowError) as err:
        raise StoreDamagedError("a row cannot be read") from err


@contextmanager
def _own_errors() -> Iterator[None]:
    """Say in our own terms what went wrong; a mistake of the code stays what it is."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except sqlite3.Error as err:
        # The lowest byte is the kind, the others tell more precisely.
        if err.sqlite_errorcode & 0xFF in WORTH_ANOTHER_TRY:
            raise StoreUnavailableError(err.sqlite_errorname) from err
        raise StoreDamagedError(err.sqlite_errorname) from err
    except OSError as err:
        raise StoreUnavailableError(err.strerror) from err
    except MemoryError as err:
        raise StoreUnavailableError("out of memory") from err
