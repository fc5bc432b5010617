"""Losing the connection in every way there is, and coming back."""

import asyncio
from datetime import timedelta
from functools import partial
import logging
import ssl

import aio_pika
from aio_pika.abc import AbstractIncomingMessage
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from custom_components.ev_streams.providers.easee import account as easee_account, flow
from custom_components.ev_streams.stream import amqp, supervisor
from simulator.easee import EaseeAccount, EaseeCloud
from simulator.network import Link
from simulator.rabbitmq import Administrator, RabbitMQ

from .helpers import (
    SERIAL,
    add_account,
    form,
    issue,
    open_form,
    state,
    wait_for_issue,
    wait_for_number,
    wait_for_question,
    wait_for_state,
    wait_live,
    wait_until,
)


@pytest.fixture(autouse=True)
def brisk_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry within moments: the pace is the supervisor's own test, the ways are ours."""
    brisk = partial(supervisor.Backoff, initial=0.1, maximum=1)
    monkeypatch.setattr(supervisor, "Backoff", brisk)


async def wait_lost(hass: HomeAssistant, entry: EvStreamsConfigEntry) -> None:
    """Wait until the stream says that it is not connected."""
    await wait_for_state(hass, str(entry.unique_id), "connected", "off")


def log_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the integration told the user at info level or above."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("custom_components.ev_streams")
        and record.levelno >= logging.INFO
    ]


async def eat(message: AbstractIncomingMessage) -> None:
    """Take a message away, as another consumer does."""
    await message.ack()


