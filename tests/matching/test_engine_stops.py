"""Rules of stops: what waits for a price, what the last trade elects, in which sequence it goes to work."""

import pytest

from matching.messages import BUY, GTC, IOC, SELL
from tests.matching.market import Market


def test_a_stop_buy_waits_until_a_trade_is_at_its_stop_price_or_above():
    market = Market()
    market.sell("bob", 10, "10.50", id="s1")
    assert market.buy("ann", 10, stop="10.20", id="b1") == ["ann b1: accepted, buy 10 X stop 10.20 DAY, waits (stop)"]
    assert market.trade_at("10.19") == []
    assert market.waiting() == ["ann b1 10 (stop)"]
    assert market.trade_at("10.20") == [
        "ann b1: activated by stop, at market",
        "ann b1 buys 10 X at 10.50 from bob s1: 0 and 0 left",
    ]
    assert (market.waiting(), market.book()) == ([], ([], []))


def test_a_stop_sell_waits_until_a_trade_is_at_its_stop_price_or_below():
    market = Market()
    market.buy("bob", 4, "9.50", id="b1")
    assert market.sell("ann", 10, stop="9.80", id="s1") == ["ann s1: accepted, sell 10 X stop 9.80 DAY, waits (stop)"]
    assert market.trade_at("9.81") == []
    assert market.trade_at("9.70") == [
        "ann s1: activated by stop, at market",
        "ann s1 sells 4 X at 9.50 to bob b1: 6 and 0 left",
        "ann s1: canceled, MARKET_REMAINDER, 6 left",
    ]


def test_a_stop_limit_order_becomes_a_limit_order_and_rests():
    market = Market()
    market.sell("bob", 4, "10.20", id="s1")
    assert market.buy("ann", 10, "10.30", stop="10.20", id="b1", tif=GTC) == [
        "ann b1: accepted, buy 10 X stop 10.20 limit 10.30 GTC, waits (stop)"
    ]
    assert market.buy("eve", 1, "10.20", id="b2") == [
        "eve b2: accepted, buy 1 X at 10.20 DAY",
        "eve b2 buys 1 X at 10.20 from bob s1: 0 and 3 left",
        "ann b1: activated by stop, at 10.30",
        "ann b1 buys 3 X at 10.20 from bob s1: 7 and 0 left",
    ]
    assert market.book() == (["ann b1 7 at 10.30"], [])


def test_the_order_that_elects_a_stop_finishes_first():
    market = Market()
    market.sell("bob", 1, "10.10", id="s1")
    market.sell("bob", 1, "10.20", id="s2")
    market.sell("bob", 1, "10.30", id="s3")
    market.buy("ann", 1, stop="10.10", id="stop")
    assert market.buy("eve", 2, "10.20", id="b1")[1:] == [
        "eve b1 buys 1 X at 10.10 from bob s1: 1 and 0 left",
        "eve b1 buys 1 X at 10.20 from bob s2: 0 and 0 left",
        "ann stop: activated by stop, at market",
        "ann stop buys 1 X at 10.30 from bob s3: 0 and 0 left",
    ]


def test_one_trade_elects_buys_from_the_lowest_stop_price_then_sells_from_the_highest_and_of_one_price_the_oldest_first():
    """Buys and sells of one trade: the buys want a price that has risen to 10.00, the sells one that has fallen to it."""
    market = Market()
    market.buy("ann", 1, "9.00", stop="10.00", id="third")
    market.buy("ann", 1, "9.00", stop="9.90", id="first")
    market.buy("bob", 1, "9.00", stop="9.90", id="second")
    market.sell("ann", 1, "11.00", stop="10.00", id="sixth")
    market.sell("ann", 1, "11.00", stop="10.10", id="fourth")
    market.sell("bob", 1, "11.00", stop="10.10", id="fifth")
    assert market.trade_at("10.00") == [
        "ann first: activated by stop, at 9.00",
        "bob second: activated by stop, at 9.00",
        "ann third: activated by stop, at 9.00",
        "ann fourth: activated by stop, at 11.00",
        "bob fifth: activated by stop, at 11.00",
        "ann sixth: activated by stop, at 11.00",
    ]
    assert market.book() == (
        ["ann first 1 at 9.00", "bob second 1 at 9.00", "ann third 1 at 9.00"],
        ["ann fourth 1 at 11.00", "bob fifth 1 at 11.00", "ann sixth 1 at 11.00"],
    )


