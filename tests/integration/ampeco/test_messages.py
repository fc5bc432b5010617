"""What becomes of notifications: states, sessions, events, devices; and what does not."""

from collections.abc import Mapping

from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.util import dt as dt_util
import pytest

from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from simulator.ampeco import AmpecoTenant, events, notifications

from ..helpers import device_of, record_event_entities, state, wait_live
from .helpers import (
    EVSE_DEVICE,
    OTHER_EVSE,
    OTHER_EVSE_DEVICE,
    POINT,
    Caller,
    HomeAssistantClient,
    added,
    form,
    only_subscription,
)
from .told import (
    BEGIN,
    END,
    MINUTE,
    NOW,
    boot,
    hardware,
    meter,
    network,
    one_of_each,
    whole_point,
)

# Of whoever is the account itself.
ACCOUNT = "account"

STATES: Mapping[str, Mapping[tuple[str, str], str]] = {
    "BootNotification": {(POINT, "firmware"): "1.8.32"},
    "ChargePointChangedNotification": {
        (POINT, "network_status"): "long_term_unavailable",
        (POINT, "online"): "off",
        (POINT, "hardware_status"): "available",
        (POINT, "status"): "active",
        (POINT, "firmware"): "1.8.32",
        (EVSE_DEVICE, "hardware_status"): "available",
    },
    "CircuitConsumptionNotification": {
        ("circuit_3", "current_l1"): "10.5",
        ("circuit_3", "current_l2"): "11.5",
        ("circuit_3", "current_l3"): "12.5",
        ("circuit_3", "max_current"): "63.0",
    },
    "HardwareStatusNotification": {
        (EVSE_DEVICE, "hardware_status"): "suspended_evse",
        (EVSE_DEVICE, "error_code"): "NoError",
    },
    "NetworkStatusNotification": {
        (POINT, "network_status"): "temporarily_unavailable",
        (POINT, "online"): "off",
    },
    "SessionMeterValuesNotification": {
        (EVSE_DEVICE, "lifetime_energy"): "4812.35",
        # kW, where 7,400 W were told.
        (EVSE_DEVICE, "power"): "7.4",
    },
    "SessionUpdateNotification": {
        (EVSE_DEVICE, "power"): "7.4",
        (EVSE_DEVICE, "session_energy"): "2.6",
        (EVSE_DEVICE, "state_of_charge"): "61.0",
        (POINT, "charging_session_start"): BEGIN.isoformat(),
    },
    "SessionStartStopNotification": {
        (POINT, "charging_session_start"): BEGIN.isoformat(),
    },
    "session.start.stop.notification": {
        (POINT, "charging_session_start"): BEGIN.isoformat(),
    },
    "parkingSpace.occupancyStatus.changed": {("parking_space_8", "occupied"): "on"},
}

