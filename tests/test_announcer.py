"""Sessions are told once and in their true order, and keep their deliveries waiting."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from custom_components.ev_streams import announcer
from custom_components.ev_streams.announcer import Announcer
from custom_components.ev_streams.ledger import Ledger
from custom_components.ev_streams.model import SessionChange, SessionPhase

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
GARAGE, YARD = "EH000001", "EH000002"
STARTED, STOPPED = SessionPhase.STARTED, SessionPhase.STOPPED


def change(
    phase: SessionPhase, minutes_ago: float, session_id: str = "1", device: str = GARAGE
) -> SessionChange:
    """Return a change that happened so many minutes ago."""
    at = NOW - timedelta(minutes=minutes_ago)
    return SessionChange(
        device_id=device,
        session_id=session_id,
        phase=phase,
        started_at=at if phase is STARTED else None,
        stopped_at=at if phase is STOPPED else None,
    )


class Witness:
    """An announcer with everything that it does, in order."""

    def __init__(self) -> None:
        ledger = Ledger()
        self.seen: list[str] = []
        self.announcer = Announcer(
            ledger,
            is_first=ledger.announce_session,
            beforehand=lambda device_id: self.seen.append(f"sensors {device_id[-1]}"),
        )
        for device_id in (GARAGE, YARD):
            self.announcer.listen(device_id, self._heard)

    def _heard(self, told: SessionChange, replayed: bool) -> None:
        late = " late" if replayed else ""
        self.seen.append(f"{told.device_id[-1]} {told.phase} {told.session_id}{late}")

    def announce(self, *changes: SessionChange, is_replaying: bool = False) -> None:
        """Announce the changes of one delivery."""
        done = f"ack {len(changes)}"
        self.announcer.announce(
            changes,
            NOW,
            is_replaying=is_replaying,
            done=lambda: self.seen.append(done),
        )

    @property
    def told(self) -> list[str]:
        """Return what was told, without sensors and acknowledgements."""
        return [each for each in self.seen if each[0] in "12"]


@pytest.fixture
def witness() -> Witness:
    return Witness()


async def test_news_is_told_at_once_after_the_sensors(witness: Witness) -> None:
    witness.announce(change(STARTED, 1))
    assert witness.seen == ["sensors 1", "1 started 1", "ack 1"]


async def test_what_is_told_twice_is_acknowledged_and_not_told(
    witness: Witness,
) -> None:
    for _ in range(2):
        witness.announce(change(STARTED, 1))
    assert witness.seen == ["sensors 1", "1 started 1", "ack 1", "ack 1"]


async def test_nothing_to_tell_is_acknowledged(witness: Witness) -> None:
    witness.announce()
    assert witness.seen == ["ack 0"]


async def test_replayed_sessions_wait_for_earlier_ones(witness: Witness) -> None:
    """And their deliveries with them: none is acknowledged before it was told."""
    witness.announce(change(STARTED, 20, "2"), is_replaying=True)
    witness.announce(change(STOPPED, 30, "1"), is_replaying=True)
    assert witness.seen == []
    witness.announcer.release()
    assert witness.told == ["1 stopped 1 late", "1 started 2 late"]
    assert witness.seen.index("ack 1") > witness.seen.index("1 stopped 1 late")


async def test_held_ones_are_told_by_themselves(
    witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcer, "HOLD", 0.01)
    witness.announce(change(STARTED, 20, "2"), is_replaying=True)
    witness.announce(change(STARTED, 40, "1"), is_replaying=True)
    async with asyncio.timeout(5):
        while len(witness.told) < 2:
            await asyncio.sleep(0.005)
    assert witness.told == ["1 started 1 late", "1 started 2 late"]


async def test_two_changes_of_one_delivery_are_acknowledged_once(
    witness: Witness,
) -> None:
    witness.announce(change(STARTED, 30), change(STOPPED, 20), is_replaying=True)
    witness.announcer.release()
    assert witness.seen.count("ack 2") == 1
    assert witness.seen[-1] == "ack 2"


async def test_news_comes_after_what_its_own_device_did_before(
    witness: Witness,
) -> None:
    """What others did may still have to wait for more."""
    witness.announce(change(STARTED, 30, "1"))
    witness.announce(change(STARTED, 25, "9", YARD))
    witness.announce(change(STOPPED, 1, "1"))
    assert witness.told == ["1 started 1 late", "1 stopped 1"]
    witness.announcer.release()
    assert witness.told[-1] == "2 started 9 late"


async def test_listener_that_fails_costs_nothing(
    witness: Witness, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_change: SessionChange, _replayed: bool) -> None:
        raise RuntimeError("a defect")

    witness.announcer.listen(GARAGE, fail)
    witness.announcer.listen(GARAGE, witness._heard)
    witness.announce(change(STARTED, 1))
    assert witness.told == ["1 started 1", "1 started 1"]
    assert witness.seen[-1] == "ack 1"
    assert "could not be passed on" in caplog.text
