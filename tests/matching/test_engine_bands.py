"""Rules of price bands: the static one refuses, the dynamic one pauses, and the pause ends in an auction."""

import pytest

from matching.messages import FOK, GTC, IOC
from tests.matching.market import SECOND, Market

# ----------------------------------------------------------------------------------------------- the static band


def test_the_operator_puts_the_static_band_around_another_price():
    market = Market()
    assert market.reference("12.00", by="op") == ["X: reference 12.00, band 10.80 to 13.20 by op"]
    assert "OUTSIDE_PRICE_BAND" in market.buy("ann", 1, "10.79", id="b1")[0]
    assert market.buy("ann", 1, "13.20", id="b2") == ["ann b2: accepted, buy 1 X at 13.20 DAY"]


def test_a_reference_is_a_price():
    market = Market((Market.terms(tick=5),))
    assert market.reference("10.01") == ["SetReference refused, OFF_TICK: price 10.01 is not a multiple of the tick 0.05"]
    assert market.reference("0.00") == ["SetReference refused, BAD_DEFINITION: a reference price is above zero"]
    assert market.reference("10.00", "Z") == ["SetReference refused, UNKNOWN_INSTRUMENT: unknown symbol Z"]


def test_what_rests_stays_when_the_band_moves():
    market = Market()
    market.buy("ann", 1, "9.00", id="b1")
    market.reference("12.00")
    assert market.book()[0] == ["ann b1 1 at 9.00"]
    assert "OUTSIDE_PRICE_BAND" in market.replace("ann", "b1", 1, "9.01")[0]
    assert market.sell("bob", 1, id="s1")[1:] == ["bob s1: canceled, MARKET_REMAINDER, 1 left"], "10.80 is as low as it goes"


def test_a_reference_that_was_set_outlasts_the_day_unless_there_was_a_trade_since():
    market = Market()
    market.trade_at("10.50")
    market.reference("5.00")
    market.roll("20240102")
    assert market.engine.instruments["X"].reference_price == 500
    market.trade_at("5.20")
    market.roll("20240103")
    assert market.engine.instruments["X"].reference_price == 520


# ---------------------------------------------------------------------------------------------- the dynamic band


def narrow(last: str = "10.00", bps: int = 100) -> Market:
    """One percent around the last trade, at 10.00: 9.90 to 10.10."""
    market = Market((Market.terms(dynamic_band_bps=bps, pause_ns=60 * SECOND),))
    market.trade_at(last)
    return market


def test_what_would_trade_beyond_the_dynamic_band_begins_a_volatility_auction():
    market = narrow()
    market.sell("bob", 5, "10.10", id="within")
    market.sell("bob", 5, "10.11", id="beyond")
    assert market.buy("ann", 20, "10.11", id="b1") == [
        "ann b1: accepted, buy 20 X at 10.11 DAY",
        "ann b1 buys 5 X at 10.10 from bob within: 15 and 0 left",
        "X: volatility-auction for 60 seconds",
    ]
    assert market.book() == (["ann b1 15 at 10.11"], ["bob beyond 5 at 10.11"])


def test_a_fall_does_so_too():
    market = narrow()
    market.buy("bob", 5, "9.89", id="beyond")
    assert market.sell("ann", 5, "9.00", id="s1")[1:] == ["X: volatility-auction for 60 seconds"]
    assert market.book() == (["bob beyond 5 at 9.89"], ["ann s1 5 at 9.00"])


def test_the_range_is_taken_before_the_order_trades():
    """At 10.10 the range would be 10.00 to 10.20, and the order could climb as far as it likes, step by step."""
    market = narrow()
    market.sell("bob", 5, "10.10", id="s1")
    market.sell("bob", 5, "10.20", id="s2")
    assert market.buy("ann", 10, "10.20", id="b1")[1:] == [
        "ann b1 buys 5 X at 10.10 from bob s1: 5 and 0 left",
        "X: volatility-auction for 60 seconds",
    ]


def test_the_next_order_finds_the_range_around_the_last_trade():
    market = narrow()
    market.sell("bob", 5, "10.10", id="s1")
    market.sell("bob", 5, "10.20", id="s2")
    assert market.buy("ann", 5, "10.20", id="b1")[1:] == ["ann b1 buys 5 X at 10.10 from bob s1: 0 and 0 left"]
    assert market.buy("ann", 5, "10.20", id="b2")[1:] == ["ann b2 buys 5 X at 10.20 from bob s2: 0 and 0 left"]


