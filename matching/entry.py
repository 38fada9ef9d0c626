"""Commands about single orders: enter, cancel, replace, and the end of many. How orders trade is in `trading`."""

from __future__ import annotations

import heapq
from typing import Any, cast

import msgspec
from msgspec.structs import astuple

from matching.accounts import Participant
from matching.book import CANCELED, EXPIRED, FILLED, Order, OrderGroup, entry_order
from matching.instruments import PPM, Instrument
from matching.margin import opens, short_of_margin
from matching.market import Market, Refusal, need, reserve, sellable
from matching.messages import (
    AT_THE_CLOSE,
    BUY,
    FOK,
    GTC,
    GTD,
    IOC,
    LIMIT,
    ONE_CANCELS_THE_OTHER,
    PEGGED,
    SELL,
    STOP,
    STOP_LIMIT,
    CancelOrder,
    CancelReason,
    CancelRejected,
    Conditions,
    DayRolled,
    ExpireOrders,
    MassCancel,
    MassCanceled,
    MassCancelRejected,
    NewOrder,
    OrderAccepted,
    OrderRejected,
    OrderReplaced,
    OrdersExpired,
    Parked,
    Reason,
    ReplaceOrder,
    RollDay,
    Side,
)
from matching.rules import LASTING, NO_CONDITIONS, blocked, refusal, short_of_cash, short_of_shares, too_many_pegged, would_trade
from matching.settlement import end_settlement_days
from matching.trading import end, end_others, enter, go_to_work, take_out, take_out_and_end, waits_for

DUPLICATE: Refusal = (Reason.DUPLICATE_CL_ORD_ID, "ClOrdID was used before on this trading day")
SETTLEMENT_DAYS_MAX = 10  # that end with one trading day
NOT_LASTING: Refusal = (Reason.UNSUPPORTED, "the orders of a list are DAY, GTC or GTD")


# ------------------------------------------------------------------------------------------------------ entering


def new_order(market: Market, command: NewOrder) -> None:
    # Every field is needed, most of them more than once, and asking a Struct for one costs as much as a dictionary does.
    (
        name, session, cl_ord_id, account_name, symbol, side, order_type, time_in_force, price, quantity, expire_time, routing,
        exec_inst, cancel_on_disconnect, conditions,
    ) = astuple(command)  # fmt: skip
    participant = market.participants.get(name)
    if participant is None:
        return reject(market, command, (Reason.UNKNOWN_ACCOUNT, f"unknown participant {name}"))
    if cl_ord_id in participant.client_ids:
        return reject(market, command, DUPLICATE)
    participant.client_ids[cl_ord_id] = None
    if participant.restricted and participant.blocked:
        return reject(market, command, blocked(participant))
    account = market.accounts.get(account_name)
    if account is None or account.participant is not participant:
        return reject(market, command, (Reason.UNKNOWN_ACCOUNT, f"unknown account {account_name}"))
    instrument = market.instruments.get(symbol)
    if instrument is None:
        return reject(market, command, (Reason.UNKNOWN_INSTRUMENT, f"unknown symbol {symbol}"))
    if participant.restricted and (refused := too_many(participant, 0)) is not None:
        return reject(market, command, refused)
    limit = price if order_type == LIMIT else instrument.limit_of(side, order_type, price)
    refused = refusal(
        instrument, participant, side, order_type, time_in_force, price, quantity, limit, expire_time, conditions, market.time
    )
    if refused is None and (conditions is not None or account.called):
        refused = (
            too_many_pegged(instrument, order_type)
            or opens(account, instrument, side, quantity, conditions)
            or would_trade(instrument, side, price, conditions)
        )
    if refused is not None:
        return reject(market, command, refused)

    cash, position = account.balances.get(symbol) or account.balances_in(symbol, instrument.currency)
    if side == BUY:
        value = limit * quantity * instrument.value_unit
        reserved = value + value * position.fee_ppm_max // PPM
        if reserved > cash.total - cash.reserved:
            return reject(market, command, short_of_cash(reserved, account, instrument))
        cash.reserved += reserved
    else:
        reserved = quantity
        available = position.total - position.reserved
        if reserved > available:
            if reserved > sellable(account, instrument):
                return reject(market, command, short_of_shares(reserved, account, instrument))
            refused = short_of_margin(account, instrument, available, available - reserved)
            if refused is not None:
                return reject(market, command, refused)
        position.reserved += reserved

    order_id = market.command_seq
    order = Order(
        order_id, participant, session, cl_ord_id, account, cash, position, instrument, side, order_type, time_in_force, price,
        quantity, expire_time, routing, market.time, exec_inst, cancel_on_disconnect, limit, reserved, conditions, quantity,
    )  # fmt: skip
    participant.client_ids[cl_ord_id] = order
    participant.open_orders[order_id] = order
    plain = conditions is None and time_in_force != AT_THE_CLOSE
    parked: Parked = "" if plain else waits_for(instrument, order_type, time_in_force)
    market.event_seq = seq = market.event_seq + 1
    market.events.append(
        OrderAccepted(
            seq, order_id, name, session, cl_ord_id, account_name, symbol, side, order_type, time_in_force, price, quantity,
            expire_time, routing, exec_inst, cancel_on_disconnect, conditions, parked,
        )
    )  # fmt: skip
    if time_in_force == GTD:
        heapq.heappush(market.expiries, (expire_time, order_id, order))
    if plain:
        enter(market, order)
    else:
        order.parked = parked
        go_to_work(market, order)
    return None


