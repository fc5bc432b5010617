"""A played tenant, and a client of its API."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from custom_components.ev_streams.providers.ampeco.api import AmpecoClient
from simulator.ampeco import AmpecoTenant, ChargePoint, Evse


@pytest.fixture(autouse=True)
def custom_integrations() -> None:
    """Nothing here needs Home Assistant."""


@pytest.fixture
async def tenant(socket_enabled: None) -> AsyncIterator[AmpecoTenant]:
    """Start a tenant with one charge point of two outlets."""
    async with AmpecoTenant() as tenant:
        outlets = (
            Evse(evse_id=27, physical_reference="A"),
            Evse(evse_id=28, physical_reference="B"),
        )
        tenant.charge_points.append(
            ChargePoint(point_id=15, name="Depot gate", evses=outlets)
        )
        yield tenant


@pytest.fixture
async def session(socket_enabled: None) -> AsyncIterator[aiohttp.ClientSession]:
    """Open an HTTP session."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def client(tenant: AmpecoTenant, session: aiohttp.ClientSession) -> AmpecoClient:
    """Make a client whose token has all rights."""
    return AmpecoClient(session, tenant.url, "tenant-token")
