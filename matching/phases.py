"""Phases of trading: moves instruments from one to the next, and uncrosses what has gathered. It never reads a clock."""

from __future__ import annotations

from collections.abc import Iterator

from matching.aftermath import say_activated, work_off
from matching.auction import NOTHING, Uncrossing, uncrossing
from matching.book import BEFORE_ALL_PRICES, CANCELED, EXPIRED, BookSide, Order, entry_order
from matching.instruments import Instrument
from matching.market import Market
from matching.messages import (
    AT_THE_CLOSE,
    AT_THE_OPENING,
    BUY,
    INT64_MAX,
    MARKET,
    MARKET_TO_LIMIT,
    SELL,
    AuctionIndicated,
    CancelReason,
    EndPauses,
    IndicativePublished,
    MarketPhaseChanged,
    PausesEnded,
    Phase,
    PublishIndicative,
    Reason,
    SetPhase,
    Side,
    Uncrossed,
)
from matching.rules import AUCTIONS
from matching.trading import (
    change_phase,
    elect,
    filled,
    rest,
    settle_left_over,
    stand_alone,
    take_from_shown,
    take_out,
    take_out_and_end,
    trade,
)

_ENDS_AUCTIONS: tuple[Phase, ...] = ("continuous", "closing-price", "closed")
_AT_ANY_PRICE = (MARKET, MARKET_TO_LIMIT)


def set_phase(market: Market, command: SetPhase) -> None:
    if command.instrument:
        instrument = market.instruments.get(command.instrument)
        if instrument is None:
            return market.refuse(command, Reason.UNKNOWN_INSTRUMENT, f"unknown symbol {command.instrument}")
        return _move(market, instrument, command.phase, command.by)
    moved = sorted({instrument.market for instrument in market.instruments.values() if command.market in ("", instrument.market)})
    if not moved:
        what = f"no instrument in market {command.market}" if command.market else "there is no instrument"
        return market.refuse(command, Reason.UNKNOWN_INSTRUMENT, what)
    for name in moved:
        market.markets[name] = command.phase
        market.events.append(MarketPhaseChanged(market.next_seq(), name, command.phase, command.by))
        for _, instrument in sorted(market.instruments.items()):
            # A halt outlasts the schedule: it is for the operator to end it.
            if instrument.market == name and (command.by or instrument.phase != "halted"):
                _move(market, instrument, command.phase, command.by)
    return None


def end_pauses(market: Market, command: EndPauses) -> None:
    due = [
        instrument
        for _, instrument in sorted(market.instruments.items())
        if instrument.phase == "volatility-auction" and instrument.until <= market.time
    ]
    market.events.append(PausesEnded(market.next_seq(), len(due)))
    for instrument in due:
        _move(market, instrument, "continuous", "")


def _move(market: Market, instrument: Instrument, new: Phase, by: str) -> None:
    old = instrument.phase
    closing_price = 0
    if new in _ENDS_AUCTIONS:
        closing_price = _uncross(market, instrument, old, new)
        _end_what_was_for_the_auction(market, instrument, old, new)
    change_phase(market, instrument, new, by)
    if new == "closing-price":
        instrument.closing_price = instrument.nearest_tick(closing_price or instrument.last or instrument.reference_price)
    elif new == "closing-auction":
        for order in sorted(instrument.at_close.values(), key=entry_order):
            del instrument.at_close[order.order_id]
            order.parked = ""
            say_activated(market, order, "close")
            rest(order)
    elif new == "continuous":
        if instrument.last:
            elect(market, instrument, instrument.last)
        instrument.marks = None
        work_off(market)


# ------------------------------------------------------------------------------------------------- uncrossing


def present_uncrossing(instrument: Instrument) -> Uncrossing:
    """What an auction would yield now; quantities that no record could hold are said as the most that one can.

    Costs a walk over the levels that can trade, and over all where market orders wait."""
    if not instrument.book.crossed:
        return NOTHING
    price, volume, surplus = uncrossing(
        _ladder(instrument.bids), _ladder(instrument.offers), _market_orders(instrument.bids, BUY),
        _market_orders(instrument.offers, SELL), instrument.last or instrument.reference_price, instrument.tick,
    )  # fmt: skip
    return Uncrossing(price, min(volume, INT64_MAX), max(min(surplus, INT64_MAX), -INT64_MAX))


def _ladder(side: BookSide) -> Iterator[tuple[int, int]]:
    """Price and quantity of the limit orders, level by level, best first."""
    for level in side:
        first = level.oldest
        if first is not None and first.order_type not in _AT_ANY_PRICE:
            yield level.price, sum(order.leaves for order in level)


