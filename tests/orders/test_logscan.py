"""The event log is read in portions: so much a turn, one search at a time, and only for who takes it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from fixserver.logscan import EVENTS_PER_TURN_MAX, RECORDS_PER_TURN_MAX, SCANS_MAX, LogScans
from matching.messages import Event, EventBatch, OperatorNoted
from matching.recordlog import LogWriter

_encode = msgspec.msgpack.Encoder().encode


class Search:
    """Notes what it is given."""

    def __init__(self, first: int = 1, until: int = 0) -> None:
        self.first = first
        self.until = until
        self.may_go_on = True
        self.seen: list[int] = []
        self.ended: list[str] = []

    def take(self, events: list[Event], time_ns: int) -> bool:
        self.seen += [event.seq for event in events]
        return not self.until or self.seen[-1] < self.until

    def end(self, problem: str) -> None:
        self.ended.append(problem)


class Log:
    """An event log with records of `size` events each, and what the core knows of it."""

    def __init__(self, directory: Path, size: int = 1) -> None:
        self.writer = LogWriter(directory)
        self.size = size
        self.core: Any = SimpleNamespace(engine=SimpleNamespace(event_seq=0))
        self.scans = LogScans(directory, self.core)

    def write(self, records: int) -> None:
        for _ in range(records):
            first = self.core.engine.event_seq + 1
            events: list[Event] = [OperatorNoted(first + number, "x", "y") for number in range(self.size)]
            self.writer.append(first, self.size, _encode(EventBatch(first, first, events)))
            self.core.engine.event_seq += self.size


def test_a_turn_reads_so_many_events(tmp_path: Path) -> None:
    log, search = Log(tmp_path), Search()
    log.write(EVENTS_PER_TURN_MAX + 5)
    assert log.scans.begin(search)
    log.scans.step()
    assert len(search.seen) == EVENTS_PER_TURN_MAX and not search.ended
    log.scans.step()
    assert search.seen == list(range(1, EVENTS_PER_TURN_MAX + 6)) and search.ended == [""]
    assert not log.scans.busy


def test_what_comes_before_is_passed_over_in_portions_too(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(RECORDS_PER_TURN_MAX + 10)
    search = Search(first=RECORDS_PER_TURN_MAX + 9)
    log.scans.begin(search)
    log.scans.step()
    assert search.seen == []
    log.scans.step()
    assert search.seen == [RECORDS_PER_TURN_MAX + 9, RECORDS_PER_TURN_MAX + 10] and search.ended == [""]


def test_searches_take_turns_and_one_who_cannot_take_more_waits(tmp_path: Path) -> None:
    log, one, other = Log(tmp_path), Search(), Search()
    log.write(2 * EVENTS_PER_TURN_MAX)
    log.scans.begin(one)
    log.scans.begin(other)
    log.scans.step()
    log.scans.step()
    assert len(one.seen) == len(other.seen) == EVENTS_PER_TURN_MAX
    one.may_go_on = False
    for _ in range(3):
        log.scans.step()
    assert len(one.seen) == EVENTS_PER_TURN_MAX and other.ended == [""]
    assert not log.scans.busy
    one.may_go_on = True
    assert log.scans.busy


def test_what_the_core_has_done_and_not_shown_is_waited_for(tmp_path: Path) -> None:
    log, search = Log(tmp_path), Search()
    log.write(1)
    log.core.engine.event_seq = 2
    log.scans.begin(search)
    log.scans.step()
    assert search.seen == [1] and not search.ended
    log.core.engine.event_seq = 1
    log.write(1)
    log.scans.step()
    log.scans.step()
    assert search.seen == [1, 2] and search.ended == [""]


def test_who_has_seen_enough_is_given_no_more(tmp_path: Path) -> None:
    log, search = Log(tmp_path), Search(until=3)
    log.write(10)
    log.scans.begin(search)
    log.scans.step()
    assert search.seen == [1, 2, 3] and search.ended == [""]


def test_there_are_so_many_and_who_goes_is_forgotten(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(1)
    searches = [Search() for _ in range(SCANS_MAX + 1)]
    assert [log.scans.begin(search) for search in searches] == [True] * SCANS_MAX + [False]
    log.scans.forget(searches[0])
    assert log.scans.begin(searches[-1])
    for _ in range(SCANS_MAX + 1):
        log.scans.step()
    assert [search.ended for search in searches] == [[], *([[""]] * SCANS_MAX)]


def test_a_log_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    log, search = Log(tmp_path), Search()
    log.write(3)
    path = next(tmp_path.glob("*.log"))
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    log.scans.begin(search)
    log.scans.step()
    assert len(search.ended) == 1 and search.ended[0].startswith("the event log cannot be read: ")
