"""The tenant has one subscription that calls us, and sends again what we missed."""

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_STARTED, EVENT_HOMEASSISTANT_STOP
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import (
    REFRESH_INTERVAL,
    EvStreamsConfigEntry,
)
from custom_components.ev_streams.providers.ampeco.notifications import (
    DEFAULT_NOTIFICATIONS,
)
from simulator.ampeco import AmpecoTenant, events

from ..helpers import (
    phases,
    record_event_entities,
    state,
    wait_for_number,
    wait_live,
    wait_until,
)
from .helpers import (
    EVSE_DEVICE,
    POINT,
    Caller,
    add_tenant,
    only_subscription,
    url_of,
    wait_for_names,
)
from .told import MINUTE, NOW, boot, meter, start, stop


async def load_again(
    hass: HomeAssistant, tenant: AmpecoTenant, entry: EvStreamsConfigEntry
) -> None:
    """Load the entry, and wait until its subscription was seen to."""
    tenant.requests.clear()
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    await wait_for_names(tenant)


async def test_the_tenant_waits_until_home_assistant_has_started(
    hass: HomeAssistant, tenant: AmpecoTenant, caller: Caller
) -> None:
    """Before that nobody hears of a session; what comes is to come again."""
    entry = await add_tenant(hass, tenant)
    await hass.config_entries.async_unload(entry.entry_id)
    tenant.requests.clear()
    hass.set_state(CoreState.starting)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert tenant.requests == []
    assert await caller.call(entry, boot()) == 503
    hass.set_state(CoreState.running)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    await wait_for_names(tenant)
    assert await caller.call(entry, boot()) == 202


async def test_a_subscription_is_kept_over_a_reload(
    hass: HomeAssistant, tenant: AmpecoTenant
) -> None:
    entry = await add_tenant(hass, tenant)
    subscription = only_subscription(tenant)
    for _ in range(2):
        await hass.config_entries.async_unload(entry.entry_id)
        await load_again(hass, tenant, entry)
    assert only_subscription(tenant) is subscription
    assert subscription.notifications == DEFAULT_NOTIFICATIONS
    # Nor is it looked for: the id is known.
    assert [each.method for each in tenant.requests] == ["PUT", "POST", "GET"]
    await tenant.notify(boot())
    assert state(hass, POINT, "firmware").state == "1.8.32"


async def test_a_subscription_whose_id_got_lost_is_found(
    hass: HomeAssistant, tenant: AmpecoTenant
) -> None:
    """As after a backup of an earlier day."""
    tenant.subscribe_by_hand(("BootNotification",), callback_url="https://x.example")
    entry = await add_tenant(hass, tenant)
    await hass.config_entries.async_unload(entry.entry_id)
    known = {**entry.data, "subscription_id": None}
    hass.config_entries.async_update_entry(entry, data=known)
    await load_again(hass, tenant, entry)
    assert len(tenant.subscriptions) == 2
    await hass.config_entries.async_remove(entry.entry_id)
    assert only_subscription(tenant).callback_url == "https://x.example"


async def test_a_subscription_that_is_gone_is_made_again(
    hass: HomeAssistant, tenant: AmpecoTenant
) -> None:
    entry = await add_tenant(hass, tenant)
    await hass.config_entries.async_unload(entry.entry_id)
    tenant.subscriptions.clear()
    await load_again(hass, tenant, entry)
    assert only_subscription(tenant).callback_url == url_of(hass, entry)


async def test_a_subscription_that_goes_while_we_run_is_made_again_in_an_hour(
    hass: HomeAssistant, tenant: AmpecoTenant
) -> None:
    entry = await add_tenant(hass, tenant)
    tenant.subscriptions.clear()
    async_fire_time_changed(hass, dt_util.utcnow() + REFRESH_INTERVAL)
    await wait_until(lambda: bool(tenant.subscriptions), "the subscription")
    await hass.async_block_till_done()
    assert only_subscription(tenant).callback_url == url_of(hass, entry)
    # The next removal takes the right one away.
    await hass.config_entries.async_remove(entry.entry_id)
    assert tenant.subscriptions == {}


async def test_another_address_of_home_assistant_is_told_in_an_hour(
    hass: HomeAssistant, tenant: AmpecoTenant
) -> None:
    entry = await add_tenant(hass, tenant)
    subscription = only_subscription(tenant)
    await hass.config.async_update(external_url="https://moved.example.com")
    async_fire_time_changed(hass, dt_util.utcnow() + REFRESH_INTERVAL)
    moved = f"https://moved.example.com/api/webhook/{entry.data['webhook_id']}"
    await wait_until(lambda: subscription.callback_url == moved, "the new address")
    assert only_subscription(tenant) is subscription


