"""A charge point at which a car charges every day: the physics, no network.

The course is a function of the time alone. Whatever range is asked for, past or present,
the same notifications come out of it, and what was really charged in any hour can be
computed beside them, from the power and not from what was reported.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from . import notifications

type Notification = dict[str, Any]
type Event = tuple[datetime, Notification]

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_VOLTAGE = 230.0
_PHASES = 3
# From here on the car takes less and less, down to a trickle.
_TAPER_SHARE = 0.75
_TRICKLE_SHARE = 0.1
# A session is told whole every so many minutes.
_UPDATE_EVERY = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Evse:
    """An outlet of a charge point."""

    evse_id: int
    physical_reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargePoint:
    """A charge point as the tenant lists it."""

    point_id: int
    name: str
    evses: tuple[Evse, ...]
    model: str = "Terra AC W22"
    vendor: str = "ABB"
    serial_number: str = "TACW2241023T0099"
    firmware: str = "1.8.32"
    location_id: int = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Routine:
    """Each day the same car at the same outlet; times are UTC, powers W, meters Wh."""

    point: ChargePoint
    evse: Evse
    first_day: date
    begins_at: time = time(17, 20)
    lasts: timedelta = timedelta(hours=3, minutes=40)
    power: float = 11000.0
    meter: float = 4_812_350.0
    """The register on the morning of the first day."""
    first_session_id: int = 70001
    id_tag: str = "04A1B2C3D4E5F6"
    user_id: int = 4711
    arrives_with: float = 22.0
    """The car's state of charge in %."""
    battery: float = 77000.0

    def session_id(self, day: date) -> int:
        """The number of that day's session."""
        return self.first_session_id + (day - self.first_day).days

    def start(self, day: date) -> datetime:
        """When that day's session starts."""
        return datetime.combine(day, self.begins_at, UTC)

    def stop(self, day: date) -> datetime:
        """When that day's session stops."""
        return self.start(day) + self.lasts

    def power_at(self, moment: datetime) -> float:
        """The true power: full at first, then falling in a straight line; 0 between sessions."""
        elapsed = self._elapsed(moment)
        if elapsed is None:
            return 0.0
        missing = (self._seconds - elapsed) / (self._seconds - self._full)
        return self.power * (_TRICKLE_SHARE + (1 - _TRICKLE_SHARE) * min(1.0, missing))

    def meter_at(self, moment: datetime) -> float:
        """The true register."""
        day = moment.astimezone(UTC).date()
        days = (day - _DAY - self.first_day).days
        earlier = max(0, days) * self._energy(self._seconds)
        running = sum(
            self._energy((moment - self.start(each)).total_seconds())
            for each in (day - _DAY, day)
            if each >= self.first_day
        )
        return self.meter + earlier + running

    def energy_between(self, begin: datetime, end: datetime) -> float:
        """What was really charged, in kWh."""
        return (self.meter_at(end) - self.meter_at(begin)) / 1000

    def notifications(self, begin: datetime, end: datetime) -> Iterator[Event]:
        """All that is told from `begin` on and before `end`, in order of time."""
        day = max(begin.astimezone(UTC).date() - _DAY, self.first_day)
        while day <= end.astimezone(UTC).date():
            for moment, notification in self._of(day):
                if begin <= moment < end:
                    yield moment, notification
            day += _DAY

    @property
    def _seconds(self) -> float:
        return self.lasts.total_seconds()

    @property
    def _full(self) -> float:
        """Seconds at full power."""
        return _TAPER_SHARE * self._seconds

    def _energy(self, elapsed: float) -> float:
        """The integral of the power since the start, in Wh."""
        elapsed = min(max(elapsed, 0.0), self._seconds)
        energy = self.power * min(elapsed, self._full)
        if elapsed > self._full:
            taper = elapsed - self._full
            slope = (1 - _TRICKLE_SHARE) / (self._seconds - self._full)
            energy += self.power * (taper - slope * taper**2 / 2)
        return energy / 3600

    def _elapsed(self, moment: datetime) -> float | None:
        day = moment.astimezone(UTC).date()
        for each in (day - _DAY, day):
            elapsed = (moment - self.start(each)).total_seconds()
            if each >= self.first_day and 0 <= elapsed < self._seconds:
                return elapsed
        return None

    def _of(self, day: date) -> Iterator[Event]:
        start, stop = self.start(day), self.stop(day)
        plugged, left = start - timedelta(seconds=20), stop + timedelta(seconds=90)
        yield plugged, self._status(plugged, "preparing")
        yield start, self._start_stop(day, "start")
        yield start, self._update(day, start, "active")
        yield start, self._status(start, "charging")
        minutes = 1
        while (moment := start + minutes * _MINUTE) < stop:
            yield moment, self._meter_values(day, moment)
            if minutes % _UPDATE_EVERY == 0:
                yield moment, self._update(day, moment, "active")
            minutes += 1
        yield stop, self._meter_values(day, stop)
        yield stop, self._start_stop(day, "stop")
        yield stop, self._update(day, stop, "finished")
        yield stop, self._status(stop, "finishing")
        yield left, self._status(left, "available")

    def _status(self, moment: datetime, status: str) -> Notification:
        return notifications.hardware_status(
            self.point.point_id, moment, status, evse_id=self.evse.evse_id
        )

    def _start_stop(self, day: date, action: str) -> Notification:
        start, stop = self.start(day), self.stop(day)
        return notifications.session_start_stop(
            action,
            session_id=self.session_id(day),
            charge_point_id=self.point.point_id,
            evse_id=self.evse.evse_id,
            started_at=start,
            stopped_at=stop if action == "stop" else None,
            meter_start=round(self.meter_at(start)),
            meter_stop=round(self.meter_at(stop)) if action == "stop" else 0,
            id_tag=self.id_tag,
            user_id=self.user_id,
        )

    def _update(self, day: date, moment: datetime, status: str) -> Notification:
        return notifications.session_update(
            status,
            session_id=self.session_id(day),
            charge_point_id=self.point.point_id,
            evse_id=self.evse.evse_id,
            started_at=self.start(day),
            stopped_at=None if status == "active" else self.stop(day),
            updated_at=moment,
            energy=self._consumed(day, moment),
            power=round(self.power_at(moment)),
            peak=round(self.power),
            state_of_charge=self._state_of_charge(day, moment),
            id_tag=self.id_tag,
            user_id=self.user_id,
        )

    def _meter_values(self, day: date, moment: datetime) -> Notification:
        power = self.power_at(moment)
        return notifications.session_meter_values(
            charge_point_id=self.point.point_id,
            evse_id=self.evse.evse_id,
            session_id=self.session_id(day),
            moment=moment,
            values=[
                ("Energy Active Import Register", round(self.meter_at(moment)), "Wh"),
                ("Energy Consumed", self._consumed(day, moment), "Wh"),
                ("Power Active Import", round(power), None),
                ("Current Import", round(power / _PHASES / _VOLTAGE, 1), "A"),
                ("Voltage", _VOLTAGE, "V"),
                ("State Of Charge", self._state_of_charge(day, moment), "Percent"),
                ("Temperature", 31, "Celsius"),
            ],
        )

    def _consumed(self, day: date, moment: datetime) -> int:
        start = self.start(day)
        return round(self.meter_at(moment)) - round(self.meter_at(start))

    def _state_of_charge(self, day: date, moment: datetime) -> int:
        energy = self.meter_at(moment) - self.meter_at(self.start(day))
        return round(self.arrives_with + 100 * energy / self.battery)
