"""Which entity shows which Easee observation.

Units are from the vendor's page where it names them (22-24 and 124), else
from what public clients of the same ids take them for. What a person looks
at is enabled; limits that belong to installers, personal tokens and rarely
changing diagnostics are not.
"""

from collections.abc import Mapping

from homeassistant.components.binary_sensor import BinarySensorDeviceClass
from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import (
    SIGNAL_STRENGTH_DECIBELS_MILLIWATT,
    EntityCategory,
    UnitOfElectricCurrent,
    UnitOfEnergy,
    UnitOfPower,
    UnitOfTemperature,
)

from ..base import EvStreamsBinarySensorDescription, EvStreamsSensorDescription
from ..quantities import current, energy, voltage
from . import enums


def _setting(key: str, *, enabled: bool = False) -> EvStreamsSensorDescription:
    """Describe a current limit, in A."""
    return EvStreamsSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        suggested_display_precision=0,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=enabled,
    )


def _signal_strength(key: str) -> EvStreamsSensorDescription:
    """Describe a radio's signal strength, in dBm."""
    return EvStreamsSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.SIGNAL_STRENGTH,
        native_unit_of_measurement=SIGNAL_STRENGTH_DECIBELS_MILLIWATT,
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        is_telemetry=True,
    )


def _code(key: str, table: Mapping[int, str]) -> EvStreamsSensorDescription:
    """Describe a code of the vendor's that a person looks at."""
    return EvStreamsSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.ENUM,
        options=enums.options(table),
        is_telemetry=True,
    )


def _diagnostic(
    key: str, table: Mapping[int, str] | None = None, *, is_telemetry: bool = False
) -> EvStreamsSensorDescription:
    """Describe a text, or a code where there is a table, that is seldom looked at."""
    return EvStreamsSensorDescription(
        key=key,
        translation_key=key,
        device_class=None if table is None else SensorDeviceClass.ENUM,
        options=None if table is None else enums.options(table),
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        is_telemetry=is_telemetry,
    )


SENSORS: tuple[EvStreamsSensorDescription, ...] = (
    _code("charger_op_mode", enums.CHARGER_OP_MODE),
    EvStreamsSensorDescription(
        key="total_power",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.KILO_WATT,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=2,
        is_telemetry=True,
    ),
    energy("session_energy"),
    # The register of 124 comes about once an hour. This is the same meter at full
    # resolution: its last register, the growth of the session's energy (121) since,
    # put right by the meter values that 223 and 129 name.
    energy("energy"),
    energy("lifetime_energy"),
    EvStreamsSensorDescription(
        key="energy_per_hour",
        translation_key="energy_per_hour",
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=2,
        entity_registry_enabled_default=False,
        is_telemetry=True,
    ),
    _code("reason_for_no_current", enums.REASON_FOR_NO_CURRENT),
    _code("output_phase", enums.OUTPUT_PHASE),
    EvStreamsSensorDescription(
        key="cable_rating",
        translation_key="cable_rating",
        device_class=SensorDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        suggested_display_precision=0,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        is_telemetry=True,
    ),
    EvStreamsSensorDescription(
        key="temp_max",
        translation_key="temp_max",
        device_class=SensorDeviceClass.TEMPERATURE,
        native_unit_of_measurement=UnitOfTemperature.CELSIUS,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        entity_category=EntityCategory.DIAGNOSTIC,
        is_telemetry=True,
    ),
    current("in_current_t2", enabled=False),
    current("in_current_t3", enabled=True),
    current("in_current_t4", enabled=True),
    current("in_current_t5", enabled=True),
    voltage("in_volt_t1_t2", enabled=False),
    voltage("in_volt_t1_t3", enabled=False),
    voltage("in_volt_t1_t4", enabled=False),
    voltage("in_volt_t1_t5", enabled=False),
    voltage("in_volt_t2_t3", enabled=True),
    voltage("in_volt_t2_t4", enabled=True),
    voltage("in_volt_t2_t5", enabled=True),
    _setting("max_charger_current", enabled=True),
    _setting("dynamic_charger_current", enabled=True),
    _setting("circuit_max_current_p1"),
    _setting("circuit_max_current_p2"),
    _setting("circuit_max_current_p3"),
    _setting("dynamic_circuit_current_p1"),
    _setting("dynamic_circuit_current_p2"),
    _setting("dynamic_circuit_current_p3"),
    _setting("max_current_offline_fallback_p1"),
    _setting("max_current_offline_fallback_p2"),
    _setting("max_current_offline_fallback_p3"),
    _signal_strength("cell_rssi"),
    _signal_strength("wifi_rssi"),
    _diagnostic("led_mode", enums.LED_MODE, is_telemetry=True),
    _diagnostic("detected_power_grid_type", enums.POWER_GRID_TYPE),
    _diagnostic("charger_rat", enums.CHARGER_RAT),
    _diagnostic("local_node_type", enums.LOCAL_NODE_TYPE),
    _diagnostic("software_release"),
    _diagnostic("reboot_reason"),
    _diagnostic("cloud_disconnect_reason"),
    _diagnostic("user_id_token"),
    _diagnostic("user_id_token_reversed"),
    EvStreamsSensorDescription(
        key="charging_session_signed",
        translation_key="charging_session_signed",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
    ),
)

BINARY_SENSORS: tuple[EvStreamsBinarySensorDescription, ...] = (
    EvStreamsBinarySensorDescription(
        key="connected_to_cloud",
        translation_key="connected_to_cloud",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        entity_category=EntityCategory.DIAGNOSTIC,
    ),
    # For this device class "on" means unlocked.
    EvStreamsBinarySensorDescription(
        key="cable_locked",
        translation_key="cable_locked",
        device_class=BinarySensorDeviceClass.LOCK,
        is_telemetry=True,
        inverted=True,
    ),
    EvStreamsBinarySensorDescription(
        key="is_enabled",
        translation_key="is_enabled",
        entity_category=EntityCategory.DIAGNOSTIC,
    ),
    EvStreamsBinarySensorDescription(
        key="smart_charging",
        translation_key="smart_charging",
        entity_category=EntityCategory.DIAGNOSTIC,
    ),
    EvStreamsBinarySensorDescription(
        key="lock_cable_permanently",
        translation_key="lock_cable_permanently",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
    ),
    EvStreamsBinarySensorDescription(
        key="smart_button_enabled",
        translation_key="smart_button_enabled",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
    ),
)
