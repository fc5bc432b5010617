"""The few facts of a notification that an event may carry: short, and about nobody."""

from collections.abc import Mapping
from typing import Final

from .fields import identifier, members, number, snake
from .notifications import CHARGING_PROFILE

type Fact = str | int | float | bool | None

LONGEST: Final = 100

# Numbers of things. Users, and what stands for one, are not among them.
IDS: Final = (
    *("chargePointId", "evseId", "sessionId", "reservationId", "authorizationId"),
    *("circuitId", "locationId", "tariffId", "transactionId", "idTagsId"),
    *("requestId", "parkingSpaceId", "partnerId", "partnerInviteId", "partnersId"),
    *("roamingPlatformId", "settlementReportId", "subscriptionPlanId"),
    *("installerJobId", "subOperatorId", "roamingId", "id"),
)
WORDS: Final = ("action", "status", "type", "occupancyStatus", "vendorId", "messageId")
TIMES: Final = ("timestamp", "lastUpdatedAt", "appliedAt", "createdAt")
TELLABLE: Final = frozenset({"notification", "critical", *IDS, *WORDS, *TIMES})

# An event's own type is the notification's name.
RENAMED: Final[Mapping[str, str]] = {"type": "kind"}

# Things that a notification may hold whole instead of their number alone.
WHOLE: Final = (
    *("chargePoint", "evse", "circuit", "location", "tariff", "reservation"),
    *("subOperator", "partner", "partnerInvite", "roamingPlatform", "transaction"),
    *("settlementReport", "subscriptionPlan", "installerJob", "authorization"),
)


def facts_of(name: str, body: Mapping[str, object]) -> dict[str, Fact]:
    """Return the facts by their names in snake case; what is not told is left out."""
    facts: dict[str, Fact] = {}
    for key in WHOLE:
        facts[f"{_name(key)}_id"] = identifier(members(body.get(key)).get("id"))
    for key in IDS:
        facts[_name(key)] = identifier(body.get(key)) or facts.get(_name(key))
    for key in WORDS:
        facts[_name(key)] = _word(body.get(key))
    if isinstance(critical := body.get("critical"), bool):
        facts["critical"] = critical
    if name == CHARGING_PROFILE:
        facts |= _profile(members(body.get("chargingProfile")))
    return {key: fact for key, fact in facts.items() if fact is not None}


def _profile(profile: Mapping[str, object]) -> dict[str, Fact]:
    """Return what a charging profile asks for first, in the unit it names."""
    periods = profile.get("schedulePeriods")
    first = members(periods[0]) if isinstance(periods, list) and periods else {}
    return {
        "purpose": _word(profile.get("purpose")),
        "stack_level": number(profile.get("stackLevel")),
        "limit": number(first.get("limit")),
        "unit": _word(profile.get("chargingRateUnit")),
        "periods": len(periods) if isinstance(periods, list) else None,
    }


def _word(raw: object) -> str | None:
    """Return a word of the vendor's as it is written, unless it is a whole text."""
    if not isinstance(raw, str):
        return None
    text = raw.strip()
    return text if 0 < len(text) <= LONGEST else None


def _name(key: str) -> str:
    return RENAMED.get(key) or snake(key) or key
