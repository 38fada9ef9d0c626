"""Prometheus looks at a live venue: every panel of the dashboards and every alert has an answer, and each alert fires when its
fault is made, and ends when that is over."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fixserver.dashboards import DASHBOARDS, panels, text_of
from tests.light import light_venue
from tests.monitoring.watching import CONFIG, PROCESSES, Prometheus, needs_prometheus
from tests.postgres import Postgres
from tests.venue import ROOT, TRADER, Client, Ended, Nothing, Venue, cancel, order, wait_for

RUNBOOK = ROOT / "docs" / "runbook.md"
BEHIND = 10_500  # events, a little more than a follower may be behind
CONNECTIONS_MAX = 20
ALERTS = tuple(re.findall(r"^ +- alert: (\w+)$", (CONFIG / "alerts.yml").read_text(), re.MULTILINE))


# ----------------------------------------------------------------------------------------------- the files


def test_the_dashboards_are_those_that_are_made() -> None:
    """`fixserver dashboards` writes them anew."""
    for name, dashboard in DASHBOARDS.items():
        assert (CONFIG / "grafana" / "dashboards" / name).read_text() == text_of(dashboard), name


def test_no_two_panels_are_in_one_place() -> None:
    for name in DASHBOARDS:
        taken: dict[tuple[int, int], str] = {}
        for panel in json.loads((CONFIG / "grafana" / "dashboards" / name).read_text())["panels"]:
            at = panel["gridPos"]
            for x in range(at["x"], at["x"] + at["w"]):
                for y in range(at["y"], at["y"] + at["h"]):
                    assert (x, y) not in taken, f"{name}: {panel['title']} is where {taken[x, y]} is"
                    assert x < 24, f"{name}: {panel['title']} is beyond the edge"
                    taken[x, y] = panel["title"]


def test_each_alert_has_its_section_in_the_runbook() -> None:
    sections = re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert sections == list(ALERTS)
    for alert in ALERTS:
        assert f"docs/runbook.md#{alert.lower()}\n" in (CONFIG / "alerts.yml").read_text()


@needs_prometheus
def test_promtool_takes_the_files() -> None:
    for what, name in (("config", "prometheus.yml"), ("rules", "alerts.yml")):
        checked = subprocess.run(["promtool", "check", what, CONFIG / name], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr


# ------------------------------------------------------------------------------------------- a live venue


@pytest.fixture(scope="module")
def ailments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a file turns a fault on: see tests/monitoring/ailing.py."""
    directory = tmp_path_factory.mktemp("ailments")
    os.environ["FIXSERVER_AILMENTS"] = str(directory)
    yield directory
    del os.environ["FIXSERVER_AILMENTS"]


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, ailments: Path) -> Iterator[Venue]:
    directory = tmp_path_factory.mktemp("monitoring")
    venue = light_venue(
        directory,
        exchange={"connections_max": CONNECTIONS_MAX, "send_buffer_bytes_max": 65_536, "durability": "fsync"},
        participants={
            **{f"TRADER{number}": TRADER for number in range(1, 4)},
            "SELLER": TRADER,
            "SHORT": {"cash": "500", "short_max": 100},
        },
        instruments={"AAPL": {}, "MSFT": {}, "RISKY": {"initial_margin": "0.5", "maintenance_margin": "0.25"}},
        settlement={"cycle_days": 1},
        clearing={"database": postgres.create("monitored"), "reconcile_seconds": 1},
    )
    venue.program = ["-m", "tests.monitoring.ailing"]
    with venue:
        venue.start_together("clearing", "marketdata", "history")
        yield venue
    postgres.drop("monitored")


