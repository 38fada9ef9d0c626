"""What an account has and how it came to have it, read from the ledger; amounts are whole units of the asset."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection, Integer, func, literal, select, union_all

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
    asset afterwards. `what` is buy, sell, novation, maker fee, taker fee, deposit or withdrawal; quantity, instrument and
    price are those of the trade, None where there is none."""

    event_seq: int
    time: int
    what: str
    asset: AssetRow
    change: int
    balance: int
    quantity: int | None
    instrument: AssetRow | None
    price: int | None


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
    connection: Connection, account: AccountRow, begin: int | None = None, end: int | None = None, asset: str = ""
) -> Statement:
    """Movements of an account from `begin` up to, not including, `end` (ns), oldest first; of one asset where it is named."""
    assets = {row.id: row for row in read_assets(connection)}
    shown = [row.id for row in assets.values() if asset in ("", row.name)]
    postings, transactions = schema.postings, schema.transactions
    first_seq = 1
    if begin is not None:
        first = connection.execute(select(func.min(transactions.c.event_seq)).where(transactions.c.time >= begin)).scalar_one()
        if first is None:
            first = 1 + connection.execute(select(schema.cursor.c.event_seq)).scalar_one()
        first_seq = first
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
                transactions.c.quantity,
                transactions.c.instrument,
                transactions.c.price,
            )
            .join(transactions, transactions.c.event_seq == postings.c.event_seq)
            .where(column == account.id, postings.c.asset.in_(shown), postings.c.event_seq >= first_seq)
        )
        sides.append(side if end is None else side.where(transactions.c.time < end))
    both = union_all(*sides)
    rows = connection.execute(both.order_by("seq", "leg_of"), execution_options={"yield_per": ROWS_AT_A_TIME})

    def lines() -> Iterator[Line]:
        for seq, time, leg, key, amount, sign, quantity, instrument, price in rows:
            change = sign * amount
            running[key] += change
            traded = None if instrument is None else assets[instrument]
            yield Line(seq, time, _what(account.id, leg, sign), assets[key], change, running[key], quantity, traded, price)

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
