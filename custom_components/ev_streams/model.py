"""What the streams say, as plain frozen dataclasses.

Times are timezone-aware UTC datetimes, energies are kWh. Nothing here knows
Home Assistant, so these parts can be fuzzed and measured alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

type Value = bool | int | float | str | datetime


class BadInputError(ValueError):
    """A message that cannot be decoded; `reason` is a stable snake case word, free of content."""

    def __init__(self, reason: str) -> None:
        """Keep the reason apart from the text, for counting."""
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRecord:
    """A charger or a car, as the provider's inventory or one of its messages names it.

    A message may not tell the name: "" then. `parent_id` is the device that this one
    is a part of, such as the charge point of an EVSE.
    """

    device_id: str
    name: str
    model: str | None = None
    serial_number: str | None = None
    parent_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One value of one key of one device.

    `measured_at` is the device's own time; `arrived_at` is when the vendor's
    cloud received it, where the provider tells. A sequel says what has become of a
    value that was told before: of one that never was it says nothing.
    """

    device_id: str
    key: str
    value: Value
    measured_at: datetime
    arrived_at: datetime | None = None
    is_sequel: bool = False


class SessionPhase(StrEnum):
    """The two things that can be told of a charging session."""

    STARTED = "started"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionChange:
    """A charging session started or stopped.

    Times and meter values are those of the message, never the receiver's
    clock. `energy` and the meter values are kWh. `token` is the RFID token that
    authorised it: personal. `evse` names which of the device's outlets it is on, where
    there may be several. `is_derived` marks a session that no message names: it
    was concluded from other readings. `is_start_estimated` marks a start for which a
    moment near it stands in: it replaces none that was told.
    """

    device_id: str
    session_id: str
    phase: SessionPhase
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    energy: float | None = None
    meter_start: float | None = None
    meter_stop: float | None = None
    token: str | None = field(default=None, repr=False)
    evse: str | None = None
    is_derived: bool = False
    is_start_estimated: bool = False
    arrived_at: datetime | None = None

    @property
    def happened_at(self) -> datetime | None:
        """When the session started or stopped (UTC), whichever this change tells."""
        return (
            self.started_at if self.phase is SessionPhase.STARTED else self.stopped_at
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """All that is known of one charging session; None where nothing was told yet.

    `replayed` is true once its start or its stop was told late.
    """

    device_id: str
    session_id: str
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    energy: float | None = None
    meter_start: float | None = None
    meter_stop: float | None = None
    token: str | None = field(default=None, repr=False)
    evse: str | None = None
    is_derived: bool = False
    replayed: bool = False

    @property
    def duration(self) -> float | None:
        """Seconds from start to stop; None while it runs or where a time is missing."""
        if self.started_at is None or self.stopped_at is None:
            return None
        return (self.stopped_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDocument:
    """A signed document of a session, whole as it came: its signature covers every letter.

    `session_id` is None where the text does not tell whose it is. Personal: it
    may hold the RFID token.
    """

    device_id: str
    text: str
    measured_at: datetime
    session_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One numeric reading as history keeps it; unlike a state it may be an old one."""

    device_id: str
    key: str
    measured_at: datetime
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a message says in a shape of its sender's own: the user maps it.

    `body` is what JSON can say, or a text. `subtopic` tells messages of a device
    apart, "" where nothing does. A retained one was kept by the broker and may be of
    any age. `occurred_at` is the message's own time, None where it does not tell.
    """

    body: object
    subtopic: str = ""
    is_retained: bool = False
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentMessage:
    """A message that is kept for a while, for the user to look at when mapping; personal."""

    received_at: datetime
    content: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Popup:
    """What the screen of a car shows, with or without a button to confirm it."""

    text: str
    has_button: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """What a device is sent; `application` names another one there than the account's."""

    content: object = None
    popup: Popup | None = None
    application: str | None = None


class MessageRefusedError(ValueError):
    """A message that is not sent, for what it is; nothing of it has left."""


class TooLargeError(MessageRefusedError):
    """The encoded message is larger than the vendor takes; sizes are in bytes."""

    def __init__(self, size: int, limit: int) -> None:
        """Keep both for the text that tells the user."""
        super().__init__(f"{size} bytes, {limit} are allowed")
        self.size = size
        self.limit = limit


class TooSoonError(MessageRefusedError):
    """The one before is not long enough ago."""

    def __init__(self, seconds: float) -> None:
        """`seconds` is how long to wait."""
        super().__init__(f"in {seconds:.0f} s")
        self.seconds = seconds


class NoApplicationError(MessageRefusedError):
    """Neither the message nor the account says which application is meant."""


type Update = Reading | SessionChange | SessionDocument


def newest_time(updates: Iterable[Update]) -> datetime | None:
    """Return when the last of it happened, None where nothing has a time."""
    times = (
        each.happened_at if isinstance(each, SessionChange) else each.measured_at
        for each in updates
    )
    return max((time for time in times if time is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """That something happened which is no state: it is told once, as an event.

    `type` is the vendor's name of it, where it has one. `facts` are short and name nobody.
    """

    type: str | None = None
    occurred_at: datetime | None = None
    facts: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One decoded delivery.

    `device_id` is None for messages that concern no device. `devices` are all that it
    tells of, that one first, where a provider has no list of them. `unknown` names
    what no table knows (an observation id, a kind of routing key): it is
    counted, it is no error.
    `content` is what no table of the provider can know.
    `identity` is the same in every copy of the message: it is to have one effect.
    `part_id` is the one of the `devices` that the content is about, where it is not the
    first.
    """

    device_id: str | None = None
    updates: tuple[Update, ...] = field(default=())
    arrived_at: datetime | None = None
    unknown: str | None = None
    content: Content | None = None
    devices: tuple[DeviceRecord, ...] = ()
    happening: Happening | None = None
    identity: str | None = None
    part_id: str | None = None
