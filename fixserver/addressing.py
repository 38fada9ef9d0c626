"""Internet addresses by list, "10.0.0.0/8"; it opens no socket and asks no name server."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def network(text: str) -> Network:
    """A network of addresses, or a single one. Raises ValueError."""
    return ipaddress.ip_network(text)


def plain(host: str) -> str:
    """An address as it is written: an IPv4 address that came by an IPv6 socket as IPv4, an IPv6 one without its zone."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


class Addresses:
    """A list of networks. False where it is empty."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Raises ValueError."""
        self._networks = [network(text) for text in texts]

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, host: object) -> bool:
        """Whether an address, as plain() writes it, is of one of them. What is no address is of none."""
        try:
            address = ipaddress.ip_address(str(host))
        except ValueError:
            return False
        return any(address in one for one in self._networks)
