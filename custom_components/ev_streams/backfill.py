"""Past hours from the provider's own hourly figures, where it keeps such."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from homeassistant.components.recorder.models import StatisticData
from homeassistant.components.recorder.statistics import StatisticsRow
from homeassistant.helpers.recorder import get_instance

from .history import History
from .longterm import LongTermStatistics, compiled_until
from .providers.base import Account, EvStreamsSensorDescription, Provider
from .series import HOUR

# About what vendors answer at once.
CHUNK: Final = timedelta(days=28)
TOLERANCE: Final = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class _Anchor:
    """What the rows go on from: the sum, and what the meter showed if that is known.

    `missing` is what no sum there is has ever counted, as it flowed before the
    first row of all.
    """

    total: float
    shown: float | None
    missing: float = 0.0


async def hourly_figures(
    account: Account,
    device_id: str,
    start: datetime,
    end: datetime,
    progress: Callable[[float], None],
) -> dict[datetime, float]:
    """Ask for the kWh of each hour, telling the share that is done; raises StreamError."""
    figures: dict[datetime, float] = {}
    begin = start
    while begin < end:
        chunk = min(end, begin + CHUNK)
        figures |= await account.hourly_energy(device_id, begin, chunk)
        begin = chunk
        progress((begin - start) / (end - start))
    return {hour: kwh for hour, kwh in figures.items() if start <= hour < end}


async def import_figures(
    history: History,
    provider: Provider,
    device_id: str,
    figures: Mapping[datetime, float],
) -> int:
    """Write hourly kWh into the rows of the device's meters; returns how many hours got one."""
    written: set[datetime] = set()
    async with history.importing:
        until = await compiled_until(history.hass)
        known = {hour: kwh for hour, kwh in figures.items() if until and hour < until}
        for description in provider.sensors:
            if description.key in provider.meter_keys and known:
                written |= await _import(history, device_id, description, known)
        # Whoever asks next must find these rows, not add to what they replace.
        await get_instance(history.hass).async_block_till_done()
    return len(written)


async def _import(
    history: History,
    device_id: str,
    description: EvStreamsSensorDescription,
    figures: Mapping[datetime, float],
) -> set[datetime]:
    statistics = await history.statistics(device_id, description)
    if statistics is None:
        return set()
    convert = statistics.converter(description.native_unit_of_measurement)
    if convert is None:
        return set()
    own = {hour: convert(kwh) for hour, kwh in figures.items()}
    first, end = min(own), max(own) + HOUR
    present = await statistics.rows(first)
    inside = {hour: row for hour, row in present.items() if hour < end}
    after = [(hour, row) for hour, row in present.items() if hour >= end]
    before = await statistics.newest_before(first)
    anchor = _anchor(before, present, own)
    rows = _chain(anchor, inside, own)
    statistics.write(rows)
    if after:
        _join(statistics, anchor, rows, *after[0])
    return set(own)


def _anchor(
    before: StatisticsRow | None,
    present: Mapping[datetime, StatisticsRow],
    own: Mapping[datetime, float],
) -> _Anchor:
    """Return what to begin from: the row before, or else nothing at all.

    The recorder counts a sensor from 0, and takes the first sum of all for what
    flowed in that hour. So what flowed before the first row there is begins at 0
    as well, and is missing from every row after.
    """
    if before is not None:
        return _Anchor(total=before["sum"] or 0.0, shown=before.get("state"))
    if not present:
        return _Anchor(total=0.0, shown=None)
    first, row = next(iter(present.items()))
    earlier = sum(kwh for hour, kwh in own.items() if hour < first)
    state = row.get("state")
    shown = None if state is None else state - (row.get("sum") or 0.0) - earlier
    return _Anchor(total=0.0, shown=shown, missing=earlier)


def _chain(
    anchor: _Anchor,
    inside: Mapping[datetime, StatisticsRow],
    own: Mapping[datetime, float],
) -> list[StatisticData]:
    """Add up the provider's figures; an hour without one keeps its sum, unless that is less."""
    rows: list[StatisticData] = []
    total = anchor.total
    for hour in sorted(own.keys() | inside.keys()):
        row = inside.get(hour)
        if hour in own:
            total += own[hour]
        elif row is not None:
            total = max(total, (row.get("sum") or 0.0) + anchor.missing)
        written = StatisticData(start=hour, sum=total)
        if anchor.shown is not None:
            written["state"] = anchor.shown + total - anchor.total
        rows.append(written)
    return rows


def _join(
    statistics: LongTermStatistics,
    anchor: _Anchor,
    rows: list[StatisticData],
    hour: datetime,
    after: StatisticsRow,
) -> None:
    """Keep the hour after from falling: what was never counted is added to all that follows.

    Else the sums after stay what they are, for the meter itself told them: what
    is written into the past is taken from the hour in which it was lumped.
    """
    short = (rows[-1].get("sum") or 0.0) - (after.get("sum") or 0.0)
    missing = max(anchor.missing, short)
    if missing > TOLERANCE:
        statistics.adjust(hour, missing)
