"""What a notification is to those who read it, and what they make of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ...model import DeviceRecord, Reading, Update, Value
from .fields import identifier, moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One notification; `name` is the newest name of it, `sent_at` what a header tells."""

    name: str
    body: Mapping[str, object]
    sent_at: datetime | None = None

    def time(self, *told: object) -> datetime | None:
        """Return the first time that can be read, else that of the sending.

        There is no third choice: with the receiver's clock, a notification that was
        retried for an hour would win over all that was measured meanwhile.
        """
        return next(filter(None, map(moment, told)), self.sent_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was read: of which device, and of which others besides."""

    device_id: str | None = None
    updates: tuple[Update, ...] = ()
    devices: tuple[DeviceRecord, ...] = ()
    unknown: str | None = None


def charge_point_id(owner: Mapping[str, object]) -> str | None:
    """Return the charge point that an object names, by the number that the tenant gave it."""
    return identifier(owner.get("chargePointId"))


def evse_id(owner: Mapping[str, object]) -> str | None:
    """Return the EVSE that an object names; 0 is OCPP's word for the whole charge point."""
    number = evse_number(owner)
    return None if number is None else f"evse_{number}"


def evse_number(owner: Mapping[str, object]) -> str | None:
    """Return the number of the EVSE that an object names, which is the tenant's too."""
    number = identifier(owner.get("evseId"))
    return None if number == "0" else number


def records(point: str | None, evse: str | None) -> tuple[DeviceRecord, ...]:
    """Return the devices that a notification names without telling more of them."""
    named = ((point, None), (evse, point))
    return tuple(
        DeviceRecord(device_id=device_id, name="", parent_id=parent)
        for device_id, parent in named
        if device_id is not None
    )


def readings(
    device_id: str | None,
    measured_at: datetime | None,
    values: Mapping[str, Value | None],
) -> tuple[Reading, ...]:
    """Return the values that there are as readings; none of no device, or of no time."""
    if device_id is None or measured_at is None:
        return ()
    return tuple(
        Reading(device_id=device_id, key=key, value=value, measured_at=measured_at)
        for key, value in values.items()
        if value is not None
    )
