"""An event consumer is set up, refused, asked for another password, changed."""

from typing import Any

import aio_pika
from homeassistant.config_entries import SOURCE_RECONFIGURE, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest

from custom_components.ev_streams.const import DOMAIN
from simulator.invers import EventConsumer, InversFleet
from simulator.invers.events import Topic

from ..helpers import issue, wait_for_question, wait_for_state, wait_live, wait_until
from .helpers import CAR, add_fleet, form, open_form, recorded


async def test_the_form_suggests_what_is_the_same_for_all(hass: HomeAssistant) -> None:
    opened = await open_form(hass)
    assert opened["data_schema"] is not None
    markers = {str(each): each for each in opened["data_schema"].schema}
    assert list(markers) == [
        *("host", "port", "virtual_host", "username", "password", "queues"),
        "advanced",
    ]
    assert markers["host"].description == {"suggested_value": "api.invers.com"}
    assert markers["port"].default() == 5671


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"password": "wrong"}, {"base": "invalid_auth"}),
        ({"virtual_host": "nobody's"}, {"base": "invalid_auth"}),
        ({"port": 1}, {"base": "cannot_connect"}),
        (
            {"queues": ["f-1-c-home-unheard-of"]},
            {"base": "queue_not_found", "queues": "not_there"},
        ),
        ({"queues": [" "]}, {"base": "no_queues", "queues": "no_queues"}),
        # Nothing here speaks TLS on the plain port.
        ({"advanced": {"tls": True}}, {"base": "cannot_connect"}),
        # An address of the documentation: nobody's own network.
        ({"host": "192.0.2.1"}, {"base": "tls_needed"}),
    ],
)
async def test_what_is_wrong_is_told_and_can_be_put_right(
    hass: HomeAssistant,
    consumer: EventConsumer,
    changes: dict[str, Any],
    errors: dict[str, str],
) -> None:
    opened = await open_form(hass)
    again = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(consumer, **changes)
    )
    assert again["type"] is FlowResultType.FORM
    assert again["errors"] == errors
    done = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(consumer)
    )
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert done["title"] == "INVERS"


async def test_each_missing_queue_is_named(
    hass: HomeAssistant, consumer: EventConsumer
) -> None:
    queues = [*consumer.queues.values(), "first missing", "second missing"]
    opened = await open_form(hass)
    again = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(consumer, queues=queues)
    )
    assert again["description_placeholders"] == {
        "source": "first missing, second missing"
    }


async def test_what_a_hand_pastes_is_cleaned(
    hass: HomeAssistant, consumer: EventConsumer
) -> None:
    queues = [f" {each} " for each in consumer.queues.values()]
    opened = await open_form(hass)
    done = await hass.config_entries.flow.async_configure(
        opened["flow_id"],
        form(consumer, queues=[*queues, queues[0]], username=f"{consumer.username} "),
    )
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert done["data"]["queues"] == list(consumer.queues.values())
    assert done["data"]["username"] == consumer.username


async def test_one_consumer_is_one_account(
    hass: HomeAssistant, fleet: InversFleet, consumer: EventConsumer
) -> None:
    await add_fleet(hass, consumer)
    opened = await open_form(hass)
    again = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(consumer)
    )
    assert again["type"] is FlowResultType.ABORT
    assert again["reason"] == "already_configured"
    other = await fleet.add_consumer("second")
    await add_fleet(hass, other)
    assert [entry.title for entry in hass.config_entries.async_entries(DOMAIN)] == [
        "INVERS",
        "INVERS 2",
    ]


async def test_another_password_is_asked_for(
    hass: HomeAssistant, fleet: InversFleet, consumer: EventConsumer
) -> None:
    """The vendor refuses the old one in the middle of the stream."""
    entry = await add_fleet(hass, consumer)
    await fleet.set_password(consumer, "another")
    asked = await wait_for_question(hass)
    await wait_for_state(
        hass, str(entry.unique_id), "stream_status", "credentials_refused"
    )
    await fleet.publish("VehicleStateRecorded", recorded({"driving_enabled": True}))
    wrong = await hass.config_entries.flow.async_configure(
        asked["flow_id"], {"password": "still wrong"}
    )
    assert wrong["errors"] == {"base": "invalid_auth"}
    done = await hass.config_entries.flow.async_configure(
        asked["flow_id"], {"password": "another"}
    )
    assert done["reason"] == "reauth_successful"
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    await wait_until(lambda: entry.runtime_data.vitals.messages == 1, "the message")
    await wait_for_state(hass, CAR, "driving_enabled", "on")


async def test_another_password_is_enough_while_a_queue_is_gone(
    hass: HomeAssistant, fleet: InversFleet, consumer: EventConsumer
) -> None:
    """There is no field for queues then; where all of them are gone nothing would work."""
    entry = await add_fleet(hass, consumer)
    await hass.config_entries.async_unload(entry.entry_id)
    await fleet.remove_queue(consumer, Topic.VEHICLE_CHANGE)
    await fleet.set_password(consumer, "another")
    await hass.config_entries.async_setup(entry.entry_id)
    asked = await wait_for_question(hass)
    wrong = await hass.config_entries.flow.async_configure(
        asked["flow_id"], {"password": "still wrong"}
    )
    assert wrong["errors"] == {"base": "invalid_auth"}
    done = await hass.config_entries.flow.async_configure(
        asked["flow_id"], {"password": "another"}
    )
    assert done["type"] is FlowResultType.ABORT
    assert done["reason"] == "reauth_successful"
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    await fleet.publish("VehicleStateRecorded", recorded({"driving_enabled": True}))
    await wait_until(lambda: entry.runtime_data.vitals.messages == 1, "the message")
    await wait_for_state(hass, CAR, "driving_enabled", "on")
    assert issue(hass, entry, "source_gone") is not None


async def test_a_topic_that_is_switched_on_later_is_added(
    hass: HomeAssistant, fleet: InversFleet
) -> None:
    consumer = await fleet.add_consumer(topics=[Topic.VEHICLE_CHANGE])
    entry = await add_fleet(hass, consumer)
    await fleet.subscribe(consumer, Topic.VEHICLE_STATE)
    opened = await hass.config_entries.flow.async_init(
        DOMAIN,
        context={"source": SOURCE_RECONFIGURE, "entry_id": entry.entry_id},
    )
    changed = form(consumer)
    # What is known need not be given again.
    del changed["password"]
    done = await hass.config_entries.flow.async_configure(opened["flow_id"], changed)
    assert done["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    await fleet.publish("VehicleStateRecorded", recorded({"driving_enabled": False}))
    await wait_until(lambda: entry.runtime_data.vitals.messages == 1, "the message")
    await wait_for_state(hass, CAR, "driving_enabled", "off")


async def test_without_its_broker_the_account_waits(
    hass: HomeAssistant, consumer: EventConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is set up all the same, shows what it knows, and connects later."""
    entry = await add_fleet(hass, consumer)
    await hass.config_entries.async_unload(entry.entry_id)
    with monkeypatch.context() as broken:
        broken.setattr(aio_pika, "connect", _unreachable)
        await hass.config_entries.async_setup(entry.entry_id)
        assert entry.state is ConfigEntryState.LOADED
        await wait_for_state(
            hass, str(entry.unique_id), "stream_status", "waiting_to_retry"
        )
    await wait_live(hass, entry)


async def _unreachable(**_options: object) -> None:
    raise ConnectionRefusedError
