"""Fields that several forms have."""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.helpers.selector import (
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
import probatio

# The section of what hardly anybody needs.
CONF_ADVANCED: Final = "advanced"

TEXT: Final = TextSelector()
TEXTS: Final = TextSelector(TextSelectorConfig(multiple=True))
URL: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.URL))
PORT: Final = probatio.All(
    NumberSelector(
        NumberSelectorConfig(min=1, max=65535, step=1, mode=NumberSelectorMode.BOX)
    ),
    probatio.Coerce(int),
)
USERNAME: Final = TextSelector(TextSelectorConfig(autocomplete="username"))
PASSWORD: Final = TextSelector(
    TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="current-password")
)
# A secret that no browser is to offer to keep.
SECRET: Final = TextSelector(
    TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off")
)


def suggesting(name: str, known: Mapping[str, Any]) -> probatio.Marker:
    """Return a required field that shows what is known."""
    return probatio.Required(name, description={"suggested_value": known.get(name)})


def emptiable(
    name: str, known: Mapping[str, Any], default: object = ""
) -> probatio.Marker:
    """Return a field that shows what is known; emptied it is as if never filled."""
    shown = {"suggested_value": known.get(name, default)}
    return probatio.Optional(name, default=default, description=shown)
