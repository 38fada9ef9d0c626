"""Phases and instruments as the market-data port tells them: answers to e, g and x, and what is said unasked. It sends nothing.

Each function returns messages as (MsgType, body), made of the depth as it stands.
"""

from __future__ import annotations

from fixserver import statuses
from fixserver.dialects import Dialect
from fixserver.reports import Reports
from fixserver.sessions import utc_text
from fixserver.values import Decimals
from marketdata.depth import Book, Depth
from matching.messages import MarketPhaseChanged, PhaseChanged

Message = tuple[str, str]

SECURITY_STATUS, TRADING_SESSION_STATUS, SECURITY_LIST, BUSINESS_REJECT = "f", "h", "y", "j"
ONE_SYMBOL, ALL_SYMBOLS = "0", "4"  # SecurityListRequestType(559)
UNSUBSCRIBE = "2"  # SubscriptionRequestType(263)
UNKNOWN_ID = "1"  # BusinessRejectReason(380)


def changed(depth: Depth, event: PhaseChanged | MarketPhaseChanged, time: int, dialect: Dialect) -> Message:
    """What all are told when an instrument or a market enters a phase. `time` (ns) is that of the event."""
    if isinstance(event, MarketPhaseChanged):
        return TRADING_SESSION_STATUS, statuses.session_status(dialect, event.market, event.phase)
    book = depth.books[event.instrument]
    return SECURITY_STATUS, statuses.security_status(
        dialect, event.instrument, book.terms.market, event.phase, _last(book), utc_text(time, dialect.time_digits),
        more=statuses.until_text(event.until),
    )  # fmt: skip


def security_status(depth: Depth, fields: dict[str, str], dialect: Dialect) -> list[Message]:
    """The answer to SecurityStatusRequest(e). Changes are told to all: there is nothing to subscribe to, and nothing to end."""
    if fields.get("263") == UNSUBSCRIBE:
        return []
    symbol, request = fields.get("55", ""), fields.get("324", "")
    book, time = depth.books.get(symbol), utc_text(depth.time, dialect.time_digits)
    if book is None:
        return [(SECURITY_STATUS, statuses.security_unknown(dialect, symbol, request, time))]
    body = statuses.security_status(
        dialect, symbol, book.terms.market, book.phase, _last(book), time, request=request, more=statuses.until_text(book.until)
    )
    return [(SECURITY_STATUS, body)]


def session_status(depth: Depth, fields: dict[str, str], dialect: Dialect) -> list[Message]:
    """The answer to TradingSessionStatusRequest(g): of the market that it names, or of each."""
    if fields.get("263") == UNSUBSCRIBE:
        return []
    wanted, request = statuses.market_of(dialect, fields), fields.get("335", "")
    if wanted and wanted not in depth.markets:
        text = f"unknown market {wanted[:32]}"
        if dialect.session_refused:
            return [(TRADING_SESSION_STATUS, statuses.session_refused(dialect, wanted, request, text))]
        return [(BUSINESS_REJECT, Reports.business_reject(fields, UNKNOWN_ID, text))]
    return [
        (TRADING_SESSION_STATUS, statuses.session_status(dialect, market, phase, request=request))
        for market, phase in depth.markets.items()
        if wanted in ("", market)
    ]


def security_list(depth: Depth, fields: dict[str, str], dialect: Dialect, response: str) -> list[Message]:
    """The answer to SecurityListRequest(x): one instrument, or all; those of a market where one is named."""
    request, scope, symbol = fields.get("320", ""), fields.get("559", ""), fields.get("55", "")
    market = statuses.market_of(dialect, fields)
    if scope not in (ONE_SYMBOL, ALL_SYMBOLS):
        return [(SECURITY_LIST, statuses.security_list_refused(request, response, statuses.NOT_TAKEN))]
    found = [
        (book.terms, Decimals(book.price_decimals, book.quantity_decimals), *book.band)
        for name, book in sorted(depth.books.items())
        if (scope == ALL_SYMBOLS or name == symbol) and market in ("", book.terms.market)
    ]
    if not found:
        return [(SECURITY_LIST, statuses.security_list_refused(request, response, statuses.NONE_FOUND))]
    return [(SECURITY_LIST, body) for body in statuses.security_lists(dialect, request, response, found)]


def _last(book: Book) -> str:
    return Decimals(book.price_decimals, 0).price(book.last.price) if book.last is not None else ""
