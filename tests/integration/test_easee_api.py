"""The API client against the played cloud: tokens, limits, and answers that do not help."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
import ssl
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from custom_components.ev_streams.model import SessionChange
from custom_components.ev_streams.providers.easee import account as easee, api
from custom_components.ev_streams.providers.easee.api import EaseeClient
from custom_components.ev_streams.stream import http
from custom_components.ev_streams.stream.errors import (
    AccountRefusedError,
    ConnectionFailedError,
)
from simulator.easee import EaseeAccount, EaseeCloud

LOGIN = ("POST", "/api/accounts/login")
REFRESH = ("POST", "/api/accounts/refresh_token")
CHARGERS = ("GET", "/api/chargers")
SERIAL = "EH000001"
USAGE = f"/api/chargers/{SERIAL}/usage/hourly/"
HOUR = timedelta(hours=1)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
async def session(socket_enabled: None) -> AsyncIterator[aiohttp.ClientSession]:
    """Open an HTTP session."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def client(
    session: aiohttp.ClientSession, cloud: EaseeCloud, account: EaseeAccount
) -> EaseeClient:
    """Make a client of the account that waits no longer than a second."""
    return EaseeClient(
        session, account.username, account.password, cloud.url + "/", patience=1
    )


@pytest.fixture
def usage(client: EaseeClient) -> easee.EaseeAccount:
    """Make the account as the integration uses it, for its hourly figures."""
    return easee.EaseeAccount(client, ssl.create_default_context())


def calls(cloud: EaseeCloud) -> list[tuple[str, str]]:
    """Return what the cloud was asked, in order."""
    return [(request.method, request.path) for request in cloud.requests]


async def test_one_login_serves_many_calls(
    cloud: EaseeCloud, client: EaseeClient
) -> None:
    """Tokens are kept, and calls made at once do not log in twice."""
    await asyncio.gather(client.chargers(), client.chargers(), client.stream_details())
    assert calls(cloud).count(LOGIN) == 1
    assert (await client.chargers())[0]["id"] == "EH000001"


async def test_expired_token_is_refreshed_and_the_call_repeated(
    cloud: EaseeCloud, client: EaseeClient
) -> None:
    """The caller of a call that met a 401 never hears of it."""
    await client.chargers()
    cloud.expire_tokens()
    cloud.requests.clear()
    assert len(await client.chargers()) == 1
    assert calls(cloud) == [CHARGERS, REFRESH, CHARGERS]


async def test_refused_refresh_logs_in_again(
    cloud: EaseeCloud, client: EaseeClient
) -> None:
    """Where the refresh token is worth nothing either, the password is."""
    await client.chargers()
    cloud.expire_tokens()
    cloud.expire_refresh_tokens()
    cloud.requests.clear()
    assert len(await client.chargers()) == 1
    assert calls(cloud) == [CHARGERS, REFRESH, LOGIN, CHARGERS]


async def test_a_call_is_repeated_once_only(
    cloud: EaseeCloud, client: EaseeClient
) -> None:
    """An API that refuses fresh tokens too is not asked for ever."""
    cloud.fail_next("/api/chargers", status=401, times=5)
    with pytest.raises(ConnectionFailedError):
        await client.chargers()
    assert calls(cloud).count(CHARGERS) == 2


