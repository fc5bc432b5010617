"""A client certificate with its key: read from whatever it was handed over in, and checked.

Nothing here is asynchronous: it is for a thread.
"""

from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
import os
from pathlib import Path
import re
from ssl import SSLContext, SSLError
from tempfile import TemporaryDirectory
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from .errors import BadCertificateError

CERTIFICATE: Final = "client_certificate"
KEY: Final = "client_key"
PASSPHRASE: Final = "client_key_password"
AUTHORITY: Final = "ca_certificate"

LARGEST: Final = 64 * 1024
KEY_BLOCK: Final = re.compile(
    rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL
)
# What the library raises for bytes that are not what they should be.
UNREADABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm)


@dataclass(frozen=True, kw_only=True)
class ClientCertificate:
    """A certificate, the authorities between it and the root, and its key, all as PEM."""

    pem: str

    def __repr__(self) -> str:
        """Keep the key out of logs and tracebacks."""
        return "ClientCertificate()"

    @property
    def subject(self) -> str:
        """Return the common name of whom it was made for, "" for none."""
        return _common_name(self._leaf.subject)

    @property
    def issuer(self) -> str:
        """Return the common name of who signed it, "" for none."""
        return _common_name(self._leaf.issuer)

    @property
    def not_before(self) -> datetime:
        """Return from when on it is valid (aware UTC)."""
        return self._leaf.not_valid_before_utc

    @property
    def expires_at(self) -> datetime:
        """Return until when it is valid (aware UTC)."""
        return self._leaf.not_valid_after_utc

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of the certificate, in hexadecimal."""
        return self._leaf.fingerprint(hashes.SHA256()).hex()

    @cached_property
    def _leaf(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.pem.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Material:
    """What a file holds: certificates in their order, and a key."""

    certificates: tuple[x509.Certificate, ...] = ()
    key: PrivateKeyTypes | None = None


def read_client_certificate(
    certificate: bytes | None,
    key: bytes | None,
    passphrase: str | None,
    *,
    now: datetime,
) -> ClientCertificate:
    """Read a PEM or DER pair, one PEM file with both, or PKCS#12; raises BadCertificateError.

    A passphrase that nothing needs is left alone. `now` (aware) decides on validity.
    """
    secret = passphrase.encode() if passphrase else None
    files = [
        _read(content, field, secret)
        for field, content in ((CERTIFICATE, certificate), (KEY, key))
        if content is not None
    ]
    certificates = [each for file in files for each in file.certificates]
    keys = [file.key for file in files if file.key is not None]
    if not certificates:
        raise BadCertificateError(CERTIFICATE, "unreadable")
    if not keys:
        raise BadCertificateError(KEY, "key_missing")
    leaf = _certificate_of(keys[-1], certificates)
    if leaf.not_valid_after_utc <= now:
        raise BadCertificateError(CERTIFICATE, "expired")
    if leaf.not_valid_before_utc > now:
        raise BadCertificateError(CERTIFICATE, "not_yet_valid")
    others = [each for each in certificates if each != leaf]
    parts = [each.public_bytes(serialization.Encoding.PEM) for each in (leaf, *others)]
    parts.append(
        keys[-1].private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return ClientCertificate(pem=b"".join(parts).decode())


def read_authorities(content: bytes) -> str:
    """Return one or many certificates of authorities as PEM; raises BadCertificateError."""
    certificates = _certificates(_bounded(content, AUTHORITY))
    if not certificates:
        raise BadCertificateError(AUTHORITY, "unreadable")
    parts = [each.public_bytes(serialization.Encoding.PEM) for each in certificates]
    return b"".join(parts).decode()


def load_client_certificate(
    context: SSLContext, certificate: ClientCertificate
) -> None:
    """Let a context show the certificate; raises BadCertificateError.

    Python takes it from a file only: one in memory, where the system has such.
    """
    try:
        memory = os.memfd_create("client certificate")
    except AttributeError, OSError:
        _load_from_disk(context, certificate)
        return
    with closing(os.fdopen(memory, "wb")) as file:
        file.write(certificate.pem.encode())
        file.flush()
        path = f"/proc/self/fd/{memory}"
        if Path(path).exists():
            _load(context, path)
            return
    _load_from_disk(context, certificate)


def _load_from_disk(context: SSLContext, certificate: ClientCertificate) -> None:
    """Use a file that nobody else may read, and that is gone at once."""
    with TemporaryDirectory() as directory:
        file = Path(directory, "certificate.pem")
        file.touch(mode=0o600)
        file.write_text(certificate.pem)
        _load(context, str(file))


def _load(context: SSLContext, path: str) -> None:
    try:
        # Without a function to ask, OpenSSL asks on the terminal and waits for somebody.
        context.load_cert_chain(path, password=lambda: "")
    except (SSLError, OSError) as err:
        raise BadCertificateError(CERTIFICATE, "unreadable") from err


def _bounded(content: bytes, field: str) -> bytes:
    if len(content) > LARGEST:
        raise BadCertificateError(field, "too_large")
    return content


def _read(content: bytes, field: str, passphrase: bytes | None) -> _Material:
    """Read one file, whatever it is; an unreadable one is told of."""
    _bounded(content, field)
    if b"-----BEGIN " in content:
        found = _Material(
            certificates=tuple(_certificates(content)),
            key=_key_of_pem(content, passphrase),
        )
    else:
        found = _read_binary(content, passphrase)
    if not found.certificates and found.key is None:
        raise BadCertificateError(field, "unreadable")
    return found


def _read_binary(content: bytes, passphrase: bytes | None) -> _Material:
    """Read DER or PKCS#12."""
    certificates = _certificates(content)
    if certificates:
        return _Material(certificates=tuple(certificates))
    is_encrypted = False
    try:
        return _Material(key=serialization.load_der_private_key(content, passphrase))
    except TypeError as err:
        # Either it needs a passphrase, or has none although one is given.
        is_encrypted = "not given" in str(err)
    except UNREADABLE:
        pass
    with suppress(*UNREADABLE):
        return _Material(key=serialization.load_der_private_key(content, None))
    return _read_pkcs12(content, passphrase, is_encrypted=is_encrypted)


