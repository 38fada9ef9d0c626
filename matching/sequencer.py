"""The sequencer: gives commands their numbers and their time, makes them durable, has them applied, hands out the events.

It owns the files of a venue: the journal of commands, which is the truth, the event log, which follows from
it, and the snapshots, which shorten a recovery. It knows no client and no rule of the market.
"""

from __future__ import annotations

import fcntl
import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from matching.engine import Engine
from matching.formats import EVENT_LOG, JOURNAL
from matching.messages import Command, CommandBatch, Event, EventBatch
from matching.recordlog import SEGMENT_BYTES_MAX, LogDamaged, LogMissing, LogNewer, LogReader, LogWriter, Record, unknown_record
from matching.snapshot import SnapshotDamaged, read_snapshot, snapshots, write_snapshot

COMMANDS_PER_BATCH_MAX = 1000

Durability = Literal["fsync", "os"]
Clock = Callable[[], int]

_encode = msgspec.msgpack.Encoder().encode
_events_of = msgspec.msgpack.Decoder(EventBatch).decode
_decode_commands = msgspec.msgpack.Decoder(CommandBatch).decode


class RecoveryRefused(Exception):
    """The files of a venue contradict each other. Says which, where, and what to do."""


class VenueLocked(Exception):
    """Another process has this venue open."""


