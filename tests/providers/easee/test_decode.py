"""An Easee message becomes readings and session changes, however it is written."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
import json
import math
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.ev_streams.model import (
    BadInputError,
    Message,
    Reading,
    SessionChange,
    SessionDocument,
)
from custom_components.ev_streams.providers.easee.decode import decode, timestamp
from custom_components.ev_streams.providers.easee.observations import OBSERVATIONS
from custom_components.ev_streams.stream.delivery import Delivery

from .messages import (
    ARRIVED,
    ARRIVED_TEXT,
    CHARGER,
    MEASURED,
    delivery,
    observed,
    reading_of,
    reason_of,
)


def test_a_message_as_the_vendor_sends_it() -> None:
    message = observed(7.31, headers={"ArrivalTime": ARRIVED_TEXT})
    assert message == Message(
        device_id=CHARGER,
        arrived_at=ARRIVED,
        updates=(
            Reading(
                device_id=CHARGER,
                key="total_power",
                value=7.31,
                measured_at=MEASURED,
                arrived_at=ARRIVED,
            ),
        ),
    )


@pytest.mark.parametrize(
    ("observation_id", "raw", "key", "value"),
    [
        (109, 3, "charger_op_mode", "charging"),
        (109, "3", "charger_op_mode", "charging"),
        (109, 3.0, "charger_op_mode", "charging"),
        (109, 42, "charger_op_mode", "unknown_42"),
        (103, True, "cable_locked", True),
        (103, "1", "cable_locked", True),
        (103, 0, "cable_locked", False),
        (120, "7.31", "total_power", 7.31),
        (80, 331.0, "software_release", 331),
        (104, 20000.0, "cable_rating", 20.0),
        (108, "D4C3B2A1", "user_id_token_reversed", "A1B2C3D4"),
        (89, 20, "reboot_reason", "pin_reset, software"),
        (251, "DUPLICATE_CLIENTID", "cloud_disconnect_reason", "DUPLICATE_CLIENTID"),
    ],
)
def test_a_value_is_read_by_the_id(
    observation_id: int, raw: object, key: str, value: object
) -> None:
    reading = reading_of(observed(raw, observation_id))
    assert (reading.key, reading.value) == (key, value)
    assert type(reading.value) is type(value)


@pytest.mark.parametrize(
    ("timestamp_member", "value_member"),
    [
        ("Timestamp", "Value"),
        ("timestamp", "value"),
        ("TIMESTAMP", "VALUE"),
        ("timeStamp", "vALUE"),
    ],
)
def test_the_case_of_the_members_does_not_matter(
    timestamp_member: str, value_member: str
) -> None:
    body = {timestamp_member: "2026-11-20T05:01:01Z", value_member: 7.31}
    reading = reading_of(decode(delivery(body)))
    assert (reading.value, reading.measured_at) == (7.31, MEASURED)


def test_the_routing_key_is_the_authority_where_the_body_says_who_it_is() -> None:
    body = {
        "mid": "EH654321",
        "dataType": 3,
        "id": 121,
        "timestamp": "2026-11-20T05:01:01Z",
        "value": "7.31",
    }
    reading = reading_of(decode(delivery(body)))
    assert (reading.device_id, reading.key, reading.value) == (
        CHARGER,
        "total_power",
        7.31,
    )


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2026-11-20T05:01:01", 0),
        ("2026-11-20T05:01:01.5", 500_000),
        ("2026-11-20T05:01:01.12", 120_000),
        ("2026-11-20T05:01:01.123", 123_000),
        ("2026-11-20T05:01:01.1234", 123_400),
        ("2026-11-20T05:01:01.12345", 123_450),
        ("2026-11-20T05:01:01.123456", 123_456),
        ("2026-11-20T05:01:01.1234567", 123_456),
        ("2026-11-20T05:01:01.123456789", 123_456),
    ],
)
@pytest.mark.parametrize("zone", ["Z", "", "+00:00", "+0000", "-00:00"])
def test_a_time_may_have_any_number_of_digits(
    text: str, microsecond: int, zone: str
) -> None:
    moment = timestamp(text + zone)
    assert moment == MEASURED.replace(microsecond=microsecond)
    assert moment.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T06:01:01+01:00",
        "2026-11-20T06:01:01.000+01:00",
        "2026-11-19T21:31:01-07:30",
        "2026-11-20 05:01:01Z",
        " 2026-11-20T05:01:01Z ",
    ],
)
def test_a_time_may_have_an_offset(text: str) -> None:
    moment = timestamp(text)
    assert moment == MEASURED
    assert moment.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "raw",
    [
        *("", "now", "2026-13-01T00:00:00Z", "2026-11-20T25:00:00Z", "1763614861"),
        *(None, 1763614861, 1.5, True, [], {}),
        # It is the year 0 in Greenwich.
        "0001-01-01T00:00:00+01:00",
        # A time that .NET was never given.
        *("0001-01-01T00:00:00", "0001-01-01T00:00:00Z"),
    ],
)
def test_what_is_no_time(raw: object) -> None:
    body = {"Timestamp": raw, "Value": 1}
    assert reason_of(delivery(body)) == "timestamp"


@pytest.mark.parametrize(
    "raw",
    [
        ARRIVED_TEXT,
        ARRIVED_TEXT.encode(),
        "2026-11-20T06:01:02.123456+01:00",
        ARRIVED,
        ARRIVED.replace(tzinfo=None),
        ARRIVED.astimezone(timezone(timedelta(hours=-5))),
    ],
)
def test_the_arrival_may_be_written_in_several_ways(raw: object) -> None:
    message = observed(7.31, headers={"ArrivalTime": raw})
    assert message.arrived_at == ARRIVED
    assert message.arrived_at is not None
    assert message.arrived_at.utcoffset() == timedelta(0)
    assert reading_of(message).arrived_at == ARRIVED


@pytest.mark.parametrize("name", ["ArrivalTime", "SomethingElse"])
@pytest.mark.parametrize(
    "raw", [None, "", "soon", b"\xff\xfe", 1763614861, 1.5, True, [], {}]
)
def test_a_message_without_a_legible_arrival_is_as_good_as_any(
    name: str, raw: object
) -> None:
    message = observed(7.31, headers={name: raw})
    assert message.arrived_at is None
    assert reading_of(message).measured_at == MEASURED
    assert reading_of(message).value == 7.31


def test_without_a_time_of_its_own_a_value_dates_from_its_arrival() -> None:
    message = decode(delivery({"Value": 7.31}, headers={"ArrivalTime": ARRIVED_TEXT}))
    assert reading_of(message).measured_at == ARRIVED


@pytest.mark.parametrize(
    ("address", "device_id", "unknown"),
    [
        (f"{CHARGER}.C.22.638680680620000000", CHARGER, "routing key C"),
        (f"{CHARGER}.CR.22.638680680620000000", CHARGER, "routing key CR"),
        (f"{CHARGER}.P", CHARGER, "routing key P"),
        (f"{CHARGER}.P.1", CHARGER, "routing key P"),
        (f"{CHARGER}.OP.1", CHARGER, "routing key OP"),
        ("SYS.1", None, "routing key SYS"),
    ],
)
def test_other_kinds_of_message_are_counted_and_left_alone(
    address: str, device_id: str | None, unknown: str
) -> None:
    message = decode(delivery(b"not even JSON", address))
    assert message.updates == ()
    assert message.unknown == unknown
    assert message.device_id == device_id


@pytest.mark.parametrize("observation_id", [0, 11, 38, 100, 219, 9999])
@pytest.mark.parametrize("body", [b"", b"{", b'{"Value": 1}'])
def test_an_observation_that_no_table_knows_is_counted_and_is_no_error(
    observation_id: int, body: bytes
) -> None:
    message = decode(
        delivery(body, f"{CHARGER}.O.{observation_id}", {"ArrivalTime": ARRIVED_TEXT})
    )
    assert message == Message(
        device_id=CHARGER,
        arrived_at=ARRIVED,
        unknown=f"observation {observation_id}",
    )


@pytest.mark.parametrize(
    "address",
    [
        "",
        ".",
        "..",
        CHARGER,
        f"{CHARGER}.",
        f"{CHARGER}.O",
        f"{CHARGER}.O.",
        f"{CHARGER}.O.power",
        f"{CHARGER}.O.-120",
        f"{CHARGER}.O.1.2",
        f"{CHARGER}.O.120.1",
        f"{CHARGER}.X.120",
        ".O.120",
        "O.120",
    ],
)
def test_a_routing_key_that_says_nothing_is_refused(address: str) -> None:
    body = {"Timestamp": "2026-11-20T05:01:01Z", "Value": 1}
    assert reason_of(delivery(body, address)) == "routing_key"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b'{"Value": 1,}', "not_json"),
        (b'{"Value": NaN}', "not_json"),
        (b"\xff\xfe\x00", "not_json"),
        (b"[" * 100_000, "not_json"),
        (b"null", "not_an_object"),
        (b"7.31", "not_an_object"),
        (b'"7.31"', "not_an_object"),
        (b'[{"Value": 1}]', "not_an_object"),
        (b"{}", "no_value"),
        (b'{"Timestamp": "2026-11-20T05:01:01Z"}', "no_value"),
        (b'{"Timestamp": "2026-11-20T05:01:01Z", "Value": null}', "no_value"),
        (b'{"Value": 7.31}', "no_timestamp"),
        (b'{"Timestamp": null, "Value": 7.31}', "timestamp"),
        (b'{"Timestamp": "soon", "Value": 7.31}', "timestamp"),
        (b'{"Timestamp": "2026-11-20T05:01:01Z", "Value": "a lot"}', "not_a_number"),
        (b'{"Timestamp": "2026-11-20T05:01:01Z", "Value": 1e999}', "not_json"),
        (b'{"Timestamp": "2026-11-20T05:01:01Z", "Value": {"a": 1}}', "not_a_number"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_with_its_reason(
    body: bytes, reason: str
) -> None:
    assert reason_of(delivery(body)) == reason


TIMES = st.one_of(
    st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat), st.text(max_size=30)
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
SESSIONS = st.fixed_dictionaries(
    {},
    optional={
        "Id": LEAVES,
        "Start": TIMES | LEAVES,
        "Stop": TIMES | LEAVES,
        "EnergyKwh": LEAVES,
        "MeterValue": LEAVES,
        "MeterValueStart": LEAVES,
        "MeterValueStop": LEAVES,
        "Auth": LEAVES,
    },
)
BODIES = st.one_of(
    st.binary(max_size=100),
    JSON.map(json.dumps).map(str.encode),
    st.fixed_dictionaries(
        {},
        optional={
            "Timestamp": TIMES | LEAVES,
            "Value": st.one_of(LEAVES, JSON, SESSIONS, SESSIONS.map(json.dumps)),
            "value": LEAVES,
        },
    )
    .map(json.dumps)
    .map(str.encode),
)
# A routing key of AMQP is a short string: 255 bytes at most.
ADDRESSES = st.one_of(
    st.text(max_size=60),
    st.builds(
        "{}.{}.{}".format,
        st.text(max_size=10),
        st.sampled_from(["O", "P", "C", "CR", "OP", "SYS", "o"]),
        st.text(max_size=10) | st.integers(),
    ),
    st.sampled_from(sorted(OBSERVATIONS)).map(f"{CHARGER}.O.{{}}".format),
)
# AMQP's own type for a time is one in UTC.
HEADERS = st.dictionaries(
    st.just("ArrivalTime") | st.text(max_size=5),
    st.one_of(
        LEAVES,
        TIMES,
        TIMES.map(str.encode),
        st.binary(max_size=20),
        st.datetimes(),
        st.datetimes(timezones=st.just(UTC)),
    ),
    max_size=2,
)


def assert_sound(message: Message) -> None:
    """Whatever was understood has times in UTC and finite numbers."""
    for update in message.updates:
        assert update.device_id == message.device_id
        moments: list[datetime | None] = [message.arrived_at]
        numbers: list[Any] = []
        match update:
            case Reading():
                moments += [update.measured_at, update.arrived_at]
                numbers.append(update.value)
            case SessionChange():
                assert update.happened_at is not None
                moments += [update.started_at, update.stopped_at, update.arrived_at]
                numbers += [update.energy, update.meter_start, update.meter_stop]
            case SessionDocument():
                assert update.text
                moments.append(update.measured_at)
        for moment in moments:
            assert moment is None or moment.utcoffset() == timedelta(0)
        for number in numbers:
            assert not isinstance(number, float) or math.isfinite(number)


def outcome(received: Delivery) -> Message | str:
    """The message, or the reason why there is none."""
    try:
        return decode(received)
    except BadInputError as err:
        return err.reason


@given(body=BODIES, address=ADDRESSES, headers=HEADERS)
@settings(max_examples=2000)
def test_anything_is_understood_or_refused_with_a_reason(
    body: bytes, address: str, headers: Mapping[str, object]
) -> None:
    result = outcome(delivery(body, address, headers))
    if isinstance(result, str):
        assert result.isidentifier()
        assert result == result.lower()
    else:
        assert_sound(result)
