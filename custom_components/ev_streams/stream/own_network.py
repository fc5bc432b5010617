"""Which addresses are near enough for a password that everybody on the way can read."""

import asyncio
from ipaddress import IPv6Address, ip_address, ip_network
from socket import SOCK_STREAM
from typing import Any, Final

from .errors import TlsNeededError

OWN_NETWORKS: Final = tuple(
    ip_network(each)
    for each in (
        "127.0.0.0/8",
        "169.254.0.0/16",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fe80::/10",
        "fc00::/7",
    )
)


def is_own(address: tuple[Any, ...]) -> bool:
    """Whether a socket's address is this machine's or one of a private network.

    Not by Python's word for it, which counts tunnels to the internet in.
    """
    found = ip_address(str(address[0]).partition("%")[0])
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in OWN_NETWORKS)


def is_own_name(host: str) -> bool:
    """Whether a host is written as an address of the own network."""
    try:
        return is_own((host,))
    except ValueError:
        return host == "localhost"


async def stay_near(host: str, port: int) -> None:
    """See that a password that is not encrypted stays near; raises TlsNeededError, OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=SOCK_STREAM)
    if not all(is_own(address) for *_, address in found):
        raise TlsNeededError("the password would be readable on the way")
