"""Every event as it is written, with all its fields: what the gateway, the ledger and the feed build on."""

from matching import messages
from matching.engine import Engine
from matching.messages import (
    BUY,
    DAY,
    GTC,
    LIMIT,
    MARKET,
    MARKET_TO_LIMIT,
    ONE_CANCELS_THE_OTHER,
    ONE_TRIGGERS_THE_OTHER,
    ORDERS_APART,
    PEGGED,
    SELL,
    STOP,
    AccessSet,
    AccountDefined,
    AuctionIndicated,
    BalanceChanged,
    BustTrade,
    CancelOrder,
    CancelQuotes,
    CancelReason,
    CancelRejected,
    Command,
    CommandRefused,
    Conditions,
    CorrectTrade,
    DayRolled,
    DefineAccount,
    DefineInstrument,
    DefineParticipant,
    Deposit,
    EndPauses,
    Event,
    ExpireOrders,
    IndicativePublished,
    InstrumentDefined,
    ListAccepted,
    ListRejected,
    MarketPhaseChanged,
    MassCancel,
    MassCanceled,
    MassCancelRejected,
    MassQuote,
    NewOrder,
    NewOrderList,
    OperatorCancel,
    OperatorNote,
    OperatorNoted,
    OrderAccepted,
    OrderActivated,
    OrderCanceled,
    OrderRefreshed,
    OrderRejected,
    OrderReplaced,
    OrderRepriced,
    OrderRestated,
    OrdersExpired,
    OrderState,
    ParticipantDefined,
    PausesEnded,
    PhaseChanged,
    PublishIndicative,
    QuoteEntry,
    QuoteResult,
    QuotesAnswered,
    QuotesCanceled,
    Reason,
    ReferenceSet,
    ReplaceOrder,
    RestateReason,
    RollDay,
    SetAccess,
    SetPhase,
    SetReference,
    TradeBusted,
    TradeCorrected,
    Traded,
    Uncrossed,
    Withdraw,
)
from tests.matching.test_engine_clearing_events import CLEARING

NOW = 1_700_000_000_000_000_000

ICEBERG = Conditions(display_quantity=20)
STOPPED = Conditions(stop_price=1_005)
PEG = Conditions(peg="primary", peg_offset=1)
QUOTE = Conditions(quote_id="q1", quote_entry_id="e1")
IN_LIST = Conditions(list_id="l1", contingency="1")
STOP_IN_LIST = Conditions(stop_price=950, list_id="l1", contingency="1")
TAKE_PROFIT = NewOrder("ann", "ann/42", "t", "a-1", "X", SELL, LIMIT, DAY, 1_050, 10, 0, "rt", "", False, IN_LIST)
STOP_LOSS = NewOrder("ann", "ann/42", "l", "a-1", "X", SELL, STOP, DAY, 0, 10, 0, "rt", "", False, STOP_IN_LIST)
# 3.0 at 9.90 are 29.70 USD, of which both pay 300 millionths: it was an auction.
AUCTION_TRADE = Traded(29, "X", 990, 30, 22, 23, BUY, "b-1", "a-1", 20, 0, 89_100_000, 89_100_000, True)


def maker(executed: int, value: int, busted: int, status: str) -> OrderState:
    return OrderState(
        22, "bob", "bob/44", "s2", "b-1", "X", SELL, LIMIT, GTC, 990, 50, 20, executed, value, 0, "rs", status, NOW + 22, "", False,
        ICEBERG, 990, 20, "", busted, 0,
    )  # fmt: skip


def taker(executed: int, value: int, busted: int, status: str) -> OrderState:
    return OrderState(
        23, "ann", "ann/42", "b4", "a-1", "X", BUY, MARKET, DAY, 0, 30, 0, executed, value, 0, "rb", status, NOW + 23, "", False,
        None, 1_100, 0, "", busted, 0,
    )  # fmt: skip


