"""A message of Etrel Ocean becomes sessions, readings, happenings and content.

Sessions are always those of the location: it is in the routing key of each of their
messages, whereas a charge point is named in some bodies at best. A session is known by
its device and its id, so that a start at the charge point and a stop at the location
would be two of them. `evse` names charge point and connector as far as they are told.

Readings that count are a connector's or none: two sessions run at one location at a
time, and one counter for both would fall and jump.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
import re
from typing import Final

from ...model import (
    BadInputError,
    Content,
    Happening,
    Message,
    Reading,
    SessionChange,
    SessionPhase,
    Update,
    newest_time,
)
from ...stream.delivery import Delivery
from ..bodies import canonical, json_object
from .fields import Fields, Told
from .messages import (
    RESERVATION_CANCELED,
    RESERVATION_CREATED,
    SESSION_ENDED,
    SESSION_STARTED,
    SESSION_STARTED_USER,
    STATUS_CHANGED,
    SYSTEM_EVENT,
    TICKET,
    Kind,
    Standing,
    classify,
    standing,
)
from .places import Places, places_of
from .privacy import without_people

# No size is documented. What is larger is none of these objects.
LARGEST: Final = 262_144
# Of these a person wrote the text: nothing of it but what is named here is shown.
HELPDESK: Final = "helpdesk."

CONNECTOR_STATUS: Final = "connector_status"
LIFETIME_ENERGY: Final = "lifetime_energy"
SESSION_ENERGY: Final = "session_energy"
POWER: Final = "power"

type Fact = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Effect:
    """What follows from a body; `key` is what tells it from others of its type.

    A body without one `repeats` where the same words may be said again and mean it.
    """

    updates: tuple[Update, ...] = ()
    happening: Happening | None = None
    key: str | None = None
    repeats: bool = False
    unknown: str | None = None


def decode(
    delivery: Delivery, fields: Fields, now: datetime, queues: Collection[str] = ()
) -> Message:
    """Decode one delivery; raises BadInputError.

    `now` (aware UTC) dates a status that has no time of its own: live that is right,
    in a backlog it is late but in order. `queues` are the names of all that are read,
    for of versions that come side by side only one has an effect.
    """
    kind = classify(delivery.source, delivery.address, delivery.headers)
    stands = standing(kind, queues)
    if stands is Standing.SUPERSEDED:
        return Message()
    version = f"message:{kind.tail}.v{kind.version}"
    if stands is Standing.UNSUPPORTED:
        return Message(unknown=version)
    if len(delivery.body) > LARGEST:
        raise BadInputError("too_large")
    body = json_object(delivery.body)
    told = Told(body, fields)
    places = places_of(kind, told)
    effect = EFFECTS.get(kind.tail, _unknown)(kind, told, places, now)
    return Message(
        device_id=places.primary,
        devices=places.devices,
        updates=effect.updates,
        unknown=version if stands is Standing.UNCERTAIN else effect.unknown,
        content=Content(
            body=_content(kind, told, body),
            subtopic=kind.tail,
            occurred_at=told.time("time") or newest_time(effect.updates),
        ),
        happening=effect.happening,
        identity=_identity(kind, effect, body, delivery.body),
        part_id=places.connector,
    )


def _session(kind: Kind, told: Told, places: Places, now: datetime) -> _Effect:
    """Read a start or a stop; that for the user is one more of the same session."""
    session_id = told.text("session")
    # Where a broker in between has changed the routing key, better than nothing.
    device_id = places.location or places.charge_point
    started_at, is_estimated = told.start()
    stopped_at = (
        told.time("stopped", started_at) if kind.tail == SESSION_ENDED else None
    )
    if session_id is None or device_id is None:
        return _Effect(unknown=f"message:{kind.tail} without session or place")
    is_stop = kind.tail == SESSION_ENDED
    change = SessionChange(
        device_id=device_id,
        session_id=session_id,
        phase=SessionPhase.STOPPED if is_stop else SessionPhase.STARTED,
        started_at=started_at,
        stopped_at=stopped_at,
        energy=told.session_energy() if is_stop else None,
        meter_start=told.energy("meter_start"),
        meter_stop=told.energy("meter_stop") if is_stop else None,
        token=told.text("token"),
        evse=places.outlet,
        is_start_estimated=is_estimated,
    )
    if change.happened_at is None:
        return _Effect(unknown=f"message:{kind.tail} without time")
    readings = () if places.metered is None else _metered(places.metered, change, told)
    return _Effect(updates=(*readings, change), key=session_id)


def _metered(connector: str, change: SessionChange, told: Told) -> Iterator[Reading]:
    """Tell a connector's meters at the ends of a session, in order of time.

    History takes what flowed in between from these. A stop tells of the start too: its
    own message may have been overwritten in the queue.
    """
    has_counter = change.phase is SessionPhase.STARTED or change.energy is not None
    power = told.number("power")
    if power is not None and change.phase is SessionPhase.STOPPED:
        # Whatever was measured last: nothing flows any more.
        power = 0.0
    for at, values in (
        (
            change.started_at,
            {
                SESSION_ENERGY: 0.0 if has_counter else None,
                LIFETIME_ENERGY: change.meter_start,
            },
        ),
        (
            change.stopped_at,
            {SESSION_ENERGY: change.energy, LIFETIME_ENERGY: change.meter_stop},
        ),
        (change.happened_at, {POWER: power}),
    ):
        for key, value in values.items():
            if at is not None and value is not None:
                yield Reading(device_id=connector, key=key, value=value, measured_at=at)


def _status(kind: Kind, told: Told, places: Places, now: datetime) -> _Effect:
    """Read a connector's status, which is told of what is nearest to the connector."""
    status = told.text("status")
    device_id = places.connector or places.primary
    word = None if status is None else snake_case(status)
    if not word or device_id is None:
        return _Effect(unknown=f"message:{kind.tail} without status or place")
    at = told.time("time")
    measured_at = at or now
    power = told.number("power") if places.metered is not None else None
    readings = [
        Reading(device_id=device_id, key=key, value=value, measured_at=measured_at)
        for key, value in ((CONNECTOR_STATUS, word), (POWER, power))
        if value is not None
    ]
    return _Effect(
        updates=tuple(readings),
        key=None if at is None else f"{device_id}:{word}:{at.isoformat()}",
        # A connector is available again and again.
        repeats=at is None,
    )


