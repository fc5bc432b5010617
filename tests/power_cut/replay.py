"""Half a day without Home Assistant, and a replay of it that is cut off again and again."""

import asyncio
from collections.abc import Awaitable, Callable
import contextlib
from datetime import UTC, datetime, timedelta
import json
import math
from pathlib import Path
from typing import Any

from scripts.lib.cards import Device, devices
from scripts.lib.configuration import prepare
from scripts.lib.dashboard import stream_of
from scripts.lib.home_assistant import HomeAssistant
from simulator.administrator import QueueState
from simulator.easee import OUTAGE, EaseeAccount, EaseeCloud, make_backlog
from simulator.easee.backlog import add_chargers
from simulator.rabbitmq import RabbitMQ

from . import database
from .beginning import (
    CONFIGURATION,
    UNRELATED,
    add_account,
    import_earlier_rows,
    no_compilation_within,
)
from .evidence import (
    COUNTED,
    MEANS,
    METERS,
    Cut,
    Evidence,
    Fired,
    RowsBySensor,
    true_rows,
    truths_of,
    wrong_rows,
)

AWAY = timedelta(hours=12)
# Whose last sums the recorder still has when the outage is over.
REMEMBERED = OUTAGE.chargers[:2]
CUTS_WITHIN = 8
# After the broker was relieved of so many messages, the next transaction may be pending,
# under way, or not begun.
SECONDS_TO_CUT = (0.0, 0.02, 0.05, 0.1, 0.0, 0.08, 0.03, 0.01)
PATIENCE = 60.0
WITNESS = Path(__file__).with_name("witness")


async def run(directory: Path, executable: Path, broker: RabbitMQ) -> Evidence:
    """Go through all of it; takes some minutes."""
    async with (
        broker.administrator() as administrator,
        EaseeCloud(administrator) as cloud,
    ):
        account = await cloud.add_account(
            "operator@example.com", "right", operator_id=4711
        )
        replay = Replay(directory, executable, cloud, account)
        try:
            await replay.see_the_beginning()
            await replay.be_away()
            for number in range(CUTS_WITHIN):
                await replay.cut_within(number)
            await replay.cut_before_import()
            await replay.cut_during_import()
            return await replay.finish()
        finally:
            await replay.home_assistant.kill()


