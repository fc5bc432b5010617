"""A charger whose sessions are concluded, over restarts: the stream, the store, the class."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
import json

from custom_components.ev_streams.model import (
    Reading,
    Session,
    SessionChange,
    SessionPhase,
    Update,
)
from custom_components.ev_streams.providers.easee.decode import decode
from custom_components.ev_streams.providers.easee.op_mode import OpModeSessions

from .messages import CHARGER, delivery

BEGIN = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)
OP_MODE, POWER, ENERGY = 109, 120, 121
OFFLINE, DISCONNECTED, AWAITING_START, CHARGING, COMPLETED, ERROR = range(6)


def at(seconds: float) -> datetime:
    """So many seconds after the beginning."""
    return BEGIN + timedelta(seconds=seconds)


def started(start: float) -> SessionChange:
    """The start of a concluded session, on a whole second."""
    return SessionChange(
        device_id=CHARGER,
        session_id=f"derived-{at(start):%Y%m%dT%H%M%SZ}",
        phase=SessionPhase.STARTED,
        started_at=at(start),
        is_derived=True,
    )


def stopped(start: float, stop: float, energy: float | None = None) -> SessionChange:
    """The stop of the same."""
    return replace(
        started(start), phase=SessionPhase.STOPPED, stopped_at=at(stop), energy=energy
    )


class Charger:
    """Passes on what is news, keeps what a store would keep, collects what is told.

    With `passes_all` on, what is no news is passed on as well.
    """

    def __init__(
        self, *, has_own_sessions: bool = False, passes_all: bool = False
    ) -> None:
        self._passes_all = passes_all
        self.told: list[SessionChange] = []
        self.held: dict[str, Reading] = {}
        self._sessions = OpModeSessions(CHARGER, has_own_sessions=has_own_sessions)

    def observe(self, observation_id: int, value: object, seconds: float) -> None:
        """Deliver an observation that was measured so many seconds after the beginning."""
        self.deliver(observation_id, value, at(seconds))

    def deliver(self, observation_id: int, value: object, moment: datetime) -> None:
        """Deliver an observation."""
        body = {"Timestamp": moment.isoformat(), "Value": value}
        message = decode(delivery(body, f"{CHARGER}.O.{observation_id}"))
        for update in message.updates:
            is_news = not isinstance(update, Reading) or self._is_news(update)
            if is_news or self._passes_all:
                self._conclude(update)

    def name_session(self, observation_id: int, start: float, stop: float) -> None:
        """Deliver a message that names a session of the charger's own."""
        session = {
            "Id": 435,
            "Start": at(start).isoformat(),
            "Stop": at(stop).isoformat(),
            "EnergyKwh": 1.5,
            "MeterValue": 10.0,
            "MeterValueStart": 10.0,
            "MeterValueStop": 11.5,
        }
        self.observe(observation_id, json.dumps(session), stop)

    def restart(self) -> None:
        """Begin again with what a store would have kept."""
        self._sessions = OpModeSessions(
            CHARGER, self.held.values(), self._open_session()
        )

    def take_dropped(self) -> str | None:
        """Take the session that is to be forgotten."""
        return self._sessions.take_dropped()

    def _is_news(self, reading: Reading) -> bool:
        held = self.held.get(reading.key)
        if held is not None and held.measured_at >= reading.measured_at:
            return False
        self.held[reading.key] = reading
        return True

    def _conclude(self, update: Update) -> None:
        for concluded in self._sessions.take(update):
            if isinstance(concluded, SessionChange):
                self.told.append(concluded)
            else:
                assert isinstance(concluded, Reading)
                self._is_news(concluded)

    def _open_session(self) -> Session | None:
        ended = {c.session_id for c in self.told if c.phase is SessionPhase.STOPPED}
        running = [c for c in self.told if c.session_id not in ended]
        return (
            Session(
                device_id=CHARGER,
                session_id=running[-1].session_id,
                started_at=running[-1].started_at,
                is_derived=True,
            )
            if running
            else None
        )
