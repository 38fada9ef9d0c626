"""Market data as JSON says it, value by value."""

from __future__ import annotations

import datetime

import msgspec
import pytest

from marketdata import shapes
from marketdata.candles import Candle
from marketdata.depth import Auction, Book, Trade
from matching.messages import BUY, MONEY_UNIT, SELL, InstrumentDefined

TERMS = InstrumentDefined(
    1, "BTC/USD", "USD", 2, 8, 5, 10**5, 10**11, 10**6 * MONEY_UNIT, 50_000_00, 1_000, -100, 250, market="MAIN"
)  # fmt: skip


def book(**values: object) -> Book:
    made = Book(TERMS)
    for name, value in values.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (1_795_234_063_123_456_789, "2026-11-21T04:07:43.123456789Z"),
        (1_709_164_799_999_999_999, "2024-02-28T23:59:59.999999999Z"),
    ],
)
def test_times(ns: int, text: str) -> None:
    assert shapes.iso_time(ns) == text
    assert int(datetime.datetime.fromisoformat(text).timestamp()) == ns // 10**9


@pytest.mark.parametrize(
    ("units", "decimals", "text"),
    [(0, 2, "0.00"), (5, 0, "5.00"), (5000, 4, "0.50"), (12345, 4, "1.2345"), (-5, 1, "-0.50"), (10**20, 10, f"{10**10}.00")],
)
def test_money_has_as_many_decimals_as_it_needs_and_two(units: int, decimals: int, text: str) -> None:
    assert shapes.value_text(units, decimals) == text


def test_an_instrument() -> None:
    assert msgspec.to_builtins(shapes.instrument(book())) == {
        "symbol": "BTC/USD", "currency": "USD", "market": "MAIN", "phase": "continuous", "price_decimals": 2,
        "quantity_decimals": 8, "tick": "0.05", "lot": "0.00100000", "quantity_max": "1000.00000000", "value_max": "1000000.00",
        "reference_price": "50000.00", "price_low": "45000.00", "price_high": "55000.00", "maker_fee": "-0.0001",
        "taker_fee": "0.00025",
    }  # fmt: skip


@pytest.mark.parametrize(("ppm", "text"), [(0, "0"), (1, "0.000001"), (1_000_000, "1"), (10_000_000, "10"), (-250_000, "-0.25")])
def test_fees_are_parts_of_the_value(ppm: int, text: str) -> None:
    assert shapes.instrument(book(terms=msgspec.structs.replace(TERMS, maker_fee_ppm=ppm))).maker_fee == text


def test_trades() -> None:
    of = book()
    assert msgspec.to_builtins(shapes.trade(of, Trade(2**60, 50_000_05, 150_000_000, BUY, 1))) == {
        "id": "1152921504606846976", "time": "1970-01-01T00:00:00.000000001Z", "symbol": "BTC/USD", "price": "50000.05",
        "quantity": "1.50000000", "aggressor": "buy", "status": "traded",
    }  # fmt: skip
    assert shapes.trade(of, Trade(7, 1, 1, SELL, 1)).aggressor == "sell"
    assert shapes.trade(of, Trade(7, 1, 1, "", 1)).aggressor is None, "nobody came second in an auction"
    assert shapes.trade(of, Trade(7, 1, 1, SELL, 0)).time is None, "not known any more"
    assert shapes.trade(of, Trade(7, 1, 1, SELL, 1, True)).status == "corrected"
    assert shapes.trade(of, Trade(7, 1, 1, SELL, 1, True), busted=True).status == "busted"


def test_a_candle() -> None:
    assert msgspec.to_builtins(shapes.candle(Candle(60 * 10**9, 1_00, 3_00, 50, 2_00, 5, 10_25, 4), 2, 0)) == {
        "time": "1970-01-01T00:01:00.000000000Z", "open": "1.00", "high": "3.00", "low": "0.50", "close": "2.00", "volume": "5",
        "value": "10.25", "trades": 4,
    }  # fmt: skip


def test_statistics_of_a_day_without_trades() -> None:
    assert msgspec.to_builtins(shapes.statistics(book())) == {
        "symbol": "BTC/USD", "phase": "continuous", "until": None, "open": None, "high": None, "low": None, "last": None,
        "close": "50000.00", "change": None, "change_percent": None, "vwap": None, "volume": "0.00000000", "trades": 0,
        "auction": None,
    }  # fmt: skip


def test_statistics_of_a_day() -> None:
    of = book(phase="volatility-auction", until=1, auction=Auction(51_000_00, 100_000_000, -5, False), closing_before=48_000_00)
    of.trade(Trade(7, 49_000_00, 100_000_000, BUY, 1))
    of.trade(Trade(8, 47_000_00, 200_000_000, BUY, 1))
    assert msgspec.to_builtins(shapes.statistics(of)) == {
        "symbol": "BTC/USD", "phase": "volatility-auction", "until": "1970-01-01T00:00:00.000000001Z",
        "open": "49000.00", "high": "49000.00", "low": "47000.00", "last": "47000.00", "close": "48000.00", "change": "-1000.00",
        "change_percent": "-2.08", "vwap": "47666.666667", "volume": "3.00000000", "trades": 2,
        "auction": {"price": "51000.00", "volume": "1.00000000", "surplus": "-0.00000005", "final": False},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("last", "close", "text"),
    [(101, 100, "1.00"), (1, 1, "0.00"), (99, 100, "-1.00"), (20_001, 20_000, "0.01"), (40_001, 40_000, "0.00"), (3, 1, "200.00")],
)
def test_change_is_rounded_to_the_nearest_hundredth_of_a_percent(last: int, close: int, text: str) -> None:
    of = book(closing_before=close)
    of.trade(Trade(7, last, 1, BUY, 1))
    assert shapes.statistics(of).change_percent == text


def test_trades_of_the_day_are_those_that_stand_and_the_close_is_of_the_day_before() -> None:
    of = book()
    for number, price in ((2, 100), (3, 110)):
        of.trade(Trade(number, price, 5, BUY, 1))
    of.bust(3, 110, 5, BUY)
    day = shapes.statistics(of)
    assert (day.trades, day.last) == (1, "1.00")
    of.roll()
    day = shapes.statistics(of)
    assert (day.trades, day.close, day.change) == (0, "1.00", "0.00")
    of.trade(Trade(9, 120, 5, BUY, 1))
    of.enter_phase("closed", 0)
    day = shapes.statistics(of)
    assert (of.closing, day.close, day.change) == (120, "1.00", "0.20"), "closed, and yesterday's close is still yesterday's"
