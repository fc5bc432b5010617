"""A backlog keeps its promises, and the truth computed from it is the charger's own."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
import json

import pytest

from simulator.easee import (
    OUTAGE,
    Backlog,
    EaseeAccount,
    EaseeCloud,
    Measurement,
    ObservationId as Id,
    make_backlog,
)
from simulator.easee.backlog import (
    MALFORMED,
    Kind,
    QueuedMessage,
    add_chargers,
    reports,
)
from tests.integration.truth import HourlyValues, TrueSession, Truth, truth_of

START = datetime(2026, 11, 20, 4, 20, 7, 123456, tzinfo=UTC)
END = START + timedelta(hours=12)
WINDOW = timedelta(seconds=30)
HOUR = timedelta(hours=1)
GARAGE, DRIVEWAY, YARD = (charger.serial for charger in OUTAGE.chargers)


@pytest.fixture(scope="module")
def backlog() -> Backlog:
    """Make half a day of three chargers, with a spurious zero now and then."""
    return make_backlog(OUTAGE, START, END, spurious_zeros=0.05)


@pytest.fixture(scope="module")
def truths(backlog: Backlog) -> dict[str, Truth]:
    """Compute what is true of each charger from its plan's beginning."""
    return {
        charger.serial: truth_of(
            backlog.course[charger.serial], charger.lifetime_energy
        )
        for charger in OUTAGE.chargers
    }


def of_kind(backlog: Backlog, *kinds: Kind) -> list[QueuedMessage]:
    return [message for message in backlog.queue if message.kind in kinds]


def measured_at(message: QueuedMessage) -> datetime:
    assert message.measurement is not None
    return message.measurement.time


def said(message: QueuedMessage) -> tuple[str, datetime, str]:
    """Routing key, time and value; the value as JSON, which tells 1 from 1.0 and true."""
    document = json.loads(message.body)
    assert document.keys() == {"Timestamp", "Value"}
    time = datetime.fromisoformat(document["Timestamp"])
    return message.routing_key, time, json.dumps(document["Value"])


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 20, hour, minute, tzinfo=UTC)


def measured(*values: tuple[datetime, int, float | str]) -> list[Measurement]:
    return [
        Measurement(time=time, observation_id=observation_id, value=value)
        for time, observation_id, value in values
    ]


def displacements(messages: Iterable[QueuedMessage]) -> list[timedelta]:
    """By how much the newest measurement so far is newer than each message's own."""
    times = [measured_at(message) for message in messages]
    newest = accumulate(times, max)
    return [latest - time for latest, time in zip(newest, times, strict=True)]


def test_ten_thousand_messages_wait(backlog: Backlog) -> None:
    assert 9_500 < len(backlog.queue) < 10_500
    assert backlog.measurements.keys() == {GARAGE, DRIVEWAY, YARD}
    for measurements in backlog.measurements.values():
        assert START <= measurements[0].time < START + timedelta(minutes=15)
        assert END - timedelta(minutes=15) <= measurements[-1].time < END


def test_every_report_waits_once(backlog: Backlog) -> None:
    waiting = sorted(said(m) for m in of_kind(backlog, Kind.REPORT))
    expected = sorted(
        (f"{serial}.O.{m.observation_id}", m.time, json.dumps(m.value))
        for serial, measurements in backlog.measurements.items()
        for m in measurements
    )
    assert waiting == expected


def test_messages_are_ready_to_be_published(backlog: Backlog) -> None:
    assert len(backlog.messages) == len(backlog.queue)
    for (routing_key, body, headers), queued in zip(
        backlog.messages, backlog.queue, strict=True
    ):
        assert (routing_key, body) == (queued.routing_key, queued.body)
        assert headers is not None
        assert headers.keys() == {"ArrivalTime"}
        arrived = datetime.fromisoformat(str(headers["ArrivalTime"]))
        assert arrived == queued.arrived_at


def test_the_shares_are_as_ordered(backlog: Backlog) -> None:
    sound = len(of_kind(backlog, Kind.REPORT))
    assert len(of_kind(backlog, Kind.DUPLICATE)) == round(0.05 * sound)
    counts = Counter(m.kind for m in of_kind(backlog, *MALFORMED))
    assert counts.total() == round(0.01 * sound)
    assert max(counts.values()) - min(counts.values()) <= 1
    assert len(counts) == 6


