"""AMPECO, played: a tenant with its API, its sender, and a charge point where a car charges."""

from .charging import ChargePoint, Evse, Routine
from .sender import Sender, encoded, signature
from .subscriptions import Subscription
from .tenant import AmpecoTenant

__all__ = [
    "AmpecoTenant",
    "ChargePoint",
    "Evse",
    "Routine",
    "Sender",
    "Subscription",
    "encoded",
    "signature",
]
