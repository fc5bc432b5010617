"""An event of INVERS OneAPI becomes readings, a happening, and content without persons.

The envelope `{metadata, data}`, its members and the types handled here are from the
vendor's pages. Where in `data` the vehicle and its state lie is not shown there: the
places that are tried are inferred, and so are the older names of types and headers,
which the vendor's former interface had. A type nobody knows is no error: new ones may
come in a topic at any time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
import re
from typing import Final

from ...model import BadInputError, Content, DeviceRecord, Happening, Message, Reading
from ...stream.delivery import Delivery
from ..bodies import json_object
from . import names
from .personal import identifiers, tells, without_personal
from .properties import VALUE, Members, Property, moment, properties_in, readings_of
from .vehicle import record_of, vehicle_id_of

STATE_RECORDED: Final = "VehicleStateRecorded"
CHANGED: Final = "VehicleChanged"
CENTRAL_LOCK_CHANGED: Final = "CentralLockStatusChanged"
TRIP: Final = "Trip"
SMOKE: Final = "SmokeDetection"
ALIASES: Final[Mapping[str, str]] = {
    "VehicleStateReceived": STATE_RECORDED,
    "VehicleDataChanged": CHANGED,
    "VehicleChange": CHANGED,
}
TYPE_HEADERS: Final = ("Message-Type", "message-type")

REASONS_AT_MOST: Final = 8
NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9_.:-]+")
NAME_LENGTH: Final = 40
# The vendor's ids have 26 letters; they are remembered for a while.
IDENTITY_LENGTH: Final = 128
# What names no person by its looks: a code of the vendor's, an id.
CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")

type Facts = Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The envelope, read; `known` are VINs and plates that it tells anywhere."""

    type: str
    identity: str | None
    occurred_at: datetime | None
    data: Members
    vehicle_id: str | None
    known: frozenset[str]

    @property
    def vehicle(self) -> Members:
        """The vehicle of an event that has an object for it."""
        return _object(self.data.get("vehicle"))


def decode(delivery: Delivery) -> Message:
    """Decode one delivery; raises BadInputError where it is no event at all."""
    envelope = json_object(delivery.body)
    event = _event(envelope, delivery.headers)
    readings, left_out = _readings(event)
    happening, is_known = _happening(event)
    name = _shortened(event.type, event.known)
    return Message(
        device_id=event.vehicle_id,
        devices=_devices(event),
        updates=readings,
        unknown=left_out if is_known else f"type:{name}",
        happening=happening,
        content=Content(
            body=without_personal(envelope, event.known),
            subtopic=name,
            occurred_at=event.occurred_at,
        ),
        identity=event.identity,
    )


def _event(envelope: Members, headers: Mapping[str, object]) -> Event:
    metadata = _object(envelope.get("metadata"))
    kind = _text(metadata.get("type")) or _type_of(headers)
    if kind is None:
        raise BadInputError("no_type")
    # What the former interface sent had no envelope, as far as can be seen.
    data = _object(envelope.get("data", None if metadata else envelope))
    return Event(
        type=ALIASES.get(kind, kind),
        identity=(_text(metadata.get("id")) or "")[:IDENTITY_LENGTH] or None,
        occurred_at=moment(metadata.get("occurred_at")),
        data=data,
        vehicle_id=vehicle_id_of(data, metadata),
        known=frozenset(identifiers(envelope)),
    )


def _type_of(headers: Mapping[str, object]) -> str | None:
    """Read the type of a message of the former interface off its headers."""
    raw = next((headers[name] for name in TYPE_HEADERS if name in headers), None)
    return _text(raw.decode("ascii", "replace") if isinstance(raw, bytes) else raw)


def _readings(event: Event) -> tuple[tuple[Reading, ...], str | None]:
    """Return the readings, and what of the event could not be read, if anything."""
    find = PROPERTIES.get(event.type)
    if find is None:
        return (), None
    if event.vehicle_id is None:
        return (), "no_vehicle_id"
    return readings_of(event.vehicle_id, find(event), event.known)


def _state(event: Event) -> list[Property]:
    """Find the properties of a vehicle's state wherever it may lie."""
    places = (
        *(event.data.get(name) for name in ("state", "vehicle_state")),
        *(event.vehicle.get(name) for name in ("state", "vehicle_state")),
        event.vehicle,
        event.data,
    )
    return properties_in(places, event.occurred_at)


