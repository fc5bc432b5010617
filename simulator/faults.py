"""What every played HTTP API has: calls that are remembered, and faults on order."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
import json

from aiohttp import web


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


class Faults:
    """Failures to come, each for the paths that begin alike."""

    def __init__(self) -> None:
        self._faults: list[_Fault] = []

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
