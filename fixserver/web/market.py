"""The routes for everybody: how the venue is, what is traded, its books, trades and candles; it knows no participant.

All of it is that of the events which the feed has taken. What is older than memory comes from the history's database, and
from memory what is newer than that: nothing is missing in between, or the answer is 503.
"""

from __future__ import annotations

import time
from typing import Annotated, Literal

import msgspec
from litestar import Response, Router, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery, QueryParameter

from fixserver.web import pages
from fixserver.web.backend import Asked, Backend
from fixserver.web.errors import errors
from fixserver.web.health import Health, look
from fixserver.web.parameters import Cursor, From, Limit, OptionalSymbol, Symbol, To, book_of, number
from fixserver.web.times import moment
from marketdata import shapes
from marketdata.depth import BID, OFFER
from marketdata.topics import COMMON_DEPTHS
from marketdata.views import DEPTH_MAX, ViewKey
from matching.messages import Phase

Interval = Literal["1s", "1m", "5m", "1h", "1d"]


DEGRADED = ResponseSpec(Health, description="a part of the venue is not at work", generate_examples=False)


class Status(msgspec.Struct, frozen=True):
    """The venue as a whole, after its event `event_number`."""

    venue: str
    time: str
    trading_day: str
    era: str
    event_number: int
    markets: list[shapes.MarketPhase]


class Instruments(msgspec.Struct, frozen=True):
    instruments: list[shapes.Instrument]


class PriceBook(msgspec.Struct, frozen=True):
    """A book, best prices first: [price, quantity, number of orders]. `era` and `number` are those of the stream's topic for
    the same book; null for a depth that few ask for and nobody follows."""

    symbol: str
    time: str
    era: str | None
    number: int | None
    phase: Phase
    bids: list[shapes.PriceLine]
    offers: list[shapes.PriceLine]


class OrderBook(msgspec.Struct, frozen=True):
    """The same by order, the one that trades first first: [price, quantity, order]."""

    symbol: str
    time: str
    era: str | None
    number: int | None
    phase: Phase
    bids: list[shapes.OrderLine]
    offers: list[shapes.OrderLine]


class Trades(msgspec.Struct, frozen=True):
    """Newest first. `next` is the cursor of the next page, null where there is none."""

    trades: list[shapes.Trade]
    next: str | None


class Candles(msgspec.Struct, frozen=True):
    """Oldest first. `next` is the cursor of the next page, null where there is none."""

    candles: list[shapes.Candle]
    next: str | None


class AllStatistics(msgspec.Struct, frozen=True):
    statistics: list[shapes.Statistics]


@get("/status", responses=errors(), operation_id="status", sync_to_thread=False)
def status(backend: Asked) -> Status:
    """The venue, its trading day and the phases of its markets."""
    depth = backend.feed.depth
    return Status(
        venue=backend.config.venue.name,
        time=shapes.iso_time(time.time_ns()),
        trading_day=depth.trading_day,
        era=backend.era,
        event_number=depth.cursor,
        markets=shapes.market_phases(depth),
    )


@get("/health", responses={**errors(), 503: DEGRADED}, operation_id="health")
async def health(backend: Asked) -> Response[Health]:
    """Whether all parts of the venue are at work; 503 where one is not."""
    found = await look(backend)
    return Response(found, status_code=200 if found.status == "ok" else 503)


@get("/instruments", responses=errors(), operation_id="instruments", sync_to_thread=False)
def instruments(backend: Asked) -> Instruments:
    """What is traded, in the order of the venue."""
    return Instruments([shapes.instrument(book) for book in backend.feed.depth.books.values()])


@get("/book", responses=errors(404), operation_id="book", sync_to_thread=False)
def book(
    backend: Asked,
    symbol: Symbol,
    depth: Annotated[int, QueryParameter(ge=0, le=DEPTH_MAX, description="Prices of a side; 0: all of them.")] = 10,
    by: FromQuery[Literal["price", "order"]] = "price",
) -> PriceBook | OrderBook:
    """The book of an instrument."""
    found = book_of(backend.feed.depth, symbol)
    era, at = _numbers(backend, ViewKey(symbol, by == "order", depth, (BID, OFFER)))
    now = shapes.iso_time(backend.feed.depth.time)
    if by == "order":
        bids, offers = (shapes.order_lines(found, side, depth) for side in (found.bids, found.offers))
        return OrderBook(symbol, now, era, at, found.phase, bids, offers)
    bid_prices, offer_prices = (shapes.price_lines(found, side, depth) for side in (found.bids, found.offers))
    return PriceBook(symbol, now, era, at, found.phase, bid_prices, offer_prices)


def _numbers(backend: Backend, key: ViewKey) -> tuple[str | None, int | None]:
    """Era and number of the stream's topic for this book, which is kept up from now on, for a while: of a depth that many ask
    for. Of others, lest everybody has us keep up his own, where somebody follows it."""
    views = backend.views
    if key.depth in COMMON_DEPTHS:
        view = views.hold(key)
        views.release(key)
    else:
        view = views.find(key)
    return (view.era, view.rpt_seq) if view.era else (None, None)


@get("/trades", responses=errors(404, 503), operation_id="trades")
async def trades(
    backend: Asked, symbol: Symbol, from_: From = None, to: To = None, limit: Limit = 100, cursor: Cursor = None
) -> Trades:
    """Trades of an instrument, newest first."""
    found = book_of(backend.feed.depth, symbol)
    page = await pages.trades(backend, symbol, moment("from", from_), moment("to", to), number(cursor), limit)
    return Trades([pages.trade(found, one) for one in page.rows], page.next)


@get("/candles", responses=errors(404, 503), operation_id="candles")
async def candles(
    backend: Asked, symbol: Symbol, interval: FromQuery[Interval] = "1m", from_: From = None, to: To = None, limit: Limit = 500,
    cursor: Cursor = None,
) -> Candles:  # fmt: skip
    """Candles of an instrument, oldest first; the last ones where `from` is not said."""
    found = book_of(backend.feed.depth, symbol)
    page = await pages.candles(backend, symbol, interval, moment("from", from_), moment("to", to), number(cursor), limit)
    return Candles([shapes.candle(one, found.price_decimals, found.quantity_decimals) for one in page.rows], page.next)


@get("/statistics", responses=errors(404), operation_id="statistics", sync_to_thread=False)
def statistics(backend: Asked, symbol: OptionalSymbol = None) -> AllStatistics:
    """The trading day of an instrument so far, or of all of them."""
    depth = backend.feed.depth
    books = depth.books.values() if symbol is None else [book_of(depth, symbol)]
    return AllStatistics([shapes.statistics(one) for one in books])


market_router = Router(
    "/", route_handlers=[status, health, instruments, book, trades, candles, statistics], tags=["market"], security=[]
)
