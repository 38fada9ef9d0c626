"""Rules of the operator: who may trade, what he cancels, what he adds and changes while the venue runs."""

import msgspec
import pytest

from matching.messages import BUY, GTC, SELL, DefineAccount, DefineParticipant, Deposit, MassCancel, OperatorCancel, OperatorNote
from tests.matching.market import STOCK, Market, money

# ------------------------------------------------------------------------------------------------ who may trade


@pytest.mark.parametrize("access", ["killed", "suspended"])
def test_who_is_killed_or_suspended_loses_his_orders_and_enters_none(access: str):
    market = Market()
    market.buy("ann", 1, "10.00", id="b1", tif=GTC)
    market.sell("ann", 1, stop="9.50", id="s1")
    market.buy("ann", 1, peg="primary", id="p1")
    market.buy("bob", 1, "10.00", id="b1")
    assert market.access("ann", access, by="op") == [
        f"participant ann: {access}, 3 orders by op",
        "ann b1: canceled, KILLED, 1 left",
        "ann s1: canceled, KILLED, 1 left",
        "ann p1: canceled, KILLED, 1 left",
    ]
    assert market.buy("ann", 1, "10.00", id="b2") == [f"ann b2: rejected, BLOCKED: ann is {access}: no orders are taken"]
    assert market.buy("bob", 1, "10.00", id="b2") == ["bob b2: accepted, buy 1 X at 10.00 DAY"]


def test_who_may_trade_again_does():
    market = Market()
    market.access("ann", "killed")
    assert market.access("ann", "normal", by="op") == ["participant ann: normal, 0 orders by op"]
    assert market.buy("ann", 1, "10.00") == ["ann o1: accepted, buy 1 X at 10.00 DAY"]


def test_the_ban_is_asked_after_the_cl_ord_id_and_before_the_account():
    market = Market()
    market.buy("ann", 1, "10.00", id="b1")
    market.access("ann", "killed")
    assert "DUPLICATE_CL_ORD_ID" in market.buy("ann", 1, "10.00", id="b1")[0]
    assert "BLOCKED" in market.buy("ann", 1, "10.00", id="b2", account="nobody")[0]
    assert "DUPLICATE_CL_ORD_ID" in market.buy("ann", 1, "10.00", id="b2")[0], "a refused order has used its ClOrdID"
    assert "TOO_LATE" in market.replace("ann", "b1", 1, "9.00")[0]


def test_an_unknown_participant_has_no_access():
    assert Market().access("joe", "killed") == ["SetAccess refused, UNKNOWN_ACCOUNT: unknown participant joe"]


def test_the_end_of_his_orders_moves_the_pegs_of_others():
    market = Market()
    market.buy("ann", 1, "10.00", id="b1")
    market.buy("bob", 1, peg="primary", id="p1")
    assert market.access("ann", "killed") == [
        "participant ann: killed, 1 orders",
        "ann b1: canceled, KILLED, 1 left",
        "bob p1: without a price",
    ]


# ------------------------------------------------------------------------------------------------- what he ends


def test_the_operator_cancels_any_open_order():
    market = Market()
    market.buy("ann", 1, "10.00", id="b1")
    market.buy("ann", 1, stop="10.50", id="stop")
    assert market.operator_cancel("ann b1", by="op") == ["ann b1: canceled, OPERATOR, 1 left"]
    assert market.operator_cancel("ann stop", by="op") == ["ann stop: canceled, OPERATOR, 1 left"]
    assert market.do(OperatorCancel(99, "op")) == [
        "OperatorCancel refused, UNKNOWN_ORDER: no open order has the number 99"
    ]
    number = market.engine.order("ann", "b1").order_id  # type: ignore[union-attr]
    assert market.operator_cancel("ann b1") == [
        f"OperatorCancel refused, UNKNOWN_ORDER: no open order has the number {number}"
    ]


def test_a_mass_cancel_by_the_operator_says_so():
    market = Market()
    market.buy("ann", 1, "10.00", id="b1")
    market.buy("ann", 1, "50000.00", of="COIN", id="b2")
    assert market.do(MassCancel("ann", "", "", "COIN", by="op")) == [
        "ann : mass cancel of COIN, 1 orders by op",
        "ann b2: canceled, OPERATOR, 1 left",
    ]