class Replay:
    """One Home Assistant, from a moment before the outage on.

    It all happens now. What Home Assistant has seen until the outage is made older
    by the length of the outage, which is what a recorder finds after one.
    """

    def __init__(
        self,
        directory: Path,
        executable: Path,
        cloud: EaseeCloud,
        account: EaseeAccount,
    ) -> None:
        """Plan the outage to end now; nothing is started yet."""
        end = datetime.now(UTC)
        self.home_assistant = HomeAssistant(directory, executable=executable)
        self._start = end - AWAY
        self._backlog = make_backlog(OUTAGE, self._start, end)
        self._expected = true_rows(truths_of(self._backlog))
        self._meters = {
            sensor: hours
            for sensor, hours in self._expected.items()
            if sensor[1] in METERS
        }
        self._directory = directory
        self._cloud = cloud
        self._account = account
        self._cuts: list[Cut] = []
        self._unrelated: dict[datetime, list[database.Row]] = {}
        self._shown: dict[tuple[str, str], str] = {}
        self._devices: dict[str, Device] = {}
        self._stream: Device

    async def see_the_beginning(self) -> None:
        """Let Home Assistant see what happened until the outage, then stop it."""
        add_chargers(self._account, OUTAGE, self._start)
        prepare(self._directory, self.home_assistant.port)
        components = self._directory / "custom_components"
        (components / WITNESS.name).symlink_to(WITNESS)
        with (self._directory / "configuration.yaml").open("a") as configuration:
            configuration.write(CONFIGURATION)
        await self.home_assistant.start()
        await add_account(self.home_assistant, self._cloud, self._account)
        found = await devices(self.home_assistant)
        self._devices = {device.identifier: device for device in found}
        self._stream = stream_of(found)
        await self._wait_for(self._is_live, "live")
        await import_earlier_rows(self.home_assistant, self._devices, self._start, AWAY)
        # The late hours of the beginning must wait until the outage is over: what is
        # imported now would be made older with all the rest.
        await no_compilation_within(20)
        for serial, measurements in self._backlog.before.items():
            await self._account.publish_many(
                serial, measurements, delay=timedelta(seconds=1)
            )
        await self._wait_for(self._shows_the_beginning, "states of the beginning")
        self._shown = await self._states()
        await self.home_assistant.stop()

    async def be_away(self) -> None:
        """Make what there is as old as the outage is long, and queue its messages."""
        database.age(self._directory, AWAY)
        # Of the others the recorder has forgotten what they had counted, as it does of
        # a sensor that was silent for days: there it begins at 0 again.
        for plan in REMEMBERED:
            for key in METERS:
                shown = float(self._shown[plan.serial, key])
                database.add_newest_sum(
                    self._directory,
                    self._devices[plan.serial].entities[key],
                    state=shown,
                    total=COUNTED + shown - plan.lifetime_energy,
                )
        self._unrelated = database.whole_rows(self._directory, UNRELATED)
        administrator, exchange = self._account.administrator, self._account.exchange
        await administrator.publish_many(exchange, self._backlog.messages)

    async def cut_within(self, number: int) -> None:
        """Start, and cut the power when the next part of the messages is acknowledged."""
        left = _left(await self._queue())
        # A good part remains for the next start, however late we look.
        allowed = left - left // (CUTS_WITHIN + 3 - number)

        async def is_far_enough() -> bool:
            return _left(await self._queue()) <= allowed

        self.home_assistant.launch()
        await self._wait_for(is_far_enough, f"{allowed} messages left")
        await asyncio.sleep(SECONDS_TO_CUT[number])
        await self._cut()

    async def cut_before_import(self) -> None:
        """Cut the power when the last message has just been acknowledged."""
        self.home_assistant.launch()
        await self._wait_for(self._is_queue_empty, "an empty queue")
        await self._cut()

    async def cut_during_import(self) -> None:
        """Cut the power when the first rows of the missed hours have become right."""

        async def is_importing() -> bool:
            return self._right_hours() > 0

        self.home_assistant.launch()
        await self._wait_for(is_importing, "an imported row")
        await self._cut()

    async def finish(self) -> Evidence:
        """Let it come to its end undisturbed, then look at everything."""
        await self.home_assistant.start()
        await self._wait_for(self._is_live, "live")
        await self._wait_for(self._is_queue_empty, "an empty queue")
        with contextlib.suppress(AssertionError):
            # What is wrong in the end is told by who looks at the evidence.
            await self._wait_for(self._is_all_right, "true rows")
        rows = await self._rows()
        states, sessions = await self._states(), await self._sessions()
        await self.home_assistant.stop()
        return Evidence(
            backlog=self._backlog,
            cuts=self._cuts,
            states=states,
            sessions=sessions,
            fired=self._fired(),
            rows=rows,
            newest_sums={
                (plan.serial, key): database.newest_sum(
                    self._directory, self._devices[plan.serial].entities[key]
                )
                for plan in REMEMBERED
                for key in METERS
            },
            unrelated_before=self._unrelated,
            unrelated_after=database.whole_rows(self._directory, UNRELATED),
            queue=await self._queue(),
            log=self.home_assistant.log(),
        )

    async def _cut(self) -> None:
        left = _left(await self._queue())
        await self.home_assistant.kill()
        self._cuts.append(Cut(left=left, right_hours=self._right_hours()))

    async def _wait_for(
        self, condition: Callable[[], Awaitable[bool]], what: str
    ) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not await condition():
                    assert self.home_assistant.exit_code is None, "it has ended"
                    await asyncio.sleep(0.01)
        except TimeoutError:
            queue = await self._queue()
            error = AssertionError(f"in vain waited for: {what}; {queue}")
            error.add_note(self.home_assistant.log()[-4000:])
            raise error from None

    async def _queue(self) -> QueueState:
        return await self._account.administrator.queue_state(self._account.queue)

    async def _is_queue_empty(self) -> bool:
        return not _left(await self._queue())

    async def _is_live(self) -> bool:
        status = self._stream.entities["stream_status"]
        return bool(
            (await self.home_assistant.get(f"states/{status}"))["state"] == "live"
        )

    async def _shows_the_beginning(self) -> bool:
        states = await self._states()
        return await self._is_queue_empty() and all(
            _shown(states[plan.serial, key]) == float(newest)
            for plan in OUTAGE.chargers
            for key, observation_id in MEANS.items()
            if (newest := self._newest_before(plan.serial, observation_id)) is not None
        )

    def _newest_before(self, serial: str, observation_id: int) -> float | None:
        values = [
            float(m.value)
            for m in self._backlog.before[serial]
            if m.observation_id == observation_id
        ]
        return values[-1] if values else None

    async def _is_all_right(self) -> bool:
        await asyncio.sleep(0.5)
        return not wrong_rows(self._expected, await self._rows())

    def _right_hours(self) -> int:
        """How many of the missed hours have their true sums."""
        return sum(
            math.isclose(seen.get(hour, math.nan), true["sum"], abs_tol=0.005)
            for (serial, key), hours in self._meters.items()
            for seen in [
                database.sums(self._directory, self._devices[serial].entities[key])
            ]
            for hour, true in hours.items()
            if hour >= self._start
        )

    async def _states(self) -> dict[tuple[str, str], str]:
        states = {
            state["entity_id"]: state["state"]
            for state in await self.home_assistant.get("states")
        }
        return {
            (serial, key): states[entity_id]
            for serial, device in self._devices.items()
            for key, entity_id in device.entities.items()
        }

    async def _sessions(self) -> dict[str, list[dict[str, Any]]]:
        found = {}
        for plan in OUTAGE.chargers:
            asked = {
                "device_id": [self._devices[plan.serial].device_id],
                # The session of the day before is none of the plan's.
                "from": (self._start - OUTAGE.lead).isoformat(),
            }
            answer = await self.home_assistant.post(
                "services/ev_streams/get_sessions?return_response", asked
            )
            found[plan.serial] = answer["service_response"]["sessions"]
        return found

    async def _rows(self) -> RowsBySensor:
        sensors = {
            self._devices[serial].entities[key]: (serial, key)
            for serial, key in self._expected
        }
        answer = await self.home_assistant.command(
            "recorder/statistics_during_period",
            start_time=(self._start - AWAY).isoformat(),
            statistic_ids=list(sensors),
            period="hour",
            types=["sum", "mean", "min", "max"],
        )
        return {
            sensor: {
                datetime.fromtimestamp(row["start"] / 1000, UTC): row
                for row in answer.get(entity_id, [])
            }
            for entity_id, sensor in sensors.items()
        }

    def _fired(self) -> list[Fired]:
        """What the witness heard; the same time once more is a state restored, no event."""
        serials = {
            self._devices[plan.serial].entities["charging_session"]: plan.serial
            for plan in OUTAGE.chargers
        }
        heard: dict[tuple[str, str], Fired] = {}
        for line in (self._directory / "witness.jsonl").read_text().splitlines():
            said = json.loads(line)
            if said.get("event_type") is not None:
                heard[said["entity_id"], said["state"]] = Fired(
                    serial=serials[said["entity_id"]],
                    session_id=int(said["session_id"]),
                    phase=said["event_type"],
                    replayed=said["replayed"],
                )
        return list(heard.values())


def _left(queue: QueueState) -> int:
    return queue.ready + queue.unacknowledged


def _shown(state: str) -> float:
    try:
        return float(state)
    except ValueError:
        return math.nan
