"""One entry of the hourly usage: the hour it belongs to, and its energy."""

from datetime import UTC, datetime, timedelta

import pytest

from custom_components.ev_streams.model import BadInputError
from custom_components.ev_streams.providers.easee.decode import hourly_figure

HOUR = datetime(2026, 3, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "entry",
    [
        {
            "from": "2026-03-01T01:00:00Z",
            "to": "2026-03-01T02:00:00Z",
            "totalEnergy": 2,
        },
        {"From": "2026-03-01T01:00:00", "To": "2026-03-01T02:00:00", "TotalEnergy": 2},
        {"from": "2026-03-01T02:00:00+01:00", "totalEnergy": "2.0"},
        {"year": 2026, "consumption": 2.0, "date": "2026-03-01T01:00:00+00:00"},
        {"Consumption": "2", "Date": "2026-03-01T01:00:00.0000000Z"},
    ],
)
def test_a_figure_may_be_written_in_several_ways(entry: dict[str, object]) -> None:
    begin, energy = hourly_figure(entry)
    assert (begin, energy) == (HOUR, 2.0)
    assert begin.utcoffset() == timedelta(0)


def test_an_hour_without_energy_is_a_figure() -> None:
    assert hourly_figure({"from": HOUR.isoformat(), "totalEnergy": 0}) == (HOUR, 0.0)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({}, "not_a_number"),
        ({"date": "2026-03-01T01:00:00Z"}, "not_a_number"),
        ({"from": "2026-03-01T01:00:00Z", "totalEnergy": None}, "not_a_number"),
        ({"from": "2026-03-01T01:00:00Z", "totalEnergy": "NaN"}, "not_a_number"),
        ({"from": "2026-03-01T01:00:00Z", "totalEnergy": -0.5}, "negative_energy"),
        ({"totalEnergy": 1}, "timestamp"),
        ({"from": "soon", "totalEnergy": 1}, "timestamp"),
        ({"from": "2026-03-01T01:30:00Z", "totalEnergy": 1}, "not_an_hour"),
        (
            {
                "from": "2026-03-01T01:00:00Z",
                "to": "2026-03-01T03:00:00Z",
                "totalEnergy": 1,
            },
            "not_an_hour",
        ),
        (
            {"from": "2026-03-01T01:00:00Z", "to": None, "totalEnergy": 1},
            "timestamp",
        ),
        # The reading of a meter is no energy of an hour.
        ({"value": 1.5, "measuredAt": "2026-03-01T01:00:00Z"}, "not_a_number"),
    ],
)
def test_what_is_no_hourly_figure(entry: dict[str, object], reason: str) -> None:
    with pytest.raises(BadInputError) as refused:
        hourly_figure(entry)
    assert refused.value.reason == reason
