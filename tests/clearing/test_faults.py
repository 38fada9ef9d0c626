"""Databases that go away, processes that die, logs that are not what they were: the ledger ends up the same, or says why not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from clearing.database import open_database
from clearing.ledger import Ledger, Posted
from following import database as database_module
from following import follower
from following.database import DatabaseRefused, Refused, sqlite_url
from following.follower import AnotherLog, CursorMoved, Follower, Watch
from matching.messages import BalanceChanged
from matching.recordlog import LogWriter, truncate
from tests.clearing.test_postings import OPENING, trade
from tests.clearing.venue import all_records, record, rows, trade_randomly, write_log
from tests.postgres import Postgres

WAIT_SECONDS_MAX = 30


class Seen(Watch):
    """Remembers what a Follower said, in order."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.commits: list[Posted] = []

    def committed(self, posted: Posted) -> None:
        self.commits.append(posted)

    def database_gone(self, why: str) -> None:
        self.said.append("gone")

    def database_back(self, event_seq: int, command_seq: int) -> None:
        self.said.append(("back at", event_seq))

    def log_behind(self, event_seq: int, head: int) -> None:
        self.said.append(("log behind", event_seq, head))


@pytest.fixture
def small_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many transactions where there would be one, and no long waits."""
    monkeypatch.setattr(follower, "EVENTS_PER_COMMIT_MAX", 50)
    monkeypatch.setattr(follower, "RECONNECT_SECONDS", 0.01)
    monkeypatch.setattr(follower, "CONFLICT_SECONDS", 0.0)


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a venue with some thousand events behind it."""
    data = tmp_path_factory.mktemp("venue")
    trade_randomly(data, 7, 2_000)
    return data


@pytest.fixture(scope="module")
def right(venue: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[Any, ...]]]:
    """The ledger of `venue`, posted without any disturbance."""
    ledger = Ledger(open_database(sqlite_url(tmp_path_factory.mktemp("right") / "ledger.sqlite")))
    ledger.load()
    ledger.post(all_records(venue / "events"))
    ledger.close()
    return rows(ledger.engine)


def follow_to_the_end(ledger: Ledger, events: Path, watch: Watch | None = None) -> Follower:
    """Follow the log until all that it holds is posted."""
    made = Follower(ledger, events, pause=lambda seconds: ledger.cursor.event_seq >= made.head.read(), watch=watch)
    made.run()
    return made


def test_following_posts_the_whole_log_in_bounded_transactions(
    ledger: Ledger, venue: Path, right: Any, small_commits: None
) -> None:
    seen = Seen()
    follow_to_the_end(ledger, venue / "events", seen)
    assert rows(ledger.engine) == right
    assert seen.said == [("back at", 0)]
    assert len(seen.commits) > 20
    largest = max(len(one.batch.events) for one in all_records(venue / "events"))
    assert max(posted.events for posted in seen.commits) < 50 + largest


def test_a_log_is_followed_from_before_its_first_event(ledger: Ledger, tmp_path: Path, small_commits: None) -> None:
    """The clearing process may start before the exchange has ever run, and sees records while they are written."""
    events = tmp_path / "events"
    posted = threading.Condition()
    seen: list[int] = []

    class Tell(Watch):
        def committed(self, done: Posted) -> None:
            with posted:
                seen.append(done.cursor.event_seq)
                posted.notify()

    end = threading.Event()
    thread = threading.Thread(target=Follower(ledger, events, end.wait, Tell()).run)
    thread.start()
    try:
        for one in (record(OPENING), record([trade(7)]), record([trade(8), trade(9)])):
            writer = LogWriter(events)
            writer.close()
            write_log(events, [one])
            with posted:
                assert posted.wait_for(lambda last=one.last: last in seen, WAIT_SECONDS_MAX)  # type: ignore[misc]
    finally:
        end.set()
        thread.join(WAIT_SECONDS_MAX)
    assert not thread.is_alive()
    assert seen == [6, 7, 9]


# ------------------------------------------------------------------------------------------ the process dies

