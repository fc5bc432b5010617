"""Binary sensors: the yes-or-no readings of a device, and whether the stream is connected."""

from collections.abc import Iterator
from typing import override

from homeassistant.components.binary_sensor import (
    BinarySensorDeviceClass,
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import KEY_CONNECTED
from .coordinator import EvStreamsConfigEntry, EvStreamsCoordinator
from .entity import (
    EntityValue,
    ReadingEntity,
    StreamEntity,
    add_as_told,
    add_for_devices,
)
from .mapped import mapped_binary_sensors
from .providers.base import EvStreamsBinarySensorDescription

PARALLEL_UPDATES = 0

CONNECTED = BinarySensorEntityDescription(
    key=KEY_CONNECTED,
    translation_key=KEY_CONNECTED,
    device_class=BinarySensorDeviceClass.CONNECTIVITY,
    entity_category=EntityCategory.DIAGNOSTIC,
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: EvStreamsConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the stream's binary sensor, and those of every device as it becomes known."""
    coordinator = entry.runtime_data
    async_add_entities([StreamConnected(coordinator, CONNECTED)])
    if not coordinator.provider.discovers:
        add_for_devices(entry, async_add_entities, _binary_sensors)
    else:
        add_as_told(entry, async_add_entities, _binary_sensors_told)


def _binary_sensors(
    coordinator: EvStreamsCoordinator, device_id: str
) -> Iterator[ReadingBinarySensor]:
    for description in (
        *coordinator.provider.binary_sensors,
        *mapped_binary_sensors(coordinator, device_id),
    ):
        yield ReadingBinarySensor(coordinator, device_id, description)


def _binary_sensors_told(
    coordinator: EvStreamsCoordinator, device_id: str, key: str
) -> Iterator[ReadingBinarySensor]:
    for description in (
        coordinator.described(device_id, key),
        *mapped_binary_sensors(coordinator, device_id, key),
    ):
        if isinstance(description, EvStreamsBinarySensorDescription):
            yield ReadingBinarySensor(coordinator, device_id, description)


class ReadingBinarySensor(ReadingEntity, BinarySensorEntity):
    """Shows one yes-or-no reading of a device."""

    entity_description: EvStreamsBinarySensorDescription

    @override
    def _show(self, value: EntityValue) -> None:
        # A text that is empty says that there is nothing to know.
        self._attr_is_on = (
            None
            if value is None or value == ""
            else bool(value) is not self.entity_description.inverted
        )


class StreamConnected(StreamEntity, BinarySensorEntity):
    """Shows whether the stream is connected right now, without any grace."""

    @override
    def _current(self) -> EntityValue:
        return self._coordinator.connection.is_connected

    @override
    def _show(self, value: EntityValue) -> None:
        self._attr_is_on = bool(value)
