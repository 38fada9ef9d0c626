"""The ledger against the engine, by itself: silent while both agree, and loud about each of the ways in which they may not."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Connection, Engine, text

from clearing import comparison
from clearing.database import open_database
from clearing.ledger import Ledger
from fixserver.reconciling import Reconciler
from following.database import sqlite_url
from matching.messages import MONEY_UNIT, Command, HoldDeliveries, NewOrder, PayDividend, RollDay, SetSettlement
from matching.sequencer import Sequencer
from tests.clearing.venue import all_records, definitions, trading
from tests.light import light_venue
from tests.venue import order, wait_for

SEED = 7
A_DAY = 60
DAYS = 3


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of trading at T+1, some of which fails, in batches of five commands; a snapshot after the second."""
    directory = tmp_path_factory.mktemp("reconciling") / "data"
    clock = itertools.count(1_700_000_000_000_000_000, 1_000_000)
    sequencer = Sequencer(directory, "os", lambda: next(clock))
    for _ in sequencer.recover():
        pass
    commands: list[Command] = [*definitions(), SetSettlement(1), RollDay("20260101")]
    for day in range(DAYS):
        for command in trading(SEED + day, A_DAY):
            if isinstance(command, NewOrder):
                command = NewOrder(*[getattr(command, name) for name in ("participant", "session")], f"{day}-{command.cl_ord_id}",
                                   *[getattr(command, name) for name in NewOrder.__struct_fields__[3:10]])  # fmt: skip
            commands.append(command)
        if day == 1:
            commands.append(HoldDeliveries("ALICE", "", True, "eve", "a custodian"))
        commands.append(RollDay(f"2026010{day + 2}"))
    commands.append(PayDividend("AAPL", str(MONEY_UNIT // 10)))
    for start in range(0, len(commands), 5):
        sequencer.submit(commands[start : start + 5])
        sequencer.receive()
        sequencer.publish()
        if start // 5 == len(commands) // 10:
            sequencer.snapshot()
    sequencer.close()
    return directory


@pytest.fixture
def database(url: str, data: Path) -> Iterator[Engine]:
    """The ledger of all that, in an SQLite file and in PostgreSQL."""
    engine = open_database(url)
    ledger = Ledger(engine)
    ledger.load()
    ledger.post(all_records(data / "events"))
    ledger.close()
    yield engine
    engine.dispose()


def test_it_is_silent_while_both_agree(database: Engine, data: Path) -> None:
    reconciler = Reconciler(database, data)
    first, second = reconciler.look(), reconciler.look()
    assert (first.whole, second.whole) == (True, False), "once a trading day it is whole"
    for look in (first, second):
        assert (look.faults, look.parted, look.ok) == ([], [], True)
    assert first.accounts == 4
    assert first.obligations_failed > 0, "what ALICE may not deliver"


class Planted(NamedTuple):
    """A difference: how it is made, and what has to be said of it, at least."""

    what: str
    statements: tuple[str, ...]
    says: str
    parts: bool = False  # an account is not what the engine has: with the event at which it began
    quick: bool = False  # seen without reading every posting


TRADE = "(SELECT MIN(event_seq) FROM transactions WHERE kind = 'trade')"
DEPOSIT = "A_DEPOSIT"
SETTLED = "(SELECT MIN(event_seq) FROM transactions WHERE kind = 'settlement')"
ALICE = "(SELECT id FROM accounts WHERE name = 'ALICE' AND kind = 'participant')"
AAPL = "(SELECT id FROM assets WHERE name = 'AAPL')"

TEN = [
    Planted("a posting has another amount", (f"UPDATE postings SET amount = amount + 1 WHERE event_seq = {DEPOSIT}",), "balance"),
    Planted("a posting is gone", (f"DELETE FROM postings WHERE event_seq = {TRADE} AND leg = 4",), "is not made of"),
    Planted("a posting is there twice", (
        "INSERT INTO postings SELECT event_seq, 6, from_account, to_account, asset, amount FROM postings"
        f" WHERE event_seq = {DEPOSIT}",
    ), "is not made of"),
    Planted("a posting goes the other way", (
        f"UPDATE postings SET from_account = to_account, to_account = from_account WHERE event_seq = {DEPOSIT}",
    ), "should be with"),
    Planted("a posting is of another asset", (
        f"UPDATE postings SET asset = {AAPL} WHERE event_seq = {DEPOSIT}",
    ), "balance"),
    Planted("a posting is of an account that is not there", (f"UPDATE postings SET to_account = 999 WHERE event_seq = {DEPOSIT}",),
            "belongs to an account that is not there"),
    Planted("a transaction is gone", (f"DELETE FROM transactions WHERE event_seq = {SETTLED}",),
            "belongs to a transaction that is not there"),
    Planted("a balance is another", (f"UPDATE balances SET amount = amount + 5 WHERE account = {ALICE} AND asset = {AAPL}",),
            "ALICE AAPL", parts=True, quick=True),
    Planted("settled and unsettled are mistaken", (
        f"UPDATE balances SET amount = amount + 3 WHERE account = {ALICE} AND asset = {AAPL}",
        f"UPDATE balances SET amount = amount - 3 WHERE account = -{ALICE} AND asset = {AAPL}",
    ), "ALICE AAPL", parts=True),
    Planted("an obligation is smaller", ("UPDATE obligations SET quantity_left = quantity_left - 1 WHERE quantity_left > 0",),
            "obligation"),
    Planted("the clearing house has something", (
        f"UPDATE balances SET amount = amount + 1 WHERE account = 1 AND asset = {AAPL}",
    ), "the clearing house", quick=True),
    Planted("a deposit was forged", (
        f"UPDATE postings SET amount = amount + 7 WHERE event_seq = {DEPOSIT}",
        f"UPDATE balances SET amount = amount + 7 WHERE account = (SELECT to_account FROM postings WHERE event_seq = {DEPOSIT})"
        f" AND asset = (SELECT asset FROM postings WHERE event_seq = {DEPOSIT})",
        "UPDATE balances SET amount = amount - 7 WHERE account = 3"
        f" AND asset = (SELECT asset FROM postings WHERE event_seq = {DEPOSIT})",
    ), "JPY", parts=True),
    Planted("the cursor is ahead", ("UPDATE cursor SET event_seq = event_seq + 1",), ""),
]  # fmt: skip


def plant(database: Engine, planted: Planted) -> None:
    with database.begin() as connection:
        deposit = _a_deposit(connection)
        for statement in planted.statements:
            statement = statement.replace(DEPOSIT, deposit)
            assert connection.execute(text(statement)).rowcount != 0, statement


def _a_deposit(connection: Connection) -> str:
    """Of yen, whose amounts fit into 64 bits."""
    return str(
        connection.execute(
            text(
                "SELECT MIN(t.event_seq) FROM transactions t JOIN postings p ON p.event_seq = t.event_seq"
                " JOIN assets a ON a.id = p.asset WHERE t.kind = 'deposit' AND a.name = 'JPY'"
            )
        ).scalar_one()
    )


@pytest.mark.parametrize("planted", TEN, ids=lambda planted: planted.what)
def test_it_is_loud_for_each_planted_difference(database: Engine, data: Path, planted: Planted, tmp_path: Path) -> None:
    reconciler = Reconciler(database, data)
    assert reconciler.look().ok
    plant(database, planted)
    if not planted.says:  # the engine never stood at that event: that cannot be compared, which is said
        with pytest.raises(Exception, match=r"batch of the journal ends with event"):
            Reconciler(database, data).look(whole=True)
        return
    look = Reconciler(database, data).look(whole=True)
    lines = list(look.lines())
    assert any(planted.says in line for line in lines), lines
    assert bool(look.parted) == planted.parts, lines
    if planted.quick or planted.parts:
        assert not reconciler.look(whole=False).ok
    # `ledger rebuild` sees it too, row by row.
    anew = _anew(data, tmp_path)
    with database.connect() as live, anew.connect() as beside:
        assert list(comparison.compare(live, beside))
    anew.dispose()


def _anew(data: Path, directory: Path) -> Engine:
    engine = open_database(sqlite_url(directory / "anew.sqlite"))
    ledger = Ledger(engine)
    ledger.load()
    ledger.post(all_records(data / "events"))
    ledger.close()
    return engine


@pytest.mark.parametrize("which", [0, 0.4, 0.8])
def test_where_they_parted_is_said(database: Engine, data: Path, which: float) -> None:
    """A trade of which the ledger has another quantity, balances and all: account, asset, both figures, and that event."""
    legs = (
        "SELECT p.event_seq, p.from_account, q.to_account, p.asset FROM postings p JOIN postings q ON q.event_seq = p.event_seq"
        " AND q.leg = 4 JOIN transactions t ON t.event_seq = p.event_seq"
        " WHERE t.kind = 'trade' AND p.leg = 3 AND p.from_account <> q.to_account ORDER BY p.event_seq"
    )
    change = "UPDATE balances SET amount = amount + ({}) WHERE account = {} AND asset = {}"
    with database.begin() as connection:
        trades = connection.execute(text(legs)).all()
        seq, seller, buyer, asset = trades[int(len(trades) * which)]
        connection.execute(text(f"UPDATE postings SET amount = amount + 2 WHERE event_seq = {seq} AND leg IN (3, 4)"))
        connection.execute(text(change.format(-2, seller, asset)))
        connection.execute(text(change.format(2, buyer, asset)))
        names = dict(connection.execute(text("SELECT id, name FROM accounts")).all())
        symbol = connection.execute(text(f"SELECT name FROM assets WHERE id = {asset}")).scalar_one()
    look = Reconciler(database, data).look(whole=False)
    found = {(one.difference.account, one.difference.asset): one for one in look.parted}
    assert set(found) == {(names[seller], symbol), (names[buyer], symbol)}
    for one in look.parted:
        assert one.event_seq == seq and not one.at_or_before, (one, seq)
        assert abs(one.difference.ledger - one.difference.engine) == 2
        assert one.difference.unsettled == (seller < 0)
    report = json.loads(json.dumps(look.report()))
    assert (report["ok"], {one["parted_at_event"] for one in report["differences"]}) == (False, {seq})


def test_the_clearing_process_compares_by_itself_and_says_so(tmp_path: Path) -> None:
    """Silent, then a metric, a report and a line in the log; and silent again when it is mended."""
    with light_venue(tmp_path, clearing={"reconcile_seconds": 1}) as venue:
        venue.start("clearing")
        trader = venue.client("TRADER1").logon()
        trader.send("D", order("S", "2", 10, "100.00"))
        venue.client("TRADER2").logon().send("D", order("B", "1", 10, "100.00"))

        def metric(name: str) -> float:
            return venue.metrics("clearing")[f"fixserver_ledger_{name}"]

        wait_for(lambda: metric("reconciled_event_seq") == metric("event_seq") > 10, "it has been compared", 30)
        assert metric("differences") == 0
        database = open_database(sqlite_url(venue.data / "ledger.sqlite"))
        change = f"UPDATE balances SET amount = amount {{}} 5 WHERE asset = {AAPL} AND account = {{}}"
        account = "(SELECT id FROM accounts WHERE name = 'TRADER2' AND kind = 'participant')"
        with database.begin() as connection:
            connection.execute(text(change.format("+", account)))
        wait_for(lambda: metric("differences") > 0, "it is seen", 30)
        report: Any = json.loads((venue.data / "reconciliation.json").read_text())
        assert [(one["account"], one["asset"], int(one["ledger"]) - int(one["engine"])) for one in report["differences"]] == [
            ("TRADER2", "AAPL", 5)
        ]
        wait_for(lambda: "THE LEDGER IS WRONG" in venue.said("clearing"), "it is said")
        with database.begin() as connection:
            connection.execute(text(change.format("-", account)))
        database.dispose()
        wait_for(lambda: metric("differences") == 0, "it is mended", 30)
        assert metric("reconciliations_failed_total") == 0
