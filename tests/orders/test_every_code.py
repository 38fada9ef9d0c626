"""Every reason, phase and kind of report that there is, on every version: a client's engine takes it with the venue's dictionary.

And with the stock one, but for what LATER in desk.py names. What is said here is made by the functions that the gateway uses;
the other tests of this folder have it from a venue.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import msgspec
import pytest

from fixserver import lists, quotes, statuses
from fixserver.dialects import DIALECTS
from fixserver.lists import Standing
from fixserver.reports import ACTIVATE_TEXTS, CANCEL_TEXTS, EXPIRED, RESTATE_TEXTS, OpenOrder, Reports
from fixserver.values import InstrumentNumbers, Refused
from matching.messages import (
    CancelReason,
    CancelRejected,
    Conditions,
    MassCanceled,
    MassCancelRejected,
    OrderAccepted,
    OrderActivated,
    OrderCanceled,
    OrderRejected,
    OrderReplaced,
    OrderRepriced,
    OrderRestated,
    OrderSplit,
    OrderState,
    Phase,
    QuoteResult,
    QuotesAnswered,
    QuotesCanceled,
    Reason,
    RestateReason,
    TradeBusted,
    TradeCorrected,
    Traded,
)
from tests.orders.desk import check
from tests.venue import Message, framed, soh

NUMBERS = InstrumentNumbers(2, 0, "USD")
TIME = {begin: "20261120-08:00:00.000" + ("000" if begin == "FIXT.1.1" else "") for begin in DIALECTS}
EVERYTHING = Conditions(
    stop_price=9_900, display_quantity=5, min_quantity=2, post_only=True, peg="midpoint", peg_offset=-5, self_match_id="ME",
    self_match_instruction="4", quote_id="Q1", quote_entry_id="S\x1fE1", list_id="L1", contingency="2",
)  # fmt: skip
FORMS = {  # OrdType, TimeInForce, Price, ExecInst, Conditions
    "limit": ("2", "0", 10_000, "", None),
    "market": ("1", "3", 0, "", None),
    "stop": ("3", "1", 0, "1", Conditions(stop_price=10_100)),
    "stop limit": ("4", "6", 10_200, "", Conditions(stop_price=10_100)),
    "left over as limit": ("K", "0", 0, "", None),
    "primary peg": ("P", "0", 0, "R", Conditions(peg="primary", peg_offset=5)),
    "midpoint peg": ("P", "0", 10_000, "", Conditions(peg="midpoint")),
    "market peg": ("P", "0", 0, "P o", Conditions(peg="market", peg_offset=-5)),
    "iceberg": ("2", "0", 10_000, "", Conditions(display_quantity=5)),
    "post-only": ("2", "0", 10_000, "6", Conditions(post_only=True)),
    "minimum quantity": ("2", "3", 10_000, "", Conditions(min_quantity=5)),
    "at the opening": ("1", "2", 0, "", None),
    "at the close": ("2", "7", 10_000, "", None),
    "self-match": ("2", "4", 10_000, "", Conditions(self_match_id="ME", self_match_instruction="4")),
    "side of a quote": ("2", "0", 10_000, "", Conditions(quote_id="Q1", quote_entry_id="S\x1fE1")),
    "order of a list": ("2", "0", 10_000, "", Conditions(list_id="L1", contingency="2")),
    "everything": ("2", "0", 10_000, "6 o", EVERYTHING),
}


def state(begin: str, form: str = "limit", **changed: object) -> OrderState:
    order_type, time_in_force, price, exec_inst, conditions = FORMS[form]
    made = OrderState(
        7, "A", f"A/{begin}", "" if conditions and conditions.quote_id else "A1", "A", "X", "1", order_type, time_in_force, price,
        10, 10, 0, 0, 1_800_000_000_000_000_000, "", "0", 0, exec_inst, False, conditions,
    )  # type: ignore[arg-type]  # fmt: skip
    return msgspec.structs.replace(made, **changed)


def order_of(begin: str, form: str = "limit", **changed: object) -> OpenOrder:
    return OpenOrder.of_state(state(begin, form, **changed), NUMBERS, DIALECTS[begin])


def checked(begin: str, msg_type: str, body: str) -> Message:
    """The message, that a client's engine takes."""
    head = soh(f"35={msg_type}|34=2|49=FIXSERVER|52=20261120-08:00:00.000|56=A|")
    message = Message(framed(begin, head + body.encode()))
    check(begin, message)
    return message


def rejected(begin: str, form: str, reason: Reason) -> OrderRejected:
    order_type, time_in_force, price, exec_inst, conditions = FORMS[form]
    return OrderRejected(
        3, 7, "A", f"A/{begin}", "A1", "A", "X", "1", order_type, time_in_force, price, 10, 1_800_000_000_000_000_000, "", reason,
        "why", exec_inst, conditions,
    )  # type: ignore[arg-type]  # fmt: skip


