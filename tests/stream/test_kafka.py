"""The Kafka transport with a real broker: what is delivered, and what is committed."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from custom_components.ev_streams.stream import kafka_reader
from custom_components.ev_streams.stream.delivery import PREFETCH
from custom_components.ev_streams.stream.errors import (
    ConnectionFailedError,
    SourceGoneError,
)
from custom_components.ev_streams.stream.kafka import probe
from simulator.kafka import Kafka
from simulator.kafka_administrator import KafkaAdministrator

from .kafka_helpers import (
    PATIENCE,
    Receiver,
    Run,
    Topic,
    eventually,
    running,
    threads_ended,
)

pytestmark = [
    pytest.mark.xdist_group("kafka"),
    pytest.mark.usefixtures("socket_enabled"),
]

type MakeTopic = Callable[[int], Topic]


@pytest.fixture
def make_topic(kafka: Kafka, kafka_administrator: KafkaAdministrator) -> MakeTopic:
    """Make a topic with a number of partitions."""
    return lambda partitions: Topic(kafka, kafka_administrator, partitions)


@pytest.fixture
def topic(make_topic: MakeTopic) -> Topic:
    """A topic with one partition."""
    return make_topic(1)


def numbers(first: int, after: int) -> list[bytes]:
    return [str(number).encode() for number in range(first, after)]


async def until_committed(topic: Topic, expected: dict[int, int]) -> None:
    async with asyncio.timeout(PATIENCE):
        while await topic.committed() != expected:
            await asyncio.sleep(0.05)


async def test_a_new_group_begins_with_the_oldest_message(topic: Topic) -> None:
    await topic.produce(*numbers(0, 120))
    async with running(topic.endpoint()) as run:
        await run.receiver.wait_for(120)
        assert run.observer.backlogs == [120]
        await topic.produce(*numbers(120, 150))
        await run.receiver.wait_for(150)
        assert run.receiver.bodies == numbers(0, 150)
        await until_committed(topic, {0: 150})


async def test_a_message_has_its_topic_and_its_headers(topic: Topic) -> None:
    await topic.produce(
        b"{}", key=b"a key", headers=[("trace", b"\xff\x00"), ("kind", b"event")]
    )
    async with running(topic.endpoint()) as run:
        await run.receiver.wait_for(1)
    delivery = run.receiver.deliveries[0]
    assert (delivery.address, delivery.body) == (topic.name, b"{}")
    assert delivery.headers == {"trace": b"\xff\x00", "kind": b"event"}
    assert not delivery.redelivered


async def test_a_message_without_a_value_is_one_all_the_same(topic: Topic) -> None:
    await topic.produce(b"before", None, b"after", key=b"a key")
    async with running(topic.endpoint()) as run:
        await run.receiver.wait_for(3)
        assert run.receiver.bodies == [b"before", b"", b"after"]
        await until_committed(topic, {0: 3})


async def test_gzip_is_unpacked(topic: Topic) -> None:
    await topic.produce(*numbers(0, 200), codec="gzip")
    async with running(topic.endpoint()) as run:
        await run.receiver.wait_for(200)
    assert run.receiver.bodies == numbers(0, 200)


async def test_only_what_has_no_gap_is_committed(topic: Topic) -> None:
    await topic.produce(*numbers(0, 6))
    receiver = Receiver(at_once=False)
    async with running(topic.endpoint(), receiver):
        await receiver.wait_for(6)
        for position in (4, 1, 0):
            receiver.deliveries[position].ack()
        await until_committed(topic, {0: 2})
        receiver.deliveries[2].ack()
        await until_committed(topic, {0: 3})
    # The end of a stream commits no more than that either.
    assert await topic.committed() == {0: 3}


async def test_what_was_not_acknowledged_comes_again(topic: Topic) -> None:
    await topic.produce(*numbers(0, 10))
    receiver = Receiver(at_once=False)
    async with running(topic.endpoint(), receiver):
        await receiver.wait_for(10)
        for position in (0, 1, 2, 3, 7):
            receiver.deliveries[position].ack()
    async with running(topic.endpoint()) as run:
        await run.receiver.wait_for(6)
        assert run.observer.backlogs == [6]
    assert run.receiver.bodies == numbers(4, 10)


async def test_the_end_of_a_stream_commits_what_the_receiver_settles(
    topic: Topic,
) -> None:
    await topic.produce(*numbers(0, 30))
    receiver = Receiver(at_once=False, when_settled=True)
    async with running(topic.endpoint(), receiver):
        await receiver.wait_for(30)
        assert await topic.committed() == {}
    assert receiver.settled == 1
    assert await topic.committed() == {0: 30}
    assert await topic.members() == 0


async def test_a_stream_that_is_cancelled_while_it_connects_ends(topic: Topic) -> None:
    run = Run(topic.endpoint(), Receiver())
    await asyncio.sleep(0.05)
    await run.cancel()
    await threads_ended()
    assert run.task.cancelled()
    assert run.receiver.deliveries == []


async def test_no_more_is_delivered_than_may_wait(topic: Topic) -> None:
    await topic.produce(*numbers(0, PREFETCH * 2))
    receiver = Receiver(at_once=False)
    async with running(topic.endpoint(), receiver):
        await receiver.wait_for(PREFETCH)
        # Were there no bound, the rest would come in that time.
        await asyncio.sleep(1)
        assert len(receiver.deliveries) == PREFETCH
        for delivery in receiver.deliveries[:10]:
            delivery.ack()
        await receiver.wait_for(PREFETCH + 10)
        await asyncio.sleep(1)
        assert len(receiver.deliveries) == PREFETCH + 10
        for delivery in receiver.deliveries[10:]:
            delivery.ack()
        await receiver.wait_for(PREFETCH * 2)
    assert receiver.bodies == numbers(0, PREFETCH * 2)


async def test_messages_that_retention_took_are_passed_over(topic: Topic) -> None:
    await topic.produce(*numbers(0, 10))
    async with running(topic.endpoint()) as run:
        await run.receiver.wait_for(10)
    await topic.produce(*numbers(10, 20))
    await asyncio.to_thread(topic.administrator.delete_records, topic.name, 0, 15)
    async with running(topic.endpoint()) as run:
        await run.receiver.wait_for(5)
    assert run.receiver.bodies == numbers(15, 20)


async def test_the_end_of_what_waited_is_told_though_not_each_offset_is_a_message(
    topic: Topic,
) -> None:
    """Transactions leave marks: who counts messages would wait for ever."""
    values = numbers(0, 120)
    await asyncio.to_thread(
        topic.administrator.produce_in_transactions, topic.name, values
    )
    async with running(topic.endpoint()) as run:
        await run.receiver.wait_for(120)
        await eventually(lambda: run.observer.caught_up == 1)
        (backlog,) = run.observer.backlogs
        assert backlog is not None
        # So many offsets are not messages.
        assert backlog > 120
        assert run.receiver.bodies == values
        await topic.produce(b"later")
        await run.receiver.wait_for(121)
    assert run.observer.caught_up == 1


async def test_the_end_of_what_waited_is_not_told_before_all_of_it(
    topic: Topic,
) -> None:
    """No more may wait for an acknowledgement than that."""
    await topic.produce(*numbers(0, PREFETCH * 3))
    receiver = Receiver(at_once=False)
    async with running(topic.endpoint(), receiver) as run:
        await receiver.wait_for(PREFETCH)
        assert run.observer.caught_up == 0
        await eventually(lambda: _acknowledged(receiver) == PREFETCH * 3)
        await eventually(lambda: run.observer.caught_up == 1)


def _acknowledged(receiver: Receiver) -> int:
    """Acknowledge what has come, and return how much that is."""
    for delivery in list(receiver.deliveries):
        delivery.ack()
    return len(receiver.deliveries)


async def test_looking_takes_no_part_in_the_group(topic: Topic) -> None:
    await topic.produce(*numbers(0, 3))
    await probe(topic.endpoint())
    assert await topic.committed() == {}
    assert await topic.members() == 0
    async with running(topic.endpoint()) as run:
        await run.receiver.wait_for(3)
        await until_committed(topic, {0: 3})
        await probe(topic.endpoint())
        await topic.produce(b"still there")
        await run.receiver.wait_for(4)
        # A look from within the group would have made the stream give up its partition.
        assert run.receiver.settled == 0
        await until_committed(topic, {0: 4})


async def test_who_shares_a_group_is_told(
    make_topic: MakeTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them misses what the other reads."""
    monkeypatch.setattr(kafka_reader, "WATCH_INTERVAL", 0.1)
    topic = make_topic(2)
    async with running(topic.endpoint()) as first:
        await first.connected()
        await eventually(lambda: bool(first.observer.states))
        assert {each.other_consumers for each in first.observer.states} == {0}
        async with running(topic.endpoint()) as second:
            await eventually(lambda: first.observer.states[-1].other_consumers == 1)
            await eventually(lambda: bool(second.observer.states))
            assert second.observer.states[-1].other_consumers == 1
        await eventually(lambda: first.observer.states[-1].other_consumers == 0)


