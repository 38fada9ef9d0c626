"""One's own trades of the day (AD): those that were, by what they are, and those that come, taken back and corrected ones too."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from fixserver.capture import SUBSCRIPTIONS_MAX
from tests.orders.desk import BUY, SELL, Desk, Trader, in_order
from tests.orders.test_holdings import told_until
from tests.venue import utc

REQUEST = "568=T1|"


@pytest.fixture(params=["FIX.4.4", "FIXT.1.1"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def ask(trader: Trader, more: str = "", request: str = "T1", kind: str = "0") -> None:
    trader.send("AD", f"568={request}|569={kind}|{more}")


def trades(trader: Trader, more: str = "", request: str = "T1") -> list[str]:
    """Ask, and all that is told up to the answer that says that this was all."""
    ask(trader, more, request)
    found: list[str] = []
    end = time.monotonic() + 10
    while not any(text.startswith("35=AQ") and "750=0" not in text for text in found):
        assert time.monotonic() < end, found
        found += trader.told()
    return found


def answer(count: int, status: str, more: str = "", result: str = "0", request: str = "T1", symbol: str = "[N/A]") -> str:
    return in_order(f"35=AQ|568={request}|569=0|748={count}|749={result}|750={status}|55={symbol}|{more}")


def trade(side: str, quantity: int, price: str, order_id: str, more: str = "", kind: str = "487=0|150=F") -> str:
    value = f"{quantity * float(price):.2f}"
    return in_order(
        f"35=AE|571=*|{kind}|856=0|568=T1|880=*|17=*|570=N|55=X|32={quantity}|31={price}|75=*|60=*|552=1|54={side}|37={order_id}|"
        f"1=A|15=USD|381={value}|{more}"
    )


def two_trades(desk: Desk) -> list[str]:
    """B sells to A, and A to B; the ExecIDs of A's fills."""
    desk.b.enter("B1", SELL, 4, "100.00")
    desk.b.told()
    desk.a.enter("A1", BUY, 4, "100.00")
    ids = [message[17] for message in desk.a.messages() if message.get(32)]
    desk.a.enter("A2", SELL, 3, "101.00")
    desk.a.told()
    desk.b.enter("B2", BUY, 3, "101.00")
    desk.b.told()
    ids += [message[17] for message in desk.a.messages() if message.get(32)]
    desk.order_ids.clear()
    return ids


def test_trades_of_the_day_are_told_to_their_side_alone(desk: Desk) -> None:
    two_trades(desk)
    told = trades(desk.a)
    assert told == [answer(0, "0"), trade(BUY, 4, "100.00", "#1"), trade(SELL, 3, "101.00", "#2"), answer(2, "1")]


def test_by_what_they_are(desk: Desk) -> None:
    first, second = two_trades(desk)
    for more, expected in (
        (f"55={desk.x}|", 2), (f"55={desk.y}|", 0), ("54=1|", 1), ("54=2|", 1),
        (f"17={first}|", 1), (f"17={second}|", 1), ("17=1T|", 0),
    ):  # fmt: skip
        symbol = "X" if more == f"55={desk.x}|" else "Y" if more == f"55={desk.y}|" else "[N/A]"
        told = trades(desk.a, more)
        assert told[-1] == answer(expected, "1", symbol=symbol), more
        assert len(told) == expected + 2


def test_by_times(desk: Desk) -> None:
    two_trades(desk)
    later = utc(3600)
    assert trades(desk.a, f"580=1|60={later}|")[-1] == answer(0, "1")
    assert trades(desk.a, f"580=2|60={utc(-3600)}|60={later}|")[-1] == answer(2, "1")
    assert trades(desk.a, f"580=2|60={later}|60={utc(-3600)}|")[-1].startswith("35=AQ|55=[N/A]|58=NoDates(580) has one")
    assert "58=trades of a day are those" in trades(desk.a, "580=1|75=20260101|")[-1]


