"""paho's MQTT client, with sockets of our own: where it connects, and what it takes.

A password stays in the own network where nothing encrypts it, a segment is no larger than
the vendor's network takes, a packet no larger than memory is for, and a broken line says
why it broke.
"""

from dataclasses import dataclass
import random
import socket
from ssl import SSLContext, SSLError, SSLSocket
from typing import Final, override

from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from .errors import TlsNeededError
from .own_network import is_own

CONNECT_TIMEOUT: Final = 10.0
# The vendor's sibling brokers lose segments of more than 1456 bytes (as peers found out),
# which shows as a handshake that never ends.
LARGEST_SEGMENT: Final = 1400
# The protocol allows 256 MiB; nobody is to make us keep that in memory.
LARGEST_PACKET: Final = 4 * 1024 * 1024
# This machine, what is on the same wire, and what RFC 1918 and RFC 4193 leave to everybody.


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttEndpoint:
    """Where to connect and what to subscribe to; `ssl_context` None means without TLS."""

    host: str
    port: int
    username: str
    password: str
    client_id: str
    filters: tuple[str, ...]
    ssl_context: SSLContext | None

    def __repr__(self) -> str:
        """Keep the credentials, and the account in the topics, out of logs and tracebacks."""
        return f"MqttEndpoint({self.host}:{self.port})"


class MqttClient(Client):
    """The library's client, but it says why a line broke and takes no packet of any size.

    The methods are the library's own: there is no other place to do this.
    """

    cause: OSError | None = None
    # Set by whoever waits no more: a login after that would throw the next one out.
    is_given_up = False

    @override
    def _create_socket_connection(self) -> socket.socket:
        """Connect to one of the host's addresses, in any order, with small segments.

        A password does not travel readable beyond the own network: without TLS its
        addresses only, whatever the name has come to mean.
        """
        addresses = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        if self._ssl_context is None:
            addresses = [each for each in addresses if is_own(each[4])]
            if not addresses:
                raise TlsNeededError("the password would be readable on the way")
        random.shuffle(addresses)
        failure: OSError | None = None
        for family, kind, protocol, _, address in addresses:
            connecting = socket.socket(family, kind, protocol)
            try:
                connecting.setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_MAXSEG, LARGEST_SEGMENT
                )
                connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connecting.settimeout(CONNECT_TIMEOUT)
                connecting.connect(address)
            except OSError as err:
                connecting.close()
                failure = err
            else:
                return connecting
        raise failure or OSError("the host has no address")

    @override
    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> SSLSocket:
        """Shake hands; unlike the library's own way, close what comes to nothing."""
        assert self._ssl_context is not None
        # Each step of it may take as long.
        tcp_sock.settimeout(CONNECT_TIMEOUT)
        wrapped = self._ssl_context.wrap_socket(tcp_sock, server_hostname=self._host)
        if self.is_given_up:
            wrapped.close()
            raise ConnectionAbortedError("given up")
        return wrapped

    @override
    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > LARGEST_PACKET:
            self.cause = OSError(f"a packet of {bufsize} bytes was announced")
            raise self.cause
        try:
            return super()._sock_recv(bufsize)
        except BlockingIOError:
            raise
        except OSError as err:
            self.cause = err
            raise

    @override
    def _sock_send(self, buf: bytes) -> int:
        try:
            return super()._sock_send(buf)
        except BlockingIOError:
            raise
        except OSError as err:
            self.cause = self._last_words() or err
            raise

    def _last_words(self) -> SSLError | None:
        """Return what the other side said before it hung up: that is still to be read."""
        reading = self.socket()
        if isinstance(reading, SSLSocket):
            try:
                reading.recv(1)
            except SSLError as err:
                return err
            except OSError:
                return None
        return None


def create_client(endpoint: MqttEndpoint) -> MqttClient:
    """Return a client that is connected nowhere yet; `connect` and all else is the caller's."""
    client = MqttClient(
        CallbackAPIVersion.VERSION2,
        client_id=endpoint.client_id,
        clean_session=True,
        protocol=MQTTv311,
        reconnect_on_failure=False,
    )
    client.suppress_exceptions = True
    client.username_pw_set(endpoint.username, endpoint.password)
    if endpoint.ssl_context is not None:
        client.tls_set_context(endpoint.ssl_context)
    return client
