"""What an operator does, as clients see it: trades taken back and corrected, orders canceled, participants who may not trade."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.orders.desk import BUY, SELL, Desk, Trader, in_order, operate
from tests.venue import Venue

BUY_10 = "54=1|38=10|40=2|44=100.00|59=0"


def traded(desk: Desk) -> str:
    """A buys four of ten from B; returns the number of the trade."""
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.told()
    desk.b.enter("B1", SELL, 4, "100.00")
    desk.b.told()
    (fill,) = desk.a.messages()
    return fill[17].rstrip("MT")


def changed(desk: Desk, what: str, status: str, terms: str, state: str, text: str, more: str = "", of: str = "A") -> str:
    """The report of a trade that was taken back (H) or corrected (G)."""
    leaves, executed, average = state.replace("@", "/").split("/")
    kind = f"150={what}"
    if desk.words.old:  # which says with ExecTransType what became of a fill, and with ExecType that it was one
        kind = f"20={'1' if what == 'H' else '2'}|150={'2' if status == '2' else '1'}"
    match = "880=*|" if desk.words.latest else ""
    order, cl_ord_id = ("#1", "A1") if of == "A" else ("#2", "B1")
    return in_order(
        f"35=8|37={order}|11={cl_ord_id}|17=*|19=*|{kind}|39={status}|1={of}|55=X|{terms}|151={leaves}|14={executed}|6={average}|"
        f"60=*|58={text}|{match}{more}"
    )


def test_a_trade_that_is_taken_back_is_reported_to_both(desk: Desk) -> None:
    """ExecRefID names the execution that each was told of. What was open stays open; what was filled lacks it for good."""
    trade = traded(desk)
    desk.operate("bust", trade=trade)
    buyer, seller = desk.a.messages(), desk.b.messages()
    assert [(message[19], message[17] != message[19]) for message in (*buyer, *seller)] == [
        (f"{trade}M", True),
        (f"{trade}T", True),
    ]
    text = "the trade was taken back"
    assert [desk.written(message) for message in (*buyer, *seller)] == [
        changed(desk, "H", "0", BUY_10, "6/0@0", text),
        changed(desk, "H", "4", "54=2|38=4|40=2|44=100.00|59=0", "0/0@0", text, of="B"),
    ]
    desk.a.ask("A1")
    assert desk.a.told() == [desk.report("status new", "#1", "A1", BUY_10, "6/0@0")]
    desk.b.ask("B1", SELL)
    assert desk.b.told() == [
        desk.report("status canceled", "#2", "B1", "54=2|38=4|40=2|44=100.00|59=0", "0/0@0", of="B")
    ]


def test_what_is_filled_after_a_bust_lacks_what_was_taken_back(desk: Desk) -> None:
    desk.operate("bust", trade=traded(desk))
    desk.a.messages(), desk.b.messages()
    desk.b.enter("B2", SELL, 6, "100.00")
    desk.b.messages()
    (fill,) = desk.a.messages()
    exec_type = "2" if desk.words.old else "F"
    assert (fill[150], fill[39], fill[151], fill[14], fill[38]) == (exec_type, "4", "0", "6", "10")


def test_a_trade_that_is_corrected_is_reported_to_both(desk: Desk) -> None:
    """And a second time: each correction names the execution that it is about."""
    trade = traded(desk)
    desk.operate("correct", trade=trade, price="99.00")
    desk.operate("correct", trade=trade, price="98.50", quantity="3")
    buyer, seller = desk.a.messages(), desk.b.messages()
    assert [message[19] for message in (*buyer, *seller)] == [f"{trade}M"] * 2 + [f"{trade}T"] * 2
    text = "the trade was corrected"
    sold = "54=2|38=4|40=2|44=100.00|59=0"
    assert [desk.written(message) for message in (*buyer, *seller)] == [
        changed(desk, "G", "1", BUY_10, "6/4@99.000000", text, "32=4|31=99.00|"),
        changed(desk, "G", "1", BUY_10, "6/3@98.500000", text, "32=3|31=98.50|"),
        changed(desk, "G", "2", sold, "0/4@99.000000", text, "32=4|31=99.00|", of="B"),
        changed(desk, "G", "4", sold, "0/3@98.500000", text, "32=3|31=98.50|", of="B"),
    ]


def test_an_order_that_the_operator_cancels_is_reported(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")
    (new,) = desk.a.messages()
    desk.written(new)
    desk.operate("cancel order", order=int(new[37]))
    restatement = desk.words.pick("", "378=8|", "378=8|")
    assert desk.a.told() == [desk.report("canceled", "#1", "A1", BUY_10, "0/0@0", f"{restatement}58=the operator canceled it|")]


def test_orders_that_the_operator_cancels_at_once_are_reported(desk: Desk) -> None:
    """Without an OrderMassCancelReport: nobody asked for one."""
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.told()
    desk.operate("cancel order", participant=desk.a.comp_id)
    restatement = desk.words.pick("", "378=8|", "378=8|")
    assert desk.a.told() == [desk.report("canceled", "#1", "A1", BUY_10, "0/0@0", f"{restatement}58=the operator canceled it|")]


@pytest.fixture
def killed(venue: Venue, desk: Desk) -> Iterator[Callable[[], None]]:
    yield lambda: operate(venue, "kill", name=desk.a.comp_id)
    operate(venue, "unkill", name=desk.a.comp_id)


def test_a_participant_who_is_killed_loses_his_orders_and_enters_none(desk: Desk, killed: Callable[[], None]) -> None:
    """Every kind of entry is refused; cancels and questions are not."""
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.told()
    killed()
    desk.a.enter("A2", BUY, 10, "100.00")
    desk.a.replace("A3", "A1", BUY, 9, "100.00")
    desk.a.cancel("A4", "A1")
    desk.a.mass_cancel("M1")
    desk.a.send("i", f"117=Q1|296=1|302=S|{'311=X|' if desk.words.old else ''}304=1|295=1|299=E|55={desk.x}|132=99|134=1|")
    legs = "".join(f"11=L{n}|67={n}|55={desk.x}|54=1|38=1|40=2|44=99.00|" for n in (1, 2))
    desk.a.send("E", f"66=L|394=3|1385=1|68=2|73=2|{legs}")
    told = desk.a.messages()
    text = f"{desk.a.comp_id} is killed: no orders are taken"
    blocked = desk.words.pick("0", "99", "99")
    assert [(message.type, message.get(11), message.get(39), message.get(58)) for message in told] == [
        ("8", "A1", "4", "the participant may not trade any more"),
        ("8", "A2", "8", text),
        ("9", "A3", "4", "the order is canceled already"),
        ("9", "A4", "4", "the order is canceled already"),
        ("r", "M1", "", ""),
        ("b", "", "", text),
        ("8", "L1", "8", text),
        ("8", "L2", "8", text),
        ("N", "L1", "8", text),
    ]
    assert (told[1][103], told[5][297], told[5][300], told[8][431]) == (blocked, "5", "9", "7")


def test_a_participant_whose_kill_is_lifted_trades_again(venue: Venue, desk: Desk) -> None:
    operate(venue, "kill", name=desk.a.comp_id)
    operate(venue, "unkill", name=desk.a.comp_id)
    desk.a.enter("A1", BUY, 10, "100.00")
    assert desk.a.told() == [desk.report("new", "#1", "A1", BUY_10, "10/0@0")]


def test_a_bust_is_told_to_the_session_that_the_order_is_of_now(desk: Desk, session_of: Callable[[Trader, str], Trader]) -> None:
    other = session_of(desk.a, "FIX.4.4" if desk.words.old else "FIX.4.2")
    trade = traded(desk)
    other.replace("A2", "A1", BUY, 9, "100.00")
    other.messages()
    desk.a.messages()
    desk.operate("bust", trade=trade)
    (busted,) = other.messages()
    assert (busted[11], busted[19], busted[39]) == ("A2", f"{trade}M", "0")
    assert desk.a.messages() == []
