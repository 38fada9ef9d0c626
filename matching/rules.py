"""Which terms of an order are taken: questions about types, quantities, prices and phases. It changes nothing.

Each function gives the reason of a refusal with its text, or None. The checks stand in the order of docs/market-rules.md.
"""

from __future__ import annotations

from matching.accounts import Account, Participant
from matching.book import Order
from matching.instruments import PRICED, Instrument, money_text
from matching.market import Refusal, sellable
from matching.messages import (
    AT_THE_CLOSE,
    AT_THE_OPENING,
    BUY,
    DAY,
    FOK,
    GTC,
    GTD,
    ICEBERG_SLICES_MAX,
    IOC,
    LIMIT,
    MARKET,
    MARKET_TO_LIMIT,
    PEGGED,
    PEGGED_ORDERS_MAX,
    STOP,
    STOP_LIMIT,
    Conditions,
    OrderType,
    Phase,
    Reason,
    Side,
    TimeInForce,
)

AUCTIONS: tuple[Phase, ...] = ("opening-auction", "volatility-auction", "closing-auction")
GATHERING: tuple[Phase, ...] = ("pre-open", *AUCTIONS)
LASTING = (DAY, GTC, GTD)  # the times in force of what may rest for long
NO_CONDITIONS = Conditions()



def refusal(
    instrument: Instrument,
    participant: Participant,
    side: Side,
    order_type: OrderType,
    time_in_force: TimeInForce,
    price: int,
    quantity: int,
    limit: int,
    expire_time: int,
    conditions: Conditions | None,
    now: int,
) -> Refusal | None:
    """Why terms are not taken now, whoever's funds they are. `limit` is Instrument.limit_of them, `now` in ns."""
    # Most orders are plain limit orders in continuous trading: of those there is nothing more to ask here.
    ordinary = (
        order_type == LIMIT
        and conditions is None
        and instrument.phase == "continuous"
        and time_in_force != AT_THE_OPENING
        and time_in_force != AT_THE_CLOSE
    )
    if not ordinary:
        found = phase_refusal(instrument, order_type, time_in_force, conditions) or _combination_refusal(
            order_type, time_in_force, conditions or NO_CONDITIONS
        )
        if found is not None:
            return found
    if quantity <= 0 or quantity % instrument.lot:
        return (
            Reason.INVALID_QUANTITY,
            f"quantity {instrument.quantity_text(quantity)} is not a positive multiple of the lot "
            f"{instrument.quantity_text(instrument.lot)}",
        )
    if not ordinary and conditions is not None:
        found = _partial_quantity_refusal(instrument, quantity, conditions)
        if found is not None:
            return found
    if ordinary or (order_type in PRICED and (price or order_type != PEGGED)):
        if price % instrument.tick:
            return _off_tick(instrument, "price", price)
        if not instrument.low <= price <= instrument.high:
            return _outside_band(instrument, "price", price)
    if not ordinary:
        found = _condition_price_refusal(instrument, conditions) or _closing_price_refusal(instrument, side, limit)
        if found is not None:
            return found
    if time_in_force == GTD and expire_time <= now:
        return Reason.UNSUPPORTED, "the expiry of this GTD order is not in the future"
    if quantity > instrument.quantity_max:
        return (
            Reason.LIMIT_EXCEEDED,
            f"quantity {instrument.quantity_text(quantity)} is above the limit {instrument.quantity_text(instrument.quantity_max)}",
        )
    value = limit * quantity * instrument.value_unit
    if value > instrument.value_max:
        return Reason.LIMIT_EXCEEDED, f"value {money_text(value)} is above the limit {money_text(instrument.value_max)}"
    if participant.value_max and value > participant.value_max:
        most = money_text(participant.value_max)
        return Reason.LIMIT_EXCEEDED, f"value {money_text(value)} is above the participant's limit {most}"
    return None


def phase_refusal(
    instrument: Instrument, order_type: str = LIMIT, time_in_force: str = DAY, conditions: Conditions | None = None
) -> Refusal | None:
    """Whether the phase takes such an order."""
    phase = instrument.phase
    if phase == "continuous" and time_in_force != AT_THE_OPENING:
        return None
    if phase == "closed":
        return Reason.AFTER_CLOSE, f"{instrument.symbol} is closed"
    if phase == "halted" or phase == "cancel-only":
        return Reason.NOT_IN_THIS_PHASE, f"{instrument.symbol} is {'halted' if phase == 'halted' else 'open to cancels only'}"
    if phase == "closing-price":
        taken = time_in_force in (DAY, IOC, FOK)
        if taken and (order_type not in (MARKET, LIMIT) or (conditions is not None and not _only_self_match(conditions))):
            return Reason.NOT_IN_THIS_PHASE, "only plain market and limit orders are taken in closing price trading"
    elif time_in_force == AT_THE_OPENING:
        taken = phase in ("pre-open", "opening-auction")
    else:
        taken = time_in_force not in (IOC, FOK)
    return None if taken else (Reason.NOT_IN_THIS_PHASE, f"TimeInForce {time_in_force} is not taken in phase {phase}")


