"""What a user gets of the other messages; expected values are worked out by hand."""

import pytest

from custom_components.ev_streams.model import BadInputError

from .helpers import NOW, PLACE, START, USER, decoded, readings_of, utc


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ({"Status": {"Id": 3, "Title": "Available"}}, "available"),
        ({"Status": "SuspendedEV"}, "suspended_ev"),
        ({"Status": "Out of order"}, "out_of_order"),
        ({"NewStatus": "OutOfOrder", "OldStatus": "Available"}, "out_of_order"),
        ({"ConnectorStatus": {"Title": "Charging"}}, "charging"),
        ({"Status": 7}, "7"),
        ({"Connector": {"Id": 2, "Status": {"Title": "Faulted"}}}, "faulted"),
    ],
)
def test_a_status_in_whatever_shape_it_comes(
    status: dict[str, object], word: str
) -> None:
    body = PLACE | status | {"Timestamp": "2026-11-20T08:00:00"}
    message = decoded("connector.statusChanged", body)
    assert readings_of(message) == [
        ("CP-9_connector_2", "connector_status", word, utc(7))
    ]
    assert message.happening is None


@pytest.mark.parametrize(
    ("place", "device_id", "devices"),
    [
        (PLACE, "CP-9_connector_2", {"CP-9", "location_77", "CP-9_connector_2"}),
        ({"ChargePointId": 9}, "9", {"9", "location_77"}),
        (
            {"ConnectorId": 2},
            "location_77_connector_2",
            {"location_77", "location_77_connector_2"},
        ),
        ({}, "location_77", {"location_77"}),
    ],
)
def test_a_status_is_told_of_what_is_nearest_to_the_connector(
    place: dict[str, object], device_id: str, devices: set[str]
) -> None:
    message = decoded("connector.statusChanged", place | {"Status": "Available"})
    assert [each[0] for each in readings_of(message)] == [device_id]
    assert {each.device_id for each in message.devices} == devices
    assert message.devices[0].device_id == message.device_id


def test_a_status_without_a_time_is_of_now_and_may_be_said_again() -> None:
    message = decoded("connector.statusChanged", PLACE | {"Status": "Available"})
    assert readings_of(message) == [
        ("CP-9_connector_2", "connector_status", "available", NOW)
    ]
    assert message.identity is None
    assert message.unknown is None


def test_a_status_with_a_time_is_one_message_however_often_it_comes() -> None:
    body = PLACE | {"Status": "Available", "Timestamp": "2026-11-20T08:00:00"}
    identity = decoded("connector.statusChanged", body).identity
    assert identity is not None
    assert decoded("connector.statusChanged", body | {"New": 1}).identity == identity
    later = body | {"Timestamp": "2026-11-20T08:00:01"}
    assert decoded("connector.statusChanged", later).identity != identity
    other = body | {"ConnectorId": 1}
    assert decoded("connector.statusChanged", other).identity != identity


def test_when_a_charge_point_was_last_heard_of_is_not_when_its_status_changed() -> None:
    body = PLACE | {
        "Status": "Available",
        "LastCommunicationTime": "2026-11-20T08:00:00",
    }
    (reading,) = readings_of(decoded("connector.statusChanged", body))
    assert reading[3] == NOW


def test_power_comes_with_a_status_that_tells_it() -> None:
    body = PLACE | {"Status": "Charging", "Power": 7.2}
    message = decoded("connector.statusChanged", body)
    assert ("CP-9_connector_2", "power", 7.2, NOW) in readings_of(message)


@pytest.mark.parametrize("body", [{}, {"Status": "  "}, {"Status": "-"}])
def test_no_status_is_counted(body: dict[str, object]) -> None:
    message = decoded("connector.statusChanged", PLACE | body)
    assert message.updates == ()
    assert message.unknown == "message:connector.statusChanged without status or place"


