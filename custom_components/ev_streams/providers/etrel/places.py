"""Which devices a message tells of: a location, a charge point in it, a connector of that.

Only the location is documented: it is in the routing key. What is finer is there
where the body names it.
"""

from dataclasses import dataclass
from typing import Final

from ...model import DeviceRecord
from .fields import Told
from .messages import STATUS_CHANGED, Kind

LOCATION: Final = "location_"
CONNECTOR: Final = "_connector_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Devices by their ids, None for what is not named; `outlet` is one for people.

    `connector` is of the charge point, or of the location where no charge point is
    named: then it is good for a status, but several may share it.
    """

    location: str | None
    charge_point: str | None
    connector: str | None
    outlet: str | None
    devices: tuple[DeviceRecord, ...]

    @property
    def primary(self) -> str | None:
        """The charge point, else the location."""
        return self.charge_point or self.location

    @property
    def metered(self) -> str | None:
        """The connector, if what is counted there cannot be another's."""
        return None if self.charge_point is None else self.connector


def places_of(kind: Kind, told: Told) -> Places:
    """Find what is named by the names around a message, and in its body."""
    location_id = kind.location_id
    if location_id is None and (kind.type is None or kind.type.between):
        location_id = told.text("location")
    location = None if location_id is None else f"{LOCATION}{location_id}"
    charge_point = told.text("device")
    number = told.text("connector")
    parent = charge_point
    if parent is None and kind.tail == STATUS_CHANGED:
        parent = location
    connector = None
    if parent is not None and number is not None:
        connector = f"{parent}{CONNECTOR}{number}"
    records = (
        _record(charge_point, told.text("device_name"), location),
        _record(location, told.text("location_name")),
        _record(connector, None, parent),
    )
    return Places(
        location=location,
        charge_point=charge_point,
        connector=connector,
        outlet="/".join(each for each in (charge_point, number) if each) or None,
        devices=tuple(record for record in records if record is not None),
    )


def _record(
    device_id: str | None, name: str | None, parent_id: str | None = None
) -> DeviceRecord | None:
    if device_id is None:
        return None
    return DeviceRecord(device_id=device_id, name=name or "", parent_id=parent_id)


def name_device(record: DeviceRecord) -> str:
    """Name a device that no message has named, by its id."""
    device_id = record.device_id
    whole, found, connector = device_id.rpartition(CONNECTOR)
    if found and whole:
        return f"Connector {connector}"
    if device_id.startswith(LOCATION):
        return f"Location {device_id.removeprefix(LOCATION)}"
    return f"Charge point {device_id}"
