"""A fleet of its own for each test."""

from collections.abc import AsyncIterator
from itertools import count

import pytest

from simulator.invers import EventConsumer, InversFleet
from simulator.rabbitmq import RabbitMQ

FLEETS = count(1)


@pytest.fixture
async def fleet(broker: RabbitMQ, socket_enabled: None) -> AsyncIterator[InversFleet]:
    """Give a test the vendor's side of a fleet."""
    async with InversFleet(broker, f"{next(FLEETS)}") as fleet:
        yield fleet


@pytest.fixture
async def consumer(fleet: InversFleet) -> EventConsumer:
    """Make an event consumer with all topics."""
    return await fleet.add_consumer()
