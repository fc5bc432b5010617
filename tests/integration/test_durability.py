"""What is acknowledged is on the disk; what is on the disk is there after a restart, and told once."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
import json
from pathlib import Path
import random
import sqlite3

from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import HomeAssistant
import pytest

from custom_components.ev_streams import commit, store as store_module
from custom_components.ev_streams.storage import store_path
from custom_components.ev_streams.stream import supervisor
from simulator.easee import EaseeAccount, EaseeCloud, Measurement
from simulator.network import Link
from simulator.rabbitmq import Administrator, QueueState, RabbitMQ

from .helpers import (
    SERIAL,
    add_account,
    issue,
    measured,
    phases,
    queue_is_empty,
    record_session_events,
    session_start,
    session_stop,
    state,
    stored,
    stored_sessions,
    stored_values,
    wait_for_issue,
    wait_for_number,
    wait_for_state,
    wait_live,
    wait_until,
)

MINUTE = timedelta(minutes=1)
NEVER = 3600.0


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commit and retry within moments: the pace is no matter here."""
    monkeypatch.setattr(commit, "LIVE_PERIOD", 0.1)
    monkeypatch.setattr(commit, "RETRY_AFTER", 0.1)
    monkeypatch.setattr(store_module, "BUSY_TIMEOUT", 0.05)
    backoff = partial(supervisor.Backoff, initial=0.1, maximum=1)
    monkeypatch.setattr(supervisor, "Backoff", backoff)


@pytest.fixture
def now() -> datetime:
    """Return the time as a charger writes it in its sessions."""
    return datetime.now(UTC).replace(microsecond=0)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep the file from being written, as somebody may who looks into it."""
    with closing(sqlite3.connect(path, autocommit=True)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


async def test_nothing_is_acknowledged_before_it_is_on_the_disk(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    now: datetime,
) -> None:
    """While nothing can be written the user sees what came, and the broker keeps all of it."""
    entry = await add_account(hass, cloud, account)
    await hass.async_block_till_done()
    await entry.runtime_data.committer.flush()
    events = record_session_events(hass)
    with locked(store_path(hass, entry.entry_id)):
        powers = [measured(now, 120, 1.5), measured(now + MINUTE, 120, 2.5)]
        await account.publish_many(SERIAL, [*powers, session_start(435, now)])
        await account.publish_raw(f"{SERIAL}.O.120", b"rubbish")
        await wait_for_number(hass, SERIAL, "total_power", 2.5)
        await wait_until(lambda: phases(events) == [("started", "435")], "the start")
        await wait_for_issue(hass, entry, "store_unavailable")
        await account.publish(SERIAL, 150, 38)
        await wait_for_number(hass, SERIAL, "temp_max", 38)
        kept = QueueState(ready=0, unacknowledged=5, consumers=1)
        assert await administrator.queue_state(account.queue) == kept
        assert "435" not in await stored_sessions(hass, entry)
    await queue_is_empty(administrator, account)
    assert issue(hass, entry, "store_unavailable") is None
    values = await stored_values(hass, entry)
    assert (values["total_power"], values["temp_max"]) == (2.5, 38)
    assert "435" in await stored_sessions(hass, entry)
    assert entry.runtime_data.vitals.redelivered == 0
    assert phases(events) == [("started", "435")]


async def test_effect_is_on_the_disk_once_acknowledged(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    now: datetime,
) -> None:
    """Of whatever the broker has let go, the file has the effect: values, sessions, documents."""
    entry = await add_account(hass, cloud, account)
    for number in range(1, 6):
        start, stop = now - MINUTE, now + number * MINUTE / 10
        document = json.dumps({"Id": number, "Signature": "x" * 40})
        await account.publish_many(
            SERIAL,
            [
                measured(stop, 120, number / 4),
                session_start(number, start),
                measured(stop, 60, document),
                session_stop(number, start, stop, number / 8),
            ],
        )
        await queue_is_empty(administrator, account)
        assert (await stored_values(hass, entry))["total_power"] == number / 4
        assert (await stored_sessions(hass, entry))[str(number)] == number / 8
        told = await stored(hass, entry, "SELECT session_id, phase FROM announced")
        assert {(str(number), "started"), (str(number), "stopped")} <= set(told)
        assert (document,) in await stored(hass, entry, "SELECT text FROM documents")


@pytest.mark.parametrize("is_answering", [True, False])
async def test_last_values_are_shown_at_once_after_a_restart(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    now: datetime,
    is_answering: bool,
) -> None:
    """The vendor's cloud need not know them, nor even answer."""
    entry = await add_account(hass, cloud, account)
    start, stop = now - 90 * MINUTE, now - 30 * MINUTE
    await account.publish_many(
        SERIAL,
        [
            session_start(435, start, meter=1300.0),
            session_stop(435, start, stop, 11.5, meter=1300.0),
            measured(now, 120, 6.75),
            measured(now, 109, 2),
            measured(now, 31, False),
        ],
        remember=False,
    )
    await wait_for_number(hass, SERIAL, "charging_session_energy", 11.5)
    await wait_for_state(hass, SERIAL, "is_enabled", "off")
    await hass.config_entries.async_unload(entry.entry_id)
    assert state(hass, SERIAL, "total_power").state == "unavailable"
    account.chargers[SERIAL].observations.clear()
    if not is_answering:
        cloud.fail_next("/state/", status=500, times=100)
    await hass.config_entries.async_setup(entry.entry_id)

    for key, number in {
        "total_power": 6.75,
        "energy": 1311.5,
        "charging_session_energy": 11.5,
        "charging_session_duration": 60.0,
    }.items():
        assert float(state(hass, SERIAL, key).state) == number, key
    for key, text in {
        "charger_op_mode": "awaiting_start",
        "is_enabled": "off",
        "charging_session_start": start.isoformat(),
        "charging_session_stop": stop.isoformat(),
    }.items():
        assert state(hass, SERIAL, key).state == text, key
    event = state(hass, SERIAL, "charging_session")
    assert phases([event.attributes]) == [("stopped", "435")]


