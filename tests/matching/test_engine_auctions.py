"""Rules of auctions: what gathers, at which price it trades, who with whom, and what does not outlast it.

The price alone has its worked examples in test_auction.py.
"""

import pytest

from matching.messages import AT_THE_CLOSE, AT_THE_OPENING, BUY, FOK, GTC, IOC, SELL
from tests.matching.market import Market

OPENING, CLOSE = AT_THE_OPENING, AT_THE_CLOSE


def gathering(phase: str = "opening-auction", **changes: object) -> Market:
    market = Market((Market.terms(**changes),))
    market.phase(phase, "X")
    return market


def test_orders_gather_without_trading_also_where_they_cross():
    market = gathering()
    assert market.buy("ann", 10, "10.50", id="b1") == ["ann b1: accepted, buy 10 X at 10.50 DAY"]
    assert market.sell("bob", 10, "9.50", id="s1") == ["bob s1: accepted, sell 10 X at 9.50 DAY"]
    assert market.book() == (["ann b1 10 at 10.50"], ["bob s1 10 at 9.50"])


def test_all_trade_at_one_price_market_orders_first_then_by_price_then_by_place():
    market = gathering()
    market.buy("ann", 10, "10.00", id="at the price")
    market.buy("bob", 10, "10.20", id="better")
    market.buy("eve", 10, id="market")
    market.buy("ann", 10, "10.00", id="too late")
    market.sell("eve", 12, "9.90", id="s1")
    market.sell("bob", 20, "10.00", id="s2")
    assert market.phase("continuous", "X") == [
        "X: opening-auction ends, 32 at 10.00, 8 more to buy",
        "eve s1 sells 10 X at 10.00 to eve market: 2 and 0 left",
        "eve s1 sells 2 X at 10.00 to bob better: 0 and 8 left",
        "bob s2 sells 8 X at 10.00 to bob better: 12 and 0 left",
        "bob s2 sells 10 X at 10.00 to ann at the price: 2 and 0 left",
        "bob s2 sells 2 X at 10.00 to ann too late: 0 and 8 left",
        "X: continuous",
    ]
    assert market.book() == (["ann too late 8 at 10.00"], [])


def test_the_maker_is_who_came_first_and_both_pay_the_fee_of_a_taker():
    market = gathering(maker_fee_ppm=1_000, taker_fee_ppm=2_000)
    market.sell("bob", 10, "10.00", id="s1")
    market.buy("ann", 10, "10.00", id="b1")
    assert market.phase("continuous", "X")[1] == (
        "ann b1 buys 10 X at 10.00 from bob s1: 0 and 0 left, fees 0.2 and 0.2"
    )
    assert (market.cash("ann"), market.cash("bob")) == (("999899.8", "0"), ("1000099.8", "0"))
    (trade,) = market.trades
    assert trade.auction


def test_a_better_limit_than_the_price_gives_back_the_difference():
    market = gathering()
    market.buy("ann", 10, "10.50", id="b1")
    market.sell("bob", 10, "10.00", id="s1")
    market.sell("bob", 10, "10.00", id="s2")
    market.phase("continuous", "X")
    assert market.cash("ann") == ("999900", "0"), "there was more to sell: the price is the lower one"


def test_the_price_of_an_auction_is_the_last_trade_s_and_the_middle_of_the_band():
    market = gathering()
    market.buy("ann", 10, "10.50", id="b1")
    market.sell("bob", 10, "10.50", id="s1")
    market.phase("continuous", "X")
    instrument = market.engine.instruments["X"]
    assert (instrument.last, instrument.reference_price, instrument.low, instrument.high) == (1_050, 1_050, 945, 1_155)


def test_where_nothing_can_trade_that_is_said_and_nothing_changes():
    market = gathering()
    market.buy("ann", 10, "10.00", id="b1")
    market.sell("bob", 10, "10.01", id="s1")
    assert market.phase("continuous", "X") == ["X: opening-auction ends, nothing trades", "X: continuous"]
    assert market.book() == (["ann b1 10 at 10.00"], ["bob s1 10 at 10.01"])


