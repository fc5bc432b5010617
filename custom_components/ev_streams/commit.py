"""When what was learnt is written down, and acknowledged after that.

A transaction is due when half of what a broker hands out at once is pending, at
once when somebody waits for it, and else a moment after the first pending
delivery: shorter while a backlog is replayed, long while live, which is gentle
to an SD card.
"""

import asyncio
from collections.abc import Callable
import logging
from typing import Final

from .batch import Batch
from .store import Store, StoreDamagedError, StoreError, StoreUnavailableError
from .stream.delivery import PREFETCH

_LOGGER = logging.getLogger(__name__)

DUE_AT: Final = PREFETCH // 2
LIVE_PERIOD: Final = 5.0
REPLAY_PERIOD: Final = 0.25
RETRY_AFTER: Final = 10.0

type Acknowledge = Callable[[], None]


class Committer:
    """Gathers what changed together with the deliveries that told it.

    `everything` returns all that is held, to write a new file after the old one
    turned out to be damaged; no past hour waits for import then. `on_trouble`
    hears of a store that cannot be written, and hears None when it can be again.
    Until then nothing is acknowledged: the sender keeps it.
    """

    def __init__(
        self,
        store: Store,
        *,
        is_live: Callable[[], bool],
        everything: Callable[[], Batch],
        on_trouble: Callable[[StoreError | None], None],
    ) -> None:
        """Have nothing pending."""
        self.batch = Batch()
        self.commits = 0
        self._store = store
        self._is_live = is_live
        self._everything = everything
        self._on_trouble = on_trouble
        self._deliveries: list[Acknowledge] = []
        self._whole: Batch | None = None
        self._unexpected: set[type[Exception]] = set()
        self._pending = asyncio.Event()
        self._due = asyncio.Event()
        self._committing = asyncio.Lock()

    def settle(self, acknowledge: Acknowledge) -> None:
        """Acknowledge once everything in the batch so far has been committed."""
        self._deliveries.append(acknowledge)
        self._pending.set()
        if len(self._deliveries) >= DUE_AT:
            self._due.set()

    def changed(self, *, at_once: bool = False) -> None:
        """Take note that the batch holds something; `at_once` where somebody waits for it."""
        self._pending.set()
        if at_once:
            self._due.set()

    async def run(self) -> None:
        """Commit whenever that is due, until cancelled."""
        while True:
            await self._pending.wait()
            period = LIVE_PERIOD if self._is_live() else REPLAY_PERIOD
            try:
                async with asyncio.timeout(period):
                    await self._due.wait()
            except TimeoutError:
                pass
            if not await self.flush():
                await asyncio.sleep(RETRY_AFTER)

    async def flush(self) -> bool:
        """Commit what is pending and acknowledge it; False where that is impossible for now."""
        async with self._committing:
            self._pending.clear()
            self._due.clear()
            batch, self.batch = self.batch, Batch()
            deliveries, self._deliveries = self._deliveries, []
            try:
                if batch or self._whole is not None or self._store.is_damaged:
                    await self._commit(batch)
            except StoreError as err:
                self._keep(batch, deliveries)
                _LOGGER.debug("Nothing can be committed: %s", err)
                self._on_trouble(err)
                return False
            except Exception as err:
                self._keep(batch, deliveries)
                if self._is_first(err):
                    _LOGGER.exception("Nothing can be committed")
                self._on_trouble(StoreUnavailableError(type(err).__name__))
                return False
            except BaseException:
                self._keep(batch, deliveries)
                raise
            for acknowledge in deliveries:
                self._acknowledge(acknowledge)
            return True

    async def forget_device(self, device_id: str) -> None:
        """Take a device out of the file and of what is pending.

        Raises StoreError, and has forgotten nothing then.
        """
        async with self._committing:
            await self._store.forget_device(device_id)
            self.batch.forget(device_id)
            if self._whole is not None:
                self._whole.forget(device_id)

    def _acknowledge(self, acknowledge: Acknowledge) -> None:
        """A sender that does not hear of it sends again: never the others' trouble."""
        try:
            acknowledge()
        except Exception as err:
            if self._is_first(err):
                _LOGGER.exception("A delivery could not be acknowledged")

    def _is_first(self, err: Exception) -> bool:
        """Whether the kind of error is new: each is logged once, not with every message."""
        is_first = type(err) not in self._unexpected
        self._unexpected.add(type(err))
        return is_first

    async def _commit(self, batch: Batch) -> None:
        if self._whole is None:
            try:
                await self._store.commit(batch)
            except StoreDamagedError as err:
                self._on_trouble(err)
                self._begin_anew(batch)
        if self._whole is not None:
            await self._write_anew(self._whole, batch)
            self._whole = None
        self._on_trouble(None)
        self.commits += 1

    def _begin_anew(self, batch: Batch) -> None:
        """Take down all that is held; what comes from now on is pending beside it."""
        self._whole = self._everything()
        # The readings of these hours were in the damaged file.
        batch.late_hours.clear()
        self.batch.late_hours.clear()

    async def _write_anew(self, whole: Batch, batch: Batch) -> None:
        """Write everything to a new file; whichever step failed is tried again."""
        if self._store.is_damaged:
            await self._store.set_aside()
        await self._store.open()
        both = Batch()
        both.merge(whole)
        both.merge(batch)
        await self._store.commit(both)

    def _keep(self, batch: Batch, deliveries: list[Acknowledge]) -> None:
        """Put back what could not be committed, before what came in the meantime."""
        batch.merge(self.batch)
        self.batch = batch
        self._deliveries = deliveries + self._deliveries
        self._pending.set()
