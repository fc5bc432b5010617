"""After an import of past hours the recorder goes on from them, with what flows from then on."""

from datetime import datetime, timedelta

from homeassistant.components.recorder.db_schema import StatisticsShortTerm
from homeassistant.components.recorder.models import (
    StatisticData,
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.components.recorder.statistics import async_import_statistics
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.recorder import get_instance
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
    do_adhoc_statistics,
)

from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from simulator.easee import EaseeAccount, EaseeCharger, EaseeCloud
from tests.integration.helpers import (
    SERIAL,
    add_account,
    entity_id,
    record_states,
    wait_for_number,
    wait_until,
)

from .rows import HOUR, Rows, rows, seed_sums, this_hour
from .test_import_action import METERS, compiled, flowed, import_history

REGISTER = 1278.0


@pytest.fixture
def hour() -> datetime:
    """The beginning of the hour that runs, which does not move while a test runs."""
    return this_hour()


@pytest.fixture
def charger(account: EaseeAccount, hour: datetime) -> EaseeCharger:
    """A charger that charged 10 kWh in each of the last 24 hours."""
    charger = account.add_charger(SERIAL, name="Garage", lifetime_energy=REGISTER)
    for back in range(1, 25):
        charger.hourly_usage[hour - back * HOUR] = 10.0
    return charger


@pytest.fixture
async def entry(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount, charger: EaseeCharger
) -> EvStreamsConfigEntry:
    """An account whose charger's register is shown."""
    entry = await add_account(hass, cloud, account)
    for key in METERS:
        await wait_for_number(hass, SERIAL, key, REGISTER)
    return entry


async def compile_period(hass: HomeAssistant, hour: datetime, minutes: int) -> None:
    """Let the recorder compile five minutes; those of minute 55 make the hour's row."""
    await async_wait_recording_done(hass)
    do_adhoc_statistics(hass, start=hour + timedelta(minutes=minutes))
    await async_wait_recording_done(hass)


async def seed_live(
    hass: HomeAssistant, statistic_id: str, start: datetime, state: float, total: float
) -> None:
    """Let the recorder have a row of five minutes, from which it goes on."""
    get_instance(hass).async_import_statistics(
        metadata_of(statistic_id),
        [StatisticData(start=start, state=state, sum=total)],
        StatisticsShortTerm,
    )
    await async_wait_recording_done(hass)


def metadata_of(statistic_id: str) -> StatisticMetaData:
    return {
        "mean_type": StatisticMeanType.NONE,
        "has_sum": True,
        "name": None,
        "source": "recorder",
        "statistic_id": statistic_id,
        "unit_class": "energy",
        "unit_of_measurement": "kWh",
    }


async def hourly(hass: HomeAssistant, key: str, hour: datetime) -> Rows:
    return await rows(hass, entity_id(hass, SERIAL, key), hour - 40 * HOUR)


@pytest.mark.parametrize("live_periods", [0, 1, 2])
async def test_hour_after_an_import_on_a_fresh_installation(
    hass: HomeAssistant,
    account: EaseeAccount,
    entry: EvStreamsConfigEntry,
    hour: datetime,
    live_periods: int,
) -> None:
    """It has what flowed in it, whether the recorder has yet seen the sensor or not."""
    await compiled(hass, hour)
    for number in range(live_periods):
        await compile_period(hass, hour, 40 + 5 * number)
    assert await import_history(hass, entry, hour - 30 * HOUR) == {SERIAL: 24}
    await account.publish(SERIAL, 124, REGISTER + 2.5)
    for key in METERS:
        await wait_for_number(hass, SERIAL, key, REGISTER + 2.5)
    await compile_period(hass, hour, 55)
    for key in METERS:
        found = await hourly(hass, key, hour)
        assert list(found)[-1] == hour
        assert flowed(found) == pytest.approx([10.0] * 24 + [2.5])
        # As if the sensor had been there all the time.
        states = [REGISTER - 10 * back for back in range(23, -1, -1)]
        assert [row["state"] for row in found.values()] == pytest.approx(
            [*states, REGISTER + 2.5]
        )


