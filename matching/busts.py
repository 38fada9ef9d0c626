"""Trades that are taken back or corrected by the operator. What they were is in the command: the engine keeps no trades."""

from __future__ import annotations

import msgspec

from matching.book import Order
from matching.instruments import PPM
from matching.market import Amendment, Market, Refusal
from matching.messages import BUY, INT64_MAX, SELL, BustTrade, CorrectTrade, OrderState, Reason, TradeBusted, TradeCorrected, Traded
from matching.netting import NO_CHANGE, Change, lacking, move
from matching.state import order_state

BUSTED = Amendment(0, 0, 0, 0)


def bust_trade(market: Market, command: BustTrade) -> None:
    trade = command.trade
    refused = _refused(market, trade, BUSTED)
    if refused is not None:
        return market.refuse(command, *refused)
    old = _present(market, trade)
    maker, taker = _amend(market, trade, BUSTED)
    market.events.append(
        TradeBusted(
            market.next_seq(), trade.seq, trade.instrument, old.price, old.quantity, trade.taker_side, trade.maker_account,
            trade.taker_account, old.maker_fee, old.taker_fee, maker, taker, command.by,
        )
    )  # fmt: skip
    return None


def correct_trade(market: Market, command: CorrectTrade) -> None:
    trade = command.trade
    refused = unknown_trade(market, trade) or _too_late(market, trade)
    old = _present(market, trade)
    new = old
    if refused is None:
        if not 0 < command.price <= INT64_MAX or not 0 < command.quantity <= old.quantity:
            refused = Reason.BAD_DEFINITION, "a correction has a price above zero, and a quantity up to that of the trade"
        elif command.price * command.quantity * market.instruments[trade.instrument].value_unit > INT64_MAX:
            refused = Reason.BAD_DEFINITION, "the trade would be worth more than 64 bits hold"
        elif (command.price, command.quantity) == (old.price, old.quantity):
            refused = Reason.BAD_DEFINITION, "the trade is at this price and of this quantity already"
        else:
            new = _at(market, trade, command.price, command.quantity)
    refused = refused or _refused(market, trade, new)
    if refused is not None:
        return market.refuse(command, *refused)
    maker, taker = _amend(market, trade, new)
    market.events.append(
        TradeCorrected(
            market.next_seq(), trade.seq, trade.instrument, new.price, new.quantity, trade.taker_side, trade.maker_account,
            trade.taker_account, new.maker_fee, new.taker_fee, old.price, old.quantity, old.maker_fee, old.taker_fee, maker, taker,
            command.by,
        )
    )  # fmt: skip
    return None


def _present(market: Market, trade: Traded) -> Amendment:
    """What a trade is now."""
    return market.amended.get(trade.seq) or Amendment(trade.price, trade.quantity, trade.maker_fee, trade.taker_fee)


def _at(market: Market, trade: Traded, price: int, quantity: int) -> Amendment:
    """What a trade is at another price or quantity, by the fees of today."""
    instrument = market.instruments[trade.instrument]
    value = price * quantity * instrument.value_unit
    maker, taker = (market.accounts[name].position_in(instrument.symbol) for name in (trade.maker_account, trade.taker_account))
    maker_fee_ppm = maker.taker_fee_ppm if trade.auction else maker.maker_fee_ppm
    return Amendment(price, quantity, value * maker_fee_ppm // PPM, value * taker.taker_fee_ppm // PPM)


def unknown_trade(market: Market, trade: Traded) -> Refusal | None:
    """Why a trade is none of this trading day."""
    if not market.day_began < trade.seq <= market.event_seq:
        return Reason.UNKNOWN_TRADE, f"{trade.seq} is not the number of a trade of this trading day"
    accounts = market.accounts.get(trade.maker_account), market.accounts.get(trade.taker_account)
    if None in accounts or trade.instrument not in market.instruments:
        return Reason.UNKNOWN_TRADE, f"trade {trade.seq} is of accounts or an instrument that are not known"
    return None


def _too_late(market: Market, trade: Traded) -> Refusal | None:
    if not _present(market, trade).quantity:
        return Reason.TOO_LATE, f"trade {trade.seq} was busted already"
    if trade.seq <= market.instruments[trade.instrument].split_seq:
        return Reason.TOO_LATE, f"{trade.instrument} was split after trade {trade.seq}"
    if not market.allocated.isdisjoint(((trade.seq, BUY), (trade.seq, SELL))):
        return Reason.TOO_LATE, f"trade {trade.seq} was allocated"
    return None


def _refused(market: Market, trade: Traded, new: Amendment) -> Refusal | None:
    """Why a trade cannot become `new`."""
    refused = unknown_trade(market, trade) or _too_late(market, trade)
    if refused is not None:
        return refused
    instrument = market.instruments[trade.instrument]
    for name, change in _changes(market, trade, new).items():
        asset = lacking(market, instrument, market.accounts[name], change)
        if asset:
            return Reason.INSUFFICIENT_FUNDS, f"{name} does not have the {asset} to give back: deposit it first"
    return None


def _changes(market: Market, trade: Traded, new: Amendment) -> dict[str, Change]:
    """By account: what it has by the trade changes by this when the trade becomes `new`."""
    unit = market.instruments[trade.instrument].value_unit
    old = _present(market, trade)
    value_change = (new.price * new.quantity - old.price * old.quantity) * unit
    quantity_change = new.quantity - old.quantity
    taker_sign = 1 if trade.taker_side == BUY else -1
    changes: dict[str, Change] = {}
    for name, sign, fee_change in (
        (trade.maker_account, -taker_sign, new.maker_fee - old.maker_fee),
        (trade.taker_account, taker_sign, new.taker_fee - old.taker_fee),
    ):
        cash_change = -sign * value_change - fee_change
        if sign > 0:
            change = Change(cash_change, quantity_change, quantity_change, 0)
        else:
            change = Change(cash_change, -quantity_change, 0, cash_change)
        changes[name] = changes.get(name, NO_CHANGE).plus(change)
    return changes


def _amend(market: Market, trade: Traded, new: Amendment) -> tuple[OrderState | None, OrderState | None]:
    """Have a trade be `new`: in the accounts and in its orders, which are returned, maker and taker."""
    instrument = market.instruments[trade.instrument]
    old = _present(market, trade)
    for name, change in _changes(market, trade, new).items():
        move(market, instrument, market.accounts[name], change)
    market.amended[trade.seq] = new
    states: list[OrderState | None] = []
    for name, order_id in ((trade.maker_account, trade.maker_order_id), (trade.taker_account, trade.taker_order_id)):
        order = market.accounts[name].participant.known_order(order_id)
        if order is not None:
            _amend_order(order, old, new)
        states.append(_told(order) if order is not None else None)
    return states[0], states[1]


def _told(order: Order) -> OrderState:
    """An order as the event has it. The value of one that met very many others may be more than a record can hold."""
    state = order_state(order)
    return state if state.value <= INT64_MAX else msgspec.structs.replace(state, value=INT64_MAX)


def _amend_order(order: Order, old: Amendment, new: Amendment) -> None:
    order.executed += new.quantity - old.quantity
    order.busted += old.quantity - new.quantity
    order.value += new.price * new.quantity - old.price * old.quantity