SCRIPT: list[tuple[Command, list[Event]]] = [
    (
        DefineInstrument("X", "USD", 2, 1, 1, 10, 10_000, 10**16, 1_000, 1_000, 100, 300),
        [
            InstrumentDefined(
                1, "X", "USD", 2, 1, 1, 10, 10_000, 10**16, 1_000, 1_000, 100, 300, 0, 300_000_000_000, "MAIN", "continuous", ""
            )
        ],
    ),
    (DefineAccount("a-1", "ann", 7, "allow"), [AccountDefined(2, "a-1", "ann", 7, "allow")]),
    (DefineAccount("b-1", "bob"), [AccountDefined(3, "b-1", "bob", 0, "cancel-resting")]),
    (Deposit("a-1", "USD", "100000000000000"), [BalanceChanged(4, "a-1", "USD", "100000000000000", "100000000000000")]),
    (Deposit("b-1", "X", "500"), [BalanceChanged(5, "b-1", "X", "500", "500")]),
    (Withdraw("b-1", "X", "100"), [BalanceChanged(6, "b-1", "X", "-100", "400")]),
    (Withdraw("b-1", "X", "401"), [CommandRefused(7, "Withdraw", Reason.INSUFFICIENT_FUNDS, "40.0 X are available in b-1")]),
    (
        NewOrder("bob", "bob/44", "s1", "b-1", "X", SELL, LIMIT, GTC, 1_000, 300, 0, "rs", "6", True),
        [OrderAccepted(8, 8, "bob", "bob/44", "s1", "b-1", "X", SELL, LIMIT, GTC, 1_000, 300, 0, "rs", "6", True)],
    ),
    (
        NewOrder("ann", "ann/42", "b1", "a-1", "X", BUY, LIMIT, DAY, 1_001, 500, 0, "rb"),
        [
            OrderAccepted(9, 9, "ann", "ann/42", "b1", "a-1", "X", BUY, LIMIT, DAY, 1_001, 500, 0, "rb", "", False),
            # 30.0 at 10.00: 300 USD, of which a maker pays 100 and a taker 300 millionths.
            Traded(10, "X", 1_000, 300, 8, 9, BUY, "b-1", "a-1", 0, 200, 300_000_000, 900_000_000),
        ],
    ),
    (
        NewOrder("ann", "ann/42", "b1", "a-1", "X", BUY, LIMIT, DAY, 1_001, 500, 0, "again", "6"),
        [
            OrderRejected(
                11, 10, "ann", "ann/42", "b1", "a-1", "X", BUY, LIMIT, DAY, 1_001, 500, 0, "again", Reason.DUPLICATE_CL_ORD_ID,
                "ClOrdID was used before on this trading day", "6",
            )
        ],
    ),
    (
        ReplaceOrder("ann", "ann/50", "b2", "b1", "X", BUY, LIMIT, GTC, 1_000, 400, 0, "rr", "o", True),
        [OrderReplaced(12, 9, "X", "ann/50", "b2", "b1", LIMIT, GTC, 1_000, 400, 100, 0, "rr", True, "o", True)],
    ),
    (
        CancelOrder("ann", "ann/50", "c1", "nothing", "X", BUY, "rc"),
        [
            CancelRejected(
                13, 0, "ann", "ann/50", "c1", "nothing", "1", "8", Reason.UNKNOWN_ORDER, "no order with ClOrdID nothing", "rc"
            )
        ],
    ),
    (
        ReplaceOrder("ann", "ann/50", "b3", "b2", "X", BUY, LIMIT, GTC, 1_000, 405, 0, "rr"),
        [
            CancelRejected(
                14, 9, "ann", "ann/50", "b3", "b2", "2", "1", Reason.INVALID_QUANTITY,
                "quantity 40.5 is not a positive multiple of the lot 1.0", "rr",
            )
        ],
    ),
    (
        CancelOrder("ann", "ann/50", "c2", "b1", "X", BUY, "rc"),
        [OrderCanceled(15, 9, "X", 100, CancelReason.REQUESTED, "ann/50", "c2", "rc")],
    ),
    (MassCancel("bob", "bob/44", "m1", "X", routing="rm"), [MassCanceled(16, "bob", "bob/44", "m1", "X", 0, False, "rm")]),
    (
        MassCancel("bob", "bob/44", "m2", "Y", routing="rm"),
        [MassCancelRejected(17, "bob", "bob/44", "m2", "Y", Reason.UNKNOWN_INSTRUMENT, "unknown symbol Y", "rm")],
    ),
    (SetPhase("X", "halted"), [PhaseChanged(18, "X", "halted")]),
    (ExpireOrders(), [OrdersExpired(19, 0)]),
    (RollDay("20240102"), [DayRolled(20, "20240102", 0)]),
    (
        DefineParticipant("ann", "hash", 5, 6, "day", 7, "80000000000000", 8, 9, "op"),
        [ParticipantDefined(21, "ann", "hash", 5, 6, "day", 7, "80000000000000", 8, 9, "op")],
    ),
    (
        SetPhase("", "opening-auction", "MAIN", "op"),
        [MarketPhaseChanged(22, "MAIN", "opening-auction", "op"), PhaseChanged(23, "X", "opening-auction", 0, "op")],
    ),
    (
        NewOrder("bob", "bob/44", "s2", "b-1", "X", SELL, LIMIT, GTC, 990, 50, 0, "rs", "", False, ICEBERG),
        [OrderAccepted(24, 22, "bob", "bob/44", "s2", "b-1", "X", SELL, LIMIT, GTC, 990, 50, 0, "rs", "", False, ICEBERG, "")],
    ),
    (
        NewOrder("ann", "ann/42", "b4", "a-1", "X", BUY, MARKET, DAY, 0, 30, 0, "rb"),
        [OrderAccepted(25, 23, "ann", "ann/42", "b4", "a-1", "X", BUY, MARKET, DAY, 0, 30, 0, "rb", "", False, None, "")],
    ),
    (PublishIndicative(), [IndicativePublished(26, 1), AuctionIndicated(27, "X", 990, 30, -20)]),
    (
        SetPhase("X", "continuous"),
        [
            Uncrossed(28, "X", "opening-auction", 990, 30, -20),
            AUCTION_TRADE,
            OrderRefreshed(30, 22, "X", 20),
            PhaseChanged(31, "X", "continuous", 0, ""),
        ],
    ),
    (
        CorrectTrade(AUCTION_TRADE, 995, 20, "op"),
        [
            TradeCorrected(
                32, 29, "X", 995, 20, BUY, "b-1", "a-1", 59_700_000, 59_700_000, 990, 30, 89_100_000, 89_100_000,
                # What was taken from a filled order does not come back: it counts as canceled.
                maker(executed=20, value=19_900, busted=10, status="1"),
                taker(executed=20, value=19_900, busted=10, status="4"),
                "op",
            )
        ],
    ),
    (
        BustTrade(AUCTION_TRADE, "op"),
        [
            TradeBusted(
                33, 29, "X", 995, 20, BUY, "b-1", "a-1", 59_700_000, 59_700_000,
                maker(executed=0, value=0, busted=30, status="0"),
                taker(executed=0, value=0, busted=30, status="4"),
                "op",
            )
        ],
    ),
    (
        MassQuote(
            "bob", "bob/44", "q1", "b-1", [QuoteEntry("e1", "X", 980, 10, 1_010, 10), QuoteEntry("e2", "Z", 1, 1, 2, 1)], "1", "rq",
            True,
        ),
        [
            QuotesAnswered(
                34, "bob", "bob/44", "q1", [QuoteResult("e1", "X", 0, ""), QuoteResult("e2", "Z", 1, "unknown symbol Z")], 0, "",
                "1", "rq",
            ),
            OrderAccepted(35, 28, "bob", "bob/44", "", "b-1", "X", BUY, LIMIT, DAY, 980, 10, 0, "rq", "", True, QUOTE, ""),
            OrderAccepted(
                36, 28 + ORDERS_APART, "bob", "bob/44", "", "b-1", "X", SELL, LIMIT, DAY, 1_010, 10, 0, "rq", "", True, QUOTE, ""
            ),
        ],
    ),
    (
        NewOrder("ann", "ann/42", "b5", "a-1", "X", BUY, STOP, DAY, 0, 10, 0, "rb", "", False, STOPPED),
        [OrderAccepted(37, 29, "ann", "ann/42", "b5", "a-1", "X", BUY, STOP, DAY, 0, 10, 0, "rb", "", False, STOPPED, "stop")],
    ),
    (
        NewOrder("ann", "ann/42", "b6", "a-1", "X", BUY, PEGGED, DAY, 1_000, 10, 0, "rb", "", False, PEG),
        [
            OrderAccepted(38, 30, "ann", "ann/42", "b6", "a-1", "X", BUY, PEGGED, DAY, 1_000, 10, 0, "rb", "", False, PEG, "peg"),
            OrderRepriced(39, 30, "X", 981),
        ],
    ),
    (
        NewOrder("ann", "ann/42", "b7", "a-1", "X", BUY, MARKET_TO_LIMIT, DAY, 0, 40, 0, "rb"),
        [
            OrderAccepted(40, 31, "ann", "ann/42", "b7", "a-1", "X", BUY, MARKET_TO_LIMIT, DAY, 0, 40, 0, "rb"),
            Traded(41, "X", 990, 20, 22, 31, BUY, "b-1", "a-1", 0, 20, 19_800_000, 59_400_000, False),
            Traded(42, "X", 1_010, 10, 28 + ORDERS_APART, 31, BUY, "b-1", "a-1", 0, 10, 10_100_000, 30_300_000, False),
            OrderRestated(43, 31, "X", RestateReason.LEFT_OVER, LIMIT, 1_010, 40, 10),
            OrderActivated(44, 29, "X", "stop", MARKET, 0, ""),
            OrderCanceled(45, 29, "X", 10, CancelReason.MARKET_REMAINDER, "", "", ""),
            OrderRepriced(46, 30, "X", 1_000),
        ],
    ),
    (
        NewOrderList("ann", "ann/42", "l1", ONE_CANCELS_THE_OTHER, [TAKE_PROFIT, STOP_LOSS], "rl"),
        [
            ListAccepted(47, "ann", "ann/42", "l1", "1", 2, "rl"),
            OrderAccepted(48, 32, "ann", "ann/42", "t", "a-1", "X", SELL, LIMIT, DAY, 1_050, 10, 0, "rt", "", False, IN_LIST, ""),
            OrderAccepted(
                49, 32 + ORDERS_APART, "ann", "ann/42", "l", "a-1", "X", SELL, STOP, DAY, 0, 10, 0, "rt", "", False, STOP_IN_LIST,
                "stop",
            ),
        ],
    ),
    (
        NewOrderList("ann", "ann/42", "l2", ONE_TRIGGERS_THE_OTHER, [TAKE_PROFIT], "rl"),
        [
            ListRejected(50, "ann", "ann/42", "l2", "2", 1, Reason.UNSUPPORTED, "a list has 2 to 10 orders", "rl"),
            OrderRejected(
                51, 33, "ann", "ann/42", "t", "a-1", "X", SELL, LIMIT, DAY, 1_050, 10, 0, "rt", Reason.UNSUPPORTED,
                "a list has 2 to 10 orders", "", IN_LIST,
            ),
        ],
    ),
    (
        CancelQuotes("bob", "bob/44", "q2", "X", "2", "rz"),
        [
            QuotesCanceled(52, "bob", "bob/44", "q2", "X", 1, 0, "", "2", "rz"),
            OrderCanceled(53, 28, "X", 10, CancelReason.QUOTE_CANCEL, "", "", ""),
        ],
    ),
    (SetReference("X", 1_010, "op"), [ReferenceSet(54, "X", 1_010, 909, 1_111, "op")]),
    (OperatorCancel(30, "op"), [OrderCanceled(55, 30, "X", 10, CancelReason.OPERATOR, "", "", "")]),
    (EndPauses(), [PausesEnded(56, 0)]),
    (OperatorNote("reset the sequence of ann/42", "op"), [OperatorNoted(57, "reset the sequence of ann/42", "op")]),
    (
        SetAccess("ann", "killed", "op"),
        [
            AccessSet(58, "ann", "killed", 3, "op"),
            OrderCanceled(59, 31, "X", 10, CancelReason.KILLED, "", "", ""),
            OrderCanceled(60, 32, "X", 10, CancelReason.KILLED, "", "", ""),
            OrderCanceled(61, 32 + ORDERS_APART, "X", 10, CancelReason.ONE_CANCELS_OTHER, "", "", ""),
        ],
    ),
]  # fmt: skip


