"""Actions on charging sessions, from the broker to the response."""

import csv
from datetime import UTC, datetime, timedelta
import io
import json

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.util import dt as dt_util
import pytest

from simulator.easee import EaseeAccount, EaseeCloud

from .actions import (
    SESSION_START,
    SESSION_STOP,
    SIGNED_SESSION,
    TOKEN,
    device,
    get_sessions,
    hours_ago,
    publish_session,
    stopped,
)
from .helpers import (
    SERIAL,
    add_account,
    marker,
    state,
    wait_for_state,
    wait_live,
    wait_until,
)

OTHER = "EH000002"
OP_MODE, SESSION_ENERGY = 109, 121
CHARGING, DISCONNECTED = 3, 1


@pytest.fixture
def account(account: EaseeAccount) -> EaseeAccount:
    """An account with two chargers that have never charged."""
    account.add_charger(OTHER, name="Carport")
    for charger in account.chargers.values():
        for observation in (SESSION_START, SESSION_STOP, SIGNED_SESSION):
            del charger.observations[observation]
    return account


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_session_is_returned_as_it_was_told(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """Times, energy, meter values and the number are the charger's own."""
    entry = await add_account(hass, cloud, account)
    start, stop = hours_ago(5), hours_ago(3.5)
    await publish_session(account, 435, start, stop, energy=12.345)
    await publish_session(account, 436, datetime.now(UTC) - timedelta(minutes=1))
    await marker(hass, account)(38)
    told = await get_sessions(hass, device(hass, entry, SERIAL))
    assert set(told) == {"sessions"}
    first, running = told["sessions"]
    assert moment(first["start"]) == start
    assert moment(first["stop"]) == stop
    assert moment(first["start"]).utcoffset() == dt_util.as_local(start).utcoffset()
    assert {name: first[name] for name in first if name not in ("start", "stop")} == {
        "device": "Garage",
        "device_id": SERIAL,
        "session_id": "435",
        "duration": 5400,
        "energy": 12.345,
        "meter_start": 1000.0,
        "meter_stop": 1012.345,
        "replayed": True,
    }
    assert running["session_id"] == "436"
    assert running["replayed"] is False
    assert running["meter_start"] == 1000.0
    assert running["stop"] is running["energy"] is running["duration"] is None


async def test_sessions_outlast_a_restart(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """What was told before is returned after, though the broker has it no more."""
    entry = await add_account(hass, cloud, account)
    await publish_session(account, 435, hours_ago(5), hours_ago(4))
    await publish_session(account, 436, hours_ago(3), hours_ago(2))
    await marker(hass, account)(38)
    before = await get_sessions(hass, device(hass, entry, SERIAL))
    assert await hass.config_entries.async_reload(entry.entry_id)
    await wait_live(hass, entry)
    assert await get_sessions(hass, device(hass, entry, SERIAL)) == before
    assert len(before["sessions"]) == 2


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (None, None, ["1", "2", "3", "4"]),
        (8, None, ["2", "3", "4"]),
        (None, 4, ["1", "2"]),
        (8, 4, ["2"]),
        (1, None, []),
        (None, 30, []),
    ],
)
async def test_period_selects_by_start(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    first: int | None,
    last: int | None,
    expected: list[str],
) -> None:
    """From is in it, to is not; a session that only ends within is not."""
    entry = await add_account(hass, cloud, account)
    starts = {1: 12, 2: 8, 3: 4, 4: 2}
    for number, hours in starts.items():
        await publish_session(account, number, hours_ago(hours), hours_ago(hours - 1.5))
    await marker(hass, account)(38)
    fields = {
        name: hours_ago(hours)
        for name, hours in (("from", first), ("to", last))
        if hours is not None
    }
    told = await get_sessions(hass, device(hass, entry, SERIAL), **fields)
    assert [session["session_id"] for session in told["sessions"]] == expected


