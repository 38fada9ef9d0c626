"""The routes for a participant who is signed in: his positions, his trades as the ledger has them, and what he is to deliver and to
receive; it knows nobody else's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Annotated, TypeVar

import msgspec
from litestar import Router, get
from litestar.di import Provide
from litestar.params import QueryParameter
from sqlalchemy import Connection

from clearing import reports, statements
from clearing.ledger import read_cursor
from clearing.postings import BOUGHT_IN, PARTICIPANT, AssetRow
from fixserver.web.account import own_account
from fixserver.web.backend import Asked, Backend
from fixserver.web.errors import ApiError, errors, unavailable
from fixserver.web.guards import SECURITY, Participant, participant, signed_in
from fixserver.web.ledger import LedgerBehind, LedgerUnavailable
from fixserver.web.parameters import AccountName, Cursor, From, Limit, To, number
from fixserver.web.times import moment
from marketdata import shapes
from matching.instruments import decimal_text
from matching.messages import MONEY_DECIMALS

Answer = TypeVar("Answer")


class Position(msgspec.Struct, frozen=True):
    """What is held of an instrument, delivered or not (below zero: short), by average cost. `mark` is the last trade's price, or
    the reference price; what follows from it is null where neither is known. `fees` and `dividends` are in neither profit."""

    symbol: str
    quantity: str
    average_price: str | None
    cost: str
    mark: str | None
    value: str | None
    unrealised: str | None
    realised: str
    fees: str
    dividends: str


class Positions(msgspec.Struct, frozen=True):
    """`event_number` is the last event that they know of."""

    account: str
    event_number: int
    positions: list[Position]


class BlotterTrade(msgspec.Struct, frozen=True):
    """`what` is trade, bust, correction or allocation. Of what is taken back, or was given to another account, quantity and value
    are below zero. `settles` is at-once or later; `reverses` is the event that is taken back."""

    event_number: int
    time: str
    what: str
    side: str
    symbol: str
    quantity: str
    price: str
    value: str
    fee: str
    settles: str
    reverses: int | None


class Blotter(msgspec.Struct, frozen=True):
    """Oldest first. `next` is the cursor of the next page, null where there is none."""

    account: str
    trades: list[BlotterTrade]
    next: str | None


class Obligation(msgspec.Struct, frozen=True):
    """What is to be received, or delivered and paid (below zero), after netting: `quantity` at `price` each (of `multiple`, after
    a split), and `money` beside it. `due` counts settlement days; `failed_days` are those on which it failed, `reason` says why on
    the last of them."""

    number: int
    symbol: str
    trading_day: str
    due: int
    price: str
    multiple: int
    quantity: str
    money: str
    quantity_left: str
    money_left: str
    failed_days: int
    reason: str | None


class SettlementOutcome(msgspec.Struct, frozen=True):
    """What became of an obligation: settled, failed, bought in or split. `at_fault` is null but for a buy-in."""

    event_number: int
    number: int
    what: str
    symbol: str
    quantity: str
    value: str
    money: str
    quantity_left: str
    money_left: str
    reason: str | None
    price: str | None
    at_fault: bool | None


class Settlement(msgspec.Struct, frozen=True):
    """Of the evening of `trading_day` (null before the first): what was netted, what became of what was due, and what was open
    after it."""

    account: str
    event_number: int
    trading_day: str | None
    netted: list[Obligation]
    outcomes: list[SettlementOutcome]
    open: list[Obligation]


Day = Annotated[
    str | None,
    QueryParameter(name="day", description="A trading day as YYYYMMDD; the last that has ended otherwise.", pattern=r"^[0-9]{8}$"),
]


@get("/positions", responses=errors(401, 403, 503), operation_id="positions")
async def positions(backend: Asked, participant: Participant, account: AccountName = None) -> Positions:
    """What an account holds, and its profit and loss."""
    name = own_account(backend, participant, account)
    try:
        found = await backend.ledger.positions(name)
    except LedgerBehind as error:
        raise unavailable("not-ready", "there is much to add up: ask again") from error
    except LedgerUnavailable as error:
        raise _no_ledger() from error
    return Positions(name, found.event_seq, [_position(one) for one in found.positions])


@get("/blotter", responses=errors(401, 403, 503), operation_id="blotter")
async def blotter(
    backend: Asked, participant: Participant, account: AccountName = None, from_: From = None, to: To = None, limit: Limit = 100,
    cursor: Cursor = None,
) -> Blotter:  # fmt: skip
    """What an account bought and sold as the ledger has it, with busts, corrections and allocations, oldest first. What belongs to
    one event is on one page."""
    name = own_account(backend, participant, account)
    begin, end = moment("from", from_), moment("to", to)
    first_seq = (number(cursor) or 0) + 1

    def read(connection: Connection) -> Blotter:
        found = statements.find_account(connection, name)
        if found is None or found.kind != PARTICIPANT:
            return Blotter(name, [], None)
        rows: list[reports.Trade] = []
        following = None
        with contextlib.closing(reports.trades(connection, found, first_seq, None, begin, end)) as trades:
            for row in trades:
                if len(rows) >= limit and row.event_seq != rows[-1].event_seq:
                    following = str(rows[-1].event_seq)
                    break
                rows.append(row)
        return Blotter(name, [_trade(row) for row in reports.with_sides(connection, rows)], following)

    return await _ask(backend, read)


@get("/settlement", responses=errors(401, 403, 404, 503), operation_id="settlement")
async def settlement(backend: Asked, participant: Participant, account: AccountName = None, day: Day = None) -> Settlement:
    """What an account was to deliver and to receive, and what became of it."""
    name = own_account(backend, participant, account)

    def read(connection: Connection) -> Settlement:
        seq = read_cursor(connection).event_seq
        found = statements.find_account(connection, name)
        wanted = day or next(iter(statements.read_days(connection, 2)), None)
        span = statements.find_day(connection, wanted) if wanted is not None else None
        if span is None and day is not None:
            raise ApiError(404, "unknown-day", f"{day} is no trading day that the ledger knows")
        if wanted is None or span is None or found is None or found.kind != PARTICIPANT:
            return Settlement(name, seq, wanted, [], [], [])
        report = reports.settlement(connection, wanted, span, [found])
        return Settlement(
            name,
            seq,
            wanted,
            [_obligation(one) for one in report.netted],
            [_outcome(one) for one in report.outcomes],
            [_obligation(one) for one in report.open],
        )

    return await _ask(backend, read)


async def _ask(backend: Backend, read: Callable[[Connection], Answer]) -> Answer:
    try:
        return await backend.ledger.ask(read)
    except LedgerUnavailable as error:
        raise _no_ledger() from error


def _no_ledger() -> ApiError:
    return unavailable("no-ledger", "the ledger cannot be read now: try again")


def _money(units: int) -> str:
    return shapes.value_text(units, MONEY_DECIMALS)


def _price(price: int, instrument: AssetRow) -> str:
    return decimal_text(price, instrument.price_decimals or 0)


def _position(one: reports.Position) -> Position:
    def optional(units: int | None) -> str | None:
        return None if units is None else _money(units)

    return Position(
        symbol=one.instrument.name,
        quantity=decimal_text(one.quantity, one.instrument.decimals),
        average_price=optional(one.average),
        cost=_money(one.cost),
        mark=None if one.mark is None else _price(one.mark, one.instrument),
        value=optional(one.value),
        unrealised=optional(one.unrealised),
        realised=_money(one.realised),
        fees=_money(one.fees),
        dividends=_money(one.dividends),
    )


def _trade(row: reports.Trade) -> BlotterTrade:
    return BlotterTrade(
        event_number=row.event_seq,
        time=shapes.iso_time(row.time),
        what=row.what,
        side=row.side,
        symbol=row.instrument.name,
        quantity=decimal_text(row.quantity, row.instrument.decimals),
        price=_price(row.price, row.instrument),
        value=_money(row.value),
        fee=_money(row.fee),
        settles="later" if row.unsettled else "at-once",
        reverses=row.reverses,
    )


def _obligation(one: reports.Instruction) -> Obligation:
    row, decimals = one.obligation, one.instrument.decimals
    return Obligation(
        number=row.event_seq,
        symbol=one.instrument.name,
        trading_day=row.trading_day,
        due=row.due,
        price=_price(row.price, one.instrument),
        multiple=row.multiple,
        quantity=decimal_text(row.quantity, decimals),
        money=_money(row.money),
        quantity_left=decimal_text(row.quantity_left, decimals),
        money_left=_money(row.money_left),
        failed_days=row.days,
        reason=None if row.reason is None else reports.reason_text(row.reason),
    )


def _outcome(one: reports.Outcome) -> SettlementOutcome:
    row, decimals = one.outcome, one.instrument.decimals
    return SettlementOutcome(
        event_number=row.event_seq,
        number=row.obligation,
        what=row.kind,
        symbol=one.instrument.name,
        quantity=decimal_text(row.quantity, decimals),
        value=_money(row.value),
        money=_money(row.money),
        quantity_left=decimal_text(row.quantity_left, decimals),
        money_left=_money(row.money_left),
        reason=one.reason or None,
        price=None if row.price is None else _price(row.price, one.instrument),
        at_fault=row.at_fault if row.kind == BOUGHT_IN else None,
    )


clearing_router = Router(
    "/",
    route_handlers=[positions, blotter, settlement],
    guards=[signed_in],
    dependencies={"participant": Provide(participant, sync_to_thread=False)},
    tags=["account"],
    security=SECURITY,
)
