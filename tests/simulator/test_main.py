"""The simulator as a program: it says when it is ready, and leaves nothing behind."""

import asyncio
import json
from pathlib import Path
import signal
import sys
from urllib.parse import urlsplit

import aiohttp
import pytest

from simulator.rabbitmq import RabbitMQ

ROOT = Path(__file__).parents[2]


async def is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def amqp_port(url: str, username: str, password: str) -> int:
    async with aiohttp.ClientSession(url) as session:
        async with session.post(
            "/api/accounts/login", json={"userName": username, "password": password}
        ) as response:
            token = (await response.json())["accessToken"]
        headers = {"Authorization": f"Bearer {token}"}
        async with session.get("/api/streams/amqp/v2", headers=headers) as response:
            port: int = (await response.json())["port"]
            return port


async def start_and_end(directory: Path, end: signal.Signals) -> int:
    """Run the program until it is ready, then send it a signal; returns its status."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulator", "--directory", directory),
        *("--plan", "check", "--tls"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    ready = json.loads(await process.stdout.readline())
    assert Path(ready["ca_file"]).read_text().startswith("-----BEGIN CERTIFICATE-----")
    broker = await amqp_port(ready["url"], ready["username"], ready["password"])
    assert await is_open(broker)
    for account, queue in (("invers", "vehicle-state"), ("etrel", "session.ended")):
        assert await is_open(ready[account]["tls_port"])
        assert any(name.endswith(queue) for name in ready[account]["queues"])
    assert await is_open(urlsplit(ready["ampeco"]["tenant_url"]).port or 0)
    process.send_signal(end)
    status = await process.wait()
    async with asyncio.timeout(5):
        while await is_open(broker):
            await asyncio.sleep(0.05)
    assert not await is_open(urlsplit(ready["url"]).port or 0)
    return status


@pytest.mark.usefixtures("socket_enabled")
async def test_nothing_is_left_behind_and_the_directory_serves_again(
    tmp_path: Path, broker: RabbitMQ
) -> None:
    # The fixture stands for a RabbitMQ that can be started; this test starts its own.
    assert await start_and_end(tmp_path, signal.SIGKILL) == -signal.SIGKILL
    assert await start_and_end(tmp_path, signal.SIGTERM) == 0
