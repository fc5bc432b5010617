"""Past hours from the provider's own figures, on request.

Home Assistant takes what flowed in an hour from the difference of two sums, and what
flowed in the first hour of all from its sum alone.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from homeassistant.components.recorder.db_schema import StatisticsRuns
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.recorder import get_instance, session_scope
import pytest

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from simulator.easee import EaseeAccount, EaseeCharger, EaseeCloud
from tests.integration.helpers import (
    SERIAL,
    add_account,
    entity_id,
    record_states,
    wait_until,
)

from .rows import HOUR, Rows, rows, seed_sums, this_hour

METERS = ("energy", "lifetime_energy")


@pytest.fixture
def hour() -> datetime:
    """The beginning of the hour that runs, which does not move while a test runs."""
    return this_hour()


@pytest.fixture
def charger(account: EaseeAccount) -> EaseeCharger:
    """A charger whose cloud knows of no hour yet."""
    return account.add_charger(SERIAL, name="Garage")


async def compiled(hass: HomeAssistant, until: datetime) -> None:
    """Note, as the recorder does, that it has compiled everything before a time, and no more."""
    newest = until - timedelta(minutes=5)

    def note() -> None:
        with session_scope(hass=hass) as session:
            # It begins with a look at what was missed before it started.
            session.query(StatisticsRuns).filter(
                StatisticsRuns.start >= newest
            ).delete()
            session.add(StatisticsRuns(start=newest))

    await get_instance(hass).async_add_executor_job(note)


async def import_history(
    hass: HomeAssistant,
    entry: EvStreamsConfigEntry,
    start: datetime,
    end: datetime | None = None,
    own_id: str = SERIAL,
) -> Mapping[str, Any]:
    """Call the action as a script would; returns the number of hours by charger."""
    device = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, own_id), entry.entry_id
    )
    assert device is not None
    response = await hass.services.async_call(
        DOMAIN,
        "import_history",
        {"device_id": device.id, "from": start} | ({"to": end} if end else {}),
        blocking=True,
        return_response=True,
    )
    assert isinstance(response, dict)
    hours = response["hours"]
    assert isinstance(hours, dict)
    return hours


async def sums_of(
    hass: HomeAssistant, hour: datetime, key: str = "energy", back: int = 12
) -> dict[int, float]:
    """The sums of the past hours by how long ago they began."""
    found = await rows(hass, entity_id(hass, SERIAL, key), hour - back * HOUR)
    return {-((hour - each) // HOUR): row["sum"] for each, row in found.items()}


def flowed(found: Rows) -> list[float]:
    """What the Energy dashboard shows of rows that begin with the first of all."""
    total, changes = 0.0, []
    for row in found.values():
        changes.append(row["sum"] - total)
        total = row["sum"]
    return changes


async def test_lump_is_spread_over_the_hours_in_which_it_flowed(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    charger: EaseeCharger,
    hour: datetime,
) -> None:
    """Hours between two rows get theirs, the lump behind them shrinks to what was its own."""
    entry = await add_account(hass, cloud, account)
    unrelated = "sensor.unrelated"
    for sensor in (*(entity_id(hass, SERIAL, key) for key in METERS), unrelated):
        await seed_sums(
            hass,
            sensor,
            [
                (hour - 7 * HOUR, 1000, 40),
                (hour - 6 * HOUR, 1000.5, 40.5),
                (hour - 2 * HOUR, 1010.5, 50.5),
                (hour - HOUR, 1011, 51),
            ],
        )
    await compiled(hass, hour)
    for back, energy in ((5, 2.0), (4, 3.25), (3, 4.0)):
        charger.hourly_usage[hour - back * HOUR] = energy
    untouched = await rows(hass, unrelated, hour - 12 * HOUR)
    hours = await import_history(hass, entry, hour - 5 * HOUR, hour - 2 * HOUR)
    assert hours == {SERIAL: 3}
    for key in METERS:
        found = await rows(hass, entity_id(hass, SERIAL, key), hour - 12 * HOUR)
        assert [row["sum"] for row in found.values()] == pytest.approx(
            [40, 40.5, 42.5, 45.75, 49.75, 50.5, 51]
        )
        assert [row["state"] for row in found.values()] == pytest.approx(
            [1000, 1000.5, 1002.5, 1005.75, 1009.75, 1010.5, 1011]
        )
    assert await rows(hass, unrelated, hour - 12 * HOUR) == untouched


async def test_what_was_before_the_first_row(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    charger: EaseeCharger,
    hour: datetime,
) -> None:
    """Every hour shows what flowed in it, the very first and those of before included."""
    entry = await add_account(hass, cloud, account)
    sensor = entity_id(hass, SERIAL, "energy")
    await seed_sums(
        hass, sensor, [(hour - 2 * HOUR, 1010, 0.5), (hour - HOUR, 1012, 2.5)]
    )
    await compiled(hass, hour)
    for back, energy in ((5, 1.0), (4, 2.0), (3, 3.0)):
        charger.hourly_usage[hour - back * HOUR] = energy
    await import_history(hass, entry, hour - 6 * HOUR, hour - 2 * HOUR)
    found = await rows(hass, sensor, hour - 12 * HOUR)
    assert list(found) == [hour - back * HOUR for back in (5, 4, 3, 2, 1)]
    assert flowed(found) == pytest.approx([1, 2, 3, 0.5, 2])
    assert [row["state"] for row in found.values()] == pytest.approx(
        [1004.5, 1006.5, 1009.5, 1010, 1012]
    )


async def test_hours_of_a_sensor_without_any_row(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    charger: EaseeCharger,
    hour: datetime,
) -> None:
    entry = await add_account(hass, cloud, account)
    await compiled(hass, hour)
    for back, energy in ((5, 1.0), (4, 2.0), (2, 3.0)):
        charger.hourly_usage[hour - back * HOUR] = energy
    assert await import_history(hass, entry, hour - 6 * HOUR) == {SERIAL: 3}
    found = await rows(hass, entity_id(hass, SERIAL, "energy"), hour - 12 * HOUR)
    assert flowed(found) == pytest.approx([1, 2, 3])


async def test_hours_that_are_right_stay(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    charger: EaseeCharger,
    hour: datetime,
) -> None:
    """Asking again for what is known changes nothing."""
    entry = await add_account(hass, cloud, account)
    sensor = entity_id(hass, SERIAL, "energy")
    flows = {6: 0.0, 5: 1.5, 4: 0.0, 3: 7.25, 2: 0.125, 1: 0.0}
    total, seeded = 40.0, [(hour - 7 * HOUR, 1000.0, 40.0)]
    for back, energy in flows.items():
        total += energy
        seeded.append((hour - back * HOUR, 960 + total, total))
        charger.hourly_usage[hour - back * HOUR] = energy
    await seed_sums(hass, sensor, seeded)
    await compiled(hass, hour)
    before = await rows(hass, sensor, hour - 12 * HOUR)
    for _ in range(2):
        await import_history(hass, entry, hour - 6 * HOUR)
        assert await rows(hass, sensor, hour - 12 * HOUR) == before


async def test_flat_rows_are_put_right(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    charger: EaseeCharger,
    hour: datetime,
) -> None:
    """The sensor stood still while Home Assistant ran without a stream, then jumped."""
    entry = await add_account(hass, cloud, account)
    await seed_sums(
        hass,
        entity_id(hass, SERIAL, "energy"),
        [(hour - back * HOUR, 1000, 40) for back in (6, 5, 4, 3)]
        + [(hour - 2 * HOUR, 1008, 48), (hour - HOUR, 1008, 48)],
    )
    await compiled(hass, hour)
    for back, energy in ((5, 2.0), (4, 3.0), (3, 1.5)):
        charger.hourly_usage[hour - back * HOUR] = energy
    await import_history(hass, entry, hour - 5 * HOUR, hour - 2 * HOUR)
    assert await sums_of(hass, hour) == pytest.approx(
        {-6: 40, -5: 42, -4: 45, -3: 46.5, -2: 48, -1: 48}
    )


async def test_figures_that_are_a_little_high_leave_the_meter_where_it_was(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    charger: EaseeCharger,
    hour: datetime,
) -> None:
    """Their rows show no more than the meter did next, so that an outage goes on from there."""
    entry = await add_account(hass, cloud, account)
    energy = entity_id(hass, SERIAL, "energy")
    await seed_sums(
        hass,
        energy,
        [(hour - (6 - n) * HOUR, 1000.0 + 5 * n, 40.0 + 5 * n) for n in range(5)]
        + [(hour - HOUR, 1020.0, 60.0)],
    )
    await compiled(hass, hour)
    for back in (5, 4, 3, 2):
        charger.hourly_usage[hour - back * HOUR] = 5.1
    await import_history(hass, entry, hour - 5 * HOUR, hour - HOUR)
    found = await rows(hass, energy, hour - 12 * HOUR)
    assert list(found.values())[-2]["sum"] == pytest.approx(60.4)
    assert [row["state"] for row in found.values()] == pytest.approx(
        [1000.0, 1005.1, 1010.2, 1015.3, 1020.0, 1020.0]
    )


async def test_hour_after_never_falls(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    charger: EaseeCharger,
    hour: datetime,
) -> None:
    """What nobody has ever counted is added to all that follows."""
    entry = await add_account(hass, cloud, account)
    await seed_sums(
        hass,
        entity_id(hass, SERIAL, "energy"),
        [(hour - 5 * HOUR, 1000, 40), (hour - 2 * HOUR, 12, 40), (hour - HOUR, 13, 41)],
    )
    await compiled(hass, hour)
    charger.hourly_usage |= {hour - 4 * HOUR: 3.0, hour - 3 * HOUR: 4.0}
    await import_history(hass, entry, hour - 4 * HOUR, hour - 2 * HOUR)
    assert await sums_of(hass, hour) == pytest.approx(
        {-5: 40, -4: 43, -3: 47, -2: 47, -1: 48}
    )


async def test_hour_without_a_figure_keeps_its_sum(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    charger: EaseeCharger,
    hour: datetime,
) -> None:
    """A lump that the provider says nothing of is not counted a second time."""
    entry = await add_account(hass, cloud, account)
    await seed_sums(
        hass,
        entity_id(hass, SERIAL, "energy"),
        [(hour - 5 * HOUR, 1000, 40), (hour - 2 * HOUR, 1006, 46)],
    )
    await compiled(hass, hour)
    charger.hourly_usage |= {
        hour - 4 * HOUR: 2.0,
        hour - 3 * HOUR: 2.5,
        hour - HOUR: 1.0,
    }
    await import_history(hass, entry, hour - 4 * HOUR)
    assert await sums_of(hass, hour) == pytest.approx(
        {-5: 40, -4: 42, -3: 44.5, -2: 46, -1: 47}
    )


async def test_hour_that_is_not_compiled_is_left_to_the_recorder(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    charger: EaseeCharger,
    hour: datetime,
) -> None:
    """Neither the hour that runs nor one that the recorder has yet to write."""
    entry = await add_account(hass, cloud, account)
    sensor = entity_id(hass, SERIAL, "energy")
    await seed_sums(hass, sensor, [(hour - 3 * HOUR, 1000, 40)])
    await compiled(hass, hour - HOUR)
    for back in (2, 1, 0):
        charger.hourly_usage[hour - back * HOUR] = 5.0
    assert await import_history(hass, entry, hour - 2 * HOUR) == {SERIAL: 1}
    assert await sums_of(hass, hour) == pytest.approx({-3: 40, -2: 45})
    await compiled(hass, hour)
    assert await import_history(hass, entry, hour - 2 * HOUR) == {SERIAL: 2}
    assert await sums_of(hass, hour) == pytest.approx({-3: 40, -2: 45, -1: 50})


async def test_unit_of_the_statistics_is_kept(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    charger: EaseeCharger,
    hour: datetime,
) -> None:
    """Rows that the user keeps in Wh go on in Wh."""
    entry = await add_account(hass, cloud, account)
    sensor = entity_id(hass, SERIAL, "energy")
    await seed_sums(hass, sensor, [(hour - 3 * HOUR, 1_000_000, 40_000)], unit="Wh")
    await compiled(hass, hour)
    charger.hourly_usage[hour - 2 * HOUR] = 5.5
    await import_history(hass, entry, hour - 2 * HOUR)
    found = await in_watt_hours(hass, sensor, hour - 4 * HOUR)
    assert found == pytest.approx([40_000, 45_500])


async def in_watt_hours(
    hass: HomeAssistant, sensor: str, start: datetime
) -> list[float]:
    """The sums as the database holds them, after a look at what unit they are in."""
    found = await rows(hass, sensor, start)
    instance = get_instance(hass)
    with session_scope(hass=hass, read_only=True) as session:
        known = await instance.async_add_executor_job(
            lambda: instance.statistics_meta_manager.get_many(
                session, statistic_ids={sensor}
            )
        )
    assert known[sensor][1]["unit_of_measurement"] == "Wh"
    # The sensor shows kWh, and the recorder gives what it is shown in.
    return [1000 * row["sum"] for row in found.values()]


async def test_months_are_asked_for_bit_by_bit(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    charger: EaseeCharger,
    hour: datetime,
    every_entity_enabled: None,
) -> None:
    """A hundred days of two chargers, with a share that grows up to the whole."""
    other = account.add_charger("EH000002", name="Carport")
    for each in (charger, other):
        for back in range(1, 100 * 24 + 1):
            each.hourly_usage[hour - back * HOUR] = back % 5 / 4
    entry = await add_account(hass, cloud, account)
    await compiled(hass, hour)
    shown = record_states(hass, entity_id(hass, str(entry.unique_id), "history_import"))
    hours = await import_history(
        hass, entry, hour - 100 * 24 * HOUR, own_id=str(entry.unique_id)
    )
    assert hours == {SERIAL: 2400, "EH000002": 2400}
    await wait_until(lambda: shown[-1:] == ["100"], "the whole")
    percents = [int(each) for each in shown]
    assert percents == sorted(percents)
    assert {0, 50, 100} <= set(percents)
    assert len(set(percents)) > 5
    found = await rows(hass, entity_id(hass, SERIAL, "energy"), hour - 101 * 24 * HOUR)
    assert len(found) == 2400
    # 480 times 0, 1/4, 2/4, 3/4 and 1.
    assert found[hour - HOUR]["sum"] == pytest.approx(480 * 2.5)


async def test_provider_that_does_not_answer(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    charger: EaseeCharger,
    hour: datetime,
) -> None:
    """The user hears of it, and no row is written."""
    entry = await add_account(hass, cloud, account)
    await compiled(hass, hour)
    charger.hourly_usage[hour - 2 * HOUR] = 1.0
    await cloud.stop()
    with pytest.raises(HomeAssistantError) as failed:
        await import_history(hass, entry, hour - 2 * HOUR)
    assert failed.value.translation_key == "no_answer"
    assert failed.value.translation_placeholders is not None
    assert failed.value.translation_placeholders["reason"]
    assert await sums_of(hass, hour) == {}
