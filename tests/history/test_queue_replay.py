"""A day from vendors' queues: the statistics are as if nobody had been away."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from operator import itemgetter
import random
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
import pytest

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from simulator.etrel import ChargingSession, EtrelOcean, Station
from simulator.invers import InversFleet, Vehicle, disturbed
from simulator.invers.course import Course
from simulator.rabbitmq import RabbitMQ
from tests.integration.etrel import helpers as etrel
from tests.integration.helpers import (
    entity_id,
    record_event_entities,
    wait_live,
    wait_until,
)
from tests.integration.invers import helpers as invers

from .rows import HOUR, compile_statistics, rows, this_hour, wait_for_rows

AWAY = 24 * HOUR
COURSES = {"AB12C": Course(), "XY98Z": Course(timedelta(hours=7), mileage=500.0)}
STATION = Station()


@pytest.fixture
async def fleet(broker: RabbitMQ, socket_enabled: None) -> AsyncIterator[InversFleet]:
    """Give a test the vendor's side of a fleet."""
    async with InversFleet(broker, "history") as fleet:
        yield fleet


async def be_away(hass: HomeAssistant, entry: EvStreamsConfigEntry) -> None:
    """Stop listening; all that was heard is written down."""
    await hass.async_block_till_done()
    assert await hass.config_entries.async_unload(entry.entry_id)


async def come_back(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, waiting: int
) -> None:
    """Take up all that waits, and let the recorder do its work."""
    assert await hass.config_entries.async_setup(entry.entry_id)
    await wait_live(hass, entry)
    await wait_until(lambda: entry.runtime_data.vitals.messages >= waiting, "the past")
    await hass.async_block_till_done()
    await compile_statistics(hass)


async def get_sessions(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, device_id: str
) -> list[Mapping[str, Any]]:
    """Ask the action for a device's sessions."""
    device = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, device_id), entry.entry_id
    )
    assert device is not None
    answer = await hass.services.async_call(
        DOMAIN,
        "get_sessions",
        {"device_id": device.id},
        blocking=True,
        return_response=True,
    )
    assert answer is not None
    told: Any = answer["sessions"]
    return [
        {
            **each,
            **{name: moment(each[name]) for name in ("start", "stop")},
        }
        for each in told
    ]


def moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


async def test_a_day_of_a_fleet_equals_its_course(
    hass: HomeAssistant, fleet: InversFleet
) -> None:
    """Two vehicles, jumbled and doubled: state of charge, mileage and charging are right."""
    vehicles = [
        Vehicle(vehicle_id=car, course=course, period=timedelta(minutes=10))
        for car, course in COURSES.items()
    ]
    begin, end = this_hour() - AWAY, datetime.now(UTC)
    consumer = await fleet.add_consumer()
    entry = await invers.add_fleet(hass, consumer)
    fired = record_event_entities(hass, "charging_session")
    before = [
        event
        for vehicle in vehicles
        for event in vehicle.events(begin - 2 * HOUR, begin)
    ]
    await fleet.publish_many(before)
    await wait_until(
        lambda: entry.runtime_data.vitals.messages == len(before), "the time before"
    )
    await be_away(hass, entry)
    fired.clear()

    past = sorted(
        (event for vehicle in vehicles for event in vehicle.events(begin, end)),
        key=lambda event: event.occurred_at,
    )
    waiting = disturbed(past, repeated=0.2)
    assert len(waiting) > len(past) > 300
    await fleet.publish_many(waiting)
    await come_back(hass, entry, len(waiting))
    # A copy that comes before the first has been told is none yet, but tells nothing new.
    assert 0 < entry.runtime_data.vitals.repeated <= len(waiting) - len(past)

    for car, course in COURSES.items():
        await assert_course(hass, car, course, begin)
        charges = [
            charge
            for charge in course.charges(begin, end)
            if charge.begin >= begin and charge.end < end
        ]
        sessions = await get_sessions(hass, entry, car)
        spans = [(each["start"], each["stop"]) for each in sessions]
        assert [each for each in spans if each[0] >= begin and each[1]] == [
            (charge.begin, charge.end) for charge in charges
        ]
        assert spans == sorted(set(spans))
        told = [each for each in fired if each["device"] == car]
        assert all(each["replayed"] for each in told)
        ends = [
            (each["event_type"], moment(each["stopped_at"] or each["started_at"]))
            for each in told
        ]
        assert ends == [
            each
            for charge in course.charges(begin - HOUR, end)
            for each in (("started", charge.begin), ("stopped", charge.end))
            if begin <= each[1] < end
        ]


async def assert_course(
    hass: HomeAssistant, car: str, course: Course, begin: datetime
) -> None:
    """Each hour that is over has the levels of the line, and the kilometres driven."""
    truth = {hour.begin: hour for hour in course.hours(begin, begin + AWAY)}
    assert len(truth) == 24
    level = entity_id(hass, car, "state_of_charge_or_fuel_level_in_percent")
    found = await wait_for_rows(hass, level, begin, truth)
    for hour, expected in truth.items():
        row = found[hour]
        # A recorded value holds until the next: ten minutes of a slope are its slack.
        slack = (expected.maximum - expected.minimum) / 6 / 2 + 0.1
        assert row["mean"] == pytest.approx(expected.mean, abs=slack), hour
        steps = [
            course.soc_at(hour + step * timedelta(minutes=10)) for step in range(6)
        ]
        assert row["min"] == pytest.approx(min(steps), abs=0.1), hour
        assert row["max"] == pytest.approx(max(steps), abs=0.1), hour
    mileage = entity_id(hass, car, "mileage_in_kilometers")
    found = await wait_for_rows(hass, mileage, begin - HOUR, truth)
    for hour in truth:
        driven = course.mileage_at(hour + HOUR) - course.mileage_at(hour)
        if hour - HOUR in found:
            change = found[hour]["sum"] - found[hour - HOUR]["sum"]
            assert change == pytest.approx(driven, abs=0.11), hour
        assert found[hour]["state"] == pytest.approx(
            course.mileage_at(hour + HOUR), abs=0.11
        ), hour


