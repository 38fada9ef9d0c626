"""The open orders of every instrument as far as they are shown, and the day's statistics, as the events tell them; it never
says who owns an order.

An order is in the book here as soon as it is accepted, before its own trades are applied, so between two
events a book may be crossed. What is published is therefore the difference over a whole record of the
event log (an EventBatch, which never ends in the middle of a command): `apply` takes one record, and each
book then knows what it looked like before. While orders gather for an auction, books are crossed between
records too, and are published as they are.

Never shown are: what cannot rest (IOC, FOK), market orders that wait for an auction, parked orders, and of an
iceberg what is beyond its display quantity. All of them are known here, because later events may only name them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from sortedcontainers import SortedList

from matching.messages import (
    BUY,
    FOK,
    IOC,
    LIMIT,
    AuctionIndicated,
    DayRolled,
    EventBatch,
    InstrumentDefined,
    InstrumentSplit,
    MarketPhaseChanged,
    OrderAccepted,
    OrderActivated,
    OrderCanceled,
    OrderRefreshed,
    OrderReplaced,
    OrderRepriced,
    OrderRestated,
    OrderSplit,
    Phase,
    PhaseChanged,
    ReferenceSet,
    RestateReason,
    Side,
    TradeBusted,
    TradeCorrected,
    Traded,
    Uncrossed,
)

AT_ONCE = frozenset((IOC, FOK))
AUCTIONS = frozenset(("opening-auction", "volatility-auction", "closing-auction"))
CLOSES = frozenset(("closing-price", "closed"))

# MDEntryType(269), in the order in which a snapshot lists them.
BID, OFFER, TRADE = "0", "1", "2"
OPENING, CLOSING, HIGH, LOW, VWAP, VOLUME = "4", "5", "7", "8", "9", "B"
IMBALANCE, CLEARING_PRICE = "A", "Q"
STATISTICS = (OPENING, CLOSING, HIGH, LOW, VWAP, VOLUME)

VWAP_EXTRA_DECIMALS = 4  # a volume-weighted average is exact to the price scale plus these
TRADES_KEPT = 100  # from the beginning of the day, and the last: what opening and last price fall back on when trades are busted


class Order:
    """An open order: `leaves` is what is left of it, `display` the most that is shown at once (0: all), `quantity` what is shown
    while it is in the book."""

    __slots__ = ("book", "display", "leaves", "order_id", "price", "quantity", "side")

    def __init__(self, order_id: int, book: Book, side: BookSide, price: int, leaves: int, display: int = 0) -> None:
        self.order_id = order_id
        self.book = book
        self.side = side
        self.price = price
        self.leaves = leaves
        self.display = display
        self.quantity = display if 0 < display < leaves else leaves


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
    """One trade: `number` is that of its event, `time` in nanoseconds (0 where it is not known any more), `taker_side` who came
    second, empty in an auction. `corrected`: it was at another price, or of another quantity, before."""

    __slots__ = ("corrected", "number", "price", "quantity", "taker_side", "time")

    def __init__(
        self, number: int, price: int, quantity: int, taker_side: Side | str, time: int, corrected: bool = False
    ) -> None:
        self.number = number
        self.price = price
        self.quantity = quantity
        self.taker_side = taker_side
        self.time = time
        self.corrected = corrected


class Auction(NamedTuple):
    """The price at which an auction trades `volume`, or would if it ended now (not `final`). `surplus` is what then stays
    on the buy side (above 0) or the sell side (below 0)."""

    price: int
    volume: int
    surplus: int
    final: bool


class Book:
    """One instrument: its terms, both sides, and the trading day so far.

    Of the record being applied: `trades` are new, `corrected` and `busted` are trades of before as they are now and as they were;
    `statistics_before` are the statistics before it and `auction_before` the auction, in a tuple (None where the record
    changed nothing about them).

    `traded` is the day's quantity by price, `prints` counts its trades and `busts` those of them that never were, `first` are those
    of the first TRADES_KEPT that stand, `recent` those of the last. `closing` is the last closing price, `closing_before` that of
    the day before. `split` is the event of the last split, 0 where there was none: trades up to it are of units that are no more.
    """

    __slots__ = (
        "auction", "auction_before", "bids", "busted", "busts", "closing", "closing_before", "corrected", "first", "high",
        "instrument", "low", "offers", "opening", "phase", "price_decimals", "printed", "prints", "quantity_decimals", "recent",
        "reference", "split", "statistics_before", "terms", "traded", "trades", "until", "value", "volume",
    )  # fmt: skip

    def __init__(self, terms: InstrumentDefined) -> None:
        self.terms = terms
        self.instrument = terms.instrument
        self.price_decimals = terms.price_decimals
        self.quantity_decimals = terms.quantity_decimals
        self.phase: Phase = terms.phase
        self.until = 0  # when (ns) a volatility auction ends, if nobody moves it before
        self.reference = terms.reference_price  # what the static band is around
        self.printed = 0  # the price of the last trade since the reference was set, whatever became of that trade; 0: none
        self.bids = BookSide("1")
        self.offers = BookSide("2")
        self.opening = self.closing = self.closing_before = self.high = self.low = 0  # 0 is none: prices are above it
        self.split = 0
        self.volume = self.value = self.prints = self.busts = 0
        self.traded: dict[int, int] = {}
        self.first: list[Trade] = []
        self.recent: deque[Trade] = deque(maxlen=TRADES_KEPT)
        self.trades: list[Trade] = []
        self.corrected: list[Trade] = []
        self.busted: list[Trade] = []
        self.statistics_before: dict[str, int] | None = None
        self.auction: Auction | None = None
        self.auction_before: tuple[Auction | None] | None = None

    @property
    def last(self) -> Trade | None:
        """The last trade that stands, also one of a day before; None where it is not known, or a split came after it."""
        return self.recent[-1] if self.recent and self.recent[-1].number > self.split else None

    @property
    def band(self) -> tuple[int, int]:
        """The lowest and the highest price that is taken."""
        width, tick = self.reference * self.terms.band_bps, self.terms.tick
        scaled = self.reference * 10_000
        return max(-(-(scaled - width) // (10_000 * tick)) * tick, tick), (scaled + width) // (10_000 * tick) * tick

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
        self.recent.append(trade)
        self.printed = price = trade.price
        quantity = trade.quantity
        if not self.volume:
            self.opening = self.high = self.low = price
        elif price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.prints += 1
        if self.prints <= TRADES_KEPT:
            self.first.append(trade)
        self.traded[price] = self.traded.get(price, 0) + quantity
        self.volume += quantity
        self.value += price * quantity

    def bust(self, number: int, price: int, quantity: int, taker_side: Side) -> None:
        """A trade of today never was. Volume, average, high and low are exact; the opening price is that of the first trade
        that is left and known, or none."""
        self._take_back(price, quantity)
        self.busts += 1
        known = self._kept(number)
        self.busted.append(known or Trade(number, price, quantity, taker_side, 0))
        if known is not None:
            self.recent = deque((trade for trade in self.recent if trade is not known), TRADES_KEPT)
            self.first = [trade for trade in self.first if trade is not known]
        self._open()

    def correct(self, event: TradeCorrected) -> None:
        """A trade of today was at another price, or of another quantity."""
        self._take_back(event.old_price, event.old_quantity)
        self.traded[event.price] = self.traded.get(event.price, 0) + event.quantity
        self.volume += event.quantity
        self.value += event.price * event.quantity
        known = self._kept(event.trade_seq)
        side, time = (known.taker_side, known.time) if known is not None else (event.taker_side, 0)
        trade = Trade(event.trade_seq, event.price, event.quantity, side, time, True)
        self.corrected.append(trade)
        if known is not None:
            self.recent = deque((trade if one is known else one for one in self.recent), TRADES_KEPT)
            self.first = [trade if one is known else one for one in self.first]
        self._open()

    def _take_back(self, price: int, quantity: int) -> None:
        if self.statistics_before is None:
            self.statistics_before = self.statistics()
        self.volume -= quantity
        self.value -= price * quantity
        left = self.traded[price] - quantity
        assert left >= 0 <= self.volume, f"more of {self.instrument} is taken back than was traded"
        if left:
            self.traded[price] = left
        else:
            del self.traded[price]

    def _kept(self, number: int) -> Trade | None:
        return next((trade for kept in (self.recent, self.first) for trade in kept if trade.number == number), None)

    def _open(self) -> None:
        """Find again what follows from the trades that stand."""
        self.high, self.low = max(self.traded, default=0), min(self.traded, default=0)
        self.opening = self.first[0].price if self.first else 0

    def uncross(self, auction: Auction | None) -> None:
        """What an auction would yield, or did."""
        if self.auction_before is None:
            self.auction_before = (self.auction,)
        self.auction = auction

    def split_by(self, event: InstrumentSplit) -> None:
        """The day's statistics begin anew, because what was traded before counts other units and is busted no more; the closing
        price is what it would have been."""
        if self.statistics_before is None:
            self.statistics_before = self.statistics()
        self.split = event.seq
        tick = self.terms.tick

        def adjusted(price: int) -> int:
            """To the nearest tick, of two the higher; of a price that there is."""
            scaled, unit = 2 * price * event.denominator, 2 * tick * event.numerator
            return max((scaled + tick * event.numerator) // unit, 1) * tick if price else 0

        # Where there was no day before, the terms have a price to compare with, which is that of other units now.
        self.closing_before = adjusted(self.closing_before or self.terms.reference_price)
        self.closing, self.printed = adjusted(self.closing), adjusted(self.printed)
        self._begin_anew()

    def set_reference(self, price: int) -> None:
        """Put the static band around `price`."""
        self.reference, self.printed = price, 0

    def enter_phase(self, phase: Phase, until: int) -> None:
        self.phase, self.until = phase, until
        if self.auction is not None and (phase in AUCTIONS or not self.auction.final):
            self.uncross(None)  # what was said of one auction says nothing about the next
        if phase in CLOSES:
            self._close()

    def roll(self) -> None:
        """The day ends: its last price becomes the closing price, the rest begins anew."""
        self._close()
        self.closing_before = self.closing or self.closing_before
        self.set_reference(self.printed or self.reference)
        if self.statistics_before is None:
            self.statistics_before = self.statistics()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.opening = self.high = self.low = 0
        self.volume = self.value = self.prints = self.busts = 0
        self.traded.clear()
        self.first.clear()
        if self.auction is not None:
            self.uncross(None)

    def _close(self) -> None:
        """The closing price is that of the closing auction, or of the last trade: after an auction that traded, the same."""
        if self.volume and self.recent and self.closing != self.recent[-1].price:
            if self.statistics_before is None:
                self.statistics_before = self.statistics()
            self.closing = self.recent[-1].price

    def settle(self) -> None:
        self.bids.settle()
        self.offers.settle()
        if self.trades:
            self.trades = []
        if self.corrected or self.busted:
            self.corrected, self.busted = [], []
        self.statistics_before = self.auction_before = None

    def check(self) -> None:
        """Assert that the book holds together and, between two records of continuous trading, that it is neither crossed nor
        locked."""
        self.bids.check()
        self.offers.check()
        assert self.volume == sum(self.traded.values())
        assert self.value == sum(price * quantity for price, quantity in self.traded.items())
        assert (self.high, self.low) == (max(self.traded, default=0), min(self.traded, default=0))
        bid, offer = self.bids.prices(1), self.offers.prices(1)
        crossed = bid and offer and bid[0] >= offer[0]
        assert not crossed or self.phase != "continuous", f"the book of {self.instrument} is crossed: {bid[0]} and {offer[0]}"


class Depth:
    """Every book, after the events up to `cursor`.

    `orders` are in a book, `unseen` are open and in none. `markets` are the phases of the markets.

    `changed` names the books that the record last applied touched, in the order in which it did, and `phases` are the changes
    of phase in it. Whoever publishes reads them before the next `apply`, which settles them.
    """

    def __init__(self) -> None:
        self.books: dict[str, Book] = {}
        self.markets: dict[str, Phase] = {}
        self.orders: dict[int, Order] = {}
        self.unseen: dict[int, Order] = {}
        self.cursor = 0
        self.time = 0
        self.trading_day = ""
        self.changed: dict[str, Book] = {}
        self.phases: list[PhaseChanged | MarketPhaseChanged] = []
        # The orders of a book that is being split, in the order that they had, with what is shown of each.
        self._splits: dict[str, list[tuple[Order, int]]] = {}
        self._takes: dict[type, Callable[[Any], None]] = {
            OrderAccepted: self._accepted,
            Traded: self._traded,
            OrderCanceled: self._canceled,
            OrderReplaced: self._replaced,
            OrderActivated: self._activated,
            OrderRepriced: self._repriced,
            OrderRestated: self._restated,
            OrderRefreshed: self._refreshed,
            InstrumentDefined: self._defined,
            PhaseChanged: self._phase_changed,
            MarketPhaseChanged: self._market_phase_changed,
            AuctionIndicated: self._indicated,
            Uncrossed: self._uncrossed,
            ReferenceSet: self._reference_set,
            InstrumentSplit: self._instrument_split,
            OrderSplit: self._order_split,
            TradeBusted: self._busted,
            TradeCorrected: self._corrected,
            DayRolled: self._rolled,
        }

    def apply(self, batch: EventBatch) -> None:
        """Take the next record. Its events follow the cursor without a gap."""
        for book in self.changed.values():
            book.settle()
        self.changed.clear()
        if self.phases:
            self.phases = []
        self.time = batch.time
        takes = self._takes
        for event in batch.events:
            assert event.seq == self.cursor + 1, f"event {event.seq} came where {self.cursor + 1} was due"
            self.cursor = event.seq
            take = takes.get(type(event))
            if take is not None:  # the others say nothing about the market
                take(event)

    def check(self) -> None:
        resting = [order for book in self.books.values() for side in (book.bids, book.offers) for order in side.orders()]
        assert {order.order_id: order for order in resting} == self.orders and len(resting) == len(self.orders)
        assert not self.orders.keys() & self.unseen.keys()
        for order in resting:
            assert 0 < order.quantity <= order.leaves and (order.display or order.quantity == order.leaves)
        for order_id, order in self.unseen.items():
            assert order.order_id == order_id and order.leaves > 0
        for book in self.books.values():
            book.check()

    def _touch(self, instrument: str) -> Book:
        book = self.books[instrument]
        self.changed[instrument] = book
        return book

    def _accepted(self, event: OrderAccepted) -> None:
        display = event.conditions.display_quantity if event.conditions is not None else 0
        if event.parked or event.order_type != LIMIT or event.time_in_force in AT_ONCE:
            book = self.books[event.instrument]
            self.unseen[event.order_id] = Order(
                event.order_id, book, book.side(event.side), event.price, event.quantity, display
            )
            return
        book = self._touch(event.instrument)
        side = book.side(event.side)
        order = self.orders[event.order_id] = Order(event.order_id, book, side, event.price, event.quantity, display)
        side.enter(order)

    def _traded(self, event: Traded) -> None:
        book = self._touch(event.instrument)
        auction = event.auction
        book.trade(Trade(event.seq, event.price, event.quantity, "" if auction else event.taker_side, self.time))
        self._fill(event.maker_order_id, event.quantity, event.maker_leaves, True)
        self._fill(event.taker_order_id, event.quantity, event.taker_leaves, auction)

    def _fill(self, order_id: int, traded: int, leaves: int, resting: bool) -> None:
        """An order has `leaves` left. Where it was `resting`, what traded was taken from what it shows."""
        order = self.orders.get(order_id)
        if order is None:
            order = self.unseen[order_id]
            order.leaves = leaves
            if not leaves:
                del self.unseen[order_id]
            return
        order.leaves = shown = leaves
        if order.display:
            shown = max(order.quantity - traded, 0) if resting else min(order.quantity, leaves)
        order.side.resize(order, shown)
        if not shown:
            del self.orders[order_id]
            if leaves:  # until OrderRefreshed
                self.unseen[order_id] = order

    def _canceled(self, event: OrderCanceled) -> None:
        self._ended(event.order_id)

    def _ended(self, order_id: int) -> None:
        order = self.orders.pop(order_id, None)
        if order is None:
            del self.unseen[order_id]
            return
        self.changed[order.book.instrument] = order.book
        order.side.resize(order, 0)

    def _taken_out(self, order_id: int) -> Order:
        """An open order, out of the book if it was there."""
        order = self.orders.pop(order_id, None)
        if order is None:
            return self.unseen[order_id]
        self.unseen[order_id] = order
        self.changed[order.book.instrument] = order.book
        order.side.resize(order, 0)
        return order

    def _enter(self, order: Order, price: int, shown: int = 0) -> None:
        """Put an open order that is in no book into its own, behind the others of its price."""
        del self.unseen[order.order_id]
        self.orders[order.order_id] = order
        self.changed[order.book.instrument] = order.book
        order.price = price
        order.quantity = shown or (min(order.display, order.leaves) if order.display else order.leaves)
        order.side.enter(order)

    def _keep(self, order_id: int, leaves: int) -> None:
        """An order has `leaves` left, and keeps its place; what it shows is at most that."""
        order = self.orders.get(order_id)
        if order is None:
            self.unseen[order_id].leaves = leaves
            return
        self.changed[order.book.instrument] = order.book
        order.leaves = leaves
        order.side.resize(order, min(order.quantity, order.display, leaves) if order.display else leaves)

    def _replaced(self, event: OrderReplaced) -> None:
        order_id = event.order_id
        if not event.leaves:
            self._ended(order_id)
            return
        display = event.conditions.display_quantity if event.conditions is not None else 0
        at_once = event.time_in_force in AT_ONCE
        if not event.requeued and not at_once:
            (self.orders.get(order_id) or self.unseen[order_id]).display = display
            self._keep(order_id, event.leaves)
            return
        order = self._taken_out(order_id)
        order.leaves, order.display = event.leaves, display
        if not event.parked and not at_once and event.order_type == LIMIT:
            self._enter(order, event.price)

    def _activated(self, event: OrderActivated) -> None:
        if not event.parked and event.order_type == LIMIT:
            self._enter(self.unseen[event.order_id], event.price)

    def _repriced(self, event: OrderRepriced) -> None:
        order = self._taken_out(event.order_id)
        if event.price:
            self._enter(order, event.price)

    def _refreshed(self, event: OrderRefreshed) -> None:
        order = self._taken_out(event.order_id)
        self._enter(order, order.price, event.shown)

    def _restated(self, event: OrderRestated) -> None:
        if event.reason == RestateReason.LEFT_OVER:
            order = self._taken_out(event.order_id)
            order.leaves = event.leaves
            self._enter(order, event.price)
        else:
            self._keep(event.order_id, event.leaves)

    def _defined(self, event: InstrumentDefined) -> None:
        if event.market:
            self.markets.setdefault(event.market, "continuous")
        book = self.books.get(event.instrument)
        if book is None:
            self.books[event.instrument] = self.changed[event.instrument] = Book(event)
            return
        assert book.price_decimals == event.price_decimals and book.quantity_decimals == event.quantity_decimals
        if book.terms.reference_price != event.reference_price:
            book.set_reference(event.reference_price)
        book.terms = event
        self.changed[event.instrument] = book

    def _phase_changed(self, event: PhaseChanged) -> None:
        self._touch(event.instrument).enter_phase(event.phase, event.until)
        self.phases.append(event)

    def _market_phase_changed(self, event: MarketPhaseChanged) -> None:
        self.markets[event.market] = event.phase
        self.phases.append(event)

    def _indicated(self, event: AuctionIndicated) -> None:
        self._touch(event.instrument).uncross(_auction(event, final=False))

    def _uncrossed(self, event: Uncrossed) -> None:
        book = self._touch(event.instrument)
        book.uncross(_auction(event, final=True))
        if event.volume:
            book.set_reference(event.price)

    def _reference_set(self, event: ReferenceSet) -> None:
        book = self._touch(event.instrument)
        if event.instrument in self._splits:  # which ends with it; the trades since the reference was set are as they were
            book.reference = event.price
            self._enter_again(event.instrument)
        else:
            book.set_reference(event.price)

    def _instrument_split(self, event: InstrumentSplit) -> None:
        book = self._touch(event.instrument)
        book.split_by(event)
        self._splits[event.instrument] = [
            (order, order.quantity * event.numerator // event.denominator)
            for side in (book.bids, book.offers)
            for order in side.orders()
        ]

    def _order_split(self, event: OrderSplit) -> None:
        order = self._taken_out(event.order_id)
        order.price, order.leaves = event.price, event.leaves
        order.display = event.conditions.display_quantity if event.conditions is not None else 0

    def _enter_again(self, instrument: str) -> None:
        for order, shown in self._splits.pop(instrument):
            if order.order_id in self.unseen:  # others were canceled
                self._enter(order, order.price, shown)

    def _busted(self, event: TradeBusted) -> None:
        self._touch(event.instrument).bust(event.trade_seq, event.price, event.quantity, event.taker_side)

    def _corrected(self, event: TradeCorrected) -> None:
        self._touch(event.instrument).correct(event)

    def _rolled(self, event: DayRolled) -> None:
        self.trading_day = event.trading_day
        for instrument, book in self.books.items():
            book.roll()
            self.changed[instrument] = book


def _auction(event: AuctionIndicated | Uncrossed, *, final: bool) -> Auction | None:
    return Auction(event.price, event.volume, event.surplus, final) if event.volume else None
