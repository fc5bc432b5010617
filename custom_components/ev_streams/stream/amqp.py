"""AMQP 0-9-1 transport: consumes queues that somebody else owns.

Passive only: nothing is declared, bound or created on the vendor's broker.
`connect_robust` is not used on purpose, it hides revoked passwords and
deleted queues for ever; the supervisor decides what a loss means.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
import logging
from ssl import SSLCertVerificationError, SSLContext, SSLError
from typing import Any, Final, override

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    AuthenticationError,
    ChannelNotFoundEntity,
    InvalidFrameError,
    ProbableAuthenticationError,
)
from aiormq.abc import AbstractChannel as UnderlayChannel, DeliveredMessage
from aiormq.exceptions import ChannelAccessRefused

from . import queue_names
from .delivery import PREFETCH, Delivery, Receiver
from .errors import (
    AccessClosedError,
    CertificateRefusedError,
    ConnectionFailedError,
    CredentialsRefusedError,
    SourceGoneError,
    SourceSharedError,
    StreamError,
)
from .own_network import stay_near
from .supervisor import SourceState, StreamObserver

CONNECT_TIMEOUT: Final = 30.0
PATIENCE: Final = 10.0
ABANDON_AFTER: Final = 2.0
# The library gives a silent peer three of these before it calls the connection dead.
HEARTBEAT: Final = 15
WATCH_INTERVAL: Final = 60.0
# A queue that is gone is made again by hand, if at all.
MISSING_INTERVAL: Final = 300.0

# RabbitMQ's words for a queue that another consumer keeps for itself.
EXCLUSIVE: Final = "exclusive use"

# The library logs a traceback for every lost connection. The supervisor reports
# each loss once and calmly; whoever wants the details sets a level of their own.
for _name in ("aiormq.connection", "aiormq.channel"):
    if (_library := logging.getLogger(_name)).level == logging.NOTSET:
        _library.setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class AmqpEndpoint:
    """Where to connect and which queues to read; `ssl_context` None means without TLS.

    Then the password stays in the own network, unless it is the vendor who `may_be_far`.
    """

    host: str
    port: int
    virtual_host: str
    username: str
    password: str
    queues: tuple[str, ...]
    ssl_context: SSLContext | None
    may_be_far: bool = False

    def __repr__(self) -> str:
        """Keep the credentials out of logs and tracebacks."""
        return f"AmqpEndpoint({self.host}:{self.port}, queues={self.queues})"


class AmqpStream:
    """One connection that consumes the endpoint's queues, as long as one of them is there."""

    def __init__(self, endpoint: AmqpEndpoint, receiver: Receiver) -> None:
        """Prepare; nothing is connected before `run`.

        `missing` names the queues that turn out not to be there.
        """
        self.missing: tuple[str, ...] = ()
        self._endpoint = endpoint
        self._receiver = receiver
        self._acknowledger = _Acknowledger()

    async def run(self, observer: StreamObserver) -> None:
        """Consume until the connection is lost; raises StreamError."""
        with _library_errors():
            connection = await _connect(self._endpoint)
            try:
                await self._consume(connection, observer)
            finally:
                await _close(connection)

    async def _consume(
        self, connection: AbstractConnection, observer: StreamObserver
    ) -> None:
        """Use the library's lower channel: it spares an object and a lookup for every message."""
        queues, missing = await _sorted_out(connection, self._endpoint.queues)
        self.missing = missing
        channel = await connection.channel(publisher_confirms=False)
        lost = _loss_of(connection, channel)
        await channel.set_qos(prefetch_count=PREFETCH)
        underlay = await channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(partial(_consumer_cancelled, lost))
        state = await _look(underlay, queues)
        # First what is missing: whoever is told of the connection knows it then.
        observer.watched(replace(state, missing=missing))
        observer.connected(state.messages)
        subscribing = asyncio.ensure_future(self._subscribe(underlay, queues))
        tasks = [
            asyncio.ensure_future(self._acknowledger.run(underlay)),
            asyncio.ensure_future(self._watch(underlay, queues, missing, observer)),
        ]
        if missing:
            tasks.append(asyncio.ensure_future(_return_of(connection, missing)))
        try:
            # Deliveries may be on their way before the answer to the subscription is.
            await asyncio.wait({subscribing})
            subscribing.result()
            done, _ = await asyncio.wait(
                {lost, *tasks}, return_when=asyncio.FIRST_COMPLETED
            )
        except asyncio.CancelledError:
            await _bounded(self._finish(underlay, subscribing), is_last=True)
            raise
        finally:
            for task in tasks:
                task.cancel()
            await _bounded(asyncio.gather(*tasks, return_exceptions=True))
        for future in done:
            future.result()

    async def _deliver(self, queue: str, message: DeliveredMessage) -> None:
        tag = message.delivery_tag or 0
        self._acknowledger.track(tag)
        self._receiver.handle(
            Delivery(
                address=message.routing_key or "",
                body=message.body,
                headers=message.header.properties.headers or {},
                ack=partial(self._acknowledger.acknowledge, tag),
                redelivered=bool(message.redelivered),
                source=queue,
            )
        )

    async def _watch(
        self,
        channel: UnderlayChannel,
        queues: tuple[str, ...],
        missing: tuple[str, ...],
        observer: StreamObserver,
    ) -> None:
        """Look at the queues now and then: their depth, and who else is eating from them."""
        own = len(queues)
        while True:
            await asyncio.sleep(WATCH_INTERVAL)
            look = asyncio.ensure_future(_look(channel, queues))
            await _bounded(look)
            if look.cancelled() or not look.done():
                # Heartbeats should have told before; this does not rely on the library.
                raise ConnectionFailedError("the broker shows no sign of life")
            state = look.result()
            observer.watched(
                replace(
                    state,
                    other_consumers=max(0, state.other_consumers - own),
                    missing=missing,
                )
            )

    async def _subscribe(
        self, channel: UnderlayChannel, queues: tuple[str, ...]
    ) -> list[str]:
        """Consume the queues; returns the consumers' tags."""
        return [
            await queue_names.consume(channel, queue, partial(self._deliver, queue))
            for queue in queues
        ]

    async def _finish(
        self, channel: UnderlayChannel, subscribing: Awaitable[list[str]]
    ) -> None:
        """Stop deliveries, let what came be kept, and send the acknowledgements."""
        for tag in await subscribing:
            await channel.basic_cancel(tag)
        await self._receiver.settle()
        await self._acknowledger.flush(channel, wait=True)


