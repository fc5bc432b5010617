"""What cards are made of: the integration's devices, headings and tiles."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .home_assistant import HomeAssistant

DOMAIN = "ev_streams"
WIDE = {"grid_options": {"columns": 12}}

type Card = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """A device of the integration, and the ids of its enabled entities by key."""

    device_id: str
    entry_id: str
    identifier: str
    name: str
    entities: dict[str, str]


async def devices(home_assistant: HomeAssistant) -> list[Device]:
    """Return the integration's devices with their enabled entities, as the registries know them."""
    entries = await home_assistant.command("config/entity_registry/list")
    registered = await home_assistant.command("config/device_registry/list")
    found = []
    for device in registered:
        for domain, identifier in device["identifiers"]:
            if domain == DOMAIN:
                entities = {
                    entry["unique_id"].removeprefix(f"{identifier}_"): entry[
                        "entity_id"
                    ]
                    for entry in entries
                    if entry["device_id"] == device["id"]
                    and entry["platform"] == DOMAIN
                    and entry["disabled_by"] is None
                }
                name = device["name_by_user"] or device["name"]
                found.append(
                    Device(
                        device_id=device["id"],
                        entry_id=device["primary_config_entry"],
                        identifier=identifier,
                        name=name,
                        entities=entities,
                    )
                )
    return found


def heading(text: str, icon: str, *, badge: str | None) -> Card:
    """Return the heading of a section; an entity may be its badge."""
    badges = [{"type": "entity", "entity": badge}] if badge else []
    return {"type": "heading", "heading": text, "icon": icon, "badges": badges}


def subheading(text: str, icon: str) -> Card:
    """Return a smaller heading within a section."""
    return {
        "type": "heading",
        "heading": text,
        "icon": icon,
        "heading_style": "subtitle",
    }


def tiles(device: Device, wanted: dict[str, Card]) -> Iterator[Card]:
    """Yield a tile for each entity that there is, by its key, with the options given for it."""
    for key, options in wanted.items():
        if entity := device.entities.get(key):
            yield {"type": "tile", "entity": entity, **options}
