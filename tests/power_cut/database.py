"""The recorder's database, read and aged from outside; times are aware UTC."""

from collections.abc import Iterator, Mapping
import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
import sqlite3
from typing import Any

type Row = Mapping[str, object]
"""The values of a row by the names of their columns."""


@contextlib.contextmanager
def opened(directory: Path, *, read_only: bool = True) -> Iterator[sqlite3.Connection]:
    """Open the database of the Home Assistant in this directory."""
    path = directory / "home-assistant_v2.db"
    mode = "?mode=ro" if read_only else ""
    connection = sqlite3.connect(f"file:{path}{mode}", uri=True, timeout=10)
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def age(directory: Path, by: timedelta) -> None:
    """Let everything in the database have happened that much earlier.

    The recorder then finds a gap of that length at its next start, and fills in
    what it believes of it as it does after any absence. `by` is in whole hours, as
    rows begin with them. Home Assistant must not be running.
    """
    seconds = by.total_seconds()
    assert seconds % 3600 == 0
    with opened(directory, read_only=False) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in tables.fetchall():
            columns = database.execute(f"PRAGMA table_info({table})").fetchall()
            for _, column, kind, *_ in columns:
                if column.endswith("_ts"):
                    _age_numbers(database, table, column, seconds)
                elif kind == "DATETIME":
                    _age_texts(database, table, column, seconds)


def add_newest_sum(
    directory: Path, statistic_id: str, *, state: float, total: float
) -> None:
    """Let the recorder have counted so much until it ended: it goes on from there."""
    with opened(directory, read_only=False) as database:
        (text,) = database.execute("SELECT max(start) FROM statistics_runs").fetchone()
        start = datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
        database.execute(
            "INSERT OR REPLACE INTO statistics_short_term"
            " (metadata_id, created_ts, start_ts, state, sum)"
            " SELECT id, ?, ?, ?, ? FROM statistics_meta WHERE statistic_id = ?",
            (start + 300, start, state, total, statistic_id),
        )


def newest_sum(directory: Path, statistic_id: str) -> tuple[float, float]:
    """What a meter showed and had counted when the recorder compiled it last."""
    with opened(directory) as database:
        state, total = database.execute(
            "SELECT state, sum FROM statistics_short_term"
            " JOIN statistics_meta ON metadata_id = statistics_meta.id"
            " WHERE statistic_id = ? ORDER BY start_ts DESC LIMIT 1",
            (statistic_id,),
        ).fetchone()
    return state, total


def sums(directory: Path, statistic_id: str) -> dict[datetime, float]:
    """The sums of a meter's hourly rows, by the beginnings of the hours."""
    found = _hourly_rows(directory, statistic_id, "start_ts, sum")
    return {_time(start): total for start, total in found if total is not None}


def whole_rows(directory: Path, statistic_id: str) -> dict[datetime, list[Row]]:
    """Hourly rows with every column as it is stored; more than one would be a defect."""
    rows: dict[datetime, list[Row]] = {}
    for row in _hourly_rows(directory, statistic_id, "statistics.*"):
        rows.setdefault(_time(row["start_ts"]), []).append(dict(row))
    return rows


def _hourly_rows(directory: Path, statistic_id: str, columns: str) -> list[Any]:
    with opened(directory) as database:
        database.row_factory = sqlite3.Row
        return database.execute(
            f"SELECT {columns} FROM statistics"
            " JOIN statistics_meta ON metadata_id = statistics_meta.id"
            " WHERE statistic_id = ? ORDER BY start_ts",
            (statistic_id,),
        ).fetchall()


def _age_numbers(
    database: sqlite3.Connection, table: str, column: str, seconds: float
) -> None:
    # In two steps, by way of negative times: a row must not meet one that has not
    # moved yet.
    database.execute(f"UPDATE {table} SET {column} = ? - {column}", (seconds,))
    database.execute(f"UPDATE {table} SET {column} = -{column}")


def _age_texts(
    database: sqlite3.Connection, table: str, column: str, seconds: float
) -> None:
    # Home Assistant compares them as texts: six digits, as it writes them itself.
    database.execute(
        f'UPDATE {table} SET "{column}" ='
        f" strftime('%Y-%m-%d %H:%M:%f', \"{column}\", ?) || '000'",
        (f"-{seconds:.0f} seconds",),
    )


def _time(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
