"""Notifications in a topic: what they become, what is committed, what survives."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from homeassistant.core import HomeAssistant
import pytest

from custom_components.ev_streams.batch import Batch
from custom_components.ev_streams.store import StoreUnavailableError
from custom_components.ev_streams.stream import kafka_reader
from custom_components.ev_streams.stream.kafka import KafkaEndpoint
from simulator.ampeco import encoded, notifications
from tests.stream.kafka_helpers import running

from ..helpers import (
    issue,
    phases,
    record_event_entities,
    state,
    wait_for_issue,
    wait_for_number,
    wait_for_state,
    wait_live,
    wait_until,
)
from .helpers import Cluster, add_cluster

pytestmark = pytest.mark.xdist_group("kafka")

POINT, EVSE = 12, 3
NOW = datetime.now(UTC).replace(microsecond=0)


def session(
    action: str, session_id: int, begin: datetime, end: datetime | None = None
) -> dict[str, Any]:
    """Return the notification of a start or a stop; 11 kWh are charged."""
    return notifications.session_start_stop(
        action,
        session_id=session_id,
        charge_point_id=POINT,
        evse_id=EVSE,
        started_at=begin,
        stopped_at=end,
        meter_start=1_000_000,
        meter_stop=1_011_000 if end else 0,
    )


async def test_notifications_become_states_and_events(
    hass: HomeAssistant, cluster: Cluster
) -> None:
    entry = await add_cluster(hass, cluster, "SASL_SSL")
    fired = record_event_entities(hass, "charging_session")
    begin, end = NOW - timedelta(minutes=4), NOW - timedelta(minutes=1)
    await cluster.say(
        notifications.network_status(POINT, NOW, "available"),
        session("start", 77, begin),
        notifications.session_meter_values(
            charge_point_id=POINT,
            evse_id=EVSE,
            session_id=77,
            moment=end,
            values=[("Energy Active Import Register", 1_011_000, "Wh")],
        ),
        session("stop", 77, begin, end),
    )
    await wait_until(lambda: len(fired) == 2, "start and stop")
    assert phases(fired) == [("started", "77"), ("stopped", "77")]
    assert fired[1]["device"] == str(POINT)
    assert fired[1]["energy"] == 11.0
    assert fired[1]["evse"] == str(EVSE)
    assert state(hass, str(POINT), "online").state == "on"
    await wait_for_number(hass, f"evse_{EVSE}", "lifetime_energy", 1011.0)
    await hass.config_entries.async_unload(entry.entry_id)
    assert await cluster.committed() == 4


async def test_what_cannot_be_read_is_passed_over(
    hass: HomeAssistant, cluster: Cluster
) -> None:
    entry = await add_cluster(hass, cluster)
    await cluster.produce([b"\xff", b"", b"[]", b"{}"])
    await cluster.say(notifications.network_status(POINT, NOW, "available"))
    await wait_until(lambda: entry.runtime_data.vitals.messages == 5, "all of them")
    await wait_for_state(hass, str(POINT), "online", "on")
    assert entry.runtime_data.refusals.counts == {
        "not_json": 2,
        "not_an_object": 1,
        "no_notification": 1,
    }
    await hass.config_entries.async_unload(entry.entry_id)
    assert await cluster.committed() == 5


async def test_nothing_is_committed_that_is_not_on_the_disk(
    hass: HomeAssistant, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk is full nothing is; then what had come has its effect once."""
    entry = await add_cluster(hass, cluster)
    coordinator = entry.runtime_data
    fired = record_event_entities(hass, "charging_session")

    async def full(_batch: Batch) -> None:
        raise StoreUnavailableError("SQLITE_FULL")

    with monkeypatch.context() as broken:
        broken.setattr(coordinator.store, "commit", full)
        await cluster.say(session("start", 78, NOW))
        await wait_until(lambda: len(fired) == 1, "the start")
        await wait_for_issue(hass, entry, "store_unavailable")
        await hass.config_entries.async_unload(entry.entry_id)
        assert await cluster.committed() == 0
    await hass.config_entries.async_setup(entry.entry_id)
    await wait_live(hass, entry)
    await wait_until(lambda: entry.runtime_data.vitals.messages == 1, "it once more")
    await hass.config_entries.async_unload(entry.entry_id)
    assert await cluster.committed() == 1


