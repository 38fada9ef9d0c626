"""The web's session acts for the participant that each message names: with his rights, his rules, his ClOrdIDs, and no more."""

from __future__ import annotations

from collections.abc import Callable

from tests.onbehalf.conftest import Web
from tests.orders.desk import BUY, SELL, Desk, in_order
from tests.orders.test_lists import leg, list_status
from tests.orders.test_quotes import acknowledged, entry
from tests.venue import PASSWORD_HASH, utc, wait_for

MAKER, TAKER = "851=1|", "851=2|"
FOR_A, FOR_B = "|128=A", "|128=B"
BUY_10 = "54=1|38=10|40=2|44=100.00|59=0"
SELL_10 = "54=2|38=10|40=2|44=100.00|59=0"


def refused(msg_type: str, number: int, about: str, reason: str, text: str, more: str = "") -> str:
    """A BusinessMessageReject. `about` is the id of what is refused, where it has one."""
    return in_order(f"35=j|45={number}|372={msg_type}|{f'379={about}|' if about else ''}380={reason}|58={text}|{more}")


def canceled(desk: Desk, cl_ord_id: str, terms: str = BUY_10, more: str = "", order_id: str = "#1", of: str = "A") -> str:
    return desk.report("canceled", order_id, cl_ord_id, terms, "0/0@0", more, of=of)


def unasked(desk: Desk, text: str, code: str, latest_code: str = "") -> str:
    """What a cancel that nobody asked for says more."""
    return f"58={text}|" + desk.words.pick("", f"378={code}|", f"378={latest_code or code}|")


def send_list(client: Web, desk: Desk) -> None:
    legs = "".join(
        f"11={name}|67={place}|55={desk.x}|54=2|60={utc()}|38=10|40=2|44={price}|"
        for place, name, price in ((1, "L-1", "105.00"), (2, "L-2", "106.00"))
    )
    client.send("E", f"66=L|394=3|1385=1|68=2|73=2|{legs}")


def send_quote(client: Web, desk: Desk) -> None:
    one = entry("E1", desk.x, "10@90.00", "10@110.00")
    client.send("i", f"117=Q|296=1|302=S|{'311=X|' if desk.words.old else ''}304=1|295=1|{one}")


# ------------------------------------------------------------------------------------------------ who acts


def test_an_order_is_that_of_the_participant(desk: Desk, web: Web) -> None:
    """On his account, and its reports say for whom they are; also those that come later."""
    web.enter("A1", BUY, 10, "100.00")
    assert web.told() == [desk.report("new", "#1", "A1", BUY_10, "10/0@0", FOR_A)]
    desk.b.enter("B1", SELL, 10, "100.00")
    desk.b.told()
    assert web.told() == [desk.report("fill", "#1", "A1", BUY_10, "0/10@100.00", f"32=10|31=100.00|{MAKER}{FOR_A}")]
    assert desk.a.told() == []


def test_each_message_may_be_for_another(desk: Desk, web: Web) -> None:
    web.enter("A1", BUY, 10, "100.00")
    web.whose = desk.b.comp_id
    web.enter("A1", SELL, 10, "100.00")  # which is a ClOrdID of his own
    fill = "32=10|31=100.00|"
    assert web.told() == [
        desk.report("new", "#1", "A1", BUY_10, "10/0@0", FOR_A),
        desk.report("new", "#2", "A1", SELL_10, "10/0@0", FOR_B, of="B"),
        desk.report("fill", "#2", "A1", SELL_10, "0/10@100.00", f"{fill}{TAKER}{FOR_B}", of="B"),
        desk.report("fill", "#1", "A1", BUY_10, "0/10@100.00", f"{fill}{MAKER}{FOR_A}"),
    ]


def test_he_who_meets_himself_does_not_trade(desk: Desk, web: Web) -> None:
    """His own session and the web are one participant."""
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.told()
    web.enter("A2", SELL, 10, "100.00")
    assert web.told() == [desk.report("new", "#2", "A2", SELL_10, "10/0@0", FOR_A)]
    why = unasked(desk, "would have traded with an order of the same participant", "8", "19")
    assert desk.a.told() == [canceled(desk, "A1", more=why)]


def test_the_account_of_somebody_else_is_not_his(desk: Desk, web: Web) -> None:
    web.enter("A1", BUY, 10, "100.00", f"1={desk.b.comp_id}|")
    (message,) = web.messages()
    assert message.has(f"35=8|39=8|11=A1|128={desk.a.comp_id}")
    assert "unknown account" in message[58]


