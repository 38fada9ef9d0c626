"""The session log: what each FIX session sent, with its number, and how far it has read. It never speaks FIX itself.

One record a turn of the loop, in the files of matching.recordlog. It is not synced with every record: what a
loss of power takes from its end is bridged by letting the numbers skip ahead. A record also
says up to which event reports have been handed over, so that after a crash the missing ones can be made.

Kept in memory is an offset for each message that can be sent again. Old segments go when there are too many;
their messages can then no longer be sent again, and a gap fill stands for them.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path

import msgspec

from matching.formats import SESSION_LOG
from matching.recordlog import HEADER_BYTES, MAGIC, LogReader, LogWriter, read_at, segments

SEGMENT_BYTES_MAX = 64 * 2**20
SEGMENTS_MAX = 16
REPORTS_AGAIN_MAX = 1_000  # events that are reported again when the log is lost

COPY = "a copy"  # for a boot: no machine's
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class SessionEntry(msgspec.Struct, array_like=True, gc=False):
    """A session after one turn: the numbers that come next, and the application messages that it sent.

    A `next_target` of 0 says that only the client knows it: his next Logon is believed.
    """

    session: str
    next_target: int
    next_sender: int
    messages: list[tuple[int, bytes]]
    restarted: bool = False  # its numbers began again at 1: earlier messages are void


class Turn(msgspec.Struct, array_like=True, gc=False):
    """One record. The first of a start says in `boot_id` under which boot of the machine; the last, `closed`."""

    reported_event: int
    entries: list[SessionEntry]
    boot_id: str = ""
    closed: bool = False


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Turn).decode


class Recovered(msgspec.Struct):
    """What the log says of the time before this start.

    `numbers` are (next target, next sender) by session. `lost`: there was no log. `closed`: its writer ended
    in order. `tail_missing`: messages may have been sent that it does not know.
    """

    reported_event: int
    numbers: dict[str, tuple[int, int]]
    lost: bool
    closed: bool
    tail_missing: bool
    warnings: list[str]


class _Sent:
    """Where the messages of one session are: `numbers` ascending, and the position of the record of each."""

    __slots__ = ("numbers", "positions")

    def __init__(self) -> None:
        self.numbers = array("Q")
        self.positions = array("Q")

    def cut_before(self, count: int) -> None:
        del self.numbers[:count]
        del self.positions[:count]


_OFFSET_BITS = 30  # a position is the segment's number, then the offset in it


class SessionLog:
    """Open for writing by one process; `recovered` says what was found in it."""

    def __init__(self, directory: Path, *, segment_bytes_max: int = SEGMENT_BYTES_MAX, segments_max: int = SEGMENTS_MAX) -> None:
        """Raises LogDamaged, OSError."""
        assert segment_bytes_max < 2**_OFFSET_BITS
        self.directory = directory
        self.segments_max = segments_max
        self.reported_event = 0
        self._sent: dict[str, _Sent] = {}
        self._numbers: dict[str, tuple[int, int]] = {}
        self._cached_position = -1
        self._cached: Turn | None = None
        self._boot_id = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
        self._writer = LogWriter(directory, segment_bytes_max=segment_bytes_max, kind=SESSION_LOG)
        self.recovered = self._recover()
        self._started = False  # nothing of this start is written yet

    def _recover(self) -> Recovered:
        warnings: list[str] = []
        boot_id, closed, turns = "", True, 0
        found = {first for first, _ in segments(self.directory)}
        segment, offset = min(found), 0
        reader = LogReader(self.directory, segment)
        for number, _, payload in reader.read():
            if number in found:
                segment, offset = number, len(MAGIC)
            turn = _decode(payload)
            self._remember(turn, segment << _OFFSET_BITS | offset)
            offset += HEADER_BYTES + len(payload)
            boot_id, closed, turns = turn.boot_id or boot_id, turn.closed, turns + 1
        reader.close()
        if self._writer.cut_bytes:
            warnings.append(
                f"{self.directory}: the session log's last record was incomplete; {self._writer.cut_bytes} bytes were cut"
            )
        tail_missing = not turns or self._writer.cut_bytes > 0 or (not closed and boot_id != self._boot_id)
        return Recovered(self.reported_event, dict(self._numbers), not turns, closed, tail_missing, warnings)

    def _remember(self, turn: Turn, position: int) -> None:
        self.reported_event = turn.reported_event
        for entry in turn.entries:
            self._numbers[entry.session] = entry.next_target, entry.next_sender
            sent = self._sent.get(entry.session)
            if sent is None:
                sent = self._sent[entry.session] = _Sent()
            if entry.restarted:
                sent.cut_before(len(sent.numbers))
            for number, _ in entry.messages:
                sent.numbers.append(number)
                sent.positions.append(position)

    # ------------------------------------------------------------------------------------------- writing

    def write(self, reported_event: int, entries: list[SessionEntry]) -> None:
        """Note what one turn of the loop did, in one write. Raises OSError: then nothing more may be sent."""
        if self._started:
            self._append(Turn(reported_event, entries))
        else:
            # The first of a start says all that it begins with in one record: what was found missing before must not
            # look whole to the next start.
            self._started = True
            told = {entry.session for entry in entries}
            self._append(Turn(reported_event, [*self._whole(told), *entries], boot_id=self._boot_id))

    def _append(self, turn: Turn) -> None:
        segment = self._writer.segment
        offset = self._writer.append(self._writer.next_number, 1, _encode(turn))
        self._remember(turn, self._writer.segment << _OFFSET_BITS | offset)
        if self._writer.segment != segment:
            self._write_whole()
            self._drop_old_segments()

    def _write_whole(self) -> None:
        """Repeat every session's numbers, so that the segments before this one can go."""
        self._append(Turn(self.reported_event, self._whole(set()), boot_id=self._boot_id))

    def _whole(self, told: set[str]) -> list[SessionEntry]:
        return [SessionEntry(name, *numbers, []) for name, numbers in self._numbers.items() if name not in told]

    def _drop_old_segments(self) -> None:
        found = segments(self.directory)
        if len(found) <= self.segments_max:
            return
        for _, path in found[: -self.segments_max]:
            path.unlink()
        oldest = found[-self.segments_max][0] << _OFFSET_BITS
        for sent in self._sent.values():
            sent.cut_before(bisect_left(sent.positions, oldest))

    def sync(self) -> None:
        self._writer.sync()

    def close(self) -> None:
        """Note that nothing was sent that is not in the log."""
        self._append(Turn(self.reported_event, [], closed=True))
        self._writer.sync()
        self._writer.close()

    # ------------------------------------------------------------------------------------------- reading

    def messages(self, session: str, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """The messages numbered `first` to `last` that a session sent and that are still there, ascending."""
        sent = self._sent.get(session)
        if sent is None:
            return
        for index in range(bisect_left(sent.numbers, first), len(sent.numbers)):
            number = sent.numbers[index]
            if number > last:
                return
            text = self._text(session, number, sent.positions[index])
            if text is not None:
                yield number, text

    def _text(self, session: str, number: int, position: int) -> bytes | None:
        if position != self._cached_position:
            payload = read_at(self.directory, position >> _OFFSET_BITS, position & (1 << _OFFSET_BITS) - 1)
            self._cached, self._cached_position = _decode(payload), position
        assert self._cached is not None
        for entry in self._cached.entries:
            if entry.session == session:
                return dict(entry.messages).get(number)
        return None


def mark_as_copy(directory: Path) -> None:
    """Say at the end of a session log that more may have been sent than it knows, as is so in a copy of one that goes on.

    The start that follows lets the sender numbers skip ahead, as after a loss of power. Raises LogDamaged."""
    reported = last_reported_event(directory)
    writer = LogWriter(directory, segment_bytes_max=SEGMENT_BYTES_MAX, kind=SESSION_LOG)
    writer.append(writer.next_number, 1, _encode(Turn(reported, [], boot_id=COPY)))
    writer.sync()
    writer.close()


def last_reported_event(directory: Path) -> int:
    """Up to which event a session log says that reports were handed over; 0 without one. Changes nothing. Raises LogDamaged."""
    found = segments(directory)
    last = 0
    if found:
        reader = LogReader(directory, found[-1][0])
        for _, _, payload in reader.read():
            last = _decode(payload).reported_event
        reader.close()
    return last
