"""Puts a backup back into an empty directory, and says so only when what is there is what the backup says; it starts no venue.

Everything is made ready in a directory of its own within the target. A backup that is damaged, incomplete, or that does not come to
the digest and the trial balance it names is refused, and nothing is left of the try. Then the parts are moved to their places, the
journal last: without it no exchange starts on the rest.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from sqlalchemy import make_url

from clearing import reconciliation
from clearing.ledger import Ledger, read_cursor
from fixserver.backup import (
    AUDIT_FILES,
    FEED_FILES,
    HISTORY,
    LEDGER,
    SESSION_LOGS,
    TARS,
    Kept,
    Say,
    post,
    recovered,
    single_file,
    sqlite_file,
)
from fixserver.config import Config
from fixserver.ledger_command import engine_accounts
from fixserver.manifest import FILE, PARTIAL, Manifest, Refused, copied, decode
from fixserver.sessionlog import mark_as_copy
from following.database import sqlite_url, trouble_named
from following.tables import copy_tables, is_empty
from matching.formats import VERSION
from matching.logarchive import POINTER
from matching.recordlog import LogDamaged, LogMissing, segments, sync_directory
from matching.sequencer import RecoveryRefused

WORK = "restore.partial"
ADVICE = "Take another backup, or use an older one"
LAST = ("events", "journal")

Opener = Callable[[str], BinaryIO | None]  # the file of a backup with that path; None where it is not there


def put_back(source: Path, data: Path, config: Config | None = None, say: Say = lambda _: None) -> Manifest:
    """Restore the venue of a backup, a directory or a tar file, into `data`, which is made, or empty. `config` says where its
    ledger and history are kept from now on; without one, in SQLite in `data`.

    Raises Refused, DatabaseUnavailable, following.database.Refused, OSError.
    """
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        left = f" ({WORK} in it is what a restore left that did not end: remove it)" if (data / WORK).exists() else ""
        raise Refused(f"{data}: is not an empty directory{left}. A venue is restored into an empty one")
    with _opened(source) as (where, opener):
        manifest = _manifest(source, where, opener)
        _refuse_without_databases(manifest, config, data)
        made = not data.exists()
        work = data / WORK
        work.mkdir(parents=True, mode=0o700)
        try:
            say(f"copying {len(manifest.files):,} files")
            _copy(manifest, where, opener, work)
            say("recovering the venue")
            _verify_engine(manifest, where, work)
            for name in SESSION_LOGS:
                if (work / name).is_dir():
                    mark_as_copy(work / name)
            for kept in (HISTORY, LEDGER):
                _place_database(kept, manifest, config, data, work, say)
            _place_archive(manifest, data, work)
            _move(work, data)
        except BaseException:
            shutil.rmtree(data if made else work, ignore_errors=True)
            raise
    return manifest


# ---------------------------------------------------------------------------------------------------- reading


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[tuple[str, Opener]]:
    """How the files of a backup are opened. Raises Refused."""
    if source.is_dir():

        def of_directory(name: str) -> BinaryIO | None:
            try:
                return (source / name).open("rb")
            except FileNotFoundError:
                return None

        yield str(source), of_directory
        return
    if not source.exists():
        raise Refused(f"{source}: is not there")
    if not source.name.endswith(tuple(TARS)) and PARTIAL not in source.name:
        raise Refused(f"{source}: is neither a directory nor a tar file ({', '.join(TARS)})")
    try:
        with tarfile.open(source) as packed:
            names = {member.name: member for member in packed.getmembers() if member.isfile()}

            def of_tar(name: str) -> BinaryIO | None:
                return cast(BinaryIO, packed.extractfile(names[name])) if name in names else None

            yield str(source), of_tar
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Refused(f"{source}: is damaged or incomplete: {error}. {ADVICE}") from None


def _manifest(source: Path, where: str, opener: Opener) -> Manifest:
    file = opener(FILE)
    if file is None:
        raise Refused(f"{where}: has no {FILE}: it is no backup, or one that did not end. {ADVICE}")
    with file:
        return decode(file.read(), f"{where}: {FILE}")


def _copy(manifest: Manifest, where: str, opener: Opener, work: Path) -> None:
    """Copy every file that the manifest names, and compare it with what is said of it there."""
    for entry in manifest.files:
        file = opener(entry.path)
        if file is None:
            raise Refused(f"{where}: {entry.path} is missing: the backup is incomplete. {ADVICE}")
        target = work / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = 0o600 if entry.path in (*FEED_FILES, *AUDIT_FILES) else 0o640
        with file, open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as made:
            size, digest = copied(file, made)
            if (size, digest) != (entry.bytes, entry.sha256):
                what = f"has {size:,} bytes, and {entry.bytes:,} are due" if size != entry.bytes else "is not what was written"
                raise Refused(f"{where}: {entry.path} {what}: the backup is damaged. {ADVICE}")
            made.flush()
            os.fsync(made.fileno())


# -------------------------------------------------------------------------------------------------- verifying


def _verify_engine(manifest: Manifest, where: str, work: Path) -> None:
    try:
        engine = recovered(work)
    except (RecoveryRefused, LogDamaged, LogMissing) as error:
        raise Refused(f"{where}: the venue in it cannot be recovered: {error}") from None
    # A digest is of the state as a version writes it down. Of one by another version the events are compared, byte for byte,
    # as recovery does, and the ledger.
    digest = engine.digest() if manifest.state_format == VERSION else manifest.digest
    found = engine.command_seq, engine.event_seq, digest
    if found != (manifest.command_seq, manifest.event_seq, manifest.digest):
        raise Refused(
            f"{where}: recovered, the venue stands at command {found[0]}, event {found[1]}, digest {found[2]}, and the backup"
            f" names command {manifest.command_seq}, event {manifest.event_seq}, digest {manifest.digest}: was another version"
            " at work?"
        )


def _refuse_without_databases(manifest: Manifest, config: Config | None, data: Path) -> None:
    """Before anything is copied: what is to be written to is there, and empty."""
    for kept, was in ((LEDGER, manifest.ledger), (HISTORY, manifest.history)):
        if config is None:
            if was not in ("", "sqlite"):
                raise Refused(f"the {kept.name} was kept in PostgreSQL: say by --config in which database it is to be from now on")
            continue
        url = kept.url(config, data)
        file = sqlite_file(url)
        if not was:
            continue
        if file is not None:
            if file.exists():
                raise Refused(f"{file}: there is a {kept.name} already. Name another file in {config.file}, or remove this one")
            continue
        shown = make_url(url).render_as_string()
        engine = kept.open(url)
        try:
            with trouble_named(engine), engine.connect() as connection, connection.begin():
                kept.migrate(connection)
                if not is_empty(kept.metadata, connection):
                    raise Refused(f"{shown}: there is a {kept.name} in it already. Name an empty database in {config.file}")
        finally:
            engine.dispose()


def _place_database(kept: Kept, manifest: Manifest, config: Config | None, data: Path, work: Path, say: Say) -> None:
    """Put the copy of a database where it is kept from now on, and see that a ledger is what the backup says."""
    copy = work / kept.file
    if not copy.exists():
        return
    say(f"restoring the {kept.name}")
    url = sqlite_url(data / kept.file) if config is None else kept.url(config, data)
    file = sqlite_file(url)
    if file is not None and file.absolute() != (data / kept.file).absolute():
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(copy, file)
        copy.unlink()
    within = file is not None and copy.exists()
    engine = kept.open(sqlite_url(copy) if within else url)
    try:
        if file is None:
            origin = kept.open(sqlite_url(copy), read_only=True)
            try:
                with (
                    trouble_named(origin), trouble_named(engine),
                    origin.connect() as source, source.begin(), engine.connect() as target, target.begin(),
                ):  # fmt: skip
                    copy_tables(kept.metadata, source, target)
            finally:
                origin.dispose()
            copy.unlink()
        if kept is LEDGER:
            _verify_ledger(manifest, Ledger(engine), work)
    finally:
        engine.dispose()
    if file is not None:
        single_file(copy if within else file)


def _verify_ledger(manifest: Manifest, ledger: Ledger, work: Path) -> None:
    """It stands at the event that the backup names, has the trial balance of then, and is what the engine says."""
    balances = post(ledger, work / "events", manifest.event_seq)
    if balances != manifest.trial_balance:
        due = {tuple(row) for row in manifest.trial_balance or ()} ^ {tuple(row) for row in balances}
        raise Refused(f"the restored ledger has another trial balance than the backup names, first at {min(due)}. {ADVICE}")
    with trouble_named(ledger.engine), ledger.engine.connect() as connection, connection.begin():
        at = read_cursor(connection).event_seq
        findings = reconciliation.check(connection, manifest.event_seq, engine_accounts(work, at))
    if findings.faults:
        raise Refused(f"the restored ledger does not add up: {findings.faults[0]}. `fixserver ledger check` looks at the venue's")


# ---------------------------------------------------------------------------------------------------- placing


def _place_archive(manifest: Manifest, data: Path, work: Path) -> None:
    """Say in each log where its beginning is: in the backup it came with, or where it was put then."""
    for name, where in manifest.archives.items():
        place = data.absolute() / "archive" / name if manifest.archive else Path(where)
        (work / name / POINTER).write_text(f"{place}\n", encoding="utf-8")


def _move(work: Path, data: Path) -> None:
    for directory in {path.parent for path in work.rglob("*")}:
        sync_directory(directory)
    first = sorted(path.name for path in work.iterdir() if path.name not in LAST)
    for name in (*first, *LAST):
        (work / name).rename(data / name)
    work.rmdir()
    sync_directory(data)
    sync_directory(data.parent)
    assert segments(data / "journal"), "the journal came last"
