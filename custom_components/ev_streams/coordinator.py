"""One per entry: runs the stream, feeds the ledger, notifies exactly the entities concerned."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
import logging
from typing import override

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.start import async_at_started
from homeassistant.util import dt as dt_util

from .announcer import Announcer
from .batch import Batch
from .commit import Committer
from .connection import ConnectionMonitor
from .const import (
    CONF_GRACE_TIME,
    CONF_HISTORY,
    CONF_TOKENS,
    DEFAULT_GRACE_TIME,
    DOMAIN,
    KEY_BACKLOG,
    KEY_BACKLOG_DONE,
    KEY_CONNECTED,
    KEY_HISTORY_IMPORT,
    KEY_LAST_MESSAGE,
    KEY_SESSION,
    KEY_STATUS,
)
from .derivation import Derivation
from .history import History, history_keys
from .intake import Intake
from .inventory import Inventory
from .ledger import Ledger, is_late
from .model import (
    BadInputError,
    DeviceRecord,
    Message,
    Reading,
    SessionChange,
    SessionDocument,
    Update,
)
from .notifier import Notifier
from .providers.base import Account, Provider
from .refresh import Refresher
from .refusals import Refusals
from .storage import StoreMonitor, open_store, store_path
from .store import Store, StoreError
from .stream.delivery import Delivery, Receiver
from .stream.supervisor import Stream, Supervisor
from .vitals import Vitals

type EvStreamsConfigEntry = ConfigEntry[EvStreamsCoordinator]

_LOGGER = logging.getLogger(__name__)

RECORDER = "recorder"
REFRESH_INTERVAL = timedelta(hours=1)
# A device that was offline goes on where it was interrupted: the readings of its
# last hours are kept until it has had some more.
KEPT_FOR = timedelta(hours=3)
KEPT_ACTIVE_HOURS = 4
COUNTDOWN_PERIOD = 1.0
# Seconds between states of a value that is replayed: only the newest is shown.
REPLAY_PERIOD = 1.0


class EvStreamsCoordinator(Receiver):
    """The account at work in Home Assistant."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: EvStreamsConfigEntry,
        provider: Provider,
        account: Account,
        devices: Iterable[DeviceRecord],
    ) -> None:
        """Know the account's devices; nothing runs before `open` and `start`."""
        self.provider = provider
        self.account = account
        self.ledger = Ledger()
        self.refusals = Refusals()
        self.notifier = Notifier()
        self.inventory = Inventory(hass, entry, provider)
        self.inventory.remove_deselected()
        self.inventory.update(list(devices))
        self.vitals = Vitals(self.notifier, self.inventory.account_id)
        self.history_import: float | None = None
        self._refresher = Refresher(
            account,
            self.inventory,
            take=self._take_snapshot,
            unparked=self._unparked,
            listed=self._listed,
            refused=partial(entry.async_start_reauth, hass),
        )
        grace = entry.options.get(CONF_GRACE_TIME, DEFAULT_GRACE_TIME.total_seconds())
        self.connection = ConnectionMonitor(
            hass,
            entry,
            provider.key,
            timedelta(seconds=grace),
            on_change=self._connection_changed,
            on_available=self.notifier.notify_all,
            on_connected=self._connected,
        )
        self.store = Store(store_path(hass, entry.entry_id))
        self.store_monitor = StoreMonitor(hass, entry)
        self.committer = Committer(
            self.store,
            is_live=lambda: self.connection.backlog.is_live,
            everything=self._everything,
            on_trouble=self.store_monitor.troubled,
        )
        self.announcer = Announcer(
            self.ledger,
            is_first=self._is_first,
            beforehand=lambda device_id: self.notifier.notify(device_id, KEY_SESSION),
        )
        self.intake: Intake
        self.history: History
        self._hass = hass
        self._entry = entry
        self._supervisor = Supervisor(self._open_stream, self.connection)
        self._tasks: list[asyncio.Task[None]] = []
        self._cancel_start: Callable[[], None] = lambda: None
        self._stop_interval: Callable[[], None] | None = None
        self._keeps_history = False

    async def open(self) -> None:
        """Take up what was kept before a restart; raises what a setup may raise."""
        contents = await open_store(self.store, self.store_monitor)
        self.ledger.restore(contents.readings, contents.sessions, contents.announced)
        self._keeps_history = (
            self._entry.options.get(CONF_HISTORY, True)
            and RECORDER in self._hass.config.components
        )
        keeps_tokens = self._entry.options.get(CONF_TOKENS, False)
        self.intake = Intake(
            self.ledger,
            self.committer,
            Derivation(self.provider, self.ledger),
            history_keys=history_keys(self.provider),
            meter_keys=self.provider.meter_inputs,
            personal_keys=self.provider.personal_keys,
            keeps_history=self._keeps_history,
            keeps_tokens=keeps_tokens,
        )
        if not keeps_tokens:
            self.intake.forget_tokens()
        self.intake.late_hours |= contents.late_hours
        self.intake.kept_since.update(contents.kept_since)
        self.history = History(
            self._hass, self.provider, self.intake, self.committer, self.store
        )

    def start(self) -> None:
        """Run the stream as soon as Home Assistant has started.

        Automations listen only then, and what is told of a session is told once.
        """
        self._cancel_start = async_at_started(self._hass, self._started)

    @callback
    def _started(self, _hass: HomeAssistant) -> None:
        self.connection.start()
        self._announce_concluded(self.intake.not_announced())
        self._stop_interval = async_track_time_interval(
            self._hass, self._interval, REFRESH_INTERVAL, cancel_on_shutdown=True
        )
        self._tasks = [
            self._entry.async_create_background_task(
                self._hass, work, f"ev_streams {name}"
            )
            for name, work in (
                ("stream", self._supervisor.run()),
                ("refresh", self._refresher.run()),
                ("commit", self.committer.run()),
                *([("history", self.history.run())] if self._keeps_history else []),
            )
        ]

    async def stop(self) -> None:
        """End the stream; what came is kept and acknowledged, the rest stays at the broker."""
        self._cancel_start()
        # The stream first, and alone: it settles while the others still work.
        for tasks in (self._tasks[:1], self._tasks[1:]):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
        if self._stop_interval is not None:
            self._stop_interval()
            self._stop_interval = None
        await self.settle()
        self.notifier.close()
        self.connection.close()

    def device_available(self, device_id: str, *, is_telemetry: bool) -> bool:
        """Whether a value of the device can be trusted now; settings outlast an offline device."""
        if not self.connection.available or not self.inventory.is_listed(device_id):
            return False
        if not is_telemetry or self.provider.online_key is None:
            return True
        online = self.ledger.reading(device_id, self.provider.online_key)
        return online is None or online.value is True

    async def documents(self, device_id: str) -> list[SessionDocument]:
        """Return the signed session documents of a device, in order of time."""
        await self.committer.flush()
        return await self.store.documents(device_id, None, None)

    def history_progress(self, share: float | None) -> None:
        """Show how far the filling of past hours is, from 0 to 1; None after a failure."""
        self.history_import = share
        self.notifier.notify(self.inventory.account_id, KEY_HISTORY_IMPORT)

    async def forget(self, device_id: str) -> None:
        """Forget a device that the user removed; HomeAssistantError keeps all of it."""
        try:
            await self.committer.forget_device(device_id)
        except StoreError as err:
            raise HomeAssistantError(
                translation_domain=DOMAIN, translation_key="store_unavailable"
            ) from err
        self.inventory.forget(device_id)
        self.intake.forget(device_id)

    def _everything(self) -> Batch:
        return self.intake.everything()

    def _is_first(self, change: SessionChange) -> bool:
        return self.intake.announce(change)

    async def _open_stream(self, renew: bool) -> Stream:
        return await self.account.open_stream(renew, self)

    @callback
    @override
    def handle(self, delivery: Delivery) -> None:
        """Take one delivery; it is settled whatever is in it."""
        now = dt_util.utcnow()
        self.vitals.received(delivery, now)
        arrived_at = None
        with self._accounted(delivery, now):
            message = self.account.decode(delivery)
            arrived_at = message.arrived_at
            self._route(message, delivery, now)
        self._progressed(arrived_at, now)

    @override
    async def settle(self) -> None:
        """Tell what is held back, commit what is pending, acknowledge it."""
        self.announcer.release()
        await self.committer.flush()

    @contextmanager
    def _accounted(self, delivery: Delivery, now: datetime) -> Iterator[None]:
        """Settle a delivery that cannot be taken: whatever it was, the next must not pay."""
        try:
            yield
        except BadInputError as err:
            if self.refusals.add(delivery, err.reason, now):
                _LOGGER.warning(
                    "A message that cannot be decoded is left out: %s", err.reason
                )
            self.committer.settle(delivery.ack)
        except Exception:
            if self.refusals.add(delivery, "internal_error", now):
                _LOGGER.exception("A message could not be handled and is left out")
            self.committer.settle(delivery.ack)

    def _route(self, message: Message, delivery: Delivery, now: datetime) -> None:
        """Apply the message if its device is followed, or let it wait if that is not known."""
        if message.unknown is not None:
            self.vitals.not_known(message.unknown)
        device_id = message.device_id
        if (
            device_id is None
            or self.inventory.is_followed(device_id)
            or not self._refresher.park(message, delivery)
        ):
            self._take_message(message, delivery, now)

    def _unparked(self, message: Message, delivery: Delivery) -> None:
        """Take a message that waited until the account's list was known."""
        now = dt_util.utcnow()
        with self._accounted(delivery, now):
            self._take_message(message, delivery, now)

    def _take_message(
        self, message: Message, delivery: Delivery, now: datetime
    ) -> None:
        is_replaying = not self.connection.backlog.is_live
        changes: list[SessionChange] = []
        if message.device_id and not self.inventory.is_followed(message.device_id):
            self.vitals.not_followed += 1
        else:
            if not is_replaying:
                self.vitals.delivered(message.arrived_at, now)
            changes = self._apply(message.updates, now, is_replaying=is_replaying)
        self.announcer.announce(
            changes,
            now,
            is_replaying=is_replaying,
            done=partial(self.committer.settle, delivery.ack),
        )

    def _apply(
        self,
        updates: Iterable[Update],
        now: datetime,
        *,
        is_streamed: bool = True,
        is_replaying: bool = False,
    ) -> list[SessionChange]:
        """Take the updates in, then tell whom they concern; returns sessions to be announced.

        After all of them, for a state in between would be recorded: an energy that
        grows while its parts are put together was never used in this hour.
        """
        readings: list[Reading] = []
        changes: list[SessionChange] = []
        devices: set[str] = set()
        for update in updates:
            if isinstance(update, SessionChange):
                devices.add(update.device_id)
            for news in self.intake.take(
                update, now, is_streamed=is_streamed, is_replaying=is_replaying
            ):
                if isinstance(news, SessionChange):
                    changes.append(news)
                else:
                    readings.append(news)
        for reading in readings:
            is_past = is_late(reading.measured_at, now)
            self._reading_changed(reading, gently=is_replaying or is_past)
        for device_id in devices:
            self._notify(device_id, KEY_SESSION, gently=is_replaying)
        return changes

    def _reading_changed(self, reading: Reading, *, gently: bool) -> None:
        device_id, key = reading.device_id, reading.key
        self._notify(device_id, key, gently=gently)
        self.vitals.uploaded(self.ledger.reading(device_id, key))
        if key == self.provider.online_key:
            self.notifier.notify_device(device_id)
        if key == self.provider.firmware_key:
            self.inventory.set_firmware(device_id, str(reading.value))

    def _notify(self, device_id: str, key: str, *, gently: bool) -> None:
        """Tell the entities of a key; what is replayed no more than once a second."""
        if gently:
            self.notifier.notify_gently(device_id, key, REPLAY_PERIOD)
        else:
            self.notifier.notify(device_id, key)

    def _progressed(self, arrived_at: datetime | None, now: datetime) -> None:
        """Count the message off the backlog and show how far the replay is."""
        account_id, backlog = self.inventory.account_id, self.connection.backlog
        was_live = backlog.is_live
        backlog.consumed(arrived_at, now)
        if not was_live:
            for key in (KEY_BACKLOG, KEY_BACKLOG_DONE):
                self.notifier.notify_gently(account_id, key, COUNTDOWN_PERIOD)
            if backlog.is_live:
                self._went_live()

    def _went_live(self) -> None:
        """Show the end of the replay; what happened meanwhile becomes history now."""
        self._announce_concluded(self.intake.conclude(dt_util.utcnow()))
        self.announcer.release()
        for key in (KEY_STATUS, KEY_BACKLOG, KEY_BACKLOG_DONE):
            self.notifier.notify(self.inventory.account_id, key)
        self.history.request()

    def _connected(self) -> None:
        """Ask what the stream does not tell; what is pending sets no pace for a replay."""
        self._refresher.request()
        self.committer.changed(at_once=True)

    @callback
    def _connection_changed(self) -> None:
        for key in (
            KEY_STATUS,
            KEY_CONNECTED,
            KEY_BACKLOG,
            KEY_BACKLOG_DONE,
            KEY_LAST_MESSAGE,
        ):
            self.notifier.notify(self.inventory.account_id, key)

    async def _interval(self, now: datetime) -> None:
        self._refresher.request()
        try:
            self.intake.kept_since |= await self.store.prune(
                now - KEPT_FOR, KEPT_ACTIVE_HOURS
            )
        except StoreError:
            # The next commit meets the same, and knows what to do.
            self.committer.changed(at_once=True)

    def _listed(self, changed: set[str]) -> None:
        """Let the entities of devices that came or went find out."""
        for device_id in changed:
            self.notifier.notify_device(device_id)

    def _take_snapshot(self, updates: list[Update]) -> None:
        """Fill in what the stream has not told, in order of time: the energy is made of several.

        A session is noted, its event is the stream's; but for one that no message names.
        """
        now = dt_util.utcnow()
        is_replaying = not self.connection.backlog.is_live
        in_order = sorted(updates, key=_happened_at)
        changes = self._apply(
            in_order, now, is_streamed=False, is_replaying=is_replaying
        )
        self._announce_concluded([each for each in changes if each.is_derived])

    def _announce_concluded(self, changes: list[SessionChange]) -> None:
        """Announce sessions that no delivery waits for."""
        self.announcer.announce(
            changes,
            dt_util.utcnow(),
            is_replaying=not self.connection.backlog.is_live,
            done=self.committer.changed,
        )


def _happened_at(update: Update) -> datetime:
    if isinstance(update, SessionChange):
        return update.happened_at or dt_util.utc_from_timestamp(0)
    return update.measured_at
