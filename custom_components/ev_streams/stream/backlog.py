"""How far the replay of a backlog has come."""

from datetime import datetime, timedelta

CAUGHT_UP_WITHIN = timedelta(seconds=10)


class Backlog:
    """Counts down the messages that waited when the stream connected.

    The stream is live when that many were consumed, or as soon as one comes
    that reached the vendor's cloud a moment ago: the queue is in order, so
    nothing older is left. The device's own clock is never asked, it may be
    wrong for ever.
    """

    def __init__(self) -> None:
        """Start live, with nothing waiting."""
        self.depth = 0
        self.left = 0

    @property
    def is_live(self) -> bool:
        """Whether everything that waited has been consumed."""
        return self.left == 0

    @property
    def percent(self) -> int:
        """How much of the backlog has been consumed, in whole percent."""
        return 100 if self.left == 0 else 100 * (self.depth - self.left) // self.depth

    def begin(self, depth: int | None) -> None:
        """Note how many messages wait; None where the broker cannot tell counts as none."""
        self.depth = self.left = depth or 0

    def consumed(self, arrived_at: datetime | None, now: datetime) -> None:
        """Count one message off; times are aware UTC, `arrived_at` is the vendor cloud's."""
        if self.left == 0:
            return
        self.left -= 1
        if arrived_at is not None and now - arrived_at < CAUGHT_UP_WITHIN:
            self.left = 0
