"""Fields are taken for what they probably are, and never for what Home Assistant refuses."""

from typing import Any

from homeassistant.components.binary_sensor import BinarySensorDeviceClass
from homeassistant.components.sensor import (
    DEVICE_CLASS_STATE_CLASSES,
    DEVICE_CLASS_UNITS,
    SensorDeviceClass,
)
import pytest

from custom_components.ev_streams.mapping import MappedPlatform
from custom_components.ev_streams.suggestions import FLAGS, NUMBERS, suggest

SEEN: list[tuple[str, Any, dict[str, Any]]] = [
    (
        "energies[type=Electric].level",
        55,
        {"name": "Level", "device_class": "battery", "unit": "%", "maximum": 100},
    ),
    ("charging_state.soc_batt", 55, {"device_class": "battery", "unit": "%"}),
    ("energies[type=Electric].autonomy", 210, {"device_class": "distance"}),
    (
        "odometer.mileage",
        12_345,
        {
            "state_class": "total_increasing",
            "never_decreasing": True,
            "sentinels": ("0",),
            "unit": "km",
        },
    ),
    ("batteryLevel", 80, {"name": "Battery level", "device_class": "battery"}),
    ("battery.voltage", 12.4, {"device_class": "voltage", "unit": "V"}),
    ("batteryTemp", 18.5, {"device_class": "temperature"}),
    ("chargingPowerKW", 7.4, {"device_class": "power", "unit": "kW"}),
    ("outsideTemperature", -3, {"device_class": "temperature", "unit": "°C"}),
    ("updatedAt", "2026-11-27T10:00:00Z", {"device_class": "timestamp"}),
    ("remainingTime", "PT2H30M", {"device_class": "duration", "unit": "min"}),
    ("plugged", True, {"device_class": "plug"}),
    ("isCharging", False, {"device_class": "battery_charging"}),
    (
        "doors.locked",
        True,
        {"device_class": "lock", "value_map": (("true", "off"), ("false", "on"))},
    ),
    ("honk", True, {"device_class": None}),
    ("level", 4000, {"device_class": None, "state_class": "measurement"}),
    ("params.arg1", 42, {"name": "Arg 1", "state_class": "measurement"}),
    ("params.arg2", "a string", {"device_class": None, "state_class": None}),
    ("$", 12_345, {"name": "Value", "state_class": "measurement"}),
]


@pytest.mark.parametrize(("path", "value", "expected"), SEEN)
def test_a_field_is_taken_for_what_it_probably_is(
    path: str, value: object, expected: dict[str, Any]
) -> None:
    suggestion = suggest(path, value)
    assert {name: getattr(suggestion, name) for name in expected} == expected
    is_binary = suggestion.platform is MappedPlatform.BINARY_SENSOR
    assert is_binary is isinstance(value, bool)


def test_home_assistant_takes_whatever_is_suggested() -> None:
    for kind in NUMBERS:
        device_class = SensorDeviceClass(kind.device_class)
        assert kind.unit in {str(unit) for unit in DEVICE_CLASS_UNITS[device_class]}
        if kind.state_class is not None:
            assert kind.state_class in DEVICE_CLASS_STATE_CLASSES[device_class]
    assert set(FLAGS.values()) <= set(BinarySensorDeviceClass)
