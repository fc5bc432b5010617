"""What becomes of values and sessions when the user changes what a field means."""

import asyncio
from datetime import UTC, datetime, timedelta
import json
from typing import Any

from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
import pytest

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import (
    EvStreamsConfigEntry,
    EvStreamsCoordinator,
)

from ..helpers import (
    record_session_events,
    state,
    wait_for_number,
    wait_for_state,
    wait_until,
)
from .helpers import (
    OTHER_VIN,
    VIN,
    Partner,
    add_partner,
    add_vehicle,
    change_vehicle,
    reloaded,
)
from .test_mapping import add_sensor, change_sensor, field_form, suggested


@pytest.fixture
async def entry(hass: HomeAssistant, partner: Partner) -> EvStreamsConfigEntry:
    """Add an account with a vehicle."""
    entry = await add_partner(hass, partner)
    await add_vehicle(hass, entry)
    return entry


async def forget_messages(entry: EvStreamsConfigEntry, partner: Partner) -> None:
    """Let the car say so much else that nothing of before is kept."""
    for number in range(10):
        await partner.say({"else": number})
    traffic = entry.runtime_data.traffic
    await wait_until(
        lambda: all("else" in str(each.content) for each in traffic.recent(VIN)),
        "ten other messages",
    )


ODOMETER: dict[str, Any] = {
    "path": "km",
    "name": "Odometer",
    "device_class": "distance",
    "unit": "km",
    "never_decreasing": True,
}


