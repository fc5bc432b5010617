"""What a charge point, its EVSEs, a circuit and a parking space have as entities.

Statuses are the vendor's words in snake case; of hardware and network they are from its
API description, and others may come.
"""

from typing import Final

from homeassistant.components.binary_sensor import BinarySensorDeviceClass
from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import (
    EntityCategory,
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfPower,
    UnitOfRatio,
    UnitOfTemperature,
)

from ..base import EvStreamsBinarySensorDescription, EvStreamsSensorDescription

NETWORK_STATUSES: Final = (
    "never_connected",
    "available",
    "temporarily_unavailable",
    "long_term_unavailable",
)
HARDWARE_STATUSES: Final = (
    "available",
    "preparing",
    "charging",
    "suspended_ev",
    "suspended_evse",
    "finishing",
    "reserved",
    "unavailable",
    "faulted",
)
STATUSES: Final = ("active", "disabled", "out_of_order", "demo")


def _status(
    key: str, options: tuple[str, ...], category: EntityCategory | None = None
) -> EvStreamsSensorDescription:
    return EvStreamsSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.ENUM,
        options=list(options),
        entity_category=category,
    )


def _text(key: str) -> EvStreamsSensorDescription:
    return EvStreamsSensorDescription(
        key=key, translation_key=key, entity_category=EntityCategory.DIAGNOSTIC
    )


def _current(key: str, *, is_usual: bool = True) -> EvStreamsSensorDescription:
    return EvStreamsSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        entity_registry_enabled_default=is_usual,
        is_telemetry=True,
    )


def _power(key: str, *, is_usual: bool = True) -> EvStreamsSensorDescription:
    return EvStreamsSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        suggested_unit_of_measurement=UnitOfPower.KILO_WATT,
        suggested_display_precision=2,
        state_class=SensorStateClass.MEASUREMENT,
        entity_registry_enabled_default=is_usual,
        is_telemetry=True,
    )


def _energy(key: str) -> EvStreamsSensorDescription:
    return EvStreamsSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=2,
        is_telemetry=True,
    )


SENSORS: Final[tuple[EvStreamsSensorDescription, ...]] = (
    _status("hardware_status", HARDWARE_STATUSES),
    _status("network_status", NETWORK_STATUSES, EntityCategory.DIAGNOSTIC),
    _status("status", STATUSES, EntityCategory.DIAGNOSTIC),
    _power("power"),
    # The meter of the outlet, where the charge point sends it; the energy of the session
    # is the platform's own figure.
    _energy("lifetime_energy"),
    _energy("session_energy"),
    EvStreamsSensorDescription(
        key="state_of_charge",
        translation_key="state_of_charge",
        device_class=SensorDeviceClass.BATTERY,
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        is_telemetry=True,
    ),
    _current("current"),
    _current("current_offered", is_usual=False),
    _power("power_offered", is_usual=False),
    EvStreamsSensorDescription(
        key="voltage",
        translation_key="voltage",
        device_class=SensorDeviceClass.VOLTAGE,
        native_unit_of_measurement=UnitOfElectricPotential.VOLT,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        entity_registry_enabled_default=False,
        is_telemetry=True,
    ),
    EvStreamsSensorDescription(
        key="temperature",
        translation_key="temperature",
        device_class=SensorDeviceClass.TEMPERATURE,
        native_unit_of_measurement=UnitOfTemperature.CELSIUS,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        entity_category=EntityCategory.DIAGNOSTIC,
        is_telemetry=True,
    ),
    _current("current_l1"),
    _current("current_l2"),
    _current("current_l3"),
    _current("max_current"),
    _text("stop_reason"),
    _text("error_code"),
    _text("error_info"),
    _text("firmware"),
)

BINARY_SENSORS: Final[tuple[EvStreamsBinarySensorDescription, ...]] = (
    EvStreamsBinarySensorDescription(
        key="online",
        translation_key="online",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        entity_category=EntityCategory.DIAGNOSTIC,
    ),
    EvStreamsBinarySensorDescription(
        key="occupied",
        translation_key="occupied",
        device_class=BinarySensorDeviceClass.OCCUPANCY,
    ),
)
