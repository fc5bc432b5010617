"""The rights of a broker's administrator, for one event loop."""

import asyncio
from collections.abc import Iterable
import contextlib
from dataclasses import dataclass
import json
import re
from types import TracebackType
from typing import TYPE_CHECKING, Self

import aio_pika
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractExchange,
    HeadersType,
)
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity
from pamqp.common import FieldTable

from . import queue_frames
from .erlang import binary

if TYPE_CHECKING:
    from .rabbitmq import RabbitMQ

_ACTOR = binary("simulator")
_TRANSACTION = 1000
_RETRY_AFTER = 0.25
_RETRIES = 60

# A call on a connection that has just been lost is a RuntimeError to the library.
_CONNECTION_ERRORS = (AMQPError, OSError, RuntimeError)

type RoutedMessage = tuple[str, bytes, HeadersType | None]
"""Routing key, body and headers."""

type PostedMessage = tuple[str, aio_pika.Message]
"""Routing key, and a message with whatever properties its sender gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """What a queue holds at this moment, as the queue itself says."""

    ready: int
    unacknowledged: int
    consumers: int


class Administrator:
    """Everything that the operator of a broker can do to it.

    Bound to the event loop it is entered in. Its connection comes back by itself after
    the broker has been restarted; what was being committed may be published twice. It
    works in one virtual host, which has to exist.
    """

    def __init__(self, broker: RabbitMQ, virtual_host: str = "/") -> None:
        self.broker = broker
        self.virtual_host = virtual_host
        self._vhost = binary(virtual_host)
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._opening = asyncio.Lock()
        self._transaction = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self._open_channel()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the administrator's connection; using it again opens a new one."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(AMQPError, OSError):
                await connection.close()

    async def create_account(
        self, username: str, password: str, queue: str, exchange: str
    ) -> None:
        """Give a customer what a vendor gives: a user, a queue and an exchange.

        The user may configure nothing, write to the exchange and read from the queue.
        What is left of an earlier account of the same names goes.
        """
        await self.close_connections(username)
        await self.delete_queue(queue)
        await self.create_queue(queue, exchange)
        await self.create_user(
            username, password, write=_only(exchange), read=_only(queue)
        )

    async def create_user(
        self, username: str, password: str, *, write: str, read: str
    ) -> None:
        """Make a user who may configure nothing; what may be written and read are patterns.

        What is left of an earlier user of the name goes, save its connections.
        """
        internal = "rabbit_auth_backend_internal"
        user, secret = binary(username), binary(password)
        rights = ", ".join(map(binary, ("^$", write, read)))
        await self._evaluate(
            f"catch {internal}:delete_user({user}, {_ACTOR}), "
            f"ok = {internal}:add_user({user}, {secret}, {_ACTOR}), "
            f"ok = {internal}:set_permissions({user}, {self._vhost}, {rights}, {_ACTOR})"
        )

    async def set_password(self, username: str, password: str) -> None:
        """Change a password; connections that are open stay open."""
        await self._evaluate(
            "ok = rabbit_auth_backend_internal:change_password("
            f"{binary(username)}, {binary(password)}, {_ACTOR})"
        )

    async def delete_user(self, username: str) -> None:
        """Delete a user; close its connections separately."""
        await self._evaluate(
            "ok = rabbit_auth_backend_internal:delete_user("
            f"{binary(username)}, {_ACTOR})"
        )

    async def limit_connections(self, limit: int | None) -> None:
        """Let the broker take so many connections in all; None lifts the limit."""
        if limit is None:
            await self._evaluate(
                f"ok = rabbit_vhost_limit:clear({self._vhost}, {_ACTOR})"
            )
        else:
            await self._evaluate(
                f"ok = rabbit_vhost_limit:set({self._vhost},"
                f" [{{{binary('max-connections')}, {limit}}}], {_ACTOR})"
            )

    async def create_virtual_host(self) -> None:
        """Make the virtual host, empty: what is left of an earlier one goes.

        Nothing else can be done in it before, not even by entering this.
        """
        name = binary(self.broker.administrator_name)
        rights = ", ".join(map(binary, (".*", ".*", ".*")))
        await self._evaluate(
            f"catch rabbit_vhost:delete({self._vhost}, {_ACTOR}), "
            f"ok = rabbit_vhost:add({self._vhost}, {_ACTOR}), "
            "ok = rabbit_auth_backend_internal:set_permissions("
            f"{name}, {self._vhost}, {rights}, {_ACTOR})"
        )

    async def delete_virtual_host(self) -> None:
        """Delete the virtual host with all it holds; the broker closes its connections."""
        await self.aclose()
        await self._evaluate(f"rabbit_vhost:delete({self._vhost}, {_ACTOR})")

    async def create_queue(
        self,
        queue: str,
        exchange: str,
        *,
        keys: Iterable[str] = ("#",),
        arguments: FieldTable | None = None,
    ) -> None:
        """Declare a durable classic queue of any name, bound to a topic exchange."""
        channel = await self._open_channel()
        await channel.declare_exchange(
            exchange, aio_pika.ExchangeType.TOPIC, durable=True
        )
        await queue_frames.declare(channel, queue, arguments or {})
        for key in keys:
            await queue_frames.bind(channel, queue, exchange, key)

    async def delete_queue(self, queue: str) -> None:
        """Delete a queue with all it holds; the broker cancels its consumers."""
        await queue_frames.delete(await self._open_channel(), queue)

    async def close_connections(self, username: str) -> int:
        """Drop a user's connections from the server's side; returns their number.

        One that ends by itself at this moment counts as well.
        """
        closed = await self._evaluate(
            f"Theirs = [{{user, {binary(username)}}}],"
            " User = fun(Pid) ->"
            " catch rabbit_networking:connection_info(Pid, [user]) end,"
            " Pids = [Pid || Pid <- rabbit_networking:local_connections(),"
            " User(Pid) =:= Theirs],"
            ' [catch rabbit_networking:close_connection(Pid, "by the operator")'
            " || Pid <- Pids],"
            " length(Pids)"
        )
        return int(closed)

    async def queue_state(self, queue: str) -> QueueState:
        """What the queue holds now: the queue's own answer, not a sampled statistic.

        Raises LookupError when there is no such queue.
        """
        name = f"rabbit_misc:r({self._vhost}, queue, {binary(queue)})"
        items = "[messages_ready, messages_unacknowledged, consumers]"
        answer = await self._evaluate(
            f"case rabbit_amqqueue:lookup({name}) of {{error, not_found}} -> none;"
            f" {{ok, Queue}} -> Items = rabbit_amqqueue:info(Queue, {items}),"
            " [Number || {_, Number} <- Items] end"
        )
        if answer == "none":
            raise LookupError(queue)
        ready, unacknowledged, consumers = json.loads(answer)
        return QueueState(
            ready=ready, unacknowledged=unacknowledged, consumers=consumers
        )

    async def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        headers: HeadersType | None = None,
    ) -> None:
        """Publish one persistent message and wait until the broker has taken it."""
        await self.publish_many(exchange, [(routing_key, body, headers)])

    async def publish_many(
        self, exchange: str, messages: Iterable[RoutedMessage]
    ) -> None:
        """Publish persistent messages in order and wait until the broker has all."""
        await self.post_many(exchange, map(_posted, messages))

    async def post_many(self, exchange: str, messages: Iterable[PostedMessage]) -> None:
        """Publish messages with properties of their own, in order; see `publish_many`."""
        batch: list[PostedMessage] = []
        for message in messages:
            batch.append(message)
            if len(batch) == _TRANSACTION:
                await self._publish_batch(exchange, batch)
                batch = []
        if batch:
            await self._publish_batch(exchange, batch)

    async def _publish_batch(self, exchange: str, batch: list[PostedMessage]) -> None:
        for _ in range(_RETRIES):
            try:
                async with self._transaction:
                    await self._publish_once(exchange, batch)
            except ChannelNotFoundEntity:
                raise
            except _CONNECTION_ERRORS as error:
                last_error = error
            else:
                return
            await self.aclose()
            await asyncio.sleep(_RETRY_AFTER)
        raise last_error

    async def _publish_once(self, exchange: str, batch: list[PostedMessage]) -> None:
        channel = await self._open_channel()
        topic = await channel.get_exchange(exchange, ensure=False)
        # A transaction is confirmed as a whole, where confirms would need a task for
        # every message: slow on an event loop in debug mode, as under test.
        transaction = channel.transaction()
        try:
            await transaction.select()
            for message in batch:
                await _publish(topic, message)
            await transaction.commit()
        except BaseException:
            # What is left uncommitted must not go out with the next commit.
            self._channel = None
            raise

    async def _open_channel(self) -> AbstractChannel:
        async with self._opening:
            if self._connection is None:
                connection = await aio_pika.connect(
                    host=self.broker.host,
                    port=self.broker.port,
                    virtualhost=self.virtual_host,
                    login=self.broker.administrator_name,
                    password=self.broker.administrator_password,
                )
                connection.close_callbacks.add(self._forget)
                self._connection = connection
            if self._channel is None or self._channel.is_closed:
                self._channel = await self._connection.channel(publisher_confirms=False)
            return self._channel

    def _forget(
        self, connection: AbstractConnection | None, _: BaseException | None
    ) -> None:
        # `is_closed` of a connection stays false when it was the broker who closed it.
        if connection is self._connection:
            self._connection = self._channel = None

    async def _evaluate(self, expression: str) -> str:
        return await asyncio.to_thread(self.broker.evaluate, expression)


def _posted(message: RoutedMessage) -> PostedMessage:
    routing_key, body, headers = message
    return routing_key, aio_pika.Message(
        body,
        headers=headers,
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )


async def _publish(exchange: AbstractExchange, message: PostedMessage) -> None:
    routing_key, content = message
    # A vendor's cloud does not care whether anybody has a queue.
    await exchange.publish(content, routing_key, mandatory=False)


def _only(name: str) -> str:
    """The permission pattern that matches exactly one name."""
    return f"^{re.escape(name)}$"
