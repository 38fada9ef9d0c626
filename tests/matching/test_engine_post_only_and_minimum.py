"""Rules of orders that would rather not trade than trade wrongly: post-only, and minimum quantity."""

import pytest

from matching.messages import FOK, GTC, IOC, SELL
from tests.matching.market import Market

# ------------------------------------------------------------------------------------------------ post-only


@pytest.mark.parametrize("price", ["10.00", "10.01"])
def test_a_post_only_order_that_would_trade_is_refused(price: str):
    market = Market()
    market.sell("bob", 10, "10.00", id="s1")
    assert market.buy("ann", 10, price, post_only=True) == [
        "ann o1: rejected, WOULD_TRADE: it would trade at 10.00 instead of resting"
    ]
    assert market.book() == ([], ["bob s1 10 at 10.00"])


def test_a_post_only_order_that_would_not_trade_rests():
    market = Market()
    market.sell("bob", 10, "10.00", id="s1")
    assert market.buy("ann", 10, "9.99", post_only=True) == ["ann o1: accepted, buy 10 X at 9.99 post-only DAY"]
    assert market.sell("eve", 10, "9.99", post_only=True) == [
        "eve o1: rejected, WOULD_TRADE: it would trade at 9.99 instead of resting"
    ]
    assert market.sell("eve", 10, "9.99", id="s2") == [
        "eve s2: accepted, sell 10 X at 9.99 DAY",
        "eve s2 sells 10 X at 9.99 to ann o1: 0 and 0 left",
    ]


def test_it_counts_whose_order_it_would_meet_no_more_than_how_much_of_it_is_shown():
    market = Market()
    market.sell("ann", 10, "10.00", shown=1, id="mine")
    assert "WOULD_TRADE" in market.buy("ann", 10, "10.00", post_only=True)[0]
    assert market.book() == ([], ["ann mine 10 (1 shown) at 10.00"])


def test_while_orders_gather_a_post_only_order_is_taken_and_trades_in_the_auction():
    market = Market()
    market.phase("opening-auction", "X")
    market.sell("bob", 10, "10.00", id="s1")
    assert market.buy("ann", 10, "10.00", post_only=True) == ["ann o1: accepted, buy 10 X at 10.00 post-only DAY"]
    assert market.phase("continuous", "X")[1] == "ann o1 buys 10 X at 10.00 from bob s1: 0 and 0 left"


def test_a_post_only_order_may_be_an_iceberg():
    market = Market()
    assert market.buy("ann", 10, "10.00", post_only=True, shown=3, tif=GTC) == [
        "ann o1: accepted, buy 10 X at 10.00 showing 3 post-only GTC"
    ]


def test_a_replace_that_would_trade_is_refused_and_the_order_stays():
    market = Market()
    market.sell("bob", 10, "10.00", id="s1")
    market.buy("ann", 10, "9.99", post_only=True, id="b1")
    assert market.replace("ann", "b1", 10, "10.00", post_only=True) == [
        "ann r1: replace of b1 rejected, status 0, WOULD_TRADE: it would trade at 10.00 instead of resting"
    ]
    assert market.book() == (["ann b1 10 at 9.99"], ["bob s1 10 at 10.00"])


def test_a_replace_without_the_instruction_may_trade():
    market = Market()
    market.sell("bob", 10, "10.00", id="s1")
    market.buy("ann", 10, "9.99", post_only=True, id="b1")
    assert market.replace("ann", "b1", 10, "10.00")[1:] == ["ann b1 buys 10 X at 10.00 from bob s1: 0 and 0 left"]


def test_a_post_only_order_that_keeps_its_place_is_not_asked_again():
    """In an auction phase it may stand across the other side; less of it does no harm."""
    market = Market()
    market.phase("volatility-auction", "X")
    market.sell("bob", 5, "10.00", id="s1")
    market.buy("ann", 10, "10.00", post_only=True, id="b1")
    assert market.replace("ann", "b1", 8, "10.00", post_only=True) == [
        "ann b1: replaced, r1 for b1, 8 at 10.00 post-only DAY, 8 left, in its place"
    ]


