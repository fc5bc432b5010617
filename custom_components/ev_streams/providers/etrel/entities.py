"""What a location, a charge point and a connector have as entities.

A status is a text as the vendor writes it: which there are is not public.
"""

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import UnitOfEnergy, UnitOfPower

from ..base import EvStreamsBinarySensorDescription, EvStreamsSensorDescription
from .decode import CONNECTOR_STATUS, LIFETIME_ENERGY, POWER, SESSION_ENERGY


def _energy(key: str) -> EvStreamsSensorDescription:
    """Describe an energy that grows, in kWh."""
    return EvStreamsSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=2,
    )


SENSORS: tuple[EvStreamsSensorDescription, ...] = (
    EvStreamsSensorDescription(key=CONNECTOR_STATUS, translation_key=CONNECTOR_STATUS),
    EvStreamsSensorDescription(
        key=POWER,
        translation_key=POWER,
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.KILO_WATT,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=2,
    ),
    _energy(SESSION_ENERGY),
    # The register where a session told it, and what the sessions since add to it.
    _energy("energy"),
    _energy(LIFETIME_ENERGY),
)

BINARY_SENSORS: tuple[EvStreamsBinarySensorDescription, ...] = ()
