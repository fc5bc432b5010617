"""What goes to an application in a car: its envelope, its limits, and how to know it again."""

from collections import Counter, deque
from collections.abc import Callable
from hashlib import sha256
from time import monotonic
from typing import Final

import orjson

from ...model import OutgoingMessage, TooLargeError, TooSoonError
from .decode import CONTENT, LARGEST

# Seconds between popups of one vehicle: the vendor forbids more.
POPUP_SPACING: Final = 20.0
# An echo comes at once; what comes later says the same by chance.
ECHO_WITHIN: Final = 60.0


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


class Echoes:
    """Knows the messages of ours that a broker sends back.

    That happens only where somebody bridges the two directions. Each one sent hides one
    received: the car may say the very same by itself.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """Have sent nothing; `clock` gives seconds."""
        self._clock = clock
        self._sent: deque[tuple[float, bytes]] = deque()
        self._expected: Counter[bytes] = Counter()

    def sending(self, body: bytes) -> None:
        """Note a message before it is sent: the echo may be quicker than the answer."""
        self._forget_old()
        digest = sha256(body).digest()
        self._sent.append((self._clock(), digest))
        self._expected[digest] += 1

    def is_echo(self, body: bytes) -> bool:
        """Whether the message is one of ours, once for each that was sent."""
        if not self._sent:
            return False
        self._forget_old()
        digest = sha256(body).digest()
        if not self._expected[digest]:
            return False
        self._expected[digest] -= 1
        return True

    def _forget_old(self) -> None:
        oldest = self._clock() - ECHO_WITHIN
        while self._sent and self._sent[0][0] < oldest:
            _, digest = self._sent.popleft()
            if self._expected[digest] > 0:
                self._expected[digest] -= 1
            if not self._expected[digest]:
                del self._expected[digest]
