"""Charging sessions of AMPECO: three notifications, one start and one stop."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from custom_components.ev_streams.ledger import Ledger
from custom_components.ev_streams.model import Reading, SessionChange, SessionPhase
from simulator.ampeco import notifications

from .messages import AT, EVSE, POINT, decoded, readings_of, session_of, values_of

STARTED_AT = datetime(2026, 11, 20, 4, 0, 0, tzinfo=UTC)
STOPPED_AT = datetime(2026, 11, 20, 5, 0, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TOKEN = "04A1B2C3D4E5F6"


def start(**changes: object) -> dict[str, Any]:
    body = notifications.session_start_stop(
        "start",
        session_id=77,
        charge_point_id=15,
        evse_id=27,
        started_at=STARTED_AT,
        meter_start=4_812_345,
        id_tag=TOKEN,
        user_id=4711,
    )
    return body | changes


def stop(**changes: object) -> dict[str, Any]:
    body = notifications.session_start_stop(
        "stop",
        session_id=77,
        charge_point_id=15,
        evse_id=27,
        started_at=STARTED_AT,
        stopped_at=STOPPED_AT,
        meter_start=4_812_345,
        meter_stop=4_819_595,
        id_tag=TOKEN,
    )
    return body | changes


def update(status: str, *, is_over: bool = False, **changes: object) -> dict[str, Any]:
    body = notifications.session_update(
        status,
        session_id=77,
        charge_point_id=15,
        evse_id=27,
        started_at=STARTED_AT,
        updated_at=AT,
        stopped_at=STOPPED_AT if is_over else None,
        energy=7250,
        power=10950,
        peak=11000,
        state_of_charge=64,
        id_tag=TOKEN,
    )
    body["session"] |= changes
    return body


def test_a_start_is_a_session_of_the_charge_point() -> None:
    message = decoded(start())
    assert message.updates == (
        Reading(
            device_id=EVSE,
            key="lifetime_energy",
            value=4812.345,
            measured_at=STARTED_AT,
        ),
        SessionChange(
            device_id=POINT,
            session_id="77",
            phase=SessionPhase.STARTED,
            started_at=STARTED_AT,
            meter_start=4812.345,
            token=TOKEN,
            evse="27",
        ),
    )
    assert (message.device_id, message.happening, message.unknown) == (
        POINT,
        None,
        None,
    )
    assert [each.device_id for each in message.devices] == [POINT, EVSE]


def test_a_stop_tells_the_whole_session_and_the_outlet_comes_to_rest() -> None:
    message = decoded(stop())
    assert session_of(message) == SessionChange(
        device_id=POINT,
        session_id="77",
        phase=SessionPhase.STOPPED,
        started_at=STARTED_AT,
        stopped_at=STOPPED_AT,
        energy=7.25,
        meter_start=4812.345,
        meter_stop=4819.595,
        token=TOKEN,
        evse="27",
    )
    assert {
        (each.device_id, each.key, each.value, each.measured_at)
        for each in message.updates
        if isinstance(each, Reading)
    } == {
        (EVSE, "power", 0, STOPPED_AT + SECOND),
        (EVSE, "current", 0, STOPPED_AT + SECOND),
        (EVSE, "session_energy", 7.25, STOPPED_AT),
        (EVSE, "stop_reason", "evdisconnected", STOPPED_AT),
        (EVSE, "lifetime_energy", 4812.345, STARTED_AT),
        (EVSE, "lifetime_energy", 4819.595, STOPPED_AT),
    }


@pytest.mark.parametrize("unread", [0, None])
def test_a_meter_that_was_not_read_is_no_register(unread: object) -> None:
    assert readings_of(decoded(start(meterStart=unread))) == {}
    told = decoded(stop(meterStart=unread, meterStop=unread))
    assert (EVSE, "lifetime_energy") not in readings_of(told)


def test_the_older_name_tells_the_same() -> None:
    for new in (start(), stop()):
        old = {key: each for key, each in new.items() if key != "action"}
        old["notification"] = "SessionStartStopNotification"
        assert decoded(old).updates == decoded(new).updates


def test_the_energy_of_a_stop_may_follow_from_the_meter() -> None:
    assert session_of(decoded(stop(energyConsumed=None))).energy == pytest.approx(7.25)
    unread = session_of(decoded(stop(energyConsumed=None, meterStop=0)))
    assert (unread.energy, unread.meter_stop) == (None, None)


@pytest.mark.parametrize("meter_stop", [0, None, 4_819_595])
def test_a_start_knows_no_end_whatever_its_fields_hold(meter_stop: object) -> None:
    change = session_of(decoded(start(meterStop=meter_stop, energyConsumed=0)))
    assert (change.meter_stop, change.energy, change.stopped_at) == (None, None, None)


def test_an_action_that_nobody_knows_is_counted() -> None:
    message = decoded(start(action="pause"))
    assert message.updates == ()
    assert message.unknown == "session action:pause"


@pytest.mark.parametrize("missing", ["sessionId", "chargePointId"])
def test_without_its_id_or_charge_point_it_is_no_session(missing: str) -> None:
    for body in (start(), stop()):
        del body[missing]
        told = decoded(body).updates
        assert not [each for each in told if isinstance(each, SessionChange)]


def test_a_stop_without_its_time_happened_when_it_is_told_at_the_latest() -> None:
    told = stop(stoppedAtTimestamp=None, lastUpdatedAt="2026-11-20T05:00:09Z")
    assert session_of(decoded(told)).stopped_at == STOPPED_AT + timedelta(seconds=9)


def test_an_update_of_an_active_session_shows_how_it_is() -> None:
    message = decoded(update("active"))
    assert readings_of(message) == {
        (EVSE, "power"): (10950, AT),
        (EVSE, "state_of_charge"): (64, AT),
        (EVSE, "session_energy"): (7.25, AT),
    }
    assert session_of(message) == SessionChange(
        device_id=POINT,
        session_id="77",
        phase=SessionPhase.STARTED,
        started_at=STARTED_AT,
        token=TOKEN,
        evse="27",
    )
    assert message.happening is None


def test_an_update_may_tell_power_and_energy_in_the_older_way() -> None:
    message = decoded(update("active", power=None, energyConsumption=None))
    assert values_of(message)["power"] == 10950
    assert values_of(message)["session_energy"] == 7.25


@pytest.mark.parametrize("status", ["finished", "failed", "expired"])
def test_an_update_of_a_session_that_is_over_stops_it(status: str) -> None:
    message = decoded(update(status, is_over=True))
    assert session_of(message) == SessionChange(
        device_id=POINT,
        session_id="77",
        phase=SessionPhase.STOPPED,
        started_at=STARTED_AT,
        stopped_at=STOPPED_AT,
        energy=7.25,
        token=TOKEN,
        evse="27",
    )


def test_a_bill_does_not_make_an_old_session_the_newest_of_its_outlet() -> None:
    """The same session is told again, an hour after it stopped, when it was paid."""
    paid = update("finished", is_over=True, billingStatus="completed")
    paid["session"]["lastUpdatedAt"] = "2026-11-20T06:00:00Z"
    assert readings_of(decoded(paid)) == {
        (EVSE, "power"): (0, STOPPED_AT + SECOND),
        (EVSE, "current"): (0, STOPPED_AT + SECOND),
        (EVSE, "state_of_charge"): (64, STOPPED_AT),
        (EVSE, "session_energy"): (7.25, STOPPED_AT),
    }


def test_a_session_that_failed_without_a_time_moves_no_reading() -> None:
    """Its last update may be of a later day, with another car at the outlet."""
    failed = update("failed")
    message = decoded(failed)
    assert readings_of(message) == {}
    assert session_of(message).stopped_at == AT


@pytest.mark.parametrize("never", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_a_stop_at_the_end_of_time_has_no_time(never: str) -> None:
    told = stop(stoppedAtTimestamp=never, lastUpdatedAt=never)
    assert session_of(decoded(told)).stopped_at is None
    assert readings_of(decoded(told)) == {
        (EVSE, "lifetime_energy"): (4812.345, STARTED_AT)
    }


@pytest.mark.parametrize("is_last", [True, False])
def test_the_outlet_is_at_rest_whenever_its_last_meter_values_come(
    is_last: bool,
) -> None:
    last = notifications.session_meter_values(
        charge_point_id=15,
        evse_id=27,
        session_id=77,
        moment=STOPPED_AT,
        values=[("Power Active Import", 1100, None)],
    )
    ledger = Ledger()
    for body in (stop(), last) if is_last else (last, stop()):
        for each in decoded(body).updates:
            if isinstance(each, Reading):
                ledger.apply(each, AT)
    held = ledger.reading(EVSE, "power")
    assert held is not None
    assert held.value == 0


@pytest.mark.parametrize("status", ["pending", "unknown"])
def test_a_pending_session_has_not_started(status: str) -> None:
    message = decoded(update(status))
    assert not [each for each in message.updates if isinstance(each, SessionChange)]
    assert message.unknown is None


def test_a_status_that_nobody_knows_is_counted() -> None:
    message = decoded(update("paused"))
    assert values_of(message)["power"] == 10950
    assert message.unknown == "session status:paused"


ORDERS = [
    ["start", "old start", "active", "stop", "old stop", "finished"],
    ["finished", "stop", "old stop", "active", "start", "old start"],
    ["stop", "start", "stop", "finished", "active"],
    ["active", "finished", "old start", "old stop"],
]


@pytest.mark.parametrize("order", ORDERS)
def test_all_that_is_told_of_a_session_is_one_start_and_one_stop(
    order: list[str],
) -> None:
    old = {"notification": "SessionStartStopNotification", "sessionId": "77"}
    bodies = {
        "start": start(),
        "old start": start(**old),
        "active": update("active"),
        "stop": stop(),
        "old stop": stop(**old, evseId="27"),
        "finished": update("finished", is_over=True, id=77),
    }
    ledger, told = Ledger(), []
    for name in order:
        change = session_of(decoded(bodies[name]))
        ledger.record_session(change)
        if ledger.announce_session(change):
            told.append(change.phase)
    assert sorted(told) == ["started", "stopped"]
    (session,) = ledger.sessions(POINT)
    assert (session.started_at, session.stopped_at) == (STARTED_AT, STOPPED_AT)
    assert session.energy == pytest.approx(7.25)
