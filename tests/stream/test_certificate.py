"""A client certificate is read in whatever it was handed over, and nothing wrong gets through."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
import fcntl
import os
from pathlib import Path
import pty
import ssl
import subprocess
import sys
import tempfile
import termios
from types import SimpleNamespace

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import pkcs12
from hypothesis import given, settings, strategies as st
import pytest

from custom_components.ev_streams.stream.certificate import (
    ClientCertificate,
    load_client_certificate,
    read_authorities,
    read_client_certificate,
)
from custom_components.ev_streams.stream.errors import BadCertificateError
from simulator.certificates import Authority, Identity

NOW = datetime.now(UTC)
AUTHORITY = Authority()
IDENTITY = AUTHORITY.client("UID-1")
RSA = AUTHORITY.client("UID-1", rsa_key=True)
STRANGER = AUTHORITY.client("y")
PASSPHRASE = "correct horse"

type StrPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]
type Password = Callable[[], str | bytes | bytearray] | str | bytes | bytearray
type Files = Callable[[Identity], tuple[bytes | None, bytes | None, str | None]]


def traditional(identity: Identity) -> bytes:
    """The key in the older format, whose encryption stands in its header."""
    return identity.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(PASSPHRASE.encode()),
    )


FORMS: dict[str, Files] = {
    "pair": lambda i: (i.pem(), i.key_pem(), None),
    "pair, saved by an editor of Windows": lambda i: (
        i.pem().decode().encode("utf-16"),
        i.key_pem().decode().encode("utf-16"),
        None,
    ),
    "pair, the wrong way round": lambda i: (i.key_pem(), i.pem(), None),
    "pair, passphrase for nothing": lambda i: (i.pem(), i.key_pem(), "unused"),
    "combined": lambda i: (i.pem() + i.key_pem(), None, None),
    "combined, key first": lambda i: (i.key_pem() + i.pem(), None, None),
    "chain first": lambda i: (AUTHORITY.pem() + i.pem() + i.key_pem(), None, None),
    "encrypted key": lambda i: (i.pem(), i.key_pem(PASSPHRASE), PASSPHRASE),
    "older encrypted key": lambda i: (i.pem(), traditional(i), PASSPHRASE),
    "two keys": lambda i: (i.pem(), STRANGER.key_pem() + i.key_pem(), None),
    "two pairs": lambda i: (
        STRANGER.pem() + STRANGER.key_pem() + i.pem(),
        i.key_pem(),
        None,
    ),
    "binary": lambda i: (i.der(), i.key_der(), None),
    "binary, passphrase for nothing": lambda i: (i.der(), i.key_der(), "unused"),
    "binary, encrypted": lambda i: (i.der(), i.key_der(PASSPHRASE), PASSPHRASE),
    "PKCS#12": lambda i: (i.pkcs12(PASSPHRASE), None, PASSPHRASE),
    "PKCS#12 without passphrase": lambda i: (i.pkcs12(), None, None),
    "PKCS#12, passphrase for nothing": lambda i: (i.pkcs12(), None, "unused"),
    "PKCS#12 as the key": lambda i: (None, i.pkcs12(PASSPHRASE), PASSPHRASE),
}


@pytest.mark.parametrize("identity", [IDENTITY, RSA], ids=["elliptic", "RSA"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read(form: str, identity: Identity) -> None:
    certificate, key, passphrase = FORMS[form](identity)
    read = read_client_certificate(certificate, key, passphrase, now=NOW)
    loaded = x509.load_pem_x509_certificates(read.pem.encode())
    assert loaded[0] == identity.certificate
    own = serialization.load_pem_private_key(
        read.pem[read.pem.index("-----BEGIN PRIVATE") :].encode(), None
    )
    assert own.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) == (identity.key_der())


def test_authorities_in_between_are_kept() -> None:
    read = read_client_certificate(IDENTITY.pkcs12(), None, None, now=NOW)
    assert x509.load_pem_x509_certificates(read.pem.encode()) == [
        IDENTITY.certificate,
        AUTHORITY.certificate,
    ]


def certificate_for(
    key: ed25519.Ed25519PrivateKey,
    name: str,
    issuer: str,
    issuer_key: ed25519.Ed25519PrivateKey,
    *,
    days: tuple[int, int] = (-1, 9),
) -> bytes:
    """A certificate that is valid within these days from now."""
    subject, signer = (
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, each)])
        for each in (name, issuer)
    )
    begin, end = (NOW + timedelta(days=each) for each in days)
    certificate = x509.CertificateBuilder(
        signer, subject, key.public_key(), x509.random_serial_number(), begin, end
    ).sign(issuer_key, None)
    return certificate.public_bytes(serialization.Encoding.PEM)


def plain(key: ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def test_the_chain_stands_in_the_order_of_tls() -> None:
    """Once each, and nothing that vouches for none of it."""
    root, middle, leaf = (ed25519.Ed25519PrivateKey.generate() for _ in range(3))
    own = certificate_for(leaf, "own", "middle", middle)
    between = certificate_for(middle, "middle", "root", root)
    top = certificate_for(root, "root", "root", root)
    files = top + between + STRANGER.pem() + own + between
    read = read_client_certificate(files, own + plain(leaf), None, now=NOW)
    assert read.pem.encode() == own + between + top + plain(leaf)
    load_client_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), read)


@pytest.mark.parametrize(
    ("others", "chosen"), [([(-9, -1)], 1), ([(-9, -1), (2, 99)], 1), ([(-2, 2)], 1)]
)
def test_a_renewed_certificate_may_have_the_key_of_the_old_one(
    others: list[tuple[int, int]], chosen: int
) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    files = [
        certificate_for(key, "own", "root", key, days=days)
        for days in [others[0], (-1, 9), *others[1:]]
    ]
    read = read_client_certificate(b"".join(files), plain(key), None, now=NOW)
    assert read.pem.encode() == files[chosen] + plain(key)


def test_it_is_told_what_a_certificate_is() -> None:
    read = read_client_certificate(IDENTITY.pem(), IDENTITY.key_pem(), None, now=NOW)
    assert read.subject == "UID-1"
    assert read.issuer == "Simulator CA"
    assert read.expires_at == IDENTITY.certificate.not_valid_after_utc
    assert "PRIVATE" not in repr(read)


EXPIRED = AUTHORITY.client(
    "x", valid_from=NOW - timedelta(days=9), valid_until=NOW - timedelta(seconds=1)
)
EARLY = AUTHORITY.client(
    "x", valid_from=NOW + timedelta(hours=1), valid_until=NOW + timedelta(days=9)
)
REQUEST = (
    x509.CertificateSigningRequestBuilder()
    .subject_name(x509.Name([]))
    .sign(IDENTITY.key, hashes.SHA256())
)
SIGNING_REQUEST = REQUEST.public_bytes(serialization.Encoding.PEM)
REQUEST_DER = REQUEST.public_bytes(serialization.Encoding.DER)
PUBLIC_KEY, PUBLIC_KEY_DER = (
    IDENTITY.key.public_key().public_bytes(
        encoding, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER)
)
BROKEN_KEY = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("certificate", "key", "passphrase", "field", "reason"),
    [
        (IDENTITY.pem(), None, None, "client_key", "key_missing"),
        (IDENTITY.der(), None, None, "client_key", "key_missing"),
        (None, IDENTITY.key_pem(), None, "client_certificate", "unreadable"),
        (
            IDENTITY.pem(),
            STRANGER.key_pem(),
            None,
            "client_key",
            "key_mismatch",
        ),
        (
            IDENTITY.pem(),
            IDENTITY.key_pem(PASSPHRASE),
            None,
            "client_key_password",
            "passphrase_missing",
        ),
        (
            IDENTITY.pem(),
            IDENTITY.key_pem(PASSPHRASE),
            "wrong",
            "client_key_password",
            "passphrase_wrong",
        ),
        (
            IDENTITY.der(),
            IDENTITY.key_der(PASSPHRASE),
            None,
            "client_key_password",
            "passphrase_missing",
        ),
        (
            IDENTITY.pkcs12(PASSPHRASE),
            None,
            None,
            "client_key_password",
            "passphrase_missing",
        ),
        (
            IDENTITY.pkcs12(PASSPHRASE),
            None,
            "wrong",
            "client_key_password",
            "passphrase_wrong",
        ),
        (
            IDENTITY.pem() + IDENTITY.key_pem(),
            STRANGER.key_pem(),
            None,
            "client_key",
            "key_mismatch",
        ),
        (
            EXPIRED.pem(),
            EXPIRED.key_pem(),
            None,
            "client_certificate",
            "expired",
        ),
        (
            EARLY.pem(),
            EARLY.key_pem(),
            None,
            "client_certificate",
            "not_yet_valid",
        ),
        (b"", IDENTITY.key_pem(), None, "client_certificate", "unreadable"),
        (b"holiday", None, None, "client_certificate", "unreadable"),
        (SIGNING_REQUEST, None, None, "client_certificate", "unreadable"),
        (PUBLIC_KEY, None, None, "client_certificate", "unreadable"),
        (IDENTITY.pem(), BROKEN_KEY, None, "client_key", "unreadable"),
        (IDENTITY.pem(), b"holiday", None, "client_key", "unreadable"),
        (REQUEST_DER, None, None, "client_certificate", "unreadable"),
        (IDENTITY.der()[:-9], None, "unused", "client_certificate", "unreadable"),
        (IDENTITY.pem(), PUBLIC_KEY_DER, None, "client_key", "unreadable"),
        (IDENTITY.pem(), IDENTITY.key_der()[:-9], None, "client_key", "unreadable"),
        (IDENTITY.pkcs12()[:-9], None, PASSPHRASE, "client_certificate", "unreadable"),
        (b"0 points", None, None, "client_certificate", "unreadable"),
        (
            IDENTITY.pem() + AUTHORITY.pem()[:-40],
            IDENTITY.key_pem(),
            None,
            "client_certificate",
            "unreadable",
        ),
        (
            IDENTITY.pem(),
            IDENTITY.key_pem(PASSPHRASE),
            "\ud800",
            "client_key_password",
            "passphrase_wrong",
        ),
        (b"x" * 70_000, None, None, "client_certificate", "too_large"),
        (IDENTITY.pem(), b"x" * 70_000, None, "client_key", "too_large"),
    ],
    # Their bytes are others in each process.
    ids=map(str, range(28)),
)
def test_what_is_wrong_is_told_where_it_is(
    certificate: bytes | None,
    key: bytes | None,
    passphrase: str | None,
    field: str,
    reason: str,
) -> None:
    with pytest.raises(BadCertificateError) as caught:
        read_client_certificate(certificate, key, passphrase, now=NOW)
    assert caught.value.wrong_field == (field, reason)
    assert caught.value.form_error == "bad_certificate"
    assert "wrong" not in str(caught.value).replace("passphrase_wrong", "")


def test_other_kinds_of_keys_are_told_as_a_mismatch() -> None:
    other = plain(ed25519.Ed25519PrivateKey.generate())
    with pytest.raises(BadCertificateError) as caught:
        read_client_certificate(IDENTITY.pem(), other, None, now=NOW)
    assert caught.value.wrong_field == ("client_key", "key_mismatch")


@given(st.binary(max_size=300), st.none() | st.text(max_size=10))
@settings(deadline=None)
def test_no_bytes_make_it_fail_in_another_way(
    content: bytes, passphrase: str | None
) -> None:
    for key in (None, content, IDENTITY.key_pem()):
        with pytest.raises(BadCertificateError):
            read_client_certificate(content, key, passphrase, now=NOW)


@given(st.integers(0, 3000), st.integers(1, 200))
@settings(deadline=None, max_examples=50)
def test_a_damaged_file_is_read_or_refused(start: int, length: int) -> None:
    whole = IDENTITY.pem() + IDENTITY.key_pem()
    damaged = whole[:start] + whole[start + length :]
    try:
        read = read_client_certificate(damaged, None, None, now=NOW)
    except BadCertificateError:
        return
    assert x509.load_pem_x509_certificate(read.pem.encode()) == IDENTITY.certificate


BINARIES = {
    "certificate": IDENTITY.der(),
    "key": IDENTITY.key_der(),
    "PKCS#12": IDENTITY.pkcs12(),
    "signing request": REQUEST_DER,
}


@pytest.mark.filterwarnings("ignore")  # The library has doubts about much of this.
@pytest.mark.parametrize("kind", BINARIES)
@given(
    at=st.integers(0, 2000),
    byte=st.integers(0, 255) | st.sampled_from([0, 2, 5, 48]),
)
@settings(deadline=None, max_examples=300)
def test_a_changed_byte_is_read_or_refused(kind: str, at: int, byte: int) -> None:
    """What is read can be described and used, however late the library looks at it."""
    whole = BINARIES[kind]
    at %= len(whole)
    changed = whole[:at] + bytes([byte]) + whole[at + 1 :]
    with suppress(BadCertificateError):
        read = read_client_certificate(changed, IDENTITY.key_pem(), None, now=NOW)
        assert isinstance(read.subject + read.issuer, str)
        assert read.expires_at > NOW
        load_client_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), read)
    with suppress(BadCertificateError):
        read_client_certificate(IDENTITY.der(), changed, None, now=NOW)
    with suppress(BadCertificateError):
        authorities = read_authorities(changed)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(
            cadata=authorities
        )


def of_version_6(der: bytes) -> bytes:
    """The certificate, as one of a version that does not exist."""
    assert der.count(b"\xa0\x03\x02\x01\x02") == 1
    return der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05")


def with_an_illegible_name(der: bytes) -> bytes:
    """The certificate, with what is no UTF-8 in its issuer."""
    assert b"Simulator CA" in der
    return der.replace(b"Simulator CA", b"Simul\xfftor CA")


@pytest.mark.parametrize("change", [of_version_6, with_an_illegible_name])
def test_what_the_library_finds_late_is_refused_at_once(
    change: Callable[[bytes], bytes],
) -> None:
    changed = change(IDENTITY.der())
    with pytest.raises(BadCertificateError) as caught:
        read_client_certificate(changed, IDENTITY.key_pem(), None, now=NOW)
    assert caught.value.wrong_field == ("client_certificate", "unreadable")
    with pytest.raises(BadCertificateError):
        read_authorities(changed)


def test_an_illegible_certificate_in_a_container_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The library writes no such container, so that what it reads is made up."""
    illegible = x509.load_der_x509_certificate(with_an_illegible_name(IDENTITY.der()))
    found = SimpleNamespace(
        cert=None,
        additional_certs=[SimpleNamespace(certificate=illegible)],
        key=IDENTITY.key,
    )
    monkeypatch.setattr(pkcs12, "load_pkcs12", lambda content, secret: found)
    with pytest.raises(BadCertificateError) as caught:
        read_client_certificate(IDENTITY.pkcs12(), None, None, now=NOW)
    assert caught.value.wrong_field == ("client_certificate", "unreadable")


