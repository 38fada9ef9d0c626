"""Orders that depend on each other (E): taken all or none, and what one does to the others, as 8 and ListStatus (N) say it."""

from __future__ import annotations

from tests.orders.desk import BUY, SELL, Desk, in_order
from tests.venue import utc

TAKER, MAKER = "851=2|", "851=1|"
OCO, OTO = "1", "2"


def order(desk: Desk, place: int, cl_ord_id: str, side: str, quantity: int, fields: str) -> str:
    return f"11={cl_ord_id}|67={place}|55={desk.x}|54={side}|60={utc()}|38={quantity}|{fields}"


def send(desk: Desk, list_id: str, contingency: str, *orders: str, more: str = "", header: str = "", total: int = 0) -> None:
    """A's NewOrderList."""
    contingent = f"1385={contingency}|" if contingency else ""
    body = f"66={list_id}|394=3|{contingent}{more}68={total or len(orders)}|73={len(orders)}|{''.join(orders)}"
    desk.a.send("E", body, header=header)


def list_status(desk: Desk, list_id: str, contingency: str, states: str, refusal: str = "", code: str = "") -> str:
    """ListStatus. `states` is "ClOrdID/status/leaves ..."; `refusal` the text of one that is refused."""
    group = ""
    for state in states.split():
        cl_ord_id, status, leaves = state.split("/")
        group += f"11={cl_ord_id}|14=0|39={status}|151={leaves}|84=0|6=0|"
        if refusal:
            group += f"103={code}|58={refusal}|"
    contingent = f"1385={contingency}|" if contingency and desk.words.latest else ""
    count = len(states.split())
    said = (f"1386={'11' if code == '11' else '6' if code == '6' else '99'}|" if desk.words.latest else "") + f"444={refusal}|"
    return in_order(
        f"35=N|66={list_id}|429=1|82=1|431={'7' if refusal else '3'}|{contingent}83=1|{said if refusal else ''}60=*|68={count}|"
        f"73={count}|{group}"
    )


def leg(desk: Desk, terms: str, list_id: str = "L1", contingency: str = OCO) -> str:
    """What an order of a list says in its reports."""
    return f"{terms}|66={list_id}" + (f"|1385={contingency}" if desk.words.latest else "")


def limit(side: str, quantity: int, price: str) -> str:
    return f"54={side}|38={quantity}|40=2|44={price}|59=0"


STOP = "54=2|38=10|40=3|99=95.00|59=0"


def test_one_order_cancels_the_other(desk: Desk) -> None:
    """A target and a stop for the same shares: the fill of one ends the other, which is reported before the fill."""
    send(
        desk, "L1", OCO,
        order(desk, 1, "A1", SELL, 10, "40=2|44=105.00|"),
        order(desk, 2, "A2", SELL, 10, "40=3|99=95.00|"),
    )  # fmt: skip
    target, stop = leg(desk, limit(SELL, 10, "105.00")), leg(desk, STOP)
    assert desk.a.told() == [
        desk.report("new", "#1", "A1", target, "10/0@0"),
        desk.report("new", "#2", "A2", stop, "10/0@0"),
        list_status(desk, "L1", OCO, "A1/0/10 A2/0/10"),
    ]
    desk.b.enter("B1", BUY, 4, "105.00")
    desk.b.messages()
    restatement = desk.words.pick("", "378=99|", "378=99|")
    assert desk.a.told() == [
        desk.report("canceled", "#2", "A2", stop, "0/0@0", f"{restatement}58=another order of its list traded or ended|"),
        desk.report("partial fill", "#1", "A1", target, "6/4@105.00", "32=4|31=105.00|" + MAKER),
    ]


def test_one_order_triggers_the_other(desk: Desk) -> None:
    """The second waits, and may be asked for, until the first is filled."""
    send(
        desk, "L1", OTO,
        order(desk, 1, "A1", BUY, 10, "40=2|44=100.00|"),
        order(desk, 2, "A2", SELL, 10, "40=2|44=105.00|"),
    )  # fmt: skip
    first, second = leg(desk, limit(BUY, 10, "100.00"), contingency=OTO), leg(desk, limit(SELL, 10, "105.00"), contingency=OTO)
    desk.a.ask("A2", SELL)
    assert desk.a.told() == [
        desk.report("new", "#1", "A1", first, "10/0@0"),
        desk.report("new", "#2", "A2", second, "10/0@0"),
        list_status(desk, "L1", OTO, "A1/0/10 A2/0/10"),
        desk.report("status new", "#2", "A2", second, "10/0@0"),
    ]
    desk.b.enter("B1", SELL, 10, "100.00")
    desk.b.messages()
    activated = desk.report("activated", "#2", "A2", second, "10/0@0", "58=the first order of its list is filled|")
    assert desk.a.told() == [
        desk.report("fill", "#1", "A1", first, "0/10@100.00", "32=10|31=100.00|" + MAKER),
        *([] if desk.words.old else [activated]),
    ]


def test_an_order_of_a_list_is_replaced_and_canceled_like_others(desk: Desk) -> None:
    """It stays of its list whatever a replace says; when the first ends unfilled, the others end."""
    send(
        desk, "L1", OTO,
        order(desk, 1, "A1", BUY, 10, "40=2|44=100.00|"),
        order(desk, 2, "A2", SELL, 10, "40=2|44=105.00|"),
    )  # fmt: skip
    desk.a.told()
    desk.a.replace("A3", "A2", SELL, 8, "106.00")
    desk.a.cancel("A4", "A1")
    restatement = desk.words.pick("", "378=99|", "378=99|")
    second = leg(desk, limit(SELL, 8, "106.00"), contingency=OTO)
    assert desk.a.told() == [
        desk.report("replaced", "#2", "A3 of A2", second, "8/0@0"),
        desk.report("canceled", "#1", "A4 of A1", leg(desk, limit(BUY, 10, "100.00"), contingency=OTO), "0/0@0"),
        desk.report("canceled", "#2", "A3", second, "0/0@0", f"{restatement}58=the first order of its list ended unfilled|"),
    ]


