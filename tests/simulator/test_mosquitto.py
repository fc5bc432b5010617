"""The private Mosquitto: whose ports it has, who is connected, what it refuses."""

import asyncio
from collections.abc import Iterator
import os
from pathlib import Path
import socket

import pytest

from simulator import broker as module
from simulator.mosquitto import Mosquitto
from simulator.mqtt_client import MqttClient
from simulator.ports import HOST, BrokerError, free_ports
from simulator.stellantis import StellantisPlatform
from tests.stream.raw_broker import CONNECT, SUBSCRIBE, packet, published

OWN = "psa/OVIPPartners-Dev/to/uid/{}/opa/"


@pytest.fixture
def own(tmp_path: Path, mosquitto: Mosquitto, socket_enabled: None) -> Mosquitto:
    """Give a test a broker that it may break; it has not been started."""
    return Mosquitto(tmp_path / "broker")


@pytest.fixture
def taken(socket_enabled: None) -> Iterator[list[int]]:
    """Two ports that somebody else listens on."""
    with socket.create_server((HOST, 0)) as one, socket.create_server((HOST, 0)) as two:
        yield [one.getsockname()[1], two.getsockname()[1]]


def text(value: str) -> bytes:
    return len(value.encode()).to_bytes(2) + value.encode()


def login(uid: str, client: str = "test") -> bytes:
    """A CONNECT packet with the password `right`."""
    header = text("MQTT") + bytes([4, 0b1100_0010]) + (60).to_bytes(2)
    return packet(CONNECT, header + text(client) + text(uid) + text("right"))


def exchange(broker: Mosquitto, *packets: bytes) -> bytes:
    """What the broker says to packets that are sent at once, until it is silent."""
    with socket.create_connection((broker.host, broker.plain_port)) as connection:
        connection.sendall(b"".join(packets))
        connection.settimeout(0.5)
        said = b""
        try:
            while chunk := connection.recv(4096):
                said += chunk
        except TimeoutError:
            return said
        return said + b"closed"


async def until_connected(broker: Mosquitto, uid: str, clients: set[str]) -> None:
    async with asyncio.timeout(10):
        while broker.clients(uid) != clients:
            await asyncio.sleep(0.02)


def test_it_tries_other_ports_when_somebody_was_quicker(
    own: Mosquitto, taken: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = iter([taken, free_ports(2)])
    monkeypatch.setattr(module, "free_ports", lambda _count: next(offered))
    with own:
        assert own.port not in taken
        assert own.pid is not None


def test_it_does_not_take_another_listener_for_its_own(
    own: Mosquitto, taken: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "free_ports", lambda _count: taken)
    with pytest.raises(BrokerError, match="Address already in use"):
        own.start()
    assert own.pid is None


def test_a_terminal_does_not_end_it(own: Mosquitto) -> None:
    with own:
        assert own.pid is not None
        assert os.getpgid(own.pid) != os.getpgid(0)


async def test_who_was_connected_to_a_killed_broker_is_not_any_more(
    own: Mosquitto,
) -> None:
    with own:
        async with StellantisPlatform(own) as platform:
            await platform.add_account("K-1", "right")
            with socket.create_connection((own.host, own.plain_port)) as client:
                client.sendall(login("K-1", "in a car"))
                await until_connected(own, "K-1", {"in a car"})
                await asyncio.to_thread(own.kill)
                assert own.clients("K-1") == set()
                await asyncio.to_thread(own.start)
                assert own.clients("K-1") == set()
            assert exchange(own, login("K-1")) == b"\x20\x02\x00\x00"


async def test_a_client_id_belongs_to_who_came_last(
    platform: StellantisPlatform,
) -> None:
    broker = platform.broker
    for uid in ("L-1", "L-2"):
        await platform.add_account(uid, "right")
    address = (broker.host, broker.plain_port)
    with (
        socket.create_connection(address) as one,
        socket.create_connection(address) as two,
    ):
        one.sendall(login("L-1", "shared"))
        await until_connected(broker, "L-1", {"shared"})
        two.sendall(login("L-2", "shared"))
        await until_connected(broker, "L-2", {"shared"})
        assert broker.clients("L-1") == set()
    await until_connected(broker, "L-2", set())


async def test_a_filter_is_refused_by_itself(platform: StellantisPlatform) -> None:
    await platform.add_account("F-1", "right")
    filters = text(OWN.format("F-1") + "#") + b"\0" + text("psa/other/#") + b"\0"
    subscription = packet(SUBSCRIBE, b"\0\7" + filters, 2)
    said = exchange(platform.broker, login("F-1"), subscription)
    assert said == b"\x20\x02\x00\x00" + b"\x90\x04\x00\x07\x00\x80"


@pytest.mark.parametrize("wrong", [b"\xff\xfe", b"\0", b"\1", b"\xed\xa0\x80"])
async def test_a_topic_that_is_no_text_never_gets_through(
    platform: StellantisPlatform, wrong: bytes
) -> None:
    """Why tests of what such a topic does need a broker that is played too."""
    uid = f"T-{wrong.hex()}"
    await platform.add_account(uid, "right")
    topic = OWN.format(uid).encode() + wrong
    said = exchange(platform.broker, login(uid), published(topic, b"{}"))
    assert said == b"\x20\x02\x00\x00closed"
    await until_connected(platform.broker, uid, set())


async def test_more_than_the_vendor_allows_gets_through(
    platform: StellantisPlatform,
) -> None:
    """It is the receiver that has to refuse what is too long."""
    await platform.add_account("S-1", "right")
    arrived: asyncio.Queue[int] = asyncio.Queue()
    async with MqttClient(platform.broker.plain_port, "S-1", "right") as client:
        await client.subscribe(
            OWN.format("S-1") + "#", lambda _topic, body: arrived.put_nowait(len(body))
        )
        await platform.publish(OWN.format("S-1") + "VIN/", bytes(200 * 1024))
        async with asyncio.timeout(10):
            assert await arrived.get() == 200 * 1024
