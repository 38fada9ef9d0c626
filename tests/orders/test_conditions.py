"""What few orders ask for: stops, pegs, icebergs, minimum quantities, self-match prevention. What is reported, field by field."""

from __future__ import annotations

from collections.abc import Callable

from tests.orders.desk import BUY, SELL, Desk, Trader, in_order
from tests.venue import utc

MAKER, TAKER = "851=1|", "851=2|"


def enter(desk: Desk, cl_ord_id: str, side: str, quantity: int, fields: str) -> None:
    """A's order with these terms."""
    desk.a.send("D", f"11={cl_ord_id}|21=1|55={desk.x}|54={side}|60={utc()}|38={quantity}|{fields}")


def limit(side: str, quantity: int, price: str, time_in_force: str = "0") -> str:
    return f"54={side}|38={quantity}|40=2|44={price}|59={time_in_force}"


def trade_at(desk: Desk, price: str, cl_ord_id: str) -> None:
    """B buys one from A, so that there is a last price."""
    desk.a.enter(cl_ord_id, SELL, 1, price)
    desk.a.messages()
    desk.b.enter(cl_ord_id, BUY, 1, price)
    desk.b.messages()
    desk.a.messages()


# -------------------------------------------------------------------------------------------------- stops


def test_a_stop_waits_is_elected_and_trades(desk: Desk) -> None:
    """New, and nothing more, until a trade at its price: then it is triggered, and a market order. 4.2 cannot say the former."""
    trade_at(desk, "100.00", "A0")
    enter(desk, "A1", BUY, 5, "40=3|99=101.00|")
    assert desk.a.told() == [desk.report("new", "#1", "A1", "54=1|38=5|40=3|99=101.00|59=0", "5/0@0")]
    desk.b.enter("B1", SELL, 20, "101.00")
    desk.b.messages()
    assert desk.a.told() == []
    enter(desk, "A2", BUY, 1, "40=2|44=101.00|")
    triggered = desk.report(
        "activated", "#1", "A1", "54=1|38=5|40=1|99=101.00|59=0", "5/0@0", "58=its stop price was reached|"
    )
    assert desk.a.told() == [
        desk.report("new", "#2", "A2", limit(BUY, 1, "101.00"), "1/0@0"),
        desk.report("fill", "#2", "A2", limit(BUY, 1, "101.00"), "0/1@101.00", "32=1|31=101.00|" + TAKER),
        *([] if desk.words.old else [triggered]),
        desk.report("fill", "#1", "A1", "54=1|38=5|40=1|99=101.00|59=0", "0/5@101.000000", "32=5|31=101.00|" + TAKER),
    ]


def test_a_stop_limit_becomes_a_limit_order(desk: Desk) -> None:
    trade_at(desk, "100.00", "A0")
    enter(desk, "A1", SELL, 5, "40=4|44=98.00|99=99.00|59=1|")
    desk.b.enter("B1", BUY, 1, "99.00")
    desk.b.messages()
    enter(desk, "A2", SELL, 1, "40=2|44=99.00|")
    assert desk.a.told()[-1] == (
        desk.report("fill", "#2", "A2", limit(SELL, 1, "99.00"), "0/1@99.00", "32=1|31=99.00|" + TAKER)
        if desk.words.old
        else desk.report(
            "activated", "#1", "A1", "54=2|38=5|40=2|44=98.00|99=99.00|59=1", "5/0@0", "58=its stop price was reached|"
        )
    )
    desk.a.ask("A1", SELL)
    assert desk.a.told() == [desk.report("status new", "#1", "A1", "54=2|38=5|40=2|44=98.00|99=99.00|59=1", "5/0@0")]


def test_a_stop_that_is_parked_is_replaced_and_canceled_like_others(desk: Desk) -> None:
    enter(desk, "A1", BUY, 5, "40=3|99=101.00|")
    desk.a.send("G", f"41=A1|11=A2|21=1|55={desk.x}|54=1|60={utc()}|38=7|40=4|44=103.00|99=102.00|")
    desk.a.cancel("A3", "A2")
    terms = "54=1|38=7|40=4|44=103.00|99=102.00|59=0"
    assert desk.a.told() == [
        desk.report("new", "#1", "A1", "54=1|38=5|40=3|99=101.00|59=0", "5/0@0"),
        desk.report("replaced", "#1", "A2 of A1", terms, "7/0@0"),
        desk.report("canceled", "#1", "A3 of A2", terms, "0/0@0"),
    ]


# --------------------------------------------------------------------------------------------------- pegs


def peg_terms(desk: Desk, terms: str, letter: str, price_type: str) -> str:
    """What a pegged order says: in ExecInst, and on 5.0SP2 in PegPriceType."""
    return f"{terms}|{f'1094={price_type}' if desk.words.latest else f'18={letter}'}"


