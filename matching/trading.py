"""Orders at work: how they enter, trade, wait and end. Whether they may is asked before, in `rules`.

The way of an order: `go_to_work` parks it or has it `enter`; `_match` lets it trade; what is left rests or
`end`s. What its trades set off in others waits in `market.elected` until the end of the command: see `aftermath`.
"""

from __future__ import annotations

from matching.book import BEFORE_ALL_PRICES, CANCELED, FILLED, BookSide, Order, OrderGroup, entry_order
from matching.instruments import NOTHING_INDICATED, PPM, Instrument
from matching.market import Market, need, reserve
from matching.messages import (
    AT_THE_CLOSE,
    BUY,
    FOK,
    INT64_MAX,
    IOC,
    LIMIT,
    MARKET,
    MARKET_TO_LIMIT,
    ONE_CANCELS_THE_OTHER,
    PEGGED,
    STOP,
    STOP_LIMIT,
    CancelReason,
    OrderCanceled,
    OrderRefreshed,
    OrderRepriced,
    OrderRestated,
    OrderType,
    Parked,
    Phase,
    PhaseChanged,
    RestateReason,
    TimeInForce,
    Traded,
)
from matching.netting import owe

# SelfMatchPreventionInstruction(2964), and what an account says instead.
INCOMING, RESTING, BOTH, DECREMENT = "1", "2", "3", "4"
_INSTRUCTIONS = {
    "cancel-incoming": INCOMING, "cancel-resting": RESTING, "cancel-both": BOTH, "decrement": DECREMENT, "allow": RESTING,
}  # fmt: skip


# ------------------------------------------------------------------------------------- to work, and to its place


def waits_for(instrument: Instrument, order_type: OrderType, time_in_force: TimeInForce) -> Parked:
    """What an order waits for before it enters; empty when it enters at once."""
    if order_type in (STOP, STOP_LIMIT):
        return "stop"
    if order_type == PEGGED:
        return "peg"
    if time_in_force == AT_THE_CLOSE and instrument.phase != "closing-auction":
        return "close"
    return ""


def go_to_work(market: Market, order: Order) -> None:
    """Have an order whose funds are reserved wait for what `order.parked` says, or enter."""
    parked, instrument = order.parked, order.instrument
    conditions = order.conditions
    if not parked:
        if conditions is not None:
            order.shown = min(conditions.display_quantity, order.leaves)
        enter(market, order)
    elif parked == "stop":
        assert conditions is not None, "a stop says its price"
        stop_price, last = conditions.stop_price, instrument.last
        if last and instrument.phase == "continuous" and (last >= stop_price if order.side == BUY else last <= stop_price):
            market.elected.append(order)
        else:
            (instrument.buy_stops if order.side == BUY else instrument.sell_stops).add(order, stop_price)
    elif parked == "close":
        instrument.at_close[order.order_id] = order
    elif parked == "peg":
        instrument.pegged[order.order_id] = order
        instrument.marks = None
        market.pegged[instrument.symbol] = instrument


