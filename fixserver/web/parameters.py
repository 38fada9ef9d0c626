"""Parameters that several paths take, as the description says them, and what their text means; it looks nothing up."""

from __future__ import annotations

from typing import Annotated

from litestar.params import QueryParameter

from fixserver.web.errors import ApiError, bad_request
from marketdata.depth import Book, Depth

LIMIT_MAX = 1_000
CURSOR_DIGITS_MAX = 18
_CURSOR = f"^[1-9][0-9]{{0,{CURSOR_DIGITS_MAX - 1}}}$"

Symbol = Annotated[str, QueryParameter(description="Of an instrument, as GET /v1/instruments has it.")]
OptionalSymbol = Annotated[str | None, QueryParameter(description="Of one instrument alone.")]
From = Annotated[
    str | None,
    QueryParameter(name="from", description="The first moment, UTC where it says no offset.", schema_extra={"format": "date-time"}),
]
To = Annotated[
    str | None,
    QueryParameter(name="to", description="The first moment that no more counts.", schema_extra={"format": "date-time"}),
]
Limit = Annotated[int, QueryParameter(ge=1, le=LIMIT_MAX, description="How many at most.")]
Cursor = Annotated[str | None, QueryParameter(description="`next` of the page before.", pattern=_CURSOR)]
AccountName = Annotated[
    str | None, QueryParameter(name="account", description="One of your own; the one that has your name where it is not said.")
]


def number(cursor: str | None) -> int | None:
    """The number that a cursor is. Raises ApiError: 400."""
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= CURSOR_DIGITS_MAX):
        raise bad_request("not-a-cursor", f"cursor: is to be what `next` of the page before was, not {cursor}")
    return int(cursor)


def book_of(depth: Depth, symbol: str) -> Book:
    """Raises ApiError: 404."""
    book = depth.books.get(symbol)
    if book is None:
        raise ApiError(404, "unknown-symbol", f"{symbol or 'an instrument without a name'} is not traded here")
    return book
