"""Rules of trades that the operator takes back or corrects: what goes back, what stays as it is, what is refused."""

import msgspec
import pytest

from matching.messages import GTC, DefineAccount
from tests.matching.market import Market, money


def traded(**changes: object) -> Market:
    """ann has bought 10 of bob at 10.00; 90 of his are still offered."""
    market = Market((Market.terms(**changes),))
    market.sell("bob", 100, "10.00", id="s1", tif=GTC)
    market.buy("ann", 10, "10.00", id="b1")
    return market


def test_a_bust_gives_both_back_what_they_gave():
    market = traded()
    (trade,) = market.trades
    assert market.bust(trade, by="op") == [f"trade {trade.seq} 10 X at 10.00: busted by op"]
    assert (market.cash("ann"), market.holding("ann")) == (("1000000", "0"), ("10000", "0"))
    assert (market.cash("bob"), market.holding("bob")) == (("1000000", "0"), ("10000", "90"))


def test_fees_and_rebates_go_back_too():
    market = traded(maker_fee_ppm=-1_000, taker_fee_ppm=2_500)
    assert (market.cash("ann")[0], market.cash("bob")[0]) == ("999899.75", "1000100.1")
    market.bust(market.trades[0])
    assert (market.cash("ann")[0], market.cash("bob")[0]) == ("1000000", "1000000")


def test_the_quantity_does_not_come_back_to_the_book():
    market = traded()
    market.bust(market.trades[0])
    assert market.book() == ([], ["bob s1 90 at 10.00"])
    assert market.status("bob", "s1") == "new, 0 of 100 executed, 90 left, 10 busted"
    assert market.status("ann", "b1") == "canceled, 0 of 10 executed, 0 left, 10 busted"


def test_the_last_price_and_what_it_has_elected_stay():
    market = traded()
    market.bust(market.trades[0])
    assert market.engine.instruments["X"].last == 1_000


def test_a_replace_counts_what_was_busted_as_gone():
    market = traded()
    market.bust(market.trades[0])
    assert market.replace("bob", "s1", 50, "10.00", side="2", tif=GTC, id="r1") == [
        "bob s1: replaced, r1 for s1, 50 at 10.00 GTC, 40 left, in its place"
    ]
    assert market.replace("bob", "s1", 5, "10.00", side="2", tif=GTC, id="r2") == [
        "bob s1: replaced, r2 for r1, 10 at 10.00 GTC, 0 left, in its place"
    ]
    assert market.status("bob", "s1") == "canceled, 0 of 10 executed, 0 left, 10 busted"


def test_a_filled_order_of_which_something_was_busted_counts_as_canceled():
    """Also to an engine that was restored in between, as each command here is given to one."""
    market = traded()
    assert market.cancel("ann", "b1", id="c1") == [
        "ann c1: cancel of b1 rejected, status 2, TOO_LATE: the order is filled already"
    ]
    market.bust(market.trades[0])
    assert market.cancel("ann", "b1", id="c2") == [
        "ann c2: cancel of b1 rejected, status 4, TOO_LATE: the order is canceled already"
    ]


def test_a_trade_is_busted_once():
    market = traded()
    (trade,) = market.trades
    market.bust(trade)
    assert market.bust(trade) == [f"BustTrade refused, TOO_LATE: trade {trade.seq} was busted already"]
    assert market.correct(trade, 5, "10.00") == [f"CorrectTrade refused, TOO_LATE: trade {trade.seq} was busted already"]


def test_a_correction_of_the_price_moves_the_difference():
    market = traded(taker_fee_ppm=1_000)
    (trade,) = market.trades
    assert market.correct(trade, 10, "9.50", by="op") == [
        f"trade {trade.seq} 10 X at 10.00: corrected to 10 X at 9.50 by op"
    ]
    assert (market.cash("ann")[0], market.cash("bob")[0]) == ("999904.905", "1000095")
    order = market.engine.order("ann", "b1")
    assert order is not None
    assert (order.executed, order.value, order.status) == (10, 10 * 950, "2")


def test_a_correction_of_the_quantity_moves_shares_back_too():
    market = traded()
    market.correct(market.trades[0], 4, "10.50")
    assert (market.cash("ann")[0], market.holding("ann")[0]) == ("999958", "10004")
    assert market.status("ann", "b1") == "canceled, 4 of 10 executed, 0 left, 6 busted"
    assert market.status("bob", "s1") == "partly filled, 4 of 100 executed, 90 left, 6 busted"


def test_what_was_corrected_can_be_corrected_again_and_busted_as_it_is_then():
    market = traded()
    (trade,) = market.trades
    market.correct(trade, 4, "10.50")
    assert market.correct(trade, 3, "10.50") == [f"trade {trade.seq} 4 X at 10.50: corrected to 3 X at 10.50"]
    assert market.correct(trade, 4, "10.50") == [
        "CorrectTrade refused, BAD_DEFINITION: a correction has a price above zero, and a quantity up to that of the trade"
    ]
    assert market.bust(trade) == [f"trade {trade.seq} 3 X at 10.50: busted"]
    assert (market.cash("ann")[0], market.holding("ann")[0]) == ("1000000", "10000")


@pytest.mark.parametrize(
    ("quantity", "price", "wrong"),
    [
        (0, "10.00", "a correction has a price above zero, and a quantity up to that of the trade"),
        (11, "10.00", "a correction has a price above zero, and a quantity up to that of the trade"),
        (10, "0.00", "a correction has a price above zero, and a quantity up to that of the trade"),
        (10, "10.00", "the trade is at this price and of this quantity already"),
    ],
)
def test_a_correction_makes_the_trade_smaller_or_of_another_price(quantity: int, price: str, wrong: str):
    market = traded()
    assert market.correct(market.trades[0], quantity, price) == [f"CorrectTrade refused, BAD_DEFINITION: {wrong}"]