@pytest.mark.parametrize("phase", ["continuous", "closing-price", "closed"])
@pytest.mark.parametrize("auction", ["opening-auction", "volatility-auction", "closing-auction"])
def test_every_auction_uncrosses_when_it_ends(auction: str, phase: str):
    market = gathering(auction)
    market.buy("ann", 10, "10.00", id="b1")
    market.sell("bob", 10, "10.00", id="s1")
    assert market.phase(phase, "X") == [
        f"X: {auction} ends, 10 at 10.00",
        "bob s1 sells 10 X at 10.00 to ann b1: 0 and 0 left",
        f"X: {phase}",
    ]


@pytest.mark.parametrize("phase", ["halted", "cancel-only", "pre-open", "closing-auction"])
def test_an_auction_that_is_broken_off_does_not_trade(phase: str):
    market = gathering()
    market.buy("ann", 10, "10.00", id="b1")
    market.sell("bob", 10, "10.00", id="s1")
    assert market.phase(phase, "X") == [f"X: {phase}"]
    assert market.book() == (["ann b1 10 at 10.00"], ["bob s1 10 at 10.00"])


@pytest.mark.parametrize("between", ["halted", "cancel-only", "pre-open"])
def test_what_crosses_when_continuous_trading_begins_is_uncrossed_whatever_the_phase_was(between: str):
    market = gathering()
    market.buy("ann", 10, "10.00", id="b1")
    market.sell("bob", 10, "10.00", id="s1")
    market.phase(between, "X")
    assert market.phase("continuous", "X") == [
        f"X: {between} ends, 10 at 10.00",
        "bob s1 sells 10 X at 10.00 to ann b1: 0 and 0 left",
        "X: continuous",
    ]


def test_a_pre_open_that_is_closed_does_not_trade():
    market = gathering("pre-open")
    market.buy("ann", 10, "10.00", id="b1", tif=GTC)
    market.sell("bob", 10, "10.00", id="s1", tif=GTC)
    assert market.phase("closed", "X") == ["X: closed"]
    assert market.phase("opening-auction", "X") == ["X: opening-auction"]
    assert market.phase("continuous", "X")[1] == "bob s1 sells 10 X at 10.00 to ann b1: 0 and 0 left"


# --------------------------------------------------------------------------------------------- market orders


def test_market_orders_alone_trade_at_the_reference():
    market = gathering()
    market.buy("ann", 10, id="b1")
    market.sell("bob", 4, id="s1")
    assert market.phase("continuous", "X") == [
        "X: opening-auction ends, 4 at 10.00, 6 more to buy",
        "bob s1 sells 4 X at 10.00 to ann b1: 0 and 6 left",
        "ann b1: canceled, MARKET_REMAINDER, 6 left",
        "X: continuous",
    ]


def test_the_reference_is_the_last_trade_where_there_was_one():
    market = Market()
    market.trade_at("10.20")
    market.phase("volatility-auction", "X")
    market.buy("ann", 10, id="b1")
    market.sell("bob", 10, id="s1")
    assert market.phase("continuous", "X")[0] == "X: volatility-auction ends, 10 at 10.20"


def test_a_market_order_takes_part_up_to_the_edge_of_the_band_it_was_entered_in():
    market = gathering()
    market.buy("ann", 10, id="b1")
    market.reference("12.00")
    market.sell("bob", 10, "11.00", id="at the edge")
    market.sell("bob", 10, "11.01", id="beyond")
    market.buy("eve", 20, "11.01", id="b2")
    assert market.phase("continuous", "X") == [
        "X: opening-auction ends, 20 at 11.01",
        "eve b2 buys 10 X at 11.01 from bob at the edge: 10 and 0 left",
        "eve b2 buys 10 X at 11.01 from bob beyond: 0 and 0 left",
        "ann b1: canceled, MARKET_REMAINDER, 10 left",
        "X: continuous",
    ]


# ------------------------------------------------------------------------------ at the opening, and at the close


