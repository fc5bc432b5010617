"""What goes to an application in a car: its envelope and its limits."""

from collections.abc import Callable
from time import monotonic
from typing import Final

import orjson

from ...model import OutgoingMessage, TooLargeError, TooSoonError
from .decode import CONTENT, LARGEST

# Seconds between popups of one vehicle: the vendor forbids more.
POPUP_SPACING: Final = 20.0


def envelope(message: OutgoingMessage, id_app: str) -> bytes:
    """Return the encoded message; raises TooLargeError, and TypeError for what is no JSON."""
    popup = message.popup
    members: dict[str, object] = {"idApp": id_app, "popup": popup is not None}
    if popup is not None:
        members |= {"popupText": popup.text, "popupBtn": popup.has_button}
    # A popup may come without content, everything else is nothing but content.
    if message.content is not None or popup is None:
        members[CONTENT] = message.content
    body = orjson.dumps(members)
    if len(body) > LARGEST:
        raise TooLargeError(len(body), LARGEST)
    return body


class PopupPacer:
    """Keeps the popups of a vehicle apart; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """Have shown none."""
        self._clock = clock
        self._shown_at: dict[str, float] = {}

    def check(self, vin: str) -> None:
        """Raise TooSoonError if the last one is not long enough ago."""
        shown_at = self._shown_at.get(vin)
        if shown_at is not None:
            wait = POPUP_SPACING - (self._clock() - shown_at)
            if wait > 0:
                raise TooSoonError(wait)

    def shown(self, vin: str) -> None:
        """Note a popup that was sent."""
        self._shown_at[vin] = self._clock()

    def not_shown(self, vin: str) -> None:
        """Forget a popup that could not be sent after all."""
        self._shown_at.pop(vin, None)
