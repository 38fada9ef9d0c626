"""What each participant has at work and did last: open orders, executions, what is reserved for them; it knows nobody's balance.

All of it is a function of the event log. What is reserved follows from the open orders by the rule of docs/market-rules.md: of a
buy its cost at its limit, of a sell its quantity, of orders that cancel each other the largest of each side, of one that waits
for its list nothing. Besides, by docs/clearing-rules.md, what is blocked, and the margin of who says what he holds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from marketdata import blocked
from marketdata.blocked import Blocked
from marketdata.orders import Order
from matching.instruments import PRICED
from matching.messages import (
    BUY,
    MONEY_DECIMALS,
    ONE_CANCELS_THE_OTHER,
    ORDERS_APART,
    AccountDefined,
    BalanceChanged,
    BoughtIn,
    CancelRejected,
    Conditions,
    DayRolled,
    DividendCredited,
    EventBatch,
    FeesSet,
    HoldingSplit,
    InstrumentDefined,
    InstrumentSplit,
    ListAccepted,
    MarginSet,
    ObligationNetted,
    OrderAccepted,
    OrderActivated,
    OrderCanceled,
    OrderRejected,
    OrderReplaced,
    OrderRepriced,
    OrderRestated,
    OrderSplit,
    OrderType,
    Parked,
    Reason,
    ReferenceSet,
    Settled,
    SettlementSet,
    Side,
    TimeInForce,
    TradeAllocated,
    TradeBusted,
    TradeCorrected,
    Traded,
    Uncrossed,
)

EXECUTIONS_KEPT = 100  # of a participant
ENDED_KEPT = 10_000  # orders that have ended, of all participants together: for who has just asked for that
REFUSALS_KEPT = 10_000

PPM = 1_000_000
BASIS_POINTS = 10_000

Liquidity = Literal["maker", "taker", "auction"]
ExecutionStatus = Literal["traded", "corrected", "busted"]


class Execution(NamedTuple):
    """One side of a trade, as it is now: `number` is that of the trade's event, `maker` says which side, `fee` in money units."""

    number: int
    maker: bool
    time: int
    account: str
    instrument: str
    side: Side
    price: int
    quantity: int
    fee: int
    order_id: int
    cl_ord_id: str
    liquidity: Liquidity
    status: ExecutionStatus = "traded"


class Executions:
    """The last ones of a participant, oldest first. Up to event `forgotten` there may have been others."""

    __slots__ = ("forgotten", "kept")

    def __init__(self) -> None:
        self.forgotten = 0
        self.kept: deque[Execution] = deque()

    def add(self, execution: Execution) -> None:
        self.kept.append(execution)
        if len(self.kept) > EXECUTIONS_KEPT:
            self.forgotten = self.kept.popleft().number


