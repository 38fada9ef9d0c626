"""Finds a trade in the event log by its number; it changes nothing.

A number is found by reading a segment from its beginning, which takes seconds for a large one. So whoever has the time
locates the record, and the exchange reads it at its place.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from matching.messages import EventBatch, Traded
from matching.recordlog import HEADER_BYTES, MAGIC, LogMissing, LogReader, read_at, segments

_decode = msgspec.msgpack.Decoder(EventBatch).decode


def locate(events: Path, number: int) -> tuple[int, int] | None:
    """(segment, offset) of the record that holds event `number`; None where there is none. Raises LogDamaged, LogMissing."""
    found = segments(events)
    before = [first for first, _ in found if first <= number]
    if not before:
        if found and number > 0:
            raise LogMissing(f"{events}: begins at number {found[0][0]}: event {number} was archived, and is past changing")
        return None
    offset = len(MAGIC)
    reader = LogReader(events, before[-1])
    try:
        for first, count, payload in reader.read():
            if first <= number < first + count:
                return before[-1], offset
            offset += HEADER_BYTES + len(payload)
    finally:
        reader.close()
    return None


def bytes_to_read(events: Path, number: int) -> int:
    """How much locate() may have to read."""
    before = [path for first, path in segments(events) if first <= number]
    return before[-1].stat().st_size if before else 0


def trade_at(events: Path, place: tuple[int, int], number: int) -> Traded | None:
    """Trade `number`, where the record at `place` holds it. Raises LogDamaged, FileNotFoundError."""
    for event in _decode(read_at(events, *place)).events:
        if event.seq == number and isinstance(event, Traded):
            return event
    return None
