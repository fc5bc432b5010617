"""An event becomes readings and a happening; how it is dated, addressed and counted."""

from datetime import datetime, timedelta
import json
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.ev_streams.model import (
    BadInputError,
    Content,
    DeviceRecord,
    Happening,
    Message,
    Reading,
)
from custom_components.ev_streams.providers.invers.decode import decode

from .messages import (
    EVENT_ID,
    MEASURED,
    MEASURED_TEXT,
    OCCURRED,
    OCCURRED_TEXT,
    VEHICLE,
    delivery,
    envelope,
    event,
    recorded,
    told,
    values,
)


def test_a_recorded_state_is_its_properties() -> None:
    data = {
        "vehicle_id": VEHICLE,
        "state": {
            "mileage_in_kilometers": told(12345.6),
            "driving_enabled": told(False, "2026-11-20T05:00:30Z"),
        },
    }
    assert event("VehicleStateRecorded", data) == Message(
        device_id=VEHICLE,
        identity=EVENT_ID,
        devices=(DeviceRecord(device_id=VEHICLE, name=""),),
        updates=(
            Reading(
                device_id=VEHICLE,
                key="mileage_in_kilometers",
                value=12345.6,
                measured_at=MEASURED,
            ),
            Reading(
                device_id=VEHICLE,
                key="driving_enabled",
                value=False,
                measured_at=MEASURED + timedelta(seconds=90),
            ),
        ),
        content=Content(
            body=envelope("VehicleStateRecorded", data),
            subtopic="VehicleStateRecorded",
            occurred_at=OCCURRED,
        ),
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"\xff", "not_json"),
        (b"{", "not_json"),
        (b"[]", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"null", "not_an_object"),
        (b"{}", "no_type"),
        (b'{"metadata": {}, "data": {}}', "no_type"),
        (b'{"metadata": {"type": "  "}, "data": {}}', "no_type"),
        (b'{"metadata": {"type": 5}, "data": {}}', "no_type"),
        (b'{"metadata": "x", "data": {"type": "VehicleChanged"}}', "no_type"),
    ],
)
def test_what_is_no_event_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(BadInputError) as caught:
        decode(delivery(body))
    assert caught.value.reason == reason


@pytest.mark.parametrize("data", [None, [], "text", 5, {}, {"vehicle": None}])
def test_an_event_may_tell_nothing(data: object) -> None:
    message = event("VehicleChanged", data)
    assert (message.device_id, message.updates, message.devices) == (None, (), ())
    assert message.happening == Happening(type="VehicleChanged", occurred_at=OCCURRED)
    assert message.unknown == "no_vehicle_id"


def test_an_event_without_an_id_has_no_identity() -> None:
    assert event("VehicleChanged", {}, id=None).identity is None
    assert event("VehicleChanged", {}, id=7).identity is None
    # It is remembered for a while, so that nobody's is endless.
    assert event("VehicleChanged", {}, id="x" * 200).identity == "x" * 128
    # What correlates is the same for several events.
    assert event("VehicleChanged", {}, id=None, flow_id="f").identity is None


@pytest.mark.parametrize(
    "data",
    [
        {"vehicle_id": VEHICLE},
        {"vehicle": {"vehicle_id": VEHICLE}},
        {"vehicle": {"id": VEHICLE}},
        {"vehicle_id": None, "vehicle": {"vehicle_id": "", "id": VEHICLE}},
    ],
)
def test_the_vehicle_is_found_where_it_may_lie(data: dict[str, Any]) -> None:
    assert event("TripStarted", data).device_id == VEHICLE


def test_the_vehicle_may_be_in_the_metadata_or_a_number() -> None:
    assert event("TripStarted", {}, vehicle_id=VEHICLE).device_id == VEHICLE
    assert event("TripStarted", {"vehicle_id": 12345}).device_id == "12345"
    for no_id in (True, 1.5, "", "a b", "x" * 65, ["7FQ2K"]):
        assert event("TripStarted", {"vehicle_id": no_id}).device_id is None


