"""What the processes have in common that follow the event log into a database: one writer, metrics, signals; it knows no table.

Exit codes: 0 when told to stop, 1 when a person has to look, 2 when it cannot run as configured.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from sqlalchemy import URL, Engine, make_url

from fixserver.addresses import write_ports
from fixserver.config import Clearing, Config, History
from following.database import Refused
from following.eventlog import LogHead
from following.follower import POLL_SECONDS, Follower, Watch, Writer
from matching.recordlog import LogDamaged, LogMissing

EXIT_REFUSED = 1
EXIT_CANNOT_RUN = 2
COMMIT_BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
BATCH_BOUNDS = (1, 10, 100, 1_000, 10_000, 100_000)
_SIGNALS = {signal.SIGTERM, signal.SIGINT}


class Busy(Exception):
    """Another process writes to the database of this data directory."""


def with_password(config: Config, kept: Clearing | History) -> str | URL:
    """The database that the configuration names, with the password of its file; empty where it names none. Raises ConfigError."""
    password = config.database_password(kept)
    return make_url(kept.database).set(password=password) if password else kept.database


@contextlib.contextmanager
def only_writer(path: Path, whose: str) -> Iterator[None]:
    """Hold the lock at `path`. Raises Busy, which says `whose` it may be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"{path}: {whose}") from None
        yield
    finally:
        os.close(descriptor)


class Metrics(Watch):
    """What Prometheus is told, and what goes to the log. Lag is counted when it is asked for."""

    def __init__(self, name: str, events: Path, log: logging.Logger) -> None:
        """`name` is what is written: "ledger"."""
        self.name, self.log = name, log
        self.registry = CollectorRegistry()
        self._head = LogHead(events)
        self._head_lock = threading.Lock()  # the page is made by another thread
        self.posted_seq = 0
        prefix = f"fixserver_{name}_"

        def gauge(key: str, text: str) -> Gauge:
            return Gauge(prefix + key, text, registry=self.registry)

        self.event_seq = gauge("event_seq", "Last event that is posted.")
        self.command_seq = gauge("command_seq", "Last command that is posted.")
        gauge("log_event_seq", "Last event in the event log.").set_function(self._log_head)
        gauge("lag_events", "Events in the event log that are not posted yet.").set_function(self._lag)
        self.database_up = gauge("database_up", "1 while the database can be reached.")
        self.events = self.counter("events", "Events read since the process started.")
        self.outages = self.counter("database_outages", "How often the database went away.")
        self.commit_seconds = Histogram(
            f"{prefix}commit_seconds", "Time that a commit took.", buckets=COMMIT_BOUNDS_S, registry=self.registry
        )
        self.batch_events = Histogram(
            f"{prefix}batch_events", "Events posted by one commit.", buckets=BATCH_BOUNDS, registry=self.registry
        )

    def counter(self, key: str, text: str) -> Counter:
        return Counter(f"fixserver_{self.name}_{key}", text, registry=self.registry)

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

    def committed(self, posted: Any) -> None:
        self.loaded(posted.cursor.event_seq, posted.cursor.command_seq)
        self.events.inc(posted.events)
        self.commit_seconds.observe(posted.seconds)
        self.batch_events.observe(posted.events)

    def database_gone(self, why: str) -> None:
        self.database_up.set(0)
        self.outages.inc()
        self.log.warning("the database cannot be reached, trying again until it can; trading goes on meanwhile. It says: %s", why)

    def database_back(self, event_seq: int, command_seq: int) -> None:
        self.database_up.set(1)
        self.loaded(event_seq, command_seq)
        self.log.info("the database is there; the %s stands at event %d", self.name, event_seq)

    def log_behind(self, event_seq: int, head: int) -> None:
        self.log.warning(
            "the event log ends with event %d, before %d, which is posted: waiting for the exchange to recover", head, event_seq
        )


def follow(
    config: Config,
    data: Path,
    section: str,
    writer: Writer,
    engine: Engine,
    metrics: Metrics,
    lock: contextlib.AbstractContextManager[None],
    poll_seconds: float = POLL_SECONDS,
    beside: contextlib.AbstractContextManager[object] | None = None,
) -> int:
    """Have `writer` follow the event log of the venue in `data` until SIGTERM or SIGINT; `section` is that of the configuration,
    `beside` what else runs as long as this process may write."""
    # Blocked, and waited for wherever the follower pauses: a signal never interrupts a commit.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        with lock, beside or contextlib.nullcontext(), _served(config, data, section, metrics):
            Follower(writer, data / "events", _pause, metrics, poll_seconds).run()
        metrics.log.info("stopped at event %d", metrics.posted_seq)
        return 0
    except (Refused, Busy, LogDamaged, LogMissing) as error:
        metrics.log.error("%s", error)
        return EXIT_REFUSED
    finally:
        engine.dispose()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _pause(seconds: float) -> bool:
    return signal.sigtimedwait(_SIGNALS, seconds) is not None


@contextlib.contextmanager
def _served(config: Config, data: Path, section: str, metrics: Metrics) -> Iterator[None]:
    """Serve the metrics, and write where to `SECTION.ports`."""
    address, port = config.venue.metrics_address, getattr(config, section).metrics_port
    try:
        server, thread = start_http_server(port, address, metrics.registry)
    except OSError as error:
        raise config.cannot_listen(f"{section}.metrics_port", address, port, error) from None
    try:
        write_ports(data, section, {"metrics": server.server_port})
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
