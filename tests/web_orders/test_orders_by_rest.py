"""Orders by REST: each kind is taken as it was said, trades, is replaced and canceled; what is refused says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.operator.conftest import Operator
from tests.venue import Venue, order, wait_for
from tests.web.asking import error, refusal
from tests.web_orders.conftest import Person

Persons = Callable[..., Person]

PLAIN = {
    "side": "buy", "type": "limit", "time_in_force": "day", "quantity": "10", "price": None, "stop_price": None,
    "display_quantity": None, "min_quantity": None, "post_only": False, "peg": None, "peg_offset": None, "expire_time": None,
    "status": "new", "executed": "0", "leaves": "10", "average_price": None, "reason": None,
}  # fmt: skip
LATER = "2037-01-01T10:00:00.123456789Z"
CANCELED = {"status": "canceled", "leaves": "0"}

# What is entered, and in what the answer differs from that and from PLAIN.
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "limit": ({"price": "99.00"}, {}),
    "good till canceled": ({"price": "99.00", "time_in_force": "gtc"}, {}),
    "good till date": ({"price": "99.00", "time_in_force": "gtd", "expire_time": LATER}, {}),
    "immediate or cancel": ({"price": "99.00", "time_in_force": "ioc"}, {**CANCELED, "reason": "ioc-remainder"}),
    "fill or kill": ({"price": "99.00", "time_in_force": "fok"}, {**CANCELED, "reason": "fok-not-fillable"}),
    "at the close": ({"price": "99.00", "time_in_force": "at-the-close"}, {"status": "waiting"}),
    "market": ({"type": "market"}, {**CANCELED, "reason": "market-remainder"}),
    "market to limit": ({"type": "market-to-limit"}, {**CANCELED, "reason": "market-remainder"}),
    "stop": ({"type": "stop", "stop_price": "101.00"}, {"status": "waiting"}),
    "stop limit": ({"type": "stop-limit", "stop_price": "101.00", "price": "102.00"}, {"status": "waiting"}),
    "pegged to its own side": ({"type": "pegged", "peg": "primary", "peg_offset": "-0.02"}, {"status": "waiting"}),
    "pegged to the middle": ({"type": "pegged", "peg": "midpoint", "price": "100.00"}, {"status": "waiting"}),
    "pegged to the other side": ({"type": "pegged", "peg": "market", "peg_offset": "0.01"}, {"status": "waiting"}),
    "iceberg": ({"price": "99.00", "display_quantity": "2"}, {}),
    "minimum quantity": (
        {"price": "99.00", "time_in_force": "ioc", "min_quantity": "5"}, {**CANCELED, "reason": "min-quantity"},
    ),
    "post only": ({"price": "99.00", "post_only": True}, {}),
    "a name of one's own": ({"price": "99.00", "cl_ord_id": "my/order:1"}, {}),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(KINDS))
def test_an_order_of_each_kind_is_what_was_said(person: Persons, symbol_of_kinds: str, kind: str) -> None:
    said, differs = KINDS[kind]
    trader = person("TRADER1")
    found = trader.enter(symbol=symbol_of_kinds, side="buy", quantity="10", **said)
    order_id, name, entered = found["order_id"], found["cl_ord_id"], found["entered"]
    due = {
        **PLAIN, **said, **differs, "order_id": order_id, "cl_ord_id": said.get("cl_ord_id", name), "account": "TRADER1",
        "session": "WEB/FIXT.1.1", "symbol": symbol_of_kinds, "entered": entered,
    }  # fmt: skip
    assert found == due
    if found["status"] == "canceled":
        assert trader.orders() == []
    else:
        assert trader.orders() == [due]
        assert trader.delete(order_id).json() == {**due, **CANCELED}
    assert trader.orders() == []
    assert error(trader.delete(order_id)) == (409, "too-late")


@pytest.fixture(scope="module")
def symbol_of_kinds(symbols: Any) -> str:
    return str(next(symbols))


def test_an_order_at_the_opening_is_taken_before_it(venue: Venue, person: Persons, symbol: str) -> None:
    with Operator(venue) as operator:
        operator.do("phase", phase="pre-open", symbol=symbol)
        trader = person()
        found = trader.enter(symbol=symbol, side="sell", quantity="5", price="101.00", time_in_force="at-the-opening")
        assert (found["time_in_force"], found["status"]) == ("at-the-opening", "new")
        operator.do("phase", phase="continuous", symbol=symbol)
    wait_for(lambda: trader.orders() == [], "it ends with the opening")


def test_what_trades_at_once_has_traded_in_the_answer(person: Persons, symbol: str) -> None:
    maker, taker = person(), person()
    first = maker.enter(symbol=symbol, side="sell", quantity="3", price="100.00")
    second = maker.enter(symbol=symbol, side="sell", quantity="10", price="100.01")
    found = taker.enter(symbol=symbol, side="buy", quantity="5", price="100.05", time_in_force="ioc")
    assert (found["status"], found["executed"], found["leaves"], found["average_price"]) == ("filled", "5", "0", "100.004000")
    found = taker.enter(symbol=symbol, side="buy", quantity="20", price="100.01")
    assert (found["status"], found["executed"], found["leaves"], found["average_price"]) == (
        "partially-filled", "8", "12", "100.01",
    )  # fmt: skip
    assert taker.orders() == [found] and maker.orders() == []
    for ended in (first, second):
        assert error(maker.delete(ended["order_id"])) == (409, "too-late")
        assert error(maker.patch(ended["order_id"], quantity="1")) == (409, "too-late")


def test_what_a_replace_does_not_name_stays(person: Persons, symbol: str) -> None:
    trader = person()
    found = trader.enter(
        symbol=symbol, side="sell", quantity="100", price="101.00", display_quantity="10", time_in_force="gtd", expire_time=LATER,
        post_only=True,
    )  # fmt: skip
    cheaper = trader.change(found, price="100.50")
    assert cheaper == {**found, "price": "100.50", "cl_ord_id": cheaper["cl_ord_id"]} and cheaper["cl_ord_id"] != found["cl_ord_id"]
    smaller = trader.change(cheaper, quantity="50", cl_ord_id="smaller")
    assert smaller == {**cheaper, "quantity": "50", "leaves": "50", "cl_ord_id": "smaller"}
    plain = trader.change(smaller, display_quantity=None, post_only=False, time_in_force="day")
    assert plain == {
        **smaller, "display_quantity": None, "post_only": False, "time_in_force": "day", "expire_time": None,
        "cl_ord_id": plain["cl_ord_id"],
    }  # fmt: skip
    stop = trader.change(plain, type="stop", stop_price="99.00")
    assert (stop["type"], stop["price"], stop["stop_price"], stop["status"]) == ("stop", None, "99.00", "waiting")
    assert trader.orders() == [stop]


def test_a_replace_that_leaves_nothing_ends_the_order(person: Persons, symbol: str) -> None:
    trader, other = person(), person()
    found = trader.enter(symbol=symbol, side="buy", quantity="10", price="100.00")
    other.enter(symbol=symbol, side="sell", quantity="4", price="100.00")
    ended = trader.change(found, quantity="4")
    assert (ended["status"], ended["quantity"], ended["executed"], ended["leaves"]) == ("filled", "4", "4", "0")
    assert trader.orders() == []


def test_an_order_of_a_session_of_ones_own_is_changed_and_canceled_here_and_the_other_way_round(
    venue: Venue, person: Persons, symbol: str
) -> None:
    trader = person()
    client = venue.client(trader.name).logon()
    client.send("D", order("mine", "1", 10, "99.00", symbol, "18=o|"))
    order_id = client.expect("8", "39=0|11=mine")[37]
    found = wait_for(trader.orders, "the feed has it")
    assert [(one["order_id"], one["cl_ord_id"], one["session"]) for one in found] == [
        (order_id, "mine", f"{trader.name}/FIX.4.4")
    ]
    changed = trader.change(found[0], price="98.00", cl_ord_id="changed")
    assert (changed["order_id"], changed["price"], changed["session"]) == (order_id, "98.00", "WEB/FIXT.1.1")
    # A replace moves the order to the session that asked for it, which said what the order said before.
    client.send("F", f"41=changed|11=gone|55={symbol}|54=1|60=20261121-00:00:00|")
    client.expect("8", f"150=5|37={order_id}|11=changed|41=mine")
    canceled = client.expect("8", f"39=4|37={order_id}|11=gone")
    assert canceled.get(18) == "o"
    wait_for(lambda: trader.orders() == [], "the feed has it")
    client.close()


def test_the_side_of_a_quote_goes_with_its_quote_or_with_all(venue: Venue, person: Persons, symbol: str) -> None:
    trader = person()
    client = venue.client(trader.name).logon()
    client.send("i", f"117=Q1|296=1|302=1|304=1|295=1|299=E1|55={symbol}|132=99.00|133=101.00|134=5|135=6|")
    bid, offer = wait_for(trader.orders, "the feed has both sides")
    assert [(one["side"], one["quantity"], one["cl_ord_id"]) for one in (bid, offer)] == [("buy", "5", ""), ("sell", "6", "")]
    for answer in (trader.delete(bid["order_id"]), trader.patch(bid["order_id"], quantity="1")):
        assert refusal(answer) == (
            409, "is-a-quote", f"order {bid['order_id']} is a side of a quote: it is replaced or withdrawn with that",
        )  # fmt: skip
    assert trader.http.delete("/orders").json() == {"canceled": 2}
    assert trader.orders() == []
    client.close()


def test_all_are_canceled_or_those_in_one_instrument(person: Persons, symbols: Any) -> None:
    trader, other, one, another = person(), person(), next(symbols), next(symbols)
    for symbol in (one, one, another):
        trader.enter(symbol=symbol, side="buy", quantity="1", price="90.00")
    kept = other.enter(symbol=one, side="buy", quantity="1", price="90.00")
    assert trader.http.delete("/orders", params={"symbol": one}).json() == {"canceled": 2}
    assert [found["symbol"] for found in trader.orders()] == [another]
    trader.enter(symbol=one, side="buy", quantity="1", price="90.00")
    assert trader.http.delete("/orders").json() == {"canceled": 2}
    assert trader.http.delete("/orders").json() == {"canceled": 0}
    assert trader.orders() == [] and other.orders() == [kept]
    assert error(trader.http.delete("/orders", params={"symbol": "XYZ"})) == (404, "unknown-symbol")


def test_somebody_elses_order_is_one_that_there_is_not(person: Persons, symbol: str) -> None:
    owner, other = person(), person()
    found = owner.enter(symbol=symbol, side="buy", quantity="1", price="90.00")
    nobodys = str(int(found["order_id"]) + 10**6)
    for order_id in (found["order_id"], nobodys):
        said = (404, "unknown-order", f"there is no open order {order_id} of yours")
        assert refusal(other.delete(order_id)) == said
        assert refusal(other.patch(order_id, quantity="2")) == said
    for order_id in ("x", "-1", "0", "1" * 100, "٣"):
        assert error(other.delete(order_id)) == (404, "unknown-order")
    assert error(other.http.get("/orders", params={"account": owner.name})) == (403, "not-your-account")
    for account in (owner.name, "NOBODY"):
        order_in = {"symbol": symbol, "side": "buy", "quantity": "1", "price": "90.00"}
        assert error(other.http.post("/orders", params={"account": account}, json=order_in)) == (403, "not-your-account")
        assert error(other.http.delete("/orders", params={"account": account})) == (403, "not-your-account")
    assert other.orders() == [] and owner.orders() == [found]


def test_who_is_not_signed_in_enters_nothing(person: Persons, symbol: str) -> None:
    trader = person()
    found = trader.enter(symbol=symbol, side="buy", quantity="1", price="90.00")
    del trader.http.headers["authorization"]
    assert error(trader.post(symbol=symbol, side="buy", quantity="1", price="90.00")) == (401, "not-signed-in")
    assert error(trader.delete(found["order_id"])) == (401, "not-signed-in")
    assert error(trader.http.get("/orders")) == (401, "not-signed-in")


LIMIT = {"side": "buy", "quantity": "10", "price": "100.00"}
REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({**LIMIT, "price": "100.005"}, 422, "off-tick"),
    ({**LIMIT, "price": "1000.00"}, 422, "outside-price-band"),
    ({**LIMIT, "quantity": "0"}, 422, "invalid-quantity"),
    ({**LIMIT, "quantity": "0.5"}, 422, "invalid-quantity"),
    ({**LIMIT, "quantity": "99999999999999999999"}, 422, "limit-exceeded"),
    ({**LIMIT, "quantity": "10000000"}, 422, "limit-exceeded"),
    ({"side": "buy", "quantity": "10"}, 422, "unsupported"),
    ({**LIMIT, "type": "pegged"}, 422, "unsupported"),
    ({**LIMIT, "stop_price": "101.00"}, 422, "unsupported"),
    ({**LIMIT, "time_in_force": "gtd"}, 422, "unsupported"),
    ({**LIMIT, "time_in_force": "gtd", "expire_time": "2020-01-01"}, 422, "unsupported"),
    ({**LIMIT, "time_in_force": "at-the-opening"}, 422, "not-in-this-phase"),
    ({**LIMIT, "symbol": "XYZ"}, 404, "unknown-symbol"),
    ({**LIMIT, "symbol": "S1\x0138=1000"}, 404, "unknown-symbol"),
    ({**LIMIT, "type": "market"}, 400, "does-not-fit"),
    ({**LIMIT, "expire_time": "2037-01-01"}, 400, "does-not-fit"),
    ({**LIMIT, "time_in_force": "gtd", "expire_time": "tomorrow"}, 400, "not-a-time"),
    ({**LIMIT, "side": "BUY"}, 400, "bad-request"),
    ({**LIMIT, "quantity": 10}, 400, "bad-request"),
    ({**LIMIT, "price": "1e2"}, 400, "bad-request"),
    ({**LIMIT, "price": "-1"}, 400, "bad-request"),
    ({**LIMIT, "price": "1٣"}, 400, "bad-request"),
    ({**LIMIT, "price": "100.00\x0138=1000"}, 400, "bad-request"),
    ({**LIMIT, "price": "100.00\n"}, 400, "not-plain-text"),
    ({**LIMIT, "cl_ord_id": "a\x01" + "115=TRADER1"}, 400, "bad-request"),
    ({**LIMIT, "cl_ord_id": "a\n"}, 400, "not-an-identifier"),
    ({**LIMIT, "cl_ord_id": ""}, 400, "bad-request"),
    ({**LIMIT, "cl_ord_id": "a" * 65}, 400, "bad-request"),
    ({**LIMIT, "cl_ord_id": "é"}, 400, "bad-request"),
    ({**LIMIT, "participant": "TRADER1"}, 400, "bad-request"),
    ({"quantity": "10", "price": "100.00"}, 400, "bad-request"),
]


@pytest.fixture(scope="module")
def symbol_of_refusals(symbols: Any) -> str:
    return str(next(symbols))


@pytest.mark.parametrize(("said", "status", "code"), REFUSED)
def test_what_is_refused_says_why(
    person: Persons, symbol_of_refusals: str, said: dict[str, Any], status: int, code: str
) -> None:
    trader = person("TRADER2")
    assert error(trader.post(**{"symbol": symbol_of_refusals, **said})) == (status, code)
    assert trader.orders() == []


def test_a_price_of_nothing_has_the_words_of_the_venue(person: Persons, symbol: str) -> None:
    trader, poor = person(), person("POOR")
    said = {"symbol": symbol, "side": "buy", "quantity": "10", "price": "200.00"}
    assert refusal(trader.post(**said)) == (422, "outside-price-band", "price 200.00 is outside the band 50.00 to 150.00")
    assert refusal(poor.post(**{**said, "price": "100.00"})) == (
        422, "insufficient-funds", "1000.00 USD needed, 100.00 available in POOR",
    )  # fmt: skip


def test_a_replace_that_is_refused_changes_nothing(person: Persons, symbol: str) -> None:
    trader, other = person(), person()
    found = trader.enter(symbol=symbol, side="buy", quantity="10", price="99.00", cl_ord_id="first")
    other.enter(symbol=symbol, side="sell", quantity="10", price="100.00")
    for changes, status, code in (
        ({"price": "99.001"}, 422, "off-tick"),
        ({"price": "900.00"}, 422, "outside-price-band"),
        ({"quantity": "0"}, 422, "invalid-quantity"),
        ({"price": "100.00", "post_only": True}, 422, "would-trade"),
        ({"peg": "primary"}, 422, "unsupported"),
        ({"cl_ord_id": "first"}, 409, "duplicate-cl-ord-id"),
        ({"price": "99\x0138=1"}, 400, "bad-request"),
        ({"side": "sell"}, 400, "bad-request"),
        ({"quantity": None}, 400, "bad-request"),
    ):
        assert error(trader.patch(found["order_id"], **changes)) == (status, code), changes
    assert trader.orders() == [found]


def test_a_clordid_is_used_once(person: Persons, symbol: str) -> None:
    trader, other = person(), person()
    said = {"symbol": symbol, "side": "buy", "quantity": "1", "price": "90.00", "cl_ord_id": "once"}
    found = trader.enter(**said)
    assert error(trader.post(**said)) == (409, "duplicate-cl-ord-id")
    assert other.enter(**said)["cl_ord_id"] == "once"  # another participant's names are his own
    assert trader.orders() == [found]


def test_who_is_too_fast_is_told_when_to_come_again(person: Persons, symbol: str) -> None:
    trader = person("HURRIED")
    answers = [trader.post(symbol=symbol, side="buy", quantity="1", price="90.00") for _ in range(4)]
    refused = [answer for answer in answers if answer.status_code != 201]
    assert refused and len(refused) < 4
    for answer in refused:
        assert refusal(answer) == (429, "too-many-orders", "more than 1 orders a second")
        assert answer.headers["retry-after"] == "1"


def test_who_is_killed_trades_no_more_but_looks(venue: Venue, person: Persons, symbol: str) -> None:
    trader = person()
    trader.enter(symbol=symbol, side="buy", quantity="1", price="90.00")
    with Operator(venue) as operator:
        operator.do("kill", name=trader.name)
        wait_for(lambda: person(trader.name).orders() == [], "his orders are canceled")
        again = person(trader.name)
        assert error(again.post(symbol=symbol, side="buy", quantity="1", price="90.00")) == (422, "blocked")
        operator.do("unkill", name=trader.name)
    assert again.enter(symbol=symbol, side="buy", quantity="1", price="90.00")["status"] == "new"
