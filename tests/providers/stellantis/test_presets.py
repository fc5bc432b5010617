"""The presets make of known contents what a driver would say of them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from jinja2.nativetypes import NativeEnvironment
import pytest

from custom_components.ev_streams.mapping import OutcomeKind, Preset, evaluate, matching
from custom_components.ev_streams.mapping_files import export_mappings, import_mappings
from custom_components.ev_streams.providers.stellantis.presets import (
    PRESETS,
    REMOTE_SERVICES,
    V4_STATUS,
    WEBPORTAL_BATTERY,
)

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def v4(extension: bool = True, **charging: Any) -> dict[str, Any]:
    details = {"charging": charging}
    electric = {
        "type": "Electric",
        "level": 61.5,
        "autonomy": 213,
        "createdAt": "2026-11-27T11:59:30Z",
    }
    electric |= {"extension": {"electric": details}} if extension else details
    return {
        "energies": [{"type": "Fuel", "level": 0}, electric],
        "odometer": {"mileage": 20_345.5, "createdAt": "2026-11-27T11:00:00Z"},
    }


def rendered(text: str, variables: Mapping[str, object]) -> object:
    """Render as Home Assistant does: what looks like a number is one."""
    return NativeEnvironment().from_string(text).render(**variables)


def values(preset: Preset, content: object) -> dict[str, Any]:
    """Return what each field becomes; a reason in brackets where it is left out."""
    found: dict[str, Any] = {}
    for mapping in preset.mappings:
        outcome = evaluate(mapping, content, held=None, arrived_at=NOW, render=rendered)
        if outcome.kind is OutcomeKind.VALUE:
            found[mapping.key] = outcome.value
        elif outcome.kind is OutcomeKind.REFUSED:
            found[mapping.key] = [outcome.reason]
    return found


@pytest.mark.parametrize("extension", [True, False])
def test_a_status_of_the_web_api(extension: bool) -> None:
    content = v4(
        extension,
        plugged=True,
        status="InProgress",
        chargingRate=45,
        remainingTime="PT2H5M",
    )
    assert values(V4_STATUS, content) == {
        "battery_level": 61.5,
        "range": 213,
        "plugged": True,
        "charging": True,
        "charging_status": "In progress",
        "charging_rate": 45,
        "remaining_time": 125,
        "odometer": 20_345.5,
    }


@pytest.mark.parametrize("status", ["Disconnected", "Failure", "Stopped", "Finished"])
def test_every_other_status_is_no_charging(status: str) -> None:
    assert values(V4_STATUS, v4(status=status))["charging"] is False


def test_a_status_that_nobody_knows_is_no_charging_and_shown_as_it_is() -> None:
    found = values(V4_STATUS, v4(status="Teleporting"))
    assert found["charging"] == ["not_a_boolean"]
    assert found["charging_status"] == "Teleporting"


def test_the_time_of_a_status_is_that_of_its_energy() -> None:
    (level, *_) = V4_STATUS.mappings
    outcome = evaluate(level, v4(), held=None, arrived_at=NOW)
    assert outcome.measured_at == datetime(2026, 11, 27, 11, 59, 30, tzinfo=UTC)


def test_an_odometer_neither_falls_nor_is_zero() -> None:
    odometer = V4_STATUS.mappings[-1]
    older = {"odometer": {"mileage": 20_000}}
    empty = {"odometer": {"mileage": 0}}
    kinds = [
        evaluate(odometer, content, held=20_345.5, arrived_at=NOW).reason
        for content in (older, empty)
    ]
    assert kinds == ["decreasing", "sentinel"]


SNAPSHOT = {
    "date": "2026-11-27T11:58:00Z",
    "vin": "VR3UHZKXZPT123456",
    "charging_state": {
        "soc_batt": 72,
        "autonomy_zev": 250,
        "rate": 33,
        "remaining_time": 95,
        "cable_detected": 0,
        "hmi_state": 1,
        "available": 1,
    },
}


def snapshot(**charging: Any) -> dict[str, Any]:
    state: dict[str, Any] = SNAPSHOT["charging_state"]  # type: ignore[assignment]
    return {**SNAPSHOT, "charging_state": {**state, **charging}}


def test_a_snapshot_of_the_app() -> None:
    assert values(REMOTE_SERVICES, SNAPSHOT) == {
        "battery_level": 72,
        "range": 250,
        "charging": True,
        "charging_rate": 33,
        "remaining_time": 95,
        "charge_complete": False,
    }


def test_values_that_mean_nothing_in_a_snapshot_change_nothing() -> None:
    found = values(REMOTE_SERVICES, snapshot(rate=510, remaining_time=2047))
    assert found["charging_rate"] == ["sentinel"]
    assert found["remaining_time"] == ["sentinel"]
    assert values(REMOTE_SERVICES, snapshot(remaining_time=635))["remaining_time"] == [
        "sentinel"
    ]


@pytest.mark.parametrize(("hmi_state", "charging"), [(1, True), (0, False), (3, False)])
def test_without_a_rate_the_display_tells_whether_it_charges(
    hmi_state: int, charging: bool
) -> None:
    """Else a session would go on for as long as no rate is known."""
    found = values(REMOTE_SERVICES, snapshot(rate=510, hmi_state=hmi_state))
    assert found["charging"] is charging


@pytest.mark.parametrize("shown", [{"hmi_state": None}, {}])
def test_without_a_rate_and_a_display_nobody_knows_whether_it_charges(
    shown: dict[str, Any],
) -> None:
    """A session does not end for that."""
    content = snapshot(rate=510)
    del content["charging_state"]["hmi_state"]
    content["charging_state"] |= shown
    assert "charging" not in values(REMOTE_SERVICES, content)


def test_a_snapshot_after_charging() -> None:
    found = values(REMOTE_SERVICES, snapshot(rate=0, hmi_state=3, soc_batt=100))
    assert found["charging"] is False
    assert found["charge_complete"] is True


def test_the_disputed_cable_is_in_no_preset() -> None:
    assert not [m for p in PRESETS for m in p.mappings if "cable" in m.path]


@pytest.mark.parametrize("prefix", ["engine", None])
def test_values_of_the_in_car_interfaces(prefix: str | None) -> None:
    flat = {"batteryLevel": 44, "batteryAutonomy": 150, "totalMileage": 777}
    content = {prefix: flat} if prefix else flat
    assert values(WEBPORTAL_BATTERY, content) == {
        "battery_level": 44,
        "range": 150,
        "odometer": 777,
    }


def test_each_preset_fits_its_own_content_only() -> None:
    assert matching(PRESETS, [v4()]) == [V4_STATUS]
    assert matching(PRESETS, [SNAPSHOT]) == [REMOTE_SERVICES]
    assert matching(PRESETS, [{"batteryLevel": 1}]) == [WEBPORTAL_BATTERY]
    assert matching(PRESETS, [{"type": "action"}, "text", 5]) == []


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.key)
def test_a_preset_is_made_of_ordinary_mappings(preset: Preset) -> None:
    assert import_mappings(export_mappings(preset.mappings)) == preset.mappings
    assert len({mapping.key for mapping in preset.mappings}) == len(preset.mappings)
    assert sum(mapping.makes_sessions for mapping in preset.mappings) <= 1
