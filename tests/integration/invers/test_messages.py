"""What a fleet's events become: devices, entities, events, sessions."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.mapping import FieldMapping
from custom_components.ev_streams.subentries import stored
from custom_components.ev_streams.vitals import Vitals
from simulator.invers import EventConsumer, InversFleet, Vehicle
from simulator.invers.events import Topic

from ..helpers import (
    device_of,
    entity_id,
    phases,
    record_event_entities,
    state,
    wait_for_state,
    wait_live,
    wait_until,
)
from .helpers import CAR, OTHER_CAR, add_fleet, recorded

NOW = datetime.now(UTC).replace(microsecond=0)


async def test_a_vehicle_appears_with_what_it_tells(
    hass: HomeAssistant, fleet: InversFleet, consumer: EventConsumer
) -> None:
    """Nothing is there before, and of what it does not tell nothing comes."""
    await add_fleet(hass, consumer)
    assert device_of(hass, CAR) is None
    await fleet.publish(
        "VehicleStateRecorded",
        recorded(
            {
                "state_of_charge_or_fuel_level_in_percent": 61.5,
                "mileage_in_kilometers": 12345.6,
                "central_lock": "LOCKED",
                "driving_enabled": True,
            }
        ),
    )
    await wait_until(lambda: device_of(hass, CAR) is not None, "the vehicle")
    await hass.async_block_till_done()
    shown = {
        key: state(hass, CAR, key).state
        for key in (
            "state_of_charge_or_fuel_level_in_percent",
            "mileage_in_kilometers",
            "central_lock",
            "driving_enabled",
        )
    }
    assert shown == {
        "state_of_charge_or_fuel_level_in_percent": "61.5",
        "mileage_in_kilometers": "12345.6",
        "central_lock": "locked",
        "driving_enabled": "on",
    }
    device = device_of(hass, CAR)
    assert device is not None
    assert device.name == f"Vehicle {CAR}"
    keys = {
        entry.unique_id.removeprefix(f"{CAR}_")
        for entry in er.async_entries_for_device(er.async_get(hass), device.id)
    }
    assert keys == {*shown, "message", "last_message", "message_count"}


async def test_master_data_name_the_vehicle(
    hass: HomeAssistant, fleet: InversFleet, consumer: EventConsumer
) -> None:
    entry = await add_fleet(hass, consumer)
    car = Vehicle(vehicle_id=CAR)
    await fleet.publish_many([car.master_data_changed(NOW)])

    def name() -> str | None:
        device = device_of(hass, CAR)
        return None if device is None else device.name

    await wait_until(lambda: name() == "Blue Zoe", "the name")
    device = device_of(hass, CAR)
    assert isinstance(device, dr.DeviceEntry)
    assert device.model == "Renault Zoe"
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert name() == "Blue Zoe"


def received(vitals: Vitals, count: int) -> bool:
    """Whether so many messages have come."""
    return vitals.messages == count


async def test_a_name_outlasts_messages_without_one(
    hass: HomeAssistant, fleet: InversFleet, consumer: EventConsumer
) -> None:
    """What is told of brand and model only is no other name; without one it is both."""
    entry = await add_fleet(hass, consumer)
    vitals = entry.runtime_data.vitals
    names: list[str | None] = []
    master_data = {"brand": "Renault", "model": "Zoe"}
    for number, name in enumerate((None, "Pool 7", None, "Pool 7", None), start=1):
        named = master_data if name is None else {**master_data, "custom_name": name}
        vehicle = {"vehicle_id": CAR, "master_data": named}
        await fleet.publish("VehicleChanged", {"reasons": [], "vehicle": vehicle})
        await wait_until(partial(received, vitals, number), "the message")
        device = device_of(hass, CAR)
        assert device is not None
        names.append(device.name)
    assert names == [f"Renault Zoe {CAR}", *["Pool 7"] * 4]
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    device = device_of(hass, CAR)
    assert device is not None
    assert device.name == "Pool 7"


async def test_a_life_status_that_nobody_knows_makes_nothing_unavailable(
    hass: HomeAssistant,
    fleet: InversFleet,
    consumer: EventConsumer,
    every_entity_enabled: None,
) -> None:
    """One that is known to mean offline does, and nothing else."""
    await add_fleet(hass, consumer)
    for word, shown, speed in (
        ("SLEEPING", "sleeping", "5"),
        ("OFFLINE", "offline", STATE_UNAVAILABLE),
        ("SLEEPING", "sleeping", "5"),
        ("ONLINE", "online", "5"),
    ):
        told = recorded({"speed": 5, "life_status": word})
        await fleet.publish("VehicleStateRecorded", told)
        await wait_until(lambda: device_of(hass, CAR) is not None, "the vehicle")
        await hass.async_block_till_done()
        await wait_for_state(hass, CAR, "life_status", shown)
        await wait_for_state(hass, CAR, "speed", speed)


async def test_a_property_told_later_leaves_a_mapped_field_its_id(
    hass: HomeAssistant,
    fleet: InversFleet,
    consumer: EventConsumer,
    every_entity_enabled: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The user's own entity was there first."""
    entry = await add_fleet(hass, consumer)
    mapping = FieldMapping(
        key="tire_pressure",
        name="Tire pressure",
        path="data.state.tires.value.front",
    )
    options = {"mappings": stored([mapping])}
    hass.config_entries.async_update_entry(entry, options=options)
    await hass.config_entries.async_reload(entry.entry_id)
    await wait_live(hass, entry)
    await fleet.publish("VehicleStateRecorded", recorded({"tires": {"front": 2.5}}))
    await wait_until(lambda: device_of(hass, CAR) is not None, "the vehicle")
    await hass.async_block_till_done()
    await fleet.publish(
        "VehicleStateRecorded", recorded({"tire_pressure": "OK", "wiper": "OFF"})
    )
    await wait_until(lambda: entry.runtime_data.vitals.messages == 2, "both")
    await hass.async_block_till_done()
    assert state(hass, CAR, "tire_pressure").state == "2.5"
    assert state(hass, CAR, "wiper").state == "off"
    assert "does not generate unique IDs" not in caplog.text