KILLED = """
import os, signal, sys
from pathlib import Path
from following import follower
from clearing.database import open_database
from clearing.ledger import Ledger

url, events, commits, moment = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
follower.EVENTS_PER_COMMIT_MAX = 50

class Dying(Ledger):
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
def test_a_process_killed_between_postings_and_commit_posts_nothing_twice(url: str, venue: Path, right: Any, moment: str) -> None:
    for commits in (1, 3, 7):
        command = [sys.executable, "-c", KILLED, url, str(venue / "events"), str(commits), moment]
        ran = subprocess.run(command, cwd=Path(__file__).parents[2], timeout=WAIT_SECONDS_MAX, check=False)
        assert ran.returncode == -signal.SIGKILL
    ledger = Ledger(open_database(url))
    at = ledger.load().event_seq
    assert 0 < at < right["cursor"][0][1]
    follow_to_the_end(ledger, venue / "events")
    assert rows(ledger.engine) == right


# ----------------------------------------------------------------------------------------- the database goes


class Disturbed(Ledger):
    """A ledger to which `disturb(connection, moment)` happens, just before or just after the commits in `which`."""

    def __init__(self, url: str, moment: str, which: range, disturb: Callable[[Any], None]) -> None:
        super().__init__(open_database(url))
        self.moment, self.which, self.disturb, self.commits = moment, which, disturb, 0

    def _commit(self, transaction: Any) -> None:
        self.commits += 1
        due = self.commits in self.which
        if due and self.moment == "before the commit":
            self.disturb(self._connection)
        super()._commit(transaction)
        if due and self.moment == "after the commit":
            self.disturb(self._connection)


@pytest.fixture
def database(postgres: Postgres, request: pytest.FixtureRequest) -> Any:
    name = "faults"
    yield postgres.create(name)
    postgres.drop(name)


@pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
def test_a_connection_that_drops_around_the_commit(
    postgres: Postgres, database: str, venue: Path, right: Any, small_commits: None, moment: str
) -> None:
    """Whether the transaction was committed or not is not known to us then: the cursor in the database decides."""

    def drop(connection: Any) -> None:
        pid = connection.connection.driver_connection.info.backend_pid
        postgres.execute(f"SELECT pg_terminate_backend({pid}, {WAIT_SECONDS_MAX * 1000})")
        connection.connection.driver_connection.execute("SELECT 1")  # which is how we hear of it

    seen = Seen()
    ledger = Disturbed(database, moment, range(2, 12, 3), drop)
    follow_to_the_end(ledger, venue / "events", seen)
    assert rows(ledger.engine) == right
    assert [said for said in seen.said if said == "gone"] == ["gone"] * 4
    committed = sum(posted.events for posted in seen.commits)
    if moment == "before the commit":
        assert committed == right["cursor"][0][1]
    else:
        assert committed < right["cursor"][0][1], "four commits of which nobody heard"


def test_a_connection_that_drops_within_a_copy(
    postgres: Postgres, database: str, venue: Path, right: Any, small_commits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(open_database(database))
    plain, drops = ledger._insert, iter([False, True, False, False, True])

    def insert(connection: Any, table: Any, values: list[Any]) -> None:
        if next(drops, False):
            postgres.execute(f"SELECT pg_terminate_backend({connection.connection.driver_connection.info.backend_pid}, 9000)")
        plain(connection, table, values)

    monkeypatch.setattr(ledger, "_insert", insert)
    seen = Seen()
    follow_to_the_end(ledger, venue / "events", seen)
    assert rows(ledger.engine) == right
    assert seen.said.count("gone") == 2


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_serialization_failures_and_deadlocks_are_tried_again(
    database: str, venue: Path, right: Any, small_commits: None, state: str
) -> None:
    def fail(connection: Any) -> None:
        connection.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'in the way' USING ERRCODE = '{state}'; END $$"))

    seen = Seen()
    ledger = Disturbed(database, "before the commit", range(2, 2 + follower.CONFLICTS_MAX), fail)
    follow_to_the_end(ledger, venue / "events", seen)
    assert rows(ledger.engine) == right
    assert seen.said == [("back at", 0)]


def test_conflicts_without_end_are_refused_by_name(database: str, venue: Path, small_commits: None) -> None:
    def fail(connection: Any) -> None:
        connection.execute(text("DO $$ BEGIN RAISE EXCEPTION 'in the way' USING ERRCODE = '40001'; END $$"))

    ledger = Disturbed(database, "before the commit", range(1, 1_000), fail)
    with pytest.raises(Refused, match="the database refused a transaction 11 times in a row: in the way"):
        follow_to_the_end(ledger, venue / "events")


@pytest.mark.parametrize("crash", [False, True], ids=["stopped", "crashed"])
def test_a_database_that_is_stopped_and_started_under_load(
    postgres: Postgres, database: str, tmp_path: Path, small_commits: None, crash: bool
) -> None:
    """The exchange goes on meanwhile: its log grows. Said once, not with every try; afterwards the ledger is exact."""
    data = tmp_path / "venue"
    trade_randomly(data, 11, 500)
    ledger = Ledger(open_database(database))
    tries = 0
    more = 3_000

    def pause(seconds: float) -> bool:
        nonlocal tries
        if seconds == follower.RECONNECT_SECONDS:
            tries += 1
            if tries == 3:
                trade_more(data, 12, more)
            if tries == 5:
                postgres.start()
        return tries >= 5 and ledger.cursor.event_seq >= made.head.read()

    class StopAfter(Seen):
        def committed(self, posted: Posted) -> None:
            super().committed(posted)
            if len(self.commits) == 5:
                postgres.stop(crash=crash)

    seen = StopAfter()
    made = Follower(ledger, data / "events", pause, seen)
    try:
        made.run()
    finally:
        if postgres.process is None:
            postgres.start()
    assert seen.said == [("back at", 0), "gone", ("back at", seen.commits[4].cursor.event_seq)]
    other = Ledger(open_database(sqlite_url(tmp_path / "other.sqlite")))
    other.load()
    other.post(all_records(data / "events"))
    other.close()
    assert rows(ledger.engine) == rows(other.engine)
    assert ledger.cursor.command_seq > more


def trade_more(data: Path, seed: int, count: int) -> None:
    from matching.sequencer import Sequencer
    from tests.clearing.venue import trading

    sequencer = Sequencer(data, "os")
    for _ in sequencer.recover():
        pass
    sequencer.submit(trading(seed, count))
    while sequencer.pending:
        sequencer.receive()
        sequencer.publish()
    sequencer.close()


def test_a_database_that_is_not_there_at_first(postgres: Postgres, venue: Path, right: Any, small_commits: None) -> None:
    made_at = 3
    tries = 0
    ledger = Ledger(open_database(postgres.url("later")))

    def pause(seconds: float) -> bool:
        nonlocal tries
        tries += 1
        if tries == made_at:
            postgres.create("later")
        return tries > made_at and ledger.cursor.event_seq >= follower_made.head.read()

    seen = Seen()
    follower_made = Follower(ledger, venue / "events", pause, seen)
    try:
        follower_made.run()
        assert seen.said == ["gone", ("back at", 0)]
        assert rows(ledger.engine) == right
    finally:
        postgres.drop("later")


def test_a_locked_file_is_waited_for(
    tmp_path: Path, venue: Path, right: Any, small_commits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite: somebody else writes to the file for longer than our patience."""
    url = sqlite_url(tmp_path / "ledger.sqlite")
    monkeypatch.setattr(database_module, "SQLITE_LOCK_SECONDS_MAX", 0)
    ledger = Ledger(open_database(url))
    ledger.load()
    ledger.close()
    other = open_database(url).connect()
    transaction = other.begin()
    tries = 0

    def pause(seconds: float) -> bool:
        nonlocal tries
        tries += 1
        if tries == 3:
            transaction.rollback()
            other.close()
        return ledger.cursor.event_seq >= made.head.read()

    seen = Seen()
    made = Follower(ledger, venue / "events", pause, seen)
    made.run()
    assert seen.said == ["gone", ("back at", 0)]
    assert rows(ledger.engine) == right


