"""The entities of the fields that the user has mapped."""

from collections.abc import Collection, Iterator
from enum import StrEnum

from homeassistant.components.binary_sensor import BinarySensorDeviceClass
from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

from .const import DOMAIN, KEY_SESSION, SESSION_KEYS
from .coordinator import EvStreamsCoordinator
from .mapping import FieldMapping, MappedPlatform, reading_key
from .providers.base import EvStreamsBinarySensorDescription, EvStreamsSensorDescription

# Digits after the point: Home Assistant shows more of these than anybody reads.
PRECISIONS = {"battery": 0, "distance": 0, "speed": 0, "duration": 0, "temperature": 1}


def mapped_sensors(
    coordinator: EvStreamsCoordinator, device_id: str, key: str | None = None
) -> Iterator[EvStreamsSensorDescription]:
    """Describe the sensors that the user has mapped, or that of one key of the ledger."""
    for mapping in _of_platform(coordinator, device_id, MappedPlatform.SENSOR, key):
        device_class = _member(SensorDeviceClass, mapping.device_class)
        is_enum = device_class is SensorDeviceClass.ENUM
        yield EvStreamsSensorDescription(
            key=mapping.key,
            reading_key=reading_key(mapping),
            name=mapping.name,
            device_class=device_class,
            native_unit_of_measurement=mapping.unit,
            state_class=_member(SensorStateClass, mapping.state_class),
            suggested_display_precision=PRECISIONS.get(mapping.device_class or ""),
            options=sorted(set(mapping.value_map.values())) if is_enum else None,
        )


def mapped_binary_sensors(
    coordinator: EvStreamsCoordinator, device_id: str, key: str | None = None
) -> Iterator[EvStreamsBinarySensorDescription]:
    """Describe the binary sensors that the user has mapped, or that of one key of the ledger."""
    platform = MappedPlatform.BINARY_SENSOR
    for mapping in _of_platform(coordinator, device_id, platform, key):
        yield EvStreamsBinarySensorDescription(
            key=mapping.key,
            reading_key=reading_key(mapping),
            name=mapping.name,
            device_class=_member(BinarySensorDeviceClass, mapping.device_class),
        )


@callback
def remove_unmapped(
    hass: HomeAssistant,
    device_id: str,
    before: Collection[FieldMapping],
    after: Collection[FieldMapping],
) -> None:
    """Take the entities off the registry that are mapped no more, or to another platform."""
    registry = er.async_get(hass)
    for platform, key in _entities_of(before) - _entities_of(after):
        entity_id = registry.async_get_entity_id(platform, DOMAIN, f"{device_id}_{key}")
        if entity_id is not None:
            registry.async_remove(entity_id)


def _entities_of(mappings: Collection[FieldMapping]) -> set[tuple[str, str]]:
    """Return the platform and the key of each entity that follows from mappings."""
    found = {(str(mapping.platform), mapping.key) for mapping in mappings}
    if any(mapping.makes_sessions for mapping in mappings):
        found.add((Platform.EVENT, KEY_SESSION))
        found |= {(Platform.SENSOR, key) for key in SESSION_KEYS}
    return found


def _of_platform(
    coordinator: EvStreamsCoordinator,
    device_id: str,
    platform: MappedPlatform,
    key: str | None,
) -> Iterator[FieldMapping]:
    for mapping in coordinator.traffic.mappings(device_id):
        if mapping.platform is platform and key in (None, reading_key(mapping)):
            yield mapping


def _member[E: StrEnum](kind: type[E], value: str | None) -> E | None:
    """Return the class of that name; one that is not known (any more) is none."""
    return kind(value) if value in set(kind) else None
