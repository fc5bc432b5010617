"""The names of the notifications: which mean the same, and which a tenant is asked for."""

from collections.abc import Iterable, Mapping
from typing import Final

AUTHORIZATION: Final = "authorization.changed"
BOOT: Final = "BootNotification"
CHARGE_POINT: Final = "chargePoint.changed"
CHARGE_POINT_IN_FULL: Final = "ChargePointChangedNotification"
CHARGING_PROFILE: Final = "chargingProfile.applied"
CIRCUIT_CONSUMPTION: Final = "CircuitConsumptionNotification"
HARDWARE_STATUS: Final = "HardwareStatusNotification"
NETWORK_STATUS: Final = "NetworkStatusNotification"
PARKING_SPACE: Final = "parkingSpace.occupancyStatus.changed"
SESSION_METER_VALUES: Final = "SessionMeterValuesNotification"
SESSION_START_STOP: Final = "session.start.stop.notification"
SESSION_UPDATE: Final = "SessionUpdateNotification"

# The deprecated name of a fact, and the one that is to be used now.
NEWER_NAMES: Final[Mapping[str, str]] = {
    "AuthorizationNotification": AUTHORIZATION,
    CHARGE_POINT_IN_FULL: CHARGE_POINT,
    "SessionStartStopNotification": SESSION_START_STOP,
    "user.subscriptionChanged": "user.subscription.changed",
    "ReservationChangedNotification": "reservation.changed",
    "PaymentMethodChangedNotification": "user.paymentMethod.changed",
    "PartnerInviteChangedNotification": "partnerInvite.changed",
    "PartnerChangedNotification": "partner.changed",
}
OLDER_NAMES: Final[Mapping[str, str]] = {new: old for old, new in NEWER_NAMES.items()}

# What the vendor's guide lists, which is older than its API reference.
OF_OLD_TENANTS: Final = frozenset(
    {
        BOOT,
        CHARGE_POINT_IN_FULL,
        CIRCUIT_CONSUMPTION,
        HARDWARE_STATUS,
        NETWORK_STATUS,
        SESSION_METER_VALUES,
        SESSION_UPDATE,
        AUTHORIZATION,
        "ChargePointSyncConfigurationNotification",
        "circuit.changed",
        "DiagnosticsStatusNotification",
        "LocationChangedNotification",
        "SecurityEventNotification",
        "SessionStartStopNotification",
        "UserChangedNotification",
        "user.invoiceDetails.changed",
        "partner.changed",
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
    }
)

KNOWN: Final = (
    OF_OLD_TENANTS
    | NEWER_NAMES.keys()
    | set(NEWER_NAMES.values())
    | {
        "evse.changed",
        "subscriptionPlan.changed",
        "installerJob.changed",
        CHARGING_PROFILE,
        PARKING_SPACE,
    }
)

# Told so often that an event for each would flood the recorder.
TELEMETRY: Final = frozenset(
    {
        SESSION_METER_VALUES,
        NETWORK_STATUS,
        HARDWARE_STATUS,
        CIRCUIT_CONSUMPTION,
        SESSION_UPDATE,
    }
)
# An event entity of its own tells these.
SESSION_EVENTS: Final = frozenset({SESSION_START_STOP})

# All that shows a charge point and its sessions, and nothing about people.
DEFAULT_NOTIFICATIONS: Final = (
    HARDWARE_STATUS,
    NETWORK_STATUS,
    SESSION_METER_VALUES,
    SESSION_START_STOP,
    SESSION_UPDATE,
    BOOT,
    CHARGE_POINT,
    "evse.changed",
    CIRCUIT_CONSUMPTION,
    PARKING_SPACE,
    "SecurityEventNotification",
)


def newest_name(name: str) -> str:
    """Return the name under which a fact is known now."""
    return NEWER_NAMES.get(name, name)


def for_an_old_tenant(names: Iterable[str]) -> tuple[str, ...]:
    """Return what of it a tenant of years ago can be asked for, by the names it knows."""
    known = (
        name if name in OF_OLD_TENANTS else OLDER_NAMES.get(name, "") for name in names
    )
    return tuple(dict.fromkeys(filter(OF_OLD_TENANTS.__contains__, known)))
