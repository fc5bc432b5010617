"""Certificates that a form is given as files, and what becomes of them.

They are kept apart from the entry; it names those that there are, so that one that gets
lost is missed and never done without in silence.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from homeassistant.helpers.selector import (
    FileSelector,
    FileSelectorConfig,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import probatio

from ..form_fields import SECRET
from ..stream.certificate import (
    ClientCertificate,
    read_authorities,
    read_client_certificate,
)
from ..stream.errors import BadCertificateError
from ..stream.tls import Tls, client_context
from .base import Given

CONF_CERTIFICATE: Final = "client_certificate"
CONF_KEY: Final = "client_key"
CONF_KEY_PASSWORD: Final = "client_key_password"
CONF_AUTHORITY: Final = "ca_certificate"
CONF_FORGET: Final = "forget_files"
# Names what lies in the secret store: were it gone later, it must not be done without.
CONF_KEPT: Final = "kept_files"
FILES: Final = (CONF_CERTIFICATE, CONF_KEY, CONF_AUTHORITY)
# What the entry is not to keep as it was typed.
PASSING: Final = frozenset({*FILES, CONF_KEY_PASSWORD, CONF_FORGET})

CERTIFICATE = FileSelector(FileSelectorConfig(accept=".pem,.crt,.cer,.der,.p12,.pfx"))
KEY = FileSelector(FileSelectorConfig(accept=".pem,.key,.der"))
AUTHORITY = FileSelector(FileSelectorConfig(accept=".pem,.crt,.cer,.der"))


def client_fields() -> dict[probatio.Marker, Any]:
    """Return the fields for a certificate of one's own."""
    return {
        probatio.Optional(CONF_CERTIFICATE): CERTIFICATE,
        probatio.Optional(CONF_KEY): KEY,
        probatio.Optional(CONF_KEY_PASSWORD): SECRET,
    }


def authority_field() -> dict[probatio.Marker, Any]:
    """Return the field for the authority of the other side."""
    return {probatio.Optional(CONF_AUTHORITY): AUTHORITY}


def kept_files(names: list[str]) -> SelectSelector:
    """Ask which of the files that are kept to take away."""
    return SelectSelector(
        SelectSelectorConfig(
            options=names,
            multiple=True,
            mode=SelectSelectorMode.LIST,
            translation_key=CONF_FORGET,
        )
    )


def without_files(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of a form as an entry may keep them."""
    return {name: each for name, each in data.items() if name not in PASSING}


def secrets_of(given: Given, *, is_needed: bool) -> dict[str, str]:
    """Return what is to be kept, new files instead of old ones; blocks.

    Raises BadCertificateError, also for one that was kept, is gone, and `is_needed`.
    """
    passphrase = given.data.get(CONF_KEY_PASSWORD)
    forgotten = given.data.get(CONF_FORGET, [])
    secrets = {
        name: text for name, text in given.secrets.items() if name not in forgotten
    }
    certificate = given.files.get(CONF_CERTIFICATE)
    key = given.files.get(CONF_KEY)
    if certificate is not None or key is not None:
        read = read_client_certificate(
            certificate, key, passphrase, now=datetime.now(UTC)
        )
        secrets[CONF_CERTIFICATE] = read.pem
    if CONF_AUTHORITY in given.files:
        secrets[CONF_AUTHORITY] = read_authorities(given.files[CONF_AUTHORITY])
    missing = missing_files(given.data, (*secrets, *forgotten))
    if is_needed and missing:
        # To be done without only if the user says so.
        raise BadCertificateError(missing[0], "gone")
    return secrets


def missing_files(data: Mapping[str, Any], present: Collection[str]) -> list[str]:
    """Return which files were kept and are gone."""
    return [name for name in data.get(CONF_KEPT, []) if name not in present]


def tls_of(secrets: Mapping[str, str], *, is_needed: bool) -> Tls:
    """Make the context of a connection; reads files, for the executor."""
    if not is_needed:
        return Tls(context=None)
    pem = secrets.get(CONF_CERTIFICATE)
    certificate = None if pem is None else ClientCertificate(pem=pem)
    return Tls(
        context=client_context(certificate, secrets.get(CONF_AUTHORITY)),
        expires_at=None if certificate is None else certificate.expires_at,
    )
