"""Rules of trading: who trades with whom, at which price, and what becomes of the rest."""

from matching.messages import BUY, FOK, GTC, GTD, IOC, SELL, DefineAccount
from tests.matching.market import NOON, SECOND, Market


def test_orders_that_do_not_cross_rest():
    market = Market()
    assert market.buy("ann", 100, "9.99", id="b1") == ["ann b1: accepted, buy 100 X at 9.99 DAY"]
    assert market.sell("bob", 100, "10.00", id="s1") == ["bob s1: accepted, sell 100 X at 10.00 DAY"]
    assert market.book() == (["ann b1 100 at 9.99"], ["bob s1 100 at 10.00"])


def test_an_incoming_buy_trades_at_the_price_of_the_resting_offer():
    market = Market()
    market.sell("bob", 100, "10.00", id="s1")
    assert market.buy("ann", 60, "10.05", id="b1") == [
        "ann b1: accepted, buy 60 X at 10.05 DAY",
        "ann b1 buys 60 X at 10.00 from bob s1: 0 and 40 left",
    ]
    assert market.book() == ([], ["bob s1 40 at 10.00"])


def test_an_incoming_sell_trades_at_the_price_of_the_resting_bid():
    market = Market()
    market.buy("ann", 100, "10.05", id="b1")
    assert market.sell("bob", 60, "10.00", id="s1") == [
        "bob s1: accepted, sell 60 X at 10.00 DAY",
        "bob s1 sells 60 X at 10.05 to ann b1: 0 and 40 left",
    ]
    assert market.book() == (["ann b1 40 at 10.05"], [])


def test_equal_prices_cross():
    market = Market()
    market.sell("bob", 100, "10.00", id="s1")
    assert market.buy("ann", 100, "10.00", id="b1")[1:] == ["ann b1 buys 100 X at 10.00 from bob s1: 0 and 0 left"]
    assert market.book() == ([], [])


def test_the_rest_of_a_limit_order_rests_at_its_limit():
    market = Market()
    market.sell("bob", 100, "10.00", id="s1")
    assert market.buy("ann", 150, "10.05", id="b1")[1:] == ["ann b1 buys 100 X at 10.00 from bob s1: 50 and 0 left"]
    assert market.book() == (["ann b1 50 at 10.05"], [])


def test_the_better_price_trades_first_then_the_older_order():
    market = Market()
    market.sell("bob", 10, "10.02", id="worse")
    market.sell("bob", 10, "10.01", id="older")
    market.sell("eve", 10, "10.01", id="younger")
    market.sell("eve", 10, "10.00", id="best")
    assert market.buy("ann", 35, "10.02", id="b1")[1:] == [
        "ann b1 buys 10 X at 10.00 from eve best: 25 and 0 left",
        "ann b1 buys 10 X at 10.01 from bob older: 15 and 0 left",
        "ann b1 buys 10 X at 10.01 from eve younger: 5 and 0 left",
        "ann b1 buys 5 X at 10.02 from bob worse: 0 and 5 left",
    ]


def test_bids_too_trade_best_price_first_then_oldest():
    market = Market()
    market.buy("bob", 10, "9.98", id="worse")
    market.buy("bob", 10, "9.99", id="older")
    market.buy("eve", 10, "9.99", id="younger")
    market.buy("eve", 10, "10.00", id="best")
    assert market.sell("ann", 35, "9.98", id="s1")[1:] == [
        "ann s1 sells 10 X at 10.00 to eve best: 25 and 0 left",
        "ann s1 sells 10 X at 9.99 to bob older: 15 and 0 left",
        "ann s1 sells 10 X at 9.99 to eve younger: 5 and 0 left",
        "ann s1 sells 5 X at 9.98 to bob worse: 0 and 5 left",
    ]


def test_an_order_does_not_trade_beyond_its_limit():
    market = Market()
    market.sell("bob", 10, "10.00", id="s1")
    market.sell("bob", 10, "10.02", id="s2")
    assert market.buy("ann", 20, "10.01", id="b1")[1:] == ["ann b1 buys 10 X at 10.00 from bob s1: 10 and 0 left"]
    assert market.book() == (["ann b1 10 at 10.01"], ["bob s2 10 at 10.02"])


def test_a_partly_filled_order_keeps_its_place():
    market = Market()
    market.sell("bob", 10, "10.00", id="first")
    market.sell("eve", 10, "10.00", id="second")
    market.buy("ann", 5, "10.00", id="b1")
    assert market.buy("ann", 10, "10.00", id="b2")[1:] == [
        "ann b2 buys 5 X at 10.00 from bob first: 5 and 0 left",
        "ann b2 buys 5 X at 10.00 from eve second: 0 and 5 left",
    ]


def test_instruments_have_books_of_their_own():
    market = Market()
    market.sell("bob", 10, "10.00", id="s1")
    market.sell("bob", "0.5", "50000.00", id="s2", of="COIN")
    assert market.buy("ann", "0.00000001", "50000.00", id="b1", of="COIN") == [
        "ann b1: accepted, buy 0.00000001 COIN at 50000.00 DAY",
        "ann b1 buys 0.00000001 COIN at 50000.00 from bob s2: 0 and 0.49999999 left",
    ]
    assert market.book() == ([], ["bob s1 10 at 10.00"])


