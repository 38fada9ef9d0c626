"""What a line of `fixserver journal dump` says of each kind of command and event."""

from __future__ import annotations

import json
from typing import get_args

from fixserver.journal_command import Terms, json_line, text_line
from matching.book import CANCELED
from matching.engine import Engine
from matching.messages import (
    BUY,
    DAY,
    GTC,
    LIMIT,
    ONE_TRIGGERS_THE_OTHER,
    SELL,
    STOP,
    Command,
    Conditions,
    CorrectTrade,
    DefineParticipant,
    Event,
    InstrumentDefined,
    MassCancelRejected,
    MassQuote,
    NewOrder,
    NewOrderList,
    OrderRestated,
    OrderState,
    PhaseChanged,
    QuoteEntry,
    QuoteResult,
    QuotesAnswered,
    ReferenceSet,
    RestateReason,
    TradeBusted,
    Traded,
    Uncrossed,
)
from tests.every_kind import steps

SECOND = 1_000_000_000


def test_every_kind_of_command_and_event_is_one_line_that_says_it_all() -> None:
    """The fields that are only numbers in the journal are decimals here; what says nothing is left out."""
    instrument = InstrumentDefined(1, "X", "USD", 2, 3, 1, 1, 10**9, 10**15, 10_000, 100, 0, 0)
    state = OrderState(
        7, "ann", "ann/4", "c1", "ann", "X", BUY, LIMIT, DAY, 9_900, 5_000, 0, 3_000, 29_700_000, 0, "", CANCELED,
        1_700_000_000 * SECOND, limit=9_900, busted=2_000,
    )  # fmt: skip
    bust = TradeBusted(1, 599, "X", 9_900, 2_000, BUY, "bob", "ann", 1, -(10**10), None, state, "operator eve")
    trade = Traded(599, "X", 9_900, 2_000, 6, 7, BUY, "bob", "ann", 0, 0, 1, -(10**10))
    stop = Conditions(stop_price=10_050, display_quantity=500, self_match_id="m", self_match_instruction="4")
    order = NewOrder("ann", "ann/4", "c1", "ann", "X", SELL, STOP, GTC, 0, 1_500, conditions=stop)
    entry = QuoteEntry("e1", "X", 9_950, 1_000, 0, 0)
    shown_state = (
        'taker="order_id=7 participant=ann session=ann/4 cl_ord_id=c1 account=ann instrument=X side=buy order_type=limit '
        "time_in_force=day price=99.00 quantity=5.000 leaves=0.000 executed=3.000 value=297.00 status=4 "
        'entered=2023-11-14T22:13:20.000000Z limit=99.00 busted=2.000"'
    )
    said_order = "session=ann/4 cl_ord_id=c1 account=ann instrument=X side=sell order_type=stop time_in_force=gtc quantity=1.500"
    said_stop = "stop_price=100.50 display_quantity=0.500 self_match_id=m self_match_instruction=decrement"
    lines: list[tuple[Command | Event, str]] = [
        (order, f"NewOrder participant=ann {said_order} {said_stop}"),
        (
            NewOrderList("ann", "ann/4", "l1", ONE_TRIGGERS_THE_OTHER, [order, order]),
            (
                "NewOrderList participant=ann session=ann/4 list_id=l1 contingency=one-triggers-other "
                f'orders="participant=ann {said_order} {said_stop}; participant=ann {said_order} {said_stop}"'
            ),
        ),
        (
            MassQuote("ann", "ann/4", "q1", "ann", [entry]),
            (
                "MassQuote participant=ann session=ann/4 quote_id=q1 account=ann "
                'entries="entry_id=e1 instrument=X bid_price=99.50 bid_quantity=1.000 offer_price=0.00 offer_quantity=0.000"'
            ),
        ),
        (
            QuotesAnswered(1, "ann", "ann/4", "q1", [QuoteResult("e1", "X"), QuoteResult("e2", "X", 16, "far")], 0, "", "1", ""),
            (
                "QuotesAnswered participant=ann session=ann/4 quote_id=q1 "
                'results="entry_id=e1 instrument=X; entry_id=e2 instrument=X reason=OUTSIDE_PRICE_BAND text=far" response_level=1'
            ),
        ),
        (
            bust,
            (
                "TradeBusted trade_seq=599 instrument=X price=99.00 quantity=2.000 taker_side=buy maker_account=bob "
                f'taker_account=ann maker_fee=0.0000000001 taker_fee=-1.00 {shown_state} by="operator eve"'
            ),
        ),
        (CorrectTrade(trade, 9_800, 1_000, "operator eve"), 'CorrectTrade trade=599 price=98.00 quantity=1.000 by="operator eve"'),
        (
            Uncrossed(1, "X", "opening-auction", 9_900, 4_000, -500),
            ("Uncrossed instrument=X phase=opening-auction price=99.00 volume=4.000 surplus=-0.500"),
        ),
        (
            OrderRestated(1, 7, "X", RestateReason.LEFT_OVER, LIMIT, 9_900, 5_000, 100),
            ("OrderRestated order_id=7 instrument=X reason=LEFT_OVER order_type=limit price=99.00 quantity=5.000 leaves=0.100"),
        ),
        (
            PhaseChanged(1, "X", "volatility-auction", 1_700_000_300 * SECOND),
            ("PhaseChanged instrument=X phase=volatility-auction until=2023-11-14T22:18:20.000000Z"),
        ),
        (
            ReferenceSet(1, "X", 10_000, 9_900, 10_100, "operator eve"),
            ('ReferenceSet instrument=X price=100.00 low=99.00 high=101.00 by="operator eve"'),
        ),
        (
            DefineParticipant("zoe", "scrypt$1$2", value_max=str(5 * 10**13), by="operator eve"),
            (
                "DefineParticipant participant=zoe password=(hidden) orders_per_second=-1 cancels_per_second=-1 "
                'cancel_on_disconnect=none cancel_grace_seconds=0 value_max=5000.00 by="operator eve"'
            ),
        ),
    ]
    terms = Terms()
    terms.learn(instrument)
    assert [text_line(1, 0, one, terms)[38:] for one, _ in lines] == [line for _, line in lines]


def test_whatever_is_in_a_journal_is_a_line_of_its_own() -> None:
    terms, kinds = Terms(), set()
    for number, step in enumerate(steps(Engine(), 5, 4_000, 3)):
        for entry in (*step.commands, *step.batch.events):
            terms.learn(entry)
            kinds.add(type(entry))
            line = text_line(number, step.time, entry, terms)
            assert "\n" not in line and line.split()[2] == type(entry).__name__
            assert json.loads(json_line(number, step.time, entry, terms))["kind"] == type(entry).__name__
    assert {*get_args(Command), *get_args(Event)} - kinds <= {MassCancelRejected}, "nearly all kinds were drawn"
