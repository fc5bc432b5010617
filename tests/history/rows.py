"""Long-term statistics as the recorder's own functions give and take them."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any, Literal

from homeassistant.components.recorder import Recorder
from homeassistant.components.recorder.db_schema import StatisticsRuns
from homeassistant.components.recorder.models import StatisticData, StatisticMeanType
from homeassistant.components.recorder.statistics import (
    async_import_statistics,
    statistics_during_period,
)
from homeassistant.components.recorder.tasks import RecorderTask
from homeassistant.const import EVENT_RECORDER_5MIN_STATISTICS_GENERATED
from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import get_instance, session_scope
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
    do_adhoc_statistics,
)

HOUR = timedelta(hours=1)
FIVE_MINUTES = timedelta(minutes=5)
PATIENCE = 30.0

type Rows = dict[datetime, Mapping[str, Any]]


def this_hour() -> datetime:
    """Return the beginning of the hour that runs."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


async def rows(
    hass: HomeAssistant,
    statistic_id: str,
    start: datetime,
    period: Literal["5minute", "hour"] = "hour",
) -> Rows:
    """Return the rows of a sensor from `start` on by their beginning, in its own unit."""
    await async_wait_recording_done(hass)
    found = await get_instance(hass).async_add_executor_job(
        lambda: statistics_during_period(
            hass,
            start,
            None,
            {statistic_id},
            period,
            None,
            {"state", "sum", "mean", "min", "max"},
        )
    )
    return {
        datetime.fromtimestamp(row["start"], UTC): row
        for row in found.get(statistic_id, [])
    }


async def seed_sums(
    hass: HomeAssistant,
    statistic_id: str,
    sums: Iterable[tuple[datetime, float, float]],
    unit: str = "kWh",
) -> None:
    """Let the recorder have rows of a meter: (hour, state, sum)."""
    async_import_statistics(
        hass,
        {
            "mean_type": StatisticMeanType.NONE,
            "has_sum": True,
            "name": None,
            "source": "recorder",
            "statistic_id": statistic_id,
            "unit_class": "energy",
            "unit_of_measurement": unit,
        },
        [
            StatisticData(start=hour, state=state, sum=total)
            for hour, state, total in sums
        ],
    )
    await async_wait_recording_done(hass)


async def seed_means(
    hass: HomeAssistant,
    statistic_id: str,
    unit: str,
    unit_class: str | None,
    means: Iterable[tuple[datetime, float]],
) -> None:
    """Let the recorder have flat rows of a measurement: (hour, value)."""
    async_import_statistics(
        hass,
        {
            "mean_type": StatisticMeanType.ARITHMETIC,
            "has_sum": False,
            "name": None,
            "source": "recorder",
            "statistic_id": statistic_id,
            "unit_class": unit_class,
            "unit_of_measurement": unit,
        },
        [
            StatisticData(start=hour, mean=value, min=value, max=value)
            for hour, value in means
        ],
    )
    await async_wait_recording_done(hass)


async def compile_statistics(hass: HomeAssistant, *, ahead: int = 0) -> None:
    """Let the recorder compile the five minutes that run, or later ones, and tell of it.

    Rows of five minutes are otherwise compiled once they are over: nobody waits here.
    """
    await async_wait_recording_done(hass)
    now = datetime.now(UTC)
    period = now.replace(minute=now.minute // 5 * 5, second=0, microsecond=0)
    do_adhoc_statistics(hass, start=period + ahead * FIVE_MINUTES)
    await async_wait_recording_done(hass)
    hass.bus.async_fire(EVENT_RECORDER_5MIN_STATISTICS_GENERATED)
    await hass.async_block_till_done()


async def wait_for_rows(
    hass: HomeAssistant, statistic_id: str, start: datetime, hours: Iterable[datetime]
) -> Rows:
    """Wait until the sensor has rows for all the hours."""
    wanted = set(hours)
    found: Rows = {}
    try:
        async with asyncio.timeout(PATIENCE):
            while not wanted <= found.keys():
                await asyncio.sleep(0.1)
                found = await rows(hass, statistic_id, start)
    except TimeoutError:
        missing = sorted(wanted - found.keys())
        raise AssertionError(f"{statistic_id} lacks rows of {missing}") from None
    return found


async def wait_for_sums(
    hass: HomeAssistant, statistic_id: str, expected: Mapping[datetime, float]
) -> None:
    """Wait until the rows of the hours have the sums, to a hundredth."""
    start = min(expected)
    found: dict[datetime, float | None] = {}
    try:
        async with asyncio.timeout(PATIENCE):
            while found != {h: pytest.approx(s, abs=0.01) for h, s in expected.items()}:
                await asyncio.sleep(0.1)
                present = await rows(hass, statistic_id, start)
                found = {h: present[h]["sum"] for h in expected if h in present}
    except TimeoutError:
        raise AssertionError(f"{statistic_id}: {found}, not {expected}") from None


async def tell_compiled(hass: HomeAssistant, until: datetime) -> None:
    """Let the hours before count as compiled, without a row by the recorder's own hand."""
    await async_wait_recording_done(hass)
    await forget_runs(hass, until - FIVE_MINUTES)
    hass.bus.async_fire(EVENT_RECORDER_5MIN_STATISTICS_GENERATED)
    await hass.async_block_till_done()


async def forget_runs(hass: HomeAssistant, *runs: datetime) -> None:
    """Let the recorder have compiled nothing, but for the runs named."""

    def forget() -> None:
        with session_scope(hass=hass) as session:
            session.query(StatisticsRuns).delete()
            session.add_all(StatisticsRuns(start=start) for start in runs)

    await get_instance(hass).async_add_executor_job(forget)


@dataclass
class BusyTask(RecorderTask):
    """Keeps the recorder busy until it is free, once it has begun; not for ever."""

    is_free: Event
    has_begun: Event

    def run(self, instance: Recorder) -> None:
        """Do nothing else."""
        self.has_begun.set()
        self.is_free.wait(PATIENCE)
