"""One AMPECO account at work: notifications by webhook or from a topic, and the tenant's API."""

from collections.abc import Awaitable, Callable, Mapping
import logging
from typing import override

from ...model import DeviceRecord, Message
from ...stream.delivery import Delivery, Receiver
from ...stream.errors import StreamError
from ...stream.kafka import KafkaEndpoint, KafkaStream
from ...stream.supervisor import Stream
from ...stream.tls import Tls
from ...stream.webhook import WebhookStream
from ..listening import ListeningAccount
from . import decode
from .signature import is_signed
from .subscribing import Subscriber

_LOGGER = logging.getLogger(__name__)

SIGNATURE = "x-signature"

type LoadEndpoint = Callable[[], Awaitable[tuple[KafkaEndpoint, Tls]]]


class AmpecoAccount(ListeningAccount):
    """What both ways have in common: the same notifications come by either."""

    def decode(self, delivery: Delivery) -> Message:
        """Decode one delivery; raises BadInputError."""
        return decode.decode(delivery)


class KafkaAccount(AmpecoAccount):
    """The tenant produces into a topic of the user's; `load` finds how to get at it."""

    _endpoint: KafkaEndpoint

    def __init__(self, load: LoadEndpoint) -> None:
        """Nothing is loaded before `start`."""
        self._load = load

    @override
    async def start(self) -> None:
        """Load the certificates; raises StreamError. The brokers are not asked."""
        self._endpoint, tls = await self._load()
        self.expires_at = tls.expires_at

    async def open_stream(self, renew: bool, receiver: Receiver) -> Stream:
        """Make the next connection; there are no fresher credentials to be had."""
        return KafkaStream(self._endpoint, receiver)


class WebhookAccount(AmpecoAccount):
    """The tenant calls; `listen` is told who takes the calls from now on."""

    def __init__(
        self,
        token: str,
        *,
        listen: Callable[[WebhookStream], None],
        subscriber: Subscriber | None,
    ) -> None:
        """`token` signs the calls; without a `subscriber` the user has subscribed."""
        self._token = token
        self._listen = listen
        self._subscriber = subscriber
        self._stream: WebhookStream | None = None

    @override
    async def inventory(self) -> list[DeviceRecord]:
        """Keep the subscription, and return the tenant's names; raises StreamError.

        Not before calls can be taken: it is for the tenant's API to wait for us.
        """
        if self._stream is None or self._subscriber is None:
            return []
        await self._subscriber.keep()
        try:
            await self._subscriber.have_sent_again()
        except StreamError as err:
            # What is missing is asked for again in an hour; names are not its trouble.
            _LOGGER.debug("Nothing is sent again: %s", err)
        return await self._subscriber.names()

    async def open_stream(self, renew: bool, receiver: Receiver) -> Stream:
        """Take calls from now on."""
        self._stream = WebhookStream(receiver, self._verify)
        self._listen(self._stream)
        return self._stream

    def _verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        return is_signed(body, headers.get(SIGNATURE), self._token)
