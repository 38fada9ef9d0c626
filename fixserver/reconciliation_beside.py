"""Runs `fixserver ledger reconcile` beside the clearing process, and tells its metrics and its log what that finds.

It compares nothing itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge

from fixserver.config import Config

REPORT = "reconciliation.json"  # in the data directory
RESTART_SECONDS = 10.0
STOP_SECONDS_MAX = 5.0
NICENESS = 5  # beyond that of the clearing process
LINES_LOGGED_MAX = 10
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)  # here, because a copy of a process with threads must not load anything


class ReconciliationBeside:
    """A thread that reads what the other process says, and starts it again when it ends. A context."""

    def __init__(self, config: Config, data: Path, registry: CollectorRegistry, log: logging.Logger) -> None:
        self._config, self._data, self._log = config, data, log
        self._process: subprocess.Popen[str] | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconciliation", daemon=True)
        self._said = ""

        def gauge(key: str, text: str) -> Gauge:
            return Gauge(f"fixserver_ledger_{key}", text, registry=registry)

        self._differences = gauge("differences", "What ledger and engine, or the ledger and itself, do not agree on.")
        self._event = gauge("reconciled_event_seq", "Last event up to which they were compared.")
        self._time = gauge("reconciled_time_seconds", "When that was, in seconds since 1970.")
        self._time.set(time.time())
        self._seconds = gauge("reconciliation_seconds", "How long it took.")
        self._failed = gauge("obligations_failed", "Obligations that were due and are not settled wholly.")
        self._calls = gauge("margin_calls", "Accounts that have a margin call, by currency.")
        self._failures = Counter(
            "fixserver_ledger_reconciliations_failed", "Comparisons that could not be made.", registry=registry
        )

    def __enter__(self) -> ReconciliationBeside:
        if self._config.clearing.reconcile_seconds:
            # A thread has the mask of who starts it: signals are the process's to wait for, and must not end it here.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
            self._thread.start()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS_MAX)
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS_MAX)

    def _run(self) -> None:
        while not self._ending.is_set():
            self._process = process = self._start()
            assert process.stdout is not None
            with process:
                for line in process.stdout:
                    self._take(json.loads(line))
            if not self._ending.is_set():
                self._failures.inc()
                self._log.warning("the reconciliation ended with %s, and is started again", process.returncode)
                self._ending.wait(RESTART_SECONDS)

    def _start(self) -> subprocess.Popen[str]:
        parent = os.getpid()

        def prepare() -> None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)
            os.nice(NICENESS)
            signal.pthread_sigmask(signal.SIG_SETMASK, [])

        command = [
            sys.executable, "-m", "fixserver.cli", "ledger", "reconcile", "--config", str(self._config.file), "--data",
            str(self._data), "--every", str(self._config.clearing.reconcile_seconds),
        ]  # fmt: skip
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, preexec_fn=prepare)

    def _take(self, said: dict[str, Any]) -> None:
        if "failed" in said:
            self._failures.inc()
            self._say(f"the ledger could not be compared with the engine: {said['failed']}")
            return
        wrong = [*said["faults"], *(_line(one) for one in said["differences"])]
        self._differences.set(len(wrong))
        self._event.set(said["event_seq"])
        self._time.set(time.time())
        self._seconds.set(said["seconds"])
        self._failed.set(said["obligations_failed"])
        self._calls.set(said["margin_calls"])
        if not wrong:
            if self._said:
                self._log.info("ledger and engine agree again, at event %d", said["event_seq"])
            self._said = ""
            return
        more = f"; and {len(wrong) - LINES_LOGGED_MAX} more" if len(wrong) > LINES_LOGGED_MAX else ""
        found = "; ".join(wrong[:LINES_LOGGED_MAX])
        self._say(f"THE LEDGER IS WRONG: {found}{more}. {self._data / REPORT} has it all")

    def _say(self, text: str) -> None:
        """Once, until something else is to be said."""
        if text != self._said:
            self._said = text
            self._log.error("%s", text)


def _line(one: dict[str, Any]) -> str:
    what = "settled" if one["settled"] else "unsettled"
    since = f"since event {one['parted_at_event']}" if one["parted_at_event"] else "which its postings do not sum to"
    return f"{one['account']} {one['asset']}, {what}: the ledger has {one['ledger']}, and the engine {one['engine']}, {since}"
