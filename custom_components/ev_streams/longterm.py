"""The recorder's long-term statistics of one sensor: read, written and adjusted in its own unit.

The recorder keeps a unit of its own for each sensor, which may be another than
the sensor's, as the user chose. Writing in any other would change the meaning
of all its rows.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Literal

from homeassistant.components.recorder.db_schema import (
    StatisticsRuns,
    StatisticsShortTerm,
)
from homeassistant.components.recorder.models import (
    StatisticData,
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.components.recorder.statistics import (
    STATISTIC_UNIT_TO_UNIT_CONVERTER,
    StatisticsRow,
    async_import_statistics,
    get_last_short_term_statistics,
    get_metadata,
    statistics_during_period,
)
from homeassistant.components.recorder.tasks import SynchronizeTask
from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import get_instance, session_scope
from homeassistant.util import dt as dt_util
from sqlalchemy import func, select

from .series import hour_of

SOURCE = "recorder"
FIVE_MINUTES = timedelta(minutes=5)
# How far to look back for a sensor's last row, step by step: most have one of just now.
LOOK_BACK = (timedelta(days=1), timedelta(days=14), timedelta(days=4000))

type Period = Literal["5minute", "hour"]


async def compiled_until(hass: HomeAssistant) -> datetime | None:
    """Return the hour (aware UTC) before which the recorder has compiled every row.

    A row written into an hour that it has not compiled makes it lose the rows
    of all sensors for that hour.
    """
    return await get_instance(hass).async_add_executor_job(_compiled_until, hass)


async def settled(hass: HomeAssistant) -> None:
    """Wait until the recorder has done and committed all that it was asked for so far.

    The recorder's own function for that returns at once while the last of it is
    still being done.
    """
    done: asyncio.Future[None] = hass.loop.create_future()
    get_instance(hass).queue_task(SynchronizeTask(done))
    await done


class LongTermStatistics:
    """The hourly rows of one sensor; values come and go in `unit`, the recorder's for it."""

    def __init__(
        self, hass: HomeAssistant, statistic_id: str, metadata: StatisticMetaData
    ) -> None:
        """See `open_statistics`."""
        self.statistic_id = statistic_id
        self.unit = metadata["unit_of_measurement"]
        self._hass = hass
        self._metadata = metadata

    def converter(self, native_unit: str | None) -> Callable[[float], float] | None:
        """Return how a value of the unit is written here; None where it cannot be."""
        if native_unit == self.unit:
            return float
        convert = STATISTIC_UNIT_TO_UNIT_CONVERTER.get(self.unit)
        if convert is None or native_unit not in convert.VALID_UNITS:
            return None
        return convert.converter_factory(native_unit, self.unit)

    async def rows(
        self, start: datetime, end: datetime | None = None, period: Period = "hour"
    ) -> dict[datetime, StatisticsRow]:
        """Return the rows that begin from `start` on and before `end`, by their beginning."""
        rows = await get_instance(self._hass).async_add_executor_job(
            self._rows, start, end, period
        )
        return {dt_util.utc_from_timestamp(row["start"]): row for row in rows}

    async def newest_before(self, time: datetime) -> StatisticsRow | None:
        """Return the newest hourly row with a sum that begins before the time."""
        for span in LOOK_BACK:
            rows = (await self.rows(time - span, time)).values()
            summed = [row for row in rows if row.get("sum") is not None]
            if summed:
                return summed[-1]
        return None

    async def newest_live(self) -> StatisticsRow | None:
        """Return the newest row of five minutes: from its sum the recorder goes on."""
        rows = await get_instance(self._hass).async_add_executor_job(
            get_last_short_term_statistics,
            self._hass,
            1,
            self.statistic_id,
            False,
            {"state", "sum"},
        )
        return next(iter(rows.get(self.statistic_id, ())), None)

    async def write_live(self, row: StatisticData) -> None:
        """Let the recorder have a row of five minutes, to go on from its sum.

        It keeps it over a restart as any other. There is no public function for
        that; this is what those for hourly rows call.
        """
        # A sensor without any row is known to the recorder once the first are written.
        await settled(self._hass)
        get_instance(self._hass).async_import_statistics(
            self._metadata, [row], StatisticsShortTerm
        )

    def write(self, rows: Iterable[StatisticData]) -> None:
        """Let the recorder insert the rows, or put them in the place of those it has."""
        async_import_statistics(self._hass, self._metadata, rows)

    def adjust(self, start: datetime, difference: float) -> None:
        """Let the recorder add the difference to every sum from `start` on."""
        get_instance(self._hass).async_adjust_statistics(
            self.statistic_id, start, difference, self.unit or ""
        )

    def _rows(
        self, start: datetime, end: datetime | None, period: Period
    ) -> list[StatisticsRow]:
        units: dict[str, str] = {}
        if self._metadata["unit_class"] and self.unit:
            units[self._metadata["unit_class"]] = self.unit
        types: set[Any] = {"state", "sum", "mean", "min", "max"}
        return statistics_during_period(
            self._hass, start, end, {self.statistic_id}, period, units, types
        ).get(self.statistic_id, [])


async def open_statistics(
    hass: HomeAssistant, statistic_id: str, native_unit: str | None, *, has_sum: bool
) -> LongTermStatistics:
    """Return the rows of a sensor; one that has none yet gets them in its native unit."""
    found = await get_instance(hass).async_add_executor_job(
        lambda: get_metadata(hass, statistic_ids={statistic_id})
    )
    unit_class, unit = _unit_class(native_unit), native_unit
    if statistic_id in found:
        known = found[statistic_id][1]
        unit_class, unit = known["unit_class"], known["unit_of_measurement"]
    return LongTermStatistics(
        hass,
        statistic_id,
        StatisticMetaData(
            mean_type=StatisticMeanType.NONE
            if has_sum
            else StatisticMeanType.ARITHMETIC,
            has_sum=has_sum,
            name=None,
            source=SOURCE,
            statistic_id=statistic_id,
            unit_class=unit_class,
            unit_of_measurement=unit,
        ),
    )


def _unit_class(unit: str | None) -> str | None:
    converter = STATISTIC_UNIT_TO_UNIT_CONVERTER.get(unit)
    return None if converter is None else converter.UNIT_CLASS


def _compiled_until(hass: HomeAssistant) -> datetime | None:
    with session_scope(hass=hass, read_only=True) as session:
        newest: datetime | None = session.execute(
            # A clock that was wrong once may have left runs of the future.
            select(func.max(StatisticsRuns.start)).where(
                StatisticsRuns.start <= dt_util.utcnow()
            )
        ).scalar()
    if newest is None:
        return None
    end = newest.replace(tzinfo=dt_util.UTC) + FIVE_MINUTES
    return hour_of(min(end, dt_util.utcnow()))
