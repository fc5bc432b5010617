"""What becomes of a delivery: decoded, taken in, told to whom it concerns, settled."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
import logging
from typing import Final, override

from homeassistant.core import callback
from homeassistant.util import dt as dt_util

from .announcer import Announcer
from .appearances import Appearances
from .commit import Committer
from .connection import ConnectionMonitor
from .const import KEY_BACKLOG, KEY_BACKLOG_DONE, KEY_SESSION, KEY_STATUS
from .intake import Intake
from .inventory import Inventory
from .ledger import Ledger, is_late
from .model import BadInputError, Happening, Message, Reading, SessionChange, Update
from .notifier import Notifier
from .providers.base import Account, Provider
from .refusals import Refusals
from .silence import Silence
from .strangers import Strangers
from .stream.delivery import Delivery, Receiver
from .traffic import Traffic
from .vitals import Vitals

_LOGGER = logging.getLogger(__name__)

# Seconds between states of what counts down while a backlog is replayed.
COUNTDOWN_PERIOD: Final = 1.0
# Seconds between states of a value that is replayed: only the newest is shown.
REPLAY_PERIOD: Final = 1.0


class Reception(Receiver):
    """Takes the deliveries of an account's stream, and the snapshots beside it.

    `park` lets a message wait until its device is known, `on_live` is called at
    the end of a replay. `strangers` hears of devices that nobody has added.
    """

    def __init__(
        self,
        provider: Provider,
        account: Account,
        ledger: Ledger,
        intake: Intake,
        committer: Committer,
        *,
        inventory: Inventory,
        notifier: Notifier,
        vitals: Vitals,
        connection: ConnectionMonitor,
        traffic: Traffic,
        appearances: Appearances,
        strangers: Strangers,
        silence: Silence,
        park: Callable[[Message, Delivery], bool],
        on_live: Callable[[], None],
    ) -> None:
        """Have nothing held back."""
        self.refusals = Refusals()
        self.announcer = Announcer(
            ledger,
            is_first=intake.announce,
            beforehand=self._session_happens,
        )
        self._provider = provider
        self._account = account
        self._ledger = ledger
        self._intake = intake
        self._committer = committer
        self._inventory = inventory
        self._notifier = notifier
        self._vitals = vitals
        self._connection = connection
        self._traffic = traffic
        self._appearances = appearances
        self._strangers = strangers
        self._silence = silence
        self._periods = {
            each.key: each.period
            for each in provider.sensors
            if each.period is not None
        }
        self._backlog = connection.backlog
        self._park = park
        self._on_live = on_live

    def _session_happens(self, device_id: str) -> None:
        """Let the entities of a device's sessions be there, and up to date."""
        if self._inventory.is_followed(device_id):
            self._appearances.seen(device_id, KEY_SESSION)
        self._notifier.notify(device_id, KEY_SESSION)

    @callback
    @override
    def handle(self, delivery: Delivery) -> None:
        """Take one delivery; it is settled whatever is in it."""
        now = dt_util.utcnow()
        self._vitals.received(delivery, now)
        self._silence.heard(now)
        arrived_at = None
        with self._accounted(delivery, now):
            message = self._account.decode(delivery)
            arrived_at = message.arrived_at
            self._route(message, delivery, now)
        self._progressed(arrived_at, now)

    @override
    async def settle(self) -> None:
        """Tell what is held back, commit what is pending, acknowledge it."""
        self.announcer.release()
        await self._committer.flush()

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

    def _settle(self, delivery: Delivery, identity: str | None = None) -> None:
        """Acknowledge after the next commit, with which the message is known as handled."""
        if identity is not None:
            self._intake.remember(identity)
        self._committer.settle(delivery.ack)
        if delivery.is_awaited:
            self._committer.changed(at_once=True)

    def _route(self, message: Message, delivery: Delivery, now: datetime) -> None:
        """Apply the message if its device is followed, or let it wait if that is not known."""
        if self._ledger.is_repeated(message.identity):
            self._vitals.repeated += 1
            self._settle(delivery)
            return
        if message.unknown is not None:
            self._vitals.not_known(message.unknown)
        self._inventory.meet(message.devices)
        device_id = message.device_id
        if (
            device_id is None
            or self._inventory.is_followed(device_id)
            or not self._park(message, delivery)
        ):
            self._take_message(message, delivery, now)

    def unparked(self, message: Message, delivery: Delivery) -> None:
        """Take a message that waited until the account's list was known."""
        now = dt_util.utcnow()
        with self._accounted(delivery, now):
            self._take_message(message, delivery, now)

    def _take_message(
        self, message: Message, delivery: Delivery, now: datetime
    ) -> None:
        is_replaying = not self._backlog.is_live
        changes: list[SessionChange] = []
        device_id, content = message.device_id or "", message.content
        if device_id and not self._inventory.is_followed(device_id):
            self._vitals.not_followed += 1
            if content is not None and self._provider.subentry is not None:
                self._traffic.take_stranger(device_id, content, now)
                self._strangers.seen(device_id)
        else:
            if not is_replaying:
                self._vitals.delivered(message.arrived_at, now)
            changes = self._apply(
                self._updates_of(message, now), now, is_replaying=is_replaying
            )
            if content is not None and not content.is_retained:
                self._traffic.contents.tell(device_id, content)
            if message.happening is not None:
                self._tell(device_id, message.happening, is_replaying, now)
        self.announcer.announce(
            changes,
            now,
            is_replaying=is_replaying,
            done=partial(self._settle, delivery, message.identity),
        )

    def _updates_of(self, message: Message, now: datetime) -> Iterable[Update]:
        """Return what a message tells of devices that are followed, with what the user maps."""
        updates = message.updates
        if message.devices:
            is_followed = self._inventory.is_followed
            updates = tuple(each for each in updates if is_followed(each.device_id))
        if message.content is None or message.device_id is None:
            return updates
        device_id = message.part_id or message.device_id
        if not self._inventory.is_followed(device_id):
            device_id = message.device_id
        return (*updates, *self._traffic.take(device_id, message.content, now))

    def _tell(
        self, device_id: str, happening: Happening, is_replaying: bool, now: datetime
    ) -> None:
        """Tell what happened as an event of the whole device, or of the account."""
        whole = self._inventory.whole_of(device_id or self._inventory.account_id)
        replayed = is_replaying or is_late(happening.occurred_at, now)
        self._traffic.happenings.tell(whole, happening, replayed)

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
            for news in self._intake.take(
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
        if reading.value != "" and self._inventory.is_followed(device_id):
            # Nothing is to be shown of what there is nothing to know of, so far.
            self._appearances.seen(device_id, key)
        period = self._periods.get(key)
        if period is not None:
            self._notifier.notify_gently(device_id, key, period)
        else:
            self._notify(device_id, key, gently=gently)
        self._vitals.uploaded(self._ledger.reading(device_id, key))
        if key == self._provider.online_key:
            for each in (device_id, *self._inventory.parts_of(device_id)):
                self._notifier.notify_device(each)
        if key == self._provider.firmware_key:
            self._inventory.set_firmware(device_id, str(reading.value))

    def _notify(self, device_id: str, key: str, *, gently: bool) -> None:
        """Tell the entities of a key; what is replayed no more than once a second."""
        if gently:
            self._notifier.notify_gently(device_id, key, REPLAY_PERIOD)
        else:
            self._notifier.notify(device_id, key)

    def _progressed(self, arrived_at: datetime | None, now: datetime) -> None:
        """Count the message off the backlog and show how far the replay is."""
        account_id, backlog = self._inventory.account_id, self._backlog
        was_live = backlog.is_live
        backlog.consumed(arrived_at, now)
        if not was_live:
            for key in (KEY_BACKLOG, KEY_BACKLOG_DONE):
                self._notifier.notify_gently(account_id, key, COUNTDOWN_PERIOD)
            if backlog.is_live:
                self._went_live()

    def connected(self) -> None:
        """Without a backlog the replay is over at once."""
        if self._backlog.is_live:
            self._went_live()

    def _went_live(self) -> None:
        """Show the end of the replay; what happened meanwhile becomes history now."""
        try:
            self.announce_concluded(self._intake.conclude(dt_util.utcnow()))
            # What was concluded while nobody could be told of it.
            self.announce_concluded(self._intake.not_announced())
        except Exception:
            # Be it a device's wild readings: the stream is live all the same.
            _LOGGER.exception("Sessions could not be concluded")
        self.announcer.release()
        for key in (KEY_STATUS, KEY_BACKLOG, KEY_BACKLOG_DONE):
            self._notifier.notify(self._inventory.account_id, key)
        self._on_live()

    def take_snapshot(self, updates: list[Update]) -> None:
        """Fill in what the stream has not told, in order of time: the energy is made of several.

        A session is noted, its event is the stream's; but for one that no message names.
        """
        now = dt_util.utcnow()
        is_replaying = not self._backlog.is_live
        in_order = sorted(updates, key=_happened_at)
        changes = self._apply(
            in_order, now, is_streamed=False, is_replaying=is_replaying
        )
        # An entity that is unavailable shows no event: these are told on return.
        if self._connection.available:
            self.announce_concluded([each for each in changes if each.is_derived])

    def announce_concluded(self, changes: list[SessionChange]) -> None:
        """Announce sessions that no delivery waits for."""
        self.announcer.announce(
            changes,
            dt_util.utcnow(),
            is_replaying=not self._backlog.is_live,
            done=self._committer.changed,
        )


def _happened_at(update: Update) -> datetime:
    if isinstance(update, SessionChange):
        return update.happened_at or dt_util.utc_from_timestamp(0)
    return update.measured_at