# --------------------------------------------------------------------------------------------- market orders


def test_a_market_order_trades_through_the_prices():
    market = Market()
    market.sell("bob", 10, "10.00", id="s1")
    market.sell("bob", 10, "11.00", id="s2")
    assert market.buy("ann", 15, id="b1") == [
        "ann b1: accepted, buy 15 X at market DAY",
        "ann b1 buys 10 X at 10.00 from bob s1: 5 and 0 left",
        "ann b1 buys 5 X at 11.00 from bob s2: 0 and 5 left",
    ]


def test_the_rest_of_a_market_order_is_canceled():
    market = Market()
    market.buy("bob", 10, "10.00", id="b1")
    assert market.sell("ann", 15, id="s1")[1:] == [
        "ann s1 sells 10 X at 10.00 to bob b1: 5 and 0 left",
        "ann s1: canceled, MARKET_REMAINDER, 5 left",
    ]


def test_a_market_order_in_an_empty_book_is_canceled():
    market = Market()
    assert market.buy("ann", 15, id="b1") == [
        "ann b1: accepted, buy 15 X at market DAY",
        "ann b1: canceled, MARKET_REMAINDER, 15 left",
    ]


def test_a_market_order_stops_at_the_edge_of_the_band():
    market = Market()
    market.sell("bob", 10, "10.90", id="near", tif=GTC)
    market.sell("bob", 10, "11.00", id="far", tif=GTC)
    market.sell("bob", 1, "9.00", id="s", tif=GTC)
    market.buy("ann", 1, "9.00", id="b")  # the last trade, at 9.00, puts the band of the next day at 8.10 to 9.90
    market.roll("20240102")
    assert market.buy("ann", 5, id="b1") == [
        "ann b1: accepted, buy 5 X at market DAY",
        "ann b1: canceled, MARKET_REMAINDER, 5 left",
    ]


