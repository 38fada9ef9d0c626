"""What an account has and how it came to have it, read from the ledger; amounts are whole units of the asset."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection, Integer, case, func, literal, select, union_all

from clearing import schema
from clearing.ledger import read_accounts, read_assets
from clearing.money import exact_sums
from clearing.postings import (
    CASH_OUT,
    CLEARING_ID,
    DEPOSIT_LEG,
    FEES_ID,
    MAKER_FEE,
    PARTICIPANT,
    SECURITIES_IN,
    TAKEN_BACK,
    TAKER_FEE,
    AccountRow,
    AssetRow,
)

ROWS_AT_A_TIME = 10_000


class Balance(NamedTuple):
    account: AccountRow
    asset: AssetRow
    amount: int


class Line(NamedTuple):
    """One movement of one asset, seen from the account: `change` above zero is received. `balance` is that of the
    asset afterwards. `what` is buy, sell, novation, maker fee, taker fee (or rebate), deposit or withdrawal; quantity,
    instrument and price are those of the trade, None where there is none.

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
    reverses: int | None = None
    entered_by: str = ""
    reference: str = ""


class Statement(NamedTuple):
    """`opening` is what was there before the first line, by asset, zeros left out. `lines` is to be read within the
    transaction that it was made in."""

    account: AccountRow
    opening: list[tuple[AssetRow, int]]
    lines: Iterator[Line]


def read_balances(connection: Connection, account: str = "") -> list[Balance]:
    """Every balance, or those of the accounts with one name, ordered by account and asset; zeros included."""
    accounts = {row.id: row for row in read_accounts(connection)}
    assets = {row.id: row for row in read_assets(connection)}
    rows = connection.execute(select(schema.balances).order_by(schema.balances.c.account, schema.balances.c.asset))
    found = [Balance(accounts[row.account], assets[row.asset], row.amount) for row in rows]
    return [balance for balance in found if account in ("", balance.account.name)]


def find_account(connection: Connection, name: str) -> AccountRow | None:
    """The account of that name; a participant's where the venue has one of the same name."""
    found = [row for row in read_accounts(connection) if row.name == name]
    return max(found, key=lambda row: row.kind == PARTICIPANT, default=None)


def statement(
    connection: Connection, account: AccountRow, begin: int | None = None, end: int | None = None, asset: str = "",
    first_seq: int = 1, lines_max: int | None = None,
) -> Statement:  # fmt: skip
    """Movements of an account from `begin` up to, not including, `end` (ns), oldest first; of one asset where it is named.

    Of these those from event `first_seq` on, and so many lines at most: a page.
    """
    assets = {row.id: row for row in read_assets(connection)}
    shown = [row.id for row in assets.values() if asset in ("", row.name)]
    postings, transactions, remarks = schema.postings, schema.transactions, schema.remarks
    reversed_one = transactions.alias()
    taken_back = postings.c.leg > TAKEN_BACK
    if begin is not None:
        first = connection.execute(select(func.min(transactions.c.event_seq)).where(transactions.c.time >= begin)).scalar_one()
        if first is None:
            first = 1 + connection.execute(select(schema.cursor.c.event_seq)).scalar_one()
        first_seq = max(first, first_seq)
    running = dict.fromkeys(shown, 0)
    for column, sign in ((postings.c.to_account, 1), (postings.c.from_account, -1)):
        before = [column == account.id, postings.c.asset.in_(shown), postings.c.event_seq < first_seq]
        for (key,), amount in exact_sums(connection, postings, [postings.c.asset], before).items():
            running[key] += sign * amount

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
            .where(column == account.id, postings.c.asset.in_(shown), postings.c.event_seq >= first_seq)
        )
        sides.append(side if end is None else side.where(transactions.c.time < end))
    both = union_all(*sides)
    # Within a correction, what is taken back comes before what is put in its place.
    found = both.subquery()
    order = found.c.seq, case((found.c.leg_of > TAKEN_BACK, 0), else_=1), found.c.leg_of
    lines_wanted = select(found).order_by(*order).limit(lines_max)
    rows = connection.execute(lines_wanted, execution_options={"yield_per": ROWS_AT_A_TIME})

    def lines() -> Iterator[Line]:
        for seq, time, leg, key, amount, sign, quantity, instrument, price, *remark in rows:
            change = sign * amount
            running[key] += change
            traded = None if instrument is None else assets[instrument]
            what = _what(account.id, leg - TAKEN_BACK, -sign) if leg > TAKEN_BACK else _what(account.id, leg, sign)
            yield Line(seq, time, what, assets[key], change, running[key], quantity, traded, price, *remark)

    opening = [(assets[key], amount) for key, amount in sorted(running.items()) if amount]
    return Statement(account, opening, lines())


def _what(account: int, leg: int, sign: int) -> str:
    if leg in (MAKER_FEE, TAKER_FEE):
        fee = "maker" if leg == MAKER_FEE else "taker"
        return f"{fee} {'fee' if (sign < 0) != (account == FEES_ID) else 'rebate'}"
    if leg < MAKER_FEE:
        if account == CLEARING_ID:
            return "novation"
        # The buyer pays in and is given securities, the seller delivers and is paid.
        return "sell" if leg in (CASH_OUT, SECURITIES_IN) else "buy"
    return "deposit" if leg == DEPOSIT_LEG else "withdrawal"
