"""Opens the ledger's database by URL and brings its tables up to date; it knows no table by name.

LedgerRefused           (clearing.postings) a person has to look
    DatabaseRefused     the URL is no ledger's, or the database does not take what is written to it
DatabaseUnavailable
    DatabaseGone        cannot be reached, or went away: worth trying again, forever
    DatabaseConflict    another transaction was in the way: worth trying again, a few times
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from clearing.postings import LedgerRefused

if TYPE_CHECKING:
    from alembic.config import Config

# Alembic, which is imported only where it is needed, tells of its own plugins otherwise.
logging.getLogger("alembic").setLevel(logging.WARNING)

CONNECT_SECONDS_MAX = 5
SILENCE_SECONDS_MAX = 15  # a PostgreSQL server that does not even acknowledge bytes for this long is gone
SQLITE_LOCK_SECONDS_MAX = 10
_CONFLICTS = {"40001", "40P01", "55P03"}  # serialization failure, deadlock, lock not available
# SQLSTATE: connection; shutdown, crash, canceled; out of resources; became a standby
_SERVER_GONE = ("08", "57", "53", "25006")


class DatabaseRefused(LedgerRefused):
    """The URL is no ledger's, or the database does not take what is written to it."""


class DatabaseUnavailable(Exception):
    """The database did not do what was asked, and may if asked again. What was asked may have happened all the same."""


class DatabaseGone(DatabaseUnavailable):
    pass


class DatabaseConflict(DatabaseUnavailable):
    pass


def sqlite_url(path: Path) -> URL:
    """For any path, whatever characters are in it."""
    return URL.create("sqlite", database=str(path.absolute()))


def open_database(url: str | URL, *, read_only: bool = False) -> Engine:
    """An engine for `url`: connections are not pooled, and nothing is connected yet.

    In a read-only one, a transaction sees one state of the ledger from its first query to its end.
    """
    try:
        parsed = make_url(url)
        name = parsed.get_backend_name()
        if name == "sqlite":
            return _open_sqlite(url, read_only)
        if parsed.drivername != "postgresql+psycopg":
            raise DatabaseRefused(f"{parsed.render_as_string()}: a ledger is kept in sqlite:///FILE or postgresql+psycopg://...")
        connect_args: dict[str, Any] = {
            "connect_timeout": CONNECT_SECONDS_MAX,
            "tcp_user_timeout": SILENCE_SECONDS_MAX * 1000,
            "keepalives_idle": SILENCE_SECONDS_MAX,
            "application_name": "fixserver ledger",
        }
        isolation = "REPEATABLE READ" if read_only else "READ COMMITTED"
        return create_engine(url, poolclass=NullPool, connect_args=connect_args, isolation_level=isolation)
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:
        raise DatabaseRefused(f"the ledger's database: {error}") from None


def _open_sqlite(url: str | URL, read_only: bool) -> Engine:
    # The driver's own idea of when a transaction begins is switched off: it begins where we say so.
    engine = create_engine(url, poolclass=NullPool, connect_args={"isolation_level": None, "timeout": SQLITE_LOCK_SECONDS_MAX})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


@contextmanager
def trouble_named(engine: Engine) -> Iterator[None]:
    """Turn what a driver raises inside into DatabaseGone, DatabaseConflict or DatabaseRefused, by what it means."""
    try:
        yield
    except DBAPIError as error:
        raise _named(engine, error.orig, error.connection_invalidated) from error
    except Exception as error:
        if not isinstance(error, engine.dialect.loaded_dbapi.Error):
            raise
        raise _named(engine, error, False) from error


def _named(engine: Engine, error: BaseException | None, invalidated: bool) -> DatabaseUnavailable | DatabaseRefused:
    text = " ".join(str(error).split())
    state: str = getattr(error, "sqlstate", None) or ""
    if state in _CONFLICTS:
        return DatabaseConflict(text)
    if invalidated or state.startswith(_SERVER_GONE):
        return DatabaseGone(text)
    # Without a state: no server answered (psycopg), or the file cannot be had now: locked, disk full (sqlite).
    driver = engine.dialect.loaded_dbapi
    if not state and isinstance(error, (driver.OperationalError, driver.InterfaceError)):
        return DatabaseGone(text)
    return DatabaseRefused(f"the ledger's database: {text}")


def migrate(connection: Connection) -> None:
    """Bring the tables to what this program knows, within the transaction at hand. Raises DatabaseRefused."""
    from alembic import command
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = _alembic(connection)
    script = ScriptDirectory.from_config(config)
    present = MigrationContext.configure(connection).get_current_revision()
    if present == script.get_current_head():
        return
    if present is not None and present not in {revision.revision for revision in script.walk_revisions()}:
        raise DatabaseRefused(f"the ledger's tables are of a later program (revision {present}): use that, or another database")
    command.upgrade(config, "head")


def is_current(connection: Connection) -> bool:
    """Whether there is a ledger with the tables that this program knows."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory.from_config(_alembic(connection))
    return MigrationContext.configure(connection).get_current_revision() == script.get_current_head()


def _alembic(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
