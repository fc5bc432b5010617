"""The played tenant of AMPECO: what it charges, what it sends, and how its API answers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
import hashlib
import hmac
import json
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
import pytest

from simulator.ampeco import AmpecoTenant, ChargePoint, Evse, Routine, notifications

OUTLET = Evse(evse_id=27, physical_reference="A")
POINT = ChargePoint(point_id=15, name="Depot gate", evses=(OUTLET,))
DAY = date(2026, 11, 20)
ROUTINE = Routine(point=POINT, evse=OUTLET, first_day=DAY)
MORNING = datetime(2026, 11, 20, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
SUBSCRIPTIONS = "/public-api/notifications/v2.0"
BOOT = notifications.boot(15, MORNING)


@dataclass(slots=True)
class Calls:
    """A receiver of webhooks that answers as it is told, and 202 otherwise."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    taken: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)

    async def receive(self, request: web.Request) -> web.Response:
        self.taken.append((await request.read(), dict(request.headers)))
        return web.Response(status=self.answers.pop(0) if self.answers else 202)

    def bodies(self) -> list[Any]:
        return [json.loads(body) for body, _ in self.taken]


@pytest.fixture
async def calls(socket_enabled: None) -> AsyncIterator[Calls]:
    calls = Calls()
    application = web.Application()
    application.router.add_post("/hook", calls.receive)
    async with TestServer(application) as server:
        calls.url = str(server.make_url("/hook"))
        yield calls


@pytest.fixture
async def tenant(socket_enabled: None) -> AsyncIterator[AmpecoTenant]:
    async with AmpecoTenant() as tenant:
        tenant.sender.pause = 0
        yield tenant


@pytest.fixture
async def browser(tenant: AmpecoTenant) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": "Bearer tenant-token"}
    async with aiohttp.ClientSession(tenant.url, headers=headers) as session:
        yield session


def registers(begin: datetime, end: datetime) -> list[tuple[datetime, int]]:
    """What the meter of the outlet is told to be, and when."""
    return [
        (moment, entry["value"])
        for moment, notification in ROUTINE.notifications(begin, end)
        for entry in notification.get("meterValues", ())
        if entry["measurand"] == "Energy Active Import Register"
    ]


def test_a_session_charges_what_its_power_makes() -> None:
    """11 kW for 2 h 45 min, then 55 min on the way down to 1.1 kW: 6.05 kW on average."""
    start, stop = ROUTINE.start(DAY), ROUTINE.stop(DAY)
    charged = 11 * 2.75 + 6.05 * 55 / 60
    assert ROUTINE.energy_between(start, stop) == pytest.approx(charged)
    assert ROUTINE.energy_between(MORNING, MORNING + 24 * HOUR) == pytest.approx(
        charged
    )
    assert ROUTINE.energy_between(stop, stop + 19 * HOUR) == 0
    assert ROUTINE.energy_between(MORNING, MORNING + 240 * HOUR) == pytest.approx(
        10 * charged
    )


@pytest.mark.parametrize("hour", range(16, 23))
def test_the_energy_of_an_hour_is_its_power_summed_up(hour: int) -> None:
    begin = MORNING + hour * HOUR
    seconds = (begin + timedelta(seconds=each + 0.5) for each in range(3600))
    summed = sum(ROUTINE.power_at(each) for each in seconds) / 3_600_000
    assert ROUTINE.energy_between(begin, begin + HOUR) == pytest.approx(
        summed, abs=1e-3
    )


def test_a_session_may_last_over_midnight() -> None:
    late = Routine(point=POINT, evse=OUTLET, first_day=DAY, begins_at=time(22, 30))
    midnight = MORNING + 24 * HOUR
    assert late.energy_between(midnight - HOUR, midnight) == pytest.approx(11)
    assert late.energy_between(midnight, midnight + HOUR) == pytest.approx(11)
    told = list(late.notifications(midnight, midnight + 3 * HOUR))
    assert told[0][0] == midnight
    assert told[-1][1]["hardwareStatus"] == "available"


def test_the_register_that_is_told_is_the_true_one() -> None:
    told = registers(MORNING, MORNING + 48 * HOUR)
    assert len(told) == 2 * 220
    for moment, value in told:
        assert value == round(ROUTINE.meter_at(moment))
    assert told[0][0] == ROUTINE.start(DAY) + MINUTE


def test_the_same_is_told_of_a_time_however_it_is_asked_for() -> None:
    end = MORNING + 72 * HOUR
    whole = list(ROUTINE.notifications(MORNING, end))
    parts = []
    for hour in range(72):
        begin = MORNING + hour * HOUR
        parts += list(ROUTINE.notifications(begin, begin + HOUR))
    assert parts == whole
    assert [moment for moment, _ in whole] == sorted(moment for moment, _ in whole)
    assert list(ROUTINE.notifications(MORNING - 240 * HOUR, MORNING)) == []


def test_a_session_is_told_from_its_start_to_its_stop() -> None:
    told = [body for _, body in ROUTINE.notifications(MORNING, MORNING + 24 * HOUR)]
    names = [body["notification"] for body in told]
    assert names.count("session.start.stop.notification") == 2
    statuses = [body["hardwareStatus"] for body in told if "hardwareStatus" in body]
    assert statuses == ["preparing", "charging", "finishing", "available"]
    start, stop = (body for body in told if "meterStart" in body)
    assert (start["action"], stop["action"]) == ("start", "stop")
    assert start["sessionId"] == stop["sessionId"] == 70001
    assert stop["energyConsumed"] == stop["meterStop"] - stop["meterStart"] == 35796


