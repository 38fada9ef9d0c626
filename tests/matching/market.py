"""A small market to state rules on: commands in a trader's words, and what came of them, a line an event.

Every order is named after its owner and the ClOrdID it was entered with, `ann b1`; a side of a quote after the
quote and its entry, `ann q1/e1 bid`. Prices and quantities are written as decimals. The engine checks itself
after every command, and an engine restored from a snapshot of the moment before has to say and to become the same.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from matching.book import BEFORE_ALL_PRICES, Order
from matching.engine import Engine
from matching.instruments import Instrument, decimal_text
from matching.messages import (
    AT_THE_CLOSE,
    AT_THE_OPENING,
    BUY,
    DAY,
    FOK,
    GTC,
    GTD,
    IOC,
    LIMIT,
    MARKET,
    MARKET_TO_LIMIT,
    MONEY_DECIMALS,
    MONEY_UNIT,
    ONE_CANCELS_THE_OTHER,
    ONE_TRIGGERS_THE_OTHER,
    PEGGED,
    SELL,
    STOP,
    STOP_LIMIT,
    AccessSet,
    AccountDefined,
    AllocateTrade,
    AuctionIndicated,
    BalanceChanged,
    BustTrade,
    CancelOrder,
    CancelQuotes,
    CancelReason,
    CancelRejected,
    Command,
    CommandRefused,
    Conditions,
    CorrectTrade,
    DayRolled,
    DefineAccount,
    DefineInstrument,
    Deposit,
    EndPauses,
    Event,
    ExpireOrders,
    HoldDeliveries,
    IndicativePublished,
    InstrumentDefined,
    ListAccepted,
    ListRejected,
    MarketPhaseChanged,
    MassCancel,
    MassCanceled,
    MassCancelRejected,
    MassQuote,
    NewOrder,
    NewOrderList,
    OperatorCancel,
    OperatorNoted,
    OrderAccepted,
    OrderActivated,
    OrderCanceled,
    OrderRefreshed,
    OrderRejected,
    OrderReplaced,
    OrderRepriced,
    OrderRestated,
    OrdersExpired,
    OrderState,
    ParticipantDefined,
    PausesEnded,
    PayDividend,
    PhaseChanged,
    PublishIndicative,
    QuoteEntry,
    QuotesAnswered,
    QuotesCanceled,
    Reason,
    ReferenceSet,
    ReplaceOrder,
    RestateReason,
    RollDay,
    SetAccess,
    SetFees,
    SetMargin,
    SetPhase,
    SetReference,
    SetSettlement,
    Share,
    Side,
    SplitInstrument,
    TimeInForce,
    TradeBusted,
    TradeCorrected,
    Traded,
    Uncrossed,
    Withdraw,
)
from matching.state import EngineState
from tests.matching.clearing_lines import clearing_line

SECOND = 1_000_000_000
NOON = 1_700_000_000 * SECOND
TIMES_IN_FORCE = {
    DAY: "DAY", GTC: "GTC", AT_THE_OPENING: "OPENING", IOC: "IOC", FOK: "FOK", GTD: "GTD", AT_THE_CLOSE: "CLOSE",
}  # fmt: skip

# Two decimals in the price, none in the quantity: 10.00 is 1,000 price units, and the band is 9.00 to 11.00.
STOCK = DefineInstrument(
    "X", "USD", price_decimals=2, quantity_decimals=0, tick=1, lot=1, quantity_max=1_000_000, value_max=10**8 * MONEY_UNIT,
    reference_price=1_000, band_bps=1_000,
)  # fmt: skip
# Two and eight decimals, which is all that money can carry.
COIN = DefineInstrument(
    "COIN", "USD", price_decimals=2, quantity_decimals=8, tick=1, lot=1, quantity_max=10**12, value_max=9 * 10**8 * MONEY_UNIT,
    reference_price=5_000_000, band_bps=2_000,
)  # fmt: skip


def units(text: str, decimals: int) -> int:
    """Whole units of a decimal: units("10.05", 2) is 1005."""
    scaled = Decimal(text).scaleb(decimals)
    assert scaled == int(scaled), f"{text} has more than {decimals} decimals"
    return int(scaled)


def money(text: str) -> str:
    """An amount of money as commands carry it."""
    return str(units(text, MONEY_DECIMALS))


class Market:
    """ann, bob and eve trade X and COIN, each with 1,000,000 USD and 10,000 of either, unless told otherwise."""

    def __init__(
        self,
        instruments: tuple[DefineInstrument, ...] = (STOCK, COIN),
        traders: tuple[str, ...] = ("ann", "bob", "eve"),
        cash: str = "1000000",
        holdings: str = "10000",
    ) -> None:
        self.engine = Engine()
        self.now = NOON
        self.names: dict[int, str] = {}
        self.raw: list[Event] = []  # what the last command caused
        self.trades: list[Traded] = []  # all of them, oldest first
        self.history: list[tuple[int, Command]] = []  # all commands, with the time of each
        setup: list[Command] = [*instruments]
        for trader in traders:
            setup.append(DefineAccount(trader, trader))
            if Decimal(cash):
                setup.append(Deposit(trader, "USD", money(cash)))
            if Decimal(holdings):
                for terms in instruments:
                    setup.append(Deposit(trader, terms.instrument, str(units(holdings, terms.quantity_decimals))))  # noqa: PERF401
        for command in setup:
            assert "refused" not in "".join(self.do(command))

    @staticmethod
    def terms(**changes: Any) -> DefineInstrument:
        """X on other terms."""
        return msgspec.structs.replace(STOCK, **changes)

    def do(self, *commands: Command) -> list[str]:
        """Apply commands, each at `now`, and say what they caused."""
        lines = []
        for command in commands:
            restored = Engine.from_state(msgspec.msgpack.decode(msgspec.msgpack.encode(self.engine.state()), type=EngineState))
            number, before = self.engine.command_seq + 1, self.engine.event_seq
            self.history.append((self.now, command))
            self.raw = self.engine.apply(number, self.now, [command])
            self.engine.check()
            assert self.raw, "every command causes at least one event"
            assert [event.seq for event in self.raw] == list(range(before + 1, self.engine.event_seq + 1))
            written = msgspec.msgpack.encode(self.raw)
            assert msgspec.msgpack.decode(written, type=list[Event]) == self.raw, "what is said can be written and read again"
            assert restored.apply(number, self.now, [command]) == self.raw, "an engine that was restored says the same"
            assert restored.digest() == self.engine.digest(), "and becomes the same"
            for event in self.raw:
                if isinstance(event, OrderAccepted):
                    self.names[event.order_id] = _name_of(event)
                elif isinstance(event, Traded):
                    self.trades.append(event)
            lines += [self.line(event) for event in self.raw]
        return lines

    # ------------------------------------------------------------------------------------------ to trade

    def buy(self, trader: str, quantity: str | int, price: str = "", **more: Any) -> list[str]:
        return self.do(self.order(trader, BUY, quantity, price, **more))

    def sell(self, trader: str, quantity: str | int, price: str = "", **more: Any) -> list[str]:
        return self.do(self.order(trader, SELL, quantity, price, **more))

    def order(
        self,
        trader: str,
        side: Side,
        quantity: str | int,
        price: str = "",
        *,
        id: str = "o1",
        tif: TimeInForce = DAY,
        of: str = "X",
        account: str | None = None,
        session: str | None = None,
        until: int = 0,
        routing: str = "",
        marked: bool = False,
        **conditions: Any,
    ) -> NewOrder:
        """An order; without a price, a market order. What else an order may say is in `_terms`."""
        order_type, price_units, quantity_units, said = self._terms(of, price, quantity, **conditions)
        return NewOrder(
            trader, trader if session is None else session, id, trader if account is None else account, of, side,
            order_type, tif, price_units, quantity_units, until, routing, "o" if marked else "", marked, said,
        )  # fmt: skip

    def _terms(
        self,
        of: str,
        price: str,
        quantity: str | int,
        *,
        stop: str = "",
        to_limit: bool = False,
        peg: str = "",
        offset: str = "",
        shown: str | int = "",
        least: str | int = "",
        post_only: bool = False,
        match: str = "",
        prevent: str = "",
    ) -> tuple[Any, int, int, Conditions | None]:
        """Order type, price, quantity and conditions. With `stop` it is a stop order, or a stop limit order where there is a price;
        with `peg` a pegged one, whose limit is the price; `to_limit` makes a market order one with left over as limit.
        `shown` is the display quantity, `least` the minimum quantity, `match` and `prevent` are the ID and the
        instruction of self-match prevention."""
        known = self.engine.instruments.get(of)
        terms = known.terms if known else STOCK
        prices, quantities = terms.price_decimals, terms.quantity_decimals
        order_type = LIMIT if price else MARKET_TO_LIMIT if to_limit else MARKET
        if stop:
            order_type = STOP_LIMIT if price else STOP
        if peg:
            order_type = PEGGED
        said = Conditions(
            stop_price=units(stop or "0", prices), display_quantity=units(str(shown or 0), quantities),
            min_quantity=units(str(least or 0), quantities), post_only=post_only, peg=peg,  # type: ignore[arg-type]
            peg_offset=units(offset or "0", prices), self_match_id=match, self_match_instruction=prevent,  # type: ignore[arg-type]
        )  # fmt: skip
        return order_type, units(price or "0", prices), units(str(quantity), quantities), said if said != Conditions() else None

    def trade_at(self, price: str, of: str = "X") -> list[str]:
        """Let bob buy one of eve at a price; what else came of it than their own lines."""
        number = len(self.trades)
        self.buy("bob", 1, price, of=of, id=f"t{number}")
        _, traded, *more = self.sell("eve", 1, price, of=of, id=f"t{number}")
        assert traded == f"eve t{number} sells 1 {of} at {price} to bob t{number}: 0 and 0 left"
        return more

    def cancel(self, trader: str, orig: str, side: Side = BUY, *, id: str = "c1", of: str = "X") -> list[str]:
        return self.do(CancelOrder(trader, trader, id, orig, of, side))

    def replace(
        self,
        trader: str,
        orig: str,
        quantity: str | int,
        price: str = "",
        *,
        id: str = "r1",
        side: Side = BUY,
        tif: TimeInForce = DAY,
        of: str = "X",
        until: int = 0,
        session: str | None = None,
        routing: str = "",
        **conditions: Any,
    ) -> list[str]:
        """A replace; as in `order`, what is not said is no longer so."""
        order_type, price_units, quantity_units, said = self._terms(of, price, quantity, **conditions)
        return self.do(
            ReplaceOrder(
                trader, trader if session is None else session, id, orig, of, side, order_type, tif, price_units, quantity_units,
                until, routing, conditions=said,
            )
        )  # fmt: skip

    def one_cancels_the_other(self, trader: str, *orders: NewOrder, id: str = "l1") -> list[str]:
        return self.do(_list(trader, id, ONE_CANCELS_THE_OTHER, orders))

    def one_triggers_the_other(self, trader: str, *orders: NewOrder, id: str = "l1") -> list[str]:
        return self.do(_list(trader, id, ONE_TRIGGERS_THE_OTHER, orders))

    def quote(
        self, trader: str, *entries: QuoteEntry, id: str = "q1", account: str | None = None, marked: bool = False
    ) -> list[str]:
        owner = trader if account is None else account
        return self.do(MassQuote(trader, trader, id, owner, list(entries), cancel_on_disconnect=marked))

    def entry(
        self, bid: tuple[str | int, str] | None = None, offer: tuple[str | int, str] | None = None, *, of: str = "X", id: str = "e1"
    ) -> QuoteEntry:
        """An entry of a quote: quantity and price of its sides, None for one that is withdrawn."""
        (_, bid_price, bid_quantity, _), (_, offer_price, offer_quantity, _) = (
            self._terms(of, side[1], side[0]) if side else (None, 0, 0, None) for side in (bid, offer)
        )
        return QuoteEntry(id, of, bid_price, bid_quantity, offer_price, offer_quantity)

    def cancel_quotes(self, trader: str, instrument: str = "", *, id: str = "qc1") -> list[str]:
        return self.do(CancelQuotes(trader, trader, id, instrument))

    def mass_cancel(
        self, trader: str, instrument: str = "", *, id: str = "m1", session: str | None = None, **more: Any
    ) -> list[str]:
        return self.do(MassCancel(trader, trader if session is None else session, id, instrument, **more))

    def expire(self) -> list[str]:
        return self.do(ExpireOrders())

    def roll(self, day: str, settlement_days: int = 1) -> list[str]:
        return self.do(RollDay(day, settlement_days))

    def settle_after(self, days: int, **more: Any) -> list[str]:
        """SetSettlement; at once where nothing has been traded and no day has begun."""
        return self.do(SetSettlement(days, **more))

    def dividend(self, amount: str, instrument: str = "X", **more: Any) -> list[str]:
        return self.do(PayDividend(instrument, money(amount), **more))

    def split(self, numerator: int, denominator: int, instrument: str = "X", **more: Any) -> list[str]:
        return self.do(SplitInstrument(instrument, numerator, denominator, **more))

    def fees(self, trader: str, maker: int | None = None, taker: int | None = None, of: str = "", by: str = "") -> list[str]:
        """SetFees, in millionths; without fees the rule ends."""
        return self.do(SetFees(trader, of, maker, taker, by))

    def margin(self, initial: int, maintenance: int, instrument: str = "X", by: str = "") -> list[str]:
        """SetMargin, in millionths."""
        return self.do(SetMargin(instrument, initial, maintenance, by))

    def allocate(self, trader: str, trade: Traded, side: Side, *shares: tuple[str, int], id: str = "a1") -> list[str]:
        return self.do(AllocateTrade(trader, trader, id, trade, side, [Share(*share) for share in shares]))

    def hold(self, account: str, asset: str = "", held: bool = True) -> list[str]:
        return self.do(HoldDeliveries(account, asset, held))

    def phase(self, phase: str, instrument: str = "", *, market: str = "", by: str = "") -> list[str]:
        return self.do(SetPhase(instrument, phase, market, by))  # type: ignore[arg-type]

    def end_pauses(self) -> list[str]:
        return self.do(EndPauses())

    def publish_indicative(self) -> list[str]:
        return self.do(PublishIndicative())

    def access(self, trader: str, access: str, *, by: str = "") -> list[str]:
        return self.do(SetAccess(trader, access, by))  # type: ignore[arg-type]

    def reference(self, price: str, instrument: str = "X", *, by: str = "") -> list[str]:
        return self.do(SetReference(instrument, self._terms(instrument, price, 0)[1], by))

    def operator_cancel(self, name: str, *, by: str = "") -> list[str]:
        """Cancel the order of this name, `ann b1`."""
        return self.do(OperatorCancel(next(number for number, known in self.names.items() if known == name), by))

    def bust(self, trade: Traded, *, by: str = "") -> list[str]:
        return self.do(BustTrade(trade, by))

    def correct(self, trade: Traded, quantity: str | int, price: str, *, by: str = "") -> list[str]:
        _, price_units, quantity_units, _ = self._terms(trade.instrument, price, quantity)
        return self.do(CorrectTrade(trade, price_units, quantity_units, by))

    def deposit(self, account: str, asset: str, amount: str) -> list[str]:
        return self.do(Deposit(account, asset, amount))

    def withdraw(self, account: str, asset: str, amount: str) -> list[str]:
        return self.do(Withdraw(account, asset, amount))

    # ---------------------------------------------------------------------------------------- to look at

    def cash(self, account: str) -> tuple[str, str]:
        """Total and reserved, in USD."""
        cash = self.engine.accounts[account].cash_in("USD")
        return _plain(cash.total, MONEY_DECIMALS), _plain(cash.reserved, MONEY_DECIMALS)

    def holding(self, account: str, instrument: str = "X") -> tuple[str, str]:
        """Total and reserved."""
        position = self.engine.accounts[account].position_in(instrument)
        decimals = self.engine.instruments[instrument].terms.quantity_decimals
        return _plain(position.total, decimals), _plain(position.reserved, decimals)

    def settled(self, account: str, instrument: str = "X") -> tuple[str, str]:
        """What is settled of its holding and of its USD."""
        decimals = self.engine.instruments[instrument].terms.quantity_decimals
        return (
            _plain(self.engine.settled(account, instrument), decimals),
            _plain(self.engine.settled(account, "USD"), MONEY_DECIMALS),
        )

    def unsettled(self, account: str, instrument: str = "X") -> tuple[str, str]:
        """What is unsettled of its holding and of its USD."""
        decimals = self.engine.instruments[instrument].terms.quantity_decimals
        return (
            _plain(self.engine.unsettled(account, instrument), decimals),
            _plain(self.engine.unsettled(account, "USD"), MONEY_DECIMALS),
        )

    def book(self, instrument: str = "X") -> tuple[list[str], list[str]]:
        """Bids and offers, best first, oldest first: `ann b1 100 at 10.00`, of an iceberg `ann b1 100 (10 shown) at 10.00`."""
        book = self.engine.instruments[instrument].book
        return tuple(  # type: ignore[return-value]
            [self._resting(order, level.price) for level in side for order in level] for side in (book.bids, book.offers)
        )

    def _resting(self, order: Order, price: int) -> str:
        symbol = order.instrument.symbol
        shown = f" ({self._quantity(symbol, order.shown)} shown)" if order.shown else ""
        where = "any price" if price == BEFORE_ALL_PRICES[order.side] else self._price(symbol, price)
        return f"{self.names[order.order_id]} {self._quantity(symbol, order.leaves)}{shown} at {where}"

    def waiting(self) -> list[str]:
        """What is open but in no book, each participant's in the order of entry: `ann b1 100 (stop)`."""
        return [
            f"{self.names[order.order_id]} {self._quantity(order.instrument, order.leaves)} ({order.parked})"
            for order in self.engine.open_orders()
            if order.parked
        ]

    def status(self, trader: str, id: str) -> str:
        """How an order stands: `new, 100 left`, `partly filled, 40 left of 100`."""
        order = self.engine.order(trader, id)
        return self._state(order) if order else "unknown"

    def _state(self, order: OrderState) -> str:
        words = {"0": "new", "1": "partly filled", "2": "filled", "4": "canceled", "C": "expired"}
        whole, executed, leaves, busted = (
            self._quantity(order.instrument, quantity) for quantity in (order.quantity, order.executed, order.leaves, order.busted)
        )
        return f"{words[order.status]}, {executed} of {whole} executed, {leaves} left{f', {busted} busted' if order.busted else ''}"

    def _price(self, instrument: str, price: int) -> str:
        return self.engine.instruments[instrument].price_text(price)

    def _quantity(self, instrument: str, quantity: int) -> str:
        return _plain(quantity, self.engine.instruments[instrument].terms.quantity_decimals)

    def _wanted(self, event: OrderAccepted | OrderReplaced) -> str:
        """Type, price, conditions and time in force of an order in words."""
        symbol, said = event.instrument, event.conditions or Conditions()
        instrument = self.engine.instruments[symbol]
        price = instrument.price_text(event.price)
        words = {
            LIMIT: f"at {price}",
            MARKET: "at market",
            MARKET_TO_LIMIT: "at market, left over as limit,",
            STOP: f"stop {instrument.price_text(said.stop_price)}",
            STOP_LIMIT: f"stop {instrument.price_text(said.stop_price)} limit {price}",
            PEGGED: f"peg {said.peg}{_signed(instrument, said.peg_offset)}{f' limit {price}' if event.price else ''}",
        }[event.order_type]
        if said.display_quantity:
            words += f" showing {self._quantity(symbol, said.display_quantity)}"
        if said.min_quantity:
            words += f" at least {self._quantity(symbol, said.min_quantity)}"
        if said.post_only:
            words += " post-only"
        return f"{words} {TIMES_IN_FORCE[event.time_in_force]}"

    def line(self, event: Event) -> str:
        """An event in words."""
        price, quantity, names = self._price, self._quantity, self.names
        match event:
            case OrderAccepted():
                side = "buy" if event.side == BUY else "sell"
                return (
                    f"{_name_of(event)}: accepted, {side} {quantity(event.instrument, event.quantity)} "
                    f"{event.instrument} {self._wanted(event)}{_waits(event.parked)}"
                )
            case OrderRejected():
                return f"{event.participant} {event.cl_ord_id}: rejected, {event.reason.name}: {event.text}"
            case Traded():
                verb, preposition = ("buys", "from") if event.taker_side == BUY else ("sells", "to")
                fees = ""
                if event.maker_fee or event.taker_fee:
                    fees = f", fees {_plain(event.taker_fee, MONEY_DECIMALS)} and {_plain(event.maker_fee, MONEY_DECIMALS)}"
                return (
                    f"{names[event.taker_order_id]} {verb} {quantity(event.instrument, event.quantity)} {event.instrument} at "
                    f"{price(event.instrument, event.price)} {preposition} {names[event.maker_order_id]}: "
                    f"{quantity(event.instrument, event.taker_leaves)} and {quantity(event.instrument, event.maker_leaves)} left"
                    f"{fees}"
                )
            case OrderCanceled():
                asked = f" asked by {event.cl_ord_id}" if event.cl_ord_id else ""
                return (
                    f"{names[event.order_id]}: canceled, {CancelReason(event.reason).name}, "
                    f"{quantity(event.instrument, event.quantity)} left{asked}"
                )
            case OrderReplaced():
                return (
                    f"{names[event.order_id]}: replaced, {event.cl_ord_id} for {event.orig_cl_ord_id}, "
                    f"{quantity(event.instrument, event.quantity)} {self._wanted(event)}, "
                    f"{quantity(event.instrument, event.leaves)} left, {'requeued' if event.requeued else 'in its place'}"
                    f"{_waits(event.parked)}"
                )
            case CancelRejected():
                what = "cancel" if event.response_to == "1" else "replace"
                return (
                    f"{event.participant} {event.cl_ord_id}: {what} of {event.orig_cl_ord_id} rejected, status {event.status}, "
                    f"{event.reason.name}: {event.text}"
                )
            case MassCanceled():
                asked = f"{event.participant} {event.cl_ord_id}: mass cancel"
                if event.disconnect:
                    asked = "disconnected"
                return f"{asked} of {event.instrument or 'all'}, {event.affected} orders{_by(event.by)}"
            case MassCancelRejected():
                return f"{event.participant} {event.cl_ord_id}: mass cancel rejected, {event.reason.name}: {event.text}"
            case OrderActivated():
                where = "at market" if event.order_type == MARKET else f"at {price(event.instrument, event.price)}"
                if event.order_type not in (MARKET, LIMIT):
                    where = "as it is"
                return f"{names[event.order_id]}: activated by {event.cause}, {where}{_waits(event.parked)}"
            case OrderRepriced():
                where = f"repriced to {price(event.instrument, event.price)}" if event.price else "without a price"
                return f"{names[event.order_id]}: {where}"
            case OrderRestated():
                where = f"at {price(event.instrument, event.price)}" if event.price else "at market"
                return (
                    f"{names[event.order_id]}: restated, {RestateReason(event.reason).name}, "
                    f"{quantity(event.instrument, event.quantity)} {where}, {quantity(event.instrument, event.leaves)} left"
                )
            case OrderRefreshed():
                return f"{names[event.order_id]}: shows {quantity(event.instrument, event.shown)} anew"
            case ListAccepted():
                contingency = _CONTINGENCIES[event.contingency]
                return f"{event.participant} list {event.list_id}: accepted, {contingency}, {event.count} orders"
            case ListRejected():
                return f"{event.participant} list {event.list_id}: rejected, {event.reason.name}: {event.text}"
            case QuotesAnswered():
                if event.reason:
                    return f"{event.participant} {event.quote_id}: rejected, {Reason(event.reason).name}: {event.text}"
                results = [
                    f"{result.entry_id} rejected, {Reason(result.reason).name}: {result.text}"
                    if result.reason
                    else f"{result.entry_id} accepted"
                    for result in event.results
                ]
                return f"{event.participant} {event.quote_id}: {'; '.join(results)}"
            case QuotesCanceled():
                if event.reason:
                    return f"{event.participant} {event.quote_id}: quote cancel rejected, {Reason(event.reason).name}: {event.text}"
                return f"{event.participant} {event.quote_id}: quote cancel of {event.instrument or 'all'}, {event.affected} sides"
            case BalanceChanged():
                known = self.engine.instruments.get(event.asset)
                decimals = known.terms.quantity_decimals if known else MONEY_DECIMALS
                amount, balance = _plain(int(event.amount), decimals), _plain(int(event.balance), decimals)
                return f"{event.account}: {event.asset} {amount}, now {balance}{_by(event.by)}"
            case InstrumentDefined():
                return f"{event.instrument}: defined{_by(event.by)}"
            case AccountDefined():
                return f"account {event.account} of {event.participant}: short {event.short_max}, self-trade {event.self_trade}"
            case ParticipantDefined():
                return f"participant {event.participant}: defined{_by(event.by)}"
            case AccessSet():
                return f"participant {event.participant}: {event.access}, {event.affected} orders{_by(event.by)}"
            case PhaseChanged():
                pause = f" for {_plain(event.until - self.now, 9)} seconds" if event.until else ""
                return f"{event.instrument}: {event.phase}{pause}{_by(event.by)}"
            case MarketPhaseChanged():
                return f"market {event.market}: {event.phase}{_by(event.by)}"
            case Uncrossed():
                return f"{event.instrument}: {event.phase} ends, {self._uncrossing(event)}"
            case AuctionIndicated():
                return f"{event.instrument}: indicative, {self._uncrossing(event)}"
            case PausesEnded():
                return f"pauses, {event.affected} ended"
            case IndicativePublished():
                return f"indicative, {event.affected} changed"
            case ReferenceSet():
                low, high = price(event.instrument, event.low), price(event.instrument, event.high)
                return f"{event.instrument}: reference {price(event.instrument, event.price)}, band {low} to {high}{_by(event.by)}"
            case TradeBusted():
                return f"trade {event.trade_seq} {self._trade(event)}: busted{_by(event.by)}"
            case TradeCorrected():
                return (
                    f"trade {event.trade_seq} {quantity(event.instrument, event.old_quantity)} {event.instrument} at "
                    f"{price(event.instrument, event.old_price)}: corrected to {self._trade(event)}{_by(event.by)}"
                )
            case OrdersExpired():
                return f"expiry, {event.affected} orders"
            case DayRolled():
                return f"day {event.trading_day}, {event.affected} orders"
            case CommandRefused():
                return f"{event.command} refused, {event.reason.name}: {event.text}"
            case OperatorNoted():
                return f"noted: {event.text}{_by(event.by)}"
        return clearing_line(self.engine.instruments, names, event)

    def _uncrossing(self, event: Uncrossed | AuctionIndicated) -> str:
        if not event.volume:
            return "nothing trades"
        surplus = self._quantity(event.instrument, abs(event.surplus))
        left = f", {surplus} more to {'buy' if event.surplus > 0 else 'sell'}" if event.surplus else ""
        return f"{self._quantity(event.instrument, event.volume)} at {self._price(event.instrument, event.price)}{left}"

    def _trade(self, event: TradeBusted | TradeCorrected) -> str:
        symbol = event.instrument
        return f"{self._quantity(symbol, event.quantity)} {symbol} at {self._price(symbol, event.price)}"


