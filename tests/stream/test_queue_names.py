"""Queues with names that the library would refuse, on a real broker."""

import asyncio
from collections.abc import AsyncIterator

import aio_pika
from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import ChannelNotFoundEntity
from pamqp import commands
import pytest

from custom_components.ev_streams.stream.errors import SourceGoneError
from custom_components.ev_streams.stream.queue_names import LONGEST, consume, look
from simulator.rabbitmq import Administrator, RabbitMQ

EXCHANGE = "names.X"
STAR = "names.*.session.started"
NAMES = [STAR, "with space", "a/b|c?d", "Ladesäule ⚡", "x" * LONGEST]
PATIENCE = 10.0


@pytest.fixture
async def connection(
    broker: RabbitMQ, administrator: Administrator
) -> AsyncIterator[AbstractConnection]:
    """Connect as somebody who may do anything, so that only the name can be refused."""
    connection = await aio_pika.connect(
        host=broker.host,
        port=broker.port,
        login=broker.administrator_name,
        password=broker.administrator_password,
    )
    async with connection:
        yield connection


@pytest.fixture
async def channel(connection: AbstractConnection) -> AbstractChannel:
    """Open a channel and return the library's lower half of it."""
    opened = await connection.channel(publisher_confirms=False)
    return await opened.get_underlay_channel()


@pytest.fixture(params=NAMES, ids=["star", "space", "signs", "unicode", "longest"])
async def queue(
    request: pytest.FixtureRequest, administrator: Administrator
) -> AsyncIterator[str]:
    """Create a queue with an unusual name."""
    name: str = request.param
    await administrator.create_queue(name, EXCHANGE, keys=("letter",))
    yield name
    await administrator.delete_queue(name)


async def test_a_queue_of_any_name_is_looked_at(
    administrator: Administrator, channel: AbstractChannel, queue: str
) -> None:
    for _ in range(3):
        await administrator.publish(EXCHANGE, "letter", b"{}")
    state = await look(channel, queue, patience=PATIENCE)
    assert (state.queue, state.message_count, state.consumer_count) == (queue, 3, 0)


async def test_a_queue_of_any_name_is_consumed_until_it_is_cancelled(
    administrator: Administrator, channel: AbstractChannel, queue: str
) -> None:
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(message: DeliveredMessage) -> None:
        await received.put(message.body)
        await channel.basic_ack(message.delivery_tag or 0)

    await administrator.publish(EXCHANGE, "letter", b"before")
    tag = await consume(channel, queue, take)
    await administrator.publish(EXCHANGE, "letter", b"after")
    async with asyncio.timeout(PATIENCE):
        assert [await received.get(), await received.get()] == [b"before", b"after"]
    assert (await look(channel, queue, patience=PATIENCE)).consumer_count == 1

    await channel.basic_cancel(tag)
    await administrator.publish(EXCHANGE, "letter", b"too late")
    state = await look(channel, queue, patience=PATIENCE)
    assert (state.message_count, state.consumer_count) == (1, 0)
    assert received.empty()


async def test_each_of_several_queues_has_a_consumer_of_its_own(
    administrator: Administrator, channel: AbstractChannel
) -> None:
    received: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    async def take_one(message: DeliveredMessage) -> None:
        await received.put(("one", message.body))

    async def take_two(message: DeliveredMessage) -> None:
        await received.put(("two", message.body))

    await administrator.create_queue("u.*.one", EXCHANGE, keys=("u.*.one",))
    await administrator.create_queue("u.*.two", EXCHANGE, keys=("u.*.two",))
    await consume(channel, "u.*.one", take_one)
    await consume(channel, "u.*.two", take_two)
    await administrator.publish(EXCHANGE, "u.7.two", b"2")
    await administrator.publish(EXCHANGE, "u.7.one", b"1")
    async with asyncio.timeout(PATIENCE):
        assert {await received.get(), await received.get()} == {
            ("one", b"1"),
            ("two", b"2"),
        }
    for name in ("u.*.one", "u.*.two"):
        await administrator.delete_queue(name)


async def test_a_missing_queue_is_reported_as_the_library_reports_one(
    connection: AbstractConnection,
) -> None:
    """The broker closes the channel over it, so that each gets its own."""
    channels = [
        await (await connection.channel()).get_underlay_channel() for _ in range(2)
    ]
    with pytest.raises(ChannelNotFoundEntity):
        await look(channels[0], STAR, patience=PATIENCE)
    with pytest.raises(ChannelNotFoundEntity):
        await consume(channels[1], STAR, _nobody)


@pytest.mark.parametrize(
    "name",
    ["", "x" * (LONGEST + 1), "ä" * 128, "\ud800"],
    ids=["empty", "too_long", "too_many_bytes", "no_text"],
)
async def test_a_name_that_no_queue_can_have_is_a_missing_queue(
    channel: AbstractChannel, administrator: Administrator, name: str
) -> None:
    with pytest.raises(SourceGoneError) as looked:
        await look(channel, name, patience=PATIENCE)
    assert looked.value.source == name
    with pytest.raises(SourceGoneError):
        await consume(channel, name, _nobody)

    # Nothing was sent: the channel is as good as before.
    await administrator.create_queue(STAR, EXCHANGE)
    assert (await look(channel, STAR, patience=PATIENCE)).message_count == 0
    await administrator.delete_queue(STAR)


async def test_the_library_is_left_as_strict_as_it_was(
    channel: AbstractChannel, administrator: Administrator
) -> None:
    """Another integration may share it; should it ever take stars, ours can go."""
    await administrator.create_queue(STAR, EXCHANGE)
    await look(channel, STAR, patience=PATIENCE)
    await administrator.delete_queue(STAR)
    with pytest.raises(ValueError, match="Invalid value for queue"):
        commands.Queue.Declare(queue=STAR, passive=True)
    with pytest.raises(ValueError, match="Invalid value for queue"):
        commands.Basic.Consume(queue=STAR)


async def _nobody(message: DeliveredMessage) -> None:
    """Take nothing: there is nothing to come."""