class Terms:
    """Of an instrument, what decides on the limit of an order and on what it costs. `printed` is the price of the last trade
    since `reference` was set, `last` that of the last one at all, 0 where there was none; `initial_ppm` its margin."""

    __slots__ = ("defined", "initial_ppm", "last", "printed", "reference")

    def __init__(self, defined: InstrumentDefined) -> None:
        self.defined = defined
        self.reference = defined.reference_price
        self.printed = self.last = self.initial_ppm = 0

    def define(self, defined: InstrumentDefined) -> None:
        if defined.reference_price != self.defined.reference_price:
            self.set_reference(defined.reference_price)
        self.defined = defined

    def set_reference(self, price: int) -> None:
        self.reference, self.printed = price, 0

    def limit_of(self, side: Side, order_type: OrderType, price: int) -> int:
        """The worst price that an order may trade at: its own, or the edge of the static band."""
        if price and order_type in PRICED:
            return price
        width, tick = self.reference * self.defined.band_bps, self.defined.tick
        scaled = self.reference * BASIS_POINTS
        if side == BUY:
            return (scaled + width) // (BASIS_POINTS * tick) * tick
        return max(-(-(scaled - width) // (BASIS_POINTS * tick)) * tick, tick)

    @property
    def fee_ppm_max(self) -> int:
        """What a trade costs at the worst who has no fees of his own."""
        return max(self.defined.maker_fee_ppm, self.defined.taker_fee_ppm, 0)

    def value(self, price: int, quantity: int) -> int:
        """In money units."""
        defined = self.defined
        unit: int = 10 ** (MONEY_DECIMALS - defined.price_decimals - defined.quantity_decimals)
        return price * quantity * unit

    def margin(self, short: int) -> int:
        """What a short position reserves, in money units."""
        return self.value(self.last or self.reference, short) * self.initial_ppm // PPM

    def split(self, event: InstrumentSplit) -> None:
        """Prices are those of other units now: of what traded to the nearest tick, of two the higher."""
        tick = self.defined.tick
        if self.last:
            ticks = (2 * self.last * event.denominator + tick * event.numerator) // (2 * tick * event.numerator)
            self.last = max(ticks, 1) * tick
            self.printed = self.last if self.printed else 0


class Refusal(NamedTuple):
    """A cancel or a replace was refused."""

    reason: Reason
    text: str


class OwnOrders:
    """Of all participants. `changed_orders` and `changed_executions` are those of the last record: orders by number, each once
    and as it is behind the record, and executions with whose they are. `changed_balances` are the participants who were paid
    something, or paid it, otherwise than by a trade.

    `ended` has orders that have ended, the last of them: they are not kept in a checkpoint, and neither is `refusals`, of
    cancels and replaces by participant and ClOrdID.
    """

    def __init__(self) -> None:
        self.orders: dict[int, Order] = {}
        self.accounts: dict[str, str] = {}  # who owns them
        self.terms: dict[str, Terms] = {}
        self.changed_orders: dict[int, Order] = {}
        self.changed_executions: list[tuple[str, Execution]] = []
        self.changed_balances: dict[str, None] = {}
        self.ended: dict[int, Order] = {}
        self.refusals: dict[tuple[str, str], Refusal] = {}
        self._of: dict[str, dict[int, Order]] = {}
        self._executions: dict[str, Executions] = {}
        self.blocked = Blocked()
        self._fees: dict[tuple[str, str], int] = {}  # of (participant, instrument or ""), the higher of his own
        self._ratio: tuple[int, int] | None = None  # while an instrument is being split
        self._limits: dict[int, int] = {}  # of the orders whose limit is not the price that they say
        self._groups: dict[int, int] = {}  # of an order that cancels others: the command that entered them
        self._of_list = 0  # so many of the orders that are accepted next are of a list whose orders cancel each other
        self._time = 0
        self._takes: dict[type, Callable[[Any], None]] = {
            OrderAccepted: self._accepted,
            OrderRejected: self._rejected,
            Traded: self._traded,
            OrderCanceled: self._canceled,
            OrderReplaced: self._replaced,
            OrderActivated: self._activated,
            OrderRepriced: self._repriced,
            OrderRestated: self._restated,
            OrderSplit: self._split,
            InstrumentSplit: self._instrument_split,
            FeesSet: self._fees_set,
            MarginSet: self._margin_set,
            ListAccepted: self._list_accepted,
            CancelRejected: self._cancel_rejected,
            TradeBusted: self._amended,
            TradeCorrected: self._amended,
            InstrumentDefined: self._instrument_defined,
            AccountDefined: self._account_defined,
            **dict.fromkeys((BalanceChanged, DividendCredited, HoldingSplit, ObligationNetted, Settled), self._balance_changed),
            BoughtIn: self._bought_in,
            TradeAllocated: self._allocated,
            SettlementSet: self._settlement_set,
            ReferenceSet: self._reference_set,
            Uncrossed: self._uncrossed,
            DayRolled: self._rolled,
        }

    def apply(self, batch: EventBatch) -> None:
        """Take the next record."""
        if self.changed_orders:
            self.changed_orders = {}
        if self.changed_executions:
            self.changed_executions = []
        if self.changed_balances:
            self.changed_balances = {}
        self._time = batch.time
        takes, blocks = self._takes, self.blocked.takes
        for event in batch.events:
            kind = type(event)
            take = takes.get(kind)
            if take is not None:  # the others change nobody's orders
                take(event)
            block = blocks.get(kind)
            if block is not None:
                block(event)

    # ------------------------------------------------------------------------------------------------ questions

    def owner(self, account: str) -> str | None:
        """Whose account it is; None where there is no such account."""
        return self.accounts.get(account)

    def open_orders(self, participant: str) -> list[Order]:
        """The open orders of a participant, oldest first."""
        return list(self._of.get(participant, {}).values())

    def order(self, participant: str, order_id: int) -> Order | None:
        """An order of his that is open, or ended not long ago."""
        order = self.orders.get(order_id) or self.ended.get(order_id)
        return order if order is not None and order.participant == participant else None

    def executions(self, participant: str) -> list[Execution]:
        """The last ones of a participant, oldest first."""
        found = self._executions.get(participant)
        return list(found.kept) if found is not None else []

    def executions_known_from(self, participant: str) -> int:
        """Those behind this event are all there: what is at or before it may be missing."""
        found = self._executions.get(participant)
        return found.forgotten if found is not None else 0

    def reserved(self, account: str, holdings: Mapping[str, int] | None = None) -> dict[str, int]:
        """What is held back of an account, by asset: of a currency in money units, of an instrument in its quantity units.
        The margin is in it for who says what the account has of each instrument, delivered or not."""
        found = self.blocked.of(account)
        largest: dict[tuple[int, Side], int] = {}
        for order in self._of.get(self.accounts.get(account, ""), {}).values():
            if order.account != account or order.parked == "list":
                continue
            terms = self.terms[order.instrument]
            asset = terms.defined.currency if order.side == BUY else order.instrument
            needed = self._need(order, terms)
            group = self._groups.get(order.order_id)
            if group is not None:
                before = largest.get((group, order.side), 0)
                needed = max(needed - before, 0)
                largest[group, order.side] = before + needed
            found[asset] = found.get(asset, 0) + needed
        if holdings is not None:
            self._add_margin(found, holdings)
        return found

    def _add_margin(self, reserved: dict[str, int], holdings: Mapping[str, int]) -> None:
        for instrument, terms in self.terms.items():
            short = reserved.get(instrument, 0) - holdings.get(instrument, 0)
            if terms.initial_ppm and short > 0:
                currency = terms.defined.currency
                reserved[currency] = reserved.get(currency, 0) + terms.margin(short)

    def _need(self, order: Order, terms: Terms) -> int:
        if order.side != BUY:
            return order.leaves
        value = terms.value(self._limits.get(order.order_id, order.price), order.leaves)
        participant, fees = order.participant, self._fees
        fee_ppm = fees.get((participant, order.instrument), fees.get((participant, ""), terms.fee_ppm_max))
        return value + value * fee_ppm // PPM

    # --------------------------------------------------------------------------------------------------- orders

    def _accepted(self, event: OrderAccepted) -> None:
        order_id = event.order_id
        order = self.orders[order_id] = self.changed_orders[order_id] = Order(event, self._time)
        of = self._of.get(event.participant)
        if of is None:
            of = self._of[event.participant] = {}
        of[order_id] = order
        self._set_limit(order)
        if self._of_list:
            self._of_list -= 1
            self._groups[order_id] = order_id % ORDERS_APART

    def _list_accepted(self, event: ListAccepted) -> None:
        if event.contingency == ONE_CANCELS_THE_OTHER:
            self._of_list = event.count  # its orders are the next that are accepted

    def _rejected(self, event: OrderRejected) -> None:
        order = self.changed_orders[event.order_id] = Order(event, self._time)
        self._keep_ended(order)

    def _cancel_rejected(self, event: CancelRejected) -> None:
        refusals = self.refusals
        refusals.pop((event.participant, event.cl_ord_id), None)
        refusals[event.participant, event.cl_ord_id] = Refusal(event.reason, event.text)
        if len(refusals) > REFUSALS_KEPT:
            del refusals[next(iter(refusals))]

    def _set_limit(self, order: Order) -> None:
        limit = self.terms[order.instrument].limit_of(order.side, order.order_type, order.price)
        if limit != order.price:
            self._limits[order.order_id] = limit
        else:
            self._limits.pop(order.order_id, None)

    def _changed(self, order: Order) -> None:
        self.changed_orders[order.order_id] = order
        if order.end:
            order_id = order.order_id
            del self.orders[order_id]
            del self._of[order.participant][order_id]
            self._limits.pop(order_id, None)
            self._groups.pop(order_id, None)
            self._keep_ended(order)

    def _keep_ended(self, order: Order) -> None:
        self.ended[order.order_id] = order
        if len(self.ended) > ENDED_KEPT:
            del self.ended[next(iter(self.ended))]

    def _canceled(self, event: OrderCanceled) -> None:
        order = self.orders[event.order_id]
        order.cancel(event, self._time)
        self._changed(order)

    def _replaced(self, event: OrderReplaced) -> None:
        order = self.orders[event.order_id]
        order.replace(event, self._time)
        self._set_limit(order)
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
        was = order.price
        order.restate(event)
        if order.price != was:  # what was left over of a market order: its limit is its price from now on
            self._set_limit(order)
        self._changed(order)

    def _split(self, event: OrderSplit) -> None:
        order = self.orders[event.order_id]
        order.split(event)
        limit = self._limits.pop(event.order_id, 0)
        if limit:
            assert self._ratio is not None, "the split of an order follows that of its instrument"
            numerator, denominator = self._ratio
            tick = self.terms[event.instrument].defined.tick
            scaled, unit = limit * denominator, tick * numerator
            limit = max(scaled // unit if order.side == BUY else -(-scaled // unit), 1) * tick
            if limit != order.price:
                self._limits[event.order_id] = limit
        self._changed(order)

    # --------------------------------------------------------------------------------------------------- trades

    def _traded(self, event: Traded) -> None:
        price, quantity, auction = event.price, event.quantity, event.auction
        maker, taker = self.orders[event.maker_order_id], self.orders[event.taker_order_id]
        terms = self.terms[event.instrument]
        terms.printed = terms.last = price
        maker.fill(price, quantity, event.maker_leaves, self._time)
        self._executed(maker, event, True, event.maker_fee, "auction" if auction else "maker")
        self._changed(maker)
        taker.fill(price, quantity, event.taker_leaves, self._time)
        self._executed(taker, event, False, event.taker_fee, "auction" if auction else "taker")
        self._changed(taker)

    def _executed(self, order: Order, event: Traded, maker: bool, fee: int, liquidity: Liquidity) -> None:
        participant = order.participant
        execution = Execution(
            event.seq, maker, self._time, order.account, event.instrument, order.side, event.price, event.quantity, fee,
            order.order_id, order.cl_ord_id, liquidity,
        )  # fmt: skip
        executions = self._executions.get(participant)
        if executions is None:
            executions = self._executions[participant] = Executions()
        executions.add(execution)
        self.changed_executions.append((participant, execution))

    def _amended(self, event: TradeBusted | TradeCorrected) -> None:
        """A trade was taken back, or is another."""
        status: ExecutionStatus
        if isinstance(event, TradeBusted):
            status, old_price, old_quantity, quantity = "busted", event.price, event.quantity, 0
        else:
            status, old_price, old_quantity, quantity = "corrected", event.old_price, event.old_quantity, event.quantity
        for state in (event.maker, event.taker):
            order = (self.orders.get(state.order_id) or self.ended.get(state.order_id)) if state is not None else None
            if order is not None:
                order.amend(old_price, old_quantity, event.price, quantity)
                self.changed_orders[order.order_id] = order
        owners = {self.accounts.get(event.maker_account, ""), self.accounts.get(event.taker_account, "")}
        for participant in sorted(owners):
            executions = self._executions.get(participant)
            if executions is None:
                continue
            for index, one in enumerate(executions.kept):
                if one.number == event.trade_seq:
                    fee = event.maker_fee if one.maker else event.taker_fee
                    now = one._replace(price=event.price, quantity=event.quantity, fee=fee, status=status)
                    executions.kept[index] = now
                    self.changed_executions.append((participant, now))

    # ---------------------------------------------------------------------------------------------- definitions

    def _instrument_defined(self, event: InstrumentDefined) -> None:
        terms = self.terms.get(event.instrument)
        if terms is None:
            self.terms[event.instrument] = Terms(event)
        else:
            terms.define(event)

    def _account_defined(self, event: AccountDefined) -> None:
        self.accounts[event.account] = event.participant

    def _balance_changed(
        self, event: BalanceChanged | DividendCredited | HoldingSplit | ObligationNetted | Settled
    ) -> None:
        if event.account:  # and not the venue's fees
            self.changed_balances[self.accounts[event.account]] = None

    def _bought_in(self, event: BoughtIn) -> None:
        self.changed_balances |= dict.fromkeys(self.accounts[name] for name in (event.account, event.receiving_account))

    def _allocated(self, event: TradeAllocated) -> None:
        self.changed_balances[event.participant] = None

    def _settlement_set(self, event: SettlementSet) -> None:
        if event.in_force:  # which says what is blocked
            self.changed_balances |= dict.fromkeys(self.accounts.values())

    def _fees_set(self, event: FeesSet) -> None:
        if event.maker_fee_ppm is None or event.taker_fee_ppm is None:
            self._fees.pop((event.participant, event.instrument), None)
        else:
            self._fees[event.participant, event.instrument] = max(event.maker_fee_ppm, event.taker_fee_ppm, 0)

    def _margin_set(self, event: MarginSet) -> None:
        self.terms[event.instrument].initial_ppm = event.initial_ppm

    def _instrument_split(self, event: InstrumentSplit) -> None:
        self.terms[event.instrument].split(event)
        self._ratio = event.numerator, event.denominator

    def _reference_set(self, event: ReferenceSet) -> None:
        terms = self.terms[event.instrument]
        if self._ratio is not None:  # a split ends with it; the trades since the reference was set are as they were
            terms.reference, self._ratio = event.price, None
        else:
            terms.set_reference(event.price)

    def _uncrossed(self, event: Uncrossed) -> None:
        if event.volume:
            self.terms[event.instrument].set_reference(event.price)

    def _rolled(self, event: DayRolled) -> None:
        for terms in self.terms.values():
            terms.set_reference(terms.printed or terms.reference)

    # ----------------------------------------------------------------------------------------------------- file

    def state(self) -> State:
        """All that goes on, to be encoded by msgspec and restored."""
        return State(
            sorted(self.accounts.items()),
            [(one.defined, one.reference, one.printed, one.last, one.initial_ppm) for one in self.terms.values()],
            [
                _OrderState(
                    order.event_seq, order.order_id, order.participant, order.session, order.cl_ord_id, order.account,
                    order.instrument, order.side, order.order_type, order.time_in_force, order.price, order.quantity,
                    order.expire_time, order.exec_inst, order.conditions, order.parked, order.leaves, order.executed,
                    str(order.value), order.busted, order.entered, self._limits.get(order.order_id, 0),
                    self._groups.get(order.order_id, 0),
                )
                for order in self.orders.values()
            ],
            [
                (participant, executions.forgotten, [(*one[:8], str(one.fee), *one[9:]) for one in executions.kept])
                for participant, executions in sorted(self._executions.items())
            ],
            self.blocked.state(),
            [(*whose, fee_ppm) for whose, fee_ppm in sorted(self._fees.items())],
        )  # fmt: skip

    @classmethod
    def restore(cls, state: State) -> OwnOrders:
        """As they were when `state` was made, but that nothing is said to have changed."""
        made = cls()
        made.accounts = dict(state.accounts)
        for defined, reference, printed, last, initial_ppm in state.terms:
            terms = made.terms[defined.instrument] = Terms(defined)
            terms.reference, terms.printed, terms.last, terms.initial_ppm = reference, printed, last, initial_ppm
            made.blocked.define(defined)
        made.blocked.restore(state.blocked)
        made._fees = {(participant, instrument): fee_ppm for participant, instrument, fee_ppm in state.fees}
        for one in state.orders:
            order = made.orders[one.order_id] = _restored(one)
            made._of.setdefault(one.participant, {})[one.order_id] = order
            if one.limit:
                made._limits[one.order_id] = one.limit
            if one.group:
                made._groups[one.order_id] = one.group
        for participant, forgotten, kept in state.executions:
            executions = made._executions[participant] = Executions()
            executions.forgotten = forgotten
            executions.kept.extend(Execution(*one[:8], int(one[8]), *one[9:]) for one in kept)
        return made

    def check(self) -> None:
        """Whether it holds together."""
        assert {number: order for of in self._of.values() for number, order in of.items()} == self.orders
        for number, order in self.orders.items():
            assert order.order_id == number and order.leaves > 0 and not order.end
        assert self._limits.keys() <= self.orders.keys() and self._groups.keys() <= self.orders.keys()
        assert not self._of_list, "a list is told of whole"
        assert self.ended.keys().isdisjoint(self.orders)


class _OrderState(msgspec.Struct, array_like=True, frozen=True, gc=False):
    event_seq: int
    order_id: int
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
    exec_inst: str
    conditions: Conditions | None
    parked: Parked
    leaves: int
    executed: int
    value: str  # text: of many fills it may pass 64 bits
    busted: int
    entered: int
    limit: int
    group: int


# As Execution, with the fee as text.
_ExecutionState = tuple[
    int, bool, int, str, str, Side, int, int, str, int, str, Liquidity, ExecutionStatus,
]  # fmt: skip


class State(msgspec.Struct, array_like=True, frozen=True):
    """OwnOrders in a checkpoint. Orders and executions in their order."""

    accounts: list[tuple[str, str]]
    terms: list[tuple[InstrumentDefined, int, int, int, int]]
    orders: list[_OrderState]
    executions: list[tuple[str, int, list[_ExecutionState]]]
    blocked: blocked.State
    fees: list[tuple[str, str, int]]


def _restored(one: _OrderState) -> Order:
    accepted = OrderAccepted(
        one.event_seq, one.order_id, one.participant, one.session, one.cl_ord_id, one.account, one.instrument, one.side,
        one.order_type, one.time_in_force, one.price, one.quantity, one.expire_time, "", one.exec_inst, False, one.conditions,
        one.parked,
    )  # fmt: skip
    order = Order(accepted, one.entered)
    order.leaves, order.executed, order.value, order.busted = one.leaves, one.executed, int(one.value), one.busted
    return order
