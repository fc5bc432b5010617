"""Which entity shows which property of a vehicle.

Tables for what the vendor's pages name and what a person looks at; `describe` makes the
rest by rules, disabled until somebody wants it. Units are those in the names; of the
speed and the board's voltage, which name none, they are inferred.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from homeassistant.components.binary_sensor import BinarySensorDeviceClass
from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import (
    DEGREE,
    REVOLUTIONS_PER_MINUTE,
    EntityCategory,
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfLength,
    UnitOfPower,
    UnitOfPressure,
    UnitOfRatio,
    UnitOfSpeed,
    UnitOfTemperature,
    UnitOfTime,
    UnitOfVolume,
)

from ...charging import KEY_CHARGING
from ...model import Reading
from ..base import EvStreamsBinarySensorDescription, EvStreamsSensorDescription
from . import names
from .names import INDICATOR, Kind, kind_of

type Description = EvStreamsSensorDescription | EvStreamsBinarySensorDescription

MEASUREMENT: Final = SensorStateClass.MEASUREMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What the unit at the end of a name makes of its sensor."""

    unit: str
    device_class: SensorDeviceClass | None = None
    state_class: SensorStateClass | None = MEASUREMENT


def _duration(unit: str) -> Unit:
    return Unit(unit=unit, device_class=SensorDeviceClass.DURATION)


UNITS: Final[Mapping[str, Unit]] = {
    # A share of what the name says: of a battery, of a tank, of AdBlue.
    "_in_percent": Unit(unit=UnitOfRatio.PERCENTAGE),
    "_in_kilometers": Unit(
        unit=UnitOfLength.KILOMETERS, device_class=SensorDeviceClass.DISTANCE
    ),
    "_in_meters": Unit(
        unit=UnitOfLength.METERS, device_class=SensorDeviceClass.DISTANCE
    ),
    "_in_kilometers_per_hour": Unit(
        unit=UnitOfSpeed.KILOMETERS_PER_HOUR, device_class=SensorDeviceClass.SPEED
    ),
    "_in_volts": Unit(
        unit=UnitOfElectricPotential.VOLT, device_class=SensorDeviceClass.VOLTAGE
    ),
    "_in_millivolts": Unit(
        unit=UnitOfElectricPotential.MILLIVOLT, device_class=SensorDeviceClass.VOLTAGE
    ),
    "_in_amperes": Unit(
        unit=UnitOfElectricCurrent.AMPERE, device_class=SensorDeviceClass.CURRENT
    ),
    "_in_watts": Unit(unit=UnitOfPower.WATT, device_class=SensorDeviceClass.POWER),
    "_in_kilowatts": Unit(
        unit=UnitOfPower.KILO_WATT, device_class=SensorDeviceClass.POWER
    ),
    # A meter, a session or what is in the battery: no state class fits all of them.
    "_in_kilowatt_hours": Unit(
        unit=UnitOfEnergy.KILO_WATT_HOUR,
        device_class=SensorDeviceClass.ENERGY,
        state_class=None,
    ),
    "_in_celsius": Unit(
        unit=UnitOfTemperature.CELSIUS, device_class=SensorDeviceClass.TEMPERATURE
    ),
    "_in_degrees_celsius": Unit(
        unit=UnitOfTemperature.CELSIUS, device_class=SensorDeviceClass.TEMPERATURE
    ),
    "_in_degrees": Unit(unit=DEGREE, state_class=SensorStateClass.MEASUREMENT_ANGLE),
    "_in_liters": Unit(
        unit=UnitOfVolume.LITERS, device_class=SensorDeviceClass.VOLUME_STORAGE
    ),
    "_in_bar": Unit(unit=UnitOfPressure.BAR, device_class=SensorDeviceClass.PRESSURE),
    "_in_kilopascals": Unit(
        unit=UnitOfPressure.KPA, device_class=SensorDeviceClass.PRESSURE
    ),
    "_in_revolutions_per_minute": Unit(unit=REVOLUTIONS_PER_MINUTE),
    "_in_seconds": _duration(UnitOfTime.SECONDS),
    "_in_minutes": _duration(UnitOfTime.MINUTES),
    "_in_hours": _duration(UnitOfTime.HOURS),
    "_in_days": _duration(UnitOfTime.DAYS),
}

# Two words of which a vehicle mostly says one; a third one is shown as it comes.
PAIRS: Final = (("locked", "unlocked"), ("closed", "open"))
# An indicator whose name has one of these words tells of trouble while it is on.
TROUBLE: Final = frozenset(
    {"warning", "fault", "failure", "low", "wear", "malfunction"}
)


def _distance(
    key: str, state_class: SensorStateClass = MEASUREMENT
) -> EvStreamsSensorDescription:
    return EvStreamsSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.DISTANCE,
        native_unit_of_measurement=UnitOfLength.KILOMETERS,
        state_class=state_class,
        suggested_display_precision=0,
    )


def _level(key: str) -> EvStreamsSensorDescription:
    """Describe a level in percent, of a battery or of a tank: it is not told which."""
    return EvStreamsSensorDescription(
        key=key,
        translation_key=key,
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        state_class=MEASUREMENT,
        suggested_display_precision=0,
    )