async def test_a_notification_that_comes_again_has_one_effect(
    hass: HomeAssistant, cluster: Cluster
) -> None:
    """In whichever partition, and after a restart."""
    entry = await add_cluster(hass, cluster)
    fired = record_event_entities(hass, "message")
    boot = notifications.boot(POINT, NOW)
    await cluster.say(boot, boot)
    await cluster.say(boot, partition=1)
    await wait_until(lambda: entry.runtime_data.vitals.messages == 3, "all three")
    assert len(fired) == 1
    await hass.config_entries.async_reload(entry.entry_id)
    await wait_live(hass, entry)
    await cluster.say(boot)
    await wait_until(lambda: entry.runtime_data.vitals.repeated == 1, "the fourth")
    assert len(fired) == 1


async def test_all_arrives_though_the_broker_restarts(
    hass: HomeAssistant, cluster: Cluster
) -> None:
    entry = await add_cluster(hass, cluster)
    fired = record_event_entities(hass, "charging_session")
    await cluster.say(*(session("start", number, NOW) for number in range(100, 120)))
    await asyncio.to_thread(cluster.broker.stop)
    await asyncio.to_thread(cluster.broker.start)
    await cluster.say(*(session("start", number, NOW) for number in range(120, 140)))
    await wait_until(lambda: len(fired) >= 40, "all starts")
    await wait_live(hass, entry)
    told = [each["session_id"] for each in fired]
    assert sorted(told) == sorted({str(number) for number in range(100, 140)})


async def test_who_shares_the_group_is_told(
    hass: HomeAssistant, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another Home Assistant of the same group takes half of the messages."""
    monkeypatch.setattr(kafka_reader, "WATCH_INTERVAL", 0.1)
    entry = await add_cluster(hass, cluster)
    other = KafkaEndpoint(
        brokers=(cluster.broker.address(),), topic=cluster.topic, group_id=cluster.group
    )
    async with running(other):
        await wait_for_issue(hass, entry, "shared_source")
    await wait_until(
        lambda: issue(hass, entry, "shared_source") is None, "the end of the issue"
    )


async def test_a_topic_that_is_deleted_is_told(
    hass: HomeAssistant, cluster: Cluster
) -> None:
    entry = await add_cluster(hass, cluster)
    await asyncio.to_thread(cluster.administrator.delete_topic, cluster.topic)
    raised = await wait_for_issue(hass, entry, "source_gone")
    assert raised.translation_placeholders is not None
    assert raised.translation_placeholders["source"] == cluster.topic


async def test_after_transactions_that_waited_what_comes_is_new(
    hass: HomeAssistant, cluster: Cluster
) -> None:
    """Their marks are no messages: a count of offsets would go on replaying."""
    boots = [
        encoded(notifications.boot(POINT, NOW - timedelta(seconds=second)))
        for second in range(120)
    ]
    await asyncio.to_thread(
        cluster.administrator.produce_in_transactions, cluster.topic, boots
    )
    entry = await add_cluster(hass, cluster)
    assert entry.runtime_data.vitals.messages == 120
    account = str(entry.unique_id)
    await wait_for_state(hass, account, "backlog", "0")
    fired = record_event_entities(hass, "message")
    latest = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    await cluster.say(notifications.boot(POINT, latest))
    await wait_until(lambda: bool(fired), "what is new")
    (told,) = [each for each in fired if each["occurred_at"] == latest.isoformat()]
    assert told["replayed"] is False
