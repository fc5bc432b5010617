"""Whatever comes, it is decoded or refused for a reason, and never fails."""

import contextlib
import json
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.ev_streams.model import BadInputError, Reading, SessionChange
from custom_components.ev_streams.providers.etrel.decode import decode
from custom_components.ev_streams.providers.etrel.fields import ALIASES
from custom_components.ev_streams.providers.etrel.messages import MESSAGE_TYPES
from custom_components.ev_streams.stream.delivery import Delivery

from .helpers import LJUBLJANA, NOW, decoded

TAILS = [*(each.tail for each in MESSAGE_TYPES), "tariff.changed"]
MEMBERS = sorted(
    {part for paths in ALIASES.values() for path in paths for part in path.split(".")}
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(
        ["2026-11-20T08:00:00", "0001-01-01T00:00:00", "9999-12-31T23:59:59", "1e400"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(
    tail=st.sampled_from(TAILS),
    body=st.dictionaries(st.sampled_from(MEMBERS), VALUES, max_size=10),
)
def test_any_object_is_a_message(tail: str, body: dict[str, Any]) -> None:
    message = decoded(tail, json.dumps(body).encode())
    assert message.content is not None
    for update in message.updates:
        assert isinstance(update, Reading | SessionChange)
        assert update.device_id in {each.device_id for each in message.devices}
        if isinstance(update, Reading):
            assert update.measured_at.utcoffset() is not None
    if message.devices:
        assert message.devices[0].device_id == message.device_id


@given(
    body=st.binary(max_size=200),
    source=st.text(max_size=60),
    address=st.text(max_size=60),
    headers=st.dictionaries(st.text(max_size=10), st.text() | st.binary(), max_size=3),
)
def test_any_bytes_and_names_are_decoded_or_refused(
    body: bytes, source: str, address: str, headers: dict[str, object]
) -> None:
    arrived = Delivery(
        address=address, source=source, body=body, headers=headers, ack=lambda: None
    )
    with contextlib.suppress(BadInputError):
        decode(arrived, LJUBLJANA, NOW, [source, address])


@pytest.mark.parametrize("depth", [200, 300, 1000])
def test_a_body_may_nest_as_deep_as_it_can_be_read(depth: int) -> None:
    raw = b'{"a":' * depth + b"1" + b"}" * depth
    message = decoded("tariff.changed", raw)
    assert message.identity is not None
    assert message.identity == decoded("tariff.changed", raw).identity


def test_huge_numbers_are_no_energies() -> None:
    for energy in ('"1e400"', '"' + "9" * 5000 + '"'):
        body = '{"ChargingSessionId": 1, "ConnectedTo": 1795161600, "Energy": %s}'
        (session,) = decoded("session.ended", (body % energy).encode()).updates
        assert isinstance(session, SessionChange)
        assert session.energy is None
