"""Asking for the state of orders (H, AF), and canceling many at once (q)."""

from __future__ import annotations

from tests.orders.desk import BUY, SELL, Desk, in_order

BUY_10 = "54=1|38=10|40=2|44=100.00|59=0"


def limit(side: str, quantity: int, price: str, time_in_force: str = "0") -> str:
    return f"54={side}|38={quantity}|40=2|44={price}|59={time_in_force}"


# -------------------------------------------------------------------------------------------- one order (H)


def test_the_status_of_an_order_in_every_state(desk: Desk) -> None:
    """New, partially filled, filled, canceled; rejected and unknown ones are no orders."""
    desk.a.enter("NEW", BUY, 10, "100.00")
    desk.a.enter("PART", BUY, 10, "101.00")
    desk.a.enter("FILLED", BUY, 10, "102.00")
    desk.a.enter("GONE", BUY, 10, "100.00")
    desk.a.cancel("GONE-C", "GONE")
    desk.a.enter("REFUSED", BUY, 10, "999.00")
    desk.a.told()
    desk.b.enter("B1", SELL, 14, "101.00")
    desk.b.told()
    desk.a.told()
    for cl_ord_id in ("NEW", "PART", "FILLED", "GONE", "GONE-C", "REFUSED", "NOBODY"):
        desk.a.ask(cl_ord_id)
    none = f"35=8|37=NONE|17=*|{desk.words.event('status rejected')}55=X|54=1|151=0|14=0|6=0|60=*|"
    assert desk.a.told() == [
        desk.report("status new", "#1", "NEW", BUY_10, "10/0@0"),
        desk.report("status partially filled", "#2", "PART", limit(BUY, 10, "101.00"), "6/4@101.00"),
        desk.report("status filled", "#3", "FILLED", limit(BUY, 10, "102.00"), "0/10@102.00"),
        desk.report("status canceled", "#4", "GONE", BUY_10, "0/0@0"),
        desk.report("status canceled", "#4", "GONE", BUY_10, "0/0@0"),
        in_order(none + f"11=REFUSED|103={desk.words.pick('0', '99', '99')}|58=what had ClOrdID REFUSED was refused"),
        in_order(none + "11=NOBODY|103=5|58=no order with ClOrdID NOBODY"),
    ]


