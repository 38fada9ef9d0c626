"""Every event of clearing as it is written, with all its fields. Those of the market are in test_engine_events.py."""

from matching.engine import Engine
from matching.messages import (
    BUY,
    DAY,
    GTC,
    LIMIT,
    MONEY_UNIT,
    SELL,
    AccountDefined,
    AllocateTrade,
    AllocationRejected,
    BalanceChanged,
    BoughtIn,
    CancelReason,
    Command,
    DayRolled,
    DefineAccount,
    DefineInstrument,
    DeliveriesHeld,
    Deposit,
    DividendCredited,
    DividendPaid,
    Event,
    FailReason,
    FeesSet,
    HoldDeliveries,
    HoldingSplit,
    InstrumentDefined,
    InstrumentSplit,
    MarginCalled,
    MarginCallEnded,
    MarginSet,
    NewOrder,
    ObligationNetted,
    ObligationSplit,
    OrderAccepted,
    OrderCanceled,
    OrderSplit,
    PayDividend,
    PhaseChanged,
    Reason,
    ReferenceSet,
    RollDay,
    SetFees,
    SetMargin,
    SetPhase,
    SetSettlement,
    Settled,
    SettlementFailed,
    SettlementSet,
    Share,
    SplitInstrument,
    TradeAllocated,
    Traded,
)

NOW = 1_700_000_000_000_000_000
FEE = MONEY_UNIT // 5
TRADE = Traded(13, "X", 1_000, 10, 11, 12, BUY, "b-1", "a-1", 10, 0, 0, FEE, False)

