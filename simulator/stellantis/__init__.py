"""The partners' messaging of Stellantis, played on a real broker: its accounts and its cars."""

from .car import Car, ChargingPlan
from .platform import Account, StellantisPlatform

__all__ = ["Account", "Car", "ChargingPlan", "StellantisPlatform"]
