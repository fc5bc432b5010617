"""A fleet and a charging location in real time: what they did, and what they do from now on."""

import asyncio
from collections.abc import Iterable
import contextlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count, permutations
from types import TracebackType
from typing import Self

from .etrel import ApiAccess, EtrelOcean, Station
from .etrel.station import SLOT
from .invers import EventConsumer, InversFleet, Vehicle
from .invers.course import Course, shift_to
from .rabbitmq import RabbitMQ

ACCESS = 1001
API_KEY = "ocean-of-energy"
# How often a vehicle records its state, when it is looked back upon and now.
PAST_PERIOD = timedelta(minutes=1)
PERIOD = timedelta(seconds=5)
PAUSE = 0.5

# Hours of a course's day: charging for an hour, and just done with it.
_CHARGING, _CHARGED = 23.0, 2.0
_ONE_MINUTE = timedelta(minutes=1)
_FIRST_SLOT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Who is played. All they do is a function of the time."""

    vehicles: tuple[Vehicle, ...]
    station: Station


def scene_at(turn: datetime) -> Scene:
    """Let something happen at that time, when one vehicle has been charging for an hour.

    Another one is done with it then, and at the location a session stops, another
    starts and a third one goes on.
    """
    return Scene(
        vehicles=(
            Vehicle(
                vehicle_id="K7ZOE",
                course=Course(shift_to(turn, _CHARGING)),
                period=PERIOD,
            ),
            Vehicle(
                vehicle_id="M3UPE",
                course=Course(shift_to(turn, _CHARGED), mileage=48_310.0),
                custom_name="Grey e-up",
                brand="Volkswagen",
                model="e-up!",
                vin="WVWZZZAAZKD900815",
                license_plate="B-EV 815",
                position=(52.5206, 13.4098),
                period=PERIOD,
            ),
        ),
        station=_station_at(turn),
    )


class Stage:
    """Puts a scene on a broker, for one event consumer and one API access.

    Nothing before `told_until` is told any more. Bound to the event loop it is entered
    in; leaving takes everything away.
    """

    fleet: InversFleet
    ocean: EtrelOcean
    consumer: EventConsumer
    access: ApiAccess

    def __init__(self, broker: RabbitMQ, scene: Scene, told_until: datetime) -> None:
        self.scene = scene
        self.told_until = told_until
        self._broker = broker
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            self.fleet = await stack.enter_async_context(InversFleet(self._broker))
            administrator = await stack.enter_async_context(
                self._broker.administrator()
            )
            self.ocean = await stack.enter_async_context(EtrelOcean(administrator))
            self.consumer = await self.fleet.add_consumer()
            self.access = await self.ocean.add_access(ACCESS, API_KEY)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def name_vehicles(self) -> None:
        """Tell what the vehicles are called, as after an edit in the portal."""
        await self.fleet.publish_many(
            vehicle.master_data_changed(self.told_until)
            for vehicle in self.scene.vehicles
        )

    async def introduce(self) -> None:
        """Tell what the vehicles are called, and what else a location has to say."""
        await self.name_vehicles()
        at, station = self.told_until, self.scene.station
        await self.ocean.publish(
            station.reservation(31, at + SLOT, at + 2 * SLOT),
            station.system_event(7, "OverTemperature", at),
            station.ticket(12, at),
        )

    async def tell(self, until: datetime, period: timedelta = PAST_PERIOD) -> None:
        """Tell all that happened since it was told last, before `until`."""
        since, self.told_until = self.told_until, until
        vehicles = (replace(each, period=period) for each in self.scene.vehicles)
        events = [
            event for vehicle in vehicles for event in vehicle.events(since, until)
        ]
        events.sort(key=lambda event: event.occurred_at)
        await self.fleet.publish_many(events)
        await self.ocean.publish_past(self.scene.station, since, until)

    async def play(self) -> None:
        """Tell everything as it happens, until cancelled."""
        while True:
            await self.tell(datetime.now(UTC), PERIOD)
            await asyncio.sleep(PAUSE)


def _station_at(turn: datetime) -> Station:
    """Open the location on a day from which on that is how it comes."""
    slots = count(_FIRST_SLOT)
    return next(
        station
        for slot in slots
        for station in _stations(turn, slot)
        if _is_eventful(station, turn)
    )


def _stations(turn: datetime, slot: int) -> Iterable[Station]:
    """Yield the location with its past moved so that a session of the slot stops then."""
    opened = turn - (slot + 1) * SLOT
    sessions = Station(opened=opened).sessions(turn - SLOT, turn)
    for session in sessions:
        if session.connected >= turn - SLOT:
            yield Station(opened=opened + (turn - session.stopped))


def _is_eventful(station: Station, turn: datetime) -> bool:
    """Whether three outlets do the three things."""
    sessions = station.sessions(turn - _ONE_MINUTE, turn + _ONE_MINUTE)
    return any(
        stops.stopped == turn
        and starts.started == turn
        and goes_on.started < turn < goes_on.stopped - SLOT / 8
        for stops, starts, goes_on in permutations(sessions, 3)
    )
