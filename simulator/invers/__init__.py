"""INVERS OneAPI, played: a fleet's event consumers, and the vehicles they hear of."""

from .events import Event, Topic, disturbed
from .fleet import EventConsumer, InversFleet
from .vehicles import Charge, Vehicle

__all__ = [
    "Charge",
    "Event",
    "EventConsumer",
    "InversFleet",
    "Topic",
    "Vehicle",
    "disturbed",
]
