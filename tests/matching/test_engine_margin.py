"""Rules of margin: what is reserved for what was sold short, who is called, and what may be done while one is."""

from typing import Any

import pytest

from matching.messages import BUY, GTC, SELL, DefineAccount
from tests.matching.market import COIN, STOCK, Market, money


def market_with(initial: int = 500_000, maintenance: int = 300_000, cash: str = "1000") -> Market:
    """ann has X and cash; bob has cash, no X, and may sell 1,000 of it short."""
    market = Market(traders=("ann",))
    market.do(DefineAccount("bob", "bob", short_max=1_000))
    market.deposit("bob", "USD", money(cash))
    assert market.margin(initial, maintenance) == [f"X: margin {initial} and {maintenance} ppm"]
    return market


def short(market: Market, quantity: int, price: str = "10.00") -> None:
    """Have bob sell to ann what he does not have."""
    number = len(market.trades)
    market.buy("ann", quantity, price, id=f"b{number}")
    market.sell("bob", quantity, price, id=f"s{number}")
    assert len(market.trades) == number + 1


def mark(market: Market, price: str) -> list[str]:
    """Let ann trade one X with herself at a price; what came of it for others."""
    market.do(DefineAccount("ann", "ann", self_trade="allow"))
    number = len(market.trades)
    market.buy("ann", 1, price, id=f"m{number}")
    return market.sell("ann", 1, price, id=f"n{number}")[2:]


# ---------------------------------------------------------------------------------------------------------- initial


def test_without_a_margin_what_is_sold_short_costs_nothing():
    market = Market(traders=("ann",))
    market.do(DefineAccount("bob", "bob", short_max=10))
    assert market.sell("bob", 10, "10.00") == ["bob o1: accepted, sell 10 X at 10.00 DAY"]


def test_the_margin_of_a_short_sale_is_reserved_from_the_order_on():
    market = market_with()
    market.sell("bob", 10, "10.50", id="s1")
    assert market.cash("bob") == ("1000", "50"), "10 x 10.00 x 50 %"
    market.buy("ann", 4, "10.50", id="b1")
    assert market.cash("bob") == ("1042", "52.5"), "the last price is 10.50 now"
    market.cancel("bob", "s1", SELL)
    assert market.cash("bob") == ("1042", "21")
    market.deposit("bob", "X", "3")
    assert market.cash("bob") == ("1042", "5.25")
    market.margin(0, 0)
    assert market.cash("bob") == ("1042", "0")
    assert not market.engine.market.margined


def test_what_is_there_needs_no_margin():
    market = market_with()
    market.deposit("bob", "X", "10")
    market.sell("bob", 10, "10.00", id="s1")
    assert market.cash("bob") == ("1000", "0")
    market.sell("bob", 1, "10.00", id="s2")
    assert market.cash("bob") == ("1000", "5")


def test_a_short_sale_needs_the_cash_for_its_margin():
    market = market_with(cash="50")
    assert market.sell("bob", 11, "10.00", id="s1") == [
        "bob s1: rejected, INSUFFICIENT_FUNDS: 55.00 USD needed as margin, 50.00 available in bob"
    ]
    assert market.sell("bob", 10, "10.00", id="s2") == ["bob s2: accepted, sell 10 X at 10.00 DAY"]
    assert market.replace("bob", "s2", 11, "10.00", id="r1", side=SELL) == [
        "bob r1: replace of s2 rejected, status 0, INSUFFICIENT_FUNDS: 5.00 USD needed as margin, 0.00 available in bob"
    ]
    assert market.replace("bob", "s2", 9, "10.10", id="r2", side=SELL)[0].startswith("bob s2: replaced")
    assert market.cash("bob") == ("50", "45")


def test_the_margin_goes_with_the_mark_and_may_be_more_than_there_is():
    market = market_with(cash="50")
    short(market, 10)
    assert market.cash("bob") == ("150", "50")
    assert mark(market, "11.00") == []
    assert market.cash("bob") == ("150", "55")
    assert market.withdraw("bob", "USD", money("96")) == [
        "Withdraw refused, INSUFFICIENT_FUNDS: 95.00 USD are available in bob"
    ]


def test_a_quote_needs_the_margin_beside_the_cost_of_its_bid():
    market = market_with(cash="140")
    assert market.quote("bob", market.entry((10, "9.50"), (10, "10.50"))) == [
        "bob q1: e1 rejected, INSUFFICIENT_FUNDS: 50.00 USD needed as margin, 45.00 available in bob"
    ]
    assert market.quote("bob", market.entry((9, "9.50"), (10, "10.50")))[0] == "bob q1: e1 accepted"
    assert market.cash("bob") == ("140", "135.5")
    assert market.quote("bob", market.entry((9, "9.50"), (10, "10.60")), id="q2")[0] == "bob q2: e1 accepted", "in its place"
    assert market.quote("bob", market.entry((9, "9.50"), (11, "10.60")), id="q3") == [
        "bob q3: e1 rejected, INSUFFICIENT_FUNDS: 5.00 USD needed as margin, 4.50 available in bob"
    ]


