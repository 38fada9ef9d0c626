"""The open orders of every instrument, and the day's statistics, as the events tell them; it never says who owns an order.

An order is in the book here as soon as it is accepted, before its own trades are applied, so between two
events a book may be crossed. What is published is therefore the difference over a whole record of the
event log (an EventBatch, which never ends in the middle of a command): `apply` takes one record, and each
book then knows what it looked like before. An order that cannot rest (market, IOC, FOK) is never entered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from sortedcontainers import SortedList

from matching.messages import (
    BUY,
    DAY,
    GTC,
    GTD,
    LIMIT,
    DayRolled,
    EventBatch,
    InstrumentDefined,
    OrderAccepted,
    OrderCanceled,
    OrderReplaced,
    OrderType,
    PhaseChanged,
    Side,
    TimeInForce,
    Traded,
)

RESTING = frozenset((DAY, GTC, GTD))

# MDEntryType(269), in the order in which a snapshot lists them.
BID, OFFER, TRADE = "0", "1", "2"
OPENING, CLOSING, HIGH, LOW, VWAP, VOLUME = "4", "5", "7", "8", "9", "B"
STATISTICS = (OPENING, CLOSING, HIGH, LOW, VWAP, VOLUME)

VWAP_EXTRA_DECIMALS = 4  # a volume-weighted average is exact to the price scale plus these


class Order:
    """An open order: `quantity` is what is left of it."""

    __slots__ = ("book", "order_id", "price", "quantity", "side")

    def __init__(self, order_id: int, book: Book, side: BookSide, price: int, quantity: int) -> None:
        self.order_id = order_id
        self.book = book
        self.side = side
        self.price = price
        self.quantity = quantity


class Level:
    """The orders at one price, oldest first (a dict keeps the order of entry, and loses any of them in O(1))."""

    __slots__ = ("orders", "quantity")

    def __init__(self) -> None:
        self.orders: dict[int, Order] = {}
        self.quantity = 0


class Before:
    """An order as it stood before the record: at which price, and how much."""

    __slots__ = ("price", "quantity")

    def __init__(self, price: int, quantity: int) -> None:
        self.price = price
        self.quantity = quantity


class BookSide:
    """One side of a book, and what the record being applied has changed of it.

    touched   price -> (quantity, orders) of the level before the record; (0, 0) where there was none
    before    order number -> the order before the record, None when it was not on this side
    queued    the orders that went to the back of a price since, in that order
    """

    __slots__ = ("_ranks", "_sign", "before", "kind", "levels", "queued", "touched")

    def __init__(self, side: Side) -> None:
        self.kind = BID if side == BUY else OFFER
        self._sign = -1 if side == BUY else 1  # the best price has the lowest rank
        self._ranks = SortedList()
        self.levels: dict[int, Level] = {}
        self.touched: dict[int, tuple[int, int]] = {}
        self.before: dict[int, Before | None] = {}
        self.queued: dict[int, Order] = {}

    def prices(self, count: int = 0) -> list[int]:
        """The best `count` prices, best first; all of them when `count` is 0."""
        sign = self._sign
        return [rank * sign for rank in (islice(self._ranks, count) if count else self._ranks)]

    def position(self, price: int) -> int:
        """Where a price stands on its side: 1 is the best. O(log n)."""
        return int(self._ranks.bisect_right(price * self._sign))

    def is_beyond(self, price: int, other: int) -> bool:
        """Whether `price` is worse than `other`."""
        return price * self._sign > other * self._sign

    def orders(self) -> Iterator[Order]:
        """Every order, the one that trades first first."""
        for rank in self._ranks:
            yield from self.levels[rank * self._sign].orders.values()

    def enter(self, order: Order) -> None:
        """Put an order behind the others of its price."""
        price = order.price
        level = self.levels.get(price)
        if level is None:
            level = self.levels[price] = Level()
            self._ranks.add(price * self._sign)
        if price not in self.touched:
            self.touched[price] = (level.quantity, len(level.orders))
        if order.order_id not in self.before:
            self.before[order.order_id] = None
        self.queued[order.order_id] = order
        level.orders[order.order_id] = order
        level.quantity += order.quantity

    def resize(self, order: Order, quantity: int) -> None:
        """Let an order have `quantity` left, at its place; it leaves the book at 0."""
        price = order.price
        level = self.levels[price]
        if price not in self.touched:
            self.touched[price] = (level.quantity, len(level.orders))
        order_id = order.order_id
        if order_id not in self.before:
            self.before[order_id] = Before(price, order.quantity)
        level.quantity += quantity - order.quantity
        order.quantity = quantity
        if quantity == 0:
            self.queued.pop(order_id, None)
            del level.orders[order_id]
            if not level.orders:
                assert level.quantity == 0, "a level holds what its orders hold"
                del self.levels[price]
                self._ranks.remove(price * self._sign)

    def settle(self) -> None:
        """Forget what the record changed: it has been published."""
        self.touched.clear()
        self.before.clear()
        self.queued.clear()

    def check(self) -> None:
        assert self.prices() == sorted(self.levels, key=lambda price: price * self._sign)
        for price, level in self.levels.items():
            assert level.orders, "an empty level is removed"
            assert level.quantity == sum(order.quantity for order in level.orders.values())
            for order_id, order in level.orders.items():
                assert order.order_id == order_id and order.price == price and order.quantity > 0 and order.side is self


class Trade:
    """One trade: `number` is that of its event, `time` in nanoseconds, `taker_side` who came second."""

    __slots__ = ("number", "price", "quantity", "taker_side", "time")

    def __init__(self, number: int, price: int, quantity: int, taker_side: Side, time: int) -> None:
        self.number = number
        self.price = price
        self.quantity = quantity
        self.taker_side = taker_side
        self.time = time


class Book:
    """One instrument: its terms, both sides, and the trading day so far.

    `trades` are those of the record being applied, `statistics_before` the statistics before it (None
    where the record changed nothing about them).
    """

    __slots__ = (
        "bids", "closing", "currency", "high", "instrument", "last", "low", "offers", "opening", "phase", "price_decimals",
        "quantity_decimals", "statistics_before", "trades", "value", "volume",
    )  # fmt: skip

    def __init__(self, instrument: str, currency: str, price_decimals: int, quantity_decimals: int) -> None:
        self.instrument = instrument
        self.currency = currency
        self.price_decimals = price_decimals
        self.quantity_decimals = quantity_decimals
        self.phase = ""
        self.bids = BookSide("1")
        self.offers = BookSide("2")
        self.last: Trade | None = None
        self.opening = self.closing = self.high = self.low = 0  # 0 is none: prices are above it
        self.volume = self.value = 0
        self.trades: list[Trade] = []
        self.statistics_before: dict[str, int] | None = None

    def statistics(self) -> dict[str, int]:
        """What there is of the day's statistics, by MDEntryType: prices in price units, the average in
        10^-(price_decimals + VWAP_EXTRA_DECIMALS), the volume in quantity units."""
        found = {}
        if self.opening:
            found[OPENING] = self.opening
        if self.closing:
            found[CLOSING] = self.closing
        if self.high:
            found[HIGH], found[LOW] = self.high, self.low
        if self.volume:
            scaled = 2 * self.value * 10**VWAP_EXTRA_DECIMALS
            found[VWAP] = (scaled + self.volume) // (2 * self.volume)  # rounded to the nearest
            found[VOLUME] = self.volume
        return found

    def side(self, side: Side) -> BookSide:
        return self.bids if side == BUY else self.offers

    def trade(self, trade: Trade) -> None:
        if self.statistics_before is None:
            self.statistics_before = self.statistics()
        self.trades.append(trade)
        self.last = trade
        if not self.volume:
            self.opening = self.high = self.low = trade.price
        elif trade.price > self.high:
            self.high = trade.price
        elif trade.price < self.low:
            self.low = trade.price
        self.volume += trade.quantity
        self.value += trade.price * trade.quantity

    def roll(self) -> None:
        """The day ends: its last price becomes the closing price, the rest begins anew."""
        if self.statistics_before is None:
            self.statistics_before = self.statistics()
        if self.volume:
            assert self.last is not None
            self.closing = self.last.price
        self.opening = self.high = self.low = 0
        self.volume = self.value = 0

    def settle(self) -> None:
        self.bids.settle()
        self.offers.settle()
        if self.trades:
            self.trades = []
        self.statistics_before = None

    def check(self) -> None:
        """Assert that the book holds together and, between two records, that it is neither crossed nor locked."""
        self.bids.check()
        self.offers.check()
        bid, offer = self.bids.prices(1), self.offers.prices(1)
        assert not bid or not offer or bid[0] < offer[0], f"the book of {self.instrument} is crossed: {bid[0]} and {offer[0]}"


class Depth:
    """Every book, after the events up to `cursor`.

    `changed` names the books that the record last applied touched, in the order in which it did. Whoever
    publishes reads them before the next `apply`, which settles them.
    """

    def __init__(self) -> None:
        self.books: dict[str, Book] = {}
        self.orders: dict[int, Order] = {}
        self.cursor = 0
        self.time = 0
        self.trading_day = ""
        self.changed: dict[str, Book] = {}
        self._passing: set[int] = set()  # orders of this record that are not in a book, or no longer

    def apply(self, batch: EventBatch) -> None:
        """Take the next record. Its events follow the cursor without a gap."""
        for book in self.changed.values():
            book.settle()
        self.changed.clear()
        self._passing.clear()
        self.time = batch.time
        for event in batch.events:
            assert event.seq == self.cursor + 1, f"event {event.seq} came where {self.cursor + 1} was due"
            self.cursor = event.seq
            if isinstance(event, OrderAccepted):
                self._accepted(event)
            elif isinstance(event, Traded):
                self._traded(event, batch.time)
            elif isinstance(event, OrderCanceled):
                self._ended(event)
            elif isinstance(event, OrderReplaced):
                self._replaced(event)
            elif isinstance(event, InstrumentDefined):
                self._defined(event)
            elif isinstance(event, PhaseChanged):
                self._touch(event.instrument).phase = event.phase
            elif isinstance(event, DayRolled):
                self._rolled(event)

    def apply_all(self, batches: Iterable[EventBatch]) -> None:
        for batch in batches:
            self.apply(batch)

    def check(self) -> None:
        resting = [order for book in self.books.values() for side in (book.bids, book.offers) for order in side.orders()]
        assert {order.order_id: order for order in resting} == self.orders and len(resting) == len(self.orders)
        for book in self.books.values():
            book.check()

    def _touch(self, instrument: str) -> Book:
        book = self.books[instrument]
        self.changed[instrument] = book
        return book

    def _accepted(self, event: OrderAccepted) -> None:
        if not _rests(event.order_type, event.time_in_force):
            self._passing.add(event.order_id)
            return
        book = self._touch(event.instrument)
        side = book.side(event.side)
        order = self.orders[event.order_id] = Order(event.order_id, book, side, event.price, event.quantity)
        side.enter(order)

    def _traded(self, event: Traded, time: int) -> None:
        book = self._touch(event.instrument)
        book.trade(Trade(event.seq, event.price, event.quantity, event.taker_side, time))
        self._leave(event.maker_order_id, event.maker_leaves)
        self._leave(event.taker_order_id, event.taker_leaves)

    def _leave(self, order_id: int, leaves: int) -> None:
        """An order has `leaves` left."""
        order = self.orders.get(order_id)
        if order is None:
            assert order_id in self._passing, f"order {order_id} trades or ends, and was never accepted"
            return
        order.side.resize(order, leaves)
        if leaves == 0:
            del self.orders[order_id]
            self._passing.add(order_id)

    def _ended(self, event: OrderCanceled) -> None:
        order = self.orders.get(event.order_id)
        if order is not None:
            self.changed[event.instrument] = order.book
        self._leave(event.order_id, 0)

    def _replaced(self, event: OrderReplaced) -> None:
        order = self.orders[event.order_id]
        book = self._touch(event.instrument)
        if not event.requeued and _rests(event.order_type, event.time_in_force):
            assert event.price == order.price, "an order keeps its place only at its price"
            self._leave(event.order_id, event.leaves)
            return
        order.side.resize(order, 0)
        del self.orders[event.order_id]
        if event.leaves == 0 or not _rests(event.order_type, event.time_in_force):
            self._passing.add(event.order_id)
            return
        again = self.orders[event.order_id] = Order(event.order_id, book, order.side, event.price, event.leaves)
        order.side.enter(again)

    def _defined(self, event: InstrumentDefined) -> None:
        book = self.books.get(event.instrument)
        if book is None:
            self.books[event.instrument] = Book(
                event.instrument, event.currency, event.price_decimals, event.quantity_decimals
            )
        else:
            assert book.price_decimals == event.price_decimals and book.quantity_decimals == event.quantity_decimals

    def _rolled(self, event: DayRolled) -> None:
        self.trading_day = event.trading_day
        for instrument, book in self.books.items():
            book.roll()
            self.changed[instrument] = book


def _rests(order_type: OrderType, time_in_force: TimeInForce) -> bool:
    return order_type == LIMIT and time_in_force in RESTING
