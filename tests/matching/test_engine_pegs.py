"""Rules of pegged orders: which price the best bid and offer give them, when they have none, when they move."""

import pytest

from matching.messages import BUY, GTC, IOC, LIMIT, PEGGED, Conditions, NewOrder
from tests.matching.market import Market


def quoted(bid: str = "9.90", offer: str = "10.10") -> Market:
    """bob bids and offers 100."""
    market = Market()
    market.buy("bob", 100, bid, id="bid", tif=GTC)
    market.sell("bob", 100, offer, id="offer", tif=GTC)
    return market


def test_a_primary_peg_joins_its_own_side_behind_the_others():
    market = quoted()
    assert market.buy("ann", 10, peg="primary", id="p1") == [
        "ann p1: accepted, buy 10 X peg primary DAY, waits (peg)",
        "ann p1: repriced to 9.90",
    ]
    assert market.sell("ann", 10, peg="primary", id="p2") == [
        "ann p2: accepted, sell 10 X peg primary DAY, waits (peg)",
        "ann p2: repriced to 10.10",
    ]
    assert market.book() == (["bob bid 100 at 9.90", "ann p1 10 at 9.90"], ["bob offer 100 at 10.10", "ann p2 10 at 10.10"])


def test_a_market_peg_takes_the_price_of_the_other_side_and_an_offset_keeps_it_away():
    market = quoted()
    assert market.buy("ann", 10, peg="market", offset="-0.05", id="p1")[1:] == ["ann p1: repriced to 10.05"]
    assert market.sell("eve", 10, peg="market", offset="0.16", id="p2")[1:] == ["eve p2: repriced to 10.06"]
    assert market.buy("eve", 30, peg="market", id="p3") == [
        "eve p3: accepted, buy 30 X peg market DAY, waits (peg)",
        "eve p3: repriced to 10.10",
        "eve p2: canceled, SELF_TRADE, 10 left",
        "eve p3 buys 30 X at 10.10 from bob offer: 0 and 70 left",
    ]


@pytest.mark.parametrize(
    ("bid", "offer", "to_buy", "to_sell"),
    [("9.90", "10.10", "10.00", "10.00"), ("9.90", "10.01", "9.95", "9.96"), ("9.99", "10.00", "9.99", "10.00")],
)
def test_a_midpoint_peg_is_rounded_to_its_own_side(bid: str, offer: str, to_buy: str, to_sell: str):
    market = quoted(bid, offer)
    assert market.buy("ann", 10, peg="midpoint", id="p1")[1:] == [f"ann p1: repriced to {to_buy}"]
    lines = market.sell("eve", 10, peg="midpoint", id="p2")[1:]
    assert lines[0] == f"eve p2: repriced to {to_sell}"
    assert len(lines) == (2 if to_buy == to_sell else 1), "they meet where the middle is a tick"


def test_the_middle_is_on_a_tick():
    market = Market((Market.terms(tick=5),))
    market.buy("bob", 1, "9.90", id="bid")
    market.sell("bob", 1, "10.05", id="offer")
    assert market.buy("ann", 10, peg="midpoint", id="p1")[1:] == ["ann p1: repriced to 9.95"]
    assert market.sell("ann", 10, peg="midpoint", id="p2")[1:] == ["ann p2: repriced to 10.00"]


def test_pegs_follow_the_marks_in_the_order_of_entry():
    market = quoted()
    market.buy("ann", 10, peg="primary", id="p1")
    market.buy("eve", 10, peg="primary", offset="0.01", id="p2")
    assert market.buy("bob", 1, "9.95", id="better") == [
        "bob better: accepted, buy 1 X at 9.95 DAY",
        "ann p1: repriced to 9.95",
        "eve p2: repriced to 9.96",
    ]
    assert market.cancel("bob", "better") == [
        "bob better: canceled, REQUESTED, 1 left asked by c1",
        "ann p1: repriced to 9.90",
        "eve p2: repriced to 9.91",
    ]


def test_a_peg_that_has_the_same_price_keeps_its_place():
    market = quoted()
    market.buy("ann", 10, peg="primary", id="p1")
    market.buy("eve", 10, "9.90", id="b1")
    assert market.sell("eve", 1, "10.05", id="s1") == ["eve s1: accepted, sell 1 X at 10.05 DAY"]
    assert market.book()[0] == ["bob bid 100 at 9.90", "ann p1 10 at 9.90", "eve b1 10 at 9.90"]