@pytest.mark.parametrize("phase", ["pre-open", "opening-auction"])
def test_an_order_at_the_opening_trades_in_the_opening_auction_and_what_is_left_expires(phase: str):
    market = gathering(phase)
    assert market.buy("ann", 10, "10.00", tif=OPENING, id="b1") == ["ann b1: accepted, buy 10 X at 10.00 OPENING"]
    market.sell("bob", 4, tif=OPENING, id="s1")
    market.phase("opening-auction", "X")
    assert market.phase("continuous", "X") == [
        "X: opening-auction ends, 4 at 10.00, 6 more to buy",
        "bob s1 sells 4 X at 10.00 to ann b1: 0 and 6 left",
        "ann b1: canceled, OPENING_END, 6 left",
        "X: continuous",
    ]
    assert market.status("ann", "b1") == "expired, 4 of 10 executed, 0 left"


def test_an_order_at_the_close_waits_for_the_closing_auction():
    market = Market()
    assert market.buy("ann", 10, "10.00", tif=CLOSE, id="b1") == ["ann b1: accepted, buy 10 X at 10.00 CLOSE, waits (close)"]
    assert market.sell("bob", 4, tif=CLOSE, id="s1") == ["bob s1: accepted, sell 4 X at market CLOSE, waits (close)"]
    assert market.trade_at("10.00") == [], "nobody meets them before"
    assert market.phase("closing-auction", "X") == [
        "X: closing-auction",
        "ann b1: activated by close, at 10.00",
        "bob s1: activated by close, at market",
    ]
    assert market.buy("eve", 1, "10.00", tif=CLOSE, id="b2") == ["eve b2: accepted, buy 1 X at 10.00 CLOSE"]
    assert market.phase("closed", "X") == [
        "X: closing-auction ends, 4 at 10.00, 7 more to buy",
        "bob s1 sells 4 X at 10.00 to ann b1: 0 and 6 left",
        "ann b1: canceled, CLOSING_END, 6 left",
        "eve b2: canceled, CLOSING_END, 1 left",
        "X: closed",
    ]


def test_orders_at_the_close_go_to_work_in_the_order_of_entry_over_all_participants():
    market = Market()
    market.buy("bob", 1, "10.00", tif=CLOSE, id="first")
    market.buy("ann", 1, "10.00", tif=CLOSE, id="second")
    market.buy("bob", 1, "10.00", tif=CLOSE, id="third")
    market.replace("bob", "first", 1, "10.01", tif=CLOSE)
    market.phase("closing-auction", "X")
    assert market.book()[0] == ["bob first 1 at 10.01", "ann second 1 at 10.00", "bob third 1 at 10.00"]


@pytest.mark.parametrize("phase", ["closed", "closing-price"])
def test_an_order_at_the_close_whose_auction_is_left_out_expires_in_its_turn(phase: str):
    market = gathering("pre-open")
    market.buy("ann", 1, "10.00", tif=CLOSE, id="parked")
    market.buy("bob", 1, "10.00", tif=OPENING, id="in the book")
    market.buy("eve", 1, "10.00", tif=CLOSE, id="parked")
    assert market.phase(phase, "X") == [
        "ann parked: canceled, CLOSING_END, 1 left",
        "bob in the book: canceled, OPENING_END, 1 left",
        "eve parked: canceled, CLOSING_END, 1 left",
        f"X: {phase}",
    ]


def test_an_order_at_the_close_outlasts_the_other_auctions():
    market = gathering()
    market.buy("ann", 1, "10.00", tif=CLOSE, id="b1")
    market.phase("continuous", "X")
    market.phase("volatility-auction", "X")
    market.phase("continuous", "X")
    assert market.waiting() == ["ann b1 1 (close)"]


def test_an_order_at_the_close_ends_with_its_auction_also_where_trading_goes_on():
    market = gathering("closing-auction")
    market.buy("ann", 1, "10.00", tif=CLOSE, id="b1")
    assert market.phase("continuous", "X") == [
        "X: closing-auction ends, nothing trades",
        "ann b1: canceled, CLOSING_END, 1 left",
        "X: continuous",
    ]


