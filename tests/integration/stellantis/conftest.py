"""A partner account of its own for each test."""

from itertools import count
from pathlib import Path
from typing import Any

from homeassistant.components import file_upload
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.ev_streams.const import DOMAIN
from simulator.stellantis import StellantisPlatform

from .helpers import Partner, uploader

UIDS = count(1)


@pytest.fixture
async def partner(
    hass: HomeAssistant,
    platform: StellantisPlatform,
    hass_client: ClientSessionGenerator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Partner:
    """Make a partner with a certificate, whose browser is open."""
    # Home Assistants of one machine share a folder, and each deletes that of the other.
    monkeypatch.setattr(file_upload, "TEMP_DIR_NAME", str(tmp_path / "uploads"))
    # Whatever answers requests has to be there before the first one.
    for component in (DOMAIN, "diagnostics"):
        assert await async_setup_component(hass, component, {})
    client: Any = await hass_client()
    uid = f"UID{next(UIDS):05}"
    return Partner(
        platform=platform,
        account=await platform.add_account(uid, "right"),
        identity=platform.broker.authority.client(uid),
        upload=uploader(client),
    )
