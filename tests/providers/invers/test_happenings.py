"""What is told once, as an event: changes of a vehicle, locks, trips, smoke, the unknown."""

from datetime import timedelta
from typing import Any

import pytest

from custom_components.ev_streams.model import DeviceRecord, Happening, Reading

from .messages import (
    MEASURED,
    MEASURED_TEXT,
    OCCURRED,
    VEHICLE,
    event,
    recorded,
    told,
    values,
)


def test_a_recorded_state_is_no_happening() -> None:
    assert recorded(doors="OPEN").happening is None


def test_a_change_of_the_rental_is_a_reading_and_a_happening() -> None:
    message = event(
        "VehicleChanged",
        {
            "reasons": ["RENTAL_STATUS_CHANGED"],
            "vehicle": {"vehicle_id": VEHICLE, "rental_status": {"value": "IN_RENTAL"}},
        },
    )
    assert message.updates == (
        Reading(
            device_id=VEHICLE,
            key="rental_status",
            value="in_rental",
            measured_at=OCCURRED,
        ),
    )
    assert message.happening == Happening(
        type="VehicleChanged",
        occurred_at=OCCURRED,
        facts={"reasons": "RENTAL_STATUS_CHANGED"},
    )
    assert message.unknown is None


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("ONLINE", {"life_status": "online", "online": True}),
        ("OFFLINE", {"life_status": "offline", "online": False}),
        ("SLEEPING", {"life_status": "sleeping", "online": ""}),
        (None, {"life_status": "", "online": ""}),
    ],
)
@pytest.mark.parametrize("timestamp", [None, MEASURED_TEXT])
def test_the_life_status_tells_whether_a_vehicle_is_online(
    status: str | None, expected: dict[str, object], timestamp: str | None
) -> None:
    vehicle = {"vehicle_id": VEHICLE, "life_status": told(status, timestamp)}
    message = event("VehicleChanged", {"vehicle": vehicle})
    assert values(message) == expected
    when = OCCURRED if timestamp is None else MEASURED
    assert {getattr(each, "measured_at", None) for each in message.updates} == {when}


def test_a_status_may_be_a_bare_text() -> None:
    vehicle = {
        "vehicle_id": VEHICLE,
        "rental_status": "NOT_IN_RENTAL",
        "life_status": "ONLINE",
    }
    assert values(event("VehicleChanged", {"vehicle": vehicle})) == {
        "rental_status": "not_in_rental",
        "life_status": "online",
        "online": True,
    }


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        (["A_CHANGED", "B_CHANGED"], {"reasons": "A_CHANGED, B_CHANGED"}),
        ("A_CHANGED", {"reasons": "A_CHANGED"}),
        (["A_CHANGED", 5, None, {}, "said by Kim"], {"reasons": "A_CHANGED"}),
        ([f"R{n}" for n in range(20)], {"reasons": "R0, R1, R2, R3, R4, R5, R6, R7"}),
        ([], {}),
        (None, {}),
        ({"A": 1}, {}),
    ],
)
def test_reasons_are_codes_and_no_sentences(
    reasons: object, expected: dict[str, str]
) -> None:
    happening = event("VehicleChanged", {"reasons": reasons}).happening
    assert happening is not None
    assert happening.facts == expected


@pytest.mark.parametrize(
    ("master_data", "name", "model"),
    [
        (
            {"custom_name": "Blue", "brand": "Renault", "model": "Zoe"},
            "Blue",
            "Renault Zoe",
        ),
        ({"brand": "Renault", "model": "Zoe"}, "", "Renault Zoe"),
        ({"brand": "Renault"}, "", "Renault"),
        ({"custom_name": " ", "model": "Zoe"}, "", "Zoe"),
        ({"custom_name": {"value": "Blue"}}, "Blue", None),
        ({"custom_name": "x" * 100}, "x" * 80, None),
        ({"custom_name": None, "brand": 5}, "", None),
        ({}, "", None),
    ],
)
@pytest.mark.parametrize(
    "place",
    [
        lambda data: {"vehicle": {"vehicle_id": VEHICLE, "master_data": data}},
        lambda data: {"vehicle": {"vehicle_id": VEHICLE, **data}},
        lambda data: {"vehicle_id": VEHICLE, "master_data": data},
        lambda data: {"vehicle_id": VEHICLE, **data},
    ],
)
def test_master_data_name_the_vehicle(
    master_data: dict[str, object], name: str, model: str | None, place: Any
) -> None:
    data = {"reasons": ["MASTER_DATA_CHANGED"], **place(master_data)}
    assert event("VehicleChanged", data).devices == (
        DeviceRecord(device_id=VEHICLE, name=name, model=model),
    )


