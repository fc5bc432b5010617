"""The played side of a partner account does what it says, at a real broker."""

import asyncio
from datetime import datetime
import json
import os
from pathlib import Path
import subprocess
import sys
import time
from typing import Any

import pytest

from simulator.mosquitto import Mosquitto
from simulator.mqtt_client import MqttClient
from simulator.ports import BrokerError
from simulator.stellantis import Car, ChargingPlan, StellantisPlatform

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


async def collected(
    platform: StellantisPlatform, uid: str, password: str
) -> tuple[MqttClient, list[dict[str, Any]]]:
    """A client of the account that collects what it is told."""
    told: list[dict[str, Any]] = []
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
