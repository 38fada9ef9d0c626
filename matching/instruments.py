"""What is traded: the terms of an instrument, its phase, its price band and its book."""

from __future__ import annotations

from matching.book import Book
from matching.messages import MONEY_DECIMALS, DefineInstrument, Phase


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

    `value_unit` is the money in one price unit times one quantity unit. `fee_ppm_max` is what an order
    may be charged at the worst, which is what a buy reserves. `last` is the price of the last trade, 0
    before the first.
    """

    __slots__ = (
        "bids", "book", "currency", "fee_ppm_max", "high", "last", "lot", "low", "maker_fee_ppm", "offers", "phase", "quantity_max",
        "reference_price", "symbol", "taker_fee_ppm", "terms", "tick", "value_max", "value_unit",
    )  # fmt: skip

    def __init__(self, terms: DefineInstrument) -> None:
        self.symbol = terms.instrument
        self.currency = terms.currency
        self.phase: Phase = terms.phase
        self.last = 0
        self.book = Book()
        self.bids = self.book.bids
        self.offers = self.book.offers
        self.reference_price = terms.reference_price
        self.terms = terms
        self.change(terms)

    def change(self, terms: DefineInstrument) -> None:
        """Take other terms. What may change while orders rest is the caller's rule."""
        if terms.reference_price != self.terms.reference_price:
            self.reference_price = terms.reference_price
        self.terms = terms
        self.tick = terms.tick
        self.lot = terms.lot
        self.quantity_max = terms.quantity_max
        self.value_max = terms.value_max
        self.maker_fee_ppm = terms.maker_fee_ppm
        self.taker_fee_ppm = terms.taker_fee_ppm
        self.fee_ppm_max = max(terms.maker_fee_ppm, terms.taker_fee_ppm, 0)
        self.value_unit = 10 ** (MONEY_DECIMALS - terms.price_decimals - terms.quantity_decimals)
        self.set_reference(self.reference_price)

    def set_reference(self, price: int) -> None:
        """Put the band around `price`: its edges are the last whole ticks within band_bps of it."""
        self.reference_price = price
        width = price * self.terms.band_bps
        self.low = max(-(-(price * 10_000 - width) // (10_000 * self.tick)) * self.tick, self.tick)
        self.high = (price * 10_000 + width) // (10_000 * self.tick) * self.tick

    def price_text(self, price: int) -> str:
        return decimal_text(price, self.terms.price_decimals)

    def quantity_text(self, quantity: int) -> str:
        return decimal_text(quantity, self.terms.quantity_decimals)