def test_a_stop_that_an_elected_stop_elects_goes_to_the_end_of_the_queue():
    market = Market()
    for price in ("10.20", "10.30", "10.40"):
        market.sell("eve", 1, price, id=f"at {price}")
    market.buy("ann", 1, stop="10.00", id="first")
    market.buy("bob", 1, stop="10.10", id="second")
    market.buy("ann", 1, stop="10.20", id="third")
    assert market.trade_at("10.10") == [
        "ann first: activated by stop, at market",
        "ann first buys 1 X at 10.20 from eve at 10.20: 0 and 0 left",
        "bob second: activated by stop, at market",
        "bob second buys 1 X at 10.30 from eve at 10.30: 0 and 0 left",
        "ann third: activated by stop, at market",
        "ann third buys 1 X at 10.40 from eve at 10.40: 0 and 0 left",
    ]


def test_two_trades_of_one_order_elect_in_their_sequence():
    """The second trade of the order would, alone, elect the sell before the buy: the first came first."""
    market = Market()
    market.buy("bob", 1, "10.10", id="b1")
    market.buy("bob", 1, "9.90", id="b2")
    market.sell("ann", 1, "11.00", stop="10.10", id="by the first trade")
    market.buy("ann", 1, "9.00", stop="9.90", id="by the first trade too")
    market.sell("ann", 1, "11.00", stop="9.90", id="by the second")
    assert market.sell("eve", 2, "9.90", id="s1")[3:] == [
        "ann by the first trade too: activated by stop, at 9.00",
        "ann by the first trade: activated by stop, at 11.00",
        "ann by the second: activated by stop, at 11.00",
    ]


@pytest.mark.parametrize("stop", ["9.90", "10.00"])
def test_a_stop_whose_price_the_last_trade_has_reached_already_goes_to_work_at_once(stop: str):
    market = Market()
    market.trade_at("10.00")
    assert market.buy("ann", 1, "10.00", stop=stop) == [
        f"ann o1: accepted, buy 1 X stop {stop} limit 10.00 DAY, waits (stop)",
        "ann o1: activated by stop, at 10.00",
    ]
    assert market.book() == (["ann o1 1 at 10.00"], [])


def test_before_the_first_trade_no_stop_is_elected():
    market = Market()
    market.sell("bob", 1, "10.00")
    assert market.buy("ann", 1, stop="9.00") == ["ann o1: accepted, buy 1 X stop 9.00 DAY, waits (stop)"]


def test_a_stop_counts_the_trades_of_its_own_instrument_alone():
    market = Market()
    market.buy("ann", 1, stop="50000.00", of="COIN", id="b1")
    assert market.trade_at("11.00") == []
    assert market.trade_at("50000.00", of="COIN") == [
        "ann b1: activated by stop, at market",
        "ann b1: canceled, MARKET_REMAINDER, 1 left",
    ]


def test_the_trade_of_an_auction_elects_when_continuous_trading_begins():
    market = Market()
    market.phase("opening-auction")
    market.buy("ann", 2, "10.20", id="b1")
    market.buy("bob", 1, "10.30", stop="10.20", id="stop")
    market.sell("eve", 1, "10.20", id="s1")
    assert market.waiting() == ["bob stop 1 (stop)"]
    assert market.phase("continuous", "X") == [
        "X: opening-auction ends, 1 at 10.20, 1 more to buy",
        "eve s1 sells 1 X at 10.20 to ann b1: 0 and 1 left",
        "X: continuous",
        "bob stop: activated by stop, at 10.30",
    ]
    assert market.book() == (["bob stop 1 at 10.30", "ann b1 1 at 10.20"], [])


def test_a_stop_entered_while_nothing_trades_is_elected_by_the_last_trade_when_trading_goes_on():
    market = Market()
    market.trade_at("10.20")
    market.phase("volatility-auction", "X")
    assert market.buy("ann", 1, "10.00", stop="10.20") == [
        "ann o1: accepted, buy 1 X stop 10.20 limit 10.00 DAY, waits (stop)"
    ]
    assert market.phase("continuous", "X") == [
        "X: volatility-auction ends, nothing trades",
        "X: continuous",
        "ann o1: activated by stop, at 10.00",
    ]


def test_trades_at_the_closing_price_elect_nothing():
    market = Market()
    market.trade_at("10.20")
    market.buy("ann", 1, stop="10.30", id="b1")
    market.sell("ann", 1, stop="10.10", id="s1")
    market.reference("10.50")
    market.phase("closing-price", "X")
    market.sell("eve", 1, "10.00", id="s1")
    assert market.buy("bob", 1, "11.00", id="b1")[1:] == ["bob b1 buys 1 X at 10.20 from eve s1: 0 and 0 left"]
    assert market.waiting() == ["ann b1 1 (stop)", "ann s1 1 (stop)"]


