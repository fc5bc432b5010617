"""Whether a notification comes from the tenant, in whichever writing its signature comes."""

import base64
import hashlib
import hmac

from hypothesis import given, strategies as st
import pytest

from custom_components.ev_streams.providers.ampeco.signature import is_signed
from simulator.ampeco import encoded, signature

BODY = b'{"notification":"BootNotification","url":"https:\\/\\/example.com"}'
TOKEN = "tenant-token"
# As `openssl dgst -sha256 -hmac tenant-token` says of the body.
DIGEST = bytes.fromhex(
    "00541ba3aacb4d3f85377cc36edf5bd736100e8be7d9365b2c450a23ec5b53c7"
)
STANDARD = base64.b64encode(DIGEST).decode()
URL_SAFE = base64.urlsafe_b64encode(DIGEST).decode()


@pytest.mark.parametrize(
    "header",
    [
        DIGEST.hex(),
        DIGEST.hex().upper(),
        f"  {DIGEST.hex()}\t",
        f"sha256={DIGEST.hex()}",
        f"SHA256= {DIGEST.hex()}",
        STANDARD,
        STANDARD.rstrip("="),
        URL_SAFE,
        URL_SAFE.rstrip("="),
        f"sha256={STANDARD}",
    ],
)
def test_a_good_signature_is_taken_in_any_writing(header: str) -> None:
    assert is_signed(BODY, header, TOKEN)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        DIGEST.hex()[:-2],
        DIGEST.hex() + "00",
        STANDARD[:-4],
        hmac.new(b"another", BODY, hashlib.sha256).hexdigest(),
        hmac.new(TOKEN.encode(), BODY + b" ", hashlib.sha256).hexdigest(),
        hashlib.sha256(BODY).hexdigest(),
        "é" * 64,
        "\ud800",
        "0" * 100_000,
    ],
)
def test_any_other_is_not(header: str | None) -> None:
    assert not is_signed(BODY, header, TOKEN)


def test_without_a_token_nothing_is_signed() -> None:
    empty = hmac.new(b"", BODY, hashlib.sha256).hexdigest()
    assert not is_signed(BODY, empty, "")


@given(st.binary(), st.one_of(st.none(), st.text()), st.text(min_size=1))
def test_no_header_breaks_it(body: bytes, header: str | None, token: str) -> None:
    assert is_signed(body, header, token) is False


@given(st.binary(), st.binary(min_size=1, max_size=64), st.booleans())
def test_every_byte_of_the_body_counts(
    body: bytes, more: bytes, is_base64: bool
) -> None:
    header = signature(body, TOKEN, is_base64=is_base64)
    assert is_signed(body, header, TOKEN)
    assert not is_signed(body + more, header, TOKEN)


def test_what_php_escapes_is_signed_as_it_is_written() -> None:
    body = encoded({"notification": "x", "url": "https://example.com/ü"})
    assert body == b'{"notification":"x","url":"https:\\/\\/example.com\\/\\u00fc"}'
    assert is_signed(body, signature(body, TOKEN), TOKEN)
