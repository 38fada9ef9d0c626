"""Archiving: old segments go away compressed, never unread, never where somebody needs them, and are found again by who does."""

import gzip
import shutil
from pathlib import Path

import pytest

from clearing.database import open_database
from clearing.ledger import Ledger
from fixserver import archive, backup, cli
from fixserver import config as configuration_of
from fixserver.archive import put_away
from fixserver.manifest import Refused
from fixserver.sessionlog import SessionLog
from following.database import sqlite_url
from following.eventlog import EventLog
from following.follower import EVENTS_PER_COMMIT_MAX
from marketdata.feed import Feed
from marketdata.history.database import open_database as open_history
from marketdata.history.writer import History
from matching.logarchive import archive_of, archived_in
from matching.recordlog import LogDamaged, LogMissing, LogReader, segments
from matching.sequencer import Sequencer, replay
from tests.clearing.venue import definitions, trading
from tests.matching.venues import Clock, feed, opened
from tests.venue import configuration

SEGMENT_BYTES = 8_192
COMMANDS = 4_000


class Site:
    """A venue whose log has many small segments, with a ledger, a history and a feed that have read it all."""

    def __init__(self, directory: Path, *, follow: bool = True) -> None:
        self.data, self.archive = directory / "data", directory / "archive"
        self.file = directory / "venue.toml"
        self.file.write_text(configuration())
        self.config = configuration_of.load(self.file)
        clock = Clock()
        sequencer = Sequencer(self.data, "os", clock, SEGMENT_BYTES)
        for _ in sequencer.recover():
            pass
        commands = [(clock.now + number, command) for number, command in enumerate(definitions() + trading(1, COMMANDS))]
        commands = commands[:COMMANDS]
        self.snapshots = []
        for start in range(0, COMMANDS, COMMANDS // 4):
            feed(sequencer, clock, commands[start : start + COMMANDS // 4])
            if start:
                self.snapshots.append(sequencer.engine.command_seq)
                if len(self.snapshots) < 3:
                    sequencer.snapshot()
        self.digest = sequencer.engine.digest()
        sequencer.close()
        if follow:
            self.follow()

    def follow(self) -> None:
        """Let ledger, history and feed read to the end of the log."""
        for writer in (Ledger(open_database(sqlite_url(self.data / "ledger.sqlite"))),
                       History(open_history(sqlite_url(self.data / "market_data.sqlite")))):  # fmt: skip
            log = EventLog(self.data / "events", writer.load().event_seq + 1)
            while records := log.read(EVENTS_PER_COMMIT_MAX):
                writer.post(records)
            log.close()
            writer.close()
            writer.engine.dispose()
        watching = Feed(self.data)
        watching.catch_up()
        (self.data / "marketdata").mkdir(exist_ok=True)
        watching.save_checkpoint()
        watching.close()

    def put_away(self, **more: int) -> list[archive.Put]:
        return put_away(self.config, self.data, self.archive, **more)

    def records(self, name: str) -> list[tuple[int, int, bytes]]:
        reader = LogReader(self.data / name)
        try:
            return list(reader.read())
        finally:
            reader.close()

    def files(self) -> dict[str, list[str]]:
        return {name: [path.name for _, path in segments(self.data / name)] for name in ("journal", "events")}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    Site(directory)
    return directory


@pytest.fixture
def site(made: Path, tmp_path: Path) -> Site:
    """A copy of it: each test has its own."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    found = object.__new__(Site)
    found.data, found.archive, found.file = tmp_path / "data", tmp_path / "archive", tmp_path / "venue.toml"
    found.config = configuration_of.load(found.file)
    found.digest = replay(found.data).digest()
    return found


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main(list(arguments))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_what_is_put_away_reads_as_before_and_the_rest_is_left(site: Site):
    before = {name: site.records(name) for name in ("journal", "events")}
    there = site.files()
    done = site.put_away()
    assert {put.log for put in done} == {"journal", "events"}
    assert all(put.compressed < put.bytes for put in done)
    oldest = min(int(path.stem) for path in (site.data / "snapshots").iterdir())
    for name in ("journal", "events"):
        gone = [put.path.name for put in done if put.log == name]
        assert there[name] == gone + site.files()[name]
        assert [path.name for _, path in archived_in(site.archive / name)] == [f"{file}.gz" for file in gone]
        assert archive_of(site.data / name) == site.archive / name
        assert site.records(name) == before[name]
    # All that is behind the older snapshot is there, and the segment in which it stands.
    first = [int(name.removesuffix(".log")) for name in site.files()["journal"]]
    assert first[0] <= oldest + 1 < first[1]
    assert replay(site.data).digest() == site.digest
    assert site.put_away() == []


def test_a_venue_recovers_with_and_without_its_snapshots(site: Site):
    site.put_away()
    again = opened(site.data)
    assert (again.engine.digest(), again.warnings) == (site.digest, [])
    again.close()
    shutil.rmtree(site.data / "snapshots")
    again = opened(site.data)
    assert again.engine.digest() == site.digest
    again.close()


def test_a_ledger_is_rebuilt_from_the_archive(site: Site, capsys: pytest.CaptureFixture[str]):
    site.put_away()
    arguments = ("--config", str(site.file), "--data", str(site.data))
    balances = command(capsys, "ledger", "balances", *arguments)
    assert command(capsys, "ledger", "rebuild", *arguments)[0] == 0
    assert command(capsys, "ledger", "balances", *arguments) == balances
    code, said, _ = command(capsys, "ledger", "check", *arguments)
    assert code == 0 and "those of the engine" in said


@pytest.mark.parametrize("records", [1, 50, 200])
def test_a_reader_in_the_middle_of_what_goes_reads_on(records: int, site: Site):
    due = site.records("events")
    reader = LogReader(site.data / "events")
    found = list(reader.read(records))
    site.put_away()
    found += reader.read()
    reader.close()
    assert found == due


def test_verify_reads_both(site: Site, capsys: pytest.CaptureFixture[str]):
    done = site.put_away()
    code, said, _ = command(capsys, "journal", "verify", "--archive", "--data", str(site.data))
    assert code == 0
    count = sum(1 for put in done if put.log == "journal")
    assert f"archive    {count} segments of journal in {site.archive / 'journal'}" in said
    assert f"journal    {COMMANDS:,} commands" in said
    assert site.digest in said
    code, said, _ = command(capsys, "journal", "verify", "--data", str(site.data))
    assert code == 0
    assert "is not looked at without --archive" in said and site.digest in said
    code, said, _ = command(capsys, "journal", "digest", "--at-command", "100", "--archive", "--data", str(site.data))
    assert code == 0 and said.startswith("command 100 ")
    code, _, said = command(capsys, "journal", "digest", "--at-command", "100", "--data", str(site.data))
    assert code == 1 and said.endswith(f"were archived to {site.archive / 'journal'}: --archive reads them too\n")
    code, said, _ = command(capsys, "journal", "dump", "--to", "1", "--archive", "--data", str(site.data))
    assert code == 0 and said.count("\n") == 1


def test_an_archive_that_is_away_is_named(site: Site, capsys: pytest.CaptureFixture[str]):
    site.put_away()
    away = site.archive.rename(site.archive.with_name("on-a-tape"))
    begins = segments(site.data / "events")[0][0]
    said = (
        f"{site.data / 'events'}: begins at number {begins}, 1 was asked for: what was before was archived to"
        f" {site.archive / 'events'}, which is not there. Mount it, or put it back; where it is elsewhere now, say so: fixserver"
        f" journal archive --data {site.data} --to THERE"
    )
    with pytest.raises(LogMissing) as missing:
        site.records("events")
    assert str(missing.value) == said
    arguments = ("--config", str(site.file), "--data", str(site.data))
    assert command(capsys, "ledger", "rebuild", *arguments) == (1, "", said + "\n")
    # The venue itself goes on without it, and finds it where one says that it is.
    opened(site.data).close()
    code, said, _ = command(capsys, "journal", "archive", *arguments, "--to", str(away))
    assert code == 0 and said.startswith("nothing can be archived yet\n")
    assert archive_of(site.data / "events") == away / "events"
    assert command(capsys, "ledger", "rebuild", *arguments)[0] == 0


def test_another_place_is_refused_while_the_rest_is_elsewhere(site: Site, tmp_path: Path):
    site.put_away()
    with pytest.raises(Refused, match=r"what was archived before is not here\. It is in .*archive/journal: archive to there"):
        put_away(site.config, site.data, tmp_path / "other")


@pytest.mark.parametrize("reader", ["ledger.sqlite", "market_data.sqlite", "marketdata/checkpoint"])
def test_what_somebody_has_not_read_stays(reader: str, site: Site):
    (site.data / reader).unlink()
    done = site.put_away()
    assert {put.log for put in done} == {"journal"}
    assert site.files()["events"][0] == f"{1:020d}.log"


def test_what_was_written_of_late_stays(site: Site):
    assert site.put_away(keep_days=1) == []
    assert site.put_away() != []


def test_without_two_good_snapshots_nothing_goes(site: Site):
    before = site.files()
    older, newer = sorted((site.data / "snapshots").iterdir())
    content = older.read_bytes()
    older.write_bytes(content[:-1] + b"\0")
    with pytest.raises(Refused, match="Nothing is archived until two good snapshots are there"):
        site.put_away()
    older.unlink()
    with pytest.raises(Refused, match="there is one: `fixserver admin snapshot` has one written"):
        site.put_away()
    assert site.files() == before
    assert newer.exists()


def test_while_reports_are_due_again_nothing_goes(site: Site):
    """A start begins at a snapshot before them."""
    sessions = SessionLog(site.data / "sessions")
    sessions.write(10, [])
    sessions.close()
    with pytest.raises(Refused, match="may have to make reports again from event 11 on"):
        site.put_away()


def test_an_interrupted_archiving_is_gone_on_with(site: Site, monkeypatch: pytest.MonkeyPatch):
    """At the worst moment: what is compressed has its name, and the original is still there."""
    before = {name: site.records(name) for name in ("journal", "events")}
    unlink = Path.unlink

    def fail(path: Path, missing_ok: bool = False) -> None:
        if path.parent.name == "journal":
            raise OSError("interrupted")
        unlink(path, missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", fail)
        with pytest.raises(OSError, match="interrupted"):
            site.put_away()
    assert site.records("journal") == before["journal"]
    assert site.put_away() != []
    assert {name: site.records(name) for name in before} == before


def test_what_cannot_be_read_back_is_not_removed(site: Site, monkeypatch: pytest.MonkeyPatch):
    before = site.files()

    def torn(*arguments: object) -> None:
        """A disk that takes half."""

    monkeypatch.setattr(archive.shutil, "copyfileobj", torn)
    with pytest.raises(Refused, match="stays where it is"):
        site.put_away()
    assert site.files() == before


def test_another_venues_archive_is_not_taken_for_ones_own(site: Site):
    place = site.archive / "journal"
    place.mkdir(parents=True)
    with gzip.open(place / f"{1:020d}.log.gz", "wb") as file:
        file.write(segments(site.data / "events")[0][1].read_bytes())
    before = site.files()
    with pytest.raises(Refused, match="stays where it is"):
        site.put_away()
    assert site.files() == before


def test_damage_in_the_archive_is_named(site: Site):
    site.put_away()
    path = archived_in(site.archive / "journal")[1][1]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(LogDamaged, match=path.name):
        site.records("journal")
    archived_in(site.archive / "journal")[1][1].unlink()
    with pytest.raises(LogMissing, match=r"this segment is missing.*Put it back from a copy"):
        site.records("journal")


def test_a_backup_has_the_archive_or_says_where_it_is(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    site.put_away()
    code, _, said = command(
        capsys, "backup", "--config", str(site.file), "--data", str(site.data), "--to", str(tmp_path / "b1"), "--with-archive"
    )
    assert code == 0, said
    manifest = backup.take(site.config, site.data, tmp_path / "b2")
    assert manifest.archives == {name: str(site.archive / name) for name in ("journal", "events")}
    for name in ("b1", "b2"):
        code, _, said = command(capsys, "restore", "--from", str(tmp_path / name), "--data", str(tmp_path / f"r-{name}"))
        assert code == 0, said
    shutil.rmtree(site.archive)
    assert command(capsys, "journal", "verify", "--archive", "--data", str(tmp_path / "r-b1"))[0] == 0
    code, _, said = command(capsys, "journal", "verify", "--archive", "--data", str(tmp_path / "r-b2"))
    assert code == 1 and f"archived to {site.archive / 'journal'}, which is not there" in said
