"""Messages that could not be decoded: counted, kept redacted, logged once."""

from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime, timedelta
import re

from .stream.delivery import Delivery

KEPT = 10
SHOWN = 200
LOG_AGAIN_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What may be known of a refused message: its shape, never its content."""

    at: datetime
    reason: str
    address: str
    size: int
    shape: str


class Refusals:
    """Counts by reason, and the last few in redacted form; times are aware UTC."""

    def __init__(self) -> None:
        """Start with none."""
        self.counts: Counter[str] = Counter()
        self.last: deque[Refusal] = deque(maxlen=KEPT)
        self._logged_at: dict[str, datetime] = {}

    def add(self, delivery: Delivery, reason: str, now: datetime) -> bool:
        """Note a refused message; True when this reason is due for a line in the log."""
        self.counts[reason] += 1
        self.last.append(
            Refusal(
                at=now,
                reason=reason,
                address=_shape(delivery.address),
                size=len(delivery.body),
                shape=_shape(delivery.body[:SHOWN].decode("utf-8", "replace")),
            )
        )
        logged_at = self._logged_at.get(reason)
        if logged_at is not None and now - logged_at < LOG_AGAIN_AFTER:
            return False
        self._logged_at[reason] = now
        return True


def _shape(text: str) -> str:
    """Keep punctuation only: what the text was built like shows, what it said does not."""
    return re.sub(r"\d", "0", re.sub(r"[^\W\d_]", "x", text))
