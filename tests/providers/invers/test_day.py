"""A day of a played vehicle, decoded: what is left of it is what really happened."""

from datetime import UTC, datetime, timedelta

import pytest

from custom_components.ev_streams.charging import ChargingSessions
from custom_components.ev_streams.ledger import Ledger, Verdict
from custom_components.ev_streams.model import (
    Happening,
    Reading,
    SessionChange,
    SessionPhase,
)
from custom_components.ev_streams.providers.invers.decode import decode
from simulator.invers import Event, Vehicle, disturbed

from .messages import VEHICLE, delivery

BEGIN = datetime(2026, 11, 20, 12, tzinfo=UTC)
END = BEGIN + timedelta(days=1)
LATER = END + timedelta(days=30)
# Charged from 22:00 to 02:00, from 40 to 80 %; rented from 16:55 to 18:05 and 7:55 to 9:05.
CHARGE_BEGAN, CHARGE_ENDED = BEGIN + timedelta(hours=10), BEGIN + timedelta(hours=14)


def play(events: list[Event]) -> tuple[Ledger, list[SessionChange], list[Happening]]:
    """Take events as the integration does, each id once; nobody else's rules are used."""
    ledger, concluder = Ledger(), ChargingSessions(VEHICLE)
    sessions: list[SessionChange] = []
    happenings: list[Happening] = []
    seen: set[str | None] = set()
    for event in events:
        message = decode(delivery(event.body))
        assert message.unknown is None
        assert message.identity == event.event_id
        if message.happening is not None and message.identity not in seen:
            happenings.append(message.happening)
        seen.add(message.identity)
        for reading in message.updates:
            assert isinstance(reading, Reading)
            if ledger.apply(reading, LATER) is Verdict.NEW:
                sessions += [
                    each
                    for each in concluder.take(reading)
                    if isinstance(each, SessionChange)
                ]
    return ledger, sessions, happenings


def value(ledger: Ledger, key: str) -> object:
    reading = ledger.reading(VEHICLE, key)
    return None if reading is None else reading.value


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_a_day_is_told_right_in_whatever_order_it_comes(seed: int | None) -> None:
    events = Vehicle(vehicle_id=VEHICLE).events(BEGIN, END)
    if seed is not None:
        events = disturbed(events, seed=seed, repeated=0.3, places=6)
    ledger, sessions, happenings = play(events)
    assert [(each.phase, each.happened_at) for each in sessions] == [
        (SessionPhase.STARTED, CHARGE_BEGAN),
        (SessionPhase.STOPPED, CHARGE_ENDED),
    ]
    # At five to twelve, after the second drive.
    assert {
        key: value(ledger, key)
        for key in (
            *("state_of_charge_or_fuel_level_in_percent", "is_charging"),
            *("remaining_range_in_kilometers", "central_lock", "rental_status"),
            *("brake_warning_indicator", "adblue_level_low_indicator", "latitude"),
        )
    } == {
        "state_of_charge_or_fuel_level_in_percent": 60.0,
        "is_charging": False,
        "remaining_range_in_kilometers": 180,
        "central_lock": "locked",
        "rental_status": "not_in_rental",
        "brake_warning_indicator": False,
        "adblue_level_low_indicator": "",
        "latitude": 52.5163,
    }
    assert sorted(str(each.type) for each in happenings) == [
        *["CentralLockStatusChanged"] * 4,
        *["TripEnded"] * 2,
        *["TripStarted"] * 2,
        *["VehicleChanged"] * 4,
    ]
