"""The form and the words of every action fit to what it takes."""

from collections.abc import Mapping
import json
from pathlib import Path
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.selector import selector
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import load_yaml_dict
import probatio
import pytest

from custom_components import ev_streams
from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.messaging import SEND_MESSAGE_SCHEMA
from custom_components.ev_streams.services import (
    GET_SESSIONS_SCHEMA,
    IMPORT_HISTORY_SCHEMA,
)

PACKAGE = Path(ev_streams.__file__).parent
ENGLISH: Mapping[str, Any] = json.loads((PACKAGE / "translations/en.json").read_text())
ICONS: Mapping[str, Any] = json.loads((PACKAGE / "icons.json").read_text())
ACTIONS: Mapping[str, Any] = load_yaml_dict(str(PACKAGE / "services.yaml"))
SCHEMAS: Mapping[str, probatio.Schema] = {
    "get_sessions": GET_SESSIONS_SCHEMA,
    "import_history": IMPORT_HISTORY_SCHEMA,
    "send_message": SEND_MESSAGE_SCHEMA,
}


async def test_actions_are_the_ones_that_are_registered(hass: HomeAssistant) -> None:
    """They are there before any account is."""
    assert await async_setup_component(hass, DOMAIN, {})
    assert set(hass.services.async_services_for_domain(DOMAIN)) == set(SCHEMAS)
    assert set(ACTIONS) == set(SCHEMAS) == set(ENGLISH["services"])
    assert set(ICONS["services"]) == set(SCHEMAS)


@pytest.mark.parametrize("action", SCHEMAS)
def test_form_of_an_action_offers_what_the_action_takes(action: str) -> None:
    """Each field is offered, obligatory where it is, filled in as it would be, and explained."""
    members: Mapping[probatio.Marker, Any] = SCHEMAS[action].schema
    given: dict[str, Any] = {"device_id": ["abc"]}
    if "from" in map(str, members):
        given["from"] = "2026-11-01 00:00:00"
    defaults = {
        name: value
        for name, value in SCHEMAS[action](given).items()
        if name not in given
    }
    offered = ACTIONS[action]["fields"]
    words = ENGLISH["services"][action]
    assert words["name"]
    assert words["description"]
    assert set(map(str, members)) == set(offered) == set(words["fields"])
    assert defaults == {
        name: cv.positive_time_period(field["default"])
        if "duration" in field["selector"]
        else field["default"]
        for name, field in offered.items()
        if "default" in field
    }
    for marker in members:
        field = offered[str(marker)]
        selector(field["selector"])
        assert field.get("required", False) is isinstance(marker, probatio.Required)
        assert words["fields"][str(marker)]["name"]
        assert words["fields"][str(marker)]["description"]


def test_examples_of_an_action_are_ones_that_it_takes() -> None:
    for action, schema in SCHEMAS.items():
        fields_of = ACTIONS[action]["fields"]
        given = {
            name: field["example"]
            for name, field in fields_of.items()
            if "example" in field
        }
        taken = schema({"device_id": "abc"} | given)
        assert given.keys() <= taken.keys()
        if "from" in taken:
            assert taken["from"] < taken["to"]
