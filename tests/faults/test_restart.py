"""What the exchange makes of the files it finds at a start: numbers go on, reports are not lost, damage is refused by name."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from matching.recordlog import HEADER_BYTES, LogReader, segments
from matching.sequencer import Sequencer
from matching.snapshot import snapshots
from tests.faults.by_hand import answer_resend, back, everything
from tests.faults.checks import events_of
from tests.light import light_venue
from tests.venue import Client, Ended, Message, Venue, cancel, order, wait_for

ONE = {"TRADER1": {"cash": "1_000_000", "holdings": {"AAPL": "1_000"}}, "TRADER2": {"cash": "1_000_000"}}
SKIP_AHEAD = 1_000_000


def small(directory: Path, **settings: object) -> Venue:
    return light_venue(directory, participants=ONE, **settings)


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    with small(tmp_path) as venue:
        yield venue


def enter(client: Client, cl_ord_id: str, **terms: object) -> Message:
    client.send("D", order(cl_ord_id, **terms))  # type: ignore[arg-type]
    return client.expect("8", f"11={cl_ord_id}|39=0")


def noted(client: Client) -> None:
    """What the client has seen is in the venue's files: a report may leave a moment before, a later answer may not."""
    client.send("1", "112=noted|")
    client.expect("0", "112=noted")


def reports_in(messages: list[Message]) -> list[str]:
    """ClOrdID, ExecType and marks of the ExecutionReports that are no answer to a question."""
    return [
        f"{message[11]} {message[150]}" + " dup" * (message.get(43) == "Y") + " again" * (message.get(97) == "Y")
        for message in messages
        if message.type == "8" and message[150] != "I"
    ]


def last_record(log: Path) -> tuple[Path, int, int]:
    """The last segment of a log, and where its last record begins and ends."""
    first, path = segments(log)[-1]
    reader = LogReader(log, first)
    begin = end = 8
    for _, _, payload in reader.read():
        begin, end = end, end + HEADER_BYTES + len(payload)
    reader.close()
    return path, begin, end


def cut_records(log: Path, count: int) -> None:
    """Remove the last records of a log."""
    for _ in range(count):
        path, begin, _ = last_record(log)
        cut(path, begin)


def cut(path: Path, size: int) -> None:
    os.truncate(path, size)


def refused(venue: Venue) -> str:
    """The one line with which a start is refused, exit code 1."""
    venue.launch()
    lines = len(venue.said().splitlines())
    code = venue.processes.pop("exchange").wait(20)
    said = [line for line in venue.said().splitlines()[lines:] if " ERROR " in line or "Traceback" in line]
    assert code == 1
    assert len(said) == 1, venue.said()
    assert "Traceback" not in said[0]
    return said[0]


# ------------------------------------------------------------------------------------------------- numbers


def test_after_a_clean_restart_numbers_go_on_and_missed_reports_are_there(venue: Venue) -> None:
    maker, taker = venue.client("TRADER1").logon(), venue.client("TRADER2").logon()
    enter(maker, "M1", side="2", price="101.00")
    maker.logout()
    taker.send("D", order("T1", side="1", price="101.00"))
    taker.expect("8", "11=T1|150=0")
    taker.expect("8", "11=T1|150=F")
    numbers = maker.next_out, maker.next_in
    taker.close()
    venue.restart()
    assert (maker.next_out, maker.next_in) == numbers
    # The fill was sent, under a number, while nobody was there: Logon shows the gap.
    answer = back(maker).receive()
    assert (answer.type, answer.number) == ("A", maker.next_in + 1)
    maker.send("2", f"7={maker.next_in}|16=0|")
    fill = maker.expect("8", "11=M1|150=F|39=2|43=Y")
    assert fill.number == numbers[1]
    maker.expect("4", "123=Y")
    assert reports_in(everything(back(taker))) == []
    enter(maker, "M2")


def test_numbers_and_reports_of_every_session_survive_kills(venue: Venue) -> None:
    client = venue.client().logon()
    for number in range(3):
        enter(client, f"A{number}")
        noted(client)
        venue.restart(how=signal.SIGKILL)
        assert reports_in(everything(back(client))) == []
    client.send("2", "7=1|16=0|")
    again = client.drain(lambda message: message.number == client.next_in - 1)
    assert reports_in(again) == ["A0 0 dup", "A1 0 dup", "A2 0 dup"]


