"""What TLS and a real broker say to certificates that are missing, wrong or expired."""

from datetime import UTC, datetime, timedelta
import gc
import ssl

import pytest

from custom_components.ev_streams.stream.certificate import (
    ClientCertificate,
    read_authorities,
    read_client_certificate,
)
from custom_components.ev_streams.stream.errors import (
    CertificateRefusedError,
    CredentialsRefusedError,
    OwnCertificateRefusedError,
    StreamError,
)
from custom_components.ev_streams.stream.mqtt import probe
from custom_components.ev_streams.stream.mqtt_client import MqttEndpoint
from custom_components.ev_streams.stream.tls import client_context
from simulator.certificates import Authority, Identity
from simulator.mosquitto import Mosquitto

pytestmark = pytest.mark.usefixtures("socket_enabled")

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def certificate_of(identity: Identity) -> ClientCertificate:
    """Read an identity at a time at which it is valid."""
    return read_client_certificate(
        identity.pem(),
        identity.key_pem(),
        None,
        now=identity.certificate.not_valid_before_utc + timedelta(seconds=1),
    )


async def try_with(
    broker: Mosquitto,
    identity: Identity | None,
    *,
    authority: Authority | None = None,
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> None:
    """Log in with a certificate, and with a password that is wrong."""
    context = client_context(
        None if identity is None else certificate_of(identity),
        read_authorities((authority or broker.authority).pem()),
    )
    context.maximum_version = version
    await probe(
        MqttEndpoint(
            host="127.0.0.1",
            port=broker.port,
            username="nobody",
            password="wrong",
            client_id="test",
            filters=("to/#",),
            ssl_context=context,
        )
    )


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_certificate_that_is_accepted_leads_to_the_login(
    mosquitto: Mosquitto, version: ssl.TLSVersion
) -> None:
    with pytest.raises(CredentialsRefusedError) as caught:
        await try_with(mosquitto, mosquitto.authority.client("uid"), version=version)
    assert type(caught.value) is CredentialsRefusedError


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("which", ["missing", "of a stranger", "expired"])
async def test_a_certificate_that_is_refused_is_told_from_a_broken_line(
    mosquitto: Mosquitto, version: ssl.TLSVersion, which: str
) -> None:
    """With TLS 1.3 it shows only after the handshake seemed to have succeeded."""
    now = datetime.now(UTC)
    identity = {
        "missing": None,
        "of a stranger": Authority("Stranger").client("uid"),
        "expired": mosquitto.authority.client(
            "uid",
            valid_from=now - timedelta(days=9),
            valid_until=now - timedelta(days=1),
        ),
    }[which]
    with pytest.raises(StreamError) as caught:
        await try_with(mosquitto, identity, version=version)
    assert type(caught.value) is OwnCertificateRefusedError
    assert caught.value.wrong_field == ("client_certificate", "certificate_refused")


async def test_a_server_that_nobody_vouches_for_is_told(mosquitto: Mosquitto) -> None:
    """The socket is closed too, not only when somebody collects what nobody uses."""
    identity = mosquitto.authority.client("uid")
    with pytest.raises(CertificateRefusedError):
        await try_with(mosquitto, identity, authority=Authority("Another"))
    sockets = [each for each in gc.get_objects() if isinstance(each, ssl.SSLSocket)]
    assert [each for each in sockets if each.fileno() != -1] == []
