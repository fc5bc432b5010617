"""Energy at full resolution: a register that is seldom told, filled in by a session counter.

The register is the charger's lifetime energy: exact, but told about once an hour
and where a session starts or stops. The counter begins at 0 with each session and is
told every few seconds. Energies are kWh, times are timezone-aware UTC.

A reading that is wrong is told by its neighbours in time: of three that do not agree,
the two that do are believed. The newest reading has no neighbour after it yet, so a
live meter may believe it for a while; it never takes back what it has told.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import inf
from operator import itemgetter

# A point in the curve: when, and the energy in kWh by then.
type Energy = tuple[datetime, float]
type Witnesses = tuple[MeterPoint, ...]

HOUR = timedelta(hours=1)
# No charger delivers more. The slack is for clocks and for readings rounded or bundled.
MOST_POWER = 500.0
SLACK = 1.0
# A session told at no more than this is believed at once, above it with its second reading.
USUAL_POWER = 50.0
# How far the counter's last value may lie from what the register says of the session.
ROUNDING = 0.05
# Far more readings than arrive in the time by which messages overtake each other.
WINDOW = 64


class MeterInput(StrEnum):
    """What a reading of the meter tells."""

    REGISTER = "register"
    SESSION_START = "session_start"
    SESSION_STOP = "session_stop"
    COUNTER = "counter"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterPoint:
    """One reading; `value` is kWh: the session's for a counter, else the register's."""

    measured_at: datetime
    input: MeterInput
    value: float


# At one moment a counter still belongs to the session that ends, as a new one has only
# a 0 to tell; the session's own register closes it, and a start is what holds from then on.
ORDER = {
    MeterInput.COUNTER: 0,
    MeterInput.SESSION_STOP: 1,
    MeterInput.REGISTER: 2,
    MeterInput.SESSION_START: 3,
}


def energy_curve(points: Iterable[MeterPoint]) -> list[Energy]:
    """Return (time, kWh) in order of time, never falling; the points may come in any order.

    Between two of them the energy may be interpolated. It begins with the first register,
    or as far before it as the counter of that session reaches.
    """
    fold = _Fold()
    fold.run(_consistent(sorted(filter(_tells_something, set(points)), key=_order)))
    curve: list[Energy] = []
    highest = 0.0
    for at, energy in fold.curve:
        highest = max(highest, energy)
        curve.append((at, highest))
    return curve


def _consistent(points: Sequence[MeterPoint]) -> list[MeterPoint]:
    """Leave out registers that most of the others contradict: a meter never falls.

    Of those told in hours it is the longest run that rises which is believed, so that
    two wrong ones before or after it do not make it flat. In order of time.
    """
    registers = [each for each in points if each.input is not MeterInput.COUNTER]
    # The least value with which a rising run of each length ends, and where.
    ends: list[float] = []
    places: list[int] = []
    before: list[int | None] = []
    value = -inf
    for place, register in enumerate(registers):
        # A little less than the one before is a matter of rounding.
        value = (
            max(value, register.value)
            if _is_about(register, value)
            else (register.value)
        )
        length = bisect_right(ends, value)
        before.append(places[length - 1] if length else None)
        ends[length : length + 1] = [value]
        places[length : length + 1] = [place]
    believed: set[MeterPoint] = set()
    at = places[-1] if places else None
    while at is not None:
        believed.add(registers[at])
        at = before[at]
    return [
        each for each in points if each.input is MeterInput.COUNTER or each in believed
    ]


class Meter:
    """The energy of one device, live.

    The newest points are kept and folded again with each that comes, so that within
    them the order of arrival does not matter; a point older than those is ignored.
    """

    def __init__(self, last: Energy | None = None) -> None:
        """Go on from `last`, the energy told before a restart; without it from nothing."""
        self._told = last
        self._base = _Fold()
        self._base_ends: tuple[datetime, int, float] | None = None
        self._window: list[MeterPoint] = []
        if last is not None:
            at, energy = last
            register = MeterInput.REGISTER
            point = MeterPoint(measured_at=at, input=register, value=energy)
            self._window.append(point)

    def take(self, point: MeterPoint) -> Energy | None:
        """Return the newest (time, kWh) after this point; None if unknown or as before.

        Neither its time nor its energy ever falls below what was told, or `last`.
        """
        place = _order(point)
        if not _tells_something(point) or (
            self._base_ends is not None and place <= self._base_ends
        ):
            return None
        window = self._window
        index = bisect_left(window, place, key=_order)
        if index < len(window) and window[index] == point:
            return None
        window.insert(index, point)
        if len(window) > WINDOW:
            self._base.run(window, WINDOW // 4)
            self._base = replace(self._base, curve=[], early=[])
            self._base_ends = _order(window[WINDOW // 4 - 1])
            del window[: WINDOW // 4]
        fold = replace(self._base, curve=[], early=[])
        fold.run(window)
        return self._tell(fold.energy)

    def _tell(self, energy: Energy | None) -> Energy | None:
        if energy is not None and self._told is not None:
            at, highest = self._told
            energy = (max(energy[0], at), max(energy[1], highest))
        if energy is None or energy == self._told:
            return None
        self._told = energy
        return energy


@dataclass(slots=True)
class _Fold:
    """What the points so far say: a few values that stand for all of them.

    `truth` is the newest register, `support` how many before it agree with it,
    `doubted` one since then that does not.
    `counter` is the session counter's newest value. `final`, once the session has
    stopped, is the value it ends with, and `counter` then the least of its last ones.
    `early` are counters of a session whose register is not known yet.
    """

    energy: Energy | None = None
    truth: Energy | None = None
    support: int = 0
    doubted: Energy | None = None
    counter: Energy | None = None
    energy_at_counter: float | None = None
    final: float | None = None
    curve: list[Energy] = field(default_factory=list)
    early: list[Energy] = field(default_factory=list)

    def run(self, points: Sequence[MeterPoint], count: int | None = None) -> None:
        """Take the first `count` points (all by default); the rest bears witness."""
        for point, after in zip(points[:count], _witnesses(points), strict=False):
            if point.input is MeterInput.COUNTER:
                self._take_counter(point, after)
            elif self._is_believed(point, after[0] if after else None):
                self._take_register(point)
            else:
                self.doubted = (point.measured_at, point.value)

    def _is_believed(self, point: MeterPoint, following: MeterPoint | None) -> bool:
        """Whether a register agrees with its neighbours, or with one against the other."""
        if self.truth is None:
            return True
        this = (point.measured_at, point.value)
        with_last = _agree(self.truth, this)
        if not with_last and self.doubted is not None and _agree(self.doubted, this):
            return True
        if following is None:
            return with_last
        after = (following.measured_at, following.value)
        if _agree(self.truth, after):
            return with_last and _agree(this, after)
        return with_last or _agree(this, after)

    def _take_register(self, point: MeterPoint) -> None:
        this = (point.measured_at, point.value)
        if self.truth is not None and _agree(self.truth, this):
            self._lower_curve(point.value)
            self.support += 1
        elif self.truth is not None:
            # Outvoted. A single register that was wrong takes all with it that
            # followed from it; several have earned to stay.
            if self.support == 0:
                self.curve.clear()
            self.support = 0
            self.energy_at_counter = None
        self.doubted = None
        if point.input is MeterInput.SESSION_START:
            self._start_session(this)
        elif point.input is MeterInput.SESSION_STOP:
            self._stop_session(this)
        self.truth = this
        self._advance(this)

    def _lower_curve(self, energy: float) -> None:
        """What was reckoned since the last register cannot exceed this one."""
        curve = self.curve
        for i in range(len(curve) - 1, -1, -1):
            at, reckoned = curve[i]
            if reckoned <= energy or self.truth is None or at <= self.truth[0]:
                break
            curve[i] = (at, energy)

    def _start_session(self, this: Energy) -> None:
        at, energy = this
        self.counter = (at, 0.0)
        self.energy_at_counter = energy
        self.final = None
        self.early.clear()

    def _stop_session(self, this: Energy) -> None:
        """Learn from the register what the counter ends with; it will tell that again."""
        at, energy = this
        self.early.clear()
        if self.counter is None or self.energy_at_counter is None:
            self.counter = self.final = None
            return
        value = self.counter[1]
        self.final = value + max(energy - self.energy_at_counter, 0.0)
        self.counter = (at, value or max(self.final - ROUNDING, 0.0))
        self.energy_at_counter = energy

    def _take_counter(self, point: MeterPoint, witnesses: Witnesses) -> None:
        at, value = point.measured_at, point.value
        if self.counter is None:
            self._count(at, value)
            return
        since, before = self.counter
        if _is_spike(before, value, witnesses):
            return
        most = SLACK + MOST_POWER * ((at - since) / HOUR)
        if self.final is None and 0 < before <= value:
            if value - before <= most:
                self._grow(at, value - before, since)
                self._reach_back(at, value)
                self._count(at, value)
            return
        after = witnesses[0].value if witnesses else 0.0
        is_usual = value <= USUAL_POWER * ((at - since) / HOUR)
        if value > most or not self._is_new_session(before, value, after, is_usual):
            return
        if self.final is not None or before > 0:
            since = _begun(point, witnesses, since)
            self._rest_until(since)
        self._grow(at, value, since)
        self.early.clear()
        self._count(at, value)

    def _is_new_session(
        self, before: float, value: float, after: float, is_usual: bool
    ) -> bool:
        """Whether a counter that does not go on from the one before began at 0 since.

        An old value told once more never grows: that tells the two apart.
        """
        grows = after > value
        if self.final is not None and value >= before:
            return grows and value > self.final + ROUNDING
        if self.final is not None or before == 0:
            return is_usual or grows
        return after < before if grows else is_usual

    def _grow(self, at: datetime, growth: float, since: datetime) -> None:
        """Add what the counter grew by `at`, of it only what came after the register."""
        if self.energy is None:
            return
        known_at, energy = self.energy
        share = 1.0 if since >= known_at else (at - known_at) / (at - since)
        self._advance((at, energy + growth * share))

    def _count(self, at: datetime, value: float) -> None:
        self.counter = (at, value)
        self.final = None
        if self.energy is None:
            self.early.append(self.counter)
        else:
            self.energy_at_counter = self.energy[1]

    def _rest_until(self, begun: datetime) -> None:
        """Say that nothing flowed from the point before until the session began."""
        index = bisect_left(self.curve, begun, key=itemgetter(0))
        if index > 0 and (index == len(self.curve) or self.curve[index][0] != begun):
            self.curve.insert(index, (begun, self.curve[index - 1][1]))

    def _reach_back(self, at: datetime, value: float) -> None:
        """Give the counters before the first register their energy, once it is known."""
        if not self.early or self.energy is None:
            return
        first_at, first = self.curve[0]
        offset = self.energy[1] - value
        self.curve[:0] = [
            (each_at, min(offset + each, first))
            for each_at, each in self.early
            if each_at < first_at
        ]
        self.early.clear()

    def _advance(self, energy: Energy) -> None:
        """Go on to the newest energy; of several at one time the last one counts."""
        self.energy = energy
        if self.curve and self.curve[-1][0] == energy[0]:
            self.curve.pop()
        self.curve.append(energy)


def _witnesses(points: Sequence[MeterPoint]) -> list[Witnesses]:
    """Return for each point what comes next of its kind.

    That is one register, or up to two counters of the same session.
    """
    witnesses: list[Witnesses] = []
    registers: Witnesses = ()
    counters: Witnesses = ()
    for point in reversed(points):
        if point.input is MeterInput.COUNTER:
            witnesses.append(counters)
            counters = (point, *counters[:1])
        else:
            witnesses.append(registers)
            registers = (point,)
            if point.input is not MeterInput.REGISTER:
                counters = ()
    witnesses.reverse()
    return witnesses


def _is_spike(before: float, value: float, witnesses: Witnesses) -> bool:
    """Whether two counters go on from the one before, and below this one."""
    return len(witnesses) == 2 and (
        before <= witnesses[0].value < value and witnesses[1].value < value
    )


def _begun(point: MeterPoint, witnesses: Witnesses, earliest: datetime) -> datetime:
    """When a session began whose start was not told: by the power it goes on with."""
    if not witnesses or witnesses[0].value <= point.value:
        return earliest
    after = witnesses[0]
    pace = (after.measured_at - point.measured_at) / (after.value - point.value)
    return max(earliest, point.measured_at - pace * point.value)


def _agree(before: Energy, after: Energy) -> bool:
    """Whether one register may follow another: no great fall, no impossible power."""
    growth = after[1] - before[1]
    return -SLACK <= growth <= SLACK + MOST_POWER * ((after[0] - before[0]) / HOUR)


def _is_about(register: MeterPoint, value: float) -> bool:
    return abs(register.value - value) <= SLACK


def _tells_something(point: MeterPoint) -> bool:
    """A 0 is often a glitch; a real one tells nothing that what follows does not.

    Only of a session's own registers it is taken: a new charger begins its first there.
    """
    if point.input in (MeterInput.COUNTER, MeterInput.REGISTER):
        return 0 < point.value < inf
    return 0 <= point.value < inf


def _order(point: MeterPoint) -> tuple[datetime, int, float]:
    return point.measured_at, ORDER[point.input], point.value
