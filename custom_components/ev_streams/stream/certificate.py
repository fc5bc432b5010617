"""A client certificate with its key: read from whatever it was handed over in, and checked.

Nothing here is asynchronous: it is for a thread.
"""

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
import os
from pathlib import Path
import re
from ssl import PROTOCOL_TLS_CLIENT, SSLContext, SSLError
from tempfile import TemporaryDirectory
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
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
UNREADABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)


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
    def expires_at(self) -> datetime:
        """Return until when it is valid (aware UTC)."""
        return self._leaf.not_valid_after_utc

    @cached_property
    def _leaf(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.pem.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Material:
    """What a file holds: certificates and keys, each in their order."""

    certificates: tuple[x509.Certificate, ...] = ()
    keys: tuple[PrivateKeyTypes, ...] = ()


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
    secret = passphrase.encode(errors="replace") if passphrase else None
    files = [
        _read(content, field, secret)
        for field, content in ((CERTIFICATE, certificate), (KEY, key))
        if content is not None
    ]
    certificates = [each for file in files for each in file.certificates]
    # A key that was given apart is meant, even where one lies with the certificate.
    keys = next((file.keys for file in reversed(files) if file.keys), ())
    if not certificates:
        raise BadCertificateError(CERTIFICATE, "unreadable")
    if not keys:
        raise BadCertificateError(KEY, "key_missing")
    leaf, own = _pair(keys, certificates, now)
    if leaf.not_valid_after_utc <= now:
        raise BadCertificateError(CERTIFICATE, "expired")
    if leaf.not_valid_before_utc > now:
        raise BadCertificateError(CERTIFICATE, "not_yet_valid")
    pem = own.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    return ClientCertificate(pem=_pem(_chain(leaf, certificates)) + pem)


def read_authorities(content: bytes) -> str:
    """Return one or many certificates of authorities as PEM; raises BadCertificateError."""
    certificates = _certificates(_plain(_bounded(content, AUTHORITY)))
    if not certificates:
        raise BadCertificateError(AUTHORITY, "unreadable")
    authorities = _pem(certificates)
    try:
        # It is another OpenSSL that has to understand them in the end.
        SSLContext(PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=authorities)
    except SSLError as err:
        raise BadCertificateError(AUTHORITY, "unreadable") from err
    return authorities


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
    content = _plain(_bounded(content, field))
    if b"-----BEGIN " in content:
        found = _Material(
            certificates=tuple(_certificates(content)),
            keys=tuple(_keys_of_pem(content, passphrase)),
        )
    else:
        found = _read_binary(content, passphrase)
    if not found.certificates and not found.keys:
        raise BadCertificateError(field, "unreadable")
    return found


def _read_binary(content: bytes, passphrase: bytes | None) -> _Material:
    """Read DER or PKCS#12."""
    certificates = _certificates(content)
    if certificates:
        return _Material(certificates=tuple(certificates))
    key = _private_key(serialization.load_der_private_key, content, passphrase)
    return _read_pkcs12(content, passphrase) if key is None else _Material(keys=(key,))


def _read_pkcs12(content: bytes, passphrase: bytes | None) -> _Material:
    for secret in dict.fromkeys((passphrase, None, b"")):
        try:
            bag = pkcs12.load_pkcs12(content, secret)
        except UNREADABLE as err:
            # It has no other way to tell what is none from what stays closed.
            if "deserialize" in str(err):
                return _Material()
            continue
        own = [] if bag.cert is None else [bag.cert]
        with suppress(*UNREADABLE):
            found = [_whole(each.certificate) for each in (*own, *bag.additional_certs)]
            keys = () if bag.key is None else (bag.key,)
            return _Material(certificates=tuple(found), keys=keys)
        return _Material()
    raise BadCertificateError(PASSPHRASE, _closed(passphrase))


def _pem(certificates: Iterable[x509.Certificate]) -> str:
    parts = [each.public_bytes(serialization.Encoding.PEM) for each in certificates]
    return b"".join(parts).decode()


def _certificates(content: bytes) -> Sequence[x509.Certificate]:
    if content.count(b"-----BEGIN ") != content.count(b"-----END "):
        # A file that was cut off lacks a certificate that nobody would miss until later.
        return []
    with suppress(*UNREADABLE):
        return [_whole(each) for each in x509.load_pem_x509_certificates(content)]
    with suppress(*UNREADABLE):
        return [_whole(x509.load_der_x509_certificate(content))]
    return []


def _whole(certificate: x509.Certificate) -> x509.Certificate:
    """Return it if its names can be read too, which are not looked at before they are asked for."""
    for name in (certificate.subject, certificate.issuer):
        _common_name(name)
    return certificate


def _plain(content: bytes) -> bytes:
    """Return a text as ASCII where an editor of Windows has made UTF-16 of it."""
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return content.decode("utf-16", "replace").encode("ascii", "replace")
    return content


def _keys_of_pem(content: bytes, passphrase: bytes | None) -> Iterator[PrivateKeyTypes]:
    """Return the keys that stand in a text, wherever."""
    for block in KEY_BLOCK.finditer(content):
        key = _private_key(serialization.load_pem_private_key, block[0], passphrase)
        if key is None:
            raise BadCertificateError(KEY, "unreadable")
        yield key


def _private_key(
    load: Callable[[bytes, bytes | None], PrivateKeyTypes],
    content: bytes,
    passphrase: bytes | None,
) -> PrivateKeyTypes | None:
    """Return the key, None where there is none; a passphrase that it does not need is left alone."""
    try:
        return load(content, None)
    except TypeError:
        # So the library says that it is encrypted.
        pass
    except UNREADABLE:
        return None
    with suppress(*UNREADABLE):
        if passphrase:
            return load(content, passphrase)
    raise BadCertificateError(PASSPHRASE, _closed(passphrase))


def _closed(passphrase: bytes | None) -> str:
    return "passphrase_wrong" if passphrase else "passphrase_missing"


def _pair(
    keys: Sequence[PrivateKeyTypes],
    certificates: Sequence[x509.Certificate],
    now: datetime,
) -> tuple[x509.Certificate, PrivateKeyTypes]:
    """Return the first key that a certificate was made for, with the best such certificate.

    A renewed one may have the key of the old one, which is then in the file as well.
    """
    for key in keys:
        made = [each for each in certificates if _is_made_for(key, each)]
        if made:
            begun = [each for each in made if each.not_valid_before_utc <= now]
            return max(begun or made, key=lambda each: each.not_valid_after_utc), key
    raise BadCertificateError(KEY, "key_mismatch")


def _is_made_for(key: PrivateKeyTypes, certificate: x509.Certificate) -> bool:
    with suppress(*UNREADABLE):
        return _public_bytes(certificate.public_key()) == _public_bytes(
            key.public_key()
        )
    return False


def _chain(
    leaf: x509.Certificate, certificates: Sequence[x509.Certificate]
) -> list[x509.Certificate]:
    """Return the certificate and who vouches for it, in the order that TLS asks for.

    What vouches for none of them is somebody else's, or an older one.
    """
    chain = [leaf]
    for signed in chain:
        chain += [
            each
            for each in dict.fromkeys(certificates)
            if each.subject == signed.issuer and each not in chain
        ]
    return chain


def _public_bytes(key: object) -> bytes:
    encoded: bytes = key.public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""