def terms_refused(
    market: Market, participant: Participant, instrument: Instrument, terms: NewOrder | ReplaceOrder
) -> Refusal | None:
    """`refusal` of what a command says."""
    limit = instrument.limit_of(terms.side, terms.order_type, terms.price)
    return refusal(
        instrument, participant, terms.side, terms.order_type, terms.time_in_force, terms.price, terms.quantity, limit,
        terms.expire_time, terms.conditions, market.time,
    )  # fmt: skip


def too_many(participant: Participant, more_open: int) -> Refusal | None:
    """Whether a participant has entered too much today, or has too much open with `more_open` orders that are about to be."""
    per_day, at_once = participant.terms.orders_per_day_max, participant.terms.open_orders_max
    if per_day and len(participant.client_ids) > per_day:
        return Reason.LIMIT_EXCEEDED, f"more than {per_day} ClOrdIDs on one trading day"
    if at_once and len(participant.open_orders) + more_open >= at_once:
        return Reason.LIMIT_EXCEEDED, f"{at_once} orders are open, which is the limit"
    return None


def accept(
    market: Market, command: NewOrder, instrument: Instrument, order_id: int, limit: int, parked: Parked
) -> Order:
    """Take an order of a list or a quote into the records and say so. Its funds and its work are the caller's."""
    account = market.accounts[command.account]
    participant = account.participant
    order = Order(
        order_id, participant, command.session, command.cl_ord_id, account, account.cash_in(instrument.currency),
        account.position_in(instrument.symbol), instrument, command.side, command.order_type, command.time_in_force, command.price,
        command.quantity, command.expire_time, command.routing, market.time, command.exec_inst, command.cancel_on_disconnect, limit,
        0, command.conditions, command.quantity,
    )  # fmt: skip
    if command.cl_ord_id:
        participant.client_ids[command.cl_ord_id] = order
    participant.open_orders[order_id] = order
    order.parked = parked
    if command.time_in_force == GTD:
        heapq.heappush(market.expiries, (order.expire_time, order_id, order))
    market.events.append(
        OrderAccepted(
            market.next_seq(), order_id, command.participant, command.session, command.cl_ord_id, command.account,
            command.instrument, command.side, command.order_type, command.time_in_force, command.price, command.quantity,
            command.expire_time, command.routing, command.exec_inst, command.cancel_on_disconnect, command.conditions, parked,
        )
    )  # fmt: skip
    return order


def reject(market: Market, command: NewOrder, refused: Refusal, order_id: int = 0) -> None:
    market.events.append(
        OrderRejected(
            market.next_seq(), order_id or market.command_seq, command.participant, command.session, command.cl_ord_id,
            command.account, command.instrument, command.side, command.order_type, command.time_in_force, command.price,
            command.quantity, command.expire_time, command.routing, refused[0], refused[1], command.exec_inst, command.conditions,
        )
    )  # fmt: skip


# ----------------------------------------------------------------------------------------------------- changing


