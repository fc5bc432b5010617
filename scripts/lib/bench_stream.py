"""What every measurement of a stream needs: nobody who listens, and a look at the event loop."""

import asyncio
import time

from custom_components.ev_streams.stream.errors import StreamError
from custom_components.ev_streams.stream.supervisor import SourceState

LOOK_EVERY = 0.005


class Deaf:
    """Hears nothing of how the stream fares."""

    def connecting(self) -> None:
        """Nobody asked."""

    def connected(self, backlog: int | None) -> None:
        """Nobody asked."""

    def watched(self, state: SourceState) -> None:
        """Nobody asked."""

    def lost(self, error: StreamError, retry_in: float) -> None:
        """Nobody asked."""

    def refused(self, error: StreamError) -> None:
        """Nobody asked."""


async def longest_hold(done: asyncio.Event) -> float:
    """Wait until all is done; returns by how much a short sleep was late at most."""
    longest = 0.0
    while not done.is_set():
        before = time.perf_counter()
        await asyncio.sleep(LOOK_EVERY)
        longest = max(longest, time.perf_counter() - before - LOOK_EVERY)
    return longest
