"""A session starts once and stops once, and nothing that was told of it is lost."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st
import pytest

from custom_components.ev_streams.ledger import Ledger
from custom_components.ev_streams.model import Session, SessionChange, SessionPhase

CHARGER = "EH123456"
EARLIER = datetime(2026, 11, 20, 11, tzinfo=UTC)
# What the ledger promises to keep for each device.
KEPT_SESSIONS = 500


def started(number: int, at: datetime, *, device_id: str = CHARGER) -> SessionChange:
    return SessionChange(
        device_id=device_id,
        session_id=str(number),
        phase=SessionPhase.STARTED,
        started_at=at,
        meter_start=1000.0 + number,
    )


def stopped(number: int, at: datetime, *, device_id: str = CHARGER) -> SessionChange:
    """A stop as the vendors send it: it repeats the start, half an hour before."""
    return SessionChange(
        device_id=device_id,
        session_id=str(number),
        phase=SessionPhase.STOPPED,
        started_at=at - timedelta(minutes=30),
        stopped_at=at,
        energy=5.5,
        meter_start=1000.0 + number,
        meter_stop=1005.5 + number,
    )


def tell(ledger: Ledger, change: SessionChange) -> bool:
    """Let the ledger know of a change; returns whether it is to be announced."""
    ledger.record_session(change)
    return ledger.announce_session(change)


def test_an_earlier_session_of_the_same_id_is_known_as_outdated() -> None:
    """As where a charger counts anew, or a snapshot tells of what was long ago."""
    ledger = Ledger()
    ledger.record_session(started(7, EARLIER))
    assert ledger.is_outdated(stopped(7, EARLIER - timedelta(hours=20)))
    assert ledger.is_outdated(started(7, EARLIER - timedelta(hours=20)))
    # A start is corrected by minutes, and a session goes on after it began.
    assert not ledger.is_outdated(started(7, EARLIER - timedelta(minutes=2)))
    assert not ledger.is_outdated(stopped(7, EARLIER + timedelta(minutes=30)))
    assert not ledger.is_outdated(stopped(8, EARLIER - timedelta(hours=20)))


def test_a_session_starts_once_and_stops_once() -> None:
    ledger = Ledger()
    start, stop = started(7, EARLIER), stopped(7, EARLIER + timedelta(minutes=30))
    assert tell(ledger, start)
    assert not tell(ledger, start)
    assert tell(ledger, stop)
    assert not tell(ledger, stop)
    assert not tell(ledger, start)
    assert ledger.session(CHARGER, "7") == Session(
        device_id=CHARGER,
        session_id="7",
        started_at=EARLIER,
        stopped_at=EARLIER + timedelta(minutes=30),
        energy=5.5,
        meter_start=1007.0,
        meter_stop=1012.5,
    )


def test_a_stop_whose_start_was_never_seen_still_counts() -> None:
    ledger = Ledger()
    stop = SessionChange(
        device_id=CHARGER,
        session_id="7",
        phase=SessionPhase.STOPPED,
        stopped_at=EARLIER,
        energy=3.0,
    )
    assert tell(ledger, stop)
    session = ledger.last_stopped_session(CHARGER)
    assert session is not None
    assert (session.started_at, session.stopped_at, session.energy) == (
        None,
        EARLIER,
        3.0,
    )


def test_the_same_number_at_two_devices_is_two_sessions() -> None:
    ledger = Ledger()
    assert tell(ledger, started(1, EARLIER))
    assert tell(ledger, started(1, EARLIER, device_id="EH654321"))


def test_recording_announces_nothing() -> None:
    """What a snapshot told must not swallow the event that the stream brings later."""
    ledger = Ledger()
    stop = stopped(7, EARLIER)
    ledger.record_session(stop)
    assert ledger.last_stopped_session(CHARGER) is not None
    assert tell(ledger, stop)


def test_a_sparse_message_erases_nothing() -> None:
    ledger = Ledger()
    full = stopped(7, EARLIER)
    tell(ledger, full)
    known = ledger.session(CHARGER, "7")
    for phase in SessionPhase:
        tell(ledger, SessionChange(device_id=CHARGER, session_id="7", phase=phase))
    assert ledger.session(CHARGER, "7") == known
    assert known is not None
    assert known.energy == 5.5


def test_a_value_of_zero_is_told_and_taken() -> None:
    ledger = Ledger()
    tell(ledger, stopped(7, EARLIER))
    tell(
        ledger,
        SessionChange(
            device_id=CHARGER,
            session_id="7",
            phase=SessionPhase.STOPPED,
            energy=0.0,
            meter_stop=0.0,
        ),
    )
    session = ledger.session(CHARGER, "7")
    assert session is not None
    assert (session.energy, session.meter_stop) == (0.0, 0.0)


@st.composite
def shuffled_sessions(draw: st.DrawFn) -> list[SessionChange]:
    """Starts and stops of several sessions, some more than once, in any order."""
    changes = [
        change
        for number in range(draw(st.integers(1, 8)))
        for change in (
            started(number, EARLIER + timedelta(hours=number)),
            stopped(number, EARLIER + timedelta(hours=number, minutes=30)),
        )
        if draw(st.booleans())
    ]
    if not changes:
        return []
    repeats = draw(st.lists(st.sampled_from(changes), max_size=12))
    return draw(st.permutations([*changes, *repeats]))


@given(shuffled_sessions())
def test_each_phase_is_announced_exactly_once_in_any_order(
    changes: Sequence[SessionChange],
) -> None:
    ledger = Ledger()
    announced = [
        (change.session_id, change.phase) for change in changes if tell(ledger, change)
    ]
    assert sorted(announced) == sorted({(c.session_id, c.phase) for c in changes})

    for number in {int(change.session_id) for change in changes}:
        session = ledger.session(CHARGER, str(number))
        assert session is not None
        was_stopped = (str(number), SessionPhase.STOPPED) in announced
        start = EARLIER + timedelta(hours=number)
        assert session.started_at == start
        assert session.meter_start == 1000.0 + number
        assert session.stopped_at == (
            start + timedelta(minutes=30) if was_stopped else None
        )
        assert session.energy == (5.5 if was_stopped else None)


def test_the_newest_sessions_are_kept() -> None:
    ledger = Ledger()
    for number in range(KEPT_SESSIONS + 2):
        tell(ledger, started(number, EARLIER + timedelta(minutes=number)))
    tell(ledger, started(0, EARLIER, device_id="EH654321"))
    known = [n for n in range(KEPT_SESSIONS + 2) if ledger.session(CHARGER, str(n))]
    assert known == list(range(2, KEPT_SESSIONS + 2))
    assert ledger.session("EH654321", "0") is not None


def test_a_session_older_than_all_that_are_kept_pushes_none_of_them_out() -> None:
    ledger = Ledger()
    for number in range(KEPT_SESSIONS):
        tell(ledger, started(number, EARLIER + timedelta(minutes=number)))
    tell(ledger, started(9999, EARLIER - timedelta(days=1)))
    assert all(ledger.session(CHARGER, str(n)) for n in range(KEPT_SESSIONS))


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_the_last_session_is_the_one_that_started_last(
    order: tuple[int, ...],
) -> None:
    ledger = Ledger()
    for number in order:
        tell(ledger, started(number, EARLIER + timedelta(hours=number)))
    for number in (2, 1):
        tell(ledger, stopped(number, EARLIER + timedelta(hours=number, minutes=30)))
    last = ledger.last_session(CHARGER)
    last_stopped = ledger.last_stopped_session(CHARGER)
    assert last is not None
    assert last_stopped is not None
    assert (last.session_id, last.stopped_at) == ("3", None)
    assert last_stopped.session_id == "2"


def test_sessions_that_overlap_are_ordered_each_way() -> None:
    """A charger that told a stop late: the last to start was not the last to stop."""
    ledger = Ledger()
    for number, start, stop in ((1, 0, 10), (2, 5, 6)):
        tell(
            ledger,
            SessionChange(
                device_id=CHARGER,
                session_id=str(number),
                phase=SessionPhase.STOPPED,
                started_at=EARLIER + timedelta(minutes=start),
                stopped_at=EARLIER + timedelta(minutes=stop),
            ),
        )
    last = ledger.last_session(CHARGER)
    last_stopped = ledger.last_stopped_session(CHARGER)
    assert last is not None
    assert last_stopped is not None
    assert (last.session_id, last_stopped.session_id) == ("2", "1")


def test_a_running_session_is_not_the_last_stopped_one() -> None:
    ledger = Ledger()
    tell(ledger, started(1, EARLIER))
    assert ledger.last_session(CHARGER) is not None
    assert ledger.last_stopped_session(CHARGER) is None


@pytest.mark.parametrize(
    ("start", "stop", "seconds"),
    [
        (EARLIER, EARLIER + timedelta(minutes=90, milliseconds=500), 5400.5),
        (EARLIER, None, None),
        (None, EARLIER, None),
        (None, None, None),
    ],
)
def test_the_duration_is_told_by_the_messages(
    start: datetime | None, stop: datetime | None, seconds: float | None
) -> None:
    session = Session(
        device_id=CHARGER, session_id="1", started_at=start, stopped_at=stop
    )
    assert session.duration == seconds


def test_a_change_happened_when_its_own_phase_did() -> None:
    stop = EARLIER + timedelta(minutes=30)
    assert started(1, EARLIER).happened_at == EARLIER
    assert stopped(1, stop).happened_at == stop


def test_a_session_that_is_no_longer_kept_is_still_announced_once_only() -> None:
    ledger = Ledger()
    changes = [started(n, EARLIER + timedelta(minutes=n)) for n in range(501)]
    announced = [tell(ledger, each) for each in [*changes, changes[0]]]
    assert announced.count(True) == 501

    older_than_all_kept = started(9999, EARLIER - timedelta(days=1))
    again = [tell(ledger, older_than_all_kept) for _ in range(3)]
    assert again == [True, False, False]


def test_what_was_announced_is_not_remembered_for_ever() -> None:
    ledger = Ledger()
    for n in range(2100):
        tell(ledger, started(n, EARLIER + timedelta(minutes=n)))
    assert not tell(ledger, started(2099, EARLIER))
    assert tell(ledger, started(0, EARLIER))
