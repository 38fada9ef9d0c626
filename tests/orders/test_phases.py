"""Phases of trading as clients see them: who is told what (f, h), who may ask (e, g, x), and what is refused in which phase."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.orders.desk import BUY, SELL, Desk, in_order, operate
from tests.venue import VERSIONS, Venue

TAKER = "851=2|"
# SecurityTradingStatus(326) on 4.2, 4.4, 5.0SP2, and TradingSessionSubID(625) where there is one.
PHASES = {
    "pre-open": ("14", "21", "21", "1"),
    "opening-auction": ("5", "22", "22", "2"),
    "continuous": ("17", "17", "17", "3"),
    "volatility-auction": ("6", "5", "5", "9"),
    "closing-auction": ("15", "15", "15", "4"),
    "closing-price": ("16", "16", "26", "5"),
    "closed": ("18", "18", "18", "7"),
    "halted": ("2", "2", "2", "7"),
    "cancel-only": ("1", "1", "1", "7"),
}
SESSION_STATUS = {
    "pre-open": "4", "opening-auction": "4", "continuous": "2", "volatility-auction": "2", "closing-auction": "5",
    "closing-price": "2", "closed": "3", "halted": "1", "cancel-only": "1",
}  # fmt: skip


def limit(side: str, quantity: int, price: str, time_in_force: str = "0") -> str:
    return f"54={side}|38={quantity}|40=2|44={price}|59={time_in_force}"


def security_status(desk: Desk, phase: str, more: str, last: str = "", text: str = "") -> str:
    """SecurityStatus of X."""
    *statuses, part = PHASES[phase]
    session = desk.words.pick("336=MAIN", f"336=MAIN|625={part}", f"1300=MAIN|336=1|625={part}")
    said = "" if desk.words.old else f"58={phase}{text}|"
    price = f"31={last}|" if last else ""
    return in_order(f"35=f|55=X|{session}|326={desk.words.pick(*statuses)}|{price}60=*|{said}{more}")


@pytest.fixture
def back_to_continuous(venue: Venue) -> Any:
    yield
    operate(venue, "phase", all=True, phase="continuous")


# ---------------------------------------------------------------------------------------------- told unasked


@pytest.mark.parametrize("phase", PHASES)
def test_every_session_is_told_of_an_instruments_phase(standing_desk: Desk, phase: str) -> None:
    desk = standing_desk
    desk.operate("phase", phase="closed" if phase != "closed" else "halted")
    desk.a.messages(), desk.b.messages()
    desk.operate("phase", phase=phase)
    told, other = desk.a.messages(), desk.b.messages()
    (message,) = told
    text = message.get(58).removeprefix(phase)
    assert text.startswith(" until ") == (phase == "volatility-auction" and not desk.words.old)
    assert desk.written(message) == security_status(desk, phase, "325=Y|", text=text)
    assert [desk.written(message)] == [desk.written(message) for message in other]
    desk.operate("phase", phase="continuous")
    desk.a.messages(), desk.b.messages()


@pytest.mark.usefixtures("back_to_continuous")
@pytest.mark.parametrize("phase", ["pre-open", "closing-auction", "halted", "closed"])
def test_every_session_is_told_of_a_markets_phase(venue: Venue, desk: Desk, phase: str) -> None:
    operate(venue, "phase", market="SIDE", phase=phase)
    market, instrument = desk.a.messages()
    session = desk.words.pick("336=SIDE", f"336=SIDE|625={PHASES[phase][3]}", f"1300=SIDE|336=1|625={PHASES[phase][3]}")
    assert desk.written(market) == in_order(f"35=h|{session}|338=1|325=Y|340={SESSION_STATUS[phase]}|58={phase}")
    assert (instrument.type, instrument[55]) == ("f", "ASIDE")


# ------------------------------------------------------------------------------------------------------ asked


def test_the_phase_of_an_instrument_is_told_when_asked_for(desk: Desk) -> None:
    """With 263=1 as with 0: changes are told anyway. 263=2 ends what never began, and is not answered."""
    desk.a.enter("A1", BUY, 1, "100.00")
    desk.a.messages()
    desk.b.enter("B1", SELL, 1, "100.00")
    desk.b.messages()
    desk.a.messages()
    for request, scope in (("Q1", "0"), ("Q2", "1"), ("Q3", "2")):
        desk.a.send("e", f"324={request}|55={desk.x}|263={scope}|")
    desk.a.send("e", "324=Q4|55=NOSUCH|263=0|")
    unknown = "" if desk.words.old else "58=unknown symbol NOSUCH|"
    assert desk.a.told() == [
        security_status(desk, "continuous", "324=Q1|", "100.00"),
        security_status(desk, "continuous", "324=Q2|", "100.00"),
        in_order(f"35=f|324=Q4|55=NOSUCH|326=20|60=*|{unknown}"),
    ]


def test_the_phase_of_a_market_is_told_when_asked_for(desk: Desk) -> None:
    desk.a.send("g", "335=Q1|263=0|")
    own = "1300" if desk.words.latest else "336"
    desk.a.send("g", f"335=Q2|{own}=SIDE|263=1|")
    desk.a.send("g", f"335=Q3|{own}=NOSUCH|263=0|")
    desk.a.send("g", "335=Q4|263=2|")
    one, two, three, four = desk.a.told()

    def session(market: str, part: str = "625=3|") -> str:
        return desk.words.pick(f"336={market}|", f"336={market}|{part}", f"1300={market}|336=1|{part}")

    assert [one, two] == [in_order(f"35=h|335=Q1|{session(name)}338=1|340=2|58=continuous") for name in ("MAIN", "SIDE")]
    assert three == in_order(f"35=h|335=Q2|{session('SIDE')}338=1|340=2|58=continuous")
    if desk.words.old:
        number = in_order(four).split("|45=")[1].split("|")[0]
        assert four == in_order(f"35=j|45={number}|372=g|379=Q3|380=1|58=unknown market NOSUCH")
    else:
        assert four == in_order(f"35=h|335=Q3|{session('NOSUCH', '')}340=6|567=1|58=unknown market NOSUCH")


def test_the_list_of_instruments(desk: Desk) -> None:
    desk.a.send("x", f"320=Q1|559=0|55={desk.x}|")
    desk.a.send("x", "320=Q2|559=0|55=NOSUCH|")
    desk.a.send("x", "320=Q3|559=3|")
    rules = "1205=1|1206=0|1208=0.01|1306=0|1148=50.00|1149=150.00|1150=100.00|1140=5000|58=market MAIN|"
    terms = rules if desk.words.latest else "336=MAIN|58=tick 0.01, at most 5000 an order, prices from 50.00 to 150.00|"
    assert desk.a.told() == [
        in_order(f"35=y|320=Q1|322=*|560=0|393=1|893=Y|146=1|55=X|15=USD|561=1|562=1|{terms}"),
        in_order("35=y|320=Q2|322=*|560=2"),
        in_order("35=y|320=Q3|322=*|560=1"),
    ]


def test_the_list_of_all_instruments_comes_in_parts(desk: Desk) -> None:
    desk.a.send("x", "320=Q1|559=4|")
    parts = desk.a.messages()
    assert [part[893] for part in parts] == ["N"] * (len(parts) - 1) + ["Y"]
    symbols = [value.decode() for part in parts for tag, value in part.pairs if tag == b"55"]
    assert len(symbols) == len(set(symbols)) == int(parts[0][393])
    assert {desk.x, desk.y, "COIN", "ASIDE"} <= set(symbols)
    own = "1300" if desk.words.latest else "336"
    desk.a.send("x", f"320=Q2|559=4|{own}=SIDE|")
    (side,) = desk.a.messages()
    assert (side[393], side[55]) == ("1", "ASIDE")


# ---------------------------------------------------------------------------------------------- what is taken


def test_what_a_phase_does_not_take_is_refused(desk: Desk) -> None:
    """Code 4 after the close, 2 in a halt or where the time in force does not fit; cancels are taken in any phase."""
    desk.a.enter("A0", BUY, 1, "90.00")
    desk.a.messages()
    answers = []
    for number, phase in enumerate(("closed", "halted", "cancel-only", "pre-open")):
        desk.operate("phase", phase=phase)
        desk.a.enter(f"A{number + 1}", BUY, 1, "100.00", "59=3|" if phase == "pre-open" else "")
        desk.a.replace(f"R{number}", "A0", BUY, 1, "91.00", "59=3|" if phase == "pre-open" else "")
        answers += [
            (message.type, message.get(103), message.get(102), message[58]) for message in desk.a.messages() if message.type != "f"
        ]
    other = desk.words.pick("2", "99", "99")
    closed, halted, cancels = f"{desk.x} is closed", f"{desk.x} is halted", f"{desk.x} is open to cancels only"
    not_taken = "TimeInForce 3 is not taken in phase pre-open"
    assert answers == [
        ("8", "4", "", closed),
        ("9", "", other, closed),
        ("8", "2", "", halted),
        ("9", "", other, halted),
        ("8", "2", "", cancels),
        ("9", "", other, cancels),
        ("8", "2", "", not_taken),
        ("9", "", other, not_taken),
    ]
    desk.operate("phase", phase="halted")
    desk.a.cancel("C0", "A0")
    assert [message[150] for message in desk.a.messages() if message.type == "8"] == ["4"]
    desk.operate("phase", phase="continuous")


def test_an_auction_gathers_orders_and_trades_them_at_one_price(desk: Desk) -> None:
    """Both sides are reported as takers of liquidity but for who came first; orders at the opening end with it."""
    desk.operate("phase", phase="opening-auction")
    desk.a.enter("A1", BUY, 10, "102.00", "59=2|")
    desk.a.enter("A2", BUY, 5, "90.00", "59=2|")
    desk.a.enter("A3", BUY, 5, "", "")
    first = [desk.written(message) for message in desk.a.messages() if message.type == "8"]
    desk.b.enter("B1", SELL, 12, "100.00")
    desk.b.messages()
    desk.operate("phase", phase="continuous")
    opening = limit(BUY, 10, "102.00", "2")
    late = limit(BUY, 5, "90.00", "2")
    market = "54=1|38=5|40=1|59=0"
    assert first == [
        desk.report("new", "#1", "A1", opening, "10/0@0"),
        desk.report("new", "#2", "A2", late, "5/0@0"),
        desk.report("new", "#3", "A3", market, "5/0@0"),
    ]
    told = [desk.written(message) for message in desk.a.messages() if message.type == "8"]
    in_auction = "851=4|" if desk.words.version == "FIXT.1.1" else ""  # where neither side is the maker
    assert told == [
        desk.report("fill", "#3", "A3", market, "0/5@102.000000", f"32=5|31=102.00|{in_auction}"),
        desk.report("partial fill", "#1", "A1", opening, "3/7@102.00", f"32=7|31=102.00|{in_auction}"),
        desk.report("expired", "#1", "A1", opening, "0/7@102.00", "58=what was left of an order at the opening|"),
        desk.report("expired", "#2", "A2", late, "0/0@0", "58=what was left of an order at the opening|"),
    ]


def test_an_order_at_the_close_waits_for_the_closing_auction(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00", "59=7|")
    terms = limit(BUY, 10, "100.00", "7")
    assert desk.a.told() == [desk.report("new", "#1", "A1", terms, "10/0@0")]
    desk.operate("phase", phase="closing-auction")
    told = [desk.written(message) for message in desk.a.messages() if message.type == "8"]
    activated = desk.report("activated", "#1", "A1", terms, "10/0@0", "58=the closing auction begins|")
    assert told == ([] if desk.words.old else [activated])
    desk.operate("phase", phase="closed")
    told = [desk.written(message) for message in desk.a.messages() if message.type == "8"]
    assert told == [desk.report("expired", "#1", "A1", terms, "0/0@0", "58=what was left of an order at the close|")]
    desk.operate("phase", phase="continuous")


def test_a_price_beyond_the_dynamic_band_begins_a_volatility_auction(venue: Venue, special_desk: Callable[..., Desk]) -> None:
    """It ends by itself, and trading goes on: the venue's timers see to both."""
    desk = special_desk("volatile")
    operate(venue, "instrument change", symbol=desk.x, dynamic_band="1", pause_seconds=1)
    desk.b.enter("B1", SELL, 5, "103.00")
    desk.b.messages()
    desk.a.enter("A1", BUY, 5, "103.00")
    seen = [desk.a.receive() for _ in range(2)]
    assert [(message.type, message.get(326) or message[150]) for message in seen] == [
        ("8", "0"),
        ("f", desk.words.pick("6", "5", "5")),
    ]
    more = [desk.a.receive() for _ in range(2)]
    filled = "2" if desk.words.old else "F"
    assert [(message.type, message.get(326) or message[150]) for message in more] == [("8", filled), ("f", "17")]
    assert VERSIONS