def test_his_rate_is_one_on_all_sessions(special_desk: Callable[[str], Desk], web_of: Callable[[Desk], Web]) -> None:
    """And that of another is another."""
    desk = special_desk("two a second")
    web = web_of(desk)

    def is_refused() -> bool:
        """Three orders, and if they came within a second, the last of them was one too many."""
        names = [f"{utc()}-{place}" for place in range(3)]
        desk.a.enter(names[0], BUY, 1, "90.00")
        answers = [desk.a.receive()]
        for name in names[1:]:
            web.enter(name, BUY, 1, "90.00")
            answers.append(web.receive())
        return [answer.type for answer in answers] == ["8", "8", "j"] and answers[2].has(
            f"58=more than 2 orders a second|128={desk.a.comp_id}"
        )

    wait_for(is_refused, "three orders come within one second")
    web.whose = desk.b.comp_id
    web.enter("B1", BUY, 1, "90.00")
    assert web.receive().has(f"35=8|39=0|11=B1|128={desk.b.comp_id}")


def test_who_names_nobody_is_refused(desk: Desk, web: Web) -> None:
    """Whatever the message is; it asks for nothing and changes nothing."""
    for msg_type, about, body in (
        ("D", "A1", f"11=A1|21=1|55={desk.x}|54=1|60={utc()}|38=10|40=2|44=100.00|"),
        ("F", "A2", f"11=A2|41=A1|55={desk.x}|54=1|60={utc()}|"),
        ("AF", "all", "584=all|585=7|"),
        ("x", "list", "320=list|559=4|"),
    ):
        number = web.next_out
        web.send_for_nobody(msg_type, body)
        text = "OnBehalfOfCompID(115) is missing: it says for whom a message of this session is"
        assert web.told() == [refused(msg_type, number, about, "5", text)]


def test_who_names_one_that_there_is_not_is_refused(desk: Desk, web: Web) -> None:
    for name in ("NOBODY", "WEB", desk.a.comp_id.lower(), "operator"):
        number = web.next_out
        web.send_for_nobody("AF", "584=all|585=7|", f"115={name}|")
        text = f"OnBehalfOfCompID(115): there is no participant {name}"
        assert web.told() == [refused("AF", number, "all", "1", text, f"128={name}|")]


def test_a_second_name_does_not_come_through(desk: Desk, web: Web) -> None:
    """Neither in the header nor behind it: the session layer refuses the message."""
    order = f"11=A1|21=1|55={desk.x}|54=1|60={utc()}|38=10|40=2|44=100.00|"
    web.send_for_nobody("D", order, f"115={desk.a.comp_id}|115={desk.b.comp_id}|")
    web.send_for_nobody("D", f"{order}115={desk.b.comp_id}|", f"115={desk.a.comp_id}|")
    assert [message.type for message in web.messages()] == ["3", "3"]


def test_on_his_own_session_a_name_gives_no_rights(desk: Desk) -> None:
    """It is what comes back, and nothing more."""
    for_b = f"115={desk.b.comp_id}|"
    desk.b.enter("B1", BUY, 10, "99.00")
    assert desk.b.told() == [desk.report("new", "#1", "B1", BUY_10.replace("100", "99"), "10/0@0", of="B")]
    desk.a.enter("A1", BUY, 10, "100.00", header=for_b)
    desk.a.cancel("A2", "B1", header=for_b)
    desk.a.send("q", f"11=A3|60={utc()}|530=7|", header=for_b)
    reports = desk.a.messages()
    assert [(message.type, message.get(1), message[128]) for message in reports] == [
        ("8", desk.a.comp_id, desk.b.comp_id), ("9", "", desk.b.comp_id), ("r", "", desk.b.comp_id),
        ("8", desk.a.comp_id, desk.b.comp_id),
    ]  # fmt: skip
    assert reports[1][58] == "no order with ClOrdID B1"
    assert desk.b.told() == []


# ------------------------------------------------------------------------------------- every kind of message