def test_the_status_after_a_replace_is_of_the_order_as_it_is_now(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.replace("A2", "A1", BUY, 7, "101.00")
    desk.a.told()
    desk.a.ask("A1")
    desk.a.ask("A2")
    status = desk.report("status new", "#1", "A2", limit(BUY, 7, "101.00"), "7/0@0")
    assert desk.a.told() == [status, status]


def test_a_status_request_has_its_id_back(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.told()
    desk.a.ask("A1", more="790=Q1|")
    if desk.words.old:
        assert [message.differs("35=3|371=790") for message in desk.a.messages()] == [[]]
    else:
        assert desk.a.told_one() == desk.report("status new", "#1", "A1", BUY_10, "10/0@0", "790=Q1|")


def test_a_status_request_by_order_id_where_the_version_takes_it(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")
    (new,) = desk.a.messages()
    desk.written(new)
    desk.a.send("H", f"37={new[37]}|55={desk.x}|54=1|")
    desk.a.send("H", f"37=123456789|55={desk.x}|54=1|")
    if desk.words.latest:
        assert desk.a.told() == [
            desk.report("status new", "#1", "A1", BUY_10, "10/0@0"),
            in_order(
                "35=8|37=#2|17=*|150=I|39=8|103=5|55=X|54=1|151=0|14=0|6=0|60=*|58=no open order with OrderID 123456789"
            ),
        ]
    else:
        assert [message.differs("35=3|371=11|373=1") for message in desk.a.messages()] == [[], []]


# ------------------------------------------------------------------------------------------ all orders (AF)


def test_the_status_of_all_open_orders(desk: Desk) -> None:
    """One report an order, in the order of their entry; the last says that it is."""
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.enter("A2", SELL, 5, "110.00", symbol=desk.y)
    desk.a.enter("A3", BUY, 1, "90.00")
    desk.a.cancel("A4", "A3")
    desk.b.enter("B1", SELL, 4, "100.00")
    desk.b.told()
    desk.a.told()
    desk.a.ask_all("Q1")
    assert desk.a.told() == [
        desk.report("status partially filled", "#2", "A1", BUY_10, "6/4@100.00", "584=Q1|911=2|912=N|"),
        desk.report("status new", "#3", "A2", "55=Y|" + limit(SELL, 5, "110.00"), "5/0@0", "584=Q1|911=2|912=Y|"),
    ]


def test_the_status_of_the_open_orders_of_an_instrument(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.enter("A2", SELL, 5, "110.00", symbol=desk.y)
    desk.a.told()
    desk.a.ask_all("Q1", f"585=1|55={desk.y}|")
    desk.a.ask_all("Q2", f"585=7|54={BUY}|")
    assert desk.a.told() == [
        desk.report("status new", "#2", "A2", "55=Y|" + limit(SELL, 5, "110.00"), "5/0@0", "584=Q1|911=1|912=Y|"),
        desk.report("status new", "#1", "A1", BUY_10, "10/0@0", "584=Q2|911=1|912=Y|"),
    ]


def test_a_mass_status_request_that_finds_nothing_is_answered(desk: Desk) -> None:
    desk.b.enter("B1", BUY, 10, "100.00")
    desk.b.told()
    desk.a.ask_all("Q1")
    desk.a.ask_all("Q2", f"585=1|55={desk.x}|")
    desk.a.ask_all("Q3", "585=1|55=NOSUCH|")
    desk.a.ask_all("Q4", "585=3|")
    none = f"35=8|37=NONE|17=*|{desk.words.event('status rejected')}54=7|151=0|14=0|6=0|60=*|911=0|912=Y|"
    unsupported = desk.words.pick("0", "11", "11")
    assert desk.a.told() == [
        in_order(none + "584=Q1|55=[N/A]|103=5|58=no open orders"),
        in_order(none + "584=Q2|55=X|103=5|58=no open orders"),
        in_order(none + "584=Q3|55=NOSUCH|103=1|58=unknown symbol NOSUCH"),
        in_order(none + f"584=Q4|55=[N/A]|103={unsupported}|58=MassStatusReqType 3 is not taken: 1 and 7 are"),
    ]


# ------------------------------------------------------------------------------------------ mass cancel (q)


def test_a_mass_cancel_ends_all_open_orders(desk: Desk) -> None:
    """The answer comes first, then a report an order. Other participants' orders stay."""
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.enter("A2", SELL, 5, "110.00", "59=1|", symbol=desk.y)
    desk.b.enter("B1", BUY, 10, "100.00")
    desk.b.told()
    desk.a.told()
    desk.a.mass_cancel("M1")
    assert desk.a.told() == [
        desk.mass_report("M1", "7", "7", "533=2"),
        desk.report("canceled", "#2", "A1", BUY_10, "0/0@0", "58=mass cancel|"),
        desk.report("canceled", "#3", "A2", "55=Y|" + limit(SELL, 5, "110.00", "1"), "0/0@0", "58=mass cancel|"),
    ]
    desk.b.ask("B1")
    assert desk.b.told_one() == desk.report("status new", "#1", "B1", BUY_10, "10/0@0", of="B")


def test_a_mass_cancel_ends_the_open_orders_of_an_instrument(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.enter("A2", SELL, 5, "110.00", symbol=desk.y)
    desk.a.told()
    desk.a.mass_cancel("M1", f"530=1|55={desk.y}|")
    desk.a.ask_all("Q1")
    assert desk.a.told() == [
        desk.mass_report("M1", "1", "1", "533=1|55=Y"),
        desk.report("canceled", "#2", "A2", "55=Y|" + limit(SELL, 5, "110.00"), "0/0@0", "58=mass cancel|"),
        desk.report("status new", "#1", "A1", BUY_10, "10/0@0", "584=Q1|911=1|912=Y|"),
    ]


def test_a_mass_cancel_of_nothing_is_answered(desk: Desk) -> None:
    desk.a.mass_cancel("M1")
    assert desk.a.told_one() == desk.mass_report("M1", "7", "7", "533=0")


def test_a_mass_cancel_that_is_refused_cancels_nothing(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.told()
    desk.a.mass_cancel("M1", "530=3|")
    desk.a.mass_cancel("M2", "530=1|55=NOSUCH|")
    desk.a.mass_cancel("M3", "530=1|")
    desk.a.mass_cancel("M4", f"530=7|54={BUY}|")
    desk.a.mass_cancel("A1")
    desk.a.ask("A1")
    assert desk.a.told() == [
        desk.mass_report("M1", "3", "0", "532=0|58=MassCancelRequestType 3 is not taken: 1 and 7 are"),
        desk.mass_report("M2", "1", "0", "532=1|55=NOSUCH|58=unknown symbol NOSUCH"),
        desk.mass_report("M3", "1", "0", "532=1|58=Symbol is needed to cancel the orders of one"),
        desk.mass_report("M4", "7", "0", "532=0|58=a mass cancel by side is not taken"),
        desk.mass_report("A1", "7", "0", "532=99|58=ClOrdID was used before on this trading day"),
        desk.report("status new", "#1", "A1", BUY_10, "10/0@0"),
    ]
