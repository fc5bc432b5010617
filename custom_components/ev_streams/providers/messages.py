"""What every device has whose messages say what no table knows, be that mapped or not."""

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import EntityCategory

from ..const import KEY_LAST_MESSAGE, KEY_MESSAGE_COUNT
from .base import EvStreamsSensorDescription

# Seconds between two states; an application may send many messages a second.
PERIOD = 30.0

MESSAGE_SENSORS: tuple[EvStreamsSensorDescription, ...] = (
    EvStreamsSensorDescription(
        key=KEY_LAST_MESSAGE,
        translation_key=KEY_LAST_MESSAGE,
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        period=PERIOD,
    ),
    EvStreamsSensorDescription(
        key=KEY_MESSAGE_COUNT,
        translation_key=KEY_MESSAGE_COUNT,
        state_class=SensorStateClass.TOTAL_INCREASING,
        entity_category=EntityCategory.DIAGNOSTIC,
        period=PERIOD,
    ),
)
