"""All 51 observations, sent through the broker and looked at as entities."""

from datetime import UTC, datetime, timedelta
import json

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
import pytest

from simulator.easee import EaseeAccount, EaseeCloud
from simulator.easee.observations import ObservationValue

from .helpers import SERIAL, add_account, entity_id, state, wait_for_state, wait_until

# id: key, value as sent, state as shown. Typed by hand from the vendor's words.
SHOWN: dict[int, tuple[str, ObservationValue, str]] = {
    21: ("detected_power_grid_type", 1, "tn_three_phases"),
    22: ("circuit_max_current_p1", 32.0, "32.0"),
    23: ("circuit_max_current_p2", 31.0, "31.0"),
    24: ("circuit_max_current_p3", 30.0, "30.0"),
    30: ("lock_cable_permanently", True, "on"),
    31: ("is_enabled", False, "off"),
    44: ("smart_button_enabled", True, "on"),
    46: ("led_mode", 24, "normal_charging"),
    47: ("max_charger_current", 29.0, "29.0"),
    48: ("dynamic_charger_current", 28.0, "28.0"),
    50: ("max_current_offline_fallback_p1", 6, "6.0"),
    51: ("max_current_offline_fallback_p2", 7, "7.0"),
    52: ("max_current_offline_fallback_p3", 8, "8.0"),
    80: ("software_release", 331, "331"),
    # Bits 4 and 20.
    89: ("reboot_reason", 2**4 + 2**20, "reboot_command, software"),
    96: ("reason_for_no_current", 79, "car_not_charging"),
    102: ("smart_charging", True, "on"),
    # A lock's "on" is unlocked.
    103: ("cable_locked", True, "off"),
    104: ("cable_rating", 20000, "20.0"),
    108: ("user_id_token_reversed", "D4C3B2A1", "A1B2C3D4"),
    109: ("charger_op_mode", 6, "ready_to_charge"),
    110: ("output_phase", 30, "three_phases"),
    111: ("dynamic_circuit_current_p1", 25.0, "25.0"),
    112: ("dynamic_circuit_current_p2", 24.0, "24.0"),
    113: ("dynamic_circuit_current_p3", 23.0, "23.0"),
    120: ("total_power", 10.75, "10.75"),
    121: ("session_energy", 3.21, "3.21"),
    122: ("energy_per_hour", 1.11, "1.11"),
    124: ("lifetime_energy", 12345.6, "12345.6"),
    128: ("user_id_token", "A1B2C3D4", "A1B2C3D4"),
    130: ("cell_rssi", -89, "-89"),
    132: ("wifi_rssi", -61, "-61"),
    141: ("charger_rat", 1, "wifi"),
    146: ("local_node_type", 3, "end_device"),
    150: ("temp_max", 41, "41.0"),
    182: ("in_current_t2", 0.1, "0.1"),
    183: ("in_current_t3", 15.1, "15.1"),
    184: ("in_current_t4", 15.2, "15.2"),
    185: ("in_current_t5", 15.3, "15.3"),
    190: ("in_volt_t1_t2", 1.1, "1.1"),
    191: ("in_volt_t1_t3", 230.1, "230.1"),
    192: ("in_volt_t1_t4", 230.2, "230.2"),
    193: ("in_volt_t1_t5", 230.3, "230.3"),
    194: ("in_volt_t2_t3", 231.1, "231.1"),
    195: ("in_volt_t2_t4", 231.2, "231.2"),
    196: ("in_volt_t2_t5", 231.3, "231.3"),
    250: ("connected_to_cloud", True, "on"),
    251: ("cloud_disconnect_reason", "DUPLICATE_CLIENTID", "DUPLICATE_CLIENTID"),
}
SESSION_IDS = {60, 129, 223}


def test_the_table_is_whole() -> None:
    """Together with the three that tell of sessions there are 51."""
    assert len(SHOWN) + len(SESSION_IDS) == 51
    assert not SESSION_IDS & set(SHOWN)


