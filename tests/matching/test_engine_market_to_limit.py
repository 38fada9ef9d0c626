"""Rules of market orders with left over as limit: what they could not fill rests at the price they last traded at."""

import pytest

from matching.messages import FOK, GTC, GTD, IOC, SELL
from tests.matching.market import NOON, SECOND, Market


def test_what_is_left_rests_at_the_price_of_its_last_trade():
    market = Market()
    market.sell("bob", 10, "10.00", id="s1")
    market.sell("bob", 10, "10.10", id="s2")
    assert market.buy("ann", 25, to_limit=True) == [
        "ann o1: accepted, buy 25 X at market, left over as limit, DAY",
        "ann o1 buys 10 X at 10.00 from bob s1: 15 and 0 left",
        "ann o1 buys 10 X at 10.10 from bob s2: 5 and 0 left",
        "ann o1: restated, LEFT_OVER, 25 at 10.10, 5 left",
    ]
    assert market.book() == (["ann o1 5 at 10.10"], [])


def test_what_is_filled_is_filled():
    market = Market()
    market.sell("bob", 10, "10.00", id="s1")
    assert market.buy("ann", 10, to_limit=True)[1:] == ["ann o1 buys 10 X at 10.00 from bob s1: 0 and 0 left"]


def test_without_a_trade_there_is_no_price_to_rest_at():
    assert Market().sell("ann", 10, to_limit=True) == [
        "ann o1: accepted, sell 10 X at market, left over as limit, DAY",
        "ann o1: canceled, MARKET_REMAINDER, 10 left",
    ]


def test_it_reserves_at_the_edge_of_the_band_then_at_its_price():
    market = Market()
    market.phase("pre-open", "X")
    market.buy("ann", 10, to_limit=True, id="b1")
    assert market.cash("ann") == ("1000000", "110")
    market.sell("bob", 4, "10.00", id="s1")
    market.phase("continuous", "X")
    assert market.cash("ann") == ("999960", "60")


def test_in_an_auction_it_takes_part_at_any_price_and_what_is_left_rests_at_the_auction_s():
    market = Market()
    market.phase("opening-auction", "X")
    market.buy("bob", 10, "10.00", id="b1")
    market.sell("ann", 15, to_limit=True, id="s1")
    assert market.book() == (["bob b1 10 at 10.00"], ["ann s1 15 at any price"])
    assert market.phase("continuous", "X") == [
        "X: opening-auction ends, 10 at 10.00, 5 more to sell",
        "ann s1 sells 10 X at 10.00 to bob b1: 5 and 0 left",
        "ann s1: restated, LEFT_OVER, 15 at 10.00, 5 left",
        "X: continuous",
    ]
    assert market.book() == ([], ["ann s1 5 at 10.00"])


def test_in_an_auction_in_which_it_does_not_trade_it_ends():
    market = Market()
    market.phase("opening-auction", "X")
    market.sell("ann", 15, to_limit=True, id="s1")
    assert market.phase("continuous", "X") == [
        "X: opening-auction ends, nothing trades",
        "ann s1: canceled, MARKET_REMAINDER, 15 left",
        "X: continuous",
    ]


def test_once_it_rests_it_is_a_limit_order():
    market = Market()
    market.sell("bob", 10, "10.00", id="s1")
    market.buy("ann", 15, to_limit=True, id="b1")
    assert market.replace("ann", "b1", 14, "10.00") == [
        "ann b1: replaced, r1 for b1, 14 at 10.00 DAY, 4 left, in its place"
    ]
    assert market.roll("20240102") == ["day 20240102, 1 orders", "ann b1: canceled, DAY_END, 4 left"]


def test_a_limit_order_is_replaced_by_one_with_left_over():
    market = Market()
    market.buy("ann", 10, "9.50", id="b1")
    market.sell("bob", 4, "10.00", id="s1")
    assert market.replace("ann", "b1", 10, to_limit=True) == [
        "ann b1: replaced, r1 for b1, 10 at market, left over as limit, DAY, 10 left, requeued",
        "ann b1 buys 4 X at 10.00 from bob s1: 6 and 0 left",
        "ann b1: restated, LEFT_OVER, 10 at 10.00, 6 left",
    ]


def test_beyond_the_dynamic_band_it_rests_and_the_pause_begins():
    market = Market((Market.terms(dynamic_band_bps=100),))
    market.trade_at("10.00")
    market.sell("bob", 5, "10.10", id="s1")
    market.sell("bob", 5, "10.20", id="s2")
    assert market.buy("ann", 10, to_limit=True, id="b1")[1:] == [
        "ann b1 buys 5 X at 10.10 from bob s1: 5 and 0 left",
        "ann b1: restated, LEFT_OVER, 10 at 10.10, 5 left",
        "X: volatility-auction for 300 seconds",
    ]


@pytest.mark.parametrize("tif", [GTC, GTD, IOC, FOK])
def test_it_is_for_the_day(tif: str):
    assert Market().do(Market().order("ann", SELL, 1, to_limit=True, tif=tif, until=NOON + SECOND)) == [
        "ann o1: rejected, UNSUPPORTED: a market order with left over as limit is for the day"
    ]
