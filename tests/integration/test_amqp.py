"""The AMQP transport alone with a real broker: acknowledgement, refusals, a line that dies."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
import gc
import ssl
from typing import Any
import warnings

import aio_pika
from aio_pika.abc import AbstractConnection
from aiormq.exceptions import ChannelAccessRefused
import pytest

from custom_components.ev_streams.providers import queues_form
from custom_components.ev_streams.providers.easee import account as easee_account
from custom_components.ev_streams.providers.easee.api import StreamDetails
from custom_components.ev_streams.stream import amqp, queue_names
from custom_components.ev_streams.stream.amqp import AmqpEndpoint, AmqpStream, probe
from custom_components.ev_streams.stream.delivery import Delivery
from custom_components.ev_streams.stream.errors import (
    AccessClosedError,
    ConnectionFailedError,
    CredentialsRefusedError,
    SourceGoneError,
    StreamError,
    TlsNeededError,
)
from custom_components.ev_streams.stream.supervisor import SourceState, Supervisor
from simulator.easee import EaseeAccount
from simulator.network import Link
from simulator.rabbitmq import Administrator, RabbitMQ

from .helpers import wait_until


class Observer:
    """Notes what the stream tells."""

    def __init__(self) -> None:
        self.backlog: int | None = None
        self.states: list[SourceState] = []

    def connecting(self) -> None:
        """The supervisor's business."""

    def connected(self, backlog: int | None) -> None:
        self.backlog = backlog

    def watched(self, state: SourceState) -> None:
        self.states.append(state)

    def lost(self, error: StreamError, retry_in: float) -> None:
        """The supervisor's business."""

    def refused(self, error: StreamError) -> None:
        """The supervisor's business."""


class Taker:
    """Takes deliveries, and keeps none waiting when the stream is ended."""

    def __init__(self, handle: Callable[[Delivery], None]) -> None:
        self.handle = handle

    async def settle(self) -> None:
        """Nothing is pending."""


class CancelledAt:
    """Awaits the work, and is cancelled in the moment in which its nth wait is over.

    A library that swallows a cancellation, or turns it into an error of its own, would
    else be met by chance only.
    """

    def __init__(self, work: Coroutine[Any, Any, None], wait: int) -> None:
        self.is_over = False
        self._work = work
        self._wait = wait

    def __await__(self) -> Generator[Any, Any]:
        task = asyncio.current_task()
        assert task is not None
        go_on = partial(self._work.send, None)
        while True:
            try:
                waited = go_on()
            except StopIteration:
                return
            self._wait -= 1
            if self._wait == 0 and waited is None:
                asyncio.get_running_loop().call_soon(self._cancel, task)
            elif self._wait == 0:
                waited.add_done_callback(lambda _: self._cancel(task))
            try:
                yield waited
            # Whatever it is, it is the work that has to deal with it.
            except BaseException as err:  # noqa: BLE001
                go_on = partial(self._work.throw, err)
            else:
                go_on = partial(self._work.send, None)

    def _cancel(self, task: asyncio.Task[None]) -> None:
        self.is_over = True
        task.cancel()


@pytest.fixture
def endpoint(broker: RabbitMQ, account: EaseeAccount) -> AmqpEndpoint:
    """Return where the account's queue is."""
    return AmqpEndpoint(
        host=broker.host,
        port=broker.port,
        virtual_host="/",
        username=account.amqp_username,
        password=account.amqp_password,
        queues=(account.queue,),
        ssl_context=None,
    )


@asynccontextmanager
async def running(
    endpoint: AmqpEndpoint, on_delivery: Callable[[Delivery], None]
) -> AsyncIterator[Observer]:
    """Run a stream until the block ends."""
    observer = Observer()
    task = asyncio.create_task(AmqpStream(endpoint, Taker(on_delivery)).run(observer))
    try:
        await wait_until(lambda: observer.backlog is not None, "the connection")
        yield observer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def fill(account: EaseeAccount, count: int) -> None:
    """Let messages 0, 1, 2, … wait in the queue."""
    for number in range(count):
        await account.publish_raw("EH1.O.120", str(number).encode())


