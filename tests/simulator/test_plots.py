"""A picture shows what the files say, is the same each time, and what cannot be drawn is one line."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.image import imread

from fixserver import cli, pictured, plots
from fixserver import config as configuration
from fixserver.pictured import Histogram, Level, NothingToShow, Print, book_history, histogram, trade_history
from fixserver.roster import seats, wanted
from fixserver.simulation import SECOND, Simulation, default_start
from marketdata.depth import Depth
from matching.messages import Traded
from tests.venue import free_port

ROOT = Path(__file__).parents[2]
CONFIG = configuration.load(ROOT / "config/exchange.toml")
START = default_start(CONFIG)
MINUTES = 4

PAGE = """# HELP fixserver_order_latency_seconds From the bytes of a command to its report.
# TYPE fixserver_order_latency_seconds histogram
fixserver_order_latency_seconds_bucket{le="0.0001"} 0.0
fixserver_order_latency_seconds_bucket{le="0.0002"} 50.0
fixserver_order_latency_seconds_bucket{le="0.0005"} 98.0
fixserver_order_latency_seconds_bucket{le="0.001"} 99.0
fixserver_order_latency_seconds_bucket{le="+Inf"} 100.0
fixserver_order_latency_seconds_count 100.0
fixserver_order_latency_seconds_sum 0.031
fixserver_journal_sync_seconds_bucket{le="0.0001"} 0.0
fixserver_journal_sync_seconds_bucket{le="+Inf"} 0.0
fixserver_journal_sync_seconds_sum 0.0
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a simulation has written."""
    path = tmp_path_factory.mktemp("plots") / "data"
    simulation = Simulation(CONFIG, seats(CONFIG, wanted("maker=2,noise=4")), 3, START, path)
    simulation.run(START + MINUTES * 60 * SECOND)
    simulation.close()
    return path


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "metrics.txt"
    path.write_text(PAGE)
    return path


# ------------------------------------------------------------------------------------------------ what is shown


def test_a_sample_is_the_book_as_it_stood_at_that_moment(data: Path):
    history = book_history(data, "AAPL")
    assert len(history.samples) > pictured.SAMPLES_MAX
    for number in (10, 200, len(history.samples) - 1):
        sample, depth = history.samples[number], Depth()
        for batch in pictured.batches(data):
            if batch.time > sample.time or (batch.time == sample.time and number != len(history.samples) - 1):
                break
            depth.apply(batch)
        book = depth.books["AAPL"]
        assert sample.bids == [Level(price, book.bids.levels[price].quantity) for price in book.bids.prices()]
        assert sample.offers == [Level(price, book.offers.levels[price].quantity) for price in book.offers.prices()]


def test_samples_are_evenly_apart_and_never_too_many(data: Path):
    times = [sample.time for sample in book_history(data, "AAPL").samples]
    steps = Counter(after - before for before, after in pairwise(times[:-1]))
    assert len(steps) == 1 and len(times) <= 2 * pictured.SAMPLES_MAX + 2


def test_the_trades_and_candles_are_those_of_the_event_log(data: Path):
    told = [
        Print(batch.time, event.price, event.quantity)
        for batch in pictured.batches(data)
        for event in batch.events
        if isinstance(event, Traded) and event.instrument == "AAPL"
    ]
    assert len(told) > 50 and book_history(data, "AAPL").trades == told
    for interval in ("1s", "1m"):
        history = trade_history(data, "AAPL", interval)
        assert sum(candle.volume for candle in history.candles) == sum(trade.quantity for trade in told)
        assert (history.candles[0].open, history.candles[-1].close) == (told[0].price, told[-1].price)
        assert [candle.begin % history.width_ns for candle in history.candles] == [0] * len(history.candles)
    assert trade_history(data, "AAPL").interval == "1s"


def test_a_part_of_the_time_is_that_part(data: Path):
    begin, end = START + 60 * SECOND, START + 120 * SECOND
    history = book_history(data, "AAPL", begin, end)
    assert begin <= history.samples[0].time and history.samples[-1].time <= end
    assert all(begin <= trade.time <= end for trade in history.trades)
    assert {candle.begin for candle in trade_history(data, "AAPL", "1m", begin, end - 1).candles} == {begin}
    with pytest.raises(NothingToShow, match="AAPL has no candle of 1h that begins in that time"):
        trade_history(data, "AAPL", "1h", begin, end)


def test_quantiles_lie_between_the_bounds_that_they_were_counted_in():
    found = histogram(PAGE, "fixserver_order_latency_seconds")
    assert found is not None
    assert (found.counts, found.values, found.total_seconds) == ([0, 50, 48, 1, 1], 100, 0.031)
    assert found.quantile(0.5) == pytest.approx(0.0002)
    assert found.quantile(0.25) == pytest.approx(0.00015)
    assert found.quantile(0.999) == 0.001, "of what is above the last bound only that is known"
    assert histogram(PAGE, "fixserver_journal_sync_seconds") is None, "it counted nothing"


# ------------------------------------------------------------------------------------------------- the pictures


def drawn(*arguments: str) -> None:
    assert cli.main(["plot", *arguments]) == 0


@pytest.mark.parametrize("picture", ["book", "trades"])
@pytest.mark.parametrize("theme", plots.THEMES)
def test_a_png_shows_something_in_its_theme_and_is_the_same_each_time(data: Path, tmp_path: Path, picture: str, theme: str):
    paths = [tmp_path / f"{picture}{number}.png" for number in (1, 2)]
    for path in paths:
        drawn(picture, "--data", str(data), "--symbol", "AAPL", "--theme", theme, "--size", "800x450", "-o", str(path))
    assert paths[0].read_bytes() == paths[1].read_bytes()
    pixels = imread(paths[0])
    assert pixels.shape[:2] == (450, 800)
    colours = Counter(tuple(round(float(part) * 255) for part in pixel[:3]) for row in pixels[::3] for pixel in row[::3])
    (paper, times), *_ = colours.most_common()
    assert (sum(paper) > 700) == (theme == "light") and len(colours) > 40 and times < 0.95 * colours.total()


@pytest.mark.parametrize("picture", ["book", "trades"])
def test_an_svg_says_what_is_drawn_without_a_date_and_is_the_same_each_time(data: Path, tmp_path: Path, picture: str):
    paths = [tmp_path / f"{picture}{number}.svg" for number in (1, 2)]
    for path in paths:
        drawn(picture, "--data", str(data), "--symbol", "BTCUSD", "-o", str(path))
    text = paths[0].read_text()
    assert text == paths[1].read_text()
    assert text.startswith("<?xml") and text.rstrip().endswith("</svg>") and len(text) > 10_000
    assert "<dc:date>" not in text and "price (USD)" in text and "time (UTC)" in text


def test_latencies_are_drawn_from_a_page_of_metrics(page: Path, tmp_path: Path):
    drawn("latency", "--metrics", str(page), "-o", str(tmp_path / "latency.svg"))
    text = (tmp_path / "latency.svg").read_text()
    assert "from the bytes of a command to its report: 100" in text
    assert "half within 200 µs, 99 % within 1 ms, 99.9 % within 1 ms" in text
    assert "durable" not in text, "of what was never counted there is no picture"


def test_a_book_of_one_side_is_drawn_too(data: Path, tmp_path: Path):
    history = book_history(data, "AAPL")
    one_sided = history._replace(samples=[sample._replace(offers=[]) for sample in history.samples], trades=[])
    plots.save(plots.book(one_sided), tmp_path / "book.png")
    assert (tmp_path / "book.png").stat().st_size > 10_000


def test_one_value_is_drawn_too(tmp_path: Path):
    one = Histogram("x", [0.001, 0.002, float("inf")], [0, 0, 1], 0.5)
    plots.save(plots.latency([("one", one)], "a test"), tmp_path / "latency.png")
    assert (tmp_path / "latency.png").stat().st_size > 5_000


# ------------------------------------------------------------------------------------------------ what cannot be


@pytest.mark.parametrize("picture", ["book", "trades"])
def test_what_there_is_not_is_one_line_and_exit_1(data: Path, tmp_path: Path, picture: str, capsys: pytest.CaptureFixture[str]):
    output = ["-o", str(tmp_path / "x.png")]
    for arguments, says in (
        (["--symbol", "XYZ", "--data", str(data)], "has no instrument 'XYZ': --symbol is one of AAPL, MSFT, GOOG, AMZN, TSLA,"),
        (["--symbol", "AAPL", "--data", str(tmp_path)], "there is no event log: --data names the directory of a venue"),
        (["--symbol", "AAPL", "--data", str(data), "--from", "2027-01-01T00:00:00Z"], "in that time"),
    ):
        assert cli.main(["plot", picture, *arguments, *output]) == 1
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1) and says in err
    assert not (tmp_path / "x.png").exists()


def test_latencies_that_nobody_tells_are_one_line_and_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "empty.txt").write_text("")
    port = free_port()
    output = ["-o", str(tmp_path / "x.png")]
    for arguments, says in (
        (["--metrics", str(tmp_path / "empty.txt")], "no command was counted there: send some orders to the exchange first"),
        (["--metrics", f"http://127.0.0.1:{port}/metrics"], "nothing answers there"),
        (["--data", str(tmp_path)], "does not say where the exchange's metrics are: is it running? Else --metrics URL"),
    ):
        assert cli.main(["plot", "latency", *arguments, *output]) == 1
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1) and says in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-o", "x.jpg"], "x.jpg ends neither with .png nor with .svg"),
        (["-o", "x.png", "--size", "10x10"], "10x10 is not WIDTHxHEIGHT, each from 320 to 4000"),
        (["-o", "x.png", "--size", "800"], "800 is not WIDTHxHEIGHT"),
        (["-o", "x.png", "--from", "noon"], "noon is not a moment such as 2026-01-05T14:30:00Z"),
        (["-o", "x.png", "--theme", "pink"], "invalid choice: 'pink'"),
        ([], "-o/--output"),
    ],
)
def test_a_bad_argument_is_exit_2(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as end:
        cli.main(["plot", "book", "--symbol", "AAPL", *arguments])
    assert end.value.code == 2 and says in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_one_line(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    output = tmp_path / "nowhere" / "x.png"
    assert cli.main(["plot", "trades", "--symbol", "AAPL", "--data", str(data), "-o", str(output)]) == 2
    assert capsys.readouterr().err == f"--output: {output}: no such file or directory\n"


def test_a_url_that_is_none_is_named():
    with pytest.raises(NothingToShow, match="http://:x"):
        pictured.metrics_page("http://:x")
