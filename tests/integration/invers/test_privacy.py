"""Which vehicle it is and where it was stays in the vehicle."""

from datetime import UTC, datetime
import json
import logging
from pathlib import Path

from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
    get_diagnostics_for_device,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from custom_components.ev_streams.storage import store_path
from simulator.invers import EventConsumer, InversFleet, Vehicle
from simulator.invers.course import HOUR
from simulator.invers.events import Topic

from ..helpers import device_of, state, wait_until
from .helpers import CAR, add_fleet

VIN, PLATE = "VF1AG000265432187", "B-EV 4711"
PLACE = ("52.5163", "13.3777")
HIDDEN = (VIN, PLATE, "BEV4711", *PLACE)


async def drive(fleet: InversFleet, entry: EvStreamsConfigEntry) -> None:
    """Let a vehicle tell all that it does in a day, and what it is."""
    now = datetime.now(UTC)
    car = Vehicle(vehicle_id=CAR, custom_name=f"Van {PLATE}")
    events = [
        *car.events(now - 24 * HOUR, now),
        car.master_data_changed(now),
        car.life_status_changed(now, online=True),
    ]
    await fleet.publish_many(events)
    await fleet.publish(
        "ParkedSomewhere",
        {
            "vehicle_id": CAR,
            "where": {"lat": float(PLACE[0]), "lon": float(PLACE[1])},
            # A plate in a text is known by the member that tells it.
            "license_plate": PLATE,
            "note": f"{PLATE} is at the corner",
            "by": {"driver_name": "Kim"},
        },
    )
    await fleet.publish_raw(Topic.TRIP, f'{{"vin": "{VIN}"'.encode())
    vitals = entry.runtime_data.vitals
    await wait_until(lambda: vitals.messages == len(events) + 2, "all of it")
    await entry.runtime_data.committer.flush()


def _file(path: Path) -> bytes:
    files = [Path(f"{path}{suffix}") for suffix in ("", "-wal")]
    return b"".join(each.read_bytes() for each in files if each.exists())


async def test_no_vehicle_is_given_away(
    hass: HomeAssistant,
    fleet: InversFleet,
    consumer: EventConsumer,
    hass_client: ClientSessionGenerator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither in states, nor in diagnostics, in the log, or in what is kept."""
    caplog.set_level(logging.DEBUG, "custom_components.ev_streams")
    entry = await add_fleet(hass, consumer)
    await drive(fleet, entry)
    await hass.async_block_till_done()
    device = device_of(hass, CAR)
    assert device is not None
    # Its own name has the plate in it, and is not taken.
    assert device.name == f"Renault Zoe {CAR}"

    states = "\n".join(str(each.as_dict()) for each in hass.states.async_all())
    whole = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    one = await get_diagnostics_for_device(hass, hass_client, entry, device)
    told = "\n".join(
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("custom_components.ev_streams")
    )
    kept = await hass.async_add_executor_job(_file, store_path(hass, entry.entry_id))
    for text in (states, json.dumps([whole, one]), told, kept.decode("latin-1")):
        assert [each for each in (*HIDDEN, "Kim") if each in text] == []
    own = (CAR, consumer.username, consumer.password, consumer.virtual_host)
    for text in (json.dumps([whole, one]), told):
        assert [each for each in own if each in text] == []
    assert one["readings"]["mileage_in_kilometers"]["value"] > 12_000


async def test_a_position_that_somebody_enables_is_not_written_down(
    hass: HomeAssistant,
    fleet: InversFleet,
    consumer: EventConsumer,
    every_entity_enabled: None,
) -> None:
    """It is shown then, as of now, and is unknown after a restart."""
    entry = await add_fleet(hass, consumer)
    await drive(fleet, entry)
    await hass.async_block_till_done()
    assert state(hass, CAR, "latitude").state == PLACE[0]
    assert state(hass, CAR, "longitude").state == PLACE[1]
    kept = await hass.async_add_executor_job(_file, store_path(hass, entry.entry_id))
    assert [each for each in HIDDEN if each.encode() in kept] == []
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    shown = {
        each.state for each in hass.states.async_all() if "latitude" in each.entity_id
    }
    assert shown <= {"unknown", "unavailable"}
