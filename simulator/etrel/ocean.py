"""The vendor's side of the broker: API accesses, their queues and what is put into them.

As its guide tells: a queue for each type of message that was chosen, of 1000 messages
at most, of which the oldest are overwritten; messages wait while nobody reads.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
import json
from types import TracebackType
from typing import Self

from ..administrator import Administrator, QueueState, RoutedMessage
from .station import Notification, Station

EXCHANGE = "ocean.messages"
KEPT = 1000
# Segments between the user and the tail; most types have the location alone.
_BETWEEN = {"system.event": 3, "helpdesk.ticket.raisedByUser": 0}
_EVERYTHING = (
    "session.started",
    "session.started.user",
    "session.ended",
    "connector.statusChanged",
    "reservation.created",
    "reservation.canceled",
    "system.event",
    "helpdesk.ticket.raisedByUser",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAccess:
    """What a customer reads off the access management, and the queues made for it.

    `queues` are by the tail that was chosen, a version's suffix included.
    """

    username: str
    api_key: str = field(repr=False)
    queues: dict[str, str]


class EtrelOcean:
    """Runs API accesses on a broker and tells each what it has chosen.

    As a context manager it takes its accesses with it at the end.
    """

    def __init__(self, administrator: Administrator) -> None:
        self.administrator = administrator
        self.accesses: dict[str, ApiAccess] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for access in list(self.accesses.values()):
            await self.revoke(access)

    async def add_access(
        self,
        number: int,
        api_key: str,
        *,
        tails: Iterable[str] = _EVERYTHING,
        kept: int = KEPT,
    ) -> ApiAccess:
        """Add an access with an empty queue for each tail; `name.v2` is a version of its own."""
        username = f"APIACCESS-{number}"
        queues = {tail: queue_name(username, tail) for tail in tails}
        access = ApiAccess(username=username, api_key=api_key, queues=queues)
        await self.administrator.close_connections(username)
        for queue in queues.values():
            await self.administrator.delete_queue(queue)
            await self._create(queue, kept)
        own = rf"^{username}\..*$"
        await self.administrator.create_user(username, api_key, write="^$", read=own)
        self.accesses[username] = access
        return access

    async def remove_queue(self, access: ApiAccess, tail: str) -> None:
        """Take a type of message away from an access, as its owner may."""
        await self.administrator.delete_queue(access.queues[tail])

    async def restore_queue(self, access: ApiAccess, tail: str) -> None:
        """Choose a type of message again; what was in its queue is lost."""
        await self._create(access.queues[tail], KEPT)

    async def revoke(self, access: ApiAccess) -> None:
        """Delete an access; its queues go, and its connections are closed."""
        await self.administrator.delete_user(access.username)
        await self.administrator.close_connections(access.username)
        for queue in access.queues.values():
            await self.administrator.delete_queue(queue)
        del self.accesses[access.username]

    async def set_api_key(self, access: ApiAccess, api_key: str) -> ApiAccess:
        """Make a new key; the connections of the old one are closed."""
        await self.administrator.set_password(access.username, api_key)
        await self.administrator.close_connections(access.username)
        changed = replace(access, api_key=api_key)
        self.accesses[access.username] = changed
        return changed

    async def queue_state(self, access: ApiAccess, tail: str) -> QueueState:
        """Return what one of an access's queues holds now."""
        return await self.administrator.queue_state(access.queues[tail])

    async def publish(self, *notifications: Notification, copies: int = 1) -> None:
        """Tell every access; more than one copy is what a network does to messages."""
        messages = [
            _routed(access, each)
            for each in notifications
            for access in self.accesses.values()
            for _ in range(copies)
        ]
        await self.administrator.publish_many(EXCHANGE, messages)

    async def publish_past(
        self, station: Station, since: datetime, until: datetime
    ) -> None:
        """Tell all that happened at a station in that time, in order."""
        await self.publish(*station.notifications(since, until))

    async def publish_raw(self, access: ApiAccess, key: str, body: bytes) -> None:
        """Tell one access anything at all; `key` is what follows its name."""
        await self.administrator.publish(EXCHANGE, f"{access.username}.{key}", body)

    async def _create(self, queue: str, kept: int) -> None:
        # The star of the name is the one of the binding: any location.
        await self.administrator.create_queue(
            queue,
            EXCHANGE,
            keys=(queue,),
            arguments={"x-max-length": kept, "x-overflow": "drop-head"},
        )


def queue_name(username: str, tail: str) -> str:
    """Return the name of a queue, a star for each segment that differs by message."""
    stars = ["*"] * _between(tail)
    return ".".join([username, *stars, tail])


def _between(tail: str) -> int:
    return next(
        (count for known, count in _BETWEEN.items() if tail.startswith(known)), 1
    )


def _routed(access: ApiAccess, notification: Notification) -> RoutedMessage:
    # What follows the location of a system event is not public.
    between = [str(notification.location_id), "ChargePoint", "Warning"]
    segments = [access.username, *between[: _between(notification.tail)]]
    key = ".".join([*segments, notification.tail])
    return key, json.dumps(notification.body).encode(), None
