"""Charging sessions, from the broker to events and sensors."""

from datetime import UTC, datetime, timedelta
import json

from homeassistant.core import HomeAssistant
import pytest

from simulator.easee import EaseeAccount, EaseeCloud

from .helpers import (
    SERIAL,
    add_account,
    marker,
    record_events,
    session_json,
    session_start,
    state,
    wait_for_number,
    wait_for_snapshots,
    wait_for_state,
    wait_until,
)


async def test_session_is_told_once_and_shown(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """A session's start and stop fire once each, with the charger's own times and energy."""
    await add_account(hass, cloud, account)
    events = record_events(hass)
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=4)
    stop = start + timedelta(minutes=90)
    for _ in range(2):
        await account.publish(SERIAL, 223, session_json(start))
        await account.publish(SERIAL, 129, session_json(start, stop, 12.345))
    await wait_until(lambda: len(events) >= 2, "both events")
    mark = marker(hass, account)
    await mark(38)
    assert [event["event_type"] for event in events] == ["started", "stopped"]
    started, stopped = events
    assert started["session_id"] == stopped["session_id"] == "435"
    assert started["started_at"] == start.isoformat()
    assert started["stopped_at"] is None
    assert started["energy"] is None
    assert stopped["started_at"] == start.isoformat()
    assert stopped["stopped_at"] == stop.isoformat()
    assert stopped["energy"] == 12.345
    assert stopped["duration"] == 5400
    assert stopped["replayed"] is True
    assert state(hass, SERIAL, "charging_session_start").state == start.isoformat()
    assert state(hass, SERIAL, "charging_session_stop").state == stop.isoformat()
    assert float(state(hass, SERIAL, "charging_session_energy").state) == 12.345
    assert float(state(hass, SERIAL, "charging_session_duration").state) == 90


async def test_an_older_session_of_the_same_number_changes_nothing(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """The cloud may still know one from before the charger counted anew."""
    entry = await add_account(hass, cloud, account)
    events = record_events(hass)
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    stop = start + timedelta(minutes=90)
    await account.publish(SERIAL, 223, session_json(start))
    await account.publish(SERIAL, 129, session_json(start, stop, 12.345))
    await wait_until(lambda: len(events) == 2, "both events")
    older = start - timedelta(days=1)
    told = session_json(older, older + timedelta(hours=1), 3.0)
    await account.publish(SERIAL, 129, told)
    await marker(hass, account)(38)
    account.chargers[SERIAL].observations[129] = (older, told)
    await hass.config_entries.async_reload(entry.entry_id)
    await wait_for_snapshots(entry, account)
    await marker(hass, account)(39)
    assert state(hass, SERIAL, "charging_session_start").state == start.isoformat()
    assert float(state(hass, SERIAL, "charging_session_energy").state) == 12.345
    assert len(events) == 2


@pytest.mark.parametrize(("age", "replayed"), [(1, False), (20, True)])
async def test_old_session_says_that_it_is_replayed(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    age: int,
    replayed: bool,
) -> None:
    """An automation can tell a session of now from one of twenty minutes ago."""
    await add_account(hass, cloud, account)
    events = record_events(hass)
    start = datetime.now(UTC) - timedelta(minutes=age)
    await account.publish(SERIAL, 223, session_json(start))
    await wait_until(lambda: len(events) == 1, "the start of the session")
    assert events[0]["replayed"] is replayed


async def test_signed_document_tells_the_session_too(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    every_entity_enabled: None,
) -> None:
    """A signed document with a session's members stops it; the document is in no state."""
    await add_account(hass, cloud, account)
    events = record_events(hass)
    start = datetime.now(UTC) - timedelta(minutes=3)
    stop = datetime.now(UTC)
    document = json.loads(session_json(start, stop, 1.5)) | {"Signature": "x" * 400}
    await account.publish(SERIAL, 60, json.dumps(document), timestamp=stop)
    await account.publish(SERIAL, 129, session_json(start, stop, 1.5), timestamp=stop)
    mark = marker(hass, account)
    await mark(39)
    assert [event["event_type"] for event in events] == ["stopped"]
    shown = state(hass, SERIAL, "charging_session_signed")
    assert shown.state == stop.replace(microsecond=0).isoformat()


async def test_late_start_of_a_stopped_session(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """A start that comes after its stop fires, and says that it is history."""
    await add_account(hass, cloud, account)
    events = record_events(hass)
    start = datetime.now(UTC) - timedelta(minutes=2)
    stop = datetime.now(UTC)
    await account.publish(SERIAL, 129, session_json(start, stop, 1.5), timestamp=stop)
    await account.publish(SERIAL, 223, session_json(start), timestamp=start)
    await wait_until(lambda: len(events) == 2, "both events")
    assert [(event["event_type"], event["replayed"]) for event in events] == [
        ("stopped", False),
        ("started", True),
    ]


async def test_later_message_completes_a_session(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """A second telling of a stop that knows the energy brings it to the sensor."""
    await add_account(hass, cloud, account)
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=3)
    stop = start + timedelta(minutes=2)
    sparse = {"Id": 435, "Start": start.isoformat(), "Stop": stop.isoformat()}
    await account.publish(SERIAL, 129, json.dumps(sparse))
    await wait_for_state(hass, SERIAL, "charging_session_stop", stop.isoformat())
    await account.publish(SERIAL, 129, session_json(start, stop, 4.5))
    await wait_for_number(hass, SERIAL, "charging_session_energy", 4.5)


async def test_snapshot_fires_no_event(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """The last session is shown after setup, but nothing pretends that it stops just now."""
    stop = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    start = stop - timedelta(hours=1)
    account.chargers[SERIAL].observations[129] = (stop, session_json(start, stop, 7.5))
    await add_account(hass, cloud, account)
    await wait_for_number(hass, SERIAL, "charging_session_energy", 7.5)
    assert state(hass, SERIAL, "charging_session").state == "unknown"


async def test_session_of_a_wrong_clock_is_not_the_last_one_for_ever(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """A charger that once believed in another year goes on with its next session."""
    await add_account(hass, cloud, account)
    now = datetime.now(UTC).replace(microsecond=0)
    await account.publish_many(
        SERIAL,
        [session_start(9, now + timedelta(days=3650)), session_start(10, now)],
        remember=False,
    )
    later = now + timedelta(seconds=30)
    await account.publish_many(SERIAL, [session_start(11, later)], remember=False)
    await wait_for_state(hass, SERIAL, "charging_session_start", later.isoformat())
