"""Charging sessions as a user reads them: rows of a response, lines of an expense report."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
import csv
from datetime import datetime, timedelta
import io
from operator import itemgetter
from typing import Any, Final

from homeassistant.util import dt as dt_util

from .model import Session, SessionDocument

# A document that does not say whose it is belongs to the session that ended
# about when it was made: inferred, no vendor documents it.
DOCUMENT_WITHIN: Final = timedelta(minutes=10)
COLUMNS: Final = (
    "device",
    "device_id",
    "session_id",
    "start",
    "stop",
    "duration",
    "energy",
    "meter_start",
    "meter_stop",
    "replayed",
)
EVSE: Final = "evse"
TOKEN: Final = "rfid_token"
DURATION: Final = "duration"
TIMES: Final = ("start", "stop")
# A spreadsheet takes a text that begins so for a formula.
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

type Stop = tuple[datetime, str]


def session_row(session: Session, device: str) -> dict[str, Any]:
    """Return what is known of a session: local ISO times, kWh, seconds.

    `session_id` is the provider's, None for a session that no message named.
    `evse` is there only where the device may have several, `rfid_token` only where it
    was kept.
    """
    row: dict[str, Any] = {
        "device": device,
        "device_id": session.device_id,
        "session_id": None if session.is_derived else session.session_id,
        "start": _local(session.started_at),
        "stop": _local(session.stopped_at),
        "duration": session.duration,
        "energy": session.energy,
        "meter_start": session.meter_start,
        "meter_stop": session.meter_stop,
        "replayed": session.replayed,
    }
    if session.evse is not None:
        row[EVSE] = session.evse
    if session.token is not None:
        row[TOKEN] = session.token
    return row


def document_row(document: SessionDocument, device: str) -> dict[str, Any]:
    """Return a document that belongs to no session that is kept."""
    return {
        "device": device,
        "device_id": document.device_id,
        "time": _local(document.measured_at),
        "document": document.text,
    }


def as_csv(rows: Iterable[dict[str, Any]]) -> str:
    """Return the rows as comma separated lines with a heading, for any spreadsheet.

    EVSEs and tokens have a column only where there is one.
    """
    rows = list(rows)
    others = [name for name in (EVSE, TOKEN) if any(name in row for row in rows)]
    columns = (*COLUMNS, *others)
    text = io.StringIO()
    writer = csv.DictWriter(
        text, columns, restval="", extrasaction="ignore", lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(
        {column: _cell(column, row.get(column)) for column in columns} for row in rows
    )
    return text.getvalue()


def documents_by_session(
    sessions: Sequence[Session], documents: Iterable[SessionDocument]
) -> dict[str | None, list[SessionDocument]]:
    """Sort a device's signed documents by session id; under None those of no session."""
    known = {session.session_id for session in sessions}
    stops = sorted(
        (session.stopped_at, session.session_id)
        for session in sessions
        if session.stopped_at is not None
    )
    found: dict[str | None, list[SessionDocument]] = defaultdict(list)
    for document in documents:
        session_id = document.session_id or _nearest(stops, document.measured_at)
        found[session_id if session_id in known else None].append(document)
    return found


def _nearest(stops: Sequence[Stop], moment: datetime) -> str | None:
    """Return the session that stopped closest to the moment; `stops` are in order."""
    at = bisect_left(stops, moment, key=itemgetter(0))
    distance, session_id = min(
        ((abs(stop - moment), each) for stop, each in stops[max(0, at - 1) : at + 1]),
        default=(timedelta.max, None),
    )
    return session_id if distance <= DOCUMENT_WITHIN else None


def _cell(column: str, value: object) -> object:
    """Return a value as it is read in a spreadsheet: whole seconds, plain numbers."""
    match value:
        case None:
            cell: object = ""
        case bool():
            cell = "true" if value else "false"
        case float() if column == DURATION:
            cell = round(value)
        case float() if value.is_integer():
            cell = int(value)
        case str() if column in TIMES:
            cell = datetime.fromisoformat(value).isoformat(timespec="seconds")
        case str() if value.startswith(FORMULA):
            cell = f"'{value}"
        case _:
            cell = value
    return cell


def _local(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    try:
        return dt_util.as_local(moment).isoformat()
    except OverflowError:
        # At either end of the calendar there is no other zone's time.
        return moment.isoformat()
