"""Events: a charging session started or stopped."""

from datetime import datetime
from typing import override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import KEY_SESSION
from .coordinator import EvStreamsConfigEntry
from .entity import EntityValue, EvStreamsEntity
from .model import DeviceRecord, SessionChange, SessionPhase

PARALLEL_UPDATES = 0

CHARGING_SESSION = EventEntityDescription(
    key=KEY_SESSION, translation_key=KEY_SESSION, event_types=[*SessionPhase]
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: EvStreamsConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the session event of every device as it becomes known."""
    coordinator = entry.runtime_data

    @callback
    def add(devices: list[DeviceRecord]) -> None:
        async_add_entities(
            ChargingSessionEvent(coordinator, device.device_id, CHARGING_SESSION)
            for device in devices
        )

    entry.async_on_unload(coordinator.inventory.listen(add))


class ChargingSessionEvent(EvStreamsEntity, EventEntity):
    """Fires once when a session starts and once when it stops.

    Home Assistant dates an event by its arrival. The true times are in the
    attributes, and `replayed` is true for what happened earlier.
    """

    @override
    async def async_added_to_hass(self) -> None:
        """Hear of sessions from here on.

        A new device's entities stand before its first messages are taken: adding
        them does not wait for anything.
        """
        await super().async_added_to_hass()
        self.async_on_remove(
            self._coordinator.announcer.listen(self._device_id, self._session_changed)
        )

    @override
    def _is_available(self) -> bool:
        """What a device told has happened, even if it is offline or not listed now.

        An unavailable entity would show no event, and no automation would hear of it.
        """
        return self._coordinator.connection.available

    @override
    def _current(self) -> EntityValue:
        """A session that is merely noted changes nothing here, only availability does."""
        return None

    @override
    def _show(self, value: EntityValue) -> None:
        """The event is shown as it fires."""

    @callback
    def _session_changed(self, change: SessionChange, replayed: bool) -> None:
        session = self._coordinator.ledger.session(change.device_id, change.session_id)
        is_stop = change.phase is SessionPhase.STOPPED
        self._trigger_event(
            change.phase,
            {
                "session_id": change.session_id,
                "started_at": _iso(
                    session.started_at if session else change.started_at
                ),
                "stopped_at": _iso(change.stopped_at),
                "energy": change.energy,
                "duration": session.duration if session and is_stop else None,
                "replayed": replayed,
            },
        )
        self.async_write_ha_state()


def _iso(moment: datetime | None) -> str | None:
    """Write the time as text: that is what a restart would make of it anyway."""
    return None if moment is None else moment.isoformat()