def test_pegged_orders_are_no_marks_for_each_other():
    """Only orders that are not pegged make the best bid and offer that count: nothing climbs by itself."""
    market = quoted()
    market.buy("ann", 10, peg="primary", offset="0.05", id="p1")
    assert market.buy("eve", 10, peg="primary", offset="0.01", id="p2")[1:] == ["eve p2: repriced to 9.91"]
    assert market.cancel("bob", "bid") == [
        "bob bid: canceled, REQUESTED, 100 left asked by c1",
        "ann p1: without a price",
        "eve p2: without a price",
    ]
    assert market.waiting() == ["ann p1 10 (peg)", "eve p2 10 (peg)"]


def test_without_the_marks_that_it_needs_a_peg_waits():
    market = Market()
    market.buy("ann", 10, peg="primary", id="primary")
    market.buy("ann", 10, peg="market", offset="-0.10", id="market")
    market.buy("ann", 10, peg="midpoint", id="midpoint")
    assert market.waiting() == ["ann primary 10 (peg)", "ann market 10 (peg)", "ann midpoint 10 (peg)"]
    assert market.sell("bob", 1, "10.10", id="offer")[1:] == ["ann market: repriced to 10.00"]
    assert market.buy("bob", 1, "9.90", id="bid")[1:] == ["ann primary: repriced to 9.90", "ann midpoint: repriced to 10.00"]
    assert market.waiting() == []


def test_the_limit_bounds_the_price():
    market = quoted()
    assert market.buy("ann", 10, "9.88", peg="primary", id="p1") == [
        "ann p1: accepted, buy 10 X peg primary limit 9.88 DAY, waits (peg)",
        "ann p1: repriced to 9.88",
    ]
    assert market.sell("ann", 10, "10.20", peg="primary", id="p2")[1:] == ["ann p2: repriced to 10.20"]


def test_beyond_the_band_there_is_no_price():
    market = quoted("9.01", "10.99")
    assert market.buy("ann", 10, peg="primary", offset="-0.01", id="at the edge")[1:] == ["ann at the edge: repriced to 9.00"]
    assert market.buy("ann", 10, peg="primary", offset="-0.02", id="beyond")[1:] == []
    assert market.sell("ann", 10, peg="primary", offset="0.02", id="above")[1:] == []
    assert market.buy("eve", 10, peg="market", offset="0.50", id="capped") == [
        "eve capped: accepted, buy 10 X peg market +0.50 DAY, waits (peg)",
        "eve capped: repriced to 11.00",
        "eve capped buys 10 X at 10.99 from bob offer: 0 and 90 left",
    ]


def test_a_peg_that_moves_into_the_other_side_trades_as_incoming():
    market = quoted()
    market.buy("ann", 10, peg="primary", offset="0.10", id="p1")
    market.sell("eve", 4, "10.05", id="s1")
    assert market.buy("bob", 1, "9.96", id="better") == [
        "bob better: accepted, buy 1 X at 9.96 DAY",
        "ann p1: repriced to 10.06",
        "ann p1 buys 4 X at 10.05 from eve s1: 6 and 0 left",
    ]
    assert market.book()[0] == ["ann p1 6 at 10.06", "bob better 1 at 9.96", "bob bid 100 at 9.90"]


def test_pegs_move_after_the_elected_stops_of_the_command():
    market = quoted()
    market.buy("ann", 10, peg="primary", id="peg")
    market.buy("eve", 1, "10.02", stop="10.10", id="stop")
    assert market.buy("eve", 1, "10.10", id="b1") == [
        "eve b1: accepted, buy 1 X at 10.10 DAY",
        "eve b1 buys 1 X at 10.10 from bob offer: 0 and 99 left",
        "eve stop: activated by stop, at 10.02",
        "ann peg: repriced to 10.02",
    ]


def test_the_trade_of_a_peg_elects_stops_and_moves_the_pegs_again():
    market = quoted()
    market.buy("ann", 5, peg="primary", offset="0.10", id="peg")
    market.sell("eve", 5, "10.05", id="s1")
    market.buy("eve", 1, "9.99", stop="10.05", id="stop")
    assert market.buy("bob", 1, "9.97", id="better") == [
        "bob better: accepted, buy 1 X at 9.97 DAY",
        "ann peg: repriced to 10.07",
        "ann peg buys 5 X at 10.05 from eve s1: 0 and 0 left",
        "eve stop: activated by stop, at 9.99",
    ]


