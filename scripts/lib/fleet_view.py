"""The dashboard's view of what waits in queues or is called in: vehicles and charge points."""

from typing import Any

from .cards import WIDE, Card, Device, heading, subheading, tiles

TITLE = "Fleet"
ICON = "mdi:car-multiple"
LEVEL = "state_of_charge_or_fuel_level_in_percent"


def views(found: list[Device]) -> list[dict[str, Any]]:
    """Return the view, none where there is no such device."""
    vehicles = [each for each in found if LEVEL in each.entities]
    connectors = [each for each in found if "connector_status" in each.entities]
    outlets = [each for each in found if "hardware_status" in each.entities]
    sections = [_vehicle(each) for each in _by_name(vehicles)]
    if connectors:
        sections.append(_outlets(found, connectors))
    if outlets:
        sections.append(_outlets(found, outlets))
    if not sections:
        return []
    shown = {each.entry_id for each in [*vehicles, *connectors, *outlets]}
    sections[-1]["cards"] += _events([e for e in found if e.entry_id in shown])
    columns = len(sections)
    view = {
        "title": TITLE,
        "type": "sections",
        "icon": ICON,
        "max_columns": columns,
        "sections": [_energy([*connectors, *outlets], columns), *sections],
    }
    return [view]


def _energy(outlets: list[Device], columns: int) -> Card:
    graph: Card = {
        "type": "statistics-graph",
        "entities": [
            {"entity": _meter(outlet), "name": outlet.name}
            for outlet in _by_name(outlets)
            if _meter(outlet)
        ],
        "chart_type": "bar",
        "period": "hour",
        "stat_types": ["change"],
        "days_to_show": 1,
        "grid_options": {"columns": "full", "rows": 4},
    }
    cards = [heading("Energy of each hour", "mdi:lightning-bolt", badge=None), graph]
    return {"type": "grid", "column_span": columns, "cards": cards}


def _meter(outlet: Device) -> str | None:
    entities = outlet.entities
    return entities.get("energy", entities.get("lifetime_energy"))


def _vehicle(vehicle: Device) -> Card:
    now: dict[str, Card] = {
        LEVEL: {"name": "Battery", "color": "green"},
        "is_charging": {"name": "Charging", "color": "amber"},
        "remaining_range_in_kilometers": {"name": "Range"},
        "mileage_in_kilometers": {"name": "Mileage"},
        "central_lock": {"name": "Lock"},
        "rental_status": {"name": "Rental", "color": "primary"},
    }
    sessions: dict[str, Card] = {
        "charging_session_start": {"name": "Session start"},
        "charging_session_duration": {"name": "Last duration"},
    }
    level: Card = {
        "type": "statistics-graph",
        "entities": [{"entity": vehicle.entities[LEVEL], "name": "Battery"}],
        "period": "hour",
        "stat_types": ["mean", "min", "max"],
        "days_to_show": 1,
        **WIDE,
    }
    cards = [
        heading(vehicle.name, "mdi:car-electric", badge=None),
        *tiles(vehicle, now),
        level,
        subheading("Sessions", "mdi:history"),
        *tiles(vehicle, sessions),
    ]
    return {"type": "grid", "cards": cards}


def _outlets(found: list[Device], outlets: list[Device]) -> Card:
    """Show the outlets of one account, under the name of what tells their sessions."""
    entry_id = outlets[0].entry_id
    wholes = (each for each in _telling(found) if each.entry_id == entry_id)
    whole = next(wholes, outlets[0])
    now: dict[str, Card] = {
        "connector_status": {"name": "Status", "color": "primary"},
        "hardware_status": {"name": "Status", "color": "primary"},
        "power": {"name": "Power", "color": "amber"},
        "session_energy": {"name": "This session", "color": "green"},
        "energy": {"name": "Energy", "color": "green"},
    }
    cards = [heading(whole.name, "mdi:ev-station", badge=whole.entities.get("online"))]
    for outlet in _by_name(outlets):
        cards.append(subheading(outlet.name, "mdi:ev-plug-type2"))
        cards += tiles(outlet, now)
        if "energy" not in outlet.entities:
            cards += tiles(outlet, {"lifetime_energy": {"name": "Meter"}})
    return {"type": "grid", "cards": cards}


def _events(found: list[Device]) -> list[Card]:
    """Show the newest session of each device, and all that was told of late."""
    telling = _telling(found)
    newest: Card = {"state_content": ["event_type", "state"], **WIDE}
    return [
        subheading("Sessions", "mdi:car-electric"),
        *(
            card
            for each in telling
            for card in tiles(each, {"charging_session": {"name": each.name, **newest}})
        ),
        {
            "type": "logbook",
            "target": {"entity_id": [e.entities["charging_session"] for e in telling]},
            "hours_to_show": 24,
            **WIDE,
        },
    ]


def _telling(found: list[Device]) -> list[Device]:
    return [each for each in _by_name(found) if "charging_session" in each.entities]


def _by_name(found: list[Device]) -> list[Device]:
    return sorted(found, key=lambda device: device.name)