def test_one_order_may_sweep_a_very_deep_book():
    market = Market(cash="100000000", holdings="1000000")
    engine, count = market.engine, 100_000
    orders = [market.order("bob", SELL, 1, "10.00" if number % 2 else "10.01", id=f"s{number}") for number in range(count)]
    engine.apply(engine.command_seq + 1, NOON, orders)
    sweep = market.order("ann", BUY, count + 1, "10.01", id="b1", tif=IOC)
    accepted, *trades, canceled = engine.apply(engine.command_seq + 1, NOON, [sweep])
    assert (len(trades), accepted.quantity, canceled.quantity) == (count, count + 1, 1)
    assert [trade.price for trade in trades] == [1_000] * (count // 2) + [1_001] * (count // 2)
    assert [trade.taker_leaves for trade in trades] == list(range(count, 0, -1))
    engine.check()


# -------------------------------------------------------------------------------------------- times in force


def test_an_ioc_order_trades_what_it_can_and_never_rests():
    market = Market()
    market.sell("bob", 10, "10.00", id="s1")
    assert market.buy("ann", 15, "10.00", id="b1", tif=IOC) == [
        "ann b1: accepted, buy 15 X at 10.00 IOC",
        "ann b1 buys 10 X at 10.00 from bob s1: 5 and 0 left",
        "ann b1: canceled, IOC_REMAINDER, 5 left",
    ]
    assert market.book() == ([], [])


def test_a_fok_order_trades_whole_over_several_prices():
    market = Market()
    market.sell("bob", 10, "10.00", id="s1")
    market.sell("eve", 10, "10.01", id="s2")
    assert market.buy("ann", 20, "10.01", id="b1", tif=FOK) == [
        "ann b1: accepted, buy 20 X at 10.01 FOK",
        "ann b1 buys 10 X at 10.00 from bob s1: 10 and 0 left",
        "ann b1 buys 10 X at 10.01 from eve s2: 0 and 0 left",
    ]


def test_a_fok_order_that_cannot_trade_whole_does_not_trade_at_all():
    market = Market()
    market.sell("bob", 10, "10.00", id="s1")
    market.sell("eve", 10, "10.02", id="s2")
    assert market.buy("ann", 11, "10.01", id="b1", tif=FOK) == [
        "ann b1: accepted, buy 11 X at 10.01 FOK",
        "ann b1: canceled, FOK_NOT_FILLABLE, 11 left",
    ]
    assert market.buy("ann", 11, "9.99", id="b2", tif=FOK)[1:] == ["ann b2: canceled, FOK_NOT_FILLABLE, 11 left"]
    assert market.buy("ann", 21, id="b3", tif=FOK)[1:] == ["ann b3: canceled, FOK_NOT_FILLABLE, 21 left"]
    assert market.book() == ([], ["bob s1 10 at 10.00", "eve s2 10 at 10.02"])


def test_a_market_order_may_be_fok():
    market = Market()
    assert market.sell("ann", 1, id="s1", tif=FOK)[1:] == ["ann s1: canceled, FOK_NOT_FILLABLE, 1 left"]
    market.buy("bob", 1, "9.50", id="b1")
    assert market.sell("ann", 1, id="s2", tif=FOK)[1:] == ["ann s2 sells 1 X at 9.50 to bob b1: 0 and 0 left"]


def test_gtc_and_gtd_orders_rest():
    market = Market()
    market.buy("ann", 1, "9.50", id="b1", tif=GTC)
    market.buy("ann", 1, "9.50", id="b2", tif=GTD, until=NOON + SECOND)
    assert market.book() == (["ann b1 1 at 9.50", "ann b2 1 at 9.50"], [])


# ------------------------------------------------------------------------------------------ trade with oneself


def test_nobody_trades_with_himself_the_resting_order_is_canceled():
    market = Market()
    market.sell("ann", 10, "10.00", id="mine")
    market.sell("bob", 10, "10.00", id="his")
    assert market.buy("ann", 10, "10.00", id="b1") == [
        "ann b1: accepted, buy 10 X at 10.00 DAY",
        "ann mine: canceled, SELF_TRADE, 10 left",
        "ann b1 buys 10 X at 10.00 from bob his: 0 and 0 left",
    ]
    assert market.holding("ann") == ("10010", "0")


def test_self_trade_is_prevented_over_all_accounts_of_a_participant():
    market = Market()
    market.do(DefineAccount("ann-2", "ann"))
    market.sell("ann", 10, "10.00", id="mine")
    market.deposit("ann-2", "USD", str(10**15))
    assert market.buy("ann", 10, "10.00", id="b1", account="ann-2")[1:] == ["ann mine: canceled, SELF_TRADE, 10 left"]
    assert market.book() == (["ann b1 10 at 10.00"], [])


def test_own_orders_beyond_the_limit_stay():
    market = Market()
    market.sell("ann", 10, "10.01", id="mine")
    market.buy("ann", 10, "10.00", id="b1")
    assert market.book() == (["ann b1 10 at 10.00"], ["ann mine 10 at 10.01"])


def test_own_orders_behind_a_whole_fill_stay():
    market = Market()
    market.sell("bob", 10, "10.00", id="his")
    market.sell("ann", 10, "10.00", id="mine")
    assert market.buy("ann", 10, "10.00", id="b1")[1:] == ["ann b1 buys 10 X at 10.00 from bob his: 0 and 0 left"]
    assert market.book() == ([], ["ann mine 10 at 10.00"])


def test_own_orders_do_not_make_a_fok_order_fillable():
    market = Market()
    market.sell("ann", 10, "10.00", id="mine")
    market.sell("bob", 5, "10.00", id="his")
    assert market.buy("ann", 6, "10.00", id="b1", tif=FOK)[1:] == ["ann b1: canceled, FOK_NOT_FILLABLE, 6 left"]
    assert market.buy("ann", 5, "10.00", id="b2", tif=FOK)[1:] == [
        "ann mine: canceled, SELF_TRADE, 10 left",
        "ann b2 buys 5 X at 10.00 from bob his: 0 and 0 left",
    ]


def test_who_may_trade_with_himself_does():
    market = Market()
    market.do(DefineAccount("ann", "ann", 0, "allow"))
    market.sell("ann", 10, "10.00", id="mine")
    assert market.buy("ann", 10, "10.00", id="b1", tif=FOK)[1:] == [
        "ann b1 buys 10 X at 10.00 from ann mine: 0 and 0 left"
    ]
    assert (market.cash("ann"), market.holding("ann")) == (("1000000", "0"), ("10000", "0"))


# --------------------------------------------------------------------------------------------------- what is told


def test_orders_carry_the_volume_weighted_value_of_their_fills():
    market = Market()
    market.sell("bob", 10, "10.00", id="s1")
    market.sell("bob", 10, "10.01", id="s2")
    market.buy("ann", 30, "10.02", id="b1")
    order = market.engine.order("ann", "b1")
    assert order is not None
    assert (order.executed, order.leaves, order.value, order.status) == (20, 10, 10 * 1_000 + 10 * 1_001, "1")


def test_the_status_of_an_order_is_known_until_the_day_rolls():
    market = Market()
    market.sell("bob", 10, "10.00", id="s1", tif=GTC)
    market.sell("bob", 10, "10.01", id="s2")
    market.buy("ann", 10, "10.00", id="b1")
    market.buy("ann", 1, "9.00", id="b2")
    market.cancel("ann", "b2", BUY)
    status = {
        (who, name): market.engine.order(who, name)
        for who, name in (("bob", "s2"), ("ann", "b1"), ("ann", "b2"), ("ann", "c1"))
    }
    assert {key: order.status if order else "" for key, order in status.items()} == {
        ("bob", "s2"): "0",
        ("ann", "b1"): "2",
        ("ann", "b2"): "4",
        ("ann", "c1"): "4",
    }
    assert market.engine.order("bob", "b1") is None, "a ClOrdID belongs to its participant"
    market.roll("20240102")
    assert market.engine.order("ann", "b1") is None
    assert not market.engine.knows("ann", "b1")
