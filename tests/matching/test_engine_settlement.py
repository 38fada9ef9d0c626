"""Rules of settlement: what is unsettled, netting, delivery versus payment, fails, buy-ins, and what may be spent."""

import pytest

from matching.messages import BUY, DAY, LIMIT, SELL, DefineAccount, NewOrder
from tests.matching.market import Market, money


def market_with(days: int, **more: object) -> Market:
    """A market with a settlement cycle in which nothing has been traded."""
    market = Market()
    assert market.settle_after(days, **more)[0].endswith("now")
    return market


def trade(market: Market, seller: str, buyer: str, quantity: int, price: str) -> None:
    number = len(market.trades)
    market.sell(seller, quantity, price, id=f"s{number}")
    lines = market.buy(buyer, quantity, price, id=f"b{number}")
    assert any(" buys " in line for line in lines), lines


# -------------------------------------------------------------------------------------------------------- terms


def test_before_a_day_and_a_trade_terms_are_in_force_at_once_and_later_with_the_next_day():
    market = Market()
    assert market.settle_after(2, buy_in_days=3, buy_in_premium_ppm=50_000, by="op") == [
        "settlement 2 days, spends what is unsettled, buy-in after 3 at 50000 ppm, now by op"
    ]
    assert market.settle_after(1) == ["settlement 1 days, spends what is unsettled, now"]
    trade(market, "bob", "ann", 1, "10.00")
    assert market.settle_after(3) == ["settlement 3 days, spends what is unsettled, from the next day"]
    assert market.settle_after(0, spend_unsettled=False, by="op") == [
        "settlement 0 days, blocks what is unsettled, from the next day by op"
    ]
    assert market.engine.settlement.cycle_days == 1
    assert market.engine.settlement_waiting is not None
    assert market.engine.settlement_configured is not None
    assert market.engine.settlement_configured.cycle_days == 3, "what the operator said is not configured"
    assert market.roll("20240102") == [
        "day 20240102, 0 orders",
        "ann: netted 1 X at 10.00 and 0 of no day, due 1",
        "bob: netted -1 X at 10.00 and 0 of no day, due 1",
        "settlement 0 days, blocks what is unsettled, now by op",
    ]
    assert market.engine.settlement_waiting is None
    assert market.settle_after(1)[0].endswith("from the next day"), "a day has begun"


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        ({"days": -1}, "the settlement cycle is 0 to 10 days"),
        ({"days": 11}, "the settlement cycle is 0 to 10 days"),
        ({"days": 1, "buy_in_days": -1}, "a buy-in is after 1 to 1000 days, or never (0)"),
        ({"days": 1, "buy_in_days": 1_001}, "a buy-in is after 1 to 1000 days, or never (0)"),
        ({"days": 1, "buy_in_premium_ppm": -1}, "the premium of a buy-in is 0 to 100 %"),
        ({"days": 1, "buy_in_premium_ppm": 1_000_001}, "the premium of a buy-in is 0 to 100 %"),
    ],
)
def test_terms_have_limits(terms: dict[str, int], text: str):
    assert Market().settle_after(**terms) == [f"SetSettlement refused, BAD_DEFINITION: {text}"]


@pytest.mark.parametrize("days", [-1, 11])
def test_so_many_settlement_days_do_not_end_with_a_trading_day(days: int):
    market = Market()
    assert market.roll("20240102", days) == [
        "RollDay refused, BAD_DEFINITION: 0 to 10 settlement days end with a trading day"
    ]
    assert market.engine.trading_day == ""


# -------------------------------------------------------------------------------------- trades and their netting


def test_without_a_cycle_a_trade_is_settled_when_it_happens():
    market = Market()
    trade(market, "bob", "ann", 10, "10.00")
    assert market.settled("ann") == ("10010", "999900")
    assert market.unsettled("ann") == ("0", "0")
    assert market.roll("20240102") == ["day 20240102, 0 orders"]