def test_a_stop_market_order_reserves_at_the_edge_of_the_band():
    market = Market()
    market.buy("ann", 10, stop="10.00", id="b1")
    assert market.cash("ann") == ("1000000", "110")
    market.sell("bob", 10, "10.50", id="s1")
    market.sell("eve", 1, "9.90", id="s2")
    market.buy("bob", 1, "10.00", id="b2")
    assert market.waiting() == ["ann b1 10 (stop)"], "the trade was at 9.90"
    market.trade_at("10.00")
    assert market.cash("ann") == ("999895", "0")


def test_an_elected_stop_market_order_does_not_trade_beyond_the_band_it_was_entered_in():
    market = Market()
    market.sell("bob", 10, "10.90", id="near", tif=GTC)
    market.sell("bob", 10, "11.00", id="at the edge", tif=GTC)
    market.buy("ann", 15, stop="10.00", id="b1", tif=GTC)
    market.reference("12.00")
    market.sell("bob", 10, "11.01", id="beyond", tif=GTC)
    market.cancel("bob", "at the edge", SELL)
    market.trade_at("10.80")
    assert market.book() == ([], ["bob beyond 10 at 11.01"])
    assert market.status("ann", "b1") == "canceled, 10 of 15 executed, 0 left"


def test_an_elected_stop_is_an_incoming_order_also_where_it_meets_his_own():
    market = Market()
    market.sell("ann", 1, "10.50", id="mine")
    market.sell("bob", 1, "10.60", id="his")
    market.buy("ann", 1, stop="10.20", id="b1")
    assert market.trade_at("10.20") == [
        "ann b1: activated by stop, at market",
        "ann mine: canceled, SELF_TRADE, 1 left",
        "ann b1 buys 1 X at 10.60 from bob his: 0 and 0 left",
    ]


def test_a_stop_that_ends_before_its_turn_is_passed_over():
    """Self-trade prevention of the first elected order cannot end a stop, but the list that both are in can."""
    market = Market()
    market.sell("bob", 2, "10.60", id="s1")
    market.one_cancels_the_other(
        "ann", market.order("ann", BUY, 1, stop="10.10", id="first"), market.order("ann", BUY, 1, stop="10.20", id="second")
    )
    assert market.trade_at("10.20") == [
        "ann first: activated by stop, at market",
        "ann second: canceled, ONE_CANCELS_OTHER, 1 left",
        "ann first buys 1 X at 10.60 from bob s1: 0 and 1 left",
    ]


def test_the_election_may_begin_a_volatility_auction_in_which_the_next_stops_gather():
    market = Market()
    market.do(market.terms(dynamic_band_bps=100))  # 1 %: 9.90 to 10.10
    market.trade_at("10.00")
    market.sell("bob", 5, "10.20", id="s1")
    market.buy("ann", 1, stop="10.05", id="first")
    market.buy("ann", 1, stop="10.05", id="second")
    assert market.trade_at("10.05") == [
        "ann first: activated by stop, at market",
        "ann first: canceled, MARKET_REMAINDER, 1 left",
        "X: volatility-auction for 300 seconds",
        "ann second: activated by stop, at market",
    ]
    assert market.book() == (["ann second 1 at any price"], ["bob s1 5 at 10.20"])


# ------------------------------------------------------------------------------------------------- changing


def test_a_lower_quantity_keeps_the_place_among_the_stops_of_a_price():
    market = Market()
    market.buy("ann", 5, "9.00", stop="10.00", id="b1")
    market.buy("bob", 5, "9.00", stop="10.00", id="b2")
    assert market.replace("ann", "b1", 4, "9.00", stop="10.00") == [
        "ann b1: replaced, r1 for b1, 4 stop 10.00 limit 9.00 DAY, 4 left, in its place, waits (stop)"
    ]
    assert market.trade_at("10.00") == ["ann b1: activated by stop, at 9.00", "bob b2: activated by stop, at 9.00"]


