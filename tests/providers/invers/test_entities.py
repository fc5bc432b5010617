"""Home Assistant takes every description, and no key changes its platform."""

from homeassistant.components.binary_sensor import BinarySensorDeviceClass
from homeassistant.components.sensor import (
    DEVICE_CLASS_STATE_CLASSES,
    DEVICE_CLASS_UNITS,
    SensorDeviceClass,
)
from homeassistant.components.sensor.const import STATE_CLASS_UNITS
from hypothesis import given, strategies as st
import pytest

from custom_components.ev_streams.model import Reading
from custom_components.ev_streams.providers.base import (
    EvStreamsBinarySensorDescription,
    EvStreamsSensorDescription,
)
from custom_components.ev_streams.providers.invers import INVERS
from custom_components.ev_streams.providers.invers.entities import (
    BINARY_SENSORS,
    SENSORS,
    UNITS,
    Description,
    describe,
)
from custom_components.ev_streams.providers.invers.names import (
    NUMERIC_SUFFIXES,
    Kind,
    kind_of,
)

from .messages import MEASURED, VEHICLE, recorded, values

TABLE: dict[str, Description] = {
    **{each.key: each for each in SENSORS},
    **{each.key: each for each in BINARY_SENSORS},
}


def described(key: str, value: bool | float | str = "") -> Description | None:
    return describe(
        Reading(device_id=VEHICLE, key=key, value=value, measured_at=MEASURED)
    )


def sensor(key: str, value: bool | float | str = "") -> EvStreamsSensorDescription:
    found = described(key, value)
    assert isinstance(found, EvStreamsSensorDescription)
    return found


def binary_sensor(
    key: str, value: bool | float | str = ""
) -> EvStreamsBinarySensorDescription:
    found = described(key, value)
    assert isinstance(found, EvStreamsBinarySensorDescription)
    return found


def assert_accepted(description: Description) -> None:
    """What Home Assistant would otherwise complain of in the log, or refuse."""
    if isinstance(description, EvStreamsBinarySensorDescription):
        assert description.device_class in {None, *BinarySensorDeviceClass}
        return
    unit, state_class = (
        description.native_unit_of_measurement,
        description.state_class,
    )
    device_class = description.device_class
    assert device_class is None or isinstance(device_class, SensorDeviceClass)
    if device_class is not None:
        assert unit in DEVICE_CLASS_UNITS.get(device_class, {None})
        if state_class is not None:
            assert state_class in DEVICE_CLASS_STATE_CLASSES[device_class]
    if state_class in STATE_CLASS_UNITS:
        assert unit in STATE_CLASS_UNITS[state_class]
    is_enum = device_class is SensorDeviceClass.ENUM
    assert (description.options is not None) is is_enum
    if is_enum:
        assert (unit, state_class) == (None, None)


@pytest.mark.parametrize("description", TABLE.values(), ids=TABLE)
def test_a_description_of_the_tables_is_accepted(description: Description) -> None:
    assert_accepted(description)
    assert description.translation_key == description.key
    assert described(description.key, "x") is None


def test_no_key_is_in_the_tables_twice() -> None:
    assert len(TABLE) == len(SENSORS) + len(BINARY_SENSORS)


@pytest.mark.parametrize(
    ("key", "device_class", "unit", "state_class"),
    [
        ("mileage_in_kilometers", "distance", "km", "total_increasing"),
        ("state_of_charge_or_fuel_level_in_percent", None, "%", "measurement"),
        ("fuel_level_in_percent", None, "%", "measurement"),
        ("remaining_range_in_kilometers", "distance", "km", "measurement"),
        ("central_lock", "enum", None, None),
        ("rental_status", "enum", None, None),
        ("life_status", "enum", None, None),
        ("cellular_signal_quality", None, None, "measurement"),
        ("board_voltage", "voltage", "V", "measurement"),
        ("speed", "speed", "km/h", "measurement"),
        ("latitude", None, "°", None),
        ("longitude", None, "°", None),
    ],
)
def test_what_the_vendor_names_is_in_the_table(
    key: str, device_class: str | None, unit: str | None, state_class: str | None
) -> None:
    found = TABLE[key]
    assert isinstance(found, EvStreamsSensorDescription)
    looks = (found.device_class, found.native_unit_of_measurement, found.state_class)
    assert looks == (device_class, unit, state_class)


def test_truths_of_the_table_are_binary_sensors() -> None:
    assert {each.key: each.device_class for each in BINARY_SENSORS} == {
        "is_charging": "battery_charging",
        "driving_enabled": None,
        "online": "connectivity",
    }


def test_where_a_vehicle_is_must_be_wanted() -> None:
    personal = INVERS.personal_keys
    assert personal == {"latitude", "longitude"}
    assert not any(TABLE[key].entity_registry_enabled_default for key in personal)


def test_the_decoder_and_the_units_know_the_same_names() -> None:
    assert set(UNITS) == set(NUMERIC_SUFFIXES)


