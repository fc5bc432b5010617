"""What the messages of a location become: devices, entities, events, sessions."""

from datetime import UTC, datetime, timedelta
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
import pytest

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from simulator.etrel import ApiAccess, EtrelOcean, Notification

from ..helpers import (
    phases,
    record_event_entities,
    state,
    stored_sessions,
    wait_for_state,
    wait_live,
    wait_until,
)
from .helpers import (
    CONNECTOR,
    LOCATION,
    NOW,
    OTHER_CONNECTOR,
    POINT,
    STATION,
    add_access,
    received,
    registered,
    session,
    tell,
)


async def test_a_session_starts_and_stops(
    hass: HomeAssistant, ocean: EtrelOcean, access: ApiAccess
) -> None:
    """Told of the location; what flows is told of the connector."""
    entry = await add_access(hass, ocean, access)
    fired = record_event_entities(hass, "charging_session")
    now = datetime.now(UTC).replace(microsecond=0)
    played = session(
        started=now - timedelta(minutes=46), stopped=now - timedelta(minutes=1)
    )
    await ocean.publish(STATION.started(played))
    await wait_until(lambda: len(fired) == 1, "the start")
    assert state(hass, CONNECTOR, "power").state == "8.0"
    assert state(hass, CONNECTOR, "lifetime_energy").state == "100.0"
    assert state(hass, LOCATION, "charging_session_start").state == (
        played.started.isoformat()
    )
    await ocean.publish(STATION.ended(played))
    await wait_until(lambda: len(fired) == 2, "the stop")
    # Three quarters of an hour at 8 kW. It began long ago, and ended just now.
    assert [each["event_type"] for each in fired] == ["started", "stopped"]
    assert told_by(fired) == [
        {
            "device": LOCATION,
            "session_id": "5001",
            "started_at": played.started.isoformat(),
            "stopped_at": None,
            "energy": None,
            "duration": None,
            "replayed": True,
            "evse": f"{POINT}/1",
        },
        {
            "device": LOCATION,
            "session_id": "5001",
            "started_at": played.started.isoformat(),
            "stopped_at": played.stopped.isoformat(),
            "energy": 6.0,
            "duration": 2700.0,
            "replayed": False,
            "evse": f"{POINT}/1",
        },
    ]
    shown = {
        key: float(state(hass, CONNECTOR, key).state)
        for key in ("session_energy", "lifetime_energy", "power")
    }
    assert shown == {
        "session_energy": 6.0,
        "lifetime_energy": 106.0,
        "power": 0.0,
    }
    assert state(hass, LOCATION, "charging_session_energy").state == "6.0"
    assert entry.runtime_data.vitals.unknown == {}


@pytest.mark.parametrize("first", ["user", "operator"])
async def test_the_start_for_the_user_is_of_the_same_session(
    hass: HomeAssistant, ocean: EtrelOcean, access: ApiAccess, first: str
) -> None:
    """It says less, and of the start only when the car came, be it there first or last."""
    entry = await add_access(hass, ocean, access)
    fired = record_event_entities(hass, "charging_session")
    played = session()
    starts = [STATION.started_user(played), STATION.started(played)]
    in_order = starts if first == "user" else reversed(starts)
    await tell(entry, ocean, *in_order)
    await wait_until(lambda: len(fired) == 1, "the start")
    shown = state(hass, LOCATION, "charging_session_start").state
    assert datetime.fromisoformat(shown) == played.started.replace(microsecond=0)
    await tell(entry, ocean, STATION.ended(played))
    await wait_until(lambda: len(fired) == 2, "start and stop")
    assert phases(fired) == [("started", "5001"), ("stopped", "5001")]
    assert {each["evse"] for each in fired[1:]} == {f"{POINT}/1"}
    await entry.runtime_data.committer.flush()
    assert await stored_sessions(hass, entry, LOCATION) == {"5001": 6.0}


