"""Dividends and splits as the second engine does them, by docs/clearing-rules.md."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import msgspec

from matching.messages import (
    BUY,
    INT64_MAX,
    PEGGED,
    CancelReason,
    DividendCredited,
    DividendPaid,
    HoldingSplit,
    InstrumentSplit,
    ObligationSplit,
    OrderSplit,
    PayDividend,
    Reason,
    ReferenceSet,
    SplitInstrument,
)
from tests.matching.naive_market import CANCELED, NaiveMarket, Order, Paper
from tests.matching.naive_rules import fits, unless, whole_number


def pay_dividend(market: NaiveMarket, command: PayDividend) -> None:
    unless(command.instrument in market.papers, Reason.UNKNOWN_INSTRUMENT)
    unless(whole_number(command.amount) and int(command.amount) > 0, Reason.INVALID_AMOUNT)
    terms = market.papers[command.instrument].terms
    totals = {account: market.total(account, command.instrument) for account in sorted(market.accounts)}
    amounts = {
        account: int(command.amount) * total // 10**terms.quantity_decimals for account, total in totals.items() if total != 0
    }
    for account, amount in amounts.items():
        unless(amount >= 0 or -amount <= market.available(account, terms.currency), Reason.INSUFFICIENT_FUNDS)
    market.say(DividendPaid, command.instrument, command.amount, len(amounts), command.by, command.reference)
    for account, amount in amounts.items():
        market.move(account, terms.currency, amount)
        market.say(DividendCredited, account, command.instrument, totals[account], str(amount))


def split_instrument(market: NaiveMarket, command: SplitInstrument) -> None:
    symbol = command.instrument
    unless(symbol in market.papers, Reason.UNKNOWN_INSTRUMENT)
    unless(1 <= command.numerator <= 1_000 and 1 <= command.denominator <= 1_000, Reason.BAD_DEFINITION)
    unless(command.numerator != command.denominator, Reason.BAD_DEFINITION)
    paper = market.papers[symbol]
    unless(paper.phase in ("closed", "halted", "cancel-only"), Reason.NOT_IN_THIS_PHASE)
    ratio = Fraction(command.numerator, command.denominator)
    unless(ratio.denominator == 1 or not market.clearing.in_settlement(symbol), Reason.UNSETTLED)
    parts = {
        account: (market.total(account, symbol) - unsettled, unsettled)
        for account in sorted(market.accounts)
        for unsettled in [market.clearing.unsettled(account, symbol)]
    }
    parts = {account: both for account, both in parts.items() if sum(both) != 0 or both[1] != 0}
    dealt = [one for one in market.clearing.dealt if one.instrument == symbol]
    obligations = [one for one in market.clearing.obligations if one.paper is paper and one.quantity]

    quantities = [quantity for settled, unsettled in parts.values() for quantity in (settled, unsettled, settled + unsettled)]
    quantities += [sum(one.bought for one in dealt if one.account == account) for account in parts]
    quantities += [one.quantity for one in obligations]
    unless(all(fits_in_a_record(quantity, ratio) for quantity in quantities), Reason.BAD_DEFINITION)
    unless(paper.last == 0 or fits_in_a_record(paper.last, 1 / ratio), Reason.BAD_DEFINITION)
    unless(paper.reference / ratio >= paper.terms.tick, Reason.BAD_DEFINITION)
    unless(fits(paper.nearest_tick(paper.reference / ratio), paper.terms.band_bps), Reason.BAD_DEFINITION)

    orders = market.by_entry(symbol)
    paper.split = market.seq + 1
    market.say(
        InstrumentSplit, symbol, command.numerator, command.denominator, len(parts), len(obligations), len(orders), command.by,
        command.reference,
    )  # fmt: skip
    for account, (settled, unsettled) in parts.items():
        lost = settled * command.numerator % command.denominator
        cash = floor(Fraction(paper.money(paper.reference, lost), command.denominator))
        changes = [floor(part * ratio) - part for part in (settled, unsettled)]
        market.move(account, symbol, sum(changes))
        market.move(account, paper.terms.currency, cash)
        market.say(HoldingSplit, account, symbol, *changes, str(cash))
    for one in dealt:
        one.quantity, one.bought = int(one.quantity * ratio), int(one.bought * ratio)
    for obligation in obligations:
        obligation.quantity, obligation.multiple = int(obligation.quantity * ratio), int(obligation.multiple * ratio)
        market.say(ObligationSplit, obligation.number, obligation.account, symbol, obligation.quantity, obligation.multiple)
    split_orders(market, paper, orders, ratio)
    paper.last = paper.nearest_tick(paper.last / ratio) if paper.last else 0
    paper.reference = paper.nearest_tick(paper.reference / ratio)
    paper.closing, paper.marks, paper.indicated = 0, None, (0, 0, 0)
    market.say(ReferenceSet, symbol, paper.reference, *paper.band, command.by)


def split_orders(market: NaiveMarket, paper: Paper, orders: list[Order], ratio: Fraction) -> None:
    """Split open orders, or end them, and put them in their places again."""

    def priority(order: Order) -> tuple[bool, int, int]:
        """Of one side; who is the first to trade, or to be elected."""
        buys = order.side == BUY
        if order.parked == "stop":
            stop = order.conditions.stop_price
            return True, stop if buys else -stop, order.place
        return order.at != 0, -order.at if buys else order.at, order.place

    by_priority = sorted((order for order in orders if order.in_book or order.parked == "stop"), key=priority)
    for order in orders:
        if not order.status:
            split_order(market, paper, order, ratio)
    for order in by_priority:
        if not order.status:
            order.place = market.next_place()
        if not order.status and order.in_book:
            shown = int(order.shown * ratio)
            market.rest(order)
            order.shown = shown


def fits_in_a_record(number: int, ratio: Fraction) -> bool:
    """Whether a number does, and that many times it."""
    return abs(number) <= INT64_MAX and abs(number * ratio) <= INT64_MAX


def split_order(market: NaiveMarket, paper: Paper, order: Order, ratio: Fraction) -> None:
    """Give one order its new terms, or end it."""
    tick, conditions = paper.terms.tick, order.conditions

    def at_ratio(price: int) -> int:
        """A price after the split: of a buy rounded down to a tick, of a sell up."""
        if price == 0:
            return 0
        ticks = price / ratio / tick
        return max(floor(ticks) if order.side == BUY else ceil(ticks), 1) * tick

    quantities = [order.executed, order.busted, order.leaves, conditions.display_quantity, conditions.min_quantity]
    shown = order.shown if order.in_book else 0
    prices = [order.price, order.limit, conditions.stop_price]
    unfit = (
        conditions.list_id != ""
        or order.order_type == PEGGED
        or order.quote
        or any((quantity * ratio).denominator != 1 for quantity in [*quantities, shown])
        or (order.leaves * ratio) % paper.terms.lot != 0
        or order.quantity * ratio > INT64_MAX
        or any(at_ratio(price) > INT64_MAX for price in prices)
        or paper.money(at_ratio(order.limit), int(order.quantity * ratio)) > INT64_MAX
    )
    if unfit:
        return market.over(order, CANCELED, CancelReason.CORPORATE_ACTION)
    asset = market.asset_of(order)
    needed = market.need(order, asset)
    executed, busted, leaves, display, minimum = (int(quantity * ratio) for quantity in quantities)
    before = order.limit, order.leaves
    order.limit, order.leaves = at_ratio(order.limit), leaves
    if market.need(order, asset) > needed and market.available(order.account, asset) < 0:
        order.limit, order.leaves = before
        return market.over(order, CANCELED, CancelReason.CORPORATE_ACTION)
    order.executed, order.busted, order.quantity = executed, busted, executed + busted + leaves
    order.price = at_ratio(order.price)
    if order.said is not None:
        order.said = msgspec.structs.replace(
            conditions, stop_price=at_ratio(conditions.stop_price), display_quantity=display, min_quantity=minimum
        )
    return market.say(OrderSplit, order.number, order.instrument, order.price, order.quantity, leaves, executed, busted, order.said)