def test_what_he_did_elsewhere_is_on_record():
    assert Market().do(OperatorNote("reset the sequence numbers of ann/44", "op")) == [
        "noted: reset the sequence numbers of ann/44 by op"
    ]


# ----------------------------------------------------------------------------------- what is added and changed


def test_an_instrument_is_added_while_the_venue_runs():
    market = Market()
    assert market.do(msgspec.structs.replace(STOCK, instrument="NEW", by="op")) == ["NEW: defined by op"]
    market.deposit("bob", "NEW", "10")
    market.sell("bob", 10, "10.00", of="NEW", id="s1")
    assert market.buy("ann", 10, "10.00", of="NEW", id="b1")[1:] == ["ann b1 buys 10 NEW at 10.00 from bob s1: 0 and 0 left"]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"dynamic_band_bps": -1}, "the dynamic band is up to 10,000 %, and its pause above zero"),
        ({"dynamic_band_bps": 1_000_001}, "the dynamic band is up to 10,000 %, and its pause above zero"),
        ({"pause_ns": 0}, "the dynamic band is up to 10,000 %, and its pause above zero"),
        ({"market": ""}, "symbol, currency and market must be named"),
    ],
)
def test_the_terms_of_a_market_with_phases_must_make_sense_too(change: dict[str, object], wrong: str):
    assert Market().do(msgspec.structs.replace(STOCK, **({"instrument": "Y"} | change))) == [
        f"DefineInstrument refused, BAD_DEFINITION: Y: {wrong}"
    ]


def test_tick_lot_and_fees_do_not_change_while_an_order_waits_either():
    market = Market()
    market.buy("ann", 10, stop="10.50", id="stop")
    assert market.do(market.terms(tick=5)) == [
        "DefineInstrument refused, BAD_DEFINITION: X: tick, lot and fees do not change while orders are open"
    ]
    market.cancel("ann", "stop")
    assert market.do(market.terms(tick=5, by="op")) == ["X: defined by op"]


def test_a_new_dynamic_band_counts_from_the_next_order_on():
    market = Market()
    market.trade_at("10.00")
    market.sell("bob", 1, "10.50", id="s1")
    market.do(market.terms(dynamic_band_bps=100))
    assert market.buy("ann", 1, "10.50", id="b1")[1:] == ["X: volatility-auction for 300 seconds"]


def test_the_event_of_a_definition_says_the_phase_that_the_instrument_is_in():
    market = Market()
    market.phase("pre-open")
    for symbol, phase in (("X", "continuous"), ("NEW", "closed")):
        market.do(msgspec.structs.replace(STOCK, instrument=symbol, phase=phase, quantity_max=5))
        (event,) = market.raw
        assert event.phase == "pre-open"  # type: ignore[union-attr]


def test_a_participant_is_added_and_changed():
    market = Market()
    assert market.do(DefineParticipant("joe", by="op")) == ["participant joe: defined by op"]
    market.do(DefineAccount("joe-1", "joe", by="op"), Deposit("joe-1", "USD", money("10"), "op", "wire 7"))
    assert market.buy("joe", 1, "10.00", account="joe-1") == ["joe o1: accepted, buy 1 X at 10.00 DAY"]
    assert market.do(DefineParticipant("joe", value_max=money("5"), by="op")) == ["participant joe: defined by op"]
    assert "LIMIT_EXCEEDED" in market.buy("joe", 1, "10.00", account="joe-1", id="o2")[0]


@pytest.mark.parametrize(
    "terms",
    [
        DefineParticipant(""),
        DefineParticipant("ann", open_orders_max=-1),
        DefineParticipant("ann", orders_per_day_max=-1),
        DefineParticipant("ann", cancel_grace_seconds=-1),
        DefineParticipant("ann", orders_per_second=-2),
        DefineParticipant("ann", cancels_per_second=-2),
        DefineParticipant("ann", value_max="-1"),
        DefineParticipant("ann", value_max=""),
        DefineParticipant("ann", value_max="1.5"),
    ],
)
def test_a_participant_must_make_sense(terms: DefineParticipant):
    assert Market().do(terms) == [
        "DefineParticipant refused, BAD_DEFINITION: a participant has a name, and no limit is below zero"
    ]


