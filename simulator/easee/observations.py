"""What a charger reports: ids, types and the notation of values on the wire."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
import json

type ObservationValue = bool | int | float | str


class ObservationId(IntEnum):
    """The observations of the vendor's AMQP page."""

    DETECTED_POWER_GRID_TYPE = 21
    CIRCUIT_MAX_CURRENT_P1 = 22
    CIRCUIT_MAX_CURRENT_P2 = 23
    CIRCUIT_MAX_CURRENT_P3 = 24
    LOCK_CABLE_PERMANENTLY = 30
    IS_ENABLED = 31
    SMART_BUTTON_ENABLED = 44
    LED_MODE = 46
    MAX_CHARGER_CURRENT = 47
    DYNAMIC_CHARGER_CURRENT = 48
    MAX_CURRENT_OFFLINE_FALLBACK_P1 = 50
    MAX_CURRENT_OFFLINE_FALLBACK_P2 = 51
    MAX_CURRENT_OFFLINE_FALLBACK_P3 = 52
    CHARGING_SESSION_SIGNED = 60
    SOFTWARE_RELEASE = 80
    REBOOT_REASON = 89
    REASON_FOR_NO_CURRENT = 96
    SMART_CHARGING = 102
    CABLE_LOCKED = 103
    CABLE_RATING = 104
    USER_ID_TOKEN_REVERSED = 108
    CHARGER_OP_MODE = 109
    OUTPUT_PHASE = 110
    DYNAMIC_CIRCUIT_CURRENT_P1 = 111
    DYNAMIC_CIRCUIT_CURRENT_P2 = 112
    DYNAMIC_CIRCUIT_CURRENT_P3 = 113
    TOTAL_POWER = 120
    SESSION_ENERGY = 121
    ENERGY_PER_HOUR = 122
    LIFETIME_ENERGY = 124
    USER_ID_TOKEN = 128
    CHARGING_SESSION = 129
    CELL_RSSI = 130
    WIFI_RSSI = 132
    CHARGER_RAT = 141
    LOCAL_NODE_TYPE = 146
    TEMP_MAX = 150
    IN_CURRENT_T2 = 182
    IN_CURRENT_T3 = 183
    IN_CURRENT_T4 = 184
    IN_CURRENT_T5 = 185
    IN_VOLT_T1_T2 = 190
    IN_VOLT_T1_T3 = 191
    IN_VOLT_T1_T4 = 192
    IN_VOLT_T1_T5 = 193
    IN_VOLT_T2_T3 = 194
    IN_VOLT_T2_T4 = 195
    IN_VOLT_T2_T5 = 196
    CHARGING_SESSION_START = 223
    CONNECTED_TO_CLOUD = 250
    CLOUD_DISCONNECT_REASON = 251


class OpMode(IntEnum):
    """Values of CHARGER_OP_MODE that a played charger takes."""

    DISCONNECTED = 1
    AWAITING_START = 2
    CHARGING = 3
    COMPLETED = 4
    AWAITING_AUTHENTICATION = 7


class ReasonForNoCurrent(IntEnum):
    """Values of REASON_FOR_NO_CURRENT that a played charger takes."""

    OK = 0
    NO_CAR = 50
    PENDING_AUTHORIZATION = 55
    CAR_NOT_CHARGING = 79


class LedMode(IntEnum):
    """Values of LED_MODE that a played charger takes."""

    STANDBY = 18
    NOT_CHARGING = 23
    CHARGING = 24
    WAITING_FOR_AUTHORIZATION = 25


class OutputPhase(IntEnum):
    """Values of OUTPUT_PHASE that a played charger takes."""

    UNASSIGNED = 0
    ONE_PHASE = 10
    THREE_PHASES = 30


class DataType(IntEnum):
    """The codes by which the HTTP API names the type of a value."""

    BOOLEAN = 2
    DOUBLE = 3
    INTEGER = 4
    STRING = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One observation of one charger, with the charger's own time in UTC."""

    time: datetime
    observation_id: int
    value: ObservationValue


def data_type(value: ObservationValue) -> DataType:
    """The type that the HTTP API gives beside a value."""
    match value:
        case bool():
            return DataType.BOOLEAN
        case int():
            return DataType.INTEGER
        case float():
            return DataType.DOUBLE
        case str():
            return DataType.STRING


def timestamp(time: datetime) -> str:
    """A time as the charger writes it: ISO 8601, UTC, no trailing zeros."""
    text = time.astimezone(UTC).replace(tzinfo=None).isoformat()
    return f"{text.rstrip('0') if '.' in text else text}Z"


def arrival_time(time: datetime) -> str:
    """A time as the cloud writes it: always seven digits after the point."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"


def body(time: datetime, value: ObservationValue) -> bytes:
    """The body of an observation on the wire; its value keeps its JSON type."""
    return json.dumps({"Timestamp": timestamp(time), "Value": value}).encode()
