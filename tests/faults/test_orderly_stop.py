"""`fixserver run` as a whole: its processes are killed, then it is stopped: everybody is logged out, nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.checks import check_traders
from tests.faults.traders import Trader, wait_settled
from tests.light import light_venue
from tests.venue import ROOT, START_SECONDS, VERSIONS, Venue, wait_for


@contextmanager
def running(venue: Venue) -> Iterator[subprocess.Popen[bytes]]:
    """The four processes, until Ctrl-C; that they end well is asserted."""
    command = [sys.executable, "-m", "fixserver.cli", "run", "--config", str(venue.config), "--data", str(venue.data)]
    said = venue.directory / "run.log"
    with said.open("ab") as log:
        process = subprocess.Popen([*command, "--log-level", "info"], cwd=ROOT, stdout=log, stderr=log)
    try:
        readies = said.read_text().count("\nready:")
        wait_for(lambda: ("\n" + said.read_text()).count("\nready:") > readies, "the venue is ready", 40)
        wait_for(lambda: answers(venue, "history"), "the history, which nobody waits for, is there too")
        yield process
        children = children_of(process.pid)
        assert len(children) == 4
        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 0, said.read_text()
        assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
    finally:
        process.kill()
        process.wait()


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def named(pid: int, name: str) -> int:
    """The child that is this process of the venue; 0 while it is not there."""
    for child in children_of(pid):
        with contextlib.suppress(OSError):
            if name in Path(f"/proc/{child}/cmdline").read_text().split("\0"):
                return child
    return 0


def answers(venue: Venue, name: str) -> bool:
    try:
        return bool(venue.metrics(name))
    except (OSError, ValueError, KeyError):
        return False


def test_the_whole_venue_is_stopped_and_started_again(tmp_path: Path) -> None:
    venue = light_venue(tmp_path)
    traders = [Trader(venue, f"TRADER{number}", VERSIONS[number % 3], number) for number in range(1, 5)]
    started: list[Trader] = []
    try:
        with running(venue) as process:
            started += [trader.start() for trader in traders]
            wait_for(lambda: all(len(trader.reports) > 200 for trader in traders), "they trade")
            for name in ("exchange", "clearing", "marketdata"):
                killed = named(process.pid, name)
                os.kill(killed, signal.SIGKILL)
                wait_for(lambda name=name, killed=killed: named(process.pid, name) not in (0, killed), f"{name} is started again")
                wait_for(lambda name=name: answers(venue, name), f"{name} is there again")
            wait_for(lambda: all(trader.logons == 2 for trader in traders), "they are back")
        assert [trader.refusals for trader in traders] == [["the exchange closes"]] * 4
        with running(venue):
            wait_for(lambda: all(trader.logons == 3 for trader in traders), "they are back")
            wait_settled(traders, wait_for)
    finally:
        for trader in started:
            trader.stop()
    check_traders(traders, venue.data)
    for command in (["journal", "verify"], ["ledger", "check", "--config", str(venue.config)]):
        done = venue.command(*command, "--data", str(venue.data))
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["exchange", "clearing", "marketdata", "history"])
def test_a_process_that_is_up_can_be_stopped(tmp_path: Path, name: str) -> None:
    """In the very moment that it says so. Whoever stops it earlier ends a process that has nothing to put in order."""
    venue = light_venue(tmp_path)
    ports = venue.data / f"{name}.ports"
    for _ in range(5):
        venue.launch(name)
        process, deadline = venue.processes[name], time.monotonic() + START_SECONDS
        while not ports.exists() and process.poll() is None and time.monotonic() < deadline:
            pass  # no pause, which is when the signal came too late to meet it half way
        assert venue.end(name) == 0, venue.said(name)
