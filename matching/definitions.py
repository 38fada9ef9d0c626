"""What the market consists of: instruments, accounts, participants, what they have and what they may do. It trades nothing."""

from __future__ import annotations

import msgspec

from matching.accounts import Account, Participant
from matching.book import CANCELED
from matching.entry import end_all
from matching.instruments import PPM, Instrument, money_text
from matching.market import Market
from matching.messages import (
    INT64_MAX,
    MONEY_DECIMALS,
    AccessSet,
    AccountDefined,
    BalanceChanged,
    CancelReason,
    DefineAccount,
    DefineInstrument,
    DefineParticipant,
    Deposit,
    FeesSet,
    InstrumentDefined,
    OperatorCancel,
    OperatorNote,
    OperatorNoted,
    ParticipantDefined,
    Reason,
    ReferenceSet,
    SetAccess,
    SetFees,
    SetReference,
    Withdraw,
)
from matching.netting import to_receive

AMOUNT_DIGITS_MAX = 30
BAND_BPS_MAX = 1_000_000


def deposit(market: Market, command: Deposit) -> None:
    _transfer(market, command, 1)


def withdraw(market: Market, command: Withdraw) -> None:
    _transfer(market, command, -1)


def amount_of(text: str) -> int | None:
    """An amount as commands carry it; None where it is not a whole number above zero."""
    is_number = text.isascii() and text.isdigit() and len(text) <= AMOUNT_DIGITS_MAX
    return int(text) or None if is_number else None


def _transfer(market: Market, command: Deposit | Withdraw, sign: int) -> None:
    account = market.accounts.get(command.account)
    if account is None:
        return market.refuse(command, Reason.UNKNOWN_ACCOUNT, f"unknown account {command.account}")
    amount = amount_of(command.amount)
    if amount is None:
        return market.refuse(command, Reason.INVALID_AMOUNT, f"amount {command.amount[:40]!r} is not a whole number above zero")
    is_security = command.asset in market.instruments
    if not is_security and command.asset not in {instrument.currency for instrument in market.instruments.values()}:
        return market.refuse(command, Reason.UNKNOWN_INSTRUMENT, f"unknown asset {command.asset}")
    balance = account.position_in(command.asset) if is_security else account.cash_in(command.asset)
    if sign < 0:
        available = balance.total - balance.reserved
        if market.spend_unsettled:
            available -= to_receive(market, balance)
        at_most = min(available, balance.total - balance.unsettled)
        if amount > at_most:
            shown = market.instruments[command.asset].quantity_text(at_most) if is_security else money_text(at_most)
            text = f"{shown} {command.asset} are available in {account.name}"
            return market.refuse(command, Reason.INSUFFICIENT_FUNDS, text)
    balance.total += sign * amount
    market.events.append(
        BalanceChanged(
            market.next_seq(), account.name, command.asset, str(sign * amount), str(balance.total), command.by, command.reference
        )
    )
    return None


def define_instrument(market: Market, command: DefineInstrument) -> None:
    instrument = market.instruments.get(command.instrument)
    wrong = _wrong_in_instrument(command)
    if command.instrument in {command.currency, *(other.currency for other in market.instruments.values())}:
        wrong = "an instrument is not named as a currency is"
    elif command.currency in market.instruments:
        wrong = "a currency is not named as an instrument is"
    if not wrong and instrument is not None:
        wrong = _wrong_in_change(market, instrument, command)
    if wrong:
        return market.refuse(command, Reason.BAD_DEFINITION, f"{command.instrument}: {wrong}")
    if instrument is None:
        instrument = market.instruments[command.instrument] = Instrument(command)
        instrument.phase = market.markets.get(command.market, command.phase)
    else:
        instrument.change(command)
        for account in market.accounts.values():
            account.apply_fees(instrument.symbol)
    if not command.by:
        instrument.configured = command
    now = msgspec.structs.replace(command, phase=instrument.phase)
    market.events.append(InstrumentDefined(market.next_seq(), *msgspec.structs.astuple(now)))
    return None


