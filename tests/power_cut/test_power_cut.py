"""Home Assistant loses power ten times while it catches up, and knows the truth in the end."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import pytest

from scripts.lib.check import MISSING_LIBRARY, RECORD
from simulator.easee import OUTAGE, ObservationId as Id
from tests.integration.truth import HOUR, TrueSession, moment

from .beginning import UNRELATED_HOURS, UNRELATED_VALUE
from .evidence import (
    COUNTED,
    METERS,
    Evidence,
    last_register,
    true_rows,
    truths_of,
    wrong_rows,
)
from .replay import AWAY, CUTS_WITHIN, REMEMBERED

HOURS_AWAY = AWAY // HOUR

# All of them look at one replay, which takes its time.
pytestmark = [pytest.mark.timeout(420), pytest.mark.xdist_group("power_cut")]

NUMBERS = {
    "total_power": Id.TOTAL_POWER,
    "session_energy": Id.SESSION_ENERGY,
    "lifetime_energy": Id.LIFETIME_ENERGY,
    "temp_max": Id.TEMP_MAX,
    "in_current_t3": Id.IN_CURRENT_T3,
    "in_current_t4": Id.IN_CURRENT_T4,
    "in_current_t5": Id.IN_CURRENT_T5,
    "in_volt_t2_t3": Id.IN_VOLT_T2_T3,
}
WORDS: Mapping[str, tuple[Id, Mapping[object, str]]] = {
    "charger_op_mode": (Id.CHARGER_OP_MODE, {1: "disconnected", 3: "charging"}),
    # To Home Assistant "on" is an open lock.
    "cable_locked": (Id.CABLE_LOCKED, {True: "off", False: "on"}),
}


def test_the_power_went_at_ten_points(evidence: Evidence) -> None:
    left = [len(evidence.backlog.queue), *(cut.left for cut in evidence.cuts)]
    assert left[0] > 10_000
    assert len(evidence.cuts) == 10
    within, (before_import, during_import) = left[: CUTS_WITHIN + 1], left[-2:]
    assert all(later < earlier for earlier, later in pairwise(within))
    assert within[-1] > 0
    assert before_import == during_import == 0
    assert not any(cut.right_hours for cut in evidence.cuts[:-1])
    assert evidence.cuts[-1].right_hours > 0


def test_every_state_is_the_newest(evidence: Evidence) -> None:
    for serial, truth in truths_of(evidence.backlog).items():
        for key, observation_id in NUMBERS.items():
            newest = float(truth.newest[observation_id].value)
            assert float(evidence.states[serial, key]) == pytest.approx(
                newest, abs=1e-6
            ), (serial, key)
        for key, (observation_id, words) in WORDS.items():
            newest_code = truth.newest[observation_id].value
            assert evidence.states[serial, key] == words[newest_code], (serial, key)
        assert float(evidence.states[serial, "energy"]) == pytest.approx(
            last_register(evidence.backlog, serial), abs=0.01
        )


def test_every_session_is_recorded_once(evidence: Evidence) -> None:
    for serial, truth in truths_of(evidence.backlog).items():
        recorded = [
            TrueSession(
                session_id=int(row["session_id"]),
                start=moment(row["start"]),
                meter_start=row["meter_start"],
                # Nobody opted in to keep it.
                token=row.get("rfid_token", ""),
                stop=None if row["stop"] is None else moment(row["stop"]),
                energy=row["energy"],
                meter_stop=row["meter_stop"],
            )
            for row in evidence.sessions[serial]
        ]
        assert recorded == [replace(session, token="") for session in truth.sessions]


def test_every_session_event_fired(evidence: Evidence) -> None:
    expected = {
        (serial, session.session_id, phase)
        for serial, truth in truths_of(evidence.backlog).items()
        for session in truth.sessions
        for phase, time in (("started", session.start), ("stopped", session.stop))
        if time is not None
    }
    assert len(expected) == 13
    heard = {(each.serial, each.session_id, each.phase) for each in evidence.fired}
    assert heard == expected
    assert all(each.replayed for each in evidence.fired)


def test_every_missed_hour_has_its_true_row(evidence: Evidence) -> None:
    expected = true_rows(truths_of(evidence.backlog))
    assert sum(map(len, expected.values())) >= len(OUTAGE.chargers) * 5 * 12
    assert wrong_rows(expected, evidence.rows) == []


def test_the_live_sums_go_on_from_the_imported_ones(evidence: Evidence) -> None:
    for plan in REMEMBERED:
        for key in METERS:
            shown, counted = evidence.newest_sums[plan.serial, key]
            assert counted - COUNTED == pytest.approx(
                shown - plan.lifetime_energy, abs=0.01
            ), (plan.serial, key)


def test_the_rows_of_another_sensor_are_untouched(evidence: Evidence) -> None:
    """Those that were there are as they were, and the recorder's own for the gap are there.

    Importing an hour that the recorder has yet to compile costs every sensor its row.
    """
    before, after = evidence.unrelated_before, evidence.unrelated_after
    assert len(before) == UNRELATED_HOURS
    assert {hour: after[hour] for hour in before} == before
    away = [max(before) + (n + 1) * HOUR for n in range(HOURS_AWAY)]
    assert {hour: len(after.get(hour, ())) for hour in away} == dict.fromkeys(away, 1)
    for hour in away:
        (row,) = after[hour]
        assert {row["mean"], row["min"], row["max"]} == {UNRELATED_VALUE}, hour


def test_nothing_is_left_at_the_broker(evidence: Evidence) -> None:
    assert (evidence.queue.ready, evidence.queue.unacknowledged) == (0, 0)


def test_nothing_went_wrong(evidence: Evidence) -> None:
    starts = [match.start() for match in RECORD.finditer(evidence.log)]
    assert len(starts) > len(evidence.cuts)
    records = [
        evidence.log[start:end] for start, end in pairwise([*starts, len(evidence.log)])
    ]
    assert [
        record
        for record in records
        if not MISSING_LIBRARY.search(record)
        and (
            record.split()[2] in {"ERROR", "CRITICAL"}
            or "Traceback (most recent call last)" in record
            or "Detected blocking call" in record
        )
    ] == []
