"""Charge points of one location and the sessions on them, the same for every look.

Each connector has one session in each slot of some hours. Its times and its power are
drawn from the connector and the slot alone, so that any stretch of the past or the
future can be told at any time, in any order and in pieces. Power is constant within a
session: what flowed in an hour is its share of the session.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
import random
from typing import Any
from zoneinfo import ZoneInfo

SLOT = timedelta(hours=4)
_MINUTE = timedelta(minutes=1)
_SECONDS_IN_HOUR = 3600
_POWERS = (3.68, 7.36, 11.04, 22.08)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One message as the vendor thinks of it; each access gets it under its own name."""

    tail: str
    location_id: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargePoint:
    """A charge point; its connectors are numbered from 1."""

    code: str
    connectors: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingSession:
    """A session that has run or will; times in UTC, power in kW, energies in kWh."""

    session_id: int
    charge_point: str
    connector: int
    connected: datetime
    started: datetime
    stopped: datetime
    power: float
    meter_start: float

    @property
    def energy(self) -> float:
        """What the session charges in all."""
        return self.energy_between(self.started, self.stopped)

    @property
    def meter_stop(self) -> float:
        """The connector's register at the end."""
        return self.meter_start + self.energy

    def energy_between(self, since: datetime, until: datetime) -> float:
        """What of it flows in a stretch of time."""
        overlap = min(until, self.stopped) - max(since, self.started)
        return self.power * max(overlap.total_seconds(), 0) / _SECONDS_IN_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """A location in operation since `opened`; its clocks show the time of `zone`."""

    location_id: int = 77
    name: str = "Parking North"
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Ljubljana"))
    charge_points: tuple[ChargePoint, ...] = (
        ChargePoint(code="SI-LJ-0077-A"),
        ChargePoint(code="SI-LJ-0077-B"),
    )
    opened: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def sessions(self, since: datetime, until: datetime) -> list[ChargingSession]:
        """Return the sessions that run at any time in between, by their starts."""
        first = max((since - self.opened) // SLOT, 0)
        last = (until - self.opened) // SLOT
        found = [
            session
            for point in self.charge_points
            for connector in range(1, point.connectors + 1)
            for slot in range(first, last + 1)
            if (session := self._session(point.code, connector, slot)).stopped > since
            and session.connected < until
        ]
        return sorted(found, key=lambda session: session.started)

    def energy(
        self, charge_point: str, connector: int, since: datetime, until: datetime
    ) -> float:
        """Return what a connector delivers in a stretch of time, in kWh."""
        return sum(
            session.energy_between(since, until)
            for session in self.sessions(since, until)
            if (session.charge_point, session.connector) == (charge_point, connector)
        )

    def notifications(self, since: datetime, until: datetime) -> Iterator[Notification]:
        """Tell in order what happens from `since` on and before `until`."""
        told = [
            (at, place, notification)
            for session in self.sessions(since - SLOT, until)
            for place, (at, notification) in enumerate(self._course(session))
            if since <= at < until
        ]
        for _, _, notification in sorted(told, key=lambda each: each[:2]):
            yield notification

    def started(self, session: ChargingSession) -> Notification:
        """Tell that a session has started."""
        return self._notification("session.started", self._body(session, is_over=False))

    def started_user(self, session: ChargingSession) -> Notification:
        """Tell the same in the few words meant for its user; they name no charge point."""
        body = self._body(session, is_over=False)
        few = ("ChargingSessionId", "ChargingSessionNumber", "ConnectedFrom")
        return self._notification(
            "session.started.user",
            {**{name: body[name] for name in few}, "User": _user(session)},
        )

    def ended(self, session: ChargingSession) -> Notification:
        """Tell that a session is over."""
        return self._notification("session.ended", self._body(session, is_over=True))

    def status(
        self, charge_point: str, connector: int, status: str, at: datetime
    ) -> Notification:
        """Tell that a connector has changed."""
        return self._notification(
            "connector.statusChanged",
            {
                "ChargePoint": {"FriendlyCode": charge_point},
                "ConnectorId": connector,
                "Status": {"Id": len(status), "Title": status},
                "Timestamp": self.local(at),
            },
        )

    def reservation(
        self, number: int, since: datetime, until: datetime, *, canceled: bool = False
    ) -> Notification:
        """Tell that somebody has reserved, or has changed their mind."""
        return self._notification(
            "reservation.canceled" if canceled else "reservation.created",
            {
                "ReservationId": number,
                "ReservationFrom": self.local(since),
                "ReservationTo": self.local(until),
                "User": {"FirstName": "Kim", "LastName": "Example"},
            },
        )

    def system_event(self, number: int, code: str, at: datetime) -> Notification:
        """Tell that something is wrong with a charge point."""
        return self._notification(
            "system.event",
            {
                "SystemEventId": number,
                "Code": code,
                "Severity": "Warning",
                "ChargePoint": {"FriendlyCode": self.charge_points[0].code},
                "Timestamp": self.local(at),
            },
        )

    def ticket(self, number: int, at: datetime) -> Notification:
        """Tell that a user asks for help."""
        return self._notification(
            "helpdesk.ticket.raisedByUser",
            {
                "TicketId": number,
                "Category": "Charging",
                "Status": "Open",
                "Description": "Kim Example cannot unplug, call +386 1 555 0100",
                "User": {"Email": "kim@example.com"},
                "CreatedAt": self.local(at),
            },
        )

    def version_2(self, notification: Notification) -> Notification:
        """Tell it as after a breaking change: another tail, and one level deeper."""
        return Notification(
            tail=f"{notification.tail}.v2",
            location_id=notification.location_id,
            body={"SchemaVersion": 2, "Data": notification.body},
        )

    def local(self, moment: datetime) -> str:
        """Write a time as the bodies do: local, and no word of the zone."""
        return moment.astimezone(self.zone).replace(tzinfo=None).isoformat()

    def _course(
        self, session: ChargingSession
    ) -> Iterator[tuple[datetime, Notification]]:
        point, connector = session.charge_point, session.connector
        for at, status in (
            (session.connected, "Preparing"),
            (session.started, "Charging"),
            (session.stopped, "Available"),
        ):
            yield at, self.status(point, connector, status, at)
        yield session.started, self.started(session)
        yield session.started, self.started_user(session)
        yield session.stopped, self.ended(session)

    def _session(self, code: str, connector: int, slot: int) -> ChargingSession:
        connected, started, stopped, power = _drawn(code, connector, slot)
        codes = [point.code for point in self.charge_points]
        place = codes.index(code) * 10 + connector
        begin = self.opened + slot * SLOT
        return ChargingSession(
            session_id=(self.location_id * 100_000 + slot) * 100 + place,
            charge_point=code,
            connector=connector,
            connected=begin + connected,
            started=begin + started,
            stopped=begin + stopped,
            power=power,
            meter_start=1000.0 * place + _delivered(code, connector, slot),
        )

    def _body(self, session: ChargingSession, *, is_over: bool) -> dict[str, Any]:
        stopped = self.local(session.stopped) if is_over else None
        energy = round(session.energy, 6) if is_over else 0.0
        return {
            "ChargingSessionId": session.session_id,
            "ChargingSessionNumber": f"S-{session.started.year}/{session.session_id}",
            "ChargingSessionSourceId": 2,
            "ParkingFrom": self.local(session.connected),
            "ParkingTo": stopped,
            "ConnectedFrom": self.local(session.connected),
            "ConnectedTo": stopped,
            "ChargingFrom": self.local(session.started),
            "ChargingTo": stopped,
            "Location": {"Id": self.location_id, "FriendlyName": self.name},
            "ChargePoint": {"FriendlyCode": session.charge_point},
            "ConnectorId": session.connector,
            "MeterActiveEnergyStart": round(session.meter_start, 6),
            "MeterActiveEnergyEnd": round(session.meter_stop, 6) if is_over else None,
            "Measurements": {
                "ActiveEnergyConsumed": energy,
                "Power": session.power,
            },
            "Identification": {
                "Token": f"04{session.session_id:012X}",
                "User": _user(session),
            },
        }

    def _notification(self, tail: str, body: dict[str, Any]) -> Notification:
        return Notification(tail=tail, location_id=self.location_id, body=body)


def _user(session: ChargingSession) -> dict[str, str]:
    return {
        "FirstName": "Kim",
        "LastName": f"Example{session.session_id % 7}",
        "Email": "kim@example.com",
        "PhoneNumber": "+386 1 555 0100",
    }


@lru_cache(maxsize=100_000)
def _drawn(
    code: str, connector: int, slot: int
) -> tuple[timedelta, timedelta, timedelta, float]:
    """Return when in its slot a car connects, starts and stops, and its power."""
    dice = random.Random(f"{code}/{connector}/{slot}")
    connected = dice.randrange(5, 60) * _MINUTE
    started = connected + dice.randrange(1, 5) * _MINUTE
    stopped = started + dice.randrange(30, 150) * _MINUTE
    return connected, started, stopped, dice.choice(_POWERS)


@lru_cache(maxsize=10_000)
def _delivered(code: str, connector: int, slot: int) -> float:
    """Return what a connector has delivered in all the slots before one."""
    return sum(
        power * (stopped - started).total_seconds() / _SECONDS_IN_HOUR
        for _, started, stopped, power in (
            _drawn(code, connector, each) for each in range(slot)
        )
    )