def test_a_list_needs_the_margin_of_its_largest_sell_beside_its_largest_buy():
    market = market_with(cash="140")
    orders = [market.order("bob", BUY, 10, "9.50", id="l1"), market.order("bob", SELL, 10, "10.50", id="l2")]
    assert market.one_cancels_the_other("bob", *orders)[0] == (
        "bob list l1: rejected, INSUFFICIENT_FUNDS: 50.00 USD needed as margin, 45.00 available in bob"
    )
    market.deposit("bob", "USD", money("5"))
    orders = [market.order("bob", BUY, 10, "9.50", id="l3"), market.order("bob", SELL, 10, "10.50", id="l4")]
    assert market.one_cancels_the_other("bob", *orders, id="l2")[0].startswith("bob list l2: accepted")
    assert market.cash("bob") == ("145", "145")
    assert market.replace("bob", "l4", 11, "10.50", side=SELL) == [
        "bob r1: replace of l4 rejected, status 0, INSUFFICIENT_FUNDS: 5.00 USD needed as margin, 0.00 available in bob"
    ]
    assert market.cash("bob") == ("145", "145")


def test_an_order_that_was_triggered_is_canceled_where_its_margin_is_missing():
    market = market_with(cash="140")
    orders = [market.order("bob", BUY, 10, "10.00", id="l1"), market.order("bob", SELL, 100, "10.50", id="l2")]
    market.one_triggers_the_other("bob", *orders)
    assert market.sell("ann", 10, "10.00")[2:] == ["bob l2: canceled, INSUFFICIENT_FUNDS, 100 left"]


@pytest.mark.parametrize("rates", [(-1, -1), (1, 2), (10_000_001, 0), (5, -1)])
def test_margins_have_limits(rates: tuple[int, int]):
    assert Market().margin(*rates) == [
        "SetMargin refused, BAD_DEFINITION: margins are 0 to 1,000 %, and that of maintenance is not above the initial one"
    ]


def test_margins_are_of_an_instrument():
    assert Market().margin(1, 1, "Z") == ["SetMargin refused, UNKNOWN_INSTRUMENT: unknown symbol Z"]


def test_what_the_configuration_said_is_remembered():
    market = market_with(2, 1)
    market.margin(3, 2, by="op")
    configured = market.engine.instruments["X"].margin_configured
    assert configured is not None
    assert configured.initial_ppm == 2


# ------------------------------------------------------------------------------------------------------------ calls


def called_market() -> Market:
    """bob is short 100 X, sold at 10.00 with 220 of his own: at 11.00 he is short of 330 by 110."""
    market = market_with(maintenance=300_000, initial=300_000, cash="320")
    market.deposit("ann", "USD", money("100000"))
    short(market, 100)
    market.withdraw("bob", "USD", money("0.01"))
    return market


def test_who_has_less_than_his_short_positions_require_is_called_once():
    market = called_market()
    assert mark(market, "10.10") == [], "309.99 are more than 303"
    assert mark(market, "10.20") == ["bob: called, 299.99 USD of 306"]
    assert mark(market, "10.30") == []
    assert market.engine.accounts["bob"].called == {"USD"}
    assert market.deposit("bob", "USD", money("100")) == [
        "bob: USD 100, now 1419.99",
        "bob: call ended, 389.99 USD of 309",
    ]
    assert market.engine.equity("bob", "USD") == int(money("389.99"))


def test_opening_orders_end_with_the_call_and_closing_ones_stay():
    market = called_market()
    market.do(COIN)
    market.buy("bob", 30, "9.10", id="closes", tif=GTC)
    market.buy("bob", 71, "9.00", id="too much", tif=GTC)
    market.buy("bob", 10, "9.00", id="closes too", tif=GTC)
    market.sell("bob", 1, "10.90", id="short", tif=GTC)
    market.buy("bob", "0.0001", "40000.00", of="COIN", id="coin", tif=GTC)
    assert mark(market, "10.20") == [
        "bob: called, 299.99 USD of 306",
        "bob too much: canceled, MARGIN_CALL, 71 left",
        "bob short: canceled, MARGIN_CALL, 1 left",
        "bob coin: canceled, MARGIN_CALL, 0.0001 left",
    ]
    assert market.book()[0] == ["bob closes 30 at 9.10", "bob closes too 10 at 9.00"]
    assert market.cash("bob") == ("1319.99", "669"), "363 for the orders, 306 as margin"


