"""Reads a topic in a thread of its own, as a member of its group.

Importing this loads the Kafka library; see `kafka_client`.
"""

from collections.abc import Collection
from concurrent.futures import Future as ThreadFuture
import contextlib
from functools import partial
import time
from typing import Any, Final, Protocol, override

from kafka import TopicPartition
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.errors import AuthorizationError, KafkaError, KafkaTimeoutError
from kafka.future import Future
from kafka.structs import OffsetAndMetadata

from .delivery import PREFETCH, Delivery
from .kafka_client import CALL_TIMEOUT, Client
from .kafka_endpoint import KafkaEndpoint
from .kafka_window import Place, Window
from .supervisor import SourceState

# How long a turn waits for messages or acknowledgements, and so how soon it sees the
# other of the two, or that it is to stop.
TURN: Final = 0.25
# Messages that are handed over at once: the event loop does nothing else meanwhile.
SLICE: Final = 50
COMMIT_INTERVAL: Final = 0.5
WATCH_INTERVAL: Final = 60.0
UNREACHABLE_AFTER: Final = 10.0
# Milliseconds; together less than what the event loop waits for the end.
SETTLE_TIMEOUT: Final = 4_000
COMMIT_TIMEOUT: Final = 2_000
LEAVE_TIMEOUT: Final = 1_500


class Link(Protocol):
    """The event loop's side; every method may be called in the thread."""

    @property
    def is_ending(self) -> bool:
        """Whether the thread is to come to its end."""

    def alive(self) -> None:
        """Note that the thread is not stuck."""

    def connected(self, backlog: int | None) -> None:
        """Tell that the group let us in."""

    def watched(self, state: SourceState) -> None:
        """Tell what was seen of the topic and of who else reads it."""

    def deliver(self, deliveries: list[Delivery]) -> None:
        """Hand messages over."""

    def settle(self) -> ThreadFuture[None]:
        """Begin to have everything acknowledged that was handed over."""


def read(endpoint: KafkaEndpoint, link: Link, window: Window[TopicPartition]) -> None:
    """Deliver until the link is ending or the connection is lost; raises StreamError."""
    client = Client(endpoint)
    reader = Reader(client, link, window)
    try:
        client.look()
        reader.run()
    finally:
        # A library in trouble has more of it here; what ended us is told already.
        with contextlib.suppress(KafkaError, RuntimeError):
            client.close(LEAVE_TIMEOUT)


def probe(endpoint: KafkaEndpoint) -> None:
    """See that the topic could be read, consuming and committing nothing; raises StreamError."""
    client = Client(endpoint)
    try:
        client.look()
        client.try_to_read()
    finally:
        with contextlib.suppress(KafkaError, RuntimeError):
            client.close(LEAVE_TIMEOUT)


