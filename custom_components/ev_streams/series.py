"""What a run of readings says of each hour: meters by their growth, the rest by mean, min and max.

Pure arithmetic over (time, value) pairs in order of time; times are aware UTC.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

HOUR: Final = timedelta(hours=1)
# A meter that falls below this share of what it showed began anew: the rule of
# Home Assistant's recorder, whose rows these have to fit to.
RESET_BELOW: Final = 0.9
# The share of a tolerance that is left to reckoning; the rest is for what was rounded.
EXACTLY: Final = 0.001

type Pair = tuple[datetime, float]


def hour_of(time: datetime) -> datetime:
    """Return the top of the hour."""
    return time.replace(minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class HourlyMean:
    """Time-weighted mean, lowest and highest value of one hour."""

    mean: float
    low: float
    high: float


class Counted:
    """A meter's readings, with what it counted altogether over its resets."""

    def __init__(self, readings: Sequence[Pair]) -> None:
        """`readings` are in order of time."""
        self._readings = readings
        self._times = [time for time, _ in readings]
        self._offsets = [0.0] * len(readings)
        for at, ((_, before), (_, value)) in enumerate(pairwise(readings), start=1):
            is_reset = value < RESET_BELOW * before
            self._offsets[at] = self._offsets[at - 1] + (before if is_reset else 0.0)

    @property
    def has_resets(self) -> bool:
        """Whether the meter began anew within the readings."""
        return bool(self._offsets) and self._offsets[-1] != 0.0

    def at(self, time: datetime) -> tuple[float, float] | None:
        """Return what the meter showed and what it had counted; None before its first reading.

        Between two readings it is taken to have grown evenly, after the last
        one to stand still. Where it began anew in between, nothing tells when: it
        stands still until then.
        """
        after = bisect_right(self._times, time)
        if after == 0:
            return None
        begin, shown = self._readings[after - 1]
        offset = self._offsets[after - 1]
        if (
            after == len(self._readings)
            or begin == time
            or self._offsets[after] != offset
        ):
            return shown, shown + offset
        end, next_shown = self._readings[after]
        shown += (time - begin) / (end - begin) * (next_shown - shown)
        return shown, shown + offset

    def told(self, time: datetime) -> float | None:
        """Return what it had counted by the newest reading up to that time."""
        after = bisect_right(self._times, time)
        if after == 0:
            return None
        return self._readings[after - 1][1] + self._offsets[after - 1]

    def offset_of(self, shown: float, time: datetime, within: float) -> float | None:
        """Return counted minus shown for the value that was shown at the time.

        That is what the readings say of the time itself, as they do of an imported row,
        or else the newest of them that showed just that value, or about that: another
        session comes close to any value. None where the meter began anew and nothing
        tells on which side of it the value belongs.
        """
        if not self.has_resets:
            return 0.0
        then = self.at(time)
        if then is not None and abs(then[0] - shown) <= within:
            return then[1] - then[0]
        for slack in (within * EXACTLY, within):
            for at in range(bisect_right(self._times, time) - 1, -1, -1):
                if abs(self._readings[at][1] - shown) <= slack:
                    return self._offsets[at]
        return None


class Held:
    """A measurement's readings, each of which holds until the next one."""

    def __init__(self, readings: Sequence[Pair]) -> None:
        """`readings` are in order of time."""
        self._readings = readings
        self._times = [time for time, _ in readings]

    def is_known_at(self, time: datetime) -> bool:
        """Whether a reading tells the value at that time."""
        return bool(self._times) and self._times[0] <= time

    def mean(self, hour: datetime) -> HourlyMean | None:
        """Return the mean of an hour, as the recorder would have it; None without any reading.

        Where nothing is known of the hour's beginning, it is that of the rest.
        """
        first = max(0, bisect_right(self._times, hour) - 1)
        inside = self._readings[first : bisect_left(self._times, hour + HOUR)]
        if not inside:
            return None
        begins = [max(hour, time) for time, _ in inside]
        ends = [*begins[1:], hour + HOUR]
        weights = [
            (end - begin).total_seconds()
            for begin, end in zip(begins, ends, strict=True)
        ]
        values = [value for _, value in inside]
        total = sum(weights)
        weighted = sum(
            value * weight for value, weight in zip(values, weights, strict=True)
        )
        return HourlyMean(mean=weighted / total, low=min(values), high=max(values))
