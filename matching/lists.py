"""NewOrderList: orders that depend on each other, taken all or none. What one does to the others is in `trading`."""

from __future__ import annotations

from matching.accounts import Participant
from matching.book import OrderGroup
from matching.entry import DUPLICATE, accept, reject, reserve_largest, terms_refused, too_many
from matching.instruments import Instrument
from matching.margin import opens, short_of_margin
from matching.market import Market, Refusal, need, reserve, sellable
from matching.messages import (
    BUY,
    LIST_ORDERS_MAX,
    ONE_CANCELS_THE_OTHER,
    ORDERS_APART,
    ListAccepted,
    ListRejected,
    NewOrder,
    NewOrderList,
    Parked,
    Reason,
)
from matching.rules import LASTING, blocked, short_of_cash, short_of_shares, too_many_pegged, would_trade
from matching.trading import go_to_work, waits_for


def new_order_list(market: Market, command: NewOrderList) -> None:
    refused = _refused(market, command)
    if refused is not None:
        market.events.append(
            ListRejected(
                market.next_seq(), command.participant, command.session, command.list_id, command.contingency, len(command.orders),
                refused[0], refused[1], command.routing,
            )
        )  # fmt: skip
        for index, entered in enumerate(command.orders):
            reject(market, entered, refused, market.command_seq + index * ORDERS_APART)
        return
    market.events.append(
        ListAccepted(
            market.next_seq(), command.participant, command.session, command.list_id, command.contingency, len(command.orders),
            command.routing,
        )
    )  # fmt: skip
    one_cancels = command.contingency == ONE_CANCELS_THE_OTHER
    orders = []
    for index, entered in enumerate(command.orders):
        instrument = market.instruments[entered.instrument]
        parked: Parked = "list"
        if one_cancels or not index:
            parked = waits_for(instrument, entered.order_type, entered.time_in_force)
        limit = instrument.limit_of(entered.side, entered.order_type, entered.price)
        orders.append(accept(market, entered, instrument, market.command_seq + index * ORDERS_APART, limit, parked))
    group = OrderGroup(command.contingency, orders)
    for order in orders:
        order.group = group
    if one_cancels:
        short = reserve_largest(group)
        assert short is None, "that the list can be paid for was asked before"
    else:
        reserve(orders[0], need(orders[0]))
    for order in orders:
        if not order.ended and order.parked != "list":
            go_to_work(market, order)


def _refused(market: Market, command: NewOrderList) -> Refusal | None:
    """Why a list is not taken. Its ClOrdIDs are used up, but those that were before."""
    participant = market.participants.get(command.participant)
    if participant is None:
        return Reason.UNKNOWN_ACCOUNT, f"unknown participant {command.participant}"
    orders = command.orders
    if not 2 <= len(orders) <= LIST_ORDERS_MAX:
        return Reason.UNSUPPORTED, f"a list has 2 to {LIST_ORDERS_MAX} orders"
    if any(order.participant != command.participant for order in orders):
        return Reason.UNSUPPORTED, "the orders of a list are one participant's"
    used_before = len(participant.client_ids)
    new = [order.cl_ord_id for order in orders if order.cl_ord_id not in participant.client_ids]
    for cl_ord_id in new:
        participant.client_ids[cl_ord_id] = None
    if len(participant.client_ids) - used_before < len(orders):
        return DUPLICATE
    if participant.blocked:
        return blocked(participant)
    for index, order in enumerate(orders):
        refused = _order_refused(market, participant, command, order, index)
        if refused is not None:
            return refused
    return _cannot_be_funded(market, command)


def _order_refused(
    market: Market, participant: Participant, command: NewOrderList, order: NewOrder, index: int
) -> Refusal | None:
    account, first = market.accounts.get(order.account), command.orders[0]
    if account is None or account.participant is not participant:
        return Reason.UNKNOWN_ACCOUNT, f"unknown account {order.account}"
    instrument = market.instruments.get(order.instrument)
    if instrument is None:
        return Reason.UNKNOWN_INSTRUMENT, f"unknown symbol {order.instrument}"
    same = (order.account, order.instrument) == (first.account, first.instrument)
    if command.contingency == ONE_CANCELS_THE_OTHER and not same:
        return Reason.UNSUPPORTED, "orders that cancel each other have one account and one symbol"
    if order.time_in_force not in LASTING:
        return Reason.UNSUPPORTED, "the orders of a list are DAY, GTC or GTD"
    waits = command.contingency != ONE_CANCELS_THE_OTHER and index > 0
    return (
        too_many(participant, index)
        or terms_refused(market, participant, instrument, order)
        or too_many_pegged(instrument, order.order_type)
        or opens(account, instrument, order.side, order.quantity, order.conditions)
        or (None if waits else would_trade(instrument, order.side, order.price, order.conditions))
    )


def _cannot_be_funded(market: Market, command: NewOrderList) -> Refusal | None:
    first = command.orders[0]
    account, instrument = market.accounts[first.account], market.instruments[first.instrument]
    one_cancels = command.contingency == ONE_CANCELS_THE_OTHER
    counted = command.orders if one_cancels else command.orders[:1]
    fee_ppm_max = account.position_in(instrument.symbol).fee_ppm_max
    cash_needed = max((_cost(instrument, order, fee_ppm_max) for order in counted if order.side == BUY), default=0)
    shares_needed = max((order.quantity for order in counted if order.side != BUY), default=0)
    cash = account.cash_in(instrument.currency)
    if cash_needed and cash_needed > cash.total - cash.reserved:
        return short_of_cash(cash_needed, account, instrument)
    if shares_needed and shares_needed > sellable(account, instrument):
        return short_of_shares(shares_needed, account, instrument)
    if not shares_needed:
        return None
    position = account.position_in(instrument.symbol)
    available = position.total - position.reserved
    return short_of_margin(account, instrument, available, available - shares_needed, cash_needed)


def _cost(instrument: Instrument, order: NewOrder, fee_ppm_max: int) -> int:
    return instrument.cost(instrument.limit_of(order.side, order.order_type, order.price), order.quantity, fee_ppm_max)
