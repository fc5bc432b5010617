"""The self-check's power cut: hours without Home Assistant must be as if it had been there."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
import time
from typing import Any

from simulator.easee import Backlog

from . import ask, dashboard, past
from .ask import Row
from .cards import Device, devices
from .dashboard import chargers_of, stream_of
from .home_assistant import HomeAssistant, InstanceError
from .past import HOUR, Session
from .report import Result, say
from .simulation import Simulation

OUTAGE_SECONDS = 90.0
SEED_SECONDS = 30.0
FLOW_PAUSE = 0.2
HOUR_TOLERANCE = 0.01  # kWh
ENERGY_TOLERANCE = 0.001  # kWh

# A sensor of another integration, whose rows are none of our business.
UNRELATED = "sensor.cellar_energy"
UNRELATED_HOURS = 20

type Meanwhile = Callable[[], Awaitable[None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What Home Assistant says of one charger.

    `hours` are kWh by the beginning of the hour, `changes` the session events that
    fired since its return.
    """

    name: str
    serial: str
    energy: str
    sessions: list[Row]
    hours: Mapping[datetime, float]
    changes: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What Home Assistant says after its return, at one moment."""

    statuses: list[str]
    backlogs: list[float]
    chargers: list[Told]
    unrelated: list[Row]
    problems: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """What was there when the power went, and when Home Assistant was started again."""

    unacknowledged: int
    is_flowing: bool
    waiting: int
    ended_at: datetime


class Outage:
    """Goes through the whole past of a simulation, with a Home Assistant that is live."""

    def __init__(
        self,
        home_assistant: HomeAssistant,
        simulation: Simulation,
        meanwhile: Meanwhile,
    ) -> None:
        """Expect a simulation that is new; `meanwhile` is done while nobody listens."""
        assert simulation.past is not None
        self._meanwhile = meanwhile
        self._home_assistant = home_assistant
        self._simulation = simulation
        self._past = simulation.past
        self._since = datetime.now(UTC)
        # Rows are asked for from a full hour on, the same one every time.
        hour = self._since.replace(minute=0, second=0, microsecond=0)
        self._rows_from = hour - past.AWAY - past.PAST.lead - 2 * HOUR

    async def run(self) -> list[Result]:
        """Return the results; Home Assistant is another process afterwards."""
        await self._seed_unrelated()
        unrelated = await self._unrelated_rows()
        cut = await self._cut()
        say(f"Starting Home Assistant again; {cut.waiting} messages wait")
        await self._home_assistant.start()
        await dashboard.install(self._home_assistant)
        deadline = time.monotonic() + OUTAGE_SECONDS
        while True:
            evidence = await self._gather()
            results = list(judge(self._past, cut, unrelated, evidence))
            if all(each.ok for each in results) or time.monotonic() > deadline:
                return results
            await asyncio.sleep(1)

    async def _cut(self) -> Cut:
        """End Home Assistant while messages flow, and let the rest of the past wait."""
        flow = asyncio.create_task(
            self._simulation.report_before_outage(pause=FLOW_PAUSE)
        )
        unacknowledged = await self._unacknowledged(flow)
        say("Ending Home Assistant as a power cut does")
        await self._home_assistant.kill()
        is_flowing = not flow.done()
        await flow
        await self._simulation.report_outage()
        await self._meanwhile()
        self._since = datetime.now(UTC)
        return Cut(
            unacknowledged=unacknowledged,
            is_flowing=is_flowing,
            waiting=(await self._simulation.queue()).ready,
            ended_at=self._since,
        )

    async def _unacknowledged(self, flow: asyncio.Task[None]) -> int:
        """Return how many messages are unacknowledged once a car's power is shown."""
        power = [
            charger.entities["total_power"]
            for charger in chargers_of(await devices(self._home_assistant))
        ]
        while not flow.done():
            shown = [
                (await self._home_assistant.get(f"states/{entity_id}"))["state"]
                for entity_id in power
            ]
            queue = await self._simulation.queue()
            if queue.unacknowledged and any(map(_is_positive, shown)):
                return queue.unacknowledged
            await asyncio.sleep(0.05)
        return 0

    async def _gather(self) -> Evidence:
        found = await devices(self._home_assistant)
        stream = stream_of(found)
        issues = await self._home_assistant.command("energy/validate")
        return Evidence(
            statuses=[
                state["state"] for state in await self._seen(stream, "stream_status")
            ],
            backlogs=[
                float(state["state"])
                for state in await self._seen(stream, "backlog")
                if state["state"].isdecimal()
            ],
            chargers=[await self._told(charger) for charger in chargers_of(found)],
            unrelated=await self._unrelated_rows(),
            problems=[
                issue["type"]
                for source in [*issues["energy_sources"], *issues["device_consumption"]]
                for issue in source
            ],
        )

    async def _told(self, charger: Device) -> Told:
        energy = charger.entities["energy"]
        return Told(
            name=charger.name,
            serial=charger.identifier,
            energy=(await self._home_assistant.get(f"states/{energy}"))["state"],
            sessions=await ask.sessions(self._home_assistant, charger),
            hours=await self._hours(charger),
            changes=[
                f"{event['event_type']} {event['session_id']}"
                f"{'' if event['replayed'] else ' as if now'}"
                for event in await ask.fired(self._home_assistant, charger, self._since)
            ],
        )

    async def _seen(self, device: Device, key: str) -> list[Row]:
        """Return an entity's states since the return, oldest first."""
        return await ask.past_states(
            self._home_assistant, device.entities[key], self._since
        )

    async def _hours(self, charger: Device) -> dict[datetime, float]:
        """Return what the Energy dashboard shows of each hour of the past."""
        rows = await ask.hourly_rows(
            self._home_assistant,
            charger.entities["energy"],
            self._rows_from,
            "change",
        )
        return {hour: row["change"] for hour, row in rows.items()}

    async def _unrelated_rows(self) -> list[Row]:
        rows = await ask.hourly_rows(
            self._home_assistant, UNRELATED, self._rows_from, "state", "sum", "change"
        )
        return [*rows.values()]

    async def _seed_unrelated(self) -> None:
        """Give another sensor a row for each hour that may be touched."""
        # Of the newest hour the recorder may not have compiled the rows yet.
        last = self._since.replace(minute=0, second=0, microsecond=0) - 2 * HOUR
        await self._home_assistant.command(
            "recorder/import_statistics",
            metadata={
                "has_mean": False,
                "has_sum": True,
                "mean_type": 0,
                "name": None,
                "source": "recorder",
                "statistic_id": UNRELATED,
                "unit_class": "energy",
                "unit_of_measurement": "kWh",
            },
            stats=[
                {
                    "start": (last - number * HOUR).isoformat(),
                    "state": 70.0 - number,
                    "sum": 40.0 - number,
                }
                for number in range(UNRELATED_HOURS)
            ],
        )
        deadline = time.monotonic() + SEED_SECONDS
        while len(await self._unrelated_rows()) < UNRELATED_HOURS:
            if time.monotonic() > deadline:
                raise InstanceError("the recorder did not take the rows of a sensor")
            await asyncio.sleep(0.2)


