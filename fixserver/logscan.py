"""Reads the event log for questions about trades, a portion a turn, so that nobody who trades waits. It answers none."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from matching.messages import Event, EventBatch
from matching.recordlog import LogDamaged, LogMissing, LogReader, segments

if TYPE_CHECKING:
    from matching.sequencer import Sequencer

SCANS_MAX = 16  # at a time, of everybody
EVENTS_PER_TURN_MAX = 300  # that are looked at; a record more at most
RECORDS_PER_TURN_MAX = 2_000  # that are passed over

_decode = msgspec.msgpack.Decoder(EventBatch).decode


class Search(Protocol):
    """Who looks for something in the log."""

    first: int  # event, from which on he looks

    @property
    def may_go_on(self) -> bool:
        """Whether he can take more now."""

    def take(self, events: list[Event], time_ns: int) -> bool:
        """The events of the next record; False when he has seen enough."""

    def end(self, problem: str) -> None:
        """There is no more; `problem` says why it cannot be read to the end."""


class _Scan:
    __slots__ = ("reader", "search")

    def __init__(self, directory: Path, search: Search) -> None:
        # From the beginning of a segment: what comes before is passed over in portions too.
        before = [first for first, _ in segments(directory) if first <= search.first]
        self.reader = LogReader(directory, before[-1] if before else search.first)
        self.search = search


class LogScans:
    """The searches that go on, one portion of one of them a turn."""

    def __init__(self, directory: Path, core: Sequencer) -> None:
        self._directory = directory
        self._core = core
        self._scans: deque[_Scan] = deque()

    @property
    def busy(self) -> bool:
        """Whether there is something to read without waiting."""
        return any(scan.search.may_go_on for scan in self._scans)

    def begin(self, search: Search) -> bool:
        """False where there are too many already."""
        if len(self._scans) >= SCANS_MAX:
            return False
        self._scans.append(_Scan(self._directory, search))
        return True

    def forget(self, search: Search) -> None:
        """Nobody waits for it any more."""
        for scan in [scan for scan in self._scans if scan.search is search]:
            self._scans.remove(scan)
            scan.reader.close()

    def step(self) -> None:
        """Read a portion for the next one who can take it."""
        for _ in range(len(self._scans)):
            scan = self._scans.popleft()
            if not scan.search.may_go_on:
                self._scans.append(scan)
                continue
            problem, goes_on = "", True
            try:
                goes_on = self._read(scan)
            except (LogDamaged, LogMissing, msgspec.DecodeError, OSError) as error:
                problem, goes_on = f"the event log cannot be read: {error}", False
            if goes_on:
                self._scans.append(scan)
            else:
                scan.reader.close()
                scan.search.end(problem)
            return

    def _read(self, scan: _Scan) -> bool:
        """Whether there is more, or may be: what the core has done and not yet shown to readers comes in a moment."""
        search, passed, looked_at = scan.search, 0, 0
        while passed < RECORDS_PER_TURN_MAX and looked_at < EVENTS_PER_TURN_MAX:
            record = next(iter(scan.reader.read(1)), None)
            if record is None:
                return scan.reader.next_number <= self._core.engine.event_seq
            first, count, payload = record
            if first + count <= search.first:
                passed += 1
                continue
            looked_at += count
            batch = _decode(payload)
            if not search.take(batch.events, batch.time):
                return False
        return True


