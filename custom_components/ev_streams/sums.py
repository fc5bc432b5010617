"""How a meter's readings and the rows that the recorder has of it fit together."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from homeassistant.components.recorder.statistics import StatisticsRow
from homeassistant.util import dt as dt_util

from .series import HOUR, Meter, Pair, hour_of

# What two sums in kWh may differ by and still say the same.
SUM_TOLERANCE: Final = 0.001


def placed(
    pairs: list[Pair], begin: datetime, last_right: StatisticsRow | None
) -> tuple[Meter, float]:
    """Return the meter, and what its count is to be raised by to fit to the rows before.

    Without any, the sums begin at 0: Home Assistant takes the first sum there is
    for what flowed in that hour. Rows that follow are raised accordingly.
    """
    if last_right is not None:
        end = dt_util.utc_from_timestamp(last_right["end"])
        state = last_right.get("state")
        if state is not None and end < pairs[0][0]:
            pairs = [(end, state), *pairs]
        meter = Meter(pairs)
        counted = counted_at(meter, last_right, end)
        if counted is not None:
            return meter, (last_right["sum"] or 0.0) - counted
    meter = Meter(pairs)
    _, counted = meter.at(begin) or pairs[0]
    return meter, -counted


def counted_at(meter: Meter, row: StatisticsRow, end: datetime) -> float | None:
    """Return what the meter had counted when it showed the row's state."""
    state, total = row.get("state"), row.get("sum")
    if state is None or total is None:
        return None
    offset = meter.offset_of(state, end, SUM_TOLERANCE)
    return None if offset is None else state + offset


def with_rows(
    pairs: list[Pair], present: Mapping[datetime, StatisticsRow]
) -> list[Pair]:
    """Add what rows tell of hours without any reading of their own.

    A row that grew was told in time, by readings that are long gone: without it one
    old reading that comes late would draw a straight line over it. A flat row tells
    nothing, as it may be that nobody listened. What readings contradict is left out.
    """
    if Meter(pairs).has_resets:
        return pairs
    known = {hour_of(time) for time, _ in pairs}
    told: dict[datetime, float] = {}
    for hour, row in present.items():
        previous = present.get(hour - HOUR)
        if hour in known or previous is None or not _grew(previous, row):
            continue
        ends = ((hour, previous.get("state")), (hour + HOUR, row.get("state")))
        told |= {
            time: state
            for time, state in ends
            if state is not None and _fits(pairs, time, state)
        }
    return sorted([*pairs, *told.items()])


def _grew(previous: StatisticsRow, row: StatisticsRow) -> bool:
    return (row.get("sum") or 0.0) - (previous.get("sum") or 0.0) > SUM_TOLERANCE


def _fits(pairs: list[Pair], time: datetime, value: float) -> bool:
    """Whether the meter may have shown the value then: it never falls."""
    before = [shown for at, shown in pairs if at <= time]
    after = [shown for at, shown in pairs if at >= time]
    return (
        max(before, default=value) <= value + SUM_TOLERANCE
        and min(after, default=value) >= value - SUM_TOLERANCE
    )
