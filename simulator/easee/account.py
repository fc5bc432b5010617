"""A customer of the cloud: credentials, chargers and the stream of what they report."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aio_pika.abc import HeadersType

from ..administrator import Administrator, RoutedMessage
from . import observations
from .charger import EaseeCharger
from .observations import Measurement, ObservationValue


@dataclass(slots=True, kw_only=True)
class EaseeAccount:
    """An account; `operator_id` is None for an ordinary owner, who gets no stream."""

    administrator: Administrator = field(repr=False)
    username: str
    password: str
    user_id: int
    operator_id: int | None = None
    amqp_password: str = ""
    chargers: dict[str, EaseeCharger] = field(default_factory=dict)

    @property
    def queue(self) -> str:
        """The operator's queue."""
        return f"Operator_{self.operator_id}.Q"

    @property
    def exchange(self) -> str:
        """The operator's exchange."""
        return f"Operator_{self.operator_id}.C.X"

    @property
    def amqp_username(self) -> str:
        """The operator's user on the broker."""
        return f"operator_{self.operator_id}"

    def add_charger(
        self,
        serial: str,
        *,
        name: str,
        product_code: int = 1,
        firmware: int = 330,
        max_current: float = 32.0,
        lifetime_energy: float = 1278.28391,
        last_session_id: int = 434,
    ) -> EaseeCharger:
        """Give the account a charger that has been idle since yesterday."""
        charger = EaseeCharger(
            serial=serial,
            name=name,
            product_code=product_code,
            firmware=firmware,
            max_current=max_current,
            lifetime_energy=lifetime_energy,
            last_session_id=last_session_id,
        )
        self.chargers[serial] = charger
        return charger

    def remove_charger(self, serial: str) -> None:
        """Take a charger away; what it published before stays in the queue."""
        del self.chargers[serial]

    def set_password(self, new: str) -> None:
        """Change the password of the account, as its owner may at any time."""
        self.password = new

    async def rotate_amqp_password(self, new: str) -> None:
        """Change the broker's password and what the details say; drop connections."""
        await self.administrator.set_password(self.amqp_username, new)
        self.amqp_password = new
        await self.administrator.close_connections(self.amqp_username)

    async def publish(
        self,
        serial: str,
        observation_id: int,
        value: ObservationValue,
        *,
        timestamp: datetime | None = None,
        arrival_time: datetime | None = None,
        remember: bool = True,
    ) -> None:
        """Publish one observation, measured and arrived now unless told otherwise.

        With `remember` the HTTP API answers it too, unless it knows something newer.
        """
        now = datetime.now(UTC)
        measurement = Measurement(
            time=timestamp or now, observation_id=observation_id, value=value
        )
        await self._publish(serial, [(measurement, arrival_time or now)], remember)

    async def publish_many(
        self,
        serial: str,
        measurements: Iterable[Measurement],
        *,
        delay: timedelta | None = None,
        remember: bool = True,
    ) -> None:
        """Publish observations of one charger in order; see `publish`.

        Each arrived that `delay` after it was measured; without one, all arrived now.
        """
        now = datetime.now(UTC)
        arrivals = [
            (measurement, now if delay is None else measurement.time + delay)
            for measurement in measurements
        ]
        await self._publish(serial, arrivals, remember)

    async def publish_raw(
        self, routing_key: str, content: bytes, headers: HeadersType | None = None
    ) -> None:
        """Publish anything at all."""
        await self.administrator.publish(self.exchange, routing_key, content, headers)

    async def _publish(
        self,
        serial: str,
        arrivals: list[tuple[Measurement, datetime]],
        remember: bool,
    ) -> None:
        charger = self.chargers.get(serial)
        if remember and charger is not None:
            for measurement, _ in arrivals:
                charger.remember(measurement)
        messages: list[RoutedMessage] = [
            (
                f"{serial}.O.{measurement.observation_id}",
                observations.body(measurement.time, measurement.value),
                {"ArrivalTime": observations.arrival_time(arrived)},
            )
            for measurement, arrived in arrivals
        ]
        await self.administrator.publish_many(self.exchange, messages)