@pytest.mark.parametrize(
    "place",
    [
        lambda state: {"vehicle_id": VEHICLE, "state": state},
        lambda state: {"vehicle_id": VEHICLE, "vehicle_state": state},
        lambda state: {"vehicle": {"vehicle_id": VEHICLE, "state": state}},
        lambda state: {"vehicle": {"vehicle_id": VEHICLE, "vehicle_state": state}},
        lambda state: {"vehicle": {"vehicle_id": VEHICLE, **state}},
        lambda state: {"vehicle_id": VEHICLE, **state},
    ],
)
def test_the_state_is_found_where_it_may_lie(place: Any) -> None:
    message = event("VehicleStateRecorded", place({"doors": told("CLOSED")}))
    assert values(message) == {"doors": "closed"}
    assert message.unknown is None


def test_a_state_twice_in_an_event_is_read_once() -> None:
    data = {
        "vehicle_id": VEHICLE,
        "doors": told("OPEN"),
        "state": {"doors": told("CLOSED")},
    }
    assert values(event("VehicleStateRecorded", data)) == {"doors": "closed"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MEASURED_TEXT, MEASURED),
        ("2026-11-20T04:59:00", MEASURED),
        ("2026-11-20T05:59:00+01:00", MEASURED),
        ("2026-11-20T04:59:00.1234567Z", MEASURED + timedelta(microseconds=123456)),
        # What is no time is as good as none: the event's counts.
        (None, OCCURRED),
        ("", OCCURRED),
        ("yesterday", OCCURRED),
        ("0001-01-01T00:00:00Z", OCCURRED),
        ("9999-12-31T23:59:59-23:00", OCCURRED),
    ],
)
def test_a_property_has_its_own_time(text: str | None, expected: datetime) -> None:
    state = {"doors": told("OPEN", text)}
    message = event("VehicleStateRecorded", {"vehicle_id": VEHICLE, "state": state})
    (reading,) = message.updates
    assert isinstance(reading, Reading)
    assert reading.measured_at == expected
    assert reading.measured_at.utcoffset() == timedelta()
    assert reading.arrived_at is None


def test_a_property_without_any_time_is_left_out_and_counted() -> None:
    state = {"doors": told("OPEN", None), "windows": told("OPEN")}
    message = event(
        "VehicleStateRecorded",
        {"vehicle_id": VEHICLE, "state": state},
        occurred_at=None,
    )
    assert values(message) == {"windows": "open"}
    assert message.unknown == "property_without_time"


def test_what_is_no_property_is_no_reading() -> None:
    state = {"doors": "OPEN", "windows": {"timestamp": MEASURED_TEXT}, "lights": None}
    data = {"vehicle_id": VEHICLE, "state": state}
    assert event("VehicleStateRecorded", data).updates == ()


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("mileage_in_kilometers", 12345, 12345),
        ("mileage_in_kilometers", 12345.5, 12345.5),
        ("mileage_in_kilometers", "12345.5", 12345.5),
        ("MILEAGE_IN_KILOMETERS", 12345, 12345),
        ("adblue_level_in_percent", "SENSOR_FAILURE", ""),
        ("adblue_level_in_percent", True, ""),
        ("board_voltage", 12.6, 12.6),
        ("board_voltage", "low", ""),
        ("odometer_in_meters", 2**60, float(2**60)),
        ("adblue_level_low_indicator", "ON", True),
        ("adblue_level_low_indicator", "OFF", False),
        ("adblue_level_low_indicator", "SENSOR_FAILURE", ""),
        ("adblue_level_low_indicator", "anything", ""),
        ("adblue_level_low_indicator", True, True),
        ("driving_enabled", True, True),
        ("driving_enabled", "false", False),
        ("central_lock", "LOCKED", "locked"),
        ("central_lock", "PARTIALLY_UNLOCKED", "partially_unlocked"),
        ("doors", "OPEN", "open"),
        ("doors", True, True),
        ("handbrake", False, False),
        # Only of what is called an indicator is it known that ON is a truth.
        ("lights", "ON", "on"),
        ("gear", 3, 3),
        ("brake_fluid_due_date", "2027-01-31", "2027-01-31"),
        ("note", "Zoë is blue", "Zoë is blue"),
        ("note", "x" * 300, "x" * 255),
        ("note", "", ""),
        ("doors", None, ""),
        ("mileage_in_kilometers", None, ""),
        ("adblue_level_low_indicator", None, ""),
    ],
)
def test_a_value_is_read_by_its_name(name: str, raw: object, value: object) -> None:
    found = values(recorded(**{name: raw}))
    assert found == {name.lower(): value}
    assert type(found[name.lower()]) is type(value)


