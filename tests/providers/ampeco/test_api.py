"""The API client against the played tenant: what it asks for, and what a refusal means."""

from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from custom_components.ev_streams.model import DeviceRecord
from custom_components.ev_streams.providers.ampeco import api
from custom_components.ev_streams.providers.ampeco.api import (
    AmpecoClient,
    Subscription,
    SubscriptionIdleError,
    SubscriptionRefusedError,
    TokenRefusedError,
    tenant_address,
)
from custom_components.ev_streams.stream.errors import ConnectionFailedError
from custom_components.ev_streams.stream.http import InsecureAddressError
from simulator.ampeco import AmpecoTenant, ChargePoint
from simulator.ampeco.subscriptions import Failed

CALLBACK = "https://home.example.com/api/webhook/0123456789abcdef"
SUBSCRIPTIONS = "/public-api/notifications/v2.0"
CHARGE_POINTS = "/public-api/resources/charge-points/v2.0"
NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("acme.charge.ampeco.tech", "https://acme.charge.ampeco.tech"),
        (" acme.charge.ampeco.tech/ ", "https://acme.charge.ampeco.tech"),
        ("https://acme.example.com/admin/x?y=1", "https://acme.example.com"),
        ("acme.example.com:8443", "https://acme.example.com:8443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
)
def test_an_address_is_taken_as_it_is_typed(typed: str, address: str) -> None:
    assert tenant_address(typed) == address


@pytest.mark.parametrize(
    "typed", ["", "https://", "ftp://acme.example.com", "a b://c", "our tenant"]
)
async def test_what_is_no_address_is_refused(
    session: aiohttp.ClientSession, typed: str
) -> None:
    with pytest.raises(ConnectionFailedError):
        AmpecoClient(session, typed, "tenant-token")


async def test_the_token_is_never_sent_in_clear_over_a_network(
    session: aiohttp.ClientSession,
) -> None:
    client = AmpecoClient(session, "http://acme.example.com", "tenant-token")
    with pytest.raises(InsecureAddressError):
        await client.subscriptions()


async def test_a_subscription_begins_changes_and_ends(
    client: AmpecoClient, tenant: AmpecoTenant
) -> None:
    assert await client.subscriptions() == []
    subscription_id = await client.subscribe(CALLBACK)
    (kept,) = tenant.subscriptions.values()
    assert str(kept.subscription_id) == subscription_id
    assert kept.via == "webhook"
    assert (kept.callback_url, kept.token) == (CALLBACK, "tenant-token")
    assert kept.notifications == (
        "HardwareStatusNotification",
        "NetworkStatusNotification",
        "SessionMeterValuesNotification",
        "session.start.stop.notification",
        "SessionUpdateNotification",
        "BootNotification",
        "chargePoint.changed",
        "evse.changed",
        "CircuitConsumptionNotification",
        "parkingSpace.occupancyStatus.changed",
        "SecurityEventNotification",
    )
    assert await client.update(subscription_id, CALLBACK + "0", ["BootNotification"])
    assert await client.subscriptions() == [
        Subscription(subscription_id=subscription_id, callback_url=CALLBACK + "0")
    ]
    (kept,) = tenant.subscriptions.values()
    assert kept.notifications == ("BootNotification",)
    await client.unsubscribe(subscription_id)
    assert tenant.subscriptions == {}
    await client.unsubscribe(subscription_id)
    assert not await client.update(subscription_id, CALLBACK)


async def test_the_callback_address_is_secret(client: AmpecoClient) -> None:
    await client.subscribe(CALLBACK)
    (subscription,) = await client.subscriptions()
    assert subscription.callback_url == CALLBACK
    assert CALLBACK not in repr(subscription)


async def test_an_old_tenant_is_asked_by_the_older_names(
    session: aiohttp.ClientSession,
) -> None:
    async with AmpecoTenant(is_old=True) as tenant:
        client = AmpecoClient(session, tenant.url, "tenant-token")
        wanted = ["session.start.stop.notification", "evse.changed", "BootNotification"]
        subscription_id = await client.subscribe(CALLBACK, wanted)
        (kept,) = tenant.subscriptions.values()
        older = ["SessionStartStopNotification", "BootNotification"]
        assert list(kept.notifications) == older
        assert await client.update(subscription_id, CALLBACK, wanted[:1])
        assert list(kept.notifications) == older[:1]
        assert [call.status for call in tenant.requests] == [422, 201, 422, 200]