def test_before_the_first_trade_the_range_is_around_the_static_reference():
    market = Market((Market.terms(dynamic_band_bps=100),))
    market.sell("bob", 5, "10.11", id="s1")
    assert market.buy("ann", 5, "10.11", id="b1")[1:] == ["X: volatility-auction for 300 seconds"]


@pytest.mark.parametrize(
    ("last", "bps", "low", "high"), [("10.00", 100, 990, 1_010), ("9.99", 100, 990, 1_008), ("10.00", 1, 1_000, 1_000)]
)
def test_the_edges_of_the_range_are_the_last_ticks_within(last: str, bps: int, low: int, high: int):
    assert narrow(last, bps).engine.instruments["X"].dynamic_range() == (low, high)


def test_an_order_that_rests_beyond_the_range_disturbs_nobody():
    market = narrow()
    assert market.buy("ann", 5, "10.50", id="b1") == ["ann b1: accepted, buy 5 X at 10.50 DAY"]
    assert market.sell("bob", 5, "10.51", id="s1") == ["bob s1: accepted, sell 5 X at 10.51 DAY"]


def test_an_order_that_is_filled_before_the_edge_begins_nothing():
    market = narrow()
    market.sell("bob", 5, "10.10", id="s1")
    market.sell("bob", 5, "10.20", id="s2")
    assert market.buy("ann", 4, "10.50", id="b1")[1:] == ["ann b1 buys 4 X at 10.10 from bob s1: 0 and 1 left"]


def test_an_order_whose_last_trade_leaves_only_what_is_beyond_begins_nothing():
    market = narrow()
    market.sell("bob", 5, "10.10", id="s1")
    market.sell("bob", 5, "10.20", id="s2")
    assert market.buy("ann", 5, "10.50", id="b1")[1:] == ["ann b1 buys 5 X at 10.10 from bob s1: 0 and 0 left"]


@pytest.mark.parametrize(
    ("more", "ends"),
    [
        ({"price": ""}, "ann b1: canceled, MARKET_REMAINDER, 5 left"),
        ({"tif": IOC}, "ann b1: canceled, IOC_REMAINDER, 5 left"),
    ],
)
def test_what_does_not_rest_ends_and_begins_the_pause_all_the_same(more: dict[str, str], ends: str):
    market = narrow()
    market.sell("bob", 5, "10.10", id="s1")
    market.sell("bob", 5, "10.20", id="s2")
    assert market.buy("ann", 10, id="b1", **{"price": "10.20"} | more)[1:] == [
        "ann b1 buys 5 X at 10.10 from bob s1: 5 and 0 left",
        ends,
        "X: volatility-auction for 60 seconds",
    ]


def test_all_or_nothing_is_nothing_and_begins_no_pause():
    market = narrow()
    market.sell("bob", 5, "10.10", id="s1")
    market.sell("bob", 5, "10.20", id="s2")
    assert market.buy("ann", 10, "10.20", tif=FOK, id="b1")[1:] == ["ann b1: canceled, FOK_NOT_FILLABLE, 10 left"]
    assert market.buy("ann", 10, "10.20", tif=IOC, least=6, id="b2")[1:] == ["ann b2: canceled, MIN_QUANTITY, 10 left"]
    assert market.engine.instruments["X"].phase == "continuous"


def test_who_is_kept_from_trading_with_himself_begins_no_pause():
    market = narrow()
    market.sell("ann", 5, "10.10", id="mine")
    market.sell("bob", 5, "10.20", id="his")
    assert market.buy("ann", 10, "10.20", id="b1", prevent="1")[1:] == ["ann b1: canceled, SELF_TRADE_INCOMING, 10 left"]
    assert market.engine.instruments["X"].phase == "continuous"


def test_a_replace_may_begin_a_pause():
    market = narrow()
    market.sell("bob", 5, "10.20", id="s1")
    market.buy("ann", 5, "10.00", id="b1")
    assert market.replace("ann", "b1", 5, "10.20") == [
        "ann b1: replaced, r1 for b1, 5 at 10.20 DAY, 5 left, requeued",
        "X: volatility-auction for 60 seconds",
    ]


def test_a_peg_may_begin_a_pause_and_leaves_the_book_with_it():
    market = narrow()
    market.sell("bob", 5, "10.20", id="s1")
    assert market.buy("ann", 5, peg="market", id="p1") == [
        "ann p1: accepted, buy 5 X peg market DAY, waits (peg)",
        "ann p1: repriced to 10.20",
        "X: volatility-auction for 60 seconds",
        "ann p1: without a price",
    ]


