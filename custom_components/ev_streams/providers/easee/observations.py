"""What each ObservationId means: its key, and how its value is read.

The ids, names and types are those of the vendor's page "Connecting to AMQP".
A message names no type, so this table decides. Units and the spread of forms
that a value may take (typed JSON or text, 1 or "true" for true, 5.0 for an
integer) follow what public clients have seen.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import math
import re

from ...model import BadInputError, Value
from . import enums

CHARGING_SESSION_SIGNED = 60
CHARGING_SESSION = 129
CHARGING_SESSION_START = 223

AMPERES_AT_MOST = 1000
MASK_BITS = 32
# Python itself would also take 1_0 and the digits of other scripts.
NUMBER = re.compile(r"[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?|[-+]?[0-9]+\.")
STATE_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Observation:
    """One ObservationId: the vendor's name, our key, and the reading of its value."""

    name: str
    key: str
    convert: Callable[[object], Value]


def boolean(raw: object) -> bool:
    """Read true, 1, "1", "true" and their opposites."""
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and raw.strip().lower() in {"true", "false"}:
        return raw.strip().lower() == "true"
    number = decimal(raw)
    if number not in {0, 1}:
        raise BadInputError("not_a_boolean")
    return number == 1


def decimal(raw: object) -> float:
    """Read a finite number, typed or as text."""
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise BadInputError("not_a_number")
    if isinstance(raw, str) and not NUMBER.fullmatch(raw.strip()):
        raise BadInputError("not_a_number")
    try:
        number = float(raw)
    except (ValueError, OverflowError) as err:
        raise BadInputError("not_a_number") from err
    if not math.isfinite(number):
        raise BadInputError("not_a_number")
    return number


def integer(raw: object) -> int:
    """Read a whole number; 5.0 is one."""
    number = decimal(raw)
    if not number.is_integer():
        raise BadInputError("not_an_integer")
    return int(number)


def text(raw: object) -> str:
    """Read a text; a bare number is taken as its digits."""
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise BadInputError("not_a_text")
    return str(raw)


def short_text(raw: object) -> str:
    """Read a text that becomes a state; Home Assistant takes no longer ones."""
    return text(raw)[:STATE_LENGTH]


def reversed_token(raw: object) -> str:
    """Undo the reversal of an RFID token.

    The vendor only says that the string must be reversed. Tokens are bytes in
    hexadecimal, so that pairs of digits change places (inferred); anything
    else is reversed by the letter.
    """
    token = short_text(raw)
    try:
        return (
            bytes.fromhex(token)[::-1].hex().upper() if token.isalnum() else token[::-1]
        )
    except ValueError:
        return token[::-1]


def ampere_rating(raw: object) -> float:
    """Read a cable rating in A; some chargers report mA."""
    rating = decimal(raw)
    return rating / 1000 if rating >= AMPERES_AT_MOST else rating


def code(table: Mapping[int, str]) -> Callable[[object], str]:
    """Return a reader of codes that gives `unknown_<code>` for one the table lacks."""

    def convert(raw: object) -> str:
        number = integer(raw)
        return table.get(number, f"unknown_{number}")

    return convert


def reboot_reason(raw: object) -> str:
    """Read the bit mask as words in alphabetical order; an unknown bit is `bit_<n>`."""
    mask = integer(raw)
    if not 0 <= mask < 2**MASK_BITS:
        raise BadInputError("not_a_bit_mask")
    bits = (bit for bit in range(mask.bit_length()) if mask >> bit & 1)
    words = sorted(enums.REBOOT_REASON.get(bit, f"bit_{bit}") for bit in bits)
    return ", ".join(words) or "none"


