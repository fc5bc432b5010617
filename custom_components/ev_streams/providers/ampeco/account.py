"""One AMPECO account at work: notifications by webhook or from a topic, and the tenant's API."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
import logging
from typing import override

from ...model import DeviceRecord, Message, OutgoingMessage, Update
from ...stream.delivery import Delivery, Receiver
from ...stream.errors import StreamError
from ...stream.kafka import KafkaEndpoint, KafkaStream
from ...stream.supervisor import Stream
from ...stream.tls import Tls
from ...stream.webhook import WebhookStream
from . import decode
from .api import AmpecoClient, Subscription
from .notifications import DEFAULT_NOTIFICATIONS
from .signature import is_signed

_LOGGER = logging.getLogger(__name__)

SIGNATURE = "x-signature"

type LoadEndpoint = Callable[[], Awaitable[tuple[KafkaEndpoint, Tls]]]
type FindUrl = Callable[[], Awaitable[str]]
type KeepId = Callable[[str | None], None]


class AmpecoAccount:
    """What both ways have in common: the same notifications come by either."""

    expires_at: datetime | None = None

    async def start(self) -> None:
        """Ask nobody: whoever sends can do so at any time."""

    async def inventory(self) -> list[DeviceRecord]:
        """Return nothing: notifications tell which devices there are."""
        return []

    def decode(self, delivery: Delivery) -> Message:
        """Decode one delivery; raises BadInputError."""
        return decode.decode(delivery)

    async def snapshot(self, device_id: str) -> list[Update]:
        """Return nothing: the stream is all there is."""
        return []

    async def hourly_energy(
        self, device_id: str, start: datetime, end: datetime
    ) -> dict[datetime, float]:
        """Return nothing: no figures by the hour are asked for."""
        return {}

    async def send(self, device_id: str, message: OutgoingMessage) -> int:
        """Nothing can be sent: nobody asks for this."""
        raise NotImplementedError


class Subscriber:
    """Keeps the tenant's subscription to a webhook, and has what was missed sent again.

    `find_url` returns where the tenant is to call, `keep_id` stores the id of the
    subscription or takes it back.
    """

    def __init__(
        self,
        client: AmpecoClient,
        subscription_id: str | None,
        *,
        find_url: FindUrl,
        keep_id: KeepId,
    ) -> None:
        """Know the subscription of before, if there was one."""
        self._client = client
        self._id = subscription_id
        self._find_url = find_url
        self._keep_id = keep_id
        self._is_current = False

    async def names(self) -> list[DeviceRecord]:
        """Return what the tenant calls its charge points; raises StreamError."""
        return await self._client.charge_points()

    async def keep(self) -> None:
        """See that the subscription is there and calls us; raises StreamError."""
        if self._is_current:
            return
        url = await self._find_url()
        if self._id is None:
            self._id = await self._own(url)
        if self._id is None or not await self._client.update(self._id, url):
            self._id = await self._client.subscribe(url)
        self._keep_id(self._id)
        self._is_current = True

    async def have_sent_again(self) -> None:
        """Ask for what could not be delivered, be it as we were away or as the line was.

        The tenant sends each once more, at most every quarter of an hour; raises StreamError.
        """
        if self._id is not None:
            await self._client.resend(self._id, DEFAULT_NOTIFICATIONS)

    async def _own(self, url: str) -> str | None:
        """Find a subscription that calls us already: its id may have got lost."""

        def is_own(each: Subscription) -> bool:
            return each.callback_url == url

        found = filter(is_own, await self._client.subscriptions())
        return next((each.subscription_id for each in found), None)


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
    """The tenant calls; `listen` says who takes the calls, and None that nobody does."""

    def __init__(
        self,
        token: str,
        *,
        listen: Callable[[WebhookStream | None], None],
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
