"""What of a notification is about people, and is left out before anybody can keep it."""

from collections.abc import Mapping
import re
from typing import Final

from .facts import TELLABLE
from .notifications import newest_name

# Real notifications nest far less; what is deeper is cut off.
DEEPEST: Final = 16
SEPARATORS: Final = re.compile(r"[\W_]+")

# Compared without case and separators: the vendor writes camel case and snake case.
NAMES: Final = frozenset(
    {
        *("pin", "vin", "name", "authorization", "externalappdata", "position"),
        *("emaid", "contractid", "evcoid", "iccid", "imsi", "location"),
        *("city", "zip", "zipcode", "postcode", "lat", "lon", "lng", "plate"),
        *("updatedbalance", "vatnumber", "vatid", "taxnumber", "taxid"),
    }
)
PARTS: Final = (
    *("user", "password", "token", "secret", "email", "phone", "rfid", "payment"),
    *("card", "iban", "invoice", "address", "street", "latitude", "longitude", "geo"),
    *("coordinates", "firstname", "lastname", "fullname", "birth", "licenseplate"),
    *("licenceplate", "bank", "postalcode"),
    *("driver", "owner", "customer", "idtag", "apikey"),
)
# A number of an object, though its name looks like a token's.
HARMLESS: Final = frozenset({"idtagsid"})
# Objects with a name that is no person's.
THINGS: Final = frozenset({"chargepoint", "evses", "connectors", "tariff", "circuit"})

# These are about people or money: of their shape only what is listed is let through.
OF_PEOPLE: Final = frozenset(
    {
        "UserChangedNotification",
        "user.invoiceDetails.changed",
        "user.paymentMethod.changed",
        "user.subscription.changed",
        "userBalance.changed",
        "SubOperatorChangedNotification",
        "partner.changed",
        "partnerInvite.changed",
        "transaction.changed",
        "settlementReport.created",
        "installerJob.changed",
        "idTag.changed",
    }
)


def without_personal(name: str, body: Mapping[str, object]) -> dict[str, object]:
    """Return the notification's body without what is personal in it.

    Left out rather than blanked, so that nobody maps a field that says nothing.
    """
    if newest_name(name) in OF_PEOPLE:
        return {
            key: body[key] for key in body if key in TELLABLE and _is_short(body[key])
        }
    return {
        key: _cleaned(value, DEEPEST, _plain(key))
        for key, value in body.items()
        if not _is_personal(key, "")
    }


def _cleaned(value: object, depth: int, owner: str) -> object:
    if not isinstance(value, dict | list):
        return value
    if not depth:
        return None
    if isinstance(value, list):
        return [_cleaned(each, depth - 1, owner) for each in value]
    return {
        key: _cleaned(each, depth - 1, _plain(key))
        for key, each in value.items()
        if not _is_personal(key, owner)
    }


def _is_personal(key: str, owner: str) -> bool:
    plain = _plain(key)
    if plain in HARMLESS or (plain == "name" and owner in THINGS):
        return False
    return plain in NAMES or any(part in plain for part in PARTS)


def _plain(key: str) -> str:
    return SEPARATORS.sub("", key).lower()


def _is_short(value: object) -> bool:
    return not isinstance(value, dict | list)