def cancel_order(market: Market, command: CancelOrder) -> None:
    participant = market.participants.get(command.participant)
    order = _addressed(market, participant, command, "1")
    if order is None:
        return
    assert participant is not None
    participant.client_ids[command.cl_ord_id] = order
    take_out(order)
    end(market, order, CANCELED, CancelReason.REQUESTED, command.session, command.cl_ord_id, command.routing)


def _addressed(
    market: Market, participant: Participant | None, command: CancelOrder | ReplaceOrder, response_to: str
) -> Order | None:
    """The open order that a cancel or replace is about; None when that was refused."""
    order: Order | None = None
    if participant is None:
        refused = Reason.UNKNOWN_ORDER, f"unknown participant {command.participant}"
    else:
        order = participant.client_ids.get(command.orig_cl_ord_id)
        if command.cl_ord_id in participant.client_ids:
            refused = DUPLICATE
        else:
            participant.client_ids[command.cl_ord_id] = None
            if order is None:
                refused = Reason.UNKNOWN_ORDER, f"no order with ClOrdID {command.orig_cl_ord_id}"
            elif order.ended:
                what = {FILLED: "filled", EXPIRED: "expired"}.get(order.status, "canceled")
                refused = Reason.TOO_LATE, f"the order is {what} already"
            elif command.instrument != order.instrument.symbol or command.side != order.side:
                refused = Reason.ORDER_MISMATCH, f"the order is for {order.instrument.symbol}, side {order.side}"
            else:
                return order
    _reject_cancel(market, command, response_to, order, refused)
    return None


def replace_order(market: Market, command: ReplaceOrder) -> None:
    participant = market.participants.get(command.participant)
    order = _addressed(market, participant, command, "2")
    if order is None:
        return
    assert participant is not None
    instrument = order.instrument
    limit = instrument.limit_of(order.side, command.order_type, command.price)
    conditions = _kept_marks(command.conditions, order.conditions)
    keeps_place = _keeps_place(order, command)
    waits_for_list = order.parked == "list"
    # At or below what has been executed, there is nothing left to work: the order ends as it stands.
    done = order.executed + order.busted
    quantity = max(command.quantity, done)
    leaves = quantity - done
    if participant.blocked:
        refused: Refusal | None = blocked(participant)
    elif waits_for_list and command.time_in_force not in LASTING:
        refused = NOT_LASTING
    else:
        refused = (
            terms_refused(market, participant, instrument, command)
            or too_many_pegged(instrument, command.order_type, order)
            or opens(order.account, instrument, order.side, leaves, conditions, order)
        )
    if refused is None and not keeps_place and not waits_for_list:
        refused = would_trade(instrument, command.side, command.price, command.conditions)
    if refused is None:
        refused = _fund(order, limit, leaves)
    if refused is not None:
        _reject_cancel(market, command, "2", order, refused)
        return

    was_shown = order.shown or order.leaves
    if not keeps_place or not leaves:
        take_out(order)
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
    order.conditions = conditions
    order.price = command.price
    order.limit = limit
    order.quantity = quantity
    order.leaves = leaves
    if not waits_for_list and (not keeps_place or not leaves):
        order.parked = waits_for(instrument, command.order_type, command.time_in_force) if leaves else ""
    market.event_seq = seq = market.event_seq + 1
    market.events.append(
        OrderReplaced(
            seq, order.order_id, instrument.symbol, command.session, command.cl_ord_id, orig_cl_ord_id, command.order_type,
            command.time_in_force, command.price, quantity, leaves, command.expire_time, command.routing,
            not keeps_place and not waits_for_list, command.exec_inst, command.cancel_on_disconnect, conditions, order.parked,
        )
    )  # fmt: skip
    if expiry_changed and order.time_in_force == GTD:
        heapq.heappush(market.expiries, (order.expire_time, order.order_id, order))
    if not leaves:
        order.ended = FILLED
        del participant.open_orders[order.order_id]
        if order.group is not None:
            end_others(market, order, order.group)
    elif waits_for_list:
        return
    elif not keeps_place:
        order.shown = 0
        go_to_work(market, order)
    else:
        display = conditions.display_quantity if conditions is not None else 0
        order.shown = min(was_shown, display, leaves)
        if order.order_type == PEGGED:
            instrument.marks = None


