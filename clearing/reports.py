"""Reports from the ledger: trades, positions with profit and loss, settlement, the trial balance; amounts are whole units, and
it writes nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, or_, select

from clearing import schema
from clearing.ledger import read_accounts, read_assets, read_rows
from clearing.money import exact_sums
from clearing.postings import (
    ALLOCATION,
    ALLOCATION_LEG,
    BUST,
    BUY_IN,
    CASH_IN,
    CASH_OUT,
    COMPENSATION_IN,
    COMPENSATION_OUT,
    CORRECTION,
    DEPOSIT,
    DIVIDEND,
    FRACTION,
    MAKER_FEE,
    NOT_DELIVERED,
    NOT_PAID,
    NOT_RECEIVED,
    NOT_TAKEN,
    PARTICIPANT,
    SECURITIES_IN,
    SECURITIES_OUT,
    SPLIT,
    TAKEN_BACK,
    TAKER_FEE,
    TRADE,
    WITHDRAWAL,
    AccountRow,
    AssetRow,
    MarkRow,
    ObligationRow,
    OutcomeRow,
)
from clearing.statements import Balance, Span, read_balances
from matching.messages import BUY, MONEY_DECIMALS, FailReason

ROWS_AT_A_TIME = 10_000
TRADES = (TRADE, BUST, CORRECTION, ALLOCATION)
_OF_POSITIONS = (*TRADES, BUY_IN, DEPOSIT, WITHDRAWAL, DIVIDEND, SPLIT)


class Posting(NamedTuple):
    """One posting of an account, seen from it: `amount` above 0 is received."""

    event_seq: int
    time: int
    kind: str
    instrument: int | None
    price: int | None
    reverses: int | None
    leg: int
    asset: int
    amount: int
    unsettled: bool


class Trade(NamedTuple):
    """What an account bought or sold. `what` is trade, bust, correction or allocation; of what is taken back, quantity, value and
    fee are below 0. A fee below 0 is a rebate otherwise. Both fees of one who traded with himself are with what he bought.
    `reverses` is the event that is taken back. `unsettled`: it was not settled at once."""

    event_seq: int
    time: int
    account: AccountRow
    what: str
    side: str
    instrument: AssetRow
    quantity: int
    price: int
    value: int
    fee: int
    unsettled: bool
    reverses: int | None


@dataclass(slots=True)
class Position:
    """What an account holds of an instrument, delivered or not, by the method of average cost.

    `cost` is what is held was bought for (below 0: what was sold short was sold for). What is bought or sold towards zero takes its
    part of the cost with it, rounded towards zero, and the rest of its value is `realised`. Fees and dividends are counted apart.
    All in money units of the instrument's currency; realised less cost is always what was received less what was paid.
    """

    account: AccountRow
    instrument: AssetRow
    quantity: int = 0
    cost: int = 0
    realised: int = 0
    fees: int = 0
    dividends: int = 0
    mark: int | None = None

    @property
    def value(self) -> int | None:
        """At the mark: the last trade's price, or the reference price where there was none."""
        return None if self.mark is None else self.quantity * self.mark * value_unit(self.instrument)

    @property
    def unrealised(self) -> int | None:
        value = self.value
        return None if value is None else value - self.cost

    @property
    def average(self) -> int | None:
        """Money for each whole unit, rounded towards zero."""
        if not self.quantity:
            return None
        scale: int = 10**self.instrument.decimals
        return abs(self.cost) * scale // abs(self.quantity)

    def trade(self, quantity: int, value: int) -> None:
        """Buy a quantity (below 0: sell it) for a value."""
        if not quantity:
            return
        if self.quantity * quantity < 0:
            sign = 1 if self.quantity > 0 else -1
            closed = min(abs(quantity), abs(self.quantity))
            part, cost = _part(value, closed, abs(quantity)), _part(self.cost, closed, abs(self.quantity))
            self.realised += sign * part - cost
            self.cost -= cost
            self.quantity -= sign * closed
            quantity += sign * closed
            value -= part
        self.quantity += quantity
        self.cost += value if quantity > 0 else -value if quantity < 0 else 0


