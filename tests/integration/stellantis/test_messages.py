"""What a car says becomes states and events, whatever shape it comes in."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, issue_registry as ir
from homeassistant.util import dt as dt_util
import orjson
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.providers import PROVIDERS
from custom_components.ev_streams.providers.base import Provider

from ..helpers import entity_id, state, wait_for_number, wait_for_state, wait_until
from .helpers import OTHER_VIN, VIN, Partner, add_partner, add_vehicle, reloaded


def record_messages(hass: HomeAssistant, vin: str = VIN) -> list[dict[str, Any]]:
    """Return a list that grows with the attributes of each message event."""
    watched = entity_id(hass, vin, "message")
    seen: list[dict[str, Any]] = []
    fired: set[str] = set()

    @callback
    def note(event: Event[EventStateChangedData]) -> None:
        new = event.data["new_state"]
        if event.data["entity_id"] != watched or new is None:
            return
        if new.state not in {"unknown", "unavailable", *fired}:
            fired.add(new.state)
            names = ("type", "action", "subtopic")
            seen.append({name: new.attributes[name] for name in names})

    hass.bus.async_listen("state_changed", note)
    return seen


async def test_every_shape_of_content_is_a_message(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(hass, partner)
    await add_vehicle(hass, entry)
    seen = record_messages(hass)
    contents: list[object] = [
        {"type": "action", "action": "doSomething", "params": {"arg1": 42}},
        "a text",
        12_345,
        ["a", "list"],
        {"type": 5, "action": None},
        {"type": "x" * 1000},
    ]
    for content in contents:
        await partner.say(content)
    topic = f"psa/OVIPPartners-Dev/to/uid/{partner.account.uid}/opa/{VIN}"
    for body in (b"no JSON at all", b"777", b'"a text"'):
        await partner.platform.publish(topic, body)
    await wait_until(lambda: len(seen) == 9, "nine messages")
    assert seen[0] == {"type": "action", "action": "doSomething", "subtopic": ""}
    assert seen[5] == {"type": "x" * 100, "action": None, "subtopic": ""}
    assert all(
        each == {"type": None, "action": None, "subtopic": ""}
        for each in (*seen[1:5], *seen[6:])
    )
    assert entry.runtime_data.refusals.counts == {}


async def test_a_slash_at_the_end_and_subtopics_are_of_the_same_vehicle(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(hass, partner)
    await add_vehicle(hass, entry)
    seen = record_messages(hass)
    base = f"psa/OVIPPartners-Dev/to/uid/{partner.account.uid}/opa/{VIN}"
    for end in ("", "/", "/status", "/a/b/"):
        await partner.platform.publish(f"{base}{end}", b'{"content": 1}')
    await wait_until(lambda: len(seen) == 4, "four messages")
    assert [each["subtopic"] for each in seen] == ["", "", "status", "a/b"]


async def test_a_new_vehicle_is_told_and_added_by_the_user_only(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(hass, partner)
    for _ in range(3):
        await partner.say({"hello": 1})
    issues = ir.async_get(hass).issues

    def raised() -> list[ir.IssueEntry]:
        return [
            each
            for (domain, _), each in issues.items()
            if domain == DOMAIN
            and each.translation_key == "stellantis_new_device"
            and each.active
        ]

    await wait_until(lambda: bool(raised()), "a repair")
    (issue,) = raised()
    assert issue.translation_placeholders == {
        "account": "Stellantis",
        "device": "VR3…456",
    }
    assert VIN not in issue.issue_id
    registry = dr.async_get(hass)
    assert len(dr.async_entries_for_config_entry(registry, entry.entry_id)) == 1
    await add_vehicle(hass, entry)
    assert raised() == []
    device = registry.async_get_device_by_identifier((DOMAIN, VIN), entry.entry_id)
    assert device is not None
    assert device.name == "Family car"


async def test_vehicles_that_sent_something_are_offered(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(hass, partner)
    await partner.say(1)
    await partner.say(2, vin=OTHER_VIN)
    traffic = entry.runtime_data.traffic
    await wait_until(lambda: len(traffic.strangers()) == 2, "two strangers")
    opened = await hass.config_entries.subentries.async_init(
        (entry.entry_id, "vehicle"), context={"source": "user"}
    )
    assert opened["data_schema"] is not None
    (selector,) = (
        each
        for marker, each in opened["data_schema"].schema.items()
        if str(marker) == "device_id"
    )
    assert selector.config["options"] == [OTHER_VIN, VIN]


async def test_a_strangers_fleet_is_no_flood_of_repairs(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(hass, partner)
    for number in range(25):
        await partner.say("hello", vin=f"VR3UHZKXZPT{number:06}")
    await wait_until(lambda: entry.runtime_data.vitals.not_followed == 25, "all")
    raised = [
        each
        for each in ir.async_get(hass).issues.values()
        if each.domain == DOMAIN and each.active
    ]
    assert len(raised) == 20
    assert len(entry.runtime_data.traffic.strangers()) == 20


async def test_what_a_new_vehicle_said_is_there_to_be_mapped(
    hass: HomeAssistant, partner: Partner
) -> None:
    """It may be silent for days after that."""
    entry = await add_partner(hass, partner)
    await partner.say({"level": 5})
    traffic = entry.runtime_data.traffic
    await wait_until(lambda: traffic.strangers() == [VIN], "a stranger")
    await add_vehicle(hass, entry)
    (message,) = entry.runtime_data.traffic.recent(VIN)
    assert message.content.body == {"level": 5}


@pytest.mark.parametrize("typed", ["", "short", "VR3UHZKXZPT12345!"])
async def test_what_is_no_vin_is_refused(
    hass: HomeAssistant, partner: Partner, typed: str
) -> None:
    entry = await add_partner(hass, partner)
    flow = hass.config_entries.subentries
    opened = await flow.async_init(
        (entry.entry_id, "vehicle"), context={"source": "user"}
    )
    typed_form = {"device_id": typed, "name": "Car"}
    result = await flow.async_configure(opened["flow_id"], typed_form)
    assert result["errors"] == {"device_id": "not_a_device"}
    result = await flow.async_configure(
        opened["flow_id"], {"device_id": f" {VIN.lower()} ", "name": "Car"}
    )
    assert result["type"] == "create_entry"
    await reloaded(hass, entry)
    assert state(hass, VIN, "message_count").state == "unknown"


async def test_many_vehicles_need_no_choice(
    hass: HomeAssistant, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user has added each of them."""
    one = replace(PROVIDERS["stellantis"], follow_at_most=1)
    monkeypatch.setitem(cast(dict[str, Provider], PROVIDERS), "stellantis", one)
    entry = await add_partner(hass, partner)
    await add_vehicle(hass, entry)
    await add_vehicle(hass, entry, OTHER_VIN, "Second car")
    assert state(hass, OTHER_VIN, "message_count").state == "unknown"
    form = await hass.config_entries.options.async_init(entry.entry_id)
    assert form["data_schema"] is not None
    assert "devices" not in {str(marker) for marker in form["data_schema"].schema}


