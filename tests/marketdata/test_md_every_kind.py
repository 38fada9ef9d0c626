"""The depth is what the engine shows of its book, whatever orders there are and whatever phase it is in."""

from __future__ import annotations

from collections import Counter

import pytest

from marketdata import checkpoint
from marketdata.depth import Book, Depth
from matching.book import BEFORE_ALL_PRICES
from matching.engine import Engine
from matching.messages import (
    BUY,
    LIMIT,
    SELL,
    DayRolled,
    Event,
    OrderRefreshed,
    OrderRepriced,
    OrderRestated,
    TradeBusted,
    TradeCorrected,
    Traded,
    Uncrossed,
)
from tests.every_kind import steps

COMMANDS = 6_000
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


@pytest.mark.parametrize("seed", range(6))
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


@pytest.mark.parametrize("seed", range(3))
def test_a_checkpoint_at_any_moment_goes_on_as_if_nothing_had_been(seed: int) -> None:
    engine, depth = Engine(), Depth()
    restored: Depth | None = None
    for count, step in enumerate(steps(engine, seed, 2_500, 5)):
        depth.apply(step.batch)
        if count % 20 == 0:
            restored = checkpoint.decode(checkpoint.encode(depth, 1, 1))
        elif restored is not None:
            restored.apply(step.batch)
        if restored is not None:
            restored.check()
            assert checkpoint.encode(restored, 1, 1) == checkpoint.encode(depth, 1, 1), f"seed {seed}, record {count}"


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
