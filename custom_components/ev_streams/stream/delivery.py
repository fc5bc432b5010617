"""One message as a transport hands it over, and who takes it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

# Deliveries that may be unacknowledged at once, where the transport can ask for that.
PREFETCH: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Bytes with their address, and the acknowledgement that they wait for.

    `address` is the routing key or topic, and `source` the queue it was read from where
    that is another. Header values come as the transport
    decodes them: text, bytes, numbers or datetimes. `ack` is called once, when
    the effect of the message would survive a power cut; until then the sender
    keeps the message. Where it `is_awaited`, somebody holds a line open for that.
    """

    address: str
    body: bytes
    headers: Mapping[str, object]
    ack: Callable[[], None]
    redelivered: bool = False
    source: str = ""
    is_awaited: bool = False


class Receiver(Protocol):
    """Who takes the deliveries of a stream; every call is made on the event loop."""

    def handle(self, delivery: Delivery) -> None:
        """Take one delivery; never raises."""

    async def settle(self) -> None:
        """Return when what was handled is acknowledged, or cannot be for now.

        Called when a stream is ended and delivers no more, while it can still
        acknowledge.
        """
