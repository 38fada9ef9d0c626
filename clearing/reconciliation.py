"""Checks a ledger against itself and against the engine; it changes nothing.

Each check reads what is stored anew, without the code that wrote it: sums are taken by the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from clearing import schema
from clearing.ledger import read_accounts, read_assets, read_cursor, read_rows
from clearing.money import exact_sums
from clearing.postings import (
    ALLOCATION,
    ALLOCATION_LEG,
    BOUGHT_IN,
    BUST,
    BUY_IN,
    CASH_IN,
    CASH_OUT,
    CLEARING_ID,
    COMPENSATION_IN,
    COMPENSATION_OUT,
    CORRECTION,
    CURRENCY,
    DELIVERED,
    DEPOSIT,
    DEPOSIT_LEG,
    DIVIDEND,
    DIVIDEND_LEG,
    DUE_NO_MORE,
    FEES_ID,
    FRACTION,
    INSTRUMENT,
    MAKER_FEE,
    MONEY,
    NOT_DELIVERED,
    NOT_PAID,
    NOT_RECEIVED,
    NOT_TAKEN,
    OBLIGATION_SPLIT,
    OUTSIDE_ID,
    PAID,
    PARTICIPANT,
    SECURITIES_IN,
    SECURITIES_OUT,
    SETTLED,
    SETTLEMENT,
    SPLIT,
    SPLIT_DUE,
    SPLIT_LEG,
    TAKEN_BACK,
    TAKER_FEE,
    TRADE,
    WITHDRAWAL,
    WITHDRAWAL_LEG,
    AssetRow,
    ObligationRow,
    OutcomeRow,
)
from following.follower import Cursor
from matching.messages import MONEY_DECIMALS

FAULTS_OF_A_KIND_MAX = 10
ROWS_AT_A_TIME = 10_000

postings, transactions, balances, accounts, assets = (
    schema.postings,
    schema.transactions,
    schema.balances,
    schema.accounts,
    schema.assets,
)


class EngineAccount(NamedTuple):
    """What the engine has in one account: totals by currency in money units, by instrument in quantity units; and what of them
    is to be received (above 0) or delivered."""

    cash: Mapping[str, int]
    holdings: Mapping[str, int]
    unsettled_cash: Mapping[str, int] = {}
    unsettled_holdings: Mapping[str, int] = {}


class Difference(NamedTuple):
    """What ledger and engine have in an account of an asset, settled or not, where that is not the same."""

    account: str
    asset: str
    unsettled: bool
    ledger: int
    engine: int


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
        _settlement_faults(connection),
        _obligation_faults(connection),
        _balance_faults(connection),
        _unsettled_faults(connection),
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
        SETTLEMENT: ([], [leg + due for leg in (DELIVERED, PAID, MONEY) for due in (0, DUE_NO_MORE)]),
        BUY_IN: ([NOT_TAKEN, NOT_DELIVERED], [COMPENSATION_IN, COMPENSATION_OUT, NOT_RECEIVED, NOT_PAID]),
        DIVIDEND: ([DIVIDEND_LEG], []),
        SPLIT: ([], [SPLIT_LEG, SPLIT_DUE, FRACTION]),
        ALLOCATION: ([], []),
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
        if kind == ALLOCATION:  # two for each share, none where all of it stays in the account that it is in
            wrong = func.sum(case((postings.c.leg < ALLOCATION_LEG, 1), else_=0)) > 0
        else:
            right = and_(right, func.count(postings.c.leg) > 0)
        found = posted.where(transactions.c.kind == kind).group_by(transactions.c.event_seq, transactions.c.kind)
        for seq, _, count in connection.execute(found.having(or_(~right, wrong)).order_by(transactions.c.event_seq)):
            yield f"event {seq}: a {kind} is not made of the {count} postings that it has"
    for seq, kind in connection.execute(
        select(transactions.c.event_seq, transactions.c.kind).where(transactions.c.kind.not_in(list(legs)))
    ):
        yield f"event {seq}: there is no kind of transaction called {kind}"
    without = (
        select(transactions.c.event_seq)
        .outerjoin(assets, assets.c.id == transactions.c.instrument)
        .where(transactions.c.instrument.is_not(None), assets.c.id.is_(None))
    )
    for (seq,) in connection.execute(without.order_by(transactions.c.event_seq)):
        yield f"event {seq}: its instrument is not there"
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
    settled = [DELIVERED, PAID, MONEY]
    leg, giver, taker = postings.c.leg, postings.c.from_account, postings.c.to_account
    wrong_side = select(postings.c.event_seq, leg).where(
        or_(
            and_(leg.in_(into_clearing), taker.not_in([CLEARING_ID, -CLEARING_ID])),
            and_(leg.in_(out_of_clearing), giver.not_in([CLEARING_ID, -CLEARING_ID])),
            and_(leg.in_(fees), giver.not_in([FEES_ID, -FEES_ID]), taker.not_in([FEES_ID, -FEES_ID])),
            and_(leg == DEPOSIT_LEG, giver != OUTSIDE_ID),
            and_(leg == WITHDRAWAL_LEG, taker != OUTSIDE_ID),
            and_(leg.in_(settled), giver != CLEARING_ID, taker != CLEARING_ID),
            and_(leg.in_([one + DUE_NO_MORE for one in settled]), giver != -CLEARING_ID, taker != -CLEARING_ID),
            and_(leg == COMPENSATION_IN, taker != CLEARING_ID),
            and_(leg == COMPENSATION_OUT, giver != CLEARING_ID),
            and_(leg.in_([NOT_TAKEN, NOT_RECEIVED]), taker != -CLEARING_ID),
            and_(leg.in_([NOT_DELIVERED, NOT_PAID]), giver != -CLEARING_ID),
            and_(leg.in_([DIVIDEND_LEG, SPLIT_LEG, FRACTION]), giver != OUTSIDE_ID, taker != OUTSIDE_ID),
            and_(leg == SPLIT_DUE, giver != -CLEARING_ID, taker != -CLEARING_ID),
        )
    )
    for seq, leg in connection.execute(wrong_side.order_by(postings.c.event_seq)):
        yield f"event {seq}: posting {leg} is not with the account of the venue that it should be with"
    yield from _bucket_faults(connection)
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


def _bucket_faults(connection: Connection) -> Iterator[str]:
    """What is settled moves between accounts, and what is not between their twins: a trade by the terms that were in force."""
    mixed = select(postings.c.event_seq, postings.c.leg).where((postings.c.from_account < 0) != (postings.c.to_account < 0))
    for seq, leg in connection.execute(mixed.order_by(postings.c.event_seq, postings.c.leg)):
        yield f"event {seq}: posting {leg} moves between what is settled and what is not"
    terms = schema.terms
    later, since = False, 0
    spans: list[tuple[bool, int, int | None]] = []
    in_force = select(terms.c.event_seq, terms.c.cycle_days).where(terms.c.in_force.is_(True)).order_by(terms.c.event_seq)
    for seq, cycle_days in connection.execute(in_force):
        if later != (cycle_days > 0):
            spans.append((later, since, seq))
            later, since = cycle_days > 0, seq
    spans.append((later, since, None))
    for later, begin, end in spans:
        # Legs 1 to 6 of a trade: those of a bust or a correction are compared with the trade's.
        wrong = (
            select(postings.c.event_seq)
            .join(transactions, transactions.c.event_seq == postings.c.event_seq)
            .where(transactions.c.kind == TRADE, postings.c.event_seq > begin, (postings.c.from_account < 0) != later)
        )
        wrong = wrong if end is None else wrong.where(postings.c.event_seq < end)
        for (seq,) in connection.execute(wrong.distinct().order_by(postings.c.event_seq)):
            yield f"event {seq}: a trade that is settled {'later moves what is there' if later else 'at once moves what is not'}"
    corrected = postings.alias()
    torn = (
        select(postings.c.event_seq)
        .join(transactions, transactions.c.event_seq == postings.c.event_seq)
        .join(corrected, corrected.c.event_seq == postings.c.event_seq)
        .where(transactions.c.kind.in_([CORRECTION, ALLOCATION]), (corrected.c.from_account < 0) != (postings.c.from_account < 0))
    )
    for (seq,) in connection.execute(torn.distinct().order_by(postings.c.event_seq)):
        yield f"event {seq}: one part of it is settled, and another is not"


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
        .join(back, back.c.event_seq == remarks.c.event_seq)
        .outerjoin(first, and_(first.c.event_seq == remarks.c.reverses, first.c.leg == back.c.leg - TAKEN_BACK))
        .where(back.c.leg.between(TAKEN_BACK + CASH_IN, TAKEN_BACK + TAKER_FEE), first.c.leg.is_(None))
    )
    for seq, reverses, leg in connection.execute(not_there.order_by(remarks.c.event_seq, back.c.leg)):
        yield f"event {seq}: posting {leg} takes back what event {reverses} has not posted"


def _settlement_faults(connection: Connection) -> Iterator[str]:
    """What is settled was due and is due no more, to the unit; a buy-in moves the same into and out of the clearing house; a
    share of an allocation is worth what it is paid."""
    kinds = [SETTLEMENT, BUY_IN, ALLOCATION]
    if not connection.execute(select(func.count()).select_from(transactions).where(transactions.c.kind.in_(kinds))).scalar_one():
        return
    leg = postings.c.leg
    settled, due = postings.alias(), postings.alias()
    mirrored = and_(
        due.c.event_seq == settled.c.event_seq,
        due.c.leg == settled.c.leg + DUE_NO_MORE,
        due.c.from_account == -settled.c.to_account,
        due.c.to_account == -settled.c.from_account,
        due.c.asset == settled.c.asset,
        due.c.amount == settled.c.amount,
    )
    legs = [DELIVERED, PAID, MONEY]
    for one, other, of in ((settled, due, legs), (due, settled, [number + DUE_NO_MORE for number in legs])):
        alone = select(one.c.event_seq, one.c.leg).outerjoin(other, mirrored).where(one.c.leg.in_(of), other.c.leg.is_(None))
        for seq, number in connection.execute(alone.order_by(one.c.event_seq, one.c.leg)):
            what = "what it settles is still due" if one is settled else "what is due no more was not settled"
            yield f"event {seq}: posting {number} has no counterpart: {what}"
    into, out = postings.alias(), postings.alias()
    same = and_(
        out.c.event_seq == into.c.event_seq, out.c.leg == into.c.leg + 1, out.c.asset == into.c.asset, out.c.amount == into.c.amount
    )
    first = [COMPENSATION_IN, NOT_TAKEN, NOT_RECEIVED]
    for one, other, of in ((into, out, first), (out, into, [number + 1 for number in first])):
        alone = select(one.c.event_seq, one.c.leg).outerjoin(other, same).where(one.c.leg.in_(of), other.c.leg.is_(None))
        for seq, number in connection.execute(alone.order_by(one.c.event_seq, one.c.leg)):
            yield f"event {seq}: the clearing house takes in or gives out by posting {number} alone"
    cash, securities = postings.alias(), postings.alias()
    shares = (
        select(
            transactions.c.event_seq, securities.c.leg, transactions.c.price, cash.c.amount, securities.c.amount,
            assets.c.decimals, assets.c.price_decimals,
        )
        .join(transactions, transactions.c.event_seq == securities.c.event_seq)
        .join(assets, assets.c.id == transactions.c.instrument)
        .outerjoin(cash, and_(cash.c.event_seq == securities.c.event_seq, cash.c.leg == securities.c.leg - 1))
        .where(transactions.c.kind == ALLOCATION, (securities.c.leg - ALLOCATION_LEG) % 2 == 1)
        .order_by(transactions.c.event_seq, securities.c.leg)
    )  # fmt: skip
    for seq, number, price, value, quantity, decimals, price_decimals in connection.execute(shares):
        if value != price * quantity * 10 ** (MONEY_DECIMALS - decimals - price_decimals):
            yield f"event {seq}: posting {number} allocates {quantity} at {price} for {value or 0}"
    outcomes = schema.outcomes
    for kinds, transaction in (([SETTLED], SETTLEMENT), ([BOUGHT_IN], BUY_IN)):
        told = select(outcomes.c.event_seq).where(outcomes.c.kind.in_(kinds))
        posted = select(transactions.c.event_seq).where(transactions.c.kind == transaction)
        for (seq,) in connection.execute(told.where(outcomes.c.event_seq.not_in(posted)).order_by(outcomes.c.event_seq)):
            yield f"event {seq}: an obligation is {kinds[0]} by it, and nothing is posted"
        for (seq,) in connection.execute(posted.where(transactions.c.event_seq.not_in(told)).order_by(transactions.c.event_seq)):
            yield f"event {seq}: a {transaction} of no obligation"
    amounts = (
        select(outcomes.c.event_seq, outcomes.c.quantity, outcomes.c.value, outcomes.c.money, leg, postings.c.amount,
               postings.c.to_account)
        .join(postings, postings.c.event_seq == outcomes.c.event_seq)
        .where(outcomes.c.kind == SETTLED, leg.in_(legs))
        .order_by(outcomes.c.event_seq, leg)
    )  # fmt: skip
    for seq, quantity, value, money, number, amount, to_account in connection.execute(amounts):
        told_of = {DELIVERED: quantity, PAID: value, MONEY: money}[number]
        moved = -amount if to_account == CLEARING_ID else amount
        if moved != told_of:
            yield f"event {seq}: {told_of} of an obligation was settled, and posting {number} moves {moved}"


def _obligation_faults(connection: Connection) -> Iterator[str]:
    """What is left of an obligation is what was netted, less what was settled and bought in; and those that were netted together
    sum to zero, as they were and as they are."""
    obligations, outcomes = schema.obligations, schema.outcomes
    sets: dict[tuple[int, str], list[int]] = {}
    assets_by_id = {row.id: row.name for row in read_assets(connection)}
    later = connection.execute(
        select(outcomes).order_by(outcomes.c.obligation, outcomes.c.event_seq), execution_options={"yield_per": ROWS_AT_A_TIME}
    )
    coming = (OutcomeRow(*row) for row in later)
    outcome = next(coming, None)
    every = connection.execute(
        select(obligations).order_by(obligations.c.event_seq), execution_options={"yield_per": ROWS_AT_A_TIME}
    )
    for row in every:
        one = ObligationRow(*row)
        left, money_left = one.quantity, one.money
        while outcome is not None and outcome.obligation <= one.event_seq:
            if outcome.obligation < one.event_seq:
                yield f"event {outcome.event_seq}: obligation {outcome.obligation} is not there"
                outcome = next(coming, None)
                continue
            if outcome.kind == OBLIGATION_SPLIT:
                left = outcome.quantity_left
            else:
                left -= outcome.quantity
                money_left -= outcome.money if outcome.kind == SETTLED else 0
            if (left, money_left) != (outcome.quantity_left, outcome.money_left):
                yield (
                    f"event {outcome.event_seq} leaves {outcome.quantity_left} and {outcome.money_left} of obligation "
                    f"{one.event_seq}, and what was settled of it leaves {left} and {money_left}"
                )
                left, money_left = outcome.quantity_left, outcome.money_left
            outcome = next(coming, None)
        if (left, money_left) != (one.quantity_left, one.money_left):
            yield (
                f"obligation {one.event_seq}: {one.quantity_left} and {one.money_left} are left, and what was settled of it leaves "
                f"{left} and {money_left}"
            )
        sums = sets.setdefault((one.instrument, one.trading_day), [0, 0, 0, 0])
        for place, amount in enumerate((one.quantity, one.money, one.quantity_left, one.money_left)):
            sums[place] += amount
    for (instrument, day), sums in sorted(sets.items()):
        if any(sums):
            yield (
                f"the obligations in {assets_by_id.get(instrument, instrument)} of {day or 'before the first day'} sum to "
                f"{sums[0]} and {sums[1]}, and what is left of them to {sums[2]} and {sums[3]}, and not to zero"
            )


def _balance_faults(connection: Connection) -> Iterator[str]:
    """Each balance is the sum of its postings, and the balances of an asset sum to zero."""
    account_names = _account_names(connection)
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
    for whose, what in ((balances.c.account > 0, "balances"), (balances.c.account < 0, "unsettled balances")):
        for (asset,), amount in sorted(exact_sums(connection, balances, [balances.c.asset], [whose]).items()):
            if amount:
                yield f"{asset_names.get(asset, asset)}: the {what} of all accounts sum to {amount}, and not to zero"
    for key in sorted(kept):
        if abs(key[0]) == CLEARING_ID and kept[key]:
            yield f"{account_names[key[0]]} {asset_names.get(key[1], key[1])}: the clearing house is not flat, it has {kept[key]}"


def _account_names(connection: Connection) -> dict[int, str]:
    names = {row.id: row.name for row in read_accounts(connection)}
    return names | {-number: f"{name} (unsettled)" for number, name in names.items()}


def _unsettled_faults(connection: Connection) -> Iterator[str]:
    """What is unsettled in an account is what is left of its obligations, and its trades that are not netted yet."""
    terms, obligations = schema.terms, schema.obligations
    if not connection.execute(select(func.count()).select_from(terms).where(terms.c.cycle_days > 0)).scalar_one():
        return
    every_asset = {row.id: row for row in read_assets(connection)}
    due: dict[tuple[int, int], int] = {}
    still_open = or_(obligations.c.quantity_left != 0, obligations.c.money_left != 0)
    for one in read_rows(connection, ObligationRow, select(obligations).where(still_open)):
        instrument = every_asset[one.instrument]
        _add(due, -one.account, instrument.id, one.quantity_left)
        _add(due, -one.account, _currency(instrument), one.money_left - _value(instrument, one))
    last = select(obligations.c.instrument, func.max(obligations.c.event_seq)).group_by(obligations.c.instrument)
    netted = {number: seq for number, seq in connection.execute(last)}  # noqa: C416
    for instrument in every_asset.values():
        if instrument.kind == INSTRUMENT:
            _add_not_netted(connection, due, instrument.id, netted.get(instrument.id, 0))
    names = _account_names(connection)
    kept = {(row.account, row.asset): row.amount for row in connection.execute(select(balances).where(balances.c.account < 0))}
    for key in sorted(due.keys() | kept.keys(), key=lambda key: (-key[0], key[1])):
        if key[0] != -CLEARING_ID and due.get(key, 0) != kept.get(key, 0):
            yield (
                f"{names.get(key[0], key[0])} {every_asset[key[1]].name}: the balance is {kept.get(key, 0)}, and obligations and "
                f"what is not netted yet come to {due.get(key, 0)}"
            )


def _add(due: dict[tuple[int, int], int], account: int, asset: int, amount: int) -> None:
    due[account, asset] = due.get((account, asset), 0) + amount


def _add_not_netted(connection: Connection, due: dict[tuple[int, int], int], instrument: int, since: int) -> None:
    """Add to `due`, by twin and asset, what was traded in an instrument after its last netting, the event `since`."""
    obligations, outcomes = schema.obligations, schema.outcomes
    traded = select(transactions.c.event_seq).where(
        transactions.c.event_seq > since,
        transactions.c.instrument == instrument,
        transactions.c.kind.in_([TRADE, BUST, CORRECTION, ALLOCATION, SPLIT]),
    )
    for column, sign in ((postings.c.to_account, 1), (postings.c.from_account, -1)):
        where: list[ColumnElement[bool]] = [column < 0, postings.c.event_seq > since, postings.c.event_seq.in_(traded)]
        for (account, asset), amount in exact_sums(connection, postings, [column, postings.c.asset], where).items():
            _add(due, account, asset, sign * amount)
    # What a split changed in obligations is in what is left of them, and not in what was traded since.
    left: dict[int, int] = {}
    of_split = (
        select(
            outcomes.c.kind, outcomes.c.event_seq, outcomes.c.obligation, outcomes.c.quantity_left, obligations.c.account,
            obligations.c.quantity,
        )
        .join(obligations, obligations.c.event_seq == outcomes.c.obligation)
        .where(outcomes.c.obligation.in_(_split_since(instrument, since)))
        .order_by(outcomes.c.event_seq)
    )  # fmt: skip
    for kind, seq, number, quantity_left, account, quantity in connection.execute(of_split):
        if kind == OBLIGATION_SPLIT and seq > since:
            _add(due, -account, instrument, left.get(number, quantity) - quantity_left)
        left[number] = quantity_left


def _split_since(instrument: int, since: int) -> Any:
    """The obligations in an instrument that were split after an event."""
    obligations, outcomes = schema.obligations, schema.outcomes
    return (
        select(outcomes.c.obligation)
        .join(obligations, obligations.c.event_seq == outcomes.c.obligation)
        .where(obligations.c.instrument == instrument, outcomes.c.kind == OBLIGATION_SPLIT, outcomes.c.event_seq > since)
    )


def _currency(instrument: AssetRow) -> int:
    assert instrument.currency is not None, "an instrument has a currency"
    return instrument.currency


def _value(instrument: AssetRow, one: ObligationRow) -> int:
    """What is to be paid for what is left of an obligation."""
    assert instrument.price_decimals is not None, "an instrument has a price"
    unit: int = 10 ** (MONEY_DECIMALS - instrument.decimals - instrument.price_decimals)
    return one.quantity_left * one.price * unit // one.multiple


def differences(connection: Connection, engine: Mapping[str, EngineAccount]) -> list[Difference]:
    """Where the participants' accounts are not those of the engine, by account and asset, and settled and unsettled apart."""
    asset_rows = {row.id: (row.kind, row.name) for row in read_assets(connection)}
    names = {row.id: row.name for row in read_accounts(connection) if row.kind == PARTICIPANT}
    ours: dict[tuple[str, str, str, bool], int] = {}
    for row in connection.execute(select(balances)):
        if abs(row.account) in names:
            ours[names[abs(row.account)], *asset_rows[row.asset], row.account < 0] = row.amount
    theirs: dict[tuple[str, str, str, bool], int] = {}
    for name, account in engine.items():
        for kind, totals, unsettled in (
            (CURRENCY, account.cash, account.unsettled_cash),
            (INSTRUMENT, account.holdings, account.unsettled_holdings),
        ):
            for asset in totals.keys() | unsettled.keys():
                theirs[name, kind, asset, True] = unsettled.get(asset, 0)
                theirs[name, kind, asset, False] = totals.get(asset, 0) - unsettled.get(asset, 0)
    return [
        Difference(key[0], key[2], key[3], ours.get(key, 0), theirs.get(key, 0))
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key, 0) != theirs.get(key, 0)
    ]


def unknown_accounts(connection: Connection, engine: Mapping[str, EngineAccount]) -> list[tuple[str, str]]:
    """(account, who alone knows it: "engine" or "ledger") of those that only one of both has."""
    names = {row.name for row in read_accounts(connection) if row.kind == PARTICIPANT}
    return [(name, "engine" if name in engine else "ledger") for name in sorted(engine.keys() ^ names)]


def _engine_faults(connection: Connection, cursor: Cursor, engine: Mapping[str, EngineAccount] | None) -> Iterator[str]:
    if engine is None:
        return
    for one in differences(connection, engine):
        what = " unsettled" if one.unsettled else ""
        yield (
            f"{one.account} {one.asset}: the ledger has {one.ledger}{what}, and the engine {one.engine}{what}, "
            f"at event {cursor.event_seq}"
        )
    for name, which in unknown_accounts(connection, engine):
        yield f"account {name} is known to the {which} alone"
