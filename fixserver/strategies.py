"""Strategies: what one is, and three of them; they know a broker and a seed, and no clock, network or float.

A strategy of one's own is a class with any of these four:

    class Mine(Strategy):
        def on_start(self): ...                 # once, before all others
        def on_book(self, market, symbol): ...  # the best prices of an instrument changed, or it traded
        def on_fill(self, fill): ...            # one of the own orders traded
        def on_timer(self, now): ...            # each `timer_ms` milliseconds

It looks at `self.market["AAPL"].bid` and the like, and acts by `self.broker.buy(...)`; docs/simulator.md says more. What is
random in it, it takes from `self.random`: then the same seed does the same again in a simulation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import ClassVar

from fixserver.broker import Broker, Fill, Market, Quote, Quotes
from fixserver.positions import Order, Positions, Terms
from matching.messages import BUY, DAY, IOC, MONEY_UNIT, SELL, Side, TimeInForce

BPS = 10_000


class Strategy:
    """What all strategies are. `participants` is the name, without its number, of those whom it trades as."""

    participants: ClassVar[str] = "TRADER"
    timer_ms: ClassVar[int] = 1_000
    broker: Broker
    random: Random

    @property
    def market(self) -> Market:
        """Every instrument, by its symbol."""
        return self.broker.market

    def on_start(self) -> None:
        """Trading begins."""

    def on_book(self, market: Market, symbol: str) -> None:
        """The best prices of an instrument, or what is there at them, are others now, or it traded, or trading began or ended."""

    def on_fill(self, fill: Fill) -> None:
        """One of the own orders traded."""

    def on_reject(self, symbol: str, side: str, text: str) -> None:
        """The venue did not take an order, or a replace of one; `side` is "buy" or "sell", `text` says why."""

    def on_timer(self, now: datetime) -> None:
        """Another `timer_ms` milliseconds have passed."""


@dataclass(frozen=True)
class Enter:
    label: str
    symbol: str
    side: Side
    price: int
    quantity: int
    time_in_force: TimeInForce


@dataclass(frozen=True)
class Replace:
    order: Order
    price: int
    quantity: int


@dataclass(frozen=True)
class Cancel:
    order: Order


Action = Enter | Replace | Cancel


class Paced(Strategy):
    """A strategy that does at most one thing a turn, so that whoever gives the turns sets the pace: `decide` says what, in units,
    as a function of what is seen.

    It is seeded, with a number of turns behind it. `refused` is told when the venue refuses an order: that side rests a while.
    Both sides of an instrument rest while it is not traded.
    """

    REST_TURNS = 40

    def __init__(self, seed: str = "") -> None:
        self.random = Random(seed)
        self.turn = 0
        self.acted = False  # in the last turn
        self._rests_until: dict[tuple[str, str], int] = {}
        self._waits: set[str] = set()

    def on_timer(self, now: datetime) -> None:
        broker = self.broker
        action = self.decide(broker.positions, broker.quotes)
        self.acted = action is not None
        if isinstance(action, Enter):
            terms = (action.label, action.symbol, action.side, action.price, action.quantity, action.time_in_force)
            broker.desk.enter(broker.positions.place(*terms, self.turn))
        elif isinstance(action, Replace):
            broker.desk.replace(action.order, action.price, action.quantity)
        elif isinstance(action, Cancel):
            broker.desk.cancel(action.order)

    def on_reject(self, symbol: str, side: str, text: str) -> None:
        self.refused(symbol, BUY if side == "buy" else SELL)

    def decide(self, positions: Positions, market: Quotes) -> Action | None:
        """What to do now, if anything."""
        self.turn += 1
        self._waits = {symbol for symbol, quote in market.items() if not quote.trading}
        return self._decide(positions, market)

    def _decide(self, positions: Positions, market: Quotes) -> Action | None:
        raise NotImplementedError

    def refused(self, symbol: str, side: str) -> None:
        self._rests_until[symbol, side] = self.turn + self.REST_TURNS

    def rests(self, symbol: str, side: str) -> bool:
        return symbol in self._waits or self._rests_until.get((symbol, side), 0) > self.turn


class MarketMaker(Paced):
    """Quotes both sides of every instrument around its own idea of the fair price, in levels.

    The idea wanders by itself, is pulled to where trades happen and a little to the reference price, and moves
    against what others do: who buys from the maker pushes it up. What he holds too much of he offers cheaper.
    """

    participants = "MAKER"
    timer_ms = 250

    LEVELS = 2
    HALF_SPREAD_BPS = 4
    LEVEL_STEP_BPS = 5
    WANDER_BPS = 3
    SIZE = 5_000 * MONEY_UNIT  # worth of one quote
    FINE = 1_000  # the fair price is kept in thousandths of a price unit
    PULL_TO_TRADES = 8  # the nth part of the distance, each look
    PULL_TO_REFERENCE = 400
    SKEW_SIZES = 8  # a surplus of so many quotes shifts the prices by half a spread

    def __init__(self, seed: str = "") -> None:
        super().__init__(seed)
        self._fair: dict[str, int] = {}
        self._seen: dict[str, int] = {}  # holdings at the last look
        self._begun: dict[str, int] = {}
        self._at = 0

    def _decide(self, positions: Positions, market: Quotes) -> Action | None:
        symbols = list(positions.terms)
        if not self._fair:
            for symbol, terms in positions.terms.items():
                guess = market[symbol].guess(terms) if symbol in market else terms.reference
                self._fair[symbol] = guess * self.FINE
                self._begun[symbol] = self._seen[symbol] = positions.holdings.get(symbol, 0)
        self._look(positions, market, symbols[self.turn % len(symbols)])
        quotes: dict[str, dict[str, Order]] = {symbol: {} for symbol in symbols}
        for order in positions.orders.values():
            quotes[order.terms.symbol][order.label] = order
        for _ in symbols:
            symbol = symbols[self._at]
            action = self._requote(positions, positions.terms[symbol], quotes[symbol])
            if action is not None:
                return action
            self._at = (self._at + 1) % len(symbols)
        return None

    def _look(self, positions: Positions, market: Quotes, symbol: str) -> None:
        terms, fair = positions.terms[symbol], self._fair[symbol]
        step = max(terms.tick * self.FINE, fair * self.WANDER_BPS // BPS)
        fair += self.random.randint(-step, step)
        if symbol in market and market[symbol].last:
            fair += (market[symbol].last * self.FINE - fair) // self.PULL_TO_TRADES
        fair += (terms.reference * self.FINE - fair) // self.PULL_TO_REFERENCE
        held = positions.holdings.get(symbol, 0)
        sold = self._seen[symbol] - held
        self._seen[symbol] = held
        # By half a spread at most: two makers that went further would buy from each other by turns, ever higher and lower.
        size = self._size(terms)
        fair += self._half_spread(terms, fair) * max(-size, min(size, 2 * sold)) // size
        self._fair[symbol] = max(terms.low * self.FINE, min(terms.high * self.FINE, fair))

    def _half_spread(self, terms: Terms, fair: int) -> int:
        return max(terms.tick * self.FINE, fair * self.HALF_SPREAD_BPS // BPS)

    def _size(self, terms: Terms) -> int:
        """Quantity of one quote."""
        return max(terms.lot, terms.affordable(self.SIZE, terms.reference))

    def _targets(self, positions: Positions, terms: Terms) -> list[tuple[str, Side, int]]:
        """(label, side, price) of the quotes that there should be."""
        fair = self._fair[terms.symbol]
        half = self._half_spread(terms, fair)
        surplus = positions.holdings.get(terms.symbol, 0) - self._begun[terms.symbol]
        skew = max(-2 * half, min(2 * half, half * surplus // (self._size(terms) * self.SKEW_SIZES)))
        middle, level_step = fair - skew, fair * self.LEVEL_STEP_BPS // BPS
        targets: list[tuple[str, Side, int]] = []
        for level in range(self.LEVELS):
            away = half + level * level_step
            targets.append((f"bid{level}", BUY, terms.on_tick((middle - away) // self.FINE)))
            targets.append((f"ask{level}", SELL, terms.on_tick((middle + away) // self.FINE)))
        return targets

    def _requote(self, positions: Positions, terms: Terms, quotes: dict[str, Order]) -> Action | None:
        """The first change that brings the quotes nearer to what they should be."""
        size = self._size(terms)
        slack = max(terms.tick, self._half_spread(terms, self._fair[terms.symbol]) // self.FINE // 2)
        asks = [o.price for o in quotes.values() if o.side == SELL]
        bids = [o.price for o in quotes.values() if o.side == BUY]
        for label, side, price in self._targets(positions, terms):
            crosses = price >= min(asks, default=price + 1) if side == BUY else price <= max(bids, default=price - 1)
            if crosses:  # his own quotes of the other side go first
                continue
            order = quotes.get(label)
            if order is None:
                if self.rests(terms.symbol, side) or not self._covered(positions, terms, side, price, size):
                    continue
                return Enter(label, terms.symbol, side, price, size, DAY)
            if not order.is_settled or (abs(order.price - price) < slack and order.leaves * 2 >= size):
                continue
            if self.rests(terms.symbol, side):
                continue
            more = price * size - order.price * order.leaves if side == BUY else size - order.leaves
            if more > 0 and not self._covered(positions, terms, side, price if side == SELL else 1, more):
                return Cancel(order)
            return Replace(order, price, order.executed + size)
        return None

    @staticmethod
    def _covered(positions: Positions, terms: Terms, side: Side, price: int, quantity: int) -> bool:
        if side == BUY:
            return terms.value(price, quantity) <= positions.available_cash()
        return quantity <= positions.available(terms.symbol)


class NoiseTrader(Paced):
    """Buys and sells at random, small, sometimes at the best price, sometimes a little away from it; cancels what got old.

    On the whole he pays the makers' spread; as his orders get smaller with his means, he is never quite ruined.
    """

    participants = "NOISE"

    OPEN_MAX = 5
    OLD_TURNS = 25
    PASSIVE_BPS_MAX = 25
    CROSS_BPS = 15
    SIZE_MAX = 500 * MONEY_UNIT  # worth of one order
    SIZE_SHARE = 20  # nor more than the nth part of his means

    def _decide(self, positions: Positions, market: Quotes) -> Action | None:
        rng = self.random
        settled = [order for order in positions.orders.values() if order.is_settled]
        if settled and (self.turn - settled[0].entered > self.OLD_TURNS or len(positions.orders) >= self.OPEN_MAX):
            return Cancel(settled[0])
        if len(positions.orders) >= self.OPEN_MAX:
            return None
        terms = positions.terms[rng.choice(list(positions.terms))]
        side: Side = SELL if positions.available(terms.symbol) >= terms.lot and rng.randrange(100) < 55 else BUY
        if self.rests(terms.symbol, side):
            return None
        quote = market.get(terms.symbol, Quote())
        guess = quote.guess(terms)
        aggressive = rng.randrange(100) < 60
        if aggressive:
            best = quote.ask if side == BUY else quote.bid
            away = guess * self.CROSS_BPS // BPS
            price = (best or guess) + (away if side == BUY else -away)
        else:
            away = guess * rng.randint(0, self.PASSIVE_BPS_MAX) // BPS
            best = quote.bid if side == BUY else quote.ask
            price = (best or guess) + (-away if side == BUY else away)
        price = terms.on_tick(price)
        prices = {symbol: market.get(symbol, Quote()).guess(one) for symbol, one in positions.terms.items()}
        largest = min(self.SIZE_MAX, max(positions.worth(prices), 0) // self.SIZE_SHARE)
        worth = rng.randint(largest // 10, largest)
        quantity = quantity_of(positions, terms, side, price, worth)
        if not quantity:
            return None
        return Enter("", terms.symbol, side, price, quantity, IOC if aggressive else DAY)


class MomentumTrader(Paced):
    """Follows the last trades: buys what rises, sells what it holds when that falls or has been held for long."""

    participants = "MOMENTUM"

    WINDOW = 8  # trades
    MOVE_BPS = 4
    CROSS_BPS = 20
    HOLD_TURNS = 300
    SIZE = 2_000 * MONEY_UNIT

    def __init__(self, seed: str = "") -> None:
        super().__init__(seed)
        self._bought: dict[str, int] = {}

    def _decide(self, positions: Positions, market: Quotes) -> Action | None:
        symbols = list(positions.terms)
        symbol = symbols[self.random.randrange(len(symbols))]
        terms, quote = positions.terms[symbol], market.get(symbol)
        if any(order.terms.symbol == symbol for order in positions.orders.values()):
            return None
        if quote is None or len(quote.trades) < self.WINDOW:
            return None
        before, now = quote.trades[-self.WINDOW], quote.trades[-1]
        moved = (now - before) * BPS // before
        held = positions.available(symbol)
        if held >= terms.lot:
            old = self.turn - self._bought.setdefault(symbol, self.turn) > self.HOLD_TURNS
            if not (old or moved <= -self.MOVE_BPS) or self.rests(symbol, SELL):
                return None
            self._bought.pop(symbol)
            price = terms.on_tick((quote.bid or now) - now * self.CROSS_BPS // BPS)
            return Enter("", symbol, SELL, price, held // terms.lot * terms.lot, IOC)
        if moved < self.MOVE_BPS or self.rests(symbol, BUY):
            return None
        price = terms.on_tick((quote.ask or now) + now * self.CROSS_BPS // BPS)
        quantity = quantity_of(positions, terms, BUY, price, self.SIZE)
        if not quantity:
            return None
        self._bought[symbol] = self.turn
        return Enter("", symbol, BUY, price, quantity, IOC)


def quantity_of(positions: Positions, terms: Terms, side: Side, price: int, worth: int) -> int:
    """As much as `worth` pays for, at least a lot, and no more than can be paid for or delivered; 0 where that is nothing."""
    wanted = max(terms.lot, terms.affordable(worth, price))
    if side == BUY:
        return min(wanted, terms.affordable(positions.available_cash(), price))
    return min(wanted, positions.available(terms.symbol) // terms.lot * terms.lot)
