"""The last messages of each session, as they went over the wire, by the participant whom they concern; it reads none of them.

It costs an order next to nothing: what was read of a socket, or is written to it, is put behind what was before, as the
list of messages that it is. Whoever wants to look counts, sorts and writes them out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fixserver.sessions import SessionTerms

TRAFFIC_KEPT = 500  # messages of a session
TRAFFIC_KEPT_BYTES = 1 << 20  # of a session
SLACK = 100  # messages more than are kept, so that they are thrown away in one go
IN, OUT = "in", "out"
_NAMED_BY = {IN: b"\x01115=", OUT: b"\x01128="}  # OnBehalfOfCompID, DeliverToCompID
_NAME_BYTES_MAX = 64

Messages = tuple[int, int, str, list[bytes]]  # the number of the first, time (ns since 1970), direction, messages
_Batch = tuple[int, int, int, str, list[bytes]]  # the number of the last, bytes, time, direction, messages


class Tap(Protocol):
    """Where a session puts what comes in and goes out."""

    def add(self, time_ns: int, direction: str, messages: list[bytes]) -> None:
        """`messages` is not changed any more."""


class Kept:
    """The last messages of one session that concern one participant, numbered from 1. Those up to `gone` are no longer there."""

    __slots__ = ("_batches", "_bytes", "_bytes_max", "_kept", "count", "gone", "session")

    def __init__(self, session: str, kept: int = TRAFFIC_KEPT, bytes_max: int = TRAFFIC_KEPT_BYTES) -> None:
        self.session = session
        self._kept, self._bytes_max = kept, bytes_max
        self.count = 0
        self.gone = 0
        self._bytes = 0
        self._batches: deque[_Batch] = deque()

    def add(self, time_ns: int, direction: str, messages: list[bytes]) -> None:
        size = len(messages[0]) if len(messages) == 1 else sum(map(len, messages))
        self.count = count = self.count + len(messages)
        self._bytes += size
        self._batches.append((count, size, time_ns, direction, messages))
        if count - self.gone > self._kept + SLACK or self._bytes > self._bytes_max:
            self._throw_away()

    def _throw_away(self) -> None:
        """What came before those that are to be kept, by whole batches where that does; and no more bytes than may be."""
        batches, until = self._batches, self.count - self._kept
        while batches[0][0] <= until:
            self.gone, size, _, _, _ = batches.popleft()
            self._bytes -= size
        while self._is_too_much():  # one great batch, or great messages
            last, size, time_ns, direction, messages = batches.popleft()
            thrown = 0
            while thrown < len(messages) and self._is_too_much():
                self.gone += 1
                self._bytes -= len(messages[thrown])
                thrown += 1
            if thrown < len(messages):
                rest = messages[thrown:]
                batches.appendleft((last, sum(map(len, rest)), time_ns, direction, rest))

    def _is_too_much(self) -> bool:
        return self.count - self.gone > self._kept + SLACK or self._bytes > self._bytes_max

    def behind(self, number: int, until: int) -> Iterator[Messages]:
        """Those that are there with a number above `number`, up to `until`, oldest first. Costs as much as there are."""
        found: list[Messages] = []
        for last, _, time_ns, direction, messages in reversed(self._batches):
            if last <= number:
                break
            first = last - len(messages) + 1
            if first <= until:
                begin, end = max(number + 1 - first, 0), min(until, last) + 1 - first
                found.append((first + begin, time_ns, direction, messages[begin:end]))
        return reversed(found)

    def check(self) -> None:
        """AssertionError where it does not hold what it says."""
        number, total = self.gone, 0
        for last, size, _, _, messages in self._batches:
            number += len(messages)
            total += size
            assert (last, size) == (number, sum(map(len, messages)))
        assert number == self.count <= self.gone + self._kept + SLACK
        assert self._bytes == total <= self._bytes_max


class _ByName:
    """A session that speaks for others: each message is kept with those of whom it names, and one that names nobody nowhere."""

    __slots__ = ("_session", "_traffic")

    def __init__(self, traffic: Traffic, session: str) -> None:
        self._traffic = traffic
        self._session = session

    def add(self, time_ns: int, direction: str, messages: list[bytes]) -> None:
        named_by = _NAMED_BY[direction]
        for message in messages:
            at = message.find(named_by)
            if at < 0:
                continue
            start = at + len(named_by)
            end = message.find(b"\x01", start, start + _NAME_BYTES_MAX + 1)
            name = message[start:end].decode(errors="replace") if end > 0 else ""
            if self._traffic.is_known(name):
                self._traffic.keep(name, self._session).add(time_ns, direction, [message])


class Traffic:
    """What is kept of all sessions, so much of each. `is_known` says of a name whether it is a participant's."""

    def __init__(
        self, is_known: Callable[[str], bool], kept: int = TRAFFIC_KEPT, bytes_max: int = TRAFFIC_KEPT_BYTES
    ) -> None:
        self.is_known = is_known
        self._limits = kept, bytes_max
        self._kept: dict[str, dict[str, Kept]] = {}  # by participant and session

    def tap(self, terms: SessionTerms) -> Tap:
        """For a session that is being created."""
        if terms.speaks_for_others:
            return _ByName(self, terms.name)
        return self.keep(terms.participant, terms.name)

    def keep(self, participant: str, session: str) -> Kept:
        """Where that participant's messages of that session are."""
        sessions = self._kept.setdefault(participant, {})
        kept = sessions.get(session)
        if kept is None:
            kept = sessions[session] = Kept(session, *self._limits)
        return kept

    def of(self, participant: str) -> list[Kept]:
        """His sessions."""
        return list(self._kept.get(participant, {}).values())
