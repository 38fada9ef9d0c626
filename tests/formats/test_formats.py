"""Formats: what every version before this one wrote is read, what a newer one wrote is refused by name, and nothing is misread."""

import itertools
import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from clearing.database import open_database
from clearing.ledger import Ledger
from fixserver import cli
from fixserver.sessionlog import SessionLog
from following.database import sqlite_url
from following.eventlog import EventLog
from following.follower import EVENTS_PER_COMMIT_MAX
from marketdata import checkpoint
from marketdata.history.database import open_database as open_history
from marketdata.history.writer import History
from matching import formats, recordlog, snapshot
from matching.engine import Engine
from matching.messages import Command, Deposit, Event
from matching.recordlog import LogDamaged, LogNewer, LogReader, LogWriter, segments
from matching.sequencer import Sequencer, read_commands, replay
from tests.formats import make
from tests.formats.make import HERE, TRIAL_BALANCE
from tests.light import light_venue
from tests.matching.venues import opened, written
from tests.venue import order

KEPT = sorted(
    (path.name.removesuffix("-records.json") for path in HERE.glob("*-records.json")),
    key=lambda version: tuple(map(int, version.split("."))),
)
_decode = msgspec.msgpack.decode


def unpacked(name: str, directory: Path) -> tuple[Path, dict[str, Any]]:
    """A data directory of an earlier version, and what there is to be found in it."""
    data = directory / "data"
    with tarfile.open(HERE / f"{name}.tar.xz") as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # which the earliest Pythons 3.11 do not have
        archive.extractall(data)
    return data, json.loads((HERE / f"{name}.json").read_text())


def stands(engine: Engine, version: str) -> dict[str, Any]:
    """As it was written down by that version."""
    found = make.stands(engine)
    return found if version == formats.VERSION else {key: value for key, value in found.items() if key != "digest"}