async def test_a_wrong_scale_that_is_put_right_keeps_no_true_value_out(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    await add_sensor(hass, entry, **ODOMETER, scale=1000)
    await partner.say({"km": 50})
    await wait_for_number(hass, VIN, "odometer", 50_000)
    await change_sensor(hass, entry, "odometer", **ODOMETER)
    assert float(state(hass, VIN, "odometer").state) == 50
    await partner.say({"km": 51})
    await wait_for_number(hass, VIN, "odometer", 51)


async def test_a_field_that_was_removed_leaves_no_value_to_one_of_its_name(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    await add_sensor(hass, entry, **ODOMETER)
    await partner.say({"km": 50})
    await wait_for_number(hass, VIN, "odometer", 50)
    await forget_messages(entry, partner)
    await change_vehicle(hass, entry, "remove_fields", {"fields": ["odometer"]})
    await add_sensor(hass, entry, **ODOMETER)
    assert state(hass, VIN, "odometer").state == "unknown"
    await partner.say({"km": 20})
    await wait_for_number(hass, VIN, "odometer", 20)


@pytest.mark.parametrize(
    ("text", "members", "expected", "later"),
    [
        ("full", {"device_class": "battery", "unit": "%"}, "unknown", (55, "55")),
        (
            "2026-01-01T10:00:00+01:00",
            {"device_class": "timestamp"},
            "2026-01-01T09:00:00+00:00",
            ("2026-01-02T10:00:00Z", "2026-01-02T10:00:00+00:00"),
        ),
        ("off", {"platform": "binary_sensor"}, "off", ("on", "on")),
    ],
    ids=["number", "time", "binary"],
)
async def test_a_text_that_becomes_something_else_is_read_anew(
    hass: HomeAssistant,
    entry: EvStreamsConfigEntry,
    partner: Partner,
    text: str,
    members: dict[str, Any],
    expected: str,
    later: tuple[object, str],
) -> None:
    await add_sensor(hass, entry, "said", name="Said")
    await partner.say({"said": text})
    await wait_for_state(hass, VIN, "said", text)
    await change_sensor(hass, entry, "said", path="said", name="Said", **members)
    assert state(hass, VIN, "said").state == expected
    said, shown = later
    await partner.say({"said": said})
    await wait_for_state(hass, VIN, "said", shown)


async def test_another_name_or_guard_keeps_the_value(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    """Also where no kept message tells it any more."""
    await add_sensor(hass, entry, "level", name="Level", unit="%")
    await partner.say({"level": 50})
    await wait_for_number(hass, VIN, "level", 50)
    await forget_messages(entry, partner)
    await change_sensor(
        hass, entry, "level", path="level", name="Charge", unit="%", maximum=100
    )
    assert state(hass, VIN, "level").state == "50"
    assert state(hass, VIN, "level").name == "Family car Charge"


async def test_a_new_guard_holds_for_the_value_that_is_shown(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    """Else one that is much too high would keep all lower ones out."""
    await add_sensor(hass, entry, **ODOMETER)
    for value in (50, 9_999_999):
        await partner.say({"km": value})
    await wait_for_number(hass, VIN, "odometer", 9_999_999)
    await change_sensor(hass, entry, "odometer", **ODOMETER, maximum=2_000_000)
    assert float(state(hass, VIN, "odometer").state) == 50
    await partner.say({"km": 51})
    await wait_for_number(hass, VIN, "odometer", 51)


async def test_a_value_that_turns_out_to_mean_nothing_is_not_shown_any_more(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    await add_sensor(hass, entry, "range", name="Range", unit="km", scale=2)
    await partner.say({"range": 510})
    await wait_for_number(hass, VIN, "range", 1020)
    await forget_messages(entry, partner)
    await change_sensor(
        hass,
        entry,
        "range",
        path="range",
        name="Range",
        unit="km",
        scale=2,
        sentinels=["510"],
    )
    assert state(hass, VIN, "range").state == "unknown"


async def test_a_new_field_believes_a_kept_message_last(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    """What the broker kept may be of any age, however late it came."""
    await partner.say({"level": 80})
    traffic = entry.runtime_data.traffic
    await wait_until(lambda: len(traffic.recent(VIN)) == 1, "a message")
    await kept_by_the_broker(hass, entry, partner, {"level": 10})
    await add_sensor(hass, entry, "level", name="Level", unit="%")
    assert state(hass, VIN, "level").state == "80"


async def test_a_kept_message_that_came_first_wins_over_nothing_either(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    """One that was measured before it came is older than the arrival of the other."""
    await kept_by_the_broker(hass, entry, partner, {"level": 10})
    before = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    await partner.say({"level": 80, "at": before})
    traffic = entry.runtime_data.traffic
    await wait_until(lambda: len(traffic.recent(VIN)) == 2, "both messages")
    await add_sensor(hass, entry, "level", name="Level", unit="%", timestamp_path="at")
    assert state(hass, VIN, "level").state == "80"


async def test_a_value_that_is_forgotten_is_gone_from_the_file_too(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    await add_sensor(hass, entry, "level", name="Level", unit="%")
    await partner.say({"level": 50})
    await wait_for_number(hass, VIN, "level", 50)
    await change_vehicle(hass, entry, "remove_fields", {"fields": ["level"]})
    await hass.config_entries.async_reload(entry.entry_id)
    await reloaded(hass, entry)
    assert set(entry.runtime_data.ledger.readings(VIN)) == {
        "last_message",
        "message_count",
    }


async def test_a_new_field_shows_what_was_said_last(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    """By its own time, if it names one, and without what its guards keep out."""
    now = datetime.now(UTC)
    for level, age in ((60, 10), (61, 5), (510, 4), (55, 20)):
        at = (now - timedelta(minutes=age)).isoformat()
        await partner.say({"level": level, "at": at})
    traffic = entry.runtime_data.traffic
    await wait_until(lambda: len(traffic.recent(VIN)) == 4, "all messages")
    await add_sensor(
        hass,
        entry,
        "level",
        name="Level",
        unit="%",
        timestamp_path="at",
        sentinels=["510"],
    )
    assert state(hass, VIN, "level").state == "61"


CHARGING: dict[str, Any] = {
    "path": "c",
    "name": "Charging",
    "platform": "binary_sensor",
    "makes_sessions": True,
}
SESSION_KEYS = {
    "charging_session",
    "charging_session_start",
    "charging_session_stop",
    "charging_session_duration",
}


def session_keys(hass: HomeAssistant) -> set[str]:
    """Return the keys of the vehicle's entities that tell of sessions."""
    return {
        each.unique_id.removeprefix(f"{VIN}_")
        for each in er.async_get(hass).entities.values()
        if each.platform == DOMAIN and f"{VIN}_charging_session" in each.unique_id
    }


async def test_without_a_field_that_makes_sessions_nothing_of_them_is_left(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    """A running one ends with the last message that told of it."""
    await add_sensor(hass, entry, **CHARGING)
    assert session_keys(hass) == SESSION_KEYS
    await partner.say({"c": True})
    await wait_for_state(hass, VIN, "charging", "on")
    await partner.say({"c": True})
    traffic = entry.runtime_data.traffic
    await wait_until(lambda: len(traffic.recent(VIN)) == 2, "both messages")
    ledger = entry.runtime_data.ledger
    told = ledger.reading(VIN, "is_charging")
    assert told is not None
    await change_sensor(
        hass, entry, "charging", **(CHARGING | {"makes_sessions": False})
    )
    assert session_keys(hass) == set()
    assert state(hass, VIN, "charging").state == "on"
    (session,) = entry.runtime_data.ledger.sessions(VIN)
    assert session.stopped_at == told.measured_at
    # Wanted again, the next one is another.
    await change_sensor(hass, entry, "charging", **CHARGING)
    assert session_keys(hass) == SESSION_KEYS
    events = record_session_events(hass, VIN)
    await partner.say({"c": True})
    await wait_until(lambda: len(events) == 1, "a start")
    assert events[0]["session_id"] != session.session_id


async def test_a_session_ends_that_never_was_as_its_field_says_now(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    """As after a template that had it the wrong way round."""
    await add_sensor(hass, entry, **CHARGING, template="{{ not value }}")
    events = record_session_events(hass, VIN)
    await partner.say({"c": False})
    await wait_until(lambda: len(events) == 1, "a wrong start")
    told = entry.runtime_data.ledger.reading(VIN, "is_charging")
    assert told is not None
    await change_sensor(hass, entry, "charging", **CHARGING)
    assert state(hass, VIN, "charging").state == "off"
    (session,) = entry.runtime_data.ledger.sessions(VIN)
    assert session.stopped_at == told.measured_at
    await wait_until(lambda: len(events) == 2, "its stop")


async def test_a_session_moves_on_to_a_field_that_was_told_before(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    """Off at an earlier time says nothing of now."""
    other: dict[str, Any] = {"path": "d", "name": "Other", "platform": "binary_sensor"}
    text = {"format": "ev_streams mappings", "version": 1}
    fields = {
        "charging": dict(CHARGING),
        "other": other,
    }
    await change_vehicle(
        hass,
        entry,
        "import",
        {"text": json.dumps(text | {"fields": fields}), "replace": True},
    )
    events = record_session_events(hass, VIN)
    await partner.say({"d": False})
    await partner.say({"c": True})
    await wait_until(lambda: len(events) == 1, "the start")
    fields["charging"]["makes_sessions"] = False
    fields["other"] = other | {"makes_sessions": True}
    await change_vehicle(
        hass,
        entry,
        "import",
        {"text": json.dumps(text | {"fields": fields}), "replace": True},
    )
    (session,) = entry.runtime_data.ledger.sessions(VIN)
    assert session.stopped_at is None
    await partner.say({"d": False})
    await wait_until(lambda: len(events) == 2, "the stop")


async def test_of_two_values_at_once_the_later_one_holds(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    """As of a clock that counts seconds, when the field is read anew."""
    await add_sensor(hass, entry, **CHARGING, timestamp_path="at")
    events = record_session_events(hass, VIN)
    at = datetime.now(UTC).replace(microsecond=0).isoformat()
    for charging in (False, True):
        await partner.say({"c": charging, "at": at})
    await wait_until(lambda: len(events) == 1, "the start")
    await change_sensor(
        hass,
        entry,
        "charging",
        **CHARGING,
        timestamp_path="at",
        value_map=["nothing=off"],
    )
    assert state(hass, VIN, "charging").state == "on"
    (session,) = entry.runtime_data.ledger.sessions(VIN)
    assert session.stopped_at is None


async def test_a_session_goes_on_under_another_field(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    await add_sensor(hass, entry, **CHARGING)
    events = record_session_events(hass, VIN)
    await partner.say({"c": True})
    await wait_until(lambda: len(events) == 1, "the start")
    await change_sensor(hass, entry, "charging", **(CHARGING | {"path": "d"}))
    await partner.say({"d": True})
    await partner.say({"d": False})
    await wait_until(lambda: len(events) == 2, "the stop")
    assert [each["event_type"] for each in events] == ["started", "stopped"]
    assert len({each["session_id"] for each in events}) == 1


async def test_sessions_that_begin_in_the_same_second_are_two(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    await add_sensor(hass, entry, **CHARGING, timestamp_path="at")
    events = record_session_events(hass, VIN)
    at = datetime.now(UTC).replace(microsecond=0)
    for charging, moment in (
        (True, at),
        (False, at),
        (True, at),
        (False, at),
    ):
        await partner.say({"c": charging, "at": moment.isoformat()})
    await wait_until(lambda: len(events) == 4, "two starts and two stops")
    assert [each["event_type"] for each in events] == ["started", "stopped"] * 2
    assert len({each["session_id"] for each in events}) == 2
    for session in entry.runtime_data.ledger.sessions(VIN):
        assert session.started_at is not None
        assert session.stopped_at is not None
        assert session.started_at <= session.stopped_at


async def kept_by_the_broker(
    hass: HomeAssistant,
    entry: EvStreamsConfigEntry,
    partner: Partner,
    content: dict[str, Any],
) -> None:
    """Let the broker hand out a message that it keeps, as it does to who connects."""
    await hass.config_entries.async_unload(entry.entry_id)
    await partner.say(content, retain=True)
    await hass.config_entries.async_setup(entry.entry_id)
    await reloaded(hass, entry)
    traffic = entry.runtime_data.traffic
    await wait_until(
        lambda: any(each.content.is_retained for each in traffic.recent(VIN)),
        "what the broker kept",
    )


async def test_a_kept_message_without_its_time_wins_over_nothing(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    await add_sensor(hass, entry, "level", name="Level", unit="%", timestamp_path="at")
    await partner.say({"level": 80})
    await wait_for_number(hass, VIN, "level", 80)
    await kept_by_the_broker(hass, entry, partner, {"level": 10})
    assert state(hass, VIN, "level").state == "80"


async def test_what_is_measured_wins_over_a_kept_message_that_came_before(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    """The arrival of the kept one says nothing of its age."""
    await add_sensor(hass, entry, "level", name="Level", unit="%", timestamp_path="at")
    await kept_by_the_broker(hass, entry, partner, {"level": 10})
    await wait_for_number(hass, VIN, "level", 10)
    before = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    await partner.say({"level": 80, "at": before})
    await wait_for_number(hass, VIN, "level", 80)
    # Also when it comes again.
    await hass.config_entries.async_reload(entry.entry_id)
    await reloaded(hass, entry)
    assert state(hass, VIN, "level").state == "80"


async def test_a_kept_message_with_its_time_is_as_good_as_any(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    await add_sensor(hass, entry, "level", name="Level", unit="%", timestamp_path="at")
    now = datetime.now(UTC)
    before = (now - timedelta(minutes=5)).isoformat()
    await partner.say({"level": 80, "at": before})
    await wait_for_number(hass, VIN, "level", 80)
    kept = {"level": 81, "at": (now - timedelta(minutes=1)).isoformat()}
    await kept_by_the_broker(hass, entry, partner, kept)
    await wait_for_number(hass, VIN, "level", 81)


async def test_a_kept_message_without_its_time_begins_no_session(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    """It may be of any age; that the car charges is shown all the same."""
    await add_sensor(hass, entry, **CHARGING)
    await kept_by_the_broker(hass, entry, partner, {"c": True})
    await wait_for_state(hass, VIN, "charging", "on")
    assert entry.runtime_data.ledger.sessions(VIN) == []


async def test_what_never_decreases_keeps_its_value_where_it_is_not_known(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    """Else a lower one could come after that."""
    await add_sensor(hass, entry, **ODOMETER)
    for value in (50_000, None, 0):
        await partner.say({"km": value})
    traffic = entry.runtime_data.traffic
    await wait_until(lambda: len(traffic.recent(VIN)) == 3, "all messages")
    assert float(state(hass, VIN, "odometer").state) == 50_000
    assert traffic.refused == {("odometer", "decreasing"): 1}


async def test_a_template_that_gives_nothing_says_that_nothing_is_known(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    template = "{{ none if value == 'x' else value }}"
    await add_sensor(hass, entry, "said", name="Said", template=template)
    await partner.say({"said": "y"})
    await wait_for_state(hass, VIN, "said", "y")
    await partner.say({"said": "x"})
    await wait_for_state(hass, VIN, "said", "unknown")


async def test_a_value_that_means_nothing_is_counted_without_a_warning(
    hass: HomeAssistant,
    entry: EvStreamsConfigEntry,
    partner: Partner,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await add_sensor(hass, entry, "range", name="Range", unit="km", sentinels=["510"])
    for value in (510, 510, 200):
        await partner.say({"range": value})
    await wait_for_number(hass, VIN, "range", 200)
    assert entry.runtime_data.traffic.refused == {("range", "sentinel"): 2}
    assert "is left out" not in caplog.text


async def test_words_for_values_outlast_the_form_whatever_is_in_them(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    """An equals sign in a value is not taken for the one behind it."""
    lines = ['"a=b"=first', "plain = second word", '"\\"q\\""=third', '" x"=fourth']
    await add_sensor(hass, entry, "said", name="Said", value_map=lines)
    for _ in range(2):
        (subentry,) = entry.subentries.values()
        assert subentry.data["mappings"]["said"]["value_map"] == {
            "a=b": "first",
            "plain": "second word",
            '"q"': "third",
            " x": "fourth",
        }
        form = await change_vehicle(hass, entry, "edit_field", {"field": "said"})
        shown = suggested(form)["value_map"]
        flow = hass.config_entries.subentries
        await flow.async_configure(
            form["flow_id"], field_form(path="said", name="Said", value_map=shown)
        )
        await flow.async_configure(form["flow_id"], {"next_step_id": "save_field"})
        await reloaded(hass, entry)
    await partner.say({"said": "a=b"})
    await wait_for_state(hass, VIN, "said", "first")


async def test_a_vehicle_that_is_added_while_the_account_loads_is_not_missed(
    hass: HomeAssistant,
    entry: EvStreamsConfigEntry,
    partner: Partner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a slow system, where the file takes its time."""
    is_loading, may_go_on = asyncio.Event(), asyncio.Event()
    take_up = EvStreamsCoordinator.open

    async def slowly(self: EvStreamsCoordinator) -> None:
        is_loading.set()
        await may_go_on.wait()
        await take_up(self)

    monkeypatch.setattr(EvStreamsCoordinator, "open", slowly)
    reload = asyncio.create_task(hass.config_entries.async_reload(entry.entry_id))
    await is_loading.wait()
    flow = hass.config_entries.subentries
    opened = await flow.async_init(
        (entry.entry_id, "vehicle"), context={"source": SOURCE_USER}
    )
    typed = {"device_id": OTHER_VIN, "name": "Second car"}
    await flow.async_configure(opened["flow_id"], typed)
    may_go_on.set()
    await reload
    await reloaded(hass, entry)
    await partner.say("hello", vin=OTHER_VIN)
    await wait_for_state(hass, OTHER_VIN, "message_count", "1")
