"""Which type of message it is: a body does not say, the names around it do.

A queue is called `<user>.*.<tail>` with a literal star for the location, which the
routing key has in its place. The user name, the shape of both and most tails are from
the vendor's page; how versions side by side are named is not public, so that each
usual suffix counts.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
import re
from typing import Final

SESSION_STARTED: Final = "session.started"
SESSION_STARTED_USER: Final = "session.started.user"
SESSION_ENDED: Final = "session.ended"
STATUS_CHANGED: Final = "connector.statusChanged"
SYSTEM_EVENT: Final = "system.event"
RESERVATION_CREATED: Final = "reservation.created"
RESERVATION_CANCELED: Final = "reservation.canceled"
TICKET: Final = "helpdesk.ticket.raisedByUser"

WILD: Final = frozenset({"*", "#", ""})
LONGEST_TAIL: Final = 60
# Segments that are a version, or end with one.
VERSION: Final = re.compile(r"v?(\d{1,4})", re.IGNORECASE)
VERSION_SUFFIX: Final = re.compile(r"(.+)_v(\d{1,4})", re.IGNORECASE)
# Where a sender may name the type besides; lower case and without signs.
TYPE_HEADERS: Final = ("type", "messagetype", "messageid", "eventtype")


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageType:
    """A type of message that is understood, in the versions that are.

    `message_id` is the vendor's name of it. `between` is how many segments lie between
    the user and the tail: the first of them is the location.
    """

    tail: str
    message_id: str | None = None
    between: int = 1
    versions: frozenset[int] = frozenset({1})


# The ids that are missing are in no document; the one of a session's end is inferred.
MESSAGE_TYPES: Final = (
    MessageType(tail=SESSION_STARTED, message_id="ChargingSessionStarted"),
    MessageType(tail=SESSION_STARTED_USER, message_id="ChargingSessionStartedUser"),
    MessageType(tail=SESSION_ENDED, message_id="ChargingSessionEnded"),
    MessageType(tail=STATUS_CHANGED, message_id="ChargePointConnectorStatusChanged"),
    MessageType(tail=RESERVATION_CREATED, message_id="ReservationCreated"),
    MessageType(tail=RESERVATION_CANCELED, message_id="ReservationCanceled"),
    # What the two segments after the location are is not public.
    MessageType(tail=SYSTEM_EVENT, between=3),
    MessageType(tail=TICKET, between=0),
)
BY_TAIL: Final = {each.tail: each for each in MESSAGE_TYPES}
BY_ID: Final = {
    each.message_id.lower(): each for each in MESSAGE_TYPES if each.message_id
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What the names around a message tell of it; `type` is None where no table knows it."""

    tail: str
    version: int = 1
    type: MessageType | None = None
    location_id: str | None = None


class Standing(Enum):
    """What a message counts beside the other versions of its type."""

    EFFECTIVE = auto()
    # Newer than any that is understood, and none of those comes: better than nothing.
    UNCERTAIN = auto()
    # A newer version that is understood comes too.
    SUPERSEDED = auto()
    # Newer than any that is understood, and one of those comes too.
    UNSUPPORTED = auto()


def queue_name(username: str, tail: str) -> str:
    """Return what the vendor calls the queue of a user for a type of message."""
    known = BY_TAIL.get(tail)
    stars = ["*"] * (1 if known is None else known.between)
    return ".".join([username, *stars, tail])


def classify(source: str, address: str, headers: Mapping[str, object]) -> Kind:
    """Tell the type from the queue's name, else from the routing key, else from a header."""
    queue, key = _read(source), _read(address)
    for known in (queue, key):
        if known.type is not None:
            return Kind(
                tail=known.tail,
                version=known.version,
                type=known.type,
                location_id=_location(known.type, key, source),
            )
    location_id, tail = _unknown(source, key.segments)
    named = _named(headers)
    if named is not None and named.type is not None:
        return Kind(
            tail=named.tail,
            version=named.version,
            type=named.type,
            location_id=location_id if named.type.between else None,
        )
    return Kind(tail=tail or "unknown", version=key.version, location_id=location_id)


