"""What the second engine takes and refuses: terms, types, phases, in the order of docs/market-rules.md. It changes nothing."""

from __future__ import annotations

from matching.messages import (
    AT_THE_CLOSE,
    AT_THE_OPENING,
    BUY,
    DAY,
    FOK,
    GTC,
    GTD,
    INT64_MAX,
    IOC,
    LIMIT,
    MARKET,
    MARKET_TO_LIMIT,
    PEGGED,
    STOP,
    STOP_LIMIT,
    Conditions,
    DefineParticipant,
    NewOrder,
    Reason,
    ReplaceOrder,
)
from tests.matching.naive_market import GATHERING, NOTHING_SAID, NaiveMarket, Order, within

LASTING: tuple[str, ...] = (DAY, GTC, GTD)
TAKEN_IN = {
    DAY: (*GATHERING, "continuous", "closing-price"),
    GTC: (*GATHERING, "continuous"),
    GTD: (*GATHERING, "continuous"),
    AT_THE_OPENING: ("pre-open", "opening-auction"),
    IOC: ("continuous", "closing-price"),
    FOK: ("continuous", "closing-price"),
    AT_THE_CLOSE: (*GATHERING, "continuous"),
}


class Refused(Exception):
    """A rule was broken; the argument is the Reason."""


def unless(holds: bool, reason: Reason) -> None:
    if not holds:
        raise Refused(reason)


def asks(conditions: Conditions) -> bool:
    """Whether an order asks for anything but self-match prevention; what marks it as of a list or a quote asks for nothing."""
    return conditions != Conditions(
        self_match_id=conditions.self_match_id,
        self_match_instruction=conditions.self_match_instruction,
        list_id=conditions.list_id,
        contingency=conditions.contingency,
        quote_id=conditions.quote_id,
        quote_entry_id=conditions.quote_entry_id,
    )


def combined(order_type: str, time_in_force: str, conditions: Conditions) -> bool:
    """Whether type, time in force and conditions go together."""
    lasting = time_in_force in LASTING
    wrong = (
        (order_type == MARKET and time_in_force in (GTC, GTD))
        or (order_type == MARKET_TO_LIMIT and time_in_force != DAY)
        or (order_type in (STOP, STOP_LIMIT, PEGGED) and not lasting)
        or (time_in_force in (AT_THE_OPENING, AT_THE_CLOSE) and (order_type not in (MARKET, LIMIT) or asks(conditions)))
        or (conditions.stop_price != 0) != (order_type in (STOP, STOP_LIMIT))
        or (conditions.peg != "") != (order_type == PEGGED)
        or (conditions.peg_offset != 0 and order_type != PEGGED)
        or (conditions.display_quantity != 0 and not (order_type in (LIMIT, STOP_LIMIT) and lasting))
        or (conditions.min_quantity != 0 and not (order_type in (MARKET, LIMIT) and time_in_force == IOC))
        or (conditions.post_only and not (order_type == LIMIT and lasting))
    )
    return not wrong


def whole_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 30


def fits(reference: int, band_bps: int) -> bool:
    """Whether the band around a price is within what a record can hold."""
    return reference * (10_000 + band_bps) // 10_000 <= INT64_MAX


def check_terms(
    market: NaiveMarket, participant: DefineParticipant, command: NewOrder | ReplaceOrder, old: Order | None = None
) -> int:
    """The rules for the terms of an order, in the order of the page; `old` is the one that is replaced.

    Returns the worst price that it may trade at. Raises Refused.
    """
    conditions = command.conditions or NOTHING_SAID
    paper = market.papers[command.instrument]
    terms = paper.terms
    price, quantity, stop = command.price, command.quantity, conditions.stop_price
    low, high = paper.band

    unless(paper.phase != "closed", Reason.AFTER_CLOSE)
    unless(paper.phase in TAKEN_IN[command.time_in_force], Reason.NOT_IN_THIS_PHASE)
    if paper.phase == "closing-price":
        unless(command.order_type in (MARKET, LIMIT) and not asks(conditions), Reason.NOT_IN_THIS_PHASE)

    unless(combined(command.order_type, command.time_in_force, conditions), Reason.UNSUPPORTED)

    unless(quantity >= 1 and quantity % terms.lot == 0, Reason.INVALID_QUANTITY)
    shown = conditions.display_quantity
    unless(0 <= shown <= quantity and shown % terms.lot == 0, Reason.INVALID_QUANTITY)
    unless(shown == 0 or quantity <= 1_000 * shown, Reason.INVALID_QUANTITY)
    unless(0 <= conditions.min_quantity <= quantity, Reason.INVALID_QUANTITY)

    priced = command.order_type in (LIMIT, STOP_LIMIT) or (command.order_type == PEGGED and price != 0)
    for line in [price] * priced + [stop] * (stop != 0):
        unless(line % terms.tick == 0, Reason.OFF_TICK)
        unless(low <= line <= high, Reason.OUTSIDE_PRICE_BAND)
    unless(conditions.peg_offset % terms.tick == 0, Reason.OFF_TICK)
    limit = price if priced else high if command.side == BUY else low
    if paper.phase == "closing-price":
        unless(within(command.side, paper.closing, limit), Reason.OUTSIDE_PRICE_BAND)

    unless(command.time_in_force != GTD or command.expire_time > market.now, Reason.UNSUPPORTED)

    value = paper.money(limit, quantity)
    unless(quantity <= terms.quantity_max and value <= terms.value_max, Reason.LIMIT_EXCEEDED)
    value_max = int(participant.value_max)
    unless(not 0 < value_max < value, Reason.LIMIT_EXCEEDED)
    if command.order_type == PEGGED:
        unless(market.pegged(command.instrument, old) < market.pegged_max, Reason.LIMIT_EXCEEDED)
    return limit
