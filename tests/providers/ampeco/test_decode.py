"""A notification of AMPECO becomes the states of a charge point, its EVSEs and its circuits."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from custom_components.ev_streams.model import BadInputError, DeviceRecord, Reading
from custom_components.ev_streams.providers.ampeco.decode import decode
from simulator.ampeco import notifications

from .messages import (
    AT,
    EVSE,
    HEADERS,
    POINT,
    SENT_AT,
    decoded,
    delivery,
    facts_of,
    readings_of,
    values_of,
)

MINUTE = timedelta(minutes=1)


def meter_values(*values: tuple[str, Any, str | None]) -> dict[str, Any]:
    return notifications.session_meter_values(
        charge_point_id=15, evse_id=27, session_id=77, moment=AT, values=values
    )


def test_meter_values_are_the_readings_of_the_evse() -> None:
    message = decoded(
        meter_values(
            ("Energy Active Import Register", 4_812_345, "Wh"),
            ("Energy Consumed", 7_250, "Wh"),
            ("State Of Charge", 64, "Percent"),
            ("Current Import", 15.9, "A"),
            ("Current Offered", 16, "A"),
            ("Voltage", 230.4, "V"),
            ("Power Active Import", 10_950, None),
            ("Power Offered", 11_000, None),
            ("Temperature", 31.5, "Celsius"),
        )
    )
    assert readings_of(message) == {
        (EVSE, key): (value, AT)
        for key, value in {
            "lifetime_energy": 4812.345,
            "session_energy": 7.25,
            "state_of_charge": 64,
            "current": 15.9,
            "current_offered": 16,
            "voltage": 230.4,
            "power": 10950,
            "power_offered": 11000,
            "temperature": 31.5,
        }.items()
    }
    assert message.device_id == POINT
    assert message.devices == (
        DeviceRecord(device_id=POINT, name=""),
        DeviceRecord(device_id=EVSE, name="", parent_id=POINT),
    )
    assert (message.happening, message.unknown) == (None, None)


@pytest.mark.parametrize(
    ("measurand", "value", "unit", "key", "expected"),
    [
        ("Energy Active Import Register", 4812.5, "kWh", "lifetime_energy", 4812.5),
        ("Energy Active Import Register", "1500", "Wh", "lifetime_energy", 1.5),
        ("Power Active Import", 7.4, "kW", "power", 7400),
        ("Power Active Import", 7400, "W", "power", 7400),
        ("Power Active Import", 7400, "furlong", "power", 7400),
        ("Power Active Import", -3000, "w", "power", -3000),
        ("State Of Charge", 64, "%", "state_of_charge", 64),
        ("state of charge", 64, "percent", "state_of_charge", 64),
    ],
)
def test_a_value_is_read_by_its_unit(
    measurand: str, value: object, unit: str, key: str, expected: float
) -> None:
    message = decoded(meter_values((measurand, value, unit)))
    assert values_of(message) == {key: expected}
    assert message.unknown is None


@pytest.mark.parametrize(
    ("measurand", "unit", "unknown"),
    [
        ("Energy Consumed", "MJ", "unit:MJ"),
        ("Energy Consumed", None, "unit:"),
        ("Temperature", "Fahrenheit", "unit:Fahrenheit"),
        ("Fan Speed", "rpm", "measurand:Fan Speed"),
    ],
)
def test_what_no_table_knows_is_counted_and_costs_nothing_else(
    measurand: str, unit: str | None, unknown: str
) -> None:
    message = decoded(meter_values((measurand, 5, unit), ("Voltage", 231, "V")))
    assert values_of(message) == {"voltage": 231}
    assert message.unknown == unknown
    assert message.content is not None
    assert isinstance(message.content.body, dict)
    assert message.content.body["meterValues"][0]["measurand"] == measurand


def test_of_values_that_only_a_phase_would_tell_apart_the_largest_counts() -> None:
    powers = [("Power Active Import", each, None) for each in (3650, 10950, 3640)]
    assert values_of(decoded(meter_values(*powers))) == {"power": 10950}


def test_values_of_several_moments_come_in_the_order_of_time() -> None:
    body = meter_values(("Voltage", 231, "V"), ("Voltage", 229, "V"))
    body["meterValues"][0]["timestamp"] = "2026-11-20T05:02:01Z"
    message = decoded(body)
    told = [
        (each.value, each.measured_at)
        for each in message.updates
        if isinstance(each, Reading)
    ]
    assert told == [(229, AT), (231, AT + MINUTE)]


@pytest.mark.parametrize(
    ("status", "expected", "online"),
    [
        ("available", "available", True),
        ("never connected", "never_connected", False),
        ("temporarily unavailable", "temporarily_unavailable", False),
        ("long-term unavailable", "long_term_unavailable", False),
    ],
)
def test_the_network_status_tells_whether_it_is_online(
    status: str, expected: str, online: bool
) -> None:
    message = decoded(notifications.network_status(15, AT, status))
    assert readings_of(message) == {
        (POINT, "network_status"): (expected, AT),
        (POINT, "online"): (online, AT),
    }
    assert (message.device_id, message.happening) == (POINT, None)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("available", "available"),
        ("preparing", "preparing"),
        ("charging", "charging"),
        ("suspendedEV", "suspended_ev"),
        ("suspendedEVSE", "suspended_evse"),
        ("finishing", "finishing"),
        ("reserved", "reserved"),
        ("unavailable", "unavailable"),
    ],
)
def test_the_hardware_status_is_the_evses_where_one_is_named(
    status: str, expected: str
) -> None:
    of_evse = decoded(notifications.hardware_status(15, AT, status, evse_id=27))
    assert readings_of(of_evse) == {
        (EVSE, "hardware_status"): (expected, AT),
        (EVSE, "error_code"): ("NoError", AT),
        (EVSE, "error_info"): ("", AT),
    }
    assert (of_evse.device_id, of_evse.happening) == (POINT, None)
    of_whole = decoded(notifications.hardware_status(15, AT, status))
    assert readings_of(of_whole)[POINT, "hardware_status"] == (expected, AT)
    assert of_whole.devices == (DeviceRecord(device_id=POINT, name=""),)


def test_a_fault_has_its_code_and_the_next_status_clears_it() -> None:
    fault = notifications.hardware_status(
        15, AT, "faulted", evse_id=27, error_code="GroundFailure", info="RCD tripped"
    )
    assert values_of(decoded(fault)) == {
        "hardware_status": "faulted",
        "error_code": "GroundFailure",
        "error_info": "RCD tripped",
    }
    # A fault without a code says nothing about the code that was told before.
    bare = notifications.hardware_status(15, AT, "faulted", evse_id=27)
    assert values_of(decoded(bare)) == {"hardware_status": "faulted"}


def test_a_status_that_was_never_reported_is_none() -> None:
    assert decoded(notifications.hardware_status(15, AT, None)).updates == ()


def test_a_boot_tells_what_the_charge_point_is() -> None:
    message = decoded(notifications.boot(15, AT))
    assert readings_of(message) == {(POINT, "firmware"): ("1.8.32", AT)}
    assert message.devices == (
        DeviceRecord(
            device_id=POINT,
            name="",
            model="Terra AC W22",
            serial_number="TACW2241023T0099",
        ),
    )
    assert message.happening is not None
    assert message.happening.type == "BootNotification"
    assert message.happening.occurred_at == AT
    assert facts_of(message) == {"charge_point_id": "15"}


def test_a_text_that_is_too_long_for_a_state_is_none() -> None:
    assert values_of(decoded(notifications.boot(15, AT, firmware="1" * 255)))
    assert decoded(notifications.boot(15, AT, firmware="1" * 256)).updates == ()
    fault = notifications.hardware_status(
        15, AT, "faulted", error_code="OtherError", info="x" * 300
    )
    assert values_of(decoded(fault))["error_info"] == "x" * 255


def test_a_boot_without_the_serial_number_of_the_point_has_that_of_its_box() -> None:
    body = notifications.boot(15, AT)
    body["bootNotification"]["charge_point_serial_number"] = ""
    (record,) = decoded(body).devices
    assert record.serial_number == "TACW2241023T0099-B"


def test_the_older_notification_shows_a_charge_point_whole() -> None:
    document = notifications.charge_point_document(
        15, "Depot gate", [(27, "A"), (28, "B")], status="out of order"
    )
    message = decoded(notifications.charge_point_changed_whole(document, AT))
    assert readings_of(message) == {
        (POINT, "network_status"): ("available", AT),
        (POINT, "online"): (True, AT),
        (POINT, "hardware_status"): ("available", AT),
        (POINT, "status"): ("out_of_order", AT),
        (POINT, "firmware"): ("1.8.32", AT),
        (EVSE, "hardware_status"): ("available", AT),
        ("evse_28", "hardware_status"): ("available", AT),
    }
    assert message.devices == (
        DeviceRecord(
            device_id=POINT,
            name="Depot gate",
            model="Terra AC W22",
            serial_number="TACW2241023T0099",
        ),
        DeviceRecord(device_id=EVSE, name="EVSE A", parent_id=POINT),
        DeviceRecord(device_id="evse_28", name="EVSE B", parent_id=POINT),
    )
    assert facts_of(message) == {"charge_point_id": "15", "action": "updated"}


def test_a_deleted_charge_point_has_no_states_any_more() -> None:
    document = notifications.charge_point_document(15, "Depot gate", [(27, "A")])
    message = decoded(
        notifications.charge_point_changed_whole(document, AT, action="deleted")
    )
    assert message.updates == ()
    assert facts_of(message)["action"] == "deleted"


def test_a_circuit_tells_the_current_of_each_phase() -> None:
    message = decoded(notifications.circuit_consumption(3, AT, [15.5, 16, 0]))
    assert readings_of(message) == {
        ("circuit_3", "current_l1"): (15.5, AT),
        ("circuit_3", "current_l2"): (16, AT),
        ("circuit_3", "current_l3"): (0, AT),
        ("circuit_3", "max_current"): (63, AT),
    }
    assert message.device_id == "circuit_3"
    assert message.devices == (DeviceRecord(device_id="circuit_3", name=""),)
    assert message.happening is None


@pytest.mark.parametrize(
    ("status", "expected"), [("occupied", True), ("available", False)]
)
def test_a_parking_space_is_occupied_or_not(status: str, expected: bool) -> None:
    message = decoded(notifications.parking_space(8, AT, status))
    assert readings_of(message) == {("parking_space_8", "occupied"): (expected, AT)}
    assert message.device_id == "parking_space_8"


@pytest.mark.parametrize("point", [15, 15.0, "15", " 15 "])
@pytest.mark.parametrize("evse", [27, 27.0, "27"])
def test_an_id_is_the_same_however_it_is_written(point: object, evse: object) -> None:
    body = notifications.hardware_status(15, AT, "charging", evse_id=27)
    message = decoded({**body, "chargePointId": point, "evseId": evse})
    assert message.device_id == POINT
    assert [each.device_id for each in message.devices] == [POINT, EVSE]


@pytest.mark.parametrize("evse", [None, 0, "", True, 2.5, [], {}])
def test_what_is_no_id_is_the_whole_charge_point(evse: object) -> None:
    body = notifications.hardware_status(15, AT, "charging")
    message = decoded({**body, "evseId": evse})
    assert (POINT, "hardware_status") in readings_of(message)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T05:01:01Z",
        "2026-11-20T05:01:01.000000Z",
        "2026-11-20T05:01:01",
        "2026-11-20T06:01:01+01:00",
    ],
)
def test_a_time_may_be_written_in_any_form_of_the_norm(text: str) -> None:
    body = {**notifications.network_status(15, AT, "available"), "timestamp": text}
    assert readings_of(decoded(body))[POINT, "online"] == (True, AT)


@pytest.mark.parametrize(
    "told", [None, "", "yesterday", 1763614861, "0001-01-01T00:00:00Z"]
)
@pytest.mark.parametrize(
    "header",
    [
        {"X-Timestamp": "2026-11-20T05:01:02.123456Z"},
        {"x-timestamp": b"2026-11-20T05:01:02.123456Z"},
    ],
)
def test_a_value_without_a_time_has_that_of_the_sending(
    told: object, header: dict[str, object]
) -> None:
    body = {**notifications.network_status(15, AT, "available"), "timestamp": told}
    assert readings_of(decoded(body, header))[POINT, "online"] == (True, SENT_AT)


def test_a_value_without_any_time_is_left_out_and_counted() -> None:
    body = notifications.network_status(15, AT, "available")
    del body["timestamp"]
    message = decoded(body, {})
    assert message.updates == ()
    assert message.unknown == "nothing told:NetworkStatusNotification"


def test_a_field_that_cannot_be_read_costs_no_other() -> None:
    body = meter_values(("Voltage", 231, "V"), ("Current Import", "much", "A"))
    body["meterValues"] += [None, "x", {}, {"measurand": 4}]
    body["chargePointId"] = [15]
    message = decoded(body)
    assert readings_of(message) == {(EVSE, "voltage"): (231, AT)}
    assert message.device_id == EVSE
    assert message.devices == (DeviceRecord(device_id=EVSE, name=""),)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b'{"notification": "\xff"}', "not_json"),
        ([], "not_an_object"),
        ("BootNotification", "not_an_object"),
        ({}, "no_notification"),
        ({"notification": ""}, "no_notification"),
        ({"notification": 4}, "no_notification"),
        ({"notification": None}, "no_notification"),
    ],
)
def test_what_is_no_notification_is_refused(body: object, reason: str) -> None:
    with pytest.raises(BadInputError) as caught:
        decode(delivery(body))
    assert caught.value.reason == reason


def test_a_copy_of_a_notification_has_the_identity_of_the_first() -> None:
    body = notifications.network_status(15, AT, "available")
    first = decoded(body).identity
    assert first is not None
    later = {"x-timestamp": "2026-11-20T05:31:02.000000Z"}
    reordered = dict(reversed(body.items()))
    assert decoded(body, later).identity == first
    assert decoded(reordered, {}).identity == first
    assert decoded({**body, "networkStatus": "never connected"}).identity != first
    another = notifications.network_status(15, AT + MINUTE, "available")
    assert decoded(another).identity != first


@pytest.mark.parametrize(
    "body",
    [
        meter_values(("Voltage", 231, "V")),
        notifications.circuit_consumption(3, AT, [1, 2, 3]),
        notifications.session_update(
            "active",
            session_id=77,
            charge_point_id=15,
            evse_id=27,
            started_at=AT,
            updated_at=AT,
        ),
    ],
)
def test_the_own_time_of_a_notification_may_lie_inside(body: dict[str, Any]) -> None:
    assert decoded(body, {}).identity == decoded(body, HEADERS).identity is not None


def test_without_a_time_of_its_own_the_sending_tells_two_apart() -> None:
    body = {"notification": "chargePoint.dataTransferReceived", "chargePointId": 15}
    first = decoded(body, HEADERS).identity
    assert first is not None
    assert decoded(body, HEADERS).identity == first
    assert decoded(body, {"x-timestamp": "2026-11-20T05:31:02Z"}).identity != first
    assert decoded(body, {}).identity is None


def test_times_are_utc() -> None:
    message = decoded(notifications.network_status(15, AT, "available"))
    (_, measured_at) = readings_of(message)[POINT, "online"]
    assert measured_at.tzinfo is UTC
    assert measured_at == datetime(2026, 11, 20, 5, 1, 1, tzinfo=UTC)
