"""What is too secret for the config entry, whose file others may read: keys and certificates."""

from collections.abc import Mapping
from hashlib import sha256

from homeassistant.core import HomeAssistant
from homeassistant.helpers.storage import Store

from .const import DOMAIN

VERSION = 1


class SecretStore:
    """A private file (mode 0600) of one account, known by the entry's unique id.

    That id exists before the entry does, and names the login: the file's name only
    has its hash.
    """

    def __init__(self, hass: HomeAssistant, unique_id: str) -> None:
        """Name the file; nothing is read yet."""
        name = sha256(unique_id.encode()).hexdigest()[:32]
        self._store: Store[dict[str, str]] = Store(
            hass, VERSION, f"{DOMAIN}.{name}", private=True, atomic_writes=True
        )

    async def load(self) -> dict[str, str]:
        """Return what was kept, nothing where there is no file."""
        return await self._store.async_load() or {}

    async def save(self, secrets: Mapping[str, str]) -> None:
        """Keep these instead of what was there; without any there is no file."""
        if secrets:
            await self._store.async_save(dict(secrets))
        else:
            await self._store.async_remove()

    async def remove(self) -> None:
        """Delete the file."""
        await self._store.async_remove()
