"""Past hours from the provider's own hourly figures, where it keeps such."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from homeassistant.components.recorder.models import StatisticData
from homeassistant.components.recorder.statistics import StatisticsRow
from homeassistant.util import dt as dt_util

from .history import History
from .ledger import Ledger
from .longterm import FIVE_MINUTES, LongTermStatistics, compiled_until, settled
from .providers.base import Account, Provider
from .series import HOUR, RESET_BELOW, hour_of

# How much is asked for between two signs of progress; what a vendor gives at once is
# for the account to know.
STEP: Final = timedelta(days=28)
# kWh that a sum may fall short without anybody seeing it.
TOLERANCE: Final = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What there is of a sensor, in the unit of its statistics.

    `before` is the hourly row before the figures, `present` are those from their
    first hour on, `live` is the newest of five minutes, from which the recorder
    goes on. `shown` is what the meter shows now. All before `until` is compiled.
    """

    before: StatisticsRow | None
    present: Mapping[datetime, StatisticsRow]
    live: StatisticsRow | None
    shown: float | None
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Anchor:
    """The sum that the rows go on from.

    `missing` is what no sum there is has ever counted, as it flowed before the
    first row of all.
    """

    total: float
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
        until = min(end, begin + STEP)
        figures |= await account.hourly_energy(device_id, begin, until)
        begin = until
        progress((begin - start) / (end - start))
    return {hour: kwh for hour, kwh in figures.items() if start <= hour < end}


async def is_writable(history: History, provider: Provider, device_id: str) -> bool:
    """Whether the recorder keeps statistics of any of the device's meters."""
    for description in provider.sensors:
        if (
            description.key in provider.meter_keys
            and await history.statistics(device_id, description) is not None
        ):
            return True
    return False


async def import_figures(
    history: History,
    ledger: Ledger,
    provider: Provider,
    device_id: str,
    figures: Mapping[datetime, float],
) -> int:
    """Write hourly kWh into the rows of the device's meters; returns how many hours got one."""
    written: set[datetime] = set()
    async with history.importing:
        until = await compiled_until(history.hass)
        past = {hour: kwh for hour, kwh in figures.items() if until and hour < until}
        for description in provider.sensors:
            if description.key not in provider.meter_keys or not past or not until:
                continue
            statistics = await history.statistics(device_id, description)
            if statistics is None:
                continue
            convert = statistics.converter(description.native_unit_of_measurement)
            if convert is None:
                continue
            own = {hour: convert(kwh) for hour, kwh in past.items()}
            reading = ledger.reading(device_id, description.key)
            shown = None if reading is None else reading.value
            known = _Known(
                before=await statistics.newest_before(min(own)),
                present=await statistics.rows(min(own)),
                live=await statistics.newest_live(),
                shown=convert(shown) if isinstance(shown, int | float) else None,
                until=until,
            )
            await _import(statistics, own, known, convert(TOLERANCE))
            written |= own.keys()
        # Whoever asks next must find these rows, not add to what they replace.
        await settled(history.hass)
    return len(written)


async def _import(
    statistics: LongTermStatistics,
    own: Mapping[datetime, float],
    known: _Known,
    slack: float,
) -> None:
    end = max(own) + HOUR
    anchor = _anchor(known, own)
    rows = _chain(known, anchor, own, end)
    statistics.write(rows)
    after = [(hour, row) for hour, row in known.present.items() if hour >= end]
    follows = after[0][0] if after else end
    missing = max(anchor.missing, _shortage(known, rows[-1], after))
    if missing > slack:
        statistics.adjust(follows, missing)
    else:
        missing = 0.0
    if known.live is None:
        await statistics.write_live(_new_live(known, rows[-1], after, missing))
    elif missing and _start(known.live) < follows:
        # The recorder goes on from it, and it was not raised with what follows.
        await statistics.write_live(_raised(known.live, missing))


def _anchor(known: _Known, own: Mapping[datetime, float]) -> _Anchor:
    """Return what to begin from: the row before, or else nothing at all.

    The recorder counts a sensor from 0, and takes the first sum of all for what
    flowed in that hour. So what flowed before the first row there is begins at 0
    as well, and is missing from every row after, the live ones included.
    """
    if known.before is not None:
        return _Anchor(total=known.before["sum"] or 0.0)
    counted_from = next(iter(known.present), None)
    if counted_from is None and known.live is not None:
        counted_from = hour_of(_start(known.live))
    missing = sum(
        energy
        for hour, energy in own.items()
        if counted_from is None or hour < counted_from
    )
    return _Anchor(total=0.0, missing=missing)


