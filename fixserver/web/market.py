"""The routes for everybody: how the venue is, what is traded, its books, trades and candles; it knows no participant."""

from __future__ import annotations

import time

import msgspec
from litestar import Response, Router, get

from fixserver.web.backend import Backend
from fixserver.web.errors import errors
from fixserver.web.health import Health, look
from fixserver.web.times import iso_time


class Market(msgspec.Struct):
    market: str
    phase: str


class Status(msgspec.Struct):
    """The venue as a whole."""

    venue: str
    time: str
    trading_day: str
    era: str
    event_number: int
    markets: list[Market]


@get("/status", responses=errors(), operation_id="status", sync_to_thread=False)
def status(backend: Backend) -> Status:
    """The venue, its trading day and the phases of its markets."""
    depth = backend.feed.depth
    markets = [Market(name, phase) for name, phase in depth.markets.items()]
    now = iso_time(time.time_ns())
    return Status(backend.config.venue.name, now, depth.trading_day, backend.era, depth.cursor, markets)


@get("/health", responses=errors(), operation_id="health")
async def health(backend: Backend) -> Response[Health]:
    """Whether all parts of the venue are at work; 503 where one is not."""
    found = await look(backend)
    return Response(found, status_code=200 if found.status == "ok" else 503)


market_router = Router("/", route_handlers=[status, health], tags=["market"], security=[])