def enter(market: Market, order: Order, price: int = 0) -> None:
    """Let an order trade as far as the phase allows; what is left of it rests or ends. A pegged order enters at the `price`
    that it has now. Where the dynamic band keeps it from trading as far as its limit, a volatility auction begins."""
    instrument = order.instrument
    phase, buying = instrument.phase, order.side == BUY
    closing_price = 0
    limit = reach = price or order.limit
    if phase != "continuous":
        if phase != "closing-price":
            return rest(order)
        if not _admits(order, instrument.closing_price):
            # Only an order of a list comes here: of others, it was asked before they were taken.
            if order.order_type == MARKET or order.order_type == MARKET_TO_LIMIT:
                return end(market, order, CANCELED, CancelReason.MARKET_REMAINDER)
            return rest(order)
        limit = reach = closing_price = instrument.closing_price
    elif instrument.dynamic_band_bps:
        low, high = instrument.dynamic_range()
        reach = min(limit, high) if buying else max(limit, low)
    if buying:
        own, best = instrument.bids, instrument.offers.best
        crosses = best is not None and best.price <= reach
    else:
        own, best = instrument.offers, instrument.bids.best
        crosses = best is not None and best.price >= reach
    time_in_force, conditions = order.time_in_force, order.conditions
    rests = order.order_type == LIMIT and time_in_force != IOC and time_in_force != FOK
    if rests and not crosses and reach == limit:
        return own.add(order, order.price)
    if time_in_force == FOK and not _fillable(order, order.leaves, reach):
        return end(market, order, CANCELED, CancelReason.FOK_NOT_FILLABLE)
    if conditions is not None and conditions.min_quantity and not _fillable(order, conditions.min_quantity, reach):
        return end(market, order, CANCELED, CancelReason.MIN_QUANTITY)
    if crosses:
        _match(market, order, reach, closing_price)
        if order.ended:
            return None
    pauses = False
    if reach != limit:
        best = instrument.offers.best if buying else instrument.bids.best
        pauses = best is not None and (best.price <= limit if buying else best.price >= limit)
    if conditions is not None:
        order.shown = min(order.shown, order.leaves)
    order_type = order.order_type
    if rests:
        own.add(order, order.price)
    elif order_type == PEGGED:
        order.parked = ""
        own.add(order, limit)
    elif order_type == MARKET:
        end(market, order, CANCELED, CancelReason.MARKET_REMAINDER)
    elif order_type == MARKET_TO_LIMIT:
        settle_left_over(market, order)
    else:
        reason = CancelReason.IOC_REMAINDER if time_in_force == IOC else CancelReason.FOK_NOT_FILLABLE
        end(market, order, CANCELED, reason)
    if pauses and time_in_force != FOK:
        change_phase(market, instrument, "volatility-auction", "")
    return None


def _admits(order: Order, price: int) -> bool:
    return order.limit >= price if order.side == BUY else order.limit <= price


def _side_of(order: Order) -> BookSide:
    return order.instrument.bids if order.side == BUY else order.instrument.offers


def rest(order: Order) -> None:
    """Put an order into the book: at its price, or before all prices where it is a market order that waits for an auction."""
    order.parked = ""
    at_any_price = order.order_type == MARKET or order.order_type == MARKET_TO_LIMIT
    _side_of(order).add(order, BEFORE_ALL_PRICES[order.side] if at_any_price else order.price)


def settle_left_over(market: Market, order: Order) -> None:
    """What is left of a market order with left over as limit: a limit order at the last price, where it has traded.

    It may have done so long ago, as an order of another type. What it pays for stays within its limit all the same."""
    if not order.executed:
        return end(market, order, CANCELED, CancelReason.MARKET_REMAINDER)
    last, limit = order.instrument.last, order.limit
    order.order_type = LIMIT
    order.price = order.limit = min(last, limit) if order.side == BUY else max(last, limit)
    reserve(order, need(order))
    market.events.append(
        OrderRestated(
            market.next_seq(), order.order_id, order.instrument.symbol, RestateReason.LEFT_OVER, LIMIT, order.price, order.quantity,
            order.leaves,
        )
    )  # fmt: skip
    return rest(order)


def take_out(order: Order) -> None:
    """Take an open order from wherever it rests or waits."""
    level = order.level
    if level is not None:
        level.side.remove(order)
    elif order.parked == "close":
        del order.instrument.at_close[order.order_id]
    if order.order_type == PEGGED:
        order.instrument.pegged.pop(order.order_id, None)


# ---------------------------------------------------------------------------------------------------- trading


