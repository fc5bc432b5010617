"""The played side of a partner account does what it says, at a real broker."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
import json
import os
from pathlib import Path
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from simulator.mosquitto import Mosquitto
from simulator.mqtt_client import MqttClient
from simulator.ports import BrokerError
from simulator.stellantis import Car, ChargingPlan, StellantisPlatform
from simulator.stellantis.platform import ROOT as ROOT_TOPIC

ROOT = Path(__file__).parents[2]
VIN = "VR3UHZKXZPT123456"
ORPHAN = """
import os, sys
from pathlib import Path
from simulator.mosquitto import Mosquitto
broker = Mosquitto(Path(sys.argv[1]))
broker.start()
print(broker.pid, flush=True)
os._exit(1)
"""


def test_the_broker_does_not_outlive_its_parent(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """Whatever death that died."""
    child = subprocess.run(
        [sys.executable, "-c", ORPHAN, str(tmp_path / "broker")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=False,
        text=True,
    )
    pid = int(child.stdout)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@asynccontextmanager
async def collecting(
    platform: StellantisPlatform, uid: str
) -> AsyncIterator[tuple[MqttClient, list[Any]]]:
    """A client of a new account that collects what it is told."""
    await platform.add_account(uid, "right")
    told: list[Any] = []
    async with MqttClient(platform.broker.plain_port, uid, "right") as client:
        await client.subscribe(
            f"{ROOT_TOPIC}/to/uid/{uid}/opa/#",
            lambda _topic, body: told.append(json.loads(body)["content"]),
        )
        yield client, told


async def eventually(condition: Callable[[], bool], patience: float = 10) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(patience):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_car_tells_what_it_does(platform: StellantisPlatform) -> None:
    async with collecting(platform, "CAR-1") as (_, told):
        car = Car(uid="CAR-1", vin=VIN, level=40)
        plan = ChargingPlan(steps=2, percent=5, period=0.05, pause=0)
        await car.charge(platform, plan)
        await eventually(lambda: len(told) >= 6)
    energies = [each["energies"][0] for each in told]
    charging = [each["extension"]["electric"]["charging"] for each in energies]
    assert [each["status"] for each in charging] == [
        "Stopped",
        "InProgress",
        "InProgress",
        "InProgress",
        "Finished",
        "Disconnected",
    ]
    assert [each["level"] for each in energies] == [40, 40, 45, 50, 50, 50]
    assert [each["plugged"] for each in charging] == [True] * 5 + [False]
    (charge,) = car.charges
    assert charge.started_at == datetime.fromisoformat(energies[1]["createdAt"])
    assert charge.stopped_at == datetime.fromisoformat(energies[4]["createdAt"])


async def test_a_subscription_can_be_denied(platform: StellantisPlatform) -> None:
    await platform.add_account("CAR-2", "right")
    await platform.deny_reading("CAR-2")
    client = MqttClient(platform.broker.plain_port, "CAR-2", "right")
    async with client:
        with pytest.raises(BrokerError):
            await client.subscribe(f"{ROOT_TOPIC}/to/uid/CAR-2/#", print)


async def test_it_is_known_who_is_connected(platform: StellantisPlatform) -> None:
    assert not await platform.is_connected("CAR-3")
    async with collecting(platform, "CAR-3"):
        assert await platform.is_connected("CAR-3")
    await eventually(lambda: not platform.broker.clients("CAR-3"))


def paho_threads() -> int:
    return sum(each.name.startswith("paho") for each in threading.enumerate())


async def test_a_wrong_password_is_no_connection(platform: StellantisPlatform) -> None:
    await platform.add_account("CAR-4", "right")
    before = paho_threads()
    client = MqttClient(platform.broker.plain_port, "CAR-4", "wrong")
    with pytest.raises(BrokerError, match="refused the login"):
        await client.__aenter__()
    assert paho_threads() == before


async def test_a_removed_account_is_cut_off_and_cannot_return(
    platform: StellantisPlatform,
) -> None:
    async with collecting(platform, "CAR-5"):
        await platform.remove_account("CAR-5")
        await eventually(lambda: not platform.broker.clients("CAR-5"))
    with pytest.raises(BrokerError, match="refused the login"):
        await MqttClient(platform.broker.plain_port, "CAR-5", "right").__aenter__()


async def test_everything_goes_on_after_a_restart(
    mosquitto: Mosquitto, tmp_path: Path, socket_enabled: None
) -> None:
    """Subscriptions are back, and their answers count for no subscription that is new."""
    with Mosquitto(tmp_path / "broker") as own:
        async with (
            StellantisPlatform(own) as platform,
            collecting(platform, "CAR-6") as (client, told),
        ):
            await asyncio.to_thread(own.restart)
            await eventually(
                lambda: bool(own.clients("CAR-6") and own.clients("administrator")), 30
            )
            with pytest.raises(BrokerError):
                await client.subscribe("psa/other/#", print)
            await platform.say("CAR-6", VIN, {"after": 1})
            await client.publish(f"{ROOT_TOPIC}/from/uid/CAR-6/opa/{VIN}", b"{}")
            topic, _ = await platform.next_message(VIN)
            assert topic == f"{ROOT_TOPIC}/from/uid/CAR-6/opa/{VIN}"
            await eventually(lambda: bool(told))
            assert told == [{"after": 1}]


async def test_what_is_published_while_the_broker_is_away_waits(
    mosquitto: Mosquitto, tmp_path: Path, socket_enabled: None
) -> None:
    """Until the subscriptions are back as well: the client hears itself."""
    with Mosquitto(tmp_path / "broker") as own:
        async with (
            StellantisPlatform(own) as platform,
            collecting(platform, "CAR-9") as (client, told),
        ):
            await asyncio.to_thread(own.stop)
            await eventually(lambda: not client.is_connected)
            topic = f"{ROOT_TOPIC}/to/uid/CAR-9/opa/{VIN}"
            waiting = asyncio.create_task(
                client.publish(topic, b'{"content": {"waited": 1}}')
            )
            await asyncio.sleep(0.1)
            assert not waiting.done()
            await asyncio.to_thread(own.start)
            await waiting
            await eventually(lambda: bool(told))
    assert told == [{"waited": 1}]


async def test_an_application_answers_envelopes_only(
    platform: StellantisPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    async with collecting(platform, "CAR-7") as (client, told):
        platform.install_app("CAR-7", "VIN-7", lambda content: content["id"])
        topic = f"{ROOT_TOPIC}/from/uid/CAR-7/opa"
        await client.publish(topic, b"{}")
        for body in (b"text", b"[1]", b"{}", b'{"content": {"id": 0}}'):
            await client.publish(f"{topic}/VIN-7", body)
        await eventually(lambda: bool(told))
    assert told == [0]
    assert platform.received("VIN-7") == 4
    assert not caplog.records


async def test_many_messages_arrive_in_order(platform: StellantisPlatform) -> None:
    async with collecting(platform, "CAR-8") as (_, told):
        await platform.say_many("CAR-8", VIN, list(range(1500)), 1000)
        await eventually(lambda: len(told) >= 1500)
    assert told == list(range(1500))
