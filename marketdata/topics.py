"""What each topic of the stream says, numbered and encoded once for all; it never knows who follows it.

A topic's numbers count what it said. Between two deltas it stands at `number`, which is where a snapshot stands as well: what is
pending is put out first. A delta may say something without a number of its own (a phase in the statistics): its `number` is then
the one before its `first`, and to be told it twice does no harm.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import msgspec

from marketdata import shapes
from marketdata.candles import INTERVALS, Candle, Candles
from marketdata.depth import BID, CLEARING_PRICE, IMBALANCE, OFFER, STATISTICS, TRADE, TRADES_KEPT, Book, Depth
from marketdata.stream_messages import Delta, Snapshot, encode
from marketdata.views import CHANGE, DELETE, DEPTH_MAX, NEW, Entry, View, ViewKey, view_key
from matching.instruments import decimal_text

RESUME_ENTRIES = 5_000  # of a topic, kept for those who come back
RESUME_BYTES_MAX = 256 * 1024
RESUME_SECONDS = 60.0
DELTA_ENTRIES_MAX = 5_000  # what says more at once is told by a new snapshot
DELTA_BYTES_MAX = 256 * 1024
CANDLES_SHOWN = 500
COMMON_DEPTHS = (0, 1, 5, 10, 20, 50, 100, 1_000)

ACTIONS = {NEW: "new", CHANGE: "change", DELETE: "delete"}
SIDES = {BID: "bid", OFFER: "offer"}


# -------------------------------------------------------------------------------------------------- sources


class Source(Protocol):
    """Where a topic has it from. What is pending is what was given to Topic.pending, oldest first."""

    def size(self) -> int:
        """About how many lines a snapshot has, found without making it."""
        ...

    def snapshot(self) -> Any: ...

    def said(self, pending: list[Any]) -> list[Any]:
        """The entries of a delta, as JSON is to say them."""
        ...


class BookSource:
    """Bids and offers of a view."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._book = view.book

    def size(self) -> int:
        return self._view.snapshot_size()

    def snapshot(self) -> Any:
        book, depth = self._book, self._view.key.depth
        if self._view.key.by_order:
            return {"bids": shapes.order_lines(book, book.bids, depth), "offers": shapes.order_lines(book, book.offers, depth)}
        return {"bids": shapes.price_lines(book, book.bids, depth), "offers": shapes.price_lines(book, book.offers, depth)}

    def said(self, pending: list[Entry]) -> list[Any]:
        by_order = self._view.key.by_order
        price_decimals, quantity_decimals = self._book.price_decimals, self._book.quantity_decimals
        return [
            (
                ACTIONS[entry.action],
                SIDES[entry.kind],
                decimal_text(entry.price, price_decimals),
                decimal_text(0 if entry.action == DELETE else entry.quantity, quantity_decimals),
                str(entry.order_id) if by_order else entry.orders,
            )
            for entry in pending
        ]


class TradesSource:
    """The trades of an instrument."""

    def __init__(self, view: View) -> None:
        self._book = view.book

    def size(self) -> int:
        return TRADES_KEPT

    def snapshot(self) -> Any:
        return {"trades": [shapes.trade(self._book, trade) for trade in self._book.recent]}

    def said(self, pending: list[Entry]) -> list[Any]:
        return [
            (ACTIONS[entry.action], shapes.trade(self._book, entry.trade, busted=entry.action == DELETE))
            for entry in pending
            if entry.trade is not None
        ]


class StatisticsSource:
    """The day of an instrument. What was said last is remembered, because a delta says what is different."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._last = msgspec.structs.asdict(shapes.statistics(book))

    def size(self) -> int:
        return len(self._last)

    def snapshot(self) -> Any:
        return self._last

    def said(self, pending: list[Entry]) -> list[Any]:
        now = msgspec.structs.asdict(shapes.statistics(self._book))
        changed = {name: value for name, value in now.items() if value != self._last[name]}
        self._last = now
        return [changed] if changed or pending else []


class CandlesSource:
    """The candles of an instrument, of one width."""

    def __init__(self, book: Book, interval: str, candles: Candles) -> None:
        self._book = book
        self._interval = interval
        self._candles = candles

    def size(self) -> int:
        return CANDLES_SHOWN

    def snapshot(self) -> Any:
        return {"candles": self.said(self._candles.last(self._book.instrument, self._interval, CANDLES_SHOWN))}

    def said(self, pending: list[Candle]) -> list[Any]:
        price_decimals, quantity_decimals = self._book.price_decimals, self._book.quantity_decimals
        return [shapes.candle(one, price_decimals, quantity_decimals) for one in pending]


class StatusSource:
    """Phases of markets and instruments, and the trading day."""

    def __init__(self, depth: Depth) -> None:
        self._depth = depth

    def size(self) -> int:
        return 1 + len(self._depth.markets) + len(self._depth.books)

    def snapshot(self) -> Any:
        depth = self._depth
        return {
            "trading_day": depth.trading_day,
            "markets": shapes.market_phases(depth),
            "instruments": [shapes.instrument_phase(book) for book in depth.books.values()],
        }

    def said(self, pending: list[Any]) -> list[Any]:
        return pending


# ---------------------------------------------------------------------------------------------------- names


class Name(NamedTuple):
    """A topic's name, understood. `kind` is book, trades, statistics, candles or status; `key` that of its view."""

    kind: str
    symbol: str = ""
    key: ViewKey | None = None
    interval: str = ""

    @property
    def is_common(self) -> bool:
        """Whether many will ask for it, so that it is never refused for there being too many."""
        return self.kind != "book" or self.key is None or self.key.depth in COMMON_DEPTHS


