"""Easee: chargers of an integration account, over AMQP."""

from ..base import Provider
from .entities import BINARY_SENSORS, SENSORS
from .flow import EaseeForm, create_account

EASEE = Provider(
    key="easee",
    name="Easee",
    form=EaseeForm(),
    create_account=create_account,
    sensors=SENSORS,
    binary_sensors=BINARY_SENSORS,
    online_key="connected_to_cloud",
    firmware_key="software_release",
    personal_keys=frozenset({"user_id_token", "user_id_token_reversed"}),
)