def test_with_a_cycle_totals_move_and_nothing_is_settled():
    market = market_with(1)
    trade(market, "bob", "ann", 10, "10.00")
    assert market.holding("ann") == ("10010", "0")
    assert market.cash("ann") == ("999900", "0")
    assert market.settled("ann") == ("10000", "1000000")
    assert market.unsettled("ann") == ("10", "-100")
    assert market.unsettled("bob") == ("-10", "100")


def test_trades_are_netted_by_account_and_settled_when_they_are_due():
    market = market_with(2)
    trade(market, "bob", "ann", 10, "10.00")
    trade(market, "ann", "eve", 4, "10.50")
    assert market.roll("20240102") == [
        "day 20240102, 0 orders",
        "ann: netted 6 X at 10.50 and 5 of no day, due 2",
        "bob: netted -10 X at 10.50 and -5 of no day, due 2",
        "eve: netted 4 X at 10.50 and 0 of no day, due 2",
    ]
    trade(market, "eve", "ann", 1, "10.50")
    assert market.roll("20240103") == [
        "day 20240103, 0 orders",
        "ann: netted 1 X at 10.50 and 0 of 20240102, due 3",
        "eve: netted -1 X at 10.50 and 0 of 20240102, due 3",
    ]
    assert market.roll("20240104", 0) == ["day 20240104, 0 orders"], "no day of settlement"
    assert market.roll("20240105") == [
        "day 20240105, 0 orders",
        "ann: settled 6 X for -63 and 5",
        "bob: settled -10 X for 105 and -5",
        "eve: settled 4 X for -42 and 0",
    ]
    assert market.settled("bob") == ("9990", "1000100")
    assert market.roll("20240106") == [
        "day 20240106, 0 orders",
        "ann: settled 1 X for -10.5 and 0",
        "eve: settled -1 X for 10.5 and 0",
    ]
    for trader in ("ann", "bob", "eve"):
        assert market.unsettled(trader) == ("0", "0")
    assert list(market.engine.obligations()) == []


def test_several_settlement_days_may_end_with_one_trading_day():
    market = market_with(2)
    trade(market, "bob", "ann", 10, "10.00")
    assert market.roll("20240102", 3) == [
        "day 20240102, 0 orders",
        "ann: netted 10 X at 10.00 and 0 of no day, due 2",
        "bob: netted -10 X at 10.00 and 0 of no day, due 2",
        "ann: settled 10 X for -100 and 0",
        "bob: settled -10 X for 100 and 0",
    ]
    assert market.engine.settlement_day == 3


def test_who_has_bought_and_sold_the_same_has_only_money_to_settle():
    market = market_with(1)
    trade(market, "bob", "ann", 10, "10.00")
    trade(market, "ann", "bob", 10, "10.25")
    assert market.roll("20240102", 2) == [
        "day 20240102, 0 orders",
        "ann: netted 0 X at 10.25 and 2.5 of no day, due 1",
        "bob: netted 0 X at 10.25 and -2.5 of no day, due 1",
        "ann: settled 0 X for 0 and 2.5",
        "bob: settled 0 X for 0 and -2.5",
    ]


def test_fees_are_netted_first_and_paid_to_the_venue_or_by_it():
    market = Market((Market.terms(maker_fee_ppm=-1_000, taker_fee_ppm=3_000),))
    market.settle_after(1)
    trade(market, "bob", "ann", 10, "10.00")
    assert market.engine.fees_unsettled("USD") == int(money("0.2"))
    assert market.roll("20240102") == [
        "day 20240102, 0 orders",
        "fees: netted 0 X at 10.00 and 0.2 of no day, due 1",
        "ann: netted 10 X at 10.00 and -0.3 of no day, due 1",
        "bob: netted -10 X at 10.00 and 0.1 of no day, due 1",
    ]
    assert market.engine.fees_unsettled("USD") == int(money("0.2"))
    assert market.roll("20240103") == [
        "day 20240103, 0 orders",
        "fees: settled 0 X for 0 and 0.2",
        "ann: settled 10 X for -100 and -0.3",
        "bob: settled -10 X for 100 and 0.1",
    ]
    assert market.engine.fees_unsettled("USD") == 0


