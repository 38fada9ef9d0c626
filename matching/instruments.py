"""What is traded: the terms of an instrument, its phase, its price bands, its book and what waits beside it. It moves no order."""

from __future__ import annotations

from matching.accounts import Account
from matching.book import Book, BookSide, Order
from matching.messages import (
    BUY,
    LIMIT,
    MONEY_DECIMALS,
    PEGGED,
    SELL,
    STOP_LIMIT,
    DefineInstrument,
    Phase,
    SetMargin,
)
from matching.obligations import Unnetted

PPM = 1_000_000
PRICED = (LIMIT, STOP_LIMIT, PEGGED)
NOTHING_INDICATED = (0, 0, 0)


def decimal_text(units: int, decimals: int) -> str:
    """Whole units as a person writes them: decimal_text(18950, 2) is "189.50"."""
    sign, digits = ("-", -units) if units < 0 else ("", units)
    if not decimals:
        return f"{sign}{digits}"
    return f"{sign}{digits // 10**decimals}.{digits % 10**decimals:0{decimals}d}"


def money_text(amount: int) -> str:
    """Money units as a person writes them, with as many decimals as are needed, but two: money_text(5 * 10**9) is "0.50"."""
    whole, _, fraction = decimal_text(amount, MONEY_DECIMALS).partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


class Instrument:
    """Terms as in DefineInstrument. Prices outside `low` to `high` are refused; a market order trades up to them.

    `value_unit` is the money in one price unit times one quantity unit. `last` is the price of the last trade, 0
    before the first; `traded` says whether that was after the reference price was set. `buy_stops` and
    `sell_stops` hold the stops that wait for their price, `at_close` what waits for the closing auction,
    `pegged` the pegged orders in and out of the book; `marks` are the best bid and offer by which they
    were priced last, None when they have to be priced anew. `until` (ns) is when a volatility auction
    ends, `closing_price` what closing price trading is at, `indicated` what was last said of the
    auction: price, volume, surplus. `configured` is what the configuration said of it last.
    `unnetted` is by account what was traded since the last netting and is not settled; trades up to
    event `split_seq` are of before a split. The margins are in millionths of what was sold short; 0 is none. Where there is
    one, `short` are the accounts whose holding is below 0, by name.
    """

    __slots__ = (
        "at_close", "bids", "book", "buy_stops", "closing_price", "configured", "currency", "dynamic_band_bps",
        "high", "indicated", "initial_ppm", "last", "lot", "low", "maintenance_ppm", "margin_configured", "market", "marks",
        "offers", "pegged", "phase", "quantity_max", "reference_price", "sell_stops", "short", "split_seq", "symbol", "terms",
        "tick", "traded", "unnetted", "until", "value_max", "value_unit",
    )  # fmt: skip

    def __init__(self, terms: DefineInstrument) -> None:
        self.symbol = terms.instrument
        self.currency = terms.currency
        self.market = terms.market
        self.phase: Phase = terms.phase
        self.until = 0
        self.closing_price = 0
        self.indicated = NOTHING_INDICATED
        self.last = 0
        self.traded = False
        self.book = Book()
        self.bids = self.book.bids
        self.offers = self.book.offers
        self.buy_stops = BookSide(SELL)  # the lowest is elected first
        self.sell_stops = BookSide(BUY)
        self.at_close: dict[int, Order] = {}
        self.pegged: dict[int, Order] = {}
        self.marks: tuple[int, int] | None = None
        self.unnetted: dict[str, Unnetted] = {}
        self.split_seq = 0
        self.short: dict[str, Account] = {}
        self.initial_ppm = 0
        self.maintenance_ppm = 0
        self.margin_configured: SetMargin | None = None
        self.reference_price = terms.reference_price
        self.configured: DefineInstrument | None = None
        self.terms = terms
        self.change(terms)

    def change(self, terms: DefineInstrument) -> None:
        """Take other terms. What may change while orders rest is the caller's rule."""
        reference_changes = terms.reference_price != self.terms.reference_price
        self.terms = terms
        self.tick = terms.tick
        self.lot = terms.lot
        self.quantity_max = terms.quantity_max
        self.value_max = terms.value_max
        self.dynamic_band_bps = terms.dynamic_band_bps
        self.value_unit: int = 10 ** (MONEY_DECIMALS - terms.price_decimals - terms.quantity_decimals)
        if reference_changes:
            self.set_reference(terms.reference_price)
        else:
            self._put_band()

    def set_reference(self, price: int) -> None:
        """Put the static band around `price`."""
        self.reference_price = price
        self.traded = False
        self._put_band()

    def _put_band(self) -> None:
        self.low, self.high = self._range(self.reference_price, self.terms.band_bps)

    def dynamic_range(self) -> tuple[int, int]:
        """The lowest and the highest price of the dynamic band: around the last trade, or the static reference before the first."""
        return self._range(self.last or self.reference_price, self.dynamic_band_bps)

    def _range(self, price: int, width_bps: int) -> tuple[int, int]:
        """The last whole ticks within width_bps of a price."""
        width = price * width_bps
        tick = self.tick
        low = max(-(-(price * 10_000 - width) // (10_000 * tick)) * tick, tick)
        return low, (price * 10_000 + width) // (10_000 * tick) * tick

    def nearest_tick(self, price: int) -> int:
        """The tick that is nearest to a price; of two the higher."""
        return max((2 * price + self.tick) // (2 * self.tick), 1) * self.tick

    def limit_of(self, side: str, order_type: str, price: int) -> int:
        """The worst price that an order may trade at: its own, or the edge of the static band."""
        if price and order_type in PRICED:
            return price
        return self.high if side == BUY else self.low

    def cost(self, limit: int, quantity: int, fee_ppm_max: int) -> int:
        """What a buy reserves, in money units: its value at its limit and the higher of the fees on it (Position.fee_ppm_max)."""
        value = limit * quantity * self.value_unit
        return value + value * fee_ppm_max // PPM

    @property
    def mark(self) -> int:
        """What a unit is worth now: the last trade's price, or the reference price before the first."""
        return self.last or self.reference_price

    def price_text(self, price: int) -> str:
        return decimal_text(price, self.terms.price_decimals)

    def quantity_text(self, quantity: int) -> str:
        return decimal_text(quantity, self.terms.quantity_decimals)
