"""Deliveries of AMPECO's notifications, and a look at what becomes of them."""

from collections.abc import Mapping
from datetime import UTC, datetime
import json

from custom_components.ev_streams.model import Message, Reading, SessionChange, Value
from custom_components.ev_streams.providers.ampeco.decode import decode
from custom_components.ev_streams.stream.delivery import Delivery

POINT, EVSE = "15", "evse_27"
AT = datetime(2026, 11, 20, 5, 1, 1, tzinfo=UTC)
SENT_AT = datetime(2026, 11, 20, 5, 1, 2, 123456, tzinfo=UTC)
HEADERS: Mapping[str, object] = {"x-timestamp": "2026-11-20T05:01:02.123456Z"}


def delivery(body: object, headers: Mapping[str, object] | None = None) -> Delivery:
    """A delivery of bytes, or of what becomes JSON."""
    return Delivery(
        address="webhook",
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        headers=HEADERS if headers is None else headers,
        ack=lambda: None,
        is_awaited=True,
    )


def decoded(body: object, headers: Mapping[str, object] | None = None) -> Message:
    """What becomes of a body that came with an X-Timestamp, or with other headers."""
    return decode(delivery(body, headers))


def readings_of(message: Message) -> dict[tuple[str, str], tuple[Value, datetime]]:
    """Value and time of each reading by device and key; none may be told twice."""
    found = [each for each in message.updates if isinstance(each, Reading)]
    table = {(r.device_id, r.key): (r.value, r.measured_at) for r in found}
    assert len(table) == len(found)
    return table


def values_of(message: Message) -> dict[str, Value]:
    """The value of each reading by key, whichever device it is of."""
    return {key: value for (_, key), (value, _) in readings_of(message).items()}


def session_of(message: Message) -> SessionChange:
    """The one session change in a message."""
    (change,) = (e for e in message.updates if isinstance(e, SessionChange))
    return change


def facts_of(message: Message) -> dict[str, object]:
    """The facts of the event in a message."""
    assert message.happening is not None
    return dict(message.happening.facts)
