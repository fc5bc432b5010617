"""What is told of a device for the first time is told to every listener once."""

import pytest

from custom_components.ev_streams.appearances import Appearances


def test_a_listener_that_fails_costs_nobody_else_anything(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither those after it nor what is told next."""
    appearances = Appearances()
    told: list[tuple[str, str]] = []

    def fail(device_id: str, key: str) -> None:
        raise KeyError(device_id)

    appearances.listen(fail)
    appearances.listen(lambda device_id, key: told.append((device_id, key)))
    for key in ("power", "power", "energy"):
        appearances.seen("15", key)
    assert told == [("15", "power"), ("15", "energy")]
    assert caplog.text.count("could not be added") == 2
