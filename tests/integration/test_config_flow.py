"""The config flow, tried against a real broker: every error, and out of it again."""

from typing import Any

from homeassistant.config_entries import (
    SOURCE_REAUTH,
    SOURCE_RECONFIGURE,
    ConfigEntryState,
    ConfigFlowResult,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
import pytest

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from simulator.easee import EaseeAccount, EaseeCloud
from simulator.rabbitmq import Administrator

from .helpers import add_account, form, open_form, state, wait_live


async def test_menu_leads_to_an_entry(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """A user who chooses Easee and types a good login has a live account."""
    entry = await add_account(hass, cloud, account)
    assert entry.title == f"Easee Operator {account.operator_id}"
    assert entry.data == {
        "provider": "easee",
        "username": account.username,
        "password": account.password,
        "api_url": cloud.url,
    }
    assert state(hass, str(entry.unique_id), "connected").state == "on"


async def _finish(
    hass: HomeAssistant, flow_id: str, user_input: dict[str, Any]
) -> None:
    """The form that showed an error takes the right answer and makes the entry."""
    result = await hass.config_entries.flow.async_configure(flow_id, user_input)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert result["result"].state is ConfigEntryState.LOADED


@pytest.mark.parametrize("status", [400, 401])
async def test_wrong_password(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount, status: int
) -> None:
    """A refused login is told as such, in whichever of its two forms it comes."""
    if status == 401:
        cloud.fail_next("/api/accounts/login", status=401)
    opened = await open_form(hass)
    result = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(cloud, account, password="wrong")
    )
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "easee"
    assert result["errors"] == {"base": "invalid_auth"}
    await _finish(hass, opened["flow_id"], form(cloud, account))


async def test_broker_refuses_the_password(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """A login that works but whose queue password does not is a refusal too."""
    await administrator.set_password(account.amqp_username, "another")
    opened = await open_form(hass)
    result = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(cloud, account)
    )
    assert result["errors"] == {"base": "invalid_auth"}
    await administrator.set_password(account.amqp_username, account.amqp_password)
    await _finish(hass, opened["flow_id"], form(cloud, account))


async def test_no_answer_from_the_api(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """An address where nobody listens is no connection."""
    opened = await open_form(hass)
    nobody = form(cloud, account, advanced={"api_url": "http://127.0.0.1:9"})
    result = await hass.config_entries.flow.async_configure(opened["flow_id"], nobody)
    assert result["errors"] == {"base": "cannot_connect"}
    await _finish(hass, opened["flow_id"], form(cloud, account))


@pytest.mark.parametrize(
    ("path", "failure"),
    [
        ("/api/accounts/login", {"status": 500}),
        ("/api/accounts/login", {"status": 200, "body": "<html>maintenance</html>"}),
        ("/api/accounts/login", {"status": 200, "body": {"accessToken": "a"}}),
        ("/api/streams/amqp/v2", {"status": 503}),
        ("/api/streams/amqp/v2", {"status": 200, "body": {"server": "127.0.0.1"}}),
        ("/api/chargers", {"status": 200, "body": {"no": "list"}}),
        ("/api/chargers", {"status": 429, "headers": {"Retry-After": "120"}}),
    ],
)
async def test_answer_that_does_not_help(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    path: str,
    failure: dict[str, Any],
) -> None:
    """An API in trouble is no connection, and the form stays open."""
    cloud.fail_next(path, **failure)
    opened = await open_form(hass)
    result = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(cloud, account)
    )
    assert result["errors"] == {"base": "cannot_connect"}
    await _finish(hass, opened["flow_id"], form(cloud, account))


async def test_short_wait_that_the_api_asks_for(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """A short 429 costs a moment, not the form."""
    cloud.fail_next("/api/chargers", status=429, headers={"Retry-After": "0.2"})
    opened = await open_form(hass)
    await _finish(hass, opened["flow_id"], form(cloud, account))


async def test_ordinary_account(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """An owner's account is told what it lacks, and asked only once."""
    owner = await cloud.add_account("owner@example.com", "mine", operator_id=None)
    opened = await open_form(hass)
    result = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(cloud, owner)
    )
    assert result["errors"] == {"base": "not_an_integration_account"}
    asked = [r for r in cloud.requests if r.path.startswith("/api/streams/amqp")]
    assert len(asked) == 1
    await _finish(hass, opened["flow_id"], form(cloud, account))


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_ordinary_account_however_the_vendor_says_it(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount, status: int
) -> None:
    """The vendor does not document the refusal, so any of its likely forms is understood."""
    cloud.fail_next("/api/streams/amqp/v2", status=status)
    opened = await open_form(hass)
    result = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(cloud, account)
    )
    assert result["errors"] == {"base": "not_an_integration_account"}


async def test_queue_is_missing(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    administrator: Administrator,
) -> None:
    """A queue that the broker does not have is told, and nothing is created there."""
    await administrator.delete_queue(account.queue)
    opened = await open_form(hass)
    result = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(cloud, account)
    )
    assert result["errors"] == {"base": "queue_not_found"}
    await administrator.create_queue(account.queue, account.exchange)
    await _finish(hass, opened["flow_id"], form(cloud, account))


