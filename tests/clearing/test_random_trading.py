"""Random trading by the real engine: cash and shares are conserved at every batch, and a rebuilt ledger is the live one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.database import open_database
from clearing.ledger import Ledger, read_accounts
from clearing.postings import Books
from clearing.reconciliation import check
from clearing.statements import read_balances, statement
from following.database import sqlite_url
from following.eventlog import LogHead, Record
from matching.engine import Engine as MatchingEngine
from matching.messages import BalanceChanged, EventBatch, TradeBusted, TradeCorrected, Traded
from tests.clearing.venue import all_records, definitions, engine_accounts, record, rows, trade_randomly, trading
from tests.every_kind import steps


@pytest.mark.parametrize("seed", [1, 2])
def test_the_ledger_agrees_with_the_engine(ledger: Ledger, tmp_path: Path, seed: int) -> None:
    engine = trade_randomly(tmp_path / "venue", seed, 2_000)
    head = LogHead(tmp_path / "venue" / "events").read()
    records = all_records(tmp_path / "venue" / "events")
    for start in range(0, len(records), 7):
        ledger.post(records[start : start + 7])
    with ledger.engine.connect() as connection:
        findings = check(connection, head, engine_accounts(engine))
    assert findings.faults == []
    assert findings.cursor.event_seq == head == engine.event_seq
    assert findings.cursor.command_seq == engine.command_seq
    assert findings.transactions > 500


def test_a_rebuilt_ledger_is_the_live_one_row_by_row(ledger: Ledger, tmp_path: Path) -> None:
    trade_randomly(tmp_path / "venue", 3, 1_000)
    records = all_records(tmp_path / "venue" / "events")
    for one in records:
        ledger.post([one])
    live = rows(ledger.engine)
    ledger.empty()
    assert ledger.cursor.event_seq == 0
    assert [len(found) for found in rows(ledger.engine).values()] == [{"accounts": 5, "cursor": 1}.get(table, 0) for table in live]
    ledger.post(records)
    rebuilt = rows(ledger.engine)
    for table in live:
        assert rebuilt[table] == live[table], table


def test_both_databases_hold_the_same_rows(ledger: Ledger, tmp_path: Path) -> None:
    trade_randomly(tmp_path / "venue", 4, 500)
    records = all_records(tmp_path / "venue" / "events")
    ledger.post(records)
    other = Ledger(open_database(sqlite_url(tmp_path / "other.sqlite")))
    other.load()
    other.post(records)
    other.close()
    assert rows(ledger.engine) == rows(other.engine)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), fees=st.tuples(st.integers(-300, 1_000), st.integers(300, 1_000)), batch=st.integers(1, 50))
def test_cash_and_shares_are_conserved_at_every_batch(seed: int, fees: tuple[int, int], batch: int) -> None:
    """Any order flow and any fees: every posting moves something, all balances of an asset sum to zero after every batch,
    and the participants' are the engine's."""
    engine, books = MatchingEngine(), Books()
    commands = definitions(*fees) + trading(seed, 150)
    first = 1
    for start in range(0, len(commands), batch):
        events = engine.apply(start + 1, start, commands[start : start + batch])
        books.apply(first, EventBatch(engine.command_seq, start, events))
        first += len(events)
        changes = books.take_changes()
        assert all(amount > 0 and giver != taker for _, _, giver, taker, _, amount in changes.postings)
        sums: dict[int, int] = {}
        for (_, asset), amount in books.balances.items():
            sums[asset] = sums.get(asset, 0) + amount
        assert set(sums.values()) <= {0}
        assert all(books.balances[1, asset] == 0 for asset in sums), "the clearing house is flat"
        for name, account in engine.accounts.items():
            of_engine = sorted([cash.total for cash in account.cash.values()] + [held.total for held in account.positions.values()])
            of_ledger = sorted(amount for (owner, _), amount in books.balances.items() if owner == books.accounts.get(name))
            assert [amount for amount in of_engine if amount] == [amount for amount in of_ledger if amount]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_ledger_agrees_with_the_engine_whatever_happens(ledger: Ledger, seed: int) -> None:
    """Commands of every kind and in every phase, trades of auctions, quotes and lists, busts and corrections; checked now and
    then on the way."""
    engine = MatchingEngine()
    waiting: list[Record] = []
    posted = 0
    kinds: Counter[type] = Counter()
    for step in steps(engine, seed, 6_000, 12):
        kinds.update(type(event) for event in step.batch.events)
        waiting.append(record(step.batch.events, step.batch.command_seq, step.time))
        if len(waiting) == 40:
            ledger.post(waiting)
            waiting, posted = [], posted + 1
            if posted % 4 == 0:
                ledger.load()  # as after a restart
                assert found(ledger, engine) == []
    ledger.post(waiting)
    assert found(ledger, engine) == []
    assert kinds[TradeBusted] > 5 and kinds[TradeCorrected] > 5 and kinds[Traded] > 500, f"seed {seed} tests little"
    posted_kinds = Counter(row[2] for row in rows(ledger.engine)["transactions"])
    transfers = kinds[BalanceChanged]
    assert posted_kinds["deposit"] + posted_kinds["withdrawal"] == transfers
    assert posted_kinds["trade"] == kinds[Traded]
    assert (posted_kinds["bust"], posted_kinds["correction"]) == (kinds[TradeBusted], kinds[TradeCorrected])


def found(ledger: Ledger, engine: MatchingEngine) -> list[str]:
    with ledger.engine.connect() as connection:
        return check(connection, engine.event_seq, engine_accounts(engine)).faults


def test_statements_add_up_to_the_balances(ledger: Ledger) -> None:
    """Of every account, the venue's own included: the lines lead from nothing to what it has."""
    engine = MatchingEngine()
    ledger.post([record(step.batch.events, step.batch.command_seq, step.time) for step in steps(engine, 3, 3_000, 12)])
    with ledger.engine.connect() as connection:
        for account in read_accounts(connection):
            have: dict[tuple[str, bool], int] = {}
            for line in statement(connection, account).lines:
                key = line.asset.name, line.unsettled
                have[key] = have.get(key, 0) + line.change
                assert line.balance == have[key]
            kept: dict[tuple[str, bool], int] = {}
            for balance in read_balances(connection, account.name):
                kept |= {(balance.asset.name, False): balance.settled, (balance.asset.name, True): balance.unsettled}
            assert {key: amount for key, amount in have.items() if amount} == {key: a for key, a in kept.items() if a}
