"""Events: a charging session started or stopped, a message came."""

from collections.abc import Iterator
from datetime import datetime
from typing import override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import KEY_MESSAGE, KEY_SESSION
from .coordinator import EvStreamsConfigEntry, EvStreamsCoordinator
from .entity import EntityValue, EvStreamsEntity, add_as_told, add_for_devices
from .model import Happening, SessionChange, SessionPhase

PARALLEL_UPDATES = 0

RECEIVED = "received"

MESSAGE = EventEntityDescription(
    key=KEY_MESSAGE, translation_key=KEY_MESSAGE, event_types=[RECEIVED]
)
CHARGING_SESSION = EventEntityDescription(
    key=KEY_SESSION, translation_key=KEY_SESSION, event_types=[*SessionPhase]
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: EvStreamsConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the events of every device as it becomes known."""
    coordinator = entry.runtime_data
    if coordinator.provider.discovers:
        async_add_entities(
            [MessageEvent(coordinator, coordinator.inventory.account_id, MESSAGE)]
        )
        add_as_told(entry, async_add_entities, _events_told)
    add_for_devices(entry, async_add_entities, _events)


def _events(coordinator: EvStreamsCoordinator, device_id: str) -> Iterator[EventEntity]:
    provider = coordinator.provider
    if not provider.discovers and coordinator.has_sessions(device_id):
        yield ChargingSessionEvent(coordinator, device_id, CHARGING_SESSION)
    if provider.subentry is not None or (
        provider.discovers and coordinator.inventory.whole_of(device_id) == device_id
    ):
        yield MessageEvent(coordinator, device_id, MESSAGE)


def _events_told(
    coordinator: EvStreamsCoordinator, device_id: str, key: str
) -> Iterator[EventEntity]:
    if key == KEY_SESSION:
        yield ChargingSessionEvent(coordinator, device_id, CHARGING_SESSION)


class HappeningEvent(EvStreamsEntity, EventEntity):
    """Fires for what happened to a device; whatever it is, availability is the stream's."""

    @override
    def _is_available(self) -> bool:
        """What a device told has happened, even if it is offline or not listed now.

        An unavailable entity would show no event, and no automation would hear of it.
        """
        return self._coordinator.connection.available

    @override
    def _current(self) -> EntityValue:
        """What is merely noted changes nothing here, only availability does."""
        return None

    @override
    def _show(self, value: EntityValue) -> None:
        """The event is shown as it fires."""


class MessageEvent(HappeningEvent):
    """Fires for what messages tell that is no state; of their content it names little.

    Home Assistant dates an event by its arrival. Where a message has a time of its own
    it is in the attributes, and `replayed` is true for what happened earlier.
    """

    @override
    async def async_added_to_hass(self) -> None:
        """Hear of messages from here on."""
        await super().async_added_to_hass()
        self.async_on_remove(
            self._coordinator.traffic.happenings.listen(self._device_id, self._received)
        )

    @callback
    def _received(self, happening: Happening, replayed: bool) -> None:
        attributes = {**happening.facts, "type": happening.type}
        if happening.occurred_at is not None:
            attributes["occurred_at"] = _iso(happening.occurred_at)
        if happening.occurred_at is not None or replayed:
            attributes["replayed"] = replayed
        self._trigger_event(RECEIVED, attributes)
        self.async_write_ha_state()


class ChargingSessionEvent(HappeningEvent):
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

    @callback
    def _session_changed(self, change: SessionChange, replayed: bool) -> None:
        session = self._coordinator.ledger.session(change.device_id, change.session_id)
        is_stop = change.phase is SessionPhase.STOPPED
        evse = session.evse if session else change.evse
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
            }
            | ({} if evse is None else {"evse": evse}),
        )
        self.async_write_ha_state()


def _iso(moment: datetime | None) -> str | None:
    """Write the time as text: that is what a restart would make of it anyway."""
    return None if moment is None else moment.isoformat()
