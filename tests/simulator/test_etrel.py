"""Etrel Ocean as it is played: its queues on the real broker, and what its stations tell."""

import asyncio
from datetime import UTC, datetime, timedelta
import json
from typing import Any
from zoneinfo import ZoneInfo

import aio_pika
from aio_pika.exceptions import ProbableAuthenticationError
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import ChannelAccessRefused
import pytest

from custom_components.ev_streams.stream import queue_names
from simulator.etrel import ApiAccess, EtrelOcean, Station

HOUR = timedelta(hours=1)
SINCE = datetime(2026, 11, 18, tzinfo=UTC)
UNTIL = datetime(2026, 11, 20, tzinfo=UTC)
STATION = Station()
ENDED = "session.ended"


async def connect(
    access: ApiAccess, ocean: EtrelOcean
) -> aio_pika.abc.AbstractConnection:
    broker = ocean.administrator.broker
    return await aio_pika.connect(
        host=broker.host,
        port=broker.port,
        login=access.username,
        password=access.api_key,
    )


async def receive(
    ocean: EtrelOcean, access: ApiAccess, tail: str, count: int
) -> list[DeliveredMessage]:
    """Read messages of one queue and acknowledge them."""
    received: asyncio.Queue[DeliveredMessage] = asyncio.Queue()
    async with await connect(access, ocean) as connection, asyncio.timeout(10):
        channel = await (await connection.channel()).get_underlay_channel()
        await queue_names.consume(channel, access.queues[tail], received.put)
        messages = [await received.get() for _ in range(count)]
        await channel.basic_ack(messages[-1].delivery_tag or 0, multiple=True)
    return messages


async def _nobody(message: DeliveredMessage) -> None:
    """Take nothing: there is nothing to come."""


async def test_an_access_has_a_queue_for_each_type(ocean: EtrelOcean) -> None:
    access = await ocean.add_access(12, "key")
    assert access.username == "APIACCESS-12"
    assert set(access.queues.values()) == {
        "APIACCESS-12.*.session.started",
        "APIACCESS-12.*.session.started.user",
        "APIACCESS-12.*.session.ended",
        "APIACCESS-12.*.connector.statusChanged",
        "APIACCESS-12.*.reservation.created",
        "APIACCESS-12.*.reservation.canceled",
        "APIACCESS-12.*.*.*.system.event",
        "APIACCESS-12.helpdesk.ticket.raisedByUser",
    }
    assert "key" not in repr(access)
    for tail in access.queues:
        assert (await ocean.queue_state(access, tail)).ready == 0


async def test_messages_on_the_wire(ocean: EtrelOcean) -> None:
    """No envelope, no type, no id: a bare object under a routing key with the location."""
    access = await ocean.add_access(12, "key")
    (session, *_) = STATION.sessions(SINCE, UNTIL)
    await ocean.publish(STATION.ended(session), STATION.system_event(1, "X", UNTIL))
    (ended,) = await receive(ocean, access, ENDED, 1)
    assert ended.routing_key == "APIACCESS-12.77.session.ended"
    body = json.loads(ended.body)
    assert body["ChargingSessionId"] == session.session_id
    assert body["ConnectedFrom"] == STATION.local(session.connected)
    assert not ended.header.properties.headers
    assert ended.header.properties.message_type in {None, ""}
    (event,) = await receive(ocean, access, "system.event", 1)
    assert event.routing_key == "APIACCESS-12.77.ChargePoint.Warning.system.event"


async def test_the_oldest_messages_are_overwritten(ocean: EtrelOcean) -> None:
    access = await ocean.add_access(12, "key", tails=[ENDED])
    for number in range(1005):
        body = str(number).encode()
        await ocean.publish_raw(access, f"77.{ENDED}", body)
    assert (await ocean.queue_state(access, ENDED)).ready == 1000
    messages = await receive(ocean, access, ENDED, 1000)
    assert (messages[0].body, messages[-1].body) == (b"5", b"1004")


async def test_each_access_gets_its_own_copy(ocean: EtrelOcean) -> None:
    one = await ocean.add_access(12, "a", tails=[ENDED])
    two = await ocean.add_access(121, "b", tails=[ENDED, "session.started"])
    (session, *_) = STATION.sessions(SINCE, UNTIL)
    await ocean.publish(STATION.ended(session), copies=3)
    for access in (one, two):
        assert (await ocean.queue_state(access, ENDED)).ready == 3
    assert (await ocean.queue_state(two, "session.started")).ready == 0


