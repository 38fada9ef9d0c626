"""The ledger's database: opened by URL, and its tables brought up to date; what goes wrong has the names of `following`."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, Connection, Engine

from following import database

NAME = "ledger"
MIGRATIONS = Path(__file__).with_name("migrations")


def open_database(url: str | URL, *, read_only: bool = False) -> Engine:
    """An engine for the ledger at `url`, as in following.database."""
    return database.open_database(url, NAME, read_only=read_only)


def migrate(connection: Connection) -> None:
    """Bring the tables to what this program knows, within the transaction at hand. Raises DatabaseRefused."""
    database.migrate(connection, MIGRATIONS, NAME)


def is_current(connection: Connection) -> bool:
    """Whether there is a ledger with the tables that this program knows."""
    return database.is_current(connection, MIGRATIONS)
