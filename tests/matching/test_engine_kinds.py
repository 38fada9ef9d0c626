"""Every kind of order through what may befall it: halts, cancels of all sorts, the end of the day, a snapshot at any moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec
import pytest

from matching.engine import Engine
from matching.messages import AT_THE_CLOSE, AT_THE_OPENING, BUY, DAY, GTC, GTD, SELL, Event, Side
from matching.state import EngineState
from tests.matching.market import NOON, SECOND, Market

TOMORROW = NOON + 86_400 * SECOND


class Kind(NamedTuple):
    """A kind of order that ann enters, 10 of it.

    `said` is what the order says. `stands` is where it is then: in the book, or what it waits for. `phase` is the one that
    it is entered in.
    """

    said: dict[str, object]
    stands: str = "book"
    side: Side = BUY
    phase: str = "continuous"

    @property
    def lasts(self) -> bool:
        return self.said.get("tif", DAY) in (GTC, GTD)


KINDS = {
    "limit": Kind({"price": "9.80"}),
    "limit, GTC": Kind({"price": "10.20", "tif": GTC}, side=SELL),
    "limit, GTD": Kind({"price": "9.80", "tif": GTD, "until": TOMORROW}),
    "iceberg": Kind({"price": "9.90", "shown": 3}),
    "iceberg, GTC": Kind({"price": "10.10", "shown": 3, "tif": GTC}, side=SELL),
    "post-only": Kind({"price": "10.09", "post_only": True, "tif": GTC}),
    "with self-match prevention": Kind({"price": "9.80", "match": "desk 1", "prevent": "4", "tif": GTC}),
    "stop": Kind({"stop": "10.20"}, "stop"),
    "stop, GTC": Kind({"stop": "9.80", "tif": GTC}, "stop", SELL),
    "stop limit": Kind({"price": "10.00", "stop": "10.20"}, "stop"),
    "stop limit iceberg, GTD": Kind({"price": "9.80", "stop": "9.90", "shown": 4, "tif": GTD, "until": TOMORROW}, "stop", SELL),
    "peg, primary": Kind({"peg": "primary"}),
    "peg, market": Kind({"peg": "market", "offset": "0.05", "tif": GTC}, side=SELL),
    "peg, midpoint, limited": Kind({"price": "9.95", "peg": "midpoint", "tif": GTC}),
    "peg without a price": Kind({"peg": "primary", "offset": "-1.00", "tif": GTC}, "peg"),
    "at the close": Kind({"price": "10.00", "tif": AT_THE_CLOSE}, "close"),
    "market, at the close": Kind({"tif": AT_THE_CLOSE}, "close", SELL),
    "at the opening": Kind({"price": "10.00", "tif": AT_THE_OPENING}, phase="opening-auction"),
    "market, at the opening": Kind({"tif": AT_THE_OPENING}, side=SELL, phase="pre-open"),
    "market": Kind({}, phase="opening-auction"),
    "market with left over as limit": Kind({"to_limit": True}, phase="opening-auction"),
    "limit that crosses": Kind({"price": "10.10", "tif": GTC}, phase="opening-auction"),
}
everywhere = pytest.mark.parametrize("name", KINDS)


def entered(name: str, *, marked: bool = False) -> tuple[Market, Kind]:
    """bob bids 5 at 9.90 and offers 5 at 10.10; ann has an order `o` of the kind."""
    kind = KINDS[name]
    market = Market()
    market.buy("bob", 5, "9.90", id="bid", tif=GTC)
    market.sell("bob", 5, "10.10", id="offer", tif=GTC)
    if kind.phase != "continuous":
        market.phase(kind.phase, "X")
    enter(market, kind, marked=marked)
    return market, kind


def enter(market: Market, kind: Kind, **more: object) -> None:
    first = market.do(market.order("ann", kind.side, 10, id="o", **kind.said | more))[0]  # type: ignore[arg-type]
    assert first.startswith("ann o: accepted, ")


def resting(market: Market, kind: Kind) -> list[str]:
    """ann's part of the book."""
    return [line for line in market.book()[kind.side == SELL] if line.startswith("ann o ")]


def gone(market: Market) -> bool:
    """Whether nothing is left of ann's order."""
    return (
        list(market.engine.open_orders("ann")) == []
        and market.cash("ann")[1] == market.holding("ann")[1] == "0"
        and not any(line.startswith("ann ") for side in market.book() for line in side)
    )


