"""Whoever calls hears 202 when what it said is on the disk, and else what is wrong."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
import json
import sqlite3
from typing import Any

from homeassistant.components import webhook as ha_webhook
from homeassistant.config_entries import ConfigEntryDisabler, ConfigEntryState
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from homeassistant.util.aiohttp import MockRequest
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ev_streams import commit, store as store_module
from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from custom_components.ev_streams.storage import store_path
from custom_components.ev_streams.stream import webhook
from simulator.ampeco import AmpecoTenant, encoded, events, notifications, signature

from ..helpers import (
    issue,
    record_event_entities,
    state,
    stored_values,
    wait_for_number,
    wait_for_state,
    wait_until,
)
from .helpers import (
    EVSE,
    EVSE_DEVICE,
    POINT,
    TOKEN,
    Caller,
    HomeAssistantClient,
    add_tenant,
    added,
    fill_in,
    form,
    only_subscription,
)

NOW = dt_util.utcnow().replace(microsecond=0)
SECOND = timedelta(seconds=1)
LARGEST = 262_144
BOOT = notifications.boot(int(POINT), NOW)
CLOUDHOOK = "https://hooks.nabu.casa/gAAAAABm"


@pytest.fixture
async def entry(
    hass: HomeAssistant, client: HomeAssistantClient
) -> EvStreamsConfigEntry:
    """Add an account that somebody has subscribed by hand."""
    return await added(hass, form())


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commit and try again within moments: the pace is no matter here."""
    monkeypatch.setattr(commit, "LIVE_PERIOD", 0.05)
    monkeypatch.setattr(commit, "RETRY_AFTER", 0.05)
    monkeypatch.setattr(store_module, "BUSY_TIMEOUT", 0.05)


