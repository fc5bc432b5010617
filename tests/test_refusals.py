"""Messages that could not be decoded: counted, kept redacted, logged once."""

from datetime import UTC, datetime, timedelta

from hypothesis import example, given, strategies as st

from custom_components.ev_streams.refusals import Refusals
from custom_components.ev_streams.stream.delivery import Delivery

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def delivery(body: bytes = b"{", address: str = "EH123456.O.120") -> Delivery:
    return Delivery(address=address, body=body, headers={}, ack=lambda: None)


def test_refusals_are_counted_by_reason() -> None:
    refusals = Refusals()
    for reason in ("not_json", "no_value", "not_json"):
        refusals.add(delivery(), reason, NOW)
    assert refusals.counts == {"not_json": 2, "no_value": 1}


def test_the_last_ten_are_kept_and_all_are_counted() -> None:
    refusals = Refusals()
    for size in range(25):
        refusals.add(delivery(b"{" * size), "not_json", NOW)
    assert [refusal.size for refusal in refusals.last] == list(range(15, 25))
    assert refusals.counts["not_json"] == 25


def test_a_refusal_shows_what_the_message_was_built_like() -> None:
    refusals = Refusals()
    body = '{"Timestamp": "2026-11-20T05:01:01Z", "Välue": 7.31'.encode()
    refusals.add(delivery(body), "not_json", NOW)
    (refusal,) = refusals.last
    assert refusal.at == NOW
    assert refusal.reason == "not_json"
    assert refusal.address == "xx000000.x.000"
    assert refusal.size == len(body)
    assert refusal.shape == '{"xxxxxxxxx": "0000-00-00x00:00:00x", "xxxxx": 0.00'


def test_only_the_beginning_of_a_long_body_is_kept() -> None:
    refusals = Refusals()
    refusals.add(delivery(b"-" * 100_000), "not_json", NOW)
    (refusal,) = refusals.last
    assert refusal.size == 100_000
    assert 0 < len(refusal.shape) <= 200


def test_a_reason_is_due_for_the_log_once_an_hour() -> None:
    refusals = Refusals()
    assert refusals.add(delivery(), "not_json", NOW)
    assert not refusals.add(delivery(), "not_json", NOW)
    assert not refusals.add(delivery(), "not_json", NOW + HOUR - timedelta(seconds=1))
    assert refusals.add(delivery(), "not_json", NOW + HOUR)
    assert not refusals.add(delivery(), "not_json", NOW + HOUR + timedelta(seconds=1))


def test_each_reason_has_its_own_line_in_the_log() -> None:
    refusals = Refusals()
    assert refusals.add(delivery(), "not_json", NOW)
    assert refusals.add(delivery(), "no_value", NOW)
    assert not refusals.add(delivery(), "not_json", NOW)


@given(
    body=st.one_of(st.binary(max_size=400), st.text(max_size=400).map(str.encode)),
    address=st.text(max_size=255),
)
@example(body="Ω٣½".encode(), address="ЖⅣ७")
def test_no_letter_and_no_digit_of_a_message_is_kept(body: bytes, address: str) -> None:
    refusals = Refusals()
    refusals.add(delivery(body, address), "not_json", NOW)
    (refusal,) = refusals.last
    kept = {
        character
        for character in refusal.shape + refusal.address
        if character.isalnum()
    }
    assert kept <= {"x", "0"}
    assert refusal.size == len(body)
