"""Pages of trades and candles, of memory and of the history together, each exactly once; it shapes no answer.

Memory has the newest of everything, as the feed has it, and knows from where on that is all there is. The database is asked for
what is older, and has to have come at least as far: else the answer is 503, not one with a hole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from fixserver.web.errors import ApiError, unavailable
from fixserver.web.past import Found, PastUnavailable
from fixserver.web.times import MOMENT_MAX
from marketdata import shapes
from marketdata.candles import CANDLES_KEPT, SECOND, Candle
from marketdata.depth import Book
from marketdata.own import Execution
from marketdata.tape import Print, Tape
from matching.instruments import decimal_text
from matching.messages import BUY

if TYPE_CHECKING:
    from fixserver.web.backend import Backend

Row = TypeVar("Row")


class Page(NamedTuple, Generic[Row]):
    """Rows, and the cursor of the page behind; None where there is none."""

    rows: Sequence[Row]
    next: str | None


def trade(book: Book, one: Print) -> shapes.Trade:
    return shapes.Trade(
        id=str(one.number),
        time=shapes.iso_time(one.time),
        symbol=one.instrument,
        price=decimal_text(one.price, book.price_decimals),
        quantity=decimal_text(one.quantity, book.quantity_decimals),
        aggressor=None if not one.taker_side else "buy" if one.taker_side == BUY else "sell",
        status=one.status,
    )


async def trades(
    backend: Backend, symbol: str, begin: int | None, end: int | None, before: int | None, limit: int
) -> Page[Print]:
    """Trades within [begin, end) numbered below `before`, newest first. The cursor is the number of the page's last."""
    tape = backend.tape
    found: list[Print] = []
    for one in tape.newest(symbol, before):
        if begin is not None and one.time < begin:
            return Page(found, None)  # those behind are older still
        if end is None or one.time < end:
            found.append(one)
            if len(found) > limit:
                return _page(found, limit)
    known_from = tape.known_from(symbol)
    if not known_from:
        return _page(found, limit)
    highest = known_from + 1 if before is None else min(before, known_from + 1)
    try:
        # Where the page is full already, one tells whether there is another.
        past = await backend.past.trades(symbol, begin, end, highest, max(limit - len(found), 1))
        if past.event_seq < known_from:
            raise PastUnavailable("history-behind", "the history is being brought up to date: try again")
    except PastUnavailable as error:
        if found:  # which is a page; the one behind it is what cannot be had
            return Page(found, str(found[-1].number))
        raise _unavailable(error) from error
    found += [_as_amended(tape, one, past.event_seq) for one in past.rows]
    return _page(found, limit, past.more)


def _page(found: list[Print], limit: int, more: bool = False) -> Page[Print]:
    found, more = found[:limit], more or len(found) > limit
    return Page(found, str(found[-1].number) if more else None)


def _as_amended(tape: Tape, one: Print, event_seq: int) -> Print:
    """The trade as the events have it that the database does not have yet."""
    amended = tape.amended(one.number)
    if amended is None or amended.number <= event_seq:
        return one
    return one._replace(price=amended.price, quantity=amended.quantity, status=amended.status, amended=amended.number)


async def executions(
    backend: Backend, participant: str, account: str, symbol: str, begin: int | None, end: int | None, before: int | None,
    limit: int,
) -> Page[Execution]:  # fmt: skip
    """Executions of an account within [begin, end), newest first; of one instrument where it is named. The cursor is the place
    of the page's last among all of them, as `place` gives it."""
    own = backend.feed.own
    known_from = own.executions_known_from(participant)
    found: list[Execution] = []
    for one in reversed(own.executions(participant)):
        if one.number <= known_from:
            break
        if begin is not None and one.time < begin:
            return Page(found, None)
        wanted = one.account == account and symbol in ("", one.instrument) and (end is None or one.time < end)
        if wanted and (before is None or place(one) < before):
            found.append(one)
            if len(found) > limit:
                return Page(found[:limit], str(place(found[limit - 1])))
    if not known_from:
        return Page(found, None)
    highest = 2 * (known_from + 1) if before is None else min(before, 2 * (known_from + 1))
    try:
        past = await backend.past.executions([account], symbol, begin, end, highest, max(limit - len(found), 1))
        if past.event_seq < known_from:
            raise PastUnavailable("history-behind", "the history is being brought up to date: try again")
    except PastUnavailable as error:
        if found:
            return Page(found, str(place(found[-1])))
        raise _unavailable(error) from error
    found += [_execution_as_amended(backend.tape, one, past.event_seq) for one in past.rows]
    found, more = found[:limit], past.more or len(found) > limit
    return Page(found, str(place(found[-1])) if more else None)


def place(one: Execution) -> int:
    """Where an execution stands among all: both sides of a trade may be of the same account."""
    return 2 * one.number + (not one.maker)


def _execution_as_amended(tape: Tape, one: Execution, event_seq: int) -> Execution:
    amended = tape.amended(one.number)
    if amended is None or amended.number <= event_seq:
        return one
    fee = amended.maker_fee if one.maker else amended.taker_fee
    return one._replace(price=amended.price, quantity=amended.quantity, fee=fee, status=amended.status)


async def candles(
    backend: Backend, symbol: str, interval: str, begin: int | None, end: int | None, after: int | None, limit: int
) -> Page[Candle]:
    """Candles that begin within [begin, end) and behind second `after`, oldest first; where neither is said the last before `end`.
    The cursor is the second that the page's last begins at."""
    kept = backend.feed.candles.last(symbol, interval, CANDLES_KEPT)
    newest = begin is None and after is None
    first = min(max(begin or 0, 0 if after is None else (after + 1) * SECOND), MOMENT_MAX)
    found = [candle for candle in kept if candle.begin >= first and (end is None or candle.begin < end)]
    if newest and len(found) >= limit:
        return Page(found[-limit:], None)
    whole_from = kept[0].begin if kept else None  # all that begin here or later are in `kept`
    more = False
    if whole_from is None or first < whole_from:
        upto = whole_from if end is None else end if whole_from is None else min(end, whole_from)
        older = await _older(backend, symbol, interval, first, upto, newest, limit, len(kept))
        found, more = older.rows + found, older.more
    if newest:
        return Page(found[-limit:], None)
    found, more = found[:limit], more or len(found) > limit
    return Page(found, str(found[-1].begin // SECOND) if more else None)


async def _older(
    backend: Backend, symbol: str, interval: str, first: int, upto: int | None, newest: bool, limit: int, kept: int
) -> Found[Candle]:
    """Candles of the database that begin within [first, upto)."""
    try:
        past = await backend.past.candles(symbol, interval, first, upto, limit, newest)
        if kept == CANDLES_KEPT and upto is not None and past.time < upto and past.event_seq < backend.feed.depth.cursor:
            raise PastUnavailable("history-behind", "the history is being brought up to date: try again")
    except PastUnavailable as error:
        if kept < CANDLES_KEPT:
            return Found([], False, 0, 0)  # nothing was forgotten here
        raise _unavailable(error) from error
    return past


def _unavailable(error: PastUnavailable) -> ApiError:
    return unavailable(error.code, error.said)
