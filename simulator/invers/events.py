"""Events as they lie in a queue: the documented envelope and the properties around it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
import json
import random
from typing import Any

import aio_pika

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Topic(StrEnum):
    """What a consumer subscribes to. Only three of the names are known; they are no types."""

    VEHICLE_STATE = "vehicle-state"
    VEHICLE_CHANGE = "vehicle-change"
    CENTRAL_LOCK = "central-lock-status"
    TRIP = "trip-v2"
    SMOKE_DETECTION = "smoke-detection"


_TOPICS: Mapping[str, Topic] = {
    "VehicleStateRecorded": Topic.VEHICLE_STATE,
    "VehicleChanged": Topic.VEHICLE_CHANGE,
    "CentralLockStatusChanged": Topic.CENTRAL_LOCK,
    "TripStarted": Topic.TRIP,
    "TripEnded": Topic.TRIP,
    "SmokeDetectionAlarm": Topic.SMOKE_DETECTION,
}
_VERSIONS: Mapping[str, int] = {
    "VehicleStateRecorded": 2,
    "TripStarted": 2,
    "TripEnded": 2,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event; the same event again has the same id."""

    type: str
    data: Mapping[str, Any]
    occurred_at: datetime
    event_id: str
    topic: Topic = Topic.VEHICLE_CHANGE
    flow_id: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What a type has beyond the members that all have."""

    @property
    def schema_major_version(self) -> int:
        """The version of the type; not that of the topic, though they go together."""
        return _VERSIONS.get(self.type, 1)

    @property
    def body(self) -> bytes:
        """The envelope as JSON."""
        metadata = {
            "id": self.event_id,
            "type": self.type,
            "occurred_at": iso(self.occurred_at),
            "schema_major_version": self.schema_major_version,
            "flow_id": self.flow_id,
            **self.metadata,
        }
        return json.dumps({"metadata": metadata, "data": self.data}).encode()

    @property
    def message(self) -> aio_pika.Message:
        """The event with its AMQP properties; their time has whole seconds only."""
        return aio_pika.Message(
            self.body,
            message_id=self.event_id,
            type=self.type,
            timestamp=self.occurred_at.replace(microsecond=0),
            headers={"schema_major_version": self.schema_major_version},
            correlation_id=self.flow_id,
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )


def make_event(
    kind: str,
    data: Mapping[str, Any],
    occurred_at: datetime,
    chance: random.Random,
    **members: Any,
) -> Event:
    """Make an event of a type in the topic that has it, with ids of its own."""
    made = Event(
        type=kind,
        data=data,
        occurred_at=occurred_at,
        event_id=ulid(occurred_at, chance),
        topic=_TOPICS.get(kind, Topic.VEHICLE_CHANGE),
        flow_id=f"{chance.getrandbits(128):032x}",
    )
    return replace(made, **members)


def iso(moment: datetime) -> str:
    """A time as the vendor's pages write it: UTC, to the millisecond."""
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return f"{utc.isoformat(timespec='milliseconds')}Z"


def ulid(moment: datetime, chance: random.Random) -> str:
    """An id of 26 letters: the time in milliseconds, then chance."""
    number = int(moment.timestamp() * 1000) << 80 | chance.getrandbits(80)
    return "".join(
        _CROCKFORD[number >> 5 * place & 31] for place in reversed(range(26))
    )


def disturbed(
    events: Iterable[Event], *, seed: int = 1, repeated: float = 0.1, places: int = 4
) -> list[Event]:
    """Repeat some events and shuffle neighbours, as at-least-once delivery may.

    Each event comes at most about so many places late, and none is lost. The same seed
    disturbs alike.
    """
    chance = random.Random(seed)
    copies: list[tuple[float, Event]] = []
    for place, event in enumerate(events):
        times = 2 if chance.random() < repeated else 1
        copies += [(place + chance.uniform(0, places), event) for _ in range(times)]
    return [event for _, event in sorted(copies, key=lambda copy: copy[0])]
