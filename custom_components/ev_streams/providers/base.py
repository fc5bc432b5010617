"""What every provider offers to the shared parts."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from homeassistant.components.binary_sensor import BinarySensorEntityDescription
from homeassistant.components.sensor import SensorEntityDescription
from homeassistant.core import HomeAssistant
import probatio

from ..meter import MeterInput
from ..model import DeviceRecord, Message, Reading, Session, Update
from ..stream.delivery import Delivery, Receiver
from ..stream.supervisor import Stream


@dataclass(frozen=True, kw_only=True)
class EvStreamsSensorDescription(SensorEntityDescription):
    """A sensor of one ledger key.

    `is_telemetry` values are unavailable while the device itself is offline,
    settings are not.
    """

    is_telemetry: bool = False


@dataclass(frozen=True, kw_only=True)
class EvStreamsBinarySensorDescription(BinarySensorEntityDescription):
    """A binary sensor of one ledger key; `inverted` where on means the opposite of true."""

    is_telemetry: bool = False
    inverted: bool = False


class Account(Protocol):
    """One account at work. Knows nothing of Home Assistant; failures are StreamErrors."""

    async def start(self) -> None:
        """Check that the account may read its stream; raises StreamError."""

    async def inventory(self) -> list[DeviceRecord]:
        """Return the devices that the account lists; raises StreamError."""

    async def open_stream(self, renew: bool, receiver: Receiver) -> Stream:
        """Make the next connection, with credentials fetched afresh if `renew`."""

    def decode(self, delivery: Delivery) -> Message:
        """Decode one delivery; raises BadInputError."""

    async def snapshot(self, device_id: str) -> list[Update]:
        """Return the newest values of a device where the provider can be asked, else nothing."""

    async def hourly_energy(
        self, device_id: str, start: datetime, end: datetime
    ) -> dict[datetime, float]:
        """Return the provider's own kWh by the beginning of the hour (aware UTC).

        Asked only where `Provider.has_hourly_energy`; raises StreamError.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a live try of the form's data found, and what the entry is to keep of them.

    `account_id` is unique among the provider's accounts. The title names the
    account's device, so that nothing personal belongs into it.
    """

    account_id: str
    title: str
    data: Mapping[str, Any]
    devices: tuple[DeviceRecord, ...] = ()


class ProviderForm(Protocol):
    """The provider's part of the config flow."""

    def schema(self, defaults: Mapping[str, Any]) -> probatio.Schema:
        """Return the form of the first setup and of a reconfiguration."""

    def reauth_schema(self, defaults: Mapping[str, Any]) -> probatio.Schema:
        """Return the form that asks for new credentials only."""

    async def try_connection(
        self, hass: HomeAssistant, data: Mapping[str, Any]
    ) -> Trial:
        """Really connect with the (flat) data of the form; raises StreamError."""


class SessionConcluder(Protocol):
    """Concludes the sessions of one device that no message names."""

    def take(self, update: Update) -> list[Update]:
        """Return what follows from an update that is news."""

    def take_dropped(self) -> str | None:
        """Return, once, the id of a concluded session that turned out to be none."""


class CreateConcluder(Protocol):
    """Makes the concluder of one device."""

    def __call__(
        self,
        device_id: str,
        restored: Iterable[Reading] = (),
        open_session: Session | None = None,
        *,
        has_own_sessions: bool = False,
    ) -> SessionConcluder:
        """Go on from stored readings and a concluded session that has not stopped.

        `has_own_sessions` tells that messages have named sessions of the device.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One line of the registry.

    `online_key` is the reading that tells whether a device is online, and
    `firmware_key` the one that names its firmware. `personal_keys` must not
    appear in diagnostics.

    `meter_inputs` are the readings (kWh) that make the energy at full resolution,
    kept under the key `energy`; without any there is none. `meter_keys` are the
    sensors that show the same meter, for `hourly_energy`.
    """

    key: str
    name: str
    form: ProviderForm
    create_account: Callable[[HomeAssistant, Mapping[str, Any]], Account]
    sensors: tuple[EvStreamsSensorDescription, ...]
    binary_sensors: tuple[EvStreamsBinarySensorDescription, ...]
    online_key: str | None = None
    firmware_key: str | None = None
    personal_keys: frozenset[str] = frozenset()
    meter_inputs: Mapping[str, MeterInput] = field(default_factory=dict)
    meter_keys: tuple[str, ...] = ()
    has_hourly_energy: bool = False
    create_concluder: CreateConcluder | None = None