@pytest.mark.parametrize(
    ("zone", "times"),
    [
        # Home Assistant's own, which the tests have in California.
        ("", {"2026-11-20T01:30:00": "2026-11-20T09:30:00+00:00"}),
        (
            "Europe/Ljubljana",
            {
                "2026-10-20T11:30:00": "2026-10-20T09:30:00+00:00",
                # Half past two came twice that night; the first one is meant.
                "2026-10-25T02:30:00": "2026-10-25T00:30:00+00:00",
                "2026-11-20T10:30:00": "2026-11-20T09:30:00+00:00",
            },
        ),
        (
            "Asia/Kathmandu",
            {
                "2026-11-20T15:15:00": "2026-11-20T09:30:00+00:00",
                # What names its zone needs no other.
                "2026-11-20T10:40:00+01:00": "2026-11-20T09:40:00+00:00",
            },
        ),
    ],
)
async def test_times_are_those_of_the_zone_that_was_chosen(
    hass: HomeAssistant,
    ocean: EtrelOcean,
    access: ApiAccess,
    zone: str,
    times: dict[str, str],
) -> None:
    assert hass.config.time_zone == "US/Pacific"
    entry = await add_access(hass, ocean, access, advanced={"time_zone": zone})
    fired = record_event_entities(hass, "charging_session")
    for number, written in enumerate(times):
        body = {"ChargingSessionId": number, "ChargingFrom": written}
        started = Notification(tail="session.started", location_id=77, body=body)
        await tell(entry, ocean, started)
    await wait_until(lambda: len(fired) == len(times), "the starts")
    assert [each["started_at"] for each in fired] == list(times.values())
    assert {each["replayed"] for each in fired} == {True}


async def test_a_session_over_the_change_of_clocks_has_its_true_length(
    hass: HomeAssistant, ocean: EtrelOcean, access: ApiAccess
) -> None:
    """From half past two to ten past two, as the clocks show it: forty minutes."""
    await add_access(hass, ocean, access)
    fired = record_event_entities(hass, "charging_session")
    started = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    played = session(started=started, stopped=started + timedelta(minutes=40))
    ended = STATION.ended(played)
    assert ended.body["ChargingFrom"] > ended.body["ChargingTo"]
    await ocean.publish(STATION.started(played), ended)
    await wait_until(lambda: len(fired) == 2, "start and stop")
    assert fired[1]["duration"] == 2400
    assert fired[1]["stopped_at"] == "2026-10-25T01:10:00+00:00"


async def test_a_status_is_that_of_the_connector(
    hass: HomeAssistant, ocean: EtrelOcean, access: ApiAccess
) -> None:
    """Each on a device of its own, in the charge point, in the location."""
    entry = await add_access(hass, ocean, access)
    at = NOW - timedelta(seconds=30)
    await ocean.publish(
        STATION.status(POINT, 1, "SuspendedEV", at),
        STATION.status(POINT, 2, "Available", at),
        # An older one that was held up on its way.
        STATION.status(POINT, 1, "Charging", at - timedelta(minutes=3)),
    )
    await received(entry, 3)
    await hass.async_block_till_done()
    assert state(hass, CONNECTOR, "connector_status").state == "suspended_ev"
    assert state(hass, OTHER_CONNECTOR, "connector_status").state == "available"
    location = registered(hass, entry, LOCATION)
    point = registered(hass, entry, POINT)
    account = registered(hass, entry, str(entry.unique_id))
    assert (location.name, point.name) == ("Location 77", f"Charge point {POINT}")
    assert location.via_device_id == account.id
    assert point.via_device_id == location.id
    for device_id, name in (
        (CONNECTOR, f"{POINT} connector 1"),
        (OTHER_CONNECTOR, f"{POINT} connector 2"),
    ):
        device = registered(hass, entry, device_id)
        assert (device.name, device.via_device_id) == (name, point.id)


async def test_a_location_gets_its_name_when_it_is_told(
    hass: HomeAssistant, ocean: EtrelOcean, access: ApiAccess
) -> None:
    """And keeps it, over a restart and over messages that do not tell it."""
    entry = await add_access(hass, ocean, access)
    await ocean.publish(STATION.status(POINT, 1, "Available", NOW))
    await received(entry, 1)
    assert registered(hass, entry, LOCATION).name == "Location 77"
    await ocean.publish(STATION.ended(session()))
    await received(entry, 2)
    assert registered(hass, entry, LOCATION).name == "Parking North"
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    await ocean.publish(STATION.status(POINT, 1, "Faulted", NOW))
    await wait_for_state(hass, CONNECTOR, "connector_status", "faulted")
    assert registered(hass, entry, LOCATION).name == "Parking North"
    assert registered(hass, entry, POINT).via_device_id == (
        registered(hass, entry, LOCATION).id
    )