CLEARING: list[tuple[Command, list[Event]]] = [
    (
        DefineInstrument("X", "USD", 2, 0, 1, 1, 1_000_000, 10**8 * MONEY_UNIT, 1_000, 1_000, 0, 1_000),
        [
            InstrumentDefined(
                1, "X", "USD", 2, 0, 1, 1, 1_000_000, 10**8 * MONEY_UNIT, 1_000, 1_000, 0, 1_000, 0, 300_000_000_000, "MAIN",
                "continuous", "",
            )
        ],
    ),
    (DefineAccount("a-1", "ann"), [AccountDefined(2, "a-1", "ann", 0, "cancel-resting", "")]),
    (DefineAccount("a-2", "ann"), [AccountDefined(3, "a-2", "ann", 0, "cancel-resting", "")]),
    (DefineAccount("b-1", "bob", 100), [AccountDefined(4, "b-1", "bob", 100, "cancel-resting", "")]),
    (Deposit("a-1", "USD", "10000000000000"), [BalanceChanged(5, "a-1", "USD", "10000000000000", "10000000000000", "", "")]),
    (Deposit("b-1", "USD", "2000000000000"), [BalanceChanged(6, "b-1", "USD", "2000000000000", "2000000000000", "", "")]),
    (SetSettlement(1, True, 1, 50_000, "op"), [SettlementSet(7, 1, True, 1, 50_000, True, "op")]),
    (SetFees("ann", "X", 100, 2_000, "op"), [FeesSet(8, "ann", "X", 100, 2_000, "op")]),
    (SetMargin("X", 200_000, 100_000, "op"), [MarginSet(9, "X", 200_000, 100_000, "op")]),
    (HoldDeliveries("b-1", "X", True, "op", "lost"), [DeliveriesHeld(10, "b-1", "X", True, "op", "lost")]),
    (
        NewOrder("bob", "bob/1", "s1", "b-1", "X", SELL, LIMIT, GTC, 1_000, 20, 0, "rs"),
        [OrderAccepted(11, 11, "bob", "bob/1", "s1", "b-1", "X", SELL, LIMIT, GTC, 1_000, 20, 0, "rs", "", False, None, "")],
    ),
    (
        NewOrder("ann", "ann/1", "b1", "a-1", "X", BUY, LIMIT, DAY, 1_000, 10, 0, "rb"),
        [
            OrderAccepted(12, 12, "ann", "ann/1", "b1", "a-1", "X", BUY, LIMIT, DAY, 1_000, 10, 0, "rb", "", False, None, ""),
            TRADE,
        ],
    ),
    (
        AllocateTrade("ann", "ann/1", "al1", TRADE, BUY, [Share("a-1", 10)], "ra"),
        [TradeAllocated(14, "ann", "ann/1", "al1", 13, "a-1", "X", BUY, 1_000, 10, [Share("a-1", 10)], "ra")],
    ),
    (
        AllocateTrade("ann", "ann/1", "al2", TRADE, BUY, [Share("a-2", 10)], "ra"),
        [AllocationRejected(15, "ann", "ann/1", "al2", Reason.TOO_LATE, "this side of trade 13 was allocated already", "ra")],
    ),
    (
        RollDay("20240102"),
        [
            DayRolled(16, "20240102", 0),
            ObligationNetted(17, "", "X", 0, 1_000, "2000000000", "", 1),
            ObligationNetted(18, "a-1", "X", 10, 1_000, "-2000000000", "", 1),
            ObligationNetted(19, "b-1", "X", -10, 1_000, "0", "", 1),
        ],
    ),
    (
        PayDividend("X", "5000000000", "op", "spring"),
        [
            DividendPaid(20, "X", "5000000000", 2, "op", "spring"),
            DividendCredited(21, "a-1", "X", 10, "50000000000"),
            DividendCredited(22, "b-1", "X", -10, "-50000000000"),
        ],
    ),
    (SetPhase("X", "closed", "", "op"), [PhaseChanged(23, "X", "closed", 0, "op")]),
    (
        SplitInstrument("X", 2, 1, "op", "two for one"),
        [
            InstrumentSplit(24, "X", 2, 1, 2, 2, 1, "op", "two for one"),
            HoldingSplit(25, "a-1", "X", 0, 10, "0"),
            HoldingSplit(26, "b-1", "X", 0, -10, "0"),
            ObligationSplit(27, 18, "a-1", "X", 20, 2),
            ObligationSplit(28, 19, "b-1", "X", -20, 2),
            OrderSplit(29, 11, "X", 500, 40, 20, 20, 0, None),
            ReferenceSet(30, "X", 500, 450, 550, "op"),
        ],
    ),
    (
        SetMargin("X", 3_000_000, 2_500_000, "op"),
        [
            MarginSet(31, "X", 3_000_000, 2_500_000, "op"),
            MarginCalled(32, "b-1", "USD", "1950000000000", "2500000000000"),
            OrderCanceled(33, 11, "X", 20, CancelReason.MARGIN_CALL, "", "", ""),
        ],
    ),
    (
        SetMargin("X", 0, 0, "op"),
        [MarginSet(34, "X", 0, 0, "op"), MarginCallEnded(35, "b-1", "USD", "1950000000000", "0")],
    ),
    (
        RollDay("20240103", 1),
        [
            DayRolled(36, "20240103", 0),
            Settled(37, 17, "", "X", 0, "0", "2000000000", 0, "0"),
            Settled(38, 18, "a-1", "X", 0, "0", "-2000000000", 20, "0"),
            SettlementFailed(39, 18, "a-1", "X", 20, "0", 1, FailReason.COUNTERPARTY),
            SettlementFailed(40, 19, "b-1", "X", -20, "0", 1, FailReason.HELD),
            BoughtIn(41, 19, "b-1", 18, "a-1", "X", 20, 500, "1000000000000", "50000000000", "securities"),
        ],
    ),
]  # fmt: skip


def test_every_field_of_every_event_of_clearing():
    engine = Engine()
    for number, (command, expected) in enumerate(CLEARING, 1):
        assert engine.apply(number, NOW + number, [command]) == expected
        engine.check()


def test_one_batch_tells_the_same():
    engine = Engine()
    one_by_one = [event for number, (command, _) in enumerate(CLEARING, 1) for event in engine.apply(number, NOW, [command])]
    assert Engine().apply(1, NOW, [command for command, _ in CLEARING]) == one_by_one
