"""`fixserver plot`: reads the arguments, finds what is to be drawn, and writes the picture; it draws nothing itself."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fixserver.config import ConfigError
from fixserver.pictured import FOREVER, NothingToShow, book_history, histogram, metrics_page, trade_history
from fixserver.simulation import nanoseconds
from marketdata.candles import WIDTHS
from matching.recordlog import LogDamaged, LogMissing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Draw = Callable[[argparse.Namespace], Figure]

LATENCIES = (
    ("from the bytes of a command to its report", "fixserver_order_latency_seconds"),
    ("the disk makes a batch of commands durable", "fixserver_journal_sync_seconds"),
)
SUFFIXES = (".png", ".svg")  # as plots.FORMATS, which is not imported before there is something to draw
THEMES = ("light", "dark")
WIDTH, HEIGHT = 1_200, 675
PIXELS = (320, 4_000)
EXAMPLES = """examples:
  fixserver plot book --symbol AAPL -o book.png           the book over time, from what the venue in ./data wrote
  fixserver plot trades --data day --symbol AAPL --interval 5m -o trades.svg --theme dark
  fixserver plot latency --data data -o latency.png       of the exchange that runs on ./data
  fixserver plot latency --metrics http://127.0.0.1:9101/metrics -o latency.png"""


def add_parser(subparsers: Any, help_text: str) -> None:
    """Add `plot` and its pictures to the command line."""
    parser = subparsers.add_parser(
        "plot",
        help=help_text,
        description="Draw what a venue, or a simulation, has written. A venue may be running.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    pictures = parser.add_subparsers(metavar="PICTURE", title="pictures", required=True, dest="picture")

    def picture(name: str, help_text: str, draw: Draw, description: str) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = pictures.add_parser(name, help=help_text, description=description)
        add = added.add_argument
        add("-o", "--output", type=_output, required=True, metavar="FILE", help="what to write: its name ends with .png or .svg")
        add("--data", type=Path, default=Path("data"), metavar="DIR", help="where the venue keeps what it writes (%(default)s)")
        add("--theme", choices=THEMES, default="light", help="%(default)s unless said otherwise")
        add("--size", type=_size, default=(WIDTH, HEIGHT), metavar="WxH", help=f"in pixels ({WIDTH}x{HEIGHT})")
        added.set_defaults(run=lambda args: run(args, draw))
        return added

    for added in (
        picture("book", "what was bid and offered, over time", _book, "A book over time, its trades, and how it stood at the end."),
        picture("trades", "price and volume", _trades, "Candles, the volume-weighted average price, and the volume."),
    ):
        added.add_argument("--symbol", required=True, help="the instrument")
        added.add_argument("--from", dest="begin", type=_moment, default=0, metavar="TIME", help="such as 2026-01-05T14:30:00Z")
        added.add_argument("--to", dest="end", type=_moment, default=FOREVER, metavar="TIME", help="up to this moment")
        if added.prog.endswith("trades"):
            added.add_argument("--interval", choices=[*WIDTHS], default="", help="of a candle (the shortest that fits)")
    added = picture(
        "latency",
        "how long orders take in the exchange",
        _latency,
        "How long the exchange that runs took from the bytes of a command to its report, and how long its disk took, as it counts"
        " them for Prometheus since its start. The network and the client are not in it: a round trip is longer.",
    )
    added.add_argument("--metrics", default="", metavar="URL", help="the page of metrics, or a file of it (--data says where)")


def _output(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in SUFFIXES:
        raise argparse.ArgumentTypeError(f"{text} ends neither with .png nor with .svg")
    return path


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    low, high = PIXELS
    if not (width.isdecimal() and height.isdecimal() and all(low <= int(side) <= high for side in (width, height))):
        raise argparse.ArgumentTypeError(f"{text} is not WIDTHxHEIGHT, each from {low} to {high}")
    return int(width), int(height)


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a moment such as 2026-01-05T14:30:00Z") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text} has no time zone: a moment is such as 2026-01-05T14:30:00Z")
    return nanoseconds(moment.astimezone(UTC))


def run(args: argparse.Namespace, draw: Draw) -> int:
    """Exit code 0: the picture is there; 1: there is nothing to draw. Raises ConfigError."""
    try:
        figure = draw(args)
    except (NothingToShow, LogDamaged, LogMissing) as error:
        print(error, file=sys.stderr)
        return 1
    from fixserver import plots

    try:
        plots.save(figure, args.output)
    except OSError as error:
        raise ConfigError("--output", "", f"{args.output}: {(error.strerror or str(error)).lower()}") from None
    return 0


def _book(args: argparse.Namespace) -> Figure:
    history = book_history(args.data, args.symbol, args.begin, args.end)
    from fixserver import plots

    return plots.book(history, args.theme, *args.size)


def _trades(args: argparse.Namespace) -> Figure:
    history = trade_history(args.data, args.symbol, args.interval, args.begin, args.end)
    from fixserver import plots

    return plots.trades(history, args.theme, *args.size)


def _latency(args: argparse.Namespace) -> Figure:
    where = args.metrics or _metrics_of(args.data)
    page = metrics_page(where)
    found = [(what, one) for what, name in LATENCIES if (one := histogram(page, name)) is not None]
    if not found:
        raise NothingToShow(f"{where}: no command was counted there: send some orders to the exchange first")
    from fixserver import plots

    return plots.latency(found, where, args.theme, *args.size)


def _metrics_of(data: Path) -> str:
    """The page of the exchange that runs on a data directory. Raises NothingToShow."""
    path = data / "exchange.ports"
    try:
        return f"http://127.0.0.1:{json.loads(path.read_bytes())['metrics']}/metrics"
    except (OSError, ValueError, KeyError):
        raise NothingToShow(f"{path}: does not say where the exchange's metrics are: is it running? Else --metrics URL") from None