@pytest.mark.parametrize("more", [{"price": "", "tif": "0"}, {"tif": IOC}, {"tif": FOK}, {"tif": "2"}, {"tif": "7"}])
def test_post_only_is_for_limit_orders_that_rest(more: dict[str, str]):
    market = Market()
    market.phase("pre-open" if more.get("tif") == "2" else "continuous", "X")
    (line,) = market.buy("ann", 10, **{"price": "10.00", "post_only": True} | more)
    assert line.startswith("ann o1: rejected, UNSUPPORTED: ")


# ------------------------------------------------------------------------------------------ minimum quantity


def test_less_than_the_minimum_does_not_trade_at_all():
    market = Market()
    market.sell("bob", 10, "10.00", id="s1")
    market.sell("bob", 10, "10.02", id="s2")
    assert market.buy("ann", 100, "10.01", tif=IOC, least=11) == [
        "ann o1: accepted, buy 100 X at 10.01 at least 11 IOC",
        "ann o1: canceled, MIN_QUANTITY, 100 left",
    ]
    assert market.book() == ([], ["bob s1 10 at 10.00", "bob s2 10 at 10.02"])


def test_the_minimum_and_more_trades_what_it_can():
    market = Market()
    market.sell("bob", 10, "10.00", id="s1")
    market.sell("eve", 10, "10.01", id="s2")
    assert market.buy("ann", 100, "10.01", tif=IOC, least=11)[1:] == [
        "ann o1 buys 10 X at 10.00 from bob s1: 90 and 0 left",
        "ann o1 buys 10 X at 10.01 from eve s2: 80 and 0 left",
        "ann o1: canceled, IOC_REMAINDER, 80 left",
    ]


def test_a_market_order_may_have_a_minimum():
    market = Market()
    market.buy("bob", 10, "10.00", id="b1")
    assert market.sell("ann", 20, tif=IOC, least=11)[1:] == ["ann o1: canceled, MIN_QUANTITY, 20 left"]
    assert market.sell("ann", 20, tif=IOC, least=10, id="o2")[1:] == [
        "ann o2 sells 10 X at 10.00 to bob b1: 10 and 0 left",
        "ann o2: canceled, MARKET_REMAINDER, 10 left",
    ]


def test_the_hidden_part_of_icebergs_counts_and_his_own_orders_do_not():
    market = Market()
    market.sell("ann", 10, "10.00", id="mine")
    market.sell("bob", 10, "10.00", shown=1, id="ice")
    assert market.buy("ann", 20, "10.00", tif=IOC, least=11, id="b1")[1:] == ["ann b1: canceled, MIN_QUANTITY, 20 left"]
    assert market.buy("ann", 20, "10.00", tif=IOC, least=10, id="b2")[1:3] == [
        "ann mine: canceled, SELF_TRADE, 10 left",
        "ann b2 buys 1 X at 10.00 from bob ice: 19 and 9 left",
    ]
    assert market.status("ann", "b2") == "canceled, 10 of 20 executed, 0 left"


@pytest.mark.parametrize(
    ("kind", "least", "line"),
    [
        ({"tif": IOC}, 11, "INVALID_QUANTITY: MinQty 11 is not between zero and the order's quantity"),
        ({"tif": IOC}, -1, "INVALID_QUANTITY: MinQty -1 is not between zero and the order's quantity"),
        ({"tif": FOK}, 5, "UNSUPPORTED: MinQty belongs to an immediate-or-cancel order"),
        ({}, 5, "UNSUPPORTED: MinQty belongs to an immediate-or-cancel order"),
        ({"stop": "10.00"}, 5, "UNSUPPORTED: MinQty belongs to an immediate-or-cancel order"),
    ],
)
def test_what_a_minimum_has_to_be(kind: dict[str, str], least: int, line: str):
    assert Market().buy("ann", 10, "10.00", least=least, **kind) == [f"ann o1: rejected, {line}"]


def test_an_order_may_be_replaced_by_one_with_a_minimum():
    market = Market()
    market.sell("bob", 10, "10.00", id="s1", tif=GTC)
    market.buy("ann", 20, "9.99", id="b1")
    assert market.replace("ann", "b1", 20, "10.00", tif=IOC, least=11) == [
        "ann b1: replaced, r1 for b1, 20 at 10.00 at least 11 IOC, 20 left, requeued",
        "ann b1: canceled, MIN_QUANTITY, 20 left",
    ]
    assert market.cancel("bob", "s1", SELL) == ["bob s1: canceled, REQUESTED, 10 left asked by c1"]
