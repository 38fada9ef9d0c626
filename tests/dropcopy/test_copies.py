"""A drop copy is sent every report of the participants whom it watches, as they are told it, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from fixserver.dropcopy import REFUSAL, REFUSED_MAX
from tests.dropcopy.conftest import OF_ALL
from tests.dropcopy.watcher import Watcher, reports, said
from tests.onbehalf.conftest import open_web
from tests.orders import test_lists as lists
from tests.orders import test_quotes as quotes
from tests.orders.conftest import another
from tests.orders.desk import BUY, SELL, Desk, Trader, operate
from tests.venue import VERSIONS, Venue, order, utc

Watch = Callable[..., Watcher]


def new_order(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")


def trade(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.told()
    desk.b.enter("B1", SELL, 4, "100.00")
    desk.b.enter("B2", SELL, 10, "100.00", "59=3|")


def cancel(desk: Desk) -> None:
    new_order(desk)
    desk.a.cancel("A2", "A1")
    desk.a.cancel("A3", "A1")


def replace(desk: Desk) -> None:
    new_order(desk)
    desk.a.replace("A2", "A1", BUY, 5, "101.00", "59=1|")
    desk.a.replace("A3", "A1", BUY, 5, "101.00")


def refused_by_the_core(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "10.00")
    desk.a.enter("A1", BUY, 10, "100.00")


def refused_before_the_core(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00", symbol="NOTHING")
    desk.a.enter("A2", BUY, "1.5", "100.00")
    desk.a.cancel("A3", "A0", symbol="NOTHING")


def iceberg(desk: Desk) -> None:
    shown = desk.words.pick("111=5|", "111=5|", "1138=5|")
    desk.a.enter("A1", BUY, 20, "100.00", shown)
    desk.a.told()
    desk.b.enter("B1", SELL, 12, "100.00")


def stop(desk: Desk) -> None:
    desk.a.send("D", f"11=A1|21=1|55={desk.x}|54=1|60={utc()}|38=10|40=4|44=101.00|99=100.00|")
    desk.a.told()
    trade_at_100(desk)


def trade_at_100(desk: Desk) -> None:
    desk.b.enter("B8", SELL, 1, "100.00")
    desk.b.told()
    desk.a.enter("A8", BUY, 1, "100.00")


def left_over(desk: Desk) -> None:
    desk.b.enter("B1", SELL, 4, "100.00")
    desk.b.told()
    desk.a.send("D", f"11=A1|21=1|55={desk.x}|54=1|60={utc()}|38=10|40=K|")


def order_list(desk: Desk) -> None:
    lists.send(
        desk, "L", lists.OCO,
        lists.order(desk, 1, "A1", SELL, 10, "40=2|44=105.00|"),
        lists.order(desk, 2, "A2", SELL, 10, "40=3|99=95.00|"),
    )  # fmt: skip
    desk.a.told()
    desk.b.enter("B1", BUY, 10, "105.00")


def list_refused_before_the_core(desk: Desk) -> None:
    lists.send(desk, "L", lists.OCO, lists.order(desk, 1, "A1", SELL, 10, "40=2|44=105.001|"))


def quote(desk: Desk) -> None:
    quotes.quote(desk, "Q", quotes.entry("E1", desk.x, "10@90.00", "10@110.00"))
    desk.a.told()
    desk.b.enter("B1", BUY, 4, "110.00")
    desk.b.told()
    quotes.cancel(desk, "Q")


def mass_cancel(desk: Desk) -> None:
    for number in range(3):
        desk.a.enter(f"A{number}", BUY, 10, "90.00")
    desk.a.mass_cancel("M1")


def status(desk: Desk) -> None:
    new_order(desk)
    desk.a.ask("A1")
    desk.a.ask("A9")
    desk.a.ask_all("S1")


def busted(desk: Desk) -> None:
    new_order(desk)
    desk.a.told()
    desk.b.enter("B1", SELL, 4, "100.00")
    desk.b.enter("B2", SELL, 2, "100.00")
    trades = [message[17] for message in desk.b.messages() if message[17].endswith("T")]
    desk.operate("bust", trade=trades[0])
    desk.operate("correct", trade=trades[1], price="99.00", quantity="2")


def killed(desk: Desk) -> None:
    new_order(desk)
    desk.a.told()
    desk.operate("kill", name=desk.a.comp_id)


EVERY_KIND = [
    new_order, trade, cancel, replace, refused_by_the_core, refused_before_the_core, list_refused_before_the_core, iceberg, stop,
    left_over, order_list, quote, mass_cancel, busted, killed,
]  # fmt: skip


def told(trader: Trader) -> list[str]:
    """The reports that a trader was sent since his desk was opened."""
    trader.messages()  # a connection that is closed with something unread loses what is on its way
    trader.connect()
    trader.next_in = 1
    trader.logon()
    trader.send("2", "7=1|16=0|")
    return reports(trader.messages())


@pytest.mark.parametrize("what", EVERY_KIND)
def test_a_copy_says_what_the_participant_was_told(desk: Desk, version: str, watch: Watch, what: Callable[[Desk], None]) -> None:
    watcher = watch(OF_ALL[version], version, desk.a)
    what(desk)
    of_a = told(desk.a)
    assert of_a, "something was told"
    assert watcher.told() == of_a


@pytest.mark.parametrize("what", EVERY_KIND)
def test_a_copy_speaks_the_version_of_who_watches(
    open_version: Callable[[str], Desk], version: str, watch: Watch, what: Callable[[Desk], None]
) -> None:
    """It is what somebody of that version would have been told: the copy's own dictionary takes it, and it is the same event."""
    of_traders = VERSIONS[VERSIONS.index(version) - 1]
    desk, like_it = open_version(of_traders), open_version(version)
    watcher = watch(OF_ALL[version], version, desk.a)
    what(desk)
    told(desk.a)
    copies = watcher.messages()
    what(like_it)
    assert [kind(said(copy), desk) for copy in copies] == [kind(text, like_it) for text in told(like_it.a)]


