"""Topics, envelopes and limits of the partners' messaging."""

import json
from typing import Any

from hypothesis import given, strategies as st
import orjson
import pytest

from custom_components.ev_streams.model import (
    BadInputError,
    Content,
    OutgoingMessage,
    Popup,
    TooLargeError,
    TooSoonError,
)
from custom_components.ev_streams.providers.stellantis.decode import decode
from custom_components.ev_streams.providers.stellantis.sending import (
    PopupPacer,
    envelope,
)
from custom_components.ev_streams.providers.stellantis.topics import (
    Direction,
    Topics,
    is_usable_root,
    is_usable_uid,
)
from custom_components.ev_streams.stream.delivery import Delivery

VIN = "VR3UHZKXZPT123456"
ROOT = "psa/OVIPPartners-Dev"
SAMPLES = Topics(root=ROOT, uid="UID", direction=Direction.SAMPLES)
PROSE = Topics(root=ROOT, uid="UID", direction=Direction.PROSE)
TOPIC = f"{ROOT}/to/uid/UID/opa/{VIN}/"


def delivery(body: bytes, topic: str = TOPIC, **headers: object) -> Delivery:
    return Delivery(address=topic, body=body, headers=headers, ack=lambda: None)


def content_of(body: bytes) -> object:
    """Return the content that a message has, which has to be one of the car."""
    message = decode(delivery(body), SAMPLES)
    assert message.device_id == VIN
    assert message.content is not None
    return message.content.body


def test_topics_are_those_of_the_code_samples_or_those_of_the_text() -> None:
    assert SAMPLES.filters == (f"{ROOT}/to/uid/UID/opa/#",)
    assert SAMPLES.publishing(VIN) == f"{ROOT}/from/uid/UID/opa/{VIN}"
    assert PROSE.filters == (f"{ROOT}/from/uid/UID/opa/#",)
    assert PROSE.publishing(VIN) == f"{ROOT}/to/uid/UID/opa/{VIN}"


@pytest.mark.parametrize(
    ("end", "subtopic"),
    [
        (VIN, ""),
        (f"{VIN}/", ""),
        (f"{VIN}//", ""),
        (f"/{VIN}", ""),
        (f"{VIN}/status", "status"),
        (f"{VIN}/a//b/", "a/b"),
        (VIN.lower(), ""),
    ],
)
def test_the_vehicle_is_read_off_the_topic(end: str, subtopic: str) -> None:
    assert SAMPLES.vehicle(f"{ROOT}/to/uid/UID/opa/{end}") == (VIN, subtopic)


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("", "foreign_topic"),
        (f"{ROOT}/from/uid/UID/opa/{VIN}", "foreign_topic"),
        (f"{ROOT}/to/uid/OTHER/opa/{VIN}", "foreign_topic"),
        (f"{ROOT}/to/uid/UID/opa/", "no_vehicle_in_topic"),
        (f"{ROOT}/to/uid/UID/opa///", "no_vehicle_in_topic"),
        (f"{ROOT}/to/uid/UID/opa/short/{VIN}", "no_vehicle_in_topic"),
    ],
)
def test_a_topic_of_no_vehicle_is_refused(topic: str, reason: str) -> None:
    with pytest.raises(BadInputError) as caught:
        decode(delivery(b"{}", topic), SAMPLES)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"content": {"type": "a", "n": [1]}}', {"type": "a", "n": [1]}),
        (b'{"content": "a text"}', "a text"),
        (b'{"content": 12345}', 12345),
        (b'{"content": true}', True),
        (b'{"content": null}', None),
        (b'{"content": [1, 2]}', [1, 2]),
        # Without the envelope, as an application may send and an older interface did.
        (b'{"level": 5}', {"level": 5}),
        (b"[1, 2]", [1, 2]),
        (b"12345", 12345),
        (b'"a text"', "a text"),
        (b"just text", "just text"),
        ("Zoë".encode(), "Zoë"),
        # Text that is JSON once more, with and without the envelope.
        (b'{"content": "{\\"level\\": 5}"}', {"level": 5}),
        (b'"{\\"content\\": {\\"level\\": 5}}"', {"level": 5}),
        (b'{"content": "{no json"}', "{no json"),
        (b"{no json", "{no json"),
    ],
)
def test_content_is_taken_in_whatever_shape_it_comes(
    body: bytes, expected: object
) -> None:
    assert content_of(body) == expected


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty_body"),
        (b"\xff\xfe\x00", "not_a_text"),
        (b"x" * 131_073, "too_large"),
    ],
)
def test_what_is_no_message_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(BadInputError) as caught:
        decode(delivery(body), SAMPLES)
    assert caught.value.reason == reason


