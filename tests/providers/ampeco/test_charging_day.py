"""A day at a played charge point, from the tenant through the webhook to the readings.

The server between them hands over what it gets, as Home Assistant does.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import override

from aiohttp import web
from aiohttp.test_utils import TestServer
import pytest

from custom_components.ev_streams.ledger import Ledger
from custom_components.ev_streams.model import Message, Reading, SessionChange
from custom_components.ev_streams.providers.ampeco.decode import decode
from custom_components.ev_streams.providers.ampeco.signature import is_signed
from custom_components.ev_streams.stream.delivery import Delivery, Receiver
from custom_components.ev_streams.stream.errors import StreamError
from custom_components.ev_streams.stream.supervisor import SourceState
from custom_components.ev_streams.stream.webhook import WebhookStream
from simulator.ampeco import AmpecoTenant, ChargePoint, Evse, Routine

OUTLET = Evse(evse_id=27, physical_reference="A")
POINT = ChargePoint(point_id=15, name="Depot gate", evses=(OUTLET,))
DAY = date(2026, 11, 20)
ROUTINE = Routine(point=POINT, evse=OUTLET, first_day=DAY)
MORNING = datetime(2026, 11, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
WANTED = (
    *("SessionMeterValuesNotification", "session.start.stop.notification"),
    *("SessionUpdateNotification", "HardwareStatusNotification"),
)


class Keeper(Receiver):
    """Decodes what comes and acknowledges it."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    @override
    def handle(self, delivery: Delivery) -> None:
        self.messages.append(decode(delivery))
        delivery.ack()

    @override
    async def settle(self) -> None: ...


class Quiet:
    """An observer who is told, and says nothing."""

    def __init__(self) -> None:
        self.is_connected = asyncio.Event()

    def connecting(self) -> None: ...

    def connected(self, backlog: int | None) -> None:
        self.is_connected.set()

    def watched(self, state: SourceState) -> None: ...

    def lost(self, error: StreamError, retry_in: float) -> None: ...

    def refused(self, error: StreamError) -> None: ...


def verified(headers: Mapping[str, str], body: bytes) -> bool:
    return is_signed(body, headers.get("x-signature"), "tenant-token")


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


@pytest.fixture
async def callback_url(keeper: Keeper, socket_enabled: None) -> AsyncIterator[str]:
    """Let a webhook stream run behind a server, and give its address."""
    stream, observer = WebhookStream(keeper, verified), Quiet()
    running = asyncio.create_task(stream.run(observer))
    await observer.is_connected.wait()

    async def receive(request: web.Request) -> web.Response:
        body = (await request.text()).encode()
        return web.Response(status=await stream.receive(request.headers, body))

    application = web.Application()
    application.router.add_post("/hook", receive)
    async with TestServer(application) as server:
        yield str(server.make_url("/hook"))
    assert stream.refused == {}
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def messages(
    tenant: AmpecoTenant, keeper: Keeper, callback_url: str
) -> list[Message]:
    """Return what came of a day of charging."""
    subscription = tenant.subscribe_by_hand(WANTED, callback_url=callback_url)
    for _, notification in ROUTINE.notifications(MORNING, MORNING + 24 * HOUR):
        await tenant.notify(notification)
    assert subscription.failed == []
    return keeper.messages


def interpolated(points: list[tuple[datetime, float]], moment: datetime) -> float:
    """The meter at a moment: what it was before the first point and after the last stands."""
    before = max((p for p in points if p[0] <= moment), default=points[0])
    after = min((p for p in points if p[0] >= moment), default=points[-1])
    if before[0] >= after[0]:
        return before[1]
    share = (moment - before[0]) / (after[0] - before[0])
    return before[1] + share * (after[1] - before[1])


async def test_every_hour_has_the_energy_that_was_charged_in_it(
    messages: list[Message],
) -> None:
    points = sorted(
        (each.measured_at, each.value)
        for message in messages
        for each in message.updates
        if isinstance(each, Reading)
        and each.key == "lifetime_energy"
        and isinstance(each.value, float)
    )
    # The first reading comes a minute after the start, and 0.183 kWh late.
    for hour in range(18, 24):
        begin = MORNING + hour * HOUR
        told = interpolated(points, begin + HOUR) - interpolated(points, begin)
        assert told == pytest.approx(
            ROUTINE.energy_between(begin, begin + HOUR), abs=3e-3
        )


async def test_the_session_starts_once_and_stops_once(messages: list[Message]) -> None:
    ledger = Ledger()
    changes = [
        each
        for message in messages
        for each in message.updates
        if isinstance(each, SessionChange)
    ]
    told = []
    for each in changes:
        ledger.record_session(each)
        if ledger.announce_session(each):
            told.append(each.phase)
    assert told == ["started", "stopped"]
    assert len(changes) > 40
    (session,) = ledger.sessions("15")
    assert session.session_id == "70001"
    assert session.started_at == datetime(2026, 11, 20, 17, 20, tzinfo=UTC)
    assert session.stopped_at == datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
    assert session.energy == pytest.approx(35.796)


async def test_in_the_evening_the_outlet_is_at_rest(messages: list[Message]) -> None:
    ledger = Ledger()
    now = MORNING + 24 * HOUR
    for message in messages:
        for each in message.updates:
            if isinstance(each, Reading):
                ledger.apply(each, now)
    held = {key: reading.value for key, reading in ledger.readings("evse_27").items()}
    assert held["power"] == 0
    assert held["current"] == 0
    assert held["hardware_status"] == "available"
    assert held["session_energy"] == pytest.approx(35.796)
    assert held["state_of_charge"] == 68


async def test_every_message_has_an_identity_of_its_own(
    messages: list[Message],
) -> None:
    identities = {each.identity for each in messages}
    assert None not in identities
    assert len(identities) == len(messages)