async def test_every_observation_is_shown(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    every_entity_enabled: None,
) -> None:
    """Each id changes its own entity, as the vendor's description has it."""
    await add_account(hass, cloud, account)
    for observation_id, (_key, value, _shown) in SHOWN.items():
        await account.publish(SERIAL, observation_id, value)
    for key, _value, shown in SHOWN.values():
        await wait_for_state(hass, SERIAL, key, shown)
    now = datetime.now(UTC).replace(microsecond=0)
    start = (now - timedelta(hours=2)).isoformat()
    stop = (now - timedelta(hours=1)).isoformat()
    session = {"Id": 1, "Start": start}
    ended = session | {"Stop": stop, "EnergyKwh": 5.0}
    await account.publish(SERIAL, 223, json.dumps(session))
    await wait_for_state(hass, SERIAL, "charging_session_start", start)
    await account.publish(SERIAL, 129, json.dumps(ended))
    await wait_for_state(hass, SERIAL, "charging_session_stop", stop)

    def told() -> object:
        return state(hass, SERIAL, "charging_session").attributes["event_type"]

    await wait_until(lambda: told() == "stopped", "the event")
    signed_at = now - timedelta(minutes=30)
    await account.publish(SERIAL, 60, "opaque", timestamp=signed_at)
    await wait_for_state(hass, SERIAL, "charging_session_signed", signed_at.isoformat())


async def test_what_a_person_looks_at_is_enabled(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """Telemetry is there without a click; personal, rare and noisy things are not."""
    await add_account(hass, cloud, account)
    registry = er.async_get(hass)

    def is_enabled(key: str) -> bool:
        entry = registry.async_get(entity_id(hass, SERIAL, key))
        assert entry is not None
        return entry.disabled_by is None

    for key in (
        "charger_op_mode",
        "total_power",
        "session_energy",
        "lifetime_energy",
        "in_current_t3",
        "in_volt_t2_t3",
        "temp_max",
        "cable_locked",
        "connected_to_cloud",
        "charging_session",
        "charging_session_energy",
        "charging_session_start",
        "charging_session_stop",
        "charging_session_duration",
        "reason_for_no_current",
    ):
        assert is_enabled(key), key
    for key in (
        "user_id_token",
        "user_id_token_reversed",
        "wifi_rssi",
        "cell_rssi",
        "led_mode",
        "reboot_reason",
        "charging_session_signed",
        "upload_latency",
        "in_volt_t1_t2",
    ):
        assert not is_enabled(key), key


async def test_session_energy_may_begin_anew(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """Statistics take a fall to zero for a new session, whatever else is told of it."""
    await add_account(hass, cloud, account)
    await account.publish(SERIAL, 121, 7.5)
    await wait_for_state(hass, SERIAL, "session_energy", "7.5")
    await account.publish(SERIAL, 121, 0)
    shown = await wait_for_state(hass, SERIAL, "session_energy", "0.0")
    assert shown.attributes["state_class"] == "total_increasing"


@pytest.mark.parametrize(
    "key", ["stream_status", "backlog", "last_message", "connected"]
)
async def test_stream_has_entities_of_its_own(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount, key: str
) -> None:
    """One look at the account's device tells whether the stream is well."""
    entry = await add_account(hass, cloud, account)
    before = datetime.now(UTC).replace(microsecond=0)
    await account.publish(SERIAL, 120, 1.25)
    account_id = str(entry.unique_id)
    expected = {"stream_status": "live", "backlog": "0", "connected": "on"}
    if key in expected:
        await wait_for_state(hass, account_id, key, expected[key])
        return
    await wait_until(
        lambda: state(hass, account_id, key).state != "unknown", "the first message"
    )
    shown = datetime.fromisoformat(state(hass, account_id, key).state)
    assert before <= shown <= datetime.now(UTC)
