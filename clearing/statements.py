"""What an account has and how it came to have it, read from the ledger; amounts are whole units of the asset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, Integer, case, func, literal, or_, select, union_all

from clearing import schema
from clearing.ledger import read_accounts, read_assets, read_rows
from clearing.money import exact_sums
from clearing.postings import (
    ALLOCATION_LEG,
    CASH_IN,
    CASH_OUT,
    CLEARING_ID,
    COMPENSATION_IN,
    DELIVERED,
    DEPOSIT_LEG,
    DIVIDEND_LEG,
    DUE_NO_MORE,
    FEES_ID,
    FRACTION,
    MAKER_FEE,
    MONEY,
    NOT_PAID,
    PAID,
    PARTICIPANT,
    SECURITIES_IN,
    SPLIT_DUE,
    SPLIT_LEG,
    TAKEN_BACK,
    TAKER_FEE,
    WITHDRAWAL_LEG,
    AccountRow,
    AssetRow,
    DayRow,
)

ROWS_AT_A_TIME = 10_000
_NAMES = {
    DEPOSIT_LEG: "deposit",
    WITHDRAWAL_LEG: "withdrawal",
    DELIVERED: "delivery",
    PAID: "payment",
    MONEY: "settlement money",
    DIVIDEND_LEG: "dividend",
    SPLIT_LEG: "split",
    SPLIT_DUE: "split",
    FRACTION: "fraction",
}


class Balance(NamedTuple):
    """What an account has of an asset: what is there, and what it is to receive (above 0) or to deliver beside."""

    account: AccountRow
    asset: AssetRow
    settled: int
    unsettled: int

    @property
    def amount(self) -> int:
        """What it owns, delivered or not."""
        return self.settled + self.unsettled


class Line(NamedTuple):
    """One movement of one asset, seen from the account: `change` above zero is received. `balance` is that of the
    asset afterwards; both are of what is to be received or delivered where `unsettled`. `what` is buy, sell, novation, maker fee,
    taker fee (or rebate), deposit, withdrawal, delivery, payment, settlement money, buy-in, dividend, split, fraction or
    allocation; quantity, instrument and price are those of the trade or whatever it was, None where there is none.

    `reverses` is the event of which this takes a movement back, and quantity and price are those of then; None otherwise.
    `entered_by` and `reference` are empty where there are none."""

    event_seq: int
    time: int
    what: str
    asset: AssetRow
    change: int
    balance: int
    quantity: int | None
    instrument: AssetRow | None
    price: int | None
    unsettled: bool = False
    reverses: int | None = None
    entered_by: str = ""
    reference: str = ""


@dataclass(slots=True)
class Statement:
    """`opening` is what was there before the first line, by asset, zeros left out, `opening_unsettled` what was to be received
    or delivered. `lines` is to be read within the transaction that the statement was made in."""

    account: AccountRow
    opening: list[tuple[AssetRow, int]]
    opening_unsettled: list[tuple[AssetRow, int]]
    lines: Iterator[Line]
    _running: dict[tuple[AssetRow, bool], int]

    def closing(self, *, unsettled: bool = False) -> list[tuple[AssetRow, int]]:
        """What is there after the last line, once all of them have been read."""
        return _amounts(self._running, unsettled)


class Span(NamedTuple):
    """The events of a trading day, from the first up to, not including, `end_seq`; None while the day lasts."""

    first_seq: int
    end_seq: int | None


def find_day(connection: Connection, trading_day: str) -> Span | None:
    """The events of a trading day, its settlement in the evening among them; None where there was no such day."""
    days = schema.days
    found = read_rows(connection, DayRow, select(days).where(days.c.trading_day == trading_day))
    if not found:
        return None
    later = select(func.min(days.c.first_seq)).where(days.c.event_seq > found[0].event_seq)
    return Span(found[0].first_seq, connection.execute(later).scalar_one())


def read_days(connection: Connection, count: int) -> list[str]:
    """The last trading days, oldest first."""
    days = schema.days
    found = connection.execute(select(days.c.trading_day).order_by(days.c.event_seq.desc()).limit(count)).scalars()
    return list(found)[::-1]


def read_balances(connection: Connection, account: str = "") -> list[Balance]:
    """Every balance, or those of the accounts with one name, ordered by account and asset; zeros included."""
    accounts = {row.id: row for row in read_accounts(connection) if account in ("", row.name)}
    assets = {row.id: row for row in read_assets(connection)}
    amounts = {(row.account, row.asset): row.amount for row in connection.execute(select(schema.balances))}
    return [
        Balance(accounts[owner], assets[asset], amounts.get((owner, asset), 0), amounts.get((-owner, asset), 0))
        for owner, asset in sorted({(abs(owner), asset) for owner, asset in amounts})
        if owner in accounts
    ]


def find_account(connection: Connection, name: str) -> AccountRow | None:
    """The account of that name; a participant's where the venue has one of the same name."""
    found = [row for row in read_accounts(connection) if row.name == name]
    return max(found, key=lambda row: row.kind == PARTICIPANT, default=None)