def test_a_waiting_order_at_the_close_keeps_its_place_when_it_gets_smaller_and_works_at_once_when_it_is_for_the_day():
    market = Market()
    market.buy("ann", 10, "10.00", tif=CLOSE, id="b1")
    assert market.replace("ann", "b1", 5, "10.00", tif=CLOSE, id="r1") == [
        "ann b1: replaced, r1 for b1, 5 at 10.00 CLOSE, 5 left, in its place, waits (close)"
    ]
    assert market.replace("ann", "b1", 5, "9.99", tif=CLOSE, id="r2") == [
        "ann b1: replaced, r2 for r1, 5 at 9.99 CLOSE, 5 left, requeued, waits (close)"
    ]
    market.sell("bob", 2, "9.99", id="s1")
    assert market.replace("ann", "b1", 5, "9.99", id="r3") == [
        "ann b1: replaced, r3 for r2, 5 at 9.99 DAY, 5 left, requeued",
        "ann b1 buys 2 X at 9.99 from bob s1: 3 and 0 left",
    ]
    assert market.replace("ann", "b1", 5, "9.99", tif=CLOSE, id="r4") == [
        "ann b1: replaced, r4 for r3, 5 at 9.99 CLOSE, 3 left, requeued, waits (close)"
    ]
    assert (market.book(), market.waiting()) == (([], []), ["ann b1 3 (close)"])


@pytest.mark.parametrize("tif", [OPENING, CLOSE])
@pytest.mark.parametrize(
    "conditions",
    [{"stop": "10.00"}, {"peg": "primary"}, {"shown": 1}, {"post_only": True}, {"least": 1}, {"to_limit": True, "price": ""}],
)
def test_orders_at_the_opening_and_at_the_close_are_plain(tif: str, conditions: dict[str, object]):
    (line,) = gathering().buy("ann", 10, **{"price": "10.00", "tif": tif} | conditions)
    assert line.startswith("ann o1: rejected, UNSUPPORTED: ")


# ------------------------------------------------------------------------------------------ indicative prices


def test_the_indicative_price_is_said_when_it_changes():
    market = gathering()
    assert market.publish_indicative() == ["indicative, 0 changed"], "nothing trades, as was to be expected"
    market.buy("ann", 10, "10.00", id="b1")
    market.sell("bob", 4, "10.00", id="s1")
    assert market.engine.indicative_due()
    assert market.publish_indicative() == ["indicative, 1 changed", "X: indicative, 4 at 10.00, 6 more to buy"]
    assert not market.engine.indicative_due()
    assert market.publish_indicative() == ["indicative, 0 changed"]
    market.sell("bob", 8, "10.00", id="s2")
    assert market.publish_indicative() == ["indicative, 1 changed", "X: indicative, 10 at 10.00, 2 more to sell"]
    market.mass_cancel("ann")
    assert market.publish_indicative() == ["indicative, 1 changed", "X: indicative, nothing trades"]


def test_indicative_prices_are_said_by_symbol_and_of_auctions_alone():
    market = Market()
    for symbol, price, phase in (("X", "10.00", "closing-auction"), ("COIN", "50000.00", "volatility-auction")):
        market.phase(phase, symbol)
        market.buy("ann", 1, price, of=symbol, id=f"b {symbol}")
        market.sell("bob", 1, price, of=symbol, id=f"s {symbol}")
    assert market.publish_indicative() == [
        "indicative, 2 changed",
        "COIN: indicative, 1 at 50000.00",
        "X: indicative, 1 at 10.00",
    ]
    market.phase("pre-open", "X")
    assert market.publish_indicative() == ["indicative, 0 changed"]
    market.phase("closing-auction", "X")
    assert market.publish_indicative() == ["indicative, 1 changed", "X: indicative, 1 at 10.00"], "a new auction begins at nothing"


