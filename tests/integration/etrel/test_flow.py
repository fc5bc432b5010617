"""An API access is set up, refused, asked for another key, changed."""

from typing import Any

from homeassistant.config_entries import SOURCE_RECONFIGURE, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest

from custom_components.ev_streams.const import DOMAIN
from simulator.etrel import ApiAccess, EtrelOcean

from ..helpers import wait_for_question, wait_for_state, wait_live
from .helpers import LOCATION, STATION, add_access, form, open_form, received, session

# By the vendor's pages: a star for the location, three for a system event, none for a ticket.
STARS = {
    "session.started": "*.session.started",
    "session.started.user": "*.session.started.user",
    "session.ended": "*.session.ended",
    "connector.statusChanged": "*.connector.statusChanged",
    "reservation.created": "*.reservation.created",
    "reservation.canceled": "*.reservation.canceled",
    "system.event": "*.*.*.system.event",
    "helpdesk.ticket.raisedByUser": "helpdesk.ticket.raisedByUser",
}

PATHS = [
    *("device_path", "connector_path", "session_path", "started_path", "stopped_path"),
    *("energy_path", "meter_start_path", "meter_stop_path", "power_path"),
    *("status_path", "time_path"),
]


def shown(result: ConfigFlowResult) -> dict[str, Any]:
    """Return what the fields of a form show, sections included."""
    found: dict[str, Any] = {}
    assert result["data_schema"] is not None
    fields = dict(result["data_schema"].schema)
    (advanced,) = [each for name, each in fields.items() if name == "advanced"]
    for marker in (*fields, *advanced.schema.schema):
        if marker.description:
            found[str(marker)] = marker.description.get("suggested_value")
        elif callable(marker.default):
            found[str(marker)] = marker.default()
    return found


@pytest.mark.parametrize("is_typed", [False, True], ids=["picked", "typed"])
async def test_types_of_messages_become_the_names_of_queues(
    hass: HomeAssistant, ocean: EtrelOcean, access: ApiAccess, is_typed: bool
) -> None:
    expected = [f"{access.username}.{stars}" for stars in STARS.values()]
    opened = await open_form(hass)
    assert shown(opened)["virtual_host"] == "/"
    queues = [f" {each} " for each in expected] if is_typed else list(STARS)
    done = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(ocean, access, queues=queues)
    )
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert done["title"] == "Etrel"
    assert done["data"]["queues"] == expected
    # The vendor's side made the same names by itself.
    assert expected == list(access.queues.values())


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"password": "wrong"}, {"base": "invalid_auth"}),
        ({"username": "APIACCESS-0"}, {"base": "invalid_auth"}),
        ({"port": 1}, {"base": "cannot_connect"}),
        ({"queues": []}, {"base": "no_queues", "queues": "no_queues"}),
        (
            {"advanced": {"time_zone": "Europe/Laibach"}},
            {"base": "bad_time_zone", "advanced": "bad_time_zone"},
        ),
        (
            {"advanced": {"device_path": "Charge[Point"}},
            {"base": "bad_field_path", "advanced": "bad_field_path"},
        ),
        # Nothing here speaks TLS on the plain port.
        ({"advanced": {"tls": True}}, {"base": "cannot_connect"}),
    ],
)
async def test_what_is_wrong_is_told_and_what_was_typed_is_kept(
    hass: HomeAssistant,
    ocean: EtrelOcean,
    access: ApiAccess,
    changes: dict[str, Any],
    errors: dict[str, str],
) -> None:
    opened = await open_form(hass)
    typed = form(ocean, access, **changes)
    typed["advanced"] |= {"energy_unit": "Wh", "power_path": "Some.Power"}
    again = await hass.config_entries.flow.async_configure(opened["flow_id"], typed)
    assert again["type"] is FlowResultType.FORM
    assert again["errors"] == errors
    kept = shown(again)
    # A password is not sent back to the browser; it need not be typed again either.
    assert "password" not in kept
    assert kept == {
        **{name: each for name, each in typed.items() if name in kept},
        **dict.fromkeys(PATHS, ""),
        **typed["advanced"],
    }
    # What the form comes back without was emptied.
    right = form(ocean, access)
    done = await hass.config_entries.flow.async_configure(opened["flow_id"], right)
    assert done["type"] is FlowResultType.CREATE_ENTRY