async def test_what_happens_is_told_as_an_event(
    hass: HomeAssistant, fleet: InversFleet, consumer: EventConsumer
) -> None:
    """Of a vehicle, or of the account where no vehicle is named; unknown types as well."""
    entry = await add_fleet(hass, consumer)
    fired = record_event_entities(hass, "message")
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=30)
    for kind, data in (
        (
            "VehicleChanged",
            {
                "reasons": ["RENTAL_STATUS_CHANGED"],
                "vehicle": {
                    "vehicle_id": CAR,
                    "rental_status": {"value": "IN_RENTAL"},
                },
            },
        ),
        ("CentralLockStatusChanged", {"vehicle_id": CAR, "central_lock": "UNLOCKED"}),
        ("TripStarted", {"vehicle_id": CAR, "trip": {"id": "T1"}}),
        ("SmokeDetectionAlarm", {"vehicle_id": CAR}),
        ("FaultLampSwitchedOn", {"vehicle_id": CAR}),
        ("FleetRenamed", {"name": "of nobody's interest"}),
    ):
        await fleet.publish(kind, data, occurred_at=at)
    await wait_until(lambda: len(fired) == 6, "the events")
    assert [(each["device"], each["type"]) for each in fired] == [
        (CAR, "VehicleChanged"),
        (CAR, "CentralLockStatusChanged"),
        (CAR, "TripStarted"),
        (CAR, "SmokeDetectionAlarm"),
        (CAR, "FaultLampSwitchedOn"),
        (entry.unique_id, "FleetRenamed"),
    ]
    assert fired[0]["reasons"] == "RENTAL_STATUS_CHANGED"
    assert fired[1]["central_lock"] == "unlocked"
    assert fired[2]["trip_id"] == "T1"
    assert {each["occurred_at"] for each in fired} == {at.isoformat()}
    assert {each["replayed"] for each in fired} == {False}
    await wait_for_state(hass, CAR, "rental_status", "in_rental")
    await wait_for_state(hass, CAR, "central_lock", "unlocked")
    assert set(entry.runtime_data.vitals.unknown) == {
        "type:FaultLampSwitchedOn",
        "type:FleetRenamed",
    }


async def test_an_event_that_comes_again_is_told_once(
    hass: HomeAssistant, fleet: InversFleet, consumer: EventConsumer
) -> None:
    """Be it at once, or after a restart."""
    entry = await add_fleet(hass, consumer)
    fired = record_event_entities(hass, "message")
    event = await fleet.publish("TripEnded", {"vehicle_id": CAR})
    await fleet.publish_many([event])
    await fleet.publish("TripStarted", {"vehicle_id": CAR})
    await wait_until(lambda: len(fired) == 2, "the second event")
    assert [each["type"] for each in fired] == ["TripEnded", "TripStarted"]
    await hass.config_entries.async_unload(entry.entry_id)
    await fleet.publish_many([event])
    await hass.config_entries.async_setup(entry.entry_id)
    await fleet.publish("TripEnded", {"vehicle_id": CAR})
    await wait_until(lambda: len(fired) == 3, "the third event")
    assert [each["type"] for each in fired] == [
        *("TripEnded", "TripStarted", "TripEnded")
    ]
    assert entry.runtime_data.vitals.repeated == 1


