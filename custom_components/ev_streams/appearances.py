"""What has been told of each device, so that its entities appear with it."""

from collections.abc import Callable
import logging

type AppearanceListener = Callable[[str, str], None]

_LOGGER = logging.getLogger(__name__)


class Appearances:
    """The (device, key) of which something was told; each is told to the listeners once."""

    def __init__(self) -> None:
        """Have seen nothing."""
        self._seen: dict[tuple[str, str], None] = {}
        self._listeners: list[AppearanceListener] = []

    def seen(self, device_id: str, key: str) -> None:
        """Take note that something was told, and tell the listeners if that is new.

        One that fails costs neither the others nor the message.
        """
        slot = (device_id, key)
        if slot not in self._seen:
            self._seen[slot] = None
            for listener in self._listeners:
                try:
                    listener(*slot)
                except Exception:
                    _LOGGER.exception("The entities of %s could not be added", key)

    def listen(self, listener: AppearanceListener) -> Callable[[], None]:
        """Call the listener with all that was seen and with all that is; returns how to stop."""
        self._listeners.append(listener)
        for slot in tuple(self._seen):
            listener(*slot)
        return lambda: self._listeners.remove(listener)

    def forget(self, device_id: str) -> None:
        """Forget a device that was removed: it may come back."""
        self._seen = {slot: None for slot in self._seen if slot[0] != device_id}
