"""Where the old segments of a log are that were put away, and how they are read; it puts none away itself.

A log whose beginning was archived holds a file `archived`, which says in which directory the segments are:
`00000000000000000001.log.gz` and so on, each what its `.log` was, compressed. A reader goes there by itself for
what the log no longer holds.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
import zlib
from pathlib import Path

POINTER = "archived"
SUFFIX = ".log.gz"


class ArchiveAway(Exception):
    """The archive that a log names cannot be reached. Says where it should be."""


def archive_of(directory: Path) -> Path | None:
    """Where the beginning of the log in `directory` was put; None where nothing was."""
    try:
        return Path((directory / POINTER).read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        return None


def archived_in(archive: Path) -> list[tuple[int, Path]]:
    """The segments in an archive's directory, in order, each with the number of its first entry."""
    found = ((path.name.removesuffix(SUFFIX), path) for path in archive.glob(f"*{SUFFIX}"))
    return sorted((int(stem), path) for stem, path in found if stem.isdigit())


def archived_segments(directory: Path) -> list[tuple[int, Path]]:
    """What was put away of the log in `directory`. Raises ArchiveAway."""
    archive = archive_of(directory)
    if archive is None:
        return []
    if not archive.is_dir():
        raise ArchiveAway(
            f"what was before was archived to {archive}, which is not there. Mount it, or put it back; where it is elsewhere now, "
            f"say so: fixserver journal archive --data {directory.parent} --to THERE"
        )
    return archived_in(archive)


def open_archived(path: Path) -> int:
    """A descriptor from which the segment's bytes can be read as they were: of a file without a name, in the temporary
    directory. Raises OSError, ValueError where it is not what was compressed."""
    with tempfile.TemporaryFile() as plain:
        try:
            with gzip.open(path, "rb") as packed:
                shutil.copyfileobj(packed, plain, 1 << 20)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"cannot be decompressed: {error}") from None
        plain.flush()
        return os.dup(plain.fileno())
