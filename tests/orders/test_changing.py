"""Canceling and replacing orders (F, G): an answer each time, by the order's state, and to nobody else's orders."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.orders.desk import BUY, SELL, Desk, Trader, in_order
from tests.venue import utc

BUY_10 = "54=1|38=10|40=2|44=100.00|59=0"
MAKER, TAKER = "851=1|", "851=2|"


def traded(desk: Desk, quantity: int) -> None:
    """A's order A1 for 10 at 100.00 has had a fill of so many, and everybody knows it."""
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.told()
    desk.b.enter("B1", SELL, quantity, "100.00")
    desk.b.told()
    desk.a.told()


# ---------------------------------------------------------------------------------------------- canceling


def test_a_cancel_is_reported_with_both_clordids(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.cancel("A2", "A1")
    assert desk.a.told() == [
        desk.report("new", "#1", "A1", BUY_10, "10/0@0"),
        desk.report("canceled", "#1", "A2 of A1", BUY_10, "0/0@0"),
    ]


def test_what_was_filled_before_a_cancel_stands(desk: Desk) -> None:
    traded(desk, 4)
    desk.a.cancel("A2", "A1")
    assert desk.a.told_one() == desk.report("canceled", "#1", "A2 of A1", BUY_10, "0/4@100.00")


def test_a_cancel_of_an_order_that_is_not_known_is_answered(desk: Desk) -> None:
    desk.a.cancel("A2", "A1")
    assert desk.a.told_one() == desk.cancel_reject("NONE", "A2 of A1", "8", "1", "1", "no order with ClOrdID A1")


@pytest.mark.parametrize(
    ("ending", "status", "what"), [("fill", "2", "filled"), ("cancel", "4", "canceled"), ("IOC", "4", "canceled")]
)
def test_a_cancel_that_comes_too_late_is_answered(desk: Desk, ending: str, status: str, what: str) -> None:
    if ending == "fill":
        traded(desk, 10)
    elif ending == "cancel":
        desk.a.enter("A1", BUY, 10, "100.00")
        desk.a.cancel("A1C", "A1")
    else:
        desk.a.enter("A1", BUY, 10, "100.00", "59=3|")
    desk.a.told()
    desk.a.cancel("A2", "A1")
    desk.a.replace("A3", "A1", BUY, 10, "100.00")
    text = f"the order is {what} already"
    assert desk.a.told() == [
        desk.cancel_reject("#1", "A2 of A1", status, "1", "0", text),
        desk.cancel_reject("#1", "A3 of A1", status, "2", "0", text),
    ]


def test_a_cancel_of_an_order_that_was_refused_is_answered(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "999.00")
    desk.a.told()
    desk.a.cancel("A2", "A1")
    assert desk.a.told_one() == desk.cancel_reject("NONE", "A2 of A1", "8", "1", "1", "no order with ClOrdID A1")


def test_nobody_touches_anothers_order(desk: Desk) -> None:
    """Not by its ClOrdID, and where the version takes an OrderID alone, not by that."""
    desk.a.enter("A1", BUY, 10, "100.00")
    (new,) = desk.a.messages()
    desk.b.cancel("B1", "A1")
    desk.b.replace("B2", "A1", BUY, 5, "100.00")
    desk.b.ask("A1")
    assert [message.get(102) or message[103] for message in desk.b.messages()] == ["1", "1", "5"]
    if desk.words.latest:
        desk.b.cancel("B3", "", more=f"37={new[37]}|")
        (answer,) = desk.b.messages()
        assert answer.differs("35=9|37=NONE|11=B3|41=-|102=1") == []
    desk.a.ask("A1")
    assert desk.a.told_one() == desk.report("status new", "#1", "A1", BUY_10, "10/0@0")


def test_a_cancel_must_say_the_orders_symbol_and_side(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.told()
    desk.a.cancel("A2", "A1", SELL)
    desk.a.cancel("A3", "A1", symbol=desk.y)
    desk.a.cancel("A4", "A1", symbol="NOSUCH")
    code = desk.words.pick("2", "99", "99")
    assert desk.a.told() == [
        desk.cancel_reject("#1", "A2 of A1", "0", "1", code, "the order is for X, side 1"),
        desk.cancel_reject("#1", "A3 of A1", "0", "1", code, "the order is for X, side 1"),
        desk.cancel_reject("#1", "A4 of A1", "0", "1", code, "unknown symbol NOSUCH"),
    ]


def test_a_cancels_own_clordid_must_be_new(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.enter("A2", BUY, 10, "99.00")
    desk.a.told()
    desk.a.cancel("A2", "A1")
    desk.a.replace("A1", "A1", BUY, 10, "99.00")
    code, text = desk.words.pick("2", "6", "6"), "ClOrdID was used before on this trading day"
    assert desk.a.told() == [
        desk.cancel_reject("#1", "A2 of A1", "0", "1", code, text),
        desk.cancel_reject("#1", "A1 of A1", "0", "2", code, text),
    ]


def test_where_the_version_takes_an_order_id_alone_it_is_enough(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")
    (new,) = desk.a.messages()
    desk.a.replace("A2", "", BUY, 10, "99.00", f"37={new[37]}|")
    desk.a.cancel("A3", "", more=f"37={new[37]}|")
    desk.a.cancel("A4", "", more=f"37={'9' * 5000}|")
    desk.a.cancel("A5", "")
    if desk.words.latest:
        terms = "54=1|38=10|40=2|44=99.00|59=0"
        assert desk.a.told() == [
            desk.report("replaced", "#1", "A2 of A1", terms, "10/0@0"),
            desk.report("canceled", "#1", "A3 of A2", terms, "0/0@0"),
            in_order(f"35=9|37=NONE|11=A4|39=8|434=1|102=1|60=*|58=no open order with OrderID {'9' * 64}"),
            in_order("35=9|37=NONE|11=A5|39=8|434=1|102=1|60=*|58=neither OrigClOrdID nor OrderID says which order is meant"),
        ]
    else:
        assert [(message.type, message[371], message[373]) for message in desk.a.messages()] == [("3", "41", "1")] * 4


# ---------------------------------------------------------------------------------------------- replacing


def test_a_replace_keeps_the_order_id_and_names_both_clordids(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.replace("A2", "A1", BUY, 20, "101.00", "59=1|")
    desk.a.cancel("A3", "A2")
    terms = "54=1|38=20|40=2|44=101.00|59=1"
    assert desk.a.told() == [
        desk.report("new", "#1", "A1", BUY_10, "10/0@0"),
        desk.report("replaced", "#1", "A2 of A1", terms, "20/0@0"),
        desk.report("canceled", "#1", "A3 of A2", terms, "0/0@0"),
    ]


def test_a_replace_is_addressed_by_any_clordid_that_the_order_has_had(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.replace("A2", "A1", BUY, 9, "100.00")
    desk.a.replace("A3", "A1", BUY, 8, "100.00")
    reports = desk.a.told()
    assert reports[2] == desk.report("replaced", "#1", "A3 of A2", "54=1|38=8|40=2|44=100.00|59=0", "8/0@0")


def test_a_replace_counts_what_was_filled(desk: Desk) -> None:
    """OrderQty is the whole: 4 are filled, 15 are wanted, 11 are left."""
    traded(desk, 4)
    desk.a.replace("A2", "A1", BUY, 15, "101.00")
    terms = "54=1|38=15|40=2|44=101.00|59=0"
    assert desk.a.told_one() == desk.report("replaced, partially filled", "#1", "A2 of A1", terms, "11/4@100.000000")
    desk.b.enter("B2", SELL, 11, "101.00")
    desk.b.told()
    assert desk.a.told_one() == desk.report("fill", "#1", "A2", terms, "0/15@100.733333", "32=11|31=101.00|" + MAKER)


@pytest.mark.parametrize("quantity", [4, 3])
def test_a_replace_to_what_is_filled_already_ends_the_order(desk: Desk, quantity: int) -> None:
    """At or below CumQty: amended to CumQty, nothing left, filled."""
    traded(desk, 4)
    desk.a.replace("A2", "A1", BUY, quantity, "100.00")
    desk.a.cancel("A3", "A2")
    terms = "54=1|38=4|40=2|44=100.00|59=0"
    assert desk.a.told() == [
        desk.report("replaced, filled", "#1", "A2 of A1", terms, "0/4@100.00"),
        desk.cancel_reject("#1", "A3 of A2", "2", "1", "0", "the order is filled already"),
    ]


@pytest.mark.parametrize(
    ("change", "first"),
    [((9, "100.00"), "A1"), ((11, "100.00"), "A3"), ((10, "100.00"), "A1")],
    ids=["a smaller quantity keeps its place", "a greater one loses it", "the same terms keep it"],
)
def test_priority_after_a_replace(desk: Desk, change: tuple[int, str], first: str) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.enter("A3", BUY, 10, "100.00")
    desk.a.replace("A2", "A1", BUY, *change)
    desk.a.told()
    desk.b.enter("B1", SELL, 1, "100.00")
    desk.b.told()
    (fill,) = desk.a.messages()
    assert fill[11] == ("A2" if first == "A1" else first)


def test_priority_is_lost_by_any_change_of_price(desk: Desk) -> None:
    """Away and back: behind the other."""
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.enter("A2", BUY, 10, "100.00")
    desk.a.replace("A3", "A1", BUY, 10, "99.00")
    desk.a.replace("A4", "A3", BUY, 10, "100.00")
    desk.a.told()
    desk.b.enter("B1", SELL, 1, "100.00")
    desk.b.told()
    (fill,) = desk.a.messages()
    assert fill[11] == "A2"


def test_a_replaced_order_may_trade_at_once(desk: Desk) -> None:
    desk.b.enter("B1", SELL, 4, "101.00")
    desk.b.told()
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.replace("A2", "A1", BUY, 10, "101.00")
    terms = "54=1|38=10|40=2|44=101.00|59=0"
    assert desk.a.told() == [
        desk.report("new", "#2", "A1", BUY_10, "10/0@0"),
        desk.report("replaced", "#2", "A2 of A1", terms, "10/0@0"),
        desk.report("partial fill", "#2", "A2", terms, "6/4@101.00", "32=4|31=101.00|" + TAKER),
    ]


def test_limit_to_market_by_replace(desk: Desk) -> None:
    """It takes what is there; the rest is canceled."""
    desk.b.enter("B1", SELL, 4, "101.00")
    desk.b.told()
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.replace("A2", "A1", BUY, 10)
    terms = "54=1|38=10|40=1|59=0"
    assert desk.a.told()[1:] == [
        desk.report("replaced", "#2", "A2 of A1", terms, "10/0@0"),
        desk.report("partial fill", "#2", "A2", terms, "6/4@101.000000", "32=4|31=101.00|" + TAKER),
        desk.report("canceled", "#2", "A2", terms, "0/4@101.000000", "58=what was left of a market order|"),
    ]


REFUSED = [  # fields, CxlRejReason on 4.2, 4.4, 5.0SP2, Text
    ("38=10|40=2|44=150.01", ("2", "99", "8"), "price 150.01 is outside the band 50.00 to 150.00"),
    ("38=10|40=2|44=100.001", ("2", "99", "18"), "Price 100.001 has more than 2 decimals"),
    ("38=0|40=2|44=100.00", ("2", "99", "99"), "OrderQty is not above zero"),
    ("38=5001|40=2|44=60.00", ("2", "99", "99"), "quantity 5001 is above the limit 5000"),
    ("38=10|40=6", ("2", "99", "99"), "OrdType 6 is not taken"),
    ("38=10|40=2|44=100.00|59=5", ("2", "99", "99"), "TimeInForce 5 is not taken"),
    ("38=10|40=2|44=100.00|110=5", ("2", "99", "99"), "MinQty belongs to an immediate-or-cancel order"),
    ("38=10|40=2|44=100.00|210=5", ("2", "99", "99"), "MaxShow is not taken"),
    ("38=10|40=2|44=100.00|111=0", ("2", "99", "99"), "MaxFloor is not above zero"),
    ("38=10|40=3", ("2", "99", "99"), "StopPx belongs to a stop or stop limit order, which needs one"),
    ("38=10|40=2|44=100.00|59=2", ("2", "99", "99"), "TimeInForce 2 is not taken in phase continuous"),
]


def test_a_replace_is_refused_as_an_order_would_be_and_changes_nothing(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.told()
    for number, (fields, codes, text) in enumerate(REFUSED):
        desk.a.send("G", f"41=A1|11=R{number}|21=1|55={desk.x}|54=1|60={utc()}|{fields}|")
        desk.a.ask("A1")
        assert desk.a.told() == [
            desk.cancel_reject("#1", f"R{number} of A1", "0", "2", desk.words.pick(*codes), text),
            desk.report("status new", "#1", "A1", BUY_10, "10/0@0"),
        ]


def test_a_replace_that_cannot_be_paid_is_refused(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 4000, "100.00")
    desk.a.enter("A2", BUY, 4000, "100.00")
    desk.a.enter("A3", BUY, 1000, "100.00")
    desk.a.told()
    desk.a.replace("A4", "A3", BUY, 2001, "100.00")
    text = "100100.00 USD needed, 100000.00 available in A"
    assert desk.a.told_one() == desk.cancel_reject("#3", "A4 of A3", "0", "2", desk.words.pick("2", "99", "99"), text)


# --------------------------------------------------------------------------- several sessions, one participant


OTHER = {"FIX.4.2": "FIX.4.4", "FIX.4.4": "FIXT.1.1", "FIXT.1.1": "FIX.4.2"}


def test_sessions_of_one_participant_share_his_orders(desk: Desk, session_of: Callable[[Trader, str], Trader]) -> None:
    """The order is reported to the session that entered it; a cancel by the other is reported to both, each in his version."""
    other = session_of(desk.a, OTHER[desk.words.version])
    desk.a.enter("A1", BUY, 10, "100.00")
    assert desk.a.told_one() == desk.report("new", "#1", "A1", BUY_10, "10/0@0")
    other.ask("A1")
    (status,) = other.messages()
    assert status.differs("39=0|11=A1|151=10") == []
    desk.b.enter("B1", SELL, 4, "100.00")
    desk.b.told()
    assert desk.a.told_one() == desk.report("partial fill", "#1", "A1", BUY_10, "6/4@100.00", "32=4|31=100.00|" + MAKER)
    other.enter("A1", BUY, 10, "100.00")
    other.cancel("A2", "A1")
    refused, canceled = other.messages()
    assert refused.differs("35=8|150=8|103=6|11=A1") == []
    assert canceled.differs("35=8|150=4|39=4|11=A2|41=A1|14=4") == []
    assert desk.a.told_one() == desk.report("canceled", "#1", "A2 of A1", BUY_10, "0/4@100.00")


def test_a_replaced_order_belongs_to_the_session_that_replaced_it(desk: Desk, session_of: Callable[[Trader, str], Trader]) -> None:
    other = session_of(desk.a, OTHER[desk.words.version])
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.told()
    other.replace("A2", "A1", BUY, 8, "100.00")
    (replaced,) = other.messages()
    assert replaced.differs("35=8|150=5|11=A2|41=A1|38=8") == []
    assert desk.a.told_one() == desk.report("replaced", "#1", "A2 of A1", "54=1|38=8|40=2|44=100.00|59=0", "8/0@0")
    desk.b.enter("B1", SELL, 8, "100.00")
    desk.b.told()
    (filled,) = other.messages()
    assert filled.differs("35=8|39=2|11=A2|32=8") == []
    assert desk.a.told() == []
