"""One charger as the cloud knows it: what it is and what it reported last."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
import json
from types import MappingProxyType

from .observations import (
    LedMode,
    Measurement,
    ObservationId as Id,
    ObservationValue,
    OpMode,
    OutputPhase,
    ReasonForNoCurrent,
)
from .sessions import ChargingSession, kilowatt_hours

PRODUCTS: Mapping[int, str] = MappingProxyType(
    {
        1: "Easee Home",
        100: "Easee Charge",
        102: "Easee Charge Core",
        103: "Easee Charge Pro",
        400: "Easee Charge One",
    }
)

_LAST_SESSION_ENERGY = 7.216408
_LAST_SESSION_DURATION = timedelta(minutes=41, seconds=12)


@dataclass(slots=True, kw_only=True)
class EaseeCharger:
    """A charger of an account, idle since yesterday when it is made."""

    serial: str
    name: str
    product_code: int = 1
    firmware: int = 330
    max_current: float = 32.0
    """Of the charger, in A for each phase."""
    lifetime_energy: float = 1278.28391
    """The meter in kWh when the charger was made."""
    last_session_id: int = 434
    observations: dict[int, tuple[datetime, ObservationValue]] = field(init=False)
    """By observation id: the charger's time and the value, newest first and only."""
    hourly_usage: dict[datetime, float] = field(init=False, default_factory=dict)
    """kWh by the beginning of an hour, from what the charger reported."""
    created: datetime = field(init=False)

    def __post_init__(self) -> None:
        now = datetime.now(UTC).replace(microsecond=0)
        self.created = now - timedelta(days=400)
        self.observations = initial_observations(self, now)

    def remember(self, measurement: Measurement) -> None:
        """Take in what the charger reported, unless something newer is known."""
        held = self.observations.get(measurement.observation_id)
        if held is None or held[0] <= measurement.time:
            self.observations[measurement.observation_id] = (
                measurement.time,
                measurement.value,
            )
        if measurement.observation_id == Id.ENERGY_PER_HOUR:
            hour = measurement.time.replace(minute=0, second=0, microsecond=0)
            self.hourly_usage[hour - timedelta(hours=1)] = float(measurement.value)

    def unplug(self, now: datetime) -> None:
        """Let the car leave: a session that runs is over, and the meter says so."""
        begun = json.loads(str(self.observations[Id.CHARGING_SESSION_START][1]))
        last = json.loads(str(self.observations[Id.CHARGING_SESSION][1]))
        if begun["Id"] == last["Id"]:
            return
        now = now.replace(microsecond=0)
        start = datetime.fromisoformat(begun["Start"])
        charged = float(self.observations[Id.SESSION_ENERGY][1])
        meter = kilowatt_hours(begun["MeterValue"] + charged)
        session = ChargingSession(
            session_id=begun["Id"], start=start, meter_start=begun["MeterValue"]
        )
        values = _after_session(session, now, meter) | {
            Id.SESSION_ENERGY: kilowatt_hours(charged),
            Id.LIFETIME_ENERGY: meter,
        }
        self.observations |= {number: (now, value) for number, value in values.items()}

    def dump(self) -> list[tuple[int, str, ObservationValue]]:
        """What it reported last, to go on from in a later run."""
        return [
            (number, time.isoformat(), value)
            for number, (time, value) in self.observations.items()
        ]

    def restore(self, dumped: Iterable[tuple[int, str, ObservationValue]]) -> None:
        """Go on from what `dump` returned."""
        self.observations = {
            number: (datetime.fromisoformat(time), value)
            for number, time, value in dumped
        }


