"""The order book of one instrument: price-time priority. It knows orders and prices, and no rule of the market."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
from sortedcontainers import SortedList

from matching.accounts import Account, Cash, Participant, Position
from matching.messages import (
    BUY,
    INT64_MAX,
    ORDERS_APART,
    SELL,
    Conditions,
    Contingency,
    OrderType,
    Parked,
    Side,
    TimeInForce,
)

if TYPE_CHECKING:
    from matching.instruments import Instrument

# Where market orders wait for an auction: before every price that a limit order can have.
BEFORE_ALL_PRICES = {BUY: INT64_MAX, SELL: 0}

OPEN = ""
FILLED = "2"
CANCELED = "4"
REJECTED = "8"
EXPIRED = "C"


class OrderGroup:
    """Orders that depend on each other, in the order in which their list had them."""

    __slots__ = ("contingency", "orders")

    def __init__(self, contingency: Contingency, orders: list[Order]) -> None:
        self.contingency = contingency
        self.orders = orders


class Order(msgspec.Struct, eq=False, gc=False):
    """An order from entry to the end of its trading day. While it rests, or waits for its stop price, it is linked
    into a level.

    `reserved` is what it holds back of the account: money units for a buy, quantity units for a sell; it
    follows from `limit`, the worst price that it may trade at. `price` is what was said, 0 where there is
    none; the level knows where the order stands. `shown` is what is displayed of an iceberg, 0 of others.
    `value` is the sum of price times quantity over its fills, `busted` what was executed and taken back.
    `parked` says why an open order is in no book. `ended` is OPEN, or the final OrdStatus.

    A Struct, because there is one for every order of a day, and making it is most of what entering one costs.
    """

    order_id: int
    participant: Participant
    session: str
    cl_ord_id: str
    account: Account
    cash: Cash
    position: Position
    instrument: Instrument
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    price: int
    quantity: int
    expire_time: int
    routing: str
    entered: int
    exec_inst: str
    cancel_on_disconnect: bool
    limit: int
    reserved: int
    conditions: Conditions | None
    leaves: int
    executed: int = 0
    value: int = 0
    busted: int = 0
    shown: int = 0
    parked: Parked = ""
    group: OrderGroup | None = None
    ended: str = OPEN
    level: Level | None = None
    older: Order | None = None
    newer: Order | None = None

    @property
    def status(self) -> str:
        """OrdStatus(39). A filled order of which something was busted is not filled any more: what it lacks is canceled."""
        if self.ended == FILLED and self.busted:
            return CANCELED
        return self.ended or ("1" if self.executed else "0")

    @property
    def is_quote(self) -> bool:
        """Whether this is a side of a quote, which has no ClOrdID."""
        return not self.cl_ord_id


def entry_order(order: Order) -> tuple[int, int]:
    """Sorts orders as they were entered, those of one command as it had them."""
    return order.order_id % ORDERS_APART, order.order_id


class Level:
    """The orders at one price, oldest first, as a linked list: any of them leaves in constant time."""

    __slots__ = ("newest", "oldest", "price", "side")

    def __init__(self, side: BookSide, price: int) -> None:
        self.side = side
        self.price = price
        self.oldest: Order | None = None
        self.newest: Order | None = None

    def __iter__(self) -> Iterator[Order]:
        order = self.oldest
        while order is not None:
            yield order
            order = order.newer


class BookSide:
    """The levels of one side. `best` is the level that trades first, None when the side is empty.

    The stops of an instrument are kept in the same way, by stop price: those of buys like offers, the lowest first.
    """

    __slots__ = ("_ranks", "_sign", "best", "levels")

    def __init__(self, side: Side) -> None:
        self._sign = -1 if side == BUY else 1  # the best price has the lowest rank
        self._ranks = SortedList()
        self.levels: dict[int, Level] = {}
        self.best: Level | None = None

    def __iter__(self) -> Iterator[Level]:
        """The levels, best first."""
        for rank in self._ranks:
            yield self.levels[rank * self._sign]

    def add(self, order: Order, price: int) -> None:
        """Link an order behind all others of a price. O(1); O(log n) when the price is new."""
        level = self.levels.get(price)
        if level is None:
            level = self.levels[price] = Level(self, price)
            rank = price * self._sign
            self._ranks.add(rank)
            best = self.best
            if best is None or rank < best.price * self._sign:
                self.best = level
        newest = level.newest
        if newest is None:
            level.oldest = order
        else:
            newest.newer = order
            order.older = newest
        level.newest = order
        order.level = level

    def remove(self, order: Order) -> None:
        """Unlink an order. O(1); O(log n) when it was the last of its price."""
        level = order.level
        assert level is not None, "only a resting order can leave the book"
        older, newer = order.older, order.newer
        if older is None:
            level.oldest = newer
        else:
            older.newer = newer
            order.older = None
        if newer is None:
            level.newest = older
        else:
            newer.older = older
            order.newer = None
        order.level = None
        if level.oldest is None:
            del self.levels[level.price]
            self._ranks.remove(level.price * self._sign)
            if level is self.best:
                self.best = self.levels[self._ranks[0] * self._sign] if self._ranks else None

    def check(self) -> None:
        """Assert that the structure is what it says."""
        assert [rank * self._sign for rank in self._ranks] == [level.price for level in self]
        assert set(self.levels) == {rank * self._sign for rank in self._ranks}
        assert self.best is (self.levels[self._ranks[0] * self._sign] if self._ranks else None)
        for level in self:
            orders = list(level)
            assert orders, "an empty level is removed"
            assert level.oldest is orders[0] and level.newest is orders[-1]
            for older, newer in zip([None, *orders], [*orders, None], strict=True):
                assert newer is None or newer.older is older
                assert older is None or older.newer is newer
            for order in orders:
                assert level.side is self and order.level is level and order.leaves > 0 and order.ended == OPEN


class Book:
    """Both sides of one instrument. Crossed only in phases in which nothing trades."""

    __slots__ = ("bids", "offers")

    def __init__(self) -> None:
        self.bids = BookSide(BUY)
        self.offers = BookSide(SELL)

    @property
    def crossed(self) -> bool:
        """Whether the best bid is not below the best offer."""
        bid, offer = self.bids.best, self.offers.best
        return bid is not None and offer is not None and bid.price >= offer.price

    def check(self) -> None:
        """Assert that both sides hold together."""
        self.bids.check()
        self.offers.check()
