"""What the stream cannot tell is asked for: which devices there are, and their newest values."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
import logging

from .inventory import Inventory
from .model import Message, Update
from .providers.base import Account
from .stream.delivery import Delivery
from .stream.errors import AccountRefusedError, StreamError

_LOGGER = logging.getLogger(__name__)

RETRY_AFTER = 300.0
# While a delivery waits, nothing behind it can be acknowledged.
PARKED_AT_MOST = 20.0
PARKED_DELIVERIES = 100


class Refresher:
    """Asks beside the stream, so that neither ever waits for the other for long.

    `take` is given a device's newest values, `unparked` a message that had to
    wait for the account's list, `listed` the devices that came or went. The list
    and the snapshots are asked for apart: those of a fleet may take many minutes.
    Once the account is refused, which `refused` is told, nothing more is asked:
    a wrong password tried for ever locks accounts.
    """

    def __init__(
        self,
        account: Account,
        inventory: Inventory,
        *,
        take: Callable[[list[Update]], None],
        unparked: Callable[[Message, Delivery], None],
        listed: Callable[[set[str]], None],
        refused: Callable[[], None],
    ) -> None:
        """Ask nothing before `run`."""
        self._account = account
        self._inventory = inventory
        self._take = take
        self._unparked = unparked
        self._listed = listed
        self._refused = refused
        self._is_refused = False
        self._list_due = asyncio.Event()
        self._snapshot_due = asyncio.Event()
        self._wanted: dict[str, None] = {}
        self._parked: list[tuple[Message, Delivery]] = []
        self._parking_ends: asyncio.TimerHandle | None = None

    def request(self) -> None:
        """Ask for everything as soon as possible."""
        self._want(self._inventory.followed)
        self._list_due.set()

    def park(self, message: Message, delivery: Delivery) -> bool:
        """Keep a message of a device that may be new until the list is known; False if not."""
        device_id = message.device_id or ""
        if self._is_refused:
            return False
        if self._inventory.should_ask_about(device_id):
            self._list_due.set()
        if (
            not self._inventory.is_asked_about(device_id)
            or len(self._parked) >= PARKED_DELIVERIES
        ):
            return False
        self._parked.append((message, delivery))
        if self._parking_ends is None:
            self._parking_ends = asyncio.get_running_loop().call_later(
                PARKED_AT_MOST, self._unpark
            )
        return True

    async def run(self) -> None:
        """Ask whenever that is due, until cancelled or the account is refused.

        What is parked when it is cancelled stays unacknowledged: the sender keeps it.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._whenever(self._list_due, self._refresh_list))
                tasks.create_task(
                    self._whenever(self._snapshot_due, self._take_snapshots)
                )
        except* AccountRefusedError:
            self._is_refused = True
            self._unpark()
            self._refused()
        finally:
            self._parked.clear()
            self._end_parking()

    async def _whenever(
        self, due: asyncio.Event, work: Callable[[], Awaitable[bool]]
    ) -> None:
        """Work when due, and once more later where an answer was missing."""
        while True:
            await due.wait()
            due.clear()
            try:
                is_complete = await work()
            except AccountRefusedError:
                raise
            except Exception:
                # An answer that nobody foresaw must not end the asking for good.
                _LOGGER.exception("Asking failed in a way that nobody foresaw")
                is_complete = False
            if not is_complete:
                try:
                    async with asyncio.timeout(RETRY_AFTER):
                        await due.wait()
                except TimeoutError:
                    due.set()

    async def _refresh_list(self) -> bool:
        """Ask which devices there are, unless that is known; False without an answer."""
        if not self._inventory.is_list_due():
            return True
        before = set(self._inventory.listed)
        try:
            new = self._inventory.update(await self._account.inventory())
        except AccountRefusedError:
            raise
        except StreamError as err:
            _LOGGER.debug("No list of devices: %s", err)
            self._unpark()
            return False
        self._want(device.device_id for device in new)
        self._listed(before ^ set(self._inventory.listed))
        self._unpark()
        return True

    def _unpark(self) -> None:
        """Hand over the messages that waited, whether an answer came or not."""
        self._end_parking()
        self._inventory.unanswered()
        parked, self._parked = self._parked, []
        for message, delivery in parked:
            self._unparked(message, delivery)

    def _end_parking(self) -> None:
        if self._parking_ends is not None:
            self._parking_ends.cancel()
            self._parking_ends = None

    def _want(self, device_ids: Iterable[str]) -> None:
        self._wanted |= dict.fromkeys(device_ids)
        if self._wanted:
            self._snapshot_due.set()

    async def _take_snapshots(self) -> bool:
        """Ask for the values of one device after the other; False where some are missing."""
        missing: dict[str, None] = {}
        while self._wanted:
            device_id = next(iter(self._wanted))
            del self._wanted[device_id]
            if not self._inventory.is_listed(device_id):
                continue
            try:
                updates = await self._account.snapshot(device_id)
            except AccountRefusedError:
                raise
            except StreamError as err:
                _LOGGER.debug("No snapshot: %s", err)
                missing[device_id] = None
            else:
                self._take(updates)
        self._wanted |= missing
        return not missing