def test_what_was_taken_back_or_corrected(desk: Desk) -> None:
    first, second = two_trades(desk)
    desk.operate("bust", trade=first)
    desk.operate("correct", trade=second, price="102.00")
    desk.a.told()
    assert trades(desk.a)[3:] == [
        trade(BUY, 4, "100.00", "#1", "572=*|", kind="487=1|150=H"),
        trade(SELL, 3, "102.00", "#2", "572=*|", kind="487=2|150=G"),
        answer(4, "1"),
    ]


def test_a_subscription_goes_on(desk: Desk) -> None:
    first, _ = two_trades(desk)
    told = trades(desk.a, "263=1|")
    assert told[0] == answer(0, "0", "263=1|") and told[-1] == answer(2, "1", "263=1|")
    desk.b.enter("B3", SELL, 5, "99.00")
    desk.b.told()
    desk.a.enter("A3", BUY, 5, "99.00")
    assert told_until(desk.a, "35=AE")[-1] == trade(BUY, 5, "99.00", "#4", "325=Y|")
    desk.operate("bust", trade=first)
    assert told_until(desk.a, "35=AE")[-1] == trade(BUY, 4, "100.00", "#1", "325=Y|572=*|", kind="487=1|150=H")
    ask(desk.a, "263=1|")
    text = "58=T1 is the name of a request that goes on|"
    assert desk.a.told() == [answer(0, "2", f"263=1|{text}", "99")]
    ask(desk.a, "263=2|")
    assert desk.a.told() == [answer(4, "1", "263=2|")]
    desk.b.enter("B4", SELL, 5, "99.00")
    desk.b.told()
    desk.a.enter("A4", BUY, 5, "99.00")
    assert [text[:4] for text in desk.a.told()] == ["35=8", "35=8"]


@pytest.mark.parametrize(
    ("more", "result", "text", "symbol"),
    [
        ("55=NOTHING|", "1", "unknown symbol NOTHING", "NOTHING"),
        ("11=A1|", "99", "trades are not found by ClOrdID(11): by Symbol, Side, OrderID, ExecID and times", "[N/A]"),
        ("263=2|", "99", "there is no such subscription", "[N/A]"),
    ],
)
def test_what_is_not_offered_is_refused(desk: Desk, more: str, result: str, text: str, symbol: str) -> None:
    ask(desk.a, more)
    subscription = more if more.startswith("263") else ""
    assert desk.a.told() == [answer(0, "2", f"{subscription}58={text}|", result, symbol=symbol)]


def test_hostile_requests(desk: Desk) -> None:
    ask(desk.a, kind="3")
    assert "749=8|750=2" in desk.a.told_one()
    ask(desk.a, request="T" * 65)
    assert "58=a request is named by 1 to 64 characters" in desk.a.told_one()
    for number in range(SUBSCRIPTIONS_MAX):
        assert trades(desk.a, "263=1|", f"S{number}")[-1] == answer(0, "1", "263=1|", request=f"S{number}")
    ask(desk.a, "263=1|", "S99")
    text = f"58={SUBSCRIPTIONS_MAX} requests go on already, which is the most|"
    assert desk.a.told() == [answer(0, "2", f"263=1|{text}", "99", request="S99")]


def test_many_at_once_are_told_to_wait(desk: Desk) -> None:
    two_trades(desk)
    for number in range(5):
        ask(desk.a, request=f"T{number}")
    told = told_until(desk.a, "35=AQ")
    while sum(text.startswith("35=AQ") and "750=0" not in text for text in told) < 5:
        told += desk.a.told()
    ends = [text for text in told if text.startswith("35=AQ") and "750=0" not in text]
    assert {"750=1" in text or "58=2 requests are being answered: ask again" in text for text in ends} == {True}
    assert trades(desk.a)[-1] == answer(2, "1")


def test_another_session_is_told_too(desk: Desk, session_of: Callable[[Trader, str], Trader]) -> None:
    """Trades are the participant's, whichever session they came by."""
    two_trades(desk)
    other = session_of(desk.a, "FIXT.1.1" if desk.words.version == "FIX.4.4" else "FIX.4.4")
    assert [text[:5] for text in trades(other)] == ["35=AQ", "35=AE", "35=AE", "35=AQ"]
