"""The store of an entry: where its file lies, and what the user is told when it fails."""

import logging
from pathlib import Path

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryError, ConfigEntryNotReady
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.storage import STORAGE_DIR

from .batch import Contents
from .const import DOMAIN
from .store import (
    Store,
    StoreDamagedError,
    StoreError,
    StoreTooNewError,
    StoreUnavailableError,
)

_LOGGER = logging.getLogger(__name__)

ISSUE_DAMAGED = "store_damaged"
ISSUE_UNAVAILABLE = "store_unavailable"


def store_path(hass: HomeAssistant, entry_id: str) -> Path:
    """Return the file of an entry."""
    return Path(hass.config.path(STORAGE_DIR, DOMAIN, f"{entry_id}.sqlite3"))


class StoreMonitor:
    """Raises and clears the entry's repair issues about its file."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        """Take the file for sound."""
        self.last_error: str | None = None
        self._hass = hass
        self._entry = entry
        self._is_unavailable = True

    def troubled(self, error: StoreError | None) -> None:
        """Tell the user of an error once, and clear what has passed by itself."""
        before, self.last_error = self.last_error, None if error is None else str(error)
        if error is not None and before is None:
            _LOGGER.warning("The file of %s fails: %s", self._entry.title, error)
        elif error is None and before is not None:
            _LOGGER.info("The file of %s is in use again", self._entry.title)
        if isinstance(error, StoreDamagedError):
            self._raise(ISSUE_DAMAGED, is_fixable=True)
        elif error is not None:
            self._is_unavailable = True
            self._raise(ISSUE_UNAVAILABLE, is_fixable=False)
        elif self._is_unavailable:
            self._is_unavailable = False
            ir.async_delete_issue(
                self._hass, DOMAIN, f"{ISSUE_UNAVAILABLE}_{self._entry.entry_id}"
            )

    def _raise(self, issue: str, *, is_fixable: bool) -> None:
        """Raise an issue; one that the user has to confirm outlasts a restart."""
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            f"{issue}_{self._entry.entry_id}",
            is_fixable=is_fixable,
            is_persistent=is_fixable,
            severity=ir.IssueSeverity.ERROR,
            translation_key=issue,
            translation_placeholders={"account": self._entry.title},
        )


async def open_store(store: Store, monitor: StoreMonitor) -> Contents:
    """Open the store, with an empty file in place of a damaged one.

    Raises ConfigEntryNotReady where the disk does not let us, and
    ConfigEntryError for a file that a newer version wrote.
    """
    try:
        try:
            return await store.open()
        except StoreDamagedError as err:
            await store.set_aside()
            monitor.troubled(err)
            return await store.open()
    except StoreTooNewError as err:
        await store.close()
        raise ConfigEntryError(
            translation_domain=DOMAIN, translation_key="store_too_new"
        ) from err
    except StoreUnavailableError as err:
        await store.close()
        monitor.troubled(err)
        raise ConfigEntryNotReady(
            translation_domain=DOMAIN, translation_key="store_unavailable"
        ) from err
