"""Queues that go and come back, that somebody else reads, or that nothing comes from."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import aio_pika
from freezegun.api import TickingDateTimeFactory, freeze_time
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from custom_components.ev_streams.stream import amqp
from custom_components.ev_streams.stream.supervisor import Backoff
from simulator.invers import EventConsumer, InversFleet
from simulator.invers.events import Topic

from ..helpers import issue, wait_for_issue, wait_for_state, wait_live, wait_until
from .helpers import CAR, add_fleet, recorded


async def wait_cleared(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, kind: str
) -> None:
    """Wait until the notice has gone by itself."""
    await wait_until(lambda: issue(hass, entry, kind) is None, f"no {kind}")


def source(raised: ir.IssueEntry) -> str:
    """Return which queues a notice names."""
    assert raised.translation_placeholders is not None
    return raised.translation_placeholders["source"]


async def hear_of(
    hass: HomeAssistant, fleet: InversFleet, entry: EvStreamsConfigEntry, level: int
) -> None:
    """Publish a state and wait until it is shown."""
    count = entry.runtime_data.vitals.messages + 1
    await fleet.publish(
        "VehicleStateRecorded", recorded({"mileage_in_kilometers": level})
    )
    await wait_until(lambda: entry.runtime_data.vitals.messages >= count, "it")
    await hass.async_block_till_done()
    await wait_for_state(hass, CAR, "mileage_in_kilometers", str(level))


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for missing queues, and at others, all the time."""
    monkeypatch.setattr(amqp, "MISSING_INTERVAL", 0.2)
    monkeypatch.setattr(amqp, "WATCH_INTERVAL", 0.2)
    monkeypatch.setattr(Backoff, "slow_delay", lambda _self: 0.2)
    monkeypatch.setattr(Backoff, "delay", lambda _self, _attempt: 0.1)


async def test_one_queue_gone_leaves_the_others_running(
    hass: HomeAssistant, fleet: InversFleet, consumer: EventConsumer, eager: None
) -> None:
    """It is named, and when it is there again its messages come."""
    entry = await add_fleet(hass, consumer)
    name = consumer.queues[Topic.TRIP]
    await fleet.remove_queue(consumer, Topic.TRIP)
    raised = await wait_for_issue(hass, entry, "source_gone")
    assert source(raised) == name
    assert raised.translation_key == "invers_source_gone"
    await wait_live(hass, entry)
    await hear_of(hass, fleet, entry, 10)
    # Who has read it and waits may ignore it, over a restart as well.
    ir.async_ignore_issue(hass, "ev_streams", raised.issue_id, True)
    await hass.config_entries.async_reload(entry.entry_id)
    await wait_live(hass, entry)
    still = await wait_for_issue(hass, entry, "source_gone")
    assert still.dismissed_version is not None
    assert source(still) == name

    assert await fleet.subscribe(consumer, Topic.TRIP) == name
    await wait_cleared(hass, entry, "source_gone")
    await wait_live(hass, entry)
    await fleet.publish("TripStarted", {"vehicle_id": CAR})
    await wait_until(
        lambda: any(
            each.content.subtopic == "TripStarted"
            for each in entry.runtime_data.traffic.recent(CAR)
        ),
        "the trip",
    )
    await hear_of(hass, fleet, entry, 11)


