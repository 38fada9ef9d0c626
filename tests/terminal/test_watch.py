"""`fixserver watch`: exact lines of what happens on a venue of real processes, and how it ends."""

from __future__ import annotations

import json
import selectors
import signal
import subprocess
import sys

import msgspec
import pytest

from fixserver.terminal.watch import Change, UnknownSymbol, Watch
from tests.venue import ROOT, WAIT_SECONDS, Client, Venue, order


class Watching:
    """A process that watches; ended by the test or with it."""

    def __init__(self, venue: Venue, *arguments: str) -> None:
        place = ["--config", str(venue.config), "--data", str(venue.data)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fixserver.cli", "watch", *arguments, *place], cwd=ROOT, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.process.stdout, selectors.EVENT_READ)
        self._lines: list[str] = []
        self._rest = b""

    def __enter__(self) -> Watching:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def line(self) -> str:
        """The next line."""
        assert self.process.stdout is not None
        while not self._lines:
            assert self._selector.select(WAIT_SECONDS), "no line came in time"
            data = self._rest + self.process.stdout.read1(65_536)
            assert data, "it ended"
            *lines, self._rest = data.split(b"\n")
            self._lines += [line.decode() for line in lines]
        return self._lines.pop(0)

    def said(self) -> str:
        """The next line, without the time that it begins with."""
        clock, _, rest = self.line().partition(" ")
        assert len(clock) == len("04:07:43.123")
        return rest


def trader(venue: Venue, name: str) -> Client:
    return venue.client(name).logon()


def test_a_line_for_each_change_until_interrupted(venue: Venue) -> None:
    maker, taker = trader(venue, "TRADER2"), trader(venue, "TRADER3")
    with Watching(venue) as watching:
        assert sorted([watching.said(), watching.said()]) == ["AAPL - | -", "MSFT - | -"]
        maker.send("D", order("W1", "1", 300, "99.95"))
        assert watching.said() == "AAPL 99.95 x 300 | -"
        maker.send("D", order("W2", "2", 100, "100.05"))
        assert watching.said() == "AAPL 99.95 x 300 | 100.05 x 100"
        taker.send("D", order("W3", "1", 40, "100.05"))
        assert sorted([watching.said(), watching.said()]) == ["AAPL 99.95 x 300 | 100.05 x 60", "AAPL traded 40 @ 100.05 buy"]
        venue.command("admin", "--data", str(venue.data), "halt", "AAPL")
        assert watching.said() == "AAPL is halted"
        venue.command("admin", "--data", str(venue.data), "resume", "AAPL")
        assert watching.said() == "AAPL is continuous"
        watching.process.send_signal(signal.SIGINT)
        assert watching.process.wait(WAIT_SECONDS) == 0
    with Watching(venue, "aapl", "--json") as watching:
        said = json.loads(watching.line())
        assert said.pop("time").endswith("Z")
        assert said == {"type": "quote", "symbol": "AAPL", "bid": ["99.95", "300"], "offer": ["100.05", "60"]}
        assert watching.process.stdout is not None
        watching._selector.close()
        watching.process.stdout.close()  # the reader has enough, and nothing more happens
        assert watching.process.wait(WAIT_SECONDS) == 0


def test_what_is_not_traded_cannot_be_watched(venue: Venue) -> None:
    done = venue.command("watch", "XYZ", "--config", str(venue.config), "--data", str(venue.data))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "watch: XYZ is not traded here: AAPL, MSFT\n")


def test_nobody_there(venue: Venue) -> None:
    done = venue.command("watch", "--url", "ws://127.0.0.1:1/v1/stream")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("watch: no stream at ws://127.0.0.1:1/v1/stream: ")
    assert done.stderr.endswith(": is the venue running?\n")


# ------------------------------------------------------------------------------------- without a venue


def told(watch: Watch, topic: str, data: object, **more: object) -> tuple[list[Change], list[str]]:
    kind = "delta" if "first" in more else "snapshot"
    said = {"type": kind, "topic": topic, "era": "e", "number": 1, "time": "2026-11-21T04:07:43.123456789Z", "data": data, **more}
    return watch.take(msgspec.json.encode(said))


def begun(*symbols: str) -> Watch:
    watch = Watch(symbols)
    phases = [{"symbol": symbol, "phase": "continuous", "until": None} for symbol in ("AAPL", "MSFT")]
    told(watch, "status", {"trading_day": "2026-11-21", "markets": [], "instruments": phases})
    return watch


TRADE = {"id": "7", "time": "2026-11-21T04:07:43.000Z", "price": "1.00", "quantity": "5", "aggressor": "sell", "status": "traded"}


def test_it_asks_what_there_is_and_then_for_that() -> None:
    watch = Watch(["MSFT"])
    assert watch.requests() == ['{"op":"subscribe","topics":["status"]}']
    phases = [{"symbol": "MSFT", "phase": "halted", "until": None}]
    changes, requests = told(watch, "status", {"trading_day": "", "markets": [], "instruments": phases})
    assert (changes, requests) == ([], ['{"op":"subscribe","topics":["book:MSFT:price:1","trades:MSFT","statistics:MSFT"]}'])


def test_trades_of_before_are_not_told_and_those_that_were_missed_are() -> None:
    watch = begun("AAPL")
    assert told(watch, "trades:AAPL", {"trades": [TRADE]}) == ([], [])
    changes, _ = told(watch, "trades:AAPL", {"trades": [TRADE, {**TRADE, "id": "8"}]}, number=9)
    assert [change.line for change in changes] == ["04:07:43.000 AAPL traded 5 @ 1.00 sell"]
    changes, _ = told(watch, "trades:AAPL", [["delete", TRADE], ["change", {**TRADE, "id": "8"}]], first=10, number=11)
    assert [change.line[13:] for change in changes] == ["AAPL busted 5 @ 1.00 sell", "AAPL corrected to 5 @ 1.00 sell"]


def test_what_was_missed_is_asked_for_again() -> None:
    watch = begun("AAPL")
    told(watch, "trades:AAPL", {"trades": []}, number=4)
    assert told(watch, "trades:AAPL", [["new", TRADE]], first=6, number=6) == ([], ['{"op":"subscribe","topics":["trades:AAPL"]}'])
    assert '{"topic":"trades:AAPL","era":"e","number":4}' in watch.requests()[0]


def test_the_table_fits() -> None:
    watch = begun()
    told(watch, "book:AAPL:price:1", {"bids": [["99.95", "300", 2]], "offers": []})
    told(watch, "statistics:AAPL", {"last": "100.05", "change": "-0.05", "volume": "1200"})
    told(watch, "trades:AAPL", {"trades": []})
    told(watch, "trades:AAPL", [["new", TRADE]], first=2, number=2)
    assert watch.table(80, 24) == [
        "symbol         bid  offer      last  change  volume  phase",
        "AAPL    300  99.95  -        100.05   -0.05    1200  continuous",
        "MSFT             -  -             -                  continuous",
        "",
        "04:07:43.000 AAPL traded 5 @ 1.00 sell",
    ]
    assert watch.table(20, 4)[1:] == ["AAPL    300  99.95", "and 1 more, for whic"]


def test_an_unknown_symbol_is_said() -> None:
    with pytest.raises(UnknownSymbol, match="XYZ is not traded here: AAPL, MSFT"):
        begun("XYZ")
