"""One Easee account at work: where its stream is, what its messages mean."""

from collections.abc import Mapping
from ssl import SSLContext

from ...model import BadInputError, DeviceRecord, Message, Update
from ...stream.amqp import AmqpEndpoint, AmqpStream
from ...stream.delivery import Delivery, DeliveryHandler
from ...stream.errors import ConnectionFailedError
from ...stream.supervisor import Stream
from . import decode
from .api import EaseeClient, NotAnIntegrationAccountError, StreamDetails
from .enums import PRODUCT
from .observations import OBSERVATIONS, integer, text

REFUSALS_BELIEVED = 3
REFUSAL_RETRY = 300.0


class EaseeAccount:
    """The protocol half of an Easee entry."""

    def __init__(self, client: EaseeClient, tls: SSLContext) -> None:
        """`tls` verifies the broker's certificate where the vendor's details ask for TLS."""
        self._client = client
        self._tls = tls
        self._details: StreamDetails | None = None
        self._refusals = 0

    async def start(self) -> None:
        """Log in and learn where the stream is; raises StreamError."""
        self._details = await self._client.stream_details()

    async def inventory(self) -> list[DeviceRecord]:
        """Return the chargers that the account lists; raises StreamError."""
        return [_record(charger) for charger in await self._client.chargers()]

    async def open_stream(self, renew: bool, on_delivery: DeliveryHandler) -> Stream:
        """Make the next connection; `renew` asks the vendor again, the password may have rotated."""
        if renew or self._details is None:
            self._details = await self._renewed_details()
        return AmqpStream(endpoint(self._details, self._tls), on_delivery)

    async def _renewed_details(self) -> StreamDetails:
        """Ask again; an account that has worked is given up only after several refusals.

        What the refusal looks like is not documented, so a single one may be a
        passing fault of the API.
        """
        try:
            details = await self._client.stream_details()
        except NotAnIntegrationAccountError as err:
            self._refusals += 1
            if self._refusals >= REFUSALS_BELIEVED:
                raise
            raise ConnectionFailedError(
                "the API refused the stream's details", retry_after=REFUSAL_RETRY
            ) from err
        self._refusals = 0
        return details

    def decode(self, delivery: Delivery) -> Message:
        """Decode one delivery; raises BadInputError."""
        return decode.decode(delivery)

    async def snapshot(self, device_id: str) -> list[Update]:
        """Ask for a charger's newest values; raises StreamError.

        An observation that cannot be read is left out, the others still count.
        """
        updates: list[Update] = []
        for item in await self._client.observations(device_id, list(OBSERVATIONS)):
            try:
                measured_at = decode.timestamp(item.get("timestamp"))
                updates += decode.observation_updates(
                    device_id, integer(item.get("id")), item.get("value"), measured_at
                )
            except BadInputError:
                continue
        return updates


def endpoint(details: StreamDetails, tls: SSLContext) -> AmqpEndpoint:
    """Return where to connect, from the vendor's details."""
    return AmqpEndpoint(
        host=details.server,
        port=details.port,
        virtual_host=details.virtual_host,
        username=details.username,
        password=details.password,
        queues=(details.queue_name,),
        ssl_context=tls if details.use_ssl else None,
    )


def _record(charger: Mapping[str, object]) -> DeviceRecord:
    serial = text(charger["id"])
    product = charger.get("productCode")
    return DeviceRecord(
        device_id=serial,
        name=str(charger.get("name") or serial),
        model=PRODUCT.get(product) if isinstance(product, int) else None,
        serial_number=serial,
    )