def _match(market: Market, taker: Order, reach: int, closing_price: int) -> None:
    """Trade with the opposite side, best price first and oldest first, at the resting order's price, or at the closing price."""
    instrument = taker.instrument
    buying = taker.side == BUY
    opposite = instrument.offers if buying else instrument.bids
    participant = taker.participant
    # Both can only become less on the way.
    may_elect = not closing_price and (instrument.buy_stops.best is not None or instrument.sell_stops.best is not None)
    in_group = taker.group is not None
    while taker.leaves:
        level = opposite.best
        if level is None or (level.price > reach if buying else level.price < reach):
            break
        maker = level.oldest
        assert maker is not None, "an empty level is removed"
        if maker.participant is participant and _may_not_meet(taker, maker):
            _prevent_self_trade(market, taker, maker)
            if taker.ended:
                return
            continue
        if in_group or maker.group is not None:
            stand_alone(market, maker)
            if not taker.ended:
                stand_alone(market, taker)
            if taker.ended:
                return
        available, wanted = maker.shown or maker.leaves, taker.leaves
        quantity = available if available < wanted else wanted
        price = closing_price or level.price
        trade(market, instrument, maker, taker, price, quantity, False)
        if may_elect:
            elect(market, instrument, price)
        if not maker.leaves:
            opposite.remove(maker)
            filled(market, maker)
        elif maker.shown:
            take_from_shown(market, maker, quantity)
    if not taker.leaves:
        filled(market, taker)


def trade(
    market: Market, instrument: Instrument, maker: Order, taker: Order, price: int, quantity: int, auction: bool
) -> None:
    """Move cash and holdings for one trade, and say so. What becomes of the orders' places is the caller's."""
    unit = instrument.value_unit
    notional = price * quantity
    value = notional * unit
    taker_fee = value * taker.position.taker_fee_ppm // PPM
    maker_fee = value * (maker.position.taker_fee_ppm if auction else maker.position.maker_fee_ppm) // PPM
    maker.leaves -= quantity
    taker.leaves -= quantity
    maker.executed += quantity
    taker.executed += quantity
    maker.value += notional
    taker.value += notional
    if taker.side == BUY:
        buyer, seller = taker, maker
        buyer_pays, seller_gets = value + taker_fee, value - maker_fee
    else:
        buyer, seller = maker, taker
        buyer_pays, seller_gets = value + maker_fee, value - taker_fee
    worst = buyer.limit * buyer.leaves * unit
    position = buyer.position
    still = worst + worst * position.fee_ppm_max // PPM
    cash = buyer.cash
    cash.total -= buyer_pays
    cash.reserved -= buyer.reserved - still
    buyer.reserved = still
    position.total += quantity
    position = seller.position
    position.total -= quantity
    position.reserved -= quantity
    seller.reserved -= quantity
    seller.cash.total += seller_gets
    if market.settles_later:
        owe(market, instrument, buyer.account, quantity, -buyer_pays, quantity, 0)
        owe(market, instrument, seller.account, -quantity, seller_gets, 0, seller_gets)
    instrument.last = price
    instrument.traded = True
    market.event_seq = seq = market.event_seq + 1
    market.events.append(
        Traded(
            seq, instrument.symbol, price, quantity, maker.order_id, taker.order_id, taker.side, maker.account.name,
            taker.account.name, maker.leaves, taker.leaves, maker_fee, taker_fee, auction,
        )
    )  # fmt: skip


def take_from_shown(market: Market, order: Order, quantity: int) -> None:
    """After a trade of an iceberg that has something left: what was shown is less, or used up and shown anew, behind others."""
    if quantity < order.shown:
        order.shown -= quantity
        return
    assert order.conditions is not None, "an iceberg says what it displays"
    order.shown = min(order.conditions.display_quantity, order.leaves)
    level = order.level
    assert level is not None, "an iceberg that trades rests"
    price = level.price
    level.side.remove(order)
    level.side.add(order, price)
    market.events.append(OrderRefreshed(market.next_seq(), order.order_id, order.instrument.symbol, order.shown))


def filled(market: Market, order: Order) -> None:
    """Nothing is left of an order, which is in no book any more."""
    order.ended = FILLED
    del order.participant.open_orders[order.order_id]
    if order.conditions is not None:
        _leave_behind(order)
    if order.group is not None:
        _trigger_others(market, order, order.group)


