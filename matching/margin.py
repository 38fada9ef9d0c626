"""Margin for short positions: what is reserved for them, who is called, which orders are closing. It closes nobody's position.

Off until SetMargin says otherwise. While an instrument has a margin, the end of a command costs a walk over the accounts for each
instrument that it was about, and where something traded a look at each account that is short.
"""

from __future__ import annotations

from collections.abc import Iterable

from matching.accounts import Account, Position
from matching.book import CANCELED, Order
from matching.instruments import PPM, Instrument, money_text
from matching.market import Market, Refusal
from matching.messages import (
    BUY,
    BalanceChanged,
    CancelReason,
    CancelRejected,
    Conditions,
    DayRolled,
    ListAccepted,
    ListRejected,
    MarginCalled,
    MarginCallEnded,
    MarginSet,
    MassCanceled,
    MassCancelRejected,
    OrderAccepted,
    OrderActivated,
    OrderCanceled,
    OrderRefreshed,
    OrderRejected,
    OrderReplaced,
    OrderRepriced,
    OrderRestated,
    QuotesAnswered,
    QuotesCanceled,
    Reason,
    SetMargin,
    SettlementSet,
)
from matching.trading import take_out_and_end

RATE_MAX = 10_000_000
# They change no holding and no mark: after them nobody has to be called, and no call ends.
_OF_ORDERS = frozenset(
    (
        OrderAccepted, OrderRejected, OrderCanceled, OrderReplaced, CancelRejected, MassCanceled, MassCancelRejected,
        OrderActivated, OrderRepriced, OrderRestated, OrderRefreshed, ListAccepted, ListRejected, QuotesAnswered, QuotesCanceled,
    )
)  # fmt: skip
# They may change what is blocked, or a reference price, of any instrument.
_EVERYWHERE = frozenset((DayRolled, SettlementSet))


def set_margin(market: Market, command: SetMargin) -> None:
    instrument = market.instruments.get(command.instrument)
    if instrument is None:
        return market.refuse(command, Reason.UNKNOWN_INSTRUMENT, f"unknown symbol {command.instrument}")
    if not 0 <= command.maintenance_ppm <= command.initial_ppm <= RATE_MAX:
        text = f"margins are 0 to {RATE_MAX // PPM * 100:,} %, and that of maintenance is not above the initial one"
        return market.refuse(command, Reason.BAD_DEFINITION, text)
    instrument.initial_ppm, instrument.maintenance_ppm = command.initial_ppm, command.maintenance_ppm
    market.margined[instrument.symbol] = instrument
    if not command.by:
        instrument.margin_configured = command
    market.events.append(
        MarginSet(market.next_seq(), instrument.symbol, command.initial_ppm, command.maintenance_ppm, command.by)
    )
    return None


# ----------------------------------------------------------------------------------------------------- what is reserved


def margin_of(instrument: Instrument, available: int) -> int:
    """What is reserved, in money units, where so much of an instrument is available: nothing from 0 on."""
    if available >= 0:
        return 0
    return -available * instrument.mark * instrument.value_unit * instrument.initial_ppm // PPM


def short_of_margin(account: Account, instrument: Instrument, now: int, then: int, cash_otherwise: int = 0) -> Refusal | None:
    """Why an account cannot have so much reserved of an instrument that `then` is available of it, where `now` is. The cash for the
    additional margin has to be available beside `cash_otherwise`."""
    if not instrument.initial_ppm:
        return None
    more = margin_of(instrument, then) - margin_of(instrument, now)
    cash = account.cash_in(instrument.currency)
    there = cash.total - cash.reserved - cash_otherwise
    if more <= 0 or more <= there:
        return None
    return (
        Reason.INSUFFICIENT_FUNDS,
        f"{money_text(more)} {instrument.currency} needed as margin, {money_text(there)} available in {account.name}",
    )


def compute_margins(market: Market, instruments: Iterable[Instrument]) -> None:
    """Reserve the margin of each account in these instruments as it is now, and note who is short."""
    for instrument in instruments:
        symbol, currency, short = instrument.symbol, instrument.currency, instrument.short
        for name, account in market.accounts.items():
            position = account.positions.get(symbol)
            if position is None:
                continue
            total = position.total
            margin = margin_of(instrument, total - position.reserved) if position.reserved > total else 0
            if margin != position.margin:
                cash = account.cash_in(currency)
                cash.reserved += margin - position.margin
                cash.margin += margin - position.margin
                position.margin = margin
            if total < 0:
                short[name] = account
            elif name in short:
                del short[name]


def follow_margins(market: Market) -> bool:
    """At the end of a command: reserve the margins, and call who has to be called; whether orders were canceled for that."""
    _compute_what_changed(market)
    if not market.calls_due:
        return False
    market.calls_due = False
    return _call(market)