def judge(
    whole: Backlog, cut: Cut, unrelated: list[Row], evidence: Evidence
) -> Iterator[Result]:
    """Compare what Home Assistant says with what the chargers measured."""
    yield Result(
        check="power cut: messages not acknowledged",
        expected="> 0, more to come",
        seen=f"{cut.unacknowledged}, {'more' if cut.is_flowing else 'nothing'} to come",
        ok=cut.unacknowledged > 0 and cut.is_flowing,
    )
    statuses = evidence.statuses
    yield Result(
        check="replay: status",
        expected="replaying, then live",
        seen=", then ".join(dict.fromkeys(statuses)) or "none",
        ok="replaying" in statuses and statuses[-1:] == ["live"],
    )
    most = max(evidence.backlogs, default=0)
    yield Result(
        check="replay: messages",
        expected=str(cut.waiting),
        seen=f"{most:.0f}",
        ok=most == cut.waiting,
    )
    for told in evidence.chargers:
        yield from _judge_charger(whole, cut.ended_at, told)
    changed = sum(row not in evidence.unrelated for row in unrelated)
    added = len(evidence.unrelated) - len(unrelated)
    yield Result(
        check=f"unrelated sensor: {len(unrelated)} rows",
        expected="untouched",
        seen=f"{changed} changed, {added} more" if changed or added else "untouched",
        ok=not changed and not added,
    )
    problems = ", ".join(evidence.problems) or "none"
    yield Result(
        check="Energy dashboard: problems",
        expected="none",
        seen=problems,
        ok=not evidence.problems,
    )