class Refused(NamedTuple):
    """Why a topic is not to be had."""

    code: str
    text: str


def understand(name: str, depth: Depth) -> Name | Refused:
    kind, _, rest = name.partition(":")
    if kind == "status" and not rest:
        return Name(kind)
    if kind == "book" and rest.count(":") >= 2:
        symbol, by, levels = rest.rsplit(":", 2)
        if by not in ("price", "order"):
            return Refused("unknown-topic", "a book is by price or by order, as in book:SYMBOL:price:10")
        if not (levels.isascii() and levels.isdigit() and len(levels) < 10 and str(int(levels)) == levels):
            return Refused("bad-depth", "a book's depth is a number of prices, 0 for all of them, as in book:SYMBOL:price:10")
        if int(levels) > DEPTH_MAX:
            return Refused("bad-depth", f"a book's depth is at most {DEPTH_MAX} prices, or 0 for all of them")
        found = Name(kind, symbol, view_key(symbol, by == "order", int(levels), (BID, OFFER)))
    elif kind == "trades" and rest:
        found = Name(kind, rest, view_key(rest, False, 0, (TRADE,)))
    elif kind == "statistics" and rest:
        found = Name(kind, rest, view_key(rest, False, 0, (*STATISTICS, IMBALANCE, CLEARING_PRICE)))
    elif kind == "candles" and ":" in rest:
        symbol, interval = rest.rsplit(":", 1)
        if interval not in INTERVALS:
            return Refused("unknown-topic", f"candles are of {', '.join(INTERVALS)}")
        found = Name(kind, symbol, None, interval)
    else:
        return Refused(
            "unknown-topic",
            "there are book:SYMBOL:price:DEPTH, book:SYMBOL:order:DEPTH, trades:SYMBOL, statistics:SYMBOL, candles:SYMBOL:INTERVAL "
            "and status, and, signed in, topics of one's own",
        )
    if found.symbol not in depth.books:
        return Refused("unknown-symbol", "this is not traded here")
    return found


# --------------------------------------------------------------------------------------------------- topics


class Kept(NamedTuple):
    """A delta that was put out: what it stood on, how many entries it has, its frame, and when that was."""

    before: int
    entries: int
    frame: bytes
    at: float


class Topic:
    """A topic at `number`, with what is pending behind it. `source` is None where its snapshots come from elsewhere."""

    __slots__ = ("_framed", "_kept", "_kept_bytes", "_kept_entries", "_snapshot", "era", "name", "number", "pending", "source")

    def __init__(self, name: str, era: str, number: int, source: Source | None, framed: Callable[[bytes], bytes]) -> None:
        self.name = name
        self.era = era
        self.number = number
        self.source = source
        self.pending: list[Any] = []
        self._framed = framed
        self._kept: deque[Kept] = deque()
        self._kept_entries = self._kept_bytes = 0
        self._snapshot: bytes | None = None

    def put_out(self, time: str, now: float) -> bytes | None:
        """The delta of what is pending, which it then is no more. None where there is none, or it is so large (`number` has
        changed then) that all who follow are to be sent a snapshot in its place."""
        pending, self.pending = self.pending, []
        before, self.number = self.number, self.number + len(pending)
        self._snapshot = None
        frame = None
        if len(pending) <= DELTA_ENTRIES_MAX:
            data = self.source.said(pending) if self.source is not None else pending
            if not data:
                assert not pending, "what is numbered is said"
                return None
            frame = self._framed(encode(Delta(self.name, before + 1, self.number, time, data)))
        if frame is None or len(frame) > DELTA_BYTES_MAX:
            if self.source is not None and frame is None:
                self.source.said(pending[:0])  # it may remember what was said last, and the snapshot says it all
            self._kept.clear()
            self._kept_entries = self._kept_bytes = 0
            return None
        self._keep(Kept(before, len(data), frame, now))
        return frame

    def _keep(self, delta: Kept) -> None:
        kept = self._kept
        kept.append(delta)
        self._kept_entries += delta.entries
        self._kept_bytes += len(delta.frame)
        while (
            self._kept_entries > RESUME_ENTRIES or self._kept_bytes > RESUME_BYTES_MAX or kept[0].at < delta.at - RESUME_SECONDS
        ):
            oldest = kept.popleft()
            self._kept_entries -= oldest.entries
            self._kept_bytes -= len(oldest.frame)

    def behind(self, era: str, number: int, time: str) -> list[bytes] | None:
        """The deltas behind `number`, an empty one if there are none; None where they are not known any more."""
        if era != self.era:
            return None
        found = [delta for delta in self._kept if delta.before >= number]
        if found and found[0].before == number:
            return [delta.frame for delta in found]
        if number == self.number:
            return [self._framed(encode(Delta(self.name, number + 1, number, time, [])))]
        return None

    @property
    def has_snapshot(self) -> bool:
        """Whether the snapshot was made already, so that it costs nothing."""
        return self._snapshot is not None

    def snapshot(self, time: str) -> bytes:
        """The frame of the snapshot, made once as long as nothing changes. Nothing may be pending."""
        assert self.source is not None and not self.pending
        if self._snapshot is None:
            self._snapshot = self.snapshot_of(self.source.snapshot(), time)
        return self._snapshot

    def snapshot_of(self, data: Any, time: str) -> bytes:
        """The frame of a snapshot that says `data`."""
        return self._framed(encode(Snapshot(self.name, self.era, self.number, time, data)))