def _wrong_in_instrument(terms: DefineInstrument) -> str:
    """What makes terms impossible; empty when nothing does."""
    if not terms.instrument or not terms.currency or not terms.market:
        return "symbol, currency and market must be named"
    if terms.price_decimals < 0 or terms.quantity_decimals < 0 or terms.price_decimals + terms.quantity_decimals > MONEY_DECIMALS:
        return f"price and quantity decimals are together more than {MONEY_DECIMALS}"
    if min(terms.tick, terms.lot, terms.quantity_max, terms.value_max, terms.reference_price) <= 0:
        return "tick, lot, limits and reference price are above zero"
    if terms.value_max > INT64_MAX or terms.quantity_max > INT64_MAX:
        return "a limit is beyond 64 bits"
    if not 0 < terms.band_bps <= BAND_BPS_MAX:
        return "the band is between 0.01 % and 10,000 %"
    if not 0 <= terms.dynamic_band_bps <= BAND_BPS_MAX or terms.pause_ns <= 0:
        return "the dynamic band is up to 10,000 %, and its pause above zero"
    if beyond_64_bits(terms.reference_price, terms.band_bps):
        return "the band around the reference price goes beyond 64 bits"
    return _wrong_in_fees(terms.maker_fee_ppm, terms.taker_fee_ppm)


def _wrong_in_fees(maker_fee_ppm: int, taker_fee_ppm: int) -> str:
    if not -PPM < maker_fee_ppm < PPM or not 0 <= taker_fee_ppm < PPM or maker_fee_ppm + taker_fee_ppm < 0:
        return "a fee is below 100 %, and a maker's rebate not above the taker's fee"
    return ""


def beyond_64_bits(reference_price: int, band_bps: int) -> bool:
    """Whether a price within the band might not fit into a record."""
    return reference_price * (10_000 + band_bps) // 10_000 > INT64_MAX


def _wrong_in_change(market: Market, instrument: Instrument, terms: DefineInstrument) -> str:
    old = instrument.terms
    if (old.currency, old.price_decimals, old.quantity_decimals, old.market) != (
        terms.currency, terms.price_decimals, terms.quantity_decimals, terms.market,
    ):  # fmt: skip
        return "currency, decimals and market of an instrument do not change"
    costs_change = (old.tick, old.lot, old.maker_fee_ppm, old.taker_fee_ppm) != (
        terms.tick, terms.lot, terms.maker_fee_ppm, terms.taker_fee_ppm,
    )  # fmt: skip
    if costs_change and any(
        order.instrument is instrument
        for participant in market.participants.values()
        for order in participant.open_orders.values()
    ):
        return "tick, lot and fees do not change while orders are open"
    return ""


def define_account(market: Market, command: DefineAccount) -> None:
    account = market.accounts.get(command.account)
    if account is not None and account.participant.name != command.participant:
        return market.refuse(command, Reason.BAD_DEFINITION, f"account {account.name} belongs to {account.participant.name}")
    if command.short_max < 0 or not command.account or not command.participant:
        return market.refuse(command, Reason.BAD_DEFINITION, "an account has a name, a participant and a short limit from 0")
    if account is None:
        account = market.accounts[command.account] = Account(_participant(market, command.participant), command, market.instruments)
    else:
        account.set_terms(command)
    if not command.by:
        account.configured = command
    market.events.append(AccountDefined(market.next_seq(), *msgspec.structs.astuple(command)))
    return None


def _participant(market: Market, name: str) -> Participant:
    participant = market.participants.get(name)
    if participant is None:
        participant = market.participants[name] = Participant(name)
    return participant


