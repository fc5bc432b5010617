"""Which addresses are near enough for a password that everybody on the way can read."""

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final

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
