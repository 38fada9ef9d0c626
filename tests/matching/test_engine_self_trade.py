"""Rules of self-trade prevention: who may not meet, and what becomes of the two, by four instructions."""

import pytest

from matching.messages import BUY, FOK, GTC, IOC, SELL, DefineAccount
from tests.matching.market import Market


def with_account(self_trade: str) -> Market:
    market = Market()
    market.do(DefineAccount("ann", "ann", 0, self_trade))  # type: ignore[arg-type]
    return market


# ----------------------------------------------------------------------------------------- four instructions


def test_cancel_the_resting_order_and_go_on():
    market = Market()
    market.sell("ann", 10, "10.00", id="mine")
    market.sell("bob", 4, "10.00", id="his")
    assert market.buy("ann", 10, "10.00", id="b1", prevent="2")[1:] == [
        "ann mine: canceled, SELF_TRADE, 10 left",
        "ann b1 buys 4 X at 10.00 from bob his: 6 and 0 left",
    ]
    assert market.book() == (["ann b1 6 at 10.00"], [])


def test_cancel_the_incoming_order_after_what_it_has_traded():
    market = Market()
    market.sell("bob", 4, "10.00", id="his")
    market.sell("ann", 10, "10.00", id="mine")
    assert market.buy("ann", 10, "10.00", id="b1", prevent="1")[1:] == [
        "ann b1 buys 4 X at 10.00 from bob his: 6 and 0 left",
        "ann b1: canceled, SELF_TRADE_INCOMING, 6 left",
    ]
    assert market.book() == ([], ["ann mine 10 at 10.00"])


def test_cancel_both():
    market = Market()
    market.sell("ann", 10, "10.00", id="mine")
    market.sell("bob", 4, "10.00", id="his")
    assert market.buy("ann", 10, "10.00", id="b1", prevent="3")[1:] == [
        "ann mine: canceled, SELF_TRADE_BOTH, 10 left",
        "ann b1: canceled, SELF_TRADE_BOTH, 10 left",
    ]
    assert market.book() == ([], ["bob his 4 at 10.00"])


def test_decrement_ends_the_smaller_and_lowers_the_greater():
    market = Market()
    market.sell("ann", 10, "10.00", id="mine")
    market.sell("bob", 4, "10.00", id="his")
    assert market.buy("ann", 15, "10.00", id="b1", prevent="4") == [
        "ann b1: accepted, buy 15 X at 10.00 DAY",
        "ann mine: canceled, SELF_TRADE_DECREMENT, 10 left",
        "ann b1: restated, SELF_TRADE_DECREMENT, 5 at 10.00, 5 left",
        "ann b1 buys 4 X at 10.00 from bob his: 1 and 0 left",
    ]
    assert (market.cash("ann"), market.holding("ann")) == (("999960", "10"), ("10004", "0"))


def test_decrement_leaves_the_resting_order_in_its_place_where_it_is_the_greater():
    market = Market()
    market.sell("ann", 10, "10.00", id="mine")
    market.sell("bob", 4, "10.00", id="his")
    assert market.buy("ann", 3, "10.00", id="b1", prevent="4")[1:] == [
        "ann b1: canceled, SELF_TRADE_DECREMENT, 3 left",
        "ann mine: restated, SELF_TRADE_DECREMENT, 7 at 10.00, 7 left",
    ]
    assert market.book() == ([], ["ann mine 7 at 10.00", "bob his 4 at 10.00"])
    assert market.holding("ann") == ("10000", "7")


def test_decrement_of_two_of_the_same_size_ends_both_the_resting_first():
    market = Market()
    market.sell("ann", 10, "10.00", id="mine")
    assert market.buy("ann", 10, "10.00", id="b1", prevent="4")[1:] == [
        "ann mine: canceled, SELF_TRADE_DECREMENT, 10 left",
        "ann b1: canceled, SELF_TRADE_DECREMENT, 10 left",
    ]
    assert (market.cash("ann"), market.holding("ann")) == (("1000000", "0"), ("10000", "0"))


