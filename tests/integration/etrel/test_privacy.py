"""What one would send to a stranger, or read in the log, gives nobody away."""

import json
import logging
from pathlib import Path

from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
    get_diagnostics_for_device,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from custom_components.ev_streams.storage import store_path
from simulator.etrel import EtrelOcean, Notification

from ..helpers import wait_for_issue, wait_until
from .helpers import (
    CONNECTOR,
    LOCATION,
    NOW,
    STATION,
    add_access,
    registered,
    session,
    tell,
)

KEY = "8f14e45fceea167a"
PEOPLE = (
    *("Kim", "Example3", "kim@example.com", "+386 1 555 0100", "cannot unplug"),
    f"04{5001:012X}",
)
# None of these is told to a stranger; entities of the own home have them.
PLACES = ("SI-LJ-0077-A", "location_77", "Parking North")


async def everything_told(ocean: EtrelOcean, entry: EvStreamsConfigEntry) -> None:
    """Let every type of message be told, and one that nobody knows."""
    body = {"Customer": {"Name": "Kim"}, "Driver": "Kim", "Tariff": 1}
    await tell(
        entry,
        ocean,
        STATION.started(session()),
        STATION.started_user(session()),
        STATION.ended(session()),
        STATION.status("SI-LJ-0077-A", 1, "Available", NOW),
        STATION.reservation(9, NOW, NOW),
        STATION.reservation(9, NOW, NOW, canceled=True),
        STATION.system_event(31, "E-STOP", NOW),
        STATION.ticket(4, NOW),
        Notification(tail="tariff.changed", location_id=77, body=body),
    )


async def test_nobody_is_given_away(
    hass: HomeAssistant,
    ocean: EtrelOcean,
    hass_client: ClientSessionGenerator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither in states, nor in diagnostics, in the log, or in what is kept."""
    caplog.set_level(logging.DEBUG, "custom_components.ev_streams")
    tails = [
        *("session.started", "session.started.user", "session.ended"),
        *("connector.statusChanged", "reservation.created", "reservation.canceled"),
        *("system.event", "helpdesk.ticket.raisedByUser", "tariff.changed"),
    ]
    access = await ocean.add_access(31, KEY, tails=tails)
    entry = await add_access(hass, ocean, access, queues=list(access.queues.values()))
    await everything_told(ocean, entry)
    await ocean.publish_raw(access, "77.session.ended", b"\xffKim Example3")
    refusals = entry.runtime_data.refusals
    await wait_until(lambda: refusals.counts.total() == 1, "the one that is refused")
    await ocean.remove_queue(access, "tariff.changed")
    raised = await wait_for_issue(hass, entry, "source_gone")
    assert raised.translation_placeholders is not None
    assert raised.translation_placeholders["source"] == "APIACCESS-31.*.tariff.changed"
    await hass.async_block_till_done()

    whole = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    parts = [
        await get_diagnostics_for_device(
            hass, hass_client, entry, registered(hass, entry, device_id)
        )
        for device_id in (LOCATION, CONNECTOR)
    ]
    own = [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("custom_components.ev_streams")
    ]
    for told in (json.dumps(whole), json.dumps(parts), "\n".join(own)):
        hidden = (*PEOPLE, *PLACES, KEY, access.username)
        assert [each for each in hidden if each in told] == []
    states = "\n".join(str(each.as_dict()) for each in hass.states.async_all())
    assert [each for each in (*PEOPLE, KEY, access.username) if each in states] == []
    assert whole["messages"]["unknown"] == {"message:tariff.changed": 1}
    assert whole["data"]["queues"] == "**REDACTED**"
    assert parts[1]["readings"]["connector_status"]["value"] == "available"
    await entry.runtime_data.committer.flush()
    kept = await hass.async_add_executor_job(_file, store_path(hass, entry.entry_id))
    assert [each for each in PEOPLE if each.encode() in kept] == []


def _file(path: Path) -> bytes:
    files = [Path(f"{path}{suffix}") for suffix in ("", "-wal")]
    return b"".join(each.read_bytes() for each in files if each.exists())