def test_stops_and_pegs_take_no_part_and_orders_at_the_close_do_in_theirs():
    market = gathering("closing-auction")
    market.buy("ann", 1, "10.00", stop="9.50", id="stop")
    market.buy("ann", 1, peg="primary", id="peg")
    market.buy("ann", 2, "10.00", tif=CLOSE, id="close")
    market.sell("bob", 5, "10.00", id="s1")
    assert market.publish_indicative()[1:] == ["X: indicative, 2 at 10.00, 3 more to sell"]


# ------------------------------------------------------------------------------------------- changing, canceling


def test_orders_are_replaced_and_canceled_while_they_gather():
    market = gathering()
    market.buy("ann", 10, "10.00", id="b1")
    market.sell("bob", 10, "10.00", id="s1")
    assert market.replace("ann", "b1", 10, id="r1") == ["ann b1: replaced, r1 for b1, 10 at market DAY, 10 left, requeued"]
    assert market.book()[0] == ["ann b1 10 at any price"]
    assert market.replace("ann", "b1", 5, "10.05", id="r2") == [
        "ann b1: replaced, r2 for r1, 5 at 10.05 DAY, 5 left, requeued"
    ]
    assert market.cancel("bob", "s1", SELL) == ["bob s1: canceled, REQUESTED, 10 left asked by c1"]
    assert market.phase("continuous", "X")[0] == "X: opening-auction ends, nothing trades"


@pytest.mark.parametrize("tif", [IOC, FOK])
def test_what_wants_to_trade_at_once_is_not_taken_while_orders_gather(tif: str):
    market = gathering()
    assert market.do(market.order("ann", BUY, 1, "10.00", tif=tif)) == [
        f"ann o1: rejected, NOT_IN_THIS_PHASE: TimeInForce {tif} is not taken in phase opening-auction"
    ]


# --------------------------------------------------------------------------------------------- lists in auctions


def test_of_a_list_one_order_trades_and_the_others_end_just_before():
    market = gathering()
    market.one_cancels_the_other(
        "ann", market.order("ann", SELL, 10, "10.00", id="first"), market.order("ann", SELL, 10, "10.10", id="second")
    )
    market.buy("bob", 20, "10.10", id="b1")
    assert market.phase("continuous", "X") == [
        "X: opening-auction ends, 20 at 10.10",
        "ann second: canceled, ONE_CANCELS_OTHER, 10 left",
        "bob b1 buys 10 X at 10.10 from ann first: 10 and 0 left",
        "X: continuous",
    ]


def test_where_the_end_of_a_list_leaves_a_book_that_can_trade_it_is_uncrossed_again():
    """Nobody else buys at 10.00, where ann's second order would have been the other half: what is left of bob meets eve."""
    market = gathering()
    market.sell("bob", 20, "9.00", id="s1")
    market.one_cancels_the_other(
        "ann", market.order("ann", BUY, 10, "10.00", id="first"), market.order("ann", BUY, 10, "10.00", id="second")
    )
    market.buy("eve", 4, "9.50", id="b1")
    assert market.phase("closing-price", "X") == [
        "X: opening-auction ends, 20 at 10.00",
        "ann second: canceled, ONE_CANCELS_OTHER, 10 left",
        "ann first buys 10 X at 10.00 from bob s1: 0 and 10 left",
        "X: opening-auction ends, 4 at 9.00, 6 more to sell",
        "eve b1 buys 4 X at 9.00 from bob s1: 0 and 6 left",
        "X: closing-price",
    ]
    assert market.engine.instruments["X"].closing_price == 900, "what was traded at last"


def test_the_first_of_a_list_filled_in_an_auction_sets_the_others_to_work_when_trading_goes_on():
    market = gathering()
    market.one_triggers_the_other(
        "ann", market.order("ann", BUY, 10, "10.00", id="first"), market.order("ann", SELL, 10, "10.50", id="second")
    )
    market.sell("bob", 10, "10.00", id="s1")
    assert market.phase("continuous", "X") == [
        "X: opening-auction ends, 10 at 10.00",
        "bob s1 sells 10 X at 10.00 to ann first: 0 and 0 left",
        "X: continuous",
        "ann second: activated by list, at 10.50",
    ]