def reports_of_orders(begin: str) -> Iterator[str]:
    """Every kind of ExecutionReport, of every form of order, for every reason."""
    reports, time = Reports(DIALECTS[begin]), TIME[begin]
    trade = Traded(3, "X", 10_000, 4, 7, 8, "1", "A", "B", 6, 0, 1, 1)
    amended = ("X", 10_000, 4, "1", "A", "B", 1, 1)
    for form, (order_type, time_in_force, price, exec_inst, conditions) in FORMS.items():
        order = order_of(begin, form)
        accepted = OrderAccepted(
            3, 7, "A", f"A/{begin}", "A1", "A", "X", "1", order_type, time_in_force, price, 10, 0, "", exec_inst, False, conditions
        )  # type: ignore[arg-type]
        yield reports.accepted(accepted, order, time)
        yield reports.rejected(rejected(begin, form, Reason.UNSUPPORTED), order, time)
        replaced = OrderReplaced(
            3, 7, "X", f"A/{begin}", "A2", "A1", order_type, time_in_force, price, 10, 10, 1_800_000_000_000_000_000, "", True,
            exec_inst, False, conditions,
        )  # type: ignore[arg-type]  # fmt: skip
        order.replace(replaced, DIALECTS[begin])
        yield reports.replaced(replaced, order, time)
        yield reports.status(state(begin, form), NUMBERS, "S1", time)
        partly = order_of(begin, form, leaves=6, executed=4, value=40_000, status="1")
        yield reports.filled(trade, partly, True, time)
        yield reports.filled(trade, order_of(begin, form, leaves=0, executed=10, value=100_000), False, time)
        split = OrderSplit(3, 7, "X", price // 2, 20, 12, 8, 0, conditions)
        partly.split(split, DIALECTS[begin])
        yield reports.split(split, partly, time)
        for maker in (True, False):
            for status in ("0", "1", "2", "4"):
                left = order_of(begin, form, leaves=6 if status in "01" else 0)
                busted = TradeBusted(4, 3, *amended, None, None, "")  # type: ignore[arg-type]
                yield reports.busted(busted, left, status, maker, time)
                corrected = TradeCorrected(4, 3, *amended, 10_000, 4, 1, 1, None, None, "")  # type: ignore[arg-type]
                yield reports.corrected(corrected, left, status, maker, time)
    for reason in CancelReason:
        canceled = OrderCanceled(3, 7, "X", 10, reason)
        yield reports.canceled(canceled, order_of(begin, "everything", leaves=6, executed=4, value=40_000), time)
        asked = msgspec.structs.replace(canceled, session=f"A/{begin}", cl_ord_id="A2")
        yield reports.canceled(asked, order_of(begin), time)
    for why in Reason:
        yield reports.rejected(rejected(begin, "limit", why), order_of(begin), time)
        yield reports.status_unknown({"11": "A1"}, "S1", time, "why", reason=why)
        said = {"11": "A1", "38": "10", "40": "2", "44": "100.00", "99": "1", "110": "1", "111": "1", "211": "0.01", "59": "0"}
        yield reports.refused(said, "S1", time, why, "why", "L1")
    for restated in RestateReason:
        yield reports.restated(OrderRestated(3, 7, "X", restated, "2", 10_000, 10, 10), order_of(begin), time)
    for price in (0, 10_000):
        yield reports.repriced(OrderRepriced(3, 7, "X", price), order_of(begin, "primary peg"), time)
    for cause in ACTIVATE_TEXTS:
        for parked in ("", "stop", "close", "peg"):
            if reports.dialect.activated:
                event = OrderActivated(3, 7, "X", cause, "2", 10_000, parked)  # type: ignore[arg-type]
                yield reports.activated(event, order_of(begin, "stop limit"), time)


@pytest.mark.parametrize("begin", DIALECTS)
def test_every_report_of_an_order_is_taken(begin: str) -> None:
    found = [checked(begin, "8", body) for body in reports_of_orders(begin)]
    types = {message[150] for message in found}
    assert types == set({"FIX.4.2": "012458CD", "FIX.4.4": "0458CDFGHIL", "FIXT.1.1": "0458CDFGHIL"}[begin])
    assert {message.get(20) for message in found} == (set("0123") if begin == "FIX.4.2" else {""})


def test_every_end_of_an_order_has_a_text_and_a_status() -> None:
    assert set(CANCEL_TEXTS) == set(CancelReason) - {CancelReason.REQUESTED}
    assert set(RESTATE_TEXTS) == set(RestateReason)
    assert {reason.name for reason in EXPIRED} == {"DAY_END", "GTD_END", "OPENING_END", "CLOSING_END"}


@pytest.mark.parametrize("begin", DIALECTS)
def test_a_split_says_what_became_of_the_order(begin: str) -> None:
    """Quantities are doubled and prices halved, and what was filled came to what it came to."""
    dialect = DIALECTS[begin]
    order = order_of(begin, "stop limit", quantity=10, leaves=6, executed=4, value=40_002, status="1")
    event = OrderSplit(5, 7, "X", 5_100, 20, 12, 8, 0, Conditions(stop_price=5_050))
    order.split(event, dialect)
    message = checked(begin, "8", Reports(dialect).split(event, order, TIME[begin]))
    assert message.has("150=D|39=1|378=0|38=20|44=51.00|99=50.50|151=12|14=8|6=50.002500|40=4|59=6|58=the instrument was split")
    assert order.stated == OpenOrder.of_state(
        state(begin, "stop limit", price=5_100, quantity=20, conditions=Conditions(stop_price=5_050)), NUMBERS, dialect
    ).stated  # as after a restart


@pytest.mark.parametrize(
    ("reason", "codes"), [(Reason.MARGIN_CALL, ("0", "99", "25")), (Reason.UNSETTLED, ("0", "99", "25"))]
)
def test_what_clearing_refuses_has_the_code_for_credit(reason: Reason, codes: tuple[str, ...]) -> None:
    assert tuple(dialect.ord_rej_reason(reason) for dialect in DIALECTS.values()) == codes


@pytest.mark.parametrize("begin", DIALECTS)
def test_every_refusal_of_a_cancel_is_taken(begin: str) -> None:
    reports, time = Reports(DIALECTS[begin]), TIME[begin]
    for reason in Reason:
        for order_id, status in ((7, "0"), (0, "8")):
            event = CancelRejected(3, order_id, "A", f"A/{begin}", "A2", "A1", "1", status, reason, "why", "")
            assert checked(begin, "9", reports.cancel_rejected(event, time))[58] == "why"
        refused = MassCancelRejected(3, "A", f"A/{begin}", "M1", "X", reason, "why", "")
        assert checked(begin, "r", reports.mass_cancel_rejected(refused, time))[531] == "0"
    for instrument, scope in (("", "7"), ("X", "1")):
        done = MassCanceled(3, "A", f"A/{begin}", "M1", instrument, 2, False, "")
        assert checked(begin, "r", reports.mass_canceled(done, time))[531] == scope


@pytest.mark.parametrize("begin", DIALECTS)
def test_every_answer_to_a_list_is_taken(begin: str) -> None:
    dialect, time = DIALECTS[begin], TIME[begin]
    taken = [Standing("A1", "0", "10"), Standing("A2", "0", "10")]
    for contingency in ("1", "2", ""):
        assert checked(begin, "N", lists.list_status(dialect, "L1", contingency, taken, time))[431] == "3"
    for reason in Reason:
        refused = [Standing("A1", "8", "0", dialect.ord_rej_reason(reason), "why")]
        assert checked(begin, "N", lists.list_status(dialect, "L1", "1", refused, time, Refused(reason, "why")))[431] == "7"


@pytest.mark.parametrize("begin", DIALECTS)
def test_every_answer_to_a_quote_is_taken(begin: str) -> None:
    dialect = DIALECTS[begin]
    levels = ("", "0", "1", "2") + (("3",) if begin == "FIXT.1.1" else ())
    results = [QuoteResult("S\x1fE0", "X")]
    results += [QuoteResult(f"{'S' if reason < 16 else 'T'}\x1fE{reason.value}", "X", reason, "why") for reason in Reason]
    for level in levels:
        for event in (
            QuotesAnswered(3, "A", f"A/{begin}", "Q1", results, 0, "", level, ""),
            QuotesAnswered(3, "A", f"A/{begin}", "Q1", results[:1], 0, "", level, ""),
            *(QuotesAnswered(3, "A", f"A/{begin}", "Q1", [], reason.value, "why", level, "") for reason in Reason),
        ):
            body = quotes.answered(dialect, event)
            assert bool(body) == (level != "0" and not (level == "1" and not event.reason and len(event.results) == 1))
            if body:
                assert checked(begin, "b", body)[297] == ("5" if event.reason else "0")
        for instrument in ("", "X"):
            body = quotes.canceled(dialect, QuotesCanceled(3, "A", f"A/{begin}", "Q1", instrument, 2, 0, "", level, ""))
            assert bool(body) == (level not in ("0", "1"))
            if body:
                assert checked(begin, "b", body)[297] == ("1" if instrument else "4")
        for reason in Reason:
            body = quotes.canceled(dialect, QuotesCanceled(3, "A", f"A/{begin}", "", "X", 0, reason, "why", level, ""))
            assert not body or checked(begin, "b", body)[297] == "5"


@pytest.mark.parametrize("begin", DIALECTS)
def test_every_phase_is_taken(begin: str) -> None:
    dialect, time = DIALECTS[begin], TIME[begin]
    said = set()
    for phase in get_args(Phase):
        for request in ("", "Q1"):
            body = statuses.security_status(dialect, "X", "MAIN", phase, "100.00", time, request=request, more=" until then")
            said.add(checked(begin, "f", body)[326])
            checked(begin, "h", statuses.session_status(dialect, "MAIN", phase, request=request))
    assert len(said) == len(get_args(Phase)), "each phase has a status of its own"
    checked(begin, "f", statuses.security_unknown(dialect, "NOSUCH", "Q1", time))
    if dialect.session_refused:
        checked(begin, "h", statuses.session_refused(dialect, "NOSUCH", "Q1", "why"))
