"""A backlog becomes long-term statistics: hours that were missed get the rows they deserve.

What waits for import is in the store until the recorder was seen to have it,
so that a restart at any moment loses none of it. Every pass computes from the
readings what the rows should be and writes only those that differ: doing it
twice does no harm.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
import logging
from typing import Final

from homeassistant.components.recorder import is_entity_recorded
from homeassistant.components.sensor import SensorStateClass
from homeassistant.const import EVENT_RECORDER_5MIN_STATISTICS_GENERATED, Platform
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util

from .commit import Committer
from .const import DOMAIN
from .derivation import KEY_ENERGY
from .intake import Intake
from .ledger import Ledger
from .longterm import LongTermStatistics, compiled_until, open_statistics, settled
from .meter import MeterPoint, energy_curve
from .model import Point
from .providers.base import EvStreamsSensorDescription, Provider
from .rows import RowImport
from .series import Pair
from .store import Store

_LOGGER = logging.getLogger(__name__)

# The recorder tells of its rows a moment before they are committed.
SETTLE: Final = 2.0
# An hour is finished once the recorder is that far beyond it and it is still right.
SEEN_AFTER: Final = timedelta(hours=2)
GIVE_UP_AFTER: Final = timedelta(days=7)
# A session's counter needs the register from which it went on, and a row may show what
# was left of a session before. What of it is not kept any more is done without.
LOOK_BACK: Final = timedelta(days=1)


def summed(description: EvStreamsSensorDescription) -> bool:
    """Whether the sensor is a meter, whose rows are sums."""
    return description.state_class is SensorStateClass.TOTAL_INCREASING


def history_keys(provider: Provider) -> set[str]:
    """Return the readings whose past hours have rows; the energy is made of others.

    What changes with every message is measured here, and never late.
    """
    keys = {
        each.key
        for each in provider.sensors
        if each.state_class is not None and each.period is None
    }
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
        *,
        ledger: Ledger,
        intake: Intake,
        committer: Committer,
        store: Store,
    ) -> None:
        """Import nothing before `run`."""
        self.importing = asyncio.Lock()
        self.hass = hass
        self._provider = provider
        self._ledger = ledger
        self._intake = intake
        self._committer = committer
        self._store = store
        self._due = asyncio.Event()
        self._right: dict[str, _Look] = {}
        self._began: dict[str, datetime] = {}
        self._failures: set[type[Exception]] = set()
        self._rows = RowImport(hass)
        # What waits from before a restart came before this at any rate.
        self._made_at = dt_util.utcnow()

    @property
    def rows_written(self) -> int:
        """How many rows the recorder was given."""
        return self._rows.written

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
        # What was written before, be it before a reload, is read below.
        await settled(self.hass)
        async with self.importing:
            # What comes in from here on is not in what is computed below.
            seen = Counter(self._intake.late_readings)
            if not await self._committer.flush():
                return
            until = await compiled_until(self.hass)
            if until is None:
                return
            waiting: dict[str, set[datetime]] = defaultdict(set)
            for device_id, hour in self._intake.late_hours:
                waiting[device_id].add(hour)
            for device_id, hours in waiting.items():
                look = _Look(frozenset(hours), until, seen[device_id])
                with self._failing_alone():
                    await self._look_at(device_id, look)

    @callback
    def _compiled(self, _event: Event) -> None:
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
            finished = [each for each in compiled if each + SEEN_AFTER <= look.until]
        elif began + GIVE_UP_AFTER <= look.until:
            _LOGGER.warning("%d past hours of a device are given up", len(compiled))
            finished = compiled
        else:
            return
        self._began.pop(device_id, None)
        await self._finish({(device_id, hour) for hour in finished})
        self._right[device_id] = look

    async def _finish(self, hours: set[tuple[str, datetime]]) -> None:
        """Forget hours; a reading that comes meanwhile lets its hour wait anew."""
        self._intake.late_hours -= hours
        try:
            await self._store.forget_hours(hours)
        except BaseException:
            self._intake.late_hours |= hours
            raise

    @contextmanager
    def _failing_alone(self) -> Iterator[None]:
        """Let no device and no sensor pay for another; each kind of failure is logged once."""
        try:
            yield
        except Exception as err:
            if type(err) not in self._failures:
                self._failures.add(type(err))
                _LOGGER.exception("Past hours of a device cannot be imported")

    async def _import(self, device_id: str, hours: list[datetime]) -> bool:
        """Write the rows that are missing or wrong; True where there was nothing to do."""
        points = await self._store.points(device_id, hours[0] - LOOK_BACK)
        is_right = True
        for description in self._provider.sensors:
            if description.state_class is None:
                continue
            is_sensor_right = False
            with self._failing_alone():
                is_sensor_right = await self._import_sensor(
                    device_id, description, points, hours
                )
            is_right &= is_sensor_right
        return is_right

    async def _import_sensor(
        self,
        device_id: str,
        description: EvStreamsSensorDescription,
        points: Mapping[str, Sequence[Point]],
        hours: list[datetime],
    ) -> bool:
        """Do that for one sensor."""
        statistics = await self.statistics(device_id, description)
        if statistics is None:
            return True
        convert = statistics.converter(description.native_unit_of_measurement)
        if convert is None:
            return True
        # There may be a great many of them.
        pairs = await self.hass.async_add_executor_job(
            self._pairs, description.key, points, convert
        )
        if not pairs:
            return True
        scale = abs(convert(1.0) - convert(0.0))
        if not summed(description):
            return await self._rows.means(statistics, pairs, hours, scale)
        shown = None
        if description.key == KEY_ENERGY:
            held = self._ledger.reading(device_id, KEY_ENERGY)
            if held is not None and isinstance(held.value, float):
                shown = convert(held.value)
        heard = None
        if description.key not in self._provider.meter_keys:
            heard = self._intake.heard_late_at.get(device_id, self._made_at)
        return await self._rows.sums(
            statistics, pairs, hours, scale, shown=shown, heard=heard
        )

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
