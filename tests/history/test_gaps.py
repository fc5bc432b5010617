"""Past hours that were missed or flat are put right, those that were right are left alone."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
import threading

from homeassistant.const import EVENT_RECORDER_5MIN_STATISTICS_GENERATED
from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import get_instance
import pytest

from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from custom_components.ev_streams.longterm import LongTermStatistics, settled
from custom_components.ev_streams.stream import supervisor
from simulator.easee import EaseeAccount, EaseeCloud, Measurement
from simulator.rabbitmq import Administrator
from tests.integration.helpers import (
    SERIAL,
    add_account,
    entity_id,
    queue_is_empty,
    record_events,
    session_stop,
    state,
    stored,
    wait_for_number,
    wait_for_state,
    wait_live,
    wait_until,
)

from .rows import (
    HOUR,
    PATIENCE,
    BusyTask,
    compile_statistics,
    forget_runs,
    rows,
    seed_means,
    seed_sums,
    tell_compiled,
    this_hour,
    wait_for_rows,
    wait_for_sums,
)

NEIGHBOUR = "sensor.neighbour_energy"
REGISTER = 1278.28391


@pytest.fixture(autouse=True)
def brisk_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry within moments: the pace is tested elsewhere."""
    brisk = partial(supervisor.Backoff, initial=0.1, maximum=1)
    monkeypatch.setattr(supervisor, "Backoff", brisk)


