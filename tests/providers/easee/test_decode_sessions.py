"""Charging sessions in the stream: JSON inside a text, told at the start and at the stop."""

from collections.abc import Callable, Mapping
from datetime import datetime
import json

import pytest

from custom_components.ev_streams.model import Reading, SessionChange, SessionPhase
from custom_components.ev_streams.providers.easee.decode import observation_updates

from .messages import (
    ARRIVED,
    ARRIVED_TEXT,
    CHARGER,
    MEASURED,
    SESSION_START,
    SESSION_STOP,
    START_SAMPLE,
    STARTED_AT,
    STOP_SAMPLE,
    STOPPED_AT,
    delivery,
    observed,
    reason_of,
    session_of,
)


def meter_reading(key: str, value: float, measured_at: datetime) -> Reading:
    return Reading(
        device_id=CHARGER,
        key=key,
        value=value,
        measured_at=measured_at,
        arrived_at=ARRIVED,
    )


def without(session: Mapping[str, object], *members: str) -> dict[str, object]:
    return {name: value for name, value in session.items() if name not in members}


@pytest.mark.parametrize(
    "wrapped",
    [
        json.dumps,
        dict,
        lambda sample: json.dumps({n.lower(): v for n, v in sample.items()}),
    ],
    ids=["text", "object", "lower case"],
)
def test_a_session_starts(wrapped: Callable[[Mapping[str, object]], object]) -> None:
    message = observed(
        wrapped(START_SAMPLE), SESSION_START, {"ArrivalTime": ARRIVED_TEXT}
    )
    assert message.device_id == CHARGER
    assert session_of(message) == SessionChange(
        device_id=CHARGER,
        session_id="435",
        phase=SessionPhase.STARTED,
        started_at=STARTED_AT,
        meter_start=1277.872637,
        arrived_at=ARRIVED,
    )


@pytest.mark.parametrize(
    "wrapped",
    [
        json.dumps,
        dict,
        lambda sample: json.dumps({n.lower(): v for n, v in sample.items()}),
    ],
    ids=["text", "object", "lower case"],
)
def test_a_session_stops(wrapped: Callable[[Mapping[str, object]], object]) -> None:
    message = observed(
        wrapped(STOP_SAMPLE), SESSION_STOP, {"ArrivalTime": ARRIVED_TEXT}
    )
    assert message.device_id == CHARGER
    assert session_of(message) == SessionChange(
        device_id=CHARGER,
        session_id="435",
        phase=SessionPhase.STOPPED,
        started_at=STARTED_AT,
        stopped_at=STOPPED_AT,
        energy=0.411273,
        meter_start=1277.872637,
        meter_stop=1278.28391,
        arrived_at=ARRIVED,
    )


@pytest.mark.parametrize(
    "session", [without(STOP_SAMPLE, "EnergyKwh"), {**STOP_SAMPLE, "EnergyKwh": None}]
)
def test_energy_follows_from_the_meter_where_it_is_not_told(
    session: Mapping[str, object],
) -> None:
    change = session_of(observed(json.dumps(session), SESSION_STOP))
    assert change.energy == pytest.approx(0.411273, abs=1e-9)


@pytest.mark.parametrize("missing", ["MeterValueStart", "MeterValueStop"])
def test_energy_is_unknown_where_nothing_tells_it(missing: str) -> None:
    session = without(STOP_SAMPLE, "EnergyKwh", missing)
    change = session_of(observed(json.dumps(session), SESSION_STOP))
    assert change.energy is None
    assert change.stopped_at == STOPPED_AT


def test_a_session_without_energy_is_told_as_zero_not_as_unknown() -> None:
    session = {**STOP_SAMPLE, "EnergyKwh": 0}
    change = session_of(observed(json.dumps(session), SESSION_STOP))
    assert change.energy == 0.0


def test_a_stop_may_leave_its_start_out() -> None:
    session = without(STOP_SAMPLE, "Start", "MeterValueStart")
    change = session_of(observed(json.dumps(session), SESSION_STOP))
    assert (change.started_at, change.stopped_at) == (None, STOPPED_AT)
    assert change.energy == 0.411273


@pytest.mark.parametrize("session_id", [435, "435", 435.0])
@pytest.mark.parametrize("observation_id", [SESSION_START, SESSION_STOP])
def test_a_session_is_the_same_whether_its_number_is_typed_or_text(
    session_id: object, observation_id: int
) -> None:
    session = {**STOP_SAMPLE, "Id": session_id}
    change = session_of(observed(json.dumps(session), observation_id))
    assert change.session_id == "435"


def test_a_session_number_of_64_bits_is_kept_to_the_last_digit() -> None:
    session = {**START_SAMPLE, "Id": 2**63 - 1}
    change = session_of(observed(json.dumps(session), SESSION_START))
    assert change.session_id == "9223372036854775807"


def test_times_and_meter_values_of_a_session_may_be_text_with_an_offset() -> None:
    session = {
        **START_SAMPLE,
        "Start": "2025-01-22T13:51:47+01:00",
        "MeterValue": "1277.872637",
    }
    change = session_of(observed(json.dumps(session), SESSION_START))
    assert change.started_at == STARTED_AT
    assert change.meter_start == 1277.872637


