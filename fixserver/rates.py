"""How much one address may ask for, and how long a request may be; it never looks at what is asked.

A token bucket for each address: it holds what may be asked at once, and fills at the rate. Addresses are forgotten when
there are too many of them, the one that was heard of longest ago first.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict

ADDRESSES_MAX = 10_000
IPV6_PREFIX_BITS = 64  # what one household has: who counts single addresses counts nothing


def address_key(host: str) -> str:
    """What an address counts as: itself, or the network that it is of."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), IPV6_PREFIX_BITS), strict=False))
    return str(address)


class Buckets:
    """A bucket for each key, of `burst` tokens, that fills by `rate` of them a second. A rate of 0 is no limit."""

    def __init__(self, rate: float, burst: float, keys_max: int = ADDRESSES_MAX) -> None:
        self.rate, self.burst, self.keys_max = rate, burst, keys_max
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when there were so many

    def take(self, key: str, now: float) -> float:
        """Take a token: 0 when there was one, otherwise the seconds until there is."""
        wait = self.wait(key, now)
        if not wait and self.rate:
            self._levels[key] = (self._levels[key][0] - 1, now)
        return wait

    def wait(self, key: str, now: float) -> float:
        """The seconds until there is a token, without taking it."""
        if not self.rate:
            return 0.0
        level, since = self._levels.get(key, (self.burst, now))
        level = min(level + (now - since) * self.rate, self.burst)
        self._levels[key] = (level, now)
        self._levels.move_to_end(key)
        if len(self._levels) > self.keys_max:
            self._levels.popitem(last=False)
        return 0.0 if level >= 1 else (1 - level) / self.rate

    def __len__(self) -> int:
        return len(self._levels)


def retry_after(seconds: float) -> int:
    """Retry-After, which knows whole seconds."""
    return max(1, math.ceil(seconds))