def _keeps_place(order: Order, command: ReplaceOrder) -> bool:
    """Whether an order stays where it is in the queue."""
    time_in_force, was = command.time_in_force, order.time_in_force
    return (
        command.price == order.price
        and command.order_type == order.order_type
        and command.quantity <= order.quantity
        and time_in_force != IOC
        and time_in_force != FOK
        and (time_in_force == AT_THE_CLOSE) == (was == AT_THE_CLOSE)
        and (command.conditions is order.conditions or _place(command) == _place(order))
    )


def _place(terms: Order | ReplaceOrder) -> tuple[object, ...]:
    """What of the conditions decides where an order stands. The stop price of one that was elected has done its work."""
    said = terms.conditions or NO_CONDITIONS
    stop_price = said.stop_price if terms.order_type in (STOP, STOP_LIMIT) else 0
    return stop_price, said.min_quantity, said.post_only, said.peg, said.peg_offset


def _kept_marks(said: Conditions | None, old: Conditions | None) -> Conditions | None:
    """The conditions of a replace, with what an order is a part of, which no replace changes."""
    if old is None or not (old.list_id or old.quote_id or old.quote_entry_id):
        return said
    return msgspec.structs.replace(
        said or NO_CONDITIONS, list_id=old.list_id, contingency=old.contingency, quote_id=old.quote_id,
        quote_entry_id=old.quote_entry_id,
    )  # fmt: skip


def _fund(order: Order, limit: int, leaves: int) -> Refusal | None:
    """Reserve what an open order needs with other terms, or say why not."""
    instrument, account = order.instrument, order.account
    if order.parked == "list":
        return None
    if order.group is not None and order.group.contingency == ONE_CANCELS_THE_OTHER:
        return _fund_in_group(order, order.group, limit, leaves)
    if order.side == BUY:
        reserved = instrument.cost(limit, leaves, order.position.fee_ppm_max)
        if reserved - order.reserved > order.cash.total - order.cash.reserved:
            return short_of_cash(reserved - order.reserved, account, instrument)
    else:
        reserved = leaves
        if reserved - order.reserved > max(sellable(account, instrument), 0):
            return short_of_shares(reserved - order.reserved, account, instrument)
        available = order.position.total - order.position.reserved
        short = short_of_margin(account, instrument, available, available + order.reserved - reserved)
        if short is not None:
            return short
    reserve(order, reserved)
    return None


def _fund_in_group(order: Order, group: OrderGroup, limit: int, leaves: int) -> Refusal | None:
    """The same for an order of which at most one of its list will trade: the largest need is what is reserved."""
    old_limit, old_leaves = order.limit, order.leaves
    before = [(other, other.reserved) for other in group.orders if not other.ended]
    order.limit, order.leaves = limit, leaves
    refused = reserve_largest(group, order.side)
    if refused is not None and refused[0] == Reason.INSUFFICIENT_FUNDS:
        for other, reserved in before:
            reserve(other, reserved)
    order.limit, order.leaves = old_limit, old_leaves
    return refused


def holders(group: OrderGroup) -> list[Order]:
    """The orders that hold what a list reserves whose orders cancel each other: for cash and for holdings apart, the first
    of the largest need."""
    orders = [order for order in group.orders if not order.ended]
    sides = [[order for order in orders if order.side == side] for side in (BUY, SELL)]
    return [max(of_side, key=need) for of_side in sides if of_side]


def reserve_largest(group: OrderGroup, asked: Side | None = None) -> Refusal | None:
    """Have the holders of a list hold what it needs. Says why where that is more than there is; then nothing but the reserves of
    the list has changed. With `asked` only that side may be too much: the other needs what it needed."""
    orders = [order for order in group.orders if not order.ended]
    sold_before = sum(order.reserved for order in orders if order.side != BUY)
    account, instrument = orders[0].account, orders[0].instrument
    position = orders[0].position
    available = position.total - position.reserved
    for order in orders:
        reserve(order, 0)
    for holder in holders(group):
        needed = need(holder)
        if holder.side == BUY:
            if asked != SELL and needed > holder.cash.total - holder.cash.reserved:
                return short_of_cash(needed, account, instrument)
        elif asked != BUY:
            if needed > sold_before and needed > sellable(account, instrument):
                return short_of_shares(needed, account, instrument)
            short = short_of_margin(account, instrument, available, position.total - position.reserved - needed)
            if short is not None:
                return short
        reserve(holder, needed)
    return None


