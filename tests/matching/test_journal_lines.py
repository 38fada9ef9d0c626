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
    AllocateTrade,
    BalanceChanged,
    BoughtIn,
    Command,
    Conditions,
    CorrectTrade,
    DefineParticipant,
    DeliveriesHeld,
    DividendCredited,
    Event,
    FailReason,
    FeesSet,
    HoldingSplit,
    InstrumentDefined,
    InstrumentSplit,
    MarginCalled,
    MassCancelRejected,
    MassQuote,
    NewOrder,
    NewOrderList,
    ObligationNetted,
    ObligationSplit,
    OrderRestated,
    OrderSplit,
    OrderState,
    PayDividend,
    PhaseChanged,
    QuoteEntry,
    QuoteResult,
    QuotesAnswered,
    ReferenceSet,
    RestateReason,
    SetFees,
    SetMargin,
    SetSettlement,
    Settled,
    SettlementFailed,
    Share,
    SplitInstrument,
    TradeAllocated,
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


def test_what_clearing_is_told_and_tells_is_a_line_each() -> None:
    """Money is of the currency, quantities and prices of the instrument; what is refused to somebody says no."""
    million = str(10**16)
    shares = [Share("ann", 1_000), Share("ann2", 1_500)]
    trade = Traded(599, "X", 9_900, 2_500, 6, 7, BUY, "bob", "ann", 0, 0, 1, 1)
    conditions = Conditions(stop_price=5_025)
    lines: list[tuple[Command | Event, str]] = [
        (
            SetSettlement(2, False, 4, 10_000, "operator eve"),
            'SetSettlement cycle_days=2 spend_unsettled=no buy_in_days=4 buy_in_premium_ppm=10000 by="operator eve"',
        ),
        (SplitInstrument("X", 2, 1, reference="b7"), "SplitInstrument instrument=X numerator=2 denominator=1 reference=b7"),
        (PayDividend("X", "2500000000", "", "d"), "PayDividend instrument=X amount=0.25 reference=d"),
        (SetFees("ann"), "SetFees participant=ann"),
        (SetFees("ann", "X", -100, 300), "SetFees participant=ann instrument=X maker_fee_ppm=-100 taker_fee_ppm=300"),
        (SetMargin("X", 500_000, 250_000), "SetMargin instrument=X initial_ppm=500000 maintenance_ppm=250000"),
        (
            AllocateTrade("ann", "ann/4", "a1", trade, BUY, shares),
            "AllocateTrade participant=ann session=ann/4 alloc_id=a1 trade=599 side=buy"
            ' shares="account=ann quantity=1.000; account=ann2 quantity=1.500"',
        ),
        (DeliveriesHeld(1, "ann", "X", False), "DeliveriesHeld account=ann asset=X held=no"),
        (DeliveriesHeld(1, "ann", "", True, "e"), "DeliveriesHeld account=ann held=yes by=e"),
        (BalanceChanged(1, "ann", "X", "1500", "2500"), "BalanceChanged account=ann asset=X amount=1.50 balance=2.50"),
        (
            ObligationNetted(1, "ann", "X", -2_000, 9_900, "-5000000000", "20240102", 3),
            "ObligationNetted account=ann instrument=X quantity=-2.000 price=99.00 money=-0.50 trading_day=20240102 due=3",
        ),
        (
            Settled(2, 1, "ann", "X", -1_000, "990000000000", "-5000000000", -1_000, "0"),
            "Settled obligation=1 account=ann instrument=X quantity=-1.000 value=99.00 money=-0.50 quantity_left=-1.000"
            " money_left=0.00",
        ),
        (
            SettlementFailed(3, 1, "ann", "X", -1_000, "0", 1, FailReason.NO_SECURITIES),
            "SettlementFailed obligation=1 account=ann instrument=X quantity=-1.000 money=0.00 days=1 reason=NO_SECURITIES",
        ),
        (
            BoughtIn(4, 1, "ann", 2, "bob", "X", 1_000, 10_000, "990000000000", "20000000000", "securities"),
            "BoughtIn obligation=1 account=ann receiving_obligation=2 receiving_account=bob instrument=X quantity=1.000"
            " price=100.00 value=99.00 money=2.00 fault=securities",
        ),
        (
            DividendCredited(1, "ann", "X", 2_000, million),
            "DividendCredited account=ann instrument=X quantity=2.000 amount=1000000.00",
        ),
        (
            InstrumentSplit(1, "X", 3, 2, 5, 0, 7, "e"),
            "InstrumentSplit instrument=X numerator=3 denominator=2 accounts=5 obligations=0 orders=7 by=e",
        ),
        (
            HoldingSplit(1, "ann", "X", 500, 0, "1"),
            "HoldingSplit account=ann instrument=X settled_change=0.500 unsettled_change=0.000 cash=0.0000000001",
        ),
        (
            ObligationSplit(1, 9, "ann", "X", 4_000, 2),
            "ObligationSplit obligation=9 account=ann instrument=X quantity=4.000 multiple=2",
        ),
        (
            OrderSplit(1, 7, "X", 5_000, 3_000, 2_000, 1_000, 0, conditions),
            "OrderSplit order_id=7 instrument=X price=50.00 quantity=3.000 leaves=2.000 executed=1.000 stop_price=50.25",
        ),
        (FeesSet(1, "ann", "", None, None), "FeesSet participant=ann"),
        (
            MarginCalled(1, "ann", "USD", "-10000000000", million),
            "MarginCalled account=ann currency=USD equity=-1.00 required=1000000.00",
        ),
        (
            TradeAllocated(1, "ann", "ann/4", "a1", 599, "ann", "X", BUY, 9_900, 2_500, shares, ""),
            "TradeAllocated participant=ann session=ann/4 alloc_id=a1 trade_seq=599 account=ann instrument=X side=buy price=99.00"
            ' quantity=2.500 shares="account=ann quantity=1.000; account=ann2 quantity=1.500"',
        ),
    ]
    terms = Terms()
    terms.learn(InstrumentDefined(1, "X", "USD", 2, 3, 1, 1, 10**9, 10**15, 10_000, 100, 0, 0))
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
