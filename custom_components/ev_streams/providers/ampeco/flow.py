"""The form of an AMPECO tenant whose notifications come by webhook."""

import asyncio
from collections.abc import Mapping
from functools import partial
from hashlib import sha256
import logging
from typing import Any, Final, override

from homeassistant.components import webhook
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_API_TOKEN, CONF_NAME, CONF_WEBHOOK_ID
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import AbortFlow
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.network import NoURLAvailableError
import probatio
import yarl

from ...const import DOMAIN
from ...form_fields import SECRET, TEXT, URL, emptiable, suggesting
from ...stream.errors import ConnectionFailedError, StreamError
from ...stream.own_network import is_own_name
from ...stream.webhook import WebhookStream
from ...webhooks import listen, register_webhook, remove_webhook, webhook_url
from ..base import Given, ProviderForm, Trial
from .account import WebhookAccount
from .api import AmpecoClient, TokenRefusedError, tenant_address
from .subscribing import Subscriber, calling, subscribed, subscribed_anew

_LOGGER = logging.getLogger(__name__)

CONF_TENANT_URL: Final = "tenant_url"
CONF_SUBSCRIPTION: Final = "subscription_id"


class NoAddressError(StreamError):
    """Home Assistant does not know by which address it can be called."""

    form_error = "no_address"


class WebhookForm(ProviderForm):
    """Asks for the API token that signs the calls, and for the tenant to subscribe at."""

    fields = (CONF_TENANT_URL,)
    files = ()
    account_fields = ()

    @override
    def schema(self, defaults: Mapping[str, Any]) -> probatio.Schema:
        """Ask for everything; a token that is known may be left out."""
        token = probatio.Optional if CONF_API_TOKEN in defaults else probatio.Required
        return probatio.Schema(
            {
                suggesting(CONF_NAME, defaults): TEXT,
                token(CONF_API_TOKEN): SECRET,
                # One that is emptied is taken away, and not what it was.
                emptiable(CONF_TENANT_URL, defaults): URL,
            }
        )

    @override
    def reauth_schema(self, defaults: Mapping[str, Any]) -> probatio.Schema:
        """Ask for another token; a token is never shown."""
        return probatio.Schema({probatio.Required(CONF_API_TOKEN): SECRET})

    @override
    async def try_connection(self, hass: HomeAssistant, given: Given) -> Trial:
        """Find the own address, and let the tenant call it.

        Without a tenant there is nothing to be tried: it is AMPECO that calls.
        """
        data = dict(given.data)
        data[CONF_API_TOKEN] = data[CONF_API_TOKEN].strip()
        if not data[CONF_API_TOKEN]:
            raise TokenRefusedError("there is no token")
        data.setdefault(CONF_WEBHOOK_ID, webhook.async_generate_id())
        typed = data[CONF_TENANT_URL].strip()
        data[CONF_TENANT_URL] = tenant_address(typed) if typed else ""
        _refuse_another(hass, data)
        if typed:
            # Before anything is made for it.
            await _client(hass, data).subscriptions()
        url = await _url(hass, data)
        # From the first call on, for Home Assistant takes one that it does not know.
        register_webhook(hass, data[CONF_WEBHOOK_ID])
        try:
            await _subscribe(hass, data, url)
        except StreamError:
            if CONF_WEBHOOK_ID not in given.data:
                # The next try makes another: in the cloud this one would stay for ever.
                await remove_webhook(hass, data[CONF_WEBHOOK_ID])
            raise
        except asyncio.CancelledError:
            if CONF_WEBHOOK_ID not in given.data:
                # Whoever tried is gone, and the answer with the subscription's id too.
                hass.async_create_task(_take_back(hass, data, url))
            raise
        return Trial(
            # The id itself is as good as a password, and would end in ids of entities.
            account_id=sha256(data[CONF_WEBHOOK_ID].encode()).hexdigest()[:16],
            title=data[CONF_NAME].strip(),
            data=data,
            report={"url": url},
            undo=partial(_take_back, hass, data, url),
        )

    @override
    async def placeholders(
        self, hass: HomeAssistant, data: Mapping[str, Any]
    ) -> Mapping[str, str]:
        """Name the address that was given to the tenant, where there is one."""
        if CONF_WEBHOOK_ID not in data:
            return {"url": "—"}
        try:
            return {"url": await _url(hass, data)}
        except NoAddressError:
            return {"url": "—"}


