"""The terminal against a venue of real processes: typed into, looked at, and left alone with a venue that goes away."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from fixserver import config as configuration
from fixserver.terminal import trade_command
from fixserver.terminal.app import CommandLine, Help, Ladder, Table, Tape, TradeApp, rows_of
from tests.venue import ROOT, WAIT_SECONDS, Client, Venue, order


def app_of(venue: Venue, participant: str, password: str = "demo", clock: Callable[[], float] = time.time) -> TradeApp:
    parser = argparse.ArgumentParser()
    trade_command.add_arguments(parser)
    args = parser.parse_args(["--as", participant, "--config", str(venue.config), "--data", str(venue.data)])
    return TradeApp(trade_command.place(args, configuration.load(args.config), password), clock)


class Person:
    """Who sits in front of the terminal."""

    def __init__(self, app: TradeApp, pilot: Pilot[str]) -> None:
        self.app, self.pilot = app, pilot

    async def types(self, text: str) -> None:
        self.app.query_one(CommandLine).put(text)
        await self.pilot.press("enter")

    async def sees(self, condition: Callable[[], Any], what: str) -> None:
        end = time.monotonic() + WAIT_SECONDS
        while not condition():
            assert time.monotonic() < end, f"not seen: {what}; last said: {self.app.answer}"
            await self.pilot.pause(0.01)

    async def is_told(self, text: str) -> None:
        await self.sees(lambda: self.app.answer == text, text)

    async def sees_rows(self, table: str, rows: list[tuple[str, ...]]) -> None:
        try:
            await self.sees(lambda: self.rows(table) == rows, table)
        except AssertionError:
            assert self.rows(table) == rows  # which shows where they differ

    def rows(self, table: str) -> list[tuple[str, ...]]:
        return list(rows_of(self.app.query_one(f"#{table}", Table)))

    def picture(self, widget: type[Ladder] | type[Tape]) -> list[str]:
        return [line.rstrip() for line in self.app.query_one(widget).render().plain.split("\n")]


def sit(app: TradeApp, does: Callable[[Person], Awaitable[None]], size: tuple[int, int] = (80, 24)) -> None:
    """Have somebody use the terminal; it is left by quit."""

    async def main() -> None:
        async with app.run_test(size=size) as pilot:
            try:
                await does(Person(app, pilot))
            finally:
                if app.is_running:
                    await app.leave("")

    asyncio.run(main())


def fill_book(venue: Venue, name: str, *orders: tuple[str, int, str]) -> Client:
    client = venue.client(name).logon()
    for number, (side, quantity, price) in enumerate(orders):
        client.send("D", order(f"{name}{number}", side, quantity, price))
        client.expect("8", "39=0")
    return client


def test_the_clock_strikes_while_it_is_left(venue: Venue) -> None:
    """The timer that paints comes once more when there is nothing left to paint on."""
    second = itertools.count()
    app = app_of(venue, "TRADER1", clock=lambda: float(next(second)))

    async def main() -> None:
        async with app.run_test():
            await app.leave("")
        app._paint()

    asyncio.run(main())


def test_an_order_from_its_command_to_its_fill(venue: Venue) -> None:
    other = fill_book(venue, "TRADER2", ("1", 300, "99.95"), ("2", 100, "100.05"), ("2", 700, "100.10"))

    async def trade(person: Person) -> None:
        app = person.app
        await person.sees(lambda: app.exchange.is_on and len(app.market.book.offers()) == 2, "the book")
        await person.types("buy 150 AAPL 100.05")
        await person.sees(lambda: app.answer.endswith("50 left"), "the fill")
        assert app.answer == "A1 bought 100 AAPL @ 100.05, 50 left"
        await person.sees_rows("orders", [("A1", "buy", "150", "AAPL", "@ 100.05", "100", "100.05", "partly filled")])
        await person.sees(lambda: "▸50" in "".join(person.picture(Ladder)), "my order in the ladder")
        assert [line for line in person.picture(Ladder) if line] == [
            "                        100.10  700",
            "────────── last 100.05 · spread 0.05 ───────────",
            "▸50                 50  100.05",
            "                   300  99.95",
        ]
        assert [line[8:] for line in person.picture(Tape)] == ["       100 100.05▲"]
        await person.types("replace A1 140 @ 100.00")
        await person.is_told("A1 is now buy 140 AAPL @ 100.00")
        await person.pilot.press("shift+tab", "delete")  # on the row of the order
        assert app.query_one(CommandLine).value == "cancel A1"
        await person.pilot.press("enter")
        await person.is_told("A1 canceled, 100 of 140 done")
        await person.sees_rows("orders", [])
        await person.types("cancel A1")
        await person.is_told("A1 is not open: canceled")
        await person.types("executions")
        await person.sees(lambda: len(person.rows("executions")) == 1, "the execution")
        assert person.rows("executions")[0][1:] == ("A1", "buy", "100", "AAPL", "100.05", "taker", "")
        await person.types("positions")
        await person.sees_rows("positions", [("AAPL", "+100", "100", "0", "100.05", "100.05", "0.00")])
        await person.types("market")
        await person.sees_rows(
            "market",
            [
                ("AAPL", "99.95", "100.10", "100.05", "+0.05", "100", "continuous"),
                ("MSFT", "", "", "", "", "", "continuous"),
            ],
        )

    sit(app_of(venue, "TRADER1"), trade)
    other.send("q", f"11=Q1|530=7|60={order('x').split('60=')[1].split('|')[0]}|")
    other.drain(lambda message: message.type == "8" and message.has("39=4"))
    other.logout()


def test_what_is_wrong_stays_in_the_line_and_what_the_venue_refuses_is_said(venue: Venue) -> None:
    async def trade(person: Person) -> None:
        app = person.app
        line = app.query_one(CommandLine)
        await person.sees(lambda: app.exchange.is_on and app.market.instruments, "the venue")
        await person.types("buy 100 APPL 100")
        await person.is_told("APPL is not traded here: AAPL, MSFT")
        assert line.value == "buy 100 APPL 100"
        await person.types("buy 100 AAPL 100.001")
        await person.sees(lambda: app.answer.startswith("A1 rejected"), "the refusal")
        assert app.answer == "A1 rejected: Price 100.001 has more than 2 decimals"
        await person.types("cancel A9")
        await person.is_told("there is no open order A9")
        await person.pilot.press("up")
        assert line.value == "cancel A9"
        await person.pilot.press("up", "up", "down", "down")
        assert line.value == "cancel A9"
        line.put("book ms")
        await person.pilot.press("tab")
        assert line.value == "book MSFT "
        await person.pilot.press("enter")
        await person.sees(lambda: app.market.shown == "MSFT", "the other book")
        await person.pilot.press("f1")
        assert isinstance(app.screen, Help)
        await person.pilot.press("escape")
        await person.pilot.press("f7", "f6")
        assert (app.theme, app.pane) == ("textual-light", "log")
        await person.types("raw")
        assert app.raw
        await person.types("quit")
        await person.sees(lambda: not app.is_running, "the end")

    sit(app_of(venue, "TRADER3"), trade, (120, 40))


def test_every_kind_of_order_is_taken(venue: Venue) -> None:
    terms = {
        "sell 10 AAPL 120 gtc": "@ 120.00 gtc",
        "sell 10 AAPL 120 post": "@ 120.00 post",
        "sell 10 AAPL stop 90": "mkt stop 90.00",
        "sell 10 AAPL 89 stop 90": "@ 89.00 stop 90.00",
        "sell 900 AAPL 120 show 100": "@ 120.00 show 100",
        "sell 10 AAPL 120 until 2099-12-24T15:00": "@ 120.00 until 2099-12-24T15:00:00",
        "sell 10 AAPL 120 closing": "@ 120.00 closing",
        "sell 10 AAPL peg primary +0.01": "peg primary +0.01",
    }

    async def trade(person: Person) -> None:
        app = person.app
        await person.sees(lambda: app.exchange.is_on and app.market.instruments, "the venue")
        for number, line in enumerate(terms, 1):
            await person.types(line)
            await person.sees(lambda number=number: len(app.orders.open) == number, line)  # type: ignore[misc]
        await person.sees(lambda: all(one.order_id for one in app.orders.open.values()), "all taken")
        assert [one.terms for one in app.orders.open.values()] == list(terms.values())
        await person.types("replace A5 800 @ 121 show 80")
        await person.is_told("A5 is now sell 800 AAPL @ 121.00 show 80")
        await person.types("replace A4 @ 88.50")
        await person.is_told("A4 is now sell 10 AAPL @ 88.50 stop 90.00")
        await person.types("replace A3 @ 88.50")
        await person.is_told("A3 has no limit price: sell 10 AAPL mkt stop 90.00")
        await person.types("cancel all AAPL")
        await person.sees(lambda: not app.orders.open, "the end of all")

    sit(app_of(venue, "TRADER4"), trade)


def test_a_wrong_password_ends_it_with_the_reason(venue: Venue) -> None:
    app = app_of(venue, "TRADER5", "wrong")

    async def wait(person: Person) -> None:
        await person.sees(lambda: not app.is_running, "the end")

    sit(app, wait)
    assert app.return_value == "TRADER5: the venue refuses the Logon: Logon refused: wrong name or password"


def test_a_venue_that_is_killed_and_comes_back(venue: Venue) -> None:
    async def trade(person: Person) -> None:
        app = person.app
        await person.sees(lambda: app.exchange.is_on and app.market.instruments, "the venue")
        await person.types("buy 10 AAPL 90 gtc")
        await person.sees(lambda: [one.status for one in app.orders.open.values()] == ["new"], "the order")
        await person.types("status")
        await person.sees(lambda: not app.orders.asking, "the answer")
        venue.kill()
        await person.sees(lambda: app.exchange.state == "lost", "the loss")
        await person.types("cancel A1")
        await person.is_told("not connected to the exchange: nothing was sent")
        venue.launch()
        await person.sees(lambda: app.exchange.is_on and app.exchange.logons == 2 and not app.orders.asking, "the venue again")
        assert [(one.handle, one.status) for one in app.orders.open.values()] == [("A1", "new")]
        await person.types("cancel A1")
        await person.is_told("A1 canceled")

    sit(app_of(venue, "TRADER6"), trade)


def test_without_a_terminal_it_says_so(venue: Venue) -> None:
    place = ["--config", str(venue.config), "--data", str(venue.data)]
    command = [sys.executable, "-m", "fixserver.cli", "trade", "--as", "TRADER1", *place]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30, check=False)
    text = "trade: needs a terminal; `fixserver watch` prints the market, bots and REST trade without one\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", text)


def test_a_password_is_of_a_file_or_of_the_environment(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "password"
    file.write_text("secret\nmore\n")
    monkeypatch.setenv("FIXSERVER_PASSWORD", "other")
    assert (trade_command.password("T", file), trade_command.password("T", None)) == ("secret", "other")
