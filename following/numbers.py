"""Whole numbers beyond 64 bits as a column type; it never rounds.

PostgreSQL keeps them as NUMERIC(38,0). SQLite has nothing exact beyond 64 bits, so there the column has no
type affinity: what fits into 64 bits is an INTEGER, what does not is its digits as TEXT. Nearly every one fits.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect, Numeric
from sqlalchemy.types import BLOB, TypeDecorator, TypeEngine

from matching.messages import INT64_MAX

DIGITS_MAX = 38


def for_sqlite(number: int) -> int | str:
    """The number as SQLite stores it."""
    return number if -INT64_MAX <= number <= INT64_MAX else str(number)


class Whole(TypeDecorator[int]):
    """An int of at most DIGITS_MAX digits, in Python and, exactly, in the database."""

    impl = Numeric(DIGITS_MAX, 0)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(BLOB() if dialect.name == "sqlite" else Numeric(DIGITS_MAX, 0))

    def bind_processor(self, dialect: Dialect) -> Any:
        if dialect.name == "sqlite":
            return lambda number: number if number is None else for_sqlite(number)
        return None

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        return lambda number: number if number is None else int(number)