@pytest.mark.parametrize("notifications", [[], ["nothing.known"]])
async def test_a_subscription_that_is_not_taken_says_so(
    client: AmpecoClient, notifications: list[str]
) -> None:
    with pytest.raises(SubscriptionRefusedError) as caught:
        await client.subscribe(CALLBACK, notifications)
    assert caught.value.form_error == "subscription_refused"


async def test_an_address_that_is_too_long_is_not_even_tried(
    client: AmpecoClient, tenant: AmpecoTenant
) -> None:
    await client.subscribe(CALLBACK.ljust(500, "0"))
    with pytest.raises(SubscriptionRefusedError) as caught:
        await client.subscribe(CALLBACK.ljust(501, "0"))
    assert CALLBACK not in str(caught.value)
    assert len(tenant.requests) == 1


@pytest.mark.parametrize("token", ["guessed", "of-a-guest"])
async def test_a_token_without_the_rights_is_a_refused_account(
    tenant: AmpecoTenant, session: aiohttp.ClientSession, token: str
) -> None:
    tenant.tokens["of-a-guest"] = False
    client = AmpecoClient(session, tenant.url, token)
    for call in (
        client.subscriptions(),
        client.subscribe(CALLBACK),
        client.update("301", CALLBACK),
        client.unsubscribe("301"),
        client.resend("301", []),
        client.charge_points(),
    ):
        with pytest.raises(TokenRefusedError) as caught:
            await call
        assert caught.value.form_error == "invalid_auth"
        assert token not in str(caught.value)


async def test_a_limit_says_how_long_to_wait(
    client: AmpecoClient, tenant: AmpecoTenant
) -> None:
    tenant.fail_next("/", status=429, headers={"Retry-After": "17"})
    with pytest.raises(ConnectionFailedError) as caught:
        await client.charge_points()
    assert caught.value.retry_after == 17
    tenant.calls_a_minute = 1
    await client.charge_points()
    with pytest.raises(ConnectionFailedError) as caught:
        await client.charge_points()
    assert caught.value.retry_after is not None
    assert 1 <= caught.value.retry_after <= 60


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {}),
        (503, None),
        (302, None),
        (404, {}),
        (200, "<html>maintenance</html>"),
        (200, []),
        (200, {"data": {}}),
        (200, None),
    ],
)
async def test_an_answer_that_does_not_help_is_worth_another_try(
    client: AmpecoClient, tenant: AmpecoTenant, status: int, body: object
) -> None:
    tenant.fail_next("/", status=status, body=body)
    with pytest.raises(ConnectionFailedError):
        await client.charge_points()
    assert len(await client.charge_points()) == 3


async def test_no_redirect_is_followed_for_it_could_lead_the_token_anywhere(
    client: AmpecoClient, tenant: AmpecoTenant
) -> None:
    tenant.fail_next("/", status=302, headers={"Location": f"{tenant.url}/elsewhere"})
    with pytest.raises(ConnectionFailedError):
        await client.charge_points()
    assert [call.path for call in tenant.requests] == [CHARGE_POINTS]


async def test_so_is_none_and_a_tenant_that_is_away(
    client: AmpecoClient, tenant: AmpecoTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "REQUEST_TIMEOUT", 0.1)
    tenant.hang_next("/")
    with pytest.raises(ConnectionFailedError):
        await client.charge_points()
    await tenant.stop()
    with pytest.raises(ConnectionFailedError):
        await client.charge_points()


async def test_a_subscription_without_an_id_is_none(
    client: AmpecoClient, tenant: AmpecoTenant
) -> None:
    tenant.fail_next(SUBSCRIPTIONS, status=201, body={"data": {"via": "webhook"}})
    with pytest.raises(ConnectionFailedError):
        await client.subscribe(CALLBACK)