@pytest.mark.parametrize(
    ("observation_id", "value", "reason"),
    [
        (SESSION_START, "", "not_json"),
        (SESSION_START, "{", "not_json"),
        (SESSION_STOP, "[]", "not_an_object"),
        (SESSION_STOP, "435", "not_an_object"),
        (SESSION_STOP, 435, "not_an_object"),
        (SESSION_STOP, True, "not_a_text"),
        (SESSION_STOP, [], "not_a_text"),
        (SESSION_START, json.dumps(without(START_SAMPLE, "Id")), "no_session_id"),
        (SESSION_STOP, json.dumps({**STOP_SAMPLE, "Id": None}), "no_session_id"),
        (SESSION_STOP, json.dumps({**STOP_SAMPLE, "Id": "4" * 256}), "no_session_id"),
        (SESSION_STOP, json.dumps({**STOP_SAMPLE, "Id": [435]}), "not_a_text"),
        (SESSION_START, json.dumps(START_SAMPLE) + " " * 2**16, "document_too_long"),
        (SESSION_START, json.dumps(without(START_SAMPLE, "Start")), "no_session_time"),
        (SESSION_STOP, json.dumps(without(STOP_SAMPLE, "Stop")), "no_session_time"),
        (SESSION_STOP, json.dumps({**STOP_SAMPLE, "Stop": "soon"}), "no_session_time"),
    ],
)
def test_a_session_that_cannot_be_read_is_refused_with_its_reason(
    observation_id: int, value: object, reason: str
) -> None:
    body = {"Timestamp": "2026-11-20T05:01:01Z", "Value": value}
    refused = delivery(body, f"{CHARGER}.O.{observation_id}")
    assert reason_of(refused) == reason


@pytest.mark.parametrize("member", ["MeterValueStart", "MeterValueStop", "Start"])
def test_a_member_that_cannot_be_read_costs_only_itself(member: str) -> None:
    session = {**STOP_SAMPLE, member: "-"}
    change = session_of(observed(json.dumps(session), SESSION_STOP))
    assert (change.stopped_at, change.energy) == (STOPPED_AT, 0.411273)


def test_energy_that_cannot_be_read_is_the_difference_of_the_meter() -> None:
    session = {**STOP_SAMPLE, "EnergyKwh": "x"}
    change = session_of(observed(json.dumps(session), SESSION_STOP))
    assert change.energy == pytest.approx(1278.28391 - 1277.872637)


@pytest.mark.parametrize("observation_id", [SESSION_START, SESSION_STOP])
def test_the_token_that_authorised_a_session_is_told(observation_id: int) -> None:
    session = {**STOP_SAMPLE, "Auth": "04A1B2C3D4"}
    change = session_of(observed(json.dumps(session), observation_id))
    assert change.token == "04A1B2C3D4"


@pytest.mark.parametrize("auth", ["", "  ", None, 7, True, ["04A1"], "A" * 256])
def test_what_is_no_token(auth: object) -> None:
    session = {**STOP_SAMPLE, "Auth": auth}
    change = session_of(observed(json.dumps(session), SESSION_STOP))
    assert (change.token, change.energy) == (None, 0.411273)


def test_a_session_that_leaves_out_who_authorised_it_has_no_token() -> None:
    session = without(STOP_SAMPLE, "Auth", "AuthReason")
    assert session_of(observed(json.dumps(session), SESSION_STOP)).token is None


def test_the_meter_is_read_off_a_start() -> None:
    message = observed(
        json.dumps(START_SAMPLE), SESSION_START, {"ArrivalTime": ARRIVED_TEXT}
    )
    assert message.updates[:-1] == (
        meter_reading("session_start_meter", 1277.872637, STARTED_AT),
    )


def test_the_meter_is_read_off_both_ends_of_a_session() -> None:
    message = observed(
        json.dumps(STOP_SAMPLE), SESSION_STOP, {"ArrivalTime": ARRIVED_TEXT}
    )
    assert message.updates[:-1] == (
        meter_reading("session_start_meter", 1277.872637, STARTED_AT),
        meter_reading("session_stop_meter", 1278.28391, STOPPED_AT),
    )


@pytest.mark.parametrize(
    ("session", "keys"),
    [
        (without(STOP_SAMPLE, "Start"), ["session_stop_meter"]),
        (without(STOP_SAMPLE, "MeterValueStart"), ["session_stop_meter"]),
        ({**STOP_SAMPLE, "MeterValueStart": -0.1}, ["session_stop_meter"]),
        ({**STOP_SAMPLE, "MeterValueStop": "-"}, ["session_start_meter"]),
        ({**STOP_SAMPLE, "MeterValueStop": -1e9}, ["session_start_meter"]),
        (
            {**STOP_SAMPLE, "MeterValueStart": 0},
            ["session_start_meter", "session_stop_meter"],
        ),
        (without(STOP_SAMPLE, "MeterValueStart", "MeterValueStop"), []),
    ],
)
def test_a_meter_is_read_where_both_its_value_and_the_time_are_told(
    session: Mapping[str, object], keys: list[str]
) -> None:
    *readings, change = observed(json.dumps(session), SESSION_STOP).updates
    assert [r.key for r in readings if isinstance(r, Reading)] == keys
    assert isinstance(change, SessionChange)


def test_a_snapshot_is_read_as_the_stream_is() -> None:
    assert observation_updates(CHARGER, 120, 7.31, MEASURED) == (
        Reading(device_id=CHARGER, key="total_power", value=7.31, measured_at=MEASURED),
    )
    *meter, session = observation_updates(
        CHARGER, SESSION_STOP, json.dumps(STOP_SAMPLE), MEASURED
    )
    assert len(meter) == 2
    assert isinstance(session, SessionChange)
    assert session.energy == 0.411273
    assert observation_updates(CHARGER, 9999, 7.31, MEASURED) == ()


def test_a_start_that_was_never_set_is_left_out() -> None:
    """The year 1 is what .NET has for no time: the stop counts all the same."""
    told = {**STOP_SAMPLE, "Start": "0001-01-01T00:00:00"}
    session = session_of(observed(json.dumps(told), SESSION_STOP))
    assert session.started_at is None
    assert session.stopped_at == STOPPED_AT
