"""An account of its own for each test."""

from itertools import count

import pytest

from simulator.easee import EaseeAccount, EaseeCloud

OPERATORS = count(1000)


@pytest.fixture
async def account(cloud: EaseeCloud) -> EaseeAccount:
    """Make an integration account with one charger."""
    account = await cloud.add_account(
        "operator@example.com", "right", operator_id=next(OPERATORS)
    )
    account.add_charger("EH000001", name="Garage")
    return account
