"""Queues by whatever name the broker knows them, where the library is stricter.

RabbitMQ takes any 255 bytes of UTF-8 for a name, and some vendors write a literal star
in theirs. pamqp compares names with a pattern of its own and refuses that before
anything is sent. The two frames here are the library's with only that check replaced:
they are used for our own calls and nobody else's, so that another integration that
shares the library sees no difference.
"""

from typing import Final, cast, override
from uuid import uuid4

from aiormq.abc import AbstractChannel, ConsumerCallback
from aiormq.channel import Channel
from pamqp import commands

from .errors import SourceGoneError

# What a short string of the protocol holds.
LONGEST: Final = 255


async def consume(
    channel: AbstractChannel, queue: str, callback: ConsumerCallback
) -> str:
    """Consume a queue as `channel.basic_consume` does; returns the consumer's tag.

    Raises SourceGoneError for a name that no queue can have.
    """
    tag = f"ev_streams.{uuid4().hex}"
    frame = _Consume(queue=queue, consumer_tag=tag)
    library = _concrete(channel)
    # Deliveries may come before the answer does, so that it has to know them already.
    library.consumers[tag] = callback
    await library.rpc(frame)
    return tag


async def look(
    channel: AbstractChannel, queue: str, *, patience: float
) -> commands.Queue.DeclareOk:
    """Ask for the state of a queue as a passive `channel.queue_declare` does.

    Raises SourceGoneError for a name that no queue can have.
    """
    frame = _Declare(queue=queue, passive=True)
    return await _concrete(channel).rpc(frame, timeout=patience)


def _concrete(channel: AbstractChannel) -> Channel:
    """Return what the library always makes: the abstract class leaves `rpc` out."""
    return cast(Channel, channel)


class _Consume(commands.Basic.Consume):
    """The library's frame, for any name that a broker takes."""

    @override
    def validate(self) -> None:
        _check(self.queue)


class _Declare(commands.Queue.Declare):
    """The library's frame, for any name that a broker takes."""

    @override
    def validate(self) -> None:
        _check(self.queue)


def _check(queue: str) -> None:
    """Refuse what no queue is called; an empty name would mean the last one declared."""
    try:
        is_possible = 0 < len(queue.encode()) <= LONGEST
    except UnicodeEncodeError:
        is_possible = False
    if not is_possible:
        raise SourceGoneError(queue)
