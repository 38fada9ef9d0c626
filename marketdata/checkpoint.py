"""The depth as a file, so that a restart need not read every event; a file that is not what was written is never used.

A checkpoint names the record of the event log that it stands behind by number and checksum. When the log
has another record there, or none, the checkpoint is of another past: it is ignored, and the depth is built from
event 1 again, which is always right.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import msgspec

from marketdata.depth import Book, Depth, Order, Trade
from matching.messages import Side
from matching.recordlog import LogMissing, LogReader, sync_directory

MAGIC = b"FIXDEPT1"
FILE = "checkpoint"


class _Book(msgspec.Struct, array_like=True, frozen=True):
    instrument: str
    currency: str
    price_decimals: int
    quantity_decimals: int
    phase: str
    bids: list[tuple[int, int, int]]  # order number, price, quantity, in the order of the book
    offers: list[tuple[int, int, int]]
    last: tuple[int, int, int, Side, int] | None
    opening: int
    closing: int
    high: int
    low: int
    volume: int
    value: str  # text: over a day it may pass 64 bits


class _Checkpoint(msgspec.Struct, array_like=True, frozen=True):
    cursor: int
    record_first: int
    record_crc: int
    time: int
    trading_day: str
    books: list[_Book]


def encode(depth: Depth, record_first: int, record_crc: int) -> bytes:
    """`record_first` and `record_crc`: first number and CRC-32 of the record that was applied last."""
    books = [
        _Book(
            book.instrument,
            book.currency,
            book.price_decimals,
            book.quantity_decimals,
            book.phase,
            [(order.order_id, order.price, order.quantity) for order in book.bids.orders()],
            [(order.order_id, order.price, order.quantity) for order in book.offers.orders()],
            None if (last := book.last) is None else (last.number, last.price, last.quantity, last.taker_side, last.time),
            book.opening,
            book.closing,
            book.high,
            book.low,
            book.volume,
            str(book.value),
        )
        for book in depth.books.values()
    ]
    return msgspec.msgpack.encode(_Checkpoint(depth.cursor, record_first, record_crc, depth.time, depth.trading_day, books))


def save(directory: Path, depth: Depth, record_first: int, record_crc: int) -> None:
    """Replace the checkpoint, whole or not at all. Raises OSError when the disk does."""
    payload = encode(depth, record_first, record_crc)
    directory.mkdir(parents=True, exist_ok=True)
    temporary = directory / f"{FILE}.new"
    with temporary.open("wb") as file:
        file.write(MAGIC + zlib.crc32(payload).to_bytes(4, "little") + payload)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(directory / FILE)
    sync_directory(directory)


def load(directory: Path, events: Path) -> tuple[Depth, str]:
    """The depth to go on with, and in words where it comes from."""
    path = directory / FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Depth(), f"{path}: not there, begins at event 1"
    payload = content[len(MAGIC) + 4 :]
    if not content.startswith(MAGIC) or content[len(MAGIC) : len(MAGIC) + 4] != zlib.crc32(payload).to_bytes(4, "little"):
        return Depth(), f"{path}: is damaged or of another version, begins at event 1"
    try:
        checkpoint = msgspec.msgpack.decode(payload, type=_Checkpoint)
    except msgspec.ValidationError:
        return Depth(), f"{path}: is of another version, begins at event 1"
    if not _log_agrees(checkpoint, events):
        return Depth(), f"{path}: the event log has another record {checkpoint.record_first}, or none yet; begins at event 1"
    return _restore(checkpoint), f"{path}: goes on at event {checkpoint.cursor + 1}"


def _log_agrees(checkpoint: _Checkpoint, events: Path) -> bool:
    if checkpoint.cursor == 0:
        return True
    reader = LogReader(events, checkpoint.record_first)
    try:
        for first, count, payload in reader.read(records_max=1):
            return (first, first + count - 1, zlib.crc32(payload)) == (
                checkpoint.record_first,
                checkpoint.cursor,
                checkpoint.record_crc,
            )
        return False
    except LogMissing:  # the number is in the middle of a record there
        return False
    finally:
        reader.close()


def _restore(checkpoint: _Checkpoint) -> Depth:
    depth = Depth()
    depth.cursor, depth.time, depth.trading_day = checkpoint.cursor, checkpoint.time, checkpoint.trading_day
    for stored in checkpoint.books:
        book = Book(stored.instrument, stored.currency, stored.price_decimals, stored.quantity_decimals)
        depth.books[stored.instrument] = book
        for side, orders in ((book.bids, stored.bids), (book.offers, stored.offers)):
            for order_id, price, quantity in orders:
                order = depth.orders[order_id] = Order(order_id, book, side, price, quantity)
                side.enter(order)
        book.phase = stored.phase
        book.last = Trade(*stored.last) if stored.last is not None else None
        book.opening, book.closing, book.high, book.low = stored.opening, stored.closing, stored.high, stored.low
        book.volume, book.value = stored.volume, int(stored.value)
        book.settle()
    return depth
