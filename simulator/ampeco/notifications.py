"""The notifications of states and sessions, as AMPECO's API description (3.110) has them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

type Notification = dict[str, Any]

# What tenants of years ago can be asked for.
OLD_NAMES = frozenset(
    [
        "AuthorizationNotification",
        "BootNotification",
        "ChargePointChangedNotification",
        "ChargePointSyncConfigurationNotification",
        "CircuitConsumptionNotification",
        "DiagnosticsStatusNotification",
        "HardwareStatusNotification",
        "LocationChangedNotification",
        "NetworkStatusNotification",
        "SecurityEventNotification",
        "SessionMeterValuesNotification",
        "SessionStartStopNotification",
        "SessionUpdateNotification",
        "UserChangedNotification",
        "SubOperatorChangedNotification",
        "TariffChangedNotification",
        "authorization.changed",
        "cdr.received",
        "chargePoint.dataTransferReceived",
        "circuit.changed",
        "idTag.changed",
        "partner.changed",
        "partnerInvite.changed",
        "reservation.changed",
        "roamingPlatform.changed",
        "settlementReport.created",
        "transaction.changed",
        "user.invoiceDetails.changed",
        "user.paymentMethod.changed",
        "user.subscriptionChanged",
        "userBalance.changed",
    ]
)
NAMES = OLD_NAMES | frozenset(
    [
        "PartnerInviteChangedNotification",
        "PaymentMethodChangedNotification",
        "ReservationChangedNotification",
        "chargePoint.changed",
        "chargingProfile.applied",
        "evse.changed",
        "installerJob.changed",
        "parkingSpace.occupancyStatus.changed",
        "session.start.stop.notification",
        "subscriptionPlan.changed",
        "user.subscription.changed",
    ]
)


def timestamp(moment: datetime) -> str:
    """A time as the bodies have it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}+00:00"


def session_meter_values(
    *,
    charge_point_id: int,
    evse_id: int,
    session_id: int,
    moment: datetime,
    values: Iterable[tuple[str, float, str | None]],
) -> Notification:
    """Measurand, value and unit, all of one moment; a unit of None is not told."""
    return {
        "notification": "SessionMeterValuesNotification",
        "chargePointId": charge_point_id,
        "evseId": evse_id,
        "sessionId": session_id,
        "externalSessionId": f"ext-{session_id}",
        "meterValues": [
            {
                "timestamp": timestamp(moment),
                "measurand": measurand,
                "value": value,
                **({} if unit is None else {"unit": unit}),
            }
            for measurand, value, unit in values
        ],
    }


def session_start_stop(
    action: str,
    *,
    session_id: int,
    charge_point_id: int,
    evse_id: int,
    started_at: datetime,
    stopped_at: datetime | None = None,
    meter_start: int = 0,
    meter_stop: int = 0,
    id_tag: str | None = None,
    user_id: int | None = None,
    is_old: bool = False,
) -> Notification:
    """A start or a stop, under the new name or, `is_old`, the deprecated one."""
    updated_at = stopped_at or started_at
    document: Notification = {
        "notification": "SessionStartStopNotification"
        if is_old
        else "session.start.stop.notification",
        "sessionId": session_id,
        "chargePointId": charge_point_id,
        "evseId": evse_id,
        "action": action,
        "startedAtTimestamp": timestamp(started_at),
        "stoppedAtTimestamp": None if stopped_at is None else timestamp(stopped_at),
        "meterStart": meter_start,
        "meterStop": meter_stop,
        "externalSessionId": f"ext-{session_id}",
        "idTag": id_tag,
        "userId": user_id,
        "externalAppData": {"fleetDriver": "D. River"},
        "lastUpdatedAt": timestamp(updated_at),
    }
    if is_old:
        del document["action"]
    else:
        document["startedAtTimestampLocal"] = f"{started_at:%Y-%m-%dT%H:%M:%S}"
    if stopped_at is not None:
        document["energyConsumed"] = meter_stop - meter_start
        document["reason"] = "evdisconnected"
    return document


def session_update(
    status: str,
    *,
    session_id: int,
    charge_point_id: int,
    evse_id: int,
    started_at: datetime,
    updated_at: datetime,
    stopped_at: datetime | None = None,
    energy: int = 0,
    power: int = 0,
    peak: int = 0,
    state_of_charge: int | None = None,
    id_tag: str | None = None,
    user_id: int | None = None,
) -> Notification:
    """The whole session; energies are Wh, powers W."""
    return {
        "notification": "SessionUpdateNotification",
        "session": {
            "id": str(session_id),
            "chargePointId": charge_point_id,
            "evseId": evse_id,
            "connectorId": 1,
            "status": status,
            "reason": None if stopped_at is None else "evdisconnected",
            "userId": user_id,
            "startedAt": timestamp(started_at),
            "stoppedAt": None if stopped_at is None else timestamp(stopped_at),
            "energy": energy,
            "energyConsumption": {"total": energy, "local": 0, "grid": energy},
            "powerKw": power / 1000,
            "power": {"latest": power, "peak": peak, "average": peak},
            "socPercent": state_of_charge,
            "amount": 0,
            "currency": "EUR",
            "paymentType": "free",
            "paymentStatus": None,
            "paymentMethodId": "pm_1NxQ",
            "billingStatus": "pending",
            "authorizationId": 501,
            "authorization": {"id": 501, "rfidTagUid": id_tag, "source": "rfid"},
            "idTag": id_tag,
            "idTagLabel": "Dana's card",
            "externalSessionId": f"ext-{session_id}",
            "chargingPeriods": [
                {
                    "id": 1,
                    "energy": energy,
                    "startedAt": timestamp(started_at),
                    "stoppedAt": None,
                    "chargingState": "charging",
                }
            ],
            "lastUpdatedAt": timestamp(updated_at),
        },
    }


