"""Snapshots of the engine on disk, so that recovery replays only what came after. It never decides when to take one.

A file is named after its last command, `00000000000000001000.snapshot`: its format (matching.formats; MAGIC where
it has none), the CRC-32 of the payload, the payload (MessagePack of EngineState). It is written beside its place,
synced, then renamed, so that a file with that name is whole or damaged by something other than a crash.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import msgspec

from matching import formats
from matching.engine import Engine
from matching.recordlog import sync_directory
from matching.state import EngineState

MAGIC = b"FIXSNAP1"
KEEP = 2
_CRC = struct.Struct("<I")


class SnapshotDamaged(Exception):
    """A snapshot is not what was written. There may be an older one; the journal has everything in any case."""


class SnapshotNewer(SnapshotDamaged):
    """Nothing is damaged: a newer version of this program wrote it."""


def snapshots(directory: Path) -> list[tuple[int, Path]]:
    """The snapshots there are, oldest first, each with the number of its last command."""
    return sorted((int(path.stem), path) for path in directory.glob("*.snapshot") if path.stem.isdigit())


def write_snapshot(directory: Path, engine: Engine) -> Path:
    """Write what the engine knows, and remove all but the newest KEEP."""
    directory.mkdir(parents=True, exist_ok=True)
    payload = msgspec.msgpack.encode(engine.state())
    path = directory / f"{engine.command_seq:020d}.snapshot"
    partial = path.with_suffix(".partial")
    for stray in directory.glob("*.partial"):  # of a process that ended before it was done
        stray.unlink(missing_ok=True)
    with open(partial, "wb") as file:
        file.write(formats.header(formats.SNAPSHOT) + _CRC.pack(zlib.crc32(payload)))
        file.write(payload)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    sync_directory(directory)
    for _, old in snapshots(directory)[:-KEEP]:
        old.unlink(missing_ok=True)
    return path


def read_snapshot(path: Path) -> EngineState:
    """What a snapshot holds. Raises SnapshotDamaged, SnapshotNewer."""
    content = path.read_bytes()
    start = len(MAGIC) + _CRC.size
    try:
        formats.read_header(content, MAGIC, formats.SNAPSHOT)
    except formats.Newer as error:
        raise SnapshotNewer(f"{path}: {error}") from None
    except formats.NotOurs as error:
        raise SnapshotDamaged(f"{path}: not a snapshot of this version: {error}") from None
    if len(content) < start:
        raise SnapshotDamaged(f"{path}: is cut off")
    payload = memoryview(content)[start:]
    if zlib.crc32(payload) != _CRC.unpack_from(content, len(MAGIC))[0]:
        raise SnapshotDamaged(f"{path}: the checksum does not match")
    return msgspec.msgpack.decode(payload, type=EngineState)
