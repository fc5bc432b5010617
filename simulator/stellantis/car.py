"""A car whose application sends its status, while it drives, is plugged in and charges."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from .platform import StellantisPlatform

_CAPACITY = 50.0
_RANGE_OF_A_PERCENT = 3.4


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingPlan:
    """How a car charges: percent a step, seconds a step, steps a session, pause between two."""

    steps: int = 20
    percent: float = 1.0
    period: float = 10.0
    pause: float = 60.0


@dataclass(slots=True, kw_only=True)
class Charge:
    """One charging session as it really was."""

    started_at: datetime
    stopped_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Car:
    """One car of an account; `charges` is the truth of what it did."""

    uid: str
    vin: str
    level: float = 40.0
    mileage: float = 12_345.0
    charges: list[Charge] = field(default_factory=list)

    def status(self, at: datetime, *, plugged: bool, charging: str) -> dict[str, Any]:
        """The status as the vendor's web API has it (connected car v4)."""
        minutes = (100 - self.level) * _CAPACITY / 100 / 7.4 * 60
        is_charging = charging == "InProgress"
        remaining = timedelta(minutes=round(minutes)) if is_charging else timedelta()
        return {
            "type": "status",
            "energies": [
                {
                    "type": "Electric",
                    "createdAt": at.isoformat().replace("+00:00", "Z"),
                    "level": round(self.level, 1),
                    "autonomy": round(self.level * _RANGE_OF_A_PERCENT),
                    "extension": {
                        "electric": {
                            "charging": {
                                "plugged": plugged,
                                "status": charging,
                                "chargingRate": 45 if is_charging else 0,
                                "chargingMode": "Slow" if is_charging else "No",
                                "remainingTime": _iso_duration(remaining),
                            }
                        }
                    },
                }
            ],
            "odometer": {
                "mileage": round(self.mileage, 1),
                "createdAt": at.isoformat().replace("+00:00", "Z"),
            },
        }

    async def charge(self, platform: StellantisPlatform, plan: ChargingPlan) -> None:
        """Come home, charge, and leave: one session."""
        await self.tell(platform, plugged=True, charging="Stopped")
        started_at = await self.tell(platform, plugged=True, charging="InProgress")
        charge = Charge(started_at=started_at)
        self.charges.append(charge)
        for _ in range(plan.steps):
            await asyncio.sleep(plan.period)
            self.level = min(100.0, self.level + plan.percent)
            await self.tell(platform, plugged=True, charging="InProgress")
        charge.stopped_at = await self.tell(platform, plugged=True, charging="Finished")
        await asyncio.sleep(plan.period)
        await self.tell(platform, plugged=False, charging="Disconnected")

    async def live(self, platform: StellantisPlatform, plan: ChargingPlan) -> None:
        """Charge and drive, until cancelled."""
        while True:
            await self.charge(platform, plan)
            await asyncio.sleep(plan.pause)
            self.level -= plan.steps * plan.percent
            self.mileage += plan.steps * plan.percent * _RANGE_OF_A_PERCENT

    async def tell(
        self, platform: StellantisPlatform, *, plugged: bool, charging: str
    ) -> datetime:
        """Send the status; returns its time, which is no finer than a millisecond."""
        at = datetime.now(UTC)
        at = at.replace(microsecond=at.microsecond // 1000 * 1000)
        status = self.status(at, plugged=plugged, charging=charging)
        await platform.say(self.uid, self.vin, status)
        return at


def _iso_duration(length: timedelta) -> str:
    minutes = int(length.total_seconds()) // 60
    return f"PT{minutes // 60}H{minutes % 60}M"
