"""Rules of money: what an order holds back, what a fill moves, what may be taken out."""

import msgspec
import pytest

from matching.messages import BUY, FOK, GTC, IOC, SELL, DefineAccount
from tests.matching.market import COIN, STOCK, Market, money

WITH_FEES = msgspec.structs.replace(STOCK, maker_fee_ppm=1_000, taker_fee_ppm=2_500)  # 0.1 % and 0.25 %
WITH_REBATE = msgspec.structs.replace(STOCK, maker_fee_ppm=-1_000, taker_fee_ppm=2_500)


def totals(market: Market, *traders: str) -> list[tuple[str, str]]:
    """Cash and holding of X of each."""
    return [(market.cash(trader)[0], market.holding(trader)[0]) for trader in traders]


def test_a_buy_holds_back_its_price_a_sell_its_quantity():
    market = Market()
    market.buy("ann", 100, "10.00", id="b1")
    market.sell("ann", 30, "11.00", id="s1")
    assert (market.cash("ann"), market.holding("ann")) == (("1000000", "1000"), ("10000", "30"))


def test_two_orders_do_not_share_the_same_cash():
    market = Market(cash="1000")
    market.buy("ann", 60, "10.00", id="b1")
    assert "INSUFFICIENT_FUNDS" in market.buy("ann", 60, "10.00", id="b2")[0]
    market.cancel("ann", "b1")
    assert market.buy("ann", 60, "10.00", id="b3") == ["ann b3: accepted, buy 60 X at 10.00 DAY"]


def test_a_fill_moves_cash_and_shares():
    market = Market()
    market.sell("bob", 100, "10.00", id="s1")
    market.buy("ann", 60, "10.00", id="b1")
    assert totals(market, "ann", "bob") == [("999400", "10060"), ("1000600", "9940")]
    assert (market.cash("ann")[1], market.holding("bob")[1]) == ("0", "40")


def test_a_better_price_gives_back_the_difference():
    market = Market()
    market.sell("bob", 60, "9.50", id="s1")
    market.buy("ann", 100, "10.00", id="b1")
    assert market.cash("ann") == ("999430", "400")


def test_a_resting_buy_keeps_back_what_is_left_of_it():
    market = Market()
    market.buy("ann", 100, "10.00", id="b1")
    market.sell("bob", 60, "9.50", id="s1")
    assert market.cash("ann") == ("999400", "400")


def test_what_was_bought_can_be_sold_and_what_was_earned_can_be_spent():
    market = Market(cash="100", holdings="0")
    market.deposit("bob", "X", "10")
    market.sell("bob", 10, "10.00", id="s1")
    market.buy("ann", 10, "10.00", id="b1")
    assert market.sell("ann", 10, "10.00", id="s2") == ["ann s2: accepted, sell 10 X at 10.00 DAY"]
    assert market.buy("bob", 20, "10.00", id="b2") == [
        "bob b2: accepted, buy 20 X at 10.00 DAY",
        "bob b2 buys 10 X at 10.00 from ann s2: 10 and 0 left",
    ]


def test_a_market_buy_holds_back_the_edge_of_the_band_and_pays_the_price():
    market = Market(cash="110")
    market.sell("bob", 4, "10.00", id="s1")
    assert market.buy("ann", 10, id="b1")[1:] == [
        "ann b1 buys 4 X at 10.00 from bob s1: 6 and 0 left",
        "ann b1: canceled, MARKET_REMAINDER, 6 left",
    ]
    assert market.cash("ann") == ("70", "0")


@pytest.mark.parametrize("tif", [IOC, FOK])
def test_what_did_not_trade_is_given_back(tif: str):
    market = Market()
    market.buy("ann", 10, "10.00", id="b1", tif=tif)
    market.sell("bob", 10, "10.00", id="s1", tif=tif)
    assert (market.cash("ann"), market.holding("bob")) == (("1000000", "0"), ("10000", "0"))


def test_eight_decimals_of_a_coin_at_a_cent_are_exact():
    market = Market((COIN,))
    market.sell("bob", "0.00000001", "50000.01", of="COIN")
    market.buy("ann", "0.00000001", "50000.01", id="b1", of="COIN")
    assert market.cash("ann") == ("999999.9994999999", "0")
    assert market.holding("ann", "COIN") == ("10000.00000001", "0")


# ----------------------------------------------------------------------------------------------------- fees


