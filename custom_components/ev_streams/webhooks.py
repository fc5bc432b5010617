"""Home Assistant's webhooks: whoever calls hears what became of the call, always.

Home Assistant answers 200 to a webhook that it does not know, and where a handler fails:
a caller takes both for done. So a webhook is registered from the first moment on and
stays so while its entry is loaded anew, and every outcome has its status.
"""

from http import HTTPStatus
import logging
from typing import Final

from aiohttp import web
from homeassistant.components import webhook
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_WEBHOOK_ID
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.network import NoURLAvailableError
from homeassistant.util.aiohttp import MockRequest
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN
from .stream.webhook import LARGEST, WebhookStream

_LOGGER = logging.getLogger(__name__)

CLOUD: Final = "cloud"
# By the webhook's id: who takes its calls now.
STREAMS: HassKey[dict[str, WebhookStream | None]] = HassKey(f"{DOMAIN}_webhooks")


@callback
def register_webhooks(hass: HomeAssistant) -> None:
    """Register the webhooks of all entries, before any of them is set up."""
    for entry in hass.config_entries.async_entries(DOMAIN, include_disabled=False):
        if CONF_WEBHOOK_ID in entry.data:
            register_webhook(hass, entry.data[CONF_WEBHOOK_ID])


@callback
def listen(hass: HomeAssistant, webhook_id: str, stream: WebhookStream) -> None:
    """Let a stream take the calls of a webhook."""
    register_webhook(hass, webhook_id)
    hass.data[STREAMS][webhook_id] = stream


@callback
def refused_calls(hass: HomeAssistant, entry: ConfigEntry) -> dict[str, int]:
    """Return how many calls of an entry's webhook were turned away now, by reason."""
    streams = hass.data.get(STREAMS, {})
    stream = streams.get(entry.data.get(CONF_WEBHOOK_ID, ""))
    return {} if stream is None else dict(stream.refused)


async def remove_webhook(hass: HomeAssistant, webhook_id: str) -> None:
    """Take a webhook away, also that of the cloud."""
    if webhook_id in hass.data.get(STREAMS, {}):
        del hass.data[STREAMS][webhook_id]
        webhook.async_unregister(hass, webhook_id)
    if CLOUD in hass.config.components:
        from homeassistant.components import cloud

        try:
            await cloud.async_delete_cloudhook(hass, webhook_id)
        except cloud.CloudNotAvailable, ValueError:
            _LOGGER.debug("The cloud has no such webhook")


async def webhook_url(
    hass: HomeAssistant, webhook_id: str, *, may_be_internal: bool
) -> str:
    """Return where the webhook can be called, through the cloud where the user has it.

    That it cannot be asked now, as just after the start, makes no other address right.
    Raises NoURLAvailableError.
    """
    if CLOUD in hass.config.components:
        # Where nobody uses it, it may not even be installed.
        from homeassistant.components import cloud

        if cloud.async_active_subscription(hass):
            try:
                return await cloud.async_get_or_create_cloudhook(hass, webhook_id)
            except cloud.CloudNotAvailable as err:
                raise NoURLAvailableError from err
    return webhook.async_generate_url(hass, webhook_id, allow_internal=may_be_internal)


@callback
def register_webhook(hass: HomeAssistant, webhook_id: str) -> None:
    """Answer the calls of a webhook, though nobody takes them yet."""
    streams = hass.data.setdefault(STREAMS, {})
    if webhook_id not in streams:
        streams[webhook_id] = None
        webhook.async_register(
            hass, DOMAIN, "EV Streams", webhook_id, _called, allowed_methods=["POST"]
        )


async def _called(
    hass: HomeAssistant, webhook_id: str, request: web.Request | MockRequest
) -> web.Response:
    """Hand a call over; HTTP's own errors are answered too, not raised."""
    stream = hass.data[STREAMS].get(webhook_id)
    if stream is None:
        return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
    try:
        body = await _body_of(request)
    except web.HTTPException as err:
        return web.Response(status=err.status)
    except Exception:
        _LOGGER.debug("A call could not be read", exc_info=True)
        return web.Response(status=HTTPStatus.BAD_REQUEST)
    return web.Response(status=await stream.receive(request.headers, body))


async def _body_of(request: web.Request | MockRequest) -> bytes:
    """Return the raw body; one that says it is too large is not read at all."""
    if isinstance(request, web.Request):
        if (request.content_length or 0) > LARGEST:
            raise web.HTTPRequestEntityTooLarge(LARGEST, request.content_length or 0)
        return await request.read()
    # The cloud brings text, and has no `read`.
    return (await request.text()).encode()