def _change(event: Event) -> list[Property]:
    """Find what a change tells of a vehicle: `{value}`, or (tolerated) the value alone."""
    found = properties_in((event.vehicle, event.data), event.occurred_at)
    told = {each.name for each in found}
    for name in (names.RENTAL_STATUS, names.LIFE_STATUS):
        raw = _text(event.vehicle.get(name))
        if raw is not None and name not in told:
            found.append(Property(name=name, raw=raw, told_at=event.occurred_at))
    return found


def _central_lock(event: Event) -> list[Property]:
    """Find the status of the lock; under which name it comes is not known."""
    places = (event.data, _object(event.data.get("state")), event.vehicle)
    for place in places:
        for name in (names.CENTRAL_LOCK, "central_lock_status", "status"):
            raw = place.get(name)
            member = {VALUE: raw} if isinstance(raw, str) else raw
            found = properties_in(({names.CENTRAL_LOCK: member},), event.occurred_at)
            if found:
                return found
    return []


PROPERTIES: Final[Mapping[str, Callable[[Event], list[Property]]]] = {
    STATE_RECORDED: _state,
    CHANGED: _change,
    CENTRAL_LOCK_CHANGED: _central_lock,
}


def _happening(event: Event) -> tuple[Happening | None, bool]:
    """Return what is told once, and whether the type is one that is known here."""
    if event.type == STATE_RECORDED:
        # It comes all the time, and says nothing that its readings do not.
        return None, True
    facts: Facts = {}
    is_known = True
    if event.type == CHANGED:
        facts = _reasons(event)
    elif event.type == CENTRAL_LOCK_CHANGED:
        facts = _lock_facts(event)
    elif event.type.startswith(TRIP):
        facts = _trip(event)
    elif not event.type.startswith(SMOKE):
        is_known = False
    name = _shortened(event.type, event.known)
    happening = Happening(type=name, occurred_at=event.occurred_at, facts=facts)
    return happening, is_known


def _reasons(event: Event) -> Facts:
    raw = event.data.get("reasons")
    reasons = [
        reason
        for reason in (raw if isinstance(raw, list) else [raw])
        if isinstance(reason, str)
        and CODE.fullmatch(reason)
        and not tells(reason, event.known)
    ]
    return {"reasons": ", ".join(reasons[:REASONS_AT_MOST])} if reasons else {}


def _lock_facts(event: Event) -> Facts:
    """Tell the status in the words of the reading."""
    for each in _central_lock(event):
        if isinstance(each.raw, str) and CODE.fullmatch(each.raw):
            return {names.CENTRAL_LOCK: each.raw.lower()}
    return {}


def _trip(event: Event) -> Facts:
    """Tell which trip, and when it began and ended; where it led is nobody's business."""
    trip = _object(event.data.get("trip"))
    facts: dict[str, str] = {}
    for raw in (trip.get("id"), trip.get("trip_id"), event.data.get("trip_id")):
        trip_id = str(raw) if isinstance(raw, str | int) else ""
        if ID.fullmatch(trip_id) and not tells(trip_id, event.known):
            facts["trip_id"] = trip_id
            break
    for fact, aliases in (
        ("started_at", ("started_at", "start_time", "start")),
        ("ended_at", ("ended_at", "end_time", "end")),
    ):
        told = [
            _time(place.get(name)) for place in (trip, event.data) for name in aliases
        ]
        when = next(filter(None, told), None)
        if when is not None:
            facts[fact] = when.isoformat()
    return facts


def _time(raw: object) -> datetime | None:
    """Read a time, be it bare or of an object that tells the place as well."""
    if isinstance(raw, dict):
        raw = raw.get("timestamp", raw.get("occurred_at"))
    return moment(raw)


def _devices(event: Event) -> tuple[DeviceRecord, ...]:
    if event.vehicle_id is None:
        return ()
    return (record_of(event.vehicle_id, event.data, event.known),)


def _shortened(kind: str, known: frozenset[str]) -> str:
    """Return the name of a type as far as it can be one."""
    name = NOT_IN_A_NAME.sub("_", kind)[:NAME_LENGTH]
    return "unnamed" if tells(name, known) else name


def _object(raw: object) -> Members:
    return raw if isinstance(raw, dict) else {}


def _text(raw: object) -> str | None:
    """Return a text that says something; None for anything else."""
    return raw.strip() or None if isinstance(raw, str) else None