class Sequencer:
    """One venue, open for writing by this process alone.

        sequencer = Sequencer(data)
        for events in sequencer.recover(after_event=delivered): ...   # once
        sequencer.submit([command, ...])
        events = sequencer.receive()        # durable and applied
        sequencer.publish()                 # to those who tail the event log

    `warnings` holds what recovery found and mended, in sentences.
    """

    def __init__(
        self,
        data: Path,
        durability: Durability = "fsync",
        clock: Clock = time.time_ns,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
    ) -> None:
        """Raises VenueLocked, RecoveryRefused, LogDamaged, OSError."""
        self.data = data
        self.durability = durability
        self.clock = clock
        self.warnings: list[str] = []
        self.engine = Engine()
        self.sync_seconds = 0.0  # how long the last batch took to become durable
        self._pending: list[Command] = []
        self._unpublished: list[tuple[int, EventBatch]] = []
        self._snapshot_process = 0
        data.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise VenueLocked(f"{data}: another process has this venue open") from None
        try:
            self._journal = LogWriter(data / "journal", segment_bytes_max=segment_bytes_max, kind=JOURNAL)
            try:
                self._event_log = _open_event_log(data, segment_bytes_max)
            except BaseException:
                self._journal.close()
                raise
        except BaseException:
            os.close(self._lock)
            raise
        for log, name in ((self._journal, "journal"), (self._event_log, "event log")):
            if log.cut_bytes:
                self.warnings.append(f"{log.directory}: the {name}'s last record was incomplete; {log.cut_bytes} bytes were cut")

    # ------------------------------------------------------------------------------------------ recovery

    def recover(self, after_event: int | None = None) -> Iterator[list[Event]]:
        """Bring the engine to the end of the journal: newest usable snapshot, then replay.

        Replayed events are compared with the event log byte for byte, and written to it where its end
        is missing. Yields an empty list where the engine stands at `after_event`, or at the end of the
        last batch before it (the place to look at its open orders), then the events of each batch from
        there on: the first of them may begin with events up to `after_event`. With None there is nothing
        to yield but that once, at the end. Raises RecoveryRefused, LogDamaged, LogMissing, OSError.
        """
        with _collector_paused():
            if after_event is not None and after_event > self.event_head:
                # What was handed out is not in the event log any more. It is written again first: the event log
                # tells which batch `after_event` belongs to.
                for _ in self._replay(None):
                    pass
                self.engine = Engine()
            yield from self._replay(after_event)

    def _replay(self, after_event: int | None) -> Iterator[list[Event]]:
        self._load_snapshot(after_event)
        engine = self.engine
        told = False
        events_on_disk = LogReader(self.data / "events", engine.event_seq + 1, EVENT_LOG)
        try:
            expected = events_on_disk.read()
            for batch in read_commands(self.data, engine.command_seq + 1):
                first_event = engine.event_seq + 1
                try:
                    written = next(expected, None) if first_event < self._event_log.next_number else None
                except LogNewer:
                    raise
                except (LogDamaged, LogMissing) as error:
                    raise _events_refused(self.data, error) from None
                last_event = written[0] + written[1] - 1 if written else 0
                if not told and after_event is not None and (engine.event_seq >= after_event or last_event > after_event):
                    told = True
                    yield []
                events = engine.apply(batch.first_seq, batch.time, batch.commands)
                payload = _encode(EventBatch(engine.command_seq, batch.time, events))
                if first_event >= self._event_log.next_number:
                    self._event_log.append(first_event, len(events), payload)
                elif not says_the_same(written, (first_event, len(events), payload)):
                    raise RecoveryRefused(
                        f"{self.data / 'events'}: event {first_event}, caused by commands {batch.first_seq} to "
                        f"{engine.command_seq}, is not what the journal says. Was the program changed? Keep the files; "
                        "to go on with what the journal says, move the events directory away"
                    )
                if told:
                    yield events
        finally:
            events_on_disk.close()
        if engine.command_seq != self._journal.next_number - 1:
            raise RecoveryRefused(
                f"{self._journal.directory}: could be read to command {engine.command_seq} only, and goes on to "
                f"{self._journal.next_number - 1}. Put its files back from a copy"
            )
        if self._event_log.next_number != engine.event_seq + 1:
            raise RecoveryRefused(
                f"{self.data / 'events'}: goes on to event {self._event_log.next_number - 1}, but the journal ends with event "
                f"{engine.event_seq}: acknowledged commands are missing from the journal. Put its files back from a copy, or, "
                f"to go on without them, run: fixserver journal forget --data {self.data}"
            )
        if not told:
            yield []

    def _load_snapshot(self, after_event: int | None) -> None:
        """Start from the newest snapshot from which the replay tells all that is due and mends the event log."""
        found = snapshots(self.data / "snapshots")
        journal_head = self._journal.next_number - 1
        if found and found[-1][0] > journal_head:
            raise RecoveryRefused(
                f"{found[-1][1]}: was taken after command {found[-1][0]}, but the journal ends with command {journal_head}: "
                "acknowledged commands are missing from it. Put its files back from a copy, or, to go on without them, run: "
                f"fixserver journal forget --data {self.data}"
            )
        reach = self._event_log.next_number - 1
        if after_event is not None:
            reach = min(reach, after_event)
        for _, path in reversed(found):
            try:
                state = read_snapshot(path)
            except (SnapshotDamaged, msgspec.DecodeError) as error:
                self.warnings.append(f"{error}; an older one or the whole journal is used instead")
                continue
            if state.event_seq <= reach:
                self.engine = Engine.from_state(state)
                return

    # ----------------------------------------------------------------------------------------- the verbs

    def submit(self, commands: list[Command]) -> None:
        """Take commands into the next batch."""
        self._pending += commands

    @property
    def event_head(self) -> int:
        """The number of the last event in the event log; behind the engine until publish()."""
        return self._event_log.next_number - 1

    @property
    def pending(self) -> int:
        return len(self._pending)

    def receive(self) -> list[Event]:
        """Make what was submitted durable, at most COMMANDS_PER_BATCH_MAX of it, apply it, and return what it caused.

        Raises OSError when the journal cannot be written: nothing was applied, and this process must end.
        """
        pending = self._pending
        if not pending:
            return []
        if len(pending) > COMMANDS_PER_BATCH_MAX:
            commands, self._pending = pending[:COMMANDS_PER_BATCH_MAX], pending[COMMANDS_PER_BATCH_MAX:]
        else:
            commands, self._pending = pending, []
        engine = self.engine
        now = self.clock()
        if now < engine.time:  # the wall clock may step back, the venue's time does not
            now = engine.time
        first_seq = engine.command_seq + 1
        payload = _encode(CommandBatch(first_seq, now, commands))
        _assert_readable(payload)
        journal = self._journal
        journal.append(first_seq, len(commands), payload)
        if self.durability == "fsync":
            started = time.perf_counter()
            journal.sync()
            self.sync_seconds = time.perf_counter() - started
        first_event = engine.event_seq + 1
        events = engine.apply(first_seq, now, commands)
        self._unpublished.append((first_event, EventBatch(engine.command_seq, now, events)))
        return events

    def publish(self) -> None:
        """Write the events of what was received to the event log. If they are lost, the journal yields them again."""
        for first, batch in self._unpublished:
            self._event_log.append(first, len(batch.events), _encode(batch))
        self._unpublished.clear()

    # ----------------------------------------------------------------------------------------- snapshots

    def snapshot(self) -> Path:
        """Write a snapshot now; for a million orders this takes seconds."""
        self._sync_logs()
        return write_snapshot(self.data / "snapshots", self.engine)

    def begin_snapshot(self) -> None:
        """Have a copy of this process write the snapshot while this one goes on. One at a time: a second call is ignored."""
        if self._snapshot_process:
            return
        self._sync_logs()
        self._snapshot_process = os.fork()
        if self._snapshot_process == 0:
            status = 1
            try:
                # The copy holds neither the lock nor a socket of its parent, whose end must be seen by all.
                os.closerange(3, os.sysconf("SC_OPEN_MAX"))
                os.nice(10)
                write_snapshot(self.data / "snapshots", self.engine)
                status = 0
            finally:
                os._exit(status)

    def _sync_logs(self) -> None:
        """A snapshot must not outlive what it was made of."""
        self.publish()
        self._journal.sync()
        self._event_log.sync()

    @property
    def writes_snapshot(self) -> bool:
        """Whether a begun snapshot is being written."""
        return self._snapshot_process != 0

    def snapshot_ended(self) -> bool | None:
        """Whether a begun snapshot succeeded; None while it is being written, or when none was begun."""
        if not self._snapshot_process:
            return None
        pid, status = os.waitpid(self._snapshot_process, os.WNOHANG)
        if not pid:
            return None
        self._snapshot_process = 0
        return status == 0

    def close(self) -> None:
        """Leave everything durable, and the venue to others. Raises OSError; the venue is left to others all the same."""
        try:
            self.publish()
            self._journal.sync()
            self._event_log.sync()
        finally:
            if self._snapshot_process:
                os.waitpid(self._snapshot_process, 0)
                self._snapshot_process = 0
            self._journal.close()
            self._event_log.close()
            os.close(self._lock)


