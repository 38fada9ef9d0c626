"""What is no whole backup is refused by name, and what would be overwritten too; a try that failed leaves nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fixserver import backup, cli
from fixserver import config as configuration_of
from fixserver.manifest import FILE, Refused
from fixserver.restore import WORK, put_back
from fixserver.sessionlog import SessionLog
from tests.formats.make import HERE
from tests.matching.venues import opened, written
from tests.venue import ROOT, configuration, wait_for


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a venue, its configuration, and a backup in either form."""
    directory = tmp_path_factory.mktemp("taken")
    with tarfile.open(HERE / "1.0-venue.tar.xz") as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # which the earliest Pythons 3.11 do not have
        archive.extractall(directory / "data")
    (directory / "venue.toml").write_text(configuration())
    config = configuration_of.load(directory / "venue.toml")
    backup.take(config, directory / "data", directory / "backup")
    backup.take(config, directory / "data", directory / "backup.tar")
    return directory


@pytest.fixture
def copy(taken: Path, tmp_path: Path) -> Path:
    """The backup, for a test to damage."""
    return Path(shutil.copytree(taken / "backup", tmp_path / "backup"))


def change(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def manifest_with(**changed: object) -> Callable[[Path], None]:
    def damage(copy: Path) -> None:
        manifest = json.loads((copy / FILE).read_text())
        (copy / FILE).write_text(json.dumps(manifest | changed))

    return damage


def first_balance(copy: Path) -> None:
    manifest = json.loads((copy / FILE).read_text())
    manifest["trial_balance"][0][3] = "-20001"
    (copy / FILE).write_text(json.dumps(manifest))


JOURNAL = f"journal/{1:020d}.log"
DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a byte changed": (lambda copy: change(copy / JOURNAL), f"{JOURNAL} is not what was written: the backup is damaged"),
    "a file cut off": (lambda copy: os.truncate(copy / JOURNAL, 100), f"{JOURNAL} has 100 bytes, and 3,417 are due"),
    "a file gone": (lambda copy: (copy / "ledger.sqlite").unlink(), "ledger.sqlite is missing: the backup is incomplete"),
    "no manifest": (lambda copy: (copy / FILE).unlink(), f"has no {FILE}: it is no backup, or one that did not end"),
    "half a manifest": (lambda copy: os.truncate(copy / FILE, 300), f"{FILE}: is damaged"),
    "of a newer version": (manifest_with(format=2), "a backup in format 2, by a newer version of fixserver"),
    "another digest": (manifest_with(digest="0" * 64), "recovered, the venue stands at command 42, event 52, digest "),
    "another command, by another version": (manifest_with(state_format="0.9", command_seq=43), "names command 43"),
    "another command": (manifest_with(command_seq=43), "names command 43"),
    "another balance": (first_balance, "the restored ledger has another trial balance than the backup names"),
    "a path that leads out": (manifest_with(files=[{"path": "../out", "bytes": 0, "sha256": ""}]), "is not below the backup"),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_what_is_no_whole_backup_is_refused_and_leaves_nothing(what: str, copy: Path, tmp_path: Path):
    damage, said = DAMAGES[what]
    damage(copy)
    with pytest.raises(Refused) as refused:
        put_back(copy, tmp_path / "data")
    assert said in str(refused.value)
    assert not (tmp_path / "data").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(Refused):
        put_back(copy, tmp_path / "empty")
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_digest_of_another_version_is_not_compared(copy: Path, tmp_path: Path):
    """Its state is written down in another way; events and ledger are what is compared."""
    manifest_with(state_format="0.9", digest="0" * 64)(copy)
    put_back(copy, tmp_path / "data")


def test_a_file_that_is_cut_off_is_refused(taken: Path, tmp_path: Path):
    content = (taken / "backup.tar").read_bytes()
    for size in (0, 700, len(content) // 2, len(content) - 20_000):
        (tmp_path / "cut.tar").write_bytes(content[:size])
        with pytest.raises(Refused, match=r"cut\.tar"):
            put_back(tmp_path / "cut.tar", tmp_path / "data")
        assert not (tmp_path / "data").exists()


def test_a_directory_that_is_not_empty_is_refused(taken: Path, tmp_path: Path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "something").touch()
    with pytest.raises(Refused, match=r"is not an empty directory\. A venue is restored into an empty one"):
        put_back(taken / "backup", data)
    assert [path.name for path in data.iterdir()] == ["something"]
    (data / "something").rename(data / WORK)
    with pytest.raises(Refused, match=f"{WORK} in it is what a restore left that did not end: remove it"):
        put_back(taken / "backup", data)


def test_a_backup_replaces_nothing(taken: Path, capsys: pytest.CaptureFixture[str]):
    arguments = ["backup", "--config", str(taken / "venue.toml"), "--data", str(taken / "data"), "--to"]
    for name in ("backup", "backup.tar", "venue.toml"):
        before = sorted(path.name for path in taken.iterdir())
        assert cli.main([*arguments, str(taken / name)]) == 1
        assert capsys.readouterr().err == f"{taken / name}: is there already. Name another place: a backup replaces nothing\n"
        assert sorted(path.name for path in taken.iterdir()) == before


def test_without_a_venue_there_is_nothing_to_back_up(taken: Path, tmp_path: Path):
    config = configuration_of.load(taken / "venue.toml")
    with pytest.raises(Refused, match=r"there is no journal\. Is .* the data directory of a venue\?"):
        backup.take(config, tmp_path, tmp_path / "backup")
    opened(tmp_path / "data").close()
    with pytest.raises(Refused, match="nothing has happened in this venue yet"):
        backup.take(config, tmp_path / "data", tmp_path / "backup")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_venue_that_does_not_add_up_is_not_backed_up(taken: Path, tmp_path: Path):
    written(tmp_path / "data")
    change(tmp_path / "data" / "events" / f"{1:020d}.log")
    shutil.rmtree(tmp_path / "data" / "snapshots", ignore_errors=True)
    with pytest.raises(Refused, match="what was copied does not add up, so that it is no backup"):
        backup.take(configuration_of.load(taken / "venue.toml"), tmp_path / "data", tmp_path / "backup")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_backup_that_is_killed_is_seen_to_be_none(taken: Path, tmp_path: Path):
    """Whenever that is: what has the name of a backup is whole."""
    target = tmp_path / "backup"
    partial = tmp_path / "backup.partial"
    command = [
        sys.executable, "-m", "fixserver.cli", "backup", "--config", str(taken / "venue.toml"), "--data", str(taken / "data"),
        "--to", str(target),
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for(partial.exists, "it has begun")
        process.send_signal(signal.SIGKILL)
    if target.exists():
        put_back(target, tmp_path / "data")
        return
    assert partial.exists()
    with pytest.raises(Refused, match=f"has no {FILE}: it is no backup, or one that did not end"):
        put_back(partial, tmp_path / "data")
    with pytest.raises(Refused, match=r"backup\.partial: is there already: .* If none is, remove it"):
        backup.take(configuration_of.load(taken / "venue.toml"), taken / "data", target)


def test_a_ledger_of_postgresql_has_to_be_given_a_database(copy: Path, tmp_path: Path):
    manifest_with(ledger="postgresql")(copy)
    with pytest.raises(Refused, match="the ledger was kept in PostgreSQL: say by --config in which database"):
        put_back(copy, tmp_path / "data")


def test_a_database_with_a_ledger_in_it_is_not_written_to(copy: Path, tmp_path: Path):
    (tmp_path / "other.toml").write_text(configuration(clearing={"database": f"sqlite:///{tmp_path / 'there.sqlite'}"}))
    (tmp_path / "there.sqlite").touch()
    with pytest.raises(Refused, match=r"there\.sqlite: there is a ledger already"):
        put_back(copy, tmp_path / "data", configuration_of.load(tmp_path / "other.toml"))
    (tmp_path / "there.sqlite").unlink()
    put_back(copy, tmp_path / "data", configuration_of.load(tmp_path / "other.toml"))
    assert (tmp_path / "there.sqlite").exists()
    assert not (tmp_path / "data" / "ledger.sqlite").exists()


def test_a_restored_session_log_says_that_more_may_have_been_sent(taken: Path, tmp_path: Path):
    """Also on the machine, and under the boot, where it was written."""
    put_back(taken / "backup", tmp_path / "data")
    log = SessionLog(tmp_path / "data" / "sessions")
    assert (log.recovered.tail_missing, log.recovered.closed, log.recovered.lost) == (True, False, False)
    assert log.recovered.reported_event == 52
    log.close()