@pytest.fixture
async def entry(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> EvStreamsConfigEntry:
    """Add an account with one charger that has been idle."""
    account.add_charger(SERIAL, name="Garage", lifetime_energy=REGISTER)
    return await add_account(hass, cloud, account)


def session_of(start: datetime) -> list[Measurement]:
    """Return three hours of charging with 4 kW from the start of an hour on.

    The register is told at every full hour, power when it changes, the session's
    energy every five minutes: 4 kWh in each of the three hours.
    """
    told: list[Measurement] = [
        measurement(start, 120, 4.0),
        measurement(start + 3 * HOUR, 120, 0.0),
    ]
    for minutes in range(0, 181, 5):
        moment = start + timedelta(minutes=minutes)
        told.append(measurement(moment, 121, round(minutes / 15, 6)))
        if minutes % 60 == 0:
            told.append(measurement(moment, 124, round(REGISTER + minutes / 15, 6)))
    return sorted(told, key=lambda each: each.time)


def measurement(time: datetime, observation_id: int, value: float | str) -> Measurement:
    """Return one measurement of the charger."""
    return Measurement(time=time, observation_id=observation_id, value=value)


async def seed_flat(hass: HomeAssistant, first: datetime, hours: int) -> None:
    """Let the recorder have rows that say that nothing happened, and one before those."""
    flat = [first + number * HOUR for number in range(-1, hours)]
    for key in ("energy", "lifetime_energy"):
        await seed_sums(
            hass,
            entity_id(hass, SERIAL, key),
            [(each, REGISTER, 40.0) for each in flat],
        )
    await seed_means(
        hass,
        entity_id(hass, SERIAL, "total_power"),
        "kW",
        "power",
        [(each, 0.0) for each in flat],
    )


def lifted(first: datetime) -> dict[datetime, float]:
    """Return the sums that are right for `session_of`, with the hour before."""
    return {first + number * HOUR: 44.0 + 4.0 * number for number in range(-1, 3)}


async def cut_off(account: EaseeAccount, administrator: Administrator) -> None:
    """Cut the stream, and let nobody on again."""
    await administrator.limit_connections(0)
    await administrator.close_connections(account.amqp_username)


async def test_flat_hours_of_a_cut_stream_are_repaired(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
) -> None:
    """Three hours without a stream while Home Assistant ran: rows exist, flat and wrong."""
    first = this_hour() - 3 * HOUR
    await seed_flat(hass, first, 3)
    await seed_sums(hass, NEIGHBOUR, [(first, 7.0, 3.0), (first + HOUR, 8.0, 4.0)])
    neighbour = await rows(hass, NEIGHBOUR, first - HOUR)

    await cut_off(account, administrator)
    await wait_for_state(hass, str(entry.unique_id), "connected", "off")
    await account.publish_many(SERIAL, session_of(first), delay=timedelta(seconds=1))
    await administrator.limit_connections(None)
    await wait_live(hass, entry)
    await wait_for_number(hass, SERIAL, "lifetime_energy", REGISTER + 12)
    await wait_for_number(hass, SERIAL, "energy", REGISTER + 12)
    await compile_statistics(hass)

    for key in ("energy", "lifetime_energy"):
        await wait_for_sums(hass, entity_id(hass, SERIAL, key), lifted(first))
    power = await rows(hass, entity_id(hass, SERIAL, "total_power"), first - HOUR)
    hours = [first + number * HOUR for number in range(3)]
    assert [power[hour]["mean"] for hour in hours] == pytest.approx([4.0] * 3)
    assert power[first - HOUR]["mean"] == 0.0
    assert await rows(hass, NEIGHBOUR, first - HOUR) == neighbour


async def test_live_sums_go_on_from_the_repaired_ones(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
) -> None:
    """A sensor silent for so long that the recorder forgot its sum does not fall back to 0."""
    first = this_hour() - 3 * HOUR
    ids = [entity_id(hass, SERIAL, key) for key in ("energy", "lifetime_energy")]
    for each in ids:
        await seed_sums(hass, each, [(first - timedelta(days=12), REGISTER, 40.0)])
    await cut_off(account, administrator)
    await wait_for_state(hass, str(entry.unique_id), "connected", "off")
    await account.publish_many(SERIAL, session_of(first), delay=timedelta(seconds=1))
    await administrator.limit_connections(None)
    await wait_for_number(hass, SERIAL, "lifetime_energy", REGISTER + 12)
    await wait_for_number(hass, SERIAL, "energy", REGISTER + 12)
    await wait_live(hass, entry)

    # The recorder knows no newer sum of the sensor: it begins at 0.
    await compile_statistics(hass)
    right = {hour: total for hour, total in lifted(first).items() if hour >= first}
    for each in ids:
        await wait_for_sums(hass, each, right)
        await wait_for_live_sum(hass, each, 52.0)
    await account.publish(SERIAL, 124, REGISTER + 13)
    await wait_for_number(hass, SERIAL, "energy", REGISTER + 13)
    await compile_statistics(hass, ahead=1)
    for each in ids:
        await wait_for_live_sum(hass, each, 53.0)
        await wait_for_sums(hass, each, right)


async def wait_for_live_sum(
    hass: HomeAssistant, statistic_id: str, expected: float
) -> None:
    """Wait until the newest five minutes end with the sum."""
    total: float | None = None
    try:
        async with asyncio.timeout(PATIENCE):
            while total != pytest.approx(expected, abs=0.01):
                await asyncio.sleep(0.1)
                found = await rows(hass, statistic_id, this_hour() - HOUR, "5minute")
                total = list(found.values())[-1]["sum"] if found else None
    except TimeoutError:
        raise AssertionError(f"{statistic_id}: {total}, not {expected}") from None


async def test_device_that_uploads_late_into_a_live_stream(
    hass: HomeAssistant,
    account: EaseeAccount,
    entry: EvStreamsConfigEntry,
) -> None:
    """It alone was offline: its hours are repaired, and the stream stays live."""
    first = this_hour() - 3 * HOUR
    await seed_flat(hass, first, 3)
    fired = record_events(hass)
    # It ended before the car left: late at whatever minute this runs.
    stop = first + 3 * HOUR - timedelta(minutes=10)
    late = session_stop(7, first, stop, 34 / 3, REGISTER)
    await account.publish_many(SERIAL, [*session_of(first), late])
    await wait_for_number(hass, SERIAL, "lifetime_energy", REGISTER + 12)
    await wait_until(lambda: bool(fired), "the event")
    assert fired[-1]["replayed"] is True
    assert state(hass, str(entry.unique_id), "stream_status").state == "live"
    await compile_statistics(hass)
    for key in ("energy", "lifetime_energy"):
        await wait_for_sums(hass, entity_id(hass, SERIAL, key), lifted(first))


async def test_restart_between_replay_and_import(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
) -> None:
    """What waits for the recorder outlasts a restart; the messages do not come again."""
    first = this_hour() - 3 * HOUR
    await seed_flat(hass, first, 3)
    await forget_runs(hass)
    await account.publish_many(SERIAL, session_of(first))
    await queue_is_empty(administrator, account)
    energy = entity_id(hass, SERIAL, "energy")
    assert (await rows(hass, energy, first))[first]["sum"] == 40.0

    await hass.config_entries.async_reload(entry.entry_id)
    await wait_live(hass, entry)
    await compile_statistics(hass)
    await wait_for_sums(hass, energy, lifted(first))


async def test_right_hours_are_left_alone(
    hass: HomeAssistant,
    account: EaseeAccount,
    entry: EvStreamsConfigEntry,
) -> None:
    """A row that agrees with the readings stays as it is, to the last digit."""
    first = this_hour() - 3 * HOUR
    energy = entity_id(hass, SERIAL, "energy")
    right = {hour: total + 0.0004 for hour, total in lifted(first).items()}
    wrong = first + HOUR
    await seed_sums(
        hass,
        energy,
        [
            (hour, REGISTER + total - 40.0, 41.0 if hour == wrong else total)
            for hour, total in right.items()
        ],
    )
    await account.publish_many(SERIAL, session_of(first))
    await wait_for_number(hass, SERIAL, "lifetime_energy", REGISTER + 12)
    await compile_statistics(hass)
    await wait_for_sums(hass, energy, lifted(first))
    found = await rows(hass, energy, first - HOUR)
    for hour, total in right.items():
        if hour != wrong:
            assert found[hour]["sum"] == total


async def test_meter_that_began_anew_moves_no_row(
    hass: HomeAssistant, account: EaseeAccount, entry: EvStreamsConfigEntry
) -> None:
    """The energy stays where it was until the new meter exceeds it, in its rows as well."""
    first = this_hour() - 4 * HOUR
    await seed_flat(hass, first - HOUR, 5)
    energy = entity_id(hass, SERIAL, "energy")
    begin = first - HOUR / 2
    told = [measurement(begin + n * HOUR, 124, 52.0 + 2 * n) for n in range(5)]
    told += [measurement(begin + n * HOUR, 120, 2.0) for n in range(5)]
    told.append(measurement(datetime.now(UTC), 124, 61.0))
    await account.publish_many(SERIAL, told)
    await wait_for_number(hass, SERIAL, "lifetime_energy", 61.0)
    await compile_statistics(hass)
    power = entity_id(hass, SERIAL, "total_power")
    async with asyncio.timeout(PATIENCE):
        while (await rows(hass, power, first))[first + 2 * HOUR]["mean"] != 2.0:
            await asyncio.sleep(0.1)
    flat = {first + n * HOUR: 40.0 for n in range(-1, 4)}
    await wait_for_sums(hass, energy, flat)


async def test_row_made_before_the_replay_does_not_take_back(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """The hour after the late ones was compiled with what the sensor had shown before."""
    account.add_charger(SERIAL, name="Garage").observations.clear()
    await add_account(hass, cloud, account)
    first = this_hour() - 3 * HOUR
    await seed_flat(hass, first, 3)
    told = [each for each in session_of(first) if each.time < first + 2 * HOUR]
    await account.publish_many(SERIAL, told)
    reached = round((2 * 60 - 5) / 15, 6)
    await wait_for_number(hass, SERIAL, "session_energy", reached)
    # The live sum began at 0: it is raised and seen to go on in one look.
    await compile_statistics(hass)
    for key, sums in (
        ("energy", (44.0, 40 + reached, 40 + reached)),
        ("lifetime_energy", (44.0, 44.0, 44.0)),
    ):
        await wait_for_sums(
            hass,
            entity_id(hass, SERIAL, key),
            {first + n * HOUR: total for n, total in enumerate(sums)},
        )


async def test_row_made_after_silent_hours_does_not_take_back(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """Home Assistant was off, and was on again for an hour before the replay came."""
    account.add_charger(SERIAL, name="Garage").observations.clear()
    await add_account(hass, cloud, account)
    first = this_hour() - 4 * HOUR
    energy = entity_id(hass, SERIAL, "energy")
    await seed_sums(hass, energy, [(first + n * HOUR, REGISTER, 40.0) for n in (-1, 3)])
    reached = round(55 / 15, 6)
    last = first + timedelta(minutes=55)
    told = [each for each in session_of(first) if each.time <= last]
    told.append(measurement(last, 124, REGISTER + reached))
    await account.publish_many(SERIAL, told)
    await wait_for_number(hass, SERIAL, "session_energy", reached)
    await compile_statistics(hass)
    await wait_for_sums(
        hass,
        energy,
        {first + n * HOUR: 40.0 if n < 0 else 40 + reached for n in range(-1, 4)},
    )


async def test_registers_that_are_told_less_often_than_hourly(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
) -> None:
    """The last one before the gap lies further back than an hour: the counter joins it."""
    first = this_hour() - 2 * HOUR
    begin = first - 3 * HOUR
    energy = entity_id(hass, SERIAL, "energy")
    right = {begin + n * HOUR: 40.0 + 11 * (n + 1) for n in range(-1, 5)}
    await seed_sums(
        hass,
        energy,
        [(h, REGISTER + t - 40, t) for h, t in right.items() if h < first],
    )
    told = [
        measurement(begin + timedelta(minutes=m), 121, round(m * 11 / 60, 6))
        for m in range(301)
    ]
    told += [
        measurement(begin + timedelta(minutes=m), 124, round(REGISTER + m * 11 / 60, 6))
        for m in range(30, 300, 80)
    ]
    told.sort(key=lambda each: each.time)
    await forget_runs(hass)
    await account.publish_many(SERIAL, told)
    await queue_is_empty(administrator, account)
    # As if those of the first three hours had come in time.
    waiting = entry.runtime_data.intake.late_hours
    waiting -= {each for each in waiting if each[1] < first}
    await compile_statistics(hass)
    await wait_for_sums(hass, energy, right)


async def test_hour_is_finished_for_itself(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
) -> None:
    """Readings that go on to come late do not let all hours before wait."""
    old, new = this_hour() - 5 * HOUR, this_hour() - HOUR
    late = [measurement(hour, 120, 4.0) for hour in (old, new)]
    await account.publish_many(SERIAL, late)
    await queue_is_empty(administrator, account)
    waiting = entry.runtime_data.intake
    assert waiting.late_hours >= {(SERIAL, old), (SERIAL, new)}
    for _ in range(3):
        await compile_statistics(hass)
        await entry.runtime_data.history.import_late_hours()
    assert waiting.late_hours == {(SERIAL, new)}
    stored_hours = await stored(hass, entry, "SELECT hour FROM late_hours")
    assert stored_hours == [(int(new.timestamp()) * 10**6,)]


def keep_recorder_busy(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, statistic_id: str
) -> list[str]:
    """Let the recorder be busy for a while when it is asked to raise these live sums.

    Returns a list that grows with the sensors whose sums are to be raised.
    """
    is_free = threading.Event()
    asked: list[str] = []
    adjust = LongTermStatistics.adjust

    def adjust_later(
        statistics: LongTermStatistics, start: datetime, difference: float
    ) -> None:
        if statistics.statistic_id == statistic_id and statistic_id not in asked:
            get_instance(hass).queue_task(BusyTask(is_free, threading.Event()))
            hass.loop.call_later(1, is_free.set)
        asked.append(statistics.statistic_id)
        adjust(statistics, start, difference)

    monkeypatch.setattr(LongTermStatistics, "adjust", adjust_later)
    return asked


@pytest.mark.parametrize("is_busy", [False, True])
async def test_guess_between_two_readings_moves_no_right_row(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    is_busy: bool,
) -> None:
    """Rows after the late hour were told in time: the register was seldom, not the energy."""
    late = this_hour() - 4 * HOUR
    lifetime = entity_id(hass, SERIAL, "lifetime_energy")
    if is_busy:
        keep_recorder_busy(hass, monkeypatch, lifetime)
    right = {late + n * HOUR: 40.0 for n in range(-1, 3)} | {late + 3 * HOUR: 42.0}
    await seed_sums(
        hass, lifetime, [(h, REGISTER + t - 40, t) for h, t in right.items()]
    )
    await forget_runs(hass)
    await account.publish_many(
        SERIAL,
        [
            measurement(late + HOUR / 2, 120, 1.5),
            measurement(late + timedelta(minutes=50), 124, REGISTER),
            measurement(late + timedelta(minutes=200), 124, REGISTER + 2),
            measurement(late + 4 * HOUR, 124, REGISTER + 2),
        ],
    )
    await queue_is_empty(administrator, account)
    # As if only the power had come late.
    waiting = entry.runtime_data.intake.late_hours
    waiting &= {(SERIAL, late)}
    for ahead in range(2):
        await compile_statistics(hass, ahead=ahead)
        await entry.runtime_data.history.import_late_hours()
        power = entity_id(hass, SERIAL, "total_power")
        assert late in await rows(hass, power, late)
        # The live sum began at 0 and was raised first: the guess was never in a row.
        found = await rows(hass, lifetime, late - HOUR)
        assert {hour: found[hour]["sum"] for hour in right} == right
        live = await rows(hass, lifetime, late, "5minute")
        assert list(live.values())[-1]["sum"] == pytest.approx(42.0)


async def begin_anew(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    first: datetime,
) -> None:
    """Let a session be told late of which the recorder has forgotten where it stood."""
    lifetime = entity_id(hass, SERIAL, "lifetime_energy")
    await seed_sums(hass, lifetime, [(first - HOUR, REGISTER, 40.0)])
    await forget_runs(hass)
    await account.publish_many(SERIAL, session_of(first))
    await queue_is_empty(administrator, account)


async def test_recorder_that_is_busy_raises_no_sum_twice(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It tells of what it compiled before it comes to what it was asked for after that."""
    first = this_hour() - 3 * HOUR
    lifetime = entity_id(hass, SERIAL, "lifetime_energy")
    await begin_anew(hass, account, administrator, first)
    asked = keep_recorder_busy(hass, monkeypatch, lifetime)
    await compile_statistics(hass)
    history = entry.runtime_data.history
    for _ in range(3):
        hass.bus.async_fire(EVENT_RECORDER_5MIN_STATISTICS_GENERATED)
        await history.import_late_hours()
    assert asked.count(lifetime) == 1
    await wait_for_live_sum(hass, lifetime, 52.0)
    await wait_for_sums(hass, lifetime, lifted(first))


async def test_a_look_that_is_cut_off_raises_no_sum_twice(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As by a reload while the recorder has yet to come to what it was asked for."""
    first = this_hour() - 3 * HOUR
    lifetime = entity_id(hass, SERIAL, "lifetime_energy")
    await begin_anew(hass, account, administrator, first)
    asked = keep_recorder_busy(hass, monkeypatch, lifetime)
    await compile_statistics(hass)
    await wait_until(lambda: lifetime in asked, "the sum to be asked for")
    await hass.config_entries.async_reload(entry.entry_id)
    await entry.runtime_data.history.import_late_hours()
    assert asked.count(lifetime) == 1
    await wait_for_live_sum(hass, lifetime, 52.0)


async def test_what_the_recorder_is_at_is_waited_for(hass: HomeAssistant) -> None:
    """Nothing is left in its queue then, but nothing is committed either."""
    is_free, has_begun = threading.Event(), threading.Event()
    get_instance(hass).queue_task(BusyTask(is_free, has_begun))
    await hass.async_add_executor_job(has_begun.wait)
    waiting = hass.async_create_task(settled(hass))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    is_free.set()
    await waiting


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_meter_that_is_back_after_days_is_looked_at(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    is_streamed: bool,
) -> None:
    """All it tells comes in time, but the recorder may have forgotten what it had counted."""
    charger = account.add_charger(SERIAL, name="Garage", lifetime_energy=REGISTER)
    charger.observations.clear()
    before = datetime.now(UTC) - timedelta(days=12)
    charger.observations[124] = (before, REGISTER)
    entry = await add_account(hass, cloud, account)
    if is_streamed:
        await account.publish(SERIAL, 124, REGISTER + 1)
    else:
        charger.observations[124] = (datetime.now(UTC), REGISTER + 1)
        await hass.config_entries.async_reload(entry.entry_id)
    await wait_for_number(hass, SERIAL, "lifetime_energy", REGISTER + 1)
    assert len(entry.runtime_data.intake.late_hours) == 1
    await account.publish(SERIAL, 124, REGISTER + 2)
    await wait_for_number(hass, SERIAL, "lifetime_energy", REGISTER + 2)
    ((_, hour),) = entry.runtime_data.intake.late_hours
    assert datetime.now(UTC) - hour < 2 * HOUR


async def test_the_hour_that_runs_is_never_written(
    hass: HomeAssistant,
    account: EaseeAccount,
    entry: EvStreamsConfigEntry,
) -> None:
    """Writing it would cost every sensor its row: it is left to the recorder."""
    first = this_hour() - HOUR
    await seed_flat(hass, first, 1)
    past = [each for each in session_of(first) if each.time <= first + HOUR]
    running = measurement(datetime.now(UTC), 121, 4.5)
    await account.publish_many(SERIAL, [*past, running])
    await wait_for_number(hass, SERIAL, "energy", REGISTER + 4.5)
    await tell_compiled(hass, this_hour())
    energy = entity_id(hass, SERIAL, "energy")
    await wait_for_sums(hass, energy, {first: 44.0})
    assert max(await rows(hass, energy, first)) == first


async def test_hours_between_two_late_ones_keep_what_they_were_told(
    hass: HomeAssistant,
    account: EaseeAccount,
    entry: EvStreamsConfigEntry,
) -> None:
    """One old reading that comes late does not draw a straight line over right rows."""
    first = this_hour() - 6 * HOUR
    energy = entity_id(hass, SERIAL, "energy")
    # Idle, 6 kWh in the second hour, idle again: as it was told at the time.
    totals = [40.0, 40.0, 46.0, 46.0, 46.0, 46.0]
    right = {first + (n - 1) * HOUR: total for n, total in enumerate(totals)}
    await seed_sums(
        hass, energy, [(h, REGISTER + t - 40.0, t) for h, t in right.items()]
    )
    await account.publish_many(
        SERIAL,
        [
            measurement(first + HOUR / 2, 124, REGISTER),
            measurement(first + 5 * HOUR - HOUR / 2, 124, REGISTER + 6),
            measurement(first + 5 * HOUR + HOUR / 2, 124, REGISTER + 7),
            measurement(first + 6 * HOUR, 124, REGISTER + 8),
        ],
    )
    await wait_for_number(hass, SERIAL, "lifetime_energy", REGISTER + 8)
    await compile_statistics(hass)
    await wait_for_sums(hass, energy, {first + 5 * HOUR: 48.0})
    found = await rows(hass, energy, first - HOUR)
    for hour, total in list(right.items())[:4]:
        assert found[hour]["sum"] == total


async def test_clock_wrong_by_years_writes_no_history(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
) -> None:
    """A charger that believes in 1970 leaves no rows there, and none in between."""
    first = this_hour() - 2 * HOUR
    await seed_flat(hass, first, 2)
    beginning = datetime(1970, 1, 2, tzinfo=UTC)
    await account.publish_many(
        SERIAL, [measurement(beginning, 120, 3.0), *session_of(first - HOUR)]
    )
    await queue_is_empty(administrator, account)
    await compile_statistics(hass)
    power = entity_id(hass, SERIAL, "total_power")
    found = await wait_for_rows(hass, power, beginning - HOUR, [first])
    assert min(found) >= first - HOUR
