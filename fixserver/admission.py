"""Who may connect to a port and try to log on: addresses by list, limits by address and by name; it opens no socket and checks no
password.

What it remembers of addresses and names has a limit: the one that was heard of longest ago is forgotten first, so that who comes
from very many addresses is held by the limit of all connections alone. A name is never a reason to refuse one who has been let in
by the same password before: the port asks for that first.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from fixserver.addressing import Addresses
from fixserver.rates import ADDRESSES_MAX, Buckets, address_key

DELAY_SECONDS = 0.25  # before a failed Logon is answered: longer than any check takes, so that the time tells nothing
DELAY_SECONDS_MAX = 4.0  # the delay doubles with each failure in a row, up to this
FAILURES_SECONDS = 60.0  # after which failures are forgotten
_DOUBLED_MAX = 10


class Terms(Protocol):
    """A port's part of the configuration."""

    @property
    def allow_from(self) -> list[str]: ...

    @property
    def unlimited(self) -> list[str]: ...

    @property
    def connections_per_address(self) -> int: ...


class Admission:
    """Of one port. Addresses are as addressing.plain() writes them."""

    def __init__(self, terms: Terms, logons_per_minute: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`logons_per_minute` are those of an address and of a name; 0 is no limit."""
        self._allowed = Addresses(terms.allow_from)
        self._unlimited = Addresses(terms.unlimited)
        self._per_address = terms.connections_per_address
        self._monotonic = monotonic
        self._open: dict[str, int] = {}  # connections, by address: no more entries than connections
        self._attempts = Buckets(logons_per_minute / 60, logons_per_minute)
        self._names = Buckets(logons_per_minute / 60, logons_per_minute)
        self._failures = _Failures()

    def arrive(self, address: str) -> str:
        """Let a connection in and count it, or say why not: "address", "per address", "limited". Who is let in has to leave()."""
        if self._allowed and address not in self._allowed:
            return "address"
        key = address_key(address)
        count = self._open.get(key, 0)
        if address not in self._unlimited:
            if self._per_address and count >= self._per_address:
                return "per address"
            if self._attempts.take(key, self._monotonic()):
                return "limited"
        self._open[key] = count + 1
        return ""

    def leave(self, address: str) -> None:
        """A connection that was let in has ended."""
        key = address_key(address)
        count = self._open[key] - 1
        if count:
            self._open[key] = count
        else:
            del self._open[key]

    def may_try(self, address: str, name: str) -> bool:
        """Whether a password for that name is to be looked at; counts it."""
        return address in self._unlimited or not self._names.take(name, self._monotonic())

    def failed(self, address: str, name: str) -> float:
        """A Logon has failed: the seconds from its arrival to the answer."""
        if address in self._unlimited:
            return 0.0
        now = self._monotonic()
        failures = max(self._failures.add(f"address {address_key(address)}", now), self._failures.add(f"name {name}", now))
        return float(min(DELAY_SECONDS * 2 ** min(failures - 1, _DOUBLED_MAX), DELAY_SECONDS_MAX))

    def succeeded(self, address: str) -> None:
        """Somebody has logged on from there: what failed before is forgotten. Not what failed in his name: that was others."""
        self._failures.forget(f"address {address_key(address)}")

    def __len__(self) -> int:
        """How much is remembered, over all tables."""
        return len(self._open) + len(self._attempts) + len(self._names) + len(self._failures)


class _Failures:
    """How many there were in a row, by key."""

    def __init__(self, keys_max: int = 2 * ADDRESSES_MAX) -> None:
        self._keys_max = keys_max
        self._counts: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def add(self, key: str, now: float) -> int:
        count, since = self._counts.get(key, (0, now))
        if now - since > FAILURES_SECONDS:
            count = 0
        self._counts[key] = count + 1, now
        self._counts.move_to_end(key)
        if len(self._counts) > self._keys_max:
            self._counts.popitem(last=False)
        return count + 1

    def forget(self, key: str) -> None:
        self._counts.pop(key, None)

    def __len__(self) -> int:
        return len(self._counts)
