"""One MQTT 3.1.1 connection: paho's client, driven by the event loop.

paho is left to do the protocol; waiting and giving up are done here, for what its own
ways would do is not enough: bytes that TLS has decrypted already wake no selector, an
exception in a callback makes it read the same message for ever, and an answer to a
subscription is not looked at.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
import logging
import socket
from ssl import SSLSocket
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from .errors import ConnectionFailedError, StreamError
from .mqtt_client import MqttEndpoint, create_client
from .mqtt_errors import refusal, translated

_LOGGER = logging.getLogger(__name__)

KEEPALIVE: Final = 30
PATIENCE: Final = 10.0
# Packets that are read before others get their turn.
READ_AT_ONCE: Final = 50
FAILED: Final = 0x80

type OnMessage = Callable[[MQTTMessage], None]


class MqttConnection:
    """Connects once; when it is lost, a new one is needed.

    Nothing is sent again later: what was not written when the line broke is gone.
    """

    def __init__(self, endpoint: MqttEndpoint, on_message: OnMessage) -> None:
        """Prepare; nothing is connected before `open`. Belongs to the running loop."""
        self._endpoint = endpoint
        self._take = on_message
        self._loop = asyncio.get_running_loop()
        self._client = create_client(endpoint)
        self._answered: asyncio.Future[None] = self._future()
        self.lost: asyncio.Future[None] = self._future()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._misc: asyncio.TimerHandle | None = None
        self._socket: socket.socket | None = None

    async def open(self) -> None:
        """Connect and log in; raises StreamError."""
        connecting = self._loop.run_in_executor(None, self._connect)
        try:
            # Not shielded: Python reports the failure of a shielded future as nobody's.
            await asyncio.wait({connecting})
            connecting.result()
        except asyncio.CancelledError:
            # A thread cannot be interrupted: whatever comes of it is closed.
            self._client.is_given_up = True
            connecting.add_done_callback(self._abandon)
            raise
        except (OSError, ValueError) as err:
            raise translated(err, is_logged_in=False) from err
        self._attach()
        try:
            async with asyncio.timeout(PATIENCE):
                await self._answered
        except TimeoutError as err:
            raise ConnectionFailedError("no answer to the login in time") from err

    async def subscribe(self) -> list[str]:
        """Subscribe to the endpoint's filters; returns those that were denied."""
        filters = self._endpoint.filters
        code, mid = self._client.subscribe([(each, 0) for each in filters])
        if code is not MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            raise ConnectionFailedError("the line broke before the subscription")
        granted: list[int] = await self._answer(mid, "the subscription")
        denied = [code >= FAILED for code in granted]
        # An answer of another length says nothing of what is missing from it.
        denied += [True] * (len(filters) - len(granted))
        return [
            each for each, is_denied in zip(filters, denied, strict=False) if is_denied
        ]

    async def publish(self, topic: str, body: bytes) -> None:
        """Write a message (QoS 0) to the line; raises ConnectionFailedError."""
        info = self._client.publish(topic, body, qos=0)
        if info.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise ConnectionFailedError("not connected")
        try:
            await self._answer(info.mid, "a message")
        except BaseException:
            # Whoever waited is told that it was not sent, or does not wait any more: it
            # must not be written some time later.
            self._fail(ConnectionFailedError("a message could not be written"))
            self.close()
            raise

    def close(self) -> None:
        """Say goodbye if that is possible, and close."""
        if self._misc is not None:
            self._misc.cancel()
            self._misc = None
        # Goodbye would come after what waits to be written, which would go out with it.
        if not self._client.want_write():
            self._client.disconnect()
            self._client.loop_write()
        self._fail(ConnectionFailedError("closed"))
        if self._socket is not None:
            broken, self._socket = self._socket, None
            self._detach(broken)
            broken.close()

    def _connect(self) -> None:
        """Open the socket, shake hands, write the login; in a thread, for all of it blocks."""
        code = self._client.connect(
            self._endpoint.host, self._endpoint.port, keepalive=KEEPALIVE
        )
        if code is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise self._client.cause or ConnectionResetError("closed")

    def _abandon(self, connecting: asyncio.Future[None]) -> None:
        if not connecting.cancelled():
            connecting.exception()
        opened = self._client.socket()
        if opened is not None:
            opened.close()

    def _attach(self) -> None:
        """Let the event loop read and write from here on."""
        client = self._client
        opened = client.socket()
        if opened is None:
            raise ConnectionFailedError("closed at once")
        # paho's type allows for a socket of websockets, which is never made here.
        assert isinstance(opened, socket.socket)
        self._socket = opened
        client.on_socket_close = self._closing
        client.on_socket_register_write = self._wants_to_write
        client.on_socket_unregister_write = self._has_written
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._subscribed
        client.on_publish = self._published
        client.on_message = self._message
        self._loop.add_reader(opened, self._read)
        if client.want_write():
            self._loop.add_writer(opened, self._write)
        # What came with the handshake is decrypted already and wakes nobody.
        self._loop.call_soon(self._read)
        self._look_after()

    def _read(self) -> None:
        """Read what is there, also what lies decrypted in memory."""
        for _ in range(READ_AT_ONCE):
            # What could not be digested once will not be the next time either.
            if self._socket is None or self.lost.done():
                return
            self._guarded(self._client.loop_read)
            if self._pending() == 0:
                return
        self._loop.call_soon(self._read)

    def _pending(self) -> int:
        return self._socket.pending() if isinstance(self._socket, SSLSocket) else 0

    def _write(self) -> None:
        if self._socket is not None:
            self._guarded(self._client.loop_write)

    def _look_after(self) -> None:
        """Let the library send its pings, and find out that nobody answers them."""
        if self._socket is not None:
            self._guarded(self._client.loop_misc)
            self._misc = self._loop.call_later(1, self._look_after)

    def _guarded(self, work: Callable[[], Any]) -> None:
        """Do some of the library's work; what it cannot digest ends this connection only."""
        try:
            work()
        except Exception as err:
            _LOGGER.exception("The MQTT library failed in a way that nobody foresaw")
            self._fail(ConnectionFailedError(type(err).__name__))

    async def _answer(self, mid: int, what: str) -> Any:
        """Wait for what the broker or the line says to a packet of ours."""
        answer = self._waiting[mid] = self._future()
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.wait(
                    {answer, self.lost}, return_when=asyncio.FIRST_COMPLETED
                )
        except TimeoutError as err:
            raise ConnectionFailedError(f"no answer to {what} in time") from err
        finally:
            del self._waiting[mid]
        if not answer.done():
            self.lost.result()
        return answer.result()

    def _future(self) -> asyncio.Future[Any]:
        """Return a future whose failure may go unheard."""
        future: asyncio.Future[Any] = self._loop.create_future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        return future

    def _fail(self, error: StreamError) -> None:
        """Tell everybody who waits that nothing more will come."""
        for waiting in (self._answered, self.lost):
            if not waiting.done():
                waiting.set_exception(error)

    # The library calls these on the event loop, from `loop_read` and its like.

    def _connected(
        self, _client: Client, _data: Any, _flags: Any, code: ReasonCode, _more: Any
    ) -> None:
        if code.is_failure:
            self._fail(refusal(code))
        elif not self._answered.done():
            self._answered.set_result(None)

    def _disconnected(
        self, _client: Client, _data: Any, _flags: Any, code: ReasonCode, _more: Any
    ) -> None:
        is_logged_in = self._answered.done()
        cause = self._client.cause or ConnectionResetError(str(code))
        self._fail(translated(cause, is_logged_in=is_logged_in))

    def _subscribed(
        self, _client: Client, _data: Any, mid: int, codes: list[ReasonCode], _more: Any
    ) -> None:
        self._answered_to(mid, [int(code.value) for code in codes])

    def _published(
        self, _client: Client, _data: Any, mid: int, _code: ReasonCode, _more: Any
    ) -> None:
        self._answered_to(mid, None)

    def _answered_to(self, mid: int, answer: object) -> None:
        waiting = self._waiting.get(mid)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        """Hand a message over; an exception here would make the library read it for ever."""
        try:
            self._take(message)
        except Exception:
            _LOGGER.exception("A message could not be handed over")

    def _wants_to_write(self, _client: Client, _data: Any, _socket: Any) -> None:
        if self._socket is not None:
            self._loop.add_writer(self._socket, self._write)

    def _has_written(self, _client: Client, _data: Any, _socket: Any) -> None:
        if self._socket is not None:
            self._loop.remove_writer(self._socket)

    def _closing(self, _client: Client, _data: Any, _socket: Any) -> None:
        if self._socket is not None:
            closing, self._socket = self._socket, None
            self._detach(closing)

    def _detach(self, detached: socket.socket) -> None:
        with suppress(ValueError):
            # It may be closed by now, and then the loop knows it no more.
            self._loop.remove_reader(detached)
            self._loop.remove_writer(detached)