def end(
    market: Market, order: Order, status: str, reason: CancelReason, session: str = "", cl_ord_id: str = "", routing: str = ""
) -> None:
    """End an order that is in no book (any more): give back what it reserved, say so, and end what depends on it."""
    if order.side == BUY:
        order.cash.reserved -= order.reserved
    else:
        order.position.reserved -= order.reserved
    order.reserved = 0
    quantity, order.leaves = order.leaves, 0
    order.ended = status
    order.parked = ""
    del order.participant.open_orders[order.order_id]
    if order.conditions is not None:
        _leave_behind(order)
    market.event_seq = seq = market.event_seq + 1
    market.events.append(
        OrderCanceled(seq, order.order_id, order.instrument.symbol, quantity, reason, session, cl_ord_id, routing)
    )
    if order.group is not None:
        end_others(market, order, order.group)


def take_out_and_end(market: Market, order: Order, status: str, reason: CancelReason) -> None:
    take_out(order)
    end(market, order, status, reason)


def _leave_behind(order: Order) -> None:
    """An order with conditions has ended: it is priced no more, and a quote that has traded is remembered for the day."""
    if order.order_type == PEGGED:
        order.parked = ""
        order.instrument.pegged.pop(order.order_id, None)
    if order.is_quote and order.executed:
        order.participant.quotes_ended[order.order_id] = order


def _fillable(order: Order, wanted: int, reach: int) -> bool:
    """Whether `wanted` can trade at once. Own orders that it may not meet are passed over, unless meeting one ends it: then
    nothing behind that one counts, and of what stands before it at its price, nothing that is not shown. Of orders that
    cancel each other only the first counts: when it is met, the others end."""
    buying = order.side == BUY
    met: set[OrderGroup] = set()
    passes_over = _instruction(order) == RESTING
    for level in order.instrument.offers if buying else order.instrument.bids:
        if level.price > reach if buying else level.price < reach:
            return False
        shown = 0
        whole = 0
        for resting in level:
            group = resting.group
            if group is not None and group.contingency == ONE_CANCELS_THE_OTHER:
                if group in met:
                    continue
                met.add(group)
            if resting.participant is order.participant and _may_not_meet(order, resting):
                if passes_over:
                    continue
                return shown >= wanted
            shown += resting.shown or resting.leaves
            whole += resting.leaves
        wanted -= whole
        if wanted <= 0:
            return True
    return False


# ------------------------------------------------------------------------------------------ self-trade prevention


def _may_not_meet(incoming: Order, resting: Order) -> bool:
    """Whether two orders of one participant must not trade with each other."""
    one = incoming.conditions.self_match_id if incoming.conditions is not None else ""
    other = resting.conditions.self_match_id if resting.conditions is not None else ""
    if one and other:
        return one == other
    return not incoming.account.self_trade_allowed


def _instruction(incoming: Order) -> str:
    said = incoming.conditions.self_match_instruction if incoming.conditions is not None else ""
    return said or _INSTRUCTIONS[incoming.account.terms.self_trade]


def _prevent_self_trade(market: Market, incoming: Order, resting: Order) -> None:
    instruction = _instruction(incoming)
    if instruction == RESTING:
        take_out_and_end(market, resting, CANCELED, CancelReason.SELF_TRADE)
    elif instruction == INCOMING:
        end(market, incoming, CANCELED, CancelReason.SELF_TRADE_INCOMING)
    elif instruction == BOTH:
        take_out_and_end(market, resting, CANCELED, CancelReason.SELF_TRADE_BOTH)
        if not incoming.ended:
            end(market, incoming, CANCELED, CancelReason.SELF_TRADE_BOTH)
    else:
        _decrement(market, incoming, resting)


