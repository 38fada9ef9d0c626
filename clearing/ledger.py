"""The ledger: writes what events do into the database, each event once, whatever happens in between.

Postings, balances and the cursor are one database transaction. After any failure nothing that is in memory
counts: `load` reads from the database where the ledger stands, and the events after that are posted (again).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine, Select, Table, delete, insert, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from clearing import schema
from clearing.database import NAME, migrate
from clearing.money import for_sqlite
from clearing.postings import (
    CORRECTION,
    OWN_ACCOUNTS,
    AccountRow,
    AssetRow,
    Books,
    Changes,
    DayRow,
    Kept,
    MarkRow,
    ObligationRow,
    TermsRow,
)
from following import follower
from following.database import DatabaseGone, trouble_named
from following.eventlog import Record
from following.follower import Cursor, begin_cursor, confirm_cursor, cursor_behind, due_records, move_cursor
from matching.messages import INT64_MAX

_ACCOUNT_COLUMNS, _ASSET_COLUMNS = AccountRow._fields, AssetRow._fields
_AMOUNT = 5  # of a PostingRow

Row = TypeVar("Row", bound=tuple[Any, ...])


class Posted(NamedTuple):
    """What one call of post() did. `seconds` is how long the commit took."""

    cursor: Cursor
    events: int
    trades: int
    postings: int
    seconds: float


class Ledger:
    """The one writer of a ledger. Not for two threads."""

    name = NAME
    anew = "`fixserver ledger rebuild --replace` posts this log anew"

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.cursor = Cursor()
        self.books = Books()
        self._connection: Connection | None = None
        self._insert: Callable[[Connection, Table, list[Any]], None] = (
            _insert_by_copy if engine.dialect.name == "postgresql" else _insert_many
        )
        replaced = {schema.days, schema.marks, schema.obligations, schema.balances}
        self._put = {
            table: _upsert(engine, table) if table in replaced else insert(table) for table in schema.metadata.sorted_tables
        }

    def load(self) -> Cursor:
        """Connect, bring the tables up to date, and read where the ledger stands. Raises DatabaseGone, Refused."""
        self.close()
        with trouble_named(self.engine):
            connection = self._connection = self.engine.connect()
            with connection.begin():
                migrate(connection)
                if follower.read_cursor(connection, schema.cursor) is None:
                    begin_cursor(connection, schema.cursor)
                    connection.execute(insert(schema.accounts), [row._asdict() for row in OWN_ACCOUNTS])
                self.cursor = read_cursor(connection)
                books = Books()
                books.load(read_kept(connection))
                self.books = books
        return self.cursor

    def post(self, records: list[Record]) -> Posted:
        """Post the events of `records` in one database transaction. What is posted already is ignored.

        Raises EventsMissing where they do not go on where the ledger ends, LedgerRefused, DatabaseGone,
        DatabaseConflict. After any of them: load() first.
        """
        if self._connection is None:
            raise DatabaseGone("not connected")
        try:
            return self._post(self._connection, records)
        except BaseException:
            self.close()
            raise

    def _post(self, connection: Connection, records: list[Record]) -> Posted:
        before, books = self.cursor, self.books
        cursor = before
        for record in due_records(records, before, self.name):
            books.apply(record.first, record.batch)
            cursor = cursor_behind(record)
        if cursor == before:
            return Posted(before, 0, 0, 0, 0.0)
        changes = books.take_changes()
        with trouble_named(self.engine):
            transaction = connection.begin()
            with transaction:
                move_cursor(connection, schema.cursor, before, cursor, self.name)
                self._write(connection, changes)
                started = time.perf_counter()
                self._commit(transaction)
                seconds = time.perf_counter() - started
        self.cursor = cursor
        return Posted(cursor, cursor.event_seq - before.event_seq, changes.trades, len(changes.postings), seconds)

    def _commit(self, transaction: Any) -> None:
        transaction.commit()

    def _write(self, connection: Connection, changes: Changes) -> None:
        if changes.accounts:
            connection.execute(insert(schema.accounts), [row._asdict() for row in changes.accounts])
        if changes.assets:
            connection.execute(insert(schema.assets), [row._asdict() for row in changes.assets])
        if changes.transactions:
            self._insert(connection, schema.transactions, changes.transactions)
            self._insert(connection, schema.postings, changes.postings)
        amounts = self.books.balances
        balances = [
            {"account": key[0], "asset": key[1], "amount": amounts[key], "event_seq": seq}
            for key, seq in sorted(changes.balances.items())
        ]
        for table, rows in (
            (schema.remarks, _mappings(changes.remarks)),
            (schema.allocations, _mappings(changes.allocations)),
            (schema.terms, _mappings(changes.terms)),
            (schema.days, _mappings(changes.days.values())),
            (schema.marks, _mappings(changes.marks.values())),
            (schema.obligations, _mappings(changes.obligations.values())),
            (schema.outcomes, _mappings(changes.outcomes)),
            (schema.margin_calls, _mappings(changes.calls)),
            (schema.balances, balances),
        ):
            if rows:
                connection.execute(self._put[table], rows)

    def empty(self) -> None:
        """Forget everything that was posted; the cursor is at 0 again."""
        self.load()
        with trouble_named(self.engine):
            assert self._connection is not None
            with self._connection.begin():
                for table in reversed(schema.metadata.sorted_tables):
                    self._connection.execute(delete(table))
        self.load()

    def confirm(self) -> None:
        """See that the database is there, and stands where this one left it. Raises as post() does; then load() first."""
        if self._connection is None:
            raise DatabaseGone("not connected")
        try:
            with trouble_named(self.engine):
                confirm_cursor(self._connection, schema.cursor, self.cursor, self.name)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the connection; what was not committed is undone."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def read_cursor(connection: Connection) -> Cursor:
    cursor = follower.read_cursor(connection, schema.cursor)
    assert cursor is not None, "a ledger has its cursor from the beginning"
    return cursor


def read_accounts(connection: Connection) -> list[AccountRow]:
    """By number, without the twins, which follow from them."""
    table = schema.accounts
    columns = [table.c[name] for name in _ACCOUNT_COLUMNS]
    return [AccountRow(*row) for row in connection.execute(select(*columns).where(table.c.id > 0).order_by(table.c.id))]


def read_assets(connection: Connection) -> list[AssetRow]:
    columns = [schema.assets.c[name] for name in _ASSET_COLUMNS]
    return [AssetRow(*row) for row in connection.execute(select(*columns).order_by(schema.assets.c.id))]


def read_corrections(connection: Connection) -> list[tuple[int, int]]:
    """(event, the transaction that it takes back) of each correction, oldest first."""
    seq, reverses = schema.remarks.c.event_seq, schema.remarks.c.reverses
    corrections = select(seq, reverses).join(schema.transactions, schema.transactions.c.event_seq == seq)
    rows = connection.execute(corrections.where(schema.transactions.c.kind == CORRECTION).order_by(seq))
    return [(row[0], row[1]) for row in rows]


def read_kept(connection: Connection) -> Kept:
    """What the next events build upon."""
    balances = connection.execute(select(schema.balances).order_by(*schema.balances.primary_key))
    terms, obligations, days = schema.terms, schema.obligations, schema.days
    still_open = or_(obligations.c.quantity_left != for_sqlite(0), obligations.c.money_left != for_sqlite(0))
    last_day = read_rows(connection, DayRow, select(days).order_by(days.c.event_seq.desc()).limit(1))
    return Kept(
        accounts=read_accounts(connection),
        assets=read_assets(connection),
        balances={(row.account, row.asset): row.amount for row in balances},
        corrections=read_corrections(connection),
        terms=read_rows(connection, TermsRow, select(terms).order_by(terms.c.event_seq)),
        marks=read_rows(connection, MarkRow, select(schema.marks)),
        obligations=read_rows(connection, ObligationRow, select(obligations).where(still_open).order_by(obligations.c.event_seq)),
        last_day=last_day[0] if last_day else None,
    )


def read_rows(connection: Connection, kind: type[Row], query: Select[Any]) -> list[Row]:
    """What a query over all columns of a table finds, as rows of `kind`, which has the same columns in the same order."""
    return [kind(*row) for row in connection.execute(query)]


def _mappings(rows: Iterable[Any]) -> list[dict[str, Any]]:
    return [row._asdict() for row in rows]


def _upsert(engine: Engine, table: Table) -> Any:
    """Insert rows, and put them in the place of those that have the same key."""
    dialect: Any = sqlite if engine.dialect.name == "sqlite" else postgresql
    new = dialect.insert(table)
    others = {column.name: new.excluded[column.name] for column in table.columns if not column.primary_key}
    return new.on_conflict_do_update(index_elements=list(table.primary_key), set_=others)


def _insert_many(connection: Connection, table: Table, rows: list[Any]) -> None:
    """Plain tuples to the driver: to bind each value by its column's type would take longer than to store it."""
    if table is schema.postings:
        rows = [row if row[_AMOUNT] <= INT64_MAX else (*row[:_AMOUNT], for_sqlite(row[_AMOUNT])) for row in rows]
    connection.exec_driver_sql(str(insert(table).compile(dialect=connection.dialect)), rows)


def _insert_by_copy(connection: Connection, table: Table, rows: list[Any]) -> None:
    """One COPY in text format. The rows hold numbers, None and our own words, nothing that needs escaping."""
    line = "\t".join(["%s"] * len(table.columns)) + "\n"
    text = "".join([line % row for row in rows])
    if table is schema.transactions:
        text = text.replace("None", "\\N")
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({', '.join(table.columns.keys())}) FROM STDIN") as copy:
        copy.write(text)
