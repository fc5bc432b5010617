"""Tells exactly the listeners concerned, so that cost does not grow with the installation."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
import logging

type Listener = Callable[[], None]
type Key = tuple[str, str]

_LOGGER = logging.getLogger(__name__)


class Notifier:
    """Listeners by (device, key); everything happens on the event loop."""

    def __init__(self) -> None:
        """Start with no listener."""
        self._listeners: dict[Key, list[Listener]] = defaultdict(list)
        self._devices: dict[str, set[Key]] = defaultdict(set)
        self._throttled: dict[Key, asyncio.TimerHandle] = {}
        self._due: set[Key] = set()
        self._failed: set[Key] = set()

    def listen(
        self, device_id: str, key: str, listener: Listener
    ) -> Callable[[], None]:
        """Call the listener whenever the key is notified; returns how to stop that."""
        listeners = self._listeners[device_id, key]
        listeners.append(listener)
        self._devices[device_id].add((device_id, key))

        def stop() -> None:
            listeners.remove(listener)

        return stop

    def notify(self, device_id: str, key: str) -> None:
        """Call the listeners of one key; one that fails costs neither the others nor the caller."""
        for listener in tuple(self._listeners.get((device_id, key), ())):
            try:
                listener()
            except Exception:
                if (device_id, key) not in self._failed:
                    self._failed.add((device_id, key))
                    _LOGGER.exception("An entity of %s could not take a value", key)

    def notify_device(self, device_id: str) -> None:
        """Call the listeners of every key of one device."""
        for key in tuple(self._devices.get(device_id, ())):
            self.notify(*key)

    def notify_all(self) -> None:
        """Call every listener."""
        for key in tuple(self._listeners):
            self.notify(*key)

    def notify_gently(self, device_id: str, key: str, period: float) -> None:
        """Call the listeners now, but for one key no more often than every `period` seconds.

        For values that change with every message and would fill the recorder.
        """
        slot = (device_id, key)
        if slot in self._throttled:
            self._due.add(slot)
            return
        self._throttled[slot] = asyncio.get_running_loop().call_later(
            period, self._release, slot, period
        )
        self.notify(device_id, key)

    def close(self) -> None:
        """Drop what is still due."""
        for handle in self._throttled.values():
            handle.cancel()
        self._throttled.clear()
        self._due.clear()

    def _release(self, slot: Key, period: float) -> None:
        del self._throttled[slot]
        if slot in self._due:
            self._due.remove(slot)
            self.notify_gently(*slot, period)
