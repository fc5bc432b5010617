"""A tenant is set up, refused, asked for another token, changed."""

import asyncio
from http import HTTPStatus

from homeassistant.config_entries import SOURCE_RECONFIGURE
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import REFRESH_INTERVAL
from custom_components.ev_streams.providers.ampeco.api import AmpecoClient
from custom_components.ev_streams.providers.ampeco.notifications import (
    DEFAULT_NOTIFICATIONS,
)
from custom_components.ev_streams.webhooks import STREAMS
from simulator.ampeco import AmpecoTenant

from ..helpers import state, wait_for_question, wait_live, wait_until
from .helpers import (
    POINT,
    Caller,
    HomeAssistantClient,
    add_tenant,
    added,
    fill_in,
    form,
    only_subscription,
    open_form,
    reconfigure,
    url_of,
)
from .told import boot

SUBSCRIPTIONS = "/public-api/notifications/v2.0"
BOOT = boot()


async def lose_address(hass: HomeAssistant) -> None:
    """Know no address but that in the network, for which no certificate is made."""
    await hass.config.async_update(internal_url=None, external_url=None)
    assert hass.config.api is not None
    hass.config.api.use_ssl = True


async def test_without_a_tenant_the_user_is_told_what_to_enter(
    hass: HomeAssistant, client: HomeAssistantClient, caller: Caller
) -> None:
    done = await fill_in(hass, form(name=" Depot "))
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert done["title"] == "Depot"
    entry = done["result"]
    assert done["description"] == "ampeco_webhook"
    assert done["description_placeholders"] == {"url": url_of(hass, entry)}
    # Nobody can guess it.
    assert len(entry.data["webhook_id"]) == 64
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    assert await caller.call(entry, BOOT) == 202
    assert state(hass, POINT, "firmware").state == "1.8.32"


async def test_with_its_address_the_tenant_is_told_by_itself(
    hass: HomeAssistant, tenant: AmpecoTenant
) -> None:
    entry = await add_tenant(hass, tenant)
    subscription = only_subscription(tenant)
    assert subscription.callback_url == url_of(hass, entry)
    assert subscription.notifications == DEFAULT_NOTIFICATIONS
    assert subscription.token == "tenant-token"
    await tenant.notify(BOOT)
    assert subscription.failed == []
    assert state(hass, POINT, "firmware").state == "1.8.32"


async def test_an_old_tenant_is_asked_for_the_names_that_it_knows(
    hass: HomeAssistant, client: HomeAssistantClient, socket_enabled: None
) -> None:
    async with AmpecoTenant(is_old=True) as tenant:
        await add_tenant(hass, tenant)
        assert set(only_subscription(tenant).notifications) == {
            "BootNotification",
            "ChargePointChangedNotification",
            "CircuitConsumptionNotification",
            "HardwareStatusNotification",
            "NetworkStatusNotification",
            "SecurityEventNotification",
            "SessionMeterValuesNotification",
            "SessionStartStopNotification",
            "SessionUpdateNotification",
        }


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"api_token": "wrong"}, "invalid_auth"),
        ({"api_token": "powerless"}, "invalid_auth"),
        # Nobody listens there.
        ({"tenant_url": "http://127.0.0.1:9"}, "cannot_connect"),
        ({"tenant_url": "https://"}, "cannot_connect"),
        ({"tenant_url": "ftp://tenant.example.com"}, "cannot_connect"),
        ({"tenant_url": "our tenant"}, "cannot_connect"),
        ({"tenant_url": "http://tenant.example.com"}, "insecure_address"),
    ],
)
async def test_what_is_wrong_is_told_and_can_be_put_right(
    hass: HomeAssistant, tenant: AmpecoTenant, changes: dict[str, str], error: str
) -> None:
    tenant.tokens["powerless"] = False
    opened = await open_form(hass)
    again = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(tenant, **changes)
    )
    assert again["type"] is FlowResultType.FORM
    assert again["errors"] == {"base": error}
    assert tenant.subscriptions == {}
    done = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(tenant)
    )
    assert done["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    await wait_live(hass, done["result"])
    assert len(tenant.subscriptions) == 1


async def test_a_tenant_that_takes_no_subscription_is_not_set_up(
    hass: HomeAssistant, tenant: AmpecoTenant
) -> None:
    """Neither with the names of today nor with those of years ago."""
    tenant.known = frozenset({"BootNotification"})
    again = await fill_in(hass, form(tenant))
    assert again["errors"] == {"base": "subscription_refused"}
    tried = [each.status for each in tenant.requests if each.method == "POST"]
    assert tried == [HTTPStatus.UNPROCESSABLE_ENTITY] * 2


@pytest.mark.parametrize("closed", ["the dialog", "the browser"])
async def test_a_form_that_is_closed_meanwhile_leaves_nothing(
    hass: HomeAssistant,
    tenant: AmpecoTenant,
    monkeypatch: pytest.MonkeyPatch,
    closed: str,
) -> None:
    """The tenant would call for ever, and every other form would make one more."""
    subscribe = AmpecoClient.subscribe
    is_made, may_answer = asyncio.Event(), asyncio.Event()

    async def slowly(client: AmpecoClient, callback_url: str) -> str:
        made = await subscribe(client, callback_url)
        is_made.set()
        await may_answer.wait()
        return made

    monkeypatch.setattr(AmpecoClient, "subscribe", slowly)
    opened = await open_form(hass)
    flow = hass.config_entries.flow
    task = asyncio.create_task(flow.async_configure(opened["flow_id"], form(tenant)))
    await is_made.wait()
    assert len(tenant.subscriptions) == 1
    if closed == "the dialog":
        flow.async_abort(opened["flow_id"])
    else:
        # Home Assistant ends what a request is at with it.
        task.cancel()
    may_answer.set()
    await asyncio.wait({task})
    await wait_until(lambda: not tenant.subscriptions, "the end of the subscription")
    await hass.async_block_till_done()
    assert not hass.data[STREAMS]
    assert not hass.config_entries.async_entries(DOMAIN)


async def test_nobody_can_call_a_home_assistant_without_an_address(
    hass: HomeAssistant, tenant: AmpecoTenant
) -> None:
    await lose_address(hass)
    opened = await open_form(hass)
    again = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(tenant)
    )
    assert again["errors"] == {"base": "no_address"}
    # The tenant was asked, and nothing was made there.
    assert {each.method for each in tenant.requests} == {"GET"}
    assert not tenant.subscriptions


