"""Easee, played: its cloud, its chargers and the cars at them."""

from .account import EaseeAccount
from .api import Request
from .charger import EaseeCharger
from .cloud import EaseeCloud
from .observations import Measurement, ObservationId
from .plans import PLANS, FleetPlan, play

__all__ = [
    "PLANS",
    "EaseeAccount",
    "EaseeCharger",
    "EaseeCloud",
    "FleetPlan",
    "Measurement",
    "ObservationId",
    "Request",
    "play",
]
