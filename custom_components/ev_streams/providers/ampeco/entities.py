"""What a charge point, its EVSEs, a circuit and a parking space have as entities.

Statuses are the vendor's words in snake case; of hardware and network they are from its
API description, and others may come.
"""

from typing import Final

from homeassistant.components.binary_sensor import BinarySensorDeviceClass
from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import (
    EntityCategory,
    UnitOfPower,
    UnitOfRatio,
    UnitOfTemperature,
)

from ..base import EvStreamsBinarySensorDescription, EvStreamsSensorDescription
from ..quantities import current, energy, power, voltage

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
    # The vendor's word for it is Home Assistant's for a state that is missing.
    "out_of_service",
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


SENSORS: Final[tuple[EvStreamsSensorDescription, ...]] = (
    _status("hardware_status", HARDWARE_STATUSES),
    _status("network_status", NETWORK_STATUSES, EntityCategory.DIAGNOSTIC),
    _status("status", STATUSES, EntityCategory.DIAGNOSTIC),
    power("power", UnitOfPower.WATT),
    # The meter of the outlet, where the charge point sends it; the energy of the session
    # is the platform's own figure.
    energy("lifetime_energy"),
    energy("session_energy"),
    EvStreamsSensorDescription(
        key="state_of_charge",
        translation_key="state_of_charge",
        device_class=SensorDeviceClass.BATTERY,
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        is_telemetry=True,
    ),
    current("current"),
    current("current_offered", enabled=False),
    power("power_offered", UnitOfPower.WATT, enabled=False),
    voltage("voltage", enabled=False),
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
    current("current_l1"),
    current("current_l2"),
    current("current_l3"),
    current("max_current"),
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
