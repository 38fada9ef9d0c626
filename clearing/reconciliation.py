"""Checks a ledger against itself and against the engine; it changes nothing.

Each check reads what is stored anew, without the code that wrote it: sums are taken by the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, and_, case, func, or_, select

from clearing import schema
from clearing.ledger import read_accounts, read_assets, read_cursor
from clearing.money import exact_sums
from clearing.postings import (
    BUST,
    CASH_IN,
    CASH_OUT,
    CLEARING_ID,
    CORRECTION,
    CURRENCY,
    DEPOSIT,
    DEPOSIT_LEG,
    FEES_ID,
    INSTRUMENT,
    MAKER_FEE,
    OUTSIDE_ID,
    PARTICIPANT,
    SECURITIES_IN,
    SECURITIES_OUT,
    TAKEN_BACK,
    TAKER_FEE,
    TRADE,
    WITHDRAWAL,
    WITHDRAWAL_LEG,
)
from following.follower import Cursor
from matching.messages import MONEY_DECIMALS

FAULTS_OF_A_KIND_MAX = 10

postings, transactions, balances, accounts, assets = (
    schema.postings,
    schema.transactions,
    schema.balances,
    schema.accounts,
    schema.assets,
)


class EngineAccount(NamedTuple):
    """What the engine has in one account: totals by currency in money units, by instrument in quantity units."""

    cash: Mapping[str, int]
    holdings: Mapping[str, int]


class Findings(NamedTuple):
    """`faults` is empty when all is well. One sentence each, with numbers."""

    cursor: Cursor
    transactions: int
    postings: int
    faults: list[str]


def check(connection: Connection, head: int, engine: Mapping[str, EngineAccount] | None = None) -> Findings:
    """Check the ledger that `connection` sees in one transaction. `head` is the last event in the event log, `engine` the
    accounts at the ledger's cursor."""
    cursor = read_cursor(connection)
    faults: list[str] = []
    for kind in (
        _cursor_faults(connection, cursor, head),
        _shape_faults(connection),
        _novation_faults(connection),
        _reversal_faults(connection),
        _balance_faults(connection),
        _engine_faults(connection, cursor, engine),
    ):
        found = list(kind)
        faults += found[:FAULTS_OF_A_KIND_MAX]
        if len(found) > FAULTS_OF_A_KIND_MAX:
            faults.append(f"... and {len(found) - FAULTS_OF_A_KIND_MAX} more of this kind")
    counts = [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in (transactions, postings)]
    return Findings(cursor, counts[0], counts[1], faults)


def _cursor_faults(connection: Connection, cursor: Cursor, head: int) -> Iterator[str]:
    if cursor.event_seq > head:
        yield f"the cursor is at event {cursor.event_seq}, and the event log ends with event {head}"
    last = connection.execute(select(func.max(transactions.c.event_seq))).scalar_one() or 0
    if last > cursor.event_seq:
        yield f"event {last} is posted, and the cursor is at event {cursor.event_seq}"


def _shape_faults(connection: Connection) -> Iterator[str]:
    """Each transaction has the legs that its kind has, each once, between accounts and in an asset that exist."""
    exchange, fees = [CASH_IN, CASH_OUT, SECURITIES_IN, SECURITIES_OUT], [MAKER_FEE, TAKER_FEE]
    back = [TAKEN_BACK + leg for leg in exchange]
    fees_back = [TAKEN_BACK + leg for leg in fees]
    legs = {  # those that have to be there, those that may be
        TRADE: (exchange, fees),
        DEPOSIT: ([DEPOSIT_LEG], []),
        WITHDRAWAL: ([WITHDRAWAL_LEG], []),
        BUST: (back, fees_back),
        CORRECTION: (back + exchange, fees_back + fees),
    }
    duplicates = select(postings.c.event_seq).group_by(postings.c.event_seq, postings.c.leg).having(func.count() > 1)
    for (seq,) in connection.execute(duplicates.order_by(postings.c.event_seq)):
        yield f"event {seq}: a leg of it is posted twice"
    twice = select(transactions.c.event_seq).group_by(transactions.c.event_seq).having(func.count() > 1)
    for (seq,) in connection.execute(twice):
        yield f"event {seq} is posted twice"
    posted = select(transactions.c.event_seq, transactions.c.kind, func.count(postings.c.leg)).outerjoin(
        postings, postings.c.event_seq == transactions.c.event_seq
    )
    for kind, (fixed, optional) in legs.items():
        right = func.sum(case((postings.c.leg.in_(fixed), 1), else_=0)) == len(fixed)
        wrong = func.sum(case((postings.c.leg.not_in(fixed + optional), 1), else_=0)) > 0
        found = posted.where(transactions.c.kind == kind).group_by(transactions.c.event_seq, transactions.c.kind)
        for seq, _, count in connection.execute(found.having(or_(~right, wrong)).order_by(transactions.c.event_seq)):
            yield f"event {seq}: a {kind} is not made of the {count} postings that it has"
    for seq, kind in connection.execute(
        select(transactions.c.event_seq, transactions.c.kind).where(transactions.c.kind.not_in(list(legs)))
    ):
        yield f"event {seq}: there is no kind of transaction called {kind}"
    for what, column, table in (
        ("a transaction", postings.c.event_seq, transactions),
        ("an account", postings.c.from_account, accounts),
        ("an account", postings.c.to_account, accounts),
        ("an asset", postings.c.asset, assets),
    ):
        key = next(iter(table.primary_key.columns))
        orphans = select(postings.c.event_seq, postings.c.leg).outerjoin(table, key == column).where(key.is_(None))
        for seq, leg in connection.execute(orphans.order_by(postings.c.event_seq)):
            yield f"event {seq}: posting {leg} belongs to {what} that is not there"


