"""What a location, a charge point and a connector have as entities.

A status is a text as the vendor writes it: which there are is not public.
"""

from ..base import EvStreamsBinarySensorDescription, EvStreamsSensorDescription
from ..quantities import energy, power
from .decode import CONNECTOR_STATUS, LIFETIME_ENERGY, POWER, SESSION_ENERGY

SENSORS: tuple[EvStreamsSensorDescription, ...] = (
    EvStreamsSensorDescription(key=CONNECTOR_STATUS, translation_key=CONNECTOR_STATUS),
    power(POWER),
    energy(SESSION_ENERGY),
    energy(LIFETIME_ENERGY),
)

BINARY_SENSORS: tuple[EvStreamsBinarySensorDescription, ...] = ()
