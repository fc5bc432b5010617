"""Home Assistant's web server on a real port, and a played tenant that calls it."""

from collections.abc import AsyncIterator

from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from simulator.ampeco import AmpecoTenant, ChargePoint, Evse, notifications

from .helpers import (
    EVSE,
    OTHER_EVSE,
    POINT,
    Caller,
    HomeAssistantClient,
    add_tenant,
    only_subscription,
)


@pytest.fixture
async def client(
    hass: HomeAssistant, hass_client_no_auth: ClientSessionGenerator
) -> HomeAssistantClient:
    """Let Home Assistant serve on a port, and know its own address.

    A server that runs takes no more routes: whatever adds some has to be there before.
    """
    for component in ("webhook", "file_upload", "diagnostics"):
        assert await async_setup_component(hass, component, {})
    client: HomeAssistantClient = await hass_client_no_auth()
    address = str(client.make_url("")).rstrip("/")
    await hass.config.async_update(internal_url=address)
    return client


@pytest.fixture
async def tenant(
    client: HomeAssistantClient, socket_enabled: None
) -> AsyncIterator[AmpecoTenant]:
    """Start a tenant with one charge point of two outlets; its retries do not wait."""
    async with AmpecoTenant() as tenant:
        outlets = (
            Evse(evse_id=int(EVSE), physical_reference="A"),
            Evse(evse_id=int(OTHER_EVSE), physical_reference="B"),
        )
        tenant.charge_points.append(
            ChargePoint(point_id=int(POINT), name="Depot gate", evses=outlets)
        )
        tenant.sender.pause = 0
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