def test_decrement_counts_what_an_iceberg_hides():
    market = Market()
    market.sell("ann", 20, "10.00", shown=5, id="ice")
    assert market.buy("ann", 12, "10.00", id="b1", prevent="4")[1:] == [
        "ann b1: canceled, SELF_TRADE_DECREMENT, 12 left",
        "ann ice: restated, SELF_TRADE_DECREMENT, 8 at 10.00, 8 left",
    ]
    assert market.book() == ([], ["ann ice 8 (5 shown) at 10.00"])
    market.buy("ann", 5, "10.00", id="b2", prevent="4")
    assert market.book() == ([], ["ann ice 3 (3 shown) at 10.00"])


def test_a_decremented_order_that_has_traded_ends_with_its_last_open_part():
    market = Market()
    market.sell("ann", 10, "10.00", id="mine")
    market.buy("bob", 4, "10.00", id="b1")
    market.buy("ann", 2, "10.00", id="b2", prevent="4")
    assert market.status("ann", "mine") == "partly filled, 4 of 8 executed, 4 left"
    market.buy("ann", 4, "10.00", id="b3", prevent="4")
    assert market.status("ann", "mine") == "canceled, 4 of 8 executed, 0 left"


@pytest.mark.parametrize(
    ("self_trade", "ends"),
    [
        ("cancel-resting", ["ann mine: canceled, SELF_TRADE, 10 left"]),
        ("cancel-incoming", ["ann b1: canceled, SELF_TRADE_INCOMING, 10 left"]),
        ("cancel-both", ["ann mine: canceled, SELF_TRADE_BOTH, 10 left", "ann b1: canceled, SELF_TRADE_BOTH, 10 left"]),
        (
            "decrement",
            ["ann mine: canceled, SELF_TRADE_DECREMENT, 10 left", "ann b1: canceled, SELF_TRADE_DECREMENT, 10 left"],
        ),
        ("allow", ["ann b1 buys 10 X at 10.00 from ann mine: 0 and 0 left"]),
    ],
)
def test_the_account_decides_where_the_order_says_nothing(self_trade: str, ends: list[str]):
    market = with_account(self_trade)
    market.sell("ann", 10, "10.00", id="mine")
    assert market.buy("ann", 10, "10.00", id="b1")[1:] == ends


def test_the_incoming_order_is_the_one_whose_word_counts():
    market = with_account("cancel-incoming")
    market.sell("ann", 10, "10.00", id="mine", prevent="3")
    assert market.buy("ann", 10, "10.00", id="b1", prevent="2")[1:] == ["ann mine: canceled, SELF_TRADE, 10 left"]


# ----------------------------------------------------------------------------------------------- who may meet


def test_orders_of_one_participant_with_the_same_id_do_not_meet_even_where_the_account_allows_it():
    market = with_account("allow")
    market.sell("ann", 10, "10.00", id="mine", match="desk 1")
    assert market.buy("ann", 10, "10.00", id="b1", match="desk 1")[1:] == ["ann mine: canceled, SELF_TRADE, 10 left"]


def test_orders_of_one_participant_with_different_ids_trade():
    market = Market()
    market.sell("ann", 10, "10.00", id="mine", match="desk 1")
    assert market.buy("ann", 10, "10.00", id="b1", match="desk 2")[1:] == [
        "ann b1 buys 10 X at 10.00 from ann mine: 0 and 0 left"
    ]


@pytest.mark.parametrize(("resting", "incoming"), [("desk 1", ""), ("", "desk 1")])
def test_where_not_both_have_an_id_the_account_of_the_incoming_order_decides(resting: str, incoming: str):
    for self_trade, line in (
        ("cancel-resting", "ann mine: canceled, SELF_TRADE, 10 left"),
        ("allow", "ann b1 buys 10 X at 10.00 from ann mine: 0 and 0 left"),
    ):
        market = with_account(self_trade)
        market.sell("ann", 10, "10.00", id="mine", match=resting)
        assert market.buy("ann", 10, "10.00", id="b1", match=incoming)[1:] == [line]


def test_an_id_is_of_its_participant():
    market = Market()
    market.sell("bob", 10, "10.00", id="his", match="desk 1")
    assert market.buy("ann", 10, "10.00", id="b1", match="desk 1")[1:] == [
        "ann b1 buys 10 X at 10.00 from bob his: 0 and 0 left"
    ]


def test_accounts_of_one_participant_are_one_and_the_incoming_one_decides():
    market = Market()
    market.do(DefineAccount("ann-2", "ann", 100, "decrement"))
    market.buy("ann", 10, "10.00", id="b1")
    assert market.sell("ann", 4, "10.00", id="s1", account="ann-2")[1:] == [
        "ann s1: canceled, SELF_TRADE_DECREMENT, 4 left",
        "ann b1: restated, SELF_TRADE_DECREMENT, 6 at 10.00, 6 left",
    ]