async def test_the_external_address_is_the_one_that_is_given(
    hass: HomeAssistant, tenant: AmpecoTenant
) -> None:
    await hass.config.async_update(external_url="https://home.example.com")
    entry = await add_tenant(hass, tenant)
    assert only_subscription(tenant).callback_url == (
        f"https://home.example.com/api/webhook/{entry.data['webhook_id']}"
    )


async def test_a_tenant_is_set_up_once(
    hass: HomeAssistant, tenant: AmpecoTenant
) -> None:
    """Else each notification would come twice; by hand there may be several."""
    await add_tenant(hass, tenant)
    again = await fill_in(hass, form(tenant, name="Again"))
    assert again["type"] is FlowResultType.ABORT
    assert again["reason"] == "already_configured"
    assert len(tenant.subscriptions) == 1
    for _ in range(2):
        await added(hass, form(name="By hand"))
    assert [entry.title for entry in hass.config_entries.async_entries(DOMAIN)] == [
        "Depot",
        "By hand",
        "By hand 2",
    ]


async def test_another_token_is_asked_for_and_signs_from_then_on(
    hass: HomeAssistant, tenant: AmpecoTenant, caller: Caller
) -> None:
    """The tenant refuses the old one while the stream runs."""
    entry = await add_tenant(hass, tenant)
    tenant.tokens = {"another": True}
    async_fire_time_changed(hass, dt_util.utcnow() + REFRESH_INTERVAL)
    asked = await wait_for_question(hass)
    wrong = await hass.config_entries.flow.async_configure(
        asked["flow_id"], {"api_token": "still wrong"}
    )
    assert wrong["errors"] == {"base": "invalid_auth"}
    done = await hass.config_entries.flow.async_configure(
        asked["flow_id"], {"api_token": "another"}
    )
    assert done["reason"] == "reauth_successful"
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    subscription = only_subscription(tenant)
    assert subscription.token == "another"
    await tenant.notify(BOOT)
    assert subscription.failed == []
    assert state(hass, POINT, "firmware").state == "1.8.32"
    assert await caller.call(entry, BOOT, token="tenant-token") == 401


async def test_who_may_not_list_charge_points_is_asked_for_no_other_token(
    hass: HomeAssistant, tenant: AmpecoTenant
) -> None:
    """Names are all that is missing then."""
    path = "/public-api/resources/charge-points"
    tenant.fail_next(path, status=403, times=100)
    await add_tenant(hass, tenant)
    await hass.async_block_till_done()
    await tenant.notify(BOOT)
    assert state(hass, POINT, "firmware").name == "Charge point 15 Firmware"
    assert hass.config_entries.flow.async_progress() == []


