"""The topic `traffic`: a participant's own FIX messages of all his sessions, decoded, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.venue import Venue, cancel, order, replace, wait_for
from tests.web_orders.conftest import Person, Tab, wait_for_order_entry

Persons = Callable[..., Person]


def messages(tab: Tab) -> list[Any]:
    return list(tab.builder.topics["traffic"].data["messages"])


def outline(found: list[Any], session: str = "") -> list[tuple[str, str, list[str]]]:
    """Direction, name and ClOrdIDs of those of orders."""
    return [
        (one["direction"], one["name"], one["cl_ord_ids"])
        for one in found
        if one["cl_ord_ids"] and one["session"].startswith(session)
    ]


def value(message: dict[str, Any], tag: int) -> list[Any]:
    """Name, value and meaning of a field."""
    [found] = [field[1:] for field in message["fields"] if field[0] == tag]
    return list(found)


def test_an_order_is_followed_from_its_first_message_to_its_last(venue: Venue, person: Persons, symbol: str) -> None:
    trader = person()
    client = venue.client(trader.name).logon()
    client.send("D", order("A1", "1", 10, "90.00", symbol))
    client.expect("8", "39=0")
    with Tab(venue, trader, "traffic") as tab:
        tab.topic("traffic")  # what was before is there
        assert outline(messages(tab)) == [("in", "NewOrderSingle", ["A1"]), ("out", "ExecutionReport", ["A1"])]
        client.send("G", replace("A2", "A1", "1", 8, "91.00", symbol))
        client.expect("8", "150=5")
        client.send("F", cancel("A3", "A2", "1", symbol))
        client.expect("8", "39=4")
        client.send("F", cancel("A4", "A2", "1", symbol))
        client.expect("9")
        tab.until(lambda: len(outline(messages(tab))) == 8, "all messages of orders")
        assert outline(messages(tab))[2:] == [
            ("in", "OrderCancelReplaceRequest", ["A2", "A1"]), ("out", "ExecutionReport", ["A2", "A1"]),
            ("in", "OrderCancelRequest", ["A3", "A2"]), ("out", "ExecutionReport", ["A3", "A2"]),
            ("in", "OrderCancelRequest", ["A4", "A2"]), ("out", "OrderCancelReject", ["A4", "A2"]),
        ]  # fmt: skip
        reports = [one for one in messages(tab) if one["type"] == "8"]
        assert len({one["order_id"] for one in reports}) == 1 and all(one["order_id"].isdigit() for one in reports)
        assert {one["session"] for one in messages(tab)} == {f"{trader.name}/FIX.4.4"}
        last = reports[-1]
        assert value(last, 39) == ["OrdStatus", "4", "canceled"]
        assert value(last, 54) == ["Side", "1", "buy"]
        assert value(last, 55) == ["Symbol", symbol, None]
        assert value(last, 35) == ["MsgType", "8", "ExecutionReport"]
        assert last["raw"].startswith("8=FIX.4.4|9=") and "|39=4|" in last["raw"] and last["raw"].endswith("|")
        assert "|".join(f"{field[0]}={field[2]}" for field in last["fields"]) + "|" == last["raw"]
    client.close()


def test_orders_by_rest_are_among_it_and_nobody_elses(venue: Venue, person: Persons, symbol: str) -> None:
    trader, other = person(), person()
    with Tab(venue, trader, "traffic") as tab, Tab(venue, other, "traffic") as others:
        tab.topic("traffic")
        assert others.topic("traffic").data == {"messages": []}
        name = trader.enter(symbol=symbol, side="buy", quantity="1", price="90.00")["cl_ord_id"]
        tab.until(lambda: len(messages(tab)) == 2, "request and report")
        assert [(one["session"], one["name"], one["cl_ord_ids"]) for one in messages(tab)] == [
            ("WEB/FIXT.1.1", "NewOrderSingle", [name]), ("WEB/FIXT.1.1", "ExecutionReport", [name]),
        ]  # fmt: skip
        assert value(messages(tab)[0], 115) == ["OnBehalfOfCompID", trader.name, None]
        own = other.enter(symbol=symbol, side="sell", quantity="1", price="110.00")["cl_ord_id"]
        others.until(lambda: len(messages(others)) == 2, "his own")
        assert [one["cl_ord_ids"] for one in messages(others)] == [[own], [own]]


def test_no_password_is_shown(venue: Venue, person: Persons) -> None:
    trader = person()
    at_the_exchange = venue.client(trader.name).logon()
    at_the_feed = venue.client(trader.name, target="FIXSERVER-MD")
    at_the_feed._port = lambda: venue.ports("marketdata")["fix"]
    at_the_feed.logon()
    with Tab(venue, trader, "traffic") as tab:
        tab.topic("traffic")
        tab.until(lambda: len(messages(tab)) >= 4, "both Logons and their answers")
        found = [one for one in messages(tab) if one["type"] == "A" and one["direction"] == "in"]
        assert sorted(one["session"] for one in found) == [f"{trader.name}/FIX.4.4", f"{trader.name}/FIX.4.4 market data"]
        for one in found:
            assert value(one, 554) == ["Password", "***", None] and "demo" not in str(one)
        at_the_feed.send("V", "262=R|263=0|264=1|267=1|269=0|146=1|55=S1|")
        at_the_feed.expect("W")
        asked = ["MarketDataRequest", "MarketDataSnapshotFullRefresh"]
        tab.until(lambda: [one["name"] for one in messages(tab)][-2:] == asked, "request and answer")
    at_the_exchange.close()
    at_the_feed.close()


def test_it_goes_on_when_the_exchange_comes_back(venue: Venue, person: Persons, symbol: str) -> None:
    trader = person()
    with Tab(venue, trader, "traffic", "orders") as tab:
        tab.topic("traffic")
        before = trader.enter(symbol=symbol, side="buy", quantity="1", price="90.00")["cl_ord_id"]
        tab.until(lambda: len(messages(tab)) == 2, "request and report")
        venue.kill()
        venue.start()
        wait_for_order_entry(venue)

        def entered() -> Any:
            answer = trader.post(symbol=symbol, side="buy", quantity="1", price="90.00")
            return answer.json().get("cl_ord_id") if answer.status_code == 201 else None

        after = wait_for(entered, "an order is taken")
        tab.until(lambda: len(messages(tab)) >= 4, "request and report")
        assert outline(messages(tab)) == [
            ("in", "NewOrderSingle", [before]), ("out", "ExecutionReport", [before]),
            ("in", "NewOrderSingle", [after]), ("out", "ExecutionReport", [after]),
        ]  # fmt: skip


def test_what_comes_too_fast_is_missed_and_said_to_be(venue: Venue, person: Persons, symbol: str) -> None:
    trader = person()
    client = venue.client(trader.name).logon()
    with Tab(venue, trader, "traffic") as tab:
        tab.topic("traffic")
        count = 2_500
        client.send_many(client.build("D", order(f"F{number}", "1", 1, "60.00", symbol)) for number in range(count))
        client.drain(lambda message: message.get(11) == f"F{count - 1}")
        tab.until(lambda: any("dropped" in one for one in messages(tab)), "some are missed")
        shown = [one for one in messages(tab) if "dropped" not in one]
        assert len(shown) < 2 * count
        with Tab(venue, trader, "traffic") as late:
            found = late.topic("traffic").data["messages"]
            assert len(found) <= 200 and all("dropped" not in one for one in found)
    client.send("q", "11=all|530=7|60=20261121-00:00:00|")
    client.drain(lambda message: message.type == "r")
    client.close()
