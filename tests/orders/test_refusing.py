"""Orders that are refused (D): never acknowledged first, with the nearest code that the version knows, and the reason in Text."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from fixserver.dialects import FIX42, FIX44, FIX50SP2
from matching.messages import Reason
from tests.orders.desk import BUY, SELL, Desk, in_order
from tests.venue import utc

GOOD = {"55": "X", "54": "1", "38": "10", "40": "2", "44": "100.00"}


@dataclass(frozen=True)
class Case:
    """An order that is good but for `fields` (None takes one away), and what is said of it.

    `core`: it was refused by the core, so that it has a number, and all of its terms are said.
    """

    what: str
    fields: dict[str, str | None]
    codes: tuple[str, str, str]  # OrdRejReason on 4.2, 4.4, 5.0SP2
    text: str
    core: bool = False


STOP_PRICE = "StopPx belongs to a stop or stop limit order, which needs one"
PEG = "a peg price type belongs to a pegged order, which needs one"
LASTING = "a stop or pegged order is DAY, GTC or GTD"
LEFT_OVER = "a market order with left over as limit is for the day"
AT_THE_CLOSE = "an order at the opening or at the close is a plain market or limit order"
POST_ONLY = "participate-don't-initiate belongs to a limit order that is DAY, GTC or GTD"
ICEBERG = "a display quantity belongs to a limit or stop limit order that is DAY, GTC or GTD"
DISPLAY = "display quantity 11 is not a multiple of the lot up to the order's quantity"
MINIMUM = "MinQty belongs to an immediate-or-cancel order"
WOULD_TRADE = "it would trade at 100.00 instead of resting"

CASES = [
    Case("unknown symbol", {"55": "NOSUCH"}, ("1", "1", "1"), "unknown symbol NOSUCH"),
    Case("quantity of zero", {"38": "0"}, ("0", "13", "13"), "OrderQty is not above zero"),
    Case("quantity below zero", {"38": "-5"}, ("0", "13", "13"), "OrderQty is not above zero"),
    Case("part of a lot", {"38": "1.5"}, ("0", "13", "13"), "OrderQty 1.5 has more than 0 decimals"),
    Case("quantity beyond all bounds", {"38": "99999999999999999999"}, ("3", "3", "3"), "OrderQty is above every limit"),
    Case("quantity above the limit", {"38": "5001", "44": "60.00"}, ("3", "3", "3"), "quantity 5001 is above the limit 5000", True),
    Case(
        "value above the limit", {"38": "4001"}, ("3", "3", "3"),
        "value 400100.00 is above the limit 400000.00", True,
    ),
    Case("price above the band", {"44": "150.01"}, ("0", "99", "16"), "price 150.01 is outside the band 50.00 to 150.00", True),
    Case("price below the band", {"44": "49.99"}, ("0", "99", "16"), "price 49.99 is outside the band 50.00 to 150.00", True),
    Case("price of zero", {"44": "0.00"}, ("0", "99", "16"), "price 0.00 is outside the band 50.00 to 150.00", True),
    Case("price below zero", {"44": "-100.00"}, ("0", "99", "16"), "price -100.00 is outside the band 50.00 to 150.00", True),
    Case("price beyond all bounds", {"44": "99999999999999999999"}, ("0", "99", "16"), "Price is outside every band"),
    Case(
        "price off the tick", {"44": "100.03", "55": "TICK"}, ("0", "99", "18"),
        "price 100.03 is not a multiple of the tick 0.05", True,
    ),
    Case("price with too many decimals", {"44": "100.001"}, ("0", "99", "18"), "Price 100.001 has more than 2 decimals"),
    Case("limit without a price", {"44": None}, ("0", "11", "11"), "Price is missing on a limit order"),
    Case("unknown account", {"1": "SOMEBODY"}, ("0", "15", "15"), "unknown account SOMEBODY", True),
    Case("with or without", {"40": "6"}, ("0", "11", "11"), "OrdType 6 is not taken"),
    Case("at the opening, when that is over", {"59": "2"}, ("2", "2", "2"), "TimeInForce 2 is not taken in phase continuous", True),
    Case("stop without a stop price", {"40": "3", "44": None}, ("0", "11", "11"), STOP_PRICE, True),
    Case("limit with a stop price", {"99": "101.00"}, ("0", "11", "11"), STOP_PRICE, True),
    Case(
        "stop limit without a price", {"40": "4", "44": None, "99": "101.00"}, ("0", "11", "11"),
        "Price is missing on a limit order",
    ),
    Case(
        "stop price above the band", {"40": "3", "44": None, "99": "150.01"}, ("0", "99", "16"),
        "stop price 150.01 is outside the band 50.00 to 150.00", True,
    ),
    Case(
        "stop price off the tick", {"40": "3", "44": None, "99": "100.03", "55": "TICK"}, ("0", "99", "18"),
        "stop price 100.03 is not a multiple of the tick 0.05", True,
    ),
    Case(
        "stop price with too many decimals", {"40": "3", "44": None, "99": "100.001"}, ("0", "99", "18"),
        "StopPx 100.001 has more than 2 decimals",
    ),
    Case("stop, immediate or cancel", {"40": "3", "44": None, "99": "101.00", "59": "3"}, ("0", "11", "11"), LASTING, True),
    Case("pegged to nothing", {"40": "P", "44": None}, ("0", "11", "11"), PEG, True),
    Case("limit with a peg", {"18": "R"}, ("0", "11", "11"), PEG, True),
    Case("pegged to two prices", {"40": "P", "44": None, "18": "R M"}, ("0", "11", "11"), "an order is pegged to one price"),
    Case("limit with a peg offset", {"211": "0.05"}, ("0", "11", "11"), "a peg offset belongs to a pegged order", True),
    Case(
        "peg offset off the tick", {"40": "P", "44": None, "18": "R", "211": "-0.03", "55": "TICK"}, ("0", "99", "18"),
        "peg offset -0.03 is not a multiple of the tick 0.05", True,
    ),
    Case("left over as limit, GTC", {"40": "K", "44": None, "59": "1"}, ("0", "11", "11"), LEFT_OVER, True),
    Case("at the close, iceberg", {"59": "7", "111": "5"}, ("0", "11", "11"), AT_THE_CLOSE, True),
    Case("post-only, fill or kill", {"18": "6", "59": "4"}, ("0", "11", "11"), POST_ONLY, True),
    Case("post-only that would trade", {"18": "6", "54": "1", "55": "OFFERED"}, ("0", "99", "99"), WOULD_TRADE, True),
    Case("good till crossing", {"59": "5"}, ("0", "11", "11"), "TimeInForce 5 is not taken"),
    Case("market and GTC", {"40": "1", "44": None, "59": "1"}, ("0", "11", "11"), "a market order cannot be GTC or GTD", True),
    Case("GTD without an end", {"59": "6"}, ("0", "11", "11"), "a GTD order needs ExpireTime or ExpireDate"),
    Case(
        "GTD that has ended", {"59": "6", "126": "20200101-00:00:00.000"}, ("0", "11", "11"),
        "the expiry of this GTD order is not in the future", True,
    ),
    Case("sell short", {"54": "5"}, ("0", "11", "11"), "Side 5 is not taken"),
    Case("shown to others only", {"210": "5"}, ("0", "11", "11"), "MaxShow is not taken"),
    Case("hidden", {"111": "0"}, ("0", "13", "13"), "MaxFloor is not above zero"),
    Case("iceberg that shows more than there is", {"111": "11"}, ("0", "13", "13"), DISPLAY, True),
    Case("iceberg, immediate or cancel", {"111": "5", "59": "3"}, ("0", "11", "11"), ICEBERG, True),
    Case("minimum quantity of a day order", {"110": "5"}, ("0", "11", "11"), MINIMUM, True),
    Case(
        "minimum quantity above the quantity", {"110": "11", "59": "3"}, ("0", "13", "13"),
        "MinQty 11 is not between zero and the order's quantity", True,
    ),
    Case("minimum quantity below zero", {"110": "-1", "59": "3"}, ("0", "13", "13"), "MinQty is below zero"),
    Case("all or none", {"18": "G"}, ("0", "11", "11"), "ExecInst G is not taken"),
    Case("another currency", {"15": "EUR"}, ("0", "11", "11"), "Currency EUR is not that of the instrument, USD"),
    Case("ClOrdID of 65 characters", {"11": "C" * 65}, ("0", "11", "11"), "ClOrdID has more than 64 characters"),
    Case(
        "not enough shares", {"54": "2", "38": "3", "55": "NOBODYS"}, ("0", "99", "25"),
        "3 NOBODYS needed, 0 available in A", True,
    ),
]  # fmt: skip
SAID = ("11", "1", "55", "54", "38", "40", "44", "59", "126", "432", "18", "99", "110", "111", "211")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_refused(standing_desk: Desk, case: Case) -> None:
    desk = standing_desk
    fields: dict[str, str] = {"11": case.what.replace(" ", "-"), **GOOD}
    for tag, value in case.fields.items():
        if value is None:
            del fields[tag]
        else:
            fields[tag] = value
    if fields["55"] == "OFFERED":
        fields["55"] = "X"
        desk.b.enter("OFFER", SELL, 1, "100.00")
        desk.b.told()
        desk.order_ids.clear()
    sent = fields | ({"55": desk.x} if fields["55"] == "X" else {})
    desk.a.send("D", "21=1|" + "".join(f"{tag}={value}|" for tag, value in sent.items()) + f"60={utc()}|")
    said = ({"1": "A", "59": "0"} if case.core else {}) | {tag: value for tag, value in fields.items() if tag in SAID}
    if case.core and desk.words.latest:  # which has other fields for these
        if "111" in said:
            said["1138"] = said.pop("111")
        if said.get("18") == "R":
            said["1094"] = "5"
    code = desk.words.pick(*case.codes)
    assert desk.a.told() == [
        in_order(
            f"35=8|37={'#1' if case.core else 'NONE'}|17=*|{desk.words.event('rejected')}103={code}|"
            + "".join(f"{tag}={value}|" for tag, value in said.items())
            + f"151=0|14=0|6=0|60=*|58={case.text}"
        )
    ]


def test_an_order_without_symbol_is_refused(desk: Desk) -> None:
    """The dictionary of 4.2 asks for it; the others would let it through."""
    desk.a.send("D", f"11=R1|21=1|54=1|60={utc()}|38=10|40=2|44=100.00|")
    (answer,) = desk.a.messages()
    if desk.words.old:
        assert (answer.type, answer[371], answer[373]) == ("3", "55", "1")
    else:
        assert desk.written(answer) == in_order(
            "35=8|37=NONE|11=R1|17=*|150=8|39=8|103=1|55=[N/A]|54=1|38=10|40=2|44=100.00|151=0|14=0|6=0|60=*|58=Symbol is missing"
        )


def test_a_clordid_is_used_once(desk: Desk) -> None:
    """Open, filled, canceled or refused by the core: a second order with the ClOrdID is rejected, and is not at work."""
    desk.a.enter("A1", BUY, 10, "100.00")
    desk.a.enter("A2", BUY, 10, "999.00")
    desk.a.told()
    desk.a.enter("A1", BUY, 5, "99.00")
    desk.a.enter("A2", BUY, 5, "99.00")
    desk.a.cancel("A3", "A1")
    desk.a.enter("A1", BUY, 5, "99.00")
    desk.a.enter("A3", BUY, 5, "99.00")
    terms, text = "54=1|38=5|40=2|44=99.00|59=0", "103=6|58=ClOrdID was used before on this trading day|"
    assert desk.a.told() == [
        desk.report("rejected", "#3", "A1", terms, "0/0@0", text),
        desk.report("rejected", "#4", "A2", terms, "0/0@0", text),
        desk.report("canceled", "#1", "A3 of A1", "54=1|38=10|40=2|44=100.00|59=0", "0/0@0"),
        desk.report("rejected", "#5", "A1", terms, "0/0@0", text),
        desk.report("rejected", "#6", "A3", terms, "0/0@0", text),
    ]


def test_two_participants_may_use_the_same_clordid(desk: Desk) -> None:
    desk.a.enter("SAME", BUY, 10, "100.00")
    desk.b.enter("SAME", BUY, 10, "99.00")
    assert desk.a.told_one() == desk.report("new", "#1", "SAME", "54=1|38=10|40=2|44=100.00|59=0", "10/0@0")
    assert desk.b.told_one() == desk.report("new", "#2", "SAME", "54=1|38=10|40=2|44=99.00|59=0", "10/0@0", of="B")


def test_cash_is_reserved_at_entry_and_released_at_cancel(desk: Desk) -> None:
    """A million in cash: of three orders of 400,000 the third is refused, until one of the others is gone."""
    for cl_ord_id in ("A1", "A2", "A3"):
        desk.a.enter(cl_ord_id, BUY, 4000, "100.00")
    desk.a.cancel("A4", "A1")
    desk.a.enter("A5", BUY, 4000, "100.00")
    terms = "54=1|38=4000|40=2|44=100.00|59=0"
    reason = f"103={desk.words.pick('0', '99', '25')}|58=400000.00 USD needed, 200000.00 available in A|"
    assert desk.a.told() == [
        desk.report("new", "#1", "A1", terms, "4000/0@0"),
        desk.report("new", "#2", "A2", terms, "4000/0@0"),
        desk.report("rejected", "#3", "A3", terms, "0/0@0", reason),
        desk.report("canceled", "#1", "A4 of A1", terms, "0/0@0"),
        desk.report("new", "#4", "A5", terms, "4000/0@0"),
    ]


def test_shares_are_reserved_at_entry(desk: Desk) -> None:
    """Ten thousand shares, and no short selling: two offers of 5,000, and not one more."""
    for cl_ord_id, quantity in (("A1", 5000), ("A2", 5000), ("A3", 1)):
        desk.a.enter(cl_ord_id, SELL, quantity, "60.00")
    assert desk.a.told()[2] == desk.report(
        "rejected", "#3", "A3", "54=2|38=1|40=2|44=60.00|59=0", "0/0@0",
        f"103={desk.words.pick('0', '99', '25')}|58=1 X needed, 0 available in A|",
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------ the codes


def test_the_codes_of_every_version() -> None:
    """OrdRejReason and CxlRejReason: on 4.2, 4.4, 5.0SP2."""
    table = {
        reason.name: tuple((dialect.ord_rej_reason(reason), dialect.cxl_rej_reason(reason)) for dialect in (FIX42, FIX44, FIX50SP2))
        for reason in Reason
    }
    other = (("0", "2"), ("99", "99"), ("99", "99"))
    assert table == {
        "UNKNOWN_INSTRUMENT": (("1", "2"), ("1", "99"), ("1", "99")),
        "NOT_IN_THIS_PHASE": (("2", "2"), ("2", "99"), ("2", "99")),
        "LIMIT_EXCEEDED": (("3", "2"), ("3", "99"), ("3", "99")),
        "AFTER_CLOSE": (("4", "2"), ("4", "99"), ("4", "99")),
        "UNKNOWN_ORDER": (("5", "1"), ("5", "1"), ("5", "1")),
        "DUPLICATE_CL_ORD_ID": (("6", "2"), ("6", "6"), ("6", "6")),
        "UNSUPPORTED": (("0", "2"), ("11", "99"), ("11", "99")),
        "INVALID_QUANTITY": (("0", "2"), ("13", "99"), ("13", "99")),
        "UNKNOWN_ACCOUNT": (("0", "2"), ("15", "99"), ("15", "99")),
        "OUTSIDE_PRICE_BAND": (("0", "2"), ("99", "99"), ("16", "8")),
        "OFF_TICK": (("0", "2"), ("99", "99"), ("18", "18")),
        "INSUFFICIENT_FUNDS": (("0", "2"), ("99", "99"), ("25", "99")),
        "TOO_LATE": (("0", "0"), ("99", "0"), ("99", "0")),
        "ORDER_MISMATCH": other,
        "INVALID_AMOUNT": other,
        "BAD_DEFINITION": other,
        "WOULD_TRADE": other,
        "BLOCKED": other,
        "UNKNOWN_TRADE": other,
        "MARGIN_CALL": (("0", "2"), ("99", "99"), ("25", "99")),
        "UNSETTLED": (("0", "2"), ("99", "99"), ("25", "99")),
    }
