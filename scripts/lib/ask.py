"""What Home Assistant is asked more than once: states, past states, statistics, sessions."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from .cards import DOMAIN, Device
from .home_assistant import HomeAssistant

type Row = Mapping[str, Any]


async def states(home_assistant: HomeAssistant) -> dict[str, str]:
    """Return the state of every entity by its id."""
    found = await home_assistant.get("states")
    return {state["entity_id"]: state["state"] for state in found}


async def past_states(
    home_assistant: HomeAssistant, entity_id: str, since: datetime
) -> list[Row]:
    """Return an entity's states since then, oldest first."""
    query = (
        f"significant_changes_only=0&skip_initial_state&filter_entity_id={entity_id}"
    )
    rows: list[list[Row]] = await home_assistant.get(
        f"history/period/{since:%Y-%m-%dT%H:%M:%SZ}?{query}"
    )
    return rows[0] if rows else []


async def fired(
    home_assistant: HomeAssistant, device: Device, since: datetime
) -> list[Row]:
    """Return the session events that fired since then.

    What was merely restored is older, and what is shown once more has the same time.
    """
    entity_id = device.entities["charging_session"]
    found: dict[tuple[str, str, str], Row] = {}
    for state in await past_states(home_assistant, entity_id, since):
        moment, event = state["state"], state["attributes"]
        has_fired = moment not in ("unknown", "unavailable")
        if has_fired and datetime.fromisoformat(moment) > since:
            change = str(event["event_type"]), str(event["session_id"])
            found.setdefault((moment, *change), event)
    return [*found.values()]


async def hourly_rows(
    home_assistant: HomeAssistant, statistic_id: str, since: datetime, *types: str
) -> dict[datetime, Row]:
    """Return the statistics of each hour since then, by its beginning in UTC."""
    found = await home_assistant.command(
        "recorder/statistics_during_period",
        start_time=since.isoformat(),
        statistic_ids=[statistic_id],
        period="hour",
        types=list(types),
    )
    return {
        datetime.fromtimestamp(row["start"] / 1000, UTC): row
        for row in found.get(statistic_id, [])
    }


async def sessions(home_assistant: HomeAssistant, device: Device) -> list[Row]:
    """Return what the action answers for a device."""
    answer = await home_assistant.post(
        f"services/{DOMAIN}/get_sessions?return_response",
        {"device_id": device.device_id},
    )
    rows: list[Row] = answer["service_response"]["sessions"]
    return rows
