"""`fixserver clearing`: the process that keeps the ledger; wires event log, ledger, metrics and signals, and does nothing else.

Exit codes: 0 when told to stop, 1 when a person has to look, 2 when it cannot run as configured.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from sqlalchemy import URL

from clearing.database import open_database
from clearing.ledger import Ledger, Posted
from fixserver.config import Config, ConfigError
from following.database import DatabaseRefused, Refused, sqlite_url
from following.eventlog import LogHead
from following.follower import Follower, Watch
from matching.recordlog import LogDamaged, LogMissing

EXIT_REFUSED = 1
EXIT_CANNOT_RUN = 2
COMMIT_BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
BATCH_BOUNDS = (1, 10, 100, 1_000, 10_000, 100_000)
_SIGNALS = {signal.SIGTERM, signal.SIGINT}

log = logging.getLogger("fixserver.clearing")


class LedgerBusy(Exception):
    """Another process of this data directory writes the ledger."""


def database_url(config: Config, data: Path) -> str | URL:
    return config.clearing.database or sqlite_url(data / "ledger.sqlite")


@contextlib.contextmanager
def only_writer(data: Path) -> Iterator[None]:
    """Hold the right to write this venue's ledger. Raises LedgerBusy."""
    data.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(data / "ledger.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LedgerBusy(
                f"{data / 'ledger.lock'}: another process writes this ledger, `fixserver clearing` or `ledger rebuild`: stop it"
            ) from None
        yield
    finally:
        os.close(descriptor)


class Metrics(Watch):
    """What Prometheus is told, and what goes to the log. Lag is counted when it is asked for."""

    def __init__(self, events: Path) -> None:
        self.registry = CollectorRegistry()
        self._head = LogHead(events)
        self._head_lock = threading.Lock()  # the page is made by another thread
        self.posted_seq = 0

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"fixserver_ledger_{name}", text, registry=self.registry)

        self.event_seq = gauge("event_seq", "Last event that is posted.")
        self.command_seq = gauge("command_seq", "Last command that is posted.")
        gauge("log_event_seq", "Last event in the event log.").set_function(self._log_head)
        gauge("lag_events", "Events in the event log that are not posted yet.").set_function(self._lag)
        self.database_up = gauge("database_up", "1 while the database can be reached.")
        self.events = Counter("fixserver_ledger_events", "Events read since the process started.", registry=self.registry)
        self.trades = Counter("fixserver_ledger_trades", "Trades posted since the process started.", registry=self.registry)
        self.postings = Counter("fixserver_ledger_postings", "Postings written since the process started.", registry=self.registry)
        self.outages = Counter("fixserver_ledger_database_outages", "How often the database went away.", registry=self.registry)
        self.commit_seconds = Histogram(
            "fixserver_ledger_commit_seconds", "Time that a commit took.", buckets=COMMIT_BOUNDS_S, registry=self.registry
        )
        self.batch_events = Histogram(
            "fixserver_ledger_batch_events", "Events posted by one commit.", buckets=BATCH_BOUNDS, registry=self.registry
        )

    def _log_head(self) -> float:
        with self._head_lock:
            return self._head.read()

    def _lag(self) -> float:
        posted = self.posted_seq
        return max(self._log_head() - posted, 0)

    def loaded(self, event_seq: int, command_seq: int) -> None:
        self.posted_seq = event_seq
        self.event_seq.set(event_seq)
        self.command_seq.set(command_seq)

    def committed(self, posted: Posted) -> None:
        self.loaded(posted.cursor.event_seq, posted.cursor.command_seq)
        self.events.inc(posted.events)
        self.trades.inc(posted.trades)
        self.postings.inc(posted.postings)
        self.commit_seconds.observe(posted.seconds)
        self.batch_events.observe(posted.events)

    def database_gone(self, why: str) -> None:
        self.database_up.set(0)
        self.outages.inc()
        log.warning("the database cannot be reached, trying again until it can; trading goes on meanwhile. It says: %s", why)

    def database_back(self, event_seq: int, command_seq: int) -> None:
        self.database_up.set(1)
        self.loaded(event_seq, command_seq)
        log.info("the database is there; the ledger stands at event %d", event_seq)

    def log_behind(self, event_seq: int, head: int) -> None:
        log.warning(
            "the event log ends with event %d, before %d, which is posted: waiting for the exchange to recover", head, event_seq
        )


def main(config: Config, data: Path) -> int:
    """Keep the ledger of the venue in `data` until SIGTERM or SIGINT."""
    try:
        engine = open_database(database_url(config, data))
    except DatabaseRefused as error:
        raise ConfigError(config.file, "clearing.database", str(error)) from None
    events = data / "events"
    metrics = Metrics(events)
    # Blocked, and waited for wherever the follower pauses: a signal never interrupts a commit.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        with only_writer(data), _served(config, data, metrics):
            Follower(Ledger(engine), events, _pause, metrics).run()
        log.info("stopped at event %d", metrics.posted_seq)
        return 0
    except (Refused, LedgerBusy, LogDamaged, LogMissing) as error:
        log.error("%s", error)
        return EXIT_REFUSED
    finally:
        engine.dispose()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _pause(seconds: float) -> bool:
    return signal.sigtimedwait(_SIGNALS, seconds) is not None


@contextlib.contextmanager
def _served(config: Config, data: Path, metrics: Metrics) -> Iterator[None]:
    """Serve the metrics, and write where to `clearing.ports`."""
    address, port = config.venue.metrics_address, config.clearing.metrics_port
    try:
        server, thread = start_http_server(port, address, metrics.registry)
    except OSError as error:
        raise config.cannot_listen("clearing.metrics_port", address, port, error) from None
    try:
        ports = data / "clearing.ports"
        unfinished = ports.with_suffix(".ports.new")
        unfinished.write_text(json.dumps({"metrics": server.server_port}) + "\n")
        unfinished.replace(ports)
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
