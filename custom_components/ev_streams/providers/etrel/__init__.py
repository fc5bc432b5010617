"""Etrel Ocean: a charging network's message queues, over AMQP."""

from ...charging import ChargingSessions
from ...const import AUTO_FOLLOW_FLEET
from ..base import Provider
from ..messages import MESSAGE_SENSORS
from .decode import LIFETIME_ENERGY
from .entities import BINARY_SENSORS, SENSORS
from .flow import EtrelForm, create_account
from .places import name_device

# The vendor keeps that many messages, then it overwrites the oldest.
BACKLOG_LIMIT = 1000

ETREL = Provider(
    key="etrel",
    name="Etrel",
    form=EtrelForm(),
    create_account=create_account,
    sensors=(*SENSORS, *MESSAGE_SENSORS),
    binary_sensors=BINARY_SENSORS,
    meter_keys=(LIFETIME_ENERGY,),
    create_concluder=ChargingSessions,
    discovers=True,
    name_device=name_device,
    follow_at_most=AUTO_FOLLOW_FLEET,
    backlog_limit=BACKLOG_LIMIT,
    tells_arrival=False,
)