class Reader:
    """One membership in the group."""

    def __init__(
        self, client: Client, link: Link, window: Window[TopicPartition]
    ) -> None:
        """Prepare; the group is not joined before `run`."""
        self._client = client
        self._consumer = client.consumer
        self._link = link
        self._window = window
        self._is_joined = False
        self._is_announced = False
        self._is_committing = False
        self._refusal: KafkaError | None = None
        self._next_commit = 0.0
        self._next_look = 0.0
        self._ends: dict[TopicPartition, int] = {}
        self._connected_at = time.monotonic()

    def run(self) -> None:
        """Read; raises StreamError."""
        with self._client.errors():
            self._client.subscribe(_Listener(self))
            while not self._link.is_ending:
                self._link.alive()
                self._turn()

    def joined(self) -> None:
        """Note that the group has given us partitions, if only none."""
        self._is_joined = True

    def lost(self, partitions: Collection[TopicPartition]) -> None:
        """Note that somebody else may read these already."""
        self._window.forget(partitions)

    async def give_up(self, partitions: Collection[TopicPartition]) -> None:
        """Have what was handed over kept and committed, as far as that is soon done.

        Runs on the library's own loop, where heartbeats go on meanwhile; the thread that
        polls waits for its end.
        """
        self._client.keep_joining()
        if partitions and self._client.is_connected:
            await self._settled()
            self._window.collect()
            if due := self._window.due():
                commit = self._commit(due)
                with contextlib.suppress(KafkaError):
                    await self._manager.wait_for(commit, COMMIT_TIMEOUT)
        self._window.forget(partitions)

    @property
    def _manager(self) -> Any:
        return self._client.manager

    def _turn(self) -> None:
        self._window.collect()
        self._commit_now_and_then()
        room = PREFETCH - self._window.outstanding
        assigned = self._consumer.assignment()
        if room > 0:
            self._consumer.resume(*assigned)
            records = self._consumer.poll(TURN * 1000, max_records=min(room, SLICE))
        else:
            # It has to be polled all the same, or the group takes us for dead.
            self._consumer.pause(*assigned)
            records = self._consumer.poll(0, max_records=1)
            self._window.news.wait(TURN)
        if self._is_joined:
            if not self._is_announced:
                self._is_announced = True
                self._link.connected(self._begin(records))
            self._client.see_that_topic_exists()
        self._deliver(records)
        self._see_the_end_of_the_backlog()
        if self._is_announced and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + WATCH_INTERVAL
            self._watch()
        self._see_that_it_lives()

    def _deliver(self, records: dict[TopicPartition, list[Any]]) -> None:
        deliveries = [
            Delivery(
                address=record.topic,
                # A message may have no value; it is one all the same.
                body=record.value or b"",
                headers={name: value or b"" for name, value in record.headers},
                ack=self._window.track(
                    partition,
                    Place(offset=record.offset + 1, leader_epoch=record.leader_epoch),
                ),
            )
            for partition, batch in records.items()
            for record in batch
        ]
        if deliveries:
            self._link.deliver(deliveries)

    def _begin(self, records: dict[TopicPartition, list[Any]]) -> int | None:
        """Return how much is to come, with what has come already, and note where it ends."""
        left = self._left()
        if left is None:
            return None
        self._ends, to_come = left
        return to_come + sum(len(batch) for batch in records.values())

    def _left(self) -> tuple[dict[TopicPartition, int], int] | None:
        """Return where our partitions end now, and how much is to come until there."""
        partitions = sorted(self._consumer.assignment())
        try:
            ends = self._consumer.end_offsets(partitions, timeout_ms=CALL_TIMEOUT)
            positions = [
                self._consumer.position(each, timeout_ms=CALL_TIMEOUT)
                for each in partitions
            ]
        except KafkaTimeoutError:
            # One without a leader is no reason not to read the others.
            return None
        if None in positions:
            return None
        return ends, max(0, sum(ends.values()) - sum(positions))

    def _see_the_end_of_the_backlog(self) -> None:
        """Tell that all has come that waited: not each offset is a message.

        Some are marks of transactions, or were compacted away.
        """
        if not self._ends:
            return
        own = self._consumer.assignment()
        waiting = [each for each in self._ends if each in own]
        if not waiting:
            # They are somebody else's at the moment, or nobody's.
            return
        positions = [
            self._consumer.position(each, timeout_ms=CALL_TIMEOUT) for each in waiting
        ]
        if all(
            position is not None and position >= self._ends[each]
            for each, position in zip(waiting, positions, strict=True)
        ):
            self._ends = {}
            self._link.watched(
                SourceState(messages=0, other_consumers=0, is_exhausted=True)
            )

    def _watch(self) -> None:
        """See whether others of the group have partitions: each of us misses theirs."""
        own = self._consumer.assignment()
        others = (self._consumer.partitions_for_topic(self._client.topic) or set()) - {
            each.partition for each in own
        }
        left = self._left()
        self._link.watched(
            SourceState(
                messages=0 if left is None else left[1],
                other_consumers=1 if others else 0,
            )
        )

    def _commit_now_and_then(self) -> None:
        if self._refusal is not None:
            raise self._refusal
        if self._is_committing or time.monotonic() < self._next_commit:
            return
        if due := self._window.due():
            self._next_commit = time.monotonic() + COMMIT_INTERVAL
            self._commit(due)

    def _commit(self, due: dict[TopicPartition, Place]) -> Any:
        self._is_committing = True
        return self._consumer.commit_async(
            {
                partition: OffsetAndMetadata(place.offset, "", place.leader_epoch)
                for partition, place in due.items()
            },
            callback=partial(self._committed, due),
        )

    def _committed(
        self, due: dict[TopicPartition, Place], _offsets: object, result: object
    ) -> None:
        self._is_committing = False
        if not isinstance(result, BaseException):
            self._window.committed(due)
        elif isinstance(result, AuthorizationError):
            self._refusal = result
        # Else it is tried again, unless the partition went to somebody who reads on
        # from the last commit.

    def _see_that_it_lives(self) -> None:
        now = time.monotonic()
        if self._client.is_refused:
            raise self._client.loss
        if self._client.is_connected:
            self._connected_at = now
        elif now - self._connected_at > UNREACHABLE_AFTER:
            raise self._client.loss

    async def _settled(self) -> None:
        """Wait for the receiver without a stop of the library's loop."""
        settling = self._link.settle()
        done = Future()

        def wake(_settling: object) -> None:
            # Not when its loop is closed already, and nobody waits.
            with contextlib.suppress(RuntimeError):
                self._manager.call_soon(partial(done.success, None))

        settling.add_done_callback(wake)
        try:
            await self._manager.wait_for(done, SETTLE_TIMEOUT)
        except KafkaTimeoutError:
            settling.cancel()


class _Listener(AsyncConsumerRebalanceListener):  # type: ignore[misc]
    """Hears from the library, on its own loop, which partitions come and go."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    @override
    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        await self._reader.give_up(revoked)

    @override
    async def on_partitions_assigned(
        self, assigned: Collection[TopicPartition]
    ) -> None:
        self._reader.joined()

    @override
    async def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        self._reader.lost(lost)
