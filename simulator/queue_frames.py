"""What a broker's administrator asks of queues, whatever their names.

The client library refuses names that RabbitMQ itself takes, a literal star among
them. These are its frames without that check.
"""

from typing import cast

from aio_pika.abc import AbstractChannel
from aiormq.channel import Channel
from pamqp import commands
from pamqp.common import FieldTable


class _Declare(commands.Queue.Declare):
    def validate(self) -> None:
        """Leave it to the broker."""


class _Bind(commands.Queue.Bind):
    def validate(self) -> None:
        """Leave it to the broker."""


class _Delete(commands.Queue.Delete):
    def validate(self) -> None:
        """Leave it to the broker."""


async def declare(channel: AbstractChannel, queue: str, arguments: FieldTable) -> None:
    """Make a durable queue."""
    frame = _Declare(queue=queue, durable=True, arguments=arguments)
    await (await _lower(channel)).rpc(frame)


async def bind(channel: AbstractChannel, queue: str, exchange: str, key: str) -> None:
    """Let what is published with a matching routing key come into the queue."""
    frame = _Bind(queue=queue, exchange=exchange, routing_key=key)
    await (await _lower(channel)).rpc(frame)


async def delete(channel: AbstractChannel, queue: str) -> None:
    """Delete a queue with all it holds; a missing one is none any more either."""
    await (await _lower(channel)).rpc(_Delete(queue=queue))


async def _lower(channel: AbstractChannel) -> Channel:
    return cast(Channel, await channel.get_underlay_channel())
