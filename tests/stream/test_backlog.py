"""How far the replay of a backlog has come."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st
import pytest

from custom_components.ev_streams.stream.backlog import Backlog

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=3)


def begun(depth: int | None) -> Backlog:
    backlog = Backlog()
    backlog.begin(depth)
    return backlog


def test_nothing_waits_before_the_stream_is_connected() -> None:
    backlog = Backlog()
    assert backlog.is_live
    assert (backlog.depth, backlog.left, backlog.percent) == (0, 0, 100)


@pytest.mark.parametrize("depth", [0, None])
def test_without_a_backlog_the_stream_is_live(depth: int | None) -> None:
    backlog = begun(depth)
    assert backlog.is_live
    assert (backlog.left, backlog.percent) == (0, 100)


@pytest.mark.parametrize("arrived_at", [LONG_AGO, None])
def test_the_backlog_is_counted_down_to_live(arrived_at: datetime | None) -> None:
    backlog = begun(3)
    progress = []
    for _ in range(4):
        progress.append((backlog.left, backlog.percent, backlog.is_live))
        backlog.consumed(arrived_at, NOW)
    assert progress == [(3, 0, False), (2, 33, False), (1, 66, False), (0, 100, True)]
    assert (backlog.left, backlog.percent, backlog.is_live) == (0, 100, True)


@pytest.mark.parametrize(
    ("age", "is_live"),
    [
        (timedelta(0), True),
        (timedelta(seconds=9, milliseconds=999), True),
        (timedelta(seconds=10), False),
        (timedelta(hours=1), False),
        # The two clocks may differ a little.
        (timedelta(seconds=-2), True),
    ],
)
def test_a_message_that_has_just_arrived_ends_the_replay(
    age: timedelta, is_live: bool
) -> None:
    backlog = begun(1000)
    backlog.consumed(NOW - age, NOW)
    assert backlog.is_live is is_live
    assert backlog.left == (0 if is_live else 999)


def test_a_new_connection_begins_anew() -> None:
    backlog = begun(1000)
    backlog.consumed(LONG_AGO, NOW)
    backlog.begin(5)
    assert (backlog.depth, backlog.left, backlog.percent) == (5, 5, 0)
    backlog.begin(0)
    assert backlog.is_live


@given(depth=st.integers(0, 500), consumed=st.integers(0, 600))
def test_progress_is_a_percentage_that_reaches_100_only_at_the_end(
    depth: int, consumed: int
) -> None:
    backlog = begun(depth)
    percent = backlog.percent
    for _ in range(consumed):
        backlog.consumed(LONG_AGO, NOW)
        assert percent <= backlog.percent <= 100
        percent = backlog.percent
    assert backlog.left == max(0, depth - consumed)
    assert (percent == 100) is backlog.is_live is (consumed >= depth)
