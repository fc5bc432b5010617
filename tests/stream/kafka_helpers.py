"""What the tests of the Kafka transport share: a stream that runs, and who listens to it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
import contextlib
from itertools import count
import threading
from typing import Any

from custom_components.ev_streams.stream.delivery import Delivery
from custom_components.ev_streams.stream.errors import StreamError
from custom_components.ev_streams.stream.kafka import KafkaEndpoint, KafkaStream
from custom_components.ev_streams.stream.supervisor import SourceState
from simulator.kafka import Kafka
from simulator.kafka_administrator import KafkaAdministrator

PATIENCE = 40.0

_numbers = count(1)


class Observer:
    """Notes when the stream was connected, what waited then, and when that had come.

    `caught_up` counts how often it was told that all had come.
    """

    def __init__(self) -> None:
        self.backlogs: list[int | None] = []
        self.states: list[SourceState] = []
        self.caught_up = 0
        self.is_connected = asyncio.Event()

    def connecting(self) -> None:
        """Of no interest here."""

    def connected(self, backlog: int | None) -> None:
        self.backlogs.append(backlog)
        self.is_connected.set()

    def watched(self, state: SourceState) -> None:
        if state.is_exhausted:
            self.caught_up += 1
        else:
            self.states.append(state)

    def lost(self, error: StreamError, retry_in: float) -> None:
        """Of no interest here."""

    def refused(self, error: StreamError) -> None:
        """Of no interest here."""


class Receiver:
    """Keeps deliveries, and acknowledges them at once, when settled, or when told to."""

    def __init__(self, *, at_once: bool = True, when_settled: bool = False) -> None:
        self.deliveries: list[Delivery] = []
        self.settled = 0
        self._at_once = at_once
        self._when_settled = when_settled

    def handle(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        if self._at_once:
            delivery.ack()

    async def settle(self) -> None:
        self.settled += 1
        if self._when_settled:
            for delivery in self.deliveries:
                delivery.ack()

    @property
    def bodies(self) -> list[bytes]:
        return [delivery.body for delivery in self.deliveries]

    async def wait_for(self, number: int) -> None:
        await eventually(lambda: len(self.deliveries) >= number)


class Topic:
    """A topic of its own for one test, and a group that nobody else uses."""

    def __init__(
        self, broker: Kafka, administrator: KafkaAdministrator, partitions: int
    ) -> None:
        number = next(_numbers)
        self.name = f"topic-{number}"
        self.group = f"group-{number}"
        self.broker = broker
        self.administrator = administrator
        administrator.create_topic(self.name, partitions)

    def endpoint(self, protocol: str = "PLAINTEXT", **changes: Any) -> KafkaEndpoint:
        return KafkaEndpoint(
            **{
                "brokers": (self.broker.address(protocol),),
                "topic": self.name,
                "group_id": self.group,
                **changes,
            }
        )

    async def produce(self, *values: bytes | None, **options: Any) -> None:
        await asyncio.to_thread(
            self.administrator.produce, self.name, values, **options
        )

    async def committed(self) -> dict[int, int]:
        """The group's offsets by partition."""
        offsets = await asyncio.to_thread(self.administrator.committed, self.group)
        return {partition: offset for (_, partition), offset in offsets.items()}

    async def members(self) -> int:
        return await asyncio.to_thread(self.administrator.members, self.group)


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.02)


async def threads_ended(before: Collection[threading.Thread] = ()) -> None:
    """Wait for the end of what a stream that is over leaves behind for a moment."""
    await eventually(
        lambda: (
            not any(
                "Kafka" in thread.name
                for thread in threading.enumerate()
                if thread not in before
            )
        )
    )


class Run:
    """A stream on its way."""

    def __init__(self, endpoint: KafkaEndpoint, receiver: Receiver) -> None:
        self.receiver = receiver
        self.observer = Observer()
        self.task = asyncio.create_task(
            KafkaStream(endpoint, receiver).run(self.observer)
        )

    async def connected(self) -> None:
        """Return when it is connected; raises what keeps it from that."""
        waiting = asyncio.create_task(self.observer.is_connected.wait())
        await asyncio.wait(
            {self.task, waiting},
            timeout=PATIENCE,
            return_when=asyncio.FIRST_COMPLETED,
        )
        waiting.cancel()
        if self.task.done():
            self.task.result()
        assert self.observer.is_connected.is_set()

    async def ended(self) -> StreamError:
        """Return why it ended by itself."""
        await asyncio.wait({self.task}, timeout=PATIENCE)
        assert self.task.done()
        error = self.task.exception()
        assert isinstance(error, StreamError)
        return error

    async def cancel(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@contextlib.asynccontextmanager
async def running(
    endpoint: KafkaEndpoint, receiver: Receiver | None = None
) -> AsyncIterator[Run]:
    """A stream that is connected, and is cancelled in the end."""
    before = threading.enumerate()
    run = Run(endpoint, receiver or Receiver())
    try:
        await run.connected()
        yield run
    finally:
        await run.cancel()
        await threads_ended(before)
