"""The engine: applies one command after the other to books and accounts, and says what happened as events.

A pure function of the commands it was given: it reads no clock, draws no number, writes nothing. The rules
of the market are here; price-time priority is in `book`, what a participant has is in `accounts`.

What the world asks for wrongly is answered by an event and changes nothing. What only a wrong program can
cause is asserted, and stops the process: after that no balance could be trusted.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterator
from typing import Any, cast

import msgspec

from matching.accounts import Account, Participant, Position
from matching.book import CANCELED, EXPIRED, FILLED, OPEN, Order
from matching.instruments import Instrument, money_text
from matching.messages import (
    BUY,
    DAY,
    FOK,
    GTC,
    GTD,
    INT64_MAX,
    IOC,
    LIMIT,
    MARKET,
    MONEY_DECIMALS,
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
    OrderState,
    Phase,
    PhaseChanged,
    Reason,
    ReplaceOrder,
    RollDay,
    SetPhase,
    Side,
    Traded,
    Withdraw,
)

PPM = 1_000_000
AMOUNT_DIGITS_MAX = 30


class InstrumentState(msgspec.Struct, frozen=True, array_like=True):
    """An instrument in a snapshot; its orders follow in the order of their priority."""

    terms: DefineInstrument
    phase: Phase
    reference_price: int
    last: int


class AccountState(msgspec.Struct, frozen=True, array_like=True):
    """An account in a snapshot. `cash` and `holdings` are (asset, total as text), sorted."""

    terms: DefineAccount
    cash: list[tuple[str, str]]
    holdings: list[tuple[str, str]]


class EngineState(msgspec.Struct, frozen=True, array_like=True):
    """All that the engine knows after the command `command_seq`. What is reserved follows from the open orders.

    `large_values` are the OrderState.value of orders whose fills sum to more than 64 bits hold: each fill is
    bounded by the value limit of the buying order, but not how many buyers one great sell order meets.
    """

    command_seq: int
    event_seq: int
    time: int
    trading_day: str
    instruments: list[InstrumentState]
    accounts: list[AccountState]
    open_orders: list[OrderState]
    ended_orders: list[OrderState]
    client_ids: list[tuple[str, list[tuple[str, int]]]]
    large_values: list[tuple[int, str]] = []


class Engine:
    """The state of the market after `command_seq` commands, which caused `event_seq` events."""

    def __init__(self) -> None:
        self.command_seq = 0
        self.event_seq = 0
        self.time = 0
        self.trading_day = ""
        self.instruments: dict[str, Instrument] = {}
        self.participants: dict[str, Participant] = {}
        self.accounts: dict[str, Account] = {}
        self._expiries: list[tuple[int, int, Order]] = []
        self._apply: dict[type, Callable[[Any], None]] = {
            NewOrder: self._new_order,
            CancelOrder: self._cancel_order,
            ReplaceOrder: self._replace_order,
            MassCancel: self._mass_cancel,
            Deposit: self._deposit,
            Withdraw: self._withdraw,
            DefineInstrument: self._define_instrument,
            DefineAccount: self._define_account,
            SetPhase: self._set_phase,
            ExpireOrders: self._expire_orders,
            RollDay: self._roll_day,
        }
        self._events: list[Event] = []

    # ------------------------------------------------------------------------------------- the two verbs

    def apply(self, first_seq: int, time: int, commands: list[Command]) -> list[Event]:
        """Apply commands numbered from `first_seq`, all at `time` (ns), and return what they caused, in order."""
        assert first_seq == self.command_seq + 1, "commands are numbered without a gap"
        assert time >= self.time, "time does not run backwards"
        self.time = time
        events = self._events = []
        by_type = self._apply
        for seq, command in enumerate(commands, first_seq):
            self.command_seq = seq
            by_type[type(command)](command)
        return events

    def order(self, participant: str, cl_ord_id: str) -> OrderState | None:
        """The order that a participant's ClOrdID names, open or ended today; None when there is none."""
        owner = self.participants.get(participant)
        order = owner.client_ids.get(cl_ord_id) if owner else None
        return order_state(order) if order else None

    def knows(self, participant: str, cl_ord_id: str) -> bool:
        """Whether a participant has used this ClOrdID today, be it for an order that was refused."""
        owner = self.participants.get(participant)
        return owner is not None and cl_ord_id in owner.client_ids

    def open_orders(self, participant: str | None = None) -> Iterator[OrderState]:
        """The open orders of a participant, or of all, each participant's in the order of their entry."""
        owners = self.participants.values() if participant is None else filter(None, [self.participants.get(participant)])
        for owner in owners:
            for order in owner.open_orders.values():
                yield order_state(order)

    def next_expiry(self) -> int:
        """When (ns) the next GTD order may have to end; 0 when there is none."""
        expiries = self._expiries
        while expiries and expiries[0][2].ended:
            heapq.heappop(expiries)
        return expiries[0][0] if expiries else 0

    # -------------------------------------------------------------------------------------------- orders

    def _new_order(self, command: NewOrder) -> None:
        account = self.accounts.get(command.account)
        participant = self.participants.get(command.participant)
        if participant is None:
            return self._reject(command, Reason.UNKNOWN_ACCOUNT, f"unknown participant {command.participant}")
        cl_ord_id = command.cl_ord_id
        if cl_ord_id in participant.client_ids:
            return self._reject(command, Reason.DUPLICATE_CL_ORD_ID, "ClOrdID was used before on this trading day")
        participant.client_ids[cl_ord_id] = None
        if account is None or account.participant is not participant:
            return self._reject(command, Reason.UNKNOWN_ACCOUNT, f"unknown account {command.account}")
        instrument = self.instruments.get(command.instrument)
        if instrument is None:
            return self._reject(command, Reason.UNKNOWN_INSTRUMENT, f"unknown symbol {command.instrument}")
        side, order_type, price, quantity = command.side, command.order_type, command.price, command.quantity
        limit = price if order_type == LIMIT else instrument.high if side == BUY else instrument.low
        refusal = self._refusal(instrument, order_type, command.time_in_force, price, quantity, limit, command.expire_time)
        if refusal is not None:
            return self._reject(command, refusal[0], refusal[1])

        cash = account.cash_in(instrument.currency)
        position = account.position_in(instrument.symbol)
        if side == BUY:
            value = limit * quantity * instrument.value_unit
            reserved = value + value * instrument.fee_ppm_max // PPM
            if reserved > cash.total - cash.reserved:
                return self._reject(command, Reason.INSUFFICIENT_FUNDS, self._short_of_cash(reserved, account, instrument))
            cash.reserved += reserved
        else:
            reserved = quantity
            if reserved > position.total - position.reserved and reserved > self._sellable(account, position, instrument):
                return self._reject(command, Reason.INSUFFICIENT_FUNDS, self._short_of_shares(reserved, account, instrument))
            position.reserved += reserved

        order_id = self.command_seq
        order = Order(
            order_id, participant, command.session, cl_ord_id, account, cash, position, instrument, side, order_type,
            command.time_in_force, price, quantity, command.expire_time, command.routing, self.time, reserved, command.exec_inst,
            command.cancel_on_disconnect,
        )  # fmt: skip
        participant.client_ids[cl_ord_id] = order
        participant.open_orders[order_id] = order
        self.event_seq = seq = self.event_seq + 1
        self._events.append(
            OrderAccepted(
                seq, order_id, command.participant, command.session, cl_ord_id, command.account, command.instrument, side,
                order_type, command.time_in_force, price, quantity, command.expire_time, command.routing, command.exec_inst,
                command.cancel_on_disconnect,
            )
        )  # fmt: skip
        self._enter(order, limit)
        return None

    def _refusal(
        self, instrument: Instrument, order_type: str, time_in_force: str, price: int, quantity: int, limit: int, expire_time: int
    ) -> tuple[Reason, str] | None:
        """Why terms are not taken for an instrument now, or None. Rules of price, size and phase; not of funds."""
        if instrument.phase != "continuous":
            if instrument.phase == "closed":
                return Reason.AFTER_CLOSE, f"{instrument.symbol} is closed"
            return Reason.NOT_IN_THIS_PHASE, f"{instrument.symbol} is halted"
        if quantity <= 0 or quantity % instrument.lot:
            return (
                Reason.INVALID_QUANTITY,
                f"quantity {instrument.quantity_text(quantity)} is not a positive multiple of the lot "
                f"{instrument.quantity_text(instrument.lot)}",
            )
        if order_type == LIMIT:
            if price % instrument.tick:
                return (
                    Reason.OFF_TICK,
                    f"price {instrument.price_text(price)} is not a multiple of the tick {instrument.price_text(instrument.tick)}",
                )
            if not instrument.low <= price <= instrument.high:
                return (
                    Reason.OUTSIDE_PRICE_BAND,
                    f"price {instrument.price_text(price)} is outside the band {instrument.price_text(instrument.low)} "
                    f"to {instrument.price_text(instrument.high)}",
                )
        elif order_type != MARKET:
            return Reason.UNSUPPORTED, f"OrdType {order_type} is not taken"
        elif time_in_force in (GTC, GTD):
            return Reason.UNSUPPORTED, "a market order cannot be GTC or GTD"
        if time_in_force == GTD and expire_time <= self.time:
            return Reason.UNSUPPORTED, "the expiry of this GTD order is not in the future"
        if quantity > instrument.quantity_max:
            return (
                Reason.LIMIT_EXCEEDED,
                f"quantity {instrument.quantity_text(quantity)} is above the limit "
                f"{instrument.quantity_text(instrument.quantity_max)}",
            )
        value = limit * quantity * instrument.value_unit
        if value > instrument.value_max:
            return (
                Reason.LIMIT_EXCEEDED,
                f"value {money_text(value)} is above the limit {money_text(instrument.value_max)}",
            )
        return None

    def _enter(self, order: Order, limit: int) -> None:
        """Match an order whose funds are reserved, up to `limit`; what is left rests or is canceled."""
        instrument = order.instrument
        if order.side == BUY:
            best = instrument.offers.best
            crosses = best is not None and best.price <= limit
        else:
            best = instrument.bids.best
            crosses = best is not None and best.price >= limit
        time_in_force = order.time_in_force
        if crosses:
            if time_in_force == FOK and not self._fillable(order, limit):
                return self._end(order, CANCELED, CancelReason.FOK_NOT_FILLABLE)
            self._match(order, limit)
            if not order.leaves:
                return None
        if time_in_force == FOK:
            return self._end(order, CANCELED, CancelReason.FOK_NOT_FILLABLE)
        if order.order_type == MARKET:
            return self._end(order, CANCELED, CancelReason.MARKET_REMAINDER)
        if time_in_force == IOC:
            return self._end(order, CANCELED, CancelReason.IOC_REMAINDER)
        if order.side == BUY:
            instrument.bids.add(order)
        else:
            instrument.offers.add(order)
        if time_in_force == GTD:
            heapq.heappush(self._expiries, (order.expire_time, order.order_id, order))
        return None

    def _match(self, taker: Order, limit: int) -> None:
        """Trade with the opposite side, best price first and oldest first, at the resting order's price."""
        instrument = taker.instrument
        symbol, unit, fee_ppm_max = instrument.symbol, instrument.value_unit, instrument.fee_ppm_max
        buying = taker.side == BUY
        opposite = instrument.offers if buying else instrument.bids
        events = self._events
        participant = taker.participant
        while taker.leaves:
            level = opposite.best
            if level is None or (level.price > limit if buying else level.price < limit):
                break
            maker = level.oldest
            assert maker is not None, "an empty level is removed"
            if maker.participant is participant and not taker.account.self_trade_allowed:
                opposite.remove(maker)
                self._end(maker, CANCELED, CancelReason.SELF_TRADE)
                continue

            price = level.price
            quantity = maker.leaves if maker.leaves < taker.leaves else taker.leaves
            value = price * quantity * unit
            maker_fee = value * instrument.maker_fee_ppm // PPM
            taker_fee = value * instrument.taker_fee_ppm // PPM
            maker.leaves -= quantity
            taker.leaves -= quantity
            maker.executed += quantity
            taker.executed += quantity
            maker.value += price * quantity
            taker.value += price * quantity

            if buying:
                buyer, seller = taker, maker
                buyer_pays, seller_gets = value + taker_fee, value - maker_fee
                worst = limit * taker.leaves * unit
            else:
                buyer, seller = maker, taker
                buyer_pays, seller_gets = value + maker_fee, value - taker_fee
                worst = price * maker.leaves * unit
            still = worst + worst * fee_ppm_max // PPM
            cash = buyer.cash
            cash.total -= buyer_pays
            cash.reserved -= buyer.reserved - still
            buyer.reserved = still
            buyer.position.total += quantity
            position = seller.position
            position.total -= quantity
            position.reserved -= quantity
            seller.reserved -= quantity
            seller.cash.total += seller_gets

            self.event_seq = seq = self.event_seq + 1
            events.append(
                Traded(
                    seq, symbol, price, quantity, maker.order_id, taker.order_id, taker.side, maker.account.name,
                    taker.account.name, maker.leaves, taker.leaves, maker_fee, taker_fee,
                )
            )  # fmt: skip
            if not maker.leaves:
                opposite.remove(maker)
                maker.ended = FILLED
                del maker.participant.open_orders[maker.order_id]
            instrument.last = price
        if not taker.leaves:
            taker.ended = FILLED
            del participant.open_orders[taker.order_id]

    def _fillable(self, order: Order, limit: int) -> bool:
        """Whether the whole of an order can trade at once. His own resting orders are no counterpart, unless he may
        trade with himself."""
        wanted = order.leaves
        buying = order.side == BUY
        own_counts = order.account.self_trade_allowed
        for level in order.instrument.offers if buying else order.instrument.bids:
            if level.price > limit if buying else level.price < limit:
                return False
            for resting in level:
                if own_counts or resting.participant is not order.participant:
                    wanted -= resting.leaves
                    if wanted <= 0:
                        return True
        return False

    def _end(
        self, order: Order, status: str, reason: CancelReason, session: str = "", cl_ord_id: str = "", routing: str = ""
    ) -> None:
        """End an order that is in no book (any more): give back what it reserved, and say so."""
        if order.side == BUY:
            order.cash.reserved -= order.reserved
        else:
            order.position.reserved -= order.reserved
        order.reserved = 0
        quantity, order.leaves = order.leaves, 0
        order.ended = status
        del order.participant.open_orders[order.order_id]
        self.event_seq = seq = self.event_seq + 1
        self._events.append(
            OrderCanceled(seq, order.order_id, order.instrument.symbol, quantity, reason, session, cl_ord_id, routing)
        )

    def _take_out(self, order: Order) -> None:
        if order.level is not None:
            (order.instrument.bids if order.side == BUY else order.instrument.offers).remove(order)

    def _cancel_order(self, command: CancelOrder) -> None:
        participant = self.participants.get(command.participant)
        order = self._addressed(participant, command, "1")
        if order is None:
            return
        assert participant is not None
        participant.client_ids[command.cl_ord_id] = order
        self._take_out(order)
        self._end(order, CANCELED, CancelReason.REQUESTED, command.session, command.cl_ord_id, command.routing)

    def _addressed(self, participant: Participant | None, command: CancelOrder | ReplaceOrder, response_to: str) -> Order | None:
        """The open order that a cancel or replace is about; None when that was refused."""
        order: Order | None = None
        if participant is None:
            refusal = Reason.UNKNOWN_ORDER, f"unknown participant {command.participant}"
        else:
            order = participant.client_ids.get(command.orig_cl_ord_id)
            if command.cl_ord_id in participant.client_ids:
                refusal = Reason.DUPLICATE_CL_ORD_ID, "ClOrdID was used before on this trading day"
            else:
                participant.client_ids[command.cl_ord_id] = None
                if order is None:
                    refusal = Reason.UNKNOWN_ORDER, f"no order with ClOrdID {command.orig_cl_ord_id}"
                elif order.ended:
                    what = {FILLED: "filled", EXPIRED: "expired"}.get(order.ended, "canceled")
                    refusal = Reason.TOO_LATE, f"the order is {what} already"
                elif command.instrument != order.instrument.symbol or command.side != order.side:
                    refusal = Reason.ORDER_MISMATCH, f"the order is for {order.instrument.symbol}, side {order.side}"
                else:
                    return order
        self._reject_cancel(command, response_to, order, refusal[0], refusal[1])
        return None

    def _replace_order(self, command: ReplaceOrder) -> None:
        participant = self.participants.get(command.participant)
        order = self._addressed(participant, command, "2")
        if order is None:
            return
        assert participant is not None
        instrument, buying = order.instrument, order.side == BUY
        price, quantity = command.price, command.quantity
        limit = price if command.order_type == LIMIT else instrument.high if buying else instrument.low
        refusal = self._refusal(
            instrument, command.order_type, command.time_in_force, price, quantity, limit, command.expire_time
        )
        if refusal is not None:
            self._reject_cancel(command, "2", order, refusal[0], refusal[1])
            return
        # At or below what has been executed, there is nothing left to work: the order ends as it stands.
        quantity = max(quantity, order.executed)
        leaves = quantity - order.executed
        if buying:
            value = limit * leaves * instrument.value_unit
            reserved = value + value * instrument.fee_ppm_max // PPM
            cash = order.cash
            if reserved - order.reserved > cash.total - cash.reserved:
                text = self._short_of_cash(reserved - order.reserved, order.account, instrument)
                self._reject_cancel(command, "2", order, Reason.INSUFFICIENT_FUNDS, text)
                return
            cash.reserved += reserved - order.reserved
        else:
            reserved = leaves
            position = order.position
            if reserved - order.reserved > max(self._sellable(order.account, position, instrument), 0):
                text = self._short_of_shares(reserved - order.reserved, order.account, instrument)
                self._reject_cancel(command, "2", order, Reason.INSUFFICIENT_FUNDS, text)
                return
            position.reserved += reserved - order.reserved
        order.reserved = reserved

        keeps_place = (
            command.order_type == order.order_type
            and price == order.price
            and quantity <= order.quantity
            and command.time_in_force not in (IOC, FOK)
        )
        if not keeps_place or not leaves:
            self._take_out(order)
        orig_cl_ord_id = order.cl_ord_id
        participant.client_ids[command.cl_ord_id] = order
        expiry_changed = (command.time_in_force, command.expire_time) != (order.time_in_force, order.expire_time)
        order.cl_ord_id = command.cl_ord_id
        order.session = command.session
        order.routing = command.routing
        order.order_type = command.order_type
        order.time_in_force = command.time_in_force
        order.expire_time = command.expire_time
        order.exec_inst = command.exec_inst
        order.cancel_on_disconnect = command.cancel_on_disconnect
        order.price = price
        order.quantity = quantity
        order.leaves = leaves
        self.event_seq = seq = self.event_seq + 1
        self._events.append(
            OrderReplaced(
                seq, order.order_id, instrument.symbol, command.session, command.cl_ord_id, orig_cl_ord_id, command.order_type,
                command.time_in_force, price, quantity, leaves, command.expire_time, command.routing, not keeps_place,
                command.exec_inst, command.cancel_on_disconnect,
            )
        )  # fmt: skip
        if not leaves:
            order.ended = FILLED
            del participant.open_orders[order.order_id]
        elif not keeps_place:
            self._enter(order, limit)
        elif expiry_changed and order.time_in_force == GTD:
            heapq.heappush(self._expiries, (order.expire_time, order.order_id, order))

    def _mass_cancel(self, command: MassCancel) -> None:
        participant = self.participants.get(command.participant)
        refusal: tuple[Reason, str] | None = None
        if participant is None:
            refusal = Reason.UNKNOWN_ACCOUNT, f"unknown participant {command.participant}"
        elif command.cl_ord_id:
            if command.cl_ord_id in participant.client_ids:
                refusal = Reason.DUPLICATE_CL_ORD_ID, "ClOrdID was used before on this trading day"
            else:
                participant.client_ids[command.cl_ord_id] = None
        if refusal is None and command.instrument and command.instrument not in self.instruments:
            refusal = Reason.UNKNOWN_INSTRUMENT, f"unknown symbol {command.instrument}"
        self.event_seq = seq = self.event_seq + 1
        if refusal is not None:
            self._events.append(
                MassCancelRejected(
                    seq, command.participant, command.session, command.cl_ord_id, command.instrument, refusal[0], refusal[1],
                    command.routing,
                )
            )  # fmt: skip
            return
        assert participant is not None
        chosen = [
            order
            for order in participant.open_orders.values()
            if (not command.instrument or order.instrument.symbol == command.instrument)
            and (not command.only_session or order.session == command.session)
            and (not command.spare_persistent or order.time_in_force not in (GTC, GTD))
            and (not command.only_marked or order.cancel_on_disconnect)
        ]
        self._events.append(
            MassCanceled(
                seq, command.participant, command.session, command.cl_ord_id, command.instrument, len(chosen), command.disconnect,
                command.routing,
            )
        )  # fmt: skip
        reason = CancelReason.MASS_CANCEL
        if command.disconnect:
            reason = CancelReason.LOGOUT if command.logout else CancelReason.DISCONNECT
        for order in chosen:
            self._take_out(order)
            self._end(order, CANCELED, reason)

    # -------------------------------------------------------------------------------------- time and phases

    def _expire_orders(self, command: ExpireOrders) -> None:
        due: dict[int, Order] = {}
        expiries = self._expiries
        while expiries and expiries[0][0] <= self.time:
            expire_time, _, order = heapq.heappop(expiries)
            # A replace leaves its old entry behind: only the one that says what the order says counts.
            if not order.ended and order.time_in_force == GTD and order.expire_time == expire_time:
                due[order.order_id] = order
        self.event_seq = seq = self.event_seq + 1
        self._events.append(OrdersExpired(seq, len(due)))
        for order in due.values():
            self._take_out(order)
            self._end(order, EXPIRED, CancelReason.GTD_END)

    def _roll_day(self, command: RollDay) -> None:
        day = command.trading_day
        if not (len(day) == 8 and day.isascii() and day.isdigit()):
            return self._refuse(command, Reason.BAD_DEFINITION, f"{day[:40]!r} is not a day as YYYYMMDD")
        if day <= self.trading_day:
            return self._refuse(command, Reason.BAD_DEFINITION, f"the trading day is {self.trading_day} already")
        due = sorted(
            (
                order
                for participant in self.participants.values()
                for order in participant.open_orders.values()
                if order.time_in_force == DAY
            ),
            key=lambda order: order.order_id,
        )
        self.trading_day = command.trading_day
        self.event_seq = seq = self.event_seq + 1
        self._events.append(DayRolled(seq, command.trading_day, len(due)))
        for order in due:
            self._take_out(order)
            self._end(order, EXPIRED, CancelReason.DAY_END)
        for participant in self.participants.values():
            participant.client_ids = {
                cl_ord_id: order for cl_ord_id, order in participant.client_ids.items() if order is not None and not order.ended
            }
        # What was left behind by orders that ended before their time would otherwise be kept until that time.
        self._expiries = [entry for entry in self._expiries if not entry[2].ended]
        heapq.heapify(self._expiries)
        for instrument in self.instruments.values():
            if instrument.last:
                instrument.set_reference(instrument.last)
        return None

    def _set_phase(self, command: SetPhase) -> None:
        if command.instrument and command.instrument not in self.instruments:
            return self._refuse(command, Reason.UNKNOWN_INSTRUMENT, f"unknown symbol {command.instrument}")
        if not self.instruments:
            return self._refuse(command, Reason.UNKNOWN_INSTRUMENT, "there is no instrument")
        for symbol in [command.instrument] if command.instrument else sorted(self.instruments):
            self.instruments[symbol].phase = command.phase
            self.event_seq = seq = self.event_seq + 1
            self._events.append(PhaseChanged(seq, symbol, command.phase))
        return None

    # ----------------------------------------------------------------------------- accounts and definitions

    def _deposit(self, command: Deposit) -> None:
        self._transfer(command, 1)

    def _withdraw(self, command: Withdraw) -> None:
        self._transfer(command, -1)

    def _transfer(self, command: Deposit | Withdraw, sign: int) -> None:
        account = self.accounts.get(command.account)
        if account is None:
            return self._refuse(command, Reason.UNKNOWN_ACCOUNT, f"unknown account {command.account}")
        text = command.amount
        if not (text.isascii() and text.isdigit() and len(text) <= AMOUNT_DIGITS_MAX and int(text) > 0):
            return self._refuse(command, Reason.INVALID_AMOUNT, f"amount {text[:40]!r} is not a whole number above zero")
        amount = int(text)
        is_security = command.asset in self.instruments
        if not is_security and command.asset not in {instrument.currency for instrument in self.instruments.values()}:
            return self._refuse(command, Reason.UNKNOWN_INSTRUMENT, f"unknown asset {command.asset}")
        balance = account.position_in(command.asset) if is_security else account.cash_in(command.asset)
        available = balance.total - balance.reserved
        if sign < 0 and amount > available:
            return self._refuse(command, Reason.INSUFFICIENT_FUNDS, f"{available} {command.asset} are available in {account.name}")
        balance.total += sign * amount
        self.event_seq = seq = self.event_seq + 1
        self._events.append(BalanceChanged(seq, account.name, command.asset, str(sign * amount), str(balance.total)))
        return None

    def _define_instrument(self, command: DefineInstrument) -> None:
        instrument = self.instruments.get(command.instrument)
        wrong = _wrong_in_instrument(command)
        if command.instrument in {command.currency, *(other.currency for other in self.instruments.values())}:
            wrong = "an instrument is not named as a currency is"
        elif command.currency in self.instruments:
            wrong = "a currency is not named as an instrument is"
        if not wrong and instrument is not None:
            old = instrument.terms
            if (old.currency, old.price_decimals, old.quantity_decimals) != (
                command.currency, command.price_decimals, command.quantity_decimals,
            ):  # fmt: skip
                wrong = "currency and decimals of an instrument do not change"
            elif (instrument.bids.best or instrument.offers.best) and (old.tick, old.lot, old.maker_fee_ppm, old.taker_fee_ppm) != (
                command.tick, command.lot, command.maker_fee_ppm, command.taker_fee_ppm,
            ):  # fmt: skip
                wrong = "tick, lot and fees do not change while orders rest"
        if wrong:
            return self._refuse(command, Reason.BAD_DEFINITION, f"{command.instrument}: {wrong}")
        if instrument is None:
            self.instruments[command.instrument] = Instrument(command)
        else:
            instrument.change(command)
        self.event_seq = seq = self.event_seq + 1
        self._events.append(InstrumentDefined(seq, *msgspec.structs.astuple(command)))
        return None

    def _define_account(self, command: DefineAccount) -> None:
        account = self.accounts.get(command.account)
        if account is not None and account.participant.name != command.participant:
            return self._refuse(command, Reason.BAD_DEFINITION, f"account {account.name} belongs to {account.participant.name}")
        if command.short_max < 0 or not command.account or not command.participant:
            return self._refuse(command, Reason.BAD_DEFINITION, "an account has a name, a participant and a short limit from 0")
        if account is None:
            participant = self.participants.get(command.participant)
            if participant is None:
                participant = self.participants[command.participant] = Participant(command.participant)
            self.accounts[command.account] = Account(command.account, participant, command.short_max, command.self_trade)
        else:
            account.short_max = command.short_max
            account.self_trade = command.self_trade
            account.self_trade_allowed = command.self_trade == "allow"
        self.event_seq = seq = self.event_seq + 1
        self._events.append(AccountDefined(seq, *msgspec.structs.astuple(command)))
        return None

    def _sellable(self, account: Account, position: Position, instrument: Instrument) -> int:
        """What can still be offered: what is there and not reserved, and what may be sold short."""
        short: int = account.short_max * 10**instrument.terms.quantity_decimals
        return position.total - position.reserved + short

    # ------------------------------------------------------------------------------------------- refusals

    def _reject(self, command: NewOrder, reason: Reason, text: str) -> None:
        self.event_seq = seq = self.event_seq + 1
        self._events.append(
            OrderRejected(
                seq, self.command_seq, command.participant, command.session, command.cl_ord_id, command.account, command.instrument,
                command.side, command.order_type, command.time_in_force, command.price, command.quantity, command.expire_time,
                command.routing, reason, text, command.exec_inst,
            )
        )  # fmt: skip

    def _reject_cancel(
        self, command: CancelOrder | ReplaceOrder, response_to: str, order: Order | None, reason: Reason, text: str
    ) -> None:
        self.event_seq = seq = self.event_seq + 1
        self._events.append(
            CancelRejected(
                seq, order.order_id if order else 0, command.participant, command.session, command.cl_ord_id,
                command.orig_cl_ord_id, cast(Any, response_to), order.status if order else "8", reason, text, command.routing,
            )
        )  # fmt: skip

    def _refuse(self, command: Command, reason: Reason, text: str) -> None:
        self.event_seq = seq = self.event_seq + 1
        self._events.append(CommandRefused(seq, type(command).__name__, reason, text))

    def _short_of_cash(self, needed: int, account: Account, instrument: Instrument) -> str:
        cash = account.cash_in(instrument.currency)
        return (
            f"{money_text(needed)} {instrument.currency} needed, "
            f"{money_text(cash.total - cash.reserved)} available in {account.name}"
        )

    def _short_of_shares(self, needed: int, account: Account, instrument: Instrument) -> str:
        sellable = self._sellable(account, account.position_in(instrument.symbol), instrument)
        return (
            f"{instrument.quantity_text(needed)} {instrument.symbol} needed, "
            f"{instrument.quantity_text(max(sellable, 0))} available in {account.name}"
        )

    # --------------------------------------------------------------------------------------------- state

    def state(self) -> EngineState:
        """Everything, in an order that depends on nothing but the commands."""
        open_orders = [
            order_state(order)
            for _, instrument in sorted(self.instruments.items())
            for side in (instrument.bids, instrument.offers)
            for level in side
            for order in level
        ]
        client_ids: list[tuple[str, list[tuple[str, int]]]] = []
        ended: dict[int, Order] = {}
        for name, participant in sorted(self.participants.items()):
            used = []
            for cl_ord_id, order in participant.client_ids.items():
                used.append((cl_ord_id, order.order_id if order else 0))
                if order and order.ended:
                    ended[order.order_id] = order
            client_ids.append((name, sorted(used)))
        ended_orders = [order_state(order) for _, order in sorted(ended.items())]
        large_values: list[tuple[int, str]] = []
        for lines in (open_orders, ended_orders):
            for index, line in enumerate(lines):
                if line.value > INT64_MAX:
                    large_values.append((line.order_id, str(line.value)))
                    lines[index] = msgspec.structs.replace(line, value=0)
        return EngineState(
            self.command_seq,
            self.event_seq,
            self.time,
            self.trading_day,
            [
                InstrumentState(instrument.terms, instrument.phase, instrument.reference_price, instrument.last)
                for _, instrument in sorted(self.instruments.items())
            ],
            [
                AccountState(
                    DefineAccount(name, account.participant.name, account.short_max, account.self_trade),
                    [(asset, str(cash.total)) for asset, cash in sorted(account.cash.items()) if cash.total],
                    [(asset, str(position.total)) for asset, position in sorted(account.positions.items()) if position.total],
                )
                for name, account in sorted(self.accounts.items())
            ],
            open_orders,
            ended_orders,
            client_ids,
            large_values,
        )

    @classmethod
    def from_state(cls, state: EngineState) -> Engine:
        """The engine that said `state`."""
        engine = cls()
        engine.command_seq, engine.event_seq, engine.time = state.command_seq, state.event_seq, state.time
        engine.trading_day = state.trading_day
        for entry in state.instruments:
            instrument = engine.instruments[entry.terms.instrument] = Instrument(entry.terms)
            instrument.phase, instrument.last = entry.phase, entry.last
            instrument.set_reference(entry.reference_price)
        for saved in state.accounts:
            terms = saved.terms
            participant = engine.participants.setdefault(terms.participant, Participant(terms.participant))
            account = engine.accounts[terms.account] = Account(terms.account, participant, terms.short_max, terms.self_trade)
            for asset, total in saved.cash:
                account.cash_in(asset).total = int(total)
            for asset, total in saved.holdings:
                account.position_in(asset).total = int(total)
        orders: dict[int, Order] = {0: cast(Any, None)}
        for line in state.open_orders:
            order = orders[line.order_id] = engine._restored(line)
            instrument = order.instrument
            if order.side == BUY:
                value = order.price * order.leaves * instrument.value_unit
                order.reserved = value + value * instrument.fee_ppm_max // PPM
                order.cash.reserved += order.reserved
                instrument.bids.add(order)
            else:
                order.reserved = order.leaves
                order.position.reserved += order.reserved
                instrument.offers.add(order)
            if order.time_in_force == GTD:
                engine._expiries.append((order.expire_time, order.order_id, order))
        heapq.heapify(engine._expiries)
        for line in sorted(state.open_orders, key=lambda line: line.order_id):
            order = orders[line.order_id]
            order.participant.open_orders[order.order_id] = order
        for line in state.ended_orders:
            orders[line.order_id] = engine._restored(line)
        for order_id, value in state.large_values:
            orders[order_id].value = int(value)
        for name, used in state.client_ids:
            engine.participants[name].client_ids = {cl_ord_id: orders[order_id] for cl_ord_id, order_id in used}
        return engine

    def _restored(self, line: OrderState) -> Order:
        account, instrument = self.accounts[line.account], self.instruments[line.instrument]
        order = Order(
            line.order_id, self.participants[line.participant], line.session, line.cl_ord_id, account,
            account.cash_in(instrument.currency), account.position_in(instrument.symbol), instrument, line.side, line.order_type,
            line.time_in_force, line.price, line.quantity, line.expire_time, line.routing, line.entered, 0,
            line.exec_inst, line.cancel_on_disconnect,
        )  # fmt: skip
        order.leaves, order.executed, order.value = line.leaves, line.executed, line.value
        order.ended = line.status if line.status in (FILLED, CANCELED, EXPIRED) else OPEN
        return order

    def digest(self) -> str:
        """SHA-256 of the whole state, as hexadecimal digits. Costs a walk over all orders."""
        return hashlib.sha256(msgspec.msgpack.encode(self.state())).hexdigest()

    def check(self) -> None:
        """Assert what holds between any two commands."""
        reserved_cash: dict[tuple[str, str], int] = {}
        reserved_holdings: dict[tuple[str, str], int] = {}
        for instrument in self.instruments.values():
            instrument.book.check()
        for participant in self.participants.values():
            assert list(participant.open_orders) == sorted(participant.open_orders)
            for order_id, order in participant.open_orders.items():
                assert order.order_id == order_id and order.participant is participant and not order.ended
                assert order.level is not None, "an order that does not rest has ended"
                assert order.leaves > 0 and order.executed + order.leaves == order.quantity
                assert participant.client_ids[order.cl_ord_id] is order
                symbol = order.instrument.symbol
                if order.side == BUY:
                    key = (order.account.name, order.instrument.currency)
                    reserved_cash[key] = reserved_cash.get(key, 0) + order.reserved
                else:
                    key = (order.account.name, symbol)
                    reserved_holdings[key] = reserved_holdings.get(key, 0) + order.reserved
        for name, account in self.accounts.items():
            for currency, cash in account.cash.items():
                assert cash.reserved == reserved_cash.get((name, currency), 0), f"{name} {currency}"
                assert cash.total >= cash.reserved, f"{name} {currency} is overdrawn"
            for symbol, position in account.positions.items():
                assert position.reserved == reserved_holdings.get((name, symbol), 0), f"{name} {symbol}"