def initial_observations(
    charger: EaseeCharger, now: datetime
) -> dict[int, tuple[datetime, ObservationValue]]:
    """A value for every observation, as old as each would be on an idle charger."""
    hour = now.replace(minute=0, second=0)
    stop = now - timedelta(days=1)
    start = stop - _LAST_SESSION_DURATION
    meter_start = kilowatt_hours(charger.lifetime_energy - _LAST_SESSION_ENERGY)
    session = ChargingSession(
        session_id=charger.last_session_id, start=start, meter_start=meter_start
    )
    groups: tuple[tuple[datetime, dict[int, ObservationValue]], ...] = (
        (now - timedelta(days=30), _settings(charger)),
        (now - timedelta(days=3), _boot(charger)),
        (start, {Id.CHARGING_SESSION_START: session.started()}),
        (stop, _after_session(session, stop, charger.lifetime_energy)),
        (
            hour,
            {Id.ENERGY_PER_HOUR: 0.0, Id.LIFETIME_ENERGY: charger.lifetime_energy},
        ),
        (now - timedelta(minutes=4), _telemetry()),
    )
    return {
        int(observation_id): (time, value)
        for time, values in groups
        for observation_id, value in values.items()
    }


def _settings(charger: EaseeCharger) -> dict[int, ObservationValue]:
    return {
        Id.CIRCUIT_MAX_CURRENT_P1: 32.0,
        Id.CIRCUIT_MAX_CURRENT_P2: 32.0,
        Id.CIRCUIT_MAX_CURRENT_P3: 32.0,
        Id.LOCK_CABLE_PERMANENTLY: False,
        Id.IS_ENABLED: True,
        Id.SMART_BUTTON_ENABLED: False,
        Id.MAX_CHARGER_CURRENT: charger.max_current,
        Id.MAX_CURRENT_OFFLINE_FALLBACK_P1: 16,
        Id.MAX_CURRENT_OFFLINE_FALLBACK_P2: 16,
        Id.MAX_CURRENT_OFFLINE_FALLBACK_P3: 16,
        Id.SMART_CHARGING: False,
        Id.LOCAL_NODE_TYPE: 1,
    }


def _boot(charger: EaseeCharger) -> dict[int, ObservationValue]:
    return {
        Id.DETECTED_POWER_GRID_TYPE: 1,
        Id.SOFTWARE_RELEASE: charger.firmware,
        Id.REBOOT_REASON: 1 << 20,
        Id.DYNAMIC_CHARGER_CURRENT: 32.0,
        Id.DYNAMIC_CIRCUIT_CURRENT_P1: 32.0,
        Id.DYNAMIC_CIRCUIT_CURRENT_P2: 32.0,
        Id.DYNAMIC_CIRCUIT_CURRENT_P3: 32.0,
        Id.CHARGER_RAT: 1,
        Id.CONNECTED_TO_CLOUD: True,
        Id.CLOUD_DISCONNECT_REASON: "",
    }


def _after_session(
    session: ChargingSession, stop: datetime, meter: float
) -> dict[int, ObservationValue]:
    return {
        Id.CHARGING_SESSION: session.ended(stop, meter),
        Id.CHARGING_SESSION_SIGNED: session.signed(stop, meter),
        Id.SESSION_ENERGY: _LAST_SESSION_ENERGY,
        Id.CHARGER_OP_MODE: int(OpMode.DISCONNECTED),
        Id.REASON_FOR_NO_CURRENT: int(ReasonForNoCurrent.NO_CAR),
        Id.OUTPUT_PHASE: int(OutputPhase.UNASSIGNED),
        Id.LED_MODE: int(LedMode.STANDBY),
        Id.CABLE_LOCKED: False,
        Id.CABLE_RATING: 32,
        Id.USER_ID_TOKEN: "",
        Id.USER_ID_TOKEN_REVERSED: "",
        Id.TOTAL_POWER: 0.0,
        Id.IN_CURRENT_T2: 0.0,
        Id.IN_CURRENT_T3: 0.0,
        Id.IN_CURRENT_T4: 0.0,
        Id.IN_CURRENT_T5: 0.0,
    }


def _telemetry() -> dict[int, ObservationValue]:
    return {
        Id.CELL_RSSI: -71,
        Id.WIFI_RSSI: -58,
        Id.TEMP_MAX: 22,
        Id.IN_VOLT_T1_T2: 2.1,
        Id.IN_VOLT_T1_T3: 231.4,
        Id.IN_VOLT_T1_T4: 230.2,
        Id.IN_VOLT_T1_T5: 229.7,
        Id.IN_VOLT_T2_T3: 231.2,
        Id.IN_VOLT_T2_T4: 230.1,
        Id.IN_VOLT_T2_T5: 229.6,
    }
