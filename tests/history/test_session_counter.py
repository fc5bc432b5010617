"""A counter begins anew with each session: what it showed before a replay may be of any."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from homeassistant.components.recorder.models import StatisticData
from homeassistant.core import HomeAssistant
import pytest

from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from custom_components.ev_streams.providers.easee import EASEE
from simulator.easee import EaseeAccount, EaseeCloud, Measurement
from simulator.rabbitmq import Administrator
from tests.integration.helpers import (
    SERIAL,
    add_account,
    entity_id,
    queue_is_empty,
    wait_for_number,
)

from .rows import (
    FIVE_MINUTES,
    HOUR,
    compile_statistics,
    forget_runs,
    rows,
    seed_sums,
    this_hour,
)
from .test_gaps import measurement

SESSION = "session_energy"
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def entry(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> EvStreamsConfigEntry:
    """Add an account with one charger of which nothing is known."""
    account.add_charger(SERIAL, name="Garage").observations.clear()
    return await add_account(hass, cloud, account)


async def tell(
    hass: HomeAssistant, account: EaseeAccount, told: Sequence[Measurement]
) -> None:
    """Let the stream tell of the counter, and wait until the sensor shows the last."""
    await account.publish_many(SERIAL, told)
    await wait_for_number(hass, SERIAL, SESSION, float(told[-1].value))


async def seed_stale_live(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, shown: float, total: float
) -> None:
    """Let the recorder have made the last five minutes of the hour before this one."""
    described = next(each for each in EASEE.sensors if each.key == SESSION)
    statistics = await entry.runtime_data.history.statistics(SERIAL, described)
    assert statistics is not None
    start = this_hour() - FIVE_MINUTES
    await statistics.write_live(StatisticData(start=start, state=shown, sum=total))


async def imported(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, first: datetime
) -> dict[str, float]:
    """Return the sums of the hours from `first` to this one, and of the newest five minutes."""
    now = this_hour()
    for ahead in range(3):
        await compile_statistics(hass, ahead=ahead)
        await entry.runtime_data.history.import_late_hours()
    sensor = entity_id(hass, SERIAL, SESSION)
    found = await rows(hass, sensor, first)
    sums = {
        f"+{(hour - first) // HOUR}": round(row["sum"], 3)
        for hour, row in found.items()
        if hour < now
    }
    live = await rows(hass, sensor, first, "5minute")
    return sums | {"live": round(list(live.values())[-1]["sum"], 3)}


def wait_only_for(entry: EvStreamsConfigEntry, *hours: datetime) -> None:
    """As if what was measured in all other hours had come in time, or been imported."""
    waiting = entry.runtime_data.intake.late_hours
    waiting &= {(SERIAL, each) for each in hours}


async def test_what_was_shown_at_the_start_of_an_old_session_doubles_nothing(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
) -> None:
    """It showed 0 when Home Assistant went off, and a later session began with 0 as well."""
    first = this_hour() - 4 * HOUR
    await forget_runs(hass)
    await seed_sums(
        hass,
        entity_id(hass, SERIAL, SESSION),
        [(first - HOUR, 0.0, 40.0), (first + 3 * HOUR, 0.0, 40.0)],
    )
    await seed_stale_live(hass, entry, 0.0, 40.0)
    await tell(hass, account, [measurement(first - 5 * MINUTE, 121, 0.0)])
    # 8 kWh in the first hour, 3 kWh in the second.
    await tell(hass, account, [measurement(first + 55 * MINUTE, 121, 8.0)])
    await tell(
        hass,
        account,
        [
            measurement(first + 65 * MINUTE, 121, 0.0),
            measurement(first + 95 * MINUTE, 121, 3.0),
        ],
    )
    await queue_is_empty(administrator, account)
    wait_only_for(entry, first, first + HOUR)
    found = await imported(hass, entry, first)
    assert found == {"+0": 48.0, "+1": 51.0, "+2": 51.0, "+3": 51.0, "live": 51.0}


async def test_sessions_that_nobody_was_shown_are_not_lost(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
) -> None:
    """A replay shows no more than one value a second: the recorder sees not all resets."""
    first = this_hour() - 4 * HOUR
    await forget_runs(hass)
    await seed_sums(
        hass,
        entity_id(hass, SERIAL, SESSION),
        [(first - HOUR, 9.7, 40.0), (first + 3 * HOUR, 9.7, 40.0)],
    )
    await seed_stale_live(hass, entry, 9.7, 40.0)
    await tell(hass, account, [measurement(first - 5 * MINUTE, 121, 9.7)])
    await tell(
        hass,
        account,
        [
            measurement(first + minutes * MINUTE, 121, value)
            for minutes, value in ((5, 0.0), (55, 4.0), (65, 0.0), (95, 3.0))
        ],
    )
    await queue_is_empty(administrator, account)
    wait_only_for(entry, first, first + HOUR)
    found = await imported(hass, entry, first)
    assert found == {"+0": 44.0, "+1": 47.0, "+2": 47.0, "+3": 47.0, "live": 47.0}


async def test_what_an_older_session_showed_is_not_taken_for_the_newest(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
) -> None:
    """Of the late hours only the last waits: no reading of the old session is looked at."""
    first = this_hour() - 6 * HOUR
    await forget_runs(hass)
    # The hours up to the fourth have been imported, the last one shows the old state.
    imports = [
        (0, 4.9, 40.0),
        (1, 9.1, 44.2),
        (2, 2.0, 46.2),
        (3, 6.0, 50.2),
        (5, 4.9, 40.0),
    ]
    await seed_sums(
        hass,
        entity_id(hass, SERIAL, SESSION),
        [(first + n * HOUR, state, total) for n, state, total in imports],
    )
    await seed_stale_live(hass, entry, 4.9, 40.0)
    await tell(hass, account, [measurement(first + 55 * MINUTE, 121, 4.9)])
    await tell(hass, account, [measurement(first + 110 * MINUTE, 121, 9.1)])
    await tell(
        hass,
        account,
        [
            measurement(first + 115 * MINUTE, 121, 0.0),
            measurement(first + 3 * HOUR, 121, 2.0),
        ],
    )
    await tell(
        hass,
        account,
        [
            measurement(first + 4 * HOUR, 121, 6.0),
            measurement(first + 5 * HOUR - MINUTE, 121, 10.0),
        ],
    )
    await queue_is_empty(administrator, account)
    wait_only_for(entry, first + 4 * HOUR)
    found = await imported(hass, entry, first + 3 * HOUR)
    assert found == {"+0": 50.2, "+1": 54.2, "+2": 54.2, "live": 54.2}


async def test_a_look_at_hours_that_are_right_adds_nothing(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
) -> None:
    """What the counter is taken to have shown at the full hour was told in an older session."""
    first = this_hour() - 4 * HOUR
    await forget_runs(hass)
    sensor = entity_id(hass, SERIAL, SESSION)
    await seed_sums(hass, sensor, [(first - HOUR, 2.5, 40.0), (first, 1.0, 41.0)])
    for told in (
        ((-40, 1.0004), (-20, 2.5)),
        ((10, 0.0), (55, 0.9), (65, 1.1), (90, 3.0)),
    ):
        await tell(
            hass,
            account,
            [measurement(first + at * MINUTE, 121, value) for at, value in told],
        )
    await queue_is_empty(administrator, account)
    wait_only_for(entry, first + HOUR)
    found = await imported(hass, entry, first)
    assert {hour: found[hour] for hour in ("+0", "+1")} == {"+0": 41.0, "+1": 43.0}