def standing(kind: Kind, queues: Collection[str]) -> Standing:
    """Tell what a message counts, given the names of all queues that are read.

    Of the versions of a type that come side by side the newest that is understood wins.
    """
    if kind.type is None:
        return Standing.EFFECTIVE
    understood = kind.type.versions
    rivals = understood & offered(frozenset(queues)).get(kind.type.tail, set())
    if kind.version not in understood:
        return Standing.UNSUPPORTED if rivals else Standing.UNCERTAIN
    if any(version > kind.version for version in rivals):
        return Standing.SUPERSEDED
    return Standing.EFFECTIVE


@lru_cache(maxsize=100)
def offered(queues: frozenset[str]) -> dict[str, set[int]]:
    """Return the versions of each type for which there is a queue."""
    versions: dict[str, set[int]] = {}
    for queue in queues:
        name = _read(queue)
        if name.type is not None:
            versions.setdefault(name.tail, set()).add(name.version)
    return versions


@dataclass(frozen=True, slots=True, kw_only=True)
class _Name:
    """A queue's name or a routing key, taken apart; `before` is what precedes the tail."""

    segments: tuple[str, ...]
    tail: str = ""
    before: tuple[str, ...] = ()
    version: int = 1
    type: MessageType | None = None


@lru_cache(maxsize=1000)
def _read(name: str) -> _Name:
    segments = tuple(name.split("."))
    bare, version = _without_version(segments)
    for each, number in ((segments, 1), (bare, version)):
        for start in range(len(each)):
            tail = ".".join(each[start:])
            if (known := BY_TAIL.get(tail)) is not None:
                return _Name(
                    segments=segments,
                    tail=tail,
                    before=each[:start],
                    version=number,
                    type=known,
                )
    # Short of a tail, a number at the end is rather the location.
    is_versioned = len(bare) > 2 and bare != segments
    return (
        _Name(segments=bare, version=version)
        if is_versioned
        else _Name(segments=segments)
    )


def _without_version(segments: tuple[str, ...]) -> tuple[tuple[str, ...], int]:
    *rest, last = segments
    if rest and (match := VERSION.fullmatch(last)):
        return tuple(rest), int(match[1])
    if match := VERSION_SUFFIX.fullmatch(last):
        return (*rest, match[1]), int(match[2])
    return segments, 1


def _location(known: MessageType, key: _Name, source: str) -> str | None:
    """Return the second segment of the routing key, unless the type has no location."""
    if not known.between:
        return None
    if key.type is None:
        return _unknown(source, key.segments)[0]
    before = key.before
    # Counted from the tail, for a user name may have dots in it.
    place = -known.between if len(before) > known.between else 1
    return _told(before[place]) if len(before) > 1 else None


def _unknown(source: str, segments: Sequence[str]) -> tuple[str | None, str]:
    """Return location and tail of a type that no table knows, as far as names tell.

    The stars of the queue's name show which segments are not the tail.
    """
    pattern = source.split(".")
    stars = [place for place, each in enumerate(pattern) if each == "*"]
    if stars:
        tail = ".".join(_without_version(tuple(pattern[stars[-1] + 1 :] or [""]))[0])
        fits = len(segments) > stars[0]
        return (_told(segments[stars[0]]) if fits else None), tail[:LONGEST_TAIL]
    has_location = len(segments) > 2 and segments[1].isdecimal()
    tail = ".".join(segments[2 if has_location else 1 :]) or ".".join(segments)
    return (segments[1] if has_location else None), tail[:LONGEST_TAIL]


def _told(segment: str) -> str | None:
    return None if segment in WILD else segment


def _named(headers: Mapping[str, object]) -> _Name | None:
    """Return the type that a header names, by the vendor's id or by its tail."""
    for name, value in headers.items():
        if re.sub(r"[^a-z]", "", name.lower()) not in TYPE_HEADERS:
            continue
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        if not isinstance(text, str):
            continue
        (bare, *_), version = _without_version((text.strip(),))
        if (known := BY_ID.get(bare.lower())) is not None:
            return _Name(segments=(), tail=known.tail, version=version, type=known)
        if (read := _read(text.strip())).type is not None:
            return read
    return None