async def test_what_is_no_state_is_an_event(
    hass: HomeAssistant, ocean: EtrelOcean, access: ApiAccess
) -> None:
    """Of the location, or of the account where none is named; nobody's name is in it."""
    entry = await add_access(hass, ocean, access)
    fired = record_event_entities(hass, "message")
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=30)
    begin, end = NOW + timedelta(hours=1), NOW + timedelta(hours=3)
    await tell(
        entry,
        ocean,
        STATION.reservation(9, begin, end),
        STATION.reservation(9, begin, end, canceled=True),
        STATION.system_event(31, "E-STOP", at),
        STATION.ticket(4, at),
    )
    await wait_until(lambda: len(fired) == 4, "the events")
    reserved = {
        "device": LOCATION,
        "location_id": "77",
        "reservation_id": "9",
        "from": begin.isoformat(),
        "to": end.isoformat(),
    }
    dated = {"occurred_at": at.isoformat(), "replayed": False}
    assert told_by(fired) == [
        {**reserved, "type": "reservation.created"},
        {**reserved, "type": "reservation.canceled"},
        {
            "device": LOCATION,
            "type": "system.event",
            "location_id": "77",
            "event_id": "31",
            "code": "E-STOP",
            "severity": "Warning",
            "charge_point": POINT,
            **dated,
        },
        {
            "device": entry.unique_id,
            "type": "helpdesk.ticket.raisedByUser",
            "ticket_id": "4",
            "category": "Charging",
            "status": "Open",
            **dated,
        },
    ]
    assert entry.runtime_data.vitals.unknown == {}


async def test_what_waited_is_marked_though_it_has_no_time(
    hass: HomeAssistant, ocean: EtrelOcean, access: ApiAccess
) -> None:
    """When somebody reserved is not told: an automation would take last night's for new."""
    entry = await add_access(hass, ocean, access)
    fired = record_event_entities(hass, "message")
    await hass.config_entries.async_unload(entry.entry_id)
    begin, end = NOW + timedelta(hours=1), NOW + timedelta(hours=3)
    await ocean.publish(STATION.reservation(9, begin, end))
    await hass.config_entries.async_setup(entry.entry_id)
    await wait_live(hass, entry)
    await wait_until(lambda: len(fired) == 1, "what waited")
    await ocean.publish(STATION.reservation(10, begin, end))
    await wait_until(lambda: len(fired) == 2, "what is new")
    assert [(each["reservation_id"], each.get("replayed")) for each in fired] == [
        ("9", True),
        ("10", None),
    ]


async def test_a_type_nobody_knows_is_an_event_all_the_same(
    hass: HomeAssistant, ocean: EtrelOcean
) -> None:
    access = await ocean.add_access(20, "right", tails=["tariff.changed"])
    entry = await add_access(hass, ocean, access, queues=list(access.queues.values()))
    fired = record_event_entities(hass, "message")
    body = {"TariffId": 3}
    await ocean.publish(Notification(tail="tariff.changed", location_id=77, body=body))
    await wait_until(lambda: len(fired) == 1, "the event")
    assert told_by(fired) == [
        {"device": LOCATION, "type": "tariff.changed", "location_id": "77"}
    ]
    assert entry.runtime_data.vitals.unknown == {"message:tariff.changed": 1}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff\xfe", "not_json"),
        (b"[1, 2]", "not_an_object"),
        (b"{" + b" " * 300_000 + b"}", "too_large"),
    ],
)
async def test_what_cannot_be_read_costs_nothing_else(
    hass: HomeAssistant,
    ocean: EtrelOcean,
    access: ApiAccess,
    body: bytes,
    reason: str,
) -> None:
    entry = await add_access(hass, ocean, access)
    await ocean.publish_raw(access, "77.session.ended", body)
    await ocean.publish(STATION.ended(session()))
    await wait_for_session(hass, entry)
    assert entry.runtime_data.refusals.counts == {reason: 1}
    await hass.config_entries.async_unload(entry.entry_id)
    left = await ocean.queue_state(access, "session.ended")
    assert (left.ready, left.unacknowledged) == (0, 0)


async def test_of_two_versions_side_by_side_one_has_an_effect(
    hass: HomeAssistant, ocean: EtrelOcean
) -> None:
    """That which is understood; the other one is counted, and acknowledged."""
    types = ("session.started", "session.ended", "reservation.created")
    tails = [*types, *(f"{each}.v2" for each in types)]
    access = await ocean.add_access(21, "right", tails=tails)
    entry = await add_access(hass, ocean, access, queues=list(access.queues.values()))
    fired = record_event_entities(hass, "charging_session")
    messages = record_event_entities(hass, "message")
    for told in (
        STATION.started(session()),
        STATION.ended(session()),
        STATION.reservation(9, NOW, NOW + timedelta(hours=1)),
    ):
        await tell(entry, ocean, STATION.version_2(told), told)
    await wait_until(lambda: len(fired) == 2 and len(messages) == 1, "the events")
    assert phases(fired) == [("started", "5001"), ("stopped", "5001")]
    await entry.runtime_data.committer.flush()
    assert await stored_sessions(hass, entry, LOCATION) == {"5001": 6.0}
    assert entry.runtime_data.vitals.unknown == {
        f"message:{each}.v2": 1 for each in types
    }
    await hass.config_entries.async_unload(entry.entry_id)
    for tail in tails:
        left = await ocean.queue_state(access, tail)
        assert (left.ready, left.unacknowledged) == (0, 0)