def test_maker_and_taker_pay_their_fees():
    market = Market((WITH_FEES,))
    market.sell("bob", 100, "10.00", id="s1")
    assert market.buy("ann", 100, "10.00", id="b1")[1:] == [
        "ann b1 buys 100 X at 10.00 from bob s1: 0 and 0 left, fees 2.5 and 1"
    ]
    assert totals(market, "ann", "bob") == [("998997.5", "10100"), ("1000999", "9900")]


def test_a_seller_pays_out_of_the_proceeds():
    market = Market((WITH_FEES,), cash="0")
    market.deposit("ann", "USD", money("1001"))
    assert market.buy("ann", 100, "10.00", id="b0") == [
        "ann b0: rejected, INSUFFICIENT_FUNDS: 1002.50 USD needed, 1001.00 available in ann"
    ]
    market.deposit("ann", "USD", money("1.50"))
    market.buy("ann", 100, "10.00", id="b1")
    assert market.cash("ann") == ("1002.5", "1002.5")
    assert market.sell("bob", 100, "10.00", id="s1")[1:] == [
        "bob s1 sells 100 X at 10.00 to ann b1: 0 and 0 left, fees 2.5 and 1"
    ]
    assert (market.cash("ann"), market.cash("bob")) == (("1.5", "0"), ("997.5", "0"))


def test_a_maker_may_be_paid():
    market = Market((WITH_REBATE,))
    market.sell("bob", 100, "10.00", id="s1")
    assert market.buy("ann", 100, "10.00", id="b1")[1:] == [
        "ann b1 buys 100 X at 10.00 from bob s1: 0 and 0 left, fees 2.5 and -1"
    ]
    assert market.cash("bob")[0] == "1001001"


def test_fees_are_rounded_down_to_the_unit_of_money_and_a_buy_in_parts_is_never_short():
    odd = msgspec.structs.replace(COIN, maker_fee_ppm=333, taker_fee_ppm=777_777)
    market = Market((odd,), cash="0")
    needed = 5_000_001 * 3 + 5_000_001 * 3 * 777_777 // 1_000_000
    market.deposit("ann", "USD", str(needed))
    for name in ("s1", "s2", "s3"):
        market.sell("bob", "0.00000001", "50000.01", id=name, of="COIN")
    events = market.buy("ann", "0.00000003", "50000.01", id="b1", of="COIN")
    fee = 5_000_001 * 777_777 // 1_000_000
    assert [getattr(event, "taker_fee", None) for event in market.raw] == [None, fee, fee, fee]
    assert len(events) == 4
    assert market.engine.accounts["ann"].cash_in("USD").total == needed - 3 * (5_000_001 + fee)


# ------------------------------------------------------------------------------------------------ short sales


def test_nobody_sells_what_he_does_not_have():
    market = Market(holdings="0")
    assert market.sell("ann", 1, "10.00") == ["ann o1: rejected, INSUFFICIENT_FUNDS: 1 X needed, 0 available in ann"]


def test_who_may_sells_short_to_his_limit():
    market = Market(holdings="0")
    market.do(DefineAccount("ann", "ann", short_max=100))
    market.buy("bob", 500, "10.00", id="b1")
    assert market.sell("ann", 101, "10.00", id="s1") == [
        "ann s1: rejected, INSUFFICIENT_FUNDS: 101 X needed, 100 available in ann"
    ]
    assert market.sell("ann", 60, "10.00", id="s2")[1:] == ["ann s2 sells 60 X at 10.00 to bob b1: 0 and 440 left"]
    market.sell("ann", 30, "11.00", id="s3")
    assert market.sell("ann", 11, "10.00", id="s4") == [
        "ann s4: rejected, INSUFFICIENT_FUNDS: 11 X needed, 10 available in ann"
    ]
    assert market.holding("ann") == ("-60", "30")


def test_the_short_limit_is_in_whole_units_of_the_instrument():
    market = Market((COIN,), holdings="0")
    market.do(DefineAccount("ann", "ann", short_max=2))
    assert "rejected" in market.sell("ann", "2.00000001", "50000.00", id="s1", of="COIN")[0]
    assert "accepted" in market.sell("ann", "2", "50000.00", id="s2", of="COIN")[0]


