"""A topic of its own for each test."""

from itertools import count
from pathlib import Path
from typing import Any

from homeassistant.components import file_upload
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.ev_streams.const import DOMAIN
from simulator.kafka import Kafka
from simulator.kafka_administrator import KafkaAdministrator

from ..stellantis.helpers import uploader
from .helpers import Cluster

NUMBERS = count(1)


@pytest.fixture
async def cluster(
    hass: HomeAssistant,
    kafka: Kafka,
    kafka_administrator: KafkaAdministrator,
    hass_client: ClientSessionGenerator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Cluster:
    """Make a topic of two partitions, as the tenant's owner has."""
    # Home Assistants of one machine share a folder, and each deletes that of the other.
    monkeypatch.setattr(file_upload, "TEMP_DIR_NAME", str(tmp_path / "uploads"))
    assert await async_setup_component(hass, DOMAIN, {})
    client: Any = await hass_client()
    number = next(NUMBERS)
    cluster = Cluster(
        broker=kafka,
        administrator=kafka_administrator,
        topic=f"notifications-{number}",
        group=f"home-{number}",
        upload=uploader(client),
    )
    await cluster.make_topic()
    return cluster
