"""A charger whose true energy is known at every moment, and how it tells it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

from hypothesis import strategies as st
import pytest

from custom_components.ev_streams.meter import Energy, Meter, MeterInput, MeterPoint

MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
# What is promised for a full hour, and what a watt-hour of rounding may add.
PROMISE = 0.01
ROUNDING = 0.001

REGISTER = MeterInput.REGISTER
START = MeterInput.SESSION_START
STOP = MeterInput.SESSION_STOP
COUNTER = MeterInput.COUNTER

seeds = st.integers(0, 2**32).map(Random)


def at(seconds: float) -> datetime:
    return MIDNIGHT + timedelta(seconds=seconds)


def point(seconds: float, kind: MeterInput, value: float) -> MeterPoint:
    return MeterPoint(measured_at=at(seconds), input=kind, value=value)


def about(seconds: float, energy: float, within: float = 1e-6) -> object:
    """What equals a point of a curve at that time whose energy is near enough."""
    return at(seconds), pytest.approx(energy, abs=within)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One session: power (kW) over time (s since midnight), straight between its corners."""

    corners: tuple[tuple[float, float], ...]

    @property
    def start(self) -> float:
        return self.corners[0][0]

    @property
    def stop(self) -> float:
        return self.corners[-1][0]

    def energy(self, moment: float) -> float:
        """The integral of the power up to a moment, in kWh."""
        total = 0.0
        for (t0, p0), (t1, p1) in pairwise(self.corners):
            end = min(max(moment, t0), t1)
            p_end = p0 + (p1 - p0) * (end - t0) / (t1 - t0)
            total += (p0 + p_end) / 2 * (end - t0) / 3600
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Charger:
    """A charger with its meter; it knows the truth and tells it in the ways chargers do."""

    charges: tuple[Charge, ...]
    before: float = 4321.987654

    def energy(self, moment: float) -> float:
        return self.before + sum(each.energy(moment) for each in self.charges)

    def register(self, moment: float, kind: MeterInput = REGISTER) -> MeterPoint:
        return point(moment, kind, round(self.energy(moment), 6))

    def counters(self, random: Random, charge: Charge) -> Iterator[MeterPoint]:
        """Every 5 to 60 s while it charges, then seldom the last value once more."""
        moment = charge.start + random.uniform(5, 60)
        while moment < charge.stop:
            yield point(moment, COUNTER, round(charge.energy(moment), 4))
            moment += random.uniform(5, 60)
        following = [c.start for c in self.charges if c.start > charge.stop]
        for pause in (random.uniform(1, 20), 1000, 5000):
            if charge.stop + pause < min(following, default=90000):
                last = round(charge.energy(charge.stop), 4)
                yield point(charge.stop + pause, COUNTER, last)

    def points(
        self, random: Random, *, without: Iterable[tuple[int, MeterInput]] = ()
    ) -> list[MeterPoint]:
        """A day of readings; `without` names the starts and stops that get lost."""
        registers = [self.register(0), self.register(86400)]
        registers += [
            self.register(random.uniform(hour, hour + 1) * 3600) for hour in range(24)
        ]
        # Yesterday's session: its last value stays until the next one starts.
        points = [point(0, COUNTER, 17.5), *registers]
        lost = set(without)
        for number, charge in enumerate(self.charges):
            counters = list(self.counters(random, charge))
            points += counters
            points += [
                replace(each, value=0.0)
                for each in random.sample(counters, len(counters) // 20)
            ]
            points += [
                self.register(moment, kind)
                for moment, kind in ((charge.start, START), (charge.stop, STOP))
                if (number, kind) not in lost
            ]
        return sorted(points, key=lambda each: each.measured_at)


@st.composite
def chargers(draw: st.DrawFn) -> Charger:
    """Up to five sessions of steady and slowly changing power, pauses of a car among them."""
    charges = []
    moment = draw(st.floats(60, 20000))
    for _ in range(draw(st.integers(1, 5))):
        power = draw(st.floats(1.4, 22))
        corners = [(moment, power)]
        for _ in range(draw(st.integers(1, 4))):
            moment += draw(st.floats(600, 7200))
            power = draw(st.one_of(st.just(power), st.floats(0, 22)))
            corners.append((moment, power))
        charges.append(Charge(corners=tuple(corners)))
        moment += draw(st.floats(120, 8000))
        if moment > 55000:
            break
    return Charger(charges=tuple(charges))


# Four sessions: over several hours, short within one, ramping, and started shortly before 18:00.
DAY = Charger(
    charges=(
        Charge(corners=((29520, 11.0), (38000, 11.0), (39000, 3.5), (42420, 3.5))),
        Charge(corners=((47100, 7.4), (49000, 7.4))),
        Charge(corners=((53000, 0.5), (54000, 22.0), (57000, 22.0), (59300, 1.4))),
        Charge(corners=((64780, 11.0), (75000, 11.0))),
    )
)


def value_at(curve: Sequence[Energy], moment: float) -> float:
    """The curve at a moment, straight between its points."""
    when = at(moment)
    for (t0, e0), (t1, e1) in pairwise(curve):
        if t0 <= when <= t1:
            return e0 + (e1 - e0) * ((when - t0) / (t1 - t0))
    raise AssertionError(f"the curve does not reach {when}")


def errors_at_full_hours(charger: Charger, curve: Sequence[Energy]) -> dict[int, float]:
    return {
        hour: value_at(curve, hour * 3600) - charger.energy(hour * 3600)
        for hour in range(25)
    }


def wrong_hours(charger: Charger, curve: Sequence[Energy]) -> dict[int, float]:
    errors = errors_at_full_hours(charger, curve)
    return {hour: error for hour, error in errors.items() if abs(error) > PROMISE}


def is_monotone(curve: Sequence[Energy]) -> bool:
    return all(t0 < t1 and e0 <= e1 for (t0, e0), (t1, e1) in pairwise(curve))


def told(meter: Meter, points: Iterable[MeterPoint]) -> list[Energy]:
    """All that a meter tells while it takes the points."""
    return [each for each in map(meter.take, points) if each is not None]
