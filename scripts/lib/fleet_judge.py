"""What must be known of vehicles, a location and a tenant's charge point, and what is.

Whatever is expected is computed from the courses that are played, not from what was told.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from simulator.ampeco import Routine
from simulator.etrel import ChargePoint, ChargingSession
from simulator.etrel.station import SLOT
from simulator.invers import Vehicle

from . import ask, compare
from .ask import Row
from .cards import Device
from .compare import HOUR, Change, Watch, Within, hour_of, hours
from .fleet import Fleet
from .home_assistant import HomeAssistant
from .report import Result

LEVEL = "state_of_charge_or_fuel_level_in_percent"
MILEAGE = "mileage_in_kilometers"
MINUTE = timedelta(minutes=1)

# The past is recorded once a minute: a level changes by a third of this meanwhile.
PAST_LEVEL = 1.0
LEVEL_NOW = Within(0.3, "%")
KILOMETRES = Within(0.2, "km")
KILOWATT_HOURS = Within(0.01, "kWh")
# A meter that is told once a minute is behind by this at most.
METER = Within(0.5, "kWh")


@dataclass(frozen=True, kw_only=True, slots=True)
class Judge:
    """Knows the devices by their identifiers and the states at the time `now`."""

    home_assistant: HomeAssistant
    fleet: Fleet
    devices: Mapping[str, Device]
    states: Mapping[str, str]
    now: datetime

    async def judge(self) -> list[Result]:
        """Look at everything that is played."""
        station = self.fleet.scene.station
        results = []
        for vehicle in self.fleet.scene.vehicles:
            results += await self._vehicle(vehicle)
        results += await self._location()
        for point in station.charge_points:
            for connector in range(1, point.connectors + 1):
                results += await self._connector(point, connector)
        results += await self._charge_point()
        for routine in self.fleet.tenant.routines:
            results += await self._outlet(routine)
        return results

    @property
    def _watch(self) -> Watch:
        fleet = self.fleet
        return Watch(since=fleet.away_since, live=fleet.live_since, until=self.now)

    @property
    def _past(self) -> tuple[datetime, datetime]:
        """The hours that nobody heard of while they were."""
        return self.fleet.begin, hour_of(self.fleet.away_until)

    async def _vehicle(self, vehicle: Vehicle) -> list[Result]:
        device, name = self.devices[vehicle.vehicle_id], vehicle.custom_name
        charges = vehicle.course.charges(self.fleet.begin, self.now)
        is_charging = any(each.begin <= self.now < each.end for each in charges)
        level = vehicle.course.soc_at(self.now)
        mileage = vehicle.course.mileage_at(self.now)
        changes = [
            change
            for each in charges
            for change in _changes(_iso(each.begin), each.begin, each.end)
        ]
        # The vendor has no sessions: they are known by their start.
        fired = [
            {**row, "session_id": _iso(datetime.fromisoformat(row["started_at"]))}
            for row in await self._fired(device)
        ]
        return [
            compare.near(
                f"{name}: level", self._state(device, LEVEL), level, LEVEL_NOW
            ),
            compare.near(
                f"{name}: mileage", self._state(device, MILEAGE), mileage, KILOMETRES
            ),
            compare.equal(
                f"{name}: charging",
                "on" if is_charging else "off",
                self._state(device, "is_charging"),
            ),
            compare.told(f"{name}: charging told", changes, fired, self._watch),
            await self._levels(device, vehicle),
            await self._driven(device, vehicle),
        ]

    async def _levels(self, device: Device, vehicle: Vehicle) -> Result:
        expected = vehicle.course.hours(*self._past)
        rows = await self._rows(device, LEVEL, "mean", "min", "max")
        worst = max(
            max(
                abs(row["mean"] - hour.mean),
                abs(row["min"] - hour.minimum),
                abs(row["max"] - hour.maximum),
            )
            if (row := rows.get(hour.begin))
            else 100.0
            for hour in expected
        )
        lowest = min(hour.minimum for hour in expected)
        highest = max(hour.maximum for hour in expected)
        return Result(
            check=f"{vehicle.custom_name}: level of {len(expected)} past hours",
            expected=f"{lowest:.0f} to {highest:.0f} %",
            seen=f"{len(rows)} hours, off by {worst:.2f} at most",
            ok=worst <= PAST_LEVEL,
        )

    async def _driven(self, device: Device, vehicle: Vehicle) -> Result:
        begin, end = self._past
        mileage_at = vehicle.course.mileage_at
        # What was before the first hour, nothing tells.
        driven = {
            hour: mileage_at(hour + HOUR) - mileage_at(hour)
            for hour in hours(begin + HOUR, end)
        }
        rows = await self._rows(device, MILEAGE, "change")
        return compare.growth(
            f"{vehicle.custom_name}: kilometres", driven, rows, KILOMETRES
        )

    async def _location(self) -> list[Result]:
        station = self.fleet.scene.station
        device = self.devices[f"location_{station.location_id}"]
        held = station.sessions(self.fleet.begin - SLOT, self.now)
        rows = await ask.sessions(self.home_assistant, device)
        changes = [
            change
            for each in held
            for change in _changes(str(each.session_id), each.started, each.stopped)
        ]
        over = {
            str(each.session_id): each.energy
            for each in held
            if self.fleet.begin <= each.stopped < self.now
        }
        fired = await self._fired(device)
        wrong = ", ".join(_wrong_outlets(held, rows))
        return [
            compare.told(
                "location: starts and stops told", changes, fired, self._watch
            ),
            compare.energies("location: sessions", over, rows),
            compare.equal("location: outlets of sessions", "right", wrong or "right"),
        ]

    async def _connector(self, point: ChargePoint, connector: int) -> list[Result]:
        station = self.fleet.scene.station
        device = self.devices[f"{point.code}_connector_{connector}"]
        name = f"{point.code}/{connector}"
        theirs = [
            each
            for each in station.sessions(self.fleet.begin, self.now)
            if (each.charge_point, each.connector) == (point.code, connector)
        ]
        running = [each for each in theirs if each.stopped > self.now]
        meters = [each.meter_stop for each in theirs if each.stopped <= self.now]
        begin, end = self._past
        # What a session charges is told at its end, and its hours follow in minutes.
        late = (each for each in theirs if each.stopped > self.fleet.away_until)
        end = min([end, *(hour_of(each.started) for each in late)])
        # Of one that ran before anything was heard, the start is too old to count from.
        heard = [each for each in theirs if each.started >= begin]
        flowed = {
            hour: sum(each.energy_between(hour, hour + HOUR) for each in heard)
            for hour in hours(begin, end)
        }
        rows = await self._rows(device, "lifetime_energy", "change")
        status = self._state(device, "connector_status")
        return [
            compare.equal(f"{name}: status", self._status(running), status),
            compare.growth(f"{name}: energy", flowed, rows, KILOWATT_HOURS),
            compare.near(
                f"{name}: meter",
                self._state(device, "lifetime_energy"),
                meters[-1],
                KILOWATT_HOURS,
            ),
        ]

    def _status(self, running: list[ChargingSession]) -> str:
        if not running:
            return "available"
        return "charging" if running[0].started <= self.now else "preparing"

    async def _charge_point(self) -> list[Result]:
        routines = self.fleet.tenant.routines
        device = self.devices[str(routines[0].point.point_id)]
        held = [
            (str(each.session_id(day)), each.start(day), each.stop(day), each)
            for each in routines
            for day in self._days()
            if each.stop(day) > self.fleet.begin and each.start(day) < self.now
        ]
        changes = [
            change
            for number, start, stop, _ in held
            for change in _changes(number, start, stop)
        ]
        over = {
            number: routine.energy_between(start, stop)
            for number, start, stop, routine in held
            if stop < self.now
        }
        fired = await self._fired(device)
        rows = await ask.sessions(self.home_assistant, device)
        return [
            compare.equal("charge point: online", "on", self._state(device, "online")),
            compare.told(
                "charge point: starts and stops told", changes, fired, self._watch
            ),
            compare.energies("charge point: sessions", over, rows),
        ]

    async def _outlet(self, routine: Routine) -> list[Result]:
        device = self.devices[f"evse_{routine.evse.evse_id}"]
        name = routine.evse.physical_reference
        is_charging = routine.power_at(self.now) > 0
        status = self._state(device, "hardware_status")
        begin, end = hour_of(self.fleet.away_since), self._past[1]
        # The meter is told where a session starts, and was not known before the first.
        known = min(
            start for day in self._days() if (start := routine.start(day)) >= begin
        )
        flowed = {
            hour: routine.energy_between(
                max(hour, min(known, hour + HOUR)), hour + HOUR
            )
            for hour in hours(begin, end)
        }
        rows = await self._rows(device, "lifetime_energy", "change")
        expected = ("charging",) if is_charging else ("finishing", "available")
        return [
            Result(
                check=f"{name}: status",
                expected=" or ".join(expected),
                seen=status,
                ok=status in expected,
            ),
            compare.near(
                f"{name}: meter",
                self._state(device, "lifetime_energy"),
                routine.meter_at(self.now) / 1000,
                METER,
            ),
            compare.growth(f"{name}: energy", flowed, rows, KILOWATT_HOURS),
        ]

    def _days(self) -> Iterator[date]:
        """Yield the days of which a session may reach into what is looked at."""
        day = self.fleet.begin.date() - timedelta(days=1)
        while day <= self.now.date():
            yield day
            day += timedelta(days=1)

    def _state(self, device: Device, key: str) -> str:
        return self.states.get(device.entities.get(key, ""), "missing")

    async def _fired(self, device: Device) -> list[Row]:
        return await ask.fired(self.home_assistant, device, self.fleet.away_until)

    async def _rows(self, device: Device, key: str, *types: str) -> dict[datetime, Row]:
        entity_id = device.entities.get(key)
        if entity_id is None:
            return {}
        since = self.fleet.begin - HOUR
        return await ask.hourly_rows(self.home_assistant, entity_id, since, *types)


def _changes(session_id: str, start: datetime, stop: datetime) -> tuple[Change, Change]:
    return (
        Change(at=start, phase="started", session_id=session_id),
        Change(at=stop, phase="stopped", session_id=session_id),
    )


def _wrong_outlets(held: list[ChargingSession], rows: list[Row]) -> Iterator[str]:
    outlets = {str(e.session_id): f"{e.charge_point}/{e.connector}" for e in held}
    for row in rows:
        number = str(row["session_id"])
        if row.get("evse") != outlets.get(number):
            yield f"{number}: {row.get('evse')}"


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
