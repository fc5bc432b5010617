"""Half a day of three chargers from a real queue: everything is as if nobody had been away."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
import pytest

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from simulator.easee import OUTAGE, Backlog, EaseeAccount, EaseeCloud, make_backlog
from simulator.easee.backlog import add_chargers
from simulator.rabbitmq import Administrator
from tests.integration.helpers import (
    add_account,
    entity_id,
    queue_is_empty,
    state,
    wait_live,
    wait_until,
)
from tests.integration.truth import TrueSession, Truth, truth_of

from .rows import (
    HOUR,
    Rows,
    compile_statistics,
    rows,
    seed_sums,
    this_hour,
    wait_for_rows,
)

MEANS = {"total_power": 120, "in_current_t3": 183, "temp_max": 150}
NEIGHBOUR = "sensor.neighbour_energy"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def backlog() -> Backlog:
    """Make twelve hours that end just now."""
    end = datetime.now(UTC) - timedelta(minutes=1)
    return make_backlog(OUTAGE, end - 12 * HOUR, end, spurious_zeros=0.02)


@pytest.fixture
def truths(backlog: Backlog) -> dict[str, Truth]:
    """Compute what is true of each charger from its measurements alone."""
    return {
        charger.serial: truth_of(
            backlog.course[charger.serial], charger.lifetime_energy
        )
        for charger in OUTAGE.chargers
    }


async def replay(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount, backlog: Backlog
) -> EvStreamsConfigEntry:
    """Live through the time before the outage, be away, and come back to a full queue."""
    begin = min(m[0].time for m in backlog.course.values())
    add_chargers(account, OUTAGE, begin + OUTAGE.lead)
    entry = await add_account(hass, cloud, account)
    for serial, measurements in backlog.before.items():
        await account.publish_many(serial, measurements, delay=timedelta(seconds=1))
    await wait_until(
        lambda: (
            entry.runtime_data.vitals.messages
            == sum(len(each) for each in backlog.before.values())
        ),
        "the time before",
    )
    await hass.config_entries.async_unload(entry.entry_id)
    await account.administrator.publish_many(account.exchange, backlog.messages)
    backlog.remember(account)
    return entry


async def seed_before(hass: HomeAssistant, before: datetime) -> None:
    """Let every charger's meters have a row of an hour before everything."""
    for charger in OUTAGE.chargers:
        for key in ("energy", "lifetime_energy"):
            await seed_sums(
                hass,
                entity_id(hass, charger.serial, key),
                [(before, charger.lifetime_energy, 40.0)],
            )


async def seed_neighbour(hass: HomeAssistant, before: datetime) -> Rows:
    """Let a sensor of another integration have rows of all these hours; returns them."""
    hours = [before + number * HOUR for number in range(15)]
    await seed_sums(
        hass, NEIGHBOUR, [(hour, hour.hour * 2.5, hour.hour * 1.5) for hour in hours]
    )
    return await rows(hass, NEIGHBOUR, before)


