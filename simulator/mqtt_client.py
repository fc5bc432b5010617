"""An MQTT client for the simulated side: paho with its own thread, seen from asyncio."""

import asyncio
from collections.abc import Callable
import socket
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from .ports import HOST, BrokerError

_PATIENCE = 10.0
_RETRY_AFTER = 0.01

type OnMessage = Callable[[str, bytes], None]


class MqttClient:
    """Connects to a port without TLS on loopback; bound to the loop it is entered in.

    Its connection comes back by itself, with its subscriptions.
    """

    def __init__(self, port: int, username: str, password: str) -> None:
        self._port = port
        self._connected = asyncio.Event()
        self._login: asyncio.Future[ReasonCode] | None = None
        self._granted: dict[int, asyncio.Future[list[ReasonCode]]] = {}
        # What is subscribed to again after a reconnection, and not granted yet.
        self._awaited: set[int | None] = set()
        self._loop = asyncio.get_running_loop()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, clean_session=True)
        self._client.username_pw_set(username, password)
        self._client.reconnect_delay_set(1, 1)
        self._client.max_queued_messages_set(0)
        self._client.on_socket_open = _send_at_once
        self._client.on_connect = self._has_connected
        self._client.on_disconnect = self._has_disconnected
        self._client.on_subscribe = self._has_subscribed
        self._filters: list[str] = []

    async def __aenter__(self) -> Self:
        try:
            await self._log_in()
        except BaseException:
            # The thread would try for ever.
            await self._leave()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._leave()

    @property
    def is_connected(self) -> bool:
        """Whether it is connected, with all of its subscriptions, as far as it knows."""
        return self._connected.is_set()

    async def subscribe(self, topic: str, on_message: OnMessage) -> None:
        """Call back, on the event loop, with every message of the topics from now on."""

        def has_message(_client: Any, _data: Any, message: paho.MQTTMessage) -> None:
            body = bytes(message.payload)
            self._loop.call_soon_threadsafe(on_message, message.topic, body)

        # Before it is granted: what is retained comes at once.
        self._client.message_callback_add(topic, has_message)
        try:
            await self._ask_for(topic)
        except BaseException:
            self._client.message_callback_remove(topic)
            raise
        self._filters.append(topic)

    async def publish(self, topic: str, body: bytes, *, retain: bool = False) -> None:
        """Publish once there is a connection, and wait until it is on its way.

        A connection that is gone but not yet known to be takes a message with it: that is
        all that QoS 0 promises.
        """
        async with asyncio.timeout(_PATIENCE):
            while True:
                await self._connected.wait()
                info = self._client.publish(topic, body, retain=retain)
                if info.rc is MQTTErrorCode.MQTT_ERR_SUCCESS:
                    break
                # The loss of the connection has not been told yet.
                await asyncio.sleep(_RETRY_AFTER)
        await asyncio.to_thread(info.wait_for_publish, _PATIENCE)
        if not info.is_published():
            raise BrokerError(f"a message did not leave: {topic}")

    def publish_soon(self, topic: str, body: bytes) -> None:
        """Publish without waiting; without a connection it is lost."""
        self._client.publish(topic, body)

    async def _log_in(self) -> None:
        self._login = self._loop.create_future()
        await asyncio.to_thread(self._client.connect, HOST, self._port, 30)
        self._client.loop_start()
        async with asyncio.timeout(_PATIENCE):
            answer = await self._login
        if answer.is_failure:
            raise BrokerError(f"the broker refused the login: {answer}")

    async def _ask_for(self, topic: str) -> None:
        async with asyncio.timeout(_PATIENCE):
            await self._connected.wait()
            error, number = self._client.subscribe(topic)
            if error is not MQTTErrorCode.MQTT_ERR_SUCCESS or number is None:
                raise BrokerError(f"{topic} could not be subscribed to: {error.name}")
            granted = self._granted[number] = self._loop.create_future()
            codes = await granted
        if any(code.is_failure for code in codes):
            raise BrokerError(f"the broker refused {topic}")

    async def _leave(self) -> None:
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    def _has_connected(
        self, client: paho.Client, _data: Any, _flags: Any, answer: ReasonCode, _: Any
    ) -> None:
        again: set[int | None] = set()
        if not answer.is_failure:
            again = {client.subscribe(topic)[1] for topic in self._filters}
        self._loop.call_soon_threadsafe(self._told_of_login, answer, again)

    def _has_disconnected(self, *_: Any) -> None:
        self._loop.call_soon_threadsafe(self._connected.clear)

    def _has_subscribed(
        self, _client: Any, _data: Any, number: int, codes: list[ReasonCode], _: Any
    ) -> None:
        self._loop.call_soon_threadsafe(self._told_of_grant, number, codes)

    def _told_of_login(self, answer: ReasonCode, again: set[int | None]) -> None:
        self._awaited = again
        if not answer.is_failure and not again:
            self._connected.set()
        if self._login is not None and not self._login.done():
            self._login.set_result(answer)

    def _told_of_grant(self, number: int, codes: list[ReasonCode]) -> None:
        if number in self._awaited:
            self._awaited.discard(number)
            if not self._awaited:
                self._connected.set()
        granted = self._granted.pop(number, None)
        if granted is not None and not granted.done():
            granted.set_result(codes)


def _send_at_once(_client: Any, _data: Any, opened: Any) -> None:
    """Without this, a second small message waits for the answer to the first."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
