"""Charging sessions: of the old and the new names alike, and of the one that tells everything.

A session is told by three notifications. In all of them its device is the charge point
and its id a text, so that whichever comes first is the one that counts.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from ...model import Reading, SessionChange, SessionPhase, Value
from .fields import identifier, kilo, label, members, moment, number, snake
from .told import (
    Notification,
    Told,
    charge_point_id,
    evse_id,
    evse_number,
    readings,
    records,
)

ACTIVE: Final = "active"
OVER: Final = frozenset({"finished", "failed", "expired"})
# A pending session waits for its car: it has not started.
NOT_BEGUN: Final = frozenset({"pending", "unknown"})
PHASES: Final[Mapping[str, SessionPhase]] = {
    "start": SessionPhase.STARTED,
    "stop": SessionPhase.STOPPED,
}
# Inferred: nothing tells the power of an outlet whose session is over, and the last
# value of it would stand for ever. Just after the stop, for the last meter values have
# its time, and may be told before it or after it.
AT_REST: Final[Mapping[str, Value]] = {"power": 0.0, "current": 0.0}
AT_REST_AFTER: Final = timedelta(seconds=1)


def session_start_stop(told: Notification) -> Told:
    """Read the notification of a start or a stop."""
    body = told.body
    point, evse = charge_point_id(body), evse_id(body)
    session_id = identifier(body.get("sessionId"))
    phase = _phase(body)
    change = None
    if point is not None and session_id is not None and phase is not None:
        change = _start_or_stop(body, point, session_id, phase)
    stopped_at = None if change is None else change.stopped_at
    started_at = None if change is None else change.started_at
    at_end = {
        "session_energy": None if change is None else change.energy,
        "stop_reason": label(body.get("reason")),
        "lifetime_energy": None if change is None else _register(change.meter_stop),
    }
    at_begin = {
        "lifetime_energy": None if change is None else _register(change.meter_start)
    }
    return Told(
        device_id=point or evse,
        updates=(
            *readings(evse, started_at, at_begin),
            *readings(evse, stopped_at, at_end),
            *_at_rest(evse, stopped_at),
            *(() if change is None else (change,)),
        ),
        devices=records(point, evse),
        unknown=f"session action:{_action(body)[:40]}" if phase is None else None,
    )


def session_update(told: Notification) -> Told:
    """Read SessionUpdateNotification: how the session is, and whether it runs or is over."""
    session = members(told.body.get("session"))
    point, evse = charge_point_id(session), evse_id(session)
    status = snake(session.get("status")) or ""
    change = _change_by_status(session, point, status)
    measured_at = told.time(session.get("lastUpdatedAt"))
    values = _values(session)
    if status in OVER:
        # It may be told again for its bill, when another session runs on the same EVSE.
        measured_at = moment(session.get("stoppedAt"))
        del values["power"]
    return Told(
        device_id=point or evse,
        updates=(
            *readings(evse, measured_at, values),
            *(_at_rest(evse, measured_at) if status in OVER else ()),
            *(() if change is None else (change,)),
        ),
        devices=records(point, evse),
        unknown=None
        if status in {ACTIVE, *OVER, *NOT_BEGUN}
        else f"session status:{status[:40]}",
    )


def _register(meter: float | None) -> float | None:
    """Return the outlet's meter, which a session tells at its ends.

    That it is the register of the meter values is OCPP's word, not the vendor's. 0 is
    written where it was not read.
    """
    return meter or None


def _at_rest(evse: str | None, stopped_at: datetime | None) -> tuple[Reading, ...]:
    """Return that an outlet gives nothing any more, once its session has stopped."""
    if stopped_at is None:
        return ()
    told = readings(evse, stopped_at + AT_REST_AFTER, AT_REST)
    return tuple(replace(each, is_sequel=True) for each in told)


def _action(body: Mapping[str, object]) -> str:
    return label(body.get("action")) or ""


def _phase(body: Mapping[str, object]) -> SessionPhase | None:
    """Return which of both it is: the deprecated notification may not say so."""
    action = _action(body).lower()
    if not action:
        has_stopped = moment(body.get("stoppedAtTimestamp")) is not None
        return SessionPhase.STOPPED if has_stopped else SessionPhase.STARTED
    return PHASES.get(action)


def _start_or_stop(
    body: Mapping[str, object], point: str, session_id: str, phase: SessionPhase
) -> SessionChange:
    started_at = moment(body.get("startedAtTimestamp"))
    meter_start = kilo(body.get("meterStart"))
    if phase is SessionPhase.STARTED:
        # A start has members of the stop as well: whatever they hold, it is not known yet.
        return SessionChange(
            device_id=point,
            session_id=session_id,
            phase=phase,
            started_at=started_at,
            meter_start=meter_start,
            token=label(body.get("idTag")),
            evse=evse_number(body),
        )
    meter_stop = kilo(body.get("meterStop"))
    if meter_start is not None and meter_stop is not None and meter_stop < meter_start:
        # 0 is written where the meter was not read.
        meter_stop = None
    return SessionChange(
        device_id=point,
        session_id=session_id,
        phase=phase,
        started_at=started_at,
        stopped_at=_first(body.get("stoppedAtTimestamp"), body.get("lastUpdatedAt")),
        energy=_energy(kilo(body.get("energyConsumed")), meter_start, meter_stop),
        meter_start=meter_start,
        meter_stop=meter_stop,
        token=label(body.get("idTag")),
        evse=evse_number(body),
    )


def _change_by_status(
    session: Mapping[str, object], point: str | None, status: str
) -> SessionChange | None:
    session_id = identifier(session.get("id"))
    if point is None or session_id is None or status not in {ACTIVE, *OVER}:
        return None
    is_over = status in OVER
    return SessionChange(
        device_id=point,
        session_id=session_id,
        phase=SessionPhase.STOPPED if is_over else SessionPhase.STARTED,
        started_at=moment(session.get("startedAt")),
        stopped_at=_first(session.get("stoppedAt"), session.get("lastUpdatedAt"))
        if is_over
        else None,
        energy=_total(session) if is_over else None,
        token=label(session.get("idTag")),
        evse=evse_number(session),
    )


def _values(session: Mapping[str, object]) -> dict[str, Value | None]:
    power = number(members(session.get("power")).get("latest"))
    if power is None:
        # The older way to tell it, in kW.
        kilowatts = number(session.get("powerKw"))
        power = None if kilowatts is None else kilowatts * 1000
    return {
        "power": power,
        "state_of_charge": number(session.get("socPercent")),
        "session_energy": _total(session),
    }


def _total(session: Mapping[str, object]) -> float | None:
    total = kilo(members(session.get("energyConsumption")).get("total"))
    return kilo(session.get("energy")) if total is None else total


def _energy(
    told: float | None, meter_start: float | None, meter_stop: float | None
) -> float | None:
    if told is not None or meter_start is None or meter_stop is None:
        return told
    return meter_stop - meter_start


def _first(*told: object) -> datetime | None:
    """Return the first time that can be read: a stop has happened when it is told at the latest."""
    return next(filter(None, map(moment, told)), None)
