"""What time causes: the commands that are due at a moment, by a clock that the test turns, and the phases that follow."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from fixserver.config import Config, load
from fixserver.timers import SECOND, Timers
from matching.engine import Engine
from matching.messages import (
    BUY,
    DAY,
    GTD,
    LIMIT,
    SELL,
    Command,
    DefineInstrument,
    Deposit,
    EndPauses,
    Event,
    ExpireOrders,
    NewOrder,
    PhaseChanged,
    PublishIndicative,
    RollDay,
    SetPhase,
)
from tests.venue import configuration

FRIDAY = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp()) * SECOND
SCHEDULE = """
[[schedules]]
name = "EXCH"
timezone = "UTC"
phases = [
    { at = "08:00", phase = "pre-open" },
    { at = "09:00", phase = "continuous" },
    { at = "17:00", phase = "closed" },
]
"""


def at(clock: str, day: int = 0) -> int:
    """A moment of the Friday, or days later."""
    hours, minutes, seconds = (int(part) for part in f"{clock}:00".split(":")[:3])
    return FRIDAY + ((day * 24 + hours) * 3600 + minutes * 60 + seconds) * SECOND


class Stand:
    """An engine, its timers, and a clock."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.engine = Engine()
        self.timers = Timers(lambda: self.engine, config, lambda said: None)

    def apply(self, now: int, commands: list[Command]) -> list[Event]:
        return self.engine.apply(self.engine.command_seq + 1, now, commands) if commands else []

    def open(self, now: int, *, recovered: bool = False) -> list[Command]:
        """Instruments and participants, and what is due at the start."""
        definitions: list[Command] = [instrument.define(self.config.venue) for instrument in self.config.instruments]
        for participant in self.config.participants:
            definitions += [participant.define_participant(), participant.define()]
            definitions.append(Deposit(participant.name, "USD", "1000000000000000"))
            definitions += [Deposit(participant.name, instrument.symbol, "1000") for instrument in self.config.instruments]
        self.apply(now, definitions)
        commands = self.timers.begin(now, recovered)
        self.apply(now, commands)
        return commands

    def tick(self, now: int) -> list[Command]:
        """What is due now, done."""
        commands = self.timers.due(now)
        self.apply(now, commands)
        return commands

    def order(self, now: int, side: str, price: int, time_in_force: str = DAY, expire_time: int = 0) -> list[Event]:
        cl_ord_id = f"O{self.engine.command_seq}"
        order = NewOrder(
            "TRADER1", "TRADER1/FIX.4.4", cl_ord_id, "TRADER1", "AAPL", side, LIMIT, time_in_force, price, 10, expire_time
        )  # type: ignore[arg-type]
        return self.apply(now, [order])

    @property
    def phase(self) -> str:
        return self.engine.instruments["AAPL"].phase


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "venue.toml"


CALENDAR = """
[settlement]
cycle_days = 2
days = ["mon", "tue", "wed", "thu", "fri"]
holidays = ["2026-11-24", "2026-11-29"]
"""


def stand(file: Path, *, schedule: bool = False, cancel_only_seconds: int = 0, more: str = "", **terms: str | int) -> Stand:
    market = {"market": "EXCH"} if schedule else {}
    text = configuration(
        venue={"day_roll": "22:00"},
        instruments={"AAPL": market | terms, "MSFT": market}, participants={"TRADER1": {"self_trade": "allow"}},
        exchange={"cancel_only_seconds": cancel_only_seconds},
    )  # fmt: skip
    file.write_text(text + (SCHEDULE if schedule else "") + more)
    return Stand(load(file))


def test_a_venue_without_a_schedule_begins_its_day_and_nothing_else(file: Path) -> None:
    venue = stand(file)
    assert venue.open(at("12:00")) == [RollDay("20261120", 0)]
    assert venue.tick(at("21:59")) == []
    assert venue.tick(at("22:00")) == [RollDay("20261121")]
    assert venue.tick(at("22:01")) == []


def test_a_day_by_schedule(file: Path) -> None:
    venue = stand(file, schedule=True)
    assert venue.open(at("07:00")) == [RollDay("20261120", 0), SetPhase("", "closed", "EXCH")]
    said = [
        (clock, venue.tick(at(clock)), venue.phase)
        for clock in ("07:59", "08:00", "08:59:59", "09:00", "16:59", "17:00:00", "23:00")
    ]
    assert said == [
        ("07:59", [], "closed"),
        ("08:00", [SetPhase("", "pre-open", "EXCH")], "pre-open"),
        ("08:59:59", [], "pre-open"),
        ("09:00", [SetPhase("", "continuous", "EXCH")], "continuous"),
        ("16:59", [], "continuous"),
        ("17:00:00", [SetPhase("", "closed", "EXCH")], "closed"),
        ("23:00", [RollDay("20261121")], "closed"),
    ]


def test_who_was_away_goes_to_where_the_market_is_now(file: Path) -> None:
    venue = stand(file, schedule=True)
    venue.open(at("07:00"))
    venue.timers = Timers(lambda: venue.engine, venue.config, lambda said: None)
    assert venue.timers.begin(at("10:00"), recovered=True) == [SetPhase("", "continuous", "EXCH")]


