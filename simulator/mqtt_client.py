"""An MQTT client for the simulated side: paho with its own thread, seen from asyncio."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from .ports import HOST, BrokerError

_PATIENCE = 10.0

type OnMessage = Callable[[str, bytes], None]


class MqttClient:
    """Connects to a port without TLS on loopback; bound to the loop it is entered in."""

    def __init__(self, port: int, username: str, password: str) -> None:
        self._port = port
        self._on_message: OnMessage = lambda _topic, _body: None
        self._connected = asyncio.Event()
        self._subscribed: asyncio.Queue[list[Any]] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, clean_session=True)
        self._client.username_pw_set(username, password)
        self._client.reconnect_delay_set(1, 1)
        self._client.max_queued_messages_set(0)
        self._client.on_connect = self._has_connected
        self._client.on_subscribe = self._has_subscribed
        self._client.on_message = self._has_message
        self._filters: list[str] = []

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._client.connect, HOST, self._port, 30)
        self._client.loop_start()
        async with asyncio.timeout(_PATIENCE):
            await self._connected.wait()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    async def subscribe(self, topic: str, on_message: OnMessage) -> None:
        """Call back, on the event loop, with every message of the topics from now on."""
        self._on_message = on_message
        self._filters.append(topic)
        self._client.subscribe(topic)
        async with asyncio.timeout(_PATIENCE):
            codes = await self._subscribed.get()
        if any(code.is_failure for code in codes):
            raise BrokerError(f"the broker refused {topic}")

    async def publish(self, topic: str, body: bytes, *, retain: bool = False) -> None:
        """Publish, and wait until it is on its way."""
        info = self._client.publish(topic, body, retain=retain)
        await asyncio.to_thread(info.wait_for_publish, _PATIENCE)

    def publish_soon(self, topic: str, body: bytes) -> None:
        """Publish without waiting."""
        self._client.publish(topic, body)

    def _has_connected(self, client: paho.Client, *_: Any) -> None:
        for topic in self._filters:
            client.subscribe(topic)
        self._loop.call_soon_threadsafe(self._connected.set)

    def _has_subscribed(
        self, _client: Any, _data: Any, _mid: int, codes: list[Any], _more: Any
    ) -> None:
        self._loop.call_soon_threadsafe(self._subscribed.put_nowait, codes)

    def _has_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        body = bytes(message.payload)
        self._loop.call_soon_threadsafe(self._on_message, message.topic, body)