OBSERVATIONS: Mapping[int, Observation] = {
    21: Observation(
        "DetectedPowerGridType", "detected_power_grid_type", code(enums.POWER_GRID_TYPE)
    ),
    22: Observation("CircuitMaxCurrentP1", "circuit_max_current_p1", decimal),
    23: Observation("CircuitMaxCurrentP2", "circuit_max_current_p2", decimal),
    24: Observation("CircuitMaxCurrentP3", "circuit_max_current_p3", decimal),
    30: Observation("LockCablePermanently", "lock_cable_permanently", boolean),
    31: Observation("IsEnabled", "is_enabled", boolean),
    44: Observation("SmartButtonEnabled", "smart_button_enabled", boolean),
    46: Observation("LEDMode", "led_mode", code(enums.LED_MODE)),
    47: Observation("MaxChargerCurrent", "max_charger_current", decimal),
    48: Observation("DynamicChargerCurrent", "dynamic_charger_current", decimal),
    50: Observation(
        "MaxCurrentOfflineFallback_P1", "max_current_offline_fallback_p1", decimal
    ),
    51: Observation(
        "MaxCurrentOfflineFallback_P2", "max_current_offline_fallback_p2", decimal
    ),
    52: Observation(
        "MaxCurrentOfflineFallback_P3", "max_current_offline_fallback_p3", decimal
    ),
    60: Observation("ChargingSessionSigned", "charging_session_signed", text),
    80: Observation("SoftwareRelease", "software_release", integer),
    89: Observation("RebootReason", "reboot_reason", reboot_reason),
    96: Observation(
        "ReasonForNoCurrent", "reason_for_no_current", code(enums.REASON_FOR_NO_CURRENT)
    ),
    102: Observation("SmartCharging", "smart_charging", boolean),
    103: Observation("CableLocked", "cable_locked", boolean),
    104: Observation("CableRating", "cable_rating", ampere_rating),
    108: Observation("UserIDTokenReversed", "user_id_token_reversed", reversed_token),
    109: Observation("ChargerOpMode", "charger_op_mode", code(enums.CHARGER_OP_MODE)),
    110: Observation("OutputPhase", "output_phase", code(enums.OUTPUT_PHASE)),
    111: Observation("DynamicCircuitCurrentP1", "dynamic_circuit_current_p1", decimal),
    112: Observation("DynamicCircuitCurrentP2", "dynamic_circuit_current_p2", decimal),
    113: Observation("DynamicCircuitCurrentP3", "dynamic_circuit_current_p3", decimal),
    120: Observation("TotalPower", "total_power", decimal),
    121: Observation("SessionEnergy", "session_energy", decimal),
    122: Observation("EnergyPerHour", "energy_per_hour", decimal),
    124: Observation("LifetimeEnergy", "lifetime_energy", decimal),
    128: Observation("UserIDToken", "user_id_token", short_text),
    129: Observation("ChargingSession", "charging_session", text),
    130: Observation("CellRSSI", "cell_rssi", integer),
    132: Observation("WiFiRSSI", "wifi_rssi", integer),
    141: Observation("ChargerRAT", "charger_rat", code(enums.CHARGER_RAT)),
    146: Observation("LocalNodeType", "local_node_type", code(enums.LOCAL_NODE_TYPE)),
    150: Observation("TempMax", "temp_max", decimal),
    182: Observation("InCurrent_T2", "in_current_t2", decimal),
    183: Observation("InCurrent_T3", "in_current_t3", decimal),
    184: Observation("InCurrent_T4", "in_current_t4", decimal),
    185: Observation("InCurrent_T5", "in_current_t5", decimal),
    190: Observation("InVolt_T1_T2", "in_volt_t1_t2", decimal),
    191: Observation("InVolt_T1_T3", "in_volt_t1_t3", decimal),
    192: Observation("InVolt_T1_T4", "in_volt_t1_t4", decimal),
    193: Observation("InVolt_T1_T5", "in_volt_t1_t5", decimal),
    194: Observation("InVolt_T2_T3", "in_volt_t2_t3", decimal),
    195: Observation("InVolt_T2_T4", "in_volt_t2_t4", decimal),
    196: Observation("InVolt_T2_T5", "in_volt_t2_t5", decimal),
    223: Observation("ChargingSessionStart", "charging_session_start", text),
    250: Observation("ConnectedToCloud", "connected_to_cloud", boolean),
    251: Observation("CloudDisconnectReason", "cloud_disconnect_reason", short_text),
}