UPDATED = {"action": "updated"}
# Under which name each is told, of which device, with which facts.
EVENTS: Mapping[str, tuple[str, str, Mapping[str, object]]] = {
    "AuthorizationNotification": (
        "authorization.changed",
        POINT,
        {"charge_point_id": "15", "authorization_id": "501", "status": "accepted"},
    ),
    "BootNotification": ("BootNotification", POINT, {"charge_point_id": "15"}),
    "ChargePointChangedNotification": (
        "chargePoint.changed",
        POINT,
        {"charge_point_id": "15", "action": "updated"},
    ),
    "ChargePointSyncConfigurationNotification": (
        "ChargePointSyncConfigurationNotification",
        POINT,
        {"charge_point_id": "15", "status": "success"},
    ),
    "DiagnosticsStatusNotification": (
        "DiagnosticsStatusNotification",
        POINT,
        {"charge_point_id": "15", "request_id": "88", "status": "uploaded"},
    ),
    "LocationChangedNotification": (
        "LocationChangedNotification",
        ACCOUNT,
        {"location_id": "12", "action": "updated"},
    ),
    "PartnerInviteChangedNotification": (
        "partnerInvite.changed",
        ACCOUNT,
        {"partner_invite_id": "15", "action": "updated"},
    ),
    "PaymentMethodChangedNotification": (
        "user.paymentMethod.changed",
        ACCOUNT,
        {"action": "created"},
    ),
    "ReservationChangedNotification": (
        "reservation.changed",
        ACCOUNT,
        {"reservation_id": "21", "status": "active"},
    ),
    "SecurityEventNotification": (
        "SecurityEventNotification",
        POINT,
        {
            "charge_point_id": "15",
            "kind": "TamperDetectionActivated",
            "critical": True,
        },
    ),
    "SubOperatorChangedNotification": (
        "SubOperatorChangedNotification",
        ACCOUNT,
        {"sub_operator_id": "6", "action": "updated"},
    ),
    "TariffChangedNotification": (
        "TariffChangedNotification",
        ACCOUNT,
        {"tariff_id": "9", "action": "updated"},
    ),
    "UserChangedNotification": ("UserChangedNotification", ACCOUNT, UPDATED),
    "authorization.changed": (
        "authorization.changed",
        POINT,
        {
            "charge_point_id": "15",
            "authorization_id": "501",
            "action": "created",
            "status": "rejected",
        },
    ),
    "cdr.received": ("cdr.received", ACCOUNT, {"id": "cdr-7f3a"}),
    "chargePoint.changed": (
        "chargePoint.changed",
        POINT,
        {"charge_point_id": "15", "action": "updated"},
    ),
    "chargePoint.dataTransferReceived": (
        "chargePoint.dataTransferReceived",
        POINT,
        {
            "charge_point_id": "15",
            "vendor_id": "com.example",
            "message_id": "display",
        },
    ),
    "chargingProfile.applied": (
        "chargingProfile.applied",
        POINT,
        {
            "charge_point_id": "15",
            "evse_id": "27",
            "purpose": "TxDefaultProfile",
            "stack_level": 2,
            "limit": 16,
            "unit": "A",
            "periods": 1,
        },
    ),
    "circuit.changed": (
        "circuit.changed",
        "circuit_3",
        {"circuit_id": "3", "action": "updated"},
    ),
    # Of the charge point: that is known from the tenant's list.
    "evse.changed": ("evse.changed", POINT, {"evse_id": "27", "action": "created"}),
    "idTag.changed": (
        "idTag.changed",
        ACCOUNT,
        {"id_tags_id": "31", "action": "created"},
    ),
    "installerJob.changed": (
        "installerJob.changed",
        ACCOUNT,
        {"installer_job_id": "61", "action": "updated"},
    ),
    "parkingSpace.occupancyStatus.changed": (
        "parkingSpace.occupancyStatus.changed",
        "parking_space_8",
        {"parking_space_id": "8", "occupancy_status": "occupied"},
    ),
    "partner.changed": (
        "partner.changed",
        ACCOUNT,
        {"partner_id": "5", "action": "updated"},
    ),
    "partnerInvite.changed": (
        "partnerInvite.changed",
        ACCOUNT,
        {"partner_invite_id": "15", "action": "updated"},
    ),
    "reservation.changed": (
        "reservation.changed",
        ACCOUNT,
        {"reservation_id": "21", "status": "active"},
    ),
    "roamingPlatform.changed": (
        "roamingPlatform.changed",
        ACCOUNT,
        {"roaming_platform_id": "2", "action": "updated"},
    ),
    "settlementReport.created": (
        "settlementReport.created",
        ACCOUNT,
        {"settlement_report_id": "44", "action": "updated"},
    ),
    "subscriptionPlan.changed": (
        "subscriptionPlan.changed",
        ACCOUNT,
        {"subscription_plan_id": "8", "action": "updated"},
    ),
    "transaction.changed": (
        "transaction.changed",
        ACCOUNT,
        {"transaction_id": "90210", "action": "updated"},
    ),
    "user.invoiceDetails.changed": ("user.invoiceDetails.changed", ACCOUNT, {}),
    "user.paymentMethod.changed": ("user.paymentMethod.changed", ACCOUNT, UPDATED),
    "user.subscription.changed": ("user.subscription.changed", ACCOUNT, UPDATED),
    "user.subscriptionChanged": ("user.subscription.changed", ACCOUNT, UPDATED),
    "userBalance.changed": (
        "userBalance.changed",
        ACCOUNT,
        {"transaction_id": "90210", "kind": "topUp"},
    ),
}
# What every event of this kind has besides.
USUAL = {
    *("device", "device_class", "event_type", "event_types", "friendly_name", "icon"),
    *("type", "occurred_at", "replayed"),
}


def test_of_each_name_something_is_expected() -> None:
    assert STATES.keys() | EVENTS.keys() == notifications.NAMES
    assert one_of_each().keys() == notifications.NAMES


@pytest.mark.parametrize("name", STATES)
async def test_what_is_measured_becomes_a_state(
    hass: HomeAssistant, tenant: AmpecoTenant, entry: EvStreamsConfigEntry, name: str
) -> None:
    await tenant.notify(one_of_each()[name])
    assert only_subscription(tenant).failed == []
    await hass.async_block_till_done()
    shown = {each: state(hass, *each).state for each in STATES[name]}
    assert shown == STATES[name]
    assert entry.runtime_data.vitals.unknown == {}


async def test_what_happens_becomes_an_event(
    hass: HomeAssistant, tenant: AmpecoTenant, entry: EvStreamsConfigEntry
) -> None:
    """Once each, of the whole device or of the account, and about nobody."""
    fired = record_event_entities(hass, "message")
    told = one_of_each()
    expected = []
    for name in sorted(notifications.NAMES):
        await tenant.notify(told[name])
        if name in EVENTS:
            kind, device, facts = EVENTS[name]
            is_account = device == ACCOUNT
            expected.append((entry.unique_id if is_account else device, kind, facts))
    await hass.async_block_till_done()
    assert [
        (
            each["device"],
            each["type"],
            {key: fact for key, fact in each.items() if key not in USUAL},
        )
        for each in fired
    ] == expected
    assert entry.runtime_data.refusals.counts == {}
    assert entry.runtime_data.vitals.unknown == {}


