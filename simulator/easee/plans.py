"""Prepared days at two chargers, and their performance in real time."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Protocol

from .account import EaseeAccount
from .car import Car, ChargerPlan, ChargerSimulation, Visit


class Clock(Protocol):
    """Where a performance takes its time from."""

    def now(self) -> datetime:
        """The time now, aware, UTC."""

    async def sleep_until(self, time: datetime) -> None:
        """Return at that time, at once when it is past."""


class RealTime:
    """The clock on the wall."""

    def now(self) -> datetime:
        """The time now, aware, UTC."""
        return datetime.now(UTC)

    async def sleep_until(self, time: datetime) -> None:
        """Return at that time, at once when it is past."""
        await asyncio.sleep((time - self.now()).total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """What happens at the chargers of one account."""

    chargers: tuple[ChargerPlan, ...]

    def add_chargers(self, account: EaseeAccount) -> None:
        """Give the account its chargers, with their meters where the plan begins."""
        for plan in self.chargers:
            account.add_charger(
                plan.serial,
                name=plan.name,
                product_code=plan.product_code,
                max_current=plan.max_current,
                lifetime_energy=plan.lifetime_energy,
                last_session_id=plan.last_session_id,
            )


async def play(
    account: EaseeAccount, *, plan: FleetPlan, clock: Clock | None = None
) -> None:
    """Perform a plan on chargers that the account has; returns when it is over."""
    clock = RealTime() if clock is None else clock
    start = clock.now()
    async with asyncio.TaskGroup() as group:
        for charger in plan.chargers:
            group.create_task(_play_charger(account, charger, start, clock))


async def _play_charger(
    account: EaseeAccount, plan: ChargerPlan, start: datetime, clock: Clock
) -> None:
    for measurement in ChargerSimulation(plan, start).measurements():
        await clock.sleep_until(measurement.time)
        await account.publish(
            plan.serial,
            measurement.observation_id,
            measurement.value,
            timestamp=measurement.time,
        )


# Minutes where a real car takes hours, so that a dashboard shows whole sessions. The
# energies follow: they are what flows in those minutes, no more.
DEMO = FleetPlan(
    chargers=(
        ChargerPlan(
            serial="EH482913",
            name="Garage",
            heartbeat=60,
            visits=(
                Visit(car=Car(energy=0.62), arrives_after=4, leaves_after=25),
                Visit(car=Car(energy=0.45), arrives_after=45, leaves_after=40),
                Visit(
                    car=Car(energy=0.8, token="04A1B2C3D4E5F6"),
                    arrives_after=30,
                    leaves_after=30,
                ),
            ),
        ),
        ChargerPlan(
            serial="EC507126",
            name="Driveway",
            product_code=102,
            lifetime_energy=312.46205,
            last_session_id=87,
            heartbeat=60,
            visits=(
                Visit(
                    car=Car(energy=0.34, current=32, phases=1),
                    arrives_after=12,
                    leaves_after=50,
                ),
                Visit(
                    car=Car(energy=0.5, current=32, phases=1),
                    arrives_after=60,
                    leaves_after=20,
                ),
            ),
        ),
    )
)

# A whole session at each charger within a minute, again and again.
CHECK = FleetPlan(
    chargers=(
        ChargerPlan(
            serial="EH482913",
            name="Garage",
            tick=1,
            ramp=4,
            heartbeat=20,
            visits=(
                Visit(
                    car=Car(energy=0.06),
                    arrives_after=2,
                    starts_after=3,
                    leaves_after=4,
                ),
            ),
        ),
        ChargerPlan(
            serial="EC507126",
            name="Driveway",
            product_code=102,
            lifetime_energy=312.46205,
            last_session_id=87,
            tick=1,
            ramp=4,
            heartbeat=20,
            visits=(
                Visit(
                    car=Car(energy=0.04, current=32, phases=1),
                    arrives_after=5,
                    starts_after=3,
                    leaves_after=4,
                ),
            ),
        ),
    )
)

PLANS: Mapping[str, FleetPlan] = MappingProxyType({"demo": DEMO, "check": CHECK})
