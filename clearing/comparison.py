"""Compares two ledgers row by row; it changes neither, and does not know which of them is right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Table, func, select

from clearing import schema

ROWS_AT_A_TIME = 10_000


class RowDifference(NamedTuple):
    """A row that is not the same in both, by column; None where one of them has none."""

    table: str
    key: dict[str, Any]
    live: dict[str, Any] | None
    anew: dict[str, Any] | None

    def __str__(self) -> str:
        where = f"{self.table} {', '.join(f'{name} {value}' for name, value in self.key.items())}"
        if self.live is None:
            return f"{where}: missing in the ledger, and due: {_said(self.anew)}"
        if self.anew is None:
            return f"{where}: in the ledger, and not due: {_said(self.live)}"
        changed = [name for name in self.live if self.live[name] != self.anew[name]]
        return f"{where}: " + ", ".join(f"{name} is {self.live[name]}, and {self.anew[name]} is due" for name in changed)


def _said(row: dict[str, Any] | None) -> str:
    return ", ".join(f"{name} {value}" for name, value in (row or {}).items() if value is not None)


def compare(live: Connection, anew: Connection) -> Iterator[RowDifference]:
    """Every row of every table, in the order of its key, that `live` and `anew` do not both have alike."""
    for table in schema.metadata.sorted_tables:
        yield from _compare_table(table, live, anew)


def rows(connection: Connection) -> int:
    """How many rows a ledger has."""
    return sum(
        int(connection.execute(select(func.count()).select_from(table)).scalar_one()) for table in schema.metadata.sorted_tables
    )


def _compare_table(table: Table, live: Connection, anew: Connection) -> Iterator[RowDifference]:
    keys = [column.name for column in table.primary_key.columns]
    wanted = select(table).order_by(*table.primary_key.columns)
    left, right = (iter(one.execute(wanted, execution_options={"yield_per": ROWS_AT_A_TIME})) for one in (live, anew))

    def key_of(row: Row[Any]) -> tuple[Any, ...]:
        return tuple(getattr(row, name) for name in keys)

    ours, theirs = next(left, None), next(right, None)
    while ours is not None or theirs is not None:
        if theirs is None or (ours is not None and key_of(ours) < key_of(theirs)):
            assert ours is not None
            yield RowDifference(table.name, dict(zip(keys, key_of(ours), strict=True)), dict(ours._mapping), None)
            ours = next(left, None)
        elif ours is None or key_of(theirs) < key_of(ours):
            yield RowDifference(table.name, dict(zip(keys, key_of(theirs), strict=True)), None, dict(theirs._mapping))
            theirs = next(right, None)
        else:
            if tuple(ours) != tuple(theirs):
                key = dict(zip(keys, key_of(ours), strict=True))
                yield RowDifference(table.name, key, dict(ours._mapping), dict(theirs._mapping))
            ours, theirs = next(left, None), next(right, None)
