"""The routes for a participant who is signed in: what his accounts have and how they came to have it; it knows nobody else's.

Balances and statements are the ledger's. What is reserved is that of open orders, of what is blocked and of short positions, as
the feed has them.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Router, get
from litestar.di import Provide
from litestar.params import QueryParameter
from sqlalchemy import Connection

from clearing import statements
from clearing.postings import CURRENCY, PARTICIPANT, AssetRow
from clearing.statements import Line as LedgerLine
from fixserver.web import pages
from fixserver.web.backend import Asked, Backend
from fixserver.web.errors import ApiError, bad_request, errors, unavailable
from fixserver.web.guards import SECURITY, Participant, participant, signed_in
from fixserver.web.ledger import Balances as LedgerBalances
from fixserver.web.ledger import LedgerUnavailable
from fixserver.web.parameters import AccountName, Cursor, From, Limit, OptionalSymbol, To, book_of, number
from fixserver.web.times import moment
from marketdata import own_shapes, shapes
from matching.instruments import decimal_text

# How long an answer waits for the ledger to have what the feed had when it was asked for: who has just traded sees it.
LEDGER_SECONDS = 0.5
ASSET_MAX = 64


class Balance(msgspec.Struct, frozen=True):
    """Of a currency. Of `total`, `settled` is there, and `unsettled` is to be received (above 0) or paid. `reserved` is for open
    orders and for short positions, or is blocked until it is there; `available` is the rest."""

    asset: str
    total: str
    settled: str
    unsettled: str
    reserved: str
    available: str


class Balances(msgspec.Struct, frozen=True):
    """`event_number` is the last event that the totals know of."""

    account: str
    event_number: int
    balances: list[Balance]


class Holding(msgspec.Struct, frozen=True):
    """Of an instrument, as in Balance. `value` is the quantity at the last price; both are null where it never traded."""

    symbol: str
    quantity: str
    settled: str
    unsettled: str
    reserved: str
    available: str
    last: str | None
    value: str | None


class Holdings(msgspec.Struct, frozen=True):
    """`event_number` is the last event that the quantities know of."""

    account: str
    event_number: int
    holdings: list[Holding]


class Amount(msgspec.Struct, frozen=True):
    asset: str
    amount: str


class Line(msgspec.Struct, frozen=True):
    """What came (`change` above zero) or went, and the balance of the asset after it; both are of what is to be received or
    delivered where `unsettled`. `symbol`, `quantity` and `price` are those of the trade, `reverses` is the event that was taken
    back; null where there is none."""

    event_number: int
    time: str
    what: str
    asset: str
    change: str
    balance: str
    symbol: str | None
    quantity: str | None
    price: str | None
    unsettled: bool
    reverses: int | None
    entered_by: str | None
    reference: str | None


class Statement(msgspec.Struct, frozen=True):
    """`opening` is what was there before the first line of this page, `opening_unsettled` what was to be received (above 0) or
    delivered; zeros left out. Oldest first."""

    account: str
    opening: list[Amount]
    opening_unsettled: list[Amount]
    lines: list[Line]
    next: str | None


class Executions(msgspec.Struct, frozen=True):
    """Newest first. `next` is the cursor of the next page, null where there is none."""

    executions: list[own_shapes.Execution]
    next: str | None


LineCursor = Annotated[
    str | None, QueryParameter(name="cursor", description="`next` of the page before.", pattern=r"^[1-9][0-9]{0,17}\.[0-9]{1,3}$")
]


def own_account(backend: Backend, name: str, account: str | None) -> str:
    """The account that a participant asks for. Raises ApiError: 403 where it is not his, whether there is such an account
    or not."""
    if account is None or account == name:
        return name
    if backend.feed.own.owner(account) != name:
        raise ApiError(403, "not-your-account", f"{account} is no account of yours")
    return account


@get("/balance", responses=errors(401, 403, 503), operation_id="balance")
async def balance(backend: Asked, participant: Participant, account: AccountName = None) -> Balances:
    """What an account has of each currency."""
    name = own_account(backend, participant, account)
    return balances_of(backend, name, await _read(backend, name))


@get("/holdings", responses=errors(401, 403, 503), operation_id="holdings")
async def holdings(backend: Asked, participant: Participant, account: AccountName = None) -> Holdings:
    """What an account has of each instrument."""
    name = own_account(backend, participant, account)
    return holdings_of(backend, name, await _read(backend, name))


async def _read(backend: Backend, account: str) -> LedgerBalances:
    try:
        return await backend.ledger.balances(account, backend.feed.depth.cursor, LEDGER_SECONDS)
    except LedgerUnavailable as error:
        raise _ledger_unavailable(error) from error


def _ledger_unavailable(_: LedgerUnavailable) -> ApiError:
    return unavailable("no-ledger", "the ledger cannot be read now: try again")


def balances_of(backend: Backend, account: str, found: LedgerBalances) -> Balances:
    """What the ledger found, as JSON says it."""
    reserved = _reserved(backend, account, found)
    shown = []
    for row in found.balances:
        if row.asset.kind == CURRENCY:
            kept = reserved.get(row.asset.name, 0)
            amounts = row.amount, row.settled, row.unsettled, kept, row.amount - kept
            shown.append(Balance(row.asset.name, *(_text(amount, row.asset) for amount in amounts)))
    return Balances(account, found.event_seq, shown)


def _reserved(backend: Backend, account: str, found: LedgerBalances) -> dict[str, int]:
    """By asset. The margin goes by what the ledger has of each instrument."""
    return backend.feed.own.reserved(account, {row.asset.name: row.amount for row in found.balances})


def holdings_of(backend: Backend, account: str, found: LedgerBalances) -> Holdings:
    """The same of instruments: those of which the account has any, owes some, or is to receive or deliver some."""
    reserved = _reserved(backend, account, found)
    shown = []
    for row in found.balances:
        kept = reserved.get(row.asset.name, 0)
        if row.asset.kind == CURRENCY or not (row.amount or row.unsettled or kept):
            continue
        book = backend.feed.depth.books.get(row.asset.name)
        last = book.last.price if book is not None and book.last is not None else None
        price_decimals = row.asset.price_decimals or 0
        amounts = row.amount, row.settled, row.unsettled, kept, row.amount - kept
        quantity, settled, unsettled, held_back, available = (_text(amount, row.asset) for amount in amounts)
        shown.append(
            Holding(
                symbol=row.asset.name,
                quantity=quantity,
                settled=settled,
                unsettled=unsettled,
                reserved=held_back,
                available=available,
                last=None if last is None else decimal_text(last, price_decimals),
                value=None if last is None else shapes.value_text(row.amount * last, price_decimals + row.asset.decimals),
            )
        )
    return Holdings(account, found.event_seq, shown)


def _text(units: int, asset: AssetRow) -> str:
    return shapes.value_text(units, asset.decimals) if asset.kind == CURRENCY else decimal_text(units, asset.decimals)


@get("/executions", responses=errors(401, 403, 404, 503), operation_id="executions")
async def executions(
    backend: Asked, participant: Participant, account: AccountName = None, symbol: OptionalSymbol = None, from_: From = None,
    to: To = None, limit: Limit = 100, cursor: Cursor = None,
) -> Executions:  # fmt: skip
    """What an account bought and sold, newest first."""
    name = own_account(backend, participant, account)
    books = backend.feed.depth.books
    if symbol is not None:
        book_of(backend.feed.depth, symbol)
    begin, end = moment("from", from_), moment("to", to)
    page = await pages.executions(backend, participant, name, symbol or "", begin, end, number(cursor), limit)
    return Executions([own_shapes.execution(books[one.instrument].terms, one) for one in page.rows], page.next)


@get("/statement", responses=errors(401, 403, 503), operation_id="statement")
async def statement(
    backend: Asked, participant: Participant, account: AccountName = None, from_: From = None, to: To = None, limit: Limit = 100,
    cursor: LineCursor = None,
) -> Statement:  # fmt: skip
    """What came and went in an account, oldest first."""
    name = own_account(backend, participant, account)
    begin, end = moment("from", from_), moment("to", to)
    seq, shown = _line_cursor(cursor)

    def read(connection: Connection) -> Statement:
        found = statements.find_account(connection, name)
        if found is None or found.kind != PARTICIPANT:
            return Statement(name, [], [], [], None)
        page = statements.statement(connection, found, begin, end, "", seq, shown + limit + 1)
        lines = list(page.lines)
        running = {False: dict(page.opening), True: dict(page.opening_unsettled)}
        for line in lines[:shown]:  # of the event that the page before ended in the middle of
            if line.event_seq == seq:
                running[line.unsettled][line.asset] = line.balance
        rest = lines[sum(line.event_seq == seq for line in lines[:shown]) :]
        opening, unsettled = (
            [Amount(asset.name, _text(amount, asset)) for asset, amount in running[one].items() if amount] for one in (False, True)
        )
        return Statement(name, opening, unsettled, [_line(line) for line in rest[:limit]], _next_cursor(rest, limit, seq, shown))

    try:
        return await backend.ledger.ask(read)
    except LedgerUnavailable as error:
        raise _ledger_unavailable(error) from error


def _line_cursor(cursor: str | None) -> tuple[int, int]:
    """The event that a page begins in, and how many of its lines were on the pages before."""
    if cursor is None:
        return 1, 0
    event, dot, shown = cursor.partition(".")
    if not (dot and cursor.isascii() and event.isdigit() and shown.isdigit() and len(event) <= 18 and len(shown) <= 3):
        raise bad_request("not-a-cursor", f"cursor: is to be what `next` of the page before was, not {cursor}")
    return int(event), int(shown)


def _next_cursor(rest: list[LedgerLine], limit: int, seq: int, shown: int) -> str | None:
    if len(rest) <= limit:
        return None
    last = rest[limit - 1].event_seq
    count = sum(line.event_seq == last for line in rest[:limit])
    return f"{last}.{count + shown if last == seq else count}"


def _line(line: LedgerLine) -> Line:
    instrument = line.instrument
    return Line(
        event_number=line.event_seq,
        time=shapes.iso_time(line.time),
        what=line.what,
        asset=line.asset.name,
        change=_text(line.change, line.asset),
        balance=_text(line.balance, line.asset),
        symbol=instrument.name if instrument is not None else None,
        quantity=decimal_text(line.quantity, instrument.decimals) if instrument is not None and line.quantity else None,
        price=decimal_text(line.price, instrument.price_decimals or 0) if instrument is not None and line.price else None,
        unsettled=line.unsettled,
        reverses=line.reverses,
        entered_by=line.entered_by or None,
        reference=line.reference or None,
    )


account_router = Router(
    "/",
    route_handlers=[balance, holdings, executions, statement],
    guards=[signed_in],
    dependencies={"participant": Provide(participant, sync_to_thread=False)},
    tags=["account"],
    security=SECURITY,
)