def test_a_peg_reserves_at_its_limit_or_at_the_edge_of_the_band():
    market = quoted()
    market.buy("ann", 10, peg="primary", id="p1")
    assert market.cash("ann") == ("1000000", "110")
    market.buy("ann", 10, "10.00", peg="primary", id="p2")
    assert market.cash("ann") == ("1000000", "210")
    market.sell("bob", 20, "9.90", id="s1")
    market.sell("eve", 100, "9.90", id="s2")
    assert market.cash("ann") == ("999802", "0")


@pytest.mark.parametrize("phase", ["halted", "cancel-only", "closed", "pre-open", "closing-auction", "closing-price"])
def test_pegs_leave_the_book_when_trading_stops_and_come_back_with_it(phase: str):
    market = quoted()
    market.buy("ann", 10, peg="primary", id="p1")
    market.sell("eve", 10, peg="primary", id="p2")
    assert market.phase(phase, "X") == [f"X: {phase}", "ann p1: without a price", "eve p2: without a price"]
    assert market.waiting() == ["ann p1 10 (peg)", "eve p2 10 (peg)"]
    back = market.phase("continuous", "X")
    if phase == "closing-auction":
        assert back.pop(0) == "X: closing-auction ends, nothing trades"
    assert back == ["X: continuous", "ann p1: repriced to 9.90", "eve p2: repriced to 10.10"]


def test_a_peg_that_waits_takes_no_part_in_an_auction():
    market = quoted()
    market.phase("opening-auction", "X")
    assert market.buy("ann", 10, peg="market", id="p1") == ["ann p1: accepted, buy 10 X peg market DAY, waits (peg)"]
    assert market.phase("continuous", "X") == [
        "X: opening-auction ends, nothing trades",
        "X: continuous",
        "ann p1: repriced to 10.10",
        "ann p1 buys 10 X at 10.10 from bob offer: 0 and 90 left",
    ]


def test_pegs_of_several_instruments_move_by_symbol():
    market = Market()
    market.buy("ann", 10, peg="primary", id="p1")
    market.buy("ann", 1, peg="primary", of="COIN", id="p2")
    assert market.quote(
        "bob", market.entry(bid=(5, "9.90"), id="x"), market.entry(bid=(5, "49000.00"), of="COIN", id="coin"), id="q"
    ) == [
        "bob q: x accepted; coin accepted",
        "bob q/x bid: accepted, buy 5 X at 9.90 DAY",
        "bob q/coin bid: accepted, buy 5 COIN at 49000.00 DAY",
        "ann p2: repriced to 49000.00",
        "ann p1: repriced to 9.90",
    ]


# ------------------------------------------------------------------------------------------------- changing


def test_a_lower_quantity_keeps_the_place():
    market = quoted()
    market.buy("ann", 10, peg="primary", id="p1")
    market.buy("eve", 10, "9.90", id="b1")
    assert market.replace("ann", "p1", 5, peg="primary") == [
        "ann p1: replaced, r1 for p1, 5 peg primary DAY, 5 left, in its place"
    ]
    assert market.book()[0] == ["bob bid 100 at 9.90", "ann p1 5 at 9.90", "eve b1 10 at 9.90"]


def test_another_offset_is_priced_anew():
    market = quoted()
    market.buy("ann", 10, peg="primary", id="p1")
    assert market.replace("ann", "p1", 10, peg="primary", offset="0.02", id="r1") == [
        "ann p1: replaced, r1 for p1, 10 peg primary +0.02 DAY, 10 left, requeued, waits (peg)",
        "ann p1: repriced to 9.92",
    ]
    assert market.replace("ann", "p1", 10, peg="primary", offset="-0.02", id="r2") == [
        "ann p1: replaced, r2 for r1, 10 peg primary -0.02 DAY, 10 left, requeued, waits (peg)",
        "ann p1: repriced to 9.88",
    ]


def test_a_peg_becomes_a_limit_order_and_a_limit_order_a_peg():
    market = quoted()
    market.buy("ann", 10, peg="primary", id="p1")
    assert market.replace("ann", "p1", 10, "9.95", id="r1") == [
        "ann p1: replaced, r1 for p1, 10 at 9.95 DAY, 10 left, requeued"
    ]
    assert market.cancel("bob", "bid")[1:] == [], "it is pegged no more"
    assert market.replace("ann", "p1", 10, peg="market", offset="-0.01", id="r2") == [
        "ann p1: replaced, r2 for r1, 10 peg market -0.01 DAY, 10 left, requeued, waits (peg)",
        "ann p1: repriced to 10.09",
    ]


