"""What an account has, by RequestForPositions (AN) and CollateralInquiry (BB): holdings, cash, what is reserved of them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from fixserver.holdings import SUBSCRIPTIONS_MAX
from tests.orders.desk import BUY, SELL, Desk, Trader, in_order
from tests.venue import utc

PARTIES = "453=1|448=A|447=D|452=1|"


@pytest.fixture(params=["FIX.4.4", "FIXT.1.1"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def ask(trader: Trader, request: str = "P1", more: str = "", account: str = "") -> None:
    account = account or trader.comp_id
    parties = f"453=1|448={trader.comp_id}|447=D|452=1|"
    trader.send("AN", f"710={request}|724=0|{parties}1={account}|581=1|715=20260101|60={utc()}|{more}")


def inquire(trader: Trader, request: str = "C1", more: str = "") -> None:
    trader.send("BB", f"909={request}|{more}")


def position_ack(count: int, more: str = "", result: str = "0", status: str = "0", request: str = "P1") -> str:
    return in_order(f"35=AO|721=*|710={request}|727={count}|728={result}|729={status}|{PARTIES}1=A|581=1|{more}")


def position(kind: str, more: str, request: str = "P1") -> str:
    return in_order(f"35=AP|721=*|710={request}|724=0|{kind}|728=0|715=*|{PARTIES}1=A|581=1|{more}")


def shares(quantity: int, price: str = "100.00", symbol: str = "X") -> str:
    return f"55={symbol}|15=USD|730={price}|731=2|734=100.00|702=1|703=TOT|704={quantity}|"


def cash(total: str, available: str) -> str:
    return f"15=USD|730=1|731=2|734=1|753=2|707=CASH|708={total}|707=CRES|708={available}|"


def collateral_ack(count: int, more: str = "", status: str = "0", result: str = "0", request: str = "C1") -> str:
    return in_order(f"35=BG|909={request}|945={status}|946={result}|911={count}|{PARTIES}{more}")


def of_desk(desk: Desk, told: list[str]) -> list[str]:
    """Without COIN, of which everybody has one."""
    return [text for text in told if "55=COIN" not in text]


def test_positions_are_holdings_and_cash(desk: Desk) -> None:
    desk.b.enter("B1", SELL, 10, "101.00")
    desk.b.told()
    desk.a.enter("A1", BUY, 10, "101.00")
    desk.a.enter("A2", BUY, 5, "90.00")
    desk.a.told()
    ask(desk.a)
    assert of_desk(desk, desk.a.told()) == [
        position_ack(4),
        position("727=4", cash("998990.00", "998540.00")),
        position("727=4", shares(10_010, "101.00")),
        position("727=4", shares(10_000, symbol="Y")),
    ]


def test_of_one_instrument(desk: Desk) -> None:
    ask(desk.a, more=f"55={desk.x}|")
    assert desk.a.told() == [position_ack(1, "55=X"), position("727=1", shares(10_000))]


def test_collateral_is_what_can_still_be_used(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "90.00")
    desk.a.enter("A2", SELL, 40, "110.00")
    desk.a.told()
    inquire(desk.a)
    told = [re.sub(r"\|900=[^|]*", "|900=*", text) for text in of_desk(desk, desk.a.told())]  # at prices of all instruments
    assert told[0] == collateral_ack(4)
    head = f"909=C1|911=4|912=N|908=*|{PARTIES}1=A|715=*|"
    assert told[1:3] == [
        in_order(f"35=BA|{head}910=1|15=USD|899=999100.00|900=*|901=1000000.00|922=1000000.00|"),
        in_order(f"35=BA|{head}910=1|55=X|53=9960|15=USD|"),
    ]


def test_what_is_somebody_elses_is_as_if_it_were_not_there(desk: Desk) -> None:
    for account in (desk.b.comp_id, "nobody"):
        ask(desk.a, account=account)
        (told,) = desk.a.told()
        assert told.replace(account, "*").replace("1=B", "1=*").replace("account B", "account *") == in_order(
            f"35=AO|721=*|710=P1|727=0|728=3|729=2|{PARTIES}1=*|581=1|58=unknown account *"
        )
        inquire(desk.a, more=f"1={account}|")
        assert "945=4|946=9" in desk.a.told_one()


@pytest.mark.parametrize(
    ("more", "result", "text"),
    [
        ("55=NOTHING|", "1", "unknown symbol NOTHING"),
        ("263=2|", "99", "there is no such subscription"),
    ],
)
def test_what_is_not_there_is_refused(desk: Desk, more: str, result: str, text: str) -> None:
    ask(desk.a, more=more)
    echoed = more if more.startswith("55") else ""
    assert desk.a.told() == [position_ack(0, f"{echoed}58={text}", result, "2")]


def test_what_is_not_offered_is_refused(desk: Desk) -> None:
    parties = f"453=1|448={desk.a.comp_id}|447=D|452=1|"
    desk.a.send("AN", f"710=P1|724=1|{parties}1={desk.a.comp_id}|581=1|715=20260101|60={utc()}|")
    assert desk.a.told() == [position_ack(0, "58=PosReqType 1 is not taken: 0 is", "4", "2")]
    inquire(desk.a, more="37=1|")
    text = "collateral is told of accounts, not of orders, executions or trades"
    assert desk.a.told() == [collateral_ack(0, f"58={text}", "4", "8")]
    ask(desk.a, request="P" * 65)
    assert "58=a request is named by 1 to 64 characters" in desk.a.told_one()


def test_changes_are_told_to_who_wants_them(desk: Desk) -> None:
    ask(desk.a, more=f"263=1|55={desk.x}|")
    inquire(desk.a, more="263=1|15=USD|55=NOTHING|")
    ask(desk.a, more=f"263=1|55={desk.x}|")
    assert desk.a.told() == [
        position_ack(1, "55=X"),
        position("727=1", shares(10_000)),
        collateral_ack(0, "55=NOTHING|15=USD|58=unknown symbol NOTHING", "4", "1"),
        position_ack(0, "55=X|58=P1 is the name of a subscription already", "99", "2"),
    ]
    desk.b.enter("B1", BUY, 3, "99.00")
    desk.b.told()
    desk.a.enter("A1", SELL, 3, "99.00")
    assert told_until(desk.a, "35=AP")[-1] == position("325=Y", shares(9_997, "99.00"))
    ask(desk.a, more="263=2|")
    assert desk.a.told() == [position_ack(0)]
    desk.a.enter("A2", SELL, 3, "105.00")
    time.sleep(0.3)  # longer than changes take to be told
    assert [text[:5] for text in desk.a.told()] == ["35=8|"]


def told_until(trader: Trader, beginning: str) -> list[str]:
    """What a trader is told up to a message that begins so."""
    found: list[str] = []
    end = time.monotonic() + 10
    while not any(text.startswith(beginning) for text in found):
        assert time.monotonic() < end, found
        found += trader.told()
    return found


def test_subscriptions_have_a_limit_and_end_with_the_session(desk: Desk) -> None:
    for number in range(SUBSCRIPTIONS_MAX + 1):
        ask(desk.a, f"P{number}", f"263=1|55={desk.x}|")
    told = desk.a.told()
    text = f"{SUBSCRIPTIONS_MAX} subscriptions are there already, which is the most"
    assert told[-1] == position_ack(0, f"55=X|58={text}", "99", "2", request=f"P{SUBSCRIPTIONS_MAX}")
    desk.a.logout()
    desk.a.logon()
    ask(desk.a, "P0", f"263=1|55={desk.x}|")
    assert desk.a.told() == [position_ack(1, "55=X", request="P0"), position("727=1", shares(10_000), "P0")]


def test_fix_4_2_has_none_of_it(session_of: Callable[[Trader, str], Trader], desk: Desk) -> None:
    old = session_of(desk.a, "FIX.4.2")
    for number, msg_type in enumerate(("AN", "BB", "AD"), 2):
        old.send(msg_type, "710=P1|724=0|")
        refused = old.expect("3", f"45={number}|372={msg_type}")
        assert refused[373] == "11"
