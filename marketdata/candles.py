"""Open, high, low, close and volume of every instrument by interval, as the events tell them; it knows no clock and no file.

A candle is that of the trades that stand: one that is busted is taken out of the candles of its time, one that is corrected
changed in them. So the trades of the trading day are kept, of which alone the venue busts and corrects any, and those of before
that share a candle with them.

    1s, 1m, 5m, 1h   begin where UTC does
    1d               the venue's trading day; its candle begins at midnight UTC of the date that the day is named after, whenever
                     the day really began. Before the first day has a name it is that of the first record. A day that is not
                     later than the one before goes on with it: so a beginning belongs to one candle, and they come in order.
"""

from __future__ import annotations

import datetime
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from operator import mul
from typing import NamedTuple

import msgspec

from matching.messages import DayRolled, EventBatch, TradeBusted, TradeCorrected, Traded

SECOND = 1_000_000_000
DAY = "1d"
DAY_NS = 86_400 * SECOND
WIDTHS = {"1s": SECOND, "1m": 60 * SECOND, "5m": 300 * SECOND, "1h": 3_600 * SECOND}  # ns
INTERVALS = (*WIDTHS, DAY)
EPOCH = datetime.date(1970, 1, 1)
WIDTH_MAX = max(WIDTHS.values())

CANDLES_KEPT = 1_000  # of an instrument and interval
# Of all instruments together, 32 bytes each. When there are more, the instrument with the most forgets the older half of its
# own: where one of those is busted or corrected, the candle of the day, and only that, has another volume, value and number of
# trades; where another is that shares a candle with one of those, so has that candle.
TRADES_KEPT_MAX = 1_000_000


class Candle(NamedTuple):
    """What traded from `begin` (ns) on: prices in price units, `volume` in quantity units, `value` the sum of price times
    quantity, which may pass 64 bits. Without trades there is no candle: where one says so, it is gone."""

    begin: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    value: int
    trades: int


def begin_of(interval: str, time: int, day_begin: int) -> int:
    """Where the candle begins that a trade at `time` belongs to."""
    if interval == DAY:
        return day_begin
    width = WIDTHS[interval]
    return time // width * width


def together(traded: Sequence[Traded]) -> Candle:
    """What trades are as one candle; where it begins is for the caller to say."""
    volume = value = high = 0
    low = first = traded[0].price
    for trade in traded:
        price, quantity = trade.price, trade.quantity
        volume += quantity
        value += price * quantity
        if price > high:
            high = price
        if price < low:
            low = price
    return Candle(0, first, high, low, traded[-1].price, volume, value, len(traded))


def joined(candle: Candle, later: Candle) -> Candle:
    """What two candles are as one, which begins with the first of them."""
    return Candle(
        candle.begin,
        candle.open,
        max(candle.high, later.high),
        min(candle.low, later.low),
        later.close,
        candle.volume + later.volume,
        candle.value + later.value,
        candle.trades + later.trades,
    )


def midnight(trading_day: str) -> int | None:
    """Midnight UTC (ns) of a date that is written YYYYMMDD; None for anything else."""
    try:
        date = datetime.datetime.strptime(trading_day, "%Y%m%d").date()
    except ValueError:
        return None
    return (date - EPOCH).days * DAY_NS


class Change(NamedTuple):
    """A candle that is new, or different, or gone (trades is 0). It takes the place of the one with its beginning."""

    instrument: str
    interval: str
    candle: Candle


class _Trades:
    """The trades of an instrument that stand, oldest first, one column each. Of those up to number `forgotten`, at
    `forgotten_time`, nothing is known."""

    __slots__ = ("forgotten", "forgotten_time", "numbers", "prices", "quantities", "times")

    def __init__(self) -> None:
        self.numbers = array("q")
        self.times = array("q")
        self.prices = array("q")
        self.quantities = array("q")
        self.forgotten = 0
        self.forgotten_time = -1

    def columns(self) -> tuple[array[int], array[int], array[int], array[int]]:
        return self.numbers, self.times, self.prices, self.quantities

    def find(self, number: int) -> int | None:
        at = bisect_left(self.numbers, number)
        return at if at < len(self.numbers) and self.numbers[at] == number else None

    def remove(self, at: int) -> None:
        for column in self.columns():
            del column[at]

    def forget(self, count: int) -> None:
        """Forget the oldest `count`."""
        if count:
            self.forgotten, self.forgotten_time = self.numbers[count - 1], self.times[count - 1]
            for column in self.columns():
                del column[:count]

    def candle(self, begin: int, first: int, end: int) -> Candle:
        """The candle of the trades at `first` up to `end`."""
        prices, quantities = self.prices[first:end], self.quantities[first:end]
        if not prices:
            return Candle(begin, 0, 0, 0, 0, 0, 0, 0)
        value = sum(map(mul, prices, quantities))
        return Candle(begin, prices[0], max(prices), min(prices), prices[-1], sum(quantities), value, len(prices))