def test_a_bust_and_a_correction_change_what_is_unsettled():
    market = market_with(1)
    trade(market, "bob", "ann", 10, "10.00")
    trade(market, "bob", "ann", 10, "10.00")
    market.bust(market.trades[0])
    assert market.unsettled("ann") == ("10", "-100")
    market.correct(market.trades[1], 8, "10.50")
    assert market.unsettled("ann") == ("8", "-84")
    assert market.roll("20240102")[1:] == [
        "ann: netted 8 X at 10.00 and -4 of no day, due 1",
        "bob: netted -8 X at 10.00 and 4 of no day, due 1",
    ]


def test_terms_that_change_leave_what_is_netted_as_it_is():
    market = market_with(2)
    trade(market, "bob", "ann", 10, "10.00")
    market.settle_after(0)
    trade(market, "bob", "ann", 1, "10.00")
    assert market.unsettled("ann") == ("11", "-110"), "not before the day ends"
    assert market.roll("20240102", 0) == ["day 20240102, 0 orders", "settlement 0 days, spends what is unsettled, now"]
    trade(market, "bob", "ann", 5, "10.00")
    assert market.unsettled("ann") == ("11", "-110"), "settled at once"
    assert market.roll("20240103") == [
        "day 20240103, 0 orders",
        "ann: netted 11 X at 10.00 and 0 of 20240102, due 0",
        "bob: netted -11 X at 10.00 and 0 of 20240102, due 0",
        "ann: settled 11 X for -110 and 0",
        "bob: settled -11 X for 110 and 0",
    ]


# ---------------------------------------------------------------------------------------------------------- fails


def test_what_is_held_is_not_delivered_and_fails_until_it_is_released():
    market = market_with(1)
    trade(market, "bob", "ann", 10, "10.00")
    assert market.hold("bob", "X") == ["bob: X held"]
    market.roll("20240102")
    assert market.roll("20240103") == [
        "day 20240103, 0 orders",
        "ann: failed 10 X and 0, day 1, COUNTERPARTY",
        "bob: failed -10 X and 0, day 1, HELD",
    ]
    assert market.hold("bob") == ["bob: everything held"]
    assert market.hold("bob", "X", held=False) == ["bob: X released"]
    assert market.roll("20240104")[1:] == [
        "ann: failed 10 X and 0, day 2, COUNTERPARTY",
        "bob: failed -10 X and 0, day 2, HELD",
    ]
    assert market.hold("bob", held=False) == ["bob: everything released"]
    assert market.roll("20240105")[1:] == ["ann: settled 10 X for -100 and 0", "bob: settled -10 X for 100 and 0"]


@pytest.mark.parametrize(
    ("account", "asset", "refused"),
    [("joe", "X", "UNKNOWN_ACCOUNT: unknown account joe"), ("bob", "Z", "UNKNOWN_INSTRUMENT: unknown asset Z")],
)
def test_what_is_not_known_is_not_held(account: str, asset: str, refused: str):
    assert Market().hold(account, asset) == [f"HoldDeliveries refused, {refused}"]


def test_held_cash_pays_for_nothing():
    market = market_with(1)
    trade(market, "bob", "ann", 10, "10.00")
    trade(market, "bob", "eve", 5, "10.00")
    market.hold("ann", "USD")
    market.roll("20240102")
    assert market.roll("20240103")[1:] == [
        "bob: settled -5 X for 50 and 0, -10 and 0 left",
        "eve: settled 5 X for -50 and 0",
        "ann: failed 10 X and 0, day 1, HELD",
        "bob: failed -10 X and 0, day 1, COUNTERPARTY",
    ]


def test_all_that_there_is_goes_to_the_first():
    market = short_market()
    trade(market, "bob", "eve", 5, "10.00")
    market.deposit("bob", "X", "12")
    assert market.roll("20240103", 2)[3:] == [
        "ann: settled 10 X for -100 and 0",
        "bob: settled -10 X for 100 and 0",
        "bob: settled -2 X for 20 and 0, -3 and 0 left",
        "eve: settled 2 X for -20 and 0, 3 and 0 left",
        "bob: failed -3 X and 0, day 1, NO_SECURITIES",
        "eve: failed 3 X and 0, day 1, COUNTERPARTY",
    ]


