"""A network that can fail: a TCP forwarder on loopback."""

import asyncio
from collections.abc import Iterator
import contextlib
import socket
import struct
from types import TracebackType
from typing import Self

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_CHUNK = 65536


class Link:
    """Forwards TCP connections from a port of its own to one target.

    A link that is cut behaves like a pulled cable: nobody is told, bytes wait as TCP
    lets them wait, and they arrive after `restore`. Bound to the event loop it is
    entered in.
    """

    host = "127.0.0.1"

    def __init__(self, target_host: str, target_port: int) -> None:
        self._target = (target_host, target_port)
        self._whole = asyncio.Event()
        self._whole.set()
        self._server: asyncio.Server | None = None
        self._port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def port(self) -> int:
        """The port to connect to, once entered."""
        return self._port

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self.host, self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        self.drop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Let nothing through any more; connections stay open on both sides."""
        self._whole.clear()

    def restore(self) -> None:
        """Let everything through again."""
        self._whole.set()

    def drop(self) -> None:
        """Reset every connection on both sides; new ones are accepted."""
        for writer in self._writers:
            raw: socket.socket = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.transport.abort()

    def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.get_running_loop().create_task(self._forward(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with self._tracked(writer):
            await self._whole.wait()
            try:
                remote_reader, remote_writer = await asyncio.open_connection(
                    *self._target
                )
            except OSError:
                writer.transport.abort()
                return
            with self._tracked(remote_writer):
                await asyncio.gather(
                    self._pump(reader, remote_writer), self._pump(remote_reader, writer)
                )

    @contextlib.contextmanager
    def _tracked(self, writer: asyncio.StreamWriter) -> Iterator[None]:
        self._writers.add(writer)
        try:
            yield
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                await self._whole.wait()
                writer.write(chunk)
                await writer.drain()
        await self._whole.wait()
        writer.close()