class State(msgspec.Struct, array_like=True, frozen=True):
    """What Candles are made of, for a file. Columns of trades are the bytes of their 64-bit numbers, values text."""

    day_begin: int
    day_first: int
    candles: list[tuple[str, str, list[tuple[int, int, int, int, int, int, str, int]]]]
    trades: list[tuple[str, int, int, bytes, bytes, bytes, bytes]]


class Candles:
    """All candles after the records applied so far.

    `changed` is what the last of them changed, each candle once, in the order of the events.
    """

    def __init__(self) -> None:
        self.changed: list[Change] = []
        self.day_begin = -1  # of the present trading day; -1 before the first record
        self.day_first = 1  # no trade before this number is of the present day
        self._kept: dict[str, dict[str, list[Candle]]] = {}  # by instrument and interval, oldest first
        self._trades: dict[str, _Trades] = {}
        self._trades_kept = 0
        self._changes: dict[tuple[str, str, int], Change] = {}

    def apply(self, batch: EventBatch) -> None:
        """Take the next record."""
        if self.changed:
            self.changed = []
        if self.day_begin < 0:
            self.day_begin = batch.time // DAY_NS * DAY_NS
        traded: dict[str, list[Traded]] = {}  # all at one time, so of one candle in each interval
        for event in batch.events:
            kind = type(event)
            if kind is Traded:
                traded.setdefault(event.instrument, []).append(event)  # type: ignore[union-attr, arg-type]
            elif kind is TradeBusted or kind is TradeCorrected or kind is DayRolled:
                self._add_all(batch.time, traded)
                if isinstance(event, TradeBusted):
                    self._amend(event, event.price, event.quantity)
                elif isinstance(event, TradeCorrected):
                    self._amend(event, event.old_price, event.old_quantity)
                elif isinstance(event, DayRolled):
                    self._roll(event, batch.time)
        self._add_all(batch.time, traded)
        if self._changes:
            self.changed = list(self._changes.values())
            self._changes = {}

    def last(self, instrument: str, interval: str, count: int) -> list[Candle]:
        """The last `count` candles, oldest first: fewer where fewer are kept. Raises KeyError for an interval that is none."""
        assert count > 0
        if interval not in INTERVALS:
            raise KeyError(interval)
        kept = self._kept.get(instrument)
        return kept[interval][-count:] if kept else []

    # ------------------------------------------------------------------------------------------------- trades

    def _add_all(self, time: int, traded: dict[str, list[Traded]]) -> None:
        for instrument, trades in traded.items():
            self._add(instrument, time, trades)
        traded.clear()

    def _add(self, instrument: str, time: int, traded: list[Traded]) -> None:
        trades = self._trades.get(instrument)
        if trades is None:
            trades = self._trades[instrument] = _Trades()
            self._kept[instrument] = {interval: [] for interval in INTERVALS}
        trades.numbers.extend([trade.seq for trade in traded])
        trades.times.extend([time] * len(traded))
        trades.prices.extend([trade.price for trade in traded])
        trades.quantities.extend([trade.quantity for trade in traded])
        self._trades_kept += len(traded)
        new = together(traded)
        for interval, kept in self._kept[instrument].items():
            begin = begin_of(interval, time, self.day_begin)
            if kept and kept[-1].begin == begin:
                candle = kept[-1] = joined(kept[-1], new)
            else:
                candle = Candle(begin, *new[1:])
                kept.append(candle)
                if len(kept) > CANDLES_KEPT:
                    del kept[0]
            self._changes[instrument, interval, begin] = Change(instrument, interval, candle)
        if self._trades_kept > TRADES_KEPT_MAX:
            self._forget_half()

    def _forget_half(self) -> None:
        most = max(self._trades.values(), key=lambda trades: len(trades.numbers))
        count = (len(most.numbers) + 1) // 2
        most.forget(count)
        self._trades_kept -= count

    def _amend(self, event: TradeBusted | TradeCorrected, old_price: int, old_quantity: int) -> None:
        """A trade of today has another price or quantity, or never was."""
        instrument = event.instrument
        trades = self._trades[instrument]
        at = trades.find(event.trade_seq)
        if at is None:
            self._adjust(instrument, DAY, self.day_begin, event, old_price, old_quantity)
            return
        time = trades.times[at]
        if isinstance(event, TradeBusted):
            trades.remove(at)
            self._trades_kept -= 1
        else:
            trades.prices[at], trades.quantities[at] = event.price, event.quantity
        for interval in INTERVALS:
            if interval == DAY:
                begin, first, end = self.day_begin, bisect_left(trades.numbers, self.day_first), len(trades.numbers)
                whole = trades.forgotten < self.day_first
            else:
                width = WIDTHS[interval]
                begin = time // width * width
                first, end = bisect_left(trades.times, begin), bisect_left(trades.times, begin + width)
                whole = trades.forgotten_time < begin
            if whole:
                self._put(instrument, interval, trades.candle(begin, first, end))
            else:
                self._adjust(instrument, interval, begin, event, old_price, old_quantity)

    def _adjust(
        self, instrument: str, interval: str, begin: int, event: TradeBusted | TradeCorrected, old_price: int, old_quantity: int
    ) -> None:
        """What can be said of a candle of which not all trades are known any more: what was traded, but not at which prices."""
        kept = self._kept[instrument][interval]
        at = bisect_left(kept, (begin,))
        if at == len(kept) or kept[at].begin != begin:
            return
        candle = kept[at]
        price, quantity, trades = event.price, event.quantity, candle.trades
        if isinstance(event, TradeBusted):
            quantity, trades = 0, trades - 1
        volume, value = candle.volume + quantity - old_quantity, candle.value + price * quantity - old_price * old_quantity
        self._put(instrument, interval, candle._replace(volume=volume, value=value, trades=trades))

    def _put(self, instrument: str, interval: str, candle: Candle) -> None:
        """Put a candle of before in the place of the one with its beginning, which is none where it has no trades."""
        kept = self._kept[instrument][interval]
        at = bisect_left(kept, (candle.begin,))
        if at < len(kept) and kept[at].begin == candle.begin:
            kept[at : at + 1] = [candle] if candle.trades else []
        if not candle.trades:
            candle = Candle(candle.begin, 0, 0, 0, 0, 0, 0, 0)
        self._changes[instrument, interval, candle.begin] = Change(instrument, interval, candle)

    def _roll(self, event: DayRolled, time: int) -> None:
        begin = midnight(event.trading_day)
        if begin is None or begin <= self.day_begin:
            return
        self.day_begin, self.day_first = begin, event.seq
        # The trades of the day that ends are not busted any more, but share the hour with those that come.
        for trades in self._trades.values():
            count = bisect_left(trades.times, time // WIDTH_MAX * WIDTH_MAX)
            trades.forget(count)
            self._trades_kept -= count

    # --------------------------------------------------------------------------------------------------- file

    def state(self) -> State:
        """All of it, to be encoded by msgspec and restored."""
        return State(
            self.day_begin,
            self.day_first,
            [
                (instrument, interval, [(*candle[:6], str(candle.value), candle.trades) for candle in kept])
                for instrument, by_interval in self._kept.items()
                for interval, kept in by_interval.items()
            ],
            [
                (
                    instrument, one.forgotten, one.forgotten_time,
                    one.numbers.tobytes(), one.times.tobytes(), one.prices.tobytes(), one.quantities.tobytes(),
                )
                for instrument, one in self._trades.items()
            ],
        )  # fmt: skip

    @classmethod
    def restore(cls, state: State) -> Candles:
        """As they were when `state` was made, but that nothing is said to have changed."""
        made = cls()
        made.day_begin, made.day_first = state.day_begin, state.day_first
        for instrument, interval, candles in state.candles:
            kept = [Candle(*candle[:6], int(candle[6]), candle[7]) for candle in candles]
            made._kept.setdefault(instrument, {})[interval] = kept
        for instrument, forgotten, forgotten_time, *columns in state.trades:
            trades = made._trades[instrument] = _Trades()
            trades.forgotten, trades.forgotten_time = forgotten, forgotten_time
            for column, content in zip(trades.columns(), columns, strict=True):
                column.frombytes(content)
            made._trades_kept += len(trades.numbers)
        return made
