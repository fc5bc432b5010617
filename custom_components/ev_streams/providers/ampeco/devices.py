"""What is told of charge points, their EVSEs, circuits and parking spaces themselves."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from ...model import DeviceRecord, Reading, Value
from .fields import STATE_LENGTH, identifier, label, members, number, objects, snake
from .told import Notification, Told, charge_point_id, evse_id, readings, records

AVAILABLE: Final = "available"
FAULTED: Final = "faulted"
DELETED: Final = "deleted"
# OCPP's word for it.
NO_ERROR: Final = "NoError"
NAMES: Final[Mapping[str, str]] = {
    "evse_": "EVSE",
    "circuit_": "Circuit",
    "parking_space_": "Parking space",
}
OCCUPIED: Final[Mapping[str | None, bool]] = {"available": False, "occupied": True}


def network_status(told: Notification) -> Told:
    """Read NetworkStatusNotification."""
    point = charge_point_id(told.body)
    values = _network(told.body)
    return Told(
        device_id=point,
        updates=readings(point, told.time(told.body.get("timestamp")), values),
        devices=records(point, None),
    )


def hardware_status(told: Notification) -> Told:
    """Read HardwareStatusNotification: of an EVSE where it names one, else of the whole."""
    body = told.body
    point, evse = charge_point_id(body), evse_id(body)
    status = snake(body.get("hardwareStatus"))
    values = {"hardware_status": status, **_error(body, status)}
    return Told(
        device_id=point or evse,
        updates=readings(evse or point, told.time(body.get("timestamp")), values),
        devices=records(point, evse),
    )


def boot(told: Notification) -> Told:
    """Read BootNotification: what the charge point says it is."""
    point = charge_point_id(told.body)
    booted = members(told.body.get("bootNotification"))
    values = {"firmware": label(booted.get("firmware_version"))}
    return Told(
        device_id=point,
        updates=readings(point, told.time(told.body.get("timestamp")), values),
        devices=() if point is None else (_record(point, "", booted),),
    )


def charge_point_changed(told: Notification) -> Told:
    """Read what changed of a charge point; only the older notification shows it whole."""
    body = told.body
    whole = members(body.get("chargePoint"))
    point = charge_point_id(body) or identifier(whole.get("id"))
    if point is None or not whole or body.get("action") == DELETED:
        return Told(device_id=point, devices=records(point, None))
    at = told.time(body.get("lastUpdatedAt"))
    booted = members(whole.get("lastBootNotification"))
    values = {
        **_network(whole),
        "hardware_status": snake(whole.get("hardwareStatus")),
        "status": snake(whole.get("status")),
        "firmware": label(booted.get("firmware_version")),
    }
    return Told(
        device_id=point,
        updates=(*readings(point, at, values), *_evse_readings(whole, at)),
        devices=charge_point_records({**whole, "id": point}),
    )


def charge_point_records(whole: Mapping[str, object]) -> tuple[DeviceRecord, ...]:
    """Return a charge point, as the API or a notification shows it, and its EVSEs."""
    point = identifier(whole.get("id"))
    if point is None:
        return ()
    booted = members(whole.get("lastBootNotification"))
    evses = (
        DeviceRecord(
            device_id=f"evse_{number}",
            name=label(evse.get("physicalReference")) or "",
            parent_id=point,
        )
        for evse in objects(whole.get("evses"))
        if (number := identifier(evse.get("id"))) is not None
    )
    return (_record(point, label(whole.get("name")) or "", booted), *evses)


def circuit_consumption(told: Notification) -> Told:
    """Read CircuitConsumptionNotification: the current of each phase, by its own time."""
    body = told.body
    number_of_it = identifier(body.get("circuitId"))
    circuit = None if number_of_it is None else f"circuit_{number_of_it}"
    currents: list[Reading] = []
    for entry in objects(body.get("currentConsumption")):
        phase = snake(entry.get("phase"))
        if phase in {"l1", "l2", "l3"}:
            at = told.time(entry.get("lastUpdatedAt"))
            value = {f"current_{phase}": number(entry.get("consumption"))}
            currents += readings(circuit, at, value)
    newest = max((each.measured_at for each in currents), default=told.sent_at)
    limit: dict[str, Value | None] = {"max_current": number(body.get("maxCurrent"))}
    return Told(
        device_id=circuit,
        updates=(*currents, *readings(circuit, newest, limit)),
        devices=records(circuit, None),
    )


def parking_space(told: Notification) -> Told:
    """Read whether a parking space is occupied."""
    body = told.body
    number_of_it = identifier(body.get("parkingSpaceId"))
    space = None if number_of_it is None else f"parking_space_{number_of_it}"
    values = {"occupied": OCCUPIED.get(snake(body.get("occupancyStatus")))}
    return Told(
        device_id=space,
        updates=readings(space, told.time(body.get("lastUpdatedAt")), values),
        devices=records(space, None),
    )


def anything_else(told: Notification) -> Told:
    """Read only whom it concerns: of a charge point, an EVSE, or a circuit."""
    body = told.body
    point, evse = charge_point_id(body), evse_id(body)
    circuit = identifier(body.get("circuitId"))
    named = records(point, evse)
    if not named and circuit is not None:
        named = records(f"circuit_{circuit}", None)
    return Told(device_id=named[0].device_id if named else None, devices=named)


def _network(owner: Mapping[str, object]) -> dict[str, Value | None]:
    status = snake(owner.get("networkStatus"))
    return {
        "network_status": status,
        "online": None if status is None else status == AVAILABLE,
    }


def _error(body: Mapping[str, object], status: str | None) -> dict[str, Value | None]:
    """Return the error, also that there is none any more: else the last would stand for ever."""
    code = label(body.get("errorCode"))
    info = body.get("info")
    if code is None and status is not None and status != FAULTED:
        code = NO_ERROR
    if code is None:
        return {}
    return {
        "error_code": code,
        "error_info": info.strip()[:STATE_LENGTH] if isinstance(info, str) else "",
    }


def _record(point: str, name: str, booted: Mapping[str, object]) -> DeviceRecord:
    return DeviceRecord(
        device_id=point,
        name=name,
        model=label(booted.get("model")),
        serial_number=label(booted.get("charge_point_serial_number"))
        or label(booted.get("charge_box_serial_number")),
    )


def _evse_readings(
    whole: Mapping[str, object], at: datetime | None
) -> tuple[Reading, ...]:
    found: tuple[Reading, ...] = ()
    for evse in objects(whole.get("evses")):
        device_id = evse_id({"evseId": evse.get("id")})
        found += readings(
            device_id, at, {"hardware_status": snake(evse.get("hardwareStatus"))}
        )
    return found


def name_device(record: DeviceRecord) -> str:
    """Name a device that nobody has named, by its id: many are of one model."""
    device_id = record.device_id
    for start, name in NAMES.items():
        if device_id.startswith(start):
            return f"{name} {device_id.removeprefix(start)}"
    return f"Charge point {device_id}"