def test_an_authority_that_only_one_library_reads_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python's OpenSSL is another one than that of the library."""

    def refuse(context: ssl.SSLContext, **given: str) -> None:
        raise ssl.SSLError("not for me")

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", refuse)
    with pytest.raises(BadCertificateError) as caught:
        read_authorities(AUTHORITY.pem())
    assert caught.value.wrong_field == ("ca_certificate", "unreadable")


def test_authorities_are_read_from_text_and_binary() -> None:
    other = Authority("Other")
    der = AUTHORITY.certificate.public_bytes(serialization.Encoding.DER)
    assert read_authorities(der).encode() == AUTHORITY.pem()
    both = read_authorities(AUTHORITY.pem() + other.pem())
    assert x509.load_pem_x509_certificates(both.encode()) == [
        AUTHORITY.certificate,
        other.certificate,
    ]


@pytest.mark.parametrize(
    "content", [b"", b"holiday", IDENTITY.key_pem()], ids=["empty", "noise", "key"]
)
def test_what_is_no_authority_is_refused(content: bytes) -> None:
    with pytest.raises(BadCertificateError) as caught:
        read_authorities(content)
    assert caught.value.wrong_field == ("ca_certificate", "unreadable")


def own() -> ClientCertificate:
    return read_client_certificate(IDENTITY.pem(), IDENTITY.key_pem(), None, now=NOW)


