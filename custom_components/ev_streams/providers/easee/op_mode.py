"""Charging sessions concluded from the op mode, where no message names them.

Not every charger's ChargingSessionStart and ChargingSession reach the stream.
That a session begins when the op mode becomes charging and ends when the car is
disconnected is inferred: the vendor says it nowhere.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from ...charging import EARLIEST, derived_session_id
from ...model import Reading, Session, SessionChange, SessionPhase, Update
from .decode import SESSION_START_METER, SESSION_STOP_METER
from .enums import CHARGER_OP_MODE
from .observations import CHARGING_SESSION_SIGNED, OBSERVATIONS

# The messages that name a session may come this much behind the op mode.
HOLD = timedelta(seconds=120)
# Some, as a later reading may overtake the op mode that ended the session.
ENERGIES_KEPT = 8

OP_MODE = OBSERVATIONS[109].key
ENERGY = OBSERVATIONS[121].key
SIGNED_SESSION = OBSERVATIONS[CHARGING_SESSION_SIGNED].key
DISCONNECTED, CHARGING = CHARGER_OP_MODE[1], CHARGER_OP_MODE[3]

# Readings of no charger: what has to outlive a restart, stored as readings are.
STARTED = "op_mode_session_start"
STOPPED = "op_mode_session_stop"
TOLD = "op_mode_session_told"
KEPT_ENERGY = "op_mode_session_energy"


class OpModeSessions:
    """The sessions of one charger, as long as no message has ever named one.

    A start or a stop is told once something was measured two minutes later: until
    then the message that names the session may still be on its way. All that
    is remembered is three times: of the last start, of the last stop, and
    of the last of both that was told.
    """

    def __init__(
        self,
        device_id: str,
        restored: Iterable[Reading] = (),
        open_session: Session | None = None,
        *,
        has_own_sessions: bool = False,
    ) -> None:
        """Go on from the stored readings and the concluded session that has not stopped."""
        held = {reading.key: reading for reading in restored}
        self._device_id = device_id
        self._has_own_sessions = (
            has_own_sessions
            or SESSION_START_METER in held
            or SESSION_STOP_METER in held
        )
        self._started_at = _moment(held, STARTED)
        self._stopped_at = _moment(held, STOPPED)
        self._told_at = _moment(held, TOLD)
        if open_session is not None and open_session.started_at is not None:
            self._started_at = max(self._started_at, open_session.started_at)
            self._told_at = max(self._told_at, open_session.started_at)
        self._op_mode_at = EARLIEST
        self._energies: deque[tuple[datetime, float]] = deque(maxlen=ENERGIES_KEPT)
        for key in (KEPT_ENERGY, ENERGY):
            if key in held and (energy := _positive(held[key])):
                self._energies.append((held[key].measured_at, energy))
        self._dropped: str | None = None

    def take(self, update: Update) -> list[Update]:
        """Return what follows: session changes, and readings to be stored.

        `update` is news of this charger. Op modes are expected in the order in which
        they were measured; one that is older than the last is left out.
        """
        if self._has_own_sessions:
            return []
        if _names_a_session(update):
            self._drop()
            return []
        # A signed document comes just before the session in it: no sign that none will.
        if not isinstance(update, Reading) or update.key == SIGNED_SESSION:
            return []
        told = self._tell(update.measured_at)
        if update.key == OP_MODE:
            return told + self._op_mode_changed(update)
        if update.key == ENERGY:
            return told + self._energy_changed(update)
        return told

    def take_dropped(self) -> str | None:
        """Return, once, the id of a session that was told as started and is to be forgotten.

        It ran when a message first named a session of its own.
        """
        dropped, self._dropped = self._dropped, None
        return dropped

    @property
    def _is_running(self) -> bool:
        return self._started_at > self._stopped_at

    @property
    def _awaits_stop(self) -> bool:
        return not self._is_running and self._stopped_at > self._told_at

    def _drop(self) -> None:
        self._has_own_sessions = True
        is_unfinished = self._is_running or self._awaits_stop
        if is_unfinished and self._started_at <= self._told_at:
            self._dropped = derived_session_id(self._started_at)

    def _op_mode_changed(self, op_mode: Reading) -> list[Update]:
        moment = op_mode.measured_at
        if moment < self._op_mode_at:
            return []
        self._op_mode_at = moment
        if (
            op_mode.value == CHARGING
            and not self._is_running
            and moment > self._stopped_at
        ):
            told = self._tell(None)
            self._started_at = moment
            return [*told, self._stored(STARTED, moment)]
        if (
            op_mode.value == DISCONNECTED
            and self._is_running
            and moment >= self._started_at
        ):
            self._stopped_at = moment
            return [self._stored(STOPPED, moment)]
        return []

    def _energy_changed(self, reading: Reading) -> list[Update]:
        """Note the energy; one that does not count hides the one that does in the store."""
        energy, measured_at = _positive(reading), reading.measured_at
        is_late = self._awaits_stop and measured_at > self._stopped_at
        if energy is not None and not is_late:
            self._energies.append((measured_at, energy))
            return []
        if not (self._is_running or self._awaits_stop):
            return []
        counted = self._newest_energy()
        return [] if counted is None else [self._stored(KEPT_ENERGY, *counted)]

    def _newest_energy(self) -> tuple[datetime, float] | None:
        """Return what was measured last within the session, and when."""
        within = (
            (measured_at, energy)
            for measured_at, energy in self._energies
            if measured_at >= self._started_at
            and (self._is_running or measured_at <= self._stopped_at)
        )
        return max(within, default=None)

    def _tell(self, now: datetime | None) -> list[Update]:
        """Tell what was held long enough at `now`, or everything that was held."""
        told_at = self._told_at
        changes: list[Update] = []
        for phase, moment in (
            (SessionPhase.STARTED, self._started_at),
            (SessionPhase.STOPPED, self._stopped_at),
        ):
            if moment > told_at and (now is None or now - moment >= HOLD):
                changes.append(self._change(phase))
                self._told_at = moment
        if changes:
            changes.append(self._stored(TOLD, self._told_at))
        return changes

    def _change(self, phase: SessionPhase) -> SessionChange:
        is_stop = phase is SessionPhase.STOPPED
        counted = self._newest_energy() if is_stop else None
        return SessionChange(
            device_id=self._device_id,
            session_id=derived_session_id(self._started_at),
            phase=phase,
            started_at=self._started_at,
            stopped_at=self._stopped_at if is_stop else None,
            energy=None if counted is None else counted[1],
            is_derived=True,
        )

    def _stored(
        self, key: str, measured_at: datetime, energy: float | None = None
    ) -> Reading:
        """Return a reading to be stored: of a time, unless it is one of an energy."""
        return Reading(
            device_id=self._device_id,
            key=key,
            value=measured_at if energy is None else energy,
            measured_at=measured_at,
        )


def _names_a_session(update: Update) -> bool:
    """Whether a message named a session; its meter readings come before the change."""
    if isinstance(update, SessionChange):
        return not update.is_derived
    return isinstance(update, Reading) and update.key in (
        SESSION_START_METER,
        SESSION_STOP_METER,
    )


def _moment(held: Mapping[str, Reading], key: str) -> datetime:
    return held[key].measured_at if key in held else EARLIEST


def _positive(energy: Reading) -> float | None:
    """Return what can be a session's energy: chargers tell zero in between."""
    value = energy.value
    return float(value) if isinstance(value, int | float) and value > 0 else None