def _part(amount: int, of: int, whole: int) -> int:
    """So much of an amount, rounded towards zero."""
    part = abs(amount) * of // whole
    return part if amount >= 0 else -part


class Instruction(NamedTuple):
    """An obligation with the names of what it is about. The account is the venue's fees' where it is of its own."""

    obligation: ObligationRow
    account: AccountRow
    instrument: AssetRow


class Outcome(NamedTuple):
    """What became of an obligation, with the names of what it is about."""

    outcome: OutcomeRow
    account: AccountRow
    instrument: AssetRow

    @property
    def reason(self) -> str:
        """Why it failed, in words."""
        return "" if self.outcome.reason is None else reason_text(self.outcome.reason)


class Settlement(NamedTuple):
    """What was netted on a trading day, what became of obligations in its evening, and what was open after it."""

    netted: list[Instruction]
    outcomes: list[Outcome]
    open: list[Instruction]


def reason_text(reason: int) -> str:
    return FailReason(reason).name.lower().replace("_", " ")


def value_unit(instrument: AssetRow) -> int:
    """Money units for one quantity unit at a price of one."""
    assert instrument.price_decimals is not None, "an instrument has a price"
    unit: int = 10 ** (MONEY_DECIMALS - instrument.decimals - instrument.price_decimals)
    return unit


def accounts_of(connection: Connection, participant: str) -> list[AccountRow]:
    """The accounts of a participant, by name."""
    found = [row for row in read_accounts(connection) if row.kind == PARTICIPANT and participant == row.participant]
    return sorted(found, key=lambda row: row.name)


# -------------------------------------------------------------------------------------------------- trades


def trades(
    connection: Connection, account: AccountRow, first_seq: int = 1, end_seq: int | None = None, begin: int | None = None,
    end: int | None = None,
) -> Generator[Trade]:  # fmt: skip
    """What an account bought and sold by the events from `first_seq` on and before `end_seq`, and in the time from `begin` (ns) on
    and before `end`, oldest first."""
    assets = {row.id: row for row in read_assets(connection)}
    transactions = schema.transactions
    where: list[Any] = [transactions.c.kind.in_(TRADES)]
    if begin is not None:
        where.append(transactions.c.time >= begin)
    if end is not None:
        where.append(transactions.c.time < end)
    with contextlib.closing(_postings(connection, account, first_seq, end_seq, where)) as found:
        for _, group in groupby(found, key=lambda one: one.event_seq):
            yield from _trades_of(account, assets, list(group))


def _trades_of(account: AccountRow, assets: dict[int, AssetRow], legs: list[Posting]) -> Iterator[Trade]:
    """The trades of one transaction: what is taken back first."""
    if legs[0].kind == ALLOCATION:
        yield from _allocated(account, assets, legs)
        return
    assert legs[0].instrument is not None, "a trade is of an instrument"
    instrument = assets[legs[0].instrument]
    for sign, base in ((-1, TAKEN_BACK), (1, 0)):
        by_leg = {one.leg - base: one for one in legs if CASH_IN <= one.leg - base <= TAKER_FEE}
        fee = -sum(by_leg[leg].amount for leg in (MAKER_FEE, TAKER_FEE) if leg in by_leg)
        for side, securities, cash in (("buy", SECURITIES_OUT, CASH_IN), ("sell", SECURITIES_IN, CASH_OUT)):
            if securities in by_leg:
                first = by_leg[securities]
                quantity, value = abs(first.amount), abs(by_leg[cash].amount)
                yield Trade(
                    first.event_seq, first.time, account, first.kind, side, instrument, sign * quantity,
                    value // (quantity * value_unit(instrument)), sign * value, fee, first.unsettled,
                    first.reverses if sign < 0 else None,
                )  # fmt: skip
                fee = 0