def _market_orders(side: BookSide, name: Side) -> list[tuple[int, int]]:
    level = side.levels.get(BEFORE_ALL_PRICES[name])
    return [(order.limit, order.leaves) for order in level] if level is not None else []


def _uncross(market: Market, instrument: Instrument, old: Phase, new: Phase) -> int:
    """Trade what has gathered, at one price; returns it, 0 where nothing traded. Again, where orders that ended because others of
    their list traded have left a book that can still trade."""
    found = present_uncrossing(instrument)
    if old not in AUCTIONS and (not found.volume or new == "closed"):
        return 0
    price = 0
    while True:
        market.events.append(
            Uncrossed(market.next_seq(), instrument.symbol, old, found.price, found.volume, found.surplus)
        )
        if found.volume and _trade_at(market, instrument, found.price):
            price = found.price
            instrument.set_reference(price)
        found = present_uncrossing(instrument)
        if not found.volume:
            return price


def _trade_at(market: Market, instrument: Instrument, price: int) -> bool:
    """Have all who would trade at `price` do so, the first of each side with each other, until one side is used up. Nobody does
    where the only two were orders of one list, of which one cancels the other."""
    traded = False
    bids, offers = _willing(instrument.bids, BUY, price), _willing(instrument.offers, SELL, price)
    bid, offer = next(bids, None), next(offers, None)
    while bid is not None and offer is not None:
        maker, taker = (bid, offer) if entry_order(bid) < entry_order(offer) else (offer, bid)
        stand_alone(market, maker)
        if not taker.ended:
            stand_alone(market, taker)
        if not bid.ended and not offer.ended:
            quantity = min(bid.leaves, offer.leaves)
            trade(market, instrument, maker, taker, price, quantity, True)
            traded = True
            for order in (maker, taker):
                if not order.leaves:
                    take_out(order)
                    filled(market, order)
                elif order.shown:
                    take_from_shown(market, order, quantity)
        if bid.ended:
            bid = next(bids, None)
        if offer is not None and offer.ended:
            offer = next(offers, None)
    return traded


def _willing(side: BookSide, name: Side, price: int) -> Iterator[Order]:
    """The orders of a side that would trade at `price`, best first, those that have ended by then left out."""
    chosen: list[Order] = []
    for level in side:
        if level.price != BEFORE_ALL_PRICES[name] and (level.price < price if name == BUY else level.price > price):
            break
        chosen += [
            order
            for order in level
            if level.price != BEFORE_ALL_PRICES[name] or (order.limit >= price if name == BUY else order.limit <= price)
        ]
    for order in chosen:
        if not order.ended:
            yield order


def _end_what_was_for_the_auction(market: Market, instrument: Instrument, old: Phase, new: Phase) -> None:
    """Orders at the opening, at the close and at any price do not outlast the auction that they were for."""
    day_is_over = new != "continuous"
    concerned = [
        order
        for side in (instrument.bids, instrument.offers)
        for level in side
        for order in level
        if order.order_type in _AT_ANY_PRICE or order.time_in_force in (AT_THE_OPENING, AT_THE_CLOSE)
    ]
    if day_is_over:
        concerned += instrument.at_close.values()
    for order in sorted(concerned, key=entry_order):
        if order.ended:
            continue
        if order.time_in_force == AT_THE_OPENING:
            take_out_and_end(market, order, EXPIRED, CancelReason.OPENING_END)
        elif order.time_in_force == AT_THE_CLOSE and (day_is_over or old == "closing-auction"):
            take_out_and_end(market, order, EXPIRED, CancelReason.CLOSING_END)
        elif order.order_type == MARKET:
            take_out_and_end(market, order, CANCELED, CancelReason.MARKET_REMAINDER)
        elif order.order_type == MARKET_TO_LIMIT:
            take_out(order)
            settle_left_over(market, order)


# ------------------------------------------------------------------------------------------- indicative prices


def publish_indicative(market: Market, command: PublishIndicative) -> None:
    changed = [(instrument, found) for instrument, found in _indications(market) if found != instrument.indicated]
    market.events.append(IndicativePublished(market.next_seq(), len(changed)))
    for instrument, found in changed:
        instrument.indicated = found
        market.events.append(
            AuctionIndicated(market.next_seq(), instrument.symbol, found.price, found.volume, found.surplus)
        )


def indicative_due(market: Market) -> bool:
    """Whether an auction would yield something else than what was last said of it."""
    return any(found != instrument.indicated for instrument, found in _indications(market))


def _indications(market: Market) -> Iterator[tuple[Instrument, Uncrossing]]:
    for _, instrument in sorted(market.instruments.items()):
        if instrument.phase in AUCTIONS:
            yield instrument, present_uncrossing(instrument)
