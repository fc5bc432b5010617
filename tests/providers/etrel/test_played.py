"""The played vendor, a real broker, our transport and the decoder, end to end."""

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from custom_components.ev_streams.meter import MeterInput, MeterPoint, energy_curve
from custom_components.ev_streams.model import (
    Message,
    Reading,
    SessionChange,
    SessionPhase,
)
from custom_components.ev_streams.providers.etrel.decode import decode
from custom_components.ev_streams.providers.etrel.fields import Fields
from custom_components.ev_streams.series import Counted
from custom_components.ev_streams.stream.amqp import AmqpEndpoint, AmqpStream
from custom_components.ev_streams.stream.delivery import Delivery
from custom_components.ev_streams.stream.errors import StreamError
from custom_components.ev_streams.stream.supervisor import SourceState
from simulator.etrel import ApiAccess, EtrelOcean, Station

from .helpers import NOW, utc

HOUR = timedelta(hours=1)
STATION = Station()
FIELDS = Fields(time_zone=STATION.zone)
SINCE, UNTIL = utc(0, day=18), utc(0, day=20)


@dataclass
class Reader:
    """Reads and decodes all the queues of an access, and acknowledges each at once."""

    ocean: EtrelOcean
    access: ApiAccess
    messages: list[Message] = field(default_factory=list)
    backlog: int | None = None
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def handle(self, delivery: Delivery) -> None:
        queues = frozenset(self.access.queues.values())
        self.messages.append(decode(delivery, FIELDS, NOW, queues))
        delivery.ack()
        self.arrived.set()

    async def settle(self) -> None:
        """Nothing is pending."""

    def connecting(self) -> None:
        """The supervisor's business."""

    def connected(self, backlog: int | None) -> None:
        self.backlog = backlog

    def watched(self, state: SourceState) -> None:
        """Nobody asks."""

    def lost(self, error: StreamError, retry_in: float) -> None:
        """The supervisor's business."""

    def refused(self, error: StreamError) -> None:
        """The supervisor's business."""

    async def read(self, count: int) -> list[Message]:
        """Read until that many have come; returns each that has an effect of its own."""
        broker = self.ocean.administrator.broker
        endpoint = AmqpEndpoint(
            host=broker.host,
            port=broker.port,
            virtual_host="/",
            username=self.access.username,
            password=self.access.api_key,
            queues=tuple(self.access.queues.values()),
            ssl_context=None,
        )
        running = asyncio.create_task(AmqpStream(endpoint, self).run(self))
        try:
            async with asyncio.timeout(30):
                while len(self.messages) < count:
                    self.arrived.clear()
                    await self.arrived.wait()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return distinct(self.messages)


def distinct(messages: list[Message]) -> list[Message]:
    """Leave out the copies of a message that came before."""
    seen: set[str] = set()
    found = []
    for message in messages:
        if message.identity is None or message.identity not in seen:
            found.append(message)
            seen.add(message.identity or "")
    return found


def sessions_of(messages: list[Message]) -> list[SessionChange]:
    return [
        update
        for message in messages
        for update in message.updates
        if isinstance(update, SessionChange)
    ]


async def test_every_session_starts_and_stops_at_its_place_and_time(
    ocean: EtrelOcean,
) -> None:
    """However often each message comes."""
    access = await ocean.add_access(12, "key")
    told = list(STATION.notifications(SINCE, UNTIL))
    await ocean.publish(*told, copies=2)
    reader = Reader(ocean, access)
    changes = sessions_of(await reader.read(2 * len(told)))

    assert reader.backlog == 2 * len(told)
    assert {each.device_id for each in changes} == {"location_77"}
    expected = [
        session
        for session in STATION.sessions(SINCE, UNTIL)
        if session.connected >= SINCE and session.stopped < UNTIL
    ]
    assert len(expected) == 48
    stops = {
        each.session_id: each for each in changes if each.phase is SessionPhase.STOPPED
    }
    assert len(stops) == sum(each.phase is SessionPhase.STOPPED for each in changes)
    for session in expected:
        stop = stops[str(session.session_id)]
        assert (stop.started_at, stop.stopped_at) == (session.started, session.stopped)
        assert stop.energy == pytest.approx(session.energy, abs=1e-5)
        assert stop.evse == f"{session.charge_point}/{session.connector}"
    # The second start is the one for the user, which is of the same session.
    starts = Counter(
        (each.device_id, each.session_id)
        for each in changes
        if each.phase is SessionPhase.STARTED
    )
    assert set(starts.values()) == {2}


async def test_what_flowed_in_each_hour_follows_from_the_meters(
    ocean: EtrelOcean,
) -> None:
    access = await ocean.add_access(
        12, "key", tails=["session.started", "session.ended"]
    )
    await ocean.publish_past(STATION, SINCE, UNTIL)
    count = sum(
        each.tail in access.queues for each in STATION.notifications(SINCE, UNTIL)
    )
    meters: dict[str, list[MeterPoint]] = defaultdict(list)
    for message in await Reader(ocean, access).read(count):
        for update in message.updates:
            if isinstance(update, Reading) and update.key == "lifetime_energy":
                assert isinstance(update.value, float)
                meters[update.device_id].append(
                    MeterPoint(
                        measured_at=update.measured_at,
                        input=MeterInput.REGISTER,
                        value=update.value,
                    )
                )
    assert len(meters) == 4
    for device_id, points in meters.items():
        code, connector = device_id.split("_connector_")
        counted = Counted(energy_curve(points))
        for number in range(4, 44):
            hour = SINCE + number * HOUR
            begin, end = counted.at(hour), counted.at(hour + HOUR)
            assert begin is not None
            assert end is not None
            truth = STATION.energy(code, int(connector), hour, hour + HOUR)
            assert end[1] - begin[1] == pytest.approx(truth, abs=0.001)


async def test_a_newer_version_beside_the_known_one_changes_nothing(
    ocean: EtrelOcean,
) -> None:
    access = await ocean.add_access(
        12, "key", tails=["session.ended", "session.ended.v2"]
    )
    (session, *_) = STATION.sessions(SINCE, UNTIL)
    known = STATION.ended(session)
    await ocean.publish(STATION.version_2(known), known)
    messages = await Reader(ocean, access).read(2)
    assert len(sessions_of(messages)) == 1
    assert {each.unknown for each in messages} == {None, "message:session.ended.v2"}


async def test_what_happens_besides_is_told_in_the_queues_of_its_type(
    ocean: EtrelOcean,
) -> None:
    access = await ocean.add_access(12, "key")
    await ocean.publish(
        STATION.reservation(1, NOW, NOW + HOUR),
        STATION.reservation(1, NOW, NOW + HOUR, canceled=True),
        STATION.system_event(2, "GroundFault", NOW),
        STATION.ticket(3, NOW),
        copies=2,
    )
    messages = await Reader(ocean, access).read(8)
    happenings = {
        each.happening.type: each.happening for each in messages if each.happening
    }
    assert len(messages) == 4
    assert happenings.keys() == {
        *("reservation.created", "reservation.canceled", "system.event"),
        "helpdesk.ticket.raisedByUser",
    }
    assert happenings["system.event"].facts["location_id"] == "77"
    assert happenings["system.event"].occurred_at == NOW
    assert happenings["reservation.created"].facts["to"] == "2026-11-20T13:00:00+00:00"
    assert "Kim" not in repr(messages)