async def probe(endpoint: AmqpEndpoint) -> tuple[str, ...]:
    """Connect and look at every queue, consuming nothing; returns those that are missing.

    Raises StreamError.
    """
    with _library_errors():
        connection = await _connect(endpoint)
        try:
            found = await _found(connection, endpoint.queues)
        finally:
            await _close(connection)
    return tuple(queue for queue, is_there in found.items() if not is_there)


class _Connection(aio_pika.Connection):
    """Closed for good where it never came about: the library leaves that to chance.

    It would be closed when the garbage is collected, on whichever thread that happens.
    """

    @override
    async def connect(self, timeout: float | None = None) -> None:
        try:
            await super().connect(timeout)
        except BaseException:
            await self.close()
            raise


class _Acknowledger:
    """Turns single acknowledgements into as few `multiple` frames as their order allows.

    A frame covers every delivery up to its tag, so it may only go as far as
    the oldest delivery that still waits.
    """

    def __init__(self) -> None:
        self._outstanding: deque[int] = deque()
        self._acknowledged: set[int] = set()
        self._work = asyncio.Event()

    def track(self, tag: int) -> None:
        self._outstanding.append(tag)

    def acknowledge(self, tag: int) -> None:
        self._acknowledged.add(tag)
        self._work.set()

    async def run(self, channel: UnderlayChannel) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            await self.flush(channel)

    async def flush(self, channel: UnderlayChannel, *, wait: bool = False) -> None:
        """Send what is due; `wait` until it is on its way, for closing drops the rest."""
        tag = 0
        while self._outstanding and self._outstanding[0] in self._acknowledged:
            tag = self._outstanding.popleft()
            self._acknowledged.remove(tag)
        if tag:
            await channel.basic_ack(tag, multiple=True, wait=wait)


async def _connect(endpoint: AmqpEndpoint) -> AbstractConnection:
    if endpoint.ssl_context is None and not endpoint.may_be_far:
        await stay_near(endpoint.host, endpoint.port)
    connecting = asyncio.ensure_future(
        aio_pika.connect(
            host=endpoint.host,
            port=endpoint.port,
            login=endpoint.username,
            password=endpoint.password,
            virtualhost=endpoint.virtual_host,
            ssl=endpoint.ssl_context is not None,
            ssl_context=endpoint.ssl_context,
            timeout=CONNECT_TIMEOUT,
            client_properties={"connection_name": "EV Streams for Home Assistant"},
            heartbeat=HEARTBEAT,
            connection_class=_Connection,
        )
    )
    try:
        # Not shielded: Python reports the failure of a shielded future as nobody's.
        await asyncio.wait({connecting})
    except asyncio.CancelledError:
        # Cancelled at the wrong moment, the library leaves an open connection that
        # nobody holds: let it come about, then close it.
        await _bounded(_close_when_open(connecting), ABANDON_AFTER)
        raise
    try:
        return connecting.result()
    except (ProbableAuthenticationError, AuthenticationError) as err:
        raise CredentialsRefusedError("the broker refused the credentials") from err
    except InvalidFrameError as err:
        # So the library reports a broker that closes instead of opening the virtual
        # host: it is missing, not ours, full or down. The code itself is not told.
        if "Connection.Close" in str(err):
            raise AccessClosedError("the broker closed the virtual host") from err
        raise


