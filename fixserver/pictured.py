"""What pictures are made of: a book and its trades over time, from an event log, and latencies, from a page of metrics; it draws
nothing.

Prices and quantities are whole units here, times nanoseconds; whoever draws makes coordinates of them.
"""

from __future__ import annotations

import http.client
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from marketdata.candles import WIDTHS, Candle, Candles
from marketdata.depth import Book, BookSide, Depth
from matching.messages import EventBatch, InstrumentDefined, Traded
from matching.recordlog import LogReader, segments

SAMPLES_MAX = 480  # of a book over the time that is shown; when there are more, every second one goes
SAMPLE_NS = 50_000_000  # between two of them at first
LEVELS_MAX = 200  # of a side, in a sample
CANDLES_MAX = 420
TRADES_MAX = 1_500  # dots in the picture of a book
METRICS_SECONDS = 5.0
PAGE_BYTES_MAX = 4 * 2**20
FOREVER = 2**63 - 1


class NothingToShow(Exception):
    """There is no such thing in the files, or nothing of it. Says what, where, and what to do."""


class Level(NamedTuple):
    price: int
    quantity: int


class Sample(NamedTuple):
    """A book as it stood at a moment, best prices first."""

    time: int
    bids: list[Level]
    offers: list[Level]


class Print(NamedTuple):
    """A trade."""

    time: int
    price: int
    quantity: int


class BookHistory(NamedTuple):
    """A book over time; `interval_ns` lies between two samples, the last one is the end. Of the trades it has one of so many."""

    terms: InstrumentDefined
    samples: list[Sample]
    interval_ns: int
    trades: list[Print]
    one_of: int


class TradeHistory(NamedTuple):
    """Candles, oldest first; a time in which nothing traded has none."""

    terms: InstrumentDefined
    interval: str
    width_ns: int
    candles: list[Candle]


# ----------------------------------------------------------------------------------------------- the event log


def batches(data: Path) -> Iterator[EventBatch]:
    """The event log from its beginning. Raises NothingToShow, LogDamaged, LogMissing."""
    if not segments(data / "events"):
        raise NothingToShow(f"{data / 'events'}: there is no event log: --data names the directory of a venue, or of a simulation")
    decode = msgspec.msgpack.Decoder(EventBatch).decode
    reader = LogReader(data / "events")
    try:
        for _, _, payload in reader.read():
            yield decode(payload)
    finally:
        reader.close()


