"""Reads a venue's event log the way that who writes it into tables wants it: whole records, decoded, in bounded portions."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import msgspec

from matching.formats import EVENT_LOG
from matching.messages import EventBatch
from matching.recordlog import HEADER_BYTES, MAGIC, LogMissing, LogReader, segments, unknown_record

_HEADER = struct.Struct("<IIQI")  # as matching.recordlog describes it
_decode = msgspec.msgpack.Decoder(EventBatch).decode


class Record(NamedTuple):
    """The events of one batch of commands. `crc` is of the bytes that stand in the log."""

    first: int
    crc: int
    batch: EventBatch

    @property
    def last(self) -> int:
        return self.first + len(self.batch.events) - 1


class EventLog:
    """The records of the log in `directory` from event `next_event` on, as they are written."""

    def __init__(self, directory: Path, next_event: int) -> None:
        self._reader = LogReader(directory, next_event, EVENT_LOG)
        self._records = self._reader.read()

    def read(self, events_max: int) -> list[Record]:
        """What is there, up to the record that makes it `events_max` events or more; empty at the end of the log.

        Raises LogDamaged, LogNewer, LogMissing.
        """
        records: list[Record] = []
        events = 0
        for first, count, payload in self._records:
            try:
                batch = _decode(payload)
            except msgspec.DecodeError as error:
                raise unknown_record(self._reader, first, error) from None
            records.append(Record(first, zlib.crc32(payload), batch))
            events += count
            if events >= events_max:
                return records
        self._records = self._reader.read()
        return records

    def close(self) -> None:
        self._records.close()  # type: ignore[attr-defined]
        self._reader.close()


def record_crc(directory: Path, first: int) -> int | None:
    """The CRC of the record that begins with event `first`; None where the log ends before, -1 where no record begins there."""
    reader = LogReader(directory, first)
    records = reader.read(1)
    try:
        for found, _, payload in records:
            return zlib.crc32(payload) if found == first else -1
    except LogMissing:
        return -1
    finally:
        reader.close()
    return None


class LogHead:
    """The number of the last event in a log. Looks at the records' headers alone, and only at those it has not seen."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path: Path | None = None
        self._offset = 0
        self.event_seq = 0

    def read(self) -> int:
        """0 while the log is empty or not there."""
        found = segments(self._directory) if self._directory.is_dir() else []
        if not found:
            return 0
        if found[-1][1] != self._path:
            self._path, self._offset = found[-1][1], len(MAGIC)
            self.event_seq = found[-1][0] - 1
        descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(descriptor).st_size
            while len(header := os.pread(descriptor, HEADER_BYTES, self._offset)) == HEADER_BYTES:
                length, _, first, count = _HEADER.unpack(header)
                end = self._offset + HEADER_BYTES + length
                if end > size:
                    break  # being written, or torn
                self._offset, self.event_seq = end, first + count - 1
        finally:
            os.close(descriptor)
        return self.event_seq
