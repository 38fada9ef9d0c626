"""Puts old segments of the journal and the event log away, compressed; it never removes what it has not read back from there.

A segment may go when nobody who goes on needs it: a snapshot stands behind it, also the older of the two; the ledger, the
history and the feed have read past it; its reports are with the clients. Who reads the log from its beginning (a ledger that
is rebuilt, a recovery without a snapshot) finds it where it was put: matching.logarchive.
"""

from __future__ import annotations

import gzip
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from fixserver.backup import ARCHIVE_LOCK, HISTORY, LEDGER, LOGS, Kept, sqlite_file
from fixserver.config import Config
from fixserver.database_process import only_writer
from fixserver.manifest import BLOCK_BYTES, Refused, copied
from fixserver.sessionlog import REPORTS_AGAIN_MAX, last_reported_event
from following.database import DatabaseUnavailable, trouble_named
from following.eventlog import LogHead
from following.follower import Cursor, read_cursor
from marketdata import checkpoint
from matching.formats import Format
from matching.logarchive import POINTER, SUFFIX, archive_of, archived_in, open_archived
from matching.recordlog import LogDamaged, LogReader, segments, sync_directory
from matching.snapshot import SnapshotDamaged, read_snapshot, snapshots

SNAPSHOTS_MIN = 2  # that stand behind what is put away: one of them may turn out to be damaged
PARTIAL = ".partial"
COMPRESSION = 6
SECONDS_PER_DAY = 86_400

Say = Callable[[str], None]


class Put(NamedTuple):
    """A segment that was put away, and its size before and after."""

    log: str
    path: Path
    bytes: int
    compressed: int


class Limit(NamedTuple):
    """Who needs the log, and from which number on."""

    who: str
    needed: int


def put_away(config: Config, data: Path, archive: Path, *, keep_days: int = 0, say: Say = lambda _: None) -> list[Put]:
    """Archive the segments that may go, but those written to within `keep_days`, to `archive`/journal and `archive`/events. The
    exchange and those who read the logs may be at work.

    Raises Refused, Busy, LogDamaged, OSError. Where it is interrupted, every segment is in its place or in the archive.
    """
    for name in LOGS:
        if not (data / name).is_dir() or not segments(data / name):
            raise Refused(f"{data / name}: there is nothing. Is {data} the data directory of a venue?")
    with only_writer(data / ARCHIVE_LOCK, "segments are being archived, or a backup is being taken: wait for it"):
        due = {name: limits(config, data, name) for name in LOGS}
        for name in LOGS:
            _settle_place(data / name, archive.absolute() / name)
        done = []
        for name, kind in LOGS.items():
            limit = min(due[name], key=lambda limit: limit.needed)
            say(f"{name}: {limit.who} from number {limit.needed:,} on")
            for path, last in _before(data / name, limit.needed, keep_days):
                done.append(_put(name, kind, path, last, archive.absolute() / name))
                say(f"{path} is in {archive / name}")
        return done


# ----------------------------------------------------------------------------------------------- what may go


def limits(config: Config, data: Path, name: str) -> list[Limit]:
    """Who needs how much of the journal, or of the event log, to go on. Raises Refused."""
    taken = []
    for number, path in snapshots(data / "snapshots"):
        try:
            taken.append((number, read_snapshot(path).event_seq))
        except (SnapshotDamaged, msgspec.DecodeError) as error:
            raise Refused(f"{error}. Nothing is archived until two good snapshots are there") from None
    if len(taken) < SNAPSHOTS_MIN:
        raise Refused(
            f"{data / 'snapshots'}: nothing can be archived before {SNAPSHOTS_MIN} snapshots are there, and there"
            f" {'is one' if taken else 'is none'}: `fixserver admin snapshot` has one written"
        )
    command_seq, event_seq = taken[0]
    # A session log that is lost has as many reports made again; recovery starts from a snapshot before them.
    reported = LogHead(data / "events").read() - REPORTS_AGAIN_MAX
    if (data / "sessions").is_dir():
        reported = min(reported, last_reported_event(data / "sessions"))
    if reported < event_seq:
        raise Refused(
            f"{data}: a start of the exchange may have to make reports again from event {max(reported, 0) + 1:,} on, and the older"
            f" snapshot is behind event {event_seq:,}: nothing can be archived until more has been traded since it"
        )
    found = [Limit("recovery reads", command_seq + 1 if name == "journal" else event_seq + 1)]
    if name == "journal":
        return found
    for kept in (LEDGER, HISTORY):
        if kept is LEDGER or config.history.enabled:
            cursor = _cursor(kept, config, data)
            # What a writer stands at is looked at again at its next start.
            found.append(Limit(f"the {kept.name} reads", cursor.record_first if cursor.event_seq else 1))
    if (data / "marketdata").is_dir():
        found.append(Limit("the feed reads", checkpoint.needed(data / "marketdata", data / "events")))
    return found


