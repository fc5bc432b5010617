"""An account of which nothing can be asked: all there is, its stream tells."""

from datetime import datetime

from ..model import DeviceRecord, OutgoingMessage, Update


class ListeningAccount:
    """What such accounts have in common, whatever their streams are."""

    expires_at: datetime | None = None

    async def start(self) -> None:
        """Ask nobody: whoever sends can do so now or later."""

    async def inventory(self) -> list[DeviceRecord]:
        """Return nothing: messages tell which devices there are."""
        return []

    async def snapshot(self, device_id: str) -> list[Update]:
        """Return nothing: no device can be asked."""
        return []

    async def hourly_energy(
        self, device_id: str, start: datetime, end: datetime
    ) -> dict[datetime, float]:
        """Return nothing: no figures by the hour are asked for."""
        return {}

    async def send(self, device_id: str, message: OutgoingMessage) -> int:
        """Nothing can be sent."""
        # Asked only of providers that say they can send.
        raise NotImplementedError
