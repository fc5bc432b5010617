"""The self-check of fleet, location and tenant: all that happened is known, and no more."""

import asyncio
from datetime import UTC, datetime
import json
import time

from . import ask
from .cards import Device, devices
from .compare import equal
from .fleet import Fleet
from .fleet_judge import Judge
from .home_assistant import HomeAssistant
from .report import Result

SECONDS = 30.0
SETTLE_TRIES = 50


class FleetCheck:
    """Watches until all that is expected was seen, or the time is over."""

    def __init__(self, home_assistant: HomeAssistant, fleet: Fleet) -> None:
        """`fleet` plays already, and was told of in two halves."""
        self._home_assistant = home_assistant
        self._fleet = fleet
        self._devices: dict[str, Device] = {}

    async def run(self) -> list[Result]:
        """Return the results; the accounts are gone afterwards."""
        await self._reload()
        wait = max(0.0, (self._fleet.turn - datetime.now(UTC)).total_seconds())
        deadline = time.monotonic() + wait + SECONDS
        while True:
            results = await self._judge()
            is_over = datetime.now(UTC) > self._fleet.turn
            if is_over and all(each.ok for each in results):
                break
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(1)
        return [*results, *await self._judge_privacy(), *await self._remove()]

    async def _reload(self) -> None:
        """Load the tenant's entry anew, for nobody waits until the rows follow by themselves.

        What is sent again comes after the first look at what was missed, and the next
        one is in some minutes.
        """
        point = str(self._fleet.tenant.routines[0].point.point_id)
        for device in await devices(self._home_assistant):
            if device.identifier == point:
                path = f"config/config_entries/entry/{device.entry_id}/reload"
                await self._home_assistant.post(path, {})

    async def _judge(self) -> list[Result]:
        now = datetime.now(UTC)
        found = await devices(self._home_assistant)
        self._devices = {each.identifier: each for each in found}
        states = await ask.states(self._home_assistant)
        results = [self._judge_devices(), self._judge_available(states)]
        if not results[0].ok:
            return results
        judge = Judge(
            home_assistant=self._home_assistant,
            fleet=self._fleet,
            devices=self._devices,
            states=states,
            now=now,
        )
        return results + await judge.judge()

    def _judge_devices(self) -> Result:
        """See that everything is there by its name."""
        names = self._fleet.names()
        seen = {each: self._name(each) for each in names}
        wrong = [f"{each}: {seen[each]}" for each in names if seen[each] != names[each]]
        return Result(
            check="fleet: devices",
            expected=f"{len(names)}, named",
            seen=", ".join(wrong) or f"{len(seen)}, named",
            ok=not wrong,
        )

    def _name(self, identifier: str) -> str:
        device = self._devices.get(identifier)
        return "missing" if device is None else device.name

    def _judge_available(self, states: dict[str, str]) -> Result:
        entities = [
            entity for device in self._ours() for entity in device.entities.values()
        ]
        gone = [each for each in entities if states.get(each) == "unavailable"]
        return equal(
            f"fleet: unavailable of {len(entities)}", "none", ", ".join(gone) or "none"
        )

    def _ours(self) -> list[Device]:
        """Return the accounts and all that belongs to them."""
        names = self._fleet.names()
        entries = {
            each.entry_id for each in self._devices.values() if each.identifier in names
        }
        return [each for each in self._devices.values() if each.entry_id in entries]

    async def _judge_privacy(self) -> list[Result]:
        """Look for what is nobody else's business, where anybody may look."""
        states = await self._home_assistant.get("states")
        places = {
            "log": self._home_assistant.log(),
            "states": json.dumps(states, ensure_ascii=False),
        }
        secrets = self._fleet.secrets()
        return [
            equal(
                f"fleet: {len(secrets)} secrets in the {place}",
                "none",
                ", ".join(sorted({secrets[each] for each in secrets if each in text}))
                or "none",
            )
            for place, text in places.items()
        ]

    async def _remove(self) -> list[Result]:
        ours = self._ours()
        for entry_id in {each.entry_id for each in ours}:
            path = f"config/config_entries/entry/{entry_id}"
            await self._home_assistant.delete(path)
        there = {each.identifier for each in await devices(self._home_assistant)}
        left = ", ".join(each.name for each in ours if each.identifier in there)
        subscriptions = len(self._fleet.tenant.tenant.subscriptions)
        return [
            equal("fleet removed: devices left", "none", left or "none"),
            equal("fleet removed: consumers left", "0", str(await self._consumers())),
            equal("fleet removed: subscriptions left", "0", str(subscriptions)),
        ]

    async def _consumers(self) -> int:
        left = 0
        for _ in range(SETTLE_TRIES):
            left = await self._fleet.consumers()
            if not left:
                break
            await asyncio.sleep(0.2)
        return left