async def test_import_up_to_the_first_hour_that_was_compiled(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, hour: datetime
) -> None:
    """The first row of all lies within what is imported: what is live is raised too."""
    for key in METERS:
        sensor = entity_id(hass, SERIAL, key)
        await seed_sums(hass, sensor, [(hour - HOUR, REGISTER, 6.0)])
        await seed_live(hass, sensor, hour - timedelta(minutes=5), REGISTER, 6.0)
    await compiled(hass, hour)
    await import_history(hass, entry, hour - 30 * HOUR)
    await compile_period(hass, hour, 55)
    for key in METERS:
        assert flowed(await hourly(hass, key, hour)) == pytest.approx([10.0] * 24 + [0])


async def test_import_goes_on_where_rows_have_no_state(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, hour: datetime
) -> None:
    """Those of others may have none; what is written has one, from what the meter shows."""
    for key in METERS:
        async_import_statistics(
            hass,
            metadata_of(entity_id(hass, SERIAL, key)),
            [StatisticData(start=hour - 4 * HOUR, sum=500.0)],
        )
    await async_wait_recording_done(hass)
    await compiled(hass, hour)
    await import_history(hass, entry, hour - 3 * HOUR)
    await compile_period(hass, hour, 55)
    for key in METERS:
        found = await hourly(hass, key, hour)
        assert [row["sum"] for row in found.values()] == [500, 510, 520, 530, 530]
        assert [row["state"] for row in found.values()] == [
            None,
            REGISTER - 20,
            REGISTER - 10,
            REGISTER,
            REGISTER,
        ]


async def test_lump_that_is_still_to_come_is_counted_once(
    hass: HomeAssistant,
    account: EaseeAccount,
    entry: EvStreamsConfigEntry,
    hour: datetime,
) -> None:
    """What was imported is not in the hour in which the sensor catches up."""
    for key in METERS:
        sensor = entity_id(hass, SERIAL, key)
        await seed_sums(hass, sensor, [(hour - 4 * HOUR, REGISTER, 40.0)])
        newest = hour - 3 * HOUR - timedelta(minutes=5)
        await seed_live(hass, sensor, newest, REGISTER, 40.0)
    await account.publish(SERIAL, 124, REGISTER + 30)
    for key in METERS:
        await wait_for_number(hass, SERIAL, key, REGISTER + 30)
    await compiled(hass, hour)
    await import_history(hass, entry, hour - 3 * HOUR)
    await compile_period(hass, hour, 55)
    for key in METERS:
        found = await hourly(hass, key, hour)
        assert [row["sum"] for row in found.values()] == [40, 50, 60, 70, 70]


async def test_unit_does_not_widen_what_is_let_pass(
    hass: HomeAssistant,
    charger: EaseeCharger,
    entry: EvStreamsConfigEntry,
    hour: datetime,
) -> None:
    """In MWh a thousandth is a whole kWh: half of one must not be taken from the hour after."""
    energy = entity_id(hass, SERIAL, "energy")
    seeded = [(hour - 3 * HOUR, 1.2, 0.04), (hour - HOUR, 1.21, 0.05)]
    await seed_sums(hass, energy, seeded, unit="MWh")
    await compiled(hass, hour)
    charger.hourly_usage = {hour - 2 * HOUR: 10.5}
    await import_history(hass, entry, hour - 2 * HOUR, hour - HOUR)
    found = await rows(hass, energy, hour - 4 * HOUR)
    # The sensor shows kWh, and the recorder gives what it is shown in.
    assert [row["sum"] for row in found.values()] == pytest.approx([40, 50.5, 50.5])


async def test_sensors_that_are_disabled_are_said_to_be(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, hour: datetime
) -> None:
    """No hours would sound as if the provider had none."""
    registry = er.async_get(hass)
    for key in METERS:
        registry.async_update_entity(
            entity_id(hass, SERIAL, key), disabled_by=er.RegistryEntryDisabler.USER
        )
    with pytest.raises(ServiceValidationError) as refused:
        await import_history(hass, entry, hour - 2 * HOUR)
    assert refused.value.translation_key == "nothing_recorded"


async def test_progress_ends_with_a_failure(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    charger: EaseeCharger,
    hour: datetime,
    every_entity_enabled: None,
) -> None:
    """It does not stay where it was as if it still went on."""
    entry = await add_account(hass, cloud, account)
    await compiled(hass, hour)
    shown = record_states(hass, entity_id(hass, str(entry.unique_id), "history_import"))
    await cloud.stop()
    with pytest.raises(HomeAssistantError):
        await import_history(hass, entry, hour - 2 * HOUR)
    await wait_until(lambda: len(shown) > 1, "the end of it")
    assert shown[0] == "0"
    assert shown[-1] == "unknown"
