"""Half a day that AMPECO could not deliver: its hours are as if nobody had been away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from simulator.ampeco import AmpecoTenant, Routine
from tests.integration.ampeco.helpers import (
    EVSE_DEVICE,
    add_tenant,
    only_subscription,
    played_tenant,
    serve,
)
from tests.integration.helpers import (
    entity_id,
    phases,
    record_event_entities,
    state,
    wait_live,
    wait_until,
)

from .rows import HOUR, PATIENCE, compile_statistics, this_hour, wait_for_rows

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def tenant(
    hass: HomeAssistant,
    hass_client_no_auth: ClientSessionGenerator,
    socket_enabled: None,
) -> AsyncIterator[AmpecoTenant]:
    """Start a tenant that can call, and gives up soon."""
    await serve(hass, hass_client_no_auth)
    async with played_tenant() as tenant:
        tenant.sender.attempts = 1
        yield tenant


@pytest.fixture
def routine(tenant: AmpecoTenant) -> Routine:
    """Let a car have charged from eleven hours ago on, and on the day before that as well."""
    (point,) = tenant.charge_points
    start = this_hour() - 11 * HOUR + 20 * MINUTE
    return Routine(
        point=point,
        evse=point.evses[0],
        first_day=start.date() - timedelta(days=1),
        begins_at=start.time(),
    )


async def miss(
    hass: HomeAssistant,
    tenant: AmpecoTenant,
    entry: EvStreamsConfigEntry,
    routine: Routine,
    begin: datetime,
) -> int:
    """Be away while all since `begin` is told; returns how much that was."""
    await hass.config_entries.async_unload(entry.entry_id)
    told = list(routine.notifications(begin, datetime.now(UTC)))
    for _, notification in told:
        await tenant.notify(notification)
    assert len(only_subscription(tenant).failed) == len(told)
    return len(told)


async def come_back(
    hass: HomeAssistant, tenant: AmpecoTenant, entry: EvStreamsConfigEntry, told: int
) -> None:
    """Have all of it sent again, as after a start."""
    only_subscription(tenant).resent_at = None
    await hass.config_entries.async_setup(entry.entry_id)
    await wait_live(hass, entry)
    await wait_until(lambda: entry.runtime_data.vitals.messages == told, "all")
    await tenant.settle()
    assert only_subscription(tenant).failed == []


async def test_the_hours_that_were_missed_have_what_was_charged_in_them(
    hass: HomeAssistant, tenant: AmpecoTenant, routine: Routine
) -> None:
    entry = await add_tenant(hass, tenant)
    first = this_hour() - 12 * HOUR
    # The end of the day before, which was heard of.
    for _, notification in routine.notifications(first - 24 * HOUR, first):
        await tenant.notify(notification)
    fired = record_event_entities(hass, "charging_session")
    told = await miss(hass, tenant, entry, routine, first)
    await come_back(hass, tenant, entry, told)
    # What is replayed is shown once a second, and compiled is what is shown.
    await in_the_end(partial(assert_states, hass, routine))
    await compile_statistics(hass)
    hours = [first + number * HOUR for number in range(6)]
    charged = {hour: routine.energy_between(hour, hour + HOUR) for hour in hours}
    assert sum(charged.values()) == pytest.approx(11 * 2.75 + 6.05 * 55 / 60)
    for key in ("lifetime_energy", "session_energy"):
        await in_the_end(partial(assert_energy, hass, key, charged))
    await in_the_end(partial(assert_power, hass, routine, hours[1:]))
    session_id = str(routine.session_id(routine.first_day + timedelta(days=1)))
    events = [each for each in fired if each["session_id"] == session_id]
    assert phases(events) == [("started", session_id), ("stopped", session_id)]
    assert all(each["replayed"] for each in events)


async def in_the_end(check: Callable[[], Awaitable[None]]) -> None:
    """Let a check pass at last: what is of a part may be there before what is of all."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + PATIENCE
    while True:
        try:
            await check()
        except AssertionError:
            if loop.time() > give_up:
                raise
        else:
            return
        await asyncio.sleep(0.1)


async def assert_energy(
    hass: HomeAssistant, key: str, charged: Mapping[datetime, float]
) -> None:
    """Each hour has grown by what flowed in it.

    The register is told a minute after the start for the first time: what flowed until
    then, 0.183 kWh, is divided among the hours since it was told last.
    """
    sensor = entity_id(hass, EVSE_DEVICE, key)
    first, *hours = charged
    found = await wait_for_rows(hass, sensor, first - HOUR, charged)
    untold = 11 / 60 if key == "lifetime_energy" else 0
    for hour in hours:
        growth = found[hour]["sum"] - found[hour - HOUR]["sum"]
        is_first = hour == hours[0]
        slack = 0.01 + (untold if is_first else 0)
        assert growth == pytest.approx(charged[hour], abs=slack), (key, hour)
    total = found[hours[-1]]["sum"] - found[first]["sum"]
    assert total == pytest.approx(sum(charged.values()), abs=0.01 + untold)


async def assert_power(
    hass: HomeAssistant, routine: Routine, hours: list[datetime]
) -> None:
    """Each hour has the mean of its power; it is told by the minute, and falls in between."""
    sensor = entity_id(hass, EVSE_DEVICE, "power")
    found = await wait_for_rows(hass, sensor, hours[0], hours)
    for hour in hours:
        mean = routine.energy_between(hour, hour + HOUR)
        assert found[hour]["mean"] == pytest.approx(mean, abs=0.1), hour
    full, falling, idle = hours[1], hours[3], hours[4]
    assert (found[full]["min"], found[full]["max"]) == (11, 11)
    assert found[falling]["max"] == 11
    assert (found[idle]["min"], found[idle]["max"]) == (0, 0)


async def assert_states(hass: HomeAssistant, routine: Routine) -> None:
    """What is shown is the newest, however late it came."""
    register = routine.meter_at(datetime.now(UTC)) / 1000
    shown = {
        key: float(state(hass, EVSE_DEVICE, key).state)
        for key in ("lifetime_energy", "session_energy", "power")
    }
    assert shown == pytest.approx(
        {"lifetime_energy": register, "session_energy": 35.796, "power": 0}, abs=1e-3
    )
    assert state(hass, EVSE_DEVICE, "hardware_status").state == "available"