def order_state(order: Order) -> OrderState:
    """What there is to know about an order."""
    return OrderState(
        order.order_id, order.participant.name, order.session, order.cl_ord_id, order.account.name, order.instrument.symbol,
        order.side, order.order_type, order.time_in_force, order.price, order.quantity, order.leaves, order.executed, order.value,
        order.expire_time, order.routing, order.status, order.entered, order.exec_inst, order.cancel_on_disconnect,
    )  # fmt: skip


def _wrong_in_instrument(terms: DefineInstrument) -> str:
    """What makes terms impossible; empty when nothing does."""
    if not terms.instrument or not terms.currency:
        return "symbol and currency must be named"
    if terms.price_decimals < 0 or terms.quantity_decimals < 0 or terms.price_decimals + terms.quantity_decimals > MONEY_DECIMALS:
        return f"price and quantity decimals are together more than {MONEY_DECIMALS}"
    if min(terms.tick, terms.lot, terms.quantity_max, terms.value_max, terms.reference_price) <= 0:
        return "tick, lot, limits and reference price are above zero"
    if terms.value_max > INT64_MAX or terms.quantity_max > INT64_MAX:
        return "a limit is beyond 64 bits"
    if not 0 < terms.band_bps <= 1_000_000:
        return "the band is between 0.01 % and 10,000 %"
    if not -PPM < terms.maker_fee_ppm < PPM or not 0 <= terms.taker_fee_ppm < PPM or terms.maker_fee_ppm + terms.taker_fee_ppm < 0:
        return "a fee is below 100 %, and a maker's rebate not above the taker's fee"
    return ""


__all__ = ["AccountState", "Engine", "EngineState", "InstrumentState", "Side", "order_state"]