async def test_versions_come_side_by_side_in_queues_of_their_own(
    ocean: EtrelOcean,
) -> None:
    access = await ocean.add_access(12, "key", tails=[ENDED, f"{ENDED}.v2"])
    (session, *_) = STATION.sessions(SINCE, UNTIL)
    await ocean.publish(
        STATION.ended(session), STATION.version_2(STATION.ended(session))
    )
    assert access.queues[f"{ENDED}.v2"] == "APIACCESS-12.*.session.ended.v2"
    (new,) = await receive(ocean, access, f"{ENDED}.v2", 1)
    (old,) = await receive(ocean, access, ENDED, 1)
    assert json.loads(new.body)["Data"] == json.loads(old.body)


async def test_a_customer_may_read_its_own_queues_and_nothing_else(
    ocean: EtrelOcean,
) -> None:
    one = await ocean.add_access(12, "a", tails=[ENDED])
    other = await ocean.add_access(13, "b", tails=[ENDED])
    async with await connect(one, ocean) as connection:
        channel = await (await connection.channel()).get_underlay_channel()
        with pytest.raises(ChannelAccessRefused):
            await queue_names.consume(channel, other.queues[ENDED], _nobody)
        mine = await connection.channel()
        with pytest.raises(ChannelAccessRefused):
            await mine.declare_queue("APIACCESS-12.own")


async def test_a_revoked_access_and_an_old_key_are_refused(ocean: EtrelOcean) -> None:
    access = await ocean.add_access(12, "old", tails=[ENDED])
    renewed = await ocean.set_api_key(access, "new")
    with pytest.raises(ProbableAuthenticationError):
        await connect(access, ocean)
    await (await connect(renewed, ocean)).close()
    await ocean.revoke(renewed)
    with pytest.raises(ProbableAuthenticationError):
        await connect(renewed, ocean)


async def test_a_type_can_be_taken_away_and_chosen_again(ocean: EtrelOcean) -> None:
    access = await ocean.add_access(12, "key", tails=[ENDED, "session.started"])
    await ocean.remove_queue(access, ENDED)
    with pytest.raises(LookupError):
        await ocean.queue_state(access, ENDED)
    await ocean.restore_queue(access, ENDED)
    assert (await ocean.queue_state(access, ENDED)).ready == 0


def test_the_past_is_the_same_whenever_it_is_told_and_in_pieces() -> None:
    whole = list(STATION.notifications(SINCE, UNTIL))
    middle = SINCE + 7.3 * HOUR
    pieces = [
        *Station().notifications(SINCE, middle),
        *Station().notifications(middle, UNTIL),
    ]
    assert len(whole) == len(pieces)
    assert sorted(map(repr, whole)) == sorted(map(repr, pieces))
    assert whole == pieces


def test_a_connector_has_one_session_at_a_time_and_a_meter_that_goes_on() -> None:
    sessions = STATION.sessions(SINCE, UNTIL)
    assert len({each.session_id for each in sessions}) == len(sessions)
    by_connector: dict[tuple[str, int], Any] = {}
    for session in sessions:
        place = (session.charge_point, session.connector)
        before = by_connector.get(place)
        if before is not None:
            assert before.stopped < session.connected < session.started
            assert session.meter_start == pytest.approx(before.meter_stop)
        by_connector[place] = session
    assert len(by_connector) == 4


def test_sessions_of_one_location_run_at_the_same_time() -> None:
    """What a consumer has to keep apart."""
    sessions = STATION.sessions(SINCE, UNTIL)
    assert any(
        one.started < other.started < one.stopped
        for one in sessions
        for other in sessions
        if one is not other
    )


def test_the_energy_of_hours_is_that_of_the_sessions() -> None:
    (code, *_) = (point.code for point in STATION.charge_points)
    sessions = [
        each
        for each in STATION.sessions(SINCE, UNTIL)
        if (each.charge_point, each.connector) == (code, 1)
    ]
    by_hand = sum(
        each.power * (each.stopped - each.started).total_seconds() / 3600
        for each in sessions
        if each.started >= SINCE and each.stopped <= UNTIL
    )
    by_hour = sum(
        STATION.energy(code, 1, SINCE + n * HOUR, SINCE + (n + 1) * HOUR)
        for n in range(48)
    )
    assert by_hour == pytest.approx(by_hand)
    assert by_hand > 50


def test_times_are_local_and_name_no_zone() -> None:
    station = Station(zone=ZoneInfo("Europe/Ljubljana"))
    assert station.local(datetime(2026, 7, 1, 8, tzinfo=UTC)) == "2026-07-01T10:00:00"
    assert station.local(datetime(2026, 12, 1, 8, tzinfo=UTC)) == "2026-12-01T09:00:00"