def test_a_pause_begun_by_the_bid_of_a_quote_finds_its_offer_gathering():
    market = narrow()
    market.sell("bob", 5, "10.20", id="s1")
    assert market.quote("ann", market.entry((5, "10.20"), (5, "10.30"))) == [
        "ann q1: e1 accepted",
        "ann q1/e1 bid: accepted, buy 5 X at 10.20 DAY",
        "X: volatility-auction for 60 seconds",
        "ann q1/e1 offer: accepted, sell 5 X at 10.30 DAY",
    ]


# ------------------------------------------------------------------------------------------------- the reopening


def paused() -> Market:
    market = narrow()
    market.sell("bob", 5, "10.20", id="s1", tif=GTC)
    market.buy("ann", 5, "10.20", id="b1", tif=GTC)
    return market


def test_the_pause_lasts_as_long_as_the_instrument_says():
    market = paused()
    assert market.engine.next_pause_end() == market.now + 60 * SECOND
    market.now += 60 * SECOND - 1
    assert market.end_pauses() == ["pauses, 0 ended"]
    market.now += 1
    assert market.end_pauses() == [
        "pauses, 1 ended",
        "X: volatility-auction ends, 5 at 10.20",
        "ann b1 buys 5 X at 10.20 from bob s1: 0 and 0 left",
        "X: continuous",
    ]
    assert market.engine.next_pause_end() == 0


def test_after_the_pause_the_range_is_around_the_price_of_its_auction():
    market = paused()
    market.now += 60 * SECOND
    market.end_pauses()
    market.sell("bob", 5, "10.30", id="s2")
    assert market.buy("ann", 5, "10.30", id="b2")[1:] == ["ann b2 buys 5 X at 10.30 from bob s2: 0 and 0 left"]
    assert market.engine.instruments["X"].reference_price == 1_020


def test_a_pause_in_which_nothing_trades_leaves_the_range_where_it_was():
    market = paused()
    market.cancel("ann", "b1")
    market.now += 60 * SECOND
    assert market.end_pauses()[1:] == ["X: volatility-auction ends, nothing trades", "X: continuous"]
    assert market.buy("ann", 5, "10.20", id="b2")[1:] == ["X: volatility-auction for 60 seconds"]


def test_a_volatility_auction_that_is_set_anew_lasts_anew():
    market = paused()
    market.now += 50 * SECOND
    assert market.phase("volatility-auction", "X", by="op") == ["X: volatility-auction for 60 seconds by op"]
    market.now += 50 * SECOND
    assert market.end_pauses() == ["pauses, 0 ended"]


def test_the_operator_may_end_a_pause_before_its_time_or_halt_it():
    market = paused()
    assert market.phase("continuous", "X", by="op")[-1] == "X: continuous by op"
    market = paused()
    assert market.phase("halted", "X", by="op") == ["X: halted by op"]
    market.now += 60 * SECOND
    assert market.end_pauses() == ["pauses, 0 ended"]


def test_several_pauses_end_by_symbol_each_with_all_it_sets_off():
    market = Market()
    for symbol, price in (("X", "10.00"), ("COIN", "50000.00")):
        market.trade_at(price, of=symbol)
        market.phase("volatility-auction", symbol)
        market.buy("ann", 1, price, stop=price, of=symbol, id=f"stop {symbol}")
    market.now += 300 * SECOND
    assert market.end_pauses() == [
        "pauses, 2 ended",
        "COIN: volatility-auction ends, nothing trades",
        "COIN: continuous",
        "ann stop COIN: activated by stop, at 50000.00",
        "X: volatility-auction ends, nothing trades",
        "X: continuous",
        "ann stop X: activated by stop, at 10.00",
    ]


def test_the_end_of_a_pause_may_begin_the_next():
    market = narrow()
    market.sell("bob", 5, "10.50", id="s1")
    market.buy("ann", 5, "10.50", stop="10.20", id="stop")
    market.phase("volatility-auction", "X")
    market.buy("eve", 1, "10.20", id="b1")
    market.sell("bob", 1, "10.20", id="s2")
    market.now += 60 * SECOND
    assert market.end_pauses() == [
        "pauses, 1 ended",
        "X: volatility-auction ends, 1 at 10.20",
        "bob s2 sells 1 X at 10.20 to eve b1: 0 and 0 left",
        "X: continuous",
        "ann stop: activated by stop, at 10.50",
        "X: volatility-auction for 60 seconds",
    ]
    assert market.end_pauses() == ["pauses, 0 ended"]
