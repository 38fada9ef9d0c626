"""One participant's own view of his orders, cash and holdings, from the reports that reach him; it sends nothing.

A report says what is executed altogether, so one that comes twice changes nothing, and one that was missed is made up for by
the next. A fill that the venue takes back or corrects is named by its ExecID; of those, FILLS_KEPT are remembered. After a
connection was lost, `questions` asks the venue about every order that may still be open; until the answers are here the view
is not to be acted upon.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

from fixserver.config import FEE_DECIMALS, Config, Instrument, to_text, to_units
from matching.messages import BUY, DAY, LIMIT, MONEY_DECIMALS, OrderType, Side, TimeInForce

Message = dict[str, str]

SOH = "\x01"
PPM = 1_000_000
STATUS_UNKNOWN = "8"
FILLS_KEPT = 10_000
REASON_FUNDS = "25"
CORPORATE_ACTION = "0"  # ExecRestatementReason(378)


def timestamp() -> str:
    return time.strftime("%Y%m%d-%H:%M:%S", time.gmtime())


@dataclass(frozen=True)
class Terms:
    """What a trader has to know of an instrument. Prices and quantities in its units, `low` and `high` are the price band."""

    symbol: str
    price_decimals: int
    quantity_decimals: int
    tick: int
    lot: int
    quantity_max: int
    reference: int
    low: int
    high: int

    @cached_property
    def scale(self) -> int:
        """Money units of one price unit times one quantity unit."""
        return int(10 ** (MONEY_DECIMALS - self.price_decimals - self.quantity_decimals))

    def value(self, price: int, quantity: int) -> int:
        """In money units."""
        return price * quantity * self.scale

    def on_tick(self, price: int) -> int:
        """The nearest price on the tick and inside the band."""
        price = (2 * price + self.tick) // (2 * self.tick) * self.tick
        lowest = -(-self.low // self.tick) * self.tick
        return max(lowest, min(self.high // self.tick * self.tick, price))

    def affordable(self, money: int, price: int) -> int:
        """The quantity in whole lots that `money` pays for at `price`."""
        if money <= 0 or price <= 0:
            return 0
        return min(money // (price * self.scale), self.quantity_max) // self.lot * self.lot


def terms_of(instrument: Instrument) -> Terms:
    reference = instrument.reference_price_units
    band = reference * instrument.band_bps // 10_000
    return Terms(
        instrument.symbol,
        instrument.price_decimals,
        instrument.quantity_decimals,
        instrument.tick_units,
        instrument.lot_units,
        instrument.quantity_max_units,
        reference,
        reference - band,
        reference + band,
    )


@dataclass
class Order:
    """An order that may be open. `label` is whatever its owner calls it. `value` sums price times quantity over its fills,
    `busted` is what was executed and taken back. The price of an order without a limit is the worst that it may get."""

    reference: str  # the ClOrdID that the venue knows it by
    label: str
    terms: Terms
    side: Side
    price: int
    quantity: int
    entered: int  # the owner's turn
    order_type: OrderType = LIMIT
    time_in_force: TimeInForce = DAY
    executed: int = 0
    value: int = 0
    busted: int = 0
    acknowledged: bool = False
    pending: str = ""  # the ClOrdID of a replace or cancel that is not answered

    @property
    def leaves(self) -> int:
        return self.quantity - self.executed - self.busted

    @property
    def is_settled(self) -> bool:
        """Whether it can be changed now."""
        return self.acknowledged and not self.pending


@dataclass
class Tally:
    """What a participant did. `orders_traded` are those of his orders that were filled, in part at least."""

    orders: int = 0
    orders_traded: int = 0
    replaces: int = 0
    cancels: int = 0
    fills: int = 0
    rejects: int = 0
    cancel_rejects: int = 0
    traded: int = 0  # money units
    fees: int = 0  # money units
    last_reject: str = ""


class Filled(NamedTuple):
    """A fill that the venue told of. `fee` is in money units."""

    order: Order
    price: int
    quantity: int
    fee: int

    @property
    def terms(self) -> Terms:
        return self.order.terms

    @property
    def side(self) -> Side:
        return self.order.side


@dataclass
class Booked:
    """What a fill did, so that it can be undone. `fee_ppm` is the rate that was paid."""

    terms: Terms
    side: str
    value: int
    quantity: int
    fee_ppm: int

    @property
    def signed(self) -> int:
        """The quantity, below zero for a sale."""
        return self.quantity if self.side == BUY else -self.quantity

    @property
    def fee(self) -> int:
        """In money units."""
        return self.value * self.terms.scale * self.fee_ppm // PPM

    @property
    def paid(self) -> int:
        """What left the account, in money units; below zero what came in."""
        money = self.value * self.terms.scale
        return (money if self.side == BUY else -money) + self.fee


@dataclass
class Positions:
    """`cash` in money units, `holdings` in quantity units; both without regard to what open orders reserve. `fees` are the
    participant's own, maker's and taker's by instrument, under "" for those that are not named."""

    name: str
    terms: dict[str, Terms]
    cash: int
    holdings: dict[str, int]
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0
    run: str = "b"
    fees: dict[str, tuple[int, int]] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)  # by reference
    tally: Tally = field(default_factory=Tally)
    asked: set[str] = field(default_factory=set)  # ClOrdIDs whose status is being asked for
    _changes: dict[str, Order] = field(default_factory=dict)  # by pending ClOrdID
    _fills: dict[str, Booked] = field(default_factory=dict)  # by ExecID
    _number: int = 0

    # -------------------------------------------------------------------------------------------- what there is

    def available_cash(self) -> int:
        """Cash that no open buy order needs."""
        return self.cash - sum(o.terms.value(o.price, o.leaves) for o in self.orders.values() if o.side == BUY)

    def available(self, symbol: str) -> int:
        """Holdings that no open sell order needs."""
        reserved = sum(o.leaves for o in self.orders.values() if o.side != BUY and o.terms.symbol == symbol)
        return self.holdings.get(symbol, 0) - reserved

    def worth(self, prices: dict[str, int]) -> int:
        """Cash and holdings in money units, at these prices."""
        return self.cash + sum(self.terms[symbol].value(prices[symbol], n) for symbol, n in self.holdings.items() if n)

    # ------------------------------------------------------------------------------------------- what is sent

    def _reference(self) -> str:
        self._number += 1
        return f"{self.run}-{self._number}"

    def place(
        self, label: str, symbol: str, side: Side, price: int, quantity: int, time_in_force: TimeInForce, turn: int,
        order_type: OrderType = LIMIT,
    ) -> Order:  # fmt: skip
        """An order that is in the view from now on, and on its way to the venue."""
        order = Order(self._reference(), label, self.terms[symbol], side, price, quantity, turn, order_type, time_in_force)
        self.orders[order.reference] = order
        self.tally.orders += 1
        return order

    def change(self, order: Order) -> None:
        """A replace of an order is on its way, under the name `order.pending`."""
        self._pend(order)
        self.tally.replaces += 1

    def withdraw(self, order: Order) -> None:
        """A cancel of an order is on its way, under the name `order.pending`."""
        self._pend(order)
        self.tally.cancels += 1

    def enter(self, label: str, symbol: str, side: Side, price: int, quantity: int, time_in_force: TimeInForce, turn: int) -> str:
        """The body of a NewOrderSingle, for an order that is in the view from now on."""
        return self.entry(self.place(label, symbol, side, price, quantity, time_in_force, turn))

    def entry(self, order: Order) -> str:
        """The body of a NewOrderSingle."""
        return self._body(("11", order.reference), *self._said(order, order.price, order.quantity))

    def replace(self, order: Order, price: int, quantity: int) -> str:
        """The body of an OrderCancelReplaceRequest. `quantity` is the new total, what is executed included."""
        self.change(order)
        return self._body(("11", order.pending), ("41", order.reference), *self._said(order, price, quantity))

    def _said(self, order: Order, price: int, quantity: int) -> list[tuple[str, str]]:
        """What an order and its replace say in the same words."""
        terms = order.terms
        limit = [("44", to_text(price, terms.price_decimals))] if order.order_type == LIMIT else []
        return [
            ("1", self.name), ("21", "1"), ("55", terms.symbol), ("54", order.side), ("60", timestamp()),
            ("38", to_text(quantity, terms.quantity_decimals)), ("40", order.order_type), *limit, ("59", order.time_in_force),
        ]  # fmt: skip

    def cancel(self, order: Order) -> str:
        """The body of an OrderCancelRequest."""
        self.withdraw(order)
        return self._body(
            ("11", order.pending), ("41", order.reference), ("1", self.name), ("55", order.terms.symbol), ("54", order.side),
            ("60", timestamp()), ("38", to_text(order.quantity, order.terms.quantity_decimals)),
        )  # fmt: skip

    def cancel_all(self) -> tuple[str, str]:
        """The ClOrdID and the body of an OrderMassCancelRequest for everything."""
        reference = self._reference()
        return reference, self._body(("11", reference), ("530", "7"), ("60", timestamp()))

    def questions(self) -> list[str]:
        """Bodies of OrderStatusRequests, for all that may be open and all that was on its way. Answers come in `asked`."""
        bodies = []
        self.asked.clear()
        for order in self.orders.values():
            # The replacement first: its answer says that the order has its name now, and that of the old one is no news then.
            for reference in filter(None, (order.pending, order.reference)):
                self.asked.add(reference)
                bodies.append(self._body(("790", reference), ("11", reference), ("55", order.terms.symbol), ("54", order.side)))
        return bodies

    def _pend(self, order: Order) -> None:
        assert order.is_settled, "one change of an order at a time"
        order.pending = self._reference()
        self._changes[order.pending] = order

    def _body(self, *pairs: tuple[str, str]) -> str:
        return "".join([f"{tag}={value}{SOH}" for tag, value in pairs])

    # --------------------------------------------------------------------------------------------- what comes

    def take(self, message: Message) -> Filled | None:
        """Take in an ExecutionReport, an OrderCancelReject, or a reject of a message. Returns the fill there was, if any."""
        msg_type, reference = message["35"], message.get("11", "")
        if msg_type == "8":
            return self._report(message, reference)
        if msg_type == "9":
            self._change_rejected(message, reference)
        elif msg_type == "j":
            self._refused(message)
        return None

    def _report(self, message: Message, reference: str) -> Filled | None:
        order = self._changes.get(reference) or self.orders.get(reference) or self.orders.get(message.get("41", ""))
        exec_type, status = message["150"], message.get("39", "")
        if exec_type == "I":
            self.asked.discard(message.get("790", reference))
            if status == STATUS_UNKNOWN:
                self._not_known(reference)
                return None
        if exec_type in ("H", "G"):
            self._amended(order, message)
            return None
        if order is None:
            return None
        if exec_type == "8":
            text = message.get("58", "") or f"OrdRejReason {message.get('103', '?')}"
            self.rejected(order, text, funds=message.get("103") == REASON_FUNDS)
            return None
        order.acknowledged = True
        if exec_type in ("5", "I") and reference != order.reference:
            self.rename(order, reference)
        if exec_type in ("5", "I"):
            order.pending = self._settled(order)
        if exec_type == "D" and message.get("378") == CORPORATE_ACTION:
            order.executed = to_units(message["14"], order.terms.quantity_decimals)  # of other units: nothing has traded
        if exec_type in ("5", "I", "D"):
            decimals = order.terms.quantity_decimals
            order.quantity = to_units(message["38"], decimals)
            if "44" in message:
                order.price = to_units(message["44"], order.terms.price_decimals)
            if status in ("0", "1"):
                order.busted = order.quantity - to_units(message["14"], decimals) - to_units(message["151"], decimals)
        fill = self._executed(order, message)
        if status in ("2", "3", "4", "8", "C") or order.leaves <= 0:
            self.drop(order)
        return fill

    def rejected(self, order: Order, text: str, *, funds: bool) -> None:
        """The venue took no such order; where for want of `funds`, there is less than was believed."""
        self.drop(order)
        self.tally.rejects += 1
        self.tally.last_reject = text
        if funds:
            self._learn(order)

    def _executed(self, order: Order, message: Message) -> Filled | None:
        """Book what CumQty has more than was known: at LastPx when this is the one fill that was missing, else by AvgPx."""
        terms = order.terms
        executed = to_units(message["14"], terms.quantity_decimals)
        quantity = executed - order.executed
        if quantity <= 0:
            return None
        if message.get("32") and to_units(message["32"], terms.quantity_decimals) == quantity and message.get("31"):
            value = to_units(message["31"], terms.price_decimals) * quantity
        else:
            average = Decimal(message["6"]) * 10**terms.price_decimals
            value = int((average * executed).to_integral_value()) - order.value
        return self.filled(order, message["17"], value, quantity, maker=message.get("851") == "1")

    def filled(self, order: Order, execution: str, value: int, quantity: int, *, maker: bool) -> Filled:
        """Book a fill of so much; `value` is the sum of price times quantity, `execution` what the venue calls it."""
        tally = self.tally
        if not order.executed:
            tally.orders_traded += 1
        order.executed += quantity
        order.value += value
        everybodys = self.maker_fee_ppm, self.taker_fee_ppm
        maker_ppm, taker_ppm = self.fees.get(order.terms.symbol) or self.fees.get("") or everybodys
        booked = Booked(order.terms, order.side, value, quantity, maker_ppm if maker else taker_ppm)
        self._book(booked)
        self._fills[execution] = booked
        if len(self._fills) > FILLS_KEPT:
            del self._fills[next(iter(self._fills))]
        tally.fills += 1
        tally.traded += value * order.terms.scale
        return Filled(order, value // quantity, quantity, booked.fee)

    def _book(self, fill: Booked, sign: int = 1) -> None:
        """Have a fill; with a sign of -1, have it no more."""
        symbol = fill.terms.symbol
        self.holdings[symbol] = self.holdings.get(symbol, 0) + sign * fill.signed
        self.cash -= sign * fill.paid
        self.tally.fees += sign * fill.fee

    def _amended(self, order: Order | None, message: Message) -> None:
        """A fill was taken back, or corrected. What is said twice changes nothing the second time."""
        execution = message.get("19", "")
        fill = self._fills.pop(execution, None)
        if fill is None:
            return
        self._book(fill, -1)
        now = Booked(fill.terms, fill.side, 0, 0, fill.fee_ppm)
        if message["150"] == "G":
            now.quantity = to_units(message["32"], fill.terms.quantity_decimals)
            now.value = to_units(message["31"], fill.terms.price_decimals) * now.quantity
            self._book(now)
            self._fills[execution] = now
        if order is not None:
            order.executed += now.quantity - fill.quantity
            order.value += now.value - fill.value
            order.busted += fill.quantity - now.quantity

    def _learn(self, order: Order) -> None:
        """The venue says that there is less than was believed: believe the venue."""
        if order.side == BUY:
            excess = self.available_cash() - order.terms.value(order.price, order.quantity) + 1
            self.cash -= max(0, excess)
        else:
            symbol = order.terms.symbol
            excess = self.available(symbol) - order.quantity + order.terms.lot
            self.holdings[symbol] = self.holdings.get(symbol, 0) - max(0, excess)

    def _change_rejected(self, message: Message, reference: str) -> None:
        self.change_rejected(reference, over=message.get("39") in ("2", "3", "4", "8", "C") or message.get("102") == "1")

    def change_rejected(self, reference: str, *, over: bool) -> None:
        """A cancel or replace was refused; `over` where the order has ended."""
        order = self._changes.get(reference)
        if order is None:
            return
        order.pending = self._settled(order)
        self.tally.cancel_rejects += 1
        if over:
            self.drop(order)

    def replaced(self, order: Order, reference: str, price: int, quantity: int) -> None:
        """An order has this name and these terms now."""
        if reference != order.reference:
            self.rename(order, reference)
        order.pending = self._settled(order)
        order.price, order.quantity = price, quantity

    def changing(self, reference: str) -> Order | None:
        """The order that a request of this ClOrdID is to change, while it is not answered."""
        return self._changes.get(reference)

    def _refused(self, message: Message) -> None:
        """BusinessMessageReject: what it refused never reached the book."""
        reference = message.get("379", "")
        self.tally.rejects += 1
        self.tally.last_reject = message.get("58", "")
        if order := self._changes.get(reference):
            order.pending = self._settled(order)
        elif (order := self.orders.get(reference)) and not order.acknowledged:
            self.drop(order)
        self.asked.discard(reference)

    def _not_known(self, reference: str) -> None:
        """The venue never had, or has forgotten, this ClOrdID."""
        if order := self._changes.get(reference):
            order.pending = self._settled(order)
        elif (order := self.orders.get(reference)) and not order.pending:
            self.drop(order)

    def rename(self, order: Order, reference: str) -> None:
        self.orders.pop(order.reference, None)
        order.reference = reference
        self.orders[reference] = order

    def _settled(self, order: Order) -> str:
        self._changes.pop(order.pending, None)
        return ""

    def drop(self, order: Order) -> None:
        """An order is over."""
        self.orders.pop(order.reference, None)
        order.pending = self._settled(order)

    def _check(self) -> None:
        """Raise AssertionError where the view contradicts itself."""
        for reference, order in self.orders.items():
            assert reference == order.reference and order.leaves > 0 and order.executed >= 0
            assert not order.pending or self._changes[order.pending] is order
        assert all(self.orders.get(order.reference) is order for order in self._changes.values())


def positions_of(config: Config, name: str, run: str) -> Positions:
    """What a participant begins with, as the configuration has it. Raises KeyError."""
    participant = config.participant(name)
    terms = {instrument.symbol: terms_of(instrument) for instrument in config.instruments}
    holdings = {symbol: to_units(text, terms[symbol].quantity_decimals) for symbol, text in participant.holdings.items()}
    return Positions(
        name,
        terms,
        to_units(participant.cash, MONEY_DECIMALS),
        holdings,
        config.venue.maker_fee_ppm,
        config.venue.taker_fee_ppm,
        run,
        {
            fees.instrument: (to_units(fees.maker, FEE_DECIMALS), to_units(fees.taker, FEE_DECIMALS))
            for fees in config.fees
            if fees.participant == name
        },
    )
