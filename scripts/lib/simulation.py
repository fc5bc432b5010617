"""The other side of the demo: a private RabbitMQ, a simulated Easee cloud, its cars."""

import asyncio
from collections.abc import Mapping
import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
import json
from pathlib import Path
import shutil
from typing import Any, Self, TypedDict

from simulator.easee import (
    PLANS,
    Backlog,
    EaseeAccount,
    EaseeCloud,
    Measurement,
    ObservationId,
    play,
)
from simulator.easee.backlog import add_chargers
from simulator.ports import BrokerError
from simulator.rabbitmq import Administrator, QueueState, RabbitMQ

from . import past
from .past import Session

OPERATOR_ID = 4711
SLICE = timedelta(minutes=5)
UPLOAD = timedelta(seconds=1)


class SimulationError(Exception):
    """The simulated side could not start, or broke."""


class Meter(TypedDict):
    """Where a charger's meter (kWh) and its session numbers are."""

    lifetime_energy: float
    last_session_id: int


class Simulation:
    """An Easee account with two chargers, on a private broker, in one directory.

    The broker starts empty. In a new directory the chargers have a past that nobody
    has heard of yet. Otherwise meters, session numbers and the cloud's address
    continue where the last run left off.
    """

    username = "demo@example.com"
    password = "demo"

    def __init__(self, directory: Path, plan: str) -> None:
        self._state_file = directory / "state.json"
        self._broker = RabbitMQ(directory / "rabbitmq")
        self._plan = PLANS[plan]
        self._past: Backlog | None = None
        self._sessions: dict[str, list[Session]] = {}
        self._stack = contextlib.AsyncExitStack()
        self._task: asyncio.Task[None] | None = None
        self._account: EaseeAccount
        self._administrator: Administrator
        self._cloud: EaseeCloud

    @property
    def past(self) -> Backlog | None:
        """What happened before the first run in the directory, None in a later one."""
        return self._past

    @property
    def url(self) -> str:
        """The address of the cloud's API."""
        return self._cloud.url

    @property
    def broker(self) -> RabbitMQ:
        """The broker; it runs while this is entered."""
        return self._broker

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

    async def report_before_outage(self, *, pause: float = 0.0) -> None:
        """Publish the beginning of the past, with so many seconds after five minutes."""
        assert self._past is not None
        reports = sorted(
            (measurement.time, serial, number)
            for serial, measurements in self._past.before.items()
            for number, measurement in enumerate(measurements)
        )
        begin = reports[0][0]
        for _, slice_ in groupby(reports, lambda report: (report[0] - begin) // SLICE):
            by_serial: dict[str, list[Measurement]] = {}
            for _, serial, number in slice_:
                measurement = self._past.before[serial][number]
                by_serial.setdefault(serial, []).append(measurement)
            for serial, measurements in by_serial.items():
                await self._account.publish_many(serial, measurements, delay=UPLOAD)
            await asyncio.sleep(pause)

    async def report_outage(self) -> None:
        """Publish the rest of the past; the cars that come later go on from there."""
        assert self._past is not None
        await self._administrator.publish_many(
            self._account.exchange, past.queue_of(self._past)
        )
        self._past.remember(self._account)
        self._continue(
            {plan.serial: self._meter(plan.serial) for plan in self._plan.chargers}
        )

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
            last = past.session_of(self._last_session(plan.serial))
            if (
                int(last.session_id) > plan.last_session_id
                and last.session_id not in known
            ):
                found.append(last)
        return {serial: list(found) for serial, found in self._sessions.items()}

    async def queue(self) -> QueueState:
        """What the account's queue holds now, and how many consume it."""
        return await self._administrator.queue_state(self._account.queue)

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
        if state:
            self._plan.add_chargers(self._account)
            for serial, kept in state["chargers"].items():
                self._account.chargers[serial].restore(kept["observations"])
        else:
            end = datetime.now(UTC) - past.ARRIVED_AFTER
            self._past = past.until(end)
            add_chargers(self._account, past.PAST, end - past.AWAY)
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
        self._continue(state["chargers"])
        return state

    def _continue(self, meters: Mapping[str, Meter]) -> None:
        """Let the cars that come find the chargers as they were left."""
        chargers = [
            replace(
                plan,
                lifetime_energy=meters[plan.serial]["lifetime_energy"],
                last_session_id=meters[plan.serial]["last_session_id"],
            )
            for plan in self._plan.chargers
        ]
        self._plan = replace(self._plan, chargers=tuple(chargers))

    def _save(self) -> None:
        """Let the cars leave, and keep what the chargers say after that."""
        port = int(self._cloud.url.rpartition(":")[2])
        now = datetime.now(UTC)
        chargers: dict[str, Any] = {}
        for plan in self._plan.chargers:
            charger = self._account.chargers[plan.serial]
            charger.unplug(now)
            chargers[plan.serial] = {
                **self._meter(plan.serial),
                "observations": charger.dump(),
            }
        self._state_file.write_text(json.dumps({"port": port, "chargers": chargers}))

    def _meter(self, serial: str) -> Meter:
        """What the charger goes on with; a session that is cut off keeps its number."""
        held = self._account.chargers[serial].observations
        last = json.loads(self._last_session(serial))
        begun = json.loads(str(held[ObservationId.CHARGING_SESSION_START][1]))
        if begun["Id"] == last["Id"]:
            return {
                "lifetime_energy": last["MeterValueStop"],
                "last_session_id": last["Id"],
            }
        charged = float(held[ObservationId.SESSION_ENERGY][1])
        return {
            "lifetime_energy": begun["MeterValue"] + charged,
            "last_session_id": begun["Id"] + 1,
        }

    def _last_session(self, serial: str) -> str:
        held = self._account.chargers[serial].observations
        return str(held[ObservationId.CHARGING_SESSION][1])
