"""Base entities: one subscribes to one (device, key) and writes only what changed."""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import override

from homeassistant.core import callback
from homeassistant.helpers.entity import Entity, EntityDescription
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import EvStreamsConfigEntry, EvStreamsCoordinator
from .model import DeviceRecord, Value
from .providers.base import EvStreamsBinarySensorDescription, EvStreamsSensorDescription

type EntityValue = Value | None


def add_for_devices(
    entry: EvStreamsConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    create: Callable[[EvStreamsCoordinator, str], Iterable[Entity]],
) -> None:
    """Add what `create` makes for every device as it becomes known."""
    coordinator = entry.runtime_data

    @callback
    def add(devices: list[DeviceRecord]) -> None:
        for device_id in (device.device_id for device in devices):
            async_add_entities(
                create(coordinator, device_id),
                config_subentry_id=coordinator.inventory.subentry_id(device_id),
            )

    entry.async_on_unload(coordinator.inventory.listen(add))


def add_as_told(
    entry: EvStreamsConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    create: Callable[[EvStreamsCoordinator, str, str], Iterable[Entity]],
) -> None:
    """Add what `create` makes of every (device, key) as something is told of it."""
    coordinator = entry.runtime_data

    @callback
    def add(device_id: str, key: str) -> None:
        async_add_entities(create(coordinator, device_id, key))

    entry.async_on_unload(coordinator.appearances.listen(add))


class EvStreamsEntity(Entity):
    """An entity of one device (or of the account itself) and one key."""

    _attr_has_entity_name = True
    _attr_should_poll = False
    _is_telemetry = False
    _taken: tuple[bool, EntityValue] | None = None

    def __init__(
        self,
        coordinator: EvStreamsCoordinator,
        device_id: str,
        description: EntityDescription,
        *,
        listens_to: str | None = None,
    ) -> None:
        """Stand for the key of the description; `listens_to` names another one to follow."""
        self.entity_description = description
        self._coordinator = coordinator
        self._device_id = device_id
        self._listens_to = listens_to or description.key
        self._attr_unique_id = f"{device_id}_{description.key}"
        self._attr_device_info = coordinator.inventory.device_info(device_id)

    @override
    async def async_added_to_hass(self) -> None:
        """Take the value held so far and follow the key."""
        self.async_on_remove(
            self._coordinator.notifier.listen(
                self._device_id, self._listens_to, self._changed
            )
        )
        self._take()

    @callback
    def _changed(self) -> None:
        if self._take():
            self.async_write_ha_state()

    def _take(self) -> bool:
        """Take over what the coordinator holds; True where that makes a difference."""
        taken = (self._is_available(), self._current())
        if taken == self._taken:
            return False
        self._taken = taken
        self._attr_available, value = taken
        self._show(value)
        return True

    def _is_available(self) -> bool:
        """Whether the value can be trusted now."""
        return self._coordinator.device_available(
            self._device_id, is_telemetry=self._is_telemetry
        )

    @abstractmethod
    def _current(self) -> EntityValue:
        """Return the value that the coordinator holds for this entity."""

    @abstractmethod
    def _show(self, value: EntityValue) -> None:
        """Set the entity's own attributes to a value that differs from the one shown."""


class ReadingEntity(EvStreamsEntity):
    """Shows the newest reading of its key; it is unknown until there is one."""

    def __init__(
        self,
        coordinator: EvStreamsCoordinator,
        device_id: str,
        description: EvStreamsSensorDescription | EvStreamsBinarySensorDescription,
    ) -> None:
        """Follow the key of the readings."""
        self._reading_key = description.reading_key or description.key
        super().__init__(
            coordinator, device_id, description, listens_to=self._reading_key
        )
        self._is_telemetry = description.is_telemetry

    @override
    def _current(self) -> EntityValue:
        reading = self._coordinator.ledger.reading(self._device_id, self._reading_key)
        return None if reading is None else reading.value


class StreamEntity(EvStreamsEntity):
    """Belongs to the stream itself; always available, it is what one looks at in trouble."""

    def __init__(
        self, coordinator: EvStreamsCoordinator, description: EntityDescription
    ) -> None:
        """Belong to the account's device."""
        super().__init__(coordinator, coordinator.inventory.account_id, description)

    @override
    def _is_available(self) -> bool:
        return True
