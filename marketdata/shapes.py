"""Market data as the JSON of REST and of the stream says it; it decides nothing about who is told.

Prices and quantities are decimal text with the instrument's decimals, money has as many as it needs and at least two.
Numbers of events, of which those of orders and trades are made, are text as well: they may pass what a browser's numbers can hold.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec

from marketdata.candles import Candle as CandleUnits
from marketdata.depth import VWAP, VWAP_EXTRA_DECIMALS, Book, BookSide, Depth
from marketdata.depth import Trade as TradeUnits
from matching.instruments import decimal_text, money_text
from matching.messages import BUY, Phase

SECOND = 1_000_000_000
FEE_DECIMALS = 6  # fees are in millionths of the value
TIMES_KEPT_MAX = 10_000

PriceLine = tuple[str, str, int]  # price, quantity, number of orders
OrderLine = tuple[str, str, str]  # price, quantity, order


class Instrument(msgspec.Struct, frozen=True):
    """What is traded, on which terms, and in which phase it is. `price_low` and `price_high` are the lowest and the highest price
    that is taken; a fee is a part of the trade's value: "0.0002" is two hundredths of a percent."""

    symbol: str
    currency: str
    market: str
    phase: Phase
    price_decimals: int
    quantity_decimals: int
    tick: str
    lot: str
    quantity_max: str
    value_max: str
    reference_price: str
    price_low: str
    price_high: str
    maker_fee: str
    taker_fee: str


class Trade(msgspec.Struct, frozen=True):
    """Two orders met. `aggressor` is the side that came second, null in an auction; `time` is null where it is not known any
    more."""

    id: str
    time: str | None
    symbol: str
    price: str
    quantity: str
    aggressor: Literal["buy", "sell"] | None
    status: Literal["traded", "corrected", "busted"]


class Candle(msgspec.Struct, frozen=True):
    """What traded from `time` on, for as long as the interval is. In the stream, one with no trades is gone: they were busted."""

    time: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    value: str
    trades: int


class Auction(msgspec.Struct, frozen=True):
    """What an auction trades at one price, or would if it ended now (not `final`). `surplus` is what then stays on the
    buy side, or, below zero, on the sell side."""

    price: str
    volume: str
    surplus: str
    final: bool


class Statistics(msgspec.Struct, frozen=True):
    """The trading day of an instrument so far; null is what it does not have yet. `close` is that of the day before, or the
    reference price where there was none, and `change` is from there to the last price. `until` is the end of a volatility
    auction."""

    symbol: str
    phase: Phase
    until: str | None
    open: str | None
    high: str | None
    low: str | None
    last: str | None
    close: str
    change: str | None
    change_percent: str | None
    vwap: str | None
    volume: str
    trades: int
    auction: Auction | None


class MarketPhase(msgspec.Struct, frozen=True):
    """The phase that a market as a whole is in."""

    market: str
    phase: Phase


class InstrumentPhase(msgspec.Struct, frozen=True):
    """The phase that an instrument is in; `until` is the end of a volatility auction, null otherwise."""

    symbol: str
    phase: Phase
    until: str | None


def iso_time(ns: int) -> str:
    """Nanoseconds since 1970 as "2026-11-21T04:07:43.123456789Z"."""
    seconds, fraction = divmod(ns, SECOND)
    text = _second_texts.get(seconds)
    if text is None:
        if len(_second_texts) >= TIMES_KEPT_MAX:
            _second_texts.clear()
        text = _second_texts[seconds] = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{fraction:09d}Z"


_second_texts: dict[int, str] = {}  # many things happen in the same second


def value_text(units: int, decimals: int) -> str:
    """Money in units of 10^-decimals as a person writes it: value_text(5000, 4) is "0.50"."""
    whole, _, fraction = decimal_text(units, decimals).partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def instrument(book: Book) -> Instrument:
    terms, price_decimals, quantity_decimals = book.terms, book.price_decimals, book.quantity_decimals
    low, high = book.band
    return Instrument(
        symbol=book.instrument,
        currency=terms.currency,
        market=terms.market,
        phase=book.phase,
        price_decimals=price_decimals,
        quantity_decimals=quantity_decimals,
        tick=decimal_text(terms.tick, price_decimals),
        lot=decimal_text(terms.lot, quantity_decimals),
        quantity_max=decimal_text(terms.quantity_max, quantity_decimals),
        value_max=money_text(terms.value_max),
        reference_price=decimal_text(book.reference, price_decimals),
        price_low=decimal_text(low, price_decimals),
        price_high=decimal_text(high, price_decimals),
        maker_fee=_fee_text(terms.maker_fee_ppm),
        taker_fee=_fee_text(terms.taker_fee_ppm),
    )


