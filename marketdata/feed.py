"""Follows the event log and keeps depth, candles and who has what at work; it never sends anything to anyone.

`Feed.records()` yields after each record of the log has been applied, which is when views are asked for
their changes. A checkpoint is due each CHECKPOINT_EVENTS and is written when there is nothing else to do,
or at twice that.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from marketdata import checkpoint
from matching.messages import EventBatch
from matching.recordlog import LogReader

CHECKPOINT_EVENTS = 500_000


class Feed:
    """What the events of the venue in `data` come to, from its checkpoint (or from event 1) on."""

    def __init__(self, data: Path) -> None:
        self._directory = data / "marketdata"
        self._kept, self.origin = checkpoint.load(self._directory, data / "events")
        self.depth, self.candles, self.own = self._kept
        self._reader = LogReader(data / "events", self.depth.cursor + 1)
        self._decoder = msgspec.msgpack.Decoder(EventBatch)
        self._saved_at = self.depth.cursor
        self._last: tuple[int, bytes] | None = None
        self.also: Callable[[EventBatch], None] | None = None  # somebody else who wants to see each record, before it counts

    def records(self, records_max: int) -> Iterator[EventBatch]:
        """Apply what has been written since, at most so many records, and yield each after it. Raises
        LogDamaged or LogMissing."""
        for first, _, payload in self._reader.read(records_max):
            batch = self._decoder.decode(payload)
            if self.also is not None:
                self.also(batch)
            self.depth.apply(batch)
            self.candles.apply(batch)
            self.own.apply(batch)
            self._last = (first, payload)
            yield batch

    def catch_up(self) -> None:
        """Apply everything there is."""
        for _ in self.records(0):
            pass

    def checkpoint_due(self, idle: bool) -> bool:
        return self.depth.cursor - self._saved_at >= (CHECKPOINT_EVENTS if idle else 2 * CHECKPOINT_EVENTS)

    def save_checkpoint(self) -> None:
        """Raises OSError when the disk does; the feed goes on without."""
        if self._last is None or self._saved_at == self.depth.cursor:
            return
        first, payload = self._last
        checkpoint.save(self._directory, self._kept, first, zlib.crc32(payload))
        self._saved_at = self.depth.cursor

    def postpone_checkpoint(self) -> None:
        """Let the next one be due as if one had just been written."""
        self._saved_at = self.depth.cursor

    def close(self) -> None:
        self._reader.close()
