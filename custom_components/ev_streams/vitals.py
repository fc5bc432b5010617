"""What is told of the stream itself: how many messages, how fresh, how much is unknown."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from .const import KEY_DELIVERY_LATENCY, KEY_LAST_MESSAGE, KEY_UPLOAD_LATENCY
from .model import Reading
from .notifier import Notifier
from .stream.delivery import Delivery

# Seconds between states of what changes with every message.
VITALS_PERIOD: Final = 300.0
# Kinds of unknown things are the vendor's, their number is not ours to trust.
UNKNOWN_KINDS: Final = 200


class Vitals:
    """Counts of an account's messages, and their delays; `upload_latency` is by device."""

    def __init__(self, notifier: Notifier, account_id: str) -> None:
        """Have seen no message."""
        self.messages = 0
        self.redelivered = 0
        self.repeated = 0
        self.not_followed = 0
        self.unknown: Counter[str] = Counter()
        self.last_message: datetime | None = None
        self.delivery_latency: timedelta | None = None
        self.upload_latency: dict[str, timedelta] = {}
        self._notifier = notifier
        self._account_id = account_id

    def received(self, delivery: Delivery, now: datetime) -> None:
        """Count a message."""
        self.messages += 1
        self.redelivered += delivery.redelivered
        self.last_message = now
        self._tell(self._account_id, KEY_LAST_MESSAGE)

    def not_known(self, kind: str) -> None:
        """Count what no table knows."""
        if kind in self.unknown or len(self.unknown) < UNKNOWN_KINDS:
            self.unknown[kind] += 1

    def delivered(self, arrived_at: datetime | None, now: datetime) -> None:
        """Note how long a live message took from the vendor's cloud."""
        if arrived_at is not None:
            self.delivery_latency = max(timedelta(0), now - arrived_at)
            self._tell(self._account_id, KEY_DELIVERY_LATENCY)

    def uploaded(self, held: Reading | None) -> None:
        """Note how long a reading took to the vendor's cloud, as the ledger holds it.

        There a device's wrong clock is corrected.
        """
        if held is not None and held.arrived_at is not None:
            self.upload_latency[held.device_id] = held.arrived_at - held.measured_at
            self._tell(held.device_id, KEY_UPLOAD_LATENCY)

    def _tell(self, device_id: str, key: str) -> None:
        self._notifier.notify_gently(device_id, key, VITALS_PERIOD)
