"""What reaches a consumer of the operator's queue, over a real broker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
import json
import re
import ssl

import aio_pika
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractIncomingMessage,
    AbstractQueue,
)
from aio_pika.exceptions import ProbableAuthenticationError
from aiormq.exceptions import ChannelAccessRefused
import pytest

from simulator.easee import EaseeAccount, EaseeCloud, FleetPlan, Measurement, play
from simulator.easee.car import Car, ChargerPlan, Visit
from simulator.network import Link
from simulator.rabbitmq import Administrator, QueueState, RabbitMQ

MEASURED = datetime(2026, 11, 20, 5, 1, 1, tzinfo=UTC)
ARRIVED = datetime(2026, 11, 20, 5, 1, 2, 123456, tzinfo=UTC)


async def connect(account: EaseeAccount, port: int = 0) -> AbstractConnection:
    broker = account.administrator.broker
    return await aio_pika.connect(
        host=broker.host,
        port=port or broker.port,
        login=account.amqp_username,
        password=account.amqp_password,
    )


@pytest.fixture
async def queue(account: EaseeAccount) -> AsyncIterator[AbstractQueue]:
    """Open the operator's queue as a customer does."""
    async with await connect(account) as connection:
        channel = await connection.channel()
        yield await channel.get_queue(account.queue, ensure=True)


async def receive(queue: AbstractQueue, count: int) -> list[AbstractIncomingMessage]:
    messages: list[AbstractIncomingMessage] = []
    async with queue.iterator(no_ack=True, timeout=5) as iterator:
        async for message in iterator:
            messages.append(message)
            if len(messages) == count:
                break
    return messages


@pytest.mark.parametrize(
    ("observation_id", "value"),
    [
        (120, 7.31),
        (109, 3),
        (103, True),
        (250, False),
        (223, '{"Id": 435}'),
        (124, 5.0),
    ],
)
async def test_an_observation_on_the_wire(
    account: EaseeAccount, queue: AbstractQueue, observation_id: int, value: float | str
) -> None:
    await account.publish(
        "EH000001", observation_id, value, timestamp=MEASURED, arrival_time=ARRIVED
    )
    (message,) = await receive(queue, 1)
    assert message.routing_key == f"EH000001.O.{observation_id}"
    assert message.headers == {"ArrivalTime": "2026-11-20T05:01:02.1234560Z"}
    assert message.delivery_mode is aio_pika.DeliveryMode.PERSISTENT
    document = json.loads(message.body)
    assert document == {"Timestamp": "2026-11-20T05:01:01Z", "Value": value}
    assert type(document["Value"]) is type(value)


async def test_times_default_to_now(
    account: EaseeAccount, queue: AbstractQueue
) -> None:
    before = datetime.now(UTC)
    await account.publish("EH000001", 109, 3)
    (message,) = await receive(queue, 1)
    arrived = message.headers["ArrivalTime"]
    assert isinstance(arrived, str)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", arrived)
    for text in (arrived, json.loads(message.body)["Timestamp"]):
        assert before <= datetime.fromisoformat(text) <= datetime.now(UTC)


async def test_thousands_arrive_in_order(
    account: EaseeAccount, queue: AbstractQueue
) -> None:
    measurements = [
        Measurement(
            time=MEASURED + timedelta(seconds=n), observation_id=120, value=float(n)
        )
        for n in range(2500)
    ]
    await account.publish_many(
        "EH000001", measurements, delay=timedelta(seconds=2), remember=False
    )
    state = await account.administrator.queue_state(account.queue)
    assert state == QueueState(ready=2500, unacknowledged=0, consumers=0)
    messages = await receive(queue, 2500)
    assert [json.loads(m.body)["Value"] for m in messages] == list(range(2500))
    assert messages[1].headers == {"ArrivalTime": "2026-11-20T05:01:04.0000000Z"}


async def test_raw_messages_pass_as_they_are(
    account: EaseeAccount, queue: AbstractQueue
) -> None:
    await account.publish_raw("SYS.1", b"\xff not json")
    (message,) = await receive(queue, 1)
    assert (message.routing_key, message.body) == ("SYS.1", b"\xff not json")
    assert message.headers == {}


async def test_a_queue_state_is_exact(
    account: EaseeAccount, queue: AbstractQueue
) -> None:
    for value in range(15):
        await account.publish("EH000001", 96, value)
    await queue.channel.set_qos(prefetch_count=10)
    received: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    await queue.consume(received.put)
    messages = [await received.get() for _ in range(10)]
    administrator = account.administrator
    assert await administrator.queue_state(account.queue) == QueueState(
        ready=5, unacknowledged=10, consumers=1
    )
    await messages[3].ack(multiple=True)
    messages += [await received.get() for _ in range(4)]
    assert await administrator.queue_state(account.queue) == QueueState(
        ready=1, unacknowledged=10, consumers=1
    )


async def declare_another(account: EaseeAccount, channel: AbstractChannel) -> None:
    await channel.declare_queue("mine")


async def bind_again(account: EaseeAccount, channel: AbstractChannel) -> None:
    queue = await channel.get_queue(account.queue, ensure=False)
    await queue.bind(account.exchange, "#")


async def delete_own(account: EaseeAccount, channel: AbstractChannel) -> None:
    await channel.queue_delete(account.queue)


async def read_foreign(account: EaseeAccount, channel: AbstractChannel) -> None:
    queue = await channel.get_queue("Operator_2.Q", ensure=False)
    await queue.get()


