"""A month of trading days on which everything happens: cash and shares to the unit in the engine, its events and the ledger.

    python -m tests.settlement.test_month --seed 7

runs another month than those of the tests.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from clearing import schema
from clearing.database import open_database
from clearing.ledger import Ledger
from clearing.reconciliation import check
from following.database import sqlite_url
from matching.messages import SetSettlement
from tests.clearing.conftest import ledger, url
from tests.settlement.month import Day, Month

__all__ = ["ledger", "url"]

SEED = 1
TERMS = {
    "T+2": SetSettlement(2, True, buy_in_days=2, buy_in_premium_ppm=50_000),
    "T+1": SetSettlement(1, False, buy_in_days=1, buy_in_premium_ppm=20_000),
    "instant": SetSettlement(0),
}
ALWAYS = {
    "Traded", "BalanceChanged", "TradeBusted", "TradeCorrected", "TradeAllocated", "DividendCredited", "HoldingSplit", "FeesSet",
    "MarginSet", "DeliveriesHeld",
}  # fmt: skip
DELAYED = {
    "ObligationNetted", "Settled", "SettlementFailed", "BoughtIn", "ObligationSplit", "HELD", "NO_SECURITIES", "COUNTERPARTY",
}  # fmt: skip


@cache
def month(seed: int, cycle: str) -> Month:
    """Its files are gone when this returns: what was read from them stays."""
    with tempfile.TemporaryDirectory() as directory:
        return Month(Path(directory), seed, TERMS[cycle])


def balances(connection: Connection) -> dict[tuple[str, str], dict[str, int]]:
    """(Kind and name of an account): asset and amount, where there is one; as the tables have it."""
    accounts = {row.id: (row.kind, row.name) for row in connection.execute(select(schema.accounts))}
    assets = {row.id: row.name for row in connection.execute(select(schema.assets))}
    found: dict[tuple[str, str], dict[str, int]] = {}
    for row in connection.execute(select(schema.balances)):
        if row.amount:
            found.setdefault(accounts[row.account], {})[assets[row.asset]] = row.amount
    return found


def check_day(ledger: Ledger, day: Day) -> None:
    """What the ledger has when a day has ended: what the events tell, settled and unsettled, and what the engine has in total."""
    with ledger.engine.connect() as connection:
        assert check(connection, day.event_seq, day.accounts).faults == []
        found = balances(connection)
    assert found.keys() & {("clearing", "@clearing"), ("clearing-due", "@clearing")} == set(), "the clearing house is flat"
    brought = {asset: -amount for asset, amount in day.brought.items() if amount}
    assert found.pop(("outside", "@outside"), {}) == brought, "nothing comes in or goes out but by deposit and corporate action"
    for name, settled, unsettled in day.told:
        kind, account = ("participant", name) if name else ("fees", "@fees")
        assert found.pop((kind, account), {}) == settled, f"{account}, settled"
        assert found.pop((f"{kind}-due", account), {}) == unsettled, f"{account}, unsettled"
        if name:
            engine = day.accounts[name]
            assert {asset: total for asset, total in {**engine.cash, **engine.holdings}.items() if total} == {
                asset: total
                for asset in settled.keys() | unsettled.keys()
                if (total := settled.get(asset, 0) + unsettled.get(asset, 0))
            }
    assert found == {}, "nobody else has anything"


def run(ledger: Ledger, made: Month) -> None:
    for day in made.days:
        ledger.post(day.records)
        if day.settlement_days == 0:
            ledger.load()  # as after a restart
        check_day(ledger, day)


@pytest.mark.parametrize("cycle", TERMS)
def test_a_month_conserves_cash_and_shares_to_the_unit(ledger: Ledger, cycle: str) -> None:
    """On every day; and in the end, when who owes has been given what he owes, nothing is unsettled."""
    print(f"to run this again: python -m tests.settlement.test_month --seed {SEED} --cycle {cycle}")
    made = month(SEED, cycle)
    run(ledger, made)
    assert not any(unsettled for _, _, unsettled in made.days[-1].told)
    everything = ALWAYS if cycle == "instant" else ALWAYS | DELAYED
    assert everything - made.kinds.keys() == set(), "a month on which everything happens"
    assert cycle != "instant" or not DELAYED & made.kinds.keys(), "nothing waits for anything"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--cycle", choices=TERMS, default="T+2")
    chosen = parser.parse_args()
    made = month(chosen.seed, chosen.cycle)
    with tempfile.TemporaryDirectory() as directory:
        ledger = Ledger(open_database(sqlite_url(Path(directory) / "ledger.sqlite")))
        ledger.load()
        run(ledger, made)
        ledger.close()
    for kind, number in sorted(made.kinds.items()):
        print(f"{kind:20} {number:>8,}")
    print(f"{len(made.days)} days reconciled, seed {chosen.seed}, {chosen.cycle}")


if __name__ == "__main__":
    main()
