"""Trouble beside the connection: half answers, late answers, defects of our own."""

from datetime import UTC, datetime, timedelta
import json

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    async_fire_time_changed,
    get_system_health_info,
)

from custom_components.ev_streams import (
    async_remove_config_entry_device,
    coordinator,
    inventory,
    refresh,
)
from custom_components.ev_streams.ledger import Verdict
from custom_components.ev_streams.model import Message
from custom_components.ev_streams.sensor import ReadingSensor
from custom_components.ev_streams.stream.delivery import Delivery
from simulator.easee import EaseeAccount, EaseeCloud
from simulator.rabbitmq import Administrator

from .helpers import (
    SERIAL,
    add_account,
    entity_id,
    queue_is_empty,
    state,
    wait_for_number,
    wait_for_question,
    wait_for_state,
    wait_until,
)


async def test_defect_of_our_own_costs_one_message(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An entity that fails is logged once; everything else goes on, and nothing spins."""
    await add_account(hass, cloud, account)
    shown = ReadingSensor._show

    def fail_for_power(self: ReadingSensor, value: float | None) -> None:
        if self.entity_description.key == "total_power":
            raise RuntimeError("a defect")
        shown(self, value)

    monkeypatch.setattr(ReadingSensor, "_show", fail_for_power)
    for power in (1.0, 2.0, 3.0):
        await account.publish(SERIAL, 120, power)
    await account.publish(SERIAL, 150, 44)
    await wait_for_number(hass, SERIAL, "temp_max", 44)
    assert caplog.text.count("could not take a value") == 1
    await queue_is_empty(administrator, account)
    caplog.clear()


async def test_defect_in_the_decoding_costs_one_message(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A message that we cannot handle for our own fault is counted, and the next one read."""
    entry = await add_account(hass, cloud, account)
    decode = entry.runtime_data.account.decode

    def fail_for_power(delivery: Delivery) -> Message:
        if delivery.address.endswith(".120"):
            raise RuntimeError("a defect")
        return decode(delivery)

    monkeypatch.setattr(entry.runtime_data.account, "decode", fail_for_power)
    for power in (1.0, 2.0):
        await account.publish(SERIAL, 120, power)
    await account.publish(SERIAL, 150, 45)
    await wait_for_number(hass, SERIAL, "temp_max", 45)
    assert entry.runtime_data.refusals.counts == {"internal_error": 2}
    assert caplog.text.count("could not be handled") == 1
    await queue_is_empty(administrator, account)
    caplog.clear()


async def test_snapshot_that_fails_is_asked_for_again(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Values that could not be had at start come later, while the stream runs."""
    monkeypatch.setattr(refresh, "RETRY_AFTER", 0.2)
    cloud.fail_next("/state/", status=500, times=2)
    await add_account(hass, cloud, account)
    power = account.chargers[SERIAL].observations[124][1]
    assert isinstance(power, float)
    await wait_for_number(hass, SERIAL, "lifetime_energy", power)


async def test_snapshot_of_one_charger_fails(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """One charger that the vendor will not speak of does not hide the other."""
    account.add_charger("EH000002", name="Street")
    cloud.fail_next(f"/state/{SERIAL}/", status=403)
    await add_account(hass, cloud, account, has_snapshots=False)
    other = account.chargers["EH000002"].observations[124][1]
    assert isinstance(other, float)
    await wait_for_number(hass, "EH000002", "lifetime_energy", other)


async def test_illegible_value_in_the_snapshot(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """An observation that makes no sense is left out of the snapshot, the others count."""
    account.chargers[SERIAL].observations[120] = (datetime.now(UTC), "plenty")
    await add_account(hass, cloud, account)
    energy = account.chargers[SERIAL].observations[124][1]
    assert isinstance(energy, float)
    await wait_for_number(hass, SERIAL, "lifetime_energy", energy)
    assert state(hass, SERIAL, "total_power").state == "unknown"


async def test_snapshot_and_stream_in_any_order(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """A snapshot that is older than what was streamed changes nothing, a newer one does."""
    entry = await add_account(hass, cloud, account)
    now = datetime.now(UTC)
    await account.publish(SERIAL, 120, 7.0, timestamp=now, remember=False)
    await wait_for_number(hass, SERIAL, "total_power", 7.0)
    observations = account.chargers[SERIAL].observations
    observations[120] = (now - timedelta(seconds=30), 1.0)
    observations[150] = (now + timedelta(seconds=1), 55)
    async_fire_time_changed(hass, dt_util.utcnow() + coordinator.REFRESH_INTERVAL)
    await wait_for_number(hass, SERIAL, "temp_max", 55)
    assert float(state(hass, SERIAL, "total_power").state) == 7.0
    assert entry.runtime_data.ledger.verdicts[Verdict.STALE] >= 1


async def test_login_refused_while_the_stream_runs(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """A password changed elsewhere is asked for; what still works goes on working."""
    await add_account(hass, cloud, account)
    await hass.async_block_till_done()
    account.set_password("changed")
    cloud.expire_tokens()
    cloud.expire_refresh_tokens()
    async_fire_time_changed(hass, dt_util.utcnow() + coordinator.REFRESH_INTERVAL)
    await wait_for_question(hass)
    await account.publish(SERIAL, 120, 2.75)
    await wait_for_number(hass, SERIAL, "total_power", 2.75)


async def test_defect_in_the_snapshot_does_not_end_the_refreshing(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Even a failure that nobody foresaw is followed by another attempt."""
    monkeypatch.setattr(refresh, "RETRY_AFTER", 0.2)
    monkeypatch.setattr(inventory, "LIST_FRESH_FOR", 0.0)
    entry = await add_account(hass, cloud, account)
    await hass.async_block_till_done()
    listing = entry.runtime_data.inventory
    update = listing.update
    calls = 0

    def fail_once(records: list[object]) -> object:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("a defect")
        return update(records)  # type: ignore[arg-type]

    monkeypatch.setattr(listing, "update", fail_once)
    async_fire_time_changed(hass, dt_util.utcnow() + coordinator.REFRESH_INTERVAL)
    await wait_until(lambda: "nobody foresaw" in caplog.text, "the failure")
    await wait_until(lambda: calls == 2, "the next attempt")
    account.chargers[SERIAL].observations[150] = (datetime.now(UTC), 66)
    async_fire_time_changed(hass, dt_util.utcnow() + 2 * coordinator.REFRESH_INTERVAL)
    await wait_for_number(hass, SERIAL, "temp_max", 66)
    caplog.clear()


async def test_stranger_while_the_list_cannot_be_had(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """Messages wait for the account's list no longer than the question takes."""
    entry = await add_account(hass, cloud, account)
    await hass.async_block_till_done()
    cloud.fail_next("/api/chargers", status=500)
    await account.publish("EH000009", 120, 1.0)
    await wait_until(
        lambda: entry.runtime_data.vitals.not_followed == 1, "the stranger"
    )
    await queue_is_empty(administrator, account)


async def test_message_in_question_outlasts_an_unload(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """What still waited for the list when the entry was unloaded waits at the broker again."""
    entry = await add_account(hass, cloud, account)
    await hass.async_block_till_done()
    account.add_charger("EH000002", name="Street")
    cloud.hang_next("/api/chargers")
    start = datetime.now(UTC)
    session = json.dumps({"Id": 1, "Start": start.isoformat()})
    await account.publish("EH000002", 223, session, remember=False)
    await wait_until(lambda: entry.runtime_data.vitals.messages == 1, "the message")
    await hass.config_entries.async_unload(entry.entry_id)
    assert (await administrator.queue_state(account.queue)).ready == 1

    await hass.config_entries.async_setup(entry.entry_id)
    await wait_for_state(
        hass,
        "EH000002",
        "charging_session_start",
        start.replace(microsecond=0).isoformat(),
    )
    assert state(hass, "EH000002", "charging_session").attributes["session_id"] == "1"


async def test_stranger_does_not_hold_up_the_stream(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When the list does not come, messages in question are given up after their time."""
    monkeypatch.setattr(refresh, "PARKED_AT_MOST", 0.3)
    entry = await add_account(hass, cloud, account)
    await hass.async_block_till_done()
    cloud.hang_next("/api/chargers")
    await account.publish("EH999999", 120, 1.0)
    for power in (1.5, 2.5):
        await account.publish(SERIAL, 120, power)
    await wait_for_number(hass, SERIAL, "total_power", 2.5)
    await queue_is_empty(administrator, account)
    assert entry.runtime_data.vitals.not_followed == 1


async def test_refused_login_is_not_tried_for_ever(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once the user is asked for a password, the old one is left in peace."""
    monkeypatch.setattr(refresh, "RETRY_AFTER", 0.05)
    for number in range(2, 8):
        account.add_charger(f"EH{number:06}", name=f"Bay {number}")
    entry = await add_account(hass, cloud, account)
    await hass.async_block_till_done()
    account.set_password("changed")
    cloud.expire_tokens()
    cloud.expire_refresh_tokens()
    cloud.requests.clear()
    async_fire_time_changed(hass, dt_util.utcnow() + coordinator.REFRESH_INTERVAL)
    await wait_for_question(hass)
    for _ in range(3):
        async_fire_time_changed(hass, dt_util.utcnow() + coordinator.REFRESH_INTERVAL)
        await account.publish("EH888888", 120, 1.0)
        await wait_until(
            lambda: entry.runtime_data.vitals.not_followed > 0, "the stranger"
        )
        await hass.async_block_till_done()
    logins = [r for r in cloud.requests if r.path == "/api/accounts/login"]
    assert len(logins) <= 2


async def test_crowd_of_strangers(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many messages come of a device in question, only so many wait for the answer."""
    monkeypatch.setattr(refresh, "PARKED_DELIVERIES", 3)
    entry = await add_account(hass, cloud, account)
    await hass.async_block_till_done()
    account.add_charger("EH000002", name="Street")
    body = json.dumps({"Timestamp": datetime.now(UTC).isoformat(), "Value": 1.5})
    message = ("EH000002.O.120", body.encode(), None)
    await administrator.publish_many(account.exchange, [message] * 50)
    await wait_until(lambda: entry.runtime_data.vitals.messages == 50, "the crowd")
    await wait_until(
        lambda: entry.runtime_data.inventory.is_followed("EH000002"), "the charger"
    )
    await hass.async_block_till_done()
    await wait_for_number(hass, "EH000002", "total_power", 1.5)
    await queue_is_empty(administrator, account)


async def test_session_that_introduces_its_charger(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """The very first message of a new charger may be the start of a session: it fires."""
    entry = await add_account(hass, cloud, account)
    await hass.async_block_till_done()
    account.add_charger("EH000002", name="Street")
    start = datetime.now(UTC)
    session = json.dumps({"Id": 1, "Start": start.isoformat()})
    await account.publish("EH000002", 223, session, remember=False)
    await wait_until(
        lambda: entry.runtime_data.inventory.is_followed("EH000002"), "the charger"
    )
    await hass.async_block_till_done()
    event = state(hass, "EH000002", "charging_session")
    assert event.attributes["event_type"] == "started"
    assert event.attributes["started_at"] == start.isoformat()


async def test_backlog_is_counted_down(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """What waited while Home Assistant was away is read as a replay, which then ends."""
    entry = await add_account(hass, cloud, account)
    await hass.config_entries.async_unload(entry.entry_id)
    then = datetime.now(UTC) - timedelta(hours=1)
    for number in range(30):
        moment = then + timedelta(seconds=number)
        await account.publish(
            SERIAL,
            120,
            number / 10,
            timestamp=moment,
            arrival_time=moment,
            remember=False,
        )
    # The last one is a start of an hour ago: it must say that it is replayed.
    session = json.dumps({"Id": 5, "Start": then.isoformat()})
    await account.publish(SERIAL, 223, session, timestamp=then, arrival_time=then)
    seen: list[str] = []
    status = entity_id(hass, str(entry.unique_id), "stream_status")
    hass.bus.async_listen(
        "state_changed",
        lambda event: (
            seen.append(event.data["new_state"].state)
            if event.data["entity_id"] == status and event.data["new_state"]
            else None
        ),
    )
    await hass.config_entries.async_setup(entry.entry_id)
    await wait_until(lambda: entry.runtime_data.vitals.messages == 31, "the backlog")
    await wait_for_state(hass, str(entry.unique_id), "stream_status", "live")
    await wait_for_state(hass, str(entry.unique_id), "backlog", "0")
    await wait_until(lambda: seen[-1:] == ["live"], "the last status to be heard of")
    assert "replaying" in seen
    event = state(hass, SERIAL, "charging_session")
    assert event.attributes["replayed"] is True
    # Latency speaks of live messages only.
    assert state(hass, str(entry.unique_id), "delivery_latency").state == "unknown"


async def test_device_of_an_entry_that_is_not_loaded_stays(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """Without the account's list nobody can tell whether a charger is gone."""
    entry = await add_account(hass, cloud, account)
    charger = dr.async_get(hass).async_get_device_by_identifier(
        ("ev_streams", SERIAL), entry.entry_id
    )
    assert isinstance(charger, dr.DeviceEntry)
    await hass.config_entries.async_unload(entry.entry_id)
    assert entry.state is ConfigEntryState.NOT_LOADED
    assert not await async_remove_config_entry_device(hass, entry, charger)


async def test_system_health_counts_streams(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """The system information page tells how many streams there are and how they fare."""
    assert await async_setup_component(hass, "system_health", {})
    await add_account(hass, cloud, account)
    await account.publish_raw(f"{SERIAL}.O.120", b"rubbish")
    await account.publish(SERIAL, 120, 9.25)
    await wait_for_number(hass, SERIAL, "total_power", 9.25)
    assert await get_system_health_info(hass, "ev_streams") == {
        "streams": 1,
        "connected": 1,
        "messages": 2,
        "refused": 1,
    }