async def test_two_of_a_group_share_its_messages(make_topic: MakeTopic) -> None:
    topic = make_topic(2)
    for partition in (0, 1):
        await topic.produce(*numbers(0, 50), partition=partition)
    async with running(topic.endpoint()) as first:
        await first.receiver.wait_for(100)
        async with running(topic.endpoint()) as second:
            for partition in (0, 1):
                await topic.produce(*numbers(50, 80), partition=partition)
            async with asyncio.timeout(PATIENCE):
                while (
                    len(first.receiver.deliveries) + len(second.receiver.deliveries)
                    < 160
                ):
                    await asyncio.sleep(0.05)
            await until_committed(topic, {0: 80, 1: 80})
            # What was acknowledged before the change of hands did not come again.
            together = first.receiver.bodies + second.receiver.bodies
            assert Counter(together) == Counter(numbers(0, 80) * 2)
            assert len(second.receiver.deliveries) == 30
            assert first.receiver.settled == 1
            assert first.observer.backlogs == [100]
            assert len(second.observer.backlogs) == 1


async def test_what_waits_is_settled_before_a_partition_changes_hands(
    make_topic: MakeTopic,
) -> None:
    topic = make_topic(2)
    for partition in (0, 1):
        await topic.produce(*numbers(0, 20), partition=partition)
    receiver = Receiver(at_once=False, when_settled=True)
    async with running(topic.endpoint(), receiver):
        await receiver.wait_for(40)
        async with running(topic.endpoint()) as second:
            assert await topic.committed() == {0: 20, 1: 20}
            assert second.observer.backlogs == [0]
            assert second.receiver.deliveries == []


