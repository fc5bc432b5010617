"""What messages tell of devices, bit by bit, and how it is kept."""

import json
from typing import Final

from .model import DeviceRecord, Reading

# Under this key a device's record lies among its readings; no reading of a provider's is
# called so.
KEY_RECORD: Final = ".record"
MEMBERS: Final = ("name", "model", "serial_number", "parent_id")


def merged(known: DeviceRecord | None, told: DeviceRecord) -> DeviceRecord:
    """Return what is known of a device, with what is told of it anew."""
    if known is None:
        return told
    return DeviceRecord(
        device_id=known.device_id,
        name=told.name or known.name,
        model=told.model or known.model,
        serial_number=told.serial_number or known.serial_number,
        parent_id=told.parent_id or known.parent_id,
    )


def text_of(record: DeviceRecord) -> str:
    """Return a record as the value of a reading."""
    return json.dumps({name: getattr(record, name) for name in MEMBERS})


def record_of(device_id: str, reading: Reading | None) -> DeviceRecord:
    """Return the record that is kept of a device, an empty one where none is."""
    members = {} if reading is None else json.loads(str(reading.value))
    return DeviceRecord(device_id=device_id, **{"name": "", **members})
