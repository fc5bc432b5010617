"""Devices that send messages although nobody has added them: the user is told once."""

from hashlib import sha256
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN
from .providers.base import Provider
from .subentries import subentry_of

ISSUE_NEW_DEVICE: Final = "new_device"
# Somebody else's whole fleet on the topic is no list that anybody reads.
TOLD_AT_MOST: Final = 20


class Strangers:
    """Raises a repair issue for each new device, and takes it back once it was added."""

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, provider: Provider
    ) -> None:
        """Take back the issues of devices that have been added."""
        self._hass = hass
        self._entry = entry
        self._provider = provider
        self._seen: set[str] = set()
        for subentry in entry.subentries.values():
            issue_id = self._issue_id(str(subentry.unique_id))
            ir.async_delete_issue(hass, DOMAIN, issue_id)

    def seen(self, device_id: str) -> None:
        """Tell the user of a device, unless that was done or there are too many."""
        if device_id in self._seen or len(self._seen) >= TOLD_AT_MOST:
            return
        self._seen.add(device_id)
        if self._provider.subentry is None:
            return
        if subentry_of(self._entry, device_id) is not None:
            return
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            self._issue_id(device_id),
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key=f"{self._provider.key}_{ISSUE_NEW_DEVICE}",
            translation_placeholders={
                "account": self._entry.title,
                "device": masked(device_id),
            },
        )

    def _issue_id(self, device_id: str) -> str:
        """Name the issue without the device's own id, which may be a VIN."""
        digest = sha256(f"{self._entry.entry_id} {device_id}".encode()).hexdigest()
        return f"{ISSUE_NEW_DEVICE}_{digest[:12]}_{self._entry.entry_id}"


def masked(device_id: str) -> str:
    """Leave enough of an id to know a device of one's own, and too little to look it up."""
    return f"{device_id[:3]}…{device_id[-3:]}"