@pytest.mark.parametrize(
    "attempt", [declare_another, bind_again, delete_own, read_foreign]
)
async def test_a_customer_may_configure_nothing(
    account: EaseeAccount,
    cloud: EaseeCloud,
    attempt: Callable[[EaseeAccount, AbstractChannel], Awaitable[None]],
) -> None:
    await cloud.add_account("other@example.com", "right", operator_id=2)
    async with await connect(account) as connection:
        channel = await connection.channel()
        with pytest.raises(ChannelAccessRefused):
            await attempt(account, channel)


async def test_a_rotated_password_ends_connections(account: EaseeAccount) -> None:
    connection = await connect(account)
    closed = asyncio.Event()
    connection.close_callbacks.add(lambda *_: closed.set())
    old = account.amqp_password
    await account.rotate_amqp_password("rotated")
    await asyncio.wait_for(closed.wait(), 5)
    await (await connect(account)).close()
    account.amqp_password = old
    with pytest.raises(ProbableAuthenticationError):
        await connect(account)


async def test_users_and_queues_can_go(
    account: EaseeAccount, administrator: Administrator
) -> None:
    await administrator.delete_queue(account.queue)
    with pytest.raises(LookupError):
        await administrator.queue_state(account.queue)
    await account.publish("EH000001", 109, 3)
    await administrator.create_queue(account.queue, account.exchange)
    await account.publish("EH000001", 109, 2)
    assert (await administrator.queue_state(account.queue)).ready == 1
    await administrator.delete_user(account.amqp_username)
    with pytest.raises(ProbableAuthenticationError):
        await connect(account)


async def test_an_account_made_again_begins_empty(
    account: EaseeAccount, cloud: EaseeCloud, administrator: Administrator
) -> None:
    await account.publish("EH000001", 109, 3)
    again = await cloud.add_account("operator@example.com", "right", operator_id=1)
    assert (await administrator.queue_state(again.queue)).ready == 0
    await (await connect(again)).close()


async def test_a_restart_takes_connections_and_keeps_the_rest(
    account: EaseeAccount, broker: RabbitMQ, administrator: Administrator
) -> None:
    await account.publish("EH000001", 109, 3)
    ports = broker.port, broker.tls_port
    connection = await connect(account)
    closed = asyncio.Event()
    connection.close_callbacks.add(lambda *_: closed.set())
    await asyncio.to_thread(broker.restart)
    await asyncio.wait_for(closed.wait(), 5)
    assert (broker.port, broker.tls_port) == ports
    await (await connect(account)).close()
    await account.publish("EH000001", 109, 4)
    assert (await administrator.queue_state(account.queue)).ready == 2


async def test_tls_is_verified(account: EaseeAccount, broker: RabbitMQ) -> None:
    trusting = ssl.create_default_context(cafile=broker.ca_file)
    for host in ("localhost", "127.0.0.1"):
        connection = await aio_pika.connect(
            host=host,
            port=broker.tls_port,
            login=account.amqp_username,
            password=account.amqp_password,
            ssl=True,
            ssl_context=trusting,
        )
        await connection.close()
    with pytest.raises(ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        await aio_pika.connect(
            host="localhost",
            port=broker.tls_port,
            ssl=True,
            ssl_context=ssl.create_default_context(),
        )


async def test_a_link_can_be_cut_restored_and_dropped(
    account: EaseeAccount, broker: RabbitMQ, administrator: Administrator
) -> None:
    async with Link(broker.host, broker.port) as link:
        connection = await connect(account, link.port)
        closed = asyncio.Event()
        connection.close_callbacks.add(lambda *_: closed.set())
        channel = await connection.channel()
        link.cut()
        asked = asyncio.create_task(channel.get_queue(account.queue, ensure=True))
        late = asyncio.create_task(connect(account, link.port))
        done, _ = await asyncio.wait({asked, late}, timeout=0.2)
        assert not done
        link.restore()
        queue = await asyncio.wait_for(asked, 5)
        assert queue.name == account.queue
        await (await asyncio.wait_for(late, 5)).close()
        assert not closed.is_set()
        link.drop()
        await asyncio.wait_for(closed.wait(), 5)
        await (await connect(account, link.port)).close()
    with pytest.raises(ConnectionError):
        await connect(account, link.port)


class Hurry:
    """A clock that is always where it is asked to wait for."""

    def __init__(self) -> None:
        # After all that a new charger says of its past.
        self.time = datetime(2030, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    async def sleep_until(self, time: datetime) -> None:
        self.time = max(self.time, time)


async def test_a_plan_is_performed_on_the_stream(
    account: EaseeAccount, queue: AbstractQueue, administrator: Administrator
) -> None:
    visits = (Visit(car=Car(energy=0.02), arrives_after=1),)
    charger = ChargerPlan(
        serial="EH000002", name="Driveway", visits=visits, repeat=False
    )
    plan = FleetPlan(chargers=(charger,))
    plan.add_chargers(account)
    await play(account, plan=plan, clock=Hurry())
    count = (await administrator.queue_state(account.queue)).ready
    messages = await receive(queue, count)
    assert {str(m.routing_key).split(".")[0] for m in messages} == {"EH000002"}
    modes = [
        json.loads(m.body)["Value"]
        for m in messages
        if m.routing_key == "EH000002.O.109"
    ]
    assert modes == [2, 3, 4, 1]
    (ended,) = [
        json.loads(json.loads(m.body)["Value"])
        for m in messages
        if m.routing_key == "EH000002.O.129"
    ]
    held = account.chargers["EH000002"].observations
    assert held[124][1] == ended["MeterValueStop"]
