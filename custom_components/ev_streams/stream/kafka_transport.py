"""Connections for the Kafka library that lose nothing: neither last words nor sockets.

The library's own throw away what arrives together with the end of a connection, though
it may be the answer to the login: a broker hangs up when it has refused one. And they
leave the socket of an attempt that fails to the garbage collector.

Importing this loads the library; see `kafka_client`.
"""

from collections.abc import Mapping
import socket
from typing import Any, override

from kafka.errors import KafkaConnectionError
from kafka.net.inet import KafkaNetSocket, create_connection
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport

_SCHEME = "ev-streams"


async def opened(
    network: Any, node: Any, settings: Mapping[str, Any], timeout_at: float | None
) -> Any:
    """Connect to a broker, with TLS where the settings ask for it."""
    line = await create_connection(
        network,
        node.host,
        node.port,
        settings["socket_options"],
        # So the library finds the sockets below.
        proxy_url=f"{_SCHEME}:",
        timeout_at=timeout_at,
    )
    if settings["security_protocol"].endswith("SSL"):
        context = settings["ssl_context"]
        transport = _TlsTransport(network, line, host=node.host, ssl_context=context)
    else:
        transport = _Transport(network, line, host=node.host)
    try:
        await transport.handshake()
    except Exception as err:
        transport.abort(err)
        raise KafkaConnectionError(f"the handshake failed: {err}") from err
    except BaseException:
        transport.abort()
        raise
    return transport


class _Socket(KafkaNetSocket):  # type: ignore[misc]
    """Connects directly; the library chooses it by the scheme of a proxy."""

    SCHEMES = (_SCHEME,)

    @override
    async def sock_connect(
        self,
        net: Any,
        sock: socket.socket,
        sockaddr: object,
        timeout_at: float | None = None,
    ) -> Any:
        try:
            return await super().sock_connect(net, sock, sockaddr, timeout_at)
        except BaseException:
            sock.close()
            raise


class _Transport(KafkaTCPTransport):  # type: ignore[misc]
    """Takes what came before the end; that shows again in the next attempt to read."""

    @override
    def _sock_recv(self) -> tuple[bytes, BaseException | None]:
        data, error = super()._sock_recv()
        return data, None if data else error


class _TlsTransport(KafkaSSLTransport):  # type: ignore[misc]
    """Does so with TLS."""

    @override
    def _sock_recv(self) -> tuple[bytes, BaseException | None]:
        data, error = super()._sock_recv()
        return data, None if data else error