async def test_dropped_connection(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A connection that the broker drops comes back; one line tells each, nothing is lost."""
    entry = await add_account(hass, cloud, account)
    await account.publish(SERIAL, 120, 5.5)
    await wait_for_number(hass, SERIAL, "total_power", 5.5)
    caplog.clear()
    for loss, power in enumerate((6.5, 7.5, 8.5), start=1):
        while len(log_lines(caplog)) < 2 * loss - 1:
            await administrator.close_connections(account.amqp_username)
            await asyncio.sleep(0.01)
        await account.publish(SERIAL, 120, power)
        await wait_for_number(hass, SERIAL, "total_power", power)
        await wait_live(hass, entry)
    told = log_lines(caplog)
    assert [line for line in told if "is disconnected" in line] == told[0::2]
    assert [line for line in told if "is connected again" in line] == told[1::2]
    assert len(told) == 6


async def test_broker_restart(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    broker: RabbitMQ,
    administrator: Administrator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A restarted broker is found again, with what it kept, after however many attempts."""
    entry = await add_account(hass, cloud, account)
    caplog.clear()
    await asyncio.to_thread(broker.restart)
    await wait_live(hass, entry)
    await account.publish(SERIAL, 120, 4.5)
    await wait_for_number(hass, SERIAL, "total_power", 4.5)
    told = log_lines(caplog)
    assert len(told) == 2
    assert "is disconnected" in told[0]
    assert "is connected again" in told[1]


async def test_network_gone_and_back(
    hass: HomeAssistant,
    administrator: Administrator,
    broker: RabbitMQ,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A line that goes silent without a word is noticed by its heartbeat, and recovered."""
    monkeypatch.setattr(amqp, "HEARTBEAT", 1)
    monkeypatch.setattr(amqp, "CONNECT_TIMEOUT", 2)
    async with (
        Link(broker.host, broker.port) as link,
        EaseeCloud(administrator, amqp_port=link.port) as cloud,
    ):
        account = await cloud.add_account("a@example.com", "a", operator_id=501)
        account.add_charger(SERIAL, name="Garage")
        entry = await add_account(hass, cloud, account)
        link.cut()
        await account.publish(SERIAL, 120, 2.5)
        await wait_lost(hass, entry)
        link.restore()
        await wait_for_number(hass, SERIAL, "total_power", 2.5)
        await wait_live(hass, entry)
        await hass.config_entries.async_unload(entry.entry_id)


async def test_entities_outlast_the_grace_time_only(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """For a minute the last values stand; then they are unavailable until the stream is back."""
    entry = await add_account(hass, cloud, account)
    await account.publish(SERIAL, 120, 3.5)
    await wait_for_number(hass, SERIAL, "total_power", 3.5)
    await administrator.delete_queue(account.queue)
    await wait_lost(hass, entry)
    now = dt_util.utcnow()
    async_fire_time_changed(hass, now + timedelta(seconds=55))
    await hass.async_block_till_done()
    assert state(hass, SERIAL, "total_power").state == "3.5"
    async_fire_time_changed(hass, now + timedelta(seconds=61))
    await hass.async_block_till_done()
    for key in ("total_power", "max_charger_current", "charging_session"):
        assert state(hass, SERIAL, key).state == "unavailable"
    assert state(hass, str(entry.unique_id), "connected").state == "off"
    await administrator.create_queue(account.queue, account.exchange)
    await wait_for_number(hass, SERIAL, "total_power", 3.5)
    assert state(hass, SERIAL, "max_charger_current").state != "unavailable"


async def test_rotated_password(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
) -> None:
    """A password that the vendor rotates is fetched anew, and nobody is asked."""
    entry = await add_account(hass, cloud, account)
    await account.rotate_amqp_password("rotated")
    await account.publish(SERIAL, 120, 1.5)
    await wait_for_number(hass, SERIAL, "total_power", 1.5)
    await wait_live(hass, entry)
    assert not hass.config_entries.flow.async_progress()


async def test_refused_by_the_broker_for_good(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """A password that fails even when fetched anew is the user's business, and tried no more."""
    entry = await add_account(hass, cloud, account)
    asked = len([r for r in cloud.requests if r.path.startswith("/api/streams/amqp")])
    await administrator.set_password(account.amqp_username, "unknown to the API")
    await administrator.close_connections(account.amqp_username)
    await wait_for_question(hass)
    status = state(hass, str(entry.unique_id), "stream_status")
    assert status.state == "credentials_refused"
    again = [r for r in cloud.requests if r.path.startswith("/api/streams/amqp")]
    assert len(again) == asked + 1


async def test_refused_account(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """An account whose login fails is asked about; the answer brings the stream back."""
    entry = await add_account(hass, cloud, account)
    account.set_password("changed by its owner")
    cloud.expire_tokens()
    cloud.expire_refresh_tokens()
    await account.rotate_amqp_password("rotated")
    asked = await wait_for_question(hass)
    await hass.config_entries.flow.async_configure(
        asked["flow_id"],
        {"username": account.username, "password": "changed by its owner"},
    )
    await hass.async_block_till_done()
    await wait_live(hass, entry)


async def test_queue_gone(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """A deleted queue is a repair issue with the cure, until the queue is there again."""
    entry = await add_account(hass, cloud, account)
    await administrator.delete_queue(account.queue)
    raised = await wait_for_issue(hass, entry, "source_gone")
    assert raised.translation_key == "easee_source_gone"
    assert raised.translation_placeholders == {
        "account": entry.title,
        "source": account.queue,
    }
    await administrator.create_queue(account.queue, account.exchange)
    await wait_live(hass, entry)
    assert issue(hass, entry, "source_gone") is None
    await account.publish(SERIAL, 120, 9.5)
    await wait_for_number(hass, SERIAL, "total_power", 9.5)


async def test_exclusive_consumer(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    broker: RabbitMQ,
) -> None:
    """Somebody who keeps the queue for himself is no matter of passwords; it passes."""
    entry = await add_account(hass, cloud, account)
    await hass.config_entries.async_unload(entry.entry_id)
    intruder = await aio_pika.connect(
        host=broker.host,
        port=broker.port,
        login=account.amqp_username,
        password=account.amqp_password,
    )
    queue = await (await intruder.channel()).get_queue(account.queue)
    await queue.consume(eat, exclusive=True)
    await hass.config_entries.async_setup(entry.entry_id)
    await wait_for_issue(hass, entry, "shared_source")
    assert not hass.config_entries.flow.async_progress()
    await intruder.close()
    await wait_live(hass, entry)


async def test_broker_that_takes_nobody_in_for_a_while(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """A virtual host that is full turns away a good password; nobody is asked for another."""
    entry = await add_account(hass, cloud, account)
    await administrator.limit_connections(0)
    await administrator.close_connections(account.amqp_username)
    await wait_lost(hass, entry)
    await wait_for_state(
        hass, str(entry.unique_id), "stream_status", "waiting_to_retry"
    )
    await administrator.limit_connections(None)
    await wait_live(hass, entry)
    assert not hass.config_entries.flow.async_progress()


async def test_api_that_errs_once_about_the_account(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A single refusal of the details does not end a stream that has worked."""
    monkeypatch.setattr(easee_account, "REFUSAL_RETRY", 0.1)
    entry = await add_account(hass, cloud, account)
    cloud.fail_next("/api/streams/amqp/v2", status=404, times=2)
    await account.rotate_amqp_password("rotated")
    await wait_lost(hass, entry)
    await wait_live(hass, entry)
    assert not hass.config_entries.flow.async_progress()


async def test_account_that_is_no_integration_account_any_more(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Refused again and again, the account is the user's business."""
    monkeypatch.setattr(easee_account, "REFUSAL_RETRY", 0.1)
    entry = await add_account(hass, cloud, account)
    cloud.fail_next("/api/streams/amqp/v2", status=403, times=100)
    await account.rotate_amqp_password("rotated")
    await wait_for_question(hass)
    status = state(hass, str(entry.unique_id), "stream_status")
    assert status.state == "credentials_refused"


async def test_ignored_repair_stays_ignored(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """A reload does not bring back what the user has put aside."""
    entry = await add_account(hass, cloud, account)
    await administrator.delete_queue(account.queue)
    await wait_for_issue(hass, entry, "source_gone")
    ir.async_ignore_issue(hass, DOMAIN, f"source_gone_{entry.entry_id}", ignore=True)
    await hass.config_entries.async_reload(entry.entry_id)
    await wait_lost(hass, entry)
    raised = issue(hass, entry, "source_gone")
    assert raised is not None
    assert raised.dismissed_version is not None


async def test_second_consumer(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    broker: RabbitMQ,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Somebody else on the queue takes half of the messages: that must be said."""
    monkeypatch.setattr(amqp, "WATCH_INTERVAL", 0.1)
    entry = await add_account(hass, cloud, account)
    for _ in range(3):
        await asyncio.sleep(0.1)
        assert issue(hass, entry, "shared_source") is None
    intruder = await aio_pika.connect(
        host=broker.host,
        port=broker.port,
        login=account.amqp_username,
        password=account.amqp_password,
    )
    channel = await intruder.channel()
    queue = await channel.get_queue(account.queue)
    await queue.consume(eat)
    await wait_for_issue(hass, entry, "shared_source")
    await intruder.close()
    await wait_until(lambda: issue(hass, entry, "shared_source") is None, "its end")


async def test_tls_is_verified(
    hass: HomeAssistant,
    administrator: Administrator,
    broker: RabbitMQ,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A broker whose certificate nobody vouches for is refused; a known one is used."""
    async with EaseeCloud(administrator, tls=True) as cloud:
        account = await cloud.add_account("a@example.com", "a", operator_id=502)
        account.add_charger(SERIAL, name="Garage")
        opened = await open_form(hass)
        filled = form(cloud, account)
        result = await hass.config_entries.flow.async_configure(
            opened["flow_id"], filled
        )
        assert result["errors"] == {"base": "bad_certificate"}

        trusting = await asyncio.to_thread(
            ssl.create_default_context, cafile=broker.ca_file
        )
        monkeypatch.setattr(flow, "get_default_context", lambda: trusting)
        entry = await add_account(hass, cloud, account)
        await account.publish(SERIAL, 120, 8.25)
        await wait_for_number(hass, SERIAL, "total_power", 8.25)
        await hass.config_entries.async_unload(entry.entry_id)
