"""What the form of an API access suggests."""

from collections.abc import Mapping
from typing import Any

import pytest

from custom_components.ev_streams.providers.etrel import ETREL


def suggested(known: Mapping[str, Any]) -> dict[str, Any]:
    markers = ETREL.form.schema(known).schema
    return {
        str(marker): marker.description["suggested_value"]
        for marker in markers
        if marker.description
    }


@pytest.mark.parametrize(
    ("known", "queues"),
    [
        ({}, ["session.started", "session.ended", "connector.statusChanged"]),
        ({"queues": ["APIACCESS-1.*.x"]}, ["APIACCESS-1.*.x"]),
    ],
)
def test_what_everybody_needs_is_suggested_until_something_is_chosen(
    known: Mapping[str, Any], queues: list[str]
) -> None:
    """A browser fills in the first type of all where nothing is suggested."""
    assert suggested(known)["queues"] == queues