def test_levels_under_different_names_are_different_facts() -> None:
    levels = {
        "fuel_level_in_percent": 40,
        "state_of_charge_or_fuel_level_in_percent": 71.5,
    }
    assert values(recorded(**levels)) == levels


@pytest.mark.parametrize("raw", [{"front": "OPEN"}, ["OPEN"], {}, []])
def test_what_no_state_can_show_stays_in_the_content(raw: object) -> None:
    message = recorded(doors=raw)
    assert message.updates == ()
    assert message.content is not None
    body: Any = message.content.body
    assert body["data"]["state"]["doors"]["value"] == raw


@pytest.mark.parametrize(
    "name", ["energy", "charging_session", "last_message", "Größe", "a b", "", "x" * 65]
)
def test_a_name_that_cannot_be_a_key_is_counted(name: str) -> None:
    message = recorded(**{name: 5})
    assert message.updates == ()
    assert message.unknown == "property_name"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"lat": 52.5, "lon": 13}, {"latitude": 52.5, "longitude": 13.0}),
        ({"latitude": -90, "lng": 180}, {"latitude": -90.0, "longitude": 180.0}),
        ({"lat": "52.5", "lon": "13.4"}, {"latitude": 52.5, "longitude": 13.4}),
        (None, {"latitude": "", "longitude": ""}),
        ({"lat": 90.1, "lon": 13}, {}),
        ({"lat": 52.5, "lon": -180.1}, {}),
        ({"lat": 52.5}, {}),
        ({"lat": None, "lon": None}, {}),
        ({"lat": True, "lon": False}, {}),
        ({}, {}),
        ("52.5,13.4", {}),
        ([52.5, 13.4], {}),
    ],
)
def test_a_position_is_two_readings(raw: object, expected: dict[str, object]) -> None:
    found = values(recorded(position=raw))
    assert found == expected
    assert all(type(each) in (float, str) for each in found.values())


@pytest.mark.parametrize(
    ("raw", "is_charging"),
    [
        (True, True),
        ("true", True),
        ("ON", True),
        ("CHARGING", True),
        ("ACTIVE", True),
        ("QUICK_CHARGING", True),
        ("FAST_CHARGING", True),
        ("in progress", True),
        (False, False),
        ("false", False),
        ("OFF", False),
        ("NOT_CHARGING", False),
        ("IDLE", False),
        ("COMPLETE", False),
        ("COMPLETED", False),
        ("FINISHED", False),
        ("UNPLUGGED", False),
        ("PLUGGED_IN", None),
        ("ERROR", None),
        ("", None),
        (80, None),
        (None, None),
        ({}, None),
        ([], None),
    ],
)
@pytest.mark.parametrize(
    "name", ["charging", "charging_state", "charging_status", "charge", "quick_charge"]
)
def test_charging_is_read_off_the_names_that_may_tell_it(
    name: str, raw: object, is_charging: bool | None
) -> None:
    assert values(recorded(**{name: raw})).get("is_charging") is is_charging


def test_a_name_that_says_it_itself_needs_no_second_reading() -> None:
    assert values(recorded(is_charging="CHARGING")) == {"is_charging": True}
    assert values(recorded(is_charging=False)) == {"is_charging": False}
    assert values(recorded(is_charging="WHO_KNOWS")) == {}
    assert values(recorded(is_charging=None)) == {"is_charging": ""}


@pytest.mark.parametrize(
    ("charge", "quick_charge", "expected", "minute"),
    [
        ("ON", "OFF", True, 10),
        ("OFF", "ON", True, 20),
        ("ON", "ON", True, 20),
        ("OFF", "OFF", False, 20),
        ("OFF", "WHO_KNOWS", False, 10),
    ],
)
def test_it_charges_where_either_socket_says_so(
    charge: str, quick_charge: str, expected: bool, minute: int
) -> None:
    state = {
        "charge": told(charge, "2026-11-20T04:10:00Z"),
        "quick_charge": told(quick_charge, "2026-11-20T04:20:00Z"),
    }
    message = event("VehicleStateRecorded", {"vehicle_id": VEHICLE, "state": state})
    assert values(message)["is_charging"] is expected
    (reading,) = (
        each
        for each in message.updates
        if isinstance(each, Reading) and each.key == "is_charging"
    )
    assert reading.measured_at == datetime.fromisoformat(f"2026-11-20T04:{minute}:00Z")


