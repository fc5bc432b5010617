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
    sections = [
        *map(_vehicle, _by_name(vehicles)),
        *([_outlets("Charging location", connectors)] if connectors else []),
        *([_outlets("Charge point", outlets)] if outlets else []),
    ]
    if not sections:
        return []
    sections.append(
        _events(found, {each.entry_id for each in vehicles + connectors + outlets})
    )
    columns = len(sections)
    return [
        {
            "title": TITLE,
            "type": "sections",
            "icon": ICON,
            "max_columns": columns,
            "sections": [_energy([*connectors, *outlets], columns), *sections],
        }
    ]


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


def _outlets(title: str, outlets: list[Device]) -> Card:
    now: dict[str, Card] = {
        "connector_status": {"name": "Status", "color": "primary"},
        "hardware_status": {"name": "Status", "color": "primary"},
        "power": {"name": "Power", "color": "amber"},
        "session_energy": {"name": "This session", "color": "green"},
        "energy": {"name": "Energy", "color": "green"},
    }
    cards = [heading(title, "mdi:ev-station", badge=None)]
    for outlet in _by_name(outlets):
        cards.append(subheading(outlet.name, "mdi:ev-plug-type2"))
        cards += tiles(outlet, now)
        if "energy" not in outlet.entities:
            cards += tiles(outlet, {"lifetime_energy": {"name": "Meter"}})
    return {"type": "grid", "cards": cards}


def _events(found: list[Device], entries: set[str]) -> Card:
    """Show the newest session of each, and all that was told of late."""
    telling = [
        each
        for each in _by_name(found)
        if each.entry_id in entries and "charging_session" in each.entities
    ]
    newest: Card = {"state_content": ["event_type", "state"], **WIDE}
    cards = [
        heading("Sessions", "mdi:car-electric", badge=None),
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
    return {"type": "grid", "cards": cards}


def _by_name(found: list[Device]) -> list[Device]:
    return sorted(found, key=lambda device: device.name)
