"""A backup that is taken while real clients trade, put back elsewhere: what it names is what was then, and the venue goes on."""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from clearing import schema
from clearing.database import open_database
from clearing.ledger import read_accounts, read_assets
from fixserver.manifest import TrialBalance
from following.database import sqlite_url
from tests.faults.traders import Trader
from tests.light import light_venue
from tests.postgres import Postgres
from tests.venue import Venue, order, wait_for

SEED = 5
COMMANDS_MIN = 400  # before the backup, and again between it and the end
_numbers = itertools.count(1)


class Databases:
    """Empty databases of one kind, as configurations name them."""

    def __init__(self, server: Postgres | None) -> None:
        self.server = server
        self.made: list[str] = []

    def create(self) -> dict[str, str]:
        if self.server is None:
            return {}
        self.made.append(f"backup{next(_numbers)}")
        return {"database": self.server.create(self.made[-1])}


@pytest.fixture(params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest) -> Iterator[Databases]:
    made = Databases(request.getfixturevalue("postgres") if request.param == "postgresql" else None)
    yield made
    for name in made.made:
        assert made.server is not None
        made.server.drop(name)


def head(venue: Venue) -> int:
    return int(venue.metrics()["fixserver_journal_head"])


def ledger_url(venue: Venue, settings: dict[str, str]) -> Any:
    return settings.get("database") or sqlite_url(venue.data / "ledger.sqlite")


def posted_up_to(url: Any, event_seq: int) -> TrialBalance:
    """The trial balance after an event, made of the postings up to it, one by one."""
    engine = open_database(url, read_only=True)
    try:
        with engine.connect() as connection, connection.begin():
            accounts = {row.id: row for row in read_accounts(connection)}
            assets = {row.id: row for row in read_assets(connection)}
            sums: dict[tuple[int, int], int] = defaultdict(int)
            for row in connection.execute(select(schema.postings).where(schema.postings.c.event_seq <= event_seq)):
                sums[row.to_account, row.asset] += row.amount
                sums[row.from_account, row.asset] -= row.amount
    finally:
        engine.dispose()
    return sorted(
        (accounts[account].kind, accounts[account].name, assets[asset].name, str(amount))
        for (account, asset), amount in sums.items()
        if amount
    )


def said(done: Any) -> str:
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


@pytest.mark.parametrize("form", ["directory", "file.tar.gz"])
def test_what_a_backup_names_is_what_was_then(form: str, databases: Databases, tmp_path: Path):
    ledger, history = databases.create(), databases.create()
    (tmp_path / "here").mkdir()
    target = tmp_path / form
    sections = {"exchange": {"snapshot_commands": 300}, "clearing": ledger, "history": history, "web": {"enabled": False}}
    with light_venue(tmp_path / "here", **sections) as venue:
        for name in ("clearing", "history"):
            venue.start(name)
        traders = [Trader(venue, f"TRADER{number}", "FIX.4.4", SEED).start() for number in (1, 2)]
        wait_for(lambda: head(venue) > COMMANDS_MIN, "there is something to copy", 60)
        before = head(venue)
        arguments = ("--config", str(venue.config), "--data", str(venue.data), "--to", str(target), "--json")
        taken = json.loads(said(venue.command("backup", *arguments)))
        after = head(venue)
        assert before <= taken["command_seq"] < after, "it was taken while the venue traded"
        wait_for(lambda: head(venue) > after + COMMANDS_MIN, "the venue trades on", 60)
        numbers = {trader.name: (trader.next_out, trader.next_in) for trader in traders}
        for trader in traders:
            trader.stop()
            assert trader.complaints == []
        events = taken["event_seq"]
        wait_for(lambda: venue.metrics("clearing")["fixserver_ledger_event_seq"] >= events, "the ledger is past the backup")
        # What the venue itself says of the moment that the backup names.
        at = said(venue.command("journal", "digest", "--data", str(venue.data), "--at-command", str(taken["command_seq"])))
        assert at == f"command {taken['command_seq']} event {events} digest {taken['digest']}\n"
        due = posted_up_to(ledger_url(venue, ledger), events)

    other_ledger, other_history = databases.create(), databases.create()
    (tmp_path / "there").mkdir()
    there = light_venue(tmp_path / "there", **{**sections, "clearing": other_ledger, "history": other_history})
    restored = venue.command("restore", "--from", str(target), "--data", str(there.data), "--config", str(there.config), "--json")
    assert json.loads(said(restored)) == taken
    assert said(venue.command("journal", "digest", "--data", str(there.data))) == at
    assert f"digest {taken['digest']}" in said(venue.command("journal", "verify", "--data", str(there.data)))
    assert posted_up_to(ledger_url(there, other_ledger), 2**63 - 1) == due
    checked = said(venue.command("ledger", "check", "--config", str(there.config), "--data", str(there.data)))
    assert checked.startswith(f"ledger at event {events:,} of {events:,}") and "those of the engine" in checked

    # It trades on: a client who knows more than the venue finds his way by the means of FIX.
    with there:
        for name in ("clearing", "history"):
            there.start(name)
        again = Trader(there, "TRADER1", "FIX.4.4", SEED + 1)
        again.next_out, again.next_in = numbers["TRADER1/FIX.4.4"]
        again.start()
        wait_for(lambda: head(there) > taken["command_seq"] + 50, "he trades", 60)
        again.stop()
        fresh = there.client("TRADER5").logon()
        fresh.send("D", order("FRESH", "1", 1, "100.00"))
        fresh.expect("8", "11=FRESH|39=0")
        fresh.close()
        wait_for(lambda: not there.metrics("clearing")["fixserver_ledger_lag_events"], "the ledger goes on")
        wait_for(lambda: not there.metrics("history")["fixserver_history_lag_events"], "the history goes on")
        assert said(venue.command("ledger", "check", "--config", str(there.config), "--data", str(there.data)))
