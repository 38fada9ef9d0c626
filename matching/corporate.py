"""Corporate actions by command: a cash dividend, and a split with all that it changes. It trades nothing."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from matching.accounts import Account, Position
from matching.book import BEFORE_ALL_PRICES, CANCELED, BookSide, Order, entry_order
from matching.definitions import amount_of, beyond_64_bits
from matching.instruments import NOTHING_INDICATED, Instrument, money_text
from matching.market import Market, Refusal, need, reserve, sellable
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
    Side,
    SplitInstrument,
)
from matching.netting import block_anew
from matching.trading import take_out_and_end

TERMS_MAX = 1_000  # of either number of a split


def _holders(market: Market, symbol: str) -> list[tuple[Account, Position]]:
    """Who has anything to do with an instrument, settled or not, by name."""
    return [
        (account, position)
        for _, account in sorted(market.accounts.items())
        if (position := account.positions.get(symbol)) is not None and (position.total or position.unsettled)
    ]


def pay_dividend(market: Market, command: PayDividend) -> None:
    instrument = market.instruments.get(command.instrument)
    if instrument is None:
        return market.refuse(command, Reason.UNKNOWN_INSTRUMENT, f"unknown symbol {command.instrument}")
    amount = amount_of(command.amount)
    if amount is None:
        return market.refuse(command, Reason.INVALID_AMOUNT, f"amount {command.amount[:40]!r} is not a whole number above zero")
    unit = 10**instrument.terms.quantity_decimals
    paid = [
        (account, position.total, amount * position.total // unit)
        for account, position in _holders(market, instrument.symbol)
        if position.total
    ]
    for account, _, credit in paid:
        cash = account.cash_in(instrument.currency)
        available = cash.total - cash.reserved
        if -credit > max(available, 0):
            owed = f"{money_text(-credit)} {instrument.currency}"
            text = f"{account.name} is short and has to pay {owed}, of which {money_text(available)} are available"
            return market.refuse(command, Reason.INSUFFICIENT_FUNDS, text)
    market.events.append(
        DividendPaid(market.next_seq(), instrument.symbol, command.amount, len(paid), command.by, command.reference)
    )
    for account, total, credit in paid:
        account.cash_in(instrument.currency).total += credit
        said = max(min(total, INT64_MAX), -INT64_MAX)
        market.events.append(DividendCredited(market.next_seq(), account.name, instrument.symbol, said, str(credit)))
    return None


# --------------------------------------------------------------------------------------------------------------- splits


class _Ratio(NamedTuple):
    """A split in its lowest terms: `numerator` units are made of each `denominator`."""

    numerator: int
    denominator: int

    def down(self, quantity: int) -> int:
        """What a quantity becomes, rounded down."""
        return quantity * self.numerator // self.denominator

    def whole(self, quantity: int) -> bool:
        """Whether a quantity comes out without a fraction."""
        return not quantity * self.numerator % self.denominator

    def price(self, price: int, tick: int, side: Side | None) -> int:
        """What a price becomes, on a tick: of a buy the lower, of a sell the higher; else the nearest, of two the higher."""
        worth, step = price * self.denominator, tick * self.numerator
        if side == BUY:
            return max(worth // step, 1) * tick
        nearest = (2 * worth + step) // (2 * step)
        return max(nearest if side is None else -(-worth // step), 1) * tick


def _ratio(numerator: int, denominator: int) -> _Ratio:
    common, rest = numerator, denominator
    while rest:
        common, rest = rest, common % rest
    return _Ratio(numerator // common, denominator // common)


def split_instrument(market: Market, command: SplitInstrument) -> None:
    instrument = market.instruments.get(command.instrument)
    if instrument is None:
        return market.refuse(command, Reason.UNKNOWN_INSTRUMENT, f"unknown symbol {command.instrument}")
    numerator, denominator = command.numerator, command.denominator
    if not 1 <= numerator <= TERMS_MAX or not 1 <= denominator <= TERMS_MAX or numerator == denominator:
        text = f"a split makes 1 to {TERMS_MAX} units of each 1 to {TERMS_MAX}, and not as many as there were"
        return market.refuse(command, Reason.BAD_DEFINITION, text)
    if instrument.phase not in ("closed", "halted", "cancel-only"):
        text = f"{instrument.symbol} is in phase {instrument.phase}: it is split while closed, halted or cancel-only"
        return market.refuse(command, Reason.NOT_IN_THIS_PHASE, text)
    ratio = _ratio(numerator, denominator)
    refused = _unsettled(market, instrument, ratio) or _beyond_limits(market, instrument, ratio)
    if refused is not None:
        return market.refuse(command, *refused)

    holders = _holders(market, instrument.symbol)
    obligations = [
        obligation for obligation in market.obligations.values() if obligation.instrument is instrument and obligation.quantity
    ]
    orders = sorted(
        (
            order
            for participant in market.participants.values()
            for order in participant.open_orders.values()
            if order.instrument is instrument
        ),
        key=entry_order,
    )
    instrument.split_seq = market.next_seq()
    market.events.append(
        InstrumentSplit(
            instrument.split_seq, instrument.symbol, numerator, denominator, len(holders), len(obligations), len(orders),
            command.by, command.reference,
        )
    )  # fmt: skip
    for account, position in holders:
        _split_holding(market, instrument, account, position, ratio)
    for obligation in obligations:
        obligation.quantity *= ratio.numerator
        obligation.multiple *= ratio.numerator
        market.events.append(
            ObligationSplit(
                market.next_seq(), obligation.number, obligation.name, instrument.symbol, obligation.quantity, obligation.multiple
            )
        )
    for unnetted in instrument.unnetted.values():
        unnetted.quantity *= ratio.numerator
        unnetted.bought *= ratio.numerator
    block_anew(market)
    _split_orders(market, instrument, orders, ratio)
    traded = instrument.traded
    if instrument.last:
        instrument.last = ratio.price(instrument.last, instrument.tick, None)
    instrument.set_reference(ratio.price(instrument.reference_price, instrument.tick, None))
    instrument.traded = traded
    instrument.closing_price, instrument.indicated, instrument.marks = 0, NOTHING_INDICATED, None
    market.events.append(
        ReferenceSet(
            market.next_seq(), instrument.symbol, instrument.reference_price, instrument.low, instrument.high, command.by
        )
    )
    return None


def _unsettled(market: Market, instrument: Instrument, ratio: _Ratio) -> Refusal | None:
    """Whether something is unsettled that would not come out whole."""
    owed = any(obligation.instrument is instrument and obligation.quantity for obligation in market.obligations.values())
    if ratio.denominator == 1 or not (owed or instrument.unnetted):
        return None
    return Reason.UNSETTLED, f"{instrument.symbol} is unsettled: only a split that leaves no fractions is possible"


def _beyond_limits(market: Market, instrument: Instrument, ratio: _Ratio) -> Refusal | None:
    """Whether something would be more than a record can hold, or less than there can be."""
    quantities = [
        quantity
        for account, position in _holders(market, instrument.symbol)
        for quantity in (position.total, position.unsettled, position.total - position.unsettled)
    ]
    for unnetted in instrument.unnetted.values():
        quantities += (unnetted.quantity, unnetted.bought)
    quantities += (
        obligation.quantity for obligation in market.obligations.values() if obligation.instrument is instrument
    )
    if any(max(abs(quantity), abs(ratio.down(quantity))) > INT64_MAX for quantity in quantities):
        return Reason.BAD_DEFINITION, f"a holding of {instrument.symbol} is or would be beyond 64 bits"
    if instrument.last and ratio.price(instrument.last, instrument.tick, None) > INT64_MAX:
        return Reason.BAD_DEFINITION, "the last price would be beyond 64 bits"
    if instrument.reference_price * ratio.denominator < instrument.tick * ratio.numerator:
        return Reason.BAD_DEFINITION, "the reference price would be below one tick"
    if beyond_64_bits(ratio.price(instrument.reference_price, instrument.tick, None), instrument.terms.band_bps):
        return Reason.BAD_DEFINITION, "the band around the reference price would go beyond 64 bits"
    return None


def _split_holding(market: Market, instrument: Instrument, account: Account, position: Position, ratio: _Ratio) -> None:
    settled, unsettled = position.total - position.unsettled, position.unsettled
    settled_change, unsettled_change = ratio.down(settled) - settled, ratio.down(unsettled) - unsettled
    fraction = settled * ratio.numerator % ratio.denominator
    paid = fraction * instrument.reference_price * instrument.value_unit // ratio.denominator
    position.total += settled_change + unsettled_change
    position.unsettled += unsettled_change
    account.cash_in(instrument.currency).total += paid
    market.events.append(
        HoldingSplit(
            market.next_seq(), account.name, instrument.symbol, settled_change, unsettled_change, str(paid)
        )
    )


def _split_orders(market: Market, instrument: Instrument, orders: list[Order], ratio: _Ratio) -> None:
    """Split open orders in the order of entry, and put those that go on back in the order of their priority."""
    in_priority: list[tuple[BookSide, Order, int]] = [
        (side, order, level.price)
        for side in (instrument.bids, instrument.offers, instrument.buy_stops, instrument.sell_stops)
        for level in side
        for order in level
    ]
    for side, order, _ in in_priority:
        side.remove(order)
    for order in orders:
        if order.ended:
            continue
        if not _split_order(order, ratio):
            take_out_and_end(market, order, CANCELED, CancelReason.CORPORATE_ACTION)
            continue
        market.events.append(
            OrderSplit(
                market.next_seq(), order.order_id, instrument.symbol, order.price, order.quantity, order.leaves, order.executed,
                order.busted, order.conditions,
            )
        )  # fmt: skip
    for side, order, price in in_priority:
        if not order.ended:
            if order.parked == "stop":
                assert order.conditions is not None, "a stop says its price"
                side.add(order, order.conditions.stop_price)
            else:
                side.add(order, price if price == BEFORE_ALL_PRICES[order.side] else order.price)


def _split_order(order: Order, ratio: _Ratio) -> bool:
    """Give an order its quantities and prices after a split, and have it reserve what it needs then; False where that cannot be."""
    instrument, said = order.instrument, order.conditions
    if order.is_quote or order.order_type == PEGGED or (said is not None and said.list_id):
        return False
    shown, display, minimum = order.shown, 0, 0
    if said is not None:
        display, minimum = said.display_quantity, said.min_quantity
    if not all(ratio.whole(each) for each in (order.executed, order.busted, order.leaves, shown, display, minimum)):
        return False
    leaves, done = ratio.down(order.leaves), ratio.down(order.executed) + ratio.down(order.busted)
    price, limit, stop_price = (
        ratio.price(each, instrument.tick, order.side) if each else 0
        for each in (order.price, order.limit, said.stop_price if said is not None else 0)
    )
    quantity = leaves + done
    if leaves % instrument.lot or max(quantity, price, limit, stop_price, limit * quantity * instrument.value_unit) > INT64_MAX:
        return False
    before = order.limit, order.leaves
    order.limit, order.leaves = limit, leaves
    needed = need(order)
    available = order.cash.total - order.cash.reserved if order.side == BUY else sellable(order.account, instrument)
    if needed > order.reserved and needed - order.reserved > available:
        order.limit, order.leaves = before
        return False
    reserve(order, needed)
    order.price, order.quantity = price, quantity
    order.executed, order.busted = ratio.down(order.executed), ratio.down(order.busted)
    order.shown = ratio.down(shown)
    if said is not None:
        order.conditions = msgspec.structs.replace(
            said, stop_price=stop_price, display_quantity=ratio.down(display), min_quantity=ratio.down(minimum)
        )
    return True
