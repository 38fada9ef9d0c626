"""Rules of allocation: one side of a trade split over accounts of its participant."""

import pytest

from matching.messages import BUY, SELL, DefineAccount, Side
from tests.matching.market import STOCK, Market, money


def market_with_accounts(days: int = 0, **more: object) -> Market:
    """ann trades for ann-1 and ann-2 too; bob has sold 10 X to her at 10.00, with a fee of 0.1 % for both."""
    market = Market((Market.terms(maker_fee_ppm=1_000, taker_fee_ppm=1_000),), traders=("ann", "bob"))
    for name in ("ann-1", "ann-2"):
        market.do(DefineAccount(name, "ann"))
        market.deposit(name, "USD", money("1000"))
        market.deposit(name, "X", "100")
    market.settle_after(days, **more)
    market.sell("bob", 10, "10.00", id="s1")
    market.buy("ann", 10, "10.00", id="b1")
    return market


def test_a_buy_is_split_at_its_price_and_the_fee_stays():
    market = market_with_accounts()
    assert market.allocate("ann", market.trades[0], BUY, ("ann-1", 4), ("ann", 1), ("ann-2", 5)) == [
        "ann a1: 10 X at 10.00 bought by ann: 4 to ann-1 and 1 to ann and 5 to ann-2"
    ]
    assert (market.holding("ann"), market.cash("ann")) == (("10001", "0"), ("999989.9", "0"))
    assert (market.holding("ann-1"), market.cash("ann-1")) == (("104", "0"), ("960", "0"))
    assert (market.holding("ann-2"), market.cash("ann-2")) == (("105", "0"), ("950", "0"))


def test_a_sell_is_split_likewise():
    market = market_with_accounts()
    market.sell("ann", 10, "11.00", id="s2")
    market.buy("bob", 10, "11.00", id="b2")
    assert market.allocate("ann", market.trades[1], SELL, ("ann-1", 10)) == [
        "ann a1: 10 X at 11.00 sold by ann: 10 to ann-1"
    ]
    assert (market.holding("ann"), market.cash("ann")) == (("10010", "0"), ("999899.79", "0"))
    assert (market.holding("ann-1"), market.cash("ann-1")) == (("90", "0"), ("1110", "0"))


def test_what_is_not_settled_stays_so():
    market = market_with_accounts(2)
    market.allocate("ann", market.trades[0], BUY, ("ann-1", 4), ("ann-2", 6))
    assert market.unsettled("ann") == ("0", "-0.1")
    assert market.unsettled("ann-1") == ("4", "-40")
    assert market.roll("20240102")[1:] == [
        "fees: netted 0 X at 10.00 and 0.2 of no day, due 2",
        "ann: netted 0 X at 10.00 and -0.1 of no day, due 2",
        "ann-1: netted 4 X at 10.00 and 0 of no day, due 2",
        "ann-2: netted 6 X at 10.00 and 0 of no day, due 2",
        "bob: netted -10 X at 10.00 and -0.1 of no day, due 2",
    ]


def test_what_is_blocked_goes_along():
    market = market_with_accounts(2, spend_unsettled=False)
    market.allocate("ann", market.trades[0], BUY, ("ann-1", 4), ("ann-2", 6))
    assert market.holding("ann") == ("10000", "0")
    assert market.holding("ann-1") == ("104", "4")
    market.do(DefineAccount("bob-1", "bob"))
    market.deposit("bob-1", "X", "10")
    market.allocate("bob", market.trades[0], SELL, ("bob-1", 10))
    assert market.cash("bob") == ("999999.9", "0"), "the fee is not received any more"
    assert market.cash("bob-1") == ("100", "100")


def test_both_sides_may_be_allocated_and_each_once():
    market = market_with_accounts()
    market.do(DefineAccount("bob-1", "bob"))
    market.deposit("bob-1", "X", "10")
    assert market.allocate("ann", market.trades[0], BUY, ("ann", 10))[0].endswith("bought by ann: 10 to ann")
    assert market.allocate("bob", market.trades[0], SELL, ("bob-1", 10))[0].endswith("sold by bob: 10 to bob-1")
    number = market.trades[0].seq
    assert market.allocate("ann", market.trades[0], BUY, ("ann", 10)) == [
        f"ann a1: rejected, TOO_LATE: this side of trade {number} was allocated already"
    ]
    assert market.bust(market.trades[0]) == [f"BustTrade refused, TOO_LATE: trade {number} was allocated"]
    assert market.correct(market.trades[0], 0, "0") == [f"CorrectTrade refused, TOO_LATE: trade {number} was allocated"]