@pytest.mark.parametrize(
    ("legacy", "name"),
    [
        ("VehicleStateReceived", "VehicleStateRecorded"),
        ("VehicleDataChanged", "VehicleChanged"),
        ("VehicleChange", "VehicleChanged"),
    ],
)
def test_older_names_of_types_mean_the_same(legacy: str, name: str) -> None:
    data = {"vehicle_id": VEHICLE, "life_status": told("ONLINE")}
    old, new = event(legacy, data), event(name, data)
    assert values(old) == values(new) == {"life_status": "online", "online": True}
    assert (old.happening, old.unknown) == (new.happening, None)


@pytest.mark.parametrize("kind", ["VehicleStateReceived", b"VehicleStateReceived"])
def test_a_message_of_the_former_interface_has_its_type_in_a_header(
    kind: str | bytes,
) -> None:
    body = {"vehicle_id": VEHICLE, "doors": told("OPEN")}
    headers = {"Message-Type": kind, "Flow-ID": "f", "Message-Version": 1}
    message = decode(delivery(body, **headers))
    assert values(message) == {"doors": "open"}
    assert (message.device_id, message.identity) == (VEHICLE, None)


def test_the_type_in_the_envelope_wins_over_the_header() -> None:
    body = envelope("TripStarted", {"vehicle_id": VEHICLE})
    happening = decode(delivery(body, **{"Message-Type": "VehicleChange"})).happening
    assert happening is not None
    assert happening.type == "TripStarted"


def test_metadata_may_have_members_that_nobody_knows() -> None:
    message = event("TripStarted", {"vehicle_id": VEHICLE}, shard=5, nested={"a": [1]})
    assert message.unknown is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=12), inner, max_size=3)
    ),
    max_leaves=12,
)
NAMES = (
    *("vehicle_id", "vehicle", "id", "state", "value", "timestamp", "position", "lat"),
    *("lon", "charging", "life_status", "rental_status", "reasons", "trip", "start"),
    *("master_data", "vin", "license_plate", "custom_name", "brand", "central_lock"),
    *("speed", "x_in_percent", "x_indicator", "is_charging", "status", "trip_id"),
)
SPOKEN = st.sampled_from(
    (VEHICLE, OCCURRED_TEXT, "ON", "LOCKED", "ONLINE", "B-EV 4711")
)
near_events = st.recursive(
    json_values | SPOKEN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)
    ),
    max_leaves=30,
)
KINDS = st.sampled_from(
    (
        *("VehicleStateRecorded", "VehicleChanged", "CentralLockStatusChanged"),
        *("TripStarted", "TripEnded", "SmokeDetectionAlarm", "VehicleChange"),
    )
)


@given(st.binary(max_size=200))
def test_bytes_at_random_are_refused_in_no_other_way(body: bytes) -> None:
    with pytest.raises(BadInputError) as caught:
        decode(delivery(body))
    assert caught.value.reason in {"not_json", "not_an_object", "no_type"}


@settings(max_examples=400)
@given(KINDS | st.text(max_size=60), near_events, st.booleans())
def test_no_event_fails_and_every_reading_can_be_shown(
    kind: str, data: object, is_dated: bool
) -> None:
    body = json.dumps(
        envelope(kind, data, occurred_at=OCCURRED_TEXT if is_dated else None),
        allow_nan=True,
    ).encode()
    try:
        message = decode(delivery(body))
    except BadInputError:
        # Not every text is a type, and what is no number is no JSON.
        return
    values(message)
    for reading in message.updates:
        assert isinstance(reading, Reading)
        assert reading.device_id == message.device_id
        assert reading.measured_at.utcoffset() == timedelta()
        assert isinstance(reading.value, bool | int | float | str)
        assert len(str(reading.value)) <= 255


def test_an_event_that_nests_too_deep_is_read_to_some_depth() -> None:
    deep = b'{"a":' * 900 + b"1" + b"}" * 900
    body = (
        b'{"metadata": {"type": "TripStarted"}, "data": {"vehicle_id": "7FQ2K", "x": '
        + deep
        + b"}}"
    )
    message = decode(delivery(body))
    assert message.device_id == VEHICLE
    assert message.content is not None
    assert len(json.dumps(message.content.body)) < 500
