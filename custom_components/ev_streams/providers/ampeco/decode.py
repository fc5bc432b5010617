"""An AMPECO notification becomes readings, session changes, or an event.

By webhook and through Kafka the same JSON comes: one flat object that names itself in
`notification`. It has no id and no number, and which of its fields are there depends on
the tenant's release; facts are from the vendor's API description.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
import hashlib
from typing import Final

from ...model import BadInputError, Content, Happening, Message, newest_time
from ...stream.delivery import Delivery
from ..bodies import canonical, json_object
from . import devices, meter, sessions
from .facts import TIMES, facts_of
from .fields import members, moment, objects
from .notifications import (
    BOOT,
    CHARGE_POINT,
    CIRCUIT_CONSUMPTION,
    HARDWARE_STATUS,
    KNOWN,
    NETWORK_STATUS,
    PARKING_SPACE,
    SESSION_EVENTS,
    SESSION_METER_VALUES,
    SESSION_START_STOP,
    SESSION_UPDATE,
    TELEMETRY,
    newest_name,
)
from .personal import without_personal
from .told import Notification, Told, evse_id

SENT_AT: Final = "x-timestamp"
NAME: Final = "notification"
NAME_LENGTH: Final = 60
IDENTITY_LENGTH: Final = 32

READERS: Final[Mapping[str, Callable[[Notification], Told]]] = {
    BOOT: devices.boot,
    CHARGE_POINT: devices.charge_point_changed,
    CIRCUIT_CONSUMPTION: devices.circuit_consumption,
    HARDWARE_STATUS: devices.hardware_status,
    NETWORK_STATUS: devices.network_status,
    PARKING_SPACE: devices.parking_space,
    SESSION_METER_VALUES: meter.session_meter_values,
    SESSION_START_STOP: sessions.session_start_stop,
    SESSION_UPDATE: sessions.session_update,
}


def decode(delivery: Delivery) -> Message:
    """Decode one delivery; raises BadInputError where it is no notification at all.

    A value that has no time, neither of its own nor of the sending, is left out and
    counted: dated by the receiver's clock, it would win over what was measured after it.
    """
    body = json_object(delivery.body)
    name = _name(body)
    sent_at = _sent_at(delivery.headers)
    notification = Notification(name=newest_name(name), body=body, sent_at=sent_at)
    told = READERS.get(notification.name, devices.anything_else)(notification)
    own_time = notification.time(*(body.get(each) for each in TIMES))
    return Message(
        device_id=told.device_id,
        updates=told.updates,
        devices=told.devices,
        unknown=_unknown(name, told),
        happening=_happening(notification, own_time),
        content=Content(
            body=without_personal(name, body),
            subtopic=name,
            occurred_at=own_time or newest_time(told.updates),
        ),
        identity=_identity(delivery, body, sent_at),
        part_id=evse_id(body) or evse_id(members(body.get("session"))),
    )


def _name(body: Mapping[str, object]) -> str:
    name = body.get(NAME)
    if not isinstance(name, str) or not name.strip():
        raise BadInputError("no_notification")
    return name.strip()[:NAME_LENGTH]


def _sent_at(headers: Mapping[str, object]) -> datetime | None:
    """Return when it was sent: a webhook's header, or the same one of a Kafka record."""
    for name, value in headers.items():
        if name.lower() == SENT_AT:
            raw = (
                value.decode("ascii", "replace") if isinstance(value, bytes) else value
            )
            return moment(raw)
    return None


def _unknown(name: str, told: Told) -> str | None:
    if name not in KNOWN:
        return f"notification:{name}"
    if told.unknown is None and newest_name(name) in TELEMETRY and not told.updates:
        return f"nothing told:{name}"
    return told.unknown


def _happening(
    notification: Notification, own_time: datetime | None
) -> Happening | None:
    """Return what is told as an event: all that is neither telemetry nor a session."""
    name, body = notification.name, notification.body
    if name in TELEMETRY or name in SESSION_EVENTS:
        return None
    return Happening(
        type=name,
        occurred_at=own_time,
        facts=facts_of(name, body),
    )


def _identity(
    delivery: Delivery, body: Mapping[str, object], sent_at: datetime | None
) -> str | None:
    """Return what is the same in every copy of a notification, None if nothing tells them apart.

    Nobody says whether a notification that is retried has the X-Timestamp of its first
    try. Where the body holds a time of its own, two that are alike are the same one, and
    the header must not make two of them. Where it holds none, as in a data transfer, two
    alike may well be two, and only the header can tell.
    """
    digest = hashlib.sha256(canonical(body, delivery.body))
    if not any(moment(told) for told in _own_times(body)):
        if sent_at is None:
            return None
        digest.update(sent_at.isoformat().encode())
    return digest.hexdigest()[:IDENTITY_LENGTH]


def _own_times(body: Mapping[str, object]) -> Iterator[object]:
    parts = (
        body,
        members(body.get("session")),
        *objects(body.get("meterValues")),
        *objects(body.get("currentConsumption")),
    )
    for part in parts:
        for name in (*TIMES, "startedAtTimestamp", "stoppedAtTimestamp"):
            yield part.get(name)
