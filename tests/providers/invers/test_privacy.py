"""Who a vehicle belongs to, who drives it and where: none of it goes on.

Only the two readings of the position tell it, and these are off by default.
"""

import json
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.ev_streams.model import Message, Reading

from .messages import VEHICLE, event, recorded, told, values

VIN = "VF1AG000265432187"
PLATE = "B-EV 4711"
PERSONAL = {"vin": VIN, "license_plate": PLATE}
KINDS = (
    *("VehicleStateRecorded", "VehicleChanged", "CentralLockStatusChanged"),
    *("TripEnded", "SmokeDetectionAlarm", "SomethingNew"),
)


def everything(message: Message) -> str:
    """All that goes on of a message, save the readings of the position."""
    return repr(
        (
            message.devices,
            message.happening,
            message.unknown,
            message.content,
            [
                each
                for each in message.updates
                if not isinstance(each, Reading)
                or each.key not in ("latitude", "longitude")
            ],
        )
    )


def assert_silent(message: Message, *secrets: str) -> None:
    said = everything(message)
    for secret in secrets:
        assert secret not in said
        assert secret.replace("-", "").replace(" ", "") not in said


@pytest.mark.parametrize("kind", KINDS)
def test_identifiers_and_persons_are_in_nothing(kind: str) -> None:
    personal = {
        **PERSONAL,
        "driver": {"id": "d-77", "first_name": "Kim"},
        "userId": "u-88",
        "customer_number": "c-99",
        "rfidCard": {"token": "04A1B2C3"},
        "end_position": {"lat": 52.5163, "lon": 13.3777},
        "startLocation": {"street": "Example Street"},
        "path": [{"latitude": 48.1, "longitude": 11.6}],
        "iccid": "89490200001234567890",
    }
    vehicle = {"vehicle_id": VEHICLE, "master_data": personal, **personal}
    data = {"vehicle": vehicle, "state": personal, "trip": personal, "n": 5}
    message = event(kind, data, driver_id="d-77")
    assert_silent(
        message,
        *(VIN, PLATE, "d-77", "Kim", "u-88", "c-99", "04A1B2C3", "52.5163"),
        *("13.3777", "Example Street", "48.1", "11.6", "8949020000"),
    )
    assert message.content is not None
    body: Any = message.content.body
    # What concerns nobody is still there.
    assert body["data"]["n"] == 5
    assert body["data"]["vehicle"]["vehicle_id"] == VEHICLE


@pytest.mark.parametrize(
    "name", [PLATE, "b ev-4711", f"Zoe {PLATE}", VIN, f"Zoe {VIN.lower()}", "BEV4711"]
)
def test_a_name_that_is_an_identifier_is_not_taken(name: str) -> None:
    master_data = {**PERSONAL, "custom_name": name, "brand": "Renault", "model": "Zoe"}
    message = event(
        "VehicleChanged",
        {"vehicle": {"vehicle_id": VEHICLE, "master_data": master_data}},
    )
    (record,) = message.devices
    assert (record.name, record.model) == ("", "Renault Zoe")
    assert record.serial_number is None
    assert_silent(message, name, PLATE, VIN)


def test_a_vin_is_known_by_its_looks() -> None:
    data = {"vehicle_id": VEHICLE, "custom_name": f"Car {VIN}", "note": VIN}
    message = event("VehicleChanged", data)
    assert message.devices[0].name == ""
    assert_silent(message, VIN)


@pytest.mark.parametrize("kind", KINDS)
def test_an_identifier_is_found_wherever_it_is_repeated(kind: str) -> None:
    data = {
        "vehicle_id": VEHICLE,
        "vehicle": {"license_plate": told(PLATE)},
        "reasons": ["BEV4711", "RENTAL_STATUS_CHANGED"],
        "trip": {"id": "BEV4711", "note": [f"of {PLATE}"], PLATE: 1},
        "central_lock": "BEV4711",
        "state": {"display_text": told(f"Hello {PLATE}")},
    }
    message = event(kind, data)
    assert_silent(message, PLATE)


def test_former_plates_are_identifiers_as_well() -> None:
    data = {"vehicle_id": VEHICLE, "former_plates": [PLATE], "note": f"was {PLATE}"}
    assert_silent(event("VehicleChanged", data), PLATE)


def test_personal_properties_are_no_readings() -> None:
    message = recorded(
        vin=VIN, license_plate=PLATE, driver_id="d", last_user="u", parking_location="x"
    )
    assert message.updates == ()
    assert message.unknown is None


def test_the_position_is_in_its_two_readings_only() -> None:
    message = recorded(position={"lat": 52.5163, "lon": 13.3777}, doors="OPEN")
    assert values(message) == {
        "latitude": 52.5163,
        "longitude": 13.3777,
        "doors": "open",
    }
    assert_silent(message, "52.5163", "13.3777")


@pytest.mark.parametrize("kind", [f"Moved{VIN}", f"Of {VIN}", VIN])
def test_a_type_that_is_an_identifier_is_not_named(kind: str) -> None:
    message = event(kind, {"vehicle_id": VEHICLE, "vin": VIN})
    assert_silent(message, VIN)


@given(
    st.sampled_from(KINDS),
    st.recursive(
        st.sampled_from((VIN, PLATE, "B EV 4711", 52.5163, "Blue", 5, None)),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ("vehicle", "state", "trip", "custom_name", "model", "value")
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=15,
    ),
)
def test_no_shape_brings_an_identifier_out(kind: str, inner: object) -> None:
    data = {"vehicle_id": VEHICLE, "vehicle": inner, "x": PERSONAL, "position": inner}
    said = json.dumps(everything(event(kind, data)))
    for secret in (VIN, PLATE, "B EV 4711"):
        assert secret not in said
