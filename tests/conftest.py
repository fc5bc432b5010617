"""Fixtures for every test: the integration is found, and its parts are real."""

from collections.abc import Iterator
import os
from unittest.mock import PropertyMock, patch

import pytest

# The plugin's own testing_config would win if nobody had imported ours before.
import custom_components.ev_streams  # noqa: F401

REQUIRE_ALL = os.environ.get("EV_STREAMS_REQUIRE_ALL") == "1"


@pytest.fixture(autouse=True)
def custom_integrations(enable_custom_integrations: None) -> None:
    """Let Home Assistant load what lies in custom_components."""


@pytest.fixture
def every_entity_enabled() -> Iterator[None]:
    """Enable what is disabled by default, as a user may."""
    with patch(
        "homeassistant.helpers.entity.Entity.entity_registry_enabled_default",
        PropertyMock(return_value=True),
    ):
        yield
