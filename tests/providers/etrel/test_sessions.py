"""What a user gets of charging sessions; expected values are worked out by hand."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from custom_components.ev_streams.model import DeviceRecord, SessionChange, SessionPhase
from custom_components.ev_streams.paths import MappingError
from custom_components.ev_streams.providers.etrel.fields import Fields

from .helpers import (
    LJUBLJANA,
    PLACE,
    START,
    STOP,
    decoded,
    readings_of,
    session_of,
    utc,
)


def test_a_start_with_nothing_but_what_is_documented() -> None:
    message = decoded("session.started", START)
    assert message.updates == (
        SessionChange(
            device_id="location_77",
            session_id="41231",
            phase=SessionPhase.STARTED,
            started_at=utc(7),
            # When the car was connected.
            is_start_estimated=True,
        ),
    )
    assert message.device_id == "location_77"
    assert message.devices == (DeviceRecord(device_id="location_77", name=""),)
    assert message.happening is None
    assert message.unknown is None


def test_a_stop_with_all_that_may_be_told() -> None:
    body = STOP | PLACE
    body |= {
        "Location": {"Id": 77, "FriendlyName": "Parking North"},
        "ChargingFrom": "2026-11-20T08:10:00",
        "ChargingTo": "2026-11-20T09:20:00",
        "MeterActiveEnergyStart": 1000.5,
        "MeterActiveEnergyEnd": 1012.75,
        "Measurements": {"ActiveEnergyConsumed": 99, "Power": 7.4},
        "Identification": {"Token": "04A1B2C3"},
    }
    message = decoded("session.ended", body)
    assert session_of(message) == SessionChange(
        device_id="location_77",
        session_id="41231",
        phase=SessionPhase.STOPPED,
        started_at=utc(7, 10),
        stopped_at=utc(8, 20),
        energy=12.25,
        meter_start=1000.5,
        meter_stop=1012.75,
        token="04A1B2C3",
        evse="CP-9/2",
    )
    assert message.device_id == "CP-9"
    assert message.devices == (
        DeviceRecord(device_id="CP-9", name="", parent_id="location_77"),
        DeviceRecord(device_id="location_77", name="Parking North"),
        DeviceRecord(device_id="CP-9_connector_2", name="", parent_id="CP-9"),
    )
    # Power as measured last is none any more.
    assert readings_of(message) == [
        ("CP-9_connector_2", "session_energy", 0.0, utc(7, 10)),
        ("CP-9_connector_2", "lifetime_energy", 1000.5, utc(7, 10)),
        ("CP-9_connector_2", "session_energy", 12.25, utc(8, 20)),
        ("CP-9_connector_2", "lifetime_energy", 1012.75, utc(8, 20)),
        ("CP-9_connector_2", "power", 0.0, utc(8, 20)),
    ]


def test_a_start_at_a_named_connector_tells_its_meter() -> None:
    body = START | PLACE | {"MeterActiveEnergyStart": 0, "Measurements": {"Power": 7.4}}
    assert readings_of(decoded("session.started", body)) == [
        ("CP-9_connector_2", "session_energy", 0.0, utc(7)),
        ("CP-9_connector_2", "lifetime_energy", 0.0, utc(7)),
        ("CP-9_connector_2", "power", 7.4, utc(7)),
    ]


@pytest.mark.parametrize(
    "place", [{}, {"ChargePoint": {"FriendlyCode": "CP-9"}}, {"ConnectorId": 2}]
)
def test_energy_that_could_be_two_connectors_counts_nowhere(
    place: dict[str, object],
) -> None:
    """Two sessions at once would make one counter of both fall and jump."""
    body = STOP | place | {"MeterActiveEnergyStart": 1, "MeterActiveEnergyEnd": 3}
    message = decoded("session.ended", body)
    assert readings_of(message) == []
    assert session_of(message).energy == 2.0


def test_whatever_names_the_charge_point_a_session_is_one() -> None:
    """The message for the user may lack it, and the ledger knows a session by its device."""
    told = [
        session_of(decoded("session.started", START | PLACE)),
        session_of(decoded("session.started.user", START)),
        session_of(decoded("session.ended", STOP | PLACE)),
        session_of(decoded("session.ended", STOP)),
    ]
    assert {(each.device_id, each.session_id) for each in told} == {
        ("location_77", "41231")
    }
    assert [each.phase.value for each in told] == ["started"] * 2 + ["stopped"] * 2
    assert [each.evse for each in told] == ["CP-9/2", None, "CP-9/2", None]


def test_the_start_for_the_user_does_not_hide_the_other_one() -> None:
    """It may come first and says less; each of them still comes only once."""
    few = decoded("session.started.user", START)
    full = decoded("session.started", START | PLACE)
    assert few.identity != full.identity
    assert full.identity == decoded("session.started", START).identity


@pytest.mark.parametrize(
    ("change", "session_id"),
    [
        ({}, "41231"),
        ({"ChargingSessionId": 41231.0}, "41231"),
        ({"ChargingSessionId": "41231"}, "41231"),
        ({"ChargingSessionId": None}, "S-2026/1231"),
        ({"ChargingSessionId": {"x": 1}}, "S-2026/1231"),
        ({"ChargingSessionId": True}, "S-2026/1231"),
    ],
)
def test_a_session_is_known_by_its_id_else_by_its_number(
    change: dict[str, object], session_id: str
) -> None:
    assert session_of(decoded("session.ended", STOP | change)).session_id == session_id


@pytest.mark.parametrize(
    ("change", "started", "stopped"),
    [
        ({}, utc(7), utc(8, 30)),
        ({"ConnectedFrom": None, "ConnectedTo": ""}, utc(6, 50), utc(8, 45)),
        ({"ChargingTo": "2026-11-20T08:15:00Z"}, utc(7), utc(8, 15)),
        ({"ChargingTo": "0001-01-01T00:00:00"}, utc(7), utc(8, 30)),
        ({"ConnectedTo": "2026-11-20T09:30:00.1234567+02:00"}, utc(7), utc(7, 30)),
    ],
)
def test_a_session_runs_while_it_charges_else_is_connected_else_parks(
    change: dict[str, object], started: datetime, stopped: datetime
) -> None:
    session = session_of(decoded("session.ended", STOP | change))
    assert session.started_at == started
    assert session.stopped_at is not None
    assert session.stopped_at.replace(microsecond=0) == stopped


def test_a_start_that_already_names_an_end_has_none() -> None:
    """A booking may be known to end; only the end itself is one."""
    session = session_of(decoded("session.started", STOP))
    assert session.phase is SessionPhase.STARTED
    assert session.stopped_at is None


@pytest.mark.parametrize(
    ("change", "energy"),
    [
        ({"MeterActiveEnergyStart": 10, "MeterActiveEnergyEnd": 14.5}, 4.5),
        ({"Measurements": {"ActiveEnergyConsumed": 3.25}}, 3.25),
        ({"EnergyConsumed": "3.5"}, 3.5),
        # A meter that was replaced meanwhile.
        (
            {"MeterActiveEnergyStart": 9, "MeterActiveEnergyEnd": 2, "Energy": 6},
            6.0,
        ),
        ({"Energy": -1}, None),
        ({"Energy": "much"}, None),
        ({}, None),
    ],
)
def test_the_energy_of_a_session(change: dict[str, Any], energy: float | None) -> None:
    assert session_of(decoded("session.ended", STOP | change)).energy == energy


def test_a_unit_the_user_has_set_holds_for_meters_too() -> None:
    fields = Fields(time_zone=ZoneInfo("UTC"), energy_unit="Wh")
    body = STOP | PLACE
    body |= {"MeterActiveEnergyStart": 1_000_000, "MeterActiveEnergyEnd": 1_002_500}
    session = session_of(decoded("session.ended", body, fields=fields))
    assert (session.energy, session.meter_start) == (2.5, 1000.0)


def test_the_users_paths_come_instead_of_the_known_names() -> None:
    fields = Fields(
        time_zone=ZoneInfo("UTC"),
        device_path="Asset.Code",
        connector_path="Asset.Plugs[0]",
        session_path="Transaction",
        started_path="Begin",
        stopped_path="Finish",
        energy_path="Delivered",
        power_path="Load",
        meter_start_path="First",
        meter_stop_path="Last",
    )
    body = STOP | {
        "Asset": {"Code": "A1", "Plugs": ["left"]},
        "Transaction": "t-1",
        "Begin": 1_795_161_600,
        "Finish": "2026-11-20T09:00:00",
        "Delivered": 8,
        "MeterActiveEnergyStart": 1,
        "MeterActiveEnergyEnd": 2,
        "First": 100,
        "Last": 109,
        "Load": 5,
    }
    message = decoded("session.ended", body, fields=fields)
    session = session_of(message)
    assert (session.session_id, session.evse, session.energy) == ("t-1", "A1/left", 8)
    # 1795161600 is 2026-11-20 08:00 UTC.
    assert (session.started_at, session.stopped_at) == (utc(8), utc(9))
    assert ("A1_connector_left", "lifetime_energy", 109.0, utc(9)) in readings_of(
        message
    )
    # Where the user's path leads nowhere, the known names are not tried.
    lost = session_of(
        decoded(
            "session.started",
            START | {"Begin": 1_795_161_600, "Transaction": 7},
            fields=fields,
        )
    )
    assert lost.evse is None


@pytest.mark.parametrize(
    "name", ["device_path", "started_path", "energy_path", "status_path", "time_path"]
)
def test_a_path_that_makes_no_sense_is_refused_at_once(name: str) -> None:
    with pytest.raises(MappingError):
        Fields(time_zone=ZoneInfo("UTC"), **{name: "a..b"})


# In the night to 25 October 2026 clocks go back at 03:00 summer time (01:00 UTC).
@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        # 02:10 comes twice: taken for the first, which is summer time.
        (
            "01:30",
            "02:10",
            (utc(23, 30, day=24, month=10), utc(0, 10, day=25, month=10)),
        ),
        # It cannot be before the start: then it is the second.
        (
            "02:50",
            "02:10",
            (utc(0, 50, day=25, month=10), utc(1, 10, day=25, month=10)),
        ),
        (
            "02:10",
            "03:10",
            (utc(0, 10, day=25, month=10), utc(2, 10, day=25, month=10)),
        ),
    ],
)
def test_an_hour_that_comes_twice(
    start: str, stop: str, expected: tuple[datetime, datetime]
) -> None:
    body = {
        "ChargingSessionId": 1,
        "ConnectedFrom": f"2026-10-25T{start}:00",
        "ConnectedTo": f"2026-10-25T{stop}:00",
    }
    session = session_of(decoded("session.ended", body))
    assert (session.started_at, session.stopped_at) == expected


def test_a_named_zone_wins_over_the_users() -> None:
    body = START | {"ConnectedFrom": "2026-10-25T02:10:00+01:00"}
    session = session_of(decoded("session.started", body))
    assert session.started_at == utc(1, 10, day=25, month=10)


@pytest.mark.parametrize(
    ("tail", "body", "key"),
    [
        ("session.ended", STOP | {"ConnectedTo": None, "ParkingTo": None}, None),
        ("session.started", {"ChargingSessionId": 1}, None),
        ("session.started", {"ConnectedFrom": "2026-11-20T08:00:00"}, None),
        ("session.started", START, ""),
    ],
)
def test_a_session_that_lacks_what_makes_one_is_counted_and_can_be_mapped(
    tail: str, body: dict[str, object], key: str | None
) -> None:
    message = decoded(tail, body, key=key)
    assert message.updates == ()
    assert message.unknown is not None
    assert message.unknown.startswith(f"message:{tail} without ")
    assert message.content is not None


def test_a_session_without_a_time_does_not_stand_in_the_way_of_one_that_has_it() -> (
    None
):
    timeless = decoded("session.ended", {"ChargingSessionId": 41231})
    assert timeless.identity != decoded("session.ended", STOP).identity


def test_the_body_names_the_location_where_the_routing_key_does_not() -> None:
    body = START | {"Location": {"Id": 78}}
    assert session_of(decoded("session.started", body, key="")).device_id == (
        "location_78"
    )
    # The routing key is what is documented.
    assert session_of(decoded("session.started", body)).device_id == "location_77"


def test_times_in_summer_follow_the_users_zone() -> None:
    body = START | {"ConnectedFrom": "2026-07-01T08:00:00"}
    session = session_of(decoded("session.started", body, fields=LJUBLJANA))
    assert session.started_at == utc(6, day=1, month=7)
