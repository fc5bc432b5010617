"""The demo's self-check: what the cars did must arrive in Home Assistant, whole and right."""

import asyncio
from collections.abc import Iterator
import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
import re
import time
from typing import Any

from .cards import Device, devices
from .dashboard import chargers_of, stream_of
from .home_assistant import HomeAssistant
from .past import Session
from .report import Result
from .simulation import Simulation

CHECK_SECONDS = 100.0
SETTLE_TRIES = 50
ENERGY_TOLERANCE = 0.001  # kWh
LATENCY_LIMIT = 5.0  # s
MESSAGE_AGE_LIMIT = 330.0  # s
HISTORY_KEYS = (
    "total_power",
    "session_energy",
    "energy",
    "lifetime_energy",
    "charging_session",
)

RECORD = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+ (?P<level>[A-Z]+) \(", re.MULTILINE)
# What mentions the integration, or a library that it alone brings, is its own; a folder
# of the checkout may well have the same name.
OURS = re.compile(r"custom_components[./]ev_streams|aio_pika|aiormq|pamqp|paho|kafka")
# Home Assistant goes without these of the system, whatever integrations there are.
MISSING_LIBRARY = re.compile(
    r"'ffmpeg'|Unable to locate turbojpeg|No module named '(?:pymicro_vad|pyspeex_noise)'"
)
# Home Assistant says this of every custom integration.
CUSTOM_INTEGRATION_NOTICE = "We found a custom integration"

type State = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What Home Assistant's REST interface, the broker and the simulator say at one moment.

    `states` holds the state of every entity, `history` the states of some since the
    beginning, oldest first, both by entity id. `sessions` are those that the simulated
    chargers completed, by serial.
    """

    chargers: list[Device]
    stream: Device
    states: dict[str, str]
    history: dict[str, list[State]]
    sessions: dict[str, list[Session]]
    consumers: int
    at: datetime

    def state(self, device: Device, key: str) -> str:
        """Return an entity's state, `missing` when there is no such entity."""
        return self.states.get(device.entities.get(key, ""), "missing")

    def past(self, device: Device, key: str) -> list[State]:
        """Return an entity's states since the beginning, oldest first."""
        return self.history.get(device.entities.get(key, ""), [])


class Check:
    """Watches one Home Assistant until everything expected was seen or the time is over."""

    def __init__(
        self, home_assistant: HomeAssistant, simulation: Simulation, entry_id: str
    ) -> None:
        """Begin to count from now."""
        self._home_assistant = home_assistant
        self._simulation = simulation
        self._entry_id = entry_id
        self._since = datetime.now(UTC)

    async def run(self) -> list[Result]:
        """Return the results; the configuration entry is gone afterwards."""
        deadline = time.monotonic() + CHECK_SECONDS
        results = judge(await self._gather())
        while not all(result.ok for result in results) and time.monotonic() < deadline:
            await asyncio.sleep(1)
            results = judge(await self._gather())
        return results + await self._remove()

    async def _gather(self) -> Evidence:
        sessions = self._simulation.sessions()
        found = await devices(self._home_assistant)
        watched = [
            charger.entities[key]
            for charger in found
            for key in HISTORY_KEYS
            if key in charger.entities
        ]
        rows = []
        if watched:
            query = (
                "significant_changes_only=0&skip_initial_state"
                f"&filter_entity_id={','.join(watched)}"
            )
            rows = await self._home_assistant.get(
                f"history/period/{self._since:%Y-%m-%dT%H:%M:%SZ}?{query}"
            )
        return Evidence(
            chargers=chargers_of(found),
            stream=stream_of(found),
            states={
                state["entity_id"]: state["state"]
                for state in await self._home_assistant.get("states")
            },
            history={states[0]["entity_id"]: states for states in rows},
            sessions=sessions,
            consumers=(await self._simulation.queue()).consumers,
            at=datetime.now(UTC),
        )

    async def _remove(self) -> list[Result]:
        answer = await self._home_assistant.delete(
            f"config/config_entries/entry/{self._entry_id}"
        )
        consumers = await self._consumers_left()
        found = await devices(self._home_assistant)
        left = ", ".join(
            device.name for device in [*chargers_of(found), *_streams(found)]
        )
        return [
            _equal(
                "removal: restart needed",
                "no",
                "yes" if answer["require_restart"] else "no",
            ),
            _equal("removal: devices left", "none", left or "none"),
            _equal("removal: consumers left on the queue", "0", str(consumers)),
        ]

    async def _consumers_left(self) -> int:
        for _ in range(SETTLE_TRIES):
            if not (await self._simulation.queue()).consumers:
                return 0
            await asyncio.sleep(0.2)
        return (await self._simulation.queue()).consumers


def _streams(found: list[Device]) -> list[Device]:
    return [device for device in found if "delivery_latency" in device.entities]


def judge(evidence: Evidence) -> list[Result]:
    """Compare what was seen until now with what the simulator did."""
    return [
        _equal(
            "chargers",
            ", ".join(sorted(evidence.sessions)),
            ", ".join(sorted(charger.identifier for charger in evidence.chargers)),
        ),
        *(
            result
            for charger in evidence.chargers
            for result in _judge_charger(evidence, charger)
        ),
        *_judge_stream(evidence),
        _judge_available(evidence),
        _equal("consumers on the queue", "1", str(evidence.consumers)),
    ]


def judge_log(log: str) -> Iterator[Result]:
    """Look for what must not be in Home Assistant's log."""
    records = _records(log)
    for check, found in (
        ("log: blocking calls", [r for r in records if "Detected blocking call" in r]),
        ("log: tracebacks", [r for r in records if _is_traceback(r)]),
        ("log: errors", [r for r in records if _is_error(r)]),
        (
            "log: warnings of the integration",
            [r for r in records if _is_our_warning(r)],
        ),
    ):
        first = f": {found[0].splitlines()[0][:60]}" if found else ""
        yield _equal(check, "0", f"{len(found)}{first}")


def _records(log: str) -> list[str]:
    starts = [match.start() for match in RECORD.finditer(log)]
    return [log[start:end] for start, end in pairwise([*starts, len(log)])]


def _is_traceback(record: str) -> bool:
    return (
        "\nTraceback (most recent call last)" in record
        and not MISSING_LIBRARY.search(record)
    )


def _is_error(record: str) -> bool:
    match = RECORD.match(record)
    return (
        match is not None
        and match["level"] in ("ERROR", "CRITICAL")
        and not MISSING_LIBRARY.search(record)
    )


def _is_our_warning(record: str) -> bool:
    match = RECORD.match(record)
    return (
        match is not None
        and match["level"] in ("WARNING", "ERROR", "CRITICAL")
        and OURS.search(record) is not None
        and CUSTOM_INTEGRATION_NOTICE not in record
        and not MISSING_LIBRARY.search(record)
    )


def _judge_charger(evidence: Evidence, charger: Device) -> Iterator[Result]:
    name = charger.name
    highest = max(_numbers(evidence.past(charger, "total_power")), default=0.0)
    yield Result(
        check=f"{name}: power",
        expected="> 0",
        seen=f"up to {highest:.2f}",
        ok=highest > 0,
    )
    energy = _numbers(evidence.past(charger, "session_energy"))
    steps = sum(later > earlier for earlier, later in pairwise(energy))
    yield Result(
        check=f"{name}: session energy",
        expected="3 steps up or more",
        seen=f"{steps} steps up",
        ok=steps >= 3,
    )
    sessions = {
        session.session_id: session for session in evidence.sessions[charger.identifier]
    }
    yield from _judge_energy(evidence, charger, list(sessions.values()))

    events = [
        state["attributes"] for state in evidence.past(charger, "charging_session")
    ]
    for phase in ("started", "stopped"):
        seen = [str(e["session_id"]) for e in events if e.get("event_type") == phase]
        yield _judge_ids(f"{name}: session {phase}", sessions, seen)
    stopped = {
        str(event["session_id"]): event
        for event in events
        if event.get("event_type") == "stopped"
    }
    for session_id, session in sessions.items():
        event = stopped.get(session_id, {})
        yield _close(
            f"{name}: energy of session {session_id}",
            session.energy,
            event.get("energy"),
        )
    if sessions:
        last = list(sessions.values())[-1]
        yield _close(
            f"{name}: last session",
            last.energy,
            evidence.state(charger, "charging_session_energy"),
        )


def _judge_energy(
    evidence: Evidence, charger: Device, sessions: list[Session]
) -> Iterator[Result]:
    """See that the energy grows while the register, which is seldom told, does not."""
    name = charger.name
    energy = _numbers(evidence.past(charger, "energy"))
    registers = _numbers(evidence.past(charger, "lifetime_energy"))
    known = sorted({*registers, *(session.meter_start for session in sessions)})
    between = max(
        (sum(low < value < high for value in energy) for low, high in pairwise(known)),
        default=0,
    )
    yield Result(
        check=f"{name}: energy between two registers",
        expected="3 steps up or more",
        seen=f"{between} steps up",
        ok=between >= 3,
    )
    falls = sum(later < earlier for earlier, later in pairwise(energy))
    yield _equal(
        f"{name}: energy falls", "never", f"{falls} times" if falls else "never"
    )
    for session in sessions:
        nearest = min(
            energy, key=lambda value: abs(value - session.meter_stop), default=None
        )
        yield _close(
            f"{name}: energy after session {session.session_id}",
            session.meter_stop,
            nearest,
        )


def _judge_ids(check: str, sessions: dict[str, Session], seen: list[str]) -> Result:
    # One that began meanwhile may be seen already; none may be missing or doubled.
    ok = bool(sessions) and all(seen.count(session_id) == 1 for session_id in sessions)
    return Result(
        check=check,
        expected=", ".join(sessions) or "one",
        seen=", ".join(seen) or "none",
        ok=ok,
    )


def _judge_stream(evidence: Evidence) -> Iterator[Result]:
    stream = evidence.stream
    yield _equal("stream: status", "live", evidence.state(stream, "stream_status"))
    yield _equal("stream: connected", "on", evidence.state(stream, "connected"))
    yield _equal("stream: backlog", "0", evidence.state(stream, "backlog"))
    latency = evidence.state(stream, "delivery_latency")
    seconds = _numbers([{"state": latency}])
    yield Result(
        check="stream: delivery latency",
        expected=f"0 to {LATENCY_LIMIT:.0f} s",
        seen=latency,
        ok=bool(seconds) and 0 <= seconds[0] <= LATENCY_LIMIT,
    )
    newest = evidence.state(stream, "last_message")
    try:
        age = (evidence.at - datetime.fromisoformat(newest)).total_seconds()
    except ValueError:
        age = float("inf")
    yield Result(
        check="stream: last message",
        expected=f"less than {MESSAGE_AGE_LIMIT:.0f} s ago",
        seen=f"{age:.1f} s ago" if age < float("inf") else newest,
        ok=age < MESSAGE_AGE_LIMIT,
    )


def _judge_available(evidence: Evidence) -> Result:
    entities = [
        entity
        for device in [*evidence.chargers, evidence.stream]
        for entity in device.entities.values()
    ]
    gone = [
        entity
        for entity in entities
        if evidence.states.get(entity, "unavailable") == "unavailable"
    ]
    return _equal(
        f"entities unavailable of {len(entities)}", "none", ", ".join(gone) or "none"
    )


def _numbers(states: list[State]) -> list[float]:
    numbers = []
    for state in states:
        # Anything else is `unknown` or `unavailable`.
        with contextlib.suppress(ValueError):
            numbers.append(float(state["state"]))
    return numbers


def _equal(check: str, expected: str, seen: str) -> Result:
    return Result(check=check, expected=expected, seen=seen, ok=expected == seen)


def _close(check: str, expected: float, seen: object) -> Result:
    try:
        ok = abs(float(str(seen)) - expected) <= ENERGY_TOLERANCE
    except ValueError:
        ok = False
    return Result(check=check, expected=f"{expected:.4f} kWh", seen=f"{seen}", ok=ok)
