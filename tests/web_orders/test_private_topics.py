"""The topics of one's own, orders and balances: every tab of a participant follows, nobody else's does, and nothing is missed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.operator.conftest import Operator
from tests.venue import Venue
from tests.web_orders.conftest import Person, Tab

Persons = Callable[..., Person]


def open_orders(tab: Tab) -> list[Any]:
    return list(tab.builder.topics["orders"].data["orders"].values())


def sees(tab: Tab, *orders: dict[str, Any]) -> None:
    """That a tab comes to show these and no other."""
    tab.until(lambda: open_orders(tab) == list(orders), f"{len(orders)} open orders")


def executions(tab: Tab) -> list[Any]:
    return list(tab.builder.topics["orders"].data["executions"])


def test_two_tabs_see_what_either_does(venue: Venue, person: Persons, symbol: str) -> None:
    trader = person()
    with Tab(venue, trader, "orders") as one, Tab(venue, trader, "orders") as other:
        for tab in (one, other):
            assert tab.topic("orders").data == {"orders": {}, "executions": []}
        first = trader.enter(symbol=symbol, side="buy", quantity="10", price="90.00")
        second = trader.enter(symbol=symbol, side="buy", quantity="5", price="91.00")
        for tab in (one, other):
            sees(tab, first, second)
        changed = trader.change(first, price="92.00")
        for tab in (one, other):
            sees(tab, changed, second)
        trader.http.delete("/orders")
        for tab in (one, other):
            sees(tab)
        with Tab(venue, trader, "orders") as late:
            assert late.topic("orders").data == {"orders": {}, "executions": []}


def test_a_trade_is_told_to_both_sides_and_to_nobody_else(venue: Venue, person: Persons, symbol: str) -> None:
    buyer, seller, other = person(), person(), person()
    with Tab(venue, buyer, "orders") as bought, Tab(venue, seller, "orders") as sold, Tab(venue, other, "orders") as nothing:
        for tab in (bought, sold, nothing):
            tab.topic("orders")
        maker = buyer.enter(symbol=symbol, side="buy", quantity="10", price="100.00", cl_ord_id="maker")
        taker = seller.enter(symbol=symbol, side="sell", quantity="4", price="99.00", cl_ord_id="taker")
        assert taker["status"] == "filled"
        bought.until(lambda: executions(bought), "the execution")
        sold.until(lambda: executions(sold), "the execution")
        [mine], [theirs] = executions(bought), executions(sold)
        number = mine["id"].rstrip("M")
        assert mine == {
            "id": f"{number}M", "time": mine["time"], "symbol": symbol, "side": "buy", "price": "100.00", "quantity": "4",
            "fee": "0.00", "account": buyer.name, "order_id": maker["order_id"], "cl_ord_id": "maker", "liquidity": "maker",
            "status": "traded",
        }  # fmt: skip
        assert theirs == {
            **mine, "id": f"{number}T", "side": "sell", "account": seller.name, "order_id": taker["order_id"],
            "cl_ord_id": "taker", "liquidity": "taker",
        }  # fmt: skip
        [left] = open_orders(bought)
        assert (left["status"], left["executed"], left["leaves"], left["average_price"]) == ("partially-filled", "4", "6", "100.00")
        assert open_orders(sold) == []
        # What is told to the other comes behind all that: there is nothing of it.
        own = other.enter(symbol=symbol, side="buy", quantity="1", price="60.00")
        nothing.until(lambda: open_orders(nothing), "his own order")
        assert nothing.builder.topics["orders"].data == {"orders": {own["order_id"]: own}, "executions": []}


def test_a_trade_that_is_taken_back_is_told(venue: Venue, person: Persons, symbol: str) -> None:
    buyer, seller = person(), person()
    with Tab(venue, buyer, "orders", "balances") as tab, Operator(venue) as operator:
        tab.topic("orders")
        tab.topic("balances")
        buyer.enter(symbol=symbol, side="buy", quantity="10", price="100.00")
        seller.enter(symbol=symbol, side="sell", quantity="4", price="100.00")
        tab.until(lambda: executions(tab), "the execution")
        number = executions(tab)[0]["id"].rstrip("M")
        operator.do("correct", trade=number, price="101.00")
        tab.until(lambda: executions(tab)[-1]["status"] == "corrected", "the correction")
        assert executions(tab)[-1] == {**executions(tab)[0], "price": "101.00", "status": "corrected"}
        assert open_orders(tab)[0]["average_price"] == "101.00"
        operator.do("bust", trade=number)
        tab.until(lambda: executions(tab)[-1]["status"] == "busted", "the bust")
        tab.until(lambda: open_orders(tab)[0]["executed"] == "0", "the order without it")
        assert (open_orders(tab)[0]["leaves"], open_orders(tab)[0]["average_price"]) == ("6", None)
        tab.until(lambda: cash(tab) == ("1000000000.00", "600.00", "999999400.00"), "the money back")
        with Tab(venue, buyer, "orders") as late:
            late.topic("orders")
            assert executions(late) == executions(tab)[-1:]


def cash(tab: Tab) -> tuple[str, ...]:
    """Total, reserved and available of the only currency."""
    [found] = tab.builder.topics["balances"].data["balances"]
    return found["total"], found["reserved"], found["available"]


def holding(tab: Tab, symbol: str) -> tuple[str, ...]:
    [found] = [one for one in tab.builder.topics["balances"].data["holdings"] if one["symbol"] == symbol]
    return found["quantity"], found["reserved"], found["available"]


def test_balances_follow_orders_trades_and_payments(venue: Venue, person: Persons, symbol: str) -> None:
    buyer, seller = person(), person()
    with Tab(venue, buyer, "balances") as bought, Tab(venue, seller, "balances") as sold:
        bought.topic("balances")
        sold.topic("balances")
        assert cash(bought) == ("1000000000.00", "0.00", "1000000000.00")
        buyer.enter(symbol=symbol, side="buy", quantity="10", price="100.00")
        bought.until(lambda: cash(bought) == ("1000000000.00", "1000.00", "999999000.00"), "what the order reserves")
        seller.enter(symbol=symbol, side="sell", quantity="4", price="100.00")
        bought.until(lambda: cash(bought) == ("999999600.00", "600.00", "999999000.00"), "what was paid")
        assert holding(bought, symbol) == ("1000004", "0", "1000004")
        sold.until(lambda: cash(sold) == ("1000000400.00", "0.00", "1000000400.00"), "what was earned")
        assert holding(sold, symbol) == ("999996", "0", "999996")
        seller.enter(symbol=symbol, side="sell", quantity="6", price="105.00")
        sold.until(lambda: holding(sold, symbol) == ("999996", "6", "999990"), "what is offered")
        with Operator(venue) as operator:
            operator.do("deposit", account=seller.name, asset="USD", amount="25.50")
        sold.until(lambda: cash(sold) == ("1000000425.50", "0.00", "1000000425.50"), "the deposit")
        said = buyer.http.get("/balance").json()["balances"], buyer.http.get("/holdings").json()["holdings"]
        data = bought.builder.topics["balances"].data
        assert said == (data["balances"], data["holdings"])


def test_after_a_new_connection_it_goes_on_where_it_was(venue: Venue, person: Persons, symbol: str) -> None:
    trader = person()
    with Tab(venue, trader, "orders") as tab:
        topic = tab.topic("orders")
        first = trader.enter(symbol=symbol, side="buy", quantity="1", price="90.00")
        tab.until(lambda: open_orders(tab) == [first], "the order")
    second = trader.enter(symbol=symbol, side="buy", quantity="2", price="90.00")
    with Tab(venue, trader, topic.where) as again:
        again.builder.topics["orders"] = topic
        again.until(lambda: open_orders(again) == [first, second], "what was done meanwhile")
        assert topic.snapshots == 1


def test_who_has_not_signed_in_follows_nothing_of_anybody(venue: Venue, person: Persons) -> None:
    trader = person()
    trader.token = "none"
    with Tab(venue, trader, "orders", "balances", "traffic") as tab:
        tab.until(lambda: len(tab.builder.others) == 4, "four refusals")
        assert [one["code"] for one in tab.builder.others] == ["bad-token"] + ["not-signed-in"] * 3
        assert not tab.builder.topics
