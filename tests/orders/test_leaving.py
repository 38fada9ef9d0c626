"""Orders that end with their session: by its choice, by their own, at once or after a grace time."""

from __future__ import annotations

from collections.abc import Callable

from tests.orders.desk import BUY, SELL, Desk, Trader
from tests.venue import wait_for

DAY, GTC = "54=1|38=10|40=2|44=100.00|59=0", "54=1|38=10|40=2|44=99.00|59=1"
AGAIN = "43=Y|122=*|"


def ended(desk: Desk, order_id: str, cl_ord_id: str, terms: str, executed: str = "0@0") -> str:
    """The report of an order that ended with its connection, as a resend brings it."""
    reason = desk.words.pick("", "378=8|", "378=12|")
    return desk.report("canceled", order_id, cl_ord_id, terms, f"0/{executed}", f"58=the connection was lost|{reason}{AGAIN}")


def leave_with_two_orders(desk: Desk) -> None:
    """A has a DAY and a GTC order, and cuts the connection."""
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.enter("A2", BUY, 10, "99.00", "59=1|")
    assert len(desk.a.told()) == 2
    desk.a.close()


def still_open(trader: Trader, request: str) -> list[str]:
    """The ClOrdIDs of a participant's open orders."""
    trader.ask_all(request)
    return [message[11] for message in trader.messages() if message[39] != "8"]


def test_without_a_choice_orders_stay(desk: Desk) -> None:
    leave_with_two_orders(desk)
    assert desk.a.come_back() == []
    assert still_open(desk.a, "Q1") == ["A1", "A2"]


def test_a_participant_may_have_all_his_orders_end(special_desk: Callable[[str], Desk]) -> None:
    desk = special_desk("all orders end")
    leave_with_two_orders(desk)
    assert desk.a.come_back() == [ended(desk, "#1", "A1", DAY), ended(desk, "#2", "A2", GTC)]


def test_a_participant_may_have_his_day_orders_end(special_desk: Callable[[str], Desk]) -> None:
    """GTC and GTD orders are spared."""
    desk = special_desk("day orders end")
    leave_with_two_orders(desk)
    assert desk.a.come_back() == [ended(desk, "#1", "A1", DAY)]
    assert still_open(desk.a, "Q1") == ["A2"]


def test_logon_may_choose_otherwise(desk: Desk) -> None:
    """CancelOrdersOnDisconnect(8013): A all, D day orders, N none. It holds for this connection."""
    desk.a.logout()
    desk.a.logon(fields="8013=D|")
    leave_with_two_orders(desk)
    assert desk.a.come_back("8013=A|") == [ended(desk, "#1", "A1", DAY)]
    desk.a.close()
    assert desk.a.come_back() == [ended(desk, "#2", "A2", GTC)]


def test_logon_may_choose_none_where_all_is_configured(special_desk: Callable[[str], Desk]) -> None:
    desk = special_desk("all orders end")
    desk.a.logout()
    desk.a.come_back("8013=N|")
    desk.a.enter("N1", BUY, 10, "100.00")
    desk.a.told()
    desk.a.close()
    assert desk.a.come_back() == []
    assert still_open(desk.a, "Q1") == ["N1"]


def test_a_logout_is_an_end_too(desk: Desk) -> None:
    """And said as such. Nothing follows the Logout: the report waits for the next Logon."""
    desk.a.enter("A1", BUY, 10, "100.00", "18=o|")
    desk.a.told()
    desk.a.logout()
    reason = desk.words.pick("", "378=8|", "378=13|")
    assert desk.a.come_back() == [
        desk.report("canceled", "#1", "A1", DAY + "|18=o", "0/0@0", f"58=the session logged out|{reason}{AGAIN}")
    ]


def test_an_order_may_ask_for_it(desk: Desk) -> None:
    """ExecInst o, whatever the session's choice; what the order said is in its reports. A replace says it again, or not."""
    for cl_ord_id in ("A1", "A2", "A3"):
        desk.a.enter(cl_ord_id, BUY, 10, "100.00", "18=o|" if cl_ord_id != "A3" else "18=1|")
    desk.a.replace("A4", "A2", BUY, 10, "99.00")
    marked = DAY + "|18=o"
    assert desk.a.told() == [
        desk.report("new", "#1", "A1", marked, "10/0@0"),
        desk.report("new", "#2", "A2", marked, "10/0@0"),
        desk.report("new", "#3", "A3", DAY + "|18=1", "10/0@0"),
        desk.report("replaced", "#2", "A4 of A2", DAY.replace("100", "99"), "10/0@0"),
    ]
    desk.a.close()
    assert desk.a.come_back() == [ended(desk, "#1", "A1", marked)]
    assert still_open(desk.a, "Q1") == ["A4", "A3"]


def test_only_the_orders_of_the_session_that_ended_end(desk: Desk, session_of: Callable[[Trader, str], Trader]) -> None:
    other = session_of(desk.a, "FIX.4.4" if desk.words.old else "FIX.4.2")
    desk.a.enter("A1", BUY, 10, "100.00", "18=o|")
    desk.a.told()
    other.enter("C1", BUY, 10, "100.00", "18=o|")
    other.messages()
    desk.a.close()
    wait_for(lambda: still_open(other, "Q1") == ["C1"], "A1 has ended with its session")


def test_what_was_filled_before_stands(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00", "18=o|")
    desk.a.told()
    desk.b.enter("B1", SELL, 4, "100.00")
    desk.b.told()
    desk.a.close()
    terms = DAY + "|18=o"
    assert desk.a.come_back() == [
        desk.report("partial fill", "#1", "A1", terms, "6/4@100.00", f"32=4|31=100.00|851=1|{AGAIN}"),
        ended(desk, "#1", "A1", terms, "4@100.00"),
    ]


def test_who_comes_back_within_the_grace_time_keeps_his_orders(special_desk: Callable[[str], Desk]) -> None:
    desk = special_desk("with patience")
    leave_with_two_orders(desk)
    assert desk.a.come_back() == []
    assert still_open(desk.a, "Q1") == ["A1", "A2"]


def test_who_does_not_come_back_in_time_loses_them(
    special_desk: Callable[[str], Desk], session_of: Callable[[Trader, str], Trader]
) -> None:
    desk = special_desk("with grace")
    other = session_of(desk.a, "FIX.4.4" if desk.words.old else "FIX.4.2")
    leave_with_two_orders(desk)
    assert still_open(other, "Q1") == ["A1", "A2"], "for a second they may come back"
    wait_for(lambda: not still_open(other, "Q2"), "the grace time is over", 5)
    assert desk.a.come_back() == [ended(desk, "#1", "A1", DAY), ended(desk, "#2", "A2", GTC)]
