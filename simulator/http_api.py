"""What every played HTTP API has: a port, calls that are remembered, faults on order."""

from abc import ABC, abstractmethod
import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
import json
from types import TracebackType
from typing import Self

from aiohttp import web

from .ports import HOST


@dataclass(slots=True, kw_only=True)
class Request:
    """A call that arrived; `status` stays None while there is no answer."""

    method: str
    path: str
    query: str
    status: int | None = None


@dataclass(slots=True, kw_only=True)
class _Fault:
    prefix: str
    times: int
    response: tuple[int, object, Mapping[str, str] | None] | None


class HttpApi(ABC):
    """A vendor's API on loopback, on a port that outlives `stop` and `start`.

    Bound to the event loop it is started in. The failures to come are each for the
    paths that begin alike.
    """

    host = HOST

    def __init__(self, port: int = 0) -> None:
        """0 is any port that is free."""
        self.requests: list[Request] = []
        self._port = port
        self._runner: web.AppRunner | None = None
        self._faults: list[_Fault] = []

    @abstractmethod
    def _application(self) -> web.Application:
        """Return what answers."""

    @property
    def url(self) -> str:
        """The address of the API, once started."""
        return f"http://{self.host}:{self._port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        """Answer on a port; 0 means the one of before, or any that is free."""
        self._runner = web.AppRunner(
            self._application(),
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=0,
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, port or self._port).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Refuse connections from now on, and close those that are open."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def fail_next(
        self,
        path_prefix: str,
        *,
        status: int,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        times: int = 1,
    ) -> None:
        """Answer the next calls so; a `body` that is no text is written as JSON."""
        self._faults.append(
            _Fault(prefix=path_prefix, times=times, response=(status, body, headers))
        )

    def hang_next(self, path_prefix: str, *, times: int = 1) -> None:
        """Never answer the next calls."""
        self._faults.append(_Fault(prefix=path_prefix, times=times, response=None))

    async def strike(self, path: str) -> web.Response | None:
        """The failure that is due for a path, if one is."""
        for fault in self._faults:
            if path.startswith(fault.prefix):
                break
        else:
            return None
        fault.times -= 1
        if fault.times <= 0:
            self._faults.remove(fault)
        if fault.response is None:
            await asyncio.Event().wait()
            return None
        status, content, headers = fault.response
        text = content if isinstance(content, str) else json.dumps(content)
        return web.Response(
            status=status,
            text="" if content is None else text,
            content_type="text/html"
            if isinstance(content, str)
            else "application/json",
            headers=headers,
        )