def test_in_an_auction_nothing_is_prevented():
    """There is no incoming order, and whom somebody trades with is chance."""
    market = Market()
    market.phase("opening-auction", "X")
    market.sell("ann", 10, "10.00", id="mine", match="desk 1")
    market.buy("ann", 10, "10.00", id="b1", match="desk 1", prevent="3")
    assert market.phase("continuous", "X")[1] == "ann b1 buys 10 X at 10.00 from ann mine: 0 and 0 left"


# ------------------------------------------------------------------------------------------- all or nothing


def three_offers() -> Market:
    """bob 5, then an iceberg of eve 10 of which 2 are shown, ann 10, bob 5, all at 10.00."""
    market = Market()
    market.sell("bob", 5, "10.00", id="first")
    market.sell("eve", 10, "10.00", shown=2, id="ice")
    market.sell("ann", 10, "10.00", id="mine")
    market.sell("bob", 5, "10.00", id="last")
    return market


@pytest.mark.parametrize(("quantity", "fills"), [(20, True), (21, False)])
def test_cancel_the_resting_passes_over_his_own(quantity: int, fills: bool):
    market = three_offers()
    market.buy("ann", quantity, "10.00", tif=FOK, prevent="2", id="b1")
    assert market.status("ann", "b1") == (
        "filled, 20 of 20 executed, 0 left" if fills else "canceled, 0 of 21 executed, 0 left"
    )


@pytest.mark.parametrize("prevent", ["1", "3", "4"])
@pytest.mark.parametrize(("quantity", "fills"), [(7, True), (8, False)])
def test_otherwise_what_is_shown_before_his_own_is_all_there_is(prevent: str, quantity: int, fills: bool):
    """What the iceberg hides would come behind his own order: that far, a whole order does not get."""
    market = three_offers()
    lines = market.buy("ann", quantity, "10.00", tif=FOK, prevent=prevent, id="b1")[1:]
    if fills:
        assert lines == [
            "ann b1 buys 5 X at 10.00 from bob first: 2 and 0 left",
            "ann b1 buys 2 X at 10.00 from eve ice: 0 and 8 left",
            "eve ice: shows 2 anew",
        ]
    else:
        assert lines == ["ann b1: canceled, FOK_NOT_FILLABLE, 8 left"]


def test_prices_before_his_own_count_whole():
    market = Market()
    market.sell("eve", 10, "9.99", shown=2, id="ice")
    market.sell("ann", 10, "10.00", id="mine")
    assert market.buy("ann", 10, "10.00", tif=FOK, prevent="1", id="b1")[1] == (
        "ann b1 buys 2 X at 9.99 from eve ice: 8 and 8 left"
    )
    assert market.status("ann", "b1") == "filled, 10 of 10 executed, 0 left"


def test_a_minimum_is_met_before_the_order_meets_his_own():
    market = three_offers()
    assert market.buy("ann", 20, "10.00", tif=IOC, least=7, prevent="1", id="b1")[1:] == [
        "ann b1 buys 5 X at 10.00 from bob first: 15 and 0 left",
        "ann b1 buys 2 X at 10.00 from eve ice: 13 and 8 left",
        "eve ice: shows 2 anew",
        "ann b1: canceled, SELF_TRADE_INCOMING, 13 left",
    ]


# ------------------------------------------------------------------------------------------------- changing


def test_another_id_or_instruction_keeps_the_place():
    market = Market()
    market.buy("ann", 10, "10.00", id="b1", tif=GTC)
    market.buy("bob", 10, "10.00", id="b2")
    assert market.replace("ann", "b1", 10, "10.00", match="desk 1", prevent="4", tif=GTC) == [
        "ann b1: replaced, r1 for b1, 10 at 10.00 GTC, 10 left, in its place"
    ]
    assert market.do(market.order("ann", SELL, 4, "10.00", id="s1", match="desk 2"))[1:] == [
        "ann s1 sells 4 X at 10.00 to ann b1: 0 and 6 left"
    ]
    assert market.do(market.order("ann", BUY, 1, "9.00", id="b3")) == ["ann b3: accepted, buy 1 X at 9.00 DAY"]