def network_status(point_id: int, moment: datetime, status: str) -> Notification:
    """One of: never connected, available, temporarily unavailable, long-term unavailable."""
    return {
        "notification": "NetworkStatusNotification",
        "chargePointId": point_id,
        "timestamp": timestamp(moment),
        "networkStatus": status,
    }


def hardware_status(
    point_id: int,
    moment: datetime,
    status: str | None,
    *,
    evse_id: int | None = None,
    error_code: str | None = None,
    info: str | None = None,
) -> Notification:
    """Of an outlet, or of the whole charge point where none is named."""
    return {
        "notification": "HardwareStatusNotification",
        "chargePointId": point_id,
        **({} if evse_id is None else {"evseId": evse_id}),
        "timestamp": timestamp(moment),
        "hardwareStatus": status,
        "errorCode": error_code,
        "info": info,
        "vendorId": None,
        "vendorErrorCode": None,
    }


def _boot_report(model: str, serial: str, firmware: str) -> Notification:
    return {
        "model": model,
        "vendor": "ABB",
        "charge_box_serial_number": f"{serial}-B",
        "charge_point_serial_number": serial,
        "firmware_version": firmware,
        "iccid": "8935201641400012345",
        "imsi": "206012345678901",
        "meter_serial_number": None,
        "meter_type": None,
        "reason": "PowerUp",
    }


def boot(
    point_id: int,
    moment: datetime,
    *,
    model: str = "Terra AC W22",
    serial: str = "TACW2241023T0099",
    firmware: str = "1.8.32",
) -> Notification:
    """A charge point has started."""
    return {
        "notification": "BootNotification",
        "chargePointId": point_id,
        "timestamp": timestamp(moment),
        "bootNotification": _boot_report(model, serial, firmware),
    }


def charge_point_document(
    point_id: int,
    name: str,
    evses: Sequence[tuple[int, str]],
    *,
    status: str = "active",
    network: str = "available",
    firmware: str = "1.8.32",
) -> Notification:
    """A charge point as the API and the older notification show it, secrets and all."""
    return {
        "id": point_id,
        "name": name,
        "networkId": f"CP-{point_id:04}",
        "networkProtocol": "ocpp 1.6",
        "networkPassword": "s3cr3t-ocpp",
        "pin": "4321",
        "status": status,
        "networkStatus": network,
        "hardwareStatus": "available",
        "locationId": 12,
        "tags": ["depot"],
        "evses": [
            {
                "id": evse_id,
                "networkId": str(position),
                "physicalReference": reference,
                "currentType": "ac",
                "maxPower": 22000,
                "maxVoltage": "400",
                "maxAmperage": 32,
                "status": "enabled",
                "hardwareStatus": "available",
                "connectors": [
                    {"id": evse_id * 10, "type": "type2", "format": "socket"}
                ],
            }
            for position, (evse_id, reference) in enumerate(evses, start=1)
        ],
        "lastBootNotification": _boot_report(
            "Terra AC W22", "TACW2241023T0099", firmware
        ),
    }


def charge_point_changed_whole(
    document: Mapping[str, object], moment: datetime, action: str = "updated"
) -> Notification:
    """The deprecated one, which shows the charge point whole."""
    return {
        "notification": "ChargePointChangedNotification",
        "action": action,
        "lastUpdatedAt": timestamp(moment),
        "chargePoint": dict(document),
    }


def circuit_consumption(
    circuit_id: int, moment: datetime, currents: Sequence[float], *, limit: int = 63
) -> Notification:
    """Amperes of the phases L1, L2 and L3."""
    return {
        "notification": "CircuitConsumptionNotification",
        "circuitId": circuit_id,
        "maxCurrent": limit,
        "minChargePointCurrent": 6,
        "currentConsumption": [
            {
                "phase": f"L{number}",
                "consumption": current,
                "lastUpdatedAt": timestamp(moment),
            }
            for number, current in enumerate(currents, start=1)
        ],
    }


def parking_space(space_id: int, moment: datetime, status: str) -> Notification:
    """Available or occupied."""
    return {
        "notification": "parkingSpace.occupancyStatus.changed",
        "parkingSpaceId": space_id,
        "occupancyStatus": status,
        "lastUpdatedAt": timestamp(moment),
    }