def _novation_faults(connection: Connection) -> Iterator[str]:
    """The clearing house ends each trade as it began, and cash and securities of one trade are worth the same."""
    into, out = postings.alias(), postings.alias()
    uneven = (
        select(into.c.event_seq, into.c.leg)
        .join(out, and_(out.c.event_seq == into.c.event_seq, out.c.leg == into.c.leg + 1))
        .where(into.c.leg.in_([CASH_IN, SECURITIES_IN, TAKEN_BACK + CASH_IN, TAKEN_BACK + SECURITIES_IN]))
        .where(or_(into.c.amount != out.c.amount, into.c.asset != out.c.asset))
    )
    for seq, leg in connection.execute(uneven.order_by(into.c.event_seq)):
        yield f"event {seq}: the clearing house takes in by posting {leg} what it does not give out by posting {leg + 1}"
    into_clearing = [CASH_IN, SECURITIES_IN, TAKEN_BACK + CASH_OUT, TAKEN_BACK + SECURITIES_OUT]
    out_of_clearing = [CASH_OUT, SECURITIES_OUT, TAKEN_BACK + CASH_IN, TAKEN_BACK + SECURITIES_IN]
    fees = [MAKER_FEE, TAKER_FEE, TAKEN_BACK + MAKER_FEE, TAKEN_BACK + TAKER_FEE]
    wrong_side = select(postings.c.event_seq, postings.c.leg).where(
        or_(
            and_(postings.c.leg.in_(into_clearing), postings.c.to_account != CLEARING_ID),
            and_(postings.c.leg.in_(out_of_clearing), postings.c.from_account != CLEARING_ID),
            and_(postings.c.leg.in_(fees), postings.c.from_account != FEES_ID, postings.c.to_account != FEES_ID),
            and_(postings.c.leg == DEPOSIT_LEG, postings.c.from_account != OUTSIDE_ID),
            and_(postings.c.leg == WITHDRAWAL_LEG, postings.c.to_account != OUTSIDE_ID),
        )
    )
    for seq, leg in connection.execute(wrong_side.order_by(postings.c.event_seq)):
        yield f"event {seq}: posting {leg} is not with the account of the venue that it should be with"
    cash, securities = postings.alias(), postings.alias()
    worth = (
        select(
            transactions.c.event_seq, transactions.c.price, transactions.c.quantity, cash.c.amount, securities.c.amount,
            assets.c.decimals, assets.c.price_decimals,
        )
        .join(cash, and_(cash.c.event_seq == transactions.c.event_seq, cash.c.leg == CASH_IN))
        .join(securities, and_(securities.c.event_seq == transactions.c.event_seq, securities.c.leg == SECURITIES_IN))
        .join(assets, assets.c.id == transactions.c.instrument)
        .order_by(transactions.c.event_seq)
    )  # fmt: skip
    rows = connection.execute(worth, execution_options={"yield_per": 10_000})
    for seq, price, quantity, value, delivered, decimals, price_decimals in rows:
        if delivered != quantity or value != price * quantity * 10 ** (MONEY_DECIMALS - decimals - price_decimals):
            yield f"event {seq}: a trade of {quantity} at {price} moves {delivered} for {value}"


