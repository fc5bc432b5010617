"""What is told has an entity that shows it."""

from homeassistant.components.sensor import SensorStateClass

from custom_components.ev_streams.model import DeviceRecord, Reading
from custom_components.ev_streams.providers.etrel.entities import SENSORS
from custom_components.ev_streams.providers.etrel.places import name_device

from .helpers import decoded

KEYS = {each.key: each for each in SENSORS}
PLACE = {"ChargePointId": 9, "ConnectorId": 2, "Power": 7}
SESSION = PLACE | {
    "ChargingSessionId": 1,
    "ConnectedFrom": "2026-11-20T08:00:00",
    "ConnectedTo": "2026-11-20T09:00:00",
    "MeterActiveEnergyStart": 1,
    "MeterActiveEnergyEnd": 3,
}


def test_every_reading_has_a_sensor() -> None:
    told = {
        update.key
        for message in (
            decoded("connector.statusChanged", PLACE | {"Status": "Available"}),
            decoded("session.ended", SESSION),
        )
        for update in message.updates
        if isinstance(update, Reading)
    }
    assert told == {"connector_status", "session_energy", "lifetime_energy", "power"}
    # The fifth is made of these.
    assert KEYS.keys() == told


def test_energies_can_be_chosen_in_the_energy_dashboard() -> None:
    for key in ("lifetime_energy", "session_energy"):
        assert KEYS[key].state_class is SensorStateClass.TOTAL_INCREASING
        assert KEYS[key].native_unit_of_measurement == "kWh"


def test_a_status_may_be_any_word() -> None:
    assert KEYS["connector_status"].options is None
    assert KEYS["connector_status"].device_class is None


def test_a_sensor_is_translated_by_its_key() -> None:
    assert all(each.translation_key == each.key for each in SENSORS)


def test_connectors_are_named_so_that_each_can_be_told_from_the_others() -> None:
    ids = ("SI-LJ-0077-A_connector_1", "SI-LJ-0077-B_connector_1")
    records = [
        DeviceRecord(device_id=each, name="")
        for each in (*ids, "location_77_connector_1")
    ]
    assert [*map(name_device, records)] == [
        "SI-LJ-0077-A connector 1",
        "SI-LJ-0077-B connector 1",
        "Location 77 connector 1",
    ]
