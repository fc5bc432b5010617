"""Sessions as rows and as lines of a spreadsheet."""

import csv
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import io
from itertools import count

from homeassistant.core import HomeAssistant
import pytest

from custom_components.ev_streams.model import Session, SessionDocument
from custom_components.ev_streams.report import (
    as_csv,
    document_row,
    documents_by_session,
    session_row,
)

CHARGER = "EH123456"
START = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)
STOP = START + timedelta(minutes=90)


def session(session_id: str, stop: datetime | None = STOP) -> Session:
    return Session(
        device_id=CHARGER, session_id=session_id, started_at=START, stopped_at=stop
    )


def document(made: datetime, session_id: str | None = None) -> SessionDocument:
    return SessionDocument(
        device_id=CHARGER, text=f"of {made}", measured_at=made, session_id=session_id
    )


async def test_row_is_in_local_time(hass: HomeAssistant) -> None:
    """A user reads the time of the house, with its distance from UTC."""
    await hass.config.async_set_time_zone("Europe/Zurich")
    row = session_row(
        Session(
            device_id=CHARGER,
            session_id="435",
            started_at=START,
            stopped_at=STOP,
            energy=12.5,
            meter_start=1000.25,
            meter_stop=1012.75,
            token="A1B2C3D4",
            replayed=True,
        ),
        "Garage",
    )
    assert row == {
        "device": "Garage",
        "device_id": CHARGER,
        "session_id": "435",
        "start": "2026-11-20T06:00:00+01:00",
        "stop": "2026-11-20T07:30:00+01:00",
        "duration": 5400.0,
        "energy": 12.5,
        "meter_start": 1000.25,
        "meter_stop": 1012.75,
        "replayed": True,
        "rfid_token": "A1B2C3D4",
    }


def test_row_of_what_is_not_known() -> None:
    """What nobody told is empty; a token that was not kept is not even named."""
    row = session_row(
        Session(device_id=CHARGER, session_id="derived-1", is_derived=True), "Garage"
    )
    assert row.pop("device") == "Garage"
    assert row.pop("device_id") == CHARGER
    assert row.pop("replayed") is False
    assert set(row.values()) == {None}
    assert "rfid_token" not in row


def test_csv_is_read_back_as_it_was_written() -> None:
    """Commas, quotes and line breaks of a name survive; what is not known is empty."""
    name = 'Garage, "left"\nbay'
    rows = [session_row(session("435"), name), session_row(session("436", None), name)]
    first, second = csv.DictReader(io.StringIO(as_csv(rows)))
    assert first["device"] == second["device"] == name
    assert first["session_id"] == "435"
    assert first["duration"] == "5400"
    assert first["replayed"] == "false"
    assert first["energy"] == ""
    assert second["stop"] == second["duration"] == ""
    assert "rfid_token" not in first


def test_csv_has_tokens_only_where_there_are_some() -> None:
    with_token = {**session_row(session("435"), "Garage"), "rfid_token": "A1B2"}
    without = session_row(session("436"), "Garage")
    first, second = csv.DictReader(io.StringIO(as_csv([with_token, without])))
    assert first["rfid_token"] == "A1B2"
    assert second["rfid_token"] == ""


def test_csv_has_times_that_a_spreadsheet_reads() -> None:
    start = datetime(2026, 11, 27, 10, 0, 0, 123456, tzinfo=UTC)
    stop = start + timedelta(seconds=90, microseconds=700_000)
    row = session_row(replace(session("435"), started_at=start, stopped_at=stop), "G")
    (read,) = csv.DictReader(io.StringIO(as_csv([row])))
    assert datetime.fromisoformat(read["start"]) == start.replace(microsecond=0)
    assert read["duration"] == "91"


def test_csv_of_nothing_has_its_heading() -> None:
    (heading,) = csv.reader(io.StringIO(as_csv([])))
    assert heading[:5] == ["device", "device_id", "session_id", "start", "stop"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_spreadsheet_does_not_calculate_a_name(text: str) -> None:
    """The name of a charger is the vendor's, so it must not become a formula."""
    (row,) = csv.DictReader(
        io.StringIO(as_csv([session_row(session("435"), text)]), newline="")
    )
    assert row["device"] == f"'{text}"


def test_document_that_names_its_session_belongs_to_it() -> None:
    """Whatever else stopped at the same time."""
    sessions = [session("435"), session("436")]
    made = [document(STOP, "436"), document(STOP + timedelta(days=1), "435")]
    found = documents_by_session(sessions, made)
    assert found == {"436": made[:1], "435": made[1:]}


@pytest.mark.parametrize("minutes", [-10, -1, 0, 9, 10])
def test_document_without_a_name_belongs_to_the_nearest_stop(minutes: int) -> None:
    numbers = count()
    sessions = [
        session(str(next(numbers)), STOP + timedelta(minutes=30 * step))
        for step in range(-2, 3)
    ]
    made = document(STOP + timedelta(minutes=minutes))
    # The third is the one that stopped at STOP.
    assert documents_by_session(sessions, [made]) == {"2": [made]}


@pytest.mark.parametrize("minutes", [-11, 11])
def test_document_far_from_any_stop_belongs_to_none(minutes: int) -> None:
    made = document(STOP + timedelta(minutes=minutes))
    sessions = [session("435"), session("436", None)]
    assert documents_by_session(sessions, [made]) == {None: [made]}


def test_document_of_a_session_that_is_not_kept_is_not_lost() -> None:
    made = [document(STOP, "17"), document(STOP)]
    assert documents_by_session([], made) == {None: made}


async def test_row_of_a_document(hass: HomeAssistant) -> None:
    await hass.config.async_set_time_zone("Europe/Zurich")
    assert document_row(document(STOP), "Garage") == {
        "device": "Garage",
        "device_id": CHARGER,
        "time": "2026-11-20T07:30:00+01:00",
        "document": f"of {STOP}",
    }
