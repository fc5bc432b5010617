"""Sensors: the readings of a device, its last charging session, and the stream itself."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import EntityCategory, UnitOfEnergy, UnitOfRatio, UnitOfTime
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .connection import StreamStatus
from .const import (
    KEY_BACKLOG,
    KEY_BACKLOG_DONE,
    KEY_CERTIFICATE_EXPIRY,
    KEY_DELIVERY_LATENCY,
    KEY_HISTORY_IMPORT,
    KEY_LAST_MESSAGE,
    KEY_SESSION,
    KEY_STATUS,
    KEY_UPLOAD_LATENCY,
)
from .coordinator import EvStreamsConfigEntry, EvStreamsCoordinator
from .entity import (
    EntityValue,
    EvStreamsEntity,
    ReadingEntity,
    StreamEntity,
    add_as_told,
    add_for_devices,
)
from .mapped import mapped_sensors
from .model import Session
from .providers.base import EvStreamsSensorDescription, Provider

PARALLEL_UPDATES = 0

# Home Assistant's own words for a state that is missing, and what a vendor means by them.
TAKEN: Mapping[str, str | None] = {"unavailable": "out_of_service", "unknown": None}


@dataclass(frozen=True, kw_only=True)
class StreamSensorDescription(SensorEntityDescription):
    """A sensor of the stream itself."""

    value_fn: Callable[[EvStreamsCoordinator], EntityValue]


@dataclass(frozen=True, kw_only=True)
class SessionSensorDescription(SensorEntityDescription):
    """A sensor of a device's last charging session.

    `of_stopped` keeps showing the last one that came to its end while another
    runs; the start is that of the newest session, running or not.
    """

    value_fn: Callable[[Session], EntityValue]
    of_stopped: bool = True


def _percent(share: float | None) -> int | None:
    return None if share is None else int(100 * share)


def _seconds(latency: timedelta | None) -> float | None:
    return None if latency is None else latency.total_seconds()


STREAM_SENSORS: tuple[StreamSensorDescription, ...] = (
    StreamSensorDescription(
        key=KEY_STATUS,
        translation_key=KEY_STATUS,
        device_class=SensorDeviceClass.ENUM,
        options=[*StreamStatus],
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda coordinator: coordinator.connection.status,
    ),
    StreamSensorDescription(
        key=KEY_BACKLOG,
        translation_key=KEY_BACKLOG,
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda coordinator: coordinator.connection.backlog.left,
    ),
    StreamSensorDescription(
        key=KEY_BACKLOG_DONE,
        translation_key=KEY_BACKLOG_DONE,
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda coordinator: coordinator.connection.backlog.percent,
    ),
    StreamSensorDescription(
        key=KEY_HISTORY_IMPORT,
        translation_key=KEY_HISTORY_IMPORT,
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=lambda coordinator: _percent(coordinator.history_import),
    ),
    StreamSensorDescription(
        key=KEY_LAST_MESSAGE,
        translation_key=KEY_LAST_MESSAGE,
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda coordinator: coordinator.vitals.last_message,
    ),
    StreamSensorDescription(
        key=KEY_DELIVERY_LATENCY,
        translation_key=KEY_DELIVERY_LATENCY,
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=2,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda coordinator: _seconds(coordinator.vitals.delivery_latency),
    ),
)

CERTIFICATE_EXPIRY = StreamSensorDescription(
    key=KEY_CERTIFICATE_EXPIRY,
    translation_key=KEY_CERTIFICATE_EXPIRY,
    device_class=SensorDeviceClass.TIMESTAMP,
    entity_category=EntityCategory.DIAGNOSTIC,
    value_fn=lambda coordinator: coordinator.account.expires_at,
)

UPLOAD_LATENCY = SensorEntityDescription(
    key=KEY_UPLOAD_LATENCY,
    translation_key=KEY_UPLOAD_LATENCY,
    device_class=SensorDeviceClass.DURATION,
    native_unit_of_measurement=UnitOfTime.SECONDS,
    state_class=SensorStateClass.MEASUREMENT,
    suggested_display_precision=1,
    entity_category=EntityCategory.DIAGNOSTIC,
    entity_registry_enabled_default=False,
)

SESSION_SENSORS: tuple[SessionSensorDescription, ...] = (
    SessionSensorDescription(
        key="charging_session_start",
        translation_key="charging_session_start",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda session: session.started_at,
        of_stopped=False,
    ),
    SessionSensorDescription(
        key="charging_session_stop",
        translation_key="charging_session_stop",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda session: session.stopped_at,
    ),
    SessionSensorDescription(
        key="charging_session_energy",
        translation_key="charging_session_energy",
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=2,
        value_fn=lambda session: session.energy,
    ),
    SessionSensorDescription(
        key="charging_session_duration",
        translation_key="charging_session_duration",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_unit_of_measurement=UnitOfTime.MINUTES,
        suggested_display_precision=0,
        value_fn=lambda session: session.duration,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: EvStreamsConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the stream's sensors, and those of every device as it becomes known."""
    coordinator = entry.runtime_data
    absent = _absent_keys(coordinator.provider)
    described = [each for each in STREAM_SENSORS if each.key not in absent]
    if coordinator.account.expires_at is not None:
        described.append(CERTIFICATE_EXPIRY)
    async_add_entities(StreamSensor(coordinator, each) for each in described)
    if not coordinator.provider.discovers:
        add_for_devices(entry, async_add_entities, _sensors)
    else:
        add_as_told(entry, async_add_entities, _sensors_told)