def test_a_lower_short_limit_stops_further_sales_only():
    market = Market(holdings="0")
    market.do(DefineAccount("ann", "ann", short_max=100))
    market.buy("bob", 50, "10.00", id="b1")
    market.sell("ann", 50, "10.00", id="s1")
    market.sell("ann", 20, "11.00", id="s2")
    market.do(DefineAccount("ann", "ann", short_max=10))
    assert market.sell("ann", 1, "10.00", id="s3") == [
        "ann s3: rejected, INSUFFICIENT_FUNDS: 1 X needed, 0 available in ann"
    ]
    assert market.replace("ann", "s2", 10, "11.00", id="r1", side=SELL)[0].endswith("10 left, in its place")
    assert market.replace("ann", "s2", 11, "11.00", id="r2", side=SELL) == [
        "ann r2: replace of s2 rejected, status 0, INSUFFICIENT_FUNDS: 1 X needed, 0 available in ann"
    ]
    assert market.withdraw("ann", "X", "1") == ["Withdraw refused, INSUFFICIENT_FUNDS: -60 X are available in ann"]


# ---------------------------------------------------------------------------------- deposits and withdrawals


def test_deposits_and_withdrawals_tell_the_balance():
    market = Market(cash="0", holdings="0")
    assert market.deposit("ann", "USD", money("100.50")) == ["ann: USD 100.5, now 100.5"]
    assert market.deposit("ann", "X", "7") == ["ann: X 7, now 7"]
    assert market.withdraw("ann", "USD", money("0.50")) == ["ann: USD -0.5, now 100"]
    assert market.withdraw("ann", "X", "7") == ["ann: X -7, now 0"]


def test_only_what_is_available_can_be_withdrawn():
    market = Market(cash="100", holdings="10")
    market.buy("ann", 9, "10.00", id="b1")
    market.sell("ann", 9, "11.00", id="s1")
    assert market.withdraw("ann", "USD", money("10.01")) == [
        "Withdraw refused, INSUFFICIENT_FUNDS: 10.00 USD are available in ann"
    ]
    assert market.withdraw("ann", "X", "2") == ["Withdraw refused, INSUFFICIENT_FUNDS: 1 X are available in ann"]
    assert market.withdraw("ann", "USD", money("10")) == ["ann: USD -10, now 90"]
    assert market.withdraw("ann", "X", "1") == ["ann: X -1, now 9"]


@pytest.mark.parametrize("amount", ["", "0", "-1", "+1", "1.5", "1e3", " 1", "x", "١", "²", "9" * 31])
def test_an_amount_is_a_whole_number_above_zero(amount: str):
    assert Market().deposit("ann", "USD", amount) == [
        f"Deposit refused, INVALID_AMOUNT: amount {amount!r} is not a whole number above zero"
    ]


def test_a_balance_may_pass_64_bits():
    market = Market(cash="0")
    market.deposit("ann", "USD", "9" * 30)
    assert market.deposit("ann", "USD", "1") == [f"ann: USD 0.0000000001, now 1{'0' * 20}"]


def test_account_and_asset_must_be_known():
    market = Market()
    assert market.deposit("joe", "USD", "1") == ["Deposit refused, UNKNOWN_ACCOUNT: unknown account joe"]
    assert market.deposit("ann", "EUR", "1") == ["Deposit refused, UNKNOWN_INSTRUMENT: unknown asset EUR"]
    assert market.withdraw("ann", "Z", "1") == ["Withdraw refused, UNKNOWN_INSTRUMENT: unknown asset Z"]


# --------------------------------------------------------------------------------------------- conservation


def test_cash_and_shares_are_conserved_over_fills_fees_and_cancels():
    market = Market((WITH_FEES,))
    fees = 0
    for name, trader, side, quantity, price, tif in [
        ("1", "ann", BUY, 100, "10.00", GTC),
        ("2", "bob", SELL, 33, "9.99", GTC),
        ("3", "eve", SELL, 99, "9.98", GTC),
        ("4", "bob", BUY, 50, "", FOK),
        ("5", "bob", BUY, 10, "11.00", GTC),
        ("6", "ann", SELL, 500, "", IOC),
    ]:
        market.do(market.order(trader, side, quantity, price, id=name, tif=tif))
        fees += sum(event.maker_fee + event.taker_fee for event in market.raw if hasattr(event, "maker_fee"))
    accounts = market.engine.accounts.values()
    assert sum(account.cash_in("USD").total for account in accounts) + fees == 3 * int(money("1000000"))
    assert sum(account.position_in("X").total for account in accounts) == 30_000
    assert fees > 0
