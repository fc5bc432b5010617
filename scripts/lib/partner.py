"""The demo's car: a simulated Stellantis partner account, and what Home Assistant makes of it."""

import asyncio
from collections.abc import Iterator
import contextlib
from datetime import datetime
import json
from pathlib import Path
import stat
import time
from typing import Any, Self

from simulator.mosquitto import Mosquitto
from simulator.stellantis import Car, ChargingPlan, StellantisPlatform
from simulator.stellantis.car import Charge

from .cards import DOMAIN, Device, devices
from .dashboard import vehicle_of
from .home_assistant import HomeAssistant, InstanceError
from .report import Result

UID = "DEMO-UID"
PASSWORD = "demo"
ID_APP = "demo-app"
VIN = "VR3UHZKXZPT004711"
NAME = "Family car"
PRESET = "v4_status"
PASSPHRASE = "demo"
PLANS = {
    "demo": ChargingPlan(steps=24, percent=1.0, period=10.0, pause=60.0),
    "check": ChargingPlan(steps=6, percent=1.0, period=1.0, pause=5.0),
}
PATIENCE = 30.0
SESSIONS_AWAITED = 2
FINISH_SECONDS = 40.0


class Partner:
    """A partner account with one car, on a private broker that wants a client certificate."""

    def __init__(self, directory: Path, plan: str) -> None:
        self._broker = Mosquitto(directory)
        self._plan = PLANS[plan]
        self._stack = contextlib.AsyncExitStack()
        self._task: asyncio.Task[None] | None = None
        self._platform: StellantisPlatform
        self._state_file = directory / "car.json"
        self.car = Car(uid=UID, vin=VIN)
        if self._state_file.exists():
            state = json.loads(self._state_file.read_text())
            self.car.level, self.car.mileage = state["level"], state["mileage"]

    async def __aenter__(self) -> Self:
        try:
            await asyncio.to_thread(self._broker.start)
            self._stack.push_async_callback(asyncio.to_thread, self._broker.stop)
            identity = self._broker.authority.client(UID)
            self.certificate_file.write_bytes(identity.pkcs12(PASSPHRASE))
            self._platform = await self._stack.enter_async_context(
                StellantisPlatform(self._broker)
            )
            await self._platform.add_account(UID, PASSWORD)
        except BaseException:
            await self._stack.aclose()
            raise
        self._platform.install_app(UID, VIN, _acknowledge)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        # The car of a kept demo goes on where it stands.
        state = {"level": self.car.level, "mileage": self.car.mileage}
        self._state_file.write_text(json.dumps(state))
        await self._stack.aclose()

    @property
    def certificate_file(self) -> Path:
        """The client certificate that a partner is handed, with its key (PKCS#12)."""
        return self._broker.directory / "client.p12"

    @property
    def authority_file(self) -> Path:
        """The certificate of the authority that the broker's is signed by (PEM)."""
        return self._broker.ca_file

    @property
    def files(self) -> dict[str, bytes]:
        """What is in the files that a partner is handed, by the field of the form."""
        return {
            "client_certificate": self.certificate_file.read_bytes(),
            "ca_certificate": self.authority_file.read_bytes(),
        }

    @property
    def form(self) -> dict[str, Any]:
        """What else belongs in the form."""
        return {
            "host": self._broker.host,
            "port": self._broker.port,
            "username": UID,
            "password": PASSWORD,
            "client_key_password": PASSPHRASE,
            "advanced": {"id_app": ID_APP},
        }

    async def say_hello(self) -> None:
        """Let the car send its status once, as it stands there."""
        await self.car.tell(self._platform, plugged=False, charging="Disconnected")

    def play(self) -> None:
        """Let the car charge and drive, in the background."""
        self._task = asyncio.create_task(self.car.live(self._platform, self._plan))

    def raise_if_broken(self) -> None:
        """Raise when the car sends nothing any more."""
        if self._task and self._task.done() and not self._task.cancelled():
            raise InstanceError("the car broke down") from self._task.exception()

    def charges(self) -> list[Charge]:
        """What the car has charged and finished."""
        return [each for each in self.car.charges if each.stopped_at is not None]

    async def is_connected(self) -> bool:
        """Whether somebody is logged in with the account."""
        return await self._platform.is_connected(UID)


