"""Free ports on loopback."""

import contextlib
import random
import socket

HOST = "127.0.0.1"

# Below the ranges that systems give to outgoing connections, so that nobody takes a
# port of ours during a restart.
_PORTS = range(20000, 32000)


class BrokerError(Exception):
    """A broker did not start, or refused an administrator's order."""


def free_ports(count: int) -> list[int]:
    """Different ports on loopback that nobody listens on."""
    ports: list[int] = []
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                ports.append(port)
        if len(ports) == count:
            return ports
    raise BrokerError("no free port on loopback")
