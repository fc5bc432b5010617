"""The Kafka transport with a real broker that lets somebody in, or does not."""

import asyncio
import logging
import socket
import threading
from typing import Any

import pytest

from custom_components.ev_streams.stream import kafka as module
from custom_components.ev_streams.stream.errors import (
    CertificateRefusedError,
    ConnectionFailedError,
    CredentialsRefusedError,
    GroupDeniedError,
    SourceGoneError,
    StreamError,
    TopicDeniedError,
)
from custom_components.ev_streams.stream.kafka import (
    KafkaEndpoint,
    SaslMechanism,
    SecurityProtocol,
    probe,
)
from custom_components.ev_streams.stream.tls import client_context
from simulator.certificates import Authority
from simulator.kafka import Kafka
from simulator.kafka_administrator import KafkaAdministrator

from .kafka_helpers import PATIENCE, Receiver, Run, Topic, running, threads_ended

pytestmark = [
    pytest.mark.xdist_group("kafka"),
    pytest.mark.usefixtures("socket_enabled"),
]

WAYS = [
    ("PLAINTEXT", None),
    ("SSL", None),
    *(("SASL_PLAINTEXT", mechanism) for mechanism in SaslMechanism),
    *(("SASL_SSL", mechanism) for mechanism in SaslMechanism),
]


@pytest.fixture
def topic(kafka: Kafka, kafka_administrator: KafkaAdministrator) -> Topic:
    """A topic with one partition."""
    return Topic(kafka, kafka_administrator, 1)


def way_in(
    topic: Topic, protocol: str, mechanism: SaslMechanism | None, **changes: Any
) -> KafkaEndpoint:
    """An endpoint with all that the protocol asks for."""
    login = {"sasl_mechanism": mechanism, "username": "reader", "password": "right"}
    tls = client_context(None, topic.broker.ca_file.read_text())
    options = {
        "security_protocol": SecurityProtocol(protocol),
        **(login if mechanism else {}),
        **({"ssl_context": tls} if "SSL" in protocol else {}),
    }
    return topic.endpoint(protocol, **{**options, **changes})


async def refusal(endpoint: KafkaEndpoint) -> StreamError:
    """What a look and a stream are told, which is the same."""
    with pytest.raises(StreamError) as told:
        async with asyncio.timeout(PATIENCE):
            await probe(endpoint)
    run = Run(endpoint, Receiver())
    error = await run.ended()
    await threads_ended()
    assert type(error) is type(told.value)
    assert run.observer.backlogs == []
    return error


@pytest.mark.parametrize(("protocol", "mechanism"), WAYS)
async def test_every_way_in_leads_to_the_messages(
    topic: Topic, protocol: str, mechanism: SaslMechanism | None
) -> None:
    await topic.produce(b"{}")
    endpoint = way_in(topic, protocol, mechanism)
    await probe(endpoint)
    async with running(endpoint) as run:
        await run.receiver.wait_for(1)
    assert await topic.committed() == {0: 1}


@pytest.mark.parametrize(
    ("protocol", "mechanism"), [way for way in WAYS if way[1] is not None]
)
async def test_a_wrong_password_is_told(
    topic: Topic,
    protocol: str,
    mechanism: SaslMechanism,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "custom_components.ev_streams")
    endpoint = way_in(topic, protocol, mechanism, password="not this one")
    error = await refusal(endpoint)
    assert isinstance(error, CredentialsRefusedError)
    for text in (str(error), repr(endpoint), caplog.text):
        assert "not this one" not in text
        assert "reader" not in text


async def test_a_missing_topic_is_told(topic: Topic) -> None:
    error = await refusal(topic.endpoint(topic="no-such-topic"))
    assert type(error) is SourceGoneError
    assert error.source == "no-such-topic"


async def test_a_name_that_no_topic_can_have_is_told(topic: Topic) -> None:
    error = await refusal(topic.endpoint(topic="not a topic"))
    assert type(error) is SourceGoneError


