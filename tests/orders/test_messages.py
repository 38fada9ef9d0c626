"""Messages around orders: sent again, routed, not taken, not in time, and read by a client who was away."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.orders.desk import BUY, SELL, Desk, Trader, in_order
from tests.venue import Client, utc

BUY_10 = "54=1|38=10|40=2|44=100.00|59=0"


# -------------------------------------------------------------------------------------- sent a second time


def test_poss_resend_of_an_order_that_is_known_says_its_state(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.enter("A1", BUY, 10, "100.00", header="97=Y|")
    desk.a.ask_all("Q1")
    status = desk.report("status new", "#1", "A1", BUY_10, "10/0@0")
    assert desk.a.told() == [
        desk.report("new", "#1", "A1", BUY_10, "10/0@0"),
        status,
        in_order(status + "|584=Q1|911=1|912=Y"),
    ]


def test_poss_resend_of_an_order_that_is_not_known_is_the_order(desk: Desk) -> None:
    """And what was sent after it comes after it."""
    desk.a.send_many([
        desk.a.build("D", f"11=A1|21=1|55={desk.x}|54=1|60={utc()}|38=10|40=2|44=100.00|", header="97=Y|"),
        desk.a.build("F", f"41=A1|11=A2|55={desk.x}|54=1|60={utc()}|"),
    ])  # fmt: skip
    assert desk.a.told() == [
        desk.report("new", "#1", "A1", BUY_10, "10/0@0"),
        desk.report("canceled", "#1", "A2 of A1", BUY_10, "0/0@0"),
    ]


def test_poss_resend_of_cancels_and_replaces(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.replace("A2", "A1", BUY, 9, "100.00")
    desk.a.cancel("A3", "NOBODY")
    desk.a.told()
    terms = "54=1|38=9|40=2|44=100.00|59=0"
    desk.a.replace("A2", "A1", BUY, 9, "100.00", header="97=Y|")
    desk.a.cancel("A3", "NOBODY", header="97=Y|")
    desk.a.cancel("A4", "A2", header="97=Y|")
    desk.a.cancel("A4", "A2", header="97=Y|")
    assert desk.a.told() == [
        desk.report("status new", "#1", "A2", terms, "9/0@0"),
        desk.cancel_reject("NONE", "A3 of NOBODY", "8", "1", "1", "no order with ClOrdID NOBODY"),
        desk.report("canceled", "#1", "A4 of A2", terms, "0/0@0"),
        desk.report("status canceled", "#1", "A2", terms, "0/0@0"),
    ]


def test_poss_dup_of_a_number_that_was_seen_is_ignored(desk: Desk) -> None:
    number = desk.a.next_out
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.told()
    stamp = utc()
    desk.a.send("D", f"11=A9|21=1|55={desk.x}|54=1|60={stamp}|38=10|40=2|44=100.00|", number=number, header=f"43=Y|122={stamp}|")
    assert desk.a.told() == []


def test_poss_dup_of_a_number_that_was_not_seen_is_taken_once(desk: Desk) -> None:
    """As after a crash of the venue: the client fills the gap, and the venue may know the order already."""
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.told()
    body = f"|21=1|55={desk.x}|54=1|60={utc()}|38=10|40=2|44=100.00|"
    desk.a.send("D", "11=A1" + body, header=f"43=Y|122={utc()}|")
    desk.a.send("D", "11=A2" + body, header=f"43=Y|122={utc()}|")
    assert desk.a.told() == [
        desk.report("status new", "#1", "A1", BUY_10, "10/0@0"),
        desk.report("new", "#2", "A2", BUY_10, "10/0@0"),
    ]


# ------------------------------------------------------------------------------------------------ routing


def test_routing_fields_come_back_reversed(desk: Desk) -> None:
    """In every report of the order, and not in those of others; those of a cancel in its answer."""
    sent = "50=desk7|57=X|115=FUND|128=BACK|116=ann|129=bob|142=NY|143=LN|"
    back = "57=desk7|50=X|128=FUND|115=BACK|129=ann|116=bob|143=NY|142=LN|"
    desk.a.enter("A1", BUY, 10, "100.00", header=sent)
    desk.a.enter("A2", BUY, 10, "999.00", header=sent)
    desk.a.enter("A3", BUY, 10, "90.00")
    reports = desk.a.messages()
    desk.b.enter("B1", SELL, 4, "100.00")
    desk.b.told()
    reports += desk.a.messages()
    desk.a.cancel("A4", "A1", header="50=desk8|")
    desk.a.cancel("A5", "A1", header="50=desk9|")
    desk.a.mass_cancel("M1")
    reports += desk.a.messages()
    assert [(message[11], message.differs(back)) for message in reports[:2]] == [("A1", []), ("A2", [])]
    assert reports[2].differs("11=A3|57=-|50=-|128=-|115=-") == []
    assert reports[3].differs(f"11=A1|32=4|{back}") == []
    assert reports[4].differs("11=A4|150=4|57=desk8|50=-|128=-") == []
    assert reports[5].differs("11=A5|35=9|57=desk9|50=-|128=-") == []


def test_routing_fields_have_a_limit(desk: Desk) -> None:
    """They are kept with the order and sent with each report of it."""
    desk.a.enter("A1", BUY, 10, "100.00", header=f"50={'s' * 600}|")
    (answer,) = desk.a.messages()
    assert answer.differs("35=8|150=8|39=8|58=routing fields have more than 512 characters") == []


# ---------------------------------------------------------------------------------------------- not taken

NOT_TAKEN = {
    "market data": ("V", "262=M1|263=1|264=0|265=0|267=1|269=0|146=1|55=X|", "M1"),
    "quote request": ("R", "131=R1|146=1|55=X|", "R1"),
    "execution report": ("8", "37=1|17=1|20=0|150=0|39=0|55=X|54=1|151=1|14=0|6=0|11=C1|", "C1"),
    "news": ("B", "148=news|33=1|58=t|", ""),
}


@pytest.mark.parametrize("what", NOT_TAKEN)
def test_a_message_that_is_not_taken_here_is_refused_by_type(desk: Desk, what: str) -> None:
    msg_type, body, reference = NOT_TAKEN[what]
    if not desk.words.old:
        body = body.replace("20=0|", "")
    number = desk.a.send(msg_type, body)
    assert desk.a.told_one() == in_order(
        f"35=j|45={number}|372={msg_type}|{f'379={reference}|' if reference else ''}380=3|"
        f"58=MsgType {msg_type} is not taken on this port"
    )


def test_a_change_of_password_is_refused_so_far(desk: Desk) -> None:
    number = desk.a.send("BE", f"923=U1|924=3|553={desk.a.comp_id}|554=demo|925=other|")
    if desk.words.old:  # does not know the message
        assert [message.differs("35=3|372=BE|373=11") for message in desk.a.messages()] == [[]]
    else:
        assert desk.a.told_one() == in_order(f"35=j|45={number}|372=BE|379=U1|380=3|58=MsgType BE is not taken on this port")


# ------------------------------------------------------------------------------------------------- away


def test_reports_for_a_session_that_is_away_come_when_it_asks(desk: Desk) -> None:
    """They have their numbers; the client sees the gap, and gets each once, with PossDup."""
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.told()
    desk.a.logout()
    desk.b.enter("B1", SELL, 4, "100.00")
    desk.b.enter("B2", SELL, 6, "100.00")
    desk.b.told()
    first = desk.a.next_in
    desk.a.logon()
    desk.a.send("2", f"7={first}|16=0|")
    again = [message for message in desk.a.drain(lambda message: message.type == "4") if message.type == "8"]
    assert [(message.number, message[43], desk.written(message)) for message in again] == [
        (first, "Y", desk.report("partial fill", "#1", "A1", BUY_10, "6/4@100.00", "32=4|31=100.00|851=1|43=Y|122=*|")),
        (first + 1, "Y", desk.report("fill", "#1", "A1", BUY_10, "0/10@100.00", "32=6|31=100.00|851=1|43=Y|122=*|")),
    ]
    assert desk.a.told() == []


def test_two_sessions_of_a_participant_have_numbers_of_their_own(desk: Desk, session_of: Callable[[Trader, str], Trader]) -> None:
    other = session_of(desk.a, "FIX.4.4" if desk.words.old else "FIX.4.2")
    for number in range(3):
        desk.a.enter(f"A{number}", BUY, 1, "100.00")
    assert [message.number for message in desk.a.messages()] == [2, 3, 4]
    other.enter("C1", BUY, 1, "100.00")
    assert [message.number for message in other.messages()] == [2]


def test_a_stranger_to_the_participant_has_no_session(desk: Desk) -> None:
    """Another's name with one's own password is no way in."""
    client = Client(desk.a._port, desk.b.comp_id, desk.words.version, password="wrong")
    client.connect()
    client.send("A", client.logon_body())
    try:
        client.expect_end()  # B is connected already
    finally:
        client.close()
