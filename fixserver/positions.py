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

from fixserver.config import Config, Instrument, to_text, to_units
from matching.messages import BUY, MONEY_DECIMALS

Message = dict[str, str]

SOH = "\x01"
PPM = 1_000_000
STATUS_UNKNOWN = "8"
FILLS_KEPT = 10_000
REASON_FUNDS = "25"


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

    @property
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
    `busted` is what was executed and taken back."""

    reference: str  # the ClOrdID that the venue knows it by
    label: str
    terms: Terms
    side: str
    price: int
    quantity: int
    entered: int  # the owner's turn
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
    """What a participant did."""

    orders: int = 0
    replaces: int = 0
    cancels: int = 0
    fills: int = 0
    rejects: int = 0
    cancel_rejects: int = 0
    traded: int = 0  # money units
    last_reject: str = ""


@dataclass
class Fill:
    """A fill that a report told of."""

    terms: Terms
    side: str
    price: int
    quantity: int


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
    def paid(self) -> int:
        """What left the account, in money units; below zero what came in."""
        money = self.value * self.terms.scale
        return (money if self.side == BUY else -money) + money * self.fee_ppm // PPM


@dataclass
class Positions:
    """`cash` in money units, `holdings` in quantity units; both without regard to what open orders reserve."""

    name: str
    terms: dict[str, Terms]
    cash: int
    holdings: dict[str, int]
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0
    run: str = "b"
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

    def enter(self, label: str, symbol: str, side: str, price: int, quantity: int, time_in_force: str, turn: int) -> str:
        """The body of a NewOrderSingle, for an order that is in the view from now on."""
        terms = self.terms[symbol]
        reference = self._reference()
        self.orders[reference] = Order(reference, label, terms, side, price, quantity, turn)
        self.tally.orders += 1
        return self._body(
            ("11", reference), ("1", self.name), ("21", "1"), ("55", symbol), ("54", side), ("60", timestamp()),
            ("38", to_text(quantity, terms.quantity_decimals)), ("40", "2"), ("44", to_text(price, terms.price_decimals)),
            ("59", time_in_force),
        )  # fmt: skip

    def replace(self, order: Order, price: int, quantity: int) -> str:
        """The body of an OrderCancelReplaceRequest. `quantity` is the new total, what is executed included."""
        self._pend(order)
        self.tally.replaces += 1
        terms = order.terms
        return self._body(
            ("11", order.pending), ("41", order.reference), ("1", self.name), ("21", "1"), ("55", terms.symbol), ("54", order.side),
            ("60", timestamp()), ("38", to_text(quantity, terms.quantity_decimals)), ("40", "2"),
            ("44", to_text(price, terms.price_decimals)), ("59", "0"),
        )  # fmt: skip

    def cancel(self, order: Order) -> str:
        """The body of an OrderCancelRequest."""
        self._pend(order)
        self.tally.cancels += 1
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

    def take(self, message: Message) -> Fill | None:
        """Take in an ExecutionReport, an OrderCancelReject, or a reject of a message. Returns the fill there was, if any."""
        msg_type, reference = message["35"], message.get("11", "")
        if msg_type == "8":
            return self._report(message, reference)
        if msg_type == "9":
            self._change_rejected(message, reference)
        elif msg_type == "j":
            self._refused(message)
        return None

    def _report(self, message: Message, reference: str) -> Fill | None:
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
            self._drop(order)
            self.tally.rejects += 1
            self.tally.last_reject = message.get("58", "") or f"OrdRejReason {message.get('103', '?')}"
            self._learn(order, message)
            return None
        order.acknowledged = True
        if exec_type in ("5", "I") and reference != order.reference:
            self._rename(order, reference)
        if exec_type in ("5", "I"):
            order.pending = self._settled(order)
        if exec_type in ("5", "I", "D"):
            decimals = order.terms.quantity_decimals
            order.quantity = to_units(message["38"], decimals)
            if "44" in message:
                order.price = to_units(message["44"], order.terms.price_decimals)
            if status in ("0", "1"):
                order.busted = order.quantity - to_units(message["14"], decimals) - to_units(message["151"], decimals)
        fill = self._executed(order, message)
        if status in ("2", "3", "4", "8", "C") or order.leaves <= 0:
            self._drop(order)
        return fill

    def _executed(self, order: Order, message: Message) -> Fill | None:
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
        order.executed, order.value = executed, order.value + value
        fee_ppm = self.maker_fee_ppm if message.get("851") == "1" else self.taker_fee_ppm
        booked = Booked(terms, order.side, value, quantity, fee_ppm)
        self._book(booked)
        self._fills[message["17"]] = booked
        if len(self._fills) > FILLS_KEPT:
            del self._fills[next(iter(self._fills))]
        self.tally.fills += 1
        self.tally.traded += value * terms.scale
        return Fill(terms, order.side, value // quantity, quantity)

    def _book(self, fill: Booked, sign: int = 1) -> None:
        """Have a fill; with a sign of -1, have it no more."""
        symbol = fill.terms.symbol
        self.holdings[symbol] = self.holdings.get(symbol, 0) + sign * fill.signed
        self.cash -= sign * fill.paid

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

    def _learn(self, order: Order, message: Message) -> None:
        """The venue says that there is less than was believed: believe the venue."""
        if message.get("103") != REASON_FUNDS:
            return
        if order.side == BUY:
            excess = self.available_cash() - order.terms.value(order.price, order.quantity) + 1
            self.cash -= max(0, excess)
        else:
            symbol = order.terms.symbol
            excess = self.available(symbol) - order.quantity + order.terms.lot
            self.holdings[symbol] = self.holdings.get(symbol, 0) - max(0, excess)

    def _change_rejected(self, message: Message, reference: str) -> None:
        order = self._changes.get(reference)
        if order is None:
            return
        order.pending = self._settled(order)
        self.tally.cancel_rejects += 1
        if message.get("39") in ("2", "3", "4", "8", "C") or message.get("102") == "1":
            self._drop(order)

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
            self._drop(order)
        self.asked.discard(reference)

    def _not_known(self, reference: str) -> None:
        """The venue never had, or has forgotten, this ClOrdID."""
        if order := self._changes.get(reference):
            order.pending = self._settled(order)
        elif (order := self.orders.get(reference)) and not order.pending:
            self._drop(order)

    def _rename(self, order: Order, reference: str) -> None:
        self.orders.pop(order.reference, None)
        order.reference = reference
        self.orders[reference] = order

    def _settled(self, order: Order) -> str:
        self._changes.pop(order.pending, None)
        return ""

    def _drop(self, order: Order) -> None:
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
    )
