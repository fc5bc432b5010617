"""What no table knows of an event is mapped once, for all vehicles."""

from datetime import UTC, datetime, timedelta

from homeassistant.core import HomeAssistant

from simulator.invers import EventConsumer, InversFleet

from ..helpers import (
    phases,
    record_event_entities,
    state,
    wait_for_number,
    wait_for_state,
    wait_until,
)
from ..options import choose
from ..stellantis.test_mapping import field_form
from .helpers import CAR, OTHER_CAR, add_fleet
from .test_messages import NOW


async def test_a_field_of_an_event_nobody_knows_is_mapped_for_all_vehicles(
    hass: HomeAssistant, fleet: InversFleet, consumer: EventConsumer
) -> None:
    """Of the last message that was kept, and of what comes; the time is the event's."""
    entry = await add_fleet(hass, consumer)
    fired = record_event_entities(hass, "message")
    await fleet.publish(
        "TyrePressureMeasured", {"vehicle_id": CAR, "tyres": {"FrontLeft": 2.4}}
    )
    await wait_until(lambda: len(fired) == 1, "the event")
    path = "data.tyres.FrontLeft"
    form = await choose(hass, entry, "add_field")
    assert form["data_schema"] is not None
    (selector,) = form["data_schema"].schema.values()
    labels = [each["label"] for each in selector.config["options"]]
    assert f"{path} = 2.4" in labels
    await choose(
        hass,
        entry,
        "add_field",
        {"path": path},
        field_form(
            path=path,
            name="Tyre pressure",
            device_class="pressure",
            unit="bar",
            state_class="measurement",
        ),
        "save_field",
    )
    shown = state(hass, CAR, "tyre_pressure")
    assert float(shown.state) == 2.4
    assert shown.attributes["unit_of_measurement"] == "bar"
    for car, pressure, age in ((OTHER_CAR, 2.1, 0), (CAR, 1.9, 5), (CAR, 2.5, 0)):
        await fleet.publish(
            "TyrePressureMeasured",
            {"vehicle_id": car, "tyres": {"FrontLeft": pressure}},
            occurred_at=datetime.now(UTC) - timedelta(minutes=age),
        )
    await wait_until(lambda: entry.runtime_data.vitals.messages == 3, "all")
    await hass.async_block_till_done()
    await wait_for_number(hass, CAR, "tyre_pressure", 2.5)
    await wait_for_number(hass, OTHER_CAR, "tyre_pressure", 2.1)


async def test_a_mapped_field_may_make_sessions(
    hass: HomeAssistant, fleet: InversFleet, consumer: EventConsumer
) -> None:
    """Of every vehicle that tells of its charging in words of its own."""
    entry = await add_fleet(hass, consumer)
    path = "data.PlugState"
    await choose(
        hass,
        entry,
        "add_field",
        {"path": path},
        field_form(
            path=path,
            name="Charging",
            platform="binary_sensor",
            device_class="battery_charging",
            value_map=["FLOWING=on", "RESTING=off"],
            makes_sessions=True,
        ),
        "save_field",
    )
    fired = record_event_entities(hass, "charging_session")
    begin, end = NOW - timedelta(minutes=4), NOW - timedelta(minutes=1)
    for car in (CAR, OTHER_CAR):
        for at, word in ((begin, "FLOWING"), (end, "RESTING")):
            await fleet.publish(
                "PlugChanged", {"vehicle_id": car, "PlugState": word}, occurred_at=at
            )
    await wait_until(lambda: len(fired) == 4, "the sessions")
    for car in (CAR, OTHER_CAR):
        own = [each for each in fired if each["device"] == car]
        assert [phase for phase, _ in phases(own)] == ["started", "stopped"]
        assert own[1]["started_at"] == begin.isoformat()
        assert own[1]["duration"] == 180
        await wait_for_state(hass, car, "charging", "off")
    await choose(hass, entry, "remove_fields", {"fields": ["charging"]})
    await fleet.publish("PlugChanged", {"vehicle_id": CAR, "PlugState": "FLOWING"})
    await wait_until(lambda: entry.runtime_data.vitals.messages == 1, "one more")
    await hass.async_block_till_done()
    assert len(fired) == 4
