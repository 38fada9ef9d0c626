"""The ledger against the engine, again and again: an engine of its own follows the journal to where the ledger stands; it changes
neither, and trades nothing.

A look compares what accounts have, and the sums that are quickly taken; a whole look, once a trading day and at the beginning,
reads every posting besides (`fixserver ledger check`). What is found is said with both figures and with the first event after
which they were not the same.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, func, or_, select
from sqlalchemy import Engine as Database

from clearing import reconciliation, schema
from clearing.ledger import read_accounts, read_assets, read_cursor
from clearing.postings import CLEARING_ID, PARTICIPANT, Books
from clearing.reconciliation import Difference, EngineAccount
from following.database import trouble_named
from following.eventlog import EventLog, LogHead
from matching.engine import Engine
from matching.recordlog import LogMissing
from matching.sequencer import read_commands, replay
from matching.snapshot import SnapshotDamaged, read_snapshot, snapshots

EVENTS_AT_A_TIME = 20_000
TRACED_MAX = 20  # differences of one look that are followed back to where they began


class Parted(NamedTuple):
    """A difference, and the first event after which ledger and engine were not the same: 0 where they are, as far as the
    postings go, and it is the balance that is not the sum of them. `at_or_before` where the log does not go back that far."""

    difference: Difference
    event_seq: int
    at_or_before: bool = False


class Look(NamedTuple):
    """What one look has found. Empty `faults` and `parted` say that all is well."""

    event_seq: int
    command_seq: int
    whole: bool
    seconds: float
    accounts: int
    faults: list[str]
    parted: list[Parted]
    obligations_failed: int
    margin_calls: int

    @property
    def ok(self) -> bool:
        return not self.faults and not self.parted

    def report(self) -> dict[str, Any]:
        """As JSON has it; amounts are whole units of the asset, as text."""
        return {
            "ok": self.ok,
            "event_seq": self.event_seq,
            "command_seq": self.command_seq,
            "whole": self.whole,
            "seconds": round(self.seconds, 3),
            "accounts": self.accounts,
            "faults": self.faults,
            "differences": [
                {
                    "account": one.difference.account,
                    "asset": one.difference.asset,
                    "settled": not one.difference.unsettled,
                    "ledger": str(one.difference.ledger),
                    "engine": str(one.difference.engine),
                    "parted_at_event": one.event_seq or None,
                    "at_or_before": one.at_or_before,
                }
                for one in self.parted
            ],
            "obligations_failed": self.obligations_failed,
            "margin_calls": self.margin_calls,
        }

    def lines(self) -> Iterator[str]:
        """What is wrong, for people."""
        yield from self.faults
        for one in self.parted:
            found = one.difference
            what = "unsettled" if found.unsettled else "settled"
            figures = f"the ledger has {found.ledger}, and the engine {found.engine}"
            yield f"{found.account} {found.asset}, {what}: {figures}; {_since(one)}"


def _since(one: Parted) -> str:
    if not one.event_seq:
        return "its postings agree with the engine: the balance is not the sum of them"
    return f"they parted at event {one.event_seq}{', or before' if one.at_or_before else ''}"


def accounts_of(engine: Engine) -> dict[str, EngineAccount]:
    """What the engine has in each account."""
    return {
        name: EngineAccount(
            {currency: cash.total for currency, cash in account.cash.items()},
            {instrument: position.total for instrument, position in account.positions.items()},
            {currency: cash.unsettled for currency, cash in account.cash.items()},
            {instrument: position.unsettled for instrument, position in account.positions.items()},
        )
        for name, account in engine.accounts.items()
    }


class Reconciler:
    """Looks at the ledger in `database`, of the venue in `data`. Raises what opening and reading them raises; after that the
    next look begins anew."""

    def __init__(self, database: Database, data: Path) -> None:
        self._database = database
        self._data = data
        self._engine: Engine | None = None
        self._day = ""

    def look(self, *, whole: bool | None = None) -> Look:
        """Compare now, at the event at which the ledger stands. `whole`: read every posting; unless told: once a trading day."""
        began = time.monotonic()
        try:
            with trouble_named(self._database), self._database.connect() as connection, connection.begin():
                return self._look(connection, whole, began)
        except BaseException:
            self._engine = None
            raise

    def _look(self, connection: Connection, whole: bool | None, began: float) -> Look:
        cursor = read_cursor(connection)
        engine = self._engine_at(cursor.event_seq)
        if whole is None:
            whole = engine.trading_day != self._day
        accounts = accounts_of(engine)
        if whole:
            findings = reconciliation.check(connection, LogHead(self._data / "events").read())
            faults = findings.faults
            self._day = engine.trading_day
        else:
            faults = list(quick_faults(connection))
        unknown = reconciliation.unknown_accounts(connection, accounts)
        faults += [f"account {name} is known to the {which} alone" for name, which in unknown]
        found = reconciliation.differences(connection, accounts)
        parted = partings(connection, self._data, found[:TRACED_MAX])
        parted += [Parted(one, cursor.event_seq, True) for one in found[TRACED_MAX:]]
        failed = select(func.count()).select_from(schema.obligations).where(
            schema.obligations.c.days > 0, or_(schema.obligations.c.quantity_left != 0, schema.obligations.c.money_left != 0)
        )  # fmt: skip
        return Look(
            cursor.event_seq, cursor.command_seq, whole, time.monotonic() - began, len(accounts), faults, parted,
            connection.execute(failed).scalar_one(), sum(len(account.called) for account in engine.accounts.values()),
        )  # fmt: skip

    def _engine_at(self, event_seq: int) -> Engine:
        """The engine after this event; the one of the look before goes on where it can."""
        engine = self._engine
        if engine is None or engine.event_seq > event_seq:
            engine = replay(self._data, event_seq)
        elif engine.event_seq < event_seq:
            for batch in read_commands(self._data, engine.command_seq + 1):
                engine.apply(batch.first_seq, batch.time, batch.commands)
                if engine.event_seq >= event_seq:
                    break
        assert engine.event_seq == event_seq, f"a batch of the journal ends with event {event_seq}"
        self._engine = engine
        return engine


def quick_faults(connection: Connection) -> Iterator[str]:
    """What can be said of the balances alone: of each asset they sum to zero, and the clearing house has nothing."""
    names = {row.id: row.name for row in read_assets(connection)}
    sums: dict[int, int] = {}
    for row in connection.execute(select(schema.balances)):
        sums[row.asset] = sums.get(row.asset, 0) + row.amount
        if abs(row.account) == CLEARING_ID and row.amount:
            which = "unsettled " if row.account < 0 else ""
            yield f"the clearing house has {row.amount} {which}{names[row.asset]}, and should be flat"
    for asset, amount in sorted(sums.items()):
        if amount:
            yield f"{names[asset]}: the balances of all accounts sum to {amount}, and not to zero"


# ---------------------------------------------------------------------------------------------- where they parted


class _Postings:
    """What the postings of the ledger come to in one account and asset, after each event."""

    def __init__(self, connection: Connection, account: int, asset: int) -> None:
        postings = schema.postings
        wanted = select(postings.c.event_seq, postings.c.to_account, postings.c.amount).where(
            postings.c.asset == asset, or_(postings.c.from_account == account, postings.c.to_account == account)
        )
        self._events: list[int] = []
        self._totals: list[int] = []
        total = 0
        for seq, to_account, amount in connection.execute(wanted.order_by(postings.c.event_seq, postings.c.leg)):
            total += amount if to_account == account else -amount
            self._events.append(seq)
            self._totals.append(total)

    def after(self, event_seq: int) -> int:
        position = bisect_right(self._events, event_seq)
        return self._totals[position - 1] if position else 0

    def changes(self, first: int, last: int) -> dict[int, int]:
        """By event, of these, what its postings change."""
        begin, end = bisect_right(self._events, first - 1), bisect_right(self._events, last)
        return {seq: self.after(seq) - self.after(seq - 1) for seq in self._events[begin:end]}


def partings(connection: Connection, data: Path, found: list[Difference]) -> list[Parted]:
    """Follow each difference back to the first event after which the postings do not come to what the engine had. The journal is
    replayed once for all of them, from the newest snapshot at which they still agreed."""
    accounts = {row.name: row.id for row in read_accounts(connection) if row.kind == PARTICIPANT}
    assets = {row.name: row.id for row in read_assets(connection)}
    waiting: dict[Difference, _Postings] = {}
    keys: dict[Difference, tuple[int, int]] = {}
    for one in found:
        if one.account in accounts and one.asset in assets:
            account = accounts[one.account]
            keys[one] = (-account if one.unsettled else account), assets[one.asset]
            waiting[one] = _Postings(connection, *keys[one])
    parted: dict[Difference, Parted] = {}
    if not waiting:
        return [Parted(one, read_cursor(connection).event_seq, True) for one in found]
    engine = _beginning(data, waiting)
    for one in _differing(engine, waiting):
        del waiting[one]
        parted[one] = Parted(one, engine.event_seq, True)
    last = read_cursor(connection).event_seq
    for batch in read_commands(data, engine.command_seq + 1):
        if not waiting or engine.event_seq >= last:
            break
        before = engine.event_seq
        engine.apply(batch.first_seq, batch.time, batch.commands)
        for one in _differing(engine, waiting):
            posted = waiting.pop(one).changes(before + 1, engine.event_seq)
            due = _due(data, before + 1, engine.event_seq, *keys[one])
            wrong = [seq for seq in sorted(posted.keys() | due.keys()) if posted.get(seq, 0) != due.get(seq, 0)]
            parted[one] = Parted(one, min(wrong or posted, default=before + 1))
    return [parted.get(one, Parted(one, 0)) for one in found]


def _differing(engine: Engine, waiting: dict[Difference, _Postings]) -> list[Difference]:
    return [one for one, postings in waiting.items() if postings.after(engine.event_seq) != _has(engine, one)]


def _has(engine: Engine, one: Difference) -> int:
    account = engine.accounts.get(one.account)
    if account is None:
        return 0
    balance = account.positions.get(one.asset) or account.cash.get(one.asset)
    if balance is None:
        return 0
    return balance.unsettled if one.unsettled else balance.total - balance.unsettled


def _beginning(data: Path, waiting: dict[Difference, _Postings]) -> Engine:
    """The newest snapshot at which all agree; otherwise before the first command, where the journal still has that; otherwise
    the oldest snapshot."""
    kept = []
    for _, path in reversed(snapshots(data / "snapshots")):
        try:
            engine = Engine.from_state(read_snapshot(path))
        except (SnapshotDamaged, msgspec.DecodeError):
            continue
        if not _differing(engine, waiting):
            return engine
        kept.append(engine)
    try:
        next(read_commands(data, 1), None)
    except LogMissing:
        if kept:
            return kept[-1]
        raise
    return Engine()


def _due(data: Path, first: int, last: int, account: int, asset: int) -> dict[int, int]:
    """By event, of these, what the ledger has to post in an account and asset: made anew from the event log. Empty where the log
    does not go back to its first event."""
    books = Books()
    changes: dict[int, int] = {}
    log = EventLog(data / "events", 1)
    try:
        while records := log.read(EVENTS_AT_A_TIME):
            for record in records:
                if record.first > last:
                    return changes
                books.apply(record.first, record.batch)
                for seq, _, giver, taker, moved, amount in books.take_changes().postings:
                    if seq >= first and moved == asset and account in (giver, taker):
                        changes[seq] = changes.get(seq, 0) + (amount if taker == account else -amount)
    except LogMissing:
        return {}
    finally:
        log.close()
    return changes