@pytest.mark.parametrize("where", ["header", "payload", "all but a byte"])
def test_a_torn_session_log_is_cut_and_numbers_skip_ahead(venue: Venue, where: str) -> None:
    client, idle = venue.client("TRADER1").logon(), venue.client("TRADER2").logon()
    enter(client, "A1")
    enter(client, "A2")
    noted(client)
    venue.kill()
    path, begin, end = last_record(venue.data / "sessions")
    cut(path, {"header": begin + 5, "payload": begin + HEADER_BYTES + 9, "all but a byte": end - 1}[where])
    venue.start()
    assert "the session log's last record was incomplete" in venue.said()
    assert f"sequence numbers skip ahead by {SKIP_AHEAD:,}" in venue.said()
    # A second loss right away must not forget it.
    venue.restart(how=signal.SIGKILL)
    expected = client.next_in
    messages = everything(back(client))
    assert messages[0].type == "A" and messages[0].number >= expected + SKIP_AHEAD - 1
    assert all(report.endswith(("dup", "again")) for report in reports_in(messages)), "he has seen them"
    assert everything(back(idle))[0].number >= SKIP_AHEAD
    enter(client, "A3")
    enter(idle, "B1")


def test_a_lost_session_log_goes_on_from_the_clients_numbers(venue: Venue) -> None:
    client, idle = venue.client("TRADER1").logon(), venue.client("TRADER2").logon()
    first = enter(client, "A1")
    venue.kill()
    shutil.rmtree(venue.data / "sessions")
    venue.start()
    assert "the session log is missing: sequence numbers go on from the clients' next Logons" in venue.said()
    venue.restart(how=signal.SIGKILL)  # before anybody has logged on: it is still so
    messages = everything(back(client))
    assert [message.type for message in messages if message.type in "25"] == []  # nothing is asked of him, he may stay
    assert reports_in(messages) == ["A1 0 dup again"]
    assert [message[17] for message in messages if message.get(97) == "Y"] == [first[17]]
    venue.restart(how=signal.SIGKILL)
    assert [message.type for message in everything(back(idle)) if message.type in "25"] == []
    enter(idle, "B1")


def test_a_session_log_older_than_the_journal(venue: Venue) -> None:
    """As a copy that was put back: what it does not know is told again, and the client's newer numbers are asked for."""
    client = venue.client().logon()
    reports = [enter(client, "A1")]
    client.close()
    assert venue.end() == 0
    shutil.copytree(venue.data / "sessions", venue.directory / "older")
    venue.start()
    everything(back(client))
    reports += [enter(client, f"A{number}") for number in (2, 3)]
    noted(client)
    venue.kill()
    shutil.rmtree(venue.data / "sessions")
    shutil.copytree(venue.directory / "older", venue.data / "sessions")
    venue.start()
    assert f"skip ahead by {SKIP_AHEAD:,}" in venue.said()
    messages = everything(back(client))
    assert reports_in(messages) == ["A2 0 dup again", "A3 0 dup again"]
    assert [message[17] for message in messages if message.get(97) == "Y"] == [report[17] for report in reports[1:]]
    client.send("D", order("A4"))
    answers = client.drain(lambda message: message.get(11) == "A4")
    stated = {message[11] for message in messages + answers if message.get(150) == "I"}
    assert {"A2", "A3"} <= stated, "what he sent again is answered by its state"
    client.close()
    assert venue.end() == 0
    accepted = [event.cl_ord_id for event in events_of(venue.data) if hasattr(event, "cl_ord_id")]
    assert accepted == ["A1", "A2", "A3", "A4"], "what the client sent again made no second order"


def test_a_loss_of_power_takes_what_was_not_synced(tmp_path: Path) -> None:
    """The journal has it all; of the event log and the session log the end is missing, though clients saw it."""
    with small(tmp_path, exchange={"durability": "fsync", "port": 0, "metrics_port": 0}) as venue:
        client = venue.client("TRADER1").logon()
        reports = []
        for number in range(4):
            reports.append(enter(client, f"A{number}"))
            noted(client)
        late = venue.client("TRADER2").logon()  # of whom the session log will know nothing
        venue.kill()
        cut_records(venue.data / "events", 2)
        cut_records(venue.data / "sessions", 6)
        venue.program = ["-m", "tests.faults.sabotage", "other-boot"]
        venue.start()
        assert f"sequence numbers skip ahead by {SKIP_AHEAD:,}" in venue.said()
        messages = everything(back(client))
        again = [message for message in messages if message.get(97) == "Y"]
        assert 2 <= len(again) <= 4
        assert [message[17] for message in again] == [report[17] for report in reports[-len(again) :]]
        assert everything(back(late))[0].number > SKIP_AHEAD
        enter(late, "B1")
        assert venue.command("journal", "verify", "--data", str(venue.data)).returncode == 0
        # After an orderly stop, nothing can be missing.
        client.close()
        late.close()
        assert venue.end() == 0
        skips = venue.said().count("skip ahead")
        venue.start()
        assert venue.said().count("skip ahead") == skips


