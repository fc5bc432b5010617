"""Signed documents of sessions: kept to the letter, and read where they can be."""

import json

import pytest

from custom_components.ev_streams.model import (
    Reading,
    SessionChange,
    SessionDocument,
    SessionPhase,
)
from custom_components.ev_streams.providers.easee.decode import observation_updates

from .messages import (
    ARRIVED,
    ARRIVED_TEXT,
    CHARGER,
    MEASURED,
    SIGNED_SESSION,
    STOP_SAMPLE,
    STOPPED_AT,
    delivery,
    observed,
    reading_of,
    reason_of,
)

RECEIVED = Reading(
    device_id=CHARGER,
    key="charging_session_signed",
    value=MEASURED,
    measured_at=MEASURED,
)
LIMIT = 64 * 1024


def document(text: str, session_id: str | None = None) -> SessionDocument:
    return SessionDocument(
        device_id=CHARGER, text=text, measured_at=MEASURED, session_id=session_id
    )


def test_a_signed_session_is_noted_kept_and_read() -> None:
    # The spaces and the order are part of what was signed.
    text = '{ "Signature":"c2ln",  ' + json.dumps(STOP_SAMPLE)[1:]
    message = observed(text, SIGNED_SESSION, {"ArrivalTime": ARRIVED_TEXT})
    received, kept, session = message.updates
    assert received == Reading(
        device_id=CHARGER,
        key="charging_session_signed",
        value=MEASURED,
        measured_at=MEASURED,
        arrived_at=ARRIVED,
    )
    assert kept == document(text, "435")
    assert isinstance(session, SessionChange)
    assert (session.session_id, session.phase) == ("435", SessionPhase.STOPPED)
    assert (session.stopped_at, session.energy) == (STOPPED_AT, 0.411273)


@pytest.mark.parametrize(
    "text",
    [
        "OCMF|" + "x" * 5000,
        json.dumps({"Format": "unheard of", "Signature": "c2ln"}),
        json.dumps({"Id": 1}),
        " \u00e6\u00f8\u00e5 \U0001f50c\r\n",
        "not JSON",
    ],
)
def test_a_signed_document_of_any_other_kind_stays_opaque(text: str) -> None:
    assert observed(text, SIGNED_SESSION).updates == (RECEIVED, document(text))


def test_a_document_names_its_session_even_where_it_tells_no_energy() -> None:
    text = json.dumps({"Id": 435, "Stop": "2025-01-22T13:20:05Z", "Signature": "c2ln"})
    assert observed(text, SIGNED_SESSION).updates == (RECEIVED, document(text, "435"))


def test_a_document_that_comes_as_an_object_is_kept_as_compact_json() -> None:
    opaque = observed({"Signature": "c2ln", "Data": [1, 2.5]}, SIGNED_SESSION)
    assert opaque.updates == (
        RECEIVED,
        document('{"Signature":"c2ln","Data":[1,2.5]}'),
    )
    _, kept, session = observed(dict(STOP_SAMPLE), SIGNED_SESSION).updates
    assert isinstance(kept, SessionDocument)
    assert kept.session_id == "435"
    assert json.loads(kept.text) == STOP_SAMPLE
    assert isinstance(session, SessionChange)


@pytest.mark.parametrize("value", ["", 7, 1.5, True])
def test_what_is_no_document_is_noted_only(value: object) -> None:
    assert reading_of(observed(value, SIGNED_SESSION)) == RECEIVED


@pytest.mark.parametrize("letter", ["x", "\u00e6", "\U0001f50c"])
def test_a_document_is_kept_whole_up_to_its_limit(letter: str) -> None:
    text = letter * (LIMIT // len(letter.encode()))
    assert observed(text, SIGNED_SESSION).updates == (RECEIVED, document(text))
    body = {"Timestamp": "2026-11-20T05:01:01Z", "Value": text + "."}
    assert reason_of(delivery(body, f"{CHARGER}.O.60")) == "document_too_long"


def test_an_object_beyond_the_limit_is_refused_too() -> None:
    body = {"Timestamp": "2026-11-20T05:01:01Z", "Value": {"Signature": "x" * LIMIT}}
    assert reason_of(delivery(body, f"{CHARGER}.O.60")) == "document_too_long"


def test_an_object_that_cannot_be_written_again_is_refused() -> None:
    nested = b'{"a":' * 500 + b"1" + b"}" * 500
    body = b'{"Timestamp": "2026-11-20T05:01:01Z", "Value": ' + nested + b"}"
    assert reason_of(delivery(body, f"{CHARGER}.O.60")) == "document_too_deep"


def test_a_snapshot_brings_the_last_document() -> None:
    assert observation_updates(CHARGER, SIGNED_SESSION, "OCMF|x", MEASURED) == (
        RECEIVED,
        document("OCMF|x"),
    )
