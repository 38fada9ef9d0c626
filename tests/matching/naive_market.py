"""The market of the second engine: orders, money, trades, auctions and phases, slow and plain. It answers no command.

It keeps one list of orders in the order of their entry and looks through all of it for everything: the best
price, what is reserved, which stop is elected. The rules are those of docs/market-rules.md, whose words the
comments use; nothing is shared with the first engine but the messages. What is settled later is in naive_clearing.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor

from matching.messages import (
    AT_THE_CLOSE,
    AT_THE_OPENING,
    BUY,
    FOK,
    IOC,
    LIMIT,
    MARKET,
    MARKET_TO_LIMIT,
    PEGGED,
    SELL,
    STOP,
    STOP_LIMIT,
    CancelOrder,
    CancelReason,
    Conditions,
    DefineAccount,
    DefineInstrument,
    Event,
    OrderActivated,
    OrderCanceled,
    OrderRefreshed,
    OrderRepriced,
    OrderRestated,
    OrderState,
    OrderType,
    Parked,
    PhaseChanged,
    RestateReason,
    Side,
    TimeInForce,
    Traded,
    Uncrossed,
)
from tests.matching.naive_clearing import Dealt, NaiveClearing
from tests.matching.naive_margin import carries, margins_now

FILLED, CANCELED, EXPIRED = "2", "4", "C"
AUCTIONS = ("opening-auction", "volatility-auction", "closing-auction")
GATHERING = ("pre-open", *AUCTIONS)
NUMBERS_A_COMMAND = 10**15
NOTHING_SAID = Conditions()


@dataclass(eq=False)
class OrderList:
    """Orders that depend on each other, in their order; of one that triggers, the first is the trigger."""

    contingency: str
    orders: list[Order] = field(default_factory=list)


@dataclass(eq=False)
class Order:
    """An order, from its entry on.

    `status` is "" while it is open. It is `in_book`, at price `at` (0: before all prices), or `parked`; `place`
    orders those of one price, and the stops of one stop price. `shown` counts only for an iceberg in the
    book. `elected`: it waits in the queue.
    """

    number: int
    participant: str
    session: str
    cl_ord_id: str
    account: str
    instrument: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    price: int
    quantity: int
    expire_time: int
    routing: str
    exec_inst: str
    marked: bool
    said: Conditions | None
    limit: int
    entered: int
    leaves: int = 0
    executed: int = 0
    value: int = 0
    busted: int = 0
    status: str = ""
    in_book: bool = False
    at: int = 0
    shown: int = 0
    place: int = 0
    parked: Parked = ""
    elected: bool = False
    quote: bool = False
    list: OrderList | None = None

    @property
    def conditions(self) -> Conditions:
        return self.said or NOTHING_SAID

    @property
    def visible(self) -> int:
        return self.shown if self.conditions.display_quantity else self.leaves

    @property
    def entry(self) -> tuple[int, int]:
        """Of two orders the one with the lower of these was entered first."""
        return self.number % NUMBERS_A_COMMAND, self.number

    @property
    def told_status(self) -> str:
        """OrdStatus. What a filled order lacks after a bust is as good as canceled."""
        if self.status == FILLED and self.busted:
            return CANCELED
        return self.status or ("1" if self.executed else "0")

    def state(self) -> OrderState:
        """As events tell it."""
        iceberg = self.in_book and self.conditions.display_quantity
        return OrderState(
            self.number, self.participant, self.session, self.cl_ord_id, self.account, self.instrument, self.side,
            self.order_type, self.time_in_force, self.price, self.quantity, self.leaves, self.executed, self.value,
            self.expire_time, self.routing, self.told_status, self.entered, self.exec_inst,
            self.marked, self.said, self.limit, self.shown if iceberg else 0, self.parked, self.busted,
            self.at if self.in_book and self.order_type == PEGGED else 0,
        )  # fmt: skip


@dataclass
class Paper:
    """An instrument. `marks` are what its pegged orders were last priced by, `indicated` what was said last in this auction."""

    terms: DefineInstrument
    reference: int
    phase: str
    last: int = 0
    until: int = 0
    traded: bool = False  # since the reference was set
    closing: int = 0
    split: int = 0  # the event of its last split
    marks: tuple[int, int] | None = None
    indicated: tuple[int, int, int] = (0, 0, 0)

    def ticks_within(self, price: int, bps: int) -> tuple[int, int]:
        """The last whole ticks within so much of a price."""
        tick = self.terms.tick
        low, high = (Fraction(price * (10_000 + sign * bps), 10_000 * tick) for sign in (-1, 1))
        return max(ceil(low) * tick, tick), floor(high) * tick

    @property
    def band(self) -> tuple[int, int]:
        return self.ticks_within(self.reference, self.terms.band_bps)

    def put_reference(self, price: int) -> None:
        self.reference = price
        self.traded = False

    def nearest_tick(self, price: int | Fraction) -> int:
        """The tick nearest to a price, of two the higher."""
        tick = self.terms.tick
        return max(floor(Fraction(2 * price + tick, 2 * tick)) * tick, tick)

    @property
    def around(self) -> int:
        """The last trade's price, or the static reference where there was none."""
        return self.last or self.reference

    def reach(self, order: Order, limit: int) -> int:
        """The limit, but not beyond the dynamic range."""
        if not self.terms.dynamic_band_bps:
            return limit
        low, high = self.ticks_within(self.around, self.terms.dynamic_band_bps)
        return min(limit, high) if order.side == BUY else max(limit, low)

    def money(self, price: int, quantity: int) -> int:
        """Price times quantity, in units of 10^-10."""
        scale: int = 10 ** (self.terms.price_decimals + self.terms.quantity_decimals)
        return price * quantity * 10**10 // scale

    def fee(self, value: int, ppm: int) -> int:
        return value * ppm // 10**6