@everywhere
def test_where_it_stands(name: str):
    market, kind = entered(name)
    if kind.stands == "book":
        assert len(resting(market, kind)) == 1 and market.waiting() == []
    else:
        assert resting(market, kind) == [] and market.waiting() == [f"ann o 10 ({kind.stands})"]
    assert [order.cl_ord_id for order in market.engine.open_orders("ann")] == ["o"]


@everywhere
def test_a_cancel(name: str):
    market, kind = entered(name)
    assert market.cancel("ann", "o", kind.side) == ["ann o: canceled, REQUESTED, 10 left asked by c1"]
    assert gone(market)


@everywhere
def test_a_mass_cancel(name: str):
    market, _ = entered(name)
    assert market.mass_cancel("ann") == ["ann m1: mass cancel of all, 1 orders", "ann o: canceled, MASS_CANCEL, 10 left"]
    assert gone(market)


@everywhere
def test_a_lost_connection_takes_it_and_may_spare_what_lasts(name: str):
    market, kind = entered(name, marked=True)
    lines = market.mass_cancel(
        "ann", id="", only_session=True, only_marked=True, spare_persistent=True, disconnect=True, logout=False
    )
    if kind.lasts:
        assert lines == ["disconnected of all, 0 orders"]
        assert not gone(market)
        lines = market.mass_cancel("ann", id="", only_session=True, only_marked=True, disconnect=True)
    assert lines == ["disconnected of all, 1 orders", "ann o: canceled, DISCONNECT, 10 left"]
    assert gone(market)


@everywhere
def test_a_kill(name: str):
    market, _ = entered(name)
    assert market.access("ann", "killed") == ["participant ann: killed, 1 orders", "ann o: canceled, KILLED, 10 left"]
    assert gone(market)


@everywhere
def test_a_cancel_by_the_operator(name: str):
    market, _ = entered(name)
    assert market.operator_cancel("ann o") == ["ann o: canceled, OPERATOR, 10 left"]
    assert gone(market)


@everywhere
def test_a_halt_changes_nothing_but_that_pegs_leave_the_book_for_its_time(name: str):
    market, kind = entered(name)
    before, waiting = resting(market, kind), market.waiting()
    pegged = "peg" in kind.said and kind.stands == "book"
    lines = market.phase("halted", "X", by="op")
    assert lines == (["X: halted by op", "ann o: without a price"] if pegged else ["X: halted by op"])
    assert resting(market, kind) == ([] if pegged else before)
    assert "NOT_IN_THIS_PHASE" in market.replace("ann", "o", 5, side=kind.side, **kind.said)[0]  # type: ignore[arg-type]
    market.phase(kind.phase, "X", by="op")
    assert (resting(market, kind), market.waiting()) == (before, waiting)


@everywhere
def test_the_end_of_the_day(name: str):
    market, kind = entered(name)
    before, waiting = resting(market, kind), market.waiting()
    lines = market.roll("20240102")
    if kind.lasts:
        assert lines == ["day 20240102, 0 orders"]
        assert (resting(market, kind), market.waiting()) == (before, waiting)
        assert market.engine.knows("ann", "o")
    else:
        assert lines == ["day 20240102, 1 orders", "ann o: canceled, DAY_END, 10 left"]
        assert gone(market)
        assert not market.engine.knows("ann", "o")


@everywhere
def test_a_lower_quantity_keeps_the_place(name: str):
    """bob's order of the same kind came later, and stays behind."""
    market, kind = entered(name)
    market.do(market.order("bob", kind.side, 10, id="o", **kind.said))  # type: ignore[arg-type]
    lines = market.replace("ann", "o", 4, side=kind.side, **kind.said)  # type: ignore[arg-type]
    assert len(lines) == 1 and lines[0].startswith("ann o: replaced, r1 for o, 4 ") and ", 4 left, in its place" in lines[0]
    order = market.engine.order("ann", "r1")
    assert order is not None and order.leaves == 4
    if kind.stands == "book":
        orders = [line.split()[:3] for line in market.book()[kind.side == SELL] if line.split()[1] == "o"]
        assert orders == [["ann", "o", "4"], ["bob", "o", "10"]]
    else:
        assert market.waiting()[:1] == [f"ann o 4 ({kind.stands})"]


@everywhere
def test_a_higher_quantity_loses_it(name: str):
    market, kind = entered(name)
    market.do(market.order("bob", kind.side, 10, id="o", **kind.said))  # type: ignore[arg-type]
    first = market.replace("ann", "o", 11, side=kind.side, **kind.said)[0]  # type: ignore[arg-type]
    assert first.startswith("ann o: replaced, r1 for o, 11 ") and ", 11 left, requeued" in first
    if kind.stands == "book":
        orders = [line.split()[:3] for line in market.book()[kind.side == SELL] if line.split()[1] == "o"]
        assert orders == [["bob", "o", "10"], ["ann", "o", "11"]]