# --------------------------------------------------------------------------------------- what is not ours


def test_two_writers_are_one_too_many(ledger: Ledger, url: str) -> None:
    other = Ledger(open_database(url))
    other.load()
    ledger.post([record(OPENING)])
    before = rows(ledger.engine)
    with pytest.raises(CursorMoved, match="no longer stands at event 0: another process posts to it"):
        other.post([record(OPENING)])
    assert rows(ledger.engine) == before


def test_an_event_that_is_posted_before_its_turn_is_refused(ledger: Ledger) -> None:
    """Somebody wrote into the tables: the database itself lets no event be posted twice."""
    ledger.post([record(OPENING)])
    with ledger.engine.connect() as connection, connection.begin():
        connection.execute(text("INSERT INTO transactions (event_seq, time, kind) VALUES (7, 1, 'trade')"))
    before = rows(ledger.engine)
    with pytest.raises(DatabaseRefused, match=r"the ledger's database: .*(?i:unique)"):
        ledger.post([record([trade(7)])])
    assert rows(ledger.engine) == before


def test_the_log_of_another_venue_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    write_log(tmp_path / "ours", [record(OPENING), record([trade(7)])])
    follow_to_the_end(ledger, tmp_path / "ours")
    before = rows(ledger.engine)
    write_log(tmp_path / "theirs", [record(OPENING), record([trade(7, maker="ALICE")]), record([trade(8)])])
    with pytest.raises(AnotherLog, match=r"event 7 of .*theirs is not what the ledger posted under this number"):
        follow_to_the_end(ledger, tmp_path / "theirs")
    write_log(tmp_path / "third", [record([*OPENING, trade(7), trade(8)])])
    with pytest.raises(AnotherLog, match=r"event 7 of .*third"):
        follow_to_the_end(ledger, tmp_path / "third")
    assert rows(ledger.engine) == before