async def test_acknowledgement_never_runs_ahead(
    account: EaseeAccount, administrator: Administrator, endpoint: AmqpEndpoint
) -> None:
    """What is acknowledged out of turn waits for what came before it."""
    await fill(account, 5)
    held: dict[bytes, Delivery] = {}

    async def unacknowledged() -> int:
        # A round trip of our own channel: an acknowledgement sent before has arrived.
        return (await administrator.queue_state(account.queue)).unacknowledged

    async def settles_at(expected: int) -> bool:
        for _ in range(200):
            if await unacknowledged() == expected:
                return True
        return False

    async with running(endpoint, lambda d: held.update({d.body: d})) as observer:
        await wait_until(lambda: len(held) == 5, "five deliveries")
        assert observer.backlog == 5
        held[b"1"].ack()
        held[b"2"].ack()
        held[b"4"].ack()
        assert not await settles_at(4)
        assert await unacknowledged() == 5
        held[b"0"].ack()
        assert await settles_at(2)
        held[b"3"].ack()
        assert await settles_at(0)


async def test_what_was_not_acknowledged_comes_again(
    account: EaseeAccount, endpoint: AmqpEndpoint
) -> None:
    """A stream that ends with messages in its hands gives them back, marked as redelivered."""
    await fill(account, 3)
    first: list[Delivery] = []

    def keep_the_last(delivery: Delivery) -> None:
        first.append(delivery)
        if delivery.body != b"2":
            delivery.ack()

    async with running(endpoint, keep_the_last):
        await wait_until(lambda: len(first) == 3, "three deliveries")
    again: list[Delivery] = []
    async with running(endpoint, again.append):
        await wait_until(lambda: bool(again), "the redelivery")
    assert [(each.body, each.redelivered) for each in first] == [
        (b"0", False),
        (b"1", False),
        (b"2", False),
    ]
    assert [(each.body, each.redelivered) for each in again] == [(b"2", True)]


async def test_an_acknowledgement_on_the_way_out_is_sent(
    account: EaseeAccount, administrator: Administrator, endpoint: AmqpEndpoint
) -> None:
    """Ending right after an acknowledgement does not undo it."""
    await fill(account, 1)
    held: list[Delivery] = []
    async with running(endpoint, held.append):
        await wait_until(lambda: bool(held), "the delivery")
        held[0].ack()
    seen = await administrator.queue_state(account.queue)
    assert (seen.ready, seen.unacknowledged, seen.consumers) == (0, 0, 0)


async def test_ending_with_the_very_first_delivery(
    account: EaseeAccount, administrator: Administrator, endpoint: AmqpEndpoint
) -> None:
    """A delivery may come before the subscription is answered; its acknowledgement counts."""
    await fill(account, 1)

    def acknowledge_and_end(delivery: Delivery) -> None:
        delivery.ack()
        task.cancel()

    stream = AmqpStream(endpoint, Taker(acknowledge_and_end))
    task = asyncio.create_task(stream.run(Observer()))
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    seen = await administrator.queue_state(account.queue)
    assert (seen.ready, seen.unacknowledged, seen.consumers) == (0, 0, 0)


