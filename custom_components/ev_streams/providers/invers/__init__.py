"""INVERS OneAPI: events of a fleet's vehicles, over AMQP."""

from datetime import timedelta

from ...charging import ChargingSessions
from ...const import AUTO_FOLLOW_FLEET
from ..base import Provider
from ..messages import MESSAGE_SENSORS
from . import names
from .entities import BINARY_SENSORS, SENSORS, describe
from .flow import InversForm, create_account
from .vehicle import name_device

# A queue from which nothing is acknowledged dies after three days.
SILENCE_LIMIT = timedelta(hours=24)

INVERS = Provider(
    key="invers",
    name="INVERS",
    form=InversForm(),
    create_account=create_account,
    sensors=(*SENSORS, *MESSAGE_SENSORS),
    binary_sensors=BINARY_SENSORS,
    online_key=names.ONLINE,
    # Where a vehicle is concerns whoever sits in it.
    personal_keys=frozenset({names.LATITUDE, names.LONGITUDE}),
    create_concluder=ChargingSessions,
    discovers=True,
    describe=describe,
    name_device=name_device,
    follow_at_most=AUTO_FOLLOW_FLEET,
    silence_limit=SILENCE_LIMIT,
    tells_arrival=False,
    has_tokens=False,
    has_session_energy=False,
)
