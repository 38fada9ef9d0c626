"""What events do to the rows of the history: which are new, and which are others now. It never touches a database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from following.database import Refused
from marketdata.candles import DAY_NS, INTERVALS, Candle, begin_of, joined, midnight, together
from marketdata.orders import Order
from matching.messages import (
    AccountDefined,
    DayRolled,
    EventBatch,
    InstrumentDefined,
    OrderAccepted,
    OrderActivated,
    OrderCanceled,
    OrderRejected,
    OrderReplaced,
    OrderRepriced,
    OrderRestated,
    OrderSplit,
    TradeBusted,
    TradeCorrected,
    Traded,
)

TRADED, CORRECTED, BUSTED = "traded", "corrected", "busted"
ANEW = "Name another database, or delete this one (SQLite: the file): the history is then written anew from this log"


class RowMissing(Refused):
    """An event is about an order or a trade that the history does not have."""


class TradeRow(NamedTuple):
    """A row of the table trades."""

    event_seq: int
    time: int
    instrument: str
    price: int
    quantity: int
    taker_side: str
    auction: bool
    maker_order_id: int
    taker_order_id: int
    maker_account: str
    taker_account: str
    maker_cl_ord_id: str
    taker_cl_ord_id: str
    maker_fee: int
    taker_fee: int
    status: str = TRADED
    amended: int | None = None
    amended_by: str | None = None
    traded_price: int | None = None
    traded_quantity: int | None = None
    traded_maker_fee: int | None = None
    traded_taker_fee: int | None = None


class Amendment(NamedTuple):
    """A trade that was busted or corrected at `time`; it is of the trading day that begins at `day`."""

    event: TradeBusted | TradeCorrected
    time: int
    day: int


CandleKey = tuple[str, str, int]  # instrument, interval, begin


@dataclass(slots=True)
class Changes:
    """What one database transaction writes. An order is among `new_orders` or `changed_orders`, or in neither."""

    instruments: dict[str, InstrumentDefined] = field(default_factory=dict)
    accounts: dict[str, str] = field(default_factory=dict)
    new_orders: dict[int, Order] = field(default_factory=dict)
    changed_orders: dict[int, Order] = field(default_factory=dict)
    trades: dict[int, TradeRow] = field(default_factory=dict)
    amendments: list[Amendment] = field(default_factory=list)
    candles: dict[CandleKey, Candle] = field(default_factory=dict)
    days: dict[int, int] = field(default_factory=dict)


class Rows:
    """The open orders and the present candles after the last record, and the changes since `take_changes`."""

    def __init__(self) -> None:
        self.orders: dict[int, Order] = {}
        self.candles: dict[tuple[str, str], Candle] = {}  # the last of each instrument and interval
        self.day = -1  # where the present trading day begins; -1 before the first record
        self.changes = Changes()
        self._time = 0
        self.takes: dict[type, Callable[[Any], None]] = {
            OrderAccepted: self._accepted,
            OrderRejected: self._rejected,
            OrderCanceled: self._canceled,
            OrderReplaced: self._replaced,
            OrderActivated: self._activated,
            OrderRepriced: self._repriced,
            OrderRestated: self._restated,
            OrderSplit: self._split,
            TradeBusted: self._amended,
            TradeCorrected: self._amended,
            InstrumentDefined: self._instrument_defined,
            AccountDefined: self._account_defined,
        }

    def apply(self, batch: EventBatch) -> None:
        """Take the next record. Raises RowMissing where it is about an order that no record of before has told of."""
        self._time = time = batch.time
        if self.day < 0:
            self._begin_day(time // DAY_NS * DAY_NS, batch.events[0].seq)
        traded: dict[str, list[Traded]] = {}  # all at one time, so of one candle in each interval
        takes = self.takes
        event = batch.events[0]
        try:
            for event in batch.events:
                kind = type(event)
                if kind is Traded:
                    self._traded(event)  # type: ignore[arg-type]
                    traded.setdefault(event.instrument, []).append(event)  # type: ignore[union-attr, arg-type]
                elif kind is DayRolled:
                    self._add(traded)
                    self._rolled(event)  # type: ignore[arg-type]
                else:
                    take = takes.get(kind)
                    if take is not None:  # the others change no row
                        take(event)
        except KeyError as error:
            said = f"event {event.seq} is about order {error.args[0]}, which is not open in the history. {ANEW}"
            raise RowMissing(said) from None
        self._add(traded)

    def take_changes(self) -> Changes:
        """What has changed since this was called last."""
        changes, self.changes = self.changes, Changes()
        return changes

    # -------------------------------------------------------------------------------------------------- orders

    def _accepted(self, event: OrderAccepted) -> None:
        self.orders[event.order_id] = self.changes.new_orders[event.order_id] = Order(event, self._time)

    def _rejected(self, event: OrderRejected) -> None:
        self.changes.new_orders[event.order_id] = Order(event, self._time)

    def _changed(self, order: Order) -> None:
        order_id = order.order_id
        if order_id not in self.changes.new_orders:
            self.changes.changed_orders[order_id] = order
        if order.end:
            del self.orders[order_id]

    def _canceled(self, event: OrderCanceled) -> None:
        order = self.orders[event.order_id]
        order.cancel(event, self._time)
        self._changed(order)

    def _replaced(self, event: OrderReplaced) -> None:
        order = self.orders[event.order_id]
        order.replace(event, self._time)
        self._changed(order)

    def _activated(self, event: OrderActivated) -> None:
        order = self.orders[event.order_id]
        order.activate(event)
        self._changed(order)

    def _repriced(self, event: OrderRepriced) -> None:
        order = self.orders[event.order_id]
        order.reprice(event)
        self._changed(order)

    def _restated(self, event: OrderRestated) -> None:
        order = self.orders[event.order_id]
        order.restate(event)
        self._changed(order)

    def _split(self, event: OrderSplit) -> None:
        order = self.orders[event.order_id]
        order.split(event)
        self._changed(order)

    # ------------------------------------------------------------------------------------------ trades and days

    def _traded(self, event: Traded) -> None:
        orders, price, quantity = self.orders, event.price, event.quantity
        maker, taker = orders[event.maker_order_id], orders[event.taker_order_id]
        self.changes.trades[event.seq] = TradeRow(
            event.seq, self._time, event.instrument, price, quantity, event.taker_side, event.auction, event.maker_order_id,
            event.taker_order_id, event.maker_account, event.taker_account, maker.cl_ord_id, taker.cl_ord_id, event.maker_fee,
            event.taker_fee,
        )  # fmt: skip
        maker.fill(price, quantity, event.maker_leaves, self._time)
        self._changed(maker)
        taker.fill(price, quantity, event.taker_leaves, self._time)
        self._changed(taker)

    def _add(self, traded: dict[str, list[Traded]]) -> None:
        """Put trades of one time into their candles."""
        for instrument, trades in traded.items():
            new = together(trades)
            for interval in INTERVALS:
                begin = begin_of(interval, self._time, self.day)
                present = self.candles.get((instrument, interval))
                candle = joined(present, new) if present is not None and present.begin == begin else new._replace(begin=begin)
                self.candles[instrument, interval] = self.changes.candles[instrument, interval, begin] = candle
        traded.clear()

    def _amended(self, event: TradeBusted | TradeCorrected) -> None:
        self.changes.amendments.append(Amendment(event, self._time, self.day))

    def _rolled(self, event: DayRolled) -> None:
        begin = midnight(event.trading_day)
        if begin is not None and begin > self.day:  # as in marketdata.candles
            self._begin_day(begin, event.seq)

    def _begin_day(self, begin: int, first_event: int) -> None:
        self.day = begin
        self.changes.days[begin] = first_event

    # --------------------------------------------------------------------------------------------- definitions

    def _instrument_defined(self, event: InstrumentDefined) -> None:
        self.changes.instruments[event.instrument] = event

    def _account_defined(self, event: AccountDefined) -> None:
        self.changes.accounts[event.account] = event.participant


def amended(trade: TradeRow, amendment: Amendment) -> TradeRow:
    """A trade after it was busted or corrected."""
    event = amendment.event
    trade = trade._replace(amended=amendment.time, amended_by=event.by)
    if isinstance(event, TradeBusted):
        return trade._replace(status=BUSTED)
    if trade.traded_price is None:
        trade = trade._replace(
            traded_price=trade.price,
            traded_quantity=trade.quantity,
            traded_maker_fee=trade.maker_fee,
            traded_taker_fee=trade.taker_fee,
        )
    return trade._replace(
        status=CORRECTED, price=event.price, quantity=event.quantity, maker_fee=event.maker_fee, taker_fee=event.taker_fee
    )
