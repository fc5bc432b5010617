"""Who charged, and whose charge point it is, is nobody's business."""

import json
import logging
from pathlib import Path
import re

from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from custom_components.ev_streams.storage import store_path
from simulator.ampeco import AmpecoTenant

from ..helpers import wait_live
from .helpers import POINT, only_subscription
from .told import END, PASSWORD, PIN, RFID, USER, one_of_each, stop, update

PERSONAL = (
    *(RFID, str(USER), PIN, PASSWORD, "Dana", "D. River", "dana@example.com"),
    *("pm_1NxQ", "8935201641400012345", "206012345678901", "42.6977"),
    *("River Street", "1234.5", "5678.25"),
)


def found_in(text: str) -> list[str]:
    """Return what of a person is in a text; digits as a number, not as a part of one."""
    return [
        each
        for each in PERSONAL
        if re.search(
            rf"(?<![0-9a-f.]){re.escape(each)}(?![0-9a-f])"
            if each.isdecimal()
            else re.escape(each),
            text,
        )
    ]


async def file_of(hass: HomeAssistant, entry: EvStreamsConfigEntry) -> str:
    """Return all that the entry has on the disk."""
    path = store_path(hass, entry.entry_id)

    def read() -> str:
        files = [Path(f"{path}{suffix}") for suffix in ("", "-wal")]
        return "".join(
            each.read_bytes().decode("latin-1") for each in files if each.exists()
        )

    await entry.runtime_data.committer.flush()
    return await hass.async_add_executor_job(read)


def all_states(hass: HomeAssistant) -> str:
    """Return every state with its attributes."""
    shown = [(each.state, dict(each.attributes)) for each in hass.states.async_all()]
    return json.dumps(shown, default=str)


@pytest.mark.parametrize("keeps_tokens", [False, True])
async def test_people_are_found_nowhere(
    hass: HomeAssistant,
    tenant: AmpecoTenant,
    entry: EvStreamsConfigEntry,
    hass_client: ClientSessionGenerator,
    caplog: pytest.LogCaptureFixture,
    keeps_tokens: bool,
) -> None:
    """Only where the user wants it, and only in the file: with what a session began."""
    caplog.set_level(logging.DEBUG, "custom_components.ev_streams")
    if keeps_tokens:
        options = {"session_tokens": True}
        hass.config_entries.async_update_entry(entry, options=options)
        await hass.config_entries.async_reload(entry.entry_id)
        await wait_live(hass, entry)
    for each in (*one_of_each().values(), stop(), update("finished", END)):
        await tenant.notify(each)
    assert only_subscription(tenant).failed == []
    await hass.async_block_till_done()
    assert entry.runtime_data.refusals.counts == {}
    assert found_in(all_states(hass)) == []
    diagnostics = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    told = json.dumps(diagnostics)
    # The shape of a message is there, and none of its values.
    assert '"externalSessionId": "str"' in told
    assert found_in(told) == []
    for secret in ("tenant-token", entry.data["webhook_id"]):
        assert secret not in told
        assert secret not in all_states(hass)
    ours = "".join(
        f"{each.getMessage()}{each.exc_text or ''}"
        for each in caplog.records
        if each.name.startswith("custom_components")
    )
    assert found_in(ours) == []
    assert "tenant-token" not in ours
    assert found_in(await file_of(hass, entry)) == ([RFID] if keeps_tokens else [])
    sessions = entry.runtime_data.ledger.sessions(POINT)
    assert {each.token for each in sessions} == {RFID if keeps_tokens else None}
