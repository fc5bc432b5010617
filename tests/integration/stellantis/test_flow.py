"""A partner account is added, repaired and changed; what is wrong is told where it is."""

import asyncio
from datetime import UTC, datetime, timedelta
import socket
from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import (
    SOURCE_REAUTH,
    SOURCE_RECONFIGURE,
    ConfigEntryState,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import probatio
import pytest

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.providers.stellantis.flow import StellantisForm
from custom_components.ev_streams.secret_store import SecretStore
from custom_components.ev_streams.stream.mqtt import probe
from custom_components.ev_streams.stream.mqtt_client import MqttEndpoint
from simulator.certificates import Authority

from ..helpers import state, wait_for_state, wait_live, wait_until
from .helpers import VIN, Partner, add_partner, add_vehicle, fill, open_form

PASSPHRASE = "correct horse"


async def test_the_form_asks_for_what_a_partner_was_handed(hass: HomeAssistant) -> None:
    opened = await open_form(hass)
    assert opened["type"] is FlowResultType.FORM
    assert opened["step_id"] == "stellantis"
    assert opened["data_schema"] is not None
    fields = {str(marker): marker for marker in opened["data_schema"].schema}
    assert set(fields) == {
        "host",
        "port",
        "username",
        "password",
        "client_certificate",
        "client_key",
        "client_key_password",
        "ca_certificate",
        "advanced",
    }
    # The production host of the vendor's page is doubtful: nobody's login goes there by default.
    assert fields["host"].default is probatio.UNDEFINED
    assert fields["port"].default() == 8886


async def test_a_form_that_is_closed_meanwhile_keeps_no_key(
    hass: HomeAssistant,
    partner: Partner,
    hass_storage: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No entry would ever take the file with it."""
    is_tried, may_end = asyncio.Event(), asyncio.Event()

    async def slowly(endpoint: MqttEndpoint) -> None:
        await probe(endpoint)
        is_tried.set()
        await may_end.wait()

    monkeypatch.setattr(f"{StellantisForm.__module__}.probe", slowly)
    opened = await open_form(hass)
    flow = hass.config_entries.flow
    filled = await partner.form()
    task = asyncio.create_task(flow.async_configure(opened["flow_id"], filled))
    await is_tried.wait()
    flow.async_abort(opened["flow_id"])
    may_end.set()
    await asyncio.wait({task})
    await hass.async_block_till_done()
    assert not hass.config_entries.async_entries(DOMAIN)
    assert "PRIVATE KEY" not in str(hass_storage)
    assert not [name for name in hass_storage if name.startswith(f"{DOMAIN}.")]


async def test_a_pair_of_files_is_enough(hass: HomeAssistant, partner: Partner) -> None:
    entry = await add_partner(hass, partner)
    assert entry.title == "Stellantis"
    assert entry.data["host"] == "127.0.0.1"
    assert entry.data["topic_root"] == "psa/OVIPPartners-Dev"
    assert entry.data["direction"] == "samples"
    assert entry.data["id_app"] == "app-1"
    # The UID would end in the ids of entities.
    assert partner.account.uid not in str(entry.unique_id)


async def test_what_was_granted_is_told(hass: HomeAssistant, partner: Partner) -> None:
    result = await fill(hass, await open_form(hass), await partner.form())
    uid = partner.account.uid
    expires = partner.identity.certificate.not_valid_after_utc
    assert result["description"] == "stellantis"
    assert result["description_placeholders"] == {
        "topics": f"psa/OVIPPartners-Dev/to/uid/{uid}/opa/#",
        "certificate": f"{uid} (Simulated partner CA), → {expires:%Y-%m-%d}",
    }


async def upload_as(partner: Partner, form: str) -> dict[str, Any]:
    """Upload the certificate in another container."""
    identity, upload = partner.identity, partner.upload
    match form:
        case "combined":
            both = identity.pem() + identity.key_pem()
            return {"client_certificate": await upload(both, "both.pem")}
        case "PKCS#12":
            file = await upload(identity.pkcs12(PASSPHRASE), "file.p12")
            return {"client_certificate": file, "client_key_password": PASSPHRASE}
        case "encrypted key":
            return {
                "client_certificate": await upload(identity.pem(), "a.pem"),
                "client_key": await upload(identity.key_pem(PASSPHRASE), "a.key"),
                "client_key_password": PASSPHRASE,
            }
        case _:
            return {
                "client_certificate": await upload(identity.der(), "a.der"),
                "client_key": await upload(identity.key_der(), "a.key"),
            }


@pytest.mark.parametrize("form", ["combined", "PKCS#12", "encrypted key", "binary"])
async def test_other_containers_do_as_well(
    hass: HomeAssistant, partner: Partner, form: str
) -> None:
    await add_partner(hass, partner, **await upload_as(partner, form))


async def test_the_key_lies_in_a_file_of_its_own_and_nowhere_else(
    hass: HomeAssistant, partner: Partner, hass_storage: dict[str, Any]
) -> None:
    files = await upload_as(partner, "PKCS#12")
    entry = await add_partner(hass, partner, **files)
    stored = str(entry.data)
    assert PASSPHRASE not in stored
    assert "BEGIN" not in stored
    (name,) = (key for key, held in hass_storage.items() if "PRIVATE" in str(held))
    assert name.startswith("ev_streams.")
    assert partner.account.uid not in name
    await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()
    assert name not in hass_storage


async def test_an_account_whose_key_is_gone_asks_for_it(
    hass: HomeAssistant, partner: Partner, hass_storage: dict[str, Any]
) -> None:
    """As after a backup that left it out."""
    entry = await add_partner(hass, partner)
    await hass.config_entries.async_unload(entry.entry_id)
    await SecretStore(hass, str(entry.unique_id)).remove()
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    assert entry.error_reason_translation_key == "files_gone"
    (asked,) = hass.config_entries.flow.async_progress()
    assert asked["step_id"] == "stellantis_reauth"


async def test_a_certificate_that_the_broker_does_not_want_can_be_left_out_again(
    hass: HomeAssistant, partner: Partner
) -> None:
    """It is not remembered within the form."""
    stranger = Authority("Stranger").client("x")
    both = await partner.upload(stranger.pem() + stranger.key_pem(), "c.pem")
    typed = await partner.form(client_certificate=both)
    result = await fill(hass, await open_form(hass), typed)
    assert result["errors"] is not None
    assert result["errors"]["client_certificate"] == "certificate_refused"
    # The other port wants none, and no TLS.
    typed = await partner.form(
        client_certificate=None,
        ca_certificate=None,
        port=partner.platform.broker.plain_port,
        advanced={"tls": False},
    )
    result = await fill(hass, result, typed)
    assert result["type"] is FlowResultType.CREATE_ENTRY, result["errors"]
    assert result["data"]["kept_files"] == ["ca_certificate"]
    await hass.async_block_till_done()


async def test_a_wrong_password_is_told_and_the_files_are_remembered(
    hass: HomeAssistant, partner: Partner
) -> None:
    """Home Assistant gives an uploaded file only once."""
    typed = await partner.form(password="wrong")
    result = await fill(hass, await open_form(hass), typed)
    assert result["errors"] == {"base": "invalid_auth"}
    again = await partner.form(client_certificate=None, ca_certificate=None)
    result = await fill(hass, result, again)
    assert result["type"] is FlowResultType.CREATE_ENTRY, result["errors"]


async def test_a_password_that_was_typed_is_remembered(
    hass: HomeAssistant, partner: Partner
) -> None:
    result = await fill(
        hass, await open_form(hass), await partner.form(ca_certificate=None)
    )
    assert result["errors"] == {
        "base": "bad_certificate",
        "ca_certificate": "server_not_trusted",
    }
    again = await partner.form(client_certificate=None, password=None)
    result = await fill(hass, result, again)
    assert result["type"] is FlowResultType.CREATE_ENTRY, result["errors"]
    assert result["data"]["password"] == partner.account.password


async def assert_refused_then_accepted(
    hass: HomeAssistant, partner: Partner, wrong: dict[str, Any], errors: dict[str, str]
) -> None:
    """What is wrong is told; put right in the same form, it works."""
    typed = await partner.form(**({"client_certificate": None} | wrong))
    result = await fill(hass, await open_form(hass), typed)
    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == errors
    result = await fill(hass, result, await partner.form())
    assert result["type"] is FlowResultType.CREATE_ENTRY, result


async def test_a_certificate_of_a_stranger_is_refused_by_the_broker(
    hass: HomeAssistant, partner: Partner
) -> None:
    stranger = Authority("Stranger").client("x")
    both = stranger.pem() + stranger.key_pem()
    await assert_refused_then_accepted(
        hass,
        partner,
        {"client_certificate": await partner.upload(both, "c.pem")},
        {"base": "bad_certificate", "client_certificate": "certificate_refused"},
    )


async def test_without_a_certificate_the_broker_refuses(
    hass: HomeAssistant, partner: Partner
) -> None:
    await assert_refused_then_accepted(
        hass,
        partner,
        {},
        {"base": "bad_certificate", "client_certificate": "certificate_refused"},
    )


async def test_an_expired_certificate_is_told_before_anything_is_sent(
    hass: HomeAssistant, partner: Partner
) -> None:
    now = datetime.now(UTC)
    expired = partner.platform.broker.authority.client(
        "x", valid_from=now - timedelta(days=9), valid_until=now - timedelta(days=1)
    )
    both = expired.pem() + expired.key_pem()
    await assert_refused_then_accepted(
        hass,
        partner,
        {"client_certificate": await partner.upload(both, "c.pem")},
        {"base": "bad_certificate", "client_certificate": "expired"},
    )


async def test_a_key_of_another_certificate_is_told(
    hass: HomeAssistant, partner: Partner
) -> None:
    other = partner.platform.broker.authority.client("x")
    await assert_refused_then_accepted(
        hass,
        partner,
        {
            "client_certificate": await partner.upload(partner.identity.pem(), "c"),
            "client_key": await partner.upload(other.key_pem(), "k"),
        },
        {"base": "bad_certificate", "client_key": "key_mismatch"},
    )


async def test_a_wrong_passphrase_is_told(
    hass: HomeAssistant, partner: Partner
) -> None:
    file = partner.identity.pkcs12(PASSPHRASE)
    await assert_refused_then_accepted(
        hass,
        partner,
        {
            "client_certificate": await partner.upload(file, "c.p12"),
            "client_key_password": "wrong",
        },
        {"base": "bad_certificate", "client_key_password": "passphrase_wrong"},
    )


async def test_a_key_that_was_too_much_can_be_left_out_again(
    hass: HomeAssistant, partner: Partner
) -> None:
    """It is not remembered, as files that are in order are."""
    other = partner.platform.broker.authority.client("x")
    file = partner.identity.pkcs12(PASSPHRASE)
    typed = await partner.form(
        client_certificate=await partner.upload(file, "c.p12"),
        client_key=await partner.upload(other.key_pem(), "k"),
        client_key_password=PASSPHRASE,
    )
    result = await fill(hass, await open_form(hass), typed)
    assert result["errors"] == {"base": "bad_certificate", "client_key": "key_mismatch"}
    again = await partner.form(
        client_certificate=await partner.upload(file, "c.p12"),
        client_key_password=PASSPHRASE,
        ca_certificate=None,
    )
    result = await fill(hass, result, again)
    assert result["type"] is FlowResultType.CREATE_ENTRY, result["errors"]


async def test_a_huge_file_is_told(hass: HomeAssistant, partner: Partner) -> None:
    huge = await partner.upload(b"x" * 100_000, "c.pem")
    await assert_refused_then_accepted(
        hass,
        partner,
        {"client_certificate": huge},
        {"base": "upload_failed", "client_certificate": "too_large"},
    )


async def test_a_file_that_is_gone_is_asked_for_again(
    hass: HomeAssistant, partner: Partner
) -> None:
    gone = "01234567-89ab-4def-8123-456789abcdef"
    await assert_refused_then_accepted(
        hass,
        partner,
        {"client_certificate": gone},
        {"base": "upload_failed", "client_certificate": "upload_again"},
    )


async def test_nobody_listening_is_told(
    hass: HomeAssistant, partner: Partner, unused_tcp_port: int
) -> None:
    typed = await partner.form(port=unused_tcp_port)
    result = await fill(hass, await open_form(hass), typed)
    assert result["errors"] == {"base": "cannot_connect"}
    result = await fill(hass, result, await partner.form())
    assert result["type"] is FlowResultType.CREATE_ENTRY, result["errors"]


async def test_a_topic_that_may_not_be_read_is_told(
    hass: HomeAssistant, partner: Partner
) -> None:
    await partner.platform.deny_reading(partner.account.uid)
    result = await fill(hass, await open_form(hass), await partner.form())
    assert result["errors"] == {"base": "topic_denied"}
    await partner.platform.allow_reading(partner.account.uid)
    result = await fill(hass, result, await partner.form())
    assert result["type"] is FlowResultType.CREATE_ENTRY, result["errors"]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"username": "a/b"}, {"username": "unusable_in_topic"}),
        ({"username": "#"}, {"username": "unusable_in_topic"}),
        ({"advanced": {"topic_root": "psa/#"}}, {"advanced": "unusable_root"}),
    ],
)
async def test_what_cannot_be_in_a_topic_is_told(
    hass: HomeAssistant, partner: Partner, wrong: dict[str, Any], error: dict[str, str]
) -> None:
    result = await fill(hass, await open_form(hass), await partner.form(**wrong))
    assert result["errors"] == {"base": "unusable_topic"} | error
    assert result["data_schema"] is not None
    # Nobody sees an error in a section that is closed.
    advanced = result["data_schema"].schema["advanced"]
    assert advanced.options == {"collapsed": False}
    result = await fill(
        hass,
        result,
        await partner.form(advanced={"topic_root": "psa/OVIPPartners-Dev"}),
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY, result["errors"]


def resolved(address: str) -> Any:
    """Let every name mean one address; the resolver is out of reach of tests."""
    return patch("socket.getaddrinfo", return_value=[(2, 1, 6, "", (address, 1883))])


async def test_without_encryption_the_own_network_only(
    hass: HomeAssistant, partner: Partner
) -> None:
    """A password does not travel readable through the internet."""
    plain = {"port": partner.platform.broker.plain_port, "advanced": {"tls": False}}
    with resolved("198.41.0.4"):
        typed = await partner.form(host="broker.example.com", **plain)
        result = await fill(hass, await open_form(hass), typed)
    assert result["errors"] == {"base": "tls_needed"}
    typed = await partner.form(client_certificate=None, ca_certificate=None, **plain)
    result = await fill(hass, result, typed)
    assert result["type"] is FlowResultType.CREATE_ENTRY, result["errors"]


async def test_without_encryption_a_name_that_nobody_knows_is_no_connection(
    hass: HomeAssistant, partner: Partner
) -> None:
    typed = await partner.form(host="broker.invalid", advanced={"tls": False})
    # The resolver is out of reach of tests: this is what it says.
    with patch("socket.getaddrinfo", side_effect=socket.gaierror):
        result = await fill(hass, await open_form(hass), typed)
    assert result["errors"] == {"base": "cannot_connect"}


async def plain_account(hass: HomeAssistant, partner: Partner) -> Any:
    """Add an account without TLS."""
    port = partner.platform.broker.plain_port
    return await add_partner(hass, partner, port=port, advanced={"tls": False})


async def test_without_encryption_a_name_may_not_come_to_mean_another_host(
    hass: HomeAssistant, partner: Partner
) -> None:
    """It is looked at with every connection; the vehicles are shown meanwhile."""
    entry = await plain_account(hass, partner)
    account = str(entry.unique_id)
    with resolved("198.41.0.4"):
        await partner.platform.disconnect(partner.account.uid)
        await wait_for_state(hass, account, "connected", "off")
        reason = "the password would be readable on the way"
        connection = entry.runtime_data.connection
        await wait_until(lambda: connection.last_error == reason, "a refusal")
    assert entry.state is ConfigEntryState.LOADED


async def test_a_certificate_that_is_not_used_does_not_run_out(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await plain_account(hass, partner)
    with pytest.raises(AssertionError, match="no entity"):
        state(hass, str(entry.unique_id), "certificate_expiry")


async def test_an_account_is_added_once(hass: HomeAssistant, partner: Partner) -> None:
    await add_partner(hass, partner)
    result = await fill(hass, await open_form(hass), await partner.form())
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"


async def test_two_accounts_can_be_told_apart(
    hass: HomeAssistant, partner: Partner
) -> None:
    """Also where the name of neither may be shown."""
    await add_partner(hass, partner)
    other = await partner.platform.add_account(f"{partner.account.uid}B", "right")
    typed = await partner.form(username=other.uid, password="right")
    result = await fill(hass, await open_form(hass), typed)
    assert result["title"] == "Stellantis 2"
    await hass.async_block_till_done()


async def test_the_running_stream_outlasts_a_try(
    hass: HomeAssistant, partner: Partner
) -> None:
    """A broker throws the older of two clients out that have the same id."""
    entry = await add_partner(hass, partner)
    await fill(hass, await open_form(hass), await partner.form())
    assert entry.runtime_data.connection.is_connected
    assert entry.runtime_data.connection.retries == 0


async def test_a_revoked_password_asks_for_another_and_goes_on(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(hass, partner)
    await add_vehicle(hass, entry)
    await partner.platform.set_password(partner.account.uid, "rotated")
    account = str(entry.unique_id)
    await wait_for_state(hass, account, "stream_status", "credentials_refused")
    (asked,) = hass.config_entries.flow.async_progress()
    assert asked["context"]["source"] == SOURCE_REAUTH
    assert asked["step_id"] == "stellantis_reauth"
    flow = hass.config_entries.flow
    result = await flow.async_configure(asked["flow_id"], {"password": "wrong"})
    assert result["errors"] == {"base": "invalid_auth"}
    result = await flow.async_configure(asked["flow_id"], {"password": "rotated"})
    assert result["reason"] == "reauth_successful"
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    await partner.say("hello")
    await wait_for_state(hass, VIN, "message_count", "1")


async def test_another_certificate_is_enough_to_go_on(
    hass: HomeAssistant, partner: Partner
) -> None:
    """The password stays as it was."""
    entry = await add_partner(hass, partner)
    new = partner.platform.broker.authority.client("renewed")
    result = await entry_flow(hass, entry, SOURCE_REAUTH)
    both = await partner.upload(new.pem() + new.key_pem(), "c.pem")
    result = await fill(hass, result, {"client_certificate": both})
    assert result["reason"] == "reauth_successful"
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    shown = state(hass, str(entry.unique_id), "certificate_expiry").state
    expires = new.certificate.not_valid_after_utc
    assert datetime.fromisoformat(shown) == expires


async def entry_flow(hass: HomeAssistant, entry: Any, source: str) -> Any:
    context: Any = {"source": source, "entry_id": entry.entry_id}
    if source == SOURCE_REAUTH:
        context["unique_id"] = entry.unique_id
    return await hass.config_entries.flow.async_init(
        DOMAIN, context=context, data=dict(entry.data)
    )


async def test_everything_can_be_changed_and_files_need_not_be_given_again(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(hass, partner)
    await add_vehicle(hass, entry)
    result = await entry_flow(hass, entry, SOURCE_RECONFIGURE)
    typed = await partner.form(
        client_certificate=None,
        ca_certificate=None,
        password=None,
        advanced={"direction": "prose", "id_app": "app-2"},
    )
    result = await fill(hass, result, typed)
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    assert entry.data["id_app"] == "app-2"
    # From now on it reads the other branch.
    topic = f"psa/OVIPPartners-Dev/from/uid/{partner.account.uid}/opa/{VIN}"
    await partner.say("not for us any more")
    await partner.platform.publish(topic, b'{"content": "for us"}')
    await wait_for_state(hass, VIN, "message_count", "1")


async def test_a_field_that_was_emptied_stays_empty(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(hass, partner)
    result = await entry_flow(hass, entry, SOURCE_RECONFIGURE)
    typed = await partner.form(
        client_certificate=None, ca_certificate=None, password=None, advanced={}
    )
    await fill(hass, result, typed)
    await hass.async_block_till_done()
    assert entry.data["id_app"] == ""


async def test_another_account_cannot_take_its_place(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(hass, partner)
    other = await partner.platform.add_account(f"{partner.account.uid}B", "right")
    result = await entry_flow(hass, entry, SOURCE_RECONFIGURE)
    result = await fill(hass, result, await partner.form(username=other.uid))
    assert result["reason"] == "wrong_account"


async def test_an_authority_that_was_the_wrong_one_can_be_left_out_again(
    hass: HomeAssistant, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not remembered within the form."""
    wrong = await partner.upload(Authority("Another").pem(), "ca.pem")
    typed = await partner.form(ca_certificate=wrong)
    result = await fill(hass, await open_form(hass), typed)
    assert result["errors"] == {
        "base": "bad_certificate",
        "ca_certificate": "server_not_trusted",
    }
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(partner.platform.broker.ca_file))
    again = await partner.form(client_certificate=None, ca_certificate=None)
    result = await fill(hass, result, again)
    assert result["type"] is FlowResultType.CREATE_ENTRY, result["errors"]
    await hass.async_block_till_done()


async def changed(
    hass: HomeAssistant, entry: Any, partner: Partner, **changes: Any
) -> Any:
    """Change an account without any file."""
    result = await entry_flow(hass, entry, SOURCE_RECONFIGURE)
    typed = await partner.form(
        **({"client_certificate": None, "ca_certificate": None} | changes)
    )
    result = await fill(hass, result, typed)
    await hass.async_block_till_done()
    return result


async def test_files_can_be_taken_away(
    hass: HomeAssistant, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await add_partner(hass, partner)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(partner.platform.broker.ca_file))
    away = {"forget_files": ["ca_certificate"]}
    result = await changed(hass, entry, partner, advanced=away)
    assert result["reason"] == "reconfigure_successful"
    await wait_live(hass, entry)
    kept = await SecretStore(hass, str(entry.unique_id)).load()
    assert set(kept) == {"client_certificate"}
    without: dict[str, Any] = {"forget_files": ["client_certificate"], "tls": False}
    port = partner.platform.broker.plain_port
    result = await changed(hass, entry, partner, port=port, advanced=without)
    assert result["reason"] == "reconfigure_successful"
    await wait_live(hass, entry)
    assert await SecretStore(hass, str(entry.unique_id)).load() == {}
    # Nothing is left that could be taken away.
    form = await entry_flow(hass, entry, SOURCE_RECONFIGURE)
    advanced = form["data_schema"].schema["advanced"].schema.schema
    assert "forget_files" not in advanced


async def test_an_account_may_move_to_another_host(
    hass: HomeAssistant, partner: Partner
) -> None:
    """It stays the one that it was, with its devices, and is asked for no key."""
    entry = await add_partner(hass, partner)
    await add_vehicle(hass, entry)
    before = entry.unique_id
    result = await changed(hass, entry, partner, host=" LOCALHOST ")
    assert result["reason"] == "reconfigure_successful"
    assert (entry.data["host"], entry.unique_id) == ("localhost", before)
    await wait_live(hass, entry)
    await partner.say("hello")
    await wait_for_state(hass, VIN, "message_count", "1")
    # Also when it is repaired there.
    result = await entry_flow(hass, entry, SOURCE_REAUTH)
    result = await fill(hass, result, {"password": partner.account.password})
    assert result["reason"] == "reauth_successful"
    await hass.async_block_till_done()
    # And the same account is not added a second time, but one with the same login
    # where this one began: the vendor's two environments may both have it.
    typed = await partner.form(host="localhost")
    result = await fill(hass, await open_form(hass), typed)
    assert result["reason"] == "already_configured"
    result = await fill(hass, await open_form(hass), await partner.form())
    assert result["type"] is FlowResultType.CREATE_ENTRY, result
    assert result["result"].unique_id != before
    await hass.async_block_till_done()


async def test_an_authority_that_is_gone_is_asked_for(
    hass: HomeAssistant, partner: Partner
) -> None:
    """The public ones, which it was given instead of, must not be trusted silently."""
    entry = await add_partner(hass, partner)
    await hass.config_entries.async_unload(entry.entry_id)
    store = SecretStore(hass, str(entry.unique_id))
    kept = await store.load()
    await store.save({"client_certificate": kept["client_certificate"]})
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    (asked,) = hass.config_entries.flow.async_progress()
    # Nor is it done without, because somebody left the form empty.
    asked = await fill(hass, asked, {})
    assert asked["errors"] == {"base": "bad_certificate", "ca_certificate": "gone"}
    ca = await partner.upload(partner.platform.broker.authority.pem(), "ca.pem")
    result = await fill(hass, asked, {"ca_certificate": ca})
    assert result["reason"] == "reauth_successful"
    await hass.async_block_till_done()
    await wait_live(hass, entry)


async def test_the_options_are_those_that_mean_something(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(hass, partner)
    form = await hass.config_entries.options.async_init(entry.entry_id)
    assert form["data_schema"] is not None
    assert set(form["data_schema"].schema) == {"grace_time"}


async def test_a_file_that_is_gone_and_not_needed_is_not_asked_for(
    hass: HomeAssistant, partner: Partner
) -> None:
    """Without TLS nobody is shown a certificate."""
    entry = await add_partner(hass, partner)
    port = partner.platform.broker.plain_port
    await changed(hass, entry, partner, port=port, advanced={"tls": False})
    await SecretStore(hass, str(entry.unique_id)).remove()
    await hass.config_entries.async_reload(entry.entry_id)
    await wait_live(hass, entry)
    result = await entry_flow(hass, entry, SOURCE_REAUTH)
    result = await fill(hass, result, {"password": partner.account.password})
    assert result["reason"] == "reauth_successful"
    await hass.async_block_till_done()