def journal(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = cli.main(["journal", *arguments])
    said = capsys.readouterr()
    return code, said.out + said.err


# ------------------------------------------------------------------------------------- what older ones wrote


def test_what_the_records_look_like_is_kept_for_this_version():
    """Who adds a kind of record or a field raises MINOR in matching/formats.py, which says when MAJOR, and then runs
    `python -m tests.formats.make`: an older program must not read what it does not know."""
    kept = HERE / f"{formats.VERSION}-records.json"
    assert kept.exists(), f"format {formats.VERSION} has nothing in {HERE.name}: run python -m tests.formats.make"
    assert make.records() == json.loads(kept.read_text()), "the records have changed: see matching/formats.py"


def test_a_minor_version_adds_and_takes_nothing_away():
    for older, newer in itertools.pairwise(KEPT):
        if older.partition(".")[0] != newer.partition(".")[0]:
            continue
        before, after = (json.loads((HERE / f"{version}-records.json").read_text()) for version in (older, newer))
        for name, record in before.items():
            fields, now = record["fields"], after[name]["fields"]
            assert after[name]["tag"] == record["tag"]
            assert [field[0] for field in now[: len(fields)]] == [field[0] for field in fields], name
            assert all(has_default for _, _, has_default in now[len(fields) :]), name


@pytest.mark.parametrize("version", KEPT)
@pytest.mark.parametrize("kept", ["venue", "kinds"])
def test_a_data_directory_of_an_earlier_version_is_recovered(
    version: str, kept: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    data, expected = unpacked(f"{version}-{kept}", tmp_path)
    head = {key: expected[key] for key in stands(Engine(), version)}
    before = {path: path.read_bytes() for name in ("journal", "events") for _, path in segments(data / name)}
    assert stands(replay(data), version) == head
    shutil.rmtree(data / "snapshots")
    assert stands(replay(data), version) == head
    code, said = journal(capsys, "verify", "--data", str(data))
    assert code == 0, said
    assert f"command {head['command_seq']} event {head['event_seq']} digest {head.get('digest', '')}" in said
    # It is opened and gone on with; what was there stays as it was, and what comes says its version.
    sequencer = opened(data)
    assert sequencer.warnings == []
    assert stands(sequencer.engine, version) == head
    account = next(iter(sequencer.engine.accounts))
    sequencer.submit([Deposit(account, "USD", "1")])
    sequencer.receive()
    sequencer.close()
    assert all(path.read_bytes().startswith(content) for path, content in before.items())
    for name, kind in (("journal", formats.JOURNAL), ("events", formats.EVENT_LOG)):
        assert segments(data / name)[-1][1].read_bytes().startswith(formats.header(kind))
    assert opened_at(data) == (head["command_seq"] + 1, sequencer.engine.digest())


def opened_at(data: Path) -> tuple[int, str]:
    sequencer = opened(data)
    engine = sequencer.engine
    sequencer.close()
    return engine.command_seq, engine.digest()


@pytest.mark.parametrize("version", KEPT)
def test_every_kind_of_record_is_read(version: str, tmp_path: Path):
    data, expected = unpacked(f"{version}-kinds", tmp_path)
    told = {type(command).__name__ for batch in read_commands(data) for command in batch.commands}
    log = EventLog(data / "events", 1)
    while records := log.read(EVENTS_PER_COMMIT_MAX):
        told |= {type(event).__name__ for record in records for event in record.batch.events}
    log.close()
    assert sorted(told) == expected["kinds"]
    if version == formats.VERSION:
        assert told == {kind.__name__ for union in (Command, Event) for kind in union.__args__}


@pytest.mark.parametrize("version", KEPT)
def test_sessions_ledger_history_and_feed_of_an_earlier_version_go_on(version: str, tmp_path: Path):
    data, expected = unpacked(f"{version}-venue", tmp_path)
    event_seq = expected["event_seq"]
    sessions = SessionLog(data / "sessions")
    found = sessions.recovered
    assert (found.reported_event, found.lost, found.closed) == (event_seq, False, False)
    # Of what the client sent the venue expects the next, and what it sent itself is there to be sent again.
    for name, (next_out, next_in) in expected["sessions"].items():
        assert found.numbers[name] == (next_out, next_in)
        assert [number for number, _ in sessions.messages(name, 2, next_in - 1)] == list(range(2, next_in))
    sessions.close()
    ledger = Ledger(open_database(sqlite_url(data / "ledger.sqlite")))
    assert ledger.load().event_seq == expected["ledger"]["event_seq"] == event_seq
    ledger.close()
    with ledger.engine.connect() as connection:
        assert [list(row) for row in connection.execute(text(TRIAL_BALANCE))] == expected["ledger"]["trial_balance"]
    ledger.engine.dispose()
    history = History(open_history(sqlite_url(data / "market_data.sqlite")))
    assert history.load().event_seq == event_seq
    history.close()
    history.engine.dispose()
    kept, origin = checkpoint.load(data / "marketdata", data / "events")
    if (data / "marketdata" / "checkpoint").read_bytes().startswith(checkpoint.MAGIC):
        assert "goes on at event" in origin
        assert kept.depth.cursor == event_seq
    else:  # what the feed keeps is made of the event log anew
        assert origin.endswith("checkpoint: is of another version, begins at event 1")


@pytest.mark.parametrize("version", KEPT)
def test_a_venue_of_an_earlier_version_trades_on(version: str, tmp_path: Path):
    data, expected = unpacked(f"{version}-venue", tmp_path)
    venue = light_venue(tmp_path, instruments={"AAPL": {}}, participants={"TRADER1": make.SMALL, "TRADER2": make.SMALL})
    assert venue.data == data
    with venue:
        venue.start("clearing")
        client = venue.client("TRADER1", "FIX.4.4")
        client.next_out, client.next_in = expected["sessions"]["TRADER1/FIX.4.4"]
        client.logon()
        client.send("D", order("NEW", "1", 10, "101.00"))
        # The sells at 100.10 to 100.18 are open still: his own orders, which are canceled before they trade with him.
        client.expect("8", "11=NEW|39=0")
        assert venue.metrics()["fixserver_journal_head"] > expected["command_seq"]


# --------------------------------------------------------------------------------------- what newer ones wrote


def newer(kind: formats.Format) -> bytes:
    return formats.header(kind._replace(minor=formats.MINOR + 1))


def relabel(path: Path, header: bytes) -> None:
    with path.open("r+b") as file:
        file.write(header)


@pytest.mark.parametrize(("name", "kind"), [("journal", formats.JOURNAL), ("events", formats.EVENT_LOG)])
def test_a_log_of_a_newer_version_is_refused_by_name_and_not_touched(
    name: str, kind: formats.Format, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    written(tmp_path)
    path = segments(tmp_path / name)[-1][1]
    relabel(path, newer(kind))
    before = path.read_bytes()
    said = (
        f"{path}: written by a newer version of fixserver, in format {formats.MAJOR}.{formats.MINOR + 1} of the {kind.name}; "
        f"this one reads formats up to {formats.VERSION}. Use the newer version; nothing is damaged"
    )
    with pytest.raises(LogNewer) as refused:
        Sequencer(tmp_path, "os")
    assert str(refused.value) == said
    for action in (["verify"], ["digest"], ["dump", *(["--events"] if name == "events" else [])], ["forget", "--yes"]):
        if action == ["digest"] and name == "events":
            continue
        assert journal(capsys, *action, "--data", str(tmp_path)) == (1, said + "\n")
    assert path.read_bytes() == before


def test_a_session_log_of_a_newer_version_is_refused_by_name(tmp_path: Path):
    SessionLog(tmp_path).close()
    relabel(segments(tmp_path)[-1][1], newer(formats.SESSION_LOG))
    with pytest.raises(LogNewer, match=r"newer version of fixserver, in format .* of the session log"):
        SessionLog(tmp_path)


def test_a_snapshot_of_a_newer_version_is_passed_over_with_a_warning(tmp_path: Path):
    digest, _ = written(tmp_path)
    sequencer = opened(tmp_path)
    path = sequencer.snapshot()
    sequencer.close()
    for _, other in snapshot.snapshots(tmp_path / "snapshots"):
        relabel(other, newer(formats.SNAPSHOT))
    with pytest.raises(snapshot.SnapshotNewer, match="newer version of fixserver"):
        snapshot.read_snapshot(path)
    again = opened(tmp_path)
    assert [warning.partition("newer version")[1] for warning in again.warnings] == ["newer version"]
    assert again.engine.digest() == digest
    again.close()


@pytest.mark.parametrize("name", ["journal", "events"])
def test_a_kind_of_record_that_is_not_known_is_of_a_newer_version_and_no_damage(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Also where a segment does not say its version."""
    digest, _ = written(tmp_path)
    log = LogWriter(tmp_path / name)
    number = log.next_number
    log.append(number, 1, msgspec.msgpack.encode([number, 1, [[999, "something new"]]]))
    log.close()
    said = f"the record of number {number} is whole, but none that this version of fixserver knows"
    if name == "journal":
        with pytest.raises(LogNewer, match=said):
            list(read_commands(tmp_path))
        with pytest.raises(LogNewer, match=said):
            opened(tmp_path)
        code, text = journal(capsys, "verify", "--data", str(tmp_path))
        assert code == 1
        assert said in text and "newer version" in text and "damaged at" not in text
    else:
        reading = EventLog(tmp_path / name, number)
        with pytest.raises(LogNewer, match=said):
            reading.read(1)
        reading.close()
    assert digest


def test_a_major_version_that_is_not_read_any_more_is_refused_by_name(tmp_path: Path):
    written(tmp_path)
    path = segments(tmp_path / "journal")[0][1]
    relabel(path, formats.header(formats.JOURNAL._replace(major=0, minor=7)))
    with pytest.raises(LogDamaged, match=r"it is in format 0\.7, which this version of fixserver no longer reads"):
        list(read_commands(tmp_path))


def test_a_segment_of_another_log_is_not_taken_for_one_of_this(tmp_path: Path):
    written(tmp_path)
    shutil.copy(segments(tmp_path / "events")[0][1], segments(tmp_path / "journal")[0][1])
    with pytest.raises(LogDamaged, match="it is of the event log, and one of the journal is due"):
        list(read_commands(tmp_path))


def test_an_unversioned_segment_is_read_and_not_written_to(tmp_path: Path):
    log = LogWriter(tmp_path)
    log.append(1, 2, b"before there were versions")
    log.close()
    before = segments(tmp_path)[0][1].read_bytes()
    assert before.startswith(recordlog.MAGIC)
    log = LogWriter(tmp_path, kind=formats.JOURNAL)
    log.append(3, 1, b"after")
    log.close()
    assert [first for first, _ in segments(tmp_path)] == [1, 3]
    assert segments(tmp_path)[0][1].read_bytes() == before
    reader = LogReader(tmp_path, 1, formats.JOURNAL)
    assert list(reader.read()) == [(1, 2, b"before there were versions"), (3, 1, b"after")]
    assert reader.format == formats.JOURNAL
    reader.close()


@pytest.mark.parametrize("content", [recordlog.MAGIC, recordlog.MAGIC[:3], b""])
def test_an_empty_segment_becomes_one_of_this_version(content: bytes, tmp_path: Path):
    (tmp_path / f"{1:020d}.log").write_bytes(content)
    log = LogWriter(tmp_path, kind=formats.JOURNAL)
    log.append(1, 1, b"first")
    log.close()
    assert [path.read_bytes()[: formats.HEADER_BYTES] for _, path in segments(tmp_path)] == [formats.header(formats.JOURNAL)]
    assert os.listdir(tmp_path) == [f"{1:020d}.log"]