def test_every_answer_says_for_whom_it_is(desk: Desk, web: Web) -> None:
    """Of every kind of message, taken or refused."""
    now = f"60={utc()}|"
    web.enter("A1", BUY, 10, "90.00")
    web.enter("A1", BUY, 10, "90.00")
    web.enter("A2", BUY, 10, "90.00", symbol="NONE")
    web.replace("A3", "A1", BUY, 20, "90.00")
    web.replace("A4", "NONE", BUY, 20, "90.00")
    web.replace("A5", "A3", BUY, 20, "90.00", symbol="NONE")
    web.cancel("A6", "A3")
    web.cancel("A7", "A3")
    web.cancel("A8", "A3", symbol="NONE")
    send_list(web, desk)
    send_list(web, desk)
    send_quote(web, desk)
    web.send("i", f"117=Q2|296=1|302=S|{'311=X|' if desk.words.old else ''}304=1|295=1|{entry('E1', 'NONE', '1@1')}")
    web.send("Z", "117=Q3|298=4|" + ("295=1|55=X|" if desk.words.old else ""))
    web.mass_cancel("A9")
    web.mass_cancel("A9")
    web.mass_cancel("A10", "530=1|55=NONE|")
    web.ask("A1")
    web.ask("NONE")
    web.ask_all("all")
    web.send("x", f"320=one|559=0|55={desk.x}|")
    web.send("e", f"324=e|55={desk.x}|263=0|")
    web.send("g", "335=g|263=0|")
    web.send("g", "335=g|263=0|" + ("336=NONE|" if not desk.words.latest else "1301=NONE|"))
    web.send("D", f"11=A11|55={desk.x}|54=1|{now}38=10|" + ("21=1|" if desk.words.old else ""))  # without OrdType
    found = super(Web, web).messages()
    assert {message.type for message in found} >= {"8", "9", "N", "b", "r", "y", "f", "h"}
    of_sessions = [message for message in found if message.type == "3"]
    assert len(of_sessions) <= 1, "the session layer knows of nobody"
    assert [message for message in found if message not in of_sessions and message.get(128) != desk.a.comp_id] == []


def test_lists_and_quotes(desk: Desk, web: Web) -> None:
    send_list(web, desk)
    first, second = (leg(desk, f"54=2|38=10|40=2|44={price}|59=0", "L") for price in ("105.00", "106.00"))
    assert web.told() == [
        desk.report("new", "#1", "L-1", first, "10/0@0", FOR_A),
        desk.report("new", "#2", "L-2", second, "10/0@0", FOR_A),
        in_order(list_status(desk, "L", "1", "L-1/0/10 L-2/0/10") + FOR_A),
    ]
    desk.b.enter("B1", BUY, 10, "105.00")
    desk.b.told()
    assert [(message[11], message[39], message[128]) for message in web.messages() if message.type == "8"] == [
        ("L-2", "4", desk.a.comp_id), ("L-1", "2", desk.a.comp_id),
    ]  # fmt: skip
    send_quote(web, desk)
    assert web.told() == [in_order(acknowledged(desk, "Q", "E1 X 0") + FOR_A)]
    desk.b.enter("B2", BUY, 10, "110.00")
    desk.b.told()
    assert [(message[117], message[39], message[128]) for message in web.messages()] == [("Q", "2", desk.a.comp_id)]


def test_sent_a_second_time(desk: Desk, web: Web) -> None:
    """PossResend: answered with the state of the order, to whom it belongs."""
    web.enter("A1", BUY, 10, "100.00")
    web.enter("A1", BUY, 10, "100.00", header="97=Y|")
    web.whose = desk.b.comp_id
    web.enter("A1", BUY, 10, "99.00", header="97=Y|")
    assert web.told() == [
        desk.report("new", "#1", "A1", BUY_10, "10/0@0", FOR_A),
        desk.report("status new", "#1", "A1", BUY_10, "10/0@0", FOR_A),
        desk.report("new", "#2", "A1", BUY_10.replace("100", "99"), "10/0@0", FOR_B, of="B"),
    ]


# -------------------------------------------------------------------------------------------- both sessions


def test_a_clordid_is_used_once_on_all_his_sessions(desk: Desk, web: Web) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.told()
    web.enter("A1", BUY, 10, "100.00")
    web.enter("A2", BUY, 10, "100.00")
    assert [(message[11], message[39], message.get(58)) for message in web.messages()] == [
        ("A1", "8", "ClOrdID was used before on this trading day"), ("A2", "0", ""),
    ]  # fmt: skip
    desk.a.enter("A2", BUY, 10, "100.00")
    assert [(message[11], message[39]) for message in desk.a.messages()] == [("A2", "8")]


