"""EV Streams: push-only event streams of chargers and cars."""

import asyncio
import logging

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_STOP, Platform
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed, ConfigEntryNotReady
from homeassistant.helpers import config_validation as cv, issue_registry as ir
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.helpers.typing import ConfigType

from .const import CONF_PROVIDER, DOMAIN
from .coordinator import EvStreamsConfigEntry, EvStreamsCoordinator
from .model import DeviceRecord
from .providers import PROVIDERS
from .providers.base import Account
from .secret_store import SecretStore
from .services import async_setup_services
from .storage import store_path
from .store import remove_files
from .stream.errors import AccountRefusedError, ConnectionFailedError, StreamError
from .subentries import reload_on_change
from .webhooks import register_webhooks

_LOGGER = logging.getLogger(__name__)

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)
# Home Assistant's start waits for it, and so does who wants to remove the entry.
SETUP_PATIENCE = 30.0
PLATFORMS = [Platform.BINARY_SENSOR, Platform.EVENT, Platform.SENSOR]


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Offer the actions, and answer webhooks, whether an entry is loaded or not."""
    async_setup_services(hass)
    register_webhooks(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: EvStreamsConfigEntry) -> bool:
    """Check the account, add its entities, then let the stream run."""
    # Before anything is read that the user may change meanwhile.
    reload_on_change(hass, entry)
    provider = PROVIDERS[entry.data[CONF_PROVIDER]]
    account = provider.create_account(hass, entry)
    try:
        devices = await _asked(account)
    except AccountRefusedError as err:
        raise ConfigEntryAuthFailed(
            translation_domain=DOMAIN, translation_key=err.form_error
        ) from err
    except StreamError as err:
        raise ConfigEntryNotReady(
            translation_domain=DOMAIN,
            translation_key=err.form_error,
            translation_placeholders={"reason": str(err)},
        ) from err
    coordinator = EvStreamsCoordinator(hass, entry, provider, account, devices)
    # After everything else, and after a setup that fails from here on.
    entry.async_on_unload(coordinator.store.close)
    await coordinator.open()
    entry.runtime_data = coordinator
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    coordinator.start()

    _end_with_home_assistant(hass, entry)
    return True


async def _asked(account: Account) -> list[DeviceRecord]:
    """Check the account and return its devices; raises StreamError."""
    try:
        async with asyncio.timeout(SETUP_PATIENCE):
            await account.start()
            return await account.inventory()
    except TimeoutError as err:
        raise ConnectionFailedError("no answer in time") from err


def _end_with_home_assistant(hass: HomeAssistant, entry: EvStreamsConfigEntry) -> None:
    """End the stream and close the file when Home Assistant ends without unloading."""
    coordinator = entry.runtime_data
    listening: list[CALLBACK_TYPE] = []

    async def stop(_event: Event) -> None:
        # It was heard: an entry that is unloaded after that has nothing to take back.
        listening.clear()
        await coordinator.stop()
        await coordinator.store.close()

    @callback
    def forget() -> None:
        for each in listening:
            each()

    listening.append(hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, stop))
    entry.async_on_unload(forget)


async def async_unload_entry(hass: HomeAssistant, entry: EvStreamsConfigEntry) -> bool:
    """Close the stream while there is still somebody to hear of its last messages."""
    await entry.runtime_data.stop()
    unloaded = await hass.config_entries.async_unload_platforms(entry, PLATFORMS)
    if not unloaded:
        entry.runtime_data.start()
    return unloaded


async def async_remove_entry(hass: HomeAssistant, entry: EvStreamsConfigEntry) -> None:
    """Take the entry's repair issues and its file along, and what it has elsewhere."""
    for domain, issue_id in list(ir.async_get(hass).issues):
        if domain == DOMAIN and issue_id.endswith(f"_{entry.entry_id}"):
            ir.async_delete_issue(hass, DOMAIN, issue_id)
    await hass.async_add_executor_job(remove_files, store_path(hass, entry.entry_id))
    await SecretStore(hass, str(entry.unique_id)).remove()
    try:
        await PROVIDERS[entry.data[CONF_PROVIDER]].remove(hass, entry)
    except StreamError as err:
        _LOGGER.warning("Not all of %s could be removed: %s", entry.title, err)


async def async_remove_config_entry_device(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, device: DeviceEntry
) -> bool:
    """Let the user remove a device that the account does not list any more."""
    if entry.state is not ConfigEntryState.LOADED:
        return False
    coordinator = entry.runtime_data
    device_ids = {each for domain, each in device.identifiers if domain == DOMAIN}
    if not all(coordinator.inventory.is_removable(each) for each in device_ids):
        return False
    for device_id in device_ids:
        await coordinator.forget(device_id)
    return True
