"""Sessions that are published for an action to tell of, and how a script calls it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
import json
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from simulator.easee import EaseeAccount

from .helpers import SERIAL

NOW = datetime.now(UTC).replace(microsecond=0)
TOKEN = "A1B2C3D4"
SESSION_START, SESSION_STOP, SIGNED_SESSION = 223, 129, 60


def hours_ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def started(number: int, start: datetime, meter: float) -> dict[str, Any]:
    """The members of a session's beginning."""
    return {
        "Id": number,
        "Start": start.isoformat(),
        "MeterValue": meter,
        "Auth": TOKEN,
        "AuthReason": 1,
    }


def stopped(
    number: int, start: datetime, stop: datetime, meter: float, energy: float
) -> dict[str, Any]:
    """The members of a session's end."""
    return {
        "Id": number,
        "Start": start.isoformat(),
        "Stop": stop.isoformat(),
        "EnergyKwh": energy,
        "MeterValueStart": meter,
        "MeterValueStop": meter + energy,
        "Auth": TOKEN,
        "AuthReason": 1,
    }


async def publish_session(
    account: EaseeAccount,
    number: int,
    start: datetime,
    stop: datetime | None = None,
    *,
    serial: str = SERIAL,
    energy: float = 8.5,
) -> None:
    """Publish a session's beginning, and its end if it has one; it begins at 1000 kWh."""
    await account.publish(
        serial,
        SESSION_START,
        json.dumps(started(number, start, 1000.0)),
        timestamp=start,
    )
    if stop is not None:
        await account.publish(
            serial,
            SESSION_STOP,
            json.dumps(stopped(number, start, stop, 1000.0, energy)),
            timestamp=stop,
        )


def device(hass: HomeAssistant, entry: EvStreamsConfigEntry, own_id: str) -> str:
    """The id that an action wants."""
    found = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, own_id), entry.entry_id
    )
    assert found is not None
    return found.id


async def get_sessions(
    hass: HomeAssistant, *devices: str, **fields: object
) -> Mapping[str, Any]:
    """Call the action as a script would."""
    response = await hass.services.async_call(
        DOMAIN,
        "get_sessions",
        {"device_id": list(devices), **fields},
        blocking=True,
        return_response=True,
    )
    assert response is not None
    # What a script or the developer tools make of it.
    told: Mapping[str, Any] = json.loads(json.dumps(response))
    return told