def _read_pkcs12(
    content: bytes, passphrase: bytes | None, *, is_encrypted: bool
) -> _Material:
    for secret in dict.fromkeys((passphrase, None, b"")):
        with suppress(*UNREADABLE):
            bag = pkcs12.load_pkcs12(content, secret)
            own = [bag.cert.certificate] if bag.cert is not None else []
            others = [each.certificate for each in bag.additional_certs]
            return _Material(certificates=(*own, *others), key=bag.key)
    # PKCS#12, an encrypted key, or noise: all begin with an ASN.1 sequence but the last.
    if is_encrypted or content[:1] == b"\x30":
        reason = "passphrase_wrong" if passphrase else "passphrase_missing"
        raise BadCertificateError(PASSPHRASE, reason)
    return _Material()


def _certificates(content: bytes) -> Sequence[x509.Certificate]:
    with suppress(*UNREADABLE):
        return x509.load_pem_x509_certificates(content)
    with suppress(*UNREADABLE):
        return [x509.load_der_x509_certificate(content)]
    return []


def _key_of_pem(content: bytes, passphrase: bytes | None) -> PrivateKeyTypes | None:
    """Return the key that stands in a text, wherever; None without any."""
    block = KEY_BLOCK.search(content)
    if block is None:
        return None
    is_encrypted = b"ENCRYPTED" in block[0]
    if is_encrypted and not passphrase:
        raise BadCertificateError(PASSPHRASE, "passphrase_missing")
    try:
        return serialization.load_pem_private_key(
            block[0], passphrase if is_encrypted else None
        )
    except UNREADABLE as err:
        if is_encrypted:
            raise BadCertificateError(PASSPHRASE, "passphrase_wrong") from err
        raise BadCertificateError(KEY, "unreadable") from err


def _certificate_of(
    key: PrivateKeyTypes, certificates: Sequence[x509.Certificate]
) -> x509.Certificate:
    """Return the one that was made for the key, wherever it stands."""
    own = _public_bytes(key.public_key())
    for certificate in certificates:
        with suppress(*UNREADABLE):
            if _public_bytes(certificate.public_key()) == own:
                return certificate
    raise BadCertificateError(KEY, "key_mismatch")


def _public_bytes(key: object) -> bytes:
    encoded: bytes = key.public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""