def statement(
    connection: Connection, account: AccountRow, begin: int | None = None, end: int | None = None, asset: str = "",
    first_seq: int = 1, lines_max: int | None = None, end_seq: int | None = None,
) -> Statement:  # fmt: skip
    """Movements of an account from `begin` up to, not including, `end` (ns), oldest first; of one asset where it is named.

    Of these those from event `first_seq` on and before `end_seq`, and so many lines at most: a page.
    """
    assets = {row.id: row for row in read_assets(connection)}
    shown = [row.id for row in assets.values() if asset in ("", row.name)]
    both = [account.id, -account.id]
    postings, transactions, remarks = schema.postings, schema.transactions, schema.remarks
    reversed_one = transactions.alias()
    taken_back = postings.c.leg.between(TAKEN_BACK + CASH_IN, TAKEN_BACK + TAKER_FEE)
    if begin is not None:
        first = connection.execute(select(func.min(transactions.c.event_seq)).where(transactions.c.time >= begin)).scalar_one()
        if first is None:
            first = 1 + connection.execute(select(schema.cursor.c.event_seq)).scalar_one()
        first_seq = max(first, first_seq)
    running = {(assets[key], unsettled): 0 for key in shown for unsettled in (False, True)}
    for column, sign in ((postings.c.to_account, 1), (postings.c.from_account, -1)):
        before = [column.in_(both), postings.c.asset.in_(shown), postings.c.event_seq < first_seq]
        for (owner, key), amount in exact_sums(connection, postings, [column, postings.c.asset], before).items():
            running[assets[key], owner < 0] += sign * amount

    sides = []
    for column, sign in ((postings.c.to_account, 1), (postings.c.from_account, -1)):
        side = (
            select(
                transactions.c.event_seq.label("seq"),
                transactions.c.time,
                postings.c.leg.label("leg_of"),
                postings.c.asset,
                postings.c.amount,
                literal(sign, Integer()).label("sign"),
                column.label("owner"),
                case((taken_back, reversed_one.c.quantity), else_=transactions.c.quantity).label("quantity"),
                transactions.c.instrument,
                case((taken_back, reversed_one.c.price), else_=transactions.c.price).label("price"),
                case((taken_back, remarks.c.reverses)).label("reverses"),
                func.coalesce(remarks.c.entered_by, "").label("entered_by"),
                func.coalesce(remarks.c.reference, "").label("reference"),
            )
            .join(transactions, transactions.c.event_seq == postings.c.event_seq)
            .outerjoin(remarks, remarks.c.event_seq == postings.c.event_seq)
            .outerjoin(reversed_one, reversed_one.c.event_seq == remarks.c.reverses)
            .where(column.in_(both), postings.c.asset.in_(shown), postings.c.event_seq >= first_seq)
        )
        if end is not None:
            side = side.where(transactions.c.time < end)
        if end_seq is not None:
            side = side.where(transactions.c.event_seq < end_seq)
        sides.append(side)
    # Within a correction, what is taken back comes before what is put in its place.
    found = union_all(*sides).subquery()
    back = or_(found.c.leg_of <= TAKEN_BACK, found.c.leg_of > TAKEN_BACK + TAKER_FEE)
    order = found.c.seq, case((back, 1), else_=0), found.c.leg_of
    lines_wanted = select(found).order_by(*order).limit(lines_max)
    rows = connection.execute(lines_wanted, execution_options={"yield_per": ROWS_AT_A_TIME})

    def lines() -> Iterator[Line]:
        for seq, time, leg, key, amount, sign, owner, quantity, instrument, price, *remark in rows:
            change, unsettled = sign * amount, owner < 0
            running[assets[key], unsettled] += change
            balance = running[assets[key], unsettled]
            # What is taken back is called what it was, although it moves the other way.
            what = _what(account.id, leg - TAKEN_BACK, -sign) if _takes_back(leg) else _what(account.id, leg, sign)
            about = None if instrument is None or leg in (DEPOSIT_LEG, WITHDRAWAL_LEG) else assets[instrument]
            if about is None or leg in (MONEY, MONEY + DUE_NO_MORE, FRACTION):
                quantity = price = None
            yield Line(seq, time, what, assets[key], change, balance, quantity, about, price, unsettled, *remark)

    return Statement(account, _amounts(running, False), _amounts(running, True), lines(), running)


def _amounts(running: dict[tuple[AssetRow, bool], int], unsettled: bool) -> list[tuple[AssetRow, int]]:
    """Those that are not zero, in the order of the assets."""
    return [(asset, amount) for (asset, of_twin), amount in sorted(running.items()) if amount and of_twin == unsettled]


def _takes_back(leg: int) -> bool:
    return TAKEN_BACK < leg <= TAKEN_BACK + TAKER_FEE


def _what(account: int, leg: int, sign: int) -> str:
    if leg in (MAKER_FEE, TAKER_FEE):
        fee = "maker" if leg == MAKER_FEE else "taker"
        return f"{fee} {'fee' if (sign < 0) != (account == FEES_ID) else 'rebate'}"
    if leg < MAKER_FEE:
        if account == CLEARING_ID:
            return "novation"
        # The buyer pays in and is given securities, the seller delivers and is paid.
        return "sell" if leg in (CASH_OUT, SECURITIES_IN) else "buy"
    if leg >= ALLOCATION_LEG:
        return "allocation"
    if COMPENSATION_IN <= leg <= NOT_PAID:
        return "buy-in"
    return _NAMES[leg - DUE_NO_MORE if leg > MONEY and leg <= MONEY + DUE_NO_MORE else leg]
