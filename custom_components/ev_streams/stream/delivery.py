"""One message as a transport hands it over."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Bytes with their address, and the acknowledgement that they wait for.

    `address` is the routing key or topic. Header values come as the transport
    decodes them: text, bytes, numbers or datetimes. `ack` is called once, when
    the effect of the message would survive a power cut; until then the sender
    keeps the message.
    """

    address: str
    body: bytes
    headers: Mapping[str, object]
    ack: Callable[[], None]
    redelivered: bool = False


type DeliveryHandler = Callable[[Delivery], None]
