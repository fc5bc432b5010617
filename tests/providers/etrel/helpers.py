"""Messages as a test writes them, and what is in one once it is decoded."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
import json
from typing import Any
from zoneinfo import ZoneInfo

from custom_components.ev_streams.model import Message, Reading, SessionChange
from custom_components.ev_streams.providers.etrel.decode import decode
from custom_components.ev_streams.providers.etrel.fields import Fields
from custom_components.ev_streams.stream.delivery import Delivery

USER = "APIACCESS-12"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LJUBLJANA = Fields(time_zone=ZoneInfo("Europe/Ljubljana"))
PLACE = {"ChargePoint": {"FriendlyCode": "CP-9"}, "ConnectorId": 2}
# 08:00 to 09:30 in Ljubljana, which is an hour ahead of UTC in November.
START: dict[str, Any] = {
    "ChargingSessionId": 41231,
    "ChargingSessionNumber": "S-2026/1231",
    "ParkingFrom": "2026-11-20T07:50:00",
    "ParkingTo": None,
    "ConnectedFrom": "2026-11-20T08:00:00",
}
STOP = START | {
    "ParkingTo": "2026-11-20T09:45:00",
    "ConnectedTo": "2026-11-20T09:30:00",
}


def utc(hour: int, minute: int = 0, *, day: int = 20, month: int = 11) -> datetime:
    """A moment of 2026."""
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def delivery(
    tail: str,
    body: object,
    *,
    queue: str | None = None,
    key: str | None = None,
    headers: Mapping[str, object] | None = None,
) -> Delivery:
    """What comes out of the queue of a type that has the location in its names."""
    return Delivery(
        address=f"{USER}.77.{tail}" if key is None else key,
        source=f"{USER}.*.{tail}" if queue is None else queue,
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        headers=headers or {},
        ack=lambda: None,
    )


def decoded(
    tail: str,
    body: object,
    *,
    fields: Fields = LJUBLJANA,
    queues: Collection[str] = (),
    queue: str | None = None,
    key: str | None = None,
    headers: Mapping[str, object] | None = None,
) -> Message:
    """Decode such a delivery, at noon."""
    return decode(
        delivery(tail, body, queue=queue, key=key, headers=headers),
        fields,
        NOW,
        queues,
    )


def session_of(message: Message) -> SessionChange:
    """Return the one session that a message tells of."""
    (change,) = [each for each in message.updates if isinstance(each, SessionChange)]
    return change


def readings_of(message: Message) -> list[tuple[str, str, object, datetime]]:
    return [
        (each.device_id, each.key, each.value, each.measured_at)
        for each in message.updates
        if isinstance(each, Reading)
    ]
