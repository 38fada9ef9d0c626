"""Values of FIX fields: decimal text to whole units and back, identifiers, times. It knows no message."""

from __future__ import annotations

import calendar
import time as clock
from collections.abc import Callable

from matching.instruments import decimal_text
from matching.messages import INT64_MAX, Reason

NUMBER_LENGTH_MAX = 40
NUMBER_CACHE_MAX = 50_000
ID_LENGTH_MAX = 64  # of ClOrdID, Account, ListID and whatever else a client names a thing by


class Refused(Exception):
    """A message that no command can be made of, with the reason that the client is told."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason, self.text = reason, text


class Decimals:
    """How an instrument's numbers are written, with the texts of recent ones: most prices come again."""

    def __init__(self, price_decimals: int, quantity_decimals: int) -> None:
        self.price_decimals = price_decimals
        self.quantity_decimals = quantity_decimals
        self._prices: dict[int, str] = {}

    def price(self, units: int) -> str:
        text = self._prices.get(units)
        if text is None:
            if len(self._prices) >= NUMBER_CACHE_MAX:
                self._prices.clear()
            text = self._prices[units] = decimal_text(units, self.price_decimals)
        return text

    def quantity(self, units: int) -> str:
        return decimal_text(units, self.quantity_decimals) if self.quantity_decimals and units else str(units)


class Numbers:
    """Decimal text to whole units, remembering recent ones."""

    def __init__(self, decimals: int) -> None:
        self.decimals = decimals
        self._known: dict[str, int | None] = {}

    def units(self, text: str) -> int | None:
        """Whole units, or None for what has more decimals than there are units for. Raises ValueError for no number."""
        try:
            return self._known[text]
        except KeyError:
            pass
        if len(text) > NUMBER_LENGTH_MAX:
            raise ValueError(text)
        digits = text[1:] if text[:1] in ("-", "+") else text
        whole, _, fraction = digits.partition(".")
        if not (whole + fraction).isdigit() or not (whole + fraction).isascii():
            raise ValueError(text)
        fraction = fraction.rstrip("0")
        value: int | None = None
        if len(fraction) <= self.decimals:
            value = int((whole or "0") + fraction.ljust(self.decimals, "0"))
            if text[0] == "-":
                value = -value
        if len(self._known) >= NUMBER_CACHE_MAX:
            self._known.clear()
        self._known[text] = value
        return value


class InstrumentNumbers(Decimals):
    """How an instrument's numbers are read and written."""

    def __init__(self, price_decimals: int, quantity_decimals: int, currency: str) -> None:
        super().__init__(price_decimals, quantity_decimals)
        self.currency = currency
        self.read_price: Callable[[str], int | None] = Numbers(price_decimals).units
        self.read_quantity: Callable[[str], int | None] = Numbers(quantity_decimals).units


def price_of(text: str, name: str, numbers: InstrumentNumbers) -> int:
    """A price, or an offset to one, in units. `name` is that of the field. Raises Refused."""
    try:
        price = numbers.read_price(text)
    except ValueError:
        raise Refused(Reason.OUTSIDE_PRICE_BAND, f"{name} is not a number that is taken") from None
    if price is None:
        raise Refused(Reason.OFF_TICK, f"{name} {text} has more than {numbers.price_decimals} decimals")
    if not -INT64_MAX <= price <= INT64_MAX:
        raise Refused(Reason.OUTSIDE_PRICE_BAND, f"{name} is outside every band")
    return price


def quantity_of(text: str, name: str, numbers: InstrumentNumbers, least: int = 0) -> int:
    """A quantity of zero or more, or of one or more, in units. Raises Refused."""
    try:
        quantity = numbers.read_quantity(text)
    except ValueError:
        raise Refused(Reason.INVALID_QUANTITY, f"{name} is not a number that is taken") from None
    if quantity is None:
        raise Refused(Reason.INVALID_QUANTITY, f"{name} {text} has more than {numbers.quantity_decimals} decimals")
    if quantity > INT64_MAX:
        raise Refused(Reason.LIMIT_EXCEEDED, f"{name} is above every limit")
    if quantity < least:
        raise Refused(Reason.INVALID_QUANTITY, f"{name} is {'not above' if least else 'below'} zero")
    return quantity


def checked_id(text: str, name: str) -> str:
    """A name that a client has given a thing. Raises Refused for one that is empty or too long."""
    if not 0 < len(text) <= ID_LENGTH_MAX:
        what = f"has more than {ID_LENGTH_MAX} characters" if text else "is empty"
        raise Refused(Reason.UNSUPPORTED, f"{name} {what}")
    return text


def utc_time(text: str) -> int:
    """A FIX UTCTimestamp as nanoseconds since 1970. Raises ValueError."""
    second, _, fraction = text.partition(".")
    if fraction and not (fraction.isdigit() and fraction.isascii() and len(fraction) <= 9):
        raise ValueError(text)
    seconds = calendar.timegm(clock.strptime(second, "%Y%m%d-%H:%M:%S"))
    nanoseconds = seconds * 1_000_000_000 + int(fraction.ljust(9, "0") or 0)
    if not 0 <= nanoseconds <= INT64_MAX:
        raise ValueError(text)
    return nanoseconds
