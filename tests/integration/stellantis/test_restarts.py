"""What a user sees while the broker is away: a broker of its own for each test."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
import pytest

from custom_components.ev_streams.stream import supervisor
from simulator.mosquitto import Mosquitto

from ..helpers import state, wait_for_state, wait_live
from .helpers import VIN, Partner, add_partner, add_vehicle


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not make the tests wait for the ordinary back-off."""
    brisk = partial(supervisor.Backoff, initial=0.1, maximum=0.5)
    monkeypatch.setattr(supervisor, "Backoff", brisk)


@pytest.fixture
def mosquitto(tmp_path: Path, socket_enabled: None) -> Iterator[Mosquitto]:
    """Start a broker that nobody else needs."""
    with Mosquitto(tmp_path / "broker") as own:
        yield own


async def test_messages_go_on_after_a_restart_of_the_broker(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(hass, partner)
    await add_vehicle(hass, entry)
    await partner.say("before")
    await wait_for_state(hass, VIN, "message_count", "1")
    broker = partner.platform.broker
    await hass.async_add_executor_job(broker.stop)
    await wait_for_state(
        hass, str(entry.unique_id), "stream_status", "waiting_to_retry"
    )
    # A short interruption shows nowhere.
    assert state(hass, VIN, "message_count").state == "1"
    await hass.async_add_executor_job(broker.start)
    await wait_live(hass, entry)


async def test_a_long_interruption_makes_the_vehicle_unavailable(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(hass, partner)
    hass.config_entries.async_update_entry(entry, options={"grace_time": 1})
    await hass.config_entries.async_reload(entry.entry_id)
    await add_vehicle(hass, entry)
    await hass.async_add_executor_job(partner.platform.broker.stop)
    await wait_for_state(hass, VIN, "message_count", "unavailable")
    account = str(entry.unique_id)
    assert state(hass, account, "connected").state == "off"
    await hass.async_add_executor_job(partner.platform.broker.start)
    await wait_live(hass, entry)
    assert state(hass, VIN, "message_count").state == "unknown"


async def test_an_entry_loads_without_its_broker(
    hass: HomeAssistant, partner: Partner
) -> None:
    """The vehicle is shown as it was last known."""
    entry = await add_partner(hass, partner)
    await add_vehicle(hass, entry)
    await partner.say("hello")
    await wait_for_state(hass, VIN, "message_count", "1")
    broker = partner.platform.broker
    await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_add_executor_job(broker.stop)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    assert state(hass, VIN, "message_count").state == "1"
    await hass.async_add_executor_job(broker.start)
    await wait_live(hass, entry)
