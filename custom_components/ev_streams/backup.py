"""Backup: each account's file stands still while it is copied, and nothing waits for that.

Home Assistant gives a backup up where a platform raises. A file that cannot be
prepared is not worth that: the user is better off with everything else, and a
copy that turns out to be damaged is found out when it is opened.
"""

from collections.abc import Awaitable, Callable
import logging

from homeassistant.core import HomeAssistant

from .const import DOMAIN
from .coordinator import EvStreamsConfigEntry, EvStreamsCoordinator
from .store import StoreError

_LOGGER = logging.getLogger(__name__)


async def async_pre_backup(hass: HomeAssistant) -> None:
    """Bring what is known to the disk and keep the files as they are from now on."""
    await _each(hass, _begin, "The file of %s may be damaged in the backup: %s")


async def async_post_backup(hass: HomeAssistant) -> None:
    """Let the files take in what was committed in the meantime."""
    await _each(hass, _end, "The file of %s could not be tidied after the backup: %s")


async def _begin(coordinator: EvStreamsCoordinator) -> None:
    # What cannot be committed is not acknowledged either, the broker keeps it.
    await coordinator.committer.flush()
    await coordinator.store.begin_backup()


async def _end(coordinator: EvStreamsCoordinator) -> None:
    await coordinator.store.end_backup()


async def _each(
    hass: HomeAssistant,
    work: Callable[[EvStreamsCoordinator], Awaitable[None]],
    complaint: str,
) -> None:
    entries: list[EvStreamsConfigEntry] = hass.config_entries.async_loaded_entries(
        DOMAIN
    )
    for entry in entries:
        try:
            await work(entry.runtime_data)
        except StoreError as err:
            _LOGGER.warning(complaint, entry.title, err)
