"""MassQuote and QuoteCancel: two-sided quotes, each in the place of its predecessor. A side is an order without ClOrdID."""

from __future__ import annotations

from matching.accounts import Account, Participant
from matching.book import CANCELED, Order
from matching.entry import accept, end_all, terms_refused
from matching.instruments import Instrument
from matching.margin import opens, short_of_margin
from matching.market import Market, Refusal, need, reserve, sellable
from matching.messages import (
    BUY,
    DAY,
    LIMIT,
    ORDERS_APART,
    QUOTE_ENTRIES_MAX,
    SELL,
    CancelQuotes,
    CancelReason,
    Conditions,
    MassQuote,
    NewOrder,
    QuoteEntry,
    QuoteResult,
    QuotesAnswered,
    QuotesCanceled,
    Reason,
    Side,
)
from matching.rules import blocked, phase_refusal, short_of_cash, short_of_shares
from matching.trading import enter


def mass_quote(market: Market, command: MassQuote) -> None:
    account = market.accounts.get(command.account)
    refused: Refusal | None = None
    if account is None or account.participant.name != command.participant:
        refused = Reason.UNKNOWN_ACCOUNT, f"unknown account {command.account} of {command.participant}"
    elif account.participant.blocked:
        refused = blocked(account.participant)
    elif not 1 <= len(command.entries) <= QUOTE_ENTRIES_MAX:
        refused = Reason.UNSUPPORTED, f"a mass quote has 1 to {QUOTE_ENTRIES_MAX} entries"
    if refused is not None or account is None:
        assert refused is not None
        _answer(market, command, market.next_seq(), [], refused)
        return
    # The answer comes before what the entries cause, but is known after it: its number and its place are kept.
    seq, place = market.next_seq(), len(market.events)
    entered = 0
    results = []
    for entry in command.entries:
        refused = _entry_refused(market, account, entry)
        if refused is None:
            entered = _take(market, command, account, entry, entered)
            results.append(QuoteResult(entry.entry_id, entry.instrument))
        else:
            results.append(QuoteResult(entry.entry_id, entry.instrument, refused[0], refused[1]))
    _answer(market, command, seq, results, None)
    market.events.insert(place, market.events.pop())


def _answer(market: Market, command: MassQuote, seq: int, results: list[QuoteResult], refused: Refusal | None) -> None:
    reason, text = refused or (0, "")
    market.events.append(
        QuotesAnswered(
            seq, command.participant, command.session, command.quote_id, results, int(reason), text, command.response_level,
            command.routing,
        )
    )  # fmt: skip


def _present(account: Account, symbol: str) -> tuple[Order | None, Order | None]:
    """The sides of an account's quote that are open."""
    bid, offer = account.participant.quotes.get((account.name, symbol), (None, None))
    return (None if bid is None or bid.ended else bid), (None if offer is None or offer.ended else offer)


def _entry_refused(market: Market, account: Account, entry: QuoteEntry) -> Refusal | None:
    instrument = market.instruments.get(entry.instrument)
    if instrument is None:
        return Reason.UNKNOWN_INSTRUMENT, f"unknown symbol {entry.instrument}"
    bids, offers = entry.bid_quantity, entry.offer_quantity
    if bids < 0 or offers < 0 or (entry.bid_price and not bids) or (entry.offer_price and not offers):
        return Reason.INVALID_QUANTITY, "a side of a quote has a quantity above zero and a price, or neither"
    if bids and offers and entry.bid_price >= entry.offer_price:
        return Reason.UNSUPPORTED, "the bid of a quote is below its offer"
    if instrument.phase == "closing-price":
        return Reason.NOT_IN_THIS_PHASE, "quotes are not taken in closing price trading"
    if not bids and not offers:
        return phase_refusal(instrument)
    participant = account.participant
    for side in (BUY, SELL):
        order = _order_of(entry, side, participant, account)
        refused = terms_refused(market, participant, instrument, order) if order.quantity else None
        if refused is not None:
            return refused
    bid, offer = _present(account, entry.instrument)
    for side, quantity in ((BUY, bids), (SELL, offers)):
        refused = opens(account, instrument, side, quantity, None, given_back=(bid, offer))
        if refused is not None:
            return refused
    cost = instrument.cost(entry.bid_price, bids, account.position_in(entry.instrument).fee_ppm_max)
    cash = account.cash_in(instrument.currency)
    if bids and cost > cash.total - cash.reserved + (bid.reserved if bid else 0):
        return short_of_cash(cost, account, instrument)
    if offers and offers > sellable(account, instrument) + (offer.reserved if offer else 0):
        return short_of_shares(offers, account, instrument)
    if not offers:
        return None
    position = account.position_in(entry.instrument)
    available = position.total - position.reserved
    given_back = offer.reserved if offer else 0
    return short_of_margin(
        account, instrument, available, available + given_back - offers, cost - (bid.reserved if bid else 0)
    )


def _order_of(
    entry: QuoteEntry, side: Side, participant: Participant, account: Account, command: MassQuote | None = None
) -> NewOrder:
    """A side of an entry as the order that it is."""
    price, quantity = (entry.bid_price, entry.bid_quantity) if side == BUY else (entry.offer_price, entry.offer_quantity)
    session, routing, marked, conditions = "", "", False, None
    if command is not None:
        session, routing, marked = command.session, command.routing, command.cancel_on_disconnect
        conditions = Conditions(quote_id=command.quote_id, quote_entry_id=entry.entry_id)
    return NewOrder(
        participant.name, session, "", account.name, entry.instrument, side, LIMIT, DAY, price, quantity, 0, routing, "", marked,
        conditions,
    )  # fmt: skip


def _take(market: Market, command: MassQuote, account: Account, entry: QuoteEntry, entered: int) -> int:
    """Put an entry in the place of the account's quote; returns how many orders the command has entered then."""
    instrument: Instrument = market.instruments[entry.instrument]
    participant = account.participant
    end_all(market, [side for side in _present(account, entry.instrument) if side], CANCELED, CancelReason.REQUOTED)
    sides: list[Order | None] = [None, None]
    for index, side in enumerate((BUY, SELL)):
        terms = _order_of(entry, side, participant, account, command)
        if terms.quantity:
            order_id = market.command_seq + entered * ORDERS_APART
            entered += 1
            sides[index] = order = accept(market, terms, instrument, order_id, terms.price, "")
            participant.quotes[account.name, entry.instrument] = sides[0], sides[1]
            reserve(order, need(order))
            enter(market, order)
    participant.quotes[account.name, entry.instrument] = sides[0], sides[1]
    return entered


def cancel_quotes(market: Market, command: CancelQuotes) -> None:
    participant = market.participants.get(command.participant)
    refused: Refusal | None = None
    if participant is None:
        refused = Reason.UNKNOWN_ACCOUNT, f"unknown participant {command.participant}"
    elif command.instrument and command.instrument not in market.instruments:
        refused = Reason.UNKNOWN_INSTRUMENT, f"unknown symbol {command.instrument}"
    chosen = [
        order
        for order in (participant.open_orders.values() if participant is not None and refused is None else ())
        if order.is_quote and (not command.instrument or order.instrument.symbol == command.instrument)
    ]
    reason, text = refused or (0, "")
    market.events.append(
        QuotesCanceled(
            market.next_seq(), command.participant, command.session, command.quote_id, command.instrument, len(chosen), int(reason),
            text, command.response_level, command.routing,
        )
    )  # fmt: skip
    end_all(market, chosen, CANCELED, CancelReason.QUOTE_CANCEL)
