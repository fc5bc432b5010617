"""What is played in real time: something happens soon, and all of it is told once."""

from datetime import UTC, datetime, timedelta

import pytest

from simulator.ampeco import AmpecoTenant
from simulator.etrel import ChargingSession
from simulator.invers import Topic
from simulator.live import Stage, scene_at
from simulator.live_tenant import LiveTenant, routines_at
from simulator.rabbitmq import RabbitMQ

TURN = datetime(2026, 11, 20, 12, 34, 56, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def test_one_vehicle_goes_on_charging_and_another_is_done() -> None:
    goes_on, is_done = scene_at(TURN).vehicles
    (charge,) = goes_on.course.charges(TURN - MINUTE, TURN + MINUTE)
    assert (charge.begin, charge.end) == (TURN - HOUR, TURN + 3 * HOUR)
    (charge,) = is_done.course.charges(TURN - MINUTE, TURN + MINUTE)
    assert charge.end == TURN


@pytest.mark.parametrize("later", range(0, 24 * 60, 97))
def test_at_any_time_a_car_leaves_another_comes_and_a_third_stays(later: int) -> None:
    turn = TURN + later * MINUTE
    sessions = scene_at(turn).station.sessions(turn - MINUTE, turn + MINUTE)

    def outlets(theirs: list[ChargingSession]) -> set[tuple[str, int]]:
        return {(each.charge_point, each.connector) for each in theirs}

    leaves = outlets([each for each in sessions if each.stopped == turn])
    comes = outlets([each for each in sessions if each.started == turn])
    stays = outlets([e for e in sessions if e.started < turn < e.stopped - 20 * MINUTE])
    assert leaves
    assert comes - leaves
    assert stays - leaves - comes


def test_at_the_tenant_a_session_stops_and_another_goes_on() -> None:
    stops, goes_on = routines_at(TURN)
    assert stops.power_at(TURN - MINUTE) > 0 == stops.power_at(TURN)
    assert goes_on.power_at(TURN - HOUR - MINUTE) == 0 < goes_on.power_at(TURN)
    assert goes_on.power_at(TURN + 2 * HOUR) > 0


@pytest.mark.usefixtures("socket_enabled")
async def test_the_past_waits_in_the_queues_and_nothing_is_told_twice(
    broker: RabbitMQ,
) -> None:
    """Minutes of two vehicles, and their charging that begins or ends in between."""
    scene = scene_at(TURN)
    async with Stage(broker, scene, TURN - 2 * HOUR) as stage:
        await stage.tell(TURN - HOUR)
        await stage.tell(TURN)
        await stage.tell(TURN)
        states = await stage.fleet.queue_state(stage.consumer, Topic.VEHICLE_STATE)
        # Beats at full minutes; the charge that begins at TURN - 1 h adds one to them.
        assert states.ready == 2 * 120 + 1
        ended = await stage.ocean.queue_state(stage.access, "session.ended")
        sessions = scene.station.sessions(TURN - 2 * HOUR, TURN)
        assert ended.ready == sum(
            TURN - 2 * HOUR <= each.stopped < TURN for each in sessions
        )


@pytest.mark.usefixtures("socket_enabled")
async def test_a_tenant_keeps_what_nobody_takes() -> None:
    """Until somebody asks for it: here nobody listens at all."""
    async with LiveTenant(TURN, TURN - 10 * MINUTE) as live:
        tenant: AmpecoTenant = live.tenant
        names = ("SessionMeterValuesNotification",)
        subscription = tenant.subscribe_by_hand(
            names, callback_url="http://127.0.0.1:9/nobody"
        )
        await live.tell(TURN)
        # A value a minute at each of two outlets.
        assert len(subscription.failed) == 20