def define_participant(market: Market, command: DefineParticipant) -> None:
    limits = command.open_orders_max, command.orders_per_day_max, command.cancel_grace_seconds
    rates = command.orders_per_second, command.cancels_per_second
    value_max = command.value_max
    amount_is_wrong = not (value_max.isascii() and value_max.isdigit() and len(value_max) <= AMOUNT_DIGITS_MAX)
    if not command.participant or min(limits) < 0 or min(rates) < -1 or amount_is_wrong:
        return market.refuse(command, Reason.BAD_DEFINITION, "a participant has a name, and no limit is below zero")
    participant = _participant(market, command.participant)
    participant.set_terms(command)
    if not command.by:
        participant.configured = command
    market.events.append(ParticipantDefined(market.next_seq(), *msgspec.structs.astuple(command)))
    return None


def set_fees(market: Market, command: SetFees) -> None:
    participant, symbol = market.participants.get(command.participant), command.instrument
    maker, taker = command.maker_fee_ppm, command.taker_fee_ppm
    if participant is None:
        return market.refuse(command, Reason.UNKNOWN_ACCOUNT, f"unknown participant {command.participant}")
    if symbol and symbol not in market.instruments:
        return market.refuse(command, Reason.UNKNOWN_INSTRUMENT, f"unknown symbol {symbol}")
    wrong = ""
    if (maker is None) != (taker is None):
        wrong = "a maker's fee and a taker's are given together, or neither"
    elif maker is not None and taker is not None:
        wrong = _wrong_in_fees(maker, taker)
    if not wrong and any(symbol in ("", order.instrument.symbol) for order in participant.open_orders.values()):
        wrong = f"fees do not change while orders of {participant.name} are open"
    if wrong:
        return market.refuse(command, Reason.BAD_DEFINITION, wrong)
    if maker is None or taker is None:
        participant.fees.pop(symbol, None)
    else:
        participant.fees[symbol] = maker, taker
    for account in market.accounts.values():
        if account.participant is participant:
            for traded in account.positions:
                account.apply_fees(traded)
    if not command.by:
        market.fees_configured.pop((participant.name, symbol), None)
        if maker is not None:
            market.fees_configured[participant.name, symbol] = command
    market.events.append(FeesSet(market.next_seq(), participant.name, symbol, maker, taker, command.by))
    return None


def set_access(market: Market, command: SetAccess) -> None:
    participant = market.participants.get(command.participant)
    if participant is None:
        return market.refuse(command, Reason.UNKNOWN_ACCOUNT, f"unknown participant {command.participant}")
    participant.set_access(command.access)
    chosen = list(participant.open_orders.values()) if participant.blocked else []
    market.events.append(AccessSet(market.next_seq(), command.participant, command.access, len(chosen), command.by))
    return end_all(market, chosen, CANCELED, CancelReason.KILLED)


def set_reference(market: Market, command: SetReference) -> None:
    instrument = market.instruments.get(command.instrument)
    if instrument is None:
        return market.refuse(command, Reason.UNKNOWN_INSTRUMENT, f"unknown symbol {command.instrument}")
    price = command.price
    if price <= 0:
        return market.refuse(command, Reason.BAD_DEFINITION, "a reference price is above zero")
    if beyond_64_bits(price, instrument.terms.band_bps):
        return market.refuse(command, Reason.BAD_DEFINITION, "the band around this reference price goes beyond 64 bits")
    if price % instrument.tick:
        text = f"price {instrument.price_text(price)} is not a multiple of the tick {instrument.price_text(instrument.tick)}"
        return market.refuse(command, Reason.OFF_TICK, text)
    instrument.set_reference(price)
    market.events.append(
        ReferenceSet(market.next_seq(), instrument.symbol, price, instrument.low, instrument.high, command.by)
    )
    return None


def operator_cancel(market: Market, command: OperatorCancel) -> None:
    for participant in market.participants.values():
        order = participant.open_orders.get(command.order_id)
        if order is not None:
            return end_all(market, [order], CANCELED, CancelReason.OPERATOR)
    return market.refuse(command, Reason.UNKNOWN_ORDER, f"no open order has the number {command.order_id}")


def operator_note(market: Market, command: OperatorNote) -> None:
    market.events.append(OperatorNoted(market.next_seq(), command.text, command.by))
