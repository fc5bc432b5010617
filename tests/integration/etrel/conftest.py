"""An API access of its own for each test."""

from itertools import count

import pytest

from simulator.etrel import ApiAccess, EtrelOcean

NUMBERS = count(100)


@pytest.fixture
async def access(ocean: EtrelOcean) -> ApiAccess:
    """Make an access with all types of messages."""
    return await ocean.add_access(next(NUMBERS), "right")