def test_a_peg_is_canceled_with_and_without_a_price():
    market = Market()
    market.buy("ann", 10, peg="primary", id="p1")
    assert market.cancel("ann", "p1") == ["ann p1: canceled, REQUESTED, 10 left asked by c1"]
    market = quoted()
    market.buy("ann", 10, peg="primary", id="p1")
    assert market.cancel("ann", "p1") == ["ann p1: canceled, REQUESTED, 10 left asked by c1"]
    assert (market.book()[0], market.cash("ann")) == (["bob bid 100 at 9.90"], ("1000000", "0"))


# -------------------------------------------------------------------------------------------------- refusals


def test_what_a_peg_has_to_say():
    market = Market((Market.terms(tick=5),))
    refusals = [
        *market.buy("ann", 1, peg="primary", id="1", tif=IOC),
        *market.buy("ann", 1, peg="primary", id="2", offset="0.01"),
        *market.buy("ann", 1, "10.01", peg="primary", id="3"),
        *market.buy("ann", 1, "11.05", peg="primary", id="4"),
        *market.buy("ann", 1, "10.00", offset="0.05", id="5"),
        *market.buy("ann", 1, peg="primary", post_only=True, id="6"),
        *market.do(NewOrder("ann", "ann", "7", "ann", "X", BUY, PEGGED, "0", 0, 1)),
        *market.do(NewOrder("ann", "ann", "8", "ann", "X", BUY, LIMIT, "0", 1_000, 1, conditions=Conditions(peg="primary"))),
    ]
    assert refusals == [
        "ann 1: rejected, UNSUPPORTED: a stop or pegged order is DAY, GTC or GTD",
        "ann 2: rejected, OFF_TICK: peg offset 0.01 is not a multiple of the tick 0.05",
        "ann 3: rejected, OFF_TICK: price 10.01 is not a multiple of the tick 0.05",
        "ann 4: rejected, OUTSIDE_PRICE_BAND: price 11.05 is outside the band 9.00 to 11.00",
        "ann 5: rejected, UNSUPPORTED: a peg offset belongs to a pegged order",
        "ann 6: rejected, UNSUPPORTED: participate-don't-initiate belongs to a limit order that is DAY, GTC or GTD",
        "ann 7: rejected, UNSUPPORTED: a peg price type belongs to a pegged order, which needs one",
        "ann 8: rejected, UNSUPPORTED: a peg price type belongs to a pegged order, which needs one",
    ]


def test_an_instrument_has_so_many_pegged_orders_and_no_more(monkeypatch: pytest.MonkeyPatch):
    """Each change of the marks may move them all."""
    monkeypatch.setattr("matching.rules.PEGGED_ORDERS_MAX", 2)
    market = quoted()
    market.buy("ann", 10, peg="primary", id="p1")
    market.buy("ann", 10, peg="primary", id="p2")
    assert market.sell("eve", 10, peg="primary", id="p3") == [
        "eve p3: rejected, LIMIT_EXCEEDED: X has 2 pegged orders, which is the limit"
    ]
    market.buy("eve", 10, "9.80", id="b1")
    assert market.replace("eve", "b1", 10, peg="primary", id="r1") == [
        "eve r1: replace of b1 rejected, status 0, LIMIT_EXCEEDED: X has 2 pegged orders, which is the limit"
    ]
    assert "rejected" not in market.replace("ann", "p2", 5, peg="primary", id="r2")[0], "it is not counted against itself"
    market.cancel("ann", "p1", id="c1")
    assert market.sell("eve", 10, peg="primary", id="p4")[1:] == ["eve p4: repriced to 10.10"]


def test_a_pegged_order_of_a_list_ends_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("matching.rules.PEGGED_ORDERS_MAX", 1)
    market = quoted()
    market.one_triggers_the_other(
        "ann", market.order("ann", BUY, 10, "9.95", id="o1"), market.order("ann", BUY, 10, peg="primary", id="o2")
    )
    market.buy("eve", 10, peg="primary", id="p1")
    assert market.sell("bob", 10, "9.95", id="s1")[2:] == [
        "ann o2: canceled, LIST_ENDED, 10 left",
        "eve p1: repriced to 9.90",
    ]
