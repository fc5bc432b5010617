"""Which vehicle an event is about, and what it is called.

Fleets call vehicles by their licence plates: such a name is not taken.
"""

from collections.abc import Iterable
import re
from typing import Final

from ...model import DeviceRecord
from .personal import tells
from .properties import VALUE, Members

# The vendor's are five letters and digits; longer ones cost nothing.
VEHICLE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
NAME_LENGTH: Final = 80


def vehicle_id_of(data: Members, metadata: Members) -> str | None:
    """Find the id of the vehicle; where it lies is inferred."""
    vehicle = data.get("vehicle")
    places = vehicle if isinstance(vehicle, dict) else {}
    for raw in (
        data.get("vehicle_id"),
        places.get("vehicle_id"),
        places.get("id"),
        metadata.get("vehicle_id"),
    ):
        if isinstance(raw, str | int) and not isinstance(raw, bool):
            vehicle_id = str(raw).strip()
            if VEHICLE_ID.fullmatch(vehicle_id):
                return vehicle_id
    return None


def record_of(vehicle_id: str, data: Members, known: frozenset[str]) -> DeviceRecord:
    """Tell the name of a vehicle and what it is, by its master data."""
    places = list(_places(data))
    told = {
        name: _told(places, name, known) for name in ("custom_name", "brand", "model")
    }
    model = " ".join(filter(None, (told["brand"], told["model"])))
    return DeviceRecord(
        device_id=vehicle_id, name=told["custom_name"], model=model or None
    )


def name_vehicle(record: DeviceRecord) -> str:
    """Name a vehicle that has no name of its own: by what it is, else by its id."""
    return record.model or f"Vehicle {record.device_id}"


def _places(data: Members) -> Iterable[Members]:
    """Yield the objects that may be the master data, the most likely first."""
    vehicle = data.get("vehicle")
    inner = vehicle if isinstance(vehicle, dict) else {}
    for place in (inner.get("master_data"), data.get("master_data"), inner, data):
        if isinstance(place, dict):
            yield place


def _told(places: Iterable[Members], name: str, known: frozenset[str]) -> str:
    """Return the first text of that name which identifies no vehicle to a stranger."""
    for place in places:
        raw = place.get(name)
        if isinstance(raw, dict):
            raw = raw.get(VALUE)
        if isinstance(raw, str) and raw.strip() and not tells(raw, known):
            return raw.strip()[:NAME_LENGTH]
    return ""