def _allocated(account: AccountRow, assets: dict[int, AssetRow], legs: list[Posting]) -> Iterator[Trade]:
    """Shares of a trade that an account was given, or has given to others."""
    pairs = {one.leg: one for one in legs}
    for leg, cash in pairs.items():
        if (leg - ALLOCATION_LEG) % 2 == 0 and leg + 1 in pairs:
            securities = pairs[leg + 1]
            assert cash.price is not None, "an allocation has the price of its trade"
            # Who has a share of a purchase gets securities from the account of the trade, and of a sale gives them to it.
            yield Trade(
                cash.event_seq, cash.time, account, ALLOCATION, "", assets[securities.asset], securities.amount, cash.price,
                -cash.amount, 0, cash.unsettled, None,
            )  # fmt: skip


def with_sides(connection: Connection, rows: Iterable[Trade]) -> Iterator[Trade]:
    """The same, where allocations have the side of their trade: what was given away is below 0."""
    allocations = schema.allocations
    for row in rows:
        if row.what != ALLOCATION:
            yield row
            continue
        side = connection.execute(select(allocations.c.side).where(allocations.c.event_seq == row.event_seq)).scalar_one()
        sign = 1 if side == BUY else -1
        yield row._replace(side="buy" if side == BUY else "sell", quantity=sign * row.quantity, value=sign * row.value)


def _postings(
    connection: Connection, account: AccountRow, first_seq: int, end_seq: int | None, where: list[Any]
) -> Generator[Posting]:
    """The postings of an account and its twin from event `first_seq` on, in their order."""
    postings, transactions, remarks = schema.postings, schema.transactions, schema.remarks
    both = [account.id, -account.id]
    query = (
        select(
            postings.c.event_seq, transactions.c.time, transactions.c.kind, transactions.c.instrument, transactions.c.price,
            remarks.c.reverses, postings.c.leg, postings.c.asset, postings.c.amount, postings.c.from_account, postings.c.to_account,
        )
        .join(transactions, transactions.c.event_seq == postings.c.event_seq)
        .outerjoin(remarks, remarks.c.event_seq == postings.c.event_seq)
        .where(or_(postings.c.from_account.in_(both), postings.c.to_account.in_(both)), postings.c.event_seq >= first_seq, *where)
        .order_by(postings.c.event_seq, postings.c.leg)
    )  # fmt: skip
    if end_seq is not None:
        query = query.where(postings.c.event_seq < end_seq)
    with connection.execute(query, execution_options={"yield_per": ROWS_AT_A_TIME}) as rows:
        for *fields, amount, giver, taker in rows:
            received = abs(taker) == account.id
            yield Posting._make((*fields, amount if received else -amount, (taker if received else giver) < 0))


# ------------------------------------------------------------------------------------------------ positions


