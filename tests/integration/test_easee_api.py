"""The API client against the played cloud: tokens, limits, and answers that do not help."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import aiohttp
import pytest

from custom_components.ev_streams.providers.easee import api
from custom_components.ev_streams.providers.easee.api import EaseeClient
from custom_components.ev_streams.stream.errors import (
    AccountRefusedError,
    ConnectionFailedError,
)
from simulator.easee import EaseeAccount, EaseeCloud

LOGIN = ("POST", "/api/accounts/login")
REFRESH = ("POST", "/api/accounts/refresh_token")
CHARGERS = ("GET", "/api/chargers")


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
    monkeypatch.setattr(api, "SHORTEST_RETRY_AFTER", 0.01)
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
    monkeypatch.setattr(api, "SHORTEST_RETRY_AFTER", 0.01)
    monkeypatch.setattr(api, "DEFAULT_RETRY_AFTER", 0.01)
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
    assert api._is_secure(address) is is_accepted


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
