"""Copies whole tables from one database into the empty tables of another, whatever the two are; it knows no table by name."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, MetaData, func, insert, select

ROWS_AT_A_TIME = 10_000


def copy_tables(metadata: MetaData, source: Connection, target: Connection) -> int:
    """Copy every row of every table, within the transactions at hand; returns how many there were."""
    count = 0
    for table in metadata.sorted_tables:
        found = source.execute(select(table), execution_options={"yield_per": ROWS_AT_A_TIME})
        for part in found.mappings().partitions(ROWS_AT_A_TIME):
            rows: list[dict[str, Any]] = [dict(row) for row in part]
            target.execute(insert(table), rows)
            count += len(rows)
    return count


def is_empty(metadata: MetaData, connection: Connection) -> bool:
    """Whether no table has a row."""
    tables = metadata.sorted_tables
    return not any(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)