def test_a_pegged_order_follows_the_book(desk: Desk) -> None:
    """Restated with PeggedPrice where there is such a field, and with Text in any case."""
    desk.b.enter("B1", BUY, 1, "98.00")
    desk.b.messages()
    enter(desk, "A1", BUY, 5, peg_terms(desk, "40=P|44=99.50|211=0.10", "R", "5") + "|")
    told = desk.a.told()
    desk.b.enter("B2", BUY, 1, "99.45")
    desk.b.messages()
    desk.b.cancel("B3", "B2")
    desk.b.cancel("B4", "B1")
    desk.b.messages()
    terms = peg_terms(desk, "54=1|38=5|40=P|44=99.50|59=0|211=0.10", "R", "5")
    why = f"378={desk.words.pick('3', '3', '11')}|"

    def repriced(price: str) -> str:
        pegged = "" if desk.words.old else f"839={price}|"
        return desk.report("restated", "#1", "A1", terms, "5/0@0", f"{why}{pegged}58=its price is {price} now|")

    assert told + desk.a.told() == [
        desk.report("new", "#1", "A1", terms, "5/0@0"),
        repriced("98.10"),
        repriced("99.50"),
        repriced("98.10"),
        desk.report("restated", "#1", "A1", terms, "5/0@0", f"{why}58=it has no price now, and waits for one|"),
    ]


def test_the_letters_of_pegs_are_taken_on_every_version(desk: Desk) -> None:
    for cl_ord_id, letter, price_type in (("A1", "R", "5"), ("A2", "M", "2"), ("A3", "P", "4")):
        enter(desk, cl_ord_id, BUY, 5, f"40=P|18=1 {letter}|")
        more = f"|1094={price_type}" if desk.words.latest else ""
        assert desk.a.told() == [
            desk.report("new", f"#{cl_ord_id[1]}", cl_ord_id, f"54=1|38=5|40=P|18=1 {letter}|59=0{more}", "5/0@0")
        ]


def test_a_peg_is_said_in_the_words_of_the_session_that_hears_of_it(
    desk: Desk, session_of: Callable[[Trader, str], Trader]
) -> None:
    """Entered on one version, canceled on another: each has its own fields."""
    other = session_of(desk.a, "FIX.4.4" if desk.words.latest else "FIXT.1.1")
    enter(desk, "A1", BUY, 5, peg_terms(desk, "40=P", "R", "5") + "|")
    desk.a.told()
    other.cancel("A2", "A1")
    canceled = other.messages()
    own = desk.a.messages()
    spoken = ("-", "R") if not desk.words.latest else ("5", "-")
    heard = ("5", "R") if not desk.words.latest else ("-", "R")
    assert [(message[11], message[41], message.get(1094, "-"), message.get(18, "-")) for message in own] == [("A2", "A1", *spoken)]
    assert [(message[11], message[41], message.get(1094, "-"), message.get(18, "-")) for message in canceled] == [
        ("A2", "A1", *heard)
    ]


# ----------------------------------------------------------------------------- icebergs, conditions of trading


def test_an_iceberg_says_what_it_shows(desk: Desk) -> None:
    shown = "1138" if desk.words.latest else "111"
    enter(desk, "A1", SELL, 10, f"40=2|44=100.00|{shown}=3|")
    desk.b.enter("B1", BUY, 4, "100.00")
    desk.b.messages()
    terms = f"{limit(SELL, 10, '100.00')}|{shown}=3"
    assert desk.a.told() == [
        desk.report("new", "#1", "A1", terms, "10/0@0"),
        desk.report("partial fill", "#1", "A1", terms, "7/3@100.00", "32=3|31=100.00|" + MAKER),
        desk.report("partial fill", "#1", "A1", terms, "6/4@100.00", "32=1|31=100.00|" + MAKER),
    ]
    desk.a.ask("A1", SELL)
    assert desk.a.told() == [desk.report("status partially filled", "#1", "A1", terms, "6/4@100.00")]


def test_maxfloor_is_taken_where_displayqty_is_said(desk: Desk) -> None:
    enter(desk, "A1", SELL, 10, "40=2|44=100.00|111=3|")
    shown = "1138" if desk.words.latest else "111"
    assert desk.a.told() == [desk.report("new", "#1", "A1", f"{limit(SELL, 10, '100.00')}|{shown}=3", "10/0@0")]


def test_a_post_only_order_rests_or_is_refused(desk: Desk) -> None:
    enter(desk, "A1", BUY, 5, "40=2|44=100.00|18=6|")
    desk.b.enter("B1", SELL, 5, "101.00")
    desk.b.messages()
    enter(desk, "A2", BUY, 5, "40=2|44=101.00|18=6|")
    code = desk.words.pick("0", "99", "99")
    assert desk.a.told() == [
        desk.report("new", "#1", "A1", f"{limit(BUY, 5, '100.00')}|18=6", "5/0@0"),
        desk.report(
            "rejected", "#2", "A2", f"{limit(BUY, 5, '101.00')}|18=6", "0/0@0",
            f"103={code}|58=it would trade at 101.00 instead of resting|",
        ),
    ]  # fmt: skip


