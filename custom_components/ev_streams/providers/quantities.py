"""Sensors of the quantities that every charger measures, alike for all providers."""

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import (
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfPower,
)

from .base import EvStreamsSensorDescription


def current(key: str, *, enabled: bool = True) -> EvStreamsSensorDescription:
    """Describe a measured current, in A."""
    return EvStreamsSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        entity_registry_enabled_default=enabled,
        is_telemetry=True,
    )


def voltage(key: str, *, enabled: bool = True) -> EvStreamsSensorDescription:
    """Describe a measured voltage, in V."""
    return EvStreamsSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.VOLTAGE,
        native_unit_of_measurement=UnitOfElectricPotential.VOLT,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        entity_registry_enabled_default=enabled,
        is_telemetry=True,
    )


def power(
    key: str, unit: UnitOfPower = UnitOfPower.KILO_WATT, *, enabled: bool = True
) -> EvStreamsSensorDescription:
    """Describe a measured power, which is shown in kW."""
    return EvStreamsSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=unit,
        suggested_unit_of_measurement=UnitOfPower.KILO_WATT,
        suggested_display_precision=2,
        state_class=SensorStateClass.MEASUREMENT,
        entity_registry_enabled_default=enabled,
        is_telemetry=True,
    )


def energy(key: str) -> EvStreamsSensorDescription:
    """Describe an energy that grows, in kWh."""
    return EvStreamsSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=2,
        is_telemetry=True,
    )
