"""Draws pictures of a market: a book over time, its trades, and latencies, as PNG or SVG; it reads no file but fonts.

The same data makes the same picture, to the byte: no date is in it, and the names inside an SVG follow from what is drawn.
Coordinates are floats, as a picture's are; what is written beside an axis is exact.
"""

from __future__ import annotations

import bisect
import math
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from fixserver.pictured import BookHistory, Histogram, Level, TradeHistory
from matching.instruments import decimal_text
from matching.messages import InstrumentDefined

FORMATS = (".png", ".svg")
THEMES = ("light", "dark")
DPI = 100
WIDTH, HEIGHT = 1_200, 675  # pixels
PIXELS = (320, 4_000)
ROWS_MAX = 140  # of a heat map
SECOND = 1_000_000_000
QUANTILES = ((0.5, "half"), (0.99, "99 %"), (0.999, "99.9 %"))


class Theme(NamedTuple):
    """Colours that a person who does not tell red from green can tell apart: bids are blue, offers orange."""

    paper: str
    ink: str
    faint: str
    grid: str
    bid: str
    offer: str
    mark: str


_THEMES = {
    "light": Theme("#ffffff", "#1b2430", "#6b7685", "#e4e8ee", "#1769c4", "#d3610d", "#1b2430"),
    "dark": Theme("#10151d", "#e6ebf2", "#8a96a8", "#232c3a", "#4da3ff", "#ff9a4a", "#f4f7fb"),
}


def save(figure: Figure, path: Path) -> None:
    """Write a picture; the name's ending says as what. Raises OSError."""
    kind = path.suffix.lower()
    assert kind in FORMATS, f"{kind} is none of {FORMATS}"
    metadata: dict[str, Any] = {"Date": None, "Creator": "fixserver plot"} if kind == ".svg" else {"Software": "fixserver plot"}
    with mpl.rc_context({"svg.hashsalt": "fixserver"}):
        figure.savefig(path, format=kind[1:], metadata=metadata, facecolor=figure.get_facecolor())


# ------------------------------------------------------------------------------------------------------ a book


def book(history: BookHistory, theme: str = "light", width: int = WIDTH, height: int = HEIGHT) -> Figure:
    """What was bid and offered at each price over time, with the trades; beside it the book at the end, added up."""
    with _style(theme):
        return _book_drawn(history, theme, width, height)


