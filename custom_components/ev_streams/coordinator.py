"""One per entry: runs the stream, feeds the ledger, notifies exactly the entities concerned."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
import logging

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.util import dt as dt_util

from .connection import ConnectionMonitor
from .const import CONF_GRACE_TIME, DEFAULT_GRACE_TIME
from .inventory import Inventory
from .ledger import Ledger, Verdict
from .model import (
    BadInputError,
    DeviceRecord,
    Message,
    Reading,
    SessionChange,
    SessionPhase,
    Update,
)
from .notifier import Notifier
from .providers.base import Account, Provider
from .refresh import Refresher
from .refusals import Refusals
from .stream.delivery import Delivery
from .stream.supervisor import Stream, Supervisor

type EvStreamsConfigEntry = ConfigEntry[EvStreamsCoordinator]
type SessionListener = Callable[[SessionChange, bool], None]

_LOGGER = logging.getLogger(__name__)

REFRESH_INTERVAL = timedelta(hours=1)
REPLAYED_AFTER = timedelta(minutes=5)
# Seconds between states of what changes with every message.
VITALS_PERIOD = 300.0
COUNTDOWN_PERIOD = 1.0
# Kinds of unknown things are the vendor's, their number is not ours to trust.
UNKNOWN_KINDS = 200

KEY_SESSION = "charging_session"
KEY_STATUS = "stream_status"
KEY_BACKLOG = "backlog"
KEY_CONNECTED = "connected"
KEY_LAST_MESSAGE = "last_message"
KEY_DELIVERY_LATENCY = "delivery_latency"
KEY_UPLOAD_LATENCY = "upload_latency"


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
        """Know the account's devices; nothing runs before `start`."""
        self.provider = provider
        self.ledger = Ledger()
        self.refusals = Refusals()
        self.notifier = Notifier()
        self.inventory = Inventory(hass, entry, provider)
        self.inventory.remove_deselected()
        self.inventory.update(list(devices))
        self.unknown: Counter[str] = Counter()
        self.not_followed = 0
        self.messages = 0
        self.redelivered = 0
        self.last_message: datetime | None = None
        self.delivery_latency: timedelta | None = None
        self.upload_latency: dict[str, timedelta] = {}
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
            on_connected=self._refresher.request,
        )
        self._hass = hass
        self._entry = entry
        self._account = account
        self._supervisor = Supervisor(self._open_stream, self.connection)
        self._tasks: list[asyncio.Task[None]] = []
        self._stop_interval: Callable[[], None] | None = None
        self._session_listeners: dict[str, list[SessionListener]] = defaultdict(list)

    def start(self) -> None:
        """Run the stream; the platforms' entities listen already."""
        self.connection.start()
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
            )
        ]

    async def stop(self) -> None:
        """Close the stream; what was applied has been acknowledged, the rest stays at the broker."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self._stop_interval is not None:
            self._stop_interval()
            self._stop_interval = None
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

    def listen_to_sessions(
        self, device_id: str, listener: SessionListener
    ) -> Callable[[], None]:
        """Call the listener with each session change and whether it is replayed."""
        listeners = self._session_listeners[device_id]
        listeners.append(listener)
        return lambda: listeners.remove(listener)

    async def _open_stream(self, renew: bool) -> Stream:
        return await self._account.open_stream(renew, self.handle)

    @callback
    def handle(self, delivery: Delivery) -> None:
        """Take one delivery; it is settled whatever is in it."""
        now = dt_util.utcnow()
        self.messages += 1
        self.redelivered += delivery.redelivered
        self.last_message = now
        arrived_at = None
        with self._accounted(delivery, now):
            message = self._account.decode(delivery)
            arrived_at = message.arrived_at
            self._route(message, delivery, now)
        self._progressed(arrived_at, now)

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
            self._settle(delivery)
        except Exception:
            if self.refusals.add(delivery, "internal_error", now):
                _LOGGER.exception("A message could not be handled and is left out")
            self._settle(delivery)

    def _route(self, message: Message, delivery: Delivery, now: datetime) -> None:
        """Apply the message if its device is followed, or let it wait if that is not known."""
        if message.unknown is not None and (
            message.unknown in self.unknown or len(self.unknown) < UNKNOWN_KINDS
        ):
            self.unknown[message.unknown] += 1
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
        if message.device_id and not self.inventory.is_followed(message.device_id):
            self.not_followed += 1
        else:
            self._note_delivery_latency(message, now)
            for update in message.updates:
                self._apply(update, now)
        self._settle(delivery)

    def _settle(self, delivery: Delivery) -> None:
        """Acknowledge: everything that the message was to do is done."""
        delivery.ack()

    def _apply(self, update: Update, now: datetime) -> None:
        if isinstance(update, SessionChange):
            is_news = self.ledger.announce_session(update)
            # The sensors first: whoever hears the event may look at them.
            self.notifier.notify(update.device_id, KEY_SESSION)
            if is_news:
                self._announce(update, now)
        elif self.ledger.apply(update, now) is Verdict.NEW:
            self._reading_changed(update)

    def _reading_changed(self, reading: Reading) -> None:
        device_id, key = reading.device_id, reading.key
        self.notifier.notify(device_id, key)
        self._note_upload_latency(device_id, key)
        if key == self.provider.online_key:
            self.notifier.notify_device(device_id)
        if key == self.provider.firmware_key:
            self.inventory.set_firmware(device_id, str(reading.value))

    def _announce(self, change: SessionChange, now: datetime) -> None:
        """Tell the event entity; a start after its own stop is history, however fresh."""
        happened_at = change.happened_at
        session = self.ledger.session(change.device_id, change.session_id)
        is_late_start = (
            change.phase is SessionPhase.STARTED
            and session is not None
            and session.stopped_at is not None
        )
        replayed = (
            is_late_start
            or not self.connection.backlog.is_live
            or (happened_at is not None and now - happened_at > REPLAYED_AFTER)
        )
        for listener in self._session_listeners[change.device_id]:
            listener(change, replayed)

    def _note_delivery_latency(self, message: Message, now: datetime) -> None:
        if message.arrived_at is not None and self.connection.backlog.is_live:
            self.delivery_latency = max(timedelta(0), now - message.arrived_at)
            self.notifier.notify_gently(
                self.inventory.account_id, KEY_DELIVERY_LATENCY, VITALS_PERIOD
            )

    def _note_upload_latency(self, device_id: str, key: str) -> None:
        """Tell by the reading as it is held: there a device's wrong clock is corrected."""
        held = self.ledger.reading(device_id, key)
        if held is not None and held.arrived_at is not None:
            self.upload_latency[device_id] = held.arrived_at - held.measured_at
            self.notifier.notify_gently(device_id, KEY_UPLOAD_LATENCY, VITALS_PERIOD)

    def _progressed(self, arrived_at: datetime | None, now: datetime) -> None:
        """Count the message off the backlog and show how far the replay is."""
        account_id, backlog = self.inventory.account_id, self.connection.backlog
        was_live = backlog.is_live
        backlog.consumed(arrived_at, now)
        self.notifier.notify_gently(account_id, KEY_LAST_MESSAGE, VITALS_PERIOD)
        if not was_live:
            self.notifier.notify_gently(account_id, KEY_BACKLOG, COUNTDOWN_PERIOD)
            if backlog.is_live:
                self.notifier.notify(account_id, KEY_STATUS)
                self.notifier.notify(account_id, KEY_BACKLOG)

    @callback
    def _connection_changed(self) -> None:
        for key in (KEY_STATUS, KEY_CONNECTED, KEY_BACKLOG, KEY_LAST_MESSAGE):
            self.notifier.notify(self.inventory.account_id, key)

    @callback
    def _interval(self, _now: datetime) -> None:
        self._refresher.request()

    def _listed(self, changed: set[str]) -> None:
        """Let the entities of devices that came or went find out."""
        for device_id in changed:
            self.notifier.notify_device(device_id)

    def _take_snapshot(self, updates: list[Update]) -> None:
        """Fill in what the stream has not told; a session is noted, its event is the stream's."""
        now = dt_util.utcnow()
        for update in updates:
            if isinstance(update, SessionChange):
                self.ledger.record_session(update)
                self.notifier.notify(update.device_id, KEY_SESSION)
            else:
                self._apply(update, now)
