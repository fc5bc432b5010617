"""What a user of a Stellantis account does and sees, in a few words."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import FormData
from aiohttp.test_utils import TestClient
from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    SOURCE_USER,
    ConfigEntryState,
    ConfigFlowResult,
    SubentryFlowResult,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from simulator.certificates import Identity
from simulator.stellantis import Account, StellantisPlatform

from ..helpers import wait_live

VIN = "VR3UHZKXZPT123456"
OTHER_VIN = "VR3UHZKXZPT654321"

type Upload = Callable[[bytes, str], Awaitable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """What a partner was handed, and how its files get into Home Assistant."""

    platform: StellantisPlatform
    account: Account
    identity: Identity
    upload: Upload

    async def form(self, **changes: Any) -> dict[str, Any]:
        """Return the filled form; a field that is changed to None is left out."""
        broker = self.platform.broker
        filled: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": broker.port,
            "username": self.account.uid,
            "password": self.account.password,
            "advanced": {"id_app": "app-1"},
        }
        if "client_certificate" not in changes:
            filled |= {
                "client_certificate": await self.upload(self.identity.pem(), "c.pem"),
                "client_key": await self.upload(self.identity.key_pem(), "c.key"),
            }
        if "ca_certificate" not in changes:
            ca = broker.authority.pem()
            filled["ca_certificate"] = await self.upload(ca, "ca.pem")
        filled |= changes
        return {name: value for name, value in filled.items() if value is not None}

    async def say(self, content: object, vin: str = VIN, **options: Any) -> None:
        """Let an application in a car say something."""
        await self.platform.say(self.account.uid, vin, content, **options)


def uploader(client: TestClient[Any, Any]) -> Upload:
    """Return a way to upload a file as the frontend does."""

    async def upload(content: bytes, name: str) -> str:
        data = FormData()
        data.add_field("file", content, filename=name)
        response = await client.post("/api/file_upload", data=data)
        assert response.status == 200
        return str((await response.json())["file_id"])

    return upload


async def open_form(hass: HomeAssistant) -> ConfigFlowResult:
    """Choose Stellantis in the menu of a new config flow."""
    menu = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    return await hass.config_entries.flow.async_configure(
        menu["flow_id"], {"next_step_id": "stellantis"}
    )


async def fill(
    hass: HomeAssistant, opened: Mapping[str, Any], typed: Mapping[str, Any]
) -> ConfigFlowResult:
    """Submit the form of a config flow."""
    return await hass.config_entries.flow.async_configure(
        opened["flow_id"], dict(typed)
    )


async def add_partner(
    hass: HomeAssistant, partner: Partner, **changes: Any
) -> EvStreamsConfigEntry:
    """Add the account through the config flow and wait until its stream is live."""
    result = await fill(hass, await open_form(hass), await partner.form(**changes))
    assert result["type"] is FlowResultType.CREATE_ENTRY, result
    entry: EvStreamsConfigEntry = result["result"]
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    await wait_live(hass, entry)
    return entry


async def add_vehicle(
    hass: HomeAssistant,
    entry: EvStreamsConfigEntry,
    vin: str = VIN,
    name: str = "Family car",
    presets: list[str] | None = None,
) -> None:
    """Add a vehicle through its flow and wait until the entry is loaded anew with it."""
    flow = hass.config_entries.subentries
    opened = await flow.async_init(
        (entry.entry_id, "vehicle"), context={"source": SOURCE_USER}
    )
    result = await flow.async_configure(
        opened["flow_id"], {"device_id": vin, "name": name}
    )
    if result["type"] is FlowResultType.FORM:
        assert result["step_id"] == "presets"
        result = await flow.async_configure(
            result["flow_id"], {"presets": presets or []}
        )
    assert result["type"] is FlowResultType.CREATE_ENTRY, result
    await reloaded(hass, entry)


async def reloaded(hass: HomeAssistant, entry: EvStreamsConfigEntry) -> None:
    """Wait until the entry is loaded (anew) and its stream is live."""
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    await wait_live(hass, entry)


async def change_vehicle(
    hass: HomeAssistant,
    entry: EvStreamsConfigEntry,
    *steps: Mapping[str, Any] | str,
    vin: str = VIN,
) -> SubentryFlowResult:
    """Go through the menu of a vehicle: a text chooses, anything else fills in a form."""
    flow = hass.config_entries.subentries
    (subentry_id,) = (
        each.subentry_id for each in entry.subentries.values() if each.unique_id == vin
    )
    result = await flow.async_init(
        (entry.entry_id, "vehicle"),
        context={"source": SOURCE_RECONFIGURE, "subentry_id": subentry_id},
    )
    for step in steps:
        typed = {"next_step_id": step} if isinstance(step, str) else dict(step)
        result = await flow.async_configure(result["flow_id"], typed)
    if result["type"] is FlowResultType.ABORT:
        await reloaded(hass, entry)
    return result
