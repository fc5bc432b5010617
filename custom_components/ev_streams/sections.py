"""Forms with sections."""

from collections.abc import Mapping
from typing import Any


def flat(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Lift the fields of sections to the level of the others."""
    lifted: dict[str, Any] = {}
    for name, value in user_input.items():
        lifted |= value if isinstance(value, dict) else {name: value}
    return lifted
