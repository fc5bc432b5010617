"""Half a day of an AMPECO charge point from a real topic: each hour is as it was."""

from datetime import UTC, time, timedelta
from pathlib import Path

from homeassistant.core import HomeAssistant
import pytest

from simulator.ampeco import ChargePoint, Evse, Routine, encoded
from simulator.kafka import Kafka
from simulator.kafka_administrator import KafkaAdministrator
from tests.integration.helpers import (
    entity_id,
    phases,
    record_event_entities,
    state,
    wait_live,
    wait_until,
)
from tests.integration.kafka.helpers import Cluster, add_cluster

from .rows import HOUR, compile_statistics, seed_sums, this_hour, wait_for_rows

pytestmark = pytest.mark.xdist_group("kafka")

EVSE = Evse(evse_id=31, physical_reference="A")
POINT = ChargePoint(point_id=12, name="Yard", evses=(EVSE,))


@pytest.fixture
async def cluster(kafka: Kafka, kafka_administrator: KafkaAdministrator) -> Cluster:
    """Make a topic for the replay."""

    async def upload(_content: bytes, _name: str) -> str:
        raise NotImplementedError

    cluster = Cluster(
        broker=kafka,
        administrator=kafka_administrator,
        topic="replay",
        group="replay",
        upload=upload,
    )
    await cluster.make_topic()
    return cluster


async def test_a_replay_equals_the_truth(
    hass: HomeAssistant, cluster: Cluster, tmp_path: Path
) -> None:
    """What came in time, what waited, and some of it twice and out of order."""
    now = this_hour()
    begin = now - 6 * HOUR
    routine = Routine(
        point=POINT,
        evse=EVSE,
        first_day=begin.date() - timedelta(days=1),
        begins_at=time(begin.hour, 20, tzinfo=UTC).replace(tzinfo=None),
    )
    course = list(routine.notifications(begin, now))
    entry = await add_cluster(hass, cluster)
    before = [note for at, note in course if at < begin + HOUR]
    await cluster.say(*before)
    await wait_until(
        lambda: entry.runtime_data.vitals.messages == len(before), "the time before"
    )
    await hass.async_block_till_done()
    device_id = f"evse_{EVSE.evse_id}"
    meter = entity_id(hass, device_id, "lifetime_energy")
    start = routine.meter_at(begin - HOUR) / 1000
    await seed_sums(hass, meter, [(begin - 2 * HOUR, start, 40.0)])
    await hass.config_entries.async_unload(entry.entry_id)

    waiting = [encoded(note) for at, note in course if at >= begin + HOUR]
    await cluster.produce([*waiting[20:], *waiting[:40], *before_again(before)])
    fired = record_event_entities(hass, "charging_session")
    await hass.config_entries.async_setup(entry.entry_id)
    await wait_live(hass, entry)
    await wait_until(
        lambda: entry.runtime_data.vitals.messages == len(waiting) + 30, "the backlog"
    )
    true_meter = routine.meter_at(now) / 1000
    await wait_until(
        lambda: (
            abs(float(state(hass, device_id, "lifetime_energy").state) - true_meter)
            < 0.001
        ),
        f"the meter at {true_meter}",
    )
    await compile_statistics(hass)

    stopped = [each for each in phases(fired) if each[0] == "stopped"]
    assert stopped == [("stopped", str(routine.session_id(begin.date())))]
    hours = [begin + number * HOUR for number in range(1, 4)]
    found = await wait_for_rows(hass, meter, begin - 2 * HOUR, hours)
    sums = {hour: row["sum"] for hour, row in found.items()}
    for hour in hours[1:]:
        assert sums[hour] - sums[hour - HOUR] == pytest.approx(
            routine.energy_between(hour, hour + HOUR), abs=0.01
        ), hour


def before_again(before: list[dict[str, object]]) -> list[bytes]:
    """Some of what had come before comes once more."""
    return [encoded(note) for note in before[:10]]