def short_market(**more: object) -> Market:
    """bob has sold 10 X short to ann, eve has X; all of it is due on the next roll."""
    market = Market(traders=("ann", "eve"))
    market.do(DefineAccount("bob", "bob", short_max=1_000))
    market.deposit("bob", "USD", money("1000"))
    market.settle_after(1, **more)
    trade(market, "bob", "ann", 10, "10.00")
    market.roll("20240102")
    return market


def test_a_short_seller_fails_for_securities_and_delivers_what_he_gets():
    market = short_market()
    assert market.roll("20240103")[1:] == [
        "ann: failed 10 X and 0, day 1, COUNTERPARTY",
        "bob: failed -10 X and 0, day 1, NO_SECURITIES",
    ]
    market.deposit("bob", "X", "4")
    assert market.roll("20240104")[1:] == [
        "ann: settled 4 X for -40 and 0, 6 and 0 left",
        "bob: settled -4 X for 40 and 0, -6 and 0 left",
        "ann: failed 6 X and 0, day 2, COUNTERPARTY",
        "bob: failed -6 X and 0, day 2, NO_SECURITIES",
    ]


def test_what_is_received_in_one_set_is_delivered_in_another_in_the_next_pass():
    market = short_market()
    trade(market, "eve", "bob", 10, "10.00")
    assert market.roll("20240103")[1:] == [
        "bob: netted 10 X at 10.00 and 0 of 20240102, due 2",
        "eve: netted -10 X at 10.00 and 0 of 20240102, due 2",
        "ann: failed 10 X and 0, day 1, COUNTERPARTY",
        "bob: failed -10 X and 0, day 1, NO_SECURITIES",
    ]
    assert market.roll("20240104")[1:] == [
        "ann: settled 10 X for -100 and 0",
        "bob: settled -10 X for 100 and 0",
        "bob: settled 10 X for -100 and 0",
        "eve: settled -10 X for 100 and 0",
    ]


def test_who_cannot_pay_takes_what_he_can_pay_for():
    market = Market((Market.terms(),), traders=("bob", "eve"))
    market.do(DefineAccount("ann", "ann"))
    market.deposit("ann", "USD", money("50"))
    market.settle_after(1)
    trade(market, "bob", "ann", 5, "10.00")
    trade(market, "ann", "eve", 5, "10.00")  # pays for the next, before it is there
    trade(market, "bob", "ann", 5, "10.00")
    market.hold("eve", "USD")
    market.roll("20240102")
    market.deposit("ann", "USD", money("9"))
    assert market.roll("20240103")[1:] == [
        "ann: settled 5 X for -50 and 0",
        "bob: settled -5 X for 50 and 0, -5 and 0 left",
        "bob: failed -5 X and 0, day 1, COUNTERPARTY",
        "eve: failed 5 X and 0, day 1, HELD",
    ]


def test_money_that_cannot_be_paid_is_paid_in_part():
    market = Market((Market.terms(),), traders=("bob", "eve"))
    market.do(DefineAccount("ann", "ann"))
    market.deposit("ann", "USD", money("110"))
    market.settle_after(1)
    trade(market, "bob", "ann", 10, "11.00")
    trade(market, "ann", "bob", 10, "9.00")
    assert market.roll("20240102")[1:] == [
        "ann: netted 0 X at 9.00 and -20 of no day, due 1",
        "bob: netted 0 X at 9.00 and 20 of no day, due 1",
    ]
    assert market.withdraw("ann", "USD", money("95")) == [
        "Withdraw refused, INSUFFICIENT_FUNDS: 90.00 USD are available in ann"
    ]
    market.hold("ann")
    assert market.roll("20240103")[1:] == [
        "ann: failed 0 X and -20, day 1, HELD",
        "bob: failed 0 X and 20, day 1, COUNTERPARTY",
    ]
    market.hold("ann", held=False)
    market.withdraw("ann", "USD", money("90"))
    assert market.roll("20240104")[1:] == ["ann: settled 0 X for 0 and -20", "bob: settled 0 X for 0 and 20"]