def _fee_text(ppm: int) -> str:
    return decimal_text(ppm, FEE_DECIMALS).rstrip("0").rstrip(".")


def trade(book: Book, one: TradeUnits, *, busted: bool = False) -> Trade:
    """A trade of this book, as it stands or, `busted`, as it was."""
    return Trade(
        id=str(one.number),
        time=iso_time(one.time) if one.time else None,
        symbol=book.instrument,
        price=decimal_text(one.price, book.price_decimals),
        quantity=decimal_text(one.quantity, book.quantity_decimals),
        aggressor=None if not one.taker_side else "buy" if one.taker_side == BUY else "sell",
        status="busted" if busted else "corrected" if one.corrected else "traded",
    )


def candle(one: CandleUnits, price_decimals: int, quantity_decimals: int) -> Candle:
    return Candle(
        time=iso_time(one.begin),
        open=decimal_text(one.open, price_decimals),
        high=decimal_text(one.high, price_decimals),
        low=decimal_text(one.low, price_decimals),
        close=decimal_text(one.close, price_decimals),
        volume=decimal_text(one.volume, quantity_decimals),
        value=value_text(one.value, price_decimals + quantity_decimals),
        trades=one.trades,
    )


def statistics(book: Book) -> Statistics:
    price_decimals, quantity_decimals = book.price_decimals, book.quantity_decimals
    last = book.last.price if book.last is not None else 0
    close = book.closing_before or book.terms.reference_price
    vwap = book.statistics().get(VWAP)
    return Statistics(
        symbol=book.instrument,
        phase=book.phase,
        until=iso_time(book.until) if book.until else None,
        open=_price(book.opening, price_decimals),
        high=_price(book.high, price_decimals),
        low=_price(book.low, price_decimals),
        last=_price(last, price_decimals),
        close=decimal_text(close, price_decimals),
        change=decimal_text(last - close, price_decimals) if last else None,
        change_percent=_percent(last - close, close) if last else None,
        vwap=decimal_text(vwap, price_decimals + VWAP_EXTRA_DECIMALS) if vwap is not None else None,
        volume=decimal_text(book.volume, quantity_decimals),
        trades=book.prints - book.busts,
        auction=_auction(book),
    )


def _price(price: int, decimals: int) -> str | None:
    return decimal_text(price, decimals) if price else None


def _percent(change: int, of: int) -> str:
    """Rounded to two decimals, half away from zero."""
    hundredths = (2 * abs(change) * 10_000 + of) // (2 * of)
    return decimal_text(-hundredths if change < 0 else hundredths, 2)


def _auction(book: Book) -> Auction | None:
    if book.auction is None:
        return None
    price, volume, surplus, final = book.auction
    return Auction(
        price=decimal_text(price, book.price_decimals),
        volume=decimal_text(volume, book.quantity_decimals),
        surplus=decimal_text(surplus, book.quantity_decimals),
        final=final,
    )


def price_lines(book: Book, side: BookSide, depth: int) -> list[PriceLine]:
    """The best `depth` prices of a side, best first; all of them when it is 0."""
    levels, price_decimals, quantity_decimals = side.levels, book.price_decimals, book.quantity_decimals
    return [
        (decimal_text(price, price_decimals), decimal_text(level.quantity, quantity_decimals), len(level.orders))
        for price in side.prices(depth)
        for level in (levels[price],)
    ]


def order_lines(book: Book, side: BookSide, depth: int) -> list[OrderLine]:
    """The orders at the best `depth` prices of a side, the one that trades first first; all of them when it is 0."""
    price_decimals, quantity_decimals = book.price_decimals, book.quantity_decimals
    return [
        (decimal_text(price, price_decimals), decimal_text(order.quantity, quantity_decimals), str(order.order_id))
        for price in side.prices(depth)
        for order in side.levels[price].orders.values()
    ]


def market_phases(depth: Depth) -> list[MarketPhase]:
    return [MarketPhase(market, phase) for market, phase in depth.markets.items()]


def instrument_phase(book: Book) -> InstrumentPhase:
    return InstrumentPhase(book.instrument, book.phase, iso_time(book.until) if book.until else None)
