"""Every ObservationId of the vendor's page reaches exactly one entity, of the right kind.

`observation_table.csv` holds the ids and names of that page. Units, classes
and codes are typed here once more, from the vendor's enumerations and what
public clients say, so that a slip in the integration's tables shows.
"""

from collections.abc import Mapping
import csv
from pathlib import Path
import re

from homeassistant.components.binary_sensor import BinarySensorDeviceClass
from homeassistant.components.sensor import (
    DEVICE_CLASS_STATE_CLASSES,
    DEVICE_CLASS_UNITS,
    SensorDeviceClass,
    SensorEntityDescription,
)
from homeassistant.helpers.entity import EntityDescription
import pytest

from custom_components.ev_streams.binary_sensor import CONNECTED
from custom_components.ev_streams.event import CHARGING_SESSION
from custom_components.ev_streams.providers import PROVIDERS
from custom_components.ev_streams.providers.easee import enums
from custom_components.ev_streams.providers.easee.observations import OBSERVATIONS
from custom_components.ev_streams.sensor import (
    SESSION_SENSORS,
    STREAM_SENSORS,
    UPLOAD_LATENCY,
)

EASEE = PROVIDERS["easee"]

with (Path(__file__).parent / "observation_table.csv").open() as _file:
    TABLE = {int(row["id"]): row["name"] for row in csv.DictReader(_file)}

A, V, KW, KWH, DBM, CELSIUS = "A", "V", "kW", "kWh", "dBm", "°C"

type Looks = tuple[str, str | None, str | None, str | None]

ENUM: Looks = ("sensor", "enum", None, None)
PLAIN: Looks = ("sensor", None, None, None)
YES_OR_NO: Looks = ("binary_sensor", None, None, None)
# What was set is no measurement.
LIMIT: Looks = ("sensor", "current", A, None)
CURRENT: Looks = ("sensor", "current", A, "measurement")
VOLTAGE: Looks = ("sensor", "voltage", V, "measurement")
RSSI: Looks = ("sensor", "signal_strength", DBM, "measurement")
# The documents of a session are no states: their times are, or the event itself.
TIME: Looks = ("sensor", "timestamp", None, None)

# Platform, device class, unit, state class.
LOOKS: Mapping[int, Looks] = {
    21: ENUM,
    **dict.fromkeys((22, 23, 24), LIMIT),
    30: YES_OR_NO,
    31: YES_OR_NO,
    44: YES_OR_NO,
    46: ENUM,
    **dict.fromkeys((47, 48, 50, 51, 52), LIMIT),
    60: TIME,
    80: PLAIN,
    89: PLAIN,
    96: ENUM,
    102: YES_OR_NO,
    103: ("binary_sensor", "lock", None, None),
    104: LIMIT,
    108: PLAIN,
    109: ENUM,
    110: ENUM,
    **dict.fromkeys((111, 112, 113), LIMIT),
    120: ("sensor", "power", KW, "measurement"),
    # It begins anew with every session.
    121: ("sensor", "energy", KWH, "total_increasing"),
    # A figure for the past hour is neither a total nor a measurement.
    122: ("sensor", "energy", KWH, None),
    124: ("sensor", "energy", KWH, "total_increasing"),
    128: PLAIN,
    129: ("event", None, None, None),
    130: RSSI,
    132: RSSI,
    141: ENUM,
    146: ENUM,
    150: ("sensor", "temperature", CELSIUS, "measurement"),
    **dict.fromkeys((182, 183, 184, 185), CURRENT),
    **dict.fromkeys((190, 191, 192, 193, 194, 195, 196), VOLTAGE),
    223: TIME,
    250: ("binary_sensor", "connectivity", None, None),
    251: PLAIN,
}