def _decrement(market: Market, incoming: Order, resting: Order) -> None:
    """Lower both by the smaller: that one ends, the other goes on with what it has left."""
    stand_alone(market, resting)
    if incoming.ended:
        return
    stand_alone(market, incoming)
    lowered = min(incoming.leaves, resting.leaves)
    larger = [order for order in (resting, incoming) if order.leaves > lowered]
    for order in (resting, incoming):
        if order.leaves == lowered:
            take_out_and_end(market, order, CANCELED, CancelReason.SELF_TRADE_DECREMENT)
    for order in larger:
        order.leaves -= lowered
        order.quantity -= lowered
        order.shown = min(order.shown, order.leaves)
        reserve(order, need(order))
        market.events.append(
            OrderRestated(
                market.next_seq(), order.order_id, order.instrument.symbol, RestateReason.SELF_TRADE_DECREMENT, order.order_type,
                order.price, order.quantity, order.leaves,
            )
        )  # fmt: skip


# ----------------------------------------------------------------------------------------- orders of one list


def stand_alone(market: Market, order: Order) -> None:
    """An order is about to trade: where that cancels others of its list, they end, and it reserves what it needs itself."""
    group = order.group
    if group is not None and group.contingency == ONE_CANCELS_THE_OTHER:
        order.group = None
        end_others(market, order, group)
        reserve(order, need(order))


def end_others(market: Market, order: Order, group: OrderGroup) -> None:
    """An order of a list has ended, or has the list to itself: end those that depend on it."""
    one_cancels = group.contingency == ONE_CANCELS_THE_OTHER
    order.group = None
    if not one_cancels and order is not group.orders[0]:
        return
    reason = CancelReason.ONE_CANCELS_OTHER if one_cancels else CancelReason.LIST_ENDED
    others = [other for other in group.orders if other is not order and not other.ended]
    for other in others:
        other.group = None
    for other in others:
        take_out_and_end(market, other, CANCELED, reason)


def _trigger_others(market: Market, order: Order, group: OrderGroup) -> None:
    """An order of a list is filled: where it is the one that the others wait for, they go to work when the command ends."""
    order.group = None
    if group.contingency != ONE_CANCELS_THE_OTHER and order is group.orders[0]:
        for other in group.orders[1:]:
            if not other.ended:
                other.group = None
                market.elected.append(other)


# ------------------------------------------------------------------------------------------------------- elections


def elect(market: Market, instrument: Instrument, price: int) -> None:
    """Queue the stops that a trade at `price` elects: buys, lowest stop first, then sells, highest first."""
    while (level := instrument.buy_stops.best) is not None and level.price <= price:
        _elect_oldest(market, instrument.buy_stops)
    while (level := instrument.sell_stops.best) is not None and level.price >= price:
        _elect_oldest(market, instrument.sell_stops)


def _elect_oldest(market: Market, stops: BookSide) -> None:
    level = stops.best
    assert level is not None and level.oldest is not None, "there is a stop to elect"
    order = level.oldest
    stops.remove(order)
    market.elected.append(order)


# -------------------------------------------------------------------------------------------------------- phases


def change_phase(market: Market, instrument: Instrument, phase: Phase, by: str) -> None:
    """Enter a phase, and say so. A volatility auction begins its time; who leaves continuous trading leaves pegged orders
    without a price."""
    was_continuous = instrument.phase == "continuous"
    instrument.phase = phase
    instrument.until = min(market.time + instrument.terms.pause_ns, INT64_MAX) if phase == "volatility-auction" else 0
    instrument.indicated = NOTHING_INDICATED
    market.events.append(PhaseChanged(market.next_seq(), instrument.symbol, phase, instrument.until, by))
    if was_continuous and phase != "continuous":
        instrument.marks = None
        for order in sorted(instrument.pegged.values(), key=entry_order):
            if order.level is not None:
                order.level.side.remove(order)
                order.parked = "peg"
                market.events.append(OrderRepriced(market.next_seq(), order.order_id, instrument.symbol, 0))