def _status(
    key: str, *options: str, category: EntityCategory | None = None
) -> EvStreamsSensorDescription:
    return EvStreamsSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.ENUM,
        options=list(options),
        entity_category=category,
    )


def _coordinate(key: str) -> EvStreamsSensorDescription:
    return EvStreamsSensorDescription(
        key=key,
        translation_key=key,
        native_unit_of_measurement=DEGREE,
        suggested_display_precision=5,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
    )


# A parked vehicle that is offline still has its mileage and its level; what only holds
# at the moment is telemetry.
SENSORS: Final[tuple[EvStreamsSensorDescription, ...]] = (
    _level("state_of_charge_or_fuel_level_in_percent"),
    _level("fuel_level_in_percent"),
    _distance("remaining_range_in_kilometers"),
    _distance("mileage_in_kilometers", SensorStateClass.TOTAL_INCREASING),
    _status(names.CENTRAL_LOCK, "locked", "unlocked"),
    _status(names.RENTAL_STATUS, "in_rental", "not_in_rental"),
    _status(names.LIFE_STATUS, "online", "offline", category=EntityCategory.DIAGNOSTIC),
    EvStreamsSensorDescription(
        key="speed",
        translation_key="speed",
        device_class=SensorDeviceClass.SPEED,
        native_unit_of_measurement=UnitOfSpeed.KILOMETERS_PER_HOUR,
        state_class=MEASUREMENT,
        suggested_display_precision=0,
        entity_registry_enabled_default=False,
        is_telemetry=True,
    ),
    EvStreamsSensorDescription(
        key="board_voltage",
        translation_key="board_voltage",
        device_class=SensorDeviceClass.VOLTAGE,
        native_unit_of_measurement=UnitOfElectricPotential.VOLT,
        state_class=MEASUREMENT,
        suggested_display_precision=1,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        is_telemetry=True,
    ),
    # From 0 to 5, as bars on a telephone.
    EvStreamsSensorDescription(
        key="cellular_signal_quality",
        translation_key="cellular_signal_quality",
        state_class=MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        is_telemetry=True,
    ),
    _coordinate(names.LATITUDE),
    _coordinate(names.LONGITUDE),
)

BINARY_SENSORS: Final[tuple[EvStreamsBinarySensorDescription, ...]] = (
    EvStreamsBinarySensorDescription(
        key=KEY_CHARGING,
        translation_key=KEY_CHARGING,
        device_class=BinarySensorDeviceClass.BATTERY_CHARGING,
        is_telemetry=True,
    ),
    EvStreamsBinarySensorDescription(
        key="driving_enabled", translation_key="driving_enabled"
    ),
    EvStreamsBinarySensorDescription(
        key=names.ONLINE,
        translation_key=names.ONLINE,
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        entity_category=EntityCategory.DIAGNOSTIC,
    ),
)

TABLED: Final = frozenset(each.key for each in (*SENSORS, *BINARY_SENSORS))


def describe(reading: Reading) -> Description | None:
    """Describe the entity of a property that no table has; None where there is none to make.

    Where the end of the key tells what the values are, it alone decides, and the decoder
    sees to it that no others come. Elsewhere the first value does: a truth makes a
    binary sensor, anything else a sensor without a unit, which can show anything; an
    empty text (nothing is known) makes none yet. Should such a property change from a
    truth to a text one day, which the vendor calls a breaking change, the binary sensor
    is on for any text, until the entity is made afresh.
    """
    key = reading.key
    kind = kind_of(key)
    if key in TABLED:
        return None
    if kind is Kind.NUMBER:
        return _measured(key)
    if kind is Kind.YES_OR_NO or isinstance(reading.value, bool):
        return _yes_or_no(key)
    if reading.value == "":
        return None
    return _as_it_comes(reading)


def _measured(key: str) -> EvStreamsSensorDescription:
    """Describe a number by the longest unit that its name ends with."""
    suffix = max(filter(key.endswith, UNITS), key=len)
    unit = UNITS[suffix]
    # A mileage of whatever kind only grows, or begins again.
    is_mileage = key.startswith("mileage") and suffix == "_in_kilometers"
    return EvStreamsSensorDescription(
        key=key,
        name=_words(key.removesuffix(suffix)),
        device_class=unit.device_class,
        native_unit_of_measurement=unit.unit,
        state_class=(
            SensorStateClass.TOTAL_INCREASING if is_mileage else unit.state_class
        ),
        entity_registry_enabled_default=False,
    )


def _yes_or_no(key: str) -> EvStreamsBinarySensorDescription:
    name = key.removesuffix(INDICATOR)
    is_trouble = name != key and not TROUBLE.isdisjoint(name.split("_"))
    return EvStreamsBinarySensorDescription(
        key=key,
        name=_words(name),
        device_class=BinarySensorDeviceClass.PROBLEM if is_trouble else None,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
    )


def _as_it_comes(reading: Reading) -> EvStreamsSensorDescription:
    pair = next((pair for pair in PAIRS if reading.value in pair), None)
    return EvStreamsSensorDescription(
        key=reading.key,
        name=_words(reading.key),
        device_class=None if pair is None else SensorDeviceClass.ENUM,
        options=None if pair is None else list(pair),
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
    )


def _words(key: str) -> str:
    return key.replace("_", " ").strip().capitalize()
