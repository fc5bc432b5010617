"""Etrel Ocean's message queue, played on a real broker: its accesses and its stations."""

from .ocean import ApiAccess, EtrelOcean
from .station import ChargePoint, ChargingSession, Notification, Station

__all__ = [
    "ApiAccess",
    "ChargePoint",
    "ChargingSession",
    "EtrelOcean",
    "Notification",
    "Station",
]
