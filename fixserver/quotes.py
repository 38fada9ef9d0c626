"""Quotes: MassQuote (i) and QuoteCancel (Z) made commands, MassQuoteAcknowledgement (b) written. It knows no rule of the market."""

from __future__ import annotations

from collections.abc import Mapping

from fixserver.conditions import SET_AND_ENTRY
from fixserver.dialects import Dialect
from fixserver.groups import entries_of, pairs_of
from fixserver.requests import account_of, bounded_routing, unknown_symbol
from fixserver.values import InstrumentNumbers, Refused, checked_id, price_of, quantity_of
from matching.messages import QUOTE_ENTRIES_MAX, CancelQuotes, MassQuote, QuoteEntry, QuotesAnswered, QuotesCanceled, Reason

SOH = "\x01"
ACCEPTED, CANCELED_FOR_SYMBOL, CANCELED_ALL, REJECTED = "0", "1", "4", "5"  # QuoteStatus(297)
OF_ONE, OF_ALL = "1", "4"  # QuoteCancelType(298)
# QuoteResponseLevel(301). What is left out is answered like each: a venue is not silent unless it is asked to be.
NOTHING, ERRORS, EACH, SUMMARY = "0", "1", "2", "3"
NOT_TAKEN = {
    "62": "ValidUntilTime", "367": "QuoteSetValidUntilTime", "2362": "SelfMatchPreventionID", "7928": "SelfMatchPreventionID",
    "2964": "SelfMatchPreventionInstruction", "8000": "SelfMatchPreventionInstruction",
}  # fmt: skip
TRADEABLE = "1"  # QuoteType(537)
_OUTSIDE = frozenset(["10"])


def mass_quote(
    text: str, fields: dict[str, str], participant: str, session: str, policy: str, instruments: Mapping[str, InstrumentNumbers]
) -> MassQuote:
    """MassQuote(i). Raises Refused. `policy`: which orders are canceled when their session ends; a quote is for the day."""
    quote_id = checked_id(fields["117"], "QuoteID")
    for tag, name in NOT_TAKEN.items():
        if tag in fields:
            raise Refused(Reason.UNSUPPORTED, f"{name} is not taken with quotes")
    if fields.get("537", TRADEABLE) != TRADEABLE:
        raise Refused(Reason.UNSUPPORTED, f"QuoteType {fields['537'][:8]} is not taken: quotes are tradeable")
    entries = _entries(text)
    if len(entries) > QUOTE_ENTRIES_MAX:
        raise Refused(Reason.LIMIT_EXCEEDED, f"a MassQuote has at most {QUOTE_ENTRIES_MAX} entries")
    names = [name for name, _ in entries]
    if len(set(names)) < len(names):
        raise Refused(Reason.DUPLICATE_CL_ORD_ID, "two entries of a set have the same QuoteEntryID")
    made = []
    for name, entry in entries:
        try:
            made.append(_entry(name, entry, fields, instruments))
        except Refused as refusal:
            raise Refused(refusal.reason, f"entry {name.rpartition(SET_AND_ENTRY)[2]}: {refusal.text}") from None
    return MassQuote(
        participant, session, quote_id, account_of(fields, participant), made, fields.get("301", ""), bounded_routing(fields),
        policy != "",
    )  # fmt: skip


def _entries(text: str) -> list[tuple[str, dict[str, str]]]:
    """Each entry's name, which is its set's and its own, and its fields. Raises Refused."""
    quote_set, found = "", list[tuple[str, dict[str, str]]]()
    for tag, value in pairs_of(text):
        if tag == "302":
            quote_set = checked_id(value, "QuoteSetID")
        elif tag == "299":
            checked_id(value, "QuoteEntryID")
            if SET_AND_ENTRY in quote_set + value:
                raise Refused(Reason.UNSUPPORTED, "QuoteSetID and QuoteEntryID are not taken with a unit separator in them")
            found.append((f"{quote_set}{SET_AND_ENTRY}{value}", {}))
        elif found:
            found[-1][1].setdefault(tag, value)  # the head of the next set belongs to none: what an entry says comes first
    return found


def _entry(name: str, entry: dict[str, str], message: dict[str, str], instruments: Mapping[str, InstrumentNumbers]) -> QuoteEntry:
    symbol = entry.get("55", "")
    numbers = instruments.get(symbol)
    if numbers is None:  # the core says so, of this entry alone
        return QuoteEntry(name, symbol, 0, 0, 0, 0)
    if entry.get("15", numbers.currency) != numbers.currency:
        raise Refused(Reason.UNSUPPORTED, f"Currency {entry['15'][:8]} is not that of {symbol}, {numbers.currency}")
    bid_size = entry.get("134", message.get("293", "0") if "132" in entry else "0")
    offer_size = entry.get("135", message.get("294", "0") if "133" in entry else "0")
    return QuoteEntry(
        name,
        symbol,
        price_of(entry.get("132", "0"), "BidPx", numbers),
        quantity_of(bid_size, "BidSize", numbers),
        price_of(entry.get("133", "0"), "OfferPx", numbers),
        quantity_of(offer_size, "OfferSize", numbers),
    )


