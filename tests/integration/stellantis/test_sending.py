"""A message goes to a car now or not at all, and its fate is told honestly."""

import asyncio
import json
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr
import probatio
import pytest

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from custom_components.ev_streams.providers.stellantis import sending
from simulator.mqtt_client import MqttClient

from ..helpers import wait_for_state, wait_live
from .helpers import OTHER_VIN, VIN, Partner, add_partner, add_vehicle

# Two attempts, a second each.
IMPATIENT: dict[str, Any] = {
    "acknowledgement_path": "id",
    "acknowledgement_timeout": 1,
    "retries": 1,
}


@pytest.fixture
async def entry(hass: HomeAssistant, partner: Partner) -> EvStreamsConfigEntry:
    """Add an account with a vehicle."""
    entry = await add_partner(hass, partner)
    await add_vehicle(hass, entry)
    return entry


def device(hass: HomeAssistant, entry: EvStreamsConfigEntry, identifier: str) -> str:
    found = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, identifier), entry.entry_id
    )
    assert found is not None
    return found.id


async def send(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, vin: str = VIN, **data: Any
) -> Any:
    """Call the action as a user does; returns its response."""
    return await hass.services.async_call(
        DOMAIN,
        "send_message",
        {"device_id": device(hass, entry, vin), **data},
        blocking=True,
        return_response=True,
    )


