"""What every provider offers to the shared parts."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Protocol

from homeassistant.components.binary_sensor import BinarySensorEntityDescription
from homeassistant.components.sensor import SensorEntityDescription
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
import probatio

from ..const import AUTO_FOLLOW
from ..mapping import Preset
from ..meter import MeterInput
from ..model import DeviceRecord, Message, OutgoingMessage, Reading, Session, Update
from ..stream.delivery import Delivery, Receiver
from ..stream.supervisor import Stream


@dataclass(frozen=True, kw_only=True)
class EvStreamsSensorDescription(SensorEntityDescription):
    """A sensor of one ledger key.

    `is_telemetry` values are unavailable while the device itself is offline,
    settings are not. `period` is how many seconds lie between two states at least,
    for what changes with every message and would fill the recorder. `reading_key` is
    the ledger's key where that is another than the entity's.
    """

    is_telemetry: bool = False
    period: float | None = None
    reading_key: str | None = None


@dataclass(frozen=True, kw_only=True)
class EvStreamsBinarySensorDescription(BinarySensorEntityDescription):
    """A binary sensor of one ledger key; `inverted` where on means the opposite of true.

    `reading_key` is the ledger's key where that is another than the entity's.
    """

    is_telemetry: bool = False
    inverted: bool = False
    reading_key: str | None = None


type ReadingDescription = EvStreamsSensorDescription | EvStreamsBinarySensorDescription


class Account(Protocol):
    """One account at work. Knows nothing of Home Assistant; failures are StreamErrors.

    `expires_at` is when what it logs in with runs out (aware UTC), None where nothing
    does; it is known once `start` has returned.
    """

    expires_at: datetime | None

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

    async def send(self, device_id: str, message: OutgoingMessage) -> int:
        """Send a message to a device now; returns the size of what was sent in bytes.

        Asked only where `Provider.can_send`; raises StreamError, and MessageRefusedError
        for what the vendor does not allow.
        """


async def undo_nothing() -> None:
    """Nothing was made elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a live try of the form's data found, and what the entry is to keep of them.

    `account_id` is unique among the provider's accounts. The title names the
    account's device, so that nothing personal belongs into it. `secrets` are texts
    that have to be kept apart from the entry, such as a private key. `report` fills in
    the provider's text of what was found, if there is one to be shown. `undo` takes
    back what the try of a new account has made elsewhere, if no entry comes of it.
    """

    account_id: str
    title: str
    data: Mapping[str, Any]
    devices: tuple[DeviceRecord, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    report: Mapping[str, str] | None = None
    undo: Callable[[], Awaitable[None]] = undo_nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a form has to be tried with.

    `data` are its (flat) fields, `files` the content of those that were uploaded, and
    `secrets` what the entry already keeps apart. `is_reauth` where only credentials were
    asked for: what else is wrong cannot be put right then.
    """

    data: Mapping[str, Any]
    files: Mapping[str, bytes] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    is_reauth: bool = False


class ProviderForm(Protocol):
    """The provider's part of the config flow.

    `fields` are those in which a mistake can be shown, a section for all that are in
    it; `files` those that take a file. No two entries may be alike in the
    `account_fields`, if there are any: it would be one account twice.
    """

    fields: tuple[str, ...]
    files: tuple[str, ...]
    account_fields: tuple[str, ...]

    def schema(self, defaults: Mapping[str, Any]) -> probatio.Schema:
        """Return the form of the first setup and of a reconfiguration."""

    def reauth_schema(self, defaults: Mapping[str, Any]) -> probatio.Schema:
        """Return the form that asks for new credentials only."""

    async def try_connection(self, hass: HomeAssistant, given: Given) -> Trial:
        """Really connect with what was given; raises StreamError."""

    async def placeholders(
        self, hass: HomeAssistant, data: Mapping[str, Any]
    ) -> Mapping[str, str]:
        """Return what the texts of the form name, `data` being what is known so far."""
        return {}


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


async def remove_nothing(_hass: HomeAssistant, _entry: ConfigEntry) -> None:
    """Where nothing was made elsewhere for an entry."""


def _describe_nothing(_reading: Reading) -> None:
    """Where the tables are all there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One line of the registry.

    `online_key` is the reading that tells whether a device is online, and
    `firmware_key` the one that names its firmware. `personal_keys` must not
    appear in diagnostics.

    `meter_inputs` are the readings (kWh) that make the energy at full resolution,
    kept under the key `energy`; without any there is none. `meter_keys` are the
    sensors that show the meter itself, also for `hourly_energy`.

    Where `subentry` is given, the devices are those that the user adds, each as a
    subentry of that type, and their fields are mapped by the user; `read_device_id`
    returns what was typed as the messages have it, None if that is no device, and
    `presets` are mappings that many can use.

    `remove` takes away what was made elsewhere for an entry that is removed; it raises
    StreamError where that did not work.

    Where it `discovers`, the messages tell which devices there are, and entities
    exist of what has been told. `describe` returns the description of a reading that is
    not in the tables, the same for every value, or None if it is not to be shown.
    `name_device` names a device that nobody
    has named, and up to `follow_at_most` are followed unless the user picks.
    The user maps fields for all devices at once then.

    `backlog_limit` is how many wait in a queue at most: older messages are lost then.
    `silence_limit` is how long nothing may come before the user has to look.

    `tells_arrival` is false where messages do not say when they reached the vendor's
    cloud: there is no latency to show then. So are `has_backlog` where nothing waits
    while nobody is connected, `has_tokens` where sessions name nobody, and
    `has_session_energy` where nobody knows what a session charged.
    """

    key: str
    name: str
    form: ProviderForm
    create_account: Callable[[HomeAssistant, ConfigEntry], Account]
    remove: Callable[[HomeAssistant, ConfigEntry], Awaitable[None]] = remove_nothing
    sensors: tuple[EvStreamsSensorDescription, ...]
    binary_sensors: tuple[EvStreamsBinarySensorDescription, ...]
    online_key: str | None = None
    firmware_key: str | None = None
    personal_keys: frozenset[str] = frozenset()
    meter_inputs: Mapping[str, MeterInput] = field(default_factory=dict)
    meter_keys: tuple[str, ...] = ()
    has_hourly_energy: bool = False
    create_concluder: CreateConcluder | None = None
    subentry: str | None = None
    read_device_id: Callable[[str], str | None] = str.strip
    presets: tuple[Preset, ...] = ()
    discovers: bool = False
    describe: Callable[[Reading], ReadingDescription | None] = _describe_nothing
    name_device: Callable[[DeviceRecord], str] = attrgetter("device_id")
    follow_at_most: int = AUTO_FOLLOW
    backlog_limit: int | None = None
    silence_limit: timedelta | None = None
    can_send: bool = False
    tells_arrival: bool = True
    has_backlog: bool = True
    has_tokens: bool = True
    has_session_energy: bool = True
