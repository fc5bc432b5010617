"""Deliveries of the Easee stream, and a look at what becomes of them."""

from collections.abc import Mapping
from datetime import UTC, datetime
import json

import pytest

from custom_components.ev_streams.model import (
    BadInputError,
    Message,
    Reading,
    SessionChange,
)
from custom_components.ev_streams.providers.easee.decode import decode
from custom_components.ev_streams.stream.delivery import Delivery

CHARGER = "EH123456"
SIGNED_SESSION, SESSION_STOP, SESSION_START = 60, 129, 223

MEASURED = datetime(2026, 11, 20, 5, 1, 1, tzinfo=UTC)
ARRIVED = datetime(2026, 11, 20, 5, 1, 2, 123456, tzinfo=UTC)
# Seven digits, as the vendor's cloud writes them; the last is finer than a microsecond.
ARRIVED_TEXT = "2026-11-20T05:01:02.1234567Z"

START_SAMPLE: Mapping[str, object] = {
    "Id": 435,
    "Start": "2025-01-22T12:51:47.000Z",
    "MeterValue": 1277.872637,
    "Auth": "",
    "AuthReason": 0,
}
STOP_SAMPLE: Mapping[str, object] = {
    "Id": 435,
    "Start": "2025-01-22T12:51:47.000Z",
    "Stop": "2025-01-22T13:20:05.000Z",
    "EnergyKwh": 0.411273,
    "MeterValueStart": 1277.872637,
    "MeterValueStop": 1278.28391,
    "Auth": "",
    "AuthReason": 0,
}
STARTED_AT = datetime(2025, 1, 22, 12, 51, 47, tzinfo=UTC)
STOPPED_AT = datetime(2025, 1, 22, 13, 20, 5, tzinfo=UTC)


def delivery(
    body: object = None,
    address: str = f"{CHARGER}.O.120",
    headers: Mapping[str, object] | None = None,
) -> Delivery:
    """A delivery of bytes, or of what becomes JSON."""
    return Delivery(
        address=address,
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        headers={} if headers is None else headers,
        ack=lambda: None,
    )


def observed(
    value: object,
    observation_id: int = 120,
    headers: Mapping[str, object] | None = None,
) -> Message:
    """The message of one observation in the form that is expected."""
    return decode(
        delivery(
            {"Timestamp": "2026-11-20T05:01:01Z", "Value": value},
            f"{CHARGER}.O.{observation_id}",
            headers,
        )
    )


def reading_of(message: Message) -> Reading:
    (update,) = message.updates
    assert isinstance(update, Reading)
    return update


def session_of(message: Message) -> SessionChange:
    """The change, which comes last, after the readings of the meter."""
    *readings, update = message.updates
    assert all(isinstance(reading, Reading) for reading in readings)
    assert isinstance(update, SessionChange)
    return update


def reason_of(refused: Delivery) -> str:
    with pytest.raises(BadInputError) as caught:
        decode(refused)
    return caught.value.reason
