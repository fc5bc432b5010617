"""A backlog becomes long-term statistics: hours that were missed get the rows they deserve.

What waits for import is in the store until the recorder was seen to have it,
so that a restart at any moment loses none of it. Every pass computes from the
readings what the rows should be and writes only those that differ: doing it
twice does no harm.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
import logging
from typing import Final

from homeassistant.components.recorder import is_entity_recorded
from homeassistant.components.recorder.models import StatisticData
from homeassistant.components.recorder.statistics import StatisticsRow
from homeassistant.components.sensor import SensorStateClass
from homeassistant.const import EVENT_RECORDER_5MIN_STATISTICS_GENERATED, Platform
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

from .commit import Committer
from .const import DOMAIN
from .derivation import KEY_ENERGY
from .intake import Intake
from .longterm import LongTermStatistics, compiled_until, open_statistics
from .meter import MeterPoint, energy_curve
from .model import Point
from .providers.base import EvStreamsSensorDescription, Provider
from .series import HOUR, Counted, Held, Pair
from .store import Store
from .sums import counted_at, placed, with_rows

_LOGGER = logging.getLogger(__name__)

# The recorder tells of its rows a moment before they are committed.
SETTLE: Final = 2.0
# What a row may differ from the readings and still count as right: a sum in the
# sensor's unit, a mean by its share.
SUM_TOLERANCE: Final = 0.001
MEAN_TOLERANCE: Final = 0.01
FIVE_MINUTES: Final = timedelta(minutes=5)
# An hour is finished once the recorder is that far beyond it and it is still right.
SEEN_AFTER: Final = timedelta(hours=2)
GIVE_UP_AFTER: Final = timedelta(days=7)


def summed(description: EvStreamsSensorDescription) -> bool:
    """Whether the sensor is a meter, whose rows are sums."""
    return description.state_class is SensorStateClass.TOTAL_INCREASING


def history_keys(provider: Provider) -> set[str]:
    """Return the readings whose past hours have rows; the energy is made of others."""
    keys = {each.key for each in provider.sensors if each.state_class is not None}
    return keys - {KEY_ENERGY}


@dataclass(frozen=True, slots=True)
class _Look:
    """What there was to import of a device: hours, until when compiled, readings that came late."""

    hours: frozenset[datetime]
    until: datetime
    readings: int


class History:
    """Imports the late hours of an account's devices, those that the intake has noted."""

    def __init__(
        self,
        hass: HomeAssistant,
        provider: Provider,
        intake: Intake,
        committer: Committer,
        store: Store,
    ) -> None:
        """Import nothing before `run`."""
        self.importing = asyncio.Lock()
        self.rows_written = 0
        self.hass = hass
        self._provider = provider
        self._intake = intake
        self._committer = committer
        self._store = store
        self._due = asyncio.Event()
        self._right: dict[str, _Look] = {}
        self._began: dict[str, datetime] = {}
        self._failures: set[type[Exception]] = set()
        self._adjusted: set[str] = set()

    def request(self) -> None:
        """Look at what waits as soon as possible."""
        self._due.set()

    async def run(self) -> None:
        """Import what waits, and whenever the recorder has compiled or somebody asks."""
        self.request()
        stop = self.hass.bus.async_listen(
            EVENT_RECORDER_5MIN_STATISTICS_GENERATED, self._compiled
        )
        try:
            while True:
                await self._due.wait()
                await asyncio.sleep(SETTLE)
                self._due.clear()
                try:
                    await self.import_late_hours()
                except Exception:
                    # The next time may go better; nothing is forgotten until then.
                    _LOGGER.exception("Past hours could not be imported")
        finally:
            stop()

    async def import_late_hours(self) -> None:
        """Import what the recorder is ready for; a device's trouble is its own."""
        if not self._intake.late_hours:
            return
        async with self.importing:
            # What comes in from here on is not in what is computed below.
            seen = Counter(self._intake.late_readings)
            await self._committer.flush()
            until = await compiled_until(self.hass)
            if until is None:
                return
            waiting: dict[str, set[datetime]] = defaultdict(set)
            for device_id, hour in self._intake.late_hours:
                waiting[device_id].add(hour)
            for device_id, hours in waiting.items():
                try:
                    await self._look_at(
                        device_id,
                        _Look(frozenset(hours), until, seen[device_id]),
                    )
                except Exception as err:
                    if type(err) not in self._failures:
                        self._failures.add(type(err))
                        _LOGGER.exception("Past hours of a device cannot be imported")

    @callback
    def _compiled(self, _event: Event) -> None:
        self._adjusted.clear()
        self._due.set()

    async def _look_at(self, device_id: str, look: _Look) -> None:
        """Import a device's hours, and forget those that were seen to be right."""
        compiled = sorted(hour for hour in look.hours if hour < look.until)
        if not compiled or self._right.get(device_id) == look:
            return
        began = self._began.setdefault(device_id, look.until)
        is_right = await self._import(device_id, compiled)
        if look.readings != self._intake.late_readings[device_id]:
            return
        if is_right:
            self._right[device_id] = look
        if (is_right and compiled[-1] + SEEN_AFTER <= look.until) or (
            began + GIVE_UP_AFTER <= look.until
        ):
            finished = {(device_id, hour) for hour in compiled}
            await self._store.forget_hours(finished)
            self._intake.late_hours -= finished
            self._began.pop(device_id, None)

    async def _import(self, device_id: str, hours: list[datetime]) -> bool:
        """Write the rows that are missing or wrong; True where there was nothing to do."""
        points = await self._store.points(device_id, hours[0] - HOUR)
        is_right = True
        for description in self._provider.sensors:
            if description.state_class is None:
                continue
            statistics = await self.statistics(device_id, description)
            if statistics is None:
                continue
            native_unit = description.native_unit_of_measurement
            convert = statistics.converter(native_unit)
            if convert is None:
                continue
            # There may be a great many of them.
            pairs = await self.hass.async_add_executor_job(
                self._pairs, description.key, points, convert
            )
            if not pairs:
                continue
            scale = abs(convert(1.0) - convert(0.0))
            import_rows = (
                self._import_sums if summed(description) else self._import_means
            )
            is_right &= await import_rows(statistics, pairs, hours, scale)
        return is_right

    async def statistics(
        self, device_id: str, description: EvStreamsSensorDescription
    ) -> LongTermStatistics | None:
        """Return the rows of a sensor; None where the recorder keeps none of it."""
        registry = er.async_get(self.hass)
        entity_id = registry.async_get_entity_id(
            Platform.SENSOR, DOMAIN, f"{device_id}_{description.key}"
        )
        entry = None if entity_id is None else registry.async_get(entity_id)
        if (
            entry is None
            or entry.disabled
            or not is_entity_recorded(self.hass, entry.entity_id)
        ):
            return None
        return await open_statistics(
            self.hass,
            entry.entity_id,
            description.native_unit_of_measurement,
            has_sum=summed(description),
        )

    def _pairs(
        self,
        key: str,
        points: Mapping[str, Sequence[Point]],
        convert: Callable[[float], float],
    ) -> list[Pair]:
        """Return a sensor's readings in order of time, in the unit of its statistics."""
        if key != KEY_ENERGY:
            return [
                (each.measured_at, convert(each.value)) for each in points.get(key, ())
            ]
        curve = energy_curve(
            MeterPoint(
                measured_at=each.measured_at, input=meter_input, value=each.value
            )
            for meter_key, meter_input in self._provider.meter_inputs.items()
            for each in points.get(meter_key, ())
        )
        return [(time, convert(energy)) for time, energy in curve]

    async def _import_means(
        self,
        statistics: LongTermStatistics,
        pairs: list[Pair],
        hours: list[datetime],
        scale: float,
    ) -> bool:
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

    async def _import_sums(
        self,
        statistics: LongTermStatistics,
        pairs: list[Pair],
        hours: list[datetime],
        scale: float,
    ) -> bool:
        """Write the sums of all hours from the first to the last, and of the one before.

        That one ends where the first begins: its live row holds what the sensor
        showed at that moment, which may lag behind the readings.
        """
        slack = SUM_TOLERANCE * scale
        before = hours[0] - HOUR
        present = await statistics.rows(before, hours[-1] + HOUR)
        last_right = present.get(before) or await statistics.newest_before(hours[0])
        pairs = await self.hass.async_add_executor_job(with_rows, pairs, present, slack)
        meter, base = placed(pairs, hours[0], last_right, slack)
        rows: list[StatisticData] = []
        for hour in _hours(before, hours[-1]):
            found = meter.at(hour + HOUR)
            if found is None or (hour == before and hour not in present):
                continue
            shown, counted = found
            row = StatisticData(start=hour, state=shown, sum=base + counted)
            if not _agree(present.get(hour), row, ("sum",), slack):
                rows.append(row)
        is_joined = await self._join(statistics, meter, base, hours[-1] + HOUR, slack)
        return self._write(statistics, rows) and is_joined

    async def _join(
        self,
        statistics: LongTermStatistics,
        meter: Counted,
        base: float,
        time: datetime,
        slack: float,
    ) -> bool:
        """See that the live sums go on from the imported ones; True where they do.

        They do not where the recorder has forgotten the sensor's last sum, as it
        does after some silent days, and began anew.
        """
        if statistics.statistic_id in self._adjusted:
            return False
        for start, row in (await statistics.rows(time, period="5minute")).items():
            counted = counted_at(meter, row, start + FIVE_MINUTES, slack)
            if counted is None:
                continue
            difference = base + counted - (row["sum"] or 0.0)
            if abs(difference) <= slack:
                return True
            # Not twice before the recorder was seen to have done it.
            self._adjusted.add(statistics.statistic_id)
            statistics.adjust(start, difference)
            return False
        return False

    def _write(self, statistics: LongTermStatistics, rows: list[StatisticData]) -> bool:
        """Hand over the rows; True where there are none."""
        if rows:
            _LOGGER.debug("%d past hours of %s", len(rows), statistics.statistic_id)
            self.rows_written += len(rows)
            statistics.write(rows)
        return not rows


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
