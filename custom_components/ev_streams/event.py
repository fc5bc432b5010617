"""Events: a charging session started or stopped, a message came."""

from collections.abc import Iterator
from datetime import datetime
from typing import override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import KEY_MESSAGE, KEY_SESSION
from .coordinator import EvStreamsConfigEntry, EvStreamsCoordinator
from .entity import EntityValue, EvStreamsEntity, add_for_devices
from .model import Content, SessionChange, SessionPhase

PARALLEL_UPDATES = 0

RECEIVED = "received"
LONGEST_WORD = 100

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
    add_for_devices(entry, async_add_entities, _events)


def _events(coordinator: EvStreamsCoordinator, device_id: str) -> Iterator[EventEntity]:
    if coordinator.has_sessions(device_id):
        yield ChargingSessionEvent(coordinator, device_id, CHARGING_SESSION)
    if coordinator.provider.subentry is not None:
        yield MessageEvent(coordinator, device_id, MESSAGE)


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
    """Fires for each message of a device; of its content it names no more than what kind it is."""

    @override
    async def async_added_to_hass(self) -> None:
        """Hear of messages from here on."""
        await super().async_added_to_hass()
        self.async_on_remove(
            self._coordinator.traffic.listen(self._device_id, self._received)
        )

    @callback
    def _received(self, content: Content) -> None:
        attributes: dict[str, str | None] = {
            name: _word(content.body, name) for name in ("type", "action")
        }
        self._trigger_event(RECEIVED, attributes | {"subtopic": content.subtopic})
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


def _word(body: object, name: str) -> str | None:
    """Return a short text that the content has under a name."""
    word = body.get(name) if isinstance(body, dict) else None
    return word[:LONGEST_WORD] if isinstance(word, str) else None


def _iso(moment: datetime | None) -> str | None:
    """Write the time as text: that is what a restart would make of it anyway."""
    return None if moment is None else moment.isoformat()
