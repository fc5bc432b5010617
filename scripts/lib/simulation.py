"""The other side of the demo: a private RabbitMQ, a simulated Easee cloud, its cars."""

import asyncio
import contextlib
from dataclasses import dataclass, replace
import json
from pathlib import Path
import shutil
from typing import Any, Self

from simulator.easee import PLANS, EaseeAccount, EaseeCloud, ObservationId, play
from simulator.rabbitmq import Administrator, BrokerError, RabbitMQ

OPERATOR_ID = 4711


class SimulationError(Exception):
    """The simulated side could not start, or broke."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A session as its charger published it at its end; energy in kWh."""

    session_id: str
    energy: float


class Simulation:
    """An Easee account with two chargers, on a private broker, in one directory.

    The broker starts empty. Meters, session numbers and the cloud's address continue
    where the last run in the same directory left off.
    """

    username = "demo@example.com"
    password = "demo"

    def __init__(self, directory: Path, plan: str) -> None:
        self._state_file = directory / "state.json"
        self._broker = RabbitMQ(directory / "rabbitmq")
        self._plan = PLANS[plan]
        self._sessions: dict[str, list[Session]] = {}
        self._stack = contextlib.AsyncExitStack()
        self._task: asyncio.Task[None] | None = None
        self._account: EaseeAccount
        self._administrator: Administrator
        self._cloud: EaseeCloud

    @property
    def url(self) -> str:
        """The address of the cloud's API."""
        return self._cloud.url

    @property
    def ca_file(self) -> Path:
        """PEM of the authority that certified the broker."""
        return self._broker.ca_file

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BrokerError as error:
            await self._stack.aclose()
            raise SimulationError(str(error)) from error
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    def play(self) -> None:
        """Let the cars come, in the background."""
        self._task = asyncio.create_task(play(self._account, plan=self._plan))

    def raise_if_broken(self) -> None:
        """Raise when no cars come any more."""
        if self._task and self._task.done() and not self._task.cancelled():
            raise SimulationError("the simulation broke") from self._task.exception()

    def sessions(self) -> dict[str, list[Session]]:
        """The sessions since the start that were over when somebody asked, by serial.

        To be asked more often than sessions end.
        """
        for plan in self._plan.chargers:
            found = self._sessions.setdefault(plan.serial, [])
            known = {session.session_id for session in found}
            document = self._last_session(plan.serial)
            if (
                document["Id"] > plan.last_session_id
                and str(document["Id"]) not in known
            ):
                session = Session(
                    session_id=str(document["Id"]), energy=document["EnergyKwh"]
                )
                found.append(session)
        return {serial: list(found) for serial, found in self._sessions.items()}

    async def consumers(self) -> int:
        """The number of consumers that the account's queue has now."""
        return (await self._administrator.queue_state(self._account.queue)).consumers

    async def _start(self) -> None:
        state = self._load()
        shutil.rmtree(self._broker.directory, ignore_errors=True)
        await self._start_broker()
        self._administrator = await self._stack.enter_async_context(
            self._broker.administrator()
        )
        self._cloud = EaseeCloud(self._administrator, tls=True)
        self._stack.push_async_callback(self._cloud.stop)
        try:
            await self._cloud.start(state.get("port", 0))
        except OSError as error:
            raise SimulationError(
                f"The address of the last run's cloud is taken: {error}"
            ) from error
        self._account = await self._cloud.add_account(
            self.username, self.password, operator_id=OPERATOR_ID
        )
        self._plan.add_chargers(self._account)
        self._stack.push_async_callback(self._end)

    async def _start_broker(self) -> None:
        # A thread cannot be interrupted: what it starts is stopped once it has started.
        starting = asyncio.create_task(asyncio.to_thread(self._broker.start))
        self._stack.push_async_callback(asyncio.to_thread, self._broker.stop)
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            with contextlib.suppress(BrokerError):
                await starting
            raise

    async def _end(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._save()

    def _load(self) -> dict[str, Any]:
        if not self._state_file.exists():
            return {}
        state: dict[str, Any] = json.loads(self._state_file.read_text())
        chargers = [
            replace(plan, **state["chargers"][plan.serial])
            for plan in self._plan.chargers
        ]
        self._plan = replace(self._plan, chargers=tuple(chargers))
        return state

    def _save(self) -> None:
        port = int(self._cloud.url.rpartition(":")[2])
        chargers = {
            plan.serial: self._meter(plan.serial) for plan in self._plan.chargers
        }
        self._state_file.write_text(json.dumps({"port": port, "chargers": chargers}))

    def _meter(self, serial: str) -> dict[str, float]:
        """What the charger goes on with; a session that is cut off keeps its number."""
        held = self._account.chargers[serial].observations
        last = self._last_session(serial)
        begun = json.loads(str(held[ObservationId.CHARGING_SESSION_START][1]))
        if begun["Id"] == last["Id"]:
            return {
                "lifetime_energy": last["MeterValueStop"],
                "last_session_id": last["Id"],
            }
        charged = held[ObservationId.SESSION_ENERGY][1]
        return {
            "lifetime_energy": begun["MeterValue"] + charged,
            "last_session_id": begun["Id"] + 1,
        }

    def _last_session(self, serial: str) -> dict[str, Any]:
        text = self._account.chargers[serial].observations[
            ObservationId.CHARGING_SESSION
        ][1]
        session: dict[str, Any] = json.loads(str(text))
        return session
