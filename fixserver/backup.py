"""Takes a backup of a venue while it trades, from its files and its ledger; it asks nothing of its processes and changes nothing.

What is copied in which order makes it one moment: first what follows (ledger, history, feed, sessions), then snapshots and
events, the journal last. So the journal goes on at least as far as everything else, and the last command in it is the one that
the backup is named after. Then the copy is recovered as an exchange would be: that reads the journal, compares the
events byte for byte, and writes those that were not written yet; and the copy of the ledger is posted up to the same event.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import URL, Connection, MetaData, make_url
from sqlalchemy import Engine as Database

from clearing import database as ledger_database
from clearing import schema as ledger_schema
from clearing.ledger import Ledger
from fixserver import audit, clearing_process, history_process
from fixserver.config import Config
from fixserver.database_process import only_writer
from fixserver.manifest import FILE, PARTIAL, BackupFile, Manifest, Refused, TrialBalance, copied, encode, files_in
from fixserver.manifest import trial_balance as read_trial_balance
from following.database import DatabaseUnavailable, sqlite_url, trouble_named
from following.eventlog import EventLog, Record
from following.follower import EVENTS_PER_COMMIT_MAX
from following.tables import copy_tables
from marketdata.history import database as history_database
from marketdata.history import schema as history_schema
from matching.engine import Engine
from matching.formats import EVENT_LOG, JOURNAL, VERSION, Format
from matching.logarchive import ArchiveAway, archive_of, archived_segments
from matching.recordlog import LogDamaged, LogMissing, LogReader, segments, sync_directory
from matching.sequencer import RecoveryRefused, Sequencer
from matching.snapshot import snapshots

LOGS = {"journal": JOURNAL, "events": EVENT_LOG}
SESSION_LOGS = ("sessions", "marketdata/sessions")
FEED_FILES = ("marketdata/checkpoint", "marketdata/members.json")  # the second may be ahead of the first, not behind it
AUDIT_FILES = (audit.FILE, audit.KEYS_FILE)
COPIES_MAX = 10  # of files that are taken away while they are copied, as old snapshots and sessions are
ARCHIVE_LOCK = "archive.lock"
TARS = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz"}

Say = Callable[[str], None]


class Kept(NamedTuple):
    """One of the databases of a venue: where it is, how it is opened, what is in it. `file` is its name in a backup."""

    name: str
    file: str
    url: Callable[[Config, Path], str | URL]
    open: Callable[..., Database]
    migrate: Callable[[Connection], None]
    is_current: Callable[[Connection], bool]
    metadata: MetaData


LEDGER = Kept(
    "ledger", "ledger.sqlite", clearing_process.database_url, ledger_database.open_database, ledger_database.migrate,
    ledger_database.is_current, ledger_schema.metadata,
)  # fmt: skip
HISTORY = Kept(
    "history", history_process.SQLITE_FILE, history_process.database_url, history_database.open_database, history_database.migrate,
    history_database.is_current, history_schema.metadata,
)  # fmt: skip


def take(config: Config, data: Path, target: Path, *, archive: bool = False, say: Say = lambda _: None) -> Manifest:
    """Back the venue in `data` up to `target`, a directory that is made, or a tar file. With `archive`, archived segments too.

    Raises Refused, Busy, OSError. What did not end has `.partial` in its name, and no manifest.
    """
    if not (data / "journal").is_dir() or not segments(data / "journal"):
        raise Refused(f"{data / 'journal'}: there is no journal. Is {data} the data directory of a venue?")
    mode = next((mode for suffix, mode in TARS.items() if target.name.endswith(suffix)), "")
    if target.exists() and (mode or not target.is_dir() or any(target.iterdir())):
        raise Refused(f"{target}: is there already. Name another place: a backup replaces nothing")
    copy = target.with_name(target.name + PARTIAL)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        copy.mkdir(mode=0o700)
    except FileExistsError:
        raise Refused(f"{copy}: is there already: a backup is being taken, or one did not end. If none is, remove it") from None
    try:
        return _taken(config, data, copy, target, mode, archive, say)
    except BaseException:
        shutil.rmtree(copy, ignore_errors=True)
        raise


def _taken(config: Config, data: Path, copy: Path, target: Path, mode: str, archive: bool, say: Say) -> Manifest:
    # Nothing is archived from under us.
    with only_writer(data / ARCHIVE_LOCK, "segments are being archived, or another backup is being taken: wait for it"):
        for kept in (HISTORY, LEDGER):
            _copy_database(kept, config, data, copy, say)
        _copy_files(data, copy, archive, say)
        say("recovering the copy")
        engine = _recovered(copy)
        say("posting what the ledger has not posted yet")
        balances = _trial_balance(config, data, copy, engine.event_seq)
    say("checksums")
    manifest = _written_down(config, data, copy, engine, balances, archive)
    if mode:
        say(f"writing {target}")
        _pack(copy, target, mode)
        shutil.rmtree(copy)
    else:
        copy.rename(target)
    sync_directory(target.parent)
    return manifest


# ------------------------------------------------------------------------------------------------- copying


def _copy_database(kept: Kept, config: Config, data: Path, copy: Path, say: Say) -> None:
    """Copy the ledger or the history, as it stands, into an SQLite file; nothing where there is none."""
    url = kept.url(config, data)
    target = copy / kept.file
    file = sqlite_file(url)
    if file is not None:
        if file.is_file():
            say(f"copying the {kept.name}")
            _copy_sqlite(file, target)
        return
    if kept is HISTORY and not config.history.enabled:
        return
    say(f"copying the {kept.name}")
    engine, made = kept.open(url, read_only=True), kept.open(sqlite_url(target))
    try:
        with trouble_named(engine), engine.connect() as source, source.begin():
            if not kept.is_current(source):
                say(f"the {kept.name} has no tables of this program's version: it is posted from the event log")
                return
            with trouble_named(made), made.connect() as connection, connection.begin():
                kept.migrate(connection)
                copy_tables(kept.metadata, source, connection)
    except DatabaseUnavailable as error:
        target.unlink(missing_ok=True)
        say(f"the {kept.name}'s database cannot be reached ({error}): it is posted from the event log")
    finally:
        engine.dispose()
        made.dispose()


def sqlite_file(url: str | URL) -> Path | None:
    """The file of an SQLite database; None for one that is elsewhere."""
    parsed = make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def _copy_sqlite(source: Path, target: Path) -> None:
    """By SQLite's own means: one state of it, whoever writes meanwhile, in one file."""
    with contextlib.closing(sqlite3.connect(source)) as live, contextlib.closing(sqlite3.connect(target)) as made:
        live.backup(made)
    single_file(target)


