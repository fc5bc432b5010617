"""Easee, played: its cloud, its chargers and the cars at them."""

from ..http_api import Request
from .account import EaseeAccount
from .backlog import Backlog, make_backlog
from .charger import EaseeCharger
from .cloud import EaseeCloud
from .observations import Measurement, ObservationId
from .plans import OUTAGE, PLANS, FleetPlan, play

__all__ = [
    "OUTAGE",
    "PLANS",
    "Backlog",
    "EaseeAccount",
    "EaseeCharger",
    "EaseeCloud",
    "FleetPlan",
    "Measurement",
    "ObservationId",
    "Request",
    "make_backlog",
    "play",
]
