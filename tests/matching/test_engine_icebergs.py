"""Rules of icebergs: what is shown can be met, what is hidden waits behind the others of its price."""

import pytest

from matching.messages import FOK, GTC, ICEBERG_SLICES_MAX, IOC, SELL
from tests.matching.market import Market


def test_an_iceberg_shows_its_display_quantity():
    market = Market()
    assert market.sell("bob", 100, "10.00", shown=30, id="s1") == ["bob s1: accepted, sell 100 X at 10.00 showing 30 DAY"]
    assert market.book() == ([], ["bob s1 100 (30 shown) at 10.00"])


def test_the_next_slice_is_shown_at_the_end_of_the_queue():
    market = Market()
    market.sell("bob", 70, "10.00", shown=30, id="ice")
    market.sell("eve", 10, "10.00", id="s2")
    assert market.buy("ann", 30, "10.00", id="b1")[1:] == [
        "ann b1 buys 30 X at 10.00 from bob ice: 0 and 40 left",
        "bob ice: shows 30 anew",
    ]
    assert market.book() == ([], ["eve s2 10 at 10.00", "bob ice 40 (30 shown) at 10.00"])


def test_a_part_of_what_is_shown_keeps_its_place():
    market = Market()
    market.sell("bob", 70, "10.00", shown=30, id="ice")
    market.sell("eve", 10, "10.00", id="s2")
    assert market.buy("ann", 29, "10.00", id="b1")[1:] == ["ann b1 buys 29 X at 10.00 from bob ice: 0 and 41 left"]
    assert market.book() == ([], ["bob ice 41 (1 shown) at 10.00", "eve s2 10 at 10.00"])


def test_the_last_slice_is_what_is_left():
    market = Market()
    market.sell("bob", 50, "10.00", shown=30, id="ice")
    market.buy("ann", 30, "10.00", id="b1")
    assert market.book() == ([], ["bob ice 20 (20 shown) at 10.00"])
    assert market.buy("ann", 20, "10.00", id="b2")[1:] == ["ann b2 buys 20 X at 10.00 from bob ice: 0 and 0 left"]
    assert market.status("bob", "ice") == "filled, 50 of 50 executed, 0 left"


def test_one_order_takes_slice_after_slice_in_turns_with_the_others_of_the_price():
    market = Market()
    market.sell("bob", 25, "10.00", shown=10, id="ice")
    market.sell("eve", 20, "10.00", shown=5, id="floe")
    assert market.buy("ann", 45, "10.00", id="b1")[1:] == [
        "ann b1 buys 10 X at 10.00 from bob ice: 35 and 15 left",
        "bob ice: shows 10 anew",
        "ann b1 buys 5 X at 10.00 from eve floe: 30 and 15 left",
        "eve floe: shows 5 anew",
        "ann b1 buys 10 X at 10.00 from bob ice: 20 and 5 left",
        "bob ice: shows 5 anew",
        "ann b1 buys 5 X at 10.00 from eve floe: 15 and 10 left",
        "eve floe: shows 5 anew",
        "ann b1 buys 5 X at 10.00 from bob ice: 10 and 0 left",
        "ann b1 buys 5 X at 10.00 from eve floe: 5 and 5 left",
        "eve floe: shows 5 anew",
        "ann b1 buys 5 X at 10.00 from eve floe: 0 and 0 left",
    ]


def test_an_incoming_iceberg_trades_with_all_it_has_and_shows_a_slice_of_the_rest():
    market = Market()
    market.sell("bob", 50, "10.00", id="s1")
    assert market.buy("ann", 85, "10.00", shown=20, id="ice")[1:] == [
        "ann ice buys 50 X at 10.00 from bob s1: 35 and 0 left"
    ]
    assert market.book() == (["ann ice 35 (20 shown) at 10.00"], [])