async def test_a_notification_is_signed_with_the_token_of_its_subscription(
    tenant: AmpecoTenant, calls: Calls
) -> None:
    tenant.subscribe_by_hand(
        ("BootNotification",), callback_url=calls.url, token="mine"
    )
    await tenant.notify(BOOT)
    await tenant.notify(notifications.network_status(15, MORNING, "available"))
    ((body, headers),) = calls.taken
    assert json.loads(body) == BOOT
    digest = hmac.new(b"mine", body, hashlib.sha256).hexdigest()
    assert headers["X-Signature"] == digest
    assert headers["X-Tenant"] == "tenant-1"
    sent_at = headers["X-Timestamp"]
    assert datetime.fromisoformat(sent_at).tzinfo is UTC
    assert len(sent_at) == len("2026-11-20T05:01:02.123456Z")


@pytest.mark.parametrize("keeps_timestamp", [True, False])
async def test_what_is_not_accepted_is_tried_again(
    tenant: AmpecoTenant, calls: Calls, keeps_timestamp: bool
) -> None:
    tenant.sender.keeps_timestamp = keeps_timestamp
    kept = tenant.subscribe_by_hand(("BootNotification",), callback_url=calls.url)
    calls.answers = [503, 200]
    await tenant.notify(BOOT)
    assert calls.bodies() == [BOOT] * 3
    times = {headers["X-Timestamp"] for _, headers in calls.taken}
    assert (len(times) == 1) is keeps_timestamp
    assert kept.failed == []


async def test_what_is_given_up_is_sent_again_on_demand(
    tenant: AmpecoTenant, calls: Calls, browser: aiohttp.ClientSession
) -> None:
    kept = tenant.subscribe_by_hand(("BootNotification",), callback_url=calls.url)
    calls.answers = [503] * 4
    await tenant.notify(BOOT)
    assert [each.name for each in kept.failed] == ["BootNotification"]
    path = f"/public-api/actions/notifications/v1.0/{kept.subscription_id}/resend"
    wanted = {"notifications": ["BootNotification"]}
    tenant.resend_pause = timedelta()
    for tried, failed in ((4, 1), (5, 0), (5, 0)):
        async with browser.post(path, json=wanted) as response:
            assert response.status == 202
        await tenant.settle()
        assert (len(calls.taken), len(kept.failed)) == (tried, failed)
    tenant.resend_pause = timedelta(minutes=15)
    async with browser.post(path, json=wanted) as response:
        assert response.status == 429
        assert 1 <= int(response.headers["Retry-After"]) <= 900


async def test_a_receiver_that_is_away_is_like_one_that_refuses(
    tenant: AmpecoTenant,
) -> None:
    nobody = "http://127.0.0.1:9/hook"
    kept = tenant.subscribe_by_hand(("BootNotification",), callback_url=nobody)
    await tenant.notify(BOOT)
    assert len(kept.failed) == 1


async def test_a_subscription_for_kafka_is_produced_to_its_topic(
    socket_enabled: None,
) -> None:
    produced: list[tuple[str, bytes]] = []

    async def produce(topic: str, value: bytes) -> None:
        produced.append((topic, value))

    async with AmpecoTenant(produce=produce) as tenant:
        tenant.subscribe_by_hand(("BootNotification",), topic="ampeco")
        await tenant.notify(BOOT)
    ((topic, value),) = produced
    assert (topic, json.loads(value)) == ("ampeco", BOOT)


async def test_a_subscription_that_is_wrong_is_told_field_by_field(
    browser: aiohttp.ClientSession,
) -> None:
    wrong = {
        "via": "webhook",
        "notifications": ["BootNotification", "made.up"],
        "webhook": {"callbackUrl": "https://x.example.com/" + "0" * 500},
    }
    async with browser.post(SUBSCRIPTIONS, json=wrong) as response:
        assert response.status == 422
        answer = await response.json()
    assert answer["errors"].keys() == {"notifications.1", "webhook.callbackUrl"}
    async with browser.post(SUBSCRIPTIONS, json={}) as response:
        assert response.status == 422
        answer = await response.json()
    assert answer["errors"].keys() == {"notifications", "via"}


async def test_a_subscription_can_be_looked_at(
    tenant: AmpecoTenant, browser: aiohttp.ClientSession
) -> None:
    tenant.subscribe_by_hand(
        ("BootNotification",), callback_url="https://x.example.com"
    )
    async with browser.get(f"{SUBSCRIPTIONS}/301") as response:
        assert (await response.json())["data"] == {
            "id": 301,
            "via": "webhook",
            "notifications": ["BootNotification"],
            "webhook": {"callbackUrl": "https://x.example.com"},
        }
    async with browser.get(f"{SUBSCRIPTIONS}/302") as response:
        assert response.status == 404


async def test_every_answer_tells_what_is_left_of_the_limit(
    tenant: AmpecoTenant, browser: aiohttp.ClientSession
) -> None:
    tenant.calls_a_minute = 2
    left = []
    for _ in range(3):
        async with browser.get(SUBSCRIPTIONS) as response:
            left.append((response.status, response.headers["X-RateLimit-Remaining"]))
    assert left == [(200, "1"), (200, "0"), (429, "0")]


async def test_a_tenant_that_comes_back_is_the_same(
    tenant: AmpecoTenant, browser: aiohttp.ClientSession, calls: Calls
) -> None:
    tenant.subscribe_by_hand(("BootNotification",), callback_url=calls.url)
    url = tenant.url
    await tenant.stop()
    with pytest.raises(aiohttp.ClientConnectionError):
        await browser.get(SUBSCRIPTIONS)
    await tenant.start()
    assert tenant.url == url
    await tenant.notify(BOOT)
    assert calls.bodies() == [BOOT]