def _judge_charger(whole: Backlog, ended_at: datetime, told: Told) -> Iterator[Result]:
    course = whole.course[told.serial]
    yield _judge_sessions(told, past.sessions(course))
    yield _judge_changes(whole, told)
    register = past.sessions(course)[-1].meter_stop
    yield Result(
        check=f"{told.name}: energy after the outage",
        expected=f"{register:.3f} kWh",
        seen=told.energy,
        ok=_is_close(told.energy, register),
    )
    # The hour that runs is the recorder's own.
    now = ended_at.replace(minute=0, second=0, microsecond=0)
    flowed = {
        hour: energy
        for hour, energy in past.hourly_energy(course).items()
        if hour < now
    }
    worst = max(abs(told.hours.get(hour, 0.0) - flowed[hour]) for hour in flowed)
    total = sum(told.hours.get(hour, 0.0) for hour in flowed)
    yield Result(
        check=f"{told.name}: energy of {len(flowed)} past hours",
        expected=f"{sum(flowed.values()):.2f} kWh",
        seen=f"{total:.2f} kWh, an hour off by {worst:.4f} at most",
        ok=worst <= HOUR_TOLERANCE,
    )


def _judge_changes(whole: Backlog, told: Told) -> Result:
    """See that each start and stop of the outage was told once, and in true order.

    What was told just before the power cut may be told again: only then is it certain.
    """
    earlier = past.changes(whole.before[told.serial])
    expected = past.changes(whole.measurements[told.serial])
    seen = [change for change in told.changes if change not in earlier]
    return Result(
        check=f"{told.name}: starts and stops told",
        expected=f"{len(expected)}, each once",
        seen=f"{len(seen)}, each once"
        if seen == expected
        else ", ".join(seen) or "none",
        ok=seen == expected,
    )


def _judge_sessions(told: Told, sessions: list[Session]) -> Result:
    """Compare with the action's answer; it also knows the one before everything."""
    before = str(int(sessions[0].session_id) - 1)
    expected = [(session.session_id, session.energy) for session in sessions]
    seen = [
        (row["session_id"], row["energy"])
        for row in told.sessions
        if row["session_id"] != before
    ]
    return Result(
        check=f"{told.name}: sessions",
        expected=_listed(expected),
        seen=_listed(seen) or "none",
        ok=len(seen) == len(expected)
        and all(
            number == true_number and _is_close(energy, true_energy)
            for (number, energy), (true_number, true_energy) in zip(
                seen, expected, strict=True
            )
        ),
    )


def _listed(sessions: list[tuple[Any, Any]]) -> str:
    return ", ".join(f"{number}: {energy}" for number, energy in sessions)


def _is_positive(state: str) -> bool:
    return state not in ("unknown", "unavailable") and float(state) > 0


def _is_close(seen: object, expected: float) -> bool:
    try:
        return abs(float(str(seen)) - expected) <= ENERGY_TOLERANCE
    except ValueError:
        return False
