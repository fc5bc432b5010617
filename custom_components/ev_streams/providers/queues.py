"""An account whose messages wait in queues that the vendor has made: Etrel and INVERS."""

from collections.abc import Callable
from datetime import datetime

from ..model import DeviceRecord, Message, OutgoingMessage, Update
from ..stream.amqp import AmqpEndpoint, AmqpStream
from ..stream.delivery import Delivery, Receiver
from ..stream.supervisor import Stream

type Decode = Callable[[Delivery], Message]


class QueueAccount:
    """The protocol half of such an entry: nothing can be asked, everything is told."""

    expires_at: datetime | None = None

    def __init__(self, endpoint: AmqpEndpoint, decode: Decode) -> None:
        """`decode` is the vendor's; it raises BadInputError."""
        self._endpoint = endpoint
        self._stream: AmqpStream | None = None
        self._decode = decode

    async def start(self) -> None:
        """Ask nobody: whether the broker answers now or later, all is shown as last known."""

    async def inventory(self) -> list[DeviceRecord]:
        """Return nothing: messages tell which devices there are."""
        return []

    async def open_stream(self, renew: bool, receiver: Receiver) -> Stream:
        """Make the next connection; there are no fresher credentials to be had."""
        self._stream = AmqpStream(self._endpoint, receiver)
        return self._stream

    def decode(self, delivery: Delivery) -> Message:
        """Decode one delivery; raises BadInputError."""
        return self._decode(delivery)

    async def snapshot(self, device_id: str) -> list[Update]:
        """Return nothing: the stream is all there is."""
        return []

    async def hourly_energy(
        self, device_id: str, start: datetime, end: datetime
    ) -> dict[datetime, float]:
        """Return nothing: the vendor has no figures."""
        return {}

    async def send(self, device_id: str, message: OutgoingMessage) -> int:
        """Nothing can be sent: nobody asks for this."""
        raise NotImplementedError
