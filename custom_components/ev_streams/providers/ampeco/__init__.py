"""AMPECO: notifications of charge points, by webhook or through a Kafka cluster of the user's."""

from dataclasses import replace

from ...charging import ChargingSessions
from ...const import AUTO_FOLLOW_FLEET
from ..base import Provider, remove_nothing
from ..messages import MESSAGE_SENSORS
from . import flow, kafka_flow
from .devices import name_device
from .entities import BINARY_SENSORS, SENSORS

AMPECO_WEBHOOK = Provider(
    key="ampeco_webhook",
    name="AMPECO",
    form=flow.WebhookForm(),
    create_account=flow.create_account,
    remove=flow.remove,
    sensors=(*SENSORS, *MESSAGE_SENSORS),
    binary_sensors=BINARY_SENSORS,
    online_key="online",
    firmware_key="firmware",
    meter_keys=("lifetime_energy",),
    create_concluder=ChargingSessions,
    discovers=True,
    name_device=name_device,
    follow_at_most=AUTO_FOLLOW_FLEET,
    tells_arrival=False,
    has_backlog=False,
)

# The same notifications, by another way.
AMPECO_KAFKA = replace(
    AMPECO_WEBHOOK,
    key="ampeco_kafka",
    form=kafka_flow.KafkaForm(),
    create_account=kafka_flow.create_account,
    remove=remove_nothing,
    has_backlog=True,
)