@pytest.mark.parametrize(("quantity", "limit"), [(6, "9.00"), (5, "9.01")])
def test_a_higher_quantity_or_another_limit_goes_behind_the_stops_of_a_price(quantity: int, limit: str):
    market = Market()
    market.buy("ann", 5, "9.00", stop="10.00", id="b1")
    market.buy("bob", 5, "9.00", stop="10.00", id="b2")
    assert market.replace("ann", "b1", quantity, limit, stop="10.00") == [
        f"ann b1: replaced, r1 for b1, {quantity} stop 10.00 limit {limit} DAY, {quantity} left, requeued, waits (stop)"
    ]
    assert market.trade_at("10.00") == ["bob b2: activated by stop, at 9.00", f"ann b1: activated by stop, at {limit}"]


def test_another_stop_price_counts_at_once():
    market = Market()
    market.trade_at("10.00")
    market.buy("ann", 5, stop="10.50", id="b1")
    assert market.replace("ann", "b1", 5, stop="10.40", id="r1") == [
        "ann b1: replaced, r1 for b1, 5 stop 10.40 DAY, 5 left, requeued, waits (stop)"
    ]
    assert market.replace("ann", "b1", 5, stop="10.00", id="r2") == [
        "ann b1: replaced, r2 for r1, 5 stop 10.00 DAY, 5 left, requeued, waits (stop)",
        "ann b1: activated by stop, at market",
        "ann b1: canceled, MARKET_REMAINDER, 5 left",
    ]


def test_a_stop_becomes_a_limit_order_and_a_limit_order_a_stop():
    market = Market()
    market.buy("ann", 5, "9.50", stop="10.50", id="b1")
    assert market.replace("ann", "b1", 5, "9.50", id="r1") == [
        "ann b1: replaced, r1 for b1, 5 at 9.50 DAY, 5 left, requeued"
    ]
    assert market.book() == (["ann b1 5 at 9.50"], [])
    assert market.replace("ann", "b1", 5, "9.50", stop="10.50", id="r2") == [
        "ann b1: replaced, r2 for r1, 5 stop 10.50 limit 9.50 DAY, 5 left, requeued, waits (stop)"
    ]
    assert (market.book(), market.waiting()) == (([], []), ["ann b1 5 (stop)"])


def test_an_elected_stop_that_is_replaced_by_a_stop_waits_again():
    market = Market()
    market.buy("ann", 5, "9.50", stop="10.00", id="b1")
    market.trade_at("10.00")
    market.sell("eve", 2, "9.50", id="s1")
    assert market.replace("ann", "b1", 5, "9.60", stop="10.50") == [
        "ann b1: replaced, r1 for b1, 5 stop 10.50 limit 9.60 DAY, 3 left, requeued, waits (stop)"
    ]
    assert (market.book(), market.waiting()) == (([], []), ["ann b1 3 (stop)"])


def test_a_waiting_stop_is_canceled():
    market = Market()
    market.buy("ann", 5, stop="10.50", id="b1")
    assert market.cancel("ann", "b1") == ["ann b1: canceled, REQUESTED, 5 left asked by c1"]
    assert (market.cash("ann"), market.trade_at("10.50")) == (("1000000", "0"), [])


# -------------------------------------------------------------------------------------------------- refusals


def test_what_a_stop_has_to_say():
    market = Market((Market.terms(tick=5),))
    refusals = [
        *market.buy("ann", 1, stop="10.01", id="1"),
        *market.buy("ann", 1, stop="11.05", id="2"),
        *market.buy("ann", 1, "11.05", stop="11.10", id="3"),
        *market.buy("ann", 1, "10.00", stop="11.10", id="4"),
        *market.buy("ann", 1, "10.00", stop="10.00", id="5", tif=IOC),
        *market.buy("ann", 1, "10.00", stop="10.00", id="6", post_only=True),
        *market.buy("ann", 1, stop="10.00", id="7", shown=1),
    ]
    assert refusals == [
        "ann 1: rejected, OFF_TICK: stop price 10.01 is not a multiple of the tick 0.05",
        "ann 2: rejected, OUTSIDE_PRICE_BAND: stop price 11.05 is outside the band 9.00 to 11.00",
        "ann 3: rejected, OUTSIDE_PRICE_BAND: price 11.05 is outside the band 9.00 to 11.00",
        "ann 4: rejected, OUTSIDE_PRICE_BAND: stop price 11.10 is outside the band 9.00 to 11.00",
        "ann 5: rejected, UNSUPPORTED: a stop or pegged order is DAY, GTC or GTD",
        "ann 6: rejected, UNSUPPORTED: participate-don't-initiate belongs to a limit order that is DAY, GTC or GTD",
        "ann 7: rejected, UNSUPPORTED: a display quantity belongs to a limit or stop limit order that is DAY, GTC or GTD",
    ]
