"""What a meter showed in imported hours is counted back from what it shows after them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from custom_components.ev_streams.backfill import _anchor, _chain, _Known

FIRST = datetime(2026, 11, 27, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def row(hour: int, state: float, total: float) -> Any:
    start = FIRST + hour * HOUR
    return {"start": start.timestamp(), "state": state, "sum": total}


def states(
    figures: list[float],
    present: dict[int, Any],
    shown: float | None = None,
    before: Any = None,
) -> list[float | None]:
    """Import figures of so many hours from the first on; returns the states written."""
    known = _Known(
        before=before,
        present={FIRST + hour * HOUR: each for hour, each in present.items()},
        live=None,
        shown=shown,
        until=FIRST + 24 * HOUR,
    )
    own = {FIRST + hour * HOUR: energy for hour, energy in enumerate(figures)}
    rows = _chain(known, _anchor(known, own), own, FIRST + len(figures) * HOUR)
    return [each.get("state") for each in rows]


def test_without_a_row_before_the_new_sums_count() -> None:
    """The sums that there were began in the second hour, at nothing."""
    present = {1: row(1, 105, 0), 2: row(2, 108, 3), 3: row(3, 108, 3)}
    assert states([1, 2, 5, 3], present, shown=108) == [98, 100, 105, 108]


def test_a_row_before_is_gone_on_from() -> None:
    before = row(-1, 100, 40)
    assert states([1, 2], {}, before=before) == [101, 103]


@pytest.mark.parametrize("shown", [None, 50.0])
def test_without_any_row_the_meter_itself_counts(shown: float | None) -> None:
    expected = [None, None] if shown is None else [48, 50]
    assert states([1, 2], {}, shown=shown) == expected


def test_a_row_after_the_hours_is_counted_back_from() -> None:
    assert states([1, 2], {3: row(3, 110, 0)}) == [108, 110]