def test_a_definition_of_a_participant_does_not_lift_a_ban():
    market = Market()
    market.access("ann", "suspended")
    market.do(DefineParticipant("ann"))
    assert "BLOCKED" in market.do(market.order("ann", BUY, 1, "10.00"))[0]


# ------------------------------------------------------------------------------------- limits of a participant


def test_the_value_of_one_order_is_bounded_by_the_instrument_then_by_the_participant():
    market = Market((Market.terms(value_max=int(money("2000"))),))
    market.do(DefineParticipant("ann", value_max=money("1000")))
    assert market.buy("ann", 100, "10.00", id="b1") == ["ann b1: accepted, buy 100 X at 10.00 DAY"]
    assert market.buy("ann", 101, "10.00", id="b2") == [
        "ann b2: rejected, LIMIT_EXCEEDED: value 1010.00 is above the participant's limit 1000.00"
    ]
    assert market.buy("ann", 201, "10.00", id="b3") == [
        "ann b3: rejected, LIMIT_EXCEEDED: value 2010.00 is above the limit 2000.00"
    ]
    assert "participant's limit" in market.replace("ann", "b1", 101, "10.00")[0]
    assert market.buy("bob", 101, "10.00", id="b1") == ["bob b1: accepted, buy 101 X at 10.00 DAY"]


def test_a_market_order_counts_at_the_edge_of_the_band_a_stop_and_a_peg_at_their_limits():
    market = Market()
    market.do(DefineParticipant("ann", value_max=money("1000")))
    assert "value 1001.00" in market.buy("ann", 91, id="1")[0]
    assert "value 1001.00" in market.buy("ann", 91, stop="10.00", id="2")[0]
    assert "value 1001.00" in market.buy("ann", 91, peg="primary", id="3")[0]
    assert "accepted" in market.buy("ann", 100, "10.00", stop="10.00", id="4")[0]
    assert "accepted" in market.buy("ann", 100, "10.00", peg="primary", id="5")[0]


def test_the_open_orders_of_a_participant_are_bounded_waiting_ones_and_quotes_counted():
    market = Market()
    market.do(DefineParticipant("ann", open_orders_max=3))
    market.quote("ann", market.entry((1, "9.90"), (1, "10.10")))
    market.buy("ann", 1, stop="10.50", id="stop")
    assert market.buy("ann", 1, "9.00", id="b1") == ["ann b1: rejected, LIMIT_EXCEEDED: 3 orders are open, which is the limit"]
    market.cancel("ann", "stop")
    assert market.buy("ann", 1, "9.00", id="b2") == ["ann b2: accepted, buy 1 X at 9.00 DAY"]


def test_the_cl_ord_ids_of_a_day_are_bounded_and_those_of_cancels_count():
    market = Market()
    market.do(DefineParticipant("ann", orders_per_day_max=3))
    market.buy("ann", 1, "9.00", id="b1")
    market.cancel("ann", "b1", id="c1")
    assert market.buy("ann", 1, "9.00", id="b2") == ["ann b2: accepted, buy 1 X at 9.00 DAY"]
    assert market.buy("ann", 1, "9.00", id="b3") == ["ann b3: rejected, LIMIT_EXCEEDED: more than 3 ClOrdIDs on one trading day"]
    canceled = market.cancel("ann", "b2", id="c2")
    assert canceled == ["ann b2: canceled, REQUESTED, 1 left asked by c2"], "a cancel is never refused for that"
    market.roll("20240102")
    assert market.buy("ann", 1, "9.00", id="b4") == ["ann b4: accepted, buy 1 X at 9.00 DAY"]


def test_limits_are_asked_after_account_and_instrument_and_before_the_terms():
    market = Market()
    market.do(DefineParticipant("ann", open_orders_max=1))
    market.buy("ann", 1, "9.00", id="b1")
    assert "UNKNOWN_INSTRUMENT" in market.buy("ann", 1, "9.00", id="b2", of="Z")[0]
    market.phase("halted", "X")
    assert "LIMIT_EXCEEDED" in market.do(market.order("ann", SELL, 0, "99.00", id="b3"))[0]