async def test_what_happened_earlier_is_marked(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, tenant: AmpecoTenant
) -> None:
    fired = record_event_entities(hass, "message")
    now = dt_util.utcnow().replace(microsecond=0)
    moments = [now - 10 * MINUTE, now]
    for each in moments:
        await tenant.notify(events.security_event(int(POINT), each, critical=False))
    assert [(each["occurred_at"], each["replayed"]) for each in fired] == [
        (moments[0].isoformat(), True),
        (moments[1].isoformat(), False),
    ]


async def test_an_outlet_brings_its_charge_point_along(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, tenant: AmpecoTenant
) -> None:
    """The notification names the outlet only; whose it is stands in the tenant's list."""
    fired = record_event_entities(hass, "message")
    await tenant.notify(one_of_each()["evse.changed"])
    await hass.async_block_till_done()
    assert [(each["device"], each["type"]) for each in fired] == [
        (POINT, "evse.changed")
    ]
    point, outlet = device_of(hass, POINT), device_of(hass, EVSE_DEVICE)
    assert isinstance(point, dr.DeviceEntry)
    assert isinstance(outlet, dr.DeviceEntry)
    assert (point.name, outlet.via_device_id) == ("Depot gate", point.id)


async def test_a_notification_of_tomorrow_is_told_as_well(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, caller: Caller
) -> None:
    fired = record_event_entities(hass, "message")
    told = {"notification": "battery.swapped", "chargePointId": 15, "action": "created"}
    assert await caller.call(entry, told) == 202
    ((device, kind),) = [(each["device"], each["type"]) for each in fired]
    assert (device, kind) == (POINT, "battery.swapped")
    assert entry.runtime_data.vitals.unknown == {"notification:battery.swapped": 1}


async def test_an_outlet_is_a_device_of_its_charge_point(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, tenant: AmpecoTenant
) -> None:
    """The tenant's list has their names, and notifications the rest."""
    await tenant.notify(hardware("available"))
    await tenant.notify(boot(firmware="1.9.0"))
    point, outlet = device_of(hass, POINT), device_of(hass, EVSE_DEVICE)
    account = device_of(hass, str(entry.unique_id))
    assert isinstance(point, dr.DeviceEntry)
    assert isinstance(outlet, dr.DeviceEntry)
    assert account is not None
    assert (point.name, outlet.name) == ("Depot gate", "EVSE A")
    assert point.manufacturer == "AMPECO"
    assert point.model == "Terra AC W22"
    assert point.serial_number == "TACW2241023T0099"
    assert point.sw_version == "1.9.0"
    assert outlet.via_device_id == point.id
    assert point.via_device_id == account.id
    # Of the other outlet nothing was told so far.
    assert device_of(hass, OTHER_EVSE_DEVICE) is None


async def test_without_a_list_devices_are_named_by_their_numbers(
    hass: HomeAssistant, client: HomeAssistantClient, caller: Caller
) -> None:
    entry = await added(hass, form())
    for each in (
        hardware("available"),
        notifications.circuit_consumption(3, NOW, [1, 2, 3]),
        notifications.parking_space(8, NOW, "available"),
    ):
        assert await caller.call(entry, each) == 202
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert {each.name for each in devices} == {
        *("Depot", "Charge point 15", "EVSE 27", "Circuit 3", "Parking space 8")
    }


async def test_a_new_name_is_taken_over(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, caller: Caller
) -> None:
    entry = await added(hass, form(name="By hand"))
    await caller.call(entry, hardware("available"))
    await caller.call(entry, whole_point("Harbour"))
    device = device_of(hass, POINT)
    assert device is not None
    assert device.name == "Harbour"


async def test_a_charge_point_that_is_offline_tells_nothing_of_its_outlets(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, tenant: AmpecoTenant
) -> None:
    """What was measured last is nobody's power any more; a status outlasts it."""
    await tenant.notify(network("available", BEGIN))
    await tenant.notify(hardware("charging", BEGIN))
    await tenant.notify(meter(1001.0))
    await tenant.notify(meter(2002.0, evse=OTHER_EVSE))
    assert state(hass, EVSE_DEVICE, "power").state == "7.4"
    await tenant.notify(network("temporarily unavailable", END))
    measured = [
        (device, key)
        for device in (EVSE_DEVICE, OTHER_EVSE_DEVICE)
        for key in ("power", "lifetime_energy")
    ]
    assert state(hass, POINT, "online").state == "off"
    assert state(hass, POINT, "network_status").state == "temporarily_unavailable"
    for each in measured:
        assert state(hass, *each).state == STATE_UNAVAILABLE
    assert state(hass, EVSE_DEVICE, "hardware_status").state == "charging"
    # It is known after a restart as well.
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    for each in measured:
        assert state(hass, *each).state == STATE_UNAVAILABLE
    await tenant.notify(network("available", NOW))
    assert state(hass, EVSE_DEVICE, "lifetime_energy").state == "1001.0"
    assert state(hass, OTHER_EVSE_DEVICE, "lifetime_energy").state == "2002.0"
