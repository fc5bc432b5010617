"""Actions on charging sessions, from the broker to the response."""

from collections.abc import Mapping
import csv
from datetime import UTC, datetime, timedelta
import io
import json
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr
from homeassistant.util import dt as dt_util
import probatio
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from simulator.easee import EaseeAccount, EaseeCloud

from .helpers import SERIAL, add_account, marker, state, wait_for_state, wait_live

OTHER = "EH000002"
NOW = datetime.now(UTC).replace(microsecond=0)
TOKEN = "A1B2C3D4"
SESSION_START, SESSION_STOP, SIGNED_SESSION = 223, 129, 60
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


def hours_ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def started(number: int, start: datetime, meter: float) -> dict[str, Any]:
    """The members of a session's beginning."""
    return {
        "Id": number,
        "Start": start.isoformat(),
        "MeterValue": meter,
        "Auth": TOKEN,
        "AuthReason": 1,
    }


def stopped(
    number: int, start: datetime, stop: datetime, meter: float, energy: float
) -> dict[str, Any]:
    """The members of a session's end."""
    return {
        "Id": number,
        "Start": start.isoformat(),
        "Stop": stop.isoformat(),
        "EnergyKwh": energy,
        "MeterValueStart": meter,
        "MeterValueStop": meter + energy,
        "Auth": TOKEN,
        "AuthReason": 1,
    }


async def publish_session(
    account: EaseeAccount,
    number: int,
    start: datetime,
    stop: datetime | None = None,
    *,
    serial: str = SERIAL,
    energy: float = 8.5,
) -> None:
    """Publish a session's beginning, and its end if it has one; it begins at 1000 kWh."""
    await account.publish(
        serial,
        SESSION_START,
        json.dumps(started(number, start, 1000.0)),
        timestamp=start,
    )
    if stop is not None:
        await account.publish(
            serial,
            SESSION_STOP,
            json.dumps(stopped(number, start, stop, 1000.0, energy)),
            timestamp=stop,
        )


def device(hass: HomeAssistant, entry: EvStreamsConfigEntry, own_id: str) -> str:
    """The id that an action wants."""
    found = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, own_id), entry.entry_id
    )
    assert found is not None
    return found.id


async def get_sessions(
    hass: HomeAssistant, *devices: str, **fields: object
) -> Mapping[str, Any]:
    """Call the action as a script would."""
    response = await hass.services.async_call(
        DOMAIN,
        "get_sessions",
        {"device_id": list(devices), **fields},
        blocking=True,
        return_response=True,
    )
    assert response is not None
    # What a script or the developer tools make of it.
    told: Mapping[str, Any] = json.loads(json.dumps(response))
    return told


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_session_is_returned_as_it_was_told(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """Times, energy, meter values and the number are the charger's own."""
    entry = await add_account(hass, cloud, account)
    start, stop = hours_ago(5), hours_ago(3.5)
    await publish_session(account, 435, start, stop, energy=12.345)
    await publish_session(account, 436, hours_ago(0.02))
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


@pytest.mark.parametrize("action", ["get_sessions", "import_history"])
async def test_strange_devices_are_refused(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount, action: str
) -> None:
    """A device that does not exist or belongs to others is named in the answer."""
    await add_account(hass, cloud, account)
    foreign = MockConfigEntry(domain="other")
    foreign.add_to_hass(hass)
    theirs = dr.async_get(hass).async_get_or_create(
        config_entry_id=foreign.entry_id, identifiers={("other", SERIAL)}
    )
    for device_id in ("no such device", theirs.id):
        with pytest.raises(ServiceValidationError) as refused:
            await hass.services.async_call(
                DOMAIN,
                action,
                {"device_id": [device_id], "from": hours_ago(5)},
                blocking=True,
                return_response=True,
            )
        assert refused.value.translation_key == "not_our_device"
        assert refused.value.translation_placeholders == {"device": device_id}


@pytest.mark.parametrize("action", ["get_sessions", "import_history"])
async def test_account_that_does_not_run_is_named(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount, action: str
) -> None:
    """Nothing is known of its chargers, which is not the same as no sessions."""
    entry = await add_account(hass, cloud, account)
    assert await hass.config_entries.async_unload(entry.entry_id)
    with pytest.raises(ServiceValidationError) as refused:
        await hass.services.async_call(
            DOMAIN,
            action,
            {"device_id": device(hass, entry, SERIAL), "from": hours_ago(5)},
            blocking=True,
            return_response=True,
        )
    assert refused.value.translation_key == "account_not_loaded"
    assert refused.value.translation_placeholders == {"account": entry.title}


@pytest.mark.parametrize("action", ["get_sessions", "import_history"])
@pytest.mark.parametrize("hours", [0, 2])
async def test_period_that_is_none_is_refused(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    action: str,
    hours: float,
) -> None:
    """From has to be before to."""
    entry = await add_account(hass, cloud, account)
    with pytest.raises(ServiceValidationError) as refused:
        await hass.services.async_call(
            DOMAIN,
            action,
            {
                "device_id": device(hass, entry, SERIAL),
                "from": hours_ago(5 - hours),
                "to": hours_ago(5),
            },
            blocking=True,
            return_response=True,
        )
    assert refused.value.translation_key == "empty_period"


async def test_import_needs_a_past_and_a_recorder(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """Tomorrow has no history; without the recorder there is nowhere to write it."""
    entry = await add_account(hass, cloud, account)
    for start, reason in ((hours_ago(-24), "empty_period"), (NOW, "no_recorder")):
        with pytest.raises(ServiceValidationError) as refused:
            await hass.services.async_call(
                DOMAIN,
                "import_history",
                {"device_id": device(hass, entry, SERIAL), "from": start},
                blocking=True,
            )
        assert refused.value.translation_key == reason


async def test_documents_that_cannot_be_read_are_an_error(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """A file that is gone is no empty list; the sessions themselves need no file."""
    entry = await add_account(hass, cloud, account)
    await publish_session(account, 435, hours_ago(5), hours_ago(4))
    await marker(hass, account)(38)
    await entry.runtime_data.store.close()
    target = device(hass, entry, SERIAL)
    with pytest.raises(HomeAssistantError) as failed:
        await get_sessions(hass, target, signed_documents=True)
    assert failed.value.translation_key == "store_unavailable"
    assert len((await get_sessions(hass, target))["sessions"]) == 1


async def test_no_device_is_no_answer(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """A template that found no device shows as an error, not as no sessions."""
    await add_account(hass, cloud, account)
    with pytest.raises(probatio.Invalid):
        await get_sessions(hass)
