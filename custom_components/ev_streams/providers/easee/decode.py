"""An Easee message becomes readings and session changes.

The routing key carries the charger and the ObservationId, the body one value
with its time. Facts are from the vendor's page "Connecting to AMQP" and from
public consumers of the same stream; where those leave a choice (case of the
members, typed values or text, digits of a fraction) any of it is accepted.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
import re

import orjson

from ...model import (
    BadInputError,
    Message,
    Reading,
    SessionChange,
    SessionDocument,
    SessionPhase,
    Update,
)
from ...stream.delivery import Delivery
from ..bodies import json_object
from .observations import (
    CHARGING_SESSION,
    CHARGING_SESSION_SIGNED,
    CHARGING_SESSION_START,
    OBSERVATIONS,
    STATE_LENGTH,
    decimal,
    text,
)

OBSERVATION_KIND = "O"
OBSERVATION_ID = re.compile(r"[0-9]{1,9}")
# Commands, their responses, pulses and packages of the same broker: no observations.
OTHER_KINDS = frozenset({"C", "CR", "P", "OP"})
SYSTEM = "SYS"

SESSION_START_METER = "session_start_meter"
SESSION_STOP_METER = "session_stop_meter"
# A signed document is kept whole, so that somebody has to say how much is too much.
DOCUMENT_BYTES = 64 * 1024
HOUR = timedelta(hours=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def decode(delivery: Delivery) -> Message:
    """Decode one delivery; raises BadInputError where it says nothing that can be understood."""
    parts = delivery.address.split(".")
    if parts[0] == SYSTEM:
        return Message(unknown="routing key SYS")
    kind = parts[1] if len(parts) > 1 and parts[0] else ""
    if kind in OTHER_KINDS:
        return Message(device_id=parts[0], unknown=f"routing key {kind}")
    if kind != OBSERVATION_KIND or not OBSERVATION_ID.fullmatch(".".join(parts[2:])):
        raise BadInputError("routing_key")
    return _observation(parts[0], int(parts[2]), delivery)


def observation_updates(
    serial: str,
    observation_id: int,
    raw: object,
    measured_at: datetime,
    arrived_at: datetime | None = None,
) -> tuple[Update, ...]:
    """Turn one observation into updates, none for an id that the table lacks.

    Serves the stream and the snapshot alike; times are aware UTC. Raises
    BadInputError where the value does not fit the id.
    """
    observation = OBSERVATIONS.get(observation_id)
    if observation is None:
        return ()
    if observation_id in (CHARGING_SESSION_START, CHARGING_SESSION):
        change = _session(serial, observation_id, raw, arrived_at)
        return (*_meter_readings(change), change)
    if observation_id == CHARGING_SESSION_SIGNED:
        return _signed_session(serial, observation.key, raw, measured_at, arrived_at)
    reading = Reading(
        device_id=serial,
        key=observation.key,
        value=observation.convert(raw),
        measured_at=measured_at,
        arrived_at=arrived_at,
    )
    return (reading,)


def timestamp(raw: object) -> datetime:
    """Read ISO 8601 as aware UTC: any number of fraction digits, no zone means UTC.

    What lies before 1970 is none: .NET, which the vendor uses, writes the year 1 for
    a time that was never set.
    """
    if not isinstance(raw, str):
        raise BadInputError("timestamp")
    try:
        moment = datetime.fromisoformat(raw.strip())
        moment = (
            moment.replace(tzinfo=UTC)
            if moment.tzinfo is None
            else moment.astimezone(UTC)
        )
    except (ValueError, OverflowError) as err:
        raise BadInputError("timestamp") from err
    if moment < EPOCH:
        raise BadInputError("timestamp")
    return moment


def hourly_figure(entry: Mapping[str, object]) -> tuple[datetime, float]:
    """Read one entry of the hourly usage: the beginning of the hour (UTC), and its kWh.

    The vendor describes `from`, `to` and `totalEnergy`; its other hourly figures
    are written as `date` and `consumption`, so that both are read. Raises
    BadInputError for what is no hour, or no energy that a meter can have counted.
    """
    members = {name.lower(): value for name, value in entry.items()}
    if "totalenergy" in members:
        hour, energy = members.get("from"), decimal(members["totalenergy"])
    else:
        hour, energy = members.get("date"), decimal(members.get("consumption"))
    begin = timestamp(hour)
    is_whole = begin.replace(minute=0, second=0, microsecond=0) == begin
    if not is_whole or ("to" in members and timestamp(members["to"]) - begin != HOUR):
        raise BadInputError("not_an_hour")
    if energy < 0:
        raise BadInputError("negative_energy")
    return begin, energy


def _observation(serial: str, observation_id: int, delivery: Delivery) -> Message:
    arrived_at = _arrival(delivery.headers)
    if observation_id not in OBSERVATIONS:
        return Message(
            device_id=serial,
            arrived_at=arrived_at,
            unknown=f"observation {observation_id}",
        )
    body = _members(delivery.body)
    if "value" not in body or body["value"] is None:
        raise BadInputError("no_value")
    if "timestamp" in body:
        measured_at = timestamp(body["timestamp"])
    elif arrived_at is not None:
        measured_at = arrived_at
    else:
        raise BadInputError("no_timestamp")
    return Message(
        device_id=serial,
        arrived_at=arrived_at,
        updates=observation_updates(
            serial, observation_id, body["value"], measured_at, arrived_at
        ),
    )


def _members(body: bytes | str) -> dict[str, object]:
    """Read a JSON object; the case of its members is not established, so none is kept."""
    return {name.lower(): value for name, value in json_object(body).items()}


def _arrival(headers: Mapping[str, object]) -> datetime | None:
    """Read the ArrivalTime header; a message without a legible one is as good as any."""
    raw = headers.get("ArrivalTime")
    if isinstance(raw, datetime):
        raw = raw.isoformat()
    if isinstance(raw, bytes):
        raw = raw.decode("ascii", "replace")
    try:
        return timestamp(raw)
    except BadInputError:
        return None


def _session(
    serial: str, observation_id: int, raw: object, arrived_at: datetime | None
) -> SessionChange:
    """Read the session that comes as JSON inside a text (or, tolerated, as an object)."""
    members = (
        {name.lower(): value for name, value in raw.items()}
        if isinstance(raw, dict)
        else _members(_bounded(text(raw)))
    )
    is_start = observation_id == CHARGING_SESSION_START
    change = SessionChange(
        device_id=serial,
        session_id=_session_id(members.get("id")),
        phase=SessionPhase.STARTED if is_start else SessionPhase.STOPPED,
        started_at=_optional_time(members.get("start")),
        stopped_at=None if is_start else _optional_time(members.get("stop")),
        energy=None if is_start else _session_energy(members),
        meter_start=_optional_decimal(
            members.get("metervalue" if is_start else "metervaluestart")
        ),
        meter_stop=None
        if is_start
        else _optional_decimal(members.get("metervaluestop")),
        token=_token(members.get("auth")),
        arrived_at=arrived_at,
    )
    if change.happened_at is None:
        raise BadInputError("no_session_time")
    return change


def _meter_readings(change: SessionChange) -> Iterator[Reading]:
    """Read the meter off a session: it is told to the moment, unlike LifetimeEnergy."""
    for key, value, measured_at in (
        (SESSION_START_METER, change.meter_start, change.started_at),
        (SESSION_STOP_METER, change.meter_stop, change.stopped_at),
    ):
        if value is not None and value >= 0 and measured_at is not None:
            yield Reading(
                device_id=change.device_id,
                key=key,
                value=value,
                measured_at=measured_at,
                arrived_at=change.arrived_at,
            )


def _signed_session(
    serial: str,
    key: str,
    raw: object,
    measured_at: datetime,
    arrived_at: datetime | None,
) -> tuple[Update, ...]:
    """Keep a signed document, and read the session in it where it has the known members.

    No sample of the document is public. That it may repeat the members of a
    session is inferred from its description; anything else is left opaque.
    """
    received = Reading(
        device_id=serial,
        key=key,
        value=measured_at,
        measured_at=measured_at,
        arrived_at=arrived_at,
    )
    document = _document(raw)
    if not document:
        return (received,)
    try:
        session = _session(serial, CHARGING_SESSION, raw, arrived_at)
    except BadInputError:
        session = None
    kept = SessionDocument(
        device_id=serial,
        text=document,
        measured_at=measured_at,
        session_id=None if session is None else session.session_id,
    )
    # Without its energy the document would only fire a poorer event than 129 does.
    if session is None or session.energy is None:
        return (received, kept)
    return (received, kept, session)


def _document(raw: object) -> str:
    """Return the letters of a document unchanged; empty for what is none."""
    if isinstance(raw, str):
        return _bounded(raw)
    if not isinstance(raw, dict | list):
        return ""
    try:
        return _bounded(orjson.dumps(raw).decode())
    except orjson.JSONEncodeError as err:
        # It nests deeper than the writer goes, though not deeper than the reader.
        raise BadInputError("document_too_deep") from err


def _bounded(document: str) -> str:
    if len(document.encode()) > DOCUMENT_BYTES:
        raise BadInputError("document_too_long")
    return document


def _session_energy(members: Mapping[str, object]) -> float | None:
    energy = _optional_decimal(members.get("energykwh"))
    if energy is not None:
        return energy
    start = _optional_decimal(members.get("metervaluestart"))
    stop = _optional_decimal(members.get("metervaluestop"))
    return None if start is None or stop is None else stop - start


def _optional_decimal(raw: object) -> float | None:
    """Read a number that a session can do without."""
    try:
        return decimal(raw)
    except BadInputError:
        return None


def _optional_time(raw: object) -> datetime | None:
    """Read a time that a session can do without."""
    try:
        return timestamp(raw)
    except BadInputError:
        return None


def _session_id(raw: object) -> str:
    """Read the charger's running number; 435.0 and "435" are the same one."""
    if raw is None:
        raise BadInputError("no_session_id")
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    number = text(raw)
    if len(number) > STATE_LENGTH:
        raise BadInputError("no_session_id")
    return number


def _token(raw: object) -> str | None:
    """Read the RFID token; it is empty where nobody had to show one."""
    is_token = isinstance(raw, str) and raw.strip() and len(raw) <= STATE_LENGTH
    return str(raw) if is_token else None