class Positions:
    """The positions of an account, from the ledger's first event up to where it was read last; it may be read on."""

    def __init__(self, account: AccountRow) -> None:
        self.account = account
        self.by_instrument: dict[int, Position] = {}
        self.event_seq = 0  # the last that it knows of

    def read(self, connection: Connection, events_max: int | None = None) -> bool:
        """Read on, so many transactions at most. Whether that was all."""
        assets = {row.id: row for row in read_assets(connection)}
        head = connection.execute(select(schema.cursor.c.event_seq)).scalar_one()
        if head < self.event_seq:  # the ledger was made anew
            self.by_instrument, self.event_seq = {}, 0
        wanted = [schema.transactions.c.kind.in_(_OF_POSITIONS)]
        with contextlib.closing(_postings(connection, self.account, self.event_seq + 1, None, wanted)) as found:
            for count, (seq, group) in enumerate(groupby(found, key=lambda one: one.event_seq)):
                if events_max is not None and count == events_max:
                    return False
                self._take(assets, list(group))
                self.event_seq = seq
        self.event_seq = head
        marks = {mark.instrument: mark for mark in read_rows(connection, MarkRow, select(schema.marks))}
        for key, position in self.by_instrument.items():
            position.mark = marks[key].price if key in marks else None
        return True

    def positions(self) -> list[Position]:
        """Those of which there is something to tell, by the order of the ledger's assets."""
        return [one for _, one in sorted(self.by_instrument.items()) if one.quantity or one.realised or one.fees or one.dividends]

    def _position(self, instrument: AssetRow) -> Position:
        position = self.by_instrument.get(instrument.id)
        if position is None:
            position = self.by_instrument[instrument.id] = Position(self.account, instrument)
        return position

    def _take(self, assets: dict[int, AssetRow], legs: list[Posting]) -> None:
        kind, number = legs[0].kind, legs[0].instrument
        if number is None:
            return  # of a currency
        position = self._position(assets[number])
        if kind in TRADES:
            for trade in _trades_of(self.account, assets, legs):
                bought = trade.quantity if trade.side != "sell" else -trade.quantity
                position.trade(bought, abs(trade.value))
                position.fees += trade.fee
        elif kind == BUY_IN:
            self._buy_in(position, {one.leg: one.amount for one in legs})
        elif kind in (DEPOSIT, WITHDRAWAL):
            for one in legs:
                position.trade(one.amount, abs(one.amount) * (one.price or 0) * value_unit(position.instrument))
        elif kind == DIVIDEND:
            position.dividends += sum(one.amount for one in legs)
        else:
            for one in legs:
                if one.leg == FRACTION:
                    position.realised += one.amount
                else:
                    position.quantity += one.amount

    @staticmethod
    def _buy_in(position: Position, amounts: dict[int, int]) -> None:
        """Who was to deliver has bought what he could not deliver, for what it was sold for and what he paid beside; who was to
        receive has sold it for that."""
        money = amounts.get(COMPENSATION_IN, 0) + amounts.get(COMPENSATION_OUT, 0)
        quantity = amounts.get(NOT_TAKEN, 0) + amounts.get(NOT_DELIVERED, 0)
        cash = amounts.get(NOT_RECEIVED, 0) + amounts.get(NOT_PAID, 0) + money
        if not quantity:  # of an account with itself
            position.realised += cash
        elif (quantity > 0) == (cash <= 0):
            position.trade(quantity, abs(cash))
        else:  # the compensation is more than the whole value: it is had for nothing, and the cash is a gain or a loss
            position.trade(quantity, 0)
            position.realised += cash


def positions(connection: Connection, accounts: Iterable[AccountRow]) -> list[Position]:
    found: list[Position] = []
    for account in accounts:
        made = Positions(account)
        made.read(connection)
        found += made.positions()
    return found


# ----------------------------------------------------------------------------------------------- settlement


def settlement(connection: Connection, trading_day: str, span: Span, accounts: Iterable[AccountRow] | None = None) -> Settlement:
    """The settlement report of a trading day: of all accounts, the venue's own among them, or of these."""
    names = {row.id: row for row in (read_accounts(connection) if accounts is None else accounts)}
    assets = {row.id: row for row in read_assets(connection)}
    obligations, outcomes = schema.obligations, schema.outcomes
    mine = obligations.c.account.in_(list(names))
    netted = select(obligations).where(obligations.c.trading_day == trading_day, mine).order_by(obligations.c.event_seq)
    became = (
        select(outcomes)
        .join(obligations, obligations.c.event_seq == outcomes.c.obligation)
        .where(outcomes.c.trading_day == trading_day, mine)
        .order_by(outcomes.c.event_seq, outcomes.c.obligation)
    )
    found = read_rows(connection, OutcomeRow, became)
    whose = _obligations_of(connection, {one.obligation for one in found})
    return Settlement(
        [_instruction(names, assets, row) for row in read_rows(connection, ObligationRow, netted)],
        [Outcome(one, names[whose[one.obligation][0]], assets[whose[one.obligation][1]]) for one in found],
        [_instruction(names, assets, row) for row in open_obligations(connection, span.end_seq, list(names))],
    )