@pytest.mark.parametrize(
    ("key", "name", "device_class", "unit", "state_class"),
    [
        ("adblue_level_in_percent", "Adblue level", None, "%", "measurement"),
        ("altitude_in_meters", "Altitude", "distance", "m", "measurement"),
        ("trip_in_kilometers", "Trip", "distance", "km", "measurement"),
        (
            "mileage_since_unlock_in_kilometers",
            "Mileage since unlock",
            "distance",
            "km",
            "total_increasing",
        ),
        (
            "average_mileage_in_kilometers",
            "Average mileage",
            "distance",
            "km",
            "measurement",
        ),
        ("cruise_in_kilometers_per_hour", "Cruise", "speed", "km/h", "measurement"),
        ("battery_in_volts", "Battery", "voltage", "V", "measurement"),
        ("battery_in_millivolts", "Battery", "voltage", "mV", "measurement"),
        ("battery_in_amperes", "Battery", "current", "A", "measurement"),
        ("cabin_in_celsius", "Cabin", "temperature", "°C", "measurement"),
        ("cabin_in_degrees_celsius", "Cabin", "temperature", "°C", "measurement"),
        ("heading_in_degrees", "Heading", None, "°", "measurement_angle"),
        ("charging_in_watts", "Charging", "power", "W", "measurement"),
        ("charging_in_kilowatts", "Charging", "power", "kW", "measurement"),
        ("charged_in_kilowatt_hours", "Charged", "energy", "kWh", None),
        ("tank_in_liters", "Tank", "volume_storage", "L", "measurement"),
        ("tyre_in_bar", "Tyre", "pressure", "bar", "measurement"),
        ("tyre_in_kilopascals", "Tyre", "pressure", "kPa", "measurement"),
        ("engine_in_revolutions_per_minute", "Engine", None, "rpm", "measurement"),
        ("left_in_seconds", "Left", "duration", "s", "measurement"),
        ("left_in_minutes", "Left", "duration", "min", "measurement"),
        ("left_in_hours", "Left", "duration", "h", "measurement"),
        ("left_in_days", "Left", "duration", "d", "measurement"),
    ],
)
def test_a_unit_in_the_name_makes_a_measurement(
    key: str,
    name: str,
    device_class: str | None,
    unit: str,
    state_class: str | None,
) -> None:
    found = sensor(key)
    assert (found.name, found.translation_key) == (name, None)
    looks = (found.device_class, found.native_unit_of_measurement, found.state_class)
    assert looks == (device_class, unit, state_class)
    assert not found.entity_registry_enabled_default
    assert_accepted(found)


@pytest.mark.parametrize("suffix", NUMERIC_SUFFIXES)
def test_every_unit_is_accepted(suffix: str) -> None:
    assert_accepted(sensor(f"anything{suffix}"))
    assert_accepted(sensor(f"mileage_of_trips{suffix}"))


@pytest.mark.parametrize(
    ("key", "name", "device_class"),
    [
        ("adblue_level_low_indicator", "Adblue level low", "problem"),
        ("brake_lining_wear_indicator", "Brake lining wear", "problem"),
        ("brake_warning_indicator", "Brake warning", "problem"),
        ("turn_signal_indicator", "Turn signal", None),
        ("keyless_entry_enabled", "Keyless entry enabled", None),
    ],
)
@pytest.mark.parametrize("value", [True, False, "", "sensor_failure", 3])
def test_an_indicator_is_a_binary_sensor_whatever_it_says(
    key: str, name: str, device_class: str | None, value: bool | str
) -> None:
    found = binary_sensor(key, value)
    assert (found.name, found.device_class) == (name, device_class)
    assert not found.entity_registry_enabled_default
    assert_accepted(found)


def test_a_failed_sensor_is_neither_on_nor_off() -> None:
    """An empty text is what the entity shows as unknown."""
    found = values(recorded(adblue_level_low_indicator="SENSOR_FAILURE"))
    assert found == {"adblue_level_low_indicator": ""}


@pytest.mark.parametrize("value", [True, False])
def test_a_truth_makes_a_binary_sensor(value: bool) -> None:
    found = binary_sensor("handbrake", value)
    assert (found.name, found.device_class) == ("Handbrake", None)
    assert found.entity_category == "diagnostic"


@pytest.mark.parametrize(
    ("value", "options"),
    [
        ("locked", ["locked", "unlocked"]),
        ("unlocked", ["locked", "unlocked"]),
        ("open", ["closed", "open"]),
        ("closed", ["closed", "open"]),
        ("ajar", None),
        (0, None),
        (2.5, None),
    ],
)
def test_anything_else_is_a_sensor_that_can_show_anything(
    value: float | str, options: list[str] | None
) -> None:
    found = sensor("rear_doors", value)
    assert (found.name, found.options) == ("Rear doors", options)
    assert found.native_unit_of_measurement is None
    assert found.state_class is None
    assert found.entity_category == "diagnostic"
    assert not found.entity_registry_enabled_default
    assert_accepted(found)


def test_nothing_known_makes_no_entity_yet() -> None:
    assert described("rear_doors", "") is None


RAW = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9)
)
KEYS = st.sampled_from(
    [f"thing{suffix}" for suffix in (*NUMERIC_SUFFIXES, "_indicator", "_enabled")]
)


@given(KEYS, RAW, RAW)
def test_a_key_with_a_telling_end_never_changes_its_platform(
    key: str, first: object, second: object
) -> None:
    kinds = set()
    for raw in (first, second):
        (told,) = recorded(**{key: raw}).updates
        assert isinstance(told, Reading)
        value = told.value
        kind = kind_of(key)
        numeric = value == "" or not isinstance(value, bool | str)
        assert numeric if kind is Kind.NUMBER else value in (True, False, "")
        kinds.add(type(describe(told)))
    assert len(kinds) == 1