def _cursor(kept: Kept, config: Config, data: Path) -> Cursor:
    """Where a database stands. Raises Refused where that cannot be known."""
    url = kept.url(config, data)
    file = sqlite_file(url)
    if file is not None and not file.is_file():
        return Cursor()
    engine = kept.open(url, read_only=True)
    try:
        with trouble_named(engine), engine.connect() as connection, connection.begin():
            if not kept.is_current(connection):
                return Cursor()
            return read_cursor(connection, kept.metadata.tables["cursor"]) or Cursor()
    except DatabaseUnavailable as error:
        raise Refused(f"where the {kept.name} stands cannot be known, so nothing is archived: {error}") from None
    finally:
        engine.dispose()


def _before(directory: Path, needed: int, keep_days: int) -> Iterator[tuple[Path, int]]:
    """The segments all of which is before `needed`, oldest first, each with its last number; never the last one."""
    found = segments(directory)
    latest = time.time() - keep_days * SECONDS_PER_DAY
    for (_, path), (following, _) in itertools.pairwise(found):
        if following > needed or (keep_days and path.stat().st_mtime > latest):
            return
        yield path, following - 1


# ---------------------------------------------------------------------------------------------- putting away


def _settle_place(directory: Path, place: Path) -> None:
    """Have the log say where its beginning is: all of it in one place. Raises Refused."""
    before, begins = archive_of(directory), segments(directory)[0][0]
    place.mkdir(parents=True, exist_ok=True)
    if begins > 1 and 1 not in dict(archived_in(place)):
        elsewhere = before not in (None, place)
        what = f"It is in {before}: archive to there, or move all of it here first" if elsewhere else "Put it back"
        raise Refused(f"{place}: what was archived before is not here. {what}")
    if before == place:
        return
    unfinished = directory / (POINTER + PARTIAL)
    with unfinished.open("w", encoding="utf-8") as file:
        file.write(f"{place}\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(directory / POINTER)
    sync_directory(directory)


def _put(name: str, kind: Format, path: Path, last: int, place: Path) -> Put:
    """Compress one segment, read it back, and only then remove it. Raises Refused: then it stays where it is."""
    target = place / (path.name.removesuffix(".log") + SUFFIX)
    unfinished = target.with_name(target.name + PARTIAL)
    with path.open("rb") as plain:
        due = copied(plain, None)
    compressed = target
    if not target.exists():  # or an earlier try ended before it removed the original
        compressed = unfinished
        with path.open("rb") as plain, unfinished.open("wb") as file:
            with gzip.GzipFile(path.name, "wb", COMPRESSION, file, mtime=0) as packed:
                shutil.copyfileobj(plain, packed, BLOCK_BYTES)
            file.flush()
            os.fsync(file.fileno())
    try:
        found = read_back(compressed, kind, int(path.stem))
    except (LogDamaged, ValueError) as error:
        raise Refused(f"{path}: stays where it is: in the archive it cannot be read back: {compressed}: {error}") from None
    if found != (*due, last):
        raise Refused(
            f"{path}: stays where it is: {compressed} is something else. Is it of another venue? Name another place, or look why"
        )
    if compressed is unfinished:
        unfinished.rename(target)
    sync_directory(place)
    path.unlink()
    sync_directory(path.parent)
    return Put(name, path, due[0], target.stat().st_size)


def read_back(packed: Path, kind: Format, first: int) -> tuple[int, str, int]:
    """How many bytes an archived segment has, decompressed, their SHA-256, and the number of its last entry: every record is
    read, with its checksum. Raises LogDamaged, ValueError."""
    with tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch) / f"{first:020d}.log"
        descriptor = open_archived(packed)
        with open(descriptor, "rb") as source, plain.open("wb") as target:
            source.seek(0)
            size, digest = copied(source, target)
        reader = LogReader(plain.parent, first, kind)
        try:
            for _ in reader.read():
                pass
            if reader.torn_bytes:
                raise LogDamaged(packed, size - reader.torn_bytes, reader.next_number, "an incomplete record")
            return size, digest, reader.next_number - 1
        finally:
            reader.close()
