"""One Stellantis account at work: where its stream is, what its messages mean, how to answer."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import override

from ...model import DeviceRecord, Message, NoApplicationError, OutgoingMessage
from ...stream.delivery import Delivery, Receiver
from ...stream.errors import ConnectionFailedError
from ...stream.mqtt import MqttStream
from ...stream.mqtt_client import MqttEndpoint
from ...stream.supervisor import Stream
from ...stream.tls import Tls
from ..listening import ListeningAccount
from . import decode
from .sending import PopupPacer, envelope
from .topics import Topics

type LoadTls = Callable[[], Awaitable[Tls]]


class StellantisAccount(ListeningAccount):
    """The protocol half of a Stellantis entry.

    `load_tls` may raise AccountRefusedError where what it needs is gone;
    `list_vehicles` tells which ones the user has added, `popups` which were shown
    before this account was set up anew.
    """

    def __init__(
        self,
        endpoint: MqttEndpoint,
        topics: Topics,
        id_app: str,
        *,
        load_tls: LoadTls,
        list_vehicles: Callable[[], list[DeviceRecord]],
        popups: PopupPacer,
    ) -> None:
        """`endpoint` comes without TLS, which is loaded by `start`."""
        self._endpoint = endpoint
        self._topics = topics
        self._id_app = id_app
        self._load_tls = load_tls
        self._list_vehicles = list_vehicles
        self._popups = popups
        self._stream: MqttStream | None = None

    @override
    async def start(self) -> None:
        """Load the certificates; raises StreamError.

        The broker is not asked: whether it answers now or later, the vehicles are
        shown as they were last known.
        """
        tls = await self._load_tls()
        self._endpoint = replace(self._endpoint, ssl_context=tls.context)
        self.expires_at = tls.expires_at

    @override
    async def inventory(self) -> list[DeviceRecord]:
        """Return the vehicles that the user has added: the broker lists none."""
        return self._list_vehicles()

    async def open_stream(self, renew: bool, receiver: Receiver) -> Stream:
        """Make the next connection; there are no fresher credentials to be had."""
        self._stream = MqttStream(self._endpoint, receiver)
        return self._stream

    def decode(self, delivery: Delivery) -> Message:
        """Decode one delivery; raises BadInputError."""
        return decode.decode(delivery, self._topics)

    @override
    async def send(self, device_id: str, message: OutgoingMessage) -> int:
        """Send a message to the application in a car; returns its size in bytes.

        That it was sent is all that can be known: with QoS 0 nobody confirms it, and a
        sleeping car keeps the last ten only. Raises ConnectionFailedError, and
        MessageRefusedError for what the vendor does not allow.
        """
        id_app = message.application or self._id_app
        if not id_app:
            raise NoApplicationError
        body = envelope(message, id_app)
        if message.popup is not None:
            self._popups.check(device_id)
        if self._stream is None:
            raise ConnectionFailedError("not connected")
        if message.popup is not None:
            # Two at once must not both find the screen free.
            self._popups.shown(device_id)
        try:
            await self._stream.publish(self._topics.publishing(device_id), body)
        except ConnectionFailedError, asyncio.CancelledError:
            if message.popup is not None:
                self._popups.not_shown(device_id)
            raise
        return len(body)
