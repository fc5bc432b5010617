"""Which type of message it is, by the names around it, and which version counts."""

import pytest

from custom_components.ev_streams.model import Message
from custom_components.ev_streams.providers.etrel import messages
from custom_components.ev_streams.providers.etrel.messages import (
    MESSAGE_TYPES,
    Kind,
    MessageType,
    Standing,
    classify,
    queue_name,
    standing,
)

from .helpers import USER, decoded

ENDED = {"ChargingSessionId": 5, "ConnectedFrom": "2026-11-20T08:00:00Z"} | {
    "ConnectedTo": "2026-11-20T09:00:00Z"
}


@pytest.mark.parametrize(
    ("tail", "name"),
    [
        ("session.started", f"{USER}.*.session.started"),
        ("session.started.user", f"{USER}.*.session.started.user"),
        ("session.ended", f"{USER}.*.session.ended"),
        ("connector.statusChanged", f"{USER}.*.connector.statusChanged"),
        ("reservation.created", f"{USER}.*.reservation.created"),
        ("reservation.canceled", f"{USER}.*.reservation.canceled"),
        ("system.event", f"{USER}.*.*.*.system.event"),
        ("helpdesk.ticket.raisedByUser", f"{USER}.helpdesk.ticket.raisedByUser"),
    ],
)
def test_queues_are_called_as_the_vendor_calls_them(tail: str, name: str) -> None:
    assert tail in {each.tail for each in MESSAGE_TYPES}
    assert queue_name(USER, tail) == name
    assert classify(name, "", {}).tail == tail


@pytest.mark.parametrize(
    ("queue", "key", "tail", "location"),
    [
        # Both names, as documented.
        ("U.*.session.started", "U.77.session.started", "session.started", "77"),
        ("U.*.*.*.system.event", "U.77.a.b.system.event", "system.event", "77"),
        ("U.*.*.*.system.event", "U.77.system.event", "system.event", "77"),
        (
            "U.helpdesk.ticket.raisedByUser",
            "U.helpdesk.ticket.raisedByUser",
            "helpdesk.ticket.raisedByUser",
            None,
        ),
        # The longer of two that fit.
        (
            "U.*.session.started.user",
            "U.77.session.started.user",
            "session.started.user",
            "77",
        ),
        # A queue with a name of its own, or none that is known.
        ("my queue", "U.77.session.ended", "session.ended", "77"),
        ("", "U.77.connector.statusChanged", "connector.statusChanged", "77"),
        # What was put into the queue directly has its name for a routing key.
        ("U.*.session.ended", "U.*.session.ended", "session.ended", None),
        ("U.*.session.ended", "", "session.ended", None),
        # A user name with dots in it.
        ("my.name.*.session.ended", "my.name.77.session.ended", "session.ended", "77"),
        ("", "my.name.77.session.ended", "session.ended", "77"),
    ],
)
def test_type_and_location_are_read_off_the_names(
    queue: str, key: str, tail: str, location: str | None
) -> None:
    kind = classify(queue, key, {})
    assert (kind.tail, kind.location_id) == (tail, location)
    assert kind.type is not None


@pytest.mark.parametrize(
    ("queue", "key", "tail", "location"),
    [
        ("U.*.tariff.changed", "U.77.tariff.changed", "tariff.changed", "77"),
        ("U.*.tariff.changed.v3", "U.77.tariff.changed.v3", "tariff.changed", "77"),
        ("U.crm.contact.created", "U.crm.contact.created", "crm.contact.created", None),
        ("", "U.77.tariff.changed", "tariff.changed", "77"),
        ("", "U.tariff.changed", "tariff.changed", None),
        ("", "plain", "plain", None),
        ("", "", "unknown", None),
        ("U.*.long", "U.77.x", "long", "77"),
        ("U.*", "U.77", "unknown", "77"),
    ],
)
def test_an_unknown_type_is_called_by_its_tail(
    queue: str, key: str, tail: str, location: str | None
) -> None:
    kind = classify(queue, key, {})
    assert (kind.tail, kind.type, kind.location_id) == (tail, None, location)


