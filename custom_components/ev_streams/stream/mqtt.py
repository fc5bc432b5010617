"""MQTT transport: subscribes to topics, and publishes to others.

QoS 0 only: there is nothing to acknowledge, and nothing waits at the broker while
nobody is connected.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from paho.mqtt.client import MQTTMessage

from .delivery import Delivery, Receiver
from .errors import ConnectionFailedError, TopicDeniedError
from .mqtt_client import MqttEndpoint
from .mqtt_connection import MqttConnection
from .supervisor import StreamObserver

RETAINED: Final = "retained"
_FRESH: Mapping[str, object] = {}
_KEPT: Mapping[str, object] = {RETAINED: True}


class MqttStream:
    """One connection that subscribes to the endpoint's filters."""

    def __init__(self, endpoint: MqttEndpoint, receiver: Receiver) -> None:
        """Prepare; nothing is connected before `run`."""
        self._endpoint = endpoint
        self._receiver = receiver
        self._connection: MqttConnection | None = None

    async def run(self, observer: StreamObserver) -> None:
        """Receive until the connection is lost; raises StreamError."""
        connection = MqttConnection(self._endpoint, self._message)
        try:
            await _subscribed(connection, self._endpoint)
            self._connection = connection
            observer.connected(None)
            # Not awaited itself: whoever else waits for it would be cancelled with this task.
            await asyncio.wait({connection.lost})
            connection.lost.result()
        finally:
            self._connection = None
            connection.close()

    async def publish(self, topic: str, body: bytes) -> None:
        """Write a message to the line; raises ConnectionFailedError, also where there is none."""
        if self._connection is None:
            raise ConnectionFailedError("not connected")
        await self._connection.publish(topic, body)

    def _message(self, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            # Whose message it is cannot be told; it is to be counted all the same.
            topic = ""
        self._receiver.handle(
            Delivery(
                address=topic,
                body=bytes(message.payload),
                headers=_KEPT if message.retain else _FRESH,
                ack=_nothing,
            )
        )


async def probe(endpoint: MqttEndpoint) -> None:
    """Connect and subscribe, and look at what was granted; raises StreamError."""
    connection = MqttConnection(endpoint, lambda _message: None)
    try:
        await _subscribed(connection, endpoint)
    finally:
        connection.close()


async def _subscribed(connection: MqttConnection, endpoint: MqttEndpoint) -> None:
    await connection.open()
    denied = await connection.subscribe()
    if denied:
        # Topics may name the login, which is nobody else's business.
        raise TopicDeniedError(denied[0].replace(endpoint.username, "…"))


def _nothing() -> None:
    """With QoS 0 there is nobody to acknowledge to."""