@pytest.fixture(scope="module")
def prometheus(venue: Venue, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with Prometheus(venue, tmp_path_factory.mktemp("prometheus") / "here") as watching:
        yield watching


@pytest.fixture(scope="module")
def trader(venue: Venue) -> Client:
    return venue.client("TRADER1").logon(3_600)


def read_until(client: Client, cl_ord_id: str) -> None:
    """Read reports, up to one of this order."""
    while client.receive().get(11) != cl_ord_id:
        pass
    client.sent.clear()


def enter(client: Client, name: str, side: str = "1", quantity: int = 5, price: str = "60.00") -> None:
    """An order, and its first answer."""
    client.send("D", order(name, side, quantity, price))
    read_until(client, name)


def trade(trader: Client, number: int) -> None:
    enter(trader, f"B{number}", "2", 5, "100.00")
    enter(trader, f"T{number}", "1", 5, "100.00")
    enter(trader, f"R{number}", "1", 5, "1.00")  # outside the band


@needs_prometheus
def test_every_panel_and_every_alert_has_an_answer(venue: Venue, prometheus: Prometheus, trader: Client) -> None:
    numbers = iter(range(1_000_000))
    shown = [panel for dashboard in DASHBOARDS.values() for panel in panels(dashboard)]
    queries = {query.text.replace("$__rate_interval", "10s") for panel in shown for query in panel.queries}

    def unanswered() -> set[str]:
        trade(trader, next(numbers))
        return {query for query in queries if not any(result["value"][1] != "NaN" for result in prometheus.ask(query))}

    wait_for(lambda: not unanswered(), "every panel has an answer", 60)
    rules = prometheus.rules()
    assert set(rules) == set(ALERTS)
    assert {name: rule["lastError"] for name, rule in rules.items() if rule.get("lastError")} == {}
    for name, rule in rules.items():
        # What is left when the comparison is taken away is there: the alert waits for a value, not for a metric that nobody has.
        measured = re.split(r" (?:==|<|>|>=|<=) ", rule["query"])[0]
        assert name in BEGIN_LATE or prometheus.ask(measured), f"{name}: {measured}"


BEGIN_LATE = {"LogonsRefused"}  # outcomes are counted from the first on


def switched(ailments: Path, name: str) -> Any:
    """A fault that lasts as long as the context."""

    class Fault:
        def __enter__(self) -> None:
            (ailments / name).touch()

        def __exit__(self, *_: object) -> None:
            (ailments / name).unlink()

    return Fault()


def admin(venue: Venue, *arguments: str) -> None:
    done = venue.command("admin", "--data", str(venue.data), *arguments)
    assert done.returncode == 0, done.stderr


def fill_up(trader: Client, name: str, events: int) -> None:
    """So many events, an order and its cancel at a time."""
    for number in range(0, events, 500):
        trader.send_many(trader.build("D", order(f"{name}{number + each}", "1", 1, "60.00")) for each in range(250))
        trader.send_many(
            trader.build("F", cancel(f"X{name}{number + each}", f"{name}{number + each}", "1")) for each in range(250)
        )
        read_until(trader, f"X{name}{number + 249}")


class Faults:
    """How the fault of each alert is made; what comes back of it is for who ends it."""

    def __init__(self, venue: Venue, prometheus: Prometheus, ailments: Path, postgres: Postgres, trader: Client) -> None:
        self.venue, self.prometheus, self.ailments, self.postgres, self.trader = venue, prometheus, ailments, postgres, trader
        self.numbers = iter(range(1_000_000))

    def fires(self, *alerts: str) -> None:
        for alert in alerts:
            self.prometheus.wait_firing(alert)

    def ends(self, *alerts: str) -> None:
        for alert in alerts:
            self.prometheus.wait_quiet(alert)


@pytest.fixture
def faults(venue: Venue, prometheus: Prometheus, ailments: Path, postgres: Postgres, trader: Client) -> Faults:
    return Faults(venue, prometheus, ailments, postgres, trader)


@needs_prometheus
def test_halted_instruments(faults: Faults) -> None:
    admin(faults.venue, "halt", "MSFT")
    faults.fires("InstrumentsHalted")
    admin(faults.venue, "resume", "MSFT")
    faults.ends("InstrumentsHalted")


@needs_prometheus
def test_many_rejects(faults: Faults) -> None:
    def refused() -> bool:
        for _ in range(20):
            enter(faults.trader, f"BAD{next(faults.numbers)}", price="1.00")
        return "ManyRejects" in faults.prometheus.firing()

    wait_for(refused, "ManyRejects fires", 60)


@needs_prometheus
def test_a_slow_disk(faults: Faults) -> None:
    with switched(faults.ailments, "slow-disk"):

        def entered() -> bool:
            enter(faults.trader, f"S{next(faults.numbers)}")
            return {"JournalSyncSlow", "OrderLatencyHigh"} <= faults.prometheus.firing()

        wait_for(entered, "JournalSyncSlow and OrderLatencyHigh fire", 60)


@needs_prometheus
def test_a_disk_that_is_nearly_full(faults: Faults) -> None:
    with switched(faults.ailments, "full-disk"):
        faults.fires("DiskNearlyFull")
    faults.ends("DiskNearlyFull")


@needs_prometheus
def test_nearly_all_files_open(faults: Faults) -> None:
    with switched(faults.ailments, "open-files"):
        faults.fires("FilesNearlyAllOpen")
    faults.ends("FilesNearlyAllOpen")


@needs_prometheus
def test_a_snapshot_that_cannot_be_written(faults: Faults) -> None:
    snapshots = faults.venue.data / "snapshots"
    aside = snapshots.rename(snapshots.with_name("snapshots.aside")) if snapshots.exists() else None
    snapshots.write_text("not a directory")
    done = faults.venue.command("admin", "--data", str(faults.venue.data), "snapshot")
    assert done.returncode == 1, done.stdout
    snapshots.unlink()
    if aside is not None:
        aside.rename(snapshots)
    faults.fires("SnapshotsFail")


@needs_prometheus
def test_an_audit_log_that_cannot_be_written(faults: Faults) -> None:
    log = faults.venue.data / "audit.log"
    aside = log.rename(log.with_name("audit.log.aside"))
    log.mkdir()
    admin(faults.venue, "halt", "MSFT")
    faults.fires("AuditLogFails")
    log.rmdir()
    aside.rename(log)
    faults.ends("AuditLogFails")
    assert '"halt"' in log.read_text().splitlines()[-1]
    admin(faults.venue, "resume", "MSFT")


@needs_prometheus
def test_a_database_that_is_gone_and_a_ledger_that_is_behind(faults: Faults) -> None:
    faults.postgres.stop(crash=True)
    try:
        faults.fires("LedgerDatabaseDown")
        fill_up(faults.trader, "L", BEHIND)
        faults.fires("LedgerBehind")
    finally:
        faults.postgres.start()
    faults.ends("LedgerDatabaseDown", "LedgerBehind")


@needs_prometheus
def test_a_ledger_that_is_wrong(faults: Faults) -> None:
    change = "UPDATE balances SET amount = amount {} 1 WHERE account = 4 AND asset = 1"
    url = faults.postgres.conninfo.replace("dbname=postgres", "dbname=monitored")
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute(change.format("+")).rowcount == 1
        faults.fires("LedgerDifference")
        connection.execute(change.format("-"))
    faults.ends("LedgerDifference")


@needs_prometheus
def test_a_comparison_that_hangs(faults: Faults) -> None:
    clearing = faults.venue.processes["clearing"].pid
    (beside,) = children(clearing)
    os.kill(int(beside), signal.SIGSTOP)
    try:
        faults.fires("ReconciliationStale")
    finally:
        os.kill(int(beside), signal.SIGCONT)
    faults.ends("ReconciliationStale")


def children(parent: int) -> list[str]:
    """Of any of its threads."""
    return [child for task in Path(f"/proc/{parent}/task").iterdir() for child in (task / "children").read_text().split()]


@needs_prometheus
def test_a_delivery_that_fails(faults: Faults) -> None:
    seller = faults.venue.client("SELLER").logon(3_600)
    enter(seller, "FAILS", "2", 5, "101.00")
    enter(faults.trader, "WAITS", "1", 5, "101.00")
    admin(faults.venue, "hold", "SELLER", "AAPL")
    for days in (1, 2):
        (faults.ailments / "days-later").write_text(str(days))
        wait_for(lambda days=days: faults.venue.said().count("trading day") > days, "the day ends")
    faults.fires("SettlementFails")
    admin(faults.venue, "release", "SELLER", "AAPL")
    (faults.ailments / "days-later").write_text("3")
    faults.ends("SettlementFails")


@needs_prometheus
def test_an_account_that_is_called(faults: Faults) -> None:
    short = faults.venue.client("SHORT").logon(3_600)
    buy = order("LENDS", "1", 10, "100.00", "RISKY")
    faults.trader.send("D", buy)
    read_until(faults.trader, "LENDS")
    short.send("D", order("SHORT", "2", 10, "100.00", "RISKY"))
    read_until(short, "SHORT")
    faults.trader.send("D", order("UP", "1", 1, "140.00", "RISKY"))
    read_until(faults.trader, "UP")
    seller = faults.venue.client("TRADER2", "FIXT.1.1").logon(3_600)
    admin(faults.venue, "deposit", "TRADER2", "RISKY", "1")
    seller.send("D", order("HIT", "2", 1, "140.00", "RISKY"))
    read_until(seller, "HIT")
    faults.fires("MarginCalls")
    admin(faults.venue, "deposit", "SHORT", "USD", "5000")
    faults.ends("MarginCalls")


@needs_prometheus
def test_a_history_that_is_locked_out_and_behind(faults: Faults) -> None:
    history = sqlite3.connect(faults.venue.data / "market_data.sqlite", isolation_level=None)
    history.execute("BEGIN EXCLUSIVE")
    try:
        fill_up(faults.trader, "H", BEHIND)
        faults.fires("HistoryBehind", "HistoryDatabaseDown")
    finally:
        history.rollback()
        history.close()
    faults.ends("HistoryBehind", "HistoryDatabaseDown")


@needs_prometheus
def test_a_feed_that_is_behind(faults: Faults) -> None:
    with switched(faults.ailments, "deaf-feed"):
        fill_up(faults.trader, "F", BEHIND)
        faults.fires("FeedBehind")
    faults.ends("FeedBehind")


@needs_prometheus
def test_a_client_that_does_not_read(faults: Faults) -> None:
    sleeper = faults.venue.client("TRADER2")
    sleeper.socket = socket.socket()
    sleeper.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    sleeper.socket.connect(("127.0.0.1", faults.venue.ports()["fix"]))
    sleeper.logon()
    sleeper.send("D", order("ASLEEP", "2", 1_000_000, "149.00"))

    def bought() -> bool:
        names = [f"A{next(faults.numbers)}" for _ in range(500)]
        faults.trader.send_many(faults.trader.build("D", order(name, "1", 1, "149.00")) for name in names)
        read_until(faults.trader, names[-1])
        return "SlowClientCut" in faults.prometheus.firing()

    wait_for(bought, "SlowClientCut fires", 60)


@needs_prometheus
def test_logons_that_are_refused(faults: Faults) -> None:
    def guessed() -> bool:
        guesser = faults.venue.client("TRADER3", password="guess").connect()
        guesser.send("A", guesser.logon_body())
        with contextlib.suppress(Ended, Nothing):
            guesser.receive()
        guesser.close()
        return "LogonsRefused" in faults.prometheus.firing()

    wait_for(guessed, "LogonsRefused fires", 120)


@needs_prometheus
def test_connections_near_their_limit_and_beyond(faults: Faults) -> None:
    host = "127.0.0.1", faults.venue.ports()["fix"]
    strangers: list[socket.socket] = []

    def crowded() -> bool:
        """Strangers are cut when they have had their time: there are always new ones."""
        while len(strangers) > CONNECTIONS_MAX:
            strangers.pop(0).close()
        strangers.append(socket.create_connection(host))
        return {"ConnectionsNearLimit", "ConnectionsRefused"} <= faults.prometheus.firing()

    wait_for(crowded, "ConnectionsNearLimit and ConnectionsRefused fire", 60)
    for stranger in strangers:
        stranger.close()
    faults.ends("ConnectionsNearLimit")


@needs_prometheus
def test_processes_that_are_gone(faults: Faults) -> None:
    """The last of them: the history's ports are others afterwards. The exchange's stay, as in a venue of people's own."""
    venue = faults.venue
    venue.kill("history")
    faults.fires("FollowerDown")
    venue.start("history")
    configured = venue.config.read_text()
    venue.config.write_text(configured.replace("metrics_port = 0", f"metrics_port = {venue.ports()['metrics']}", 1))
    venue.kill("exchange")
    faults.fires("ExchangeDown", "WebCannotTrade")
    venue.start("exchange")
    faults.prometheus.reload()
    faults.ends("ExchangeDown", "FollowerDown", "WebCannotTrade")
    faults.fires("ExchangeRestarted")


def test_every_alert_has_been_named_here() -> None:
    text = Path(__file__).read_text()
    assert [alert for alert in ALERTS if f'"{alert}"' not in text] == []


def test_every_process_is_asked() -> None:
    text = (CONFIG / "prometheus.yml").read_text()
    assert re.findall(r"labels: {process: (\w+)}", text) == list(PROCESSES)
