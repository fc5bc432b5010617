"""One per entry: puts the account's parts together, runs them and ends them."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
import logging
from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.start import async_at_started
from homeassistant.util import dt as dt_util

from .appearances import Appearances
from .batch import Batch, Contents
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
from .device_records import KEY_RECORD, record_of, text_of
from .expiry import check_expiry
from .history import History, history_keys
from .intake import Intake
from .inventory import Inventory
from .ledger import Ledger
from .mapping import OF_MAPPING
from .model import DeviceRecord, Message, Reading, SessionDocument
from .notifier import Notifier
from .providers.base import Account, Provider, ReadingDescription
from .reception import Reception
from .refresh import Refresher
from .silence import Silence
from .storage import StoreMonitor, open_store, store_path
from .store import Store, StoreError
from .strangers import Strangers
from .stream.delivery import Delivery
from .stream.supervisor import Stream, Supervisor
from .subentries import Templates, mappings_by_device, mappings_of
from .traffic import Traffic
from .vitals import Vitals

type EvStreamsConfigEntry = ConfigEntry[EvStreamsCoordinator]

_LOGGER = logging.getLogger(__name__)

RECORDER = "recorder"
REFRESH_INTERVAL = timedelta(hours=1)
# A device that was offline goes on where it was interrupted: the readings of its
# last hours are kept until it has had some more.
KEPT_FOR = timedelta(hours=3)
KEPT_ACTIVE_HOURS = 4


class EvStreamsCoordinator:
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
        self.notifier = Notifier()
        self.inventory = Inventory(hass, entry, provider)
        self.inventory.remove_deselected()
        self.inventory.update(list(devices))
        self.appearances = Appearances()
        self.vitals = Vitals(self.notifier, self.inventory.account_id)
        self.history_import: float | None = None
        self._hass = hass
        self._entry = entry
        self.connection = self._make_connection()
        self.store = Store(store_path(hass, entry.entry_id))
        self.store_monitor = StoreMonitor(hass, entry)
        self.committer = Committer(
            self.store,
            is_live=lambda: self.connection.backlog.is_live,
            everything=self._everything,
            on_trouble=self.store_monitor.troubled,
        )
        self._keeps_history = (
            entry.options.get(CONF_HISTORY, True) and RECORDER in hass.config.components
        )
        self.intake = self._make_intake()
        self._silence = Silence(
            hass,
            entry,
            provider,
            self.ledger,
            self.intake,
            account_id=self.inventory.account_id,
        )
        self.traffic = Traffic(
            self.ledger,
            self.committer,
            mappings_by_device(entry),
            Templates(hass).render,
            of_all=mappings_of(entry.options),
        )
        self.history = History(
            hass,
            provider,
            ledger=self.ledger,
            intake=self.intake,
            committer=self.committer,
            store=self.store,
        )
        self._reception = self._make_reception()
        self.announcer = self._reception.announcer
        self.refusals = self._reception.refusals
        self._refresher = self._make_refresher()
        self._supervisor = Supervisor(self._open_stream, self.connection)
        self._tasks: list[asyncio.Task[None]] = []
        self._cancel_start: Callable[[], None] = lambda: None
        self._stop_interval: Callable[[], None] | None = None

    def _make_intake(self) -> Intake:
        return Intake(
            self.ledger,
            self.committer,
            Derivation(self.provider),
            history_keys=history_keys(self.provider),
            meter_keys=self.provider.meter_inputs,
            register_keys=self.provider.meter_keys,
            personal_keys=self.provider.personal_keys,
            keeps_history=self._keeps_history,
            keeps_tokens=self._entry.options.get(CONF_TOKENS, False),
        )

    def _make_reception(self) -> Reception:
        return Reception(
            self.provider,
            self.account,
            self.ledger,
            self.intake,
            self.committer,
            inventory=self.inventory,
            notifier=self.notifier,
            vitals=self.vitals,
            connection=self.connection,
            traffic=self.traffic,
            appearances=self.appearances,
            silence=self._silence,
            strangers=Strangers(self._hass, self._entry, self.provider),
            park=self._park,
            on_live=self.history.request,
        )

    def _make_refresher(self) -> Refresher:
        return Refresher(
            self.account,
            self.inventory,
            take=self._reception.take_snapshot,
            unparked=self._reception.unparked,
            listed=self._listed,
            refused=partial(self._entry.async_start_reauth, self._hass),
        )

    def _make_connection(self) -> ConnectionMonitor:
        default = DEFAULT_GRACE_TIME.total_seconds()
        grace = self._entry.options.get(CONF_GRACE_TIME, default)
        return ConnectionMonitor(
            self._hass,
            self._entry,
            self.provider,
            timedelta(seconds=grace),
            on_change=self._connection_changed,
            on_available=self.notifier.notify_all,
            on_connected=self._connected,
            on_exhausted=self._exhausted,
        )

    async def open(self) -> None:
        """Take up what was kept before a restart; raises what a setup may raise."""
        contents = await open_store(self.store, self.store_monitor)
        self.intake.restore(contents)
        self.traffic.restore(contents.recent)
        now = dt_util.utcnow()
        for reading in self.traffic.resume():
            self.intake.take(reading, now, is_streamed=False)
        self.inventory.restore(
            (
                record_of(device_id, self.ledger.reading(device_id, KEY_RECORD))
                for device_id in self.ledger.devices()
            ),
            self._keep_record,
        )
        await self._forget_what_is_not_wanted(contents)
        self._show_what_was_told()

    def _keep_record(self, record: DeviceRecord) -> None:
        now = dt_util.utcnow()
        self.intake.note(
            Reading(
                device_id=record.device_id,
                key=KEY_RECORD,
                value=text_of(record),
                measured_at=now,
            ),
            now,
        )

    async def _forget_what_is_not_wanted(self, contents: Contents) -> None:
        try:
            for device_id in {*self.ledger.devices(), *contents.recent}:
                if self.inventory.is_deselected(device_id):
                    await self.committer.forget_device(device_id)
                    self.intake.forget(device_id)
                    self.traffic.forget(device_id)
            if not self._entry.options.get(CONF_HISTORY, True):
                # They would keep their readings in the file for ever.
                await self.store.forget_hours(contents.late_hours)
                self.intake.late_hours.clear()
        except StoreError:
            # The next start has another try; a commit meets the same and tells of it.
            self.committer.changed(at_once=True)

    def _show_what_was_told(self) -> None:
        """Let the entities of restored devices appear, before anything new is told."""
        for device_id in self.ledger.devices():
            if self.inventory.is_followed(device_id):
                for key, reading in self.ledger.readings(device_id).items():
                    if reading.value != "":
                        self.appearances.seen(device_id, key)
                if self.ledger.last_session(device_id) is not None:
                    self.appearances.seen(device_id, KEY_SESSION)

    def start(self) -> None:
        """Run the stream as soon as Home Assistant has started.

        Automations listen only then, and what is told of a session is told once.
        """
        self._cancel_start = async_at_started(self._hass, self._started)

    @callback
    def _started(self, _hass: HomeAssistant) -> None:
        now = dt_util.utcnow()
        check_expiry(self._hass, self._entry, self.account.expires_at, now)
        self._silence.check(now)
        self.connection.start()
        self._reception.announce_concluded(self.intake.not_announced())
        self._stop_interval = async_track_time_interval(
            self._hass, self._interval, REFRESH_INTERVAL, cancel_on_shutdown=True
        )
        self._tasks = [
            self._run(name, work)
            for name, work in (
                ("stream", self._supervisor.run()),
                ("refresh", self._refresher.run()),
                ("commit", self.committer.run()),
                *([("history", self.history.run())] if self._keeps_history else []),
            )
        ]

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a part of the account; one that fails must not do so in silence."""

        @callback
        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                _LOGGER.error("The %s of an account failed", name, exc_info=error)

        task = self._entry.async_create_background_task(
            self._hass, work, f"ev_streams {name}"
        )
        task.add_done_callback(ended)
        return task

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
        await self._reception.settle()
        self.notifier.close()
        self.connection.close()

    def described(self, device_id: str, key: str) -> ReadingDescription | None:
        """Return what shows a key of which something was told, None where nothing does."""
        tables: tuple[tuple[ReadingDescription, ...], ...] = (
            self.provider.sensors,
            self.provider.binary_sensors,
        )
        for description in chain.from_iterable(tables):
            if key == (description.reading_key or description.key):
                return description
        if (
            key == KEY_RECORD
            or OF_MAPPING in key
            or any(mapping.key == key for mapping in self.traffic.mappings(device_id))
        ):
            # The user's own entity has that id.
            return None
        reading = self.ledger.reading(device_id, key)
        return None if reading is None else self.provider.describe(reading)

    def has_sessions(self, device_id: str) -> bool:
        """Whether anything can tell of charging sessions of the device."""
        return self.provider.subentry is None or any(
            mapping.makes_sessions for mapping in self.traffic.mappings(device_id)
        )

    def device_available(self, device_id: str, *, is_telemetry: bool) -> bool:
        """Whether a value of the device can be trusted now; settings outlast an offline device."""
        if not self.connection.available or not self.inventory.is_listed(device_id):
            return False
        if not is_telemetry or self.provider.online_key is None:
            return True
        return self._is_online(device_id) and self._is_online(
            self.inventory.whole_of(device_id)
        )

    def _is_online(self, device_id: str) -> bool:
        """Whether the device is not told to be offline."""
        online = self.ledger.reading(device_id, self.provider.online_key or "")
        return online is None or online.value is not False

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
        self.traffic.forget(device_id)
        self.appearances.forget(device_id)

    def _park(self, message: Message, delivery: Delivery) -> bool:
        return self._refresher.park(message, delivery)

    def _everything(self) -> Batch:
        return self.intake.everything()

    async def _open_stream(self, renew: bool) -> Stream:
        return await self.account.open_stream(renew, self._reception)

    def _connected(self) -> None:
        """Ask what the stream does not tell; what is pending sets no pace for a replay."""
        self._reception.connected()
        self._refresher.request()
        self.committer.changed(at_once=True)

    def _exhausted(self) -> None:
        self._reception.connected()

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
        check_expiry(self._hass, self._entry, self.account.expires_at, now)
        self._silence.check(now)
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