async def test_the_form_shows_what_is_known_but_the_token(
    hass: HomeAssistant, tenant: AmpecoTenant
) -> None:
    entry = await add_tenant(hass, tenant)
    opened = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_RECONFIGURE, "entry_id": entry.entry_id}
    )
    assert opened["description_placeholders"] == {"url": url_of(hass, entry)}
    assert opened["data_schema"] is not None
    shown = {str(each): each.description for each in opened["data_schema"].schema}
    assert shown == {
        "name": {"suggested_value": "Depot"},
        "api_token": None,
        "tenant_url": {"suggested_value": tenant.url},
    }


async def test_at_first_there_is_no_address_to_be_shown(
    hass: HomeAssistant, client: HomeAssistantClient
) -> None:
    opened = await open_form(hass)
    assert opened["description_placeholders"] == {"url": "—"}


async def test_without_an_address_the_form_still_opens(
    hass: HomeAssistant, tenant: AmpecoTenant
) -> None:
    entry = await add_tenant(hass, tenant)
    await lose_address(hass)
    opened = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_RECONFIGURE, "entry_id": entry.entry_id}
    )
    assert opened["type"] is FlowResultType.FORM
    assert opened["description_placeholders"] == {"url": "—"}


async def test_an_account_can_be_renamed(
    hass: HomeAssistant, tenant: AmpecoTenant
) -> None:
    """A token that is left out is kept, and so are subscription and address."""
    entry = await add_tenant(hass, tenant)
    await added(hass, form(name="Harbour"))
    before, url = only_subscription(tenant), url_of(hass, entry)
    done = await reconfigure(hass, entry, {"name": "Harbour", "tenant_url": tenant.url})
    assert done["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    assert entry.title == "Harbour 2"
    assert only_subscription(tenant) is before
    assert url_of(hass, entry) == url
    await tenant.notify(BOOT)
    assert before.failed == []


async def test_what_the_user_called_the_entry_elsewhere_stays(
    hass: HomeAssistant, tenant: AmpecoTenant
) -> None:
    entry = await add_tenant(hass, tenant)
    hass.config_entries.async_update_entry(entry, title="Mine")
    await reconfigure(hass, entry, form(tenant))
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    assert entry.title == "Mine"


async def test_with_another_token_the_subscription_is_made_anew(
    hass: HomeAssistant, tenant: AmpecoTenant
) -> None:
    """It is the token of the subscription that signs, and not the newest one."""
    entry = await add_tenant(hass, tenant)
    tenant.tokens["another"] = True
    await reconfigure(hass, entry, form(tenant, api_token="another"))
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    subscription = only_subscription(tenant)
    assert subscription.token == "another"
    await tenant.notify(BOOT)
    assert subscription.failed == []


async def test_a_tenant_that_is_taken_out_of_the_form_calls_no_more(
    hass: HomeAssistant, tenant: AmpecoTenant, caller: Caller
) -> None:
    """It would have a subscription that nobody knows; by hand there may be one again."""
    entry = await add_tenant(hass, tenant)
    done = await reconfigure(hass, entry, {"name": "Depot"})
    assert done["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    assert tenant.subscriptions == {}
    assert entry.data["tenant_url"] == ""
    assert await caller.call(entry, BOOT) == 202
    # It is free for another entry.
    await add_tenant(hass, tenant, name="Other")


async def test_a_tenant_that_is_away_can_be_taken_out_of_the_form(
    hass: HomeAssistant, tenant: AmpecoTenant, caplog: pytest.LogCaptureFixture
) -> None:
    entry = await add_tenant(hass, tenant)
    await tenant.stop()
    done = await reconfigure(hass, entry, {"name": "Depot"})
    assert done["reason"] == "reconfigure_successful"
    assert "The tenant of before may go on calling" in caplog.text
    await hass.async_block_till_done()
    await wait_live(hass, entry)


async def test_a_tenant_can_be_added_to_what_was_entered_by_hand(
    hass: HomeAssistant, tenant: AmpecoTenant
) -> None:
    """The subscription of the back office is taken over: one more would send all twice."""
    entry = await added(hass, form())
    by_hand = tenant.subscribe_by_hand(
        ("BootNotification",), callback_url=url_of(hass, entry)
    )
    await reconfigure(hass, entry, form(tenant))
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    assert only_subscription(tenant) is by_hand
    assert by_hand.notifications == DEFAULT_NOTIFICATIONS
    await tenant.notify(BOOT)
    assert by_hand.failed == []


async def test_the_account_may_move_to_another_tenant(
    hass: HomeAssistant, tenant: AmpecoTenant
) -> None:
    entry = await add_tenant(hass, tenant)
    async with AmpecoTenant() as other:
        await reconfigure(hass, entry, form(other))
        await hass.async_block_till_done()
        await wait_until(lambda: bool(other.subscriptions), "the subscription")
        assert tenant.subscriptions == {}
        await other.notify(BOOT)
        assert only_subscription(other).failed == []
    assert state(hass, POINT, "firmware").state == "1.8.32"
