"""`fixserver history`: the process that writes orders, trades and candles into their database; it answers no questions about them.

Exit codes: those of fixserver.database_process.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

from sqlalchemy import URL

from fixserver import database_process
from fixserver.config import Config, ConfigError
from following.database import DatabaseRefused, sqlite_url
from marketdata.history.database import NAME, open_database
from marketdata.history.writer import History, Posted

POLL_SECONDS = 0.1  # nobody waits for what has just happened: the stream tells of that
SQLITE_FILE = "market_data.sqlite"

log = logging.getLogger("fixserver.history")


def database_url(config: Config, data: Path) -> str | URL:
    return database_process.with_password(config, config.history) or sqlite_url(data / SQLITE_FILE)


def only_writer(data: Path) -> contextlib.AbstractContextManager[None]:
    """Hold the right to write this venue's history. Raises Busy."""
    return database_process.only_writer(data / "history.lock", "another `fixserver history` writes this history: stop it")


class Metrics(database_process.Metrics):
    """Of the history."""

    def __init__(self, events: Path) -> None:
        super().__init__(NAME, events, log)
        self.orders = self.counter("orders", "Orders written first since the process started.")
        self.trades = self.counter("trades", "Trades written since the process started.")
        self.rows = self.counter("rows", "Rows of orders, trades and candles written since the process started.")

    def committed(self, posted: Posted) -> None:
        super().committed(posted)
        self.orders.inc(posted.orders)
        self.trades.inc(posted.trades)
        self.rows.inc(posted.rows)


def main(config: Config, data: Path) -> int:
    """Write the history of the venue in `data` until SIGTERM or SIGINT."""
    if not config.history.enabled:
        raise ConfigError(config.file, "history.enabled", "is false, so that there is no history to write")
    try:
        engine = open_database(database_url(config, data))
    except DatabaseRefused as error:
        raise ConfigError(config.file, "history.database", str(error)) from None
    metrics = Metrics(data / "events")
    return database_process.follow(config, data, "history", History(engine), engine, metrics, only_writer(data), POLL_SECONDS)
