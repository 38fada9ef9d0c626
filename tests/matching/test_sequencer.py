"""The sequencer: what was acknowledged is there after any fault, or the venue refuses to start and says why."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from matching import recordlog
from matching import sequencer as sequencing
from matching.engine import Engine
from matching.messages import Command, DefineAccount, Event, EventBatch, NewOrder
from matching.recordlog import LogDamaged, LogMissing, LogReader, LogWriter, segments, truncate
from matching.sequencer import COMMANDS_PER_BATCH_MAX, RecoveryRefused, Sequencer, VenueLocked, read_commands, replay
from matching.snapshot import snapshots
from tests.matching.venues import Clock, feed, opened, random_commands, written

ROOT = Path(__file__).resolve().parents[2]


def records(directory: Path) -> list[tuple[int, int, bytes]]:
    reader = LogReader(directory)
    found = list(reader.read())
    reader.close()
    return found


def recovered(data: Path) -> tuple[str, list[str]]:
    """Open, recover and close a venue: its digest, and the warnings."""
    sequencer = opened(data)
    sequencer.engine.check()
    digest = sequencer.engine.digest()
    sequencer.close()
    return digest, sequencer.warnings


# ---------------------------------------------------------------------------------------------- normal life


def test_a_command_is_numbered_stamped_applied_and_published(tmp_path: Path):
    clock = Clock(1_000)
    sequencer = opened(tmp_path, clock)
    sequencer.submit([DefineAccount("ann", "ann"), DefineAccount("bob", "bob")])
    assert sequencer.pending == 2
    events = sequencer.receive()
    assert [(event.seq, event.account) for event in events] == [(1, "ann"), (2, "bob")]
    assert (sequencer.engine.command_seq, sequencer.engine.time, sequencer.event_head) == (2, 1_000, 0)
    sequencer.publish()
    assert sequencer.event_head == 2
    assert sequencer.receive() == []
    sequencer.close()
    assert [(batch.first_seq, batch.time, len(batch.commands)) for batch in read_commands(tmp_path)] == [(1, 1_000, 2)]


def test_a_batch_is_bounded(tmp_path: Path):
    sequencer = opened(tmp_path)
    sequencer.submit([DefineAccount("ann", "ann")] * (2 * COMMANDS_PER_BATCH_MAX + 5))
    sizes = []
    while sequencer.pending:
        sizes.append(len(sequencer.receive()))
    assert sizes == [COMMANDS_PER_BATCH_MAX, COMMANDS_PER_BATCH_MAX, 5]
    sequencer.close()


def test_nothing_is_applied_before_it_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    order: list[str] = []
    sequencer = opened(tmp_path, durability="fsync")
    real_sync, real_apply = os.fdatasync, sequencer.engine.apply
    monkeypatch.setattr(recordlog.os, "fdatasync", lambda descriptor: (order.append("sync"), real_sync(descriptor)))
    monkeypatch.setattr(sequencer.engine, "apply", lambda *args: (order.append("apply"), real_apply(*args))[1])
    sequencer.submit([DefineAccount("ann", "ann")])
    sequencer.receive()
    assert order == ["sync", "apply"]
    sequencer.close()


@pytest.mark.parametrize(
    "wrong",
    [
        NewOrder("ann", "s", "o1", "ann", "X", "5", "2", "0", 1, 1),
        NewOrder("ann", "s", "o1", "ann", "X", "1", "5", "0", 1, 1),
        NewOrder("ann", "s", "o1", "ann", "X", "1", "2", "5", 1, 1),
        NewOrder("ann", "s", "o1", "ann", "X", "1", "2", "0", 1.5, 1),
        NewOrder("ann", "s", "o1", "ann", "X", "1", "2", "0", 2**64, 1),
        NewOrder("ann", "s", "\udcff", "ann", "X", "1", "2", "0", 1, 1),
        NewOrder("ann", "s", None, "ann", "X", "1", "2", "0", 1, 1),
    ],
)
def test_what_could_not_be_read_again_does_not_get_into_the_journal(tmp_path: Path, wrong: Command):
    """Only a wrong program submits such a thing, and it stops there."""
    sequencer = opened(tmp_path)
    sequencer.submit([DefineAccount("ann", "ann"), wrong])
    with pytest.raises((AssertionError, OverflowError, UnicodeEncodeError)):
        sequencer.receive()
    sequencer.close()
    assert list(read_commands(tmp_path)) == []


def test_the_time_of_the_venue_does_not_run_backwards(tmp_path: Path):
    clock = Clock(1_000)
    sequencer = opened(tmp_path, clock)
    for now in (2_000, 500, 1_999, 2_001):
        clock.now = now
        sequencer.submit([DefineAccount("ann", "ann")])
        sequencer.receive()
    sequencer.close()
    assert [batch.time for batch in read_commands(tmp_path)] == [2_000, 2_000, 2_000, 2_001]
    clock.now = 0
    sequencer = opened(tmp_path, clock)
    sequencer.submit([DefineAccount("ann", "ann")])
    sequencer.receive()
    assert sequencer.engine.time == 2_001
    sequencer.close()


def test_two_do_not_open_one_venue(tmp_path: Path):
    first = opened(tmp_path)
    with pytest.raises(VenueLocked, match="another process has this venue open"):
        Sequencer(tmp_path)
    first.close()
    opened(tmp_path).close()


def test_a_venue_that_cannot_be_opened_is_not_left_locked(tmp_path: Path):
    written(tmp_path)
    path = segments(tmp_path / "events")[0][1]
    whole = path.read_bytes()
    path.write_bytes(b"what is this" + whole)
    for _ in range(2):
        with pytest.raises(RecoveryRefused, match="not a log of this version"):
            Sequencer(tmp_path)
    path.write_bytes(whole)
    opened(tmp_path).close()


# ------------------------------------------------------------------------------------------------- recovery


def test_recovery_leads_to_the_same_state(tmp_path: Path):
    digest, _ = written(tmp_path)
    assert recovered(tmp_path) == (digest, [])
    assert recovered(tmp_path) == (digest, []), "again and again"
    assert replay(tmp_path).digest() == digest


def test_recovery_goes_on_from_a_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clock, commands = Clock(), list(random_commands(300))
    sequencer = opened(tmp_path, clock)
    feed(sequencer, clock, commands[:140])
    sequencer.snapshot()
    feed(sequencer, clock, commands[140:])
    digest = sequencer.engine.digest()
    sequencer.close()
    applied: list[int] = []
    real = Engine.apply
    monkeypatch.setattr(Engine, "apply", lambda self, first, *more: (applied.append(first), real(self, first, *more))[1])
    assert recovered(tmp_path) == (digest, [])
    assert applied[0] == 141


def test_a_snapshot_by_a_copy_of_the_process(tmp_path: Path):
    clock, commands = Clock(), list(random_commands(300))
    sequencer = opened(tmp_path, clock)
    assert sequencer.snapshot_ended() is None
    feed(sequencer, clock, commands[:140])
    sequencer.begin_snapshot()
    sequencer.begin_snapshot()  # one at a time
    feed(sequencer, clock, commands[140:])
    deadline = time.monotonic() + 20
    while (ended := sequencer.snapshot_ended()) is None and time.monotonic() < deadline:
        time.sleep(0.001)
    assert ended is True
    assert [number for number, _ in snapshots(tmp_path / "snapshots")] == [140]
    digest = sequencer.engine.digest()
    sequencer.close()
    assert recovered(tmp_path) == (digest, [])


def test_a_snapshot_that_fails_is_told(tmp_path: Path):
    sequencer = opened(tmp_path)
    sequencer.submit([DefineAccount("ann", "ann")])
    sequencer.receive()
    (tmp_path / "snapshots").write_text("a file where a directory should be")
    stderr = os.dup(2)
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)
    try:
        sequencer.begin_snapshot()
        while (ended := sequencer.snapshot_ended()) is None:
            time.sleep(0.001)
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(devnull)
    assert ended is False
    sequencer.close()


def test_a_damaged_snapshot_is_passed_over(tmp_path: Path):
    clock, commands = Clock(), list(random_commands(300))
    sequencer = opened(tmp_path, clock)
    for start in (0, 100, 200):
        feed(sequencer, clock, commands[start : start + 100])
        sequencer.snapshot()
    digest = sequencer.engine.digest()
    sequencer.close()
    found = snapshots(tmp_path / "snapshots")
    assert [number for number, _ in found] == [200, 300], "the newest two are kept"
    for count, (_, path) in enumerate(reversed(found), 1):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 4
        path.write_bytes(content)
        state, warnings = recovered(tmp_path)
        assert state == digest
        assert len(warnings) == count
        assert warnings[-1] == f"{path}: the checksum does not match; an older one or the whole journal is used instead"


def test_every_event_after_the_one_asked_for_is_handed_out(tmp_path: Path):
    _, caused = written(tmp_path)
    everything = [event for events in caused for event in events]
    for after in range(0, len(everything) + 1, 3):
        sequencer = Sequencer(tmp_path, "os")
        told = sequencer.recover(after)
        assert next(told) == []
        stands_at = sequencer.engine.event_seq
        assert stands_at <= after, "not past it: the open orders of that moment are looked at now"
        got: list[Event] = [event for events in told for event in events]
        assert got == everything[stands_at:]
        sequencer.close()


@pytest.mark.parametrize("lost_bytes", [1, 2_000, 10**9])
def test_every_event_asked_for_is_handed_out_also_when_the_event_log_lost_its_end(tmp_path: Path, lost_bytes: int):
    _, caused = written(tmp_path)
    everything = [event for events in caused for event in events]
    path = segments(tmp_path / "events")[0][1]
    whole = path.read_bytes()
    for after in (0, 50, len(everything) - 3, len(everything)):
        path.write_bytes(whole[: max(len(whole) - lost_bytes, 8)])
        sequencer = Sequencer(tmp_path, "os")
        told = sequencer.recover(after)
        assert next(told) == []
        stands_at = sequencer.engine.event_seq
        assert stands_at <= after
        assert [event for events in told for event in events] == everything[stands_at:]
        sequencer.close()
        assert path.read_bytes() == whole, "the same commands, the same bytes"


def test_with_nothing_to_hand_out_the_end_is_told_once(tmp_path: Path):
    _, caused = written(tmp_path)
    head = sum(len(events) for events in caused)
    for after in (None, head, head + 100):
        sequencer = Sequencer(tmp_path, "os")
        assert list(sequencer.recover(after)) == [[]]
        assert sequencer.engine.event_seq == head
        sequencer.close()


def test_replay_stops_at_an_event(tmp_path: Path):
    _, caused = written(tmp_path)
    seq = 0
    for events in caused:
        seq += len(events)
        assert replay(tmp_path, seq).event_seq == seq
    with pytest.raises(RecoveryRefused, match=f"no batch of the journal ends with event {seq + 1}"):
        replay(tmp_path, seq + 1)


# ----------------------------------------------------------------------------------------------- torn files


def test_a_journal_torn_at_any_byte_of_its_last_record(tmp_path: Path):
    """The event log is not ahead here: nobody had applied the last record yet."""
    written(tmp_path / "model", 50, batch=2)
    journal = segments(tmp_path / "model" / "journal")[0][1].read_bytes()
    events = segments(tmp_path / "model" / "events")[0][1].read_bytes()
    last = len(records(tmp_path / "model" / "journal")[-1][2]) + recordlog.HEADER_BYTES
    last_events = len(records(tmp_path / "model" / "events")[-1][2]) + recordlog.HEADER_BYTES
    whole = {}
    for length in range(len(journal) - last, len(journal) + 1):
        data = tmp_path / str(length)
        for name, content in (("journal", journal[:length]), ("events", events[:-last_events])):
            (data / name).mkdir(parents=True)
            (data / name / f"{1:020d}.log").write_bytes(content)
        digest, warnings = recovered(data)
        torn = length - (len(journal) - last)
        whole[digest] = whole.get(digest, 0) + 1
        if 0 < torn < last:
            assert warnings == [f"{data / 'journal'}: the journal's last record was incomplete; {torn} bytes were cut"]
        else:
            assert warnings == []
    assert sorted(whole.values()) == [1, last], "either all of the last record or none of it"


def test_an_event_log_torn_at_any_byte_of_its_last_record_is_mended(tmp_path: Path):
    digest, _ = written(tmp_path, 50, batch=2)
    path = segments(tmp_path / "events")[0][1]
    whole = path.read_bytes()
    last = len(records(tmp_path / "events")[-1][2]) + recordlog.HEADER_BYTES
    for length in range(len(whole) - last, len(whole)):
        path.write_bytes(whole[:length])
        assert recovered(tmp_path)[0] == digest
        assert path.read_bytes() == whole


def test_both_logs_torn(tmp_path: Path):
    _, caused = written(tmp_path, 100)
    for name in ("journal", "events"):
        path = segments(tmp_path / name)[0][1]
        os.truncate(path, path.stat().st_size - 5)
    sequencer = opened(tmp_path)
    assert sequencer.engine.event_seq == sum(len(events) for events in caused[:-1])
    assert len(sequencer.warnings) == 2
    sequencer.close()


@pytest.mark.parametrize("events_kept", [0, 1, 5])
def test_an_event_log_that_is_behind_is_mended(tmp_path: Path, events_kept: int):
    digest, _ = written(tmp_path, 100)
    path = segments(tmp_path / "events")[0][1]
    whole = path.read_bytes()
    kept = records(tmp_path / "events")[:events_kept]
    truncate(tmp_path / "events", kept[-1][0] + kept[-1][1] if kept else 1)
    assert recovered(tmp_path) == (digest, [])
    assert path.read_bytes() == whole


def test_an_event_log_that_is_gone_is_written_again(tmp_path: Path):
    digest, _ = written(tmp_path, 100)
    path = segments(tmp_path / "events")[0][1]
    whole = path.read_bytes()
    path.unlink()
    (tmp_path / "events").rmdir()
    assert recovered(tmp_path) == (digest, [])
    assert path.read_bytes() == whole


# -------------------------------------------------------------------------------------------- contradictions


def refusal(data: Path) -> str:
    with pytest.raises(RecoveryRefused) as caught:
        opened(data)
    return str(caught.value)


def test_an_event_log_ahead_of_the_journal_is_refused(tmp_path: Path):
    _, caused = written(tmp_path, 100)
    events = sum(len(events) for events in caused)
    truncate(tmp_path / "journal", records(tmp_path / "journal")[-1][0])
    assert refusal(tmp_path) == (
        f"{tmp_path / 'events'}: goes on to event {events}, but the journal ends with event {events - len(caused[-1])}: "
        "acknowledged commands are missing from the journal. Put its files back from a copy, or, to go on without them, run: "
        f"fixserver journal forget --data {tmp_path}"
    )


def test_a_snapshot_ahead_of_the_journal_is_refused(tmp_path: Path):
    sequencer = opened(tmp_path)
    for name in ("ann", "bob"):
        sequencer.submit([DefineAccount(name, name)])
        sequencer.receive()
    path = sequencer.snapshot()
    sequencer.close()
    truncate(tmp_path / "journal", 2)
    truncate(tmp_path / "events", 2)
    assert refusal(tmp_path) == (
        f"{path}: was taken after command 2, but the journal ends with command 1: acknowledged commands are missing from it. Put "
        f"its files back from a copy, or, to go on without them, run: fixserver journal forget --data {tmp_path}"
    )


def test_an_event_log_that_says_something_else_is_refused(tmp_path: Path):
    written(tmp_path, 100)
    found = records(tmp_path / "events")
    truncate(tmp_path / "events", found[-2][0])
    log = LogWriter(tmp_path / "events")
    log.append(found[-2][0], found[-2][1], found[-2][2][:-1] + b"\x00")
    log.append(*found[-1])
    log.close()
    assert f"event {found[-2][0]}, caused by commands 92 to 98, is not what the journal says" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["journal", "events"])
def test_damage_in_the_middle_is_refused_by_name(tmp_path: Path, name: str):
    written(tmp_path, 100)
    path = segments(tmp_path / name)[0][1]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(LogDamaged if name == "journal" else RecoveryRefused, match=f"{path}: damaged at offset") as caught:
        Sequencer(tmp_path)
    assert ("fixserver journal forget" in str(caught.value)) == (name == "events"), "events follow from the journal"


@pytest.mark.parametrize("missing", [False, True])
def test_a_segment_of_events_that_is_damaged_or_missing_is_refused_by_name(tmp_path: Path, missing: bool):
    written(tmp_path, 100)
    found = records(tmp_path / "events")
    segments(tmp_path / "events")[0][1].unlink()
    log = LogWriter(tmp_path / "events", segment_bytes_max=500)
    for record in found:
        log.append(*record)
    log.close()
    path = segments(tmp_path / "events")[2][1]
    if missing:
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    message = refusal(tmp_path)
    assert message.startswith(str(path)) and f"fixserver journal forget --data {tmp_path}" in message


def test_a_missing_segment_is_refused_by_name(tmp_path: Path):
    written(tmp_path, 100)
    found = records(tmp_path / "journal")
    segments(tmp_path / "journal")[0][1].unlink()
    log_files = {1: found[:4], found[8][0]: found[8:]}
    for first, content in log_files.items():
        path = tmp_path / "journal" / f"{first:020d}.log"
        path.write_bytes(recordlog.MAGIC + b"".join(recordlog.frame(*record) for record in content))
    with pytest.raises(LogMissing, match=f"{found[4][0]:020d}.log: this segment is missing"):
        opened(tmp_path)


def test_a_journal_whose_beginning_was_put_away_needs_a_snapshot(tmp_path: Path):
    clock, commands = Clock(), list(random_commands(140))
    sequencer = opened(tmp_path, clock)
    feed(sequencer, clock, commands[:70])
    sequencer.snapshot()
    feed(sequencer, clock, commands[70:])
    digest = sequencer.engine.digest()
    sequencer.close()
    found = records(tmp_path / "journal")
    segments(tmp_path / "journal")[0][1].unlink()
    path = tmp_path / "journal" / f"{71:020d}.log"
    path.write_bytes(recordlog.MAGIC + b"".join(recordlog.frame(*record) for record in found[10:]))
    assert recovered(tmp_path) == (digest, [])
    for _, snapshot in snapshots(tmp_path / "snapshots"):
        snapshot.unlink()
    with pytest.raises(LogMissing, match="begins at number 71, 1 was asked for"):
        opened(tmp_path)


# ------------------------------------------------------------------------------------------ a disk that fails


@pytest.mark.parametrize(("call", "number"), [("write", errno.ENOSPC), ("write", errno.EIO), ("fdatasync", errno.EIO)])
def test_a_batch_that_is_not_durable_is_not_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int):
    clock = Clock()
    sequencer = opened(tmp_path, clock, "fsync")
    feed(sequencer, clock, list(random_commands(70)))
    digest = sequencer.engine.digest()

    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(recordlog.os, call, fail)
    sequencer.submit([DefineAccount("new", "new")])
    with pytest.raises(OSError, match=os.strerror(number)):
        sequencer.receive()
    assert sequencer.engine.digest() == digest
    monkeypatch.undo()
    sequencer.submit([DefineAccount("new", "new")])
    with pytest.raises(OSError, match="an earlier write or sync of this log failed"):
        sequencer.receive()  # no second try: nobody knows what is on the disk
    with pytest.raises(OSError, match="an earlier write"):
        sequencer.close()
    after = opened(tmp_path)  # the lock was let go
    # What was written but not synced may be there: it was never acknowledged, and is never half there.
    assert after.engine.command_seq == (71 if call == "fdatasync" else 70)
    after.close()


def test_an_event_log_that_cannot_be_written_is_mended_by_recovery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clock = Clock()
    sequencer = opened(tmp_path, clock)
    feed(sequencer, clock, list(random_commands(70)))
    sequencer.submit([DefineAccount("new", "new")])
    events = sequencer.receive()
    monkeypatch.setattr(sequencer._event_log, "append", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
    with pytest.raises(OSError, match="No space"):
        sequencer.publish()
    with pytest.raises(OSError, match="No space"):
        sequencer.close()
    again = opened(tmp_path)
    assert again.event_head == again.engine.event_seq == events[-1].seq
    again.close()


# ------------------------------------------------------------------------------------------------ kill -9

WRITER = """
import random, sys
from pathlib import Path
from matching.messages import DefineAccount
from matching.sequencer import Sequencer