@contextmanager
def locked(hass: HomeAssistant, entry: EvStreamsConfigEntry) -> Iterator[None]:
    """Keep the file from being written, as somebody may who looks into it."""
    path = store_path(hass, entry.entry_id)
    with closing(sqlite3.connect(path, autocommit=True)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def meter(value: float, evse: str = EVSE) -> notifications.Notification:
    """The register of an outlet in kWh, told a moment later the higher it is."""
    return notifications.session_meter_values(
        charge_point_id=int(POINT),
        evse_id=int(evse),
        session_id=70001,
        moment=NOW - timedelta(minutes=2) + value * SECOND,
        values=[("Energy Active Import Register", value * 1000, "Wh")],
    )


async def test_what_is_accepted_is_on_the_disk(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, caller: Caller
) -> None:
    for value in range(1, 6):
        assert await caller.call(entry, meter(value)) == 202
        in_file = await stored_values(hass, entry, EVSE_DEVICE)
        assert in_file["lifetime_energy"] == value


async def test_nothing_is_accepted_before_it_is_on_the_disk(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, caller: Caller
) -> None:
    """The user sees what came at once, the caller waits."""
    await caller.call(entry, meter(1))
    with locked(hass, entry):
        call = asyncio.create_task(caller.call(entry, meter(2)))
        await wait_for_number(hass, EVSE_DEVICE, "lifetime_energy", 2)
        await wait_until(
            lambda: issue(hass, entry, "store_unavailable") is not None, "the issue"
        )
        assert not call.done()
        assert (await stored_values(hass, entry, EVSE_DEVICE))["lifetime_energy"] == 1
    assert await call == 202
    assert (await stored_values(hass, entry, EVSE_DEVICE))["lifetime_energy"] == 2


async def test_what_cannot_be_written_is_to_come_again(
    hass: HomeAssistant,
    entry: EvStreamsConfigEntry,
    caller: Caller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And has one effect then, for it was seen before."""
    await caller.call(entry, meter(1))
    messages = record_event_entities(hass, "message")
    monkeypatch.setattr(webhook, "ACK_TIMEOUT", 0.1)
    with locked(hass, entry):
        assert await caller.call(entry, BOOT) == 503
        assert await caller.call(entry, BOOT) == 503
        assert await stored_values(hass, entry, POINT) == {}
    monkeypatch.setattr(webhook, "ACK_TIMEOUT", 60.0)
    assert await caller.call(entry, BOOT) == 202
    assert (await stored_values(hass, entry, POINT))["firmware"] == "1.8.32"
    assert len(messages) == 1


@pytest.mark.parametrize("is_base64", [False, True])
async def test_both_writings_of_a_signature_are_taken(
    hass: HomeAssistant, tenant: AmpecoTenant, is_base64: bool
) -> None:
    await add_tenant(hass, tenant)
    tenant.sender.is_base64 = is_base64
    await tenant.notify(BOOT)
    assert only_subscription(tenant).failed == []
    assert state(hass, POINT, "firmware").state == "1.8.32"


@pytest.mark.parametrize(
    "signed",
    [
        "",
        "sha256=",
        "0" * 64,
        signature(encoded(BOOT), "another token"),
        signature(encoded(meter(1)), TOKEN),
        signature(encoded(BOOT), TOKEN)[:-2],
        "Zm9vYmFy" * 100,
    ],
    ids=["empty", "prefix", "zeros", "token", "body", "cut", "long"],
)
async def test_who_does_not_have_the_token_is_turned_away(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, caller: Caller, signed: str
) -> None:
    assert await caller.call(entry, BOOT, signed=signed) == 401
    assert entry.runtime_data.vitals.messages == 0
    # Of devices that were never told of there is nothing.
    assert entry.runtime_data.inventory.listed == {}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"\xff"', b"null", b"rubbish"])
async def test_what_is_no_object_is_malformed(
    entry: EvStreamsConfigEntry, caller: Caller, body: bytes
) -> None:
    assert await caller.call(entry, body) == 400
    assert entry.runtime_data.vitals.messages == 0


async def test_what_is_no_notification_is_counted_and_does_not_come_again(
    entry: EvStreamsConfigEntry, caller: Caller
) -> None:
    assert await caller.call(entry, {"chargePointId": 15}) == 202
    assert entry.runtime_data.refusals.counts == {"no_notification": 1}


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_what_is_too_large_is_not_taken(
    entry: EvStreamsConfigEntry, caller: Caller, is_chunked: bool
) -> None:
    fits = encoded(BOOT).ljust(LARGEST)
    assert await caller.call(entry, fits, is_chunked=is_chunked) == 202
    assert await caller.call(entry, fits + b" ", is_chunked=is_chunked) == 413


async def test_more_than_home_assistant_takes_is_too_large_as_well(
    entry: EvStreamsConfigEntry, caller: Caller
) -> None:
    """Its own limit breaks off the reading; what handles it would be answered 200."""
    endless = b" " * (16 * 1024**2 + 1)
    assert await caller.call(entry, endless, is_chunked=True) == 413


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_only_posts_are_calls(
    entry: EvStreamsConfigEntry, caller: Caller, method: str
) -> None:
    assert await caller.call(entry, BOOT, method=method) == 405


async def test_while_nobody_takes_calls_they_are_to_come_again(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, caller: Caller
) -> None:
    """Home Assistant's own answer to what it does not know is 200, and all would be lost."""
    await hass.config_entries.async_unload(entry.entry_id)
    assert await caller.call(entry, BOOT) == 503
    assert await caller.call(entry, BOOT, signed="wrong") == 401
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert await caller.call(entry, BOOT) == 202


def known_entry(**changes: Any) -> MockConfigEntry:
    """An account that was added by hand before Home Assistant started."""
    return MockConfigEntry(
        domain=DOMAIN,
        title="Depot",
        unique_id="ampeco_webhook_0123",
        data={
            "provider": "ampeco_webhook",
            "name": "Depot",
            "api_token": TOKEN,
            "tenant_url": "",
            "webhook_id": "0123",
        },
        **changes,
    )


async def test_after_a_start_calls_are_to_come_again_from_the_first_moment_on(
    hass: HomeAssistant, client: HomeAssistantClient, caller: Caller
) -> None:
    entry = known_entry()
    entry.add_to_hass(hass)
    hass.set_state(CoreState.starting)
    assert await async_setup_component(hass, DOMAIN, {})
    await hass.async_block_till_done()
    assert await caller.call(entry, BOOT) == 503


@contextmanager
def no_place_for_files(hass: HomeAssistant) -> Iterator[None]:
    """Let there be no folder for files, as on a disk that is broken."""
    folder = store_path(hass, "any").parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("in the way")
    yield
    folder.unlink()


async def test_calls_of_a_new_account_wait_until_it_can_be_set_up(
    hass: HomeAssistant, client: HomeAssistantClient, caller: Caller
) -> None:
    """The user knows the address already, and so may the tenant."""
    # Another account has been there for long.
    assert await async_setup_component(hass, DOMAIN, {})
    with no_place_for_files(hass):
        entry = (await fill_in(hass, form()))["result"]
        await hass.async_block_till_done()
        assert entry.state is ConfigEntryState.SETUP_RETRY
        assert await caller.call(entry, BOOT) == 503
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert await caller.call(entry, BOOT) == 202
    assert state(hass, POINT, "firmware").state == "1.8.32"


async def test_calls_of_an_account_that_was_disabled_wait_until_it_can_be_set_up(
    hass: HomeAssistant, client: HomeAssistantClient, caller: Caller
) -> None:
    """At the start nobody registered its webhook."""
    entry = known_entry(disabled_by=ConfigEntryDisabler.USER)
    entry.add_to_hass(hass)
    assert await async_setup_component(hass, DOMAIN, {})
    await hass.async_block_till_done()
    with no_place_for_files(hass):
        await hass.config_entries.async_set_disabled_by(entry.entry_id, None)
        await hass.async_block_till_done()
        assert entry.state is ConfigEntryState.SETUP_RETRY
        assert await caller.call(entry, BOOT) == 503


async def test_too_many_at_once_are_to_come_again(
    hass: HomeAssistant,
    entry: EvStreamsConfigEntry,
    caller: Caller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhook, "AT_ONCE", 3)
    with locked(hass, entry):
        calls = [asyncio.create_task(caller.call(entry, meter(n))) for n in range(3)]
        await wait_until(lambda: entry.runtime_data.vitals.messages == 3, "the calls")
        assert await caller.call(entry, meter(3)) == 503
    assert await asyncio.gather(*calls) == [202] * 3
    assert await caller.call(entry, meter(3)) == 202


async def test_fifty_at_once_are_all_taken(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, caller: Caller
) -> None:
    """Of fifty outlets, each of them new."""
    numbers = range(100, 150)
    told = [meter(number - 99, str(number)) for number in numbers]
    statuses = await asyncio.gather(*(caller.call(entry, each) for each in told))
    assert statuses == [202] * 50
    await hass.async_block_till_done()
    shown = [
        float(state(hass, f"evse_{number}", "lifetime_energy").state)
        for number in numbers
    ]
    assert shown == list(range(1, 51))


async def test_a_notification_that_is_tried_again_has_one_effect(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, caller: Caller
) -> None:
    """Be it with the time of its first try, or with a new one; be it after a restart."""
    messages = record_event_entities(hass, "message")
    for seconds in (0, 0, 7, 31):
        at = NOW + seconds * SECOND
        assert await caller.call(entry, BOOT, sent_at=at) == 202
    assert len(messages) == 1
    await hass.config_entries.async_unload(entry.entry_id)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert await caller.call(entry, BOOT) == 202
    assert len(messages) == 1


async def test_what_has_no_time_is_told_apart_by_that_of_its_sending(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, caller: Caller
) -> None:
    messages = record_event_entities(hass, "message")
    transfer = events.data_transfer(int(POINT), "21.5")
    for seconds in (0, 0, 7):
        at = NOW + seconds * SECOND
        assert await caller.call(entry, transfer, sent_at=at) == 202
    assert len(messages) == 2


def relayed(body: bytes, signed: str | None = None) -> MockRequest:
    """A call as the cloud hands it over."""
    return MockRequest(
        content=body,
        mock_source="cloud",
        method="POST",
        headers={
            "content-type": "application/json",
            "x-signature": signature(body, TOKEN) if signed is None else signed,
            "x-timestamp": f"{NOW:%Y-%m-%dT%H:%M:%S.%f}Z",
        },
    )


async def test_calls_through_the_cloud_are_taken(
    hass: HomeAssistant, entry: EvStreamsConfigEntry
) -> None:
    """They are no requests of the web server's; signed is what is not ASCII, too."""
    told = notifications.hardware_status(
        int(POINT), NOW, "faulted", error_code="OtherError", info="Überspannung ⚡"
    )
    body = json.dumps(told, ensure_ascii=False).encode()
    webhook_id = entry.data["webhook_id"]

    async def status(request: MockRequest) -> int:
        response = await ha_webhook.async_handle_webhook(hass, webhook_id, request)
        return response.status

    assert await status(relayed(body, "wrong")) == 401
    assert await status(relayed(body)) == 202
    await wait_for_state(hass, POINT, "error_info", "Überspannung ⚡")
    assert await status(relayed(b'"\xff"')) == 400
    assert await status(relayed(b"{}".ljust(LARGEST + 1))) == 413
