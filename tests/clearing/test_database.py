"""The tables and how they come to be; what a database must be to hold a ledger."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, inspect, text

from clearing import schema
from clearing.database import is_current, open_database
from clearing.ledger import Ledger
from following.database import DatabaseRefused, sqlite_url
from tests.clearing.test_postings import OPENING, bust, trade
from tests.clearing.venue import record


def test_the_migrations_make_the_tables_that_the_program_knows(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
        assert is_current(connection)
        inspector = inspect(connection)
        for table in schema.metadata.sorted_tables:
            checks = {
                check["name"]: re.sub(r"[() ]", "", check["sqltext"]) for check in inspector.get_check_constraints(table.name)
            }
            due = {
                constraint.name: re.sub(r"[() ]", "", str(constraint.sqltext))
                for constraint in table.constraints
                if isinstance(constraint, CheckConstraint)
            }
            assert {name: text.replace("::numeric", "") for name, text in checks.items()} == due, table.name


def test_loading_again_migrates_nothing(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        before = connection.execute(text("SELECT version_num FROM alembic_version")).all()
    ledger.load()
    with ledger.engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == before


def test_a_ledger_of_a_later_program_is_refused(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection, connection.begin():
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseRefused, match=r"of a later program \(revision 9999\)"):
        ledger.load()
    with ledger.engine.connect() as connection:
        assert not is_current(connection)


def test_sqlite_survives_a_loss_of_power(tmp_path: Path) -> None:
    engine = open_database(sqlite_url(tmp_path / "ledger.sqlite"))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2, "FULL"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_file_may_be_called_anything(tmp_path: Path) -> None:
    path = tmp_path / "a?b=c%20d:e@f#g" / "ledger.sqlite"
    path.parent.mkdir()
    ledger = Ledger(open_database(sqlite_url(path)))
    ledger.load()
    ledger.close()
    assert path.is_file()


def test_how_amounts_are_stored(ledger: Ledger) -> None:
    """NUMERIC(38,0) in PostgreSQL; in SQLite a number, and text where it would not fit into 64 bits. Never a float."""
    amounts = [0, 1, -1, 2**63 - 1, -(2**63) + 1, 2**63, -(2**63), 10**38 - 1, -(10**38) + 1]
    with ledger.engine.connect() as connection, connection.begin():
        connection.execute(
            schema.accounts.insert(), [{"id": 100 + n, "kind": "x", "name": str(n), "participant": ""} for n in range(9)]
        )
        connection.execute(schema.assets.insert(), {"id": 1, "kind": "x", "name": "x", "decimals": 0})
        rows = [{"account": 100 + n, "asset": 1, "amount": amount, "event_seq": 0} for n, amount in enumerate(amounts)]
        connection.execute(schema.balances.insert(), rows)
        stored: list[Any] = list(connection.execute(text("SELECT amount FROM balances ORDER BY account")).scalars())
        read = list(connection.execute(schema.balances.select().order_by(schema.balances.c.account)))
    assert [row.amount for row in read] == amounts
    if ledger.engine.dialect.name == "sqlite":
        assert stored == [*amounts[:5], *map(str, amounts[5:])]
    else:
        assert stored == [Decimal(amount) for amount in amounts]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mysql://localhost/ledger", "mysql://localhost/ledger: a ledger is kept in sqlite:///FILE or postgresql+psycopg://..."),
        ("postgresql://me:secret@localhost/ledger", "a ledger is kept in"),
        ("nonsense", "Could not parse SQLAlchemy URL"),
    ],
)
def test_what_cannot_hold_a_ledger(url: str, why: str) -> None:
    with pytest.raises(DatabaseRefused, match=re.escape(why)) as refused:
        open_database(url)
    assert "secret" not in str(refused.value)


def test_a_ledger_of_before_is_brought_up_to_date_with_all_that_is_in_it(url: str) -> None:
    """Made by the first revision, with a trade in it; the present program goes on with it, and takes the trade back."""
    engine = open_database(url)
    ledger = Ledger(engine)
    ledger.load()
    ledger.post([record([*OPENING, trade(7)])])
    ledger.close()
    with engine.connect() as connection, connection.begin():
        for table in ("outcomes", "obligations", "allocations", "margin_calls", "marks", "days", "terms", "remarks"):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("DELETE FROM accounts WHERE id < 0"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        assert not is_current(connection)
    assert ledger.load().event_seq == 7
    ledger.post([record([bust(8, 7)])])
    with engine.connect() as connection:
        assert is_current(connection)
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
        assert connection.execute(text("SELECT event_seq, reverses FROM remarks")).all() == [(8, 7)]
        assert [tuple(row) for row in connection.execute(text("SELECT id, kind FROM accounts WHERE id < 0 ORDER BY id"))] == [
            (-5, "participant-due"),
            (-4, "participant-due"),
            (-2, "fees-due"),
            (-1, "clearing-due"),
        ]
    ledger.close()
