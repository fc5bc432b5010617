"""Writes the rows of one sensor that are missing or wrong, computed from its readings.

Doing it twice does no harm: what agrees with the readings is left alone.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
import logging
from math import inf
from typing import Final

from homeassistant.components.recorder.models import StatisticData
from homeassistant.components.recorder.statistics import StatisticsRow
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .longterm import FIVE_MINUTES, LongTermStatistics, settled
from .series import HOUR, Counted, Held, Pair
from .sums import counted_at, first_sum, placed, raised, stale, with_rows

_LOGGER = logging.getLogger(__name__)

# What a row may differ from the readings and still count as right: a sum in the
# sensor's unit, a mean by its share.
SUM_TOLERANCE: Final = 0.001
MEAN_TOLERANCE: Final = 0.01
# What comes late is shown that soon.
SHOWN_AFTER: Final = timedelta(seconds=2)


class RowImport:
    """Each import returns True where there was nothing to do.

    `hours` are those whose readings came late, in order; all of them are compiled.
    """

    def __init__(self, hass: HomeAssistant) -> None:
        """Have written nothing."""
        self.written = 0
        self._hass = hass

    async def means(
        self,
        statistics: LongTermStatistics,
        pairs: list[Pair],
        hours: list[datetime],
        scale: float,
    ) -> bool:
        """Write what a measurement's hours lack; `scale` is its native unit in theirs."""
        present = await statistics.rows(hours[0], hours[-1] + HOUR)
        held = Held(pairs)
        rows: list[StatisticData] = []
        for hour in hours:
            found = held.mean(hour)
            # A row that is there knows more than readings of half the hour.
            if found is None or (hour in present and not held.is_known_at(hour)):
                continue
            row = StatisticData(
                start=hour, mean=found.mean, min=found.low, max=found.high
            )
            slack = MEAN_TOLERANCE * max(scale, abs(found.low), abs(found.high))
            if not _agree(present.get(hour), row, ("mean", "min", "max"), slack):
                rows.append(row)
        return self._write(statistics, rows)

    async def sums(
        self,
        statistics: LongTermStatistics,
        pairs: list[Pair],
        hours: list[datetime],
        scale: float,
        *,
        shown: float | None = None,
        heard: datetime | None = None,
    ) -> bool:
        """Write the sums of all hours from the first to the last, and of the one before.

        That one ends where the first begins: its live row holds what the sensor
        showed at that moment, which may lag behind the readings. So may the rows
        after the last. `shown` is what a sensor that never falls shows now. For one
        that begins anew `heard` is when the last of the readings came: what was shown
        before may be of any of its runs.
        """
        slack = SUM_TOLERANCE * scale
        before, end = hours[0] - HOUR, hours[-1] + HOUR
        place = partial(self._place, statistics, pairs, hours, slack, shown)
        since = end
        if heard is not None:
            since = max(end, heard + SHOWN_AFTER - FIVE_MINUTES)
        look = partial(self._gap, statistics, since=since, end=end, slack=slack)
        meter, base, present = await place()
        gap = await look(meter, base)
        if gap is not None and abs(gap[1]) > slack:
            # Seen at once: a guess is measured by the rows after it.
            statistics.adjust(*gap)
            await settled(self._hass)
            meter, base, present = await place()
            gap = await look(meter, base)
        is_joined = gap is not None and abs(gap[1]) <= slack
        wanted = [*_hours(before if before in present else hours[0], hours[-1])]
        most = inf
        if is_joined:
            also = stale(meter, base, hours[-1], present, slack)
            last = also[-1] if also else hours[-1]
            after = _hours(end, last)
            wanted += [each for each in after if each in also or each not in present]
            # What lies between two readings is a guess, the row that follows is not.
            most = first_sum(present, last + HOUR)
        rows = [
            row
            for hour in wanted
            if (row := _sum_of(meter, base, hour, most)) is not None
            and not _agree(present.get(hour), row, ("sum",), slack)
        ]
        return self._write(statistics, rows) and is_joined

    async def _place(
        self,
        statistics: LongTermStatistics,
        pairs: list[Pair],
        hours: list[datetime],
        slack: float,
        shown: float | None,
    ) -> tuple[Counted, float, Mapping[datetime, StatisticsRow]]:
        """Return the meter, what its count is to be raised by, and the rows there are."""
        before, end = hours[0] - HOUR, hours[-1] + HOUR
        present = await statistics.rows(before - HOUR)
        last_right = present.get(before) or await statistics.newest_before(hours[0])
        if shown is not None and last_right is not None:
            pairs = raised(pairs, last_right, shown, slack)
        meanwhile = {hour: row for hour, row in present.items() if hour < end}
        pairs = await self._hass.async_add_executor_job(
            with_rows, pairs, meanwhile, slack
        )
        return *placed(pairs, hours[0], last_right, slack), present

    async def _gap(
        self,
        statistics: LongTermStatistics,
        meter: Counted,
        base: float,
        *,
        since: datetime,
        end: datetime,
        slack: float,
    ) -> tuple[datetime, float] | None:
        """Return from when on the live sums lack how much to go on from the imported ones.

        They do where the recorder has forgotten the sensor's last sum, as it does
        after some silent days, and began anew. They go on from the newest of five
        minutes, be it from before `end`, unless a later one is to be waited for:
        `since` is when those begin that count. None where nothing tells, or not yet.
        """
        live = await statistics.rows(since, period="5minute")
        is_live = bool(live) or since > end
        if not is_live:
            newest = await statistics.newest_live()
            if newest is None:
                return None
            live = {dt_util.utc_from_timestamp(newest["start"]): newest}
        for start, row in live.items():
            counted = counted_at(meter, row, start + FIVE_MINUTES, slack)
            if counted is not None:
                return start, base + counted - (row["sum"] or 0.0)
        return None if is_live else (end, 0.0)

    def _write(self, statistics: LongTermStatistics, rows: list[StatisticData]) -> bool:
        """Hand over the rows; True where there are none."""
        if rows:
            _LOGGER.debug("%d past hours of %s", len(rows), statistics.statistic_id)
            self.written += len(rows)
            statistics.write(rows)
        return not rows


def _sum_of(
    meter: Counted, base: float, hour: datetime, most: float
) -> StatisticData | None:
    """Return the row of an hour, with a sum of `most` at the most; None before all readings."""
    found = meter.at(hour + HOUR)
    if found is None:
        return None
    shown, counted = found
    above = max(0.0, base + counted - most)
    return StatisticData(start=hour, state=shown - above, sum=base + counted - above)


def _agree(
    present: StatisticsRow | None,
    row: StatisticData,
    columns: tuple[str, ...],
    slack: float,
) -> bool:
    """Whether the recorder's row says the same as ours."""
    if present is None:
        return False
    mine, theirs = dict(row), dict(present)
    for column in columns:
        have, want = theirs.get(column), mine[column]
        if not isinstance(have, float) or not isinstance(want, float):
            return False
        if abs(have - want) > slack:
            return False
    return True


def _hours(first: datetime, last: datetime) -> Iterator[datetime]:
    while first <= last:
        yield first
        first += HOUR