def test_a_trade_of_an_auction_is_corrected_with_the_taker_s_fee_for_both():
    market = Market((Market.terms(maker_fee_ppm=0, taker_fee_ppm=1_000),))
    market.phase("opening-auction", "X")
    market.buy("ann", 10, "10.00", id="b1")
    market.sell("bob", 10, "10.00", id="s1")
    market.phase("continuous", "X")
    market.correct(market.trades[0], 10, "9.00")
    assert (market.cash("ann")[0], market.cash("bob")[0]) == ("999909.91", "1000089.91")


def test_a_trade_is_corrected_by_the_fees_of_today_s_terms_and_busted_by_those_it_was_charged():
    market = traded(taker_fee_ppm=1_000)
    market.mass_cancel("bob")
    market.do(market.terms(taker_fee_ppm=2_000))
    market.bust(market.trades[0])
    assert market.cash("ann") == ("1000000", "0")
    market = traded(taker_fee_ppm=1_000)
    market.mass_cancel("bob")
    market.do(market.terms(taker_fee_ppm=2_000))
    market.correct(market.trades[0], 10, "9.00")
    assert market.cash("ann") == ("999909.82", "0")


# ------------------------------------------------------------------------------------------------- refusals


def test_a_trade_of_the_day_before_is_final():
    market = traded()
    (trade,) = market.trades
    market.roll("20240102")
    final = f"UNKNOWN_TRADE: {trade.seq} is not the number of a trade of this trading day"
    assert market.bust(trade) == [f"BustTrade refused, {final}"]
    assert market.correct(trade, 5, "10.00") == [f"CorrectTrade refused, {final}"]


def test_what_never_was_a_trade_is_not_busted():
    market = traded()
    (trade,) = market.trades
    beyond = market.engine.event_seq + 1
    assert market.bust(msgspec.structs.replace(trade, seq=beyond)) == [
        f"BustTrade refused, UNKNOWN_TRADE: {beyond} is not the number of a trade of this trading day"
    ]
    what = f"UNKNOWN_TRADE: trade {trade.seq} is of accounts or an instrument that are not known"
    assert market.bust(msgspec.structs.replace(trade, maker_account="joe")) == [f"BustTrade refused, {what}"]
    assert market.bust(msgspec.structs.replace(trade, instrument="Z")) == [f"BustTrade refused, {what}"]


def test_who_has_given_away_what_he_would_have_to_give_back_has_to_deposit_it_first():
    market = traded()
    (trade,) = market.trades
    market.withdraw("ann", "X", "10005")
    assert market.bust(trade) == [
        "BustTrade refused, INSUFFICIENT_FUNDS: ann does not have the X to give back: deposit it first"
    ]
    market.withdraw("bob", "USD", money("1000050"))
    market.deposit("ann", "X", "5")
    assert market.bust(trade) == [
        "BustTrade refused, INSUFFICIENT_FUNDS: bob does not have the USD to give back: deposit it first"
    ]
    market.deposit("bob", "USD", money("50"))
    assert market.bust(trade) == [f"trade {trade.seq} 10 X at 10.00: busted"]


def test_what_orders_reserve_is_not_there_to_be_given_back_and_a_short_limit_is():
    market = traded()
    (trade,) = market.trades
    market.sell("ann", 10_005, "11.00", id="s1")
    assert "ann does not have the X" in market.bust(trade)[0]
    market.do(DefineAccount("ann", "ann", 5))
    assert market.bust(trade) == [f"trade {trade.seq} 10 X at 10.00: busted"]
    assert market.holding("ann") == ("10000", "10005")


def test_a_correction_upwards_must_be_paid_for():
    market = Market(cash="101")
    market.sell("bob", 10, "10.00", id="s1")
    market.buy("ann", 10, "10.00", id="b1")
    (trade,) = market.trades
    assert market.correct(trade, 10, "10.50") == [
        "CorrectTrade refused, INSUFFICIENT_FUNDS: ann does not have the USD to give back: deposit it first"
    ]
    assert market.correct(trade, 10, "10.10") == [f"trade {trade.seq} 10 X at 10.00: corrected to 10 X at 10.10"]


# ---------------------------------------------------------------------------------------- orders that have gone


def test_a_quote_that_has_ended_is_still_known_if_it_has_traded_today():
    market = Market()
    market.quote("bob", market.entry((5, "9.00"), (5, "10.00")))
    market.buy("ann", 5, "10.00", id="b1")
    market.cancel_quotes("bob")
    market.bust(market.trades[0])
    (event,) = market.raw
    assert (event.maker.status, event.maker.busted, event.taker.status) == ("4", 5, "4")  # type: ignore[union-attr]


def test_a_trade_with_oneself_is_busted_to_nothing():
    market = Market()
    market.do(DefineAccount("ann", "ann", 0, "allow"))
    market.sell("ann", 10, "10.00", id="s1")
    market.buy("ann", 10, "10.00", id="b1")
    market.withdraw("ann", "X", "10000")
    market.withdraw("ann", "USD", money("1000000"))
    assert market.bust(market.trades[0])[0].endswith("busted"), "there is nothing to move"
    assert (market.cash("ann"), market.holding("ann")) == (("0", "0"), ("0", "0"))
