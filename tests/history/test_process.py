"""`fixserver history` as it runs: it follows, counts, stops when told, says why it cannot go on, and agrees with the ledger."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from sqlalchemy import select

from clearing import schema as ledger
from clearing.database import open_database as open_ledger
from fixserver.history_process import only_writer
from following.database import sqlite_url
from following.eventlog import EventLog, LogHead
from marketdata.history.database import open_database
from tests.history.tables import NaiveHistory, named_rows, rows
from tests.history.test_faults import write_log
from tests.house.test_run import running
from tests.postgres import Postgres
from tests.venue import Venue, wait_for


def counted(venue: Venue, name: str) -> float:
    return venue.metrics("history").get(f"fixserver_history_{name}", -1)


def test_it_follows_counts_and_stops_when_told(tmp_path: Path) -> None:
    venue = Venue(tmp_path)
    write_log(venue.data / "events", 21, 500)
    head = LogHead(venue.data / "events").read()
    venue.start("history")
    wait_for(lambda: counted(venue, "event_seq") == head, "all is written")
    found = venue.metrics("history")
    tables = rows(open_database(sqlite_url(venue.data / "market_data.sqlite")))
    due = {
        "lag_events": 0,
        "log_event_seq": head,
        "database_up": 1,
        "events_total": head,
        "orders_total": len(tables["orders"]),
        "trades_total": len(tables["trades"]),
        "database_outages_total": 0,
    }
    assert {name: found[f"fixserver_history_{name}"] for name in due} == due
    assert venue.end("history") == 0
    assert venue.said("history").splitlines()[-1].endswith(f"stopped at event {head}")


def test_one_that_is_not_to_be_written_is_not(tmp_path: Path) -> None:
    venue = Venue(tmp_path, history={"enabled": False})
    venue.launch("history")
    assert venue.processes.pop("history").wait(30) == 2
    assert venue.said("history") == f"{venue.config}: history.enabled: is false, so that there is no history to write\n"


def test_only_one_process_writes_it(tmp_path: Path) -> None:
    venue = Venue(tmp_path)
    with only_writer(venue.data):
        venue.launch("history")
        assert venue.processes.pop("history").wait(30) == 1
    assert "another `fixserver history` writes this history: stop it" in venue.said("history")


def test_the_ledgers_database_is_another(tmp_path: Path) -> None:
    url = "postgresql+psycopg://me@/venue"
    venue = Venue(tmp_path, history={"database": url}, clearing={"database": url})
    venue.launch("history")
    assert venue.processes.pop("history").wait(30) == 2
    assert "history.database: is that of the ledger, which has tables of the same names: name another" in venue.said("history")


def test_a_port_in_use_is_one_line_that_names_the_key(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        venue = Venue(tmp_path, history={"metrics_port": taken.getsockname()[1]})
        venue.launch("history")
        assert venue.processes.pop("history").wait(30) == 2
    assert len(venue.said("history").splitlines()) == 1
    assert "history.metrics_port" in venue.said("history")


def test_a_history_of_another_log_ends_it_with_what_to_do(tmp_path: Path) -> None:
    venue = Venue(tmp_path)
    events = venue.data / "events"
    write_log(events, 22, 200)
    venue.start("history")
    wait_for(lambda: counted(venue, "lag_events") == 0 and counted(venue, "event_seq") > 0, "all is written")
    assert venue.end("history") == 0
    for path in events.iterdir():
        path.unlink()
    write_log(events, 23, 400)
    venue.launch("history")
    assert venue.processes.pop("history").wait(30) == 1
    last = venue.said("history").splitlines()[-1]
    assert "is not what the history posted under this number" in last and "delete this one (SQLite: the file)" in last
    (venue.data / "market_data.sqlite").unlink()
    venue.start("history")
    wait_for(lambda: counted(venue, "event_seq") == LogHead(events).read(), "all of the other log is written")
    assert venue.end("history") == 0


def test_a_database_that_is_away_is_waited_for(postgres: Postgres, tmp_path: Path) -> None:
    venue = Venue(tmp_path, history={"database": postgres.url("history_later")})
    write_log(venue.data / "events", 24, 200)
    venue.start("history")
    wait_for(lambda: counted(venue, "database_outages_total") == 1, "it says that the database is not there")
    postgres.create("history_later")
    try:
        wait_for(lambda: counted(venue, "event_seq") == LogHead(venue.data / "events").read(), "all is written")
        assert venue.end("history") == 0
        assert venue.said("history").count("cannot be reached") == 1
    finally:
        postgres.drop("history_later")


def test_a_live_venue_has_in_its_history_what_its_ledger_has(tmp_path: Path) -> None:
    """Bots trade for a while; when the venue has stopped, both databases have all of it, and the history is what the events say."""
    with running(tmp_path, "--bots") as venue:
        venue.wait_for(lambda line: line.startswith("ready"))
        wait_for(lambda: (venue.data / "history.ports").exists(), "the history is followed")
        for _ in range(2):
            venue.wait_for(lambda line: re.search(r" trades [1-9]", line) is not None)
        venue.stop()
        assert [line for line in venue.lines if line.startswith(("exchange", "clearing", "history"))] == [], "all end well"
    history = open_database(sqlite_url(venue.data / "market_data.sqlite"))
    head = LogHead(venue.data / "events").read()
    found = rows(history)
    assert found.pop("cursor")[0][1] == head
    names = "event_seq", "time", "price", "quantity", "maker_order_id", "taker_order_id"
    with open_ledger(sqlite_url(venue.data / "ledger.sqlite")).connect() as connection:
        assert connection.execute(select(ledger.cursor.c.event_seq)).scalar() == head
        done = ledger.transactions.c
        query = select(*(done[name] for name in names)).where(done.kind == "trade").order_by(done.event_seq)
        cleared = [tuple(row) for row in connection.execute(query)]
    assert [tuple(row[name] for name in names) for row in named_rows(history, "trades")] == cleared
    assert cleared, "the bots have traded"
    naive = NaiveHistory()
    log = EventLog(venue.data / "events", 1)
    for record in log.read(10**9):
        naive.apply(record.batch)
    log.close()
    due = naive.rows()
    for table in due:
        assert found[table] == due[table], table
