"""Amounts of money as a column type, and their exact sums; it never rounds.

In SQLite the few that do not fit into 64 bits are texts (following.numbers): it adds up the others without
overflow, and `exact_sums` adds the texts itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, Table, func, select
from sqlalchemy.sql.elements import ColumnElement

from following.numbers import Whole as Money
from following.numbers import for_sqlite

__all__ = ["Money", "exact_sums", "for_sqlite"]

_HALF = 10**9  # amounts are added up in two halves, whose sums stay within 64 bits for 10^9 rows


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