async def test_defect_in_the_vendors_answer(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Even what nobody foresaw leaves the form open, and a line in the log."""
    details = {
        "server": "127.0.0.1\x00",
        "port": -1,
        "useSsl": False,
        "virtualHost": "/",
        "queueName": account.queue,
        "exchangeName": account.exchange,
        "username": account.amqp_username,
        "password": account.amqp_password,
    }
    cloud.fail_next("/api/streams/amqp/v2", status=200, body=details)
    opened = await open_form(hass)
    result = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(cloud, account)
    )
    assert result["errors"] == {"base": "unknown"}
    assert "could not be tried" in caplog.text
    assert account.password not in caplog.text
    await _finish(hass, opened["flow_id"], form(cloud, account))


async def test_password_is_not_sent_in_clear(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """An address without TLS is refused before anything is sent to it."""
    opened = await open_form(hass)
    result = await hass.config_entries.flow.async_configure(
        opened["flow_id"],
        form(cloud, account, advanced={"api_url": "http://api.example.com"}),
    )
    assert result["errors"] == {"base": "insecure_address"}
    await _finish(hass, opened["flow_id"], form(cloud, account))


async def test_malformed_charger_in_the_list(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """An item of the list that is no charger is left out, the others are set up."""
    listed = [{"id": ["x"]}, {"name": "nameless"}, {"id": "EH000001", "name": "Garage"}]
    cloud.fail_next("/api/chargers", status=200, body=listed, times=2)
    await add_account(hass, cloud, account)
    assert _shown_chargers(hass) == {"EH000001"}


async def test_same_account_twice(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """Two entries would take each other's messages, so the second is refused."""
    await add_account(hass, cloud, account)
    opened = await open_form(hass)
    result = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(cloud, account)
    )
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"


async def test_many_chargers_are_chosen_from(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """With more than ten chargers the user picks, now and later in the options."""
    for number in range(2, 12):
        account.add_charger(f"EH{number:06}", name=f"Bay {number}")
    opened = await open_form(hass)
    result = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(cloud, account)
    )
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "devices"
    assert result["description_placeholders"] == {"count": "11"}
    result = await hass.config_entries.flow.async_configure(
        opened["flow_id"], {"devices": []}
    )
    assert result["errors"] == {"devices": "no_devices"}
    result = await hass.config_entries.flow.async_configure(
        opened["flow_id"], {"devices": ["EH000001", "EH000007"]}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    entry = result["result"]
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    assert _shown_chargers(hass) == {"EH000001", "EH000007"}

    options = await hass.config_entries.options.async_init(entry.entry_id)
    result = await hass.config_entries.options.async_configure(
        options["flow_id"], {"grace_time": 30, "devices": []}
    )
    assert result["errors"] == {"devices": "no_devices"}
    result = await hass.config_entries.options.async_configure(
        options["flow_id"], {"grace_time": 30, "devices": ["EH000003"]}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    assert _shown_chargers(hass) == {"EH000003"}


def _shown_chargers(hass: HomeAssistant) -> set[str]:
    """Return the serials of the chargers whose status is shown, leftovers aside."""
    registry = er.async_get(hass)
    shown = set()
    for found in hass.states.async_all("sensor"):
        entity = registry.async_get(found.entity_id)
        if (
            entity is not None
            and entity.unique_id.endswith("_charger_op_mode")
            and "restored" not in found.attributes
        ):
            shown.add(entity.unique_id.removesuffix("_charger_op_mode"))
    return shown


async def start_flow(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, source: str
) -> ConfigFlowResult:
    """Open the flow that asks for credentials again, or the one that changes them."""
    return await hass.config_entries.flow.async_init(
        DOMAIN,
        context={"source": source, "entry_id": entry.entry_id},
        data=entry.data if source == SOURCE_REAUTH else None,
    )


async def test_reauth(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """A changed password is asked for again, wrong answers included."""
    entry = await add_account(hass, cloud, account)
    account.set_password("new")
    started = await start_flow(hass, entry, SOURCE_REAUTH)
    assert started["step_id"] == "easee_reauth"
    result = await hass.config_entries.flow.async_configure(
        started["flow_id"], {"username": account.username, "password": "wrong"}
    )
    assert result["errors"] == {"base": "invalid_auth"}
    result = await hass.config_entries.flow.async_configure(
        started["flow_id"], {"username": account.username, "password": "new"}
    )
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reauth_successful"
    assert entry.data["password"] == "new"
    assert entry.data["api_url"] == cloud.url
    await hass.async_block_till_done()
    await wait_live(hass, entry)


async def test_reauth_with_another_account(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """Credentials of somebody else do not take over the entry."""
    entry = await add_account(hass, cloud, account)
    other = await cloud.add_account("b@example.com", "b", operator_id=77)
    started = await start_flow(hass, entry, SOURCE_REAUTH)
    result = await hass.config_entries.flow.async_configure(
        started["flow_id"], {"username": other.username, "password": other.password}
    )
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "wrong_account"
    assert entry.data["username"] == account.username


async def test_reconfigure(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """The login can be changed at leisure; an error keeps the form open."""
    entry = await add_account(hass, cloud, account)
    account.set_password("new")
    opened = await start_flow(hass, entry, SOURCE_RECONFIGURE)
    assert opened["step_id"] == "easee"
    result = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(cloud, account, password="wrong")
    )
    assert result["errors"] == {"base": "invalid_auth"}
    result = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(cloud, account, password="new")
    )
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reconfigure_successful"
    assert entry.data["password"] == "new"
    await hass.async_block_till_done()
    await wait_live(hass, entry)


async def test_reconfigure_keeps_the_name_that_the_user_gave(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """An entry renamed by its user is not named back."""
    entry = await add_account(hass, cloud, account)
    hass.config_entries.async_update_entry(entry, title="Our car park")
    opened = await start_flow(hass, entry, SOURCE_RECONFIGURE)
    await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(cloud, account)
    )
    await hass.async_block_till_done()
    assert entry.title == "Our car park"


async def test_reconfigure_to_another_account(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """An entry stays with its account."""
    entry = await add_account(hass, cloud, account)
    other = await cloud.add_account("b@example.com", "b", operator_id=78)
    opened = await start_flow(hass, entry, SOURCE_RECONFIGURE)
    result = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(cloud, other)
    )
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "wrong_account"