def _book_drawn(history: BookHistory, theme: str, width: int, height: int) -> Figure:
    colours = _THEMES[theme]
    terms = history.terms
    figure = _figure(colours, width, height)
    over_time, at_end = figure.subplots(1, 2, sharey=True, width_ratios=[3.4, 1.0])
    low, high = _price_range(history)
    row = max(terms.tick, -(-(high - low) // ROWS_MAX // terms.tick) * terms.tick)
    _heat_map(over_time, history, colours, low, high, row)
    _best_prices(over_time, history, colours)
    _dots(over_time, history, colours)
    _time_axis(over_time, history.samples[0].time, history.samples[-1].time)
    _price_axis(over_time, terms.price_decimals, terms.currency)
    over_time.set_ylim(_y(low, terms.price_decimals), _y(high, terms.price_decimals))
    _depth(at_end, history, colours, low, high)
    moments = history.samples[0].time, history.samples[-1].time
    _title(figure, colours, f"{terms.instrument}  order book", f"{_period(*moments)}, {_rows(row, terms)}")
    dots = "trades" if history.one_of == 1 else f"one of {history.one_of} trades"
    _legend(figure, colours, [("bid", colours.bid), ("offered", colours.offer), (dots, colours.mark)])
    return figure


def _price_range(history: BookHistory) -> tuple[int, int]:
    """From a little below the lowest best bid to a little above the highest best offer, in whole ticks."""
    terms = history.terms
    best = [level.price for sample in history.samples for level in (*sample.bids[:1], *sample.offers[:1])]
    inside = sorted(best)
    cut = len(inside) // 200  # a best price that nobody held for long would make the rest a line
    low, high = inside[cut], inside[-1 - cut]
    pad = max((high - low) * 3 // 10, 12 * terms.tick)
    low, high = (low - pad) // terms.tick * terms.tick, -(-(high + pad) // terms.tick) * terms.tick
    return max(low, terms.tick), high


def _heat_map(axes: Axes, history: BookHistory, colours: Theme, low: int, high: int, row: int) -> None:
    """A column a sample, a row a price or a few: the more there is, the stronger the colour."""
    rows, columns = (high - low) // row + 1, len(history.samples)
    bids = [[0] * columns for _ in range(rows)]
    offers = [[0] * columns for _ in range(rows)]
    for column, sample in enumerate(history.samples):
        for levels, cells in ((sample.bids, bids), (sample.offers, offers)):
            for level in levels:
                if low <= level.price <= high:
                    cells[(level.price - low) // row][column] += level.quantity
    amounts = sorted(cell for cells in (bids, offers) for line in cells for cell in line if cell)
    full = amounts[len(amounts) * 98 // 100] if amounts else 1  # a few large orders would leave the rest pale
    shown = [
        [_strength(bid, full) - _strength(offer, full) for bid, offer in zip(*lines, strict=True)]
        for lines in zip(bids, offers, strict=True)
    ]
    scale = LinearSegmentedColormap.from_list("depth", [colours.offer, colours.paper, colours.bid])
    decimals = history.terms.price_decimals
    begin, end = history.samples[0].time, history.samples[-1].time
    half = row / 2 / 10**decimals
    extent = (_x(begin), _x(max(end, begin + SECOND)), _y(low, decimals) - half, _y(low + (rows - 1) * row, decimals) + half)
    axes.imshow(shown, origin="lower", aspect="auto", extent=extent, cmap=scale, vmin=-1, vmax=1, interpolation="nearest")


def _strength(quantity: int, full: int) -> float:
    """0 to 1; little is seen better than it is much."""
    return 0.12 + 0.78 * math.sqrt(min(quantity / full, 1.0)) if quantity else 0.0


def _best_prices(axes: Axes, history: BookHistory, colours: Theme) -> None:
    decimals = history.terms.price_decimals
    times = [sample.time for sample in history.samples]
    sides = [[sample.bids for sample in history.samples], [sample.offers for sample in history.samples]]
    for levels, colour in zip(sides, (colours.bid, colours.offer), strict=True):
        best = [(time, side[0].price if side else None) for time, side in zip(times, levels, strict=True)]
        prices = [_y(price, decimals) if price is not None else math.nan for _, price in best]
        axes.step([_x(time) for time, _ in best], prices, where="post", color=colour, linewidth=1.1)


def _dots(axes: Axes, history: BookHistory, colours: Theme) -> None:
    """A dot a trade, as large as it."""
    trades, decimals = history.trades, history.terms.price_decimals
    if not trades:
        return
    largest = max(trade.quantity for trade in trades)
    area = 26.0 if len(trades) < 400 else 14.0
    axes.scatter(
        [_x(trade.time) for trade in trades],
        [_y(trade.price, decimals) for trade in trades],
        s=[1.0 + area * trade.quantity / largest for trade in trades],
        color=colours.mark, alpha=0.7 if len(trades) < 400 else 0.45, linewidths=0, zorder=3,
    )  # fmt: skip


def _depth(axes: Axes, history: BookHistory, colours: Theme, low: int, high: int) -> None:
    """What can be bought or sold down to each price, at the end."""
    terms, last = history.terms, history.samples[-1]
    for levels, colour in ((last.bids, colours.bid), (last.offers, colours.offer)):
        shown = [level for level in levels if low <= level.price <= high]
        if not shown:
            continue
        prices, sums = _added_up(shown, low if levels is last.bids else high)
        heights = [_y(price, terms.price_decimals) for price in prices]
        amounts = [_y(quantity, terms.quantity_decimals) for quantity in sums]
        axes.fill_betweenx(heights, amounts, step="pre", color=colour, alpha=0.22, linewidth=0)
        axes.step(amounts, heights, where="post", color=colour, linewidth=1.4)
    axes.set_xlim(left=0)
    axes.set_xlabel(f"quantity, added up ({terms.instrument})")
    axes.set_title("at the end", fontsize=9, color=colours.faint)
    axes.xaxis.set_major_formatter(FuncFormatter(_short))
    axes.tick_params(axis="y", length=0)
    for label in axes.get_yticklabels():
        label.set_visible(False)


def _added_up(levels: list[Level], edge: int) -> tuple[list[int], list[int]]:
    """Prices from the best outwards, to the edge of the picture, and what there is up to each."""
    prices, sums, total = [levels[0].price], [0], 0
    for level in levels:
        total += level.quantity
        prices.append(level.price)
        sums.append(total)
    return [*prices, edge], [*sums, total]


# ------------------------------------------------------------------------------------------------------ trades


def trades(history: TradeHistory, theme: str = "light", width: int = WIDTH, height: int = HEIGHT) -> Figure:
    """Open, high, low and close by interval, the average price of all that traded so far, and the volume below."""
    with _style(theme):
        return _trades_drawn(history, theme, width, height)


def _trades_drawn(history: TradeHistory, theme: str, width: int, height: int) -> Figure:
    colours = _THEMES[theme]
    terms, candles = history.terms, history.candles
    decimals = terms.price_decimals
    figure = _figure(colours, width, height)
    price, volume = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1.0])
    step = history.width_ns / SECOND / 86_400
    wide = step * 0.72
    wicks, bodies, fills = [], [], []
    for candle in candles:
        middle = _x(candle.begin) + step / 2
        low, high = sorted((_y(candle.open, decimals), _y(candle.close, decimals)))
        least = _y(terms.tick, decimals) / 12  # a candle that ends where it began is a line
        left, right = middle - wide / 2, middle + wide / 2
        colour = colours.bid if candle.close >= candle.open else colours.offer
        wicks.append([(middle, _y(candle.low, decimals)), (middle, _y(candle.high, decimals))])
        bodies.append([(left, low - least), (left, high + least), (right, high + least), (right, low - least)])
        fills.append(colour)
    price.add_collection(LineCollection(wicks, colors=fills, linewidths=1.0))
    price.add_collection(PolyCollection(bodies, facecolors=fills, edgecolors="none"))
    middles = [_x(candle.begin) + step / 2 for candle in candles]
    price.plot(middles, _averages(history), color=colours.ink, linewidth=1.1, alpha=0.8)
    low, high = min(candle.low for candle in candles), max(candle.high for candle in candles)
    pad = max((high - low) // 16, terms.tick)
    price.set_ylim(_y(low - pad, decimals), _y(high + pad, decimals))
    _price_axis(price, decimals, terms.currency)
    volumes = [_y(candle.volume, terms.quantity_decimals) for candle in candles]
    volume.bar(middles, volumes, width=wide, color=fills, alpha=0.75, linewidth=0)
    volume.set_ylabel(f"volume ({terms.instrument})")
    volume.yaxis.set_major_formatter(FuncFormatter(_short))
    _time_axis(volume, candles[0].begin, candles[-1].begin + history.width_ns)
    volume.set_xlim(_x(candles[0].begin) - step, _x(candles[-1].begin) + 2 * step)
    traded = decimal_text(sum(candle.volume for candle in candles), terms.quantity_decimals)
    what = f"{_period(candles[0].begin, candles[-1].begin + history.width_ns)}, candles of {history.interval}"
    many = f"{sum(candle.trades for candle in candles):,} trades, volume {_grouped(traded)}"
    _title(figure, colours, f"{terms.instrument}  trades", f"{what}; {many}")
    _legend(figure, colours, [("rose", colours.bid), ("fell", colours.offer), ("average by volume", colours.ink)])
    return figure


def _averages(history: TradeHistory) -> list[float]:
    """The volume-weighted average price up to the end of each candle."""
    found, value, volume = [], 0, 0
    for candle in history.candles:
        value += candle.value
        volume += candle.volume
        found.append(value / volume / 10**history.terms.price_decimals)
    return found


# ----------------------------------------------------------------------------------------------------- latency


def latency(
    found: list[tuple[str, Histogram]], source: str, theme: str = "light", width: int = WIDTH, height: int = HEIGHT
) -> Figure:
    """A panel a histogram, by the bounds in which the exchange counts, on a logarithmic axis."""
    with _style(theme):
        return _latency_drawn(found, source, theme, width, height)


def _latency_drawn(found: list[tuple[str, Histogram]], source: str, theme: str, width: int, height: int) -> Figure:
    colours = _THEMES[theme]
    figure = _figure(colours, width, height)
    panels = figure.subplots(len(found), 1, sharex=True, squeeze=False)[:, 0]
    ends = [_edges(histogram) for _, histogram in found]
    for axes, (what, histogram), colour in zip(panels, found, (colours.bid, colours.offer), strict=False):
        _bars(axes, histogram, colour)
        axes.set_xscale("log")
        axes.set_ylabel("share")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:.0f} %" if share <= 1 else ""))
        quantiles = [(name, histogram.quantile(share)) for share, name in QUANTILES]
        said = ", ".join(f"{name} within {_seconds(seconds)}" for name, seconds in quantiles)
        axes.set_title(f"{what}: {histogram.values:,}", loc="left", fontsize=10, color=colours.ink)
        axes.text(
            0.992, 0.95, said, transform=axes.transAxes, ha="right", va="top", fontsize=9, color=colours.ink,
            bbox={"facecolor": colours.paper, "edgecolor": "none", "pad": 2},
        )  # fmt: skip
        for _, seconds in quantiles:
            axes.axvline(seconds, color=colours.ink, linewidth=1.0, linestyle=(0, (3, 2)))
        axes.set_ylim(0, min(axes.get_ylim()[1], 1.0) * 1.25)
        axes.set_xlim(min(first for first, _ in ends), max(last for _, last in ends))
        axes.xaxis.set_major_locator(FixedLocator([bound for bound in histogram.bounds if math.isfinite(bound)]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: _seconds(seconds)))
        axes.xaxis.set_minor_locator(NullLocator())
    panels[-1].set_xlabel("time, on a logarithmic scale")
    _title(figure, colours, "Latency inside the exchange", f"{source}; a bar is what was counted between two bounds")
    return figure


def _edges(histogram: Histogram) -> tuple[float, float]:
    """The bounds between which there is anything, and one more to either side."""
    used = [at for at, count in enumerate(histogram.counts) if count]
    return _lower(histogram, max(used[0] - 1, 0)), _upper(histogram, min(used[-1] + 1, len(histogram.counts) - 1))


def _lower(histogram: Histogram, at: int) -> float:
    """The lower bound of a bar; the first is as wide as the second, on the logarithmic axis."""
    bounds = histogram.bounds
    return bounds[at - 1] if at else bounds[0] * bounds[0] / bounds[1]


def _upper(histogram: Histogram, at: int) -> float:
    bounds = histogram.bounds
    return bounds[at] if math.isfinite(bounds[at]) else bounds[at - 1] * 10


def _bars(axes: Axes, histogram: Histogram, colour: str) -> None:
    lefts = [_lower(histogram, at) for at in range(len(histogram.counts))]
    widths = [_upper(histogram, at) - left for at, left in enumerate(lefts)]
    shares = [count / histogram.values for count in histogram.counts]
    axes.bar(lefts, shares, width=widths, align="edge", color=colour, alpha=0.75, linewidth=0.8, edgecolor=axes.get_facecolor())


def _seconds(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size * 0.9995:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


# ------------------------------------------------------------------------------------------------- what all share


def _style(theme: str) -> AbstractContextManager[None]:
    """What holds while a picture is drawn, and is taken back behind it."""
    colours = _THEMES[theme]
    style: Any = {
        "font.family": "DejaVu Sans", "font.size": 9, "text.color": colours.ink, "axes.facecolor": colours.paper,
        "axes.edgecolor": colours.grid, "axes.labelcolor": colours.faint, "axes.grid": True, "axes.axisbelow": True,
        "grid.color": colours.grid, "grid.linewidth": 0.7, "xtick.color": colours.faint, "ytick.color": colours.faint,
        "axes.spines.top": False, "axes.spines.right": False,
    }  # fmt: skip
    return mpl.rc_context(style)


def _figure(colours: Theme, width: int, height: int) -> Figure:
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=colours.paper, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _title(figure: Figure, colours: Theme, title: str, below: str) -> None:
    figure.suptitle(title, x=0.012, ha="left", fontsize=13, fontweight="bold", color=colours.ink)
    line = 24 / figure.bbox.height
    figure.get_layout_engine().set(rect=(0.0, 0.0, 1.0, 1.0 - line))  # type: ignore[union-attr, call-arg]
    figure.text(0.012, 1.0 - 1.25 * line, below, ha="left", va="top", fontsize=9, color=colours.faint)


def _legend(figure: Figure, colours: Theme, entries: list[tuple[str, str]]) -> None:
    """At the right of the title, where it hides nothing."""
    lines = [Line2D([], [], color=colour, linewidth=3) for _, colour in entries]
    names = [name for name, _ in entries]
    figure.legend(lines, names, loc="upper right", ncols=len(entries), frameon=False, labelcolor=colours.ink, fontsize=9)


def _time_axis(axes: Axes, begin: int, end: int) -> None:
    locator = AutoDateLocator(tz=UTC, minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator, tz=UTC, show_offset=False)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)
    axes.set_xlim(_x(begin), _x(max(end, begin + SECOND)))
    axes.set_xlabel("time (UTC)")


def _price_axis(axes: Axes, decimals: int, currency: str) -> None:
    axes.set_ylabel(f"price ({currency})")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda price, _: f"{price:,.{decimals}f}"))


def _x(time_ns: int) -> float:
    """Days since 1970, which is how a date axis counts."""
    return time_ns / SECOND / 86_400


def _y(units: int, decimals: int) -> float:
    return float(units / 10**decimals)


def _period(begin: int, end: int) -> str:
    first, last = (datetime.fromtimestamp(moment // SECOND, UTC) for moment in (begin, end))
    until = f"{last:%H:%M:%S}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M:%S}"
    return f"{first:%Y-%m-%d %H:%M:%S} to {until} UTC"


def _rows(row: int, terms: InstrumentDefined) -> str:
    """What a row of a heat map is."""
    text = decimal_text(row, terms.price_decimals)
    return "a row is a price" if row == terms.tick else f"a row is the prices within {text} {terms.currency}"


def _grouped(text: str) -> str:
    whole, dot, fraction = text.partition(".")
    return f"{int(whole):,}{dot}{fraction}"


_UNITS = [(1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G")]


def _short(amount: float, _: Any = None) -> str:
    """1500 is 1.5k."""
    size, unit = _UNITS[max(bisect.bisect_right([size for size, _ in _UNITS], abs(amount)) - 1, 0)]
    return f"{amount / size:.3g}{unit}"


