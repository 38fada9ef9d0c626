"""Entering orders (D): what is reported, field by field, on every version."""

from __future__ import annotations

import calendar
import re
import time

from tests.orders.desk import BUY, SELL, Desk
from tests.venue import utc

MAKER, TAKER = "851=1|", "851=2|"


def limit(side: str, quantity: int, price: str, time_in_force: str = "0") -> str:
    return f"54={side}|38={quantity}|40=2|44={price}|59={time_in_force}"


BUY_10 = limit(BUY, 10, "100.00")
SELL_10 = limit(SELL, 10, "100.00")


# ----------------------------------------------------------------------------------------------- resting


def test_an_order_that_meets_nobody_rests(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")
    assert desk.a.told() == [desk.report("new", "#1", "A1", BUY_10, "10/0@0")]


def test_orders_that_do_not_cross_do_not_trade(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "99.99")
    desk.b.enter("B1", SELL, 10, "100.00")
    assert desk.b.told() == [desk.report("new", "#1", "B1", SELL_10, "10/0@0", of="B")]
    assert desk.a.told() == [desk.report("new", "#2", "A1", limit(BUY, 10, "99.99"), "10/0@0")]


def test_what_an_order_says_is_what_its_reports_say(desk: Desk) -> None:
    """Time in force is said where it was left out; numbers are written as the instrument writes them."""
    desk.a.enter("A1", BUY, "010", "100.1", f"1={desk.a.comp_id}|15=USD|")
    desk.a.enter("A2", SELL, "10.0", "100.2000", "59=1|")
    assert desk.a.told() == [
        desk.report("new", "#1", "A1", limit(BUY, 10, "100.10"), "10/0@0"),
        desk.report("new", "#2", "A2", limit(SELL, 10, "100.20", "1"), "10/0@0"),
    ]


# ----------------------------------------------------------------------------------------------- trading


def test_two_orders_that_meet_fill(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.told()
    desk.b.enter("B1", SELL, 10, "100.00")
    assert desk.b.told() == [
        desk.report("new", "#2", "B1", SELL_10, "10/0@0", of="B"),
        desk.report("fill", "#2", "B1", SELL_10, "0/10@100.00", "32=10|31=100.00|" + TAKER, of="B"),
    ]
    assert desk.a.told() == [desk.report("fill", "#1", "A1", BUY_10, "0/10@100.00", "32=10|31=100.00|" + MAKER)]


def test_a_partial_fill_leaves_the_rest_at_work(desk: Desk) -> None:
    """It is not reported as filled, and LeavesQty is not 0."""
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.told()
    desk.b.enter("B1", SELL, 4, "100.00")
    assert desk.b.told() == [
        desk.report("new", "#2", "B1", limit(SELL, 4, "100.00"), "4/0@0", of="B"),
        desk.report("fill", "#2", "B1", limit(SELL, 4, "100.00"), "0/4@100.00", "32=4|31=100.00|" + TAKER, of="B"),
    ]
    desk.b.enter("B2", SELL, 7, "100.00")
    assert desk.b.told() == [
        desk.report("new", "#3", "B2", limit(SELL, 7, "100.00"), "7/0@0", of="B"),
        desk.report("partial fill", "#3", "B2", limit(SELL, 7, "100.00"), "1/6@100.00", "32=6|31=100.00|" + TAKER, of="B"),
    ]
    assert desk.a.told() == [
        desk.report("partial fill", "#1", "A1", BUY_10, "6/4@100.00", "32=4|31=100.00|" + MAKER),
        desk.report("fill", "#1", "A1", BUY_10, "0/10@100.00", "32=6|31=100.00|" + MAKER),
    ]


def test_a_trade_is_at_the_resting_orders_price(desk: Desk) -> None:
    """An incoming sell trades at the resting bid's price, an incoming buy at the offer's."""
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.enter("A2", SELL, 10, "101.00")
    desk.a.told()
    desk.b.enter("B1", SELL, 10, "95.00")
    desk.b.enter("B2", BUY, 10, "105.00")
    assert desk.b.told() == [
        desk.report("new", "#3", "B1", limit(SELL, 10, "95.00"), "10/0@0", of="B"),
        desk.report("fill", "#3", "B1", limit(SELL, 10, "95.00"), "0/10@100.000000", "32=10|31=100.00|" + TAKER, of="B"),
        desk.report("new", "#4", "B2", limit(BUY, 10, "105.00"), "10/0@0", of="B"),
        desk.report("fill", "#4", "B2", limit(BUY, 10, "105.00"), "0/10@101.000000", "32=10|31=101.00|" + TAKER, of="B"),
    ]


def test_the_average_price_is_weighted_and_exact_to_four_more_decimals(desk: Desk) -> None:
    """(1 × 100.00 + 1 × 100.01 + 1 × 100.03) / 3 = 100.01333…"""
    for number, price in enumerate(("100.00", "100.01", "100.03"), 1):
        desk.a.enter(f"A{number}", SELL, 1, price)
    desk.a.told()
    desk.b.enter("B1", BUY, 5, "100.03")
    terms = limit(BUY, 5, "100.03")
    assert desk.b.told() == [
        desk.report("new", "#4", "B1", terms, "5/0@0", of="B"),
        desk.report("partial fill", "#4", "B1", terms, "4/1@100.000000", "32=1|31=100.00|" + TAKER, of="B"),
        desk.report("partial fill", "#4", "B1", terms, "3/2@100.005000", "32=1|31=100.01|" + TAKER, of="B"),
        desk.report("partial fill", "#4", "B1", terms, "2/3@100.013333", "32=1|31=100.03|" + TAKER, of="B"),
    ]
    desk.b.cancel("B2", "B1")
    assert desk.b.told() == [desk.report("canceled", "#4", "B2 of B1", terms, "0/3@100.013333", of="B")]


def test_the_better_price_comes_first_then_the_older_order(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 1, "99.00")
    desk.a.enter("A2", BUY, 1, "100.00")
    desk.a.enter("A3", BUY, 1, "100.00")
    desk.a.enter("A4", BUY, 1, "101.00")
    desk.a.told()
    desk.b.enter("B1", SELL, 4, "99.00")
    desk.b.told()
    assert [(message[11], message[31]) for message in desk.a.messages()] == [
        ("A4", "101.00"), ("A2", "100.00"), ("A3", "100.00"), ("A1", "99.00"),
    ]  # fmt: skip


def test_a_coin_has_eight_decimals_and_prices_of_any_size(desk: Desk) -> None:
    """Values are exact all the way; 61,234.56 is a price as any other."""
    desk.a.enter("A1", BUY, "0.00000003", "61234.56", symbol="COIN")
    terms = "55=COIN|54=1|38=0.00000003|40=2|44=61234.56|59=0"
    assert desk.a.told() == [desk.report("new", "#1", "A1", terms, "0.00000003/0@0")]
    desk.b.enter("B1", SELL, "0.00000001", "61000", symbol="COIN")
    desk.b.told()
    desk.b.enter("B2", SELL, "0.00000002", "61000", symbol="COIN")
    desk.b.told()
    assert desk.a.told() == [
        desk.report("partial fill", "#1", "A1", terms, "0.00000002/0.00000001@61234.56", "32=0.00000001|31=61234.56|" + MAKER),
        desk.report("fill", "#1", "A1", terms, "0/0.00000003@61234.56", "32=0.00000002|31=61234.56|" + MAKER),
    ]


# --------------------------------------------------------------------------------- types and times in force


def test_a_market_order_takes_what_is_there(desk: Desk) -> None:
    """What it cannot get is canceled, with a report."""
    desk.a.enter("A1", SELL, 4, "100.00")
    desk.a.enter("A2", SELL, 4, "101.00")
    desk.a.told()
    desk.b.enter("B1", BUY, 10)
    terms = "54=1|38=10|40=1|59=0"
    assert desk.b.told() == [
        desk.report("new", "#3", "B1", terms, "10/0@0", of="B"),
        desk.report("partial fill", "#3", "B1", terms, "6/4@100.000000", "32=4|31=100.00|" + TAKER, of="B"),
        desk.report("partial fill", "#3", "B1", terms, "2/8@100.500000", "32=4|31=101.00|" + TAKER, of="B"),
        desk.report("canceled", "#3", "B1", terms, "0/8@100.500000", "58=what was left of a market order|", of="B"),
    ]


def test_a_market_order_in_an_empty_book_is_canceled(desk: Desk) -> None:
    desk.a.enter("A1", SELL, 10)
    terms = "54=2|38=10|40=1|59=0"
    assert desk.a.told() == [
        desk.report("new", "#1", "A1", terms, "10/0@0"),
        desk.report("canceled", "#1", "A1", terms, "0/0@0", "58=what was left of a market order|"),
    ]


def test_immediate_or_cancel(desk: Desk) -> None:
    desk.a.enter("A1", SELL, 4, "100.00")
    desk.a.told()
    desk.b.enter("B1", BUY, 10, "100.00", "59=3|")
    desk.b.enter("B2", BUY, 10, "100.00", "59=3|")
    terms, text = limit(BUY, 10, "100.00", "3"), "58=what was left of an immediate-or-cancel order|"
    assert desk.b.told() == [
        desk.report("new", "#2", "B1", terms, "10/0@0", of="B"),
        desk.report("partial fill", "#2", "B1", terms, "6/4@100.00", "32=4|31=100.00|" + TAKER, of="B"),
        desk.report("canceled", "#2", "B1", terms, "0/4@100.00", text, of="B"),
        desk.report("new", "#3", "B2", terms, "10/0@0", of="B"),
        desk.report("canceled", "#3", "B2", terms, "0/0@0", text, of="B"),
    ]


def test_fill_or_kill(desk: Desk) -> None:
    """All of it at once, or nothing of it."""
    desk.a.enter("A1", SELL, 4, "100.00")
    desk.a.enter("A2", SELL, 6, "100.01")
    desk.a.told()
    desk.b.enter("B1", BUY, 10, "100.00", "59=4|")
    desk.b.enter("B2", BUY, 10, "100.01", "59=4|")
    first, second = limit(BUY, 10, "100.00", "4"), limit(BUY, 10, "100.01", "4")
    assert desk.b.told() == [
        desk.report("new", "#3", "B1", first, "10/0@0", of="B"),
        desk.report("canceled", "#3", "B1", first, "0/0@0", "58=could not be filled at once as a whole|", of="B"),
        desk.report("new", "#4", "B2", second, "10/0@0", of="B"),
        desk.report("partial fill", "#4", "B2", second, "6/4@100.000000", "32=4|31=100.00|" + TAKER, of="B"),
        desk.report("fill", "#4", "B2", second, "0/10@100.006000", "32=6|31=100.01|" + TAKER, of="B"),
    ]


def test_good_till_date_ends_at_its_expire_time(desk: Desk) -> None:
    expire_time = utc(0.7)
    desk.a.enter("A1", BUY, 10, "100.00", f"59=6|126={expire_time}|")
    terms = limit(BUY, 10, "100.00", "6") + f"|126={expire_time}"
    assert desk.a.told() == [desk.report("new", "#1", "A1", terms, "10/0@0")]
    ended = desk.a.expect("8")
    assert desk.written(ended) == desk.report("expired", "#1", "A1", terms, "0/0@0", "58=the order's time ended|")
    assert time.time() >= _moment(expire_time)


def test_good_till_date_by_expire_date_ends_with_that_trading_day(desk: Desk) -> None:
    """The day ends at the venue's day roll, 22:00 UTC here; reports say the time that this means."""
    desk.a.enter("A1", BUY, 10, "100.00", "59=6|432=20991231|")
    terms = limit(BUY, 10, "100.00", "6") + "|126=20991231-22:00:00.000"
    assert desk.a.told() == [desk.report("new", "#1", "A1", terms, "10/0@0")]


def _moment(text: str) -> float:
    return calendar.timegm(time.strptime(text[:17], "%Y%m%d-%H:%M:%S")) + float(text[17:])


# ------------------------------------------------------------------------------------------- self-trading


def test_a_participant_does_not_trade_with_himself(desk: Desk) -> None:
    """The resting order is canceled; ExecRestatementReason says why where the version can."""
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.told()
    desk.a.enter("A2", SELL, 10, "100.00")
    reason = desk.words.pick("", "378=8|", "378=19|")
    text = "58=would have traded with an order of the same participant|"
    assert desk.a.told() == [
        desk.report("new", "#2", "A2", SELL_10, "10/0@0"),
        desk.report("canceled", "#1", "A1", BUY_10, "0/0@0", text + reason),
    ]


# ------------------------------------------------------------------------------------------- to the letter


def test_the_reports_of_one_trade_to_the_letter(desk: Desk) -> None:
    """Nothing but numbers, times and ids is left out here."""
    desk.a.enter("A1", BUY, 10, "100.00")
    (new,) = desk.a.messages()
    desk.b.enter("B1", SELL, 4, "99.00")
    desk.b.told()
    (fill,) = desk.a.messages()
    a, x = desk.a.comp_id, desk.x
    said = f"1={a}|55={x}|54=1|38=10|40=2|44=100.00|59=0|"
    trade = "32=4|31=100.00|151=6|14=4|6=100.00|"
    assert [_letters(new), _letters(fill)] == {
        "FIX.4.2": [
            f"8=FIX.4.2|9=*|35=8|34=2|49=FIXSERVER|56={a}|52=*|37=*|11=A1|17=*|20=0|150=0|39=0|{said}151=10|14=0|6=0|60=*|10=*|",
            f"8=FIX.4.2|9=*|35=8|34=4|49=FIXSERVER|56={a}|52=*|37=*|11=A1|17=*|20=0|150=1|39=1|{said}{trade}60=*|10=*|",
        ],
        "FIX.4.4": [
            f"8=FIX.4.4|9=*|35=8|34=2|49=FIXSERVER|56={a}|52=*|37=*|11=A1|17=*|150=0|39=0|{said}151=10|14=0|6=0|60=*|10=*|",
            f"8=FIX.4.4|9=*|35=8|34=4|49=FIXSERVER|56={a}|52=*|37=*|11=A1|17=*|150=F|39=1|{said}{trade}60=*|851=1|10=*|",
        ],
        "FIXT.1.1": [
            f"8=FIXT.1.1|9=*|35=8|34=2|49=FIXSERVER|56={a}|52=*|37=*|11=A1|17=*|150=0|39=0|{said}151=10|14=0|6=0|60=*|10=*|",
            f"8=FIXT.1.1|9=*|35=8|34=4|49=FIXSERVER|56={a}|52=*|37=*|11=A1|17=*|150=F|39=1|{said}{trade}60=*|851=1|880=*|10=*|",
        ],
    }[desk.words.version]


def _letters(message: object) -> str:
    return re.sub(r"(?<=\|)(9|52|37|17|60|880|10)=[^|]*", r"\1=*", repr(message))
