"""Days of settlement by the real engine, with fails, buy-ins, splits and busts: the ledger is the engine, settled and unsettled."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from clearing.database import open_database
from clearing.ledger import Ledger, read_accounts
from clearing.reconciliation import check
from clearing.statements import read_balances, statement
from following.database import sqlite_url
from following.eventlog import Record
from matching.engine import Engine as MatchingEngine
from matching.messages import (
    BoughtIn,
    DayRolled,
    DividendCredited,
    ObligationNetted,
    ObligationSplit,
    Settled,
    SettlementFailed,
    TradeAllocated,
    TradeBusted,
    TradeCorrected,
    Traded,
)
from tests.clearing.venue import engine_accounts, record, rows, settling, write_log

WAIT_SECONDS_MAX = 60

KINDS = (
    Traded, TradeBusted, TradeCorrected, TradeAllocated, ObligationNetted, Settled, SettlementFailed, BoughtIn, DividendCredited,
    ObligationSplit,
)  # fmt: skip


def found(ledger: Ledger, engine: MatchingEngine) -> list[str]:
    with ledger.engine.connect() as connection:
        return check(connection, engine.event_seq, engine_accounts(engine)).faults


@pytest.mark.parametrize("seed", [1, 2])
def test_the_ledger_is_the_engine_after_every_evening(ledger: Ledger, seed: int) -> None:
    """With a restart every other day, in the middle of trading."""
    kinds: Counter[type] = Counter()
    waiting: list[Record] = []
    days = 0
    for engine, one in settling(seed, 20, 60):
        kinds.update(type(event) for event in one.batch.events)
        waiting.append(one)
        rolled = any(isinstance(event, DayRolled) for event in one.batch.events)
        if rolled or len(waiting) == 25:
            ledger.post(waiting)
            waiting = []
            days += rolled
            assert found(ledger, engine) == [], f"seed {seed}, day {days}"
            if days % 2:
                ledger.load()
    missing = [kind.__name__ for kind in KINDS if not kinds[kind]]
    assert not missing, f"seed {seed} tests too little"


def test_both_databases_hold_the_same_rows_of_settlement(ledger: Ledger, tmp_path: Path) -> None:
    records = [one for _, one in settling(3, 12, 40)]
    ledger.post(records)
    other = Ledger(open_database(sqlite_url(tmp_path / "other.sqlite")))
    for one in records:  # and however they are cut into transactions
        other.load()
        other.post([one])
    other.close()
    assert rows(ledger.engine) == rows(other.engine)


def test_statements_of_settlement_add_up_to_the_balances(ledger: Ledger) -> None:
    """Of every account, the venue's own included: settled and unsettled, the lines lead from nothing to what is there."""
    ledger.post([one for _, one in settling(4, 12, 40)])
    with ledger.engine.connect() as connection:
        for account in read_accounts(connection):
            have: dict[tuple[str, bool], int] = {}
            made = statement(connection, account)
            for line in made.lines:
                key = line.asset.name, line.unsettled
                have[key] = have.get(key, 0) + line.change
                assert line.balance == have[key]
            for unsettled in (False, True):
                kept = {
                    balance.asset.name: amount
                    for balance in read_balances(connection, account.name)
                    if (amount := balance.unsettled if unsettled else balance.settled)
                }
                assert {asset: amount for (asset, which), amount in have.items() if amount and which == unsettled} == kept
                assert {asset.name: amount for asset, amount in made.closing(unsettled=unsettled)} == kept


KILLED = """
import os, signal, sys
from pathlib import Path
from clearing import schema
from clearing.database import open_database
from clearing.ledger import Ledger
from following.eventlog import EventLog

ledger = Ledger(open_database(sys.argv[1]))
ledger.load()
plain, table = ledger._connection.__class__.execute, getattr(schema, sys.argv[3])

def execute(self, statement, *arguments, **named):
    if getattr(statement, "table", None) is table:
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(self, statement, *arguments, **named)

ledger._connection.__class__.execute = execute
ledger.post(EventLog(Path(sys.argv[2]), 1).read(10**9))
"""


@pytest.mark.parametrize("table", ["obligations", "outcomes", "balances"])
def test_an_evening_that_is_killed_within_its_transaction_leaves_nothing_of_it(
    ledger: Ledger, url: str, tmp_path: Path, table: str
) -> None:
    """Postings are written then, and what of obligations comes before `table`; when it is posted again, it is whole."""
    records = [record(one.batch.events, one.batch.command_seq, one.batch.time) for _, one in settling(5, 4, 40)]
    evening = max(place for place, one in enumerate(records) if any(isinstance(event, Settled) for event in one.batch.events))
    ledger.post(records[:evening])
    before = rows(ledger.engine)
    ledger.close()
    write_log(tmp_path / "events", records)
    command = [sys.executable, "-c", KILLED, url, str(tmp_path / "events"), table]
    ran = subprocess.run(command, cwd=Path(__file__).parents[2], timeout=WAIT_SECONDS_MAX, check=False)
    assert ran.returncode == -signal.SIGKILL
    assert rows(ledger.engine) == before
    ledger.load()
    ledger.post(records[evening : evening + 1])
    after = rows(ledger.engine)
    assert {row[0] for row in after["outcomes"]} - {row[0] for row in before["outcomes"]}
    with ledger.engine.connect() as connection:
        assert check(connection, ledger.cursor.event_seq).faults == []
