"""What the feed keeps as a file, so that a restart need not read every event; a file that is not what was written is never used.

A checkpoint names the record of the event log that it stands behind by number and checksum. When the log
has another record there, or none, the checkpoint is of another past: it is ignored, and everything is built from
event 1 again, which is always right.
"""

from __future__ import annotations

import os
import zlib
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from marketdata import candles, own
from marketdata.candles import Candles
from marketdata.depth import TRADES_KEPT, Auction, Book, BookSide, Depth, Order, Trade
from marketdata.own import OwnOrders
from matching.messages import InstrumentDefined, Phase
from matching.recordlog import LogMissing, LogReader, sync_directory

_ANY_VERSION = b"FIXFEED"
MAGIC = _ANY_VERSION + b"2"
FILE = "checkpoint"


_Unseen = tuple[int, int, int, int]  # order number, price, leaves, display
_Order = tuple[int, int, int, int, int]  # and what is shown
_Trade = tuple[int, int, int, str, int, bool]


class _Book(msgspec.Struct, array_like=True, frozen=True):
    terms: InstrumentDefined
    phase: Phase
    until: int
    reference: int
    printed: int
    bids: list[_Order]  # in the order of the book
    offers: list[_Order]
    unseen_bids: list[_Unseen]
    unseen_offers: list[_Unseen]
    first: list[_Trade]
    recent: list[_Trade]
    traded: list[tuple[int, int]]
    prints: int
    busts: int
    auction: Auction | None
    opening: int
    closing: int
    closing_before: int
    high: int
    low: int
    volume: int
    value: str  # text: over a day it may pass 64 bits
    split: int


class _Depth(msgspec.Struct, array_like=True, frozen=True):
    cursor: int
    time: int
    trading_day: str
    markets: list[tuple[str, Phase]]
    books: list[_Book]


class _Checkpoint(msgspec.Struct, array_like=True, frozen=True):
    record_first: int
    record_crc: int
    depth: _Depth
    candles: candles.State
    own: own.State


_decode = msgspec.msgpack.Decoder(_Checkpoint).decode
_decode_depth = msgspec.msgpack.Decoder(_Depth).decode


class Kept(NamedTuple):
    """All that the feed keeps, behind the same event."""

    depth: Depth
    candles: Candles
    own: OwnOrders


def nothing() -> Kept:
    """What there is before event 1."""
    return Kept(Depth(), Candles(), OwnOrders())


def encode(kept: Kept, record_first: int, record_crc: int) -> bytes:
    """`record_first` and `record_crc`: first number and CRC-32 of the record that was applied last."""
    return msgspec.msgpack.encode(
        _Checkpoint(record_first, record_crc, _depth_state(kept.depth), kept.candles.state(), kept.own.state())
    )


def encode_depth(depth: Depth) -> bytes:
    """The depth alone."""
    return msgspec.msgpack.encode(_depth_state(depth))


def decode_depth(payload: bytes) -> Depth:
    """The depth that was encoded alone."""
    return _restore_depth(_decode_depth(payload))


def _depth_state(depth: Depth) -> _Depth:
    unseen: dict[BookSide, list[Order]] = {}
    for _, order in sorted(depth.unseen.items()):
        unseen.setdefault(order.side, []).append(order)
    books = [
        _Book(
            book.terms,
            book.phase,
            book.until,
            book.reference,
            book.printed,
            _orders(book.bids.orders()),
            _orders(book.offers.orders()),
            [order[:4] for order in _orders(unseen.get(book.bids, ()))],
            [order[:4] for order in _orders(unseen.get(book.offers, ()))],
            _trades(book.first),
            _trades(book.recent),
            sorted(book.traded.items()),
            book.prints,
            book.busts,
            book.auction,
            book.opening,
            book.closing,
            book.closing_before,
            book.high,
            book.low,
            book.volume,
            str(book.value),
            book.split,
        )
        for book in depth.books.values()
    ]
    return _Depth(depth.cursor, depth.time, depth.trading_day, sorted(depth.markets.items()), books)


def _orders(orders: Iterable[Order]) -> list[_Order]:
    return [(order.order_id, order.price, order.leaves, order.display, order.quantity) for order in orders]


def _trades(trades: Iterable[Trade]) -> list[_Trade]:
    return [(trade.number, trade.price, trade.quantity, trade.taker_side, trade.time, trade.corrected) for trade in trades]


