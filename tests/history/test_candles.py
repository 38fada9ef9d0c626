"""Candles: what trades make of them, what busts and corrections do, where days begin, and what is forgotten."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from marketdata import candles as candles_module
from marketdata.candles import DAY_NS, INTERVALS, SECOND, Candle, Candles, Change, State
from matching.engine import Engine
from matching.messages import DayRolled, Event, EventBatch, TradeBusted, TradeCorrected, Traded
from tests.every_kind import steps
from tests.history.naive import NaiveMarket

NOON = 20_000 * DAY_NS + 12 * 3_600 * SECOND
MIDNIGHT = 20_000 * DAY_NS  # of 2024-10-04


def trade(seq: int, price: int, quantity: int, instrument: str = "AAPL", *, auction: bool = False) -> Traded:
    return Traded(seq, instrument, price, quantity, 1, 2, "1", "ann", "bob", 0, 0, 0, 0, auction)


def bust(seq: int, of: Traded) -> TradeBusted:
    return TradeBusted(seq, of.seq, of.instrument, of.price, of.quantity, "1", "ann", "bob", 0, 0, None, None, "op")


def correct(seq: int, of: Traded, price: int, quantity: int) -> TradeCorrected:
    return TradeCorrected(
        seq, of.seq, of.instrument, price, quantity, "1", "ann", "bob", 0, 0, of.price, of.quantity, 0, 0, None, None, "op"
    )


def record(time: int, *events: Event) -> EventBatch:
    return EventBatch(events[-1].seq, time, list(events))


def applied(*batches: EventBatch) -> Candles:
    candles = Candles()
    for batch in batches:
        candles.apply(batch)
    return candles


def test_trades_of_one_record_are_one_change_of_each_interval() -> None:
    candles = applied(record(NOON + 61 * SECOND, trade(1, 100, 5), trade(2, 103, 1, auction=True), trade(3, 99, 2)))
    said = (100, 103, 99, 99, 8, 801, 3)
    assert candles.changed == [
        Change("AAPL", "1s", Candle(NOON + 61 * SECOND, *said)),
        Change("AAPL", "1m", Candle(NOON + 60 * SECOND, *said)),
        Change("AAPL", "5m", Candle(NOON, *said)),
        Change("AAPL", "1h", Candle(NOON, *said)),
        Change("AAPL", "1d", Candle(MIDNIGHT, *said)),
    ]
    candles.apply(record(NOON + 62 * SECOND, DayRolled(4, "20241004", 0)))
    assert candles.changed == []


def test_a_candle_goes_on_until_its_interval_ends() -> None:
    candles = applied(
        record(NOON, trade(1, 100, 5)),
        record(NOON + 59 * SECOND, trade(2, 90, 5)),
        record(NOON + 60 * SECOND, trade(3, 110, 5)),
        record(NOON + 60 * SECOND, trade(4, 105, 5)),
    )
    assert candles.last("AAPL", "1m", 10) == [
        Candle(NOON, 100, 100, 90, 90, 10, 950, 2),
        Candle(NOON + 60 * SECOND, 110, 110, 105, 105, 10, 1_075, 2),
    ]
    assert candles.last("AAPL", "1s", 2) == [
        Candle(NOON + 59 * SECOND, 90, 90, 90, 90, 5, 450, 1),
        Candle(NOON + 60 * SECOND, 110, 110, 105, 105, 10, 1_075, 2),
    ]
    assert candles.last("MSFT", "1m", 10) == []
    with pytest.raises(KeyError):
        candles.last("AAPL", "2m", 10)


def test_a_busted_trade_is_in_no_candle_and_a_candle_without_trades_is_gone() -> None:
    first, second, third = trade(1, 100, 5), trade(2, 120, 1), trade(3, 90, 2)
    candles = applied(record(NOON, first), record(NOON + SECOND, second), record(NOON + 2 * SECOND, third))
    candles.apply(record(NOON + 3 * SECOND, bust(4, second)))
    left = (100, 100, 90, 90, 7, 680, 2)
    assert candles.changed == [
        Change("AAPL", "1s", Candle(NOON + SECOND, 0, 0, 0, 0, 0, 0, 0)),
        Change("AAPL", "1m", Candle(NOON, *left)),
        Change("AAPL", "5m", Candle(NOON, *left)),
        Change("AAPL", "1h", Candle(NOON, *left)),
        Change("AAPL", "1d", Candle(MIDNIGHT, *left)),
    ]
    assert [candle.begin for candle in candles.last("AAPL", "1s", 10)] == [NOON, NOON + 2 * SECOND]


def test_a_corrected_trade_stays_where_it_is_in_its_candles() -> None:
    first, second = trade(1, 100, 5), trade(2, 120, 4)
    candles = applied(record(NOON, first, second), record(NOON + 90 * SECOND, trade(3, 105, 1)))
    candles.apply(record(NOON + 100 * SECOND, correct(4, first, 130, 3)))
    assert candles.last("AAPL", "1m", 10) == [
        Candle(NOON, 130, 130, 120, 120, 7, 870, 2),
        Candle(NOON + 60 * SECOND, 105, 105, 105, 105, 1, 105, 1),
    ]
    assert candles.last("AAPL", "1d", 1) == [Candle(MIDNIGHT, 130, 130, 105, 105, 8, 975, 3)]


def test_what_is_traded_and_busted_in_one_record_leaves_nothing() -> None:
    first = trade(1, 100, 5)
    candles = applied(record(NOON, first, bust(2, first)))
    assert [(change.interval, change.candle.trades) for change in candles.changed] == [(name, 0) for name in INTERVALS]
    assert [candles.last("AAPL", interval, 10) for interval in INTERVALS] == [[], [], [], [], []]


def test_a_day_begins_with_its_name_whatever_the_time_is() -> None:
    candles = applied(
        record(NOON, trade(1, 100, 1)),
        record(NOON + SECOND, DayRolled(2, "20241005", 0), trade(3, 110, 1)),
        record(NOON + 2 * SECOND, DayRolled(4, "20241005", 0), trade(5, 120, 1)),  # the same day goes on
        record(NOON + 3 * SECOND, DayRolled(6, "20241003", 0), trade(7, 130, 1)),  # and so it does where the name is of before
    )
    assert candles.last("AAPL", "1d", 10) == [
        Candle(MIDNIGHT, 100, 100, 100, 100, 1, 100, 1),
        Candle(MIDNIGHT + DAY_NS, 110, 130, 110, 130, 3, 360, 3),
    ]
    assert candles.last("AAPL", "1h", 10) == [Candle(NOON, 100, 130, 100, 130, 4, 460, 4)]


def test_a_bust_after_the_day_ended_leaves_the_hour_of_both_days_right() -> None:
    later = trade(3, 110, 1)
    candles = applied(record(NOON, trade(1, 100, 1)), record(NOON + SECOND, DayRolled(2, "20241005", 0), later))
    candles.apply(record(NOON + 2 * SECOND, bust(4, later)))
    assert candles.last("AAPL", "1h", 10) == [Candle(NOON, 100, 100, 100, 100, 1, 100, 1)]
    assert candles.last("AAPL", "1d", 10) == [Candle(MIDNIGHT, 100, 100, 100, 100, 1, 100, 1)]


def test_the_value_may_pass_64_bits_and_a_checkpoint_holds_it() -> None:
    candles = applied(record(NOON, trade(1, 2**40, 2**40)))
    assert candles.last("AAPL", "1d", 1)[0].value == 2**80
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(candles.state()), type=State)
    assert Candles.restore(stored).last("AAPL", "1d", 1) == candles.last("AAPL", "1d", 1)


def test_so_many_candles_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candles_module, "CANDLES_KEPT", 3)
    trades = [trade(number, 100, 1) for number in range(1, 7)]
    candles = applied(*(record(NOON + one.seq * SECOND, one) for one in trades))
    assert [candle.begin - NOON for candle in candles.last("AAPL", "1s", 10)] == [4 * SECOND, 5 * SECOND, 6 * SECOND]
    candles.apply(record(NOON + 7 * SECOND, correct(7, trades[0], 90, 1)))  # said, though it is not kept any more
    assert candles.changed[0] == Change("AAPL", "1s", Candle(NOON + SECOND, 90, 90, 90, 90, 1, 90, 1))
    assert [candle.begin - NOON for candle in candles.last("AAPL", "1s", 10)] == [4 * SECOND, 5 * SECOND, 6 * SECOND]


def test_of_trades_that_are_forgotten_the_day_loses_what_was_traded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candles_module, "TRADES_KEPT_MAX", 5)
    trades = [trade(number, 100 + number, 1) for number in range(1, 6)]
    other = trade(6, 50, 1, "MSFT")
    candles = applied(*(record(NOON + one.seq * SECOND, one) for one in [*trades, other]))
    candles.apply(record(NOON + 9 * SECOND, bust(7, trades[0])))  # of the first three nothing is known any more
    assert candles.changed == [Change("AAPL", "1d", Candle(MIDNIGHT, 101, 105, 101, 105, 4, 414, 4))]
    candles.apply(record(NOON + 9 * SECOND, bust(8, trades[4])))  # known, but not all that it shares its minute with
    assert candles.changed == [
        Change("AAPL", "1s", Candle(NOON + 5 * SECOND, 0, 0, 0, 0, 0, 0, 0)),
        Change("AAPL", "1m", Candle(NOON, 101, 105, 101, 105, 4, 410, 4)),
        Change("AAPL", "5m", Candle(NOON, 101, 105, 101, 105, 4, 410, 4)),
        Change("AAPL", "1h", Candle(NOON, 101, 105, 101, 105, 4, 410, 4)),
        Change("AAPL", "1d", Candle(MIDNIGHT, 101, 105, 101, 105, 3, 309, 3)),
    ]
    candles.apply(record(NOON + 9 * SECOND, bust(9, other)))  # the other instrument forgot nothing
    assert candles.last("MSFT", "1d", 1) == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_candles_are_those_of_the_trades_that_stand_whatever_happens(seed: int) -> None:
    """Trading of every kind with busts and corrections, against a model that computes all anew; a restart now and then."""
    candles, naive = Candles(), NaiveMarket()
    told: dict[tuple[str, str], dict[int, Candle]] = {}
    kinds: Counter[type] = Counter()
    for number, step in enumerate(steps(Engine(), seed, 10_000, 12)):
        kinds.update(type(event) for event in step.batch.events)
        candles.apply(step.batch)
        naive.apply(step.batch)
        for instrument, interval, candle in candles.changed:
            if candle.trades:
                told.setdefault((instrument, interval), {})[candle.begin] = candle
            else:
                told[instrument, interval].pop(candle.begin, None)
        if number % 100 == 0:
            candles = Candles.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(candles.state()), type=State))
            assert disagreements(candles, naive, told) == [], f"seed {seed}, record {number}"
    assert disagreements(candles, naive, told) == [], f"seed {seed}"
    assert kinds[TradeBusted] > 5 and kinds[TradeCorrected] > 5 and kinds[Traded] > 500 and kinds[DayRolled] > 2, f"seed {seed}"


def disagreements(
    candles: Candles, naive: NaiveMarket, told: dict[tuple[str, str], dict[int, Candle]]
) -> list[tuple[str, str, list[Candle], list[Candle]]]:
    """What is kept, and what was told on the way, against all trades that stand."""
    found = []
    for instrument in ("PLAIN", "FEES", "REBATE", "LATE"):
        for interval in INTERVALS:
            right = naive.candles(instrument, interval)
            if (kept := candles.last(instrument, interval, candles_module.CANDLES_KEPT)) != right[-len(kept) or len(right) :]:
                found.append((instrument, interval, kept, right))
            if (said := sorted(told.get((instrument, interval), {}).values())) != right:
                found.append((instrument, interval, said, right))
    return found
