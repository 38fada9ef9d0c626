"""The format of a venue's files and its version: what each file begins with, and whether this program may read it.

A file begins with eight bytes: `FIXV`, a letter for what it is, the major version (uint8) and the minor one (uint16,
little-endian). Files of before there were versions begin with a name, FIXSLOG1 or FIXSNAP1, and are read as 1.0.

When the records change
    MINOR + 1   a kind of record was added, or fields at the end of one. A newer program reads the older file. An older program
                refuses the newer one by name: it does not know the kind, and would drop the fields without a word.
    MAJOR + 1   anything else. A program reads the major versions that it says it reads, and refuses the others by name.

A log goes on in a new segment where its last one is of another version, so that a segment is of one version throughout.
tests/formats holds a data directory of each version, which every later program has to read, and what the records of each
look like: who changes them is sent here by a test.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

MAJOR = 1
MINOR = 2
VERSION = f"{MAJOR}.{MINOR}"
HEADER_BYTES = 8
_MARK = b"FIXV"
_HEADER = struct.Struct("<4scBH")


class Format(NamedTuple):
    """What a file is, in a version of it."""

    letter: bytes
    name: str
    major: int = MAJOR
    minor: int = MINOR

    @property
    def version(self) -> str:
        return f"{self.major}.{self.minor}"


JOURNAL = Format(b"J", "journal")
EVENT_LOG = Format(b"E", "event log")
SESSION_LOG = Format(b"S", "session log")
SNAPSHOT = Format(b"P", "snapshot")
_BY_LETTER = {known.letter: known for known in (JOURNAL, EVENT_LOG, SESSION_LOG, SNAPSHOT)}


class NotOurs(Exception):
    """A file that this program must not read. Says why, and what to do."""


class Newer(NotOurs):
    """It was written by a newer version of this program."""


def header(which: Format) -> bytes:
    """What a file of that version begins with."""
    return _HEADER.pack(_MARK, which.letter, which.major, which.minor)


def read_header(content: bytes, unversioned: bytes, wanted: Format | None = None) -> Format | None:
    """Of what a file is that begins with `content`; None for one of before there were versions, which begins with `unversioned`.

    Raises Newer, NotOurs: it is not what is wanted, or of a version that this program does not read."""
    start = content[:HEADER_BYTES]
    if start == unversioned:
        return None
    known = None
    if len(start) == HEADER_BYTES and start.startswith(_MARK):
        _, letter, major, minor = _HEADER.unpack(start)
        known = _BY_LETTER.get(letter)
        if known is None:
            raise Newer(f"of a kind ({letter!r}) that only a newer version of fixserver knows: use that; nothing is damaged")
    if known is None:
        raise NotOurs(f"begins with {start!r}")
    if wanted is not None and known.letter != wanted.letter:
        raise NotOurs(f"it is of the {known.name}, and one of the {wanted.name} is due")
    if (major, minor) > (known.major, known.minor):
        raise Newer(
            f"written by a newer version of fixserver, in format {major}.{minor} of the {known.name}; this one reads formats up to "
            f"{known.version}. Use the newer version; nothing is damaged"
        )
    if major < known.major:
        raise NotOurs(f"it is in format {major}.{minor}, which this version of fixserver no longer reads")
    return known._replace(major=major, minor=minor)