data, seed = Path(sys.argv[1]), int(sys.argv[2])
sequencer = Sequencer(data, "fsync")
for _ in sequencer.recover():
    pass
for line in sequencer.warnings:
    print("warning", line, flush=True)
chance = random.Random(seed)
print("ready", sequencer.engine.command_seq, flush=True)
while True:
    first = sequencer.engine.command_seq + 1
    count = chance.randrange(1, 40)
    sequencer.submit([DefineAccount(f"account {first + index}", "x" * chance.randrange(1, 300)) for index in range(count)])
    events = sequencer.receive()
    print("acknowledged", sequencer.engine.command_seq, flush=True)
    sequencer.publish()
    if chance.random() < 0.02:
        sequencer.begin_snapshot()
    sequencer.snapshot_ended()
"""


def test_nothing_that_was_acknowledged_is_lost_by_kill(tmp_path: Path):
    """Twenty times killed at a random moment, and started again on what is there."""
    chance = random.Random(9)
    acknowledged = 0
    for attempt in range(20):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(attempt)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        ) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            while line.startswith("warning"):
                line = process.stdout.readline()
            word, number = line.split()
            assert word == "ready"
            assert int(number) >= acknowledged, "an acknowledged command is gone"
            for _ in range(chance.randrange(30)):
                acknowledged = int(process.stdout.readline().split()[1])
            os.kill(process.pid, signal.SIGKILL)
            for rest in process.stdout:
                if rest.startswith("acknowledged ") and rest.endswith("\n"):
                    acknowledged = int(rest.split()[1])
    sequencer = None
    deadline = time.monotonic() + 10
    while sequencer is None and time.monotonic() < deadline:
        sequencer = opened(tmp_path)
    assert sequencer is not None
    engine = sequencer.engine
    engine.check()
    assert engine.command_seq >= acknowledged > 100
    assert sorted(engine.accounts) == sorted(f"account {number}" for number in range(1, engine.command_seq + 1))
    assert engine.digest() == replay_from_nothing(tmp_path).digest()
    sequencer.close()


WRITER_OF_ALL_KINDS = """
import random, sys
from pathlib import Path
import msgspec
from matching.messages import Command
from matching.sequencer import Sequencer

