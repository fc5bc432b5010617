"""What an application in a car sends: an envelope of which only the content counts.

Documented is an object whose `content` is an object or a text. The vendor's own demo
also sends a bare number, an older interface a bare text, and text that is JSON once
more: all of that is taken.
"""

from typing import Final

import orjson

from ...model import BadInputError, Content, Happening, Message
from ...stream.delivery import Delivery
from ...stream.mqtt import RETAINED
from .topics import Topics

# 128 KiB in both directions, says the vendor.
LARGEST: Final = 131_072
CONTENT: Final = "content"
LONGEST_WORD: Final = 100
# A server always writes both; an application's envelope has nothing but the content.
OF_A_SERVER: Final = frozenset({"idApp", "popup"})


def decode(delivery: Delivery, topics: Topics) -> Message:
    """Decode one delivery; raises BadInputError."""
    vin, subtopic = topics.vehicle(delivery.address)
    if len(delivery.body) > LARGEST:
        raise BadInputError("too_large")
    if not delivery.body:
        raise BadInputError("empty_body")
    envelope = _parsed(delivery.body)
    if isinstance(envelope, dict):
        if envelope.keys() >= OF_A_SERVER:
            # Ours or another server's, where somebody bridges the two directions.
            return Message(unknown="message_of_a_server")
        body = envelope.get(CONTENT, envelope)
    else:
        body = envelope
    if isinstance(body, str):
        body = _unpacked(body)
    is_retained = delivery.headers.get(RETAINED) is True
    return Message(
        device_id=vin,
        content=Content(body=body, subtopic=subtopic, is_retained=is_retained),
        # One that the broker kept was sent some time ago, and comes with every connection.
        happening=None if is_retained else _happening(body, subtopic),
    )


def _happening(body: object, subtopic: str) -> Happening:
    """Tell of a message what kind it is, and no more: the content is the application's."""
    return Happening(
        type=_word(body, "type"),
        facts={"action": _word(body, "action"), "subtopic": subtopic},
    )


def _word(body: object, name: str) -> str | None:
    """Return a short text that the content has under a name."""
    word = body.get(name) if isinstance(body, dict) else None
    return word[:LONGEST_WORD] if isinstance(word, str) else None


def _parsed(body: bytes) -> object:
    """Return what the JSON says, or the text where it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return body.decode()
    except UnicodeDecodeError as err:
        raise BadInputError("not_a_text") from err


def _unpacked(text: str) -> object:
    """Return what a text holds that is JSON once more, with or without an envelope."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        inner = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return inner.get(CONTENT, inner) if isinstance(inner, dict) else inner