async def test_a_partition_that_is_added_while_much_waits_is_read_too(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library then shares out anew by itself, and forgets to look at the outcome."""
    monkeypatch.setattr(
        "custom_components.ev_streams.stream.kafka_client.METADATA_MAX_AGE", 500
    )
    await topic.produce(*numbers(0, PREFETCH + 20))
    receiver = Receiver(at_once=False, when_settled=True)
    async with running(topic.endpoint(), receiver):
        await receiver.wait_for(PREFETCH)
        await asyncio.to_thread(topic.administrator.add_partitions, topic.name, 2)
        await receiver.wait_for(PREFETCH + 20)
        await topic.produce(b"in the new one", partition=1)
        await receiver.wait_for(PREFETCH + 21)
    assert receiver.bodies == [*numbers(0, PREFETCH + 20), b"in the new one"]


async def test_who_has_no_partition_is_connected_and_steps_in(
    make_topic: MakeTopic,
) -> None:
    topic = make_topic(2)
    async with (
        running(topic.endpoint()) as first,
        running(topic.endpoint()) as second,
        running(topic.endpoint()) as third,
    ):
        runs = [first, second, third]
        assert [run.observer.backlogs for run in runs] == [[0], [0], [0]]
        for partition in (0, 1):
            await topic.produce(b"to somebody", partition=partition)
        async with asyncio.timeout(PATIENCE):
            while sum(len(run.receiver.deliveries) for run in runs) < 2:
                await asyncio.sleep(0.05)
        await until_committed(topic, {0: 1, 1: 1})
        idle = next(run for run in runs if not run.receiver.deliveries)
        for run in runs:
            if run is not idle:
                await run.cancel()
        for partition in (0, 1):
            await topic.produce(b"to the last", partition=partition)
        await idle.receiver.wait_for(2)
        assert idle.receiver.bodies == [b"to the last"] * 2


async def test_all_messages_arrive_though_the_broker_restarts(
    topic: Topic, kafka: Kafka
) -> None:
    await topic.produce(*numbers(0, 300))
    first = Receiver(at_once=False)
    async with running(topic.endpoint(), first) as run:
        await first.wait_for(300)
        for delivery in first.deliveries[:200]:
            delivery.ack()
        await until_committed(topic, {0: 200})
        await asyncio.to_thread(kafka.stop)
        await asyncio.to_thread(kafka.start)
        # Whether it survives that or not, the supervisor goes on.
        await topic.produce(*numbers(300, 400))
        for delivery in first.deliveries[200:300]:
            delivery.ack()
        await asyncio.wait({run.task}, timeout=1)
    second = Receiver()
    async with running(topic.endpoint(), second):
        async with asyncio.timeout(PATIENCE):
            while set(first.bodies + second.bodies) != set(numbers(0, 400)):
                await asyncio.sleep(0.05)
        # Nothing that was committed came again.
        assert not set(numbers(0, 200)) & set(second.bodies)
        await until_committed(topic, {0: 400})


async def test_a_broker_that_is_gone_ends_the_stream(
    topic: Topic, kafka: Kafka
) -> None:
    run = Run(topic.endpoint(), Receiver())
    await run.connected()
    await asyncio.to_thread(kafka.kill)
    try:
        assert isinstance(await run.ended(), ConnectionFailedError)
        await threads_ended()
    finally:
        await asyncio.to_thread(kafka.start)


async def test_a_deleted_topic_is_told(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "custom_components.ev_streams.stream.kafka_client.METADATA_MAX_AGE", 500
    )
    run = Run(topic.endpoint(), Receiver())
    await run.connected()
    await asyncio.to_thread(topic.administrator.delete_topic, topic.name)
    error = await run.ended()
    await threads_ended()
    assert isinstance(error, SourceGoneError)
    assert error.source == topic.name


async def test_a_codec_that_is_missing_here_is_named(
    kafka_administrator: KafkaAdministrator,
    topic: Topic,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The broker packs the messages anew, as a topic may ask for."""
    monkeypatch.setattr("kafka.codec.has_zstd", lambda: False)
    packed = f"{topic.name}-packed"
    kafka_administrator.create_topic(packed, settings={"compression.type": "zstd"})
    await asyncio.to_thread(kafka_administrator.produce, packed, [b"cannot be read"])
    run = Run(topic.endpoint(topic=packed), Receiver())
    error = await run.ended()
    await threads_ended()
    assert isinstance(error, ConnectionFailedError)
    assert "zstd" in str(error)
    assert run.receiver.deliveries == []
    assert await topic.committed() == {}