def test_hidden_quantity_counts_for_who_wants_all_or_nothing():
    market = Market()
    market.sell("bob", 100, "10.00", shown=10, id="ice")
    market.sell("eve", 5, "10.00", id="s2")
    assert market.buy("ann", 25, "10.00", id="b1", tif=FOK)[1:] == [
        "ann b1 buys 10 X at 10.00 from bob ice: 15 and 90 left",
        "bob ice: shows 10 anew",
        "ann b1 buys 5 X at 10.00 from eve s2: 10 and 0 left",
        "ann b1 buys 10 X at 10.00 from bob ice: 0 and 80 left",
        "bob ice: shows 10 anew",
    ]


def test_an_iceberg_reserves_what_it_hides_too():
    market = Market()
    market.buy("ann", 100, "10.00", shown=1, id="b1")
    market.sell("bob", 100, "11.00", shown=1, id="s1")
    assert (market.cash("ann")[1], market.holding("bob")[1]) == ("1000", "100")


def test_in_an_auction_all_of_an_iceberg_takes_part():
    """More than is shown trades at once; what is left is shown anew, behind the others of its price."""
    market = Market()
    market.phase("opening-auction")
    market.sell("bob", 100, "10.00", shown=10, id="ice")
    market.sell("eve", 20, "10.00", id="s2")
    market.buy("ann", 60, "10.00", id="b1")
    assert market.phase("continuous", "X") == [
        "X: opening-auction ends, 60 at 10.00, 60 more to sell",
        "ann b1 buys 60 X at 10.00 from bob ice: 0 and 40 left",
        "bob ice: shows 10 anew",
        "X: continuous",
    ]
    assert market.book() == ([], ["eve s2 20 at 10.00", "bob ice 40 (10 shown) at 10.00"])


def test_in_an_auction_less_than_is_shown_keeps_the_place():
    market = Market()
    market.phase("opening-auction")
    market.sell("bob", 100, "10.00", shown=10, id="ice")
    market.sell("eve", 20, "10.00", id="s2")
    market.buy("ann", 9, "10.00", id="b1")
    assert market.phase("continuous", "X")[1:] == ["ann b1 buys 9 X at 10.00 from bob ice: 0 and 91 left", "X: continuous"]
    assert market.book() == ([], ["bob ice 91 (1 shown) at 10.00", "eve s2 20 at 10.00"])


def test_an_iceberg_comes_up_a_thousand_times_at_most():
    """Or two orders could have the market make a million trades at once."""
    market = Market()
    market.sell("bob", 2_000, "10.00", id="s", shown=2)
    assert market.sell("bob", 2_001, "10.00", id="more", shown=2) == [
        "bob more: rejected, INVALID_QUANTITY: display quantity 2 is less than 1/1000 of the order's quantity"
    ]
    events = market.buy("ann", 2_000, "10.00", id="b")
    assert len([line for line in events if " buys 2 X " in line]) == 1_000
    assert market.book() == ([], [])


def test_a_stop_limit_order_may_be_an_iceberg():
    market = Market()
    market.buy("ann", 100, "10.50", stop="10.20", shown=10, id="b1")
    market.sell("bob", 30, "10.50", id="s1")
    market.trade_at("10.30")
    assert market.book() == (["ann b1 70 (10 shown) at 10.50"], [])


# ------------------------------------------------------------------------------------------------- changing


@pytest.mark.parametrize(
    ("quantity", "shown", "then"),
    [
        (100, 30, "100 (21 shown)"),  # as it was
        (100, 50, "100 (21 shown)"),  # the greater slice comes with the next
        (100, 5, "100 (5 shown)"),
        (50, 30, "50 (21 shown)"),
        (25, 25, "25 (21 shown)"),
        (15, 15, "15 (15 shown)"),
    ],
)
def test_another_display_quantity_or_a_lower_quantity_keeps_the_place(quantity: int, shown: int, then: str):
    """Nine of the thirty that were shown have traded: now it is at most the new slice, and what is left."""
    market = Market()
    market.sell("bob", 109, "10.00", shown=30, id="ice")
    market.sell("eve", 10, "10.00", id="s2")
    market.buy("ann", 9, "10.00", id="b1")
    executed = 9
    lines = market.replace("bob", "ice", quantity + executed, "10.00", side=SELL, shown=shown)
    assert lines == [
        f"bob ice: replaced, r1 for ice, {quantity + executed} at 10.00 showing {shown} DAY, {quantity} left, in its place"
    ]
    assert market.book() == ([], [f"bob ice {then} at 10.00", "eve s2 10 at 10.00"])