async def test_token_is_renewed_before_it_ends(
    cloud: EaseeCloud, client: EaseeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the last ten minutes of its hour a token is renewed without meeting a 401."""
    clock = 0.0
    monkeypatch.setattr(api, "monotonic", lambda: clock)
    await client.chargers()
    cloud.requests.clear()
    clock = 49 * 60.0
    await client.chargers()
    assert calls(cloud) == [CHARGERS]
    clock = 51 * 60.0
    await client.chargers()
    assert calls(cloud) == [CHARGERS, REFRESH, CHARGERS]


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_refused_login(
    cloud: EaseeCloud, client: EaseeClient, status: int
) -> None:
    """A login may be refused in several ways, all of them the user's business."""
    cloud.fail_next("/api/accounts/login", status=status, body={"errorCode": 100})
    with pytest.raises(AccountRefusedError) as refused:
        await client.chargers()
    assert refused.value.form_error == "invalid_auth"


def in_two_tenths() -> str:
    """Return a date as HTTP writes it; whole seconds, so it may be past already."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=0.2), usegmt=True)


@pytest.mark.parametrize("retry_after", ["0", "0.1", "a date"])
async def test_wait_that_the_api_asks_for(
    cloud: EaseeCloud,
    client: EaseeClient,
    retry_after: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A 429 is waited out and the call made again."""
    monkeypatch.setattr(http, "SHORTEST_RETRY_AFTER", 0.01)
    if retry_after == "a date":
        retry_after = in_two_tenths()
    cloud.fail_next("/api/chargers", status=429, headers={"Retry-After": retry_after})
    assert len(await client.chargers()) == 1
    assert calls(cloud).count(CHARGERS) == 2


@pytest.mark.parametrize(
    ("headers", "expected"),
    [({"Retry-After": "120"}, 120), (None, 60), ({"Retry-After": "soon"}, 60)],
)
async def test_wait_longer_than_our_patience(
    cloud: EaseeCloud,
    client: EaseeClient,
    headers: dict[str, str] | None,
    expected: float,
) -> None:
    """A long wait is handed to the caller; until it is over nobody is asked anything."""
    cloud.fail_next("/api/chargers", status=429, headers=headers)
    with pytest.raises(ConnectionFailedError) as failed:
        await client.chargers()
    assert failed.value.retry_after == pytest.approx(expected, abs=5)
    asked = len(cloud.requests)
    with pytest.raises(ConnectionFailedError):
        await client.stream_details()
    assert len(cloud.requests) == asked


@pytest.mark.parametrize(
    "retry_after", ["0", "-5", "nan", "Thu, 01 Jan 2015 00:00:00 GMT"]
)
async def test_api_that_never_has_time(
    cloud: EaseeCloud,
    client: EaseeClient,
    monkeypatch: pytest.MonkeyPatch,
    retry_after: str,
) -> None:
    """However short the wait that is asked for, a call is made three times at most."""
    monkeypatch.setattr(http, "SHORTEST_RETRY_AFTER", 0.01)
    monkeypatch.setattr(http, "DEFAULT_RETRY_AFTER", 0.01)
    cloud.fail_next(
        "/api/chargers", status=429, headers={"Retry-After": retry_after}, times=50
    )
    with pytest.raises(ConnectionFailedError):
        await client.chargers()
    assert calls(cloud).count(CHARGERS) == 3


async def test_redirect_is_not_followed(cloud: EaseeCloud, client: EaseeClient) -> None:
    """A token goes where the user sent it, nowhere else."""
    cloud.fail_next("/api/chargers", status=302, headers={"Location": "/elsewhere"})
    with pytest.raises(ConnectionFailedError):
        await client.chargers()
    assert not [path for _, path in calls(cloud) if path == "/elsewhere"]


@pytest.mark.parametrize(
    ("address", "is_accepted"),
    [
        ("https://api.easee.com", True),
        ("http://127.0.0.1:8080", True),
        ("http://localhost:8080", True),
        ("http://[::1]:8080", True),
        ("http://api.easee.com", False),
        ("http://192.0.2.7", False),
        ("ftp://127.0.0.1.example.com", False),
        ("nonsense", False),
        ("http://[", False),
    ],
)
def test_addresses_that_a_password_may_go_to(address: str, is_accepted: bool) -> None:
    """By https anywhere; without it only within this machine."""
    assert http.is_secure(address) is is_accepted


async def test_no_answer_in_time(
    cloud: EaseeCloud, client: EaseeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that hangs ends as a failed connection."""
    monkeypatch.setattr(api, "REQUEST_TIMEOUT", 0.2)
    cloud.hang_next("/api/chargers")
    with pytest.raises(ConnectionFailedError, match="in time"):
        await client.chargers()


async def test_observations_stay_within_the_vendors_limit(
    cloud: EaseeCloud, client: EaseeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More snapshots than the limit allows wait for their turn, none is refused."""
    cloud.observations_limit.calls = 3
    cloud.observations_limit.window = timedelta(seconds=0.3)
    monkeypatch.setattr(api, "OBSERVATION_CALLS", 2)
    monkeypatch.setattr(api, "OBSERVATION_PERIOD", 0.4)
    for _ in range(5):
        assert await client.observations("EH000001", [109, 120])
    assert all(request.status == 200 for request in cloud.requests)


@pytest.mark.parametrize(
    "body", [{"observations": "none"}, [], {"other": 1}, "no JSON at all"]
)
async def test_snapshot_of_another_shape(
    cloud: EaseeCloud, client: EaseeClient, body: Any
) -> None:
    """An answer that is not what was asked for is a failed connection, not a crash."""
    cloud.fail_next("/state/", status=200, body=body)
    with pytest.raises(ConnectionFailedError):
        await client.observations("EH000001", [109])


async def test_secrets_stay_out_of_sight(
    client: EaseeClient, account: EaseeAccount
) -> None:
    """Neither the details nor what is made of them shows a password when printed."""
    details = await client.stream_details()
    assert details.password == account.amqp_password
    assert account.amqp_password not in repr(details)
    assert account.amqp_username not in repr(details)


async def test_snapshot_that_holds_half_a_character(
    cloud: EaseeCloud, client: EaseeClient
) -> None:
    """Text that no store could write is refused where it comes in."""
    body = '{"observations": [{"id": 251, "value": "\\ud800"}]}'
    cloud.fail_next("/state/", status=200, body=body)
    with pytest.raises(ConnectionFailedError, match="JSON"):
        await client.observations(SERIAL, [251])


async def test_snapshot_tells_sessions_first(usage: easee.EaseeAccount) -> None:
    """Whoever concludes sessions from readings hears in time that there are real ones."""
    updates = await usage.snapshot(SERIAL)
    kinds = [isinstance(update, SessionChange) for update in updates]
    assert kinds.count(True) == 3
    assert kinds == sorted(kinds, reverse=True)
    assert kinds.count(False) > 40


async def test_hourly_energy_is_what_the_charger_reported(
    account: EaseeAccount, usage: easee.EaseeAccount
) -> None:
    """EnergyPerHour tells of the hour past; a figure belongs to the hour's beginning."""
    for hour, energy in ((9, 1.5), (10, 0.0), (11, 2.25), (12, 4.0)):
        time = datetime(2026, 11, 20, hour, tzinfo=UTC)
        await account.publish(SERIAL, 122, energy, timestamp=time)
    start = datetime(2026, 11, 20, 9, tzinfo=UTC)
    energies = await usage.hourly_energy(SERIAL, start, start + 2 * HOUR)
    assert energies == {start: 0.0, start + HOUR: 2.25}
    assert all(hour.utcoffset() == timedelta(0) for hour in energies)


async def test_long_range_is_asked_for_in_parts(
    cloud: EaseeCloud, account: EaseeAccount, usage: easee.EaseeAccount
) -> None:
    """The API gives a month a call; no hour between two parts is missed or doubled."""
    truth = {MARCH + hour * HOUR: hour / 8 for hour in range(100 * 24)}
    account.chargers[SERIAL].hourly_usage.update(truth)
    begin, end = MARCH + 5 * HOUR, MARCH + timedelta(days=93)
    energies = await usage.hourly_energy(SERIAL, begin, end)
    assert energies == {h: e for h, e in truth.items() if begin <= h < end}
    asked = [request for request in cloud.requests if request.path.startswith(USAGE)]
    assert len(asked) > 2
    assert all(request.status == 200 for request in asked)


async def test_month_is_what_one_call_gives(client: EaseeClient) -> None:
    """The played cloud refuses more, so that asking in parts is no idle care."""
    with pytest.raises(ConnectionFailedError):
        await client.hourly_usage(SERIAL, MARCH, MARCH + timedelta(days=40))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Oslo", "Asia/Kathmandu"])
async def test_hours_that_begin_within_the_range_are_given_whole(
    account: EaseeAccount, usage: easee.EaseeAccount, zone: str
) -> None:
    """A range may begin and end anywhere, in any zone; hours are those of UTC."""
    truth = {MARCH + hour * HOUR: hour + 0.5 for hour in range(24)}
    account.chargers[SERIAL].hourly_usage.update(truth)
    begin = (MARCH + timedelta(hours=3, minutes=20)).astimezone(ZoneInfo(zone))
    end = (MARCH + timedelta(hours=5, minutes=1)).astimezone(ZoneInfo(zone))
    energies = await usage.hourly_energy(SERIAL, begin, end)
    assert energies == {MARCH + 4 * HOUR: 4.5, MARCH + 5 * HOUR: 5.5}


@pytest.mark.parametrize(("begin", "end"), [(5, 5), (6, 5), (5.2, 5.8)])
async def test_range_in_which_no_hour_begins(
    cloud: EaseeCloud, usage: easee.EaseeAccount, begin: float, end: float
) -> None:
    """There is nothing to ask for."""
    assert (
        await usage.hourly_energy(SERIAL, MARCH + begin * HOUR, MARCH + end * HOUR)
        == {}
    )
    assert cloud.requests == []


async def test_figure_that_is_none_costs_only_itself(
    cloud: EaseeCloud, usage: easee.EaseeAccount
) -> None:
    """Nothing that a meter cannot have counted in an hour of the range is taken."""
    figures: list[tuple[str, object]] = [
        ("2026-02-28T23:00:00Z", 1),
        ("2026-03-01T01:00:00Z", 2),
        ("2026-03-01T02:00:00Z", -0.5),
        ("2026-03-01T03:00:00Z", "NaN"),
        ("2026-03-01T04:30:00Z", 1),
        ("2026-03-02T00:00:00Z", 1),
    ]
    body = [{"from": begin, "totalEnergy": energy} for begin, energy in figures]
    cloud.fail_next(USAGE, status=200, body=body)
    energies = await usage.hourly_energy(SERIAL, MARCH, MARCH + 24 * HOUR)
    assert energies == {MARCH + HOUR: 2.0}


@pytest.mark.parametrize(
    "body",
    [
        {"measurements": [{"value": 1.5, "measuredAt": "2026-03-01T01:00:00Z"}]},
        [{"value": 1.5, "measuredAt": "2026-03-01T01:00:00Z"}],
        ["2026-03-01T01:00:00Z"],
        None,
        "no JSON at all",
    ],
)
async def test_hourly_usage_of_another_shape(
    cloud: EaseeCloud, usage: easee.EaseeAccount, body: Any
) -> None:
    """Readings of a meter could be taken for energies: what is not known is refused."""
    cloud.fail_next(USAGE, status=200, body=body)
    with pytest.raises(ConnectionFailedError):
        await usage.hourly_energy(SERIAL, MARCH, MARCH + HOUR)


async def test_hourly_usage_waits_as_the_api_asks(
    cloud: EaseeCloud,
    account: EaseeAccount,
    usage: easee.EaseeAccount,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A limit that was met costs time, no figure."""
    monkeypatch.setattr(http, "SHORTEST_RETRY_AFTER", 0.01)
    account.chargers[SERIAL].hourly_usage[MARCH] = 3.5
    cloud.fail_next(USAGE, status=429, headers={"Retry-After": "0"})
    assert await usage.hourly_energy(SERIAL, MARCH, MARCH + HOUR) == {MARCH: 3.5}


@pytest.mark.parametrize("status", [400, 403, 404, 500])
async def test_hourly_usage_that_is_refused(
    cloud: EaseeCloud, usage: easee.EaseeAccount, status: int
) -> None:
    """A range of which a part fails gives no figures, so that no gap goes unseen."""
    cloud.fail_next(USAGE, status=status)
    with pytest.raises(ConnectionFailedError):
        await usage.hourly_energy(SERIAL, MARCH, MARCH + timedelta(days=60))
