"""One Etrel account at work: its queues, and how their messages are to be read."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import override

from ...model import Message
from ...stream.amqp import AmqpEndpoint
from ...stream.delivery import Delivery
from ..queues import QueueAccount
from . import decode
from .fields import Fields

type LoadFields = Callable[[], Awaitable[Fields]]


class EtrelAccount(QueueAccount):
    """The protocol half of an Etrel entry; `load_fields` finds the user's time zone."""

    _fields: Fields

    def __init__(self, endpoint: AmqpEndpoint, load_fields: LoadFields) -> None:
        """Nothing is loaded before `start`."""
        super().__init__(endpoint, self._read)
        self._load_fields = load_fields

    @override
    async def start(self) -> None:
        """Load what times without a zone need; the broker is not asked."""
        self._fields = await self._load_fields()

    def _read(self, delivery: Delivery) -> Message:
        # A version whose queue has gone has no say in what the others count.
        missing = () if self._stream is None else self._stream.missing
        queues = frozenset(self._endpoint.queues).difference(missing)
        return decode.decode(delivery, self._fields, datetime.now(UTC), queues)