async def test_replay_equals_the_truth(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    backlog: Backlog,
    truths: dict[str, Truth],
) -> None:
    """10,000 messages, jumbled, doubled and some broken: states, sessions and rows are right."""
    assert len(backlog.messages) >= 10_000
    entry = await replay(hass, cloud, account, backlog)
    before = this_hour() - 15 * HOUR
    await seed_before(hass, before)
    neighbour = await seed_neighbour(hass, before)

    fired = record_sessions(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    await wait_live(hass, entry)
    await queue_is_empty(administrator, account)
    assert entry.runtime_data.vitals.messages == len(backlog.messages)
    await compile_statistics(hass)

    for charger in OUTAGE.chargers:
        truth = truths[charger.serial]
        await assert_rows(hass, charger.serial, truth, before)
        assert_states(hass, charger.serial, truth)
        sessions = await get_sessions(hass, charger.serial)
        assert [as_told(session) for session in truth.sessions] == [
            row for row in sessions if row["start"] >= backlog_begin(backlog)
        ]
        assert_events(fired[charger.serial], truth, backlog)
    assert await rows(hass, NEIGHBOUR, before) == neighbour


async def assert_rows(
    hass: HomeAssistant, serial: str, truth: Truth, before: datetime
) -> None:
    """Each hour that is over has what flowed in it, and what was measured in it."""
    ids = {key: entity_id(hass, serial, key) for key in ("energy", "lifetime_energy")}
    hours = truth.energy.keys()
    energy = await wait_for_rows(hass, ids["energy"], before, hours)
    lifetime = await wait_for_rows(hass, ids["lifetime_energy"], before, hours)
    for hour, flowed in truth.energy.items():
        if hour - HOUR in energy:
            change = energy[hour]["sum"] - energy[hour - HOUR]["sum"]
            assert change == pytest.approx(flowed, abs=0.01), hour
        # The register itself is told at each full hour.
        for found in (energy[hour], lifetime[hour]):
            assert found["state"] == pytest.approx(
                truth.register[hour + HOUR], abs=0.01
            )
            assert found["sum"] - 40.0 == pytest.approx(
                truth.register[hour + HOUR] - first_register(serial), abs=0.01
            )
    for key, observation_id in MEANS.items():
        expected = truth.hourly[observation_id]
        found_rows = await wait_for_rows(
            hass, entity_id(hass, serial, key), before, expected
        )
        for hour, values in expected.items():
            row = found_rows[hour]
            slack = 0.01 * max(1.0, values.maximum)
            assert row["mean"] == pytest.approx(values.mean, abs=slack), (key, hour)
            assert row["min"] == pytest.approx(values.minimum, abs=slack), (key, hour)
            assert row["max"] == pytest.approx(values.maximum, abs=slack), (key, hour)


def assert_states(hass: HomeAssistant, serial: str, truth: Truth) -> None:
    """Every sensor shows the newest value, whatever the order it came in."""
    for key, observation_id in (*MEANS.items(), ("session_energy", 121)):
        shown = float(state(hass, serial, key).state)
        assert shown == pytest.approx(float(truth.newest[observation_id].value))
    flowed = sum(truth.energy.values())
    shown = float(state(hass, serial, "energy").state)
    running = truth.sessions[-1]
    register = truth.register[max(truth.register)]
    if running.stop is None:
        register = running.meter_start + float(truth.newest[121].value)
    assert shown == pytest.approx(register, abs=0.01)
    assert flowed > 1


def assert_events(
    fired: list[Mapping[str, Any]], truth: Truth, backlog: Backlog
) -> None:
    """Each start and each stop of the outage fired once, in true order, as replayed."""
    begin = outage_begin(backlog)
    expected = sorted(
        [
            (session.start, "started", str(session.session_id))
            for session in truth.sessions
            if session.start >= begin
        ]
        + [
            (session.stop, "stopped", str(session.session_id))
            for session in truth.sessions
            if session.stop is not None and session.stop >= begin
        ]
    )
    assert [(each["event_type"], each["session_id"]) for each in fired] == [
        (phase, session_id) for _, phase, session_id in expected
    ]
    assert all(each["replayed"] for each in fired)


def as_told(session: TrueSession) -> dict[str, Any]:
    """Return what the action is to say of a session."""
    return {
        "session_id": str(session.session_id),
        "start": session.start,
        "stop": session.stop,
        "energy": session.energy,
        "meter_start": session.meter_start,
        "meter_stop": session.meter_stop,
    }


async def get_sessions(hass: HomeAssistant, serial: str) -> list[dict[str, Any]]:
    """Ask the action for a charger's sessions, with times as such."""
    entry = hass.config_entries.async_loaded_entries(DOMAIN)[0]
    device = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, serial), entry.entry_id
    )
    assert device is not None
    answer = await hass.services.async_call(
        DOMAIN,
        "get_sessions",
        {"device_id": device.id},
        blocking=True,
        return_response=True,
    )
    assert answer is not None
    rows_told = answer["sessions"]
    assert isinstance(rows_told, list)
    keys = as_told(TrueSession(session_id=0, start=EPOCH, meter_start=0, token=""))
    return [
        {
            key: moment(row[key]) if key in {"start", "stop"} else row[key]
            for key in keys
        }
        for row in rows_told
        if isinstance(row, dict)
    ]


def moment(text: Any) -> datetime | None:
    """Read a time of the action as UTC."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def record_sessions(hass: HomeAssistant) -> dict[str, list[Mapping[str, Any]]]:
    """Return lists, by charger, that grow with every session event that fires."""
    fired: dict[str, list[Mapping[str, Any]]] = {
        charger.serial: [] for charger in OUTAGE.chargers
    }
    serials = {entity_id(hass, serial, "charging_session"): serial for serial in fired}

    @callback
    def note(event: Event[EventStateChangedData]) -> None:
        old, new = event.data["old_state"], event.data["new_state"]
        serial = serials.get(event.data["entity_id"])
        if serial is None or new is None or "session_id" not in new.attributes:
            return
        # What follows on nothing is the last state restored, no event.
        if old is not None and old.state != STATE_UNAVAILABLE:
            fired[serial].append(new.attributes)

    hass.bus.async_listen("state_changed", note)
    return fired


def first_register(serial: str) -> float:
    """Return a charger's meter at the beginning of everything."""
    return next(
        charger.lifetime_energy
        for charger in OUTAGE.chargers
        if charger.serial == serial
    )


def backlog_begin(backlog: Backlog) -> datetime:
    """Return when the chargers reported for the first time."""
    return min(measurements[0].time for measurements in backlog.course.values())


def outage_begin(backlog: Backlog) -> datetime:
    """Return when the stream was lost."""
    return min(measurements[0].time for measurements in backlog.measurements.values())