async def test_session_told_again_after_a_restart_fires_nothing(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    now: datetime,
) -> None:
    """Neither the same start, nor the same stop, nor a start that never came, only what is new."""
    entry = await add_account(hass, cloud, account)
    events = record_session_events(hass)
    stop = now - MINUTE
    told = [session_start(435, now - 2 * MINUTE)]
    await account.publish_many(SERIAL, told)
    await queue_is_empty(administrator, account)
    for _ in range(2):
        await hass.config_entries.async_reload(entry.entry_id)
        await wait_live(hass, entry)
        told.append(session_stop(435, now - 2 * MINUTE, stop, 1.5))
        await account.publish_many(SERIAL, told)
        await queue_is_empty(administrator, account)
        assert phases(events) == [("started", "435"), ("stopped", "435")]
    await account.publish_many(SERIAL, [session_start(436, now)])
    await queue_is_empty(administrator, account)
    assert phases(events)[2:] == [("started", "436")]


async def test_connection_that_breaks_between_commit_and_acknowledgement(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    broker: RabbitMQ,
    now: datetime,
) -> None:
    """What the broker delivers again for want of an acknowledgement has no effect again."""
    session = [session_start(435, now), session_stop(435, now, now + MINUTE, 1.5)]
    async with Link(broker.host, broker.port) as link:
        cloud.amqp_port = link.port
        entry = await add_account(hass, cloud, account)
        await hass.async_block_till_done()
        await entry.runtime_data.committer.flush()
        events = record_session_events(hass)
        with locked(store_path(hass, entry.entry_id)):
            told = [*session, measured(now, 120, 2.5)]
            await account.publish_many(SERIAL, told, remember=False)
            await wait_for_number(hass, SERIAL, "total_power", 2.5)
            await wait_until(lambda: len(events) == 2, "both events")
            await wait_for_issue(hass, entry, "store_unavailable")
            link.cut()
        await wait_until(
            lambda: issue(hass, entry, "store_unavailable") is None, "the commit"
        )
        assert (await stored_sessions(hass, entry))["435"] == 1.5
        assert (await administrator.queue_state(account.queue)).unacknowledged == 3
        link.drop()
        link.restore()
        await queue_is_empty(administrator, account)
        assert entry.runtime_data.vitals.redelivered == 3
        assert entry.runtime_data.vitals.messages == 6
        assert phases(events) == [("started", "435"), ("stopped", "435")]
        await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_each_session_once_over_everything(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    now: datetime,
    seed: int,
) -> None:
    """Told three times in any order, while connections break and the entry is reloaded."""
    entry = await add_account(hass, cloud, account)
    events = record_session_events(hass)
    chance = random.Random(seed)
    told: list[Measurement] = []
    for number in range(1, 21):
        start = now - number * MINUTE
        told.append(session_start(number, start))
        told.append(session_stop(number, start, start + MINUTE / 2, number / 8))
    jumbled = chance.sample(told * 3, k=3 * len(told))
    for part in range(0, len(jumbled), 20):
        await account.publish_many(SERIAL, jumbled[part : part + 20], remember=False)
        if chance.random() < 0.5:
            await administrator.close_connections(account.amqp_username)
        else:
            await hass.config_entries.async_reload(entry.entry_id)
    await queue_is_empty(administrator, account)
    expected = [(p, str(n)) for n in range(1, 21) for p in ("started", "stopped")]
    assert sorted(phases(events)) == sorted(expected)
    energies = {str(number): number / 8 for number in range(1, 21)}
    assert energies.items() <= (await stored_sessions(hass, entry)).items()