def test_nothing_is_displaced_by_more_than_half_a_minute(backlog: Backlog) -> None:
    sound = [message for message in backlog.queue if message.measurement is not None]
    assert WINDOW * 0.9 < max(displacements(sound)) <= WINDOW
    # Also among values of one observation, where it decides which is the newest.
    powers = [message for message in sound if message.routing_key == f"{GARAGE}.O.120"]
    assert sum(map(bool, displacements(powers))) > 20


def test_arrival_follows_the_queue_and_the_measurement(backlog: Backlog) -> None:
    originals = [m for m in backlog.queue if m.kind is not Kind.DUPLICATE]
    arrivals = [message.arrived_at for message in originals]
    assert all(before < after for before, after in pairwise(arrivals))
    for message in backlog.queue:
        if message.measurement is not None:
            delay = message.arrived_at - message.measurement.time
            assert timedelta(seconds=1) <= delay <= WINDOW + timedelta(seconds=2)


def test_without_shuffling_the_cloud_has_it_after_a_second_or_two() -> None:
    ordered = make_backlog(
        OUTAGE, START, END, shuffled_within=timedelta(0), duplicates=0, malformed=0
    )
    assert {message.kind for message in ordered.queue} == {Kind.REPORT}
    assert not any(displacements(ordered.queue))
    for message in ordered.queue:
        delay = message.arrived_at - measured_at(message)
        assert timedelta(seconds=1) <= delay <= timedelta(seconds=2)
    for serial, measurements in ordered.measurements.items():
        theirs = [
            message.measurement
            for message in ordered.queue
            if message.routing_key.startswith(f"{serial}.")
        ]
        assert theirs == list(measurements)


@pytest.mark.parametrize("seed", range(6))
def test_values_of_one_moment_stay_in_order(seed: int) -> None:
    """Where times are equal the later arrival wins, so it must be the later report."""
    backlog = make_backlog(OUTAGE, START, END, seed=seed)
    modes = [
        (m.time, m.value)
        for m in backlog.course[YARD]
        if m.observation_id == Id.CHARGER_OP_MODE
    ]
    simultaneous = {
        time: [before, after]
        for (time, before), (again, after) in pairwise(modes)
        if time == again
    }
    assert simultaneous
    for time, values in simultaneous.items():
        waiting = [
            message.measurement.value
            for message in of_kind(backlog, Kind.REPORT)
            if message.routing_key == f"{YARD}.O.109"
            and message.measurement is not None
            and message.measurement.time == time
        ]
        assert waiting == values


def test_duplicates_are_whole_and_come_behind(backlog: Backlog) -> None:
    seen: dict[QueuedMessage, int] = {}
    right_behind = far = 0
    for index, message in enumerate(backlog.queue):
        if message.kind is Kind.DUPLICATE:
            original = seen[replace(message, kind=Kind.REPORT)]
            right_behind += index - original == 1
            far += index - original > 1
        else:
            seen[message] = index
    assert right_behind > 100
    assert far > 100


def test_malformed_messages_are_malformed(backlog: Backlog) -> None:
    for message in of_kind(backlog, Kind.NOT_JSON):
        with pytest.raises(json.JSONDecodeError):
            json.loads(message.body)
    for message in of_kind(backlog, Kind.NO_VALUE):
        assert json.loads(message.body).keys() == {"Timestamp"}
    for message in of_kind(backlog, Kind.WRONG_TYPE):
        assert message.routing_key.endswith(".O.120")
        with pytest.raises(ValueError, match="could not convert"):
            float(json.loads(message.body)["Value"])
    for message in of_kind(backlog, Kind.WRONG_ROUTING_KEY):
        assert ".O." not in message.routing_key
    for message in of_kind(backlog, Kind.BAD_TIMESTAMP):
        with pytest.raises(ValueError, match="hour must be"):
            datetime.fromisoformat(json.loads(message.body)["Timestamp"])
    for message in of_kind(backlog, Kind.BROKEN_SESSION):
        assert message.routing_key.endswith(".O.129")
        with pytest.raises(json.JSONDecodeError):
            json.loads(json.loads(message.body)["Value"])


