"""Bodies without the people in them: content is shown, kept for a while and mapped."""

from collections.abc import Mapping
from functools import lru_cache
import re
from typing import Final

# A body nests a few levels; the writer of JSON goes no deeper than 254.
DEEPEST: Final = 16

# Members that are, hold or name a person or what identifies one, without signs and
# in lower case: whole names, and parts that no harmless name has in it.
PEOPLE: Final = frozenset(
    {
        *(
            "user",
            "users",
            "customer",
            "client",
            "driver",
            "owner",
            "person",
            "contact",
        ),
        *("subscriber", "account", "employee", "member", "createdby", "updatedby"),
        *("reporter", "raisedby", "assignee", "userid", "uid", "pin", "vin", "evccid"),
        *("identification", "identifications", "identifier", "address", "birthday"),
        *("macaddress", "emaid", "contractid", "iban", "latitude", "longitude"),
    }
)
PERSONAL_PART: Final = re.compile(
    r"""
    e?mail | phone | gsm | firstname | lastname | fullname | middlename | surname
    | familyname | givenname | username | nickname | (user|customer|client|driver)(id|name)
    | (owner|person|contact|subscriber|member)(id|name) | login | birth
    | token | rfid | idtag | cardnumber | cardid | identification | authid
    | plate | registrationn | licen[cs]e | password | secret | apikey | payment | invoice
    | pincode | iccid | imsi | imei | address | bank | creditcard
    | position | coordinate | vehicleid | evcc
    """,
    re.VERBOSE,
)


def without_people(
    body: Mapping[str, object], depth: int = DEEPEST
) -> dict[str, object]:
    """Return a copy without personal members, whatever they hold and however deep they lie."""
    return {
        name: _cleaned(value, depth - 1)
        for name, value in body.items()
        if not is_personal(name)
    }


@lru_cache(maxsize=2000)
def is_personal(name: str) -> bool:
    """Whether a member of that name is about a person."""
    plain = re.sub(r"[\W_]", "", name.lower())
    return plain in PEOPLE or PERSONAL_PART.search(plain) is not None


def _cleaned(value: object, depth: int) -> object:
    if not isinstance(value, dict | list):
        return value
    if depth <= 0:
        return None
    if isinstance(value, list):
        return [_cleaned(each, depth - 1) for each in value]
    return without_people(value, depth)
