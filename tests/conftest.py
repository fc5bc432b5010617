"""Fixtures for every test: the integration is found, and its parts are real."""

from collections.abc import AsyncIterator, Iterator
import os
from unittest.mock import PropertyMock, patch

import pytest
import pytest_socket

# The plugin's own testing_config would win if nobody had imported ours before.
import custom_components.ev_streams  # noqa: F401
from simulator.easee import EaseeCloud
from simulator.etrel import EtrelOcean
from simulator.kafka import Kafka
from simulator.kafka_administrator import KafkaAdministrator
from simulator.mosquitto import Mosquitto
from simulator.rabbitmq import Administrator, RabbitMQ
from simulator.stellantis import StellantisPlatform

REQUIRE_ALL = os.environ.get("EV_STREAMS_REQUIRE_ALL") == "1"


@pytest.fixture(autouse=True)
def custom_integrations(enable_custom_integrations: None) -> None:
    """Let Home Assistant load what lies in custom_components."""


@pytest.fixture
def hass_config_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give Home Assistant a directory of its own: files of an entry lie there."""
    return str(tmp_path_factory.mktemp("config"))


@pytest.fixture
def every_entity_enabled() -> Iterator[None]:
    """Enable what is disabled by default, as a user may."""
    with patch(
        "homeassistant.helpers.entity.Entity.entity_registry_enabled_default",
        PropertyMock(return_value=True),
    ):
        yield


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """Start a private RabbitMQ, shared by all tests of this process."""
    missing = RabbitMQ.available()
    if missing is not None:
        if REQUIRE_ALL:
            pytest.fail(missing)
        pytest.skip(missing)
    pytest_socket.enable_socket()
    with RabbitMQ(tmp_path_factory.mktemp("rabbitmq")) as started:
        yield started


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """Start a private Mosquitto, shared by all tests of this process."""
    missing = Mosquitto.available()
    if missing is not None:
        if REQUIRE_ALL:
            pytest.fail(missing)
        pytest.skip(missing)
    pytest_socket.enable_socket()
    with Mosquitto(tmp_path_factory.mktemp("mosquitto")) as started:
        yield started


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """Start a private Kafka, shared by all tests of this process.

    Whoever uses it belongs to the group `kafka`, so that only one process starts one.
    """
    missing = Kafka.available()
    if missing is not None:
        if REQUIRE_ALL:
            pytest.fail(missing)
        pytest.skip(missing)
    pytest_socket.enable_socket()
    accounts = {"reader": "right", "stranger": "right"}
    with Kafka(tmp_path_factory.mktemp("kafka"), accounts) as started:
        yield started


@pytest.fixture
def kafka_administrator(kafka: Kafka, socket_enabled: None) -> KafkaAdministrator:
    """Give tests the cluster's administrator; `reader` may read everything."""
    administrator = KafkaAdministrator(kafka)
    administrator.set_password("reader", "right")
    administrator.allow("reader", topics=["*"], groups=["*"])
    return administrator


@pytest.fixture
async def platform(
    mosquitto: Mosquitto, socket_enabled: None
) -> AsyncIterator[StellantisPlatform]:
    """Give a test the vendor's side of the MQTT broker."""
    async with StellantisPlatform(mosquitto) as platform:
        yield platform


@pytest.fixture
async def administrator(
    broker: RabbitMQ, socket_enabled: None
) -> AsyncIterator[Administrator]:
    """Give a test the broker's administrator."""
    async with broker.administrator() as administrator:
        yield administrator


@pytest.fixture
async def cloud(administrator: Administrator) -> AsyncIterator[EaseeCloud]:
    """Start the played cloud; its accounts' queues are on the real broker."""
    async with EaseeCloud(administrator) as cloud:
        yield cloud


@pytest.fixture
async def ocean(administrator: Administrator) -> AsyncIterator[EtrelOcean]:
    """Play Etrel Ocean on the real broker."""
    async with EtrelOcean(administrator) as ocean:
        yield ocean