def test_the_largest_message_is_taken() -> None:
    assert content_of(b"x" * 131_072) == "x" * 131_072


def test_what_a_server_wrote_is_not_taken_for_the_cars() -> None:
    body = envelope(OutgoingMessage(content={"level": 5}), "app")
    message = decode(delivery(body), SAMPLES)
    assert message.content is None
    assert message.unknown == "message_of_a_server"


@pytest.mark.parametrize("sign", ["idApp", "popup", "popupText", "popupBtn"])
def test_an_application_may_use_the_words_of_a_server(sign: str) -> None:
    """As one that names itself in what it says."""
    assert content_of(json.dumps({"content": {"level": 5}, sign: "x"}).encode()) == {
        "level": 5
    }
    assert content_of(json.dumps({sign: "x"}).encode()) == {sign: "x"}


def test_a_retained_message_is_known_as_such() -> None:
    message = decode(delivery(b"1", retained=True), SAMPLES)
    assert message.content == Content(body=1, is_retained=True)


@given(st.binary(max_size=200), st.text(max_size=80))
def test_no_message_fails_in_another_way(body: bytes, end: str) -> None:
    for topic in (TOPIC, f"{ROOT}/to/uid/UID/opa/{end}", end):
        try:
            decode(delivery(body, topic), SAMPLES)
        except BadInputError:
            continue


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            OutgoingMessage(content={"a": 1}),
            {"idApp": "app", "popup": False, "content": {"a": 1}},
        ),
        (
            OutgoingMessage(content="text"),
            {"idApp": "app", "popup": False, "content": "text"},
        ),
        (OutgoingMessage(), {"idApp": "app", "popup": False, "content": None}),
        (
            OutgoingMessage(popup=Popup(text="Hi\nyou", has_button=True)),
            {"idApp": "app", "popup": True, "popupText": "Hi\nyou", "popupBtn": True},
        ),
        (
            OutgoingMessage(content=[1], popup=Popup(text="Hi")),
            {
                "idApp": "app",
                "popup": True,
                "popupText": "Hi",
                "popupBtn": False,
                "content": [1],
            },
        ),
    ],
)
def test_a_message_goes_in_the_documented_envelope(
    message: OutgoingMessage, expected: dict[str, Any]
) -> None:
    assert orjson.loads(envelope(message, "app")) == expected


def test_the_size_counts_encoded_and_with_the_envelope() -> None:
    around = len(envelope(OutgoingMessage(content=""), "app"))
    room = 131_072 - around
    assert len(envelope(OutgoingMessage(content="x" * room), "app")) == 131_072
    with pytest.raises(TooLargeError) as caught:
        envelope(OutgoingMessage(content="x" * (room + 1)), "app")
    assert (caught.value.size, caught.value.limit) == (131_073, 131_072)
    with pytest.raises(TooLargeError):
        envelope(OutgoingMessage(content="ë" * (room // 2 + 1)), "app")


def test_popups_of_a_vehicle_are_20_seconds_apart() -> None:
    now = 0.0
    pacer = PopupPacer(clock=lambda: now)
    pacer.check("a")
    pacer.shown("a")
    pacer.check("b")
    now = 15.0
    with pytest.raises(TooSoonError) as caught:
        pacer.check("a")
    assert caught.value.seconds == 5.0
    now = 20.0
    pacer.check("a")


def test_what_cannot_be_in_a_topic_is_told() -> None:
    assert is_usable_uid("UID-1")
    assert not any(map(is_usable_uid, ("", "a/b", "a+", "#", "a\x00")))
    assert is_usable_root("psa/OVIPPartners-Dev")
    assert not any(map(is_usable_root, ("", "/psa", "psa/", "psa/#", "+/psa", " psa")))
