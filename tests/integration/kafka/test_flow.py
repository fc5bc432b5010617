"""A cluster is set up with each of its protocols, refused, asked for another password."""

from collections.abc import Mapping
from typing import Any

from homeassistant.config_entries import SOURCE_RECONFIGURE
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest

from custom_components.ev_streams.const import DOMAIN

from ..helpers import wait_for_question, wait_live
from .helpers import Cluster, add_cluster, open_form

pytestmark = pytest.mark.xdist_group("kafka")


@pytest.mark.parametrize(
    ("protocol", "mechanism"),
    [
        ("PLAINTEXT", None),
        ("SSL", None),
        ("SASL_PLAINTEXT", "PLAIN"),
        ("SASL_PLAINTEXT", "SCRAM-SHA-256"),
        ("SASL_SSL", "PLAIN"),
        ("SASL_SSL", "SCRAM-SHA-256"),
        ("SASL_SSL", "SCRAM-SHA-512"),
    ],
)
async def test_each_protocol_leads_in(
    hass: HomeAssistant, cluster: Cluster, protocol: str, mechanism: str | None
) -> None:
    entry = await add_cluster(hass, cluster, protocol, sasl_mechanism=mechanism)
    assert entry.title == f"AMPECO {cluster.topic}"


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"password": "wrong"}, {"base": "invalid_auth"}),
        (
            {"topic": "unheard-of"},
            {"base": "queue_not_found", "topic": "not_there"},
        ),
        (
            {"sasl_mechanism": "PLAIN", "username": "stranger"},
            {"base": "topic_denied", "topic": "denied"},
        ),
        ({"brokers": ["127.0.0.1:1"]}, {"base": "cannot_connect"}),
        (
            {"brokers": ["http://127.0.0.1"]},
            {"base": "bad_broker", "brokers": "bad_broker"},
        ),
        ({"brokers": ["127.0.0.1:0"]}, {"base": "bad_broker", "brokers": "bad_broker"}),
        ({"brokers": []}, {"base": "bad_broker", "brokers": "bad_broker"}),
        (
            {"username": None},
            {"base": "login_missing", "username": "login_missing"},
        ),
        (
            {"ca_certificate": None},
            {"base": "bad_certificate", "ca_certificate": "server_not_trusted"},
        ),
    ],
)
async def test_what_is_wrong_is_told_and_can_be_put_right(
    hass: HomeAssistant,
    cluster: Cluster,
    changes: Mapping[str, Any],
    errors: dict[str, str],
) -> None:
    opened = await open_form(hass)
    again = await hass.config_entries.flow.async_configure(
        opened["flow_id"], await cluster.form(**changes)
    )
    assert again["type"] is FlowResultType.FORM
    assert again["errors"] == errors
    done = await hass.config_entries.flow.async_configure(
        opened["flow_id"], await cluster.form()
    )
    assert done["type"] is FlowResultType.CREATE_ENTRY


async def test_a_readable_password_does_not_leave_the_own_network(
    hass: HomeAssistant, cluster: Cluster
) -> None:
    """An address of the documentation: nobody's own network."""
    opened = await open_form(hass)
    form = await cluster.form("SASL_PLAINTEXT", brokers=["192.0.2.1:9092"])
    again = await hass.config_entries.flow.async_configure(
        opened["flow_id"], {**form, "sasl_mechanism": "PLAIN"}
    )
    assert again["errors"] == {"base": "tls_needed"}


async def test_one_topic_is_one_account(hass: HomeAssistant, cluster: Cluster) -> None:
    await add_cluster(hass, cluster)
    opened = await open_form(hass)
    again = await hass.config_entries.flow.async_configure(
        opened["flow_id"], await cluster.form("PLAINTEXT", group_id="another")
    )
    assert again["reason"] == "already_configured"


async def test_another_password_is_asked_for(
    hass: HomeAssistant, cluster: Cluster
) -> None:
    """The brokers know the old one no more; what is known besides need not be given again."""
    entry = await add_cluster(hass, cluster, "SASL_SSL")
    await hass.config_entries.async_unload(entry.entry_id)
    cluster.administrator.set_password("reader", "another")
    await hass.config_entries.async_setup(entry.entry_id)
    asked = await wait_for_question(hass)
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


async def test_the_group_is_changed(hass: HomeAssistant, cluster: Cluster) -> None:
    entry = await add_cluster(hass, cluster, "SSL")
    opened = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_RECONFIGURE, "entry_id": entry.entry_id}
    )
    # The authority is kept from before.
    form = await cluster.form(
        "SSL", group_id="another", ca_certificate=None, advanced={"forget_files": []}
    )
    done = await hass.config_entries.flow.async_configure(opened["flow_id"], form)
    assert done["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    assert entry.data["group_id"] == "another"
