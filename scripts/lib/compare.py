"""What was seen beside what was expected: values, hours, sessions, and what was told of them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .ask import Row
from .report import Result

HOUR = timedelta(hours=1)
# How late something may be read and still count as told while it happens.
PROMPT = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Within:
    """How far apart two values may be, and what they are measured in."""

    tolerance: float
    unit: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A start or a stop of a session that has to be told."""

    at: datetime
    phase: str
    session_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """From when on things are watched, and from when on they are told as they happen."""

    since: datetime
    live: datetime
    until: datetime


def equal(check: str, expected: str, seen: str) -> Result:
    """Compare two texts."""
    return Result(check=check, expected=expected, seen=seen, ok=expected == seen)


def near(check: str, seen: str, expected: float, within: Within) -> Result:
    """Compare a state with a number."""
    try:
        ok = abs(float(seen) - expected) <= within.tolerance
    except ValueError:
        ok = False
    text = f"{expected:.2f} ± {within.tolerance} {within.unit}"
    return Result(check=check, expected=text, seen=seen, ok=ok)


def growth(
    check: str,
    expected: Mapping[datetime, float],
    rows: Mapping[datetime, Row],
    within: Within,
) -> Result:
    """Compare what a meter grew by in each hour; an hour without a row grew by nothing."""
    seen = {
        hour: float(rows[hour]["change"] or 0.0) for hour in expected if hour in rows
    }
    worst = max(abs(seen.get(hour, 0.0) - value) for hour, value in expected.items())
    return Result(
        check=f"{check} of {len(expected)} past hours",
        expected=f"{sum(expected.values()):.2f} {within.unit}",
        seen=f"{sum(seen.values()):.2f} {within.unit}, an hour off by {worst:.3f} at most",
        ok=worst <= within.tolerance,
    )


def energies(check: str, expected: Mapping[str, float], rows: Sequence[Row]) -> Result:
    """Compare what sessions that are over have charged, in kWh; there may be no others."""
    seen = {
        str(row["session_id"]): float(row["energy"] or 0.0)
        for row in rows
        if row["stop"] is not None
    }
    wrong = [
        f"{number}: {seen.get(number)}"
        for number in expected.keys() | seen.keys()
        if number not in seen
        or number not in expected
        or abs(seen[number] - expected[number]) > 0.01
    ]
    return Result(
        check=check,
        expected=f"{len(expected)}, {sum(expected.values()):.2f} kWh",
        seen=", ".join(wrong) or f"{len(seen)}, {sum(seen.values()):.2f} kWh",
        ok=bool(expected) and not wrong,
    )


def told(
    check: str, changes: Collection[Change], rows: Sequence[Row], watch: Watch
) -> Result:
    """See that what happened while it was watched was told once, and as what it is.

    What fired before the watch began was lost with the power, and may come again.
    """
    expected = {
        (each.phase, each.session_id): each.at
        for each in changes
        if watch.since <= each.at < watch.until
    }
    before = {
        (each.phase, each.session_id) for each in changes if each.at < watch.since
    }
    seen = [(str(row["event_type"]), str(row["session_id"])) for row in rows]
    counted = [each for each in seen if each not in before]
    trouble = [
        *(
            f"{' '.join(each)}: {seen.count(each)}"
            for each in expected
            if seen.count(each) != 1
        ),
        *(f"{' '.join(each)}: strange" for each in counted if each not in expected),
        *_misdated(rows, expected, watch),
    ]
    return Result(
        check=check,
        expected=f"{len(expected)}, each once",
        seen=", ".join(trouble) or f"{len(counted)}, each once",
        ok=bool(expected) and not trouble,
    )


def _misdated(
    rows: Sequence[Row], expected: Mapping[tuple[str, str], datetime], watch: Watch
) -> Iterator[str]:
    """Find what is told as if it were now, or as if it were not."""
    for row in rows:
        change = str(row["event_type"]), str(row["session_id"])
        at = expected.get(change)
        if at is None or watch.live - PROMPT <= at < watch.live:
            # Of these it depends on how quick the machine is.
            continue
        if row["replayed"] == (at >= watch.live):
            yield f"{' '.join(change)}: replayed is {row['replayed']}"


def hour_of(moment: datetime) -> datetime:
    """Return the beginning of the hour."""
    return moment.replace(minute=0, second=0, microsecond=0)


def hours(begin: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the beginnings of the hours from one on and before another."""
    while begin < end:
        yield begin
        begin += HOUR