def _reservation(kind: Kind, told: Told, places: Places, now: datetime) -> _Effect:
    reservation_id = told.text("reservation")
    facts = {
        "reservation_id": reservation_id,
        "from": _iso(told.time("reserved_from")),
        "to": _iso(told.time("reserved_to")),
        "charge_point": places.charge_point,
    }
    return _Effect(happening=_happening(kind, told, facts), key=reservation_id)


def _system_event(kind: Kind, told: Told, places: Places, now: datetime) -> _Effect:
    event_id = told.text("event")
    facts = {
        "event_id": event_id,
        "code": told.text("event_code"),
        "kind": told.text("event_type"),
        "severity": told.text("severity"),
        "charge_point": places.charge_point,
    }
    return _Effect(happening=_happening(kind, told, facts), key=event_id)


def _ticket(kind: Kind, told: Told, places: Places, now: datetime) -> _Effect:
    """Tell that somebody asked for help, but neither who nor in which words."""
    facts = _ticket_facts(told)
    return _Effect(happening=_happening(kind, told, facts), key=told.text("ticket"))


def _unknown(kind: Kind, told: Told, places: Places, now: datetime) -> _Effect:
    return _Effect(happening=_happening(kind, told, {}), unknown=f"message:{kind.tail}")


EFFECTS: Final[Mapping[str, Callable[[Kind, Told, Places, datetime], _Effect]]] = {
    SESSION_STARTED: _session,
    SESSION_STARTED_USER: _session,
    SESSION_ENDED: _session,
    STATUS_CHANGED: _status,
    RESERVATION_CREATED: _reservation,
    RESERVATION_CANCELED: _reservation,
    SYSTEM_EVENT: _system_event,
    TICKET: _ticket,
}


def _happening(kind: Kind, told: Told, facts: Mapping[str, Fact]) -> Happening:
    location = {"location_id": kind.location_id}
    return Happening(
        type=kind.tail,
        occurred_at=told.time("time"),
        facts={
            name: fact
            for name, fact in {**location, **facts}.items()
            if fact is not None
        },
    )


def _ticket_facts(told: Told) -> dict[str, Fact]:
    return {
        "ticket_id": told.text("ticket"),
        "category": told.text("category"),
        "status": told.text("ticket_status"),
    }


def _content(kind: Kind, told: Told, body: Mapping[str, object]) -> dict[str, object]:
    """Return the body for the user to map, with what only the names around it tell."""
    around = {"message_type": kind.tail, "location_id": kind.location_id}
    inner: Mapping[str, object] = (
        _ticket_facts(told) if kind.tail.startswith(HELPDESK) else without_people(body)
    )
    return {**around, **inner, **around}


def _identity(
    kind: Kind, effect: _Effect, body: Mapping[str, object], raw: bytes
) -> str | None:
    """Return what all copies of the message have in common, in whichever version.

    None where the same words may be said again: those have to have their effect again.
    """
    if effect.key is not None:
        return f"{kind.tail}:{effect.key}"
    if effect.repeats:
        return None
    return f"{kind.tail}:{sha256(canonical(body, raw)).hexdigest()[:32]}"


def snake_case(text: str) -> str:
    """Return a status as keys of states are written: `SuspendedEV` is suspended_ev."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", text)
    return re.sub(r"[\W_]+", "_", parted).strip("_").lower()


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()
