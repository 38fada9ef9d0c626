"""Rules of the fees of a participant: who pays which, what is reserved for them, and when they change."""

import pytest

from matching.messages import GTC, DefineAccount
from tests.matching.market import COIN, Market, money

STOCK = Market.terms(maker_fee_ppm=100, taker_fee_ppm=1_000)


def test_each_side_pays_by_its_own_fees():
    market = Market((STOCK, COIN))
    assert market.fees("ann", 2_000, 3_000, by="op") == ["fees of ann in all: 2000 and 3000 ppm by op"]
    assert market.fees("ann", -500, 500, of="X") == ["fees of ann in X: -500 and 500 ppm"]
    market.sell("bob", 10, "10.00", id="s1")
    assert market.buy("ann", 10, "10.00", id="b1")[1] == "ann b1 buys 10 X at 10.00 from bob s1: 0 and 0 left, fees 0.05 and 0.01"
    market.sell("ann", 10, "10.00", id="s2")
    assert market.buy("bob", 10, "10.00", id="b2")[1] == "bob b2 buys 10 X at 10.00 from ann s2: 0 and 0 left, fees 0.1 and -0.05"
    market.sell("ann", 1, "50000.00", of="COIN", id="s3")
    assert market.buy("bob", 1, "50000.00", of="COIN", id="b3")[1] == (
        "bob b3 buys 1 COIN at 50000.00 from ann s3: 0 and 0 left, fees 0 and 100"
    )


def test_in_an_auction_both_pay_as_takers_and_each_his_own():
    market = Market((STOCK,))
    market.fees("ann", 0, 500)
    market.phase("opening-auction")
    market.sell("bob", 10, "10.00", id="s1")
    market.buy("ann", 10, "10.00", id="b1")
    assert market.phase("continuous")[2] == "ann b1 buys 10 X at 10.00 from bob s1: 0 and 0 left, fees 0.05 and 0.1"


def test_what_a_buy_reserves_goes_by_the_higher_of_his_own():
    market = Market((STOCK,))
    market.fees("ann", 5_000, 2_000)
    market.buy("ann", 10, "10.00", id="b1")
    market.buy("bob", 10, "10.00", id="b1")
    assert market.cash("ann") == ("1000000", "100.5")
    assert market.cash("bob") == ("1000000", "100.1")
    market.replace("ann", "b1", 20, "10.00")
    assert market.cash("ann") == ("1000000", "201")
    market.sell("bob", 15, "10.00", id="s1")
    assert market.cash("ann") == ("999849.25", "50.25")


def test_a_rebate_may_be_more_than_the_taker_pays():
    market = Market((STOCK,))
    market.fees("ann", -900, 1_000)
    market.fees("bob", 0, 100)
    market.sell("ann", 10, "10.00", id="s1")
    assert market.buy("bob", 10, "10.00", id="b1")[1].endswith("fees 0.01 and -0.09")


def test_without_fees_the_rule_ends_and_the_next_one_holds():
    market = Market((STOCK,))
    market.fees("ann", 1, 1)
    market.fees("ann", 2, 2, of="X")
    position = market.engine.accounts["ann"].position_in("X")
    assert position.taker_fee_ppm == 2
    assert market.fees("ann", of="X") == ["fees of ann in X: as all"]
    assert position.taker_fee_ppm == 1
    assert market.fees("ann") == ["fees of ann in all: as all"]
    assert position.taker_fee_ppm == 1_000
    market.do(Market.terms(maker_fee_ppm=0, taker_fee_ppm=7))
    assert position.taker_fee_ppm == 7


def test_an_account_that_comes_later_has_them_too():
    market = Market((STOCK,))
    market.fees("ann", 1, 2)
    market.do(DefineAccount("ann-2", "ann"))
    market.deposit("ann-2", "USD", money("1000"))
    market.sell("bob", 10, "10.00", id="s1")
    assert market.buy("ann", 10, "10.00", id="b1", account="ann-2")[1].endswith("fees 0.0002 and 0.01")


def test_a_correction_goes_by_the_present_fees():
    market = Market((STOCK,))
    market.sell("bob", 10, "10.00", id="s1")
    market.buy("ann", 10, "10.00", id="b1")
    market.fees("ann", 0, 2_000)
    market.correct(market.trades[0], 5, "10.00")
    assert market.cash("ann") == ("999949.9", "0")
    assert market.cash("bob") == ("1000049.995", "0")


def test_fees_do_not_change_while_an_order_is_open_that_they_are_about():
    market = Market((STOCK, COIN))
    market.buy("ann", 1, "10.00", id="b1", tif=GTC)
    text = "fees do not change while orders of ann are open"
    assert market.fees("ann", 1, 1) == [f"SetFees refused, BAD_DEFINITION: {text}"]
    assert market.fees("ann", 1, 1, of="X") == [f"SetFees refused, BAD_DEFINITION: {text}"]
    assert market.fees("ann", 1, 1, of="COIN") == ["fees of ann in COIN: 1 and 1 ppm"]


@pytest.mark.parametrize(
    ("maker", "taker"), [(1, None), (None, 1), (-2, 1), (0, -1), (0, 1_000_000), (1_000_000, 1), (-1_000_000, 999_999)]
)
def test_fees_make_sense(maker: int | None, taker: int | None):
    text = "a fee is below 100 %, and a maker's rebate not above the taker's fee"
    if maker is None or taker is None:
        text = "a maker's fee and a taker's are given together, or neither"
    assert Market().fees("ann", maker, taker) == [f"SetFees refused, BAD_DEFINITION: {text}"]


def test_fees_are_of_somebody_and_something():
    assert Market().fees("joe", 1, 1) == ["SetFees refused, UNKNOWN_ACCOUNT: unknown participant joe"]
    assert Market().fees("ann", 1, 1, of="Z") == ["SetFees refused, UNKNOWN_INSTRUMENT: unknown symbol Z"]


def test_what_the_configuration_said_is_remembered():
    market = Market()
    market.fees("ann", 1, 2)
    market.fees("ann", 3, 4, of="X")
    market.fees("ann", 5, 6, by="op")
    configured = market.engine.fees_configured
    assert [(key, terms.maker_fee_ppm) for key, terms in configured.items()] == [(("ann", ""), 1), (("ann", "X"), 3)]
    market.fees("ann", of="X")
    assert list(configured) == [("ann", "")]