_CONTINGENCIES = {ONE_CANCELS_THE_OTHER: "one cancels the other", ONE_TRIGGERS_THE_OTHER: "one triggers the other"}


def _list(trader: str, id: str, contingency: Any, orders: tuple[NewOrder, ...]) -> NewOrderList:
    marked = [
        msgspec.structs.replace(
            order, conditions=msgspec.structs.replace(order.conditions or Conditions(), list_id=id, contingency=contingency)
        )
        for order in orders
    ]
    return NewOrderList(trader, trader, id, contingency, marked)


def _name_of(event: OrderAccepted) -> str:
    if event.cl_ord_id:
        return f"{event.participant} {event.cl_ord_id}"
    assert event.conditions is not None, "an order without ClOrdID is a side of a quote"
    side = "bid" if event.side == BUY else "offer"
    return f"{event.participant} {event.conditions.quote_id}/{event.conditions.quote_entry_id} {side}"


def _signed(instrument: Instrument, offset: int) -> str:
    return f" {'+' if offset > 0 else ''}{instrument.price_text(offset)}" if offset else ""


def _waits(parked: str) -> str:
    return f", waits ({parked})" if parked else ""


def _by(name: str) -> str:
    return f" by {name}" if name else ""


def _plain(number: int, decimals: int) -> str:
    """A decimal without the zeros at its end."""
    text = decimal_text(number, decimals)
    return text.rstrip("0").rstrip(".") if "." in text else text


__all__ = ["COIN", "NOON", "SECOND", "STOCK", "Market", "Reason", "money", "units"]