# Every code of an enumeration with words that its state must be made of.
CODES: Mapping[int, Mapping[int, str]] = {
    21: {
        -1: "unknown type",
        0: "not yet detected",
        1: "tn three phases",
        2: "tn two phases 2 3 4",
        3: "tn one phase",
        4: "it three phases",
        5: "it one phase",
        30: "warning tn two phases 2 3 5",
        31: "warning tn one phase neutral 3",
        32: "warning it three phases ground fault",
        33: "warning it one phase ground fault",
        34: "warning it three phases ground fault l3",
        35: "warning it one phase ground fault l3",
        36: "warning tn two phases 2 3 4",
        37: "warning tn three phases ground fault",
        38: "warning tn two phases ground fault",
        50: "error no valid grid",
        51: "error tn 400 v neutral wrong pin",
        52: "error it ground pin 2 3",
    },
    46: {
        0: "disabled",
        **dict.fromkeys(range(1, 16), "updating"),
        16: "faulty",
        17: "faulty",
        18: "standby master",
        19: "standby secondary",
        20: "searching for master",
        21: "smart not charging",
        22: "smart charging",
        23: "normal not charging",
        24: "normal charging",
        25: "waiting for authorization",
        26: "verifying backend",
        27: "check configuration",
        29: "pairing rfid",
        43: "self test",
        44: "self test",
    },
    96: {
        0: "ok",
        1: "max circuit current too low",
        2: "max dynamic circuit current too low",
        3: "max dynamic offline fallback too low",
        4: "circuit fuse too low",
        5: "waiting in queue",
        6: "waiting fully charged queue",
        7: "illegal grid type",
        8: "no request secondary",
        9: "lost contact master",
        10: "equalizer current too low",
        11: "phase not connected",
        25: "limited circuit fuse",
        26: "limited circuit max",
        27: "limited dynamic circuit",
        28: "limited equalizer",
        29: "limited load balancing",
        30: "limited offline settings",
        50: "secondary not requesting",
        51: "max charger current too low",
        52: "max dynamic charger current too low",
        53: "charger disabled",
        54: "pending scheduled charging",
        55: "pending authorization",
        56: "error state",
        57: "erratic ev",
        75: "limited cable rating",
        76: "limited schedule",
        77: "limited max charger current",
        78: "limited dynamic charger current",
        79: "car not charging",
        80: "local adjustment",
        81: "limited car",
        100: "undefined",
    },
    109: {
        0: "offline",
        1: "disconnected",
        2: "awaiting start",
        3: "charging",
        4: "completed",
        5: "error",
        6: "ready to charge",
        7: "awaiting authentication",
        8: "deauthenticating",
        100: "start charging",
        101: "stop charging",
        102: "offline",
        103: "awaiting load balancing",
        104: "awaiting authorization",
        105: "awaiting smart start",
        106: "awaiting scheduled start",
        107: "authenticating",
        108: "paused equalizer",
        109: "searching for master",
        157: "erratic ev",
        158: "temperature too high",
        159: "dead power board",
        160: "overcurrent",
        161: "pen fault",
    },
    110: {
        0: "unassigned",
        10: "one phase n l1",
        11: "one phase l1 l2",
        12: "one phase n l2",
        13: "one phase l1 l3",
        14: "one phase n l3",
        15: "one phase l2 l3",
        20: "two phases l1 l2",
        21: "two phases l2 l3",
        22: "two phases l1 l2 l2 l3",
        30: "three phases",
    },
    141: {0: "cellular", 1: "wifi"},
    146: {0: "unconfigured", 1: "master", 2: "extender", 3: "end device"},
}

PRODUCTS = {
    1: "Easee Home",
    2: "Easee Charge Lite",
    3: "Easee Charge Max",
    4: "Easee Charge Up",
    100: "Easee Charge",
    102: "Easee Charge Core",
    103: "Easee Charge Pro",
    400: "Easee Charge One",
}

# All that can be shown of a charger, by platform.
DESCRIPTIONS: Mapping[str, tuple[EntityDescription, ...]] = {
    "sensor": (*EASEE.sensors, *SESSION_SENSORS, UPLOAD_LATENCY),
    "binary_sensor": EASEE.binary_sensors,
    "event": (CHARGING_SESSION,),
}


def snake_case(name: str) -> str:
    """The key of an observation; "WiFi" is one word, and so is a row of capitals."""
    words = re.findall(r"[A-Z]+(?![a-z])\d*|[A-Z][a-z]+", name.replace("WiFi", "Wifi"))
    assert "".join(words) == name.replace("WiFi", "Wifi").replace("_", "")
    return "_".join(words).lower()


def shown_by(key: str) -> list[tuple[str, EntityDescription]]:
    """The entities of a charger that show a key, each with its platform."""
    return [
        (platform, description)
        for platform, descriptions in DESCRIPTIONS.items()
        for description in descriptions
        if description.key == key
    ]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("TotalPower", "total_power"),
        ("InCurrent_T2", "in_current_t2"),
        ("LEDMode", "led_mode"),
        ("WiFiRSSI", "wifi_rssi"),
        ("ChargerRAT", "charger_rat"),
        ("UserIDToken", "user_id_token"),
        ("InVolt_T1_T2", "in_volt_t1_t2"),
        ("CircuitMaxCurrentP1", "circuit_max_current_p1"),
    ],
)
def test_keys_are_names_in_snake_case(name: str, key: str) -> None:
    assert snake_case(name) == key


def test_the_vendors_table_is_complete() -> None:
    assert len(TABLE) == len(set(TABLE.values())) == 51
    assert set(TABLE) == set(LOOKS)
    assert set(CODES) == {each for each, looks in LOOKS.items() if looks == ENUM}


def test_the_integration_knows_no_other_ids() -> None:
    assert set(OBSERVATIONS) == set(TABLE)


@pytest.mark.parametrize(("observation_id", "name"), TABLE.items())
def test_every_id_has_its_name_and_key(observation_id: int, name: str) -> None:
    observation = OBSERVATIONS[observation_id]
    assert observation.name == name
    assert observation.key == snake_case(name)


@pytest.mark.parametrize(("observation_id", "name"), TABLE.items())
def test_every_id_is_shown_by_one_entity_of_the_right_kind(
    observation_id: int, name: str
) -> None:
    ((platform, description),) = shown_by(snake_case(name))
    looks = (
        platform,
        getattr(description, "device_class", None),
        getattr(description, "native_unit_of_measurement", None),
        getattr(description, "state_class", None),
    )
    assert looks == LOOKS[observation_id]


