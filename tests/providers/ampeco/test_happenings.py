"""What of AMPECO's notifications is an event, and what of them nobody gets to see."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC
import json
from typing import Any

from hypothesis import assume, given, settings, strategies as st
import pytest

from custom_components.ev_streams.model import (
    BadInputError,
    Content,
    Message,
    Reading,
    SessionChange,
)
from custom_components.ev_streams.providers.ampeco.decode import decode
from custom_components.ev_streams.providers.ampeco.notifications import (
    DEFAULT_NOTIFICATIONS,
    KNOWN,
    for_an_old_tenant,
)
from simulator.ampeco import events, notifications

from .messages import AT, POINT, SENT_AT, decoded, delivery, facts_of

# What the vendor's guide lists, and its API description besides.
GUIDE = [
    "BootNotification",
    "ChargePointChangedNotification",
    "CircuitConsumptionNotification",
    "ChargePointSyncConfigurationNotification",
    "circuit.changed",
    "DiagnosticsStatusNotification",
    "HardwareStatusNotification",
    "LocationChangedNotification",
    "NetworkStatusNotification",
    "SecurityEventNotification",
    "SessionMeterValuesNotification",
    "SessionStartStopNotification",
    "SessionUpdateNotification",
    "UserChangedNotification",
    "user.invoiceDetails.changed",
    "partner.changed",
    "authorization.changed",
    "SubOperatorChangedNotification",
    "TariffChangedNotification",
    "reservation.changed",
    "user.paymentMethod.changed",
    "partnerInvite.changed",
    "user.subscriptionChanged",
    "idTag.changed",
    "roamingPlatform.changed",
    "userBalance.changed",
    "transaction.changed",
    "settlementReport.created",
    "chargePoint.dataTransferReceived",
    "cdr.received",
]
DESCRIPTION = [
    "AuthorizationNotification",
    "chargePoint.changed",
    "evse.changed",
    "session.start.stop.notification",
    "user.subscription.changed",
    "ReservationChangedNotification",
    "PaymentMethodChangedNotification",
    "PartnerInviteChangedNotification",
    "parkingSpace.occupancyStatus.changed",
    "subscriptionPlan.changed",
    "chargingProfile.applied",
    "installerJob.changed",
    "PartnerChangedNotification",
]

# Whatever of these comes out is one too much.
PERSONAL = (
    *("04A1B2C3D4E5F6", "Dana", "D. River", "dana@example.com", "4711", "pm_1NxQ"),
    *("s3cr3t-ocpp", "4321", "8935201641400012345", "206012345678901"),
    *("42.6977", "23.3219", "River Street", "1234.5", "5678.25"),
)

# Type, device and facts of each, by the name that it is sent under.
EVENTS: dict[str, tuple[str, str | None, dict[str, object]]] = {
    "AuthorizationNotification": (
        "authorization.changed",
        "15",
        {"charge_point_id": "15", "authorization_id": "501", "status": "accepted"},
    ),
    "authorization.changed": (
        "authorization.changed",
        "15",
        {
            "charge_point_id": "15",
            "authorization_id": "501",
            "action": "created",
            "status": "rejected",
        },
    ),
    "chargePoint.changed": (
        "chargePoint.changed",
        "15",
        {"charge_point_id": "15", "action": "updated"},
    ),
    "evse.changed": (
        "evse.changed",
        "evse_27",
        {"evse_id": "27", "action": "created"},
    ),
    "ChargePointSyncConfigurationNotification": (
        "ChargePointSyncConfigurationNotification",
        "15",
        {"charge_point_id": "15", "status": "success"},
    ),
    "circuit.changed": (
        "circuit.changed",
        "circuit_3",
        {"circuit_id": "3", "action": "updated"},
    ),
    "DiagnosticsStatusNotification": (
        "DiagnosticsStatusNotification",
        "15",
        {"charge_point_id": "15", "request_id": "88", "status": "uploaded"},
    ),
    "LocationChangedNotification": (
        "LocationChangedNotification",
        None,
        {"location_id": "12", "action": "updated"},
    ),
    "UserChangedNotification": (
        "UserChangedNotification",
        None,
        {"action": "updated"},
    ),
    "SubOperatorChangedNotification": (
        "SubOperatorChangedNotification",
        None,
        {"sub_operator_id": "6", "action": "updated"},
    ),
    "TariffChangedNotification": (
        "TariffChangedNotification",
        None,
        {"tariff_id": "9", "action": "updated"},
    ),
    "user.invoiceDetails.changed": ("user.invoiceDetails.changed", None, {}),
    "PaymentMethodChangedNotification": (
        "user.paymentMethod.changed",
        None,
        {"action": "created"},
    ),
    "userBalance.changed": (
        "userBalance.changed",
        None,
        {"transaction_id": "90210", "kind": "topUp"},
    ),
    "cdr.received": ("cdr.received", None, {"id": "cdr-7f3a"}),
    "idTag.changed": (
        "idTag.changed",
        None,
        {"id_tags_id": "31", "action": "created"},
    ),
    "reservation.changed": (
        "reservation.changed",
        None,
        {"reservation_id": "21", "status": "active"},
    ),
    "ReservationChangedNotification": (
        "reservation.changed",
        None,
        {"reservation_id": "21", "status": "active"},
    ),
    "partner.changed": (
        "partner.changed",
        None,
        {"partner_id": "5", "action": "updated"},
    ),
    "partnerInvite.changed": (
        "partnerInvite.changed",
        None,
        {"partner_invite_id": "15", "action": "updated"},
    ),
    "PartnerInviteChangedNotification": (
        "partnerInvite.changed",
        None,
        {"partner_invite_id": "15", "action": "updated"},
    ),
    "roamingPlatform.changed": (
        "roamingPlatform.changed",
        None,
        {"roaming_platform_id": "2", "action": "updated"},
    ),
    "transaction.changed": (
        "transaction.changed",
        None,
        {"transaction_id": "90210", "action": "updated"},
    ),
    "settlementReport.created": (
        "settlementReport.created",
        None,
        {"settlement_report_id": "44", "action": "updated"},
    ),
    "subscriptionPlan.changed": (
        "subscriptionPlan.changed",
        None,
        {"subscription_plan_id": "8", "action": "updated"},
    ),
    "installerJob.changed": (
        "installerJob.changed",
        None,
        {"installer_job_id": "61", "action": "updated"},
    ),
    "user.subscriptionChanged": (
        "user.subscription.changed",
        None,
        {"action": "updated"},
    ),
    "user.subscription.changed": (
        "user.subscription.changed",
        None,
        {"action": "updated"},
    ),
    "user.paymentMethod.changed": (
        "user.paymentMethod.changed",
        None,
        {"action": "updated"},
    ),
}


def every_notification() -> Iterator[Mapping[str, Any]]:
    """One of each kind, as the vendor writes it."""
    document = notifications.charge_point_document(15, "Gate", [(27, "A")])
    yield from events.others(15, 27, AT).values()
    yield notifications.charge_point_changed_whole(document, AT)
    yield notifications.boot(15, AT)
    yield notifications.network_status(15, AT, "available")
    yield notifications.hardware_status(15, AT, "charging", evse_id=27)
    yield notifications.circuit_consumption(3, AT, [1, 2, 3])
    yield notifications.parking_space(8, AT, "occupied")
    yield events.charging_profile(15, AT, 16)
    yield events.security_event(15, AT, critical=True)
    yield events.data_transfer(15, "Hello")
    yield notifications.session_meter_values(
        charge_point_id=15,
        evse_id=27,
        session_id=77,
        moment=AT,
        values=[("Voltage", 231, "V")],
    )
    for is_old in (False, True):
        yield notifications.session_start_stop(
            "stop",
            session_id=77,
            charge_point_id=15,
            evse_id=27,
            started_at=AT,
            stopped_at=AT,
            id_tag="04A1B2C3D4E5F6",
            user_id=4711,
            is_old=is_old,
        )
    yield notifications.session_update(
        "active",
        session_id=77,
        charge_point_id=15,
        evse_id=27,
        started_at=AT,
        updated_at=AT,
        id_tag="04A1B2C3D4E5F6",
        user_id=4711,
    )


ALL = {str(each["notification"]): each for each in every_notification()}


@pytest.mark.parametrize("name", sorted({*GUIDE, *DESCRIPTION}))
def test_every_name_of_the_vendors_lists_is_known(name: str) -> None:
    """Those without a shape to play tell at least that they came."""
    message = decoded(ALL.get(name, {"notification": name}))
    assert name in KNOWN
    if name in ALL:
        assert message.unknown is None
    assert message.updates or message.happening or message.unknown


def test_every_name_that_can_be_subscribed_is_played() -> None:
    assert ALL.keys() >= notifications.NAMES
    assert {*GUIDE, *DESCRIPTION} - {
        "PartnerChangedNotification"
    } == notifications.NAMES


@pytest.mark.parametrize("name", EVENTS)
def test_what_is_no_state_is_an_event_with_a_few_facts(name: str) -> None:
    type_, device_id, facts = EVENTS[name]
    message = decoded(events.others(15, 27, AT)[name])
    assert message.happening is not None
    assert message.happening.type == type_
    assert message.device_id == device_id
    assert facts_of(message) == facts
    assert message.updates == ()


def test_every_other_notification_of_the_vendor_is_expected_here() -> None:
    assert EVENTS.keys() == events.others(15, 27, AT).keys()


def test_an_event_has_the_time_it_tells_or_that_of_its_sending() -> None:
    cdr = events.others(15, 27, AT)["cdr.received"]
    for body, expected in (
        (events.security_event(15, AT, critical=True), AT),
        (events.charging_profile(15, AT, 16), AT),
        (cdr, AT),
        (events.data_transfer(15, "Hello"), SENT_AT),
    ):
        happening = decoded(body).happening
        assert happening is not None
        assert happening.occurred_at == expected
    untold = decoded(events.data_transfer(15, "Hello"), {}).happening
    assert untold is not None
    assert untold.occurred_at is None


def test_a_security_event_says_whether_it_is_critical() -> None:
    for critical in (True, False):
        message = decoded(events.security_event(15, AT, critical=critical))
        assert facts_of(message) == {
            "charge_point_id": "15",
            "kind": "TamperDetectionActivated",
            "critical": critical,
        }


def test_a_charging_profile_says_what_it_asks_for() -> None:
    message = decoded(events.charging_profile(15, AT, 16, evse_id=27))
    assert facts_of(message) == {
        "charge_point_id": "15",
        "evse_id": "27",
        "purpose": "TxDefaultProfile",
        "stack_level": 2,
        "limit": 16,
        "unit": "A",
        "periods": 1,
    }
    assert message.device_id == POINT


def test_a_data_transfer_is_for_the_user_to_map_and_no_fact() -> None:
    message = decoded(events.data_transfer(15, "temperature=21"))
    assert facts_of(message) == {
        "charge_point_id": "15",
        "vendor_id": "com.example",
        "message_id": "display",
    }
    assert message.content == Content(
        body=events.data_transfer(15, "temperature=21"),
        subtopic="chargePoint.dataTransferReceived",
        occurred_at=SENT_AT,
    )


def test_a_notification_of_tomorrow_is_an_event_and_content() -> None:
    body = {
        "notification": "battery.swapped",
        "chargePointId": 15,
        "action": "created",
        "slot": {"number": 4, "userName": "Dana"},
        "lastUpdatedAt": "2026-11-20T05:01:01Z",
    }
    message = decoded(body)
    assert message.unknown == "notification:battery.swapped"
    assert message.happening is not None
    assert message.happening.type == "battery.swapped"
    assert facts_of(message) == {"charge_point_id": "15", "action": "created"}
    assert message.content == Content(
        body={**body, "slot": {"number": 4}},
        subtopic="battery.swapped",
        occurred_at=AT,
    )
    assert message.device_id == POINT


def test_a_name_without_end_is_shortened() -> None:
    message = decoded({"notification": "x" * 5000})
    assert message.happening is not None
    assert message.happening.type == "x" * 60
    assert message.unknown == f"notification:{'x' * 60}"


@pytest.mark.parametrize("name", sorted(ALL))
def test_telemetry_is_no_event(name: str) -> None:
    is_event = name in EVENTS or name in {
        *(
            "BootNotification",
            "ChargePointChangedNotification",
            "chargingProfile.applied",
        ),
        *("SecurityEventNotification", "chargePoint.dataTransferReceived"),
        "parkingSpace.occupancyStatus.changed",
    }
    assert (decoded(ALL[name]).happening is not None) is is_event


def shown(message: Message) -> str:
    """All that anybody could see of a message: its repr, and everything in it but a token."""
    kept = [
        {**asdict(each), "token": None}
        if isinstance(each, SessionChange)
        else asdict(each)
        for each in message.updates
    ]
    assert message.content is not None
    return f"{message!r} {kept} {json.dumps(message.content.body)}"


@pytest.mark.parametrize("name", sorted(ALL))
def test_nobody_is_named(name: str) -> None:
    seen = shown(decoded(ALL[name]))
    assert not [each for each in PERSONAL if each in seen]


def test_what_the_user_may_map_is_there() -> None:
    content = decoded(ALL["ChargePointChangedNotification"]).content
    assert content is not None
    assert isinstance(content.body, dict)
    point = content.body["chargePoint"]
    assert point["name"] == "Gate"
    assert point["evses"][0]["maxPower"] == 22000
    session = decoded(ALL["SessionUpdateNotification"]).content
    assert session is not None
    assert isinstance(session.body, dict)
    assert session.body["session"]["power"]["average"] == 0
    assert session.body["session"]["billingStatus"] == "pending"


@pytest.mark.parametrize(
    "name", ["partnerInvite.changed", "PartnerInviteChangedNotification"]
)
def test_of_what_is_about_people_only_the_harmless_is_let_through(name: str) -> None:
    message = decoded(
        {
            "notification": name,
            "partnerInviteId": 15,
            "action": {"by": "Dana"},
            "note": "for Dana",
            "lastUpdatedAt": "2026-11-20T05:01:01Z",
        }
    )
    assert message.content == Content(
        body={
            "notification": name,
            "partnerInviteId": 15,
            "lastUpdatedAt": "2026-11-20T05:01:01Z",
        },
        subtopic=name,
        occurred_at=AT,
    )


def test_the_number_of_a_tag_is_not_the_tag() -> None:
    body = {"notification": "x", "idTagsId": 31, "idTags": ["04A1B2C3D4E5F6"]}
    message = decoded(body)
    assert message.content == Content(
        body={"notification": "x", "idTagsId": 31},
        subtopic="x",
        occurred_at=SENT_AT,
    )


def test_a_whole_text_is_no_fact() -> None:
    body = {"notification": "x", "chargePointId": 15, "status": "word " * 50}
    assert facts_of(decoded(body)) == {"charge_point_id": "15"}


def test_what_is_asked_for_by_default_is_about_no_person() -> None:
    for name in DEFAULT_NOTIFICATIONS:
        assert not [
            word for word in ("user", "partner", "idTag") if word in name.lower()
        ]


def test_an_old_tenant_is_asked_for_what_it_knows() -> None:
    assert for_an_old_tenant(DEFAULT_NOTIFICATIONS) == (
        "HardwareStatusNotification",
        "NetworkStatusNotification",
        "SessionMeterValuesNotification",
        "SessionStartStopNotification",
        "SessionUpdateNotification",
        "BootNotification",
        "ChargePointChangedNotification",
        "CircuitConsumptionNotification",
        "SecurityEventNotification",
    )


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=15,
)
SECRET = "tell-nobody"
PERSONAL_KEYS = st.sampled_from(
    [
        *("idTag", "id_tag", "idTagLabel", "rfidTagUid", "userId", "user", "email"),
        *("networkPassword", "pin", "iccid", "imsi", "paymentMethodId", "token"),
        *("externalAppData", "phoneNumber", "vin", "latitude", "apiToken"),
    ]
)


def keys_of(value: object) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(keys_of, value))
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values()))
    return set()


KEYS = st.sampled_from(sorted(keys_of(list(ALL.values()))))
BODIES = st.builds(
    lambda body, changes: {**body, **changes},
    st.sampled_from(list(ALL.values())),
    st.dictionaries(KEYS, JSON, max_size=4),
)


@given(JSON)
def test_nothing_but_bad_input_is_raised(body: object) -> None:
    assume(not (isinstance(body, dict) and isinstance(body.get("notification"), str)))
    with pytest.raises(BadInputError):
        decode(delivery(body))


@given(st.binary())
def test_no_bytes_break_it(body: bytes) -> None:
    with pytest.raises(BadInputError):
        decode(delivery(body))


@settings(max_examples=300)
@given(BODIES, st.dictionaries(st.text(), st.text() | st.binary(), max_size=2))
def test_a_notification_with_odd_fields_is_still_one(
    body: dict[str, Any], headers: dict[str, object]
) -> None:
    name = body["notification"]
    assume(isinstance(name, str) and name.strip())
    message = decoded(body, headers)
    told = [each for each in message.updates if isinstance(each, Reading)]
    assert all(each.measured_at.tzinfo is UTC for each in told)
    assert json.dumps(message.content.body if message.content else None)


@settings(max_examples=300)
@given(
    BODIES,
    PERSONAL_KEYS,
    st.sampled_from([SECRET, [SECRET], {"uid": SECRET}]),
    st.sampled_from(["", "session", "chargePoint", "bootNotification", "new"]),
)
def test_what_is_personal_stays_inside_wherever_it_stands(
    body: dict[str, Any], key: str, value: object, place: str
) -> None:
    body = {**body, "notification": "SessionUpdateNotification"}
    held = body.get(place)
    if place:
        body[place] = {**(held if isinstance(held, dict) else {}), key: value}
    else:
        body[key] = value
    assert SECRET not in shown(decoded(body))


def test_a_body_that_nests_without_end_is_cut_off() -> None:
    deep = b"[" * 900 + b"]" * 900
    message = decoded(b'{"notification": "x", "y": ' + deep + b"}")
    assert message.identity is not None
    assert "[" * 30 not in repr(message.content)