def test_a_minimum_quantity_trades_at_once_or_not_at_all(desk: Desk) -> None:
    desk.b.enter("B1", SELL, 5, "100.00")
    desk.b.messages()
    enter(desk, "A1", BUY, 10, "40=2|44=100.00|59=3|110=6|")
    enter(desk, "A2", BUY, 10, "40=2|44=100.00|59=3|110=5|")
    terms = limit(BUY, 10, "100.00", "3")
    remainder = "58=what was left of an immediate-or-cancel order|"
    assert desk.a.told() == [
        desk.report("new", "#1", "A1", f"{terms}|110=6", "10/0@0"),
        desk.report("canceled", "#1", "A1", f"{terms}|110=6", "0/0@0", "58=its minimum quantity could not be filled at once|"),
        desk.report("new", "#2", "A2", f"{terms}|110=5", "10/0@0"),
        desk.report("partial fill", "#2", "A2", f"{terms}|110=5", "5/5@100.00", "32=5|31=100.00|" + TAKER),
        desk.report("canceled", "#2", "A2", f"{terms}|110=5", "0/5@100.00", remainder),
    ]


def test_what_is_left_of_a_market_order_becomes_a_limit_order(desk: Desk) -> None:
    desk.b.enter("B1", SELL, 5, "100.00")
    desk.b.messages()
    enter(desk, "A1", BUY, 8, "40=K|")
    assert desk.a.told() == [
        desk.report("new", "#1", "A1", "54=1|38=8|40=K|59=0", "8/0@0"),
        desk.report("partial fill", "#1", "A1", "54=1|38=8|40=K|59=0", "3/5@100.000000", "32=5|31=100.00|" + TAKER),
        desk.report(
            "restated, partially filled", "#1", "A1", limit(BUY, 8, "100.00"), "3/5@100.00",
            "378=3|58=what was left is a limit order now|",
        ),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------- self-match prevention


def test_self_match_prevention_says_which_of_the_two_it_took(desk: Desk) -> None:
    """By instruction: the incoming, the resting, both, or as much of both as would have traded."""
    ids, instructions = desk.words.pick("7928", "7928", "2362"), desk.words.pick("8000", "8000", "2964")
    codes = {"1": ("", "8", "18"), "2": ("", "8", "19"), "3": ("", "8", "20"), "4": ("", "8", "17")}

    def reason(instruction: str, text: str) -> str:
        code = desk.words.pick(*codes[instruction])
        return (f"378={code}|" if code else "") + f"58={text}|"

    passive, aggressive = "would have traded with an order of the same participant", "with a resting order of the same participant"
    both = "it and an order of the same participant would have traded"
    zero = "lowered to nothing by an order of the same participant that it would have traded with"
    less = "lowered by an order of the same participant that it would have traded with"
    number = 0
    for instruction in "1234":
        resting = f"{limit(SELL, 10, '100.00')}|{ids}=ME"
        incoming = f"{limit(BUY, 6, '100.00')}|{ids}=ME|{instructions}={instruction}"
        one, two = f"#{number + 1}", f"#{number + 2}"
        number += 2
        r, i, c = f"R{instruction}", f"I{instruction}", f"C{instruction}"
        enter(desk, r, SELL, 10, f"40=2|44=100.00|{ids}=ME|")
        enter(desk, i, BUY, 6, f"40=2|44=100.00|{ids}=ME|{instructions}={instruction}|")
        desk.a.cancel(c, i if instruction == "2" else r, BUY if instruction == "2" else SELL)
        told = desk.a.told()
        taken = [desk.report("new", one, r, resting, "10/0@0"), desk.report("new", two, i, incoming, "6/0@0")]
        wanted = {
            "1": [
                desk.report("canceled", two, i, incoming, "0/0@0", reason("1", f"would have traded {aggressive}")),
                desk.report("canceled", one, f"{c} of {r}", resting, "0/0@0"),
            ],
            "2": [
                desk.report("canceled", one, r, resting, "0/0@0", reason("2", passive)),
                desk.report("canceled", two, f"{c} of {i}", incoming, "0/0@0"),
            ],
            "3": [
                desk.report("canceled", one, r, resting, "0/0@0", reason("3", both)),
                desk.report("canceled", two, i, incoming, "0/0@0", reason("3", both)),
                desk.cancel_reject(one, f"{c} of {r}", "4", "1", "0", "the order is canceled already"),
            ],
            "4": [
                desk.report("canceled", two, i, incoming, "0/0@0", reason("4", zero)),
                desk.report("restated", one, r, resting.replace("38=10", "38=4"), "4/0@0", f"378=5|58={less}|"),
                desk.report("canceled", one, f"{c} of {r}", resting.replace("38=10", "38=4"), "0/0@0"),
            ],
        }[instruction]
        assert told == taken + wanted


def test_a_self_match_id_has_a_limit(desk: Desk) -> None:
    tag = desk.words.pick("7928", "7928", "2362")
    enter(desk, "A1", BUY, 5, f"40=2|44=100.00|{tag}={'M' * 65}|")
    code = desk.words.pick("0", "11", "11")
    assert desk.a.told() == [
        in_order(
            f"35=8|37=NONE|11=A1|17=*|{desk.words.event('rejected')}103={code}|55=X|54=1|38=5|40=2|44=100.00|{tag}={'M' * 65}|"
            "151=0|14=0|6=0|60=*|58=SelfMatchPreventionID has more than 64 characters"
        )
    ]
