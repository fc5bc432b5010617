"""One Home Assistant that loses power again and again, watched by all tests here."""

import asyncio
from pathlib import Path

import pytest
import pytest_socket

from scripts.lib.configuration import CHECKOUT
from simulator.rabbitmq import RabbitMQ
from tests.conftest import REQUIRE_ALL

from .evidence import Evidence
from .replay import run

EXECUTABLE = CHECKOUT / ".venv-demo" / "bin" / "hass"


@pytest.fixture(scope="package")
def evidence(broker: RabbitMQ, tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Return what is left of a replay that was cut off ten times."""
    if not EXECUTABLE.exists():
        missing = "no Home Assistant with a frontend: run scripts/setup demo"
        if REQUIRE_ALL:
            pytest.fail(missing)
        pytest.skip(missing)
    # It was switched off again for the test that is about to begin.
    pytest_socket.enable_socket()
    directory: Path = tmp_path_factory.mktemp("home_assistant")
    return asyncio.run(run(directory, EXECUTABLE, broker))