def test_every_field_of_every_event():
    engine = Engine()
    for number, (command, expected) in enumerate(SCRIPT, 1):
        assert engine.apply(number, NOW + number, [command]) == expected
    kinds = {type(event) for _, events in (*SCRIPT, *CLEARING) for event in events}
    assert kinds == set(messages.Event.__args__)
    assert {type(command) for command, _ in (*SCRIPT, *CLEARING)} == set(messages.Command.__args__)


def test_one_batch_tells_the_same():
    engine = Engine()
    one_by_one = [event for number, (command, _) in enumerate(SCRIPT, 1) for event in engine.apply(number, NOW, [command])]
    assert Engine().apply(1, NOW, [command for command, _ in SCRIPT]) == one_by_one


def test_every_field_of_an_order():
    engine = Engine()
    day_end = next(index for index, (command, _) in enumerate(SCRIPT) if isinstance(command, RollDay))
    for number, (command, _) in enumerate(SCRIPT[:day_end], 1):
        engine.apply(number, NOW + number, [command])
    assert engine.order("ann", "b2") == OrderState(
        9, "ann", "ann/50", "b2", "a-1", "X", BUY, LIMIT, GTC, 1_000, 400, 0, 300, 300 * 1_000, 0, "rr", "4", NOW + 9, "o", True,
        None, 1_000, 0, "", 0, 0,
    )  # fmt: skip
    assert list(engine.open_orders()) == []
