"""The played fleet: what its consumers may do and get, and the truth of its vehicles."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
import json
import random

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import ProbableAuthenticationError
from aiormq.exceptions import ChannelAccessRefused
import pytest

from simulator.invers import (
    Event,
    EventConsumer,
    InversFleet,
    Topic,
    Vehicle,
    disturbed,
)
from simulator.invers.course import Course
from simulator.invers.events import ulid
from simulator.invers.fleet import EXCHANGE, TooManyConsumersError
from simulator.rabbitmq import QueueState, RabbitMQ

# A day of the course of a vehicle that no shift sets apart.
DAY = datetime(2026, 11, 20, tzinfo=UTC)
NEXT_DAY = DAY + timedelta(days=1)
VEHICLE = "7FQ2K"


def at(hour: float) -> datetime:
    return DAY + timedelta(hours=hour)


@pytest.fixture
async def fleet(broker: RabbitMQ, socket_enabled: None) -> AsyncIterator[InversFleet]:
    """Make a fleet that has no consumer yet."""
    async with InversFleet(broker) as fleet:
        yield fleet


@pytest.fixture
async def consumer(fleet: InversFleet) -> EventConsumer:
    """Make a consumer of all topics."""
    return await fleet.add_consumer()


async def connect(consumer: EventConsumer) -> AbstractConnection:
    return await aio_pika.connect(
        host=consumer.host,
        port=consumer.port,
        virtualhost=consumer.virtual_host,
        login=consumer.username,
        password=consumer.password,
    )


async def receive(
    consumer: EventConsumer, topic: Topic, count: int
) -> list[AbstractIncomingMessage]:
    messages: list[AbstractIncomingMessage] = []
    async with await connect(consumer) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(consumer.queues[topic], ensure=True)
        async with queue.iterator(no_ack=True, timeout=5) as iterator:
            async for message in iterator:
                messages.append(message)
                if len(messages) == count:
                    break
    return messages


async def test_an_event_on_the_wire(
    fleet: InversFleet, consumer: EventConsumer
) -> None:
    happened = datetime(2026, 11, 20, 5, 1, 1, 250000, tzinfo=UTC)
    event = await fleet.publish(
        "VehicleStateRecorded", {"vehicle_id": VEHICLE}, occurred_at=happened
    )
    (message,) = await receive(consumer, Topic.VEHICLE_STATE, 1)
    assert message.type == "VehicleStateRecorded"
    assert message.message_id == event.event_id
    assert message.timestamp == happened.replace(microsecond=0)
    assert message.headers == {"schema_major_version": 2}
    assert message.correlation_id == event.flow_id
    assert message.delivery_mode is aio_pika.DeliveryMode.PERSISTENT
    assert len(event.event_id) == 26
    assert json.loads(message.body) == {
        "metadata": {
            "id": event.event_id,
            "type": "VehicleStateRecorded",
            "occurred_at": "2026-11-20T05:01:01.250Z",
            "schema_major_version": 2,
            "flow_id": event.flow_id,
        },
        "data": {"vehicle_id": VEHICLE},
    }


async def test_each_topic_has_a_queue_of_its_own(
    fleet: InversFleet, consumer: EventConsumer
) -> None:
    other = await fleet.add_consumer("other", [Topic.TRIP])
    await fleet.publish("TripStarted", {})
    await fleet.publish("VehicleChanged", {})
    await fleet.publish("NeverSeenBefore", {}, topic=Topic.TRIP)
    assert len(set(consumer.queues.values())) == len(Topic)
    for topic, ready in (
        (Topic.TRIP, 2),
        (Topic.VEHICLE_CHANGE, 1),
        (Topic.VEHICLE_STATE, 0),
    ):
        state = await fleet.queue_state(consumer, topic)
        assert state == QueueState(ready=ready, unacknowledged=0, consumers=0)
    assert (await fleet.queue_state(other, Topic.TRIP)).ready == 2
    assert set(other.queues) == {Topic.TRIP}


async def test_raw_messages_pass_as_they_are(
    fleet: InversFleet, consumer: EventConsumer
) -> None:
    await fleet.publish_raw(Topic.TRIP, b"\xff no event")
    (message,) = await receive(consumer, Topic.TRIP, 1)
    assert message.body == b"\xff no event"


async def test_a_consumer_may_only_read(consumer: EventConsumer) -> None:
    queue_name = consumer.queues[Topic.TRIP]
    async with await connect(consumer) as connection:
        channel = await connection.channel()
        with pytest.raises(ChannelAccessRefused):
            await channel.declare_queue("mine")
        channel = await connection.channel()
        with pytest.raises(ChannelAccessRefused):
            await channel.queue_delete(queue_name)
        channel = await connection.channel()
        queue = await channel.get_queue(queue_name, ensure=False)
        with pytest.raises(ChannelAccessRefused):
            await queue.bind(EXCHANGE, "trip")
        channel = await connection.channel()
        exchange = await channel.get_exchange(EXCHANGE, ensure=False)
        with pytest.raises(ChannelAccessRefused):
            await exchange.publish(aio_pika.Message(b"mine"), "trip-v2")


async def test_a_removed_queue_ends_its_subscription(
    fleet: InversFleet, consumer: EventConsumer
) -> None:
    async with await connect(consumer) as connection:
        underlay = await (await connection.channel()).get_underlay_channel()
        cancelled = asyncio.Event()
        underlay.on_consumer_cancel_callbacks.add(lambda _: cancelled.set())
        await underlay.basic_consume(consumer.queues[Topic.TRIP], ignore)
        await fleet.remove_queue(consumer, Topic.TRIP)
        await asyncio.wait_for(cancelled.wait(), 5)
    with pytest.raises(LookupError):
        await fleet.queue_state(consumer, Topic.TRIP)
    # Nobody gets it, and it is no error to the vendor.
    await fleet.publish("TripStarted", {})
    await fleet.subscribe(consumer, Topic.TRIP)
    assert (await fleet.queue_state(consumer, Topic.TRIP)).ready == 0


async def ignore(message: object) -> None:
    """Take a message and do nothing."""


async def test_a_changed_password_ends_connections(
    fleet: InversFleet, consumer: EventConsumer
) -> None:
    connection = await connect(consumer)
    closed = asyncio.Event()
    connection.close_callbacks.add(lambda *_: closed.set())
    old = consumer.password
    await fleet.set_password(consumer, "another")
    await asyncio.wait_for(closed.wait(), 5)
    await (await connect(consumer)).close()
    consumer.password = old
    with pytest.raises(ProbableAuthenticationError):
        await connect(consumer)
    assert old not in repr(consumer)


async def test_a_fleet_has_five_consumers_at_most(fleet: InversFleet) -> None:
    for number in range(5):
        await fleet.add_consumer(f"{number}", [])
    with pytest.raises(TooManyConsumersError):
        await fleet.add_consumer("6", [])


async def test_a_fleet_leaves_nothing_and_begins_with_nothing(
    broker: RabbitMQ, socket_enabled: None
) -> None:
    for _ in range(2):
        async with InversFleet(broker, "other") as fleet:
            consumer = await fleet.add_consumer()
            assert (await fleet.queue_state(consumer, Topic.TRIP)).ready == 0
            await fleet.publish("TripStarted", {})
        with pytest.raises(ProbableAuthenticationError):
            await connect(consumer)


def told(events: list[Event], name: str) -> list[tuple[datetime, object]]:
    """A property as the recorded states tell it, by the time of the event."""
    return [
        (event.occurred_at, event.data["state"][name]["value"])
        for event in events
        if event.type == "VehicleStateRecorded"
    ]


@pytest.mark.parametrize(
    ("hour", "level", "driven"),
    [
        (0, 60, 0),
        (1, 70, 0),
        (2, 80, 0),
        (5, 80, 0),
        (8.5, 70, 30),
        (12, 60, 60),
        (17.75, 45, 105),
        (20, 40, 120),
        (23, 50, 120),
        (24, 60, 120),
    ],
)
def test_the_course_of_a_day(hour: float, level: float, driven: float) -> None:
    course = Course(mileage=0)
    assert course.soc_at(at(hour)) == pytest.approx(level)
    driven_before = course.mileage_at(at(0))
    assert course.mileage_at(at(hour)) - driven_before == pytest.approx(driven)


def test_the_hours_of_a_course() -> None:
    hours = {hour.begin: hour for hour in Course().hours(DAY, NEXT_DAY)}
    assert len(hours) == 24
    for hour, mean, minimum, maximum in (
        (0, 65, 60, 70),
        (3, 80, 80, 80),
        (8, 70, 60, 80),
        (22, 45, 40, 50),
    ):
        found = hours[at(hour)]
        assert (found.mean, found.minimum, found.maximum) == pytest.approx(
            (mean, minimum, maximum)
        )


def test_an_hour_may_have_a_corner_within() -> None:
    """Driving begins at half past: 80 % for half an hour, then down to 70 %."""
    course = Course(shift=timedelta(minutes=30))
    (hour,) = course.hours(at(8), at(9))
    assert (hour.mean, hour.minimum, hour.maximum) == pytest.approx((77.5, 70, 80))


def test_charges_and_drives_of_a_course() -> None:
    course = Course()
    assert [(each.begin, each.end) for each in course.charges(DAY, NEXT_DAY)] == [
        (at(-2), at(2)),
        (at(22), at(26)),
    ]
    assert [(each.begin, each.end) for each in course.drives(DAY, NEXT_DAY)] == [
        (at(8), at(9)),
        (at(17), at(18)),
    ]
    assert course.charges(at(3), at(21)) == []


def test_a_vehicle_tells_its_course() -> None:
    vehicle = Vehicle(vehicle_id=VEHICLE)
    events = vehicle.events(DAY, NEXT_DAY)
    assert [event.occurred_at for event in events] == sorted(
        event.occurred_at for event in events
    )
    levels = told(events, "state_of_charge_or_fuel_level_in_percent")
    assert len(levels) == 24 * 12
    by_time = dict(levels)
    assert (by_time[at(1)], by_time[at(8.5)], by_time[at(20)]) == (70, 70, 40)
    charging = dict(told(events, "charging_state"))
    assert {when for when, value in charging.items() if value == "CHARGING"} == {
        when for when in by_time if when < at(2) or when >= at(22)
    }
    mileages = [float(str(value)) for _, value in told(events, "mileage_in_kilometers")]
    assert mileages == sorted(mileages)
    assert mileages[-1] - mileages[0] == 120


def test_a_switch_has_the_time_of_its_change() -> None:
    vehicle = Vehicle(vehicle_id=VEHICLE)
    state = vehicle.state_at(at(1))
    assert state["charging_state"] == {
        "timestamp": "2026-11-19T22:00:00.000Z",
        "value": "CHARGING",
    }
    assert vehicle.state_at(at(2))["charging_state"] == {
        "timestamp": "2026-11-20T02:00:00.000Z",
        "value": "NOT_CHARGING",
    }
    assert vehicle.state_at(at(8.5))["central_lock"] == {
        "timestamp": "2026-11-20T07:55:00.000Z",
        "value": "UNLOCKED",
    }


def test_rentals_locks_and_trips_are_told_in_order() -> None:
    events = Vehicle(vehicle_id=VEHICLE).events(at(6), at(12))
    others = [
        (event.type, event.occurred_at)
        for event in events
        if event.type != "VehicleStateRecorded"
    ]
    five = timedelta(minutes=5)
    assert others == [
        ("VehicleChanged", at(8) - five),
        ("CentralLockStatusChanged", at(8) - five),
        ("TripStarted", at(8)),
        ("TripEnded", at(9)),
        ("VehicleChanged", at(9) + five),
        ("CentralLockStatusChanged", at(9) + five),
    ]


def test_the_same_stretch_is_told_alike_and_every_event_has_its_id() -> None:
    first = Vehicle(vehicle_id=VEHICLE).events(DAY, NEXT_DAY)
    assert Vehicle(vehicle_id=VEHICLE).events(DAY, NEXT_DAY) == first
    other = Vehicle(vehicle_id="8GR3L").events(DAY, NEXT_DAY)
    ids = [event.event_id for event in (*first, *other)]
    assert len(set(ids)) == len(ids)


def test_an_office_tells_what_a_vehicle_is() -> None:
    vehicle = Vehicle(vehicle_id=VEHICLE, custom_name="Green Zoe")
    change = vehicle.master_data_changed(at(10))
    assert change.data["reasons"] == ["MASTER_DATA_CHANGED"]
    assert change.data["vehicle"]["master_data"]["custom_name"] == "Green Zoe"
    offline = vehicle.life_status_changed(at(11), online=False)
    assert offline.data["vehicle"]["life_status"] == {"value": "OFFLINE"}
    assert change.topic is offline.topic is Topic.VEHICLE_CHANGE


def test_disturbed_events_are_all_there_some_twice_some_late() -> None:
    events = Vehicle(vehicle_id=VEHICLE).events(DAY, NEXT_DAY)
    shaken = disturbed(events, seed=3, repeated=0.2, places=4)
    assert disturbed(events, seed=3, repeated=0.2, places=4) == shaken
    assert {event.event_id for event in shaken} == {event.event_id for event in events}
    assert len(events) < len(shaken) < 1.5 * len(events)
    times = [event.occurred_at for event in shaken]
    assert times != sorted(times)
    assert disturbed(events, repeated=0, places=0) == events


def test_ids_sort_by_time() -> None:
    chance = random.Random(1)
    ids = [ulid(at(hour), chance) for hour in range(24)]
    assert ids == sorted(ids)
    assert set(map(len, ids)) == {26}