async def test_a_day_of_a_location_equals_what_its_station_delivered(
    hass: HomeAssistant, ocean: EtrelOcean
) -> None:
    """Four connectors, jumbled and doubled: energy by the hour, and each session once."""
    begin, end = this_hour() - AWAY, datetime.now(UTC)
    access = await ocean.add_access(7001, "right")
    entry = await etrel.add_access(hass, ocean, access)
    fired = record_event_entities(hass, "charging_session")
    before = list(STATION.notifications(begin - 12 * HOUR, begin))
    await ocean.publish(*before)
    await wait_until(
        lambda: entry.runtime_data.vitals.messages == len(before), "the time before"
    )
    await be_away(hass, entry)
    fired.clear()

    past = list(STATION.notifications(begin, end))
    chance = random.Random(1)
    waiting = [*past, *chance.choices(past, k=len(past) // 5)]
    waiting.sort(key=lambda each: place(past, each) + chance.uniform(0, 4))
    await ocean.publish(*waiting)
    await come_back(hass, entry, len(waiting))

    for point in STATION.charge_points:
        for connector in range(1, point.connectors + 1):
            await assert_delivered(hass, point.code, connector, begin, end)
    ran = [each for each in STATION.sessions(begin, end) if each.started < end]
    # Some start at the same moment.
    ran.sort(key=lambda each: (each.started, str(each.session_id)))
    sessions = await get_sessions(hass, entry, etrel.LOCATION)
    expected = [as_told(each, end) for each in ran]
    assert [
        {name: each[name] for name in expected[0]}
        for each in sorted(sessions, key=itemgetter("start", "session_id"))
        if each["session_id"] in {one["session_id"] for one in expected}
    ] == expected
    told = [(each["event_type"], each["session_id"]) for each in fired]
    assert sorted(told) == sorted(
        (phase, str(each.session_id))
        for each in ran
        for phase, at in (("started", each.started), ("stopped", each.stopped))
        if begin <= at < end
    )
    assert all(each["replayed"] for each in fired)


def place(past: list[Any], notification: Any) -> int:
    """Return where in the past something was told."""
    return next(at for at, each in enumerate(past) if each is notification)


def as_told(session: ChargingSession, end: datetime) -> dict[str, Any]:
    """Return what the action is to say of a session."""
    is_over = session.stopped < end
    return {
        "session_id": str(session.session_id),
        "start": session.started,
        "stop": session.stopped if is_over else None,
        "energy": pytest.approx(session.energy, abs=1e-5) if is_over else None,
        "evse": f"{session.charge_point}/{session.connector}",
        "replayed": True,
    }


async def assert_delivered(
    hass: HomeAssistant, code: str, connector: int, begin: datetime, end: datetime
) -> None:
    """Each hour that is over has what flowed in it, as far as the sessions are over."""
    device_id = f"{code}_connector_{connector}"
    running = [
        each.started
        for each in STATION.sessions(begin, end)
        if (each.charge_point, each.connector) == (code, connector)
        and each.started < end <= each.stopped
    ]
    # What a session that runs has charged so far nobody has told, nor of any hour after
    # the last of a meter that was told. What it tells in the hour that runs reaches
    # back to the one before once that hour is over.
    last = max(
        at
        for each in STATION.sessions(begin, end)
        if (each.charge_point, each.connector) == (code, connector)
        for at in (each.started, each.stopped)
        if at < begin + AWAY
    )
    known_until = min([begin + AWAY, last, *running])
    hours = []
    hour = begin
    while hour + HOUR <= known_until:
        hours.append(hour)
        hour += HOUR
    assert len(hours) >= 16
    sensor = entity_id(hass, device_id, "lifetime_energy")
    # What was taken last may have come after the recorder was heard of.
    await compile_statistics(hass)
    found = await wait_for_rows(hass, sensor, begin - 2 * HOUR, hours)
    for hour in hours[1:]:
        flowed = STATION.energy(code, connector, hour, hour + HOUR)
        change = found[hour]["sum"] - found[hour - HOUR]["sum"]
        assert change == pytest.approx(flowed, abs=0.01), hour
    power = await rows(hass, entity_id(hass, device_id, "power"), begin)
    told = {
        at.replace(minute=0, second=0)
        for each in STATION.sessions(begin, end)
        if (each.charge_point, each.connector) == (code, connector)
        for at in (each.started, each.stopped)
    }
    for hour in sorted(told & set(hours)):
        flowed = STATION.energy(code, connector, hour, hour + HOUR)
        assert power[hour]["mean"] == pytest.approx(flowed, abs=0.01), hour
