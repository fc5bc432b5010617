"""Nothing of Home Assistant: an account and a way to ask the played cloud."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from simulator.easee import EaseeAccount, EaseeCloud


@pytest.fixture(autouse=True)
def custom_integrations() -> None:
    """Nothing here needs Home Assistant."""


@pytest.fixture
async def account(cloud: EaseeCloud) -> EaseeAccount:
    """Make an integration account with one charger."""
    account = await cloud.add_account("operator@example.com", "right", operator_id=1)
    account.add_charger("EH000001", name="Garage")
    return account


@pytest.fixture
async def session(cloud: EaseeCloud) -> AsyncIterator[aiohttp.ClientSession]:
    """Open an HTTP session whose paths are the cloud's."""
    async with aiohttp.ClientSession(cloud.url) as session:
        yield session
