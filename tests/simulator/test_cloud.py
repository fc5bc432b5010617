"""The played cloud answers as the public reference says."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from simulator.easee import EaseeAccount, EaseeCloud, ObservationId
from simulator.rabbitmq import Administrator

# The vendor's table, by the type it prints beside each id.
BOOLEANS = {30, 31, 44, 102, 103, 250}
INTEGERS = {21, 46, 50, 51, 52, 80, 89, 96, 104, 109, 110, 130, 132, 141, 146, 150}
DOUBLES = {22, 23, 24, 47, 48, 111, 112, 113, 120, 121, 122, 124}
DOUBLES |= {182, 183, 184, 185, 190, 191, 192, 193, 194, 195, 196}
STRINGS = {60, 108, 128, 129, 223, 251}


async def login(
    session: aiohttp.ClientSession, username: str, password: str
) -> tuple[int, Any]:
    async with session.post(
        "/api/accounts/login", json={"userName": username, "password": password}
    ) as response:
        return response.status, await response.json()


async def get(
    session: aiohttp.ClientSession, token: str, path: str
) -> tuple[int, Any, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    async with session.get(path, headers=headers) as response:
        return response.status, await response.json(), response.headers


@pytest.fixture
async def token(account: EaseeAccount, session: aiohttp.ClientSession) -> str:
    _, tokens = await login(session, account.username, account.password)
    access: str = tokens["accessToken"]
    return access


async def test_a_login_gives_tokens_for_an_hour(
    account: EaseeAccount, session: aiohttp.ClientSession
) -> None:
    status, tokens = await login(session, account.username, "right")
    assert status == 200
    assert tokens.keys() == {
        *("accessToken", "expiresIn", "accessClaims", "tokenType", "refreshToken")
    }
    assert tokens["expiresIn"] == 3600
    assert tokens["tokenType"] == "Bearer"


@pytest.mark.parametrize("username", ["operator@example.com", "nobody@example.com"])
async def test_a_wrong_login_is_a_bad_request_with_code_100(
    account: EaseeAccount, session: aiohttp.ClientSession, username: str
) -> None:
    status, error = await login(session, username, "wrong")
    assert status == 400
    assert error["errorCode"] == 100
    assert error.keys() >= {"title", "detail", "errorCode", "errorCodeName"}


async def test_a_changed_password_counts_at_once(
    account: EaseeAccount, session: aiohttp.ClientSession
) -> None:
    account.set_password("new")
    assert (await login(session, account.username, "right"))[0] == 400
    assert (await login(session, account.username, "new"))[0] == 200


async def test_without_a_valid_token_nothing_is_told(
    account: EaseeAccount, cloud: EaseeCloud, session: aiohttp.ClientSession, token: str
) -> None:
    assert (await get(session, "guessed", "/api/chargers"))[0] == 401
    assert (await get(session, token, "/api/chargers"))[0] == 200
    cloud.expire_tokens()
    assert (await get(session, token, "/api/chargers"))[0] == 401


async def test_a_token_dies_after_its_hour(
    cloud: EaseeCloud, account: EaseeAccount, session: aiohttp.ClientSession
) -> None:
    cloud.tokens.lifetime = timedelta(seconds=-1)
    _, tokens = await login(session, account.username, account.password)
    assert (await get(session, tokens["accessToken"], "/api/chargers"))[0] == 401


async def test_a_refresh_gives_new_tokens_once(
    account: EaseeAccount, cloud: EaseeCloud, session: aiohttp.ClientSession
) -> None:
    _, old = await login(session, account.username, account.password)
    cloud.expire_tokens()
    async with session.post("/api/accounts/refresh_token", json=old) as response:
        assert response.status == 200
        new = await response.json()
    assert new.keys() == old.keys()
    assert (await get(session, new["accessToken"], "/api/chargers"))[0] == 200
    async with session.post("/api/accounts/refresh_token", json=old) as response:
        assert response.status == 401
    cloud.expire_refresh_tokens()
    async with session.post("/api/accounts/refresh_token", json=new) as response:
        assert response.status == 401


async def test_an_operator_gets_connection_details(
    account: EaseeAccount, cloud: EaseeCloud, session: aiohttp.ClientSession, token: str
) -> None:
    status, details, _ = await get(session, token, "/api/streams/amqp/v2")
    assert status == 200
    assert details == {
        "server": "127.0.0.1",
        "port": cloud.administrator.broker.port,
        "useSsl": False,
        "virtualHost": "/",
        "queueName": "Operator_1.Q",
        "exchangeName": "Operator_1.C.X",
        "username": account.amqp_username,
        "password": account.amqp_password,
    }


async def test_an_ordinary_account_gets_none(
    cloud: EaseeCloud, session: aiohttp.ClientSession
) -> None:
    await cloud.add_account("owner@example.com", "right", operator_id=None)
    _, tokens = await login(session, "owner@example.com", "right")
    assert tokens["accessClaims"] == ["User"]
    path = "/api/streams/amqp/v2"
    assert (await get(session, tokens["accessToken"], path))[0] == 403
    cloud.amqp_refusal_status = 404
    assert (await get(session, tokens["accessToken"], path))[0] == 404


async def test_tls_details_name_the_tls_port(
    administrator: Administrator, socket_enabled: None
) -> None:
    async with (
        EaseeCloud(administrator, tls=True) as cloud,
        aiohttp.ClientSession(cloud.url) as session,
    ):
        await cloud.add_account("operator@example.com", "right", operator_id=1)
        _, tokens = await login(session, "operator@example.com", "right")
        access = tokens["accessToken"]
        _, details, _ = await get(session, access, "/api/streams/amqp/v2")
    assert details["useSsl"] is True
    assert details["port"] == administrator.broker.tls_port


async def test_chargers_are_listed(
    account: EaseeAccount, session: aiohttp.ClientSession, token: str
) -> None:
    account.add_charger("EC000002", name="Driveway", product_code=102)
    _, chargers, _ = await get(session, token, "/api/chargers")
    assert [(c["id"], c["name"], c["productCode"]) for c in chargers] == [
        ("EH000001", "Garage", 1),
        ("EC000002", "Driveway", 102),
    ]
    assert chargers[0].keys() == {
        *("id", "name", "color", "createdOn", "updatedOn", "backPlate"),
        *("levelOfAccess", "productCode"),
    }
    assert (await get(session, token, "/api/chargers/EC000002"))[1] == chargers[1]
    _, details, _ = await get(session, token, "/api/chargers/EC000002/details")
    assert details["serialNumber"] == "EC000002"
    assert details["product"] == "Easee Charge Core"
    account.remove_charger("EC000002")
    _, chargers, _ = await get(session, token, "/api/chargers")
    assert [c["id"] for c in chargers] == ["EH000001"]


async def test_a_snapshot_has_every_observation_in_its_own_type(
    account: EaseeAccount, session: aiohttp.ClientSession, token: str
) -> None:
    _, answer, _ = await get(session, token, "/state/EH000001/observations")
    held = {item["id"]: item for item in answer["observations"]}
    assert held.keys() == BOOLEANS | INTEGERS | DOUBLES | STRINGS
    assert held.keys() == set(ObservationId)
    assert len(held) == 51
    for ids, code, kind in (
        (BOOLEANS, 2, bool),
        (DOUBLES, 3, float),
        (INTEGERS, 4, int),
        (STRINGS, 6, str),
    ):
        for observation_id in ids:
            assert held[observation_id]["dataType"] == code, observation_id
            assert type(held[observation_id]["value"]) is kind, observation_id
    now = datetime.now(UTC)
    assert all(datetime.fromisoformat(i["timestamp"]) < now for i in held.values())


async def test_a_snapshot_can_be_asked_for_some_ids(
    account: EaseeAccount, session: aiohttp.ClientSession, token: str
) -> None:
    path = "/state/EH000001/observations?ids=120,9999,109"
    _, answer, _ = await get(session, token, path)
    assert [item["id"] for item in answer["observations"]] == [120, 109]
    _, one, _ = await get(session, token, "/state/EH000001/observation/109")
    assert one["observation"] == answer["observations"][1]
    assert (await get(session, token, "/state/EH000001/observation/9999"))[0] == 404
    assert (await get(session, token, "/state/EH000001/observations?ids=x"))[0] == 400


async def test_what_was_published_is_in_the_snapshot_unless_older(
    account: EaseeAccount, session: aiohttp.ClientSession, token: str
) -> None:
    now = datetime(2030, 1, 1, 12, tzinfo=UTC)
    await account.publish("EH000001", 120, 7.3, timestamp=now)
    await account.publish("EH000001", 120, 1.0, timestamp=now - timedelta(hours=1))
    await account.publish(
        "EH000001", 120, 2.0, timestamp=now + timedelta(hours=1), remember=False
    )
    path = "/state/EH000001/observation/120"
    _, answer, _ = await get(session, token, path)
    assert answer["observation"] == {
        "id": 120,
        "timestamp": "2030-01-01T12:00:00Z",
        "dataType": 3,
        "value": 7.3,
    }


async def test_a_charger_of_somebody_else_is_forbidden(
    account: EaseeAccount, cloud: EaseeCloud, session: aiohttp.ClientSession, token: str
) -> None:
    other = await cloud.add_account("other@example.com", "right", operator_id=None)
    other.add_charger("EH000009", name="Theirs")
    for path in ("/state/EH000009/observations", "/api/chargers/EH000009"):
        status, error, _ = await get(session, token, path)
        assert status == 403
        assert error["title"]


async def test_the_old_state_endpoint_is_gone(
    account: EaseeAccount, session: aiohttp.ClientSession, token: str
) -> None:
    assert (await get(session, token, "/api/chargers/EH000001/state"))[0] == 404


async def test_hourly_usage_is_what_the_charger_reported(
    account: EaseeAccount, session: aiohttp.ClientSession, token: str
) -> None:
    for hour, energy in ((9, 1.5), (10, 0.0), (11, 2.25)):
        time = datetime(2026, 11, 20, hour, tzinfo=UTC)
        await account.publish("EH000001", 122, energy, timestamp=time)
    path = "/api/chargers/EH000001/usage/hourly/2026-11-20T09:00Z/2026-11-20T11:00Z"
    _, usage, _ = await get(session, token, path)
    assert usage == [
        {
            "from": "2026-11-20T09:00:00Z",
            "to": "2026-11-20T10:00:00Z",
            "totalEnergy": 0.0,
        },
        {
            "from": "2026-11-20T10:00:00Z",
            "to": "2026-11-20T11:00:00Z",
            "totalEnergy": 2.25,
        },
    ]


async def test_the_hundred_and_first_call_must_wait(
    account: EaseeAccount, session: aiohttp.ClientSession, token: str
) -> None:
    path = "/state/EH000001/observations?ids=109"
    for _ in range(100):
        assert (await get(session, token, path))[0] == 200
    status, error, headers = await get(session, token, path)
    assert status == 429
    assert 290 <= int(headers["retry-after"]) <= 300
    assert error["title"]
    assert (await get(session, token, "/api/chargers"))[0] == 200


async def test_faults_come_as_ordered_and_pass(
    account: EaseeAccount, cloud: EaseeCloud, session: aiohttp.ClientSession, token: str
) -> None:
    cloud.fail_next(
        "/api/chargers", status=429, headers={"retry-after": "7"}, body={}, times=2
    )
    for _ in range(2):
        status, _, headers = await get(session, token, "/api/chargers")
        assert (status, headers["retry-after"]) == (429, "7")
    assert (await get(session, token, "/api/chargers"))[0] == 200
    cloud.hang_next("/api/chargers")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(get(session, token, "/api/chargers"), 0.1)
    assert (await get(session, token, "/api/chargers"))[0] == 200
    statuses = [call.status for call in cloud.requests if call.path == "/api/chargers"]
    assert statuses == [429, 429, 200, None, 200]


async def test_a_cloud_that_comes_back_is_the_same(
    account: EaseeAccount, cloud: EaseeCloud, session: aiohttp.ClientSession, token: str
) -> None:
    url = cloud.url
    await cloud.stop()
    with pytest.raises(aiohttp.ClientConnectionError):
        await get(session, token, "/api/chargers")
    await cloud.start()
    assert cloud.url == url
    assert (await get(session, token, "/api/chargers"))[0] == 200