def book_history(data: Path, symbol: str, begin: int = 0, end: int = FOREVER) -> BookHistory:
    """The book of an instrument from `begin` to `end` (ns). Raises NothingToShow, LogDamaged, LogMissing."""
    depth = Depth()
    samples: list[Sample] = []
    trades: list[Print] = []
    interval, due, last = SAMPLE_NS, 0, 0
    for batch in batches(data):
        if batch.time > end:
            break
        book = depth.books.get(symbol)
        if book is not None and batch.time >= begin:
            # The book as it was until now stands for every moment since the last sample.
            if not due and (book.bids.levels or book.offers.levels):
                due = max(begin, depth.time)
            while due and due <= batch.time:
                samples.append(_sample(book, due))
                due += interval
                if len(samples) > 2 * SAMPLES_MAX:
                    samples, interval = samples[::2], 2 * interval
                    due = samples[-1].time + interval
        depth.apply(batch)
        last = batch.time
        if batch.time >= begin:
            traded = [event for event in batch.events if isinstance(event, Traded) and event.instrument == symbol]
            trades += [Print(batch.time, event.price, event.quantity) for event in traded]
    book = _book(depth, data, symbol)
    if due:
        samples.append(_sample(book, last))
    if not any(sample.bids or sample.offers for sample in samples):
        raise NothingToShow(f"{data}: nobody bid or offered {symbol} in that time")
    one_of = -(-len(trades) // TRADES_MAX) or 1
    return BookHistory(book.terms, samples, interval, trades[::one_of], one_of)


def _sample(book: Book, time: int) -> Sample:
    return Sample(time, _levels(book.bids), _levels(book.offers))


def _levels(side: BookSide) -> list[Level]:
    return [Level(price, side.levels[price].quantity) for price in side.prices(LEVELS_MAX)]


def trade_history(data: Path, symbol: str, interval: str = "", begin: int = 0, end: int = FOREVER) -> TradeHistory:
    """The candles of an instrument from `begin` to `end` (ns): of this interval, or of the shortest that makes no more than
    CANDLES_MAX. Raises NothingToShow, LogDamaged, LogMissing."""
    depth, candles = Depth(), Candles()
    found: dict[str, dict[int, Candle]] = {name: {} for name in WIDTHS}
    for batch in batches(data):
        if batch.time > end:
            break
        depth.apply(batch)
        candles.apply(batch)
        for change in candles.changed:
            if change.instrument == symbol and change.interval in found and change.candle.begin >= begin:
                if change.candle.trades:
                    found[change.interval][change.candle.begin] = change.candle
                else:
                    found[change.interval].pop(change.candle.begin, None)
    book = _book(depth, data, symbol)
    if not found["1s"]:
        raise NothingToShow(f"{data}: {symbol} did not trade in that time")
    if not interval:
        *_, interval = [name for name in WIDTHS if found[name]]
        interval = next((name for name in WIDTHS if found[name] and _span(found[name], WIDTHS[name]) <= CANDLES_MAX), interval)
    if not found[interval]:
        raise NothingToShow(f"{data}: {symbol} has no candle of {interval} that begins in that time: ask for a shorter --interval")
    shown = [found[interval][moment] for moment in sorted(found[interval])]
    return TradeHistory(book.terms, interval, WIDTHS[interval], shown)


def _span(candles: dict[int, Candle], width_ns: int) -> int:
    """How many there would be if none were left out."""
    return (max(candles) - min(candles)) // width_ns + 1


def _book(depth: Depth, data: Path, symbol: str) -> Book:
    book = depth.books.get(symbol)
    if book is None:
        known = ", ".join(depth.books) or "none"
        raise NothingToShow(f"{data}: has no instrument {symbol!r}: --symbol is one of {known}")
    return book


# ---------------------------------------------------------------------------------------------------- metrics


class Histogram(NamedTuple):
    """How many values were above the bound before and at most `bound` (seconds; the last one is infinity)."""

    name: str
    bounds: list[float]
    counts: list[int]
    total_seconds: float

    @property
    def values(self) -> int:
        """How many there are."""
        return sum(self.counts)

    def quantile(self, share: float) -> float:
        """The value (seconds) below which that share of all lies, taken as evenly spread between two bounds."""
        wanted, below = share * self.values, 0
        lower = 0.0
        for bound, count in zip(self.bounds, self.counts, strict=True):
            if count and below + count >= wanted:
                return lower if bound == float("inf") else lower + (bound - lower) * (wanted - below) / count
            below += count
            lower = bound
        return lower


_BUCKET = re.compile(r'^(\w+)_bucket\{le="([^"]+)"\} (\S+)$', re.MULTILINE)


def histogram(page: str, name: str) -> Histogram | None:
    """A histogram without labels of a page in Prometheus' text format; None where the page has none that counted anything."""
    bounds: list[float] = []
    counts: list[int] = []
    before = 0
    for found, bound, value in _BUCKET.findall(page):
        if found == name:
            running = int(float(value))
            bounds.append(float(bound))
            counts.append(running - before)
            before = running
    total = re.search(rf"^{name}_sum (\S+)$", page, re.MULTILINE)
    return Histogram(name, bounds, counts, float(total[1]) if total else 0.0) if before else None


def metrics_page(where: str) -> str:
    """What a process says to Prometheus, by its URL, or from a file. Raises NothingToShow."""
    if not where.startswith("http://"):
        try:
            return Path(where).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise NothingToShow(f"{where}: {error}") from None
    url = urllib.parse.urlsplit(where)
    try:
        connection = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=METRICS_SECONDS)
        try:
            connection.request("GET", url.path or "/metrics")
            return connection.getresponse().read(PAGE_BYTES_MAX).decode()
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NothingToShow(f"{where}: nothing answers there ({error}): is the exchange running?") from None