@pytest.mark.parametrize(
    ("headers", "tail"),
    [
        ({"type": "ChargingSessionStarted"}, "session.started"),
        ({"Message-Type": b"chargingsessionstarteduser"}, "session.started.user"),
        (
            {"messageType": "ChargePointConnectorStatusChanged"},
            "connector.statusChanged",
        ),
        ({"type": "ReservationCreated"}, "reservation.created"),
        ({"type": "reservation.canceled"}, "reservation.canceled"),
    ],
)
def test_a_header_tells_the_type_where_no_name_does(
    headers: dict[str, object], tail: str
) -> None:
    kind = classify("bridge", "bridge.77.message", headers)
    assert (kind.tail, kind.location_id) == (tail, "77")
    # The names are what is documented: a header never contradicts them.
    assert classify("U.*.session.ended", "", headers).tail == "session.ended"


@pytest.mark.parametrize("headers", [{"type": 5}, {"type": "Unheard"}, {"x": "y"}, {}])
def test_other_headers_tell_nothing(headers: dict[str, object]) -> None:
    assert classify("bridge", "message", headers).type is None


@pytest.mark.parametrize("suffix", [".v2", ".2", "_v2", ".V2"])
def test_a_version_is_no_part_of_the_type(suffix: str) -> None:
    name = f"U.*.session.started{suffix}"
    for queue in (name, ""):
        kind = classify(queue, f"U.77.session.started{suffix}", {})
        assert (kind.tail, kind.version, kind.location_id) == (
            "session.started",
            2,
            "77",
        )
    assert classify("U.*.session.started", "", {}).version == 1


TWO = MessageType(tail="session.ended", versions=frozenset({1, 2}))
ALL = {f"U.*.session.ended{suffix}" for suffix in ("", ".v2", ".v3")}


@pytest.mark.parametrize(
    ("version", "queues", "expected"),
    [
        # The newest that is understood wins, however old the others are.
        (1, ALL, Standing.SUPERSEDED),
        (2, ALL, Standing.EFFECTIVE),
        (3, ALL, Standing.UNSUPPORTED),
        # Alone, any of them is better than none.
        (1, {"U.*.session.ended"}, Standing.EFFECTIVE),
        (1, {"U.*.session.ended", "U.*.session.ended.v3"}, Standing.EFFECTIVE),
        (3, {"U.*.session.ended.v3"}, Standing.UNCERTAIN),
        (3, {"U.*.session.ended.v3", "U.*.session.started"}, Standing.UNCERTAIN),
        (2, set(), Standing.EFFECTIVE),
    ],
)
def test_of_versions_side_by_side_the_newest_understood_counts(
    version: int, queues: set[str], expected: Standing
) -> None:
    kind = Kind(tail="session.ended", version=version, type=TWO)
    assert standing(kind, queues) is expected


def test_a_version_nobody_understands_has_no_effect_beside_one_that_is() -> None:
    queues = (f"{USER}.*.session.ended", f"{USER}.*.session.ended.v2")
    old = decoded("session.ended", ENDED, queues=queues)
    new = decoded("session.ended.v2", {"Data": ENDED}, queues=queues)
    assert len(old.updates) == 1
    assert (new.updates, new.content, new.happening) == ((), None, None)
    assert new.unknown == "message:session.ended.v2"


def test_a_version_nobody_understands_is_tried_where_it_comes_alone() -> None:
    queues = (f"{USER}.*.session.ended.v2",)
    message = decoded("session.ended.v2", ENDED, queues=queues)
    assert len(message.updates) == 1
    assert message.unknown == "message:session.ended.v2"


def test_both_spellings_of_one_version_are_one_message() -> None:
    plain = decoded("session.ended", ENDED)
    assert plain.identity == decoded("session.ended.v1", ENDED).identity


def test_the_older_of_two_versions_that_are_understood_has_no_effect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The day a second version is understood, a user reads both queues for a while."""
    tail = "asset.moved"
    both = MessageType(tail=tail, versions=frozenset({1, 2}))
    monkeypatch.setitem(messages.BY_TAIL, tail, both)
    queues = [f"{USER}.*.{tail}", f"{USER}.*.{tail}.v2"]
    assert decoded(tail, {"A": 1}, queues=queues) == Message()
    assert decoded(f"{tail}.v2", {"A": 1}, queues=queues).content is not None
    assert decoded(tail, {"A": 1}, queues=queues[:1]).content is not None
