"""What somebody knows who sees the events alone: open orders, books. It asserts the invariants, and predicts nothing."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from matching.messages import (
    BUY,
    LIMIT,
    MARKET,
    MARKET_TO_LIMIT,
    ORDERS_APART,
    PEGGED,
    SELL,
    STOP_LIMIT,
    Event,
    InstrumentDefined,
    InstrumentSplit,
    OrderAccepted,
    OrderActivated,
    OrderCanceled,
    OrderRefreshed,
    OrderReplaced,
    OrderRepriced,
    OrderRestated,
    OrderSplit,
    OrderState,
    PhaseChanged,
    RestateReason,
    TradeBusted,
    TradeCorrected,
    Traded,
    Uncrossed,
)
from tests.matching.watcher_clearing import ClearingWatcher

SIDES = (BUY, SELL)


@dataclass(eq=False)
class Watched:
    """An open order as the events tell it. `price` is what it may trade at, 0 where there is no limit."""

    order_id: int
    instrument: str
    side: str
    order_type: str
    price: int
    quantity: int
    leaves: int
    display: int
    executed: int = 0
    busted: int = 0
    shown: int = 0

    def check(self) -> None:
        assert self.executed + self.busted + self.leaves == self.quantity, "executed, busted and left are the quantity"
        assert self.leaves > 0 <= self.executed


def said(event: OrderAccepted | OrderReplaced | OrderActivated) -> int:
    """The price at which the order stands or may trade; 0 for one that has none, or not yet."""
    return event.price if event.order_type in (LIMIT, STOP_LIMIT) else 0


class Watcher:
    """`books` are the orders of each side of an instrument as they came into it."""

    def __init__(self) -> None:
        self.seq = 0
        self.orders: dict[int, Watched] = {}
        self.books: dict[tuple[str, str], list[Watched]] = {}
        self.entering: list[Watched] = []  # accepted together, and not at work yet
        self.phases: dict[str, str] = {}
        self.uncrossing: dict[str, tuple[int, int]] = {}  # the price, and the volume that is still to come
        self.split = Fraction(1)  # the last one
        self.clearing = ClearingWatcher()

    def see(self, events: list[Event]) -> None:
        """What one command caused."""
        assert events, "every command causes at least one event"
        for event in events:
            self.seq += 1
            assert event.seq == self.seq, "events are numbered without a gap"
            self.see_one(event)
        self.clearing.see(events)
        self.at_work()
        self.uncrossing.clear()

    def see_one(self, event: Event) -> None:
        match event:
            case OrderAccepted():
                self.accepted(event)
            case Traded():
                self.traded(event)
            case OrderCanceled():
                self.canceled(event)
            case OrderReplaced():
                self.replaced(event)
            case OrderActivated():
                self.at_work()
                order = self.orders[event.order_id]
                order.order_type = event.order_type
                order.price = said(event)
                if not event.parked:
                    self.enter(order)
            case OrderRepriced():
                if event.price:
                    self.at_work()
                order = self.orders[event.order_id]
                assert order.order_type == PEGGED
                order.price = event.price
                self.leave(order)
                if event.price:
                    self.enter(order)
            case OrderRefreshed():
                order = self.orders[event.order_id]
                assert order.shown == 0 < event.shown == min(order.display, order.leaves), "the next slice"
                self.enter(order)
                order.shown = event.shown
            case OrderRestated():
                self.restated(event)
            case TradeBusted() | TradeCorrected():
                self.taken_back(event)
            case InstrumentSplit():
                self.split = Fraction(event.numerator, event.denominator)
                for side in SIDES:  # in the order of their priority, which stays where prices become the same
                    self.books[event.instrument, side] = self.ranked(event.instrument, side)
            case OrderSplit():
                self.order_split(event)
            case InstrumentDefined():
                self.phases.setdefault(event.instrument, event.phase)
            case PhaseChanged():
                self.phases[event.instrument] = event.phase
            case Uncrossed():
                self.uncrossing[event.instrument] = event.price, event.volume

    # -------------------------------------------------------------------------------------------------- the book

    def book(self, order: Watched) -> list[Watched]:
        return self.books.setdefault((order.instrument, order.side), [])

    def leave(self, order: Watched) -> None:
        if order in self.entering:
            self.entering.remove(order)
        if order in self.book(order):
            self.book(order).remove(order)

    def enter(self, order: Watched) -> None:
        """Behind all others of its price."""
        self.leave(order)
        self.book(order).append(order)
        order.shown = min(order.display, order.leaves)

    def at_work(self, until: Watched | None = None) -> None:
        """The orders of a list, which were accepted together, have gone to work in turn, as far as `until`."""
        while self.entering and (until is None or until in self.entering):
            self.enter(self.entering[0])

    def ranked(self, instrument: str, side: str) -> list[Watched]:
        """Market orders, then by price; of one price, who came first."""
        sign = -1 if side == BUY else 1
        book = self.books.get((instrument, side), [])
        return sorted(book, key=lambda order: (order.price != 0, order.price * sign))

    def depth(self, instrument: str, side: str) -> list[int]:
        return [order.order_id for order in self.ranked(instrument, side)]

    def crossed(self, instrument: str) -> bool:
        bids, offers = (self.ranked(instrument, side)[:1] for side in "12")
        return bool(bids and offers) and not 0 < bids[0].price < offers[0].price

    # -------------------------------------------------------------------------------------------------- orders

    def accepted(self, event: OrderAccepted) -> None:
        assert event.order_id not in self.orders
        display = event.conditions.display_quantity if event.conditions else 0
        order = Watched(
            event.order_id, event.instrument, event.side, event.order_type, said(event), event.quantity, event.quantity, display
        )
        self.orders[event.order_id] = order
        if event.parked:
            return
        if event.conditions and event.conditions.list_id:
            self.entering.append(order)
        else:
            self.enter(order)

    def canceled(self, event: OrderCanceled) -> None:
        order = self.orders.pop(event.order_id)
        assert event.quantity == order.leaves, "what is canceled is what was left"
        self.leave(order)
        order.check()

    def replaced(self, event: OrderReplaced) -> None:
        order = self.orders[event.order_id]
        order.quantity, order.leaves, order.order_type = event.quantity, event.leaves, event.order_type
        order.display = event.conditions.display_quantity if event.conditions else 0
        if event.order_type != PEGGED or event.requeued:
            order.price = said(event)
        order.shown = min(order.shown or order.leaves, order.display, order.leaves)
        if not event.leaves:
            self.leave(self.orders.pop(event.order_id))
            return
        order.check()
        if event.requeued:
            self.leave(order)
            if not event.parked:
                self.enter(order)

    def restated(self, event: OrderRestated) -> None:
        order = self.orders[event.order_id]
        if event.reason == RestateReason.LEFT_OVER:
            assert order.order_type == MARKET_TO_LIMIT and event.order_type == LIMIT and event.price > 0
            assert (event.quantity, event.leaves) == (order.quantity, order.leaves)
            order.price = event.price
            self.enter(order)
        else:
            assert order.quantity - event.quantity == order.leaves - event.leaves > 0, "both become less, by the same"
            order.quantity, order.leaves = event.quantity, event.leaves
            order.shown = min(order.shown, order.leaves)
        order.order_type = event.order_type
        order.check()

    def order_split(self, event: OrderSplit) -> None:
        order = self.orders[event.order_id]
        before = (order.quantity, order.leaves, order.executed, order.busted, order.display, order.shown)
        order.quantity, order.leaves, order.executed, order.busted = event.quantity, event.leaves, event.executed, event.busted
        order.display = event.conditions.display_quantity if event.conditions else 0
        order.shown = int(order.shown * self.split)
        after = (order.quantity, order.leaves, order.executed, order.busted, order.display, order.shown)
        assert after == tuple(quantity * self.split for quantity in before), "every quantity at the ratio"
        order.price = event.price if order.price else 0
        order.check()

    # -------------------------------------------------------------------------------------------------- trades

    def traded(self, event: Traded) -> None:
        maker, taker = self.orders[event.maker_order_id], self.orders[event.taker_order_id]
        self.at_work(taker)
        phase = self.phases[event.instrument]
        assert maker.side != taker.side == event.taker_side
        assert maker in self.book(maker) and taker in self.book(taker), "an order that trades is in no other place"
        if event.auction:
            price, volume = self.uncrossing[event.instrument]
            assert event.price == price and event.quantity <= volume, "an auction trades its volume at its price"
            self.uncrossing[event.instrument] = price, volume - event.quantity
            assert maker.order_id % ORDERS_APART <= taker.order_id % ORDERS_APART, "the maker was entered first"
        else:
            assert phase in ("continuous", "closing-price"), "there is no trade in this phase"
            assert maker is self.ranked(event.instrument, maker.side)[0], "an older or better one was passed over"
            assert event.quantity <= (maker.shown if maker.display else maker.leaves), "what is hidden has traded"
            assert event.price == maker.price or phase == "closing-price", "the resting order's price"
        for order, leaves in ((maker, event.maker_leaves), (taker, event.taker_leaves)):
            order.leaves -= event.quantity
            order.executed += event.quantity
            assert order.leaves == leaves >= 0 < event.quantity
            assert order.leaves + order.executed + order.busted == order.quantity
            if order.order_type not in (MARKET, MARKET_TO_LIMIT):
                assert event.price <= order.price if order.side == BUY else event.price >= order.price, "outside the limit"
            if not order.leaves:
                self.leave(self.orders.pop(order.order_id))
            elif order is maker or event.auction:
                order.shown = max(order.shown - event.quantity, 0)
            else:
                order.shown = min(order.display, order.leaves)

    def taken_back(self, event: TradeBusted | TradeCorrected) -> None:
        gone = event.quantity
        if isinstance(event, TradeCorrected):
            gone = event.old_quantity - event.quantity
        for state in (event.maker, event.taker):
            if state is not None and state.order_id in self.orders:
                order = self.orders[state.order_id]
                order.executed -= gone
                order.busted += gone
                order.check()
                self.same(order, state)

    def same(self, order: Watched, state: OrderState) -> None:
        assert (order.quantity, order.leaves, order.executed, order.busted, order.order_type) == (
            state.quantity, state.leaves, state.executed, state.busted, state.order_type,
        )  # fmt: skip
