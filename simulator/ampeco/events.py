"""The notifications that are neither a state nor a session, after AMPECO's API description.

Where the description has no shape for a name that can be subscribed, it is inferred from
its neighbours: an id, an action and a time.
"""

from datetime import datetime

from .notifications import Notification, timestamp


def charging_profile(
    point_id: int, moment: datetime, limit: float, *, evse_id: int | None = None
) -> Notification:
    """A limit in A was set at a charge point."""
    return {
        "notification": "chargingProfile.applied",
        "chargePointId": point_id,
        "evseId": evse_id,
        "sessionId": None,
        "chargingProfile": {
            "chargingRateUnit": "A",
            "schedulePeriods": [{"startPeriod": 0, "limit": limit, "numberPhases": 3}],
            "stackLevel": 2,
            "purpose": "TxDefaultProfile",
            "validFrom": timestamp(moment),
            "validTo": None,
        },
        "appliedAt": timestamp(moment),
    }


def security_event(point_id: int, moment: datetime, *, critical: bool) -> Notification:
    """Somebody may have meddled with a charge point."""
    return {
        "notification": "SecurityEventNotification",
        "chargePointId": point_id,
        "type": "TamperDetectionActivated",
        "timestamp": timestamp(moment),
        "techInfo": "cover of the box opened",
        "critical": critical,
    }


def data_transfer(point_id: int, data: str) -> Notification:
    """What a charge point sends in a form of its vendor's own; it has no time."""
    return {
        "notification": "chargePoint.dataTransferReceived",
        "chargePointId": point_id,
        "vendorId": "com.example",
        "messageId": "display",
        "data": data,
    }


def others(point_id: int, evse_id: int, moment: datetime) -> dict[str, Notification]:
    """One of each name that no builder above makes."""
    at = timestamp(moment)
    user = {"id": 4711, "email": "dana@example.com", "firstName": "Dana"}
    shapes: dict[str, Notification] = {
        "AuthorizationNotification": {
            "authorizationId": 501,
            "chargePointId": point_id,
            "idTag": "04A1B2C3D4E5F6",
            "status": "accepted",
            "lastUpdatedAt": at,
        },
        "authorization.changed": {
            "authorizationId": 501,
            "action": "created",
            "chargePointId": point_id,
            "idTag": "04A1B2C3D4E5F6",
            "status": "rejected",
            "lastUpdatedAt": at,
        },
        "chargePoint.changed": {
            "chargePointId": point_id,
            "action": "updated",
            "lastUpdatedAt": at,
        },
        "evse.changed": {"evseId": evse_id, "action": "created", "lastUpdatedAt": at},
        "ChargePointSyncConfigurationNotification": {
            "chargePointId": point_id,
            "status": "success",
            "timestamp": at,
        },
        "circuit.changed": {"circuitId": 3, "action": "updated", "lastUpdatedAt": at},
        "DiagnosticsStatusNotification": {
            "chargePointId": point_id,
            "requestId": 88,
            "status": "uploaded",
            "lastUpdatedAt": at,
        },
        "LocationChangedNotification": {
            "action": "updated",
            "location": {
                "id": 12,
                "name": "Dana's house",
                "geoposition": {"latitude": "42.6977", "longitude": "23.3219"},
                "address": "1 River Street",
            },
            "lastUpdatedAt": at,
        },
        "UserChangedNotification": {"action": "updated", "user": user},
        "SubOperatorChangedNotification": {
            "action": "updated",
            "subOperator": {"id": 6, "name": "Dana Ltd", "email": "dana@example.com"},
            "lastUpdatedAt": at,
        },
        "TariffChangedNotification": {
            "action": "updated",
            "tariff": {"id": 9, "name": "Night", "type": "standard"},
            "lastUpdatedAt": at,
        },
        "user.invoiceDetails.changed": {"userId": 4711, "lastUpdatedAt": at},
        "PaymentMethodChangedNotification": {
            "userId": 4711,
            "paymentMethodId": "pm_1NxQ",
            "action": "created",
        },
        "userBalance.changed": {
            "debit": 0,
            "credit": 1234.5,
            "updatedBalance": 5678.25,
            "userId": 4711,
            "currency": "EUR",
            "type": "topUp",
            "transactionId": 90210,
            "timestamp": at,
            "lastUpdatedAt": at,
        },
        "cdr.received": {"id": "cdr-7f3a", "createdAt": at},
        "idTag.changed": {"idTagsId": 31, "action": "created", "lastUpdatedAt": at},
    }
    ids = {
        "reservation.changed": ("reservationId", 21),
        "ReservationChangedNotification": ("reservationId", 21),
        "partner.changed": ("partnerId", 5),
        "partnerInvite.changed": ("partnerInviteId", 15),
        "PartnerInviteChangedNotification": ("partnerInviteId", 15),
        "roamingPlatform.changed": ("roamingPlatformId", 2),
        "transaction.changed": ("transactionId", 90210),
        "settlementReport.created": ("settlementReportId", 44),
        "subscriptionPlan.changed": ("subscriptionPlanId", 8),
        "installerJob.changed": ("installerJobId", 61),
        "user.subscriptionChanged": ("userId", 4711),
        "user.subscription.changed": ("userId", 4711),
        "user.paymentMethod.changed": ("userId", 4711),
    }
    for name, (key, number) in ids.items():
        shapes[name] = {key: number, "action": "updated", "lastUpdatedAt": at}
    for name in ("reservation.changed", "ReservationChangedNotification"):
        shapes[name] = {"reservationId": 21, "status": "active", "lastUpdatedAt": at}
    return {name: {"notification": name, **shape} for name, shape in shapes.items()}
