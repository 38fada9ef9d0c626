"""`fixserver run`, with the real processes, on ports of its own: what a person sees who types `make run`."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixserver import supervisor

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60


class Venue:
    """A venue that `fixserver run` keeps."""

    def __init__(self, data: Path, process: subprocess.Popen[str]) -> None:
        self.data, self.process = data, process
        self.lines: list[str] = []

    def wait_for(self, condition: Callable[[str], bool]) -> str:
        """The next line that is said of which this is true."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if condition(self.lines[-1]):
                return self.lines[-1]
        raise AssertionError(f"never said; what was: {self.lines}")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=PATIENCE_S)
        self.lines += out.splitlines()
        return self.process.returncode

    def port(self, process: str, key: str) -> int:
        return int(json.loads((self.data / f"{process}.ports").read_text())[key])

    def children(self) -> dict[str, int]:
        """The processes of the venue by name."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_text().split("\0")
                parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == self.process.pid and "fixserver.cli" in words:
                found[words[words.index("fixserver.cli") + 1]] = int(path.name)
        return found


@contextmanager
def running(directory: Path, *more: str) -> Iterator[Venue]:
    config = directory / "venue.toml"
    text = (ROOT / "config" / "exchange.toml").read_text()
    text = re.sub(r"^(port|metrics_port) = \d+", r"\1 = 0", text, flags=re.MULTILINE)
    config.write_text(text.replace('"dictionaries"', json.dumps(str(ROOT / "config" / "dictionaries"))))
    command = [sys.executable, "-m", "fixserver.cli", "run", "--config", str(config), "--data", str(directory / "data"), *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=directory) as process:
        try:
            yield Venue(directory / "data", process)
        finally:
            process.terminate()


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_a_venue_with_bots_trades_and_stops_in_order(tmp_path: Path) -> None:
    with running(tmp_path, "--bots") as venue:
        ready = venue.wait_for(lambda line: line.startswith("ready"))
        order_entry, market_data = venue.port("exchange", "fix"), venue.port("marketdata", "fix")
        assert ready.startswith(f"ready: FIX order entry on 127.0.0.1:{order_entry}, market data on 127.0.0.1:{market_data} ")
        web = venue.port("marketdata", "http")
        venue.wait_for(lambda line: line == f"  page and REST on http://127.0.0.1:{web}")
        venue.wait_for(lambda line: "log on as TRADER1 to TRADER8, password demo" in line)
        venue.wait_for(lambda line: re.search(r"trades [1-9]\d*/s.* subscriptions [1-9]", line) is not None)
        children = venue.children()
        assert sorted(children) == ["bots", "clearing", "exchange", "history", "marketdata"]
        assert os.getpriority(os.PRIO_PROCESS, children["exchange"]) == os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, children["clearing"]) > os.getpriority(os.PRIO_PROCESS, 0)
        assert venue.stop() == 0
        assert venue.lines[-1] == "stopped"
        assert [line for line in venue.lines if "feed answers" in line] == []
        assert [name for name, pid in children.items() if not is_gone(pid)] == []


@pytest.fixture(scope="module")
def quiet_venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with running(tmp_path_factory.mktemp("quiet")) as venue:
        venue.wait_for(lambda line: line.startswith("ready"))
        yield venue
        assert venue.stop() == 0


def test_the_readme_example_buys_ten_shares(quiet_venue: Venue) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    program = program.replace("5001", str(quiet_venue.port("exchange", "fix")))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    answers = [dict(pair.split("=", 1) for pair in line.split("|")) for line in done.stdout.splitlines()]
    assert done.stderr == ""
    assert [(answer["35"], answer.get("39"), answer.get("11"), answer.get("55")) for answer in answers] == [
        ("A", None, None, None),
        ("8", "0", "order-1", "AAPL"),
    ]


def test_an_exchange_that_is_killed_comes_back(quiet_venue: Venue) -> None:
    killed = quiet_venue.children()["exchange"]
    os.kill(killed, signal.SIGKILL)
    quiet_venue.wait_for(lambda line: line == "exchange was ended by SIGKILL: starting it again in 0.5 s")
    deadline = time.monotonic() + PATIENCE_S
    while not accepts(quiet_venue) or quiet_venue.children().get("exchange", killed) == killed:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    quiet_venue.wait_for(lambda line: re.search(r"\bsessions [01]\b", line) is not None)  # the web's may be there already


def accepts(venue: Venue) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", venue.port("exchange", "fix")), 1):
            return True
    except OSError:
        return False


def test_each_process_has_metrics(quiet_venue: Venue) -> None:
    found = {}
    for name in ("exchange", "clearing", "marketdata"):
        endpoint = supervisor.Endpoint(quiet_venue.data, name, None, ("127.0.0.1", 0))
        found[name] = {metric for metric in supervisor.sample(endpoint) if metric.startswith("fixserver_")}
    assert {
        "fixserver_sessions",
        "fixserver_orders_total",
        "fixserver_trades_total",
        "fixserver_resting_orders",
        "fixserver_batch_commands_count",
        "fixserver_journal_sync_seconds_count",
        "fixserver_order_latency_seconds_bucket",
        "fixserver_journal_head",
        "fixserver_event_head",
    } <= found["exchange"]
    assert {"fixserver_ledger_lag_events", "fixserver_ledger_event_seq"} <= found["clearing"]
    assert {"fixserver_marketdata_subscribers", "fixserver_marketdata_event_head"} <= found["marketdata"]


def test_a_second_run_on_the_same_data_is_one_line_and_exit_2(quiet_venue: Venue) -> None:
    config = quiet_venue.data.parent / "venue.toml"
    command = [sys.executable, "-m", "fixserver.cli", "run", "--config", str(config), "--data", str(quiet_venue.data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    line = f"--data: {quiet_venue.data}: another `fixserver run` keeps its venue there\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", line)