def test_a_log_that_lost_its_tail_is_waited_for(ledger: Ledger, tmp_path: Path, small_commits: None) -> None:
    """After a loss of power the event log may end before what is posted, until the exchange has replayed its journal."""
    events = tmp_path / "events"
    records = [record(OPENING), record([trade(7)]), record([trade(8)])]
    write_log(events, records)
    follow_to_the_end(ledger, events)
    truncate(events, 7)
    tries = 0

    def pause(seconds: float) -> bool:
        nonlocal tries
        tries += 1
        if tries == 3:
            write_log(events, [*records[1:], record([trade(9)])])
        return ledger.cursor.event_seq == 9

    seen = Seen()
    Follower(ledger, events, pause, seen).run()
    assert seen.said == [("back at", 8), ("log behind", 8, 6)]
    assert ledger.cursor.event_seq == 9


def test_a_torn_record_is_not_read_before_it_is_whole(ledger: Ledger, tmp_path: Path, small_commits: None) -> None:
    events = tmp_path / "events"
    write_log(events, [record(OPENING), record([BalanceChanged(7, "BOB", "AAPL", "1", "501")])])
    path = next(events.glob("*.log"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    tries = 0

    def pause(seconds: float) -> bool:
        nonlocal tries
        tries += 1
        if tries == 4:
            assert ledger.cursor.event_seq == made.head.read() == 6
            path.write_bytes(whole)
        return ledger.cursor.event_seq == 7

    made = Follower(ledger, events, pause)
    made.run()
    assert ledger.cursor.event_seq == made.head.read() == 7


def test_the_end_of_a_log_is_found_across_segments(tmp_path: Path) -> None:
    from following.eventlog import LogHead

    events = tmp_path / "events"
    head = LogHead(events)
    assert head.read() == 0
    writer = LogWriter(events, segment_bytes_max=400)
    assert head.read() == 0
    ends = []
    for seq in range(1, 40):
        writer.append(seq, 1, os.urandom(50))
        ends.append(head.read())
    writer.close()
    assert ends == list(range(1, 40))
    assert LogHead(events).read() == 39
    assert len(list(events.glob("*.log"))) > 3
