"""Opens databases by URL, says what their trouble means, and brings tables up to date; it knows no table by name.

Refused                 a person has to look
    DatabaseRefused     the URL is none that will do, or the database does not take what is written to it
DatabaseUnavailable
    DatabaseGone        cannot be reached, or went away: worth trying again, forever
    DatabaseConflict    another transaction was in the way: worth trying again, a few times
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import URL, Connection, Engine, NullPool, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

if TYPE_CHECKING:
    from alembic.config import Config

# Alembic, which is imported only where it is needed, tells of its own plugins otherwise.
logging.getLogger("alembic").setLevel(logging.WARNING)

CONNECT_SECONDS_MAX = 5
SILENCE_SECONDS_MAX = 15  # a PostgreSQL server that does not even acknowledge bytes for this long is gone
SQLITE_LOCK_SECONDS_MAX = 10
SQLITE_CHECKPOINT_PAGES = 8_000
SQLITE_CACHE_KIB = 32_768
Standing = Literal["absent", "older", "current", "later"]
_CONFLICTS = {"40001", "40P01", "55P03"}  # serialization failure, deadlock, lock not available
# SQLSTATE: connection; shutdown, crash, canceled; out of resources; became a standby
_SERVER_GONE = ("08", "57", "53", "25006")


class Refused(Exception):
    """What was given cannot be written, and will not be by trying again: a person has to look."""


class DatabaseRefused(Refused):
    """The URL is none that will do, or the database does not take what is written to it."""


class DatabaseUnavailable(Exception):
    """The database did not do what was asked, and may if asked again. What was asked may have happened all the same."""


class DatabaseGone(DatabaseUnavailable):
    pass


class DatabaseConflict(DatabaseUnavailable):
    pass


def sqlite_url(path: Path) -> URL:
    """For any path, whatever characters are in it."""
    return URL.create("sqlite", database=str(path.absolute()))


def open_database(
    url: str | URL, name: str, *, read_only: bool = False, durable: bool = True, connections_max: int = 0
) -> Engine:
    """An engine for `url`; nothing is connected yet. `name` is what is kept there, for people: "ledger". So many connections are
    kept for those who ask next, and no more are made; with 0 none is kept, and there is no limit.

    In a read-only one, a transaction sees one state of it from its first query to its end. Where it is not `durable`, a loss of
    power may undo the last transactions, whole, but in their order.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _open_sqlite(url, name, read_only, durable, _pool(connections_max))
        if parsed.drivername != "postgresql+psycopg":
            raise DatabaseRefused(f"{parsed.render_as_string()}: a {name} is kept in sqlite:///FILE or postgresql+psycopg://...")
        connect_args: dict[str, Any] = {
            "connect_timeout": CONNECT_SECONDS_MAX,
            "tcp_user_timeout": SILENCE_SECONDS_MAX * 1000,
            "keepalives_idle": SILENCE_SECONDS_MAX,
            "application_name": f"fixserver {name}",
            "client_encoding": "utf8",  # also where the server keeps bytes as they come, and text would be none
        }
        if not durable:
            connect_args["options"] = "-c synchronous_commit=off"
        isolation = "REPEATABLE READ" if read_only else "READ COMMITTED"
        return create_engine(
            url,
            connect_args=connect_args,
            isolation_level=isolation,
            execution_options={"kept": name},
            **_pool(connections_max),
        )
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:
        raise DatabaseRefused(f"the {name}'s database: {error}") from None


def _pool(connections_max: int) -> dict[str, Any]:
    if not connections_max:
        return {"poolclass": NullPool}
    return {
        "poolclass": QueuePool,
        "pool_size": connections_max,
        "max_overflow": 0,
        "pool_pre_ping": True,
        "pool_timeout": CONNECT_SECONDS_MAX,
    }


def _open_sqlite(url: str | URL, name: str, read_only: bool, durable: bool, pool: dict[str, Any]) -> Engine:
    # The driver's own idea of when a transaction begins is switched off: it begins where we say so.
    connect_args: dict[str, Any] = {"isolation_level": None, "timeout": SQLITE_LOCK_SECONDS_MAX}
    engine = create_engine(url, connect_args=connect_args, execution_options={"kept": name}, **pool)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute("PRAGMA foreign_keys = ON")
        if not (durable or read_only):
            # Who writes much, and waits for no disk, is not to wait for it when a few pages have changed either.
            connection.execute(f"PRAGMA wal_autocheckpoint = {SQLITE_CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA cache_size = -{SQLITE_CACHE_KIB}")

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
    except NoConnectionFree as error:
        raise DatabaseGone("all connections to the database were busy for too long") from error
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
    return DatabaseRefused(f"the {engine.get_execution_options()['kept']}'s database: {text}")


def migrate(connection: Connection, migrations: Path, name: str) -> None:
    """Bring the tables to what the `migrations` of this program make of them, within the transaction at hand. Raises
    DatabaseRefused."""
    from alembic import command
    from alembic.runtime.migration import MigrationContext

    found = standing(connection, migrations)
    if found == "current":
        return
    if found == "later":
        present = MigrationContext.configure(connection).get_current_revision()
        raise DatabaseRefused(f"the {name}'s tables are of a later program (revision {present}): use that, or another database")
    command.upgrade(_alembic(connection, migrations), "head")


def is_current(connection: Connection, migrations: Path) -> bool:
    """Whether the tables are there, and what this program knows."""
    return standing(connection, migrations) == "current"


def standing(connection: Connection, migrations: Path) -> Standing:
    """How the tables are, beside what this program knows: it would make them, or bring them up to date, at the next start."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory.from_config(_alembic(connection, migrations))
    present = MigrationContext.configure(connection).get_current_revision()
    if present is None:
        return "absent"
    if present == script.get_current_head():
        return "current"
    return "older" if present in {revision.revision for revision in script.walk_revisions()} else "later"


def _alembic(connection: Connection, migrations: Path) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
