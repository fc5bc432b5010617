"""What a user of an AMPECO tenant does and sees, in a few words."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient
from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    SOURCE_USER,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlowResult,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from simulator.ampeco import (
    AmpecoTenant,
    ChargePoint,
    Evse,
    Subscription,
    encoded,
    signature,
)

from ..helpers import wait_live, wait_until

type HomeAssistantClient = TestClient[web.Request, web.Application]

TOKEN = "tenant-token"
POINT, EVSE, OTHER_EVSE = "15", "27", "28"
PIECE = 65_536
# As devices they are known by these.
EVSE_DEVICE, OTHER_EVSE_DEVICE = f"evse_{EVSE}", f"evse_{OTHER_EVSE}"


async def serve(
    hass: HomeAssistant, create_client: ClientSessionGenerator
) -> HomeAssistantClient:
    """Let Home Assistant serve on a port, and know its own address.

    A server that runs takes no more routes: whatever adds some has to be there before.
    """
    for component in (
        "webhook",
        "file_upload",
        "diagnostics",
        "websocket_api",
        "config",
    ):
        assert await async_setup_component(hass, component, {})
    client: HomeAssistantClient = await create_client()
    address = str(client.make_url("")).rstrip("/")
    await hass.config.async_update(internal_url=address)
    return client


@asynccontextmanager
async def played_tenant() -> AsyncIterator[AmpecoTenant]:
    """Play a tenant with one charge point of two outlets; its retries do not wait."""
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


def form(tenant: AmpecoTenant | None = None, **changes: Any) -> dict[str, Any]:
    """Return the filled form; without a tenant it is for somebody who subscribes by hand."""
    filled = {"name": "Depot", "api_token": TOKEN}
    if tenant is not None:
        filled["tenant_url"] = tenant.url
    return filled | changes


async def open_form(hass: HomeAssistant) -> ConfigFlowResult:
    """Choose AMPECO in the menu of a new config flow."""
    menu = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    return await hass.config_entries.flow.async_configure(
        menu["flow_id"], {"next_step_id": "ampeco_webhook"}
    )


async def fill_in(hass: HomeAssistant, filled: Mapping[str, Any]) -> ConfigFlowResult:
    """Open the form of a new account and submit it."""
    opened = await open_form(hass)
    return await hass.config_entries.flow.async_configure(
        opened["flow_id"], dict(filled)
    )


async def add_tenant(
    hass: HomeAssistant, tenant: AmpecoTenant, **changes: Any
) -> EvStreamsConfigEntry:
    """Add the tenant through the config flow and wait until all was asked of it."""
    entry = await added(hass, form(tenant, **changes))
    await wait_for_names(tenant)
    return entry


async def wait_for_names(tenant: AmpecoTenant) -> None:
    """Wait until the charge points were asked for, which comes last."""
    await wait_until(
        lambda: any(
            "charge-points" in each.path and each.status is not None
            for each in tenant.requests
        ),
        "the names",
    )


async def added(hass: HomeAssistant, filled: Mapping[str, Any]) -> EvStreamsConfigEntry:
    """Add an account through the config flow and wait until calls are taken."""
    result = await fill_in(hass, filled)
    assert result["type"] is FlowResultType.CREATE_ENTRY, result
    entry: EvStreamsConfigEntry = result["result"]
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    await wait_live(hass, entry)
    return entry


async def reconfigure(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, filled: Mapping[str, Any]
) -> ConfigFlowResult:
    """Change the account in its form."""
    opened = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_RECONFIGURE, "entry_id": entry.entry_id}
    )
    return await hass.config_entries.flow.async_configure(
        opened["flow_id"], dict(filled)
    )


def url_of(hass: HomeAssistant, entry: ConfigEntry) -> str:
    """Return where the account is to be called, by the address that the server has."""
    return f"{hass.config.internal_url}/api/webhook/{entry.data['webhook_id']}"


def only_subscription(tenant: AmpecoTenant) -> Subscription:
    """Return the one subscription that the tenant has."""
    (subscription,) = tenant.subscriptions.values()
    return subscription


class Caller:
    """Calls a webhook as a tenant does, or as somebody who is none."""

    def __init__(self, client: HomeAssistantClient) -> None:
        """Call Home Assistant's server."""
        self._client = client

    async def call(
        self,
        entry: ConfigEntry,
        content: Mapping[str, Any] | bytes,
        *,
        signed: str | None = None,
        sent_at: datetime | None = None,
        token: str = TOKEN,
        method: str = "POST",
        is_chunked: bool = False,
    ) -> int:
        """Return the status of a call; `signed` is the header instead of the right one.

        An empty one stands for none. A chunked body does not say how long it is.
        """
        body = content if isinstance(content, bytes) else encoded(content)
        at = sent_at or datetime.now(UTC)
        headers = {
            "Content-Type": "application/json",
            "X-Timestamp": f"{at:%Y-%m-%dT%H:%M:%S.%f}Z",
            "X-Signature": signature(body, token) if signed is None else signed,
        }
        if not headers["X-Signature"]:
            del headers["X-Signature"]
        path = f"/api/webhook/{entry.data['webhook_id']}"
        async with self._client.request(
            method,
            path,
            data=_pieces(body) if is_chunked else body,
            headers=headers,
        ) as response:
            return response.status


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), PIECE):
        yield body[start : start + PIECE]
