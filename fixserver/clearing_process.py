"""`fixserver clearing`: the process that keeps the ledger; wires event log, ledger, metrics and signals, and does nothing else.

Exit codes: those of fixserver.database_process.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

from sqlalchemy import URL

from clearing.database import NAME, open_database
from clearing.ledger import Ledger, Posted
from fixserver import database_process
from fixserver.config import Config, ConfigError
from fixserver.reconciliation_beside import ReconciliationBeside
from following.database import DatabaseRefused, sqlite_url

log = logging.getLogger("fixserver.clearing")


def database_url(config: Config, data: Path) -> str | URL:
    return database_process.with_password(config, config.clearing) or sqlite_url(data / "ledger.sqlite")


def only_writer(data: Path) -> contextlib.AbstractContextManager[None]:
    """Hold the right to write this venue's ledger. Raises Busy."""
    whose = "another process writes this ledger, `fixserver clearing` or `ledger rebuild --replace`: stop it"
    return database_process.only_writer(data / "ledger.lock", whose)


class Metrics(database_process.Metrics):
    """Of the ledger."""

    def __init__(self, events: Path) -> None:
        super().__init__(NAME, events, log)
        self.trades = self.counter("trades", "Trades posted since the process started.")
        self.postings = self.counter("postings", "Postings written since the process started.")

    def committed(self, posted: Posted) -> None:
        super().committed(posted)
        self.trades.inc(posted.trades)
        self.postings.inc(posted.postings)


def main(config: Config, data: Path) -> int:
    """Keep the ledger of the venue in `data` until SIGTERM or SIGINT."""
    try:
        engine = open_database(database_url(config, data))
    except DatabaseRefused as error:
        raise ConfigError(config.file, "clearing.database", str(error)) from None
    metrics = Metrics(data / "events")
    beside = ReconciliationBeside(config, data, metrics.registry, log)
    return database_process.follow(
        config, data, "clearing", Ledger(engine), engine, metrics, only_writer(data), beside=beside
    )
