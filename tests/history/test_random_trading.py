"""Random trading of every kind: the tables are those of a model that is slow and simple, and a restart changes nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from following.database import sqlite_url
from following.eventlog import Record
from marketdata.history.database import open_database
from marketdata.history.writer import History
from matching.engine import Engine
from matching.messages import DayRolled, TradeBusted, TradeCorrected, Traded
from tests.every_kind import steps
from tests.history.tables import NaiveHistory, record, rows


@pytest.mark.parametrize("seed", [1, 2])
def test_the_tables_are_what_the_events_say_whatever_happens(history: History, seed: int) -> None:
    naive = NaiveHistory()
    waiting: list[Record] = []
    kinds: Counter[type] = Counter()
    posts = 0
    for step in steps(Engine(), seed, 5_000, 12):
        kinds.update(type(event) for event in step.batch.events)
        naive.apply(step.batch)
        waiting.append(record(step.batch.events, step.batch.command_seq, step.time))
        if len(waiting) == 25:
            history.post(waiting)
            waiting, posts = [], posts + 1
            if posts % 4 == 0:
                history.load()  # as after a restart
    if waiting:
        history.post(waiting)
    found = rows(history.engine)
    assert found.pop("cursor")[0][1] == history.cursor.event_seq
    due = naive.rows()
    for table in due:
        assert found[table] == due[table], f"{table}, seed {seed}"
    assert kinds[TradeBusted] > 5 and kinds[TradeCorrected] > 5 and kinds[Traded] > 400 and kinds[DayRolled] > 2, f"seed {seed}"


def test_it_does_not_matter_in_which_portions_the_log_is_written(history: History, tmp_path: Path) -> None:
    records = [record(step.batch.events, step.batch.command_seq, step.time) for step in steps(Engine(), 3, 2_000, 12)]
    history.post(records)
    other = History(open_database(sqlite_url(tmp_path / "other.sqlite")))
    other.load()
    for one in records:
        other.post([one])
    other.close()
    assert rows(other.engine) == rows(history.engine)
