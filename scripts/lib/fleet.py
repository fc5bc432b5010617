"""The demo's other accounts: an INVERS fleet, an Etrel location and an AMPECO tenant."""

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
import json
from pathlib import Path
import time
from typing import Any, Self

from simulator.etrel.station import ChargingSession
from simulator.live import API_KEY, Scene, Stage, scene_at
from simulator.live_tenant import API_TOKEN, LiveTenant
from simulator.rabbitmq import RabbitMQ

from .cards import DOMAIN
from .home_assistant import HomeAssistant, InstanceError

PAST = timedelta(hours=12)
# The vendor deletes the queue of a consumer that was away for longer.
KEPT = timedelta(days=3)
TENANT = "AMPECO"
PATIENCE = 30.0
# When one vehicle is charged, one car leaves and another one comes.
TURN = {"demo": timedelta(minutes=3), "check": timedelta(seconds=45)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """What a user types for an account; `title` is that of the entry it makes."""

    provider: str
    title: str
    fields: dict[str, Any]


class Fleet:
    """Three accounts in one directory: what they told before, and what happens now.

    In a new directory there are some hours of which nobody has heard; in a later run
    it is what happened in between. Leaving keeps where it stands.
    """

    stage: Stage
    tenant: LiveTenant

    def __init__(self, directory: Path, broker: RabbitMQ, plan: str) -> None:
        """`broker` has to run when this is entered."""
        self._directory = directory
        self._broker = broker
        self._plan = plan
        self._stack = contextlib.AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self.away_since = self.away_until = self.live_since = datetime.now(UTC)
        self.begin = self.turn = self.away_since

    @property
    def scene(self) -> Scene:
        """Who is played on the broker."""
        return self.stage.scene

    async def __aenter__(self) -> Self:
        told_until = self._load()
        self.begin = told_until
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._save)
            self.stage = await stack.enter_async_context(
                Stage(self._broker, scene_at(self.turn), told_until)
            )
            self.tenant = await stack.enter_async_context(
                LiveTenant(self.turn, told_until)
            )
            stack.push_async_callback(self._end)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    async def tell_past(self, *, whole: bool) -> None:
        """Let what nobody has heard wait in the queues: all of it, or the older half."""
        await self.stage.introduce()
        until = datetime.now(UTC) if whole else self.begin + PAST / 2
        await self.stage.tell(until)

    async def tell_rest(self) -> None:
        """Let the other half wait as well, and the tenant call somebody who is away."""
        self.away_since = self.stage.told_until
        self.away_until = datetime.now(UTC)
        # Home Assistant writes names late: the power took those that it had heard.
        await self.stage.name_vehicles()
        await self.stage.tell(self.away_until)
        await self.tenant.tell(self.away_until)

    def play(self) -> None:
        """Let everybody go on, in the background."""
        self.live_since = datetime.now(UTC)
        self._tasks = [
            asyncio.create_task(self.stage.play()),
            asyncio.create_task(self.tenant.play()),
        ]

    def raise_if_broken(self) -> None:
        """Raise when somebody tells nothing any more."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                raise InstanceError("the fleet broke down") from task.exception()

    @property
    def forms(self) -> tuple[Form, ...]:
        """What is typed to add the accounts."""
        consumer, access = self.stage.consumer, self.stage.access
        return (
            Form(
                provider="invers",
                title="INVERS",
                fields={
                    "host": consumer.host,
                    "port": consumer.tls_port,
                    "virtual_host": consumer.virtual_host,
                    "username": consumer.username,
                    "password": consumer.password,
                    "queues": [*consumer.queues.values()],
                    "advanced": {"tls": True},
                },
            ),
            Form(
                provider="etrel",
                title="Etrel",
                fields={
                    "host": consumer.host,
                    "port": consumer.port,
                    "virtual_host": self.stage.ocean.administrator.virtual_host,
                    "username": access.username,
                    "password": API_KEY,
                    "queues": [*access.queues],
                    "advanced": {"tls": False, "energy_unit": "kWh"},
                },
            ),
            Form(
                provider="ampeco_webhook",
                title=TENANT,
                fields={
                    "name": TENANT,
                    "api_token": API_TOKEN,
                    "tenant_url": self.tenant.tenant.url,
                },
            ),
        )

    def secrets(self) -> dict[str, str]:
        """Return what must be neither in a log nor in a state, by what it is."""
        stage = self.stage
        sessions = stage.scene.station.sessions(self.begin, datetime.now(UTC))
        return {
            **{each.vin: "VIN" for each in self.scene.vehicles},
            **{each.license_plate: "plate" for each in self.scene.vehicles},
            **{token_of(each): "RFID token" for each in sessions},
            **{each.id_tag: "RFID token" for each in self.tenant.routines},
            "kim@example.com": "e-mail address",
            "+386 1 555 0100": "telephone number",
            "fleetDriver": "personal data",
            stage.consumer.password: "password",
            API_KEY: "API key",
            API_TOKEN: "API token",
        }

    def names(self) -> dict[str, str]:
        """Return what each device is called, by its identifier."""
        station = self.scene.station
        names = {each.vehicle_id: each.custom_name for each in self.scene.vehicles}
        names[f"location_{station.location_id}"] = station.name
        for point in station.charge_points:
            names[point.code] = f"Charge point {point.code}"
            for connector in range(1, point.connectors + 1):
                identifier = f"{point.code}_connector_{connector}"
                names[identifier] = f"{point.code} connector {connector}"
        for routine in self.tenant.routines:
            names[str(routine.point.point_id)] = routine.point.name
            names[f"evse_{routine.evse.evse_id}"] = (
                f"EVSE {routine.evse.physical_reference}"
            )
        return names

    async def consumers(self) -> int:
        """Return how many read from the queues now."""
        stage = self.stage
        states = [
            *[
                await stage.fleet.queue_state(stage.consumer, topic)
                for topic in stage.consumer.queues
            ],
            *[
                await stage.ocean.queue_state(stage.access, tail)
                for tail in stage.access.queues
            ],
        ]
        return sum(each.consumers for each in states)

    def _load(self) -> datetime:
        """Return until when all was told, and know the turn around which all is laid out."""
        now = datetime.now(UTC).replace(microsecond=0)
        if self._state_file.exists():
            state = json.loads(self._state_file.read_text())
            self.turn = datetime.fromisoformat(state["turn"])
            return max(datetime.fromisoformat(state["told_until"]), now - KEPT)
        self.turn = now + TURN[self._plan]
        return now.replace(minute=0, second=0) - PAST

    def _save(self) -> None:
        self._directory.mkdir(exist_ok=True)
        state = {"turn": self.turn, "told_until": self.stage.told_until}
        self._state_file.write_text(
            json.dumps({name: each.isoformat() for name, each in state.items()})
        )

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def _state_file(self) -> Path:
        return self._directory / "fleet.json"


def token_of(session: ChargingSession) -> str:
    """Return the card with which a session of the location was begun."""
    return f"04{session.session_id:012X}"


async def connect(home_assistant: HomeAssistant, fleet: Fleet) -> None:
    """Add the accounts through their flows; those of the last run get new addresses."""
    # The tenant calls Home Assistant where it listens, which is on loopback only.
    await home_assistant.command("config/core/update", internal_url=home_assistant.url)
    entries = await home_assistant.get(
        f"config/config_entries/entry?domain={DOMAIN}&type=hub"
    )
    known = {entry["title"]: entry["entry_id"] for entry in entries}
    for form in fleet.forms:
        await _add(home_assistant, form, known.get(form.title))
    # Nothing waits at a tenant at which nobody has subscribed: it tells the past now.
    await _wait_for_subscription(fleet)
    await fleet.tenant.introduce()
    await fleet.tenant.tell(fleet.stage.told_until)


async def _wait_for_subscription(fleet: Fleet) -> None:
    deadline = time.monotonic() + PATIENCE
    while not fleet.tenant.tenant.subscriptions:
        if time.monotonic() > deadline:
            raise InstanceError("nobody has subscribed at the tenant")
        await asyncio.sleep(0.1)


async def _add(home_assistant: HomeAssistant, form: Form, entry_id: str | None) -> None:
    """Go through one flow, as a user does: a new account's, or one that changes it."""
    path = "config/config_entries/flow"
    steps: list[dict[str, Any]] = [form.fields]
    start = {"handler": DOMAIN}
    if entry_id is None:
        steps.insert(0, {"next_step_id": form.provider})
    else:
        start["entry_id"] = entry_id
    flow = await home_assistant.post(path, start)
    for step in steps:
        flow = await home_assistant.post(f"{path}/{flow['flow_id']}", step)
    done = "reconfigure_successful"
    if flow["type"] != "create_entry" and flow.get("reason") != done:
        why = flow.get("errors") or flow
        raise InstanceError(f"{form.title} could not be added: {why}")