def test_only_cancels_after_a_restart_where_that_is_wanted(file: Path) -> None:
    """A halt outlasts it, and so does the close; the schedule waits until it is over."""
    venue = stand(file, schedule=True, cancel_only_seconds=30)
    venue.apply(at("08:58"), [venue.config.instruments[0].define(venue.config.venue)])
    assert venue.open(at("08:59:50")) == [RollDay("20261120", 0), SetPhase("", "pre-open", "EXCH")]
    venue.apply(at("08:59:50"), [SetPhase("MSFT", "halted", by="operator ann")])
    venue.timers = Timers(lambda: venue.engine, venue.config, lambda said: None)
    commands = venue.timers.begin(at("08:59:50"), recovered=True)
    assert commands == [SetPhase("AAPL", "cancel-only", by="recovery")]
    venue.apply(at("08:59:50"), commands)
    assert (venue.tick(at("09:00")), venue.tick(at("09:00:19")), venue.phase) == ([], [], "cancel-only")
    assert venue.tick(at("09:00:20")) == [
        SetPhase("AAPL", "continuous", by="recovery"),
        SetPhase("", "continuous", "EXCH"),
    ]
    assert (venue.phase, venue.engine.instruments["MSFT"].phase) == ("continuous", "halted")
    assert venue.tick(at("09:00:21")) == []


def test_only_cancels_without_a_schedule(file: Path) -> None:
    venue = stand(file, cancel_only_seconds=30)
    assert venue.open(at("12:00")) == [RollDay("20261120", 0)]
    commands = venue.timers.begin(at("12:01"), recovered=True)
    assert commands == [SetPhase(symbol, "cancel-only", by="recovery") for symbol in ("AAPL", "MSFT")]
    venue.apply(at("12:01"), commands)
    assert venue.tick(at("12:01:30")) == [SetPhase(symbol, "continuous", by="recovery") for symbol in ("AAPL", "MSFT")]


def test_orders_expire_and_pauses_end_at_their_time(file: Path) -> None:
    venue = stand(file, dynamic_band="1", pause_seconds=60)
    venue.open(at("12:00"))
    venue.order(at("12:00"), SELL, 11_000, GTD, at("12:05"))
    events = venue.order(at("12:00"), BUY, 11_000)
    assert [event.until for event in events if isinstance(event, PhaseChanged)] == [at("12:01")]
    assert venue.tick(at("12:00:01")) == [PublishIndicative()]
    assert venue.tick(at("12:00:59")) == []
    assert venue.tick(at("12:01")) == [EndPauses()]
    assert venue.phase == "continuous"
    venue.order(at("12:01"), BUY, 10_000, GTD, at("12:06"))
    assert [venue.tick(at(clock)) for clock in ("12:05:59", "12:06", "12:06:01")] == [[], [ExpireOrders()], []]


def test_what_an_auction_would_yield_is_published_once_a_second_where_it_changes(file: Path) -> None:
    venue = stand(file)
    venue.open(at("12:00"))
    venue.apply(at("12:00"), [SetPhase("AAPL", "opening-auction", by="operator ann")])
    assert venue.tick(at("12:00:01")) == []
    venue.order(at("12:00:01"), SELL, 10_000)
    venue.order(at("12:00:01"), BUY, 10_000)
    assert venue.tick(at("12:00:01")) == []
    assert venue.tick(at("12:00:02")) == [PublishIndicative()]
    assert venue.tick(at("12:00:03")) == []


def test_an_instrument_that_is_added_later_is_moved_with_its_market(file: Path) -> None:
    venue = stand(file, schedule=True)
    venue.open(at("07:00"))
    late = DefineInstrument("LATE", "USD", 2, 0, 1, 1, 1000, 10**15, 10_000, 5_000, market="EXCH", phase="closed")
    venue.apply(at("07:30"), [late])
    venue.tick(at("09:00"))
    assert venue.engine.instruments["LATE"].phase == "continuous"


def test_a_day_ends_with_the_settlement_days_that_it_was(file: Path) -> None:
    """The day that ends counts, not the one that begins: what the weekend ends is nothing."""
    venue = stand(file, more=CALENDAR)
    assert venue.open(at("12:00")) == [RollDay("20261120", 0)], "no day was before"
    assert [venue.tick(at("22:00", day)) for day in range(6)] == [
        [RollDay("20261121", 1)],
        [RollDay("20261122", 0)],
        [RollDay("20261123", 0)],
        [RollDay("20261124", 1)],
        [RollDay("20261125", 0)],  # a holiday has ended
        [RollDay("20261126", 1)],
    ]


def test_without_a_calendar_every_day_is_a_settlement_day(file: Path) -> None:
    venue = stand(file)
    venue.open(at("12:00"))
    assert [venue.tick(at("22:00", day)) for day in range(3)] == [[RollDay(f"202611{day}", 1)] for day in (21, 22, 23)]


@pytest.mark.parametrize(("days", "count"), [(3, 1), (4, 2), (5, 2), (6, 3), (18, 10), (19, 10), (400, 10)])
def test_who_was_down_for_days_settles_those_too_up_to_a_limit(file: Path, days: int, count: int) -> None:
    venue = stand(file, more=CALENDAR)
    venue.open(at("12:00"))
    [rolled] = venue.tick(at("12:00", days))
    assert isinstance(rolled, RollDay) and rolled.settlement_days == count
    assert venue.tick(at("12:01", days)) == []
