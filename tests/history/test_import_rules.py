"""What must not happen to rows, whatever the order of things."""

import asyncio
from datetime import UTC, datetime, timedelta
import json
from typing import Any

from homeassistant.const import EVENT_RECORDER_5MIN_STATISTICS_GENERATED
from homeassistant.core import HomeAssistant
import pytest

from custom_components.ev_streams import history
from custom_components.ev_streams.history import History
from custom_components.ev_streams.longterm import compiled_until
from custom_components.ev_streams.rows import RowImport
from custom_components.ev_streams.store import StoreUnavailableError
from simulator.easee import EaseeAccount, EaseeCloud
from simulator.rabbitmq import Administrator
from tests.integration.helpers import (
    SERIAL,
    add_account,
    entity_id,
    measured,
    queue_is_empty,
    wait_for_number,
    wait_until,
)

from .rows import (
    HOUR,
    PATIENCE,
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

REGISTER = 1278.28391
OTHER = "EH000002"


async def test_reading_that_comes_while_its_hour_is_finished(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not forgotten with the hour: the row takes it in."""
    account.add_charger(SERIAL, name="Garage")
    entry = await add_account(hass, cloud, account)
    hour = this_hour() - 5 * HOUR
    at = [hour + timedelta(minutes=minutes) for minutes in (0, 30, 45)]
    power = entity_id(hass, SERIAL, "total_power")
    await account.publish_many(SERIAL, [measured(at[0], 120, 4.0)])
    await queue_is_empty(administrator, account)
    await compile_statistics(hass)
    await wait_for_rows(hass, power, hour, [hour])

    import_device = History._import
    coordinator = entry.runtime_data
    before = coordinator.vitals.messages

    async def interrupted(
        history: History, device_id: str, hours: list[datetime]
    ) -> bool:
        is_right = await import_device(history, device_id, hours)
        if is_right and coordinator.vitals.messages == before:
            late = [measured(at[1], 120, 8.0), measured(at[2], 120, 4.0)]
            await account.publish_many(SERIAL, late)
            await wait_until(
                lambda: coordinator.vitals.messages == before + 2, "the readings"
            )
        return is_right

    monkeypatch.setattr(History, "_import", interrupted)
    await compile_statistics(hass)
    await wait_until(lambda: coordinator.vitals.messages == before + 2, "the readings")
    await compile_statistics(hass)

    async with asyncio.timeout(PATIENCE):
        while (await rows(hass, power, hour))[hour]["max"] != 8.0:
            hass.bus.async_fire(EVENT_RECORDER_5MIN_STATISTICS_GENERATED)
            await asyncio.sleep(0.5)
    row = (await rows(hass, power, hour))[hour]
    # 4 kW for three quarters, 8 kW for one.
    assert (row["mean"], row["max"]) == pytest.approx((5.0, 8.0))


async def test_runs_of_the_future_compile_nothing(hass: HomeAssistant) -> None:
    """A clock that was wrong once must not make the running hour count as compiled."""
    await forget_runs(hass, this_hour() + timedelta(days=30))
    assert await compiled_until(hass) is None
    await compile_statistics(hass)
    assert await compiled_until(hass) == this_hour()


async def test_one_late_reading_does_not_replace_a_right_mean(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """Where its neighbours were never kept, the row that is there knows better."""
    account.add_charger(SERIAL, name="Garage").observations.clear()
    await add_account(hass, cloud, account)
    hour = this_hour() - 3 * HOUR
    power = entity_id(hass, SERIAL, "total_power")
    await seed_means(hass, power, "kW", "power", [(hour, 5.5)])
    late = hour + timedelta(minutes=59)
    await account.publish_many(
        SERIAL, [measured(late, 120, 0.0), measured(late + HOUR, 120, 2.0)]
    )
    await queue_is_empty(administrator, account)
    await compile_statistics(hass)
    found = await wait_for_rows(hass, power, hour, [hour + HOUR])
    assert found[hour]["mean"] == 5.5
    # Of the next hour there was none: 0 kW until the last minute.
    assert found[hour + HOUR]["mean"] == pytest.approx(2 / 60)


async def test_statistics_in_another_unit(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """A user who counts in MWh loses no tenth of a kWh by that."""
    account.add_charger(SERIAL, name="Garage", lifetime_energy=REGISTER)
    await add_account(hass, cloud, account)
    first = this_hour() - 3 * HOUR
    lifetime = entity_id(hass, SERIAL, "lifetime_energy")
    flat = [(first + n * HOUR, REGISTER / 1000, 0.04) for n in range(-1, 3)]
    await seed_sums(hass, lifetime, flat, "MWh")
    told = [
        measured(first + timedelta(minutes=m), 124, round(REGISTER + m / 200, 6))
        for m in range(0, 181, 20)
    ]
    await account.publish_many(SERIAL, told)
    await wait_for_number(hass, SERIAL, "lifetime_energy", round(REGISTER + 0.9, 6))
    await compile_statistics(hass)
    right = {first + n * HOUR: 40.0 + 0.3 * (n + 1) for n in range(3)}
    await wait_for_sums(hass, lifetime, right)


async def test_trouble_of_one_charger_is_its_own(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The hours of the others are imported, and the log says it once."""
    hour = this_hour() - 3 * HOUR
    for serial in (SERIAL, OTHER):
        account.add_charger(serial, name=serial)
    await add_account(hass, cloud, account)
    import_device = History._import

    async def failing(history: History, device_id: str, hours: list[datetime]) -> bool:
        if device_id == SERIAL:
            raise RuntimeError("a defect")
        return await import_device(history, device_id, hours)

    monkeypatch.setattr(History, "_import", failing)
    for serial in (SERIAL, OTHER):
        await account.publish_many(serial, [measured(hour, 120, 4.0)])
    await queue_is_empty(administrator, account)
    for _ in range(2):
        await compile_statistics(hass)
        await wait_for_rows(hass, entity_id(hass, OTHER, "total_power"), hour, [hour])
    assert caplog.text.count("Past hours of a device cannot be imported") == 1


async def test_trouble_of_one_sensor_is_its_own(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is wrong with the meters costs the measurements nothing."""
    hour = this_hour() - 3 * HOUR
    account.add_charger(SERIAL, name="Garage")
    await add_account(hass, cloud, account)

    async def failing(*_: Any, **__: Any) -> bool:
        raise RuntimeError("a defect")

    monkeypatch.setattr(RowImport, "sums", failing)
    told = [measured(hour, each, 4.0) for each in (120, 124, 183)]
    await account.publish_many(SERIAL, told)
    await queue_is_empty(administrator, account)
    await compile_statistics(hass)
    for key in ("total_power", "in_current_t3"):
        await wait_for_rows(hass, entity_id(hass, SERIAL, key), hour, [hour])


async def test_hours_are_given_up_in_the_end(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What the recorder does not take for a week would be tried for ever; the log says so."""
    monkeypatch.setattr(history, "GIVE_UP_AFTER", timedelta(0))
    account.add_charger(SERIAL, name="Garage")
    entry = await add_account(hass, cloud, account)

    async def never_right(*_: Any, **__: Any) -> bool:
        return False

    monkeypatch.setattr(RowImport, "means", never_right)
    told = [measured(this_hour() - 3 * HOUR, 120, 4.0)]
    await account.publish_many(SERIAL, told)
    await queue_is_empty(administrator, account)
    assert entry.runtime_data.intake.late_hours
    await compile_statistics(hass)
    await wait_until(
        lambda: not entry.runtime_data.intake.late_hours, "the end of the trying"
    )
    assert "1 past hours of a device are given up" in caplog.text


async def test_hour_that_cannot_be_forgotten_yet_waits_on(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A disk that is full at that moment costs neither the hour nor the import."""
    account.add_charger(SERIAL, name="Garage")
    entry = await add_account(hass, cloud, account)
    coordinator = entry.runtime_data
    old = this_hour() - 5 * HOUR
    await account.publish_many(SERIAL, [measured(old, 120, 4.0)])
    await queue_is_empty(administrator, account)
    refused = 0

    async def full(*_: object) -> None:
        nonlocal refused
        refused += 1
        raise StoreUnavailableError("full")

    with monkeypatch.context() as patched:
        patched.setattr(coordinator.store, "forget_hours", full)
        async with asyncio.timeout(PATIENCE):
            while not refused:
                await compile_statistics(hass)
                await coordinator.history.import_late_hours()
        assert coordinator.intake.late_hours == {(SERIAL, old)}
    async with asyncio.timeout(PATIENCE):
        while coordinator.intake.late_hours:
            await coordinator.history.import_late_hours()
            await asyncio.sleep(0.1)
    power = entity_id(hass, SERIAL, "total_power")
    assert (await rows(hass, power, old))[old]["mean"] == 4.0


async def test_hour_that_is_half_over(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """However it stands with the clock, the running hour gets no row from us."""
    account.add_charger(SERIAL, name="Garage", lifetime_energy=REGISTER)
    entry = await add_account(hass, cloud, account)
    running = this_hour()
    # As if its readings had come late, which in its first minutes they cannot.
    entry.runtime_data.intake.late_hours.add((SERIAL, running))
    now = datetime.now(UTC)
    await account.publish_many(
        SERIAL, [measured(running - HOUR / 2, 120, 3.0), measured(now, 120, 5.0)]
    )
    await wait_for_number(hass, SERIAL, "total_power", 5.0)
    await tell_compiled(hass, running)
    power = entity_id(hass, SERIAL, "total_power")
    await wait_for_rows(hass, power, running - HOUR, [running - HOUR])
    assert max(await rows(hass, power, running - HOUR)) < running


async def test_session_that_only_a_snapshot_tells_moves_no_row(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """A cloud that remembers yesterday wrongly does not make today flat."""
    charger = account.add_charger(SERIAL, name="Garage", lifetime_energy=REGISTER)
    entry = await add_account(hass, cloud, account)
    energy = entity_id(hass, SERIAL, "energy")
    first = this_hour() - 4 * HOUR
    told = [measured(first + n * HOUR, 124, REGISTER + 2.0 * n) for n in range(5)]
    await account.publish_many(SERIAL, told)
    await queue_is_empty(administrator, account)
    await compile_statistics(hass)
    found = await wait_for_rows(hass, energy, first, [first + 3 * HOUR])
    right = {hour: found[hour]["sum"] for hour in found}

    yesterday = first - 20 * HOUR
    for observation_id, text in (
        (223, {"Id": 9, "Start": yesterday.isoformat(), "MeterValue": 1300.0}),
        (
            129,
            {
                "Id": 9,
                "Start": yesterday.isoformat(),
                "Stop": (yesterday + HOUR).isoformat(),
                "EnergyKwh": 7.0,
                "MeterValueStart": 1300.0,
                "MeterValueStop": 1307.0,
            },
        ),
    ):
        charger.observations[observation_id] = (yesterday, json.dumps(text))
    await hass.config_entries.async_reload(entry.entry_id)
    await wait_until(
        lambda: entry.runtime_data.ledger.session(SERIAL, "9") is not None,
        "the snapshot",
    )
    await account.publish_many(SERIAL, [measured(first + HOUR / 2, 120, 3.0)])
    await queue_is_empty(administrator, account)
    for _ in range(2):
        await compile_statistics(hass)
        power = entity_id(hass, SERIAL, "total_power")
        await wait_for_rows(hass, power, first, [first])
    await wait_for_sums(hass, energy, right)