async def connect(home_assistant: HomeAssistant, partner: Partner) -> None:
    """Add account and car through their flows; an account of the last run gets new files."""
    form = dict(partner.form)
    for field, content in partner.files.items():
        form[field] = await home_assistant.upload(content, f"{field}.p12")
    entry_id = await _entry_id(home_assistant)
    start: dict[str, Any] = {"handler": DOMAIN}
    if entry_id is not None:
        start["entry_id"] = entry_id
    flow = await home_assistant.post("config/config_entries/flow", start)
    if entry_id is None:
        flow = await _configure(home_assistant, flow, {"next_step_id": "stellantis"})
    flow = await _configure(home_assistant, flow, form)
    if flow["type"] not in {"create_entry", "abort"}:
        raise InstanceError(f"the account could not be added: {flow.get('errors')}")
    if entry_id is None:
        await _add_car(home_assistant, partner)


async def _configure(
    home_assistant: HomeAssistant, flow: dict[str, Any], answer: dict[str, Any]
) -> dict[str, Any]:
    path = f"config/config_entries/flow/{flow['flow_id']}"
    result: dict[str, Any] = await home_assistant.post(path, answer)
    return result


async def _add_car(home_assistant: HomeAssistant, partner: Partner) -> None:
    """Add the car once it was heard, with what it has said mapped by a preset."""
    await _wait_until_heard(home_assistant, partner)
    path = "config/config_entries/subentries/flow"
    entry_id = await _entry_id(home_assistant)
    start: dict[str, Any] = {"handler": [entry_id, "vehicle"]}
    flow = await home_assistant.post(path, start)
    steps: tuple[dict[str, Any], ...] = (
        {"device_id": VIN, "name": NAME},
        {"presets": [PRESET]},
    )
    for step in steps:
        flow = await home_assistant.post(f"{path}/{flow['flow_id']}", step)
    if flow["type"] != "create_entry":
        raise InstanceError(f"the car could not be added: {flow}")
    await _wait_for_car(home_assistant)


async def _wait_until_heard(home_assistant: HomeAssistant, partner: Partner) -> None:
    """Let the car speak until Home Assistant tells its user of a new one."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = await home_assistant.command("repairs/list_issues")
        if any(
            each["translation_key"] == "stellantis_new_device"
            for each in found["issues"]
        ):
            return
        if time.monotonic() > deadline:
            raise InstanceError("the car was not heard")
        await partner.say_hello()
        await asyncio.sleep(0.3)


async def _wait_for_car(home_assistant: HomeAssistant) -> None:
    """Wait until the account is loaded anew and the car's entities are there."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = vehicle_of(await devices(home_assistant))
        if found is not None and "battery_level" in found.entities:
            return
        if time.monotonic() > deadline:
            raise InstanceError("the car did not appear")
        await asyncio.sleep(0.2)


async def _entry_id(home_assistant: HomeAssistant) -> str | None:
    entries = await home_assistant.get(
        f"config/config_entries/entry?domain={DOMAIN}&type=hub"
    )
    found = [each["entry_id"] for each in entries if each["title"] == "Stellantis"]
    return str(found[0]) if found else None


def _acknowledge(content: Any) -> Any:
    """Answer as an application does that was written to acknowledge."""
    if isinstance(content, dict) and "id" in content:
        return {"type": "acknowledgement", "id": content["id"]}
    return None