def _chain(
    known: _Known, anchor: _Anchor, own: Mapping[datetime, float], end: datetime
) -> list[StatisticData]:
    """Add up the provider's figures; an hour without one keeps its sum, unless that is less."""
    inside = {hour: row for hour, row in known.present.items() if hour < end}
    rows: list[StatisticData] = []
    total = anchor.total
    for hour in sorted(own.keys() | inside.keys()):
        row = inside.get(hour)
        if hour in own:
            total += own[hour]
        elif row is not None:
            total = max(total, (row.get("sum") or 0.0) + anchor.missing)
        rows.append(StatisticData(start=hour, sum=total))
    shown = _shown_at(known, anchor, rows)
    if shown is not None:
        most = _shown_after(known, end)
        for written in rows:
            state = shown + (written.get("sum") or 0.0) - anchor.total
            if most is not None and most >= RESET_BELOW * state:
                state = min(state, most)
            written["state"] = state
    return rows


def _shown_after(known: _Known, end: datetime) -> float | None:
    """Return what the meter showed next: figures are rounded, it had not shown more before."""
    for row in (*known.present.values(), known.live):
        if row is not None and _start(row) >= end:
            state = row.get("state")
            if state is not None:
                return state
    return known.shown


def _shown_at(
    known: _Known, anchor: _Anchor, rows: Sequence[StatisticData]
) -> float | None:
    """Return what the meter showed at the anchor, from whatever tells it.

    A row without a state is one that nothing can go on from. What a row shows within
    the period is counted back by the new sums, for the old ones began elsewhere.
    """
    if known.before is not None and (state := known.before.get("state")) is not None:
        return state
    totals = {row["start"]: row.get("sum") or 0.0 for row in rows}
    for hour, inside in reversed(list(known.present.items())):
        if hour in totals and (state := inside.get("state")) is not None:
            counted: float = totals[hour]
            return state - (counted - anchor.total)
    for row in (*known.present.values(), known.live):
        if row is not None and (state := row.get("state")) is not None:
            before = (row.get("sum") or 0.0) + anchor.missing
            return state - max(0.0, before - anchor.total)
    if known.shown is None:
        return None
    return known.shown - ((rows[-1].get("sum") or 0.0) - anchor.total)


def _shortage(
    known: _Known,
    last: StatisticData,
    after: Sequence[tuple[datetime, StatisticsRow]],
) -> float:
    """Return by how much what follows would fall: that is added to all of it.

    Else the sums after stay what they are, for the meter itself told them: what
    is written into the past is taken from the hour in which it was lumped.
    """
    total, state = last.get("sum") or 0.0, last.get("state")
    if after:
        return total - (after[0][1].get("sum") or 0.0)
    if known.live is None:
        return 0.0
    to_come = 0.0
    if state is not None and known.shown is not None:
        # The figures are rounded: the meter has not counted more than it shows.
        live_state = known.live.get("state") or 0.0
        to_come = max(0.0, min(state, known.shown) - live_state)
    return total - (known.live.get("sum") or 0.0) - to_come


def _new_live(
    known: _Known,
    last: StatisticData,
    after: Sequence[tuple[datetime, StatisticsRow]],
    missing: float,
) -> StatisticData:
    """Return what the recorder is to go on from where it would begin at 0."""
    state, total = last.get("state"), last.get("sum") or 0.0
    if after:
        newest = after[-1][1]
        state, total = newest.get("state"), (newest.get("sum") or 0.0) + missing
    if state is not None and known.shown is not None:
        total += max(0.0, known.shown - state)
    # These five minutes are over, the recorder writes none of them again.
    row = StatisticData(start=known.until - FIVE_MINUTES, sum=total)
    if (shown := state if known.shown is None else known.shown) is not None:
        row["state"] = shown
    return row


def _raised(live: StatisticsRow, missing: float) -> StatisticData:
    row = StatisticData(start=_start(live), sum=(live.get("sum") or 0.0) + missing)
    if (state := live.get("state")) is not None:
        row["state"] = state
    return row


def _start(row: StatisticsRow) -> datetime:
    return dt_util.utc_from_timestamp(row["start"])
