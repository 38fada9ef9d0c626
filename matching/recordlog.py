"""A numbered log in segment files: append at one end, read from any number. It never looks into a record.

A segment is named after the number of its first entry, `00000000000000000001.log`. It begins with the
eight bytes of its format (matching.formats; MAGIC where it has none) and goes on with records:

    length   uint32   bytes of the payload
    crc      uint32   CRC-32 of the two fields below and the payload
    first    uint64   number of the first entry in the record
    count    uint32   how many entries the record holds
    payload  bytes

(all little-endian). The entry after a record is `first + count`, also across segments. What a crash can
leave behind is an incomplete last record, zeros included that a file system put where it had not yet
written: it is cut when the log is opened for writing, and reading stops before it. Anything else that
does not add up is damage, and refused by name. Segments that were archived are read where they are
(matching.logarchive).
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from matching import formats
from matching.formats import Format
from matching.logarchive import ArchiveAway, archived_segments, open_archived

MAGIC = b"FIXSLOG1"
_HEADER = struct.Struct("<IIQI")
_NUMBERS = struct.Struct("<QI")
HEADER_BYTES = _HEADER.size
SEGMENT_BYTES_MAX = 256 * 2**20
RECORD_BYTES_MAX = 512 * 2**20

Record = tuple[int, int, bytes]  # the number of its first entry, how many there are in it, the payload


class LogDamaged(Exception):
    """A record is not what was written. Names the file, the offset and the number that was due there."""

    def __init__(self, path: Path, offset: int, due: int, what: str) -> None:
        super().__init__(f"{path}: damaged at offset {offset}, where number {due} is due: {what}")
        self.path, self.offset, self.due = path, offset, due


class LogNewer(LogDamaged):
    """Nothing is damaged: a newer version of this program wrote what this one does not know. It must not be touched."""

    def __init__(self, path: Path, offset: int, due: int, what: str) -> None:
        Exception.__init__(self, f"{path}: {what}")
        self.path, self.offset, self.due = path, offset, due


class LogMissing(Exception):
    """The log does not reach back to the number asked for, or a segment is not there."""


def segments(directory: Path) -> list[tuple[int, Path]]:
    """The segments of a log in order, each with the number of its first entry."""
    return sorted((int(path.stem), path) for path in directory.glob("*.log") if path.stem.isdigit())


def sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def frame(first: int, count: int, payload: bytes) -> bytes:
    """One record as it stands in the file."""
    assert len(payload) <= RECORD_BYTES_MAX, "a batch is bounded well below the largest record"
    numbers = _NUMBERS.pack(first, count)
    return _HEADER.pack(len(payload), zlib.crc32(payload, zlib.crc32(numbers)), first, count) + payload


class LogReader:
    """Reads records from a number on, and may be asked again when more has been written.

    `next_number` is the entry that comes next. Holds one segment open and reads it in blocks, so that
    following a log that grows costs one read when there is nothing new. With a `kind`, the log is to be of that.
    """

    BLOCK_BYTES = 1 << 20

    def __init__(self, directory: Path, next_number: int = 1, kind: Format | None = None) -> None:
        self.directory = directory
        self.kind = kind
        self.format: Format | None = None  # of the segment being read; None where it names none
        self.next_number = next_number
        self.torn_bytes = 0
        self._path: Path | None = None
        self._descriptor = -1
        self._offset = 0  # of _buffer[0] in the file
        self._buffer = b""
        self._wanted = next_number

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._path, self._descriptor, self._buffer = None, -1, b""

    def position(self) -> tuple[Path | None, int]:
        """The segment being read, and the offset of the next record in it."""
        return self._path, self._offset

    def read(self, records_max: int = 0) -> Iterator[Record]:
        """Yield (first, count, payload) for each complete record there is, at most `records_max` unless 0.

        Stops before an incomplete record at the very end; `torn_bytes` then says how much of it is
        there. Raises LogDamaged or LogMissing.
        """
        yielded = 0
        while self._descriptor >= 0 or self._open_segment():
            at = 0
            while True:
                try:
                    record = self._complete_record(at)
                except LogDamaged:
                    # The buffer may be older than the file: a writer that completes a record, or cuts it off,
                    # while we look looks like damage once. The file itself decides.
                    self._buffer, self._offset, at = b"", self._offset + at, 0
                    record = self._complete_record(at)
                if record is None:
                    break
                first, count, start, end = record
                payload = self._buffer[start:end]
                at = end
                self.next_number = first + count
                if at > self.BLOCK_BYTES:
                    self._buffer, self._offset, at = self._buffer[at:], self._offset + at, 0
                if self.next_number <= self._wanted:
                    continue
                if first < self._wanted:
                    raise LogMissing(f"{self._path}: {self._wanted} is inside the record of {first} to {first + count - 1}")
                yielded += 1
                if yielded == records_max:
                    self._buffer, self._offset = self._buffer[at:], self._offset + at
                    yield first, count, payload
                    return
                yield first, count, payload
            self._buffer, self._offset = self._buffer[at:], self._offset + at
            if not self._next_segment():
                # The next read begins at this record again: a writer may have cut what is here of it.
                self.torn_bytes, self._buffer = len(self._buffer), b""
                return

    def _open_segment(self) -> bool:
        found = segments(self.directory)
        if not found:
            return False
        wanted, begins = self._wanted, found[0][0]
        if begins > wanted:
            found = self._archived(begins) + found
        candidates = [(first, path) for first, path in found if first <= wanted]
        if not candidates:
            raise LogMissing(f"{self.directory}: begins at number {begins}, {wanted} was asked for")
        first, path = candidates[-1]
        self._open(first, path)
        return True

    def _archived(self, begins: int) -> list[tuple[int, Path]]:
        """The segments that were put away, of a log that begins with number `begins`."""
        try:
            return [entry for entry in archived_segments(self.directory) if entry[0] < begins]
        except ArchiveAway as error:
            raise LogMissing(f"{self.directory}: begins at number {begins}, {self._wanted} was asked for: {error}") from None

    def _open(self, first: int, path: Path) -> None:
        self.close()
        if path.suffix == ".gz":
            try:
                self._descriptor = open_archived(path)
            except ValueError as error:
                raise LogDamaged(path, 0, first, str(error)) from None
        else:
            try:
                self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:  # put away since we looked
                archived = dict(self._archived(first + 1)).get(first)
                if archived is None:
                    raise
                self._open(first, archived)
                return
        self._path, self._offset, self.next_number = path, 0, first
        self._buffer = b""

    def _next_segment(self) -> bool:
        """Go on to the segment that begins with the next number, if it is there."""
        assert self._path is not None
        path = self.directory / f"{self.next_number:020d}.log"
        last_first, last = segments(self.directory)[-1]
        if last == self._path:
            return False
        if self._fill(len(self._buffer) + 1):  # written between our last read and the new segment's birth
            return True
        if self._buffer and not (self._offset == 0 and len(self._buffer) == len(MAGIC)):
            raise LogDamaged(self._path, self._offset, self.next_number, f"{len(self._buffer)} bytes that are no record")
        if not path.exists():
            path = dict(self._archived(last_first)).get(self.next_number, path)
        if path == self._path or not path.exists():
            if last_first > self.next_number:
                raise LogMissing(f"{path}: this segment is missing, but {last.name} is there. Put it back from a copy")
            return False
        self._open(self.next_number, path)
        return True

    def _fill(self, size: int) -> bool:
        """Have at least `size` bytes in the buffer; False where the file ends before."""
        while len(self._buffer) < size:
            block = os.pread(self._descriptor, max(self.BLOCK_BYTES, size - len(self._buffer)), self._offset + len(self._buffer))
            if not block:
                return False
            self._buffer += block
        return True

    def _complete_record(self, at: int) -> tuple[int, int, int, int] | None:
        """The record at `at` in the buffer as (first, count, payload start, payload end), or None at the end."""
        assert self._path is not None
        if self._offset == 0 and at == 0:
            if not self._fill(len(MAGIC)):
                return None
            try:
                self.format = formats.read_header(self._buffer, MAGIC, self.kind)
            except formats.Newer as error:
                raise LogNewer(self._path, 0, self.next_number, str(error)) from None
            except formats.NotOurs as error:
                raise LogDamaged(self._path, 0, self.next_number, f"not a log of this version: {error}") from None
            self._buffer, self._offset = self._buffer[len(MAGIC):], len(MAGIC)
        start = at + HEADER_BYTES
        if not self._fill(start):
            return None
        length, crc, first, count = _HEADER.unpack_from(self._buffer, at)
        if length > RECORD_BYTES_MAX or not self._fill(start + length):
            # Beyond the end of the file: torn, if this is where the log ends and no whole record follows.
            if self._later_record(at + 1):
                raise LogDamaged(self._path, self._offset + at, self.next_number, f"a length of {length} bytes")
            return None
        end = start + length
        payload = memoryview(self._buffer)[start:end]
        if zlib.crc32(payload, zlib.crc32(_NUMBERS.pack(first, count))) != crc or (first, count) < (1, 1):
            if self._nothing_after(end) and not self._later_record(at + 1):
                return None
            raise LogDamaged(self._path, self._offset + at, self.next_number, "the checksum does not match")
        if first != self.next_number:
            raise LogDamaged(self._path, self._offset + at, self.next_number, f"a record of number {first}")
        return first, count, start, end

    def _nothing_after(self, end: int) -> bool:
        """Whether the log ends here, but for zeros."""
        assert self._path is not None
        if segments(self.directory)[-1][1] != self._path:
            return False
        while not self._buffer[end:].strip(b"\0"):
            if not self._fill(len(self._buffer) + 1):
                return True
        return False

    def _later_record(self, at: int) -> bool:
        """Whether a whole record with a later number stands anywhere from `at` on: then this is damage, not a torn end."""
        assert self._path is not None
        if segments(self.directory)[-1][1] != self._path:
            return True
        while self._fill(len(self._buffer) + 1):
            pass
        for start in range(at, len(self._buffer) - HEADER_BYTES + 1):
            length, crc, first, count = _HEADER.unpack_from(self._buffer, start)
            if not self.next_number < first < self.next_number + 2**32 or not count:
                continue
            end = start + HEADER_BYTES + length
            if end > len(self._buffer):
                continue
            payload = memoryview(self._buffer)[start + HEADER_BYTES:end]
            if zlib.crc32(payload, zlib.crc32(_NUMBERS.pack(first, count))) == crc:
                return True
        return False


class LogWriter:
    """Appends records to the last segment, and begins a new one when it is full. `segment` is the number of its first entry.

    With a `kind`, new segments say that they are of it, and one of another version is not gone on with.
    Raises OSError when the disk does: the caller stops, and does not write or sync again.
    """

    def __init__(self, directory: Path, *, segment_bytes_max: int = SEGMENT_BYTES_MAX, kind: Format | None = None) -> None:
        """Open the log for writing. An incomplete last record is cut; `cut_bytes` says how much that was."""
        self.directory = directory
        self._begins_with = MAGIC if kind is None else formats.header(kind)
        self.segment_bytes_max = segment_bytes_max
        self.cut_bytes = 0
        self._failed = False
        directory.mkdir(parents=True, exist_ok=True)
        found = segments(directory)
        if not found:
            self.next_number = 1
            self._create()
            return
        first, path = found[-1]
        self.segment = first
        reader = LogReader(directory, first, kind)
        try:
            for _ in reader.read():
                pass
            self.next_number = reader.next_number
            _, end = reader.position()
        finally:
            reader.close()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        size = os.fstat(self._descriptor).st_size
        if end < len(MAGIC):  # the crash came between creating the segment and writing its first bytes
            self.cut_bytes, end = size, len(MAGIC)
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, self._begins_with)
        elif size > end:
            self.cut_bytes = size - end
            os.ftruncate(self._descriptor, end)
        if self.cut_bytes:
            os.fsync(self._descriptor)
        self._size = os.lseek(self._descriptor, 0, os.SEEK_END)
        if kind is not None and os.pread(self._descriptor, len(MAGIC), 0) != self._begins_with:
            self._begin_version()

    def _begin_version(self) -> None:
        """Go on in a segment of our own version."""
        if self._size == len(MAGIC):
            os.pwrite(self._descriptor, self._begins_with, 0)
            os.fsync(self._descriptor)
            return
        os.fsync(self._descriptor)
        os.close(self._descriptor)
        self._create()

    def append(self, first: int, count: int, payload: bytes) -> int:
        """Write one record; it survives the process, and after sync() the machine. Returns its offset in `segment`.

        After an OSError nobody knows what is in the file: every later append and sync is refused by an
        OSError too, and the log must be opened anew, which cuts what was left half written.
        """
        self._refuse_after_failure()
        assert first == self.next_number and count > 0, "entries are numbered without a gap"
        record = frame(first, count, payload)
        self._failed = True  # until it is done
        if self._size + len(record) > self.segment_bytes_max and self._size > len(MAGIC):
            os.fdatasync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
            self._create()
        try:
            written = os.write(self._descriptor, record)
            while written < len(record):
                written += os.write(self._descriptor, record[written:])
        except OSError as error:
            raise self._named(error) from None
        offset = self._size
        self._size += len(record)
        self.next_number = first + count
        self._failed = False
        return offset

    def sync(self) -> None:
        self._refuse_after_failure()
        self._failed = True
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise self._named(error) from None
        self._failed = False

    def _named(self, error: OSError) -> OSError:
        """With the place, which a write to a descriptor does not know."""
        return OSError(error.errno, error.strerror, str(self.directory))

    def _refuse_after_failure(self) -> None:
        if self._failed:
            raise OSError(errno.EIO, "an earlier write or sync of this log failed", str(self.directory))

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _create(self) -> None:
        self.segment = self.next_number
        path = self.directory / f"{self.segment:020d}.log"
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        os.write(self._descriptor, self._begins_with)
        os.fsync(self._descriptor)
        sync_directory(self.directory)
        self._size = len(MAGIC)


def unknown_record(reader: LogReader, first: int, error: Exception) -> LogNewer:
    """What to say of a record whose checksum is right, and that this program cannot decode all the same."""
    path, offset = reader.position()
    what = (
        f"the record of number {first} is whole, but none that this version of fixserver knows ({error}): a newer version wrote "
        "it. Use that; nothing is damaged"
    )
    return LogNewer(path or reader.directory, offset, first, what)


def read_at(directory: Path, segment: int, offset: int) -> bytes:
    """The payload of the record that append() put at `offset` of `segment`. Raises LogDamaged, FileNotFoundError."""
    path = directory / f"{segment:020d}.log"
    with open(path, "rb") as file:
        file.seek(offset)
        header = file.read(HEADER_BYTES)
        if len(header) == HEADER_BYTES:
            length, crc, first, count = _HEADER.unpack(header)
            payload = file.read(min(length, RECORD_BYTES_MAX))
            if len(payload) == length and zlib.crc32(payload, zlib.crc32(_NUMBERS.pack(first, count))) == crc:
                return payload
    raise LogDamaged(path, offset, segment, "no whole record")


def truncate(directory: Path, next_number: int) -> int:
    """Cut the log so that `next_number` comes next, and say how many bytes went. Records go whole."""
    cut = 0
    for first, path in reversed(segments(directory)):
        size = path.stat().st_size
        if first >= next_number:
            path.unlink()
            cut += size
            continue
        reader = LogReader(directory, first)
        end = len(MAGIC)
        for record_first, count, payload in reader.read():
            if record_first + count > next_number:
                break
            end += HEADER_BYTES + len(payload)
            if record_first + count == next_number:  # what follows may be damaged, and is not looked at
                break
        reader.close()
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.ftruncate(descriptor, end)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        cut += size - end
        break
    sync_directory(directory)
    return cut
