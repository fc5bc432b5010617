"""A recorder with a database for every test here, and an account on the real broker."""

from itertools import count

from homeassistant.components.recorder import Recorder
import pytest
from pytest_homeassistant_custom_component.typing import RecorderInstanceContextManager

from simulator.easee import EaseeAccount, EaseeCloud

OPERATORS = count(7000)


@pytest.fixture
async def mock_recorder_before_hass(
    async_test_recorder: RecorderInstanceContextManager,
) -> None:
    """Prepare the recorder's database before Home Assistant is there."""


@pytest.fixture(autouse=True)
def recorder(recorder_mock: Recorder) -> Recorder:
    """Let Home Assistant record."""
    return recorder_mock


@pytest.fixture
async def account(cloud: EaseeCloud) -> EaseeAccount:
    """Make an integration account without chargers."""
    return await cloud.add_account(
        "operator@example.com", "right", operator_id=next(OPERATORS)
    )