# ------------------------------------------------------------------------------------------ journal, events


def written(directory: Path) -> Venue:
    """A venue that was killed, whose last order is journaled and neither reported nor in the event log: as a crash leaves it."""
    venue = small(directory)
    venue.program = ["-m", "tests.faults.sabotage", "before-apply"]
    venue.start()
    client = venue.client().logon()
    for cl_ord_id in ("A1", "A2"):
        enter(client, cl_ord_id)
    noted(client)
    client.send("D", order("LAST"))
    client.expect_end()
    venue.processes.pop("exchange").wait(10)
    venue.program = ["-m", "fixserver.cli"]
    return venue


def test_a_torn_journal_loses_its_last_record_and_nothing_else(tmp_path: Path) -> None:
    venue = written(tmp_path / "venue")
    path, begin, end = last_record(venue.data / "journal")
    for size in range(begin + 1, end):  # every byte: the core alone
        copy = tmp_path / f"cut-{size}"
        copy.mkdir()
        for name in ("journal", "events"):
            shutil.copytree(venue.data / name, copy / name)
        cut(copy / "journal" / path.name, size)
        core = Sequencer(copy)
        for _ in core.recover():
            pass
        assert [state.cl_ord_id for state in core.engine.open_orders()] == ["A1", "A2"]
        assert len(core.warnings) == 1 and f"{size - begin} bytes were cut" in core.warnings[0]
        core.close()
        shutil.rmtree(copy)
    client = venue.clients[0]
    cut(path, end - 1)
    with venue:
        assert f"the journal's last record was incomplete; {end - 1 - begin} bytes were cut" in venue.said()
        reports = reports_in(everything(back(client)))  # the client sends LAST again, since its number was not taken
        assert reports == ["LAST 0"]


def test_a_journal_that_lost_what_was_reported_is_refused(tmp_path: Path) -> None:
    venue = written(tmp_path)
    client = venue.clients[0]
    with venue:
        assert reports_in(everything(back(client))) == ["LAST 0 dup again"]
        enter(client, "A3")
        client.close()
        assert venue.end() == 0
        shutil.rmtree(venue.data / "snapshots")
        path, begin, _ = last_record(venue.data / "journal")
        cut(path, begin)
        line = refused(venue)
        assert f"{venue.data / 'events'}: goes on to event" in line
        assert f"run: fixserver journal forget --data {venue.data}" in line
        # The event log lost as much, but the clients know more.
        events, begin, _ = last_record(venue.data / "events")
        cut(events, begin)
        line = refused(venue)
        assert f"{venue.data / 'sessions'}: events up to" in line
        assert f"run: fixserver journal forget --data {venue.data}" in line

        forgot = venue.command("journal", "forget", "--yes", "--data", str(venue.data))
        assert forgot.returncode == 0, forgot.stderr
        venue.start()
        assert reports_in(everything(back(client))) == ["A1 0 dup again", "A2 0 dup again", "LAST 0 dup again"]
        client.send("H", "11=A3|55=AAPL|54=1|")
        assert client.drain(lambda message: message.get(11) == "A3")[-1].has("150=I|39=8")
        assert venue.command("journal", "verify", "--data", str(venue.data)).returncode == 0


def test_a_flipped_bit_is_refused_by_name(tmp_path: Path) -> None:
    venue = small(tmp_path)
    with venue:
        client = venue.client().logon()
        for number in range(3):
            enter(client, f"A{number}")
        client.close()
        assert venue.end() == 0
        shutil.rmtree(venue.data / "snapshots")
        for name in ("journal", "events", "sessions"):
            path = segments(venue.data / name)[-1][1]
            whole = path.read_bytes()
            middle = whole.index(b"A1") + 1
            path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1 :])
            line = refused(venue)
            assert f"{path}: damaged at offset " in line and "the checksum does not match" in line
            path.write_bytes(whole)
        venue.start()


def test_a_damaged_snapshot_is_left_aside(venue: Venue) -> None:
    client = venue.client().logon()
    enter(client, "A1")
    client.close()
    assert venue.end() == 0
    _, path = snapshots(venue.data / "snapshots")[-1]
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    venue.start()
    assert f"{path}: the checksum does not match; an older one or the whole journal is used instead" in venue.said()
    everything(back(client))
    client.send("F", cancel("C1", "A1"))
    client.expect("8", "11=C1|41=A1|39=4")


# ------------------------------------------------------------------------------------------------ processes