class PartnerCheck:
    """Compares what Home Assistant shows of the car with what the car did."""

    def __init__(self, home_assistant: HomeAssistant, partner: Partner) -> None:
        self._home_assistant = home_assistant
        self._partner = partner

    async def run(self, since: datetime) -> list[Result]:
        """Return the results; the account is gone afterwards."""
        deadline = time.monotonic() + FINISH_SECONDS
        while len(self._partner.charges()) < SESSIONS_AWAITED:
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.5)
        await asyncio.sleep(1)
        car = vehicle_of(await devices(self._home_assistant))
        if car is None:
            return [_result("car: device", "one", "none")]
        results = list(await self._judge_states(car))
        results += await self._judge_sessions(car, since)
        results.append(await self._judge_message(car))
        results.append(self._judge_file())
        return results + await self._remove()

    async def _judge_states(self, car: Device) -> Iterator[Result]:
        states = {
            each["entity_id"]: each["state"]
            for each in await self._home_assistant.get("states")
        }
        seen = {key: states.get(each) for key, each in car.entities.items()}
        # The status is sent every second: what is shown may be the one before.
        level = self._partner.car.level
        shown = float(seen.get("battery_level") or "nan")
        missing = [key for key, value in seen.items() if value == "unavailable"]
        return iter(
            (
                Result(
                    check="car: battery level",
                    expected=f"{level:.1f} ± 1 %",
                    seen=f"{shown:.1f} %",
                    ok=abs(shown - level) <= 1,
                ),
                Result(
                    check="car: messages",
                    expected="10 or more",
                    seen=str(seen.get("message_count")),
                    ok=int(float(seen.get("message_count") or 0)) >= 10,
                ),
                _result("car: unavailable", "none", ", ".join(missing) or "none"),
            )
        )

    async def _judge_sessions(self, car: Device, since: datetime) -> list[Result]:
        entity = car.entities.get("charging_session", "")
        query = f"filter_entity_id={entity}&significant_changes_only=0"
        rows = await self._home_assistant.get(
            f"history/period/{since:%Y-%m-%dT%H:%M:%SZ}?{query}"
        )
        events = [row["attributes"] for row in (rows[0] if rows else [])]
        results = []
        for number, charge in enumerate(self._partner.charges(), 1):
            told = [
                each["event_type"]
                for each in events
                if each.get("started_at") == charge.started_at.isoformat()
                and (
                    each.get("event_type") == "started"
                    or each.get("stopped_at") == _iso(charge.stopped_at)
                )
            ]
            results.append(
                _result(
                    f"car: session {number}",
                    "started, stopped",
                    ", ".join(dict.fromkeys(told)),
                )
            )
        count = len(self._partner.charges())
        results.append(
            Result(
                check="car: sessions",
                expected=f"{SESSIONS_AWAITED} or more",
                seen=str(count),
                ok=count >= SESSIONS_AWAITED,
            )
        )
        return results

    async def _judge_message(self, car: Device) -> Result:
        response = await self._home_assistant.post(
            f"services/{DOMAIN}/send_message?return_response",
            {
                "device_id": car.device_id,
                "content": {"type": "action", "action": "hello"},
                "acknowledgement_path": "id",
            },
        )
        acknowledged = response["service_response"]["acknowledged"]
        return _result("car: message acknowledged", "True", str(acknowledged))

    def _judge_file(self) -> Result:
        """See that nobody else may read the private key."""
        storage = self._home_assistant.directory / ".storage"
        holding = [
            stat.S_IMODE(file.stat().st_mode)
            for file in storage.iterdir()
            if file.is_file() and b"PRIVATE KEY" in file.read_bytes()
        ]
        return _result(
            "car: file of the key", "600", ", ".join(map("{:o}".format, holding))
        )

    async def _remove(self) -> list[Result]:
        entry_id = await _entry_id(self._home_assistant)
        await self._home_assistant.delete(f"config/config_entries/entry/{entry_id}")
        left = vehicle_of(await devices(self._home_assistant))
        connected = await self._partner.is_connected()
        files = self._judge_file().seen
        return [
            _result("car removed: device", "gone", "gone" if left is None else "there"),
            _result("car removed: connected", "False", str(connected)),
            _result("car removed: files with a key", "", files),
        ]


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _result(check: str, expected: str, seen: str) -> Result:
    return Result(check=check, expected=expected, seen=seen, ok=expected == seen)
