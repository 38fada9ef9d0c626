"""Processes that die, databases that go away, logs that are not what they were: the history ends up the same, or says why not."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from following import follower
from following.database import sqlite_url
from following.eventlog import EventLog
from following.follower import AnotherLog, CursorMoved, Follower, Watch
from marketdata.history.database import open_database
from marketdata.history.writer import History, Posted
from matching.engine import Engine
from matching.recordlog import LogWriter
from tests.every_kind import steps
from tests.history.tables import rows
from tests.postgres import Postgres

WAIT_SECONDS_MAX = 30
Rows = dict[str, list[tuple[Any, ...]]]


def write_log(directory: Path, seed: int, count: int) -> None:
    """An event log of random trading of every kind."""
    writer = LogWriter(directory)
    for step in steps(Engine(), seed, count, 12):
        writer.append(step.batch.events[0].seq, len(step.batch.events), msgspec.msgpack.encode(step.batch))
    writer.close()


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("venue") / "events"
    write_log(directory, 11, 2_500)
    return directory


@pytest.fixture(scope="module")
def right(events: Path, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """The history of `events`, written in one go."""
    history = History(open_database(sqlite_url(tmp_path_factory.mktemp("right") / "market_data.sqlite")))
    history.load()
    log = EventLog(events, 1)
    history.post(log.read(10**9))
    log.close()
    history.close()
    return rows(history.engine)


@pytest.fixture
def small_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "EVENTS_PER_COMMIT_MAX", 100)
    monkeypatch.setattr(follower, "RECONNECT_SECONDS", 0.01)


def follow_to_the_end(history: History, events: Path, watch: Watch | None = None) -> None:
    made = Follower(history, events, lambda seconds: history.cursor.event_seq >= made.head.read(), watch)
    made.run()


KILLED = """
import os, signal, sys
from pathlib import Path
from following import follower
from marketdata.history.database import open_database
from marketdata.history.writer import History

url, events, commits, moment = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
follower.EVENTS_PER_COMMIT_MAX = 100

class Dying(History):
    left = commits
    def _commit(self, transaction):
        self.left -= 1
        if not self.left and moment == "before the commit":
            os.kill(os.getpid(), signal.SIGKILL)
        super()._commit(transaction)
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

follower.Follower(Dying(open_database(url)), events, lambda seconds: False).run()
"""


@pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
def test_killed_in_the_middle_of_its_batches_it_writes_nothing_twice(
    url: str, events: Path, right: Rows, moment: str
) -> None:
    command = [sys.executable, "-c", KILLED, url, str(events), "4", moment]
    ran = subprocess.run(command, cwd=Path(__file__).parents[2], timeout=WAIT_SECONDS_MAX, check=False)
    assert ran.returncode == -signal.SIGKILL
    history = History(open_database(url))
    assert 0 < history.load().event_seq < right["cursor"][0][1]
    follow_to_the_end(history, events)
    assert rows(history.engine) == right


class Seen(Watch):
    def __init__(self) -> None:
        self.said: list[str] = []
        self.commits = 0

    def committed(self, posted: Posted) -> None:
        self.commits += 1

    def database_gone(self, why: str) -> None:
        self.said.append("gone")

    def database_back(self, event_seq: int, command_seq: int) -> None:
        self.said.append("back")


@pytest.mark.parametrize("crash", [False, True], ids=["stopped", "crashed"])
def test_a_database_that_goes_and_comes_back(
    postgres: Postgres, events: Path, right: Rows, small_commits: None, crash: bool
) -> None:
    history = History(open_database(postgres.create("history_gone")))
    tries = 0

    class StopAfter(Seen):
        def committed(self, posted: Posted) -> None:
            super().committed(posted)
            if self.commits == 5:
                postgres.stop(crash=crash)

    def pause(seconds: float) -> bool:
        nonlocal tries
        if seconds == follower.RECONNECT_SECONDS:
            tries += 1
            if tries == 3:
                postgres.start()
        return history.cursor.event_seq >= made.head.read()

    seen = StopAfter()
    made = Follower(history, events, pause, seen)
    try:
        made.run()
        assert seen.said == ["back", "gone", "back"]
        assert rows(history.engine) == right
    finally:
        if postgres.process is None:
            postgres.start()
        postgres.drop("history_gone")


def test_another_log_is_refused_with_what_to_do(history: History, events: Path, tmp_path: Path) -> None:
    log = EventLog(events, 1)
    history.post(log.read(100))
    log.close()
    write_log(tmp_path / "other", 12, 400)
    before = rows(history.engine)
    with pytest.raises(AnotherLog) as refused:
        Follower(history, tmp_path / "other", lambda seconds: True).run()
    assert str(refused.value).endswith(
        "is not what the history posted under this number: the history belongs to another venue, or the venue lost events and"
        " went on. Name another database, or delete this one (SQLite: the file): the history is then written anew from this log"
    )
    assert rows(history.engine) == before


def test_two_writers_are_one_too_many(history: History, url: str, events: Path) -> None:
    other = History(open_database(url))
    other.load()
    log = EventLog(events, 1)
    records = log.read(100)
    log.close()
    history.post(records)
    before = rows(history.engine)
    with pytest.raises(CursorMoved, match="the history no longer stands at event 0: another process posts to it"):
        other.post(records)
    assert rows(history.engine) == before


def test_what_somebody_else_wrote_of_a_name_does_not_stay(history: History, events: Path) -> None:
    with history.engine.connect() as connection, connection.begin():
        connection.execute(text("INSERT INTO accounts VALUES ('ann', 'somebody else')"))
    follow_to_the_end(history, events)
    with history.engine.connect() as connection:
        assert connection.execute(text("SELECT participant FROM accounts WHERE account = 'ann'")).scalar() == "ann"