def test_a_list_that_the_core_refuses_is_refused_as_a_whole(desk: Desk) -> None:
    """An ExecutionReport for each order, and the ListStatus, with the one reason."""
    send(
        desk, "L1", OCO,
        order(desk, 1, "A1", SELL, 10, "40=2|44=105.00|"),
        order(desk, 2, "A2", SELL, 10, "40=2|44=105.00|59=3|"),
    )  # fmt: skip
    text = "the orders of a list are DAY, GTC or GTD"
    code = desk.words.pick("0", "11", "11")
    assert desk.a.told() == [
        desk.report("rejected", "#1", "A1", leg(desk, limit(SELL, 10, "105.00")), "0/0@0", f"103={code}|58={text}|"),
        desk.report(
            "rejected", "#2", "A2", leg(desk, limit(SELL, 10, "105.00").replace("59=0", "59=3")), "0/0@0", f"103={code}|58={text}|"
        ),
        list_status(desk, "L1", OCO, "A1/8/0 A2/8/0", text, code),
    ]


def test_a_list_that_is_no_command_is_refused_as_a_whole(desk: Desk) -> None:
    """It has used up none of its ClOrdIDs, and is taken when it is right."""
    good, bad = "40=2|44=105.00|", "40=6|44=105.00|"
    unsupported = desk.words.pick("0", "11", "11")
    symbol = desk.words.pick("1", "1", "1")
    for number, (contingency, second, more, total, code, text) in enumerate((
        (OCO, bad, "", 0, unsupported, "order 2: OrdType 6 is not taken"),
        (OCO, "44=105.00|", "", 0, unsupported, "order 2: OrdType is missing"),
        (OCO, good + "210=5|", "", 0, unsupported, "order 2: MaxShow is not taken"),
        ("", good, "", 0, unsupported, "ContingencyType is missing: 1 and 2 are"),
        (OCO, good, "433=2|", 0, unsupported, "ListExecInstType 2 is not taken"),
        (OCO, good, "", 3, unsupported, "a list comes in one message: it has 2 orders, TotNoOrders says otherwise"),
    )):  # fmt: skip
        send(
            desk, f"L{number}", contingency, order(desk, 1, "A1", SELL, 10, good), order(desk, 2, "A2", SELL, 10, second),
            more=more, total=total,
        )  # fmt: skip
        one, two, status = desk.a.messages()
        assert [(message[11], message[39], message[103], message[58], message[66]) for message in (one, two)] == [
            ("A1", "8", code, text, f"L{number}"),
            ("A2", "8", code, text, f"L{number}"),
        ]
        assert desk.written(status) == list_status(desk, f"L{number}", contingency, "A1/8/0 A2/8/0", text, code)
    send(desk, "L", OCO, order(desk, 1, "A1", SELL, 10, good), order(desk, 2, "A2", SELL, 10, good).replace(desk.x, "NOSUCH"))
    assert [message.get(103) for message in desk.a.messages()] == [symbol] * 3
    send(desk, "L", OCO, order(desk, 1, "A1", SELL, 10, good), order(desk, 2, "A2", SELL, 10, good))
    assert [(message.type, message.get(39)) for message in desk.a.messages()] == [("8", "0"), ("8", "0"), ("N", "0")]


def test_a_list_has_ten_orders_at_most_and_each_its_place(desk: Desk) -> None:
    orders = [order(desk, number, f"A{number}", SELL, 1, "40=2|44=105.00|") for number in range(1, 12)]
    send(desk, "L1", OCO, *orders)
    *reports, status = desk.a.messages()
    assert [message[58] for message in reports] == ["a list has at most 10 orders"] * 11
    assert (status[431], status[444], status[68]) == ("7", "a list has at most 10 orders", "11")
    send(desk, "L2", OCO, orders[1], orders[0])
    assert desk.a.messages()[-1][444] == "order 1: ListSeqNo is not its place in the list, 1"
    send(desk, "L" * 65, OCO, *orders[:2])
    assert desk.a.messages()[-1][444] == "ListID has more than 64 characters"


def test_a_list_that_is_sent_again_is_no_second_one(desk: Desk) -> None:
    orders = [order(desk, number, f"A{number}", SELL, 10, "40=2|44=105.00|") for number in (1, 2)]
    send(desk, "L1", OCO, *orders, header="97=Y|")
    first = desk.a.messages()
    send(desk, "L1", OCO, *orders, header="97=Y|")
    again = desk.a.messages()
    assert [(message.type, message.get(150)) for message in first] == [("8", "0"), ("8", "0"), ("N", "")]
    status = "0" if desk.words.old else "I"
    assert [(message.type, message.get(11), message.get(150)) for message in again] == [("8", "A1", status), ("8", "A2", status)]


def test_routing_fields_of_a_list_come_back_with_its_orders(desk: Desk) -> None:
    send(desk, "L1", OCO, *(order(desk, number, f"A{number}", SELL, 10, "40=2|44=105.00|") for number in (1, 2)), header="50=d|")
    send(desk, "L2", OCO, *(order(desk, number, f"A{number}", SELL, 10, "40=6|") for number in (1, 2)), header="50=d|")
    assert [(message.type, message.get(57)) for message in desk.a.messages()] == [("8", "d"), ("8", "d"), ("N", "d")] * 2
