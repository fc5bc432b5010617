"""The played side of a partner account does what it says, at a real broker."""

import asyncio
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

ROOT = Path(__file__).parents[2]
ROOT_TOPIC = "psa/OVIPPartners-Dev"
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


async def collected(
    platform: StellantisPlatform, uid: str, password: str
) -> tuple[MqttClient, list[Any]]:
    """A client of the account that collects what it is told."""
    told: list[Any] = []
    client = MqttClient(platform.broker.plain_port, uid, password)
    await client.__aenter__()
    await client.subscribe(
        f"psa/OVIPPartners-Dev/to/uid/{uid}/opa/#",
        lambda _topic, body: told.append(json.loads(body)["content"]),
    )
    return client, told


async def test_a_car_tells_what_it_does(platform: StellantisPlatform) -> None:
    await platform.add_account("CAR-1", "right")
    client, told = await collected(platform, "CAR-1", "right")
    car = Car(uid="CAR-1", vin=VIN, level=40)
    plan = ChargingPlan(steps=2, percent=5, period=0.05, pause=0)
    await car.charge(platform, plan)
    async with asyncio.timeout(10):
        while len(told) < 6:
            await asyncio.sleep(0.01)
    await client.__aexit__(None, None, None)
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
            await client.subscribe("psa/OVIPPartners-Dev/to/uid/CAR-2/#", print)


async def test_it_is_known_who_is_connected(platform: StellantisPlatform) -> None:
    await platform.add_account("CAR-3", "right")
    assert not await platform.is_connected("CAR-3")
    client, _ = await collected(platform, "CAR-3", "right")
    assert await platform.is_connected("CAR-3")
    await client.__aexit__(None, None, None)
    async with asyncio.timeout(10):
        while await platform.is_connected("CAR-3"):
            await asyncio.sleep(0.02)


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
    await platform.add_account("CAR-5", "right")
    client, _ = await collected(platform, "CAR-5", "right")
    await platform.remove_account("CAR-5")
    async with asyncio.timeout(10):
        while await platform.is_connected("CAR-5"):
            await asyncio.sleep(0.02)
    await client.__aexit__(None, None, None)
    with pytest.raises(BrokerError, match="refused the login"):
        await MqttClient(platform.broker.plain_port, "CAR-5", "right").__aenter__()


async def test_everything_goes_on_after_a_restart(
    mosquitto: Mosquitto, tmp_path: Path, socket_enabled: None
) -> None:
    """Subscriptions are back, and their answers count for no subscription that is new."""
    with Mosquitto(tmp_path / "broker") as own:
        async with StellantisPlatform(own) as platform:
            await platform.add_account("CAR-6", "right")
            client, told = await collected(platform, "CAR-6", "right")
            await asyncio.to_thread(own.restart)
            async with asyncio.timeout(30):
                while not own.clients("CAR-6") or not own.clients("administrator"):
                    await asyncio.sleep(0.02)
            with pytest.raises(BrokerError):
                await client.subscribe("psa/other/#", print)
            await platform.say("CAR-6", VIN, {"after": 1})
            await client.publish(f"{ROOT_TOPIC}/from/uid/CAR-6/opa/{VIN}", b"{}")
            topic, _ = await platform.next_message(VIN)
            assert topic == f"{ROOT_TOPIC}/from/uid/CAR-6/opa/{VIN}"
            async with asyncio.timeout(10):
                while not told:
                    await asyncio.sleep(0.02)
            assert told == [{"after": 1}]
            await client.__aexit__(None, None, None)


async def test_what_is_published_while_the_broker_is_away_waits(
    mosquitto: Mosquitto, tmp_path: Path, socket_enabled: None
) -> None:
    """Until the subscriptions are back as well: the client hears itself."""
    with Mosquitto(tmp_path / "broker") as own:
        async with StellantisPlatform(own) as platform:
            await platform.add_account("CAR-9", "right")
            client, told = await collected(platform, "CAR-9", "right")
            try:
                await asyncio.to_thread(own.stop)
                async with asyncio.timeout(10):
                    while client.is_connected:
                        await asyncio.sleep(0.02)
                topic = f"{ROOT_TOPIC}/to/uid/CAR-9/opa/{VIN}"
                waiting = asyncio.create_task(
                    client.publish(topic, b'{"content": {"waited": 1}}')
                )
                await asyncio.sleep(0.1)
                assert not waiting.done()
                await asyncio.to_thread(own.start)
                await waiting
                async with asyncio.timeout(10):
                    while not told:
                        await asyncio.sleep(0.02)
            finally:
                await client.__aexit__(None, None, None)
    assert told == [{"waited": 1}]


async def test_an_application_answers_envelopes_only(
    platform: StellantisPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    await platform.add_account("CAR-7", "right")
    client, told = await collected(platform, "CAR-7", "right")
    platform.install_app("CAR-7", "VIN-7", lambda content: content["id"])
    topic = f"{ROOT_TOPIC}/from/uid/CAR-7/opa"
    await client.publish(topic, b"{}")
    for body in (b"text", b"[1]", b"{}", b'{"content": {"id": 0}}'):
        await client.publish(f"{topic}/VIN-7", body)
    async with asyncio.timeout(10):
        while not told:
            await asyncio.sleep(0.02)
    await client.__aexit__(None, None, None)
    assert told == [0]
    assert platform.received("VIN-7") == 4
    assert not caplog.records


async def test_many_messages_arrive_in_order(
    platform: StellantisPlatform,
) -> None:
    await platform.add_account("CAR-8", "right")
    client, told = await collected(platform, "CAR-8", "right")
    await platform.say_many("CAR-8", VIN, list(range(1500)), 1000)
    async with asyncio.timeout(10):
        while len(told) < 1500:
            await asyncio.sleep(0.02)
    await client.__aexit__(None, None, None)
    assert told == list(range(1500))