def _reversal_faults(connection: Connection) -> Iterator[str]:
    """A bust or a correction takes back the very legs of the transaction that it names, each the other way, and no
    transaction is taken back twice."""
    remarks, taken = schema.remarks, transactions.alias()
    unnamed = (
        select(transactions.c.event_seq, transactions.c.kind)
        .outerjoin(remarks, remarks.c.event_seq == transactions.c.event_seq)
        .outerjoin(taken, taken.c.event_seq == remarks.c.reverses)
        .where(transactions.c.kind.in_([BUST, CORRECTION]), func.coalesce(taken.c.kind, "").not_in([TRADE, CORRECTION]))
    )
    for seq, kind in connection.execute(unnamed.order_by(transactions.c.event_seq)):
        yield f"event {seq}: a {kind} does not name the trade, or the correction of one, that it takes back"
    twice = select(remarks.c.reverses).where(remarks.c.reverses.is_not(None)).group_by(remarks.c.reverses)
    for (seq,) in connection.execute(twice.having(func.count() > 1).order_by(remarks.c.reverses)):
        yield f"event {seq} is taken back twice"
    first, back = postings.alias(), postings.alias()
    same = and_(
        back.c.leg == first.c.leg + TAKEN_BACK,
        back.c.from_account == first.c.to_account,
        back.c.to_account == first.c.from_account,
        back.c.asset == first.c.asset,
        back.c.amount == first.c.amount,
    )
    not_taken = (
        select(remarks.c.event_seq, remarks.c.reverses, first.c.leg)
        .join(first, and_(first.c.event_seq == remarks.c.reverses, first.c.leg < TAKEN_BACK))
        .outerjoin(back, and_(back.c.event_seq == remarks.c.event_seq, same))
        .where(back.c.leg.is_(None))
    )
    for seq, reverses, leg in connection.execute(not_taken.order_by(remarks.c.event_seq, first.c.leg)):
        yield f"event {seq}: takes event {reverses} back, but not its posting {leg} as it is"
    not_there = (
        select(remarks.c.event_seq, remarks.c.reverses, back.c.leg)
        .join(back, and_(back.c.event_seq == remarks.c.event_seq, back.c.leg > TAKEN_BACK))
        .outerjoin(first, and_(first.c.event_seq == remarks.c.reverses, first.c.leg == back.c.leg - TAKEN_BACK))
        .where(first.c.leg.is_(None))
    )
    for seq, reverses, leg in connection.execute(not_there.order_by(remarks.c.event_seq, back.c.leg)):
        yield f"event {seq}: posting {leg} takes back what event {reverses} has not posted"


def _balance_faults(connection: Connection) -> Iterator[str]:
    """Each balance is the sum of its postings, and the balances of an asset sum to zero."""
    account_names = {row.id: row.name for row in read_accounts(connection)}
    asset_names = {row.id: row.name for row in read_assets(connection)}
    due: dict[tuple[int, int], int] = {}
    for column, sign in ((postings.c.to_account, 1), (postings.c.from_account, -1)):
        for key, amount in exact_sums(connection, postings, [column, postings.c.asset]).items():
            account, asset = key
            due[account, asset] = due.get((account, asset), 0) + sign * amount
    kept = {(row.account, row.asset): row.amount for row in connection.execute(select(balances))}
    for key in sorted(due.keys() | kept.keys()):
        if due.get(key, 0) != kept.get(key, 0):
            yield (
                f"{account_names.get(key[0], key[0])} {asset_names.get(key[1], key[1])}: the balance is {kept.get(key, 0)}, "
                f"and the postings sum to {due.get(key, 0)}"
            )
    for (asset,), amount in sorted(exact_sums(connection, balances, [balances.c.asset]).items()):
        if amount:
            yield f"{asset_names.get(asset, asset)}: the balances of all accounts sum to {amount}, and not to zero"


def _engine_faults(connection: Connection, cursor: Cursor, engine: Mapping[str, EngineAccount] | None) -> Iterator[str]:
    if engine is None:
        return
    asset_names = {row.id: (row.kind, row.name) for row in read_assets(connection)}
    names = {row.id: row.name for row in read_accounts(connection) if row.kind == PARTICIPANT}
    ours: dict[tuple[str, str, str], int] = {}
    for row in connection.execute(select(balances)):
        if row.account in names:
            ours[names[row.account], *asset_names[row.asset]] = row.amount
    theirs: dict[tuple[str, str, str], int] = {}
    for name, account in engine.items():
        for kind, totals in ((CURRENCY, account.cash), (INSTRUMENT, account.holdings)):
            theirs.update({(name, kind, asset): total for asset, total in totals.items()})
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key, 0) != theirs.get(key, 0):
            yield (
                f"{key[0]} {key[2]}: the ledger has {ours.get(key, 0)}, and the engine {theirs.get(key, 0)}, "
                f"at event {cursor.event_seq}"
            )
    for name in sorted(engine.keys() ^ set(names.values())):
        yield f"account {name} is known to {'the engine' if name in engine else 'the ledger'} alone"
