"""A certificate authority, and the certificates that it signs for brokers and their clients."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = timedelta(days=365)

type PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A certificate with its key, and whatever form of the two somebody is handed."""

    certificate: x509.Certificate
    key: PrivateKey
    issuer: x509.Certificate

    def pem(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def der(self) -> bytes:
        """The certificate alone, in binary."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def key_pem(self, passphrase: str | None = None) -> bytes:
        """The key alone, encrypted where a passphrase is given."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            _encryption(passphrase),
        )

    def key_der(self, passphrase: str | None = None) -> bytes:
        """The key alone, in binary."""
        return self.key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            _encryption(passphrase),
        )

    def pkcs12(self, passphrase: str | None = None) -> bytes:
        """Certificate, key and authority in one file."""
        return pkcs12.serialize_key_and_certificates(
            b"client",
            self.key,
            self.certificate,
            [self.issuer],
            _encryption(passphrase),
        )


class Authority:
    """Signs certificates; its own key is never written down."""

    def __init__(self, name: str = "Simulator CA") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self.certificate = (
            _builder(self._name, self._name, self._key, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def pem(self) -> bytes:
        """The authority's own certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def server(self) -> Identity:
        """An identity for `localhost` and 127.0.0.1."""
        addresses = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name("localhost"), self._name, key, self._key)
        return self._identity(
            builder.add_extension(
                x509.SubjectAlternativeName(addresses), critical=False
            ),
            key,
            ExtendedKeyUsageOID.SERVER_AUTH,
        )

    def client(
        self,
        name: str,
        *,
        valid_from: datetime | None = None,
        valid_until: datetime | None = None,
        rsa_key: bool = False,
    ) -> Identity:
        """An identity for a client; it is valid for a year from yesterday by default."""
        key: PrivateKey = (
            rsa.generate_private_key(65537, 2048)
            if rsa_key
            else ec.generate_private_key(ec.SECP256R1())
        )
        builder = _builder(
            _name(name),
            self._name,
            key,
            self._key,
            valid_from=valid_from,
            valid_until=valid_until,
        )
        return self._identity(builder, key, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _identity(
        self,
        builder: x509.CertificateBuilder,
        key: PrivateKey,
        usage: x509.ObjectIdentifier,
    ) -> Identity:
        certificate = (
            builder.add_extension(
                x509.BasicConstraints(ca=False, path_length=None), critical=True
            )
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return Identity(certificate=certificate, key=key, issuer=self.certificate)


def write_server_certificate(
    directory: Path, authority: Authority | None = None
) -> tuple[Path, Path, Path]:
    """Write PEM files for `localhost` and 127.0.0.1.

    Returns the certificate of the authority that signed, the server's certificate and
    the server's private key. Without an authority one is made that signs only these.
    """
    authority = authority or Authority()
    server = authority.server()
    ca_file, certificate_file, key_file = (
        directory / name for name in ("ca.pem", "server.pem", "server.key")
    )
    ca_file.write_bytes(authority.pem())
    certificate_file.write_bytes(server.pem())
    key_file.touch(mode=0o600)
    key_file.write_bytes(server.key_pem())
    return ca_file, certificate_file, key_file


def _encryption(passphrase: str | None) -> serialization.KeySerializationEncryption:
    if passphrase is None:
        return serialization.NoEncryption()
    return serialization.BestAvailableEncryption(passphrase.encode())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: PrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid_from or now - timedelta(days=1))
        .not_valid_after(valid_until or now + _LIFETIME)
        # Python's default TLS context is strict: it insists on both key identifiers.
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