def test_a_spurious_zero_lies_between_two_true_values(backlog: Backlog) -> None:
    zeros = of_kind(backlog, Kind.SPURIOUS_ZERO)
    genuine = {
        serial: [m for m in measurements if m.observation_id == Id.SESSION_ENERGY]
        for serial, measurements in backlog.measurements.items()
    }
    share = len(zeros) / sum(map(len, genuine.values()))
    assert 0.02 < share < 0.08
    for zero in zeros:
        serial, _, observation_id = zero.routing_key.split(".")
        time = measured_at(zero)
        assert (observation_id, json.loads(zero.body)["Value"]) == ("121", 0.0)
        last = [m for m in genuine[serial] if m.time <= time][-1]
        assert float(last.value) > 0
        assert last.time < time < genuine[serial][-1].time


def test_the_seed_decides_over_the_disorder_alone(backlog: Backlog) -> None:
    again = make_backlog(OUTAGE, START, END, spurious_zeros=0.05)
    assert again == backlog
    other = make_backlog(OUTAGE, START, END, spurious_zeros=0.05, seed=1)
    assert other.course == backlog.course
    assert other.queue != backlog.queue


def test_before_and_outage_are_one_course(backlog: Backlog) -> None:
    longer = reports(OUTAGE, START - OUTAGE.lead, END + HOUR)
    for serial, course in backlog.course.items():
        assert course == tuple(m for m in longer[serial] if m.time < END)
        assert backlog.before[serial][-1].time < START
        assert backlog.before[serial][0].time < START - timedelta(hours=1, minutes=59)


async def test_the_api_knows_the_chargers_of_then(
    cloud: EaseeCloud, backlog: Backlog
) -> None:
    account: EaseeAccount = await cloud.add_account("a@b.example", "", operator_id=None)
    add_chargers(account, OUTAGE, START)
    for charger in account.chargers.values():
        first = backlog.course[charger.serial][0]
        assert max(time for time, _ in charger.observations.values()) <= first.time
    backlog.remember(account)
    for serial, charger in account.chargers.items():
        last = backlog.measurements[serial][-1]
        assert charger.observations[last.observation_id] == (last.time, last.value)
        # The outage holds twelve full hours' ends; what was told before is not asked.
        assert len(charger.hourly_usage) == 12


@pytest.mark.parametrize("serial", [GARAGE, DRIVEWAY, YARD])
def test_truth_agrees_with_the_charger(
    backlog: Backlog, truths: dict[str, Truth], serial: str
) -> None:
    truth, course = truths[serial], backlog.course[serial]
    told = {
        m.time - HOUR: float(m.value)
        for m in course
        if m.observation_id == Id.ENERGY_PER_HOUR
    }
    # From 3:00 to 16:00; what was told first is of the hour in which the plan began.
    assert list(truth.energy) == [at(hour) for hour in range(3, 16)]
    for hour, energy in truth.energy.items():
        assert energy == pytest.approx(told[hour], abs=0.001)
    assert sum(truth.energy.values()) > 10
    meters = {
        m.time: float(m.value) for m in course if m.observation_id == Id.LIFETIME_ENERGY
    }
    assert list(truth.register) == [at(hour) for hour in range(3, 17)]
    for time, register in truth.register.items():
        assert register == pytest.approx(meters[time], abs=0.001)


def test_sessions_lie_across_the_outage(truths: dict[str, Truth]) -> None:
    sessions = [session for truth in truths.values() for session in truth.sessions]
    stops = [session.stop for session in sessions]
    assert [session.session_id for session in truths[GARAGE].sessions] == [
        435,
        436,
        437,
    ]
    assert [session.session_id for session in truths[DRIVEWAY].sessions] == [88, 89]
    assert [session.session_id for session in truths[YARD].sessions] == [1202, 1203]
    assert sum(session.start < START for session in sessions) == 2
    assert all(stop is None or START < stop < END for stop in stops)
    assert stops.count(None) == 1
    assert truths[YARD].sessions[-1].stop is None
    for session in sessions:
        if session.stop is not None:
            hours = (session.start.hour, session.stop.hour)
            assert hours[0] != hours[1]
    tokens = {session.token for session in sessions}
    assert tokens == {"", "04A1B2C3D4E5F6", "7B22F09C"}


