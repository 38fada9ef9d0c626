"""The script of the day: twenty traders at a venue, and what operator, whale and loss of power do to it. It judges little."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any

from following.eventlog import LogHead
from matching.instruments import decimal_text
from matching.messages import GTC
from tests.day.mind import Habits, Mind
from tests.day.plan import BAIT, NANOSECONDS, PAPERS, STOCK, TRADERS, WHALE, moment, units_of, version_of
from tests.day.stock import StockTraders
from tests.day.traders import DayTrader
from tests.operator.conftest import Operator
from tests.venue import Message, Venue, utc, wait_for

MAKERS = ("TRADER2", "TRADER4", "TRADER6")  # a market maker on each version
LIST_TRADERS = ("TRADER5", "TRADER7", "TRADER12")
KILLED = "TRADER8"
HABITS = {name: Habits(quotes=45) for name in MAKERS} | {name: Habits(lists=35) for name in LIST_TRADERS}
NEXT_PHASE_SECONDS = 3 * 3600  # at the market: more than there is between two phases that are waited for
SLACK_SECONDS = 20.0  # of real time
LULL_SECONDS = 0.4  # of real time, in which everybody trades on
SAID_MAX = 20_000  # characters of the exchange's log, that a failure shows


class Day:
    """A venue with its traders, and the clock that the venue lives by."""

    def __init__(self, venue: Venue, seed: int, *, rate: int, orders_per_second: int) -> None:
        self.venue = venue
        self.rate = rate
        self.patience_seconds = NEXT_PHASE_SECONDS / rate + SLACK_SECONDS  # for what the clock brings about
        self.traders = {
            name: DayTrader(
                venue, Mind(name, version_of(name), seed, HABITS.get(name, Habits())), orders_per_second=orders_per_second,
                draws=name not in (WHALE, BAIT),
            )
            for name in TRADERS
            if name not in STOCK
        }  # fmt: skip
        dictionary = venue.directory / "dictionaries" / "FIX44.xml"
        self.stock = StockTraders(venue, STOCK, seed, dictionary, orders_per_second=orders_per_second)
        self._clock = 0, 0.0
        self._count = 0
        self._heard: dict[tuple[str, str], int] = {}  # how much each has been told, of each symbol, when it was last waited for

    def __enter__(self) -> Day:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Leave no thread and no process; what went wrong is said by what is raised already, or by this."""
        if kind is None:
            self.venue.close()
            return
        sys.stderr.write(self.venue.said()[-SAID_MAX:])
        self.stock.end()
        for trader in self.traders.values():
            with contextlib.suppress(BaseException):
                trader.stop()
        with contextlib.suppress(AssertionError):
            self.venue.close()

    # ------------------------------------------------------------------------------------------- the venue

    def open(self, day: str, at: str) -> None:
        """Have the exchange take connections; its clock shows this time at the market, or now where that is later, when it is
        started."""
        start = max(moment(day, at), self.now)
        text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start // NANOSECONDS))
        self._clock = start, time.monotonic()
        self.venue.start("exchange", "--clock-start", text, "--clock-rate", str(self.rate))
        self.stock.begin()

    def lose_power(self) -> None:
        """The exchange ends without a word, and nobody knows it before."""
        self.venue.kill()
        self.stock.end()

    def close(self) -> None:
        """The exchange ends in order."""
        assert self.venue.end() == 0, self.venue.said()
        self.stock.end()

    @property
    def now(self) -> int:
        """What the venue's clock shows, or a little more."""
        start, began = self._clock
        return start + int((time.monotonic() - began) * self.rate) * NANOSECONDS

    def start_traders(self) -> None:
        for trader in self.traders.values():
            trader.start()

    def stop_traders(self) -> None:
        for trader in self.traders.values():
            trader.stop()

    def until(self, day: str, at: str) -> None:
        """Wait for a time at the market."""
        wait_for(lambda: self.now >= moment(day, at), f"{at} on {day}", self.patience_seconds)

    def settle(self) -> None:
        """Have nobody ask anything more, and every question answered."""
        traders = list(self.traders.values())
        for trader in traders:
            trader.paused.set()
        self.stock.paused.set()
        try:
            wait_for(lambda: self.stock.settled() and all(trader.settled() for trader in traders), "every request is answered")
        except AssertionError:
            lines = [f"{one.name}: {one.next_out}/{one.next_in} {one.unanswered} {one.refusals[-1:]}" for one in traders]
            raise AssertionError("\n".join(["not every request was answered", *lines, repr(self.stock)])) from None

    def go_on(self) -> None:
        for trader in self.traders.values():
            trader.paused.clear()
        self.stock.paused.clear()

    @contextlib.contextmanager
    def operator(self) -> Iterator[Operator]:
        with Operator(self.venue) as operator:
            yield operator

    # --------------------------------------------------------------------------------------- what happens

    def phase(self, symbol: str, phase: str) -> None:
        """Wait until every trader has been told, behind what was waited for before, that the instrument is in this phase. It may
        have gone on to another by then."""
        left = set(self.traders)

        def everybody_told() -> bool:
            for name in list(left):
                told = [change for run in list(self.traders[name].told) for change in list(run)]
                begin = self._heard.get((name, symbol), 0)
                if ("f", symbol, phase) in told[begin:]:
                    self._heard[name, symbol] = told.index(("f", symbol, phase), begin) + 1
                    left.discard(name)
            return not left

        try:
            wait_for(everybody_told, "", self.patience_seconds)
        except AssertionError:
            raise AssertionError(f"{sorted(left)} were not told that {symbol} is in {phase}") from None

    def order(self, name: str, symbol: str, side: str, quantity: int, price: int, time_in_force: str = "0") -> str:
        """Have one of the two who draw nothing enter a limit order; in units, price in ticks' units. Returns its ClOrdID."""
        trader, paper = self.traders[name], PAPERS[symbol]
        self._count += 1
        cl_ord_id = f"script-{self._count}"
        size = decimal_text(quantity, paper.quantity_decimals)
        body = (
            f"11={cl_ord_id}|21=1|55={symbol}|54={side}|60={utc()}|38={size}|40=2|"
            f"44={decimal_text(price, paper.price_decimals)}|59={time_in_force}|"
        )
        trader.wants.append(("D", body, cl_ord_id))
        return cl_ord_id

    def cancel(self, name: str, cl_ord_id: str, symbol: str, side: str) -> None:
        self._count += 1
        quantity = decimal_text(PAPERS[symbol].lot, PAPERS[symbol].quantity_decimals)
        body = f"41={cl_ord_id}|11=script-{self._count}|55={symbol}|54={side}|60={utc()}|38={quantity}|"
        self.traders[name].wants.append(("F", body, f"script-{self._count}"))

    def answer(self, name: str, cl_ord_id: str) -> Message:
        """The first report of an order, which must not be a refusal."""
        trader = self.traders[name]
        found: Message = wait_for(lambda: trader.answers.get(cl_ord_id), f"{name}'s {cl_ord_id} is answered")
        assert found[39] != "8", found
        return found

    def fills(self, name: str, cl_ord_id: str) -> list[Message]:
        """The fills of an order that was not replaced."""
        reports = list(self.traders[name].reports.values())
        return [report for report in reports if 31 in report.fields and report.get(11) == cl_ord_id]

    def last(self, symbol: str) -> int:
        """The last price that the venue knows, in units."""
        with self.operator() as operator:
            shown: dict[str, Any] = operator.do("instrument show", symbol=symbol)
        paper = PAPERS[symbol]
        return units_of(shown["last"] or shown["reference"], paper.price_decimals)

    def lull(self) -> None:
        """Let them trade for a while: the only thing that is waited for is time."""
        time.sleep(LULL_SECONDS)

    def quiet(self) -> int:
        """Nobody asks, everything is answered, and the event log has it all. Returns its last event."""
        self.settle()
        refused = self.venue.metrics().get('fixserver_messages_received_total{type="3"}', 0)
        assert not refused, f"clients refused {refused:g} messages of the venue"
        head = LogHead(self.venue.data / "events")
        with self.operator() as operator:
            return int(wait_for(lambda: head.read() if head.read() == operator.do("status")["events"] else 0, "the log is whole"))


