"""An MQTT broker that does exactly what a test wants, right or wrong."""

import asyncio
from collections.abc import Callable
import contextlib
import ssl
from types import TracebackType
from typing import Self

CONNECT, PUBLISH, SUBSCRIBE, PINGREQ, DISCONNECT = 1, 3, 8, 12, 14
ACCEPTED = b"\x20\x02\x00\x00"

type Script = Callable[[asyncio.StreamWriter], None]


def packet(kind: int, payload: bytes, flags: int = 0) -> bytes:
    """One MQTT packet."""
    length, left = bytearray(), len(payload)
    while True:
        left, digit = divmod(left, 128)
        length.append(digit | (0x80 if left else 0))
        if not left:
            return bytes([kind << 4 | flags]) + bytes(length) + payload


def published(topic: bytes, body: bytes) -> bytes:
    """A PUBLISH packet with QoS 0; the topic may be no text."""
    return packet(PUBLISH, len(topic).to_bytes(2) + topic + body)


class RawBroker:
    """Listens on loopback; what follows a login or a subscription is the test's script.

    `connack` None hangs up instead of answering a login, `suback` None never answers a
    subscription.
    """

    def __init__(
        self,
        *,
        connack: bytes | None = ACCEPTED,
        suback: int | None = 0,
        after_subscription: bytes = b"",
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.connack = connack
        self.suback = suback
        self.after_subscription = after_subscription
        self.logins = 0
        self.ended = asyncio.Event()
        self.received: list[bytes] = []
        self.writers: list[asyncio.StreamWriter] = []
        self._context = context
        self._server: asyncio.Server
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def stop_reading(self) -> None:
        """Take nothing more off the first line, which fills up."""
        self._transport().pause_reading()

    def go_on_reading(self) -> None:
        """Take what has come meanwhile, and all after it."""
        self._transport().resume_reading()

    def _transport(self) -> asyncio.Transport:
        transport = self.writers[0].transport
        # A stream has one for both directions, its type knows of the writing only.
        assert isinstance(transport, asyncio.Transport)
        return transport

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, ssl=self._context
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()
        for writer in self.writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.writers.append(writer)
        task = asyncio.get_running_loop().create_task(self._talk(reader, writer))
        self._tasks.add(task)

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                kind, payload = await self._read(reader)
                if kind == CONNECT:
                    self.logins += 1
                    if self.connack is None:
                        break
                    writer.write(self.connack)
                elif kind == SUBSCRIBE and self.suback is not None:
                    answer = payload[:2] + bytes([self.suback])
                    writer.write(packet(9, answer) + self.after_subscription)
                elif kind == PINGREQ:
                    writer.write(packet(13, b""))
                elif kind == PUBLISH:
                    self.received.append(payload)
                elif kind == DISCONNECT:
                    break
        self.ended.set()
        writer.close()

    @staticmethod
    async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
        (first,) = await reader.readexactly(1)
        length = shift = 0
        while True:
            (digit,) = await reader.readexactly(1)
            length |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                break
        return first >> 4, await reader.readexactly(length)
