"""Margin for short positions: what is reserved for them, who is called, which orders are closing. It closes nobody's position.

Off until SetMargin says otherwise. Computing it costs a walk over the accounts at the end of each command, while an
instrument has a margin.
"""

from __future__ import annotations

from collections.abc import Iterable

from matching.accounts import Account, Position
from matching.book import CANCELED, Order
from matching.instruments import PPM, Instrument, money_text
from matching.market import Market, Refusal
from matching.messages import BUY, CancelReason, Conditions, MarginCalled, MarginCallEnded, MarginSet, Reason, SetMargin
from matching.trading import take_out_and_end

RATE_MAX = 10_000_000


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


def compute_margins(market: Market) -> None:
    """Reserve the margin of each account as it is now."""
    for account in market.accounts.values():
        margins: dict[str, int] = {}
        for symbol, instrument in market.margined.items():
            position = account.positions.get(symbol)
            margin = margin_of(instrument, position.total - position.reserved) if position is not None else 0
            margins[instrument.currency] = margins.get(instrument.currency, 0) + margin
        for currency, margin in margins.items():
            cash = account.cash_in(currency)
            cash.reserved += margin - cash.margin
            cash.margin = margin


def forget_unmargined(market: Market) -> None:
    """Instruments without a margin need not be looked at any more, once what they had reserved is given back."""
    for symbol in [
        symbol for symbol, instrument in market.margined.items() if not instrument.initial_ppm and not instrument.maintenance_ppm
    ]:
        del market.margined[symbol]


# --------------------------------------------------------------------------------------------------------------- calls


def call(market: Market) -> bool:
    """Call who has less than his short positions require, and end the calls of who has enough; whether orders were canceled."""
    canceled = False
    for _, account in sorted(market.accounts.items()):
        required: dict[str, int] = {}
        for symbol, instrument in market.margined.items():
            position = account.positions.get(symbol)
            if instrument.maintenance_ppm and position is not None and position.total < 0:
                worth = -position.total * instrument.mark * instrument.value_unit
                required[instrument.currency] = (
                    required.get(instrument.currency, 0) + worth * instrument.maintenance_ppm // PPM
                )
        for currency in sorted(required.keys() | account.called):
            equity, needed = equity_of(market, account, currency), required.get(currency)
            if needed is not None and equity < needed:
                if currency not in account.called:
                    account.called.add(currency)
                    market.events.append(MarginCalled(market.next_seq(), account.name, currency, str(equity), str(needed)))
                    for order in _opening_orders(account, currency):
                        if not order.ended:
                            take_out_and_end(market, order, CANCELED, CancelReason.MARGIN_CALL)
                            canceled = True
            elif currency in account.called:
                account.called.discard(currency)
                market.events.append(
                    MarginCallEnded(market.next_seq(), account.name, currency, str(equity), str(needed or 0))
                )
    return canceled


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