def _reject_cancel(
    market: Market, command: CancelOrder | ReplaceOrder, response_to: str, order: Order | None, refused: Refusal
) -> None:
    market.events.append(
        CancelRejected(
            market.next_seq(), order.order_id if order else 0, command.participant, command.session, command.cl_ord_id,
            command.orig_cl_ord_id, cast(Any, response_to), order.status if order else "8", refused[0], refused[1], command.routing,
        )
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------ many at once


def mass_cancel(market: Market, command: MassCancel) -> None:
    participant = market.participants.get(command.participant)
    refused: Refusal | None = None
    if participant is None:
        refused = Reason.UNKNOWN_ACCOUNT, f"unknown participant {command.participant}"
    elif command.cl_ord_id:
        if command.cl_ord_id in participant.client_ids:
            refused = DUPLICATE
        else:
            participant.client_ids[command.cl_ord_id] = None
    if refused is None and command.instrument and command.instrument not in market.instruments:
        refused = Reason.UNKNOWN_INSTRUMENT, f"unknown symbol {command.instrument}"
    seq = market.next_seq()
    if refused is not None:
        market.events.append(
            MassCancelRejected(
                seq, command.participant, command.session, command.cl_ord_id, command.instrument, refused[0], refused[1],
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
    market.events.append(
        MassCanceled(
            seq, command.participant, command.session, command.cl_ord_id, command.instrument, len(chosen), command.disconnect,
            command.routing, command.by,
        )
    )  # fmt: skip
    reason = CancelReason.OPERATOR if command.by else CancelReason.MASS_CANCEL
    if command.disconnect:
        reason = CancelReason.LOGOUT if command.logout else CancelReason.DISCONNECT
    end_all(market, chosen, CANCELED, reason)


def end_all(market: Market, orders: list[Order], status: str, reason: CancelReason) -> None:
    """End orders that are open, in this order; one that another of its list takes along has ended when its turn comes."""
    for order in orders:
        if not order.ended:
            take_out_and_end(market, order, status, reason)


def expire_orders(market: Market, command: ExpireOrders) -> None:
    due: dict[int, Order] = {}
    expiries = market.expiries
    while expiries and expiries[0][0] <= market.time:
        expire_time, _, order = heapq.heappop(expiries)
        # A replace leaves its old entry behind: only the one that says what the order says counts.
        if not order.ended and order.time_in_force == GTD and order.expire_time == expire_time:
            due[order.order_id] = order
    market.events.append(OrdersExpired(market.next_seq(), len(due)))
    in_order = sorted(due.values(), key=lambda order: (order.expire_time, entry_order(order)))
    end_all(market, in_order, EXPIRED, CancelReason.GTD_END)


def roll_day(market: Market, command: RollDay) -> None:
    day = command.trading_day
    if not (len(day) == 8 and day.isascii() and day.isdigit()):
        return market.refuse(command, Reason.BAD_DEFINITION, f"{day[:40]!r} is not a day as YYYYMMDD")
    if day <= market.trading_day:
        return market.refuse(command, Reason.BAD_DEFINITION, f"the trading day is {market.trading_day} already")
    if not 0 <= command.settlement_days <= SETTLEMENT_DAYS_MAX:
        return market.refuse(
            command, Reason.BAD_DEFINITION, f"0 to {SETTLEMENT_DAYS_MAX} settlement days end with a trading day"
        )
    due = [
        order
        for participant in market.participants.values()
        for order in participant.open_orders.values()
        if order.time_in_force not in (GTC, GTD)
    ]
    due.sort(key=entry_order)
    ending, market.trading_day = market.trading_day, day
    seq = market.next_seq()
    market.events.append(DayRolled(seq, day, len(due)))
    end_all(market, due, EXPIRED, CancelReason.DAY_END)
    for participant in market.participants.values():
        participant.client_ids = {
            cl_ord_id: order for cl_ord_id, order in participant.client_ids.items() if order is not None and not order.ended
        }
        participant.quotes.clear()
        participant.quotes_ended.clear()
    # What was left behind by orders that ended before their time would otherwise be kept until that time.
    market.expiries = [entry for entry in market.expiries if not entry[2].ended]
    heapq.heapify(market.expiries)
    market.amended.clear()
    market.allocated.clear()
    market.day_began = seq
    for instrument in market.instruments.values():
        if instrument.traded:
            instrument.set_reference(instrument.last)
    return end_settlement_days(market, command.settlement_days, ending)