data, orders, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
commands = msgspec.msgpack.decode(orders.read_bytes(), type=list[tuple[int, Command]])
now = [0]
sequencer = Sequencer(data, "os", lambda: now[0])
for _ in sequencer.recover():
    pass
assert not [line for line in sequencer.warnings if "incomplete" not in line], sequencer.warnings
chance = random.Random(seed)
print("ready", sequencer.engine.command_seq, flush=True)
while sequencer.engine.command_seq < len(commands):
    now[0], command = commands[sequencer.engine.command_seq]
    sequencer.submit([command])
    sequencer.receive()
    print("acknowledged", sequencer.engine.command_seq, flush=True)
    sequencer.publish()
    if chance.random() < 0.02:
        sequencer.begin_snapshot()
    sequencer.snapshot_ended()
print("done", sequencer.engine.digest(), flush=True)
sequencer.close()
"""


def test_a_market_of_every_kind_of_order_comes_through_kills_as_if_there_had_been_none(tmp_path: Path):
    """Random commands of all kinds, the process killed again and again: in the end the state, the journal and the events
    are those of an engine that nobody disturbed."""
    commands = list(random_commands(1_500, seed=5))
    orders = tmp_path / "commands"
    orders.write_bytes(msgspec.msgpack.encode(commands))
    chance = random.Random(5)
    answer = ""
    kills = 0
    while not answer.startswith("done"):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER_OF_ALL_KINDS, str(tmp_path / "venue"), str(orders), str(kills)],
            stdout=subprocess.PIPE, text=True, cwd=ROOT,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            assert process.stdout.readline().startswith("ready ")
            for _ in range(chance.randrange(20, 250)):
                answer = process.stdout.readline()
                assert answer, "the venue did not come up again, or failed"
                if answer.startswith("done"):
                    break
            else:
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
    assert kills >= 5

    undisturbed = Engine()
    events = [
        event for number, (now, command) in enumerate(commands, 1) for event in undisturbed.apply(number, now, [command])
    ]
    assert answer.split() == ["done", undisturbed.digest()]
    assert [(batch.time, command) for batch in read_commands(tmp_path / "venue") for command in batch.commands] == commands
    written_events = [
        event
        for _, _, payload in records(tmp_path / "venue" / "events")
        for event in msgspec.msgpack.decode(payload, type=EventBatch).events
    ]
    assert written_events == events


def replay_from_nothing(data: Path) -> Engine:
    engine = Engine()
    for batch in read_commands(data):
        engine.apply(batch.first_seq, batch.time, batch.commands)
    return engine


def test_the_copy_that_writes_a_snapshot_does_not_hold_the_venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """When its parent is killed, the next exchange starts at once."""
    started, release = os.pipe()
    monkeypatch.setattr(sequencing, "write_snapshot", lambda *_: signal.pause())
    sequencer = opened(tmp_path)
    sequencer.submit([DefineAccount("ann", "ann")])
    sequencer.receive()
    sequencer.begin_snapshot()
    child = sequencer._snapshot_process
    os.close(release)
    assert os.read(started, 1) == b"", "the copy has no descriptor of its parent"
    # What a kill of the parent does: its descriptors are closed, nothing else.
    sequencer._snapshot_process = 0
    sequencer.close()
    opened(tmp_path).close()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(started)
