"""Sessions of a charger of which no message names any: concluded from its op mode."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
import json
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.ev_streams import commit
from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import (
    REFRESH_INTERVAL,
    EvStreamsConfigEntry,
)
from custom_components.ev_streams.ledger import Ledger
from simulator.easee import EaseeAccount, EaseeCloud, Measurement
from simulator.rabbitmq import Administrator

from .helpers import (
    SERIAL,
    add_account,
    measured,
    queue_is_empty,
    record_session_events,
    session_start,
    session_stop,
    state,
    wait_for_number,
    wait_live,
    wait_until,
)

MINUTE = timedelta(minutes=1)
OP_MODE, SESSION_ENERGY, TEMPERATURE = 109, 121, 150
DISCONNECTED, AWAITING_START, CHARGING, COMPLETED = 1, 2, 3, 4
NAMING_A_SESSION = (223, 129, 60)


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commit within moments: the pace is no matter here."""
    monkeypatch.setattr(commit, "LIVE_PERIOD", 0.1)


@pytest.fixture
async def entry(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> EvStreamsConfigEntry:
    """Add a charger of which the vendor's API knows no session either."""
    for observation in NAMING_A_SESSION:
        del account.chargers[SERIAL].observations[observation]
    entry = await add_account(hass, cloud, account)
    await hass.async_block_till_done()
    return entry


@pytest.fixture
def start() -> datetime:
    """Return when the first session began."""
    return datetime.now(UTC).replace(microsecond=0) - 50 * MINUTE


def session(start: datetime, energy: float) -> list[Measurement]:
    """Return a session of ten minutes, with a pause, as far as the charger tells of it."""
    return [
        measured(start - MINUTE, OP_MODE, AWAITING_START),
        measured(start, OP_MODE, CHARGING),
        measured(start + 3 * MINUTE, SESSION_ENERGY, energy / 2),
        measured(start + 4 * MINUTE, OP_MODE, COMPLETED),
        measured(start + 5 * MINUTE, OP_MODE, CHARGING),
        measured(start + 9 * MINUTE, SESSION_ENERGY, energy),
        measured(start + 10 * MINUTE, OP_MODE, DISCONNECTED),
    ]


def news(temperature: int = 38) -> Measurement:
    """Return something measured now, when no message of a session is on its way any more."""
    return measured(datetime.now(UTC), TEMPERATURE, temperature)


def facts(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return what an automation goes by: type, times, energy."""
    return [
        (e["event_type"], e["started_at"], e["stopped_at"], e["energy"]) for e in events
    ]


def as_told(start: datetime, energy: float) -> list[tuple[Any, ...]]:
    """Return the two events that a session is to fire."""
    stop = (start + 10 * MINUTE).isoformat()
    began = start.isoformat()
    return [("started", began, None, None), ("stopped", began, stop, energy)]


async def get_sessions(
    hass: HomeAssistant, entry: EvStreamsConfigEntry
) -> list[tuple[Any, ...]]:
    """Ask the action: (session id, start, stop, energy) of each session."""
    device = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, SERIAL), entry.entry_id
    )
    assert device is not None
    answer: Mapping[str, Any] | None = await hass.services.async_call(
        DOMAIN,
        "get_sessions",
        {"device_id": device.id},
        blocking=True,
        return_response=True,
    )
    assert answer is not None
    return [
        (
            row["session_id"],
            datetime.fromisoformat(row["start"]).astimezone(UTC),
            row["stop"] and datetime.fromisoformat(row["stop"]).astimezone(UTC),
            row["energy"],
        )
        for row in answer["sessions"]
    ]


async def test_session_is_concluded_once(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
    start: datetime,
) -> None:
    """From the first charging to the car's leaving, whatever lies between; told twice or not."""
    events = record_session_events(hass)
    for _ in range(2):
        await account.publish_many(
            SERIAL, [*session(start, 1.5), news()], remember=False
        )
        await queue_is_empty(administrator, account)
    assert facts(events) == as_told(start, 1.5)
    assert all(event["replayed"] for event in events)
    stop = start + 10 * MINUTE
    assert await get_sessions(hass, entry) == [(None, start, stop, 1.5)]
    shown = state(hass, SERIAL, "charging_session_stop")
    assert shown.state == stop.isoformat()


@pytest.mark.parametrize("told_before", range(1, 8))
async def test_restart_at_any_point_of_a_session(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
    start: datetime,
    told_before: int,
) -> None:
    """Each event once, and what the broker tells again changes nothing."""
    account.chargers[SERIAL].observations.clear()
    events = record_session_events(hass)
    told = session(start, 1.5)
    await account.publish_many(SERIAL, told[:told_before], remember=False)
    await queue_is_empty(administrator, account)
    await hass.config_entries.async_reload(entry.entry_id)
    await wait_live(hass, entry)
    again = told[max(0, told_before - 2) :]
    await account.publish_many(SERIAL, [*again, news()], remember=False)
    await queue_is_empty(administrator, account)
    assert facts(events) == as_told(start, 1.5)
    await hass.config_entries.async_reload(entry.entry_id)
    await wait_live(hass, entry)
    await account.publish_many(SERIAL, [news(39)], remember=False)
    await queue_is_empty(administrator, account)
    assert facts(events) == as_told(start, 1.5)
    stop = start + 10 * MINUTE
    assert await get_sessions(hass, entry) == [(None, start, stop, 1.5)]


@pytest.mark.parametrize("knows_newest", [False, True])
async def test_sessions_of_a_replay_are_concluded(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
    start: datetime,
    knows_newest: bool,
) -> None:
    """Of an hour without Home Assistant, even where the API told the end of it before."""
    await hass.config_entries.async_unload(entry.entry_id)
    if not knows_newest:
        account.chargers[SERIAL].observations.clear()
    starts = [start, start + 14 * MINUTE, start + 28 * MINUTE]
    # The API has answered long before these have been taken.
    before = [
        measured(start - 20 * MINUTE + n * MINUTE / 100, TEMPERATURE, 20 + n % 9)
        for n in range(900)
    ]
    doubled = [each for s in starts for m in session(s, 1.5) for each in (m, m)]
    await account.publish_many(
        SERIAL,
        [*before, *doubled, news()],
        delay=timedelta(seconds=1),
        remember=knows_newest,
    )
    events = record_session_events(hass)
    cloud.requests.clear()
    await hass.config_entries.async_setup(entry.entry_id)
    await wait_until(
        lambda: any(call.path.startswith("/state/") for call in cloud.requests),
        "the snapshot",
    )
    await wait_live(hass, entry)
    await queue_is_empty(administrator, account)
    assert facts(events) == [fact for s in starts for fact in as_told(s, 1.5)]
    assert all(event["replayed"] for event in events)
    assert await get_sessions(hass, entry) == [
        (None, s, s + 10 * MINUTE, 1.5) for s in starts
    ]


@pytest.mark.parametrize(
    ("is_restarted", "names_meter"), [(False, True), (True, True), (True, False)]
)
async def test_nothing_is_concluded_once_a_session_was_named(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
    start: datetime,
    is_restarted: bool,
    names_meter: bool,
) -> None:
    """Otherwise each session would be told twice, once of each kind."""
    events = record_session_events(hass)
    first, second = start, start + 20 * MINUTE
    stop = first + 10 * MINUTE
    named = [session_start(1, first), session_stop(1, first, stop, 1.5)]
    if not names_meter:
        members = {"Id": 1, "Start": first.isoformat(), "Stop": stop.isoformat()}
        sparse = json.dumps(members | {"EnergyKwh": 1.5})
        named = [measured(first, 223, sparse), measured(stop, 129, sparse)]
    await account.publish_many(SERIAL, [*named, *session(first, 1.5)], remember=False)
    await queue_is_empty(administrator, account)
    if is_restarted:
        await hass.config_entries.async_reload(entry.entry_id)
        await wait_live(hass, entry)
    await account.publish_many(SERIAL, [*session(second, 2.5), news()], remember=False)
    await queue_is_empty(administrator, account)
    assert facts(events) == as_told(first, 1.5)
    assert await get_sessions(hass, entry) == [("1", first, stop, 1.5)]


async def test_session_that_is_named_after_all(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
    start: datetime,
) -> None:
    """The message that names it may come after the op mode: only the named one is told."""
    events = record_session_events(hass)
    stop = start + 10 * MINUTE
    told = session(start, 1.5)
    await account.publish_many(
        SERIAL,
        [
            *told[:2],
            session_start(1, start),
            *told[2:],
            session_stop(1, start, stop, 1.5),
            news(),
        ],
        remember=False,
    )
    await queue_is_empty(administrator, account)
    assert [(e["event_type"], e["session_id"]) for e in events] == [
        ("started", "1"),
        ("stopped", "1"),
    ]
    assert await get_sessions(hass, entry) == [("1", start, stop, 1.5)]


def _is_measured_at(ledger: Ledger, key: str, moment: datetime) -> bool:
    held = ledger.reading(SERIAL, key)
    return held is not None and held.measured_at == moment


async def test_session_concluded_while_nobody_could_hear_of_it(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
) -> None:
    """With the stream cut and the API up it is recorded, and told when the stream is back."""
    events = record_session_events(hass)
    observations = account.chargers[SERIAL].observations
    observations.clear()
    began = datetime.now(UTC).replace(microsecond=0) - 20 * MINUTE
    await administrator.limit_connections(0)
    await administrator.close_connections(account.amqp_username)
    await wait_until(lambda: not entry.runtime_data.connection.is_connected, "the loss")
    async_fire_time_changed(hass, dt_util.utcnow() + 2 * MINUTE)
    await hass.async_block_till_done()
    assert state(hass, SERIAL, "charging_session").state == "unavailable"
    ledger = entry.runtime_data.ledger
    for number, (minutes, mode) in enumerate(((0, CHARGING), (10, DISCONNECTED)), 1):
        later = datetime.now(UTC)
        observations[OP_MODE] = (began + minutes * MINUTE, mode)
        observations[TEMPERATURE] = (later, 38)
        async_fire_time_changed(hass, dt_util.utcnow() + number * REFRESH_INTERVAL)
        await wait_until(
            partial(_is_measured_at, ledger, "temp_max", later), "the snapshot"
        )
    assert events == []
    assert len(await get_sessions(hass, entry)) == 1

    await administrator.limit_connections(None)
    await wait_until(lambda: len(events) == 2, "both events")
    assert [e["event_type"] for e in events] == ["started", "stopped"]
    assert all(e["replayed"] for e in events)


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_session_that_the_snapshot_lets_conclude(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
    start: datetime,
    is_restarted: bool,
) -> None:
    """That time has passed may be told by the API first: the event fires all the same."""
    events = record_session_events(hass)
    account.chargers[SERIAL].observations.clear()
    began = datetime.now(UTC).replace(microsecond=0) - 3 * MINUTE
    await account.publish_many(SERIAL, [measured(began, OP_MODE, CHARGING)])
    await queue_is_empty(administrator, account)
    assert events == []
    now = datetime.now(UTC)
    account.chargers[SERIAL].observations[TEMPERATURE] = (now, 38)
    if is_restarted:
        await hass.config_entries.async_reload(entry.entry_id)
    else:
        async_fire_time_changed(hass, dt_util.utcnow() + REFRESH_INTERVAL)
    await wait_for_number(hass, SERIAL, "temp_max", 38)
    await wait_until(lambda: bool(events), "the start")
    assert facts(events) == [("started", began.isoformat(), None, None)]
    shown = state(hass, SERIAL, "charging_session_start")
    assert shown.state == began.isoformat()
