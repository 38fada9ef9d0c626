"""AllocationInstruction: one side of a trade split over accounts of its participant. It changes neither orders nor fees."""

from __future__ import annotations

from matching.accounts import Account
from matching.busts import unknown_trade
from matching.instruments import money_text
from matching.market import Market, Refusal, sellable
from matching.messages import BUY, AllocateTrade, AllocationRejected, Reason, TradeAllocated
from matching.netting import Change, lacking, move
from matching.rules import short_of_shares

SHARES_MAX = 100


def allocate_trade(market: Market, command: AllocateTrade) -> None:
    refused = _refused(market, command)
    if refused is not None:
        market.events.append(
            AllocationRejected(
                market.next_seq(), command.participant, command.session, command.alloc_id, refused[0], refused[1], command.routing
            )
        )
        return
    trade, own = command.trade, _own_account(command)
    instrument = market.instruments[trade.instrument]
    move(market, instrument, market.accounts[own], _given(market, command))
    for share in command.shares:
        if share.account != own:
            move(market, instrument, market.accounts[share.account], _taken(market, command, share.quantity))
    market.allocated.add((trade.seq, command.side))
    market.events.append(
        TradeAllocated(
            market.next_seq(), command.participant, command.session, command.alloc_id, trade.seq, own, trade.instrument,
            command.side, trade.price, trade.quantity, command.shares, command.routing,
        )
    )  # fmt: skip


def _own_account(command: AllocateTrade) -> str:
    """The account of the side that is split."""
    trade = command.trade
    return trade.taker_account if trade.taker_side == command.side else trade.maker_account


def _taken(market: Market, command: AllocateTrade, quantity: int) -> Change:
    """What an account takes over by a share, as the trade would have moved it, fees apart."""
    value = command.trade.price * quantity * market.instruments[command.trade.instrument].value_unit
    return Change(-value, quantity, quantity, 0) if command.side == BUY else Change(value, -quantity, 0, value)


def _given(market: Market, command: AllocateTrade) -> Change:
    """What the trade's own account gives away in all."""
    own = _own_account(command)
    away = sum(share.quantity for share in command.shares if share.account != own)
    taken = _taken(market, command, away)
    return Change(-taken.cash, -taken.quantity, -taken.bought, -taken.sold_for)


def _refused(market: Market, command: AllocateTrade) -> Refusal | None:
    trade, own, shares = command.trade, _own_account(command), command.shares
    if command.participant not in market.participants:
        return Reason.UNKNOWN_ACCOUNT, f"unknown participant {command.participant}"
    for name in (own, *(share.account for share in shares)):
        account = market.accounts.get(name)
        if account is None or account.participant.name != command.participant:
            return Reason.UNKNOWN_ACCOUNT, f"unknown account {name}"
    unknown = unknown_trade(market, trade)
    if unknown is not None:
        return unknown
    if (trade.seq, command.side) in market.allocated:
        return Reason.TOO_LATE, f"this side of trade {trade.seq} was allocated already"
    if trade.seq in market.amended:
        return Reason.TOO_LATE, f"trade {trade.seq} was busted or corrected"
    if trade.seq <= market.instruments[trade.instrument].split_seq:
        return Reason.TOO_LATE, f"{trade.instrument} was split after trade {trade.seq}"
    if not 1 <= len(shares) <= SHARES_MAX:
        return Reason.INVALID_QUANTITY, f"an allocation has 1 to {SHARES_MAX} shares"
    if len({share.account for share in shares}) < len(shares):
        return Reason.INVALID_QUANTITY, "an account has one share"
    if min(share.quantity for share in shares) < 1 or sum(share.quantity for share in shares) != trade.quantity:
        return Reason.INVALID_QUANTITY, "shares are above zero, and come to the quantity of the trade"
    return _short(market, command, market.accounts[own])


def _short(market: Market, command: AllocateTrade, own: Account) -> Refusal | None:
    """Why an account does not have what it would give."""
    instrument = market.instruments[command.trade.instrument]
    for share in command.shares:
        if share.account == own.name:
            continue
        account = market.accounts[share.account]
        if command.side == BUY:
            value, cash = -_taken(market, command, share.quantity).cash, account.cash_in(instrument.currency)
            if value > cash.total - cash.reserved:
                available = money_text(cash.total - cash.reserved)
                text = f"{money_text(value)} {instrument.currency} needed, {available} available in {account.name}"
                return Reason.INSUFFICIENT_FUNDS, text
        elif share.quantity > sellable(account, instrument):
            return short_of_shares(share.quantity, account, instrument)
    asset = lacking(market, instrument, own, _given(market, command))
    if asset:
        return Reason.INSUFFICIENT_FUNDS, f"{own.name} does not have the {asset} to give away any more"
    return None
