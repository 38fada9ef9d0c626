"""What a strategy sees of the market and does in it, in exact decimals; it decides nothing, and knows no connection.

Inside, prices and quantities are whole units of an instrument (positions.py). A strategy of a user gets Decimal, and gives Decimal,
a whole number, or text such as "189.50": never a float, because 0.1 is none of the tenths that money has.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Literal, Protocol

from fixserver.positions import Filled, Order, Positions, Terms
from matching.messages import (
    AT_THE_CLOSE,
    AT_THE_OPENING,
    BUY,
    DAY,
    FOK,
    GTC,
    IOC,
    LIMIT,
    MARKET,
    MONEY_DECIMALS,
    SELL,
    Side,
    TimeInForce,
)

TRADES_KEPT = 64
Amount = Decimal | int | str
SideWord = Literal["buy", "sell"]
TIMES_IN_FORCE: dict[str, TimeInForce] = {
    "day": DAY, "gtc": GTC, "ioc": IOC, "fok": FOK, "at-the-opening": AT_THE_OPENING, "at-the-close": AT_THE_CLOSE,
}  # fmt: skip


@dataclass
class Quote:
    """What is seen of one instrument: the best prices (0 for none), what is there at them, and the last trades, in its units;
    `trading` while it is in continuous trading, as far as is known."""

    bid: int = 0
    ask: int = 0
    last: int = 0
    trading: bool = True
    trades: deque[int] = field(default_factory=lambda: deque(maxlen=TRADES_KEPT))
    bid_quantity: int = 0
    ask_quantity: int = 0

    def traded(self, price: int) -> None:
        self.last = price
        self.trades.append(price)

    def guess(self, terms: Terms) -> int:
        """What the instrument may be worth."""
        if self.bid and self.ask:
            return (self.bid + self.ask) // 2
        return self.last or self.bid or self.ask or terms.reference


Quotes = dict[str, Quote]


def decimal(units: int, decimals: int) -> Decimal:
    """Whole units of 10^-decimals as a Decimal."""
    return Decimal(units).scaleb(-decimals)


def in_units(amount: Amount, decimals: int, what: str) -> int:
    """An amount of a user's in whole units of 10^-decimals. TypeError, ValueError say what is wrong."""
    if isinstance(amount, float):
        raise TypeError(f'the {what} is {amount!r}, a float, which is not exact: give Decimal("1.5"), "1.5" or a whole number')
    try:
        scaled = Decimal(amount).scaleb(decimals)
        units = int(scaled)
    except (InvalidOperation, OverflowError, ValueError):
        raise ValueError(f"the {what} is {amount!r}, which is not a number") from None
    if scaled != units:
        raise ValueError(f"the {what} is {amount}, which has more than {decimals} decimals")
    return units


class Ticker:
    """One instrument as a strategy sees it. A price is None where there is none.

    `bid_quantity` and `ask_quantity` are what is there at the best prices; `trading` is false where it is known that orders do not
    trade as they come: it is closed, halted, or in an auction.
    """

    __slots__ = ("_quote", "_terms")

    def __init__(self, quote: Quote, terms: Terms) -> None:
        self._quote, self._terms = quote, terms

    @property
    def symbol(self) -> str:
        return self._terms.symbol

    @property
    def bid(self) -> Decimal | None:
        return self._price(self._quote.bid)

    @property
    def ask(self) -> Decimal | None:
        return self._price(self._quote.ask)

    @property
    def last(self) -> Decimal | None:
        """The price of the last trade."""
        return self._price(self._quote.last)

    @property
    def bid_quantity(self) -> Decimal:
        return decimal(self._quote.bid_quantity, self._terms.quantity_decimals)

    @property
    def ask_quantity(self) -> Decimal:
        return decimal(self._quote.ask_quantity, self._terms.quantity_decimals)

    @property
    def mid(self) -> Decimal | None:
        """Midway between the best prices: it need not be on the tick."""
        quote = self._quote
        if not quote.bid or not quote.ask:
            return None
        return decimal(quote.bid + quote.ask, self._terms.price_decimals) / 2

    @property
    def trades(self) -> list[Decimal]:
        """The prices of the last trades that were seen, oldest first: at most TRADES_KEPT."""
        return [decimal(price, self._terms.price_decimals) for price in self._quote.trades]

    @property
    def trading(self) -> bool:
        return self._quote.trading

    @property
    def tick(self) -> Decimal:
        return decimal(self._terms.tick, self._terms.price_decimals)

    @property
    def lot(self) -> Decimal:
        return decimal(self._terms.lot, self._terms.quantity_decimals)

    def on_tick(self, price: Decimal | int) -> Decimal:
        """The price that an order can have which is nearest to this one."""
        terms = self._terms
        nearest = (Decimal(price).scaleb(terms.price_decimals) / terms.tick).to_integral_value() * terms.tick
        return decimal(terms.on_tick(int(nearest)), terms.price_decimals)

    def _price(self, units: int) -> Decimal | None:
        return decimal(units, self._terms.price_decimals) if units else None

    def __repr__(self) -> str:
        return f"<{self.symbol} {self.bid} / {self.ask}, last {self.last}>"


