"""A long replay as the user sees it: progress, calm states, sessions in their order."""

import asyncio
from datetime import UTC, datetime, timedelta
import random

from homeassistant.core import HomeAssistant
import pytest

from custom_components.ev_streams import reception
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from custom_components.ev_streams.intake import Intake
from simulator.easee import EaseeAccount, EaseeCloud, Measurement
from simulator.rabbitmq import Administrator

from .helpers import (
    SERIAL,
    add_account,
    entity_id,
    measured,
    phases,
    queue_is_empty,
    record_session_events,
    record_states,
    session_start,
    session_stop,
    state,
    wait_for_number,
    wait_for_state,
    wait_live,
    wait_until,
)

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
METER = 2000.0
STEPS = 1000


@pytest.fixture
async def entry(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> EvStreamsConfigEntry:
    """Add an account of which the vendor's API knows no values yet, and be away."""
    account.chargers[SERIAL].observations.clear()
    entry = await add_account(hass, cloud, account)
    await hass.async_block_till_done()
    await hass.config_entries.async_unload(entry.entry_id)
    return entry


@pytest.fixture
def begin() -> datetime:
    """Return when everything began that happened meanwhile: it was over an hour ago."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(hours=4)


def charging(begin: datetime, steps: int = STEPS) -> list[Measurement]:
    """Return three values each ten seconds, of which no two are the same.

    By the step n power is 1 + n / 1000 kW, and 2000 + n / 100 kWh have flowed.
    """
    told = [session_start(435, begin, METER)]
    for step in range(1, steps + 1):
        moment = begin + step * 10 * SECOND
        told += [
            measured(moment, 120, 1 + step / 1000),
            measured(moment, 121, step / 100),
            measured(moment, 124, METER + step / 100),
        ]
    return told


def jumbled(measurements: list[Measurement]) -> list[Measurement]:
    """Return them out of order by up to half a minute, and every tenth twice."""
    chance = random.Random(7)
    doubled = [*measurements, *measurements[::10]]
    return sorted(doubled, key=lambda m: m.time + chance.random() * 30 * SECOND)


def numbers(states: list[str]) -> list[float]:
    """Return the states that are values."""
    return [float(each) for each in states if each not in {"unavailable", "unknown"}]


async def leave_waiting(account: EaseeAccount, told: list[Measurement]) -> None:
    """Let messages wait at the broker of which the vendor's API knows nothing."""
    await account.publish_many(SERIAL, told, delay=SECOND, remember=False)


async def test_progress_of_a_replay(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
    begin: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Messages left and percent done run through to the end, and then it is live."""
    monkeypatch.setattr(reception, "COUNTDOWN_PERIOD", 0.02)
    waiting = charging(begin)
    await leave_waiting(account, waiting)
    stream = str(entry.unique_id)
    status, left, done = (
        record_states(hass, entity_id(hass, stream, key))
        for key in ("stream_status", "backlog", "backlog_done")
    )
    await hass.config_entries.async_setup(entry.entry_id)
    await wait_for_state(hass, stream, "backlog_done", "100")
    await wait_live(hass, entry)
    await queue_is_empty(administrator, account)
    assert entry.runtime_data.vitals.messages == len(waiting)

    shown = [each for each in status if each != "unavailable"]
    assert shown[-2:] == ["replaying", "live"]
    counts = numbers(left)
    countdown = counts[counts.index(len(waiting)) :]
    assert countdown[-1] == 0
    assert countdown == sorted(set(countdown), reverse=True)
    percents = numbers(done)
    progress = percents[percents.index(0) :]
    assert progress[-1] == 100
    assert progress == sorted(set(progress))
    assert len(progress) > 3


async def test_replayed_values_are_shown_calmly(
    hass: HomeAssistant,
    account: EaseeAccount,
    entry: EvStreamsConfigEntry,
    begin: datetime,
) -> None:
    """Each sensor has one state a second and the last one, however many messages come."""
    told = jumbled(charging(begin))
    await leave_waiting(account, told)
    values = {"total_power": 2.0, "lifetime_energy": 2010.0, "energy": 2010.0}
    seen = {key: record_states(hass, entity_id(hass, SERIAL, key)) for key in values}
    clock = asyncio.get_running_loop().time
    began = clock()
    await hass.config_entries.async_setup(entry.entry_id)
    await wait_live(hass, entry)
    for key, newest in values.items():
        await wait_for_number(hass, SERIAL, key, newest)
    seconds = clock() - began
    assert entry.runtime_data.vitals.messages == len(told)
    for key, states in seen.items():
        # One at once, then one for each second.
        assert len(numbers(states)) <= seconds + 1, key


async def test_meters_never_fall_during_a_replay(
    hass: HomeAssistant,
    account: EaseeAccount,
    entry: EvStreamsConfigEntry,
    begin: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Shown as often as can be, out of order and with glitches: what has flowed has flowed."""
    monkeypatch.setattr(reception, "REPLAY_PERIOD", 0.0)
    told = charging(begin, 300)
    zeros = [measured(m.time + 5 * SECOND, 121, 0) for m in told[2::60]]
    await leave_waiting(account, jumbled([*told, *zeros]))
    seen = {
        key: record_states(hass, entity_id(hass, SERIAL, key))
        for key in ("energy", "lifetime_energy")
    }
    await hass.config_entries.async_setup(entry.entry_id)
    await wait_live(hass, entry)
    for key, states in seen.items():
        await wait_for_number(hass, SERIAL, key, METER + 3)
        assert numbers(states) == sorted(numbers(states)), key
        assert len(numbers(states)) > 20, key


async def test_sessions_of_a_replay_come_in_true_order(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
    begin: datetime,
) -> None:
    """The stop of one and the start of the next arrive swapped, and fire as they happened."""
    told: list[Measurement] = []
    expected: list[tuple[str, str]] = []
    for number in range(435, 455):
        start = begin + (number - 435) * 3 * MINUTE
        told.append(session_start(number, start))
        told.append(session_stop(number, start, start + 175 * SECOND, 0.5))
        expected += [("started", str(number)), ("stopped", str(number))]
    swapped = [told[0]]
    for stop, following in zip(told[1:-1:2], told[2::2], strict=True):
        swapped += [following, stop]
    swapped.append(told[-1])
    assert swapped != told
    await leave_waiting(account, [*charging(begin, 100)[1:], *swapped])
    events = record_session_events(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    await wait_live(hass, entry)
    await queue_is_empty(administrator, account)
    assert phases(events) == expected
    assert all(event["replayed"] is True for event in events)


async def test_session_after_a_replay_is_news(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
    begin: datetime,
) -> None:
    """An automation hears of the car that is plugged in now, and knows it from those before."""
    await leave_waiting(account, charging(begin, 100))
    events = record_session_events(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    await wait_live(hass, entry)
    now = datetime.now(UTC)
    await account.publish_many(SERIAL, [session_start(436, now)])
    await queue_is_empty(administrator, account)
    told = [(event["session_id"], event["replayed"]) for event in events]
    assert told == [("435", True), ("436", False)]


@pytest.mark.parametrize("is_known", [False, True])
async def test_start_told_late_comes_before_the_stop_of_now(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    is_known: bool,
) -> None:
    """A charger that was offline, or an API that knows of the stop before it is streamed."""
    stop = datetime.now(UTC).replace(microsecond=0)
    start = stop - (MINUTE if is_known else 60 * MINUTE)
    told = [session_start(435, start), session_stop(435, start, stop, 0.5)]
    if is_known:
        account.chargers[SERIAL].remember(told[1])
    await add_account(hass, cloud, account)
    await hass.async_block_till_done()
    events = record_session_events(hass)
    await account.publish_many(SERIAL, told, remember=False)
    await queue_is_empty(administrator, account)
    assert phases(events) == [("started", "435"), ("stopped", "435")]


async def test_snapshot_and_backlog_in_any_order(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    entry: EvStreamsConfigEntry,
    begin: datetime,
) -> None:
    """Of each value the newest is shown in the end, whichever of the two knows it."""
    told = charging(begin, 300)
    last = told[-1].time
    observations = account.chargers[SERIAL].observations
    observations[120] = (last + SECOND, 9.5)
    observations[124] = (last - SECOND, METER + 1)
    observations[150] = (last, 55)
    await leave_waiting(account, told)
    await hass.config_entries.async_setup(entry.entry_id)
    await wait_live(hass, entry)
    await wait_until(
        lambda: any(call.path.startswith("/state/") for call in cloud.requests),
        "the snapshot",
    )
    await wait_for_number(hass, SERIAL, "temp_max", 55)
    await wait_for_number(hass, SERIAL, "total_power", 9.5)
    await wait_for_number(hass, SERIAL, "lifetime_energy", METER + 3)
    await hass.async_block_till_done()
    assert float(state(hass, SERIAL, "total_power").state) == 9.5
    assert float(state(hass, SERIAL, "lifetime_energy").state) == METER + 3


async def test_replay_ends_whatever_is_concluded_from_it(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
    begin: datetime,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A defect in concluding sessions costs nothing of what the messages say themselves."""

    def failing(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Intake, "conclude", failing)
    await leave_waiting(account, charging(begin, 10))
    await hass.config_entries.async_setup(entry.entry_id)
    await wait_live(hass, entry)
    await wait_for_number(hass, SERIAL, "total_power", 1.01)
    await queue_is_empty(administrator, account)
    assert "Sessions could not be concluded" in caplog.text
