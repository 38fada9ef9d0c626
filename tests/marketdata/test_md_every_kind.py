"""The depth is what the engine shows of its book, whatever orders there are and whatever phase it is in."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest

from fixserver.marketdata_desk import ENCODINGS
from marketdata import checkpoint
from marketdata.depth import Book, Depth
from marketdata.rebuild import AuctionEntry, BookBuilder, OpenOrder, PriceLevel
from marketdata.subscriptions import Request, Subscriber, Subscription, Subscriptions
from marketdata.viewing import Published, Views
from matching.book import BEFORE_ALL_PRICES
from matching.engine import Engine
from matching.messages import (
    BUY,
    LIMIT,
    SELL,
    DayRolled,
    Event,
    InstrumentSplit,
    OrderRefreshed,
    OrderRepriced,
    OrderRestated,
    TradeBusted,
    TradeCorrected,
    Traded,
    Uncrossed,
)
from tests.every_kind import steps

COMMANDS = 5_000
Rows = list[tuple[int, int, int]]


def shown_by(engine: Engine, symbol: str, side: str) -> Rows:
    """(order, price, what is shown), the order that trades first first; without the market orders that wait for an auction."""
    instrument = engine.instruments[symbol]
    levels = instrument.bids if side == BUY else instrument.offers
    return [
        (order.order_id, level.price, order.shown or order.leaves)
        for level in levels
        if level.price != BEFORE_ALL_PRICES[side]  # type: ignore[index]
        for order in level
    ]


def shown_here(depth: Depth, symbol: str, side: str) -> Rows:
    return [(order.order_id, order.price, order.quantity) for order in depth.books[symbol].side(side).orders()]  # type: ignore[arg-type]


class Tape:
    """The trades of a day, kept as simply as can be."""

    def __init__(self) -> None:
        self.trades: dict[int, tuple[str, int, int]] = {}
        self.closing: dict[str, int] = {}

    def see(self, event: Event) -> None:
        if isinstance(event, Traded):
            self.trades[event.seq] = event.instrument, event.price, event.quantity
        elif isinstance(event, TradeBusted):
            del self.trades[event.trade_seq]
        elif isinstance(event, TradeCorrected):
            self.trades[event.trade_seq] = event.instrument, event.price, event.quantity
        elif isinstance(event, DayRolled):
            self.trades.clear()
        elif isinstance(event, InstrumentSplit):
            self.trades = {number: trade for number, trade in self.trades.items() if trade[0] != event.instrument}

    def statistics(self, symbol: str) -> dict[str, int]:
        """But the closing price."""
        trades = [(price, quantity) for name, price, quantity in self.trades.values() if name == symbol]
        if not trades:
            return {}
        prices = [price for price, _ in trades]
        volume, value = sum(quantity for _, quantity in trades), sum(price * quantity for price, quantity in trades)
        average = (20_000 * value + volume) // (2 * volume)
        return {"4": prices[0], "7": max(prices), "8": min(prices), "9": average, "B": volume}


def check(depth: Depth, engine: Engine, tape: Tape) -> None:
    depth.check()
    assert {**dict.fromkeys(depth.markets, "continuous"), **engine.markets} == depth.markets
    open_orders = {order.order_id: order for order in engine.open_orders()}
    assert depth.orders.keys() | depth.unseen.keys() == open_orders.keys()
    for order_id, order in {**depth.orders, **depth.unseen}.items():
        assert order.leaves == open_orders[order_id].leaves
    for symbol, instrument in engine.instruments.items():
        book = depth.books[symbol]
        for side in (BUY, SELL):
            assert shown_here(depth, symbol, side) == shown_by(engine, symbol, side)
        assert (book.phase, book.until, book.band) == (instrument.phase, instrument.until, (instrument.low, instrument.high))
        statistics = book.statistics()
        statistics.pop("5", None)
        assert statistics == tape.statistics(symbol)


@pytest.mark.parametrize("seed", range(4))
def test_the_depth_after_every_command(seed: int) -> None:
    engine, depth, tape = Engine(), Depth(), Tape()
    events: Counter[type] = Counter()
    crossed = 0
    for step in steps(engine, seed, COMMANDS):
        depth.apply(step.batch)
        for event in step.batch.events:
            events[type(event)] += 1
            tape.see(event)
        check(depth, engine, tape)
        crossed += any(_is_crossed(book) for book in depth.books.values())
    for kind in (Traded, OrderRefreshed, OrderRepriced, OrderRestated, TradeBusted, TradeCorrected, Uncrossed, DayRolled):
        assert events[kind] > 3, f"seed {seed} has too little of {kind.__name__}"
    assert crossed > 10, f"seed {seed} never gathers orders"


def _is_crossed(book: Book) -> bool:
    bid, offer = book.bids.prices(1), book.offers.prices(1)
    return bool(bid and offer and bid[0] >= offer[0])


class Follower:
    """A client that has the messages of one subscription alone."""

    KINDS = ("0", "1", "2", "4", "5", "7", "8", "9", "B", "A", "Q")

    def __init__(self, subscriptions: Subscriptions, version: str, depth: int, by_order: bool) -> None:
        self.depth, self.by_order = depth, by_order
        self.encoding = ENCODINGS[version]
        self.builder = BookBuilder(by_order)
        self.subscriptions = subscriptions
        self.subscriber = Subscriber()
        self.count = 0

    def follow(self) -> None:
        """Subscribe to whatever there is; also to what was added since."""
        symbols = tuple(symbol for symbol in self.subscriptions.views.depth.books if symbol not in self.builder.books)
        self.count += 1
        request = Request(
            f"r{self.count}", "1", str(self.depth), "1", "N" if self.by_order else "Y", self.KINDS, symbols
        )
        answer = self.subscriptions.request(self.subscriber, request, 1e9 * self.count)
        assert isinstance(answer, Subscription), answer
        for view in answer.views:
            self.builder.take(self.encoding.snapshot(answer.req_id, view, view.snapshot(), 0), "W")

    def take(self, published: list[Published]) -> None:
        for view, first, entries in published:
            for subscription in self.subscriptions.followers(view):
                if subscription.subscriber is self.subscriber:
                    text = self.encoding.increment(view, first, entries)
                    self.builder.take(f"262={subscription.req_id}\x01268={len(entries)}\x01{text}", "X")

    def check(self, depth: Depth, engine: Engine, tape: Tape) -> None:
        for symbol, book in depth.books.items():
            mine = self.builder.books[symbol]
            for side, entries in ((BUY, mine.bids()), (SELL, mine.offers())):
                assert _in_units(entries, book) == self._expected(engine, symbol, side)
            for kind, value in book.statistics().items():
                decimals = book.quantity_decimals if kind == "B" else book.price_decimals + 4 * (kind == "9")
                assert int(mine.statistics[kind].scaleb(decimals)) == value
            assert mine.statistics.keys() == book.statistics().keys()
            assert mine.auction == _auction_of(book)
            day = {number: trade[1:] for number, trade in tape.trades.items() if trade[0] == symbol}
            told = {int(number): (price, size) for number, price, size in mine.trades if int(number) in day}
            assert {number: _units(price, size, book) for number, (price, size) in told.items()} == day

    def _expected(self, engine: Engine, symbol: str, side: str) -> list[tuple[int, ...]]:
        orders = shown_by(engine, symbol, side)
        levels: dict[int, list[int]] = {}
        for _, price, shown in orders:
            levels.setdefault(price, []).append(shown)
        prices = list(levels)[: self.depth or None]
        if self.by_order:
            return [order for order in orders if order[1] in prices]
        return [(price, sum(levels[price]), len(levels[price])) for price in prices]


def _units(price: Decimal, size: Decimal, book: Book) -> tuple[int, int]:
    return int(price.scaleb(book.price_decimals)), int(size.scaleb(book.quantity_decimals))


def _in_units(entries: list[PriceLevel] | list[OpenOrder], book: Book) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = []
    for entry in entries:
        price, size = _units(entry.price, entry.size, book)
        found.append((price, size, entry.orders) if isinstance(entry, PriceLevel) else (int(entry.order_id), price, size))
    return found


def _auction_of(book: Book) -> dict[str, AuctionEntry]:
    if book.auction is None:
        return {}
    price, volume, surplus, final = book.auction

    def entry(quantity: int, condition: str) -> AuctionEntry:
        size = Decimal(quantity).scaleb(-book.quantity_decimals)
        return AuctionEntry(Decimal(price).scaleb(-book.price_decimals), size, condition)

    found = {"Q": entry(volume, "" if final else "I")}
    if surplus:
        found["A"] = entry(abs(surplus), "P" if surplus > 0 else "Q")
    return found


@pytest.mark.parametrize("seed", range(2))
def test_clients_of_every_version_and_depth_have_it_too(seed: int) -> None:
    """By RptSeq they know that they missed nothing; what a client has is compared after every record."""
    engine, depth, tape = Engine(), Depth(), Tape()
    views = Views(depth)
    subscriptions = Subscriptions(views)
    followers: list[Follower] = []
    indicated = 0
    for step in steps(engine, seed, 2_000, 3):
        known = len(depth.books)
        depth.apply(step.batch)
        for event in step.batch.events:
            tape.see(event)
        published = views.publish()
        for follower in followers:
            follower.take(published)
        if not followers:
            followers = [
                Follower(subscriptions, version, levels, by_order)
                for version, levels in (("FIX.4.2", 0), ("FIX.4.4", 1), ("FIXT.1.1", 3))
                for by_order in (False, True)
            ]
        if len(depth.books) > known:
            for follower in followers:
                follower.follow()
        for follower in followers:
            follower.check(depth, engine, tape)
        indicated += any(book.auction is not None and not book.auction.final for book in depth.books.values())
    assert indicated > 20, f"seed {seed} publishes no indicative price"


@pytest.mark.parametrize("seed", range(3))
def test_a_checkpoint_at_any_moment_goes_on_as_if_nothing_had_been(seed: int) -> None:
    engine, depth = Engine(), Depth()
    restored: Depth | None = None
    for count, step in enumerate(steps(engine, seed, 2_500, 5)):
        depth.apply(step.batch)
        if count % 20 == 0:
            restored = checkpoint.decode_depth(checkpoint.encode_depth(depth))
        elif restored is not None:
            restored.apply(step.batch)
        if restored is not None:
            restored.check()
            assert checkpoint.encode_depth(restored) == checkpoint.encode_depth(depth), f"seed {seed}, record {count}"


def test_market_and_hidden_orders_are_not_in_a_list_of_what_is_shown() -> None:
    """What this file compares with is not empty of them."""
    engine, depth = Engine(), Depth()
    hidden = market = parked = 0
    for step in steps(engine, 1, 2_000):
        depth.apply(step.batch)
        for order in engine.open_orders():
            hidden += 0 < order.shown < order.leaves
            parked += order.parked != ""
            market += order.order_type != LIMIT and not order.parked and order.order_id in depth.unseen
    assert hidden > 100 and market > 100 and parked > 100
