"""The history's database: opened by URL, and its tables brought up to date; what goes wrong has the names of `following`."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, Connection, Engine

from following import database

NAME = "history"
MIGRATIONS = Path(__file__).with_name("migrations")


def open_database(url: str | URL, *, read_only: bool = False, connections_max: int = 0) -> Engine:
    """An engine for the history at `url`, as in following.database. What a loss of power takes from it is written again from
    the event log, so it waits for no disk."""
    return database.open_database(url, NAME, read_only=read_only, durable=False, connections_max=connections_max)


def migrate(connection: Connection) -> None:
    """Bring the tables to what this program knows, within the transaction at hand. Raises DatabaseRefused."""
    database.migrate(connection, MIGRATIONS, NAME)


def is_current(connection: Connection) -> bool:
    """Whether there is a history with the tables that this program knows."""
    return database.is_current(connection, MIGRATIONS)
