"""Easee: chargers of an integration account, over AMQP."""

from ...meter import MeterInput
from ..base import Provider
from .entities import BINARY_SENSORS, SENSORS
from .flow import EaseeForm, create_account
from .op_mode import OpModeSessions

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
    meter_inputs={
        "lifetime_energy": MeterInput.REGISTER,
        "session_energy": MeterInput.COUNTER,
        "session_start_meter": MeterInput.SESSION_START,
        "session_stop_meter": MeterInput.SESSION_STOP,
    },
    meter_keys=("energy", "lifetime_energy"),
    has_hourly_energy=True,
    create_concluder=OpModeSessions,
)