def within(side: str, price: int, bound: int) -> bool:
    """Whether an order of this side that may go to `bound` may trade at `price`."""
    return price <= bound if side == BUY else price >= bound


def auction_price(orders: list[Order], reference: int, tick: int) -> tuple[int, int, int]:
    """Price, volume and surplus: the most volume, the least surplus, market pressure, nearest to the reference."""
    limits = [order.at for order in orders if order.at]
    if limits:
        # Volume and surplus change at limits alone: those, their neighbours and the ticks at the reference say it all.
        lines = [order.limit for order in orders if not order.at] + limits
        ticks = {edge * tick for line in [*lines, reference] for edge in (line // tick, -(-line // tick))}
        ticks |= {price + step for price in ticks for step in (-tick, tick)}
        prices = {min(max(price, min(limits)), max(limits)) for price in ticks}
    else:
        prices = {max((2 * reference + tick) // (2 * tick) * tick, tick)}

    yields = {}
    for price in prices:
        demand = sum(order.leaves for order in orders if order.side == BUY and (order.at or order.limit) >= price)
        supply = sum(order.leaves for order in orders if order.side == SELL and (order.at or order.limit) <= price)
        yields[price] = (min(demand, supply), demand - supply)

    most = max(volume for volume, _ in yields.values())
    if most == 0:
        return 0, 0, 0
    yields = {price: found for price, found in yields.items() if found[0] == most}
    least = min(abs(surplus) for _, surplus in yields.values())
    yields = {price: found for price, found in yields.items() if abs(found[1]) == least}
    if all(surplus > 0 for _, surplus in yields.values()):
        price = max(yields)
    elif all(surplus < 0 for _, surplus in yields.values()):
        price = min(yields)
    else:
        price = min(yields, key=lambda price: (abs(price - reference), -price))
    return price, *yields[price]


@dataclass
class NaiveMarket:
    """What is traded, by whom, and what has happened in this command (`out`)."""

    now: int = 0
    number: int = 0  # of the command
    seq: int = 0  # of the last event
    papers: dict[str, Paper] = field(default_factory=dict)
    accounts: dict[str, DefineAccount] = field(default_factory=dict)
    totals: dict[tuple[str, str], int] = field(default_factory=dict)  # (account, asset)
    clearing: NaiveClearing = field(default_factory=NaiveClearing)
    orders: list[Order] = field(default_factory=list)  # open ones, in the order of entry
    ended: dict[int, Order] = field(default_factory=dict)  # those of this day
    queue: list[tuple[Order, str]] = field(default_factory=list)  # elected, and why: "stop" or "list"
    places: int = 0
    pegged_max: int = 1_000  # of an instrument
    out: list[Event] = field(default_factory=list)

    def say(self, kind: Callable[..., Event], *values: object) -> None:
        self.seq += 1
        self.out.append(kind(self.seq, *values))

    def next_place(self) -> int:
        self.places += 1
        return self.places

    def book(self, symbol: str) -> list[Order]:
        return [order for order in self.orders if order.in_book and order.instrument == symbol]

    def by_entry(self, symbol: str) -> list[Order]:
        """The open orders of an instrument, in the order of entry."""
        return [order for order in self.orders if order.instrument == symbol]

    # -------------------------------------------------------------------------------------------- funds

    def total(self, account: str, asset: str) -> int:
        return self.totals.get((account, asset), 0)

    def move(self, account: str, asset: str, amount: int) -> None:
        self.totals[account, asset] = self.total(account, asset) + amount

    def fees_of(self, participant: str, symbol: str) -> tuple[int, int]:
        """What a participant pays as maker and as taker, in millionths."""
        terms = self.papers[symbol].terms
        rules = self.clearing.fees
        own = rules.get((participant, symbol), rules.get((participant, "")))
        return own or (terms.maker_fee_ppm, terms.taker_fee_ppm)

    def fee(self, account: str, symbol: str, value: int, as_maker: bool) -> int:
        maker, taker = self.fees_of(self.accounts[account].participant, symbol)
        return self.papers[symbol].fee(value, maker if as_maker else taker)

    def cost(self, order: Order) -> int:
        """What a buy holds back: the value, and the higher of the two fees."""
        paper = self.papers[order.instrument]
        value = paper.money(order.limit, order.leaves)
        return value + paper.fee(value, max(0, *self.fees_of(order.participant, order.instrument)))

    def need(self, order: Order, asset: str) -> int:
        """What one order holds back of a currency or an instrument."""
        paper = self.papers[order.instrument]
        if order.parked == "list":
            return 0
        if order.side == BUY:
            return self.cost(order) if asset == paper.terms.currency else 0
        return order.leaves if asset == order.instrument else 0

    def reserved(self, account: str, asset: str) -> int:
        """What the open orders of an account hold back, what is blocked, and its margin."""
        clearing = self.clearing
        held = self.held_by_orders(account, asset)
        return held + clearing.blocked(account, asset) + clearing.margins.get((account, asset), 0)

    def held_by_orders(self, account: str, asset: str) -> int:
        """Of a list of which one cancels the other, the largest need."""
        held = 0
        lists: dict[int, int] = {}
        for order in self.orders:
            if order.account != account:
                continue
            need = self.need(order, asset)
            if order.list is not None and order.list.contingency == "1":
                lists[id(order.list)] = max(lists.get(id(order.list), 0), need)
            else:
                held += need
        return held + sum(lists.values())

    def available(self, account: str, asset: str) -> int:
        """What an account has beyond what is reserved, its short limit included. Below zero: it has too little."""
        short = 0
        if asset in self.papers:
            short = self.accounts[account].short_max * 10 ** self.papers[asset].terms.quantity_decimals
        return self.total(account, asset) - self.reserved(account, asset) + short

    def asset_of(self, order: Order) -> str:
        """What the order is paid with."""
        return self.papers[order.instrument].terms.currency if order.side == BUY else order.instrument

    # ------------------------------------------------------------------------------------ the end of an order

    def forget(self, order: Order, status: str) -> None:
        order.status = status
        order.in_book = False
        order.parked = ""
        self.orders.remove(order)
        self.ended[order.number] = order

    def over(self, order: Order, status: str, reason: CancelReason, request: CancelOrder | None = None) -> None:
        """The order ends before it is filled, and others with it."""
        left = order.leaves
        self.forget(order, status)
        order.leaves = 0
        asked = (request.session, request.cl_ord_id, request.routing) if request else ("", "", "")
        self.say(OrderCanceled, order.number, order.instrument, left, reason, *asked)
        self.end_dependents(order)

    def end_dependents(self, order: Order) -> None:
        """An order ended otherwise than by being filled: so do those that depend on it."""
        if order.list is None:
            return
        if order.list.contingency == "1":
            self.end_alternatives(order)
        elif order is order.list.orders[0]:
            for other in list(order.list.orders[1:]):
                if not other.status:
                    self.over(other, CANCELED, CancelReason.LIST_ENDED)

    def end_alternatives(self, order: Order) -> None:
        """One cancels the other: the other orders of the list end, in the order of entry."""
        if order.list is None or order.list.contingency != "1":
            return
        others = [other for other in order.list.orders if other is not order and not other.status]
        order.list.orders = [order]
        for other in others:
            other.list = None
            self.over(other, CANCELED, CancelReason.ONE_CANCELS_OTHER)

    # ------------------------------------------------------------------------------------------ going to work

    def waits_for(self, order: Order) -> Parked:
        """What an order that goes to work is parked for; "" where it enters."""
        if order.order_type in (STOP, STOP_LIMIT):
            return "stop"
        if order.time_in_force == AT_THE_CLOSE and self.papers[order.instrument].phase != "closing-auction":
            return "close"
        return "peg" if order.order_type == PEGGED else ""

    def go_to_work(self, order: Order) -> None:
        paper = self.papers[order.instrument]
        order.in_book = order.elected = False
        order.at = 0
        order.parked = self.waits_for(order)
        order.place = self.next_place()
        if order.parked == "stop" and paper.phase == "continuous" and self.elects(paper.last, order):
            self.elect(order)
        if order.parked == "peg":
            paper.marks = None
        if not order.parked:
            self.enter(order)

    def enter(self, order: Order) -> None:
        """The order comes to the book: as an incoming one where orders trade."""
        paper = self.papers[order.instrument]
        order.parked = ""
        if paper.phase == "continuous":
            # A pegged order reserves for its limit, but trades up to its price.
            limit = order.at if order.order_type == PEGGED else order.limit
            reach = paper.reach(order, limit)
        elif paper.phase == "closing-price":
            limit = reach = paper.closing
            if not within(order.side, paper.closing, order.limit):
                if order.order_type in (MARKET, MARKET_TO_LIMIT):
                    return self.over(order, CANCELED, CancelReason.MARKET_REMAINDER)
                return self.rest(order)
        else:
            return self.rest(order)

        if order.time_in_force == FOK and not self.fillable(order, order.leaves, reach):
            return self.over(order, CANCELED, CancelReason.FOK_NOT_FILLABLE)
        least = order.conditions.min_quantity
        if least and not self.fillable(order, least, reach):
            return self.over(order, CANCELED, CancelReason.MIN_QUANTITY)
        while not order.status and (others := self.opposite(order, reach)):
            self.meet(order, others[0])
        if order.status:
            return None

        pauses = paper.phase == "continuous" and self.opposite(order, limit) and order.time_in_force != FOK
        if order.order_type == MARKET or (order.order_type == MARKET_TO_LIMIT and not order.executed):
            self.over(order, CANCELED, CancelReason.MARKET_REMAINDER)
        elif order.order_type == MARKET_TO_LIMIT:
            self.leave_over(order)
        elif order.time_in_force == IOC:
            self.over(order, CANCELED, CancelReason.IOC_REMAINDER)
        elif order.time_in_force == FOK:
            self.over(order, CANCELED, CancelReason.FOK_NOT_FILLABLE)
        else:
            self.rest(order)
        if pauses:
            self.set_phase(paper, "volatility-auction", "")
        return None

    def rest(self, order: Order) -> None:
        order.in_book = True
        if order.order_type != PEGGED:
            order.at = 0 if order.order_type in (MARKET, MARKET_TO_LIMIT) else order.price
        order.place = self.next_place()
        order.shown = min(order.conditions.display_quantity, order.leaves)

    def leave_over(self, order: Order) -> None:
        """What is left of a market-to-limit order that has traded becomes a limit order."""
        order.order_type = LIMIT
        last = self.papers[order.instrument].last
        order.price = order.limit = min(last, order.limit) if order.side == BUY else max(last, order.limit)
        self.say(
            OrderRestated, order.number, order.instrument, RestateReason.LEFT_OVER, LIMIT, order.price, order.quantity, order.leaves
        )
        self.rest(order)

    # ------------------------------------------------------------------------------------------------ trading

    def opposite(self, order: Order, bound: int) -> list[Order]:
        """What an incoming order meets up to a price, in the order in which it meets it."""
        met = [other for other in self.book(order.instrument) if other.side != order.side and within(order.side, other.at, bound)]
        return sorted(met, key=lambda other: (other.at if order.side == BUY else -other.at, other.place))

    def would_trade(self, symbol: str, side: str, price: int, conditions: Conditions) -> bool:
        """Whether a post-only order would not be so."""
        return (
            conditions.post_only
            and self.papers[symbol].phase == "continuous"
            and any(other.side != side and within(side, other.at, price) for other in self.book(symbol))
        )

    def self_trade(self, order: Order, other: Order) -> str:
        """The instruction that applies where the incoming order would trade with another; "" where none does."""
        if order.participant != other.participant:
            return ""
        mine, others = order.conditions.self_match_id, other.conditions.self_match_id
        allows = self.accounts[order.account].self_trade
        if mine and others:
            if mine != others:
                return ""
        elif allows == "allow":
            return ""
        by_account = {"cancel-incoming": "1", "cancel-resting": "2", "cancel-both": "3", "decrement": "4", "allow": "2"}
        return order.conditions.self_match_instruction or by_account[allows]

    def fillable(self, order: Order, quantity: int, reach: int) -> bool:
        found = 0
        walked: list[Order] = []
        lists: list[OrderList] = []
        for other in self.opposite(order, reach):
            # When one of these trades, the others end.
            if other.list is not None and other.list.contingency == "1":
                if other.list in lists:
                    continue
                lists.append(other.list)
            instruction = self.self_trade(order, other)
            if instruction == "2":
                continue
            if instruction:
                # At this price nothing hidden is reached before the walk ends.
                found -= sum(before.leaves - before.visible for before in walked if before.at == other.at)
                break
            found += other.leaves
            walked.append(other)
        return found >= quantity

    def meet(self, order: Order, other: Order) -> None:
        """The incoming order meets the best opposite one."""
        paper = self.papers[order.instrument]
        instruction = self.self_trade(order, other)
        if instruction == "2":
            self.over(other, CANCELED, CancelReason.SELF_TRADE)
        elif instruction == "1":
            self.over(order, CANCELED, CancelReason.SELF_TRADE_INCOMING)
        elif instruction == "3":
            self.over(other, CANCELED, CancelReason.SELF_TRADE_BOTH)
            if not order.status:
                self.over(order, CANCELED, CancelReason.SELF_TRADE_BOTH)
        elif instruction == "4":
            self.decrement(order, other)
        else:
            price = paper.closing if paper.phase == "closing-price" else other.at
            self.trade(other, order, price, min(order.leaves, other.visible))

    def decrement(self, order: Order, other: Order) -> None:
        self.end_alternatives(other)
        if order.status:
            return
        self.end_alternatives(order)
        smaller = min(order.leaves, other.leaves)
        for side in (other, order):
            if side.leaves == smaller:
                self.over(side, CANCELED, CancelReason.SELF_TRADE_DECREMENT)
            else:
                side.quantity -= smaller
                side.leaves -= smaller
                side.shown = min(side.shown, side.leaves)
        for side in (other, order):
            if not side.status:
                self.say(
                    OrderRestated, side.number, side.instrument, RestateReason.SELF_TRADE_DECREMENT, side.order_type, side.price,
                    side.quantity, side.leaves,
                )  # fmt: skip

    def settle(self, paper: Paper, account: str, side: str, value: int, quantity: int, fee: int) -> None:
        """Move what one side of a trade gives and gets; below 0 it is taken back."""
        sign = 1 if side == BUY else -1
        symbol, currency = paper.terms.instrument, paper.terms.currency
        cash = -sign * value - fee
        self.move(account, currency, cash)
        self.move(account, symbol, sign * quantity)
        if self.clearing.terms.cycle_days:
            bought, sold_for = (quantity, 0) if side == BUY else (0, cash)
            self.clearing.dealt.append(Dealt(account, symbol, currency, sign * quantity, cash, fee, bought, sold_for))

    def trade(self, maker: Order, taker: Order, price: int, quantity: int, auction: bool = False) -> bool:
        """Whether the two could: not where they are alternatives of one list."""
        assert quantity > 0, f"{maker} and {taker} trade nothing"
        self.end_alternatives(maker)
        if taker.status:
            return False
        self.end_alternatives(taker)
        paper = self.papers[maker.instrument]
        value = paper.money(price, quantity)
        maker_fee = self.fee(maker.account, maker.instrument, value, as_maker=not auction)
        taker_fee = self.fee(taker.account, maker.instrument, value, as_maker=False)
        for order, fee in ((maker, maker_fee), (taker, taker_fee)):
            self.settle(paper, order.account, order.side, value, quantity, fee)
            order.executed += quantity
            order.leaves -= quantity
            order.value += price * quantity
        paper.last = price
        paper.traded = True
        self.say(
            Traded, maker.instrument, price, quantity, maker.number, taker.number, taker.side, maker.account, taker.account,
            maker.leaves, taker.leaves, maker_fee, taker_fee, auction,
        )  # fmt: skip
        for order in (maker, taker):
            if order.leaves == 0:
                self.forget(order, FILLED)
            elif order.in_book and order.conditions.display_quantity:
                order.shown = max(order.shown - quantity, 0)
                if not order.shown:
                    order.shown = min(order.conditions.display_quantity, order.leaves)
                    order.place = self.next_place()
                    self.say(OrderRefreshed, order.number, order.instrument, order.shown)
        if paper.phase == "continuous":
            self.elect_all(paper)
        for order in (maker, taker):
            if (
                order.status == FILLED
                and order.list is not None
                and order.list.contingency == "2"
                and order is order.list.orders[0]
            ):
                self.queue += [(other, "list") for other in order.list.orders[1:] if not other.status]
        return True

    # -------------------------------------------------------------------------------------------------- stops

    def elects(self, price: int, order: Order) -> bool:
        stop = order.conditions.stop_price
        return price > 0 and (stop <= price if order.side == BUY else stop >= price)

    def elect(self, order: Order) -> None:
        order.elected = True
        self.queue.append((order, "stop"))

    def elect_all(self, paper: Paper) -> None:
        """The last trade elects: buys first, lowest stop price first, then sells, highest first; then who was parked first."""
        waiting = [
            order
            for order in self.orders
            if order.instrument == paper.terms.instrument and order.parked == "stop" and not order.elected
        ]
        elected = [order for order in waiting if self.elects(paper.last, order)]

        def turn(order: Order) -> tuple[str, int, int]:
            stop = order.conditions.stop_price
            return order.side, stop if order.side == BUY else -stop, order.place

        for order in sorted(elected, key=turn):
            self.elect(order)

    def work_off(self) -> None:
        """Work off the queue of elected orders."""
        while self.queue:
            order, cause = self.queue.pop(0)
            if order.status:
                continue
            if cause == "stop":
                order.elected = False
                order.order_type = MARKET if order.order_type == STOP else LIMIT
                self.say(OrderActivated, order.number, order.instrument, "stop", order.order_type, order.price, "")
                self.enter(order)
                continue
            if order.order_type == PEGGED and self.pegged(order.instrument) >= self.pegged_max:
                self.over(order, CANCELED, CancelReason.LIST_ENDED)
                continue
            before = margins_now(self, order.account)
            order.parked = self.waits_for(order)  # no longer "list": it reserves
            if self.would_trade(order.instrument, order.side, order.price, order.conditions):
                self.over(order, CANCELED, CancelReason.WOULD_TRADE)
                continue
            if self.available(order.account, self.asset_of(order)) < 0 or not carries(self, order.account, before):
                self.over(order, CANCELED, CancelReason.INSUFFICIENT_FUNDS)
                continue
            self.say(OrderActivated, order.number, order.instrument, "list", order.order_type, order.price, order.parked)
            self.go_to_work(order)

    # -------------------------------------------------------------------------------------------------- pegs

    def marks(self, symbol: str) -> tuple[int, int]:
        """The best bid and the best offer among orders that are not pegged."""
        plain = [order for order in self.book(symbol) if order.order_type != PEGGED]
        bids = [order.at for order in plain if order.side == BUY]
        offers = [order.at for order in plain if order.side == SELL]
        return max(bids, default=0), min(offers, default=0)

    def pegged(self, symbol: str, without: Order | None = None) -> int:
        """How many pegged orders of an instrument are at work, with a price or not."""
        at_work = [order for order in self.by_entry(symbol) if order.order_type == PEGGED and order.parked != "list"]
        return sum(order is not without for order in at_work)

    def peg_price(self, order: Order, marks: tuple[int, int]) -> int:
        """Where a pegged order belongs; 0: nowhere."""
        paper = self.papers[order.instrument]
        bid, offer = marks
        own, other = (bid, offer) if order.side == BUY else (offer, bid)
        needed = {"primary": [own], "market": [other], "midpoint": [bid, offer]}[order.conditions.peg]
        if 0 in needed:
            return 0
        middle = Fraction(sum(needed), len(needed) * paper.terms.tick)
        price = (floor(middle) if order.side == BUY else ceil(middle)) * paper.terms.tick + order.conditions.peg_offset
        low, high = paper.band
        if order.side == BUY:
            price = min(price, order.limit)
            return price if price >= low else 0
        price = max(price, order.limit)
        return price if price <= high else 0

    def reprice(self, order: Order, price: int) -> None:
        if price == (order.at if order.in_book else 0):
            return
        order.in_book = False
        order.at = price
        self.say(OrderRepriced, order.number, order.instrument, price)
        if price:
            self.enter(order)
        else:
            order.parked = "peg"

    def price_pegs(self) -> None:
        """At the end of a command: until the marks are what the pegged orders were priced by."""
        changed = True
        while changed:
            changed = False
            for symbol, paper in sorted(self.papers.items()):
                pegged = [order for order in self.by_entry(symbol) if order.order_type == PEGGED and order.parked != "list"]
                if paper.phase != "continuous" or not pegged or self.marks(symbol) == paper.marks:
                    continue
                marks = paper.marks = self.marks(symbol)
                changed = True
                for order in pegged:
                    if not order.status and paper.phase == "continuous":
                        self.reprice(order, self.peg_price(order, marks))
                self.work_off()

    def finish(self) -> None:
        """What follows from what a command did."""
        self.work_off()
        self.price_pegs()

    # ------------------------------------------------------------------------------------------------- phases

    def auction(self, paper: Paper) -> tuple[int, int, int]:
        """What an uncrossing would yield now."""
        return auction_price(self.book(paper.terms.instrument), paper.around, paper.terms.tick)

    def uncross(self, paper: Paper) -> None:
        price, volume, surplus = self.auction(paper)
        self.say(Uncrossed, paper.terms.instrument, paper.phase, price, volume, surplus)
        if not volume:
            return
        book = [order for order in self.book(paper.terms.instrument) if within(order.side, price, order.at or order.limit)]
        buys, sells = (
            sorted((order for order in book if order.side == side), key=lambda order: (order.at != 0, order.at * sign, order.place))
            for side, sign in ((BUY, -1), (SELL, 1))
        )
        traded = False
        while volume:
            buys = [order for order in buys if not order.status]
            sells = [order for order in sells if not order.status]
            if not buys or not sells:
                break
            pair = sorted((buys[0], sells[0]), key=lambda order: order.entry)
            quantity = min(buys[0].leaves, sells[0].leaves, volume)
            if self.trade(pair[0], pair[1], price, quantity, auction=True):
                volume -= quantity
                traded = True
        if traded:
            paper.put_reference(price)

    def set_phase(self, paper: Paper, new: str, by: str) -> None:
        """Steps 3 and 5: all there is to the begin of a volatility auction."""
        old, paper.phase = paper.phase, new
        paper.until = self.now + paper.terms.pause_ns if new == "volatility-auction" else 0
        paper.indicated = (0, 0, 0)
        if new == "continuous":
            paper.marks = None
        self.say(PhaseChanged, paper.terms.instrument, new, paper.until, by)
        if old == "continuous" and new != "continuous":
            for order in self.by_entry(paper.terms.instrument):
                if order.order_type == PEGGED and order.in_book:
                    self.reprice(order, 0)

    def move_instrument(self, symbol: str, new: str, by: str) -> None:
        """Move one instrument, with all that follows from it."""
        paper = self.papers[symbol]
        old = paper.phase
        due = old in AUCTIONS and new in ("continuous", "closing-price", "closed")
        while due or (new in ("continuous", "closing-price") and self.auction(paper)[1]):
            self.uncross(paper)
            # Where an order of a list has ended meanwhile, others may still trade.
            due = self.auction(paper)[1] > 0
        if new in ("continuous", "closing-price", "closed"):
            for order in self.by_entry(symbol):
                self.end_with_phase(order, old, new)
        self.set_phase(paper, new, by)
        if new == "closing-price":
            paper.closing = paper.nearest_tick(paper.around)
        if new == "closing-auction":
            for order in self.by_entry(symbol):
                if order.parked == "close":
                    self.say(OrderActivated, order.number, symbol, "close", order.order_type, order.price, "")
                    self.enter(order)
        if new == "continuous":
            self.elect_all(paper)
            self.finish()

    def end_with_phase(self, order: Order, old: str, new: str) -> None:
        """What ends when trading begins or the day's does."""
        closing = new in ("closing-price", "closed")
        if order.status or not (order.in_book or (order.parked == "close" and closing)):
            return
        if order.time_in_force == AT_THE_OPENING:
            self.over(order, EXPIRED, CancelReason.OPENING_END)
        elif order.time_in_force == AT_THE_CLOSE and (closing or old == "closing-auction"):
            self.over(order, EXPIRED, CancelReason.CLOSING_END)
        elif order.order_type == MARKET or (order.order_type == MARKET_TO_LIMIT and not order.executed):
            self.over(order, CANCELED, CancelReason.MARKET_REMAINDER)
        elif order.order_type == MARKET_TO_LIMIT:
            order.in_book = False
            self.leave_over(order)
