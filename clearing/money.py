"""Whole numbers beyond 64 bits as a column type, and their exact sums; it never rounds.

PostgreSQL keeps them as NUMERIC(38,0). SQLite has nothing exact beyond 64 bits, so there the column has no
type affinity: what fits into 64 bits is an INTEGER, what does not is its digits as TEXT. Nearly every amount
fits, so SQLite can still add them up; `exact_sums` does, without overflow, and adds the few texts itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, Numeric, Select, Table, func, select
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import BLOB, TypeDecorator, TypeEngine

from matching.messages import INT64_MAX

DIGITS_MAX = 38
_HALF = 10**9  # amounts are added up in two halves, whose sums stay within 64 bits for 10^9 rows


def for_sqlite(amount: int) -> int | str:
    """The amount as SQLite stores it."""
    return amount if -INT64_MAX <= amount <= INT64_MAX else str(amount)


class Money(TypeDecorator[int]):
    """An int of at most DIGITS_MAX digits, in Python and, exactly, in the database."""

    impl = Numeric(DIGITS_MAX, 0)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(BLOB() if dialect.name == "sqlite" else Numeric(DIGITS_MAX, 0))

    def bind_processor(self, dialect: Dialect) -> Any:
        if dialect.name == "sqlite":
            return lambda amount: amount if amount is None else for_sqlite(amount)
        return None

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        return lambda amount: amount if amount is None else int(amount)


def exact_sums(
    connection: Connection, table: Table, keys: Sequence[ColumnElement[Any]], where: Sequence[ColumnElement[bool]] = ()
) -> dict[tuple[Any, ...], int]:
    """The sum of table.c.amount for each value of `keys`, over the rows for which all of `where` is true."""
    amount = table.c.amount
    grouped: Select[Any] = select(*keys).select_from(table).where(*where).group_by(*keys)
    if connection.dialect.name != "sqlite":
        return {tuple(row[:-1]): int(row[-1]) for row in connection.execute(grouped.add_columns(func.sum(amount)))}
    high, low = func.sum(amount.op("/")(_literal(_HALF))), func.sum(amount.op("%")(_literal(_HALF)))
    sums: dict[tuple[Any, ...], int] = {}
    for *key, upper, lower in connection.execute(grouped.add_columns(high, low).where(func.typeof(amount) == "integer")):
        sums[tuple(key)] = int(upper) * _HALF + int(lower)
    for *key, large in connection.execute(select(*keys, amount).where(func.typeof(amount) == "text", *where)):
        sums[tuple(key)] = sums.get(tuple(key), 0) + large
    return sums


def _literal(number: int) -> ColumnElement[Any]:
    from sqlalchemy import Integer, literal

    return literal(number, Integer())