def _absent_keys(provider: Provider) -> set[str]:
    """Return the sensors of a stream that would have nothing to show, ever."""
    keys: set[str] = set()
    if not provider.tells_arrival:
        keys.add(KEY_DELIVERY_LATENCY)
    if not provider.has_backlog:
        keys |= {KEY_BACKLOG, KEY_BACKLOG_DONE}
    if not provider.has_hourly_energy:
        keys.add(KEY_HISTORY_IMPORT)
    return keys


def _sensors(
    coordinator: EvStreamsCoordinator, device_id: str
) -> Iterator[SensorEntity]:
    for description in (
        *coordinator.provider.sensors,
        *mapped_sensors(coordinator, device_id),
    ):
        yield ReadingSensor(coordinator, device_id, description)
    if coordinator.has_sessions(device_id):
        yield from _session_sensors(coordinator, device_id)
    if coordinator.provider.tells_arrival:
        yield UploadLatencySensor(coordinator, device_id, UPLOAD_LATENCY)


def _sensors_told(
    coordinator: EvStreamsCoordinator, device_id: str, key: str
) -> Iterator[SensorEntity]:
    if key == KEY_SESSION:
        yield from _session_sensors(coordinator, device_id)
    for description in (
        coordinator.described(device_id, key),
        *mapped_sensors(coordinator, device_id, key),
    ):
        if isinstance(description, EvStreamsSensorDescription):
            yield ReadingSensor(coordinator, device_id, description)


def _session_sensors(
    coordinator: EvStreamsCoordinator, device_id: str
) -> Iterator[SensorEntity]:
    for description in SESSION_SENSORS:
        is_energy = description.device_class is SensorDeviceClass.ENERGY
        if coordinator.provider.has_session_energy or not is_energy:
            yield SessionSensor(coordinator, device_id, description)


class ValueSensor(EvStreamsEntity, SensorEntity):
    """Shows the value as it is held."""

    @override
    def _show(self, value: EntityValue) -> None:
        self._attr_native_value = value


class ReadingSensor(ReadingEntity, ValueSensor):
    """Shows one reading of a device."""

    entity_description: EvStreamsSensorDescription

    def __init__(
        self,
        coordinator: EvStreamsCoordinator,
        device_id: str,
        description: EvStreamsSensorDescription,
    ) -> None:
        """Take the options as a copy, a vendor may send codes that no table knows."""
        super().__init__(coordinator, device_id, description)
        if description.options is not None:
            self._attr_options = list(description.options)

    @override
    def _show(self, value: EntityValue) -> None:
        # A text that the vendor leaves empty says that there is nothing to know.
        shown = None if value == "" else value
        if isinstance(shown, str):
            shown = TAKEN.get(shown, shown)
        options = self.options
        if options is not None and shown is not None and shown not in options:
            self._attr_options = [*options, str(shown)]
        super()._show(shown)


class SessionSensor(ValueSensor):
    """Shows one fact of a device's last charging session."""

    entity_description: SessionSensorDescription

    def __init__(
        self,
        coordinator: EvStreamsCoordinator,
        device_id: str,
        description: SessionSensorDescription,
    ) -> None:
        """Follow the device's sessions."""
        super().__init__(coordinator, device_id, description, listens_to=KEY_SESSION)

    @override
    def _current(self) -> EntityValue:
        ledger = self._coordinator.ledger
        find = (
            ledger.last_stopped_session
            if self.entity_description.of_stopped
            else ledger.last_session
        )
        session = find(self._device_id)
        return None if session is None else self.entity_description.value_fn(session)


class UploadLatencySensor(ValueSensor):
    """Shows how long the device's newest message took to reach the vendor's cloud."""

    @override
    def _current(self) -> EntityValue:
        return _seconds(self._coordinator.vitals.upload_latency.get(self._device_id))


class StreamSensor(StreamEntity, ValueSensor):
    """Shows how the stream fares."""

    entity_description: StreamSensorDescription

    @override
    def _current(self) -> EntityValue:
        return self.entity_description.value_fn(self._coordinator)