async def test_period_without_a_zone_is_local(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """What the date picker of the interface sends is the time of the house."""
    await hass.config.async_set_time_zone("Pacific/Auckland")
    entry = await add_account(hass, cloud, account)
    await publish_session(account, 435, hours_ago(5), hours_ago(4))
    await marker(hass, account)(38)
    for minutes, number in ((-1, 1), (1, 0)):
        local = dt_util.as_local(hours_ago(5) + timedelta(minutes=minutes))
        told = await get_sessions(
            hass,
            device(hass, entry, SERIAL),
            **{"from": local.strftime("%Y-%m-%d %H:%M:%S")},
        )
        assert len(told["sessions"]) == number


async def test_account_stands_for_all_its_chargers(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """In order of time, whosever they are; a charger named twice is there once."""
    entry = await add_account(hass, cloud, account)
    await publish_session(account, 1, hours_ago(9), hours_ago(8))
    await publish_session(account, 1, hours_ago(7), hours_ago(6), serial=OTHER)
    await publish_session(account, 2, hours_ago(5), hours_ago(4))
    await marker(hass, account)(38)
    registry = dr.async_get(hass)
    renamed = device(hass, entry, OTHER)
    registry.async_update_device(renamed, name_by_user="Bay, left")
    told = await get_sessions(
        hass, device(hass, entry, str(entry.unique_id)), renamed, csv=True
    )
    expected = [("Garage", "1"), ("Bay, left", "1"), ("Garage", "2")]
    assert [(s["device"], s["session_id"]) for s in told["sessions"]] == expected
    lines = csv.DictReader(io.StringIO(told["csv"]))
    assert [(line["device"], line["session_id"]) for line in lines] == expected
    alone = await get_sessions(hass, renamed)
    assert [session["device_id"] for session in alone["sessions"]] == [OTHER]


async def test_csv_equals_what_was_published(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """A spreadsheet has every session with its numbers, and empty cells for the rest."""
    entry = await add_account(hass, cloud, account)
    ended = {
        number: (hours_ago(20 - 2 * number), hours_ago(19 - 2 * number), 1.125 * number)
        for number in range(1, 6)
    }
    for number, (start, stop, energy) in ended.items():
        await publish_session(account, number, start, stop, energy=energy)
    await publish_session(account, 6, hours_ago(1))
    await marker(hass, account)(38)
    told = await get_sessions(hass, device(hass, entry, SERIAL), csv=True)
    *lines, running = csv.DictReader(io.StringIO(told["csv"]))
    assert {
        int(line["session_id"]): (
            moment(line["start"]),
            moment(line["stop"]),
            float(line["energy"]),
        )
        for line in lines
    } == ended
    for line in lines:
        assert line["device"] == "Garage"
        assert float(line["duration"]) == 3600
        assert float(line["meter_start"]) == 1000
        assert float(line["meter_stop"]) == 1000 + float(line["energy"])
    assert running["session_id"] == "6"
    assert running["stop"] == running["energy"] == running["meter_stop"] == ""


@pytest.mark.parametrize("is_wanted", [False, True])
async def test_token_is_kept_for_who_wants_it(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    caplog: pytest.LogCaptureFixture,
    is_wanted: bool,
) -> None:
    """It is in the response if the option is on, and in no log, event or sensor ever."""
    caplog.set_level("DEBUG")
    entry = await add_account(hass, cloud, account)
    if is_wanted:
        options = await hass.config_entries.options.async_init(entry.entry_id)
        await hass.config_entries.options.async_configure(
            options["flow_id"], {"grace_time": 60, "session_tokens": True}
        )
        await hass.async_block_till_done()
        await wait_live(hass, entry)
    await publish_session(account, 435, hours_ago(5), hours_ago(4))
    await marker(hass, account)(38)
    told = await get_sessions(hass, device(hass, entry, SERIAL), csv=True)
    (session,) = told["sessions"]
    (line,) = csv.DictReader(io.StringIO(told["csv"]))
    if is_wanted:
        assert session["rfid_token"] == line["rfid_token"] == TOKEN
    else:
        assert TOKEN not in json.dumps(told)
    await wait_until(
        lambda: state(hass, SERIAL, "charging_session").state != "unknown", "the event"
    )
    assert state(hass, SERIAL, "charging_session").attributes["session_id"] == "435"
    assert TOKEN not in str([each.as_dict() for each in hass.states.async_all()])
    assert TOKEN not in caplog.text


async def test_signed_document_is_returned_whole_to_who_asks(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """Letter by letter, for its signature covers each of them."""
    entry = await add_account(hass, cloud, account)
    start, stop = hours_ago(5), hours_ago(4)
    members = stopped(435, start, stop, 1000.0, 8.5) | {"Signature": "ü=/+" * 500}
    # No writer of JSON would space it so.
    readable = json.dumps(members, indent=3, ensure_ascii=False) + " \n"
    opaque = 'OCMF|{"FV":"1.0", "RD": []}|{"SD":"3045"}'
    stray = "OCMF|of another time"
    await publish_session(account, 434, hours_ago(8), hours_ago(7))
    await publish_session(account, 435, start, stop)
    await account.publish(SERIAL, SIGNED_SESSION, readable, timestamp=stop)
    await account.publish(SERIAL, SIGNED_SESSION, opaque, timestamp=hours_ago(7))
    await account.publish(SERIAL, SIGNED_SESSION, stray, timestamp=hours_ago(2))
    await marker(hass, account)(38)
    target = device(hass, entry, SERIAL)
    told = await get_sessions(hass, target, signed_documents=True)
    assert [
        (session["session_id"], session["signed_documents"])
        for session in told["sessions"]
    ] == [("434", [opaque]), ("435", [readable])]
    (other,) = told["other_documents"]
    assert other["document"] == stray
    assert other["device"] == "Garage"
    assert moment(other["time"]) == hours_ago(2)
    early = await get_sessions(
        hass, target, signed_documents=True, to=hours_ago(3).isoformat()
    )
    assert early["other_documents"] == []
    unasked = json.dumps(await get_sessions(hass, target, csv=True))
    assert "OCMF" not in unasked
    assert "Signature" not in unasked
    assert "OCMF" not in str([each.as_dict() for each in hass.states.async_all()])


async def test_concluded_session_is_returned_too(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """A charger whose sessions no message names has them all the same, without a number."""
    entry = await add_account(hass, cloud, account)
    start, stop = hours_ago(6), hours_ago(4)
    await account.publish(SERIAL, OP_MODE, CHARGING, timestamp=start)
    await account.publish(SERIAL, SESSION_ENERGY, 6.25, timestamp=hours_ago(5))
    await account.publish(SERIAL, OP_MODE, DISCONNECTED, timestamp=stop)
    await marker(hass, account)(38)
    await wait_for_state(hass, SERIAL, "charging_session_stop", stop.isoformat())
    told = await get_sessions(hass, device(hass, entry, SERIAL), csv=True)
    (session,) = told["sessions"]
    assert session["session_id"] is None
    assert moment(session["start"]) == start
    assert moment(session["stop"]) == stop
    assert session["energy"] == 6.25
    assert session["duration"] == 7200
    assert session["replayed"] is True
    (line,) = csv.DictReader(io.StringIO(told["csv"]))
    assert line["session_id"] == ""
    assert moment(line["start"]) == start
    assert float(line["energy"]) == 6.25
