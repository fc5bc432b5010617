"""The private Kafka: whose ports it has, what outlives it, what it lets nobody do."""

from collections.abc import Iterator
import os
from pathlib import Path
import socket
import subprocess
import sys
import time

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import AuthorizationError
import pytest

from simulator import broker as module
from simulator.kafka import Kafka
from simulator.kafka_administrator import KafkaAdministrator
from simulator.ports import HOST, BrokerError, free_ports

pytestmark = pytest.mark.xdist_group("kafka")

PARENT = """
from pathlib import Path
import sys
from simulator.kafka import Kafka
broker = Kafka(Path(sys.argv[1]), {})
broker.start()
print(broker.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def own(tmp_path: Path, kafka: Kafka, socket_enabled: None) -> Kafka:
    """Give a test a broker that it may break; it has not been started."""
    return Kafka(tmp_path / "broker", {"reader": "right"})


@pytest.fixture
def taken(socket_enabled: None) -> Iterator[list[int]]:
    """As many ports as it needs, one of which somebody else listens on."""
    with socket.create_server((HOST, 0)) as server:
        yield [server.getsockname()[1], *free_ports(4)]


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def read(broker: Kafka, topic: str) -> list[bytes]:
    """All that a topic of one partition holds."""
    consumer = KafkaConsumer(bootstrap_servers=broker.address())
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        found: list[bytes] = []
        while (
            consumer.position(partition) < consumer.end_offsets([partition])[partition]
        ):
            for batch in consumer.poll(timeout_ms=1000).values():
                found += [record.value for record in batch]
        return found
    finally:
        consumer.close()


def test_it_tries_other_ports_when_somebody_was_quicker(
    own: Kafka, taken: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And does not take another listener for its own."""
    offered = iter([taken, free_ports(5)])
    monkeypatch.setattr(module, "free_ports", lambda _count: next(offered))
    with own:
        assert own.port() != taken[0]
        assert own.pid is not None


def test_topics_and_messages_outlive_a_stop_and_a_power_cut(own: Kafka) -> None:
    administrator = KafkaAdministrator(own)
    with own:
        administrator.create_topic("kept")
        administrator.produce("kept", [b"before the stop"])
        port, pid = own.port(), own.pid
        assert pid is not None
        # Ctrl-C in a terminal would reach it otherwise.
        assert os.getpgid(pid) != os.getpgid(0)
        own.stop()
        assert not exists(pid)
        own.start()
        administrator.produce("kept", [b"before the cut"])
        own.kill()
        own.start()
        assert own.port() == port
        assert read(own, "kept") == [b"before the stop", b"before the cut"]


def test_it_does_not_outlive_its_parent(own: Kafka) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(own.directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert exists(pid)
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 10
    while exists(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not exists(pid)


def may_use(consumer: KafkaConsumer, topic: str) -> bool:
    try:
        return consumer.committed(TopicPartition(topic, 0), timeout_ms=10_000) is None
    except AuthorizationError:
        return False


def test_an_account_may_do_nothing_before_it_is_allowed_to(
    kafka: Kafka, kafka_administrator: KafkaAdministrator
) -> None:
    kafka_administrator.create_topic("simulator-topic")
    consumer = KafkaConsumer(
        bootstrap_servers=kafka.address("SASL_PLAINTEXT"),
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_plain_username="stranger",
        sasl_plain_password="right",
        group_id="simulator-group",
    )
    try:
        assert not may_use(consumer, "simulator-topic")
        kafka_administrator.allow(
            "stranger", topics=["simulator-topic"], groups=["simulator-group"]
        )
        # The broker learns of it a moment later.
        deadline = time.monotonic() + 10
        while not may_use(consumer, "simulator-topic"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        consumer.close()


def test_it_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = Kafka.available()
    assert missing is not None
    assert "Java" in missing
    with pytest.raises(BrokerError, match="Java"):
        Kafka(tmp_path / "broker", {}).start()