async def test_a_message_that_comes_again_has_one_effect(
    hass: HomeAssistant, ocean: EtrelOcean, access: ApiAccess
) -> None:
    """Be it at once, or after a restart."""
    entry = await add_access(hass, ocean, access)
    fired = record_event_entities(hass, "charging_session")
    messages = record_event_entities(hass, "message")
    told = (
        STATION.started(session()),
        STATION.ended(session()),
        STATION.reservation(9, NOW, NOW + timedelta(hours=1)),
        STATION.system_event(31, "E-STOP", NOW),
        STATION.ticket(4, NOW),
    )
    await tell(entry, ocean, *told)
    await ocean.publish(*told, copies=2)
    await received(entry, 15)
    await hass.config_entries.async_unload(entry.entry_id)
    await ocean.publish(*told)
    await hass.config_entries.async_setup(entry.entry_id)
    await wait_live(hass, entry)
    await received(entry, 5)
    # Another one shows that there is nothing more to come.
    await ocean.publish(STATION.ticket(5, NOW))
    await wait_until(lambda: len(messages) == 4, "the last")
    assert phases(fired) == [("started", "5001"), ("stopped", "5001")]
    # Each type has a queue of its own: their order among themselves is nobody's.
    assert sorted(each["type"] for each in messages) == [
        *["helpdesk.ticket.raisedByUser"] * 2,
        *("reservation.created", "system.event"),
    ]
    assert entry.runtime_data.vitals.repeated == 5
    assert float(state(hass, CONNECTOR, "lifetime_energy").state) == 106


async def test_a_lost_connection_brings_messages_again_and_no_second_effect(
    hass: HomeAssistant,
    ocean: EtrelOcean,
    access: ApiAccess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was not acknowledged comes again by the broker's own hand."""
    entry = await add_access(hass, ocean, access)
    messages = record_event_entities(hass, "message")
    monkeypatch.setattr(entry.runtime_data.committer, "settle", lambda _ack: None)
    await ocean.publish(STATION.system_event(31, "E-STOP", NOW))
    await wait_until(lambda: len(messages) == 1, "the event")
    monkeypatch.undo()
    await ocean.administrator.close_connections(access.username)
    await wait_until(lambda: entry.runtime_data.vitals.redelivered == 1, "it again")
    await wait_live(hass, entry)
    await ocean.publish(STATION.ticket(5, NOW))
    await wait_until(lambda: len(messages) == 2, "the last")
    assert [each["type"] for each in messages] == [
        "system.event",
        "helpdesk.ticket.raisedByUser",
    ]


async def test_after_a_restart_all_is_as_it_was(
    hass: HomeAssistant, ocean: EtrelOcean, access: ApiAccess
) -> None:
    """Before the first new message, and without its broker."""
    entry = await add_access(hass, ocean, access)
    await ocean.publish(
        STATION.started(session()),
        STATION.ended(session()),
        STATION.status(POINT, 1, "Available", NOW),
    )
    await received(entry, 3)
    await wait_for_session(hass, entry)
    keys = [
        *((CONNECTOR, key) for key in ("connector_status", "lifetime_energy", "power")),
        (LOCATION, "charging_session_energy"),
        (LOCATION, "charging_session_start"),
    ]
    before = {place: state(hass, *place).state for place in keys}
    assert await hass.config_entries.async_unload(entry.entry_id)
    await ocean.set_api_key(access, "changed meanwhile")
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert {place: state(hass, *place).state for place in keys} == before
    assert before[CONNECTOR, "lifetime_energy"] == "106.0"


async def wait_for_session(hass: HomeAssistant, entry: EvStreamsConfigEntry) -> None:
    """Wait until the session of the helpers is over and its entities show it."""
    unique_id = f"{LOCATION}_charging_session_energy"
    registry = er.async_get(hass)
    # Told late it is held for a moment, for what may have been before it.
    await wait_until(
        lambda: registry.async_get_entity_id("sensor", DOMAIN, unique_id) is not None,
        "the session's entities",
    )
    await wait_for_state(hass, LOCATION, "charging_session_energy", "6.0")
    # Of what is told late, no more than one value a second is shown.
    await wait_for_state(hass, CONNECTOR, "lifetime_energy", "106.0")


def told_by(fired: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what events tell, without what all of them have."""
    common = {"event_types", "friendly_name", "event_type"}
    return [
        {name: each for name, each in event.items() if name not in common}
        for event in fired
    ]