Market = dict[str, Ticker]


def side_word(side: str) -> SideWord:
    return "buy" if side == BUY else "sell"


class OpenOrder:
    """An order of a strategy's own, as far as the venue's answers have arrived. `price` is None for one without a limit."""

    __slots__ = ("_order",)

    def __init__(self, order: Order) -> None:
        self._order = order

    @property
    def symbol(self) -> str:
        return self._order.terms.symbol

    @property
    def side(self) -> SideWord:
        return side_word(self._order.side)

    @property
    def price(self) -> Decimal | None:
        order = self._order
        return decimal(order.price, order.terms.price_decimals) if order.order_type == LIMIT else None

    @property
    def quantity(self) -> Decimal:
        return decimal(self._order.quantity, self._order.terms.quantity_decimals)

    @property
    def executed(self) -> Decimal:
        return decimal(self._order.executed, self._order.terms.quantity_decimals)

    @property
    def leaves(self) -> Decimal:
        """What is open of it."""
        return decimal(self._order.leaves, self._order.terms.quantity_decimals)

    @property
    def is_settled(self) -> bool:
        """Whether the venue has taken it and nothing is on its way: only then it can be changed or canceled."""
        return self._order.is_settled

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OpenOrder) and self._order is other._order

    def __hash__(self) -> int:
        return id(self._order)

    def __repr__(self) -> str:
        return f"<{self.side} {self.leaves} of {self.quantity} {self.symbol} at {self.price or 'market'}>"


class Fill:
    """A trade of one of a strategy's orders, in part or the rest of it."""

    __slots__ = ("_filled",)

    def __init__(self, filled: Filled) -> None:
        self._filled = filled

    @property
    def symbol(self) -> str:
        return self._filled.terms.symbol

    @property
    def side(self) -> SideWord:
        return side_word(self._filled.side)

    @property
    def price(self) -> Decimal:
        return decimal(self._filled.price, self._filled.terms.price_decimals)

    @property
    def quantity(self) -> Decimal:
        return decimal(self._filled.quantity, self._filled.terms.quantity_decimals)

    @property
    def fee(self) -> Decimal:
        return decimal(self._filled.fee, MONEY_DECIMALS)

    @property
    def order(self) -> OpenOrder:
        return OpenOrder(self._filled.order)

    def __repr__(self) -> str:
        return f"<{self.side} {self.quantity} {self.symbol} at {self.price}>"


class Desk(Protocol):
    """Where orders go: over FIX to a venue that runs, or into a simulation."""

    def enter(self, order: Order) -> None: ...
    def replace(self, order: Order, price: int, quantity: int) -> None:
        """Ask for other terms; `quantity` is the new total, what is executed included."""

    def cancel(self, order: Order) -> None: ...


