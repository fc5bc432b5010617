"""An account whose messages wait in queues that the vendor has made: Etrel and INVERS."""

from collections.abc import Callable

from ..model import Message
from ..stream.amqp import AmqpEndpoint, AmqpStream
from ..stream.delivery import Delivery, Receiver
from ..stream.supervisor import Stream
from .listening import ListeningAccount

type Decode = Callable[[Delivery], Message]


class QueueAccount(ListeningAccount):
    """The protocol half of such an entry."""

    def __init__(self, endpoint: AmqpEndpoint, decode: Decode) -> None:
        """`decode` is the vendor's; it raises BadInputError."""
        self._endpoint = endpoint
        self._stream: AmqpStream | None = None
        self._decode = decode

    async def open_stream(self, renew: bool, receiver: Receiver) -> Stream:
        """Make the next connection; there are no fresher credentials to be had."""
        self._stream = AmqpStream(self._endpoint, receiver)
        return self._stream

    def decode(self, delivery: Delivery) -> Message:
        """Decode one delivery; raises BadInputError."""
        return self._decode(delivery)
