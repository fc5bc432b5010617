"""The form of an Easee account, and the live try behind it."""

from collections.abc import Mapping
from typing import Any, override

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_PASSWORD, CONF_USERNAME
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import section
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.util.ssl import get_default_context
import probatio

from ...form_fields import CONF_ADVANCED, PASSWORD, URL, USERNAME
from ...stream.amqp import probe
from ...stream.errors import SourceGoneError
from ..base import Given, ProviderForm, Trial
from .account import EaseeAccount, endpoint
from .api import DEFAULT_API_URL, EaseeClient

CONF_API_URL = "api_url"
# A person waits before the form.
FORM_PATIENCE = 10


class EaseeForm(ProviderForm):
    """Asks for the login of an integration account."""

    fields = ()
    files = ()
    account_fields = ()

    @override
    def schema(self, defaults: Mapping[str, Any]) -> probatio.Schema:
        """Ask for the login, and for another API address where somebody needs one."""
        api_url = defaults.get(CONF_API_URL, DEFAULT_API_URL)
        advanced = probatio.Schema(
            {probatio.Required(CONF_API_URL, default=api_url): URL}
        )
        return self.reauth_schema(defaults).extend(
            {
                probatio.Required(CONF_ADVANCED): section(
                    advanced, {"collapsed": api_url == DEFAULT_API_URL}
                )
            }
        )

    @override
    def reauth_schema(self, defaults: Mapping[str, Any]) -> probatio.Schema:
        """Ask for the login again; a password is never shown."""
        return probatio.Schema(
            {
                probatio.Required(
                    CONF_USERNAME,
                    default=defaults.get(CONF_USERNAME, probatio.UNDEFINED),
                ): USERNAME,
                probatio.Required(CONF_PASSWORD): PASSWORD,
            }
        )

    @override
    async def try_connection(self, hass: HomeAssistant, given: Given) -> Trial:
        """Log in, ask for the stream's details, connect to the broker and look at the queue.

        The account is known by its queue: two logins of one operator share it
        and would take each other's messages.
        """
        data = given.data
        client, tls = _client(hass, data, patience=FORM_PATIENCE), get_default_context()
        details = await client.stream_details()
        if missing := await probe(endpoint(details, tls)):
            raise SourceGoneError(", ".join(missing))
        account = EaseeAccount(client, tls)
        return Trial(
            account_id=details.queue_name,
            title=f"Easee {_operator(details.queue_name)}",
            data=data,
            devices=tuple(await account.inventory()),
        )


def create_account(hass: HomeAssistant, entry: ConfigEntry) -> EaseeAccount:
    """Return the account of an entry."""
    return EaseeAccount(_client(hass, entry.data), get_default_context())


def _operator(queue_name: str) -> str:
    """Name the account without its login, which would end in entity ids and logs."""
    return queue_name.removesuffix(".Q").replace("_", " ")


def _client(
    hass: HomeAssistant, data: Mapping[str, Any], patience: float = 300
) -> EaseeClient:
    return EaseeClient(
        async_get_clientsession(hass),
        data[CONF_USERNAME],
        data[CONF_PASSWORD],
        data[CONF_API_URL],
        patience=patience,
    )
