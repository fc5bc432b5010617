"""Who wants to hear of a device."""

from collections import defaultdict
from collections.abc import Callable
import logging

_LOGGER = logging.getLogger(__name__)


class Listeners[*Ts]:
    """Listeners by device; everything happens on the event loop."""

    def __init__(self) -> None:
        """Start with no listener."""
        self._listeners: dict[str, list[Callable[[*Ts], None]]] = defaultdict(list)

    def listen(
        self, device_id: str, listener: Callable[[*Ts], None]
    ) -> Callable[[], None]:
        """Call the listener with all that is told of a device; returns how to stop that."""
        listeners = self._listeners[device_id]
        listeners.append(listener)
        return lambda: listeners.remove(listener)

    def tell(self, device_id: str, *told: *Ts) -> None:
        """Tell the listeners; one that fails costs neither the others nor the caller."""
        for listener in tuple(self._listeners.get(device_id, ())):
            try:
                listener(*told)
            except Exception:
                _LOGGER.exception("What a device told could not be passed on")