class Broker:
    """One strategy's account, its view of the market, and its way to the venue.

    What it says of cash, holdings and orders is what has arrived: an order counts from the moment it is sent, a fill when the
    venue's report is here. An order that the venue does not take is told to `on_reject`.
    """

    def __init__(self, positions: Positions, quotes: Quotes, desk: Desk, clock: Callable[[], datetime]) -> None:
        self.positions = positions
        self.quotes = quotes
        self.desk = desk
        self._clock = clock
        self.market: Market = {symbol: Ticker(quotes[symbol], terms) for symbol, terms in positions.terms.items()}

    # ----------------------------------------------------------------------------------------- what there is

    @property
    def name(self) -> str:
        """Who it trades as."""
        return self.positions.name

    @property
    def now(self) -> datetime:
        return self._clock()

    @property
    def cash(self) -> Decimal:
        return decimal(self.positions.cash, MONEY_DECIMALS)

    @property
    def available_cash(self) -> Decimal:
        """Cash that no open buy order needs."""
        return decimal(self.positions.available_cash(), MONEY_DECIMALS)

    def position(self, symbol: str) -> Decimal:
        """What is held of an instrument."""
        return decimal(self.positions.holdings.get(symbol, 0), self._terms(symbol).quantity_decimals)

    def available(self, symbol: str) -> Decimal:
        """What is held of an instrument and needed by no open sell order."""
        return decimal(self.positions.available(symbol), self._terms(symbol).quantity_decimals)

    def orders(self, symbol: str = "") -> list[OpenOrder]:
        """The open orders, oldest first: of one instrument, or all."""
        return [OpenOrder(order) for order in self.positions.orders.values() if not symbol or order.terms.symbol == symbol]

    def is_open(self, order: OpenOrder) -> bool:
        """Whether an order is, or may still be, in the book: as far as the venue's answers have arrived, it has not ended."""
        return self.positions.orders.get(order._order.reference) is order._order

    def affordable(self, symbol: str, price: Amount) -> Decimal:
        """The most that the available cash pays for at a price, in whole lots; fees come on top."""
        terms = self._terms(symbol)
        units = in_units(price, terms.price_decimals, "price")
        return decimal(terms.affordable(self.positions.available_cash(), units), terms.quantity_decimals)

    # ------------------------------------------------------------------------------------------- what is done

    def buy(self, symbol: str, quantity: Amount, price: Amount | None = None, time_in_force: str = "day") -> OpenOrder:
        """Enter an order to buy, with a limit where a price is given, else at the market. Raises TypeError, ValueError."""
        return self._enter(BUY, symbol, quantity, price, time_in_force)

    def sell(self, symbol: str, quantity: Amount, price: Amount | None = None, time_in_force: str = "day") -> OpenOrder:
        """The same, to sell."""
        return self._enter(SELL, symbol, quantity, price, time_in_force)

    def replace(self, order: OpenOrder, price: Amount | None = None, quantity: Amount | None = None) -> bool:
        """Ask for another price, or another quantity in all, or both. False where that is not possible now: the order has
        ended, or the venue has not answered the last thing about it."""
        found = order._order
        if not self._can_change(found):
            return False
        units = found.price if price is None else self._price(found.terms, price)
        self.desk.replace(found, units, found.quantity if quantity is None else self._quantity(found.terms, quantity))
        return True

    def cancel(self, order: OpenOrder) -> bool:
        """Ask for an order to be canceled. False where that is not possible now, as in `replace`."""
        if not self._can_change(order._order):
            return False
        self.desk.cancel(order._order)
        return True

    def cancel_all(self, symbol: str = "") -> int:
        """Cancel what can be canceled now, of one instrument or of all, and say how many orders that is."""
        return sum(self.cancel(order) for order in self.orders(symbol))

    def _enter(self, side: Side, symbol: str, quantity: Amount, price: Amount | None, time_in_force: str) -> OpenOrder:
        terms = self._terms(symbol)
        if time_in_force not in TIMES_IN_FORCE:
            raise ValueError(f"the time in force is {time_in_force!r}, which is none of {', '.join(TIMES_IN_FORCE)}")
        if price is None:
            worst = terms.high if side == BUY else terms.low
            kind, units = MARKET, worst
        else:
            kind, units = LIMIT, self._price(terms, price)
        size = self._quantity(terms, quantity)
        order = self.positions.place("", symbol, side, units, size, TIMES_IN_FORCE[time_in_force], 0, kind)
        self.desk.enter(order)
        return OpenOrder(order)

    def _can_change(self, order: Order) -> bool:
        return order.is_settled and self.positions.orders.get(order.reference) is order  # it has not ended

    def _terms(self, symbol: str) -> Terms:
        terms = self.positions.terms.get(symbol)
        if terms is None:
            raise ValueError(f"{symbol!r} is not traded here: {', '.join(self.positions.terms)} are")
        return terms

    def _price(self, terms: Terms, price: Amount) -> int:
        units = in_units(price, terms.price_decimals, "price")
        if units <= 0 or units % terms.tick:
            tick = decimal(terms.tick, terms.price_decimals)
            raise ValueError(f"the price is {price}, which is no multiple of {terms.symbol}'s tick of {tick}: on_tick() finds one")
        return units

    def _quantity(self, terms: Terms, quantity: Amount) -> int:
        units = in_units(quantity, terms.quantity_decimals, "quantity")
        if units <= 0 or units % terms.lot:
            lot = decimal(terms.lot, terms.quantity_decimals)
            raise ValueError(f"the quantity is {quantity}, which is no multiple of {terms.symbol}'s lot of {lot}")
        return units