async def test_a_topic_or_group_that_is_denied_is_told(topic: Topic) -> None:
    endpoint = way_in(topic, "SASL_SSL", SaslMechanism.PLAIN, username="stranger")
    error = await refusal(endpoint)
    assert isinstance(error, TopicDeniedError)
    assert error.source == topic.name
    topic.administrator.allow("stranger", topics=[topic.name])
    async with asyncio.timeout(PATIENCE):
        while isinstance(error, TopicDeniedError):
            error = await refusal(endpoint)
    assert isinstance(error, GroupDeniedError)
    assert error.form_error == "group_denied"


async def test_a_broker_that_nobody_vouches_for_is_told(topic: Topic) -> None:
    stranger = client_context(None, Authority().pem().decode())
    error = await refusal(way_in(topic, "SSL", None, ssl_context=stranger))
    assert isinstance(error, CertificateRefusedError)


@pytest.mark.parametrize(
    ("port", "protocol"),
    [
        ("PLAINTEXT", "SSL"),
        ("SSL", "PLAINTEXT"),
        ("SASL_SSL", "SASL_PLAINTEXT"),
        ("PLAINTEXT", "SASL_PLAINTEXT"),
        ("SASL_PLAINTEXT", "PLAINTEXT"),
    ],
)
async def test_the_wrong_port_is_a_connection_that_fails(
    topic: Topic, port: str, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    mechanism = SaslMechanism.PLAIN if "SASL" in protocol else None
    brokers = (topic.broker.address(port),)
    error = await refusal(way_in(topic, protocol, mechanism, brokers=brokers))
    assert type(error) is ConnectionFailedError


async def test_an_account_that_the_mechanism_does_not_know_is_told(
    topic: Topic,
) -> None:
    endpoint = way_in(
        topic, "SASL_SSL", SaslMechanism.SCRAM_SHA_512, username="stranger"
    )
    assert isinstance(await refusal(endpoint), CredentialsRefusedError)


async def test_a_broker_that_is_not_there_is_a_connection_that_fails(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    error = await refusal(topic.endpoint(brokers=("127.0.0.1:1",)))
    assert type(error) is ConnectionFailedError
    assert "127.0.0.1:1" in str(error)


async def test_a_name_that_is_not_known_is_a_connection_that_fails(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_args: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    impatient(monkeypatch)
    monkeypatch.setattr("kafka.net.inet.socket.getaddrinfo", unknown)
    error = await refusal(topic.endpoint(brokers=("no-such-host.invalid:9092",)))
    assert type(error) is ConnectionFailedError
    assert "no-such-host.invalid:9092" in str(error)


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL"])
async def test_a_broker_that_says_nothing_is_a_connection_that_fails(
    topic: Topic, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    with socket.create_server(("127.0.0.1", 0)) as server:
        brokers = (f"127.0.0.1:{server.getsockname()[1]}",)
        error = await refusal(way_in(topic, protocol, None, brokers=brokers))
    assert type(error) is ConnectionFailedError


async def test_one_of_several_brokers_is_enough(topic: Topic) -> None:
    await topic.produce(b"{}")
    brokers = ("127.0.0.1:1", topic.broker.address())
    async with running(topic.endpoint(brokers=brokers)) as run:
        await run.receiver.wait_for(1)


async def test_a_library_that_is_stuck_is_left_behind(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STUCK_AFTER", 0.2)
    monkeypatch.setattr(module, "LOOK_INTERVAL", 0.1)
    monkeypatch.setattr(module, "PROBE_TIMEOUT", 0.2)
    stuck = StuckLibrary()
    monkeypatch.setattr(
        "custom_components.ev_streams.stream.kafka_reader.Client", stuck.client
    )
    run = Run(topic.endpoint(), Receiver())
    assert type(await run.ended()) is ConnectionFailedError
    with pytest.raises(ConnectionFailedError):
        await probe(topic.endpoint())
    stuck.release()
    await threads_ended()


class StuckLibrary:
    """Waits in the middle of connecting until it is released."""

    def __init__(self) -> None:
        self._released = threading.Event()

    def client(self, _endpoint: KafkaEndpoint) -> None:
        self._released.wait(PATIENCE)
        raise ConnectionFailedError("released")

    def release(self) -> None:
        self._released.set()


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait as long for a connection as a real network may need."""
    monkeypatch.setattr(
        "custom_components.ev_streams.stream.kafka_client.CONNECT_TIMEOUT", 1500
    )