def test_the_web_cancels_an_order_of_his_session(desk: Desk, web: Web) -> None:
    """Both are told; only the web's report is routed."""
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.told()
    web.cancel("A2", "A1")
    assert web.told() == [canceled(desk, "A2 of A1", more=FOR_A)]
    assert desk.a.told() == [canceled(desk, "A2 of A1")]


def test_his_session_cancels_an_order_of_the_web(desk: Desk, web: Web) -> None:
    web.enter("A1", BUY, 10, "100.00")
    web.told()
    desk.a.cancel("A2", "A1")
    assert desk.a.told() == [canceled(desk, "A2 of A1")]
    assert web.told() == [canceled(desk, "A2 of A1", more=FOR_A)]


def test_nobody_else_can(desk: Desk, web: Web) -> None:
    """Neither by ClOrdID nor by OrderID, and he does not hear of it."""
    desk.a.enter("A1", BUY, 10, "100.00")
    (order,) = desk.a.messages()
    web.whose = desk.b.comp_id
    web.cancel("B1", "A1")
    assert [(message.type, message[58]) for message in web.messages()] == [("9", "no order with ClOrdID A1")]
    if desk.words.latest:
        web.cancel("B2", "", more=f"37={order[37]}|")
        assert [(message.type, message[58]) for message in web.messages()] == [("9", f"no open order with OrderID {order[37]}")]
    web.ask("A1")
    web.mass_cancel("B3")
    assert [(message.type, message[128]) for message in web.messages()] == [("8", desk.b.comp_id), ("r", desk.b.comp_id)]
    assert desk.a.told() == []


def test_by_order_id(desk: Desk, web: Web) -> None:
    """Where the version lets OrigClOrdID be left out, an order is his whichever session it came by."""
    if not desk.words.latest:
        return
    web.enter("A1", BUY, 10, "100.00")
    (order,) = web.messages()
    desk.a.cancel("A2", "", more=f"37={order[37]}|")
    assert [(message.type, message[39]) for message in desk.a.messages()] == [("8", "4")]


def test_an_order_belongs_to_who_replaced_it_last(desk: Desk, web: Web) -> None:
    """Both are told of the replace; what comes then goes to the new one, and its routing is that of the replace."""
    more = BUY_10.replace("38=10", "38=20")
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.told()
    web.replace("A2", "A1", BUY, 20, "100.00")
    assert web.told() == [desk.report("replaced", "#1", "A2 of A1", more, "20/0@0", FOR_A)]
    assert desk.a.told() == [desk.report("replaced", "#1", "A2 of A1", more, "20/0@0")]
    fill = "32=5|31=100.00|851=1|"
    desk.b.enter("B1", SELL, 5, "100.00")
    desk.b.told()
    assert web.told() == [desk.report("partial fill", "#1", "A2", more, "15/5@100.00", f"{fill}{FOR_A}")]
    desk.a.replace("A3", "A2", BUY, 20, "100.00")
    assert [(message.type, message.get(128)) for message in desk.a.messages()] == [("8", "")]
    assert [(message.type, message.get(128)) for message in web.messages()] == [("8", desk.a.comp_id)]
    desk.b.enter("B2", SELL, 5, "100.00")
    desk.b.told()
    assert desk.a.told() == [desk.report("partial fill", "#1", "A3", more, "10/10@100.00", fill)]
    assert web.told() == []


def test_a_mass_cancel_is_of_his_orders_alone(desk: Desk, web: Web) -> None:
    """On all his sessions; each session is told of its own."""
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.told()
    web.enter("A2", BUY, 10, "100.00")
    web.whose = desk.b.comp_id
    web.enter("B1", BUY, 10, "100.00")
    web.told()
    web.whose = desk.a.comp_id
    web.mass_cancel("A3")
    found = web.told()
    assert found[0] == in_order(desk.mass_report("A3", "7", "7", f"533=2{FOR_A}"))
    assert found[1:] == [canceled(desk, "A2", more="58=mass cancel|" + FOR_A, order_id="#2")] or len(found) == 2
    assert [(message[11], message[39]) for message in desk.a.messages()] == [("A1", "4")]
    web.whose = desk.b.comp_id
    web.ask_all("all")
    assert [(message[11], message[39], message[128]) for message in web.messages()] == [("B1", "0", desk.b.comp_id)]


