"""The option that turns the filling of missed hours off."""

from datetime import timedelta

from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from simulator.easee import EaseeAccount, EaseeCloud
from tests.integration.helpers import (
    SERIAL,
    add_account,
    entity_id,
    marker,
    measured,
    stored,
    wait_live,
)

from .rows import HOUR, compile_statistics, forget_runs, rows, seed_means, this_hour


@pytest.mark.parametrize("is_wanted", [True, False])
async def test_missed_hours_are_filled_in_for_who_wants_it(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    hass_client: ClientSessionGenerator,
    is_wanted: bool,
) -> None:
    """With the option a late hour waits for its rows and gets them, without it none does."""
    account.add_charger(SERIAL, name="Garage")
    entry = await add_account(hass, cloud, account)
    options = await hass.config_entries.options.async_init(entry.entry_id)
    await hass.config_entries.options.async_configure(
        options["flow_id"], {"grace_time": 60, "history_import": is_wanted}
    )
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    late = this_hour() - 3 * HOUR
    sensor = entity_id(hass, SERIAL, "total_power")
    await seed_means(hass, sensor, "kW", "power", [(late, 0.0)])
    for minutes, power in ((0, 4.0), (30, 8.0), (60, 8.0)):
        await account.publish(
            SERIAL, 120, power, timestamp=late + timedelta(minutes=minutes)
        )
    await marker(hass, account)(38)
    told = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert told["history"]["hours_waiting"] == (2 if is_wanted else 0)
    await compile_statistics(hass)
    await entry.runtime_data.history.import_late_hours()
    found = await rows(hass, sensor, late)
    told = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert found[late]["mean"] == pytest.approx(6.0 if is_wanted else 0.0)
    assert (told["history"]["rows_written"] > 0) is is_wanted


async def test_hours_that_wait_are_forgotten_with_the_option(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """They would keep their readings in the file for ever."""
    account.add_charger(SERIAL, name="Garage")
    entry = await add_account(hass, cloud, account)
    await forget_runs(hass)
    await account.publish_many(SERIAL, [measured(this_hour() - 3 * HOUR, 120, 4.0)])
    await marker(hass, account)(38)
    await entry.runtime_data.committer.flush()
    waiting = "SELECT count(*) FROM late_hours"
    assert await stored(hass, entry, waiting) == [(1,)]
    options = await hass.config_entries.options.async_init(entry.entry_id)
    await hass.config_entries.options.async_configure(
        options["flow_id"], {"grace_time": 60, "history_import": False}
    )
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    assert await stored(hass, entry, waiting) == [(0,)]