def test_the_energy_of_sessions_is_the_energy_of_hours(
    truths: dict[str, Truth],
) -> None:
    """Nothing flows but in sessions, and the meter counts nothing else."""
    for truth in truths.values():
        for session in truth.sessions:
            if session.energy is not None and session.meter_stop is not None:
                grown = session.meter_stop - session.meter_start
                assert session.energy == pytest.approx(grown, abs=1e-5)
    ended = truths[GARAGE].sessions
    assert sum(truths[GARAGE].energy.values()) == pytest.approx(
        sum(session.energy or 0.0 for session in ended), abs=0.001
    )


def test_means_lie_where_they_must(truths: dict[str, Truth]) -> None:
    for truth in truths.values():
        assert truth.hourly.keys() == {120, 150, 183, 184, 185}
        for hour, power in truth.hourly[120].items():
            # A value that holds is not one that goes on in a line, but half a tick off.
            assert power.mean == pytest.approx(truth.energy[hour], abs=0.2)
            assert power.minimum <= power.mean <= power.maximum
        assert len(truth.hourly[120]) == len(truth.hourly[150]) == len(truth.energy)
        assert all(22 <= v.mean < 45 for v in truth.hourly[150].values())


def test_the_newest_values_are_the_last_of_all(
    backlog: Backlog, truths: dict[str, Truth]
) -> None:
    for serial, truth in truths.items():
        latest: dict[int, Measurement] = {}
        for measurement in backlog.course[serial]:
            latest[measurement.observation_id] = measurement
        assert truth.newest == latest
    assert truths[YARD].newest[Id.CHARGER_OP_MODE].value == 3
    assert truths[GARAGE].newest[Id.CHARGER_OP_MODE].value == 1


def test_truth_by_hand() -> None:
    """An hour that can be computed in one's head."""
    text = '{"Id": 7, "Start": "2026-11-20T12:30:00Z", "MeterValue": 5.5, "Auth": "A1"}'
    truth = truth_of(
        measured(
            (at(11, 50), 150, 20),
            (at(11, 50), 120, 0.0),
            (at(12, 30), 120, 0.0),
            (at(12, 30), 223, text),
            (at(12, 45), 120, 8.0),
            (at(12, 45), 150, 24),
            (at(13, 15), 120, 4.0),
            (at(14, 0), 120, 4.0),
            (at(14, 10), 120, 0.0),
        ),
        5.5,
    )
    # A ramp of a quarter of an hour to 8 kW; half of the way from 8 kW to 4 kW.
    assert truth.energy == pytest.approx({at(12): 1.0 + 1.75, at(13): 1.25 + 3.0})
    assert truth.register == pytest.approx({at(12): 5.5, at(13): 8.25, at(14): 12.5})
    assert truth.hourly[120] == {
        at(12): HourlyValues(mean=2.0, minimum=0.0, maximum=8.0),
        at(13): HourlyValues(mean=5.0, minimum=4.0, maximum=8.0),
    }
    assert truth.hourly[150] == {
        at(12): HourlyValues(mean=21.0, minimum=20.0, maximum=24.0),
        at(13): HourlyValues(mean=24.0, minimum=24.0, maximum=24.0),
    }
    assert truth.newest[120].value == 0.0
    assert truth.sessions == [
        TrueSession(session_id=7, start=at(12, 30), meter_start=5.5, token="A1")
    ]


async def test_a_real_queue_takes_it(cloud: EaseeCloud) -> None:
    """Every message is one that the broker can be given."""
    account = await cloud.add_account("a@b.example", "right", operator_id=1)
    administrator = account.administrator
    backlog = make_backlog(OUTAGE, START, START + HOUR / 2)
    assert {message.kind for message in backlog.queue} >= {*MALFORMED, Kind.DUPLICATE}
    await administrator.publish_many(account.exchange, backlog.messages)
    state = await administrator.queue_state(account.queue)
    assert state.ready == len(backlog.queue)
