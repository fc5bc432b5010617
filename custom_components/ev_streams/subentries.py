"""The devices that the user adds to an account, each with the fields that are mapped of it."""

from collections.abc import Iterable, Mapping
import logging
from typing import Any

from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
    ConfigSubentry,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import TemplateError
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.template import Template

from .const import CONF_MAPPINGS
from .mapping import FieldMapping
from .mapping_files import read_mapping
from .paths import MappingError

_LOGGER = logging.getLogger(__name__)


def mappings_of(data: Mapping[str, Any]) -> list[FieldMapping]:
    """Return the mappings that the data of a subentry, or the options of an entry, hold.

    One that cannot be read is left out, and logged.
    """
    mappings: list[FieldMapping] = []
    for key, stored in data.get(CONF_MAPPINGS, {}).items():
        try:
            mappings.append(read_mapping(key, stored))
        except MappingError as err:
            _LOGGER.error("The mapped field %s cannot be used: %s", key, err)
    return mappings


def mappings_by_device(entry: ConfigEntry) -> dict[str, list[FieldMapping]]:
    """Return the mappings of every device that the user has added."""
    return {
        str(subentry.unique_id): mappings_of(subentry.data)
        for subentry in entry.subentries.values()
    }


def stored(mappings: Iterable[FieldMapping]) -> dict[str, Any]:
    """Return what a subentry, or an entry, keeps of mappings."""
    return {mapping.key: mapping.as_dict() for mapping in mappings}


def subentry_of(entry: ConfigEntry, device_id: str) -> ConfigSubentry | None:
    """Return the subentry of a device that the user has added."""
    return next(
        (each for each in entry.subentries.values() if each.unique_id == device_id),
        None,
    )


@callback
def reload_on_change(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Load the entry anew whenever the user adds, changes or removes a device of it.

    Not by an update listener, for which Home Assistant allows no other reload.
    """
    known = _snapshot(entry)

    @callback
    def changed(change: ConfigEntryChange, changed_entry: ConfigEntry) -> None:
        nonlocal known
        if (
            change is ConfigEntryChange.UPDATED
            and changed_entry is entry
            and (now := _snapshot(entry)) != known
        ):
            known = now
            hass.config_entries.async_schedule_reload(entry.entry_id)

    entry.async_on_unload(
        async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, changed)
    )


def _snapshot(entry: ConfigEntry) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return what the subentries say now; Home Assistant changes them in place."""
    return {
        subentry_id: (subentry.title, dict(subentry.data))
        for subentry_id, subentry in entry.subentries.items()
    }


class Templates:
    """Renders the templates of mappings, each of them compiled once."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Know no template yet."""
        self._hass = hass
        self._templates: dict[str, Template] = {}

    def render(self, text: str, variables: Mapping[str, object]) -> object:
        """Return what the template gives; raises TemplateError."""
        template = self._templates.get(text)
        if template is None:
            template = self._templates[text] = Template(text, self._hass)
        return template.async_render(dict(variables), parse_result=True)


def is_valid_template(hass: HomeAssistant, text: str) -> bool:
    """Whether the text can be compiled."""
    try:
        Template(text, hass).ensure_valid()
    except TemplateError:
        return False
    return True