@pytest.mark.parametrize(
    ("order", "taken"),
    [
        ({"side": BUY, "quantity": 100}, True),
        ({"side": BUY, "quantity": 101}, False),
        ({"side": SELL, "quantity": 1}, False),
        ({"side": BUY, "quantity": 1, "price": "9.00", "shown": 1}, True),
    ],
)
def test_only_closing_orders_are_taken_while_one_is_called(order: dict[str, Any], taken: bool):
    market = called_market()
    mark(market, "10.20")
    side, quantity = order.pop("side"), order.pop("quantity")
    lines = market.do(market.order("bob", side, quantity, order.pop("price", "9.00" if side == BUY else "11.00"), id="o1", **order))
    if taken:
        assert lines[0].startswith("bob o1: accepted")
    else:
        assert lines == ["bob o1: rejected, MARGIN_CALL: bob has a margin call in USD: it may only close positions"]


def test_a_replace_and_a_list_and_a_quote_are_asked_likewise():
    market = called_market()
    mark(market, "10.20")
    refused = "MARGIN_CALL: bob has a margin call in USD: it may only close positions"
    market.buy("bob", 30, "9.00", id="b1")
    market.buy("bob", 40, "9.00", id="b2")
    assert market.replace("bob", "b2", 71, "9.00", id="r1") == [f"bob r1: replace of b2 rejected, status 0, {refused}"]
    assert market.replace("bob", "b1", 70, "9.00", id="r2")[0].startswith("bob b1: replaced"), "those behind it do not count"
    assert market.replace("bob", "b2", 10, "9.00", id="r3")[0].startswith("bob b2: replaced")
    assert market.buy("bob", 21, "9.00", id="b3") == [f"bob b3: rejected, {refused}"]
    orders = [market.order("bob", BUY, 1, "9.00", id="l1"), market.order("bob", BUY, 1, "9.10", id="l2")]
    assert market.one_cancels_the_other("bob", *orders)[0] == f"bob list l1: rejected, {refused}"
    assert market.quote("bob", market.entry((21, "9.00"))) == [f"bob q1: e1 rejected, {refused}"]
    market.mass_cancel("bob")
    assert market.quote("bob", market.entry((100, "9.00")), id="q2")[0] == "bob q2: e1 accepted"
    assert market.quote("bob", market.entry((100, "9.10")), id="q3")[0] == "bob q3: e1 accepted", "in its place"
    assert market.quote("bob", market.entry((100, "9.10"), (1, "10.90")), id="q4") == [f"bob q4: e1 rejected, {refused}"]


def test_a_call_is_of_a_currency():
    market = called_market()
    market.do(Market.terms(instrument="Y", currency="EUR"))
    market.deposit("bob", "EUR", money("1000"))
    market.buy("bob", 10, "10.00", of="Y", id="y1")
    assert mark(market, "10.20") == ["bob: called, 299.99 USD of 306"]
    assert market.buy("bob", 10, "10.00", of="Y", id="y2") == ["bob y2: accepted, buy 10 Y at 10.00 DAY"]


def test_a_call_ends_when_nothing_is_short_any_more():
    market = called_market()
    mark(market, "10.20")
    market.sell("ann", 100, "10.10", id="sells")
    assert market.buy("bob", 100, "10.10", id="covers")[1:] == [
        "bob covers buys 100 X at 10.10 from ann sells: 0 and 0 left",
        "bob: call ended, 309.99 USD of 0",
    ]


def test_a_call_ends_with_the_margin():
    market = called_market()
    mark(market, "10.20")
    assert market.margin(300_000, 0) == ["X: margin 300000 and 0 ppm", "bob: call ended, 299.99 USD of 0"]
    assert market.margin(0, 0) == ["X: margin 0 and 0 ppm"]


def test_pegged_orders_get_their_prices_after_a_call_has_canceled_what_they_were_pegged_to():
    market = called_market()
    market.do(STOCK)
    market.buy("ann", 1, "9.00", id="behind", tif=GTC)
    market.buy("bob", 101, "9.10", id="too much", tif=GTC)
    market.buy("ann", 1, peg="primary", id="peg", tif=GTC)
    assert market.dividend("0.20") == [
        "X: dividend of 0.2, 2 accounts",
        "ann: dividend of 2020 on 10100 X",
        "bob: dividend of -20 on -100 X",
        "bob: called, 299.99 USD of 300",
        "bob too much: canceled, MARGIN_CALL, 101 left",
        "ann peg: repriced to 9.00",
    ]
    assert market.book()[0] == ["ann behind 1 at 9.00", "ann peg 1 at 9.00"]
