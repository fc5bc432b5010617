"""Sessions of a location as an action tells of them: on which outlet, and by whom if wanted."""

import csv
from datetime import timedelta
import io
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
import pytest

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from simulator.etrel import ApiAccess, EtrelOcean

from ..helpers import stored
from .helpers import (
    CONNECTOR,
    LOCATION,
    OTHER_POINT,
    STATION,
    add_access,
    registered,
    session,
    tell,
)

FIRST = session(5001)
SECOND = session(
    5002,
    charge_point=OTHER_POINT,
    connector=2,
    started=FIRST.started + timedelta(minutes=5),
    power=4.0,
    meter_start=900.0,
)
# As the played body has it: eight letters and the session's number.
TOKEN = f"04{5001:012X}"


async def get_sessions(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, device_id: str
) -> dict[str, Any]:
    """Ask for the sessions of a device, and for their lines."""
    answer = await hass.services.async_call(
        DOMAIN,
        "get_sessions",
        {"device_id": registered(hass, entry, device_id).id, "csv": True},
        blocking=True,
        return_response=True,
    )
    assert answer is not None
    return dict(answer)


async def charge(ocean: EtrelOcean, entry: EvStreamsConfigEntry) -> None:
    """Let two sessions run at once."""
    await tell(
        entry,
        ocean,
        STATION.started(FIRST),
        STATION.started_user(FIRST),
        STATION.started(SECOND),
        STATION.ended(FIRST),
        STATION.ended(SECOND),
    )
    await entry.runtime_data.committer.flush()
    await entry.runtime_data.committer.flush()


async def test_sessions_of_a_location_name_their_outlet(
    hass: HomeAssistant, ocean: EtrelOcean, access: ApiAccess
) -> None:
    entry = await add_access(hass, ocean, access)
    await charge(ocean, entry)
    answer = await get_sessions(hass, entry, LOCATION)
    common = {
        "device": "Parking North",
        "device_id": LOCATION,
        "stop": dt_util.as_local(FIRST.stopped).isoformat(),
        "replayed": True,
    }
    assert answer["sessions"] == [
        {
            **common,
            "session_id": "5001",
            "start": dt_util.as_local(FIRST.started).isoformat(),
            "duration": 2700.0,
            "energy": 6.0,
            "meter_start": 100.0,
            "meter_stop": 106.0,
            "evse": "SI-LJ-0077-A/1",
        },
        {
            **common,
            "session_id": "5002",
            "start": dt_util.as_local(SECOND.started).isoformat(),
            "duration": 2400.0,
            "energy": pytest.approx(4.0 * 40 / 60, abs=1e-5),
            "meter_start": 900.0,
            "meter_stop": pytest.approx(900 + 4.0 * 40 / 60, abs=1e-5),
            "evse": "SI-LJ-0077-B/2",
        },
    ]
    lines = list(csv.DictReader(io.StringIO(answer["csv"])))
    assert [(each["session_id"], each["evse"]) for each in lines] == [
        ("5001", "SI-LJ-0077-A/1"),
        ("5002", "SI-LJ-0077-B/2"),
    ]
    assert "rfid_token" not in lines[0]
    # They are the location's, for which a connector stands as well.
    of_part = await get_sessions(hass, entry, CONNECTOR)
    assert of_part["sessions"] == answer["sessions"]


async def test_tokens_are_there_if_they_are_wanted(
    hass: HomeAssistant, ocean: EtrelOcean, access: ApiAccess
) -> None:
    """And otherwise nowhere in what is kept, be it of the session or of its message."""
    entry = await add_access(hass, ocean, access)
    hass.config_entries.async_update_entry(entry, options={"session_tokens": True})
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    await charge(ocean, entry)
    answer = await get_sessions(hass, entry, LOCATION)
    assert answer["sessions"][0]["rfid_token"] == TOKEN
    assert TOKEN in answer["csv"]
    tokens = "SELECT token FROM sessions ORDER BY session_id"
    assert (await stored(hass, entry, tokens))[0] == (TOKEN,)
    hass.config_entries.async_update_entry(entry, options={"session_tokens": False})
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert TOKEN not in str(await get_sessions(hass, entry, LOCATION))
    await entry.runtime_data.committer.flush()
    assert await stored(hass, entry, tokens) == [(None,), (None,)]