def _copy_files(data: Path, copy: Path, archive: bool, say: Say) -> None:
    say("copying the files")
    for name in FEED_FILES:
        with contextlib.suppress(FileNotFoundError):
            (copy / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(data / name, copy / name)
    for name in AUDIT_FILES:
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(data / name, copy / name)
    if (copy / audit.FILE).exists():
        _cut_to_whole_lines(copy / audit.FILE)
    for name in SESSION_LOGS:
        _copy_together(copy / name, partial(segments, data / name))
    _copy_together(copy / "snapshots", partial(snapshots, data / "snapshots"))
    for name in ("events", "journal"):
        _copy_together(copy / name, partial(segments, data / name))
        if not archive:
            continue
        begins = segments(data / name)[0][0]
        try:
            archived = [entry for entry in archived_segments(data / name) if entry[0] < begins]
        except ArchiveAway as error:
            raise Refused(f"{data / name}: {error}") from None
        _copy_together(copy / "archive" / name, archived.copy)


def _cut_to_whole_lines(path: Path) -> None:
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(size - audit.LINE_BYTES_MAX, 0)
        file.seek(start)
        file.truncate(start + file.read().rfind(b"\n") + 1)


def _copy_together(target: Path, listed: Callable[[], list[tuple[int, Path]]]) -> None:
    """Copy the files of a list into `target`, anew where one of them goes while they are copied."""
    for _ in range(COPIES_MAX):
        found = listed()
        if not found:
            return
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        try:
            for _, path in found:
                shutil.copyfile(path, target / path.name)
            return
        except FileNotFoundError:
            continue
    raise Refused(f"{found[0][1].parent}: its files went {COPIES_MAX} times while they were copied. Try again")


# ------------------------------------------------------------------------------------------------ verifying


def _recovered(copy: Path) -> Engine:
    """The engine after the last command of the copy, whose logs then say the same up to there. Raises Refused."""
    try:
        engine = recovered(copy)
        for name, kind in LOGS.items():
            _read_through(copy / name, kind)
    except (RecoveryRefused, LogDamaged, LogMissing) as error:
        raise Refused(
            f"what was copied does not add up, so that it is no backup; `fixserver journal verify` looks at the venue. {error}"
        ) from None
    if not engine.command_seq:
        raise Refused(f"{copy}: nothing has happened in this venue yet: there is nothing to back up")
    return engine


def recovered(data: Path) -> Engine:
    """What an exchange that is started in `data` comes to. Raises RecoveryRefused, LogDamaged, LogMissing."""
    sequencer = Sequencer(data, "os")
    try:
        for _ in sequencer.recover():
            pass
        return sequencer.engine
    finally:
        sequencer.close()
        (data / "lock").unlink()


def _read_through(directory: Path, kind: Format) -> None:
    """Check every record's checksum, also of what recovery had no need to read."""
    reader = LogReader(directory, segments(directory)[0][0], kind)
    try:
        for _ in reader.read():
            pass
    finally:
        reader.close()


def _trial_balance(config: Config, data: Path, copy: Path, event_seq: int) -> TrialBalance | None:
    """Bring the copied ledger to the event that the backup is named after, and say what is in it."""
    file = copy / LEDGER.file
    if not file.exists() and sqlite_file(LEDGER.url(config, data)) is not None:
        return None
    # What was archived is not in the copy, and may be needed where the ledger could not be copied.
    return posted_up_to(file, copy / "events" if file.exists() else data / "events", event_seq)


def up_to(log: EventLog, event_seq: int) -> Iterator[Record]:
    """The records of a log that end with `event_seq` at the latest."""
    while records := log.read(EVENTS_PER_COMMIT_MAX):
        for record in records:
            if record.last > event_seq:
                return
            yield record


def single_file(file: Path) -> None:
    """Leave a database in one file, with nothing beside it."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


def posted_up_to(file: Path, events: Path, event_seq: int) -> TrialBalance:
    """Have an SQLite ledger stand at `event_seq`, and return its trial balance. Raises Refused."""
    engine = LEDGER.open(sqlite_url(file))
    try:
        balance = post(Ledger(engine), events, event_seq)
    finally:
        engine.dispose()
    single_file(file)
    return balance


def post(ledger: Ledger, events: Path, event_seq: int, say: Say = lambda _: None) -> TrialBalance:
    """Post the event log from where `ledger` stands up to `event_seq`; its trial balance there. Raises Refused."""
    at = ledger.load().event_seq
    log = EventLog(events, at + 1)
    try:
        records: list[Record] = []
        for record in up_to(log, event_seq):
            records.append(record)
            if record.last - records[0].first >= EVENTS_PER_COMMIT_MAX:
                ledger.post(records)
                say(f"ledger: event {record.last:,} of {event_seq:,}")
                records = []
        ledger.post(records)
        if ledger.cursor.event_seq != event_seq:
            raise Refused(f"the ledger stands at event {ledger.cursor.event_seq}, and {event_seq} is due: is it of another venue?")
    finally:
        log.close()
        ledger.close()
    with trouble_named(ledger.engine), ledger.engine.connect() as connection, connection.begin():
        return read_trial_balance(connection)


# --------------------------------------------------------------------------------------------- writing down


def _written_down(
    config: Config, data: Path, copy: Path, engine: Engine, trial_balance: TrialBalance | None, archive: bool
) -> Manifest:
    files = []
    for path in files_in(copy):
        with path.open("rb") as file:
            files.append(BackupFile(path.relative_to(copy).as_posix(), *copied(file, None)))
            os.fsync(file.fileno())
    pointers = {name: str(where) for name in LOGS if (where := archive_of(data / name)) is not None}
    manifest = Manifest(
        program=version("fixserver"),
        made=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        command_seq=engine.command_seq,
        event_seq=engine.event_seq,
        time=engine.time,
        digest=engine.digest(),
        state_format=VERSION,
        ledger=_kept_in(LEDGER, config, data) if trial_balance is not None else "",
        trial_balance=trial_balance,
        history=_kept_in(HISTORY, config, data) if (copy / HISTORY.file).exists() else "",
        archives=pointers,
        archive=archive and bool(pointers),
        files=files,
    )
    for directory in {path.parent for path in files_in(copy)}:
        sync_directory(directory)
    with (copy / FILE).open("wb") as file:
        file.write(encode(manifest))
        file.flush()
        os.fsync(file.fileno())
    sync_directory(copy)
    return manifest


def _kept_in(kept: Kept, config: Config, data: Path) -> str:
    return make_url(kept.url(config, data)).get_backend_name()


def _pack(copy: Path, target: Path, mode: Any) -> None:
    """The manifest first: who reads it knows what is due."""
    unfinished = target.with_name(target.name + PARTIAL + ".tar")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        with tarfile.open(fileobj=file, mode=mode) as packed:
            for path in (copy / FILE, *files_in(copy)):
                packed.add(path, path.relative_to(copy).as_posix())
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(target)
