"""The rule book of the terminal's command line: what may be typed, and what is said of what may not."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fixserver.terminal.commands import (
    Book,
    Cancel,
    CancelAll,
    Command,
    CommandError,
    Do,
    Enter,
    Replace,
    Show,
    Status,
    complete,
    parse,
)

D = Decimal

UNDERSTOOD: list[tuple[str, Command]] = [
    ("buy 100 AAPL 189.50", Enter("buy", D(100), "AAPL", D("189.50"))),
    ("buy 100 AAPL @ 189.50", Enter("buy", D(100), "AAPL", D("189.50"))),
    ("buy 100 aapl @189.50 IOC", Enter("buy", D(100), "AAPL", D("189.50"), "ioc")),
    ("b 1,000 189.50", Enter("buy", D(1000), "", D("189.50"))),
    ("s 0.5 BTC/USD 60000 fok", Enter("sell", D("0.5"), "BTC/USD", D(60000), "fok")),
    ("sell 5 MSFT mkt", Enter("sell", D(5), "MSFT")),
    ("sell 5 market", Enter("sell", D(5))),
    ("buy 100 AAPL 189.50 gtc post", Enter("buy", D(100), "AAPL", D("189.50"), "gtc", post_only=True)),
    ("buy 100 AAPL 189.50 opening", Enter("buy", D(100), "AAPL", D("189.50"), "opening")),
    ("buy 9 until 2026-12-24 AAPL 1", Enter("buy", D(9), "AAPL", D(1), "gtd", "20261224")),
    ("buy 9 AAPL 1 until 2026-12-24T15:00", Enter("buy", D(9), "AAPL", D(1), "gtd", "20261224-15:00:00")),
    ("buy 9 AAPL 1 until 2026-12-24t15:00:30z", Enter("buy", D(9), "AAPL", D(1), "gtd", "20261224-15:00:30")),
    ("sell 100 AAPL stop 180", Enter("sell", D(100), "AAPL", stop=D(180))),
    ("sell 100 AAPL 179.50 stop 180", Enter("sell", D(100), "AAPL", D("179.50"), stop=D(180))),
    ("buy 900 AAPL 189.50 show 100", Enter("buy", D(900), "AAPL", D("189.50"), show=D(100))),
    ("buy 900 AAPL 189.50 ioc min 50", Enter("buy", D(900), "AAPL", D("189.50"), "ioc", minimum=D(50))),
    ("buy 100 AAPL peg mid", Enter("buy", D(100), "AAPL", peg="mid")),
    ("buy 100 AAPL peg primary -0.02 190", Enter("buy", D(100), "AAPL", D(190), peg="primary", peg_offset=D("-0.02"))),
    ("buy 100 AAPL mtl", Enter("buy", D(100), "AAPL", market_to_limit=True)),
    ("cancel A12", Cancel("A12")),
    ("cancel all", CancelAll()),
    ("c all aapl", CancelAll("AAPL")),
    ("replace A12 50 @ 189.40", Replace("A12", D(50), D("189.40"))),
    ("replace A12 50 189.40", Replace("A12", D(50), D("189.40"))),
    ("replace A12 50", Replace("A12", D(50))),
    ("r A12 @ 189.40", Replace("A12", price=D("189.40"))),
    ("replace A12 @189.40 stop 190 show 10", Replace("A12", price=D("189.40"), stop=D(190), show=D(10))),
    ("book msft", Book("MSFT")),
    ("status", Status()),
    ("status A12", Status("A12")),
    ("positions", Show("positions")),
    ("log", Show("log")),
    ("?", Do("help")),
    ("q", Do("quit")),
    ("  theme  ", Do("theme")),
]

REFUSED = [
    ("", "nothing was typed: try help"),
    ("by 100 AAPL 1", "there is no command by (did you mean buy?): try help"),
    ("buy", "the quantity is missing: buy 100 AAPL 189.50"),
    ("buy AAPL 100", "AAPL is no number, the quantity is one: buy 100 AAPL 189.50"),
    ("buy 0 AAPL 1", "the quantity is above zero"),
    ("buy -5 AAPL 1", "-5 is no number, the quantity is one: buy 100 AAPL 189.50"),
    ("buy 1e9 AAPL 1", "1e9 is no number, the quantity is one: buy 100 AAPL 189.50"),
    ("buy nan AAPL 1", "nan is no number, the quantity is one: buy 100 AAPL 189.50"),
    ("buy 5 AAPL", "the price is missing: buy 5 AAPL 189.50, or mkt"),
    ("buy 5 AAPL 1 2", "price stands there twice"),
    ("buy 5 AAPL 1 mkt", "an order has a price or is mkt, not both"),
    ("buy 5 AAPL peg mid mkt", "an order is peg or mkt, not both"),
    ("buy 5 AAPL mtl stop 4", "an order that is mtl has no stop price"),
    ("buy 5 AAPL 1 ioc gtc", "an order is ioc or gtc, not both"),
    ("buy 5 AAPL 1 until 2026-12-24 day", "an order is until or day, not both"),
    ("buy 5 AAPL 1 until tomorrow", "tomorrow is no time: until 2026-12-24, or until 2026-12-24T15:00 (UTC)"),
    ("buy 5 AAPL 1 MSFT", "an order takes no MSFT"),
    ("buy 5 AAPL 1 posst", "an order takes no posst (did you mean post?)"),
    ("buy 5 AAPL stop", "the stop price is missing: stop 100"),
    ("buy 5 AAPL peg", "peg to what? primary, mid, market"),
    ("buy 5 AAPL peg mid -x", "-x is no offset: peg mid -0.02"),
    ("buy 5 AAPL 1111111111111111111111111", "the price has more than 24 digits"),
    ("buy 5 A\x01L 1", "a command has no control characters"),
    ("x" * 401, "a command has at most 400 characters"),
    ("cancel", "cancel which order? cancel A12, cancel all, cancel all AAPL"),
    ("cancel A1 A2", "cancel A12 takes no A2"),
    ("replace", "replace which order? replace A12 50 @ 189.40"),
    ("replace A1", "replace it by what? replace A12 50 @ 189.40"),
    ("replace A1 1 2 3", "replace takes no 3: replace A12 50 @ 189.40"),
    ("replace A1 @ 1 @ 2", "the price stands there twice"),
    ("book", "book which instrument? book MSFT"),
    ("quit now", "quit takes no now"),
]


@pytest.mark.parametrize(("line", "command"), UNDERSTOOD, ids=[line for line, _ in UNDERSTOOD])
def test_understood(line: str, command: Command) -> None:
    assert parse(line) == command


@pytest.mark.parametrize(("line", "text"), REFUSED, ids=[line[:40] for line, _ in REFUSED])
def test_refused(line: str, text: str) -> None:
    with pytest.raises(CommandError) as error:
        parse(line)
    assert str(error.value) == text


def test_the_word_that_is_wrong_is_named() -> None:
    with pytest.raises(CommandError) as error:
        parse("buy 100 AAPL 189.50 iok")
    assert error.value.word == "iok"


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("b", ["buy", "book"]),
        ("", []),
        ("buy 1", []),
        ("buy 100 A", ["buy 100 AAPL", "buy 100 AMZN"]),
        ("buy 100 a", ["buy 100 AAPL", "buy 100 AMZN"]),
        ("buy 100 AAPL 1 i", ["buy 100 AAPL 1 ioc"]),
        ("buy 100 AAPL peg m", ["buy 100 AAPL peg mid", "buy 100 AAPL peg market"]),
        ("buy 100 AAPL stop 1", []),
        ("cancel A", ["cancel A2", "cancel A1", "cancel all"]),
        ("cancel all A", ["cancel all AAPL", "cancel all AMZN"]),
        ("r A2", ["r A2"]),
        ("book am", ["book AMZN"]),
        ("quit n", []),
    ],
)
def test_completed(line: str, lines: list[str]) -> None:
    assert complete(line, ["AAPL", "AMZN"], ["A2", "A1"]) == lines
