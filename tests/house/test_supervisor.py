"""`fixserver run`: what it starts, starts again and stops, and in which order."""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixserver import config, supervisor

FAKE_VENUE = Path(__file__).with_name("fake_venue.py")
WORKING = ("exchange=works", "clearing=works", "marketdata=works", "bots=works")


class Run:
    """A supervisor with fake children."""

    def __init__(self, directory: Path, process: subprocess.Popen[str]) -> None:
        self.directory, self.process = directory, process
        self.said: list[str] = []

    def read_until(self, line: str) -> None:
        assert self.process.stdout is not None
        for said in self.process.stdout:
            self.said.append(said.rstrip("\n"))
            if self.said[-1] == line:
                return
        raise AssertionError(f"{line!r} was not said, but {self.said}")

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.end()

    def end(self) -> int:
        out, _ = self.process.communicate(timeout=20)
        self.said += out.splitlines()
        return self.process.returncode

    def log(self) -> list[str]:
        path = self.directory / "log"
        return path.read_text().splitlines() if path.exists() else []

    def pid(self, name: str) -> int:
        return int((self.directory / f"{name}.pid").read_text())

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, f"said {self.said}, log {self.log()}"
            time.sleep(0.005)


@contextmanager
def running(directory: Path, *children: str) -> Iterator[Run]:
    command = [sys.executable, str(FAKE_VENUE), str(directory), *children]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Run(directory, process)
        finally:
            process.kill()


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_children_start_and_stop_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path, *WORKING) as run:
        run.read_until("ready: all")
        run.wait_for((tmp_path / "bots.ready").exists)
        assert run.stop(number) == 0
    log = run.log()
    assert [log[0], sorted(log[1:3]), *log[3:7], sorted(log[7:])] == [
        "exchange started",
        ["clearing started", "marketdata started"],
        "bots started",
        "bots stopped",
        "exchange stopped",
        "caught up?",
        ["clearing stopped", "marketdata stopped"],
    ]
    assert [line for line in run.said if line != "status"] == ["ready: all", "stopping", "stopped"]


def test_a_line_a_second_says_what_goes_on(tmp_path: Path) -> None:
    with running(tmp_path, *WORKING) as run:
        run.read_until("ready: all")
        run.read_until("status")
        run.read_until("status")
        assert run.stop() == 0


def test_a_child_that_dies_is_started_again(tmp_path: Path) -> None:
    with running(tmp_path, "exchange=works", "clearing=dies", "marketdata=works") as run:
        run.read_until("ready: all")
        os.kill(run.pid("exchange"), signal.SIGKILL)
        run.wait_for(lambda: run.log().count("exchange started") == 2)
        assert run.stop() == 0
    assert [line for line in run.said if line != "status"] == [
        "clearing ended with exit code 7: starting it again in 0.1 s",
        "ready: all",
        "exchange was ended by SIGKILL: starting it again in 0.1 s",
        "stopping",
        "stopped",
    ]


def test_a_child_that_cannot_run_as_configured_ends_the_run(tmp_path: Path) -> None:
    with running(tmp_path, "exchange=works", "clearing=works", "marketdata=refuses") as run:
        assert run.process.wait(20) == 2
        assert run.process.stderr is not None
        assert run.process.stderr.read() == "venue.toml: exchange.port: 127.0.0.1:5001 is in use\n"
        run.end()
    assert "exchange stopped" in run.log()
    assert "ready: all" not in run.said


def test_a_child_that_is_never_ready_ends_the_run(tmp_path: Path) -> None:
    with running(tmp_path, "exchange=fails", "clearing=works", "marketdata=works") as run:
        assert run.end() == 1
    assert run.said == [
        "exchange ended with exit code 7: starting it again in 0.1 s",
        "exchange ended with exit code 7: starting it again in 0.2 s",
        "exchange ended with exit code 7, 3 times now and never ready: giving up",
        "stopping",
        "stopped",
    ]


def test_bots_that_fail_do_not_end_the_run(tmp_path: Path) -> None:
    with running(tmp_path, "exchange=works", "clearing=works", "marketdata=works", "bots=fails") as run:
        run.read_until("ready: all")
        run.read_until("bots ended with exit code 7: starting it again in 0.8 s")
        assert run.stop() == 0
    assert run.log().count("bots started") == 4


def test_a_child_that_does_not_stop_is_killed_and_named(tmp_path: Path) -> None:
    with running(tmp_path, "exchange=deaf", "clearing=works", "marketdata=works") as run:
        run.read_until("ready: all")
        assert run.stop() == 1
    assert "exchange did not stop within 0.5 s: killed" in run.said
    assert not is_running(run.pid("exchange"))