async def test_a_queue_that_is_missing_is_named(
    hass: HomeAssistant, ocean: EtrelOcean
) -> None:
    """As the vendor would call it, where its type was picked but not chosen in Ocean."""
    access = await ocean.add_access(12, "right", tails=["session.started"])
    opened = await open_form(hass)
    again = await hass.config_entries.flow.async_configure(
        opened["flow_id"],
        form(ocean, access, queues=["session.started", "system.event", "typed"]),
    )
    assert again["errors"] == {"base": "queue_not_found", "queues": "not_there"}
    assert again["description_placeholders"] == {
        "source": "APIACCESS-12.*.*.*.system.event, typed"
    }


async def test_one_access_is_one_account(
    hass: HomeAssistant, ocean: EtrelOcean, access: ApiAccess
) -> None:
    await add_access(hass, ocean, access)
    opened = await open_form(hass)
    again = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(ocean, access)
    )
    assert again["type"] is FlowResultType.ABORT
    assert again["reason"] == "already_configured"
    other = await ocean.add_access(13, "another", tails=["session.ended"])
    entry = await add_access(hass, ocean, other)
    assert entry.title == "Etrel 2"


async def test_another_key_is_asked_for(
    hass: HomeAssistant, ocean: EtrelOcean, access: ApiAccess
) -> None:
    """The old one is refused in the middle of the stream; nothing is lost by that."""
    entry = await add_access(hass, ocean, access)
    await ocean.set_api_key(access, "another")
    asked = await wait_for_question(hass)
    await wait_for_state(
        hass, str(entry.unique_id), "stream_status", "credentials_refused"
    )
    await ocean.publish(STATION.ended(session()))
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
    await received(entry, 1)
    await wait_for_state(hass, LOCATION, "charging_session_energy", "6.0")


async def test_a_type_that_is_chosen_later_is_added(
    hass: HomeAssistant, ocean: EtrelOcean
) -> None:
    """What was given before is shown, but for the key, and need not be given again."""
    access = await ocean.add_access(14, "right", tails=["session.started"])
    entry = await add_access(hass, ocean, access, advanced={"energy_unit": "Wh"})
    access.queues["session.ended"] = "APIACCESS-14.*.session.ended"
    await ocean.restore_queue(access, "session.ended")
    opened = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_RECONFIGURE, "entry_id": entry.entry_id}
    )
    known = shown(opened)
    assert "password" not in known
    assert known["queues"] == ["APIACCESS-14.*.session.started"]
    assert (known["energy_unit"], known["time_zone"]) == ("Wh", "Europe/Ljubljana")
    changed = form(ocean, access, queues=[*known["queues"], "session.ended"])
    del changed["password"]
    # Emptied, it is forgotten: the field is not sent then.
    del changed["advanced"]["time_zone"]
    changed["advanced"]["energy_unit"] = "kWh"
    done = await hass.config_entries.flow.async_configure(opened["flow_id"], changed)
    assert done["reason"] == "reconfigure_successful"
    assert entry.data["queues"] == list(access.queues.values())
    assert not entry.data.get("time_zone")
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    await ocean.publish(STATION.ended(session()))
    await received(entry, 1)
    await wait_for_state(hass, LOCATION, "charging_session_energy", "6.0")


async def test_another_access_is_no_change_of_this_one(
    hass: HomeAssistant, ocean: EtrelOcean, access: ApiAccess
) -> None:
    entry = await add_access(hass, ocean, access)
    other = await ocean.add_access(15, "right", tails=["session.started"])
    opened = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_RECONFIGURE, "entry_id": entry.entry_id}
    )
    done = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(ocean, other)
    )
    assert done["reason"] == "wrong_account"
    assert entry.data["username"] == access.username