def test_he_is_shown_his_orders_of_all_sessions(desk: Desk, web: Web) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.told()
    web.enter("A2", BUY, 10, "100.00")
    web.told()
    web.ask("A1")
    web.ask_all("all")
    assert [(message[11], message[128]) for message in web.messages()] == [(name, desk.a.comp_id) for name in ("A1", "A1", "A2")]
    desk.a.ask_all("all")
    assert [(message[11], message.get(128)) for message in desk.a.messages()] == [("A1", ""), ("A2", "")]


# ------------------------------------------------------------------------------------------ when it is gone


def test_its_end_ends_nobodys_orders(special_desk: Callable[[str], Desk], web_of: Callable[[Desk], Web]) -> None:
    """Whatever the participant has chosen for his own sessions, and whatever the web's Logon says."""
    desk = special_desk("all orders end")
    web = web_of(desk)
    web.logout()
    web.logon(fields="8013=A|")
    web.enter("A1", BUY, 10, "100.00")
    web.told()
    web.close()
    assert web.come_back() == []
    web.ask_all("all")
    assert [(message[11], message[39]) for message in web.messages()] == [("A1", "0")]
    desk.a.close()
    desk.a.come_back()
    web.ask_all("all")
    assert [(message[11], message[39]) for message in web.messages()] == [("A1", "0")], "nor does that of his own"


def test_orders_that_ask_for_it_end_with_it(desk: Desk, web: Web) -> None:
    """ExecInst o: of each participant, and each is told when the web is back."""
    web.enter("A1", BUY, 10, "100.00", "18=o|")
    web.enter("A2", BUY, 10, "100.00")
    web.whose = desk.b.comp_id
    web.enter("B1", BUY, 10, "100.00", "18=o|")
    assert len(web.told()) == 3
    web.close()
    lost = unasked(desk, "the connection was lost", "8", "12") + "43=Y|122=*"
    marked = BUY_10 + "|18=o"
    assert web.come_back() == [
        canceled(desk, "A1", marked, lost + FOR_A),
        canceled(desk, "B1", marked, lost + FOR_B, "#3", "B"),
    ]
    web.whose = desk.a.comp_id
    web.ask_all("all")
    assert [message[11] for message in web.messages()] == ["A2"]


def test_the_grace_is_his(special_desk: Callable[[str], Desk], web_of: Callable[[Desk], Web]) -> None:
    desk = special_desk("with patience")
    web = web_of(desk)
    web.enter("A1", BUY, 10, "100.00", "18=o|")
    web.told()
    web.close()
    assert web.come_back() == []
    web.ask_all("all")
    assert [(message[11], message[39]) for message in web.messages()] == [("A1", "0")]


# ---------------------------------------------------------------------------------------------- the operator


def test_what_the_operator_does_to_an_order_is_told(desk: Desk, web: Web) -> None:
    web.enter("A1", BUY, 10, "100.00")
    web.told()
    desk.operate("cancel order", participant=desk.a.comp_id)
    assert [(message[11], message[39], message[128]) for message in web.messages()] == [("A1", "4", desk.a.comp_id)]


def test_who_is_suspended_is_not_spoken_for(desk: Desk, web: Web) -> None:
    """His orders end, and he is told; when he is restored, he trades again."""
    web.enter("A1", BUY, 10, "100.00")
    web.told()
    desk.operate("participant suspend", name=desk.a.comp_id)
    web.whose = desk.b.comp_id
    assert [(message[11], message[39], message[128]) for message in web.messages()] == [("A1", "4", desk.a.comp_id)]
    number = web.next_out
    web.send_for_nobody("AF", "584=all|585=7|", f"115={desk.a.comp_id}|")
    text = "OnBehalfOfCompID(115): participant A may not log on: suspended, or removed"
    assert web.told() == [refused("AF", number, "all", "0", text, "128=A|")]
    desk.operate("participant restore", name=desk.a.comp_id)
    web.whose = desk.a.comp_id
    web.enter("A2", BUY, 10, "100.00")
    assert [(message[11], message[39]) for message in web.messages()] == [("A2", "0")]


def test_whom_the_operator_adds_is_spoken_for_at_once(desk: Desk, web: Web) -> None:
    name = f"NEW{desk.x}"
    desk.operate("participant add", name=name, password_hash=PASSWORD_HASH, cash="10000")
    web.whose = name
    web.enter("N1", BUY, 10, "100.00")
    assert [(message[11], message[39], message[1], message[128]) for message in web.messages()] == [("N1", "0", name, name)]