def test_children_do_not_outlive_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    with running(tmp_path, *WORKING) as run:
        run.read_until("ready: all")
        run.wait_for((tmp_path / "bots.ready").exists)
        run.process.kill()
        pids = [run.pid(name) for name in ("exchange", "clearing", "marketdata", "bots")]
        run.wait_for(lambda: not any(is_running(pid) for pid in pids))
        run.end()


def test_the_pause_doubles_to_a_limit_and_begins_anew_after_a_steady_while() -> None:
    child = supervisor.Child("exchange", ["true"], lambda: True)
    pauses = [child.start_again(now=1.0) for _ in range(9)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert child.start_again(now=supervisor.STEADY_S) == 0.5


def test_a_data_directory_has_one_supervisor(tmp_path: Path) -> None:
    with supervisor._only_run_of(tmp_path):
        with pytest.raises(config.ConfigError) as refused, supervisor._only_run_of(tmp_path):
            pass
        assert str(refused.value) == f"--data: {tmp_path}: another `fixserver run` keeps its venue there"
    with supervisor._only_run_of(tmp_path):
        pass


# ------------------------------------------------------------------------------------------- ready and status


@contextmanager
def page(text: str) -> Iterator[int]:
    """A process that answers every request with `text`; gives its port."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def nobody(directory: Path) -> supervisor.Endpoint:
    return supervisor.Endpoint(directory, "nobody", None, ("127.0.0.1", 0))


def endpoint(directory: Path, port: int) -> supervisor.Endpoint:
    return supervisor.Endpoint(directory, "somebody", None, ("127.0.0.1", port))


def test_metrics_are_summed_over_their_labels(tmp_path: Path) -> None:
    with page('# HELP a_total what\na_total{type="D"} 3.0\na_total{type="F x"} 4.0\nb 1e-05\n\n') as port:
        assert supervisor.sample(endpoint(tmp_path, port)) == {"a_total": 7.0, "b": 1e-05}


def test_the_status_line_says_what_each_process_says(tmp_path: Path) -> None:
    exchange = "fixserver_orders_total 1200\nfixserver_sessions 3\nfixserver_resting_orders 12345\n"
    with page(exchange) as first, page("fixserver_ledger_lag_events 7\n") as second:
        figures = supervisor.Figures(endpoint(tmp_path, first), endpoint(tmp_path, second), nobody(tmp_path))
        assert figures.line().split("  ", 1)[1] == "orders -/s   trades -/s   sessions 3   resting 12,345   ledger 7 behind"
        assert figures.line().split("  ", 1)[1] == "orders 0/s   trades 0/s   sessions 3   resting 12,345   ledger 7 behind"
        assert not figures.caught_up()


def test_the_status_line_says_who_does_not_answer(tmp_path: Path) -> None:
    figures = supervisor.Figures(nobody(tmp_path), nobody(tmp_path), nobody(tmp_path))
    assert figures.line().split("  ", 1)[1] == "the exchange does not answer   the ledger does not answer"
    assert figures.caught_up()


def test_a_process_is_ready_when_each_of_its_ports_takes_connections(tmp_path: Path) -> None:
    venue = supervisor.Endpoint(tmp_path, "exchange", ("127.0.0.1", 0), ("127.0.0.1", 0))
    assert not venue.is_ready()
    with page("") as fix, page("") as metrics:
        (tmp_path / "exchange.ports").write_text(f'{{"fix": {fix}}}')
        assert not venue.is_ready()
        (tmp_path / "exchange.ports").write_text(f'{{"fix": {fix}, "metrics": {metrics}}}')
        assert venue.is_ready()
        assert venue.fix() == ("127.0.0.1", fix)
    assert not venue.is_ready()
    venue.forget()
    assert venue.fix() is None


DROP_COPY = ("127.0.0.1", 5003)


def test_ready_says_where_to_connect_as_whom_and_with_which_password() -> None:
    venue = config.load(Path(__file__).parents[2] / "config" / "exchange.toml")
    assert supervisor.ready_text(venue, ("127.0.0.1", 5001), ("127.0.0.1", 5002), ("127.0.0.1", 8080), DROP_COPY).splitlines() == [
        "ready: FIX order entry on 127.0.0.1:5001, market data on 127.0.0.1:5002 (FIX.4.2, FIX.4.4, FIXT.1.1 with FIX.5.0SP2)",
        "  page and REST on http://127.0.0.1:8080",
        "  drop copy on 127.0.0.1:5003 for DROPCOPY, TargetCompID FIXSERVER-DC",
        "  log on as TRADER1 to TRADER8, password demo (Username(553) is the SenderCompID)",
        "  TargetCompID FIXSERVER for orders, FIXSERVER-MD for market data",
        "  instruments AAPL, MSFT, GOOG, AMZN, TSLA, BTCUSD; Ctrl-C stops",
    ]
