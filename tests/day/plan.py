"""The venue of the day: its market hours, its papers, and who trades there. It starts nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from matching.instruments import decimal_text
from tests.light import KEPT, light_dictionaries
from tests.venue import VERSIONS, Venue

MARKET = "shares"
ZONE = ZoneInfo("America/New_York")
FIRST_DAY, SECOND_DAY = "2026-11-19", "2026-11-20"  # a Thursday and a Friday
DAY_ROLL = "21:20"  # UTC: 16:20 there, soon after the close
PHASES = {
    "08:00": "pre-open", "08:30": "opening-auction", "09:00": "continuous", "15:30": "closing-auction", "15:50": "closing-price",
    "16:10": "closed",
}  # fmt: skip
# The messages that are sent here: reading the whole of FIX 5.0SP2's dictionary takes a second of each start.
MESSAGES = KEPT | {"E", "N", "i", "b", "Z", "x", "y", "e", "f", "g", "h", "V", "W", "X", "Y"}

NANOSECONDS = 10**9


@dataclass(frozen=True)
class Paper:
    """What a trader knows of an instrument. Prices and quantities in its units; `lots` is what an order has at most."""

    symbol: str
    price_decimals: int
    quantity_decimals: int
    tick: int
    lot: int
    reference: int
    lots: int
    terms: dict[str, Any]


PAPERS = {
    paper.symbol: paper
    for paper in (
        Paper("ACME", 2, 0, 1, 1, 10_000, 60, {"market": MARKET, "dynamic_band": "3", "pause_seconds": 900}),
        Paper("BOLT", 2, 0, 5, 10, 4_000, 20, {"market": MARKET, "dynamic_band": "4", "pause_seconds": 600}),
        # Of no schedule: it trades round the clock, and shows that the others' hours are theirs alone.
        Paper("COIN", 1, 3, 5, 10, 2_500, 200, {"dynamic_band": "0"}),
    )
}

SELF_TRADE = ("cancel-resting", "cancel-incoming", "cancel-both", "decrement", "allow")
WHALE, BAIT = "TRADER19", "TRADER20"  # who do only what the script of the day says
STOCK = ("TRADER13", "TRADER16")  # who use QuickFIX's own initiator, on FIX 4.4
TRADERS = [f"TRADER{number}" for number in range(1, 21)]


def version_of(name: str) -> str:
    """The version of FIX that a trader speaks."""
    return VERSIONS[int(name.removeprefix("TRADER")) % len(VERSIONS)]


def _participant(number: int, name: str) -> dict[str, Any]:
    rich = {"cash": "20_000_000", "holdings": {"ACME": "100_000", "BOLT": "100_000", "COIN": "10_000"}}
    poor = {"cash": "20_000", "holdings": {"ACME": "100", "BOLT": "200", "COIN": "5"}}
    terms: dict[str, Any] = poor if number % 6 == 5 else rich
    terms = terms | {"self_trade": SELF_TRADE[number % len(SELF_TRADE)]}
    if number % 7 == 3:
        terms |= {"cancel_on_disconnect": "day"}
    return terms


def venue_of(directory: Path) -> Venue:
    """A venue of this day in `directory`, not started."""
    instruments = {
        paper.symbol: {
            "price_decimals": paper.price_decimals,
            "quantity_decimals": paper.quantity_decimals,
            "tick": decimal_text(paper.tick, paper.price_decimals),
            "lot": decimal_text(paper.lot, paper.quantity_decimals),
            "reference_price": decimal_text(paper.reference, paper.price_decimals),
            "quantity_max": "100_000",
            "value_max": "10_000_000",
            "band": "20",
            **paper.terms,
        }
        for paper in PAPERS.values()
    }
    dictionaries = light_dictionaries(directory / "dictionaries", MESSAGES)
    venue = Venue(
        directory,
        venue={"dictionaries": str(dictionaries), "day_roll": DAY_ROLL, "maker_fee": "0.0001", "taker_fee": "0.0003"},
        exchange={"snapshot_commands": 500},
        instruments=instruments,
        participants={name: _participant(number, name) for number, name in enumerate(TRADERS)},
    )
    phases = ", ".join(f'{{ at = "{at}", phase = "{phase}" }}' for at, phase in PHASES.items())
    with venue.config.open("a") as file:
        file.write(f'[[schedules]]\nname = "{MARKET}"\ntimezone = "{ZONE.key}"\nphases = [{phases}]\n')
    return venue


def units_of(text: str, decimals: int) -> int:
    whole, _, fraction = text.partition(".")
    return int(whole + fraction[:decimals].ljust(decimals, "0"))


def moment(day: str, at: str) -> int:
    """A time on the market's wall clock, as nanoseconds since 1970."""
    wall = datetime.fromisoformat(f"{day}T{at}").replace(tzinfo=ZONE)
    return int(wall.timestamp()) * NANOSECONDS


def utc_of(time_ns: int) -> str:
    """A moment as FIX writes it, to the second."""
    return datetime.fromtimestamp(time_ns // NANOSECONDS, UTC).strftime("%Y%m%d-%H:%M:%S")


def ns_of(text: str) -> int:
    """A time that FIX wrote, as nanoseconds since 1970."""
    second, _, fraction = text.partition(".")
    whole = datetime.strptime(second, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
    return int(whole.timestamp()) * NANOSECONDS + int(fraction.ljust(9, "0") or 0)
