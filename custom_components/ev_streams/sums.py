"""How a meter's readings and the rows that the recorder has of it fit together.

`slack` is what two sums may differ by and still say the same, in the unit of both.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from datetime import datetime, timedelta
from math import inf
from typing import Final

from homeassistant.components.recorder.statistics import StatisticsRow
from homeassistant.util import dt as dt_util

from .ledger import LATE_AFTER
from .series import HOUR, Counted, Pair, hour_of

# A device that is on tells of its meter many times within it.
SILENCE: Final = timedelta(days=1)


def placed(
    pairs: list[Pair], begin: datetime, before: StatisticsRow | None, slack: float
) -> tuple[Counted, float]:
    """Return the meter, and what its count is to be raised by to fit to the row before.

    Without any, the sums begin at 0: Home Assistant takes the first sum there is
    for what flowed in that hour. Rows that follow are raised accordingly.
    """
    if before is None or (total := before.get("sum")) is None:
        meter = Counted(pairs)
        _, counted = meter.at(begin) or pairs[0]
        return meter, -counted
    end = dt_util.utc_from_timestamp(before["end"])
    state = before.get("state")
    if state is not None and end < pairs[0][0]:
        pairs = [(end, state), *pairs]
    meter = Counted(pairs)
    shown = counted_at(meter, before, end, slack)
    if shown is None:
        _, shown = meter.at(end) or pairs[0]
    return meter, total - shown


def raised(
    pairs: list[Pair], before: StatisticsRow, shown: float, slack: float
) -> list[Pair]:
    """Return readings that never fall below what the sensor showed at the end of the row.

    What it showed is not taken back: it stays there until they exceed it. Unless it
    shows less by now, as one that was forgotten with its device and began again.
    """
    least, end = before.get("state"), dt_util.utc_from_timestamp(before["end"])
    if least is None or shown < least - slack:
        return pairs
    found = Counted(pairs).at(end)
    if found is not None and found[0] >= least - slack:
        return pairs
    after = [(time, max(value, least)) for time, value in pairs if time > end]
    return [(end, least), *after]


def stale(
    meter: Counted,
    base: float,
    last: datetime,
    present: Mapping[datetime, StatisticsRow],
    slack: float,
) -> list[datetime]:
    """Return the hours after `last`, in order, whose rows are to be written as well.

    A row that was made before the sensor heard of what had been measured before it
    ended would show that energy as taken back, or in the hour after. Before such a row
    there may be hours without any, as nobody was there to make one, and rows that are
    right, as they were written before it was made.
    """
    found: list[datetime] = []
    for hour in sorted(each for each in present if each > last):
        told = meter.told(hour + HOUR - LATE_AFTER)
        shown = present[hour].get("sum") or 0.0
        if told is not None and shown < base + told - slack:
            found.append(hour)
    return found


def first_sum(present: Mapping[datetime, StatisticsRow], start: datetime) -> float:
    """Return the sum of the first row from `start` on, infinity where there is none."""
    for hour in sorted(present):
        found = present[hour].get("sum") if hour >= start else None
        if found is not None:
            return found
    return inf


def counted_at(
    meter: Counted, row: StatisticsRow, end: datetime, slack: float
) -> float | None:
    """Return what the meter had counted when it showed the row's state."""
    state, total = row.get("state"), row.get("sum")
    if state is None or total is None:
        return None
    offset = meter.offset_of(state, end, slack)
    return None if offset is None else state + offset


def with_rows(
    pairs: list[Pair], present: Mapping[datetime, StatisticsRow], slack: float
) -> list[Pair]:
    """Add what rows tell of hours without any reading of their own.

    A row that grew was told in time, by readings that are long gone: without it one
    old reading that comes late would draw a straight line over it. A flat row tells
    nothing, as it may be that nobody listened; but amid a long silence nothing else
    tells anything. What readings contradict is left out.
    """
    if Counted(pairs).has_resets:
        return pairs
    known = {hour_of(time) for time, _ in pairs}
    times = [time for time, _ in pairs]
    told: dict[datetime, float] = {}

    def fits(time: datetime, value: float) -> bool:
        """Whether the meter may have shown the value then: it never falls."""
        before, after = bisect_right(times, time), bisect_left(times, time)
        return (before == 0 or pairs[before - 1][1] <= value + slack) and (
            after == len(pairs) or pairs[after][1] >= value - slack
        )

    def is_silent(hour: datetime) -> bool:
        """Whether the readings around the hour are far apart."""
        after = bisect_left(times, hour)
        return 0 < after < len(times) and times[after] - times[after - 1] > SILENCE

    for hour, row in present.items():
        previous = present.get(hour - HOUR)
        has_grown = previous is not None and _growth(previous, row) > slack
        if hour in known or not (has_grown or is_silent(hour)):
            continue
        ends = [(hour + HOUR, row.get("state"))]
        if previous is not None:
            ends.append((hour, previous.get("state")))
        told |= {
            time: state
            for time, state in ends
            if state is not None and fits(time, state)
        }
    return sorted([*pairs, *told.items()])


def _growth(previous: StatisticsRow, row: StatisticsRow) -> float:
    return (row.get("sum") or 0.0) - (previous.get("sum") or 0.0)
