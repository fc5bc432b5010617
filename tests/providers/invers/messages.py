"""Events as a queue of INVERS holds them, and short ways to look at what they say."""

from datetime import UTC, datetime
import json
from typing import Any

from custom_components.ev_streams.model import Message, Reading, Value
from custom_components.ev_streams.providers.invers.decode import decode
from custom_components.ev_streams.stream.delivery import Delivery

VEHICLE = "7FQ2K"
EVENT_ID = "01JDQ8Z6W3N5T7V9X1B3D5F7H9"
OCCURRED = datetime(2026, 11, 20, 5, 1, 1, 250000, tzinfo=UTC)
OCCURRED_TEXT = "2026-11-20T05:01:01.250Z"
MEASURED = datetime(2026, 11, 20, 4, 59, tzinfo=UTC)
MEASURED_TEXT = "2026-11-20T04:59:00Z"


def delivery(body: object, **headers: object) -> Delivery:
    """A message whose body is written as JSON unless it is bytes."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Delivery(address="any", body=raw, headers=headers, ack=lambda: None)


def envelope(kind: str, data: object, **metadata: object) -> dict[str, Any]:
    """An event with all its metadata; None takes a member away."""
    members = {
        "id": EVENT_ID,
        "type": kind,
        "occurred_at": OCCURRED_TEXT,
        "schema_major_version": 2,
        "flow_id": "f1",
        **metadata,
    }
    told = {name: each for name, each in members.items() if each is not None}
    return {"metadata": told, "data": data}


def event(kind: str, data: object, **metadata: object) -> Message:
    """What an event says."""
    return decode(delivery(envelope(kind, data, **metadata)))


def told(value: object, timestamp: str | None = MEASURED_TEXT) -> dict[str, object]:
    """A property as a state has it."""
    return (
        {"value": value}
        if timestamp is None
        else {"timestamp": timestamp, "value": value}
    )


def recorded(**properties: object) -> Message:
    """What a recorded state with such properties says, each told at the same time."""
    state = {name: told(value) for name, value in properties.items()}
    return event("VehicleStateRecorded", {"vehicle_id": VEHICLE, "state": state})


def values(message: Message) -> dict[str, Value]:
    """The value of each reading by its key; no key comes twice."""
    readings = [each for each in message.updates if isinstance(each, Reading)]
    assert len(readings) == len(message.updates)
    found = {each.key: each.value for each in readings}
    assert len(found) == len(readings)
    return found