def save(directory: Path, kept: Kept, record_first: int, record_crc: int) -> None:
    """Replace the checkpoint, whole or not at all. Raises OSError when the disk does."""
    payload = encode(kept, record_first, record_crc)
    directory.mkdir(parents=True, exist_ok=True)
    temporary = directory / f"{FILE}.new"
    with temporary.open("wb") as file:
        file.write(MAGIC + zlib.crc32(payload).to_bytes(4, "little") + payload)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(directory / FILE)
    sync_directory(directory)


def load(directory: Path, events: Path) -> tuple[Kept, str]:
    """What to go on with, and in words where it comes from."""
    path = directory / FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return nothing(), f"{path}: not there, begins at event 1"
    payload = content[len(MAGIC) + 4 :]
    if content.startswith(_ANY_VERSION) and not content.startswith(MAGIC):
        return nothing(), f"{path}: is of another version, begins at event 1"
    if not content.startswith(MAGIC) or content[len(MAGIC) : len(MAGIC) + 4] != zlib.crc32(payload).to_bytes(4, "little"):
        return nothing(), f"{path}: is damaged, begins at event 1"
    try:
        checkpoint = _decode(payload)
    except msgspec.ValidationError:
        return nothing(), f"{path}: is of another version, begins at event 1"
    if not _log_agrees(checkpoint, events):
        return nothing(), f"{path}: the event log has another record {checkpoint.record_first}, or none yet; begins at event 1"
    kept = Kept(_restore_depth(checkpoint.depth), Candles.restore(checkpoint.candles), OwnOrders.restore(checkpoint.own))
    return kept, f"{path}: goes on at event {kept.depth.cursor + 1}"


def needed(directory: Path, events: Path) -> int:
    """From which event on a feed that is started reads the log: 1 where it has no checkpoint that it would use."""
    try:
        checkpoint = _decode((directory / FILE).read_bytes()[len(MAGIC) + 4 :])
    except (FileNotFoundError, msgspec.DecodeError):
        return 1
    used = load(directory, events)[0].depth.cursor
    return checkpoint.record_first if used and used == checkpoint.depth.cursor else 1


def _log_agrees(checkpoint: _Checkpoint, events: Path) -> bool:
    cursor = checkpoint.depth.cursor
    if cursor == 0:
        return True
    reader = LogReader(events, checkpoint.record_first)
    try:
        for first, count, payload in reader.read(records_max=1):
            return (first, first + count - 1, zlib.crc32(payload)) == (
                checkpoint.record_first,
                cursor,
                checkpoint.record_crc,
            )
        return False
    except LogMissing:  # the number is in the middle of a record there
        return False
    finally:
        reader.close()


def _restore_depth(state: _Depth) -> Depth:
    depth = Depth()
    depth.cursor, depth.time, depth.trading_day = state.cursor, state.time, state.trading_day
    depth.markets = dict(state.markets)
    for stored in state.books:
        book = depth.books[stored.terms.instrument] = Book(stored.terms)
        for side, orders, unseen in (
            (book.bids, stored.bids, stored.unseen_bids),
            (book.offers, stored.offers, stored.unseen_offers),
        ):
            for order_id, price, leaves, display, shown in orders:
                order = depth.orders[order_id] = Order(order_id, book, side, price, leaves, display)
                order.quantity = shown
                side.enter(order)
            for order_id, price, leaves, display in unseen:
                depth.unseen[order_id] = Order(order_id, book, side, price, leaves, display)
        book.phase, book.until = stored.phase, stored.until
        book.reference, book.printed = stored.reference, stored.printed
        book.first = [Trade(*trade) for trade in stored.first]
        # A trade that is among the first and the last is one: what is busted goes from both.
        first = {trade.number: trade for trade in book.first}
        book.recent = deque((first.get(trade[0]) or Trade(*trade) for trade in stored.recent), TRADES_KEPT)
        book.traded = dict(stored.traded)
        book.prints, book.busts, book.auction = stored.prints, stored.busts, stored.auction
        book.closing_before = stored.closing_before
        book.split = stored.split
        book.opening, book.closing, book.high, book.low = stored.opening, stored.closing, stored.high, stored.low
        book.volume, book.value = stored.volume, int(stored.value)
        book.settle()
    return depth