def create_account(hass: HomeAssistant, entry: ConfigEntry) -> WebhookAccount:
    """Return the account of an entry."""
    webhook_id = entry.data[CONF_WEBHOOK_ID]
    # Whatever becomes of the setup, a call is not to be lost.
    register_webhook(hass, webhook_id)

    def take_calls(stream: WebhookStream) -> None:
        listen(hass, webhook_id, stream)

    return WebhookAccount(
        entry.data[CONF_API_TOKEN],
        listen=take_calls,
        subscriber=_subscriber(hass, entry),
    )


async def remove(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Take the subscription and the webhook of a removed entry away."""
    try:
        await _unsubscribe(hass, entry.data)
    finally:
        await remove_webhook(hass, entry.data[CONF_WEBHOOK_ID])


async def _subscribe(hass: HomeAssistant, data: dict[str, Any], url: str) -> None:
    """Let the tenant call us, and the one of before no more; raises StreamError."""
    before = _data_of(hass, data[CONF_WEBHOOK_ID])
    has_moved = before.get(CONF_TENANT_URL, "") != data[CONF_TENANT_URL]
    known_id = None if has_moved else data.get(CONF_SUBSCRIPTION)
    data[CONF_SUBSCRIPTION] = None
    if data[CONF_TENANT_URL]:
        is_same_token = data[CONF_API_TOKEN] == before.get(CONF_API_TOKEN)
        subscribe = subscribed if is_same_token else subscribed_anew
        client = _client(hass, data)
        data[CONF_SUBSCRIPTION] = await subscribe(client, known_id, url)
    if has_moved:
        try:
            await _unsubscribe(hass, before)
        except StreamError as err:
            _LOGGER.warning("The tenant of before may go on calling: %s", err)


async def _take_back(hass: HomeAssistant, data: Mapping[str, Any], url: str) -> None:
    """Leave nothing of a form of which no entry has come."""
    try:
        if data[CONF_TENANT_URL]:
            client = _client(hass, data)
            for each in await calling(client, url):
                await client.unsubscribe(each)
    except StreamError as err:
        _LOGGER.warning("The tenant may go on calling: %s", err)
    finally:
        await remove_webhook(hass, data[CONF_WEBHOOK_ID])


async def _unsubscribe(hass: HomeAssistant, data: Mapping[str, Any]) -> None:
    subscription_id = data.get(CONF_SUBSCRIPTION)
    if data.get(CONF_TENANT_URL) and subscription_id is not None:
        await _client(hass, data).unsubscribe(subscription_id)


def _data_of(hass: HomeAssistant, webhook_id: str) -> Mapping[str, Any]:
    """Return what the entry of a webhook has now, nothing where it is to be made."""
    return next(
        (
            entry.data
            for entry in hass.config_entries.async_entries(DOMAIN)
            if entry.data.get(CONF_WEBHOOK_ID) == webhook_id
        ),
        {},
    )


def _subscriber(hass: HomeAssistant, entry: ConfigEntry) -> Subscriber | None:
    if not entry.data[CONF_TENANT_URL]:
        return None

    async def find_url() -> str:
        try:
            return await _url(hass, entry.data)
        except NoAddressError as err:
            raise ConnectionFailedError("Home Assistant has no address") from err

    def keep_id(subscription_id: str) -> None:
        data = {**entry.data, CONF_SUBSCRIPTION: subscription_id}
        hass.config_entries.async_update_entry(entry, data=data)

    return Subscriber(
        _client(hass, entry.data),
        entry.data.get(CONF_SUBSCRIPTION),
        find_url=find_url,
        keep_id=keep_id,
    )


def _refuse_another(hass: HomeAssistant, data: Mapping[str, Any]) -> None:
    """Refuse a tenant that another entry has: each notification would come twice."""
    for entry in hass.config_entries.async_entries(DOMAIN):
        is_same = data[CONF_TENANT_URL] and (
            entry.data.get(CONF_TENANT_URL) == data[CONF_TENANT_URL]
        )
        if is_same and entry.data.get(CONF_WEBHOOK_ID) != data[CONF_WEBHOOK_ID]:
            raise AbortFlow("already_configured")


async def _url(hass: HomeAssistant, data: Mapping[str, Any]) -> str:
    """Return where the tenant is to call: from the internet, unless it is near itself.

    Who enters the address by hand may know another way to it.
    """
    tenant = data.get(CONF_TENANT_URL)
    is_near = not tenant or is_own_name(yarl.URL(tenant).host or "")
    try:
        return await webhook_url(hass, data[CONF_WEBHOOK_ID], may_be_internal=is_near)
    except NoURLAvailableError as err:
        raise NoAddressError("no address of Home Assistant is known") from err


def _client(hass: HomeAssistant, data: Mapping[str, Any]) -> AmpecoClient:
    return AmpecoClient(
        async_get_clientsession(hass), data[CONF_TENANT_URL], data[CONF_API_TOKEN]
    )