# -------------------------------------------------------------------------------------------------- the acts


def halt(day: Day) -> None:
    """The operator halts BOLT, and lets it go on through an auction."""
    with day.operator() as operator:
        operator.do("halt", symbol="BOLT")
        day.phase("BOLT", "halted")
        day.lull()
        operator.do("resume", symbol="BOLT", auction=True)
    day.phase("BOLT", "volatility-auction")
    day.phase("BOLT", "continuous")


def one_big_order(day: Day) -> list[str]:
    """The whale buys all that is offered within the dynamic band, and wants more: a pause, and the auction that ends it.

    Returns the ExecIDs of his trades.
    """
    last = day.last("ACME")
    bait = day.order(BAIT, "ACME", "2", 10, last * 106 // 100, GTC)
    day.answer(BAIT, bait)
    whale = day.order(WHALE, "ACME", "1", 20_000, last * 110 // 100)
    day.answer(WHALE, whale)
    day.phase("ACME", "volatility-auction")
    day.phase("ACME", "continuous")
    wait_for(lambda: day.fills(BAIT, bait), "the auction has reached the offer beyond the band")
    day.cancel(WHALE, whale, "ACME", "1")
    return [report[17] for report in day.fills(WHALE, whale)]


def bust_and_correct(day: Day, exec_ids: list[str]) -> None:
    """The operator takes one trade back, and puts another right. Who has spent what he would have to give back is spared."""
    left = list(exec_ids)
    with day.operator() as operator:
        while not operator.ask("bust", trade=left.pop())["ok"]:
            assert left, "no trade can be taken back"
        price = decimal_text(day.last("ACME") - 1, PAPERS["ACME"].price_decimals)
        while not operator.ask("correct", trade=left.pop(), price=price)["ok"]:
            assert left, "no trade can be corrected"


def kill_and_forgive(day: Day) -> None:
    """The operator keeps one participant from trading, who has orders open, and lets him again."""
    with day.operator() as operator:

        def killed_with_orders() -> bool:
            if any(event["event"] == "OrderCanceled" for event in operator.do("kill", name=KILLED)["events"]):
                return True
            operator.do("unkill", name=KILLED)
            return False

        wait_for(killed_with_orders, f"{KILLED} has orders open")
        refused = f"participant {KILLED} is killed"
        trader = day.traders[KILLED]
        wait_for(lambda: any(report[39] == "8" and KILLED in report.get(58) for report in list(trader.reports.values())), refused)
        operator.do("unkill", name=KILLED)
