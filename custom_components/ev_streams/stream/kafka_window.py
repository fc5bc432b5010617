"""Which Kafka messages wait for their acknowledgement, and what may be committed.

A commit covers every message of a partition below its offset, so it may only go as far
as the oldest message that still waits.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
import threading


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The next message to read, and the leadership under which the one before was read."""

    offset: int
    leader_epoch: int


class Window[P: Hashable]:
    """The deliveries of the partitions that are ours.

    All methods are for the thread of the client, except what `track` returns: that is
    called on the event loop, in any order, and may come when the partition is no longer
    ours. Then it is without effect, for whoever has the partition gets the message again.
    """

    def __init__(self) -> None:
        """Begin without partitions."""
        self.news = threading.Event()
        self._partitions: dict[P, _Partition] = {}
        # What the event loop acknowledged and the thread has not looked at yet.
        self._acknowledged: deque[tuple[_Partition, Place]] = deque()

    @property
    def outstanding(self) -> int:
        """How many deliveries wait."""
        return sum(len(each.outstanding) for each in self._partitions.values())

    def track(self, partition: P, place: Place) -> Callable[[], None]:
        """Note a delivery after which `place` is the next; returns its acknowledgement."""
        state = self._partitions.setdefault(partition, _Partition())
        state.outstanding.append(place)
        return partial(self._acknowledge, state, place)

    def collect(self) -> None:
        """Take in what was acknowledged."""
        self.news.clear()
        while self._acknowledged:
            state, place = self._acknowledged.popleft()
            state.acknowledged.add(place.offset)
        for state in self._partitions.values():
            state.advance()

    def due(self) -> dict[P, Place]:
        """What is to be committed."""
        return {
            partition: state.reached
            for partition, state in self._partitions.items()
            if state.reached is not None and state.reached != state.committed
        }

    def committed(self, places: Mapping[P, Place]) -> None:
        """Note what the broker has taken."""
        for partition, place in places.items():
            if partition in self._partitions:
                self._partitions[partition].committed = place

    def forget(self, partitions: Iterable[P]) -> None:
        """Give partitions up, with all that waits in them."""
        for partition in partitions:
            self._partitions.pop(partition, None)

    def _acknowledge(self, state: _Partition, place: Place) -> None:
        self._acknowledged.append((state, place))
        self.news.set()


class _Partition:
    """What is known of one partition since it was assigned to us."""

    def __init__(self) -> None:
        self.outstanding: deque[Place] = deque()
        self.acknowledged: set[int] = set()
        self.reached: Place | None = None
        self.committed: Place | None = None

    def advance(self) -> None:
        while self.outstanding and self.outstanding[0].offset in self.acknowledged:
            self.reached = self.outstanding.popleft()
            self.acknowledged.remove(self.reached.offset)