def test_no_reading_is_without_an_observation() -> None:
    """What the provider's own entities show is what some observation tells."""
    keys = {description.key for description in (*EASEE.sensors, *EASEE.binary_sensors)}
    made_of_others = {"energy"}
    assert keys - made_of_others <= {each.key for each in OBSERVATIONS.values()}


def test_no_two_entities_share_a_key() -> None:
    for platform, descriptions in DESCRIPTIONS.items():
        keys = [description.key for description in descriptions]
        assert len(keys) == len(set(keys)), platform
    stream = [description.key for description in (*STREAM_SENSORS, CONNECTED)]
    assert len(stream) == len(set(stream))


@pytest.mark.parametrize(
    "description",
    [*EASEE.sensors, *SESSION_SENSORS, *STREAM_SENSORS, UPLOAD_LATENCY],
    ids=lambda description: description.key,
)
def test_home_assistant_accepts_unit_and_state_class(
    description: SensorEntityDescription,
) -> None:
    device_class = description.device_class
    unit, state_class = description.native_unit_of_measurement, description.state_class
    if device_class in DEVICE_CLASS_UNITS:
        assert unit in DEVICE_CLASS_UNITS[device_class]
    if device_class is not None and state_class is not None:
        assert state_class in DEVICE_CLASS_STATE_CLASSES[device_class]
    assert (description.options is not None) is (device_class is SensorDeviceClass.ENUM)


@pytest.mark.parametrize("observation_id", CODES)
def test_every_code_has_a_word_that_says_what_it_means(observation_id: int) -> None:
    observation = OBSERVATIONS[observation_id]
    for code, meaning in CODES[observation_id].items():
        word = observation.convert(code)
        assert isinstance(word, str)
        said = iter(word.split("_"))
        assert all(part in said for part in meaning.split()), (code, word)


@pytest.mark.parametrize("observation_id", CODES)
def test_codes_of_different_meaning_have_different_words(observation_id: int) -> None:
    meanings: dict[object, str] = {}
    for code, meaning in CODES[observation_id].items():
        word = OBSERVATIONS[observation_id].convert(code)
        assert meanings.setdefault(word, meaning) == meaning


@pytest.mark.parametrize("observation_id", CODES)
def test_the_options_are_the_words_of_all_codes(observation_id: int) -> None:
    observation = OBSERVATIONS[observation_id]
    ((_, description),) = shown_by(observation.key)
    assert isinstance(description, SensorEntityDescription)
    options = description.options or []
    assert set(options) == {observation.convert(code) for code in CODES[observation_id]}
    assert len(options) == len(set(options))


@pytest.mark.parametrize("observation_id", CODES)
def test_any_other_code_is_unknown(observation_id: int) -> None:
    for code in {*range(-5, 300)} - set(CODES[observation_id]):
        assert OBSERVATIONS[observation_id].convert(code) == f"unknown_{code}"


def test_a_lock_that_is_locked_is_off() -> None:
    """For the device class "on" means open, while the observation tells of the lock."""
    for description in EASEE.binary_sensors:
        is_lock = description.device_class is BinarySensorDeviceClass.LOCK
        assert description.inverted is is_lock, description.key


@pytest.mark.parametrize(
    "observation_id", [109, 120, 121, 124, 103, 183, 184, 185, 194, 195, 196, 250]
)
def test_what_a_person_looks_at_is_enabled(observation_id: int) -> None:
    ((_, description),) = shown_by(snake_case(TABLE[observation_id]))
    assert description.entity_registry_enabled_default


@pytest.mark.parametrize("observation_id", [60, 89, 108, 128, 130, 132, 182, 190])
def test_what_is_rare_noisy_or_personal_is_disabled(observation_id: int) -> None:
    ((_, description),) = shown_by(snake_case(TABLE[observation_id]))
    assert not description.entity_registry_enabled_default


def test_tokens_are_personal() -> None:
    assert {"user_id_token", "user_id_token_reversed"} <= EASEE.personal_keys


def test_the_readings_that_the_shared_parts_ask_for_exist() -> None:
    assert EASEE.online_key == snake_case(TABLE[250])
    assert EASEE.firmware_key == snake_case(TABLE[80])


def test_an_offline_charger_makes_telemetry_unavailable_but_not_settings() -> None:
    telemetry = {each.key for each in EASEE.sensors if each.is_telemetry}
    telemetry |= {each.key for each in EASEE.binary_sensors if each.is_telemetry}
    settings = (22, 23, 24, 30, 31, 44, 47, 48, 50, 51, 52, 102)
    measured = (103, 109, 120, 121, 124, 130, 132, 150)
    terminals = (*range(182, 186), *range(190, 197))
    assert {snake_case(TABLE[each]) for each in (*measured, *terminals)} <= telemetry
    assert not {snake_case(TABLE[each]) for each in (*settings, 250)} & telemetry


def test_product_codes() -> None:
    assert enums.PRODUCT == PRODUCTS