async def test_a_vehicle_is_added_once(hass: HomeAssistant, partner: Partner) -> None:
    entry = await add_partner(hass, partner)
    await add_vehicle(hass, entry)
    flow = hass.config_entries.subentries
    opened = await flow.async_init(
        (entry.entry_id, "vehicle"), context={"source": "user"}
    )
    result = await flow.async_configure(
        opened["flow_id"], {"device_id": VIN, "name": "Again"}
    )
    assert result["reason"] == "already_configured"


async def test_a_removed_vehicle_is_forgotten(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(hass, partner)
    await add_vehicle(hass, entry)
    await add_vehicle(hass, entry, OTHER_VIN, "Second car")
    await partner.say("hello")
    await wait_for_state(hass, VIN, "message_count", "1")
    (subentry_id,) = (
        each.subentry_id for each in entry.subentries.values() if each.unique_id == VIN
    )
    assert hass.config_entries.async_remove_subentry(entry, subentry_id)
    await reloaded(hass, entry)
    with pytest.raises(AssertionError, match="no entity"):
        state(hass, VIN, "message_count")
    assert state(hass, OTHER_VIN, "message_count") is not None
    # Added again, it begins at one.
    await add_vehicle(hass, entry)
    await partner.say("hello again")
    await wait_for_state(hass, VIN, "message_count", "1")


async def test_the_count_goes_on_after_a_restart(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(hass, partner)
    await add_vehicle(hass, entry)
    await partner.say(1)
    await wait_for_state(hass, VIN, "message_count", "1")
    await hass.config_entries.async_reload(entry.entry_id)
    await reloaded(hass, entry)
    assert state(hass, VIN, "message_count").state == "1"
    await partner.say(2)
    await wait_for_state(hass, VIN, "message_count", "2")


async def test_a_message_that_the_broker_kept_is_no_event(
    hass: HomeAssistant, partner: Partner
) -> None:
    """It comes again with every connection, and says nothing of when it was sent."""
    entry = await add_partner(hass, partner)
    await partner.say({"type": "old"}, retain=True)
    traffic = entry.runtime_data.traffic
    await wait_until(lambda: traffic.strangers() == [VIN], "a stranger")
    await add_vehicle(hass, entry)
    seen = record_messages(hass)
    await partner.say({"type": "new"})
    await wait_until(lambda: len(seen) == 1, "a message")
    assert seen[0]["type"] == "new"
    # It was heard once as it was sent, and not again.
    assert state(hass, VIN, "message_count").state == "2"


async def test_a_message_of_200_kib_harms_nothing(
    hass: HomeAssistant, partner: Partner, caplog: pytest.LogCaptureFixture
) -> None:
    entry = await add_partner(hass, partner)
    await add_vehicle(hass, entry)
    await partner.say("x" * 200 * 1024)
    await partner.say("small")
    await wait_for_state(hass, VIN, "message_count", "1")
    assert entry.runtime_data.refusals.counts == {"too_large": 1}
    assert entry.runtime_data.connection.is_connected
    assert "xxx" not in caplog.text


async def test_malformed_messages_are_counted_and_lose_nothing_else(
    hass: HomeAssistant, partner: Partner, caplog: pytest.LogCaptureFixture
) -> None:
    entry = await add_partner(hass, partner)
    await add_vehicle(hass, entry)
    base = f"psa/OVIPPartners-Dev/to/uid/{partner.account.uid}/opa"
    for _ in range(3):
        await partner.platform.publish(f"{base}/{VIN}", b"\xff\xfe")
        await partner.platform.publish(f"{base}/nobody", b"1")
    await partner.say("good")
    await wait_for_state(hass, VIN, "message_count", "1")
    assert entry.runtime_data.refusals.counts == {
        "not_a_text": 3,
        "no_vehicle_in_topic": 3,
    }
    told = [each for each in caplog.messages if "is left out" in each]
    assert len(told) == 2
    assert not any(VIN in each for each in caplog.messages)


async def test_an_echo_of_ours_is_not_taken_for_the_cars(
    hass: HomeAssistant, partner: Partner
) -> None:
    """As where somebody bridges both directions of the topics."""
    entry = await add_partner(hass, partner)
    await add_vehicle(hass, entry)
    device = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, VIN), entry.entry_id
    )
    assert device is not None
    await hass.services.async_call(
        DOMAIN,
        "send_message",
        {"device_id": device.id, "content": {"ping": 1}},
        blocking=True,
    )
    _, sent = await partner.platform.next_message(VIN)
    topic = f"psa/OVIPPartners-Dev/to/uid/{partner.account.uid}/opa/{VIN}"
    await partner.platform.publish(topic, orjson.dumps(sent))
    await partner.say({"ping": 1})
    await wait_for_state(hass, VIN, "message_count", "1")
    assert entry.runtime_data.vitals.unknown == {"message_of_a_server": 1}


async def test_a_thousand_messages_a_second_lose_nothing(
    hass: HomeAssistant, partner: Partner
) -> None:
    """For 30 seconds; the last one is counted when all of them were."""
    entry = await add_partner(hass, partner)
    await add_vehicle(hass, entry)
    count = 30_000
    contents: list[object] = [{"type": "tick", "n": n} for n in range(count)]
    async with asyncio.timeout(120):
        await partner.platform.say_many(partner.account.uid, VIN, contents, 1000)
    await wait_until(
        lambda: entry.runtime_data.vitals.messages == count, "every message"
    )
    held = entry.runtime_data.ledger.reading(VIN, "message_count")
    assert held is not None
    assert held.value == count
    assert entry.runtime_data.connection.retries == 0
    # What changes with every message is shown every few seconds only.
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=90))
    await wait_for_number(hass, VIN, "message_count", count)
