"""Every event as it is written, with all its fields: what the gateway, the ledger and the feed build on."""

from matching import messages
from matching.engine import Engine
from matching.messages import (
    BUY,
    DAY,
    GTC,
    LIMIT,
    SELL,
    AccountDefined,
    BalanceChanged,
    CancelOrder,
    CancelReason,
    CancelRejected,
    Command,
    CommandRefused,
    DayRolled,
    DefineAccount,
    DefineInstrument,
    Deposit,
    Event,
    ExpireOrders,
    InstrumentDefined,
    MassCancel,
    MassCanceled,
    MassCancelRejected,
    NewOrder,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    OrderReplaced,
    OrdersExpired,
    OrderState,
    PhaseChanged,
    Reason,
    ReplaceOrder,
    RollDay,
    SetPhase,
    Traded,
    Withdraw,
)

NOW = 1_700_000_000_000_000_000

SCRIPT: list[tuple[Command, list[Event]]] = [
    (
        DefineInstrument("X", "USD", 2, 1, 1, 10, 10_000, 10**16, 1_000, 1_000, 100, 300),
        [InstrumentDefined(1, "X", "USD", 2, 1, 1, 10, 10_000, 10**16, 1_000, 1_000, 100, 300)],
    ),
    (DefineAccount("a-1", "ann", 7, "allow"), [AccountDefined(2, "a-1", "ann", 7, "allow")]),
    (DefineAccount("b-1", "bob"), [AccountDefined(3, "b-1", "bob", 0, "cancel-resting")]),
    (Deposit("a-1", "USD", "100000000000000"), [BalanceChanged(4, "a-1", "USD", "100000000000000", "100000000000000")]),
    (Deposit("b-1", "X", "500"), [BalanceChanged(5, "b-1", "X", "500", "500")]),
    (Withdraw("b-1", "X", "100"), [BalanceChanged(6, "b-1", "X", "-100", "400")]),
    (Withdraw("b-1", "X", "401"), [CommandRefused(7, "Withdraw", Reason.INSUFFICIENT_FUNDS, "400 X are available in b-1")]),
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
]  # fmt: skip


def test_every_field_of_every_event():
    engine = Engine()
    for number, (command, expected) in enumerate(SCRIPT, 1):
        assert engine.apply(number, NOW + number, [command]) == expected
    kinds = {type(event) for _, events in SCRIPT for event in events}
    assert kinds == set(messages.Event.__args__)
    assert {type(command) for command, _ in SCRIPT} == set(messages.Command.__args__)


def test_one_batch_tells_the_same():
    engine = Engine()
    events = engine.apply(1, NOW, [command for command, _ in SCRIPT])
    assert events == [event for _, expected in SCRIPT for event in expected]


def test_every_field_of_an_order():
    engine = Engine()
    for number, (command, _) in enumerate(SCRIPT[:-1], 1):  # the day is not over
        engine.apply(number, NOW + number, [command])
    assert engine.order("ann", "b2") == OrderState(
        9, "ann", "ann/50", "b2", "a-1", "X", BUY, LIMIT, GTC, 1_000, 400, 0, 300, 300 * 1_000, 0, "rr", "4", NOW + 9, "o", True
    )
    assert list(engine.open_orders()) == []