async def test_stop_of_home_assistant_leaves_nothing_to_be_told_again(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    monkeypatch: pytest.MonkeyPatch,
    now: datetime,
) -> None:
    """In the middle of a stream: all that was handled is written and let go, the rest waits."""
    monkeypatch.setattr(commit, "LIVE_PERIOD", NEVER)
    entry = await add_account(hass, cloud, account)
    events = record_session_events(hass)
    await account.publish_many(
        SERIAL,
        [
            *(measured(now + n * MINUTE / 1000, 120, n / 8) for n in range(100)),
            session_start(435, now - 2 * MINUTE),
            session_stop(435, now - 2 * MINUTE, now, 1.5),
            *(measured(now + n * MINUTE / 1000, 120, n / 8) for n in range(100, 200)),
        ],
        remember=False,
    )
    await wait_until(
        lambda: entry.runtime_data.vitals.messages > 0, "the first message"
    )
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await hass.async_block_till_done()
    handled = entry.runtime_data.vitals.messages
    left = QueueState(ready=202 - handled, unacknowledged=0, consumers=0)
    assert await administrator.queue_state(account.queue) == left

    await hass.config_entries.async_unload(entry.entry_id)
    await hass.config_entries.async_setup(entry.entry_id)
    await wait_for_number(hass, SERIAL, "total_power", 199 / 8)
    assert entry.runtime_data.vitals.messages == left.ready
    assert entry.runtime_data.vitals.redelivered == 0
    await entry.runtime_data.committer.flush()
    assert phases(events) == [("started", "435"), ("stopped", "435")]


async def test_stop_of_home_assistant_keeps_what_it_had_shown(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    monkeypatch: pytest.MonkeyPatch,
    now: datetime,
) -> None:
    """Values that no commit was due for yet are there on the next start."""
    monkeypatch.setattr(commit, "LIVE_PERIOD", NEVER)
    entry = await add_account(hass, cloud, account)
    for power in (1.5, 2.5):
        moment = now + power * MINUTE
        await account.publish(SERIAL, 120, power, timestamp=moment, remember=False)
    await wait_for_number(hass, SERIAL, "total_power", 2.5)
    await hass.async_block_till_done()
    await entry.runtime_data.committer.flush()
    await queue_is_empty(administrator, account)
    await account.publish(SERIAL, 120, 3.5, timestamp=now + 4 * MINUTE, remember=False)
    await wait_for_number(hass, SERIAL, "total_power", 3.5)
    assert (await administrator.queue_state(account.queue)).unacknowledged == 1
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await hass.async_block_till_done()
    empty = QueueState(ready=0, unacknowledged=0, consumers=0)
    assert await administrator.queue_state(account.queue) == empty
    await hass.config_entries.async_unload(entry.entry_id)
    await hass.config_entries.async_setup(entry.entry_id)
    assert float(state(hass, SERIAL, "total_power").state) == 3.5
    await wait_live(hass, entry)
    assert (
        entry.runtime_data.vitals.messages == entry.runtime_data.vitals.redelivered == 0
    )