# ------------------------------------------------------------------------------------------------ a whole life


def live_through_two_days(market: Market) -> None:
    """Trades up and down, a correction and a bust, a halt, all auctions, the closing price, the next day."""
    market.sell("bob", 5, "10.00", id="s0")
    market.buy("eve", 5, "10.00", id="b0")
    market.buy("eve", 5, "10.20", id="up")
    market.sell("eve", 20, "9.80", id="down")
    market.quote("bob", market.entry((30, "9.70"), (30, "10.30")))
    market.bust(market.trades[0])
    market.phase("halted", "X", by="op")
    market.phase("continuous", "X", by="op")
    market.buy("eve", 5, "10.30", id="up again")
    market.correct(market.trades[-1], market.trades[-1].quantity, "10.05")
    market.do(market.terms(dynamic_band_bps=100))
    market.phase("volatility-auction", "X")
    market.buy("eve", 8, id="any price")
    market.publish_indicative()
    market.now += 300 * SECOND
    market.end_pauses()
    market.replace("ann", "o", 9, "9.85", id="r1", tif=GTC)
    market.phase("closing-auction", "X")
    market.buy("eve", 8, "10.00", id="b1", tif=AT_THE_CLOSE)
    market.sell("bob", 8, "10.00", id="s1")
    market.phase("closing-price", "X")
    market.sell("bob", 3, id="s2")
    market.phase("closed", "X")
    market.roll("20240102")
    market.now = TOMORROW
    market.expire()
    market.phase("pre-open", "X")
    market.phase("opening-auction", "X")
    market.buy("eve", 8, "10.10", id="b2")
    market.phase("continuous", "X")
    market.sell("bob", 50, "9.30", id="s3")
    market.mass_cancel("ann")


def lists(market: Market) -> None:
    """ann's order cancels another, and triggers a third."""
    market.one_cancels_the_other(
        "ann",
        market.order("ann", BUY, 10, "9.80", id="o", tif=GTC),
        market.order("ann", BUY, 20, stop="10.20", id="o2", tif=GTC),
        id="l1",
    )
    market.one_triggers_the_other(
        "ann",
        market.order("ann", SELL, 5, "10.20", id="o3", tif=GTC),
        market.order("ann", BUY, 5, "9.80", id="o4", shown=2, tif=GTC),
        market.order("ann", BUY, 5, peg="primary", id="o5", tif=GTC),
        market.order("ann", BUY, 5, stop="10.25", id="o6", tif=GTC),
        id="l2",
    )


def quotes(market: Market) -> None:
    market.quote("ann", market.entry((10, "9.90"), (10, "10.10")), market.entry((1, "49000.00"), of="COIN", id="e2"), id="qa")
    market.quote("ann", market.entry((10, "9.85"), (10, "10.15")), id="qb")


LIVES: dict[str, Callable[[Market], None]] = {
    name: lambda market, kind=kind: enter(market, kind) for name, kind in KINDS.items()  # type: ignore[misc]
} | {"lists": lists, "quotes": quotes}  # fmt: skip


@pytest.mark.parametrize("name", LIVES)
def test_a_snapshot_at_any_moment_of_its_life_makes_no_difference(name: str):
    market = Market()
    kind = KINDS.get(name)
    if kind is not None and kind.phase != "continuous":
        market.phase(kind.phase, "X")
    market.buy("bob", 5, "9.90", id="bid", tif=GTC)
    market.sell("bob", 5, "10.10", id="offer", tif=GTC)
    LIVES[name](market)
    if kind is not None and kind.phase != "continuous":
        market.phase("continuous", "X")
    live_through_two_days(market)

    caused: list[list[Event]] = []
    snapshots: list[bytes] = []
    engine = Engine()
    for number, (now, command) in enumerate(market.history, 1):
        snapshots.append(msgspec.msgpack.encode(engine.state()))
        caused.append(engine.apply(number, now, [command]))
    for after, snapshot in enumerate(snapshots):
        restored = Engine.from_state(msgspec.msgpack.decode(snapshot, type=EngineState))
        for number, (now, command) in enumerate(market.history[after:], after + 1):
            assert restored.apply(number, now, [command]) == caused[number - 1], f"restored after command {after}, at {number}"
        assert restored.digest() == engine.digest()
        restored.check()