def cancel_quotes(
    text: str, fields: dict[str, str], participant: str, session: str, instruments: Mapping[str, InstrumentNumbers]
) -> list[CancelQuotes]:
    """QuoteCancel(Z): a command for each instrument that it names. Raises Refused."""
    quote_id, level, routing = fields.get("117", ""), fields.get("301", ""), bounded_routing(fields)
    if quote_id:
        checked_id(quote_id, "QuoteID")
    if fields["298"] == OF_ALL:
        return [CancelQuotes(participant, session, quote_id, "", level, routing)]
    if fields["298"] != OF_ONE:
        raise Refused(Reason.UNSUPPORTED, f"QuoteCancelType {fields['298'][:8]} is not taken: 1 and 4 are")
    entries = entries_of(text, "295", "55", _OUTSIDE)
    if not entries:
        raise Refused(Reason.UNKNOWN_INSTRUMENT, "Symbol is needed to cancel the quotes of one")
    if len(entries) > QUOTE_ENTRIES_MAX:
        raise Refused(Reason.LIMIT_EXCEEDED, f"a QuoteCancel has at most {QUOTE_ENTRIES_MAX} entries")
    for entry in entries:
        if entry["55"] not in instruments:
            raise unknown_symbol(entry)
    return [CancelQuotes(participant, session, quote_id, entry["55"], level, routing) for entry in entries]


# ---------------------------------------------------------------------------------------------- answers


def answered(dialect: Dialect, event: QuotesAnswered) -> str:
    """What became of a MassQuote, or nothing where its sender wants to hear nothing of it."""
    level = event.response_level
    refused = [result for result in event.results if result.reason]
    if level == NOTHING or (level == ERRORS and not event.reason and not refused):
        return ""
    if event.reason:
        return refused_as_a_whole(dialect, event.quote_id, level, Refused(Reason(event.reason), event.text))
    shown = refused if level == ERRORS else [] if level == SUMMARY else event.results
    sets: dict[str, list[str]] = {}
    for result in shown:
        quote_set, _, name = result.entry_id.partition(SET_AND_ENTRY)
        reason = f"368={dialect.quote_rej_reason(Reason(result.reason))}{SOH}" if result.reason else ""
        sets.setdefault(quote_set, []).append(f"299={name}{SOH}55={result.instrument}{SOH}{reason}")
    text = ""
    if refused:
        others = f"; {len(refused) - 1} others are refused too" if len(refused) > 1 else ""
        text = f"entry {refused[0].entry_id.rpartition(SET_AND_ENTRY)[2]}: {refused[0].text}{others}"
    groups = "".join(
        f"302={name}{SOH}304={len(entries)}{SOH}295={len(entries)}{SOH}{''.join(entries)}" for name, entries in sets.items()
    )
    return _acknowledgement(event.quote_id, ACCEPTED, "", level, text) + (f"296={len(sets)}{SOH}{groups}" if sets else "")


def canceled(dialect: Dialect, event: QuotesCanceled) -> str:
    """What became of a QuoteCancel, or nothing where its sender wants to hear nothing of it."""
    level = event.response_level
    if event.reason:
        why = Refused(Reason(event.reason), event.text)
        return "" if level == NOTHING else refused_as_a_whole(dialect, event.quote_id, level, why)
    if level in (NOTHING, ERRORS):
        return ""
    status, of = (CANCELED_FOR_SYMBOL, f" of {event.instrument}") if event.instrument else (CANCELED_ALL, "")
    return _acknowledgement(event.quote_id, status, "", level, f"{event.affected} sides of quotes{of} are canceled")


def refused_as_a_whole(dialect: Dialect, quote_id: str, level: str, why: Refused) -> str:
    """The answer to a MassQuote or QuoteCancel of which nothing was done."""
    return _acknowledgement(quote_id, REJECTED, dialect.quote_rej_reason(why.reason), level, why.text)


def _acknowledgement(quote_id: str, status: str, reason: str, level: str, text: str) -> str:
    return (
        (f"117={quote_id}{SOH}" if quote_id else "")
        + f"297={status}{SOH}"
        + (f"300={reason}{SOH}" if reason else "")
        + (f"301={level}{SOH}" if level else "")
        + (f"58={text}{SOH}" if text else "")
    )