async def test_each_property_has_its_own_time(
    hass: HomeAssistant, fleet: InversFleet, consumer: EventConsumer
) -> None:
    """An older value never replaces a newer one, though both come in one message."""
    entry = await add_fleet(hass, consumer)
    old, new = NOW - timedelta(minutes=3), NOW - timedelta(minutes=1)
    data = recorded({"mileage_in_kilometers": 100, "central_lock": "LOCKED"}, new)
    await fleet.publish("VehicleStateRecorded", data)
    late = recorded({"mileage_in_kilometers": 90, "central_lock": "UNLOCKED"}, old)
    late["state"]["central_lock"]["timestamp"] = NOW.isoformat()
    await fleet.publish("VehicleStateRecorded", late)
    await wait_until(lambda: entry.runtime_data.vitals.messages == 2, "both")
    await wait_for_state(hass, CAR, "central_lock", "unlocked")
    assert state(hass, CAR, "mileage_in_kilometers").state == "100"


async def test_charging_makes_sessions(
    hass: HomeAssistant, fleet: InversFleet, consumer: EventConsumer
) -> None:
    await add_fleet(hass, consumer)
    fired = record_event_entities(hass, "charging_session")
    begin, end = NOW - timedelta(minutes=4), NOW - timedelta(minutes=1)
    for at, word in (
        (begin - timedelta(minutes=1), "NOT_CHARGING"),
        (begin, "CHARGING"),
        (end, "NOT_CHARGING"),
    ):
        await fleet.publish(
            "VehicleStateRecorded", recorded({"charging_state": word}, at)
        )
    await wait_until(lambda: len(fired) == 2, "start and stop")
    assert [each for each, _ in phases(fired)] == ["started", "stopped"]
    assert fired[1]["started_at"] == begin.isoformat()
    assert fired[1]["stopped_at"] == end.isoformat()
    assert fired[1]["duration"] == 180
    assert state(hass, CAR, "is_charging").state == "off"
    start = state(hass, CAR, "charging_session_start").state
    assert datetime.fromisoformat(start) == begin


async def test_unknown_properties_are_there_to_be_enabled(
    hass: HomeAssistant, fleet: InversFleet, consumer: EventConsumer
) -> None:
    await add_fleet(hass, consumer)
    await fleet.publish(
        "VehicleStateRecorded",
        recorded({"adblue_level_in_percent": 40, "wiper_indicator": "ON"}),
    )
    registry = er.async_get(hass)
    await wait_until(
        lambda: (
            registry.async_get_entity_id(
                "binary_sensor", DOMAIN, f"{CAR}_wiper_indicator"
            )
            is not None
        ),
        "the indicator",
    )
    for key, name in (
        ("adblue_level_in_percent", "Adblue level"),
        ("wiper_indicator", "Wiper"),
    ):
        entry = registry.async_get(entity_id(hass, CAR, key))
        assert entry is not None
        assert entry.disabled_by is er.RegistryEntryDisabler.INTEGRATION
        assert entry.original_name == name


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff\xfe", "not_json"),
        (b"[1, 2]", "not_an_object"),
        (b'{"data": {"vehicle_id": "AB12C"}}', "no_type"),
    ],
)
async def test_what_cannot_be_read_costs_nothing_else(
    hass: HomeAssistant,
    fleet: InversFleet,
    consumer: EventConsumer,
    body: bytes,
    reason: str,
) -> None:
    entry = await add_fleet(hass, consumer)
    await fleet.publish_raw(Topic.VEHICLE_STATE, body)
    await fleet.publish("VehicleStateRecorded", recorded({"driving_enabled": True}))
    await wait_until(lambda: entry.runtime_data.vitals.messages == 2, "both")
    await wait_for_state(hass, CAR, "driving_enabled", "on")
    assert entry.runtime_data.refusals.counts == {reason: 1}
    await hass.config_entries.async_unload(entry.entry_id)
    left = await fleet.queue_state(consumer, Topic.VEHICLE_STATE)
    assert (left.ready, left.unacknowledged) == (0, 0)


async def test_after_a_restart_all_is_as_it_was(
    hass: HomeAssistant, fleet: InversFleet, consumer: EventConsumer
) -> None:
    """Before the first new message: entities, their values, and the vehicles themselves."""
    entry = await add_fleet(hass, consumer)
    for car in (CAR, OTHER_CAR):
        await fleet.publish(
            "VehicleStateRecorded",
            recorded({"mileage_in_kilometers": 77, "charging": True}, car=car),
        )
    await wait_until(lambda: entry.runtime_data.vitals.messages == 2, "both")
    await hass.async_block_till_done()
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    for car in (CAR, OTHER_CAR):
        shown: dict[str, Any] = {
            key: state(hass, car, key).state
            for key in ("mileage_in_kilometers", "is_charging")
        }
        assert shown == {"mileage_in_kilometers": "77", "is_charging": "on"}