def finish_margins(market: Market) -> None:
    """After what the calls have set off: reserve the margins again. Calls are looked at once in a command."""
    _compute_what_changed(market)
    for symbol, instrument in list(market.margined.items()):
        if not instrument.initial_ppm and not instrument.maintenance_ppm:
            instrument.short.clear()
            del market.margined[symbol]


def _compute_what_changed(market: Market) -> None:
    """Compute the margins in the instruments that events have been about since they were computed last; whether a call may be due
    is noted. What changes a holding, a reserve or a mark says so by an event about the instrument, or is a matter of the day."""
    symbols = set()
    everywhere = False
    for event in reversed(market.events):
        if event.seq <= market.margins_seq:
            break
        kind = type(event)
        if kind not in _OF_ORDERS:
            market.calls_due = True
            everywhere = everywhere or kind in _EVERYWHERE
        symbols.add(event.asset if isinstance(event, BalanceChanged) else getattr(event, "instrument", ""))
    market.margins_seq = market.event_seq
    margined = market.margined
    compute_margins(
        market, margined.values() if everywhere else [margined[symbol] for symbol in sorted(symbols) if symbol in margined]
    )


# --------------------------------------------------------------------------------------------------------------- calls


def _call(market: Market) -> bool:
    """Call who has less than his short positions require, and end the calls of who has enough; whether orders were canceled."""
    canceled = False
    concerned = dict(market.called)
    for instrument in market.margined.values():
        if instrument.maintenance_ppm:
            concerned.update(instrument.short)
    for _, account in sorted(concerned.items()):
        required = _required(market, account)
        for currency in sorted(required.keys() | account.called):
            equity, needed = equity_of(market, account, currency), required.get(currency)
            if needed is not None and equity < needed:
                if currency not in account.called:
                    account.called.add(currency)
                    market.called[account.name] = account
                    market.events.append(MarginCalled(market.next_seq(), account.name, currency, str(equity), str(needed)))
                    for order in _opening_orders(account, currency):
                        if not order.ended:
                            take_out_and_end(market, order, CANCELED, CancelReason.MARGIN_CALL)
                            canceled = True
            elif currency in account.called:
                account.called.discard(currency)
                if not account.called:
                    del market.called[account.name]
                market.events.append(
                    MarginCallEnded(market.next_seq(), account.name, currency, str(equity), str(needed or 0))
                )
    return canceled


def _required(market: Market, account: Account) -> dict[str, int]:
    """What an account's short positions require, by currency, where it has some in an instrument with a maintenance rate."""
    required: dict[str, int] = {}
    for symbol, instrument in market.margined.items():
        position = account.positions.get(symbol)
        if instrument.maintenance_ppm and position is not None and position.total < 0:
            worth = -position.total * instrument.mark * instrument.value_unit
            required[instrument.currency] = required.get(instrument.currency, 0) + worth * instrument.maintenance_ppm // PPM
    return required


def equity_of(market: Market, account: Account, currency: str) -> int:
    """What an account has in a currency: its cash, and its holdings at what they are worth now."""
    equity = account.cash_in(currency).total
    for symbol, position in account.positions.items():
        instrument = market.instruments[symbol]
        if instrument.currency == currency:
            equity += position.total * instrument.mark * instrument.value_unit
    return equity


def _fits(position: Position, order: Order, taken: int) -> bool:
    """Whether an order is closing, where closing orders before it have taken so much."""
    there = -position.total if order.side == BUY else position.total
    return not _of_list(order.conditions) and order.leaves <= there - taken


def _of_list(conditions: Conditions | None) -> bool:
    return conditions is not None and bool(conditions.list_id)


def _opening_orders(account: Account, currency: str) -> list[Order]:
    opening = []
    taken: dict[tuple[str, str], int] = {}
    for order in account.participant.open_orders.values():
        if order.account is account and order.instrument.currency == currency:
            key = order.instrument.symbol, order.side
            if _fits(order.position, order, taken.get(key, 0)):
                taken[key] = taken.get(key, 0) + order.leaves
            else:
                opening.append(order)
    return opening


def opens(
    account: Account,
    instrument: Instrument,
    side: str,
    leaves: int,
    conditions: Conditions | None,
    replaced: Order | None = None,
    given_back: Iterable[Order | None] = (),
) -> Refusal | None:
    """Why an account that is called may not have such an order: it would not only close what is there. `replaced` is the order in
    whose place it would be; `given_back` are those that would end."""
    if instrument.currency not in account.called:
        return None
    refused = Reason.MARGIN_CALL, f"{account.name} has a margin call in {instrument.currency}: it may only close positions"
    position = account.position_in(instrument.symbol)
    there = max(-position.total if side == BUY else position.total, 0)
    taken = 0
    for order in account.participant.open_orders.values():
        if order is replaced:
            break
        if order.account is account and order.instrument is instrument and order.side == side and order not in given_back:
            taken += order.leaves if _fits(position, order, taken) else 0
    return None if leaves <= there - taken and not _of_list(conditions) else refused