def _combination_refusal(order_type: str, time_in_force: str, conditions: Conditions) -> Refusal | None:
    """Whether type, time in force and conditions go together."""
    lasting = time_in_force in LASTING
    text = ""
    if order_type == MARKET and time_in_force in (GTC, GTD):
        text = "a market order cannot be GTC or GTD"
    elif order_type == MARKET_TO_LIMIT and time_in_force != DAY:
        text = "a market order with left over as limit is for the day"
    elif order_type in (STOP, STOP_LIMIT, PEGGED) and not lasting:
        text = "a stop or pegged order is DAY, GTC or GTD"
    elif time_in_force in (AT_THE_OPENING, AT_THE_CLOSE) and not (order_type in (MARKET, LIMIT) and _only_self_match(conditions)):
        text = "an order at the opening or at the close is a plain market or limit order"
    elif (conditions.stop_price != 0) != (order_type in (STOP, STOP_LIMIT)):
        text = "StopPx belongs to a stop or stop limit order, which needs one"
    elif (conditions.peg != "") != (order_type == PEGGED):
        text = "a peg price type belongs to a pegged order, which needs one"
    elif conditions.peg_offset and order_type != PEGGED:
        text = "a peg offset belongs to a pegged order"
    elif conditions.display_quantity and not (order_type in (LIMIT, STOP_LIMIT) and lasting):
        text = "a display quantity belongs to a limit or stop limit order that is DAY, GTC or GTD"
    elif conditions.min_quantity and not (order_type in (MARKET, LIMIT) and time_in_force == IOC):
        text = "MinQty belongs to an immediate-or-cancel order"
    elif conditions.post_only and not (order_type == LIMIT and lasting):
        text = "participate-don't-initiate belongs to a limit order that is DAY, GTC or GTD"
    return (Reason.UNSUPPORTED, text) if text else None


def _only_self_match(conditions: Conditions) -> bool:
    return not (
        conditions.stop_price or conditions.display_quantity or conditions.min_quantity or conditions.post_only or conditions.peg
        or conditions.peg_offset
    )  # fmt: skip


def _partial_quantity_refusal(instrument: Instrument, quantity: int, conditions: Conditions) -> Refusal | None:
    display, minimum = conditions.display_quantity, conditions.min_quantity
    if not 0 <= display <= quantity or display % instrument.lot:
        return (
            Reason.INVALID_QUANTITY,
            f"display quantity {instrument.quantity_text(display)} is not a multiple of the lot up to the order's quantity",
        )
    if display and display * ICEBERG_SLICES_MAX < quantity:
        return (
            Reason.INVALID_QUANTITY,
            f"display quantity {instrument.quantity_text(display)} is less than 1/{ICEBERG_SLICES_MAX} of the order's quantity",
        )
    if not 0 <= minimum <= quantity:
        return Reason.INVALID_QUANTITY, f"MinQty {instrument.quantity_text(minimum)} is not between zero and the order's quantity"
    return None


def _closing_price_refusal(instrument: Instrument, side: Side, limit: int) -> Refusal | None:
    closing = instrument.closing_price
    if instrument.phase != "closing-price" or (limit >= closing if side == BUY else limit <= closing):
        return None
    return (
        Reason.OUTSIDE_PRICE_BAND,
        f"limit {instrument.price_text(limit)} does not admit the closing price {instrument.price_text(closing)}",
    )


def _condition_price_refusal(instrument: Instrument, conditions: Conditions | None) -> Refusal | None:
    if conditions is None:
        return None
    stop_price = conditions.stop_price
    if stop_price:
        if stop_price % instrument.tick:
            return _off_tick(instrument, "stop price", stop_price)
        if not instrument.low <= stop_price <= instrument.high:
            return _outside_band(instrument, "stop price", stop_price)
    if conditions.peg_offset % instrument.tick:
        return _off_tick(instrument, "peg offset", conditions.peg_offset)
    return None


def _off_tick(instrument: Instrument, what: str, price: int) -> Refusal:
    return (
        Reason.OFF_TICK,
        f"{what} {instrument.price_text(price)} is not a multiple of the tick {instrument.price_text(instrument.tick)}",
    )


def _outside_band(instrument: Instrument, what: str, price: int) -> Refusal:
    return (
        Reason.OUTSIDE_PRICE_BAND,
        f"{what} {instrument.price_text(price)} is outside the band {instrument.price_text(instrument.low)} "
        f"to {instrument.price_text(instrument.high)}",
    )


def would_trade(instrument: Instrument, side: Side, price: int, conditions: Conditions | None) -> Refusal | None:
    """Why a post-only order is not taken: it would trade at once."""
    if conditions is None or not conditions.post_only or instrument.phase != "continuous":
        return None
    best = instrument.offers.best if side == BUY else instrument.bids.best
    if best is None or (best.price > price if side == BUY else best.price < price):
        return None
    return Reason.WOULD_TRADE, f"it would trade at {instrument.price_text(best.price)} instead of resting"


def too_many_pegged(instrument: Instrument, order_type: OrderType, itself: Order | None = None) -> Refusal | None:
    """Why another pegged order is not taken; `itself` is not counted."""
    if order_type != PEGGED:
        return None
    others = len(instrument.pegged) - (itself is not None and itself.order_id in instrument.pegged)
    if others < PEGGED_ORDERS_MAX:
        return None
    return Reason.LIMIT_EXCEEDED, f"{instrument.symbol} has {PEGGED_ORDERS_MAX} pegged orders, which is the limit"


def blocked(participant: Participant) -> Refusal:
    """What is said to a participant who may not trade."""
    return Reason.BLOCKED, f"{participant.name} is {participant.access}: no orders are taken"


def short_of_cash(needed: int, account: Account, instrument: Instrument) -> Refusal:
    cash = account.cash_in(instrument.currency)
    return (
        Reason.INSUFFICIENT_FUNDS,
        f"{money_text(needed)} {instrument.currency} needed, {money_text(cash.total - cash.reserved)} available in {account.name}",
    )


def short_of_shares(needed: int, account: Account, instrument: Instrument) -> Refusal:
    return (
        Reason.INSUFFICIENT_FUNDS,
        f"{instrument.quantity_text(needed)} {instrument.symbol} needed, "
        f"{instrument.quantity_text(max(sellable(account, instrument), 0))} available in {account.name}",
    )