def _open_event_log(data: Path, segment_bytes_max: int) -> LogWriter:
    try:
        return LogWriter(data / "events", segment_bytes_max=segment_bytes_max, kind=EVENT_LOG)
    except LogNewer:
        raise
    except LogDamaged as error:
        raise _events_refused(data, error) from None


def _events_refused(data: Path, error: Exception) -> RecoveryRefused:
    return RecoveryRefused(
        f"{error}. Events follow from the journal: to have them written again from there on, run: fixserver journal forget "
        f"--data {data}"
    )


def says_the_same(written: Record | None, due: Record) -> bool:
    """Whether a record of the event log is the one that the journal makes due, be it in the words of an earlier version."""
    return written == due or (written is not None and (*written[:2], in_present_form(written[2])) == due)


def in_present_form(payload: bytes) -> bytes:
    """A record of the event log as this version writes it. That of an earlier one lacks the fields that came later, at the end."""
    try:
        return _encode(_events_of(payload))
    except (msgspec.DecodeError, UnicodeDecodeError):  # of a newer one, or none
        return payload


def _assert_readable(payload: bytes) -> None:
    """Stop before a command gets into the journal that could not be read from it again, and with it none after it.

    Only a wrong program makes one: whoever submits knows sides and times in force. Costs a quarter of a microsecond a command.
    """
    try:
        _decode_commands(payload)
    except msgspec.DecodeError as error:
        raise AssertionError(f"the journal could not be read again: {error}") from None


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the garbage collector from looking again and again at a million orders that are there to stay: half of a recovery."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def read_commands(data: Path, first_seq: int = 1) -> Iterator[CommandBatch]:
    """The batches of a venue's journal from a command on. Raises LogDamaged, LogNewer, LogMissing."""
    reader = LogReader(data / "journal", first_seq, JOURNAL)
    try:
        for first, _, payload in reader.read():
            try:
                batch = _decode_commands(payload)
            except msgspec.DecodeError as error:
                raise unknown_record(reader, first, error) from None
            yield batch
    finally:
        reader.close()


def replay(data: Path, to_event: int | None = None) -> Engine:
    """The engine as it stood after event `to_event`, or at the end of the journal: from files alone, changing none.

    Raises RecoveryRefused where no batch ends with that event.
    """
    engine = Engine()
    with _collector_paused():
        for _, path in reversed(snapshots(data / "snapshots")):
            try:
                state = read_snapshot(path)
            except (SnapshotDamaged, msgspec.DecodeError):
                continue
            if to_event is None or state.event_seq <= to_event:
                engine = Engine.from_state(state)
                break
        if engine.event_seq != to_event:
            for batch in read_commands(data, engine.command_seq + 1):
                engine.apply(batch.first_seq, batch.time, batch.commands)
                if to_event is not None and engine.event_seq >= to_event:
                    break
    if to_event is not None and engine.event_seq != to_event:
        raise RecoveryRefused(f"{data}: no batch of the journal ends with event {to_event}; one ends with {engine.event_seq}")
    return engine
