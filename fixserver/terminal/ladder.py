"""The book and the tape as rows of text with colours, for a given size; it keeps nothing and asks for nothing.

Colours are names of the theme, so that dark and light are somebody else's choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import islice

from textual.content import Content

from fixserver.terminal.market import Market, Print, Seen, by_price
from marketdata.rebuild import PriceLevel

OWN_WIDTH = 7
QUANTITY_WIDTH_MIN = 6
STYLES = {"buy": "$text-success", "sell": "$text-error", "": "$text"}
BARS = {"buy": "$text on $success-muted", "sell": "$text on $error-muted"}
DIM = "$foreground-muted"

Own = Mapping[tuple[str, Decimal], Decimal]  # open quantity of one's own, by side and price


def short(number: Decimal, width: int) -> str:
    """A quantity in at most so many characters: whole, then in thousands, then in scientific notation."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if len(text) <= width:
        return text
    whole = text.partition(".")[0]
    if len(whole) <= width:
        return text[:width].rstrip(".")
    for letter in "kMGT":
        whole = whole[:-3]
        if whole and len(whole) < width:
            return whole + letter
    return f"{number:.0e}"[:width]


def price_text(price: Decimal, tick: Decimal) -> str:
    """A price with the decimals that the tick has."""
    exponent = tick.as_tuple().exponent
    decimals = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    return f"{price:.{decimals}f}"


def ladder(market: Market, own: Own, width: int, height: int) -> list[Content]:
    """Offers above, bids below, the spread in the middle; bars are as long as what is there, against the most that is shown."""
    seen = market.seen
    tick = seen.terms.tick if seen is not None else Decimal("0.01")
    above = max(0, (height - 1) // 2)
    bids = by_price(market.book.bids())[: max(0, height - 1 - above)]
    offers = by_price(market.book.offers())[:above]
    most = max((level.size for level in (*bids, *offers)), default=Decimal(1))
    prices = [price_text(level.price, tick) for level in (*bids, *offers)]
    price_width = max([len(text) for text in prices], default=8) + 2
    side_width = max(QUANTITY_WIDTH_MIN, (width - OWN_WIDTH - price_width) // 2)
    rows = [Content("")] * (above - len(offers))
    rows += [_row("sell", level, own, most, tick, price_width, side_width) for level in reversed(offers)]
    rows.append(_middle(seen, bids, offers, tick, width))
    rows += [_row("buy", level, own, most, tick, price_width, side_width) for level in bids]
    return rows


def _row(side: str, level: PriceLevel, own: Own, most: Decimal, tick: Decimal, price_width: int, side_width: int) -> Content:
    mine = own.get((side, level.price))
    marker = f"▸{short(mine, OWN_WIDTH - 2)}".ljust(OWN_WIDTH) if mine else " " * OWN_WIDTH
    size = short(level.size, side_width - 1)
    bar = max(1, int(level.size * side_width / most)) if level.size else 0
    price = (price_text(level.price, tick).center(price_width), STYLES[side])
    empty = " " * side_width
    if side == "buy":
        text = f"{size} ".rjust(side_width)
        cut = side_width - bar
        return Content.assemble((marker, "bold $text-accent"), text[:cut], (text[cut:], BARS[side]), price, empty)
    text = f" {size}".ljust(side_width)
    return Content.assemble((marker, "bold $text-accent"), empty, price, (text[:bar], BARS[side]), text[bar:])


def _middle(seen: Seen | None, bids: Sequence[PriceLevel], offers: Sequence[PriceLevel], tick: Decimal, width: int) -> Content:
    words = []
    if seen is not None and seen.last is not None:
        words.append(f"last {price_text(seen.last, tick)}")
    if bids and offers:
        words.append(f"spread {price_text(offers[0].price - bids[0].price, tick)}")
    text = f" {' · '.join(words) if words else 'no orders'} "
    return Content.styled(text.center(width, "─"), DIM)


def tape(prints: Sequence[Print], tick: Decimal, width: int, height: int) -> list[Content]:
    """The last trades, newest first."""
    rows = []
    for one in islice(reversed(prints), height):
        price = price_text(one.price, tick)
        size = short(one.quantity, max(4, width - len(price) - 11))
        arrow = {"buy": "▲", "sell": "▼"}.get(one.side, " ")
        gap = " " * max(1, width - len(one.time) - len(price) - len(size) - 3)
        rows.append(Content.assemble((one.time, DIM), gap, size, " ", (f"{price}{arrow}", STYLES[one.side])))
    return rows
