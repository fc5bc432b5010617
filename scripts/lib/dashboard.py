"""The demo's dashboard: what a homeowner wants to see of chargers and their stream."""

import asyncio
from collections.abc import Iterator
import time
from typing import Any

from . import fleet_view
from .cards import WIDE, Card, Device, devices, heading, subheading, tiles
from .home_assistant import HomeAssistant, InstanceError

URL_PATH = "ev-streams"
TITLE = "Charging"
ICON = "mdi:ev-station"
LIVE_SECONDS = 60.0


def stream_of(found: list[Device]) -> Device:
    """Return the device that stands for the chargers' account and its stream."""
    for device in found:
        if "delivery_latency" in device.entities:
            return device
    raise InstanceError("no device of the integration has a delivery latency")


def partner_of(found: list[Device]) -> Device | None:
    """Return the device that stands for the car's account, if there is one."""
    accounts = (each for each in found if "certificate_expiry" in each.entities)
    return next(accounts, None)


def vehicle_of(found: list[Device]) -> Device | None:
    """Return the car of the car's account, if there is one."""
    partner = partner_of(found)
    if partner is None:
        return None
    theirs = (each for each in found if each.entry_id == partner.entry_id)
    return next((each for each in theirs if "message_count" in each.entities), None)


def chargers_of(found: list[Device]) -> list[Device]:
    """Return the chargers by name."""
    chargers = [device for device in found if "charger_op_mode" in device.entities]
    return sorted(chargers, key=lambda charger: charger.name)


async def wait_live(home_assistant: HomeAssistant) -> None:
    """Wait until everything that waited in the queue is read."""
    status = stream_of(await devices(home_assistant)).entities["stream_status"]
    deadline = time.monotonic() + LIVE_SECONDS
    while (await home_assistant.get(f"states/{status}"))["state"] != "live":
        if time.monotonic() > deadline:
            raise InstanceError(f"the stream was not live within {LIVE_SECONDS:.0f} s")
        await asyncio.sleep(0.2)


async def install(home_assistant: HomeAssistant) -> None:
    """Make the dashboard and let the user arrive there; make the energy preferences.

    A dashboard that is there already is left as the user made it.
    """
    existing = await home_assistant.command("lovelace/dashboards/list")
    if any(dashboard["url_path"] == URL_PATH for dashboard in existing):
        return
    found = await devices(home_assistant)
    await home_assistant.command(
        "lovelace/dashboards/create",
        url_path=URL_PATH,
        title=TITLE,
        icon=ICON,
        show_in_sidebar=True,
        require_admin=False,
        mode="storage",
    )
    config = build(
        chargers_of(found), stream_of(found), vehicle_of(found), partner_of(found)
    )
    config["views"] += fleet_view.views(found)
    await home_assistant.command(
        "lovelace/config/save", url_path=URL_PATH, config=config
    )
    await home_assistant.command(
        "frontend/set_system_data", key="core", value={"default_panel": URL_PATH}
    )
    await home_assistant.command(
        "energy/save_prefs",
        device_consumption=[
            {
                "stat_consumption": charger.entities["energy"],
                "stat_rate": charger.entities["total_power"],
                "name": charger.name,
            }
            for charger in chargers_of(found)
        ],
    )


def build(
    chargers: list[Device],
    stream: Device,
    vehicle: Device | None = None,
    partner: Device | None = None,
) -> dict[str, Any]:
    """Return the configuration: the past hours, chargers and car, and what happened."""
    sections = [_charger_section(charger) for charger in chargers]
    if vehicle is not None and partner is not None:
        sections.append(_vehicle_section(vehicle, partner))
    sections.append(_stream_section(chargers, stream))
    columns = len(sections)
    view = {
        "title": TITLE,
        "type": "sections",
        "icon": ICON,
        "max_columns": columns,
        "sections": [_energy_section(chargers, columns), *sections],
    }
    return {"title": TITLE, "views": [view]}


def _energy_section(chargers: list[Device], columns: int) -> Card:
    graph: Card = {
        "type": "statistics-graph",
        "entities": [
            {"entity": charger.entities["energy"], "name": charger.name}
            for charger in chargers
        ],
        "chart_type": "bar",
        "period": "hour",
        "stat_types": ["change"],
        "days_to_show": 1,
        "grid_options": {"columns": "full", "rows": 4},
    }
    cards = [heading("Energy of each hour", "mdi:lightning-bolt", badge=None), graph]
    return {"type": "grid", "column_span": columns, "cards": cards}