async def test_a_message_arrives_in_its_envelope(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    content = {"type": "action", "params": {"arg3": [1, 2]}}
    response = await send(hass, entry, content=content)
    topic, body = await partner.platform.next_message(VIN)
    uid = partner.account.uid
    assert topic == f"psa/OVIPPartners-Dev/from/uid/{uid}/opa/{VIN}"
    assert body == {"idApp": "app-1", "popup": False, "content": content}
    # Nobody confirms more than that it was sent.
    assert response["sent"] is True
    assert response["size"] == len(
        '{"idApp":"app-1","popup":false,'
        '"content":{"type":"action","params":{"arg3":[1,2]}}}'
    )
    assert "acknowledged" not in response


async def test_the_other_direction_is_written_to_as_well(
    hass: HomeAssistant, partner: Partner
) -> None:
    """Where the vendor's text is right, and not its code samples."""
    entry = await add_partner(hass, partner, advanced={"direction": "prose"})
    await add_vehicle(hass, entry)
    broker, uid = partner.platform.broker, partner.account.uid
    told: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
    async with MqttClient(
        broker.plain_port, broker.administrator_name, broker.administrator_password
    ) as listener:
        await listener.subscribe(
            f"psa/OVIPPartners-Dev/to/uid/{uid}/#",
            lambda topic, body: told.put_nowait((topic, body)),
        )
        await send(hass, entry, content="hello", id_app="app-1")
        topic, body = await asyncio.wait_for(told.get(), 10)
    assert topic == f"psa/OVIPPartners-Dev/to/uid/{uid}/opa/{VIN}"
    assert json.loads(body) == {"idApp": "app-1", "popup": False, "content": "hello"}


async def test_another_application_can_be_named(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    await send(hass, entry, content="hello", id_app="app-2")
    _, body = await partner.platform.next_message(VIN)
    assert body == {"idApp": "app-2", "popup": False, "content": "hello"}


async def test_a_popup_is_shown_and_the_next_has_to_wait(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    await send(hass, entry, popup_text="Hello\nyou", popup_button=True)
    _, body = await partner.platform.next_message(VIN)
    assert body == {
        "idApp": "app-1",
        "popup": True,
        "popupText": "Hello\nyou",
        "popupBtn": True,
    }
    with pytest.raises(ServiceValidationError) as caught:
        await send(hass, entry, popup_text="Again")
    assert caught.value.translation_key == "popup_too_soon"
    assert caught.value.translation_placeholders == {"seconds": "20"}
    # Another car has a screen of its own, and data are no popups.
    await add_vehicle(hass, entry, OTHER_VIN, "Second car")
    await send(hass, entry, OTHER_VIN, popup_text="Hello")
    await send(hass, entry, content=1)
    _, body = await partner.platform.next_message(VIN)
    assert body["content"] == 1


async def test_what_is_too_large_with_its_envelope_is_not_sent(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    around = len('{"idApp":"app-1","popup":false,"content":""}')
    await send(hass, entry, content="x" * (131_072 - around))
    _, body = await partner.platform.next_message(VIN)
    assert len(body["content"]) == 131_072 - around
    with pytest.raises(ServiceValidationError) as caught:
        await send(hass, entry, content="x" * (131_073 - around))
    assert caught.value.translation_key == "message_too_large"
    assert caught.value.translation_placeholders == {
        "size": "131073",
        "limit": "131072",
    }


async def test_without_an_application_nothing_is_sent(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(hass, partner, advanced={})
    await add_vehicle(hass, entry)
    with pytest.raises(ServiceValidationError) as caught:
        await send(hass, entry, content=1)
    assert caught.value.translation_key == "no_application"
    await send(hass, entry, content=1, id_app="app-2")


async def test_there_has_to_be_something_to_send(
    hass: HomeAssistant, entry: EvStreamsConfigEntry
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await send(hass, entry)
    assert caught.value.translation_key == "nothing_to_send"


async def test_a_button_needs_something_to_stand_under(
    hass: HomeAssistant, entry: EvStreamsConfigEntry
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await send(hass, entry, content=1, popup_button=True)
    assert caught.value.translation_key == "button_without_popup"


async def test_what_is_no_json_is_told(
    hass: HomeAssistant, entry: EvStreamsConfigEntry
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await send(hass, entry, content={"a": {1, 2}})
    assert caught.value.translation_key == "not_json"


async def test_only_a_vehicle_takes_messages(
    hass: HomeAssistant, entry: EvStreamsConfigEntry
) -> None:
    await add_vehicle(hass, entry, OTHER_VIN, "Second car")
    with pytest.raises(ServiceValidationError) as caught:
        # The account stands for both of them.
        await send(hass, entry, str(entry.unique_id), content=1)
    assert caught.value.translation_key == "takes_no_messages"


@pytest.mark.parametrize(
    "wrong",
    [
        {"retries": 11},
        {"acknowledgement_timeout": 0},
        {"acknowledgement_path": "a[0]"},
        {"acknowledgement_path": ".".join("a" * 40)},
        {"acknowledgement_path": "id\n"},
        {"popup_text": ""},
    ],
)
async def test_wrong_parameters_are_refused(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, wrong: dict[str, Any]
) -> None:
    with pytest.raises(probatio.Invalid):
        await send(hass, entry, content=1, **wrong)


async def test_without_a_connection_nothing_is_sent_nor_later(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    await partner.platform.deny_reading(partner.account.uid)
    await wait_for_state(hass, str(entry.unique_id), "connected", "off")
    with pytest.raises(HomeAssistantError) as caught:
        await send(hass, entry, content="late")
    assert caught.value.translation_key == "not_sent"
    await partner.platform.allow_reading(partner.account.uid)
    await hass.config_entries.async_reload(entry.entry_id)
    await wait_live(hass, entry)
    await send(hass, entry, content="now")
    _, body = await partner.platform.next_message(VIN)
    assert body["content"] == "now"
    assert partner.platform.received(VIN) == 0


async def test_an_answer_of_the_application_is_an_acknowledgement(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    partner.platform.install_app(
        partner.account.uid,
        VIN,
        lambda content: {"type": "ack", "params": {"id": content["params"]["id"]}},
    )
    response = await send(
        hass,
        entry,
        content={"do": "it", "params": {"n": 1}},
        acknowledgement_path="params.id",
    )
    _, body = await partner.platform.next_message(VIN)
    message_id = body["content"]["params"]["id"]
    assert body["content"] == {"do": "it", "params": {"n": 1, "id": message_id}}
    assert response == {
        "sent": True,
        "acknowledged": True,
        "message_id": message_id,
        "attempts": 1,
        "size": response["size"],
    }


async def test_an_id_of_the_users_own_is_used(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    """Whatever the application sends back it as."""
    partner.platform.install_app(partner.account.uid, VIN, lambda _: {"id": "7"})
    response = await send(hass, entry, content={"id": 7}, acknowledgement_path="id")
    assert response["acknowledged"] is True
    assert response["message_id"] == "7"


async def test_without_an_answer_the_same_message_is_sent_again(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    seen: list[Any] = []

    def answer(content: Any) -> Any:
        seen.append(content["id"])
        return {"id": content["id"]} if len(seen) == 3 else {"id": "another"}

    partner.platform.install_app(partner.account.uid, VIN, answer)
    response = await send(
        hass,
        entry,
        content={},
        acknowledgement_path="id",
        acknowledgement_timeout=1,
        retries=3,
    )
    assert response["acknowledged"] is True
    assert response["attempts"] == 3
    assert len(seen) == 3
    assert len(set(seen)) == 1


async def test_nobody_answering_is_told(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    response = await send(
        hass,
        entry,
        content={},
        **IMPATIENT,
    )
    assert response["sent"] is True
    assert response["acknowledged"] is False
    assert response["attempts"] == 2
    await asyncio.sleep(0)
    assert partner.platform.received(VIN) == 2


async def test_an_id_needs_an_object_to_be_put_into(
    hass: HomeAssistant, entry: EvStreamsConfigEntry
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await send(hass, entry, content="text", acknowledgement_path="id")
    assert caught.value.translation_key == "no_place_for_id"


async def test_a_popup_is_repeated_when_it_may_be(
    hass: HomeAssistant,
    entry: EvStreamsConfigEntry,
    partner: Partner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The spacing of popups holds for repeated ones as well."""
    monkeypatch.setattr(sending, "POPUP_SPACING", 1.5)
    partner.platform.install_app(
        partner.account.uid,
        VIN,
        lambda content: content if partner.platform.received(VIN) == 2 else None,
    )
    response = await send(
        hass,
        entry,
        content={},
        popup_text="Hello",
        **IMPATIENT,
    )
    assert response["acknowledged"] is True
    assert response["attempts"] == 2


async def test_a_line_that_breaks_in_between_is_an_attempt_without_answer(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    sent = asyncio.create_task(
        send(
            hass,
            entry,
            content={},
            **IMPATIENT,
        )
    )
    await partner.platform.next_message(VIN)
    await partner.platform.deny_reading(partner.account.uid)
    response = await sent
    assert response["sent"] is True
    assert response["acknowledged"] is False
    assert partner.platform.received(VIN) == 0


async def test_an_id_is_put_where_there_was_no_place(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    partner.platform.install_app(
        partner.account.uid, VIN, lambda content: content or None
    )
    response = await send(
        hass, entry, popup_text="Hello", acknowledgement_path="meta.id"
    )
    _, body = await partner.platform.next_message(VIN)
    assert body["content"] == {"meta": {"id": response["message_id"]}}
    assert response["acknowledged"] is True


@pytest.mark.parametrize("under", [{"id": {"a": 1}}, {"id": [1]}])
async def test_an_id_has_to_be_plain(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, under: dict[str, Any]
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await send(hass, entry, content=under, acknowledgement_path="id")
    assert caught.value.translation_key == "id_not_plain"


async def test_the_spacing_of_popups_outlasts_a_change_of_the_account(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    await send(hass, entry, popup_text="Hello")
    await hass.config_entries.async_reload(entry.entry_id)
    await wait_live(hass, entry)
    with pytest.raises(ServiceValidationError) as caught:
        await send(hass, entry, popup_text="Again")
    assert caught.value.translation_key == "popup_too_soon"


async def test_the_wait_for_an_acknowledgement_ends_with_the_account(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, partner: Partner
) -> None:
    """It is told at once what is known, not after many attempts that go nowhere."""
    sent = asyncio.create_task(
        send(
            hass,
            entry,
            content={},
            acknowledgement_path="id",
            acknowledgement_timeout=600,
        )
    )
    await partner.platform.next_message(VIN)
    await hass.config_entries.async_unload(entry.entry_id)
    with pytest.raises(HomeAssistantError) as caught:
        await asyncio.wait_for(sent, 10)
    assert caught.value.translation_key == "unloaded_while_waiting"
    assert caught.value.translation_placeholders == {"attempts": "1"}