async def test_all_queues_gone_and_back_one_after_the_other(
    hass: HomeAssistant, fleet: InversFleet, eager: None
) -> None:
    consumer = await fleet.add_consumer(
        topics=[Topic.VEHICLE_STATE, Topic.VEHICLE_CHANGE]
    )
    state_queue, change_queue = consumer.queues.values()
    entry = await add_fleet(hass, consumer)
    for topic in (Topic.VEHICLE_CHANGE, Topic.VEHICLE_STATE):
        await fleet.remove_queue(consumer, topic)
    await wait_until(
        lambda: (
            (raised := issue(hass, entry, "source_gone")) is not None
            and source(raised) == f"{state_queue}, {change_queue}"
        ),
        "both named",
    )
    await wait_for_state(
        hass, str(entry.unique_id), "stream_status", "waiting_to_retry"
    )
    await fleet.subscribe(consumer, Topic.VEHICLE_STATE)
    await wait_until(
        lambda: (
            (raised := issue(hass, entry, "source_gone")) is not None
            and source(raised) == change_queue
        ),
        "the other one named",
    )
    await wait_live(hass, entry)
    await hear_of(hass, fleet, entry, 10)
    await fleet.subscribe(consumer, Topic.VEHICLE_CHANGE)
    await wait_cleared(hass, entry, "source_gone")
    await wait_live(hass, entry)


async def test_a_second_reader_is_told(
    hass: HomeAssistant, fleet: InversFleet, consumer: EventConsumer, eager: None
) -> None:
    """Until it has gone."""
    entry = await add_fleet(hass, consumer)
    other = await aio_pika.connect(
        host=consumer.host,
        port=consumer.port,
        login=consumer.username,
        password=consumer.password,
        virtualhost=consumer.virtual_host,
    )
    async with other:
        channel = await other.channel()
        queue = await channel.get_queue(consumer.queues[Topic.TRIP], ensure=False)
        await queue.consume(_keep, no_ack=True)
        raised = await wait_for_issue(hass, entry, "shared_source")
        assert raised.translation_key == "invers_shared_source"
    await wait_cleared(hass, entry, "shared_source")


async def _keep(_message: aio_pika.abc.AbstractIncomingMessage) -> None:
    """Do as a program does that takes our messages."""


@pytest.fixture
def clock() -> Iterator[TickingDateTimeFactory]:
    """Let the clock go on by itself, and be put forward; the broker has its own."""
    with freeze_time(datetime.now(UTC), tick=True, real_asyncio=True) as clock:
        assert isinstance(clock, TickingDateTimeFactory)
        yield clock


async def pass_time(
    hass: HomeAssistant, clock: TickingDateTimeFactory, hours: float
) -> None:
    """Put the clock forward, and let happen what is due."""
    clock.tick(timedelta(hours=hours))
    async_fire_time_changed(hass)
    await hass.async_block_till_done()


async def test_a_day_of_silence_is_told(
    hass: HomeAssistant,
    fleet: InversFleet,
    consumer: EventConsumer,
    clock: TickingDateTimeFactory,
) -> None:
    """Counted from the last message, over a restart; the next one ends it."""
    entry = await add_fleet(hass, consumer)
    await hear_of(hass, fleet, entry, 10)
    heard = datetime.now(UTC)
    await pass_time(hass, clock, 23.5)
    assert issue(hass, entry, "silent") is None
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert issue(hass, entry, "silent") is None
    await pass_time(hass, clock, 1.1)
    raised = issue(hass, entry, "silent")
    assert raised is not None
    assert raised.translation_key == "invers_silent"
    placeholders = raised.translation_placeholders
    assert placeholders is not None
    since = datetime.fromisoformat(placeholders["since"].replace(" UTC", "+00:00"))
    assert abs(since - heard) <= timedelta(minutes=1, seconds=10)
    assert (placeholders["account"], placeholders["hours"]) == ("INVERS", "24")
    await hass.config_entries.async_reload(entry.entry_id)
    assert issue(hass, entry, "silent") is not None
    await wait_live(hass, entry)
    await hear_of(hass, fleet, entry, 11)
    assert issue(hass, entry, "silent") is None


async def test_silence_of_an_account_that_never_heard_anything(
    hass: HomeAssistant, consumer: EventConsumer, clock: TickingDateTimeFactory
) -> None:
    """Counts from the setup on."""
    entry = await add_fleet(hass, consumer)
    await pass_time(hass, clock, 23.9)
    assert issue(hass, entry, "silent") is None
    await pass_time(hass, clock, 1.1)
    assert issue(hass, entry, "silent") is not None