async def test_charge_points_come_with_their_names_and_outlets(
    client: AmpecoClient,
) -> None:
    assert await client.charge_points() == [
        DeviceRecord(
            device_id="15",
            name="Depot gate",
            model="Terra AC W22",
            serial_number="TACW2241023T0099",
        ),
        DeviceRecord(device_id="evse_27", name="EVSE A", parent_id="15"),
        DeviceRecord(device_id="evse_28", name="EVSE B", parent_id="15"),
    ]


async def test_a_list_of_several_pages_is_read_to_its_end(
    client: AmpecoClient, tenant: AmpecoTenant
) -> None:
    tenant.charge_points = [
        ChargePoint(point_id=number, name=f"Post {number}", evses=())
        for number in range(1, 251)
    ]
    records = await client.charge_points()
    assert [each.name for each in records] == [f"Post {n}" for n in range(1, 251)]
    assert len(tenant.requests) == 3


async def test_a_list_without_an_end_is_left(
    client: AmpecoClient, tenant: AmpecoTenant
) -> None:
    link = "https://elsewhere.example.com/public-api/x?cursor=again"
    page = {"data": [{"id": 1, "name": "Post"}], "links": {"next": link}}
    tenant.fail_next(CHARGE_POINTS, status=200, body=page, times=1000)
    assert len(await client.charge_points()) == 50
    # The link leads to another host; the token stays with the tenant.
    assert len(tenant.requests) == 50
    assert tenant.requests[-1].query == "per_page=100&cursor=again"


@pytest.mark.parametrize("link", [None, 4, "http://[", "", "?per_page=100"])
async def test_a_link_that_leads_nowhere_ends_the_list(
    client: AmpecoClient, tenant: AmpecoTenant, link: object
) -> None:
    entries = [{"id": 1, "name": "Post"}, {"name": "without an id"}, "no object"]
    page = {"data": entries, "links": {"next": link}}
    tenant.fail_next(CHARGE_POINTS, status=200, body=page, times=1000)
    assert await client.charge_points() == [DeviceRecord(device_id="1", name="Post")]


async def test_a_subscription_of_somebody_else_is_listed_as_far_as_it_is_legible(
    client: AmpecoClient, tenant: AmpecoTenant
) -> None:
    page = {
        "data": [
            {"id": "9", "via": "kafka", "notifications": ["BootNotification", 4]},
            {"via": "webhook"},
            {"id": 10, "notifications": None, "webhook": {"callbackUrl": 4}},
        ]
    }
    tenant.fail_next(SUBSCRIPTIONS, status=200, body=page)
    assert await client.subscriptions() == [
        Subscription(subscription_id="9"),
        Subscription(subscription_id="10"),
    ]


async def test_what_failed_can_be_asked_for_every_fifteen_minutes(
    client: AmpecoClient, tenant: AmpecoTenant
) -> None:
    subscription_id = await client.subscribe(CALLBACK)
    assert await client.resend(subscription_id, ["BootNotification"])
    assert not await client.resend(subscription_id, ["BootNotification"])
    tenant.resend_pause = timedelta()
    assert await client.resend(subscription_id, ["BootNotification"])
    tenant.subscriptions[int(subscription_id)].is_disabled = True
    with pytest.raises(SubscriptionIdleError):
        await client.resend(subscription_id, ["BootNotification"])


async def test_what_failed_whenever_it_was_is_sent_once_more(
    client: AmpecoClient, tenant: AmpecoTenant
) -> None:
    subscription = tenant.subscribe_by_hand(
        ("BootNotification",), callback_url=f"{tenant.url}/nobody"
    )
    early, late = (
        Failed(name="BootNotification", body=b"{}", at=NOW - hours * HOUR)
        for hours in (50, 1)
    )
    subscription.failed = [early, late]
    assert await client.resend(str(subscription.subscription_id), ["BootNotification"])
    await tenant.settle()
    # Nobody took them: they are to be asked for again.
    assert [call.path for call in tenant.requests].count("/nobody") == 2
    assert subscription.failed == [early, late]
