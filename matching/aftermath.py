"""What a command has set off in other orders: elected stops, orders of a list that was waiting, pegged orders, margin calls.

It is worked off when the command has done its own work, in sequence, and never decides what trades: orders enter as
all others do.
"""

from __future__ import annotations

from collections.abc import Iterator

from matching.book import CANCELED, BookSide, Order, entry_order
from matching.instruments import Instrument
from matching.margin import finish_margins, follow_margins, short_of_margin
from matching.market import Market, need, reserve, sellable
from matching.messages import (
    BUY,
    LIMIT,
    MARKET,
    PEGGED,
    STOP,
    CancelReason,
    OrderActivated,
    OrderRepriced,
    Parked,
)
from matching.rules import too_many_pegged, would_trade
from matching.trading import end, enter, go_to_work, waits_for


def follow_up(market: Market) -> None:
    """Do what comes at the end of a command: what it has set off, then margins and calls, then what these have set off."""
    work_off(market)
    if market.margined:
        if follow_margins(market):
            work_off(market)
        finish_margins(market)


def work_off(market: Market) -> None:
    """Work off what the command has set off: elected orders in their sequence, then the prices of pegged orders, until
    nothing changes. It ends, because whatever goes round again has traded, and quantities are finite."""
    _work_off_elected(market)
    if not market.pegged:
        return
    again = True
    while again:
        again = False
        for instrument in _pegged_by_symbol(market):
            if _reprice(market, instrument):
                again = True
            _work_off_elected(market)
    for symbol in [symbol for symbol, instrument in market.pegged.items() if not instrument.pegged]:
        del market.pegged[symbol]


def _pegged_by_symbol(market: Market) -> Iterator[Instrument]:
    """The instruments with pegged orders by symbol, with those that get their first on the way, if they come behind."""
    waiting = sorted(market.pegged, reverse=True)
    known = len(waiting)
    while waiting:
        symbol = waiting.pop()
        yield market.pegged[symbol]
        if len(market.pegged) != known:
            known = len(market.pegged)
            waiting = sorted((other for other in market.pegged if other > symbol), reverse=True)


def _work_off_elected(market: Market) -> None:
    elected = market.elected
    while elected:
        order = elected.popleft()
        if not order.ended:
            _activate(market, order)


def _activate(market: Market, order: Order) -> None:
    """Have an order that waited go to work: an elected stop, or an order of a list whose first is filled."""
    cause, instrument = order.parked, order.instrument
    if cause == "stop":
        order.parked = ""
        order.order_type = MARKET if order.order_type == STOP else LIMIT
        if order.conditions is not None:
            order.shown = min(order.conditions.display_quantity, order.leaves)
    else:
        if too_many_pegged(instrument, order.order_type) is not None:
            return end(market, order, CANCELED, CancelReason.LIST_ENDED)
        if would_trade(instrument, order.side, order.price, order.conditions) is not None:
            return end(market, order, CANCELED, CancelReason.WOULD_TRADE)
        needed = need(order)
        position = order.position
        available = position.total - position.reserved
        if order.side == BUY:
            affordable = needed <= order.cash.total - order.cash.reserved
        else:
            affordable = needed <= sellable(order.account, instrument) and not (
                needed > available and short_of_margin(order.account, instrument, available, available - needed)
            )
        if not affordable:
            return end(market, order, CANCELED, CancelReason.INSUFFICIENT_FUNDS)
        reserve(order, needed)
        order.parked = waits_for(instrument, order.order_type, order.time_in_force)
    say_activated(market, order, cause)
    if cause == "stop":
        return enter(market, order)
    return go_to_work(market, order)


def say_activated(market: Market, order: Order, cause: Parked) -> None:
    market.events.append(
        OrderActivated(
            market.next_seq(), order.order_id, order.instrument.symbol, cause, order.order_type, order.price, order.parked
        )
    )


# ------------------------------------------------------------------------------------------------- pegged orders


def _marks(instrument: Instrument) -> tuple[int, int]:
    """Best bid and best offer of the orders that are not pegged; 0 where there is none."""
    return _mark(instrument.bids), _mark(instrument.offers)


def _mark(side: BookSide) -> int:
    for level in side:
        for order in level:
            if order.order_type != PEGGED:
                return level.price
    return 0


def _reprice(market: Market, instrument: Instrument) -> bool:
    """Give pegged orders the prices of the present marks; whether they were others before."""
    if instrument.phase != "continuous":
        return False
    marks = _marks(instrument)
    if marks == instrument.marks:
        return False
    instrument.marks = marks
    for order in sorted(instrument.pegged.values(), key=entry_order):
        if order.ended:
            continue
        price = _peg_price(order, marks)
        level = order.level
        if price == (level.price if level is not None else 0):
            continue
        if level is not None:
            level.side.remove(order)
        order.parked = "peg"
        market.events.append(OrderRepriced(market.next_seq(), order.order_id, instrument.symbol, price))
        if price:
            enter(market, order, price)
        if instrument.phase != "continuous":
            break
    return True


def _peg_price(order: Order, marks: tuple[int, int]) -> int:
    """Where a pegged order belongs by these marks; 0 where it has no price."""
    assert order.conditions is not None, "a pegged order says what it is pegged to"
    instrument, peg = order.instrument, order.conditions.peg
    buying = order.side == BUY
    bid, offer = marks
    if peg == "midpoint":
        if not bid or not offer:
            return 0
        tick = instrument.tick
        price = (bid + offer) // (2 * tick) * tick if buying else -(-(bid + offer) // (2 * tick)) * tick
    else:
        price = bid if buying == (peg == "primary") else offer
        if not price:
            return 0
    price += order.conditions.peg_offset
    if buying:
        price = min(price, order.limit)
        return price if price >= instrument.low else 0
    price = max(price, order.limit)
    return price if price <= instrument.high else 0
