"""Resuming where a schedule says what phase it is: the desk's commands for a venue with a trading day."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fixserver.admin import Refused
from fixserver.admin_market import MarketActions, Resume
from fixserver.config import load
from matching.engine import Engine
from matching.messages import Command, SetPhase
from tests.venue import ROOT

CONFIG = load(ROOT / "config" / "trading-day.toml")
MARKET = CONFIG.schedules[0].name
SYMBOLS = sorted(instrument.symbol for instrument in CONFIG.instruments if instrument.market == MARKET)
BY = "operator x"


def new_york(text: str) -> int:
    """A time of a Wednesday there, in nanoseconds since 1970."""
    moment = datetime.fromisoformat(f"2026-06-10T{text}").replace(tzinfo=ZoneInfo("America/New_York"))
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 10**9


class Desk:
    """The commands of an operator at a time of day, and what they do."""

    def __init__(self, text: str) -> None:
        self.engine = Engine()
        core: Any = SimpleNamespace(engine=self.engine, clock=lambda: new_york(text))
        self.actions = MarketActions(CONFIG, Path("nowhere"), core)
        self.apply([instrument.define(CONFIG.venue) for instrument in CONFIG.instruments])

    def apply(self, commands: list[Command]) -> None:
        self.engine.apply(self.engine.command_seq + 1, 1, commands)

    def resume(self, **asked: Any) -> list[Command]:
        _, make = self.actions.commands["resume"]
        return make(Resume(**asked), BY)


@pytest.mark.parametrize(
    ("time", "phase"),
    [("07:00:00", "closed"), ("08:30:00", "pre-open"), ("12:00:00", "continuous"), ("22:00:00", "closed")],
)
def test_what_was_halted_goes_where_the_schedule_is(time: str, phase: str) -> None:
    desk = Desk(time)
    desk.apply([SetPhase(SYMBOLS[0], "halted", by=BY)])
    assert desk.resume(symbol=SYMBOLS[0]) == [SetPhase(SYMBOLS[0], phase, by=BY)]  # type: ignore[arg-type]


def test_an_auction_ends_in_continuous_trading_alone() -> None:
    desk = Desk("08:30:00")
    desk.apply([SetPhase(SYMBOLS[0], "halted", by=BY)])
    with pytest.raises(Refused, match=f"{SYMBOLS[0]} is in pre-open by its schedule now: resume it without an auction"):
        desk.resume(symbol=SYMBOLS[0], auction=True)
    desk = Desk("12:00:00")
    desk.apply([SetPhase(SYMBOLS[0], "halted", by=BY)])
    assert desk.resume(symbol=SYMBOLS[0], auction=True) == [SetPhase(SYMBOLS[0], "volatility-auction", by=BY)]


def test_a_market_as_a_whole_is_scheduled_again() -> None:
    desk = Desk("12:00:00")
    desk.apply([SetPhase("", "halted", MARKET, BY)])
    assert desk.resume(market=MARKET) == [SetPhase("", "continuous", MARKET, BY)]
    resumed = desk.resume(market=MARKET, auction=True)
    assert resumed == [
        SetPhase("", "continuous", MARKET), *(SetPhase(symbol, "volatility-auction", by=BY) for symbol in SYMBOLS)
    ]  # fmt: skip
    desk.apply(resumed)
    assert desk.engine.markets[MARKET] == "continuous"
    assert {desk.engine.instruments[symbol].phase for symbol in SYMBOLS} == {"volatility-auction"}


def test_a_schedule_that_went_on_meanwhile_is_not_set_back() -> None:
    """The market was moved by its schedule, past what is halted."""
    desk = Desk("12:00:00")
    desk.apply([SetPhase("", "halted", MARKET, BY), SetPhase("", "continuous", MARKET)])
    assert desk.resume(all=True) == [SetPhase(symbol, "continuous", by=BY) for symbol in SYMBOLS]
