"""Events of clearing in words, for tests/matching/market.py. It asks nothing but an instrument's decimals."""

from __future__ import annotations

from matching.instruments import Instrument, decimal_text
from matching.messages import (
    BUY,
    MONEY_DECIMALS,
    AllocationRejected,
    BoughtIn,
    DeliveriesHeld,
    DividendCredited,
    DividendPaid,
    Event,
    FailReason,
    FeesSet,
    HoldingSplit,
    InstrumentSplit,
    MarginCalled,
    MarginCallEnded,
    MarginSet,
    ObligationNetted,
    ObligationSplit,
    OrderSplit,
    Settled,
    SettlementFailed,
    SettlementSet,
    TradeAllocated,
)


def clearing_line(instruments: dict[str, Instrument], names: dict[int, str], event: Event) -> str:
    """An event in words. The venue's fees are `fees`; amounts are signed as the account has them."""
    terms = instruments[event.instrument].terms if getattr(event, "instrument", "") else None

    def quantity(number: int) -> str:
        return plain(number, terms.quantity_decimals if terms else 0)

    def price(number: int) -> str:
        return decimal_text(number, terms.price_decimals if terms else 0)

    match event:
        case SettlementSet():
            spend = "spends" if event.spend_unsettled else "blocks"
            bought_in = f", buy-in after {event.buy_in_days} at {event.buy_in_premium_ppm} ppm" if event.buy_in_days else ""
            when = "now" if event.in_force else "from the next day"
            return f"settlement {event.cycle_days} days, {spend} what is unsettled{bought_in}, {when}{_by(event.by)}"
        case DeliveriesHeld():
            held = "held" if event.held else "released"
            return f"{event.account}: {event.asset or 'everything'} {held}{_by(event.by, event.reference)}"
        case ObligationNetted():
            return (
                f"{event.account or 'fees'}: netted {quantity(event.quantity)} {event.instrument} at {price(event.price)} and "
                f"{money(event.money)} of {event.trading_day or 'no day'}, due {event.due}"
            )
        case Settled():
            left = f", {quantity(event.quantity_left)} and {money(event.money_left)} left"
            return (
                f"{event.account or 'fees'}: settled {quantity(event.quantity)} {event.instrument} for {money(event.value)} and "
                f"{money(event.money)}{'' if left == ', 0 and 0 left' else left}"
            )
        case SettlementFailed():
            return (
                f"{event.account or 'fees'}: failed {quantity(event.quantity)} {event.instrument} and {money(event.money)}, "
                f"day {event.days}, {FailReason(event.reason).name}"
            )
        case BoughtIn():
            return (
                f"{event.receiving_account} buys {quantity(event.quantity)} {event.instrument} in from {event.account} at "
                f"{price(event.price)}: {money(event.money)} for {money(event.value)}, fault {event.fault}"
            )
        case DividendPaid():
            by = _by(event.by, event.reference)
            return f"{event.instrument}: dividend of {money(event.amount)}, {event.affected} accounts{by}"
        case DividendCredited():
            return f"{event.account}: dividend of {money(event.amount)} on {quantity(event.quantity)} {event.instrument}"
        case InstrumentSplit():
            return (
                f"{event.instrument}: split {event.numerator} for {event.denominator}, {event.accounts} accounts, "
                f"{event.obligations} obligations, {event.orders} orders{_by(event.by, event.reference)}"
            )
        case HoldingSplit():
            return (
                f"{event.account}: {event.instrument} split, settled {_signed(quantity(event.settled_change))}, unsettled "
                f"{_signed(quantity(event.unsettled_change))}, cash {money(event.cash)}"
            )
        case ObligationSplit():
            return f"{event.account}: owed {quantity(event.quantity)} {event.instrument} in multiples of {event.multiple}"
        case OrderSplit():
            said = event.conditions
            more = f", {quantity(event.busted)} busted" if event.busted else ""
            more += f", stop {price(said.stop_price)}" if said and said.stop_price else ""
            more += f", showing {quantity(said.display_quantity)}" if said and said.display_quantity else ""
            return (
                f"{names[event.order_id]}: split, {quantity(event.quantity)} at {price(event.price)}, "
                f"{quantity(event.executed)} executed, {quantity(event.leaves)} left{more}"
            )
        case FeesSet():
            fees = "as all" if event.maker_fee_ppm is None else f"{event.maker_fee_ppm} and {event.taker_fee_ppm} ppm"
            return f"fees of {event.participant} in {event.instrument or 'all'}: {fees}{_by(event.by)}"
        case MarginSet():
            return f"{event.instrument}: margin {event.initial_ppm} and {event.maintenance_ppm} ppm{_by(event.by)}"
        case MarginCalled():
            return f"{event.account}: called, {money(event.equity)} {event.currency} of {money(event.required)}"
        case MarginCallEnded():
            return f"{event.account}: call ended, {money(event.equity)} {event.currency} of {money(event.required)}"
        case TradeAllocated():
            shares = " and ".join(f"{quantity(share.quantity)} to {share.account}" for share in event.shares)
            side = "bought" if event.side == BUY else "sold"
            return (
                f"{event.participant} {event.alloc_id}: {quantity(event.quantity)} {event.instrument} at {price(event.price)} "
                f"{side} by {event.account}: {shares}"
            )
        case AllocationRejected():
            return f"{event.participant} {event.alloc_id}: rejected, {event.reason.name}: {event.text}"
    raise AssertionError(event)


def plain(number: int, decimals: int) -> str:
    """A decimal without the zeros at its end."""
    text = decimal_text(number, decimals)
    return text.rstrip("0").rstrip(".") if "." in text else text


def money(amount: str) -> str:
    return plain(int(amount), MONEY_DECIMALS)


def _signed(text: str) -> str:
    return text if text.startswith("-") else f"+{text}"


def _by(name: str, reference: str = "") -> str:
    return (f" by {name}" if name else "") + (f" for {reference}" if reference else "")
