"""Messages as a test writes them."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
import json
from zoneinfo import ZoneInfo

from custom_components.ev_streams.model import Message
from custom_components.ev_streams.providers.etrel.decode import decode
from custom_components.ev_streams.providers.etrel.fields import Fields
from custom_components.ev_streams.stream.delivery import Delivery

USER = "APIACCESS-12"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LJUBLJANA = Fields(time_zone=ZoneInfo("Europe/Ljubljana"))


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
