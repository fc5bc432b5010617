"""One Easee account at work: where its stream is, what its messages mean."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ssl import SSLContext

from ...model import (
    BadInputError,
    DeviceRecord,
    Message,
    OutgoingMessage,
    SessionChange,
    Update,
)
from ...stream.amqp import AmqpEndpoint, AmqpStream
from ...stream.delivery import Delivery, Receiver
from ...stream.errors import ConnectionFailedError
from ...stream.supervisor import Stream
from . import decode
from .api import EaseeClient, NotAnIntegrationAccountError, StreamDetails
from .enums import PRODUCT
from .observations import OBSERVATIONS, integer, text

REFUSALS_BELIEVED = 3
REFUSAL_RETRY = 300.0
# The vendor gives hourly figures of about one month a call.
USAGE_PERIOD = timedelta(days=28)


class EaseeAccount:
    """The protocol half of an Easee entry."""

    expires_at: datetime | None = None

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

    async def open_stream(self, renew: bool, receiver: Receiver) -> Stream:
        """Make the next connection; `renew` asks the vendor again, the password may have rotated."""
        if renew or self._details is None:
            self._details = await self._renewed_details()
        return AmqpStream(endpoint(self._details, self._tls), receiver)

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
        Sessions come first, so that none is concluded where one is told.
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
        return sorted(updates, key=lambda update: not isinstance(update, SessionChange))

    async def hourly_energy(
        self, device_id: str, start: datetime, end: datetime
    ) -> dict[datetime, float]:
        """Return the kWh of the whole hours that begin from `start` on and before `end`.

        By the beginning of the hour, times are aware UTC; hours of which the vendor
        has no figure are missing. Raises StreamError.
        """
        begin, end = _next_hour(start), _next_hour(end)
        energies: dict[datetime, float] = {}
        while begin < end:
            until = min(begin + USAGE_PERIOD, end)
            entries = await self._client.hourly_usage(device_id, begin, until)
            figures = _figures(entries)
            if entries and not figures:
                raise ConnectionFailedError("the hourly usage has another shape")
            energies |= {
                hour: energy
                for hour, energy in figures.items()
                if begin <= hour < until
            }
            begin = until
        return energies

    async def send(self, device_id: str, message: OutgoingMessage) -> int:
        """Chargers take no messages: nobody asks for this."""
        raise NotImplementedError


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
        # It is the vendor's own word, asked for over an encrypted line.
        may_be_far=True,
    )


def _figures(entries: list[Mapping[str, object]]) -> dict[datetime, float]:
    """Read the entries that can be read."""
    figures: dict[datetime, float] = {}
    for entry in entries:
        try:
            hour, energy = decode.hourly_figure(entry)
        except BadInputError:
            continue
        figures[hour] = energy
    return figures


def _next_hour(moment: datetime) -> datetime:
    """Return the first beginning of an hour that is not before the moment."""
    moment = moment.astimezone(UTC)
    hour = moment.replace(minute=0, second=0, microsecond=0)
    return hour if hour == moment else hour + decode.HOUR


def _record(charger: Mapping[str, object]) -> DeviceRecord:
    serial = text(charger["id"])
    product = charger.get("productCode")
    return DeviceRecord(
        device_id=serial,
        name=str(charger.get("name") or serial),
        model=PRODUCT.get(product) if isinstance(product, int) else None,
        serial_number=serial,
    )
