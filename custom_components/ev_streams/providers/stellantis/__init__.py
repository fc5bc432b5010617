"""Stellantis: applications in cars of a partner account, over MQTT."""

from ...charging import ChargingSessions
from ..base import Provider
from ..messages import MESSAGE_SENSORS
from .flow import StellantisForm, create_account
from .presets import PRESETS
from .topics import read_vin

STELLANTIS = Provider(
    key="stellantis",
    name="Stellantis",
    form=StellantisForm(),
    create_account=create_account,
    sensors=MESSAGE_SENSORS,
    binary_sensors=(),
    create_concluder=ChargingSessions,
    subentry="vehicle",
    read_device_id=read_vin,
    presets=PRESETS,
    can_send=True,
    tells_arrival=False,
    has_backlog=False,
    has_tokens=False,
    has_session_energy=False,
)