# -------------------------------------------------------------------------------------------------------- buy-ins


def test_a_delivery_that_failed_for_days_is_bought_in_for_what_it_is_worth_and_a_premium():
    market = short_market(buy_in_days=2, buy_in_premium_ppm=50_000)
    market.roll("20240103")
    trade(market, "eve", "ann", 1, "11.00")
    assert market.roll("20240104")[1:] == [
        "ann: netted 1 X at 11.00 and 0 of 20240103, due 3",
        "eve: netted -1 X at 11.00 and 0 of 20240103, due 3",
        "ann: failed 10 X and 0, day 2, COUNTERPARTY",
        "bob: failed -10 X and 0, day 2, NO_SECURITIES",
        "ann buys 10 X in from bob at 11.00: 15.5 for 100, fault securities",
    ]
    assert market.holding("bob") == ("0", "0")
    assert market.cash("bob") == ("984.5", "0")
    assert market.unsettled("bob") == ("0", "0")
    assert market.unsettled("ann") == ("1", "-11")
    assert market.cash("ann") == ("1000004.5", "0")


def test_who_does_not_pay_is_at_fault_himself():
    market = market_with(1, buy_in_days=1, buy_in_premium_ppm=50_000)
    trade(market, "bob", "ann", 10, "10.00")
    market.hold("ann", "USD")
    market.roll("20240102")
    trade(market, "bob", "eve", 1, "11.00")
    assert market.roll("20240103")[3:] == [
        "ann: failed 10 X and 0, day 1, HELD",
        "bob: failed -10 X and 0, day 1, COUNTERPARTY",
        "ann buys 10 X in from bob at 11.00: 4.5 for 100, fault cash",
    ]
    assert market.settled("bob") == ("10000", "999995.5")


def test_who_would_have_to_pay_and_cannot_is_passed_over():
    market = market_with(1, buy_in_days=1, buy_in_premium_ppm=50_000)
    trade(market, "bob", "ann", 10, "10.00")
    trade(market, "bob", "eve", 10, "10.00")
    market.hold("ann", "USD")
    market.hold("eve", "X")
    market.hold("bob", "X")
    market.roll("20240102")
    trade(market, "bob", "eve", 1, "9.00")
    assert market.roll("20240103")[3:] == [
        "ann: failed 10 X and 0, day 1, HELD",
        "bob: failed -20 X and 0, day 1, HELD",
        "eve: failed 10 X and 0, day 1, COUNTERPARTY",
        "eve buys 10 X in from bob at 9.00: -5.5 for 100, fault securities",
    ]
    assert market.settled("eve") == ("10000", "999994.5")


# ------------------------------------------------------------------------------------------- what may be spent


def test_what_was_bought_and_sold_for_may_be_spent_at_once():
    market = market_with(2)
    trade(market, "bob", "ann", 10_000, "10.00")
    assert market.holding("ann") == ("20000", "0")
    trade(market, "ann", "eve", 20_000, "10.00")
    assert market.holding("ann") == ("0", "0")
    assert market.unsettled("ann") == ("-10000", "100000")


def test_what_is_blocked_until_it_is_there():
    market = market_with(1, spend_unsettled=False)
    trade(market, "bob", "ann", 10, "10.00")
    assert market.holding("ann") == ("10010", "10")
    assert market.cash("bob") == ("1000100", "100")
    assert market.sell("ann", 10_001, "10.00") == [
        "ann o1: rejected, INSUFFICIENT_FUNDS: 10001 X needed, 10000 available in ann"
    ]
    market.roll("20240102")
    assert market.holding("ann") == ("10010", "10"), "netted, and not there"
    assert market.cash("bob") == ("1000100", "100")
    market.roll("20240103")
    assert market.holding("ann") == ("10010", "0")
    assert market.cash("bob") == ("1000100", "0")


