"""Prepared days at a few chargers, and their performance in real time."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
    lead: timedelta = timedelta(0)
    """How much of it is over when an outage begins, if one does."""

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
                Visit(
                    car=Car(energy=0.62, token="04A1B2C3D4E5F6"),
                    arrives_after=4,
                    leaves_after=25,
                ),
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

# Half a day without a consumer, in a house, a drive and a yard. When it begins, a car is
# charging in the house and at the drive; one that has come to the yard meanwhile is not
# done when it ends. About ten thousand messages are missed.
OUTAGE = FleetPlan(
    lead=timedelta(hours=2),
    chargers=(
        ChargerPlan(
            serial="EH482913",
            name="Garage",
            tick=20,
            visits=(
                Visit(
                    car=Car(energy=8.4),
                    arrives_after=5460,
                    starts_after=12,
                    leaves_after=1500,
                ),
                Visit(
                    car=Car(energy=4.6),
                    arrives_after=13300,
                    starts_after=25,
                    leaves_after=9400,
                ),
                Visit(
                    car=Car(energy=2.1),
                    arrives_after=8300,
                    starts_after=8,
                    leaves_after=700,
                ),
            ),
        ),
        ChargerPlan(
            serial="EC507126",
            name="Driveway",
            product_code=102,
            lifetime_energy=312.46205,
            last_session_id=87,
            tick=30,
            visits=(
                Visit(
                    car=Car(energy=8.3, current=32, phases=1),
                    arrives_after=3120,
                    starts_after=40,
                    leaves_after=7600,
                ),
                Visit(
                    car=Car(energy=4.1, current=32, phases=1),
                    arrives_after=16900,
                    starts_after=15,
                    leaves_after=900,
                ),
                Visit(
                    car=Car(energy=6.4, current=32, phases=1),
                    arrives_after=18000,
                    starts_after=20,
                    leaves_after=3600,
                ),
            ),
        ),
        ChargerPlan(
            serial="EH730254",
            name="Yard",
            product_code=103,
            max_current=20,
            lifetime_energy=20519.004718,
            last_session_id=1201,
            tick=20,
            visits=(
                Visit(
                    car=Car(energy=6.7, current=20, token="04A1B2C3D4E5F6"),
                    arrives_after=10900,
                    starts_after=21,
                    leaves_after=3900,
                ),
                Visit(
                    car=Car(energy=26.0, current=20, token="7B22F09C"),
                    arrives_after=29850,
                    starts_after=33,
                    leaves_after=1800,
                ),
            ),
        ),
    ),
)

PLANS: Mapping[str, FleetPlan] = MappingProxyType({"demo": DEMO, "check": CHECK})
