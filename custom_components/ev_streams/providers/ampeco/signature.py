"""Whether a webhook's body was signed with the API token of its subscription."""

import base64
import binascii
import hashlib
import hmac
from typing import Final

PREFIX: Final = "sha256="
# The longest form of a digest, with its prefix and room for blanks around it.
LONGEST: Final = 200
URL_SAFE: Final = str.maketrans("-_", "+/")


def is_signed(body: bytes, header: str | None, token: str) -> bool:
    """Whether the header is the HMAC-SHA256 of the raw body; never raises.

    The vendor does not say how the digest is written, so that hexadecimal and base64
    are both taken. The time in X-Timestamp is not a part of what is signed: an old
    body passes, and it is the ledger that makes nothing of it.
    """
    if not header or not token or len(header) > LONGEST:
        return False
    digest = hmac.new(
        token.encode("utf-8", "surrogatepass"), body, hashlib.sha256
    ).digest()
    claimed = header.strip()
    if claimed[: len(PREFIX)].lower() == PREFIX:
        claimed = claimed[len(PREFIX) :].strip()
    return any(
        hmac.compare_digest(digest, each) for each in (_hex(claimed), _base64(claimed))
    )


def _hex(text: str) -> bytes:
    try:
        return binascii.unhexlify(text)
    except ValueError:
        return b""


def _base64(text: str) -> bytes:
    """Return what is written in either alphabet, with or without padding."""
    bare = text.rstrip("=").translate(URL_SAFE)
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except ValueError:
        return b""
