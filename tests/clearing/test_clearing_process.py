"""The clearing process as it runs: it follows, counts, stops when told, and says why when it cannot go on."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clearing.database import open_database
from clearing.ledger import Ledger
from fixserver.clearing_process import only_writer
from following.database import sqlite_url
from tests.clearing.test_faults import trade_more
from tests.clearing.test_postings import OPENING, trade
from tests.clearing.venue import all_records, record, rows, trade_randomly, write_log
from tests.postgres import Postgres

ROOT = Path(__file__).parents[2]
WAIT_SECONDS_MAX = 30

COMPARED = "compared with the engine"  # or cannot be, while the database is away


class Clearing:
    """A clearing process of its own, and what its metrics say."""

    def __init__(self, directory: Path, database: str = "", metrics_port: int = 0) -> None:
        self.data = directory / "data"
        self.config = directory / "config" / "exchange.toml"
        if not self.config.exists():
            shutil.copytree(ROOT / "config", self.config.parent)
            text = self.config.read_text().replace("metrics_port = 9102", f"metrics_port = {metrics_port}")
            self.config.write_text(text.replace('database = ""', f'database = "{database}"', 1))
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        (self.data / "clearing.ports").unlink(missing_ok=True)
        command = [sys.executable, "-m", "fixserver.cli", "clearing", "--config", str(self.config), "--data", str(self.data)]
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Exit code and log."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        assert self.process is not None
        _, log = self.process.communicate(timeout=WAIT_SECONDS_MAX)
        return self.process.returncode, log

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def metrics(self) -> dict[str, float]:
        """Empty while there are none."""
        try:
            port = json.loads((self.data / "clearing.ports").read_text())["metrics"]
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/metrics")
            page = connection.getresponse().read().decode()
            connection.close()
        except OSError:
            return {}
        samples = [line.rpartition(" ") for line in page.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in samples}

    def wait_for(self, condition: Callable[[dict[str, float]], bool]) -> dict[str, float]:
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while True:
            found = self.metrics()
            if found and condition(found):
                return found
            assert self.process is not None
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline, found
            time.sleep(0.02)

    def wait_for_event(self, seq: int) -> dict[str, float]:
        return self.wait_for(lambda found: found["fixserver_ledger_event_seq"] >= seq)


@pytest.fixture
def clearing(tmp_path: Path) -> Iterator[Clearing]:
    made = Clearing(tmp_path)
    yield made
    made.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_follows_counts_and_stops_when_told(clearing: Clearing, number: int) -> None:
    clearing.start()
    clearing.wait_for(lambda found: found["fixserver_ledger_database_up"] == 1)
    write_log(clearing.data / "events", [record(OPENING, command_seq=6), record([trade(7), trade(8, fees=(1, 2))], command_seq=20)])
    found = clearing.wait_for_event(8)
    names = {
        "fixserver_ledger_event_seq": 8,
        "fixserver_ledger_command_seq": 20,
        "fixserver_ledger_log_event_seq": 8,
        "fixserver_ledger_lag_events": 0,
        "fixserver_ledger_database_up": 1,
        "fixserver_ledger_database_outages_total": 0,
        "fixserver_ledger_events_total": 8,
        "fixserver_ledger_trades_total": 2,
        "fixserver_ledger_postings_total": 12,
    }
    assert {name: found[name] for name in names} == names
    assert found["fixserver_ledger_commit_seconds_count"] == found["fixserver_ledger_batch_events_count"] >= 1
    code, log = clearing.end(number)
    assert code == 0
    assert log.splitlines()[-1].endswith("stopped at event 8")


def test_killed_again_and_again_it_posts_nothing_twice(clearing: Clearing, tmp_path: Path) -> None:
    trade_randomly(clearing.data, 21, 200)
    for round_ in range(4):
        clearing.start()
        clearing.wait_for(lambda found: found["fixserver_ledger_event_seq"] > 0)
        trade_more(clearing.data, 30 + round_, 500)
        clearing.kill()
    clearing.start()
    records = all_records(clearing.data / "events")
    clearing.wait_for_event(records[-1].last)
    assert clearing.end()[0] == 0
    right = Ledger(open_database(sqlite_url(tmp_path / "right.sqlite")))
    right.load()
    right.post(records)
    right.close()
    assert rows(open_database(sqlite_url(clearing.data / "ledger.sqlite"))) == rows(right.engine)


def test_postgresql_goes_and_comes_back(postgres: Postgres, tmp_path: Path) -> None:
    clearing = Clearing(tmp_path, postgres.create("process"))
    try:
        trade_randomly(clearing.data, 22, 200)
        at = all_records(clearing.data / "events")[-1].last
        clearing.start()
        clearing.wait_for_event(at)
        postgres.stop()
        trade_more(clearing.data, 23, 500)
        end = all_records(clearing.data / "events")[-1].last
        gone = clearing.wait_for(lambda found: found["fixserver_ledger_database_up"] == 0)
        assert (gone["fixserver_ledger_event_seq"], gone["fixserver_ledger_lag_events"]) == (at, end - at)
        postgres.start()
        back = clearing.wait_for_event(end)
        assert back["fixserver_ledger_database_up"] == 1
        assert back["fixserver_ledger_database_outages_total"] == 1
        code, log = clearing.end()
        assert code == 0
        assert [line.partition("clearing ")[2].partition(",")[0] for line in log.splitlines() if COMPARED not in line][1:] == [
            "WARNING the database cannot be reached",
            f"INFO the database is there; the ledger stands at event {at}",
            f"INFO stopped at event {end}",
        ]
    finally:
        clearing.kill()
        if postgres.process is None:
            postgres.start()
        postgres.drop("process")


def test_it_stops_when_told_while_the_database_is_away(postgres: Postgres, tmp_path: Path) -> None:
    clearing = Clearing(tmp_path, postgres.url("nowhere"))
    try:
        clearing.start()
        clearing.wait_for(lambda found: found["fixserver_ledger_database_outages_total"] == 1)
        code, log = clearing.end()
        assert code == 0
        assert log.count("cannot be reached") == 1
        assert 'database "nowhere" does not exist' in log
    finally:
        clearing.kill()


def test_only_one_process_writes_a_ledger(clearing: Clearing) -> None:
    with only_writer(clearing.data):
        clearing.start()
        code, log = clearing.ended()
    assert code == 1
    assert len(log.splitlines()) == 1
    assert "another process writes this ledger, `fixserver clearing` or `ledger rebuild --replace`: stop it" in log


def test_a_ledger_of_another_venue_ends_it_with_a_reason(clearing: Clearing) -> None:
    events = clearing.data / "events"
    write_log(events, [record(OPENING)])
    clearing.start()
    clearing.wait_for_event(6)
    assert clearing.end()[0] == 0
    shutil.rmtree(events)
    write_log(events, [record(OPENING, time=1_001)])
    clearing.start()
    code, log = clearing.ended()
    assert code == 1
    assert "is not what the ledger posted under this number" in log.splitlines()[-1]
    assert "Traceback" not in log


def test_a_damaged_event_log_ends_it_with_a_reason(clearing: Clearing) -> None:
    events = clearing.data / "events"
    write_log(events, [record(OPENING), record([trade(7)]), record([trade(8)])])
    path = next(events.glob("*.log"))
    damaged = bytearray(path.read_bytes())
    damaged[60] ^= 1
    path.write_bytes(damaged)
    clearing.start()
    code, log = clearing.ended()
    assert code == 1
    assert "damaged at offset 8, where number 1 is due" in log.splitlines()[-1]
    assert "Traceback" not in log


def test_a_port_in_use_is_one_line_that_names_the_key(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        clearing = Clearing(tmp_path, metrics_port=taken.getsockname()[1])
        clearing.start()
        code, log = clearing.ended()
    assert code == 2
    assert len(log.splitlines()) == 1
    assert "clearing.metrics_port" in log
    assert os.listdir(clearing.data) == []
