"""What tells who drives which vehicle, or where it is: none of it goes on.

The members of an event are not all known, so that names are judged by their words.
"""

from collections.abc import Iterator
from functools import lru_cache
import re
from typing import Final

# A member is personal where one of its name's words is.
PERSONAL_WORDS: Final = frozenset(
    {
        *("vin", "plate", "plates", "iccid", "imei", "imsi", "msisdn", "phone"),
        *("driver", "user", "customer", "renter", "person", "owner", "employee"),
        *("email", "mail", "address", "birthday", "rfid", "token", "tag", "pin"),
        *("password", "secret", "keycode", "signature"),
        *("iban", "bank", "card", "contract", "account", "payment", "invoice"),
        *("position", "positions", "location", "geo", "coordinates", "polyline"),
        *("lat", "lon", "lng", "latitude", "longitude", "street", "city", "zip"),
    }
)
# These are worth finding wherever else they were written, as in a vehicle's own name.
IDENTIFYING_WORDS: Final = frozenset({"vin", "plate", "plates"})
# Shorter ones are found in texts that have nothing to do with them.
SHORTEST_IDENTIFIER: Final = 4
# JSON that nests deeper says nothing; walking it would end the interpreter's patience.
DEEPEST: Final = 32
# The same names come in every event.
NAMES_KEPT: Final = 1024
WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
VIN_LENGTH: Final = 17
VIN: Final = re.compile(r"(?<![A-Z0-9])(?=[A-Z]*[0-9])[A-HJ-NPR-Z0-9]{17}(?![A-Z0-9])")


@lru_cache(maxsize=NAMES_KEPT)
def is_personal(name: str) -> bool:
    """Whether a member of that name is nobody else's business."""
    return not PERSONAL_WORDS.isdisjoint(_words(name))


def identifiers(value: object, depth: int = 0) -> Iterator[str]:
    """Yield every VIN and licence plate that is told anywhere, letters and digits only."""
    if depth == DEEPEST:
        return
    if isinstance(value, list):
        for each in value:
            yield from identifiers(each, depth + 1)
    elif isinstance(value, dict):
        for name, each in value.items():
            if _is_identifying(name):
                yield from _texts(each, depth + 1)
            else:
                yield from identifiers(each, depth + 1)


def tells(text: str, known: frozenset[str]) -> bool:
    """Whether a text contains one of the known identifiers, or what looks like a VIN."""
    if len(text) >= VIN_LENGTH and VIN.search(text.upper()) is not None:
        return True
    return bool(known) and any(each in _bare(text) for each in known)


def without_personal(value: object, known: frozenset[str], depth: int = 0) -> object:
    """Return a copy of what JSON says, without what is personal."""
    if depth == DEEPEST:
        return None
    if isinstance(value, list):
        return [without_personal(each, known, depth + 1) for each in value]
    if isinstance(value, dict):
        return {
            name: without_personal(each, known, depth + 1)
            for name, each in value.items()
            if not is_personal(name) and not tells(name, known)
        }
    if isinstance(value, str) and tells(value, known):
        return None
    return value


def _texts(value: object, depth: int) -> Iterator[str]:
    """Yield the texts below a member, be it a property or a bare value."""
    if depth == DEEPEST:
        return
    if isinstance(value, str):
        bare = _bare(value)
        if len(bare) >= SHORTEST_IDENTIFIER:
            yield bare
    elif isinstance(value, dict):
        yield from _texts(value.get("value"), depth + 1)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, depth + 1)


@lru_cache(maxsize=NAMES_KEPT)
def _is_identifying(name: str) -> bool:
    return not IDENTIFYING_WORDS.isdisjoint(_words(name))


def _words(name: str) -> set[str]:
    return {word.lower() for word in WORD.findall(name)}


def _bare(text: str) -> str:
    """Return letters and digits only: plates are written with and without spaces."""
    return "".join(filter(str.isalnum, text)).upper()
