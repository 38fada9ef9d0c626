"""Whether the parts of the venue are at work, as seen from here; it changes nothing, and asks others at most once a second."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Literal

import msgspec

from fixserver.addresses import HERE, host_of
from fixserver.web.ledger import LedgerUnavailable
from fixserver.web.past import PastUnavailable

if TYPE_CHECKING:
    from fixserver.web.backend import Backend

KEPT_SECONDS = 1.0
CONNECT_SECONDS_MAX = 1.0
# How far a database may be behind the feed before somebody should look: a second at full load is less.
BEHIND_MAX = 100_000

State = Literal["ok", "degraded", "off"]


class Part(msgspec.Struct, frozen=True):
    """`off`: the configuration says that there is none."""

    status: State
    detail: str = ""


class Parts(msgspec.Struct, frozen=True):
    """`history` and `ledger` are the databases, `order_entry` is the way of an order from here to the exchange."""

    exchange: Part
    feed: Part
    history: Part
    ledger: Part
    order_entry: Part


class Health(msgspec.Struct, frozen=True):
    """`degraded` where any part is."""

    status: Literal["ok", "degraded"]
    event_number: int
    parts: Parts


class HealthCheck:
    """What others were found to be last, and when. What this process knows itself is never old."""

    def __init__(self) -> None:
        self._found: tuple[Part, Part, Part] | None = None
        self._at = float("-inf")
        self._lock = asyncio.Lock()

    async def parts(self, backend: Backend) -> Parts:
        async with self._lock:
            if self._found is None or time.monotonic() - self._at > KEPT_SECONDS:
                self._found = await asyncio.gather(_exchange(backend), _history(backend), _ledger(backend))
                self._at = time.monotonic()
            exchange, history, ledger = self._found
        return Parts(exchange, Part("ok"), history, ledger, _order_entry(backend))


async def look(backend: Backend) -> Health:
    """How the venue is."""
    parts = await backend.health.parts(backend)
    good = all(getattr(parts, name).status != "degraded" for name in parts.__struct_fields__)
    return Health("ok" if good else "degraded", backend.feed.depth.cursor, parts)


async def _exchange(backend: Backend) -> Part:
    """A process that takes a connection on the port of its metrics."""
    try:
        ports = json.loads((backend.data / "exchange.ports").read_bytes())
        address = backend.config.venue.metrics_address
        if address in HERE:  # everywhere: also where the exchange has a machine of its own
            address = host_of(backend.config.exchange)
        async with asyncio.timeout(CONNECT_SECONDS_MAX):
            _, writer = await asyncio.open_connection(address, int(ports["metrics"]))
        writer.close()
    except (OSError, ValueError, KeyError, TypeError):
        return Part("degraded", "the exchange does not answer")
    return Part("ok")


async def _ledger(backend: Backend) -> Part:
    try:
        return _behind(backend, await backend.ledger.cursor())
    except LedgerUnavailable:
        return Part("degraded", "the ledger cannot be read")


async def _history(backend: Backend) -> Part:
    if not backend.config.history.enabled:
        return Part("off")
    try:
        return _behind(backend, await backend.past.cursor())
    except PastUnavailable:
        return Part("degraded", "the history cannot be read")


def _behind(backend: Backend, cursor: int) -> Part:
    behind = max(backend.feed.depth.cursor - cursor, 0)
    said = f"{behind:,} events behind" if behind else ""
    return Part("degraded" if behind > BEHIND_MAX else "ok", said)


def _order_entry(backend: Backend) -> Part:
    if backend.desk is None:
        return Part("off")
    return Part("ok") if backend.desk.connected else Part("degraded", "not logged on to the exchange")