def _charger_section(charger: Device) -> Card:
    now: dict[str, Card] = {
        "charger_op_mode": {"name": "Status", "color": "primary"},
        "total_power": {"name": "Power", "color": "amber"},
        "session_energy": {"name": "This session", "color": "green"},
        "energy": {"name": "Energy", "color": "green"},
    }
    sessions: dict[str, Card] = {
        "charging_session_start": {"name": "Session start"},
        "charging_session_stop": {"name": "Last stop"},
        "charging_session_energy": {"name": "Last energy", "color": "green"},
        "charging_session_duration": {"name": "Last duration"},
    }
    hardware: dict[str, Card] = {
        "cable_locked": {"name": "Cable", "color": "primary"},
        "temp_max": {"name": "Temperature"},
    }
    cards = [
        heading(charger.name, ICON, badge=charger.entities.get("connected_to_cloud")),
        *tiles(charger, now),
        *_power_graph(charger),
        subheading("Sessions", "mdi:history"),
        *tiles(charger, sessions),
        subheading("Charger", "mdi:power-plug"),
        *tiles(charger, hardware),
    ]
    return {"type": "grid", "cards": cards}


def _vehicle_section(vehicle: Device, partner: Device) -> Card:
    now: dict[str, Card] = {
        "battery_level": {"name": "Battery", "color": "green"},
        "range": {"name": "Range"},
        "plugged": {"name": "Cable", "color": "primary"},
        "charging": {"name": "Charging", "color": "amber"},
        "remaining_time": {"name": "Remaining"},
        "odometer": {"name": "Odometer"},
    }
    sessions: dict[str, Card] = {
        "charging_session_start": {"name": "Session start"},
        "charging_session_duration": {"name": "Last duration"},
    }
    messages: dict[str, Card] = {
        "last_message": {"name": "Last message"},
        "message_count": {"name": "Messages"},
    }
    level: Card = {
        "type": "history-graph",
        "entities": [{"entity": vehicle.entities["battery_level"], "name": "Battery"}],
        "hours_to_show": 0.25,
        "fit_y_data": True,
        **WIDE,
    }
    cards = [
        heading(vehicle.name, "mdi:car", badge=partner.entities.get("connected")),
        *tiles(vehicle, now),
        level,
        subheading("Sessions", "mdi:history"),
        *tiles(vehicle, sessions),
        subheading("Messages", "mdi:message-text-outline"),
        *tiles(vehicle, messages),
        *tiles(partner, {"certificate_expiry": {"name": "Certificate", **WIDE}}),
    ]
    return {"type": "grid", "cards": cards}


def _stream_section(chargers: list[Device], stream: Device) -> Card:
    health: dict[str, Card] = {
        "stream_status": {"name": "Status", "color": "primary"},
        "delivery_latency": {"name": "Delivery latency"},
        "backlog": {"name": "Backlog"},
        "backlog_done": {"name": "Backlog done"},
        "last_message": {"name": "Last message", **WIDE},
    }
    newest: Card = {"state_content": ["event_type", "state"], **WIDE}
    events = [charger.entities["charging_session"] for charger in chargers]
    cards = [
        heading("Stream", "mdi:access-point", badge=stream.entities.get("connected")),
        *tiles(stream, health),
        subheading("Sessions", "mdi:car-electric"),
        *(
            card
            for charger in chargers
            for card in tiles(
                charger, {"charging_session": {"name": charger.name, **newest}}
            )
        ),
        {
            "type": "logbook",
            "target": {"entity_id": events},
            "hours_to_show": 24,
            **WIDE,
        },
    ]
    return {"type": "grid", "cards": cards}


def _power_graph(charger: Device) -> Iterator[Card]:
    if power := charger.entities.get("total_power"):
        yield {
            "type": "history-graph",
            "entities": [{"entity": power, "name": "Power"}],
            "hours_to_show": 0.25,
            "min_y_axis": 0,
            "fit_y_data": True,
            **WIDE,
        }
