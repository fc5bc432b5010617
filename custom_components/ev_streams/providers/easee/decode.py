"""An Easee message becomes readings and session changes.

The routing key carries the charger and the ObservationId, the body one value
with its time. Facts are from the vendor's page "Connecting to AMQP" and from
public consumers of the same stream; where those leave a choice (case of the
members, typed values or text, digits of a fraction) any of it is accepted.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
import re

import orjson

from ...model import (
    BadInputError,
    Message,
    Reading,
    SessionChange,
    SessionPhase,
    Update,
)
from ...stream.delivery import Delivery
from .observations import (
    CHARGING_SESSION,
    CHARGING_SESSION_SIGNED,
    CHARGING_SESSION_START,
    OBSERVATIONS,
    decimal,
    text,
)

OBSERVATION_KIND = "O"
OBSERVATION_ID = re.compile(r"[0-9]{1,9}")
# Commands, their responses, pulses and packages of the same broker: no observations.
OTHER_KINDS = frozenset({"C", "CR", "P", "OP"})
SYSTEM = "SYS"


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
        return (_session(serial, observation_id, raw, arrived_at),)
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
    """Read ISO 8601 as aware UTC: any number of fraction digits, no zone means UTC."""
    if not isinstance(raw, str):
        raise BadInputError("timestamp")
    try:
        moment = datetime.fromisoformat(raw.strip())
        return (
            moment.replace(tzinfo=UTC)
            if moment.tzinfo is None
            else moment.astimezone(UTC)
        )
    except (ValueError, OverflowError) as err:
        raise BadInputError("timestamp") from err


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
    try:
        members = orjson.loads(body)
    except orjson.JSONDecodeError as err:
        raise BadInputError("not_json") from err
    if not isinstance(members, dict):
        raise BadInputError("not_an_object")
    return {name.lower(): value for name, value in members.items()}


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
        else _members(text(raw))
    )
    if members.get("id") is None:
        raise BadInputError("no_session_id")
    is_start = observation_id == CHARGING_SESSION_START
    change = SessionChange(
        device_id=serial,
        session_id=_session_id(members["id"]),
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
        arrived_at=arrived_at,
    )
    if change.happened_at is None:
        raise BadInputError("no_session_time")
    return change


def _signed_session(
    serial: str,
    key: str,
    raw: object,
    measured_at: datetime,
    arrived_at: datetime | None,
) -> tuple[Update, ...]:
    """Note when a signed document came, and the session in it where it has the known members.

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
    try:
        session = _session(serial, CHARGING_SESSION, raw, arrived_at)
    except BadInputError:
        return (received,)
    # Without its energy the document would only fire a poorer event than 129 does.
    return (received,) if session.energy is None else (received, session)


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
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    return text(raw)
