"""A small market to state rules on: commands in a trader's words, and what came of them, a line an event.

Every order is named after its owner and the ClOrdID it was entered with, `ann b1`. Prices and quantities
are written as decimals. The engine checks itself after every command.
"""

from __future__ import annotations

from decimal import Decimal

from matching.engine import Engine
from matching.instruments import decimal_text
from matching.messages import (
    BUY,
    DAY,
    FOK,
    GTC,
    GTD,
    IOC,
    LIMIT,
    MARKET,
    MONEY_DECIMALS,
    MONEY_UNIT,
    SELL,
    AccountDefined,
    BalanceChanged,
    CancelOrder,
    CancelReason,
    CancelRejected,
    Command,
    CommandRefused,
    DayRolled,
    DefineAccount,
    DefineInstrument,
    Deposit,
    Event,
    ExpireOrders,
    InstrumentDefined,
    MassCancel,
    MassCanceled,
    MassCancelRejected,
    NewOrder,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    OrderReplaced,
    OrdersExpired,
    PhaseChanged,
    Reason,
    ReplaceOrder,
    RollDay,
    SetPhase,
    Traded,
    Withdraw,
)

SECOND = 1_000_000_000
NOON = 1_700_000_000 * SECOND
TIMES_IN_FORCE = {DAY: "DAY", GTC: "GTC", IOC: "IOC", FOK: "FOK", GTD: "GTD"}

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

    def do(self, *commands: Command) -> list[str]:
        """Apply commands, each at `now`, and say what they caused."""
        lines = []
        for command in commands:
            number = self.engine.command_seq + 1
            if isinstance(command, NewOrder):
                self.names[number] = f"{command.participant} {command.cl_ord_id}"
            before = self.engine.event_seq
            self.raw = self.engine.apply(number, self.now, [command])
            self.engine.check()
            assert self.raw, "every command causes at least one event"
            assert [event.seq for event in self.raw] == list(range(before + 1, self.engine.event_seq + 1))
            lines += [self.line(event) for event in self.raw]
        return lines

    # ------------------------------------------------------------------------------------------ to trade

    def buy(self, trader: str, quantity: str | int, price: str = "", **more: object) -> list[str]:
        return self.do(self.order(trader, BUY, quantity, price, **more))

    def sell(self, trader: str, quantity: str | int, price: str = "", **more: object) -> list[str]:
        return self.do(self.order(trader, SELL, quantity, price, **more))

    def order(
        self,
        trader: str,
        side: str,
        quantity: str | int,
        price: str = "",
        *,
        id: str = "o1",
        tif: str = DAY,
        of: str = "X",
        account: str | None = None,
        session: str | None = None,
        until: int = 0,
        routing: str = "",
        marked: bool = False,
    ) -> NewOrder:
        """An order; one without a price is a market order."""
        price_units, quantity_units = self._units(of, price, quantity)
        return NewOrder(
            trader, trader if session is None else session, id, trader if account is None else account, of, side,
            LIMIT if price else MARKET, tif, price_units, quantity_units, until, routing, "o" if marked else "", marked,
        )  # fmt: skip

    def cancel(self, trader: str, orig: str, side: str = BUY, *, id: str = "c1", of: str = "X") -> list[str]:
        return self.do(CancelOrder(trader, trader, id, orig, of, side))

    def replace(
        self,
        trader: str,
        orig: str,
        quantity: str | int,
        price: str = "",
        *,
        id: str = "r1",
        side: str = BUY,
        tif: str = DAY,
        of: str = "X",
        until: int = 0,
        session: str | None = None,
        routing: str = "",
    ) -> list[str]:
        price_units, quantity_units = self._units(of, price, quantity)
        return self.do(
            ReplaceOrder(
                trader, trader if session is None else session, id, orig, of, side, LIMIT if price else MARKET, tif,
                price_units, quantity_units, until, routing,
            )
        )  # fmt: skip

    def mass_cancel(
        self, trader: str, instrument: str = "", *, id: str = "m1", session: str | None = None, **more: bool
    ) -> list[str]:
        return self.do(MassCancel(trader, trader if session is None else session, id, instrument, **more))

    def expire(self) -> list[str]:
        return self.do(ExpireOrders())

    def roll(self, day: str) -> list[str]:
        return self.do(RollDay(day))

    def phase(self, phase: str, instrument: str = "") -> list[str]:
        return self.do(SetPhase(instrument, phase))

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

    def book(self, instrument: str = "X") -> tuple[list[str], list[str]]:
        """Bids and offers, best first, oldest first: `ann b1 100 at 10.00`."""
        book = self.engine.instruments[instrument].book
        return tuple(
            [
                f"{self.names[order.order_id]} {self._quantity(instrument, order.leaves)} at {self._price(instrument, order.price)}"
                for level in side
                for order in level
            ]
            for side in (book.bids, book.offers)
        )

    def _units(self, instrument: str, price: str, quantity: str | int) -> tuple[int, int]:
        known = self.engine.instruments.get(instrument)
        terms = known.terms if known else STOCK
        return units(price or "0", terms.price_decimals), units(str(quantity), terms.quantity_decimals)

    def _price(self, instrument: str, price: int) -> str:
        return self.engine.instruments[instrument].price_text(price)

    def _quantity(self, instrument: str, quantity: int) -> str:
        return _plain(quantity, self.engine.instruments[instrument].terms.quantity_decimals)

    def line(self, event: Event) -> str:
        """An event in words."""
        price, quantity, names = self._price, self._quantity, self.names
        match event:
            case OrderAccepted():
                terms = f"at {price(event.instrument, event.price)}" if event.order_type == LIMIT else "at market"
                side = "buy" if event.side == BUY else "sell"
                return (
                    f"{event.participant} {event.cl_ord_id}: accepted, {side} {quantity(event.instrument, event.quantity)} "
                    f"{event.instrument} {terms} {TIMES_IN_FORCE[event.time_in_force]}"
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
                terms = f"at {price(event.instrument, event.price)}" if event.order_type == LIMIT else "at market"
                return (
                    f"{names[event.order_id]}: replaced, {event.cl_ord_id} for {event.orig_cl_ord_id}, "
                    f"{quantity(event.instrument, event.quantity)} {terms} {TIMES_IN_FORCE[event.time_in_force]}, "
                    f"{quantity(event.instrument, event.leaves)} left, {'requeued' if event.requeued else 'in its place'}"
                )
            case CancelRejected():
                what = "cancel" if event.response_to == "1" else "replace"
                return (
                    f"{event.participant} {event.cl_ord_id}: {what} of {event.orig_cl_ord_id} rejected, status {event.status}, "
                    f"{event.reason.name}: {event.text}"
                )
            case MassCanceled():
                asked = "disconnected" if event.disconnect else f"{event.participant} {event.cl_ord_id}: mass cancel"
                return f"{asked} of {event.instrument or 'all'}, {event.affected} orders"
            case MassCancelRejected():
                return f"{event.participant} {event.cl_ord_id}: mass cancel rejected, {event.reason.name}: {event.text}"
            case BalanceChanged():
                known = self.engine.instruments.get(event.asset)
                decimals = known.terms.quantity_decimals if known else MONEY_DECIMALS
                amount, balance = _plain(int(event.amount), decimals), _plain(int(event.balance), decimals)
                return f"{event.account}: {event.asset} {amount}, now {balance}"
            case InstrumentDefined():
                return f"{event.instrument}: defined"
            case AccountDefined():
                return f"account {event.account} of {event.participant}: short {event.short_max}, self-trade {event.self_trade}"
            case PhaseChanged():
                return f"{event.instrument}: {event.phase}"
            case OrdersExpired():
                return f"expiry, {event.affected} orders"
            case DayRolled():
                return f"day {event.trading_day}, {event.affected} orders"
            case CommandRefused():
                return f"{event.command} refused, {event.reason.name}: {event.text}"
        raise AssertionError(event)


def _plain(number: int, decimals: int) -> str:
    """A decimal without the zeros at its end."""
    text = decimal_text(number, decimals)
    return text.rstrip("0").rstrip(".") if "." in text else text


__all__ = ["COIN", "NOON", "SECOND", "STOCK", "Market", "Reason", "money", "units"]