@pytest.mark.parametrize(
    "data",
    [
        {"central_lock": "LOCKED"},
        {"central_lock": {"value": "LOCKED"}},
        {"central_lock_status": "LOCKED"},
        {"status": {"value": "LOCKED"}},
        {"state": {"central_lock": {"value": "LOCKED"}}},
        {"vehicle": {"central_lock": "LOCKED"}},
    ],
)
def test_a_change_of_the_lock_is_a_reading_and_a_happening(
    data: dict[str, Any],
) -> None:
    message = event("CentralLockStatusChanged", {"vehicle_id": VEHICLE, **data})
    assert message.updates == (
        Reading(
            device_id=VEHICLE,
            key="central_lock",
            value="locked",
            measured_at=OCCURRED,
        ),
    )
    assert message.happening == Happening(
        type="CentralLockStatusChanged",
        occurred_at=OCCURRED,
        facts={"central_lock": "locked"},
    )


def test_a_change_of_the_lock_may_tell_its_own_time() -> None:
    data = {"vehicle_id": VEHICLE, "central_lock": told("UNLOCKED")}
    (reading,) = event("CentralLockStatusChanged", data).updates
    assert isinstance(reading, Reading)
    assert (reading.value, reading.measured_at) == ("unlocked", MEASURED)


def test_a_change_of_the_lock_without_a_status_is_a_happening() -> None:
    message = event("CentralLockStatusChanged", {"vehicle_id": VEHICLE})
    assert message.updates == ()
    assert message.happening == Happening(
        type="CentralLockStatusChanged", occurred_at=OCCURRED
    )


def test_a_status_of_the_lock_in_words_of_somebody_is_no_fact() -> None:
    data = {"vehicle_id": VEHICLE, "central_lock": "opened by Kim"}
    happening = event("CentralLockStatusChanged", data).happening
    assert happening is not None
    assert happening.facts == {}


STARTED, ENDED = "2026-11-20T04:00:00Z", "2026-11-20T05:00:00Z"


@pytest.mark.parametrize(
    ("data", "facts"),
    [
        (
            {"trip": {"id": "T-1", "started_at": STARTED}},
            {"trip_id": "T-1", "started_at": "2026-11-20T04:00:00+00:00"},
        ),
        (
            {"trip_id": 17, "start_time": STARTED, "end_time": ENDED},
            {
                "trip_id": "17",
                "started_at": "2026-11-20T04:00:00+00:00",
                "ended_at": "2026-11-20T05:00:00+00:00",
            },
        ),
        (
            {
                "trip": {
                    "trip_id": "T-1",
                    "start": {"timestamp": STARTED, "position": {"lat": 1, "lon": 2}},
                    "end": {"occurred_at": ENDED, "mileage_in_kilometers": 5},
                }
            },
            {
                "trip_id": "T-1",
                "started_at": "2026-11-20T04:00:00+00:00",
                "ended_at": "2026-11-20T05:00:00+00:00",
            },
        ),
        ({"trip": {"id": "by Kim Example", "started_at": "morning"}}, {}),
        ({"trip": None}, {}),
    ],
)
@pytest.mark.parametrize("kind", ["TripStarted", "TripEnded", "Trip", "TripRecorded"])
def test_a_trip_is_told_with_its_times(
    kind: str, data: dict[str, Any], facts: dict[str, str]
) -> None:
    message = event(kind, {"vehicle_id": VEHICLE, **data})
    assert message.happening == Happening(type=kind, occurred_at=OCCURRED, facts=facts)
    assert (message.updates, message.unknown) == ((), None)


def test_what_a_trip_measured_stays_in_the_content() -> None:
    data = {"vehicle_id": VEHICLE, "trip": {"id": "T", "mileage_in_kilometers": 61.5}}
    message = event("TripEnded", data)
    assert message.content is not None
    body: Any = message.content.body
    assert body["data"]["trip"]["mileage_in_kilometers"] == 61.5
    assert message.content.subtopic == "TripEnded"


@pytest.mark.parametrize("kind", ["SmokeDetection", "SmokeDetectionAlarm"])
def test_smoke_is_a_happening(kind: str) -> None:
    message = event(kind, {"vehicle_id": VEHICLE})
    assert message.happening == Happening(type=kind, occurred_at=OCCURRED)
    assert message.unknown is None


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("TyrePressureLow", "TyrePressureLow"),
        ("x" * 100, "x" * 40),
        ("a type\nof its own", "a_type_of_its_own"),
    ],
)
def test_an_unknown_type_is_counted_and_told(kind: str, name: str) -> None:
    data = {"vehicle_id": VEHICLE, "state": {"doors": told("OPEN")}}
    message = event(kind, data)
    assert message.unknown == f"type:{name}"
    assert message.happening == Happening(type=name, occurred_at=OCCURRED)
    assert message.updates == ()
    assert message.device_id == VEHICLE
    assert message.content is not None
    body: Any = message.content.body
    assert (body["data"], message.content.subtopic) == (data, name)


def test_a_happening_without_a_time_is_told_nevertheless() -> None:
    happening = event(
        "SmokeDetection", {"vehicle_id": VEHICLE}, occurred_at=None
    ).happening
    assert happening is not None
    assert happening.occurred_at is None


def test_a_happening_is_dated_in_utc() -> None:
    happening = event(
        "SmokeDetection", {}, occurred_at="2026-11-20T06:01:01.250+01:00"
    ).happening
    assert happening is not None
    assert happening.occurred_at == OCCURRED
    assert OCCURRED.utcoffset() == timedelta()