def test_a_partial_delivery_frees_what_has_come():
    market = short_market(spend_unsettled=False)
    market.deposit("bob", "X", "4")
    market.roll("20240103")
    assert market.holding("ann") == ("10010", "6")
    assert market.cash("bob") == ("1100", "60")


def test_a_bust_takes_what_it_blocked():
    market = market_with(1, spend_unsettled=False)
    trade(market, "bob", "ann", 10, "10.00")
    market.sell("ann", 10_000, "11.00", id="all")
    market.buy("bob", 100_000, "10.00", id="all")
    assert market.bust(market.trades[0])[0].endswith("10 X at 10.00: busted")
    assert market.holding("ann") == ("10000", "10000")
    assert market.cash("bob") == ("1000000", "1000000")


def test_withdrawn_is_what_is_there_and_available():
    market = market_with(1)
    trade(market, "bob", "ann", 10, "10.00")
    assert market.withdraw("ann", "X", "10001") == ["Withdraw refused, INSUFFICIENT_FUNDS: 10000 X are available in ann"]
    assert market.withdraw("ann", "X", "10000") == ["ann: X -10000, now 10"]
    assert market.withdraw("bob", "USD", money("1000000.01")) == [
        "Withdraw refused, INSUFFICIENT_FUNDS: 1000000.00 USD are available in bob"
    ]
    assert market.sell("ann", 10, "10.00", id="s") == ["ann s: accepted, sell 10 X at 10.00 DAY"], "it may be sold all the same"
    market.cancel("ann", "s", SELL)
    trade(market, "ann", "eve", 5, "10.00")
    assert market.withdraw("ann", "X", "1") == ["Withdraw refused, INSUFFICIENT_FUNDS: -5 X are available in ann"]


def test_terms_that_come_into_force_block_and_free_at_once():
    market = market_with(2)
    trade(market, "bob", "ann", 10, "10.00")
    market.settle_after(2, spend_unsettled=False)
    assert market.holding("ann") == ("10010", "0")
    market.roll("20240102", 0)
    assert market.holding("ann") == ("10010", "10")
    market.settle_after(2)
    market.roll("20240103")
    assert market.holding("ann") == ("10010", "0")


# -------------------------------------------------------------------------------------------------------- extremes


def test_what_no_record_can_hold_is_several_obligations_and_counts_once():
    most = 2**63 - 1
    terms = Market.terms(
        price_decimals=2, quantity_decimals=8, quantity_max=most, value_max=most, reference_price=1, band_bps=1_000_000
    )
    market = Market((terms,), traders=("ann", "bob"), cash="0", holdings="0")
    market.deposit("bob", "X", str(3 * most))
    market.deposit("ann", "USD", str(3 * most))
    market.settle_after(1)
    for number in range(2):
        market.do(NewOrder("bob", "bob", f"s{number}", "bob", "X", SELL, LIMIT, DAY, 1, most))
        market.do(NewOrder("ann", "ann", f"b{number}", "ann", "X", BUY, LIMIT, DAY, 1, most))
    market.do(NewOrder("bob", "bob", "s3", "bob", "X", SELL, LIMIT, DAY, 1, 5))
    market.do(NewOrder("ann", "ann", "b3", "ann", "X", BUY, LIMIT, DAY, 1, 5))
    market.roll("20240102")
    assert [(line.account, line.quantity) for line in market.engine.obligations()] == [
        ("ann", most), ("ann", most), ("ann", 5), ("bob", -most), ("bob", -most), ("bob", -5),
    ]  # fmt: skip
    market.withdraw("ann", "USD", str(most - 5))
    market.withdraw("ann", "USD", "3")  # of what the trades have to be paid with nothing can be withdrawn
    assert market.engine.settled("ann", "USD") == 2 * most + 5
    market.hold("ann", "USD")
    market.roll("20240103")
    market.hold("ann", "USD", held=False)
    market.roll("20240104")
    assert list(market.engine.obligations()) == []
    assert market.engine.settled("ann", "X") == 2 * most + 5