def kind(text: str, desk: Desk) -> str:
    """A report without what makes it one of a certain order of a certain moment."""
    for name, short in desk.names.items():
        text = re.sub(rf"\b{name}\b", short, text)
    return re.sub(r"\|(37|17|19|60|880)=[^|]*", r"|\1=*", text)


def test_answers_to_questions_are_no_reports(desk: Desk, version: str, watch: Watch) -> None:
    new_order(desk)
    desk.a.told()
    watcher = watch(OF_ALL[version], version, desk.a)
    desk.a.ask("A1")
    desk.a.ask("A9")
    desk.a.ask_all("S1")
    desk.a.send("x", "320=L1|559=4|")
    desk.a.send("D", "11=A2|", header="97=Y|")
    assert len(desk.a.messages()) >= 4
    assert watcher.told() == []


def test_it_is_copied_once_however_many_sessions_are_told(desk: Desk, version: str, watch: Watch) -> None:
    watcher, other = watch(OF_ALL[version], version, desk.a), another(desk.venue, desk.a, VERSIONS[VERSIONS.index(version) - 1])
    new_order(desk)
    desk.a.told()
    other.replace("A2", "A1", BUY, 5, "100.00")
    other.told()
    desk.a.cancel("A3", "A2")
    desk.a.told()
    assert [message[150] for message in watcher.messages()] == ["0", "5", "4"]


def test_who_is_watched_is_the_participant_and_not_his_session(venue: Venue, desk: Desk, version: str, watch: Watch) -> None:
    """What somebody has entered on the screen is copied too: it came by the web's session."""
    watcher, web = watch(OF_ALL[version], version, desk.a), open_web(venue, desk, version)
    web.enter("A1", BUY, 10, "100.00")
    of_web = reports(web.messages())
    assert watcher.told() == of_web


def test_each_is_sent_the_reports_of_those_whom_he_watches(venue: Venue, watch: Watch) -> None:
    a0, a1 = (Trader(lambda: venue.ports()["fix"], name, "FIX.4.4") for name in ("A0", "A1"))
    venue.clients += [a0, a1]
    only = watch("ONE", "FIX.4.4", a0, a1)
    for trader, symbol in ((a0, "X0"), (a1, "X1")):
        trader.logon(reset=True)
        trader.send("D", f"11={utc()}|21=1|55={symbol}|54=1|60={utc()}|38=10|40=2|44=100.00|")
        trader.expect("8", "39=0")
    assert [message[128] for message in only.messages()] == ["A0"]


def test_copies_that_were_missed_are_sent_again_in_order(desk: Desk, version: str, watch: Watch) -> None:
    watcher = watch(OF_ALL[version], version, desk.a)
    watcher.close()
    trade(desk)
    of_a = told(desk.a)
    again = watcher.come_back()
    assert [said(copy) for copy in again] == of_a
    assert {copy.get(43) for copy in again} == {"Y"}
    assert [copy.number for copy in again] == sorted(copy.number for copy in again)


def test_nothing_is_taken(desk: Desk, version: str, watch: Watch) -> None:
    watcher = watch(OF_ALL[version], version, desk.a)
    number = watcher.send("D", order("W1", symbol=desk.x))
    refused = watcher.expect("j", f"45={number}|372=D|379=W1|380=3")
    assert refused[58] == REFUSAL
    assert desk.a.told() == []
    number = watcher.send("H", f"11=A1|55={desk.x}|54=1|")
    watcher.expect("j", f"45={number}|372=H|380=3")


def test_who_goes_on_sending_is_logged_out(version: str, watch: Watch) -> None:
    watcher = watch(OF_ALL[version], version)
    watcher.send_many(watcher.build("H", "11=A1|55=X0|54=1|") for _ in range(REFUSED_MAX))
    for _ in range(REFUSED_MAX):
        watcher.expect("j", "380=3")
    watcher.expect("5", f"58={REFUSED_MAX} messages were refused: {REFUSAL}")


def test_each_port_lets_its_own_in(venue: Venue, version: str) -> None:
    """A trader finds no session on the port of drop copies, and who watches none on that of orders, whatever they call it."""
    for name, port, target in (
        ("A0", "dropcopy", "FIXSERVER"), ("A0", "dropcopy", "FIXSERVER-DC"),
        (OF_ALL[version], "fix", "FIXSERVER-DC"), (OF_ALL[version], "fix", "FIXSERVER"),
    ):  # fmt: skip
        client = venue.client(name, version, port=port, target=target)
        client.connect()
        client.send("A", client.logon_body())
        client.expect_end()


def test_a_wrong_password_is_refused(venue: Venue, version: str) -> None:
    client = Watcher(venue, OF_ALL[version], version, set(), password="other")
    venue.clients.append(client)
    client.connect()
    client.send("A", client.logon_body())
    assert client.expect("5")[58] == "Logon refused: wrong name or password"
    client.expect_end()


def test_the_operator_sees_the_session(venue: Venue, desk: Desk, version: str, watch: Watch) -> None:
    watcher = watch(OF_ALL[version], version, desk.a)
    new_order(desk)
    desk.a.told()
    assert len(watcher.told()) == 1
    (row,) = operate(venue, "session list", name=OF_ALL[version], connected=True)["sessions"]
    assert row["logged_on"]
    assert venue.metrics()["fixserver_reports_copied_total"] > 0
