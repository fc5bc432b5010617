"""Home Assistant's web server on a real port, and a played tenant that calls it."""

from collections.abc import AsyncIterator

from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from simulator.ampeco import AmpecoTenant, notifications

from .helpers import (
    Caller,
    HomeAssistantClient,
    add_tenant,
    only_subscription,
    played_tenant,
    serve,
)


@pytest.fixture
async def client(
    hass: HomeAssistant, hass_client_no_auth: ClientSessionGenerator
) -> HomeAssistantClient:
    """Let Home Assistant serve on a port."""
    return await serve(hass, hass_client_no_auth)


@pytest.fixture
async def tenant(
    client: HomeAssistantClient, socket_enabled: None
) -> AsyncIterator[AmpecoTenant]:
    """Start a tenant that can call."""
    async with played_tenant() as tenant:
        yield tenant


@pytest.fixture
def caller(client: HomeAssistantClient) -> Caller:
    """Call webhooks by hand."""
    return Caller(client)


@pytest.fixture
async def entry(
    hass: HomeAssistant, tenant: AmpecoTenant, every_entity_enabled: None
) -> EvStreamsConfigEntry:
    """Add a tenant that sends whatever there is."""
    entry = await add_tenant(hass, tenant)
    only_subscription(tenant).notifications = tuple(notifications.NAMES)
    return entry