async def test_ending_while_connecting_leaves_no_connection(
    account: EaseeAccount,
    administrator: Administrator,
    endpoint: AmqpEndpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ended in the very moment in which the connection comes about, the line is closed."""
    connect = aio_pika.connect

    async def end_when_open(**options: Any) -> AbstractConnection:
        connection: AbstractConnection = await connect(**options)
        task.cancel()
        # The library has steps left between the open line and its caller.
        await asyncio.sleep(0)
        return connection

    monkeypatch.setattr(aio_pika, "connect", end_when_open)
    stream = AmqpStream(endpoint, Taker(lambda delivery: delivery.ack()))
    task = asyncio.create_task(stream.run(Observer()))
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert await administrator.close_connections(account.amqp_username) == 0


async def test_several_queues_on_one_connection(
    account: EaseeAccount,
    administrator: Administrator,
    broker: RabbitMQ,
    endpoint: AmqpEndpoint,
) -> None:
    """Queues are read side by side, their backlogs summed up."""
    second = f"{account.queue}.*.second"
    await administrator.create_queue(second, "second.X")
    await fill(account, 2)
    await administrator.publish("second.X", "EH2.O.120", b"other", None)
    both = replace(
        endpoint,
        username=broker.administrator_name,
        password=broker.administrator_password,
        queues=(account.queue, second),
    )
    seen: list[tuple[bytes, str]] = []

    def note(delivery: Delivery) -> None:
        seen.append((delivery.body, delivery.source))
        delivery.ack()

    async with running(both, note) as observer:
        await wait_until(lambda: len(seen) == 3, "three deliveries")
    assert observer.backlog == 3
    assert sorted(seen) == [
        (b"0", account.queue),
        (b"1", account.queue),
        (b"other", second),
    ]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"password": "wrong"}, CredentialsRefusedError),
        ({"virtual_host": "elsewhere"}, AccessClosedError),
        ({"port": 9}, ConnectionFailedError),
    ],
)
async def test_refusals_are_told_apart(
    endpoint: AmqpEndpoint, change: dict[str, object], error: type[StreamError]
) -> None:
    """The form and the supervisor must know whose business a failure is."""
    wrong = replace(endpoint, **change)  # type: ignore[arg-type]
    with pytest.raises(error):
        await probe(wrong)
    with pytest.raises(error):
        await AmqpStream(wrong, Taker(lambda delivery: delivery.ack())).run(Observer())


@pytest.mark.parametrize("missing", ["missing", "missing.*.star", "x" * 256])
async def test_a_missing_queue_is_no_refusal_where_others_are_there(
    endpoint: AmqpEndpoint, missing: str
) -> None:
    """A look tells which it is; a stream does without it, but not without any."""
    both = replace(endpoint, queues=(*endpoint.queues, missing))
    assert await probe(both) == (missing,)
    async with running(both, lambda delivery: delivery.ack()) as observer:
        assert observer.states[0].missing == (missing,)
    alone = replace(endpoint, queues=(missing,))
    assert await probe(alone) == (missing,)
    with pytest.raises(SourceGoneError):
        await AmqpStream(alone, Taker(lambda delivery: delivery.ack())).run(Observer())


async def test_queue_of_somebody_else(
    account: EaseeAccount, administrator: Administrator, endpoint: AmqpEndpoint
) -> None:
    """A queue that exists but may not be read is a matter of credentials."""
    await administrator.create_account("neighbour", "n", "Neighbour.Q", "Neighbour.X")
    with pytest.raises(CredentialsRefusedError):
        await AmqpStream(
            replace(endpoint, queues=("Neighbour.Q",)),
            Taker(lambda delivery: delivery.ack()),
        ).run(Observer())


async def test_dead_line_is_noticed_without_the_librarys_help(
    endpoint: AmqpEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where even heartbeats tell nothing, the regular look at the queue does."""
    monkeypatch.setattr(amqp, "WATCH_INTERVAL", 0.2)
    monkeypatch.setattr(amqp, "PATIENCE", 0.5)
    monkeypatch.setattr(amqp, "HEARTBEAT", 60)
    async with Link(endpoint.host, endpoint.port) as link:
        stream = AmqpStream(
            replace(endpoint, port=link.port),
            Taker(lambda delivery: delivery.ack()),
        )
        observer = Observer()
        task = asyncio.create_task(stream.run(observer))
        await wait_until(lambda: bool(observer.states), "the first look")
        link.cut()
        with pytest.raises(ConnectionFailedError, match="no sign of life"):
            async with asyncio.timeout(10):
                await task
        link.drop()
        link.restore()


async def test_refused_connection_leaves_nothing_behind(
    administrator: Administrator, endpoint: AmqpEndpoint
) -> None:
    """What the library makes of a failed attempt is tidied up, on whichever thread."""
    held: list[BaseException] = []
    await administrator.limit_connections(0)
    try:
        await probe(endpoint)
    except StreamError as err:
        # The traceback keeps whatever was made; it goes on another thread.
        held.append(err)
    finally:
        await administrator.limit_connections(None)
    assert held

    def let_go() -> None:
        held.clear()
        gc.collect()

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        await asyncio.to_thread(let_go)
    assert [str(warning.message) for warning in seen] == []


async def test_a_vendor_may_do_without_encryption_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Easee's details of a stream say so, and are asked for over an encrypted line.

    The address is one of the documentation, nobody's own network; nothing is contacted.
    """
    told = StreamDetails(
        server="192.0.2.1",
        port=5672,
        use_ssl=False,
        virtual_host="/",
        queue_name="queue",
        username="operator",
        password="right",
    )
    tried: list[str] = []

    async def connect(**options: Any) -> AbstractConnection:
        tried.append(options["host"])
        raise ConnectionRefusedError

    monkeypatch.setattr(aio_pika, "connect", connect)
    vendors = easee_account.endpoint(told, ssl.create_default_context())
    with pytest.raises(ConnectionFailedError):
        await probe(vendors)
    assert tried == ["192.0.2.1"]


async def test_a_password_from_a_form_stays_near_without_encryption(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the name of the broker leads to."""

    async def connect(**_options: Any) -> AbstractConnection:
        raise AssertionError("the password left the house")

    async def far(*_args: object, **_options: object) -> list[Any]:
        # One of its addresses is near, the other is of the documentation.
        return [(0, 0, 0, "", ("192.168.1.9", 0)), (0, 0, 0, "", ("192.0.2.1", 0))]

    monkeypatch.setattr(aio_pika, "connect", connect)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", far)
    typed = queues_form.endpoint(
        {
            "host": "broker.example.com",
            "port": 5672,
            "virtual_host": "/",
            "username": "operator",
            "password": "right",
            "queues": ["queue"],
            "tls": False,
        }
    )
    with pytest.raises(TlsNeededError):
        await probe(typed)


async def test_the_end_is_heard_at_every_wait_of_connecting(
    endpoint: AmqpEndpoint,
) -> None:
    """An account that is unloaded in that moment must not be waited for for ever."""
    waits = 1
    while await ends_at(endpoint, waits):
        waits += 1
    assert waits > 5


async def ends_at(endpoint: AmqpEndpoint, wait: int) -> bool:
    """End a stream in the moment in which a wait is over; False if it is connected before."""

    async def open_stream(_renew: bool) -> AmqpStream:
        return AmqpStream(endpoint, Taker(lambda delivery: delivery.ack()))

    observer = Observer()
    steps = CancelledAt(Supervisor(open_stream, observer).run(), wait)

    async def run() -> None:
        await steps

    task = asyncio.create_task(run())
    await wait_until(
        lambda: steps.is_over or observer.backlog is not None, "the wait or the stream"
    )
    if not steps.is_over:
        task.cancel()
    await wait_until(task.done, f"the end at wait {wait}")
    assert task.cancelled()
    return steps.is_over


async def test_a_subscription_that_fails_after_the_end_is_nobodys_news(
    endpoint: AmqpEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    is_asked, may_fail = asyncio.Event(), asyncio.Event()

    async def refused(*_args: object, **_options: object) -> None:
        is_asked.set()
        await may_fail.wait()
        raise ChannelAccessRefused("not yours")

    monkeypatch.setattr(queue_names, "consume", refused)
    stream = AmqpStream(endpoint, Taker(lambda delivery: delivery.ack()))
    task = asyncio.create_task(stream.run(Observer()))
    await is_asked.wait()
    task.cancel()
    loop.call_later(0.1, may_fail.set)
    await asyncio.wait({task})
    await asyncio.sleep(0.1)
    assert task.cancelled()
    assert complaints == []