def test_a_second_exchange_on_the_same_files_is_refused(venue: Venue) -> None:
    client = venue.client().logon()
    second = venue.command("exchange", "--config", str(venue.config), "--data", str(venue.data))
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert f"{venue.data}: another process has this venue open" in second.stderr
    enter(client, "A1")


def test_a_process_that_stood_still_goes_on(venue: Venue) -> None:
    patient, hasty = venue.client("TRADER1").logon(30), venue.client("TRADER2").logon(1)
    process = venue.processes["exchange"]
    process.send_signal(signal.SIGSTOP)
    patient.send("D", order("A1"))
    time.sleep(3)  # longer than a session with HeartBtInt 1 may be silent
    process.send_signal(signal.SIGCONT)
    patient.expect("8", "11=A1|39=0")
    # The other one was not heard for too long; whatever became of it, it can come back.
    hasty.close()
    wait_for(lambda: reports_in(everything(back(hasty))) == [], "the session is there again")
    enter(hasty, "B1")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that is full soon."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=768k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("a small file system cannot be mounted here; test_crash_points has the same by injection")
    yield disk
    # Lazily: a process that a failed test left behind must not keep it.
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@contextlib.contextmanager
def filled(disk: Path) -> Iterator[None]:
    """What a start frees on this disk, as by cutting a torn record, is taken by others at once."""
    stopping = threading.Event()

    def fill() -> None:
        with (disk / "of-others").open("wb", buffering=0) as file:
            while not stopping.is_set():
                try:
                    file.write(bytes(4096))
                except OSError:
                    stopping.wait(0.0005)

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def test_a_full_disk_stops_the_exchange_and_loses_nothing(tmp_path: Path, small_disk: Path) -> None:
    venue = light_venue(tmp_path, participants={"TRADER1": {"cash": "1_000_000_000"}})
    venue.data = small_disk
    with venue:
        client = venue.client().logon()
        sent, acknowledged = 0, []
        try:
            while sent < 20_000:
                for _ in range(20):
                    sent += 1
                    client.send("D", order(f"A{sent}", quantity=1))
                while len(acknowledged) < sent:
                    acknowledged.append(client.receive()[11])
        except Ended:
            pass
        code = venue.processes.pop("exchange").wait(10)
        lines = [line for line in venue.said().splitlines() if "INFO" not in line]
        assert (code, len(lines)) == (1, 1)
        assert "stopped, because storage failed" in lines[0] and f"No space left on device: '{small_disk}/" in lines[0]
        assert 100 < len(acknowledged) <= sent < 20_000
        with filled(small_disk):
            assert "cannot start, because storage fails: [Errno 28] No space left on device" in refused(venue)
        subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
        venue.start()
        everything(back(client))
        client.close()
        assert venue.end() == 0
        entered = [event.cl_ord_id for event in events_of(small_disk) if hasattr(event, "cl_ord_id")]
        assert len(entered) == len(set(entered))
        assert set(acknowledged) <= set(entered)


def test_a_full_disk_stops_the_feed_with_a_line(tmp_path: Path, small_disk: Path) -> None:
    """It writes little: how far its sessions are."""
    venue = light_venue(tmp_path)
    venue.data = small_disk
    with venue:
        venue.start("marketdata")
        follower = Client(lambda: venue.ports("marketdata")["fix"], target="FIXSERVER-MD")
        venue.clients.append(follower.logon())
        with filled(small_disk):
            with contextlib.suppress(Ended):
                for number in range(1_000):
                    follower.send("1", f"112=T{number}|")
                    follower.receive()
            assert venue.processes.pop("marketdata").wait(10) == 1
        follower.close()
        said = [line for line in venue.said("marketdata").splitlines() if "CRITICAL" in line or "Traceback" in line]
        assert len(said) == 1 and said[0].endswith(
            f"stopped, because storage failed: [Errno 28] No space left on device: '{small_disk}/marketdata/sessions'"
        )
        (small_disk / "of-others").unlink()
        venue.start("marketdata")
        follower.logon()


def test_answers_fill_the_venues_gap(venue: Venue) -> None:
    """The venue lost what it had received, not what it had done: orders that come again open nothing new."""
    client = venue.client().logon()
    enter(client, "A1")
    client.next_out += 2  # as if two messages had been lost on the way
    client.sent[client.next_out - 2] = "D", order("A1").replace("|", "\x01").encode(), "20200101-00:00:00"
    client.send("D", order("A2"))
    request = client.expect("2")
    answer_resend(client, request)
    assert client.expect("8", "150=I|11=A1")[39] == "0"
    client.expect("8", "11=A2|39=0")
