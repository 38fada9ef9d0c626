"""Terms of single participants: self-trading, short selling, the venue's name for them, settings of QuickFIX."""

from __future__ import annotations

from collections.abc import Callable

from tests.orders.desk import BUY, SELL, Desk, in_order


def test_who_may_trade_with_himself_does(special_desk: Callable[[str], Desk]) -> None:
    desk = special_desk("self-trading")
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.enter("A2", SELL, 10, "100.00")
    buy, sell = "54=1|38=10|40=2|44=100.00|59=0", "54=2|38=10|40=2|44=100.00|59=0"
    assert desk.a.told() == [
        desk.report("new", "#1", "A1", buy, "10/0@0"),
        desk.report("new", "#2", "A2", sell, "10/0@0"),
        desk.report("fill", "#2", "A2", sell, "0/10@100.00", "32=10|31=100.00|851=2|"),
        desk.report("fill", "#1", "A1", buy, "0/10@100.00", "32=10|31=100.00|851=1|"),
    ]


def test_who_may_sell_short_may_so_far(special_desk: Callable[[str], Desk]) -> None:
    """A hundred more than the ten thousand that he has."""
    desk = special_desk("short")
    for cl_ord_id, quantity in (("A1", 5000), ("A2", 5000), ("A3", 101), ("A4", 100)):
        desk.a.enter(cl_ord_id, SELL, quantity, "60.00")
    assert [(message[11], message[39], message.get(58)) for message in desk.a.messages()] == [
        ("A1", "0", ""),
        ("A2", "0", ""),
        ("A3", "8", f"101 {desk.x} needed, 100 available in {desk.a.comp_id}"),
        ("A4", "0", ""),
    ]


def test_a_participant_may_know_the_venue_by_another_name(special_desk: Callable[..., Desk]) -> None:
    desk = special_desk("own venue", target="MYBROKER")
    desk.a.enter("A1", BUY, 10, "100.00")
    (new,) = desk.a.messages()
    assert new.differs(f"49=MYBROKER|56={desk.a.comp_id}|39=0") == []


def test_where_no_dictionary_is_used_the_venue_looks_itself(special_desk: Callable[[str], Desk]) -> None:
    """Any QuickFIX setting can be a participant's; what is missing then is refused by the gateway."""
    desk = special_desk("no dictionary")
    x = f"55={desk.x}|38=10|44=100.00|"
    asked = {
        "D": (f"11=A1|40=2|{x}", "A1", "54"),
        "G": (f"11=A2|41=A1|54=1|{x}", "A2", "40"),
        "F": (f"41=A1|54=1|{x}", "", "11"),
        "q": ("11=A3|", "A3", "530"),
        "AF": ("584=Q1|", "Q1", "585"),
    }
    numbers = {msg_type: desk.a.send(msg_type, body) for msg_type, (body, _, _) in asked.items()}
    assert desk.a.told() == [
        in_order(f"35=j|45={numbers[msg_type]}|372={msg_type}|{f'379={ref}|' if ref else ''}380=5|58=tag {tag} is missing")
        for msg_type, (_, ref, tag) in asked.items()
    ]