@pytest.mark.parametrize("tail", ["reservation.created", "reservation.canceled"])
def test_a_reservation_happens_at_its_location(tail: str) -> None:
    message = decoded(
        tail,
        {
            "ReservationId": 9,
            "From": "2026-11-20T18:00:00",
            "To": "2026-11-20T19:00:00",
            "CreatedAt": "2026-11-20T08:00:00",
            "User": {"FirstName": "Kim"},
        },
    )
    assert message.happening is not None
    assert message.happening.type == tail
    assert message.happening.occurred_at == utc(7)
    assert message.happening.facts == {
        "location_id": "77",
        "reservation_id": "9",
        "from": "2026-11-20T17:00:00+00:00",
        "to": "2026-11-20T18:00:00+00:00",
    }
    assert message.device_id == "location_77"
    assert message.identity == f"{tail}:9"
    assert message.updates == ()


def test_a_system_event_names_what_it_is_about() -> None:
    message = decoded(
        "system.event",
        {
            "SystemEventId": 4,
            "Code": "GroundFault",
            "Severity": {"Title": "Error"},
            "ChargePoint": {"FriendlyCode": "CP-9"},
            "Timestamp": "2026-11-20T08:00:00",
        },
        queue=f"{USER}.*.*.*.system.event",
        key=f"{USER}.77.ChargePoint.Error.system.event",
    )
    assert message.happening is not None
    assert message.happening.type == "system.event"
    assert message.happening.occurred_at == utc(7)
    assert message.happening.facts == {
        "location_id": "77",
        "event_id": "4",
        "code": "GroundFault",
        "severity": "Error",
        "charge_point": "CP-9",
    }
    assert message.device_id == "CP-9"


def test_what_a_user_wrote_in_a_ticket_is_not_told() -> None:
    message = decoded(
        "helpdesk.ticket.raisedByUser",
        {
            "TicketId": 12,
            "Category": {"Title": "Charging"},
            "Status": "Open",
            "Description": "I am Kim and my number is 555",
            "User": {"Email": "kim@example.com"},
        },
        queue=f"{USER}.helpdesk.ticket.raisedByUser",
        key=f"{USER}.helpdesk.ticket.raisedByUser",
    )
    facts = {"ticket_id": "12", "category": "Charging", "status": "Open"}
    assert message.happening is not None
    assert message.happening.facts == facts
    assert message.device_id is None
    assert message.devices == ()
    assert message.content is not None
    assert message.content.body == {
        "message_type": "helpdesk.ticket.raisedByUser",
        "location_id": None,
        **facts,
    }
    assert "Kim" not in repr(message)


def test_an_unknown_type_is_counted_told_and_can_be_mapped() -> None:
    message = decoded("tariff.changed", {"Price": 0.31})
    assert message.unknown == "message:tariff.changed"
    assert message.happening is not None
    assert message.happening.type == "tariff.changed"
    assert message.device_id == "location_77"
    assert message.content is not None
    assert message.content.subtopic == "tariff.changed"
    assert message.content.body == {
        "message_type": "tariff.changed",
        "location_id": "77",
        "Price": 0.31,
    }


def test_the_content_of_every_type_can_be_mapped() -> None:
    message = decoded("session.started", START)
    assert message.content is not None
    assert message.content.body == {
        "message_type": "session.started",
        "location_id": "77",
        **START,
    }


def test_a_member_cannot_pass_for_what_the_names_tell() -> None:
    message = decoded("tariff.changed", {"location_id": 1, "message_type": "x"})
    assert message.content is not None
    assert message.content.body == {
        "message_type": "tariff.changed",
        "location_id": "77",
    }


def test_a_message_without_any_id_is_the_same_as_one_of_the_same_words() -> None:
    one = decoded("tariff.changed", b'{"A": 1, "B": [2]}')
    same = decoded("tariff.changed", b'{"B":[2],"A":1}')
    other = decoded("tariff.changed", b'{"A": 1, "B": [3]}')
    assert one.identity == same.identity
    assert one.identity != other.identity
    assert one.identity != decoded("tariff.added", b'{"A": 1, "B": [2]}').identity


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"\xff", "not_json"),
        (b"{", "not_json"),
        (b"[]", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"5", "not_an_object"),
        (b"null", "not_an_object"),
        (b'{"a": "' + b"x" * 262_144 + b'"}', "too_large"),
    ],
)
@pytest.mark.parametrize("tail", ["session.started", "tariff.changed"])
def test_what_is_no_object_is_refused(body: bytes, reason: str, tail: str) -> None:
    with pytest.raises(BadInputError) as caught:
        decoded(tail, body)
    assert caught.value.reason == reason
