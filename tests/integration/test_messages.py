"""What messages do to states and events, from the broker to the entity."""

from datetime import UTC, datetime, timedelta
import json
import random

import aio_pika
from homeassistant.core import HomeAssistant
import pytest

from custom_components.ev_streams.ledger import Verdict
from simulator.easee import EaseeAccount, EaseeCloud
from simulator.rabbitmq import Administrator, RabbitMQ

from .helpers import (
    SERIAL,
    add_account,
    entity_id,
    marker,
    queue_is_empty,
    record_events,
    record_states,
    session_json,
    state,
    wait_for_number,
    wait_for_state,
    wait_until,
)


async def test_first_values_come_from_the_snapshot(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """Right after setup the entities show what the cloud knows, though nothing was streamed."""
    moment = datetime.now(UTC) - timedelta(minutes=3)
    account.chargers[SERIAL].observations[120] = (moment, 4.25)
    account.chargers[SERIAL].observations[109] = (moment, 3)
    await add_account(hass, cloud, account)
    await wait_for_number(hass, SERIAL, "total_power", 4.25)
    await wait_for_state(hass, SERIAL, "charger_op_mode", "charging")


async def test_message_becomes_state(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """A measurement is shown with its unit, and the broker is told that it may forget it."""
    await add_account(hass, cloud, account)
    await account.publish(SERIAL, 120, 7.31)
    shown = await wait_for_number(hass, SERIAL, "total_power", 7.31)
    assert shown.attributes["unit_of_measurement"] == "kW"
    assert shown.attributes["device_class"] == "power"
    await queue_is_empty(administrator, account)


async def test_newest_wins(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """Whatever the order of arrival, the measurement made last is the one shown."""
    await add_account(hass, cloud, account)
    now = datetime.now(UTC)
    measurements = [(now + timedelta(seconds=n), float(n)) for n in range(1, 41)]
    shuffled = random.Random(7).sample(measurements, len(measurements))
    for moment, power in shuffled:
        await account.publish(SERIAL, 120, power, timestamp=moment)
    # A mark behind them all: when it shows, everything before it was handled.
    await account.publish(SERIAL, 150, 33)
    await wait_for_number(hass, SERIAL, "temp_max", 33)
    await wait_for_number(hass, SERIAL, "total_power", 40.0)


async def test_older_message_changes_nothing(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """A late straggler is acknowledged and forgotten; not even for a moment is it shown."""
    await add_account(hass, cloud, account)
    now = datetime.now(UTC)
    await account.publish(SERIAL, 120, 5.0, timestamp=now)
    await wait_for_number(hass, SERIAL, "total_power", 5.0)
    seen = record_states(hass, entity_id(hass, SERIAL, "total_power"))
    await account.publish(SERIAL, 120, 1.0, timestamp=now - timedelta(minutes=1))
    await account.publish(SERIAL, 150, 34)
    await wait_for_number(hass, SERIAL, "temp_max", 34)
    assert seen == []


async def test_duplicates_write_once(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """The same message ten times is one change of state."""
    await add_account(hass, cloud, account)
    moment = datetime.now(UTC)
    seen = record_states(hass, entity_id(hass, SERIAL, "total_power"))
    for _ in range(10):
        await account.publish(SERIAL, 120, 6.5, timestamp=moment)
    await account.publish(SERIAL, 150, 35)
    await wait_for_number(hass, SERIAL, "temp_max", 35)
    assert seen == ["6.5"]


async def test_redelivery_doubles_nothing(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    broker: RabbitMQ,
) -> None:
    """Messages that the broker delivers a second time end in the same states and events."""
    entry = await add_account(hass, cloud, account)
    events = record_events(hass)
    start = datetime.now(UTC) - timedelta(minutes=1)
    stop = start + timedelta(seconds=50)
    await account.publish(SERIAL, 223, session_json(start), timestamp=start)
    await wait_until(lambda: len(events) == 1, "the start of the session")
    await hass.config_entries.async_unload(entry.entry_id)

    await account.publish(SERIAL, 129, session_json(start, stop, 0.125), timestamp=stop)
    await account.publish(SERIAL, 120, 3.3)
    await _take_without_acknowledging(broker, account, 2)
    await hass.config_entries.async_setup(entry.entry_id)
    await wait_for_number(hass, SERIAL, "total_power", 3.3)
    await queue_is_empty(administrator, account)
    assert entry.runtime_data.vitals.redelivered == 2
    assert [event["event_type"] for event in events] == ["started", "stopped"]


async def _take_without_acknowledging(
    broker: RabbitMQ, account: EaseeAccount, count: int
) -> None:
    """Let a consumer die with messages in its hands, so that the broker must redeliver."""
    connection = await aio_pika.connect(
        host=broker.host,
        port=broker.port,
        login=account.amqp_username,
        password=account.amqp_password,
    )
    channel = await connection.channel()
    queue = await channel.get_queue(account.queue)
    for _ in range(count):
        assert await queue.get(timeout=5) is not None
    await connection.close()


async def test_two_chargers_do_not_mix(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """What one charger says never shows on the other."""
    account.add_charger("EH000002", name="Street")
    await add_account(hass, cloud, account)
    for number in range(20):
        await account.publish(SERIAL, 120, 1 + number / 100)
        await account.publish("EH000002", 120, 9 + number / 100)
    await wait_for_number(hass, SERIAL, "total_power", 1.19)
    await wait_for_number(hass, "EH000002", "total_power", 9.19)


async def test_500_malformed_among_500_good(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Rubbish costs a count and one line; every good message is applied, nothing is requeued."""
    entry = await add_account(hass, cloud, account)
    rubbish = [
        (f"{SERIAL}.O.120", b"not json at all, secret-token"),
        (f"{SERIAL}.O.120", b"[1, 2, 3]"),
        (f"{SERIAL}.O.120", b'{"Timestamp":"yesterday","Value":1}'),
        (f"{SERIAL}.O.120", b'{"Timestamp":"2026-11-20T05:01:01Z"}'),
        (f"{SERIAL}.O.120", b'{"Timestamp":"2026-11-20T05:01:01Z","Value":"much"}'),
        (f"{SERIAL}.O.103", b'{"Timestamp":"2026-11-20T05:01:01Z","Value":7}'),
        (f"{SERIAL}.O.129", b'{"Timestamp":"2026-11-20T05:01:01Z","Value":"{}"}'),
        (f"{SERIAL}.X.120", b"{}"),
        ("", b"{}"),
        (f"{SERIAL}.O.120", b"\xff\xfe\x00"),
    ]
    now = datetime.now(UTC)
    messages: list[tuple[str, bytes, None]] = []
    for number in range(500):
        messages.append((*rubbish[number % len(rubbish)], None))
        moment = (now + timedelta(milliseconds=number)).isoformat()
        body = json.dumps({"Timestamp": moment, "Value": number / 10}).encode()
        messages.append((f"{SERIAL}.O.120", body, None))
    await administrator.publish_many(account.exchange, messages)
    await wait_for_number(hass, SERIAL, "total_power", 49.9)
    await queue_is_empty(administrator, account)
    coordinator = entry.runtime_data
    assert coordinator.refusals.counts.total() == 500
    assert coordinator.vitals.messages == 1000
    assert coordinator.vitals.redelivered == 0
    assert coordinator.ledger.verdicts[Verdict.NEW] >= 500
    assert "secret-token" not in caplog.text
    warnings = [r for r in caplog.records if "cannot be decoded" in r.getMessage()]
    assert len(warnings) == len(coordinator.refusals.counts)


async def test_unknown_things_are_counted(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """Ids and kinds that no table knows are no error; they show in diagnostics."""
    entry = await add_account(hass, cloud, account)
    before = entry.runtime_data.refusals.counts.total()
    await account.publish(SERIAL, 9999, 1)
    await account.publish_raw(f"{SERIAL}.C.48.639000000000000000", b"{}")
    await account.publish_raw(f"{SERIAL}.CR.48.639000000000000000", b"{}")
    await account.publish_raw(f"{SERIAL}.P", b"")
    await account.publish_raw("SYS.1", b"")
    mark = marker(hass, account)
    await mark(37)
    assert entry.runtime_data.vitals.unknown == {
        "observation 9999": 1,
        "routing key C": 1,
        "routing key CR": 1,
        "routing key P": 1,
        "routing key SYS": 1,
    }
    assert entry.runtime_data.refusals.counts.total() == before


async def test_unknown_code_has_a_state(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A code from the vendor's future is shown by its number."""
    await add_account(hass, cloud, account)
    await account.publish(SERIAL, 109, 42)
    shown = await wait_for_state(hass, SERIAL, "charger_op_mode", "unknown_42")
    assert "unknown_42" in shown.attributes["options"]
    await account.publish(SERIAL, 109, 3)
    await wait_for_state(hass, SERIAL, "charger_op_mode", "charging")
    assert "Traceback" not in caplog.text


async def test_strangers_are_acknowledged_and_counted(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """An operator's queue may carry chargers that the account does not list."""
    entry = await add_account(hass, cloud, account)
    for _ in range(5):
        await account.publish("EH999999", 120, 1.0)
    await wait_until(
        lambda: entry.runtime_data.vitals.not_followed == 5, "the strangers"
    )
    await queue_is_empty(administrator, account)


async def test_offline_charger_keeps_its_settings(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """A charger that says it is offline has no power to show, but its limits still hold."""
    await add_account(hass, cloud, account)
    await account.publish(SERIAL, 120, 7.0)
    await account.publish(SERIAL, 47, 16.0)
    await wait_for_number(hass, SERIAL, "max_charger_current", 16.0)
    await account.publish(SERIAL, 250, False)
    await wait_for_state(hass, SERIAL, "total_power", "unavailable")
    assert float(state(hass, SERIAL, "max_charger_current").state) == 16.0
    assert state(hass, SERIAL, "connected_to_cloud").state == "off"
    await account.publish(SERIAL, 250, True)
    await wait_for_number(hass, SERIAL, "total_power", 7.0)


async def test_latency_is_measured_on_the_clouds_clock(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    every_entity_enabled: None,
) -> None:
    """Upload latency is cloud minus device, delivery latency is here minus cloud."""
    entry = await add_account(hass, cloud, account)
    now = datetime.now(UTC)
    await account.publish(
        SERIAL,
        120,
        2.0,
        timestamp=now - timedelta(seconds=9),
        arrival_time=now - timedelta(seconds=2),
        remember=False,
    )
    await wait_for_number(hass, SERIAL, "total_power", 2.0)
    assert float(state(hass, SERIAL, "upload_latency").state) == pytest.approx(7)
    delivery = float(state(hass, str(entry.unique_id), "delivery_latency").state)
    longest = datetime.now(UTC) - (now - timedelta(seconds=2))
    assert 2 <= delivery <= longest.total_seconds()

    # A straggler says nothing of how fast the charger is now.
    coordinator = entry.runtime_data
    await account.publish(
        SERIAL, 120, 9.0, timestamp=now - timedelta(hours=2), arrival_time=now
    )
    mark = marker(hass, account)
    await mark(46)
    assert coordinator.vitals.upload_latency[SERIAL] < timedelta(minutes=1)