@contextmanager
def _library_errors() -> Iterator[None]:
    """Turn the library's errors into ours."""
    try:
        yield
    except CONNECTION_EXCEPTIONS as err:
        raise _translated(err) from err
    except asyncio.CancelledError as err:
        # When a line dies the library cancels whatever waits on it. Taken for a
        # cancellation of ours, that would end the supervisor without a word.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionFailedError("the connection died") from err


def _translated(error: BaseException) -> StreamError:
    """Tell what a library error means; the text names kinds and codes, never a secret."""
    if isinstance(error, ChannelAccessRefused):
        if EXCLUSIVE in str(error):
            return SourceSharedError("somebody else reads the queue exclusively")
        return CredentialsRefusedError("the broker refused access to the queue")
    if isinstance(error, TimeoutError):
        return ConnectionFailedError("no answer in time")
    if isinstance(error.__cause__, SSLCertVerificationError):
        return CertificateRefusedError(f"bad certificate: {error.__cause__.reason}")
    cause = error.__cause__ if isinstance(error.__cause__, SSLError) else error
    return ConnectionFailedError(f"{type(cause).__name__}: {cause}")


def _loss_of(
    connection: AbstractConnection, channel: AbstractChannel
) -> asyncio.Future[None]:
    """Return a future that fails as soon as the connection or the channel is gone."""
    lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    # Nobody asks any more when the connection goes before it was ever waited for.
    lost.add_done_callback(_forget)

    def on_close(_sender: Any, error: BaseException | None) -> None:
        if not lost.done():
            lost.set_exception(_translated(error or ConnectionError("closed")))

    connection.close_callbacks.add(on_close)
    channel.close_callbacks.add(on_close)
    return lost


def _consumer_cancelled(lost: asyncio.Future[None], _frame: object) -> None:
    """The broker ends a consumer when its queue goes; the next attempt finds out."""
    if not lost.done():
        lost.set_exception(ConnectionFailedError("the broker cancelled the consumer"))


async def _sorted_out(
    connection: AbstractConnection, queues: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return which queues are there and which are missing; raises SourceGoneError if all are."""
    found = await _found(connection, queues)
    there = tuple(queue for queue, is_there in found.items() if is_there)
    missing = tuple(queue for queue, is_there in found.items() if not is_there)
    if not there:
        raise SourceGoneError(", ".join(missing))
    return there, missing


async def _found(
    connection: AbstractConnection, queues: tuple[str, ...]
) -> dict[str, bool]:
    return {queue: await _is_there(connection, queue) for queue in queues}


async def _is_there(connection: AbstractConnection, queue: str) -> bool:
    """Look at a queue on a channel of its own: the broker closes that for a missing one."""
    channel = await connection.channel(publisher_confirms=False)
    try:
        await _look(await channel.get_underlay_channel(), (queue,))
    except SourceGoneError:
        return False
    # Not awaited as it is: cancelled in there, the library returns as if nothing were.
    await _bounded(channel.close())
    return True


async def _return_of(connection: AbstractConnection, missing: tuple[str, ...]) -> None:
    """Wait until one of the missing queues is there, then end the connection for a fuller one."""
    while True:
        await asyncio.sleep(MISSING_INTERVAL)
        for queue in missing:
            if await _is_there(connection, queue):
                raise ConnectionFailedError("a queue that was missing is there")


async def _look(channel: UnderlayChannel, queues: tuple[str, ...]) -> SourceState:
    """Sum up the queues by passive declare; the consumers counted include our own."""
    depths: list[int] = []
    consumers = 0
    for queue in queues:
        try:
            declared = await queue_names.look(channel, queue, patience=CONNECT_TIMEOUT)
        except ChannelNotFoundEntity as err:
            raise SourceGoneError(queue) from err
        depths.append(declared.message_count or 0)
        consumers += declared.consumer_count or 0
    return SourceState(
        messages=sum(depths), other_consumers=consumers, fullest=max(depths)
    )


async def _close(connection: AbstractConnection) -> None:
    await _bounded(connection.close())


async def _close_when_open(connecting: Awaitable[AbstractConnection]) -> None:
    await (await connecting).close()


async def _bounded(
    work: Awaitable[object], patience: float | None = None, *, is_last: bool = False
) -> None:
    """Give the library its time to tidy up, but no more.

    On a dead line some of its calls wait for ever and outlast a cancellation;
    awaiting them would keep the loss from being noticed.
    """
    task = asyncio.ensure_future(work)
    task.add_done_callback(_forget)
    loop = asyncio.get_running_loop()
    until = loop.time() + (PATIENCE if patience is None else patience)
    while not task.done() and (left := until - loop.time()) > 0:
        try:
            await asyncio.wait({task}, timeout=left)
        except asyncio.CancelledError:
            # Home Assistant may end an account that is being unloaded already.
            if not is_last:
                raise
    task.cancel()


def _forget(future: asyncio.Future[Any]) -> None:
    """Take note of a result that matters to nobody, so that nobody complains of it."""
    if not future.cancelled():
        future.exception()