def test_an_order_becomes_an_iceberg_in_its_place_and_an_iceberg_a_plain_order():
    market = Market()
    market.sell("bob", 100, "10.00", id="s1")
    market.sell("eve", 10, "10.00", id="s2")
    assert market.replace("bob", "s1", 100, "10.00", side=SELL, shown=10, id="r1") == [
        "bob s1: replaced, r1 for s1, 100 at 10.00 showing 10 DAY, 100 left, in its place"
    ]
    assert market.book() == ([], ["bob s1 100 (10 shown) at 10.00", "eve s2 10 at 10.00"])
    assert market.replace("bob", "s1", 100, "10.00", side=SELL, id="r2") == [
        "bob s1: replaced, r2 for r1, 100 at 10.00 DAY, 100 left, in its place"
    ]
    assert market.book() == ([], ["bob s1 100 at 10.00", "eve s2 10 at 10.00"])


def test_another_price_shows_the_whole_slice_again():
    market = Market()
    market.sell("bob", 100, "10.00", shown=30, id="ice")
    market.buy("ann", 29, "10.00", id="b1")
    assert market.replace("bob", "ice", 100, "10.01", side=SELL, shown=30) == [
        "bob ice: replaced, r1 for ice, 100 at 10.01 showing 30 DAY, 71 left, requeued"
    ]
    assert market.book() == ([], ["bob ice 71 (30 shown) at 10.01"])


# -------------------------------------------------------------------------------------------------- refusals


def test_what_an_iceberg_has_to_say():
    market = Market((Market.terms(lot=10),))
    refusals = [
        *market.buy("ann", 100, "10.00", id="1", shown=110),
        *market.buy("ann", 100, "10.00", id="2", shown=15),
        *market.buy("ann", 100, "10.00", id="3", shown=-10),
        *market.buy("ann", 100, id="4", shown=10),
        *market.buy("ann", 100, "10.00", id="5", shown=10, tif=IOC),
        *market.buy("ann", 100, "10.00", id="6", shown=10, tif=FOK),
        *market.buy("ann", 100, "10.00", id="7", shown=10, peg="primary"),
        *market.buy("ann", 100, id="8", shown=10, to_limit=True),
    ]
    what = "a multiple of the lot up to the order's quantity"
    belongs = "a display quantity belongs to a limit or stop limit order that is DAY, GTC or GTD"
    assert refusals == [
        f"ann 1: rejected, INVALID_QUANTITY: display quantity 110 is not {what}",
        f"ann 2: rejected, INVALID_QUANTITY: display quantity 15 is not {what}",
        f"ann 3: rejected, INVALID_QUANTITY: display quantity -10 is not {what}",
        f"ann 4: rejected, UNSUPPORTED: {belongs}",
        f"ann 5: rejected, UNSUPPORTED: {belongs}",
        f"ann 6: rejected, UNSUPPORTED: {belongs}",
        f"ann 7: rejected, UNSUPPORTED: {belongs}",
        f"ann 8: rejected, UNSUPPORTED: {belongs}",
    ]
    assert market.buy("ann", 100, "10.00", id="9", shown=100, tif=GTC) == [
        "ann 9: accepted, buy 100 X at 10.00 showing 100 GTC"
    ]


def test_an_iceberg_has_a_thousand_slices_at_most():
    """Each slice is an event or two: without a limit, two orders could hold up everybody else for as long as they like."""
    market = Market()
    assert market.buy("ann", ICEBERG_SLICES_MAX * 2 + 1, "10.00", shown=2, id="b1") == [
        "ann b1: rejected, INVALID_QUANTITY: display quantity 2 is less than 1/1000 of the order's quantity"
    ]
    assert "accepted" in market.buy("ann", ICEBERG_SLICES_MAX * 2, "10.00", shown=2, id="b2")[0]
    assert len(market.sell("bob", ICEBERG_SLICES_MAX * 2, "10.00", id="s1")) == 1 + 2 * ICEBERG_SLICES_MAX - 1