async def test_a_tenant_that_takes_the_subscription_no_more_is_told_of_once(
    hass: HomeAssistant, tenant: AmpecoTenant, caplog: pytest.LogCaptureFixture
) -> None:
    """Calls are taken all the same."""
    entry = await add_tenant(hass, tenant)
    await hass.config_entries.async_unload(entry.entry_id)
    tenant.known = frozenset({"BootNotification"})
    await load_again(hass, tenant, entry)
    tenant.requests.clear()
    async_fire_time_changed(hass, dt_util.utcnow() + REFRESH_INTERVAL)
    await wait_for_names(tenant)
    assert caplog.text.count("Nothing new is subscribed") == 1
    await tenant.notify(boot())
    assert state(hass, POINT, "firmware").state == "1.8.32"


async def test_a_tenant_that_is_away_is_asked_later(
    hass: HomeAssistant, tenant: AmpecoTenant, caller: Caller
) -> None:
    entry = await add_tenant(hass, tenant)
    await hass.config_entries.async_unload(entry.entry_id)
    await tenant.stop()
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    await wait_live(hass, entry)
    assert await caller.call(entry, boot()) == 202
    await tenant.start()
    tenant.requests.clear()
    async_fire_time_changed(hass, dt_util.utcnow() + REFRESH_INTERVAL)
    await wait_for_names(tenant)
    assert [each.method for each in tenant.requests] == ["PUT", "POST", "GET"]


async def test_the_subscription_goes_with_the_entry(
    hass: HomeAssistant, tenant: AmpecoTenant, caller: Caller
) -> None:
    entry = await add_tenant(hass, tenant)
    await hass.config_entries.async_remove(entry.entry_id)
    assert tenant.subscriptions == {}
    # Whoever calls now learns from Home Assistant's answer nothing, not even this.
    assert await caller.call(entry, boot()) == 200


async def test_the_entry_goes_though_the_tenant_is_away(
    hass: HomeAssistant, tenant: AmpecoTenant, caplog: pytest.LogCaptureFixture
) -> None:
    entry = await add_tenant(hass, tenant)
    await tenant.stop()
    await hass.config_entries.async_remove(entry.entry_id)
    assert hass.config_entries.async_entries(DOMAIN) == []
    assert "Not all of Depot could be removed" in caplog.text


async def test_what_was_missed_is_sent_again_and_has_its_effect_once(
    hass: HomeAssistant, tenant: AmpecoTenant
) -> None:
    """Tried, tried again, given up, and sent again as soon as we are back."""
    entry = await add_tenant(hass, tenant)
    subscription = only_subscription(tenant)
    subscription.resent_at = None
    await tenant.notify(start())
    sessions = record_event_entities(hass, "charging_session")
    messages = record_event_entities(hass, "message")
    await hass.config_entries.async_unload(entry.entry_id)
    missed = [
        events.security_event(int(POINT), NOW - 2 * MINUTE, critical=True),
        meter(1005.2),
        stop(),
    ]
    for each in missed:
        await tenant.notify(each)
    assert len(subscription.failed) == 3
    await load_again(hass, tenant, entry)
    await tenant.settle()
    assert subscription.failed == []
    await wait_for_number(hass, EVSE_DEVICE, "lifetime_energy", 1005.2)
    await wait_until(lambda: len(sessions) == 2, "the stop")
    # They come once more, as when our answer got lost on the way.
    for each in missed:
        await tenant.notify(each)
    assert phases(sessions) == [("started", "70001"), ("stopped", "70001")]
    assert sessions[1]["energy"] == 5.2
    assert [(each["type"], each["kind"]) for each in messages] == [
        ("SecurityEventNotification", "TamperDetectionActivated")
    ]
    assert entry.runtime_data.vitals.repeated == 3


async def test_what_comes_as_home_assistant_stops_is_sent_again_after_the_start(
    hass: HomeAssistant, tenant: AmpecoTenant, caller: Caller
) -> None:
    entry = await add_tenant(hass, tenant)
    subscription = only_subscription(tenant)
    subscription.resent_at = None
    await tenant.notify(boot(NOW - MINUTE, "1.0"))
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await hass.async_block_till_done()
    await tenant.notify(boot(NOW, "2.0"))
    assert [each.name for each in subscription.failed] == ["BootNotification"]
    await hass.config_entries.async_unload(entry.entry_id)
    await load_again(hass, tenant, entry)
    await tenant.settle()
    assert subscription.failed == []
    assert state(hass, POINT, "firmware").state == "2.0"