def test_a_trade_that_was_busted_or_corrected_is_not_allocated():
    market = market_with_accounts()
    market.correct(market.trades[0], 9, "10.00")
    assert market.allocate("ann", market.trades[0], BUY, ("ann-1", 9)) == [
        f"ann a1: rejected, TOO_LATE: trade {market.trades[0].seq} was busted or corrected"
    ]


def test_a_trade_of_yesterday_is_not_allocated():
    market = market_with_accounts()
    market.allocate("ann", market.trades[0], BUY, ("ann-1", 10))
    market.roll("20240102")
    number = market.trades[0].seq
    assert market.allocate("bob", market.trades[0], SELL, ("bob", 10)) == [
        f"bob a1: rejected, UNKNOWN_TRADE: {number} is not the number of a trade of this trading day"
    ]
    assert not market.engine.market.allocated


@pytest.mark.parametrize(
    ("trader", "side", "account", "unknown"),
    [
        ("joe", BUY, "ann-1", "participant joe"),
        ("ann", SELL, "ann-1", "account bob"),
        ("ann", BUY, "bob", "account bob"),
        ("ann", BUY, "ann-9", "account ann-9"),
    ],
)
def test_accounts_are_the_participants(trader: str, side: Side, account: str, unknown: str):
    market = market_with_accounts()
    assert market.allocate(trader, market.trades[0], side, (account, 10)) == [
        f"{trader} a1: rejected, UNKNOWN_ACCOUNT: unknown {unknown}"
    ]


@pytest.mark.parametrize(
    ("shares", "text"),
    [
        ([], "an allocation has 1 to 100 shares"),
        ([("ann-1", 1)] * 101, "an allocation has 1 to 100 shares"),
        ([("ann-1", 5), ("ann-1", 5)], "an account has one share"),
        ([("ann-1", 11), ("ann-2", -1)], "shares are above zero, and come to the quantity of the trade"),
        ([("ann-1", 10), ("ann-2", 0)], "shares are above zero, and come to the quantity of the trade"),
        ([("ann-1", 9)], "shares are above zero, and come to the quantity of the trade"),
    ],
)
def test_shares_come_to_the_trade(shares: list[tuple[str, int]], text: str):
    market = market_with_accounts()
    assert market.allocate("ann", market.trades[0], BUY, *shares) == [f"ann a1: rejected, INVALID_QUANTITY: {text}"]


def test_everybody_has_what_he_gives():
    market = market_with_accounts()
    market.withdraw("ann-1", "USD", money("990"))
    assert market.allocate("ann", market.trades[0], BUY, ("ann-1", 2), ("ann", 8)) == [
        "ann a1: rejected, INSUFFICIENT_FUNDS: 20.00 USD needed, 10.00 available in ann-1"
    ]
    market.sell("ann", 10_005, "11.00", id="s2")
    assert market.allocate("ann", market.trades[0], BUY, ("ann-2", 6), ("ann", 4)) == [
        "ann a1: rejected, INSUFFICIENT_FUNDS: ann does not have the X to give away any more"
    ]
    assert market.allocate("ann", market.trades[0], BUY, ("ann-2", 5), ("ann", 5))[0].endswith("5 to ann-2 and 5 to ann")


def test_a_sell_needs_shares_there_and_the_value_here():
    market = Market((STOCK,), traders=("ann", "bob"), cash="150")
    market.do(DefineAccount("ann-1", "ann", short_max=5))
    market.sell("ann", 10, "10.00", id="s1")
    market.buy("bob", 10, "10.00", id="b1")
    assert market.allocate("ann", market.trades[0], SELL, ("ann-1", 6), ("ann", 4)) == [
        "ann a1: rejected, INSUFFICIENT_FUNDS: 6 X needed, 5 available in ann-1"
    ]
    market.withdraw("ann", "USD", money("201"))
    assert market.allocate("ann", market.trades[0], SELL, ("ann-1", 5), ("ann", 5)) == [
        "ann a1: rejected, INSUFFICIENT_FUNDS: ann does not have the USD to give away any more"
    ]
    market.deposit("ann", "USD", money("1"))
    assert market.allocate("ann", market.trades[0], SELL, ("ann-1", 5), ("ann", 5)) == [
        "ann a1: 10 X at 10.00 sold by ann: 5 to ann-1 and 5 to ann"
    ]
    assert market.holding("ann-1") == ("-5", "0")