def open_obligations(connection: Connection, end_seq: int | None, accounts: list[int]) -> list[ObligationRow]:
    """The obligations of these accounts of which something was left before event `end_seq`, or is left now (None), as they were."""
    obligations = schema.obligations
    left = or_(obligations.c.quantity_left != 0, obligations.c.money_left != 0)
    query = select(obligations).where(obligations.c.account.in_(accounts)).order_by(obligations.c.event_seq)
    if end_seq is None:
        return read_rows(connection, ObligationRow, query.where(left))
    then = query.where(obligations.c.event_seq < end_seq, or_(left, obligations.c.changed_seq >= end_seq))
    found: list[ObligationRow] = []
    for row in read_rows(connection, ObligationRow, then):
        if row.changed_seq >= end_seq:
            row = _as_it_was(connection, row, end_seq)
        if row.is_open:
            found.append(row)
    return found


def _as_it_was(connection: Connection, row: ObligationRow, end_seq: int) -> ObligationRow:
    """An obligation before an event, as its outcomes tell."""
    outcomes = schema.outcomes
    of_it = select(outcomes).where(outcomes.c.obligation == row.event_seq, outcomes.c.event_seq < end_seq)
    last = read_rows(connection, OutcomeRow, of_it.order_by(outcomes.c.event_seq.desc()).limit(1))
    if not last:
        return row._replace(
            quantity_left=row.quantity, money_left=row.money, days=0, reason=None, multiple=1, changed_seq=row.event_seq
        )
    failed = select(func.max(outcomes.c.event_seq)).where(
        outcomes.c.obligation == row.event_seq, outcomes.c.event_seq < end_seq, outcomes.c.reason.is_not(None)
    )
    reason = select(outcomes.c.reason).where(
        outcomes.c.obligation == row.event_seq, outcomes.c.event_seq == failed.scalar_subquery()
    )
    one = last[0]
    return row._replace(
        quantity_left=one.quantity_left, money_left=one.money_left, days=one.days, changed_seq=one.event_seq,
        reason=connection.execute(reason).scalar_one_or_none(),
    )  # fmt: skip


def _obligations_of(connection: Connection, numbers: set[int]) -> dict[int, tuple[int, int]]:
    """Account and instrument of obligations, by their numbers."""
    obligations = schema.obligations
    wanted = sorted(numbers)
    found: dict[int, tuple[int, int]] = {}
    for start in range(0, len(wanted), 500):
        some = obligations.c.event_seq.in_(wanted[start : start + 500])
        for number, account, instrument in connection.execute(
            select(obligations.c.event_seq, obligations.c.account, obligations.c.instrument).where(some)
        ):
            found[number] = account, instrument
    return found


def _instruction(names: dict[int, AccountRow], assets: dict[int, AssetRow], row: ObligationRow) -> Instruction:
    return Instruction(row, names[row.account], assets[row.instrument])


# --------------------------------------------------------------------------------------------- trial balance


def trial_balance(connection: Connection, end_seq: int | None = None) -> list[Balance]:
    """What every account of the venue has, before event `end_seq`, by asset and account: of each asset it sums to zero."""
    if end_seq is None:
        return sorted(read_balances(connection), key=lambda one: (one.asset.id, one.account.id))
    accounts = {row.id: row for row in read_accounts(connection)}
    assets = {row.id: row for row in read_assets(connection)}
    postings = schema.postings
    sums: dict[tuple[int, int], int] = {}
    for column, sign in ((postings.c.to_account, 1), (postings.c.from_account, -1)):
        before = [postings.c.event_seq < end_seq]
        for (account, asset), amount in exact_sums(connection, postings, [column, postings.c.asset], before).items():
            sums[account, asset] = sums.get((account, asset), 0) + sign * amount
    keys = sorted({(asset, abs(account)) for account, asset in sums})
    return [
        Balance(accounts[account], assets[asset], sums.get((account, asset), 0), sums.get((-account, asset), 0))
        for asset, account in keys
    ]


def assets_that_do_not_sum_to_zero(balances: Iterable[Balance]) -> list[AssetRow]:
    """Settled and unsettled apart."""
    sums: dict[AssetRow, list[int]] = {}
    for one in balances:
        both = sums.setdefault(one.asset, [0, 0])
        both[0] += one.settled
        both[1] += one.unsettled
    return [asset for asset, both in sums.items() if any(both)]