def test_a_certificate_is_loaded_without_a_file() -> None:
    before = set(Path(tempfile.gettempdir()).iterdir())
    load_client_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), own())
    assert set(Path(tempfile.gettempdir()).iterdir()) <= before


def test_where_there_is_no_memory_file_nothing_is_left_on_the_disk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As on macOS."""
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    load_client_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), own())
    assert list(tmp_path.iterdir()) == []


class Recorder(ssl.SSLContext):
    """Keeps where it was told to read from, and who else could have."""

    path = ""
    mode = 0

    def load_cert_chain(
        self,
        certfile: StrPath,
        keyfile: StrPath | None = None,
        password: Password | None = None,
    ) -> None:
        self.path = str(certfile)
        self.mode = Path(self.path).stat().st_mode & 0o777
        super().load_cert_chain(certfile, keyfile, password)


def test_a_file_on_the_disk_is_for_nobody_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    context = Recorder(ssl.PROTOCOL_TLS_CLIENT)
    load_client_certificate(context, own())
    assert context.path.startswith(str(tmp_path))
    assert context.mode == 0o600


def test_the_disk_is_used_where_memory_has_no_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As where /proc is not mounted."""
    monkeypatch.setattr(Path, "exists", lambda self: False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    context = Recorder(ssl.PROTOCOL_TLS_CLIENT)
    load_client_certificate(context, own())
    assert context.path.startswith(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_refused_certificate_is_not_left_on_the_disk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    damaged = ClientCertificate(pem=own().pem.replace("MII", "XII"))
    with pytest.raises(BadCertificateError):
        load_client_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), damaged)
    assert list(tmp_path.iterdir()) == []


def test_no_passphrase_is_asked_for_on_the_terminal() -> None:
    """In a process of its own, whose terminal answers nothing."""
    pem = (IDENTITY.pem() + IDENTITY.key_pem(PASSPHRASE)).decode()
    source = f"""
import ssl
from {load_client_certificate.__module__} import *
certificate = ClientCertificate(pem={pem!r})
try:
    load_client_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate)
except BadCertificateError:
    print("refused")
"""
    terminal, theirs = pty.openpty()
    try:
        asked = subprocess.run(
            [sys.executable, "-c", source],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
            start_new_session=True,
            timeout=30,
            check=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
    finally:
        os.close(theirs)
        os.close(terminal)
    assert asked.stdout == b"refused\n"
