"""The day of a shared electric car, as a line through a few points: the truth of it.

Nothing depends on when one begins to look, so that any stretch of time can be played,
and whoever watches one knows beforehand what must be seen.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
_FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)

# Hour of the day, state of charge in percent, kilometres since midnight. In between
# both are linear: two rentals of 60 km and 20 % each, and 40 % charged from 22:00 to 02:00.
_POINTS: tuple[tuple[float, float, float], ...] = (
    (0.0, 60.0, 0.0),
    (2.0, 80.0, 0.0),
    (8.0, 80.0, 0.0),
    (9.0, 60.0, 60.0),
    (17.0, 60.0, 60.0),
    (18.0, 40.0, 120.0),
    (22.0, 40.0, 120.0),
    (24.0, 60.0, 120.0),
)
_KILOMETERS_A_DAY = 120.0
_DRIVES = ((8.0, 9.0), (17.0, 18.0))
_CHARGE_BEGINS, _CHARGE_LASTS = 22.0, 4.0
# The driver unlocks and books some minutes before, and locks and returns some after.
_MARGIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Something that lasts from a time to another."""

    begin: datetime
    end: datetime


class Charge(Span):
    """One charging session as it really was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """The state of charge in one hour, in percent."""

    begin: datetime
    mean: float
    minimum: float
    maximum: float


def shift_to(moment: datetime, hour: float) -> timedelta:
    """Return the shift of a course that is at this hour of its day at that moment."""
    return (moment - hour * HOUR - _FIRST_DAY) % DAY


class Course:
    """What one car does, day after day; `shift` sets it apart from others."""

    def __init__(
        self, shift: timedelta = timedelta(), mileage: float = 12_000.0
    ) -> None:
        self._origin = _FIRST_DAY + shift
        self._mileage = mileage

    def soc_at(self, moment: datetime) -> float:
        """Percent in the battery."""
        return self._at(moment)[0]

    def mileage_at(self, moment: datetime) -> float:
        """Kilometres ever driven."""
        days = (moment - self._origin) // DAY
        return self._mileage + days * _KILOMETERS_A_DAY + self._at(moment)[1]

    def drives(self, begin: datetime, end: datetime) -> list[Span]:
        """Every drive of which a part lies between."""
        return [
            Span(begin=midnight + first * HOUR, end=midnight + last * HOUR)
            for midnight in self._midnights(begin, end)
            for first, last in _DRIVES
            if midnight + last * HOUR > begin and midnight + first * HOUR < end
        ]

    def rentals(self, begin: datetime, end: datetime) -> list[Span]:
        """Every rental of which a part lies between; each has one drive."""
        return [
            Span(begin=drive.begin - _MARGIN, end=drive.end + _MARGIN)
            for drive in self.drives(begin - _MARGIN, end + _MARGIN)
        ]

    def charges(self, begin: datetime, end: datetime) -> list[Charge]:
        """Every charge of which a part lies between; each goes on over midnight."""
        starts = (
            midnight + _CHARGE_BEGINS * HOUR for midnight in self._midnights(begin, end)
        )
        return [
            Charge(begin=start, end=start + _CHARGE_LASTS * HOUR)
            for start in starts
            if start + _CHARGE_LASTS * HOUR > begin and start < end
        ]

    def hours(self, begin: datetime, end: datetime) -> list[Hour]:
        """The state of charge in each whole hour from `begin`, of which the line is exact."""
        found = []
        while begin + HOUR <= end:
            corners = self._corners(begin, begin + HOUR)
            levels = [self.soc_at(corner) for corner in corners]
            area = sum(
                (after - before) / HOUR * (self.soc_at(before) + self.soc_at(after)) / 2
                for before, after in pairwise(corners)
            )
            found.append(
                Hour(begin=begin, mean=area, minimum=min(levels), maximum=max(levels))
            )
            begin += HOUR
        return found

    def _at(self, moment: datetime) -> tuple[float, float]:
        hour = (moment - self._origin) % DAY / HOUR
        place = bisect_right(_POINTS, hour, key=lambda point: point[0])
        before, after = _POINTS[place - 1], _POINTS[place]
        share = (hour - before[0]) / (after[0] - before[0])
        level, driven = (
            first + share * (last - first)
            for first, last in zip(before[1:], after[1:], strict=True)
        )
        return level, driven

    def _corners(self, begin: datetime, end: datetime) -> list[datetime]:
        """The ends, and every point of the line between them."""
        points = (
            midnight + hour * HOUR
            for midnight in self._midnights(begin, end)
            for hour, _, _ in _POINTS
        )
        return sorted({begin, end, *(each for each in points if begin < each < end)})

    def _midnights(self, begin: datetime, end: datetime) -> Iterator[datetime]:
        """The car's own midnights from the day before `begin` on."""
        midnight = self._origin + ((begin - self._origin) // DAY - 1) * DAY
        while midnight < end:
            yield midnight
            midnight += DAY
